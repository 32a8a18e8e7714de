/*
 * Reads people and absences from the database into the live directory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_DIRECTORY_LOAD_H
#define FLOW_DIRECTORY_LOAD_H

#include "flow/live.h"
#include "pg/pg.h"

struct directory_load;
/*
 * done(arg, error) runs from the loop, once; without an error live->directory is the new one. live must stay.
 * May be queued inside a transaction.
 */
void directory_load(struct pg_conn *conn, struct live *live, pg_done_fn *done, void *arg);

#endif
