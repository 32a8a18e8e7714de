/*
 * What `backtest` found, as it is printed; see backtest.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_BACKTEST_H
#define CLI_BACKTEST_H

#include "cli/cli.h"
#include "flow/backtest.h"

/* A response that is shown as an example. */
struct backtest_shown {
	int64_t id;
	const char *score, *touchpoint, *comment; /* NULL: none */
};

struct backtest_report {
	struct cli *c;
	const struct backtest *b;
	const char *since, *until; /* days in the configured zone */
	const char *new_name;      /* "rules.conf" */
	const char *old_name;      /* "live 3f9c2a1 since 24 Feb", "old.conf"; NULL: compared with nothing */
	const char *old_word;      /* "live", "old.conf" */
	const char *old_sha256;    /* NULL */
	int64_t took_us;
	const struct backtest_shown *shown; /* by id */
	int n_shown;
};

const struct backtest_shown *backtest_shown(const struct backtest_report *r, int64_t id);
/* The examples there are, at most BACKTEST_EXAMPLES, newest last; returns how many. */
int backtest_example_ids(const struct backtest_examples *e, int64_t ids[BACKTEST_EXAMPLES]);

void backtest_put_text(const struct backtest_report *r, struct buf *out);
void backtest_put_json(const struct backtest_report *r, struct buf *out);

#endif
