/*
 * Notices: mails that somebody must get about a case that is there already. SQL.
 *
 * The command or a page that hands a case over, and the settling of a mail that can't be delivered, write a row; the
 * daemon takes it, renders the mail and writes the message in one transaction.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_NOTICE_STORE_H
#define OUTBOX_NOTICE_STORE_H

#include "model/message.h"
#include "pg/pg.h"

enum notice_kind { NOTICE_ASSIGNED, NOTICE_UNDELIVERED };

struct notice {
	int64_t id, case_id, response_id, event_id;
	enum notice_kind kind;
	struct uuid message_id; /* NOTICE_UNDELIVERED */
	enum priority priority;
	bool stands; /* the case still wants somebody to act */
	bool told;   /* somebody is told; set by who puts it into words */
	bool acknowledged;
	const char *owner, *team, *route, *recipient; /* recipient: of the mail that didn't arrive */
	const char *actor, *to;                       /* NOTICE_ASSIGNED */
	const char *const *rules;
	int n_rules;
	const char *const *tried; /* people whose mail about this case failed, or who were told instead */
	int n_tried;
	struct wall_time acknowledge_due, resolve_due;
};

/* ($1 most rows) */
extern const struct pg_stmt notice_claim;
int notice_read(const struct pg_rows *rows, struct arena *a, struct notice **ret);
/* ($1 message ids) the next person was told. */
extern const struct pg_stmt notice_handed_on;
/* () drops the first notice: it can't be put into words. */
extern const struct pg_stmt notice_drop_first;

#endif
