/*
 * `closeloop migrate`: creates or updates the schema.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_MIGRATE_H
#define CLI_MIGRATE_H

#include "base/buf.h"
#include "pg/pg.h"

struct migrate_options {
	const char *instance; /* the configured name: stored the first time, compared afterwards */
	bool dry_run;         /* print what would be run, change nothing */
	bool roles;           /* also create the roles, and print how to grant them */
	const char *adopt;    /* take the database over under this name; NULL: don't */
};

#define MIGRATE_OUTPUT_BYTES_MAX (4 * 1024 * 1024)

/*
 * migrate_run() - bring the schema up to this program
 * @out: what was done, or the SQL of a dry run; for stdout, also when it failed half-way
 *
 * Each migration is one transaction, under an advisory lock: of two that run at once the second finds nothing to do.
 * Return: 0, or an exit code after the reason was told on stderr.
 */
int migrate_run(struct pg_sync *db, const struct migrate_options *o, struct buf *out);

#endif
