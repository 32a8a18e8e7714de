/*
 * `rules list|show|diff`: the rule sets that were live, each as it was, and what differs between two of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/rules_diff.h"
#include "cli/rulesets.h"
#include "cli/verbs.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST_LIMIT 20
#define LINE_BYTES_MAX (1024 * 1024)

/* A comment of the file may hold what a terminal shouldn't get. */
static void print_json(struct cli *c, const struct buf *json)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	text_put_json(&out, buf_str(json), json->n);
	buf_putc(&out, '\n');
	cli_print(c, &out);
}

/* ---- list ---- */

/* Periods of one set that follow each other, on whatever daemon, are one row. */
static const struct pg_stmt sql_list = {
	"cli_rules_list",
	"WITH p AS (SELECT p.*, d.host, p.until IS NULL AND closeloop.daemon_is_alive(d) AS lives,"
	"  coalesce(p.until, greatest(p.since, d.seen_at)) AS seen,"
	"  lag(p.sha256) OVER (ORDER BY p.since, p.id) IS DISTINCT FROM p.sha256 AS begins"
	"  FROM closeloop.ruleset_periods AS p LEFT JOIN closeloop.daemons AS d ON d.id = p.daemon),"
	" r AS (SELECT *, sum(begins::int) OVER (ORDER BY since, id) AS run FROM p),"
	" l AS (SELECT run, sha256, min(since) AS since, coalesce(bool_or(lives), false) AS live,"
	"  CASE WHEN NOT coalesce(bool_or(lives), false) THEN max(seen) END AS until,"
	"  string_agg(DISTINCT coalesce(host, daemon), ', ') AS daemons,"
	"  (array_agg(asked_by ORDER BY since) FILTER (WHERE asked_by IS NOT NULL))[1] AS asked_by FROM r GROUP BY run, sha256)"
	" SELECT l.sha256, to_char(l.since AT TIME ZONE $1, 'YYYY-MM-DD HH24:MI'),"
	"  CASE WHEN l.live THEN 'now' ELSE to_char(l.until AT TIME ZONE $1, 'YYYY-MM-DD HH24:MI') END,"
	"  coalesce(l.daemons, ''), coalesce(l.asked_by, ''), s.text, l.since, l.until, l.live"
	" FROM l LEFT JOIN closeloop.rulesets AS s USING (sha256) ORDER BY l.run DESC LIMIT $2",
	2,
	{PG_TEXT, PG_INT8},
};

enum { LIST_SHA, LIST_SINCE, LIST_UNTIL, LIST_DAEMONS, LIST_BY, LIST_TEXT, LIST_SINCE_TIME, LIST_UNTIL_TIME, LIST_LIVE };

struct listed {
	struct settings *settings; /* NULL: this version doesn't understand it */
	struct arena *arena;
	struct rules_diff diff; /* against the one before */
	bool compared;
};

static struct settings *load_row(struct cli *c, const struct pg_rows *rows, int i)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	const char *text = pg_get_text(rows, i, LIST_TEXT, NULL);
	struct settings *s = NULL;

	if (text)
		settings_load_text(text, arena_printf(c->arena, "rules %.7s", pg_get_text(rows, i, LIST_SHA, NULL)), diags, &s);
	return s;
}

/* Newest first, so what a row changed is what the row below it lacks. At most two are in memory. */
static void list_row(struct cli *c, const struct pg_rows *rows, int i, struct settings **newer, struct listed *ret)
{
	*ret = (struct listed){.settings = *newer ? *newer : load_row(c, rows, i), .arena = arena_new(0)};
	*newer = i + 1 < pg_count(rows) ? load_row(c, rows, i + 1) : NULL;
	ret->compared = ret->settings && *newer;
	if (ret->compared)
		rules_diff_make(*newer, ret->settings, ret->arena, &ret->diff);
}

static void put_changed(const struct listed *l, bool first, struct buf *out)
{
	if (!l->settings)
		buf_puts(out, "(written for another version)");
	else if (!l->compared)
		buf_puts(out, first ? "the first" : "");
	else if (l->diff.n)
		rules_diff_put_short(&l->diff, out);
	else
		buf_puts(out, "comments and layout only");
}

static void put_list_row(const struct pg_rows *rows, int i, const struct listed *l, const int widths[2], struct buf *ret)
{
	struct buf changed CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX), line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);
	struct buf *out = &line;

	buf_printf(out, "%.7s  %-16s  %-16s  ", pg_get_text(rows, i, LIST_SHA, NULL), pg_get_text(rows, i, LIST_SINCE, NULL),
		   pg_get_text(rows, i, LIST_UNTIL, NULL));
	text_put_cell(out, pg_get_text(rows, i, LIST_DAEMONS, NULL), widths[0], false);
	if (l->settings)
		buf_printf(out, "  %5d  ", l->settings->n_rules);
	else
		buf_puts(out, "      -  ");
	text_put_cell(out, pg_get_text(rows, i, LIST_BY, NULL), widths[1], false);
	buf_puts(out, "  ");
	put_changed(l, i + 1 == pg_count(rows), &changed);
	buf_puts(out, buf_str(&changed));
	text_put_clipped(ret, buf_str(out), text_terminal_columns());
	buf_putc(ret, '\n');
}

static void put_list_head(const int widths[2], struct buf *out)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);

	buf_printf(&line, "SET      LIVE SINCE        UNTIL             %-*s  RULES  %-*s  CHANGED", widths[0], "DAEMONS",
		   widths[1], "BY");
	text_put_clipped(out, buf_str(&line), text_terminal_columns());
	buf_putc(out, '\n');
}

static void put_list_json(const struct pg_rows *rows, int i, const struct listed *l, struct buf *out)
{
	struct buf changed CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);
	char since[WALL_TEXT_BYTES], until[WALL_TEXT_BYTES];
	struct wall_time end = pg_get_time(rows, i, LIST_UNTIL_TIME);

	buf_puts(out, i ? ",{\"sha256\":" : "{\"sha256\":");
	json_put_string(out, pg_get_text(rows, i, LIST_SHA, NULL));
	buf_puts(out, ",\"since\":");
	json_put_string(out, wall_text(pg_get_time(rows, i, LIST_SINCE_TIME), since));
	buf_puts(out, ",\"until\":");
	json_put_string(out, wall_is_set(end) ? wall_text(end, until) : NULL);
	buf_printf(out, ",\"live\":%s,\"daemons\":", pg_get_bool(rows, i, LIST_LIVE) ? "true" : "false");
	json_put_string(out, pg_get_text(rows, i, LIST_DAEMONS, NULL));
	if (l->settings)
		buf_printf(out, ",\"rules\":%d,\"asked_by\":", l->settings->n_rules);
	else
		buf_puts(out, ",\"rules\":null,\"asked_by\":");
	json_put_string(out, *pg_get_text(rows, i, LIST_BY, NULL) ? pg_get_text(rows, i, LIST_BY, NULL) : NULL);
	put_changed(l, i + 1 == pg_count(rows), &changed);
	buf_puts(out, ",\"changed\":");
	json_put_string(out, buf_str(&changed));
	buf_putc(out, '}');
}

static void list_widths(const struct pg_rows *rows, int n, int ret[2])
{
	ret[0] = 7;
	ret[1] = 2;
	for (int i = 0; i < n; i++) {
		const char *daemons = pg_get_text(rows, i, LIST_DAEMONS, NULL), *by = pg_get_text(rows, i, LIST_BY, NULL);

		ret[0] = MIN(MAX(ret[0], text_columns(daemons, strlen(daemons))), 30);
		ret[1] = MIN(MAX(ret[1], text_columns(by, strlen(by))), 20);
	}
}

static void put_list(struct cli *c, const struct pg_rows *rows, int n)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct settings *newer CLEANUP(settings_freep) = NULL;
	int widths[2];

	list_widths(rows, n, widths);
	if (c->json)
		buf_putc(&out, '[');
	else if (n)
		put_list_head(widths, &out);
	for (int i = 0; i < n; i++) {
		struct listed l;

		list_row(c, rows, i, &newer, &l);
		if (c->json)
			put_list_json(rows, i, &l, &out);
		else
			put_list_row(rows, i, &l, widths, &out);
		settings_free(l.settings);
		arena_free(l.arena);
	}
	if (c->json) {
		buf_putc(&out, ']');
		print_json(c, &out);
		return;
	}
	if (n == 0)
		buf_puts(&out, "No rules were ever live here: closeloopd has not run on this database yet.\n");
	cli_print(c, &out);
}

static const struct option list_options[] = {{"--limit", "N", "so many, newest first (20)"}, {0}};

static int rules_list(struct cli *c, const struct args *a)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int64_t limit = LIST_LIMIT;
	struct pg_params p;
	const char *broken;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &limit);

	if (r == 0)
		r = cli_db_broken_ok(c, &broken);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, c->settings->timezone);
	pg_add_int8(&p, limit + 1); /* the last says what the one above it changed, and that there are more */
	r = cli_run(c, &sql_list, &p, &rows);
	if (r)
		return r;
	put_list(c, rows, (int)MIN((int64_t)pg_count(rows), limit));
	if (pg_count(rows) > limit)
		cli_error("only the first %lld are shown: --limit N shows more", (long long)limit);
	return 0;
}

/* ---- show ---- */

static const struct pg_stmt sql_when = {
	"cli_rules_when",
	"SELECT min(p.since), CASE WHEN NOT coalesce(bool_or(p.until IS NULL AND closeloop.daemon_is_alive(d)), false)"
	"  THEN max(coalesce(p.until, greatest(p.since, d.seen_at))) END"
	" FROM closeloop.ruleset_periods AS p LEFT JOIN closeloop.daemons AS d ON d.id = p.daemon WHERE p.sha256 = $1",
	1,
	{PG_TEXT},
};

static int show_json(struct cli *c, const struct cli_ruleset *set)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	char text[WALL_TEXT_BYTES];
	struct wall_time t;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_text(&p, set->sha256);
	r = cli_run(c, &sql_when, &p, &rows);
	if (r)
		return r;
	buf_puts(&out, "{\"sha256\":");
	json_put_string(&out, set->sha256);
	for (int i = 0; i < 2; i++) {
		t = pg_get_time(rows, 0, i);
		buf_puts(&out, i ? ",\"until\":" : ",\"since\":");
		json_put_string(&out, wall_is_set(t) ? wall_text(t, text) : NULL);
	}
	buf_puts(&out, ",\"text\":");
	json_put_string(&out, set->text);
	buf_putc(&out, '}');
	print_json(c, &out);
	return 0;
}

/* As it was, to the byte; only a terminal is kept from what a comment may hold. */
static void show_text(struct cli *c, const char *text)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	if (!isatty(STDOUT_FILENO)) {
		buf_puts(&out, text);
		cli_print(c, &out);
		return;
	}
	while (*text) {
		size_t n = strcspn(text, "\n\t");

		escape_terminal(&out, text, n);
		if (text[n])
			buf_putc(&out, text[n++]);
		text += n;
	}
	cli_print(c, &out);
}

static int rules_show(struct cli *c, const struct args *a)
{
	struct cli_ruleset set;
	const char *broken;
	int r = cli_db_broken_ok(c, &broken);

	if (r == 0)
		r = cli_ruleset_find(c, a->n_words ? a->words[0] : "live", &set);
	if (r)
		return r;
	if (c->json)
		return show_json(c, &set);
	show_text(c, set.text);
	return 0;
}

/* ---- diff ---- */

struct side {
	struct settings *settings;
	const char *name; /* "rules 3f9c2a1", "/etc/closeloop/closeloop.conf, rules 8d21b07" */
};

static int side_file(struct cli *c, const char *path, struct side *ret)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	int r = settings_load_bare(path, diags, &ret->settings);

	if (r == 0) {
		ret->name = arena_printf(c->arena, "%s, rules %.7s", path, ret->settings->sha256);
		return 0;
	}
	ret->settings = NULL;
	cli_print_diags(diags);
	if (r < 0)
		return cli_fail(EXIT_CONFIGURATION, "%s: %s", path, strerror(-r));
	return cli_fail(EXIT_CONFIGURATION, "%s has %d error%s: as it is, nothing of it can go live", path, diags->errors,
			diags->errors == 1 ? "" : "s");
}

static int side_set(struct cli *c, const char *word, struct side *ret)
{
	struct cli_ruleset set;
	int r = cli_ruleset_find(c, word, &set);

	if (r == 0)
		r = cli_ruleset_load(c, &set, &ret->settings);
	if (r == 0)
		ret->name = str_eq(word, "live") ? arena_printf(c->arena, "live %s", set.name) : set.name;
	return r;
}

static int side_read(struct cli *c, const char *word, struct side *ret)
{
	return cli_ruleset_is_file(word) ? side_file(c, word, ret) : side_set(c, word, ret);
}

static void put_diff(struct cli *c, const struct side *a, const struct side *b)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct rules_diff diff;

	rules_diff_make(a->settings, b->settings, c->arena, &diff);
	if (c->json) {
		buf_puts(&out, "{\"from\":");
		json_put_string(&out, a->settings->sha256);
		buf_puts(&out, ",\"to\":");
		json_put_string(&out, b->settings->sha256);
		buf_puts(&out, ",\"changes\":");
		rules_diff_put_json(&diff, &out);
		buf_putc(&out, '}');
		print_json(c, &out);
		return;
	}
	escape_terminal(&out, a->name, strlen(a->name));
	buf_puts(&out, " → ");
	escape_terminal(&out, b->name, strlen(b->name));
	buf_putc(&out, '\n');
	rules_diff_put(&diff, &out);
	if (diff.n)
		rules_diff_put_count(&diff, &out);
	else if (str_eq(a->settings->sha256, b->settings->sha256))
		buf_puts(&out, "the same");
	else
		buf_puts(&out, "the same but for comments, layout and what is written out");
	buf_puts(&out, ".\n");
	cli_print(c, &out);
}

static int rules_diff(struct cli *c, const struct args *a)
{
	const char *words[2] = {a->n_words > 0 ? a->words[0] : "live", a->n_words > 1 ? a->words[1] : c->config_path};
	struct side sides[2] = {{0}};
	const char *broken;
	int r = cli_ruleset_is_file(words[0]) && cli_ruleset_is_file(words[1]) ? 0 : cli_db_broken_ok(c, &broken);

	if (a->n_words < 2 && r == 0)
		r = side_file(c, c->config_path, &sides[1]);
	for (int i = 0; i < 2 && r == 0; i++)
		if (!sides[i].settings)
			r = side_read(c, words[i], &sides[i]);
	if (r == 0)
		put_diff(c, &sides[0], &sides[1]);
	settings_free(sides[0].settings);
	settings_free(sides[1].settings);
	return r;
}

const struct verb rules_verbs[] = {
	{"rules", "list", NULL, "the sets that were live, when, where, and what each changed", list_options, 0, 0, rules_list,
	 NULL},
	{"rules", "show", "[SET]", "the text of a set as it was (the live one)", NULL, 0, 1, rules_show, NULL},
	{"rules", "diff", "[A [B]]", "what differs: from the live set to the file on disk, or between sets or files", NULL, 0,
	 2, rules_diff, NULL},
	{0},
};
