/*
 * Clocks: what PostgreSQL must know of the configuration to compute when promises are due.
 *
 * Calendars come from the settings, people from the configuration and the database. Both are written as the JSON that
 * closeloop.clocks_replace() takes (sql/006_business_time.sql). Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FOLLOWUP_CLOCKS_H
#define FOLLOWUP_CLOCKS_H

#include "base/buf.h"
#include "settings/settings.h"

#define CLOCKS_BYTES_MAX (512 * 1024 * 1024) /* more than jsonb takes */

struct person_clock {
	const char *person;
	const char *calendar; /* NULL: none */
	const char *timezone;
};

/* [{"name", "timezone", "hours": [[day, from_minute, to_minute]…], "holidays": ["YYYY-MM-DD"…]}…] */
void clocks_put_calendars(const struct settings *s, struct buf *out);
/* [{"person", "calendar", "timezone"}…]; the first is "", nobody in particular, with the global time zone. */
void clocks_put_people(const struct settings *s, const struct person_clock *people, int n, struct buf *out);

#endif
