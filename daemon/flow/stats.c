/*
 * Counting, and the metrics text; see stats.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/stats.h"
#include "base/exposition.h"

#include <stdlib.h>
#include <string.h>

static const double buckets_s[STATS_BUCKETS] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 300, 3600, 86400};
const char *const stats_channel_words[STATS_CHANNELS] = {"email", "webhook"};
static const char *const outcome_words[STATS_OUTCOMES] = {"sent", "retry", "failed", "dead", "ambiguous", "blocked"};
static const char *const event_words[STATS_EVENTS] = {"acknowledged", "assigned",  "reminded", "escalated", "resolved",
						      "closed",       "dismissed", "reopened", "outcome"};
static const char *const digest_words[DIGEST_MORNING + 1] = {"budget", "quiet", "asked", "due", "morning"};
static const char *const reminder_words[STATS_REMINDERS] = {"reminder", "warning"};
static const char *const condition_words[STATS_CONDITIONS] = {"unacknowledged", "unresolved"};

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
	names_fini(&s->usual_gap);
	names_fini(&s->endpoints);
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
		if (wall_is_set(r->delivery->created_at)) {
			int64_t us = wall_now().us - r->delivery->created_at.us;

			stats_latency(s, (double)MAX(us, 0) / (double)US_PER_S);
		}
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

static int word_index(const char *const *words, int n, const char *word)
{
	for (int i = 0; word && i < n; i++)
		if (strcmp(words[i], word) == 0)
			return i;
	return -1;
}

void stats_event(struct stats *s, const char *kind, const char *detail)
{
	enum case_outcome outcome;
	int event = word_index(event_words, STATS_EVENTS, kind), condition;

	if (event >= 0)
		s->events[event]++;
	if (strcmp(kind, "reminded") == 0) {
		s->reminders[detail && strcmp(detail, reminder_words[STATS_WARNING]) == 0]++;
	} else if (strcmp(kind, "escalated") == 0) {
		condition = word_index(condition_words, STATS_CONDITIONS, detail);
		if (condition >= 0)
			s->escalations[condition]++;
	} else if (strcmp(kind, "outcome") == 0 && detail && case_outcome_parse(detail, &outcome) == 0) {
		s->outcomes[outcome]++;
	}
}

/* ---- /metrics ---- */
static void write_names(struct buf *out, const char *name, const char *label, const struct stats_names *names)
{
	for (int i = 0; i < names->n; i++)
		exposition_sample(out, name, LABELS(label, names->items[i].name), (double)names->items[i].n);
}

static void write_counters(const struct stats *s, struct buf *out)
{
	const struct exposition_buckets latency = {buckets_s, s->latency, STATS_BUCKETS, s->latency_sum_s};

	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "responses_total", "Responses judged, by source");
	write_names(out, STATS_PREFIX "responses_total", "source", &s->responses);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "rule_matches_total", "Responses that a rule was true for");
	write_names(out, STATS_PREFIX "rule_matches_total", "rule", &s->rules);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "cases_opened_total", "Cases opened, by priority");
	for (int i = 0; i < PRIORITY_COUNT; i++)
		exposition_sample(out, STATS_PREFIX "cases_opened_total", LABELS("priority", priority_name((enum priority)i)),
				  (double)s->cases[i]);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "messages_total",
			  "Results of delivery attempts, and messages given up (dead)");
	for (int i = 0; i < STATS_CHANNELS; i++)
		for (int k = 0; k < STATS_OUTCOMES; k++)
			exposition_sample(out, STATS_PREFIX "messages_total",
					  LABELS("channel", stats_channel_words[i], "outcome", outcome_words[k]),
					  (double)s->messages[i][k]);
	exposition_family(out, METRIC_HISTOGRAM, STATS_PREFIX "alert_latency_seconds",
			  "From the trigger's clock to the receiver's acceptance");
	exposition_histogram(out, STATS_PREFIX "alert_latency_seconds", NO_LABELS, &latency);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "template_fallbacks_total",
			  "Mails sent as plain text because their template failed");
	exposition_sample(out, STATS_PREFIX "template_fallbacks_total", NO_LABELS, (double)s->fallbacks);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "regex_limit_total",
			  "Responses with a regex that hit its match limit");
	exposition_sample(out, STATS_PREFIX "regex_limit_total", NO_LABELS, (double)s->over_limit);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "batch_failures_total", "Batches that were rolled back");
	exposition_sample(out, STATS_PREFIX "batch_failures_total", NO_LABELS, (double)s->batch_failures);
}

static void write_follow_up(const struct stats *s, struct buf *out)
{
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "case_events_total",
			  "Moves of cases and what the daemon did about them, by kind");
	for (int i = 0; i < STATS_EVENTS; i++)
		exposition_sample(out, STATS_PREFIX "case_events_total", LABELS("kind", event_words[i]), (double)s->events[i]);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "reminders_total",
			  "Owners reminded, and warned ahead of a resolve promise");
	for (int i = 0; i < STATS_REMINDERS; i++)
		exposition_sample(out, STATS_PREFIX "reminders_total", LABELS("kind", reminder_words[i]),
				  (double)s->reminders[i]);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "escalations_total",
			  "Escalation steps taken, by what had not happened");
	for (int i = 0; i < STATS_CONDITIONS; i++)
		exposition_sample(out, STATS_PREFIX "escalations_total", LABELS("condition", condition_words[i]),
				  (double)s->escalations[i]);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "outcomes_total",
			  "What the next answer of a customer made of a resolved case");
	for (int i = 0; i < CASE_OUTCOME_COUNT; i++)
		exposition_sample(out, STATS_PREFIX "outcomes_total",
				  LABELS("outcome", case_outcome_name((enum case_outcome)i)), (double)s->outcomes[i]);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "digests_total", "Mails that hold several alerts of one person");
	for (int i = 0; i <= DIGEST_MORNING; i++)
		exposition_sample(out, STATS_PREFIX "digests_total", LABELS("why", digest_words[i]), (double)s->digests[i]);
	exposition_family(out, METRIC_COUNTER, STATS_PREFIX "operator_mails_total",
			  "Mails to operators about something that fails");
	exposition_sample(out, STATS_PREFIX "operator_mails_total", NO_LABELS, (double)s->operator_mails);
}

static void write_flag(struct buf *out, const char *name, const char *help, bool v)
{
	exposition_family(out, METRIC_GAUGE, name, help);
	exposition_sample(out, name, NO_LABELS, v);
}

void stats_write(const struct stats *s, const struct stats_context *c, struct buf *out)
{
	write_counters(s, out);
	write_follow_up(s, out);
	stats_census_write(s, c->settings, out);
	write_flag(out, STATS_PREFIX "config_last_reload_successful", "Whether the last reload was taken", s->reload_ok);
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "ruleset_info", "The rules that are live");
	exposition_sample(out, STATS_PREFIX "ruleset_info", LABELS("sha256", c->settings->sha256), 1);
	write_flag(out, STATS_PREFIX "database_up", "Whether there is a connection to the database", c->database_up);
	exposition_family(out, METRIC_GAUGE, STATS_PREFIX "build_info", "The version that runs");
	exposition_sample(out, STATS_PREFIX "build_info", LABELS("version", CLOSELOOP_VERSION), 1);
}
