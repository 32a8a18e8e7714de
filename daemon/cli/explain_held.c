/*
 * What kept an answer from becoming an alert of its own at once, or could have; see explain_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_read.h"

#include "base/escape.h"

const char *explain_merge_impossible(const struct settings *s, const struct response *r)
{
	bool by_account = s && s->cases.merge_by == MERGE_BY_ACCOUNT;

	if (s && s->cases.merge_within_s <= 0)
		return "off";
	if (by_account)
		return str_blank(r->account) ? "no account" : NULL;
	if (str_blank(r->customer_id))
		return "no customer id";
	return s && settings_is_anonymous(s, r->customer_id) ? "anonymous id" : NULL;
}

const char *explain_not_joined(struct arena *a, const char *why, int64_t case_id, const char *owner)
{
	if (str_eq(why, "owner"))
		return arena_printf(a, "C-%lld is %s's", (long long)case_id, owner ? owner : "nobody");
	if (str_eq(why, "window"))
		return arena_printf(a, "C-%lld had its last answer before merge_within", (long long)case_id);
	if (str_eq(why, "shared id"))
		return "more than 50 answers a day under this id";
	return why;
}

static const char *merge_text(struct cli *c, const struct explained *e)
{
	const struct explain_event *v = &e->event;
	const char *why = explain_merge_impossible(e->set ? e->set->settings : NULL, &e->row->response);

	if (str_eq(v->kind, "joined") || str_eq(e->relation, "joined"))
		return arena_printf(c->arena, "joined C-%lld", (long long)e->of.id);
	if (v->not_joined)
		return explain_not_joined(c->arena, v->not_joined, v->met_case, v->met_owner);
	return why ? why : "no open case";
}

static const char *recurrence_text(struct cli *c, const struct explained *e)
{
	const struct explain_event *v = &e->event;

	if (str_eq(v->kind, "reopened"))
		return arena_printf(c->arena, "opened C-%lld again", (long long)e->of.id);
	if (v->linked_to && v->linked_to != v->met_case)
		return arena_printf(c->arena, "linked to C-%lld", (long long)v->linked_to);
	return NULL;
}

static const char *cooldown_text(struct cli *c, const struct explained *e)
{
	const struct settings *s = e->set ? e->set->settings : NULL;

	if (str_eq(e->event.kind, "cooldown"))
		return arena_printf(c->arena, "noted at C-%lld, nobody was told", (long long)e->of.id);
	return s && s->cases.cooldown_s <= 0 ? "off" : "no";
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
	ret->cooldown = cooldown_text(c, e);
	if (!e->of.opener)
		return 0;
	r = waits_text(c, e, "quiet", "no", &ret->quiet);
	if (r == 0)
		r = waits_text(c, e, "budget", "no limit", &ret->budget);
	if (r == 0 && e->event.budget)
		ret->budget = str_eq(ret->budget, "no limit") ? e->event.budget
							      : arena_printf(c->arena, "%s, %s", e->event.budget, ret->budget);
	return r;
}
