/*
 * SQL of the inbox; see intake_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"
#include "intake/claim_sql.h"
#include "intake/decode.h"

const struct pg_stmt intake_claim = {"intake_claim", CLAIM_HEAD CLAIM_FROM, 2, {PG_INT8, PG_INT4}};

/*
 * By their place, which spares the index: they are locked, so they stay there. One that moved before the lock isn't deleted, and
 * claimed the next time.
 */
const struct pg_stmt intake_done = {
	"intake_done",
	"DELETE FROM closeloop.inbox WHERE ctid = ANY ($1)",
	1,
	{PG_TID_ARRAY},
};

const struct pg_stmt intake_claim_one = {"intake_claim_one", CLAIM_ONE_HEAD CLAIM_ONE_FROM, 1, {PG_INT8}};
const struct pg_stmt intake_reread = {"intake_reread", REREAD_HEAD REREAD_FROM REREAD_WHERE, 1, {PG_INT8_ARRAY}};

#define WAITS "set_aside_at IS NULL AND available_at <= clock_timestamp()"

/* Until the next answer that settles is due, in seconds; null: none does. */
#define SETTLED_IN                                                                                                     \
	" extract(epoch FROM (SELECT i.available_at FROM closeloop.inbox i WHERE i.settles AND i.set_aside_at IS NULL" \
	"  AND i.available_at > clock_timestamp() ORDER BY i.available_at LIMIT 1) - clock_timestamp())::float8"

const struct pg_stmt intake_peek = {
	"intake_peek",
	"SELECT EXISTS (SELECT FROM closeloop.inbox WHERE tries = 0 AND " WAITS "),"
	" EXISTS (SELECT FROM closeloop.inbox WHERE tries > 0 AND " WAITS ")," SETTLED_IN,
	0,
	{0},
};

const struct pg_stmt intake_settle_replace = {
	"intake_settle_replace",
	"SELECT closeloop.settle_replace($1, $2)",
	2,
	{PG_TEXT_ARRAY, PG_FLOAT8_ARRAY},
};

const struct pg_stmt intake_settles = {"intake_settles", "SELECT" SETTLED_IN, 0, {0}};

/*
 * The try is committed before the row is claimed. In between it is put off, or another daemon could pick it too: one end of a
 * daemon would count twice, and the third try of an innocent row would be taken for the fourth (tests/model: PICK_TWICE).
 */
#define PICK(which)                                                                                                     \
	"UPDATE closeloop.inbox SET tries = tries + 1, available_at = clock_timestamp() + interval '2 seconds',"        \
	" set_aside_at = CASE WHEN tries >= 3 THEN clock_timestamp() END,"                                              \
	" last_error = CASE WHEN tries >= 3 THEN coalesce(last_error, 'the daemon ended three times while judging it')" \
	"  ELSE last_error END"                                                                                         \
	" WHERE id = (SELECT id FROM closeloop.inbox WHERE set_aside_at IS NULL AND " which                             \
	"  AND available_at <= clock_timestamp() ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)"                           \
	" RETURNING id, tries, set_aside_at IS NOT NULL"

const struct pg_stmt intake_pick_head = {"intake_pick_head", PICK("tries = 0"), 0, {0}};
const struct pg_stmt intake_pick_tried = {"intake_pick_tried", PICK("tries > 0"), 0, {0}};

const struct pg_stmt intake_blame = {
	"intake_blame",
	"UPDATE closeloop.inbox SET last_error = $2, tries = CASE WHEN $3 THEN tries ELSE 1 END,"
	" set_aside_at = CASE WHEN $3 AND tries >= 3 THEN clock_timestamp() END,"
	" available_at = clock_timestamp() + make_interval(secs => tries * $4)"
	" WHERE id = $1 RETURNING response_id, set_aside_at IS NOT NULL",
	4,
	{PG_INT8, PG_TEXT, PG_BOOL, PG_FLOAT8},
};

const struct pg_stmt intake_return_poison = {
	"intake_return_poison",
	"INSERT INTO closeloop.inbox (response_id, changed, tries, last_error, set_aside_at)"
	" SELECT id, true, 3, error, clock_timestamp() FROM unnest($1::bigint[], $2::text[]) AS p (id, error)",
	2,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY},
};

/*
 * In a second, because who holds it locked may not be done before. A row that waits already will do. Not one that another
 * daemon is just taking: it may have read the response as it was before (tests/model: RETURN_TRUSTS_CLAIMED).
 */
const struct pg_stmt intake_return = {
	"intake_return",
	"INSERT INTO closeloop.inbox (response_id, changed, available_at)"
	" SELECT id, true, clock_timestamp() + interval '1 second' FROM unnest($1::bigint[]) AS changed (id)"
	" WHERE NOT EXISTS (SELECT FROM closeloop.inbox i WHERE i.response_id = changed.id AND i.set_aside_at IS NULL"
	"  FOR KEY SHARE SKIP LOCKED)",
	1,
	{PG_INT8_ARRAY},
};

const struct pg_stmt intake_promise = {
	"intake_promise",
	"SELECT closeloop.raise_awake((extract(epoch FROM clock_timestamp()) * 1000)::bigint + $1)",
	1,
	{PG_INT8},
};

const char *intake_read_texts(const struct pg_rows *rows, int row, int first, struct arena *a, struct response *r)
{
	const char **texts[] = {&r->source,       &r->source_id,     &r->survey,         &r->touchpoint,     &r->channel,
				&r->customer_id,  &r->customer_name, &r->customer_email, &r->customer_phone, &r->account,
				&r->account_name, &r->region,        &r->language,       &r->comment};
	const char *why = NULL, *s;
	size_t n;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		s = pg_get_text(rows, row, first + (int)i, &n);
		if (s && n > RESPONSE_TEXT_BYTES_MAX)
			why = arena_printf(a, "a text of %zu bytes, at most %d are accepted", n, RESPONSE_TEXT_BYTES_MAX);
		else
			*texts[i] = s ? arena_strndup(a, s, n) : NULL;
	}
	return why;
}

const char *intake_read_rest(const struct pg_rows *rows, int row, int first, struct arena *a, struct response *r)
{
	const char *json, *why = NULL;
	int at = first - COLUMN_NPS;
	size_t n;

	r->nps = pg_get_int4_or(rows, row, at + COLUMN_NPS, SCORE_MISSING);
	r->csat = pg_get_int4_or(rows, row, at + COLUMN_CSAT, SCORE_MISSING);
	r->ces = pg_get_int4_or(rows, row, at + COLUMN_CES, SCORE_MISSING);
	r->contact_requested = pg_get_bool(rows, row, at + COLUMN_CONTACT_REQUESTED);
	r->responded_at = pg_get_time(rows, row, at + COLUMN_RESPONDED_AT);
	r->received_at = pg_get_time(rows, row, at + COLUMN_RECEIVED_AT);
	if (r->responded_at.us == INT64_MAX || r->responded_at.us == INT64_MIN + 1)
		why = "responded_at is infinite";
	json = pg_get_text(rows, row, at + COLUMN_RATINGS, &n);
	decode_ratings(json, json ? n : 0, a, r, &why);
	json = pg_get_text(rows, row, at + COLUMN_ATTRIBUTES, &n);
	decode_attributes(json, json ? n : 0, a, r, &why);
	return why;
}

static void intake_read_row(const struct pg_rows *rows, int row, struct arena *a, struct claimed *c)
{
	char version[INT_TEXT_BYTES];
	const char *why;

	c->row = row;
	c->queued_at = pg_get_time(rows, row, COLUMN_QUEUED_AT);
	c->row_version = arena_strdup(a, int_text(pg_get_xid(rows, row, COLUMN_ROW_VERSION), version));
	c->awaited = pg_get_bool(rows, row, COLUMN_AWAITED);
	c->settles = pg_get_bool(rows, row, COLUMN_SETTLES);
	c->judged = !pg_is_null(rows, row, COLUMN_CASE_ID);
	c->case_id = c->judged ? pg_get_int8(rows, row, COLUMN_CASE_ID) : 0;
	c->response.id = pg_get_int8(rows, row, COLUMN_ID);
	c->poison = intake_read_texts(rows, row, COLUMN_FIRST_TEXT, a, &c->response);
	why = intake_read_rest(rows, row, COLUMN_NPS, a, &c->response);
	c->poison = why ? why : c->poison;
}

void intake_done_params(struct pg_params *p, struct arena *a, const struct pg_rows *rows)
{
	struct pg_array places;

	pg_array_init(&places, a, PG_TID);
	for (int i = 0; i < pg_count(rows); i++)
		pg_array_tid(&places, pg_get_tid(rows, i, COLUMN_PLACE));
	pg_params_init(p, a);
	pg_add_array(p, &places);
}

int intake_read(const struct pg_rows *rows, struct arena *a, struct claimed **ret, int64_t *ret_last)
{
	int rows_n = pg_count(rows), n = 0;

	*ret = arena_new_array(a, struct claimed, (size_t)rows_n);
	for (int i = 0; i < rows_n; i++) {
		int64_t inbox_id = pg_get_int8(rows, i, COLUMN_INBOX_ID);

		*ret_last = MAX(*ret_last, inbox_id);
		if (pg_is_null(rows, i, COLUMN_ID))
			continue;
		(*ret)[n].inbox_id = inbox_id;
		intake_read_row(rows, i, a, &(*ret)[n++]);
	}
	return n;
}
