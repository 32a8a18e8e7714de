/*
 * What a batch writes, in the transaction that emptied its inbox rows: cases, records, events, messages, outcomes.
 *
 * One statement for all rows of a kind, arrays with unnest. A response that changed since the claim goes back, one that can't be decoded is
 * set aside: both belong to the same commit.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/log.h"
#include "case/owner_store.h"
#include "flow/inner.h"

/* What is recorded of its response by itself; NULL: nothing new, or with the case that it opens. */
static const char *plan_relation(const struct plan *p)
{
	switch (p->action) {
	case PLAN_JOIN:
	case PLAN_RECUR: return "joined";
	case PLAN_COOL: return "linked";
	case PLAN_PRAISE: return "praised";
	case PLAN_NOTE: return "noted";
	case PLAN_OPEN:
	case PLAN_NOTHING:
	case PLAN_AMEND:
	case PLAN_RETURN:
	case PLAN_TELL: break;
	}
	return NULL;
}

/* Records of responses that have none yet, or of those that were judged before. */
static void add_records(struct intake_run *r, struct pg_batch *b, const struct pg_stmt *stmt, bool judged)
{
	struct judge *j = &r->judge;
	struct case_record *records = arena_new_array(r->arena, struct case_record, (size_t)MAX(j->n_plans, 1));
	struct pg_params *p;
	int n = 0;

	for (int i = 0; i < j->n_plans; i++) {
		const struct plan *plan = &j->plans[i];
		const char *relation = plan_relation(plan);

		if (plan->claimed->judged != judged || !relation)
			continue;
		records[n++] = (struct case_record){plan->claimed->response.id,
						    plan->case_id,
						    relation,
						    plan->rules,
						    plan->facts,
						    judge_answer(j, &plan->claimed->response),
						    plan->claimed->row_version};
	}
	if (n == 0)
		return;
	p = arena_new_obj(r->arena, struct pg_params);
	case_record_params(p, r->arena, records, n, r->flow->live->settings->sha256);
	pg_batch_add(b, stmt, p, NULL, NULL);
}

static void add_amended(struct intake_run *r, struct pg_batch *b)
{
	struct judge *j = &r->judge;
	struct case_amending *all = arena_new_array(r->arena, struct case_amending, (size_t)MAX(j->n_plans, 1));
	struct pg_params *p;
	int n = 0;

	for (int i = 0; i < j->n_plans; i++)
		if (j->order[i]->action == PLAN_AMEND)
			all[n++] = judge_amending(j, j->order[i]);
	if (n == 0)
		return;
	p = arena_new_obj(r->arena, struct pg_params);
	case_amend_params(p, r->arena, r->flow->live->settings, all, n);
	pg_batch_add(b, &case_amend_stmt, p, NULL, NULL);
}

static const char *merge_account(const struct intake_run *r, const struct response *response)
{
	const struct settings *s = r->flow->live->settings;

	return s->cases.merge_by == MERGE_BY_ACCOUNT ? merge_key(s, response) : NULL;
}

static struct case_opening opening_of(struct intake_run *r, const struct plan *p)
{
	const struct response *response = &p->claimed->response;
	const struct rule *rule = p->rule;

	return (struct case_opening){
		.id = p->case_id,
		.response_id = response->id,
		.customer_id = response->customer_id,
		.owner = p->owner.person ? p->owner.person->id : NULL,
		.team = p->owner.team,
		.route = rule->route->id,
		.follow_up = rule->follow_up ? rule->follow_up->id : NULL,
		.priority = p->priority,
		.rules = p->rules,
		.responded_at = response->responded_at,
		.merge_account = merge_account(r, response),
		.follow_up_version = p->follow_up_version,
		.acknowledge_due = p->acknowledge_due,
		.resolve_due = p->resolve_due,
		.next_action_at = p->next_action,
		.relation = p->linked_to ? "linked" : "opened",
		.facts = p->facts,
		.answer = judge_answer(&r->judge, response),
		.row_version = p->claimed->row_version,
		.details = judge_event_details(&r->judge, p),
	};
}

/* Cases of responses that have no record yet, or of those that were judged before. */
static void add_cases(struct intake_run *r, struct pg_batch *b, const struct pg_stmt *stmt, bool judged)
{
	struct judge *j = &r->judge;
	struct case_opening *all = arena_new_array(r->arena, struct case_opening, (size_t)MAX(j->n_plans, 1));
	struct pg_params *p;
	int n = 0;

	for (int i = 0; i < j->n_plans; i++)
		if (j->plans[i].action == PLAN_OPEN && j->plans[i].claimed->judged == judged)
			all[n++] = opening_of(r, &j->plans[i]);
	if (n == 0)
		return;
	p = arena_new_obj(r->arena, struct pg_params);
	if (n == 1 && !judged) {
		case_open_one_params(p, r->arena, all, r->flow->live->settings->sha256);
		stmt = &case_open_one_stmt;
	} else {
		case_open_params(p, r->arena, all, n, r->flow->live->settings->sha256);
	}
	pg_batch_add(b, stmt, p, NULL, NULL);
}

/* In the order in which they were decided: each is compared with the ones before. */
static int joinings(struct intake_run *r, bool cool, struct case_joining *ret)
{
	struct judge *j = &r->judge;
	int n = 0;

	for (int i = 0; i < j->n_plans; i++) {
		const struct plan *p = j->order[i];
		bool joins = p->action == PLAN_JOIN || p->action == PLAN_RECUR;

		if (cool ? p->action == PLAN_COOL : joins)
			ret[n++] = (struct case_joining){p->case_id, p->claimed->response.id, p->priority,
							 p->rules,   judge_version(j, p),     judge_event_details(j, p)};
	}
	return n;
}

static void add_joined(struct intake_run *r, struct pg_batch *b)
{
	struct case_joining *all = arena_new_array(r->arena, struct case_joining, (size_t)MAX(r->judge.n_plans, 1));
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params), *q = arena_new_obj(r->arena, struct pg_params);
	int n = joinings(r, false, all);

	if (n) {
		case_join_params(p, r->arena, r->flow->live->settings, all, n);
		pg_batch_add(b, &case_join_stmt, p, NULL, NULL);
	}
	n = joinings(r, true, all);
	if (n) {
		case_cool_params(q, r->arena, all, n);
		pg_batch_add(b, &case_cool_stmt, q, NULL, NULL);
	}
}

/* Every answer may be the next score of a customer whose case was closed, whether a rule matches it or not. */
static void add_outcomes(struct intake_run *r, struct pg_batch *b)
{
	const struct settings *s = r->flow->live->settings;
	const struct response **known = arena_new_array(r->arena, const struct response *, (size_t)MAX(r->n_claimed, 1));
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	int n = 0;

	for (int i = 0; i < r->n_claimed && s->cases.outcome_within_s > 0; i++)
		if (!r->claimed[i].poison && r->claimed[i].awaited &&
		    !settings_is_anonymous(s, r->claimed[i].response.customer_id))
			known[n++] = &r->claimed[i].response;
	if (n == 0)
		return;
	case_outcomes_params(p, r->arena, s, known, n);
	pg_batch_add(b, &case_outcomes_stmt, p, NULL, NULL);
}

/* A praise may have been sent for an earlier version of the same answer: what was not written is not handed over. */
static void on_inserted(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;
	struct judge *j = &r->judge;
	int at = 0;

	for (int i = 0; i < j->n_plans; i++) {
		struct plan *p = &j->plans[i];
		int kept = 0;

		if (p->action == PLAN_OPEN)
			continue;
		for (int k = 0; k < p->n_messages; k++) {
			struct uuid id = at < pg_count(rows) ? pg_get_uuid(rows, at, 0) : (struct uuid){0};

			if (uuid_eq(&id, &p->messages[k].id)) {
				p->messages[kept++] = p->messages[k];
				at++;
			} else if (p->messages[k].leased) {
				courier_unreserve(&r->flow->courier, p->messages[k].endpoint);
			}
		}
		p->n_messages = kept;
	}
}

void intake_left_early(struct intake_run *r, const struct uuid *id)
{
	for (int i = 0; i < r->judge.n_plans; i++)
		for (int k = 0; k < r->judge.plans[i].n_messages; k++) {
			struct outbox_message *m = &r->judge.plans[i].messages[k];

			if (m->leased && uuid_eq(&m->id, id)) {
				courier_unreserve(&r->flow->courier, m->endpoint);
				m->leased = false;
			}
		}
}

/* Messages of cases that open are new; others may have been written before. */
static void add_messages(struct intake_run *r, struct pg_batch *b, const struct pg_stmt *stmt, pg_rows_fn *on_rows,
			 bool opening)
{
	struct judge *j = &r->judge;
	struct outbox_message *all;
	struct pg_params *p;
	int n = 0;

	for (int i = 0; i < j->n_plans; i++)
		if ((j->plans[i].action == PLAN_OPEN) == opening)
			n += j->plans[i].n_messages;
	if (n == 0)
		return;
	all = arena_new_array(r->arena, struct outbox_message, (size_t)n);
	n = 0;
	for (int i = 0; i < j->n_plans; i++)
		for (int k = 0; k < j->plans[i].n_messages && (j->plans[i].action == PLAN_OPEN) == opening; k++) {
			struct outbox_message *m = &j->plans[i].messages[k];

			m->leased = !m->held_for && courier_reserve(&r->flow->courier, m->endpoint);
			all[n++] = *m;
		}
	p = arena_new_obj(r->arena, struct pg_params);
	if (n == 1 && opening) {
		outbox_insert_one_params(p, r->arena, all, r->flow->daemon_id);
		stmt = &outbox_insert_one;
	} else {
		outbox_insert_params(p, r->arena, all, n, r->flow->daemon_id);
	}
	pg_batch_add(b, stmt, p, on_rows, r);
}

static void add_positions(struct intake_run *r, struct pg_batch *b)
{
	const struct owner_facts *f = &r->judge.facts;
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params);
	struct pg_array teams, positions;

	pg_array_init(&teams, r->arena, PG_TEXT);
	pg_array_init(&positions, r->arena, PG_INT8);
	for (int i = 0; i < f->n_positions; i++)
		if (f->positions[i].moved) {
			pg_array_text(&teams, f->positions[i].team);
			pg_array_int8(&positions, f->positions[i].position);
		}
	if (teams.count == 0)
		return;
	pg_params_init(p, r->arena);
	pg_add_array(p, &teams);
	pg_add_array(p, &positions);
	pg_batch_add(b, &owner_positions_move, p, NULL, NULL);
}

/* Poison is set aside, changed responses go back: both inside the batch's own transaction. */
static void add_returned(struct intake_run *r, struct pg_batch *b)
{
	struct pg_params *p = arena_new_obj(r->arena, struct pg_params), *q = arena_new_obj(r->arena, struct pg_params);
	struct pg_array poisoned, errors, changed;

	pg_array_init(&poisoned, r->arena, PG_INT8);
	pg_array_init(&errors, r->arena, PG_TEXT);
	pg_array_init(&changed, r->arena, PG_INT8);
	for (int i = 0; i < r->n_claimed; i++)
		if (r->claimed[i].poison) {
			pg_array_int8(&poisoned, r->claimed[i].response.id);
			pg_array_text(&errors, r->claimed[i].poison);
			log_warning("response %lld: cannot be judged, set aside (closeloop inbox list)",
				    (long long)r->claimed[i].response.id);
		}
	for (int i = 0; i < r->judge.n_plans; i++)
		if (r->judge.plans[i].action == PLAN_RETURN)
			pg_array_int8(&changed, r->judge.plans[i].claimed->response.id);
	if (poisoned.count) {
		pg_params_init(p, r->arena);
		pg_add_array(p, &poisoned);
		pg_add_array(p, &errors);
		pg_batch_add(b, &intake_return_poison, p, NULL, NULL);
	}
	if (changed.count) {
		pg_params_init(q, r->arena);
		pg_add_array(q, &changed);
		pg_batch_add(b, &intake_return, q, NULL, NULL);
	}
}

void intake_write(struct intake_run *r, struct pg_batch *b)
{
	add_returned(r, b);
	add_outcomes(r, b); /* before the same answers open cases again: a new round has none */
	if (r->judge.n_plans) {
		add_cases(r, b, &case_open_new_stmt, false);
		add_cases(r, b, &case_open_stmt, true);
		add_records(r, b, &case_record_new_stmt, false);
		add_records(r, b, &case_record_stmt, true);
		add_joined(r, b);
		add_amended(r, b);
		add_messages(r, b, &outbox_insert_new, NULL, true);
		add_messages(r, b, &outbox_insert, on_inserted, false);
		add_positions(r, b);
	}
}
