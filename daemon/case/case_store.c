/*
 * SQL of cases; see case_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "base/buf.h"
#include "base/escape.h"

#define SCALES_BYTES_MAX (1024 * 1024)

const struct pg_stmt case_lock_customer = {
	"case_lock_customer",
	"SELECT pg_advisory_xact_lock($1)",
	1,
	{PG_INT8},
};

/* A lone answer: the customer's lock first, as the columns stand. */
const struct pg_stmt case_lock_one = {
	"case_lock_one",
	"SELECT pg_advisory_xact_lock($1), (SELECT r.xmin::text FROM closeloop.responses r WHERE r.id = $2"
	"  FOR NO KEY UPDATE SKIP LOCKED)",
	2,
	{PG_INT8, PG_INT8},
};

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
	"SELECT k.response_id, coalesce(k.case_id, 0), coalesce(k.row_version, ''), coalesce(c.version, 0)"
	" FROM closeloop.case_responses k LEFT JOIN LATERAL (SELECT t.version FROM closeloop.cases t WHERE t.id = k.case_id LIMIT 1) c"
	"  ON true WHERE k.response_id = ANY ($1)",
	1,
	{PG_INT8_ARRAY},
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

const struct pg_stmt case_now_and_ids = {
	"case_now_and_ids",
	"SELECT now(), last_value, ARRAY(SELECT nextval('closeloop.cases_id_seq') FROM generate_series(1, $1))"
	" FROM closeloop.directory_version",
	1,
	{PG_INT4},
};

/* Behind the customer's lock: nobody else writes what is looked for here. */
const struct pg_stmt case_look_one = {
	"case_look_one",
	"SELECT now(), last_value, ARRAY[nextval('closeloop.cases_id_seq')],"
	" EXISTS (SELECT FROM closeloop.case_responses k WHERE k.response_id = $1)"
	" OR EXISTS (SELECT FROM closeloop.cases c WHERE c.customer_id COLLATE \"C\" = $2)"
	" FROM closeloop.directory_version",
	2,
	{PG_INT8, PG_TEXT},
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

#define RECORD_COLUMNS "(response_id, case_id, relation, rules, facts, answer, row_version, ruleset, at)"
/* A response noted before may open a case after a change: the row is the same, so there is never a second. */
#define RECORD_AGAIN                                                                                         \
	" ON CONFLICT (response_id) DO UPDATE SET case_id = excluded.case_id, relation = excluded.relation," \
	"  rules = excluded.rules, facts = excluded.facts, answer = excluded.answer,"                        \
	"  row_version = excluded.row_version, ruleset = excluded.ruleset, at = excluded.at WHERE c.case_id IS NULL"

/* Case, record and first event of each in one: a statement costs a lone answer as much as a row, and the arrays are unfolded once. */
#define OPEN                                                                                                                    \
	"WITH q AS MATERIALIZED (SELECT id, response, customer, priority::closeloop.priority AS priority, owner, team, route,"  \
	"  follow_up, rules::text[] AS rules, nullif(version, 0) AS version, acknowledge, resolve, next, responded, account,"   \
	"  relation, facts, answer, row_version, details"                                                                       \
	"  FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],"     \
	"   $9::text[], $10::int[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],"            \
	"   $15::text[], $16::text[], $17::jsonb[], $18::jsonb[], $19::text[], $20::jsonb[])"                                   \
	"   AS a (id, response, customer, priority, owner, team, route, follow_up, rules, version, acknowledge, resolve, next," \
	"    responded, account, relation, facts, answer, row_version, details)),"                                              \
	" opened AS (INSERT INTO closeloop.cases (id, response_id, customer_id, status, priority, owner, team, route,"          \
	"   follow_up, rules, opened_at, follow_up_version, acknowledge_due_at, resolve_due_at, next_action_at,"                \
	"   last_response_at, merge_account, ruleset) OVERRIDING SYSTEM VALUE"                                                  \
	"  SELECT id, response, customer, 'open', priority, owner, team, route, follow_up, rules, now(), version, acknowledge," \
	"   resolve, next, responded, account, $21 FROM q),"                                                                    \
	" told AS (INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details)"                                \
	"  SELECT id, 'daemon', 'opened', 'open', details FROM q)"                                                              \
	" INSERT INTO closeloop.case_responses AS c " RECORD_COLUMNS                                                            \
	" SELECT response, id, relation, rules, facts, answer, row_version, $21, now() FROM q"
#define OPEN_TYPES                                                                                                       \
	{                                                                                                                \
		PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, \
			PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY,         \
			PG_TIMESTAMPTZ_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY,        \
			PG_JSONB_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY, PG_TEXT                                           \
	}

const struct pg_stmt case_open_new_stmt = {"case_open_new", OPEN, 21, OPEN_TYPES};
const struct pg_stmt case_open_stmt = {"case_open", OPEN RECORD_AGAIN, 21, OPEN_TYPES};

/* To unfold twenty arrays is more work than to write what one answer needs. */
const struct pg_stmt case_open_one_stmt = {
	"case_open_one",
	"WITH opened AS (INSERT INTO closeloop.cases (id, response_id, customer_id, status, priority, owner, team, route,"
	"  follow_up, rules, opened_at, follow_up_version, acknowledge_due_at, resolve_due_at, next_action_at,"
	"  last_response_at, merge_account, ruleset) OVERRIDING SYSTEM VALUE"
	" VALUES ($1, $2, $3, 'open', $4::closeloop.priority, $5, $6, $7, $8, $9::text[], now(), nullif($10, 0), $11, $12, $13,"
	"  $14, $15, $21)),"
	" told AS (INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details)"
	"  VALUES ($1, 'daemon', 'opened', 'open', $20))"
	" INSERT INTO closeloop.case_responses " RECORD_COLUMNS " VALUES ($2, $1, $16, $9::text[], $17, $18, $19, $21, now())",
	21,
	{PG_INT8, PG_INT8, PG_TEXT,  PG_TEXT,        PG_TEXT,        PG_TEXT,        PG_TEXT,
	 PG_TEXT, PG_TEXT, PG_INT4,  PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TIMESTAMPTZ,
	 PG_TEXT, PG_TEXT, PG_JSONB, PG_JSONB,       PG_TEXT,        PG_JSONB,       PG_TEXT},
};

#define RECORD                                                                                                   \
	"INSERT INTO closeloop.case_responses AS c " RECORD_COLUMNS                                              \
	" SELECT response, case_id, relation, rules::text[], facts, answer, row_version, $8, now()"              \
	" FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[], $6::jsonb[], $7::text[])" \
	"  AS q (response, case_id, relation, rules, facts, answer, row_version)"

const struct pg_stmt case_record_new_stmt = {
	"case_record_new",
	RECORD,
	8,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY, PG_JSONB_ARRAY, PG_TEXT_ARRAY, PG_TEXT},
};

const struct pg_stmt case_record_stmt = {
	"case_record",
	RECORD RECORD_AGAIN,
	8,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY, PG_JSONB_ARRAY, PG_TEXT_ARRAY, PG_TEXT},
};

const struct pg_stmt case_amend_stmt = {
	"case_amend",
	"SELECT (closeloop.case_amend(q.case_id, q.response_id, q.verdict, q.seen, $5)).id"
	" FROM unnest($1::bigint[], $2::bigint[], $3::jsonb[], $4::jsonb[]) WITH ORDINALITY"
	"  AS q (case_id, response_id, verdict, seen, n) ORDER BY q.case_id, q.n",
	5,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_JSONB_ARRAY, PG_JSONB_ARRAY, PG_JSONB},
};

/* A lone answer of somebody new is asked for here: a function with settings of its own costs ten times as much. */
const struct pg_stmt case_merge_stmt = {
	"case_merge",
	"SELECT response_id, what, case_id, owner, first_owner, team, priority, opened_at, last_response_at"
	" FROM (SELECT WHERE cardinality($1) > 1 OR ($5)[1] OR $6"
	"   OR (SELECT true FROM closeloop.cases c WHERE c.customer_id COLLATE \"C\" = ($2)[1] LIMIT 1)) AS asked"
	" CROSS JOIN LATERAL closeloop.merge_candidates($1, $2, $3, $4, $5, $6,"
	"  ARRAY[make_interval(secs => $7), make_interval(secs => $8), make_interval(secs => $9)])",
	9,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TIMESTAMPTZ_ARRAY, PG_BOOL_ARRAY, PG_BOOL, PG_FLOAT8, PG_FLOAT8,
	 PG_FLOAT8},
};

/* Of cases that were opened while answers belonged together by customer, or by hand. */
const struct pg_stmt case_adopt_accounts = {
	"case_adopt_accounts",
	"UPDATE closeloop.cases c SET merge_account = r.account FROM closeloop.responses r"
	" WHERE r.id = c.response_id AND r.account <> '' AND c.merge_account IS NULL"
	"  AND c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')",
	0,
	{0},
};

const struct pg_stmt case_join_stmt = {
	"case_join",
	"SELECT (closeloop.case_recur(q.case_id, q.response_id, q.priority::closeloop.priority, q.rules::text[],"
	"  nullif(q.version, 0), q.details, $7)).id"
	" FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::int[], $6::jsonb[]) WITH ORDINALITY"
	"  AS q (case_id, response_id, priority, rules, version, details, n) ORDER BY q.n",
	7,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_INT4_ARRAY, PG_JSONB_ARRAY, PG_JSONB},
};

const struct pg_stmt case_cool_stmt = {
	"case_cool",
	"SELECT closeloop.case_cooled(q.case_id, q.response_id, q.priority::closeloop.priority, q.rules::text[], q.details)"
	" FROM unnest($1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::jsonb[]) WITH ORDINALITY"
	"  AS q (case_id, response_id, priority, rules, details, n) ORDER BY q.n",
	5,
	{PG_INT8_ARRAY, PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_JSONB_ARRAY},
};

const struct pg_stmt case_outcomes_stmt = {
	"case_outcomes",
	"SELECT closeloop.outcomes_record($1, $2, make_interval(secs => $3), $4)",
	4,
	{PG_INT8_ARRAY, PG_TEXT_ARRAY, PG_FLOAT8, PG_JSONB},
};

const char *case_scales_json(const struct settings *s, struct arena *a)
{
	struct buf scales = BUF_INIT(SCALES_BYTES_MAX);
	const char *text;

	buf_putc(&scales, '{');
	for (int i = 0; i < s->n_scales; i++) {
		buf_puts(&scales, i ? "," : "");
		json_put_string(&scales, s->scales[i].name);
		buf_printf(&scales, ":[%.15g,%.15g,%s]", s->scales[i].min, s->scales[i].max,
			   s->scales[i].low_is_bad ? "true" : "false");
	}
	buf_putc(&scales, '}');
	text = arena_strndup(a, buf_str(&scales), scales.n);
	buf_fini(&scales);
	return text;
}

void case_outcomes_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct response *const *r,
			  int n)
{
	struct pg_array ids, customers;

	pg_array_init(&ids, a, PG_INT8);
	pg_array_init(&customers, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&ids, r[i]->id);
		pg_array_text(&customers, r[i]->customer_id);
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &customers);
	pg_add_float8(p, (double)s->cases.outcome_within_s);
	pg_add_jsonb(p, case_scales_json(s, a));
}

void case_merge_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct case_merge_ask *asks, int n)
{
	const struct case_settings *c = &s->cases;
	struct pg_array ids, customers, keys, times, repeated;

	pg_array_init(&ids, a, PG_INT8);
	pg_array_init(&customers, a, PG_TEXT);
	pg_array_init(&keys, a, PG_TEXT);
	pg_array_init(&times, a, PG_TIMESTAMPTZ);
	pg_array_init(&repeated, a, PG_BOOL);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&ids, asks[i].response_id);
		pg_array_text(&customers, asks[i].customer);
		pg_array_text(&keys, asks[i].key);
		pg_array_time(&times, asks[i].responded_at);
		pg_array_bool(&repeated, asks[i].repeated);
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &customers);
	pg_add_array(p, &keys);
	pg_add_array(p, &times);
	pg_add_array(p, &repeated);
	pg_add_bool(p, c->merge_by == MERGE_BY_ACCOUNT);
	pg_add_float8(p, (double)c->merge_within_s);
	pg_add_float8(p, (double)c->outcome_within_s);
	pg_add_float8(p, (double)c->cooldown_s);
}

static void joining_params(struct pg_params *p, struct arena *a, const struct case_joining *c, int n, bool versions)
{
	struct pg_array cases, responses, priorities, rules, version, details;

	pg_array_init(&cases, a, PG_INT8);
	pg_array_init(&responses, a, PG_INT8);
	pg_array_init(&priorities, a, PG_TEXT);
	pg_array_init(&rules, a, PG_TEXT);
	pg_array_init(&version, a, PG_INT4);
	pg_array_init(&details, a, PG_JSONB);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&cases, c[i].case_id);
		pg_array_int8(&responses, c[i].response_id);
		pg_array_text(&priorities, priority_name(c[i].priority));
		pg_array_text(&rules, c[i].rules);
		pg_array_int4(&version, c[i].follow_up_version);
		pg_array_text(&details, c[i].details);
	}
	pg_params_init(p, a);
	pg_add_array(p, &cases);
	pg_add_array(p, &responses);
	pg_add_array(p, &priorities);
	pg_add_array(p, &rules);
	if (versions)
		pg_add_array(p, &version);
	pg_add_array(p, &details);
}

void case_join_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct case_joining *c, int n)
{
	joining_params(p, a, c, n, true);
	pg_add_jsonb(p, case_scales_json(s, a));
}

void case_amend_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct case_amending *c, int n)
{
	struct pg_array cases, responses, verdicts, seen;

	pg_array_init(&cases, a, PG_INT8);
	pg_array_init(&responses, a, PG_INT8);
	pg_array_init(&verdicts, a, PG_JSONB);
	pg_array_init(&seen, a, PG_JSONB);
	for (int i = 0; i < n; i++) {
		pg_array_int8(&cases, c[i].case_id);
		pg_array_int8(&responses, c[i].response_id);
		pg_array_text(&verdicts, c[i].verdict);
		pg_array_text(&seen, c[i].seen);
	}
	pg_params_init(p, a);
	pg_add_array(p, &cases);
	pg_add_array(p, &responses);
	pg_add_array(p, &verdicts);
	pg_add_array(p, &seen);
	pg_add_jsonb(p, case_scales_json(s, a));
}

void case_cool_params(struct pg_params *p, struct arena *a, const struct case_joining *c, int n)
{
	joining_params(p, a, c, n, false);
}

void case_open_one_params(struct pg_params *p, struct arena *a, const struct case_opening *c, const char *ruleset)
{
	pg_params_init(p, a);
	pg_add_int8(p, c->id);
	pg_add_int8(p, c->response_id);
	pg_add_text(p, c->customer_id);
	pg_add_text(p, priority_name(c->priority));
	pg_add_text(p, c->owner);
	pg_add_text(p, c->team);
	pg_add_text(p, c->route);
	pg_add_text(p, c->follow_up);
	pg_add_text(p, c->rules);
	pg_add_int4(p, c->follow_up_version);
	pg_add_time(p, c->acknowledge_due);
	pg_add_time(p, c->resolve_due);
	pg_add_time(p, c->next_action_at);
	pg_add_time(p, c->responded_at);
	pg_add_text(p, c->merge_account);
	pg_add_text(p, c->relation);
	pg_add_jsonb(p, c->facts);
	pg_add_jsonb(p, c->answer);
	pg_add_text(p, c->row_version);
	pg_add_jsonb(p, c->details);
	pg_add_text(p, ruleset);
}

void case_open_params(struct pg_params *p, struct arena *a, const struct case_opening *c, int n, const char *ruleset)
{
	struct pg_array ids, responses, texts[8], versions, times[4], relations, facts, answers, row_versions, details;

	pg_array_init(&ids, a, PG_INT8);
	pg_array_init(&responses, a, PG_INT8);
	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		pg_array_init(&texts[i], a, PG_TEXT);
	pg_array_init(&versions, a, PG_INT4);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		pg_array_init(&times[i], a, PG_TIMESTAMPTZ);
	pg_array_init(&relations, a, PG_TEXT);
	pg_array_init(&facts, a, PG_JSONB);
	pg_array_init(&answers, a, PG_JSONB);
	pg_array_init(&row_versions, a, PG_TEXT);
	pg_array_init(&details, a, PG_JSONB);
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
		pg_array_text(&texts[7], c[i].merge_account);
		pg_array_int4(&versions, c[i].follow_up_version);
		pg_array_time(&times[0], c[i].acknowledge_due);
		pg_array_time(&times[1], c[i].resolve_due);
		pg_array_time(&times[2], c[i].next_action_at);
		pg_array_time(&times[3], c[i].responded_at);
		pg_array_text(&relations, c[i].relation);
		pg_array_text(&facts, c[i].facts);
		pg_array_text(&answers, c[i].answer);
		pg_array_text(&row_versions, c[i].row_version);
		pg_array_text(&details, c[i].details);
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_add_array(p, &responses);
	for (size_t i = 0; i < 7; i++)
		pg_add_array(p, &texts[i]);
	pg_add_array(p, &versions);
	for (size_t i = 0; i < ARRAY_SIZE(times); i++)
		pg_add_array(p, &times[i]);
	pg_add_array(p, &texts[7]);
	pg_add_array(p, &relations);
	pg_add_array(p, &facts);
	pg_add_array(p, &answers);
	pg_add_array(p, &row_versions);
	pg_add_array(p, &details);
	pg_add_text(p, ruleset);
}

void case_record_params(struct pg_params *p, struct arena *a, const struct case_record *c, int n, const char *ruleset)
{
	struct pg_array responses, cases, relations, rules, facts, answers, versions;

	pg_array_init(&responses, a, PG_INT8);
	pg_array_init(&cases, a, PG_INT8);
	pg_array_init(&relations, a, PG_TEXT);
	pg_array_init(&rules, a, PG_TEXT);
	pg_array_init(&facts, a, PG_JSONB);
	pg_array_init(&answers, a, PG_JSONB);
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
		pg_array_text(&answers, c[i].answer);
		pg_array_text(&versions, c[i].row_version);
	}
	pg_params_init(p, a);
	pg_add_array(p, &responses);
	pg_add_array(p, &cases);
	pg_add_array(p, &relations);
	pg_add_array(p, &rules);
	pg_add_array(p, &facts);
	pg_add_array(p, &answers);
	pg_add_array(p, &versions);
	pg_add_text(p, ruleset);
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
static int64_t lock_key(const char *space, const char *id)
{
	uint64_t h = UINT64_C(14695981039346656037);

	for (const char *s = space; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	for (const char *s = id; *s; s++)
		h = (h ^ (unsigned char)*s) * UINT64_C(1099511628211);
	return (int64_t)h;
}

int64_t case_customer_key(const char *customer_id)
{
	return lock_key("closeloop customer ", customer_id);
}

int64_t case_account_key(const char *account)
{
	return lock_key("closeloop account ", account);
}
