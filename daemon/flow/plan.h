/*
 * What is to be done about each response of a batch: the judge's answer, before anything is written.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_PLAN_H
#define FLOW_PLAN_H

#include "case/case_store.h"
#include "case/merge.h"
#include "case/owner.h"
#include "channel/render.h"
#include "intake/intake_store.h"
#include "outbox/outbox_store.h"
#include "rule/rule.h"

#define PLAN_RECIPIENTS_MAX 64 /* people told about one response */
#define PLAN_WEBHOOKS_MAX 64

enum plan_action {
	PLAN_NOTHING, /* no rule matched, or judged in this very state before */
	PLAN_OPEN,
	PLAN_PRAISE,
	PLAN_NOTE,   /* note rules only, or too old for anything else */
	PLAN_AMEND,  /* its case is there already: an event */
	PLAN_JOIN,   /* the customer has a case that stands: it belongs there */
	PLAN_RECUR,  /* the customer's earlier case opens again */
	PLAN_COOL,   /* the customer had a case a short while ago: noted there */
	PLAN_RETURN, /* changed since the claim, or just being changed: back to the inbox */
	PLAN_TELL,   /* a notice: somebody is told about a case that is there */
};

struct recipient {
	const struct person *person;
	enum alert_reason reason;
	const char *dimension, *value;   /* of the reason */
	const struct person *for_person; /* whom it stands in for, or the owner it is informed beside */
	bool is_owner;
	bool asked;           /* for a digest, by every entry that names them */
	const char *held_for; /* "budget", "quiet", "digest": judge_hold.c; "due": notices.c; a line of a digest. NULL: words */
	int nth, most;        /* which mail of the hour it is, of how many; most 0: no limit */
};

struct plan {
	struct claimed *claimed;
	enum plan_action action;
	bool locked;             /* and as it was claimed */
	bool too_old;            /* max_age: noted instead */
	const enum tri *results; /* per rule, copied */
	int winner, n_matched;
	const struct rule *rule; /* the winner, or the first praise or note rule; NULL: it is no longer there */
	enum priority priority;
	const char *rules; /* "{callback,detractor}" */
	const char *facts; /* JSON */

	int64_t case_id;
	int32_t case_version; /* AMEND: as it was when the answer was judged */

	/* What else the customer has said: judge_merge.c. */
	const char *merge_key; /* by which answers belong together; NULL: by nothing */
	uint64_t merge_hash;
	bool repeated;             /* others of the same key are in the batch */
	bool shared_id;            /* a customer id with so many answers is no single customer's */
	struct merge_case *merges; /* found */
	int n_merges;
	int64_t linked_to;                   /* OPEN: a case of the same customer; 0: none */
	const struct merge_case *merge_case; /* joined, opened again, noted at, linked to, or not joined; NULL: there is none */
	const char *merge_why_not; /* OPEN: "owner", "window", "shared id", "anonymous id"; NULL: there is nothing to say */

	const struct notice *notice; /* PLAN_TELL; NULL: no notice */
	bool held;                   /* its mails wait for what falls due with them */
	enum alert_kind alert;
	const char *kind, *step; /* of its messages: "case.opened", NULL */
	const char *dedup;       /* start of their dedup keys: "case:812:opened" */
	struct owner_found owner;
	struct owner_found *trail; /* every step of the owner chain that was tried */
	int n_trail;
	int32_t follow_up_version;                                  /* 0: none */
	struct wall_time acknowledge_due, resolve_due, next_action; /* WALL_NONE */

	struct recipient *recipients;
	int n_recipients;
	const struct webhook **webhooks;
	int n_webhooks;

	/* Local times, per recipient: filled by the judge's second round. */
	struct local_time *responded, *acknowledge_at, *resolve_at, *previous_at;
	const struct wall_time *ask; /* further times that the plan's mails show; WALL_NONE stays unset */
	int n_ask;
	struct local_time *asked; /* n_ask per recipient */
	/* The same customer's last earlier answer; id 0: none. */
	struct response previous;
	bool has_previous;

	struct outbox_message *messages;
	int n_messages;
	struct mail_text *mails; /* beside the messages to people, in a dry run only: texts are the arena's */
};

#endif
