/*
 * Promises come due: the sweep, and due times computed anew when calendars changed. Jobs of between.c.
 *
 *   WAITING ──nearest due time, or 30 s──▶ sweep 500 cases ──full──▶ sweep again …
 *      ▲                                          │ fewer
 *      └──────────── when is the next? ◀──────────┘
 *
 * What is due stands in rows and PostgreSQL does it (sql/007_follow_up.sql); its events become notices, and those mails and
 * webhooks. The timer here is only the alarm clock: a case that moves, or a batch that opens some, may have brought the next
 * due time nearer, so within a second it is asked for anew.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "flow/directory_load.h"
#include "flow/inner.h"
#include "followup/sweep_store.h"

#define SWEEP_CASES 500
#define SWEEP_EVERY_US (30 * US_PER_S)
#define SWEEP_SOON_US US_PER_S
#define SWEEP_PAST_US (200 * US_PER_MS) /* something is due that another daemon works on */
#define SWEEP_PUT_OFF_S 300.0           /* a case that fails alone; until it is put off it holds digests up, too */
#define RECOMPUTE_CASES 500

static void followup_arm(struct followup_run *f, int64_t in_us)
{
	f->armed_to = (struct mono_time){mono_now().us + in_us};
	deadline_arm(&f->due, in_us);
}

void followup_hint(struct followup_run *f)
{
	if (f->armed_to.us - mono_now().us > SWEEP_SOON_US)
		followup_arm(f, SWEEP_SOON_US);
}

void followup_peeked(struct followup_run *f, double next_s)
{
	int64_t next_us =
		next_s * (double)US_PER_S < (double)SWEEP_EVERY_US ? (int64_t)(next_s * (double)US_PER_S) : SWEEP_EVERY_US;

	/* Sooner than now: this alarm has seen it. What somebody else works on is asked for again with the next look. */
	if (!f->recomputing && !f->unsure && next_us > 0)
		followup_arm(f, next_us);
}

static void on_due(struct deadline *d)
{
	struct followup_run *f = container_of(d, struct followup_run, due);

	followup_arm(f, SWEEP_EVERY_US); /* if nobody gets to it */
	if (!f->flow->work_ready || f->flow->stopping)
		return;
	f->flow->intake.between.due[BETWEEN_RECOMPUTE] |= f->recomputing || f->unsure; /* it failed */
	intake_run_between(&f->flow->intake, BETWEEN_SWEEP);
}

/* ---- the sweep ---- */

static void on_swept_rows(void *arg, const struct pg_rows *rows)
{
	struct followup_run *f = arg;

	f->swept = pg_get_int4(rows, 0, 0);
}

static void on_next(void *arg, const struct pg_rows *rows)
{
	struct followup_run *f = arg;

	f->next_us = SWEEP_EVERY_US;
	if (!pg_is_null(rows, 0, 0) && pg_get_float8(rows, 0, 0) * (double)US_PER_S < (double)SWEEP_EVERY_US)
		f->next_us = MAX((int64_t)(pg_get_float8(rows, 0, 0) * (double)US_PER_S), SWEEP_PAST_US);
}

static void on_put_off_rows(void *arg, const struct pg_rows *rows)
{
	if (pg_count(rows))
		log_error("case %lld: what is due cannot be done; tried again later", (long long)pg_get_int8(rows, 0, 0));
}

static void on_put_off(void *arg, const struct pg_error *error)
{
	struct followup_run *f = arg;

	if (error && error->lost)
		return;
	if (error)
		log_warning("follow-up: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	intake_run_continue(&f->flow->intake, BETWEEN_SWEEP, !error);
}

/* Together they fail, one by one the good ones pass; the one that fails alone, by its own fault, waits. */
static void sweep_failed(struct followup_run *f, const struct pg_error *error)
{
	struct intake_run *r = &f->flow->intake;
	bool rows = intake_blames_rows(error);
	struct pg_params *p;
	struct pg_batch *b;

	log_warning("follow-up: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	if (!rows || f->limit > 1) {
		f->limit = rows ? f->limit / 2 : f->limit;
		followup_arm(f, rows || pg_error_is_conflict(error) ? SWEEP_SOON_US : SWEEP_EVERY_US);
		intake_run_continue(r, BETWEEN_SWEEP, rows);
		return;
	}
	p = arena_new_obj(r->arena, struct pg_params);
	b = pg_batch_new(f->flow->work);
	pg_params_init(p, r->arena);
	pg_add_float8(p, SWEEP_PUT_OFF_S);
	pg_batch_add(b, &follow_up_put_off, p, on_put_off_rows, f);
	pg_batch_send(b, 0, on_put_off, f);
}

static void on_swept(void *arg, const struct pg_error *error)
{
	struct followup_run *f = arg;
	struct intake_run *r = &f->flow->intake;
	bool full;

	if (error) {
		if (!error->lost) /* else intake_run_lost() follows */
			sweep_failed(f, error);
		return;
	}
	if (f->swept) {
		log_debug("follow-up: cases=%d", f->swept);
		r->between.due[BETWEEN_NOTICES] = true;
	}
	followup_arm(f, f->next_us);
	full = f->swept == f->limit;
	f->limit = MIN(f->limit * 2, SWEEP_CASES);
	intake_run_continue(r, BETWEEN_SWEEP, full);
}

void sweep_start(struct intake_run *r)
{
	struct followup_run *f = &r->flow->followup;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	f->swept = 0;
	f->next_us = SWEEP_EVERY_US;
	pg_params_init(p, r->arena);
	pg_add_int4(p, f->limit);
	pg_batch_add(b, &follow_up_sweep, p, on_swept_rows, f);
	pg_batch_add(b, &follow_up_next, NULL, on_next, f);
	pg_batch_send(b, 0, on_swept, f);
}

/* ---- calendars have changed ---- */

static void on_recomputed_rows(void *arg, const struct pg_rows *rows)
{
	struct followup_run *f = arg;

	f->moved_next = f->moved + pg_get_int4(rows, 0, 0);
	f->recompute_next = pg_get_int8(rows, 0, 1); /* 0: there are no more */
}

static void on_worked_off(void *arg, const struct pg_error *error)
{
	struct followup_run *f = arg;

	if (error && error->lost)
		return;
	if (error) /* then the next daemon that starts does it once more */
		log_warning("due times: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	intake_run_continue(&f->flow->intake, BETWEEN_RECOMPUTE, false);
}

/* Every case was looked at. */
static void recompute_end(struct followup_run *f)
{
	struct intake_run *r = &f->flow->intake;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->flow->work);

	if (f->moved > 0 || f->announced)
		log_info("due times: %lld case(s) moved with the new calendars", (long long)f->moved);
	r->between.due[BETWEEN_SWEEP] = true;
	f->unsure = false;
	pg_params_init(p, r->arena);
	pg_add_int8(p, f->version);
	pg_batch_add(b, &clocks_worked_off, p, NULL, NULL);
	pg_batch_send(b, 0, on_worked_off, f);
}

static void on_recomputed(void *arg, const struct pg_error *error)
{
	struct followup_run *f = arg;
	struct intake_run *r = &f->flow->intake;

	if (error && error->lost)
		return;
	r->flow->live->clocks_changed =
		false; /* if this batch wrote them, it began with the first case; else clocks_unwritten knows */
	if (error) {
		log_warning("due times: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
		intake_run_continue(r, BETWEEN_RECOMPUTE, pg_error_is_conflict(error)); /* else with the next alarm */
		return;
	}
	f->clocks_unwritten = false;
	f->moved = f->moved_next;
	f->recompute_after = f->recompute_next;
	f->recomputing = f->recompute_after != 0;
	if (f->recomputing)
		intake_run_continue(r, BETWEEN_RECOMPUTE, true);
	else
		recompute_end(f);
}

static void on_pending(void *arg, const struct pg_rows *rows)
{
	struct followup_run *f = arg;

	f->version = pg_get_int8(rows, 0, 0);
	f->pending = pg_get_bool(rows, 0, 1);
}

static void on_asked(void *arg, const struct pg_error *error)
{
	struct followup_run *f = arg;

	if (error && error->lost)
		return;
	if (error)
		log_warning("due times: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	else
		f->unsure = false;
	intake_run_continue(&f->flow->intake, BETWEEN_RECOMPUTE, error ? pg_error_is_conflict(error) : f->pending);
}

static void recompute_ask(struct followup_run *f)
{
	struct pg_batch *b = pg_batch_new(f->flow->work);

	pg_batch_add(b, &clocks_pending, NULL, on_pending, f);
	pg_batch_send(b, 0, on_asked, f);
}

void recompute_start(struct intake_run *r)
{
	struct followup_run *f = &r->flow->followup;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_batch *b;

	if (f->unsure && !f->recomputing && !r->flow->live->clocks_changed) {
		recompute_ask(f);
		return;
	}
	b = pg_batch_new(r->flow->work);
	if (r->flow->live->clocks_changed) { /* also while an earlier change is still being worked off: from the first again */
		r->flow->live->clocks_changed = false;
		f->clocks_unwritten = true; /* the batch that wrote them may have been rolled back */
		f->recomputing = false;
	}
	if (!f->recomputing) {
		f->recomputing = true;
		f->announced = f->clocks_unwritten;
		f->recompute_after = f->moved = 0;
	}
	if (f->clocks_unwritten)
		clocks_add(b, r->flow->live, r->arena);
	if (f->recompute_after == 0)
		pg_batch_add(b, &clocks_pending, NULL, on_pending, f);
	pg_params_init(p, r->arena);
	pg_add_int8(p, f->recompute_after);
	pg_add_int4(p, RECOMPUTE_CASES);
	pg_batch_add(b, &follow_up_recompute, p, on_recomputed_rows, f);
	pg_batch_send(b, 0, on_recomputed, f);
}

/* ---- from outside ---- */

void followup_init(struct followup_run *f, struct flow *flow)
{
	*f = (struct followup_run){.flow = flow, .limit = SWEEP_CASES};
	deadline_init(&f->due, flow->loop, "follow up", on_due);
}

void followup_fini(struct followup_run *f)
{
	deadline_disarm(&f->due);
}

void followup_start(struct followup_run *f)
{
	followup_arm(f, SWEEP_EVERY_US);
	f->flow->intake.between.due[BETWEEN_SWEEP] = true;
	/* A daemon may have ended between writing new calendars and this. */
	f->unsure |= !f->started;
	f->flow->intake.between.due[BETWEEN_RECOMPUTE] |= f->unsure || f->recomputing;
	f->started = true;
}

void followup_stop(struct followup_run *f)
{
	deadline_disarm(&f->due);
}
