/*
 * Words of the command line that stand for something: cases, numbers, points of time; see cli.h.
 *
 * Zones are PostgreSQL's business: the pure part only takes the shape of a time apart.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS_MAX (INT64_C(100) * 366 * 86400)

static const struct pg_stmt sql_when_local = {
	"cli_when_local",
	"SELECT $1::timestamp AT TIME ZONE $2",
	2,
	{PG_TEXT, PG_TEXT},
};
static const struct pg_stmt sql_when_duration = {
	"cli_when_duration",
	"SELECT now() + make_interval(secs => $1)",
	1,
	{PG_FLOAT8},
};

static int digits_parse(const char *word, int64_t most, int64_t *ret)
{
	int64_t v = 0;

	if (!*word)
		return -EINVAL;
	for (; *word; word++) {
		if (!isdigit((unsigned char)*word))
			return -EINVAL;
		v = v * 10 + (*word - '0');
		if (v > most)
			return -EINVAL;
	}
	*ret = v;
	return 0;
}

int case_id_parse(const char *word, int64_t *ret)
{
	int64_t v;
	int r;

	if ((word[0] == 'C' || word[0] == 'c') && word[1] == '-')
		word += 2;
	r = digits_parse(word, INT64_MAX / 10 - 1, &v);
	if (r == 0 && v == 0)
		r = -EINVAL;
	if (r == 0)
		*ret = v;
	return r;
}

int cli_case_id(const char *word, int64_t *ret)
{
	if (case_id_parse(word, ret) < 0)
		return cli_fail(EXIT_USAGE_ERROR, "'%s' is no case: write C-812 or 812", word);
	return 0;
}

int cli_number(const char *option, const char *word, int64_t most, int64_t *ret)
{
	int64_t v;

	if (!word)
		return 0;
	if (digits_parse(word, most, &v) < 0 || v == 0)
		return cli_fail(EXIT_USAGE_ERROR, "%s: '%s' is no whole number from 1 to %lld", option, word, (long long)most);
	*ret = v;
	return 0;
}

/* "2d", "+2d", "-2d": from now, in the direction that the option means unless it says one itself. */
static int when_duration(const char *word, int sign, struct when *ret)
{
	const char *text = word + (*word == '+' || *word == '-');

	if (*word == '-')
		sign = -1;
	else if (*word == '+')
		sign = 1;
	if (!*text || duration_parse(text, &ret->seconds) < 0 || ret->seconds < 0 || ret->seconds > SECONDS_MAX)
		return -EINVAL;
	ret->kind = WHEN_DURATION;
	ret->seconds *= sign;
	return 0;
}

int when_parse(const char *word, int sign, const char *day_time, struct when *ret)
{
	int year, month, day, hour, minute, second = 0, used = 0, more = 0;
	const char *rest;

	*ret = (struct when){0};
	if (str_eq(word, "now")) {
		ret->kind = WHEN_DURATION;
		return 0;
	}
	if (sscanf(word, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || used != 10)
		return when_duration(word, sign, ret);
	if (year < 1970 || !day_exists(year, month, day))
		return -EINVAL;
	rest = word + used;
	if (!*rest) {
		ret->kind = WHEN_LOCAL;
		snprintf(ret->text, sizeof(ret->text), "%.10s %s:00", word, day_time);
		return 0;
	}
	if ((*rest != 'T' && *rest != ' ') || sscanf(rest + 1, "%2d:%2d%n", &hour, &minute, &used) != 2 || used != 5)
		return -EINVAL;
	rest += 6;
	if (*rest == ':') {
		if (sscanf(rest + 1, "%2d%n", &second, &more) != 1 || more != 2)
			return -EINVAL;
		rest += 3;
	}
	if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59)
		return -EINVAL;
	snprintf(ret->text, sizeof(ret->text), "%.10s%c%02d:%02d:%02d", word, *rest ? 'T' : ' ', hour, minute, second);
	if (!*rest) {
		ret->kind = WHEN_LOCAL;
		return 0;
	}
	if (strlen(rest) > 6)
		return -EINVAL;
	strcat(ret->text, rest);
	ret->kind = WHEN_ABSOLUTE;
	return wall_parse(ret->text, &ret->time);
}

int cli_when(struct cli *c, const char *option, const char *word, int sign, const char *day_time, struct wall_time *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	struct when when;
	int r;

	*ret = WALL_NONE;
	if (!word)
		return 0;
	if (when_parse(word, sign, day_time, &when) < 0)
		return cli_fail(EXIT_USAGE_ERROR, "%s: '%s' is no time: write 2027-03-02, 2027-03-02T10:00 or %s2d", option,
				word, sign > 0 ? "+" : "");
	if (when.kind == WHEN_ABSOLUTE) {
		*ret = when.time;
		return 0;
	}
	r = cli_db(c);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	if (when.kind == WHEN_LOCAL) {
		pg_add_text(&p, when.text);
		pg_add_text(&p, c->settings->timezone);
	} else {
		pg_add_float8(&p, (double)when.seconds);
	}
	r = cli_run(c, when.kind == WHEN_LOCAL ? &sql_when_local : &sql_when_duration, &p, &rows);
	if (r == 0)
		*ret = pg_get_time(rows, 0, 0);
	return r;
}
