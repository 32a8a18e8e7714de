/*
 * Which values one fact may have: exact, but for what a regex accepts.
 *
 * Scores, hours, weekdays and bools are sets of bits, other numbers sets of ranges, texts a list or all but a list. The ratings
 * of a response together are a fact of their own: what all must be, and what some must be. A domain is never too small: what it excludes
 * is impossible.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_DOMAIN_H
#define RULE_DOMAIN_H

#include "rule/set.h"

#define DOMAIN_PARTS_MAX 16 /* `contains`, `any rating` of one fact; those beyond are left out */

enum domain_kind { DOMAIN_BITS, DOMAIN_RANGES, DOMAIN_TEXTS, DOMAIN_RATINGS };

struct range {
	double low, high;
	bool low_open, high_open;
};

/* In order, disjoint. */
struct ranges {
	const struct range *items;
	int n;
};

/* One `contains` or its opposite. */
struct needles {
	const struct slice *items; /* folded */
	int n;
	bool inside; /* one of them is inside the text; else none is */
};

struct domain {
	int input; /* DOMAIN_RATINGS: number of inputs */
	enum domain_kind kind;
	bool missing;              /* it may be missing */
	bool nothing;              /* and nothing else */
	uint32_t bits;             /* BITS: value v is bit v; bools are 0 and 1 */
	struct ranges ranges;      /* RANGES; RATINGS: what all of them are in */
	bool all_but;              /* TEXTS: any text that isn't in the list */
	const struct slice *texts; /* folded */
	int n_texts;
	const struct needles *contains; /* all_but: what else must be so */
	int n_contains;
	const struct ranges *some; /* RATINGS: there is one in each */
	int n_some;
};

/* How a test shall come out. */
enum want { WANT_TRUE, WANT_FALSE, WANT_NOT_TRUE, WANT_NOT_FALSE };

static inline enum want want_negated(enum want want)
{
	static const enum want negated[] = {WANT_FALSE, WANT_TRUE, WANT_NOT_FALSE, WANT_NOT_TRUE};

	return negated[want];
}

/* Whether true (NOT_FALSE: or missing) is wanted. */
static inline bool want_truth(enum want want)
{
	return want == WANT_TRUE || want == WANT_NOT_FALSE;
}

/* Anything at all. @input: their number for the ratings. */
struct domain domain_any(const struct ruleset *rs, int input);
/* What a test of an input with literals, or of the ratings, leaves for it to come out as wanted. */
struct domain domain_of_test(const struct ruleset *rs, const struct node *test, enum want want, struct arena *arena);
bool domain_is_empty(const struct domain *d);
struct domain domain_meet(const struct domain *a, const struct domain *b, struct arena *arena);
/* Holds both; *ret_exact: and nothing else. */
struct domain domain_join(const struct ruleset *rs, const struct domain *a, const struct domain *b, struct arena *arena,
			  bool *ret_exact);
/* Whole numbers of an input that has few: false for all others. */
bool input_whole(const struct input *in, int *ret_min, int *ret_max);
/* days_since(responded_at) */
bool input_is_zero(const struct input *in);

#endif
