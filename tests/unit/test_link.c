/*
 * Signed links: what was signed comes back, whatever else is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/link.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1800000000

static char *one_key[] = {"0123456789abcdef0123456789abcdef"};
static char *two_keys[] = {"a new key, a new key, a new key!", "0123456789abcdef0123456789abcdef"};
static const struct secret old_secret = {.keys = one_key, .n = 1};
static const struct secret both_secret = {.keys = two_keys, .n = 2};
static const struct secret new_secret = {.keys = two_keys, .n = 1};

static struct signed_link sample(void)
{
	struct signed_link l = {.purpose = LINK_CASE, .ends_s = NOW + 10, .case_id = 812, .epoch = 3};

	strcpy(l.person, "minsu-kim");
	link_address_hash("minsu.kim@example.com", l.address);
	return l;
}

static void test_there_and_back(void **state)
{
	struct signed_link l = sample(), back;
	char text[LINK_TEXT_BYTES], again[LINK_TEXT_BYTES];

	assert_int_equal(link_sign(&old_secret, &l, text), 0);
	assert_int_equal(link_open(&old_secret, LINK_CASE, text, NOW, &back), 0);
	assert_int_equal(back.case_id, 812);
	assert_int_equal(back.epoch, 3);
	assert_int_equal(back.ends_s, NOW + 10);
	assert_string_equal(back.person, "minsu-kim");
	assert_memory_equal(back.address, l.address, sizeof(l.address));
	assert_int_equal(link_sign(&old_secret, &l, again), 0);
	assert_string_equal(text, again);
	assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), strlen(text));
}

static void test_extremes(void **state)
{
	struct signed_link l = sample(), back;
	char text[LINK_TEXT_BYTES];

	memset(l.person, 'x', LINK_PERSON_BYTES_MAX);
	l.person[LINK_PERSON_BYTES_MAX] = '\0';
	l.case_id = INT64_MAX;
	l.epoch = INT32_MAX;
	assert_int_equal(link_sign(&old_secret, &l, text), 0);
	assert_true(strlen(text) < LINK_TEXT_BYTES);
	assert_int_equal(link_open(&old_secret, LINK_CASE, text, NOW, &back), 0);
	assert_true(back.case_id == INT64_MAX);
	assert_int_equal(back.epoch, INT32_MAX);
	assert_string_equal(back.person, l.person);
	l.person[0] = '\0';
	l.case_id = 0;
	assert_int_equal(link_sign(&old_secret, &l, text), 0);
	assert_int_equal(link_open(&old_secret, LINK_CASE, text, NOW, &back), 0);
	assert_string_equal(back.person, "");
	assert_int_equal(link_sign(&(struct secret){0}, &l, text), -EINVAL);
	assert_int_equal(link_sign(NULL, &l, text), -EINVAL);
}

static void test_purpose_and_end(void **state)
{
	static const enum link_purpose purposes[] = {LINK_CASE, LINK_INBOX, LINK_SESSION, LINK_FORM};
	struct signed_link l = sample(), back;
	char text[LINK_TEXT_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(purposes); i++) {
		l.purpose = purposes[i];
		assert_int_equal(link_sign(&old_secret, &l, text), 0);
		for (size_t k = 0; k < ARRAY_SIZE(purposes); k++)
			assert_int_equal(link_open(&old_secret, purposes[k], text, NOW, &back), i == k ? 0 : -EBADMSG);
		assert_int_equal(link_open(&old_secret, l.purpose, text, NOW + 9, &back), 0);
		assert_int_equal(link_open(&old_secret, l.purpose, text, NOW + 10, &back), -ETIME);
		assert_string_equal(back.person, "minsu-kim");
	}
}

static void test_keys_change(void **state)
{
	struct signed_link l = sample(), back;
	char text[LINK_TEXT_BYTES];

	assert_int_equal(link_sign(&old_secret, &l, text), 0);
	assert_int_equal(link_open(&both_secret, LINK_CASE, text, NOW, &back), 0);
	assert_int_equal(link_open(&new_secret, LINK_CASE, text, NOW, &back), -EBADMSG);
	assert_int_equal(link_sign(&both_secret, &l, text), 0);
	assert_int_equal(link_open(&new_secret, LINK_CASE, text, NOW, &back), 0);
	assert_int_equal(link_open(&old_secret, LINK_CASE, text, NOW, &back), -EBADMSG);
	assert_int_equal(link_open(NULL, LINK_CASE, text, NOW, &back), -EBADMSG);
}

/* Every character replaced by every other, every shorter text, and some longer ones. */
static void test_tampered(void **state)
{
	static const char any[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ .%\x01\xff";
	struct signed_link l = sample(), back;
	char text[LINK_TEXT_BYTES], bad[2 * LINK_TEXT_BYTES];
	size_t n;

	assert_int_equal(link_sign(&old_secret, &l, text), 0);
	n = strlen(text);
	for (size_t i = 0; i < n; i++)
		for (const char *c = any; *c; c++) {
			if (*c == text[i])
				continue;
			strcpy(bad, text);
			bad[i] = *c;
			assert_int_equal(link_open(&old_secret, LINK_CASE, bad, NOW, &back), -EBADMSG);
		}
	for (size_t i = 0; i < n; i++) {
		strcpy(bad, text);
		bad[i] = '\0';
		assert_int_equal(link_open(&old_secret, LINK_CASE, bad, NOW, &back), -EBADMSG);
	}
	for (size_t i = 1; i < LINK_TEXT_BYTES; i++) {
		strcpy(bad, text);
		memset(bad + n, 'A', i);
		bad[n + i] = '\0';
		assert_int_equal(link_open(&old_secret, LINK_CASE, bad, NOW, &back), -EBADMSG);
	}
}

static void test_url(void **state)
{
	struct arena *a = arena_new(0);
	struct settings s = {.http = {.public_url = "https://feedback.example.com",
				      .link_ttl_s = 3600,
				      .link_key = (struct secret *)&old_secret}};
	const struct person p = {.id = "minsu-kim", .email = "Minsu.Kim@example.com"};
	const struct wall_time now = {NOW * US_PER_S};
	struct signed_link back, want = sample();
	const char *url = link_url(&s, &p, 812, 3, now, a);

	assert_memory_equal(url, "https://feedback.example.com/c/", 31);
	assert_int_equal(link_open(&old_secret, LINK_CASE, url + 31, NOW + 3599, &back), 0);
	assert_memory_equal(back.address, want.address, sizeof(back.address));
	assert_int_equal(link_open(&old_secret, LINK_CASE, url + 31, NOW + 3600, &back), -ETIME);
	url = link_url(&s, &p, 0, 0, now, a);
	assert_memory_equal(url, "https://feedback.example.com/i/", 31);
	assert_int_equal(link_open(&old_secret, LINK_INBOX, url + 31, NOW, &back), 0);
	s.http.public_url = NULL;
	assert_null(link_url(&s, &p, 812, 3, now, a));
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_there_and_back), cmocka_unit_test(test_extremes), cmocka_unit_test(test_purpose_and_end),
		cmocka_unit_test(test_keys_change),    cmocka_unit_test(test_tampered), cmocka_unit_test(test_url),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
