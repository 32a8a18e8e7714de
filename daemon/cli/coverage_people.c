/*
 * Who is to be told and can't be: unknown, away with nobody standing in, without an address, mail refused; teams without anybody.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/coverage.h"

#include <string.h>

#define TEXT_BYTES_MAX 4096
#define NAMED_MAX 5

static const struct pg_stmt sql_owning = {
	"cli_coverage_owning",
	"SELECT person, string_agg(n || ' ' || dimension || CASE WHEN n > 1 AND dimension ~ '^[a-z_]+$' THEN 's' ELSE '' END,"
	" ', ' ORDER BY n DESC, dimension) FROM (SELECT person, dimension, count(*) AS n FROM closeloop.owners GROUP BY 1, 2) AS o"
	" GROUP BY person ORDER BY person",
	0,
	{0},
};
/* Until when somebody is away now; null: until further notice. */
static const struct pg_stmt sql_until = {
	"cli_coverage_until",
	"SELECT person, CASE WHEN count(*) = count(ends_at) THEN to_char(max(ends_at) AT TIME ZONE $1, 'FMDD Mon') END"
	" FROM closeloop.absences WHERE starts_at <= now() AND (ends_at IS NULL OR ends_at > now()) GROUP BY person",
	1,
	{PG_TEXT},
};
static const struct pg_stmt sql_refused = {
	"cli_coverage_refused",
	"SELECT subject, to_char(opened_at AT TIME ZONE $1, 'FMDD Mon'),"
	" coalesce(substring(details ->> 'answer' FROM '^[2-5][0-9][0-9](?:[ -][2-5]\\.[0-9]+\\.[0-9]+)?'), details ->> 'code', '')"
	" FROM closeloop.operator_news WHERE kind = 'mail_refused' AND ended_at IS NULL ORDER BY subject",
	1,
	{PG_TEXT},
};

struct people {
	struct cli *c;
	const struct directory *d;
	struct wall_time now;
	struct pg_rows *owning, *until, *refused;
	struct coverage_trouble *list;
	int n, room;
};

static void trouble(struct people *p, const char *who, const char *word, const char *text)
{
	for (int i = 0; i < p->n; i++)
		if (str_eq(p->list[i].who, who) && str_eq(p->list[i].trouble, word))
			return;
	if (p->n == p->room) {
		struct coverage_trouble *more = arena_new_array(p->c->arena, struct coverage_trouble, (size_t)p->room * 2 + 16);

		if (p->n)
			memcpy(more, p->list, (size_t)p->n * sizeof(*more));
		p->list = more;
		p->room = p->room * 2 + 16;
	}
	p->list[p->n++] = (struct coverage_trouble){arena_strdup(p->c->arena, who), word, text};
}

static const char *away_until(struct people *p, const char *id)
{
	for (int i = 0; i < pg_count(p->until); i++)
		if (str_eq(pg_get_text(p->until, i, 0, NULL), id))
			return pg_get_text(p->until, i, 1, NULL);
	return NULL;
}

/* @as: "owns 3 accounts", "in team:care" */
static void look_at(struct people *p, const char *name, const char *as)
{
	const struct person *person = directory_find(p->d, name);
	struct arena *a = p->c->arena;
	const struct absence *absence;
	const char *until;

	if (!person) {
		trouble(p, name, "unknown", arena_printf(a, "%s, unknown", as));
		return;
	}
	if (!person->email)
		trouble(p, person->id, "no_address", arena_printf(a, "%s, has no mail address", as));
	absence = directory_absence(p->d, person->id, p->now);
	if (!absence || directory_present(p->d, person, p->now))
		return;
	until = away_until(p, person->id);
	trouble(p, person->id, "away",
		arena_printf(a, "%s, away %s%s, %s", as, until ? "until " : "until further notice", until ? until : "",
			     absence->deputy || person->deputy ? "the deputy too" : "no deputy"));
}

static void look_at_owners(struct people *p)
{
	for (int i = 0; i < pg_count(p->owning); i++)
		look_at(p, pg_get_text(p->owning, i, 0, NULL),
			arena_printf(p->c->arena, "owns %s", pg_get_text(p->owning, i, 1, NULL)));
}

/* Of a team one being away is no trouble: it is what teams are for. Nobody there, or a name that nobody has, is. */
static void look_at_team(struct people *p, const struct team *team)
{
	struct buf away CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);
	struct arena *a = p->c->arena;
	const char *name = arena_printf(a, "team:%s", team->id);
	int n_away = 0;

	for (int i = 0; i < team->members.n; i++) {
		const char *id = team->members.items[i];
		const struct person *person = directory_person(p->d, id);

		if (!person) {
			trouble(p, id, "unknown", arena_printf(a, "in %s, unknown", name));
			continue;
		}
		if (!person->email)
			trouble(p, id, "no_address", arena_printf(a, "in %s, has no mail address", name));
		if (!directory_absence(p->d, id, p->now))
			return;
		if (n_away++ < NAMED_MAX)
			buf_printf(&away, "%s%s", n_away > 1 ? ", " : "", id);
	}
	if (n_away > NAMED_MAX)
		buf_printf(&away, " and %d more", n_away - NAMED_MAX);
	trouble(p, name, "nobody_there",
		n_away ? arena_printf(a, "nobody is there (%s away)", buf_str(&away)) : "none of its members is known");
}

static void look_at_target(struct people *p, const struct target *t, const char *route)
{
	if (t->kind == TARGET_PERSON)
		look_at(p, t->name, arena_printf(p->c->arena, "in route %s", route));
	else if (t->kind == TARGET_TEAM)
		look_at_team(p, t->team);
}

static void look_at_routes(struct people *p)
{
	const struct settings *s = p->c->settings;

	for (int i = 0; i < s->n_rules; i++) {
		const struct rule *rule = &s->rules[i];

		if (rule->kind != RULE_CASE || !rule->route)
			continue;
		for (int k = 0; k < rule->route->n_owner; k++)
			look_at_target(p, &rule->route->owner[k], rule->route->id);
		for (int k = 0; k < rule->route->n_notify; k++)
			if (rule->route->notify[k].kind != NOTIFY_WEBHOOK)
				look_at_target(p, &rule->route->notify[k].target, rule->route->id);
		for (int k = 0; k < rule->n_notify; k++)
			if (rule->notify[k].kind != NOTIFY_WEBHOOK)
				look_at_target(p, &rule->notify[k].target, rule->route->id);
	}
}

static void look_at_mail(struct people *p)
{
	for (int i = 0; i < pg_count(p->refused); i++) {
		const char *code = pg_get_text(p->refused, i, 2, NULL);

		trouble(p, pg_get_text(p->refused, i, 0, NULL), "mail_refused",
			arena_printf(p->c->arena, "mail bounced %s%s%s%s", pg_get_text(p->refused, i, 1, NULL),
				     *code ? " (" : "", code, *code ? ")" : ""));
	}
}

int coverage_troubles(struct cli *c, const struct directory *d, struct wall_time now, struct coverage_told *ret)
{
	struct people p = {.c = c, .d = d, .now = now};
	struct pg_params zone, again;
	int r;

	pg_params_init(&zone, c->arena);
	pg_add_text(&zone, c->settings->timezone);
	pg_params_init(&again, c->arena);
	pg_add_text(&again, c->settings->timezone);
	r = cli_run(c, &sql_owning, NULL, &p.owning);
	if (r == 0)
		r = cli_run(c, &sql_until, &zone, &p.until);
	if (r == 0)
		r = cli_run(c, &sql_refused, &again, &p.refused);
	if (r == 0) {
		look_at_mail(&p);
		look_at_routes(&p);
		look_at_owners(&p);
		ret->troubles = p.list;
		ret->n_troubles = p.n;
	}
	pg_rows_freep(&p.owning);
	pg_rows_freep(&p.until);
	pg_rows_freep(&p.refused);
	return r;
}
