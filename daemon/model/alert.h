/*
 * Everything an alert shows, gathered by `flow` for one recipient and rendered by `channel`.
 *
 * Names and order follow EXAMPLES.md. Texts are raw (unescaped) UTF-8 from the arena of the batch;
 * the renderer escapes. NULL and unset times are left out of the mail.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_ALERT_H
#define MODEL_ALERT_H

#include "base/uuid.h"
#include "model/response.h"
#include "model/words.h"

enum alert_kind {
	ALERT_OPENED,   /* a case opened and this person owns it or is notified */
	ALERT_ASSIGNED, /* handed over to this person */
	ALERT_AMENDED,  /* the customer changed the answer */
	ALERT_PRAISE,   /* no case; something to be glad about */
	ALERT_FORWARDED /* the first person could not be reached, so you get it */
};

/* Why this person gets it. */
enum alert_reason {
	REASON_LOOKUP,   /* owns `dimension` = `value` in the owners table */
	REASON_FROM,     /* named in the response itself (`dimension` is the fact) */
	REASON_PERSON,   /* named in the rules */
	REASON_TEAM,     /* member of team `value` */
	REASON_DEPUTY,   /* stands in for `for_name`, who is away */
	REASON_FALLBACK, /* the mail to `for_name` could not be delivered */
	REASON_NOTIFIED, /* not the owner: informed beside the owner `for_name` */
	REASON_ASSIGNED  /* `for_name` handed it over */
};

struct labelled {
	const char *label; /* already in the recipient's language */
	const char *value;
};

/* Last time the same customer answered. */
struct alert_previous {
	bool set;
	struct local_time at;
	const char *touchpoint; /* label in the recipient's language, or NULL */
	struct score score;
};

struct alert {
	enum alert_kind kind;
	struct uuid message_id;
	enum language language;
	const char *instance;
	int64_t case_id; /* 0 for praise and `try` */
	enum priority priority;
	const struct response *response;

	const char *person_id, *person_name, *person_address; /* the recipient */
	bool is_owner;
	const char *owner_name;

	const char *touchpoint;            /* label, e.g. "설치" */
	const char *account;               /* account_name, else the label of account, else account */
	struct labelled *ratings;          /* value is "1/5"; stars are drawn by the renderer from rating_values */
	const struct score *rating_values; /* beside ratings, same order */
	int n_ratings;
	struct labelled *details; /* shown attributes */
	int n_details;
	struct alert_previous previous;
	bool was_set; /* ALERT_AMENDED: the score before the change */
	struct score was;

	struct local_time responded_at;
	struct local_time acknowledge_due, resolve_due; /* unset: no promise */
	bool acknowledge_urgent;
	const char
		*advice; /* what to do, in the recipient's language, from the winning rule; NULL: the template's own sentence */

	enum alert_reason reason;
	const char *reason_dimension; /* label of the dimension, e.g. "account" */
	const char *reason_value;     /* e.g. "Hanbit" */
	const char *for_name;
	const char *next_person; /* who is told when nobody acknowledges; NULL: nobody */
	struct local_time next_at;

	const char *case_url; /* NULL while there are no pages: the mail names the command */
	const char *reply_to;
	bool minimal;                /* email.content = "minimal": no comment, no contact data */
	const char *redirected_from; /* delivery = redirect: the address this mail was meant for, or NULL */
};

#endif
