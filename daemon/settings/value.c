/*
 * Times, hours, dates and ids; see value.h. Addresses and URLs are in address.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/value.h"

#include "base/diag.h"
#include "settings/source.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#define ID_BYTES_MAX 63
#define ZONE_BYTES_MAX 64
#define ZONE_TABLE_BYTES_MAX (256 * 1024)
#define ZONE_FILE_BYTES_MAX (64 * 1024)
#define ZONES_MAX 1000
#define DAY_MINUTES (24 * 60)
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define DIGITS "0123456789"

bool id_valid(const char *id)
{
	size_t n = strlen(id);

	return n > 0 && n <= ID_BYTES_MAX && strchr(LETTERS, id[0]) && strspn(id, LETTERS DIGITS "_-") == n;
}

static int64_t unit_seconds(char unit)
{
	switch (unit) {
	case 's': return 1;
	case 'm': return 60;
	case 'h': return 3600;
	case 'd': return 86400;
	case 'w': return 7 * 86400;
	default: return 0;
	}
}

int promise_parse(const char *text, struct promise *ret)
{
	size_t digits = strspn(text, DIGITS);

	*ret = (struct promise){DURATION_NONE, 's'};
	if (text[0] == '\0')
		return 0;
	/* Nine digits of weeks are far below what 64 bits hold. */
	if (digits == 0 || digits > 9 || unit_seconds(text[digits]) == 0 || text[digits + 1] != '\0')
		return -EINVAL;
	*ret = (struct promise){strtoll(text, NULL, 10), text[digits]};
	return 0;
}

int64_t promise_seconds(const struct promise *p)
{
	return p->amount < 0 ? DURATION_NONE : p->amount * unit_seconds(p->unit);
}

int duration_parse(const char *text, int64_t *ret_s)
{
	struct promise p;
	int r = promise_parse(text, &p);

	if (r < 0)
		return r;
	*ret_s = promise_seconds(&p);
	return 0;
}

/* n digits, not more, not fewer. */
static bool digits_take(const char **at, int n, int *ret)
{
	*ret = 0;
	for (int i = 0; i < n; i++, (*at)++) {
		if (**at < '0' || **at > '9')
			return false;
		*ret = *ret * 10 + (**at - '0');
	}
	return true;
}

static bool time_take(const char **at, int most, int *ret_minute)
{
	int hour, minute;

	if (!digits_take(at, 2, &hour) || *(*at)++ != ':' || !digits_take(at, 2, &minute))
		return false;
	*ret_minute = hour * 60 + minute;
	return minute < 60 && *ret_minute <= most;
}

int time_of_day_parse(const char *text, int *ret_minute)
{
	int minute;

	if (!time_take(&text, DAY_MINUTES, &minute) || *text)
		return -EINVAL;
	*ret_minute = minute;
	return 0;
}

int quiet_hours_parse(const char *text, int *ret_from, int *ret_to)
{
	int from, to;

	if (!time_take(&text, DAY_MINUTES, &from) || *text++ != '-' || !time_take(&text, DAY_MINUTES, &to) || *text)
		return -EINVAL;
	if (from == to || from == DAY_MINUTES)
		return -EINVAL;
	*ret_from = from;
	*ret_to = to % DAY_MINUTES;
	return 0;
}

static bool day_take(const char **at, int *ret)
{
	static const char days[7][4] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};

	for (int i = 0; i < 7; i++)
		if (strncasecmp(*at, days[i], 3) == 0) {
			*at += 3;
			*ret = i + 1;
			return true;
		}
	return false;
}

int hours_parse(const char *text, struct hours ret[2], int *ret_n)
{
	int first, last, from, to;

	if (!day_take(&text, &first))
		return -EINVAL;
	last = first;
	if (*text == '-') {
		text++;
		if (!day_take(&text, &last))
			return -EINVAL;
	}
	if (*text != ' ')
		return -EINVAL;
	text += strspn(text, " ");
	if (!time_take(&text, DAY_MINUTES, &from) || *text++ != '-' || !time_take(&text, 2 * DAY_MINUTES, &to) || *text)
		return -EINVAL;
	if (from == to || from == DAY_MINUTES)
		return -EINVAL;
	if (to < from)
		to += DAY_MINUTES;
	ret[0] = (struct hours){first, last, from, to};
	*ret_n = 1;
	if (first > last) {
		ret[0] = (struct hours){first, 7, from, to};
		ret[1] = (struct hours){1, last, from, to};
		*ret_n = 2;
	}
	return 0;
}

int date_parse(const char *text)
{
	static const int lengths[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	int year, month, day;

	if (!digits_take(&text, 4, &year) || *text++ != '-' || !digits_take(&text, 2, &month) || *text++ != '-' ||
	    !digits_take(&text, 2, &day) || *text)
		return -EINVAL;
	if (year < 1900 || month < 1 || month > 12 || day < 1 || day > lengths[month - 1])
		return -EINVAL;
	if (month == 2 && day == 29 && (year % 4 || (year % 100 == 0 && year % 400)))
		return -EINVAL;
	return 0;
}

int timezone_check(const char *name)
{
	char path[sizeof(ZONE_FOLDER) + 1 + ZONE_BYTES_MAX] = ZONE_FOLDER;
	size_t n = strlen(name);
	struct stat st;

	if (n == 0 || n > ZONE_BYTES_MAX || !strchr(LETTERS, name[0]) || strspn(name, LETTERS DIGITS "_+-/") != n ||
	    name[n - 1] == '/' || strstr(name, "//"))
		return -EINVAL;
	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return 0; /* PostgreSQL has its own zones and is the judge in the end */
	strcat(path, "/");
	strcat(path, name);
	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && strchr(name, '.') == NULL ? 0 : -EINVAL;
}

static int zone_file_read(const char *name, struct arena *arena, const char **ret, size_t *ret_bytes)
{
	char *bytes CLEANUP(freep) = NULL;
	struct stat st;

	if (stat(ZONE_FOLDER, &st) < 0)
		return -ENOTDIR;
	if (timezone_check(name) < 0)
		return -ENOENT;
	if (file_slurp(arena, arena_printf(arena, "%s/%s", ZONE_FOLDER, name), ZONE_FILE_BYTES_MAX, &bytes, ret_bytes))
		return -EIO;
	*ret = arena_memdup(arena, bytes, *ret_bytes);
	return 0;
}

const char *timezone_nearest(const char *name, struct arena *arena)
{
	const char **names = arena_new_array(arena, const char *, ZONES_MAX);
	char *table CLEANUP(freep) = NULL;
	char *rest, *more = NULL;
	size_t bytes;
	int n = 0;

	/* Lines of "KR\t+3733+12658\tAsia/Seoul[\t…]". */
	if (file_slurp(arena, ZONE_FOLDER "/zone.tab", ZONE_TABLE_BYTES_MAX, &table, &bytes))
		return NULL;
	for (char *line = strtok_r(table, "\n", &rest); line && n < ZONES_MAX; line = strtok_r(NULL, "\n", &rest)) {
		char *field = line[0] == '#' ? NULL : strtok_r(line, "\t", &more);

		for (int i = 0; i < 2 && field; i++)
			field = strtok_r(NULL, "\t", &more);
		if (field)
			names[n++] = arena_strdup(arena, field);
	}
	for (int i = 0; i < n; i++) {
		const char *city = strrchr(names[i], '/');

		if (strcasecmp(names[i], name) == 0 || (city && strcasecmp(city + 1, name) == 0))
			return names[i];
	}
	return diag_nearest(name, names, (size_t)n, sizeof(*names));
}

const struct zone_files settings_zone_files = {zone_file_read, timezone_nearest};
