/*
 * `endpoint list|enable|disable|test`, `pause`, `resume`: the state of receivers, and a message to try one.
 *
 * State lives in closeloop.endpoints and outlives daemons; "*" stands for all sending.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/cli.h"
#include "cli/send.h"
#include "cli/verbs.h"

#include <stdlib.h>
#include <string.h>

static const struct pg_stmt sql_endpoints = {
	"cli_endpoints",
	"SELECT to_json(j)::text, now(), j.name, j.channel, j.state, j.queued::text, j.dead::text, j.sent::text, "
	"j.last_sent_at,"
	" concat_ws(', ', regexp_replace(j.reason, '^0 ', ''), CASE WHEN j.until > now() THEN 'next try '"
	"  || to_char(j.until AT TIME ZONE $3, 'HH24:MI') END)"
	" FROM (SELECT name, channel, ord FROM unnest($1, $2) WITH ORDINALITY w(name, channel, ord)"
	"  UNION ALL SELECT name, NULL, 100000 FROM closeloop.endpoints WHERE name <> ALL ($1)) w"
	" LEFT JOIN closeloop.endpoints e USING (name), LATERAL ("
	"  SELECT count(*) FILTER (WHERE state IN ('queued', 'leased')) AS queued, count(*) FILTER (WHERE state = 'held') AS "
	"held,"
	"  count(*) FILTER (WHERE state = 'dead' AND NOT handed_on) AS dead"
	"  FROM closeloop.messages m WHERE m.endpoint = w.name AND m.state IN ('queued', 'leased', 'held', 'dead')) q, LATERAL "
	"("
	"  SELECT count(*) AS sent, max(sent_at) AS last_sent_at FROM closeloop.messages m WHERE m.endpoint = w.name"
	"  AND m.state = 'sent' AND m.created_at > now() - interval '24 hours') s, LATERAL ("
	"  SELECT w.name, w.channel, w.channel IS NOT NULL AS configured, CASE WHEN e.disabled THEN 'disabled'"
	"   WHEN e.paused THEN 'paused' WHEN e.breaker <> 'closed' THEN 'failing' ELSE 'ok' END AS state,"
	"   coalesce(e.paused, false) AS paused, coalesce(e.disabled, false) AS disabled,"
	"   coalesce(e.breaker, 'closed') AS breaker, coalesce(e.failures, 0) AS failures, e.until, e.reason, e.updated_at,"
	"   q.queued, q.held, q.dead, s.sent, s.last_sent_at) j ORDER BY w.ord, w.name",
	3,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT},
};
static const struct column endpoint_columns[] = {
	{"ENDPOINT", CELL_TEXT, 24}, {"CHANNEL", CELL_TEXT, 0}, {"STATE", CELL_TEXT, 0},
	{"QUEUED", CELL_RIGHT, 0},   {"DEAD", CELL_RIGHT, 0},   {"SENT 24 H", CELL_RIGHT, 0},
	{"LAST", CELL_AGO, 0},       {"WHY", CELL_TEXT, 0},     {0},
};

int cli_endpoint_known(struct cli *c, const char *name, bool all)
{
	const struct settings *s = c->settings;
	const char **names = arena_new_array(c->arena, const char *, (size_t)s->n_webhooks + 2);
	size_t n = 0;

	names[n++] = ENDPOINT_EMAIL;
	for (int i = 0; i < s->n_webhooks; i++)
		names[n++] = s->webhooks[i].id;
	if (all)
		names[n++] = "*";
	for (size_t i = 0; i < n; i++)
		if (str_eq(names[i], name))
			return 0;
	return cli_fail(EXIT_NO, "unknown endpoint '%s'%s", name, did_you_mean(c->arena, name, names, n, sizeof(names[0])));
}

static int endpoint_list(struct cli *c, const struct args *a)
{
	struct listing list = {&sql_endpoints, endpoint_columns, "no endpoints: there is no email section and no webhook",
			       LIST_LIMIT_MAX};
	struct pg_array names, channels;
	struct pg_params p;
	int r = cli_db(c);

	if (r)
		return r;
	pg_array_init(&names, c->arena, PG_TEXT);
	pg_array_init(&channels, c->arena, PG_TEXT);
	if (c->settings->email.set) {
		pg_array_text(&names, ENDPOINT_EMAIL);
		pg_array_text(&channels, "email");
	}
	for (int i = 0; i < c->settings->n_webhooks; i++) {
		pg_array_text(&names, c->settings->webhooks[i].id);
		pg_array_text(&channels, "webhook");
	}
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &names);
	pg_add_array(&p, &channels);
	pg_add_text(&p, c->settings->timezone);
	return cli_list(c, &list, &p);
}

/* ---- state ---- */

#define RETURNING " RETURNING to_json(e)::text, closeloop.wake()::text"

static const struct pg_stmt sql_disable = {
	"cli_endpoint_disable",
	"INSERT INTO closeloop.endpoints AS e (name, disabled, reason) VALUES ($1, true, $2) ON CONFLICT (name) DO UPDATE"
	" SET disabled = true, reason = excluded.reason, updated_at = now()" RETURNING,
	2,
	{PG_TEXT, PG_TEXT},
};
static const struct pg_stmt sql_pause = {
	"cli_endpoint_pause",
	"INSERT INTO closeloop.endpoints AS e (name, paused, reason) VALUES ($1, true, $2) ON CONFLICT (name) DO UPDATE"
	" SET paused = true, reason = excluded.reason, updated_at = now()" RETURNING,
	2,
	{PG_TEXT, PG_TEXT},
};
/* Going on starts afresh: the breaker closes and its count is forgotten. */
#define AFRESH "failures = 0, breaker = 'closed', until = NULL, updated_at = now()"
static const struct pg_stmt sql_enable = {
	"cli_endpoint_enable",
	"INSERT INTO closeloop.endpoints AS e (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET disabled = false,"
	" reason = CASE WHEN e.paused THEN e.reason END, " AFRESH RETURNING,
	1,
	{PG_TEXT},
};
static const struct pg_stmt sql_resume = {
	"cli_endpoint_resume",
	"INSERT INTO closeloop.endpoints AS e (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET paused = false,"
	" reason = CASE WHEN e.disabled THEN e.reason END, " AFRESH RETURNING,
	1,
	{PG_TEXT},
};
static const struct option reason_options[] = {{"--reason", "TEXT", "why, for the others"}, {0}};

static int state_run(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const char *action = a->verb->action, *name = a->n_words ? a->words[0] : "*";
	bool stops = str_eq(action, "disabled") || str_eq(action, "paused");
	const struct pg_stmt *stmt = str_eq(action, "disabled")  ? &sql_disable
				     : str_eq(action, "paused")  ? &sql_pause
				     : str_eq(action, "enabled") ? &sql_enable
								 : &sql_resume;
	struct pg_params p;
	int r = cli_actor(c);

	if (r == 0)
		r = cli_endpoint_known(c, name, !a->verb->name);
	if (r)
		return r;
	pg_params_init(&p, c->arena);
	pg_add_text(&p, name);
	if (stops)
		pg_add_text(&p, args_get(a, "--reason") ? args_get(a, "--reason") : arena_printf(c->arena, "by %s", c->actor));
	r = cli_run(c, stmt, &p, &rows);
	if (r)
		return r;
	if (c->json)
		cli_put_json(rows, &out);
	else
		buf_printf(&out, "%s %s\n", str_eq(name, "*") ? "all sending" : name, action);
	cli_print(c, &out);
	return 0;
}

/* ---- test ---- */

static const struct option test_options[] = {{"--to", "ADDRESS", "email: who gets it (default: who asks)"}, {0}};

static int own_address(struct cli *c, const char **ret)
{
	const struct cli_person *people;
	int n, r = cli_actor(c);

	if (r == 0)
		r = cli_people(c, &people, &n);
	for (int i = 0; r == 0 && i < n; i++) {
		if (str_eq(people[i].id, c->actor) && people[i].email) {
			*ret = people[i].email;
			return 0;
		}
	}
	return r ? r : cli_fail(EXIT_USAGE_ERROR, "to whom? closeloop endpoint test email --to ADDRESS");
}

static int test_mail(struct cli *c, const struct args *a)
{
	static const struct response nothing = {.nps = SCORE_MISSING, .csat = SCORE_MISSING, .ces = SCORE_MISSING};
	const char *wanted = args_get(a, "--to");
	struct alert alert = {.kind = ALERT_PRAISE,
			      .message_id = uuid_new(),
			      .language = c->settings->language,
			      .instance = c->settings->instance,
			      .response = &nothing};
	struct mail_text text;
	int r = wanted ? 0 : own_address(c, &wanted);

	if (r == 0)
		r = cli_send_address(c, wanted, &alert.person_address);
	if (r)
		return r;
	alert.person_name = "";
	alert.redirected_from = str_eq(wanted, alert.person_address) ? NULL : wanted;
	text = (struct mail_text){
		xstrdup("closeloop test"),
		xstrdup("This is a test of closeloop, sent by hand. Nothing has happened and nothing is to do.\n"),
		xstrdup("<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>closeloop test</title></head>"
			"<body><p>This is a test of closeloop, sent by hand. Nothing has happened and nothing is to do.</p>"
			"</body></html>\n"),
	};
	r = cli_send_mail(c, &alert, &text);
	mail_text_fini(&text);
	return r;
}

static int test_webhook(struct cli *c, const struct webhook *w)
{
	struct buf body CLEANUP(buf_fini) = BUF_INIT(PAYLOAD_BYTES_MAX);
	struct delivery_result *result = NULL;
	struct uuid id = uuid_new();
	char time[WALL_TEXT_BYTES];
	int r;

	if (c->settings->delivery == DELIVER_HOLD)
		return cli_fail(EXIT_NO, "delivery = \"hold\": nothing is sent");
	if (w->format == WEBHOOK_SLACK || w->format == WEBHOOK_TEAMS)
		buf_puts(&body, "{\"text\":\"closeloop test, sent by hand. Nothing is to do.\"}");
	else
		buf_printf(&body, "{\"type\":\"endpoint.test\",\"timestamp\":\"%s\",\"data\":{}}", wall_text(wall_now(), time));
	r = cli_send(c, delivery_new(&id, w->id, NULL, buf_str(&body), body.n), &result);
	if (r)
		return r;
	r = cli_send_told(c, result, NULL);
	delivery_result_free(result);
	return r;
}

static int endpoint_test(struct cli *c, const struct args *a)
{
	int r = cli_settings(c);

	if (r == 0)
		r = cli_endpoint_known(c, a->words[0], false);
	if (r)
		return r;
	if (str_eq(a->words[0], ENDPOINT_EMAIL))
		return test_mail(c, a);
	if (args_get(a, "--to"))
		return cli_fail(EXIT_USAGE_ERROR, "--to is for email: a webhook has its url");
	return test_webhook(c, settings_webhook(c->settings, a->words[0]));
}

const struct verb endpoint_verbs[] = {
	{"endpoint", "list", NULL, "mail and webhooks, and how they do", NULL, 0, 0, endpoint_list, NULL},
	{"endpoint", "test", "NAME", "send a test message now", test_options, 1, 1, endpoint_test, NULL},
	{"endpoint", "enable", "NAME", "take back disable (also one made by a 410 answer)", NULL, 1, 1, state_run, "enabled"},
	{"endpoint", "disable", "NAME", "send nothing there until enabled", reason_options, 1, 1, state_run, "disabled"},
	{"pause", NULL, "[ENDPOINT]", "stop sending, to one endpoint or altogether", reason_options, 0, 1, state_run, "paused"},
	{"resume", NULL, "[ENDPOINT]", "go on sending", NULL, 0, 1, state_run, "resumed"},
	{0},
};
