/*
 * Sets of real numbers as ranges in order: what comparisons of numbers leave possible.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_RANGES_H
#define RULE_RANGES_H

#include "rule/domain.h"

extern const struct ranges ranges_all;

bool range_is_empty(const struct range *r);
struct ranges ranges_one(struct range r, struct arena *arena);
/* The numbers of which test (one of the operators, TEST_IN, TEST_BETWEEN) with these values is true. */
struct ranges ranges_of_test(enum test test, const double *values, int n, struct arena *arena);
struct ranges ranges_complement(struct ranges a, struct arena *arena);
struct ranges ranges_meet(struct ranges a, struct ranges b, struct arena *arena);
bool ranges_disjoint(struct ranges a, struct ranges b);
struct ranges ranges_join(struct ranges a, struct ranges b, struct arena *arena);
/* Only the whole numbers in it. */
struct ranges ranges_whole(struct ranges a, struct arena *arena);

#endif
