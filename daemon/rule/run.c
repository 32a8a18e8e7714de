/*
 * The machine, and the decision that is made of its results; see run.h and rule.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/run.h"
#include "rule/regex.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct rule_scratch *rule_scratch_new(const struct ruleset *rs)
{
	struct rule_scratch *s = xcalloc(1, sizeof(*s));

	s->rs = rs;
	s->cells = xcalloc((size_t)rs->n_inputs + 1, sizeof(*s->cells));
	s->memos = xcalloc((size_t)rs->n_facts + 1, sizeof(*s->memos));
	s->results = xcalloc((size_t)rs->n_rules + 1, sizeof(*s->results));
	s->regex = rs->n_regexes ? regex_scratch_new() : NULL;
	return s;
}

struct rule_scratch *rule_scratch_free(struct rule_scratch *s)
{
	if (s) {
		for (int i = 0; s->cells && i < s->rs->n_inputs; i++) {
			fold_room_fini(&s->cells[i].text_room);
			fold_room_fini(&s->cells[i].match_room);
		}
		folder_fini(&s->folder);
		regex_scratch_free(s->regex);
		free(s->cells);
		free(s->memos);
		free(s->results);
		free(s);
	}
	return NULL;
}

void rule_scratch_freep(struct rule_scratch **s)
{
	*s = rule_scratch_free(*s);
}

void run_begin(struct rule_scratch *s, const struct response *response)
{
	s->response = response;
	s->epoch++;
	s->over_limit = false;
}

static void read_cell(struct rule_scratch *s, const struct input *in, struct cell *cell)
{
	struct wall_time time;
	const char *text;

	cell->epoch = s->epoch;
	switch (in->type) {
	case TYPE_NUMBER: cell->missing = !input_number(in, s->response, &s->folder, &cell->number); break;
	case TYPE_BOOL: cell->missing = !input_truth(in, s->response, &cell->truth); break;
	case TYPE_TIME: cell->missing = !input_time(in, s->response, &time); break;
	case TYPE_TEXT:
		cell->missing = !input_text(in, s->response, &text);
		if (!cell->missing) {
			cell->text = fold_text(&s->folder, text, strlen(text), FOLD_COMPARE, &cell->text_room);
			cell->missing = cell->text.n == 0;
		}
		break;
	case TYPE_DURATION: assert(!"no input is a duration");
	}
}

static inline const struct cell *cell_of(struct rule_scratch *s, uint32_t input)
{
	struct cell *cell = &s->cells[input];

	if (cell->epoch != s->epoch)
		read_cell(s, &s->rs->inputs[input], cell);
	return cell;
}

const struct cell *run_cell(struct rule_scratch *s, uint32_t input)
{
	return cell_of(s, input);
}

static inline enum tri tri_of(bool truth)
{
	return truth ? TRI_TRUE : TRI_FALSE;
}

static enum tri run_texts(const struct slice *texts, int n, struct slice text)
{
	int from = 0, to = n;

	while (from < to) {
		int middle = (from + to) / 2, order = slice_order(&texts[middle], &text);

		if (order == 0)
			return TRI_TRUE;
		if (order < 0)
			from = middle + 1;
		else
			to = middle;
	}
	return TRI_FALSE;
}

static enum tri run_contains(const struct slice *texts, int n, struct slice text)
{
	for (int i = 0; i < n; i++)
		if (memmem(text.p, text.n, texts[i].p, texts[i].n))
			return TRI_TRUE;
	return TRI_FALSE;
}

static enum tri run_ratings(struct rule_scratch *s, const struct instruction *ins)
{
	const struct response *r = s->response;
	const double *values = &s->rs->numbers[ins->at];
	bool any = ins->op == OP_ANY_RATING;

	if (r->n_ratings == 0)
		return TRI_MISSING;
	for (int i = 0; i < r->n_ratings; i++)
		if (number_holds((enum test)ins->test, rating_stars(&r->ratings[i], s->rs->scales, s->rs->n_scales), values,
				 ins->n) == any)
			return tri_of(any);
	return tri_of(!any);
}

static enum tri run_matches(struct rule_scratch *s, const struct instruction *ins)
{
	struct cell *cell = &s->cells[ins->input];
	const char *text;
	int r;

	if (cell_of(s, ins->input)->missing)
		return TRI_MISSING;
	if (cell->match_epoch != s->epoch) {
		input_text(&s->rs->inputs[ins->input], s->response, &text);
		cell->match = fold_text(&s->folder, text, strlen(text), FOLD_MATCH, &cell->match_room);
		cell->match_epoch = s->epoch;
	}
	r = regex_match(s->rs->regexes[ins->at], s->regex, cell->match);
	if (r == REGEX_E_LIMIT) {
		s->over_limit = true;
		return TRI_MISSING;
	}
	return tri_of(r == 1);
}

static enum tri run_pair(struct rule_scratch *s, const struct instruction *ins)
{
	const struct cell *a = cell_of(s, ins->input), *b = cell_of(s, ins->at);

	if (a->missing || b->missing)
		return TRI_MISSING;
	if (ins->op == OP_NUMBERS)
		return tri_of(number_holds((enum test)ins->test, a->number, &b->number, 1));
	if (ins->op == OP_TRUTHS)
		return tri_of(a->truth == b->truth);
	return tri_of(slice_order(&a->text, &b->text) == 0);
}

static enum tri run_fact(struct rule_scratch *s, uint32_t index)
{
	struct memo *memo = &s->memos[index];
	const struct expression *e = &s->rs->facts[index].expression;

	if (memo->epoch != s->epoch) {
		memo->value = run_code(s, e->code_from, e->code_to);
		memo->epoch = s->epoch;
	}
	return memo->value;
}

/* The instructions that set the accumulator from one input. */
static inline enum tri run_input(struct rule_scratch *s, const struct instruction *ins)
{
	const struct ruleset *rs = s->rs;
	const struct cell *cell = cell_of(s, ins->input);

	if (ins->op == OP_MISSING)
		return tri_of(cell->missing);
	if (cell->missing)
		return TRI_MISSING;
	switch ((enum opcode)ins->op) {
	case OP_NUMBER: return tri_of(number_holds((enum test)ins->test, cell->number, &rs->numbers[ins->at], ins->n));
	case OP_TEXT: return run_texts(&rs->texts[ins->at], ins->n, cell->text);
	case OP_CONTAINS: return run_contains(&rs->texts[ins->at], ins->n, cell->text);
	default: return tri_of(cell->truth);
	}
}

enum tri run_code(struct rule_scratch *s, int from, int to)
{
	const struct instruction *code = s->rs->code;
	enum tri acc = TRI_MISSING, stack[RULE_DEPTH_MAX];
	int top = 0;

	for (int pc = from; pc < to;) {
		const struct instruction *ins = &code[pc++];

		switch ((enum opcode)ins->op) {
		case OP_CONSTANT: acc = tri_of(ins->at); break;
		case OP_NUMBER:
		case OP_TEXT:
		case OP_CONTAINS:
		case OP_TRUTH:
		case OP_MISSING: acc = run_input(s, ins); break;
		case OP_NUMBERS:
		case OP_TEXTS:
		case OP_TRUTHS: acc = run_pair(s, ins); break;
		case OP_ANY_RATING:
		case OP_ALL_RATING: acc = run_ratings(s, ins); break;
		case OP_MATCHES: acc = run_matches(s, ins); break;
		case OP_FACT: acc = run_fact(s, ins->at); break;
		case OP_NOT: acc = (enum tri)(-(int)acc); break;
		case OP_IS_TRUE: acc = tri_of(acc == TRI_TRUE); break;
		case OP_IS_MISSING: acc = tri_of(acc == TRI_MISSING); break;
		case OP_PUSH:
			assert(top < (int)ARRAY_SIZE(stack));
			stack[top++] = acc;
			break;
		case OP_AND:
			top--;
			acc = MIN(acc, stack[top]);
			break;
		case OP_OR:
			top--;
			acc = MAX(acc, stack[top]);
			break;
		case OP_JUMP_FALSE: pc = acc == TRI_FALSE ? (int)ins->at : pc; break;
		case OP_JUMP_TRUE: pc = acc == TRI_TRUE ? (int)ins->at : pc; break;
		}
	}
	return acc;
}

/* One rule's result into the verdict; `best` is the priority of the winner so far. */
static void count_match(const struct compiled_rule *rule, int index, struct verdict *ret, int *best)
{
	switch (rule->kind) {
	case RULE_CASE:
		ret->n_case++;
		if ((int)rule->priority > *best) {
			*best = (int)rule->priority;
			ret->winner = index;
		}
		break;
	case RULE_PRAISE:
		if (ret->n_praise++ == 0)
			ret->first_praise = index;
		break;
	case RULE_NOTE: ret->n_note++; break;
	case RULE_IGNORE: ret->ignored = true; break;
	case RULE_KIND_COUNT: assert(!"no kind");
	}
}

void ruleset_judge(const struct ruleset *rs, struct rule_scratch *s, const struct response *response, struct verdict *ret)
{
	int best = -1;

	assert(s->rs == rs);
	*ret = (struct verdict){.results = s->results, .winner = -1, .first_praise = -1};
	run_begin(s, response);
	for (int i = 0; i < rs->n_rules; i++) {
		const struct compiled_rule *rule = &rs->rules[i];

		s->results[i] = run_code(s, rule->expression.code_from, rule->expression.code_to);
		if (s->results[i] == TRI_TRUE)
			count_match(rule, i, ret, &best);
		else if (s->results[i] == TRI_MISSING)
			ret->undecided++;
	}
	if (ret->ignored) {
		ret->winner = ret->first_praise = -1;
		ret->n_case = ret->n_praise = ret->n_note = 0;
	}
	ret->over_limit = s->over_limit;
}
