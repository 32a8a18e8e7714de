/*
 * Making a rule set: every expression is parsed, then checked, then emitted; see rule.h.
 *
 * All mistakes of all rules and facts are reported before it gives up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/lex.h"
#include "rule/limits.h"
#include "rule/parse.h"
#include "rule/regex.h"
#include "rule/set.h"

#include <stdlib.h>
#include <string.h>

static void expression_init(struct ruleset *rs, struct expression *e, const char *name, const char *text, struct text_pos pos)
{
	size_t n = strlen(text);

	e->source = (struct source){.name = arena_strdup(rs->arena, name), .pos = pos, .arena = rs->arena};
	e->source.pos.file = arena_strdup(rs->arena, pos.file);
	/* Past the cap nothing is copied; expression_parse() reports it. */
	e->source.text = n <= RULE_EXPR_BYTES_MAX ? arena_strndup(rs->arena, text, n) : "";
	e->source.n = n <= RULE_EXPR_BYTES_MAX ? (int)n : -1;
}

static void expression_parse(struct expression *e, struct diag_list *diags)
{
	e->source.diags = diags;
	if (e->source.n < 0) {
		diag_add(diags, DIAG_ERROR, e->source.pos, "%s: a condition has up to %d bytes; name parts of it in facts",
			 e->source.name, RULE_EXPR_BYTES_MAX);
		e->source.failed = true;
		return;
	}
	e->root = rule_parse(&e->source);
}

/* A fact's name must not hide anything the language has already. */
static bool fact_name_check(const struct ruleset *rs, int index, struct diag_list *diags)
{
	const struct named_fact *fact = &rs->facts[index];
	const struct text_pos pos = fact->expression.source.pos;
	const char *what = NULL;

	if (column_find(fact->name))
		what = "a column of responses";
	else if (rule_is_keyword(fact->name))
		what = "a word of the language";
	else if (group_find(fact->name) || function_find(fact->name))
		what = "a group of facts or a function";
	if (what) {
		diag_add(diags, DIAG_ERROR, pos, "%s: '%s' is %s; give the fact another name", fact->name, fact->name, what);
		return false;
	}
	for (int i = 0; i < index; i++)
		if (strcmp(rs->facts[i].name, fact->name) == 0) {
			diag_add(diags, DIAG_ERROR, pos, "%s: there is a fact of this name already (line %d)", fact->name,
				 rs->facts[i].expression.source.pos.line);
			return false;
		}
	return true;
}

static void copy_input(struct ruleset *rs, const struct rule_input *in)
{
	struct attribute_source *attributes = arena_new_array(rs->arena, struct attribute_source, (size_t)in->n_attributes + 1);

	for (int i = 0; i < in->n_attributes; i++)
		attributes[i] =
			(struct attribute_source){arena_strdup(rs->arena, in->attributes[i].name), in->attributes[i].type};
	rs->attributes = attributes;
	rs->n_attributes = in->n_attributes;
	rs->timezone = arena_strdup(rs->arena, in->timezone ? in->timezone : zone_utc.name);
	rs->zone_files = in->zones;

	rs->scales = scales_copy(in->scales, in->n_scales, rs->arena);
	rs->n_scales = in->n_scales;

	rs->n_facts = in->n_facts;
	rs->facts = arena_new_array(rs->arena, struct named_fact, (size_t)in->n_facts + 1);
	for (int i = 0; i < in->n_facts; i++) {
		expression_init(rs, &rs->facts[i].expression, in->facts[i].name, in->facts[i].expr, in->facts[i].pos);
		rs->facts[i].expression.fact = i;
		rs->facts[i].name = rs->facts[i].expression.source.name;
	}
	rs->n_rules = in->n_rules;
	rs->rules = arena_new_array(rs->arena, struct compiled_rule, (size_t)in->n_rules + 1);
	for (int i = 0; i < in->n_rules; i++) {
		expression_init(rs, &rs->rules[i].expression, in->rules[i].id, in->rules[i].when, in->rules[i].pos);
		rs->rules[i].expression.fact = -1;
		rs->rules[i].kind = in->rules[i].kind;
		rs->rules[i].priority = in->rules[i].priority;
	}
}

static bool compile(struct ruleset *rs, struct diag_list *diags)
{
	int errors = diags->errors;

	for (int i = 0; i < rs->n_facts; i++) {
		fact_name_check(rs, i, diags);
		expression_parse(&rs->facts[i].expression, diags);
	}
	for (int i = 0; i < rs->n_rules; i++)
		expression_parse(&rs->rules[i].expression, diags);
	for (int i = 0; i < rs->n_facts; i++)
		check_fact(rs, i, -1);
	for (int i = 0; i < rs->n_rules; i++)
		check_expression(rs, &rs->rules[i].expression);

	/* Advice is given even beside mistakes elsewhere: one round of corrections instead of two. */
	for (int i = 0; i < rs->n_facts; i++)
		if (rs->facts[i].expression.root)
			warn_missing(rs, &rs->facts[i].expression);
	for (int i = 0; i < rs->n_rules; i++)
		if (rs->rules[i].expression.root)
			warn_missing(rs, &rs->rules[i].expression);
	warn_polarity(rs);
	warn_never(rs);
	return diags->errors == errors;
}

/* What has to be gathered: that of rules in use, not of facts that no rule asks. */
static void find_past(struct ruleset *rs)
{
	rs->histories = arena_new_array(rs->arena, struct history_need, RULE_HISTORY_MAX);
	for (int i = 0; i < rs->n_inputs; i++) {
		struct input *in = &rs->inputs[i];

		if (!in->used)
			continue;
		rs->needs_previous |= in->previous || (in->of && in->of->previous);
		if (in->source == INPUT_HISTORY) {
			in->count = rs->n_histories;
			rs->histories[rs->n_histories++] = in->need;
		}
	}
}

/* Nothing of the diagnostics, nor what belongs to the caller, outlives ruleset_new(). */
static void forget_diags(struct ruleset *rs)
{
	rs->zone_files = NULL;
	for (int i = 0; i < rs->n_facts; i++)
		rs->facts[i].expression.source.diags = NULL;
	for (int i = 0; i < rs->n_rules; i++)
		rs->rules[i].expression.source.diags = NULL;
}

int ruleset_new(const struct rule_input *in, struct diag_list *diags, struct ruleset **ret)
{
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;

	if (in->n_rules > RULES_MAX || in->n_facts > RULE_FACTS_MAX) {
		diag_add(diags, DIAG_ERROR, in->n_rules > RULES_MAX ? in->rules[RULES_MAX].pos : in->facts[RULE_FACTS_MAX].pos,
			 "a rule set has up to %d rules and %d facts", RULES_MAX, RULE_FACTS_MAX);
		return RULE_E_INVALID;
	}
	rs = xcalloc(1, sizeof(*rs));
	rs->arena = arena_new(0);
	copy_input(rs, in);
	if (!compile(rs, diags))
		return RULE_E_INVALID;
	for (int i = 0; i < rs->n_rules; i++)
		emit_expression(rs, &rs->rules[i].expression);
	find_past(rs);
	forget_diags(rs);
	*ret = TAKE(rs);
	return 0;
}

struct ruleset *ruleset_free(struct ruleset *rs)
{
	if (rs) {
		for (int i = 0; i < rs->n_regexes; i++)
			regex_free(rs->regexes[i]);
		free(rs->regexes);
		free(rs->inputs);
		free(rs->code);
		free(rs->numbers);
		free(rs->texts);
		arena_free(rs->arena);
		free(rs);
	}
	return NULL;
}

void ruleset_freep(struct ruleset **rs)
{
	*rs = ruleset_free(*rs);
}

int ruleset_count(const struct ruleset *rs)
{
	return rs->n_rules;
}

int ruleset_history(const struct ruleset *rs, const struct history_need **ret)
{
	*ret = rs->histories;
	return rs->n_histories;
}

bool ruleset_needs_previous(const struct ruleset *rs)
{
	return rs->needs_previous;
}

bool ruleset_needs_previous_column(const struct ruleset *rs, const char *column)
{
	for (int i = 0; i < rs->n_inputs; i++) {
		const struct input *in = rs->inputs[i].of ? rs->inputs[i].of : &rs->inputs[i];
		const char *name = in->source == INPUT_RATING      ? "ratings"
				   : in->source == INPUT_ATTRIBUTE ? "attributes"
								   : in->name;

		if (rs->inputs[i].used && in->previous && strcmp(name, column) == 0)
			return true;
	}
	return false;
}
