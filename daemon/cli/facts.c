/*
 * FACT=VALUE words into a response; see facts.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/facts.h"
#include "cli/args.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 600

struct reader {
	const struct settings *s;
	struct arena *arena;
	struct response *response;
	struct rating *ratings;
	struct attribute *attributes;
	const char *const *words; /* to find names given twice */
	int at;
	const char *error;
};

static int invalid(struct reader *r, const char *fmt, ...) PRINTF(2, 3);
static int invalid(struct reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	r->error = arena_vprintf(r->arena, fmt, ap);
	va_end(ap);
	return FACTS_E_INVALID;
}

/* Text columns of a response and where they stand in the struct. */
static const struct text_fact {
	const char *name;
	size_t offset;
} text_facts[] = {
	{"source", offsetof(struct response, source)},
	{"source_id", offsetof(struct response, source_id)},
	{"survey", offsetof(struct response, survey)},
	{"touchpoint", offsetof(struct response, touchpoint)},
	{"channel", offsetof(struct response, channel)},
	{"customer_id", offsetof(struct response, customer_id)},
	{"customer_name", offsetof(struct response, customer_name)},
	{"customer_email", offsetof(struct response, customer_email)},
	{"customer_phone", offsetof(struct response, customer_phone)},
	{"account", offsetof(struct response, account)},
	{"account_name", offsetof(struct response, account_name)},
	{"region", offsetof(struct response, region)},
	{"language", offsetof(struct response, language)},
	{"comment", offsetof(struct response, comment)},
};
static const struct score_fact {
	const char *name;
	size_t offset;
	int least, most;
} score_facts[] = {
	{"nps", offsetof(struct response, nps), 0, 10},
	{"csat", offsetof(struct response, csat), 1, 5},
	{"ces", offsetof(struct response, ces), 1, 7},
};

static int number_parse(const char *value, double *ret)
{
	char *end;

	if (!*value || value[strspn(value, "+-.0123456789eE")])
		return -EINVAL;
	*ret = strtod(value, &end);
	return *end || !isfinite(*ret) ? -EINVAL : 0;
}

static int bool_parse(const char *value, bool *ret)
{
	*ret = str_eq(value, "true") || str_eq(value, "yes");
	return *ret || str_eq(value, "false") || str_eq(value, "no") ? 0 : -EINVAL;
}

static int take_score(struct reader *r, const struct score_fact *f, const char *value)
{
	double number;

	if (number_parse(value, &number) < 0 || number != floor(number) || number < f->least || number > f->most)
		return invalid(r, "%s is a whole number from %d to %d, not '%s'", f->name, f->least, f->most, value);
	*(int *)(void *)((char *)r->response + f->offset) = (int)number;
	return 0;
}

static int take_rating(struct reader *r, const char *name, const char *value)
{
	struct rating *rating = &r->ratings[r->response->n_ratings];

	if (!*name)
		return invalid(r, "rating of what? Write rating.delivery=4");
	if (r->response->n_ratings == RESPONSE_RATINGS_MAX)
		return invalid(r, "more than %d ratings", RESPONSE_RATINGS_MAX);
	if (number_parse(value, &rating->value) < 0)
		return invalid(r, "rating.%s is a number, not '%s'", name, value);
	rating->name = name;
	r->response->n_ratings++;
	return 0;
}

static int unknown_attribute(struct reader *r, const char *name)
{
	const struct settings *s = r->s;

	return invalid(r, "unknown attribute '%s'%s", name,
		       did_you_mean(r->arena, name, s->attributes, (size_t)s->n_attributes, sizeof(*s->attributes)));
}

static int take_attribute(struct reader *r, const char *name, const char *value)
{
	const struct attribute_settings *declared = settings_attribute(r->s, name);
	struct attribute *a = &r->attributes[r->response->n_attributes];
	struct wall_time time;

	if (!declared)
		return unknown_attribute(r, name);
	if (r->response->n_attributes == RESPONSE_ATTRIBUTES_MAX)
		return invalid(r, "more than %d attributes", RESPONSE_ATTRIBUTES_MAX);
	*a = (struct attribute){.name = name, .type = declared->type, .text = value};
	switch (declared->type) {
	case ATTRIBUTE_TEXT: break;
	case ATTRIBUTE_NUMBER:
		if (number_parse(value, &a->number) < 0)
			return invalid(r, "attr.%s is a number, not '%s'", name, value);
		break;
	case ATTRIBUTE_BOOL:
		if (bool_parse(value, &a->truth) < 0)
			return invalid(r, "attr.%s is true or false, not '%s'", name, value);
		a->text = a->truth ? "true" : "false";
		break;
	case ATTRIBUTE_TIME:
		if (wall_parse_or_day(value, &time) < 0)
			return invalid(r, "attr.%s is a time like 2027-03-02T10:00:00+09:00 or a day like 2027-03-02, not '%s'",
				       name, value);
		a->type = ATTRIBUTE_TEXT; /* as it stands in the JSON */
		break;
	}
	r->response->n_attributes++;
	return 0;
}

static int unknown_fact(struct reader *r, const char *name)
{
	const char *names[NAMES_MAX];
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_SIZE(text_facts); i++)
		names[n++] = text_facts[i].name;
	for (size_t i = 0; i < ARRAY_SIZE(score_facts); i++)
		names[n++] = score_facts[i].name;
	names[n++] = "contact_requested";
	names[n++] = "responded_at";
	for (int i = 0; i < r->s->n_attributes && n < NAMES_MAX; i++)
		names[n++] = arena_printf(r->arena, "attr.%s", r->s->attributes[i].name);
	if (strncmp(name, "previous.", 9) == 0 || strncmp(name, "history.", 8) == 0)
		return invalid(
			r,
			"%s can't be invented here: customer_id=ID takes what that customer said; closeloop test can invent a past",
			name);
	return invalid(r, "unknown fact '%s'%s", name, did_you_mean(r->arena, name, names, n, sizeof(names[0])));
}

const char **facts_text(struct response *r, const char *column)
{
	for (size_t i = 0; i < ARRAY_SIZE(text_facts); i++)
		if (str_eq(text_facts[i].name, column))
			return (const char **)(void *)((char *)r + text_facts[i].offset);
	return NULL;
}

static int take_fact(struct reader *r, const char *name, const char *value)
{
	const char **text = facts_text(r->response, name);

	if (text) {
		*text = value;
		return 0;
	}
	for (size_t i = 0; i < ARRAY_SIZE(score_facts); i++)
		if (str_eq(score_facts[i].name, name))
			return take_score(r, &score_facts[i], value);
	if (str_eq(name, "contact_requested"))
		return bool_parse(value, &r->response->contact_requested) == 0
			       ? 0
			       : invalid(r, "contact_requested is true or false, not '%s'", value);
	if (str_eq(name, "responded_at"))
		return wall_parse(value, &r->response->responded_at) == 0
			       ? 0
			       : invalid(r, "responded_at is a time like 2027-03-02T10:00:00+09:00, not '%s'", value);
	if (strncmp(name, "rating.", 7) == 0)
		return take_rating(r, name + 7, value);
	if (strncmp(name, "attr.", 5) == 0)
		return take_attribute(r, name + 5, value);
	return unknown_fact(r, name);
}

static int take_word(struct reader *r, const char *word)
{
	const char *equals = strchr(word, '='), *name;
	size_t n = equals ? (size_t)(equals - word) : 0;

	if (n == 0)
		return invalid(r, "'%s': write FACT=VALUE, for example nps=2", word);
	for (int i = 0; i < r->at; i++)
		if (strncmp(r->words[i], word, n + 1) == 0)
			return invalid(r, "'%.*s' is given twice", (int)n, word);
	name = arena_strndup(r->arena, word, n);
	return take_fact(r, name, arena_strdup(r->arena, equals + 1));
}

int facts_parse(const struct settings *s, struct arena *a, const char *const *words, int n, struct response *ret,
		const char **ret_error)
{
	struct reader r = {.s = s, .arena = a, .response = ret, .words = words};
	int result = 0;

	*ret = (struct response){
		.source = "try",
		.nps = SCORE_MISSING,
		.csat = SCORE_MISSING,
		.ces = SCORE_MISSING,
		.responded_at = ret->responded_at,
		.received_at = ret->responded_at,
	};
	r.ratings = arena_new_array(a, struct rating, RESPONSE_RATINGS_MAX);
	r.attributes = arena_new_array(a, struct attribute, RESPONSE_ATTRIBUTES_MAX);
	for (; r.at < n && result == 0; r.at++)
		result = take_word(&r, words[r.at]);
	ret->ratings = r.ratings;
	ret->attributes = r.attributes;
	*ret_error = r.error;
	return result;
}
