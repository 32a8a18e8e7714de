/*
 * Holidays from iCalendar files: which days come out of events, rules, exceptions and zones. What is said of broken files is in
 * tests/lang/settings/holidays.cases.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "settings/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONF_BEGIN \
	"timezone = \"Asia/Seoul\"; calendars: { c: { hours = [ \"Mon-Sun 09:00-18:00\" ]; holidays_file = \"h.ics\"; "
#define CONF_END "}; };\n"

struct fixture {
	char folder[64];
	struct settings *s;
	struct buf said;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->folder, sizeof(f->folder), "/tmp/closeloop-holidays.XXXXXX");
	f->said = BUF_INIT(65536);
	*state = f;
	return mkdtemp(f->folder) && chdir(f->folder) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	settings_free(f->s);
	buf_fini(&f->said);
	unlink("closeloop.conf");
	unlink("h.ics");
	if (chdir("/") || rmdir(f->folder))
		return -1;
	freep(state);
	return 0;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Loads a calendar with these keys beside holidays_file, and this file. */
static int load(struct fixture *f, const char *keys, const char *ics)
{
	struct diag_list *diags = diag_list_new();
	char *conf = NULL;
	int r;

	f->s = settings_free(f->s);
	buf_reset(&f->said);
	assert_true(asprintf(&conf, CONF_BEGIN "%s" CONF_END, keys) > 0);
	put_file("closeloop.conf", conf);
	put_file("h.ics", ics);
	free(conf);
	r = settings_load("closeloop.conf", diags, &f->s);
	diag_print(diags, &f->said);
	diag_list_free(diags);
	return r;
}

/* The days of the calendar between two, joined by spaces. */
static const char *days(struct fixture *f, const char *from, const char *to)
{
	const struct string_list *l = &f->s->calendars[0].holidays;

	buf_reset(&f->said);
	for (int i = 0; i < l->n; i++)
		if (strcmp(l->items[i], from) >= 0 && strcmp(l->items[i], to) <= 0)
			buf_printf(&f->said, "%s%s", f->said.n ? " " : "", l->items[i]);
	return buf_str(&f->said);
}

#define EVENT(text) "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\n" text "END:VEVENT\r\nEND:VCALENDAR\r\n"

static void expect(struct fixture *f, const char *ics, const char *want)
{
	if (load(f, "", ics))
		fail_msg("%s%s", buf_str(&f->said), ics);
	assert_string_equal(days(f, "0000", "9999"), want);
}

static void single_events(void **state)
{
	expect(*state, EVENT("DTSTART;VALUE=DATE:20270101\r\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART:20270101\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART;VALUE=DATE:20270101\nDTEND;VALUE=DATE:20270102\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART;VALUE=DATE:20270101\nDTEND;VALUE=DATE:20270101\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART;VALUE=DATE:20270227\nDTEND;VALUE=DATE:20270303\n"),
	       "2027-02-27 2027-02-28 2027-03-01 2027-03-02");
	expect(*state, EVENT("DTSTART;VALUE=DATE:20280228\nDURATION:P3D\n"), "2028-02-28 2028-02-29 2028-03-01");
	expect(*state, EVENT("DTSTART;VALUE=DATE:20280228\nSTATUS:CANCELLED\n"), "");
	/* Only what says when is looked at, in any order, folded anywhere, whatever else the file holds. */
	expect(*state,
	       "\xef\xbb\xbf"
	       "begin:vcalendar\nX-WR-CALNAME:x\nBEGIN:VTIMEZONE\nBEGIN:STANDARD\nDTSTART:19700101T000000\nRRULE:FREQ=SECONDLY\nEND:STANDARD\n"
	       "END:VTIMEZONE\nbegin:vevent\nSUMMARY:\xec\x84\xa4\xeb\x82\xa0\\, DTSTART:x\nDTEND;VALUE=DA\n TE:2027\n\t0103\ndtstart;value=date:20270101\n"
	       "BEGIN:VALARM\nTRIGGER:-PT15M\nDTSTART:nonsense\nEND:VALARM\nATTACH:a\n bcdefghij\nend:vevent\nEND:VCALENDAR\n"
	       "BEGIN:VCALENDAR\nBEGIN:VTODO\nDTSTART:nonsense\nEND:VTODO\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20271224\nEND:VEVENT\nEND:VCALENDAR",
	       "2027-01-01 2027-01-02 2027-12-24");
}

/* Every day that is touched; a TZID is the wall of the people, UTC is seen from Seoul. */
static void times(void **state)
{
	expect(*state, EVENT("DTSTART:20270101T000000\nDTEND:20270102T000000\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART:20270101T000000\nDTEND:20270101T235959\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART:20270101T120000\nDTEND:20270103T000001\n"), "2027-01-01 2027-01-02 2027-01-03");
	expect(*state, EVENT("DTSTART:20270101T120000\n"), "2027-01-01");
	expect(*state, EVENT("DTSTART;TZID=\"Europe:Berlin\":20270101T000000\nDTEND;TZID=\"Europe:Berlin\":20270102T000000\n"),
	       "2027-01-01");
	expect(*state, EVENT("DTSTART:20261231T150000Z\nDTEND:20270101T150000Z\n"), "2027-01-01");
	assert_int_equal(load(*state, "timezone = \"UTC\"; ", EVENT("DTSTART:20261231T150000Z\nDTEND:20270101T150000Z\n")), 0);
	assert_string_equal(days(*state, "0000", "9999"), "2026-12-31 2027-01-01");
	assert_int_equal(load(*state, "timezone = \"owner\"; ", EVENT("DTSTART:20261231T150000Z\nDTEND:20270101T150000Z\n")),
			 0);
	assert_string_equal(days(*state, "0000", "9999"), "2027-01-01");
}

static int this_year(void)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	return tm.tm_year + 1900;
}

/* From the beginning of last year to the end of the tenth from now; the event itself, whenever it was. */
static void yearly(void **state)
{
	struct buf want = BUF_INIT(4096);

	buf_puts(&want, "1999-12-25");
	for (int year = this_year() - 1; year <= this_year() + 10; year++)
		buf_printf(&want, " %d-12-25", year);
	expect(*state, EVENT("DTSTART;VALUE=DATE:19991225\nRRULE:FREQ=YEARLY\n"), buf_str(&want));
	buf_fini(&want);
}

static void rules(void **state)
{
	struct fixture *f = *state;

	/* Thanksgiving, a lunar feast of three days, an end, a number, all three kinds of exceptions. */
	assert_int_equal(load(f, "", EVENT("DTSTART;VALUE=DATE:20201126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH\n")), 0);
	assert_string_equal(days(f, "2026", "2029"), "2026-11-26 2027-11-25 2028-11-23");
	assert_int_equal(
		load(f, "",
		     EVENT("DTSTART;VALUE=DATE:20200930\nDTEND;VALUE=DATE:20201003\nRRULE:RSCALE=CHINESE;FREQ=YEARLY;BYMONTH=8;BYMONTHDAY=14\n")),
		0);
	assert_string_equal(days(f, "2027", "2028"), "2027-09-14 2027-09-15 2027-09-16");
	expect(f, EVENT("DTSTART;VALUE=DATE:20270101\nRRULE:FREQ=WEEKLY;COUNT=3\n"), "2027-01-01 2027-01-08 2027-01-15");
	expect(f, EVENT("DTSTART;VALUE=DATE:20270101\nRRULE:FREQ=MONTHLY;UNTIL=20270315\n"),
	       "2027-01-01 2027-02-01 2027-03-01");
	expect(f, EVENT("DTSTART;VALUE=DATE:20270101\nRRULE:FREQ=DAILY;COUNT=5\nEXDATE;VALUE=DATE:20270102,20270104\n"),
	       "2027-01-01 2027-01-03 2027-01-05");
	expect(f, EVENT("DTSTART;VALUE=DATE:20270101\nDTEND;VALUE=DATE:20270103\nRDATE;VALUE=DATE:20270201,20270301\n"),
	       "2027-01-01 2027-01-02 2027-02-01 2027-02-02 2027-03-01 2027-03-02");
	expect(f, EVENT("DTSTART:20270101T090000\nDTEND:20270101T180000\nRRULE:FREQ=DAILY;COUNT=3\nEXDATE:20270102T090000\n"),
	       "2027-01-01 2027-01-03");
	expect(f, EVENT("DTSTART:20261231T150000Z\nDTEND:20270101T150000Z\nRRULE:FREQ=DAILY;COUNT=2\n"),
	       "2027-01-01 2027-01-02");
	expect(f,
	       "BEGIN:VCALENDAR\nBEGIN:VEVENT\nUID:a\nDTSTART;VALUE=DATE:20270101\nRRULE:FREQ=MONTHLY;COUNT=3\nEND:VEVENT\nBEGIN:VEVENT\nUID:a\n"
	       "RECURRENCE-ID;VALUE=DATE:20270201\nDTSTART;VALUE=DATE:20270205\nEND:VEVENT\nBEGIN:VEVENT\nUID:a\nSTATUS:CANCELLED\n"
	       "RECURRENCE-ID;VALUE=DATE:20270301\nDTSTART;VALUE=DATE:20270301\nEND:VEVENT\nEND:VCALENDAR\n",
	       "2027-01-01 2027-02-05");
}

static void both_lists(void **state)
{
	assert_int_equal(load(*state, "holidays = [ \"2027-03-01\", \"2027-01-01\", \"2027-03-01\" ]; ",
			      EVENT("DTSTART;VALUE=DATE:20270101\nDTEND;VALUE=DATE:20270103\n")),
			 0);
	assert_string_equal(days(*state, "0000", "9999"), "2027-01-01 2027-01-02 2027-03-01");
}

/* Ten thousand rules, each of which keeps libical busy for a long time and gives nothing. */
static void rules_that_take_for_ever(void **state)
{
	struct fixture *f = *state;
	struct buf ics = BUF_INIT(8 * 1024 * 1024);
	struct timespec before, after;

	buf_puts(&ics, "BEGIN:VCALENDAR\n");
	for (int i = 0; i < 10000; i++)
		buf_puts(&ics,
			 "BEGIN:VEVENT\nDTSTART;VALUE=DATE:19000101\nRRULE:FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30\nEND:VEVENT\n");
	buf_puts(&ics, "END:VCALENDAR\n");
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	assert_int_equal(load(f, "", buf_str(&ics)), SETTINGS_E_INVALID);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	assert_true(after.tv_sec - before.tv_sec < 600); /* without a limit: hours */
	assert_non_null(strstr(buf_str(&f->said), "the rules take too long to follow"));
	buf_fini(&ics);
}

/* A file cut anywhere is read or refused, nothing else; so is one with any byte changed. */
static void damaged(void **state)
{
	static const char whole[] = EVENT(
		"UID:a\nDTSTART;VALUE=DATE:20270101\nDTEND;VALUE=DATE:20270103\nRRULE:FREQ=YEARLY;COUNT=3;BYDAY=1MO\n"
		"EXDATE;VALUE=DATE:20280101,20290101\nRDATE;VALUE=PERIOD:20270301T000000Z/P1D\nRECURRENCE-ID:20270101T000000Z\n");
	static const char bytes[] = "\"\\;:,=\n\r 09Z\xff/-";
	char copy[sizeof(whole)];

	for (size_t i = 0; i < sizeof(whole) - 1; i++) {
		memcpy(copy, whole, sizeof(whole));
		copy[i] = '\0';
		assert_true(load(*state, "", copy) >= 0);
		memcpy(copy, whole, sizeof(whole));
		copy[i] = bytes[i % (sizeof(bytes) - 1)];
		assert_true(load(*state, "", copy) >= 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(single_events, setup, teardown),
		cmocka_unit_test_setup_teardown(times, setup, teardown),
		cmocka_unit_test_setup_teardown(yearly, setup, teardown),
		cmocka_unit_test_setup_teardown(rules, setup, teardown),
		cmocka_unit_test_setup_teardown(both_lists, setup, teardown),
		cmocka_unit_test_setup_teardown(rules_that_take_for_ever, setup, teardown),
		cmocka_unit_test_setup_teardown(damaged, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
