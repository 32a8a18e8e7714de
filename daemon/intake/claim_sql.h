/*
 * The parts of the statements that read responses: intake_store.c has them plain, past_store.c with what the live rules ask of the
 * past between head and source.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INTAKE_CLAIM_SQL_H
#define INTAKE_CLAIM_SQL_H

#include "intake/intake_store.h"

#define RESPONSE_COLUMNS                                                                                         \
	"r.id, r.xmin, r.source, r.source_id, r.survey, r.touchpoint, r.channel, r.customer_id,"                 \
	" r.customer_name, r.customer_email, r.customer_phone, r.account, r.account_name, r.region, r.language," \
	" r.comment, r.nps, r.csat, r.ces, r.contact_requested, r.responded_at, r.received_at, r.ratings,"       \
	" r.attributes,"                                                                                         \
	" (SELECT true FROM closeloop.cases t WHERE t.customer_id COLLATE \"C\" = r.customer_id"                 \
	"  AND t.status IN ('resolved', 'closed') AND t.outcome IS NULL LIMIT 1)"

/*
 * LIMIT 1 keeps each look-up one of its own. As a plain join, planned in a new installation while the tables are empty, it
 * read all responses for every row of a batch, until ANALYZE came by. What was just inserted was never judged: no look-up. A second
 * join would carry all columns once more, for this one.
 */
#define RESPONSE_OF_C \
	"LEFT JOIN LATERAL (SELECT t.*, t.xmin FROM closeloop.responses t WHERE t.id = c.response_id LIMIT 1) r ON true"
#define JUDGED(response) "(SELECT coalesce(t.case_id, 0) FROM closeloop.case_responses t WHERE t.response_id = " response ")"

/*
 * The low-water mark keeps the scan off the dead rows that a held xmin leaves behind (30 k → 140 k rows/s);
 * the caller looks from 0 again every second, because ids don't commit in order. Locked here and deleted with the commit
 * (intake_done): a DELETE … RETURNING would keep all its rows in store before it gives out the first.
 */
#define CLAIM_HEAD                                               \
	"SELECT c.id, c.available_at, c.ctid, " RESPONSE_COLUMNS \
	", CASE WHEN c.changed THEN " JUDGED("c.response_id") " END, c.settles"
#define CLAIM_FROM                                                                                     \
	" FROM (SELECT id, response_id, available_at, changed, settles, ctid"                          \
	"  FROM closeloop.inbox"                                                                       \
	"  WHERE id > $1 AND tries = 0 AND set_aside_at IS NULL AND available_at <= clock_timestamp()" \
	"  ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED) c " RESPONSE_OF_C
#define CLAIM_ONE_HEAD                                                                     \
	"SELECT c.id, least(c.available_at, clock_timestamp()), c.ctid, " RESPONSE_COLUMNS \
	", " JUDGED("c.response_id") ", c.settles"
#define CLAIM_ONE_FROM                                                                    \
	" FROM (SELECT id, response_id, available_at, settles, ctid FROM closeloop.inbox" \
	"  WHERE id = $1 AND set_aside_at IS NULL FOR UPDATE) c " RESPONSE_OF_C
#define REREAD_HEAD "SELECT 0::bigint, clock_timestamp(), NULL::tid, " RESPONSE_COLUMNS ", " JUDGED("r.id") ", false"
#define REREAD_FROM " FROM closeloop.responses r"
#define REREAD_WHERE " WHERE r.id = ANY ($1)"

enum {
	COLUMN_INBOX_ID,
	COLUMN_QUEUED_AT,
	COLUMN_PLACE,
	COLUMN_ID,
	COLUMN_ROW_VERSION,
	COLUMN_FIRST_TEXT, /* source … comment: 14 texts in the order of struct response */
	COLUMN_COMMENT = COLUMN_FIRST_TEXT + 13,
	COLUMN_NPS,
	COLUMN_CSAT,
	COLUMN_CES,
	COLUMN_CONTACT_REQUESTED,
	COLUMN_RESPONDED_AT,
	COLUMN_RECEIVED_AT,
	COLUMN_RATINGS,
	COLUMN_ATTRIBUTES,
	COLUMN_AWAITED, /* a case of the customer waits for its outcome */
	COLUMN_CASE_ID, /* 0: it was judged and has none; null: it wasn't judged */
	COLUMN_SETTLES,
	COLUMN_PAST /* past_store.c: the first of its own */
};

/* The texts among RESPONSE_COLUMNS. Return: NULL, or why the row can't be judged; texts it can't take are left out. */
const char *intake_read_texts(const struct pg_rows *rows, int row, int first, struct arena *a, struct response *r);
/* Everything behind them, from nps to attributes. */
const char *intake_read_rest(const struct pg_rows *rows, int row, int first, struct arena *a, struct response *r);

#endif
