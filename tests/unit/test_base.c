/*
 * The base: arenas, capped buffers, escaping, diagnostics, clocks, uuids.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"
#include "base/clock.h"
#include "base/diag.h"
#include "base/escape.h"
#include "base/uuid.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static void an_arena_aligns_and_is_reused(void **state)
{
	struct arena *a = arena_new(256);
	char *first = arena_alloc(a, 3);

	for (int i = 0; i < 100; i++)
		assert_int_equal((uintptr_t)arena_alloc(a, (size_t)i * 7) % 16, 0);
	assert_non_null(memset(arena_alloc(a, 100000), 1, 100000));
	assert_true(arena_used(a) > 100000);
	arena_reset(a);
	assert_ptr_equal(arena_alloc(a, 3), first);
	assert_null(arena_strdup(a, NULL));
	assert_string_equal(arena_printf(a, "%s-%d", "x", 42), "x-42");
	arena_free(a);
}

static void a_buffer_stops_at_its_cap(void **state)
{
	struct buf b = BUF_INIT(10);

	buf_puts(&b, "0123456789");
	assert_false(b.overflow);
	buf_putc(&b, 'x');
	assert_true(b.overflow);
	assert_string_equal(buf_str(&b), "0123456789");
	buf_printf(&b, "%d", 1);
	assert_int_equal(b.n, 10);
	buf_reset(&b);
	buf_put_int(&b, INT64_MIN);
	assert_true(b.overflow);
	buf_fini(&b);
	b = BUF_INIT(100);
	buf_put_int(&b, INT64_MIN);
	assert_string_equal(buf_str(&b), "-9223372036854775808");
	buf_fini(&b);
	assert_string_equal(buf_str(&b), "");
}

static void a_buffer_begins_in_lent_room(void **state)
{
	char room[8] = "", *taken;
	struct buf b = BUF_ON(room, 12);

	buf_puts(&b, "abc");
	buf_printf(&b, "%04d", 7);
	assert_ptr_equal(b.p, room);
	assert_string_equal(room, "abc0007");
	buf_printf(&b, "%d", 1); /* the NUL has no room any more: it moves, and grows no further than its cap */
	assert_ptr_not_equal(b.p, room);
	assert_string_equal(room, "abc0007");
	buf_puts(&b, "2345");
	assert_false(b.overflow);
	buf_printf(&b, "%d", 6);
	assert_true(b.overflow);
	buf_puts(&b, "");
	buf_putc(&b, 'x');
	assert_string_equal(buf_str(&b), "abc000712345");
	buf_reset(&b);
	buf_puts(&b, "123456789012");
	assert_false(b.overflow);
	assert_string_equal(buf_str(&b), "123456789012");
	buf_fini(&b);

	b = BUF_ON(room, 12);
	buf_reset(&b);
	buf_puts(&b, "lent");
	taken = buf_take(&b); /* a copy: the room is not the taker's */
	assert_ptr_not_equal(taken, room);
	assert_string_equal(taken, "lent");
	free(taken);
	assert_null(b.p);
	b = BUF_ON(room, 12);
	buf_reset(&b);
	buf_puts(&b, "0123456789");
	buf_fini(&b);
}

struct escape_case {
	const char *in;
	size_t n;
	const char *json, *terminal, *html;
};

static void hostile_text_is_escaped_for_each_place(void **state)
{
	static const struct escape_case cases[] = {
		{"a\"b\\c\n", 6, "a\\\"b\\\\c\\n", "a\"b\\c\\u{A}", "a&quot;b\\c\n"},
		{"<script>&'", 10, "\\u003cscript>&'", "<script>&'", "&lt;script&gt;&amp;&#39;"},
		{"\033[31m", 5, "\\u001b[31m", "\\u{1B}[31m", "\xef\xbf\xbd[31m"},
		{"\xff\xc0\xaf", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"\xe2\x80\xa8", 3, "\\u2028", "\\u{2028}", "\xe2\x80\xa8"},
		{"\xe2\x80\xae", 3, "\xe2\x80\xae", "\\u{202E}", "\xe2\x80\xae"},
		{"\xc2\x9b", 2, "\xc2\x9b", "\\u{9B}", "\xef\xbf\xbd"},
		{"한글 😀", 11, "한글 😀", "한글 😀", "한글 😀"},
		{"\xed\xa0\x80", 3, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd",
		 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
		{"a\0b", 3, "a\\u0000b", "a\\u{0}b",
		 "a\xef\xbf\xbd"
		 "b"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = BUF_INIT(1000);

		escape_json(&b, cases[i].in, cases[i].n);
		assert_string_equal(buf_str(&b), cases[i].json);
		buf_reset(&b);
		escape_terminal(&b, cases[i].in, cases[i].n);
		assert_string_equal(buf_str(&b), cases[i].terminal);
		buf_reset(&b);
		escape_html(&b, cases[i].in, cases[i].n);
		assert_string_equal(buf_str(&b), cases[i].html);
		buf_fini(&b);
	}
}

/* Long texts go by sixteen bytes: what must be escaped is found wherever it stands. */
static void no_byte_is_overlooked_in_a_long_text(void **state)
{
	static const struct {
		const char *in, *out;
	} odd[] = {{"\"", "\\\""},           {"\\", "\\\\"},      {"<", "\\u003c"},         {"\n", "\\n"},
		   {"\x1f", "\\u001f"},      {"\x7f", "\\u007f"}, {"\xc3\xa4", "\xc3\xa4"}, {"\x80", "\xef\xbf\xbd"},
		   {"\xff", "\xef\xbf\xbd"}, {" ", " "}};
	char in[128], out[128];

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		for (int at = 0; at <= 48; at++) {
			struct buf b CLEANUP(buf_fini) = BUF_INIT(256);

			snprintf(in, sizeof(in), "%.*s%s%.*s", at, "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL",
				 odd[i].in, 48 - at, "!#$%&'()*+,-./:;=>?@[]^_`{|}~!#$%&'()*+,-./:;=>?@");
			snprintf(out, sizeof(out), "%.*s%s%.*s", at, "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKL",
				 odd[i].out, 48 - at, "!#$%&'()*+,-./:;=>?@[]^_`{|}~!#$%&'()*+,-./:;=>?@");
			escape_json(&b, in, strlen(in));
			assert_string_equal(buf_str(&b), out);
		}
}

static void clipping_never_splits_a_character(void **state)
{
	static const char s[] = "ab한글";

	assert_int_equal(utf8_clip(s, 8, 100), 8);
	assert_int_equal(utf8_clip(s, 8, 5), 5);
	assert_int_equal(utf8_clip(s, 8, 4), 2);
	assert_int_equal(utf8_clip(s, 8, 3), 2);
	assert_int_equal(utf8_clip(s, 8, 0), 0);
}

static void the_nearest_name_is_near(void **state)
{
	static const char *const names[] = {"nps", "csat", "touchpoint", "comment"};

	assert_string_equal(diag_nearest("npss", names, 4, sizeof(*names)), "nps");
	assert_string_equal(diag_nearest("tuochpoint", names, 4, sizeof(*names)), "touchpoint");
	assert_string_equal(diag_nearest("NPS", names, 4, sizeof(*names)), "nps");
	assert_null(diag_nearest("weather", names, 4, sizeof(*names)));
	assert_null(diag_nearest("", names, 4, sizeof(*names)));
}

static void diagnostics_are_sorted_with_a_caret(void **state)
{
	struct diag_list *l = diag_list_new();
	struct buf b = BUF_INIT(4000);

	diag_add(l, DIAG_WARNING, (struct text_pos){"rules.conf", 21}, "vip: careful");
	diag_excerpt(l, diag_add(l, DIAG_ERROR, (struct text_pos){"rules.conf", 14}, "field: unknown fact 'npss'"),
		     "한글 npss <= 6", 7, 4, NULL);
	diag_print(l, &b);
	assert_string_equal(buf_str(&b), "rules.conf:14: field: unknown fact 'npss'\n"
					 "    한글 npss <= 6\n"
					 "         ^~~~\n"
					 "rules.conf:21: warning: vip: careful\n");
	assert_int_equal(l->errors, 1);
	buf_reset(&b);
	diag_excerpt(l, &l->items[0], "\t\tmembers = [ \"\xe2\x80\xae\"\t\"ben\" ];", 20, 5, "a comma is missing");
	diag_print(l, &b);
	assert_non_null(strstr(buf_str(&b), "\n    members = [ \"\\u{202E}\" \"ben\" ];\n"
					    "                           ^~~~~ a comma is missing\n"));
	for (int i = 0; i < 2 * DIAG_MAX; i++)
		diag_add(l, DIAG_ERROR, (struct text_pos){NULL, 0}, "again");
	buf_reset(&b);
	diag_print(l, &b);
	assert_non_null(strstr(buf_str(&b), "and 202 more\n"));
	buf_fini(&b);
	diag_list_free(l);
}

static void what_is_over_is_not_waited_for(void **state)
{
	struct mono_time now = mono_now(), later = {now.us + 3600 * US_PER_S};

	assert_int_equal(mono_until_us((struct mono_time){now.us - 1}), 0);
	assert_int_equal(mono_until_us((struct mono_time){INT64_MIN / 2}), 0);
	assert_in_range(mono_until_us(later), 3500 * US_PER_S, 3600 * US_PER_S);
}

static void times_round_trip(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {{"2027-03-02T10:38:12Z", "2027-03-02T10:38:12Z"},
		    {"2027-03-02T10:38:12.5+09:00", "2027-03-02T01:38:12.500000Z"},
		    {"1969-12-31T23:59:59.999999Z", "1969-12-31T23:59:59.999999Z"},
		    {"2028-02-29 00:00:00-01:30", "2028-02-29T01:30:00Z"},
		    {"2027-03-02 10:38:12.5+09", "2027-03-02T01:38:12.500000Z"},
		    {"2027-03-02T10:38-0130", "2027-03-02T12:08:00Z"}};
	static const char *const bad[] = {"",
					  "2027-03-02",
					  "2027-03-02T10:38:12",
					  "2027-13-02T10:38:12Z",
					  "x",
					  "2027-03-02T10:38:12+9",
					  "2027-02-29T10:38:12Z",
					  "2027-03-02T10:38:12+09:00x",
					  "2027-03-02T10Z"};
	char text[WALL_TEXT_BYTES];
	struct wall_time t;

	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		assert_int_equal(wall_parse(good[i].in, &t), 0);
		assert_string_equal(wall_text(t, text), good[i].out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(wall_parse(bad[i], &t) < 0);
	assert_int_equal(wall_parse_or_day("2027-03-02", &t), 0);
	assert_string_equal(wall_text(t, text), "2027-03-02T00:00:00Z");
	assert_int_equal(wall_parse_or_day("2027-03-02T10:38:12Z", &t), 0);
	assert_true(wall_parse_or_day("2027-02-29", &t) < 0);
	assert_string_equal(wall_text(WALL_NONE, text), "");
}

/* Days are kept: some that take each other's place, again and again, with those at the ends of the scale. */
static void every_day_has_its_text(void **state)
{
	static const int64_t from[] = {-719528, -36525, -9, 0, 20000, 2932896 - 40}; /* days; the first is that of the year 0 */
	const int64_t day_us = 86400 * US_PER_S;
	char text[WALL_TEXT_BYTES], expected[64];

	for (size_t i = 0; i < ARRAY_SIZE(from) * 40 * 3; i++) {
		int64_t day = from[i % ARRAY_SIZE(from)] + (int64_t)(i / 3 / ARRAY_SIZE(from)), us = i % 3 ? day_us / 3 + 1 : 0;
		time_t seconds = (time_t)(day * 86400 + us / US_PER_S);
		struct tm tm;

		gmtime_r(&seconds, &tm);
		snprintf(expected, sizeof(expected), us ? "%04d-%02d-%02dT08:00:00.000001Z" : "%04d-%02d-%02dT00:00:00Z",
			 tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
		assert_string_equal(wall_text((struct wall_time){day * day_us + us}, text), expected);
	}
	assert_string_equal(wall_text((struct wall_time){-719528 * day_us - 1}, text), "");
	assert_string_equal(wall_text((struct wall_time){2932897 * day_us - 1}, text), "9999-12-31T23:59:59.999999Z");
	assert_string_equal(wall_text((struct wall_time){2932897 * day_us}, text), "");
	assert_string_equal(wall_text((struct wall_time){INT64_MAX}, text), "");
	assert_string_equal(wall_text((struct wall_time){INT64_MIN + 1}, text), "");
}

static void uuids_are_version_7_rising_and_read_back(void **state)
{
	struct uuid last = {{0}};

	for (int i = 0; i < 1000; i++) {
		struct uuid u = uuid_new(), again;
		char text[UUID_TEXT_BYTES];

		assert_int_equal(u.b[6] >> 4, 7);
		assert_int_equal(u.b[8] >> 6, 2);
		assert_true(memcmp(u.b, last.b, 6) >= 0);
		assert_false(uuid_eq(&u, &last));
		assert_int_equal(uuid_parse(uuid_text(&u, text), &again), 0);
		assert_true(uuid_eq(&u, &again));
		last = u;
	}
	assert_true(uuid_parse("01a2013b-a339-79ed-a1aa8a4aa39da4e2x", &last) < 0);
	assert_true(uuid_parse("", &last) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_aligns_and_is_reused),
		cmocka_unit_test(a_buffer_stops_at_its_cap),
		cmocka_unit_test(a_buffer_begins_in_lent_room),
		cmocka_unit_test(hostile_text_is_escaped_for_each_place),
		cmocka_unit_test(no_byte_is_overlooked_in_a_long_text),
		cmocka_unit_test(clipping_never_splits_a_character),
		cmocka_unit_test(the_nearest_name_is_near),
		cmocka_unit_test(diagnostics_are_sorted_with_a_caret),
		cmocka_unit_test(what_is_over_is_not_waited_for),
		cmocka_unit_test(times_round_trip),
		cmocka_unit_test(every_day_has_its_text),
		cmocka_unit_test(uuids_are_version_7_rising_and_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
