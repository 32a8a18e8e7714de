/*
 * The texts that rules compare for equality, for those who know which values occur; see ruleset_literals() in rule.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/set.h"

#include <stdlib.h>

struct collector {
	const struct ruleset *rs;
	struct arena *arena;
	const struct source *src;
	struct rule_literal *items;
	int n, room;
};

static bool is_equality(enum test test)
{
	return test == TEST_EQ || test == TEST_NE || test == TEST_IN || test == TEST_IS || test == TEST_IS_NOT;
}

static void add(struct collector *c, const struct input *in, const char *text)
{
	struct buf folded = BUF_INIT(RULE_EXPR_BYTES_MAX * 4);
	struct rule_literal literal = {.name = c->src->name, .pos = c->src->pos, .value = in->name, .text = text};

	literal.is_attribute = in->source == INPUT_ATTRIBUTE;
	rule_fold(text, &folded);
	literal.folded = arena_strdup(c->arena, buf_str(&folded));
	buf_fini(&folded);
	SET_GROW(c->items, c->n, c->room);
	c->items[c->n++] = literal;
}

static void walk(struct collector *c, const struct node *node)
{
	const struct input *in;

	for_each_child(child, node) walk(c, child);
	if (node->kind != NODE_TEST || node->quantifier != QUANTIFIER_NONE || !is_equality(node->test) ||
	    node->left.reference != REFERENCE_INPUT)
		return;
	in = &c->rs->inputs[node->left.index];
	for (int i = 0; i < node->n_right && in->type == TYPE_TEXT; i++)
		if (node->right[i].kind == OPERAND_TEXT)
			add(c, in, node->right[i].text);
}

static void collect(struct collector *c, const struct expression *e)
{
	c->src = &e->source;
	if (e->root)
		walk(c, e->root);
}

int ruleset_literals(const struct ruleset *rs, struct arena *arena, const struct rule_literal **ret)
{
	struct collector c = {.rs = rs, .arena = arena};

	for (int i = 0; i < rs->n_facts; i++)
		collect(&c, &rs->facts[i].expression);
	for (int i = 0; i < rs->n_rules; i++)
		collect(&c, &rs->rules[i].expression);
	*ret = c.n ? arena_memdup(arena, c.items, sizeof(*c.items) * (size_t)c.n) : NULL;
	free(c.items);
	return c.n;
}
