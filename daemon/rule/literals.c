/*
 * The texts that rules compare for equality, and the names of ratings and attributes that they ask for, for those who know what
 * occurs; see ruleset_literals() and ruleset_names() in rule.h.
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

static void add_name(struct collector *c, const struct operand *o)
{
	const struct input *in;

	if (o->kind < OPERAND_NAME || o->reference != REFERENCE_INPUT)
		return;
	in = &c->rs->inputs[o->index];
	if (in->of)
		in = in->of;
	if (in->source != INPUT_RATING && in->source != INPUT_ATTRIBUTE)
		return;
	SET_GROW(c->items, c->n, c->room);
	c->items[c->n++] = (struct rule_literal){
		.name = c->src->name,
		.pos = c->src->pos,
		.value = in->source == INPUT_RATING ? "ratings" : "attributes",
		.text = arena_strdup(c->arena, in->shown),
		.folded = arena_strdup(c->arena, in->folded ? in->folded : in->name),
	};
}

static void walk_names(struct collector *c, const struct node *node)
{
	for_each_child(child, node) walk_names(c, child);
	if (node->kind != NODE_TEST || node->quantifier != QUANTIFIER_NONE)
		return;
	add_name(c, &node->left);
	for (int i = 0; i < node->n_right; i++)
		add_name(c, &node->right[i]);
}

static void collect(struct collector *c, const struct expression *e, void (*walk_fn)(struct collector *, const struct node *))
{
	c->src = &e->source;
	if (e->root)
		walk_fn(c, e->root);
}

static int collect_all(const struct ruleset *rs, struct arena *arena, void (*walk_fn)(struct collector *, const struct node *),
		       const struct rule_literal **ret)
{
	struct collector c = {.rs = rs, .arena = arena};

	for (int i = 0; i < rs->n_facts; i++)
		collect(&c, &rs->facts[i].expression, walk_fn);
	for (int i = 0; i < rs->n_rules; i++)
		collect(&c, &rs->rules[i].expression, walk_fn);
	*ret = c.n ? arena_memdup(arena, c.items, sizeof(*c.items) * (size_t)c.n) : NULL;
	free(c.items);
	return c.n;
}

int ruleset_literals(const struct ruleset *rs, struct arena *arena, const struct rule_literal **ret)
{
	return collect_all(rs, arena, walk, ret);
}

int ruleset_names(const struct ruleset *rs, struct arena *arena, const struct rule_literal **ret)
{
	return collect_all(rs, arena, walk_names, ret);
}
