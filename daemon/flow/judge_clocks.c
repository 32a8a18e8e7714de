/*
 * The judge: until when. Business time is PostgreSQL's, so it is asked for the due times of the cases that open, once for all
 * that share a follow_up and a clock. Where the owner makes no difference that is part of the judge's first round trip; where
 * it does, one more follows when the owners are known. Without a calendar they lie behind the opening by the same time always, so
 * the first answer is kept with the configuration. A batch that opens no case asks nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"
#include "followup/version_store.h"

#include <stdlib.h>

static bool plan_has_clocks(const struct plan *p)
{
	return p->action == PLAN_OPEN && p->rule->follow_up;
}

static const char *clocks_owner(const struct plan *p)
{
	return opening_clocks_need_owner(p->rule->follow_up) && p->owner.person ? p->owner.person->id : NULL;
}

static const struct opening_clocks *clocks_find(const struct judge *j, const struct plan *p)
{
	const struct follow_up *f = p->rule->follow_up;
	const char *owner = clocks_owner(p);

	for (int i = j->n_clocks - 1; i >= 0; i--)
		if (j->clocks[i].follow_up == f && str_eq(j->clocks[i].owner, owner))
			return &j->clocks[i];
	return NULL;
}

static void clocks_need(struct judge *j, const struct plan *p)
{
	const struct follow_up *f = p->rule->follow_up;

	if (clocks_find(j, p))
		return;
	j->clocks[j->n_clocks++] = (struct opening_clocks){
		.follow_up = f,
		.version = j->dry ? 0 : j->live->follow_up_versions[f - j->live->settings->follow_ups],
		.owner = clocks_owner(p),
	};
}

/* ---- what is known already ---- */

static int64_t offset_of(struct wall_time due, struct wall_time now)
{
	return wall_is_set(due) ? due.us - now.us : -1;
}

static struct wall_time offset_due(struct wall_time now, int64_t offset)
{
	return offset < 0 ? WALL_NONE : (struct wall_time){now.us + offset};
}

/* Where the offsets of a follow_up are kept; NULL: they are not the same always, or this is a trial. */
static struct opening_offsets *offsets_of(const struct judge *j, const struct follow_up *f)
{
	struct live *l = j->live;

	if (j->dry || f->calendar_use != CALENDAR_NONE)
		return NULL;
	if (!l->opening_offsets)
		l->opening_offsets = xcalloc((size_t)l->settings->n_follow_ups, sizeof(*l->opening_offsets));
	return &l->opening_offsets[f - l->settings->follow_ups];
}

static bool all_offsets_known(const struct judge *j)
{
	for (int i = 0; i < j->n_clocks; i++) {
		const struct opening_offsets *o = offsets_of(j, j->clocks[i].follow_up);

		if (!o || !o->known)
			return false;
	}
	return true;
}

/* Known ones count from now; what was asked for is kept. */
static void use_offsets(struct judge *j)
{
	for (int i = 0; i < j->n_clocks; i++) {
		struct opening_clocks *c = &j->clocks[i];
		struct opening_offsets *o = offsets_of(j, c->follow_up);

		if (o && !o->known)
			*o = (struct opening_offsets){true, offset_of(c->acknowledge_due, j->now),
						      offset_of(c->resolve_due, j->now), offset_of(c->next_action, j->now)};
		if (!o)
			continue;
		c->acknowledge_due = offset_due(j->now, o->acknowledge);
		c->resolve_due = offset_due(j->now, o->resolve);
		c->next_action = offset_due(j->now, o->next_action);
	}
}

/* ---- asking ---- */

static void on_clock_rows(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	opening_clocks_read(rows, j->clocks + j->n_clocks - j->n_clocks_asked, j->n_clocks_asked);
}

/* Asks for those from `first` on. */
static void clocks_ask(struct judge *j, struct pg_batch *b, int first)
{
	struct pg_params *params = arena_new_obj(j->arena, struct pg_params);

	j->n_clocks_asked = j->n_clocks - first;
	opening_clocks_params(params, j->arena, j->clocks + first, j->n_clocks_asked, j->dry);
	pg_batch_add(b, j->dry ? &opening_clocks_trial_stmt : &opening_clocks_stmt, params, on_clock_rows, j);
}

void judge_ask_clocks(struct judge *j, struct pg_batch *b)
{
	j->clocks = arena_new_array(j->arena, struct opening_clocks, (size_t)MAX(j->n_plans, 1));
	j->n_clocks = 0;
	for (int i = 0; i < j->n_plans; i++)
		if (plan_has_clocks(&j->plans[i]) && !opening_clocks_need_owner(j->plans[i].rule->follow_up))
			clocks_need(j, &j->plans[i]);
	if (!all_offsets_known(j))
		clocks_ask(j, b, 0);
}

static void on_clocks(void *arg, const struct pg_error *error)
{
	struct judge *j = arg;

	if (error) {
		j->done(j->arg, error);
		return;
	}
	use_offsets(j);
	for (int i = 0; i < j->n_plans; i++) {
		struct plan *p = &j->plans[i];
		const struct opening_clocks *c = plan_has_clocks(p) ? clocks_find(j, p) : NULL;

		p->follow_up_version = c ? c->version : 0;
		p->acknowledge_due = c ? c->acknowledge_due : WALL_NONE;
		p->resolve_due = c ? c->resolve_due : WALL_NONE;
		p->next_action = c ? c->next_action : WALL_NONE;
	}
	judge_tell(j);
}

void judge_clocks(struct judge *j)
{
	int known = j->n_clocks;
	struct pg_batch *b;

	for (int i = 0; i < j->n_plans; i++)
		if (plan_has_clocks(&j->plans[i]))
			clocks_need(j, &j->plans[i]);
	if (j->n_clocks == known) {
		on_clocks(j, NULL);
		return;
	}
	b = pg_batch_new(j->conn);
	clocks_ask(j, b, known);
	pg_batch_send(b, 0, on_clocks, j);
}
