/*
 * Which responses make a condition true: its tree as a region (region.h), and where nothing is left, why.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_PROVE_H
#define RULE_PROVE_H

#include "rule/region.h"

#define FINDINGS_MAX 4 /* of one expression */

struct finding {
	const struct node *node;
	const char *reason;
	bool truth; /* what it can never be */
};

struct prover {
	const struct ruleset *rs;
	struct arena *kept, *scratch;   /* for all of the set; for one expression */
	const struct region **facts[4]; /* per enum want and named fact; NULL: not yet asked */
	const struct source *src;
	struct finding findings[FINDINGS_MAX];
	int n_findings; /* FINDINGS_MAX also where nobody asks for them */
	long work;
};

void prover_init(struct prover *p, const struct ruleset *rs, struct arena *kept, struct arena *scratch);
/* @arena: whose the result is. */
const struct region *prove(struct prover *p, const struct expression *e, enum want want, struct arena *arena);
bool prove_disjoint(struct prover *p, const struct region *a, const struct region *b);

#endif
