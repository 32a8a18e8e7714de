/*
 * Does a schema fit the program: every misfit has one sentence that says what to do.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sql/migrations.h"
#include "sql/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

#define ROWS_MAX 100

struct fixture {
	struct arena *arena;
	struct schema_row rows[ROWS_MAX + 1];
	struct schema_found found;
	const char *why;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->arena = arena_new(0);
	for (int i = 0; i < sql_migrations_n; i++)
		f->rows[i] = (struct schema_row){sql_migrations[i].number, sql_migrations[i].name, sql_migrations[i].sha256};
	f->found = (struct schema_found){.rows = f->rows, .n = sql_migrations_n, .instance = "prod"};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_free(f->arena);
	freep(state);
	return 0;
}

static void expect(struct fixture *f, const char *instance, enum schema_state want, const char *words)
{
	assert_int_equal(schema_compare(&f->found, instance, f->arena, &f->why), want);
	if (!words) {
		assert_null(f->why);
		return;
	}
	assert_non_null(f->why);
	if (!strstr(f->why, words))
		fail_msg("'%s' isn't in: %s", words, f->why);
}

static void fits(void **state)
{
	expect(*state, "prod", SCHEMA_FITS, NULL);
	expect(*state, NULL, SCHEMA_FITS, NULL);
}

static void is_missing(void **state)
{
	struct fixture *f = *state;

	f->found.n = 0;
	expect(f, "prod", SCHEMA_MISSING, "run: closeloop migrate");
}

static void is_older(void **state)
{
	struct fixture *f = *state;

	f->found.n--;
	expect(f, "prod", SCHEMA_OLDER, sql_migrations[sql_migrations_n - 1].name);
	f->found.n = 1;
	expect(f, "prod", SCHEMA_OLDER, "lacks 002_capture");
}

static void has_a_hole(void **state)
{
	struct fixture *f = *state;

	memmove(&f->rows[1], &f->rows[2], sizeof(f->rows[0]) * (size_t)(sql_migrations_n - 2));
	f->found.n--;
	expect(f, "prod", SCHEMA_OLDER, "lacks 002_capture");
}

static void is_newer(void **state)
{
	struct fixture *f = *state;

	f->rows[f->found.n++] = (struct schema_row){sql_migrations_n + 1, "099_future", "00"};
	expect(f, "prod", SCHEMA_NEWER, "099_future, newer than this program");
}

static void was_made_by_another_build(void **state)
{
	struct fixture *f = *state;

	f->rows[2].sha256 = "00";
	expect(f, "prod", SCHEMA_CHANGED, "003_cases differs");
}

static void belongs_to_another_instance(void **state)
{
	struct fixture *f = *state;

	expect(f, "test", SCHEMA_INSTANCE, "closeloop migrate --adopt test");
	expect(f, NULL, SCHEMA_FITS, NULL);
	f->found.instance = NULL;
	expect(f, "test", SCHEMA_MISSING, "closeloop migrate");
}

static void errors_are_told_apart(void **state)
{
	struct fixture *f = *state;
	struct pg_error no_table = {.sqlstate = "42P01"}, no_schema = {.sqlstate = "3F000"}, denied = {.sqlstate = "42501"};
	struct pg_error lost = {.message = "server closed the connection", .lost = true};

	assert_int_equal(schema_judge(NULL, &no_table, "prod", f->arena, &f->why), SCHEMA_MISSING);
	assert_int_equal(schema_judge(NULL, &no_schema, "prod", f->arena, &f->why), SCHEMA_MISSING);
	assert_int_equal(schema_judge(NULL, &denied, "prod", f->arena, &f->why), SCHEMA_UNKNOWN);
	assert_non_null(strstr(f->why, "grant closeloop_daemon"));
	assert_int_equal(schema_judge(NULL, &lost, "prod", f->arena, &f->why), SCHEMA_UNKNOWN);
	assert_non_null(strstr(f->why, "server closed the connection"));
}

static void migrations_are_whole(void **state)
{
	assert_true(sql_migrations_n >= 5);
	for (int i = 0; i < sql_migrations_n; i++) {
		const struct sql_migration *m = &sql_migrations[i];

		assert_int_equal(m->number, i + 1);
		assert_int_equal(strlen(m->sha256), 64);
		assert_int_equal(strncmp(m->text, "-- ", 3), 0);
		assert_int_equal(m->text[strlen(m->text) - 1], '\n');
		/* Whoever applies it begins and commits. */
		assert_null(strstr(m->text, "\nBEGIN;\n"));
		assert_null(strstr(m->text, "\nCOMMIT;\n"));
	}
	assert_non_null(strstr(sql_roles, "closeloop_writer"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fits, setup, teardown),
		cmocka_unit_test_setup_teardown(is_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(is_older, setup, teardown),
		cmocka_unit_test_setup_teardown(has_a_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(is_newer, setup, teardown),
		cmocka_unit_test_setup_teardown(was_made_by_another_build, setup, teardown),
		cmocka_unit_test_setup_teardown(belongs_to_another_instance, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_are_told_apart, setup, teardown),
		cmocka_unit_test(migrations_are_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
