/*
 * A follow_up as the JSON that closeloop.follow_up_version() takes, and whose due times depend on the owner.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "followup/version_store.h"

#define NONE                 \
	(struct promise)     \
	{                    \
		.amount = -1 \
	}

static struct follow_up bare(void)
{
	return (struct follow_up){.id = "bare",
				  .acknowledge_within = NONE,
				  .resolve_within = NONE,
				  .warn_before = NONE,
				  .remind_every = NONE,
				  .close_after = NONE,
				  .expire_after = NONE};
}

static void definitions(void **state)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(FOLLOW_UP_BYTES_MAX);
	struct calendar office = {.id = "office", .timezone = "Asia/Seoul"};
	struct escalate_step steps[] = {
		{.id = "boss", .when = WHEN_UNACKNOWLEDGED, .after = {8, 'h'}, .to = {.text = "manager"}},
		{.id = "head", .when = WHEN_UNRESOLVED, .after = NONE, .to = {.text = "lookup:account"}},
	};
	struct follow_up f = bare();

	follow_up_put(&f, &out);
	assert_string_equal(buf_str(&out), "{\"name\":\"bare\",\"remind_at_most\":0,\"escalate\":[]}");
	f = (struct follow_up){.id = "all",
			       .calendar_use = CALENDAR_NAMED,
			       .calendar = &office,
			       .acknowledge_within = {3, 's'},
			       .resolve_within = {2, 'd'},
			       .warn_before = {15, 'm'},
			       .remind_every = {1, 'h'},
			       .close_after = {1, 'w'},
			       .expire_after = {315360000, 's'},
			       .remind_at_most = 100,
			       .escalate = steps,
			       .n_escalate = 2};
	buf_reset(&out);
	follow_up_put(&f, &out);
	assert_string_equal(
		buf_str(&out),
		"{\"name\":\"all\",\"calendar\":\"office\",\"acknowledge_within\":\"3s\",\"resolve_within\":\"2d\","
		"\"warn_before\":\"15m\",\"remind_every\":\"1h\",\"close_after\":\"1w\",\"expire_after\":\"315360000s\","
		"\"remind_at_most\":100,\"escalate\":[{\"id\":\"boss\",\"when\":\"unacknowledged\",\"after\":\"8h\","
		"\"to\":\"manager\"},{\"id\":\"head\",\"when\":\"unresolved\",\"to\":\"lookup:account\"}]}");
	f.calendar_use = CALENDAR_OWNER;
	f.n_escalate = 0;
	buf_reset(&out);
	follow_up_put(&f, &out);
	assert_non_null(strstr(buf_str(&out), "\"calendar\":\"owner\""));
	assert_false(out.overflow);
}

static void whose_clock(void **state)
{
	struct calendar office = {.id = "office", .timezone = "Asia/Seoul"}, hotel = {.id = "hotel", .timezone = "owner"};
	struct follow_up f = bare();

	assert_false(opening_clocks_need_owner(&f));
	f.calendar_use = CALENDAR_OWNER;
	assert_true(opening_clocks_need_owner(&f));
	f.calendar_use = CALENDAR_NAMED;
	f.calendar = &office;
	assert_false(opening_clocks_need_owner(&f));
	f.calendar = &hotel;
	assert_true(opening_clocks_need_owner(&f));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(definitions),
		cmocka_unit_test(whose_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
