/*
 * SQL of messages and endpoints; see outbox_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/outbox_store.h"

#define FINAL_STATES "('sent', 'failed', 'dead', 'cancelled')"
/* A case that is closed needs no further try (rule f); what told of the closing itself does. */
#define NEEDS_NO_TRY                                                                                               \
	"m.kind NOT IN ('case.resolved', 'case.closed', 'case.dismissed', 'case.outcome') AND EXISTS (SELECT FROM" \
	" closeloop.cases c WHERE c.id = m.case_id AND c.status IN ('resolved', 'closed', 'dismissed'))"

#define INSERT                                                                                                                 \
	"INSERT INTO closeloop.messages (id, case_id, response_id, kind, step, channel, endpoint, recipient, address, "        \
	"payload,"                                                                                                             \
	" dedup_key, queued_at, state, attempt, fence, lease_until, next_at, daemon, held_for)"                                \
	" SELECT id, case_id, response_id, kind, step, CASE WHEN endpoint = 'email' THEN 'email' ELSE 'webhook' END, "         \
	"endpoint,"                                                                                                            \
	"  recipient, address, payload, dedup_key, coalesce(queued_at, clock_timestamp()),"                                    \
	"  (CASE WHEN leased THEN 'leased' WHEN held_for IS NOT NULL THEN 'held' ELSE 'queued' END)::closeloop.message_state," \
	"  leased::int, leased::int,"                                                                                          \
	"  CASE WHEN leased THEN clock_timestamp() + interval '30 seconds' END,"                                               \
	"  CASE WHEN leased THEN clock_timestamp() + interval '30 seconds' ELSE clock_timestamp() END,"                        \
	"  CASE WHEN leased THEN $13 END, held_for"                                                                            \
	" FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],"     \
	"  $9::text[], $10::text[], $11::timestamptz[], $12::boolean[], $14::text[])"                                          \
	"  AS m (id, case_id, response_id, kind, step, endpoint, recipient, address, payload, dedup_key, queued_at, leased,"   \
	"  held_for)"

const struct pg_stmt outbox_insert = {
	"outbox_insert",
	INSERT " ON CONFLICT (dedup_key) DO NOTHING RETURNING id",
	14,
	{PG_UUID_ARRAY, PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,
	 PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_BOOL_ARRAY, PG_TEXT, PG_TEXT_ARRAY},
};

const struct pg_stmt outbox_insert_new = {
	"outbox_insert_new",
	INSERT,
	14,
	{PG_UUID_ARRAY, PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,
	 PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_BOOL_ARRAY, PG_TEXT, PG_TEXT_ARRAY},
};

/* To unfold as many arrays is more work than to write one row. */
const struct pg_stmt outbox_insert_one = {
	"outbox_insert_one",
	"INSERT INTO closeloop.messages (id, case_id, response_id, kind, step, channel, endpoint, recipient, address, payload,"
	" dedup_key, queued_at, state, attempt, fence, lease_until, next_at, daemon, held_for)"
	" VALUES ($1, $2, $3, $4, $5, CASE WHEN $6 = 'email' THEN 'email' ELSE 'webhook' END, $6, $7, $8, $9, $10,"
	"  coalesce($11, clock_timestamp()),"
	"  (CASE WHEN $12 THEN 'leased' WHEN $14 IS NOT NULL THEN 'held' ELSE 'queued' END)::closeloop.message_state,"
	"  $12::int, $12::int, CASE WHEN $12 THEN clock_timestamp() + interval '30 seconds' END,"
	"  clock_timestamp() + CASE WHEN $12 THEN interval '30 seconds' ELSE interval '0' END,"
	"  CASE WHEN $12 THEN $13 END, $14)",
	14,
	{PG_UUID, PG_INT8, PG_INT8, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_TIMESTAMPTZ, PG_BOOL,
	 PG_TEXT, PG_TEXT},
};

/* What waits, and where the flag behind it says so what a daemon has or had in its hands too; as messages_outstanding has them. */
#define STATES_IF "(SELECT 'queued'::closeloop.message_state AS state UNION ALL SELECT 'leased' WHERE "

/*
 * next_at of a leased message is the end of its lease, so one index finds what is due and, if $5 says so, what was abandoned. That was
 * no try: a message whose daemons were killed over and over isn't dead at its first failure.
 * A later message of a case waits for the earlier ones to the same receiver. The low-water marks $4 keep the scans off the
 * entries of messages long sent that a held xmin leaves behind. state::text: by the case, never by messages_outstanding, which would
 * be read once for each message (an empty table's statistics make it look small). What was tried already and whose case is closed is
 * cancelled instead: the settle may not have seen a closing that was committed in the same moment (tests/model: NO_SECOND_LOOK).
 * Who asks may not have heard yet that an endpoint is paused; what was written after that must stay.
 */
const struct pg_stmt outbox_claim = {
	"outbox_claim",
	"UPDATE closeloop.messages AS m"
	" SET state = (CASE WHEN m.fence > 0 AND " NEEDS_NO_TRY " THEN 'cancelled' ELSE 'leased' END)::closeloop.message_state,"
	" attempt = m.attempt + (m.state = 'queued')::int, fence = m.fence + 1, daemon = $3,"
	" lease_until = clock_timestamp() + interval '30 seconds', next_at = clock_timestamp() + interval '30 seconds'"
	" WHERE m.id = ANY (ARRAY("
	"  SELECT d.id FROM (SELECT u.* FROM unnest($1::text[], $2::int[], $4::timestamptz[], $5::boolean[]) AS u (name, room, since, leases)"
	"   WHERE NOT EXISTS (SELECT FROM closeloop.endpoints AS p WHERE p.name IN (u.name, '*') AND (p.paused OR p.disabled))) AS e"
	"  CROSS JOIN LATERAL (SELECT f.id FROM " STATES_IF
	"e.leases) AS s CROSS JOIN LATERAL (SELECT q.id, q.next_at FROM closeloop.messages q"
	"    WHERE q.endpoint = e.name AND q.state = s.state AND q.state IN ('queued', 'leased')"
	"     AND q.next_at <= clock_timestamp() AND q.next_at >= e.since"
	"     AND (q.case_id IS NULL OR NOT EXISTS (SELECT FROM closeloop.messages b WHERE b.case_id = q.case_id"
	"      AND b.endpoint = q.endpoint AND b.recipient IS NOT DISTINCT FROM q.recipient"
	"      AND b.seq < q.seq AND b.state::text IN ('queued', 'leased')))"
	"    ORDER BY q.next_at LIMIT e.room FOR UPDATE OF q SKIP LOCKED) AS f"
	"   ORDER BY f.next_at LIMIT e.room) AS d))"
	" RETURNING m.id, m.fence, m.attempt, coalesce(m.case_id, 0), m.endpoint, m.address, m.payload,"
	" CASE WHEN m.held_for IS NULL THEN m.queued_at END,"
	" CASE WHEN m.attempt > 1 THEN (SELECT a.at FROM closeloop.attempts a WHERE a.message_id = m.id"
	"  ORDER BY a.id DESC OFFSET m.attempt - 2 LIMIT 1) END, m.state = 'leased'",
	5,
	{PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_TEXT, PG_TIMESTAMPTZ_ARRAY, PG_BOOL_ARRAY},
};

/*
 * One look-up a result: the session has nothing but nested loops over indexes (session_sql in flow.c), whatever the tables looked
 * like when the plan was made. Not by ctid: a message that another session moves while we wait for it (a lease that ran out, a case
 * that is closed) has a new place, and a late success would be lost with the old one.
 * One attempts row exactly when the messages row moved, so settling twice (after a lost connection) records once. A mail about
 * a case that won't arrive becomes a notice: the next person is told.
 */
const struct pg_stmt outbox_settle = {
	"outbox_settle",
	"WITH r AS (SELECT * FROM unnest($1::uuid[], $2::int[], $3::text[], $4::boolean[], $5::float8[], $6::text[], $7::int[],"
	"   $8::int[], $9::text[], $10::text[])"
	"   AS r (id, fence, state, counts, delay_s, outcome, code, duration_ms, error, answer)),"
	" moved AS (UPDATE closeloop.messages AS m SET state = CASE WHEN r.state = 'queued' AND " NEEDS_NO_TRY
	"    THEN 'cancelled' ELSE r.state::closeloop.message_state END,"
	"   attempt = CASE WHEN r.counts THEN m.attempt ELSE greatest(m.attempt - 1, 0) END,"
	"   next_at = clock_timestamp() + make_interval(secs => r.delay_s), lease_until = NULL,"
	"   sent_at = CASE WHEN r.state = 'sent' THEN clock_timestamp() END,"
	"   last_code = CASE WHEN r.counts THEN nullif(r.code, 0) ELSE m.last_code END,"
	"   last_error = CASE WHEN r.counts THEN nullif(r.error, '') ELSE m.last_error END"
	"  FROM r WHERE m.id = r.id AND ((m.state = 'leased' AND m.fence = r.fence)"
	"   OR (r.state = 'sent' AND m.state NOT IN " FINAL_STATES "))"
	"  RETURNING m.id, m.case_id, m.channel, m.state, r.outcome, r.code, r.duration_ms, r.error, r.answer),"
	" told AS (INSERT INTO closeloop.notices (case_id, kind, message_id)"
	"  SELECT case_id, 'undelivered', id FROM moved"
	"  WHERE channel = 'email' AND state IN ('failed', 'dead') AND case_id IS NOT NULL)"
	" INSERT INTO closeloop.attempts (message_id, at, outcome, code, duration_ms, error, answer)"
	" SELECT id, clock_timestamp(), outcome, nullif(code, 0), duration_ms, nullif(error, ''), nullif(answer, '')"
	" FROM moved WHERE outcome <> 'released'",
	10,
	{PG_UUID_ARRAY, PG_INT4_ARRAY, PG_TEXT_ARRAY, PG_BOOL_ARRAY, PG_FLOAT8_ARRAY, PG_TEXT_ARRAY, PG_INT4_ARRAY,
	 PG_INT4_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};

const struct pg_stmt outbox_renew = {
	"outbox_renew",
	"UPDATE closeloop.messages AS m SET lease_until = clock_timestamp() + interval '30 seconds',"
	" next_at = clock_timestamp() + interval '30 seconds'"
	" FROM unnest($1::uuid[], $2::int[]) AS r (id, fence)"
	" WHERE m.id = r.id AND m.id = ANY ($1) AND m.fence = r.fence AND m.state = 'leased'",
	2,
	{PG_UUID_ARRAY, PG_INT4_ARRAY},
};

const struct pg_stmt outbox_reclaim = {
	"outbox_reclaim",
	"UPDATE closeloop.messages SET state = 'queued', lease_until = NULL, next_at = clock_timestamp(),"
	" attempt = greatest(attempt - 1, 0)"
	" WHERE state = 'leased' AND daemon = $1 AND id <> ALL ($2)"
	"  AND lease_until < clock_timestamp() + interval '30 seconds' - make_interval(secs => $3)",
	3,
	{PG_TEXT, PG_UUID_ARRAY, PG_FLOAT8},
};

const struct pg_stmt outbox_next = {
	"outbox_next",
	"SELECT extract(epoch FROM min(d.next_at) FILTER (WHERE NOT d.due) - clock_timestamp())::float8, clock_timestamp(),"
	" coalesce(array_agg(e.name) FILTER (WHERE d.due), '{}')"
	" FROM unnest($1::text[], $2::timestamptz[], $3::boolean[]) AS e (name, since, leases)"
	" CROSS JOIN LATERAL " STATES_IF
	"e.leases) AS s CROSS JOIN LATERAL (SELECT q.next_at, q.next_at <= clock_timestamp() AS due"
	"  FROM closeloop.messages q WHERE q.endpoint = e.name AND q.state = s.state AND q.state IN ('queued', 'leased')"
	"  AND q.next_at >= e.since ORDER BY q.next_at LIMIT 1) AS d",
	3,
	{PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_BOOL_ARRAY},
};

const struct pg_stmt outbox_endpoints = {
	"outbox_endpoints",
	"SELECT name, paused, disabled, breaker <> 'closed',"
	" coalesce(greatest(extract(epoch FROM until - clock_timestamp()), 0), 0)::float8, failures"
	" FROM closeloop.endpoints",
	0,
	{0},
};

/* It waits for nobody: the round's transaction holds the states of other endpoints, as another daemon's may. */
const struct pg_stmt outbox_probe = {
	"outbox_probe",
	"UPDATE closeloop.endpoints SET breaker = 'half_open', until = clock_timestamp() + make_interval(secs => $2),"
	" updated_at = clock_timestamp()"
	" WHERE name = (SELECT name FROM closeloop.endpoints WHERE name = $1 AND breaker <> 'closed'"
	"  AND coalesce(until <= clock_timestamp(), true) FOR UPDATE SKIP LOCKED) RETURNING name",
	2,
	{PG_TEXT, PG_FLOAT8},
};

/*
 * 60 s after the fifth failure in a row; a failed probe doubles it, to an hour at most (backoff_breaker_s() says the same). Whatever
 * else was in flight when it opened fails too and counts no more: one restart of a mail server is one failure, not fifty.
 */
#define STAYS_OPEN "(NOT $3 AND e.breaker = 'open')"
#define PROBE_FAILED "(NOT $3 AND e.breaker = 'half_open')"
#define IN_A_ROW "(CASE WHEN $3 THEN 0 ELSE e.failures END + $2)"
const struct pg_stmt outbox_endpoint_result = {
	"outbox_endpoint_result",
	"INSERT INTO closeloop.endpoints AS e (name, failures, breaker, until, reason, updated_at)"
	" VALUES ($1, least($2, 5), CASE WHEN $2 >= 5 THEN 'open' ELSE 'closed' END,"
	"  CASE WHEN $2 >= 5 THEN clock_timestamp() + interval '60 seconds' END, CASE WHEN $2 > 0 THEN $4 END, "
	"clock_timestamp())"
	" ON CONFLICT (name) DO UPDATE SET"
	"  failures = CASE WHEN " STAYS_OPEN " THEN e.failures WHEN " PROBE_FAILED " THEN least(e.failures + 1, 1000)"
	"   ELSE least(" IN_A_ROW ", 5) END,"
	"  breaker = CASE WHEN " STAYS_OPEN " OR " PROBE_FAILED " OR " IN_A_ROW " >= 5 THEN 'open' ELSE 'closed' END,"
	"  until = CASE WHEN " STAYS_OPEN " THEN e.until"
	"   WHEN " PROBE_FAILED " THEN clock_timestamp()"
	"    + least(60 * 2 ^ least(greatest(e.failures - 4, 0), 10), 3600) * interval '1 second'"
	"   WHEN " IN_A_ROW " >= 5 THEN clock_timestamp() + interval '60 seconds' END,"
	"  reason = CASE WHEN e.paused OR e.disabled THEN e.reason WHEN $2 > 0 THEN $4 END,"
	"  updated_at = clock_timestamp()",
	4,
	{PG_TEXT, PG_INT4, PG_BOOL, PG_TEXT},
};

const struct pg_stmt outbox_endpoint_pause = {
	"outbox_endpoint_pause",
	"INSERT INTO closeloop.endpoints AS e (name, paused, reason, updated_at) VALUES ($1, true, $2, clock_timestamp())"
	" ON CONFLICT (name) DO UPDATE SET paused = true, reason = excluded.reason, updated_at = excluded.updated_at",
	2,
	{PG_TEXT, PG_TEXT},
};

const struct pg_stmt outbox_endpoint_disable = {
	"outbox_endpoint_disable",
	"INSERT INTO closeloop.endpoints AS e (name, disabled, reason, updated_at) VALUES ($1, true, $2, clock_timestamp())"
	" ON CONFLICT (name) DO UPDATE SET disabled = true, reason = excluded.reason, updated_at = excluded.updated_at",
	2,
	{PG_TEXT, PG_TEXT},
};

static void array_id(struct pg_array *a, int64_t id)
{
	if (id)
		pg_array_int8(a, id);
	else
		pg_array_null(a);
}

void outbox_insert_params(struct pg_params *p, struct arena *a, const struct outbox_message *m, int n, const char *daemon)
{
	struct pg_array ids, cases, responses, texts[8], queued, leased;
	size_t payload_bytes = 0;

	pg_array_init(&ids, a, PG_UUID);
	pg_array_init(&cases, a, PG_INT8);
	pg_array_init(&responses, a, PG_INT8);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		pg_array_init(&texts[i], a, PG_TEXT);
	pg_array_init(&queued, a, PG_TIMESTAMPTZ);
	pg_array_init(&leased, a, PG_BOOL);
	for (int i = 0; i < n; i++)
		payload_bytes += m[i].payload_bytes;
	pg_array_expect(&texts[5], n, payload_bytes);
	for (int i = 0; i < n; i++) {
		pg_array_uuid(&ids, &m[i].id);
		array_id(&cases, m[i].case_id);
		array_id(&responses, m[i].response_id);
		pg_array_text(&texts[0], m[i].kind);
		pg_array_text(&texts[1], m[i].step);
		pg_array_text(&texts[2], m[i].endpoint);
		pg_array_text(&texts[3], m[i].recipient);
		pg_array_text(&texts[4], m[i].address);
		pg_array_text_n(&texts[5], m[i].payload, m[i].payload_bytes);
		pg_array_text(&texts[6], m[i].dedup_key);
		pg_array_text(&texts[7], m[i].held_for);
		pg_array_time(&queued, m[i].queued_at);
		pg_array_bool(&leased, m[i].leased);
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &cases);
	pg_add_array(p, &responses);
	for (size_t i = 0; i < ARRAY_SIZE(texts) - 1; i++)
		pg_add_array(p, &texts[i]);
	pg_add_array(p, &queued);
	pg_add_array(p, &leased);
	pg_add_text(p, daemon);
	pg_add_array(p, &texts[ARRAY_SIZE(texts) - 1]);
}

void outbox_insert_one_params(struct pg_params *p, struct arena *a, const struct outbox_message *m, const char *daemon)
{
	const int64_t ids[] = {m->case_id, m->response_id};

	pg_params_init(p, a);
	pg_add_uuid(p, &m->id);
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
		if (ids[i])
			pg_add_int8(p, ids[i]);
		else
			pg_add_null(p, PG_INT8);
	pg_add_text(p, m->kind);
	pg_add_text(p, m->step);
	pg_add_text(p, m->endpoint);
	pg_add_text(p, m->recipient);
	pg_add_text(p, m->address);
	pg_add_text_n(p, m->payload, m->payload_bytes);
	pg_add_text(p, m->dedup_key);
	pg_add_time(p, m->queued_at);
	pg_add_bool(p, m->leased);
	pg_add_text(p, daemon);
	pg_add_text(p, m->held_for);
}

bool outbox_is_leased(const struct pg_rows *rows, int row)
{
	return pg_get_bool(rows, row, 9);
}

struct delivery *outbox_read(const struct pg_rows *rows, int row)
{
	struct uuid id = pg_get_uuid(rows, row, 0);
	const char *payload;
	struct delivery *d;
	size_t n;

	payload = pg_get_text(rows, row, 6, &n);
	d = delivery_new(&id, pg_get_text(rows, row, 4, NULL), pg_get_text(rows, row, 5, NULL), payload ? payload : "",
			 payload ? n : 0);
	d->fence = pg_get_int4(rows, row, 1);
	d->attempt = pg_get_int4(rows, row, 2);
	d->case_id = pg_get_int8(rows, row, 3);
	d->created_at = pg_get_time(rows, row, 7);
	d->first_try_at = pg_get_time(rows, row, 8);
	return d;
}

void outbox_settle_params(struct pg_params *p, struct arena *a, const struct outbox_settlement *s, int n)
{
	struct pg_array ids, fences, states, counts, delays, outcomes, codes, durations, errors, answers;

	pg_array_init(&ids, a, PG_UUID);
	pg_array_init(&fences, a, PG_INT4);
	pg_array_init(&states, a, PG_TEXT);
	pg_array_init(&counts, a, PG_BOOL);
	pg_array_init(&delays, a, PG_FLOAT8);
	pg_array_init(&outcomes, a, PG_TEXT);
	pg_array_init(&codes, a, PG_INT4);
	pg_array_init(&durations, a, PG_INT4);
	pg_array_init(&errors, a, PG_TEXT);
	pg_array_init(&answers, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_uuid(&ids, &s[i].id);
		pg_array_int4(&fences, s[i].fence);
		pg_array_text(&states, message_state_name(s[i].state));
		pg_array_bool(&counts, s[i].counts);
		pg_array_float8(&delays, (double)s[i].delay_us / (double)US_PER_S);
		pg_array_text(&outcomes, delivery_outcome_name(s[i].result->outcome));
		pg_array_int4(&codes, s[i].result->code);
		pg_array_int4(&durations, s[i].result->duration_ms);
		pg_array_text(&errors, s[i].result->error);
		pg_array_text(&answers, s[i].result->answer);
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &fences);
	pg_add_array(p, &states);
	pg_add_array(p, &counts);
	pg_add_array(p, &delays);
	pg_add_array(p, &outcomes);
	pg_add_array(p, &codes);
	pg_add_array(p, &durations);
	pg_add_array(p, &errors);
	pg_add_array(p, &answers);
}

void outbox_endpoint_read(const struct pg_rows *rows, int row, struct arena *a, struct endpoint_state *ret)
{
	*ret = (struct endpoint_state){
		.name = arena_strdup(a, pg_get_text(rows, row, 0, NULL)),
		.paused = pg_get_bool(rows, row, 1),
		.disabled = pg_get_bool(rows, row, 2),
		.open = pg_get_bool(rows, row, 3),
		.open_us = (int64_t)(pg_get_float8(rows, row, 4) * (double)US_PER_S),
		.failures = pg_get_int4(rows, row, 5),
	};
}
