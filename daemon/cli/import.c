/*
 * A CSV file against a table; see import.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/import.h"
#include "base/escape.h"

#include <stdlib.h>
#include <string.h>

#define IMPORT_ROWS_MAX 1000000
#define KEY_SEPARATOR '\x1f'

static const char *trimmed(struct arena *a, const char *text)
{
	size_t n;

	text += strspn(text, " \t");
	n = strlen(text);
	while (n > 0 && strchr(" \t", text[n - 1]))
		n--;
	return n ? arena_strndup(a, text, n) : NULL;
}

static const struct pg_stmt sql_fold = {
	"cli_fold",
	"SELECT closeloop.fold(v) FROM unnest($1) WITH ORDINALITY u(v, n) ORDER BY n",
	1,
	{PG_TEXT_ARRAY},
};

static const char *row_key(const struct import *in, struct arena *a, const struct import_row *row)
{
	struct buf key CLEANUP(buf_fini) = BUF_INIT(CSV_FIELD_BYTES_MAX * 4);

	for (int i = 0; i < in->n_keys; i++) {
		const char *cell = i == in->n_keys - 1 ? row->folded : row->cells[i];

		if (i)
			buf_putc(&key, KEY_SEPARATOR);
		buf_puts(&key, cell ? cell : "");
	}
	return arena_strdup(a, buf_str(&key));
}

/* How two keys compare is the database's to say: its unique index folds them. */
static int make_keys(struct cli *c, struct import *in)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_array last;
	struct pg_params p;
	int r = 0;

	if (in->fold) {
		pg_array_init(&last, c->arena, PG_TEXT);
		for (int i = 0; i < in->n_rows; i++)
			pg_array_text(&last, in->rows[i].cells[in->n_keys - 1]);
		pg_params_init(&p, c->arena);
		pg_add_array(&p, &last);
		r = cli_run(c, &sql_fold, &p, &rows);
	}
	for (int i = 0; i < in->n_rows && r == 0; i++) {
		struct import_row *row = &in->rows[i];

		row->folded = in->fold ? arena_strdup(c->arena, pg_get_text(rows, i, 0, NULL)) : row->cells[in->n_keys - 1];
		row->key = row_key(in, c->arena, row);
	}
	return r;
}

static int order_by_key(const void *pa, const void *pb)
{
	const struct import_row *a = *(const struct import_row *const *)pa, *b = *(const struct import_row *const *)pb;
	int r = strcmp(a->key, b->key);

	return r ? r : a->line - b->line;
}

/* Pointers to the rows, sorted by key. */
static struct import_row **sorted(struct arena *a, struct import_row *rows, int n)
{
	struct import_row **by_key = arena_new_array(a, struct import_row *, (size_t)n + 1);

	for (int i = 0; i < n; i++)
		by_key[i] = &rows[i];
	qsort(by_key, (size_t)n, sizeof(by_key[0]), order_by_key);
	return by_key;
}

static void find_duplicates(const struct import *in, struct arena *a, const char *file, struct diag_list *diags)
{
	struct import_row **by_key = sorted(a, in->rows, in->n_rows);

	for (int i = 1; i < in->n_rows; i++)
		if (str_eq(by_key[i - 1]->key, by_key[i]->key))
			diag_add(diags, DIAG_ERROR, (struct text_pos){file, by_key[i]->line}, "%s is there already, in line %d",
				 by_key[i]->cells[in->n_keys - 1], by_key[i - 1]->line);
}

/* Cells of one record by the import's columns. */
static void take_row(struct import *in, struct arena *a, const struct csv_record *record, const int *places,
		     struct import_row *ret)
{
	ret->cells = arena_new_array(a, const char *, (size_t)in->n_columns);
	ret->line = record->line;
	for (int i = 0; i < in->n_columns; i++)
		if (places[i] >= 0 && places[i] < record->n)
			ret->cells[i] = trimmed(a, record->fields[places[i]]);
}

/* A spreadsheet's own: formulas and errors are refused, and the guard that csv_put_cell() writes is taken off. */
static void take_cells(const struct import *in, struct import_row *row, struct diag_list *diags)
{
	for (int i = 0; i < in->n_columns; i++) {
		const char *cell = row->cells[i], *trouble = cell ? csv_cell_trouble(cell) : NULL;

		if (trouble)
			diag_add(diags, DIAG_ERROR, (struct text_pos){in->file, row->line}, "%s '%.*s': %s", in->columns[i],
				 (int)utf8_clip(cell, strlen(cell), 60), cell, trouble);
		row->cells[i] = cell ? csv_cell(cell) : NULL;
	}
}

static bool header_complete(const struct import *in, const char *file, const int *places, struct diag_list *diags)
{
	for (int i = 0; i < in->n_columns; i++)
		if (in->required & 1u << i && places[i] < 0)
			diag_add(diags, DIAG_ERROR, (struct text_pos){file, 1}, "the column '%s' is missing", in->columns[i]);
	return diags->errors == 0;
}

static void check_row(const struct import *in, const struct csv_record *record, const struct import_row *row, int header_fields,
		      struct diag_list *diags)
{
	if (record->n != header_fields)
		diag_add(diags, DIAG_ERROR, (struct text_pos){in->file, record->line}, "%d fields where the first line has %d",
			 record->n, header_fields);
	for (int i = 0; i < in->n_columns; i++)
		if (in->required & 1u << i && !row->cells[i])
			diag_add(diags, DIAG_ERROR, (struct text_pos){in->file, record->line}, "'%s' is empty", in->columns[i]);
}

int import_read(struct cli *c, const char *path, struct import *in, struct diag_list *diags)
{
	int places[CSV_FIELDS_MAX], room = 64, header_fields = 0, r;
	const char *text, *name = str_eq(path, "-") ? "stdin" : path;
	struct csv_record record;
	struct csv csv;
	size_t n;

	r = cli_read_file(c, path, CSV_FILE_BYTES_MAX, &text, &n);
	if (r)
		return r;
	in->file = name;
	csv_init(&csv, name, text, n);
	if (csv_header(&csv, c->arena, diags, in->columns, places) || !header_complete(in, name, places, diags))
		return EXIT_BAD_DATA;
	for (int i = 0; i < in->n_columns; i++) {
		header_fields += places[i] >= 0;
		in->present |= places[i] >= 0 ? 1u << i : 0;
	}
	in->rows = arena_new_array(c->arena, struct import_row, (size_t)room);
	while ((r = csv_next(&csv, c->arena, diags, &record)) != CSV_E_END) {
		if (r)
			continue;
		if (in->n_rows == IMPORT_ROWS_MAX)
			return cli_fail(EXIT_BAD_DATA, "%s: more than %d rows", name, IMPORT_ROWS_MAX);
		if (in->n_rows == room) {
			struct import_row *more = arena_new_array(c->arena, struct import_row, (size_t)room * 2);

			memcpy(more, in->rows, (size_t)room * sizeof(*more));
			in->rows = more;
			room *= 2;
		}
		take_row(in, c->arena, &record, places, &in->rows[in->n_rows]);
		check_row(in, &record, &in->rows[in->n_rows], header_fields, diags);
		take_cells(in, &in->rows[in->n_rows], diags);
		in->n_rows++;
	}
	if (diags->errors)
		return EXIT_BAD_DATA;
	r = make_keys(c, in);
	if (r)
		return r;
	find_duplicates(in, c->arena, name, diags);
	return diags->errors ? EXIT_BAD_DATA : 0;
}

int import_table(struct cli *c, struct import *in, const struct pg_stmt *stmt)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, stmt, NULL, &rows);

	if (r)
		return r;
	in->n_old = pg_count(rows);
	in->old = arena_new_array(c->arena, struct import_row, (size_t)in->n_old + 1);
	for (int i = 0; i < in->n_old; i++) {
		struct import_row *old = &in->old[i];

		old->cells = arena_new_array(c->arena, const char *, (size_t)in->n_columns);
		for (int k = 0; k < in->n_columns; k++)
			old->cells[k] = arena_strdup(c->arena, pg_get_text(rows, i, k, NULL));
		old->folded = in->fold ? arena_strdup(c->arena, pg_get_text(rows, i, in->n_columns, NULL))
				       : old->cells[in->n_keys - 1];
		old->key = row_key(in, c->arena, old);
	}
	return 0;
}

/* Compares row with the table's; what the file has no column for is taken from there. */
static bool same_cells(const struct import *in, struct import_row *row, const struct import_row *old)
{
	bool same = true;

	for (int i = 0; i < in->n_columns; i++) {
		if (!(in->present & 1u << i))
			row->cells[i] = old->cells[i];
		same = same && str_eq(row->cells[i], old->cells[i]);
	}
	return same;
}

void import_compare(struct import *in, struct arena *a, bool replace)
{
	struct import_row **rows = sorted(a, in->rows, in->n_rows), **old = sorted(a, in->old, in->n_old);
	int i = 0, k = 0;

	while (i < in->n_rows || k < in->n_old) {
		int order = i == in->n_rows ? 1 : k == in->n_old ? -1 : strcmp(rows[i]->key, old[k]->key);

		if (order < 0) {
			rows[i++]->change = IMPORT_ADDED;
			in->added++;
		} else if (order > 0) {
			if (replace) {
				old[k]->change = IMPORT_REMOVED;
				in->removed++;
			}
			k++;
		} else {
			old[k]->in_file = true;
			if (!same_cells(in, rows[i], old[k])) {
				rows[i]->change = IMPORT_CHANGED;
				rows[i]->was = old[k];
				in->changed++;
			}
			i++;
			k++;
		}
	}
}

/* ---- showing it ---- */

static void put_cell(struct buf *out, const char *cell)
{
	buf_putc(out, ' ');
	text_put_clipped(out, cell ? cell : "-", 60);
}

static void put_change(const struct import *in, const struct import_row *row, struct buf *out)
{
	static const char marks[] = {[IMPORT_ADDED] = '+', [IMPORT_CHANGED] = '~', [IMPORT_REMOVED] = '-'};

	buf_putc(out, marks[row->change]);
	for (int i = 0; i < in->n_columns; i++) {
		if (i >= in->n_keys && row->was && str_eq(row->cells[i], row->was->cells[i]))
			continue;
		if (i < in->n_keys) {
			put_cell(out, row->cells[i]);
		} else if (row->was) {
			buf_printf(out, "  %s", in->columns[i]);
			put_cell(out, row->was->cells[i]);
			buf_puts(out, " →");
			put_cell(out, row->cells[i]);
		} else if (row->cells[i]) {
			buf_printf(out, "  %s", in->columns[i]);
			put_cell(out, row->cells[i]);
		}
	}
	buf_putc(out, '\n');
}

static void put_change_json(const struct import *in, const struct import_row *row, bool first, struct buf *out)
{
	static const char *const words[] = {"same", "added", "changed", "removed"};

	buf_printf(out, "%s{\"change\":\"%s\"", first ? "\n " : ",\n ", words[row->change]);
	for (int i = 0; i < in->n_columns; i++) {
		buf_putc(out, ',');
		json_put_string(out, in->columns[i]);
		buf_putc(out, ':');
		json_put_string(out, row->cells[i]);
	}
	buf_putc(out, '}');
}

void import_put(const struct import *in, bool json, const char *done, struct buf *out)
{
	bool first = true;

	if (json)
		buf_putc(out, '[');
	for (int i = 0; i < in->n_rows + in->n_old; i++) {
		const struct import_row *row = i < in->n_rows ? &in->rows[i] : &in->old[i - in->n_rows];

		if (row->change == IMPORT_SAME)
			continue;
		if (json)
			put_change_json(in, row, first, out);
		else
			put_change(in, row, out);
		first = false;
	}
	if (json)
		buf_puts(out, first ? "]\n" : "\n]\n");
	else
		buf_printf(out, "%d added, %d changed, %d removed, %d unchanged%s\n", in->added, in->changed, in->removed,
			   in->n_rows - in->added - in->changed, done);
}

void import_params(const struct import *in, struct arena *a, struct pg_params *p)
{
	pg_params_init(p, a);
	for (int i = 0; i < in->n_columns; i++) {
		struct pg_array column;

		pg_array_init(&column, a, PG_TEXT);
		for (int k = 0; k < in->n_rows; k++)
			if (in->rows[k].change != IMPORT_SAME)
				pg_array_text(&column, in->rows[k].cells[i]);
		pg_add_array(p, &column);
	}
	for (int i = 0; i < in->n_keys; i++) {
		struct pg_array column;

		pg_array_init(&column, a, PG_TEXT);
		for (int k = 0; k < in->n_old; k++)
			if (in->old[k].change == IMPORT_REMOVED)
				pg_array_text(&column, in->old[k].cells[i]);
		pg_add_array(p, &column);
	}
}

struct export
{
	struct buf *out;
	int n_columns;
};

static int export_row(void *arg, const struct pg_rows *row)
{
	struct export *e = arg;

	for (int i = 0; i < e->n_columns; i++) {
		const char *cell = pg_get_text(row, 0, i, NULL);

		if (i)
			buf_putc(e->out, ',');
		csv_put_cell(e->out, cell ? cell : "");
	}
	buf_putc(e->out, '\n');
	return e->out->overflow;
}

static int import_apply(struct cli *c, const struct args *a, struct import *in, struct diag_list *diags)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	bool dry = args_has(a, "--dry-run");
	struct pg_params p;
	int r = import_read(c, a->words[0], in, diags);

	if (r == 0)
		r = in->check_rows(c, in, diags);
	if (r == 0 && diags->errors)
		r = EXIT_BAD_DATA;
	if (r == 0)
		r = import_table(c, in, in->table);
	if (r)
		return r;
	import_compare(in, c->arena, args_has(a, "--replace"));
	if (in->check_changes)
		in->check_changes(c, in, diags);
	if (diags->errors)
		return EXIT_BAD_DATA;
	if (!dry && in->added + in->changed + in->removed) {
		import_params(in, c->arena, &p);
		r = cli_run(c, in->apply, &p, NULL);
		if (r)
			return r;
	}
	cli_print_diags(diags);
	import_put(in, c->json, dry ? " (dry run: nothing written)" : "", &out);
	cli_print(c, &out);
	return 0;
}

int import_run(struct cli *c, const struct args *a, struct import *in)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	int r = cli_db(c);

	if (r)
		return r;
	r = import_apply(c, a, in, diags);
	if (r)
		cli_print_diags(diags);
	if (r == EXIT_BAD_DATA && diags->errors)
		cli_error("nothing was imported");
	return r;
}

int import_export(struct cli *c, const char *const *columns, const struct pg_stmt *stmt)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct export e = {&out, 0};
	struct pg_error error = {0};

	for (; columns[e.n_columns]; e.n_columns++) {
		if (e.n_columns)
			buf_putc(&out, ',');
		csv_put(&out, columns[e.n_columns]);
	}
	buf_putc(&out, '\n');
	if (pg_sync_stream(c->db, stmt, NULL, export_row, &e, &error) < 0)
		return cli_sql_error(&error);
	cli_print(c, &out);
	return 0;
}
