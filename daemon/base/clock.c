/*
 * Clocks and RFC 3339; see clock.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define S_PER_DAY INT64_C(86400)
#define US_PER_DAY (S_PER_DAY * US_PER_S)

static int64_t clock_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

struct wall_time wall_now(void)
{
	return (struct wall_time){clock_us(CLOCK_REALTIME)};
}

struct mono_time mono_now(void)
{
	return (struct mono_time){clock_us(CLOCK_MONOTONIC)};
}

int64_t mono_until_us(struct mono_time then)
{
	int64_t us = then.us - mono_now().us;

	return MAX(us, 0);
}

/* A webhook has half a dozen times: strftime and snprintf were a tenth of what it costs to make one. */
static char *put_digits(char *at, int value, int n, char after)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	at[n] = after;
	return at + n + 1;
}

#define DATE_BYTES 11 /* "2026-11-22T" */
#define RECENT_DAYS 8

struct day {
	int64_t number;        /* since 1970 */
	char date[DATE_BYTES]; /* "": not used yet */
};

/* The times of a batch are of a few days: gmtime_r was half of the rest. NULL: not between the years 0 and 9999. */
static const char *date_of(int64_t number)
{
	static _Thread_local struct day recent[RECENT_DAYS];
	struct day *d = &recent[(uint64_t)number % RECENT_DAYS];
	time_t seconds = (time_t)(number * S_PER_DAY);
	char *at = d->date;
	struct tm tm;

	if (d->number == number && d->date[0])
		return d->date;
	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
		return NULL;
	d->number = number;
	at = put_digits(at, tm.tm_year + 1900, 4, '-');
	at = put_digits(at, tm.tm_mon + 1, 2, '-');
	put_digits(at, tm.tm_mday, 2, 'T');
	return d->date;
}

const char *wall_text(struct wall_time t, char text[WALL_TEXT_BYTES])
{
	int64_t day = t.us / US_PER_DAY, of_day = t.us % US_PER_DAY;
	const char *date;
	char *at = text;
	int second;

	text[0] = '\0';
	if (of_day < 0) {
		of_day += US_PER_DAY;
		day--;
	}
	date = wall_is_set(t) ? date_of(day) : NULL;
	if (!date)
		return text;
	memcpy(at, date, DATE_BYTES);
	second = (int)(of_day / US_PER_S);
	at = put_digits(at + DATE_BYTES, second / 3600, 2, ':');
	at = put_digits(at, second / 60 % 60, 2, ':');
	at = put_digits(at, second % 60, 2, of_day % US_PER_S ? '.' : 'Z');
	if (of_day % US_PER_S)
		at = put_digits(at, (int)(of_day % US_PER_S), 6, 'Z');
	*at = '\0';
	return text;
}

bool day_exists(int year, int month, int day)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return year >= 0 && month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (month == 2 && leap);
}

/* "Z", "+09:00", "+0900", "+09": nothing may follow. */
static int parse_offset(const char *text, int64_t *ret_s)
{
	int hours, minutes = 0, used = 0, more = 0;
	char sign;

	*ret_s = 0;
	if (strcmp(text, "Z") == 0 || strcmp(text, "z") == 0)
		return 0;
	if (sscanf(text, "%c%2d%n", &sign, &hours, &used) != 2 || (sign != '+' && sign != '-') || used != 3)
		return -EINVAL;
	text += used;
	if (*text && (sscanf(text, *text == ':' ? ":%2d%n" : "%2d%n", &minutes, &more) != 1 || text[more]))
		return -EINVAL;
	*ret_s = (sign == '-' ? -1 : 1) * (hours * INT64_C(3600) + minutes * 60);
	return 0;
}

int wall_parse(const char *text, struct wall_time *ret)
{
	int64_t fraction = 0, scale = US_PER_S / 10, offset;
	int used = 0, more = 0;
	struct tm tm = {0};

	if (sscanf(text, "%4d-%2d-%2d%*[Tt ]%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min, &used) !=
	    5)
		return -EINVAL;
	text += used;
	if (*text == ':') {
		if (sscanf(text, ":%2d%n", &tm.tm_sec, &more) != 1)
			return -EINVAL;
		text += more;
		if (*text == '.')
			for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
				fraction += (*text - '0') * scale;
	}
	if (!day_exists(tm.tm_year, tm.tm_mon, tm.tm_mday) || tm.tm_hour < 0 || tm.tm_hour > 23 || tm.tm_min < 0 ||
	    tm.tm_min > 59 || tm.tm_sec < 0 || tm.tm_sec > 60 || parse_offset(text, &offset) < 0)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	ret->us = ((int64_t)timegm(&tm) - offset) * US_PER_S + fraction;
	return 0;
}

int wall_parse_or_day(const char *text, struct wall_time *ret)
{
	char day[] = "YYYY-MM-DDT00:00Z";

	if (strlen(text) != 10)
		return wall_parse(text, ret);
	memcpy(day, text, 10);
	return wall_parse(day, ret);
}
