/*
 * SQL of cases; see case_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "base/buf.h"
#include "base/escape.h"

#define SCALES_BYTES_MAX (1024 * 1024)

const struct pg_stmt case_lock_customers = {
	"case_lock_customers",
	"SELECT count(pg_advisory_xact_lock(k)) FROM (SELECT k FROM unnest($1::bigint[]) AS k ORDER BY k) AS sorted",
	1,
	{PG_INT8_ARRAY},
};

/* Never waits: an application may keep a response locked for minutes, and may want the locks of others after that. */
const struct pg_stmt case_lock_responses = {
	"case_lock_responses",
	"SELECT id, xmin::text FROM closeloop.responses WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED",
	1,
	{PG_INT8_ARRAY},
};

const struct pg_stmt case_judged = {
	"case_judged",
	"SELECT response_id, coalesce(case_id, 0), coalesce(row_version, '') FROM closeloop.case_responses WHERE response_id = ANY ($1)",
	1,
	{PG_INT8_ARRAY},
};

const struct pg_stmt case_new_ids = {
	"case_new_ids",
	"SELECT nextval('closeloop.cases_id_seq') FROM generate_series(1, $1)",
	1,
	{PG_INT4},
};

const struct pg_stmt case_previous = {
	"case_previous",
	"SELECT q.id, p.responded_at, p.touchpoint, p.nps, p.csat, p.ces, p.ratings"
	" FROM unnest($1::bigint[], $2::text[], $3::timestamptz[]) AS q (id, customer, at)"
	" CROSS JOIN LATERAL (SELECT r.responded_at, r.touchpoint, r.nps, r.csat, r.ces, r.ratings"
	"  FROM closeloop.responses r WHERE r.customer_id = q.customer AND r.responded_at < q.at"
	"  ORDER BY r.responded_at DESC LIMIT 1) AS p",
	3,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY},
};

const struct pg_stmt case_now = {
	"case_now",
	"SELECT now(), last_value FROM closeloop.directory_version",
	0,
	{0},
};

const struct pg_stmt case_local_times = {
	"case_local_times",
	"SELECT extract(year FROM l)::int, extract(month FROM l)::int, extract(day FROM l)::int, extract(hour FROM l)::int,"
	" extract(minute FROM l)::int, extract(isodow FROM l)::int, l::date - (now() AT TIME ZONE zone)::date"
	" FROM (SELECT zone, at AT TIME ZONE zone AS l, n"
	"  FROM unnest($1::text[], $2::timestamptz[]) WITH ORDINALITY AS q (zone, at, n)) AS t ORDER BY n",
	2,
	{PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY},
};

const struct pg_stmt case_open_stmt = {
	"case_open",
	"INSERT INTO closeloop.cases (id, response_id, customer_id, status, priority, owner, team, route, follow_up, rules,"
	" opened_at, follow_up_version, acknowledge_due_at, resolve_due_at, next_action_at, ruleset)"
	" OVERRIDING SYSTEM VALUE"
	" SELECT id, response, customer, 'open', priority::closeloop.priority, owner, team, route, follow_up, rules::text[],"
	"  now(), nullif(version, 0), acknowledge, resolve, next, $14"
	" FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],"
	"   $9::text[], $10::int[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[])"
	"  AS q (id, response, customer, priority, owner, team, route, follow_up, rules, version, acknowledge, resolve, next)",
	14,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY,
	 PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TEXT},
};

#define RECORD                                                                                                               \
	"INSERT INTO closeloop.case_responses AS c (response_id, case_id, relation, rules, facts, row_version, ruleset, at)" \
	" SELECT response, case_id, relation, rules::text[], facts, row_version, $7, now()"                                  \
	" FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::text[])"                          \
	"  AS q (response, case_id, relation, rules, facts, row_version)"

const struct pg_stmt case_record_new_stmt = {
	"case_record_new",
	RECORD,
	7,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY, PG_TEXT_ARRAY, PG_TEXT},
};

/* A response noted before may open a case after a change: the row is the same, so there is never a second. */
const struct pg_stmt case_record_stmt = {
	"case_record",
	RECORD
	" ON CONFLICT (response_id) DO UPDATE SET case_id = excluded.case_id, relation = excluded.relation,"
	"  rules = excluded.rules, facts = excluded.facts, row_version = excluded.row_version, ruleset = excluded.ruleset,"
	"  at = excluded.at WHERE c.case_id IS NULL",
	7,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY, PG_TEXT_ARRAY, PG_TEXT},
};

const struct pg_stmt case_amend_stmt = {
	"case_amend",
	"UPDATE closeloop.case_responses AS c SET row_version = q.row_version FROM unnest($1::bigint[], $2::text[])"
	" AS q (id, row_version) WHERE c.response_id = q.id",
	2,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY},
};

const struct pg_stmt case_event_stmt = {
	"case_event",
	"INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details)"
	" SELECT case_id, 'daemon', kind, to_status::closeloop.case_status, details"
	" FROM unnest($1::bigint[], $2::text[], $3::text[], $4::jsonb[]) AS q (case_id, kind, to_status, details)",
	4,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY},
};

const struct pg_stmt case_recurrence_stmt = {
	"case_recurrence",
	"SELECT response_id, case_id, owner FROM closeloop.case_recurrence($1, $2, $3, make_interval(secs => $4))",
	4,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_FLOAT8},
};

const struct pg_stmt case_recur_stmt = {
	"case_recur",
	"SELECT (closeloop.case_recur(q.case_id, q.response_id, q.priority::closeloop.priority, q.rules::text[])).id"
	" FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[]) WITH ORDINALITY"
	"  AS q (case_id, response_id, priority, rules, n) ORDER BY q.n",
	4,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};

const struct pg_stmt case_outcomes_stmt = {
	"case_outcomes",
	"SELECT closeloop.outcomes_record($1, $2, make_interval(secs => $3), $4)",
	4,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_FLOAT8, PG_JSONB},
};

void case_outcomes_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct response *const *r,
			  int n)
{
	struct pg_array ids, customers;
	struct buf scales = BUF_INIT(SCALES_BYTES_MAX);

	pg_array_init(&ids, a, PG_INT8);
	pg_array_init(&customers, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&ids, r[i]->id);
		pg_array_text(&customers, r[i]->customer_id);
	}
	buf_putc(&scales, '{');
	for (int i = 0; i < s->n_scales; i++) {
		buf_puts(&scales, i ? "," : "");
		json_put_string(&scales, s->scales[i].name);
		buf_printf(&scales, ":[%.15g,%.15g,%s]", s->scales[i].min, s->scales[i].max,
			   s->scales[i].low_is_bad ? "true" : "false");
	}
	buf_putc(&scales, '}');
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &customers);
	pg_add_float8(p, (double)s->cases.outcome_within_s);
	pg_add_jsonb(p, arena_strndup(a, buf_str(&scales), scales.n));
	buf_fini(&scales);
}

void case_open_params(struct pg_params *p, struct arena *a, const struct case_opening *c, int n, const char *ruleset)
{
	struct pg_array ids, responses, texts[7], versions, times[3];

	pg_array_init(&ids, a, PG_INT8);
	pg_array_init(&responses, a, PG_INT8);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		pg_array_init(&texts[i], a, PG_TEXT);
	pg_array_init(&versions, a, PG_INT4);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		pg_array_init(&times[i], a, PG_TIMESTAMPTZ);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&ids, c[i].id);
		pg_array_int8(&responses, c[i].response_id);
		pg_array_text(&texts[0], c[i].customer_id);
		pg_array_text(&texts[1], priority_name(c[i].priority));
		pg_array_text(&texts[2], c[i].owner);
		pg_array_text(&texts[3], c[i].team);
		pg_array_text(&texts[4], c[i].route);
		pg_array_text(&texts[5], c[i].follow_up);
		pg_array_text(&texts[6], c[i].rules);
		pg_array_int4(&versions, c[i].follow_up_version);
		pg_array_time(&times[0], c[i].acknowledge_due);
		pg_array_time(&times[1], c[i].resolve_due);
		pg_array_time(&times[2], c[i].next_action_at);
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &responses);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		pg_add_array(p, &texts[i]);
	pg_add_array(p, &versions);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		pg_add_array(p, &times[i]);
	pg_add_text(p, ruleset);
}

void case_record_params(struct pg_params *p, struct arena *a, const struct case_record *c, int n, const char *ruleset)
{
	struct pg_array responses, cases, relations, rules, facts, versions;

	pg_array_init(&responses, a, PG_INT8);
	pg_array_init(&cases, a, PG_INT8);
	pg_array_init(&relations, a, PG_TEXT);
	pg_array_init(&rules, a, PG_TEXT);
	pg_array_init(&facts, a, PG_JSONB);
	pg_array_init(&versions, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&responses, c[i].response_id);
		if (c[i].case_id)
			pg_array_int8(&cases, c[i].case_id);
		else
			pg_array_null(&cases);
		pg_array_text(&relations, c[i].relation);
		pg_array_text(&rules, c[i].rules);
		pg_array_text(&facts, c[i].facts);
		pg_array_text(&versions, c[i].row_version);
	}
	pg_params_init(p, a);
	pg_add_array(p, &responses);
	pg_add_array(p, &cases);
	pg_add_array(p, &relations);
	pg_add_array(p, &rules);
	pg_add_array(p, &facts);
	pg_add_array(p, &versions);
	pg_add_text(p, ruleset);
}

void case_event_params(struct pg_params *p, struct arena *a, const struct case_event *e, int n)
{
	struct pg_array cases, kinds, statuses, details;

	pg_array_init(&cases, a, PG_INT8);
	pg_array_init(&kinds, a, PG_TEXT);
	pg_array_init(&statuses, a, PG_TEXT);
	pg_array_init(&details, a, PG_JSONB);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&cases, e[i].case_id);
		pg_array_text(&kinds, e[i].kind);
		pg_array_text(&statuses, e[i].to_status);
		pg_array_text(&details, e[i].details ? e[i].details : "{}");
	}
	pg_params_init(p, a);
	pg_add_array(p, &cases);
	pg_add_array(p, &kinds);
	pg_add_array(p, &statuses);
	pg_add_array(p, &details);
}

struct local_time case_local_time(const struct pg_rows *rows, int row)
{
	return (struct local_time){
		.year = (int16_t)pg_get_int4(rows, row, 0),
		.month = (int8_t)pg_get_int4(rows, row, 1),
		.day = (int8_t)pg_get_int4(rows, row, 2),
		.hour = (int8_t)pg_get_int4(rows, row, 3),
		.minute = (int8_t)pg_get_int4(rows, row, 4),
		.weekday = (int8_t)pg_get_int4(rows, row, 5),
		.day_offset = pg_get_int4(rows, row, 6),
		.set = true,
	};
}

/* FNV-1a, 64 bits. */
int64_t case_customer_key(const char *customer_id)
{
	static const char space[] = "closeloop customer ";
	uint64_t h = UINT64_C(14695981039346656037);

	for (const char *s = space; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	for (; *customer_id; customer_id++)
		h = (h ^ (unsigned char)*customer_id) * UINT64_C(1099511628211);
	return (int64_t)h;
}
