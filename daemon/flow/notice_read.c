/*
 * Rows of notices become structs; see notice.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/notice.h"
#include "intake/decode.h"

#define PAST_MAX 30 /* as many as notice_history gives for a case */

/* What each kind of event means here. A transition without a type of its own tells no webhook. */
static const struct {
	const char *event;
	enum notice_kind kind;
	const char *type;
} kinds[] = {
	{"opened", NOTICE_ASSIGNED, "case.opened"}, /* by hand: the owner is told as if it had been handed over */
	{"assigned", NOTICE_ASSIGNED, "case.assigned"},    {"amended", NOTICE_AMENDED, "case.amended"},
	{"joined", NOTICE_JOINED, "case.amended"},         {"reminded", NOTICE_REMINDER, "case.reminder"},
	{"escalated", NOTICE_ESCALATED, "case.escalated"}, {"reopened", NOTICE_REOPENED, "case.reopened"},
	{"outcome", NOTICE_ANSWERED, "case.outcome"},      {"acknowledged", NOTICE_MOVED, "case.acknowledged"},
	{"resolved", NOTICE_MOVED, "case.resolved"},       {"closed", NOTICE_MOVED, "case.closed"},
	{"dismissed", NOTICE_MOVED, "case.dismissed"},
};

static bool is_ended(const char *status)
{
	return str_eq(status, "resolved") || str_eq(status, "closed") || str_eq(status, "dismissed");
}

static void read_kind(struct notice *x, bool undelivered, bool warning, bool waiting_over)
{
	x->kind = undelivered ? NOTICE_UNDELIVERED : NOTICE_MOVED;
	for (size_t i = 0; !undelivered && i < ARRAY_SIZE(kinds); i++)
		if (str_eq(x->event.kind, kinds[i].event)) {
			x->kind = kinds[i].kind;
			x->type = kinds[i].type;
		}
	if (warning)
		x->kind = NOTICE_WARNED;
	if (waiting_over) { /* it comes back by itself: nobody has acknowledged anything */
		x->kind = NOTICE_WAITED;
		x->type = NULL;
	}
	/* Who believed that it was over must hear that it isn't. */
	if (str_eq(x->event.kind, "undone") && is_ended(x->event.from_status) && !is_ended(x->event.to_status))
		x->type = "case.reopened";
}

static void read_event(const struct pg_rows *rows, int i, struct arena *a, struct notice *x)
{
	const char **texts[] = {&x->event.actor,
				&x->event.kind,
				&x->event.from_status,
				&x->event.to_status,
				&x->event.note,
				&x->event.details,
				&x->to,
				&x->step,
				&x->target};

	x->event.id = pg_get_int8(rows, i, NOTICE_EVENT_ID);
	x->event.at = pg_get_time(rows, i, NOTICE_EVENT_AT);
	for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
		*texts[k] = arena_strdup(a, pg_get_text(rows, i, NOTICE_ACTOR + (int)k, NULL));
	x->condition = str_eq(pg_get_text(rows, i, NOTICE_CONDITION, NULL), "unresolved") ? CONDITION_UNRESOLVED
											  : CONDITION_UNACKNOWLEDGED;
	x->n = pg_get_int4(rows, i, NOTICE_N);
	x->of = pg_get_int4(rows, i, NOTICE_OF);
	x->response_id = pg_get_int8(rows, i, NOTICE_RESPONSE_ID);
}

static void read_case(const struct pg_rows *rows, int i, struct arena *a, struct notice *x)
{
	struct case_facts *f = &x->facts;
	const struct {
		int column;
		const char **text;
	} texts[] = {{NOTICE_CUSTOMER, &f->customer_id},
		     {NOTICE_STATUS, &f->status},
		     {NOTICE_PRIORITY, &f->priority},
		     {NOTICE_OWNER, &f->owner},
		     {NOTICE_TEAM, &f->team},
		     {NOTICE_ROUTE, &f->route},
		     {NOTICE_FOLLOW_UP, &f->follow_up},
		     {NOTICE_ROOT_CAUSE, &f->root_cause},
		     {NOTICE_RESOLUTION, &f->resolution},
		     {NOTICE_OUTCOME, &f->outcome},
		     {NOTICE_RULESET, &f->ruleset},
		     {NOTICE_RECIPIENT, &x->recipient},
		     {NOTICE_RESOLVED_BY, &x->resolved_by},
		     {NOTICE_NEXT_TARGET, &x->next_target}};
	const struct {
		int column;
		struct wall_time *time;
	} times[] = {{NOTICE_OPENED_AT, &f->opened_at},
		     {NOTICE_ACKNOWLEDGED_AT, &f->acknowledged_at},
		     {NOTICE_FIRST_ACTION_AT, &f->first_action_at},
		     {NOTICE_CONTACTED_AT, &f->contacted_at},
		     {NOTICE_RESOLVED_AT, &f->resolved_at},
		     {NOTICE_CLOSED_AT, &f->closed_at},
		     {NOTICE_ACKNOWLEDGE_DUE_AT, &f->acknowledge_due_at},
		     {NOTICE_RESOLVE_DUE_AT, &f->resolve_due_at},
		     {NOTICE_NEXT_ACTION_AT, &f->next_action_at},
		     {NOTICE_WAITING_SINCE, &x->waiting_since},
		     {NOTICE_WAITING_UNTIL, &f->waiting_until},
		     {NOTICE_OWNED_SINCE, &x->owned_since},
		     {NOTICE_NEXT_AT, &x->next_at}};
	const struct {
		int column, *number;
	} numbers[] = {{NOTICE_REOPENED_TIMES, &f->reopened},
		       {NOTICE_HANDOVERS, &f->handovers},
		       {NOTICE_LINK_EPOCH, &f->link_epoch},
		       {NOTICE_VERSION, &f->version},
		       {NOTICE_UNREACHED, &f->unreached}};

	f->id = pg_get_int8(rows, i, NOTICE_CASE_ID);
	f->response_id = pg_get_int8(rows, i, NOTICE_OPENER);
	for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
		*texts[k].text = arena_strdup(a, pg_get_text(rows, i, texts[k].column, NULL));
	for (size_t k = 0; k < ARRAY_SIZE(times); k++)
		*times[k].time = pg_get_time(rows, i, times[k].column);
	for (size_t k = 0; k < ARRAY_SIZE(numbers); k++)
		*numbers[k].number = pg_get_int4(rows, i, numbers[k].column);
	f->ping_pong = pg_get_bool(rows, i, NOTICE_PING_PONG);
	f->n_rules = pg_get_text_array(rows, i, NOTICE_RULES, a, &f->rules);
	x->next_condition = str_eq(pg_get_text(rows, i, NOTICE_NEXT_CONDITION, NULL), "unresolved") ? CONDITION_UNRESOLVED
												    : CONDITION_UNACKNOWLEDGED;
}

static int score_of(const struct pg_rows *rows, int i, int column)
{
	return pg_is_null(rows, i, column) ? SCORE_MISSING : pg_get_int4(rows, i, column);
}

/* What a further or a changed answer has brought. */
static void read_answer(const struct pg_rows *rows, int i, struct arena *a, struct notice *x)
{
	const char *why, *ratings;
	size_t n;

	x->tell = pg_get_bool(rows, i, NOTICE_TELL);
	x->asks = pg_get_bool(rows, i, NOTICE_ASKS);
	x->raised = pg_get_bool(rows, i, NOTICE_RAISED);
	x->n_new_rules = pg_get_text_array(rows, i, NOTICE_NEW_RULES, a, &x->new_rules);
	x->was_response_id = pg_get_int8(rows, i, NOTICE_WAS_RESPONSE);
	if (x->kind == NOTICE_JOINED)
		x->n = pg_get_int4(rows, i, NOTICE_COUNT);
	if (x->kind != NOTICE_AMENDED)
		return;
	x->was = (struct response){.nps = score_of(rows, i, NOTICE_WAS_NPS),
				   .csat = score_of(rows, i, NOTICE_WAS_CSAT),
				   .ces = score_of(rows, i, NOTICE_WAS_CES)};
	ratings = pg_get_text(rows, i, NOTICE_WAS_RATINGS, &n);
	decode_ratings(ratings, ratings ? n : 0, a, &x->was, &why);
	x->before = &x->was;
}

int notice_read(const struct pg_rows *rows, struct arena *a, struct notice **ret)
{
	int n = pg_count(rows);

	*ret = arena_new_array(a, struct notice, (size_t)n);
	for (int i = 0; i < n; i++) {
		struct notice *x = &(*ret)[i];
		bool undelivered = !pg_is_null(rows, i, NOTICE_UNDELIVERED_MESSAGE);

		x->id = pg_get_int8(rows, i, NOTICE_ID);
		if (undelivered)
			x->message_id = pg_get_uuid(rows, i, NOTICE_UNDELIVERED_MESSAGE);
		x->n_mailed = pg_get_text_array(rows, i, NOTICE_MAILED, a, &x->mailed);
		x->n_tried = pg_get_text_array(rows, i, NOTICE_TRIED, a, &x->tried);
		read_event(rows, i, a, x);
		read_case(rows, i, a, x);
		read_kind(x, undelivered, pg_get_bool(rows, i, NOTICE_WARNING), pg_get_bool(rows, i, NOTICE_WAITING_OVER));
		read_answer(rows, i, a, x);
		case_status_parse(x->facts.status, &x->status);
		priority_parse(x->facts.priority, &x->priority);
		x->stands = !is_ended(x->facts.status);
		x->by_customer = x->response_id != x->facts.response_id;
	}
	return n;
}

bool notice_shows_past(const struct notice *n)
{
	return n->kind == NOTICE_ESCALATED || n->kind == NOTICE_ASSIGNED || n->kind == NOTICE_REOPENED;
}

static void read_past(const struct pg_rows *rows, int i, struct arena *a, struct notice_past *p)
{
	const char **texts[] = {&p->kind, &p->actor, &p->to, &p->note, &p->how};

	for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
		*texts[k] = arena_strdup(a, pg_get_text(rows, i, HISTORY_KIND + (int)k, NULL));
	p->at = pg_get_time(rows, i, HISTORY_AT);
	p->reached = pg_get_bool(rows, i, HISTORY_REACHED);
	p->warning = pg_get_bool(rows, i, HISTORY_WARNING);
	p->n = pg_get_int4(rows, i, HISTORY_N);
	p->of = pg_get_int4(rows, i, HISTORY_OF);
	p->until = pg_get_time(rows, i, HISTORY_UNTIL);
}

void notice_read_past(const struct pg_rows *rows, struct arena *a, struct notice *notices, int n)
{
	for (int k = 0; k < n; k++) {
		struct notice *x = &notices[k];

		if (!notice_shows_past(x))
			continue;
		x->past = arena_new_array(a, struct notice_past, PAST_MAX);
		for (int i = 0; i < pg_count(rows); i++)
			if (x->n_past < PAST_MAX && pg_get_int8(rows, i, HISTORY_CASE_ID) == x->facts.id)
				read_past(rows, i, a, &x->past[x->n_past++]);
	}
}
