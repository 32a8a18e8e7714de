/*
 * A trial: the judge, dry; see try.h. The connection is read-only, so a mistake here could not store anything.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/try.h"
#include "flow/directory_load.h"

#include <errno.h>
#include <stdio.h>

#define TRY_AT_MOST_US (20 * US_PER_S)

struct run {
	const struct trial *trial;
	struct loop *loop;
	struct pg_conn *conn;
	struct deadline at_most;
	struct judge judge;
	struct pg_error error;
	bool done, failed;
};

static void run_end(struct run *r, const struct pg_error *error)
{
	if (r->done)
		return;
	r->done = true;
	if (error) {
		r->failed = true;
		r->error = *error;
	}
	loop_stop(r->loop);
}

static void on_judged(void *arg, const struct pg_error *error)
{
	run_end(arg, error);
}

static void on_directory(void *arg, const struct pg_error *error)
{
	struct run *r = arg;

	if (error)
		run_end(r, error);
	else
		judge_start(&r->judge);
}

/* Whether there is anything to judge further. */
static bool run_rules(struct run *r)
{
	const struct claimed claimed = {.response = *r->trial->response, .queued_at = WALL_NONE, .row_version = ""};

	return judge_rules(&r->judge, arena_memdup(r->trial->arena, &claimed, sizeof(claimed)), 1, NULL, NULL) > 0;
}

static void on_past_rows(void *arg, const struct pg_rows *rows)
{
	struct run *r = arg;
	struct past_reader reader = live_past_reader(r->judge.live, r->trial->arena);

	past_read_at(&reader, rows, r->trial->response);
}

static void on_past(void *arg, const struct pg_error *error)
{
	struct run *r = arg;

	if (error || !run_rules(r))
		run_end(r, error);
	else
		directory_read(r->conn, r->judge.live, on_directory, r);
}

static void ask_past(struct run *r)
{
	const struct response *response = r->trial->response;
	const struct live *live = r->judge.live;
	const struct string_list *anonymous = &live->settings->cases.anonymous_ids;
	struct pg_params *p = arena_new_obj(r->trial->arena, struct pg_params);
	struct pg_batch *b = pg_batch_new(r->conn);

	pg_params_init(p, r->trial->arena);
	pg_add_text(p, response->customer_id);
	pg_add_text(p, response->account);
	pg_add_time(p, response->responded_at);
	pg_add_int8(p, INT64_MAX);
	past_add_param(live->past, p, anonymous->items, anonymous->n);
	pg_batch_add(b, &live->past->at, p, on_past_rows, r);
	pg_batch_send(b, 0, on_past, r);
}

static void on_up(void *arg)
{
	struct run *r = arg;

	if (r->judge.live->past->plain)
		directory_read(r->conn, r->judge.live, on_directory, r);
	else
		ask_past(r);
}

static void on_at_most(struct deadline *d)
{
	struct run *r = container_of(d, struct run, at_most);
	struct pg_error e = {.lost = true};
	const char *trouble = pg_conn_trouble(r->conn);

	snprintf(e.message, sizeof(e.message), "%s", *trouble ? trouble : "no answer from the database");
	run_end(r, &e);
}

static void try_forget(struct live *live, struct past_stmts *known, struct loop *loop)
{
	live->past = NULL;
	past_stmts_free(known);
	loop_free(loop);
}

int try_run(const struct trial *t, struct plan **ret_plan, struct pg_error *error)
{
	struct run r = {.trial = t, .loop = loop_new()};
	struct past_stmts *known = NULL;
	struct pg_conn_options o = {
		.label = "try",
		.conninfo = t->live->settings->conninfo,
		.setup_sql = "SET default_transaction_read_only = on",
		.on_up = on_up,
		.arg = &r,
	};

	*ret_plan = NULL;
	r.judge = (struct judge){
		.live = t->live, .arena = t->arena, .dry = true, .send_to = t->send_to, .done = on_judged, .arg = &r};
	live_gather(t->live, &known);
	if (t->live->past->plain && !run_rules(&r)) {
		try_forget(t->live, known, r.loop);
		return 0;
	}
	deadline_init(&r.at_most, r.loop, "try", on_at_most);
	deadline_arm(&r.at_most, TRY_AT_MOST_US);
	r.conn = pg_conn_new(r.loop, &o);
	r.judge.conn = r.conn;
	loop_run(r.loop);
	deadline_disarm(&r.at_most);
	pg_conn_free(r.conn);
	try_forget(t->live, known, r.loop);
	if (r.failed) {
		*error = r.error;
		return -EIO;
	}
	*ret_plan = r.judge.n_plans ? &r.judge.plans[0] : NULL;
	return 0;
}
