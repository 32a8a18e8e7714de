/*
 * Creates or updates the schema; see migrate.h.
 *
 *   server fit? → lock → what is there? → newer or another instance's: refuse → apply each missing one
 *              (with the last: rights of the roles that exist) → instance stored or adopted → roles, when asked
 *
 * A migration whose text differs from the applied one is applied again: all of them may be.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/migrate.h"
#include "cli/cli.h"
#include "sql/migrations.h"
#include "sql/schema.h"

#define SERVER_VERSION_MIN 150000
#define SCRIPT_BYTES_MAX (1024 * 1024)

static const struct pg_stmt server_stmt = {
	"migrate_server",
	"SELECT current_setting('server_version_num')::int, current_setting('server_version'),"
	" current_setting('server_encoding'), pg_is_in_recovery(), to_regclass('closeloop.migrations') IS NOT NULL,"
	" to_regclass('closeloop.instance') IS NOT NULL",
	0,
	{0},
};
static const struct pg_stmt lock_stmt = {"migrate_lock", "SELECT pg_advisory_lock(7310033114866869858)", 0, {0}};
static const struct pg_stmt unlock_stmt = {"migrate_unlock", "SELECT pg_advisory_unlock(7310033114866869858)", 0, {0}};
static const struct pg_stmt store_stmt = {
	"migrate_store",
	"INSERT INTO closeloop.instance (name) VALUES ($1) ON CONFLICT DO NOTHING RETURNING name",
	1,
	{PG_TEXT},
};
/* Leased ones too: what a daemon still has in flight can't be called back, but will not be tried again. */
static const struct pg_stmt adopt_stmt = {
	"migrate_adopt",
	"WITH renamed AS (INSERT INTO closeloop.instance (name) VALUES ($1)"
	"  ON CONFLICT (only_row) DO UPDATE SET name = excluded.name),"
	" cancelled AS (UPDATE closeloop.messages SET state = 'cancelled', lease_until = NULL,"
	"   last_error = 'the database was adopted as another instance'"
	"  WHERE state IN ('queued', 'held', 'leased') RETURNING 1)"
	" SELECT count(*) FROM cancelled",
	1,
	{PG_TEXT},
};

/* One run; what was found is read again after the lock was got. */
struct migrate {
	struct pg_sync *db;
	const struct migrate_options *options;
	struct buf *out;
	struct arena *arena;
	struct schema_found found;
	bool has_tables; /* closeloop.migrations is there */
	int applied;
};

static int run(struct migrate *m, const struct pg_stmt *stmt, const struct pg_params *params, struct pg_rows **ret_rows)
{
	struct pg_error error = {0};

	return pg_sync_run(m->db, stmt, params, ret_rows, &error) < 0 ? cli_sql_error(&error) : 0;
}

static int check_server(struct migrate *m)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = run(m, &server_stmt, NULL, &rows);

	if (r)
		return r;
	if (pg_get_int4(rows, 0, 0) < SERVER_VERSION_MIN)
		return cli_fail(EXIT_CONFIGURATION, "the server is PostgreSQL %s; closeloop needs 15 or later",
				pg_get_text(rows, 0, 1, NULL));
	if (!str_eq(pg_get_text(rows, 0, 2, NULL), "UTF8"))
		return cli_fail(EXIT_CONFIGURATION,
				"the database is encoded in %s; closeloop needs UTF8: createdb -T template0 -E UTF8 NAME",
				pg_get_text(rows, 0, 2, NULL));
	if (pg_get_bool(rows, 0, 3) && !m->options->dry_run)
		return cli_fail(EXIT_UNAVAILABLE, "the server is a standby, which can't be written; connect to the primary");
	m->has_tables = pg_get_bool(rows, 0, 4) && pg_get_bool(rows, 0, 5);
	return 0;
}

/* What is there, and whether it may be touched. */
static int look(struct migrate *m)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const char *why = NULL;
	int r = check_server(m);

	if (r || !m->has_tables)
		return r;
	r = run(m, &schema_stmt, NULL, &rows);
	if (r)
		return r;
	schema_read(rows, m->arena, &m->found);
	if (schema_compare(&m->found, NULL, m->arena, &why) == SCHEMA_NEWER)
		return cli_fail(EXIT_CONFIGURATION, "%s", why);
	if (!m->options->adopt && m->found.instance && !str_eq(m->found.instance, m->options->instance))
		return cli_fail(
			EXIT_CONFIGURATION,
			"the database belongs to the instance '%s', the configuration says instance = \"%s\"; correct the"
			" one that is wrong, or, if this database is a copy, run: closeloop migrate --adopt %s",
			m->found.instance, m->options->instance, m->options->instance);
	return 0;
}

static const struct schema_row *applied_row(const struct migrate *m, int number)
{
	for (int i = 0; i < m->found.n; i++) {
		if (m->found.rows[i].number == number)
			return &m->found.rows[i];
	}
	return NULL;
}

static bool is_pending(const struct migrate *m, const struct sql_migration *s)
{
	const struct schema_row *row = applied_row(m, s->number);

	return !row || !str_eq(row->sha256, s->sha256);
}

static const struct sql_migration *last_pending(const struct migrate *m)
{
	for (int i = sql_migrations_n - 1; i >= 0; i--)
		if (is_pending(m, &sql_migrations[i]))
			return &sql_migrations[i];
	return NULL;
}

/*
 * One transaction. Waiting for a lock is bounded, because whoever writes responses would queue up behind it. Numbers, names
 * and sums are our own: nothing to quote. The last one gives the rights: whoever ends in between finds it pending, never a schema
 * that is complete and that no role may use.
 */
static void put_script(struct buf *script, const struct sql_migration *s, bool last)
{
	buf_puts(script, "BEGIN;\nSET LOCAL lock_timeout = '10s';\n");
	buf_puts(script, s->text);
	buf_printf(script,
		   "INSERT INTO closeloop.migrations (number, name, sha256)\nVALUES (%d, '%s', '%s')\n"
		   "ON CONFLICT (number) DO UPDATE SET name = excluded.name, sha256 = excluded.sha256, applied_at = now();\n"
		   "%sCOMMIT;\n",
		   s->number, s->name, s->sha256, last ? "SELECT closeloop.grant_roles();\n" : "");
}

/* needs: what to do when rights are missing. */
static int run_script(struct migrate *m, const struct buf *script, const char *name, const char *needs)
{
	struct pg_error error = {0}, ignored = {0};

	if (pg_sync_script(m->db, buf_str(script), &error) == 0)
		return 0;
	if (!error.lost)
		pg_sync_script(m->db, "ROLLBACK", &ignored);
	if (str_eq(error.sqlstate, "55P03"))
		return cli_fail(EXIT_UNAVAILABLE,
				"%s: another session has kept a table locked for 10 s; nothing of it was"
				" done, try again",
				name);
	if (str_eq(error.sqlstate, "42501"))
		return cli_fail(EXIT_NOT_PERMITTED, "%s: %s; %s", name, error.message, needs);
	cli_error("%s failed and was rolled back", name);
	return cli_sql_error(&error);
}

static int apply(struct migrate *m, const struct sql_migration *s, bool last)
{
	struct buf script CLEANUP(buf_fini) = BUF_INIT(SCRIPT_BYTES_MAX);
	int r;

	put_script(&script, s, last);
	r = run_script(m, &script, s->name, "migrate as the owner of the database or of the schema");
	if (r)
		return r;
	buf_printf(m->out, applied_row(m, s->number) ? "applied %s again: its text has changed\n" : "applied %s\n", s->name);
	m->applied++;
	return 0;
}

/* Fresh statistics: without them the first bulk load is planned as if every table were empty. */
static int apply_all(struct migrate *m)
{
	const struct sql_migration *last = last_pending(m);
	struct pg_error error = {0};
	int r;

	for (int i = 0; i < sql_migrations_n; i++) {
		const struct sql_migration *s = &sql_migrations[i];

		if (is_pending(m, s) && (r = apply(m, s, s == last)) != 0)
			return r;
	}
	if (m->applied == 0)
		return 0;
	if (pg_sync_script(m->db,
			   "ANALYZE closeloop.responses, closeloop.inbox, closeloop.cases, closeloop.case_responses,"
			   " closeloop.case_events, closeloop.messages, closeloop.attempts, closeloop.owners",
			   &error) < 0)
		return cli_sql_error(&error);
	return 0;
}

static int adopt(struct migrate *m)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int64_t n;
	int r;

	pg_params_init(&p, m->arena);
	pg_add_text(&p, m->options->adopt);
	r = run(m, &adopt_stmt, &p, &rows);
	if (r)
		return r;
	n = pg_get_int8(rows, 0, 0);
	buf_printf(m->out, "the database is now the instance '%s'", m->options->adopt);
	if (m->found.instance && !str_eq(m->found.instance, m->options->adopt))
		buf_printf(m->out, ", it was '%s'", m->found.instance);
	buf_printf(m->out, "; %lld waiting message%s cancelled\n", (long long)n, n == 1 ? " was" : "s were");
	if (!str_eq(m->options->adopt, m->options->instance))
		buf_printf(m->out, "the configuration says instance = \"%s\": change it, or the daemon will not start\n",
			   m->options->instance);
	m->found.instance = m->options->adopt;
	return 0;
}

static int store_instance(struct migrate *m)
{
	struct pg_params p;
	int r;

	if (m->options->adopt)
		return adopt(m);
	if (m->found.instance)
		return 0;
	pg_params_init(&p, m->arena);
	pg_add_text(&p, m->options->instance);
	r = run(m, &store_stmt, &p, NULL);
	m->found.instance = m->options->instance;
	return r;
}

static int create_roles(struct migrate *m)
{
	struct buf script CLEANUP(buf_fini) = BUF_INIT(SCRIPT_BYTES_MAX);
	int r;

	if (!m->options->roles)
		return 0;
	buf_printf(&script, "BEGIN;\n%sCOMMIT;\n", sql_roles);
	r = run_script(m, &script, "roles", "it takes a database role with CREATEROLE that owns the schema, or a superuser");
	if (r)
		return r;
	buf_puts(m->out, "the roles are there; make your login roles members of them (names on the right are yours):\n"
			 "  GRANT closeloop_daemon TO closeloop;      -- closeloopd, its pages, and the closeloop command\n"
			 "  GRANT closeloop_writer TO survey_tool;    -- whatever writes responses\n"
			 "  GRANT closeloop_pages TO case_app;        -- a program of yours that shows and moves cases\n"
			 "  GRANT closeloop_reader TO reporting;      -- reports: the views only\n");
	return 0;
}

static int migrate_locked(struct migrate *m)
{
	int r = look(m);

	if (!r)
		r = apply_all(m);
	if (!r)
		r = store_instance(m);
	if (r)
		return r;
	buf_printf(m->out, "%s %s, instance '%s'\n", m->applied ? "the schema is at" : "nothing to migrate: the schema is at",
		   sql_migrations[sql_migrations_n - 1].name, m->found.instance);
	return create_roles(m);
}

/* As psql would take it. */
static int dry_run(struct migrate *m)
{
	int pending = 0;
	int r = look(m);

	if (r)
		return r;
	for (int i = 0; i < sql_migrations_n; i++) {
		if (!is_pending(m, &sql_migrations[i]))
			continue;
		buf_printf(m->out, "-- %s\n", sql_migrations[i].name);
		put_script(m->out, &sql_migrations[i], &sql_migrations[i] == last_pending(m));
		pending++;
	}
	if (pending == 0)
		buf_printf(m->out, "-- nothing to migrate: the schema is at %s\n", sql_migrations[sql_migrations_n - 1].name);
	if (m->options->roles)
		buf_printf(m->out, "-- roles\nBEGIN;\n%sCOMMIT;\n", sql_roles);
	return 0;
}

int migrate_run(struct pg_sync *db, const struct migrate_options *o, struct buf *out)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct migrate m = {.db = db, .options = o, .out = out, .arena = arena};
	struct pg_error ignored = {0};
	int r;

	if (o->dry_run)
		return dry_run(&m);
	r = run(&m, &lock_stmt, NULL, NULL);
	if (r)
		return r;
	r = migrate_locked(&m);
	/* Fails only when the connection is gone, and the lock with it. */
	pg_sync_run(db, &unlock_stmt, NULL, NULL, &ignored);
	return r;
}
