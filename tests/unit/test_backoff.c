/*
 * Retry schedules, the breaker, and who is blamed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/backoff.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

static struct verdict_of_attempt after(enum delivery_outcome outcome, bool mail, int attempt, int64_t age_s, double spread)
{
	struct delivery_result r = {.outcome = outcome};

	return backoff_after(&r, mail, attempt, age_s * US_PER_S, spread);
}

static void webhook_schedule_is_the_standards(void **state)
{
	static const int64_t delays_s[] = {5, 300, 1800, 7200, 18000, 36000, 50400, 72000, 86400};

	for (int i = 0; i < 9; i++) {
		struct verdict_of_attempt v = after(DELIVERY_RETRY, false, i + 1, 0, 0.5);

		assert_int_equal(v.state, MESSAGE_QUEUED);
		assert_int_equal(v.delay_us, delays_s[i] * US_PER_S);
		assert_true(v.counts);
	}
	assert_int_equal(after(DELIVERY_RETRY, false, 10, 0, 0.5).state, MESSAGE_DEAD);
}

static void jitter_stays_within_a_fifth(void **state)
{
	assert_int_equal(after(DELIVERY_RETRY, false, 2, 0, 0).delay_us, 240 * US_PER_S);
	assert_int_equal(after(DELIVERY_RETRY, false, 2, 0, 1).delay_us, 360 * US_PER_S);
}

static void mail_is_tried_for_a_day(void **state)
{
	int64_t age_s = 0;
	int attempt = 1;

	for (;;) {
		struct verdict_of_attempt v = after(DELIVERY_AMBIGUOUS, true, attempt, age_s, 0.5);

		if (v.state == MESSAGE_DEAD)
			break;
		assert_true(v.delay_us >= 48 * US_PER_S && v.delay_us <= 2160 * US_PER_S);
		age_s += v.delay_us / US_PER_S;
		assert_true(++attempt < 100);
	}
	assert_true(age_s > 23 * 3600 && age_s <= 24 * 3600);
}

static void the_receivers_wish_is_kept_and_capped(void **state)
{
	struct delivery_result r = {.outcome = DELIVERY_RETRY, .code = 503, .retry_after_s = 90};

	assert_int_equal(backoff_after(&r, false, 5, 0, 0).delay_us, 90 * US_PER_S);
	r.retry_after_s = 30 * 24 * 3600;
	assert_int_equal(backoff_after(&r, false, 1, 0, 0).delay_us, 24 * 3600 * US_PER_S);
	assert_int_equal(backoff_after(&r, false, 10, 0, 0).state, MESSAGE_DEAD);
}

static void refusals_are_final_and_releases_cost_nothing(void **state)
{
	assert_int_equal(after(DELIVERY_SENT, true, 1, 0, 0).state, MESSAGE_SENT);
	assert_int_equal(after(DELIVERY_FAILED, true, 1, 0, 0).state, MESSAGE_FAILED);
	assert_int_equal(after(DELIVERY_BLOCKED, false, 1, 0, 0).state, MESSAGE_FAILED);
	assert_int_equal(after(DELIVERY_GONE, false, 1, 0, 0).state, MESSAGE_FAILED);
	assert_false(after(DELIVERY_RELEASED, false, 1, 0, 0).counts);
	assert_false(after(DELIVERY_CREDENTIALS, true, 1, 0, 0).counts);
	assert_int_equal(after(DELIVERY_CREDENTIALS, true, 1, 0, 0).state, MESSAGE_QUEUED);
}

static void one_bad_recipient_is_not_the_servers_fault(void **state)
{
	struct delivery_result r = {.outcome = DELIVERY_RETRY, .code = 451};

	assert_false(backoff_blames_endpoint(&r, true));
	assert_true(backoff_blames_endpoint(&r, false));
	r.code = 421;
	assert_true(backoff_blames_endpoint(&r, true));
	r.code = 0;
	assert_true(backoff_blames_endpoint(&r, true));
	r.outcome = DELIVERY_FAILED;
	assert_false(backoff_blames_endpoint(&r, true));
	r.outcome = DELIVERY_SENT;
	assert_false(backoff_blames_endpoint(&r, false));
}

static void a_mail_server_that_refuses_a_recipient_is_well(void **state)
{
	struct delivery_result r = {.outcome = DELIVERY_FAILED, .code = 550};

	assert_true(backoff_clears_endpoint(&r, true));
	assert_false(backoff_clears_endpoint(&r, false));
	r = (struct delivery_result){.outcome = DELIVERY_RETRY, .code = 451};
	assert_true(backoff_clears_endpoint(&r, true));
	r.code = 421;
	assert_false(backoff_clears_endpoint(&r, true));
	r.code = 0;
	assert_false(backoff_clears_endpoint(&r, true));
	r.outcome = DELIVERY_SENT;
	assert_true(backoff_clears_endpoint(&r, false));
}

static void the_breaker_opens_at_five_and_doubles_to_an_hour(void **state)
{
	static const int64_t expected[] = {0, 0, 0, 0, 0, 60, 120, 240, 480, 960, 1920, 3600, 3600};

	for (int i = 0; i < (int)ARRAY_SIZE(expected); i++)
		assert_int_equal(backoff_breaker_s(i), expected[i]);
	assert_int_equal(backoff_breaker_s(100000), 3600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(webhook_schedule_is_the_standards),
		cmocka_unit_test(jitter_stays_within_a_fifth),
		cmocka_unit_test(mail_is_tried_for_a_day),
		cmocka_unit_test(the_receivers_wish_is_kept_and_capped),
		cmocka_unit_test(refusals_are_final_and_releases_cost_nothing),
		cmocka_unit_test(one_bad_recipient_is_not_the_servers_fault),
		cmocka_unit_test(a_mail_server_that_refuses_a_recipient_is_well),
		cmocka_unit_test(the_breaker_opens_at_five_and_doubles_to_an_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
