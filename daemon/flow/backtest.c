/*
 * Two sets of rules over the responses of the past, counted; see backtest.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/backtest.h"
#include "intake/decode.h"

#include <stdlib.h>
#include <string.h>

#define WEEK_US (7 * 24 * 3600 * US_PER_S)
#define SCRATCH_BYTES (64 * 1024)
#define LOW_NPS 6
#define LOW_STARS 2
#define BLAMED_MAX 16 /* facts that one rule may miss in one response */

static void side_init(struct backtest *b, struct backtest_side *side, const struct backtest_source *from)
{
	const struct settings *s = from->settings;

	side->settings = s;
	side->rehearsal = rehearsal_new(s, from->directory, from->owners, from->n_owners);
	side->scratch = rule_scratch_new(s->ruleset);
	side->n_rules = s->n_rules;
	side->rules = arena_new_array(b->arena, struct backtest_rule, (size_t)MAX(s->n_rules, 1));
	for (int i = 0; i < s->n_rules; i++)
		side->rules[i] = (struct backtest_rule){.rule = &s->rules[i], .twin = -1};
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
			rule_scratch_free(side->scratch);
			rehearsal_free(side->rehearsal);
		}
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

void backtest_add(struct backtest *b, struct backtest_response *r)
{
	int week = (int)((b->until.us - 1 - r->response.responded_at.us) / WEEK_US);
	const struct verdict *v = &b->sides[0].verdict;

	if (!wall_is_set(b->first))
		b->first = r->response.responded_at;
	b->responses++;
	for (int i = 0; i < b->n_sides; i++)
		ruleset_judge(b->sides[i].settings->ruleset, b->sides[i].scratch, &r->response, &b->sides[i].verdict);
	for (int i = 0; i < b->n_sides; i++)
		count_side(&b->sides[i], b->n_sides == 2 ? &b->sides[1 - i] : NULL, r->response.id, week);
	if (!verdict_matched(v) && !v->ignored && is_low(b, r))
		examples_add(&b->uncaught, r->response.id);
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

uint32_t backtest_peak(const struct backtest_rule *r)
{
	uint32_t peak = 0;

	for (int i = 0; i < r->n_weeks; i++)
		peak = MAX(peak, r->weeks[i]);
	return peak;
}
