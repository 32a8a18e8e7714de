/*
 * What the files of a backtest share; nothing else includes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_BACKTEST_INNER_H
#define FLOW_BACKTEST_INNER_H

#include "case/case_store.h"
#include "flow/backtest.h"
#include "rule/zone.h"

/* ---- backtest_crowd.c: how many responses an id gave in a day ---- */

#define CROWD_US (24 * 3600 * US_PER_S)

struct crowd;
struct crowd *crowd_new(void);
struct crowd *crowd_free(struct crowd *c);
/* Counts a response; returns how many of this key there were in the day that ends with it. Times don't fall. */
uint32_t crowd_add(struct crowd *c, uint64_t key, int64_t at_us);

/* Who gave the response at hand. */
struct sim_who {
	uint64_t key;   /* of the customer id; 0: none */
	uint32_t crowd; /* responses of it in the day that ends with this one */
};

/* ---- backtest_cases.c ---- */

/* What is compared to say that an answer is worse than the one before. */
#define SIM_BEST 60000
struct sim_score {
	uint8_t question; /* 0: no score */
	uint16_t level;   /* from 0, the worst, to SIM_BEST */
};

struct sim_response {
	uint64_t customer, account;      /* sim_key(); 0: not known, or nobody's in particular */
	int64_t at, end, promised;       /* end of the case if it opens one; of a case that opens again */
	const struct owner_found *owner; /* by the route's chain */
	enum priority priority;
	bool contact;
	struct sim_score score;
};

enum sim_effect {
	SIM_OPENED,
	SIM_JOINED,
	SIM_JOINED_WORSE, /* its owner is told */
	SIM_REOPENED,
	SIM_COOLED /* noted beside a case that opened a moment ago */
};

struct sim_cases *sim_cases_new(const struct settings *settings, struct rehearsal *rehearsal);
struct sim_cases *sim_cases_free(struct sim_cases *s);
/* How long before the first response a case may have opened that still matters. */
int64_t sim_cases_memory_us(const struct sim_cases *s);
/* Cases that end until now are done. */
void sim_cases_until(struct sim_cases *s, int64_t now_us);
/* Whose the case is then, and the team that they were found through. */
enum sim_effect sim_cases_take(struct sim_cases *s, const struct sim_response *r, const struct person **ret_owner,
			       const char **ret_team);
/* A real case from before the first response. */
void sim_cases_seed(struct sim_cases *s, const struct sim_response *r, int64_t last_us, bool dismissed);
/* Cases of a customer (an account) that opened since then. */
double sim_cases_count(const struct sim_cases *s, uint64_t key, bool account, int64_t from_us);
/* Never 0 for a text. */
uint64_t sim_key_of(const char *text);
/* The same; 0 for blank ones. */
uint64_t sim_key(const char *text);
/* scales: of scales_copy() */
struct sim_score sim_score_of(const struct response *r, const struct scale *scales, int n_scales);

/* ---- backtest_mail.c ---- */

struct sim_mail;
struct sim_mail *sim_mail_new(const struct settings *settings, struct arena *arena);
struct sim_mail *sim_mail_free(struct sim_mail *m);
/* Digests that fall due until now leave. */
void sim_mail_until(struct sim_mail *m, int64_t now_us);
/* One mail; team: the owner was found through it, or NULL. */
struct sim_letter {
	const struct person *person;
	const char *team;
	int64_t at;
	bool urgent, asked;
};
void sim_mail_send(struct sim_mail *m, const struct sim_letter *letter);
/* Into side->owners, mails and digested, sorted. */
void sim_mail_report(struct sim_mail *m, struct backtest_side *side, struct arena *arena);

/* ---- backtest_literals.c ---- */

struct literals *literals_new(const struct ruleset *rs, struct arena *arena);
struct literals *literals_free(struct literals *l);
/* It looks at this column; "attributes" for any of these. */
bool literals_read(const struct literals *l, const char *column);
void literals_add(struct literals *l, const struct response *r);
/* Returns how many texts never occurred. */
int literals_end(struct literals *l, struct arena *arena, const struct backtest_literal **ret);

/* ---- backtest_read.c ---- */

/* Of a text column in struct response; SIZE_MAX: it is none. */
size_t backtest_text_offset(const char *column);

/* ---- backtest.c ---- */

/* A real case's end, in order of the response that opened it. */
struct real_end {
	int64_t response_id, end_us; /* INT64_MAX: it is open still */
};

#endif
