/*
 * Addresses that deliveries may go to; see policy.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <strings.h>

#define V4_PREFIX_BITS 96
#define V4(a, b, c, n)                                                                                                   \
	{                                                                                                                \
		.address = {[10] = 0xff, [11] = 0xff, [12] = (a), [13] = (b), [14] = (c)}, .bits = V4_PREFIX_BITS + (n), \
		.v4 = true                                                                                               \
	}
#define V6(n, ...)                                    \
	{                                             \
		.address = {__VA_ARGS__}, .bits = (n) \
	}

/* The special-purpose registries of IANA (RFC 6890 and later), what is not a public unicast address. */
static const struct cidr denied[] = {
	V4(0, 0, 0, 8),
	V4(10, 0, 0, 8),
	V4(100, 64, 0, 10),
	V4(127, 0, 0, 8),
	V4(169, 254, 0, 16),
	V4(172, 16, 0, 12),
	V4(192, 0, 0, 24),
	V4(192, 0, 2, 24),
	V4(192, 88, 99, 24),
	V4(192, 168, 0, 16),
	V4(198, 18, 0, 15),
	V4(198, 51, 100, 24),
	V4(203, 0, 113, 24),
	V4(224, 0, 0, 4),
	V4(240, 0, 0, 4),
	V6(96, 0),
	V6(96, 0x00, 0x64, 0xff, 0x9b),
	V6(48, 0x00, 0x64, 0xff, 0x9b, 0x00, 0x01),
	V6(64, 0x01, 0x00),
	V6(32, 0x20, 0x01, 0x0d, 0xb8),
	V6(16, 0x20, 0x02),
	V6(20, 0x3f, 0xff),
	V6(16, 0x5f, 0x00),
	V6(7, 0xfc),
	V6(10, 0xfe, 0x80),
	V6(10, 0xfe, 0xc0),
	V6(8, 0xff),
};

static const struct cidr loopback_blocks[] = {V4(127, 0, 0, 8), V6(128, [15] = 1)};

static bool policy_judge(const struct policy *p, const struct address *a)
{
	bool loopback = cidr_any_holds(loopback_blocks, ARRAY_SIZE(loopback_blocks), a);

	if (p->loopback_only)
		return loopback;
	if (loopback && p->loopback)
		return true;
	if (cidr_any_holds(p->allow, (size_t)p->n_allow, a))
		return true;
	return !cidr_any_holds(denied, ARRAY_SIZE(denied), a);
}

bool policy_allows(const struct policy *p, const struct sockaddr *address)
{
	struct address a;

	return address_of_socket(address, &a) && policy_judge(p, &a);
}

bool policy_allows_text(const struct policy *p, const char *text)
{
	struct address a;

	return address_of_text(text, &a) && policy_judge(p, &a);
}

bool policy_is_loopback(const char *host)
{
	char bare[INET6_ADDRSTRLEN];
	size_t n = strlen(host);
	struct address a;

	if (strcasecmp(host, "localhost") == 0)
		return true;
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host++;
		n -= 2;
	}
	if (n >= sizeof(bare))
		return false;
	memcpy(bare, host, n);
	bare[n] = '\0';
	return address_of_text(bare, &a) && cidr_any_holds(loopback_blocks, ARRAY_SIZE(loopback_blocks), &a);
}
