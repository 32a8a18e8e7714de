/*
 * An answer judged once more: by the rules that were live, with what they saw; see explain_read.h.
 *
 * The record says which rules those were and what they saw (case_responses). Where it has nothing, because no rule matched, the set
 * is the one that was live when the answer came in, and the answer is taken as it is now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_read.h"
#include "base/escape.h"
#include "flow/live.h"

#include <math.h>
#include <string.h>

#define FACTS_BYTES_MAX (8 * 1024 * 1024)

/* By hand, or by the daemon of an older version: nothing was looked at. */
static bool has_facts(const struct explained *e)
{
	return e->judged && e->facts && !str_eq(e->facts, "{}");
}

static int choose_set(struct explain_sets *sets, struct explained *e)
{
	bool to_come = !e->judged && e->inbox.id; /* it will be judged by what is live then */

	return explain_set(sets, to_come ? e->ruleset_now : e->ruleset_then, &e->set);
}

static void find_changes(struct cli *c, struct explained *e)
{
	struct buf now CLEANUP(buf_fini) = BUF_INIT(FACTS_BYTES_MAX);

	ruleset_facts_json(e->set->settings->ruleset, &e->row->response, &now);
	e->changes = arena_new_array(c->arena, struct fact_change, FACT_CHANGES_MAX);
	e->n_changes = facts_compare(e->facts, buf_str(&now), c->arena, e->changes);
}

/* Why nothing was known of the customer is not recorded; it can be told. */
static void say_why_missing(struct explained *e, struct arena *arena)
{
	const char *customer = e->row->response.customer_id;
	const struct history_need *needs;
	int n = ruleset_history(e->set->settings->ruleset, &needs), known = 0, asked = 0;
	struct past *past;

	if (!e->seen.past)
		return;
	past = arena_memdup(arena, e->seen.past, sizeof(*past));
	for (int i = 0; i < n; i++) {
		asked += needs[i].of == PER_CUSTOMER;
		known += needs[i].of == PER_CUSTOMER && !isnan(past->counts[i]);
	}
	if (str_blank(customer))
		past->why_missing = "no customer id";
	else if (settings_is_anonymous(e->set->settings, customer))
		past->why_missing = "anonymous id";
	else if (asked && !known)
		past->why_missing = "more than 50 a day";
	e->seen.past = past;
}

/* What came before an answer that left no record. */
static int look_up_past(struct explain_sets *sets, struct explained *e)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct live live = {.settings = e->set->settings};
	const struct string_list *anonymous = &live.settings->cases.anonymous_ids;
	struct past_reader reader;
	struct pg_params p;
	int r;

	live_gather(&live, &sets->past);
	if (live.past->plain)
		return 0;
	pg_params_init(&p, sets->c->arena);
	pg_add_text(&p, e->seen.customer_id);
	pg_add_text(&p, e->seen.account);
	pg_add_time(&p, e->seen.responded_at);
	pg_add_int8(&p, e->seen.id);
	past_add_param(live.past, &p, anonymous->items, anonymous->n);
	r = cli_run(sets->c, &live.past->at, &p, &rows);
	if (r)
		return r;
	reader = live_past_reader(&live, sets->c->arena);
	past_read_at(&reader, rows, &e->seen);
	return 0;
}

int explain_judge(struct explain_sets *sets, struct explained *e)
{
	struct cli *c = sets->c;
	int r = choose_set(sets, e);

	if (r)
		return r;
	if (!e->set->settings) {
		e->no_trace = e->set->why;
		return 0;
	}
	if (has_facts(e)) {
		struct response now;

		e->seen = e->row->response;
		if (facts_ask_when(e->set->settings->ruleset))
			r = look_up_past(sets, e);
		if (r)
			return r;
		now = e->seen;
		if (facts_read(e->facts, e->set->settings->ruleset, &now, c->arena, &e->seen) < 0) {
			e->no_trace = "what was seen when it was judged can't be read";
			return 0;
		}
		say_why_missing(e, c->arena);
		find_changes(c, e);
	} else if (e->judged && e->rules && *e->rules) {
		e->no_trace = "what was seen when it was judged is no longer kept";
		return 0;
	} else if (e->row->poison) {
		e->no_trace = arena_printf(c->arena, "it can't be read: %s", e->row->poison);
		return 0;
	} else {
		e->seen = e->row->response;
		r = look_up_past(sets, e);
		if (r)
			return r;
	}
	trace_init(&e->trace, e->set->settings, e->set->scratch, &e->seen, c->arena);
	return 0;
}
