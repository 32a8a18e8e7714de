/*
 * Addresses that deliveries may go to; see policy.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/policy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
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

struct address {
	uint8_t b[16];
	bool v4;
};

static void address_from_v4(struct address *a, const void *bytes)
{
	memset(a->b, 0, sizeof(a->b));
	a->b[10] = 0xff;
	a->b[11] = 0xff;
	memcpy(a->b + 12, bytes, 4);
	a->v4 = true;
}

static void address_from_v6(struct address *a, const void *bytes)
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	memcpy(a->b, bytes, sizeof(a->b));
	a->v4 = memcmp(a->b, mapped, sizeof(mapped)) == 0;
}

static bool address_from_text(struct address *a, const char *text)
{
	uint8_t bytes[16];

	if (inet_pton(AF_INET, text, bytes) == 1)
		address_from_v4(a, bytes);
	else if (inet_pton(AF_INET6, text, bytes) == 1)
		address_from_v6(a, bytes);
	else
		return false;
	return true;
}

/* ::/96 and an IPv4 address in its mapped form never meet: their families differ. */
static bool cidr_holds(const struct cidr *c, const struct address *a)
{
	int whole = c->bits / 8, rest = c->bits % 8;

	if (c->v4 != a->v4 || memcmp(c->address, a->b, (size_t)whole) != 0)
		return false;
	return rest == 0 || (c->address[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

static bool any_holds(const struct cidr *blocks, size_t n, const struct address *a)
{
	for (size_t i = 0; i < n; i++)
		if (cidr_holds(&blocks[i], a))
			return true;
	return false;
}

int cidr_parse(const char *text, struct cidr *ret)
{
	char host[INET6_ADDRSTRLEN];
	const char *slash = strchr(text, '/');
	size_t n = slash ? (size_t)(slash - text) : strlen(text);
	struct address a;
	long most, bits;
	char *end;

	if (n == 0 || n >= sizeof(host))
		return -EINVAL;
	memcpy(host, text, n);
	host[n] = '\0';
	if (!address_from_text(&a, host))
		return -EINVAL;
	/* A block written as ::ffff:a.b.c.d/120 counts its bits from the start of the IPv6 address already. */
	most = strchr(host, ':') ? 128 : 32;
	bits = most;
	if (slash) {
		if (slash[1] < '0' || slash[1] > '9')
			return -EINVAL;
		bits = strtol(slash + 1, &end, 10);
		if (*end || bits > most)
			return -EINVAL;
	}
	if (a.v4 && most == 32)
		bits += V4_PREFIX_BITS;
	else if (a.v4 && bits < V4_PREFIX_BITS)
		return -EINVAL;
	memcpy(ret->address, a.b, sizeof(ret->address));
	ret->bits = (int)bits;
	ret->v4 = a.v4;
	return 0;
}

static bool policy_judge(const struct policy *p, const struct address *a)
{
	bool loopback = any_holds(loopback_blocks, ARRAY_SIZE(loopback_blocks), a);

	if (p->loopback_only)
		return loopback;
	if (loopback && p->loopback)
		return true;
	if (any_holds(p->allow, (size_t)p->n_allow, a))
		return true;
	return !any_holds(denied, ARRAY_SIZE(denied), a);
}

bool policy_allows(const struct policy *p, const struct sockaddr *address)
{
	struct address a;

	if (address->sa_family == AF_INET)
		address_from_v4(&a, &((const struct sockaddr_in *)(const void *)address)->sin_addr);
	else if (address->sa_family == AF_INET6)
		address_from_v6(&a, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr);
	else
		return false;
	return policy_judge(p, &a);
}

bool policy_allows_text(const struct policy *p, const char *text)
{
	struct address a;

	return address_from_text(&a, text) && policy_judge(p, &a);
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
	return address_from_text(&a, bare) && any_holds(loopback_blocks, ARRAY_SIZE(loopback_blocks), &a);
}
