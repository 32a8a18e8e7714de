/*
 * What a rule set reads, and what was missing where a rule came out undecided; see rule.h.
 *
 * Blame follows the tree to the parts that are missing and takes their facts: in `nps <= 6 and touchpoint = 'a'` with nps 9 nothing
 * is missing, whatever is known of the touchpoint. Parts are run by the code that judged, over the cells it has filled.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/run.h"

#include <string.h>

static bool input_reads(const struct input *in, const char *column)
{
	if (in->of)
		return input_reads(in->of, column);
	switch (in->source) {
	case INPUT_RATING: return strcmp(column, "ratings") == 0;
	case INPUT_ATTRIBUTE: return strcmp(column, "attributes") == 0;
	default: return in->column && strcmp(in->column->name, column) == 0;
	}
}

bool ruleset_reads(const struct ruleset *rs, const char *column)
{
	if (rs->all_ratings && strcmp(column, "ratings") == 0)
		return true;
	for (int i = 0; i < rs->n_inputs; i++) {
		const struct input *in = &rs->inputs[i];

		if (in->used && !in->previous && !(in->of && in->of->previous) && input_reads(in, column))
			return true;
	}
	return false;
}

int ruleset_fact_count(const struct ruleset *rs)
{
	return rs->n_inputs + 1;
}

const char *ruleset_fact_name(const struct ruleset *rs, int fact)
{
	return fact < rs->n_inputs ? rs->inputs[fact].shown : "ratings";
}

struct blame {
	struct rule_scratch *s;
	int *facts;
	int n, max;
};

static void blame_fact(struct blame *b, int fact)
{
	for (int i = 0; i < b->n; i++)
		if (b->facts[i] == fact)
			return;
	if (b->n < b->max)
		b->facts[b->n++] = fact;
}

static void blame_input(struct blame *b, const struct operand *o)
{
	if (o->reference == REFERENCE_INPUT && run_cell(b->s, (uint32_t)o->index)->missing)
		blame_fact(b, o->index);
}

static void blame_node(struct blame *b, const struct node *node)
{
	if (run_code(b->s, node->code_from, node->code_to) != TRI_MISSING)
		return;
	for_each_child(child, node) blame_node(b, child);
	if (node->kind != NODE_TEST)
		return;
	if (node->quantifier != QUANTIFIER_NONE) {
		blame_fact(b, b->s->rs->n_inputs);
	} else if (node->left.reference == REFERENCE_FACT) {
		blame_node(b, b->s->rs->facts[node->left.index].expression.root);
	} else {
		blame_input(b, &node->left);
		for (int i = 0; i < node->n_right; i++)
			blame_input(b, &node->right[i]);
	}
}

int ruleset_blame(const struct ruleset *rs, struct rule_scratch *scratch, int rule, int *ret, int max)
{
	struct blame b = {scratch, ret, 0, max};

	blame_node(&b, rs->rules[rule].expression.root);
	return b.n;
}

/* Facts that may be missing, wherever they stand. */
static void suspect_node(const struct ruleset *rs, struct blame *b, const struct node *node)
{
	for_each_child(child, node) suspect_node(rs, b, child);
	if (node->kind != NODE_TEST)
		return;
	if (node->test == TEST_MATCHES) { /* it may reach its limit: nobody's fault */
		blame_fact(b, -1);
		blame_fact(b, -2);
	} else if (node->quantifier != QUANTIFIER_NONE) {
		blame_fact(b, rs->n_inputs);
	} else if (node->left.reference == REFERENCE_FACT) {
		suspect_node(rs, b, rs->facts[node->left.index].expression.root);
	} else {
		if (!rs->inputs[node->left.index].always)
			blame_fact(b, node->left.index);
		for (int i = 0; i < node->n_right; i++)
			if (node->right[i].reference == REFERENCE_INPUT && !rs->inputs[node->right[i].index].always)
				blame_fact(b, node->right[i].index);
	}
}

int ruleset_culprit(const struct ruleset *rs, int rule)
{
	int facts[2];
	struct blame b = {NULL, facts, 0, ARRAY_SIZE(facts)};

	suspect_node(rs, &b, rs->rules[rule].expression.root);
	return b.n == 1 ? facts[0] : -1;
}
