/*
 * Regions; see region.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/region.h"

#include <string.h>

static struct region *region_new(const struct region_maker *m, int room)
{
	return arena_zalloc(m->arena, sizeof(struct region) + sizeof(struct box) * (size_t)room);
}

const struct region *region_all(const struct region_maker *m)
{
	struct region *r = region_new(m, 1);

	r->n = 1;
	return r;
}

const struct region *region_none(const struct region_maker *m)
{
	return region_new(m, 0);
}

const struct region *region_of_domain(const struct region_maker *m, struct domain d)
{
	struct region *r = region_new(m, 1);

	r->boxes[0] = (struct box){1, arena_memdup(m->arena, &d, sizeof(d))};
	r->n = !domain_is_empty(&d);
	return r;
}

/* false: they have nothing in common. */
static bool box_meet(const struct region_maker *m, const struct box *a, const struct box *b, struct box *ret)
{
	ret->items = arena_new_array(m->arena, struct domain, (size_t)(a->n + b->n) + 1);
	ret->n = 0;
	for (int i = 0, j = 0; i < a->n || j < b->n;) {
		struct domain *d = &ret->items[ret->n++];

		if (j == b->n || (i < a->n && a->items[i].input < b->items[j].input)) {
			*d = a->items[i++];
		} else if (i == a->n || b->items[j].input < a->items[i].input) {
			*d = b->items[j++];
		} else {
			*d = domain_meet(&a->items[i++], &b->items[j++], m->arena);
			if (domain_is_empty(d))
				return false;
		}
	}
	return true;
}

/* Around both: facts that only one of them has may be anything. */
static struct box box_hull(const struct region_maker *m, const struct box *a, const struct box *b)
{
	struct box box = {0, arena_new_array(m->arena, struct domain, (size_t)MIN(a->n, b->n) + 1)};
	bool exact;

	for (int i = 0, j = 0; i < a->n && j < b->n;) {
		if (a->items[i].input < b->items[j].input)
			i++;
		else if (b->items[j].input < a->items[i].input)
			j++;
		else
			box.items[box.n++] = domain_join(m->rs, &a->items[i++], &b->items[j++], m->arena, &exact);
	}
	return box;
}

/* Two boxes of one and the same fact may be one. */
static bool box_absorb(const struct region_maker *m, struct box *into, const struct box *box)
{
	struct domain d;
	bool exact;

	if (into->n == 0)
		return true;
	if (into->n != 1 || box->n != 1 || into->items[0].input != box->items[0].input)
		return false;
	d = domain_join(m->rs, &into->items[0], &box->items[0], m->arena, &exact);
	if (exact)
		*into = (struct box){1, arena_memdup(m->arena, &d, sizeof(d))};
	return exact;
}

static void region_add(const struct region_maker *m, struct region *r, const struct box *box)
{
	for (int i = 0; i < r->n; i++)
		if (box_absorb(m, &r->boxes[i], box))
			return;
	if (r->n < REGION_BOXES_MAX) {
		r->boxes[r->n++] = *box;
		return;
	}
	for (int i = 1; i < r->n; i++)
		r->boxes[0] = box_hull(m, &r->boxes[0], &r->boxes[i]);
	r->boxes[0] = box_hull(m, &r->boxes[0], box);
	r->n = 1;
}

const struct region *region_meet(const struct region_maker *m, const struct region *a, const struct region *b)
{
	struct region *r;
	struct box box;

	if (*m->work < 0)
		return region_all(m);
	r = region_new(m, REGION_BOXES_MAX);
	*m->work -= (long)a->n * b->n;
	for (int i = 0; i < a->n; i++)
		for (int j = 0; j < b->n; j++)
			if (box_meet(m, &a->boxes[i], &b->boxes[j], &box))
				region_add(m, r, &box);
	return r;
}

const struct region *region_join(const struct region_maker *m, const struct region *a, const struct region *b)
{
	struct region *r;

	if (a->n == 0 || b->n == 0)
		return a->n == 0 ? b : a;
	*m->work -= (long)a->n * b->n;
	r = region_new(m, REGION_BOXES_MAX);
	memcpy(r->boxes, a->boxes, sizeof(*a->boxes) * (size_t)a->n);
	r->n = a->n;
	for (int i = 0; i < b->n; i++)
		region_add(m, r, &b->boxes[i]);
	return r;
}

bool region_disjoint(const struct region_maker *m, const struct region *a, const struct region *b)
{
	struct box box;

	for (int i = 0; i < a->n; i++)
		for (int j = 0; j < b->n; j++) {
			if (--*m->work < 0 || box_meet(m, &a->boxes[i], &b->boxes[j], &box))
				return false;
		}
	return true;
}
