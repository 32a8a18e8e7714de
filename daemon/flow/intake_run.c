/*
 * One batch after the other: claim, judge, commit.
 *
 *   WAITING ──look──▶ CLAIMING ──rows──▶ JUDGING ──plans──▶ COMMITTING ──▶ WAITING …
 *      ▲                 │ none                │                 │
 *      └─────────────────┴───────── error ─────┴─────────────────┘   (BACKING_OFF when the server is unfit)
 *
 * Between two batches other jobs have their turn (BETWEEN, between.c).
 *
 * A batch that fails because of its rows is halved until the bad row stands alone. A row alone is picked in a transaction of
 * its own that counts a try, so that a row which ends the daemon is set aside too. Other errors blame the server: back off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "flow/inner.h"

#include <string.h>

#define BACK_OFF_FIRST_US (500 * US_PER_MS)
#define BACK_OFF_MAX_US (30 * US_PER_S)
#define PICK_TRIED_US (10 * US_PER_S)
#define PUT_OFF_S 2.0 /* times the tries: a row that can't be judged */
#define PUT_OFF_LONG_S 20.0
#define HANDED_OVER_US (2 * US_PER_MS) /* what a commit handed over leaves first: jobs would take the core that sends it */

static const struct pg_stmt stmt_begin = {"begin", "BEGIN", 0, {0}};
static const struct pg_stmt stmt_commit = {"commit", "COMMIT", 0, {0}};
static const struct pg_stmt stmt_rollback = {"rollback", "ROLLBACK", 0, {0}};

static void intake_claim_now(struct intake_run *r);
static void intake_pick(struct intake_run *r, const struct pg_stmt *which);

static void intake_enter(struct intake_run *r, enum intake_state state)
{
	r->state = state;
	if (state != INTAKE_WAITING && state != INTAKE_BACKING_OFF)
		deadline_disarm(&r->again);
}

static void intake_wait(struct intake_run *r, int64_t in_us)
{
	intake_enter(r, INTAKE_WAITING);
	deadline_arm(&r->again, r->look_again ? 0 : in_us);
	r->look_again = false;
}

static bool intake_may_run(const struct intake_run *r)
{
	return r->flow->work_ready && !r->flow->stopping;
}

/* After a batch, whatever came of it: the only place from which the next one starts. */
static void intake_next(struct intake_run *r, int64_t in_us)
{
	int64_t job_in_us = r->handed_over ? MIN(in_us, HANDED_OVER_US) : 0;
	int rows = r->n_rows;
	enum between_job job;

	arena_reset(r->arena);
	r->n_claimed = r->n_rows = 0;
	r->single_id = 0;
	r->handed_over = false;
	r->between.due[BETWEEN_RECOMPUTE] |= r->flow->live->clocks_changed;
	if (intake_may_run(r) && between_next(&r->between, rows, &job)) {
		r->after_between_us = in_us;
		intake_enter(r, INTAKE_BETWEEN);
		between_start(r, job);
		return;
	}
	intake_wait(r, between_waits(&r->between) ? job_in_us : in_us);
	flow_between_batches(r->flow);
}

void intake_run_continue(struct intake_run *r, enum between_job job, bool more)
{
	r->between.due[job] |= more;
	intake_next(r, r->after_between_us);
}

void intake_run_between(struct intake_run *r, enum between_job job)
{
	r->between.due[job] = true;
	intake_run_look(r);
}

/* ---- errors ---- */

static int64_t back_off_us(int failures)
{
	int64_t us = BACK_OFF_FIRST_US;

	for (int i = 1; i < failures && us < BACK_OFF_MAX_US; i++)
		us *= 2;
	return MIN(us, BACK_OFF_MAX_US);
}

bool intake_blames_rows(const struct pg_error *e)
{
	static const char *const classes[] = {"21", "22", "23", "2F", "54", "P0"};

	for (size_t i = 0; i < ARRAY_SIZE(classes); i++)
		if (strncmp(e->sqlstate, classes[i], 2) == 0)
			return true;
	return false;
}

/*
 * What may be the server's or the schema's fault, but a single row's too: a corrupt value (XX001), a text that a function of the
 * site's own trigger can't take (42…), or takes for ever with (57014). One row must not hold up all others.
 */
static bool intake_suspects_rows(const struct pg_error *e)
{
	return strncmp(e->sqlstate, "0A", 2) == 0 || strncmp(e->sqlstate, "42", 2) == 0 || strncmp(e->sqlstate, "XX", 2) == 0 ||
	       strcmp(e->sqlstate, "57014") == 0;
}

static void on_rolled_back(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error && error->lost)
		return; /* intake_run_lost() follows */
	intake_next(r, 0);
}

static void on_rolled_back_later(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error && error->lost)
		return;
	arena_reset(r->arena);
	r->n_claimed = 0;
	r->single_id = 0;
	intake_enter(r, INTAKE_BACKING_OFF);
	deadline_arm(&r->again, back_off_us(r->failures));
	flow_between_batches(r->flow);
}

static void send_end(struct intake_run *r, const struct pg_stmt *how, pg_done_fn *done)
{
	struct pg_batch *b = pg_batch_new(r->flow->work);

	pg_batch_add(b, how, NULL, NULL, NULL);
	pg_batch_send(b, 0, done, r);
}

static void on_blamed(void *arg, const struct pg_rows *rows)
{
	if (pg_count(rows) == 1)
		log_warning("response %lld: cannot be judged%s", (long long)pg_get_int8(rows, 0, 0),
			    pg_get_bool(rows, 0, 1) ? ", set aside (closeloop inbox list)" : ", will be tried again");
}

/*
 * The row alone can't be judged: it is put off, and set aside at its third try. Unless the error may be the server's or the
 * schema's: then it is put off for longer, and a try counts only if others were judged meanwhile. One that says nothing of the row
 * (somebody else was faster, the disk is full) takes back the try that was counted when it was picked.
 */
static void blame_single(struct intake_run *r, const struct pg_error *error, pg_done_fn *done)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);
	bool surely = intake_blames_rows(error), counts = surely || (intake_suspects_rows(error) && r->others_pass);

	r->suspects = 0;
	pg_params_init(p, r->arena);
	pg_add_int8(p, r->single_id);
	pg_add_text(p, arena_printf(r->arena, "%s %s", error->sqlstate, error->message));
	pg_add_bool(p, counts);
	pg_add_float8(p, surely || pg_error_is_conflict(error) ? PUT_OFF_S : PUT_OFF_LONG_S);
	r->others_pass = false;
	pg_batch_add(b, &stmt_rollback, NULL, NULL, NULL);
	pg_batch_add(b, &intake_blame, p, on_blamed, r);
	pg_batch_send(b, 0, done, r);
}

static void unreserve_all(struct intake_run *r)
{
	for (int i = 0; i < r->judge.n_plans; i++)
		for (int k = 0; k < r->judge.plans[i].n_messages; k++)
			if (r->judge.plans[i].messages[k].leased)
				courier_unreserve(&r->flow->courier, r->judge.plans[i].messages[k].endpoint);
	r->judge.n_plans = 0;
}

/* The row that fails is looked for by halves: what succeeds on the way takes its rows out of the suspects (intake_fit). */
static void intake_halve(struct intake_run *r)
{
	r->suspects = r->n_claimed;
	r->limit = MAX(r->n_claimed / 2, 1);
	r->low_water = 0;
}

static void batch_failed(struct intake_run *r, const struct pg_error *error)
{
	pg_done_fn *done = on_rolled_back;

	unreserve_all(r);
	r->flow->stats.batch_failures++;
	if (error->lost)
		return; /* intake_run_lost() follows */
	log_warning("batch of %d: sqlstate=%s statement=%s %s", r->n_claimed, error->sqlstate, error->statement,
		    error->message);
	if (!pg_error_is_conflict(error) && !intake_blames_rows(error)) {
		if ((++r->failures > 1 || r->suspects) && !r->single_id && r->limit > 1 &&
		    intake_suspects_rows(error)) { /* halved without blame */
			intake_halve(r);
			r->failures = 1; /* it gets no later by that */
		}
		done = on_rolled_back_later;
	} else if (intake_blames_rows(error) && !r->single_id) {
		intake_halve(r);
	}
	if (r->single_id)
		blame_single(r, error, done);
	else
		send_end(r, &stmt_rollback, done);
}

/* ---- committing ---- */

/*
 * The next batch may have twice as many rows, as far as they fit: a mail of 8 kB takes twenty times as much as an answer that matches nothing.
 * Fewer rows than were asked for say nothing of many. While a row that fails is looked for: half of the suspects that are left.
 */
static void intake_fit(struct intake_run *r)
{
	size_t took = MAX(arena_used(r->arena), INTAKE_BATCH_BYTES / INTAKE_CLAIM_AIM * r->claim_bytes), most;

	if (r->claim_limit > 1 && r->n_rows >= MIN(INTAKE_BATCH_FIRST, r->claim_limit))
		r->row_bytes = MAX(took / (size_t)r->n_rows, r->row_bytes / 2);
	most = r->row_bytes ? MIN(INTAKE_BATCH_BYTES / r->row_bytes, INTAKE_BATCH_MAX) : INTAKE_BATCH_FIRST;
	r->limit = MAX(MIN(r->limit * 2, (int)most), 2);
	r->suspects = MAX(r->suspects - r->n_rows, 0);
	if (r->suspects)
		r->limit = MIN(r->limit, MAX(r->suspects / 2, 1));
}

/*
 * Long answers came where short ones had raised the limit: they are left for smaller batches before they are decoded, judged and put
 * into words, which takes up to twenty times as much memory.
 */
static bool intake_too_large(const struct intake_run *r)
{
	return r->n_rows > 2 && r->claim_bytes > INTAKE_CLAIM_BYTES;
}

static void leave_for_smaller(struct intake_run *r)
{
	r->limit = MAX((int)((size_t)r->n_rows * INTAKE_CLAIM_AIM / r->claim_bytes), 2);
	send_end(r, &stmt_rollback, on_rolled_back);
}

static void batch_succeeded(struct intake_run *r)
{
	struct flow *f = r->flow;
	struct look_plan next;

	r->failures = 0;
	intake_fit(r);
	next = look_after(&r->look, mono_now(), r->n_rows, r->claim_limit);
	r->promise = next.promise;
	if (r->written > 0)
		courier_kick(&f->courier);
	r->written = 0;
	intake_next(r, next.in_us);
}

static void count_committed(struct intake_run *r)
{
	struct stats *s = &r->flow->stats;
	const struct settings *settings = r->flow->live->settings;

	for (int i = 0; i < r->n_claimed; i++) {
		const struct response *response = &r->claimed[i].response;

		if (!r->claimed[i].judged)
			stats_add(&s->responses, response->source ? response->source : "", 1);
		stats_heard(s, response->source, response->received_at);
	}
	for (int i = 0; i < r->judge.n_plans; i++) {
		const struct plan *p = &r->judge.plans[i];

		if (p->action != PLAN_RETURN && p->action != PLAN_NOTHING && p->results)
			for (int k = 0; k < settings->n_rules; k++)
				if (p->results[k] == TRI_TRUE)
					stats_add(&s->rules, settings->rules[k].id, 1);
		if (p->action == PLAN_OPEN) {
			s->cases[p->priority]++;
			followup_hint(&r->flow->followup);
		}
	}
	s->fallbacks += (uint64_t)r->judge.fallbacks;
}

static void on_committed(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error) {
		batch_failed(r, error);
		return;
	}
	count_committed(r);
	r->others_pass = true;
	for (int i = 0; i < r->judge.n_plans; i++)
		for (int k = 0; k < r->judge.plans[i].n_messages; k++) {
			const struct outbox_message *m = &r->judge.plans[i].messages[k];

			r->handed_over |= m->leased;
			if (m->leased)
				courier_send(&r->flow->courier, m);
			else if (!m->held_for && courier_may_take(&r->flow->courier, m->endpoint))
				r->written++;
		}
	r->between.due[BETWEEN_RELEASE] |= r->judge.n_held > 0; /* it knows when to look */
	r->judge.n_plans = 0;
	batch_succeeded(r);
}

static void intake_commit(struct intake_run *r)
{
	struct pg_batch *b = pg_batch_new(r->flow->work);

	intake_enter(r, INTAKE_COMMITTING);
	pg_batch_add(b, &intake_done, r->done, NULL, NULL);
	intake_write(r, b);
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_committed, r);
}

/* ---- judging ---- */

static void on_judge_done(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error)
		batch_failed(r, error);
	else
		intake_commit(r);
}

static void on_endpoint_rows(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	courier_on_endpoints(&r->flow->courier, rows);
}

static void on_verdict(void *arg, const struct response *response, const struct verdict *v)
{
	struct intake_run *r = arg;

	r->flow->stats.over_limit += v->over_limit;
}

static void intake_judge(struct intake_run *r)
{
	struct judge *j = &r->judge;

	intake_enter(r, INTAKE_JUDGING);
	*j = (struct judge){
		.live = r->flow->live,
		.conn = r->flow->work,
		.arena = r->arena,
		.done = on_judge_done,
		.arg = r,
		.on_endpoints = on_endpoint_rows,
	};
	if (judge_rules(j, r->claimed, r->n_claimed, on_verdict, r) > 0)
		judge_start(j);
	else
		intake_commit(r);
}

/* ---- claiming ---- */

static void on_claimed(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;
	struct past_reader past;

	r->n_rows = pg_count(rows);
	r->claim_bytes = pg_bytes(rows);
	r->unexplained &= r->n_rows == 0;
	if (intake_too_large(r))
		return;
	r->done = arena_new_obj(r->arena, struct pg_params);
	intake_done_params(r->done, r->arena, rows);
	r->n_claimed = intake_read(rows, r->arena, &r->claimed, r->single_id ? &(int64_t){0} : &r->low_water);
	past = live_past_reader(r->flow->live, r->arena);
	past_read(&past, rows, r->claimed, r->n_claimed);
}

/* Answers that settle: their due time is the database's, the alarm clock only wakes us. */
static void arm_settled(struct intake_run *r, const struct pg_rows *rows, int column)
{
	double in_s;

	if (pg_is_null(rows, 0, column))
		return;
	in_s = pg_get_float8(rows, 0, column); /* below 0: the server has read its clock twice */
	deadline_arm(&r->settled, (int64_t)(MAX(in_s, 0) * (double)US_PER_S) + US_PER_MS);
}

static void on_settles(void *arg, const struct pg_rows *rows)
{
	arm_settled(arg, rows, 0);
}

static void on_settled(struct deadline *d)
{
	intake_run_look(container_of(d, struct intake_run, settled));
}

static void end_claim(struct intake_run *r)
{
	const struct settings *s = r->flow->live->settings;
	struct pg_batch *b = pg_batch_new(r->flow->work);
	bool settles = false;

	for (int i = 0; i < s->n_sources && !settles; i++)
		settles = s->sources[i].settle_s > 0;
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	if (settles)
		pg_batch_add(b, &intake_settles, NULL, on_settles, r);
	pg_batch_send(b, 0, NULL, NULL);
}

/* Nothing there: end the transaction; then look from the first row, at a row that stands alone, or sleep. */
static void claimed_nothing(struct intake_run *r)
{
	struct look_plan next;

	if (!r->rescanned && !r->single_id) {
		r->look.rescan = true;
		send_end(r, &stmt_commit, on_rolled_back);
		return;
	}
	next = look_after(&r->look, mono_now(), 0, r->limit);
	r->promise = next.promise;
	r->failures = 0;
	r->suspects = 0;
	r->idle = next.in_us >= LOOK_IDLE_EVERY_US;
	end_claim(r);
	if (r->unexplained)
		flow_look_everywhere(r->flow);
	r->unexplained = false;
	if (r->single_due && !r->single_id) {
		r->single_due = false;
		r->after_pick_us = next.in_us;
		intake_pick(r, &intake_pick_tried);
		return;
	}
	if (next.in_us >= US_PER_S)
		r->single_due = true;
	intake_next(r, next.in_us);
}

static void on_claim_done(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error)
		batch_failed(r, error);
	else if (r->n_rows == 0)
		claimed_nothing(r);
	else if (intake_too_large(r))
		leave_for_smaller(r);
	else
		intake_judge(r);
}

/* One of the live rules' own statements: beside each response they bring what these ask of its past. */
static void send_claim(struct intake_run *r, const struct pg_stmt *stmt, struct pg_params *params)
{
	struct pg_batch *b = pg_batch_new(r->flow->work);
	const struct string_list *anonymous = &r->flow->live->settings->cases.anonymous_ids;

	past_add_param(r->flow->live->past, params, anonymous->items, anonymous->n);

	pg_batch_add(b, &stmt_begin, NULL, NULL, NULL);
	pg_batch_add(b, stmt, params, on_claimed, r);
	pg_batch_send(b, 0, on_claim_done, r);
}

static void raise_promise(struct intake_run *r)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	pg_params_init(p, r->arena);
	pg_add_int8(p, LOOK_PROMISE_US / US_PER_MS);
	pg_batch_add(b, &intake_promise, p, NULL, NULL);
	pg_batch_send(b, 0, NULL, NULL);
	r->promise = false;
}

static void intake_claim_now(struct intake_run *r)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);

	intake_enter(r, INTAKE_CLAIMING);
	if (r->promise)
		raise_promise(r);
	r->unexplained |= r->hinted;
	r->hinted = false;
	r->rescanned = r->look.rescan || r->low_water == 0;
	if (r->look.rescan)
		r->low_water = 0;
	r->look.rescan = false;
	pg_params_init(p, r->arena);
	pg_add_int8(p, r->low_water);
	pg_add_int4(p, r->limit);
	r->claim_limit = r->limit;
	send_claim(r, &r->flow->live->past->claim, p);
}

static void on_picked(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	if (pg_count(rows) == 0)
		return;
	if (pg_get_bool(rows, 0, 2))
		log_warning("inbox %lld: set aside (closeloop inbox list)", (long long)pg_get_int8(rows, 0, 0));
	else
		r->single_id = pg_get_int8(rows, 0, 0);
}

static void on_pick_done(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);

	if (error) {
		batch_failed(r, error);
		return;
	}
	if (!r->single_id) { /* nobody stands alone: the next claim takes more rows again */
		bool head = r->limit == 1;

		r->limit = MAX(r->limit, 2);
		r->look.rescan = true;
		intake_next(r, head ? 0 : r->after_pick_us);
		return;
	}
	pg_params_init(p, r->arena);
	pg_add_int8(p, r->single_id);
	r->claim_limit = 1;
	send_claim(r, &r->flow->live->past->claim_one, p);
}

static void intake_pick(struct intake_run *r, const struct pg_stmt *which)
{
	struct pg_batch *b = pg_batch_new(r->flow->work);

	intake_enter(r, INTAKE_CLAIMING);
	r->picked = mono_now();
	pg_batch_add(b, which, NULL, on_picked, r);
	pg_batch_send(b, 0, on_pick_done, r);
}

/* ---- while nothing comes ---- */

static void on_peeked(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;

	r->peeked = pg_get_bool(rows, 0, 0);
	r->single_due = pg_get_bool(rows, 0, 1);
	arm_settled(r, rows, 2);
}

static void on_peek_done(void *arg, const struct pg_error *error)
{
	struct intake_run *r = arg;

	if (error) {
		batch_failed(r, error);
	} else if (r->peeked) {
		r->idle = false;
		intake_claim_now(r);
	} else if (r->single_due) {
		r->single_due = false;
		r->after_pick_us = LOOK_IDLE_EVERY_US;
		intake_pick(r, &intake_pick_tried);
	} else {
		intake_next(r, look_after(&r->look, mono_now(), 0, r->limit).in_us);
	}
}

/* The outbox is looked at in the same wake-up: an idle machine sleeps. */
static void intake_peek_now(struct intake_run *r)
{
	struct pg_batch *b = pg_batch_new(r->flow->work);

	intake_enter(r, INTAKE_CLAIMING);
	pg_batch_add(b, &intake_peek, NULL, on_peeked, r);
	pg_batch_add(b, &between_peek, NULL, between_on_peek, r);
	pg_batch_send(b, 0, on_peek_done, r);
	courier_poll(&r->flow->courier);
	flow_idle_look(r->flow);
}

/* ---- from outside ---- */

static void on_again(struct deadline *d)
{
	struct intake_run *r = container_of(d, struct intake_run, again);

	if (!intake_may_run(r)) {
		intake_enter(r, INTAKE_WAITING); /* from backing off too: the next look wakes it */
		return;
	}
	if (r->limit == 1) {
		intake_pick(r, &intake_pick_head);
	} else if (r->promise && mono_now().us - r->picked.us > PICK_TRIED_US) { /* a flood starves nobody */
		r->after_pick_us = 0;
		intake_pick(r, &intake_pick_tried);
	} else if (r->idle) {
		intake_peek_now(r);
	} else {
		intake_claim_now(r);
	}
}

void intake_run_init(struct intake_run *r, struct flow *f)
{
	*r = (struct intake_run){.flow = f, .state = INTAKE_OFF, .limit = INTAKE_BATCH_MAX};
	r->arena = arena_new(INTAKE_ARENA_BYTES);
	deadline_init(&r->again, f->loop, "look into the inbox", on_again);
	deadline_init(&r->settled, f->loop, "answers have settled", on_settled);
}

void intake_run_fini(struct intake_run *r)
{
	deadline_disarm(&r->again);
	deadline_disarm(&r->settled);
	r->arena = arena_free(r->arena);
}

void intake_run_start(struct intake_run *r)
{
	look_init(&r->look, mono_now());
	r->low_water = 0;
	r->limit = MAX(MIN(r->flow->batch_limit, INTAKE_BATCH_FIRST), 1);
	r->single_due = true;
	r->look_again = true;
	r->idle = false;
	r->failures = 0;
	r->suspects = 0;
	r->between.due[BETWEEN_NOTICES] = r->between.due[BETWEEN_OPERATORS] = r->between.due[BETWEEN_RELEASE] = true;
	r->between.due[BETWEEN_LINKS] = true;
	followup_start(&r->flow->followup);
	intake_next(r, 0);
}

void intake_run_lost(struct intake_run *r)
{
	unreserve_all(r);
	intake_enter(r, INTAKE_OFF);
	deadline_disarm(&r->again);
	deadline_disarm(&r->settled);
	arena_reset(r->arena);
	r->n_claimed = 0;
	r->single_id = 0;
	flow_between_batches(r->flow);
}

void intake_run_look(struct intake_run *r)
{
	r->idle = false;
	if (r->state == INTAKE_WAITING)
		deadline_arm(&r->again, 0);
	else
		r->look_again = true;
}

void intake_run_hint(struct intake_run *r)
{
	r->hinted = true;
	intake_run_look(r);
}

void intake_run_stop(struct intake_run *r)
{
	deadline_disarm(&r->settled);
	deadline_disarm(&r->again);
}

bool intake_run_is_idle(const struct intake_run *r)
{
	return r->state == INTAKE_OFF || r->state == INTAKE_WAITING || r->state == INTAKE_BACKING_OFF;
}
