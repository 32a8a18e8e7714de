/*
 * Checker: names become inputs or named facts (resolve.c), types must fit, and literals are what their test needs.
 *
 * It goes on after a mistake: every wrong leaf of an expression is reported, each once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/limits.h"
#include "rule/number.h"
#include "rule/regex.h"
#include "rule/set.h"

#include <string.h>
#include <strings.h>

/* One operand that is no condition by itself. */
static void check_bare(struct checker *c, struct node *test)
{
	const struct operand *o = &test->left;
	const char *shown = operand_shown(c->src, o), *hint = NULL;

	if (o->type == TYPE_BOOL)
		return;
	if (o->type == TYPE_NUMBER)
		hint = arena_printf(c->src->arena, "compare it: %s <= 2", shown);
	else
		hint = arena_printf(c->src->arena, "write: %s is present", shown);
	source_error(c->src, o->span, hint, "'%s' is %s, not a condition", shown, rule_type_words[o->type]);
}

/* A literal of another type than its fact. */
static void report_mismatch(struct checker *c, const struct operand *fact, enum value_type type, const struct operand *value)
{
	const char *hint = NULL, *shown = operand_shown(c->src, value), *left = fact ? operand_shown(c->src, fact) : "a rating";
	double number;

	if (type == TYPE_TEXT && value->kind == OPERAND_NUMBER)
		hint = arena_printf(c->src->arena, "write: '%s'", shown);
	else if (type == TYPE_NUMBER && value->kind == OPERAND_TEXT &&
		 number_parse(value->text, strlen(value->text), &number) == 0)
		hint = arena_printf(c->src->arena, "write: %s", value->text);
	else if (type == TYPE_BOOL)
		hint = arena_printf(c->src->arena, "write: %s, or: not %s", left, left);
	else if (type == TYPE_TIME)
		hint = "times can be tested with is missing and is present only";
	source_error(c->src, value->span, hint, "%s is %s, %s is %s", left, rule_type_words[type], shown,
		     rule_type_words[value->type]);
}

/* Blank text is missing, so comparing with it could never be true. */
static void check_literal(struct checker *c, const struct node *test, const struct operand *fact, struct operand *value)
{
	enum value_type type = fact ? fact->type : TYPE_NUMBER;
	struct slice trimmed;

	if (value->type != type || type == TYPE_TIME) {
		report_mismatch(c, fact, type, value);
		return;
	}
	if (type != TYPE_TEXT || test->test == TEST_MATCHES)
		return;
	trimmed = text_trim(value->text, strlen(value->text));
	if (trimmed.n == 0)
		source_error(c->src, value->span,
			     arena_printf(c->src->arena, "write: %s is %s", operand_shown(c->src, fact),
					  test->test == TEST_NE || test->test == TEST_IS_NOT ? "present" : "missing"),
			     "blank text is missing, nothing compares with it");
	else if (test->test == TEST_CONTAINS && trimmed.n != strlen(value->text))
		source_warn(c->src, value->span,
			    arena_printf(c->src->arena, "whole words: %s matches '\\b%.*s\\b'", operand_shown(c->src, fact),
					 (int)trimmed.n, trimmed.p),
			    "spaces around a text are ignored");
}

static void check_matches(struct checker *c, struct node *test)
{
	struct ruleset *rs = c->rs;
	struct operand *pattern = &test->right[0];
	struct regex *re;

	if (pattern->text[0] == '\0') {
		source_error(c->src, pattern->span, NULL, "an empty regex fits everything");
		return;
	}
	if (rs->n_regexes == RULE_REGEX_MAX) {
		source_error(c->src, pattern->span, "use contains where it will do", "more than %d regexes in one set",
			     RULE_REGEX_MAX);
		return;
	}
	re = regex_new(c->src, pattern->span, pattern->text);
	if (!re)
		return;
	SET_GROW(rs->regexes, rs->n_regexes, rs->room_regexes);
	pattern->index = rs->n_regexes;
	rs->regexes[rs->n_regexes++] = re;
}

/* What each test may be asked of. */
static bool type_allows(enum value_type type, enum test test)
{
	switch (test) {
	case TEST_LT:
	case TEST_LE:
	case TEST_GT:
	case TEST_GE:
	case TEST_BETWEEN: return type == TYPE_NUMBER;
	case TEST_CONTAINS:
	case TEST_MATCHES: return type == TYPE_TEXT;
	case TEST_IN: return type == TYPE_NUMBER || type == TYPE_TEXT;
	case TEST_EQ:
	case TEST_NE:
	case TEST_IS:
	case TEST_IS_NOT:
	case TEST_MISSING:
	case TEST_PRESENT:
	case TEST_TRUE: return true;
	}
	return false;
}

static void report_test(struct checker *c, const struct node *test)
{
	const struct operand *o = &test->left;
	bool text_only = test->test == TEST_CONTAINS || test->test == TEST_MATCHES;
	const char *hint = NULL;

	if (o->type == TYPE_TEXT)
		hint = "texts have: = != in contains matches is";
	else if (o->type == TYPE_NUMBER)
		hint = "numbers have: = != < <= > >= in between is";
	else if (o->type == TYPE_TIME)
		hint = "times can be tested with is missing and is present only";
	else
		hint = arena_printf(c->src->arena, "write: %s, or: not %s", operand_shown(c->src, o), operand_shown(c->src, o));
	source_error(c->src, test->test_span, hint, "'%.*s' needs %s, %s is %s", SPAN_ARG(c->src, test->test_span),
		     text_only               ? "a text"
		     : test->test == TEST_IN ? "a number or a text"
					     : "a number",
		     operand_shown(c->src, o), rule_type_words[o->type]);
}

/* Two facts: same type, and no list or literal test. */
static void check_pair(struct checker *c, struct node *test)
{
	struct operand *right = &test->right[0];

	resolve(c, right, test->left.reference == REFERENCE_NONE || test->left.type == TYPE_TEXT);
	if (right->reference == REFERENCE_NONE || test->left.reference == REFERENCE_NONE)
		return;
	if (right->reference == REFERENCE_FACT || test->left.reference == REFERENCE_FACT)
		source_error(c->src, test->test_span, "join conditions with and, or, not",
			     "conditions can't be compared with each other");
	else if (test->left.type == TYPE_TIME || right->type == TYPE_TIME)
		source_error(c->src, test->test_span, "times can be tested with is missing and is present only",
			     "times can't be compared");
	else if (right->type != test->left.type)
		report_mismatch(c, &test->left, test->left.type, right);
}

/* 6 >= nps: turn it round, so that the fact stands on the left. */
static bool turn_round(struct checker *c, struct node *test)
{
	static const enum test turned[] = {TEST_EQ, TEST_NE, TEST_GT, TEST_GE, TEST_LT, TEST_LE};
	struct operand left = test->left;

	if (!operand_is_literal(&left))
		return true;
	if (test->test > TEST_GE || test->n_right != 1 || operand_is_literal(&test->right[0])) {
		source_error(c->src, left.span, NULL, "expected a fact on the left: %s is a value",
			     operand_shown(c->src, &left));
		return false;
	}
	test->left = test->right[0];
	test->right[0] = left;
	test->test = turned[test->test];
	return true;
}

static void check_test(struct checker *c, struct node *test)
{
	if (test->quantifier != QUANTIFIER_NONE) {
		if (test->test == TEST_CONTAINS || test->test == TEST_MATCHES || test->test >= TEST_IS) {
			source_error(c->src, test->test_span, quantifier_hint(test->quantifier),
				     "ratings have: = != < <= > >= in between");
			return;
		}
	} else {
		if (!turn_round(c, test))
			return;
		resolve(c, &test->left, false);
		if (test->left.reference != REFERENCE_NONE && !type_allows(test->left.type, test->test)) {
			report_test(c, test);
			return;
		}
		if (test->test == TEST_TRUE && test->left.reference != REFERENCE_NONE)
			check_bare(c, test);
	}
	for (int i = 0; i < test->n_right; i++) {
		struct operand *value = &test->right[i];

		if (operand_is_literal(value)) {
			if (test->quantifier != QUANTIFIER_NONE || test->left.reference != REFERENCE_NONE)
				check_literal(c, test, test->quantifier != QUANTIFIER_NONE ? NULL : &test->left, value);
		} else if (test->quantifier != QUANTIFIER_NONE) {
			source_error(c->src, value->span, quantifier_hint(test->quantifier),
				     "ratings are compared with numbers only");
		} else {
			check_pair(c, test);
		}
	}
	if (test->test == TEST_MATCHES && !c->src->failed)
		check_matches(c, test);
	if (test->test == TEST_BETWEEN && !c->src->failed && test->right[0].number > test->right[1].number)
		source_error(c->src, span_join(test->right[0].span, test->right[1].span),
			     arena_printf(c->src->arena, "write: between %s and %s", operand_shown(c->src, &test->right[1]),
					  operand_shown(c->src, &test->right[0])),
			     "nothing lies between these: the smaller number comes first");
}

/* Levels of the tree, named facts counted with what they hold. */
static int check_node(struct checker *c, struct node *node)
{
	int depth = 0;

	c->rs->checking_depth++;
	if (node->kind == NODE_TEST) {
		c->depth = 0;
		check_test(c, node);
		depth = c->depth;
	}
	for_each_child(child, node)
	{
		int below = check_node(c, child);

		depth = MAX(depth, below);
	}
	c->rs->checking_depth--;
	return 1 + depth;
}

void check_expression(struct ruleset *rs, struct expression *e)
{
	struct checker c = {.rs = rs, .src = &e->source, .fact = e->fact};

	if (!e->root)
		return;
	e->depth = check_node(&c, e->root);
	if (e->depth > RULE_DEPTH_MAX && !e->source.failed)
		report_too_deep(&e->source, e->root->span);
	if (e->source.failed)
		e->root = NULL;
}

void check_fact(struct ruleset *rs, int index, int user)
{
	struct named_fact *fact = &rs->facts[index];

	if (fact->state != FACT_NEW)
		return;
	fact->state = FACT_CHECKING;
	fact->user = user;
	check_expression(rs, &fact->expression);
	fact->state = FACT_DONE;
	fact->may_miss = fact->expression.root && node_may_miss(rs, fact->expression.root);
}
