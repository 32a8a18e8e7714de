/*
 * The asynchronous connection against a real server, when all is well: batches, their order and errors, transactions
 * over several batches, notifications, large data both ways, and freeing from inside every callback. Run by
 * tests/support/with-postgres.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg_fixture.h"

#include <unistd.h>

static void test_batch(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	fixture_open(f, (struct pg_conn_options){.conninfo = ""});
	assert_false(pg_conn_is_up(f->conn));
	assert_int_equal(f->ups, 0);
	WAIT_FOR(f, f->ups);
	assert_true(pg_conn_is_up(f->conn));
	assert_string_equal(pg_conn_trouble(f->conn), "");
	SEND(f, &a, sql(f, "create temp table t (i int8)"), sql(f, "insert into t select generate_series(1, 10)"),
	     sql(f, "select count(*) from t"));
	assert_int_equal(a.calls, 0);
	WAIT_FOR(f, a.calls);
	assert_false(a.failed);
	assert_int_equal(a.rows_calls, 3);
	assert_int_equal(a.value, 10);
}

static void test_defaults_and_settings(void **state)
{
	static const char check[] = "select 1::int8 where current_setting('application_name') = 'closeloop' and "
				    "current_setting('client_encoding') = 'UTF8' and current_setting('work_mem') = '1234kB'";
	struct fixture *f = *state;
	struct answer a = {0};

	fixture_up(f, (struct pg_conn_options){.setup_sql = "set work_mem = '1234kB'; select 1"});
	SEND(f, &a, sql(f, check));
	WAIT_FOR(f, a.calls);
	assert_int_equal(a.value, 1);
}

/* An error undoes its whole batch and skips the rest; the next one runs. */
static void test_error_in_a_batch(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0}, b = {0}, c = {0};

	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &a, sql(f, "create temp table t (i int8 unique)"));
	SEND(f, &b, sql(f, "insert into t values (1)"), sql(f, "insert into t values (1)"), sql(f, "insert into t values (2)"));
	SEND(f, &c, sql(f, "select count(*) from t"));
	WAIT_FOR(f, c.calls);
	assert_false(a.failed);
	assert_true(b.failed);
	assert_int_equal(b.rows_calls, 1);
	assert_string_equal(b.error.sqlstate, "23505");
	assert_string_equal(b.error.statement, "test");
	assert_null(strstr(b.error.message, "(i)=(1)"));
	assert_false(b.error.lost);
	assert_false(pg_error_is_server(&b.error));
	assert_false(c.failed);
	assert_int_equal(c.value, 0);
	assert_int_equal(a.calls + b.calls + c.calls, 3);
}

static void test_batches_run_in_order(void **state)
{
	static const struct pg_stmt append = {
		.name = "append",
		.sql = "insert into t select $1 || coalesce((select t.s from t order by length(t.s) desc limit 1), '')",
		.n_params = 1,
		.params = {PG_TEXT},
	};
	struct fixture *f = *state;
	struct answer answers[26] = {0}, last = {0};
	char letters[27] = "";

	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &last, sql(f, "create temp table t (s text)"));
	for (int i = 0; i < 26; i++) {
		struct pg_params *p = arena_new_obj(f->arena, struct pg_params);
		struct pg_batch *b = pg_batch_new(f->conn);
		char letter[2] = {(char)('a' + i), '\0'};

		letters[i] = letter[0];
		pg_params_init(p, f->arena);
		pg_add_text(p, letter);
		pg_batch_add(b, &append, p, NULL, NULL);
		answers[i] = (struct answer){.f = f, .letter = letter[0]};
		pg_batch_send(b, 0, answer_on_done, &answers[i]);
	}
	SEND(f, &last, sql(f, "select 1::int8 from t where s = 'zyxwvutsrqponmlkjihgfedcba'"));
	last.value = 0;
	WAIT_FOR(f, last.calls == 2);
	assert_int_equal(last.value, 1);
	assert_string_equal(f->trace + 1, letters); /* after the U */
}

static void test_transaction_over_batches(void **state)
{
	struct fixture *f = *state;
	struct answer a[8] = {0};

	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &a[0], sql(f, "create temp table t (i int8)"));
	SEND(f, &a[1], sql(f, "begin"), sql(f, "insert into t values (1)"));
	SEND(f, &a[2], sql(f, "insert into t values (2)"), sql(f, "commit"));
	SEND(f, &a[3], sql(f, "begin"), sql(f, "insert into t values (3)"));
	SEND(f, &a[4], sql(f, "select 1 / 0"));
	SEND(f, &a[5], sql(f, "insert into t values (4)"));
	SEND(f, &a[6], sql(f, "rollback"));
	SEND(f, &a[7], sql(f, "select sum(i)::int8 from t"));
	WAIT_FOR(f, a[7].calls);
	assert_false(a[2].failed);
	assert_string_equal(a[4].error.sqlstate, "22012");
	assert_string_equal(a[5].error.sqlstate, "25P02");
	assert_false(a[6].failed);
	assert_int_equal(a[7].value, 3);
}

/* A statement first used behind a failing one was never prepared; the next batch, already under way, must not care. */
static void test_prepare_behind_an_error(void **state)
{
	struct fixture *f = *state;
	const struct pg_stmt *bad = sql(f, "select 1 / 0"), *good = sql(f, "select 5::int8");
	struct answer a[5] = {0};

	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &a[0], bad, good);
	SEND(f, &a[1], good, good);
	SEND(f, &a[2], good);
	WAIT_FOR(f, a[2].calls);
	assert_true(a[0].failed);
	assert_false(a[1].failed);
	assert_false(a[2].failed);
	SEND(f, &a[3], good);
	SEND(f, &a[4], sql(f, "select count(*) from pg_prepared_statements where statement = 'select 5::int8'"));
	WAIT_FOR(f, a[4].calls);
	assert_int_equal(a[3].value, 5);
	assert_int_equal(a[4].value, 2); /* one for each batch that could not know */
}

/* The result's type changed (a migration): one failure, then it is prepared anew. So it is after DISCARD ALL. */
static void test_prepared_anew(void **state)
{
	struct fixture *f = *state;
	const struct pg_stmt *stmt = sql(f, "select * from changing");
	struct answer a[6] = {0};

	run_sync(f, "create table changing (i int8); insert into changing values (7)");
	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &a[0], stmt);
	WAIT_FOR(f, a[0].calls);
	run_sync(f, "alter table changing add j text");
	SEND(f, &a[1], stmt);
	WAIT_FOR(f, a[1].calls);
	assert_string_equal(a[1].error.sqlstate, "0A000");
	SEND(f, &a[2], stmt);
	SEND(f, &a[3], sql(f, "discard all"));
	WAIT_FOR(f, a[3].calls);
	assert_int_equal(a[2].value, 7);
	SEND(f, &a[4], stmt); /* its name is gone */
	WAIT_FOR(f, a[4].calls);
	assert_string_equal(a[4].error.sqlstate, "26000");
	SEND(f, &a[5], stmt);
	WAIT_FOR(f, a[5].calls);
	assert_int_equal(a[5].value, 7);
	run_sync(f, "drop table changing");
}

static void test_unprepared(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	fixture_up(f, (struct pg_conn_options){.unprepared = true});
	SEND(f, &a, sql(f, "select 4::int8"), sql(f, "select count(*) from pg_prepared_statements"));
	WAIT_FOR(f, a.calls);
	assert_false(a.failed);
	assert_int_equal(a.rows_calls, 2);
	assert_int_equal(a.value, 0);
}

static void test_empty_batch(void **state)
{
	struct fixture *f = *state;
	struct answer a = {.f = f};

	fixture_up(f, (struct pg_conn_options){0});
	pg_batch_free(pg_batch_new(f->conn));
	pg_batch_send(pg_batch_new(f->conn), 0, answer_on_done, &a);
	WAIT_FOR(f, a.calls);
	assert_false(a.failed);
}

static void test_notify(void **state)
{
	struct fixture *f = *state;
	struct answer a = {0};

	fixture_up(f, (struct pg_conn_options){.listen = "a \"strange\" name"});
	run_sync(f, "notify \"a \"\"strange\"\" name\", 'from outside'");
	WAIT_FOR(f, f->notifies == 1);
	assert_string_equal(f->payload, "from outside");
	/* One that comes with a result is seen without another byte from the server. */
	SEND(f, &a, sql(f, "notify \"a \"\"strange\"\" name\", 'from myself'"));
	WAIT_FOR(f, a.calls);
	WAIT_FOR(f, f->notifies == 2);
	assert_string_equal(f->payload, "from myself");
	run_sync(f, "notify another, 'x'");
	run_sync(f, "notify \"a \"\"strange\"\" name\", 'closeloop-probe:of another daemon'");
	run_sync(f, "notify \"a \"\"strange\"\" name\", 'last'");
	WAIT_FOR(f, f->notifies == 3);
	assert_string_equal(f->payload, "last");
}

/* Neither side may wait for the other to read: 40 × 1 MB there and back on one connection. */
static void test_large_both_ways(void **state)
{
	static const struct pg_stmt echo = {
		.name = "echo", .sql = "select length($1)::int8, $1", .n_params = 1, .params = {PG_TEXT}};
	enum { BATCHES = 40, BYTES = 1024 * 1024 };
	char *text CLEANUP(freep) = xmalloc(BYTES);
	struct answer a = {.f = *state};
	struct fixture *f = *state;
	struct pg_params p;

	memset(text, 'y', BYTES);
	pg_params_init(&p, f->arena);
	pg_add_text_n(&p, text, BYTES);
	fixture_up(f, (struct pg_conn_options){0});
	for (int i = 0; i < BATCHES; i++) {
		struct pg_batch *b = pg_batch_new(f->conn);

		pg_batch_add(b, &echo, &p, answer_on_rows, &a);
		pg_batch_send(b, 0, answer_on_done, &a);
	}
	WAIT_FOR(f, a.calls == BATCHES);
	assert_int_equal(a.rows_calls, BATCHES);
	assert_int_equal(a.value, BYTES);
	assert_false(a.failed);
}

/* The shape of the hot path: six statements with arrays of 1,000, again and again. */
static void test_many_batches_of_arrays(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "sum_arrays",
		.sql = "select sum(i)::int8 from unnest($1, $2) x(i, t) where t is not null",
		.n_params = 2,
		.params = {PG_INT8_ARRAY, PG_TEXT_ARRAY},
	};
	struct answer a = {.f = *state};
	struct fixture *f = *state;

	fixture_up(f, (struct pg_conn_options){0});
	for (int round = 0; round < 20; round++) {
		struct arena *arena = arena_new(64 * 1024);
		struct pg_batch *b = pg_batch_new(f->conn);

		for (int s = 0; s < 12; s++) {
			struct pg_params *p = arena_new_obj(arena, struct pg_params);
			struct pg_array numbers, texts;

			pg_params_init(p, arena);
			pg_array_init(&numbers, arena, PG_INT8);
			pg_array_init(&texts, arena, PG_TEXT);
			for (int i = 0; i < 1000; i++) {
				pg_array_int8(&numbers, i);
				pg_array_text(&texts, i % 2 ? "odd" : NULL);
			}
			pg_add_array(p, &numbers);
			pg_add_array(p, &texts);
			pg_batch_add(b, &stmt, p, answer_on_rows, &a);
		}
		pg_batch_send(b, 0, answer_on_done, &a);
		WAIT_FOR(f, a.calls == round + 1);
		arena_free(arena);
		assert_int_equal(a.value, 250000);
	}
	assert_int_equal(a.rows_calls, 240);
}

/* ---- freed from inside ---- */

static void test_free_at_once(void **state)
{
	struct fixture *f = *state;

	fixture_open(f, (struct pg_conn_options){0});
	f->conn = pg_conn_free(f->conn);
	/* and in every state on the way up */
	for (int turns = 1; turns < 8; turns++) {
		fixture_open(f, (struct pg_conn_options){.listen = "x", .conninfo = "host=localhost"});
		for (int i = 0; i < turns; i++)
			ev_run(loop_ev(f->loop), EVRUN_ONCE);
		f->conn = pg_conn_free(f->conn);
	}
	assert_null(pg_conn_free(NULL));
	assert_int_equal(f->downs, 0);
}

static void test_free_in_callbacks(void **state)
{
	struct fixture *f = *state;
	struct answer a = {.f = f, .free_in_rows = true}, b = {.f = f, .free_in_done = true}, later = {.f = f};

	f->free_on_up = true;
	fixture_up(f, (struct pg_conn_options){0});
	assert_null(f->conn);
	f->free_on_up = false;

	f->ups = 0;
	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &a, sql(f, "select 1"), sql(f, "select 2"));
	SEND(f, &later, sql(f, "select 3"));
	WAIT_FOR(f, !f->conn);
	assert_int_equal(a.rows_calls, 1);
	assert_int_equal(a.calls, 1);
	assert_true(a.error.lost);
	assert_int_equal(later.calls, 1);
	assert_true(later.error.lost);

	f->ups = 0;
	fixture_up(f, (struct pg_conn_options){0});
	SEND(f, &b, sql(f, "select 1"));
	SEND(f, &later, sql(f, "select 2"));
	WAIT_FOR(f, !f->conn);
	assert_false(b.failed);
	assert_int_equal(later.calls, 2);

	f->ups = 0;
	f->free_on_notify = true;
	fixture_up(f, (struct pg_conn_options){.listen = "x"});
	run_sync(f, "notify x, '1'; notify x, '2'");
	WAIT_FOR(f, !f->conn);
	assert_int_equal(f->notifies, 1);

	f->ups = 0;
	f->free_on_down = true;
	fixture_up(f, (struct pg_conn_options){0});
	pg_conn_reset(f->conn, "a test");
	WAIT_FOR(f, !f->conn);
	assert_string_equal(f->why.message, "a test");
}

static void test_listening_probe(void **state)
{
	struct pg_conn_options o = {
		.label = "test", .listen = "x", .on_up = fixture_on_up, .on_notify = fixture_on_notify, .arg = *state};
	struct fixture *f = *state;

	o.on_listening = fixture_on_listening;
	f->conn = pg_conn_new(f->loop, &o);
	WAIT_FOR(f, f->listening_calls);
	assert_true(f->listening);
	assert_int_equal(f->ups, 1);
	assert_int_equal(f->notifies, 0);
	/* cancelled while under way */
	f->conn = pg_conn_free(f->conn);
	f->conn = pg_conn_new(f->loop, &o);
	WAIT_FOR(f, f->ups == 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_batch, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_defaults_and_settings, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_error_in_a_batch, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_batches_run_in_order, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_transaction_over_batches, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_prepare_behind_an_error, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_prepared_anew, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_unprepared, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_empty_batch, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_notify, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_large_both_ways, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_many_batches_of_arrays, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_free_at_once, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_free_in_callbacks, fixture_setup, fixture_teardown),
		cmocka_unit_test_setup_teardown(test_listening_probe, fixture_setup, fixture_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
