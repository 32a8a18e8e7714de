/*
 * An answer judged once more: by the rules that were live, with what they saw; see explain_read.h.
 *
 * The record says which rules those were and what they saw (case_responses). Where it has nothing, because no rule matched, the set
 * is the one that was live when the answer came in, and the answer is taken as it is now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_read.h"

#include <string.h>

#define FACTS_BYTES_MAX (8 * 1024 * 1024)

/* By hand, or by the daemon of an older version: nothing was looked at. */
static bool has_facts(const struct explained *e)
{
	return e->judged && e->facts && !str_eq(e->facts, "{}");
}

static int choose_set(struct explain_sets *sets, struct explained *e)
{
	const char *sha256 = e->ruleset ? e->ruleset : e->ruleset_then;

	if (!e->judged && e->inbox.id) /* it will be judged by what is live then */
		sha256 = NULL;
	return explain_set(sets, sha256, &e->set);
}

static void find_changes(struct cli *c, struct explained *e)
{
	struct buf now CLEANUP(buf_fini) = BUF_INIT(FACTS_BYTES_MAX);

	ruleset_facts_json(e->set->settings->ruleset, &e->row->response, &now);
	e->changes = arena_new_array(c->arena, struct fact_change, FACT_CHANGES_MAX);
	e->n_changes = facts_compare(e->facts, buf_str(&now), c->arena, e->changes);
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
		if (facts_read(e->facts, e->set->settings->ruleset, &e->row->response, c->arena, &e->seen) < 0) {
			e->no_trace = "what was seen when it was judged can't be read";
			return 0;
		}
		find_changes(c, e);
	} else if (e->judged && e->rules && *e->rules) {
		e->no_trace = "what was seen when it was judged is no longer kept";
		return 0;
	} else if (e->row->poison) {
		e->no_trace = arena_printf(c->arena, "it can't be read: %s", e->row->poison);
		return 0;
	} else {
		e->seen = e->row->response;
	}
	trace_init(&e->trace, e->set->settings, e->set->scratch, &e->seen, c->arena);
	return 0;
}
