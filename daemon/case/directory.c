/*
 * People and absences; see directory.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/directory.h"
#include "base/log.h"
#include "settings/value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define DEPUTY_STEPS_MAX 8

struct directory {
	struct arena *arena;
	int64_t version;
	const struct person **people; /* sorted by id */
	int n_people;
	const struct absence *absences;
	int n_absences;
	const char **bad_zones; /* zones of people that the server doesn't know */
	int n_bad_zones;
};

const struct pg_stmt directory_version_stmt = {
	"directory_version",
	"SELECT last_value FROM closeloop.directory_version",
	0,
	{0},
};

const struct pg_stmt directory_people_stmt = {
	"directory_people",
	"SELECT id, name, email, language, timezone, reports_to, deputy, login, alerts_per_hour, urgent_per_hour, calendar,"
	" quiet_hours, morning"
	" FROM closeloop.people",
	0,
	{0},
};

const struct pg_stmt directory_absences_stmt = {
	"directory_absences",
	"SELECT person, starts_at, ends_at, deputy FROM closeloop.absences"
	" WHERE ends_at IS NULL OR ends_at > now() ORDER BY starts_at",
	0,
	{0},
};

const struct pg_stmt directory_zones_stmt = {
	"directory_zones",
	"SELECT z FROM (SELECT unnest($1) UNION SELECT timezone FROM closeloop.people WHERE timezone IS NOT NULL) AS q (z)"
	" WHERE closeloop.zone_is_known(z) ORDER BY z COLLATE \"C\"",
	1,
	{PG_TEXT_ARRAY},
};

static int person_order(const void *a, const void *b)
{
	return strcmp((*(const struct person *const *)a)->id, (*(const struct person *const *)b)->id);
}

static const char *directory_text(struct directory *d, const struct pg_rows *rows, int row, int column)
{
	return arena_strdup(d->arena, pg_get_text(rows, row, column, NULL));
}

/* As the configuration reads them (person_done()); what can't be read is left out, and said. */
static void directory_read_hours(struct person *p, const char *quiet, const char *morning)
{
	p->quiet_from = p->quiet_to = p->morning = -1;
	if (quiet && quiet_hours_parse(quiet, &p->quiet_from, &p->quiet_to) < 0) {
		log_warning("directory: person %s has unreadable quiet_hours: there are none", p->id);
		p->quiet_from = p->quiet_to = -1;
	}
	if (morning && time_of_day_parse(morning, &p->morning) < 0) {
		log_warning("directory: person %s has an unreadable morning: there is none", p->id);
		p->morning = -1;
	} else if (!morning) {
		p->morning = p->quiet_to;
	}
}

static const struct person *directory_read_person(struct directory *d, const struct settings *s, const struct pg_rows *rows,
						  int row)
{
	struct person *p = arena_new_obj(d->arena, struct person);
	const char *language = pg_get_text(rows, row, 3, NULL);

	p->id = directory_text(d, rows, row, 0);
	p->name = directory_text(d, rows, row, 1);
	p->email = directory_text(d, rows, row, 2);
	p->language = s->language;
	if (language)
		language_parse(language, &p->language);
	p->timezone = pg_is_null(rows, row, 4) ? s->timezone : directory_text(d, rows, row, 4);
	p->calendar = settings_calendar(s, pg_get_text(rows, row, 10, NULL));
	p->reports_to = directory_text(d, rows, row, 5);
	p->deputy = directory_text(d, rows, row, 6);
	p->login = directory_text(d, rows, row, 7);
	directory_read_hours(p, pg_get_text(rows, row, 11, NULL), pg_get_text(rows, row, 12, NULL));
	p->alerts_per_hour = pg_is_null(rows, row, 8) ? s->alerts_per_hour : pg_get_int4(rows, row, 8);
	p->urgent_per_hour = pg_is_null(rows, row, 9) ? s->urgent_per_hour : pg_get_int4(rows, row, 9);
	return p;
}

void directory_set_absences(struct directory *d, const struct pg_rows *rows)
{
	int n = pg_count(rows);
	struct absence *absences = arena_new_array(d->arena, struct absence, (size_t)n);

	for (int i = 0; i < n; i++)
		absences[i] = (struct absence){directory_text(d, rows, i, 0), pg_get_time(rows, i, 1), pg_get_time(rows, i, 2),
					       directory_text(d, rows, i, 3)};
	d->absences = absences;
	d->n_absences = n;
}

/* With the configuration's people and room for others. */
static struct directory *directory_begin(const struct settings *s, int others)
{
	struct directory *d = xcalloc(1, sizeof(*d));

	d->arena = arena_new(0);
	d->people = arena_new_array(d->arena, const struct person *, (size_t)(s->n_people + others));
	for (int i = 0; i < s->n_people; i++)
		d->people[d->n_people++] = &s->people[i];
	return d;
}

static struct directory *directory_sorted(struct directory *d)
{
	if (d->n_people > 1)
		qsort(d->people, (size_t)d->n_people, sizeof(struct person *), person_order);
	return d;
}

struct directory *directory_new(const struct settings *s, int64_t version, const struct pg_rows *people)
{
	struct directory *d = directory_begin(s, people ? pg_count(people) : 0);

	d->version = version;
	for (int i = 0; people && i < pg_count(people); i++)
		if (!settings_person(s, pg_get_text(people, i, 0, NULL)))
			d->people[d->n_people++] = directory_read_person(d, s, people, i);
	return directory_sorted(d);
}

struct directory *directory_make(const struct settings *s, const struct person *people, int n_people,
				 const struct absence *absences, int n_absences)
{
	struct directory *d = directory_begin(s, n_people);

	for (int i = 0; i < n_people; i++)
		if (!settings_person(s, people[i].id))
			d->people[d->n_people++] = &people[i];
	d->absences = absences;
	d->n_absences = n_absences;
	return directory_sorted(d);
}

struct directory *directory_free(struct directory *d)
{
	if (d) {
		arena_free(d->arena);
		free(d);
	}
	return NULL;
}

void directory_zones_params(struct pg_params *p, struct arena *a, const struct settings *s)
{
	struct pg_array zones;

	pg_array_init(&zones, a, PG_TEXT);
	pg_array_text(&zones, s->timezone);
	for (int i = 0; i < s->n_people; i++)
		if (!str_eq(s->people[i].timezone, s->timezone))
			pg_array_text(&zones, s->people[i].timezone);
	pg_params_init(p, a);
	pg_add_array(p, &zones);
}

static bool zone_known(const struct pg_rows *zones, const char *zone)
{
	int low = 0, high = pg_count(zones) - 1;

	while (low <= high) {
		int middle = (low + high) / 2;
		int r = strcmp(zone, pg_get_text(zones, middle, 0, NULL));

		if (r == 0)
			return true;
		if (r < 0)
			high = middle - 1;
		else
			low = middle + 1;
	}
	return false;
}

static bool zone_is_bad(const struct directory *d, const char *zone)
{
	for (int i = 0; i < d->n_bad_zones; i++)
		if (strcmp(d->bad_zones[i], zone) == 0)
			return true;
	return false;
}

void directory_set_zones(struct directory *d, const struct pg_rows *zones)
{
	d->bad_zones = arena_new_array(d->arena, const char *, (size_t)d->n_people);
	for (int i = 0; i < d->n_people; i++) {
		const char *zone = d->people[i]->timezone;

		if (zone_known(zones, zone) || zone_is_bad(d, zone))
			continue;
		d->bad_zones[d->n_bad_zones++] = zone;
		log_warning("directory: the server has no time zone %s (of person %s): UTC is shown instead", zone,
			    d->people[i]->id);
	}
}

const char *directory_zone(const struct directory *d, const struct person *p)
{
	return zone_is_bad(d, p->timezone) ? "UTC" : p->timezone;
}

int64_t directory_version(const struct directory *d)
{
	return d->version;
}

const struct person *directory_person(const struct directory *d, const char *id)
{
	const struct person wanted = {.id = id};
	const struct person *key = &wanted;
	const struct person *const *found;

	if (!id)
		return NULL;
	found = bsearch(&key, d->people, (size_t)d->n_people, sizeof(struct person *), person_order);
	return found ? *found : NULL;
}

const struct person *directory_find(const struct directory *d, const char *id_or_address)
{
	const struct person *p = directory_person(d, id_or_address);

	for (int i = 0; !p && id_or_address && strchr(id_or_address, '@') && i < d->n_people; i++)
		if (d->people[i]->email && strcasecmp(d->people[i]->email, id_or_address) == 0)
			p = d->people[i];
	return p;
}

int directory_count(const struct directory *d)
{
	return d->n_people;
}

const struct person *directory_at(const struct directory *d, int i)
{
	return d->people[i];
}

const struct absence *directory_absence(const struct directory *d, const char *person, struct wall_time at)
{
	for (int i = 0; i < d->n_absences; i++) {
		const struct absence *a = &d->absences[i];

		if (strcmp(a->person, person) == 0 && a->from.us <= at.us && (!wall_is_set(a->until) || at.us < a->until.us))
			return a;
	}
	return NULL;
}

const struct person *directory_present(const struct directory *d, const struct person *p, struct wall_time at)
{
	for (int step = 0; p && step < DEPUTY_STEPS_MAX; step++) {
		const struct absence *away = directory_absence(d, p->id, at);

		if (!away)
			return p;
		p = directory_person(d, away->deputy ? away->deputy : p->deputy);
	}
	return NULL;
}
