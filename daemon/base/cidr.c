/*
 * Addresses and blocks; see cidr.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/cidr.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define V4_PREFIX_BITS 96

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

bool address_of_socket(const struct sockaddr *from, struct address *ret)
{
	if (from->sa_family == AF_INET)
		address_from_v4(ret, &((const struct sockaddr_in *)(const void *)from)->sin_addr);
	else if (from->sa_family == AF_INET6)
		address_from_v6(ret, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr);
	else
		return false;
	return true;
}

bool address_of_text(const char *text, struct address *a)
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

bool cidr_holds(const struct cidr *c, const struct address *a)
{
	int whole = c->bits / 8, rest = c->bits % 8;

	if (c->v4 != a->v4 || memcmp(c->address, a->b, (size_t)whole) != 0)
		return false;
	return rest == 0 || (c->address[whole] ^ a->b[whole]) >> (8 - rest) == 0;
}

bool cidr_any_holds(const struct cidr *blocks, size_t n, const struct address *a)
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
	if (!address_of_text(host, &a))
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
