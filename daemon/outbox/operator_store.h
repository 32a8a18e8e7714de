/*
 * Incidents that operators are told of. SQL; see sql/012_operators.sql.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_OPERATOR_STORE_H
#define OUTBOX_OPERATOR_STORE_H

#include "model/words.h"
#include "pg/pg.h"

/* ($1 kind, $2 subject, $3 what the other side said) begins an incident, unless it lasts already. */
extern const struct pg_stmt operator_open;
/* ($1 message ids) those of messages that were refused for good or given up. */
extern const struct pg_stmt operator_undelivered;
/* ($1 message ids) … and nobody could be told instead. */
extern const struct pg_stmt operator_nobody_left;
/* ($1 endpoints of the configuration) begins and ends those that nobody records → whether something is to be told. */
extern const struct pg_stmt operator_look;
/* ($1 whether mails can be written, $2 mails an hour) → struct operator_incident, marked as told. */
extern const struct pg_stmt operator_claim;

/* Texts belong to the arena. */
struct operator_incident {
	int64_t id;
	enum operator_kind kind;
	const char *subject;
	struct wall_time since;
	const char *address;
	int code;
	const char *answer;
	int failures;
	struct wall_time until;
	int64_t waiting; /* messages: that wait for the endpoint, or are undelivered */
	int64_t usual_s;
	bool trigger_missing;
	bool mailed;
	struct uuid message_id; /* of the mail to the first operator */
	bool together;          /* one mail for all of these */
};
int operator_claim_read(const struct pg_rows *rows, struct arena *a, struct operator_incident **ret);

#endif
