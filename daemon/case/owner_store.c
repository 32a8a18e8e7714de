/*
 * SQL for owner chains; see owner_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/owner_store.h"

#include <string.h>

const struct pg_stmt owner_lookup_stmt = {
	"owner_lookup",
	"SELECT q.dimension, q.value, o.person FROM unnest($1::text[], $2::text[]) AS q (dimension, value)"
	" CROSS JOIN LATERAL (SELECT t.person FROM closeloop.owners t WHERE t.dimension = q.dimension"
	"  AND closeloop.fold(t.value) = closeloop.fold(q.value) LIMIT 1) o", /* LIMIT: see RESPONSE_OF_C in intake_store.c */
	2,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};

const struct pg_stmt owner_loads_stmt = {
	"owner_loads",
	"SELECT owner, count(*)::int FROM closeloop.cases"
	" WHERE owner = ANY ($1) AND status IN ('open', 'acknowledged', 'in_progress', 'waiting') GROUP BY owner",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt owner_positions_make = {
	"owner_positions_make",
	"INSERT INTO closeloop.team_positions (team, position) SELECT t, 0 FROM unnest($1::text[]) AS t ORDER BY t"
	" ON CONFLICT (team) DO NOTHING",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt owner_positions_lock = {
	"owner_positions_lock",
	"SELECT team, position FROM closeloop.team_positions WHERE team = ANY ($1) ORDER BY team FOR UPDATE",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt owner_positions_read = {
	"owner_positions_read",
	"SELECT team, position FROM closeloop.team_positions WHERE team = ANY ($1)",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt owner_positions_move = {
	"owner_positions_move",
	"UPDATE closeloop.team_positions t SET position = q.position"
	" FROM unnest($1::text[], $2::bigint[]) AS q (team, position) WHERE t.team = q.team",
	2,
	{PG_TEXT_ARRAY, PG_INT8_ARRAY},
};

void owner_lookup_params(struct pg_params *p, struct arena *a, const struct owner_lookup *l, int n)
{
	struct pg_array dimensions, values;

	pg_array_init(&dimensions, a, PG_TEXT);
	pg_array_init(&values, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_text(&dimensions, l[i].dimension);
		pg_array_text(&values, l[i].value);
	}
	pg_params_init(p, a);
	pg_add_array(p, &dimensions);
	pg_add_array(p, &values);
}

void owner_lookup_read(const struct pg_rows *rows, struct arena *a, struct owner_lookup *l, int n)
{
	for (int row = 0; row < pg_count(rows); row++) {
		struct owner_lookup *found =
			owner_lookup_find(l, n, pg_get_text(rows, row, 0, NULL), pg_get_text(rows, row, 1, NULL));

		if (found)
			found->person = arena_strdup(a, pg_get_text(rows, row, 2, NULL));
	}
}

void owner_loads_read(const struct pg_rows *rows, struct owner_load *l, int n)
{
	for (int row = 0; row < pg_count(rows); row++)
		for (int i = 0; i < n; i++)
			if (strcmp(l[i].person, pg_get_text(rows, row, 0, NULL)) == 0)
				l[i].open_cases = pg_get_int4(rows, row, 1);
}

void owner_positions_read_rows(const struct pg_rows *rows, struct owner_position *p, int n)
{
	for (int row = 0; row < pg_count(rows); row++)
		for (int i = 0; i < n; i++)
			if (strcmp(p[i].team, pg_get_text(rows, row, 0, NULL)) == 0)
				p[i].position = pg_get_int8(rows, row, 1);
}
