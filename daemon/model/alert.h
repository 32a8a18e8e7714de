/*
 * Everything an alert, a digest or a mail to operators shows, gathered by `flow` for one recipient and rendered by
 * `channel`.
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
	ALERT_ASSIGNED, /* handed over to this person; with history */
	ALERT_AMENDED,  /* the customer changed the answer: was, withdrawn, asks, raised */
	ALERT_JOINED, /* the customer answered once more while the case stands: was, was_at, was_comment, asks, raised, first */
	ALERT_PRAISE, /* no case; something to be glad about */
	ALERT_FORWARDED,    /* the first person could not be reached, so you get it */
	ALERT_REMINDER,     /* nobody acknowledged yet: n, of, acknowledge_left_s */
	ALERT_WARNING,      /* the promise to solve it ends soon: resolve_left_s */
	ALERT_ESCALATED,    /* to the manager or whom the step names: condition, since, history, next_person */
	ALERT_WAITING_OVER, /* the owner asked to be reminded now: note, waiting_since */
	ALERT_REOPENED,     /* by the customer (by_customer: was, was_at, was_comment, resolved_at) or by for_name: note */
	ALERT_OUTCOME,      /* what the customer said after it was solved: outcome, was, resolved_at; nothing to do */
	ALERT_KIND_COUNT
};

/* What an escalation step waits for. */
enum alert_condition { CONDITION_UNACKNOWLEDGED, CONDITION_UNRESOLVED };

/* Why this person gets it. */
enum alert_reason {
	REASON_LOOKUP,   /* owns `dimension` = `value` in the owners table */
	REASON_FROM,     /* named in the response itself (`dimension` is the fact) */
	REASON_PERSON,   /* named in the rules */
	REASON_TEAM,     /* member of team `value` */
	REASON_DEPUTY,   /* stands in for `for_name`, who is away */
	REASON_FALLBACK, /* the mail to `for_name` could not be delivered */
	REASON_NOTIFIED, /* not the owner: informed beside the owner `for_name` */
	REASON_ASSIGNED, /* `for_name` handed it over */
	REASON_MANAGER,  /* an escalation: the manager of the owner `for_name` */
	REASON_STEP,     /* an escalation: named by the step */
	REASON_OWNER     /* owns the case (reminders, outcome: why it once came to this person no longer matters) */
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

/*
 * One row of closeloop.case_events for people: "Tue 14:40  Reminder 1 of 3". Kinds that the mails have no words for are
 * left out. Oldest first; only the last ALERT_HISTORY_MAX are shown, with a count of those before.
 */
#define ALERT_HISTORY_MAX 8
struct alert_event {
	struct local_time at;
	const char *kind;        /* case_events.kind: "opened", "reminded", "contacted", … */
	const char *actor;       /* name of the person; NULL: closeloop itself */
	const char *to;          /* assigned, escalated: name of whom it went to */
	const char *note;        /* what the actor wrote, raw; shown as one shortened line */
	const char *how;         /* contacted: "phone", "mail", "visit" */
	bool reached;            /* contacted */
	bool warning;            /* reminded: the warning before the resolve promise ends */
	int n, of;               /* reminded; 0: not counted */
	struct local_time until; /* waiting */
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
	const struct scale *scales; /* of the settings: what the scores of `response` mean */
	int n_scales;
	struct labelled *details; /* shown attributes */
	int n_details;
	struct alert_previous previous;
	bool was_set; /* AMENDED, JOINED, REOPENED, OUTCOME: the score before; the one of `response` is the one of now */
	struct score was;
	struct local_time was_at;   /* JOINED, REOPENED, OUTCOME: when that was answered */
	const char *was_touchpoint; /* its label; NULL: the same as now */
	const char *was_comment;    /* JOINED, REOPENED: what the customer wrote then, raw */
	bool asks;                  /* AMENDED, JOINED: contact is asked for, and was not before */
	bool raised;                /* … and the case is more urgent than before */
	bool first_set;             /* JOINED: the score that the case was opened with, which its subject names */
	struct score first;
	const char *first_touchpoint; /* its label */
	bool withdrawn;               /* AMENDED: no rule matches any more, so the case has dismissed itself */
	bool by_customer;             /* REOPENED: by an answer, not by a person */
	enum case_outcome outcome;    /* OUTCOME */

	struct local_time responded_at;
	struct local_time acknowledge_due, resolve_due; /* unset: no promise, or this clock has stopped */
	int64_t acknowledge_left_s, resolve_left_s;     /* seconds from now to those; negative: overdue. Unused where unset */
	bool acknowledge_urgent;                        /* time is short */
	bool later; /* ESCALATED, ASSIGNED: this person has had a mail about the case before, so the subject gets its "Re: " */
	int n, of;  /* REMINDER: the how manieth of how many; 0: not counted */
	enum case_status status;           /* of the case now; OPEN for a new one */
	enum alert_condition condition;    /* ESCALATED: what was not done in time */
	struct local_time since;           /* ESCALATED: when the owner got it */
	struct local_time waiting_since;   /* WAITING_OVER */
	struct local_time resolved_at;     /* REOPENED, OUTCOME: when it was solved */
	const char *resolved_by;           /* REOPENED, OUTCOME: name, NULL: not known */
	const char *root_cause;            /* label, as recorded then */
	const char *note;                  /* an employee's words: with the hand-over, the waiting, the reopening; raw */
	const struct alert_event *history; /* ESCALATED, ASSIGNED, REOPENED: what happened so far */
	int n_history;
	int unreached;  /* attempts that reached nobody; shown in escalations and hand-overs */
	bool ping_pong; /* four hand-overs and the customer not contacted yet */
	const char
		*advice; /* what to do, in the recipient's language, from the winning rule; NULL: the template's own sentence */

	enum alert_reason reason;
	const char *reason_dimension; /* label of the dimension, e.g. "account" */
	const char *reason_value;     /* e.g. "Hanbit" */
	const char *for_name;
	const char *next_person; /* who is told next; NULL: nobody */
	struct local_time next_at;
	enum alert_condition next_condition; /* …if it isn't acknowledged, or solved, by next_at */

	const char *case_url;  /* NULL while there are no pages: the mail names the command */
	const char *inbox_url; /* all their cases; NULL: not said */
	const char *reply_to;
	bool minimal;                /* email.content = "minimal": no comment, no contact data */
	const char *redirected_from; /* delivery = redirect: the address this mail was meant for, or NULL */
};

/* Why several alerts come in one mail. */
enum digest_why {
	DIGEST_BUDGET, /* alerts_per_hour was used up */
	DIGEST_QUIET,  /* they came in quiet_hours */
	DIGEST_ASKED,  /* the route says digest: */
	DIGEST_DUE,    /* reminders, warnings and escalations that fell due together */
	DIGEST_MORNING /* not held back: what is overdue and due today */
};

/* One case (or praise) of a digest. Texts are raw; missing ones are NULL. */
struct digest_line {
	enum alert_kind kind; /* why it is here: OPENED, ASSIGNED, REMINDER, WARNING, ESCALATED, PRAISE, … */
	int64_t case_id;      /* 0: praise */
	enum priority priority;
	enum case_status status;
	bool is_owner;
	const char *owner_name; /* shown when somebody else owns it */
	bool scored;
	struct score score;
	const char *account, *customer_name, *customer_id; /* account: name or label, as in struct alert */
	const char *touchpoint;                            /* label */
	bool contact_requested;
	const char *comment;                            /* shortened here */
	int n, of;                                      /* REMINDER */
	struct local_time acknowledge_due, resolve_due; /* unset: none, or stopped. An unacknowledged case shows the first */
	int64_t acknowledge_left_s, resolve_left_s;     /* as in struct alert */
	const char *case_url;                           /* NULL while there are no pages */
};

#define DIGEST_LINES_MAX 50
struct digest {
	struct uuid message_id;
	enum language language;
	const char *instance;
	const char *person_id, *person_name, *person_address;
	enum digest_why why;
	int alerts_per_hour;             /* BUDGET: the limit that was reached */
	const struct digest_line *lines; /* worst first, one per case; at most DIGEST_LINES_MAX are shown */
	int n_lines;
	int n_total;                /* of all, shown or not; less than n_lines: n_lines */
	int n_praise;               /* of these */
	int n_due_today, n_overdue; /* of all; n_due_today without the overdue */
	const char *inbox_url;      /* NULL while there are no pages: the mail names the command */
	const char *reply_to;
	bool minimal; /* email.content = "minimal": no comments, no names of persons */
	const char *redirected_from;
};

/* A fresh link to the pages, because somebody asked for it. */
struct link_mail {
	struct uuid message_id;
	enum language language;
	const char *instance;
	const char *person_name, *person_address;
	int64_t case_id; /* 0: the link opens the list */
	const char *url;
	int ttl_days;
	const char *reply_to;
	const char *redirected_from;
};

/*
 * What operators are told, by kind:
 *   ENDPOINT_DISABLED   name: endpoint; code, answer: what it said (410)
 *   ENDPOINT_FAILING    name: endpoint; failures, code, answer, until: the next try
 *   CREDENTIALS         name: endpoint ("email": the mail server); code, answer
 *   MAIL_REFUSED        name: the person's id, address; code, answer
 *   SOURCE_SILENT       name: source; since: the last response, usual_s, trigger_missing
 *   DEAD_MESSAGES       name: endpoint, or NULL for several; count; code, answer of the last
 *   NOBODY_LEFT         name: the person's id; count: alerts that nobody has seen; code, answer
 *   MORE                count: incidents that get no mail of their own
 */
struct operator_news {
	struct uuid message_id;
	enum language language;
	const char *instance;
	const char *to_name, *to_address; /* the recipient; name may be NULL */
	enum operator_kind kind;
	const char *name;
	const char *address;     /* MAIL_REFUSED: the address that was refused */
	struct local_time since; /* when it began */
	int64_t since_s;         /* how long ago, seconds; 0: now */
	struct local_time until; /* ENDPOINT_FAILING: next try by itself */
	int failures;            /* ENDPOINT_FAILING: in a row */
	int count;               /* messages that wait for it, or are dead; incidents */
	int code;                /* HTTP or SMTP; 0: none */
	const char *answer;      /* what the other side said, raw; shown as one shortened line */
	int64_t usual_s;         /* SOURCE_SILENT: the usual gap between two responses */
	bool trigger_missing;    /* SOURCE_SILENT */
	const char *redirected_from;
};

#endif
