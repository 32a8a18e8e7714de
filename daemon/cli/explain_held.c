/*
 * What kept an answer from becoming an alert of its own at once, or could have; see explain_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_read.h"

/* What isn't recorded, because an older version judged it, can be told from the settings at least in part. */
static const char *merge_unrecorded(const struct explained *e)
{
	const struct settings *s = e->set ? e->set->settings : NULL;
	const struct response *r = &e->row->response;

	if (!r->customer_id)
		return "no (no customer id)";
	if (s && settings_is_anonymous(s, r->customer_id))
		return "no (an anonymous id)";
	if (s && s->cases.merge_within_s <= 0)
		return "off";
	return "not recorded";
}

static const char *merge_text(struct cli *c, const struct explained *e)
{
	const struct explain_event *v = &e->event;

	if (str_eq(e->relation, "joined"))
		return arena_printf(c->arena, "joined C-%lld", (long long)e->of.id);
	if (!v->merge)
		return merge_unrecorded(e);
	if (v->merge_case)
		return arena_printf(c->arena, "%s C-%lld", v->merge, (long long)v->merge_case);
	return v->merge;
}

static const char *recurrence_text(struct cli *c, const struct explained *e)
{
	const struct explain_event *v = &e->event;

	if (str_eq(v->kind, "reopened"))
		return arena_printf(c->arena, "opened C-%lld again", (long long)e->of.id);
	if (v->linked_to)
		return arena_printf(c->arena, "linked to C-%lld", (long long)v->linked_to);
	return NULL;
}

static int waits_text(struct cli *c, const struct explained *e, const char *reason, const char *none, const char **ret)
{
	const char *people;
	int r = explain_read_waits(c, e, reason, &people);

	if (r == 0)
		*ret = people ? arena_printf(c->arena, "held for %s", people) : none;
	return r;
}

int explain_held(struct cli *c, const struct explained *e, struct explain_held *ret)
{
	const struct settings *s = e->set ? e->set->settings : NULL;
	const struct verdict *v = &e->trace.verdict;
	int r;

	if (e->trace.settings && v->ignored) {
		ret->ignore = "yes";
		return 0;
	}
	if (!e->of.id || e->event.by_hand)
		return 0;
	ret->ignore = "no";
	ret->merge = merge_text(c, e);
	ret->recurrence = recurrence_text(c, e);
	ret->cooldown = e->event.cooldown ? e->event.cooldown : s && s->cases.cooldown_s <= 0 ? "off" : "no";
	r = waits_text(c, e, "quiet", "no", &ret->quiet);
	if (r == 0)
		r = waits_text(c, e, "budget", e->event.budget ? e->event.budget : "not held", &ret->budget);
	return r;
}
