/*
 * An explanation as JSON; see explain_json.h. What stands in tables is PostgreSQL's JSON of their rows.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_json.h"
#include "base/escape.h"

void explain_json_text(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, ",\"%s\":", name);
	json_put_string(out, value);
}

static void put_raw(struct buf *out, const char *name, const char *json)
{
	buf_printf(out, ",\"%s\":", name);
	buf_puts(out, json ? json : "null");
}

void explain_json_trail(struct buf *out, const struct explain_step *steps, int n)
{
	buf_puts(out, ",\"trail\":[");
	for (int i = 0; i < n; i++) {
		buf_puts(out, i ? ",{\"target\":" : "{\"target\":");
		json_put_string(out, steps[i].target);
		explain_json_text(out, "value", steps[i].value);
		explain_json_text(out, "person", steps[i].person);
		explain_json_text(out, "instead_of", steps[i].instead_of);
		explain_json_text(out, "why_not", steps[i].person ? NULL : steps[i].why_not);
		explain_json_text(out, "note", steps[i].note);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

void explain_json_held(struct buf *out, const struct explain_held *h)
{
	buf_puts(out, ",\"held\":{\"ignore\":");
	json_put_string(out, h->ignore);
	explain_json_text(out, "merge", h->merge);
	explain_json_text(out, "recurrence", h->recurrence);
	explain_json_text(out, "cooldown", h->cooldown);
	explain_json_text(out, "quiet", h->quiet);
	explain_json_text(out, "budget", h->budget);
	explain_json_text(out, "delivery", h->delivery);
	buf_putc(out, '}');
}

static void put_changes(const struct explained *e, struct buf *out)
{
	buf_puts(out, ",\"changed\":[");
	for (int i = 0; i < e->n_changes; i++) {
		buf_puts(out, i ? ",{\"name\":" : "{\"name\":");
		json_put_string(out, e->changes[i].name);
		explain_json_text(out, "then", e->changes[i].then);
		explain_json_text(out, "now", e->changes[i].now);
		buf_putc(out, '}');
	}
	buf_putc(out, ']');
}

static const char *state_of(const struct explained *e)
{
	if (e->inbox.id && e->inbox.set_aside)
		return "set_aside";
	if (e->inbox.id)
		return e->inbox.early ? "settling" : "waiting";
	return e->judged ? "judged" : "not_matched";
}

static void put_verdict(const struct explained *e, struct buf *out)
{
	const struct verdict *v = &e->trace.verdict;
	const struct rule *rule;

	if (!e->trace.settings) {
		put_raw(out, "rules", NULL);
		explain_json_text(out, "why_no_rules", e->no_trace);
		return;
	}
	rule = v->winner >= 0 && !v->ignored ? &e->trace.settings->rules[v->winner] : NULL;
	buf_putc(out, ',');
	trace_put_json(&e->trace, out);
	explain_json_text(out, "decision", trace_decision(&e->trace));
	explain_json_text(out, "priority", rule ? priority_name(rule->priority) : NULL);
	explain_json_text(out, "route", rule && rule->route ? rule->route->id : NULL);
	explain_json_text(out, "follow_up", rule && rule->follow_up ? rule->follow_up->id : NULL);
}

int explain_put_json(struct cli *c, const struct explained *e, struct buf *out)
{
	struct explain_held held = {0};
	struct explain_json json;
	struct explain_step *steps = NULL;
	int n = 0, r = explain_read_json(c, e, &json);

	if (r == 0)
		r = explain_owner(c, e, &steps, &n);
	if (r == 0)
		r = explain_held(c, e, &held);
	if (r)
		return r;
	buf_printf(out, "{\"response_id\":%lld", (long long)e->id);
	if (e->of.id)
		buf_printf(out, ",\"case_id\":%lld", (long long)e->of.id);
	else
		put_raw(out, "case_id", NULL);
	explain_json_text(out, "source", e->row->response.source);
	explain_json_text(out, "source_id", e->row->response.source_id);
	explain_json_text(out, "relation", e->relation);
	explain_json_text(out, "state", state_of(e));
	explain_json_text(out, "ruleset", e->set->sha256);
	put_raw(out, "record", json.record);
	put_changes(e, out);
	put_verdict(e, out);
	explain_json_trail(out, steps, n);
	explain_json_held(out, &held);
	put_raw(out, "inbox", json.inbox);
	put_raw(out, "case", json.of);
	put_raw(out, "events", json.events);
	put_raw(out, "messages", json.messages);
	buf_putc(out, '}');
	return 0;
}

int explain_put_case_json(struct explain_sets *sets, int64_t id, const struct pg_rows *rows, bool all,
			  explain_answers_fn *answers, struct buf *out)
{
	int r;

	buf_printf(out, "{\"case_id\":%lld,\"answers\":[", (long long)id);
	for (int i = 0; i < pg_count(rows); i++) {
		buf_printf(out, "%s{\"response_id\":%lld", i ? "," : "", (long long)pg_get_int8(rows, i, 0));
		explain_json_text(out, "relation", pg_get_text(rows, i, 1, NULL));
		explain_json_text(out, "score", pg_get_text(rows, i, 3, NULL));
		buf_putc(out, '}');
	}
	buf_puts(out, "],\"explained\":[");
	r = answers(sets, rows, all, out);
	buf_puts(out, "]}");
	return r;
}
