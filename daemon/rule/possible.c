/*
 * Trees walked with sets of truth values; see possible.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/possible.h"
#include "rule/run.h"

#include <stdlib.h>
#include <string.h>

/* Sets of enum tri: bit 0 false, bit 1 missing, bit 2 true. */
typedef unsigned ways;
#define WAY(tri) (1u << ((int)(tri) + 1))
#define WAYS_TRUTH (WAY(TRI_FALSE) | WAY(TRI_TRUE))
#define WAYS_ANY (WAYS_TRUTH | WAY(TRI_MISSING))

struct possible {
	const struct ruleset *rs;
	struct rule_scratch *scratch;
	bool *known;          /* per input */
	unsigned char *facts; /* ways of each named fact; 0: not yet asked */
};

static bool input_is_known(const struct input *in, const char *const *known, int n)
{
	if (in->previous || in->type != TYPE_TEXT || (in->source != INPUT_TEXT && in->source != INPUT_ATTRIBUTE))
		return false;
	for (int i = 0; i < n; i++)
		if (strcmp(in->shown, known[i]) == 0)
			return true;
	return false;
}

struct possible *possible_new(const struct ruleset *rs, const char *const *known, int n_known)
{
	struct possible *p = xcalloc(1, sizeof(*p));

	p->rs = rs;
	p->scratch = rule_scratch_new(rs);
	p->known = xcalloc((size_t)MAX(rs->n_inputs, 1), sizeof(*p->known));
	p->facts = xcalloc((size_t)MAX(rs->n_facts, 1), sizeof(*p->facts));
	for (int i = 0; i < rs->n_inputs; i++)
		p->known[i] = input_is_known(&rs->inputs[i], known, n_known);
	return p;
}

struct possible *possible_free(struct possible *p)
{
	if (p) {
		rule_scratch_free(p->scratch);
		free(p->known);
		free(p->facts);
		free(p);
	}
	return NULL;
}

void possible_begin(struct possible *p, const struct response *response)
{
	run_begin(p->scratch, response);
	memset(p->facts, 0, (size_t)p->rs->n_facts);
}

static ways ways_of(struct possible *p, const struct node *node);

static ways fact_ways(struct possible *p, int index)
{
	if (!p->facts[index])
		p->facts[index] = (unsigned char)ways_of(p, p->rs->facts[index].expression.root);
	return p->facts[index];
}

/* Every pair of the ways of two parts: AND is the lesser in the order false, missing, true, OR the greater. */
static ways ways_join(ways a, ways b, bool least)
{
	ways joined = 0;

	for (int i = TRI_FALSE; i <= TRI_TRUE; i++)
		for (int k = TRI_FALSE; k <= TRI_TRUE; k++)
			if ((a & WAY(i)) && (b & WAY(k)))
				joined |= least ? WAY(MIN(i, k)) : WAY(MAX(i, k));
	return joined;
}

static ways ways_not(ways a)
{
	return (a & WAY(TRI_MISSING)) | (a & WAY(TRI_TRUE) ? WAY(TRI_FALSE) : 0) | (a & WAY(TRI_FALSE) ? WAY(TRI_TRUE) : 0);
}

static bool operand_is_known(const struct possible *p, const struct operand *o)
{
	return operand_is_literal(o) || (o->reference == REFERENCE_INPUT && p->known[o->index]);
}

static ways test_ways(struct possible *p, const struct node *test)
{
	bool known = test->quantifier == QUANTIFIER_NONE && operand_is_known(p, &test->left);

	if (test->quantifier == QUANTIFIER_NONE && test->left.reference == REFERENCE_FACT && test->test == TEST_TRUE)
		return fact_ways(p, test->left.index);
	for (int i = 0; i < test->n_right; i++)
		known &= operand_is_known(p, &test->right[i]);
	if (known)
		return WAY(run_code(p->scratch, test->code_from, test->code_to));
	switch (test->test) {
	case TEST_MISSING:
	case TEST_PRESENT:
	case TEST_IS:
	case TEST_IS_NOT: return WAYS_TRUTH;
	default: return WAYS_ANY;
	}
}

static ways ways_of(struct possible *p, const struct node *node)
{
	ways all = 0;

	switch (node->kind) {
	case NODE_CONSTANT: return WAY(node->truth ? TRI_TRUE : TRI_FALSE);
	case NODE_TEST: return test_ways(p, node);
	case NODE_NOT: return ways_not(ways_of(p, node->first));
	case NODE_AND:
	case NODE_OR: break;
	}
	for_each_child(child, node) all = all ? ways_join(all, ways_of(p, child), node->kind == NODE_AND) : ways_of(p, child);
	return all;
}

bool possible_may_match(struct possible *p, int rule)
{
	return ways_of(p, p->rs->rules[rule].expression.root) & WAY(TRI_TRUE);
}

bool possible_must_match(struct possible *p, int rule)
{
	return ways_of(p, p->rs->rules[rule].expression.root) == WAY(TRI_TRUE);
}
