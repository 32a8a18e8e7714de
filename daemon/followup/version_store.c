/*
 * SQL of follow_up versions; see version_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "followup/version_store.h"

#include <assert.h>

const struct pg_stmt follow_up_versions_stmt = {
	"follow_up_versions",
	"SELECT closeloop.follow_up_version(d) FROM unnest($1::jsonb[]) WITH ORDINALITY AS q (d, n) ORDER BY n",
	1,
	{PG_JSONB_ARRAY},
};

const struct pg_stmt opening_clocks_stmt = {
	"opening_clocks",
	"SELECT k.acknowledge_due_at, k.resolve_due_at, k.next_action_at"
	" FROM unnest($1::int[], $2::text[]) WITH ORDINALITY AS q (version, owner, n)"
	" CROSS JOIN LATERAL closeloop.case_opening_clocks(q.version, q.owner, now()) AS k ORDER BY q.n",
	2,
	{PG_INT4_ARRAY, PG_TEXT_ARRAY},
};

const struct pg_stmt opening_clocks_trial_stmt = {
	"opening_clocks_trial",
	"SELECT k.acknowledge, k.resolve, least(k.acknowledge, k.resolve)"
	" FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY AS q (acknowledge, resolve, calendar, "
	"owner, n)"
	" CROSS JOIN LATERAL (SELECT closeloop.promise_due(now(), q.acknowledge::closeloop.promise, q.calendar, q.owner) AS "
	"acknowledge,"
	"  closeloop.promise_due(now(), q.resolve::closeloop.promise, q.calendar, q.owner) AS resolve) AS k ORDER BY q.n",
	4,
	{PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY, PG_TEXT_ARRAY},
};

void follow_up_versions_params(struct pg_params *p, struct arena *a, const struct settings *s)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(FOLLOW_UP_BYTES_MAX);
	struct pg_array definitions;

	pg_array_init(&definitions, a, PG_JSONB);
	for (int i = 0; i < s->n_follow_ups; i++) {
		buf_reset(&b);
		follow_up_put(&s->follow_ups[i], &b);
		assert(!b.overflow);
		pg_array_text(&definitions, buf_str(&b));
	}
	pg_params_init(p, a);
	pg_add_array(p, &definitions);
}

bool opening_clocks_need_owner(const struct follow_up *f)
{
	return f->calendar_use == CALENDAR_OWNER ||
	       (f->calendar_use == CALENDAR_NAMED && str_eq(f->calendar->timezone, "owner"));
}

static void add_promise(struct pg_array *texts, struct arena *a, const struct promise *p)
{
	pg_array_text(texts, p->amount < 0 ? NULL : arena_printf(a, "%lld%c", (long long)p->amount, p->unit));
}

static const char *calendar_name(const struct follow_up *f)
{
	return f->calendar_use == CALENDAR_NONE ? NULL : f->calendar_use == CALENDAR_OWNER ? "owner" : f->calendar->id;
}

static void trial_params(struct pg_params *p, struct arena *a, const struct opening_clocks *c, int n, struct pg_array *owners)
{
	struct pg_array acknowledge, resolve, calendars;

	pg_array_init(&acknowledge, a, PG_TEXT);
	pg_array_init(&resolve, a, PG_TEXT);
	pg_array_init(&calendars, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		add_promise(&acknowledge, a, &c[i].follow_up->acknowledge_within);
		add_promise(&resolve, a, &c[i].follow_up->resolve_within);
		pg_array_text(&calendars, calendar_name(c[i].follow_up));
	}
	pg_add_array(p, &acknowledge);
	pg_add_array(p, &resolve);
	pg_add_array(p, &calendars);
	pg_add_array(p, owners);
}

void opening_clocks_params(struct pg_params *p, struct arena *a, const struct opening_clocks *c, int n, bool trial)
{
	struct pg_array versions, owners;

	pg_array_init(&versions, a, PG_INT4);
	pg_array_init(&owners, a, PG_TEXT);
	for (int i = 0; i < n; i++) {
		pg_array_int4(&versions, c[i].version);
		pg_array_text(&owners, c[i].owner);
	}
	pg_params_init(p, a);
	if (trial) {
		trial_params(p, a, c, n, &owners);
		return;
	}
	pg_add_array(p, &versions);
	pg_add_array(p, &owners);
}

void opening_clocks_read(const struct pg_rows *rows, struct opening_clocks *c, int n)
{
	for (int i = 0; i < pg_count(rows) && i < n; i++) {
		c[i].acknowledge_due = pg_get_time(rows, i, 0);
		c[i].resolve_due = pg_get_time(rows, i, 1);
		c[i].next_action = pg_get_time(rows, i, 2);
	}
}
