/*
 * Notices: mails and webhooks about cases that are there already. Runs on the work connection between two batches.
 *
 *   claim notices ─▶ read responses, histories, owners ─▶ who is told? ─▶ words (judge_render) ─▶ write messages, commit
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "case/case_store.h"
#include "case/owner_store.h"
#include "flow/directory_load.h"
#include "flow/inner.h"
#include "flow/notice.h"
#include "outbox/operator_store.h"

#include <stdio.h>
#include <string.h>

#define NOTICES_AT_ONCE 200

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
	bool rows = intake_blames_rows(error), alone = r->notices_limit == 1 && r->n_notices == 1;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);

	if (error->lost)
		return; /* intake_run_lost() follows */
	r->judge.n_plans = 0;
	log_warning("notices: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	b = pg_batch_new(r->flow->work);
	pg_batch_add(b, &stmt_rollback, NULL, NULL, NULL);
	if (alone && rows) {
		pg_params_init(p, r->arena);
		pg_add_int8(p, r->notices[0].id);
		pg_batch_add(b, &notice_drop, p, on_dropped, NULL);
	}
	rows = rows && r->n_notices > 0;
	r->notices_limit = 1;
	pg_batch_send(b, 0, rows || pg_error_is_conflict(error) ? on_ended_more : on_ended, r);
}

/* ---- rounds ---- */

/* The event's own: the case may have been reopened since, and then has none. */
static const char *event_outcome(const struct notice *n)
{
	for (int i = 0; n->event.details && i < CASE_OUTCOME_COUNT; i++) {
		char member[40];

		snprintf(member, sizeof(member), "\"outcome\": \"%s\"", case_outcome_name((enum case_outcome)i));
		if (strstr(n->event.details, member))
			return case_outcome_name((enum case_outcome)i);
	}
	return n->facts.outcome;
}

static void count_events(struct intake_run *r)
{
	for (int i = 0; i < r->n_notices; i++) {
		const struct notice *n = &r->notices[i];
		const char *detail = NULL;

		if (n->event.id == 0)
			continue;
		if (n->kind == NOTICE_WARNED)
			detail = "warning";
		else if (n->kind == NOTICE_ESCALATED)
			detail = n->condition == CONDITION_UNRESOLVED ? "unresolved" : "unacknowledged";
		else if (n->kind == NOTICE_ANSWERED)
			detail = event_outcome(n);
		stats_event(&r->flow->stats, n->event.kind, detail);
	}
}

static void on_committed(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	bool more;

	if (error) {
		notices_failed(r, error);
		return;
	}
	count_events(r);
	r->between.due[BETWEEN_RELEASE] |= r->judge.n_held > 0;
	r->judge.n_plans = 0;
	courier_kick(&r->flow->courier);
	more = r->n_notices == r->notices_limit;
	r->notices_limit = MIN(r->notices_limit * 2, NOTICES_AT_ONCE);
	notices_end(r, more);
}

static void add_ids(struct intake_run *r, struct pg_batch *b, const struct pg_stmt *stmt, const struct pg_array *ids,
		    pg_rows_fn *fn)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_array copy = *ids;

	if (copy.count == 0)
		return;
	pg_params_init(p, r->arena);
	pg_add_array(p, &copy);
	pg_batch_add(b, stmt, p, fn, r);
}

static void add_held(struct intake_run *r, struct pg_batch *b, const struct outbox_message *all, int n)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_array people;

	pg_array_init(&people, r->arena, PG_TEXT);
	for (int i = 0; i < n; i++)
		if (str_eq(all[i].held_for, "due"))
			pg_array_text(&people, all[i].recipient);
	if (people.count == 0)
		return;
	pg_params_init(p, r->arena);
	pg_add_array(p, &people);
	pg_batch_add(b, &notice_release_soon, p, NULL, NULL);
	r->between.due[BETWEEN_RELEASE] = true;
}

static void add_messages(struct intake_run *r, struct pg_batch *b)
{
	struct judge *j = &r->judge;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct outbox_message *all;
	int n = 0;

	for (int i = 0; i < j->n_plans; i++)
		n += j->plans[i].n_messages;
	if (n == 0)
		return;
	all = arena_new_array(r->arena, struct outbox_message, (size_t)n);
	n = 0;
	for (int i = 0; i < j->n_plans; i++)
		for (int k = 0; k < j->plans[i].n_messages; k++) {
			all[n] = j->plans[i].messages[k];
			all[n++].queued_at = WALL_NONE;
		}
	outbox_insert_params(p, r->arena, all, n, r->flow->daemon_id);
	pg_batch_add(b, &outbox_insert, p, NULL, NULL);
	add_held(r, b, all, n);
}

/* A mail that did not arrive: the next person is told, or it needs nobody any more; or nobody is left. */
static void add_undelivered(struct intake_run *r, struct pg_batch *b)
{
	struct pg_array handed_on, nobody;

	pg_array_init(&handed_on, r->arena, PG_UUID);
	pg_array_init(&nobody, r->arena, PG_UUID);
	for (int i = 0; i < r->n_notices; i++)
		if (r->notices[i].kind == NOTICE_UNDELIVERED)
			pg_array_uuid(r->notices[i].told || !r->notices[i].stands ? &handed_on : &nobody,
				      &r->notices[i].message_id);
	add_ids(r, b, &notice_handed_on, &handed_on, NULL);
	add_ids(r, b, &operator_nobody_left, &nobody, NULL);
	r->between.due[BETWEEN_OPERATORS] |= nobody.count > 0;
}

static void on_rendered(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	struct pg_batch *b;

	if (error) {
		notices_failed(r, error);
		return;
	}
	b = pg_batch_new(r->flow->work);
	add_messages(r, b);
	add_undelivered(r, b);
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_committed, r);
}

/* ---- what the words need ---- */

static void on_responses(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;
	int64_t last = 0;

	r->n_claimed = intake_read(rows, r->arena, &r->claimed, &last);
}

static void on_past(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	notice_read_past(rows, r->arena, r->notices, r->n_notices);
}

static void on_now(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	r->judge.now = pg_get_time(rows, 0, 0);
	r->judge.directory_version = pg_get_int8(rows, 0, 1);
}

static struct claimed *find_response(struct intake_run *r, int64_t id)
{
	for (int k = 0; k < r->n_claimed; k++)
		if (r->claimed[k].response.id == id)
			return &r->claimed[k];
	return NULL;
}

static bool told_of_another(const struct judge *j, int plan, const struct person *person)
{
	for (int i = 0; i < j->n_plans; i++)
		for (int k = 0; i != plan && j->plans[i].held && k < j->plans[i].n_recipients; k++)
			if (j->plans[i].recipients[k].person == person)
				return true;
	return false;
}

/* Whoever is told of several cases gets a digest: each in its own words would be words for nobody. */
static void leave_to_digest(struct judge *j)
{
	for (int i = 0; i < j->n_plans; i++)
		for (int k = 0; j->plans[i].held && k < j->plans[i].n_recipients; k++) {
			struct recipient *to = &j->plans[i].recipients[k];

			if (told_of_another(j, i, to->person))
				to->held_for = "due";
		}
}

static void notices_plan(struct intake_run *r)
{
	struct judge *j = &r->judge;

	j->facts.now = j->now;
	j->plans = arena_new_array(r->arena, struct plan, (size_t)r->n_notices);
	for (int i = 0; i < r->n_notices; i++) {
		struct notice *n = &r->notices[i];
		struct claimed *shown = find_response(r, n->response_id);
		struct claimed *opener = n->by_customer ? find_response(r, n->facts.response_id) : NULL;

		struct claimed *before = n->was_response_id ? find_response(r, n->was_response_id) : NULL;

		n->opener = opener ? &opener->response : NULL;
		if (before)
			n->before = &before->response;
		if (shown)
			notice_plan(j, n, shown);
	}
	leave_to_digest(j);
	judge_render(j);
}

static void on_lookup_rows(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	owner_lookup_read(rows, r->arena, r->judge.facts.lookups, r->judge.facts.n_lookups);
}

static void on_lookups(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error)
		notices_failed(r, error);
	else
		notices_plan(r);
}

struct lookups {
	struct intake_run *run;
	const struct response *response;
	bool count_only;
	int n;
};

static void add_lookup(void *arg, const struct notify *entry)
{
	struct lookups *l = arg;
	struct owner_facts *f = &l->run->judge.facts;
	const char *value;

	if (entry->target.kind != TARGET_LOOKUP || !l->response)
		return;
	l->n++;
	if (l->count_only)
		return;
	value = owner_lookup_value(&entry->target, l->response, l->run->arena);
	if (value)
		f->lookups[f->n_lookups++] = (struct owner_lookup){entry->target.name, value, NULL};
}

static int each_lookup(struct intake_run *r, bool count_only)
{
	struct lookups l = {.run = r, .count_only = count_only};

	for (int i = 0; i < r->n_notices; i++) {
		struct claimed *c = find_response(r, r->notices[i].response_id);

		l.response = c ? &c->response : NULL;
		notice_lookups(&r->judge, &r->notices[i], add_lookup, &l);
	}
	return l.n;
}

/* Escalation steps, and rules that an answer is the first to match, may name somebody by a lookup. */
static void notices_lookup(struct intake_run *r)
{
	struct judge *j = &r->judge;
	struct owner_facts *f = &j->facts;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b;

	*f = (struct owner_facts){.directory = j->live->directory, .arena = r->arena};
	f->lookups = arena_new_array(r->arena, struct owner_lookup, (size_t)MAX(each_lookup(r, true), 1));
	each_lookup(r, false);
	if (f->n_lookups == 0) {
		notices_plan(r);
		return;
	}
	owner_lookups_sort(f->lookups, f->n_lookups);
	owner_lookup_params(p, r->arena, f->lookups, f->n_lookups);
	b = pg_batch_new(r->flow->work);
	pg_batch_add(b, &owner_lookup_stmt, p, on_lookup_rows, r);
	pg_batch_send(b, 0, on_lookups, r);
}

static void on_directory(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error)
		notices_failed(r, error);
	else
		notices_lookup(r);
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
	struct pg_array responses, cases;
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
	pg_array_init(&responses, r->arena, PG_INT8);
	pg_array_init(&cases, r->arena, PG_INT8);
	for (int i = 0; i < r->n_notices; i++) {
		pg_array_int8(&responses, r->notices[i].response_id);
		if (r->notices[i].by_customer)
			pg_array_int8(&responses, r->notices[i].facts.response_id);
		if (r->notices[i].was_response_id)
			pg_array_int8(&responses, r->notices[i].was_response_id);
		if (notice_shows_past(&r->notices[i]))
			pg_array_int8(&cases, r->notices[i].facts.id);
	}
	add_ids(r, b, &intake_reread, &responses, on_responses);
	add_ids(r, b, &notice_history, &cases, on_past);
	pg_batch_add(b, &case_now, NULL, on_now, r);
	pg_batch_send(b, 0, on_read, r);
}

void notices_start(struct intake_run *r)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	r->notices_limit = r->notices_limit ? r->notices_limit : NOTICES_AT_ONCE;
	r->n_notices = 0;
	pg_params_init(p, r->arena);
	pg_add_int4(p, r->notices_limit);
	pg_batch_add(b, &stmt_begin, NULL, NULL, NULL);
	pg_batch_add(b, &notice_claim, p, on_notices, r);
	pg_batch_send(b, 0, on_claimed, r);
}
