/*
 * The outbox: messages written, leased, settled. SQL of stage 4.
 *
 * A message's state moves only here and in SQL functions. A lease carries a fence: whoever settles names the fence
 * it was given, so a late failure is dropped; a late success is recorded all the same unless the message is final.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_STORE_H
#define OUTBOX_STORE_H

#include "model/message.h"
#include "pg/pg.h"

/* A message as it is written. Texts belong to the caller's arena. */
struct outbox_message {
	struct uuid id;
	int64_t case_id, response_id;    /* 0: none */
	const char *kind, *step;         /* "case.opened"; step NULL */
	const char *endpoint;            /* ENDPOINT_EMAIL or a webhook */
	const char *recipient, *address; /* person and mail address; NULL for webhooks */
	const char *payload;
	size_t payload_bytes;
	const char *dedup_key;
	struct wall_time queued_at; /* the trigger's clock; WALL_NONE: now */
	bool leased;                /* handed over to the channel right after the commit */
	const char *held_for;       /* it waits, and why: "budget", "quiet", "digest", "due"; NULL: it may leave */
};

/* → ids that were written: a dedup_key that exists already writes nothing. */
extern const struct pg_stmt outbox_insert;
/* The same for the first messages of cases that this transaction opens: their keys are new. → nothing. */
extern const struct pg_stmt outbox_insert_new;
/* outbox_insert_new of a single one. */
extern const struct pg_stmt outbox_insert_one;
void outbox_insert_one_params(struct pg_params *p, struct arena *a, const struct outbox_message *m, const char *daemon);
void outbox_insert_params(struct pg_params *p, struct arena *a, const struct outbox_message *m, int n, const char *daemon);

/*
 * ($1 endpoints, $2 how many of each, $3 daemon, $4 none that was due before, of each, $5 leases that are over too, of each)
 * → deliveries, at most one per case, endpoint and recipient.
 */
extern const struct pg_stmt outbox_claim;
/* false: its case is closed, so it was cancelled instead. */
bool outbox_is_leased(const struct pg_rows *rows, int row);
struct delivery *outbox_read(const struct pg_rows *rows, int row);

/* What is written about an attempt. */
struct outbox_settlement {
	struct uuid id;
	int32_t fence;
	enum message_state state;
	bool counts;
	int64_t delay_us;
	const struct delivery_result *result;
};
/* → how many were accepted. */
extern const struct pg_stmt outbox_settle;
void outbox_settle_params(struct pg_params *p, struct arena *a, const struct outbox_settlement *s, int n);

/* ($1 ids, $2 fences) */
extern const struct pg_stmt outbox_renew;
/*
 * ($1 daemon, $2 ids in flight, $3 seconds since the connection came up) leases of this daemon that it knows nothing of (a lost
 * COMMIT or claim) are due at once. Only leases taken before the connection came up: younger ones may be on their way to us.
 */
extern const struct pg_stmt outbox_reclaim;
/*
 * ($1 endpoints, $2 none that is due before, of each, $3 leases too, of each) → seconds (float8) until the nearest message of these that
 * isn't due will be (null: none); now; the endpoints that have one which is due.
 */
extern const struct pg_stmt outbox_next;

/* State of endpoints that must survive. */
struct endpoint_state {
	const char *name;
	bool paused, disabled;
	bool open;       /* the breaker holds it back until `until` */
	int64_t open_us; /* so long, then one probe may go */
	int failures;
};
/* () → all rows. */
extern const struct pg_stmt outbox_endpoints;
void outbox_endpoint_read(const struct pg_rows *rows, int row, struct arena *a, struct endpoint_state *ret);
/* ($1 name, $2 seconds) takes the one probe of an open breaker for itself → name when it got it. */
extern const struct pg_stmt outbox_probe;
/* ($1 name, $2 failures in a row added, $3 after a success, $4 reason) counts, opens or closes the breaker. */
extern const struct pg_stmt outbox_endpoint_result;
/* ($1 name, $2 reason) */
extern const struct pg_stmt outbox_endpoint_pause, outbox_endpoint_disable;

#endif
