/*
 * What every verb works with; see cli.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "base/escape.h"
#include "cli/schema.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ERROR_BYTES_MAX 4096
#define READ_STEP_BYTES 65536

static const struct pg_stmt sql_login = {
	"cli_login",
	"SELECT id FROM closeloop.people WHERE login = $1 ORDER BY id LIMIT 1",
	1,
	{PG_TEXT},
};
static const struct pg_stmt sql_now = {"cli_now", "SELECT clock_timestamp()", 0, {0}};
static const struct pg_stmt sql_people = {
	"cli_people",
	"SELECT id::text, name::text, email::text, login::text FROM closeloop.people ORDER BY id",
	0,
	{0},
};

void cli_init(struct cli *c, const struct args *a, const struct verb *const *groups, struct arena *arena)
{
	const char *path = a->config ? a->config : getenv("CLOSELOOP_CONFIG");

	*c = (struct cli){
		.arena = arena,
		.config_path = path && *path ? path : SETTINGS_DEFAULT_PATH,
		.json = a->json,
		.as = a->as,
		.groups = groups,
	};
}

void cli_fini(struct cli *c)
{
	c->db = pg_sync_close(c->db);
	c->settings = settings_free(c->settings);
}

/* ---- telling the person ---- */

static void verror(const char *fmt, va_list ap)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(ERROR_BYTES_MAX * 10);
	char text[ERROR_BYTES_MAX];

	vsnprintf(text, sizeof(text), fmt, ap);
	escape_terminal(&out, text, strlen(text));
	fprintf(stderr, "closeloop: %s\n", buf_str(&out));
}

void cli_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verror(fmt, ap);
	va_end(ap);
}

int cli_fail(enum exit_code code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	verror(fmt, ap);
	va_end(ap);
	return (int)code;
}

void cli_print_diags(struct diag_list *diags)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	diag_print(diags, &out);
	fputs(buf_str(&out), stderr);
}

void cli_print(struct cli *c, const struct buf *out)
{
	if (out->overflow || fwrite(buf_str(out), 1, out->n, stdout) != out->n || fflush(stdout) != 0)
		c->broken_output = true;
}

/* ---- settings ---- */

static int settings_told(struct cli *c, struct diag_list *diags, int r)
{
	if (r == 0)
		return 0;
	if (r == SETTINGS_E_INVALID) {
		cli_print_diags(diags);
		return cli_fail(EXIT_CONFIGURATION, "the configuration has %d error%s: see closeloop check", diags->errors,
				diags->errors == 1 ? "" : "s");
	}
	return cli_fail(EXIT_CONFIGURATION, "%s: %s (-c FILE or $CLOSELOOP_CONFIG names another)", c->config_path,
			strerror(-r));
}

int cli_settings(struct cli *c)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();

	return c->settings ? 0 : settings_told(c, diags, settings_load_bare(c->config_path, diags, &c->settings));
}

int cli_settings_to_send(struct cli *c, struct settings **ret)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();

	return settings_told(c, diags, settings_load(c->config_path, diags, ret));
}

/* ---- database ---- */

static bool state_is(const struct pg_error *e, const char *start)
{
	return strncmp(e->sqlstate, start, strlen(start)) == 0;
}

int cli_sql_error(const struct pg_error *e)
{
	if (state_is(e, "CL00"))
		return cli_fail(EXIT_NO, "%s%s%s", e->message, e->hint[0] ? ". " : "", e->hint);
	if (state_is(e, "42501"))
		return cli_fail(EXIT_NOT_PERMITTED, "not permitted: %s", e->message);
	/* Undefined schema, table, column, function, type. */
	if (state_is(e, "3F000") || state_is(e, "42P01") || state_is(e, "42703") || state_is(e, "42883") ||
	    state_is(e, "42704"))
		return cli_fail(EXIT_CONFIGURATION, "the database has no schema for this version: %s; run closeloop migrate",
				e->message);
	if (e->lost || !e->sqlstate[0] || pg_error_is_server(e))
		return cli_fail(EXIT_UNAVAILABLE, "the database is unavailable: %s", e->message);
	if (pg_error_is_conflict(e))
		return cli_fail(EXIT_UNAVAILABLE, "somebody else was faster, try again: %s", e->message);
	if (state_is(e, "22") || state_is(e, "23"))
		return cli_fail(EXIT_BAD_DATA, "the database refused the data: %s", e->message);
	return cli_fail(EXIT_INTERNAL, "%s: %s (SQLSTATE %s)", e->statement, e->message, e->sqlstate);
}

int cli_db_any_schema(struct cli *c)
{
	struct pg_error error = {0};
	const char *why;
	int r = cli_settings(c);

	if (r || c->db)
		return r;
	why = pg_conninfo_check(c->settings->conninfo, c->arena);
	if (why)
		return cli_fail(EXIT_CONFIGURATION, "%s: database.conninfo: %s", c->config_path, why);
	if (pg_sync_open(c->settings->conninfo, &c->db, &error) < 0) {
		c->db = NULL;
		return cli_fail(EXIT_UNAVAILABLE, "the database is unavailable: %s", error.message);
	}
	if (pg_sync_script(c->db, "SET TIME ZONE 'UTC'", &error) < 0)
		return cli_sql_error(&error);
	return 0;
}

int cli_db(struct cli *c)
{
	bool fresh = !c->db;
	int r = cli_db_any_schema(c);

	return r || !fresh ? r : cli_schema_check(c);
}

int cli_run(struct cli *c, const struct pg_stmt *stmt, const struct pg_params *params, struct pg_rows **ret_rows)
{
	struct pg_error error = {0};

	if (pg_sync_run(c->db, stmt, params, ret_rows, &error) < 0)
		return cli_sql_error(&error);
	return 0;
}

int cli_now(struct cli *c, struct wall_time *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_now, NULL, &rows);

	if (r == 0)
		*ret = pg_get_time(rows, 0, 0);
	return r;
}

/* ---- people ---- */

static int login_actor(struct cli *c, const char *login)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	for (int i = 0; i < c->settings->n_people; i++) {
		if (str_eq(c->settings->people[i].login, login)) {
			c->actor = c->settings->people[i].id;
			return 0;
		}
	}
	pg_params_init(&p, c->arena);
	pg_add_text(&p, login);
	r = cli_run(c, &sql_login, &p, &rows);
	if (r)
		return r;
	c->actor = pg_count(rows) ? arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL))
				  : arena_printf(c->arena, "cli:%s", login);
	return 0;
}

int cli_actor(struct cli *c)
{
	const struct passwd *user = getpwuid(getuid());
	int r;

	if (c->actor)
		return 0;
	r = cli_db(c);
	if (r)
		return r;
	if (!c->as)
		return login_actor(c, user ? user->pw_name : arena_printf(c->arena, "%u", (unsigned)getuid()));
	c->actor = c->as;
	/* Said, not refused: somebody may act who has left the list, or for a program. */
	return cli_person_warn(c, "--as", c->as);
}

int cli_people(struct cli *c, const struct cli_person **ret, int *ret_n)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_people, NULL, &rows), n = 0, n_db;
	struct cli_person *people;

	if (r)
		return r;
	n_db = pg_count(rows);
	people = arena_new_array(c->arena, struct cli_person, (size_t)(c->settings->n_people + n_db) + 1);
	for (int i = 0; i < c->settings->n_people; i++) {
		const struct person *p = &c->settings->people[i];

		people[n++] = (struct cli_person){p->id, p->name, p->email, p->login, true};
	}
	for (int i = 0; i < n_db; i++) {
		const char *id = pg_get_text(rows, i, 0, NULL);

		if (!settings_person(c->settings, id))
			people[n++] = (struct cli_person){arena_strdup(c->arena, id),
							  arena_strdup(c->arena, pg_get_text(rows, i, 1, NULL)),
							  arena_strdup(c->arena, pg_get_text(rows, i, 2, NULL)),
							  arena_strdup(c->arena, pg_get_text(rows, i, 3, NULL)), false};
	}
	*ret = people;
	*ret_n = n;
	return 0;
}

int cli_person_known(struct cli *c, const char *id)
{
	const struct cli_person *people;
	int n, r = cli_people(c, &people, &n);

	if (r)
		return r;
	for (int i = 0; i < n; i++)
		if (str_eq(people[i].id, id))
			return 0;
	return cli_fail(EXIT_NO, "unknown person '%s'%s", id, did_you_mean(c->arena, id, people, (size_t)n, sizeof(*people)));
}

int cli_person_warn(struct cli *c, const char *option, const char *id)
{
	const struct cli_person *people;
	int n, r = cli_people(c, &people, &n);

	if (r)
		return r;
	for (int i = 0; i < n; i++)
		if (str_eq(people[i].id, id))
			return 0;
	cli_error("warning: %s: nobody is known as '%s'%s", option, id,
		  did_you_mean(c->arena, id, people, (size_t)n, sizeof(*people)));
	return 0;
}

/* ---- files ---- */

int cli_read_file(struct cli *c, const char *path, size_t cap_bytes, const char **ret_text, size_t *ret_n)
{
	bool standard = str_eq(path, "-");
	struct buf text CLEANUP(buf_fini) = BUF_INIT(cap_bytes);
	char step[READ_STEP_BYTES];
	FILE *f = standard ? stdin : fopen(path, "re");
	bool failed;
	int error;
	size_t n;

	if (!f)
		return cli_fail(EXIT_BAD_DATA, "%s: %s", path, strerror(errno));
	while (!text.overflow && (n = fread(step, 1, sizeof(step), f)) > 0)
		buf_add(&text, step, n);
	error = errno;
	failed = ferror(f);
	if (!standard)
		fclose(f);
	if (failed)
		return cli_fail(EXIT_BAD_DATA, "%s: %s", path, strerror(error));
	if (text.overflow)
		return cli_fail(EXIT_BAD_DATA, "%s: larger than %zu MiB", path, cap_bytes / (1024 * 1024));
	*ret_text = arena_strndup(c->arena, buf_str(&text), text.n);
	*ret_n = text.n;
	return 0;
}
