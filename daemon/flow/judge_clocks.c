/*
 * The judge, between owners and recipients: until when. Business time is PostgreSQL's, so one round trip asks for the due times
 * of the cases that open, once for all that share a follow_up and a clock; a batch that opens none asks nothing.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"
#include "followup/version_store.h"

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

static void on_clocks(void *arg, const struct pg_error *error)
{
	struct judge *j = arg;

	if (error) {
		j->done(j->arg, error);
		return;
	}
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
	if (j->n_clocks == 0) {
		judge_tell(j);
		return;
	}
	params = arena_new_obj(j->arena, struct pg_params);
	opening_clocks_params(params, j->arena, j->clocks, j->n_clocks, j->dry);
	b = pg_batch_new(j->conn);
	pg_batch_add(b, j->dry ? &opening_clocks_trial_stmt : &opening_clocks_stmt, params, on_clock_rows, j);
	pg_batch_send(b, 0, on_clocks, j);
}
