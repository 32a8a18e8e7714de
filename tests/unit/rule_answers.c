/*
 * Random responses and the walk's view of them; see rule_world.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule_world.h"

#include <math.h>
#include <string.h>

#define DAY_US (INT64_C(86400) * US_PER_S)
#define FIRST_US (INT64_C(946684800) * US_PER_S) /* 2000 */

static const char *const blanks[] = {"", " ", "\u3000", "\n\t"};

/* A moment from 2000 to 2039, often near an hour. */
static int64_t pick_time(struct world *w)
{
	int64_t hours = pick(w, 40 * 365 * 24);

	return FIRST_US + hours * 3600 * US_PER_S + (pick(w, 2) ? 0 : pick(w, 2) ? -1 : pick(w, 3600 * 1000) * INT64_C(1000));
}

/* The numbers a question can have. */
static double pick_answer(struct world *w, int operand)
{
	switch (operand) {
	case NPS:
	case PREV_NPS: return pick(w, 11);
	case CSAT: return 1 + pick(w, 5);
	case RESPONSES_30D:
	case DETRACTORS_90D:
	case CASES_2W_ACCOUNT: return pick(w, 5);
	default: return pick_value(w, operand);
	}
}

static void pick_times(struct world *w, struct model *m)
{
	static const int half_days[] = {-2, 0, 1, 2, 4, 14, 15, 400};

	m->responded_us = pick_time(w);
	m->previous_us = m->responded_us - half_days[1 + pick(w, 7)] * DAY_US / 2 - (pick(w, 2) ? 0 : pick(w, 1000000000));
	m->w_us = m->responded_us - half_days[pick(w, 8)] * DAY_US / 2 - (pick(w, 2) ? 0 : pick(w, 1000000000));
	m->number[HOUR] = walk_hour(m->responded_us, ZONE_SEOUL);
	m->number[WEEKDAY] = walk_weekday(m->responded_us, ZONE_UTC);
	m->number[HOUR_PREV] = walk_hour(m->previous_us, ZONE_BERLIN);
	m->number[DAYS] = (double)(m->responded_us - m->w_us) / (86400.0 * 1e6);
	m->number[DAYS_PREV] = (double)(m->responded_us - m->previous_us) / (86400.0 * 1e6);
	m->there[HOUR] = m->there[WEEKDAY] = true;
	m->there[DAYS] = m->there[ATTR_W];
	m->there[HOUR_PREV] = m->there[DAYS_PREV] = m->there[PREV_TIME];
}

static void pick_model(struct world *w, struct model *m)
{
	bool previous = pick(w, 4);

	for (int i = 0; i < OPERANDS; i++) {
		m->there[i] = operands[i].previous ? previous && (i == PREV_TIME || i == PREV_CONTACT || pick(w, 4))
						   : i == CONTACT || pick(w, 4);
		m->number[i] = operands[i].kind == BOOL ? pick(w, 2) : pick_answer(w, i);
		m->class[i] = pick(w, CLASSES);
	}
	pick_times(w, m);
}

/* NULL or blank where it is missing. */
static const char *text_of(struct world *w, const struct model *m, int operand)
{
	if (m->there[operand])
		return spellings[m->class[operand]][pick(w, SPELLINGS)];
	return pick(w, 2) ? blanks[pick(w, ARRAY_SIZE(blanks))] : NULL;
}

static int score_of(const struct model *m, int operand)
{
	return m->there[operand] ? (int)m->number[operand] : SCORE_MISSING;
}

static void add_rating(struct response *r, struct rating *ratings, const struct model *m, int operand, const char *name)
{
	if (m->there[operand])
		ratings[r->n_ratings++] = (struct rating){name, m->number[operand]};
}

/* Numbers come as text, too; a time that can't be read is none. */
static void add_attributes(struct world *w, const struct model *m, struct response *r, bool previous)
{
	struct attribute *attributes = arena_new_array(w->arena, struct attribute, 4);
	int t = previous ? PREV_ATTR_T : ATTR_T, n = previous ? PREV_ATTR_N : ATTR_N;
	const char *text = text_of(w, m, t);
	char time_text[WALL_TEXT_BYTES];

	r->attributes = attributes;
	if (text)
		attributes[r->n_attributes++] = (struct attribute){"t", ATTRIBUTE_TEXT, text, 0, false};
	if (m->there[n] && pick(w, 3))
		attributes[r->n_attributes++] = (struct attribute){"n", ATTRIBUTE_NUMBER, "", m->number[n], false};
	else if (m->there[n])
		attributes[r->n_attributes++] =
			(struct attribute){"n", ATTRIBUTE_TEXT, arena_printf(w->arena, "%g", m->number[n]), 0, false};
	else if (pick(w, 2))
		attributes[r->n_attributes++] = (struct attribute){"n", ATTRIBUTE_TEXT, "many", 0, false};
	if (!previous && m->there[ATTR_B])
		attributes[r->n_attributes++] = (struct attribute){
			"b", ATTRIBUTE_BOOL, m->number[ATTR_B] != 0 ? "true" : "false", 0, m->number[ATTR_B] != 0};
	if (!previous && m->there[ATTR_W])
		text = arena_strdup(w->arena, wall_text((struct wall_time){m->w_us}, time_text));
	else
		text = previous || pick(w, 2) ? NULL : "soon";
	if (text)
		attributes[r->n_attributes++] = (struct attribute){"w", ATTRIBUTE_TEXT, text, 0, false};
}

/* What was asked of the past: each count from the operand that asks for it. */
static void add_counts(const struct ruleset *rs, struct answer *a)
{
	const struct history_need *needs;
	int n = ruleset_history(rs, &needs);

	for (int i = 0; i < n; i++) {
		int operand = needs[i].what == HISTORY_RESPONSES    ? RESPONSES_30D
			      : needs[i].what == HISTORY_DETRACTORS ? DETRACTORS_90D
								    : CASES_2W_ACCOUNT;

		a->counts[i] = a->model.there[operand] ? a->model.number[operand] : NAN;
	}
	a->past.counts = a->counts;
}

void world_answer(struct world *w, const struct ruleset *rs, struct answer *a)
{
	struct rating *ratings = arena_new_array(w->arena, struct rating, 6);
	const struct model *m = &a->model;

	memset(a, 0, sizeof(*a));
	pick_model(w, &a->model);
	a->response = (struct response){.nps = score_of(m, NPS),
					.csat = score_of(m, CSAT),
					.ces = SCORE_MISSING,
					.ratings = ratings,
					.touchpoint = text_of(w, m, TOUCHPOINT),
					.region = text_of(w, m, REGION),
					.contact_requested = m->number[CONTACT] != 0,
					.responded_at = {m->responded_us},
					.past = &a->past};
	add_rating(&a->response, ratings, m, RATING_A, "a");
	add_rating(&a->response, ratings, m, RATING_Q, "q");
	add_rating(&a->response, ratings, m, RATING_B, "b's");
	add_rating(&a->response, ratings, m, RATING_G, "g");
	add_attributes(w, m, &a->response, false);
	a->previous = (struct response){.nps = score_of(m, PREV_NPS),
					.csat = SCORE_MISSING,
					.ces = SCORE_MISSING,
					.ratings = ratings + 4,
					.touchpoint = text_of(w, m, PREV_TOUCHPOINT),
					.contact_requested = m->number[PREV_CONTACT] != 0,
					.responded_at = {m->previous_us}};
	add_rating(&a->previous, ratings + 4, m, PREV_RATING_Q, "q");
	add_attributes(w, m, &a->previous, true);
	a->past.previous = m->there[PREV_TIME] ? &a->previous : NULL;
	add_counts(rs, a);
	if (!a->past.previous && !m->there[RESPONSES_30D] && !m->there[DETRACTORS_90D] && !m->there[CASES_2W_ACCOUNT] &&
	    pick(w, 2))
		a->response.past = NULL;
}
