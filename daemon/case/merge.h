/*
 * A further answer of the same customer: does it join a case that stands, open one again that was solved, or come too soon
 * after one? Pure; the cases were found by SQL of case_store.h, or are of the same batch.
 *
 *   1. the newest case that stands, whose last answer is within merge_within and whose owner is the one of this answer: join
 *   2. a case that was solved before (recurrence): reopen, or open one that is linked to it
 *   3. a case opened less than `cooldown` ago: noted there, unless it asks for contact or is more urgent
 *   4. a case of its own; linked to the one of another owner that stands
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CASE_MERGE_H
#define CASE_MERGE_H

#include "case/owner.h"
#include "settings/settings.h"

enum merge_what { MERGE_STANDS, MERGE_SOLVED, MERGE_RECENT };

/* A case of the same customer (or account). */
struct merge_case {
	enum merge_what what;
	int64_t id;
	const char *owner, *first_owner, *team; /* first_owner: before all hand-overs */
	enum priority priority;
	struct wall_time opened_at, last_response_at;
};

struct merge_ask {
	const struct merge_case *cases; /* in any order; the newest counts */
	int n;
	struct wall_time now, responded_at;
	const struct owner_found *owner; /* by its own owner chain */
	enum priority priority;
	bool contact_requested;
};

enum merge_action { MERGE_OPEN, MERGE_JOIN, MERGE_REOPEN, MERGE_COOL };

struct merge_answer {
	enum merge_action action;
	const struct merge_case *to; /* joined, reopened, noted at; OPEN: linked to. NULL: none */
	bool takes_owner;            /* OPEN: the owner of `to` gets it */
	/* A case that stands and wasn't joined, and why: "owner", "window". NULL: there is none. */
	const struct merge_case *not_joined;
	const char *why_not;
};

struct merge_answer merge_decide(const struct case_settings *s, const struct merge_ask *ask);

/* By what answers are one customer's: the customer id, or the account. NULL: nothing is known of whose it is. */
const char *merge_key(const struct settings *s, const struct response *r);

#endif
