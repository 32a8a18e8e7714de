/*
 * Ratings that their scale doesn't hold; see scales.h.
 *
 * What `check` proves of rules takes scales at their word, and `any rating` takes a rating without one for stars: here the answers have
 * their say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/scales.h"

#include "base/escape.h"

#define COUNT_BYTES_MAX 64
#define NAME_SHOWN_BYTES_MAX 60

static const struct pg_stmt sql_outside = {
	"cli_check_scales",
	"SELECT q.key, s.name IS NOT NULL, count(*) FILTER (WHERE v.v NOT BETWEEN coalesce(s.low, $5) AND coalesce(s.high, $6)) AS outside,"
	" count(*) AS n, min(v.v), max(v.v), max(coalesce(s.low, $5)), max(coalesce(s.high, $6))"
	" FROM closeloop.responses AS r CROSS JOIN LATERAL jsonb_each(r.ratings) AS q"
	" CROSS JOIN LATERAL (SELECT CASE jsonb_typeof(q.value) WHEN 'number' THEN q.value::float8 END AS v) AS v"
	" LEFT JOIN unnest($1::text[], $2::float8[], $3::float8[]) AS s (name, low, high) ON s.name = q.key"
	" WHERE r.responded_at >= now() - make_interval(days => $4) AND r.ratings <> '{}' AND v.v IS NOT NULL"
	" GROUP BY 1, 2 HAVING count(*) FILTER (WHERE v.v NOT BETWEEN coalesce(s.low, $5) AND coalesce(s.high, $6)) > 0"
	" ORDER BY 1 LIMIT $7",
	7,
	{PG_TEXT_ARRAY, PG_FLOAT8_ARRAY, PG_FLOAT8_ARRAY, PG_INT4, PG_FLOAT8, PG_FLOAT8, PG_INT4},
};

static const char *notice_text(struct arena *a, const struct pg_rows *rows, int i)
{
	struct buf answers CLEANUP(buf_fini) = BUF_INIT(COUNT_BYTES_MAX);
	double min = pg_get_float8(rows, i, 4), max = pg_get_float8(rows, i, 5);

	if (!pg_get_bool(rows, i, 1))
		return arena_printf(
			a,
			"answers from %.15g to %.15g in the last %d days, but no scale, so they count as stars from 1 to 5: "
			"declare it in scales",
			min, max, SCALES_DAYS);
	text_put_count(&answers, pg_get_int8(rows, i, 2));
	buf_puts(&answers, " of ");
	text_put_count(&answers, pg_get_int8(rows, i, 3));
	return arena_printf(
		a, "%s answers of the last %d days are outside its scale from %.15g to %.15g: they go from %.15g to %.15g",
		buf_str(&answers), SCALES_DAYS, pg_get_float8(rows, i, 6), pg_get_float8(rows, i, 7), min, max);
}

int scales_check(struct cli *c, const struct scale_notice **ret, int *ret_n)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const struct settings *s = c->settings;
	struct pg_array names, low, high;
	struct scale_notice *notices;
	struct pg_params p;
	int r;

	*ret = NULL;
	*ret_n = 0;
	if (!ruleset_reads(s->ruleset, "ratings"))
		return 0;
	pg_array_init(&names, c->arena, PG_TEXT);
	pg_array_init(&low, c->arena, PG_FLOAT8);
	pg_array_init(&high, c->arena, PG_FLOAT8);
	for (int i = 0; i < s->n_scales; i++) {
		pg_array_text(&names, s->scales[i].name);
		pg_array_float8(&low, s->scales[i].min);
		pg_array_float8(&high, s->scales[i].max);
	}
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &names);
	pg_add_array(&p, &low);
	pg_add_array(&p, &high);
	pg_add_int4(&p, SCALES_DAYS);
	pg_add_float8(&p, STARS_WORST);
	pg_add_float8(&p, STARS_BEST);
	pg_add_int4(&p, SCALES_SHOWN_MAX);
	r = cli_run(c, &sql_outside, &p, &rows);
	if (r)
		return r;
	notices = arena_new_array(c->arena, struct scale_notice, (size_t)pg_count(rows) + 1);
	for (int i = 0; i < pg_count(rows); i++) {
		size_t name_n;
		const char *name = pg_get_text(rows, i, 0, &name_n);

		notices[i].name =
			arena_printf(c->arena, "rating %.*s", (int)utf8_clip(name, name_n, NAME_SHOWN_BYTES_MAX), name);
		notices[i].text = notice_text(c->arena, rows, i);
	}
	*ret = notices;
	*ret_n = pg_count(rows);
	return 0;
}
