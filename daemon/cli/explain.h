/*
 * What `explain` and `try` show of one answer, beside the rules (trace.h): whose it is and why, what held it, until when, what was
 * sent. Both fill the same parts and print them through here, so that they look alike.
 *
 *   explain.c        the verb: which answers, in which order           explain_facts.c  what was seen then, against what is there now
 *   explain_read.c   what the database knows of one of them            explain_owner.c  the owner chain, where no record of it is kept
 *   explain_more.c   the parts of it as people read them               explain_put.c    on the terminal
 *
 * Texts are the arena's and as their writers wrote them: whatever prints them makes them safe.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli/cli.h"
#include "cli/trace.h"

#define EXPLAIN_LABEL_COLUMNS 9

/* One entry of the owner chain. */
struct explain_step {
	const char *target;     /* "lookup:account" */
	const char *value;      /* that was looked up; NULL: none */
	const char *person;     /* NULL: it led to nobody */
	const char *instead_of; /* the one who is away */
	bool all_away;          /* so are all who could stand in: told all the same */
	const char *why_not;    /* with person NULL: "missing", "nobody is entered" */
	const char *note;       /* "imported 2027-02-20"; NULL */
};
void explain_put_steps(struct buf *out, const char *label, const struct explain_step *steps, int n, int columns);

/* "held?    ignore no · merge no open case · …": NULL parts are left out; nothing at all: no line. */
struct explain_held {
	const char *ignore, *merge, *recurrence, *cooldown, *quiet, *budget, *delivery;
	bool own_case; /* for try: a case would open */
};
/* Why it has no other answers to be joined with: "no customer id"; NULL: it may have. s may be NULL. */
const char *explain_merge_impossible(const struct settings *s, const struct response *r);
/* "C-790 is anna's": why a case that it met was not joined. */
const char *explain_not_joined(struct arena *a, const char *why, int64_t case_id, const char *owner);
void explain_put_held(struct buf *out, const struct explain_held *h, int columns);

/* One message, or one that would leave. */
struct explain_sent {
	const char *by;      /* "email minsu-kim", "webhook crm" */
	const char *what;    /* "reminder 1"; "" for the first alert */
	const char *at;      /* "10:38:13"; "" */
	const char *outcome; /* "250, 1 attempt" */
};
void explain_put_sent(struct buf *out, const char *label, const struct explain_sent *sent, int n, int columns);

/* "label    text", wrapped; empty or NULL text: no line. */
void explain_put_line(struct buf *out, const char *label, const char *text, int columns);

/* "a · b · c" of those that aren't NULL or empty. */
const char *explain_join(struct arena *arena, const char *const *parts, int n);

#endif
