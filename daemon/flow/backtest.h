/*
 * A backtest: what a set of rules, and another beside it, would have made of the responses of the past.
 *
 *   backtest_read.c    SQL → one response at a time, in order of responded_at
 *   backtest.c         rules judge it; per rule, week and difference it is counted
 *   backtest_cases.c   what matched opens a case, joins one or comes back to one
 *   backtest_mail.c    who is told, within budgets and quiet hours, with which digests
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
	int64_t *missing;              /* how often each fact was to blame, by number of ruleset_fact_name(); NULL: never */
	struct backtest_examples only; /* matched here, and its twin did not */
};

struct backtest_side {
	const struct settings *settings;
	struct rehearsal *rehearsal;
	struct rule_scratch *scratch;
	struct backtest_rule *rules; /* as in settings */
	int n_rules;
	int64_t matched; /* responses of which there is something to record */
	int64_t ignored;
	struct verdict verdict; /* of the response at hand */
};

struct backtest {
	struct arena *arena;
	struct wall_time since, until; /* what was asked for */
	struct wall_time first;        /* of the responses; WALL_NONE: there was none */
	struct backtest_side sides[2]; /* [0] the new set, [1] the one it is compared with */
	int n_sides;
	bool same; /* both are one text: judged once, no difference */
	int64_t responses;
	int64_t unreadable;                /* the daemon would set them aside */
	struct backtest_examples uncaught; /* low scores that no rule of the new set says anything about */
	const struct scale *scales;        /* of the new set, for rating_stars() */
	struct arena *scratch;             /* of the response at hand */
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
};
/* Responses come in order of (responded_at, id). */
void backtest_add(struct backtest *b, struct backtest_response *r);

/* Takes the JSON apart, if that wasn't done yet; false: it can't be read. */
bool backtest_ratings(struct backtest *b, struct backtest_response *r);

/* Weeks that the responses span: since the first one, or since `since`. */
int backtest_weeks(const struct backtest *b);
/* Of a rule: how many in the fullest week. */
uint32_t backtest_peak(const struct backtest_rule *r);

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
