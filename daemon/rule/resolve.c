/*
 * Names become inputs or named facts: columns, rating.X, attr.X, previous.X and what `facts` has.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/set.h"

#include <string.h>
#include <strings.h>

const char *const rule_type_words[] = {"a number", "a text", "true or false", "a time", "a duration"};

const char *operand_shown(const struct source *src, const struct operand *o)
{
	return arena_printf(src->arena, "%.*s", SPAN_ARG(src, o->span));
}

int input_add(struct ruleset *rs, const struct input *in)
{
	for (int i = 0; i < rs->n_inputs; i++)
		if (rs->inputs[i].source == in->source && rs->inputs[i].column == in->column &&
		    rs->inputs[i].previous == in->previous && strcmp(rs->inputs[i].name, in->name) == 0)
			return i;
	SET_GROW(rs->inputs, rs->n_inputs, rs->room_inputs);
	rs->inputs[rs->n_inputs] = *in;
	return rs->n_inputs++;
}

void operand_refer(struct operand *o, enum reference_kind kind, int index, enum value_type type)
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

/*
 * What members are asked of: the response, or the one before it. @name of the attribute or rating, as written; @quoted: in brackets
 */
static void resolve_attribute(struct checker *c, struct operand *o, const char *name, bool previous)
{
	static const enum value_type types[] = {TYPE_TEXT, TYPE_NUMBER, TYPE_BOOL, TYPE_TIME};
	struct ruleset *rs = c->rs;
	const char *near;

	for (int i = 0; i < rs->n_attributes; i++)
		if (strcmp(rs->attributes[i].name, name) == 0) {
			struct input in = {.source = INPUT_ATTRIBUTE,
					   .type = types[rs->attributes[i].type],
					   .previous = previous,
					   .name = rs->attributes[i].name};

			in.shown = arena_printf(rs->arena, "%sattr.%s", previous ? "previous." : "", in.name);
			operand_refer(o, REFERENCE_INPUT, input_add(rs, &in), in.type);
			return;
		}
	near = rs->n_attributes
		       ? diag_nearest(name, &rs->attributes[0].name, (size_t)rs->n_attributes, sizeof(rs->attributes[0]))
		       : NULL;
	if (near)
		source_error(c->src, o->span, NULL, "unknown attribute '%s', did you mean '%s'?", name, near);
	else
		source_error(c->src, o->span, arena_printf(c->src->arena, "declare it: attributes: { %s = \"text\"; };", name),
			     "unknown attribute '%s'", name);
}

static void resolve_rating(struct checker *c, struct operand *o, const char *name, bool quoted, bool previous)
{
	struct ruleset *rs = c->rs;
	struct input in = {.source = INPUT_RATING, .type = TYPE_NUMBER, .previous = previous, .name = name};

	if (!text_is_ascii(name)) {
		struct buf folded = BUF_INIT(RULE_EXPR_BYTES_MAX * 4);

		rule_fold(name, &folded);
		in.folded = arena_strdup(rs->arena, buf_str(&folded));
		buf_fini(&folded);
	}
	in.shown = arena_printf(rs->arena, quoted ? "%srating['%s']" : "%srating.%s", previous ? "previous." : "", name);
	operand_refer(o, REFERENCE_INPUT, input_add(rs, &in), TYPE_NUMBER);
}

static void resolve_column(struct checker *c, struct operand *o, const struct column_def *column, bool previous)
{
	struct input in = {.source = column->source,
			   .type = column->type,
			   .previous = previous,
			   .column = column,
			   .name = column->name,
			   .shown = column->name,
			   .always = column->always && !previous};

	if (previous)
		in.shown = arena_printf(c->rs->arena, "previous.%s", column->name);
	operand_refer(o, REFERENCE_INPUT, input_add(c->rs, &in), column->type);
}

static void needs_name(struct checker *c, const struct operand *o, const char *use)
{
	source_error(c->src, o->span, arena_printf(c->src->arena, "write: %s", use), "'%s' needs a name",
		     operand_shown(c->src, o));
}

/* previous.nps, previous.rating.delivery, previous.attr.plan */
static void resolve_previous(struct checker *c, struct operand *o)
{
	const struct column_def *column = column_find(o->member);
	const struct group_def *group = group_find(o->member);
	const char *near = diag_nearest(o->member, &rule_columns[0].name, (size_t)rule_columns_n, sizeof(rule_columns[0]));

	if (column && !o->sub)
		resolve_column(c, o, column, true);
	else if (group && group->group == GROUP_RATING && o->sub)
		resolve_rating(c, o, o->sub, o->quoted_sub, true);
	else if (group && group->group == GROUP_ATTRIBUTE && o->sub)
		resolve_attribute(c, o, o->sub, true);
	else if (group && group->group == GROUP_RATING)
		needs_name(c, o, "previous.rating.delivery <= 2");
	else if (group && group->group == GROUP_ATTRIBUTE)
		needs_name(c, o, "previous.attr.plan = 'gold'");
	else if (!o->sub && fact_index(c->rs, o->member) >= 0)
		source_error(c->src, o->span, "previous has the columns of a response, rating.NAME and attr.NAME",
			     "'%s' is a condition of your own, not a part of the answer before", o->member);
	else if (!o->sub && near)
		source_error(c->src, o->span, NULL, "unknown fact '%s', did you mean 'previous.%s'?", operand_shown(c->src, o),
			     near);
	else
		source_error(c->src, o->span, "previous has the columns of a response, rating.NAME and attr.NAME",
			     "unknown fact '%s'", operand_shown(c->src, o));
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
			source_error(c->src, o->span, "there are rating.NAME, attr.NAME, previous.NAME and history.NAME(…)",
				     "unknown group '%s'", o->name);
		return;
	}
	switch (group->group) {
	case GROUP_RATING: resolve_rating(c, o, o->member, o->quoted_member, false); break;
	case GROUP_ATTRIBUTE: resolve_attribute(c, o, o->member, false); break;
	case GROUP_PREVIOUS: resolve_previous(c, o); break;
	case GROUP_HISTORY: resolve_call(c, o); break;
	}
}

void report_too_deep(struct source *src, struct span span)
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
		report_too_deep(c->src, o->span);
		return;
	}
	check_fact(c->rs, index, c->fact);
	c->depth = MAX(c->depth, fact->expression.depth);
	operand_refer(o, REFERENCE_FACT, index, TYPE_BOOL);
}

void resolve(struct checker *c, struct operand *o, bool value)
{
	const struct column_def *column;
	const struct group_def *group;
	int fact;

	if (o->kind == OPERAND_CALL)
		resolve_call(c, o);
	else if (o->member)
		resolve_member(c, o);
	else if ((column = column_find(o->name)))
		resolve_column(c, o, column, false);
	else if ((fact = fact_index(c->rs, o->name)) >= 0)
		resolve_fact(c, o, fact);
	else if ((group = group_find(o->name)))
		needs_name(c, o, group->use);
	else if (function_find(o->name))
		resolve_call(c, o);
	else
		unknown_fact(c, o, value);
}
