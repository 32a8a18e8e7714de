/*
 * SQL of the sweep: what is due is done.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FOLLOWUP_SWEEP_STORE_H
#define FOLLOWUP_SWEEP_STORE_H

#include "pg/pg.h"

/* ($1 most cases) → of how many something was done. One transaction. */
extern const struct pg_stmt follow_up_sweep;
/* ($1 seconds) → the case due longest, which nothing can be done of now and which is looked at that much later. */
extern const struct pg_stmt follow_up_put_off;
/* () → seconds (float8) until the nearest case is due; null: none ever. */
extern const struct pg_stmt follow_up_next;
/* () → version of the clocks, whether due times may be of an earlier one. ($1 version): all were computed since that was read. */
extern const struct pg_stmt clocks_pending, clocks_worked_off;
/* ($1 behind this case, $2 most cases) → how many due times moved, the last case looked at (null: there are no more). */
extern const struct pg_stmt follow_up_recompute;

#endif
