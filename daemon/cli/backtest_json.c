/*
 * What `backtest` found, for programs: one object.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/backtest.h"

static void put_name(struct buf *out, const char *name)
{
	json_put_string(out, name);
	buf_putc(out, ':');
}

static void put_text(struct buf *out, const char *name, const char *value)
{
	buf_putc(out, ',');
	put_name(out, name);
	json_put_string(out, value);
}

static void put_number(struct buf *out, const char *name, int64_t n)
{
	buf_putc(out, ',');
	put_name(out, name);
	buf_put_int(out, n);
}

static void put_time(struct buf *out, const char *name, struct wall_time t)
{
	char text[WALL_TEXT_BYTES];

	put_text(out, name, wall_is_set(t) ? wall_text(t, text) : NULL);
}

/* {"n": 65, "examples": [{"id": 3307, "score": "nps 4", …}]}, the newest first. */
static void put_examples(const struct backtest_report *r, const char *name, const struct backtest_examples *e, struct buf *out)
{
	int64_t ids[BACKTEST_EXAMPLES];
	int n = backtest_example_ids(e, ids);
	bool first = true;

	buf_putc(out, ',');
	put_name(out, name);
	buf_puts(out, "{\"n\":");
	buf_put_int(out, e->n);
	buf_puts(out, ",\"examples\":[");
	for (int i = n - 1; i >= 0; i--) {
		const struct backtest_shown *shown = backtest_shown(r, ids[i]);

		if (!shown)
			continue;
		buf_puts(out, first ? "{\"id\":" : ",{\"id\":");
		buf_put_int(out, shown->id);
		put_text(out, "score", shown->score);
		put_text(out, "touchpoint", shown->touchpoint);
		put_text(out, "comment", shown->comment);
		buf_putc(out, '}');
		first = false;
	}
	buf_puts(out, "]}");
}

/* Oldest first. */
static void put_weeks(const struct backtest_rule *rule, int weeks, struct buf *out)
{
	buf_puts(out, ",\"weeks\":[");
	for (int w = weeks - 1; w >= 0; w--) {
		buf_put_int(out, w < rule->n_weeks ? rule->weeks[w] : 0);
		buf_puts(out, w ? "," : "");
	}
	buf_putc(out, ']');
}

static void put_missing(const struct backtest_side *side, const struct backtest_rule *rule, struct buf *out)
{
	bool first = true;

	buf_puts(out, ",\"missing\":{");
	for (int i = 0; rule->missing && i < ruleset_fact_count(side->settings->ruleset); i++) {
		if (!rule->missing[i])
			continue;
		buf_puts(out, first ? "" : ",");
		put_name(out, ruleset_fact_name(side->settings->ruleset, i));
		buf_put_int(out, rule->missing[i]);
		first = false;
	}
	buf_putc(out, '}');
}

static void put_rule(const struct backtest_report *r, const struct backtest_side *side, const struct backtest_rule *rule,
		     struct buf *out)
{
	const struct backtest *b = r->b;
	const struct backtest_side *other = b->n_sides == 2 ? &b->sides[side == &b->sides[0]] : NULL;
	const struct backtest_rule *twin = other && rule->twin >= 0 ? &other->rules[rule->twin] : NULL;

	put_name(out, rule->rule->id);
	buf_puts(out, "{\"matched\":");
	buf_put_int(out, rule->matched);
	put_text(out, "kind", rule_kind_name(rule->rule->kind));
	put_text(out, "priority", priority_name(rule->rule->priority));
	put_number(out, "undecided", rule->undecided);
	put_missing(side, rule, out);
	put_number(out, "peak", backtest_peak(rule));
	put_weeks(rule, backtest_weeks(b), out);
	if (r->old_name && side == &b->sides[0]) {
		if (b->same || twin)
			put_number(out, "against", b->same ? rule->matched : twin->matched);
		else
			buf_puts(out, ",\"against\":null");
		put_examples(r, "gained", &rule->only, out);
		if (twin)
			put_examples(r, "lost", &twin->only, out);
	}
	if (side != &b->sides[0])
		put_examples(r, "lost", &rule->only, out);
	buf_putc(out, '}');
}

static void put_rules(const struct backtest_report *r, struct buf *out)
{
	const struct backtest *b = r->b;
	bool first = true;

	buf_puts(out, ",\"rules\":{");
	for (int i = 0; i < b->sides[0].n_rules; i++) {
		buf_puts(out, i ? "," : "");
		put_rule(r, &b->sides[0], &b->sides[0].rules[i], out);
	}
	buf_puts(out, "},\"gone\":{");
	for (int i = 0; b->n_sides == 2 && i < b->sides[1].n_rules; i++) {
		if (b->sides[1].rules[i].twin >= 0)
			continue;
		buf_puts(out, first ? "" : ",");
		put_rule(r, &b->sides[1], &b->sides[1].rules[i], out);
		first = false;
	}
	buf_putc(out, '}');
}

/* {"opened": 588, …}: what the cases and mails of a set would have been. */
static void put_side(const struct backtest_side *side, const char *name, struct buf *out)
{
	buf_putc(out, ',');
	put_name(out, name);
	buf_puts(out, "{\"opened\":");
	buf_put_int(out, side->opened);
	put_number(out, "joined", side->joined);
	put_number(out, "reopened", side->reopened);
	put_number(out, "cooldown", side->cooled);
	put_number(out, "praised", side->praised);
	put_number(out, "noted", side->noted);
	put_number(out, "ignored", side->ignored);
	put_number(out, "mails", side->mails);
	put_number(out, "in_digests", side->digested);
	buf_putc(out, '}');
}

static void put_owners(const struct backtest *b, struct buf *out)
{
	const struct backtest_side *side = &b->sides[0];
	double days = backtest_days(b);
	char text[WALL_TEXT_BYTES];

	buf_puts(out, ",\"owners\":{");
	for (int i = 0; i < side->n_owners; i++) {
		const struct backtest_owner *o = &side->owners[i];

		buf_puts(out, i ? "," : "");
		put_name(out, o->id);
		buf_puts(out, "{\"alerts\":");
		buf_put_int(out, o->alerts);
		buf_printf(out, ",\"per_day\":%.3f", (double)o->alerts / days);
		put_number(out, "peak", o->peak);
		buf_puts(out, ",\"over_budget\":[");
		for (int k = 0; k < o->n_over; k++) {
			wall_text((struct wall_time){o->over[k] * 86400 * US_PER_S}, text);
			buf_printf(out, "%s\"%.10s\"", k ? "," : "", text);
		}
		buf_puts(out, "]}");
	}
	buf_putc(out, '}');
}

static void put_never(const struct backtest *b, struct buf *out)
{
	buf_puts(out, ",\"never_occurs\":[");
	for (int i = 0; i < b->n_never; i++) {
		const struct backtest_literal *n = &b->never[i];

		buf_puts(out, i ? ",{\"rule\":" : "{\"rule\":");
		json_put_string(out, n->literal->name);
		put_text(out, n->literal->is_attribute ? "attribute" : "column", n->literal->value);
		put_text(out, "text", n->literal->text);
		put_text(out, "nearest", n->nearest);
		put_number(out, "nearest_responses", n->nearest_n);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

void backtest_put_json(const struct backtest_report *r, struct buf *out)
{
	struct buf json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	const struct backtest *b = r->b;

	buf_puts(&json, "{\"responses\":");
	buf_put_int(&json, b->responses);
	put_time(&json, "since", b->since);
	put_time(&json, "until", b->until);
	put_time(&json, "first_responded_at", b->first);
	put_text(&json, "ruleset", b->sides[0].settings->sha256);
	put_text(&json, "against", r->old_name ? r->old_word : NULL);
	put_text(&json, "against_ruleset", r->old_sha256);
	buf_printf(&json, ",\"same\":%s", b->same ? "true" : "false");
	put_number(&json, "unreadable", b->unreadable);
	put_number(&json, "matched", b->sides[0].matched);
	put_side(&b->sides[0], "cases", &json);
	if (r->old_name)
		put_side(&b->sides[b->n_sides - 1], "cases_against", &json);
	put_rules(r, &json);
	put_owners(b, &json);
	put_never(b, &json);
	put_examples(r, "uncaught", &b->uncaught, &json);
	buf_printf(&json, ",\"seconds\":%.3f}", (double)r->took_us / (double)US_PER_S);
	text_put_json(out, buf_str(&json), json.n);
	buf_putc(out, '\n');
}
