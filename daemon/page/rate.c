/*
 * Token buckets; see rate.h. A bucket is one number, the time at which it would be full (GCRA).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/rate.h"

#include <stdlib.h>
#include <string.h>

#define NETWORK_BYTES 8 /* of an IPv6 address */

void rate_init(struct rate *r, int64_t each_us, int most, uint32_t salt)
{
	*r = (struct rate){.each_us = each_us, .most = most, .salt = salt};
	r->buckets = xcalloc(RATE_PLACES, sizeof(*r->buckets));
}

void rate_fini(struct rate *r)
{
	free(r->buckets);
	r->buckets = NULL;
}

static void key_of(const struct address *from, uint8_t key[16])
{
	memset(key, 0, 16);
	memcpy(key, from->b, from->v4 ? 16 : NETWORK_BYTES);
}

static struct rate_bucket *bucket_of(const struct rate *r, const uint8_t key[16])
{
	uint32_t h = 2166136261u ^ r->salt; /* FNV-1a */

	for (int i = 0; i < 16; i++)
		h = (h ^ key[i]) * 16777619u;
	return &r->buckets[(h ^ h >> 16) % RATE_PLACES];
}

static int64_t full_at(const struct rate_bucket *b, const uint8_t key[16], struct mono_time now)
{
	return memcmp(b->key, key, 16) == 0 ? MAX(b->full_at_us, now.us) : now.us;
}

bool rate_has(const struct rate *r, const struct address *from, struct mono_time now)
{
	uint8_t key[16];

	key_of(from, key);
	return full_at(bucket_of(r, key), key, now) + r->each_us - now.us <= r->each_us * r->most;
}

bool rate_take(struct rate *r, const struct address *from, struct mono_time now)
{
	struct rate_bucket *b;
	uint8_t key[16];
	int64_t full;

	key_of(from, key);
	b = bucket_of(r, key);
	full = full_at(b, key, now) + r->each_us;
	if (full - now.us > r->each_us * r->most)
		return false;
	memcpy(b->key, key, 16);
	b->full_at_us = full;
	return true;
}
