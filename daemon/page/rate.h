/*
 * How often one address may ask: token buckets in a table of fixed size. Pure.
 *
 * An IPv4 address has a bucket of its own, IPv6 addresses share that of their /64. When two meet at one place the one
 * that asked longer ago is forgotten: a guesser with many addresses gains little, and memory never grows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_RATE_H
#define PAGE_RATE_H

#include "base/cidr.h"
#include "base/clock.h"

#define RATE_PLACES 1024

struct rate_bucket {
	uint8_t key[16];
	int64_t full_at_us; /* when it would be full again; it is empty when that is a whole bucket away */
};
struct rate {
	int64_t each_us; /* one more token each */
	int most;        /* in a full bucket */
	uint32_t salt;   /* of the places */
	struct rate_bucket *buckets;
};

void rate_init(struct rate *r, int64_t each_us, int most, uint32_t salt);
void rate_fini(struct rate *r);
/* Takes a token; false: there is none, come back later. */
bool rate_take(struct rate *r, const struct address *from, struct mono_time now);
/* Is there one? Takes none. */
bool rate_has(const struct rate *r, const struct address *from, struct mono_time now);

#endif
