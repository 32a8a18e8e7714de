/*
 * What the database holds, for /metrics: read with every heartbeat, the same in every daemon of a database. See stats.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exposition.h"
#include "flow/stats.h"

#include <string.h>

static const char *const endpoint_words[STATS_ENDPOINT_STATES] = {"ok", "failing", "paused", "disabled"};

/* ---- statements ---- */

static const struct pg_stmt stmt_queues = {
	"stats_queues",
	"SELECT i.waiting, i.oldest_s, i.aside, m.queued_email, m.queued_webhook, d.dead_email, d.dead_webhook, h.held,"
	" 2 = (SELECT count(*) FROM pg_catalog.pg_trigger WHERE tgrelid = 'closeloop.responses'::regclass"
	"  AND tgname IN ('capture_insert', 'capture_update') AND tgenabled IN ('O', 'A'))"
	" FROM (SELECT count(*) FILTER (WHERE set_aside_at IS NULL) AS waiting,"
	"   coalesce(extract(epoch FROM clock_timestamp() - min(available_at) FILTER (WHERE set_aside_at IS NULL)), 0)::float8"
	"    AS oldest_s, count(set_aside_at) AS aside FROM closeloop.inbox) AS i,"
	"  (SELECT count(*) FILTER (WHERE endpoint = 'email') AS queued_email,"
	"   count(*) FILTER (WHERE endpoint <> 'email') AS queued_webhook"
	"   FROM closeloop.messages WHERE state IN ('queued', 'leased')) AS m,"
	"  (SELECT count(*) FILTER (WHERE channel = 'email') AS dead_email,"
	"   count(*) FILTER (WHERE channel = 'webhook') AS dead_webhook"
	"   FROM closeloop.messages WHERE state = 'dead') AS d,"
	"  (SELECT count(*) AS held FROM closeloop.messages WHERE state = 'held') AS h",
	0,
	{0},
};
static const struct pg_stmt stmt_cases = {
	"stats_cases",
	"SELECT status::text, priority::text, count(*),"
	" count(*) FILTER (WHERE status = 'open' AND acknowledge_due_at < now()),"
	" count(*) FILTER (WHERE status <> 'waiting' AND resolve_due_at < now()), count(*) FILTER (WHERE ping_pong)"
	" FROM closeloop.cases WHERE status IN ('open', 'acknowledged', 'in_progress', 'waiting') GROUP BY status, priority",
	0,
	{0},
};
/* The index of next_action_at has its first entry at hand. */
static const struct pg_stmt stmt_due = {
	"stats_due",
	"SELECT extract(epoch FROM clock_timestamp() - min(next_action_at))::float8 FROM closeloop.cases"
	" WHERE next_action_at IS NOT NULL",
	0,
	{0},
};
static const struct pg_stmt stmt_endpoints = {
	"stats_endpoints",
	"SELECT name, CASE WHEN disabled THEN 3 WHEN paused THEN 2 WHEN breaker <> 'closed' THEN 1 ELSE 0 END"
	" FROM closeloop.endpoints",
	0,
	{0},
};
static const struct pg_stmt stmt_incidents = {
	"stats_incidents",
	"SELECT kind, count(*) FROM closeloop.operator_news WHERE ended_at IS NULL GROUP BY kind",
	0,
	{0},
};
/* More than one while a configuration is rolled out, or when somebody forgot a host. */
static const struct pg_stmt stmt_rulesets = {
	"stats_rulesets",
	"SELECT count(DISTINCT d.ruleset) FROM closeloop.daemons AS d"
	" WHERE d.stopped_at IS NULL AND d.ruleset IS NOT NULL AND closeloop.daemon_is_alive(d)",
	0,
	{0},
};
/* What came since the last look is taken in first; see sql/010_sources.sql. */
static const struct pg_stmt stmt_look = {"stats_look", "SELECT closeloop.source_look()", 0, {0}};
static const struct pg_stmt stmt_sources = {
	"stats_sources",
	"SELECT source, extract(epoch FROM last_at)::float8, extract(epoch FROM usual_gap)::float8 FROM closeloop.sources_seen",
	0,
	{0},
};

/* ---- reading ---- */

static void on_queues(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;

	s->census_taken = true;
	s->inbox_rows = pg_get_int8(rows, 0, 0);
	s->inbox_oldest_s = MAX(pg_get_float8(rows, 0, 1), 0);
	s->inbox_set_aside = pg_get_int8(rows, 0, 2);
	s->queued[STATS_EMAIL] = pg_get_int8(rows, 0, 3);
	s->queued[STATS_WEBHOOK] = pg_get_int8(rows, 0, 4);
	s->dead[STATS_EMAIL] = pg_get_int8(rows, 0, 5);
	s->dead[STATS_WEBHOOK] = pg_get_int8(rows, 0, 6);
	s->held = pg_get_int8(rows, 0, 7);
	s->trigger_present = pg_get_bool(rows, 0, 8);
}

static void on_cases(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;

	memset(s->open, 0, sizeof(s->open));
	s->overdue_acknowledge = s->overdue_resolve = s->ping_pong = 0;
	for (int i = 0; i < pg_count(rows); i++) {
		enum case_status status;
		enum priority priority;

		if (case_status_parse(pg_get_text(rows, i, 0, NULL), &status) < 0 ||
		    priority_parse(pg_get_text(rows, i, 1, NULL), &priority) < 0)
			continue;
		s->open[status][priority] = pg_get_int8(rows, i, 2);
		s->overdue_acknowledge += pg_get_int8(rows, i, 3);
		s->overdue_resolve += pg_get_int8(rows, i, 4);
		s->ping_pong += pg_get_int8(rows, i, 5);
	}
}

static void on_due(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;

	s->follow_up_oldest_s = MAX(pg_get_float8(rows, 0, 0), 0);
}

static void on_endpoints(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;

	for (int i = 0; i < s->endpoints.n; i++)
		s->endpoints.items[i].value = STATS_OK;
	for (int i = 0; i < pg_count(rows); i++)
		stats_set(&s->endpoints, pg_get_text(rows, i, 0, NULL), pg_get_int4(rows, i, 1));
}

static void on_incidents(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;
	enum operator_kind kind;

	memset(s->incidents, 0, sizeof(s->incidents));
	for (int i = 0; i < pg_count(rows); i++)
		if (operator_kind_parse(pg_get_text(rows, i, 0, NULL), &kind) == 0)
			s->incidents[kind] = pg_get_int8(rows, i, 1);
}

static void on_rulesets(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;

	s->rulesets_live = pg_get_int8(rows, 0, 0);
}

static void on_sources(void *arg, const struct pg_rows *rows)
{
	struct stats *s = arg;

	for (int i = 0; i < pg_count(rows); i++) {
		const char *source = pg_get_text(rows, i, 0, NULL);

		stats_set(&s->last_response, source, pg_get_float8(rows, i, 1));
		stats_set(&s->usual_gap, source, pg_get_float8(rows, i, 2)); /* 0: too new to say */
	}
}

void stats_census_add(struct stats *s, struct pg_batch *b)
{
	pg_batch_add(b, &stmt_queues, NULL, on_queues, s);
	pg_batch_add(b, &stmt_cases, NULL, on_cases, s);
	pg_batch_add(b, &stmt_due, NULL, on_due, s);
	pg_batch_add(b, &stmt_endpoints, NULL, on_endpoints, s);
	pg_batch_add(b, &stmt_incidents, NULL, on_incidents, s);
	pg_batch_add(b, &stmt_rulesets, NULL, on_rulesets, s);
	pg_batch_add(b, &stmt_look, NULL, NULL, NULL);
	pg_batch_add(b, &stmt_sources, NULL, on_sources, s);
}

/* ---- /metrics ---- */

static void write_gauge(struct buf *out, const char *name, const char *help, double v)
{
	exposition_family(out, METRIC_GAUGE, name, help);
	exposition_sample(out, name, NO_LABELS, v);
}

static void write_by_channel(struct buf *out, const char *name, const char *help, const int64_t v[STATS_CHANNELS])
{
	exposition_family(out, METRIC_GAUGE, name, help);
	for (int i = 0; i < STATS_CHANNELS; i++)
		exposition_sample(out, name, LABELS("channel", stats_channel_words[i]), (double)v[i]);
}

static void write_incidents(const struct stats *s, struct buf *out)
{
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "operator_incidents", "What operators were told of and lasts");
	for (int i = 0; i < OPERATOR_MORE; i++)
		exposition_sample(out, STATS_PREFIX "operator_incidents",
				  LABELS("kind", operator_kind_name((enum operator_kind)i)), (double)s->incidents[i]);
}

static void write_cases(const struct stats *s, struct buf *out)
{
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "cases_open", "Cases that somebody still has something to do about");
	for (int i = CASE_OPEN; i <= CASE_WAITING; i++)
		for (int k = 0; k < PRIORITY_COUNT; k++)
			exposition_sample(out, STATS_PREFIX "cases_open",
					  LABELS("status", case_status_name((enum case_status)i), "priority",
						 priority_name((enum priority)k)),
					  (double)s->open[i][k]);
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "cases_overdue", "Cases past a promise, by its clock");
	exposition_sample(out, STATS_PREFIX "cases_overdue", LABELS("clock", "acknowledge"), (double)s->overdue_acknowledge);
	exposition_sample(out, STATS_PREFIX "cases_overdue", LABELS("clock", "resolve"), (double)s->overdue_resolve);
	write_gauge(out, STATS_PREFIX "cases_ping_pong", "Cases handed over again and again without the customer reached",
		    (double)s->ping_pong);
	write_gauge(out, STATS_PREFIX "follow_up_oldest_seconds",
		    "How long the first reminder, escalation or closing has been due", s->follow_up_oldest_s);
}

/* One endpoint as a set of states, of which one is 1. */
static void write_endpoint(struct buf *out, const char *name, enum stats_endpoint is)
{
	for (int i = 0; i < STATS_ENDPOINT_STATES; i++)
		exposition_sample(out, STATS_PREFIX "endpoint_state", LABELS("endpoint", name, "state", endpoint_words[i]),
				  i == (int)is);
}

static enum stats_endpoint endpoint_state(const struct stats *s, const char *name)
{
	for (int i = 0; i < s->endpoints.n; i++)
		if (strcmp(s->endpoints.items[i].name, name) == 0)
			return (enum stats_endpoint)s->endpoints.items[i].value;
	return STATS_OK;
}

/* Those of the configuration, and "*" for all sending: one that was taken out of it is nobody's trouble any more. */
static void write_endpoints(const struct stats *s, const struct settings *settings, struct buf *out)
{
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "endpoint_state",
			  "1 for the state that a receiver is in; \"*\" is all sending");
	write_endpoint(out, "*", endpoint_state(s, "*"));
	if (settings->email.set)
		write_endpoint(out, ENDPOINT_EMAIL, endpoint_state(s, ENDPOINT_EMAIL));
	for (int i = 0; i < settings->n_webhooks; i++)
		write_endpoint(out, settings->webhooks[i].id, endpoint_state(s, settings->webhooks[i].id));
}

static bool is_heard(const struct stats *s, const char *source)
{
	for (int i = 0; i < s->last_response.n; i++)
		if (strcmp(s->last_response.items[i].name, source) == 0)
			return true;
	return false;
}

/* Every source that was heard of or is configured; "direct", the column's default, is always there. */
static void write_sources(const struct stats *s, const struct settings *settings, struct buf *out)
{
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "source_last_response_timestamp_seconds",
			  "When a source was last heard of");
	for (int i = 0; i < s->last_response.n; i++)
		exposition_sample(out, STATS_PREFIX "source_last_response_timestamp_seconds",
				  LABELS("source", s->last_response.items[i].name), s->last_response.items[i].value);
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "source_usual_gap_seconds",
			  "The longest wait for an answer on nine days of ten");
	for (int i = 0; i < s->usual_gap.n; i++)
		if (s->usual_gap.items[i].value > 0)
			exposition_sample(out, STATS_PREFIX "source_usual_gap_seconds",
					  LABELS("source", s->usual_gap.items[i].name), s->usual_gap.items[i].value);
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "source_trigger_present",
			  "Whether new responses of a source are captured");
	for (int i = 0; i < s->last_response.n; i++)
		exposition_sample(out, STATS_PREFIX "source_trigger_present", LABELS("source", s->last_response.items[i].name),
				  s->trigger_present);
	for (int i = 0; i < settings->n_sources; i++)
		if (!is_heard(s, settings->sources[i].id) && strcmp(settings->sources[i].id, "direct") != 0)
			exposition_sample(out, STATS_PREFIX "source_trigger_present", LABELS("source", settings->sources[i].id),
					  s->trigger_present);
	if (!is_heard(s, "direct"))
		exposition_sample(out, STATS_PREFIX "source_trigger_present", LABELS("source", "direct"), s->trigger_present);
}

void stats_census_write(const struct stats *s, const struct settings *settings, struct buf *out)
{
	write_gauge(out, STATS_PREFIX "inbox_rows", "Responses waiting to be judged", (double)s->inbox_rows);
	write_gauge(out, STATS_PREFIX "inbox_oldest_seconds", "How long the oldest of them has been due", s->inbox_oldest_s);
	write_gauge(out, STATS_PREFIX "inbox_set_aside", "Responses that could not be judged", (double)s->inbox_set_aside);
	write_by_channel(out, STATS_PREFIX "messages_queued", "Messages waiting or under way", s->queued);
	write_by_channel(out, STATS_PREFIX "messages_dead", "Messages whose tries are used up", s->dead);
	write_gauge(out, STATS_PREFIX "messages_held", "Mails kept back by a budget, quiet hours or for a digest",
		    (double)s->held);
	write_gauge(out, STATS_PREFIX "rulesets_live", "Different sets of rules that the daemons of this database judge by",
		    (double)s->rulesets_live);
	write_incidents(s, out);
	write_cases(s, out);
	write_endpoints(s, settings, out);
	write_sources(s, settings, out);
}
