/*
 * Does the database fit this program? Which migrations it has, and which instance it belongs to.
 *
 * Used by the daemon over its asynchronous connection and by the command over its blocking one: run
 * schema_stmt, give rows or error to schema_judge(), show the sentence.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SQL_SCHEMA_H
#define SQL_SCHEMA_H

#include "pg/pg.h"

enum schema_state {
	SCHEMA_FITS,
	SCHEMA_MISSING,  /* closeloop migrate has never run here */
	SCHEMA_OLDER,    /* closeloop migrate is due */
	SCHEMA_CHANGED,  /* a migration that was applied has another text in this program */
	SCHEMA_NEWER,    /* this program is too old */
	SCHEMA_INSTANCE, /* the database is another instance's: it may be a copy */
	SCHEMA_UNKNOWN   /* the question failed for another reason: an error of the connection, or no rights */
};

/* The applied migrations, lowest number first: number, name, sha256, instance. */
extern const struct pg_stmt schema_stmt;

struct schema_row {
	int number;
	const char *name, *sha256;
};

/* What the database says of itself. */
struct schema_found {
	const struct schema_row *rows; /* by number */
	int n;
	const char *instance; /* NULL: no name stored */
};

/*
 * schema_compare() - the pure part
 * @instance: the configured name; NULL doesn't look at it
 * ret_why gets one sentence without a full stop, in arena or static; NULL when it fits.
 */
enum schema_state schema_compare(const struct schema_found *found, const char *instance, struct arena *arena,
				 const char **ret_why);

/* The same for the answer of schema_stmt: rows, or the error when there are none. */
enum schema_state schema_judge(const struct pg_rows *rows, const struct pg_error *error, const char *instance,
			       struct arena *arena, const char **ret_why);

/* Texts of the rows are copied into arena. */
void schema_read(const struct pg_rows *rows, struct arena *arena, struct schema_found *ret);

#endif
