/*
 * The judge: what else the customer has said. An answer that would open a case joins one that stands, opens one again that was
 * solved, or is noted at one opened a short while ago (case/merge.h decides).
 *
 * One statement finds the cases for all answers of a batch and locks them. Answers of one batch find each other here: where keys
 * repeat, they are decided in the order in which they were given, and each sees what the ones before it came to.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/case_store.h"
#include "base/escape.h"
#include "flow/judge.h"

#include <stdlib.h>
#include <string.h>

/* A case as an answer of this batch leaves it. */
struct merged {
	uint64_t hash;
	const char *key;
	struct merge_case seen;
	struct merged *next; /* of the same key */
};

struct judge_merges {
	struct merged *first, *last;
};

/* ---- who has the same key ---- */

static int hash_order(const void *pa, const void *pb)
{
	const struct plan *a = *(struct plan *const *)pa, *b = *(struct plan *const *)pb;

	return a->merge_hash < b->merge_hash ? -1 : a->merge_hash > b->merge_hash;
}

/* Equal hashes count as equal keys here: that only makes somebody look twice. */
static void find_repeated(struct judge *j)
{
	struct plan **sorted = arena_new_array(j->arena, struct plan *, (size_t)MAX(j->n_plans, 1));
	int n = 0;

	j->repeated = false;
	for (int i = 0; i < j->n_plans; i++) {
		struct plan *p = &j->plans[i];

		p->merge_key = p->action == PLAN_OPEN ? merge_key(j->live->settings, &p->claimed->response) : NULL;
		if (!p->merge_key)
			continue;
		p->merge_hash = (uint64_t)case_customer_key(p->merge_key);
		sorted[n++] = p;
	}
	if (n > 1)
		qsort(sorted, (size_t)n, sizeof(struct plan *), hash_order);
	for (int i = 1; i < n; i++)
		if (sorted[i]->merge_hash == sorted[i - 1]->merge_hash)
			sorted[i]->repeated = sorted[i - 1]->repeated = j->repeated = true;
}

static int given_order(const void *pa, const void *pb)
{
	const struct response *a = &(*(struct plan *const *)pa)->claimed->response,
			      *b = &(*(struct plan *const *)pb)->claimed->response;

	if (a->responded_at.us != b->responded_at.us)
		return a->responded_at.us < b->responded_at.us ? -1 : 1;
	return a->id < b->id ? -1 : a->id > b->id;
}

void judge_order(struct judge *j)
{
	j->order = arena_new_array(j->arena, struct plan *, (size_t)MAX(j->n_plans, 1));
	for (int i = 0; i < j->n_plans; i++)
		j->order[i] = &j->plans[i];
	if (j->repeated)
		qsort(j->order, (size_t)j->n_plans, sizeof(struct plan *), given_order);
}

/* ---- what the database knows ---- */

/* Columns of case_merge_stmt. */
enum {
	FOUND_RESPONSE,
	FOUND_WHAT,
	FOUND_CASE,
	FOUND_OWNER,
	FOUND_FIRST_OWNER,
	FOUND_TEAM,
	FOUND_PRIORITY,
	FOUND_OPENED,
	FOUND_LAST
};

static void read_case(struct judge *j, const struct pg_rows *rows, int i, struct plan *p)
{
	const char *what = pg_get_text(rows, i, FOUND_WHAT, NULL);
	struct merge_case *c;

	if (strcmp(what, "shared") == 0) {
		p->shared_id = true;
		if (j->live->settings->cases.merge_by == MERGE_BY_CUSTOMER)
			p->merge_key = NULL;
		return;
	}
	if ((p->n_merges & (p->n_merges - 1)) == 0) { /* 0, 1, 2, 4, 8 …: full */
		struct merge_case *bigger = arena_new_array(j->arena, struct merge_case, (size_t)MAX(p->n_merges * 2, 1));

		if (p->n_merges)
			memcpy(bigger, p->merges, sizeof(*bigger) * (size_t)p->n_merges);
		p->merges = bigger;
	}
	c = &p->merges[p->n_merges++];
	*c = (struct merge_case){
		.what = strcmp(what, "open") == 0     ? MERGE_STANDS
			: strcmp(what, "recurs") == 0 ? MERGE_SOLVED
						      : MERGE_RECENT,
		.id = pg_get_int8(rows, i, FOUND_CASE),
		.owner = arena_strdup(j->arena, pg_get_text(rows, i, FOUND_OWNER, NULL)),
		.first_owner = arena_strdup(j->arena, pg_get_text(rows, i, FOUND_FIRST_OWNER, NULL)),
		.team = arena_strdup(j->arena, pg_get_text(rows, i, FOUND_TEAM, NULL)),
		.opened_at = pg_get_time(rows, i, FOUND_OPENED),
		.last_response_at = pg_get_time(rows, i, FOUND_LAST),
	};
	priority_parse(pg_get_text(rows, i, FOUND_PRIORITY, NULL), &c->priority);
}

static void on_found(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	for (int i = 0; i < pg_count(rows); i++)
		for (int k = 0; k < j->n_plans; k++)
			if (j->plans[k].claimed->response.id == pg_get_int8(rows, i, FOUND_RESPONSE))
				read_case(j, rows, i, &j->plans[k]);
}

void judge_ask_merges(struct judge *j, struct pg_batch *b)
{
	const struct settings *s = j->live->settings;
	struct pg_params *params = arena_new_obj(j->arena, struct pg_params);
	struct case_merge_ask *asks = arena_new_array(j->arena, struct case_merge_ask, (size_t)MAX(j->n_plans, 1));
	int n = 0;

	find_repeated(j);
	if (j->lone)
		return; /* if there are any */
	if (s->cases.outcome_within_s <= 0 && s->cases.merge_within_s <= 0 && s->cases.cooldown_s <= 0)
		return;
	for (int i = 0; i < j->n_plans; i++) {
		const struct plan *p = &j->plans[i];
		const struct response *r = &p->claimed->response;
		const char *customer = settings_is_anonymous(s, r->customer_id) ? NULL : r->customer_id;

		if (p->action == PLAN_OPEN && (customer || p->merge_key))
			asks[n++] = (struct case_merge_ask){r->id, customer, p->merge_key, r->responded_at, p->repeated};
	}
	if (n == 0)
		return;
	case_merge_params(params, j->arena, s, asks, n);
	pg_batch_add(b, &case_merge_stmt, params, on_found, j);
}

/* ---- what the answers of this batch have come to ---- */

static bool is_of_key(const struct merged *m, const struct plan *p)
{
	return m->hash == p->merge_hash && strcmp(m->key, p->merge_key) == 0;
}

/* The cases that an answer finds, as they are after the answers before it. */
static int gather_cases(struct judge *j, const struct plan *p, const struct merge_case **ret)
{
	const struct judge_merges *all = j->merges;
	struct merge_case *cases;
	int n = 0, room = p->n_merges;

	*ret = p->merges;
	if (!p->repeated || !p->merge_key || !all || !all->first)
		return p->n_merges;
	for (const struct merged *m = all->first; m; m = m->next)
		room += is_of_key(m, p);
	cases = arena_new_array(j->arena, struct merge_case, (size_t)MAX(room, 1));
	for (const struct merged *m = all->first; m; m = m->next)
		if (is_of_key(m, p))
			cases[n++] = m->seen;
	room = n;
	for (int i = 0; i < p->n_merges; i++) {
		bool seen = false;

		for (int k = 0; k < room && !seen; k++)
			seen = cases[k].id == p->merges[i].id;
		if (!seen)
			cases[n++] = p->merges[i];
	}
	*ret = cases;
	return n;
}

static void remember(struct judge *j, const struct plan *p, const struct merge_case *c)
{
	struct merged *m;

	if (!j->merges)
		j->merges = arena_new_obj(j->arena, struct judge_merges);
	for (m = j->merges->first; m; m = m->next)
		if (is_of_key(m, p) && m->seen.id == c->id)
			break;
	if (!m) {
		m = arena_new_obj(j->arena, struct merged);
		if (j->merges->last)
			j->merges->last->next = m;
		else
			j->merges->first = m;
		j->merges->last = m;
	}
	*m = (struct merged){p->merge_hash, p->merge_key, *c, m->next};
}

/* What the next answers of the same key find of this one. */
static void leave_for_next(struct judge *j, const struct plan *p, const struct merge_answer *a)
{
	struct merge_case c = {.what = MERGE_STANDS};

	if (!p->repeated || !p->merge_key || a->action == MERGE_COOL)
		return;
	if (a->action == MERGE_OPEN)
		c = (struct merge_case){.what = MERGE_STANDS,
					.id = p->case_id,
					.owner = p->owner.person ? p->owner.person->id : NULL,
					.team = p->owner.team,
					.opened_at = j->now,
					.last_response_at = p->claimed->response.responded_at};
	else
		c = *a->to;
	if (a->action == MERGE_OPEN)
		c.first_owner = c.owner;
	c.what = MERGE_STANDS;
	c.priority = a->action == MERGE_OPEN ? p->priority : MAX(c.priority, p->priority);
	if (p->claimed->response.responded_at.us > c.last_response_at.us)
		c.last_response_at = p->claimed->response.responded_at;
	remember(j, p, &c);
}

/* ---- the decision ---- */

static void give_to_owner_of(struct judge *j, struct plan *p, const struct merge_case *c)
{
	static const struct target earlier = {.kind = TARGET_PERSON, .text = "recurrence"};
	const struct person *owner = directory_person(j->live->directory, c->owner);
	const struct person *present = owner ? directory_present(j->live->directory, owner, j->now) : NULL;

	if (!present || p->owner.person == present)
		return;
	p->owner = (struct owner_found){.target = &earlier, .person = present, .instead_of = present == owner ? NULL : owner};
}

/* Nobody's turn has come for an answer that opens nothing. */
struct turns {
	struct owner_position *positions;
	int *open_cases;
};

static struct turns turns_save(struct judge *j)
{
	const struct owner_facts *f = &j->facts;
	struct turns t = {arena_memdup(j->arena, f->positions, sizeof(*f->positions) * (size_t)f->n_positions),
			  arena_new_array(j->arena, int, (size_t)MAX(f->n_loads, 1))};

	for (int i = 0; i < f->n_loads; i++)
		t.open_cases[i] = f->loads[i].open_cases;
	return t;
}

static void turns_restore(struct judge *j, const struct turns *t)
{
	struct owner_facts *f = &j->facts;

	if (f->n_positions)
		memcpy(f->positions, t->positions, sizeof(*f->positions) * (size_t)f->n_positions);
	for (int i = 0; i < f->n_loads; i++)
		f->loads[i].open_cases = t->open_cases[i];
}

static const char *why_not_merged(const struct judge *j, const struct plan *p, const struct merge_answer *a)
{
	const struct response *r = &p->claimed->response;

	if (j->live->settings->cases.merge_by == MERGE_BY_ACCOUNT)
		return a->why_not;
	if (p->shared_id)
		return "shared id";
	return !str_blank(r->customer_id) && settings_is_anonymous(j->live->settings, r->customer_id) ? "anonymous id"
												      : a->why_not;
}

void judge_merge(struct judge *j, struct plan *p)
{
	static const enum plan_action actions[] = {
		[MERGE_OPEN] = PLAN_OPEN, [MERGE_JOIN] = PLAN_JOIN, [MERGE_REOPEN] = PLAN_RECUR, [MERGE_COOL] = PLAN_COOL};
	struct merge_ask ask = {.now = j->now,
				.responded_at = p->claimed->response.responded_at,
				.owner = &p->owner,
				.priority = p->priority,
				.contact_requested = p->claimed->response.contact_requested};
	struct merge_answer a;
	struct turns turns = {0};

	ask.n = gather_cases(j, p, &ask.cases);
	if (ask.n)
		turns = turns_save(j);
	p->owner = owner_resolve(&j->facts, p->rule->route, &p->claimed->response, p->trail, &p->n_trail);
	a = merge_decide(&j->live->settings->cases, &ask);
	p->action = actions[a.action];
	p->merge_case = a.to ? a.to : a.not_joined;
	p->merge_why_not = p->action == PLAN_OPEN ? why_not_merged(j, p, &a) : NULL;
	if (p->action == PLAN_OPEN) {
		p->case_id = j->dry ? 0 : j->new_ids[j->used_ids++];
		p->linked_to = a.to ? a.to->id : 0;
		if (a.takes_owner)
			give_to_owner_of(j, p, a.to);
	} else {
		p->case_id = a.to->id;
		turns_restore(j, &turns);
	}
	leave_for_next(j, p, &a);
}
