/*
 * `coverage` from inside: what was found, and how it is told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_COVERAGE_H
#define CLI_COVERAGE_H

#include "cli/cli.h"
#include "flow/coverage.h"

/* Somebody who is to be told and can't be, or a team in which nobody can. */
struct coverage_trouble {
	const char *who;     /* "t.ono", "team:care" */
	const char *trouble; /* "unknown", "away", "mail_refused", "no_address", "nobody_there" */
	const char *text;    /* "owns 3 accounts, unknown" */
};

struct coverage_told {
	struct coverage_report report;
	const char *since, *until; /* days */
	const struct coverage_trouble *troubles;
	int n_troubles;
	int64_t limit; /* rows to show; those that reach nobody are always shown */
};

/* coverage_people.c: who of those that own something, stand in a route or in one of its teams can't be told, and why. */
int coverage_troubles(struct cli *c, const struct directory *d, struct wall_time now, struct coverage_told *ret);

/* coverage_put.c */
void coverage_put_text(const struct coverage_told *t, struct buf *out);
void coverage_put_json(const struct coverage_told *t, struct buf *out);

#endif
