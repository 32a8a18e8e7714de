/*
 * Notices: mails about cases that are there already. Runs on the work connection between two batches.
 *
 *   claim notices ─▶ read cases' responses ─▶ who is told? ─▶ words (judge_render) ─▶ write messages, commit
 *
 * assigned:    the case's owner of now, once per hand-over; an earlier hand-over of the same case is dropped.
 * undelivered: the next person who wasn't tried yet: deputy, manager, then the route's last owner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "case/case_store.h"
#include "flow/directory_load.h"
#include "flow/inner.h"
#include "outbox/notice_store.h"

#include <string.h>

#define NOTICES_AT_ONCE 50

static const struct pg_stmt stmt_begin = {"begin", "BEGIN", 0, {0}};
static const struct pg_stmt stmt_commit = {"commit", "COMMIT", 0, {0}};
static const struct pg_stmt stmt_rollback = {"rollback", "ROLLBACK", 0, {0}};

static void notices_end(struct intake_run *r, bool more)
{
	intake_run_continue(r, BETWEEN_NOTICES, more);
}

static void on_ended(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (!error || !error->lost)
		notices_end(r, false);
}

static void on_dropped(void *arg, const struct pg_rows *rows)
{
	if (pg_count(rows))
		log_error("case %lld: a notice cannot be put into words and is dropped", (long long)pg_get_int8(rows, 0, 0));
}

static void on_ended_more(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (!error || !error->lost)
		notices_end(r, true);
}

/* Together they fail, one by one the good ones pass; the one that fails alone, by its own fault, is dropped. */
static void notices_failed(struct intake_run *r, const struct pg_error *error)
{
	struct pg_batch *b;
	bool alone = r->notices_limit == 1, rows = intake_blames_rows(error);

	if (error->lost)
		return; /* intake_run_lost() follows */
	r->judge.n_plans = 0;
	log_warning("notices: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	b = pg_batch_new(r->flow->work);
	pg_batch_add(b, &stmt_rollback, NULL, NULL, NULL);
	if (alone && rows)
		pg_batch_add(b, &notice_drop_first, NULL, on_dropped, NULL);
	r->notices_limit = 1;
	pg_batch_send(b, 0, rows || pg_error_is_conflict(error) ? on_ended_more : on_ended, r);
}

/* ---- who is told ---- */

static bool was_tried(const struct notice *n, const char *person)
{
	if (n->recipient && strcmp(n->recipient, person) == 0)
		return true;
	for (int i = 0; i < n->n_tried; i++)
		if (n->tried[i] && strcmp(n->tried[i], person) == 0)
			return true;
	return false;
}

static const struct person *untried(const struct judge *j, const struct notice *n, const char *id)
{
	const struct person *p = directory_person(j->live->directory, id);

	if (p)
		p = directory_present(j->live->directory, p, j->now);
	return p && p->email && !was_tried(n, p->id) ? p : NULL;
}

static const struct person *last_owner(const struct judge *j, const struct notice *n)
{
	const struct route *route = n->route ? settings_route(j->live->settings, n->route) : NULL;
	const struct target *t = route ? &route->owner[route->n_owner - 1] : NULL;
	const struct person *p = NULL;

	if (t && t->kind == TARGET_PERSON)
		return untried(j, n, t->name);
	for (int i = 0; t && t->kind == TARGET_TEAM && !p && i < t->team->members.n; i++)
		p = untried(j, n, t->team->members.items[i]);
	return p;
}

static const struct person *next_person(const struct judge *j, const struct notice *n)
{
	const struct directory *d = j->live->directory;
	const struct person *failed = directory_person(d, n->recipient), *p = NULL;
	const struct absence *away = failed ? directory_absence(d, failed->id, j->now) : NULL;

	if (away && away->deputy)
		p = untried(j, n, away->deputy);
	if (!p && failed && failed->deputy)
		p = untried(j, n, failed->deputy);
	if (!p && failed && failed->reports_to)
		p = untried(j, n, failed->reports_to);
	return p ? p : last_owner(j, n);
}

static const struct rule *first_rule(const struct settings *s, const struct notice *n)
{
	for (int k = 0; k < n->n_rules; k++)
		for (int i = 0; i < s->n_rules; i++)
			if (s->rules[i].kind == RULE_CASE && s->rules[i].priority == n->priority &&
			    strcmp(s->rules[i].id, n->rules[k]) == 0)
				return &s->rules[i];
	return NULL;
}

/* A new owner without a mail address is told through the deputy or the manager, as at opening. */
static void reach_instead(const struct judge *j, struct recipient *to)
{
	const struct person *missed = to->person;
	const char *const ids[] = {missed->deputy, missed->reports_to};

	for (size_t i = 0; i < ARRAY_SIZE(ids) && !to->person->email; i++) {
		const struct person *p = directory_person(j->live->directory, ids[i]);

		if (!p || !p->email)
			continue;
		to->person = p;
		to->reason = REASON_FALLBACK;
		to->for_person = missed;
	}
}

static void plan_notice(struct judge *j, struct notice *n, struct claimed *c)
{
	const struct directory *d = j->live->directory;
	struct plan *p = &j->plans[j->n_plans];
	struct recipient *to = arena_new_obj(j->arena, struct recipient);
	const struct person *owner = directory_person(d, n->owner);

	*p = (struct plan){.claimed = c,
			   .action = PLAN_TELL,
			   .winner = -1,
			   .case_id = n->case_id,
			   .priority = n->priority,
			   .recipients = to,
			   .n_recipients = 1,
			   .acknowledge_due = n->acknowledge_due,
			   .resolve_due = n->resolve_due,
			   .rule = first_rule(j->live->settings, n)};
	p->owner.person = owner;
	p->owner.team = n->team;
	if (n->kind == NOTICE_ASSIGNED) {
		if (!owner || !str_eq(n->to, n->owner))
			return;
		to->person = directory_present(d, owner, j->now);
		to->person = to->person ? to->person : owner;
		to->reason = to->person == owner ? REASON_ASSIGNED : REASON_DEPUTY;
		to->for_person = to->person == owner ? directory_find(d, n->actor) : owner;
		to->is_owner = true;
		p->alert = ALERT_ASSIGNED;
		p->kind = "case.assigned";
		p->dedup = arena_printf(j->arena, "case:%lld:assigned:%lld", (long long)n->case_id, (long long)n->event_id);
		reach_instead(j, to);
	} else {
		char id[UUID_TEXT_BYTES];

		to->person = next_person(j, n);
		if (!to->person) {
			log_error("case %lld: nobody is left who could be told instead of person %s", (long long)n->case_id,
				  n->recipient);
			return;
		}
		to->reason = REASON_FALLBACK;
		to->for_person = directory_person(d, n->recipient);
		to->is_owner = str_eq(n->recipient, n->owner);
		p->alert = ALERT_FORWARDED;
		p->kind = "case.opened";
		p->step = "forwarded";
		p->dedup = arena_printf(j->arena, "message:%s:forwarded", uuid_text(&n->message_id, id));
	}
	n->told = to->person->email && j->live->settings->email.set;
	j->n_plans += n->told;
}

/* ---- rounds ---- */

static void on_committed(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	bool more;

	if (error) {
		notices_failed(r, error);
		return;
	}
	r->judge.n_plans = 0;
	courier_kick(&r->flow->courier);
	more = r->n_notices == r->notices_limit;
	r->notices_limit = MIN(r->notices_limit * 2, NOTICES_AT_ONCE);
	notices_end(r, more);
}

static void on_rendered(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	struct judge *j = &r->judge;
	struct pg_batch *b;
	struct pg_params *p, *q;
	struct outbox_message *all;
	struct pg_array handed_on;
	int n = 0;

	if (error) {
		notices_failed(r, error);
		return;
	}
	b = pg_batch_new(r->flow->work);
	all = arena_new_array(r->arena, struct outbox_message, (size_t)MAX(j->n_plans, 1));
	for (int i = 0; i < j->n_plans; i++)
		for (int k = 0; k < j->plans[i].n_messages; k++) {
			all[n] = j->plans[i].messages[k];
			all[n++].queued_at = WALL_NONE;
		}
	if (n) {
		p = arena_new_obj(r->arena, struct pg_params);
		outbox_insert_params(p, r->arena, all, n, r->flow->daemon_id);
		pg_batch_add(b, &outbox_insert, p, NULL, NULL);
	}
	pg_array_init(&handed_on, r->arena, PG_UUID);
	for (int i = 0; i < r->n_notices; i++)
		if (r->notices[i].kind == NOTICE_UNDELIVERED && (r->notices[i].told || !r->notices[i].stands))
			pg_array_uuid(&handed_on, &r->notices[i].message_id);
	if (handed_on.count) {
		q = arena_new_obj(r->arena, struct pg_params);
		pg_params_init(q, r->arena);
		pg_add_array(q, &handed_on);
		pg_batch_add(b, &notice_handed_on, q, NULL, NULL);
	}
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_committed, r);
}

static void on_responses(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;
	int64_t last = 0;

	r->n_claimed = intake_read(rows, r->arena, &r->claimed, &last);
}

static void on_now(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	r->judge.now = pg_get_time(rows, 0, 0);
	r->judge.directory_version = pg_get_int8(rows, 0, 1);
}

static void on_directory(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	struct judge *j = &r->judge;

	if (error) {
		notices_failed(r, error);
		return;
	}
	j->plans = arena_new_array(r->arena, struct plan, (size_t)r->n_notices);
	for (int i = 0; i < r->n_notices; i++)
		for (int k = 0; r->notices[i].stands && k < r->n_claimed; k++)
			if (r->claimed[k].response.id == r->notices[i].response_id)
				plan_notice(j, &r->notices[i], &r->claimed[k]);
	judge_render(j);
}

/* Who is told may have been entered, or gone away, since anything was judged. */
static void on_read(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (!error && r->judge.directory_version != directory_version(r->flow->live->directory))
		directory_load(r->flow->work, r->flow->live, on_directory, r);
	else
		on_directory(r, error);
}

static void on_notices(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	r->n_notices = notice_read(rows, r->arena, &r->notices);
}

static void on_claimed(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	struct pg_params *p;
	struct pg_array ids;
	struct pg_batch *b;

	if (error) {
		notices_failed(r, error);
		return;
	}
	b = pg_batch_new(r->flow->work);
	if (r->n_notices == 0) {
		pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
		pg_batch_send(b, 0, on_ended, r);
		return;
	}
	r->judge =
		(struct judge){.live = r->flow->live, .conn = r->flow->work, .arena = r->arena, .done = on_rendered, .arg = r};
	p = arena_new_obj(r->arena, struct pg_params);
	pg_array_init(&ids, r->arena, PG_INT8);
	for (int i = 0; i < r->n_notices; i++)
		pg_array_int8(&ids, r->notices[i].response_id);
	pg_params_init(p, r->arena);
	pg_add_array(p, &ids);
	pg_batch_add(b, &intake_reread, p, on_responses, r);
	pg_batch_add(b, &case_now, NULL, on_now, r);
	pg_batch_send(b, 0, on_read, r);
}

void notices_start(struct intake_run *r)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	r->notices_limit = r->notices_limit ? r->notices_limit : NOTICES_AT_ONCE;
	pg_params_init(p, r->arena);
	pg_add_int4(p, r->notices_limit);
	pg_batch_add(b, &stmt_begin, NULL, NULL, NULL);
	pg_batch_add(b, &notice_claim, p, on_notices, r);
	pg_batch_send(b, 0, on_claimed, r);
}
