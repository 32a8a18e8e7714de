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
/* ($1 key) the same of a single one. */
extern const struct pg_stmt case_lock_customer;
/* ($1 key, $2 response id) → nothing, xmin::text (null: somebody else has it): that lock, then the response's. */
extern const struct pg_stmt case_lock_one;
/*
 * ($1 response id, $2 customer) → the columns of case_now_and_ids with one id; whether the response was judged before or the
 * customer has a case. Then case_judged and case_merge_stmt say more.
 */
extern const struct pg_stmt case_look_one;
/* ($1 response ids) → id, xmin::text: locks the matched responses against changes until the commit. */
extern const struct pg_stmt case_lock_responses;
/* ($1 response ids) → response_id, case_id (0: none), in which state, version of the case: judged before, seen after the locks. */
extern const struct pg_stmt case_judged;
/* ($1 response ids, $2 customers, $3 responded_at) → id and the same customer's last earlier answer. */
extern const struct pg_stmt case_previous;
/* () → now(), last_value of directory_version. */
extern const struct pg_stmt case_now;
/* ($1 how many) → the same, and an array of ids for new cases. */
extern const struct pg_stmt case_now_and_ids;
/* ($1 zones, $2 times) → the local times, in the order asked. */
extern const struct pg_stmt case_local_times;

/* Cases with their record and first event; records alone. */
extern const struct pg_stmt case_open_stmt, case_record_stmt;
/*
 * The same for responses that are locked and have no record (case_judged, after the lock): nobody else can write one meanwhile, and
 * looking for it costs as much as writing it.
 */
extern const struct pg_stmt case_open_new_stmt, case_record_new_stmt;
/* case_open_new_stmt of a single one. */
extern const struct pg_stmt case_open_one_stmt;
/* Answers that have a case were changed, and judged once more. */
extern const struct pg_stmt case_amend_stmt;
struct case_amending {
	int64_t case_id, response_id;
	const char *verdict, *seen; /* JSON, as closeloop.case_amend() takes them */
};
void case_amend_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct case_amending *c, int n);

/* → a row for each case that an answer finds, and "shared" for those whose customer id is no single customer's; locked. */
extern const struct pg_stmt case_merge_stmt;
struct case_merge_ask {
	int64_t response_id;
	const char *customer; /* NULL: not known */
	const char *key;      /* merge_key() */
	struct wall_time responded_at;
	bool repeated; /* others of the key are in the batch */
};
void case_merge_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct case_merge_ask *asks,
		       int n);
/* () unresolved cases without one get the account by which answers join them. */
extern const struct pg_stmt case_adopt_accounts;
/* Answers join cases or open them again, in this order. */
extern const struct pg_stmt case_join_stmt;
/* Answers that came within the cooldown of a case. */
extern const struct pg_stmt case_cool_stmt;
struct case_joining {
	int64_t case_id, response_id;
	enum priority priority;
	const char *rules;         /* array literal */
	int32_t follow_up_version; /* of the rule that leads; 0: none */
	const char *details;       /* JSON */
};
void case_join_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct case_joining *c, int n);
void case_cool_params(struct pg_params *p, struct arena *a, const struct case_joining *c, int n);
/* {"rating": [min, max, low is bad]} of the ratings that aren't stars, as the functions below take them. */
const char *case_scales_json(const struct settings *s, struct arena *a);
/* ($1 response ids, $2 customers, $3 seconds, $4 scales) gives cases their outcome → how many. */
extern const struct pg_stmt case_outcomes_stmt;
void case_outcomes_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct response *const *r,
			  int n);

/* A case as it opens, with what is recorded of its response and its first event. Times are the transaction's. */
struct case_opening {
	int64_t id, response_id;
	const char *customer_id, *owner, *team, *route, *follow_up;
	enum priority priority;
	const char *rules; /* array literal "{a,b}" */
	struct wall_time responded_at;
	const char *merge_account;                                     /* NULL: answers join it by its customer */
	int32_t follow_up_version;                                     /* 0: none */
	struct wall_time acknowledge_due, resolve_due, next_action_at; /* WALL_NONE */
	const char *relation, *facts, *answer, *row_version;           /* as in struct case_record */
	const char *details;                                           /* JSON, of the event */
};

/* A row of case_responses. */
struct case_record {
	int64_t response_id, case_id; /* case_id 0: none */
	const char *relation;         /* opened joined linked noted praised */
	const char *rules, *facts;
	const char *answer;      /* JSON: what people are told of it */
	const char *row_version; /* of the response, as it was judged */
};

void case_open_params(struct pg_params *p, struct arena *a, const struct case_opening *c, int n, const char *ruleset);
void case_open_one_params(struct pg_params *p, struct arena *a, const struct case_opening *c, const char *ruleset);
void case_record_params(struct pg_params *p, struct arena *a, const struct case_record *c, int n, const char *ruleset);

struct local_time case_local_time(const struct pg_rows *rows, int row);
/* Key of the advisory lock of a customer; namespaced, so that it meets no other program's. */
int64_t case_customer_key(const char *customer_id);
int64_t case_account_key(const char *account);

#endif
