/*
 * `case list|show|open`: follow-up as the command shows it. The actions stand in action.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/verbs.h"
#include "base/escape.h"
#include "followup/version.h"

#include <string.h>

#define LIMIT_DEFAULT 100
#define LABEL_COLUMNS 14
#define WHEN_COLUMNS 22
#define ACTOR_COLUMNS 16

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
	"SELECT to_json(j)::text, now(), 'C-' || c.id, c.priority::text, c.status::text, c.owner, " SQL_DUE ","
	" concat_ws(', ', coalesce(nullif(r.customer_name, ''), r.customer_id), coalesce(r.account_name, r.account)),"
	" closeloop.score_text(r), r.touchpoint, r.comment"
	" FROM (SELECT c.id AS chosen FROM closeloop.cases c, " SQL_STATE " s"
	" WHERE ($1::text IS NULL OR c.owner = $1) AND ($2::text IS NULL OR c.status::text = ANY(string_to_array($2, ',')))"
	" AND ($3::text IS NULL OR c.priority::text = $3) AND (NOT $4 OR s.overdue IS NOT NULL)"
	" AND ($5::timestamptz IS NULL OR c.opened_at >= $5)"
	" ORDER BY " SQL_ORDER " LIMIT $6) x JOIN closeloop.cases c ON c.id = x.chosen"
	" JOIN closeloop.responses r ON r.id = c.response_id, " SQL_STATE " s,"
	" LATERAL (SELECT c.*, s.overdue, r.customer_name, r.account, r.account_name, r.touchpoint, r.nps, r.csat, r.ces,"
	" r.comment) j ORDER BY " SQL_ORDER,
	6,
	{PG_TEXT, PG_TEXT, PG_TEXT, PG_BOOL, PG_TIMESTAMPTZ, PG_INT8},
};
static const struct column case_columns[] = {
	{"CASE", CELL_TEXT, 0},    {"PRIORITY", CELL_TEXT, 0},
	{"STATUS", CELL_TEXT, 0},  {"OWNER", CELL_TEXT, 20},
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
	pg_add_int8(&p, list.limit + 1);
	return cli_list(c, &list, &p);
}

/* ---- show ---- */

static const struct pg_stmt sql_show = {
	"cli_case_show",
	"SELECT to_json(j)::text FROM closeloop.cases c, LATERAL (SELECT c.*, " SQL_OVERDUE " AS overdue,"
	" (SELECT to_json(r) FROM closeloop.responses r WHERE r.id = c.response_id) AS response,"
	" (SELECT coalesce(json_agg(x ORDER BY x.at, x.response_id), '[]') FROM closeloop.case_responses x"
	"  WHERE x.case_id = c.id) AS responses,"
	" (SELECT coalesce(json_agg(e ORDER BY e.id), '[]') FROM closeloop.case_events e WHERE e.case_id = c.id) AS events,"
	" (SELECT coalesce(json_agg(m ORDER BY m.seq), '[]') FROM (SELECT id, seq, kind, step, channel, endpoint, recipient,"
	"  address, state, attempt, next_at, created_at, sent_at, last_code, last_error, handed_on"
	"  FROM closeloop.messages WHERE case_id = c.id) m) AS messages) j WHERE c.id = $1",
	1,
	{PG_INT8},
};

#define LOCAL(time) "to_char(" time " AT TIME ZONE $2, 'Dy YYYY-MM-DD HH24:MI')"

static const struct pg_stmt sql_lines = {
	"cli_case_lines",
	"SELECT l.label, l.value FROM closeloop.cases c JOIN closeloop.responses r ON r.id = c.response_id,"
	" LATERAL (SELECT " SQL_OVERDUE " AS overdue) s, LATERAL (VALUES"
	" ('case', concat_ws(' · ', 'C-' || c.id, c.priority::text, replace(c.status::text, '_', ' '),"
	"  CASE WHEN s.overdue IS NOT NULL THEN 'OVERDUE: ' || s.overdue END, c.outcome::text, 'version ' || c.version)),"
	" ('owner', concat_ws(' · ', coalesce(c.owner, 'nobody'), 'team ' || c.team,"
	"  CASE c.handovers WHEN 0 THEN NULL WHEN 1 THEN 'handed over once' ELSE 'handed over ' || c.handovers || ' times' END,"
	"  CASE c.reopened WHEN 0 THEN NULL WHEN 1 THEN 'reopened once' ELSE 'reopened ' || c.reopened || ' times' END)),"
	" ('due', concat_ws(' · ',"
	"  CASE WHEN c.status = 'open' THEN 'acknowledge by ' || " LOCAL(
		"c.acknowledge_due_at") " END,"
					"  CASE WHEN c.status IN ('open', 'acknowledged', 'in_progress') THEN 'resolve by ' "
					"|| " LOCAL(
						"c.resolve_due_at") " END,"
								    "  'waiting until ' || " LOCAL(
									    "c.waiting_until") ")),"
											       " ('opened', " LOCAL(
												       "c.opened_at") "),"
														      " ('"
														      "acknowle"
														      "dged',"
														      " " LOCAL(
															      "c.acknowledged_at") " || coalesce(' by ' || c.acknowledged_by, '')),"
																		   " ('reached', " LOCAL(
																			   "c.contacted_at") "),"
																					     " ('resolved', " LOCAL(
																						     "c.resolved_at") " || coalesce(' · cause ' || c.root_cause, '')),"
																								      " ('resolution', c.resolution),"
																								      " ('rules', concat_ws(' · ', nullif(array_to_string(c.rules, ', '), ''), 'route ' || c.route, 'follow-up ' || c.follow_up,"
																								      "  'rules ' || left(c.ruleset, 7))),"
																								      " ('customer', concat_ws(' · ', r.customer_name, 'id ' || r.customer_id, r.account_name, 'account ' || r.account,"
																								      "  'region ' || r.region)),"
																								      " ('contact', concat_ws(' · ', CASE WHEN r.contact_requested THEN 'ASKED FOR A CALL' END, r.customer_phone,"
																								      "  r.customer_email)),"
																								      " ('answer', concat_ws(' · ', closeloop.score_text(r), r.touchpoint, r.survey, r.channel, r.language,"
																								      "  " LOCAL(
																									      "r.responded_at") ", 'response ' || r.id)),"
																												" ('ratings', (SELECT string_agg(x.key || ' ' || x.value, ' · ') FROM jsonb_each_text(r.ratings) x)),"
																												" ('attributes', (SELECT string_agg(x.key || ' ' || x.value, ' · ') FROM jsonb_each_text(r.attributes) x)),"
																												" ('comment', r.comment)"
																												") l(label, value) WHERE c.id = $1",
	2,
	{PG_INT8, PG_TEXT},
};
static const struct pg_stmt sql_events = {
	"cli_case_events",
	"SELECT " LOCAL("e.at") ", e.actor, concat_ws(' ', e.kind, CASE WHEN e.details ? 'to' THEN"
				" '→ ' || (e.details->>'to') END, e.details->>'how', CASE e.details->>'reached' WHEN 'true' "
				"THEN 'reached'"
				" WHEN 'false' THEN 'not reached' END, e.details->>'cause',"
				" CASE WHEN e.kind = 'waiting' THEN " LOCAL(
					"(e.details->>'until')::timestamptz") " END), e.note"
									      " FROM closeloop.case_events e WHERE e.case_id = "
									      "$1 ORDER BY e.id",
	2,
	{PG_INT8, PG_TEXT},
};
static const struct pg_stmt sql_messages = {
	"cli_case_messages",
	"SELECT NULL::text, now(), " LOCAL(
		"coalesce(m.sent_at, m.created_at)") ", m.kind, m.endpoint,"
						     " coalesce(m.recipient, m.address), m.state::text, concat_ws(' ', "
						     "m.last_code::text, m.last_error)"
						     " FROM closeloop.messages m WHERE m.case_id = $1 AND $2 IS NOT NULL ORDER "
						     "BY m.seq",
	2,
	{PG_INT8, PG_TEXT},
};
static const struct column message_columns[] = {{"WHEN", CELL_TEXT, 0},
						{"MESSAGE", CELL_TEXT, 20},
						{"BY", CELL_TEXT, 16},
						{"TO", CELL_TEXT, 24},
						{"STATE", CELL_TEXT, 0},
						{"ANSWER", CELL_TEXT, 0},
						{0}};

static int put_table(struct cli *c, struct buf *out, const struct pg_stmt *stmt, const struct pg_params *p,
		     const struct column *columns)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, stmt, p, &rows);

	if (r == 0 && pg_count(rows)) {
		buf_putc(out, '\n');
		cli_put_table(out, rows, pg_count(rows), columns);
	}
	return r;
}

/* The whole story: notes stand in full, on lines of their own when they are long. */
static int put_timeline(struct cli *c, struct buf *out, const struct pg_params *p)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_events, p, &rows), columns = text_terminal_columns();

	for (int i = 0; r == 0 && i < pg_count(rows); i++) {
		const char *note = pg_get_text(rows, i, 3, NULL);
		struct buf line CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

		text_put_cell(&line, pg_get_text(rows, i, 0, NULL), WHEN_COLUMNS, false);
		text_put_cell(&line, pg_get_text(rows, i, 1, NULL), ACTOR_COLUMNS, false);
		buf_puts(&line, "  ");
		text_put_clipped(&line, pg_get_text(rows, i, 2, NULL), columns);
		buf_puts(out, i ? "" : "\n");
		buf_puts(out, buf_str(&line));
		if (!note) {
			buf_putc(out, '\n');
		} else if (!strchr(note, '\n') &&
			   text_columns(buf_str(&line), line.n) + 2 + text_columns(note, strlen(note)) <= columns) {
			buf_puts(out, ": ");
			escape_terminal(out, note, strlen(note));
			buf_putc(out, '\n');
		} else {
			buf_puts(out, ":\n");
			text_put_wrapped(out, note, columns - 4, 4);
		}
	}
	return r;
}

static int show_text(struct cli *c, const struct pg_params *p, int64_t id)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *lines CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_lines, p, &lines);

	if (r)
		return r;
	if (pg_count(lines) == 0)
		return cli_fail(EXIT_NO, "there is no case C-%lld", (long long)id);
	cli_put_lines(&out, lines, LABEL_COLUMNS);
	r = put_timeline(c, &out, p);
	if (r == 0)
		r = put_table(c, &out, &sql_messages, p, message_columns);
	if (r == 0)
		cli_print(c, &out);
	return r;
}

static int case_show(struct cli *c, const struct args *a)
{
	struct pg_params p;
	int64_t id;
	int r = cli_case_id(a->words[0], &id);

	if (r == 0)
		r = cli_db(c);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_int8(&p, id);
	if (c->json)
		return cli_show_json(c, &sql_show, &p, arena_printf(c->arena, "there is no case C-%lld", (long long)id));
	pg_add_text(&p, c->settings->timezone);
	return show_text(c, &p, id);
}

/* ---- open ---- */

static const struct pg_stmt sql_open = {
	"cli_case_open",
	"SELECT to_json(t)::text, t.id, t.owner FROM closeloop.case_open_by_hand($1, $2, $3::closeloop.priority, $4, $5, $6) t",
	6,
	{PG_INT8, PG_TEXT, PG_TEXT, PG_TEXT, PG_TEXT, PG_JSONB},
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
	r = cli_run(c, &sql_open, &p, &rows);
	if (r)
		return r;
	if (c->json) {
		size_t n;
		const char *json = pg_get_text(rows, 0, 0, &n);

		text_put_json(&out, json, n);
		buf_putc(&out, '\n');
	} else {
		buf_printf(&out, "C-%lld opened, owner %s\n", (long long)pg_get_int8(rows, 0, 1),
			   pg_get_text(rows, 0, 2, NULL));
	}
	cli_print(c, &out);
	return 0;
}

const struct verb case_verbs[] = {
	{"case", "list", NULL, "cases: unresolved ones first, most pressing on top", list_options, 0, 0, case_list, NULL},
	{"case", "show", "CASE", "one case as a whole", NULL, 1, 1, case_show, NULL},
	{"case", "open", "RESPONSE", "open a case that no rule asked for", open_options, 1, 1, case_open, NULL},
	{0},
};
