/*
 * What a mail about a notice says beyond what every alert says: which reminder it is, what happened so far, who is next.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/notice.h"

#include <string.h>

/* Places in plan->ask; the history follows with two times for each event. */
enum { ASK_WAS, ASK_SINCE, ASK_WAITING_SINCE, ASK_RESOLVED, ASK_NEXT, ASK_HISTORY };

void notice_ask(struct judge *j, struct plan *p)
{
	const struct notice *n = p->notice;
	struct wall_time *ask;

	p->n_ask = p->n_recipients ? ASK_HISTORY + 2 * n->n_past : 0;
	if (p->n_ask == 0)
		return;
	ask = arena_new_array(j->arena, struct wall_time, (size_t)p->n_ask);
	ask[ASK_WAS] = n->kind == NOTICE_JOINED && n->before ? n->before->responded_at
		       : n->opener                           ? n->opener->responded_at
							     : WALL_NONE;
	ask[ASK_SINCE] = n->owned_since;
	ask[ASK_WAITING_SINCE] = n->waiting_since;
	ask[ASK_RESOLVED] = n->facts.resolved_at;
	ask[ASK_NEXT] = n->next_at;
	for (int i = 0; i < n->n_past; i++) {
		ask[ASK_HISTORY + 2 * i] = n->past[i].at;
		ask[ASK_HISTORY + 2 * i + 1] = n->past[i].until;
	}
	p->ask = ask;
}

const struct response *notice_response(struct judge *j, const struct plan *p)
{
	const struct response *shown = &p->claimed->response, *opener = p->notice->opener;
	struct response *r;

	if (!opener)
		return shown;
	r = arena_memdup(j->arena, shown, sizeof(*shown));
	if (!r->customer_phone && !r->customer_email) {
		r->customer_phone = opener->customer_phone;
		r->customer_email = opener->customer_email;
	}
	if (!r->customer_name)
		r->customer_name = opener->customer_name;
	if (!r->account) {
		r->account = opener->account;
		r->account_name = opener->account_name;
	} else if (!r->account_name && str_eq(r->account, opener->account)) {
		r->account_name = opener->account_name;
	}
	return r;
}

/* The name of a person, who may be gone since; the daemon is nobody. */
static const char *name_of(const struct judge *j, const char *actor)
{
	const struct person *p = actor ? directory_person(j->live->directory, actor) : NULL;

	return p ? p->name : str_eq(actor, "daemon") ? NULL : actor;
}

static void alert_history(struct judge *j, const struct notice *n, const struct local_time *at, struct alert *a)
{
	struct alert_event *history = arena_new_array(j->arena, struct alert_event, (size_t)n->n_past);

	for (int i = 0; i < n->n_past; i++) {
		const struct notice_past *past = &n->past[i];

		history[i] = (struct alert_event){.at = at[2 * i],
						  .until = at[2 * i + 1],
						  .kind = past->kind,
						  .actor = name_of(j, past->actor),
						  .to = name_of(j, past->to),
						  .note = past->note,
						  .how = past->how,
						  .reached = past->reached,
						  .warning = past->warning,
						  .n = past->n,
						  .of = past->of};
	}
	a->history = history;
	a->n_history = n->n_past;
}

static int64_t seconds_left(const struct judge *j, struct wall_time due)
{
	return wall_is_set(due) ? (due.us - j->now.us) / US_PER_S : 0;
}

static const char *touchpoint_of(const struct judge *j, const struct response *r, const struct alert *a)
{
	return r->touchpoint ? settings_label(j->live->settings, LABEL_TOUCHPOINT, r->touchpoint, a->language) : NULL;
}

void notice_alert(struct judge *j, const struct plan *p, int i, struct alert *a)
{
	const struct notice *n = p->notice;
	const struct local_time *asked = &p->asked[i * p->n_ask];
	const struct response *then = n->kind == NOTICE_JOINED || n->kind == NOTICE_AMENDED ? n->before : n->opener;
	struct score was;

	for (int k = 0; k < n->n_mailed; k++)
		a->later |= str_eq(n->mailed[k], a->person_id);
	a->n = n->n;
	a->of = n->of;
	a->status = n->status;
	a->condition = n->condition;
	a->acknowledge_left_s = seconds_left(j, p->acknowledge_due);
	a->resolve_left_s = seconds_left(j, p->resolve_due);
	a->since = asked[ASK_SINCE];
	a->waiting_since = asked[ASK_WAITING_SINCE];
	a->resolved_at = asked[ASK_RESOLVED];
	a->resolved_by = name_of(j, n->resolved_by);
	a->root_cause = n->facts.root_cause
				? settings_label(j->live->settings, LABEL_ROOT_CAUSE, n->facts.root_cause, a->language)
				: NULL;
	a->note = n->kind == NOTICE_ASSIGNED || n->kind == NOTICE_WAITED || n->kind == NOTICE_REOPENED ? n->event.note : NULL;
	a->unreached = n->facts.unreached;
	a->ping_pong = n->facts.ping_pong;
	a->by_customer = n->by_customer;
	a->withdrawn = n->kind == NOTICE_AMENDED && n->status == CASE_DISMISSED;
	if (n->kind == NOTICE_REOPENED && !n->by_customer)
		a->for_name = name_of(j, n->event.actor);
	if (n->facts.outcome)
		case_outcome_parse(n->facts.outcome, &a->outcome);
	a->asks = n->asks;
	a->raised = n->raised;
	if (then && response_score(then, j->live->settings->scales, j->live->settings->n_scales, &was)) {
		a->was_set = true;
		a->was = was;
		a->was_at = asked[ASK_WAS];
		a->was_comment = then->comment;
		a->was_touchpoint = touchpoint_of(j, then, a);
	}
	if (n->kind == NOTICE_JOINED && n->opener) {
		a->first_set = response_score(n->opener, j->live->settings->scales, j->live->settings->n_scales, &a->first);
		a->first_touchpoint = touchpoint_of(j, n->opener, a);
	}
	if (n->stands) {
		a->next_person = notice_next_person(j, n);
		a->next_at = asked[ASK_NEXT];
		a->next_condition = n->next_condition;
	}
	if (!a->next_person)
		a->next_at.set = false;
	alert_history(j, n, asked + ASK_HISTORY, a);
}
