/*
 * The judge: a customer who answers badly again. The case that was resolved or closed opens again, or a new one is linked to it
 * (cases.recurrence); either way its owner gets it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "flow/judge.h"

static void on_recurrence(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	for (int i = 0; i < pg_count(rows); i++)
		for (int k = 0; k < j->n_plans; k++) {
			struct plan *p = &j->plans[k];

			if (p->claimed->response.id != pg_get_int8(rows, i, 0))
				continue;
			p->recurs = pg_get_int8(rows, i, 1);
			p->recurs_owner = arena_strdup(j->arena, pg_get_text(rows, i, 2, NULL));
		}
}

void judge_ask_recurrence(struct judge *j, struct pg_batch *b)
{
	const struct settings *s = j->live->settings;
	struct pg_params *params = arena_new_obj(j->arena, struct pg_params);
	struct pg_array ids, customers, times;

	if (s->cases.outcome_within_s <= 0)
		return;
	pg_array_init(&ids, j->arena, PG_INT8);
	pg_array_init(&customers, j->arena, PG_TEXT);
	pg_array_init(&times, j->arena, PG_TIMESTAMPTZ);
	for (int i = 0; i < j->n_plans; i++) {
		const struct response *r = &j->plans[i].claimed->response;

		if (j->plans[i].action != PLAN_OPEN || settings_is_anonymous(s, r->customer_id))
			continue;
		pg_array_int8(&ids, r->id);
		pg_array_text(&customers, r->customer_id);
		pg_array_time(&times, r->responded_at);
	}
	if (ids.count == 0)
		return;
	pg_params_init(params, j->arena);
	pg_add_array(params, &ids);
	pg_add_array(params, &customers);
	pg_add_array(params, &times);
	pg_add_float8(params, (double)s->cases.outcome_within_s);
	pg_batch_add(b, &case_recurrence_stmt, params, on_recurrence, j);
}

bool judge_recurs(struct judge *j, struct plan *p)
{
	if (p->action != PLAN_OPEN || !p->recurs || j->live->settings->cases.recurrence != RECURRENCE_REOPEN)
		return false;
	p->action = PLAN_RECUR;
	p->case_id = p->recurs;
	return true;
}

void judge_link(struct judge *j, struct plan *p)
{
	static const struct target earlier = {.kind = TARGET_PERSON, .text = "recurrence"};
	const struct person *owner = p->recurs ? directory_person(j->live->directory, p->recurs_owner) : NULL;
	const struct person *present = owner ? directory_present(j->live->directory, owner, j->now) : NULL;

	if (!present || p->owner.person == present)
		return;
	p->owner = (struct owner_found){.target = &earlier, .person = present, .instead_of = present == owner ? NULL : owner};
}
