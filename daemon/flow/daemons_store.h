/*
 * Who runs which configuration: rows of daemons and rulesets.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_DAEMONS_STORE_H
#define FLOW_DAEMONS_STORE_H

#include "pg/pg.h"

/* ($1 host) → id, pid, batch_limit of daemons of this host that never said goodbye. */
extern const struct pg_stmt daemons_of_host;
/*
 * ($1 id, $2 host, $3 pid, $4 version, $5 ruleset, $6 listening, $7 batch_limit, $8 last reload followed, $9 what is wrong
 * with the file on disk): new, or still here.
 */
extern const struct pg_stmt daemons_seen;
/* ($1 id) → true: the session says that the daemon is alive, as long as it lasts. Only where sessions are the daemon's own. */
extern const struct pg_stmt daemons_hold;
/* ($1 id) said goodbye. */
extern const struct pg_stmt daemons_stopped;
/* ($1 ids), and whoever was gone for a day, are gone: what they left undone is picked up as their leases end. */
extern const struct pg_stmt daemons_gone;
/* ($1 sha256, $2 text) is live. */
extern const struct pg_stmt rulesets_live;
/* The last request to reload → id, who asked, whether it is younger than a start takes; no row: none ever. */
extern const struct pg_stmt reload_look;

#endif
