/*
 * The judge, beside the local times: which mails may leave now, and which are held for a digest.
 *
 * Asked in the same round trip, as its last statement: it locks the accounts of the people (DESIGN 4, rule d), only of those with
 * a limit or quiet hours. What is held is not rendered: its line in the digest is written from the case when it leaves.
 * Mails of plans that are held together anyway (plan->held) are counted when they are released; the accounts of their people are
 * locked here too, all in one order: later, when their digest is asked for, another daemon may hold them and want one of ours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"
#include "flow/release.h"
#include "outbox/budget_store.h"

/* The place of a person's limits; grows. -1: nothing limits their mails. */
static int limits_of(struct judge *j, struct judge_hold *h, const struct recipient *to, bool held)
{
	struct budget_limits l;

	for (int i = h->n_limits - 1; i >= 0; i--)
		if (h->people[i] == to->person)
			return i;
	if (directory_person(j->live->directory, to->person->id) != to->person)
		return -1; /* operators */
	l = release_limits(j->live, to->person);
	if (!budget_is_limited(&l) && !to->asked && !held)
		return -1;
	h->people[h->n_limits] = to->person;
	h->limits[h->n_limits] = l;
	return h->n_limits++;
}

static void on_held(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	j->n_held = 0;
	for (int i = 0; i < pg_count(rows); i++) {
		struct recipient *to = j->hold.mails[pg_get_int4(rows, i, 0) - 1];

		if (!pg_is_null(rows, i, 1)) {
			to->held_for = budget_held_for(pg_get_text(rows, i, 1, NULL));
			j->n_held++;
		}
		to->nth = pg_get_int4(rows, i, 2);
		to->most = pg_get_int4(rows, i, 3);
	}
}

void judge_add_hold(struct judge *j, struct pg_batch *b)
{
	struct judge_hold *h = &j->hold;
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params);
	struct budget_mail *mails;
	int room = 0, n = 0;

	for (int i = 0; i < j->n_plans; i++)
		room += j->plans[i].n_recipients;
	if (j->dry || room == 0)
		return;
	*h = (struct judge_hold){
		.people = arena_new_array(j->arena, const struct person *, (size_t)room),
		.limits = arena_new_array(j->arena, struct budget_limits, (size_t)room),
		.mails = arena_new_array(j->arena, struct recipient *, (size_t)room),
	};
	mails = arena_new_array(j->arena, struct budget_mail, (size_t)room);
	for (int i = 0; i < j->n_plans; i++)
		for (int k = 0; k < j->plans[i].n_recipients; k++) {
			struct recipient *to = &j->plans[i].recipients[k];
			int limits = limits_of(j, h, to, j->plans[i].held);
			bool praise = j->plans[i].alert == ALERT_PRAISE; /* never urgent: nobody waits for an answer */

			if (limits < 0 || j->plans[i].held)
				continue;
			mails[n] = (struct budget_mail){
				limits, praise ? MIN(j->plans[i].priority, PRIORITY_HIGH) : j->plans[i].priority, to->asked};
			h->mails[n++] = to;
		}
	if (n == 0)
		return;
	budget_pass_params(p, j->arena, h->limits, h->n_limits, mails, n);
	pg_batch_add(b, &budget_pass, p, on_held, j);
}
