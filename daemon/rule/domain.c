/*
 * Values of one fact; see domain.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/domain.h"
#include "rule/limits.h"
#include "rule/ranges.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool input_whole(const struct input *in, int *ret_min, int *ret_max)
{
	switch (in->source) {
	case INPUT_SCORE:
		*ret_min = (int)in->column->min;
		*ret_max = (int)in->column->max;
		return true;
	case INPUT_HOUR:
		*ret_min = 0;
		*ret_max = 23;
		return true;
	case INPUT_WEEKDAY:
		*ret_min = 1;
		*ret_max = 7;
		return true;
	default: return false;
	}
}

bool input_is_zero(const struct input *in)
{
	return in->source == INPUT_DAYS && !in->of->previous && in->of->column && strcmp(in->of->name, "responded_at") == 0;
}

/* The numbers that an input can be. */
static struct ranges base_ranges(const struct ruleset *rs, const struct input *in, struct arena *arena)
{
	const struct scale *scale;

	if (in->source == INPUT_HISTORY)
		return ranges_one((struct range){0, INFINITY, false, true}, arena);
	if (input_is_zero(in))
		return ranges_one((struct range){0, 0, false, false}, arena);
	if (in->source != INPUT_RATING)
		return ranges_all;
	scale = scale_find(rs->scales, rs->n_scales, in->name);
	return scale && scale->min < scale->max ? ranges_one((struct range){scale->min, scale->max, false, false}, arena)
						: ranges_all;
}

struct domain domain_any(const struct ruleset *rs, int input)
{
	const struct input *in = &rs->inputs[input];
	struct domain d = {.input = input, .missing = true, .ranges = ranges_all, .all_but = true};
	int min, max;

	if (input == rs->n_inputs) {
		d.kind = DOMAIN_RATINGS;
		return d;
	}
	d.missing = !in->always;
	if (in->type == TYPE_BOOL) {
		d.bits = 3;
	} else if (input_whole(in, &min, &max)) {
		for (int v = min; v <= max; v++)
			d.bits |= UINT32_C(1) << v;
	} else {
		d.kind = in->type == TYPE_TEXT ? DOMAIN_TEXTS : DOMAIN_RANGES;
	}
	return d;
}

/* What must be inside is never without what must not be. */
static bool contains_contradict(const struct domain *d, const struct needles *must)
{
	for (int i = 0; i < must->n; i++) {
		bool excluded = false;

		for (int k = 0; k < d->n_contains && !excluded; k++)
			for (int m = 0; m < d->contains[k].n && !d->contains[k].inside && !excluded; m++)
				excluded = memmem(must->items[i].p, must->items[i].n, d->contains[k].items[m].p,
						  d->contains[k].items[m].n) != NULL;
		if (!excluded)
			return false;
	}
	return true;
}

bool domain_is_empty(const struct domain *d)
{
	if (d->missing)
		return false;
	if (d->nothing)
		return true;
	switch (d->kind) {
	case DOMAIN_BITS: return d->bits == 0;
	case DOMAIN_RANGES: return d->ranges.n == 0;
	case DOMAIN_TEXTS:
		for (int i = 0; i < d->n_contains; i++)
			if (d->contains[i].inside && contains_contradict(d, &d->contains[i]))
				return true;
		return !d->all_but && d->n_texts == 0;
	case DOMAIN_RATINGS:
		for (int i = 0; i < d->n_some; i++)
			if (ranges_disjoint(d->some[i], d->ranges))
				return true;
		return d->ranges.n == 0;
	}
	return false;
}

static enum test plain_test(enum test test)
{
	return test == TEST_IS ? TEST_EQ : test == TEST_IS_NOT ? TEST_NE : test;
}

static void bits_of_test(const struct input *in, const struct node *test, bool truth, struct domain *d)
{
	double values[RULE_LIST_MAX];

	for (int i = 0; i < test->n_right; i++)
		values[i] = in->type == TYPE_BOOL ? test->right[i].truth : test->right[i].number;
	for (int v = 0; v < 32; v++) {
		bool holds = test->test == TEST_TRUE ? v == 1 : number_holds(plain_test(test->test), v, values, test->n_right);

		if (holds != truth)
			d->bits &= ~(UINT32_C(1) << v);
	}
}

static struct ranges numbers_of_test(const struct node *test, bool truth, struct arena *arena)
{
	double values[RULE_LIST_MAX];
	struct ranges ranges;

	for (int i = 0; i < test->n_right; i++)
		values[i] = test->right[i].number;
	ranges = ranges_of_test(plain_test(test->test), values, test->n_right, arena);
	return truth ? ranges : ranges_complement(ranges, arena);
}

/* any rating: some are; all rating: the others are none. */
static void ratings_of_test(const struct node *test, bool truth, struct domain *d, struct arena *arena)
{
	struct ranges ranges = numbers_of_test(test, truth, arena);

	if ((test->quantifier == QUANTIFIER_ANY) != truth) {
		d->ranges = ranges;
		return;
	}
	d->some = arena_memdup(arena, &ranges, sizeof(ranges));
	d->n_some = 1;
}

static const struct slice *folded_values(const struct node *test, struct arena *arena)
{
	struct slice *texts = arena_new_array(arena, struct slice, (size_t)test->n_right);

	for (int i = 0; i < test->n_right; i++) {
		struct buf folded = BUF_INIT(RULE_EXPR_BYTES_MAX * 4);

		rule_fold(test->right[i].text, &folded);
		texts[i] = (struct slice){arena_strdup(arena, buf_str(&folded)), folded.n};
		buf_fini(&folded);
	}
	if (test->test != TEST_CONTAINS)
		qsort(texts, (size_t)test->n_right, sizeof(*texts), slice_order);
	return texts;
}

static void texts_of_test(const struct node *test, bool truth, struct domain *d, struct arena *arena)
{
	if (test->test == TEST_MATCHES)
		return;
	if (test->test == TEST_CONTAINS) {
		struct needles needles = {folded_values(test, arena), test->n_right, truth};

		d->contains = arena_memdup(arena, &needles, sizeof(needles));
		d->n_contains = 1;
		return;
	}
	d->all_but = truth == (plain_test(test->test) == TEST_NE);
	d->texts = folded_values(test, arena);
	d->n_texts = test->n_right;
}

/* How the test comes out where its operand is missing. */
static enum tri when_missing(const struct node *test)
{
	switch (test->test) {
	case TEST_MISSING:
	case TEST_IS_NOT: return TRI_TRUE;
	case TEST_PRESENT:
	case TEST_IS: return TRI_FALSE;
	default: return TRI_MISSING;
	}
}

static bool want_allows(enum want want, enum tri v)
{
	switch (want) {
	case WANT_TRUE: return v == TRI_TRUE;
	case WANT_FALSE: return v == TRI_FALSE;
	case WANT_NOT_TRUE: return v != TRI_TRUE;
	case WANT_NOT_FALSE: return v != TRI_FALSE;
	}
	return true;
}

struct domain domain_of_test(const struct ruleset *rs, const struct node *test, enum want want, struct arena *arena)
{
	bool ratings = test->quantifier != QUANTIFIER_NONE, truth = want_truth(want);
	struct domain d = domain_any(rs, ratings ? rs->n_inputs : test->left.index);
	const struct input *in = ratings ? NULL : &rs->inputs[test->left.index];

	d.missing = d.missing && want_allows(want, when_missing(test));
	if (test->test == TEST_MISSING || test->test == TEST_PRESENT) {
		d.nothing = truth == (test->test == TEST_MISSING);
		return d;
	}
	if (!ratings && test->test != TEST_TRUE && !operand_is_literal(&test->right[0]))
		return d; /* with another fact */
	switch (d.kind) {
	case DOMAIN_BITS: bits_of_test(in, test, truth, &d); break;
	case DOMAIN_RANGES:
		d.ranges = ranges_meet(base_ranges(rs, in, arena), numbers_of_test(test, truth, arena), arena);
		if (in->source == INPUT_HISTORY)
			d.ranges = ranges_whole(d.ranges, arena);
		break;
	case DOMAIN_TEXTS: texts_of_test(test, truth, &d, arena); break;
	case DOMAIN_RATINGS: ratings_of_test(test, truth, &d, arena); break;
	}
	return d;
}

static bool listed(const struct slice *texts, int n, const struct slice *text)
{
	return n > 0 && bsearch(text, texts, (size_t)n, sizeof(*texts), slice_order) != NULL;
}

static bool needles_hold(const struct needles *needles, const struct slice *text)
{
	for (int i = 0; i < needles->n; i++)
		if (memmem(text->p, text->n, needles->items[i].p, needles->items[i].n))
			return needles->inside;
	return !needles->inside;
}

/* Whether a text is one of d. */
static bool texts_allow(const struct domain *d, const struct slice *text)
{
	if (d->nothing || listed(d->texts, d->n_texts, text) == d->all_but)
		return false;
	for (int i = 0; i < d->n_contains; i++)
		if (!needles_hold(&d->contains[i], text))
			return false;
	return true;
}

/* Texts of a that are in b, too (in: or that aren't). */
static void texts_filter(const struct domain *a, const struct domain *b, bool in, struct domain *ret, struct arena *arena)
{
	struct slice *texts = arena_new_array(arena, struct slice, (size_t)a->n_texts + 1);

	ret->n_texts = 0;
	for (int i = 0; i < a->n_texts; i++)
		if (texts_allow(b, &a->texts[i]) == in)
			texts[ret->n_texts++] = a->texts[i];
	ret->texts = texts;
}

/* Both lists, each text once. */
static void texts_merge(const struct domain *a, const struct domain *b, struct domain *ret, struct arena *arena)
{
	struct slice *texts = arena_new_array(arena, struct slice, (size_t)(a->n_texts + b->n_texts) + 1);

	ret->n_texts = 0;
	for (int i = 0, j = 0; i < a->n_texts || j < b->n_texts;) {
		int order = i == a->n_texts ? 1 : j == b->n_texts ? -1 : slice_order(&a->texts[i], &b->texts[j]);

		texts[ret->n_texts++] = order <= 0 ? a->texts[i] : b->texts[j];
		i += order <= 0;
		j += order >= 0;
	}
	ret->texts = texts;
}

/* Both arrays, as far as DOMAIN_PARTS_MAX goes: to know less of a domain is to hold more possible. */
static const void *parts_join(const void *a, int n_a, const void *b, int n_b, size_t bytes, struct arena *arena)
{
	char *both;

	if (n_b == 0 || n_a == DOMAIN_PARTS_MAX)
		return a;
	if (n_a == 0)
		return b;
	n_b = MIN(n_b, DOMAIN_PARTS_MAX - n_a);
	both = arena_alloc(arena, bytes * (size_t)(n_a + n_b));
	memcpy(both, a, bytes * (size_t)n_a);
	memcpy(both + bytes * (size_t)n_a, b, bytes * (size_t)n_b);
	return both;
}

static void texts_meet(const struct domain *a, const struct domain *b, struct domain *d, struct arena *arena)
{
	if (!a->all_but || !b->all_but) {
		const struct domain *list = a->all_but ? b : a;

		d->all_but = false;
		d->n_contains = 0;
		texts_filter(list, list == a ? b : a, true, d, arena);
		return;
	}
	texts_merge(a, b, d, arena);
	d->contains = parts_join(a->contains, a->n_contains, b->contains, b->n_contains, sizeof(*a->contains), arena);
	d->n_contains = MIN(a->n_contains + b->n_contains, DOMAIN_PARTS_MAX);
}

struct domain domain_meet(const struct domain *a, const struct domain *b, struct arena *arena)
{
	struct domain d = *a;

	d.missing = a->missing && b->missing;
	d.nothing = a->nothing || b->nothing;
	switch (d.kind) {
	case DOMAIN_BITS: d.bits &= b->bits; break;
	case DOMAIN_TEXTS: texts_meet(a, b, &d, arena); break;
	case DOMAIN_RATINGS:
		d.some = parts_join(a->some, a->n_some, b->some, b->n_some, sizeof(*a->some), arena);
		d.n_some = MIN(a->n_some + b->n_some, DOMAIN_PARTS_MAX);
		d.ranges = ranges_meet(a->ranges, b->ranges, arena);
		break;
	case DOMAIN_RANGES: d.ranges = ranges_meet(a->ranges, b->ranges, arena); break;
	}
	return d;
}

/* false: not exactly. */
static bool texts_join(const struct domain *a, const struct domain *b, struct domain *d, struct arena *arena)
{
	const struct domain *wide = a->all_but ? a : b, *other = a->all_but ? b : a;

	if (a->n_contains || b->n_contains)
		return false;
	if (!wide->all_but) {
		texts_merge(a, b, d, arena);
		return true;
	}
	d->all_but = true;
	texts_filter(wide, other, false, d, arena);
	return true;
}

struct domain domain_join(const struct ruleset *rs, const struct domain *a, const struct domain *b, struct arena *arena,
			  bool *ret_exact)
{
	struct domain d = a->nothing ? *b : *a;

	*ret_exact = true;
	d.missing = a->missing || b->missing;
	if (a->nothing || b->nothing)
		return d;
	if (d.kind == DOMAIN_BITS) {
		d.bits |= b->bits;
	} else if (d.kind == DOMAIN_RANGES) {
		d.ranges = ranges_join(a->ranges, b->ranges, arena);
	} else if (d.kind == DOMAIN_RATINGS || !texts_join(a, b, &d, arena)) {
		d = domain_any(rs, a->input);
		*ret_exact = false;
	}
	return d;
}
