/*
 * Reads people and absences from the database into the live directory, and gives the database the clocks that follow from
 * it: everybody's calendar and time zone, and the calendars of the configuration.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_DIRECTORY_LOAD_H
#define FLOW_DIRECTORY_LOAD_H

#include "flow/live.h"
#include "pg/pg.h"

struct directory_load;
/*
 * done(arg, error) runs from the loop, once; without an error live->directory is the new one, and the clocks are in place
 * (live->clocks_changed when they had to be changed). live must stay.
 * May be queued inside a transaction. If that is rolled back, the clocks are made right before due times are computed anew.
 */
void directory_load(struct pg_conn *conn, struct live *live, pg_done_fn *done, void *arg);
/* The same without the clocks, for a connection that may not write. */
void directory_read(struct pg_conn *conn, struct live *live, pg_done_fn *done, void *arg);

/* Adds the writing of the clocks to a batch; live must have a directory. A change sets live->clocks_changed. */
void clocks_add(struct pg_batch *b, struct live *live, struct arena *arena);

#endif
