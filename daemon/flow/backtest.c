/*
 * Two sets of rules over the responses of the past, counted; see backtest.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest_inner.h"
#include "intake/decode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define WEEK_US (7 * 24 * 3600 * US_PER_S)
#define SCRATCH_BYTES (64 * 1024)
#define LOW_NPS 6
#define LOW_STARS 2
#define BLAMED_MAX 16 /* facts that one rule may miss in one response */

/* Two sets that ask the same are answered once. */
static int need_place(struct backtest *b, const struct history_need *need)
{
	for (int i = 0; i < b->n_needs; i++)
		if (b->needs[i].what == need->what && b->needs[i].of == need->of && b->needs[i].window_us == need->window_us)
			return i;
	b->needs[b->n_needs] = *need;
	return b->n_needs++;
}

static void side_init(struct backtest *b, struct backtest_side *side, const struct backtest_source *from)
{
	const struct settings *s = from->settings;

	side->settings = s;
	side->directory = from->directory;
	side->rehearsal = rehearsal_new(s, from->directory, from->owners, from->n_owners);
	side->scratch = rule_scratch_new(s->ruleset);
	side->n_rules = s->n_rules;
	side->rules = arena_new_array(b->arena, struct backtest_rule, (size_t)MAX(s->n_rules, 1));
	for (int i = 0; i < s->n_rules; i++)
		side->rules[i] =
			(struct backtest_rule){.rule = &s->rules[i], .twin = -1, .culprit = ruleset_culprit(s->ruleset, i)};
	side->cases = sim_cases_new(s, side->rehearsal);
	side->mail = sim_mail_new(s, b->arena);
	side->n_needs = ruleset_history(s->ruleset, &side->needs);
	for (int i = 0; i < side->n_needs; i++)
		side->need_places[i] = side->needs[i].what == HISTORY_CASES ? -1 : need_place(b, &side->needs[i]);
	b->needs_previous |= ruleset_needs_previous(s->ruleset);
}

struct by_id {
	const char *id;
	int place;
};

static int by_id_order(const void *a, const void *b)
{
	return strcmp(((const struct by_id *)a)->id, ((const struct by_id *)b)->id);
}

/* Rules of the same name are one rule that was changed. */
static void pair_rules(struct backtest_side *a, struct backtest_side *b)
{
	struct by_id *ids = xcalloc((size_t)b->n_rules + 1, sizeof(*ids));

	for (int i = 0; i < b->n_rules; i++)
		ids[i] = (struct by_id){b->rules[i].rule->id, i};
	if (b->n_rules > 1)
		qsort(ids, (size_t)b->n_rules, sizeof(*ids), by_id_order);
	for (int i = 0; i < a->n_rules && b->n_rules; i++) {
		const struct by_id key = {a->rules[i].rule->id, 0};
		const struct by_id *found = bsearch(&key, ids, (size_t)b->n_rules, sizeof(*ids), by_id_order);

		if (found) {
			a->rules[i].twin = found->place;
			b->rules[found->place].twin = i;
		}
	}
	free(ids);
}

struct backtest *backtest_new(const struct backtest_source *new, const struct backtest_source *old, struct wall_time since,
			      struct wall_time until)
{
	struct backtest *b = xcalloc(1, sizeof(*b));

	b->arena = arena_new(0);
	b->scratch = arena_new(SCRATCH_BYTES);
	b->since = since;
	b->until = until;
	b->first = WALL_NONE;
	b->crowd = crowd_new();
	b->literals = literals_new(new->settings->ruleset, b->arena);
	b->scales = scales_copy(new->settings->scales, new->settings->n_scales, b->arena);
	side_init(b, &b->sides[b->n_sides++], new);
	if (old && strcmp(old->settings->sha256, new->settings->sha256) == 0) {
		b->same = true;
	} else if (old) {
		side_init(b, &b->sides[b->n_sides++], old);
		pair_rules(&b->sides[0], &b->sides[1]);
	}
	return b;
}

struct backtest *backtest_free(struct backtest *b)
{
	if (b) {
		for (int i = 0; i < b->n_sides; i++) {
			struct backtest_side *side = &b->sides[i];

			for (int k = 0; k < side->n_rules; k++) {
				free(side->rules[k].weeks);
				free(side->rules[k].missing);
			}
			sim_cases_free(side->cases);
			sim_mail_free(side->mail);
			rule_scratch_free(side->scratch);
			rehearsal_free(side->rehearsal);
		}
		crowd_free(b->crowd);
		literals_free(b->literals);
		free(b->ends);
		arena_free(b->scratch);
		arena_free(b->arena);
		free(b);
	}
	return NULL;
}

void backtest_freep(struct backtest **b)
{
	*b = backtest_free(*b);
}

/* ---- counting ---- */

static void examples_add(struct backtest_examples *e, int64_t id)
{
	e->ids[e->n++ % BACKTEST_EXAMPLES] = id;
}

static void count_match(struct backtest_rule *r, int week)
{
	r->matched++;
	if (week >= r->n_weeks) {
		r->weeks = xrealloc(r->weeks, sizeof(*r->weeks) * (size_t)(week + 1));
		memset(r->weeks + r->n_weeks, 0, sizeof(*r->weeks) * (size_t)(week + 1 - r->n_weeks));
		r->n_weeks = week + 1;
	}
	r->weeks[week]++;
}

static void count_undecided(struct backtest_side *side, int rule)
{
	struct backtest_rule *r = &side->rules[rule];
	int facts[BLAMED_MAX], n;

	r->undecided++;
	if (r->culprit >= 0)
		return;
	if (!r->missing)
		r->missing = xcalloc((size_t)ruleset_fact_count(side->settings->ruleset), sizeof(*r->missing));
	n = ruleset_blame(side->settings->ruleset, side->scratch, rule, facts, BLAMED_MAX);
	for (int i = 0; i < n; i++)
		r->missing[facts[i]]++;
}

static void count_side(struct backtest_side *side, const struct backtest_side *other, int64_t id, int week)
{
	const struct verdict *v = &side->verdict;

	side->matched += verdict_matched(v);
	side->ignored += v->ignored;
	for (int i = 0; i < side->n_rules; i++) {
		struct backtest_rule *r = &side->rules[i];

		if (v->results[i] == TRI_FALSE)
			continue;
		if (v->results[i] == TRI_MISSING) {
			count_undecided(side, i);
			continue;
		}
		count_match(r, week);
		if (other && (r->twin < 0 || other->verdict.results[r->twin] != TRI_TRUE))
			examples_add(&r->only, id);
	}
}

/* ---- one response ---- */

bool backtest_ratings(struct backtest *b, struct backtest_response *r)
{
	const char *json = TAKE(r->ratings_json), *why = NULL;

	return !json || decode_ratings(json, r->ratings_bytes, b->scratch, &r->response, &why) == 0;
}

/* What nobody should overlook: a detractor, or a rating near its bad end. */
static bool is_low(struct backtest *b, struct backtest_response *r)
{
	if (r->response.nps != SCORE_MISSING && r->response.nps <= LOW_NPS)
		return true;
	backtest_ratings(b, r);
	for (int i = 0; i < r->response.n_ratings; i++)
		if (rating_stars(&r->response.ratings[i], b->scales, b->sides[0].settings->n_scales) <= LOW_STARS)
			return true;
	return false;
}

/* ---- its past ---- */

/* Of the customer; NULL: the past is known. */
static const char *why_unknown(const struct backtest_side *side, const struct response *r, const struct sim_who *who)
{
	if (!who->key)
		return "no customer id";
	if (settings_is_anonymous(side->settings, r->customer_id))
		return "anonymous id";
	return who->crowd > HISTORY_A_DAY_MOST ? "more than 50 a day" : NULL;
}

static double count_of(const struct backtest_side *side, const struct backtest_response *r, int need, uint64_t key)
{
	const struct history_need *n = &side->needs[need];

	if (key == 0)
		return NAN;
	if (side->need_places[need] >= 0)
		return r->counted ? MIN(r->counted[side->need_places[need]], HISTORY_MOST) : NAN;
	return sim_cases_count(side->cases, key, n->of == PER_ACCOUNT, r->response.responded_at.us - n->window_us);
}

/* Who it is to this set, and what they said before. */
static void give_past(struct backtest_side *side, struct backtest_response *r, const struct sim_who *who)
{
	if (!side->n_needs && !ruleset_needs_previous(side->settings->ruleset))
		return;
	side->past.why_missing = why_unknown(side, &r->response, who);
	side->customer = side->past.why_missing ? 0 : who->key;
	side->account = sim_key(r->response.account);
	side->past.previous = side->past.why_missing ? NULL : r->previous;
	side->past.counts = side->counts;
	for (int i = 0; i < side->n_needs; i++)
		side->counts[i] = count_of(side, r, i, side->needs[i].of == PER_ACCOUNT ? side->account : side->customer);
	r->response.past = &side->past;
}

/* ---- what follows ---- */

static int end_order(const void *pa, const void *pb)
{
	int64_t a = ((const struct real_end *)pa)->response_id, b = ((const struct real_end *)pb)->response_id;

	return (a > b) - (a < b);
}

/* A case that opens now ends when the real one did, else when it is promised to. */
static void assume_end(const struct backtest *b, const struct plan *p, const struct response *r, struct sim_response *ret)
{
	const struct follow_up *f = p->rule->follow_up;
	const struct real_end key = {r->id, 0}, *real = NULL;
	int64_t promised_s = f ? promise_seconds(&f->resolve_within) : DURATION_NONE;

	if (b->n_ends)
		real = bsearch(&key, b->ends, (size_t)b->n_ends, sizeof(key), end_order);
	ret->promised = promised_s == DURATION_NONE ? INT64_MAX : ret->at + promised_s * US_PER_S;
	ret->end = real ? real->end_us : ret->promised;
}

static void send(struct backtest_side *side, const struct person *to, const char *team, const struct plan *p, bool asked)
{
	const struct sim_letter letter = {
		.person = to,
		.team = team,
		.at = p->claimed->response.responded_at.us,
		.urgent = p->priority == PRIORITY_URGENT && p->action != PLAN_PRAISE,
		.asked = asked,
	};

	sim_mail_send(side->mail, &letter);
}

/* The owner's mail counts for the team it was found through. */
static void send_all(struct backtest_side *side, const struct plan *p, const struct person *owner, const char *team)
{
	bool theirs = owner == p->owner.person; /* else a case that it comes back to had another one */

	for (int i = 0; i < p->n_recipients; i++) {
		const struct recipient *to = &p->recipients[i];

		if (to->is_owner && !theirs && p->action == PLAN_OPEN)
			send(side, owner, team, p, to->asked);
		else
			send(side, to->person, to->reason == REASON_TEAM ? to->value : NULL, p, to->asked);
	}
}

static void take_case(struct backtest *b, struct backtest_side *side, struct backtest_response *r, const struct sim_who *who,
		      const struct plan *p)
{
	const struct settings *set = side->settings;
	bool nobody = who->crowd > HISTORY_A_DAY_MOST || settings_is_anonymous(set, r->response.customer_id);
	struct sim_response s = {.customer = nobody ? 0 : who->key,
				 .account = set->cases.merge_by == MERGE_BY_ACCOUNT ? sim_key_of(merge_key(set, &r->response))
										    : side->account,
				 .at = r->response.responded_at.us,
				 .owner = &p->owner,
				 .priority = p->priority,
				 .contact = r->response.contact_requested};
	const struct person *owner;
	const char *team;

	if (r->response.nps == SCORE_MISSING)
		backtest_ratings(b, r);
	s.score = sim_score_of(&r->response, b->scales, b->sides[0].settings->n_scales);
	assume_end(b, p, &r->response, &s);
	switch (sim_cases_take(side->cases, &s, &owner, &team)) {
	case SIM_OPENED:
		side->opened++;
		send_all(side, p, owner, team);
		break;
	case SIM_JOINED_WORSE:
		if (owner)
			send(side, owner, team, p, false);
		side->joined++;
		break;
	case SIM_JOINED: side->joined++; break;
	case SIM_REOPENED:
		if (owner)
			send(side, owner, team, p, false);
		side->reopened++;
		break;
	case SIM_COOLED: side->cooled++; break;
	}
}

static void follow(struct backtest *b, struct backtest_side *side, struct backtest_response *r, const struct sim_who *who)
{
	struct wall_time at = r->response.responded_at;
	struct plan p;

	sim_cases_until(side->cases, at.us);
	sim_mail_until(side->mail, at.us);
	if (!verdict_matched(&side->verdict))
		return;
	rehearse_plan(side->rehearsal, &r->response, &side->verdict, at, b->scratch, &p);
	if (p.action == PLAN_OPEN) {
		take_case(b, side, r, who, &p);
	} else if (p.action == PLAN_PRAISE) {
		side->praised++;
		send_all(side, &p, NULL, NULL);
	} else {
		side->noted++;
	}
}

/* ---- the whole ---- */

void backtest_add(struct backtest *b, struct backtest_response *r)
{
	int week = (int)((b->until.us - 1 - r->response.responded_at.us) / WEEK_US);
	const char *customer = r->response.customer_id;
	const struct verdict *v = &b->sides[0].verdict;
	struct sim_who who = {.key = sim_key(customer)};

	if (who.key)
		who.crowd = crowd_add(b->crowd, who.key, r->response.responded_at.us);
	if (r->response.responded_at.us < b->since.us)
		return;
	if (!wall_is_set(b->first))
		b->first = r->response.responded_at;
	b->responses++;
	for (int i = 0; i < b->n_sides; i++) {
		struct backtest_side *side = &b->sides[i];

		give_past(side, r, &who);
		ruleset_judge(side->settings->ruleset, side->scratch, &r->response, &side->verdict);
		follow(b, side, r, &who);
	}
	for (int i = 0; i < b->n_sides; i++)
		count_side(&b->sides[i], b->n_sides == 2 ? &b->sides[1 - i] : NULL, r->response.id, week);
	literals_add(b->literals, &r->response);
	if (!verdict_matched(v) && !v->ignored && is_low(b, r))
		examples_add(&b->uncaught, r->response.id);
}

/* Rules that only one fact can leave undecided needn't be asked each time. */
static void blame_culprits(struct backtest_side *side)
{
	for (int i = 0; i < side->n_rules; i++) {
		struct backtest_rule *r = &side->rules[i];

		if (r->culprit < 0 || r->undecided == 0)
			continue;
		r->missing = xcalloc((size_t)ruleset_fact_count(side->settings->ruleset), sizeof(*r->missing));
		r->missing[r->culprit] = r->undecided;
	}
}

void backtest_end(struct backtest *b)
{
	for (int i = 0; i < b->n_sides; i++) {
		sim_mail_until(b->sides[i].mail, b->until.us);
		sim_mail_report(b->sides[i].mail, &b->sides[i], b->arena);
		blame_culprits(&b->sides[i]);
	}
	b->n_never = b->responses ? literals_end(b->literals, b->arena, &b->never) : 0;
}

struct wall_time backtest_from(const struct backtest *b)
{
	return (struct wall_time){b->since.us - CROWD_US};
}

/* ---- reading the counts ---- */

int backtest_weeks(const struct backtest *b)
{
	int64_t us;

	if (!wall_is_set(b->first))
		return 0;
	us = b->until.us - b->first.us;
	return (int)((us + WEEK_US - 1) / WEEK_US);
}

double backtest_days(const struct backtest *b)
{
	double days = wall_is_set(b->first) ? (double)(b->until.us - b->first.us) / (24.0 * 3600 * (double)US_PER_S) : 1;

	return MAX(days, 1);
}

uint32_t backtest_peak(const struct backtest_rule *r)
{
	uint32_t peak = 0;

	for (int i = 0; i < r->n_weeks; i++)
		peak = MAX(peak, r->weeks[i]);
	return peak;
}
