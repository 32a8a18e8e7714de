/*
 * `try`: what would hold the invented answer, if it came now; see explain.h. Reads only, and locks nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/try.h"

/* As closeloop.case_recurrence() finds it, without its locks. */
static const struct pg_stmt sql_recurrence = {
	"cli_try_recurrence",
	"SELECT c.id, c.owner FROM closeloop.cases c WHERE c.customer_id COLLATE \"C\" = $1 AND c.status IN ('resolved', 'closed')"
	" AND c.resolved_at < $2 AND c.resolved_at >= $2 - make_interval(secs => $3) ORDER BY c.resolved_at DESC LIMIT 1",
	3,
	{PG_TEXT, PG_TIMESTAMPTZ, PG_FLOAT8},
};

static const struct pg_stmt sql_limits = {
	"cli_try_limits",
	"SELECT q.person, to_char(closeloop.quiet_until(now(), q.zone, q.quiet_from, q.quiet_to) AT TIME ZONE q.zone, 'HH24:MI'),"
	" (SELECT count(*)::int FROM unnest(b.left_at) t WHERE t > h.since),"
	" (SELECT count(*)::int FROM unnest(b.urgent_at) t WHERE t > h.since), coalesce(b.spent, false), coalesce(b.urgent_spent, false)"
	" FROM unnest($1::text[], $2::text[], $3::int[], $4::int[]) WITH ORDINALITY q (person, zone, quiet_from, quiet_to, n)"
	" LEFT JOIN closeloop.alert_budgets b ON b.person = q.person, LATERAL (SELECT closeloop.budget_hour(now())) h(since)"
	" ORDER BY q.n",
	4,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_INT4_ARRAY},
};

static int find_recurrence(struct cli *c, const struct trying *t, struct explain_held *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const struct settings *s = t->settings;
	struct pg_params p;
	int r;

	if (settings_is_anonymous(s, t->response->customer_id) || s->cases.outcome_within_s <= 0)
		return 0;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, t->response->customer_id);
	pg_add_time(&p, t->response->responded_at);
	pg_add_float8(&p, (double)s->cases.outcome_within_s);
	r = cli_run(c, &sql_recurrence, &p, &rows);
	if (r || pg_count(rows) == 0)
		return r;
	ret->recurrence = arena_printf(
		c->arena,
		s->cases.recurrence == RECURRENCE_REOPEN ? "would open C-%lld again (%s)" : "would be linked to C-%lld (%s)",
		(long long)pg_get_int8(rows, 0, 0), pg_is_null(rows, 0, 1) ? "nobody's" : pg_get_text(rows, 0, 1, NULL));
	return 0;
}

static const struct person *mailed_person(const struct trying *t, const char *id)
{
	for (int i = 0; i < t->plan->n_recipients; i++)
		if (str_eq(t->plan->recipients[i].person->id, id))
			return t->plan->recipients[i].person;
	return NULL;
}

/* "4 of 10 (minsu)": this one would be the fourth. */
static const char *budget_of(struct cli *c, const struct trying *t, const struct pg_rows *rows, int i)
{
	const char *id = pg_get_text(rows, i, 0, NULL);
	bool urgent = t->plan->priority == PRIORITY_URGENT && t->plan->action != PLAN_PRAISE;
	int used = pg_get_int4(rows, i, urgent ? 3 : 2);
	bool spent = pg_get_bool(rows, i, urgent ? 5 : 4);
	const struct person *p = mailed_person(t, id);
	int most = !p ? 0 : urgent ? p->urgent_per_hour : p->alerts_per_hour;

	if (most == 0)
		return arena_printf(c->arena, "no limit (%s)", id);
	if (spent || used >= most)
		return arena_printf(c->arena, "%d of %d used, held (%s)", used, most, id);
	return arena_printf(c->arena, "%d of %d%s (%s)", used + 1, most, urgent ? " urgent" : "", id);
}

static void read_limits(struct cli *c, const struct trying *t, const struct pg_rows *rows, struct explain_held *ret)
{
	bool urgent = t->plan->priority == PRIORITY_URGENT && t->plan->action != PLAN_PRAISE;
	const char *quiet = "", *budget = "";

	for (int i = 0; i < pg_count(rows); i++) {
		const char *until = pg_get_text(rows, i, 1, NULL);

		if (until)
			quiet = arena_printf(c->arena, "%s%s%s until %s%s", quiet, *quiet ? ", " : "",
					     pg_get_text(rows, i, 0, NULL), until, urgent ? ", urgent passes" : "");
		budget = arena_printf(c->arena, "%s%s%s", budget, *budget ? ", " : "", budget_of(c, t, rows, i));
	}
	ret->quiet = *quiet ? quiet : "no";
	ret->budget = *budget ? budget : NULL;
}

static int find_limits(struct cli *c, const struct trying *t, struct explain_held *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_array people, zones, from, to;
	struct pg_params p;
	int r;

	pg_array_init(&people, c->arena, PG_TEXT);
	pg_array_init(&zones, c->arena, PG_TEXT);
	pg_array_init(&from, c->arena, PG_INT4);
	pg_array_init(&to, c->arena, PG_INT4);
	for (int i = 0; i < t->plan->n_recipients; i++) {
		const struct person *person = t->plan->recipients[i].person;

		if (str_eq(person->id, "operators"))
			continue;
		pg_array_text(&people, person->id);
		pg_array_text(&zones, directory_zone(t->directory, person));
		pg_array_int4(&from, person->quiet_from);
		pg_array_int4(&to, person->quiet_to);
	}
	if (people.count == 0)
		return 0;
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &people);
	pg_add_array(&p, &zones);
	pg_add_array(&p, &from);
	pg_add_array(&p, &to);
	r = cli_run(c, &sql_limits, &p, &rows);
	if (r == 0)
		read_limits(c, t, rows, ret);
	return r;
}

int try_held(struct cli *c, const struct trying *t, struct explain_held *ret)
{
	const struct settings *s = t->settings;
	int r = 0;

	*ret = (struct explain_held){.ignore = t->plan ? "no" : NULL};
	if (!t->plan || t->plan->too_old || (t->plan->action != PLAN_OPEN && t->plan->action != PLAN_PRAISE))
		return 0;
	if (s->delivery == DELIVER_HOLD)
		ret->delivery = "delivery is on hold: nothing leaves";
	else if (s->delivery == DELIVER_REDIRECT)
		ret->delivery = arena_printf(c->arena, "mails are redirected to %s", s->redirect_to);
	if (t->plan->action == PLAN_OPEN)
		r = find_recurrence(c, t, ret);
	return r ? r : find_limits(c, t, ret);
}
