/*
 * Zone files into tables; see zone.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/zone.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DAY_S INT64_C(86400)
#define CYCLE_YEARS 400
#define CYCLE_DAYS 146097 /* of the Gregorian calendar: then days of the week repeat, too */
#define CYCLE_S (CYCLE_DAYS * DAY_S)
#define HEADER_BYTES 44
#define AT_MAX_S INT64_C(253402300800) /* the year 10000; what a file lists ends with 2037, or some decades later */
#define TYPES_MAX 256
#define OFFSET_MAX_S (26 * 3600)
#define RULE_TIME_MAX_S (167 * 3600)

static const int32_t no_offset;
const struct zone zone_utc = {"UTC", false, 0, NULL, &no_offset};

/* ---- the calendar ---- */

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Days from 1970-01-01 to January 1st. */
static int64_t days_to_year(int64_t year)
{
	int64_t y = year - 1; /* from year 1 on, all positive */

	return y * 365 + y / 4 - y / 100 + y / 400 - 719162;
}

static int64_t year_of(int64_t at_s)
{
	int64_t year = 1970 + at_s / (CYCLE_S / CYCLE_YEARS);

	while (days_to_year(year) * DAY_S > at_s)
		year--;
	while (days_to_year(year + 1) * DAY_S <= at_s)
		year++;
	return year;
}

/* 0 = Sunday */
static int weekday_of(int64_t days)
{
	return (int)(((days + 4) % 7 + 7) % 7);
}

static int days_before_month(int64_t year, int month)
{
	static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};

	return before[month - 1] + (month > 2 && is_leap(year));
}

/* ---- the rule in the last line: EST5EDT,M3.2.0,M11.1.0 ---- */

struct change { /* one of the two days of a year */
	enum { CHANGE_JULIAN, CHANGE_DAY, CHANGE_WEEKDAY } kind;
	int month, week, day;
	int32_t time_s; /* of that day, local time before the change */
};

struct last_line {
	int32_t standard, summer; /* offsets */
	bool changes;
	struct change start, end; /* of the summer time */
};

static bool take_int(const char **p, int most, int *ret)
{
	int n = 0;

	if (**p < '0' || **p > '9')
		return false;
	for (; **p >= '0' && **p <= '9'; ++*p)
		if ((n = n * 10 + (**p - '0')) > most)
			return false;
	*ret = n;
	return true;
}

/* "EST" or "<+03>" */
static bool take_name(const char **p)
{
	const char *start = *p;

	if (**p == '<') {
		*p += strcspn(*p, ">");
		return *(*p)++ == '>';
	}
	while ((**p >= 'A' && **p <= 'Z') || (**p >= 'a' && **p <= 'z'))
		++*p;
	return *p - start >= 3;
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(const char **p, int hours_most, int32_t *ret)
{
	static const int units[] = {3600, 60, 1};
	int sign = **p == '-' ? -1 : 1, n;

	*p += **p == '-' || **p == '+';
	*ret = 0;
	for (int i = 0; i < 3; i++) {
		if (i > 0 && *(*p)++ != ':') {
			--*p;
			break;
		}
		if (!take_int(p, i ? 59 : hours_most, &n))
			return false;
		*ret += n * units[i];
	}
	*ret *= sign;
	return true;
}

/* ,M3.2.0/2 · ,J60 · ,59/25 */
static bool take_change(const char **p, struct change *c)
{
	*c = (struct change){.kind = CHANGE_DAY, .time_s = 2 * 3600};
	if (*(*p)++ != ',')
		return false;
	if (**p == 'M') {
		c->kind = CHANGE_WEEKDAY;
		++*p;
		if (!take_int(p, 12, &c->month) || *(*p)++ != '.' || !take_int(p, 5, &c->week) || *(*p)++ != '.' ||
		    !take_int(p, 6, &c->day) || c->month == 0 || c->week == 0)
			return false;
	} else {
		if (**p == 'J')
			c->kind = CHANGE_JULIAN;
		*p += **p == 'J';
		if (!take_int(p, 365, &c->day) || (c->kind == CHANGE_JULIAN && c->day == 0))
			return false;
	}
	if (**p != '/')
		return true;
	++*p;
	return take_time(p, RULE_TIME_MAX_S / 3600, &c->time_s);
}

static bool last_line_parse(const char *p, struct last_line *ret)
{
	*ret = (struct last_line){0};
	if (!take_name(&p) || !take_time(&p, 24, &ret->standard))
		return false;
	ret->standard = -ret->standard; /* POSIX counts westwards */
	if (*p == '\0')
		return true;
	ret->changes = true;
	ret->summer = ret->standard + 3600;
	if (!take_name(&p))
		return false;
	if (*p != ',') {
		if (!take_time(&p, 24, &ret->summer))
			return false;
		ret->summer = -ret->summer;
	}
	return take_change(&p, &ret->start) && take_change(&p, &ret->end) && *p == '\0';
}

/* When it comes in a year, seconds since 1970 as if local time were UTC. */
static int64_t change_at(const struct change *c, int64_t year)
{
	int64_t first = days_to_year(year);
	int day = c->day, length;

	if (c->kind == CHANGE_JULIAN) { /* February 29th is never counted */
		day = c->day - 1 + (c->day > 59 && is_leap(year));
	} else if (c->kind == CHANGE_WEEKDAY) {
		int before = days_before_month(year, c->month);

		length = days_before_month(year, c->month + 1) - before;
		day = (c->day - weekday_of(first + before) + 7) % 7 + 7 * (c->week - 1);
		while (day >= length)
			day -= 7;
		day += before;
	}
	return (first + day) * DAY_S + c->time_s;
}

/* ---- the file ---- */

struct counts {
	uint32_t isutc, isstd, leap, time, type, character;
};

static uint32_t big32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static int64_t big64(const unsigned char *p)
{
	return (int64_t)((uint64_t)big32(p) << 32 | big32(p + 4));
}

static bool read_header(const unsigned char *p, size_t n, struct counts *ret)
{
	if (n < HEADER_BYTES || memcmp(p, "TZif", 4) != 0 || p[4] < '2')
		return false;
	*ret = (struct counts){big32(p + 20), big32(p + 24), big32(p + 28), big32(p + 32), big32(p + 36), big32(p + 40)};
	return ret->time <= ZONE_TRANSITIONS_MAX && ret->type > 0 && ret->type <= TYPES_MAX && ret->character <= 4096 &&
	       ret->leap == 0 && ret->isutc <= TYPES_MAX && ret->isstd <= TYPES_MAX;
}

static size_t block_bytes(const struct counts *c, size_t time_bytes)
{
	return c->time * (time_bytes + 1) + c->type * 6 + c->character + c->isstd + c->isutc;
}

/* Room for what the file has and for what its last line goes on with. */
static struct zone *table_new(const char *name, uint32_t n, struct arena *arena, int64_t **ret_at, int32_t **ret_offset)
{
	struct zone *z = arena_new_obj(arena, struct zone);
	size_t room = n + 2 * (CYCLE_YEARS + 2) + 1;

	z->name = arena_strdup(arena, name);
	z->at = *ret_at = arena_new_array(arena, int64_t, room);
	z->offset = *ret_offset = arena_new_array(arena, int32_t, room + 1);
	return z;
}

/* The years after the file's last transition. false: they don't come one after the other. */
static bool go_on(struct zone *z, const struct last_line *line, int64_t *at, int32_t *offset)
{
	int64_t last = z->n ? at[z->n - 1] : INT64_MIN;
	int64_t year = z->n && last > 0 ? year_of(last) : 1970;

	if (!line->changes) {
		offset[z->n] = line->standard;
		return true;
	}
	z->repeats = true;
	for (int i = 0; i <= CYCLE_YEARS; i++, year++) {
		struct {
			int64_t at;
			int32_t to;
		} both[2] = {{change_at(&line->start, year) - line->standard, line->summer},
			     {change_at(&line->end, year) - line->summer, line->standard}};
		bool southern = both[1].at < both[0].at;

		for (int k = 0; k < 2; k++) {
			int which = southern ? 1 - k : k;

			if (both[which].at <= last)
				continue;
			if (z->n && both[which].at < at[z->n - 1])
				return false;
			at[z->n++] = both[which].at;
			offset[z->n] = both[which].to;
		}
	}
	return true;
}

int zone_decode(const char *name, const char *bytes, size_t n, struct arena *arena, struct zone **ret)
{
	const unsigned char *p = (const unsigned char *)bytes, *end = p + n, *types, *kinds;
	struct last_line line;
	struct counts c;
	struct zone *z;
	int64_t *at;
	int32_t *offset;
	const char *footer;
	size_t length;

	/* The first block has 32 bits a time and is for old readers. */
	if (!read_header(p, n, &c) || (size_t)(end - p) < HEADER_BYTES + block_bytes(&c, 4))
		return -EINVAL;
	p += HEADER_BYTES + block_bytes(&c, 4);
	if (!read_header(p, (size_t)(end - p), &c) || (size_t)(end - p) < HEADER_BYTES + block_bytes(&c, 8) + 2)
		return -EINVAL;
	p += HEADER_BYTES;
	kinds = p + c.time * 8;
	types = kinds + c.time;
	z = table_new(name, c.time, arena, &at, &offset);
	offset[0] = (int32_t)big32(types);
	for (uint32_t i = 0; i < c.time; i++) {
		at[i] = big64(p + (size_t)i * 8);
		if (kinds[i] >= c.type || (i > 0 && at[i] <= at[i - 1]) || at[i] > AT_MAX_S)
			return -EINVAL;
		offset[i + 1] = (int32_t)big32(types + (size_t)kinds[i] * 6);
	}
	for (uint32_t i = 0; i <= c.time; i++)
		if (offset[i] > OFFSET_MAX_S || offset[i] < -OFFSET_MAX_S)
			return -EINVAL;
	z->n = (int)c.time;
	footer = (const char *)p + block_bytes(&c, 8);
	length = (size_t)((const char *)end - footer);
	if (length < 2 || footer[0] != '\n' || footer[length - 1] != '\n')
		return -EINVAL;
	if (length > 2 && !last_line_parse(arena_strndup(arena, footer + 1, length - 2), &line))
		return -EINVAL;
	if (length > 2 && !go_on(z, &line, at, offset))
		return -EINVAL;
	*ret = z;
	return 0;
}

/* ---- looking up ---- */

int32_t zone_offset(const struct zone *z, int64_t at_s)
{
	int from = 0, to = z->n;

	if (z->repeats && at_s > z->at[z->n - 1])
		at_s -= ((at_s - z->at[z->n - 1]) / CYCLE_S + 1) * CYCLE_S;
	while (from < to) {
		int middle = from + (to - from) / 2;

		if (z->at[middle] <= at_s)
			from = middle + 1;
		else
			to = middle;
	}
	return z->offset[from];
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

struct zone_clock zone_clock(const struct zone *z, struct wall_time t)
{
	int64_t utc_s = floor_div(t.us, US_PER_S), local_s = utc_s + zone_offset(z, utc_s);
	int64_t day = floor_div(local_s, DAY_S);
	int weekday = weekday_of(day);

	return (struct zone_clock){(int)((local_s - day * DAY_S) / 3600), weekday ? weekday : 7};
}
