/*
 * What `backtest` found, for people: a table of the rules, what differs with examples, and what no rule caught.
 *
 * A line is never wider than the terminal but for the name of a rule; bars are block characters where the locale can show them. What customers wrote is made
 * safe on its way (text_put_*).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/backtest.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#define NAME_COLUMNS_LEAST 12
#define NAME_COLUMNS_MAX 40
#define BARS_MAX 26
#define BARS_LEAST 8
#define FIGURES_COLUMNS 57 /* of a line, between name and bars */
#define DIFFERENCE_BYTES_MAX 64
#define OLD_COLUMNS_MAX 16  /* of a file name in the headings */
#define DIFFERENCES_SHOWN 6 /* rules of which examples are shown */
#define WARNINGS_SHOWN 10
#define FACTS_SHOWN 3
#define OWNERS_SHOWN 20
#define OVER_DAYS_SHOWN 5
#define TOUCHPOINT_COLUMNS 24
#define LINE_BYTES_MAX (32 * 1024)

static const char *s_of(int64_t n)
{
	return n == 1 ? "" : "s";
}

/* 4,812 */
static void put_count(struct buf *out, int64_t n)
{
	if (n >= 1000) {
		put_count(out, n / 1000);
		buf_printf(out, ",%03d", (int)(n % 1000));
	} else {
		buf_printf(out, "%d", (int)n);
	}
}

static void put_count_cell(struct buf *out, int64_t n, int columns)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(40);

	put_count(&text, n);
	buf_printf(out, "%*s", columns, buf_str(&text));
}

static void put_percent(struct buf *out, int64_t n, int64_t of)
{
	buf_printf(out, "%5.1f%%", of ? 100.0 * (double)n / (double)of : 0.0);
}

/* What the person's terminal shows: the program itself always runs in UTF-8. */
static bool locale_is_utf8(void)
{
	static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		const char *value = getenv(names[i]);
		const char *charset = value && *value ? strchr(value, '.') : NULL;

		if (value && *value)
			return charset &&
			       (strncasecmp(charset + 1, "utf-8", 5) == 0 || strncasecmp(charset + 1, "utf8", 4) == 0);
	}
	return false;
}

/* One line, safe and no wider than the terminal. */
static void put_line(const struct buf *line, struct buf *out)
{
	text_put_clipped(out, buf_str(line), text_terminal_columns());
	buf_putc(out, '\n');
}

/* ---- the table ---- */

struct table {
	const struct backtest_report *r;
	struct buf *out;
	int name_columns, difference_columns;
	int weeks, bars;
	bool blocks;
};

static uint32_t week_of(const struct backtest_rule *rule, int week)
{
	return week < rule->n_weeks ? rule->weeks[week] : 0;
}

/* The fullest of the weeks that share the bar; bar 0 is the oldest. */
static uint32_t bar_height(const struct table *t, const struct backtest_rule *rule, int bar)
{
	int from = t->weeks * (t->bars - 1 - bar) / t->bars, to = t->weeks * (t->bars - bar) / t->bars;
	uint32_t height = 0;

	for (int w = from; w < to; w++)
		height = MAX(height, week_of(rule, w));
	return height;
}

/* A week with a single match stands above one without. */
static void put_bar(const struct table *t, const struct backtest_rule *rule)
{
	static const char *const blocks[] = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
	static const char *const ascii[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
	const int top = (int)ARRAY_SIZE(blocks) - 1;
	uint32_t peak = backtest_peak(rule);

	for (int i = 0; i < t->bars; i++) {
		uint32_t height = bar_height(t, rule, i);
		int level = height ? 1 + (int)((uint64_t)(height - 1) * (uint64_t)top / peak) : 0;

		buf_puts(t->out, (t->blocks ? blocks : ascii)[MIN(level, top)]);
	}
}

static const char *rule_word(const struct backtest_rule *rule)
{
	return rule->rule->kind == RULE_CASE ? priority_name(rule->rule->priority) : rule_kind_name(rule->rule->kind);
}

/* "=", "+3", "-65", "+3 -65", "new"; "gone -65" of a rule that only the other set has. */
static void difference_text(const struct backtest *b, int side, const struct backtest_rule *rule, struct buf *text)
{
	const struct backtest_rule *twin = !b->same && rule->twin >= 0 ? &b->sides[1].rules[rule->twin] : NULL;

	if (side == 1) {
		buf_puts(text, rule->matched ? "gone -" : "gone");
		if (rule->matched)
			put_count(text, rule->matched);
		return;
	}
	if (b->same || (twin && !rule->only.n && !twin->only.n))
		buf_putc(text, '=');
	else if (!twin)
		buf_puts(text, "new");
	if (twin && rule->only.n) {
		buf_putc(text, '+');
		put_count(text, rule->only.n);
	}
	if (twin && twin->only.n) {
		buf_puts(text, rule->only.n ? " -" : "-");
		put_count(text, twin->only.n);
	}
}

static void put_difference(const struct table *t, int side, const struct backtest_rule *rule)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(DIFFERENCE_BYTES_MAX);

	if (!t->r->old_word)
		return;
	difference_text(t->r->b, side, rule, &text);
	buf_printf(t->out, "%*s", t->difference_columns, buf_str(&text));
}

static int old_columns(const struct backtest_report *r)
{
	return MIN(text_columns(r->old_word, strlen(r->old_word)), OLD_COLUMNS_MAX);
}

/* With two blanks before the widest. */
static int difference_columns(const struct backtest_report *r)
{
	int columns = r->old_word ? 5 + old_columns(r) : 0;

	for (int side = 0; side < r->b->n_sides && r->old_word; side++)
		for (int i = 0; i < r->b->sides[side].n_rules; i++) {
			const struct backtest_rule *rule = &r->b->sides[side].rules[i];
			struct buf text CLEANUP(buf_fini) = BUF_INIT(DIFFERENCE_BYTES_MAX);

			if (side == 1 && rule->twin >= 0)
				continue;
			difference_text(r->b, side, rule, &text);
			columns = MAX(columns, 2 + (int)strlen(buf_str(&text)));
		}
	return columns;
}

static void put_rule(const struct table *t, const struct backtest_rule *rule)
{
	struct buf *out = t->out;

	text_put_cell(out, rule->rule->id, t->name_columns, false);
	buf_printf(out, " %-6s ", rule_word(rule));
	put_count_cell(out, rule->matched, 9);
	buf_putc(out, ' ');
	put_percent(out, rule->matched, t->r->b->responses);
	put_count_cell(out, rule->undecided, 11);
	buf_printf(out, "  %11.1f %6u  ", t->weeks ? (double)rule->matched / t->weeks : 0.0, backtest_peak(rule));
	put_bar(t, rule);
	put_difference(t, 0, rule);
	buf_putc(out, '\n');
}

/* A rule that only the other set has: its figures would be taken for the new one's. */
static void put_gone(const struct table *t, const struct backtest_rule *rule)
{
	text_put_cell(t->out, rule->rule->id, t->name_columns, false);
	buf_printf(t->out, " %-6s %9s %6s %10s  %11s %6s  %*s", rule_word(rule), "-", "-", "-", "-", "-", t->bars, "");
	put_difference(t, 1, rule);
	buf_putc(t->out, '\n');
}

static int widest_name(const struct backtest *b)
{
	int columns = NAME_COLUMNS_LEAST;

	for (int i = 0; i < b->n_sides; i++)
		for (int k = 0; k < b->sides[i].n_rules; k++) {
			const char *id = b->sides[i].rules[k].rule->id;

			if (i == 0 || b->sides[i].rules[k].twin < 0)
				columns = MAX(columns, text_columns(id, strlen(id)));
		}
	return MIN(columns, NAME_COLUMNS_MAX);
}

static void put_table(const struct backtest_report *r, struct buf *out)
{
	const struct backtest *b = r->b;
	struct table t = {.r = r,
			  .out = out,
			  .name_columns = widest_name(b),
			  .difference_columns = difference_columns(r),
			  .weeks = backtest_weeks(b),
			  .blocks = locale_is_utf8()};
	int room = text_terminal_columns() - FIGURES_COLUMNS - t.difference_columns;

	t.bars = MIN(t.weeks, MAX(MIN(BARS_MAX, room - NAME_COLUMNS_LEAST), BARS_LEAST));
	t.name_columns = MIN(t.name_columns, MAX(room - t.bars, NAME_COLUMNS_LEAST));
	if (b->sides[0].n_rules == 0 && (b->n_sides < 2 || b->sides[1].n_rules == 0))
		return;
	text_put_cell(out, "rule", t.name_columns, false);
	buf_printf(out, " %-6s %9s %6s %10s  %s %4s  %*s", "prio", "matched", "share", "undecided", "per week mean", "peak",
		   t.bars, "");
	if (r->old_word) {
		buf_printf(out, "%*svs ", t.difference_columns - 3 - old_columns(r), "");
		text_put_cell(out, r->old_word, old_columns(r), false);
	}
	buf_putc(out, '\n');
	for (int i = 0; i < b->sides[0].n_rules; i++)
		put_rule(&t, &b->sides[0].rules[i]);
	for (int i = 0; b->n_sides == 2 && i < b->sides[1].n_rules; i++)
		if (b->sides[1].rules[i].twin < 0)
			put_gone(&t, &b->sides[1].rules[i]);
}

/* ---- cases, mails, owners ---- */

/* "cases 588 (live 588) · mails 941, of these 118 in digests"; below it what else became of those that matched. */
static void put_cases(const struct backtest_report *r, struct buf *out)
{
	const struct backtest_side *side = &r->b->sides[0], *old = &r->b->sides[r->b->n_sides - 1];
	struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);
	const struct {
		const char *words;
		int64_t n;
	} more[] = {{"joined a case", side->joined}, {"reopened one", side->reopened}, {"noted within cooldown", side->cooled},
		    {"praise", side->praised},       {"notes", side->noted},           {"ignored", side->ignored}};
	bool first = true;

	buf_puts(&line, "cases ");
	put_count(&line, side->opened);
	if (r->old_word) {
		buf_printf(&line, " (%s ", r->old_word);
		put_count(&line, old->opened);
		buf_putc(&line, ')');
	}
	buf_puts(&line, " · mails ");
	put_count(&line, side->mails);
	if (side->digested) {
		buf_puts(&line, ", of these ");
		put_count(&line, side->digested);
		buf_puts(&line, " in digests");
	}
	put_line(&line, out);
	buf_reset(&line);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++) {
		if (!more[i].n)
			continue;
		buf_printf(&line, "%s%s ", first ? "      " : " · ", more[i].words);
		put_count(&line, more[i].n);
		first = false;
	}
	if (!first)
		put_line(&line, out);
}

/* 18 Jan */
static void put_day(struct buf *out, int64_t day)
{
	static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct tm tm;
	time_t t = (time_t)(day * 86400);

	if (gmtime_r(&t, &tm))
		buf_printf(out, "%d %s", tm.tm_mday, months[tm.tm_mon]);
}

static void put_over(struct buf *out, const struct backtest_owner *o)
{
	int from = MAX(o->n_over - OVER_DAYS_SHOWN, 0);

	if (o->n_over == 0) {
		buf_putc(out, '-');
		return;
	}
	buf_printf(out, "%d day%s: %s", o->n_over, s_of(o->n_over), from ? "…, " : "");
	for (int i = from; i < o->n_over; i++) {
		buf_puts(out, i > from ? ", " : "");
		put_day(out, o->over[i]);
	}
}

static void put_owners(const struct backtest_report *r, struct buf *out)
{
	const struct backtest_side *side = &r->b->sides[0];
	double days = backtest_days(r->b);
	int columns = NAME_COLUMNS_LEAST, shown = MIN(side->n_owners, OWNERS_SHOWN);

	if (shown == 0)
		return;
	for (int i = 0; i < shown; i++)
		columns = MAX(columns, text_columns(side->owners[i].id, strlen(side->owners[i].id)));
	columns = MIN(columns, NAME_COLUMNS_MAX);
	text_put_cell(out, "owner", columns, false);
	buf_puts(out, " alerts/day mean   peak   over budget\n");
	for (int i = 0; i < shown; i++) {
		const struct backtest_owner *o = &side->owners[i];

		text_put_cell(out, o->id, columns, false);
		buf_printf(out, " %15.1f %6d   ", (double)o->alerts / days, o->peak);
		put_over(out, o);
		buf_putc(out, '\n');
	}
	if (side->n_owners > shown)
		buf_printf(out, "%d more get fewer alerts: --json has all\n", side->n_owners - shown);
}

/* ---- what is missing ---- */

static void put_never(const struct backtest_report *r, struct buf *out)
{
	const struct backtest *b = r->b;

	for (int i = 0; i < MIN(b->n_never, WARNINGS_SHOWN); i++) {
		const struct backtest_literal *n = &b->never[i];
		struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);

		buf_printf(&line, "! %s: '%s' never occurs in %s%s", n->literal->name, n->literal->text,
			   n->literal->is_attribute ? "attr." : "", n->literal->value);
		if (n->nearest) {
			buf_printf(&line, "; nearest '%s' (", n->nearest);
			put_count(&line, n->nearest_n);
			buf_printf(&line, " response%s)", s_of(n->nearest_n));
		}
		put_line(&line, out);
	}
	if (b->n_never > WARNINGS_SHOWN)
		buf_printf(out, "! %d more texts never occur: --json has all\n", b->n_never - WARNINGS_SHOWN);
}

/* The facts that were missing most, the first first; returns how many. */
static int most_missing(const struct backtest_side *side, const struct backtest_rule *rule, int ret[FACTS_SHOWN])
{
	int facts = ruleset_fact_count(side->settings->ruleset), n = 0;

	for (int i = 0; rule->missing && i < facts; i++) {
		int at = n;

		if (!rule->missing[i])
			continue;
		while (at > 0 && rule->missing[i] > rule->missing[ret[at - 1]])
			at--;
		if (at >= FACTS_SHOWN)
			continue;
		n = MIN(n + 1, FACTS_SHOWN);
		for (int k = n - 1; k > at; k--)
			ret[k] = ret[k - 1];
		ret[at] = i;
	}
	return n;
}

static void put_undecided(const struct backtest_side *side, const struct backtest_rule *rule, struct buf *out)
{
	int facts[FACTS_SHOWN], n = most_missing(side, rule, facts);
	struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);

	buf_printf(&line, "! %s: undecided ", rule->rule->id);
	put_count(&line, rule->undecided);
	buf_printf(&line, " time%s", s_of(rule->undecided));
	for (int i = 0; i < n; i++) {
		buf_printf(&line, ", %s missing", ruleset_fact_name(side->settings->ruleset, facts[i]));
		if (rule->missing[facts[i]] != rule->undecided) {
			buf_putc(&line, ' ');
			put_count(&line, rule->missing[facts[i]]);
		}
	}
	put_line(&line, out);
}

/* The most undecided first. */
static void put_all_undecided(const struct backtest_report *r, struct buf *out)
{
	const struct backtest_side *side = &r->b->sides[0];
	int64_t below = INT64_MAX;
	int shown = 0, rules = 0, place = -1;

	for (int i = 0; i < side->n_rules; i++)
		rules += side->rules[i].undecided > 0;
	while (shown < MIN(rules, WARNINGS_SHOWN)) {
		int best = -1;

		for (int i = 0; i < side->n_rules; i++) {
			int64_t n = side->rules[i].undecided;

			if (n > 0 && (n < below || (n == below && i > place)) && (best < 0 || n > side->rules[best].undecided))
				best = i;
		}
		put_undecided(side, &side->rules[best], out);
		below = side->rules[best].undecided;
		place = best;
		shown++;
	}
	if (rules > shown)
		buf_printf(out, "! %d more rules were undecided now and then: --json has all\n", rules - shown);
}

/* ---- examples ---- */

static void put_example(const struct backtest_report *r, int64_t id, int columns, struct buf *out)
{
	const struct backtest_shown *e = backtest_shown(r, id);
	struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);

	if (!e)
		return;
	buf_printf(&line, "  %lld ", (long long)id);
	text_put_clipped(&line, e->score && *e->score ? e->score : "no score", TOUCHPOINT_COLUMNS);
	buf_putc(&line, ' ');
	text_put_clipped(&line, e->touchpoint ? e->touchpoint : "-", TOUCHPOINT_COLUMNS);
	buf_add(out, line.p, line.n);
	if (e->comment && *e->comment) {
		buf_puts(out, " \"");
		text_put_clipped(out, e->comment, MAX(columns - text_columns(line.p, line.n) - 4, 10));
		buf_putc(out, '"');
	}
	buf_putc(out, '\n');
}

static void put_examples(const struct backtest_report *r, const struct backtest_examples *e, struct buf *out)
{
	int64_t ids[BACKTEST_EXAMPLES];
	int n = backtest_example_ids(e, ids), columns = text_terminal_columns();

	for (int i = n - 1; i >= 0; i--) /* the newest first */
		put_example(r, ids[i], columns, out);
}

static void put_only(const struct backtest_report *r, const struct backtest_rule *rule, const char *where, struct buf *out)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);

	buf_printf(&line, "%s, only in %s (", rule->rule->id, where);
	put_count(&line, rule->only.n);
	buf_printf(&line, "%s)", rule->only.n > BACKTEST_EXAMPLES ? ", the newest ten shown" : "");
	put_line(&line, out);
	put_examples(r, &rule->only, out);
}

/* Rules that differ most, at most DIFFERENCES_SHOWN of both sets together. */
static void put_differences(const struct backtest_report *r, struct buf *out)
{
	const struct backtest *b = r->b;
	int64_t below = INT64_MAX;
	int shown = 0, rules = 0, last = -1;

	for (int i = 0; i < b->n_sides; i++)
		for (int k = 0; k < b->sides[i].n_rules; k++)
			rules += b->sides[i].rules[k].only.n > 0;
	for (; b->n_sides == 2 && shown < MIN(rules, DIFFERENCES_SHOWN); shown++) {
		const struct backtest_rule *best = NULL;
		int best_place = 0, place = 0;

		for (int i = 0; i < 2; i++)
			for (int k = 0; k < b->sides[i].n_rules; k++, place++) {
				const struct backtest_rule *rule = &b->sides[i].rules[k];
				int64_t n = rule->only.n;

				if (n > 0 && (n < below || (n == below && place > last)) && (!best || n > best->only.n)) {
					best = rule;
					best_place = place;
				}
			}
		put_only(r, best, best_place < b->sides[0].n_rules ? r->new_name : r->old_word, out);
		below = best->only.n;
		last = best_place;
	}
	if (b->n_sides == 2 && rules > shown)
		buf_printf(out, "%d more differences: --json has all\n", rules - shown);
}

static void put_uncaught(const struct backtest_report *r, struct buf *out)
{
	const struct backtest_examples *e = &r->b->uncaught;

	if (!e->n)
		return;
	buf_puts(out, "no rule caught ");
	put_count(out, e->n);
	buf_printf(out, " response%s with nps <= 6 or a rating <= 2: closeloop response list --no-case\n", s_of(e->n));
	put_examples(r, e, out);
}

static void put_heading(const struct backtest_report *r, struct buf *out)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);
	const struct backtest *b = r->b;

	put_count(&line, b->responses);
	buf_printf(&line, " response%s %s..%s · %s", s_of(b->responses), r->since, r->until, r->new_name);
	if (r->old_name)
		buf_printf(&line, " against %s%s", r->old_name, b->same ? ", the same text" : "");
	else
		buf_puts(&line, " alone: no rules were live yet");
	buf_printf(&line, " · %.1f s", (double)r->took_us / (double)US_PER_S);
	put_line(&line, out);
}

void backtest_put_text(const struct backtest_report *r, struct buf *out)
{
	const struct backtest *b = r->b;

	put_heading(r, out);
	put_table(r, out);
	if (b->unreadable) {
		buf_puts(out, "! ");
		put_count(out, b->unreadable);
		buf_printf(out, " response%s left out: more than a response may have; the daemon sets such aside\n",
			   s_of(b->unreadable));
	}
	put_cases(r, out);
	put_owners(r, out);
	put_never(r, out);
	put_all_undecided(r, out);
	put_uncaught(r, out);
	put_differences(r, out);
}
