/*
 * A backtest: what a set of rules, and another beside it, would have made of the responses of the past.
 *
 *   backtest_read.c       SQL → one response at a time, in order of responded_at, with its past where rules ask for it
 *   backtest.c            rules judge it; per rule, week and difference it is counted
 *   backtest_literals.c   which texts of the rules occur
 *   backtest_cases.c      what matched opens a case, joins one or comes back to one (backtest_crowd.c: but not for ids that many share)
 *   backtest_mail.c       who is told, within budgets and quiet hours, with which digests
 *
 * Nothing is kept of a response but numbers: memory grows with rules, weeks and open cases, never with the number of responses. Nothing here
 * writes to the database.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_BACKTEST_H
#define FLOW_BACKTEST_H

#include "flow/rehearse.h"
#include "pg/pg.h"

#define BACKTEST_EXAMPLES 10

/* The newest responses of a kind. */
struct backtest_examples {
	int64_t n;                      /* of all there are */
	int64_t ids[BACKTEST_EXAMPLES]; /* the last min(n, BACKTEST_EXAMPLES), the place of each is its number modulo */
};

/* One rule of one set. */
struct backtest_rule {
	const struct rule *rule;
	int twin;                   /* the rule of the same name in the other set; -1: there is none */
	int64_t matched, undecided; /* undecided: came out missing */
	uint32_t *weeks;            /* matched per week, counted back from the end: [0] is the last one; NULL: never */
	int n_weeks;
	int culprit;                   /* the only fact that can leave it undecided; -1: several can */
	int64_t *missing;              /* how often each fact was to blame, by number of ruleset_fact_name(); NULL: never */
	struct backtest_examples only; /* matched here, and its twin did not */
};

/* Somebody who gets mails: a person, or a team whose members take turns. */
struct backtest_owner {
	const char *id; /* "minsu-kim", "team:cx" */
	int64_t alerts;
	int peak;            /* on one day */
	const int64_t *over; /* days on which a mail was held over budget, since 1970 in the configured zone */
	int n_over;
};

/* A text that no response had. */
struct backtest_literal {
	const struct rule_literal *literal;
	const char *nearest; /* what they had instead; NULL */
	int64_t nearest_n;
};

struct sim_cases;
struct sim_mail;
struct backtest_side {
	const struct settings *settings;
	const struct directory *directory;
	struct rehearsal *rehearsal;
	struct rule_scratch *scratch;
	struct backtest_rule *rules; /* as in settings */
	int n_rules;
	int64_t matched; /* responses of which there is something to record */
	int64_t ignored, noted, praised;
	int64_t opened, joined, reopened, cooled; /* what came of those that a case rule matched */
	int64_t mails, digested;                  /* alerts by mail; of these in digests */
	const struct backtest_owner *owners;      /* the most alerts first */
	int n_owners;
	/* inside */
	struct sim_cases *cases;
	struct sim_mail *mail;
	const struct history_need *needs; /* ruleset_history() */
	int n_needs;
	int need_places[RULE_HISTORY_MAX]; /* among backtest.needs; -1: cases, counted here */
	double counts[RULE_HISTORY_MAX];   /* of the response at hand */
	struct past past;
	uint64_t customer, account; /* 0: none that this set knows as one */
	struct verdict verdict;
};

struct backtest {
	struct arena *arena;
	struct wall_time since, until; /* what was asked for */
	struct wall_time first;        /* of the responses; WALL_NONE: there was none */
	struct backtest_side sides[2]; /* [0] the new set, [1] the one it is compared with */
	int n_sides;
	bool same; /* both are one text: judged once, no difference */
	int64_t responses;
	int64_t unreadable;                   /* the daemon would set them aside */
	struct backtest_examples uncaught;    /* low scores that no rule of the new set says anything about */
	const struct backtest_literal *never; /* texts of the new set that never occur; by backtest_end() */
	int n_never;
	/* inside */
	struct history_need needs[2 * RULE_HISTORY_MAX]; /* what PostgreSQL counts for the sets */
	int n_needs;
	bool needs_previous;
	const struct scale *scales; /* of the new set, for rating_stars() */
	struct arena *scratch;      /* of the response at hand */
	struct crowd *crowd;
	struct literals *literals;
	struct real_end *ends; /* of real cases, by the response that opened them */
	int64_t n_ends, room_ends;
};

/*
 * backtest_new() - the sets, with the people and owners of today
 * @old: what to compare with, or NULL. settings and directories must outlive the backtest.
 */
struct backtest_source {
	const struct settings *settings;
	const struct directory *directory;
	const struct rehearsal_owner *owners;
	int n_owners;
};
struct backtest *backtest_new(const struct backtest_source *new, const struct backtest_source *old, struct wall_time since,
			      struct wall_time until);
struct backtest *backtest_free(struct backtest *b);
void backtest_freep(struct backtest **b);

/* A response of which the ratings may still be JSON: they are looked at when somebody asks. */
struct backtest_response {
	struct response response;
	const char *ratings_json; /* NULL: response.ratings stand */
	size_t ratings_bytes;
	const double *counted;           /* beside backtest.needs; NULL when there are none */
	const struct response *previous; /* NULL: none, or nobody asks */
};
/* Responses come in order of (responded_at, id). Those of the day before `since` are seen, and not judged. */
void backtest_add(struct backtest *b, struct backtest_response *r);
/* After the last one: what is only known then. */
void backtest_end(struct backtest *b);

/* Takes the JSON apart, if that wasn't done yet; false: it can't be read. */
bool backtest_ratings(struct backtest *b, struct backtest_response *r);

/* Weeks that the responses span: since the first one, or since `since`. */
int backtest_weeks(const struct backtest *b);
/* The same in days, at least one. */
double backtest_days(const struct backtest *b);
/* Of a rule: how many in the fullest week. */
uint32_t backtest_peak(const struct backtest_rule *r);

/* From which response on b must see them: a day before `since`. */
struct wall_time backtest_from(const struct backtest *b);

/* ---- backtest_real.c ---- */

/*
 * backtest_real() - the cases that there really were: those that were open at `since` may be joined; of the others, when they ended
 * To be called before backtest_read(), and returns as it does.
 */
int backtest_real(struct backtest *b, struct pg_sync *db, int (*on_turn)(void *arg), void *arg, struct pg_error *error);

/* ---- backtest_read.c ---- */

/*
 * backtest_read() - streams the responses of [since, until) through b; only the columns that either set needs
 * @on_turn: as in pg_copy; b->responses says how far it is
 * Return: 0, what on_turn said, or a negative errno with error.
 */
int backtest_read(struct backtest *b, struct pg_sync *db, int (*on_turn)(void *arg), void *arg, struct pg_error *error);
/* How many it will read. */
int backtest_count(const struct backtest *b, struct pg_sync *db, int64_t *ret, struct pg_error *error);

#endif
