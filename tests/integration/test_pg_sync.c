/*
 * Parameters and rows against a real server: every type there and back, errors, scripts, streams.
 * Run by tests/support/with-postgres.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/pg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include <cmocka.h>

#define STREAM_ROWS 100000
#define STREAM_ROW_BYTES 1000
#define STREAM_GROWTH_KIB_MAX (16 * 1024) /* the whole answer is 100 MB */

struct fixture {
	struct pg_sync *pg;
	struct arena *arena;
	struct pg_params params;
	struct pg_rows *rows;
	struct pg_error error;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	*state = f;
	f->arena = arena_new(0);
	pg_params_init(&f->params, f->arena);
	if (pg_sync_open("", &f->pg, &f->error) < 0) {
		fprintf(stderr, "%s\n", f->error.message);
		return -1;
	}
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	pg_rows_free(f->rows);
	pg_sync_close(f->pg);
	arena_free(f->arena);
	free(f);
	return 0;
}

static void run(struct fixture *f, const struct pg_stmt *stmt, const struct pg_params *params)
{
	int r;

	f->rows = pg_rows_free(f->rows);
	r = pg_sync_run(f->pg, stmt, params, &f->rows, &f->error);
	if (r < 0)
		fail_msg("%s: %s %s", stmt->name, f->error.sqlstate, f->error.message);
}

static void run_sql(struct fixture *f, const char *sql)
{
	struct pg_stmt stmt = {.name = "test", .sql = sql};

	run(f, &stmt, NULL);
}

static void test_scalars_there_and_back(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "scalars",
		.sql = "select $1, $2, $3, $4, $5, $6, $7, $8, $2::int2, $3::text, $4::text, $6::text, $8 ->> 'k'",
		.n_params = 8,
		.params = {PG_BOOL, PG_INT4, PG_INT8, PG_FLOAT8, PG_TEXT, PG_TIMESTAMPTZ, PG_UUID, PG_JSONB},
	};
	static const char text[] = "고객 \xF0\x9F\x98\x80 'quoted' \\ \n\ttab";
	struct wall_time when;
	struct fixture *f = *state;
	struct uuid id = uuid_new(), got;
	size_t n;

	assert_int_equal(wall_parse("1999-02-28T23:59:59.123456Z", &when), 0);
	pg_add_bool(&f->params, true);
	pg_add_int4(&f->params, -12345);
	pg_add_int8(&f->params, INT64_MIN + 1);
	pg_add_float8(&f->params, -0.1);
	pg_add_text(&f->params, text);
	pg_add_time(&f->params, when);
	pg_add_uuid(&f->params, &id);
	pg_add_jsonb(&f->params, "{\"k\": \"v\\u00e9\"}");
	run(f, &stmt, &f->params);
	assert_int_equal(pg_count(f->rows), 1);
	assert_true(pg_get_bool(f->rows, 0, 0));
	assert_int_equal(pg_get_int4(f->rows, 0, 1), -12345);
	assert_true(pg_get_int8(f->rows, 0, 2) == INT64_MIN + 1);
	assert_true(pg_get_float8(f->rows, 0, 3) == -0.1);
	assert_string_equal(pg_get_text(f->rows, 0, 4, &n), text);
	assert_int_equal(n, sizeof(text) - 1);
	assert_true(pg_get_time(f->rows, 0, 5).us == when.us);
	got = pg_get_uuid(f->rows, 0, 6);
	assert_true(uuid_eq(&got, &id));
	assert_string_equal(pg_get_text(f->rows, 0, 7, &n), "{\"k\": \"v\xC3\xA9\"}");
	assert_int_equal(n, 12);
	assert_int_equal(pg_get_int8(f->rows, 0, 8), -12345);
	assert_string_equal(pg_get_text(f->rows, 0, 9, NULL), "-9223372036854775807");
	assert_string_equal(pg_get_text(f->rows, 0, 10, NULL), "-0.1");
	assert_memory_equal(pg_get_text(f->rows, 0, 11, NULL), "1999-02-28 23:59:59.123456", 26);
	assert_string_equal(pg_get_text(f->rows, 0, 12, NULL), "v\xC3\xA9");
}

static void test_nulls(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "nulls",
		.sql = "select $1, $2, $3, $4, $5, $6, $7, $8, $9",
		.n_params = 9,
		.params = {PG_BOOL, PG_INT4, PG_INT8, PG_FLOAT8, PG_TEXT, PG_TIMESTAMPTZ, PG_UUID, PG_JSONB, PG_TEXT_ARRAY},
	};
	struct fixture *f = *state;
	const char *const *items;
	struct uuid id, zero = {0};
	size_t n = 7;

	pg_add_null(&f->params, PG_BOOL);
	pg_add_null(&f->params, PG_INT4);
	pg_add_null(&f->params, PG_INT8);
	pg_add_null(&f->params, PG_FLOAT8);
	pg_add_text(&f->params, NULL);
	pg_add_time(&f->params, WALL_NONE);
	pg_add_uuid(&f->params, NULL);
	pg_add_jsonb(&f->params, NULL);
	pg_add_null(&f->params, PG_TEXT_ARRAY);
	run(f, &stmt, &f->params);
	for (int i = 0; i < 9; i++)
		assert_true(pg_is_null(f->rows, 0, i));
	assert_false(pg_get_bool(f->rows, 0, 0));
	assert_int_equal(pg_get_int4(f->rows, 0, 1), 0);
	assert_int_equal(pg_get_int8(f->rows, 0, 2), 0);
	assert_true(pg_get_float8(f->rows, 0, 3) == 0);
	assert_null(pg_get_text(f->rows, 0, 4, &n));
	assert_int_equal(n, 0);
	assert_false(wall_is_set(pg_get_time(f->rows, 0, 5)));
	id = pg_get_uuid(f->rows, 0, 6);
	assert_true(uuid_eq(&id, &zero));
	assert_null(pg_get_text(f->rows, 0, 7, NULL));
	assert_int_equal(pg_get_text_array(f->rows, 0, 8, f->arena, &items), 0);
}

static void test_infinite_times(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "infinite",
		.sql = "select $1::text, $2::text, $1, $2",
		.n_params = 2,
		.params = {PG_TIMESTAMPTZ, PG_TIMESTAMPTZ},
	};
	struct fixture *f = *state;

	pg_add_time(&f->params, (struct wall_time){INT64_MAX});
	pg_add_time(&f->params, (struct wall_time){INT64_MIN + 1});
	run(f, &stmt, &f->params);
	assert_string_equal(pg_get_text(f->rows, 0, 0, NULL), "infinity");
	assert_string_equal(pg_get_text(f->rows, 0, 1, NULL), "-infinity");
	assert_true(pg_get_time(f->rows, 0, 2).us == INT64_MAX);
	assert_true(pg_get_time(f->rows, 0, 3).us == INT64_MIN + 1);
}

static void test_text_like_types(void **state)
{
	struct fixture *f = *state;

	const char *const *items;

	run_sql(f, "create type pg_temp.mood as enum ('sad', 'glad')");
	run_sql(f, "select 'glad'::pg_temp.mood, 'a'::varchar(3), 'n'::name, '{\"a\":1}'::json, 'b'::char(1), "
		   "array['sad', null]::pg_temp.mood[], 'x'::\"char\"");
	assert_string_equal(pg_get_text(f->rows, 0, 0, NULL), "glad");
	assert_string_equal(pg_get_text(f->rows, 0, 1, NULL), "a");
	assert_string_equal(pg_get_text(f->rows, 0, 2, NULL), "n");
	assert_string_equal(pg_get_text(f->rows, 0, 3, NULL), "{\"a\":1}");
	assert_string_equal(pg_get_text(f->rows, 0, 4, NULL), "b");
	assert_string_equal(pg_get_text(f->rows, 0, 6, NULL), "x");
	assert_int_equal(pg_get_text_array(f->rows, 0, 5, f->arena, &items), 2);
	assert_string_equal(items[0], "sad");
	assert_null(items[1]);
}

/* What the server reads from each kind of array, nulls included. */
static void test_arrays_as_the_server_sees_them(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "arrays",
		.sql = "select $1::text, $2::text, $3::text, $4::text, $5::text, $6::text, $7::text, $8::text, $9::text",
		.n_params = 9,
		.params = {PG_BOOL_ARRAY, PG_INT2_ARRAY, PG_INT4_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_FLOAT8_ARRAY,
			   PG_TIMESTAMPTZ_ARRAY, PG_UUID_ARRAY, PG_JSONB_ARRAY},
	};
	static const enum pg_type elements[] = {PG_BOOL,   PG_INT2,        PG_INT4, PG_INT8, PG_TEXT,
						PG_FLOAT8, PG_TIMESTAMPTZ, PG_UUID, PG_JSONB};
	struct fixture *f = *state;
	struct pg_array a[ARRAY_SIZE(elements)];
	struct uuid id;

	run_sql(f, "set timezone = 'UTC'");
	assert_int_equal(uuid_parse("018f0000-0000-7000-8000-00000000000a", &id), 0);
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++)
		pg_array_init(&a[i], f->arena, elements[i]);
	pg_array_bool(&a[0], true);
	pg_array_bool(&a[0], false);
	pg_array_int4(&a[1], -32768);
	pg_array_int4(&a[2], 7);
	pg_array_int8(&a[3], INT64_MAX);
	pg_array_text(&a[4], "a,\"b\"");
	pg_array_text(&a[4], "");
	pg_array_float8(&a[5], 1.5);
	pg_array_time(&a[6], (struct wall_time){0});
	pg_array_time(&a[6], WALL_NONE);
	pg_array_uuid(&a[7], &id);
	pg_array_text(&a[8], "[1]");
	for (size_t i = 0; i < ARRAY_SIZE(elements); i++) {
		pg_array_null(&a[i]);
		pg_add_array(&f->params, &a[i]);
	}
	run(f, &stmt, &f->params);
	assert_string_equal(pg_get_text(f->rows, 0, 0, NULL), "{t,f,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 1, NULL), "{-32768,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 2, NULL), "{7,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 3, NULL), "{9223372036854775807,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 4, NULL), "{\"a,\\\"b\\\"\",\"\",NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 5, NULL), "{1.5,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 6, NULL), "{\"1970-01-01 00:00:00+00\",NULL,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 7, NULL), "{018f0000-0000-7000-8000-00000000000a,NULL}");
	assert_string_equal(pg_get_text(f->rows, 0, 8, NULL), "{[1],NULL}");
}

static void test_empty_arrays(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "empty",
		.sql = "select cardinality($1), cardinality($2), $1, $2",
		.n_params = 2,
		.params = {PG_TEXT_ARRAY, PG_INT8_ARRAY},
	};
	struct fixture *f = *state;
	const char *const *texts;
	const int64_t *numbers;
	struct pg_array a, b;

	pg_array_init(&a, f->arena, PG_TEXT);
	pg_array_init(&b, f->arena, PG_INT8);
	pg_add_array(&f->params, &a);
	pg_add_array(&f->params, &b);
	run(f, &stmt, &f->params);
	assert_int_equal(pg_get_int4(f->rows, 0, 0), 0);
	assert_int_equal(pg_get_int4(f->rows, 0, 1), 0);
	assert_int_equal(pg_get_text_array(f->rows, 0, 2, f->arena, &texts), 0);
	assert_int_equal(pg_get_int8_array(f->rows, 0, 3, f->arena, &numbers), 0);
}

/* 10,000 elements, one of them of 1 MB, come back in order. */
static void test_large_arrays(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "large",
		.sql = "select $1, $2, $3",
		.n_params = 3,
		.params = {PG_TEXT_ARRAY, PG_INT8_ARRAY, PG_INT2_ARRAY},
	};
	enum { COUNT = 10000, BIG = 1024 * 1024 };
	char *big CLEANUP(freep) = xmalloc(BIG + 1);
	struct fixture *f = *state;
	const char *const *texts;
	const int64_t *numbers;
	struct pg_array a, b, c;
	char text[64];

	memset(big, 'x', BIG);
	memcpy(big + BIG - 6, "\xED\x95\x9C\xEA\xB5\xAD", 6);
	big[BIG] = '\0';
	pg_array_init(&a, f->arena, PG_TEXT);
	pg_array_init(&b, f->arena, PG_INT8);
	pg_array_init(&c, f->arena, PG_INT2);
	for (int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "ünïcode-%d", i);
		if (i % 3 == 0)
			pg_array_null(&a);
		else
			pg_array_text(&a, i == 5000 ? big : text);
		pg_array_int8(&b, i * INT64_C(1000000007));
		pg_array_int4(&c, i - 5000);
	}
	pg_add_array(&f->params, &a);
	pg_add_array(&f->params, &b);
	pg_add_array(&f->params, &c);
	run(f, &stmt, &f->params);
	assert_int_equal(pg_get_text_array(f->rows, 0, 0, f->arena, &texts), COUNT);
	assert_int_equal(pg_get_int8_array(f->rows, 0, 1, f->arena, &numbers), COUNT);
	for (int i = 0; i < COUNT; i++) {
		snprintf(text, sizeof(text), "ünïcode-%d", i);
		if (i % 3 == 0)
			assert_null(texts[i]);
		else
			assert_string_equal(texts[i], i == 5000 ? big : text);
		assert_true(numbers[i] == i * INT64_C(1000000007));
	}
	assert_int_equal(pg_get_int8_array(f->rows, 0, 2, f->arena, &numbers), COUNT);
	assert_true(numbers[0] == -5000 && numbers[9999] == 4999);
}

/* DETAIL quotes the row; only the primary message comes out. The connection goes on. */
static void test_errors(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "twice", .sql = "insert into pg_temp.t values ($1)", .n_params = 1, .params = {PG_TEXT}};
	struct fixture *f = *state;

	run_sql(f, "create temp table t (secret text primary key)");
	pg_add_text(&f->params, "hunter2");
	run(f, &stmt, &f->params);
	assert_int_equal(pg_affected(f->rows), 1);
	assert_int_equal(pg_sync_run(f->pg, &stmt, &f->params, NULL, &f->error), -EIO);
	assert_string_equal(f->error.sqlstate, "23505");
	assert_string_equal(f->error.statement, "twice");
	assert_string_equal(f->error.message, "duplicate key value violates unique constraint \"t_pkey\"");
	assert_false(f->error.lost);
	assert_false(pg_error_is_server(&f->error));
	assert_false(pg_error_is_conflict(&f->error));
	run_sql(f, "select count(*) from pg_temp.t");
	assert_int_equal(pg_get_int8(f->rows, 0, 0), 1);
}

static void test_script(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(pg_sync_script(f->pg,
					"create temp table s (a int); insert into s values (1), (2); "
					"create table if not exists pg_temp.s (a int)",
					&f->error),
			 0);
	assert_int_equal(pg_sync_script(f->pg, "insert into s values (3); select 1 / 0", &f->error), -EIO);
	assert_string_equal(f->error.sqlstate, "22012");
	run_sql(f, "select count(*) from pg_temp.s");
	assert_int_equal(pg_get_int8(f->rows, 0, 0), 2);
}

static void test_terminated(void **state)
{
	static const struct pg_stmt stmt = {.name = "suicide", .sql = "select pg_terminate_backend(pg_backend_pid())"};
	struct fixture *f = *state;

	assert_int_equal(pg_sync_run(f->pg, &stmt, NULL, NULL, &f->error), -EIO);
	assert_true(f->error.lost);
	assert_true(pg_error_is_server(&f->error));
	assert_non_null(strstr(f->error.message, "terminating connection"));
}

static void test_refused(void **state)
{
	struct pg_sync *pg = NULL;
	struct fixture *f = *state;

	assert_int_equal(pg_sync_open("host=/nonexistent", &pg, &f->error), -ECONNREFUSED);
	assert_null(pg);
	assert_true(f->error.lost);
	assert_non_null(strstr(f->error.message, "/nonexistent"));
	assert_null(strchr(f->error.message, '\n'));
	assert_int_equal(pg_sync_open("dbname=no_such_database", &pg, &f->error), -ECONNREFUSED);
	assert_non_null(strstr(f->error.message, "\"no_such_database\" does not exist"));
}

struct streaming {
	int64_t n, sum;
	int64_t stop_after;
};

static int on_row(void *arg, const struct pg_rows *row)
{
	struct streaming *s = arg;

	assert_int_equal(pg_count(row), 1);
	s->n++;
	s->sum += pg_get_int8(row, 0, 0);
	return s->stop_after && s->n == s->stop_after ? 42 : 0;
}

static long max_rss_kib(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return usage.ru_maxrss;
}

static void test_stream(void **state)
{
	static const struct pg_stmt stmt = {
		.name = "stream",
		.sql = "select i, repeat('x', $2) from generate_series(1, $1) i",
		.n_params = 2,
		.params = {PG_INT8, PG_INT4},
	};
	struct streaming s = {0};
	struct fixture *f = *state;
	long before;

	pg_add_int8(&f->params, STREAM_ROWS);
	pg_add_int4(&f->params, STREAM_ROW_BYTES);
	before = max_rss_kib();
	assert_int_equal(pg_sync_stream(f->pg, &stmt, &f->params, on_row, &s, &f->error), 0);
	assert_int_equal(s.n, STREAM_ROWS);
	assert_true(s.sum == STREAM_ROWS * INT64_C(100001) / 2);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
	assert_true(max_rss_kib() - before < STREAM_GROWTH_KIB_MAX);
#else
	(void)before;
#endif
	/* Stopped early: the connection is good for the next statement. */
	s = (struct streaming){.stop_after = 10};
	assert_int_equal(pg_sync_stream(f->pg, &stmt, &f->params, on_row, &s, &f->error), 42);
	assert_int_equal(s.n, 10);
	run_sql(f, "select 1");
	assert_int_equal(pg_get_int4(f->rows, 0, 0), 1);
}

static void test_stream_error(void **state)
{
	static const struct pg_stmt stmt = {.name = "broken", .sql = "select 10 / (i - 1) from generate_series(3, 0, -1) i"};
	struct streaming s = {0};
	struct fixture *f = *state;

	assert_int_equal(pg_sync_stream(f->pg, &stmt, NULL, on_row, &s, &f->error), -EIO);
	assert_int_equal(s.n, 2);
	assert_string_equal(f->error.sqlstate, "22012");
	assert_false(f->error.lost);
	run_sql(f, "select 1");
}

static void test_conninfo_check(void **state)
{
	struct fixture *f = *state;

	assert_null(pg_conninfo_check("", f->arena));
	assert_null(pg_conninfo_check("dbname=closeloop host=db1,db2 target_session_attrs=read-write", f->arena));
	assert_null(pg_conninfo_check("postgresql://db/closeloop?passfile=/etc/closeloop/pgpass", f->arena));
	assert_non_null(strstr(pg_conninfo_check("dbname=x password=y", f->arena), "password"));
	assert_non_null(strstr(pg_conninfo_check("postgresql://me:y@db/x", f->arena), "passfile"));
	assert_non_null(strstr(pg_conninfo_check("dbname=x passwd=y", f->arena), "passwd"));
	assert_non_null(pg_conninfo_check("closeloop", f->arena));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_stream, setup, teardown), /* first: it looks at the memory's peak */
		cmocka_unit_test_setup_teardown(test_stream_error, setup, teardown),
		cmocka_unit_test_setup_teardown(test_scalars_there_and_back, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nulls, setup, teardown),
		cmocka_unit_test_setup_teardown(test_infinite_times, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text_like_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_arrays_as_the_server_sees_them, setup, teardown),
		cmocka_unit_test_setup_teardown(test_empty_arrays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_arrays, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_script, setup, teardown),
		cmocka_unit_test_setup_teardown(test_terminated, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_conninfo_check, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
