/*
 * Which case an answer joins; see merge.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/merge.h"

#include "base/escape.h"

static bool is_newer(const struct merge_case *a, const struct merge_case *b)
{
	return !b || a->last_response_at.us > b->last_response_at.us ||
	       (a->last_response_at.us == b->last_response_at.us && a->id > b->id);
}

static const struct merge_case *newest(const struct merge_ask *ask, enum merge_what what)
{
	const struct merge_case *best = NULL;

	for (int i = 0; i < ask->n; i++)
		if (ask->cases[i].what == what && is_newer(&ask->cases[i], best))
			best = &ask->cases[i];
	return best;
}

/* An answer may arrive later than one given after it. */
static bool is_near(const struct merge_case *c, struct wall_time at, int64_t within_s)
{
	int64_t apart_us = at.us - c->last_response_at.us;

	return (apart_us < 0 ? -apart_us : apart_us) <= within_s * US_PER_S;
}

/*
 * A team is one owner: whose turn it is makes no difference. Whoever is away is still the owner, and handing a case over takes no
 * answers from it. Where recurrence would give the answer to somebody, that is its owner too.
 */
static bool is_of(const struct merge_case *c, const struct merge_ask *ask, const struct merge_case *solved)
{
	const struct owner_found *found = ask->owner;
	const struct person *const people[] = {found->person, found->instead_of};

	if (!found->person && !c->owner)
		return true;
	if (found->team && str_eq(found->team, c->team))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(people); i++)
		if (people[i] && (str_eq(people[i]->id, c->owner) || str_eq(people[i]->id, c->first_owner)))
			return true;
	return solved && solved->owner && str_eq(solved->owner, c->owner);
}

static void find_joined(const struct case_settings *s, const struct merge_ask *ask, struct merge_answer *ret)
{
	const struct merge_case *solved = newest(ask, MERGE_SOLVED), *far = NULL, *others = NULL;

	for (int i = 0; i < ask->n; i++) {
		const struct merge_case *c = &ask->cases[i];

		if (c->what != MERGE_STANDS)
			continue;
		if (!is_near(c, ask->responded_at, s->merge_within_s))
			far = is_newer(c, far) ? c : far;
		else if (!is_of(c, ask, solved))
			others = is_newer(c, others) ? c : others;
		else if (is_newer(c, ret->to))
			ret->to = c;
	}
	if (ret->to) {
		ret->action = MERGE_JOIN;
		return;
	}
	ret->not_joined = others ? others : far;
	ret->why_not = others ? "owner" : far ? "window" : NULL;
}

struct merge_answer merge_decide(const struct case_settings *s, const struct merge_ask *ask)
{
	struct merge_answer a = {.action = MERGE_OPEN};
	const struct merge_case *solved = newest(ask, MERGE_SOLVED), *recent = NULL;

	if (s->merge_within_s > 0)
		find_joined(s, ask, &a);
	if (a.to)
		return a;
	if (solved) {
		a.action = s->recurrence == RECURRENCE_REOPEN ? MERGE_REOPEN : MERGE_OPEN;
		a.takes_owner = true;
		a.to = solved;
		return a;
	}
	for (int i = 0; i < ask->n; i++)
		if (s->cooldown_s > 0 && ask->now.us - ask->cases[i].opened_at.us < s->cooldown_s * US_PER_S &&
		    (!recent || ask->cases[i].opened_at.us > recent->opened_at.us ||
		     (ask->cases[i].opened_at.us == recent->opened_at.us && ask->cases[i].id > recent->id)))
			recent = &ask->cases[i];
	if (recent && !ask->contact_requested && ask->priority <= recent->priority) {
		a.action = MERGE_COOL;
		a.to = recent;
		return a;
	}
	a.to = recent ? recent : a.why_not && str_eq(a.why_not, "owner") ? a.not_joined : NULL;
	return a;
}

const char *merge_key(const struct settings *s, const struct response *r)
{
	if (s->cases.merge_by == MERGE_BY_ACCOUNT)
		return str_blank(r->account) ? NULL : r->account;
	return settings_is_anonymous(s, r->customer_id) ? NULL : r->customer_id;
}
