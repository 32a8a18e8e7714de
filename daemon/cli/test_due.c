/*
 * Rule tests: until when. Business time is PostgreSQL's, so a test that expects due times needs the database.
 *
 * The calendars of the configuration under test are put in place in a transaction that is rolled back: the live ones stay as
 * they are, and nobody else sees the others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/test.h"
#include "followup/clock_store.h"
#include "followup/version_store.h"

static const struct pg_stmt sql_due = {
	"cli_test_due",
	"SELECT closeloop.promise_due($1, $2::closeloop.promise, $4, $5), closeloop.promise_due($1, $3::closeloop.promise, $4, $5)",
	5,
	{PG_TIMESTAMPTZ, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT},
};

static void add_promise(struct pg_params *p, struct arena *a, const struct promise *promise)
{
	pg_add_text(p, promise->amount < 0 ? NULL : arena_printf(a, "%lld%c", (long long)promise->amount, promise->unit));
}

static int put_clocks(struct test_bench *b, struct arena *a)
{
	const struct directory *d = b->directory;
	struct person_clock *people = arena_new_array(a, struct person_clock, (size_t)directory_count(d));
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;

	for (int i = 0; i < directory_count(d); i++) {
		const struct person *person = directory_at(d, i);

		people[i] = (struct person_clock){person->id, person->calendar ? person->calendar->id : NULL, person->timezone};
	}
	clocks_params(&p, a, b->c->settings, people, directory_count(d));
	return cli_run(b->c, &clocks_replace, &p, &rows);
}

static int ask_due(struct test_bench *b, struct test_outcome *o)
{
	const struct follow_up *f = o->plan.rule->follow_up;
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct arena *a = o->trace.arena;
	struct pg_params p;
	int r = put_clocks(b, a);

	if (r)
		return r;
	pg_params_init(&p, a);
	pg_add_time(&p, o->test->at);
	add_promise(&p, a, &f->acknowledge_within);
	add_promise(&p, a, &f->resolve_within);
	pg_add_text(&p, f->calendar_use == CALENDAR_NONE    ? NULL
			: f->calendar_use == CALENDAR_OWNER ? "owner"
							    : f->calendar->id);
	pg_add_text(&p, opening_clocks_need_owner(f) && o->plan.owner.person ? o->plan.owner.person->id : NULL);
	r = cli_run(b->c, &sql_due, &p, &rows);
	if (r == 0) {
		o->acknowledge_due = pg_get_time(rows, 0, 0);
		o->resolve_due = pg_get_time(rows, 0, 1);
	}
	return r;
}

int test_due(struct test_bench *b, struct test_outcome *o)
{
	struct pg_error error;
	int r;

	o->acknowledge_due = o->resolve_due = WALL_NONE;
	if (o->plan.action != PLAN_OPEN || !o->plan.rule->follow_up)
		return 0;
	r = cli_db(b->c);
	if (r)
		return r;
	if (pg_sync_script(b->c->db, "BEGIN; SET LOCAL lock_timeout = '10s'", &error) < 0)
		return cli_sql_error(&error);
	r = ask_due(b, o);
	if (pg_sync_script(b->c->db, "ROLLBACK", &error) < 0 && r == 0)
		r = cli_sql_error(&error);
	return r;
}
