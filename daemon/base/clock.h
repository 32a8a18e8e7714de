/*
 * Two kinds of time that cannot be mixed.
 *
 * wall_time: microseconds since 1970-01-01 UTC. Promises and everything stored use the wall time
 * of PostgreSQL; the local wall clock only stamps logs and webhook attempts.
 * mono_time: microseconds of CLOCK_MONOTONIC, for durations inside this process.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/util.h"

#define US_PER_MS INT64_C(1000)
#define US_PER_S INT64_C(1000000)
#define WALL_NONE ((struct wall_time){INT64_MIN})

struct wall_time {
	int64_t us; /* INT64_MIN: no time (SQL null) */
};

struct mono_time {
	int64_t us;
};

/* A wall time seen in a person's zone, made by PostgreSQL (it has the zone database). */
struct local_time {
	int16_t year;
	int8_t month;       /* 1..12 */
	int8_t day;         /* 1..31 */
	int8_t hour;        /* 0..23 */
	int8_t minute;      /* 0..59 */
	int8_t weekday;     /* 1 = Monday .. 7 = Sunday (ISO 8601) */
	int32_t day_offset; /* calendar days from today in that zone: 0 today, 1 tomorrow, -1 yesterday */
	bool set;
};

struct wall_time wall_now(void);
struct mono_time mono_now(void);
/* Microseconds until then, 0 if it is over. */
int64_t mono_until_us(struct mono_time then);
static inline bool wall_is_set(struct wall_time t)
{
	return t.us != INT64_MIN;
}

#define WALL_TEXT_BYTES 32
/* RFC 3339 in UTC, "2026-11-22T02:18:15.123456Z" (no fraction when it is zero); "" for WALL_NONE. */
const char *wall_text(struct wall_time t, char text[WALL_TEXT_BYTES]);
bool day_exists(int year, int month, int day);
/* RFC 3339 with a zone ("Z" or "+09:00"; also "+0900", "+09", and without seconds); -EINVAL when it is none. */
int wall_parse(const char *text, struct wall_time *ret);
/* The same, or a day alone: as it begins in UTC. So attributes of the type time are read. */
int wall_parse_or_day(const char *text, struct wall_time *ret);

#endif
