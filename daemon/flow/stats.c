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
	" EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = 'closeloop.responses'::regclass AND NOT tgisinternal"
	"  AND tgenabled IN ('O', 'A'))"
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
