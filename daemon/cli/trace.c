/*
 * What the rules say of one response; see trace.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/trace.h"
#include "base/escape.h"
#include "cli/text.h"

#include <string.h>

#define CONDITION_COLUMNS 44
#define PREFIX_BYTES 512
#define VERDICT_COLUMNS 11                                      /* "undecided" and a gap */
#define EFFECT_COLUMNS 8                                        /* "urgent" and a gap */
#define RULE_COLUMNS (2 + 2 + VERDICT_COLUMNS + EFFECT_COLUMNS) /* beside the rule's name */
#define RESULT_COLUMNS (2 + 7 + 2)

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

struct lines {
	struct buf *out;
	int id_columns, condition_columns, value_columns;
	bool first; /* of this rule: the rule's own columns stand before it */
};

static void put_leaf(struct lines *l, const char *prefix, const struct trace_node *n)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(RULE_EXPR_BYTES_MAX + PREFIX_BYTES);

	if (!l->first)
		text_put_cell(l->out, "", l->id_columns + RULE_COLUMNS, false);
	l->first = false;
	buf_puts(&text, prefix);
	buf_puts(&text, n->text);
	text_put_cell(l->out, buf_str(&text), l->condition_columns, false);
	buf_puts(l->out, "  ");
	text_put_cell(l->out, tri_name(n->result), 7, false);
	buf_puts(l->out, "  ");
	if (n->value && !(n->result == TRI_MISSING && str_eq(n->value, "missing")) && !str_eq(n->value, tri_name(n->result)))
		text_put_clipped(l->out, n->value, l->value_columns);
	if (n->note) {
		buf_puts(l->out, n->value ? " " : "");
		text_put_clipped(l->out, n->note, l->value_columns);
	}
	while (l->out->n && l->out->p[l->out->n - 1] == ' ')
		l->out->n--;
	buf_putc(l->out, '\n');
}

/* and, or and brackets go unsaid; a named fact and `not` stand before what is inside them. */
static void put_node(struct lines *l, const char *prefix, const struct trace_node *n)
{
	char inner[PREFIX_BYTES];
	struct buf b = {.p = inner, .room = sizeof(inner), .cap_bytes = sizeof(inner) - 1};
	const char *inside = prefix;

	if (n->n_children == 0) {
		put_leaf(l, prefix, n);
		return;
	}
	if (!str_eq(n->text, "and") && !str_eq(n->text, "or")) {
		inner[0] = '\0';
		buf_puts(&b, prefix);
		buf_puts(&b, n->text);
		buf_puts(&b, str_eq(n->text, "not") ? " " : ": ");
		inside = inner;
	}
	for (int i = 0; i < n->n_children; i++)
		put_node(l, inside, &n->children[i]);
}

static const char *effect(const struct rule *rule, enum tri result)
{
	if (result != TRI_TRUE)
		return "";
	return rule->kind == RULE_CASE ? priority_name(rule->priority) : rule_kind_name(rule->kind);
}

static void put_rule(const struct trace *t, struct lines *l, int i)
{
	static const char *const words[] = {"no", "undecided", "MATCH"};
	const struct rule *rule = &t->settings->rules[i];
	enum tri result = t->verdict.results[i];
	const struct trace_node *root = ruleset_trace(t->settings->ruleset, t->scratch, i, t->response, t->arena);

	buf_puts(l->out, "  ");
	text_put_cell(l->out, rule->id, l->id_columns, false);
	buf_puts(l->out, "  ");
	text_put_cell(l->out, words[result + 1], VERDICT_COLUMNS, false);
	text_put_cell(l->out, effect(rule, result), EFFECT_COLUMNS, false);
	l->first = true;
	put_node(l, "", root);
}

static void put_decision(const struct trace *t, struct buf *out)
{
	const struct verdict *v = &t->verdict;
	const struct settings *s = t->settings;

	if (v->ignored) {
		buf_puts(out, "ignored: an ignore rule matches, nothing else counts\n");
	} else if (v->winner >= 0) {
		const struct rule *rule = &s->rules[v->winner];

		buf_printf(out, "case: priority %s, route %s, follow_up %s, from %s%s\n", priority_name(rule->priority),
			   rule->route ? rule->route->id : "-", rule->follow_up ? rule->follow_up->id : "-", rule->id,
			   v->n_case == 1 ? "" : arena_printf(t->arena, " (highest of %d matches)", v->n_case));
	} else if (v->n_praise) {
		buf_printf(out, "praise from %s: no case\n", s->rules[v->first_praise].id);
	} else if (v->n_note) {
		buf_puts(out, "noted: no case, nobody is told\n");
	} else {
		buf_puts(out, "no rule matches: no case, nobody is told\n");
	}
	if (v->over_limit)
		buf_puts(out, "a regular expression hit its match limit and counted as missing\n");
}

void trace_put(const struct trace *t, int columns, struct buf *out)
{
	struct lines l = {.out = out};

	for (int i = 0; i < t->settings->n_rules; i++)
		l.id_columns = MAX(l.id_columns, text_columns(t->settings->rules[i].id, strlen(t->settings->rules[i].id)));
	l.condition_columns = MIN(CONDITION_COLUMNS, MAX(16, columns - l.id_columns - RULE_COLUMNS - RESULT_COLUMNS - 16));
	l.value_columns = MAX(16, columns - l.id_columns - RULE_COLUMNS - l.condition_columns - RESULT_COLUMNS);
	for (int i = 0; i < t->settings->n_rules; i++)
		put_rule(t, &l, i);
	put_decision(t, out);
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
