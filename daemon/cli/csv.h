/*
 * CSV as spreadsheets write it (RFC 4180), read record by record.
 *
 * Fields are separated by commas, or by semicolons or tabs when the headings are; quoted with "…" when they hold
 * separators, quotes (doubled) or line breaks. Lines end with LF, CR LF or CR; a byte order mark at the start is passed over; blank lines are
 * skipped. Text must be UTF-8. Every mistake is a diagnostic with the line it stands on.
 *
 * A spreadsheet runs a field that begins with = + - or @ as a formula, also in a file that somebody else wrote. So csv_put_cell()
 * writes an apostrophe before it, and csv_cell() takes that off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_CSV_H
#define CLI_CSV_H

#include "base/diag.h"

#define CSV_FILE_BYTES_MAX (64 * 1024 * 1024)
#define CSV_FIELDS_MAX 64
#define CSV_FIELD_BYTES_MAX (64 * 1024)

struct csv {
	const char *name; /* file name for diagnostics; "-" */
	const char *text;
	size_t n, at;
	int line; /* of the next record, from 1 */
	char separator;
};

struct csv_record {
	const char **fields; /* CSV_FIELDS_MAX places, in the arena */
	int n;
	int line; /* where it starts */
};

/* Passes over a byte order mark. The text stays the caller's. */
void csv_init(struct csv *c, const char *name, const char *text, size_t n);

#define CSV_E_END 1
#define CSV_E_INVALID 2 /* the diagnostic was added; the next call goes on behind the record */

/* Return: 0 with the record, CSV_E_END, or CSV_E_INVALID. */
int csv_next(struct csv *c, struct arena *arena, struct diag_list *diags, struct csv_record *ret);

/*
 * csv_header() - the first record as column names
 * @known: names that may stand there, NULL-terminated, in capitals or not; a wrong one gets the nearest
 * @ret_columns: for each known name its place in a record, or -1
 * Return: 0 or CSV_E_INVALID with diagnostics.
 */
int csv_header(struct csv *c, struct arena *arena, struct diag_list *diags, const char *const *known, int *ret_columns);

/* One field, quoted when needed. */
void csv_put(struct buf *out, const char *field);
/* The same for data, which a spreadsheet must not run. */
void csv_put_cell(struct buf *out, const char *cell);
/* What a field of the file stands for. */
const char *csv_cell(const char *field);
/* Why a field can't be meant ("=A1+B1", "#N/A"), or NULL. */
const char *csv_cell_trouble(const char *field);

#endif
