/*
 * Rows as aligned tables and as JSON; see cli.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"

#include <string.h>

#define GAP 2
#define CUT_MIN 8    /* columns that a cut cell keeps */
#define LAST_MIN 8   /* and that the last one is left, if it can be done */
#define CELL_FIRST 2 /* column of the statement that holds the first cell */
#define CELL_BYTES_MAX (64 * 1024)

static const char *cell_text(const struct pg_rows *rows, int row, int i, enum cell_kind kind, struct buf *room)
{
	struct wall_time t, now;
	const char *text;

	if (kind == CELL_TEXT || kind == CELL_RIGHT) {
		text = pg_get_text(rows, row, CELL_FIRST + i, NULL);
		return text && *text ? text : "-";
	}
	buf_reset(room);
	t = pg_get_time(rows, row, CELL_FIRST + i);
	now = pg_get_time(rows, row, 1);
	if (kind == CELL_DUE && wall_is_set(t) && t.us < now.us) {
		text_put_duration(room, now.us - t.us);
		buf_puts(room, " late");
	} else {
		text_put_relative(room, t, now);
	}
	return buf_str(room);
}

static int columns_measure(const struct pg_rows *rows, int n_rows, const struct column *columns, int *widths)
{
	struct buf room CLEANUP(buf_fini) = BUF_INIT(CELL_BYTES_MAX);
	int n = 0;

	for (; columns[n].heading; n++) {
		widths[n] = text_columns(columns[n].heading, strlen(columns[n].heading));
		for (int row = 0; row < n_rows; row++) {
			struct buf cell CLEANUP(buf_fini) = BUF_INIT(CELL_BYTES_MAX * 10);

			text_put_clipped(&cell, cell_text(rows, row, n, columns[n].kind, &room), CELL_BYTES_MAX);
			widths[n] = MAX(widths[n], text_columns(buf_str(&cell), cell.n));
		}
		if (columns[n].max_columns)
			widths[n] = MIN(widths[n], columns[n].max_columns);
	}
	return n;
}

/*
 * On a narrow terminal the widest of the columns that may be cut (max_columns) give way, so that the last one, whose heading
 * must fit, is left some room. Returns what all but the last take.
 */
static int columns_fit(const struct column *columns, int *widths, int n, int terminal)
{
	int used = 0, last = MIN(widths[n - 1], LAST_MIN);

	for (int i = 0; i < n - 1; i++)
		used += widths[i] + GAP;
	while (used + last > terminal) {
		int widest = -1;

		for (int i = 0; i < n - 1; i++)
			if (columns[i].max_columns && widths[i] > CUT_MIN && (widest < 0 || widths[i] > widths[widest]))
				widest = i;
		if (widest < 0)
			break;
		widths[widest]--;
		used--;
	}
	return used;
}

/* Spaces at the end of a line are nobody's. */
static void end_line(struct buf *out)
{
	while (out->n && out->p[out->n - 1] == ' ')
		out->n--;
	buf_putc(out, '\n');
}

void cli_put_table(struct buf *out, const struct pg_rows *rows, int n_rows, const struct column *columns)
{
	struct buf room CLEANUP(buf_fini) = BUF_INIT(CELL_BYTES_MAX);
	int widths[COLUMNS_MAX], n = columns_measure(rows, n_rows, columns, widths), terminal = text_terminal_columns(), used;

	used = columns_fit(columns, widths, n, terminal);
	/* The last column takes what is left: long texts are cut there and stand in full in `show`. */
	widths[n - 1] = MIN(widths[n - 1], MAX(terminal - used, 8));
	for (int row = -1; row < n_rows; row++) {
		for (int i = 0; i < n; i++) {
			const char *text = row < 0 ? columns[i].heading : cell_text(rows, row, i, columns[i].kind, &room);

			text_put_cell(out, text, widths[i], columns[i].kind == CELL_RIGHT);
			if (i < n - 1)
				buf_printf(out, "%*s", GAP, "");
		}
		end_line(out);
	}
}

void cli_put_json_rows(struct buf *out, const struct pg_rows *rows, int n_rows)
{
	buf_puts(out, "[");
	for (int i = 0; i < n_rows; i++) {
		size_t n;
		const char *json = pg_get_text(rows, i, 0, &n);

		buf_puts(out, i ? ",\n " : "\n ");
		text_put_json(out, json, n);
	}
	buf_puts(out, n_rows ? "\n]\n" : "]\n");
}

int cli_list(struct cli *c, const struct listing *list, const struct pg_params *params)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, list->stmt, params, &rows), n;

	if (r)
		return r;
	n = (int)MIN((int64_t)pg_count(rows), list->limit);
	if (c->json)
		cli_put_json_rows(&out, rows, n);
	else if (n)
		cli_put_table(&out, rows, n, list->columns);
	else
		buf_printf(&out, "%s\n", list->empty);
	cli_print(c, &out);
	if (pg_count(rows) > n)
		cli_error("only the first %d are shown: --limit N shows more", n);
	return 0;
}

int cli_print_changed(struct cli *c, const struct pg_rows *rows, const char *what)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	if (c->json)
		cli_put_json_rows(&out, rows, pg_count(rows));
	else
		buf_printf(&out, "%d %s\n", pg_count(rows), what);
	cli_print(c, &out);
	return 0;
}

void cli_put_lines(struct buf *out, const struct pg_rows *rows, int from, int to, int label_columns)
{
	int width = MAX(text_terminal_columns() - label_columns, 20);

	for (int i = from; i < to && i < pg_count(rows); i++) {
		const char *value = pg_get_text(rows, i, 1, NULL);
		size_t label_at = out->n;

		while (value && (*value == '\n' || *value == '\r'))
			value++;
		if (!value || !*value)
			continue;
		/* The first line's indent makes room for the label. */
		text_put_wrapped(out, value, width, label_columns);
		if (!out->overflow && out->n > label_at) {
			const char *label = pg_get_text(rows, i, 0, NULL);
			size_t n = MIN(strlen(label), (size_t)label_columns);

			memcpy(out->p + label_at, label, n);
		}
	}
}

void cli_put_json(const struct pg_rows *rows, struct buf *out)
{
	size_t n;
	const char *json = pg_get_text(rows, 0, 0, &n);

	text_put_json(out, json, n);
	buf_putc(out, '\n');
}

int cli_show_json(struct cli *c, const struct pg_stmt *stmt, const struct pg_params *params, const char *unknown)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, stmt, params, &rows);

	if (r)
		return r;
	if (pg_count(rows) == 0)
		return cli_fail(EXIT_NO, "%s", unknown);
	cli_put_json(rows, &out);
	cli_print(c, &out);
	return 0;
}
