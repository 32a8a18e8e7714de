/*
 * The migrations as they were when the program was built (sql/NNN_name.sql, made into C by sql/embed.py).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SQL_MIGRATIONS_H
#define SQL_MIGRATIONS_H

struct sql_migration {
	int number;         /* 1, 2, … without a gap */
	const char *name;   /* "001_schema" */
	const char *sha256; /* of text, hex */
	const char *text;   /* several statements, no BEGIN or COMMIT; may be run again */
};

extern const struct sql_migration sql_migrations[];
extern const int sql_migrations_n;

/* Creates the roles and gives them their rights; needs CREATEROLE. */
extern const char sql_roles[];

#endif
