/*
 * The judge: what is to be done about a batch of responses.
 *
 *   judge_rules   pure: rules run, responses that need nothing drop out
 *   judge_start   asks the database once for everything the rest needs, in one pipeline: customers and responses are
 *                 locked, owners, loads and positions fetched; due times asked for (judge_clocks.c); another round
 *                 turns due times into local times
 *                 One answer alone is asked about by two statements instead of five; where they say that its customer has a
 *                 case, one round more asks which
 *   done          plans stand with owners, due times and rendered messages; nothing has been written
 *
 * `closeloop try` runs the same judge with dry = true: no locks, no ids, no effects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_JUDGE_H
#define FLOW_JUDGE_H

#include "flow/live.h"
#include "flow/plan.h"
#include "outbox/budget_store.h"

/* Whose mails may have to wait; judge_hold.c. */
struct judge_hold {
	const struct person **people;
	struct budget_limits *limits; /* beside people */
	int n_limits;
	struct recipient **mails;
};

struct judge {
	struct live *live;
	struct pg_conn *conn;
	struct arena *arena;
	bool dry;
	const char *send_to; /* every mail goes there instead and names the real recipient; NULL */

	struct plan *plans; /* of responses that need something */
	int n_plans;
	struct wall_time now; /* the transaction's */
	struct owner_facts facts;
	int fallbacks; /* mails whose template failed */

	void (*done)(void *arg, const struct pg_error *error);
	void *arg;
	/* The owner may be asked for the endpoints' state in the same round; NULL: not needed. */
	pg_rows_fn *on_endpoints;

	/* inside */
	struct plan **order; /* of plans: as they are decided and written */
	bool repeated;       /* some are of one customer */
	bool lone;           /* one answer, which would open a case: asked for by two statements */
	bool known;          /* … and they found that it, or its customer, has a case */
	struct judge_merges *merges;
	int64_t directory_version;
	const int64_t *new_ids;
	int n_new_ids, used_ids;
	struct opening_clocks *clocks; /* those that the cases which open share */
	int n_clocks, n_clocks_asked;  /* asked: the last ones, by the round trip under way */
	int local_n;                   /* local times asked for */
	struct local_time *local;
	struct judge_hold hold;
	int n_held; /* mails that wait for a digest */
};

/* Called once per response, with its verdict (valid during the call). */
typedef void judge_verdict_fn(void *arg, const struct response *r, const struct verdict *v);

/* Runs the rules; fills plans. on_verdict may be NULL. Returns n_plans. */
int judge_rules(struct judge *j, struct claimed *claimed, int n, judge_verdict_fn *on_verdict, void *arg);
/* Needs live->directory. */
void judge_start(struct judge *j);

/*
 * The steps in between, one plan at a time; rehearse.c takes them without a database. p->claimed stands already.
 * judge_decide(): what the rules say (the verdict has matched): action, leading rule, priority. judge_own(): whose it is, and
 * whether it joins a case; a response that is too old becomes a note. judge_address(): who is told.
 */
void judge_decide(struct judge *j, const struct verdict *v, struct plan *p);
void judge_own(struct judge *j, struct plan *p);
void judge_address(struct judge *j, struct plan *p);

/* judge_merge.c: asks which cases there are of the customers whose answers open one. */
void judge_ask_merges(struct judge *j, struct pg_batch *b);
/* The plans in the order in which they are to be decided: j->order. */
void judge_order(struct judge *j);
/* Whose it is, and whether it opens a case, joins one, opens one again, or is noted at one. */
void judge_merge(struct judge *j, struct plan *p);

/* The details of a plan's event, JSON in the arena: what was found and why. */
const char *judge_event_details(struct judge *j, const struct plan *p);
/* What people are told of an answer, JSON in the arena: kept to say what a change has changed. */
const char *judge_answer(struct judge *j, const struct response *r);
/* A changed answer, for closeloop.case_amend(). */
struct case_amending judge_amending(struct judge *j, const struct plan *p);
/* The promises of the rule that leads, as the database knows them; 0: none. */
int32_t judge_version(const struct judge *j, const struct plan *p);

/*
 * The second half alone, for plans whose recipients stand already (notices): local times, then the messages, then done.
 * Needs live, conn, arena, plans and now.
 */
void judge_render(struct judge *j);

/* Asks which mails may leave; to be the last statement of a batch. judge_hold.c */
void judge_add_hold(struct judge *j, struct pg_batch *b);
/* Parts of it: due times of the plans that open a case, then recipients; the rest is in judge_compose.c. */
void judge_ask_clocks(struct judge *j, struct pg_batch *b);
void judge_clocks(struct judge *j);
void judge_tell(struct judge *j);
void judge_recipients(struct judge *j, struct plan *p);
void judge_compose(struct judge *j);

#endif
