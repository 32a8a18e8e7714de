/*
 * SQL of clocks: the snapshot of calendars and people's clocks.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FOLLOWUP_CLOCK_STORE_H
#define FOLLOWUP_CLOCK_STORE_H

#include "followup/clocks.h"
#include "pg/pg.h"

/*
 * ($1 calendars, $2 people) → true: something differs from what was there, due times must be computed anew. Writes only
 * then, so it may be asked as often as wanted.
 */
extern const struct pg_stmt clocks_replace;
void clocks_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct person_clock *people, int n);

#endif
