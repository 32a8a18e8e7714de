/*
 * A rehearsal: what the rules and the owners of one configuration make of a response, without a database.
 *
 *   rehearsal_new       a configuration, a directory of people, the owners table as an array
 *   rehearse_verdict    what the rules say; no allocation
 *   rehearse_plan       what follows from a verdict: priority, route, owner and how it was found, who is told
 *
 * It is the judge itself (judge.h), dry: the same functions decide here and in the daemon. Left out is what only the database
 * knows: whether the customer has a case already (merging, cooldown, recurrence), due times, which mails are held, and words.
 * For `closeloop test`, `backtest` and `coverage`; a rehearsal belongs to one thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_REHEARSE_H
#define FLOW_REHEARSE_H

#include "case/directory.h"
#include "flow/plan.h"
#include "rule/rule.h"
#include "settings/settings.h"

/* One row of closeloop.owners. Values compare folded, as in the database. */
struct rehearsal_owner {
	const char *dimension; /* "touchpoint+region" */
	const char *value;     /* "installation+seoul" */
	const char *person;
};

struct rehearsal;

/*
 * rehearsal_new() - owners may stand in any order (of two equal ones the first counts); they are copied.
 * settings and directory are not, and must outlive the rehearsal. directory_make() makes one from arrays, directory_read() reads
 * the database's.
 */
struct rehearsal *rehearsal_new(const struct settings *s, const struct directory *d, const struct rehearsal_owner *owners,
				int n_owners);
struct rehearsal *rehearsal_free(struct rehearsal *r);
void rehearsal_freep(struct rehearsal **r);

/* Results are in the rehearsal's scratch: valid until its next verdict. */
void rehearse_verdict(struct rehearsal *r, const struct response *response, struct verdict *ret);

/*
 * rehearse_plan() - what follows from a verdict
 * @at:    "now": who is away, and how old the response is against max_age. Of history it is responded_at
 * @arena: takes everything that *ret points to, some kilobytes; nothing else is allocated. May be reset after each plan
 *
 * *ret has action (PLAN_NOTHING, PLAN_OPEN, PLAN_PRAISE or PLAN_NOTE), too_old, results, winner, n_matched, rule (the one that leads),
 * priority; with PLAN_OPEN also owner and trail; with PLAN_OPEN and PLAN_PRAISE recipients (recipient.asked: in a digest) and
 * webhooks. Route and follow_up are those of plan.rule. claimed->response is a shallow copy of the response. Everything else is
 * empty: no case id, due times, rules and facts as text, messages. Without an email section nobody is mailed: no recipients.
 *
 * Teams: a case that opens counts on: least-open gives the next one to somebody else, round-robin moves on.
 */
void rehearse_plan(struct rehearsal *r, const struct response *response, const struct verdict *v, struct wall_time at,
		   struct arena *arena, struct plan *ret);

/* Both. ret_verdict may be NULL. */
void rehearse(struct rehearsal *r, const struct response *response, struct wall_time at, struct arena *arena, struct plan *ret,
	      struct verdict *ret_verdict);

/* Takes back what the last plan did to the teams: it opens no case after all, or somebody else's. */
void rehearse_undo(struct rehearsal *r);

/*
 * Open cases of a member of a least-open team, to be set or counted down by a caller that knows of cases that end. NULL:
 * nobody asks for this person's.
 */
int *rehearsal_load(struct rehearsal *r, const char *person);
/* All teams as at the start: nobody has a case, the first is next. */
void rehearsal_restart(struct rehearsal *r);

#endif
