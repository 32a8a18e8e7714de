/*
 * Whose turn it is on the work connection: responses and jobs, neither waits for ever for the other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/inner.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define BATCHES_MAX 17 /* that a job may have to wait for */

/* The jobs that run now, one after the other, as long as each is due again at once. */
static int turn(struct between *b, int rows, enum between_job *ran)
{
	enum between_job job;
	int n = 0;

	while (between_next(b, n ? 0 : rows, &job)) {
		assert_true(n < BETWEEN_JOBS);
		ran[n++] = job;
		b->due[job] = true;
	}
	return n;
}

static void set_all(struct between *b)
{
	for (int i = 0; i < BETWEEN_JOBS; i++)
		b->due[i] = true;
}

static void nothing_due_nothing_runs(void **state)
{
	struct between b = {0};
	enum between_job job;

	for (int i = 0; i < 3 * BATCHES_MAX; i++)
		assert_false(between_next(&b, i % 2 ? 1000 : 0, &job));
	assert_false(between_waits(&b));
}

/* Each job once, in their order; then the inbox is looked into, whatever is due again. */
static void an_empty_inbox_lets_each_run_once(void **state)
{
	struct between b = {0};
	enum between_job ran[BETWEEN_JOBS];

	set_all(&b);
	for (int look = 0; look < 3; look++) {
		assert_int_equal(turn(&b, 0, ran), BETWEEN_JOBS);
		for (int i = 0; i < BETWEEN_JOBS; i++)
			assert_int_equal(ran[i], i);
		assert_true(between_waits(&b));
	}
}

/* What a job leaves behind for a later one has its turn before the inbox; for an earlier one after it. */
static void what_a_job_wakes(void **state)
{
	struct between b = {.due = {[BETWEEN_SWEEP] = true}};
	enum between_job job;

	assert_true(between_next(&b, 0, &job));
	assert_int_equal(job, BETWEEN_SWEEP);
	b.due[BETWEEN_NOTICES] = b.due[BETWEEN_SWEEP] = true;
	assert_true(between_next(&b, 0, &job));
	assert_int_equal(job, BETWEEN_NOTICES);
	assert_false(between_next(&b, 0, &job));
	assert_true(between_waits(&b));
	assert_true(between_next(&b, 0, &job));
	assert_int_equal(job, BETWEEN_SWEEP);
	assert_false(between_waits(&b));
}

/* A flood of responses that never ends: every job runs, and often enough. */
static void a_flood_keeps_no_job_waiting(void **state)
{
	struct between b = {0};
	enum between_job ran[BETWEEN_JOBS];
	int since = 0, runs = 0;

	set_all(&b);
	for (int batch = 0; batch < 1000; batch++) {
		int n = turn(&b, 1000, ran);

		since = n ? 0 : since + 1;
		assert_true(since < BATCHES_MAX);
		assert_true(n == 0 || n == BETWEEN_JOBS);
		runs += n > 0;
	}
	/* … and the responses keep most of the connection. */
	assert_int_equal(runs, 1000 / BATCHES_MAX);
}

/* A job that was due long before the flood began doesn't take more turns for it. */
static void after_a_lost_connection(void **state)
{
	struct between b = {0};
	enum between_job job;

	b.due[BETWEEN_RELEASE] = true;
	assert_true(between_next(&b, 0, &job));
	/* The connection breaks under it; everything is due when the next one is up. */
	set_all(&b);
	for (int i = 0; i < BETWEEN_RELEASE; i++) {
		assert_true(between_next(&b, 0, &job));
		assert_int_equal(job, i);
	}
	assert_false(between_next(&b, 0, &job)); /* after one look into the inbox */
	assert_true(between_next(&b, 0, &job));
	assert_int_equal(job, BETWEEN_RELEASE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_due_nothing_runs), cmocka_unit_test(an_empty_inbox_lets_each_run_once),
		cmocka_unit_test(what_a_job_wakes),         cmocka_unit_test(a_flood_keeps_no_job_waiting),
		cmocka_unit_test(after_a_lost_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
