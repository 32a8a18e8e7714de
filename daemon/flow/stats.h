/*
 * Counters and gauges of the daemon: what happened, counted when it was committed. Names: DESIGN 8.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_STATS_H
#define FLOW_STATS_H

#include "base/arena.h"
#include "base/clock.h"
#include "model/message.h"
#include "pg/pg.h"
#include "rule/rule.h"
#include "settings/settings.h"

#define STATS_NAMES_MAX 500 /* labels of one counter; further ones are counted as "other" */
#define STATS_BUCKETS 12

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

struct stats {
	struct stats_names responses; /* by source */
	struct stats_names rules;
	uint64_t cases[PRIORITY_COUNT];
	uint64_t messages[STATS_CHANNELS][STATS_OUTCOMES];
	uint64_t latency[STATS_BUCKETS + 1]; /* the last is +Inf */
	double latency_sum_s;
	uint64_t latency_n;
	uint64_t fallbacks, over_limit, batch_failures;
	bool reload_ok;

	/* Read from the database every few seconds. */
	bool census_taken;
	int64_t inbox_rows, inbox_set_aside, queued[STATS_CHANNELS], dead[STATS_CHANNELS], overdue_acknowledge, overdue_resolve;
	double inbox_oldest_s;
	struct stats_names last_response; /* by source: value is epoch seconds */
	bool trigger_present;
};

void stats_fini(struct stats *s);
void stats_add(struct stats_names *names, const char *name, uint64_t n);
void stats_set(struct stats_names *names, const char *name, double value);
/* A response of this source came in; its trigger works. */
void stats_heard(struct stats *s, const char *source, struct wall_time at);
void stats_message(struct stats *s, const struct delivery_result *r, enum message_state became);

/* () → one row of counts; () → source, newest response. */
extern const struct pg_stmt stats_census, stats_sources;
void stats_census_read(struct stats *s, const struct pg_rows *rows);
void stats_sources_read(struct stats *s, const struct pg_rows *rows);

struct stats_context {
	const struct settings *settings;
	bool database_up;
};
void stats_write(const struct stats *s, const struct stats_context *c, struct buf *out);

#endif
