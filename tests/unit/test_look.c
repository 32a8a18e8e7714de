/*
 * When the inbox is looked at: at once while it is full, every few milliseconds with a promise under load, and after
 * the load the re-looks that close the race with writers who saw the promise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/look.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct mono_time at(int64_t us)
{
	return (struct mono_time){INT64_C(1000000000) + us};
}

static void a_lone_response_costs_no_promise(void **state)
{
	struct look l;

	look_init(&l, at(0));
	for (int i = 1; i <= 50; i++) { /* one every 20 ms: 50/s */
		struct look_plan p = look_after(&l, at(i * 20 * US_PER_MS), 1, 1000);

		assert_false(p.promise);
		assert_int_equal(p.in_us, LOOK_IDLE_EVERY_US);
	}
}

static void a_full_claim_is_followed_at_once(void **state)
{
	struct look_plan p;
	struct look l;

	look_init(&l, at(0));
	p = look_after(&l, at(5 * US_PER_MS), 1000, 1000);
	assert_true(p.promise);
	assert_int_equal(p.in_us, 0);
}

/* From the last response of a flood to sleep, collecting when it looks. */
static int looks_after_a_flood(int64_t *looks, int max, int64_t *last_promise)
{
	struct look_plan p = {0};
	struct look l;
	int64_t now = 0;
	int n = 0;

	look_init(&l, at(0));
	for (int i = 0; i < 100; i++, now += 4 * US_PER_MS)
		p = look_after(&l, at(now), 40, 1000); /* 10,000/s */
	assert_true(p.promise);
	*last_promise = now;
	while (n < max && p.in_us < LOOK_IDLE_EVERY_US) {
		now += p.in_us;
		if (p.promise)
			*last_promise = now;
		p = look_after(&l, at(now), 0, 1000);
		looks[n++] = now;
	}
	return n;
}

static void after_a_flood_the_race_is_closed(void **state)
{
	int64_t looks[500], promise, runs_out;
	int n = looks_after_a_flood(looks, 500, &promise), after = 0;

	runs_out = promise + LOOK_PROMISE_US;
	assert_in_range(n, 4, 400);
	for (int i = 0; i < n; i++)
		after += looks[i] >= runs_out;
	assert_true(after >= 3); /* the promise has run out, then 10 ms, 100 ms, 1 s */
	assert_true(looks[n - 1] - looks[n - 2] >= US_PER_S);
	for (int i = 1; i < n && looks[i] < runs_out; i++)
		assert_true(looks[i] - looks[i - 1] <= LOOK_PROMISE_US);
}

static void the_first_row_is_looked_at_again(void **state)
{
	struct look l;
	int rescans = 0;

	look_init(&l, at(0));
	l.rescan = false;
	for (int i = 1; i <= 1000; i++) { /* 3 s of a full inbox */
		look_after(&l, at(i * 3 * US_PER_MS), 1000, 1000);
		rescans += l.rescan;
		l.rescan = false;
	}
	assert_in_range(rescans, 2, 4);
	look_after(&l, at(4 * US_PER_S), 0, 1000);
	look_after(&l, at(9 * US_PER_S), 0, 1000);
	assert_true(l.rescan); /* before sleeping too */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lone_response_costs_no_promise),
		cmocka_unit_test(a_full_claim_is_followed_at_once),
		cmocka_unit_test(after_a_flood_the_race_is_closed),
		cmocka_unit_test(the_first_row_is_looked_at_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
