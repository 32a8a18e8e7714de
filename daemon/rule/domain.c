/*
 * Domains and boxes; see domain.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/domain.h"
#include "rule/limits.h"

#include <math.h>
#include <string.h>

#define HULL_TEXTS_MAX 256 /* beyond it a list is any text */
#define BOX_ITEMS_MAX 64   /* facts beyond it may be anything */

/* All values a column can have, as bits. */
static uint32_t column_bits(const struct input *in)
{
	uint32_t bits = 0;

	if (in->type == TYPE_BOOL)
		return 3;
	for (int v = (int)in->column->min; v <= (int)in->column->max; v++)
		bits |= UINT32_C(1) << v;
	return bits;
}

struct domain domain_any(const struct ruleset *rs, int input)
{
	const struct input *in = &rs->inputs[input];
	struct domain d = {.input = input, .missing = !in->always};

	if (in->source == INPUT_SCORE || in->type == TYPE_BOOL) {
		d.kind = DOMAIN_BITS;
		d.bits = column_bits(in);
	} else if (in->type == TYPE_TEXT) {
		d.kind = DOMAIN_TEXTS;
	} else {
		d.kind = DOMAIN_RANGE;
		d.low = -INFINITY;
		d.high = INFINITY;
	}
	return d;
}

bool domain_is_empty(const struct domain *d)
{
	if (d->missing)
		return false;
	switch (d->kind) {
	case DOMAIN_BITS: return d->bits == 0;
	case DOMAIN_RANGE: return d->nothing || d->low > d->high || (d->low == d->high && (d->low_open || d->high_open));
	case DOMAIN_TEXTS: return d->nothing || (d->only && d->n_only == 0);
	}
	return false;
}

static void bits_of_test(const struct input *in, const struct node *test, bool want, struct domain *d)
{
	double values[RULE_LIST_MAX];

	for (int i = 0; i < test->n_right; i++)
		values[i] = in->type == TYPE_BOOL ? test->right[i].truth : test->right[i].number;
	for (int v = 0; v < 32; v++) {
		enum test op = test->test == TEST_IS || test->test == TEST_IS_NOT ? TEST_EQ : test->test;
		bool holds = test->test == TEST_TRUE ? v == 1 : number_holds(op, v, values, test->n_right);

		if ((holds != (test->test == TEST_IS_NOT)) != want)
			d->bits &= ~(UINT32_C(1) << v);
	}
}

static void range_of_test(const struct node *test, bool want, struct domain *d)
{
	static const enum test opposite[] = {TEST_NE, TEST_EQ, TEST_GE, TEST_GT, TEST_LE, TEST_LT};
	enum test op = test->test == TEST_IS ? TEST_EQ : test->test == TEST_IS_NOT ? TEST_NE : test->test;
	double x = test->right[0].number;

	if (op <= TEST_GE && !want)
		op = opposite[op];
	else if (op > TEST_GE && !want)
		return;
	if (op == TEST_EQ || op == TEST_GE || op == TEST_GT)
		d->low = x;
	if (op == TEST_EQ || op == TEST_LE || op == TEST_LT)
		d->high = x;
	d->low_open = op == TEST_GT;
	d->high_open = op == TEST_LT;
	if (op != TEST_IN && op != TEST_BETWEEN)
		return;
	d->low = d->high = x;
	for (int i = 1; i < test->n_right; i++) {
		d->low = MIN(d->low, test->right[i].number);
		d->high = MAX(d->high, test->right[i].number);
	}
}

static void texts_of_test(const struct node *test, bool want, struct domain *d, struct arena *arena)
{
	bool equal = test->test == TEST_EQ || test->test == TEST_IS || test->test == TEST_IN;
	bool unequal = test->test == TEST_NE || test->test == TEST_IS_NOT;
	struct slice *only;

	if (want ? !equal : !unequal)
		return;
	only = arena_new_array(arena, struct slice, (size_t)test->n_right);
	for (int i = 0; i < test->n_right; i++) {
		struct buf folded = BUF_INIT(RULE_EXPR_BYTES_MAX * 4);

		rule_fold(test->right[i].text, &folded);
		only[i] = (struct slice){arena_strdup(arena, buf_str(&folded)), folded.n};
		buf_fini(&folded);
	}
	d->only = only;
	d->n_only = test->n_right;
}

struct domain domain_of_test(const struct ruleset *rs, const struct node *test, bool want, struct arena *arena)
{
	struct domain d = domain_any(rs, test->left.index);
	bool literal = test->n_right > 0 && operand_is_literal(&test->right[0]);

	if (test->test == TEST_MISSING || test->test == TEST_PRESENT) {
		bool missing = (test->test == TEST_MISSING) == want;

		d.missing = missing && d.missing;
		d.nothing = missing;
		d.bits = missing ? 0 : d.bits;
		return d;
	}
	/* A missing operand leaves only these two undecided in nothing: `is` false and `is not` true. */
	d.missing = d.missing && ((test->test == TEST_IS && !want) || (test->test == TEST_IS_NOT && want));
	if (d.kind == DOMAIN_BITS && (literal || test->test == TEST_TRUE))
		bits_of_test(&rs->inputs[test->left.index], test, want, &d);
	else if (d.kind == DOMAIN_RANGE && literal)
		range_of_test(test, want, &d);
	else if (d.kind == DOMAIN_TEXTS && literal)
		texts_of_test(test, want, &d, arena);
	return d;
}

static bool has_text(const struct domain *d, struct slice text)
{
	for (int i = 0; i < d->n_only; i++)
		if (slice_order(&d->only[i], &text) == 0)
			return true;
	return false;
}

static void meet_texts(const struct domain *a, const struct domain *b, struct domain *d, struct arena *arena)
{
	struct slice *only;

	d->nothing = a->nothing || b->nothing;
	if (!a->only || !b->only) {
		d->only = a->only ? a->only : b->only;
		d->n_only = a->only ? a->n_only : b->n_only;
		return;
	}
	only = arena_new_array(arena, struct slice, (size_t)a->n_only + 1);
	d->n_only = 0;
	for (int i = 0; i < a->n_only; i++)
		if (has_text(b, a->only[i]))
			only[d->n_only++] = a->only[i];
	d->only = only;
}

struct domain domain_meet(const struct domain *a, const struct domain *b, struct arena *arena)
{
	struct domain d = *a;

	d.missing = a->missing && b->missing;
	d.bits = a->bits & b->bits;
	d.nothing = a->nothing || b->nothing;
	if (b->low > d.low || (b->low == d.low && b->low_open)) {
		d.low = b->low;
		d.low_open = b->low_open;
	}
	if (b->high < d.high || (b->high == d.high && b->high_open)) {
		d.high = b->high;
		d.high_open = b->high_open;
	}
	if (d.kind == DOMAIN_TEXTS)
		meet_texts(a, b, &d, arena);
	return d;
}

static struct domain domain_hull(const struct domain *a, const struct domain *b, struct arena *arena)
{
	struct domain d = *a;
	struct slice *only;

	d.missing = a->missing || b->missing;
	d.bits = a->bits | b->bits;
	if (a->nothing || b->nothing) { /* one of them is only "missing" */
		bool missing = d.missing;

		d = a->nothing ? *b : *a;
		d.missing = missing;
		d.bits = a->bits | b->bits;
		return d;
	}
	if (b->low < d.low || (b->low == d.low && !b->low_open)) {
		d.low = b->low;
		d.low_open = b->low_open;
	}
	if (b->high > d.high || (b->high == d.high && !b->high_open)) {
		d.high = b->high;
		d.high_open = b->high_open;
	}
	if (!a->only || !b->only || a->n_only + b->n_only > HULL_TEXTS_MAX) {
		d.only = NULL;
		d.n_only = 0;
		return d;
	}
	only = arena_new_array(arena, struct slice, (size_t)(a->n_only + b->n_only));
	memcpy(only, a->only, sizeof(*only) * (size_t)a->n_only);
	memcpy(only + a->n_only, b->only, sizeof(*only) * (size_t)b->n_only);
	d.only = only;
	d.n_only = a->n_only + b->n_only;
	return d;
}

struct box *box_of_domain(struct domain d, struct arena *arena)
{
	struct box *box = arena_new_obj(arena, struct box);

	box->never = domain_is_empty(&d);
	box->n = 1;
	box->items = arena_memdup(arena, &d, sizeof(d));
	return box;
}

struct box *box_meet(const struct box *a, const struct box *b, struct arena *arena, int *ret_input)
{
	struct box *box = arena_new_obj(arena, struct box);

	box->items = arena_new_array(arena, struct domain, (size_t)(a->n + b->n) + 1);
	for (int i = 0, j = 0; (i < a->n || j < b->n) && box->n < BOX_ITEMS_MAX;) {
		struct domain *d = &box->items[box->n++];

		if (j == b->n || (i < a->n && a->items[i].input < b->items[j].input)) {
			*d = a->items[i++];
		} else if (i == a->n || b->items[j].input < a->items[i].input) {
			*d = b->items[j++];
		} else {
			*d = domain_meet(&a->items[i++], &b->items[j++], arena);
			if (domain_is_empty(d) && !box->never) {
				box->never = true;
				*ret_input = d->input;
			}
		}
	}
	return box;
}

struct box *box_hull(const struct box *a, const struct box *b, struct arena *arena)
{
	struct box *box = arena_new_obj(arena, struct box);

	box->items = arena_new_array(arena, struct domain, (size_t)MIN(a->n, b->n) + 1);
	for (int i = 0, j = 0; i < a->n && j < b->n;) {
		if (a->items[i].input < b->items[j].input)
			i++;
		else if (b->items[j].input < a->items[i].input)
			j++;
		else
			box->items[box->n++] = domain_hull(&a->items[i++], &b->items[j++], arena);
	}
	return box;
}
