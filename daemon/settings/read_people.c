/*
 * Readers and cross checks of people, teams and calendars.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/load.h"
#include "settings/split.h"
#include "settings/value.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define WEEK_MINUTES (7 * 24 * 60)

void calendar_init(struct load *l, void *element)
{
	((struct calendar *)element)->timezone = l->s->timezone;
}

static void read_calendar_zone(struct load *l, const struct item *it, void *field)
{
	if (strcmp(it->text, "owner") == 0)
		*(const char **)field = it->text;
	else
		type_timezone.read(l, it, field);
}
const struct type type_calendar_zone = {SHAPE_TEXT, "a time zone such as Asia/Seoul, or owner", read_calendar_zone};

/* Marks the minutes of a week; true when one was marked before. */
static bool hours_mark(const struct hours *h, bool *week)
{
	bool twice = false;

	for (int day = h->first_day; day <= h->last_day; day++)
		for (int m = h->from; m < h->to; m++) {
			int at = ((day - 1) * 24 * 60 + m) % WEEK_MINUTES;

			twice |= week[at];
			week[at] = true;
		}
	return twice;
}

static void read_hours(struct load *l, const struct item *it, void *field)
{
	struct calendar *c = container_of(field, struct calendar, hours);
	bool *week = arena_new_array(l->arena, bool, WEEK_MINUTES);

	c->hours = arena_new_array(l->arena, struct hours, 2 * it->n_texts + 1);
	if (it->n_texts == 0)
		load_error(l, it, NULL, "expected at least one line such as \"Mon-Fri 09:00-18:00\"");
	for (int i = 0; i < it->n_texts; i++) {
		bool twice = false;
		int n;

		if (hours_parse(it->texts[i], &c->hours[c->n_hours], &n) < 0) {
			load_bad_text(l, it, i, "days and times such as \"Mon-Fri 09:00-18:00\"");
			continue;
		}
		for (int k = 0; k < n; k++)
			twice |= hours_mark(&c->hours[c->n_hours + k], week);
		if (twice)
			load_warning(l, it, &it->text_pos[i], "'%s' overlaps other hours of this calendar", it->texts[i]);
		c->n_hours += n;
	}
}
const struct type type_hours = {SHAPE_TEXTS, "a list of hours such as \"Mon-Fri 09:00-18:00\"", read_hours};

static void read_dates(struct load *l, const struct item *it, void *field)
{
	for (int i = 0; i < it->n_texts; i++)
		if (date_parse(it->texts[i]) < 0)
			load_bad_text(l, it, i, "a day as YYYY-MM-DD");
	*(struct string_list *)field = (struct string_list){it->texts, it->n_texts};
}
const struct type type_dates = {SHAPE_TEXTS, "a list of days as YYYY-MM-DD", read_dates};

void calendars_done(struct load *l, const struct item *it)
{
	load_index(l, IDS_CALENDARS, l->s->calendars, l->s->n_calendars, sizeof(*l->s->calendars));
}

static void read_calendar(struct load *l, const struct item *it, void *field)
{
	const struct calendar *c = id_find(l->s, IDS_CALENDARS, it->text);

	if (!c)
		load_error(l, it, NULL, "unknown calendar '%s'%s", it->text, load_guess_id(l, it->text, IDS_CALENDARS));
	*(const struct calendar **)field = c;
}
const struct type type_calendar = {SHAPE_TEXT, "the name of a calendar", read_calendar};

void person_init(struct load *l, void *element)
{
	struct person *p = element;

	p->language = l->s->language;
	p->timezone = l->s->timezone;
	p->alerts_per_hour = l->s->alerts_per_hour;
	p->urgent_per_hour = l->s->urgent_per_hour;
	p->quiet_from = -1;
	p->quiet_to = -1;
	p->morning = -1;
}

static void read_quiet_hours(struct load *l, const struct item *it, void *field)
{
	struct person *p = container_of(field, struct person, quiet_from);

	if (quiet_hours_parse(it->text, &p->quiet_from, &p->quiet_to) < 0)
		load_unexpected(l, it);
}
const struct type type_quiet_hours = {SHAPE_TEXT, "hours such as 20:00-08:00", read_quiet_hours};

static void read_time_of_day(struct load *l, const struct item *it, void *field)
{
	if (time_of_day_parse(it->text, field) < 0)
		load_unexpected(l, it);
}
const struct type type_time_of_day = {SHAPE_TEXT, "a time such as 08:30", read_time_of_day};

static void read_login(struct load *l, const struct item *it, void *field)
{
	if (!it->text[0] || strpbrk(it->text, " \t\r\n:/"))
		load_unexpected(l, it);
	*(const char **)field = it->text;
}
const struct type type_login = {SHAPE_TEXT, "the name of a Unix user", read_login};

static void read_person_id(struct load *l, const struct item *it, void *field)
{
	if (!id_valid(it->text)) {
		load_unexpected(l, it);
		return;
	}
	person_expected(l, it, NULL, it->text);
	*(const char **)field = it->text;
}
const struct type type_person_id = {SHAPE_TEXT, "the id of a person", read_person_id};

void person_done(struct load *l, const struct item *it, void *element)
{
	struct person *p = element;
	struct text_pos pos = load_key_pos(l, it, "deputy");

	if (p->morning < 0 && p->quiet_to >= 0)
		p->morning = p->quiet_to;
	if (p->deputy && strcmp(p->deputy, p->id) == 0)
		load_error(l, it, &pos, "deputy: nobody can stand in for themselves");
	pos = load_key_pos(l, it, "reports_to");
	if (p->reports_to && strcmp(p->reports_to, p->id) == 0)
		load_error(l, it, &pos, "reports_to: nobody reports to themselves");
}

static int email_order(const void *a, const void *b)
{
	const struct person *x = *(const struct person *const *)a, *y = *(const struct person *const *)b;

	return strcasecmp(x->email ? x->email : "", y->email ? y->email : "");
}

static int login_order(const void *a, const void *b)
{
	const struct person *x = *(const struct person *const *)a, *y = *(const struct person *const *)b;

	return strcmp(x->login ? x->login : "", y->login ? y->login : "");
}

/* Two people can't share a mail address or a login: closeloop would not know who acted. */
static void unique_check(struct load *l, int (*order)(const void *, const void *), const char *key)
{
	const struct person **sorted = arena_new_array(l->arena, const struct person *, l->s->n_people + 1);
	bool by_login = order == login_order;

	for (int i = 0; i < l->s->n_people; i++)
		sorted[i] = &l->s->people[i];
	if (l->s->n_people > 1)
		qsort(sorted, (size_t)l->s->n_people, sizeof(*sorted), order);
	for (int i = 1; i < l->s->n_people; i++) {
		const struct person *a = sorted[i - 1], *b = sorted[i];
		const char *value = by_login ? b->login : b->email;

		if (!value || order(&sorted[i - 1], &sorted[i]) != 0)
			continue;
		if (a > b) {
			a = sorted[i];
			b = sorted[i - 1];
		}
		load_error(l, &(struct item){0}, &b->pos, "%s and %s have the same %s '%s'", a->id, b->id, key, value);
	}
}

/* reports_to must lead to somebody at the top. Each chain is walked once: marks hold the number of the walk. */
static void cycles_check(struct load *l)
{
	int *marks = arena_new_array(l->arena, int, l->s->n_people + 1);

	for (int i = 0; i < l->s->n_people; i++) {
		const struct person *p = &l->s->people[i];

		while (p && !marks[p - l->s->people]) {
			marks[p - l->s->people] = i + 1;
			p = settings_person(l->s, p->reports_to);
		}
		if (p && marks[p - l->s->people] == i + 1 && !str_eq(p->reports_to, p->id))
			load_error(l, &(struct item){0}, &p->pos, "%s reports to themselves in the end, through %s: a circle",
				   p->id, p->reports_to);
	}
}

void people_done(struct load *l, const struct item *it)
{
	static const char *const keys[] = {"reports_to", "deputy"};

	load_index(l, IDS_PEOPLE, l->s->people, l->s->n_people, sizeof(*l->s->people));
	for (int i = 0; i < l->s->n_people; i++) {
		const struct person *p = &l->s->people[i];
		struct item group = {.setting = split_member(it->setting, i), .pos = p->pos};

		l->path[l->depth++] = p->id;
		for (size_t k = 0; k < ARRAY_SIZE(keys); k++) {
			const char *id = k == 0 ? p->reports_to : p->deputy;
			struct text_pos pos = load_key_pos(l, &group, keys[k]);
			struct key key = {.name = keys[k]};

			if (id)
				person_expected(l, &(struct item){.key = &key}, &pos, id);
		}
		l->depth--;
	}
	unique_check(l, email_order, "email");
	unique_check(l, login_order, "login");
	cycles_check(l);
}

static void read_members(struct load *l, const struct item *it, void *field)
{
	struct string_list *list = field;

	if (it->n_texts == 0)
		load_error(l, it, NULL, "expected at least one person");
	for (int i = 0; i < it->n_texts; i++) {
		person_expected(l, it, &it->text_pos[i], it->texts[i]);
		for (int j = 0; j < i; j++)
			if (strcmp(it->texts[i], it->texts[j]) == 0) {
				load_error(l, it, &it->text_pos[i], "'%s' is named twice", it->texts[i]);
				break;
			}
	}
	*list = (struct string_list){it->texts, it->n_texts};
}
const struct type type_members = {SHAPE_TEXTS, "a list of ids of people", read_members};

void teams_done(struct load *l, const struct item *it)
{
	load_index(l, IDS_TEAMS, l->s->teams, l->s->n_teams, sizeof(*l->s->teams));
}
