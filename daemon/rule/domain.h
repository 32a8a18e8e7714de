/*
 * Which values of which facts a condition leaves possible: boxes of one domain per fact, never too small.
 *
 * Scores and bools are sets of bits and thus exact, other numbers are intervals, texts the list they must be in. A box
 * is the product over its facts; a fact that isn't in it may be anything. `or` takes the hull, so a box may hold more
 * than the condition does, but what it excludes is impossible.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_DOMAIN_H
#define RULE_DOMAIN_H

#include "rule/set.h"

enum domain_kind { DOMAIN_BITS, DOMAIN_RANGE, DOMAIN_TEXTS };

struct domain {
	int input;
	enum domain_kind kind;
	bool missing;     /* it may be missing */
	uint32_t bits;    /* BITS: value v is bit v; bools are 0 and 1 */
	double low, high; /* RANGE */
	bool low_open, high_open;
	const struct slice *only; /* TEXTS: folded; NULL: any */
	int n_only;
	bool nothing; /* RANGE, TEXTS: no value is left */
};

struct box {
	bool never;
	int n;
	struct domain *items; /* by input */
};

/* Anything at all. */
struct domain domain_any(const struct ruleset *rs, int input);
/* What a test of an input with literals leaves for it to come out as `want`. */
struct domain domain_of_test(const struct ruleset *rs, const struct node *test, bool want, struct arena *arena);
bool domain_is_empty(const struct domain *d);
struct domain domain_meet(const struct domain *a, const struct domain *b, struct arena *arena);

struct box *box_of_domain(struct domain d, struct arena *arena);
/* Both hold. *ret_input: the fact of which nothing is left, when the result is never. */
struct box *box_meet(const struct box *a, const struct box *b, struct arena *arena, int *ret_input);
/* At least one holds. */
struct box *box_hull(const struct box *a, const struct box *b, struct arena *arena);

#endif
