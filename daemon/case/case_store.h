/*
 * Cases are opened, and what was seen is recorded. SQL of stage 3.
 *
 * Everything is set-based: one statement per table and batch, arrays with unnest.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CASE_STORE_H
#define CASE_STORE_H

#include "case/directory.h"

/* ($1 keys) transaction-level advisory locks of the batch's customers; keys sorted by the caller. */
extern const struct pg_stmt case_lock_customers;
/* ($1 response ids) → id, xmin::text: locks the matched responses against changes until the commit. */
extern const struct pg_stmt case_lock_responses;
/* ($1 response ids) → response_id, case_id (0: none): what was judged before, seen after the locks. */
extern const struct pg_stmt case_judged;
/* ($1 how many) → ids. */
extern const struct pg_stmt case_new_ids;
/* ($1 response ids, $2 customers, $3 responded_at) → id and the same customer's last earlier answer. */
extern const struct pg_stmt case_previous;
/* () → now(), last_value of directory_version. */
extern const struct pg_stmt case_now;
/* ($1 zones, $2 times) → the local times, in the order asked. */
extern const struct pg_stmt case_local_times;

extern const struct pg_stmt case_open_stmt, case_record_stmt, case_event_stmt;
/*
 * The same as case_record_stmt for responses that are locked and have no row (case_judged, after the lock): nobody else can write
 * one meanwhile, and looking for it costs as much as writing it.
 */
extern const struct pg_stmt case_record_new_stmt;
/* ($1 responses, $2 their row versions): judged once more, in another state. */
extern const struct pg_stmt case_amend_stmt;

/* ($1 response ids, $2 customers, $3 responded_at, $4 seconds) → response, case, owner: what these answers come back to; locked. */
extern const struct pg_stmt case_recurrence_stmt;
/* ($1 case ids, $2 response ids, $3 priorities, $4 rules) reopens or joins them. */
extern const struct pg_stmt case_recur_stmt;
/* ($1 response ids, $2 customers, $3 seconds, $4 scales) gives cases their outcome → how many. */
extern const struct pg_stmt case_outcomes_stmt;
void case_outcomes_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct response *const *r,
			  int n);

/* A row of cases as it opens. Times are the transaction's. */
struct case_opening {
	int64_t id, response_id;
	const char *customer_id, *owner, *team, *route, *follow_up;
	enum priority priority;
	const char *rules;                                             /* array literal "{a,b}" */
	int32_t follow_up_version;                                     /* 0: none */
	struct wall_time acknowledge_due, resolve_due, next_action_at; /* WALL_NONE */
};

/* A row of case_responses. */
struct case_record {
	int64_t response_id, case_id; /* case_id 0: none */
	const char *relation;         /* opened noted praised */
	const char *rules, *facts;
	const char *row_version; /* of the response, as it was judged */
};

struct case_event {
	int64_t case_id;
	const char *kind, *to_status; /* to_status NULL: no move */
	const char *details;          /* JSON */
};

void case_open_params(struct pg_params *p, struct arena *a, const struct case_opening *c, int n, const char *ruleset);
void case_record_params(struct pg_params *p, struct arena *a, const struct case_record *c, int n, const char *ruleset);
void case_event_params(struct pg_params *p, struct arena *a, const struct case_event *e, int n);

struct local_time case_local_time(const struct pg_rows *rows, int row);
/* Key of the advisory lock of a customer; namespaced, so that it meets no other program's. */
int64_t case_customer_key(const char *customer_id);

#endif
