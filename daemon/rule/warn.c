/*
 * Warnings about `!=` and `not` where a fact may be missing: the comparison is missing then, and the rule silent,
 * which is seldom what was meant.
 *
 * Quiet where the author has thought of it: beside `X is present` (or a test that only a present X passes) in a chain
 * of and, beside `X is missing` in a chain of or.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/set.h"

#define HINT_BYTES_MAX 60 /* of the part that a hint repeats */

/* Operands known to be present where a node is looked at. */
struct guard {
	const struct operand *operand;
	const struct guard *outer;
};

struct warner {
	const struct ruleset *rs;
	struct source *src;
};

bool operand_may_miss(const struct ruleset *rs, const struct operand *o)
{
	if (o->reference == REFERENCE_FACT)
		return rs->facts[o->index].may_miss;
	return o->reference == REFERENCE_INPUT && !rs->inputs[o->index].always;
}

static bool never_missing(enum test test)
{
	return test == TEST_MISSING || test == TEST_PRESENT || test == TEST_IS || test == TEST_IS_NOT;
}

bool node_may_miss(const struct ruleset *rs, const struct node *node)
{
	if (node->kind == NODE_TEST) {
		if (node->quantifier != QUANTIFIER_NONE)
			return true;
		if (never_missing(node->test))
			return false;
		return node->test == TEST_MATCHES || operand_may_miss(rs, &node->left) ||
		       (node->n_right == 1 && operand_may_miss(rs, &node->right[0]));
	}
	for_each_child(child, node) if (node_may_miss(rs, child)) return true;
	return false;
}

static bool is_guarded(const struct guard *guards, const struct operand *o)
{
	for (; guards; guards = guards->outer)
		if (guards->operand->reference == o->reference && guards->operand->index == o->index)
			return true;
	return false;
}

/* The first operand in it whose being missing makes the whole missing; a quantified node for the ratings. */
static const struct node *first_missing(const struct warner *w, const struct node *node, const struct guard *guards,
					const struct operand **ret)
{
	const struct node *found;

	if (node->kind == NODE_TEST) {
		if (!node_may_miss(w->rs, node))
			return NULL;
		*ret = NULL;
		if (node->quantifier != QUANTIFIER_NONE)
			return node;
		if (operand_may_miss(w->rs, &node->left) && !is_guarded(guards, &node->left))
			*ret = &node->left;
		else if (node->n_right == 1 && operand_may_miss(w->rs, &node->right[0]) && !is_guarded(guards, &node->right[0]))
			*ret = &node->right[0];
		return *ret ? node : NULL;
	}
	for_each_child(child, node)
	{
		found = first_missing(w, child, guards, ret);
		if (found)
			return found;
	}
	return NULL;
}

static const char *not_hint(const struct warner *w, const struct node * not, const struct node *test, const struct operand *o)
{
	static const char *const turned[] = {NULL, NULL, ">=", ">", "<=", "<"};
	struct source *src = w->src;
	const struct node *child = not ->first;
	struct span rest = {child->span.at, not ->span.at + not ->span.length - child->span.at};

	if (child != test)
		return rest.length <= HINT_BYTES_MAX
			       ? arena_printf(src->arena, "write: %.*s is missing or not %.*s", SPAN_ARG(src, o->span),
					      SPAN_ARG(src, rest))
			       : arena_printf(src->arena, "write: %.*s is missing or not (…)", SPAN_ARG(src, o->span));
	if (test->test == TEST_TRUE)
		return arena_printf(src->arena, "write: %.*s is not true", SPAN_ARG(src, o->span));
	if (test->test == TEST_EQ && operand_is_literal(&test->right[0]) && o == &test->left)
		return arena_printf(src->arena, "write: %.*s is not %.*s", SPAN_ARG(src, o->span),
				    SPAN_ARG(src, test->right[0].span));
	if (test->test >= TEST_LT && test->test <= TEST_GE && operand_is_literal(&test->right[0]))
		return arena_printf(src->arena, "write: %.*s %s %.*s or %.*s is missing", SPAN_ARG(src, o->span),
				    turned[test->test], SPAN_ARG(src, test->right[0].span), SPAN_ARG(src, o->span));
	if (rest.length <= HINT_BYTES_MAX)
		return arena_printf(src->arena, "write: %.*s is missing or not %.*s", SPAN_ARG(src, o->span),
				    SPAN_ARG(src, rest));
	return arena_printf(src->arena, "write: %.*s is missing or not …", SPAN_ARG(src, o->span));
}

static void warn_not(const struct warner *w, const struct node *node, const struct guard *guards)
{
	const struct operand *o;
	const struct node *test = first_missing(w, node->first, guards, &o);

	if (!test)
		return;
	if (o)
		source_warn(w->src, o->span, not_hint(w, node, test, o), "'not' is missing where %.*s is missing",
			    SPAN_ARG(w->src, o->span));
	else
		source_warn(w->src, test->span, "name it in facts and write: NAME is not true",
			    "'not' is missing where there is no rating");
}

static void warn_unequal(const struct warner *w, const struct node *test, const struct guard *guards)
{
	struct source *src = w->src;
	const struct operand *o;

	if (test->test != TEST_NE || test->quantifier != QUANTIFIER_NONE || !first_missing(w, test, guards, &o))
		return;
	source_warn(src, o->span,
		    operand_is_literal(&test->right[0])
			    ? arena_printf(src->arena, "write: %.*s is not %.*s", SPAN_ARG(src, o->span),
					   SPAN_ARG(src, test->right[0].span))
			    : arena_printf(src->arena, "write: %.*s is missing or …", SPAN_ARG(src, o->span)),
		    "'!=' is missing where %.*s is missing", SPAN_ARG(src, o->span));
}

/* Whether a sibling in a chain says that its operand is there (and) or handles that it isn't (or). */
static bool guards_sibling(enum node_kind chain, const struct node *node)
{
	if (node->kind != NODE_TEST || node->quantifier != QUANTIFIER_NONE || node->left.reference == REFERENCE_NONE)
		return false;
	if (chain == NODE_OR)
		return node->test == TEST_MISSING;
	return node->test != TEST_MISSING && node->test != TEST_IS_NOT && node->test != TEST_NE;
}

static void walk(const struct warner *w, const struct node *node, const struct guard *guards);

/* Each child is looked at with what its siblings vouch for. */
static void walk_child(const struct warner *w, const struct node *chain, const struct node *child, const struct node *sibling,
		       const struct guard *guards)
{
	while (sibling && (sibling == child || !guards_sibling(chain->kind, sibling)))
		sibling = sibling->next;
	if (sibling) {
		struct guard guard = {&sibling->left, guards};

		walk_child(w, chain, child, sibling->next, &guard);
	} else {
		walk(w, child, guards);
	}
}

static void walk(const struct warner *w, const struct node *node, const struct guard *guards)
{
	if (node->kind == NODE_TEST) {
		warn_unequal(w, node, guards);
	} else if (node->kind == NODE_NOT) {
		warn_not(w, node, guards);
	} else {
		for_each_child(child, node) walk_child(w, node, child, node->first, guards);
	}
}

void warn_missing(const struct ruleset *rs, struct expression *e)
{
	struct warner w = {rs, &e->source};

	walk(&w, e->root, NULL);
}
