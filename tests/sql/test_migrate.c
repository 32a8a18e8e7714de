/*
 * `closeloop migrate` against a real server, each test in a database of its own (run under with-postgres).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exit.h"
#include "cli/migrate.h"
#include "sql/migrations.h"
#include "sql/schema.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

struct site {
	char name[32], conninfo[64];
	struct pg_sync *db;
	struct arena *arena;
	struct buf out;
};

static struct pg_sync *connect_to(const char *conninfo)
{
	struct pg_sync *db = NULL;
	struct pg_error error = {0};

	if (pg_sync_open(conninfo, &db, &error) < 0)
		fail_msg("%s", error.message);
	return db;
}

static void sql(struct pg_sync *db, const char *text)
{
	struct pg_error error = {0};

	if (pg_sync_script(db, text, &error) < 0)
		fail_msg("%s: %s", text, error.message);
}

/* CREATE DATABASE … WITH options, and a connection to it. */
static void create(struct site *s, const char *options)
{
	static int number;
	struct pg_sync *db CLEANUP(pg_sync_closep) = connect_to("dbname=postgres");

	snprintf(s->name, sizeof(s->name), "migrate_%d", ++number);
	snprintf(s->conninfo, sizeof(s->conninfo), "dbname=%s", s->name);
	sql(db, arena_printf(s->arena, "CREATE DATABASE %s TEMPLATE template0 %s", s->name, options));
	s->db = connect_to(s->conninfo);
}

static int setup(void **state)
{
	struct site *s = xcalloc(1, sizeof(*s));

	s->arena = arena_new(0);
	s->out = BUF_INIT(MIGRATE_OUTPUT_BYTES_MAX);
	*state = s;
	create(s, "ENCODING 'UTF8' LOCALE 'C.UTF-8'");
	return 0;
}

static int teardown(void **state)
{
	struct site *s = *state;

	pg_sync_close(s->db);
	buf_fini(&s->out);
	arena_free(s->arena);
	free(s);
	return 0;
}

/* The exit code; what was printed is in s->out. */
static int migrate(struct site *s, struct migrate_options o)
{
	buf_reset(&s->out);
	if (!o.instance)
		o.instance = "prod";
	return migrate_run(s->db, &o, &s->out);
}

static void expect_words(struct site *s, const char *words)
{
	if (!strstr(buf_str(&s->out), words))
		fail_msg("'%s' isn't in: %.400s", words, buf_str(&s->out));
}

static int count_words(const char *text, const char *words)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, words)) != NULL; p++)
		n++;
	return n;
}

/* The one number that a query gives. */
static int64_t number(struct site *s, const char *query)
{
	struct pg_stmt stmt = {"number", arena_printf(s->arena, "SELECT (%s)::bigint", query), 0, {0}};
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_error error = {0};

	if (pg_sync_run(s->db, &stmt, NULL, &rows, &error) < 0)
		fail_msg("%s: %s", query, error.message);
	return pg_get_int8(rows, 0, 0);
}

static enum schema_state judge(struct site *s, const char *instance)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_error error = {0};
	const char *why = NULL;
	int r = pg_sync_run(s->db, &schema_stmt, NULL, &rows, &error);

	return schema_judge(r < 0 ? NULL : rows, &error, instance, s->arena, &why);
}

static void creates_and_then_does_nothing(void **state)
{
	struct site *s = *state;

	assert_int_equal(judge(s, "prod"), SCHEMA_MISSING);
	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	assert_int_equal(count_words(buf_str(&s->out), "applied "), sql_migrations_n);
	expect_words(s, "instance 'prod'");
	assert_int_equal(judge(s, "prod"), SCHEMA_FITS);
	assert_int_equal(judge(s, "test"), SCHEMA_INSTANCE);

	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	assert_int_equal(count_words(buf_str(&s->out), "applied "), 0);
	expect_words(s, "nothing to migrate");
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.migrations"), sql_migrations_n);
	sql(s->db, "INSERT INTO closeloop.responses (nps) VALUES (3)");
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.inbox"), 1);
}

static void dry_run_prints_what_would_run(void **state)
{
	struct site *s = *state;
	char *printed CLEANUP(freep) = NULL;

	assert_int_equal(migrate(s, (struct migrate_options){.dry_run = true, .roles = true}), 0);
	assert_int_equal(judge(s, "prod"), SCHEMA_MISSING);
	expect_words(s, "closeloop_writer");
	printed = buf_take(&s->out);
	sql(s->db, printed);
	assert_int_equal(judge(s, NULL), SCHEMA_FITS);

	assert_int_equal(migrate(s, (struct migrate_options){.dry_run = true}), 0);
	expect_words(s, "-- nothing to migrate");
	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	assert_int_equal(count_words(buf_str(&s->out), "applied "), 0);
	assert_int_equal(judge(s, "prod"), SCHEMA_FITS);
}

static void refuses_another_instance_until_adopted(void **state)
{
	struct site *s = *state;

	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	sql(s->db, "INSERT INTO closeloop.messages (id, kind, channel, endpoint, payload, dedup_key, state)"
		   " SELECT gen_random_uuid(), 'x', 'email', 'email', '', w, w::closeloop.message_state"
		   " FROM unnest(enum_range(NULL::closeloop.message_state)::text[]) AS w");
	assert_int_equal(migrate(s, (struct migrate_options){.instance = "copy"}), EXIT_CONFIGURATION);
	assert_string_equal(buf_str(&s->out), "");
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.messages WHERE state = 'cancelled'"), 1);

	assert_int_equal(migrate(s, (struct migrate_options){.instance = "copy", .adopt = "copy"}), 0);
	expect_words(s, "now the instance 'copy', it was 'prod'; 3 waiting messages were cancelled");
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.messages WHERE state = 'cancelled'"), 4);
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.messages WHERE state IN ('sent', 'failed', 'dead')"), 3);
	assert_int_equal(judge(s, "copy"), SCHEMA_FITS);
	assert_int_equal(migrate(s, (struct migrate_options){0}), EXIT_CONFIGURATION);
	assert_int_equal(migrate(s, (struct migrate_options){.instance = "copy", .adopt = "third"}), 0);
	expect_words(s, "the configuration says instance = \"copy\"");
}

static void leaves_a_newer_schema_alone(void **state)
{
	struct site *s = *state;

	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	sql(s->db, "INSERT INTO closeloop.migrations (number, name, sha256) VALUES (999, '999_later', '00');"
		   "DELETE FROM closeloop.migrations WHERE number = 2");
	assert_int_equal(judge(s, "prod"), SCHEMA_NEWER);
	assert_int_equal(migrate(s, (struct migrate_options){0}), EXIT_CONFIGURATION);
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.migrations WHERE number = 2"), 0);
}

static void applies_a_changed_migration_again(void **state)
{
	struct site *s = *state;

	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	sql(s->db, "UPDATE closeloop.migrations SET sha256 = '00' WHERE number = 3;"
		   "DROP FUNCTION closeloop.case_actions()");
	assert_int_equal(judge(s, "prod"), SCHEMA_CHANGED);
	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	expect_words(s, "applied 003_cases again");
	assert_int_equal(count_words(buf_str(&s->out), "applied "), 1);
	assert_int_equal(judge(s, "prod"), SCHEMA_FITS);
	assert_int_equal(number(s, "SELECT count(*) FROM closeloop.case_actions()"), 11);
}

static void a_migration_that_fails_leaves_nothing_of_itself(void **state)
{
	struct site *s = *state;

	sql(s->db, "CREATE SCHEMA closeloop; CREATE VIEW closeloop.case_overview AS SELECT 1 AS one");
	assert_int_not_equal(migrate(s, (struct migrate_options){0}), 0);
	expect_words(s, "applied 003_cases");
	assert_int_equal(number(s, "SELECT max(number) FROM closeloop.migrations"), 3);
	assert_int_equal(number(s, "SELECT count(*) FROM pg_proc WHERE proname = 'score_text'"), 0);
	sql(s->db, "DROP VIEW closeloop.case_overview");
	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	assert_int_equal(count_words(buf_str(&s->out), "applied "), sql_migrations_n - 3);
	assert_int_equal(judge(s, "prod"), SCHEMA_FITS);
}

/* In a process of its own: how many migrations it applied, or 100 when it failed. */
static pid_t migrate_aside(struct site *s)
{
	pid_t pid = fork();

	if (pid == 0) {
		struct site child = {.arena = s->arena, .out = BUF_INIT(MIGRATE_OUTPUT_BYTES_MAX)};
		int r;

		child.db = connect_to(s->conninfo);
		r = migrate(&child, (struct migrate_options){0});
		_exit(r ? 100 : count_words(buf_str(&child.out), "applied "));
	}
	assert_true(pid > 0);
	return pid;
}

static void two_at_once_do_it_once(void **state)
{
	struct site *s = *state;
	pid_t pids[3];
	int applied = 0;

	for (size_t i = 0; i < ARRAY_SIZE(pids); i++)
		pids[i] = migrate_aside(s);
	for (size_t i = 0; i < ARRAY_SIZE(pids); i++) {
		int status = 0;

		assert_int_equal(waitpid(pids[i], &status, 0), pids[i]);
		assert_true(WIFEXITED(status));
		assert_int_not_equal(WEXITSTATUS(status), 100);
		applied += WEXITSTATUS(status);
	}
	assert_int_equal(applied, sql_migrations_n);
	assert_int_equal(judge(s, "prod"), SCHEMA_FITS);
}

static void roles_are_made_and_keep_their_rights(void **state)
{
	struct site *s = *state;

	assert_int_equal(migrate(s, (struct migrate_options){.roles = true}), 0);
	expect_words(s, "GRANT closeloop_daemon TO ");
	assert_int_equal(number(s, "SELECT count(*) FROM pg_roles WHERE rolname LIKE 'closeloop\\_%' AND NOT rolcanlogin"), 4);
	assert_int_equal(number(s, "SELECT has_table_privilege('closeloop_daemon', 'closeloop.cases', 'UPDATE')::int"), 1);
	assert_int_equal(number(s, "SELECT pg_has_role('closeloop_daemon', 'closeloop_pages', 'MEMBER')::int"), 1);
	assert_int_equal(migrate(s, (struct migrate_options){.roles = true}), 0);

	/* A later migration gives the rights anew, roles asked for or not. */
	sql(s->db, "REVOKE UPDATE ON closeloop.cases FROM closeloop_daemon;"
		   "UPDATE closeloop.migrations SET sha256 = '00' WHERE number = 5");
	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	assert_int_equal(number(s, "SELECT has_table_privilege('closeloop_daemon', 'closeloop.cases', 'UPDATE')::int"), 1);
}

static void without_rights_it_says_so(void **state)
{
	struct site *s = *state;

	sql(s->db, "DROP ROLE IF EXISTS guest; CREATE ROLE guest; SET ROLE guest");
	assert_int_equal(migrate(s, (struct migrate_options){0}), EXIT_NOT_PERMITTED);
	sql(s->db, "RESET ROLE");
	assert_int_equal(number(s, "SELECT count(*) FROM pg_namespace WHERE nspname = 'closeloop'"), 0);

	sql(s->db, arena_printf(s->arena, "GRANT CREATE ON DATABASE %s TO guest; SET ROLE guest", s->name));
	assert_int_equal(migrate(s, (struct migrate_options){0}), 0);
	assert_int_equal(judge(s, "prod"), SCHEMA_FITS);
	sql(s->db, "RESET ROLE; ALTER ROLE closeloop_writer RENAME TO aside; SET ROLE guest");
	assert_int_equal(migrate(s, (struct migrate_options){.roles = true}), EXIT_NOT_PERMITTED);
	expect_words(s, "nothing to migrate");
	sql(s->db, "RESET ROLE; ALTER ROLE aside RENAME TO closeloop_writer");
	sql(s->db, "DROP OWNED BY guest; DROP ROLE guest");
}

static void a_database_in_another_encoding_is_refused(void **state)
{
	struct site *s = *state;

	s->db = pg_sync_close(s->db);
	create(s, "ENCODING 'SQL_ASCII' LOCALE 'C'");
	assert_int_equal(migrate(s, (struct migrate_options){0}), EXIT_CONFIGURATION);
	assert_int_equal(judge(s, "prod"), SCHEMA_MISSING);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(creates_and_then_does_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(dry_run_prints_what_would_run, setup, teardown),
		cmocka_unit_test_setup_teardown(refuses_another_instance_until_adopted, setup, teardown),
		cmocka_unit_test_setup_teardown(leaves_a_newer_schema_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(applies_a_changed_migration_again, setup, teardown),
		cmocka_unit_test_setup_teardown(a_migration_that_fails_leaves_nothing_of_itself, setup, teardown),
		cmocka_unit_test_setup_teardown(two_at_once_do_it_once, setup, teardown),
		cmocka_unit_test_setup_teardown(roles_are_made_and_keep_their_rights, setup, teardown),
		cmocka_unit_test_setup_teardown(without_rights_it_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(a_database_in_another_encoding_is_refused, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
