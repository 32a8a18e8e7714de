/*
 * SQL of explain: one answer, its record, its case; see explain_read.h. What was sent and what came later: explain_sent.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_read.h"

#include <string.h>

#define AT_FORM "'YYYY-MM-DD HH24:MI:SS TZ'"
/* ---- rule sets ---- */

static const struct pg_stmt sql_ruleset = {
	"cli_explain_ruleset",
	"SELECT text FROM closeloop.rulesets WHERE sha256 = $1",
	1,
	{PG_TEXT},
};

static void set_load(struct explain_sets *sets, struct explain_set *set, const char *text)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct buf why CLEANUP(buf_fini) = BUF_INIT(64 * 1024);
	int r = settings_load_text(text, arena_printf(sets->c->arena, "rules %.7s", set->sha256), diags, &set->settings);

	if (r == 0) {
		set->scratch = rule_scratch_new(set->settings->ruleset);
		return;
	}
	set->settings = NULL;
	diag_print(diags, &why);
	set->why = arena_printf(sets->c->arena, "this version no longer understands rules %.7s: %.*s", set->sha256,
				(int)strcspn(buf_str(&why), "\n"), buf_str(&why));
}

int explain_set(struct explain_sets *sets, const char *sha256, struct explain_set **ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const struct settings *now = sets->c->settings;
	struct explain_set *set;
	struct pg_params p;
	int r;

	if (!sha256)
		sha256 = now->sha256;
	for (int i = 0; i < sets->n; i++)
		if (str_eq(sets->sets[i].sha256, sha256)) {
			*ret = &sets->sets[i];
			return 0;
		}
	if (sets->n == EXPLAIN_SETS_MAX)
		explain_sets_fini(sets);
	set = &sets->sets[sets->n++];
	*set = (struct explain_set){.sha256 = arena_strdup(sets->c->arena, sha256)};
	*ret = set;
	if (str_eq(sha256, now->sha256)) {
		set->settings = sets->c->settings;
		set->borrowed = true;
		set->scratch = rule_scratch_new(now->ruleset);
		return 0;
	}
	pg_params_init(&p, sets->c->arena);
	pg_add_text(&p, sha256);
	r = cli_run(sets->c, &sql_ruleset, &p, &rows);
	if (r)
		return r;
	if (pg_count(rows))
		set_load(sets, set, pg_get_text(rows, 0, 0, NULL));
	else
		set->why = arena_printf(sets->c->arena, "the text of rules %.7s is no longer kept", sha256);
	return 0;
}

void explain_sets_fini(struct explain_sets *sets)
{
	for (int i = 0; i < sets->n; i++) {
		rule_scratch_free(sets->sets[i].scratch);
		if (!sets->sets[i].borrowed)
			settings_free(sets->sets[i].settings);
	}
	sets->n = 0;
}

/* ---- the answer and its record ---- */

static const struct pg_stmt sql_record = {
	"cli_explain_record",
	"SELECT j.relation, coalesce(j.case_id, 0), array_to_string(j.rules, ','), j.facts::text, j.ruleset,"
	" to_char(j.at, " AT_FORM "), j.row_version, r.xmin::text, to_char(r.received_at, " AT_FORM "), j.at,"
	" w.sha256, closeloop.score_text(r), closeloop.ruleset_at(now()),"
	" EXISTS (SELECT FROM closeloop.daemons d WHERE d.ruleset = w.sha256 AND d.stopped_at IS NULL)"
	" FROM closeloop.responses r LEFT JOIN closeloop.case_responses j ON j.response_id = r.id,"
	" LATERAL (SELECT coalesce(j.ruleset, closeloop.ruleset_at(coalesce(j.at, r.received_at)))) w(sha256) WHERE r.id = $1",
	1,
	{PG_INT8},
};

/* The inbox holds what came in the last moments, so it needs no index on what is asked for here. */
static const struct pg_stmt sql_inbox = {
	"cli_explain_inbox",
	"SELECT i.id, i.set_aside_at IS NOT NULL, i.available_at > clock_timestamp(), i.tries::int,"
	" to_char(i.available_at, " AT_FORM "), to_char(coalesce(i.set_aside_at, i.available_at), " AT_FORM "), i.last_error"
	" FROM closeloop.inbox i WHERE i.response_id = $1 ORDER BY i.set_aside_at IS NULL DESC, i.id DESC LIMIT 1",
	1,
	{PG_INT8},
};

static const char *text_of(struct cli *c, const struct pg_rows *rows, int row, int column)
{
	return arena_strdup(c->arena, pg_get_text(rows, row, column, NULL));
}

static int read_row(struct cli *c, const struct pg_params *p, struct explained *e)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params ids;
	struct pg_array array;
	int64_t last = 0;
	int r;

	(void)p;
	pg_array_init(&array, c->arena, PG_INT8);
	pg_array_int8(&array, e->id);
	pg_params_init(&ids, c->arena);
	pg_add_array(&ids, &array);
	r = cli_run(c, &intake_reread, &ids, &rows);
	if (r)
		return r;
	return intake_read(rows, c->arena, &e->row, &last) ? 0 : EXPLAIN_E_UNKNOWN;
}

static int read_record(struct cli *c, const struct pg_params *p, struct explained *e)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_record, p, &rows);

	if (r)
		return r;
	if (pg_count(rows) == 0)
		return EXPLAIN_E_UNKNOWN;
	e->judged = !pg_is_null(rows, 0, 0);
	e->relation = text_of(c, rows, 0, 0);
	e->of.id = pg_get_int8(rows, 0, 1);
	e->rules = text_of(c, rows, 0, 2);
	e->facts = text_of(c, rows, 0, 3);
	e->ruleset = text_of(c, rows, 0, 4);
	e->at = text_of(c, rows, 0, 5);
	e->row_version = text_of(c, rows, 0, 6);
	e->changed = e->row_version && !str_eq(e->row_version, pg_get_text(rows, 0, 7, NULL));
	e->received = text_of(c, rows, 0, 8);
	e->judged_at = pg_get_time(rows, 0, 9);
	e->ruleset_then = text_of(c, rows, 0, 10);
	e->score = text_of(c, rows, 0, 11);
	e->ruleset_now = text_of(c, rows, 0, 12);
	e->live_now = pg_get_bool(rows, 0, 13);
	return 0;
}

static int read_inbox(struct cli *c, const struct pg_params *p, struct explained *e)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_inbox, p, &rows);

	if (r || pg_count(rows) == 0)
		return r;
	e->inbox = (struct explain_inbox){
		.id = pg_get_int8(rows, 0, 0),
		.set_aside = pg_get_bool(rows, 0, 1),
		.early = pg_get_bool(rows, 0, 2),
		.tries = pg_get_int4(rows, 0, 3),
		.available = text_of(c, rows, 0, 4),
		.since = text_of(c, rows, 0, 5),
		.error = text_of(c, rows, 0, 6),
	};
	return 0;
}

/* ---- the case and the event that tells of this answer ---- */

static const struct pg_stmt sql_case = {
	"cli_explain_case",
	"SELECT c.response_id = r.id, c.status::text, c.priority::text, c.owner, c.team, c.route, c.follow_up,"
	" to_char(c.acknowledge_due_at, CASE WHEN abs(extract(epoch FROM c.acknowledge_due_at - r.received_at)) < w.near THEN w.short"
	"  ELSE w.long END),"
	" to_char(c.resolve_due_at, CASE WHEN abs(extract(epoch FROM c.resolve_due_at - r.received_at)) < w.near THEN w.short"
	"  ELSE w.long END),"
	" to_char(c.waiting_until, w.long), v.calendar, k.calendar,"
	" to_char(coalesce(c.closed_at, CASE WHEN c.status = 'resolved' THEN c.resolved_at END), w.long), c.handovers, c.reopened,"
	" EXISTS (SELECT FROM closeloop.case_events e WHERE e.case_id = c.id AND e.kind = 'amended'"
	"  AND e.details->>'response_id' = r.id::text)"
	" FROM closeloop.cases c JOIN closeloop.responses r ON r.id = $2"
	" LEFT JOIN closeloop.follow_up_versions v ON v.id = c.follow_up_version"
	" LEFT JOIN closeloop.person_clocks k ON k.person = c.owner," /* within a week the day's name says it */
	" (VALUES (6 * 86400, 'Dy HH24:MI', 'Dy YYYY-MM-DD HH24:MI')) w(near, short, long) WHERE c.id = $1",
	2,
	{PG_INT8, PG_INT8},
};

static const struct pg_stmt sql_event = {
	"cli_explain_event",
	"SELECT e.kind, to_char(e.at, " AT_FORM "), e.actor, e.note, d->>'owner', d->>'through', d->>'value', d->>'instead_of',"
	" d->>'to', coalesce(d->>'by_hand' = 'true', false), coalesce(d->>'all_away' = 'true', false), d ? 'tried',"
	" coalesce((d->>'linked_to')::bigint, 0), d->'not_joined'->>'why', d->'not_joined'->>'owner',"
	" coalesce((d->'not_joined'->>'case')::bigint, 0),"
	" (SELECT string_agg(concat(x.value->>0, ' of ', x.value->>1, ' (', x.key, ')'), ', ' ORDER BY x.key)"
	"  FROM jsonb_each(CASE WHEN jsonb_typeof(d->'budget') = 'object' THEN d->'budget' ELSE '{}' END) x)"
	" FROM closeloop.case_events e, LATERAL (SELECT e.details) x(d) WHERE e.case_id = $1"
	" AND (e.kind = 'opened' AND $3 OR e.kind NOT IN ('outcome', 'amended', 'dismissed') AND d->>'response_id' = $2::text)"
	" ORDER BY e.id LIMIT 1",
	3,
	{PG_INT8, PG_INT8, PG_BOOL},
};

static int read_case(struct cli *c, struct explained *e)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct explain_case *of = &e->of;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_int8(&p, of->id);
	pg_add_int8(&p, e->id);
	r = cli_run(c, &sql_case, &p, &rows);
	if (r || pg_count(rows) == 0)
		return r;
	of->opener = pg_get_bool(rows, 0, 0);
	of->status = text_of(c, rows, 0, 1);
	of->priority = text_of(c, rows, 0, 2);
	of->owner = text_of(c, rows, 0, 3);
	of->team = text_of(c, rows, 0, 4);
	of->route = text_of(c, rows, 0, 5);
	of->follow_up = text_of(c, rows, 0, 6);
	of->acknowledge_due = text_of(c, rows, 0, 7);
	of->resolve_due = text_of(c, rows, 0, 8);
	of->waiting_until = text_of(c, rows, 0, 9);
	of->calendar = text_of(c, rows, 0, 10);
	of->owner_calendar = text_of(c, rows, 0, 11);
	of->ended = text_of(c, rows, 0, 12);
	of->handovers = pg_get_int4(rows, 0, 13);
	of->reopened = pg_get_int4(rows, 0, 14);
	of->amended = pg_get_bool(rows, 0, 15);
	return 0;
}

int explain_ask(struct cli *c, const struct explained *e, const struct pg_stmt *stmt, struct pg_rows **ret)
{
	struct pg_params p;

	pg_params_init(&p, c->arena);
	pg_add_int8(&p, e->of.id);
	pg_add_int8(&p, e->id);
	pg_add_bool(&p, e->of.opener);
	return cli_run(c, stmt, &p, ret);
}

static int read_event(struct cli *c, struct explained *e)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct explain_event *v = &e->event;
	int r;

	r = explain_ask(c, e, &sql_event, &rows);
	if (r || pg_count(rows) == 0)
		return r;
	*v = (struct explain_event){
		.there = true,
		.kind = text_of(c, rows, 0, 0),
		.at = text_of(c, rows, 0, 1),
		.actor = text_of(c, rows, 0, 2),
		.note = text_of(c, rows, 0, 3),
		.owner = text_of(c, rows, 0, 4),
		.through = text_of(c, rows, 0, 5),
		.value = text_of(c, rows, 0, 6),
		.instead_of = text_of(c, rows, 0, 7),
		.to = text_of(c, rows, 0, 8),
		.by_hand = pg_get_bool(rows, 0, 9),
		.all_away = pg_get_bool(rows, 0, 10),
		.tried_known = pg_get_bool(rows, 0, 11),
		.linked_to = pg_get_int8(rows, 0, 12),
		.not_joined = text_of(c, rows, 0, 13),
		.met_owner = text_of(c, rows, 0, 14),
		.met_case = pg_get_int8(rows, 0, 15),
		.budget = text_of(c, rows, 0, 16),
	};
	return 0;
}

int explain_read(struct cli *c, int64_t id, struct explained *ret)
{
	struct pg_params p;
	int r;

	*ret = (struct explained){.id = id};
	pg_params_init(&p, c->arena);
	pg_add_int8(&p, id);
	r = read_row(c, &p, ret);
	if (r == 0)
		r = read_record(c, &p, ret);
	if (r == 0)
		r = read_inbox(c, &p, ret);
	if (r == 0 && ret->of.id)
		r = read_case(c, ret);
	if (r == 0 && ret->of.id)
		r = read_event(c, ret);
	return r;
}

/* ---- the owner chain as it was recorded ---- */

static const struct pg_stmt sql_tried = {
	"cli_explain_tried",
	"SELECT t->>'target', t->>'value', t->>'why' FROM closeloop.case_events e,"
	" jsonb_array_elements(CASE WHEN jsonb_typeof(e.details->'tried') = 'array' THEN e.details->'tried' ELSE '[]' END)"
	"  WITH ORDINALITY x(t, n)"
	" WHERE e.case_id = $1 AND (e.kind = 'opened' AND $3 OR e.kind <> 'opened'"
	"  AND e.details->>'response_id' = $2::text) ORDER BY e.id, x.n",
	3,
	{PG_INT8, PG_INT8, PG_BOOL},
};

int explain_read_tried(struct cli *c, const struct explained *e, struct explain_step **ret, int *ret_n)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r;

	r = explain_ask(c, e, &sql_tried, &rows);
	if (r)
		return r;
	*ret_n = pg_count(rows);
	*ret = arena_new_array(c->arena, struct explain_step, (size_t)*ret_n + 1);
	for (int i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct explain_step){.target = text_of(c, rows, i, 0) ? text_of(c, rows, i, 0) : "?",
						  .value = text_of(c, rows, i, 1),
						  .why_not = text_of(c, rows, i, 2)};
	return 0;
}

static const struct pg_stmt sql_owner = {
	"cli_explain_owner",
	"SELECT o.person, to_char(o.imported_at, 'YYYY-MM-DD'), o.imported_at <= coalesce($3, now()) FROM closeloop.owners o"
	" WHERE o.dimension = $1 AND closeloop.fold(o.value) = closeloop.fold($2)",
	3,
	{PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ},
};

int explain_read_owner(struct cli *c, const struct explained *e, const char *dimension, const char *value, const char *person,
		       const char **ret_note)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	*ret_note = NULL;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, dimension);
	pg_add_text(&p, value);
	pg_add_time(&p, e ? e->judged_at : WALL_NONE);
	r = cli_run(c, &sql_owner, &p, &rows);
	if (r)
		return r;
	if (pg_count(rows) == 0)
		*ret_note = "no longer entered";
	else if (person && !str_eq(person, pg_get_text(rows, 0, 0, NULL)))
		*ret_note = arena_printf(c->arena, "now %s, imported %s", pg_get_text(rows, 0, 0, NULL),
					 pg_get_text(rows, 0, 1, NULL));
	else if (pg_get_bool(rows, 0, 2))
		*ret_note = arena_printf(c->arena, "imported %s", pg_get_text(rows, 0, 1, NULL));
	return 0;
}
