/*
 * Which addresses a webhook may go to, judged as the resolver returns them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/policy.h"

#include <errno.h>
#include <netdb.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* As a URL's host would be resolved: 2130706433 and 0x7f.1 are addresses to the resolver. */
static bool allows(const struct policy *p, const char *host)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_STREAM}, *a;
	bool allowed;

	if (getaddrinfo(host, "443", &hints, &a) != 0)
		fail_msg("'%s' is no address", host);
	allowed = policy_allows(p, a->ai_addr);
	freeaddrinfo(a);
	return allowed;
}

static void test_private_is_refused(void **state)
{
	static const char *const refused[] = {
		"127.0.0.1",
		"127.8.8.8",
		"2130706433",
		"0x7f.1",
		"017700000001",
		"::ffff:127.0.0.1",
		"::1",
		"::",
		"0.0.0.0",
		"10.0.0.1",
		"10.255.255.255",
		"100.64.0.1",
		"100.127.255.255",
		"169.254.169.254",
		"172.16.0.1",
		"172.31.255.255",
		"192.0.0.8",
		"192.0.2.1",
		"192.88.99.1",
		"192.168.1.1",
		"198.18.0.1",
		"198.19.255.255",
		"198.51.100.7",
		"203.0.113.9",
		"224.0.0.1",
		"239.1.2.3",
		"240.0.0.1",
		"255.255.255.255",
		"::ffff:10.0.0.1",
		"::10.0.0.1",
		"64:ff9b::a00:1",
		"64:ff9b:1::1",
		"100::1",
		"2001:db8::1",
		"2002:a00:1::1",
		"3fff:fff::1",
		"5f00::1",
		"fc00::1",
		"fdff::1",
		"fe80::1",
		"febf::1",
		"fec0::1",
		"ff02::1",
	};
	struct policy p = {0};

	for (size_t i = 0; i < ARRAY_SIZE(refused); i++)
		if (allows(&p, refused[i]))
			fail_msg("%s was allowed", refused[i]);
}

static void test_public_is_allowed(void **state)
{
	static const char *const allowed[] = {"1.1.1.1",         "9.255.255.255",   "11.0.0.0",        "100.63.255.255",
					      "100.128.0.0",     "126.255.255.255", "128.0.0.1",       "169.253.1.1",
					      "172.15.255.255",  "172.32.0.0",      "192.167.255.255", "198.17.0.1",
					      "198.20.0.0",      "223.255.255.255", "::ffff:8.8.8.8",  "2606:4700::1111",
					      "2001:4860::8888", "3ffe::1",         "fb00::1"};
	struct policy p = {0};

	for (size_t i = 0; i < ARRAY_SIZE(allowed); i++)
		if (!allows(&p, allowed[i]))
			fail_msg("%s was refused", allowed[i]);
}

static void test_allow(void **state)
{
	struct cidr blocks[3];
	struct policy p = {.allow = blocks, .n_allow = 3};

	assert_int_equal(cidr_parse("10.1.2.3/8", &blocks[0]), 0);
	assert_int_equal(cidr_parse("fd00:1234::/29", &blocks[1]), 0);
	assert_int_equal(cidr_parse("192.168.7.7", &blocks[2]), 0);
	assert_true(allows(&p, "10.200.1.1"));
	assert_true(allows(&p, "::ffff:10.200.1.1"));
	assert_true(allows(&p, "fd00:1237:ffff::1"));
	assert_true(allows(&p, "192.168.7.7"));
	assert_false(allows(&p, "192.168.7.6"));
	assert_false(allows(&p, "fd00:123c::1"));
	assert_false(allows(&p, "127.0.0.1"));
}

/* ::/0 is every IPv6 address, and no IPv4 one in disguise. */
static void test_families_stay_apart(void **state)
{
	struct cidr block;
	struct policy p = {.allow = &block, .n_allow = 1};

	assert_int_equal(cidr_parse("::/0", &block), 0);
	assert_true(allows(&p, "fd00::1"));
	assert_false(allows(&p, "127.0.0.1"));
	assert_false(allows(&p, "::ffff:127.0.0.1"));
	assert_int_equal(cidr_parse("0.0.0.0/0", &block), 0);
	assert_true(allows(&p, "::ffff:127.0.0.1"));
	assert_false(allows(&p, "::1"));
	assert_int_equal(cidr_parse("::ffff:10.0.0.0/104", &block), 0);
	assert_true(allows(&p, "10.9.9.9"));
	assert_false(allows(&p, "127.0.0.1"));
}

static void test_loopback(void **state)
{
	struct policy p = {.loopback = true}, only = {.loopback_only = true};

	assert_true(allows(&p, "127.0.0.1"));
	assert_true(allows(&p, "::1"));
	assert_true(allows(&p, "8.8.8.8"));
	assert_false(allows(&p, "10.0.0.1"));
	assert_true(allows(&only, "127.0.0.1"));
	assert_false(allows(&only, "8.8.8.8"));
	assert_true(policy_is_loopback("localhost"));
	assert_true(policy_is_loopback("LocalHost"));
	assert_true(policy_is_loopback("127.0.0.1"));
	assert_true(policy_is_loopback("127.9.9.9"));
	assert_true(policy_is_loopback("[::1]"));
	assert_true(policy_is_loopback("[::ffff:127.0.0.1]"));
	assert_false(policy_is_loopback("2130706433"));
	assert_false(policy_is_loopback("localhost.example.com"));
	assert_false(policy_is_loopback("10.0.0.1"));
	assert_false(policy_is_loopback(""));
}

static void test_text(void **state)
{
	struct policy p = {0};

	assert_true(policy_allows_text(&p, "1.1.1.1"));
	assert_false(policy_allows_text(&p, "::ffff:127.0.0.1"));
	assert_false(policy_allows_text(&p, "example.com"));
	assert_false(policy_allows_text(&p, ""));
}

static void test_wrong_blocks(void **state)
{
	static const char *const wrong[] = {
		"",   "10.0.0.0/33", "10.0.0.0/",   "10.0.0.0/-1", "10.0.0/8",  "010.0.0.0/8", "::/129", "::ffff:0.0.0.0/95",
		"/8", "10.0.0.0/8 ", "10.0.0.0/8x", "localhost",   "fe80::1%lo"};
	struct cidr c;

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		if (cidr_parse(wrong[i], &c) != -EINVAL)
			fail_msg("'%s' was taken for a block", wrong[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_private_is_refused),
		cmocka_unit_test(test_public_is_allowed),
		cmocka_unit_test(test_allow),
		cmocka_unit_test(test_families_stay_apart),
		cmocka_unit_test(test_loopback),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_wrong_blocks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
