/*
 * Counting, the census of the database, and the metrics text; see stats.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/stats.h"
#include "base/exposition.h"

#include <stdlib.h>
#include <string.h>

static const double buckets_s[STATS_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300, 3600, 86400};
static const char *const channel_words[STATS_CHANNELS] = {"email", "webhook"};
static const char *const outcome_words[STATS_OUTCOMES] = {"sent", "retry", "failed", "dead", "ambiguous", "blocked"};

static void names_fini(struct stats_names *names)
{
	for (int i = 0; i < names->n; i++)
		free(names->items[i].name);
	free(names->items);
	*names = (struct stats_names){0};
}

void stats_fini(struct stats *s)
{
	names_fini(&s->responses);
	names_fini(&s->rules);
	names_fini(&s->last_response);
}

static struct stats_name *names_get(struct stats_names *names, const char *name)
{
	if (names->n >= STATS_NAMES_MAX)
		name = "other";
	for (int i = 0; i < names->n; i++)
		if (strcmp(names->items[i].name, name) == 0)
			return &names->items[i];
	if (names->n == names->room) {
		names->room = names->room ? names->room * 2 : 8;
		names->items = xrealloc(names->items, sizeof(*names->items) * (size_t)names->room);
	}
	names->items[names->n] = (struct stats_name){.name = xstrdup(name)};
	return &names->items[names->n++];
}

void stats_add(struct stats_names *names, const char *name, uint64_t n)
{
	names_get(names, name)->n += n;
}

void stats_set(struct stats_names *names, const char *name, double value)
{
	names_get(names, name)->value = value;
}

void stats_heard(struct stats *s, const char *source, struct wall_time at)
{
	struct stats_name *name = names_get(&s->last_response, source ? source : "");

	name->value = MAX(name->value, (double)at.us / (double)US_PER_S);
	s->trigger_present |= !s->census_taken;
}

static void stats_latency(struct stats *s, double seconds)
{
	int i = 0;

	while (i < STATS_BUCKETS && seconds > buckets_s[i])
		i++;
	s->latency[i]++;
	s->latency_sum_s += seconds;
	s->latency_n++;
}

void stats_message(struct stats *s, const struct delivery_result *r, enum message_state became)
{
	enum stats_channel channel = strcmp(r->delivery->endpoint, ENDPOINT_EMAIL) == 0 ? STATS_EMAIL : STATS_WEBHOOK;
	uint64_t *n = s->messages[channel];

	switch (r->outcome) {
	case DELIVERY_SENT:
		n[STATS_SENT]++;
		if (wall_is_set(r->delivery->created_at))
			stats_latency(s, (double)MAX(wall_now().us - r->delivery->created_at.us, 0) / (double)US_PER_S);
		return;
	case DELIVERY_AMBIGUOUS: n[STATS_AMBIGUOUS]++; break;
	case DELIVERY_RETRY:
	case DELIVERY_CREDENTIALS: n[STATS_RETRY] += became != MESSAGE_DEAD; break;
	case DELIVERY_BLOCKED: n[STATS_BLOCKED]++; break;
	case DELIVERY_FAILED:
	case DELIVERY_GONE: n[STATS_FAILED]++; break;
	case DELIVERY_RELEASED:
	case DELIVERY_OUTCOME_COUNT: break;
	}
	n[STATS_DEAD] += became == MESSAGE_DEAD;
}

/* ---- the census ---- */

const struct pg_stmt stats_census = {
	"stats_census",
	"SELECT i.waiting, i.oldest_s, i.aside, m.queued_email, m.queued_webhook, d.dead_email, d.dead_webhook,"
	" c.acknowledge, c.resolve,"
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
	"  (SELECT count(*) FILTER (WHERE status = 'open' AND acknowledge_due_at < now()) AS acknowledge,"
	"   count(*) FILTER (WHERE status <> 'waiting' AND resolve_due_at < now()) AS resolve"
	"   FROM closeloop.cases WHERE status IN ('open', 'acknowledged', 'in_progress', 'waiting')) AS c",
	0,
	{0},
};

/* The newest few thousand answers say when each source was last heard of; a silent one keeps its last value. */
const struct pg_stmt stats_sources = {
	"stats_sources",
	"SELECT source, extract(epoch FROM max(received_at))::float8 FROM"
	" (SELECT source, received_at FROM closeloop.responses ORDER BY received_at DESC LIMIT 2000) AS newest GROUP BY source",
	0,
	{0},
};

void stats_census_read(struct stats *s, const struct pg_rows *rows)
{
	s->census_taken = true;
	s->inbox_rows = pg_get_int8(rows, 0, 0);
	s->inbox_oldest_s = MAX(pg_get_float8(rows, 0, 1), 0);
	s->inbox_set_aside = pg_get_int8(rows, 0, 2);
	s->queued[STATS_EMAIL] = pg_get_int8(rows, 0, 3);
	s->queued[STATS_WEBHOOK] = pg_get_int8(rows, 0, 4);
	s->dead[STATS_EMAIL] = pg_get_int8(rows, 0, 5);
	s->dead[STATS_WEBHOOK] = pg_get_int8(rows, 0, 6);
	s->overdue_acknowledge = pg_get_int8(rows, 0, 7);
	s->overdue_resolve = pg_get_int8(rows, 0, 8);
	s->trigger_present = pg_get_bool(rows, 0, 9);
}

void stats_sources_read(struct stats *s, const struct pg_rows *rows)
{
	for (int i = 0; i < pg_count(rows); i++)
		stats_set(&s->last_response, pg_get_text(rows, i, 0, NULL), pg_get_float8(rows, i, 1));
}

/* ---- /metrics ---- */

#define PREFIX "closeloop_"

static void write_names(struct buf *out, const char *name, const char *label, const struct stats_names *names)
{
	for (int i = 0; i < names->n; i++)
		exposition_sample(out, name, LABELS(label, names->items[i].name), (double)names->items[i].n);
}

static void write_counters(const struct stats *s, struct buf *out)
{
	const struct exposition_buckets latency = {buckets_s, s->latency, STATS_BUCKETS, s->latency_sum_s};

	exposition_family(out, METRIC_COUNTER, PREFIX "responses_total", "Responses judged, by source");
	write_names(out, PREFIX "responses_total", "source", &s->responses);
	exposition_family(out, METRIC_COUNTER, PREFIX "rule_matches_total", "Responses that a rule was true for");
	write_names(out, PREFIX "rule_matches_total", "rule", &s->rules);
	exposition_family(out, METRIC_COUNTER, PREFIX "cases_opened_total", "Cases opened, by priority");
	for (int i = 0; i < PRIORITY_COUNT; i++)
		exposition_sample(out, PREFIX "cases_opened_total", LABELS("priority", priority_name((enum priority)i)),
				  (double)s->cases[i]);
	exposition_family(out, METRIC_COUNTER, PREFIX "messages_total",
			  "Results of delivery attempts, and messages given up (dead)");
	for (int i = 0; i < STATS_CHANNELS; i++)
		for (int k = 0; k < STATS_OUTCOMES; k++)
			exposition_sample(out, PREFIX "messages_total",
					  LABELS("channel", channel_words[i], "outcome", outcome_words[k]),
					  (double)s->messages[i][k]);
	exposition_family(out, METRIC_HISTOGRAM, PREFIX "alert_latency_seconds",
			  "From the trigger's clock to the receiver's acceptance");
	exposition_histogram(out, PREFIX "alert_latency_seconds", NO_LABELS, &latency);
	exposition_family(out, METRIC_COUNTER, PREFIX "template_fallbacks_total",
			  "Mails sent as plain text because their template failed");
	exposition_sample(out, PREFIX "template_fallbacks_total", NO_LABELS, (double)s->fallbacks);
	exposition_family(out, METRIC_COUNTER, PREFIX "regex_limit_total", "Responses with a regex that hit its match limit");
	exposition_sample(out, PREFIX "regex_limit_total", NO_LABELS, (double)s->over_limit);
	exposition_family(out, METRIC_COUNTER, PREFIX "batch_failures_total", "Batches that were rolled back");
	exposition_sample(out, PREFIX "batch_failures_total", NO_LABELS, (double)s->batch_failures);
}

static void write_gauge(struct buf *out, const char *name, const char *help, double v)
{
	exposition_family(out, METRIC_GAUGE, name, help);
	exposition_sample(out, name, NO_LABELS, v);
}

static void write_by_channel(struct buf *out, const char *name, const char *help, const int64_t v[STATS_CHANNELS])
{
	exposition_family(out, METRIC_GAUGE, name, help);
	for (int i = 0; i < STATS_CHANNELS; i++)
		exposition_sample(out, name, LABELS("channel", channel_words[i]), (double)v[i]);
}

static void write_census(const struct stats *s, struct buf *out)
{
	write_gauge(out, PREFIX "inbox_rows", "Responses waiting to be judged", (double)s->inbox_rows);
	write_gauge(out, PREFIX "inbox_oldest_seconds", "Age of the oldest of them", s->inbox_oldest_s);
	write_gauge(out, PREFIX "inbox_set_aside", "Responses that could not be judged", (double)s->inbox_set_aside);
	write_by_channel(out, PREFIX "messages_queued", "Messages waiting or under way", s->queued);
	write_by_channel(out, PREFIX "messages_dead", "Messages whose tries are used up", s->dead);
	exposition_family(out, METRIC_GAUGE, PREFIX "cases_overdue", "Cases past a promise, by its clock");
	exposition_sample(out, PREFIX "cases_overdue", LABELS("clock", "acknowledge"), (double)s->overdue_acknowledge);
	exposition_sample(out, PREFIX "cases_overdue", LABELS("clock", "resolve"), (double)s->overdue_resolve);
	exposition_family(out, METRIC_GAUGE, PREFIX "source_last_response_timestamp_seconds",
			  "When a source was last heard of");
	for (int i = 0; i < s->last_response.n; i++)
		exposition_sample(out, PREFIX "source_last_response_timestamp_seconds",
				  LABELS("source", s->last_response.items[i].name), s->last_response.items[i].value);
	exposition_family(out, METRIC_GAUGE, PREFIX "source_trigger_present", "Whether new responses of a source are captured");
	for (int i = 0; i < s->last_response.n; i++)
		exposition_sample(out, PREFIX "source_trigger_present", LABELS("source", s->last_response.items[i].name),
				  s->trigger_present);
}

void stats_write(const struct stats *s, const struct stats_context *c, struct buf *out)
{
	write_counters(s, out);
	write_census(s, out);
	write_gauge(out, PREFIX "config_last_reload_successful", "Whether the last reload was taken", s->reload_ok);
	exposition_family(out, METRIC_GAUGE, PREFIX "ruleset_info", "The rules that are live");
	exposition_sample(out, PREFIX "ruleset_info", LABELS("sha256", c->settings->sha256), 1);
	write_gauge(out, PREFIX "database_up", "Whether there is a connection to the database", c->database_up);
	exposition_family(out, METRIC_GAUGE, PREFIX "build_info", "The version that runs");
	exposition_sample(out, PREFIX "build_info", LABELS("version", CLOSELOOP_VERSION), 1);
}
