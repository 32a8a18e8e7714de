/*
 * What HTTP answers mean for a delivery.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_answer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_status(void **state)
{
	static const struct {
		int status;
		enum webhook_format format;
		enum delivery_outcome outcome;
	} cases[] = {
		{200, WEBHOOK_STANDARD, DELIVERY_SENT},  {202, WEBHOOK_STANDARD, DELIVERY_SENT},
		{204, WEBHOOK_STANDARD, DELIVERY_SENT},  {299, WEBHOOK_TEMPLATE, DELIVERY_SENT},
		{301, WEBHOOK_STANDARD, DELIVERY_RETRY}, {307, WEBHOOK_STANDARD, DELIVERY_RETRY},
		{400, WEBHOOK_STANDARD, DELIVERY_RETRY}, {400, WEBHOOK_SLACK, DELIVERY_FAILED},
		{400, WEBHOOK_TEAMS, DELIVERY_FAILED},   {401, WEBHOOK_STANDARD, DELIVERY_RETRY},
		{404, WEBHOOK_SLACK, DELIVERY_RETRY},    {408, WEBHOOK_STANDARD, DELIVERY_RETRY},
		{410, WEBHOOK_STANDARD, DELIVERY_GONE},  {413, WEBHOOK_STANDARD, DELIVERY_FAILED},
		{429, WEBHOOK_STANDARD, DELIVERY_RETRY}, {500, WEBHOOK_STANDARD, DELIVERY_RETRY},
		{503, WEBHOOK_STANDARD, DELIVERY_RETRY},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct webhook_answer a = {.status = cases[i].status, .sent = true, .format = cases[i].format, .body = ""};

		assert_int_equal(webhook_answer_outcome(&a), cases[i].outcome);
	}
}

static void test_no_answer(void **state)
{
	struct webhook_answer a = {.body = ""};

	assert_int_equal(webhook_answer_outcome(&a), DELIVERY_RETRY);
	a.gave_up = true;
	assert_int_equal(webhook_answer_outcome(&a), DELIVERY_RELEASED);
	a.sent = true;
	assert_int_equal(webhook_answer_outcome(&a), DELIVERY_AMBIGUOUS);
	a.gave_up = false;
	a.status = 103; /* early hints, then nothing */
	assert_int_equal(webhook_answer_outcome(&a), DELIVERY_AMBIGUOUS);
	a.blocked = true;
	assert_int_equal(webhook_answer_outcome(&a), DELIVERY_BLOCKED);
}

static void test_slack_says_ok(void **state)
{
	static const struct {
		const char *body;
		enum delivery_outcome outcome;
	} cases[] = {
		{"ok", DELIVERY_SENT},
		{"ok\r\n", DELIVERY_SENT},
		{"", DELIVERY_SENT},
		{"{\"success\":true}", DELIVERY_SENT},
		{"{\"ok\":false,\"error\":\"no_text\"}", DELIVERY_RETRY},
		{"<html>Please log in</html>", DELIVERY_RETRY},
		{"okay", DELIVERY_RETRY},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct webhook_answer a = {
			.status = 200, .format = WEBHOOK_SLACK, .body = cases[i].body, .n_body = strlen(cases[i].body)};

		assert_int_equal(webhook_answer_outcome(&a), cases[i].outcome);
	}
}

static void test_retry_after(void **state)
{
	struct webhook_answer a = {.status = 503, .retry_after_s = 120, .body = ""};

	assert_int_equal(webhook_answer_wait_s(&a), 120);
	a.status = 429;
	assert_int_equal(webhook_answer_wait_s(&a), 120);
	a.retry_after_s = INT64_C(10) * 365 * 86400;
	assert_int_equal(webhook_answer_wait_s(&a), RETRY_AFTER_MAX_S);
	a.retry_after_s = -5;
	assert_int_equal(webhook_answer_wait_s(&a), 0);
	a = (struct webhook_answer){.status = 500, .retry_after_s = 120, .body = ""};
	assert_int_equal(webhook_answer_wait_s(&a), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_slack_says_ok),
		cmocka_unit_test(test_retry_after),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
