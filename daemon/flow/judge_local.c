/*
 * The judge, between plan and words: what time it is for whom. PostgreSQL has the zone database, so one more round trip
 * turns every time that a mail shows into its recipient's local time; without mails there is none. In the same
 * round trip they are let go or held (judge_hold.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"

enum { LOCAL_RESPONDED, LOCAL_ACKNOWLEDGE, LOCAL_RESOLVE, LOCAL_PREVIOUS, LOCAL_PER_RECIPIENT };

static void on_local_done(void *arg, const struct pg_error *error)
{
	struct judge *j = arg;

	if (!error)
		judge_compose(j);
	j->done(j->arg, error);
}

static void ask_local(struct judge *j, struct plan *p, struct pg_array *zones, struct pg_array *times)
{
	struct wall_time now = j->now;

	for (int i = 0; i < p->n_recipients; i++) {
		const char *zone = directory_zone(j->live->directory, p->recipients[i].person);
		const struct wall_time asked[LOCAL_PER_RECIPIENT] = {
			p->claimed->response.responded_at,
			wall_is_set(p->acknowledge_due) ? p->acknowledge_due : now,
			wall_is_set(p->resolve_due) ? p->resolve_due : now,
			p->has_previous ? p->previous.responded_at : now,
		};

		for (int k = 0; k < LOCAL_PER_RECIPIENT + p->n_ask; k++) {
			struct wall_time t = k < LOCAL_PER_RECIPIENT ? asked[k] : p->ask[k - LOCAL_PER_RECIPIENT];

			pg_array_text(zones, zone);
			pg_array_time(times, wall_is_set(t) ? t : now);
		}
	}
}

/* Points every recipient at its local times; unset where there is nothing to say. */
static void give_local(struct judge *j, struct plan *p, int first)
{
	p->responded = arena_new_array(j->arena, struct local_time, (size_t)p->n_recipients * LOCAL_PER_RECIPIENT);
	p->acknowledge_at = p->responded + p->n_recipients;
	p->resolve_at = p->acknowledge_at + p->n_recipients;
	p->previous_at = p->resolve_at + p->n_recipients;
	p->asked = arena_new_array(j->arena, struct local_time, (size_t)(p->n_recipients * p->n_ask));
	for (int i = 0; i < p->n_recipients; i++) {
		const struct local_time *l = j->local + first + i * (LOCAL_PER_RECIPIENT + p->n_ask);

		for (int k = 0; k < p->n_ask; k++)
			if (wall_is_set(p->ask[k]))
				p->asked[i * p->n_ask + k] = l[LOCAL_PER_RECIPIENT + k];

		p->responded[i] = l[LOCAL_RESPONDED];
		if (wall_is_set(p->acknowledge_due))
			p->acknowledge_at[i] = l[LOCAL_ACKNOWLEDGE];
		if (wall_is_set(p->resolve_due))
			p->resolve_at[i] = l[LOCAL_RESOLVE];
		if (p->has_previous)
			p->previous_at[i] = l[LOCAL_PREVIOUS];
	}
}

static void on_local_rows(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;
	int first = 0;

	for (int i = 0; i < pg_count(rows) && i < j->local_n; i++)
		j->local[i] = case_local_time(rows, i);
	for (int i = 0; i < j->n_plans; i++) {
		give_local(j, &j->plans[i], first);
		first += j->plans[i].n_recipients * (LOCAL_PER_RECIPIENT + j->plans[i].n_ask);
	}
}

void judge_render(struct judge *j)
{
	struct pg_params *params = arena_new_obj(j->arena, struct pg_params);
	struct pg_array zones, times;
	struct pg_batch *b;

	pg_array_init(&zones, j->arena, PG_TEXT);
	pg_array_init(&times, j->arena, PG_TIMESTAMPTZ);
	for (int i = 0; i < j->n_plans; i++)
		ask_local(j, &j->plans[i], &zones, &times);
	j->local_n = zones.count;
	if (j->local_n == 0) {
		judge_compose(j);
		j->done(j->arg, NULL);
		return;
	}
	j->local = arena_new_array(j->arena, struct local_time, (size_t)j->local_n);
	pg_params_init(params, j->arena);
	pg_add_array(params, &zones);
	pg_add_array(params, &times);
	b = pg_batch_new(j->conn);
	pg_batch_add(b, &case_local_times, params, on_local_rows, j);
	judge_add_hold(j, b);
	pg_batch_send(b, 0, on_local_done, j);
}
