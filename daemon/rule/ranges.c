/*
 * Sets of numbers; see ranges.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/ranges.h"

#include <math.h>
#include <stdlib.h>

static const struct range whole_line = {-INFINITY, INFINITY, true, true};
const struct ranges ranges_all = {&whole_line, 1};

bool range_is_empty(const struct range *r)
{
	return r->low > r->high || (r->low == r->high && (r->low_open || r->high_open));
}

struct ranges ranges_one(struct range r, struct arena *arena)
{
	return (struct ranges){arena_memdup(arena, &r, sizeof(r)), !range_is_empty(&r)};
}

static int value_order(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Single numbers, as a list names them. */
static struct ranges points(const double *values, int n, struct arena *arena)
{
	double *sorted = arena_memdup(arena, values, sizeof(*values) * (size_t)n);
	struct range *items = arena_new_array(arena, struct range, (size_t)n);
	struct ranges r = {items, 0};

	qsort(sorted, (size_t)n, sizeof(*sorted), value_order);
	for (int i = 0; i < n; i++)
		if (i == 0 || sorted[i] != sorted[i - 1])
			items[r.n++] = (struct range){sorted[i], sorted[i], false, false};
	return r;
}

struct ranges ranges_of_test(enum test test, const double *values, int n, struct arena *arena)
{
	struct range r = whole_line;

	switch (test) {
	case TEST_LT: r.high = values[0]; break;
	case TEST_LE:
		r.high = values[0];
		r.high_open = false;
		break;
	case TEST_GT: r.low = values[0]; break;
	case TEST_GE:
		r.low = values[0];
		r.low_open = false;
		break;
	case TEST_BETWEEN: r = (struct range){values[0], values[1], false, false}; break;
	case TEST_NE: return ranges_complement(points(values, 1, arena), arena);
	default: return points(values, n, arena);
	}
	return ranges_one(r, arena);
}

struct ranges ranges_complement(struct ranges a, struct arena *arena)
{
	struct range *items = arena_new_array(arena, struct range, (size_t)a.n + 1);
	struct ranges out = {items, 0};
	struct range gap = whole_line;

	for (int i = 0; i < a.n; i++) {
		gap.high = a.items[i].low;
		gap.high_open = !a.items[i].low_open;
		if (!range_is_empty(&gap))
			items[out.n++] = gap;
		gap.low = a.items[i].high;
		gap.low_open = !a.items[i].high_open;
	}
	gap.high = whole_line.high;
	gap.high_open = true;
	if (!range_is_empty(&gap))
		items[out.n++] = gap;
	return out;
}

static struct range range_meet(const struct range *a, const struct range *b)
{
	struct range r = *a;

	if (b->low > r.low || (b->low == r.low && b->low_open)) {
		r.low = b->low;
		r.low_open = b->low_open;
	}
	if (b->high < r.high || (b->high == r.high && b->high_open)) {
		r.high = b->high;
		r.high_open = b->high_open;
	}
	return r;
}

/* Whether a ends before b does. */
static bool ends_first(const struct range *a, const struct range *b)
{
	return a->high < b->high || (a->high == b->high && a->high_open && !b->high_open);
}

struct ranges ranges_meet(struct ranges a, struct ranges b, struct arena *arena)
{
	struct range *items = arena_new_array(arena, struct range, (size_t)(a.n + b.n) + 1);
	struct ranges out = {items, 0};

	for (int i = 0, j = 0; i < a.n && j < b.n;) {
		struct range both = range_meet(&a.items[i], &b.items[j]);

		if (!range_is_empty(&both))
			items[out.n++] = both;
		if (ends_first(&a.items[i], &b.items[j]))
			i++;
		else
			j++;
	}
	return out;
}

bool ranges_disjoint(struct ranges a, struct ranges b)
{
	for (int i = 0, j = 0; i < a.n && j < b.n;) {
		struct range both = range_meet(&a.items[i], &b.items[j]);

		if (!range_is_empty(&both))
			return false;
		if (ends_first(&a.items[i], &b.items[j]))
			i++;
		else
			j++;
	}
	return true;
}

struct ranges ranges_join(struct ranges a, struct ranges b, struct arena *arena)
{
	return ranges_complement(ranges_meet(ranges_complement(a, arena), ranges_complement(b, arena), arena), arena);
}

struct ranges ranges_whole(struct ranges a, struct arena *arena)
{
	struct range *items = arena_new_array(arena, struct range, (size_t)a.n + 1);
	struct ranges out = {items, 0};

	for (int i = 0; i < a.n; i++) {
		struct range r = a.items[i];

		if (isfinite(r.low)) {
			r.low = r.low_open ? floor(r.low) + 1 : ceil(r.low);
			r.low_open = false;
		}
		if (isfinite(r.high)) {
			r.high = r.high_open ? ceil(r.high) - 1 : floor(r.high);
			r.high_open = false;
		}
		if (!range_is_empty(&r))
			items[out.n++] = r;
	}
	return out;
}
