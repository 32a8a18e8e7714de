/*
 * What responses a condition leaves possible: boxes, of which one must hold. A box has a domain for some facts; the others may be
 * anything in it.
 *
 * `or` collects boxes, `and` multiplies them. Beyond REGION_BOXES_MAX they become one box around all of them: a region may hold more
 * than its condition does, but what it excludes is impossible.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_REGION_H
#define RULE_REGION_H

#include "rule/domain.h"

#define REGION_BOXES_MAX 32

struct box {
	int n;
	struct domain *items; /* by input */
};

struct region {
	int n; /* 0: nothing is possible */
	struct box boxes[];
};

/* What it is made with. */
struct region_maker {
	const struct ruleset *rs;
	struct arena *arena;
	long *work; /* pairs of boxes that may still be met; below 0: everything is held possible */
};

const struct region *region_all(const struct region_maker *m);
const struct region *region_none(const struct region_maker *m);
const struct region *region_of_domain(const struct region_maker *m, struct domain d);
/* Both hold. */
const struct region *region_meet(const struct region_maker *m, const struct region *a, const struct region *b);
/* At least one holds. */
const struct region *region_join(const struct region_maker *m, const struct region *a, const struct region *b);
/* Nothing is in both; no more than region_meet() of none, but cheaper. */
bool region_disjoint(const struct region_maker *m, const struct region *a, const struct region *b);

#endif
