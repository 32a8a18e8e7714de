/*
 * `owner list|import|export`: who is responsible for what (closeloop.owners), kept in a spreadsheet.
 *
 *   dimension,value,person
 *   touchpoint+region,installation+seoul,minsu-kim
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/import.h"
#include "cli/verbs.h"

#include <string.h>

static const char *const owner_columns[] = {"dimension", "value", "person", NULL};
enum { DIMENSION, VALUE, PERSON };

/* ---- list ---- */

static const struct pg_stmt sql_owners = {
	"cli_owners",
	"SELECT to_json(j)::text, now(), o.dimension, o.value, o.person, o.imported_at"
	" FROM closeloop.owners o, LATERAL (SELECT o.*) j"
	" WHERE ($1::text IS NULL OR o.dimension = $1) AND ($2::text IS NULL OR o.person = $2)"
	" ORDER BY o.dimension, closeloop.fold(o.value) LIMIT $3",
	3,
	{PG_TEXT, PG_TEXT, PG_INT8},
};
static const struct column list_columns[] = {
	{"DIMENSION", CELL_TEXT, 30}, {"VALUE", CELL_TEXT, 40}, {"PERSON", CELL_TEXT, 24}, {"IMPORTED", CELL_AGO, 0}, {0}};
static const struct option list_options[] = {
	{"--dimension", "DIM", "only this one: account, touchpoint+region"},
	{"--person", "PERSON", "only this person's"},
	{"--limit", "N", "at most so many (default 1000)"},
	{0},
};

static int owner_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_owners, list_columns, "no owners: closeloop owner import FILE", 1000};
	struct pg_params p;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &list.limit);

	if (args_get(a, "--dimension") || args_get(a, "--person"))
		list.empty = "no such owners";
	if (r == 0)
		r = cli_db(c);
	if (r == 0 && args_get(a, "--person"))
		r = cli_person_warn(c, "--person", args_get(a, "--person"));
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, args_get(a, "--dimension"));
	pg_add_text(&p, args_get(a, "--person"));
	pg_add_int8(&p, list.limit + 1);
	return cli_list(c, &list, &p);
}

/* ---- import ---- */

static const struct pg_stmt sql_table = {
	"cli_owner_table",
	"SELECT dimension, value, person, closeloop.fold(value) FROM closeloop.owners ORDER BY dimension, "
	"closeloop.fold(value)",
	0,
	{0},
};
/* One statement, so one transaction: the keys that go and those that come are never the same. */
static const struct pg_stmt sql_apply = {
	"cli_owner_apply",
	"WITH gone AS (DELETE FROM closeloop.owners o USING unnest($4, $5) d(dimension, value)"
	" WHERE o.dimension = d.dimension AND closeloop.fold(o.value) = closeloop.fold(d.value))"
	" INSERT INTO closeloop.owners (dimension, value, person) SELECT * FROM unnest($1, $2, $3)"
	" ON CONFLICT (dimension, closeloop.fold(value)) DO UPDATE SET value = excluded.value, person = excluded.person,"
	" imported_at = now()",
	5,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};
static const struct pg_stmt sql_export = {
	"cli_owner_export",
	"SELECT dimension, value, person FROM closeloop.owners ORDER BY dimension, closeloop.fold(value)",
	0,
	{0},
};
static const struct option import_options[] = {
	{"--dry-run", NULL, "only show the difference"},
	{"--replace", NULL, "remove what isn't in the file"},
	{0},
};

static bool has_name(const char *const *names, int n, const char *name)
{
	for (int i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return true;
	return false;
}

static int parts_of(const char *text)
{
	int n = 1;

	for (; *text; text++)
		n += *text == '+';
	return n;
}

/* Rows that nothing will ever find, or that name nobody: said, not refused. Each unknown name is said once. */
static int warn_unknown(struct cli *c, struct import *in, struct diag_list *diags)
{
	const char *const *dimensions;
	const char **ids, **said = arena_new_array(c->arena, const char *, (size_t)in->n_rows * 2 + 1);
	int n_dimensions = settings_lookups(c->settings, c->arena, &dimensions), n_people, n_said = 0, r;
	const struct cli_person *people;

	r = cli_people(c, &people, &n_people);
	if (r)
		return r;
	ids = arena_new_array(c->arena, const char *, (size_t)n_people + 1);
	for (int i = 0; i < n_people; i++)
		ids[i] = people[i].id;
	for (int i = 0; i < in->n_rows && diags->n < DIAG_MAX; i++) {
		const struct import_row *row = &in->rows[i];
		struct text_pos pos = {in->file, row->line};

		if (!has_name(dimensions, n_dimensions, row->cells[DIMENSION]) &&
		    !has_name(said, n_said, row->cells[DIMENSION])) {
			said[n_said++] = row->cells[DIMENSION];
			diag_add(diags, DIAG_WARNING, pos, "no route looks up '%s'%s", row->cells[DIMENSION],
				 did_you_mean(c->arena, row->cells[DIMENSION], dimensions, (size_t)n_dimensions,
					      sizeof(dimensions[0])));
		}
		if (parts_of(row->cells[VALUE]) < parts_of(row->cells[DIMENSION]))
			diag_add(diags, DIAG_WARNING, pos,
				 "nothing will find '%s': a value of '%s' has %d parts with + between them", row->cells[VALUE],
				 row->cells[DIMENSION], parts_of(row->cells[DIMENSION]));
		if (!has_name(ids, n_people, row->cells[PERSON]) && !has_name(said, n_said, row->cells[PERSON])) {
			said[n_said++] = row->cells[PERSON];
			diag_add(diags, DIAG_WARNING, pos, "unknown person '%s'%s", row->cells[PERSON],
				 did_you_mean(c->arena, row->cells[PERSON], ids, (size_t)n_people, sizeof(ids[0])));
		}
	}
	return 0;
}

static int owner_import(struct cli *c, const struct args *a)
{
	struct import in = {
		.columns = owner_columns,
		.n_columns = 3,
		.n_keys = 2,
		.required = 1u << DIMENSION | 1u << VALUE | 1u << PERSON,
		.fold = true,
		.table = &sql_table,
		.apply = &sql_apply,
		.check_rows = warn_unknown,
	};

	return import_run(c, a, &in);
}

static int owner_export(struct cli *c, const struct args *a)
{
	int r = cli_db(c);

	return r ? r : import_export(c, owner_columns, &sql_export);
}

const struct verb owner_verbs[] = {
	{"owner", "list", NULL, "who is responsible for what", list_options, 0, 0, owner_list, NULL},
	{"owner", "import", "FILE", "take a CSV file (- is stdin): dimension,value,person", import_options, 1, 1, owner_import,
	 NULL},
	{"owner", "export", NULL, "the same as CSV", NULL, 0, 0, owner_export, NULL},
	{0},
};
