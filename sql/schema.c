/*
 * Comparing the applied migrations with those built in; see schema.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sql/schema.h"
#include "sql/migrations.h"

const struct pg_stmt schema_stmt = {
	"schema",
	"SELECT m.number, m.name, m.sha256, (SELECT i.name FROM closeloop.instance i)"
	" FROM closeloop.migrations m ORDER BY m.number",
	0,
	{0},
};

static const char *const missing = "the database has no closeloop schema; run: closeloop migrate";

static enum schema_state compare_instance(const struct schema_found *found, const char *instance, struct arena *arena,
					  const char **ret_why)
{
	if (!instance || str_eq(found->instance, instance))
		return SCHEMA_FITS;
	if (!found->instance) {
		*ret_why = "the database doesn't know yet which instance it belongs to; run: closeloop migrate";
		return SCHEMA_MISSING;
	}
	*ret_why = arena_printf(arena,
				"the database belongs to the instance '%s', the configuration says instance = \"%s\"; correct"
				" the one that is wrong, or, if this database is a copy, run: closeloop migrate --adopt %s",
				found->instance, instance, instance);
	return SCHEMA_INSTANCE;
}

enum schema_state schema_compare(const struct schema_found *found, const char *instance, struct arena *arena,
				 const char **ret_why)
{
	const struct sql_migration *newest = &sql_migrations[sql_migrations_n - 1];

	*ret_why = NULL;
	if (found->n == 0) {
		*ret_why = missing;
		return SCHEMA_MISSING;
	}
	if (found->rows[found->n - 1].number > newest->number) {
		*ret_why = arena_printf(arena,
					"the schema is at %s, newer than this program (%s of closeloop %s); install the"
					" version that made it",
					found->rows[found->n - 1].name, newest->name, CLOSELOOP_VERSION);
		return SCHEMA_NEWER;
	}
	for (int i = 0; i < sql_migrations_n; i++) {
		const struct sql_migration *m = &sql_migrations[i];

		if (i >= found->n || found->rows[i].number != m->number) {
			*ret_why = arena_printf(arena, "the schema lacks %s, which closeloop %s needs; run: closeloop migrate",
						m->name, CLOSELOOP_VERSION);
			return SCHEMA_OLDER;
		}
	}
	for (int i = 0; i < sql_migrations_n; i++) {
		if (!str_eq(found->rows[i].sha256, sql_migrations[i].sha256)) {
			*ret_why = arena_printf(arena,
						"the schema was made by another build: its %s differs from the one of this"
						" program; run: closeloop migrate",
						sql_migrations[i].name);
			return SCHEMA_CHANGED;
		}
	}
	return compare_instance(found, instance, arena, ret_why);
}

void schema_read(const struct pg_rows *rows, struct arena *arena, struct schema_found *ret)
{
	int n = pg_count(rows);
	struct schema_row *out = arena_new_array(arena, struct schema_row, (size_t)MAX(n, 1));

	*ret = (struct schema_found){.rows = out, .n = n};
	for (int i = 0; i < n; i++) {
		out[i].number = pg_get_int4(rows, i, 0);
		out[i].name = arena_strdup(arena, pg_get_text(rows, i, 1, NULL));
		out[i].sha256 = arena_strdup(arena, pg_get_text(rows, i, 2, NULL));
		ret->instance = arena_strdup(arena, pg_get_text(rows, i, 3, NULL));
	}
}

enum schema_state schema_judge(const struct pg_rows *rows, const struct pg_error *error, const char *instance,
			       struct arena *arena, const char **ret_why)
{
	struct schema_found found;

	if (rows) {
		schema_read(rows, arena, &found);
		return schema_compare(&found, instance, arena, ret_why);
	}
	/* No such schema, no such table. */
	if (str_eq(error->sqlstate, "3F000") || str_eq(error->sqlstate, "42P01")) {
		*ret_why = missing;
		return SCHEMA_MISSING;
	}
	if (str_eq(error->sqlstate, "42501")) {
		*ret_why =
			"the database role may not read the closeloop schema; as its owner run: closeloop migrate --roles, and"
			" grant closeloop_daemon to the role";
		return SCHEMA_UNKNOWN;
	}
	*ret_why = arena_printf(arena, "the schema can't be looked at: %s", error->message);
	return SCHEMA_UNKNOWN;
}
