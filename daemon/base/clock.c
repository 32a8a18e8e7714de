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

/* A webhook has half a dozen times: strftime and snprintf were a tenth of what it costs to make one. */
static char *put_digits(char *at, int value, int n, char after)
{
	for (int i = n - 1; i >= 0; i--, value /= 10)
		at[i] = (char)('0' + value % 10);
	at[n] = after;
	return at + n + 1;
}

const char *wall_text(struct wall_time t, char text[WALL_TEXT_BYTES])
{
	int64_t fraction;
	char *at = text;
	time_t seconds;
	struct tm tm;

	text[0] = '\0';
	if (!wall_is_set(t))
		return text;
	fraction = t.us % US_PER_S;
	if (fraction < 0)
		fraction += US_PER_S;
	seconds = (time_t)((t.us - fraction) / US_PER_S);
	if (!gmtime_r(&seconds, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
		return text;
	at = put_digits(at, tm.tm_year + 1900, 4, '-');
	at = put_digits(at, tm.tm_mon + 1, 2, '-');
	at = put_digits(at, tm.tm_mday, 2, 'T');
	at = put_digits(at, tm.tm_hour, 2, ':');
	at = put_digits(at, tm.tm_min, 2, ':');
	at = put_digits(at, tm.tm_sec, 2, fraction ? '.' : 'Z');
	if (fraction)
		at = put_digits(at, (int)fraction, 6, 'Z');
	*at = '\0';
	return text;
}

int wall_parse(const char *text, struct wall_time *ret)
{
	int64_t fraction = 0, scale = US_PER_S / 10, offset = 0;
	int used = 0, hours, minutes;
	struct tm tm = {0};
	char sign;

	if (sscanf(text, "%4d-%2d-%2d%*[Tt ]%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
		   &tm.tm_sec, &used) != 6)
		return -EINVAL;
	text += used;
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
	    tm.tm_sec > 60)
		return -EINVAL;
	if (*text == '.')
		for (text++; *text >= '0' && *text <= '9'; text++, scale /= 10)
			fraction += (*text - '0') * scale;
	if (sscanf(text, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) == 3 && (sign == '+' || sign == '-') && !text[used])
		offset = (sign == '-' ? -1 : 1) * (hours * INT64_C(3600) + minutes * 60);
	else if (strcmp(text, "Z") != 0 && strcmp(text, "z") != 0)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	ret->us = ((int64_t)timegm(&tm) - offset) * US_PER_S + fraction;
	return 0;
}
