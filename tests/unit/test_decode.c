/*
 * The JSON columns of a response, as survey tools really fill them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "intake/decode.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

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

static void numbers_and_numbers_in_quotes_are_ratings(void **state)
{
	static const char json[] = "{\"delivery\": 4, \"설치 속도\": \"2\", \"half\": 3.5, \"text\": \"good\", \"none\": null,"
				   " \"empty\": \"\", \"nested\": {\"a\": 1}, \"list\": [1]}";
	struct response r = {0};
	const char *why = NULL;

	assert_int_equal(decode_ratings(json, strlen(json), arena, &r, &why), 0);
	assert_null(why);
	assert_int_equal(r.n_ratings, 3);
	for (int i = 0; i < 3; i++)
		if (strcmp(r.ratings[i].name, "설치 속도") == 0)
			assert_true(r.ratings[i].value == 2);
}

static void scalars_are_attributes_with_their_type(void **state)
{
	static const char json[] =
		"{\"plan\": \"gold\", \"arr\": 12000, \"rate\": 0.25, \"vip\": true, \"no\": false, \"n\": null,"
		" \"o\": {}}";
	struct response r = {0};
	const char *why = NULL;

	assert_int_equal(decode_attributes(json, strlen(json), arena, &r, &why), 0);
	assert_int_equal(r.n_attributes, 5);
	assert_string_equal(response_attribute(&r, "plan")->text, "gold");
	assert_string_equal(response_attribute(&r, "arr")->text, "12000");
	assert_string_equal(response_attribute(&r, "rate")->text, "0.25");
	assert_true(response_attribute(&r, "vip")->truth);
	assert_int_equal(response_attribute(&r, "no")->type, ATTRIBUTE_BOOL);
	assert_null(response_attribute(&r, "o"));
}

static void nothing_is_nothing(void **state)
{
	static const char *const empty[] = {"{}", "", "[]", "null", "3"};
	struct response r = {0};
	const char *why = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
		assert_int_equal(decode_ratings(empty[i], strlen(empty[i]), arena, &r, &why), 0);
		assert_int_equal(r.n_ratings, 0);
	}
	assert_int_equal(decode_ratings(NULL, 0, arena, &r, &why), 0);
}

static void too_many_and_unreadable_say_why(void **state)
{
	struct buf b = BUF_INIT(1024 * 1024);
	struct response r = {0};
	const char *why = NULL;

	buf_putc(&b, '{');
	for (int i = 0; i <= RESPONSE_RATINGS_MAX; i++)
		buf_printf(&b, "%s\"r%d\": 1", i ? "," : "", i);
	buf_putc(&b, '}');
	assert_true(decode_ratings(buf_str(&b), b.n, arena, &r, &why) < 0);
	assert_string_equal(why, "more than 200 ratings");
	assert_true(decode_attributes("{\"a\":", 5, arena, &r, &why) < 0);
	assert_non_null(strstr(why, "attributes cannot be read"));
	buf_fini(&b);
}

/* With an empty list in it, which is left out, the same object goes through the whole parser. */
static void the_fast_way_reads_what_the_whole_parser_reads(void **state)
{
	static const char *const values[] = {"4",
					     "-0",
					     "0",
					     "-3",
					     "3.5",
					     "0.10",
					     "\"2\"",
					     "\"2.\"",
					     "\"a b\"",
					     "\"\"",
					     "\".\"",
					     "true",
					     "false",
					     "null",
					     "12345678901234567",
					     "-1.25",
					     "100000000000000.5",
					     "\"설치\"",
					     "\"q\\\"\"",
					     "1e3",
					     "01",
					     "[1, 2]",
					     "{}",
					     "nul",
					     "\"\\u00e9\"",
					     "1.",
					     "-",
					     "99999999999999999999999999",
					     "0.12345678901234567890123456789012345678901234567890"};
	struct buf b = BUF_INIT(1024);

	for (size_t i = 0; i < ARRAY_SIZE(values) * ARRAY_SIZE(values); i++) {
		const char *one = values[i / ARRAY_SIZE(values)], *two = values[i % ARRAY_SIZE(values)], *why = NULL;
		struct response fast = {0}, whole = {0};
		int r[4];

		buf_reset(&b);
		buf_printf(&b, "{\"a\": %s, \"한국\":%s }", one, two);
		r[0] = decode_ratings(buf_str(&b), b.n, arena, &fast, &why);
		r[1] = decode_attributes(buf_str(&b), b.n, arena, &fast, &why);
		buf_reset(&b);
		buf_printf(&b, "{\"a\": %s, \"한국\":%s , \"z\": []}", one, two);
		r[2] = decode_ratings(buf_str(&b), b.n, arena, &whole, &why);
		r[3] = decode_attributes(buf_str(&b), b.n, arena, &whole, &why);
		assert_int_equal(r[0], r[2]);
		assert_int_equal(r[1], r[3]);
		if (r[0] || r[1])
			continue;
		assert_int_equal(fast.n_ratings, whole.n_ratings);
		for (int k = 0; k < fast.n_ratings; k++) {
			assert_string_equal(fast.ratings[k].name, whole.ratings[k].name);
			assert_true(fast.ratings[k].value == whole.ratings[k].value);
		}
		assert_int_equal(fast.n_attributes, whole.n_attributes);
		for (int k = 0; k < fast.n_attributes; k++) {
			assert_string_equal(fast.attributes[k].name, whole.attributes[k].name);
			assert_string_equal(fast.attributes[k].text, whole.attributes[k].text);
			assert_int_equal(fast.attributes[k].type, whole.attributes[k].type);
			assert_true(fast.attributes[k].number == whole.attributes[k].number);
			assert_int_equal(fast.attributes[k].truth, whole.attributes[k].truth);
		}
	}
	buf_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_and_numbers_in_quotes_are_ratings, setup, teardown),
		cmocka_unit_test_setup_teardown(scalars_are_attributes_with_their_type, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_is_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(the_fast_way_reads_what_the_whole_parser_reads, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_and_unreadable_say_why, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
