/*
 * Coverage as a table, and as JSON; see coverage.h.
 *
 *   touchpoint    account     lang  responses  told                  through
 *   installation  214 others  ko        1,102  18 people             lookup:account
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/coverage.h"

#include <string.h>

#define CELL_BYTES_MAX 8192
#define NAMES_SHOWN 2
#define GAP 2
#define LAST_MIN 20 /* columns for the last cell */
#define CUT_MIN 8   /* a column isn't made narrower */

enum { TOUCHPOINT, ACCOUNT, LANGUAGE, ROUTE, RESPONSES, TOLD, THROUGH, CELLS };

static const char *const class_words[COVERAGE_CLASSES] = {"told", "fallback", "no_rule", "ignored", "nobody"};

/* 1102 → "1,102" */
static void put_number(struct buf *out, int64_t n)
{
	if (n >= 1000) {
		put_number(out, n / 1000);
		buf_printf(out, ",%03d", (int)(n % 1000));
	} else {
		buf_printf(out, "%d", (int)n);
	}
}

/* ---- cells ---- */

/* Another row of the same touchpoint and language: then "214 others", else "214 accounts". */
static bool has_sibling(const struct coverage_report *r, const struct coverage_row *row)
{
	for (int i = 0; i < r->n_rows; i++)
		if (&r->rows[i] != row && str_eq(r->rows[i].touchpoint, row->touchpoint) &&
		    str_eq(r->rows[i].language, row->language) && str_eq(r->rows[i].route, row->route))
			return true;
	return false;
}

/* One is named. Of several, those that somebody has to do something for. */
static void put_accounts(const struct coverage_report *r, const struct coverage_row *row, struct buf *out)
{
	int n = row->accounts.n, shown = MIN(n, NAMES_SHOWN);

	if (n == 0) {
		buf_putc(out, '-');
		return;
	}
	if (n == 1 && !row->no_account) {
		buf_puts(out, row->accounts.items[0]);
		return;
	}
	if (n > 1 && row->class != COVERAGE_NOBODY) {
		put_number(out, n);
		buf_puts(out, has_sibling(r, row) ? " others" : " accounts");
		return;
	}
	for (int i = 0; i < shown; i++)
		buf_printf(out, "%s%s", i ? ", " : "", row->accounts.items[i]);
	if (n > shown)
		buf_printf(out, " +%d", n - shown);
	if (row->no_account)
		buf_puts(out, ", -");
}

static void put_told(const struct coverage_row *row, struct buf *out)
{
	bool teams = false;

	switch (row->class) {
	case COVERAGE_NOBODY: buf_puts(out, "NOBODY"); return;
	case COVERAGE_NO_RULE: buf_puts(out, "no case rule fits"); return;
	case COVERAGE_IGNORED: buf_puts(out, "ignored"); return;
	default: break;
	}
	if (row->told.n == 1) {
		buf_puts(out, row->told.items[0]);
		return;
	}
	for (int i = 0; i < MIN(row->told.n, COVERAGE_NAMES_MAX); i++)
		teams |= strchr(row->told.items[i], ':') != NULL;
	put_number(out, row->told.n);
	buf_puts(out, teams ? " people or teams" : " people");
}

static void put_through(const struct coverage_row *row, struct buf *out)
{
	if (row->class == COVERAGE_FALLBACK)
		buf_printf(out, "fallback%s%s", row->why ? ", " : "", row->why ? row->why : "");
	else
		buf_puts(out, row->through ? row->through : row->why ? row->why : "-");
}

static void put_cell(const struct coverage_report *r, const struct coverage_row *row, int cell, struct buf *out)
{
	buf_reset(out);
	switch (cell) {
	case TOUCHPOINT: buf_puts(out, row->touchpoint ? row->touchpoint : "-"); break;
	case ACCOUNT: put_accounts(r, row, out); break;
	case LANGUAGE: buf_puts(out, row->language ? row->language : "-"); break;
	case ROUTE: buf_puts(out, row->route ? row->route : "-"); break;
	case RESPONSES: put_number(out, row->responses); break;
	case TOLD: put_told(row, out); break;
	default: put_through(row, out); break;
	}
}

/* ---- the table ---- */

struct table {
	const struct coverage_told *t;
	int widths[CELLS]; /* 0: left out */
};

static const char *const headings[CELLS] = {"touchpoint", "account", "lang", "route", "responses", "told", "through"};
static const int widest[CELLS] = {24, 24, 8, 16, 12, 24, 0};

/* Rows that fit the limit, and all that reach nobody. */
static bool is_shown(const struct table *t, int row)
{
	return row < t->t->limit || t->t->report.rows[row].class == COVERAGE_NOBODY;
}

static void measure(struct table *t, struct buf *cell)
{
	const struct coverage_report *r = &t->t->report;

	for (int i = 0; i < CELLS; i++) {
		if (i == ROUTE && r->n_routes < 2)
			continue;
		t->widths[i] = (int)strlen(headings[i]);
		for (int row = 0; row < r->n_rows; row++) {
			if (!is_shown(t, row))
				continue;
			put_cell(r, &r->rows[row], i, cell);
			t->widths[i] = MAX(t->widths[i], text_columns(buf_str(cell), cell->n));
		}
		if (widest[i])
			t->widths[i] = MIN(t->widths[i], widest[i]);
	}
}

/* The widest give way until the line fits and leaves room for the last column. */
static void fit(struct table *t)
{
	for (;;) {
		int used = LAST_MIN, most = -1;

		for (int i = 0; i < CELLS - 1; i++) {
			used += t->widths[i] ? t->widths[i] + GAP : 0;
			if (t->widths[i] > CUT_MIN && i != RESPONSES && (most < 0 || t->widths[i] > t->widths[most]))
				most = i;
		}
		if (used <= text_terminal_columns() || most < 0)
			return;
		t->widths[most]--;
	}
}

static void put_row(const struct table *t, const struct coverage_row *row, struct buf *cell, struct buf *out)
{
	int used = 0;

	for (int i = 0; i < CELLS; i++) {
		if (!t->widths[i])
			continue;
		if (row)
			put_cell(&t->t->report, row, i, cell);
		else
			buf_reset(cell), buf_puts(cell, headings[i]);
		if (i == CELLS - 1) {
			text_put_clipped(out, buf_str(cell), MAX(text_terminal_columns() - used, CUT_MIN));
			break;
		}
		text_put_cell(out, buf_str(cell), t->widths[i], i == RESPONSES);
		buf_printf(out, "%*s", GAP, "");
		used += t->widths[i] + GAP;
	}
	buf_putc(out, '\n');
}

static void put_table(const struct coverage_told *told, struct buf *out)
{
	struct buf cell CLEANUP(buf_fini) = BUF_INIT(CELL_BYTES_MAX);
	struct table t = {.t = told};
	const struct coverage_report *r = &told->report;
	int hidden = 0;

	measure(&t, &cell);
	fit(&t);
	put_row(&t, NULL, &cell, out);
	for (int i = 0; i < r->n_rows; i++) {
		if (is_shown(&t, i))
			put_row(&t, &r->rows[i], &cell, out);
		else
			hidden++;
	}
	if (hidden)
		buf_printf(out, "… and %d rows with fewer responses: --limit N shows more\n", hidden);
}

/* ---- the sums ---- */

static void put_sums(const struct coverage_report *r, struct buf *out)
{
	const int64_t *worst = r->worst;
	int64_t reached = worst[COVERAGE_TOLD] + worst[COVERAGE_FALLBACK];

	buf_puts(out, "reached ");
	put_number(out, reached);
	buf_puts(out, " of ");
	put_number(out, r->responses);
	buf_puts(out, " · by fallback ");
	put_number(out, worst[COVERAGE_FALLBACK]);
	if (r->responses)
		buf_printf(out, " (%.1f%%)", 100.0 * (double)worst[COVERAGE_FALLBACK] / (double)r->responses);
	if (worst[COVERAGE_NO_RULE]) {
		buf_puts(out, " · no case rule fits ");
		put_number(out, worst[COVERAGE_NO_RULE]);
	}
	if (worst[COVERAGE_IGNORED]) {
		buf_puts(out, " · ignored ");
		put_number(out, worst[COVERAGE_IGNORED]);
	}
	buf_puts(out, " · nobody ");
	put_number(out, worst[COVERAGE_NOBODY]);
	buf_putc(out, '\n');
}

static void put_people(const struct coverage_told *t, struct buf *out)
{
	static const int indent = 8;
	struct buf line CLEANUP(buf_fini) = BUF_INIT(1024 * 1024), lines CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	for (int i = 0; i < t->n_troubles; i++)
		buf_printf(&line, "%s%s: %s", i ? " · " : "", t->troubles[i].who, t->troubles[i].text);
	if (!t->n_troubles)
		return;
	text_put_wrapped(&lines, buf_str(&line), MAX(text_terminal_columns() - indent, 30), indent);
	buf_puts(out, "people");
	buf_puts(out, lines.n > 6 ? buf_str(&lines) + 6 : "\n");
}

void coverage_put_text(const struct coverage_told *t, struct buf *out)
{
	const struct coverage_report *r = &t->report;

	buf_printf(out, "%s..%s, each response as if a case rule had matched\n", t->since, t->until);
	if (r->n_routes == 0)
		buf_puts(out, "No rule opens a case, so nobody is told of any response.\n");
	if (r->responses == 0)
		buf_puts(out, "There is no response of that time.\n");
	else
		put_table(t, out);
	if (r->responses)
		put_sums(r, out);
	put_people(t, out);
}

/* ---- JSON ---- */

static void put_member(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	json_put_string(out, value);
}

static void put_names(struct buf *out, const char *name, const struct coverage_names *names)
{
	buf_printf(out, ",\"%s\":[", name);
	for (int i = 0; i < MIN(names->n, COVERAGE_NAMES_MAX); i++) {
		buf_puts(out, i ? "," : "");
		json_put_string(out, names->items[i]);
	}
	buf_printf(out, "],\"%s_count\":%d", name, names->n);
}

static void put_json_row(const struct coverage_row *row, struct buf *out)
{
	buf_puts(out, "{\"touchpoint\":");
	json_put_string(out, row->touchpoint);
	put_names(out, "accounts", &row->accounts);
	buf_printf(out, ",\"without_account\":%s", row->no_account ? "true" : "false");
	put_member(out, "language", row->language);
	put_member(out, "route", row->route);
	buf_printf(out, ",\"responses\":%lld", (long long)row->responses);
	put_member(out, "class", class_words[row->class]);
	put_names(out, "told", &row->told);
	put_member(out, "through", row->through);
	put_member(out, "why", row->why);
	buf_putc(out, '}');
}

static void put_json(const struct coverage_told *t, struct buf *out)
{
	const struct coverage_report *r = &t->report;

	buf_puts(out, "{\"since\":");
	json_put_string(out, t->since);
	put_member(out, "until", t->until);
	buf_printf(out, ",\"responses\":%lld,\"reached\":%lld", (long long)r->responses,
		   (long long)(r->worst[COVERAGE_TOLD] + r->worst[COVERAGE_FALLBACK]));
	for (int i = COVERAGE_FALLBACK; i < COVERAGE_CLASSES; i++)
		buf_printf(out, ",\"%s\":%lld", class_words[i], (long long)r->worst[i]);
	buf_puts(out, ",\"rows\":[");
	for (int i = 0; i < r->n_rows; i++) {
		buf_puts(out, i ? "," : "");
		put_json_row(&r->rows[i], out);
	}
	buf_puts(out, "],\"people\":[");
	for (int i = 0; i < t->n_troubles; i++) {
		buf_puts(out, i ? ",{\"person\":" : "{\"person\":");
		json_put_string(out, t->troubles[i].who);
		put_member(out, "trouble", t->troubles[i].trouble);
		put_member(out, "text", t->troubles[i].text);
		buf_putc(out, '}');
	}
	buf_puts(out, "]}");
}

void coverage_put_json(const struct coverage_told *t, struct buf *out)
{
	struct buf json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	put_json(t, &json);
	text_put_json(out, buf_str(&json), json.n);
	buf_putc(out, '\n');
}
