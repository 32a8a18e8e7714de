/*
 * SQL of follow_up versions and of the due times that follow from them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FOLLOWUP_VERSION_STORE_H
#define FOLLOWUP_VERSION_STORE_H

#include "followup/version.h"
#include "pg/pg.h"

/* ($1 definitions) → the version of each, in the order asked; written if it isn't there yet. */
extern const struct pg_stmt follow_up_versions_stmt;
void follow_up_versions_params(struct pg_params *p, struct arena *a, const struct settings *s);

/* A case that opens now: under a follow_up, with an owner. */
struct opening_clocks {
	const struct follow_up *follow_up;
	int32_t version;                                            /* 0: not stored, a trial */
	const char *owner;                                          /* NULL: all owners' clocks show the same */
	struct wall_time acknowledge_due, resolve_due, next_action; /* WALL_NONE: none */
};
/* Whether the due times depend on who the owner is. */
bool opening_clocks_need_owner(const struct follow_up *f);

/* ($1 versions, $2 owners) → due times and what comes first, in the order asked. */
extern const struct pg_stmt opening_clocks_stmt;
/* ($1, $2 promises, $3 calendars, $4 owners) → the same of versions that are not stored. */
extern const struct pg_stmt opening_clocks_trial_stmt;
void opening_clocks_params(struct pg_params *p, struct arena *a, const struct opening_clocks *c, int n, bool trial);
void opening_clocks_read(const struct pg_rows *rows, struct opening_clocks *c, int n);

#endif
