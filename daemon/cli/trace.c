/*
 * What the rules say of one response; see trace.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/trace.h"
#include "base/escape.h"
#include "cli/text.h"

#include <string.h>

#define WIDE_COLUMNS 100 /* from here on verdict and effect have columns of their own */
#define INDENT_MAX 32
#define CONDITION_COLUMNS_LEAST 32 /* with the value */
#define RESULT_COLUMNS (2 + 7 + 2) /* "missing" and gaps */

static const char *tri_name(enum tri t)
{
	return t == TRI_TRUE ? "true" : t == TRI_FALSE ? "false" : "missing";
}

void trace_init(struct trace *t, const struct settings *s, struct rule_scratch *scratch, const struct response *r,
		struct arena *arena)
{
	*t = (struct trace){s, scratch, r, arena, {0}};
	ruleset_judge(s->ruleset, scratch, r, &t->verdict);
	t->verdict.results = arena_memdup(arena, t->verdict.results, sizeof(enum tri) * (size_t)s->n_rules);
}

/* ---- text ---- */

/* One condition, or what joins several, as it stands on a line. */
struct trace_line {
	const char *text, *value;
	enum tri result;
};

/* The lines of all rules are made first, because the widest of them says how wide the columns are. */
struct layout {
	const struct trace *trace;
	struct trace_line *lines;
	int n, room;
	int id_columns, verdict_columns, effect_columns, condition_columns, value_columns;
	int indent;   /* of the conditions */
	bool stacked; /* they stand below the rule */
};

/* What was seen, and why it is missing; what the result says already goes unsaid. */
static const char *seen(struct arena *arena, const struct trace_node *n)
{
	bool said = !n->value || str_eq(n->value, tri_name(n->result)) || (n->note && str_eq(n->value, "missing"));

	if (!n->note)
		return said ? "" : n->value;
	return said ? n->note : arena_printf(arena, "%s %s", n->value, n->note);
}

static void add_line(struct layout *l, const char *prefix, const struct trace_node *n)
{
	struct arena *arena = l->trace->arena;

	if (l->n == l->room) {
		struct trace_line *more = arena_new_array(arena, struct trace_line, (size_t)MAX(l->room * 2, 64));

		if (l->n)
			memcpy(more, l->lines, sizeof(*more) * (size_t)l->n);
		l->lines = more;
		l->room = MAX(l->room * 2, 64);
	}
	l->lines[l->n++] = (struct trace_line){arena_printf(arena, "%s%s", prefix, n->text), seen(arena, n), n->result};
}

static const char *indent_of(const struct layout *l, const char *prefix, int more)
{
	int columns = MIN(text_columns(prefix, strlen(prefix)) + more, INDENT_MAX);

	return arena_printf(l->trace->arena, "%*s", columns, "");
}

static bool is_joint(const struct trace_node *n)
{
	return n->n_children > 0 && (str_eq(n->text, "and") || str_eq(n->text, "or"));
}

/*
 * The tree, leaf by leaf. What joins a leaf to the ones before it stands before it, under the first of them; so does the name of a
 * fact before its condition. `not` of one condition is told with it, `not` of several has a line of its own.
 */
static void add_node(struct layout *l, const char *prefix, const struct trace_node *n)
{
	struct arena *arena = l->trace->arena;
	struct trace_node whole;

	if (n->n_children == 0) {
		add_line(l, prefix, n);
	} else if (is_joint(n)) {
		const char *first = is_joint(&n->children[0]) ? indent_of(l, prefix, (int)strlen(n->text) + 1) : prefix;
		const char *rest = arena_printf(arena, "%s%s ", indent_of(l, prefix, 0), n->text);

		for (int i = 0; i < n->n_children; i++)
			add_node(l, i ? rest : first, &n->children[i]);
	} else if (str_eq(n->text, "not") && n->children[0].n_children == 0) {
		whole = n->children[0];
		whole.result = n->result;
		add_line(l, arena_printf(arena, "%snot ", prefix), &whole);
	} else if (str_eq(n->text, "not") || n->value) {
		add_line(l, prefix, n);
		add_node(l, indent_of(l, prefix, 2), &n->children[0]);
	} else {
		add_node(l, arena_printf(arena, "%s%s: ", prefix, n->text), &n->children[0]);
	}
}

static const char *effect(const struct rule *rule, enum tri result)
{
	if (result != TRI_TRUE)
		return "";
	return rule->kind == RULE_CASE ? priority_name(rule->priority) : rule_kind_name(rule->kind);
}

static int widest(const struct layout *l, bool values)
{
	int columns = 0;

	for (int i = 0; i < l->n; i++) {
		const char *text = values ? l->lines[i].value : l->lines[i].text;

		columns = MAX(columns, text_columns(text, strlen(text)));
	}
	return columns;
}

/* On a narrow terminal verdict and effect are one column, on a very narrow one the conditions stand below them. */
static void lay_out(struct layout *l, int columns)
{
	const struct settings *s = l->trace->settings;
	int left, values = widest(l, true), conditions = widest(l, false);

	for (int i = 0; i < s->n_rules; i++)
		l->id_columns = MAX(l->id_columns, (int)strlen(s->rules[i].id));
	l->id_columns = MIN(l->id_columns, MAX(columns / 5, 12));
	l->verdict_columns = columns >= WIDE_COLUMNS ? 11 : 14;
	l->effect_columns = columns >= WIDE_COLUMNS ? 8 : 0;
	l->indent = 2 + l->id_columns + 2 + l->verdict_columns + l->effect_columns;
	l->stacked = columns - l->indent - RESULT_COLUMNS < CONDITION_COLUMNS_LEAST;
	if (l->stacked)
		l->indent = 4;
	left = columns - l->indent - RESULT_COLUMNS;
	l->value_columns = MIN(values, MAX(left / 3, left - conditions));
	l->condition_columns = MIN(conditions, left - l->value_columns);
}

static void put_end(struct buf *out)
{
	while (out->n && out->p[out->n - 1] == ' ')
		out->n--;
	buf_putc(out, '\n');
}

static void put_line(const struct layout *l, const struct trace_line *line, struct buf *out)
{
	text_put_cell(out, line->text, l->condition_columns, false);
	buf_puts(out, "  ");
	text_put_cell(out, tri_name(line->result), 7, false);
	buf_puts(out, "  ");
	text_put_clipped(out, line->value, l->value_columns);
	put_end(out);
}

static void put_head(const struct layout *l, int i, struct buf *out)
{
	static const char *const words[] = {"no", "undecided", "MATCH"};
	const struct trace *t = l->trace;
	const struct rule *rule = &t->settings->rules[i];
	enum tri result = t->verdict.results[i];
	const char *effects = effect(rule, result);

	buf_puts(out, "  ");
	text_put_cell(out, rule->id, l->id_columns, false);
	buf_puts(out, "  ");
	if (l->effect_columns) {
		text_put_cell(out, words[result + 1], l->verdict_columns, false);
		text_put_cell(out, effects, l->effect_columns, false);
	} else {
		text_put_cell(out, arena_printf(t->arena, "%s %s", words[result + 1], effects), l->verdict_columns, false);
	}
}

/* Which rule decides, when several match. */
static const char *of_how_many(const struct trace *t)
{
	const struct verdict *v = &t->verdict;
	int equal = 0;

	for (int i = 0; i < t->settings->n_rules; i++)
		equal += v->results[i] == TRI_TRUE && t->settings->rules[i].kind == RULE_CASE &&
			 t->settings->rules[i].priority == t->settings->rules[v->winner].priority;
	if (v->n_case == 1)
		return "";
	if (equal > 1)
		return arena_printf(t->arena, " (first of %d with the highest priority, %d matches)", equal, v->n_case);
	return arena_printf(t->arena, " (highest of %d matches)", v->n_case);
}

static const char *first_true(const struct trace *t, enum rule_kind kind)
{
	for (int i = 0; i < t->settings->n_rules; i++)
		if (t->verdict.results[i] == TRI_TRUE && t->settings->rules[i].kind == kind)
			return t->settings->rules[i].id;
	return "-";
}

const char *trace_decision(const struct trace *t)
{
	const struct verdict *v = &t->verdict;
	const struct settings *s = t->settings;
	const struct rule *rule;

	if (v->ignored)
		return arena_printf(t->arena, "ignored: %s matches, nothing else counts", first_true(t, RULE_IGNORE));
	if (v->winner >= 0) {
		rule = &s->rules[v->winner];
		return arena_printf(t->arena, "priority %s, route %s, follow_up %s from %s%s", priority_name(rule->priority),
				    rule->route ? rule->route->id : "-", rule->follow_up ? rule->follow_up->id : "-", rule->id,
				    of_how_many(t));
	}
	if (v->n_praise)
		return arena_printf(t->arena, "praise, route %s from %s: no case",
				    s->rules[v->first_praise].route ? s->rules[v->first_praise].route->id : "-",
				    s->rules[v->first_praise].id);
	if (v->n_note)
		return arena_printf(t->arena, "noted by %s: no case, nobody is told", first_true(t, RULE_NOTE));
	if (v->undecided)
		return arena_printf(t->arena, "no rule matches (%d undecided): no case, nobody is told", v->undecided);
	return "no rule matches: no case, nobody is told";
}

static bool is_wanted(const bool *wanted, int i)
{
	return !wanted || wanted[i];
}

void trace_put_rules(const struct trace *t, const bool *wanted, int columns, struct buf *out)
{
	const struct settings *s = t->settings;
	int *ends = arena_new_array(t->arena, int, (size_t)s->n_rules + 1);
	struct layout l = {.trace = t};

	for (int i = 0; i < s->n_rules; i++) {
		if (is_wanted(wanted, i))
			add_node(&l, "", ruleset_trace(s->ruleset, t->scratch, i, t->response, t->arena));
		ends[i] = l.n;
	}
	lay_out(&l, columns);
	for (int i = 0, k = 0; i < s->n_rules; i++) {
		if (!is_wanted(wanted, i))
			continue;
		put_head(&l, i, out);
		for (int first = k; k < ends[i]; k++) {
			if (l.stacked && k == first)
				put_end(out);
			if (l.stacked || k > first)
				text_put_cell(out, "", l.indent, false);
			put_line(&l, &l.lines[k], out);
		}
	}
}

void trace_put(const struct trace *t, int columns, struct buf *out)
{
	trace_put_rules(t, NULL, columns, out);
	text_put_wrapped(out, trace_decision(t), columns, 0);
	if (t->verdict.over_limit)
		buf_puts(out, "a regular expression hit its match limit and counted as missing\n");
}

/* ---- JSON ---- */

static void put_node_json(const struct trace_node *n, struct buf *out)
{
	buf_puts(out, "{\"text\":");
	json_put_string(out, n->text);
	buf_printf(out, ",\"result\":\"%s\",\"value\":", tri_name(n->result));
	json_put_string(out, n->value);
	buf_puts(out, ",\"note\":");
	json_put_string(out, n->note);
	buf_puts(out, ",\"conditions\":[");
	for (int i = 0; i < n->n_children; i++) {
		if (i)
			buf_putc(out, ',');
		put_node_json(&n->children[i], out);
	}
	buf_puts(out, "]}");
}

void trace_put_json(const struct trace *t, struct buf *out)
{
	const struct settings *s = t->settings;
	const struct verdict *v = &t->verdict;

	buf_puts(out, "\"rules\":[");
	for (int i = 0; i < s->n_rules; i++) {
		buf_puts(out, i ? ",{\"rule\":" : "{\"rule\":");
		json_put_string(out, s->rules[i].id);
		buf_printf(out, ",\"kind\":\"%s\",\"priority\":\"%s\",\"result\":\"%s\",\"matched\":%s,\"condition\":",
			   rule_kind_name(s->rules[i].kind), priority_name(s->rules[i].priority), tri_name(v->results[i]),
			   v->results[i] == TRI_TRUE ? "true" : "false");
		put_node_json(ruleset_trace(s->ruleset, t->scratch, i, t->response, t->arena), out);
		buf_putc(out, '}');
	}
	buf_printf(out, "],\"ignored\":%s,\"winner\":", v->ignored ? "true" : "false");
	json_put_string(out, v->winner >= 0 && !v->ignored ? s->rules[v->winner].id : NULL);
}
