/*
 * IP addresses and blocks of them, as bytes.
 *
 * Both families are kept in one form: an IPv4 address as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), with a mark.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/util.h"

#include <sys/socket.h>

struct address {
	uint8_t b[16];
	bool v4;
};

/* false: neither IPv4 nor IPv6. */
bool address_of_socket(const struct sockaddr *from, struct address *ret);
/* A numeric address; false for anything else. */
bool address_of_text(const char *text, struct address *ret);

/* An IPv4 block counts its bits from the start of the mapped form (96 more). */
struct cidr {
	uint8_t address[16];
	int bits;
	bool v4;
};

/* "10.0.0.0/8", "fd00::/8", or one address; bits of the host part are ignored. -EINVAL for anything else. */
int cidr_parse(const char *text, struct cidr *ret);
/* ::/96 and an IPv4 address in its mapped form never meet: their families differ. */
bool cidr_holds(const struct cidr *c, const struct address *a);
bool cidr_any_holds(const struct cidr *blocks, size_t n, const struct address *a);

#endif
