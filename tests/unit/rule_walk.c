/*
 * The plain walk; see rule_world.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule_world.h"

static const enum truth and_table[3][3] = {{F, F, F}, {F, M, M}, {F, M, T}};
static const enum truth or_table[3][3] = {{F, M, T}, {M, M, T}, {T, T, T}};
static const enum truth not_table[3] = {T, M, F};

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
	bool text = operands[e->operand].kind == TEXT, holds;

	if (e->op == MISSING || e->op == PRESENT)
		return there == (e->op == PRESENT) ? T : F;
	if (!there)
		return e->op == IS ? F : e->op == IS_NOT ? T : M;
	if (e->op == BARE)
		return number != 0 ? T : F;
	holds = text ? text_is(e, class) : number_is(e, number);
	/* number_is() has answered NE by itself already. */
	if (e->op == IS_NOT || (e->op == NE && text))
		holds = !holds;
	return holds ? T : F;
}

static enum truth walk_pair(const struct expr *e, const struct model *m)
{
	struct expr one = {.op = e->op, .n = 1, .values = {m->number[e->other]}};

	if (!m->there[e->operand] || !m->there[e->other])
		return M;
	if (operands[e->operand].kind == TEXT)
		return (m->class[e->operand] == m->class[e->other]) == (e->op == EQ) ? T : F;
	return number_is(&one, m->number[e->operand]) ? T : F;
}

/* From 1 star for the worst answer to 5 for the best; what has no scale is stars already. */
static double stars(int rating, double x)
{
	if (rating == RATING_Q)
		return 1 + (x - 1) / 9 * 4;
	if (rating == RATING_G)
		return 6 - x;
	return x;
}

static enum truth walk_ratings(const struct expr *e, const struct model *m)
{
	enum truth all = T, any = F;
	bool none = true;

	for (int i = RATING_A; i <= RATING_G; i++)
		if (m->there[i]) {
			enum truth v = number_is(e, stars(i, m->number[i])) ? T : F;

			none = false;
			all = and_table[all][v];
			any = or_table[any][v];
		}
	return none ? M : e->any ? any : all;
}

enum truth walk(const struct world *w, const struct expr *e, const struct model *m)
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
	case RATINGS: return walk_ratings(e, m);
	case FACT: v = walk(w, w->facts[e->other], m); return walk_test(e, v != M, v == T, 0);
	}
	return M;
}

/* ---- the clock ---- */

#define DAY 86400

static int64_t floored(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static int days_of_month(int year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return month == 2 && leap ? 29 : days[month - 1];
}

/* Days from 1970 to the last Sunday of a month of 31 days. 1 January 1970 was a Thursday. */
static int64_t last_sunday(int year, int month)
{
	int64_t day = -1;

	for (int y = 1970; y < year; y++)
		for (int m = 1; m <= 12; m++)
			day += days_of_month(y, m);
	for (int m = 1; m <= month; m++)
		day += days_of_month(year, m);
	while ((day + 4) % 7 != 0)
		day--;
	return day;
}

/* Summer time of the European Union: from the last Sunday of March to that of October, 01:00 UTC both. After 1996. */
static bool is_summer(int64_t s)
{
	static int64_t from[140], to[140]; /* by years since 1970 */
	int64_t day = floored(s, DAY);
	int year = (int)(1970 + day * 400 / 146097);

	for (int y = year - 1; y <= year + 1; y++) {
		if (!from[y - 1970]) {
			from[y - 1970] = last_sunday(y, 3) * DAY + 3600;
			to[y - 1970] = last_sunday(y, 10) * DAY + 3600;
		}
		if (s >= from[y - 1970] && s < to[y - 1970])
			return true;
	}
	return false;
}

static int64_t wall_seconds(int64_t us, enum wall_zone zone)
{
	int64_t s = floored(us, 1000000);

	switch (zone) {
	case ZONE_SEOUL: return s + 9 * 3600;
	case ZONE_BERLIN: return s + (is_summer(s) ? 7200 : 3600);
	case ZONE_UTC: break;
	}
	return s;
}

int walk_hour(int64_t us, enum wall_zone zone)
{
	int64_t s = wall_seconds(us, zone);

	return (int)((s - floored(s, DAY) * DAY) / 3600);
}

int walk_weekday(int64_t us, enum wall_zone zone)
{
	int64_t day = floored(wall_seconds(us, zone), DAY) + 3; /* Monday is 0 */

	return (int)(day - floored(day, 7) * 7) + 1;
}
