/*
 * `person list|import|export|away`: people kept in the database beside those of the configuration.
 *
 * The configuration wins: a file that names one of its people is refused. A column that the file lacks stays as it is.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/import.h"
#include "cli/verbs.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *const person_columns[] = {
	"id",     "name",  "email",       "language", "timezone",        "calendar",        "reports_to",
	"deputy", "login", "quiet_hours", "morning",  "alerts_per_hour", "urgent_per_hour", NULL};
enum {
	ID,
	NAME,
	EMAIL,
	LANGUAGE,
	TIMEZONE,
	CALENDAR,
	REPORTS_TO,
	DEPUTY,
	LOGIN,
	QUIET_HOURS,
	MORNING,
	ALERTS,
	URGENT,
	PERSON_COLUMNS
};

/* ---- list ---- */

static const struct pg_stmt sql_list = {
	"cli_person_list",
	"SELECT to_json(j)::text, now(), j.id, j.name, j.email, j.language, j.reports_to,"
	" CASE WHEN j.configured THEN 'configuration' ELSE 'database' END, j.unresolved::text,"
	" CASE WHEN j.away_since IS NULL THEN NULL WHEN j.away_until IS NULL THEN 'until further notice'"
	" ELSE 'until ' || to_char(j.away_until AT TIME ZONE $9, 'YYYY-MM-DD HH24:MI') END || coalesce(', ' || j.away_deputy, "
	"'')"
	" FROM (SELECT *, true AS configured FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)"
	"  w(id, name, email, language, timezone, reports_to, deputy, login)"
	"  UNION ALL SELECT id, name, email, language, timezone, reports_to, deputy, login, false FROM closeloop.people"
	"  WHERE id <> ALL ($1)) w, LATERAL ("
	"  SELECT count(*) AS unresolved FROM closeloop.cases c WHERE c.owner = w.id"
	"  AND c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')) n"
	" LEFT JOIN LATERAL (SELECT starts_at, ends_at, b.deputy FROM closeloop.absences b WHERE b.person = w.id"
	"  AND b.starts_at <= now() AND (b.ends_at IS NULL OR b.ends_at > now()) ORDER BY b.id DESC LIMIT 1) b ON true,"
	" LATERAL (SELECT w.id, w.name, w.email, w.language, w.timezone, w.reports_to, w.deputy, w.login, w.configured,"
	"  n.unresolved, b.starts_at AS away_since, b.ends_at AS away_until,"
	"  CASE WHEN b.starts_at IS NOT NULL THEN coalesce(b.deputy, w.deputy) END AS away_deputy) j"
	" ORDER BY j.id",
	9,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,
	 PG_TEXT},
};
static const struct column list_columns[] = {
	{"PERSON", CELL_TEXT, 24}, {"NAME", CELL_TEXT, 24},       {"EMAIL", CELL_TEXT, 36},
	{"LANG", CELL_TEXT, 0},    {"REPORTS TO", CELL_TEXT, 24}, {"KEPT IN", CELL_TEXT, 0},
	{"CASES", CELL_RIGHT, 0},  {"AWAY", CELL_TEXT, 0},        {0},
};

static int person_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_list, list_columns,
			       "nobody: write people into the configuration, or closeloop person import FILE", LIST_LIMIT_MAX};
	struct pg_array columns[8];
	struct pg_params p;
	int r = cli_db(c);

	if (r)
		return r;
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		pg_array_init(&columns[i], c->arena, PG_TEXT);
	for (int i = 0; i < c->settings->n_people; i++) {
		const struct person *who = &c->settings->people[i];
		const char *cells[] = {who->id,       who->name,       who->email,  language_name(who->language),
				       who->timezone, who->reports_to, who->deputy, who->login};

		for (size_t k = 0; k < ARRAY_SIZE(columns); k++)
			pg_array_text(&columns[k], cells[k]);
	}
	pg_params_init(&p, c->arena);
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		pg_add_array(&p, &columns[i]);
	pg_add_text(&p, c->settings->timezone);
	return cli_list(c, &list, &p);
}

/* ---- import ---- */

#define SQL_COLUMNS                                                                                       \
	"id, name, email, language, timezone, calendar, reports_to, deputy, login, quiet_hours, morning," \
	" alerts_per_hour::text, urgent_per_hour::text"

static const struct pg_stmt sql_table = {
	"cli_person_table", "SELECT " SQL_COLUMNS " FROM closeloop.people ORDER BY id", 0, {0}};
static const struct pg_stmt sql_apply = {
	"cli_person_apply",
	"WITH gone AS (DELETE FROM closeloop.people WHERE id = ANY ($14))"
	" INSERT INTO closeloop.people AS p (id, name, email, language, timezone, calendar, reports_to, deputy, login,"
	" quiet_hours, morning, alerts_per_hour, urgent_per_hour)"
	" SELECT a, b, c, d, e, f, g, h, i, j, k, l::int, m::int"
	" FROM unnest($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) w(a, b, c, d, e, f, g, h, i, j, k, l, m)"
	" ON CONFLICT (id) DO UPDATE SET name = excluded.name, email = excluded.email, language = excluded.language,"
	" timezone = excluded.timezone, calendar = excluded.calendar, reports_to = excluded.reports_to,"
	" deputy = excluded.deputy, login = excluded.login, quiet_hours = excluded.quiet_hours, morning = excluded.morning,"
	" alerts_per_hour = excluded.alerts_per_hour, urgent_per_hour = excluded.urgent_per_hour",
	14,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,
	 PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};
static const struct pg_stmt sql_zones = {
	"cli_person_zones",
	"SELECT DISTINCT w.zone FROM unnest($1) w(zone) WHERE NOT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = "
	"w.zone)",
	1,
	{PG_TEXT_ARRAY},
};
static const struct option import_options[] = {
	{"--dry-run", NULL, "only show the difference"},
	{"--replace", NULL, "remove those of the database that aren't in the file"},
	{0},
};

static bool id_valid(const char *id)
{
	if (!isalpha((unsigned char)*id))
		return false;
	for (; *id; id++)
		if (!isalnum((unsigned char)*id) && *id != '_' && *id != '-')
			return false;
	return true;
}

/* "08:30" up to "24:00". */
static bool clock_valid(const char *text, size_t n)
{
	int hour, minute;

	if (n != 5 || !isdigit((unsigned char)text[0]) || !isdigit((unsigned char)text[1]) || text[2] != ':' ||
	    !isdigit((unsigned char)text[3]) || !isdigit((unsigned char)text[4]))
		return false;
	hour = (text[0] - '0') * 10 + text[1] - '0';
	minute = (text[3] - '0') * 10 + text[4] - '0';
	return minute < 60 && (hour < 24 || (hour == 24 && minute == 0));
}

static bool hours_valid(const char *text)
{
	return strlen(text) == 11 && text[5] == '-' && clock_valid(text, 5) && clock_valid(text + 6, 5);
}

static bool count_valid(const char *text)
{
	return strlen(text) <= 6 && text[strspn(text, "0123456789")] == '\0';
}

/* What is wrong with a cell, or NULL. */
static const char *cell_wrong(struct cli *c, int column, const char *cell)
{
	const struct settings *s = c->settings;
	enum language language;

	switch (column) {
	case ID: return id_valid(cell) ? NULL : "an id is a letter, then letters, digits, - and _";
	case EMAIL: return address_valid(cell) ? NULL : "no mail address that can be used";
	case LANGUAGE: return language_parse(cell, &language) == 0 ? NULL : "expected en, ko or de";
	case QUIET_HOURS: return hours_valid(cell) ? NULL : "expected hours like 20:00-08:00";
	case MORNING: return clock_valid(cell, strlen(cell)) ? NULL : "expected a time like 08:30";
	case ALERTS:
	case URGENT: return count_valid(cell) ? NULL : "expected a whole number; 0 is no limit";
	case CALENDAR:
		for (int i = 0; i < s->n_calendars; i++)
			if (str_eq(s->calendars[i].id, cell))
				return NULL;
		return "no such calendar in the configuration";
	default: return NULL;
	}
}

static void check_cells(struct cli *c, const struct import *in, struct diag_list *diags)
{
	for (int i = 0; i < in->n_rows; i++) {
		const struct import_row *row = &in->rows[i];
		struct text_pos pos = {in->file, row->line};

		for (int k = 0; k < PERSON_COLUMNS; k++) {
			const char *wrong = row->cells[k] ? cell_wrong(c, k, row->cells[k]) : NULL;

			if (wrong)
				diag_add(diags, DIAG_ERROR, pos, "%s '%s': %s", person_columns[k], row->cells[k], wrong);
		}
		if (settings_person(c->settings, row->cells[ID]))
			diag_add(diags, DIAG_ERROR, pos,
				 "%s is in the configuration (%s:%d), which wins: take it out of one of them", row->cells[ID],
				 settings_person(c->settings, row->cells[ID])->pos.file,
				 settings_person(c->settings, row->cells[ID])->pos.line);
	}
}

static int check_zones(struct cli *c, const struct import *in, struct diag_list *diags)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_array zones;
	struct pg_params p;
	int r;

	pg_array_init(&zones, c->arena, PG_TEXT);
	for (int i = 0; i < in->n_rows; i++)
		if (in->rows[i].cells[TIMEZONE])
			pg_array_text(&zones, in->rows[i].cells[TIMEZONE]);
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &zones);
	r = cli_run(c, &sql_zones, &p, &rows);
	for (int i = 0; r == 0 && i < in->n_rows; i++)
		for (int k = 0; k < pg_count(rows); k++)
			if (str_eq(in->rows[i].cells[TIMEZONE], pg_get_text(rows, k, 0, NULL)))
				diag_add(diags, DIAG_ERROR, (struct text_pos){in->file, in->rows[i].line},
					 "timezone '%s': PostgreSQL knows no such zone; write one like Asia/Seoul",
					 in->rows[i].cells[TIMEZONE]);
	return r;
}

/* reports_to and deputy of nobody known: said, not refused. */
static int warn_unknown(struct cli *c, const struct import *in, struct diag_list *diags)
{
	const struct cli_person *people;
	const char **ids;
	int n_people, n = 0, r = cli_people(c, &people, &n_people);

	if (r)
		return r;
	ids = arena_new_array(c->arena, const char *, (size_t)(n_people + in->n_rows) + 1);
	for (int i = 0; i < n_people; i++)
		ids[n++] = people[i].id;
	for (int i = 0; i < in->n_rows; i++)
		ids[n++] = in->rows[i].cells[ID];
	for (int i = 0; i < in->n_rows; i++) {
		for (int k = REPORTS_TO; k <= DEPUTY; k++) {
			const char *id = in->rows[i].cells[k];
			bool known = !id;

			for (int j = 0; j < n && !known; j++)
				known = str_eq(ids[j], id);
			if (!known)
				diag_add(diags, DIAG_WARNING, (struct text_pos){in->file, in->rows[i].line},
					 "%s: unknown person '%s'%s", person_columns[k], id,
					 did_you_mean(c->arena, id, ids, (size_t)n, sizeof(ids[0])));
		}
	}
	return 0;
}

static int check_rows(struct cli *c, struct import *in, struct diag_list *diags)
{
	int r;

	check_cells(c, in, diags);
	r = check_zones(c, in, diags);
	return r ? r : warn_unknown(c, in, diags);
}

/* Whose address it is: of a row of the file (line > 0), of the configuration, or of the table. */
struct address {
	const char *email, *id;
	int line;
};

static int address_order(const void *pa, const void *pb)
{
	const struct address *a = pa, *b = pb;
	int r = strcasecmp(a->email, b->email);

	return r ? r : a->line - b->line;
}

static int address_take(struct address *ret, const char *email, const char *id, int line)
{
	if (!email)
		return 0;
	*ret = (struct address){email, id, line};
	return 1;
}

/* An answer or a bounce names people by address, so nobody shares one. After import_compare(). */
static void check_addresses(struct cli *c, struct import *in, struct diag_list *diags)
{
	const struct settings *s = c->settings;
	struct address *all = arena_new_array(c->arena, struct address, (size_t)(s->n_people + in->n_old + in->n_rows) + 1);
	int n = 0;

	for (int i = 0; i < s->n_people; i++)
		n += address_take(&all[n], s->people[i].email, s->people[i].id, 0);
	for (int i = 0; i < in->n_old; i++)
		if (!in->old[i].in_file && in->old[i].change != IMPORT_REMOVED && !settings_person(s, in->old[i].cells[ID]))
			n += address_take(&all[n], in->old[i].cells[EMAIL], in->old[i].cells[ID], 0);
	for (int i = 0; i < in->n_rows; i++)
		n += address_take(&all[n], in->rows[i].cells[EMAIL], in->rows[i].cells[ID], in->rows[i].line);
	qsort(all, (size_t)n, sizeof(*all), address_order);
	for (int i = 1; i < n; i++)
		if (all[i].line && strcasecmp(all[i - 1].email, all[i].email) == 0)
			diag_add(diags, DIAG_ERROR, (struct text_pos){in->file, all[i].line}, "email '%s': %s has the same",
				 all[i].email, all[i - 1].id);
}

static int person_import(struct cli *c, const struct args *a)
{
	struct import in = {
		.columns = person_columns,
		.n_columns = PERSON_COLUMNS,
		.n_keys = 1,
		.required = 1u << ID | 1u << NAME,
		.table = &sql_table,
		.apply = &sql_apply,
		.check_rows = check_rows,
		.check_changes = check_addresses,
	};

	return import_run(c, a, &in);
}

static int person_export(struct cli *c, const struct args *a)
{
	int r = cli_db(c);

	return r ? r : import_export(c, person_columns, &sql_table);
}

/* ---- away ---- */

/* Said twice, because nobody saw the answer the first time, it is one absence. */
static const struct pg_stmt sql_away = {
	"cli_person_away",
	"WITH known AS (SELECT b.* FROM closeloop.absences b WHERE b.person = $1 AND b.ends_at IS NOT DISTINCT FROM $3"
	"  AND b.deputy IS NOT DISTINCT FROM $4 AND b.note IS NOT DISTINCT FROM $5 AND coalesce(b.starts_at = $2,"
	"   b.starts_at <= now() AND (b.ends_at IS NULL OR b.ends_at > now())) ORDER BY b.id LIMIT 1),"
	" made AS (INSERT INTO closeloop.absences (person, starts_at, ends_at, deputy, note)"
	"  SELECT $1, coalesce($2, now()), $3, $4, $5 WHERE NOT EXISTS (SELECT FROM known) RETURNING *)"
	" SELECT to_json(b)::text,"
	" to_char(starts_at AT TIME ZONE $6, 'YYYY-MM-DD HH24:MI'), to_char(ends_at AT TIME ZONE $6, 'YYYY-MM-DD HH24:MI'),"
	" coalesce(b.deputy, (SELECT p.deputy FROM closeloop.people p WHERE p.id = b.person))"
	" FROM (SELECT * FROM known UNION ALL SELECT * FROM made) b",
	6,
	{PG_TEXT, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT, PG_TEXT, PG_TEXT},
};
/* Absences that have begun end now; those still to come are forgotten. */
static const struct pg_stmt sql_back = {
	"cli_person_back",
	"WITH never AS (DELETE FROM closeloop.absences b WHERE b.person = $1 AND b.starts_at >= now() RETURNING b.*),"
	" over AS (UPDATE closeloop.absences b SET ends_at = now() WHERE b.person = $1 AND b.starts_at < now()"
	"  AND (b.ends_at IS NULL OR b.ends_at > now()) RETURNING b.*)"
	" SELECT to_json(x)::text, x.person FROM (SELECT * FROM never UNION ALL SELECT * FROM over) x",
	1,
	{PG_TEXT},
};
static const struct option away_options[] = {
	{"--from", "TIME", "since when (default: now)"},
	{"--until", "DAY", "the last day away, or a time (default: until further notice)"},
	{"--deputy", "PERSON", "who stands in (default: the person's own deputy)"},
	{"--note", "TEXT", "for the others"},
	{"--back", NULL, "here again: ends and forgets every absence"},
	{0},
};

static int person_back(struct cli *c, const char *person)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_text(&p, person);
	r = cli_run(c, &sql_back, &p, &rows);
	if (r)
		return r;
	if (pg_count(rows) == 0)
		return cli_fail(EXIT_NO, "%s isn't away", person);
	return cli_print_changed(c, rows,
				 arena_printf(c->arena, "absence%s of %s over", pg_count(rows) == 1 ? "" : "s", person));
}

static int away_add(struct cli *c, const struct args *a, const char *deputy)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const char *person = a->words[0], *end;
	const struct person *configured = settings_person(c->settings, person);
	struct wall_time from, until, now;
	struct pg_params p;
	int r = cli_when(c, "--from", args_get(a, "--from"), 1, "00:00", &from);

	if (r == 0)
		r = cli_when(c, "--until", args_get(a, "--until"), 1, "24:00", &until);
	if (r == 0)
		r = cli_now(c, &now);
	if (r)
		return r;
	if (wall_is_set(until) && until.us <= (wall_is_set(from) ? from.us : now.us))
		return cli_fail(EXIT_USAGE_ERROR, "--until lies %s", wall_is_set(from) ? "before --from" : "in the past");
	pg_params_init(&p, c->arena);
	pg_add_text(&p, person);
	pg_add_time(&p, from);
	pg_add_time(&p, until);
	pg_add_text(&p, deputy);
	pg_add_text(&p, args_get(a, "--note"));
	pg_add_text(&p, c->settings->timezone);
	r = cli_run(c, &sql_away, &p, &rows);
	if (r)
		return r;
	end = pg_get_text(rows, 0, 2, NULL);
	if (!deputy)
		deputy = configured ? configured->deputy : pg_get_text(rows, 0, 3, NULL);
	if (c->json) {
		cli_put_json(rows, &out);
	} else {
		buf_printf(&out, "%s away from %s %s%s%s%s\n", person, pg_get_text(rows, 0, 1, NULL),
			   end ? "until " : "until further notice", end ? end : "", deputy ? ", deputy " : "",
			   deputy ? deputy : "");
	}
	cli_print(c, &out);
	if (!deputy)
		cli_error("%s has no deputy: alerts go on to %s all the same; --deputy PERSON names one", person, person);
	return 0;
}

static int person_away(struct cli *c, const struct args *a)
{
	const char *deputy = args_get(a, "--deputy"), *person = a->words[0];
	int r = cli_db(c);

	if (r == 0)
		r = cli_person_known(c, person);
	if (r)
		return r;
	if (args_has(a, "--back")) {
		if (a->n_given > 1)
			return cli_fail(EXIT_USAGE_ERROR, "person away --back takes nothing else");
		return person_back(c, person);
	}
	if (str_eq(deputy, person))
		return cli_fail(EXIT_USAGE_ERROR, "nobody is their own deputy");
	if (deputy) {
		r = cli_person_known(c, deputy);
		return r ? r : away_add(c, a, deputy);
	}
	return away_add(c, a, NULL);
}

const struct verb person_verbs[] = {
	{"person", "list", NULL, "everybody, of configuration and database", NULL, 0, 0, person_list, NULL},
	{"person", "import", "FILE", "take a CSV file (- is stdin): id,name,email,…", import_options, 1, 1, person_import,
	 NULL},
	{"person", "export", NULL, "people of the database as CSV", NULL, 0, 0, person_export, NULL},
	{"person", "away", "PERSON", "say who is away, and who stands in", away_options, 1, 1, person_away, NULL},
	{0},
};
