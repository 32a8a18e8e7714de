/*
 * What owner chains need from the database, fetched for a whole batch at once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CASE_OWNER_STORE_H
#define CASE_OWNER_STORE_H

#include "case/owner.h"

/* ($1 dimensions, $2 values) → dimension, value (as asked), person. Values compare folded. */
extern const struct pg_stmt owner_lookup_stmt;
/* ($1 people) → owner, open cases. */
extern const struct pg_stmt owner_loads_stmt;
/* ($1 teams) makes sure of the rows; ($1 teams) → team, position, locked: the last locks of a batch. */
extern const struct pg_stmt owner_positions_make, owner_positions_lock;
/* ($1 teams) → team, position, not locked (try). */
extern const struct pg_stmt owner_positions_read;
/* ($1 teams, $2 positions) */
extern const struct pg_stmt owner_positions_move;

void owner_lookup_params(struct pg_params *p, struct arena *a, const struct owner_lookup *l, int n);
/* Writes the persons found into lookups (sorted). */
void owner_lookup_read(const struct pg_rows *rows, struct arena *a, struct owner_lookup *l, int n);
void owner_loads_read(const struct pg_rows *rows, struct owner_load *l, int n);
void owner_positions_read_rows(const struct pg_rows *rows, struct owner_position *p, int n);

#endif
