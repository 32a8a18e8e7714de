/*
 * Clocks as the JSON that closeloop.clocks_replace() takes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "followup/clocks.h"

static void calendars(void **state)
{
	struct hours week[] = {{1, 2, 540, 720}, {1, 1, 780, 1080}}, night[] = {{5, 5, 1320, 1800}};
	const char *days[] = {"2027-01-01", "2027-12-25"};
	struct calendar all[] = {
		{.id = "office", .timezone = "Asia/Seoul", .hours = week, .n_hours = 2, .holidays = {days, 2}},
		{.id = "night", .timezone = "owner", .hours = night, .n_hours = 1},
	};
	struct settings s = {.calendars = all, .n_calendars = 2};
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLOCKS_BYTES_MAX);

	clocks_put_calendars(&s, &out);
	assert_string_equal(
		buf_str(&out),
		"[{\"name\":\"office\",\"timezone\":\"Asia/Seoul\",\"hours\":[[1,540,720],[2,540,720],[1,780,1080]],"
		"\"holidays\":[\"2027-01-01\",\"2027-12-25\"]},"
		"{\"name\":\"night\",\"timezone\":\"owner\",\"hours\":[[5,1320,1800]],\"holidays\":[]}]");
	buf_reset(&out);
	s.n_calendars = 0;
	clocks_put_calendars(&s, &out);
	assert_string_equal(buf_str(&out), "[]");
}

static void people(void **state)
{
	const struct person_clock some[] = {{"minsu", "office", "Asia/Seoul"}, {"odd\"one", NULL, "UTC"}};
	const struct settings s = {.timezone = "Europe/Berlin"};
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLOCKS_BYTES_MAX);

	clocks_put_people(&s, some, 2, &out);
	assert_string_equal(buf_str(&out), "[{\"person\":\"\",\"calendar\":null,\"timezone\":\"Europe/Berlin\"},"
					   "{\"person\":\"minsu\",\"calendar\":\"office\",\"timezone\":\"Asia/Seoul\"},"
					   "{\"person\":\"odd\\\"one\",\"calendar\":null,\"timezone\":\"UTC\"}]");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calendars),
		cmocka_unit_test(people),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
