/*
 * Calendars and people as JSON; see clocks.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "followup/clocks.h"
#include "base/escape.h"

static void put_hours(const struct calendar *c, struct buf *out)
{
	bool first = true;

	for (int i = 0; i < c->n_hours; i++)
		for (int day = c->hours[i].first_day; day <= c->hours[i].last_day; day++) {
			buf_printf(out, "%s[%d,%d,%d]", first ? "" : ",", day, c->hours[i].from, c->hours[i].to);
			first = false;
		}
}

void clocks_put_calendars(const struct settings *s, struct buf *out)
{
	buf_putc(out, '[');
	for (int i = 0; i < s->n_calendars; i++) {
		const struct calendar *c = &s->calendars[i];

		buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		json_put_string(out, c->id);
		buf_puts(out, ",\"timezone\":");
		json_put_string(out, c->timezone);
		buf_puts(out, ",\"hours\":[");
		put_hours(c, out);
		buf_puts(out, "],\"holidays\":[");
		for (int k = 0; k < c->holidays.n; k++) {
			if (k)
				buf_putc(out, ',');
			json_put_string(out, c->holidays.items[k]);
		}
		buf_puts(out, "]}");
	}
	buf_putc(out, ']');
}

static void put_person(const struct person_clock *p, struct buf *out)
{
	buf_puts(out, "{\"person\":");
	json_put_string(out, p->person);
	buf_puts(out, ",\"calendar\":");
	json_put_string(out, p->calendar);
	buf_puts(out, ",\"timezone\":");
	json_put_string(out, p->timezone);
	buf_putc(out, '}');
}

void clocks_put_people(const struct settings *s, const struct person_clock *people, int n, struct buf *out)
{
	buf_putc(out, '[');
	put_person(&(struct person_clock){.person = "", .timezone = s->timezone}, out);
	for (int i = 0; i < n; i++) {
		buf_putc(out, ',');
		put_person(&people[i], out);
	}
	buf_putc(out, ']');
}
