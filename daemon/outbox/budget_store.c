/*
 * SQL of budgets and digests; see budget_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/budget_store.h"

#include <string.h>

/* The people of $1 to $6 as closeloop.alert_limits[], in order. */
#define LIMITS                                                                             \
	"ARRAY(SELECT ROW(p, z, f, t, a, u)::closeloop.alert_limits"                       \
	" FROM unnest($1::text[], $2::text[], $3::int[], $4::int[], $5::int[], $6::int[])" \
	" WITH ORDINALITY AS l (p, z, f, t, a, u, n) ORDER BY n)"
#define LIMITS_TYPES PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_INT4_ARRAY, PG_INT4_ARRAY, PG_INT4_ARRAY

const struct pg_stmt budget_pass = {
	"budget_pass",
	"SELECT mail, why, coalesce(nth, 0), coalesce(most, 0) FROM closeloop.budget_pass(" LIMITS ", $7, $8, $9)",
	9,
	{LIMITS_TYPES, PG_INT4_ARRAY, PG_INT4_ARRAY, PG_BOOL_ARRAY},
};

const struct pg_stmt budget_find = {
	"budget_find",
	"SELECT closeloop.digest_find()",
	0,
	{0},
};

const struct pg_stmt budget_end_bound = {
	"budget_end_bound",
	"SELECT ended, waiting FROM closeloop.digest_end_bound($1)",
	1,
	{PG_INT4},
};

const struct pg_stmt budget_claim = {
	"budget_claim",
	"SELECT closeloop.digest_claim($1)",
	1,
	{PG_INT4},
};

const struct pg_stmt budget_release = {
	"budget_release",
	"SELECT person, outcome, why FROM closeloop.digest_release(" LIMITS ", $7)",
	7,
	{LIMITS_TYPES, PG_UUID_ARRAY},
};

const struct pg_stmt budget_disown = {
	"budget_disown",
	"SELECT closeloop.digest_disown($1, $2)",
	2,
	{PG_TEXT, PG_UUID},
};

const struct pg_stmt budget_postpone = {
	"budget_postpone",
	"SELECT closeloop.digest_postpone($1, make_interval(secs => $2))",
	2,
	{PG_TEXT_ARRAY, PG_FLOAT8},
};

#define LINE_COLUMNS                                                                                               \
	"coalesce(case_id, 0), response_id, kind, step, priority::text, status::text, owner, acknowledge_due_at, " \
	"resolve_due_at,"                                                                                          \
	" total::int, due_today::int, overdue::int, coalesce(remind_at_most, 0)"

const struct pg_stmt budget_digest_lines = {
	"budget_digest_lines",
	"SELECT " LINE_COLUMNS " FROM closeloop.digest_lines($1, $2, $3)",
	3,
	{PG_UUID, PG_TEXT, PG_INT4},
};

const struct pg_stmt budget_morning_lines = {
	"budget_morning_lines",
	"SELECT " LINE_COLUMNS " FROM closeloop.morning_lines($1, $2, $3)",
	3,
	{PG_TEXT, PG_TEXT, PG_INT4},
};

const struct pg_stmt budget_mornings = {
	"budget_mornings",
	"SELECT closeloop.morning_claim($1, $2, $3, $4)",
	4,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_INT4},
};

const struct pg_stmt budget_next = {
	"budget_next",
	"SELECT extract(epoch FROM min(digest_at) - clock_timestamp())::float8 FROM closeloop.alert_budgets"
	" WHERE digest_at IS NOT NULL",
	0,
	{0},
};

void budget_limits_params(struct pg_params *p, struct arena *a, const struct budget_limits *l, int n)
{
	struct pg_array people, zones, from, to, alerts, urgent;

	pg_array_init(&people, a, PG_TEXT);
	pg_array_init(&zones, a, PG_TEXT);
	pg_array_init(&from, a, PG_INT4);
	pg_array_init(&to, a, PG_INT4);
	pg_array_init(&alerts, a, PG_INT4);
	pg_array_init(&urgent, a, PG_INT4);
	for (int i = 0; i < n; i++) {
		pg_array_text(&people, l[i].person);
		pg_array_text(&zones, l[i].timezone);
		pg_array_int4(&from, l[i].quiet_from);
		pg_array_int4(&to, l[i].quiet_to);
		pg_array_int4(&alerts, l[i].alerts_per_hour);
		pg_array_int4(&urgent, l[i].urgent_per_hour);
	}
	pg_params_init(p, a);
	pg_add_array(p, &people);
	pg_add_array(p, &zones);
	pg_add_array(p, &from);
	pg_add_array(p, &to);
	pg_add_array(p, &alerts);
	pg_add_array(p, &urgent);
}

bool budget_is_limited(const struct budget_limits *l)
{
	return l->alerts_per_hour > 0 || l->urgent_per_hour > 0 || l->quiet_from >= 0;
}

void budget_pass_params(struct pg_params *p, struct arena *a, const struct budget_limits *l, int n_limits,
			const struct budget_mail *m, int n)
{
	struct pg_array places, priorities, asked;

	pg_array_init(&places, a, PG_INT4);
	pg_array_init(&priorities, a, PG_INT4);
	pg_array_init(&asked, a, PG_BOOL);
	for (int i = 0; i < n; i++) {
		pg_array_int4(&places, m[i].limits + 1);
		pg_array_int4(&priorities, (int32_t)m[i].priority);
		pg_array_bool(&asked, m[i].asked);
	}
	budget_limits_params(p, a, l, n_limits);
	pg_add_array(p, &places);
	pg_add_array(p, &priorities);
	pg_add_array(p, &asked);
}

const char *budget_held_for(const char *word)
{
	static const char *const words[] = {"budget", "quiet", "digest"};

	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if (str_eq(words[i], word))
			return words[i];
	return words[0];
}

static enum digest_why digest_why_parse(const char *word)
{
	if (str_eq(word, "quiet"))
		return DIGEST_QUIET;
	if (str_eq(word, "asked"))
		return DIGEST_ASKED;
	return str_eq(word, "due") ? DIGEST_DUE : DIGEST_BUDGET;
}

int budget_release_read(const struct pg_rows *rows, struct arena *a, struct budget_release **ret)
{
	int n = pg_count(rows);

	*ret = arena_new_array(a, struct budget_release, (size_t)n);
	for (int i = 0; i < n; i++) {
		const char *outcome = pg_get_text(rows, i, 1, NULL);

		(*ret)[i] = (struct budget_release){
			.person = arena_strdup(a, pg_get_text(rows, i, 0, NULL)),
			.outcome = str_eq(outcome, "one")      ? BUDGET_ONE
				   : str_eq(outcome, "digest") ? BUDGET_DIGEST
							       : BUDGET_NOTHING,
			.why = digest_why_parse(pg_get_text(rows, i, 2, NULL)),
		};
	}
	return n;
}

void budget_lines_read(const struct pg_rows *rows, struct arena *a, struct budget_lines *ret)
{
	*ret = (struct budget_lines){.n = pg_count(rows)};
	ret->lines = arena_new_array(a, struct budget_line, (size_t)ret->n);
	for (int i = 0; i < ret->n; i++) {
		struct budget_line *l = &ret->lines[i];

		l->case_id = pg_get_int8(rows, i, 0);
		l->response_id = pg_get_int8(rows, i, 1);
		l->kind = arena_strdup(a, pg_get_text(rows, i, 2, NULL));
		l->step = arena_strdup(a, pg_get_text(rows, i, 3, NULL));
		priority_parse(pg_get_text(rows, i, 4, NULL), &l->priority);
		case_status_parse(pg_get_text(rows, i, 5, NULL), &l->status);
		l->owner = arena_strdup(a, pg_get_text(rows, i, 6, NULL));
		l->acknowledge_due = pg_get_time(rows, i, 7);
		l->resolve_due = pg_get_time(rows, i, 8);
		ret->total = pg_get_int4(rows, i, 9);
		ret->due_today = pg_get_int4(rows, i, 10);
		ret->overdue = pg_get_int4(rows, i, 11);
		l->remind_at_most = pg_get_int4(rows, i, 12);
	}
}
