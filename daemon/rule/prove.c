/*
 * Trees to regions; see prove.h.
 *
 * A test is one box, exact where it compares with literals. Kleene's logic: a chain of `and` is true where all its parts are, not true
 * where one of them isn't, false where one is, not false where none is; `or` is the mirror of it, and `not` swaps the two.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/prove.h"
#include "rule/number.h"

#include <string.h>

#define WORK_MAX 200000     /* pairs of boxes in one set: tens of milliseconds; real sets need a few thousand */
#define QUOTED_BYTES_MAX 60 /* of a part that a warning repeats */

struct maker { /* how the regions of one expression are made */
	struct prover *p;
	struct region_maker m;
};

static const struct region *region_of(struct maker *k, const struct node *node, enum want want);

static void find(struct prover *p, const struct node *node, enum want want, const char *reason)
{
	if (p->n_findings < FINDINGS_MAX)
		p->findings[p->n_findings++] = (struct finding){node, reason, want_truth(want)};
}

/* Why one comparison alone can't come out as wanted. */
static const char *reason_of(const struct prover *p, const struct node *test)
{
	const struct input *in = &p->rs->inputs[test->left.index];
	char low[NUMBER_TEXT_BYTES], high[NUMBER_TEXT_BYTES];
	const struct scale *scale;
	int min, max;

	if (in->always && (test->test == TEST_MISSING || test->test == TEST_PRESENT))
		return arena_printf(p->kept, "%s is always there", in->shown);
	if (input_whole(in, &min, &max))
		return arena_printf(p->kept, "%s is a whole number from %d to %d", in->shown, min, max);
	if (in->source == INPUT_HISTORY)
		return arena_printf(p->kept, "%s is a whole number from 0 on", in->shown);
	if (input_is_zero(in))
		return arena_printf(p->kept, "%s is always 0", in->shown);
	scale = in->source == INPUT_RATING ? scale_find(p->rs->scales, p->rs->n_scales, in->name) : NULL;
	if (scale)
		return arena_printf(p->kept, "the scale of %s goes from %s to %s", in->name, number_text(scale->min, low),
				    number_text(scale->max, high));
	return "nothing is left";
}

/* What a named fact needs, found once; its own findings are reported under its own name. */
static const struct region *fact_region(struct prover *p, int index, enum want want)
{
	const struct source *src = p->src;
	int n_findings = p->n_findings;

	if (!p->facts[want][index]) {
		p->n_findings = FINDINGS_MAX;
		p->facts[want][index] = prove(p, &p->rs->facts[index].expression, want, p->kept);
		p->n_findings = n_findings;
		p->src = src;
	}
	return p->facts[want][index];
}

/* What a test asks of its fact: `= false` the opposite, `is` that missing is taken for false. */
static enum want want_of_fact(const struct node *test, enum want want)
{
	bool is = test->test == TEST_IS || test->test == TEST_IS_NOT;
	bool truth = test->n_right == 0 || test->right[0].truth;

	if (test->test == TEST_NE || test->test == TEST_IS_NOT)
		want = want_negated(want);
	if (is) /* `is true` is never missing: not false is true, not true is false */
		want = want_truth(want) == truth ? (want_truth(want) ? WANT_TRUE : WANT_NOT_FALSE)
						 : (want_truth(want) ? WANT_FALSE : WANT_NOT_TRUE);
	else if (!truth)
		want = want_negated(want);
	return want;
}

/* A named fact, asked for by itself. */
static const struct region *region_of_fact(struct maker *k, const struct node *test, enum want want)
{
	static const char *const never[] = {"never true", "never false", "always true", "always false"};
	struct prover *p = k->p;
	int index = test->left.index;
	const struct region *r;
	enum want asked;

	if (test->test == TEST_MISSING || test->test == TEST_PRESENT) {
		if (want_truth(want) == (test->test == TEST_MISSING))
			return region_meet(&k->m, fact_region(p, index, WANT_NOT_TRUE), fact_region(p, index, WANT_NOT_FALSE));
		return region_join(&k->m, fact_region(p, index, WANT_TRUE), fact_region(p, index, WANT_FALSE));
	}
	asked = want_of_fact(test, want);
	r = fact_region(p, index, asked);
	if (r->n == 0)
		find(p, test, want, arena_printf(p->kept, "'%s' is %s", p->rs->facts[index].name, never[asked]));
	return r;
}

/* Two facts: both are there when it is true or false. */
static const struct region *region_of_pair(struct maker *k, const struct node *test, enum want want)
{
	struct domain left = domain_of_test(k->p->rs, test, want, k->m.arena),
		      right = domain_any(k->p->rs, test->right[0].index);

	if (want == WANT_NOT_TRUE || want == WANT_NOT_FALSE)
		return region_all(&k->m);
	right.missing = false;
	return region_meet(&k->m, region_of_domain(&k->m, left), region_of_domain(&k->m, right));
}

static const struct region *region_of_test(struct maker *k, const struct node *test, enum want want)
{
	const struct region *r;

	if (test->quantifier == QUANTIFIER_NONE && test->left.reference == REFERENCE_FACT)
		return region_of_fact(k, test, want);
	if (test->n_right == 1 && !operand_is_literal(&test->right[0]))
		return region_of_pair(k, test, want);
	r = region_of_domain(&k->m, domain_of_test(k->p->rs, test, want, k->m.arena));
	if (r->n == 0)
		find(k->p, test, want, test->quantifier == QUANTIFIER_NONE ? reason_of(k->p, test) : "nothing is left");
	return r;
}

/* children[at] leaves nothing: name the one before that alone would exclude it. */
static void find_contradiction(struct maker *k, const struct node *chain, const struct region *const *regions, int at,
			       enum want want)
{
	const struct node *other = NULL, *child = chain->first;
	struct prover *p = k->p;

	for (int i = 0; i < at; i++, child = child->next)
		if (!other && region_disjoint(&k->m, regions[i], regions[at]))
			other = child;
	if (other && other->span.length <= QUOTED_BYTES_MAX && child->span.length <= QUOTED_BYTES_MAX)
		find(p, child, want,
		     arena_printf(p->kept, "%.*s contradicts %.*s", SPAN_ARG(p->src, child->span),
				  SPAN_ARG(p->src, other->span)));
	else
		find(p, child, want, "it contradicts what stands before it");
}

/* All children must come out as wanted. */
static const struct region *region_of_all(struct maker *k, const struct node *chain, enum want want)
{
	const struct region **regions = arena_new_array(k->m.arena, const struct region *, (size_t)chain->n_children);
	const struct region *sum = region_all(&k->m);
	int i = 0;

	for_each_child(child, chain)
	{
		regions[i] = region_of(k, child, want);
		if (regions[i]->n == 0) {
			sum = regions[i];
		} else if (sum->n > 0) {
			sum = region_meet(&k->m, sum, regions[i]);
			if (sum->n == 0)
				find_contradiction(k, chain, regions, i, want);
		}
		i++;
	}
	return sum;
}

/* One child will do. */
static const struct region *region_of_some(struct maker *k, const struct node *chain, enum want want)
{
	const struct region *sum = region_none(&k->m);

	for_each_child(child, chain) sum = region_join(&k->m, sum, region_of(k, child, want));
	return sum;
}

static const struct region *region_of(struct maker *k, const struct node *node, enum want want)
{
	switch (node->kind) {
	case NODE_AND: return want_truth(want) ? region_of_all(k, node, want) : region_of_some(k, node, want);
	case NODE_OR: return want_truth(want) ? region_of_some(k, node, want) : region_of_all(k, node, want);
	case NODE_NOT: return region_of(k, node->first, want_negated(want));
	case NODE_CONSTANT:
		if (node->truth == want_truth(want))
			return region_all(&k->m);
		find(k->p, node, want, "it is a constant");
		return region_none(&k->m);
	case NODE_TEST: return region_of_test(k, node, want);
	}
	return region_all(&k->m);
}

void prover_init(struct prover *p, const struct ruleset *rs, struct arena *kept, struct arena *scratch)
{
	*p = (struct prover){.rs = rs, .kept = kept, .scratch = scratch, .work = WORK_MAX};
	for (int want = 0; want < (int)ARRAY_SIZE(p->facts); want++)
		p->facts[want] = arena_new_array(kept, const struct region *, (size_t)rs->n_facts + 1);
}

const struct region *prove(struct prover *p, const struct expression *e, enum want want, struct arena *arena)
{
	struct maker k = {p, {p->rs, arena, &p->work}};

	p->src = &e->source;
	return e->root ? region_of(&k, e->root, want) : region_all(&k.m);
}

bool prove_disjoint(struct prover *p, const struct region *a, const struct region *b)
{
	return region_disjoint(&(struct region_maker){p->rs, p->scratch, &p->work}, a, b);
}
