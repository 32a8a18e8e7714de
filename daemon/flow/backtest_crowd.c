/*
 * Ids that many share: how many responses of an id lie in the last 24 hours; see backtest_inner.h.
 *
 * Two structures that grow only with the busiest day: what came in, in order, to take it out again a day later; and a table of counts. A million
 * responses of one day take 16 MiB, so keys have 32 bits here: should two ids have the same, both would have to give dozens of
 * answers a day for anybody to notice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK 4096
#define SLOTS_FIRST 1024

/* Arrivals within 71 minutes of the first. */
struct chunk {
	struct chunk *next;
	int64_t base_us;
	int from, n;
	uint32_t keys[CHUNK];
	uint32_t after_us[CHUNK];
};

struct slot {
	uint32_t tag,
		count; /* tag 0: free. One that counts nothing any more stays, as a step to others, until all are set anew */
};

struct crowd {
	struct chunk *first, *last, *spare;
	struct slot *slots;
	size_t room, n; /* n: slots that aren't free */
};

struct crowd *crowd_new(void)
{
	struct crowd *c = xcalloc(1, sizeof(*c));

	c->room = SLOTS_FIRST;
	c->slots = xcalloc(c->room, sizeof(*c->slots));
	return c;
}

struct crowd *crowd_free(struct crowd *c)
{
	if (c) {
		for (struct chunk *k = c->first, *next; k; k = next) {
			next = k->next;
			free(k);
		}
		free(c->spare);
		free(c->slots);
		free(c);
	}
	return NULL;
}

static size_t home_of(const struct crowd *c, uint32_t key)
{
	return (size_t)key & (c->room - 1);
}

/* With its place in the table this is nearly the whole key. */
static uint16_t tag_of(uint32_t key)
{
	return (uint16_t)(key >> 16 | 1);
}

/* Of the key, or the free one where it belongs. */
static struct slot *find_slot(const struct crowd *c, uint32_t key)
{
	size_t i = home_of(c, key);
	uint16_t tag = tag_of(key);

	while (c->slots[i].tag && c->slots[i].tag != tag)
		i = (i + 1) & (c->room - 1);
	return &c->slots[i];
}

/* From what has come in: a slot alone doesn't know its key. */
static void rebuild(struct crowd *c, size_t room)
{
	free(c->slots);
	c->room = room;
	c->slots = xcalloc(room, sizeof(*c->slots));
	c->n = 0;
	for (const struct chunk *k = c->first; k; k = k->next)
		for (int i = k->from; i < k->n; i++) {
			struct slot *slot = find_slot(c, k->keys[i]);

			c->n += slot->tag == 0;
			slot->tag = tag_of(k->keys[i]);
			slot->count += slot->count < UINT16_MAX;
		}
}

static void forget_chunk(struct crowd *c)
{
	struct chunk *k = c->first;

	c->first = k->next;
	if (!c->first)
		c->last = NULL;
	free(c->spare);
	c->spare = k;
}

static void take_out(struct crowd *c, uint32_t key)
{
	struct slot *slot = find_slot(c, key);

	slot->count -= slot->count > 0;
}

static void forget_before(struct crowd *c, int64_t us)
{
	while (c->first) {
		struct chunk *k = c->first;

		for (; k->from < k->n && k->base_us + k->after_us[k->from] < us; k->from++)
			take_out(c, k->keys[k->from]);
		if (k->from < k->n)
			return;
		forget_chunk(c);
	}
}

static struct chunk *chunk_for(struct crowd *c, int64_t at_us)
{
	struct chunk *k = c->last;

	if (k && k->n < CHUNK && at_us - k->base_us <= UINT32_MAX)
		return k;
	k = c->spare ? TAKE(c->spare) : xcalloc(1, sizeof(*k));
	k->next = NULL;
	k->base_us = at_us;
	k->from = k->n = 0;
	if (c->last)
		c->last->next = k;
	else
		c->first = k;
	c->last = k;
	return k;
}

static size_t counting(const struct crowd *c)
{
	size_t n = 0;

	for (size_t i = 0; i < c->room; i++)
		n += c->slots[i].count > 0;
	return n;
}

uint32_t crowd_add(struct crowd *c, uint64_t whole_key, int64_t at_us)
{
	uint32_t key = (uint32_t)(whole_key * UINT64_C(0x9e3779b97f4a7c15) >> 32);
	struct chunk *k;
	struct slot *slot;

	forget_before(c, at_us - CROWD_US);
	if (c->n >= c->room / 4 * 3)
		rebuild(c, counting(c) >= c->room / 2 ? c->room * 2 : c->room);
	k = chunk_for(c, at_us);
	k->keys[k->n] = key;
	k->after_us[k->n++] = (uint32_t)(at_us - k->base_us);
	slot = find_slot(c, key);
	c->n += slot->tag == 0;
	slot->tag = tag_of(key);
	slot->count += slot->count < UINT16_MAX;
	return slot->count;
}
