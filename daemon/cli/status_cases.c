/*
 * `status`: cases, how promises were kept, and sources that have fallen silent.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/status.h"

#include <string.h>

#define LATE_CASES_SHOWN 4
#define NAMED_CASES_SHOWN 3

/* ---- cases ---- */

#define UNRESOLVED "c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')"
/* How long ago the first promise was broken; null: none is. */
#define LATE_SINCE                                                                                          \
	"least(CASE WHEN c.status = 'open' AND c.acknowledge_due_at < now() THEN c.acknowledge_due_at END," \
	" CASE WHEN c.status <> 'waiting' AND c.resolve_due_at < now() THEN c.resolve_due_at END)"

static const struct pg_stmt sql_cases = {
	"cli_status_cases",
	"SELECT to_json(j)::text, j.unresolved, j.unacknowledged, j.overdue, j.ping_pong FROM (SELECT count(*) AS unresolved,"
	" count(*) FILTER (WHERE c.status = 'open') AS unacknowledged, count(*) FILTER (WHERE c.status = 'waiting') AS waiting,"
	" count(" LATE_SINCE ") AS overdue, count(*) FILTER (WHERE c.ping_pong) AS ping_pong"
	" FROM closeloop.cases c WHERE " UNRESOLVED ") j",
	0,
	{0},
};
static const struct pg_stmt sql_late = {
	"cli_status_late",
	"SELECT 'C-' || id, owner, extract(epoch FROM now() - late)::float8 FROM (SELECT c.id, c.owner, " LATE_SINCE " AS late"
	" FROM closeloop.cases c WHERE " UNRESOLVED ") x WHERE late IS NOT NULL ORDER BY late, id LIMIT $1",
	1,
	{PG_INT8},
};
static const struct pg_stmt sql_ping_pong = {
	"cli_status_ping_pong",
	"SELECT 'C-' || id, owner, handovers::float8 FROM closeloop.cases c WHERE " UNRESOLVED " AND ping_pong"
	" ORDER BY handovers DESC, id LIMIT $1",
	1,
	{PG_INT8},
};

/* ": C-790 minsu-kim 1 h · C-801 h-weber 20 min · 3 more" */
static int named(struct status *s, const struct pg_stmt *stmt, int64_t total, bool durations, const char **ret)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct buf b CLEANUP(buf_fini) = BUF_INIT(4096);
	struct pg_params p;
	int r;

	pg_params_init(&p, s->c->arena);
	pg_add_int8(&p, LATE_CASES_SHOWN);
	r = cli_run(s->c, stmt, &p, &rows);
	if (r)
		return r;
	for (int i = 0; i < pg_count(rows); i++) {
		const char *owner = pg_get_text(rows, i, 1, NULL);

		buf_printf(&b, "%s%s %s", i ? " · " : ": ", pg_get_text(rows, i, 0, NULL), owner ? owner : "nobody");
		if (durations) {
			buf_putc(&b, ' ');
			text_put_duration(&b, (int64_t)(pg_get_float8(rows, i, 2) * (double)US_PER_S));
		}
	}
	if (total > pg_count(rows))
		buf_printf(&b, " · %lld more", (long long)(total - pg_count(rows)));
	*ret = arena_strdup(s->c->arena, buf_str(&b));
	return 0;
}

static const struct pg_stmt sql_leavers = {
	"cli_status_leavers",
	"SELECT to_json(j)::text, j.owner, j.n, (SELECT string_agg('C-' || id, ', ' ORDER BY id) FROM unnest(j.cases) id)"
	" FROM (SELECT c.owner, count(*) AS n, (array_agg(c.id ORDER BY c.id))[:3] AS cases FROM closeloop.cases c"
	"  WHERE " UNRESOLVED " AND owner <> ALL ($1) GROUP BY c.owner) j ORDER BY j.n DESC, j.owner",
	1,
	{PG_TEXT_ARRAY},
};

/* People who were removed and still own open cases, or were never known. */
static int need_leavers(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct arena *a = s->c->arena;
	const struct cli_person *people;
	struct pg_array known;
	struct pg_params p;
	int n, r = cli_people(s->c, &people, &n);

	if (r)
		return r;
	pg_array_init(&known, a, PG_TEXT);
	for (int i = 0; i < n; i++)
		pg_array_text(&known, people[i].id);
	pg_params_init(&p, a);
	pg_add_array(&p, &known);
	r = cli_run(s->c, &sql_leavers, &p, &rows);
	if (r)
		return r;
	status_put_array(s, "unknown_owners", rows);
	for (int i = 0; i < pg_count(rows); i++) {
		const char *owner = pg_get_text(rows, i, 1, NULL);
		int64_t cases = pg_get_int8(rows, i, 2);

		status_need(s, owner,
			    arena_printf(a, "is no longer known and owns %lld open case%s: %s%s", (long long)cases,
					 cases == 1 ? "" : "s", pg_get_text(rows, i, 3, NULL),
					 cases > NAMED_CASES_SHOWN ? " …" : ""),
			    arena_printf(a, "closeloop case assign --from %s --to PERSON", owner));
	}
	return 0;
}

int status_cases(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	const char *late = "", *passed = "";
	int64_t overdue, ping_pong;
	int r = cli_run(s->c, &sql_cases, NULL, &rows);

	if (r)
		return r;
	overdue = pg_get_int8(rows, 0, 3);
	ping_pong = pg_get_int8(rows, 0, 4);
	if (overdue)
		r = named(s, &sql_late, overdue, true, &late);
	if (r == 0 && ping_pong)
		r = named(s, &sql_ping_pong, ping_pong, false, &passed);
	if (r)
		return r;
	status_put_member(s, "cases", rows, 0);
	status_put_label(s, "cases");
	buf_printf(&s->text, "%lld open, %lld unacknowledged, %lld overdue", (long long)pg_get_int8(rows, 0, 1),
		   (long long)pg_get_int8(rows, 0, 2), (long long)overdue);
	escape_terminal(&s->text, late, strlen(late));
	buf_putc(&s->text, '\n');
	if (overdue)
		status_need(s, "cases", arena_printf(s->c->arena, "%lld overdue%s", (long long)overdue, late),
			    "closeloop case list --overdue");
	if (ping_pong)
		status_need(s, "ping-pong",
			    arena_printf(s->c->arena, "%lld handed over four times, and nobody has reached the customer%s",
					 (long long)ping_pong, passed),
			    "closeloop case list --ping-pong");
	return need_leavers(s);
}

/* ---- how promises were kept ---- */

static const struct pg_stmt sql_follow_up = {
	"cli_status_follow_up",
	"SELECT to_json(j)::text, j.week_opened, j.week_acknowledged_percent, j.week_resolved_percent, j.opened,"
	" j.acknowledged_in_time_percent, j.resolved_in_time_percent, j.median_to_first_action_s, j.p90_to_first_action_s,"
	" j.median_to_resolve_s, j.p90_to_resolve_s, j.reopened_cases, j.ping_pong, j.recovered, j.rescored, j.expired"
	" FROM (SELECT count(*) FILTER (WHERE this_week) AS week_opened,"
	"  100.0::float8 * count(*) FILTER (WHERE this_week AND acknowledged_in_time)"
	"   / nullif(count(acknowledged_in_time) FILTER (WHERE this_week), 0) AS week_acknowledged_percent,"
	"  100.0::float8 * count(*) FILTER (WHERE this_week AND resolved_in_time)"
	"   / nullif(count(resolved_in_time) FILTER (WHERE this_week), 0) AS week_resolved_percent,"
	"  count(*) AS opened,"
	"  100.0::float8 * count(*) FILTER (WHERE acknowledged_in_time) / nullif(count(acknowledged_in_time), 0)"
	"   AS acknowledged_in_time_percent,"
	"  100.0::float8 * count(*) FILTER (WHERE resolved_in_time) / nullif(count(resolved_in_time), 0) AS resolved_in_time_percent,"
	"  percentile_cont(0.5) WITHIN GROUP (ORDER BY to_first_action_business) AS median_to_first_action_s,"
	"  percentile_cont(0.9) WITHIN GROUP (ORDER BY to_first_action_business) AS p90_to_first_action_s,"
	"  percentile_cont(0.5) WITHIN GROUP (ORDER BY to_resolve_business) AS median_to_resolve_s,"
	"  percentile_cont(0.9) WITHIN GROUP (ORDER BY to_resolve_business) AS p90_to_resolve_s,"
	"  count(*) FILTER (WHERE reopened > 0) AS reopened_cases, count(*) FILTER (WHERE ping_pong) AS ping_pong,"
	"  count(*) FILTER (WHERE outcome = 'recovered') AS recovered, count(outcome) AS rescored, count(*) FILTER (WHERE expired)"
	"   AS expired FROM (SELECT *, week = date_trunc('week', now() AT TIME ZONE $1)::date AS this_week"
	"   FROM closeloop.follow_up_times(now() - interval '30 days')) f) j",
	1,
	{PG_TEXT},
};

static void put_percent(struct buf *out, const char *what, const struct pg_rows *rows, int column)
{
	buf_puts(out, what);
	if (pg_is_null(rows, 0, column))
		buf_puts(out, " -");
	else
		buf_printf(out, " %.0f %%", pg_get_float8(rows, 0, column));
}

/* "first action in 42 min (9 of 10 in 3 h)" */
static void put_times(struct buf *out, const char *what, const struct pg_rows *rows, int median)
{
	buf_printf(out, "%s ", what);
	if (pg_is_null(rows, 0, median)) {
		buf_puts(out, "-");
		return;
	}
	buf_puts(out, "in ");
	text_put_duration(out, (int64_t)(pg_get_float8(rows, 0, median) * (double)US_PER_S));
	buf_puts(out, " (9 of 10 in ");
	text_put_duration(out, (int64_t)(pg_get_float8(rows, 0, median + 1) * (double)US_PER_S));
	buf_putc(out, ')');
}

static void put_counts(struct buf *out, const struct pg_rows *rows)
{
	long long recovered = pg_get_int8(rows, 0, 13), rescored = pg_get_int8(rows, 0, 14), expired = pg_get_int8(rows, 0, 15);

	buf_printf(out, "%lld reopened, %lld ping-pong, ", (long long)pg_get_int8(rows, 0, 11),
		   (long long)pg_get_int8(rows, 0, 12));
	if (expired)
		buf_printf(out, "%lld expired, ", expired);
	if (rescored)
		buf_printf(out, "recovered %lld of %lld re-scored (%.0f %%)\n", recovered, rescored,
			   100.0 * (double)recovered / (double)rescored);
	else
		buf_puts(out, "nobody re-scored yet\n");
}

static void put_follow_up(struct status *s, struct buf *out, const struct pg_rows *rows)
{
	if (pg_get_int8(rows, 0, 4) == 0) {
		buf_puts(out, "no case in 30 days\n");
		return;
	}
	buf_printf(out, "this week %lld opened", (long long)pg_get_int8(rows, 0, 1));
	put_percent(out, ", acknowledged in time", rows, 2);
	put_percent(out, ", closed in time", rows, 3);
	buf_printf(out, "\n%*s30 days %lld opened", STATUS_LABEL_COLUMNS, "", (long long)pg_get_int8(rows, 0, 4));
	put_percent(out, ", acknowledged in time", rows, 5);
	put_percent(out, ", closed in time", rows, 6);
	buf_printf(out, "\n%*s", STATUS_LABEL_COLUMNS, "");
	put_times(out, "first action", rows, 7);
	put_times(out, ", solved", rows, 9);
	if (s->c->settings->n_calendars)
		buf_puts(out, ", open hours");
	buf_printf(out, "\n%*s", STATUS_LABEL_COLUMNS, "");
	put_counts(out, rows);
}

int status_follow_up(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_params p;
	const char *json;
	size_t n;
	int r;

	if (s->kept[0].n == 0) {
		pg_params_init(&p, s->c->arena);
		pg_add_text(&p, s->c->settings->timezone);
		r = cli_run(s->c, &sql_follow_up, &p, &rows);
		if (r)
			return r;
		put_follow_up(s, &s->kept[0], rows);
		json = pg_get_text(rows, 0, 0, &n);
		text_put_json(&s->kept[1], json, n);
	}
	status_put_label(s, "follow-up");
	buf_add(&s->text, buf_str(&s->kept[0]), s->kept[0].n);
	buf_puts(&s->json, ",\"follow_up\":");
	buf_add(&s->json, buf_str(&s->kept[1]), s->kept[1].n);
	return 0;
}

/* ---- sources ---- */

static const struct pg_stmt sql_sources = {
	"cli_status_sources",
	"SELECT to_json(j)::text, j.source, j.last_at, extract(epoch FROM j.usual_gap)::float8"
	" FROM closeloop.sources_silent() j",
	0,
	{0},
};

int status_sources(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(s->c, &sql_sources, NULL, &rows);

	if (r)
		return r;
	status_put_array(s, "silent_sources", rows);
	for (int i = 0; i < pg_count(rows); i++) {
		const char *silent = status_duration(s, s->now.us - pg_get_time(rows, i, 2).us);
		const char *usual = status_duration(s, (int64_t)(pg_get_float8(rows, i, 3) * (double)US_PER_S));

		status_need(
			s, pg_get_text(rows, i, 1, NULL),
			arena_printf(s->c->arena, "no response for %s, and seldom silent for longer than %s", silent, usual),
			"closeloop response list --since 30d");
	}
	return 0;
}
