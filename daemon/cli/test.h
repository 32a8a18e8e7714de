/*
 * `closeloop test`, shared by its files: test.c runs, test_outcome.c decides and compares, test_show.c prints, test_due.c asks
 * PostgreSQL until when.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_TEST_H
#define CLI_TEST_H

#include "cli/cli.h"
#include "cli/trace.h"
#include "flow/rehearse.h"
#include "settings/tests.h"

/* One expectation that isn't met. */
struct test_difference {
	const char *key;            /* of expect: "priority" */
	const char *expected, *got; /* "none" when there is none */
	const char *note;           /* where it comes from: "from detractor"; NULL */
	const bool *rules;          /* whose conditions tell why, one for each rule; NULL: none */
	bool trail;                 /* the owner chain tells why */
};

#define TEST_DIFFERENCES_MAX 12 /* one for each key of expect */

struct test_outcome {
	const struct rule_test *test;
	struct trace trace;
	struct plan plan;
	struct wall_time acknowledge_due, resolve_due;
	struct test_difference differences[TEST_DIFFERENCES_MAX];
	int n_differences;
};

/* A file with what is made of it once. */
struct test_bench {
	struct cli *c;
	const struct test_file *file;
	struct rehearsal_owner *owners; /* of the file: its own, then those of owners_file */
	int n_owners;
	struct rule_scratch *scratch;
	/* The test under way: its people and owners; the rehearsal stays when the next one has none of its own. */
	struct directory *directory;
	struct rehearsal *rehearsal;
	const struct rule_test *rehearsed; /* for which it was made; NULL: for those without their own */
};

/* Owners of the file; EXIT_BAD_DATA with what is wrong told. */
int test_bench_init(struct test_bench *b, struct cli *c, const struct test_file *file);
void test_bench_fini(struct test_bench *b);

/* What comes of a test, compared with what is expected of it. 0, or an exit code: due times could not be computed. */
int test_outcome(struct test_bench *b, const struct rule_test *t, struct arena *arena, struct test_outcome *ret);

/* acknowledge_due and resolve_due of a case that opens at t->at. 0 or an exit code. */
int test_due(struct test_bench *b, struct test_outcome *o);

/* How a failed test is told. */
void test_put(const struct test_file *f, const struct test_outcome *o, int columns, struct buf *out);
void test_put_json(const struct test_file *f, const struct test_outcome *o, struct buf *out);

#endif
