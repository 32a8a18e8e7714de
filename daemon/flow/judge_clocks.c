/*
 * The judge, between owners and recipients: until when. Business time is PostgreSQL's, so one round trip asks for the due times
 * of the cases that open, once for all that share a follow_up and a clock; a batch that opens none asks nothing. Without a calendar
 * they lie behind the opening by the same time always, so PostgreSQL is asked once and its answer kept with the configuration.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"
#include "followup/version_store.h"

#include <stdlib.h>

static bool same_clock(const struct opening_clocks *c, const struct follow_up *f, const char *owner)
{
	return c->follow_up == f && str_eq(c->owner, owner);
}

/* The clocks that a plan shares with others; new ones are appended. */
static struct opening_clocks *clocks_of(struct judge *j, const struct plan *p)
{
	const struct settings *s = j->live->settings;
	const struct follow_up *f = p->rule->follow_up;
	const char *owner = opening_clocks_owner(f, p->owner.person ? p->owner.person->id : NULL);

	for (int i = j->n_clocks - 1; i >= 0; i--)
		if (same_clock(&j->clocks[i], f, owner))
			return &j->clocks[i];
	j->clocks[j->n_clocks] = (struct opening_clocks){
		.follow_up = f,
		.version = j->dry ? 0 : j->live->follow_up_versions[f - s->follow_ups],
		.owner = owner,
	};
	return &j->clocks[j->n_clocks++];
}

static bool plan_has_clocks(const struct plan *p)
{
	return p->action == PLAN_OPEN && p->rule->follow_up;
}

static void on_clock_rows(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	opening_clocks_read(rows, j->clocks, j->n_clocks);
}

static int64_t offset_of(struct wall_time due, struct wall_time now)
{
	return wall_is_set(due) ? due.us - now.us : -1;
}

static struct wall_time offset_due(struct wall_time now, int64_t offset)
{
	return offset < 0 ? WALL_NONE : (struct wall_time){now.us + offset};
}

/* Where the offsets of a follow_up are kept; NULL: they are not the same always, or this is a trial. */
static struct opening_offsets *offsets_of(struct judge *j, const struct follow_up *f)
{
	struct live *l = j->live;

	if (j->dry || f->calendar_use != CALENDAR_NONE)
		return NULL;
	if (!l->opening_offsets)
		l->opening_offsets = xcalloc((size_t)l->settings->n_follow_ups, sizeof(*l->opening_offsets));
	return &l->opening_offsets[f - l->settings->follow_ups];
}

static void keep_offsets(struct judge *j)
{
	for (int i = 0; i < j->n_clocks; i++) {
		const struct opening_clocks *c = &j->clocks[i];
		struct opening_offsets *o = offsets_of(j, c->follow_up);

		if (o)
			*o = (struct opening_offsets){true, offset_of(c->acknowledge_due, j->now),
						      offset_of(c->resolve_due, j->now), offset_of(c->next_action, j->now)};
	}
}

/* True when nothing is left to ask. */
static bool take_offsets(struct judge *j)
{
	for (int i = 0; i < j->n_clocks; i++) {
		struct opening_clocks *c = &j->clocks[i];
		const struct opening_offsets *o = offsets_of(j, c->follow_up);

		if (!o || !o->known)
			return false;
		c->acknowledge_due = offset_due(j->now, o->acknowledge);
		c->resolve_due = offset_due(j->now, o->resolve);
		c->next_action = offset_due(j->now, o->next_action);
	}
	return true;
}

static void judge_give_clocks(struct judge *j)
{
	for (int i = 0; i < j->n_plans; i++) {
		struct plan *p = &j->plans[i];
		const struct opening_clocks *c;

		if (!plan_has_clocks(p))
			continue;
		c = clocks_of(j, p);
		p->follow_up_version = c->version;
		p->acknowledge_due = c->acknowledge_due;
		p->resolve_due = c->resolve_due;
		p->next_action = c->next_action;
	}
	judge_tell(j);
}

static void on_clocks(void *arg, const struct pg_error *error)
{
	struct judge *j = arg;

	if (error) {
		j->done(j->arg, error);
		return;
	}
	keep_offsets(j);
	judge_give_clocks(j);
}

void judge_clocks(struct judge *j)
{
	struct pg_params *params;
	struct pg_batch *b;

	j->clocks = arena_new_array(j->arena, struct opening_clocks, (size_t)MAX(j->n_plans, 1));
	j->n_clocks = 0;
	for (int i = 0; i < j->n_plans; i++) {
		j->plans[i].acknowledge_due = j->plans[i].resolve_due = j->plans[i].next_action = WALL_NONE;
		if (plan_has_clocks(&j->plans[i]))
			clocks_of(j, &j->plans[i]);
	}
	if (take_offsets(j)) {
		judge_give_clocks(j);
		return;
	}
	params = arena_new_obj(j->arena, struct pg_params);
	opening_clocks_params(params, j->arena, j->clocks, j->n_clocks, j->dry);
	b = pg_batch_new(j->conn);
	pg_batch_add(b, j->dry ? &opening_clocks_trial_stmt : &opening_clocks_stmt, params, on_clock_rows, j);
	pg_batch_send(b, 0, on_clocks, j);
}
