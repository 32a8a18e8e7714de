/*
 * The judge, first half: rules, the round trip that gathers, owners and due times; see judge.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/judge.h"
#include "base/log.h"
#include "case/owner_store.h"
#include "flow/directory_load.h"
#include "intake/decode.h"

#include <string.h>

#define FACTS_BYTES_MAX (8 * 1024 * 1024)

/* ---- rules ---- */

static const char *judge_rule_names(struct judge *j, const struct plan *p)
{
	const struct settings *s = j->live->settings;
	char room[256] = "";
	struct buf b = BUF_ON(room, 1024 * 1024);
	const char *text;

	buf_putc(&b, '{');
	for (int i = 0; i < s->n_rules; i++)
		if (p->results[i] == TRI_TRUE && s->rules[i].kind != RULE_IGNORE) {
			if (b.n > 1)
				buf_putc(&b, ',');
			buf_puts(&b, s->rules[i].id);
		}
	buf_putc(&b, '}');
	text = arena_strndup(j->arena, buf_str(&b), b.n);
	buf_fini(&b);
	return text;
}

static bool judge_is_too_old(const struct judge *j, const struct response *r)
{
	const struct settings *s = j->live->settings;
	const struct source_settings *source = settings_source(s, r->source);
	int64_t max_age_s = source && source->max_age_s > 0 ? source->max_age_s : s->cases.max_age_s;

	return max_age_s > 0 && j->now.us - r->responded_at.us > max_age_s * US_PER_S;
}

static int first_of_kind(const struct settings *s, const struct verdict *v, enum rule_kind kind)
{
	for (int i = 0; i < s->n_rules; i++)
		if (v->results[i] == TRI_TRUE && s->rules[i].kind == kind)
			return i;
	return -1;
}

void judge_decide(struct judge *j, const struct verdict *v, struct plan *p)
{
	const struct settings *s = j->live->settings;
	int leading = v->winner;

	p->winner = v->winner;
	p->results = arena_memdup(j->arena, v->results, sizeof(*v->results) * (size_t)s->n_rules);
	p->n_matched = v->n_case + v->n_praise + v->n_note;
	p->action = v->n_case ? PLAN_OPEN : v->n_praise ? PLAN_PRAISE : PLAN_NOTE;
	if (leading < 0)
		leading = v->n_praise ? v->first_praise : first_of_kind(s, v, RULE_NOTE);
	p->rule = &s->rules[leading];
	p->priority = p->rule->priority;
}

static void judge_match(struct judge *j, struct claimed *c, const struct verdict *v)
{
	struct plan *p = &j->plans[j->n_plans++];
	char room[512] = "";
	struct buf facts = BUF_ON(room, FACTS_BYTES_MAX);

	*p = (struct plan){.claimed = c};
	judge_decide(j, v, p);
	p->rules = judge_rule_names(j, p);
	ruleset_facts_json(j->live->settings->ruleset, &c->response, &facts);
	p->facts = arena_strndup(j->arena, buf_str(&facts), facts.n);
	buf_fini(&facts);
}

static struct plan *plan_of_response(struct judge *j, int64_t id)
{
	for (int i = 0; i < j->n_plans; i++)
		if (j->plans[i].claimed->response.id == id)
			return &j->plans[i];
	return NULL;
}

int judge_rules(struct judge *j, struct claimed *claimed, int n, judge_verdict_fn *on_verdict, void *arg)
{
	int64_t highest = 0; /* of the responses that have a plan */

	j->plans = arena_alloc(j->arena, sizeof(*j->plans) * (size_t)n);
	j->n_plans = 0;
	for (int i = 0; i < n; i++) {
		struct claimed *c = &claimed[i];
		struct verdict v;

		/* Inserted and changed before we looked: two inbox rows, one response, already in its last state. */
		if (c->poison || (c->response.id <= highest && plan_of_response(j, c->response.id)))
			continue;
		ruleset_judge(j->live->settings->ruleset, j->live->scratch, &c->response, &v);
		if (on_verdict)
			on_verdict(arg, &c->response, &v);
		if (verdict_matched(&v))
			judge_match(j, c, &v);
		else if (c->case_id)
			j->plans[j->n_plans++] = (struct plan){.claimed = c, .action = PLAN_AMEND, .winner = -1};
		else if (c->settles) /* its writer relies on this row: is what was read still what there is? */
			j->plans[j->n_plans++] = (struct plan){.claimed = c, .action = PLAN_NOTHING, .winner = -1};
		if (j->n_plans && j->plans[j->n_plans - 1].claimed == c)
			highest = MAX(highest, c->response.id);
	}
	return j->n_plans;
}

/* ---- what the round trip asks for ---- */

static bool plan_needs_people(const struct plan *p)
{
	return p->action == PLAN_OPEN || p->action == PLAN_PRAISE;
}

/* Calls fn for every target that may matter to the plan: the route's owner chain and all notify entries. */
typedef void target_fn(struct judge *j, struct plan *p, const struct target *t);

static void notify_targets(struct judge *j, struct plan *p, const struct notify *n, int count, target_fn *fn)
{
	for (int i = 0; i < count; i++)
		if (n[i].kind != NOTIFY_WEBHOOK)
			fn(j, p, &n[i].target);
}

static void plan_targets(struct judge *j, struct plan *p, target_fn *fn)
{
	const struct settings *s = j->live->settings;

	for (int i = 0; p->rule->route && i < p->rule->route->n_owner; i++)
		fn(j, p, &p->rule->route->owner[i]);
	for (int i = 0; i < s->n_rules; i++) {
		const struct rule *r = &s->rules[i];

		if (p->results[i] != TRI_TRUE || r->kind != p->rule->kind)
			continue;
		if (r->route)
			notify_targets(j, p, r->route->notify, r->route->n_notify, fn);
		notify_targets(j, p, r->notify, r->n_notify, fn);
	}
}

/* Grows the three lists of the owner facts as targets are seen. */
static void gather_lookup(struct judge *j, const struct target *t, const struct response *r)
{
	const char *value = owner_lookup_value(t, r, j->arena);
	struct owner_facts *f = &j->facts;

	if (!value)
		return;
	if ((f->n_lookups & (f->n_lookups - 1)) == 0) { /* 0, 1, 2, 4, 8 …: full */
		struct owner_lookup *bigger = arena_new_array(j->arena, struct owner_lookup, (size_t)MAX(f->n_lookups * 2, 1));

		if (f->n_lookups)
			memcpy(bigger, f->lookups, sizeof(*bigger) * (size_t)f->n_lookups);
		f->lookups = bigger;
	}
	f->lookups[f->n_lookups++] = (struct owner_lookup){t->name, value, NULL};
}

static void gather_team(struct judge *j, const struct team *team)
{
	struct owner_facts *f = &j->facts;

	if (team->assign == ASSIGN_ROUND_ROBIN) {
		for (int i = 0; i < f->n_positions; i++)
			if (strcmp(f->positions[i].team, team->id) == 0)
				return;
		f->positions[f->n_positions++] = (struct owner_position){.team = team->id};
		return;
	}
	for (int m = 0; m < team->members.n; m++) {
		bool known = false;

		for (int i = 0; i < f->n_loads && !known; i++)
			known = strcmp(f->loads[i].person, team->members.items[m]) == 0;
		if (!known)
			f->loads[f->n_loads++] = (struct owner_load){team->members.items[m], 0};
	}
}

static void gather_target(struct judge *j, struct plan *p, const struct target *t)
{
	if (t->kind == TARGET_LOOKUP)
		gather_lookup(j, t, &p->claimed->response);
	else if (t->kind == TARGET_TEAM)
		gather_team(j, t->team);
}

static void judge_gather(struct judge *j)
{
	const struct settings *s = j->live->settings;
	struct owner_facts *f = &j->facts;
	int members = 0, kept = 0;

	for (int i = 0; i < s->n_teams; i++)
		members += s->teams[i].members.n;
	*f = (struct owner_facts){.directory = j->live->directory, .arena = j->arena};
	f->loads = arena_new_array(j->arena, struct owner_load, (size_t)members);
	f->positions = arena_new_array(j->arena, struct owner_position, (size_t)s->n_teams);
	for (int i = 0; i < j->n_plans; i++)
		if (plan_needs_people(&j->plans[i]))
			plan_targets(j, &j->plans[i], gather_target);
	owner_lookups_sort(f->lookups, f->n_lookups);
	for (int i = 0; i < f->n_lookups; i++)
		if (i == 0 || strcmp(f->lookups[i].dimension, f->lookups[kept - 1].dimension) != 0 ||
		    strcmp(f->lookups[i].value, f->lookups[kept - 1].value) != 0)
			f->lookups[kept++] = f->lookups[i];
	f->n_lookups = kept;
}

/* ---- answers of the round trip ---- */

static void on_now(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	j->now = pg_get_time(rows, 0, 0);
	j->directory_version = pg_get_int8(rows, 0, 1);
	if (!j->dry)
		j->n_new_ids = pg_get_int8_array(rows, 0, 2, j->arena, &j->new_ids);
}

static void on_lone_locked(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;
	const char *version = pg_get_text(rows, 0, 1, NULL);

	if (!str_eq(j->plans->claimed->row_version, version))
		j->plans->action = PLAN_RETURN;
}

static void on_lone_look(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	on_now(j, rows);
	j->known = pg_get_bool(rows, 0, 3);
}

/* Rows come sorted by id and so do the plans of most batches: `hint` makes the search a step. */
static struct plan *plan_near(struct judge *j, int64_t id, int *hint)
{
	for (int k = 0; k < 2 && *hint < j->n_plans; k++, (*hint)++)
		if (j->plans[*hint].claimed->response.id == id)
			return &j->plans[(*hint)++];
	return plan_of_response(j, id);
}

static void on_locked(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;
	int hint = 0;

	for (int i = 0; i < pg_count(rows); i++) {
		struct plan *p = plan_near(j, pg_get_int8(rows, i, 0), &hint);

		if (p && strcmp(p->claimed->row_version, pg_get_text(rows, i, 1, NULL)) == 0)
			p->locked = true;
	}
	for (int i = 0; i < j->n_plans; i++)
		if (!j->plans[i].locked)
			j->plans[i].action = PLAN_RETURN;
}

static void on_judged(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;
	int hint = 0;

	for (int i = 0; i < pg_count(rows); i++) {
		struct plan *p = plan_near(j, pg_get_int8(rows, i, 0), &hint);
		int64_t case_id = pg_get_int8(rows, i, 1);

		if (!p || p->action == PLAN_RETURN)
			continue;
		p->claimed->judged = true;
		p->claimed->case_id = case_id;
		p->case_version = pg_get_int4(rows, i, 3);
		if (case_id) /* a second inbox row of one change: nothing new */
			p->action = strcmp(p->claimed->row_version, pg_get_text(rows, i, 2, NULL)) ? PLAN_AMEND : PLAN_NOTHING;
	}
}

static void on_lookups(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	owner_lookup_read(rows, j->arena, j->facts.lookups, j->facts.n_lookups);
}

static void on_loads(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	owner_loads_read(rows, j->facts.loads, j->facts.n_loads);
}

static void on_positions(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	owner_positions_read_rows(rows, j->facts.positions, j->facts.n_positions);
}

static void on_previous(void *arg, const struct pg_rows *rows)
{
	struct judge *j = arg;

	for (int i = 0; i < pg_count(rows); i++) {
		struct plan *p = plan_of_response(j, pg_get_int8(rows, i, 0));
		const char *why, *ratings;
		size_t n;

		if (!p)
			continue;
		p->has_previous = true;
		p->previous = (struct response){
			.responded_at = pg_get_time(rows, i, 1),
			.touchpoint = arena_strdup(j->arena, pg_get_text(rows, i, 2, NULL)),
			.nps = pg_is_null(rows, i, 3) ? SCORE_MISSING : pg_get_int4(rows, i, 3),
			.csat = pg_is_null(rows, i, 4) ? SCORE_MISSING : pg_get_int4(rows, i, 4),
			.ces = pg_is_null(rows, i, 5) ? SCORE_MISSING : pg_get_int4(rows, i, 5),
		};
		ratings = pg_get_text(rows, i, 6, &n);
		decode_ratings(ratings, ratings ? n : 0, j->arena, &p->previous, &why);
	}
}

/* ---- the round trip ---- */

static void add_ids(struct pg_batch *b, struct judge *j, const struct pg_stmt *stmt, pg_rows_fn *fn)
{
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params);
	struct pg_array ids;

	pg_array_init(&ids, j->arena, PG_INT8);
	for (int i = 0; i < j->n_plans; i++)
		pg_array_int8(&ids, j->plans[i].claimed->response.id);
	pg_params_init(p, j->arena);
	pg_add_array(p, &ids);
	pg_batch_add(b, stmt, p, fn, j);
}

/* Of customers, and of accounts where those are merged by. */
static void add_customers(struct pg_batch *b, struct judge *j)
{
	const struct settings *s = j->live->settings;
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params);
	struct pg_array keys;

	pg_params_init(p, j->arena);
	if (j->n_plans == 1 && s->cases.merge_by != MERGE_BY_ACCOUNT) {
		const char *customer = j->plans[0].claimed->response.customer_id;

		if (!settings_is_anonymous(s, customer)) {
			pg_add_int8(p, case_customer_key(customer));
			pg_batch_add(b, &case_lock_customer, p, NULL, NULL);
		}
		return;
	}
	pg_array_init(&keys, j->arena, PG_INT8);
	for (int i = 0; i < j->n_plans; i++) {
		const struct response *r = &j->plans[i].claimed->response;

		if (!settings_is_anonymous(s, r->customer_id))
			pg_array_int8(&keys, case_customer_key(r->customer_id));
		if (s->cases.merge_by == MERGE_BY_ACCOUNT && merge_key(s, r))
			pg_array_int8(&keys, case_account_key(r->account));
	}
	if (keys.count == 0)
		return;
	pg_add_array(p, &keys);
	pg_batch_add(b, &case_lock_customers, p, NULL, NULL);
}

static void add_previous(struct pg_batch *b, struct judge *j)
{
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params);
	struct pg_array ids, customers, times;

	if (!j->live->settings->email.set)
		return;
	pg_array_init(&ids, j->arena, PG_INT8);
	pg_array_init(&customers, j->arena, PG_TEXT);
	pg_array_init(&times, j->arena, PG_TIMESTAMPTZ);
	for (int i = 0; i < j->n_plans; i++) {
		const struct response *r = &j->plans[i].claimed->response;

		if (!plan_needs_people(&j->plans[i]) || settings_is_anonymous(j->live->settings, r->customer_id))
			continue;
		pg_array_int8(&ids, r->id);
		pg_array_text(&customers, r->customer_id);
		pg_array_time(&times, r->responded_at);
	}
	if (ids.count == 0)
		return;
	pg_params_init(p, j->arena);
	pg_add_array(p, &ids);
	pg_add_array(p, &customers);
	pg_add_array(p, &times);
	pg_batch_add(b, &case_previous, p, on_previous, j);
}

static void add_names(struct pg_batch *b, struct judge *j, const struct pg_stmt *stmt, bool loads, pg_rows_fn *fn)
{
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params);
	int n = loads ? j->facts.n_loads : j->facts.n_positions;
	struct pg_array names;

	pg_array_init(&names, j->arena, PG_TEXT);
	for (int i = 0; i < n; i++)
		pg_array_text(&names, loads ? j->facts.loads[i].person : j->facts.positions[i].team);
	pg_params_init(p, j->arena);
	pg_add_array(p, &names);
	pg_batch_add(b, stmt, p, fn, j);
}

static void add_now(struct pg_batch *b, struct judge *j)
{
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params);
	int n = 0;

	if (j->dry) {
		pg_batch_add(b, &case_now, NULL, on_now, j);
		return;
	}
	for (int i = 0; i < j->n_plans; i++)
		n += j->plans[i].action == PLAN_OPEN;
	pg_params_init(p, j->arena);
	pg_add_int4(p, n);
	pg_batch_add(b, &case_now_and_ids, p, on_now, j);
}

/* One answer of somebody, which would open a case and never was judged: mostly there is nothing else to know of it. */
static bool judge_is_lone(const struct judge *j)
{
	const struct settings *s = j->live->settings;
	const struct plan *p = j->plans;

	return !j->dry && j->n_plans == 1 && p->action == PLAN_OPEN && !p->claimed->judged &&
	       s->cases.merge_by != MERGE_BY_ACCOUNT && !settings_is_anonymous(s, p->claimed->response.customer_id);
}

static void add_lone(struct pg_batch *b, struct judge *j)
{
	const struct response *r = &j->plans->claimed->response;
	struct pg_params *p = arena_new_obj(j->arena, struct pg_params), *q = arena_new_obj(j->arena, struct pg_params);

	pg_params_init(p, j->arena);
	pg_add_int8(p, case_customer_key(r->customer_id));
	pg_add_int8(p, r->id);
	pg_batch_add(b, &case_lock_one, p, on_lone_locked, j);
	pg_params_init(q, j->arena);
	pg_add_int8(q, r->id);
	pg_add_text(q, r->customer_id);
	pg_batch_add(b, &case_look_one, q, on_lone_look, j);
}

static void judge_plan(struct judge *j);

static void on_directory(void *arg, const struct pg_error *error)
{
	struct judge *j = arg;

	if (error) {
		j->done(j->arg, error);
		return;
	}
	j->facts.directory = j->live->directory;
	judge_plan(j);
}

static void on_gathered(void *arg, const struct pg_error *error);

/* The lone answer's customer has a case. */
static void judge_look_closer(struct judge *j)
{
	struct pg_batch *b = pg_batch_new(j->conn);

	j->lone = false;
	add_ids(b, j, &case_judged, on_judged);
	judge_ask_merges(j, b);
	pg_batch_send(b, 0, on_gathered, j);
}

static void on_gathered(void *arg, const struct pg_error *error)
{
	struct judge *j = arg;

	if (error)
		j->done(j->arg, error);
	else if (j->lone && j->known)
		judge_look_closer(j);
	else if (j->directory_version != directory_version(j->live->directory))
		directory_load(j->conn, j->live, on_directory, j);
	else
		judge_plan(j);
}

void judge_start(struct judge *j)
{
	struct pg_batch *b = pg_batch_new(j->conn);

	judge_gather(j);
	j->lone = judge_is_lone(j);
	if (j->lone) {
		add_lone(b, j);
	} else if (!j->dry) {
		add_customers(b, j);
		add_ids(b, j, &case_lock_responses, on_locked);
		add_ids(b, j, &case_judged, on_judged);
	}
	if (!j->lone)
		add_now(b, j);
	if (j->on_endpoints)
		pg_batch_add(b, &outbox_endpoints, NULL, j->on_endpoints, j->arg);
	if (j->facts.n_lookups) {
		struct pg_params *p = arena_new_obj(j->arena, struct pg_params);

		owner_lookup_params(p, j->arena, j->facts.lookups, j->facts.n_lookups);
		pg_batch_add(b, &owner_lookup_stmt, p, on_lookups, j);
	}
	if (j->facts.n_loads)
		add_names(b, j, &owner_loads_stmt, true, on_loads);
	add_previous(b, j);
	if (!j->dry)
		judge_ask_merges(j, b);
	judge_ask_clocks(j, b);
	if (j->facts.n_positions && j->dry) {
		add_names(b, j, &owner_positions_read, false, on_positions);
	} else if (j->facts.n_positions) {
		add_names(b, j, &owner_positions_make, false, NULL);
		add_names(b, j, &owner_positions_lock, false, on_positions);
	}
	pg_batch_send(b, 0, on_gathered, j);
}

/* ---- plans ---- */

static void plan_case(struct judge *j, struct plan *p)
{
	p->trail = arena_new_array(j->arena, struct owner_found, (size_t)p->rule->route->n_owner);
	judge_merge(j, p);
	if (p->action == PLAN_OPEN && !p->owner.person && !j->dry)
		log_error("case %lld: route=%s names nobody who is known", (long long)p->case_id, p->rule->route->id);
}

/* How messages of the plan are named. */
static void plan_kind(struct judge *j, struct plan *p)
{
	char id[INT_TEXT_BYTES];

	if (p->action == PLAN_OPEN) {
		p->alert = ALERT_OPENED;
		p->kind = "case.opened";
		p->dedup = arena_join(j->arena, "case:", int_text(p->case_id, id), ":opened");
	} else {
		p->alert = ALERT_PRAISE;
		p->kind = "praise.received";
		p->dedup = arena_join(j->arena, "response:", int_text(p->claimed->response.id, id), ":praise");
	}
}

void judge_own(struct judge *j, struct plan *p)
{
	if (plan_needs_people(p) && judge_is_too_old(j, &p->claimed->response)) {
		p->action = PLAN_NOTE;
		p->too_old = true;
	}
	if (p->action == PLAN_OPEN)
		plan_case(j, p);
}

void judge_address(struct judge *j, struct plan *p)
{
	if (!plan_needs_people(p))
		return;
	plan_kind(j, p);
	judge_recipients(j, p);
}

/* Everything known: owners; then the due times. */
static void judge_plan(struct judge *j)
{
	j->facts.now = j->now;
	judge_order(j);
	for (int i = 0; i < j->n_plans; i++)
		judge_own(j, j->order[i]);
	judge_clocks(j);
}

/* Recipients; then the words. */
void judge_tell(struct judge *j)
{
	for (int i = 0; i < j->n_plans; i++)
		judge_address(j, &j->plans[i]);
	judge_render(j);
}
