/*
 * SQL of explain: what was sent about an answer, and what happened to its case later; see explain_read.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/explain_read.h"

#include <string.h>

#define ERROR_BYTES_MAX 160

/* Within the day of the answer the time says it all. */
#define SENT_FORM "CASE WHEN x.at::date = r.received_at::date THEN 'HH24:MI:SS' ELSE 'YYYY-MM-DD HH24:MI' END"

/*
 * Messages of a case stand under its number, others under their answer's: two indexes. What left in a digest was tried as
 * the digest was.
 */
static const struct pg_stmt sql_sent = {
	"cli_explain_sent",
	"SELECT m.channel || ' ' || coalesce(m.recipient, m.endpoint), m.kind, m.step, m.state::text, to_char(x.at, " SENT_FORM
	"),"
	" m.id::text, coalesce(t.n, 0)::int, t.codes, m.last_code::text, m.last_error, m.held_for, m.handed_on,"
	" m.digest_id IS NOT NULL, to_char(m.next_at, 'HH24:MI:SS'), to_char(b.digest_at, 'Dy HH24:MI'),"
	" (SELECT n.name || CASE WHEN n.disabled THEN ' is disabled' WHEN n.paused THEN ' is paused' ELSE ' keeps failing' END"
	"  FROM closeloop.endpoints n WHERE n.name IN (m.endpoint, '*') AND (n.paused OR n.disabled OR n.breaker = 'open')"
	"  ORDER BY n.name LIMIT 1), o.recipient"
	" FROM ((SELECT s.* FROM closeloop.messages s WHERE s.case_id = $1"
	"   AND (s.response_id = $2 OR (s.response_id IS NULL AND $3)) ORDER BY s.seq LIMIT $4)"
	"  UNION ALL (SELECT s.* FROM closeloop.messages s WHERE s.response_id = $2 AND s.case_id IS NULL ORDER BY s.seq LIMIT $4)) m"
	" JOIN closeloop.responses r ON r.id = $2"
	" LEFT JOIN closeloop.alert_budgets b ON b.person = m.recipient AND m.state = 'held' AND m.digest_id IS NULL"
	" LEFT JOIN closeloop.messages o ON m.step = 'forwarded' AND o.id = CASE WHEN m.dedup_key ~ '^message:[0-9a-f-]{36}:'"
	"  THEN substr(m.dedup_key, 9, 36)::uuid END"
	" CROSS JOIN LATERAL (SELECT CASE m.state WHEN 'sent' THEN coalesce(m.sent_at, m.created_at) WHEN 'queued' THEN m.created_at"
	"  ELSE coalesce((SELECT max(a.at) FROM closeloop.attempts a WHERE a.message_id = m.id), m.created_at) END AS at) x"
	" LEFT JOIN LATERAL (SELECT sum(k.n)::int AS n, string_agg(k.code || CASE WHEN k.n > 1 THEN ' ×' || k.n ELSE '' END, ', '"
	"   ORDER BY k.first) FILTER (WHERE k.failed) AS codes"
	"  FROM (SELECT coalesce(a.code::text, a.outcome) AS code, a.outcome <> 'sent' AS failed, count(*) AS n, min(a.id) AS first"
	"   FROM closeloop.attempts a WHERE a.message_id = CASE WHEN m.state = 'held' THEN m.id ELSE coalesce(m.digest_id, m.id) END"
	"   AND a.outcome <> 'released' GROUP BY 1, 2) k)"
	"  t ON true ORDER BY m.seq LIMIT $4",
	4,
	{PG_INT8, PG_INT8, PG_BOOL, PG_INT4},
};

enum {
	SENT_BY,
	SENT_KIND,
	SENT_STEP,
	SENT_STATE,
	SENT_AT,
	SENT_ID,
	SENT_TRIES,
	SENT_CODES,
	SENT_CODE,
	SENT_ERROR,
	SENT_HELD_FOR,
	SENT_HANDED_ON,
	SENT_DIGEST,
	SENT_NEXT,
	SENT_LEAVES,
	SENT_ENDPOINT,
	SENT_INSTEAD_OF
};

/* What a receiver answered, or why there was no answer: as much as it takes to know it again. */
static const char *error_of(struct cli *c, const char *error)
{
	size_t n = utf8_clip(error, strlen(error), ERROR_BYTES_MAX);

	return arena_printf(c->arena, "%.*s%s", (int)n, error, error[n] ? "…" : "");
}

static const char *field(const struct pg_rows *rows, int i, int column)
{
	const char *text = pg_get_text(rows, i, column, NULL);

	return text ? text : "";
}

/* "" for the first alert; else what it is about. */
static const char *what_text(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *kind = field(rows, i, SENT_KIND), *step = field(rows, i, SENT_STEP);

	if (str_eq(step, "forwarded"))
		return arena_printf(c->arena, "instead of %s", field(rows, i, SENT_INSTEAD_OF));
	if (str_eq(kind, "case.opened"))
		return "";
	if (str_eq(kind, "praise.received"))
		return "praise";
	if (str_eq(kind, "case.reminder"))
		return strncmp(step, "reminder-", 9) == 0 ? arena_printf(c->arena, "reminder %s", step + 9) : "due soon";
	if (strncmp(step, "joined-", 7) == 0)
		return "one more answer";
	if (strncmp(kind, "case.", 5) == 0)
		kind += 5;
	return *step ? arena_printf(c->arena, "%s, %s", kind, step) : arena_strdup(c->arena, kind);
}

static const char *tries_text(struct cli *c, const struct pg_rows *rows, int i)
{
	int n = pg_get_int4(rows, i, SENT_TRIES);
	const char *codes = field(rows, i, SENT_CODES);

	return arena_printf(c->arena, "%d attempt%s%s%s%s", n, n == 1 ? "" : "s", *codes ? " (" : "", codes, *codes ? ")" : "");
}

/* The code, unless it stands in the words already. */
static const char *reason_text(struct cli *c, const char *code, const char *error)
{
	if (!*error)
		return *code ? code : "no reason is known";
	return !*code || strstr(error, code) ? error : arena_printf(c->arena, "%s %s", code, error);
}

static const char *waits_text(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *endpoint = field(rows, i, SENT_ENDPOINT);

	if (*endpoint)
		return arena_printf(c->arena, "waits: %s (closeloop endpoint list)",
				    str_eq(endpoint, "* is paused") ? "sending is paused" : endpoint);
	if (c->settings->delivery == DELIVER_HOLD)
		return "waits: delivery = \"hold\"";
	if (pg_get_int4(rows, i, SENT_TRIES) == 0)
		return "waits to be sent";
	return arena_printf(c->arena, "next try %s, %s so far: %s", field(rows, i, SENT_NEXT), tries_text(c, rows, i),
			    reason_text(c, field(rows, i, SENT_CODE), error_of(c, field(rows, i, SENT_ERROR))));
}

static const char *held_text(struct cli *c, const struct pg_rows *rows, int i)
{
	static const struct {
		const char *held_for, *why;
	} words[] = {
		{"budget", "over budget"},
		{"quiet", "quiet hours"},
		{"digest", "asked for as a digest"},
		{"due", "falls due with others"},
	};
	const char *held_for = field(rows, i, SENT_HELD_FOR), *why = "held", *leaves = field(rows, i, SENT_LEAVES);

	for (size_t k = 0; k < ARRAY_SIZE(words); k++)
		if (str_eq(words[k].held_for, held_for))
			why = words[k].why;
	if (pg_get_bool(rows, i, SENT_DIGEST))
		return arena_printf(c->arena, "held, %s: in a digest on its way", why);
	return arena_printf(c->arena, "held, %s%s%s", why, *leaves ? ": leaves " : "", leaves);
}

static const char *ended_text(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *word = str_eq(field(rows, i, SENT_STATE), "dead") ? "GIVEN UP" : "REFUSED";

	return pg_get_int4(rows, i, SENT_TRIES) < 2 ? word
						    : arena_printf(c->arena, "%s after %s", word, tries_text(c, rows, i));
}

/* How it ended, and what a person can do when it ended badly. */
static const char *outcome_text(struct cli *c, const struct pg_rows *rows, int i)
{
	const char *state = field(rows, i, SENT_STATE), *code = field(rows, i, SENT_CODE);
	const char *error = error_of(c, field(rows, i, SENT_ERROR));
	const char *id = field(rows, i, SENT_ID);
	bool handed_on = pg_get_bool(rows, i, SENT_HANDED_ON), digest = pg_get_bool(rows, i, SENT_DIGEST);

	if (str_eq(state, "sent"))
		return arena_printf(c->arena, "%s%s%s%s", code, *code ? ", " : "", tries_text(c, rows, i),
				    digest ? ", in a digest" : "");
	if (str_eq(state, "queued"))
		return waits_text(c, rows, i);
	if (str_eq(state, "leased"))
		return arena_printf(c->arena, "on its way, %s so far", tries_text(c, rows, i));
	if (str_eq(state, "held"))
		return held_text(c, rows, i);
	if (str_eq(state, "cancelled"))
		return arena_printf(c->arena, "cancelled%s%s", *error ? ": " : "", error);
	return arena_printf(c->arena, "%s: %s; %s%s", ended_text(c, rows, i), reason_text(c, code, error),
			    handed_on ? "the next person was told" : "closeloop message retry ", handed_on ? "" : id);
}

int explain_read_sent(struct cli *c, const struct explained *e, int most, struct explain_sent **ret, int *ret_n)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_int8(&p, e->of.id);
	pg_add_int8(&p, e->id);
	pg_add_bool(&p, e->of.opener);
	pg_add_int4(&p, most + 1);
	r = cli_run(c, &sql_sent, &p, &rows);
	if (r)
		return r;
	*ret_n = pg_count(rows);
	*ret = arena_new_array(c->arena, struct explain_sent, (size_t)*ret_n + 1);
	for (int i = 0; i < *ret_n; i++)
		(*ret)[i] = (struct explain_sent){arena_strdup(c->arena, field(rows, i, SENT_BY)), what_text(c, rows, i),
						  arena_strdup(c->arena, field(rows, i, SENT_AT)), outcome_text(c, rows, i)};
	return 0;
}

/* ---- who had to wait ---- */

static const struct pg_stmt sql_waits = {
	"cli_explain_waits",
	"SELECT string_agg(DISTINCT m.recipient, ', ' ORDER BY m.recipient) FROM (SELECT s.recipient, s.held_for FROM closeloop.messages s"
	"  WHERE s.case_id = $1 AND s.response_id = $2 AND s.kind = 'case.opened'"
	" UNION ALL SELECT s.recipient, s.held_for FROM closeloop.messages s WHERE s.response_id = $2 AND s.case_id IS NULL) m"
	" WHERE m.held_for = $3",
	3,
	{PG_INT8, PG_INT8, PG_TEXT},
};

int explain_read_waits(struct cli *c, const struct explained *e, const char *reason, const char **ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	int r;

	*ret = NULL;
	pg_params_init(&p, c->arena);
	pg_add_int8(&p, e->of.id);
	pg_add_int8(&p, e->id);
	pg_add_text(&p, reason);
	r = cli_run(c, &sql_waits, &p, &rows);
	if (r == 0)
		*ret = arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL));
	return r;
}

/* ---- later ---- */

/* Beside the steps of the follow-up, which `case show` has: who got it, what was said again, how it ended. */
static const struct pg_stmt sql_later = {
	"cli_explain_later",
	"SELECT to_char(e.at, 'YYYY-MM-DD HH24:MI'), CASE e.kind"
	" WHEN 'assigned' THEN concat('handed over to ', d->>'to', ' by ', e.actor)"
	" WHEN 'amended' THEN concat('the answer was changed', ': ' || (d->>'was') || ' to ' || (d->>'now'), CASE WHEN d->>'matches' = 'false'"
	"   THEN ', no rule matches any more' ELSE ', it still matches' END, ', priority was ' || (d->>'raised'), CASE WHEN d ? 'contact'"
	"   THEN ', asked for contact' END, ', the case stays because ' || (d->>'kept'), CASE WHEN d ? 'tell' THEN '; the owner was told' END)"
	" WHEN 'joined' THEN concat('response ', d->>'response_id', ' joined it', ': ' || (d->>'score'), CASE WHEN d->>'worse' = 'true'"
	"   THEN ', worse than ' || (d->>'was') END, CASE WHEN d ? 'contact' THEN ', asked for contact' END,"
	"   ', priority was ' || (d->>'raised'), CASE WHEN d ? 'tell' THEN '; the owner was told' ELSE '; nobody was told' END)"
	" WHEN 'cooldown' THEN concat('response ', d->>'response_id', ' came within the cooldown: ' || (d->>'score') || ', nobody was told')"
	" WHEN 'dismissed' THEN CASE WHEN d ? 'withdrawn' THEN 'dismissed by itself' ELSE concat('dismissed by ', e.actor) END"
	" WHEN 'reopened' THEN concat('opened again', CASE WHEN d ? 'response_id' THEN ' by response ' || (d->>'response_id')"
	"  ELSE ' by ' || e.actor END)"
	" WHEN 'outcome' THEN concat(d->>'outcome', ': from ', d->>'from', ' to ', d->>'to')"
	" WHEN 'undone' THEN concat('undone: ', d->>'kind')"
	" ELSE concat(e.kind, ' by ', e.actor) END"
	" FROM closeloop.case_events e, LATERAL (SELECT e.details) x(d) WHERE e.case_id = $1 AND e.kind IN ('assigned', 'amended',"
	"  'joined', 'cooldown', 'reopened', 'resolved', 'closed', 'dismissed', 'outcome', 'undone')"
	" AND ($3 AND e.kind <> 'amended' OR d->>'response_id' = $2::text OR $3 AND NOT d ? 'response_id')"
	" ORDER BY e.id DESC LIMIT 20",
	3,
	{PG_INT8, PG_INT8, PG_BOOL},
};

int explain_read_later(struct cli *c, const struct explained *e, struct explain_later **ret, int *ret_n)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r;

	*ret_n = 0;
	*ret = NULL;
	if (!e->of.id)
		return 0;
	r = explain_ask(c, e, &sql_later, &rows);
	if (r)
		return r;
	*ret_n = pg_count(rows);
	*ret = arena_new_array(c->arena, struct explain_later, (size_t)*ret_n + 1);
	for (int i = 0; i < *ret_n; i++) {
		int from = *ret_n - 1 - i;

		(*ret)[i] = (struct explain_later){arena_strdup(c->arena, pg_get_text(rows, from, 0, NULL)),
						   arena_strdup(c->arena, pg_get_text(rows, from, 1, NULL))};
	}
	return 0;
}

/* ---- everything, as JSON ---- */

static const struct pg_stmt sql_json = {
	"cli_explain_json",
	"SELECT (SELECT to_json(j)::text FROM closeloop.case_responses j WHERE j.response_id = $2),"
	" (SELECT to_json(i)::text FROM closeloop.inbox i WHERE i.response_id = $2 ORDER BY i.set_aside_at IS NULL DESC, i.id DESC LIMIT 1),"
	" (SELECT to_json(c)::text FROM closeloop.cases c WHERE c.id = $1),"
	" (SELECT coalesce(json_agg(e ORDER BY e.id), '[]')::text FROM closeloop.case_events e WHERE e.case_id = $1),"
	" (SELECT coalesce(json_agg(m ORDER BY m.seq), '[]')::text FROM (SELECT s.id, s.seq, s.case_id, s.response_id, s.kind, s.step,"
	"   s.channel, s.endpoint, s.recipient, s.address, s.state, s.held_for, s.digest_id, s.attempt, s.next_at, s.created_at,"
	"   s.sent_at, s.last_code, s.last_error, s.handed_on, (SELECT coalesce(json_agg(a ORDER BY a.id), '[]')"
	"    FROM closeloop.attempts a WHERE a.message_id = CASE WHEN s.state = 'held' THEN s.id ELSE coalesce(s.digest_id, s.id) END)"
	"    AS attempts"
	"  FROM (SELECT * FROM closeloop.messages WHERE case_id = $1 AND (response_id = $2 OR (response_id IS NULL AND $3))"
	"   UNION ALL SELECT * FROM closeloop.messages WHERE response_id = $2 AND case_id IS NULL) s) m)",
	3,
	{PG_INT8, PG_INT8, PG_BOOL},
};

int explain_read_json(struct cli *c, const struct explained *e, struct explain_json *ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r;

	r = explain_ask(c, e, &sql_json, &rows);
	if (r)
		return r;
	*ret = (struct explain_json){
		arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL)), arena_strdup(c->arena, pg_get_text(rows, 0, 1, NULL)),
		arena_strdup(c->arena, pg_get_text(rows, 0, 2, NULL)), arena_strdup(c->arena, pg_get_text(rows, 0, 3, NULL)),
		arena_strdup(c->arena, pg_get_text(rows, 0, 4, NULL))};
	return 0;
}
