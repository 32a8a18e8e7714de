/*
 * SQL of incidents; see operator_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/operator_store.h"

const struct pg_stmt operator_open = {
	"operator_open",
	"SELECT closeloop.operator_open($1, $2, jsonb_build_object('answer', $3))",
	3,
	{PG_TEXT, PG_TEXT, PG_TEXT},
};

const struct pg_stmt operator_undelivered = {
	"operator_undelivered",
	"SELECT closeloop.operator_undelivered($1)",
	1,
	{PG_UUID_ARRAY},
};

const struct pg_stmt operator_nobody_left = {
	"operator_nobody_left",
	"SELECT closeloop.operator_nobody_left($1)",
	1,
	{PG_UUID_ARRAY},
};

const struct pg_stmt operator_look = {
	"operator_look",
	"SELECT closeloop.operator_look($1)",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt operator_claim = {
	"operator_claim",
	"SELECT id, kind, subject, since, address, code, answer, failures, until, waiting, usual_s, trigger_missing, message_id,"
	" together FROM closeloop.operator_claim($1, $2)",
	2,
	{PG_BOOL, PG_INT4},
};

int operator_claim_read(const struct pg_rows *rows, struct arena *a, struct operator_incident **ret)
{
	int n = 0;

	*ret = arena_new_array(a, struct operator_incident, (size_t)pg_count(rows));
	for (int i = 0; i < pg_count(rows); i++) {
		struct operator_incident *x = &(*ret)[n];

		*x = (struct operator_incident){
			.id = pg_get_int8(rows, i, 0),
			.subject = arena_strdup(a, pg_get_text(rows, i, 2, NULL)),
			.since = pg_get_time(rows, i, 3),
			.address = arena_strdup(a, pg_get_text(rows, i, 4, NULL)),
			.code = pg_get_int4(rows, i, 5),
			.answer = arena_strdup(a, pg_get_text(rows, i, 6, NULL)),
			.failures = pg_get_int4(rows, i, 7),
			.until = pg_get_time(rows, i, 8),
			.waiting = pg_get_int8(rows, i, 9),
			.usual_s = (int64_t)pg_get_float8(rows, i, 10),
			.trigger_missing = pg_get_bool(rows, i, 11),
			.mailed = !pg_is_null(rows, i, 12),
			.together = pg_get_bool(rows, i, 13),
		};
		if (x->mailed)
			x->message_id = pg_get_uuid(rows, i, 12);
		n += operator_kind_parse(pg_get_text(rows, i, 1, NULL), &x->kind) ==
		     0; /* a later version's: not ours to tell */
	}
	return n;
}
