/*
 * Holidays from an iCalendar file (RFC 5545): events → days.
 *
 *   file → lines, unfolded → of each VEVENT the properties that say when → events → days of about eleven years
 *
 * Lines, folding and nesting are read here, so that every mistake has its line and nothing deep or long reaches the
 * library; values and recurrence rules are libical's. An event takes every day that it touches. Times with a TZID or
 * without a zone are meant as they stand, those in UTC are seen in the calendar's zone. Rules are followed from the
 * beginning of last year to the end of the tenth year from now, within a budget of processor time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/clock.h"
#include "base/escape.h"
#include "settings/load.h"

#include <libical/ical.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define ICS_BYTES_MAX (4 * 1024 * 1024)
#define ICS_LINE_BYTES_MAX (16 * 1024) /* unfolded, of a line that is looked at */
#define ICS_DEPTH_MAX 8
#define ICS_EVENTS_MAX 10000
#define ICS_RULES_MAX 8      /* of one event */
#define ICS_VALUES_MAX 20000 /* of RDATE and EXDATE, in the whole file */
#define ICS_EVENT_DAYS_MAX 366
#define ICS_CPU_US_MAX \
	(2 * US_PER_S) /* for the rules of all files: some that never fit keep libical busy for half a second each */
#define YEARS_BACK 1
#define YEARS_AHEAD 10
#define DAY_S 86400

struct dates {
	int *days; /* since 1970 */
	int n, room;
};

struct event {
	int line;
	bool cancelled, timed, has_end;
	struct icaltimetype start, end;
	const char *uid;
	int replaces; /* day of RECURRENCE-ID, or INT_MIN */
	icalproperty *rules[ICS_RULES_MAX];
	int rule_lines[ICS_RULES_MAX];
	int n_rules;
	struct icaltimetype *more; /* RDATE */
	int n_more, room_more;
	struct dates but; /* EXDATE */
	struct event *next;
};

struct ics {
	struct load *l;
	const struct item *it;
	const char *path;
	icaltimezone *zone; /* NULL: UTC */
	int line;           /* of the property at hand */
	const char *open[ICS_DEPTH_MAX];
	int open_lines[ICS_DEPTH_MAX];
	int depth, n_events, n_values;
	bool wrong, calendar_seen;
	struct event *events, **tail, *event; /* event: the one being read */
	struct dates days;
	int first_day, last_day; /* of what rules give */
};

/* ---- words ---- */

static void ics_error(struct ics *f, int line, const char *fmt, ...) PRINTF(3, 4);
static void ics_error(struct ics *f, int line, const char *fmt, ...)
{
	struct text_pos pos = {f->path, line};
	va_list ap;

	f->wrong = true;
	va_start(ap, fmt);
	load_error(f->l, f->it, &pos, "%s", arena_vprintf(f->l->arena, fmt, ap));
	va_end(ap);
}

/* The start of a line, short enough for a message. */
static const char *shown(struct ics *f, const char *line)
{
	size_t n = utf8_clip(line, strlen(line), 60);

	return arena_printf(f->l->arena, "'%.*s%s'", (int)n, line, line[n] ? "…" : "");
}

/* ---- days ---- */

static int day_number(int year, int month, int day)
{
	struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};

	return (int)(timegm(&tm) / DAY_S);
}

static int day_of(struct icaltimetype t)
{
	return day_number(t.year, t.month, t.day);
}

static const char *day_text(struct arena *a, int day)
{
	time_t t = (time_t)day * DAY_S;
	struct tm tm;

	gmtime_r(&t, &tm);
	return arena_printf(a, "%04d-%02d-%02d", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday);
}

static void dates_add(struct ics *f, struct dates *d, int day)
{
	if (d->n == d->room) {
		int *more = arena_new_array(f->l->arena, int, (size_t)MAX(2 * d->room, 8));

		if (d->n)
			memcpy(more, d->days, (size_t)d->n * sizeof(int));
		d->days = more;
		d->room = MAX(2 * d->room, 8);
	}
	d->days[d->n++] = day;
}

static bool dates_have(const struct dates *d, int day)
{
	for (int i = 0; i < d->n; i++)
		if (d->days[i] == day)
			return true;
	return false;
}

/* As the wall clocks of the calendar show it. */
static struct icaltimetype local_of(const struct ics *f, struct icaltimetype t)
{
	return icaltime_is_utc(t) && f->zone && !t.is_date ? icaltime_convert_to_zone(t, f->zone) : t;
}

static int64_t length_s(const struct event *e)
{
	return (int64_t)icaltime_as_timet(e->end) - (int64_t)icaltime_as_timet(e->start);
}

/* One occurrence: every day that it touches. */
static void days_add(struct ics *f, const struct event *e, struct icaltimetype start)
{
	struct icaltimetype first = local_of(f, start), last = first;

	icaltime_adjust(&last, 0, 0, 0, e->timed ? (int)MAX(length_s(e) - 1, 0) : 0);
	if (!e->timed)
		icaltime_adjust(&last, (int)MAX(length_s(e) / DAY_S, 1) - 1, 0, 0, 0);
	for (int day = day_of(first); day <= day_of(last); day++)
		if (f->days.n <= HOLIDAYS_MAX)
			dates_add(f, &f->days, day);
}

/* ---- properties ---- */

enum ics_name {
	ICS_BEGIN,
	ICS_END,
	ICS_DTSTART,
	ICS_DTEND,
	ICS_DURATION,
	ICS_RRULE,
	ICS_RDATE,
	ICS_EXDATE,
	ICS_RECURRENCE_ID,
	ICS_UID,
	ICS_STATUS,
	ICS_OTHER
};
static const char *const ics_names[] = {"BEGIN", "END",    "DTSTART",       "DTEND", "DURATION", "RRULE",
					"RDATE", "EXDATE", "RECURRENCE-ID", "UID",   "STATUS"};

static enum ics_name name_of(const char *line, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(ics_names); i++) {
		size_t len = strlen(ics_names[i]);

		if (n > len && strncasecmp(line, ics_names[i], len) == 0 && (line[len] == ':' || line[len] == ';'))
			return (enum ics_name)i;
	}
	return ICS_OTHER;
}

/* What follows the colon, which may stand within the quotes of a parameter too; NULL when there is none. */
static const char *value_of(const char *line)
{
	bool quoted = false;

	for (; *line; line++)
		if (*line == '"')
			quoted = !quoted;
		else if (*line == ':' && !quoted)
			return line + 1;
	return NULL;
}

static icalproperty *property_read(struct ics *f, const char *line, const char *expected)
{
	icalproperty *p = icalproperty_new_from_string(line);

	if (p && icalproperty_isa(p) != ICAL_XLICERROR_PROPERTY && icalproperty_get_value(p))
		return p;
	if (p)
		icalproperty_free(p);
	ics_error(f, f->line, "expected %s, got %s", expected, shown(f, line));
	return NULL;
}

/* 20270101, 20270101T090000, 20270101T090000Z; a period goes on after it. The library would take much more. */
static bool time_is_written(const char *value)
{
	static const char form[] = "00000000T000000";
	size_t n = 0;

	while (value && n < sizeof(form) - 1 && (form[n] == '0' ? value[n] >= '0' && value[n] <= '9' : value[n] == form[n]))
		n++;
	if (n == sizeof(form) - 1)
		n += value[n] == 'Z';
	else if (n != 8)
		return false;
	return value[n] == '\0' || value[n] == '/';
}

/* Days and times that exist, in years that a calendar of today may speak of. */
static bool time_read(struct ics *f, const char *line, struct icaltimetype *ret)
{
	static const char expected[] = "a day such as 20270101 or a time such as 20270101T090000";
	struct icaltimetype t, same;
	const icalvalue *value;
	icalproperty *p;

	if (!time_is_written(value_of(line))) {
		ics_error(f, f->line, "expected %s, got %s", expected, shown(f, line));
		return false;
	}
	p = property_read(f, line, expected);
	if (!p)
		return false;
	value = icalproperty_get_value(p);
	t = icalvalue_isa(value) == ICAL_PERIOD_VALUE ? icalvalue_get_period(value).start : icalvalue_get_datetime(value);
	icalproperty_free(p);
	same = icaltime_normalize(t);
	if (icaltime_is_null_time(t) || t.year < 1900 || t.year > 2200 || icaltime_compare(t, same) != 0 || t.day != same.day ||
	    t.month != same.month || t.hour != same.hour) {
		ics_error(f, f->line, "expected %s, got %s", expected, shown(f, line));
		return false;
	}
	*ret = t;
	return true;
}

static void duration_read_line(struct ics *f, const char *line)
{
	icalproperty *p = property_read(f, line, "a duration such as P1D or PT8H");

	if (!p)
		return;
	if (icaltime_is_null_time(f->event->start))
		ics_error(f, f->line, "expected DTSTART before DURATION");
	else
		f->event->end = icaltime_add(f->event->start, icalproperty_get_duration(p));
	f->event->has_end = true;
	icalproperty_free(p);
}

static void rule_read_line(struct ics *f, const char *line)
{
	icalproperty *p = property_read(f, line, "a rule such as RRULE:FREQ=YEARLY");
	struct event *e = f->event;

	if (!p)
		return;
	switch (icalproperty_get_rrule(p).freq) {
	case ICAL_DAILY_RECURRENCE:
	case ICAL_WEEKLY_RECURRENCE:
	case ICAL_MONTHLY_RECURRENCE:
	case ICAL_YEARLY_RECURRENCE:
		if (e->n_rules < ICS_RULES_MAX) {
			e->rule_lines[e->n_rules] = f->line;
			e->rules[e->n_rules++] = TAKE(p);
		} else {
			ics_error(f, f->line, "expected at most %d rules in an event", ICS_RULES_MAX);
		}
		break;
	case ICAL_SECONDLY_RECURRENCE:
	case ICAL_MINUTELY_RECURRENCE:
	case ICAL_HOURLY_RECURRENCE:
	case ICAL_NO_RECURRENCE:
		ics_error(f, f->line, "expected a rule of days (FREQ=DAILY, WEEKLY, MONTHLY or YEARLY), got %s",
			  shown(f, line));
	}
	if (p)
		icalproperty_free(p);
}

static void more_add(struct ics *f, struct event *e, struct icaltimetype t)
{
	if (e->n_more == e->room_more) {
		int room = MAX(2 * e->room_more, 8);
		struct icaltimetype *more = arena_new_array(f->l->arena, struct icaltimetype, (size_t)room);

		if (e->n_more)
			memcpy(more, e->more, (size_t)e->n_more * sizeof(*more));
		e->more = more;
		e->room_more = room;
	}
	e->more[e->n_more++] = t;
}

/* "EXDATE;VALUE=DATE:20270101,20280101": each on its own. */
static void list_read_line(struct ics *f, const char *line, bool more)
{
	const char *value = value_of(line);
	char *rest, *copy CLEANUP(freep) = value ? xstrdup(value) : NULL;
	int head = value ? (int)(value - line) : 0;

	if (!value)
		ics_error(f, f->line, "expected a list of days, got %s", shown(f, line));
	for (char *v = copy ? strtok_r(copy, ",", &rest) : NULL; v; v = strtok_r(NULL, ",", &rest)) {
		char *one CLEANUP(freep) = xmalloc((size_t)head + strlen(v) + 1);
		struct icaltimetype t;

		memcpy(one, line, (size_t)head);
		strcpy(one + head, v);
		if (++f->n_values > ICS_VALUES_MAX) {
			ics_error(f, f->line, "expected at most %d days in RDATE and EXDATE", ICS_VALUES_MAX);
			return;
		}
		if (!time_read(f, one, &t))
			return;
		if (more)
			more_add(f, f->event, t);
		else
			dates_add(f, &f->event->but, day_of(local_of(f, t)));
	}
}

static void property_take(struct ics *f, enum ics_name name, const char *line)
{
	const char *value = value_of(line);
	struct event *e = f->event;
	struct icaltimetype t;

	switch (name) {
	case ICS_DTSTART: time_read(f, line, &e->start); break;
	case ICS_DTEND: e->has_end |= time_read(f, line, &e->end); break;
	case ICS_DURATION: duration_read_line(f, line); break;
	case ICS_RRULE: rule_read_line(f, line); break;
	case ICS_RDATE: list_read_line(f, line, true); break;
	case ICS_EXDATE: list_read_line(f, line, false); break;
	case ICS_RECURRENCE_ID:
		if (time_read(f, line, &t))
			e->replaces = day_of(local_of(f, t));
		break;
	case ICS_UID: e->uid = arena_strdup(f->l->arena, value); break;
	case ICS_STATUS: e->cancelled = value && strcasecmp(value, "CANCELLED") == 0; break;
	case ICS_BEGIN:
	case ICS_END:
	case ICS_OTHER: break;
	}
}

/* ---- components ---- */

static void event_begin(struct ics *f)
{
	struct event *e = arena_new_obj(f->l->arena, struct event);

	e->line = f->line;
	e->start = e->end = icaltime_null_time();
	e->replaces = INT_MIN;
	*f->tail = e;
	f->tail = &e->next;
	f->event = e;
	if (++f->n_events > ICS_EVENTS_MAX)
		ics_error(f, f->line, "expected at most %d events", ICS_EVENTS_MAX);
}

static void event_end(struct ics *f)
{
	struct event *e = f->event;

	f->event = NULL;
	if (f->wrong)
		return;
	if (icaltime_is_null_time(e->start)) {
		ics_error(f, e->line, "the event has no DTSTART");
		return;
	}
	e->timed = !e->start.is_date;
	if (!e->has_end)
		e->end = e->start;
	if (e->end.is_date != e->start.is_date || icaltime_is_utc(e->end) != icaltime_is_utc(e->start))
		ics_error(f, e->line, "expected DTSTART and DTEND of the same kind");
	else if (icaltime_compare(e->end, e->start) < 0)
		ics_error(f, e->line, "the event ends before it begins");
	else if (length_s(e) > (int64_t)ICS_EVENT_DAYS_MAX * DAY_S)
		ics_error(f, e->line, "expected an event of at most %d days", ICS_EVENT_DAYS_MAX);
}

static void component_begin(struct ics *f, const char *name)
{
	if (f->depth == 0 && strcasecmp(name, "VCALENDAR") != 0) {
		ics_error(f, f->line, "expected BEGIN:VCALENDAR, got %s", shown(f, name));
	} else if (f->depth == ICS_DEPTH_MAX) {
		ics_error(f, f->line, "expected at most %d components within each other", ICS_DEPTH_MAX);
	} else {
		f->open[f->depth] = arena_strdup(f->l->arena, name);
		f->open_lines[f->depth++] = f->line;
		f->calendar_seen = true;
		if (f->depth == 2 && strcasecmp(name, "VEVENT") == 0)
			event_begin(f);
	}
}

static void component_end(struct ics *f, const char *name)
{
	if (f->depth == 0 || strcasecmp(name, f->open[f->depth - 1]) != 0) {
		ics_error(f, f->line, "END:%s without its BEGIN", name);
		return;
	}
	if (f->depth == 2 && f->event)
		event_end(f);
	f->depth--;
}

static void line_take(struct ics *f, const char *line)
{
	enum ics_name name = name_of(line, strlen(line));

	if (name == ICS_BEGIN)
		component_begin(f, line + strlen("BEGIN:"));
	else if (name == ICS_END)
		component_end(f, line + strlen("END:"));
	else if (f->depth == 2 && f->event)
		property_take(f, name, line);
	else if (f->depth == 0 && line[strspn(line, " \t")])
		ics_error(f, f->line, "expected an iCalendar file, which begins with BEGIN:VCALENDAR, got %s", shown(f, line));
}

/* RFC 5545 3.1: a line goes on where the next one begins with white space. What isn't looked at may be of any length. */
static void lines_take(struct ics *f, const char *text)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(ICS_LINE_BYTES_MAX);
	int line = 1;

	while (*text && !f->wrong) {
		size_t n = strcspn(text, "\n");
		bool kept = f->depth == 0 || name_of(text, n) != ICS_OTHER;
		bool goes_on = true;

		f->line = line;
		buf_reset(&b);
		while (goes_on) {
			if (kept)
				buf_add(&b, text, n - (n && text[n - 1] == '\r'));
			text += n + (text[n] == '\n');
			line++;
			goes_on = *text == ' ' || *text == '\t';
			text += goes_on;
			n = strcspn(text, "\n");
		}
		if (b.overflow)
			ics_error(f, f->line, "expected a line of at most %d bytes", ICS_LINE_BYTES_MAX);
		else if (kept)
			line_take(f, buf_str(&b));
	}
	if (f->wrong)
		return;
	if (!f->calendar_seen)
		ics_error(f, 1, "expected an iCalendar file, which begins with BEGIN:VCALENDAR");
	else if (f->depth)
		ics_error(f, f->open_lines[f->depth - 1], "BEGIN:%s without its END", f->open[f->depth - 1]);
}

/* ---- occurrences ---- */

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

/* Another event of the same name says what becomes of this day. */
static bool is_replaced(const struct ics *f, const struct event *e, int day)
{
	for (const struct event *o = f->events; o; o = o->next)
		if (o->replaces == day && e->uid && str_eq(o->uid, e->uid))
			return true;
	return false;
}

static void occurrence_add(struct ics *f, const struct event *e, struct icaltimetype start)
{
	int day = day_of(local_of(f, start));

	if (!dates_have(&e->but, day) && (e->replaces != INT_MIN || !is_replaced(f, e, day)))
		days_add(f, e, start);
}

static void rule_follow(struct ics *f, const struct event *e, int i)
{
	int64_t began = cpu_us(), now;
	icalrecur_iterator *at = icalrecur_iterator_new(icalproperty_get_rrule(e->rules[i]), e->start);
	struct icaltimetype t;

	if (!at)
		ics_error(f, e->rule_lines[i], "the rule gives no day");
	while (at && !f->wrong && f->days.n <= HOLIDAYS_MAX) {
		t = icalrecur_iterator_next(at);
		now = cpu_us();
		f->l->holidays_us += now - began;
		began = now;
		if (f->l->holidays_us > ICS_CPU_US_MAX)
			ics_error(f, e->rule_lines[i], "the rules take too long to follow: it came to this one");
		else if (icaltime_is_null_time(t) || day_of(t) > f->last_day)
			break;
		else if (day_of(t) + length_s(e) / DAY_S >= f->first_day)
			occurrence_add(f, e, t);
	}
	if (at)
		icalrecur_iterator_free(at);
}

static void event_follow(struct ics *f, const struct event *e)
{
	if (e->cancelled)
		return;
	occurrence_add(f, e, e->start);
	for (int i = 0; i < e->n_rules && !f->wrong; i++)
		rule_follow(f, e, i);
	for (int i = 0; i < e->n_more; i++)
		occurrence_add(f, e, e->more[i]);
	if (f->days.n > HOLIDAYS_MAX && !f->wrong)
		ics_error(f, e->line, "expected at most %d holidays in a file", HOLIDAYS_MAX);
}

/* ---- the file ---- */

static int text_order(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The calendar's own and those of the file, each once, in order. */
static void holidays_merge(struct ics *f, struct string_list *list)
{
	const char **all = arena_new_array(f->l->arena, const char *, (size_t)(list->n + f->days.n));
	int n = 0, kept = 0;

	for (int i = 0; i < list->n; i++)
		all[n++] = list->items[i];
	for (int i = 0; i < f->days.n; i++)
		all[n++] = day_text(f->l->arena, f->days.days[i]);
	if (n)
		qsort(all, (size_t)n, sizeof(*all), text_order);
	for (int i = 0; i < n; i++)
		if (kept == 0 || strcmp(all[kept - 1], all[i]) != 0)
			all[kept++] = all[i];
	*list = (struct string_list){all, kept};
}

static void ics_read(struct ics *f, const char *text, const char *zone)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	f->first_day = day_number(tm.tm_year + 1900 - YEARS_BACK, 1, 1);
	f->last_day = day_number(tm.tm_year + 1900 + YEARS_AHEAD, 12, 31);
	f->tail = &f->events;
	f->zone = icaltimezone_get_builtin_timezone(zone);
	icalerror_set_errors_are_fatal(0);
	lines_take(f, text);
	for (const struct event *e = f->events; e && !f->wrong; e = e->next)
		event_follow(f, e);
	for (const struct event *e = f->events; e; e = e->next)
		for (int i = 0; i < e->n_rules; i++)
			icalproperty_free(e->rules[i]);
}

static void read_holidays_file(struct load *l, const struct item *it, void *field)
{
	struct calendar *c = container_of(field, struct calendar, holidays_file);
	struct ics f = {.l = l, .it = it};
	char *text CLEANUP(freep) = NULL;
	const char *trouble;
	size_t n;

	if (!it->text[0])
		return;
	c->holidays_file = f.path = path_join(l->arena, l->folder, it->text);
	if (l->files == FILES_NONE)
		return;
	trouble = file_slurp(l->arena, f.path, ICS_BYTES_MAX, &text, &n);
	if (trouble) {
		load_error(l, it, NULL, "'%s' %s", f.path, trouble);
		return;
	}
	if (strlen(text) != n) {
		ics_error(&f, 0, "has NUL bytes: expected an iCalendar file in UTF-8");
		return;
	}
	ics_read(&f, text + (strncmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0),
		 strcmp(c->timezone, "owner") == 0 ? l->s->timezone : c->timezone);
	if (f.wrong)
		return;
	if (f.n_events == 0)
		load_warning(l, it, NULL, "there is no event in '%s'", f.path);
	holidays_merge(&f, &c->holidays);
}
const struct type type_holidays_file = {SHAPE_TEXT, "an iCalendar file, empty for none", read_holidays_file};

/* ---- is there anything left? ---- */

static bool day_is_worked(const struct calendar *c, const char **holidays, const char *day, int weekday)
{
	for (int i = 0; i < c->n_hours; i++)
		if (weekday >= c->hours[i].first_day && weekday <= c->hours[i].last_day)
			return !c->holidays.n || !bsearch(&day, holidays, (size_t)c->holidays.n, sizeof(*holidays), text_order);
	return false;
}

void calendar_done(struct load *l, const struct item *it, void *calendar)
{
	const struct calendar *c = calendar;
	const char **holidays = arena_memdup(l->arena, c->holidays.items, sizeof(*holidays) * (size_t)c->holidays.n);
	int today = (int)(time(NULL) / DAY_S);

	if (c->n_hours == 0)
		return; /* said already */
	if (c->holidays.n)
		qsort(holidays, (size_t)c->holidays.n, sizeof(*holidays), text_order);
	for (int day = today; day < today + YEARS_AHEAD * 366; day++) /* 1 January 1970 was a Thursday */
		if (day_is_worked(c, holidays, day_text(l->arena, day), (day + 3) % 7 + 1))
			return;
	load_error(l, it, NULL, "every day with hours is a holiday for ten years: nothing would ever be due");
}
