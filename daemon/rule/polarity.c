/*
 * Warnings about rules that contradict the declared scale of a question: a case for the best answers, praise for the worst, a
 * number of stars that no answer can have.
 *
 * Only the four comparisons that say no more than a direction are suspicious: `between` names both ends and is taken for meant. Where
 * low is bad, as everybody expects, `rating.q1 >= 9` is suspicious alone only; beside other conditions it is a restriction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/number.h"
#include "rule/set.h"

#include <string.h>

struct polarity {
	const struct ruleset *rs;
	struct source *src;
	enum rule_kind kind;
	uint8_t *seen; /* per named fact, a bit for each way it was walked */
};

/* How a part is asked for. */
struct way {
	bool want;  /* to be true, under an even number of nots */
	bool alone; /* nothing is joined to it with `and` */
};

static const struct scale *scale_of(const struct ruleset *rs, const struct node *test)
{
	const struct input *in;
	const struct scale *scale;

	if (test->quantifier != QUANTIFIER_NONE || test->left.reference != REFERENCE_INPUT)
		return NULL;
	in = &rs->inputs[test->left.index];
	if ((in->source != INPUT_RATING && in->source != INPUT_SCORE) || in->previous)
		return NULL;
	scale = scale_find(rs->scales, rs->n_scales, in->name);
	return scale && scale->min < scale->max ? scale : NULL;
}

/* Whether the test takes the lowest answers and leaves the highest (-1), the reverse (1), or neither (0). */
static int direction_of(const struct node *test, const struct scale *scale)
{
	double x = test->right[0].number;

	if ((test->test == TEST_LE && x >= scale->min && x < scale->max) ||
	    (test->test == TEST_LT && x > scale->min && x <= scale->max))
		return -1;
	if ((test->test == TEST_GE && x > scale->min && x <= scale->max) ||
	    (test->test == TEST_GT && x >= scale->min && x < scale->max))
		return 1;
	return 0;
}

/* The same distance from the other end; and how to write that it is meant as it stands. */
static const char *hint_of(const struct polarity *p, const struct node *test, const struct scale *scale)
{
	static const char *const turned[] = {"=", "!=", ">", ">=", "<", "<="};
	struct arena *arena = p->src->arena;
	char mirrored[NUMBER_TEXT_BYTES], end[NUMBER_TEXT_BYTES];
	const char *left = arena_printf(arena, "%.*s", SPAN_ARG(p->src, test->left.span));
	const char *hint = arena_printf(arena, "write: %s %s %s", left, turned[test->test],
					number_text(scale->min + scale->max - test->right[0].number, mirrored));

	if (test->test == TEST_LE)
		return arena_printf(arena, "%s; if it is meant: %s between %s and %.*s", hint, left,
				    number_text(scale->min, end), SPAN_ARG(p->src, test->right[0].span));
	if (test->test == TEST_GE)
		return arena_printf(arena, "%s; if it is meant: %s between %.*s and %s", hint, left,
				    SPAN_ARG(p->src, test->right[0].span), number_text(scale->max, end));
	return hint;
}

static void check_direction(const struct polarity *p, const struct node *test, struct way way)
{
	const struct scale *scale = scale_of(p->rs, test);
	char min[NUMBER_TEXT_BYTES], max[NUMBER_TEXT_BYTES];
	int direction;
	bool finds_bad;

	if (!scale || test->n_right != 1 || !operand_is_literal(&test->right[0]))
		return;
	direction = direction_of(test, scale) * (way.want ? 1 : -1);
	finds_bad = (direction < 0) == scale->low_is_bad;
	if (direction == 0 || finds_bad == (p->kind == RULE_CASE) || (scale->low_is_bad && !way.alone))
		return;
	source_warn(p->src, test->span, hint_of(p, test, scale),
		    "low is %s on the scale of %s (%s to %s): this looks for %s customers", scale->low_is_bad ? "bad" : "good",
		    scale->name, number_text(scale->min, min), number_text(scale->max, max),
		    finds_bad ? "dissatisfied" : "satisfied");
}

static void walk(struct polarity *p, const struct node *node, struct way way);

static void walk_fact(struct polarity *p, const struct node *test, struct way way)
{
	struct expression *e = &p->rs->facts[test->left.index].expression;
	bool negated = test->test == TEST_NE || test->test == TEST_IS_NOT;
	struct source *src = p->src;
	uint8_t bit;

	if (test->test == TEST_MISSING || test->test == TEST_PRESENT || !e->root)
		return;
	if (test->n_right == 1 && !test->right[0].truth)
		negated = !negated;
	way.want = way.want != negated;
	bit = (uint8_t)(1 << (2 * way.want + way.alone));
	if (p->seen[test->left.index] & bit)
		return;
	p->seen[test->left.index] |= bit;
	p->src = &e->source;
	walk(p, e->root, way);
	p->src = src;
}

static void walk(struct polarity *p, const struct node *node, struct way way)
{
	switch (node->kind) {
	case NODE_CONSTANT: return;
	case NODE_TEST:
		if (node->left.reference == REFERENCE_FACT)
			walk_fact(p, node, way);
		else
			check_direction(p, node, way);
		return;
	case NODE_NOT: way.want = !way.want; break;
	case NODE_AND: way.alone &= !way.want; break;
	case NODE_OR: way.alone &= way.want; break;
	}
	for_each_child(child, node) walk(p, child, way);
}

/* `any rating <= 8` where some rating goes up to 10: it counts as stars. */
static void check_stars(const struct ruleset *rs, struct source *src, const struct node *test)
{
	const struct scale *scale = NULL;
	char min[NUMBER_TEXT_BYTES], max[NUMBER_TEXT_BYTES];
	bool beyond = false;

	for (int i = 0; i < test->n_right; i++)
		beyond |= test->right[i].number < STARS_WORST || test->right[i].number > STARS_BEST;
	for (int i = 0; i < rs->n_scales && !scale; i++)
		if (!column_find(rs->scales[i].name) && rs->scales[i].min < rs->scales[i].max)
			scale = &rs->scales[i];
	if (beyond && scale)
		source_warn(src, test->span,
			    arena_printf(src->arena, "write: rating.%s %.*s", scale->name,
					 test->span.at + test->span.length - test->test_span.at,
					 src->text + test->test_span.at),
			    "ratings count as stars from 1 to 5 here, %s (%s to %s) too", scale->name,
			    number_text(scale->min, min), number_text(scale->max, max));
}

static void walk_stars(const struct ruleset *rs, struct source *src, const struct node *node)
{
	if (node->kind == NODE_TEST && node->quantifier != QUANTIFIER_NONE)
		check_stars(rs, src, node);
	for_each_child(child, node) walk_stars(rs, src, child);
}

void warn_polarity(struct ruleset *rs)
{
	struct arena *arena CLEANUP(arena_freep) = NULL;

	if (rs->n_scales == 0)
		return;
	arena = arena_new(0);
	for (int i = 0; i < rs->n_facts; i++)
		if (rs->facts[i].expression.root)
			walk_stars(rs, &rs->facts[i].expression.source, rs->facts[i].expression.root);
	for (enum rule_kind kind = 0; kind < RULE_KIND_COUNT; kind++) {
		struct polarity p = {.rs = rs, .kind = kind, .seen = arena_new_array(arena, uint8_t, (size_t)rs->n_facts + 1)};

		for (int i = 0; i < rs->n_rules; i++) {
			struct expression *e = &rs->rules[i].expression;

			if (rs->rules[i].kind != kind || !e->root)
				continue;
			walk_stars(rs, &e->source, e->root);
			p.src = &e->source;
			if (kind == RULE_CASE || kind == RULE_PRAISE)
				walk(&p, e->root, (struct way){true, true});
		}
	}
}
