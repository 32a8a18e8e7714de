/*
 * `case list|open`. One case as a whole is case_show.c, the actions stand in action.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "cli/cli.h"
#include "cli/verbs.h"
#include "followup/version.h"

#include <string.h>

#define LIMIT_DEFAULT 100

/* ---- list ---- */

#define SQL_UNRESOLVED "c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')"
/* Which clock has run out: null, 'acknowledge' or 'resolve'. */
#define SQL_OVERDUE                                                                       \
	"CASE WHEN c.status = 'open' AND c.acknowledge_due_at < now() THEN 'acknowledge'" \
	" WHEN c.status IN ('open', 'acknowledged', 'in_progress') AND c.resolve_due_at < now() THEN 'resolve' END"
/* The time that counts now. */
#define SQL_DUE                                                                          \
	"CASE WHEN c.status = 'open' THEN least(c.acknowledge_due_at, c.resolve_due_at)" \
	" WHEN c.status IN ('acknowledged', 'in_progress') THEN c.resolve_due_at"        \
	" WHEN c.status = 'waiting' THEN c.waiting_until END"

#define SQL_STATE "LATERAL (SELECT " SQL_UNRESOLVED " AS unresolved, " SQL_OVERDUE " AS overdue)"
/* Unresolved first, among them what is late, then by priority and due time; the others newest first. */
#define SQL_ORDER                                                               \
	"s.unresolved DESC, CASE WHEN s.unresolved THEN s.overdue IS NULL END," \
	" CASE WHEN s.unresolved THEN c.priority END DESC, CASE WHEN s.unresolved THEN " SQL_DUE " END, c.id DESC"

/* The rows are chosen before anything is joined or made into JSON. */
static const struct pg_stmt sql_cases = {
	"cli_cases",
	"SELECT to_json(j)::text, now(), 'C-' || c.id, c.priority::text,"
	" replace(c.status::text, '_', ' ') || CASE WHEN c.ping_pong THEN ', ping-pong' ELSE '' END, c.owner, " SQL_DUE ","
	" concat_ws(', ', coalesce(nullif(r.customer_name, ''), r.customer_id), coalesce(r.account_name, r.account)),"
	" closeloop.score_text(r, $10), r.touchpoint, r.comment"
	" FROM (SELECT c.id AS chosen FROM closeloop.cases c, " SQL_STATE " s"
	" WHERE ($1::text IS NULL OR c.owner = $1) AND ($2::text IS NULL OR c.status::text = ANY(string_to_array($2, ',')))"
	" AND ($3::text IS NULL OR c.priority::text = $3) AND (NOT $4 OR s.overdue IS NOT NULL)"
	" AND ($5::timestamptz IS NULL OR c.opened_at >= $5) AND (NOT $6 OR c.status = 'open')"
	" AND (NOT $7 OR c.status = 'waiting') AND (NOT $8 OR c.ping_pong)"
	" ORDER BY " SQL_ORDER " LIMIT $9) x JOIN closeloop.cases c ON c.id = x.chosen"
	" JOIN closeloop.responses r ON r.id = c.response_id, " SQL_STATE " s,"
	" LATERAL (SELECT c.*, s.overdue, r.customer_name, r.account, r.account_name, r.touchpoint, r.nps, r.csat, r.ces,"
	" r.comment) j ORDER BY " SQL_ORDER,
	10,
	{PG_TEXT, PG_TEXT, PG_TEXT, PG_BOOL, PG_TIMESTAMPTZ, PG_BOOL, PG_BOOL, PG_BOOL, PG_INT8, PG_JSONB},
};
static const struct column case_columns[] = {
	{"CASE", CELL_TEXT, 0},    {"PRIO", CELL_TEXT, 0},
	{"STATUS", CELL_TEXT, 20}, {"OWNER", CELL_TEXT, 20},
	{"DUE", CELL_DUE, 0},      {"CUSTOMER", CELL_TEXT, 28},
	{"SCORE", CELL_RIGHT, 16}, {"TOUCHPOINT", CELL_TEXT, 16},
	{"COMMENT", CELL_TEXT, 0}, {0},
};
static const struct option list_options[] = {
	{"--owner", "PERSON", "only this person's"},
	{"--mine", NULL, "only those of the person who asks (--as, or login)"},
	{"--status", "STATUS", "open acknowledged in_progress waiting resolved closed dismissed; several with commas"},
	{"--priority", "P", "low normal high urgent"},
	{"--overdue", NULL, "only those whose time has run out"},
	{"--unacknowledged", NULL, "only those that nobody has acknowledged"},
	{"--waiting", NULL, "only those that wait, until when"},
	{"--ping-pong", NULL, "only those handed over four times without anybody reaching the customer"},
	{"--since", "TIME", "opened since 2d, 2027-03-02, 2027-03-02T10:00"},
	{"--limit", "N", "at most so many (default 100)"},
	{0},
};

static int statuses_check(struct cli *c, const char *statuses)
{
	const char *names[CASE_STATUS_COUNT];

	for (int i = 0; i < CASE_STATUS_COUNT; i++)
		names[i] = case_status_name((enum case_status)i);
	for (const char *s = statuses; s && *s;) {
		size_t n = strcspn(s, ",");
		const char *word = arena_strndup(c->arena, s, n);
		enum case_status status;

		if (case_status_parse(word, &status) < 0)
			return cli_fail(EXIT_USAGE_ERROR, "--status: unknown status '%s'%s", word,
					did_you_mean(c->arena, word, names, CASE_STATUS_COUNT, sizeof(names[0])));
		s += n + (s[n] == ',');
	}
	return 0;
}

static int priority_check(struct cli *c, const char *word)
{
	const char *names[PRIORITY_COUNT];
	enum priority priority;

	for (int i = 0; i < PRIORITY_COUNT; i++)
		names[i] = priority_name((enum priority)i);
	if (!word || priority_parse(word, &priority) == 0)
		return 0;
	return cli_fail(EXIT_USAGE_ERROR, "--priority: unknown priority '%s'%s", word,
			did_you_mean(c->arena, word, names, PRIORITY_COUNT, sizeof(names[0])));
}

static int case_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_cases, case_columns, "no cases", LIMIT_DEFAULT};
	const char *owner = args_get(a, "--owner");
	struct wall_time since;
	struct pg_params p;
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &list.limit);

	if (r == 0)
		r = statuses_check(c, args_get(a, "--status"));
	if (r == 0)
		r = priority_check(c, args_get(a, "--priority"));
	if (r == 0 && owner && args_has(a, "--mine"))
		r = cli_fail(EXIT_USAGE_ERROR, "case list takes --owner or --mine, not both");
	if (r == 0)
		r = cli_db(c);
	if (r == 0 && args_has(a, "--mine")) {
		r = cli_actor(c);
		owner = c->actor;
		if (r == 0 && strncmp(owner, "cli:", 4) == 0)
			cli_error("warning: nobody has the login '%s': --as PERSON says who you are", owner + 4);
	} else if (r == 0 && owner) {
		r = cli_person_warn(c, "--owner", owner);
	}
	if (r == 0)
		r = cli_when(c, "--since", args_get(a, "--since"), -1, "00:00", &since);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, owner);
	pg_add_text(&p, args_get(a, "--status"));
	pg_add_text(&p, args_get(a, "--priority"));
	pg_add_bool(&p, args_has(a, "--overdue"));
	pg_add_time(&p, since);
	pg_add_bool(&p, args_has(a, "--unacknowledged"));
	pg_add_bool(&p, args_has(a, "--waiting"));
	pg_add_bool(&p, args_has(a, "--ping-pong"));
	pg_add_int8(&p, list.limit + 1);
	pg_add_jsonb(&p, case_scales_json(c->settings, c->arena));
	return cli_list(c, &list, &p);
}

/* ---- open ---- */

static const struct pg_stmt sql_open = {
	"cli_case_open",
	"SELECT to_json(t)::text, t.id, t.owner, to_char(t.acknowledge_due_at AT TIME ZONE $7, 'Dy YYYY-MM-DD HH24:MI')"
	" FROM closeloop.case_open_by_hand($1, $2, $3::closeloop.priority, $4, $5, $6) t",
	7,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_JSONB, PG_TEXT},
};
static const struct option open_options[] = {
	{"--owner", "PERSON", "who is responsible (default: who opens it)"},
	{"--priority", "P", "low normal high urgent (default normal)"},
	{"--follow-up", "NAME", "whose promises apply (default: defaults.follow_up)"},
	{"--note", "TEXT", "why"},
	{0},
};

static int follow_up_take(struct cli *c, const char *name, const struct follow_up **ret)
{
	const struct settings *s = c->settings;

	*ret = name ? settings_follow_up(s, name) : s->default_follow_up;
	if (name && !*ret)
		return cli_fail(EXIT_NO, "unknown follow-up '%s'%s", name,
				did_you_mean(c->arena, name, s->follow_ups, (size_t)s->n_follow_ups, sizeof(*s->follow_ups)));
	return 0;
}

static const char *open_details(struct cli *c, const struct follow_up *f)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(FOLLOW_UP_BYTES_MAX);

	buf_printf(&out, "{\"ruleset\":\"%s\"", c->settings->sha256);
	if (f) {
		buf_puts(&out, ",\"definition\":");
		follow_up_put(f, &out);
	}
	buf_putc(&out, '}');
	return arena_strdup(c->arena, buf_str(&out));
}

static int case_open(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const char *owner = args_get(a, "--owner"), *priority = args_get(a, "--priority");
	const struct follow_up *follow_up;
	int64_t response = 0;
	struct pg_params p;
	int r = cli_number("case open", a->words[0], INT64_MAX / 10 - 1, &response);

	if (r == 0)
		r = priority_check(c, priority);
	if (r == 0)
		r = cli_actor(c);
	if (r == 0 && !owner && strncmp(c->actor, "cli:", 4) == 0)
		r = cli_fail(EXIT_NO, "case open needs --owner PERSON: nobody has the login '%s'", c->actor + 4);
	if (r == 0)
		r = cli_person_known(c, owner ? owner : c->actor);
	if (r == 0)
		r = follow_up_take(c, args_get(a, "--follow-up"), &follow_up);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_int8(&p, response);
	pg_add_text(&p, c->actor);
	pg_add_text(&p, priority ? priority : "normal");
	pg_add_text(&p, owner ? owner : c->actor);
	pg_add_text(&p, args_get(a, "--note"));
	pg_add_jsonb(&p, open_details(c, follow_up));
	pg_add_text(&p, c->settings->timezone);
	r = cli_run(c, &sql_open, &p, &rows);
	if (r)
		return r;
	if (c->json) {
		cli_put_json(rows, &out);
	} else {
		buf_printf(&out, "C-%lld opened, owner %s%s%s\n", (long long)pg_get_int8(rows, 0, 1),
			   pg_get_text(rows, 0, 2, NULL), pg_is_null(rows, 0, 3) ? "" : ", acknowledge by ",
			   pg_is_null(rows, 0, 3) ? "" : pg_get_text(rows, 0, 3, NULL));
	}
	cli_print(c, &out);
	return 0;
}

const struct verb case_verbs[] = {
	{"case", "list", NULL, "cases: unresolved ones first, most pressing on top", list_options, 0, 0, case_list, NULL},
	{"case", "show", "CASE", "one case as a whole, and what comes next", NULL, 1, 1, case_show_run, NULL},
	{"case", "open", "RESPONSE", "open a case that no rule asked for", open_options, 1, 1, case_open, NULL},
	{0},
};
