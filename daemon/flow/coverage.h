/*
 * Coverage: whoever answers, is there somebody who would be told?
 *
 * Fed with groups of responses that agree in the facts that owners and routes depend on. Each group is taken as if a case rule had matched:
 * for every route whose case rules could match an answer with these facts, whatever it says otherwise (rule/possible.h), the judge's own
 * code finds the owner and who is told (rehearse.h), with who is away now. Groups with the same answer become one row.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_COVERAGE_H
#define FLOW_COVERAGE_H

#include "flow/rehearse.h"

#define COVERAGE_NAMES_MAX 5 /* of a row: accounts and people by name; further ones are counted */

enum coverage_class {
	COVERAGE_TOLD,
	COVERAGE_FALLBACK, /* only the last entry of the owner chain, which has others before it */
	COVERAGE_NO_RULE,  /* no case rule could match, whatever the customer says */
	COVERAGE_IGNORED,  /* a rule ignores all of them */
	COVERAGE_NOBODY,
	COVERAGE_CLASSES
};

struct coverage_names {
	const char *items[COVERAGE_NAMES_MAX];
	int n; /* all of them, more than the first few that are named */
};

struct coverage_row {
	enum coverage_class class;
	const char *touchpoint, *language; /* NULL: not given */
	const char *route;                 /* NULL: none leads here */
	const char *through;               /* the entry of the owner chain: "lookup:account"; NULL with NOBODY and no rule */
	const char *why; /* NOBODY: "j.smith away, no deputy"; FALLBACK: what failed before, when it is a mistake; or NULL */
	struct coverage_names accounts; /* without those that are missing */
	bool no_account;                /* some have none */
	struct coverage_names told;     /* people, "team:care", "webhook:crm" */
	int64_t responses;
};

struct coverage_report {
	const struct coverage_row *rows;            /* most responses first */
	int n_rows, n_routes;                       /* routes that case rules lead to */
	int64_t responses, worst[COVERAGE_CLASSES]; /* each counts by the worst that may happen to it */
};

struct coverage;

/* settings, directory and owners must outlive it. */
struct coverage *coverage_new(const struct settings *s, const struct directory *d, const struct rehearsal_owner *owners,
			      int n_owners, struct wall_time now);
struct coverage *coverage_free(struct coverage *c);
void coverage_freep(struct coverage **c);

/* The facts that responses are to be grouped by: touchpoint, account, language first; then text columns, and "attr.X". */
const char *const *coverage_facts(const struct coverage *c, int *ret_n);
/* So many responses with these values, one for each of coverage_facts(); NULL: missing. Texts are copied. */
void coverage_add(struct coverage *c, const char *const *values, int64_t responses);
/* Its texts are the coverage's. */
void coverage_report(struct coverage *c, struct coverage_report *ret);

#endif
