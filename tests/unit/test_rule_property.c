/*
 * Compiled rules against a plain walk over the tree they were written from.
 *
 * Random expressions are made as trees, printed as text, compiled, and judged over random responses. The walk below
 * knows the language from DESIGN alone: its texts are classes of spellings that must compare as equal, its logic is
 * a table. The seed is fixed; RULE_PROPERTY_SEED and RULE_PROPERTY_ROUNDS set others.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/rule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ROUNDS 100 /* times RULES times RESPONSES: 200,000 */
#define RULES 20
#define FACTS 4
#define RESPONSES 100
#define TEXT_MAX (RULE_EXPR_BYTES_MAX * 4)
#define VALUES_MAX 4

enum truth { F, M, T }; /* the walk's own, on purpose not enum tri */

static const enum truth and_table[3][3] = {{F, F, F}, {F, M, M}, {F, M, T}};
static const enum truth or_table[3][3] = {{F, M, T}, {M, M, T}, {T, T, T}};
static const enum truth not_table[3] = {T, M, F};

/* Spellings of one class compare as equal, those of different classes don't. */
#define CLASSES 4
static const char *const spellings[CLASSES][4] = {
	{"install", "INSTALL ", "\u3000Install", "inStall"},
	{"설치", "\u1109\u1165\u11af\u110e\u1175", " 설치\u00a0", "\u1109\u1165\u11af치"},
	{"straße 7", "STRASSE 7", "Straße 7", "straẞe 7"},
	{"zu spät, late", "ZU SPÄT, LATE", "zu spa\u0308t, Late", "\tZu Spät, late\n"},
};
static const char *const blanks[] = {"", " ", "\u3000", "\n\t"};
/* What classes each has in it. */
static const struct {
	const char *text;
	bool in[CLASSES];
} needles[] = {{"stall", {1, 0, 0, 0}}, {"STRASS", {0, 0, 1, 0}}, {"Ä", {0, 0, 0, 1}},
	       {"l", {1, 0, 0, 1}},     {"설", {0, 1, 0, 0}},     {"xyz", {0, 0, 0, 0}}},
  patterns[] = {{"^inst", {1, 0, 0, 0}},
		{"spät.*LATE$", {0, 0, 0, 1}},
		{"^\\w+$", {1, 1, 0, 0}},
		{"\\d", {0, 0, 1, 0}},
		{"[가-힣]", {0, 1, 0, 0}}};

enum operand { NPS, CSAT, RATING_A, RATING_B, ATTR_N, TOUCHPOINT, REGION, ATTR_T, CONTACT, ATTR_B, OPERANDS };
static const char *const operand_names[] = {"nps",        "csat",   "rating.a", "rating['b''s']",    "attr.n",
					    "touchpoint", "region", "attr.t",   "contact_requested", "attr.b"};

/* The walk's view of a response. */
struct model {
	bool there[OPERANDS];
	double number[OPERANDS]; /* numbers; bools as 0 and 1 */
	int class[OPERANDS];
};

enum op { EQ, NE, LT, LE, GT, GE, IN, BETWEEN, IS, IS_NOT, MISSING, PRESENT, CONTAINS, MATCHES, BARE };
static const char *const op_signs[] = {"=", "!=", "<", "<=", ">", ">="}, *const op_turned[] = {"=", "!=", ">", ">=", "<", "<="};

struct expr {
	enum { AND, OR, NOT, CONSTANT, TEST, PAIR, RATINGS, FACT } kind;
	struct expr *children[VALUES_MAX];
	int n;
	enum op op;
	int operand, other; /* other: PAIR's right; FACT's number */
	bool any, truth;
	double values[VALUES_MAX];
	int classes[VALUES_MAX]; /* of texts; of needles or patterns: their index */
};

struct world {
	struct arena *arena;
	unsigned seed;
	struct expr *facts[FACTS];
	int n_facts; /* that may be used already */
};

static int pick(struct world *w, int n)
{
	return rand_r(&w->seed) % n;
}

static double pick_number(struct world *w)
{
	static const double numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 2.5, -1};

	return numbers[pick(w, ARRAY_SIZE(numbers))];
}

static bool is_text(int operand)
{
	return operand == TOUCHPOINT || operand == REGION || operand == ATTR_T;
}

static bool is_bool(int operand)
{
	return operand == CONTACT || operand == ATTR_B;
}

static void make_values(struct world *w, struct expr *e)
{
	e->n = e->op == IN ? 1 + pick(w, 3) : e->op == BETWEEN ? 2 : e->op == CONTAINS ? 1 + pick(w, 2) : 1;
	for (int i = 0; i < e->n; i++) {
		e->values[i] = is_bool(e->operand) ? pick(w, 2) : pick_number(w);
		e->classes[i] = e->op == CONTAINS  ? pick(w, ARRAY_SIZE(needles))
				: e->op == MATCHES ? pick(w, ARRAY_SIZE(patterns))
						   : pick(w, CLASSES);
	}
	if (e->op == BETWEEN && e->values[0] > e->values[1]) {
		double first = e->values[0];

		e->values[0] = e->values[1];
		e->values[1] = first;
	}
}

/* @operand: negative for any */
static void make_test(struct world *w, struct expr *e, int operand)
{
	static const enum op number_ops[] = {EQ, NE, LT, LE, GT, GE, IN, BETWEEN, IS, IS_NOT, MISSING, PRESENT};
	static const enum op text_ops[] = {EQ, NE, IN, IS, IS_NOT, MISSING, PRESENT, CONTAINS, MATCHES};
	static const enum op bool_ops[] = {EQ, NE, IS, IS_NOT, MISSING, PRESENT, BARE};

	e->kind = TEST;
	e->operand = operand >= 0 ? operand : pick(w, OPERANDS);
	if (is_text(e->operand))
		e->op = text_ops[pick(w, ARRAY_SIZE(text_ops))];
	else if (is_bool(e->operand))
		e->op = bool_ops[pick(w, ARRAY_SIZE(bool_ops))];
	else
		e->op = number_ops[pick(w, ARRAY_SIZE(number_ops))];
	make_values(w, e);
}

static struct expr *make(struct world *w, int depth)
{
	struct expr *e = arena_new_obj(w->arena, struct expr);
	int dice = pick(w, 100);

	if (depth > 0 && dice < 60) {
		e->kind = dice < 25 ? AND : dice < 48 ? OR : NOT;
		e->n = e->kind == NOT ? 1 : 2 + pick(w, VALUES_MAX - 1);
		for (int i = 0; i < e->n; i++)
			e->children[i] = make(w, depth - 1);
	} else if (dice < 63) {
		e->kind = CONSTANT;
		e->truth = pick(w, 2);
	} else if (dice < 68) {
		static const int numbers[] = {NPS, CSAT, RATING_A, RATING_B, ATTR_N}, texts[] = {TOUCHPOINT, REGION, ATTR_T};
		bool text = pick(w, 2);

		e->kind = PAIR;
		e->op = (enum op)(text ? pick(w, 2) : pick(w, 6));
		e->operand = text ? texts[pick(w, 3)] : numbers[pick(w, 5)];
		e->other = text ? texts[pick(w, 3)] : numbers[pick(w, 5)];
	} else if (dice < 75) {
		e->kind = RATINGS;
		e->any = pick(w, 2);
		e->operand = RATING_A;
		e->op = (enum op)pick(w, BETWEEN + 1);
		make_values(w, e);
	} else if (dice < 85 && w->n_facts) {
		static const enum op ops[] = {BARE, BARE, BARE, EQ, NE, IS, IS_NOT, MISSING, PRESENT};

		e->kind = FACT;
		e->operand = CONTACT;
		e->other = pick(w, w->n_facts);
		e->op = ops[pick(w, ARRAY_SIZE(ops))];
		make_values(w, e);
	} else {
		make_test(w, e, -1);
	}
	return e;
}

/* Several tests of one fact: often none of its values passes them all. */
static struct expr *make_tight(struct world *w, int depth, int operand)
{
	struct expr *e = arena_new_obj(w->arena, struct expr);

	if (depth == 0) {
		make_test(w, e, operand);
		return e;
	}
	e->kind = pick(w, 4) ? AND : pick(w, 2) ? OR : NOT;
	e->n = e->kind == NOT ? 1 : 2;
	for (int i = 0; i < e->n; i++)
		e->children[i] = make_tight(w, depth - 1, operand);
	return e;
}

static void print_quoted(struct buf *out, const char *text)
{
	buf_putc(out, '\'');
	for (; *text; text++) {
		if (*text == '\'')
			buf_putc(out, '\'');
		buf_putc(out, *text);
	}
	buf_putc(out, '\'');
}

static void print_value(struct world *w, const struct expr *e, int i, struct buf *out)
{
	if (e->op == CONTAINS)
		print_quoted(out, needles[e->classes[i]].text);
	else if (e->op == MATCHES)
		print_quoted(out, patterns[e->classes[i]].text);
	else if (is_text(e->operand))
		print_quoted(out, spellings[e->classes[i]][pick(w, 4)]);
	else if (is_bool(e->operand))
		buf_puts(out, e->values[i] != 0 ? "true" : "false");
	else
		buf_printf(out, "%g", e->values[i]);
}

static void print_predicate(struct world *w, const struct expr *e, struct buf *out)
{
	static const char *const words[] = {" in ",        " between ",  " is ",      " is not ", " is missing",
					    " is present", " contains ", " matches ", ""};
	bool list = e->op == IN || (e->op == CONTAINS && e->n > 1);

	if (e->op <= GE)
		buf_printf(out, " %s ", op_signs[e->op]);
	else
		buf_puts(out, words[e->op - IN]);
	if (e->op == MISSING || e->op == PRESENT || e->op == BARE)
		return;
	buf_puts(out, list ? "(" : "");
	for (int i = 0; i < e->n; i++) {
		if (i)
			buf_puts(out, e->op == BETWEEN ? " and " : ", ");
		print_value(w, e, i, out);
	}
	buf_puts(out, list ? ")" : "");
}

/* Parentheses only where precedence needs them, or by chance. */
static void print(struct world *w, const struct expr *e, struct buf *out)
{
	switch (e->kind) {
	case AND:
	case OR:
		for (int i = 0; i < e->n; i++) {
			const struct expr *child = e->children[i];
			bool braces = child->kind == OR || child->kind == e->kind || pick(w, 8) == 0;

			if (i)
				buf_puts(out, e->kind == AND ? " and " : " or ");
			buf_puts(out, braces ? "(" : "");
			print(w, child, out);
			buf_puts(out, braces ? ")" : "");
		}
		break;
	case NOT:
		buf_puts(out, e->children[0]->kind <= OR ? "not (" : "not ");
		print(w, e->children[0], out);
		buf_puts(out, e->children[0]->kind <= OR ? ")" : "");
		break;
	case CONSTANT: buf_puts(out, e->truth ? "true" : "false"); break;
	case TEST:
		if (e->op <= GE && pick(w, 6) == 0) {
			print_value(w, e, 0, out);
			buf_printf(out, " %s %s", op_turned[e->op], operand_names[e->operand]);
			break;
		}
		buf_puts(out, operand_names[e->operand]);
		print_predicate(w, e, out);
		break;
	case PAIR: buf_printf(out, "%s %s %s", operand_names[e->operand], op_signs[e->op], operand_names[e->other]); break;
	case RATINGS:
		buf_puts(out, e->any ? "any rating" : "all rating");
		print_predicate(w, e, out);
		break;
	case FACT:
		buf_printf(out, "fact%d", e->other);
		print_predicate(w, e, out);
		break;
	}
}

static bool number_is(const struct expr *e, double x)
{
	switch (e->op) {
	case NE: return x != e->values[0];
	case LT: return x < e->values[0];
	case LE: return x <= e->values[0];
	case GT: return x > e->values[0];
	case GE: return x >= e->values[0];
	case BETWEEN: return e->values[0] <= x && x <= e->values[1];
	default: break;
	}
	for (int i = 0; i < e->n; i++)
		if (e->values[i] == x)
			return true;
	return false;
}

static bool text_is(const struct expr *e, int class)
{
	for (int i = 0; i < e->n; i++)
		if (e->op == CONTAINS  ? needles[e->classes[i]].in[class]
		    : e->op == MATCHES ? patterns[e->classes[i]].in[class]
				       : e->classes[i] == class)
			return true;
	return false;
}

static enum truth walk_test(const struct expr *e, bool there, double number, int class)
{
	bool holds;

	if (e->op == MISSING || e->op == PRESENT)
		return there == (e->op == PRESENT) ? T : F;
	if (!there)
		return e->op == IS ? F : e->op == IS_NOT ? T : M;
	if (e->op == BARE)
		return number != 0 ? T : F;
	holds = is_text(e->operand) ? text_is(e, class) : number_is(e, number);
	/* number_is() has answered NE by itself already. */
	if (e->op == IS_NOT || (e->op == NE && is_text(e->operand)))
		holds = !holds;
	return holds ? T : F;
}

static enum truth walk_pair(const struct expr *e, const struct model *m)
{
	struct expr one = {.op = e->op, .n = 1, .values = {m->number[e->other]}};

	if (!m->there[e->operand] || !m->there[e->other])
		return M;
	if (is_text(e->operand))
		return (m->class[e->operand] == m->class[e->other]) == (e->op == EQ) ? T : F;
	return number_is(&one, m->number[e->operand]) ? T : F;
}

static enum truth walk(const struct world *w, const struct expr *e, const struct model *m)
{
	enum truth all = T, any = F, v;

	switch (e->kind) {
	case AND:
	case OR:
		for (int i = 0; i < e->n; i++) {
			v = walk(w, e->children[i], m);
			all = and_table[all][v];
			any = or_table[any][v];
		}
		return e->kind == AND ? all : any;
	case NOT: return not_table[walk(w, e->children[0], m)];
	case CONSTANT: return e->truth ? T : F;
	case TEST: return walk_test(e, m->there[e->operand], m->number[e->operand], m->class[e->operand]);
	case PAIR: return walk_pair(e, m);
	case RATINGS:
		if (!m->there[RATING_A] && !m->there[RATING_B])
			return M;
		for (int i = RATING_A; i <= RATING_B; i++)
			if (m->there[i]) {
				v = number_is(e, m->number[i]) ? T : F;
				all = and_table[all][v];
				any = or_table[any][v];
			}
		return e->any ? any : all;
	case FACT: v = walk(w, w->facts[e->other], m); return walk_test(e, v != M, v == T, 0);
	}
	return M;
}

/* A response and the walk's view of it. */
static void make_response(struct world *w, struct response *r, struct model *m)
{
	struct rating *ratings = arena_new_array(w->arena, struct rating, 2);
	struct attribute *attributes = arena_new_array(w->arena, struct attribute, 3);
	const char *texts[OPERANDS] = {NULL};

	*r = (struct response){.nps = SCORE_MISSING,
			       .csat = SCORE_MISSING,
			       .ces = SCORE_MISSING,
			       .ratings = ratings,
			       .attributes = attributes};
	for (int i = 0; i < OPERANDS; i++) {
		m->there[i] = i == CONTACT || pick(w, 4);
		m->number[i] = is_bool(i) ? pick(w, 2) : i == NPS ? pick(w, 11) : i == CSAT ? 1 + pick(w, 5) : pick_number(w);
		m->class[i] = pick(w, CLASSES);
		if (is_text(i))
			texts[i] = m->there[i] ? spellings[m->class[i]][pick(w, 4)] : pick(w, 2) ? blanks[pick(w, 4)] : NULL;
		if (is_bool(i) && !m->there[i])
			m->number[i] = 0;
	}
	r->nps = m->there[NPS] ? (int)m->number[NPS] : SCORE_MISSING;
	r->csat = m->there[CSAT] ? (int)m->number[CSAT] : SCORE_MISSING;
	if (m->there[RATING_A])
		ratings[r->n_ratings++] = (struct rating){"a", m->number[RATING_A]};
	if (m->there[RATING_B])
		ratings[r->n_ratings++] = (struct rating){"b's", m->number[RATING_B]};
	r->touchpoint = texts[TOUCHPOINT];
	r->region = texts[REGION];
	r->contact_requested = m->number[CONTACT] != 0;
	if (texts[ATTR_T])
		attributes[r->n_attributes++] = (struct attribute){"t", ATTRIBUTE_TEXT, texts[ATTR_T], 0, false};
	if (m->there[ATTR_N])
		attributes[r->n_attributes++] = (struct attribute){"n", ATTRIBUTE_NUMBER, "", m->number[ATTR_N], false};
	if (m->there[ATTR_B])
		attributes[r->n_attributes++] = (struct attribute){
			"b", ATTRIBUTE_BOOL, m->number[ATTR_B] != 0 ? "true" : "false", 0, m->number[ATTR_B] != 0};
}

static const char *printed(struct world *w, const struct expr *e)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	const char *text;

	print(w, e, &out);
	text = arena_strdup(w->arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

/* Deep ones may pass the cap of length: then a constant takes their place. */
static const char *make_rule(struct world *w, struct expr **ret)
{
	const char *text;

	*ret = pick(w, 3) ? make(w, 1 + pick(w, 4)) : make_tight(w, 1 + pick(w, 2), pick(w, OPERANDS));
	text = printed(w, *ret);
	if (strlen(text) <= RULE_EXPR_BYTES_MAX)
		return text;
	**ret = (struct expr){.kind = CONSTANT, .truth = true};
	return "true";
}

/* Which rules a warning calls impossible. */
static void find_impossible(const struct diag_list *diags, bool impossible[RULES])
{
	for (int i = 0; i < diags->n; i++)
		if (diags->items[i].pos.line > 0 && strstr(diags->items[i].text, "can never match"))
			impossible[diags->items[i].pos.line - 1] = true;
}

static void check_responses(struct world *w, const struct ruleset *rs, const bool *impossible, struct expr *const *trees,
			    const struct rule_source *rules)
{
	static const enum tri tri_of[] = {TRI_FALSE, TRI_MISSING, TRI_TRUE};
	struct rule_scratch *scratch = rule_scratch_new(rs);

	for (int i = 0; i < RESPONSES; i++) {
		struct response r;
		struct model m;
		struct verdict v;
		int undecided = 0, winner = -1;

		make_response(w, &r, &m);
		ruleset_judge(rs, scratch, &r, &v);
		for (int k = 0; k < RULES; k++) {
			enum truth expected = walk(w, trees[k], &m);

			if (v.results[k] != tri_of[expected])
				print_error("seed %u: %s: %d, expected %d\n", w->seed, rules[k].when, v.results[k],
					    tri_of[expected]);
			assert_int_equal(v.results[k], tri_of[expected]);
			if (impossible[k] && expected == T)
				print_error("seed %u: matches, though it was called impossible: %s\n", w->seed, rules[k].when);
			assert_false(impossible[k] && expected == T);
			undecided += expected == M;
			if (expected == T && (winner < 0 || rules[k].priority > rules[winner].priority))
				winner = k;
		}
		assert_int_equal(v.undecided, undecided);
		assert_int_equal(v.winner, winner);
	}
	/* The trace tells the same. */
	for (int k = 0; k < RULES; k++) {
		struct response r;
		struct model m;

		make_response(w, &r, &m);
		assert_int_equal(ruleset_trace(rs, scratch, k, &r, w->arena)->result, tri_of[walk(w, trees[k], &m)]);
	}
	rule_scratch_free(scratch);
}

static void round_of_rules(unsigned seed)
{
	static const struct attribute_source attributes[] = {
		{"t", ATTRIBUTE_TEXT}, {"n", ATTRIBUTE_NUMBER}, {"b", ATTRIBUTE_BOOL}};
	static const char *const names[FACTS] = {"fact0", "fact1", "fact2", "fact3"};
	struct world w = {.arena = arena_new(0), .seed = seed};
	struct fact_source facts[FACTS];
	struct rule_source rules[RULES];
	struct expr *trees[RULES];
	struct rule_input in = {.rules = rules,
				.n_rules = RULES,
				.facts = facts,
				.n_facts = FACTS,
				.attributes = attributes,
				.n_attributes = ARRAY_SIZE(attributes)};
	struct diag_list *diags = diag_list_new();
	struct ruleset *rs = NULL;
	bool impossible[RULES] = {false};

	for (int i = 0; i < FACTS; i++) {
		facts[i] = (struct fact_source){.name = names[i], .expr = make_rule(&w, &w.facts[i])};
		w.n_facts++;
	}
	for (int i = 0; i < RULES; i++)
		rules[i] = (struct rule_source){.id = "r",
						.when = make_rule(&w, &trees[i]),
						.pos.line = i + 1,
						.priority = (enum priority)pick(&w, PRIORITY_COUNT)};
	if (ruleset_new(&in, diags, &rs) != 0)
		for (int i = 0; i < diags->n; i++)
			if (diags->items[i].level == DIAG_ERROR)
				print_error("seed %u: %s\n    %s\n", seed, diags->items[i].text, diags->items[i].excerpt);
	assert_non_null(rs);
	find_impossible(diags, impossible);
	check_responses(&w, rs, impossible, trees, rules);
	ruleset_free(rs);
	diag_list_free(diags);
	arena_free(w.arena);
}

static void test_compiled_is_as_written(void **state)
{
	const char *seed = getenv("RULE_PROPERTY_SEED"), *rounds = getenv("RULE_PROPERTY_ROUNDS");
	unsigned first = seed ? (unsigned)strtoul(seed, NULL, 10) : 20270302;

	for (int i = 0; i < (rounds ? atoi(rounds) : ROUNDS); i++)
		round_of_rules(first + (unsigned)i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_compiled_is_as_written)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
