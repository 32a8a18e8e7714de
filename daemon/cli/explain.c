/*
 * `explain RESPONSE|C-CASE|SOURCE:ID`: why an answer led to what it led to.
 *
 *   word → answers → of each: record, case, event (explain_read.c) → rules of then over what was seen then (explain_judge.c)
 *        → text (here) or JSON (explain_json.c)
 *
 * Reads only. A case is shown with all of its answers; the one that opened it is explained, the others with --all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_read.h"
#include "cli/explain_json.h"
#include "cli/verbs.h"
#include "intake/past_store.h"

#include <ctype.h>
#include <string.h>

#define SPLITS_MAX 16 /* colons of SOURCE:ID that are tried */
#define SENT_MAX 40   /* messages shown */
#define CHANGES_MAX 6 /* changed facts shown */
#define ANSWERS_SHOWN 20
#define ANSWERS_MAX 500 /* of one case */

const struct option explain_options[] = {
	{"--all", NULL, "with a case: explain all of its answers, not only the one that opened it"},
	{0},
};

static const struct pg_stmt sql_zone = {
	"cli_explain_zone",
	"SELECT set_config('TimeZone', $1, false)",
	1,
	{PG_TEXT},
};
static const struct pg_stmt sql_find = {
	"cli_explain_find",
	"SELECT r.id FROM unnest($1::text[], $2::text[]) q (source, id)"
	" JOIN closeloop.responses r ON r.source = q.source AND r.source_id = q.id ORDER BY length(q.source), r.id LIMIT 1",
	2,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};
static const struct pg_stmt sql_sources = {
	"cli_explain_sources",
	"SELECT s.source, EXISTS (SELECT FROM closeloop.responses r WHERE r.source = $1) FROM (SELECT $1 AS source"
	" UNION SELECT source FROM closeloop.sources_seen) s ORDER BY s.source <> $1, s.source",
	1,
	{PG_TEXT},
};
static const struct pg_stmt sql_newest = {
	"cli_explain_newest",
	"SELECT coalesce((SELECT max(id) FROM closeloop.responses), 0), EXISTS (SELECT FROM closeloop.cases WHERE id = $1)",
	1,
	{PG_INT8},
};
static const struct pg_stmt sql_of_case = {
	"cli_explain_of_case",
	"SELECT j.response_id, j.relation, to_char(r.received_at, 'YYYY-MM-DD HH24:MI'), closeloop.score_text(r),"
	" array_to_string(j.rules, ', '), c.response_id = j.response_id"
	" FROM closeloop.case_responses j JOIN closeloop.responses r ON r.id = j.response_id JOIN closeloop.cases c ON c.id = j.case_id"
	" WHERE j.case_id = $1 ORDER BY c.response_id <> j.response_id, j.at, j.response_id LIMIT $2",
	2,
	{PG_INT8, PG_INT4},
};
static const struct pg_stmt sql_case_line = {
	"cli_explain_case_line",
	"SELECT concat_ws(' · ', 'C-' || c.id, c.priority::text, replace(c.status::text, '_', ' '), coalesce(c.owner, 'nobody'),"
	" CASE c.handovers WHEN 0 THEN NULL WHEN 1 THEN 'handed over once' ELSE 'handed over ' || c.handovers || ' times' END,"
	" CASE c.reopened WHEN 0 THEN NULL WHEN 1 THEN 'reopened once' ELSE 'reopened ' || c.reopened || ' times' END, c.outcome::text)"
	" FROM closeloop.cases c WHERE c.id = $1",
	1,
	{PG_INT8},
};

/* ---- which one ---- */

static int unknown_response(struct cli *c, int64_t id)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int64_t newest;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_int8(&p, id);
	r = cli_run(c, &sql_newest, &p, &rows);
	if (r)
		return r;
	newest = pg_get_int8(rows, 0, 0);
	if (pg_get_bool(rows, 0, 1))
		return cli_fail(EXIT_NO, "there is no response %lld, but a case: closeloop explain C-%lld", (long long)id,
				(long long)id);
	if (newest == 0)
		return cli_fail(EXIT_NO, "there is no response %lld: nothing has come in yet", (long long)id);
	if (id > newest)
		return cli_fail(EXIT_NO, "there is no response %lld: the newest is %lld (closeloop response list)",
				(long long)id, (long long)newest);
	return cli_fail(EXIT_NO, "there is no response %lld: it was deleted, or whoever wrote it rolled back", (long long)id);
}

static int unknown_source(struct cli *c, const char *word)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const char *source = arena_strndup(c->arena, word, strcspn(word, ":")), **names;
	struct pg_params p;
	int r, n;

	pg_params_init(&p, c->arena);
	pg_add_text(&p, source);
	r = cli_run(c, &sql_sources, &p, &rows);
	if (r)
		return r;
	n = pg_count(rows);
	names = arena_new_array(c->arena, const char *, (size_t)n + 1);
	for (int i = 0; i < n; i++)
		names[i] = arena_strdup(c->arena, pg_get_text(rows, i, 0, NULL));
	if (n && pg_get_bool(rows, 0, 1))
		return cli_fail(EXIT_NO, "source '%s' has written no response '%s'", source, word + strlen(source) + 1);
	return cli_fail(EXIT_NO, "no response is '%s': nothing has come in from a source '%s'%s", word, source,
			did_you_mean(c->arena, source, names + 1, (size_t)MAX(n - 1, 0), sizeof(names[0])));
}

/* A source may have colons in its name: the shortest one that fits. */
static int find_source(struct cli *c, const char *word, int64_t *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_array sources, ids;
	struct pg_params p;
	int n = 0, r;

	pg_array_init(&sources, c->arena, PG_TEXT);
	pg_array_init(&ids, c->arena, PG_TEXT);
	for (const char *colon = strchr(word, ':'); colon && n < SPLITS_MAX; colon = strchr(colon + 1, ':'), n++) {
		pg_array_text_n(&sources, word, (size_t)(colon - word));
		pg_array_text(&ids, colon + 1);
	}
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &sources);
	pg_add_array(&p, &ids);
	r = cli_run(c, &sql_find, &p, &rows);
	if (r)
		return r;
	if (pg_count(rows) == 0)
		return unknown_source(c, word);
	*ret = pg_get_int8(rows, 0, 0);
	return 0;
}

/* ---- one answer as text ---- */

static void put_title(struct cli *c, const struct explained *e, int columns, struct buf *out)
{
	const char *where = "no case";
	const char *live = !e->judged && e->inbox.id ? "of now" : e->live_now ? "live now" : "live then";

	if (e->of.id)
		where = str_eq(e->relation, "opened")
				? arena_printf(c->arena, "→ C-%lld", (long long)e->of.id)
				: arena_printf(c->arena, "→ C-%lld (%s)", (long long)e->of.id, e->relation);
	else if (e->judged)
		where = arena_printf(c->arena, "%s", e->relation);
	else if (e->inbox.id)
		where = e->inbox.set_aside ? "set aside" : "not judged yet";
	text_put_wrapped(out,
			 arena_printf(c->arena, "response %lld %s%s · %s · rules %.7s (%s)", (long long)e->id,
				      e->of.id ? "" : "· ", where, e->received, e->set->sha256, live),
			 columns, 0);
}

static const char *answer_text(struct cli *c, const struct explained *e)
{
	const struct response *r = &e->row->response;
	const char *const parts[] = {
		e->score,
		r->touchpoint,
		r->account ? arena_printf(c->arena, "account %s", r->account) : NULL,
		r->source_id ? arena_printf(c->arena, "%s:%s", r->source, r->source_id) : r->source,
	};

	return explain_join(c->arena, parts, ARRAY_SIZE(parts));
}

static const char *inbox_text(struct cli *c, const struct explained *e)
{
	const struct explain_inbox *i = &e->inbox;
	const char *again = e->judged ? "changed, and not judged again yet: " : "not judged yet: ";

	if (i->id == 0)
		return NULL;
	if (i->set_aside)
		return arena_printf(c->arena, "set aside %s after %d tries: %s. Judge it again: closeloop inbox retry %lld",
				    i->since, i->tries, i->error ? i->error : "no reason is known", (long long)i->id);
	if (i->tries)
		return arena_printf(c->arena, "%stried %d times, next at %s: %s", again, i->tries, i->available,
				    i->error ? i->error : "no reason is known");
	if (i->early)
		return arena_printf(c->arena, "%sit waits until %s, in case it is changed", again, i->available);
	return arena_printf(c->arena, "%sit waits in the inbox since %s (closeloop status says whether a daemon runs)", again,
			    i->available);
}

static const char *changes_text(struct cli *c, const struct explained *e)
{
	const char *text = "";

	if (!e->changed && e->n_changes == 0)
		return NULL;
	if (e->n_changes == 0)
		return "written again since, in nothing that these rules look at";
	for (int i = 0; i < MIN(e->n_changes, CHANGES_MAX); i++) {
		const struct fact_change *x = &e->changes[i];

		text = arena_printf(c->arena, "%s%s%s %s → %s", text, *text ? ", " : "", x->name, x->then ? x->then : "missing",
				    x->now ? x->now : "missing");
	}
	return arena_printf(c->arena, "changed since: %s%s; shown is what was seen then", text,
			    e->n_changes > CHANGES_MAX ? ", …" : "");
}

/* The record and the rules must agree; where they don't, the record is what counted. */
static const char *doubt_text(struct cli *c, const struct explained *e)
{
	const struct settings *s = e->trace.settings;
	const char *matched = "";

	if (!s)
		return NULL;
	if (str_eq(e->relation, "noted") && (e->trace.verdict.n_case || e->trace.verdict.n_praise))
		return "older than max_age when it was judged: noted, nobody is told";
	for (int i = 0; i < s->n_rules && !e->trace.verdict.ignored; i++)
		if (e->trace.verdict.results[i] == TRI_TRUE)
			matched = arena_printf(c->arena, "%s%s%s", matched, *matched ? "," : "", s->rules[i].id);
	if (!e->judged && e->inbox.id == 0 && verdict_matched(&e->trace.verdict))
		return "nothing is recorded about it: it was changed after it was judged, or written while no trigger was there "
		       "(before closeloop was installed, by a restore)";
	if (e->judged && !e->event.by_hand && e->rules && !str_eq(matched, e->rules))
		return arena_printf(c->arena, "the record says that %s matched: it counts, and not what is shown here",
				    *e->rules ? e->rules : "nothing");
	return NULL;
}

static void put_rules(struct cli *c, const struct explained *e, int columns, struct buf *out)
{
	if (e->trace.settings) {
		trace_put(&e->trace, columns, out);
		return;
	}
	if (e->rules && *e->rules)
		explain_put_line(out, "matched", e->rules, columns);
	explain_put_line(out, "", e->no_trace, columns);
	(void)c;
}

static const char *due_text(struct cli *c, const struct explained *e)
{
	const struct explain_case *of = &e->of;
	const char *parts[4] = {NULL};

	if (!of->opener)
		return NULL;
	if (of->ended)
		parts[0] = arena_printf(c->arena, "%s %s", of->status, of->ended);
	else if (of->acknowledge_due && str_eq(of->status, "open"))
		parts[0] = arena_printf(c->arena, "acknowledge %s", of->acknowledge_due);
	else if (!str_eq(of->status, "open"))
		parts[0] = str_eq(of->status, "in_progress") ? "in progress" : of->status;
	if (!of->ended && of->waiting_until)
		parts[1] = arena_printf(c->arena, "until %s, the resolve clock stands still", of->waiting_until);
	else if (!of->ended && of->resolve_due)
		parts[1] = arena_printf(c->arena, "resolve %s", of->resolve_due);
	if (str_eq(of->calendar, "owner"))
		parts[2] = of->owner_calendar ? arena_printf(c->arena, "calendar %s (owner's)", of->owner_calendar)
					      : "the owner has no calendar";
	else if (of->calendar)
		parts[2] = arena_printf(c->arena, "calendar %s", of->calendar);
	if (!of->ended && of->reopened + of->handovers)
		parts[3] = of->reopened ? "as of its reopening" : "as of the hand-over";
	return explain_join(c->arena, parts, 4);
}

static int put_held(struct cli *c, const struct explained *e, int columns, struct buf *out)
{
	struct explain_held held = {0};
	int r = explain_held(c, e, &held);

	if (r == 0)
		explain_put_held(out, &held, columns);
	return r;
}

static int put_owner(struct cli *c, const struct explained *e, int columns, struct buf *out)
{
	struct explain_step *steps;
	int n, r = explain_owner(c, e, &steps, &n);

	if (r == 0 && n)
		explain_put_steps(out, "owner", steps, n, columns);
	else if (r == 0 && e->of.id && !e->of.opener)
		explain_put_line(
			out, "owner",
			arena_printf(c->arena, "%s, of C-%lld", e->of.owner ? e->of.owner : "nobody", (long long)e->of.id),
			columns);
	return r;
}

static int put_sent(struct cli *c, const struct explained *e, int columns, struct buf *out)
{
	struct explain_sent *sent;
	int n, r = explain_read_sent(c, e, SENT_MAX, &sent, &n);

	if (r)
		return r;
	explain_put_sent(out, "sent", sent, MIN(n, SENT_MAX), columns);
	if (n > SENT_MAX)
		explain_put_line(out, "",
				 arena_printf(c->arena, "… more: closeloop message list --case C-%lld", (long long)e->of.id),
				 columns);
	if (n == 0 && e->of.opener)
		explain_put_line(out, "sent", "nothing: nobody was mailed, and no webhook asked for it", columns);
	return 0;
}

static int put_later(struct cli *c, const struct explained *e, int columns, struct buf *out)
{
	struct explain_later *later;
	int n, r = explain_read_later(c, e, &later, &n);

	for (int i = 0; r == 0 && i < n; i++)
		explain_put_line(out, i ? "" : "later", arena_printf(c->arena, "%s  %s", later[i].at, later[i].text), columns);
	return r;
}

static int put_one(struct cli *c, const struct explained *e, struct buf *out)
{
	int columns = text_terminal_columns(), r;

	put_title(c, e, columns, out);
	explain_put_line(out, "answer", answer_text(c, e), columns);
	explain_put_line(out, "", inbox_text(c, e), columns);
	explain_put_line(out, "", changes_text(c, e), columns);
	if (e->of.amended)
		explain_put_line(out, "", "judged again, after the answer was changed: shown is what was seen last", columns);
	put_rules(c, e, columns, out);
	explain_put_line(out, "", doubt_text(c, e), columns);
	r = put_owner(c, e, columns, out);
	if (r == 0)
		r = put_held(c, e, columns, out);
	if (r)
		return r;
	explain_put_line(out, "due", due_text(c, e), columns);
	r = put_sent(c, e, columns, out);
	return r ? r : put_later(c, e, columns, out);
}

/* ---- the whole ---- */

static int explain_one(struct explain_sets *sets, int64_t id, struct buf *out)
{
	struct explained e;
	int r = explain_read(sets->c, id, &e);

	if (r == EXPLAIN_E_UNKNOWN)
		return unknown_response(sets->c, id);
	if (r == 0)
		r = explain_judge(sets, &e);
	if (r)
		return r;
	return sets->c->json ? explain_put_json(sets->c, &e, out) : put_one(sets->c, &e, out);
}

static void put_answer_row(const struct pg_rows *rows, int i, int columns, struct buf *out)
{
	const char *rules = pg_get_text(rows, i, 4, NULL), *score = pg_get_text(rows, i, 3, NULL);
	int left = MAX(columns - 2 - 10 - 9 - 18 - 13, 16);

	buf_printf(out, "  %-10lld", (long long)pg_get_int8(rows, i, 0));
	text_put_cell(out, pg_get_text(rows, i, 1, NULL), 9, false);
	text_put_cell(out, pg_get_text(rows, i, 2, NULL), 18, false);
	text_put_cell(out, score ? score : "-", 12, false);
	buf_putc(out, ' ');
	text_put_clipped(out, rules && *rules ? rules : "-", left);
	buf_putc(out, '\n');
}

static int explain_answers(struct explain_sets *sets, const struct pg_rows *rows, bool all, struct buf *out)
{
	bool json = sets->c->json;
	int r = 0;

	for (int i = 0; r == 0 && i < pg_count(rows); i++) {
		if (!all && !pg_get_bool(rows, i, 5))
			continue;
		buf_puts(out, !json ? "\n" : i ? "," : "");
		r = explain_one(sets, pg_get_int8(rows, i, 0), out);
	}
	return r;
}

static int explain_case(struct explain_sets *sets, int64_t id, bool all, struct buf *out)
{
	struct pg_rows *line CLEANUP(pg_rows_freep) = NULL, *rows CLEANUP(pg_rows_freep) = NULL;
	int columns = text_terminal_columns(), r, n;
	struct cli *c = sets->c;
	struct pg_params p;

	pg_params_init(&p, c->arena);
	pg_add_int8(&p, id);
	r = cli_run(c, &sql_case_line, &p, &line);
	if (r == 0 && pg_count(line) == 0)
		r = cli_fail(EXIT_NO, "there is no case C-%lld (closeloop case list)", (long long)id);
	pg_add_int4(&p, ANSWERS_MAX);
	if (r == 0)
		r = cli_run(c, &sql_of_case, &p, &rows);
	if (r)
		return r;
	n = pg_count(rows);
	if (c->json)
		return explain_put_case_json(sets, id, rows, all, explain_answers, out);
	text_put_wrapped(out, pg_get_text(line, 0, 0, NULL), columns, 0);
	buf_printf(out, "%d answer%s%s\n", n, n == 1 ? "" : "s", n == ANSWERS_MAX ? " and more" : "");
	for (int i = 0; i < n && (all || i < ANSWERS_SHOWN); i++)
		put_answer_row(rows, i, columns, out);
	if (!all && n > ANSWERS_SHOWN)
		buf_printf(out, "  … %d more\n", n - ANSWERS_SHOWN);
	r = explain_answers(sets, rows, all, out);
	if (r == 0 && n > 1 && !all)
		text_put_wrapped(out,
				 arena_printf(c->arena, "\nthe other%s: closeloop explain C-%lld --all", n > 2 ? "s" : "",
					      (long long)id),
				 columns, 0);
	return r;
}

static bool is_number(const char *word)
{
	return *word && word[strspn(word, "0123456789")] == '\0';
}

static int explain_word(struct explain_sets *sets, const struct args *a, struct buf *out)
{
	const char *word = a->words[0];
	struct cli *c = sets->c;
	int64_t id = 0;
	int r;

	if (is_number(word)) {
		r = cli_number("explain", word, INT64_MAX / 10 - 1, &id);
		return r ? r : explain_one(sets, id, out);
	}
	if (case_id_parse(word, &id) == 0)
		return explain_case(sets, id, args_has(a, "--all"), out);
	if (!strchr(word, ':'))
		return cli_fail(EXIT_USAGE_ERROR, "'%s' is no response and no case: write 4711, C-812 or SOURCE:ID", word);
	r = find_source(c, word, &id);
	return r ? r : explain_one(sets, id, out);
}

int explain_run(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
		       safe CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct explain_sets sets = {.c = c};
	struct pg_params zone;
	int r = cli_db(c);

	if (r)
		return r;
	pg_params_init(&zone, c->arena);
	pg_add_text(&zone, c->settings->timezone);
	if (!c->json)
		r = cli_run(c, &sql_zone, &zone, NULL);
	if (r == 0)
		r = explain_word(&sets, a, &out);
	explain_sets_fini(&sets);
	past_stmts_free(sets.past);
	if (r)
		return r;
	if (c->json) {
		text_put_json(&safe, buf_str(&out), out.n);
		buf_putc(&safe, '\n');
	}
	cli_print(c, c->json ? &safe : &out);
	return 0;
}
