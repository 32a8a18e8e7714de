/*
 * Tables of facts and their loaders; see fact.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/fact.h"
#include "rule/number.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIME_S_MAX INT64_C(9000000000000) /* PostgreSQL's last year is 294276; beyond are its infinities */

#define AT(c) offsetof(struct response, c)
#define SCORE(c, lo, hi)                                                 \
	{                                                                \
#c, INPUT_SCORE, TYPE_NUMBER, AT(c), lo, hi, false, NULL \
	}
#define TEXT(c)                                                     \
	{                                                           \
#c, INPUT_TEXT, TYPE_TEXT, AT(c), 0, 0, false, NULL \
	}
#define TEXT_NOTE(c, note)                                          \
	{                                                           \
#c, INPUT_TEXT, TYPE_TEXT, AT(c), 0, 0, false, note \
	}
#define ALWAYS(c, src, type)                           \
	{                                              \
#c, src, type, AT(c), 0, 0, true, NULL \
	}

const struct column_def rule_columns[] = {
	SCORE(nps, 0, 10),
	SCORE(csat, 1, 5),
	SCORE(ces, 1, 7),
	ALWAYS(contact_requested, INPUT_BOOL, TYPE_BOOL),
	ALWAYS(source, INPUT_TEXT, TYPE_TEXT),
	TEXT(source_id),
	TEXT(survey),
	TEXT(touchpoint),
	TEXT(channel),
	TEXT_NOTE(customer_id, "no customer id"),
	TEXT_NOTE(customer_name, "no name"),
	TEXT_NOTE(customer_email, "no address"),
	TEXT_NOTE(customer_phone, "no number"),
	TEXT_NOTE(account, "no account"),
	TEXT(account_name),
	TEXT(region),
	TEXT(language),
	TEXT_NOTE(comment, "no comment"),
	ALWAYS(responded_at, INPUT_TIME, TYPE_TIME),
	ALWAYS(received_at, INPUT_TIME, TYPE_TIME),
};
const int rule_columns_n = ARRAY_SIZE(rule_columns);

const struct group_def rule_groups[] = {
	{"rating", GROUP_RATING, "any rating <= 2, all rating >= 4, rating.delivery <= 2"},
	{"attr", GROUP_ATTRIBUTE, "attr.plan = 'gold'"},
	{"previous", GROUP_PREVIOUS, "previous.nps >= 9"},
	{"history", GROUP_HISTORY, "history.detractors(90d) >= 2"},
};
const int rule_groups_n = ARRAY_SIZE(rule_groups);

const struct function_def rule_functions[] = {
	{"history.detractors", INPUT_HISTORY, HISTORY_DETRACTORS, "history.detractors(90d) >= 2"},
	{"history.responses", INPUT_HISTORY, HISTORY_RESPONSES, "history.responses(90d) >= 2"},
	{"history.cases", INPUT_HISTORY, HISTORY_CASES, "history.cases(90d) >= 2"},
	{"days_since", INPUT_DAYS, 0, "days_since(attr.installed_at) <= 30"},
	{"hour", INPUT_HOUR, 0, "hour(responded_at, 'Asia/Seoul') >= 18"},
	{"weekday", INPUT_WEEKDAY, 0, "weekday(responded_at) >= 6"},
};
const int rule_functions_n = ARRAY_SIZE(rule_functions);

const struct column_def *column_find(const char *name)
{
	for (int i = 0; i < rule_columns_n; i++)
		if (strcmp(rule_columns[i].name, name) == 0)
			return &rule_columns[i];
	return NULL;
}

const struct group_def *group_find(const char *name)
{
	for (int i = 0; i < rule_groups_n; i++)
		if (strcmp(rule_groups[i].name, name) == 0)
			return &rule_groups[i];
	return NULL;
}

const struct function_def *function_find(const char *name)
{
	for (int i = 0; i < rule_functions_n; i++)
		if (strcmp(rule_functions[i].name, name) == 0)
			return &rule_functions[i];
	return NULL;
}

const char *fact_synonym(const char *word)
{
	static const struct {
		const char *word, *fact;
	} synonyms[] = {{"email", "customer_email"},
			{"mail", "customer_email"},
			{"phone", "customer_phone"},
			{"name", "customer_name"},
			{"customer", "customer_id"},
			{"company", "account_name"},
			{"text", "comment"},
			{"feedback", "comment"},
			{"verbatim", "comment"},
			{"score", "nps"},
			{"callback", "contact_requested"},
			{"lang", "language"},
			{"moment", "touchpoint"},
			{"date", "responded_at"},
			{"time", "responded_at"},
			{"stars", "any rating"},
			{"ratings", "any rating"},
			{"star", "any rating"},
			{"attributes", "attr"},
			{"attribute", "attr"}};

	for (size_t i = 0; i < ARRAY_SIZE(synonyms); i++)
		if (strcasecmp(synonyms[i].word, word) == 0)
			return synonyms[i].fact;
	for (int i = 0; i < rule_columns_n; i++)
		if (strcasecmp(rule_columns[i].name, word) == 0)
			return rule_columns[i].name;
	return NULL;
}

/* Whose value it is: NULL when there is no earlier answer, or it wasn't looked for. */
static const struct response *source_of(const struct input *in, const struct response *r)
{
	if (!in->previous)
		return r;
	return r->past ? r->past->previous : NULL;
}

static const void *column_of(const struct input *in, const struct response *r)
{
	return (const char *)r + in->column->at;
}

/* "300" from a form that sends everything as text is a number where a number is declared. */
static bool attribute_number(const struct attribute *a, double *ret)
{
	if (a->type == ATTRIBUTE_NUMBER) {
		*ret = a->number;
		return true;
	}
	return a->type == ATTRIBUTE_TEXT && a->text && number_parse(a->text, strlen(a->text), ret) == 0;
}

static bool rating_number(const struct input *in, const struct response *r, struct folder *names, double *ret)
{
	for (int i = 0; i < r->n_ratings; i++)
		if (strcmp(r->ratings[i].name, in->name) == 0) {
			*ret = r->ratings[i].value;
			return true;
		}
	/* A name typed on a Mac may come decomposed. */
	for (int i = 0; in->folded && i < r->n_ratings; i++) {
		const char *name = r->ratings[i].name;
		struct slice s = fold_text(names, name, strlen(name), FOLD_COMPARE, &names->name);

		if (s.n == strlen(in->folded) && memcmp(s.p, in->folded, s.n) == 0) {
			*ret = r->ratings[i].value;
			return true;
		}
	}
	return false;
}

static bool history_number(const struct input *in, const struct response *r, double *ret)
{
	if (!r->past || !r->past->counts)
		return false;
	*ret = r->past->counts[in->count];
	return !isnan(*ret);
}

/* What a function makes of a time. */
static bool time_number(const struct input *in, const struct response *r, double *ret)
{
	struct wall_time t;

	if (!input_time(in->of, r, &t) || llabs(t.us / US_PER_S) > TIME_S_MAX)
		return false;
	if (in->source == INPUT_DAYS) {
		if (!wall_is_set(r->responded_at) || llabs(r->responded_at.us / US_PER_S) > TIME_S_MAX)
			return false;
		*ret = (double)(r->responded_at.us - t.us) / (86400.0 * US_PER_S);
		return true;
	}
	*ret = in->source == INPUT_HOUR ? zone_clock(in->zone, t).hour : zone_clock(in->zone, t).weekday;
	return true;
}

bool input_number(const struct input *in, const struct response *r, struct folder *names, double *ret)
{
	const struct response *from = source_of(in, r);
	const struct attribute *a;
	int score;

	if (!from)
		return false;
	switch (in->source) {
	case INPUT_SCORE:
		score = *(const int *)column_of(in, from);
		*ret = score;
		return score != SCORE_MISSING;
	case INPUT_ATTRIBUTE: a = response_attribute(from, in->name); return a && attribute_number(a, ret);
	case INPUT_HISTORY: return history_number(in, r, ret);
	case INPUT_DAYS:
	case INPUT_HOUR:
	case INPUT_WEEKDAY: return time_number(in, r, ret);
	default: return rating_number(in, from, names, ret);
	}
}

bool input_truth(const struct input *in, const struct response *r, bool *ret)
{
	const struct response *from = source_of(in, r);
	const struct attribute *a;

	if (!from)
		return false;
	if (in->source == INPUT_BOOL) {
		*ret = *(const bool *)column_of(in, from);
		return true;
	}
	a = response_attribute(from, in->name);
	if (!a)
		return false;
	*ret = a->truth;
	if (a->type == ATTRIBUTE_TEXT && a->text) {
		*ret = strcasecmp(a->text, "true") == 0;
		return *ret || strcasecmp(a->text, "false") == 0;
	}
	return a->type == ATTRIBUTE_BOOL;
}

bool input_text(const struct input *in, const struct response *r, const char **ret)
{
	const struct response *from = source_of(in, r);
	const struct attribute *a;

	if (!from)
		return false;
	if (in->source == INPUT_TEXT) {
		*ret = *(const char *const *)column_of(in, from);
	} else {
		a = response_attribute(from, in->name);
		*ret = a ? a->text : NULL;
	}
	return *ret != NULL;
}

bool input_time(const struct input *in, const struct response *r, struct wall_time *ret)
{
	const struct response *from = source_of(in, r);
	const struct attribute *a;

	if (!from)
		return false;
	if (in->source == INPUT_TIME) {
		*ret = *(const struct wall_time *)column_of(in, from);
		return wall_is_set(*ret);
	}
	a = response_attribute(from, in->name);
	return a && a->type == ATTRIBUTE_TEXT && a->text && wall_parse_or_day(a->text, ret) == 0;
}

const char *input_missing_note(const struct input *in, const struct response *r)
{
	if (in->of)
		return input_missing_note(in->of, r);
	if (in->source != INPUT_HISTORY && !in->previous)
		return in->column ? in->column->missing_note : NULL;
	if (!r->past)
		return "not looked up";
	if (in->source == INPUT_HISTORY && in->need.of == PER_ACCOUNT)
		return !r->account || text_trim(r->account, strlen(r->account)).n == 0 ? "no account" : NULL;
	if (r->past->why_missing)
		return r->past->why_missing;
	if (in->source == INPUT_HISTORY)
		return NULL;
	if (!r->past->previous)
		return "no earlier response";
	return in->column ? in->column->missing_note : NULL;
}
