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

static void on_up(void *arg)
{
	struct run *r = arg;

	directory_read(r->conn, r->judge.live, on_directory, r);
}

static void on_at_most(struct deadline *d)
{
	struct run *r = container_of(d, struct run, at_most);
	struct pg_error e = {.lost = true};
	const char *trouble = pg_conn_trouble(r->conn);

	snprintf(e.message, sizeof(e.message), "%s", *trouble ? trouble : "no answer from the database");
	run_end(r, &e);
}

int try_run(const struct trial *t, struct plan **ret_plan, struct pg_error *error)
{
	struct claimed claimed = {.response = *t->response, .queued_at = WALL_NONE, .row_version = ""};
	struct run r = {.loop = loop_new()};
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
	if (judge_rules(&r.judge, arena_memdup(t->arena, &claimed, sizeof(claimed)), 1, NULL, NULL) == 0) {
		loop_free(r.loop);
		return 0;
	}
	deadline_init(&r.at_most, r.loop, "try", on_at_most);
	deadline_arm(&r.at_most, TRY_AT_MOST_US);
	r.conn = pg_conn_new(r.loop, &o);
	r.judge.conn = r.conn;
	loop_run(r.loop);
	deadline_disarm(&r.at_most);
	pg_conn_free(r.conn);
	loop_free(r.loop);
	if (r.failed) {
		*error = r.error;
		return -EIO;
	}
	*ret_plan = &r.judge.plans[0];
	return 0;
}
