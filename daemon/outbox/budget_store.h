/*
 * Budgets, quiet hours, digests and mornings: what sql/008_budget.sql decides. SQL of stage 4.
 *
 * Who has which limits is the configuration's and the directory's, so every call hands the limits of the people it is about
 * over: six arrays, $1 to $6.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_BUDGET_STORE_H
#define OUTBOX_BUDGET_STORE_H

#include "model/alert.h"
#include "pg/pg.h"

struct budget_limits {
	const char *person, *timezone; /* a zone that the server knows */
	int quiet_from, quiet_to;      /* minutes of the day, -1: none */
	int alerts_per_hour, urgent_per_hour;
};
/* Adds $1 to $6; more may follow. */
void budget_limits_params(struct pg_params *p, struct arena *a, const struct budget_limits *l, int n);
/* A mail to this person may be held. */
bool budget_is_limited(const struct budget_limits *l);

/* A mail that wants to leave. */
struct budget_mail {
	int limits; /* place in the limits, from 0 */
	enum priority priority;
	bool asked; /* digest:TARGET: held whatever the budget says */
};
/*
 * ($1-$6, $7 places from 1, $8 priorities, $9 asked) → number of a mail, from 1; held_for (null: it may leave); which of the hour it
 * is, and of how many (0: no limit). Mails that may leave and have no limit are left out. Locks accounts: comes last.
 */
extern const struct pg_stmt budget_pass;
void budget_pass_params(struct pg_params *p, struct arena *a, const struct budget_limits *l, int n_limits,
			const struct budget_mail *m, int n);
/* The held_for of a row of budget_pass as a word that stays. */
const char *budget_held_for(const char *word);

/* () → people for whom a time was missing. */
extern const struct pg_stmt budget_find;
/* ($1 most) → messages that ended with their digest; digests on their way. */
extern const struct pg_stmt budget_end_bound;
/* ($1 most) → people whose held messages are to be looked at now, locked. */
extern const struct pg_stmt budget_claim;

enum budget_outcome { BUDGET_NOTHING, BUDGET_ONE, BUDGET_DIGEST };
struct budget_release {
	const char *person;
	enum budget_outcome outcome; /* ONE: a message is queued as it was; DIGEST: several are bound to the id given */
	enum digest_why why;
};
/* ($1-$6, $7 ids for digests, beside the people) → one row each */
extern const struct pg_stmt budget_release;
int budget_release_read(const struct pg_rows *rows, struct arena *a, struct budget_release **ret);
/* ($1 person, $2 digest or null) what is held goes on to the next person → how many. */
extern const struct pg_stmt budget_disown;
/* ($1 people, $2 seconds) */
extern const struct pg_stmt budget_postpone;

/* A case (or praise) of a digest or a morning. */
struct budget_line {
	int64_t case_id, response_id; /* case_id 0: praise */
	const char *kind, *step;      /* of the message that is held; NULL in the morning */
	enum priority priority;
	enum case_status status;
	const char *owner;
	int remind_at_most;                            /* 0: no reminders, or not known */
	struct wall_time acknowledge_due, resolve_due; /* WALL_NONE: none, or stopped */
};
struct budget_lines {
	struct budget_line *lines; /* worst first */
	int n;
	int total, due_today, overdue; /* of all */
};
/* ($1 digest, $2 zone, $3 most), ($1 person, $2 zone, $3 most) */
extern const struct pg_stmt budget_digest_lines, budget_morning_lines;
void budget_lines_read(const struct pg_rows *rows, struct arena *a, struct budget_lines *ret);

/* ($1 people, $2 zones, $3 minutes of the day, $4 most) → people whose morning has come, once a day. */
extern const struct pg_stmt budget_mornings;
/* () → seconds until the nearest digest_at (float8; null: none). */
extern const struct pg_stmt budget_next;

#endif
