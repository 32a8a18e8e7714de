/*
 * Warnings about what can never be true: a comparison outside a score's range, parts of a chain of `and` that exclude
 * each other, a branch of `or` that nothing reaches. Works per fact (domain.h); says nothing where it isn't sure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/domain.h"

#define FINDINGS_MAX 4      /* of one expression */
#define QUOTED_BYTES_MAX 60 /* of a part that a warning repeats */

struct finding {
	const struct node *node;
	const char *reason;
	bool want; /* what it can never be */
};

struct prover {
	const struct ruleset *rs;
	struct arena *arena;
	const struct box **facts[2]; /* per named fact: for it to be false, true; NULL: not yet asked */
	const struct source *src;
	struct finding findings[FINDINGS_MAX];
	int n_findings;
};

static const struct box anything = {false, 0, NULL}, nothing = {true, 0, NULL};

static const struct box *box_of(struct prover *p, const struct node *node, bool want);

static void find(struct prover *p, const struct node *node, bool want, const char *reason)
{
	if (p->n_findings < FINDINGS_MAX)
		p->findings[p->n_findings++] = (struct finding){node, reason, want};
}

/* Why one comparison alone can't come out as wanted. */
static const char *reason_of(const struct prover *p, const struct node *test)
{
	const struct input *in = &p->rs->inputs[test->left.index];

	if (in->source == INPUT_SCORE)
		return arena_printf(p->arena, "%s is a whole number from %g to %g", in->name, in->column->min, in->column->max);
	if (in->always && (test->test == TEST_MISSING || test->test == TEST_PRESENT))
		return arena_printf(p->arena, "%s is always there", in->shown);
	return "nothing is left";
}

/* What a named fact needs, found once; its own findings are reported under its own name. */
static const struct box *fact_box(struct prover *p, int index, bool want)
{
	const struct expression *e = &p->rs->facts[index].expression;
	const struct source *src = p->src;
	int n_findings = p->n_findings;

	if (!p->facts[want][index]) {
		p->src = &e->source;
		p->n_findings = FINDINGS_MAX;
		p->facts[want][index] = e->root ? box_of(p, e->root, want) : &anything;
		p->n_findings = n_findings;
		p->src = src;
	}
	return p->facts[want][index];
}

/* A named fact, asked for by itself. */
static const struct box *box_of_fact(struct prover *p, const struct node *test, bool want)
{
	bool truth = test->test == TEST_TRUE || test->right == NULL || test->right[0].truth;
	bool straight = test->test == TEST_TRUE || test->test == TEST_EQ || test->test == TEST_NE || test->test == TEST_IS;
	const struct box *box;

	if (test->test == TEST_NE)
		truth = !truth;
	/* `is` is false of what is missing, too. */
	if (!straight || (test->test == TEST_IS && !want))
		return &anything;
	box = fact_box(p, test->left.index, truth == want);
	if (box->never)
		find(p, test, want,
		     arena_printf(p->arena, "'%s' is never %s", p->rs->facts[test->left.index].name,
				  truth == want ? "true" : "false"));
	return box;
}

static const struct box *box_of_test(struct prover *p, const struct node *test, bool want)
{
	struct box *box;

	if (test->quantifier != QUANTIFIER_NONE)
		return &anything;
	if (test->left.reference == REFERENCE_FACT)
		return box_of_fact(p, test, want);
	box = box_of_domain(domain_of_test(p->rs, test, want, p->arena), p->arena);
	if (box->never)
		find(p, test, want, reason_of(p, test));
	return box;
}

static const struct domain *box_find(const struct box *box, int input)
{
	for (int i = 0; i < box->n; i++)
		if (box->items[i].input == input)
			return &box->items[i];
	return NULL;
}

/* children[at] leaves nothing of an input: name the one before that alone would exclude it. */
static void find_contradiction(struct prover *p, const struct node *chain, const struct box *const *boxes, int at, int input,
			       bool want)
{
	const struct domain *mine = box_find(boxes[at], input);
	const struct node *other = NULL, *child = chain->first;

	for (int i = 0; i < at; i++, child = child->next) {
		const struct domain *theirs = box_find(boxes[i], input);
		struct domain both;

		if (!mine || !theirs || other)
			continue;
		both = domain_meet(mine, theirs, p->arena);
		if (domain_is_empty(&both))
			other = child;
	}
	if (other && other->span.length <= QUOTED_BYTES_MAX && child->span.length <= QUOTED_BYTES_MAX)
		find(p, child, want,
		     arena_printf(p->arena, "%.*s contradicts %.*s", SPAN_ARG(p->src, child->span),
				  SPAN_ARG(p->src, other->span)));
	else
		find(p, child, want, "it contradicts what stands before it");
}

/* All children must come out as wanted. */
static const struct box *box_of_all(struct prover *p, const struct node *chain, bool want)
{
	const struct box **boxes = arena_new_array(p->arena, const struct box *, (size_t)chain->n_children);
	const struct box *sum = &anything;
	int i = 0, input = -1;

	for_each_child(child, chain)
	{
		boxes[i] = box_of(p, child, want);
		if (boxes[i]->never)
			sum = &nothing;
		if (!sum->never) {
			sum = box_meet(sum, boxes[i], p->arena, &input);
			if (sum->never)
				find_contradiction(p, chain, boxes, i, input, want);
		}
		i++;
	}
	return sum;
}

/* One child will do. */
static const struct box *box_of_some(struct prover *p, const struct node *chain, bool want)
{
	const struct box *sum = NULL;

	for_each_child(child, chain)
	{
		const struct box *box = box_of(p, child, want);

		if (!box->never)
			sum = sum ? box_hull(sum, box, p->arena) : box;
	}
	return sum ? sum : &nothing;
}

static const struct box *box_of(struct prover *p, const struct node *node, bool want)
{
	switch (node->kind) {
	case NODE_AND: return want ? box_of_all(p, node, want) : box_of_some(p, node, want);
	case NODE_OR: return want ? box_of_some(p, node, want) : box_of_all(p, node, want);
	case NODE_NOT: return box_of(p, node->first, !want);
	case NODE_CONSTANT:
		if (node->truth == want)
			return &anything;
		find(p, node, want, "it is a constant");
		return &nothing;
	case NODE_TEST: return box_of_test(p, node, want);
	}
	return &anything;
}

static void warn_expression(struct prover *p, struct expression *e)
{
	const struct box *box;

	p->src = &e->source;
	p->n_findings = 0;
	box = box_of(p, e->root, true);
	for (int i = 0; i < p->n_findings; i++) {
		const struct finding *f = &p->findings[i];

		if (box->never)
			source_warn(&e->source, f->node->span, NULL, "can never %s: %s", e->fact < 0 ? "match" : "be true",
				    f->reason);
		else
			source_warn(&e->source, f->node->span, NULL, "this can never be %s: %s", f->want ? "true" : "false",
				    f->reason);
	}
}

void warn_never(struct ruleset *rs)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct prover p = {.rs = rs, .arena = arena};

	for (int want = 0; want < 2; want++)
		p.facts[want] = arena_new_array(arena, const struct box *, (size_t)rs->n_facts + 1);
	for (int i = 0; i < rs->n_facts; i++)
		if (rs->facts[i].expression.root)
			warn_expression(&p, &rs->facts[i].expression);
	for (int i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].expression.root)
			warn_expression(&p, &rs->rules[i].expression);
}
