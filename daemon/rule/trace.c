/*
 * Trace: one rule over one response, told as a tree.
 *
 * Leaves are run by the same code as when judging, so a trace cannot disagree with a verdict.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "rule/limits.h"
#include "rule/number.h"
#include "rule/run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

struct tracer {
	struct rule_scratch *s;
	struct arena *arena;
	int n_nodes;
};

/* Source text of a part, on one line. */
static const char *part_text(struct arena *arena, const struct source *src, struct span span)
{
	char *text = arena_alloc(arena, (size_t)span.length + 1);
	bool space = false;
	int n = 0;

	for (int i = 0; i < span.length; i++) {
		char c = src->text[span.at + i];

		if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
			space = n > 0;
			continue;
		}
		if (space)
			text[n++] = ' ';
		space = false;
		text[n++] = c;
	}
	text[n] = '\0';
	return text;
}

static const char *text_value(struct arena *arena, const char *text)
{
	struct slice s = text_trim(text, strlen(text));
	size_t n = utf8_clip(s.p, s.n, TRACE_VALUE_BYTES_MAX);

	return arena_printf(arena, "'%.*s%s'", (int)n, s.p, n < s.n ? "…" : "");
}

/* "12.38": days to the nearest quarter of an hour, unless that would make a whole number of what is none. */
static const char *days_text(double days, char text[NUMBER_TEXT_BYTES])
{
	snprintf(text, NUMBER_TEXT_BYTES, "%.2f", days);
	if (days == floor(days))
		return number_text(days, text);
	if (strcmp(text + strlen(text) - 3, ".00") == 0)
		snprintf(text, NUMBER_TEXT_BYTES, "%.6f", days);
	return text;
}

static const char *input_value(struct tracer *t, int index)
{
	const struct input *in = &t->s->rs->inputs[index];
	const struct cell *cell = run_cell(t->s, (uint32_t)index);
	char number[NUMBER_TEXT_BYTES], time_text[WALL_TEXT_BYTES];
	struct wall_time time;
	const char *text;

	if (cell->missing)
		return "missing";
	switch (in->type) {
	case TYPE_NUMBER:
		return arena_strdup(t->arena, in->source == INPUT_DAYS ? days_text(cell->number, number)
								       : number_text(cell->number, number));
	case TYPE_BOOL: return cell->truth ? "true" : "false";
	case TYPE_TIME: input_time(in, t->s->response, &time); return arena_strdup(t->arena, wall_text(time, time_text));
	default: input_text(in, t->s->response, &text); return text_value(t->arena, text);
	}
}

/* "delivery 2", or "effort 6 (2 of 5 stars)" when it counts as something else than it is. */
static void put_rating(const struct rating *rating, double stars, struct buf *out)
{
	char number[NUMBER_TEXT_BYTES];

	buf_printf(out, "%.*s %s", (int)utf8_clip(rating->name, strlen(rating->name), TRACE_VALUE_BYTES_MAX), rating->name,
		   number_text(rating->value, number));
	if (stars != rating->value)
		buf_printf(out, " (%.3g of 5 stars)", stars);
}

/* "delivery 2, service 4": those that decide it, else all. */
static const char *ratings_value(struct tracer *t, const struct node *test, enum tri result)
{
	const struct ruleset *rs = t->s->rs;
	const struct response *r = t->s->response;
	bool any = test->quantifier == QUANTIFIER_ANY, some = (result == TRI_TRUE) == any;
	double values[RULE_LIST_MAX];
	struct buf out = BUF_INIT(4096);
	const char *text;
	int shown = 0;

	if (r->n_ratings == 0)
		return "missing";
	for (int i = 0; i < test->n_right; i++)
		values[i] = test->right[i].number;
	for (int i = 0; i < r->n_ratings; i++) {
		double stars = rating_stars(&r->ratings[i], rs->scales, rs->n_scales);

		if (some && number_holds(test->test, stars, values, test->n_right) != any)
			continue;
		if (shown++ == TRACE_RATINGS_MAX) {
			buf_puts(&out, ", …");
			break;
		}
		buf_puts(&out, shown > 1 ? ", " : "");
		put_rating(&r->ratings[i], stars, &out);
	}
	text = arena_strdup(t->arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

static void trace_expression(struct tracer *t, const struct expression *e, struct trace_node *to);

static const char *tri_text(enum tri v)
{
	return v == TRI_TRUE ? "true" : v == TRI_FALSE ? "false" : "missing";
}

/* A named fact: the node carries its name or the test of it, its condition hangs below. */
static void trace_fact(struct tracer *t, const struct node *test, struct trace_node *to)
{
	const struct named_fact *fact = &t->s->rs->facts[test->left.index];

	if (test->test != TEST_TRUE || t->n_nodes >= TRACE_NODES_MAX)
		to->value = tri_text(run_code(t->s, fact->expression.code_from, fact->expression.code_to));
	if (t->n_nodes >= TRACE_NODES_MAX)
		return;
	t->n_nodes++;
	to->children = arena_new_obj(t->arena, struct trace_node);
	to->n_children = 1;
	trace_expression(t, &fact->expression, to->children);
}

/* Of the first operand that is missing. */
static const char *missing_note(struct tracer *t, const struct node *test)
{
	const struct rule_scratch *s = t->s;

	if (run_cell(t->s, (uint32_t)test->left.index)->missing)
		return input_missing_note(&s->rs->inputs[test->left.index], s->response);
	if (test->n_right == 1 && !operand_is_literal(&test->right[0]) &&
	    run_cell(t->s, (uint32_t)test->right[0].index)->missing)
		return input_missing_note(&s->rs->inputs[test->right[0].index], s->response);
	return NULL;
}

static void trace_test(struct tracer *t, const struct source *src, const struct node *test, struct trace_node *to)
{
	struct rule_scratch *s = t->s;

	to->text = part_text(t->arena, src, test->span);
	s->over_limit = false;
	to->result = run_code(s, test->code_from, test->code_to);
	if (test->quantifier != QUANTIFIER_NONE) {
		to->value = ratings_value(t, test, to->result);
		return;
	}
	if (test->left.reference == REFERENCE_FACT) {
		trace_fact(t, test, to);
		return;
	}
	to->value = input_value(t, test->left.index);
	if (test->n_right == 1 && !operand_is_literal(&test->right[0]))
		to->value = arena_printf(t->arena, "%s and %s", to->value, input_value(t, test->right[0].index));
	if (s->over_limit)
		to->note = "match limit reached";
	else
		to->note = missing_note(t, test);
}

static void trace_node(struct tracer *t, const struct source *src, const struct node *node, struct trace_node *to)
{
	int i = 0;

	if (node->kind == NODE_TEST) {
		trace_test(t, src, node, to);
		return;
	}
	to->result = run_code(t->s, node->code_from, node->code_to);
	if (node->kind == NODE_CONSTANT) {
		to->text = to->value = node->truth ? "true" : "false";
		return;
	}
	to->text = node->kind == NODE_AND ? "and" : node->kind == NODE_OR ? "or" : "not";
	to->n_children = node->n_children;
	to->children = arena_new_array(t->arena, struct trace_node, (size_t)node->n_children);
	t->n_nodes += node->n_children;
	for_each_child(child, node) trace_node(t, src, child, &to->children[i++]);
}

static void trace_expression(struct tracer *t, const struct expression *e, struct trace_node *to)
{
	trace_node(t, &e->source, e->root, to);
}

struct trace_node *ruleset_trace(const struct ruleset *rs, struct rule_scratch *scratch, int rule,
				 const struct response *response, struct arena *arena)
{
	struct tracer t = {.s = scratch, .arena = arena};
	struct trace_node *root = arena_new_obj(arena, struct trace_node);

	run_begin(scratch, response);
	trace_expression(&t, &rs->rules[rule].expression, root);
	return root;
}
