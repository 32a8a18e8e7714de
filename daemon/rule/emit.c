/*
 * Emitter: a checked tree becomes a run of instructions (code.h).
 *
 * Named facts are emitted once, in front of the first expression that uses them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/set.h"

#include <stdlib.h>
#include <string.h>

static int put(struct ruleset *rs, struct instruction ins)
{
	SET_GROW(rs->code, rs->n_code, rs->room_code);
	rs->code[rs->n_code] = ins;
	return rs->n_code++;
}

static void put_op(struct ruleset *rs, enum opcode op)
{
	put(rs, (struct instruction){.op = (uint8_t)op});
}

static uint32_t use_input(struct ruleset *rs, const struct operand *o)
{
	rs->inputs[o->index].used = true;
	return (uint32_t)o->index;
}

static void put_numbers(struct ruleset *rs, const struct node *test, struct instruction ins)
{
	ins.test = (uint8_t)test->test;
	/* The truth of `is` and `is not` is made of that of `=`. */
	if (test->test == TEST_IS || test->test == TEST_IS_NOT)
		ins.test = TEST_EQ;
	ins.at = (uint32_t)rs->n_numbers;
	ins.n = (uint16_t)test->n_right;
	for (int i = 0; i < test->n_right; i++) {
		SET_GROW(rs->numbers, rs->n_numbers, rs->room_numbers);
		rs->numbers[rs->n_numbers++] = test->right[i].number;
	}
	put(rs, ins);
}

int slice_order(const void *pa, const void *pb)
{
	const struct slice *a = pa, *b = pb;

	if (a->n != b->n)
		return a->n < b->n ? -1 : 1;
	return memcmp(a->p, b->p, a->n);
}

static void put_texts(struct ruleset *rs, enum opcode op, const struct node *test)
{
	struct instruction ins = {.op = (uint8_t)op,
				  .input = use_input(rs, &test->left),
				  .at = (uint32_t)rs->n_texts,
				  .n = (uint16_t)test->n_right};

	for (int i = 0; i < test->n_right; i++) {
		struct buf folded = BUF_INIT(RULE_EXPR_BYTES_MAX * 4);

		rule_fold(test->right[i].text, &folded);
		SET_GROW(rs->texts, rs->n_texts, rs->room_texts);
		rs->texts[rs->n_texts++] = (struct slice){arena_strdup(rs->arena, buf_str(&folded)), folded.n};
		buf_fini(&folded);
	}
	if (op == OP_TEXT)
		qsort(&rs->texts[ins.at], ins.n, sizeof(*rs->texts), slice_order);
	put(rs, ins);
}

/* Sets the accumulator to a bool operand: a column, an attribute or a named fact. */
static void put_truth(struct ruleset *rs, const struct operand *o)
{
	if (o->reference == REFERENCE_FACT)
		put(rs, (struct instruction){.op = OP_FACT, .at = (uint32_t)o->index});
	else
		put(rs, (struct instruction){.op = OP_TRUTH, .input = use_input(rs, o)});
}

static void put_presence(struct ruleset *rs, const struct node *test)
{
	if (test->left.reference == REFERENCE_FACT) {
		put_truth(rs, &test->left);
		put_op(rs, OP_IS_MISSING);
	} else {
		put(rs, (struct instruction){.op = OP_MISSING, .input = use_input(rs, &test->left)});
	}
	if (test->test == TEST_PRESENT)
		put_op(rs, OP_NOT);
}

/* nps < csat */
static void put_pair(struct ruleset *rs, const struct node *test)
{
	struct instruction ins = {.input = use_input(rs, &test->left), .at = use_input(rs, &test->right[0])};

	if (test->left.type == TYPE_NUMBER) {
		ins.op = OP_NUMBERS;
		ins.test = (uint8_t)test->test;
		put(rs, ins);
		return;
	}
	ins.op = test->left.type == TYPE_TEXT ? OP_TEXTS : OP_TRUTHS;
	put(rs, ins);
	if (test->test == TEST_NE)
		put_op(rs, OP_NOT);
}

static void put_literal_test(struct ruleset *rs, const struct node *test)
{
	bool negated = test->test == TEST_IS_NOT || (test->test == TEST_NE && test->left.type != TYPE_NUMBER);

	if (test->left.type == TYPE_NUMBER)
		put_numbers(rs, test, (struct instruction){.op = OP_NUMBER, .input = use_input(rs, &test->left)});
	else if (test->left.type == TYPE_TEXT)
		put_texts(rs, test->test == TEST_CONTAINS ? OP_CONTAINS : OP_TEXT, test);
	else
		put_truth(rs, &test->left);
	/* x = false is not x */
	if (test->left.type == TYPE_BOOL && test->n_right == 1 && !test->right[0].truth)
		put_op(rs, OP_NOT);
	if (test->test == TEST_IS || test->test == TEST_IS_NOT)
		put_op(rs, OP_IS_TRUE);
	if (negated)
		put_op(rs, OP_NOT);
}

static void put_test(struct ruleset *rs, const struct node *test)
{
	if (test->quantifier != QUANTIFIER_NONE) {
		rs->all_ratings = true;
		put_numbers(rs, test,
			    (struct instruction){.op = test->quantifier == QUANTIFIER_ANY ? OP_ANY_RATING : OP_ALL_RATING});
	} else if (test->test == TEST_MISSING || test->test == TEST_PRESENT) {
		put_presence(rs, test);
	} else if (test->test == TEST_MATCHES) {
		put(rs, (struct instruction){
				.op = OP_MATCHES, .input = use_input(rs, &test->left), .at = (uint32_t)test->right[0].index});
	} else if (test->n_right == 1 && !operand_is_literal(&test->right[0])) {
		put_pair(rs, test);
	} else {
		put_literal_test(rs, test);
	}
}

static void put_node(struct ruleset *rs, struct node *node);

/* a and b and c: each but the first joins what was there; a decided chain is left at once. */
static void put_chain(struct ruleset *rs, struct node *chain)
{
	bool and = chain->kind == NODE_AND;
	uint32_t pending = UINT32_MAX; /* jumps to the end, linked through `at` */

	for_each_child(child, chain)
	{
		if (child != chain->first) {
			pending =
				(uint32_t)put(rs, (struct instruction){.op = and? OP_JUMP_FALSE : OP_JUMP_TRUE, .at = pending});
			put_op(rs, OP_PUSH);
		}
		put_node(rs, child);
		if (child != chain->first)
			put_op(rs, and? OP_AND : OP_OR);
	}
	while (pending != UINT32_MAX) {
		uint32_t next = rs->code[pending].at;

		rs->code[pending].at = (uint32_t)rs->n_code;
		pending = next;
	}
}

static void put_node(struct ruleset *rs, struct node *node)
{
	node->code_from = rs->n_code;
	switch (node->kind) {
	case NODE_AND:
	case NODE_OR: put_chain(rs, node); break;
	case NODE_NOT:
		put_node(rs, node->first);
		put_op(rs, OP_NOT);
		break;
	case NODE_CONSTANT: put(rs, (struct instruction){.op = OP_CONSTANT, .at = node->truth}); break;
	case NODE_TEST: put_test(rs, node); break;
	}
	node->code_to = rs->n_code;
}

/* The facts come first: code of one expression must not lie inside that of another. */
static void emit_facts(struct ruleset *rs, const struct node *node)
{
	if (node->kind == NODE_TEST && node->left.reference == REFERENCE_FACT)
		emit_expression(rs, &rs->facts[node->left.index].expression);
	for_each_child(child, node) emit_facts(rs, child);
}

void emit_expression(struct ruleset *rs, struct expression *e)
{
	if (e->code_to > 0)
		return;
	emit_facts(rs, e->root);
	e->code_from = rs->n_code;
	put_node(rs, e->root);
	e->code_to = rs->n_code;
}
