/*
 * Random rules; see rule_world.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule_world.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX (RULE_EXPR_BYTES_MAX * 4)

const struct operand_def operands[OPERANDS] = {
	[NPS] = {"nps", NUMBER, false},
	[CSAT] = {"csat", NUMBER, false},
	[RATING_A] = {"rating.a", NUMBER, false},
	[RATING_B] = {"rating['b''s']", NUMBER, false},
	[RATING_Q] = {"rating.q", NUMBER, false},
	[RATING_G] = {"rating['g']", NUMBER, false},
	[ATTR_N] = {"attr.n", NUMBER, false},
	[PREV_NPS] = {"previous.nps", NUMBER, true},
	[PREV_RATING_Q] = {"previous.rating.q", NUMBER, true},
	[PREV_ATTR_N] = {"previous.attr.n", NUMBER, true},
	[RESPONSES_30D] = {"history.responses(30d)", NUMBER, false},
	[DETRACTORS_90D] = {"history.detractors(90d)", NUMBER, false},
	[CASES_2W_ACCOUNT] = {"history.cases(2w, account)", NUMBER, false},
	[DAYS] = {"days_since(attr.w)", NUMBER, false},
	[DAYS_PREV] = {"days_since(previous.responded_at)", NUMBER, true},
	[HOUR] = {"hour(responded_at)", NUMBER, false},
	[HOUR_PREV] = {"hour(previous.responded_at, 'Europe/Berlin')", NUMBER, true},
	[WEEKDAY] = {"weekday(responded_at, 'UTC')", NUMBER, false},
	[TOUCHPOINT] = {"touchpoint", TEXT, false},
	[REGION] = {"region", TEXT, false},
	[ATTR_T] = {"attr.t", TEXT, false},
	[PREV_TOUCHPOINT] = {"previous.touchpoint", TEXT, true},
	[PREV_ATTR_T] = {"previous.attr.t", TEXT, true},
	[CONTACT] = {"contact_requested", BOOL, false},
	[ATTR_B] = {"attr.b", BOOL, false},
	[PREV_CONTACT] = {"previous.contact_requested", BOOL, true},
	[ATTR_W] = {"attr.w", TIME, false},
	[PREV_TIME] = {"previous.responded_at", TIME, true},
};
const struct scale world_scales[] = {{"q", 1, 10, true}, {"g", 1, 5, false}};
const int world_scales_n = ARRAY_SIZE(world_scales);
const struct attribute_source world_attributes[] = {
	{"t", ATTRIBUTE_TEXT}, {"n", ATTRIBUTE_NUMBER}, {"b", ATTRIBUTE_BOOL}, {"w", ATTRIBUTE_TIME}};
const int world_attributes_n = ARRAY_SIZE(world_attributes);

const char *const spellings[CLASSES][SPELLINGS] = {
	{"install", "INSTALL ", "\u3000Install", "inStall"},
	{"설치", "\u1109\u1165\u11af\u110e\u1175", " 설치\u00a0", "\u1109\u1165\u11af치"},
	{"straße 7", "STRASSE 7", "Straße 7", "straẞe 7"},
	{"zu spät, late", "ZU SPÄT, LATE", "zu spa\u0308t, Late", "\tZu Spät, late\n"},
};
const struct part needles[NEEDLES] = {{"stall", {1, 0, 0, 0}}, {"STRASS", {0, 0, 1, 0}}, {"Ä", {0, 0, 0, 1}},
				      {"l", {1, 0, 0, 1}},     {"설", {0, 1, 0, 0}},     {"xyz", {0, 0, 0, 0}}};
const struct part patterns[PATTERNS] = {{"^inst", {1, 0, 0, 0}},
					{"spät.*LATE$", {0, 0, 0, 1}},
					{"^\\w+$", {1, 1, 0, 0}},
					{"\\d", {0, 0, 1, 0}},
					{"[가-힣]", {0, 1, 0, 0}}};

static const char *const op_signs[] = {"=", "!=", "<", "<=", ">", ">="}, *const op_turned[] = {"=", "!=", ">", ">=", "<", "<="};

int pick(struct world *w, int n)
{
	return rand_r(&w->seed) % n;
}

double pick_value(struct world *w, int operand)
{
	static const double numbers[] = {0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 2.5, -1};
	static const double of_scale[] = {1, 2, 3.25, 4, 5.5, 7, 7.75, 9, 10};
	static const double days[] = {-1, 0, 0.5, 1, 2, 7, 7.25};

	switch (operand) {
	case RATING_Q:
	case PREV_RATING_Q: return of_scale[pick(w, ARRAY_SIZE(of_scale))];
	case RATING_G: return 1 + pick(w, 5);
	case RESPONSES_30D:
	case DETRACTORS_90D:
	case CASES_2W_ACCOUNT: return pick(w, 9) / 2.0;
	case DAYS:
	case DAYS_PREV: return days[pick(w, ARRAY_SIZE(days))];
	case HOUR:
	case HOUR_PREV: return pick(w, 24);
	case WEEKDAY: return 1 + pick(w, 7);
	default: return numbers[pick(w, ARRAY_SIZE(numbers))];
	}
}

/* ---- making ---- */

static int pick_operand(struct world *w, enum kind kind)
{
	int operand;

	do
		operand = pick(w, OPERANDS);
	while (operands[operand].kind != kind);
	return operand;
}

static void make_values(struct world *w, struct expr *e)
{
	e->n = e->op == IN ? 1 + pick(w, 3) : e->op == BETWEEN ? 2 : e->op == CONTAINS ? 1 + pick(w, 2) : 1;
	for (int i = 0; i < e->n; i++) {
		e->values[i] = operands[e->operand].kind == BOOL ? pick(w, 2) : pick_value(w, pick(w, 8) ? e->operand : NPS);
		e->classes[i] = e->op == CONTAINS ? pick(w, NEEDLES) : e->op == MATCHES ? pick(w, PATTERNS) : pick(w, CLASSES);
	}
	if (e->op == BETWEEN && e->values[0] > e->values[1]) {
		double first = e->values[0];

		e->values[0] = e->values[1];
		e->values[1] = first;
	}
}

static void make_test(struct world *w, struct expr *e, int operand)
{
	static const enum op number_ops[] = {EQ, NE, LT, LE, GT, GE, IN, BETWEEN, IS, IS_NOT, MISSING, PRESENT};
	static const enum op text_ops[] = {EQ, NE, IN, IS, IS_NOT, MISSING, PRESENT, CONTAINS, MATCHES};
	static const enum op bool_ops[] = {EQ, NE, IS, IS_NOT, MISSING, PRESENT, BARE};
	static const enum op time_ops[] = {MISSING, PRESENT};

	e->kind = TEST;
	e->operand = operand;
	switch (operands[operand].kind) {
	case NUMBER: e->op = number_ops[pick(w, ARRAY_SIZE(number_ops))]; break;
	case TEXT: e->op = text_ops[pick(w, ARRAY_SIZE(text_ops))]; break;
	case BOOL: e->op = bool_ops[pick(w, ARRAY_SIZE(bool_ops))]; break;
	case TIME: e->op = time_ops[pick(w, ARRAY_SIZE(time_ops))]; break;
	}
	make_values(w, e);
}

static void make_pair(struct world *w, struct expr *e)
{
	enum kind kind = (enum kind)pick(w, TIME);

	e->kind = PAIR;
	e->op = (enum op)(kind == NUMBER ? pick(w, 6) : pick(w, 2));
	e->operand = pick_operand(w, kind);
	e->other = pick_operand(w, kind);
}

static void make_ratings(struct world *w, struct expr *e)
{
	e->kind = RATINGS;
	e->any = pick(w, 2);
	e->operand = RATING_A;
	e->op = (enum op)pick(w, BETWEEN + 1);
	make_values(w, e);
}

static void make_fact(struct world *w, struct expr *e)
{
	static const enum op ops[] = {BARE, BARE, BARE, EQ, NE, IS, IS_NOT, MISSING, PRESENT};

	e->kind = FACT;
	e->operand = CONTACT; /* a bool */
	e->other = pick(w, w->n_facts);
	e->op = ops[pick(w, ARRAY_SIZE(ops))];
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
		make_pair(w, e);
	} else if (dice < 75) {
		make_ratings(w, e);
	} else if (dice < 85 && w->n_facts) {
		make_fact(w, e);
	} else {
		make_test(w, e, pick(w, OPERANDS));
	}
	return e;
}

static struct expr *make_leaf(struct world *w, int operand)
{
	struct expr *e = arena_new_obj(w->arena, struct expr);

	if (operand == OPERANDS)
		make_ratings(w, e);
	else
		make_test(w, e, operand);
	return e;
}

static struct expr *make_joined(struct world *w, int kind, struct expr *a, struct expr *b)
{
	struct expr *e = arena_new_obj(w->arena, struct expr);

	e->kind = kind;
	e->n = 2;
	e->children[0] = a;
	e->children[1] = b;
	return e;
}

static struct expr *make_tight(struct world *w, int depth, int operand, int other)
{
	struct expr *e;

	if (depth == 0)
		return make_leaf(w, pick(w, 2) ? operand : other);
	if (pick(w, 8) == 0) {
		e = arena_new_obj(w->arena, struct expr);
		e->kind = NOT;
		e->n = 1;
		e->children[0] = make_tight(w, depth - 1, operand, other);
		return e;
	}
	e = make_tight(w, depth - 1, operand, other);
	return make_joined(w, pick(w, 6) ? AND : OR, e, make_tight(w, depth - 1, operand, other));
}

/* More branches than a proof keeps apart, each with a test of the same operand. */
static struct expr *make_wide(struct world *w, int depth, int operand)
{
	struct expr *e = arena_new_obj(w->arena, struct expr);

	if (depth == 0)
		return make_joined(w, AND, make_leaf(w, operand), make_leaf(w, pick(w, OPERANDS)));
	e->kind = OR;
	e->n = VALUES_MAX;
	for (int i = 0; i < e->n; i++)
		e->children[i] = make_wide(w, depth - 1, operand);
	return e;
}

static int some_operand(const struct expr *e)
{
	while (e->kind <= NOT)
		e = e->children[0];
	return e->kind == TEST || e->kind == PAIR ? e->operand : e->kind == RATINGS ? OPERANDS : NPS;
}

/* A named fact beside a test of something that it stands on. */
static struct expr *make_about_fact(struct world *w)
{
	struct expr *e = arena_new_obj(w->arena, struct expr);

	make_fact(w, e);
	return make_joined(w, AND, e, make_leaf(w, some_operand(w->facts[e->other])));
}

/* ---- printing ---- */

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
	enum kind kind = operands[e->operand].kind;

	if (e->op == CONTAINS)
		print_quoted(out, needles[e->classes[i]].text);
	else if (e->op == MATCHES)
		print_quoted(out, patterns[e->classes[i]].text);
	else if (kind == TEXT)
		print_quoted(out, spellings[e->classes[i]][pick(w, SPELLINGS)]);
	else if (kind == BOOL)
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

static void print(struct world *w, struct expr *e, struct buf *out);

static void print_braced(struct world *w, struct expr *e, bool braces, struct buf *out)
{
	int from = (int)out->n;

	buf_puts(out, braces ? "(" : "");
	print(w, e, out);
	buf_puts(out, braces ? ")" : "");
	/* Parentheses around a single test are no part of it. */
	if (e->kind <= NOT) {
		e->from = from;
		e->to = (int)out->n;
	}
}

/* Parentheses only where precedence needs them, or by chance. */
static void print(struct world *w, struct expr *e, struct buf *out)
{
	e->from = (int)out->n;
	switch (e->kind) {
	case AND:
	case OR:
		for (int i = 0; i < e->n; i++) {
			struct expr *child = e->children[i];

			if (i)
				buf_puts(out, e->kind == AND ? " and " : " or ");
			print_braced(w, child, child->kind == OR || child->kind == e->kind || pick(w, 8) == 0, out);
		}
		break;
	case NOT:
		buf_puts(out, "not ");
		print_braced(w, e->children[0], e->children[0]->kind <= OR, out);
		break;
	case CONSTANT: buf_puts(out, e->truth ? "true" : "false"); break;
	case TEST:
		if (e->op <= GE && pick(w, 6) == 0) {
			print_value(w, e, 0, out);
			buf_printf(out, " %s %s", op_turned[e->op], operands[e->operand].name);
			break;
		}
		buf_puts(out, operands[e->operand].name);
		print_predicate(w, e, out);
		break;
	case PAIR: buf_printf(out, "%s %s %s", operands[e->operand].name, op_signs[e->op], operands[e->other].name); break;
	case RATINGS:
		buf_puts(out, e->any ? "any rating" : "all rating");
		print_predicate(w, e, out);
		break;
	case FACT:
		buf_printf(out, "fact%d", e->other);
		print_predicate(w, e, out);
		break;
	}
	e->to = (int)out->n;
}

static const char *printed(struct world *w, struct expr *e)
{
	struct buf out = BUF_INIT(TEXT_MAX);
	const char *text;

	print(w, e, &out);
	text = arena_strdup(w->arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

/* Deep ones may pass the cap of length: then a constant takes their place. */
static const char *capped(struct expr *e, const char *text)
{
	if (strlen(text) <= RULE_EXPR_BYTES_MAX)
		return text;
	*e = (struct expr){.kind = CONSTANT, .truth = true, .to = 4};
	return "true";
}

const char *world_tight_rule(struct world *w, int operand, int other, struct expr **ret)
{
	*ret = make_tight(w, 1 + pick(w, 3), operand, other);
	return capped(*ret, printed(w, *ret));
}

const char *world_small_rule(struct world *w, struct expr **ret)
{
	*ret = make(w, pick(w, 2));
	return capped(*ret, printed(w, *ret));
}

const char *world_rule(struct world *w, struct expr **ret)
{
	int dice = pick(w, 48), operand = pick(w, OPERANDS + 1);

	if (dice < 16)
		return world_tight_rule(w, operand, pick(w, 3) ? operand : pick(w, OPERANDS), ret);
	if (dice < 17)
		*ret = make_joined(w, AND, make_wide(w, 3, operand), make_leaf(w, operand));
	else if (dice < 24 && w->n_facts)
		*ret = make_about_fact(w);
	else
		*ret = make(w, 1 + pick(w, 4));
	return capped(*ret, printed(w, *ret));
}
