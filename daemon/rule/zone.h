/*
 * A time zone in memory: which hour and day of the week a moment is there.
 *
 * Made once, when rules are loaded, from a file of the system's zone database (TZif, RFC 8536); the reading of the file is
 * the caller's. What the file has only as a rule for the years to come is spelled out over one cycle of the
 * calendar, 400 years, after which everything repeats. So a look-up is a search in a table: no lock, no I/O.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_ZONE_H
#define RULE_ZONE_H

#include "base/arena.h"
#include "base/clock.h"

#define ZONE_TRANSITIONS_MAX 4000 /* in a file; the largest have some 250 */

struct zone {
	const char *name;
	bool repeats; /* the last 400 years of the table, for ever */
	int n;
	const int64_t *at;     /* seconds since 1970: from here on … */
	const int32_t *offset; /* … local time is UTC and this many seconds; one more, in front, for all before */
};

/* UTC, which needs no file. */
extern const struct zone zone_utc;

/*
 * zone_decode() - the bytes of a TZif file, version 2 or later
 * Lives in the arena. Return: 0, or -EINVAL when it is no such file (also one with leap seconds, which PostgreSQL refuses, too).
 */
int zone_decode(const char *name, const char *bytes, size_t n, struct arena *arena, struct zone **ret);

/* Seconds to add to UTC. */
int32_t zone_offset(const struct zone *z, int64_t at_s);

struct zone_clock {
	int hour;    /* 0..23 */
	int weekday; /* 1 = Monday … 7 = Sunday (ISO 8601) */
};
struct zone_clock zone_clock(const struct zone *z, struct wall_time t);

#endif
