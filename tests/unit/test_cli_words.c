/*
 * Words of the command line and text for a terminal: cases, times, widths, safe JSON, urls to reach.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/reach.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_case_ids(void **state)
{
	static const char *const bad[] = {"",     "C-", "C-0", "0", "-1", "C-1x", "C812", "x", "99999999999999999999",
					  "C--1", " 1"};
	int64_t id = 0;

	assert_int_equal(case_id_parse("C-812", &id), 0);
	assert_int_equal(id, 812);
	assert_int_equal(case_id_parse("c-7", &id), 0);
	assert_int_equal(case_id_parse("000812", &id), 0);
	assert_int_equal(id, 812);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(case_id_parse(bad[i], &id), 0);
}

static void test_times(void **state)
{
	static const struct {
		const char *word;
		int sign;
		enum when_kind kind;
		const char *text;
		int64_t seconds;
	} good[] = {
		{"2027-03-02", 1, WHEN_LOCAL, "2027-03-02 09:00:00", 0},
		{"2028-02-29", 1, WHEN_LOCAL, "2028-02-29 09:00:00", 0},
		{"2027-03-02T10:00", 1, WHEN_LOCAL, "2027-03-02 10:00:00", 0},
		{"2027-03-02 10:00:30", 1, WHEN_LOCAL, "2027-03-02 10:00:30", 0},
		{"2027-03-02T10:00Z", 1, WHEN_ABSOLUTE, NULL, 1803981600},
		{"2027-03-02T10:00:00+09:00", 1, WHEN_ABSOLUTE, NULL, 1803949200},
		{"+2d", 1, WHEN_DURATION, NULL, 2 * 86400},
		{"2d", 1, WHEN_DURATION, NULL, 2 * 86400},
		{"2d", -1, WHEN_DURATION, NULL, -2 * 86400},
		{"-90m", 1, WHEN_DURATION, NULL, -5400},
		{"now", -1, WHEN_DURATION, NULL, 0},
	};
	static const char *const bad[] = {"",
					  "tomorrow",
					  "2027-02-29",
					  "2027-13-01",
					  "2027-3-2",
					  "2027-03-02T",
					  "2027-03-02T25:00",
					  "2027-03-02T10",
					  "2027-03-02T10:00:61",
					  "2027-03-02T10:00+9",
					  "2027-03-02x",
					  "2 days",
					  "+",
					  "-",
					  "d",
					  "99999999999w",
					  "2027-03-02T10:00:00+09:00:00"};

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		struct when w;

		assert_int_equal(when_parse(good[i].word, good[i].sign, "09:00", &w), 0);
		assert_int_equal(w.kind, good[i].kind);
		if (w.kind == WHEN_LOCAL)
			assert_string_equal(w.text, good[i].text);
		else if (w.kind == WHEN_DURATION)
			assert_int_equal(w.seconds, good[i].seconds);
		else
			assert_int_equal(w.time.us, good[i].seconds * US_PER_S);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct when w;

		assert_int_not_equal(when_parse(bad[i], 1, "09:00", &w), 0);
	}
}

static void test_widths(void **state)
{
	static const struct {
		const char *text;
		int columns;
		const char *clipped; /* to six columns */
	} cases[] = {
		{"abc", 3, "abc"},
		{"abcdef", 6, "abcdef"},
		{"abcdefg", 7, "abcde…"},
		{"한빛정밀", 8, "한빛…"},
		{"a한빛정", 7, "a한빛…"},
		{"\u1112\u1161\u11ab", 2, "\u1112\u1161\u11ab"}, /* 한, decomposed */
		{"e\u0301te\u0301", 3, "e\u0301te\u0301"},
		{"ｱｲｳ", 3, "ｱｲｳ"},
		{"日本", 4, "日本"},
		{"👍ok", 4, "👍ok"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1024);

		assert_int_equal(text_columns(cases[i].text, strlen(cases[i].text)), cases[i].columns);
		text_put_clipped(&out, cases[i].text, 6);
		assert_string_equal(buf_str(&out), cases[i].clipped);
		buf_fini(&out);
	}
}

static void test_cells(void **state)
{
	struct buf out = BUF_INIT(1024);

	text_put_cell(&out, "한", 4, false);
	buf_putc(&out, '|');
	text_put_cell(&out, "7", 4, true);
	buf_putc(&out, '|');
	text_put_cell(&out, "a\nb\tc\x1b[31m", 40, false);
	assert_string_equal(buf_str(&out), "한  |   7|a b c\\u{1B}[31m                         ");
	buf_fini(&out);
}

static void test_wrapping(void **state)
{
	static const struct {
		const char *text, *expected; /* 10 columns, indent 2 */
	} cases[] = {
		{"one two three four", "  one two\n  three four\n"},
		{"abcdefghijklm", "  abcdefghij\n  klm\n"},
		{"a\nb\r\nc", "  a\n  b\n  c\n"},
		{"a\n\nb", "  a\n\n  b\n"},
		{"한빛정밀기계 부품", "  한빛정밀기\n  계 부품\n"},
		{"x\u202ey", "  x\\u{202E}y\n"},
		{"", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1024);

		text_put_wrapped(&out, cases[i].text, 10, 2);
		assert_string_equal(buf_str(&out), cases[i].expected);
		buf_fini(&out);
	}
}

static void test_durations(void **state)
{
	static const struct {
		int64_t seconds;
		const char *expected;
	} cases[] = {{0, "now"},       {-22, "22 s ago"},        {3600, "in 60 min"},      {-5399, "89 min ago"},
		     {5400, "in 1 h"}, {-41 * 60, "41 min ago"}, {-35 * 3600, "35 h ago"}, {12 * 86400, "in 12 d"}};
	const struct wall_time now = {INT64_C(1800000000) * US_PER_S};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(64);

		text_put_relative(&out, (struct wall_time){now.us + cases[i].seconds * US_PER_S}, now);
		assert_string_equal(buf_str(&out), cases[i].expected);
		buf_fini(&out);
	}
}

static void test_json_is_safe_for_a_terminal(void **state)
{
	static const struct {
		const char *json, *expected;
	} cases[] = {
		{"{\"a\":\"한 b\"}", "{\"a\":\"한 b\"}"},
		{"{\"a\":\"x\u202ey\"}", "{\"a\":\"x\\u202ey\"}"},
		{"\"\xc2\x9b"
		 "31m\u200f\u2066\"",
		 "\"\\u009b31m\\u200f\\u2066\""},
		{"\"\U000e0001x\"", "\"\\udb40\\udc01x\""},
		{"\"\x7f\"", "\"\\u007f\""},
		{"[1, \n 2]", "[1,  2]"},
		{"\"\\n\"", "\"\\n\""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out = BUF_INIT(1024);

		text_put_json(&out, cases[i].json, strlen(cases[i].json));
		assert_string_equal(buf_str(&out), cases[i].expected);
		buf_fini(&out);
	}
}

static void test_urls(void **state)
{
	static const struct {
		const char *url, *host, *port;
		bool greets;
	} good[] = {
		{"smtp://mail.example.com:2525", "mail.example.com", "2525", true},
		{"smtp://mail.example.com", "mail.example.com", "587", true},
		{"smtps://mail.example.com", "mail.example.com", "465", false},
		{"https://hooks.example.com/a:b?c", "hooks.example.com", "443", false},
		{"HTTPS://h:8443/x", "h", "8443", false},
		{"http://[::1]:8080/x", "::1", "8080", false},
		{"http://[::1]/x", "::1", "80", false},
	};
	static const char *const bad[] = {"",
					  "https://",
					  "ftp://x",
					  "https://u:p@h/",
					  "https://h:/x",
					  "https://h:12x/",
					  "https://[::1",
					  "https://h:123456789/"};
	struct reach_target t;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(reach_parse(good[i].url, &t), 0);
		assert_string_equal(t.host, good[i].host);
		assert_string_equal(t.port, good[i].port);
		assert_int_equal(t.greets, good[i].greets);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_not_equal(reach_parse(bad[i], &t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_case_ids),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_widths),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_wrapping),
		cmocka_unit_test(test_durations),
		cmocka_unit_test(test_json_is_safe_for_a_terminal),
		cmocka_unit_test(test_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
