/*
 * Forms, queries, and how often one may ask.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "page/form.h"
#include "page/rate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct arena *arena;

static int setup(void **state)
{
	arena = arena_new(0);
	return 0;
}

static int teardown(void **state)
{
	arena = arena_free(arena);
	return 0;
}

static struct form parse(const char *text)
{
	struct form f;

	assert_int_equal(form_parse(text, strlen(text), arena, &f), 0);
	return f;
}

static void test_fields(void **state)
{
	struct form f = parse("action=resolve&note=two+words%21&case=812&case=813&empty=&bare&&x=a=b");

	assert_int_equal(f.n, 7);
	assert_string_equal(form_get(&f, "action"), "resolve");
	assert_string_equal(form_get(&f, "note"), "two words!");
	assert_string_equal(form_get(&f, "case"), "812");
	assert_string_equal(f.fields[3].value, "813");
	assert_string_equal(form_get(&f, "empty"), "");
	assert_string_equal(form_get(&f, "bare"), "");
	assert_string_equal(form_get(&f, "x"), "a=b");
	assert_null(form_get(&f, "missing"));
	assert_int_equal(parse("").n, 0);
	assert_int_equal(parse("&&&").n, 0);
}

static void test_text(void **state)
{
	struct form f = parse("ko=%EC%A0%84%ED%99%94&lines=a%0D%0Ab%0Dc%0Ad%09e&quote=%3Cscript%3E%22%27%26");

	assert_string_equal(form_get(&f, "ko"), "전화");
	assert_string_equal(form_get(&f, "lines"), "a\nb\nc\nd\te");
	assert_string_equal(form_get(&f, "quote"), "<script>\"'&");
}

static void test_refused(void **state)
{
	static const char *const bad[] = {"a=%",   "a=%4",        "a=%zz",     "a=%00", "a=%ff",
					  "a=%C3", "a=%ED%A0%80", "a=%1b[31m", "%00=a", "a=%7F"};
	struct form f;
	char many[4 * FORM_FIELDS_MAX + 8] = "";

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(form_parse(bad[i], strlen(bad[i]), arena, &f), -EINVAL);
	assert_int_equal(form_parse("a=\0b", 4, arena, &f), -EINVAL);
	for (int i = 0; i < FORM_FIELDS_MAX; i++)
		strcat(many, "a=1&");
	assert_int_equal(parse(many).n, FORM_FIELDS_MAX);
	strcat(many, "a=1");
	assert_int_equal(form_parse(many, strlen(many), arena, &f), -EINVAL);
}

static void test_numbers(void **state)
{
	struct form f = parse("a=812&b=-1&c=&d=9223372036854775807&e=9223372036854775808&f=1x&g=%201&h=0");

	assert_int_equal(form_number(&f, "a", 1000), 812);
	assert_int_equal(form_number(&f, "a", 811), -1);
	assert_int_equal(form_number(&f, "a", 812), 812);
	assert_int_equal(form_number(&f, "b", 1000), -1);
	assert_int_equal(form_number(&f, "c", 1000), -1);
	assert_true(form_number(&f, "d", INT64_MAX) == INT64_MAX);
	assert_int_equal(form_number(&f, "e", INT64_MAX), -1);
	assert_int_equal(form_number(&f, "f", 1000), -1);
	assert_int_equal(form_number(&f, "g", 1000), -1);
	assert_int_equal(form_number(&f, "h", 1000), 0);
	assert_int_equal(form_number(&f, "none", 1000), -1);
}

static void test_there_and_back(void **state)
{
	static const char text[] = "a b&c=d+e%f/전화?#\n'\"<>";
	struct buf out = BUF_INIT(1000);
	struct form f;

	buf_puts(&out, "v=");
	form_put_value(&out, text);
	f = parse(buf_str(&out));
	assert_int_equal(f.n, 1);
	assert_string_equal(form_get(&f, "v"), text);
	buf_fini(&out);
}

static struct address at(const char *text)
{
	struct address a;

	assert_true(address_of_text(text, &a));
	return a;
}

static void test_rate(void **state)
{
	struct mono_time now = {1000 * US_PER_S};
	struct address a = at("192.0.2.1"), b = at("192.0.2.2"), six = at("2001:db8::1"), neighbour = at("2001:db8::2");
	struct rate r;

	rate_init(&r, US_PER_S, 3, 7);
	for (int i = 0; i < 3; i++) {
		assert_true(rate_has(&r, &a, now));
		assert_true(rate_take(&r, &a, now));
	}
	assert_false(rate_has(&r, &a, now));
	assert_false(rate_take(&r, &a, now));
	assert_true(rate_take(&r, &b, now));
	now.us += US_PER_S;
	assert_true(rate_take(&r, &a, now));
	assert_false(rate_take(&r, &a, now));
	now.us += 1000 * US_PER_S; /* no more than a full bucket */
	for (int i = 0; i < 3; i++)
		assert_true(rate_take(&r, &a, now));
	assert_false(rate_take(&r, &a, now));
	for (int i = 0; i < 3; i++)
		assert_true(rate_take(&r, i & 1 ? &six : &neighbour, now));
	assert_false(rate_take(&r, &six, now));
	rate_fini(&r);
}

/* Hundreds of thousands of addresses: nothing grows, and everyone still gets in. */
static void test_rate_of_many(void **state)
{
	struct mono_time now = {1000 * US_PER_S};
	struct rate r;

	rate_init(&r, US_PER_S, 3, 99);
	for (uint32_t i = 0; i < 300000; i++) {
		struct address a = {.v4 = true, .b = {[10] = 0xff, [11] = 0xff, [12] = 10}};

		a.b[13] = (uint8_t)(i >> 16);
		a.b[14] = (uint8_t)(i >> 8);
		a.b[15] = (uint8_t)i;
		assert_true(rate_take(&r, &a, now));
	}
	rate_fini(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(test_text, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_numbers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_there_and_back, setup, teardown),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_rate_of_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
