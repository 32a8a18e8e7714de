/*
 * The facts of a judgement, read back; see explain_facts.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain_facts.h"
#include "base/escape.h"
#include "cli/facts.h"
#include "intake/decode.h"
#include "rule/number.h"
#include "rule/set.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUE_BYTES_MAX 400

static void json_freep(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

static json_t *object_read(const char *json)
{
	json_error_t error;
	json_t *j = json_loads(json, JSON_ALLOW_NUL, &error);

	if (j && !json_is_object(j)) {
		json_decref(j);
		j = NULL;
	}
	return j;
}

/* ---- facts into a response ---- */

static int score_of(const json_t *facts, const char *name)
{
	const json_t *value = json_object_get(facts, name);

	return json_is_number(value) ? (int)json_number_value(value) : SCORE_MISSING;
}

static struct wall_time time_of(const json_t *facts, const char *name)
{
	const char *text = json_string_value(json_object_get(facts, name));
	struct wall_time t;

	return text && wall_parse(text, &t) == 0 ? t : WALL_NONE;
}

/* "rating" and "attr" have the shape of the columns that they were read from. */
static void group_read(const json_t *facts, const char *name, struct arena *a, struct response *ret)
{
	const json_t *group = json_object_get(facts, name);
	char *text = group ? json_dumps(group, JSON_COMPACT) : NULL;
	const char *why;

	if (text && name[0] == 'r')
		decode_ratings(text, strlen(text), a, ret, &why);
	else if (text)
		decode_attributes(text, strlen(text), a, ret, &why);
	free(text);
}

static void response_read(const json_t *facts, struct arena *a, struct response *ret)
{
	*ret = (struct response){
		.nps = score_of(facts, "nps"),
		.csat = score_of(facts, "csat"),
		.ces = score_of(facts, "ces"),
		.contact_requested = json_is_true(json_object_get(facts, "contact_requested")),
		.responded_at = time_of(facts, "responded_at"),
		.received_at = time_of(facts, "received_at"),
	};
	for (int i = 0; response_text_columns[i]; i++)
		*facts_text(ret, response_text_columns[i]) =
			arena_strdup(a, json_string_value(json_object_get(facts, response_text_columns[i])));
	group_read(facts, "rating", a, ret);
	group_read(facts, "attr", a, ret);
}

/* ---- the past ---- */

/* What a function made of its time is all that may be recorded of the answer before. */
static bool tells_when(const json_t *facts, const struct ruleset *rs)
{
	for (int i = 0; i < rs->n_inputs; i++) {
		const struct input *in = &rs->inputs[i];

		if (in->used && in->of && in->of->previous && json_is_number(json_object_get(facts, in->name)))
			return true;
	}
	return false;
}

static struct past *past_read(const json_t *facts, const struct ruleset *rs, struct arena *a)
{
	struct past *past = arena_new_obj(a, struct past);
	const json_t *previous = json_object_get(facts, "previous"), *history = json_object_get(facts, "history");
	double *counts = arena_new_array(a, double, (size_t)rs->n_histories + 1);
	struct response *before;

	if (json_is_object(previous) || tells_when(facts, rs)) {
		before = arena_new_obj(a, struct response);
		response_read(json_is_object(previous) ? previous : NULL, a, before);
		past->previous = before;
	}
	for (int i = 0; i < rs->n_histories; i++)
		counts[i] = NAN;
	for (int i = 0; i < rs->n_inputs; i++) {
		const struct input *in = &rs->inputs[i];
		const json_t *value = in->used && in->source == INPUT_HISTORY ? json_object_get(history, in->name) : NULL;

		if (json_is_number(value))
			counts[in->count] = json_number_value(value);
	}
	past->counts = counts;
	return past;
}

/* ---- times that functions were asked about ---- */

/* Whose it is: the answer's, or the one's before it. */
static struct response *owner_of(const struct input *in, struct response *r)
{
	return in->previous ? (struct response *)(r->past ? r->past->previous : NULL) : r;
}

static void attribute_add(struct response *r, const char *name, const char *text, struct arena *a)
{
	struct attribute *more = arena_new_array(a, struct attribute, (size_t)r->n_attributes + 1);

	if (r->n_attributes)
		memcpy(more, r->attributes, sizeof(*more) * (size_t)r->n_attributes);
	more[r->n_attributes++] = (struct attribute){.name = name, .type = ATTRIBUTE_TEXT, .text = text};
	r->attributes = more;
}

/*
 * What is recorded is the number that a function made of a time. The time itself is told from it where that can be done, else it is
 * the one of now.
 */
static void time_restore(const json_t *facts, const struct input *in, const struct response *row, struct response *r,
			 struct arena *a)
{
	struct response *to = owner_of(in->of, r);
	const json_t *value = json_object_get(facts, in->name);
	struct wall_time t;
	char text[WALL_TEXT_BYTES];

	if (!to || !json_is_number(value) || input_time(in->of, r, &t))
		return;
	if (in->source == INPUT_DAYS)
		t.us = r->responded_at.us - llround(json_number_value(value) * 86400 * (double)US_PER_S);
	else if (!input_time(in->of, row, &t))
		return;
	if (in->of->column)
		memcpy((char *)to + in->of->column->at, &t, sizeof(t));
	else
		attribute_add(to, in->of->name, arena_strdup(a, wall_text(t, text)), a);
}

int facts_read(const char *json, const struct ruleset *rs, const struct response *row, struct arena *a, struct response *ret)
{
	json_t *facts CLEANUP(json_freep) = object_read(json);

	if (!facts)
		return -EINVAL;
	response_read(facts, a, ret);
	ret->id = row->id;
	if (!wall_is_set(ret->responded_at))
		ret->responded_at = row->responded_at;
	if (!wall_is_set(ret->received_at))
		ret->received_at = row->received_at;
	if (rs->needs_previous || rs->n_histories)
		ret->past = past_read(facts, rs, a);
	for (int exactly = 1; exactly >= 0; exactly--)
		for (int i = 0; i < rs->n_inputs; i++) {
			const struct input *in = &rs->inputs[i];

			if (in->used && in->of && (in->source == INPUT_DAYS) == exactly)
				time_restore(facts, in, row, ret, a);
		}
	return 0;
}

bool facts_ask_when(const struct ruleset *rs)
{
	for (int i = 0; i < rs->n_inputs; i++) {
		const struct input *in = &rs->inputs[i];

		if (in->used && in->of && in->of->previous && in->source != INPUT_DAYS)
			return true;
	}
	return false;
}

/* ---- what differs ---- */

struct comparison {
	struct arena *arena;
	struct fact_change *changes;
	int n;
};

static const char *value_text(struct comparison *c, const json_t *value)
{
	char number[NUMBER_TEXT_BYTES];
	const char *text = json_string_value(value);
	size_t n;

	if (json_is_number(value))
		return arena_strdup(c->arena, number_text(json_number_value(value), number));
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	if (!text)
		return NULL;
	n = utf8_clip(text, strlen(text), VALUE_BYTES_MAX);
	return arena_printf(c->arena, "'%.*s%s'", (int)n, text, text[n] ? "…" : "");
}

static void compare_value(struct comparison *c, const char *group, const char *name, const json_t *then, const json_t *now)
{
	if (c->n == FACT_CHANGES_MAX || (then && now && json_equal(then, now)))
		return;
	c->changes[c->n++] = (struct fact_change){
		*group ? arena_printf(c->arena, "%s.%s", group, name) : arena_strdup(c->arena, name),
		value_text(c, then),
		value_text(c, now),
	};
}

static bool moves_by_itself(const char *name)
{
	return str_eq(name, "previous") || str_eq(name, "history") || strstr(name, "(previous.");
}

static void compare_objects(struct comparison *c, const char *group, json_t *then, json_t *now)
{
	const char *name;
	json_t *value;

	json_object_foreach(then, name, value)
	{
		json_t *other = json_object_get(now, name);

		if (!*group && moves_by_itself(name))
			continue;
		if (json_is_object(value))
			compare_objects(c, name, value, json_is_object(other) ? other : NULL);
		else
			compare_value(c, group, name, value, other);
	}
	json_object_foreach(now, name, value)
	{
		if (json_object_get(then, name) || (!*group && moves_by_itself(name)))
			continue;
		if (json_is_object(value))
			compare_objects(c, name, NULL, value);
		else
			compare_value(c, group, name, NULL, value);
	}
}

int facts_compare(const char *then, const char *now, struct arena *a, struct fact_change *ret)
{
	json_t *before CLEANUP(json_freep) = object_read(then), *after CLEANUP(json_freep) = object_read(now);
	struct comparison c = {.arena = a, .changes = ret};

	if (before && after)
		compare_objects(&c, "", before, after);
	return c.n;
}
