/*
 * `try`: what would hold the invented answer, if it came now; see explain.h. Reads only, and locks nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/merge.h"
#include "cli/try.h"

/* As closeloop.merge_candidates() finds them, without its locks. */
static const struct pg_stmt sql_merges = {
	"cli_try_merges",
	"SELECT s.shared, m.what, m.case_id, m.owner, m.first_owner, m.team, m.priority::text, m.opened_at, m.last_response_at"
	" FROM (SELECT $1 IS NOT NULL AND closeloop.is_shared_id($1, $3, 9223372036854775807)) s(shared)"
	" LEFT JOIN LATERAL closeloop.merge_look(ARRAY[0::bigint], ARRAY[CASE WHEN NOT s.shared THEN $1 END],"
	"  ARRAY[CASE WHEN $4 OR NOT s.shared THEN $2 END], ARRAY[$3], $4,"
	"  ARRAY[make_interval(secs => $5), make_interval(secs => $6), make_interval(secs => $7)]) m ON true",
	7,
	{PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ, PG_BOOL, PG_FLOAT8, PG_FLOAT8, PG_FLOAT8},
};
enum {
	MERGE_SHARED,
	MERGE_WHAT,
	MERGE_CASE,
	MERGE_OWNER,
	MERGE_FIRST_OWNER,
	MERGE_TEAM,
	MERGE_PRIORITY,
	MERGE_OPENED,
	MERGE_LAST
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

static struct merge_case found_case(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *what = pg_get_text(rows, i, MERGE_WHAT, NULL);
	struct merge_case m = {
		.what = str_eq(what, "open")     ? MERGE_STANDS
			: str_eq(what, "recurs") ? MERGE_SOLVED
						 : MERGE_RECENT,
		.id = pg_get_int8(rows, i, MERGE_CASE),
		.owner = arena_strdup(c->arena, pg_get_text(rows, i, MERGE_OWNER, NULL)),
		.first_owner = arena_strdup(c->arena, pg_get_text(rows, i, MERGE_FIRST_OWNER, NULL)),
		.team = arena_strdup(c->arena, pg_get_text(rows, i, MERGE_TEAM, NULL)),
		.opened_at = pg_get_time(rows, i, MERGE_OPENED),
		.last_response_at = pg_get_time(rows, i, MERGE_LAST),
	};

	priority_parse(pg_get_text(rows, i, MERGE_PRIORITY, NULL), &m.priority);
	return m;
}

/* "C-812 (minsu)" */
static const char *case_words(struct cli *c, const struct merge_case *m)
{
	return arena_printf(c->arena, "C-%lld (%s)", (long long)m->id, m->owner ? m->owner : "nobody's");
}

static void say_merge(struct cli *c, const struct trying *t, const struct merge_answer *a, bool shared,
		      struct explain_held *ret)
{
	const struct settings *s = t->settings;
	const char *why = explain_merge_impossible(s, t->response);

	ret->merge = why ? why : shared ? "more than 50 answers a day under this id" : "no open case";
	ret->cooldown = s->cases.cooldown_s > 0 ? "no" : "off";
	if (a->not_joined)
		ret->merge = explain_not_joined(c->arena, a->why_not, a->not_joined->id, a->not_joined->owner);
	if (a->action == MERGE_JOIN)
		ret->merge = arena_printf(c->arena, "would join %s", case_words(c, a->to));
	else if (a->action == MERGE_REOPEN)
		ret->recurrence = arena_printf(c->arena, "would open %s again", case_words(c, a->to));
	else if (a->action == MERGE_COOL)
		ret->cooldown = arena_printf(c->arena, "would be noted at %s, and nobody told", case_words(c, a->to));
	else if (a->to && a->takes_owner)
		ret->recurrence = arena_printf(c->arena, "would be linked to %s", case_words(c, a->to));
}

static int find_merge(struct cli *c, const struct trying *t, struct explain_held *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const struct settings *s = t->settings;
	const struct response *r = t->response;
	struct merge_ask ask = {.responded_at = r->responded_at,
				.owner = &t->plan->owner,
				.priority = t->plan->priority,
				.contact_requested = r->contact_requested};
	struct merge_case *cases;
	struct merge_answer answer;
	struct pg_params p;
	int e;

	pg_params_init(&p, c->arena);
	pg_add_text(&p, settings_is_anonymous(s, r->customer_id) ? NULL : r->customer_id);
	pg_add_text(&p, merge_key(s, r));
	pg_add_time(&p, r->responded_at);
	pg_add_bool(&p, s->cases.merge_by == MERGE_BY_ACCOUNT);
	pg_add_float8(&p, (double)s->cases.merge_within_s);
	pg_add_float8(&p, (double)s->cases.outcome_within_s);
	pg_add_float8(&p, (double)s->cases.cooldown_s);
	e = cli_run(c, &sql_merges, &p, &rows);
	if (e == 0)
		e = cli_now(c, &ask.now);
	if (e)
		return e;
	cases = arena_new_array(c->arena, struct merge_case, (size_t)pg_count(rows) + 1);
	for (int i = 0; i < pg_count(rows); i++)
		if (!pg_is_null(rows, i, MERGE_WHAT))
			cases[ask.n++] = found_case(c, rows, i);
	ask.cases = cases;
	answer = merge_decide(&s->cases, &ask);
	ret->own_case = answer.action == MERGE_OPEN;
	say_merge(c, t, &answer, pg_get_bool(rows, 0, MERGE_SHARED), ret);
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

	*ret = (struct explain_held){.ignore = t->plan ? "no" : NULL, .own_case = true};
	if (!t->plan || t->plan->too_old || (t->plan->action != PLAN_OPEN && t->plan->action != PLAN_PRAISE))
		return 0;
	if (s->delivery == DELIVER_HOLD)
		ret->delivery = "delivery is on hold: nothing leaves";
	else if (s->delivery == DELIVER_REDIRECT)
		ret->delivery = arena_printf(c->arena, "mails are redirected to %s", s->redirect_to);
	if (t->plan->action == PLAN_OPEN)
		r = find_merge(c, t, ret);
	return r ? r : find_limits(c, t, ret);
}
