/*
 * Notices: what somebody must hear of a case that is there already. SQL.
 *
 * Whatever moves a case (command, page, sweep, judge) writes an event, a trigger a row here; so does the settling of a mail that
 * can't be delivered. The daemon takes the row and writes the messages in one transaction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_NOTICE_STORE_H
#define OUTBOX_NOTICE_STORE_H

#include "pg/pg.h"

/* Columns of notice_claim. */
enum {
	NOTICE_ID,
	NOTICE_UNDELIVERED_MESSAGE, /* uuid, null: an event */
	NOTICE_RECIPIENT,           /* of the mail that didn't arrive */
	NOTICE_TRIED,               /* people whose mail about this case failed, or who were told instead */
	NOTICE_MAILED,              /* people who got a mail about this case */
	NOTICE_EVENT_ID,
	NOTICE_EVENT_AT,
	NOTICE_ACTOR,
	NOTICE_EVENT_KIND,
	NOTICE_FROM_STATUS,
	NOTICE_TO_STATUS,
	NOTICE_NOTE,
	NOTICE_DETAILS, /* json for others: without what is for undo only, or may hold a customer's address */
	NOTICE_TO,      /* assigned to */
	NOTICE_STEP,    /* escalated */
	NOTICE_TARGET,
	NOTICE_CONDITION,
	NOTICE_N, /* reminded */
	NOTICE_OF,
	NOTICE_WARNING,
	NOTICE_WAITING_OVER,
	NOTICE_RESPONSE_ID, /* the answer that moved it, else the one that opened it */
	NOTICE_CASE_ID,
	NOTICE_OPENER, /* response id */
	NOTICE_CUSTOMER,
	NOTICE_STATUS,
	NOTICE_PRIORITY,
	NOTICE_OWNER,
	NOTICE_TEAM,
	NOTICE_ROUTE,
	NOTICE_FOLLOW_UP,
	NOTICE_RULES,
	NOTICE_OPENED_AT,
	NOTICE_ACKNOWLEDGED_AT,
	NOTICE_FIRST_ACTION_AT,
	NOTICE_CONTACTED_AT,
	NOTICE_RESOLVED_AT,
	NOTICE_CLOSED_AT,
	NOTICE_ACKNOWLEDGE_DUE_AT,
	NOTICE_RESOLVE_DUE_AT,
	NOTICE_NEXT_ACTION_AT,
	NOTICE_WAITING_SINCE,
	NOTICE_WAITING_UNTIL,
	NOTICE_ROOT_CAUSE,
	NOTICE_RESOLUTION,
	NOTICE_OUTCOME,
	NOTICE_REOPENED_TIMES,
	NOTICE_HANDOVERS,
	NOTICE_LINK_EPOCH,
	NOTICE_VERSION,
	NOTICE_UNREACHED,
	NOTICE_PING_PONG,
	NOTICE_RULESET,
	NOTICE_OWNED_SINCE, /* the last hand-over, or the opening */
	NOTICE_RESOLVED_BY, /* actor */
	NOTICE_NEXT_TARGET, /* the next escalation step, if nobody acts */
	NOTICE_NEXT_AT,
	NOTICE_NEXT_CONDITION,
	NOTICE_TELL,  /* joined, amended: the owner is mailed */
	NOTICE_COUNT, /* joined: the how manieth further answer */
	NOTICE_ASKS,  /* it asks for contact, and none did before */
	NOTICE_RAISED,
	NOTICE_NEW_RULES,
	NOTICE_WAS_RESPONSE, /* joined: the worst answer before this one */
	NOTICE_WAS_NPS,      /* amended: what the answer was before */
	NOTICE_WAS_CSAT,
	NOTICE_WAS_CES,
	NOTICE_WAS_RATINGS
};

/* ($1 most rows) takes the oldest. */
extern const struct pg_stmt notice_claim;
/* ($1 message ids) the next person was told. */
extern const struct pg_stmt notice_handed_on;
/* ($1 id) drops one that can't be put into words → case_id. */
extern const struct pg_stmt notice_drop;

/* ($1 people) what is held for them leaves as soon as nothing else falls due. */
extern const struct pg_stmt notice_release_soon;

/* Columns of notice_history. */
enum {
	HISTORY_CASE_ID,
	HISTORY_AT,
	HISTORY_KIND,
	HISTORY_ACTOR,
	HISTORY_TO,
	HISTORY_NOTE,
	HISTORY_HOW,
	HISTORY_REACHED,
	HISTORY_WARNING,
	HISTORY_N,
	HISTORY_OF,
	HISTORY_UNTIL
};
/* ($1 case ids) → what happened, oldest first, the last 30 of each. */
extern const struct pg_stmt notice_history;

#endif
