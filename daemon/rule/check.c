/*
 * Checker: names become inputs or named facts, types must fit, and literals are what their test needs.
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

static const char *const type_words[] = {"a number", "a text", "true or false", "a time", "a duration"};

struct checker {
	struct ruleset *rs;
	struct source *src;
	int fact;  /* under check; -1: a rule */
	int depth; /* of the deepest named fact in the test at hand */
};

/* "nps", "attr.plan", "'gold'": as written. */
static const char *operand_shown(const struct source *src, const struct operand *o)
{
	return arena_printf(src->arena, "%.*s", SPAN_ARG(src, o->span));
}

static int input_add(struct ruleset *rs, const struct input *in)
{
	for (int i = 0; i < rs->n_inputs; i++)
		if (rs->inputs[i].source == in->source && rs->inputs[i].column == in->column &&
		    strcmp(rs->inputs[i].name, in->name) == 0)
			return i;
	SET_GROW(rs->inputs, rs->n_inputs, rs->room_inputs);
	rs->inputs[rs->n_inputs] = *in;
	return rs->n_inputs++;
}

static void refer(struct operand *o, enum reference_kind kind, int index, enum value_type type)
{
	o->reference = kind;
	o->index = index;
	o->type = type;
}

static int fact_index(const struct ruleset *rs, const char *name)
{
	for (int i = 0; i < rs->n_facts; i++)
		if (strcmp(rs->facts[i].name, name) == 0)
			return i;
	return -1;
}

/* The nearest of all names that may stand alone. */
static const char *nearest_fact(const struct ruleset *rs, const char *name)
{
	const char *synonym = fact_synonym(name), *a, *b;
	const char *pair[2];

	a = diag_nearest(name, &rule_columns[0].name, (size_t)rule_columns_n, sizeof(rule_columns[0]));
	b = rs->n_facts ? diag_nearest(name, &rs->facts[0].name, (size_t)rs->n_facts, sizeof(rs->facts[0])) : NULL;
	if (!a && !b)
		return synonym;
	if (synonym && (!a || strcasecmp(synonym, name) == 0))
		return synonym;
	pair[0] = a ? a : b;
	pair[1] = b ? b : a;
	return diag_nearest(name, pair, 2, sizeof(pair[0]));
}

/*
 * @value: it stands where a value is expected (right of an operator): then it is probably a text without quotes
 */
static void unknown_fact(struct checker *c, const struct operand *o, bool value)
{
	const char *near = nearest_fact(c->rs, o->name);

	if (near && !value)
		source_error(c->src, o->span, NULL, "unknown fact '%s', did you mean '%s'?", o->name, near);
	else if (value)
		source_error(c->src, o->span, arena_printf(c->src->arena, "write: '%s'", o->name),
			     "unknown fact '%s'; texts stand in single quotes", o->name);
	else
		source_error(c->src, o->span, arena_printf(c->src->arena, "an attribute? write: attr.%s", o->name),
			     "unknown fact '%s'", o->name);
}

static void resolve_attribute(struct checker *c, struct operand *o)
{
	static const enum value_type types[] = {TYPE_TEXT, TYPE_NUMBER, TYPE_BOOL, TYPE_TIME};
	struct ruleset *rs = c->rs;
	const char *near;

	for (int i = 0; i < rs->n_attributes; i++)
		if (strcmp(rs->attributes[i].name, o->member) == 0) {
			struct input in = {.source = INPUT_ATTRIBUTE,
					   .type = types[rs->attributes[i].type],
					   .name = rs->attributes[i].name};

			in.shown = arena_printf(rs->arena, "attr.%s", in.name);
			refer(o, REFERENCE_INPUT, input_add(rs, &in), in.type);
			return;
		}
	near = rs->n_attributes
		       ? diag_nearest(o->member, &rs->attributes[0].name, (size_t)rs->n_attributes, sizeof(rs->attributes[0]))
		       : NULL;
	if (near)
		source_error(c->src, o->span, NULL, "unknown attribute '%s', did you mean '%s'?", o->member, near);
	else
		source_error(c->src, o->span,
			     arena_printf(c->src->arena, "declare it: attributes: { %s = \"text\"; };", o->member),
			     "unknown attribute '%s'", o->member);
}

static void resolve_rating(struct checker *c, struct operand *o)
{
	struct ruleset *rs = c->rs;
	struct input in = {.source = INPUT_RATING, .type = TYPE_NUMBER, .name = o->member};

	if (!text_is_ascii(o->member)) {
		struct buf folded = BUF_INIT(RULE_EXPR_BYTES_MAX * 4);

		rule_fold(o->member, &folded);
		in.folded = arena_strdup(rs->arena, buf_str(&folded));
		buf_fini(&folded);
	}
	in.shown = o->quoted_member ? arena_printf(rs->arena, "rating['%s']", o->member)
				    : arena_printf(rs->arena, "rating.%s", o->member);
	refer(o, REFERENCE_INPUT, input_add(rs, &in), TYPE_NUMBER);
}

static void not_yet(struct checker *c, const struct operand *o, const char *what)
{
	source_error(c->src, o->span, "comes with a later version of closeloop", "'%s' is not available yet", what);
}

/* "history.cases(90d)", or without parentheses where they belong. */
static void resolve_call(struct checker *c, struct operand *o)
{
	const char *name = o->member ? arena_printf(c->src->arena, "%s.%s", o->name, o->member) : o->name;
	const struct function_def *fn = function_find(name);
	const char *near = diag_nearest(name, &rule_functions[0].name, (size_t)rule_functions_n, sizeof(rule_functions[0]));

	if (fn && fn->later)
		not_yet(c, o, name);
	else if (fn)
		source_error(c->src, o->span, arena_printf(c->src->arena, "write: %s", fn->use), "'%s' is not used like this",
			     name);
	else if (!o->member && (column_find(name) || fact_index(c->rs, name) >= 0))
		source_error(c->src, o->span, arena_printf(c->src->arena, "write: %s", name), "'%s' takes no parentheses",
			     name);
	else if (near)
		source_error(c->src, o->span, NULL, "unknown function '%s', did you mean '%s'?", name, near);
	else
		source_error(c->src, o->span, NULL, "unknown function '%s'", name);
}

static void resolve_member(struct checker *c, struct operand *o)
{
	const struct group_def *group = group_find(o->name);
	const char *near;

	if (!group) {
		near = diag_nearest(o->name, &rule_groups[0].name, (size_t)rule_groups_n, sizeof(rule_groups[0]));
		near = near ? near : strcmp(o->name, "attributes") == 0 ? "attr" : NULL;
		if (near)
			source_error(c->src, o->span, NULL, "unknown group '%s', did you mean '%s'?", o->name, near);
		else
			source_error(c->src, o->span, "there are rating.NAME and attr.NAME", "unknown group '%s'", o->name);
	} else if (group->source == INPUT_RATING) {
		resolve_rating(c, o);
	} else if (group->source == INPUT_ATTRIBUTE) {
		resolve_attribute(c, o);
	} else if (group->source == INPUT_FUNCTION) {
		resolve_call(c, o);
	} else {
		not_yet(c, o, operand_shown(c->src, o));
	}
}

static void too_deep(struct source *src, struct span span)
{
	source_error(src, span, "flatten it", "nested deeper than %d, the facts it uses included", RULE_DEPTH_MAX);
}

static void resolve_fact(struct checker *c, struct operand *o, int index)
{
	struct named_fact *fact = &c->rs->facts[index];

	if (fact->state == FACT_CHECKING) {
		const char *path = fact->name;

		for (int i = c->fact; i >= 0 && i != index; i = c->rs->facts[i].user)
			path = arena_printf(c->src->arena, "%s → %s", c->rs->facts[i].name, path);
		source_error(c->src, o->span, NULL, "a fact can't stand on itself: %s → %s", fact->name, path);
		return;
	}
	/* Going on would take as much of C's stack as the file has facts. */
	if (fact->state == FACT_NEW && c->rs->checking_depth >= RULE_DEPTH_MAX) {
		too_deep(c->src, o->span);
		return;
	}
	check_fact(c->rs, index, c->fact);
	c->depth = MAX(c->depth, fact->expression.depth);
	refer(o, REFERENCE_FACT, index, TYPE_BOOL);
}

static void resolve(struct checker *c, struct operand *o, bool value)
{
	const struct column_def *column;
	const struct group_def *group;
	int fact;

	if (o->kind == OPERAND_CALL) {
		resolve_call(c, o);
	} else if (o->member) {
		resolve_member(c, o);
	} else if ((column = column_find(o->name))) {
		struct input in = {.source = column->source,
				   .type = column->type,
				   .column = column,
				   .name = column->name,
				   .shown = column->name,
				   .always = column->always};

		refer(o, REFERENCE_INPUT, input_add(c->rs, &in), column->type);
	} else if ((fact = fact_index(c->rs, o->name)) >= 0) {
		resolve_fact(c, o, fact);
	} else if ((group = group_find(o->name)) && group->later) {
		not_yet(c, o, o->name);
	} else if (group) {
		source_error(c->src, o->span, arena_printf(c->src->arena, "write: %s", group->use), "'%s' needs a name",
			     o->name);
	} else if (function_find(o->name)) {
		resolve_call(c, o);
	} else {
		unknown_fact(c, o, value);
	}
}

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
	source_error(c->src, o->span, hint, "'%s' is %s, not a condition", shown, type_words[o->type]);
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
	source_error(c->src, value->span, hint, "%s is %s, %s is %s", left, type_words[type], shown, type_words[value->type]);
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
		     operand_shown(c->src, o), type_words[o->type]);
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
			source_error(c->src, test->test_span, "write: any rating <= 2",
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
			source_error(c->src, value->span, "write: any rating <= 2", "ratings are compared with numbers only");
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
		too_deep(&e->source, e->root->span);
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
