/*
 * `response list`: what came in. `inbox list|retry`: what could not be judged and was set aside.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "cli/cli.h"
#include "cli/verbs.h"

#define LIMIT_DEFAULT 50

static const struct pg_stmt sql_responses = {
	"cli_responses",
	"SELECT to_json(j)::text, now(), r.id::text, r.received_at, coalesce(nullif(r.customer_name, ''), r.customer_id),"
	" coalesce(r.account_name, r.account), closeloop.score_text(r, $5), r.touchpoint,"
	" CASE WHEN cr.case_id IS NOT NULL THEN 'C-' || cr.case_id WHEN cr.relation IS NOT NULL THEN cr.relation END, r.comment"
	" FROM closeloop.responses r LEFT JOIN closeloop.case_responses cr ON cr.response_id = r.id,"
	" LATERAL (SELECT r.*, cr.case_id, cr.relation, cr.rules) j"
	" WHERE ($1::text IS NULL OR r.customer_id = $1) AND ($2::timestamptz IS NULL OR r.received_at >= $2)"
	" AND (NOT $3 OR cr.case_id IS NULL)"
	" ORDER BY r.id DESC LIMIT $4",
	5,
	{PG_TEXT, PG_TIMESTAMPTZ, PG_BOOL, PG_INT8, PG_JSONB},
};
static const struct column response_columns[] = {
	{"ID", CELL_RIGHT, 0},      {"CAME", CELL_AGO, 0},     {"CUSTOMER", CELL_TEXT, 24},
	{"ACCOUNT", CELL_TEXT, 20}, {"SCORE", CELL_RIGHT, 0},  {"TOUCHPOINT", CELL_TEXT, 20},
	{"CASE", CELL_TEXT, 0},     {"COMMENT", CELL_TEXT, 0}, {0},
};
static const struct option response_options[] = {
	{"--customer", "ID", "only this customer's"},
	{"--since", "TIME", "received since 2d, 2027-03-02, 2027-03-02T10:00"},
	{"--no-case", NULL, "only those without a case"},
	{"--limit", "N", "at most so many (default 50)"},
	{0},
};

static int response_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_responses, response_columns, "no responses", LIMIT_DEFAULT};
	struct wall_time since;
	struct pg_params p;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &list.limit);

	if (r == 0)
		r = cli_db(c);
	if (r == 0)
		r = cli_when(c, "--since", args_get(a, "--since"), -1, "00:00", &since);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, args_get(a, "--customer"));
	pg_add_time(&p, since);
	pg_add_bool(&p, args_has(a, "--no-case"));
	pg_add_int8(&p, list.limit + 1);
	pg_add_jsonb(&p, case_scales_json(c->settings, c->arena));
	return cli_list(c, &list, &p);
}

/* ---- inbox ---- */

static const struct pg_stmt sql_inbox = {
	"cli_inbox",
	"SELECT to_json(j)::text, now(), i.id::text, i.response_id::text, i.available_at, i.tries::text,"
	" CASE WHEN i.set_aside_at IS NOT NULL THEN 'set aside' WHEN i.settles AND i.available_at > now() THEN 'settles' ELSE 'waiting' END,"
	" i.last_error"
	" FROM closeloop.inbox i, LATERAL (SELECT i.*) j WHERE NOT $1 OR i.set_aside_at IS NOT NULL"
	" ORDER BY i.set_aside_at IS NULL, i.id LIMIT $2",
	2,
	{PG_BOOL, PG_INT8},
};
static const struct column inbox_columns[] = {
	{"ID", CELL_RIGHT, 0},
	{"RESPONSE", CELL_RIGHT, 0},
	{"SINCE", CELL_AGO, 0},
	{"TRIES", CELL_RIGHT, 0},
	{"STATE", CELL_TEXT, 0},
	{"ERROR", CELL_TEXT, 0},
	{0},
};
static const struct option inbox_list_options[] = {
	{"--set-aside", NULL, "only those that were given up"},
	{"--limit", "N", "at most so many (default 50)"},
	{0},
};
static const struct option inbox_retry_options[] = {{"--all", NULL, "all that were set aside"}, {0}};

/* Given back as new: the daemon is woken as the trigger would wake it. */
static const struct pg_stmt sql_inbox_retry = {
	"cli_inbox_retry",
	"WITH back AS (UPDATE closeloop.inbox SET tries = 0, last_error = NULL, set_aside_at = NULL,"
	" available_at = clock_timestamp() WHERE set_aside_at IS NOT NULL AND ($1 OR id = ANY($2)) RETURNING id)"
	" SELECT to_json(b)::text, b.id, closeloop.wake()::text FROM back b ORDER BY b.id",
	2,
	{PG_BOOL, PG_INT8_ARRAY},
};

static int inbox_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_inbox, inbox_columns, "the inbox is empty", LIMIT_DEFAULT};
	struct pg_params p;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &list.limit);

	if (r == 0)
		r = cli_db(c);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_bool(&p, args_has(a, "--set-aside"));
	pg_add_int8(&p, list.limit + 1);
	return cli_list(c, &list, &p);
}

static int inbox_retry(struct cli *c, const struct args *a)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	bool all = args_has(a, "--all");
	struct pg_array ids;
	struct pg_params p;
	int r;

	if (all == (a->n_words > 0))
		return cli_fail(EXIT_USAGE_ERROR, "inbox retry takes the numbers from inbox list, or --all");
	pg_array_init(&ids, c->arena, PG_INT8);
	for (int i = 0; i < a->n_words; i++) {
		int64_t id = 0;

		r = cli_number("inbox retry", a->words[i], INT64_MAX / 10 - 1, &id);
		if (r)
			return r;
		pg_array_int8(&ids, id);
	}
	r = cli_db(c);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_bool(&p, all);
	pg_add_array(&p, &ids);
	r = cli_run(c, &sql_inbox_retry, &p, &rows);
	if (r)
		return r;
	if (!all && pg_count(rows) == 0)
		return cli_fail(EXIT_NO, "none of these is set aside: see closeloop inbox list");
	return cli_print_changed(c, rows, "given back to the daemon");
}

const struct verb response_verbs[] = {
	{"response", "list", NULL, "what came in, newest first", response_options, 0, 0, response_list, NULL},
	{"inbox", "list", NULL, "responses not judged yet, set aside first", inbox_list_options, 0, 0, inbox_list, NULL},
	{"inbox", "retry", "[ID…]", "judge again what was set aside", inbox_retry_options, 0, WORDS_ANY, inbox_retry, NULL},
	{0},
};
