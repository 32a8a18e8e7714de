/*
 * Compiled rules against a plain walk over the trees they were written from (rule_world.h), and what `check` claims of them:
 * what it says can never be, never is, and of conditions on one or two facts it says so whenever it is true.
 *
 * The seed is fixed; RULE_PROPERTY_SEED and RULE_PROPERTY_ROUNDS set others (a round is 20 rules over 100 responses).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule_world.h"
#include "settings/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 1000 /* two million pairs of rule and response */
#define RULES 20
#define RESPONSES 100
#define EXACT_ROUNDS 400  /* of RULES each, over all values */
#define ENOUGH_ROUNDS 100 /* to find some of everything */
#define EXCERPT_MAX 160   /* longer conditions are shown in part, and their columns moved */
#define CLAIMS_MAX 200

static const enum tri tri_of[] = {TRI_FALSE, TRI_MISSING, TRI_TRUE};

/* Something that `check` says can't be. */
struct claim {
	const struct expr *e; /* never comes out as `never` */
	enum truth never;
	const char *text; /* for people */
};

struct effect { /* of a rule, as `check` sees it */
	bool ignored, silent, always;
};

struct round {
	struct world w;
	const char *texts[RULES];
	struct expr *trees[RULES];
	const char *fact_texts[FACTS];
	struct rule_source rules[RULES];
	struct fact_source facts[FACTS];
	struct diag_list *diags;
	struct ruleset *rs;
	struct claim claims[CLAIMS_MAX];
	int n_claims;
	struct effect effects[RULES];
};

/* How much was claimed in all: a test of claims that aren't made would test nothing. */
struct tally {
	long pairs, never, parts, contradictions, covered, unplaced;
};

static int from_environment(const char *name, int otherwise)
{
	const char *text = getenv(name);

	return text ? atoi(text) : otherwise;
}

/* ---- claims ---- */

/* The part that stands at these bytes, and the chain it is in. */
static const struct expr *part_at(const struct expr *e, int from, int to, const struct expr *above,
				  const struct expr **ret_above)
{
	const struct expr *found;

	if (e->from == from && e->to == to) {
		*ret_above = above;
		return e;
	}
	if (e->kind > NOT)
		return NULL;
	for (int i = 0; i < e->n; i++)
		if ((found = part_at(e->children[i], from, to, e, ret_above)))
			return found;
	return NULL;
}

static void add_claim(struct round *r, const struct expr *e, enum truth never, const char *text)
{
	if (r->n_claims < CLAIMS_MAX)
		r->claims[r->n_claims++] = (struct claim){e, never, text};
}

/* "this can never be true: a contradicts b" is about the chain of both, other claims about the part itself. */
static void take_part(struct round *r, const struct diag *d, const struct expr *tree, struct tally *t)
{
	const struct expr *above = NULL, *e = part_at(tree, d->column, d->column + d->length, NULL, &above);
	bool chain = strstr(d->text, "contradicts") != NULL;

	if (tree->to > EXCERPT_MAX)
		return;
	t->parts++;
	t->contradictions += chain;
	if (!e || (chain && !above))
		t->unplaced++;
	else
		add_claim(r, chain ? above : e, strstr(d->text, "never be false") ? F : T, d->text);
}

static void take_diag(struct round *r, const struct diag *d, struct tally *t)
{
	int line = d->pos.line - 1;
	const struct expr *tree = line < RULES ? r->trees[line] : r->w.facts[line - RULES];

	if (strstr(d->text, "can never match") || (line >= RULES && strstr(d->text, ": can never be true"))) {
		t->never++;
		add_claim(r, tree, T, d->text);
	} else if (strstr(d->text, "this can never be")) {
		take_part(r, d, tree, t);
	} else if (strstr(d->text, "never has an effect")) {
		t->covered++;
		r->effects[line].ignored |= strstr(d->text, "ignores every") != NULL;
		r->effects[line].silent |= strstr(d->text, "opens a case") != NULL;
	} else if (strstr(d->text, "matches every response")) {
		t->covered++;
		r->effects[line].always = true;
	}
}

static void check_claims(struct round *r, const struct model *m)
{
	for (int i = 0; i < r->n_claims; i++) {
		const struct claim *c = &r->claims[i];

		if (walk(&r->w, c->e, m) == c->never)
			print_error("seed %u: but it was: %s, bytes %d to %d\n", r->w.seed, c->text, c->e->from, c->e->to);
		assert_true(walk(&r->w, c->e, m) != c->never);
	}
}

/* ---- judging ---- */

/* What becomes of the results, from the words of DESIGN 5. */
static void check_verdict(const struct round *r, const enum truth *expected, const struct verdict *v)
{
	int counts[RULE_KIND_COUNT] = {0}, winner = -1, undecided = 0;

	for (int k = 0; k < RULES; k++) {
		counts[r->rules[k].kind] += expected[k] == T;
		undecided += expected[k] == M;
		if (expected[k] == T && r->rules[k].kind == RULE_CASE &&
		    (winner < 0 || r->rules[k].priority > r->rules[winner].priority))
			winner = k;
	}
	for (int k = 0; k < RULES; k++) {
		const struct effect *e = &r->effects[k];

		assert_false(e->ignored && expected[k] == T && !counts[RULE_IGNORE]);
		assert_false(e->silent && expected[k] == T && !counts[RULE_CASE]);
		assert_false(e->always && expected[k] != T);
	}
	assert_int_equal(v->undecided, undecided);
	assert_int_equal(v->ignored, counts[RULE_IGNORE] > 0);
	assert_int_equal(v->winner, v->ignored ? -1 : winner);
	assert_int_equal(v->n_case, v->ignored ? 0 : counts[RULE_CASE]);
	assert_int_equal(v->n_praise, v->ignored ? 0 : counts[RULE_PRAISE]);
	assert_int_equal(v->n_note, v->ignored ? 0 : counts[RULE_NOTE]);
}

static void check_answers(struct round *r, struct tally *t)
{
	struct rule_scratch *scratch = rule_scratch_new(r->rs);
	struct answer *a = arena_new_obj(r->w.arena, struct answer);
	enum truth expected[RULES];
	struct verdict v;

	for (int i = 0; i < RESPONSES; i++) {
		world_answer(&r->w, r->rs, a);
		ruleset_judge(r->rs, scratch, &a->response, &v);
		for (int k = 0; k < RULES; k++) {
			expected[k] = walk(&r->w, r->trees[k], &a->model);
			if (v.results[k] != tri_of[expected[k]])
				print_error("seed %u: %s: %d, expected %d\n", r->w.seed, r->texts[k], v.results[k],
					    tri_of[expected[k]]);
			assert_int_equal(v.results[k], tri_of[expected[k]]);
		}
		check_verdict(r, expected, &v);
		check_claims(r, &a->model);
		t->pairs += RULES;
	}
	/* The trace tells the same. */
	for (int k = 0; k < RULES; k++) {
		world_answer(&r->w, r->rs, a);
		assert_int_equal(ruleset_trace(r->rs, scratch, k, &a->response, r->w.arena)->result,
				 tri_of[walk(&r->w, r->trees[k], &a->model)]);
	}
	rule_scratch_free(scratch);
}

static void compile(struct round *r)
{
	struct rule_input in = {.rules = r->rules,
				.n_rules = RULES,
				.facts = r->facts,
				.n_facts = r->w.n_facts,
				.attributes = world_attributes,
				.n_attributes = world_attributes_n,
				.scales = world_scales,
				.n_scales = world_scales_n,
				.timezone = "Asia/Seoul",
				.zones = &settings_zone_files};

	r->diags = diag_list_new();
	if (ruleset_new(&in, r->diags, &r->rs) != 0)
		for (int i = 0; i < r->diags->n; i++)
			if (r->diags->items[i].level == DIAG_ERROR)
				print_error("seed %u: %s\n    %s\n", r->w.seed, r->diags->items[i].text,
					    r->diags->items[i].excerpt);
	assert_non_null(r->rs);
}

static void add_rule(struct round *r, int i, const char *text, enum rule_kind kind)
{
	r->texts[i] = text;
	r->rules[i] = (struct rule_source){.id = arena_printf(r->w.arena, "r%d", i),
					   .when = text,
					   .pos.line = i + 1,
					   .kind = kind,
					   .priority = (enum priority)pick(&r->w, PRIORITY_COUNT)};
}

static void round_free(struct round *r)
{
	ruleset_free(r->rs);
	diag_list_free(r->diags);
	arena_free(r->w.arena);
	free(r);
}

static struct round *round_new(unsigned seed)
{
	struct round *r = xcalloc(1, sizeof(*r));

	r->w = (struct world){.arena = arena_new(0), .seed = seed};
	return r;
}

static void round_of_rules(unsigned seed, struct tally *t)
{
	static const enum rule_kind kinds[] = {RULE_CASE, RULE_CASE, RULE_CASE, RULE_PRAISE,
					       RULE_NOTE, RULE_CASE, RULE_CASE, RULE_PRAISE};
	static const char *const names[FACTS] = {"fact0", "fact1", "fact2", "fact3"};
	struct round *r = round_new(seed);

	for (int i = 0; i < FACTS; i++) {
		r->fact_texts[i] = pick(&r->w, 2) ? world_small_rule(&r->w, &r->w.facts[i]) : world_rule(&r->w, &r->w.facts[i]);
		r->facts[i] = (struct fact_source){.name = names[i], .expr = r->fact_texts[i], .pos.line = RULES + i + 1};
		r->w.n_facts++;
	}
	for (int i = 0; i < RULES; i++) {
		bool ignore = pick(&r->w, 16) == 0;
		const char *text =
			pick(&r->w, ignore ? 2 : 8) ? world_rule(&r->w, &r->trees[i]) : world_small_rule(&r->w, &r->trees[i]);

		add_rule(r, i, text, ignore ? RULE_IGNORE : kinds[pick(&r->w, ARRAY_SIZE(kinds))]);
	}
	compile(r);
	for (int i = 0; i < r->diags->n; i++)
		take_diag(r, &r->diags->items[i], t);
	check_answers(r, t);
	round_free(r);
}

static void test_compiled_is_as_written(void **state)
{
	unsigned first = (unsigned)from_environment("RULE_PROPERTY_SEED", 20270302);
	int rounds = from_environment("RULE_PROPERTY_ROUNDS", ROUNDS);
	struct tally t = {0};

	for (int i = 0; i < rounds; i++)
		round_of_rules(first + (unsigned)i, &t);
	print_message("%ld pairs; claimed: %ld never, %ld parts (%ld of them chains), %ld without effect\n", t.pairs, t.never,
		      t.parts, t.contradictions, t.covered);
	assert_true(t.pairs == (long)rounds * RULES * RESPONSES);
	assert_int_equal(t.unplaced, 0);
	if (rounds >= ENOUGH_ROUNDS)
		assert_true(t.never > rounds && t.parts > rounds && t.contradictions > rounds / 50 && t.covered > rounds / 10);
}

/* ---- exactness ---- */

/* Candidates for every value that could make a difference: all of a whole number, else those compared with and between. */
static int candidates(int operand, double values[200])
{
	double low = -3, high = 13, step = 0.125;
	int n = 0;

	switch (operand) {
	case NPS:
	case PREV_NPS: low = 0, high = 10, step = 1; break;
	case CSAT: low = 1, high = 5, step = 1; break;
	case HOUR:
	case HOUR_PREV: low = 0, high = 23, step = 1; break;
	case WEEKDAY: low = 1, high = 7, step = 1; break;
	case RESPONSES_30D:
	case DETRACTORS_90D:
	case CASES_2W_ACCOUNT: low = 0, high = 13, step = 1; break;
	case RATING_Q:
	case PREV_RATING_Q: low = 1, high = 10; break;
	case RATING_G: low = 1, high = 5; break;
	default:
		if (operands[operand].kind == BOOL)
			low = 0, high = 1, step = 1;
		else if (operands[operand].kind == TEXT) /* classes, and any other text */
			low = 0, high = CLASSES, step = 1;
		else if (operands[operand].kind == TIME)
			low = high = 0;
	}
	for (double x = low; x <= high; x += step)
		values[n++] = x;
	return n;
}

static bool looks_inside(const struct expr *e)
{
	bool found = e->kind > NOT && (e->op == CONTAINS || e->op == MATCHES);

	for (int i = 0; e->kind <= NOT && i < e->n; i++)
		found |= looks_inside(e->children[i]);
	return found;
}

static bool may_be_missing(int operand)
{
	return operand != CONTACT && operand != HOUR && operand != WEEKDAY;
}

/* The next of all values of one operand, missing included; false: that was the last. */
static bool next_value(struct model *m, int operand, const double *values, int n, int *at)
{
	if (*at == n)
		return false;
	m->there[operand] = true;
	m->number[operand] = values[*at];
	m->class[operand] = (int)values[*at];
	++*at;
	return true;
}

/* Over all values of its two operands, which may be the same. */
static bool ever_true(const struct round *r, const struct expr *e, int a, int b)
{
	double of_a[200], of_b[200];
	int n_a = candidates(a, of_a), n_b = candidates(b, of_b), at_a = 0;
	struct model m = {.there[CONTACT] = true};
	bool more = may_be_missing(a) || next_value(&m, a, of_a, n_a, &at_a);

	for (; more; more = next_value(&m, a, of_a, n_a, &at_a)) {
		int at_b = 0;
		bool again = b == a || may_be_missing(b) || next_value(&m, b, of_b, n_b, &at_b);

		if (b != a)
			m.there[b] = at_b > 0;
		for (; again; again = b != a && next_value(&m, b, of_b, n_b, &at_b))
			if (walk(&r->w, e, &m) == T)
				return true;
	}
	return false;
}

/* One that has few values. */
static int pick_small(struct world *w)
{
	static const int small[] = {NPS,         CSAT,    PREV_NPS, WEEKDAY,      TOUCHPOINT,
				    PREV_ATTR_T, CONTACT, ATTR_B,   PREV_CONTACT, ATTR_W};

	return small[pick(w, ARRAY_SIZE(small))];
}

static void round_of_few_operands(unsigned seed, long counts[2])
{
	struct round *r = round_new(seed);
	int operand_of[RULES], other_of[RULES];
	bool claimed[RULES] = {false};

	for (int i = 0; i < RULES; i++) {
		bool two = pick(&r->w, 2);
		const char *text;

		operand_of[i] = two ? pick_small(&r->w) : pick(&r->w, OPERANDS);
		other_of[i] = two ? pick_small(&r->w) : operand_of[i];
		do
			text = world_tight_rule(&r->w, operand_of[i], other_of[i], &r->trees[i]);
		while (looks_inside(r->trees[i]));
		add_rule(r, i, text, RULE_CASE);
	}
	compile(r);
	for (int i = 0; i < r->diags->n; i++)
		if (strstr(r->diags->items[i].text, "can never match"))
			claimed[r->diags->items[i].pos.line - 1] = true;
	for (int i = 0; i < RULES; i++) {
		bool ever = ever_true(r, r->trees[i], operand_of[i], other_of[i]);

		if (ever == claimed[i])
			print_error("seed %u: %s: %s\n", seed, r->texts[i], ever ? "can match" : "can never match");
		assert_int_equal(claimed[i], !ever);
		counts[ever]++;
	}
	round_free(r);
}

static void test_every_impossible_rule_of_few_facts_is_found(void **state)
{
	unsigned first = (unsigned)from_environment("RULE_PROPERTY_SEED", 20270302);
	int rounds = from_environment("RULE_PROPERTY_ROUNDS", EXACT_ROUNDS);
	long counts[2] = {0};

	for (int i = 0; i < rounds; i++)
		round_of_few_operands(first + (unsigned)i, counts);
	print_message("%ld impossible, %ld possible\n", counts[0], counts[1]);
	assert_true(rounds < ENOUGH_ROUNDS || (counts[0] > rounds && counts[1] > rounds));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_compiled_is_as_written),
					   cmocka_unit_test(test_every_impossible_rule_of_few_facts_is_found)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
