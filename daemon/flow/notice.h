/*
 * A notice as flow knows it: what happened to a case, and the case as it is now.
 *
 *   notices.c        the rounds: claim, read, render, write
 *   notice_read.c    rows → struct notice
 *   notice_plan.c    who is told of it, by which kind of mail and by which webhooks
 *   notice_alert.c   what their mail says beyond what every alert says
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_NOTICE_H
#define FLOW_NOTICE_H

#include "flow/judge.h"
#include "outbox/notice_store.h"

enum notice_kind {
	NOTICE_UNDELIVERED,
	NOTICE_ASSIGNED,
	NOTICE_AMENDED,
	NOTICE_JOINED, /* one more answer of the same customer */
	NOTICE_REMINDER,
	NOTICE_WARNED,
	NOTICE_ESCALATED,
	NOTICE_WAITED,
	NOTICE_REOPENED,
	NOTICE_ANSWERED, /* the outcome is known */
	NOTICE_MOVED     /* nobody is mailed; webhooks may hear of it */
};

/* An earlier event of the case; texts are the arena's. */
struct notice_past {
	struct wall_time at, until;
	const char *kind, *actor, *to, *note, *how;
	bool reached, warning;
	int n, of;
};

struct notice {
	int64_t id;
	enum notice_kind kind;
	const char *type; /* of the webhooks that hear of it; NULL: none do */
	struct case_facts facts;
	struct event_facts event; /* id 0: none */
	enum case_status status;
	enum priority priority;
	bool stands; /* somebody still has to act on the case */
	bool told;   /* a mail is written */

	struct uuid message_id; /* UNDELIVERED */
	const char *recipient;
	const char *const *tried;
	int n_tried;
	const char *const *mailed; /* who got a mail about this case before */
	int n_mailed;

	const char *to;            /* ASSIGNED */
	const char *step, *target; /* ESCALATED */
	enum alert_condition condition;
	int n, of;               /* REMINDER */
	int64_t response_id;     /* whose words are shown */
	bool by_customer;        /* it isn't the answer that opened the case */
	bool tell, asks, raised; /* JOINED, AMENDED: mailed; asks for contact now; more urgent now */
	const char *const *new_rules;
	int n_new_rules;
	int64_t was_response_id;       /* JOINED: the worst answer before; 0: none */
	struct response was;           /* AMENDED: its scores before */
	const struct response *before; /* of both; NULL: not known */
	struct wall_time owned_since, waiting_since;
	const char *resolved_by;
	const struct response *opener; /* what the customer said at first; NULL: it is the one that is shown */
	struct notice_past *past;
	int n_past;
	const char *next_target; /* whom the next step of escalation names; NULL: there is none */
	struct wall_time next_at;
	enum alert_condition next_condition;
};

/* notice_read.c */
int notice_read(const struct pg_rows *rows, struct arena *a, struct notice **ret);
void notice_read_past(const struct pg_rows *rows, struct arena *a, struct notice *notices, int n);
/* Its mail tells what happened before. */
bool notice_shows_past(const struct notice *n);

/* notice_plan.c */
/* Whom it names beside the owner, by lookups that must be answered before the plan can be made, or otherwise. */
typedef void notice_notify_fn(void *arg, const struct notify *entry);
void notice_lookups(const struct judge *j, const struct notice *n, notice_notify_fn *fn, void *arg);
/* Adds a plan to j when somebody is told. f holds the answered lookups. */
void notice_plan(struct judge *j, struct notice *n, struct claimed *c);
/* Whom an escalation step names, for "if nobody acts, X is told". NULL: not known before it comes. */
const char *notice_next_person(const struct judge *j, const struct notice *n);

/* notice_alert.c */
/* The answer that its mails show; whom to ring stands in the one that opened the case, if not in this one. */
const struct response *notice_response(struct judge *j, const struct plan *p);
/* Further times that its mails show: plan->ask. */
void notice_ask(struct judge *j, struct plan *p);
/* Fills what the mail to recipient i says beyond every alert. */
void notice_alert(struct judge *j, const struct plan *p, int i, struct alert *a);

#endif
