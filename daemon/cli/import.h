/*
 * A CSV file against a table: what differs, and making it so in one transaction.
 *
 * Shared by owners and people. The file is laid beside the table by key; every row of it is added, changed or
 * the same, and with --replace a row of the table that isn't in the file is removed. The difference is printed before
 * anything is written; --dry-run stops there.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_IMPORT_H
#define CLI_IMPORT_H

#include "cli/args.h"
#include "cli/cli.h"
#include "cli/csv.h"

enum import_change { IMPORT_SAME, IMPORT_ADDED, IMPORT_CHANGED, IMPORT_REMOVED };

struct import {
	const char *const *columns; /* names, NULL-terminated */
	int n_columns;
	int n_keys;                  /* the first columns are the key */
	unsigned required;           /* a bit per column that must have a value */
	bool fold;                   /* the last key compares folded (closeloop.fold) */
	const struct pg_stmt *table; /* as import_table() takes it */
	const struct pg_stmt *apply; /* takes import_params() */
	/* What is wrong with the file's rows; 0 or an exit code; errors among diags will do. */
	int (*check_rows)(struct cli *c, struct import *in, struct diag_list *diags);
	/* The same once they were compared with the table; NULL: nothing. */
	void (*check_changes)(struct cli *c, struct import *in, struct diag_list *diags);

	const char *file; /* as diagnostics name it */
	unsigned present; /* a bit per column that the file has; what it lacks stays as it is */
	/* Rows of the file, then of the table: cells by column, NULL for empty. */
	struct import_row {
		const char **cells;
		const char *folded; /* the last key, as it compares */
		const char *key;
		int line;
		enum import_change change;
		bool in_file;                 /* of the table: the file has it too */
		const struct import_row *was; /* CHANGED: the row of the table */
	} * rows, *old;
	int n_rows, n_old;
	int added, changed, removed;
};

/*
 * import_read() - the file's rows; needs the database when keys fold
 * Missing columns are NULL cells. Duplicate keys are errors.
 */
int import_read(struct cli *c, const char *path, struct import *in, struct diag_list *diags);
/* Reads the table: a statement whose columns are the import's, as text, and when keys fold the folded last key. */
int import_table(struct cli *c, struct import *in, const struct pg_stmt *stmt);
/* Fills change, was and the counts. */
void import_compare(struct import *in, struct arena *a, bool replace);
/* "+ account hanbit minsu-kim", "~ …", "- …", then "1 added, 2 changed, 0 removed, 31 unchanged"; or one JSON array. */
void import_put(const struct import *in, bool json, const char *done, struct buf *out);

/*
 * One text array parameter per column over the rows that are added or changed, then one per key column over the rows
 * that are removed.
 */
void import_params(const struct import *in, struct arena *a, struct pg_params *p);

/* All of it, as `import FILE [--replace] [--dry-run]` does: reads, checks, compares, writes, tells. Return: exit code. */
int import_run(struct cli *c, const struct args *a, struct import *in);

/* The table as CSV, headings first. */
int import_export(struct cli *c, const char *const *columns, const struct pg_stmt *stmt);

#endif
