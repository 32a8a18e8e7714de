/*
 * `case show`: one case as a whole: where it stands, what comes next and when, what has happened, what was sent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/verbs.h"
#include "base/escape.h"

#include <string.h>

#define LABEL_COLUMNS 14
#define LINES_ABOVE 3 /* case, owner, due: what comes next stands below them */
#define WHEN_COLUMNS 22
#define ACTOR_COLUMNS 16

/* ---- JSON ---- */

static const struct pg_stmt sql_show = {
	"cli_case_show",
	"SELECT to_json(j)::text FROM closeloop.cases c, LATERAL (SELECT c.*,"
	" CASE WHEN c.status = 'open' AND c.acknowledge_due_at < now() THEN 'acknowledge'"
	"  WHEN c.status IN ('open', 'acknowledged', 'in_progress') AND c.resolve_due_at < now() THEN 'resolve' END AS overdue,"
	" (SELECT to_json(r) FROM closeloop.responses r WHERE r.id = c.response_id) AS response,"
	" (SELECT coalesce(json_agg(x ORDER BY x.at, x.response_id), '[]') FROM closeloop.case_responses x"
	"  WHERE x.case_id = c.id) AS responses,"
	" (SELECT to_json(v) FROM closeloop.follow_up_versions v WHERE v.id = c.follow_up_version) AS promises,"
	" (SELECT coalesce(json_agg(p ORDER BY p.at), '[]') FROM (SELECT at, what, n, step, condition, target"
	"  FROM closeloop.case_plans(ARRAY[c.id])) p) AS next,"
	" (SELECT coalesce(json_agg(e ORDER BY e.id), '[]') FROM closeloop.case_events e WHERE e.case_id = c.id) AS events,"
	" (SELECT coalesce(json_agg(m ORDER BY m.seq), '[]') FROM (SELECT id, seq, kind, step, channel, endpoint, recipient,"
	"  address, state, held_for, attempt, next_at, created_at, sent_at, last_code, last_error, handed_on"
	"  FROM closeloop.messages WHERE case_id = c.id) m) AS messages) j WHERE c.id = $1",
	1,
	{PG_INT8},
};

/* ---- where it stands ---- */

static const struct pg_stmt sql_lines = {
	"cli_case_lines",
	"SELECT l.label, l.value FROM closeloop.cases c JOIN closeloop.responses r ON r.id = c.response_id"
	" LEFT JOIN closeloop.follow_up_versions v ON v.id = c.follow_up_version,"
	" (VALUES ('Dy YYYY-MM-DD HH24:MI')) f(form),"
	" LATERAL (SELECT to_char(c.acknowledge_due_at AT TIME ZONE $2, form) AS acknowledge_due,"
	"  to_char(c.resolve_due_at AT TIME ZONE $2, form) AS resolve_due, to_char(c.waiting_until AT TIME ZONE $2, form) AS "
	"until,"
	"  to_char(c.opened_at AT TIME ZONE $2, form) AS opened, to_char(c.acknowledged_at AT TIME ZONE $2, form) AS "
	"acknowledged,"
	"  to_char(c.contacted_at AT TIME ZONE $2, form) AS contacted, to_char(c.resolved_at AT TIME ZONE $2, form) AS "
	"resolved,"
	"  to_char(c.closed_at AT TIME ZONE $2, form) AS closed, to_char(r.responded_at AT TIME ZONE $2, form) AS responded) t,"
	" LATERAL (SELECT CASE WHEN c.status = 'open' AND c.acknowledge_due_at < now() THEN 'OVERDUE: acknowledge'"
	"  WHEN c.status IN ('open', 'acknowledged', 'in_progress') AND c.resolve_due_at < now() THEN 'OVERDUE: resolve' END) "
	"o(text),"
	" LATERAL (VALUES"
	" ('case', concat_ws(' · ', 'C-' || c.id, c.priority::text, replace(c.status::text, '_', ' '), o.text,"
	"  CASE WHEN c.ping_pong THEN 'PING-PONG: handed over again and again, and nobody has reached the customer' END,"
	"  c.outcome::text, 'version ' || c.version)),"
	" ('owner', concat_ws(' · ', coalesce(c.owner, 'nobody'), 'team ' || c.team,"
	"  CASE c.handovers WHEN 0 THEN NULL WHEN 1 THEN 'handed over once' ELSE 'handed over ' || c.handovers || ' times' END,"
	"  CASE c.reopened WHEN 0 THEN NULL WHEN 1 THEN 'reopened once' ELSE 'reopened ' || c.reopened || ' times' END)),"
	" ('due', concat_ws(' · ', CASE WHEN c.status = 'open' THEN 'acknowledge by ' || t.acknowledge_due END,"
	"  CASE WHEN c.status IN ('open', 'acknowledged', 'in_progress') THEN 'resolve by ' || t.resolve_due END,"
	"  'waiting until ' || t.until, CASE WHEN t.until IS NOT NULL THEN 'the resolve clock stands still' END,"
	"  CASE WHEN closeloop.is_unresolved(c.status) THEN 'calendar ' || v.calendar END)),"
	" ('opened', t.opened),"
	" ('acknowledged', t.acknowledged || coalesce(' by ' || c.acknowledged_by, '')),"
	" ('reached', concat_ws(' · ', t.contacted, CASE WHEN c.unreached = 1 THEN 'one attempt reached nobody'"
	"  WHEN c.unreached > 1 THEN c.unreached || ' attempts reached nobody' END)),"
	" ('resolved', t.resolved || coalesce(' · cause ' || c.root_cause, '')),"
	" ('resolution', c.resolution),"
	" (CASE c.status WHEN 'dismissed' THEN 'dismissed' ELSE 'closed' END, t.closed),"
	" ('rules', concat_ws(' · ', nullif(array_to_string(c.rules, ', '), ''), 'route ' || c.route, 'follow-up ' || "
	"c.follow_up,"
	"  'rules ' || left(c.ruleset, 7))),"
	" ('customer', concat_ws(' · ', r.customer_name, 'id ' || r.customer_id, r.account_name, 'account ' || r.account,"
	"  'region ' || r.region)),"
	" ('contact', concat_ws(' · ', CASE WHEN r.contact_requested THEN 'ASKED FOR A CALL' END, r.customer_phone,"
	"  r.customer_email)),"
	" ('answer', concat_ws(' · ', closeloop.score_text(r), r.touchpoint, r.survey, r.channel, r.language, t.responded,"
	"  'response ' || r.id)),"
	" ('ratings', (SELECT string_agg(x.key || ' ' || x.value, ' · ') FROM jsonb_each_text(r.ratings) x)),"
	" ('attributes', (SELECT string_agg(x.key || ' ' || x.value, ' · ') FROM jsonb_each_text(r.attributes) x)),"
	" ('comment', r.comment),"
	" ('linked to', (SELECT 'C-' || (e.details->>'linked_to') || CASE WHEN e.details->'not_joined' @> '{\"why\": \"owner\"}'"
	"   THEN ', which is ' || coalesce(e.details->'not_joined'->>'owner', 'nobody') || '''s' ELSE '' END"
	"  FROM closeloop.case_events e WHERE e.case_id = c.id AND e.kind = 'opened' ORDER BY e.id LIMIT 1)),"
	" ('earlier', (SELECT count(*) - 20 || ' more answers: --json has them all'"
	"  FROM closeloop.case_responses k WHERE k.case_id = c.id AND k.response_id <> c.response_id HAVING count(*) > 20))"
	" UNION ALL (SELECT a.label, a.value FROM (SELECT x.responded_at, x.id,"
	"   CASE k.relation WHEN 'joined' THEN 'joined' ELSE 'noted' END,"
	"   concat_ws(' · ', closeloop.score_text(x), CASE WHEN x.contact_requested THEN 'ASKED FOR A CALL' END, x.touchpoint,"
	"    to_char(x.responded_at AT TIME ZONE $2, form), 'response ' || x.id, x.comment)"
	"   FROM closeloop.case_responses k JOIN closeloop.responses x ON x.id = k.response_id"
	"   WHERE k.case_id = c.id AND x.id <> c.response_id ORDER BY x.responded_at DESC, x.id DESC LIMIT 20) a(at, id, label, value)"
	"  ORDER BY a.at, a.id)"
	") l(label, value) WHERE c.id = $1",
	2,
	{PG_INT8, PG_TEXT},
};

/* ---- what comes next ---- */

/* Everything on the agenda in the order of time; of the reminders the next one. What is due leaves with the owner's alert. */
static const struct pg_stmt sql_next = {
	"cli_case_next",
	"SELECT CASE WHEN p.at <= now() THEN 'now' ELSE to_char(p.at AT TIME ZONE $2, 'Dy YYYY-MM-DD HH24:MI') END, p.at, "
	"now(),"
	" p.what, p.n, v.remind_at_most, p.step, p.condition, p.target, coalesce(c.owner, 'nobody'), w.reports_to"
	" FROM closeloop.case_plans(ARRAY[$1]) p JOIN closeloop.cases c ON c.id = p.case_id"
	" LEFT JOIN closeloop.follow_up_versions v ON v.id = c.follow_up_version LEFT JOIN closeloop.people w ON w.id = c.owner"
	" ORDER BY p.at, p.what, p.step",
	2,
	{PG_INT8, PG_TEXT},
};

static const char *manager_of(struct cli *c, const struct pg_rows *rows, int i)
{
	const struct person *owner = settings_person(c->settings, pg_get_text(rows, i, 9, NULL));

	return owner ? owner->reports_to : pg_get_text(rows, i, 10, NULL);
}

static const char *escalation_text(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *target = pg_get_text(rows, i, 8, NULL), *manager = manager_of(c, rows, i);
	const char *unless = str_eq(pg_get_text(rows, i, 7, NULL), "unacknowledged") ? "acknowledged" : "resolved";

	if (strncmp(target, "person:", strlen("person:")) == 0)
		target += strlen("person:");
	else if (str_eq(target, "manager"))
		target = manager ? arena_printf(c->arena, "the manager, %s,", manager) : "the manager (nobody is named)";
	return arena_printf(c->arena, "%s is told unless it is %s (step %s)", target, unless, pg_get_text(rows, i, 6, NULL));
}

static const char *next_text(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *what = pg_get_text(rows, i, 3, NULL), *owner = pg_get_text(rows, i, 9, NULL);

	if (str_eq(what, "escalate"))
		return escalation_text(c, rows, i);
	if (str_eq(what, "remind"))
		return arena_printf(c->arena, "reminder %d of %d to %s unless it is acknowledged", (int)pg_get_int4(rows, i, 4),
				    (int)pg_get_int4(rows, i, 5), owner);
	if (str_eq(what, "warn"))
		return arena_printf(c->arena, "%s is warned that the resolve time is near", owner);
	if (str_eq(what, "return"))
		return arena_printf(c->arena, "it comes back, and %s is told", owner);
	if (str_eq(what, "close"))
		return "it closes by itself";
	return "it expires: dismissed by itself unless it is resolved";
}

static int put_next(struct cli *c, struct buf *out, const struct pg_params *p)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_next, p, &rows), columns = text_terminal_columns();

	for (int i = 0; r == 0 && i < pg_count(rows); i++) {
		struct wall_time at = pg_get_time(rows, i, 1), now = pg_get_time(rows, i, 2);
		struct buf line CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
		size_t start = out->n;

		buf_puts(&line, pg_get_text(rows, i, 0, NULL));
		if (at.us > now.us) {
			buf_puts(&line, " (");
			text_put_relative(&line, at, now);
			buf_putc(&line, ')');
		}
		buf_puts(&line, " · ");
		buf_puts(&line, next_text(c, rows, i));
		text_put_wrapped(out, buf_str(&line), MAX(columns - LABEL_COLUMNS, 20), LABEL_COLUMNS);
		if (i == 0 && !out->overflow && out->n > start)
			memcpy(out->p + start, "next", strlen("next"));
	}
	return r;
}

/* ---- what has happened ---- */

static const struct pg_stmt sql_events = {
	"cli_case_events",
	"SELECT to_char(e.at AT TIME ZONE $2, 'Dy YYYY-MM-DD HH24:MI'), e.actor, CASE e.kind"
	" WHEN 'opened' THEN CASE WHEN d ? 'by_hand' THEN 'opened by hand' ELSE 'opened' END || coalesce(' → ' || (d->>'to'), "
	"'')"
	" WHEN 'assigned' THEN 'handed over → ' || coalesce(d->>'to', '?')"
	" WHEN 'contacted' THEN CASE d->>'reached' WHEN 'true' THEN 'customer reached' ELSE 'nobody reached' END"
	"  || coalesce(', ' || (d->>'how'), '')"
	" WHEN 'waiting' THEN 'waits until ' || coalesce(to_char((d->>'until')::timestamptz AT TIME ZONE $2, 'Dy YYYY-MM-DD "
	"HH24:MI'), '?')"
	" WHEN 'resolved' THEN 'resolved' || coalesce(', cause ' || (d->>'cause'), '')"
	" WHEN 'reminded' THEN CASE WHEN d ? 'warning' THEN 'warning: the resolve time is near'"
	"  ELSE concat_ws(' ', 'reminder', d->>'n', 'of ' || (d->>'of')) END"
	" WHEN 'escalated' THEN concat_ws(' ', 'escalated to', d->>'target', '(' || (d->>'step') || '): still', "
	"d->>'condition')"
	" WHEN 'outcome' THEN concat_ws(' ', coalesce(d->>'outcome', 'outcome') || ':', 'from ' || (d->>'from'), 'to ' || "
	"(d->>'to'))"
	" WHEN 'joined' THEN concat_ws(', ', concat_ws(' ', 'one more answer', d->>'score', '(response ' || (d->>'response_id') || ')'),"
	"  CASE WHEN d @> '{\"worse\": true}' THEN concat_ws(' ', 'worse than', coalesce(d->>'was', 'none')) END,"
	"  CASE WHEN d ? 'contact' THEN 'asks for contact' END, 'was ' || (d->>'raised') || ' before')"
	" WHEN 'cooldown' THEN concat_ws(' ', 'one more answer', d->>'score', '(response ' || (d->>'response_id') || ') within the cooldown:"
	" nobody is told')"
	" WHEN 'amended' THEN concat_ws(', ', concat_ws(' ', 'answer changed', '(response ' || (d->>'response_id') || ')'),"
	"  CASE WHEN d->>'was' <> d->>'now' THEN concat(d->>'was', ' → ', d->>'now') END,"
	"  CASE WHEN d ? 'contact' THEN 'asks for contact' END, 'was ' || (d->>'raised') || ' before',"
	"  CASE WHEN d @> '{\"matches\": false}' THEN 'no rule matches' || coalesce(': stays, because ' || (d->>'kept'), '') END)"
	" WHEN 'undone' THEN 'undone: ' || coalesce(d->>'kind', '')"
	" ELSE CASE WHEN d ? 'waiting_over' THEN 'back from waiting, ' ELSE '' END || replace(e.kind, '_', ' ') END, e.note"
	" FROM closeloop.case_events e, LATERAL (SELECT e.details) x(d) WHERE e.case_id = $1 ORDER BY e.id",
	2,
	{PG_INT8, PG_TEXT},
};

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

/* ---- what was sent ---- */

static const struct pg_stmt sql_messages = {
	"cli_case_messages",
	"SELECT NULL::text, now(), to_char(coalesce(m.sent_at, m.created_at) AT TIME ZONE $2, 'Dy YYYY-MM-DD HH24:MI'),"
	" concat_ws(' ', regexp_replace(m.kind, '^case[.]|[.]received$', ''), regexp_replace(m.step, '^reminder-', '')),"
	" m.endpoint, coalesce(m.recipient, m.address),"
	" m.state::text || CASE WHEN m.state = 'held' THEN coalesce(': ' || m.held_for, '') ELSE '' END,"
	" concat_ws(' ', m.last_code::text, m.last_error) FROM closeloop.messages m WHERE m.case_id = $1 ORDER BY m.seq",
	2,
	{PG_INT8, PG_TEXT},
};
static const struct column message_columns[] = {
	{"WHEN", CELL_TEXT, 0},
	{"MESSAGE", CELL_TEXT, 20},
	{"BY", CELL_TEXT, 16},
	{"TO", CELL_TEXT, 24},
	{"STATE", CELL_TEXT, 0},
	{"ANSWER", CELL_TEXT, 0},
	{0},
};

static int put_messages(struct cli *c, struct buf *out, const struct pg_params *p)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_messages, p, &rows);

	if (r == 0 && pg_count(rows)) {
		buf_putc(out, '\n');
		cli_put_table(out, rows, pg_count(rows), message_columns);
	}
	return r;
}

/* ---- the whole ---- */

static int show_text(struct cli *c, const struct pg_params *p, int64_t id)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *lines CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(c, &sql_lines, p, &lines);

	if (r)
		return r;
	if (pg_count(lines) == 0)
		return cli_fail(EXIT_NO, "there is no case C-%lld", (long long)id);
	cli_put_lines(&out, lines, 0, LINES_ABOVE, LABEL_COLUMNS);
	r = put_next(c, &out, p);
	if (r == 0)
		cli_put_lines(&out, lines, LINES_ABOVE, pg_count(lines), LABEL_COLUMNS);
	if (r == 0)
		r = put_timeline(c, &out, p);
	if (r == 0)
		r = put_messages(c, &out, p);
	if (r == 0)
		cli_print(c, &out);
	return r;
}

int case_show_run(struct cli *c, const struct args *a)
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
