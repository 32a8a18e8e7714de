/*
 * Counters and gauges of the daemon: what happened, counted when it was committed. Names: DESIGN 8.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_STATS_H
#define FLOW_STATS_H

#include "base/arena.h"
#include "base/clock.h"
#include "model/alert.h"
#include "model/message.h"
#include "pg/pg.h"
#include "rule/rule.h"
#include "settings/settings.h"

#define STATS_NAMES_MAX 500 /* labels of one counter; further ones are counted as "other" */
#define STATS_BUCKETS 12
#define STATS_EVENTS 9 /* kinds of case_events that are counted */

enum stats_channel { STATS_EMAIL, STATS_WEBHOOK, STATS_CHANNELS };
enum stats_outcome { STATS_SENT, STATS_RETRY, STATS_FAILED, STATS_DEAD, STATS_AMBIGUOUS, STATS_BLOCKED, STATS_OUTCOMES };

/* A counter with one label. */
struct stats_names {
	struct stats_name {
		char *name;
		uint64_t n;
		double value; /* for gauges */
	} * items;
	int n, room;
};

enum stats_reminder { STATS_REMINDER, STATS_WARNING, STATS_REMINDERS };
enum stats_condition { STATS_UNACKNOWLEDGED, STATS_UNRESOLVED, STATS_CONDITIONS };
/* What keeps an endpoint from sending; the later one wins. */
enum stats_endpoint { STATS_OK, STATS_FAILING, STATS_PAUSED, STATS_DISABLED, STATS_ENDPOINT_STATES };

struct stats {
	struct stats_names responses; /* by source */
	struct stats_names rules;
	uint64_t cases[PRIORITY_COUNT]; /* opened by rules */
	uint64_t messages[STATS_CHANNELS][STATS_OUTCOMES];
	uint64_t latency[STATS_BUCKETS + 1]; /* the last is +Inf */
	double latency_sum_s;
	uint64_t latency_n;
	uint64_t fallbacks, over_limit, batch_failures;
	uint64_t events[STATS_EVENTS]; /* by kind: moves of cases, whoever made them */
	uint64_t reminders[STATS_REMINDERS], escalations[STATS_CONDITIONS], outcomes[CASE_OUTCOME_COUNT];
	uint64_t digests[DIGEST_MORNING + 1], operator_mails;
	bool reload_ok;

	/* Read from the database every few seconds. */
	bool census_taken;
	int64_t inbox_rows, inbox_set_aside, queued[STATS_CHANNELS], dead[STATS_CHANNELS], held;
	double inbox_oldest_s;
	int64_t open[CASE_STATUS_COUNT][PRIORITY_COUNT]; /* unresolved cases; the rest stays 0 */
	int64_t incidents[OPERATOR_KIND_COUNT];          /* that last */
	int64_t overdue_acknowledge, overdue_resolve, ping_pong;
	int64_t rulesets_live;
	double follow_up_oldest_s;        /* how long the first of what is due has been due */
	struct stats_names last_response; /* by source: value is epoch seconds */
	struct stats_names usual_gap;     /* by source: value is seconds; 0: not known */
	struct stats_names endpoints;     /* value is enum stats_endpoint */
	bool trigger_present;
};

void stats_fini(struct stats *s);
void stats_add(struct stats_names *names, const char *name, uint64_t n);
void stats_set(struct stats_names *names, const char *name, double value);
/* A response of this source came in; its trigger works. */
void stats_heard(struct stats *s, const char *source, struct wall_time at);
void stats_message(struct stats *s, const struct delivery_result *r, enum message_state became);
/*
 * A case_events row that this daemon put into words or passed over (each becomes one notice, taken by one daemon). kind: of
 * the event. detail: of "reminded" "warning" or NULL, of "escalated" the step's condition, of "outcome" the outcome; else NULL.
 */
void stats_event(struct stats *s, const char *kind, const char *detail);

/* ---- stats_census.c: what the database holds, read with every heartbeat ---- */

/* Appends the statements; their rows go into s. */
void stats_census_add(struct stats *s, struct pg_batch *b);
/* The gauges of it. */
void stats_census_write(const struct stats *s, const struct settings *settings, struct buf *out);

#define STATS_PREFIX "closeloop_" /* of every metric */
extern const char *const stats_channel_words[STATS_CHANNELS];

struct stats_context {
	const struct settings *settings;
	bool database_up;
};
void stats_write(const struct stats *s, const struct stats_context *c, struct buf *out);

#endif
