/*
 * JSON columns of a response; see decode.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/decode.h"
#include "intake/flat.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static void json_freep(json_t **j)
{
	json_decref(*j);
	*j = NULL;
}

/* What most responses have. */
static bool is_empty_object(const char *json, size_t n)
{
	return n == 2 && memcmp(json, "{}", 2) == 0;
}

/* The least is "":0, so a short text needs no room for them all: clearing it, as the compiler does on the stack, would be half the work. */
static int members_at_most(size_t n, int most)
{
	return (int)MIN(n / 4 + 1, (size_t)most);
}

/* The object of a jsonb column; *ret is NULL for "{}" and for values that are no object (nothing to read). */
static int decode_object(const char *json, size_t n, const char *column, struct arena *a, json_t **ret, const char **ret_why)
{
	json_error_t error;
	json_t *j;

	*ret = NULL;
	if (!json || n == 0 || is_empty_object(json, n))
		return 0;
	j = json_loadb(json, n, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	if (!j) {
		*ret_why = arena_printf(a, "%s cannot be read: %s", column, error.text);
		return -EINVAL;
	}
	if (!json_is_object(j)) {
		json_decref(j);
		return 0;
	}
	*ret = j;
	return 0;
}

/* A number, or a text that is one from end to end ("4", "3.5"). */
static bool decode_number(const json_t *value, double *ret)
{
	const char *text = json_string_value(value);
	char *end;

	if (json_is_number(value)) {
		*ret = json_number_value(value);
		return true;
	}
	if (!text || !*text || strspn(text, "0123456789.") != strlen(text))
		return false;
	*ret = strtod(text, &end);
	return *end == '\0';
}

/* As decode_number(), of a part of a text. */
static bool flat_number(const struct flat_member *m, struct arena *a, double *ret)
{
	const char *text;
	char *end;

	if (m->kind == FLAT_INTEGER) {
		*ret = (double)flat_integer(m);
		return true;
	}
	if ((m->kind != FLAT_REAL && m->kind != FLAT_TEXT) || m->n == 0)
		return false;
	text = arena_strndup(a, m->text, m->n);
	if (m->kind == FLAT_TEXT && strspn(text, "0123456789.") != m->n)
		return false;
	*ret = strtod(text, &end);
	return *end == '\0';
}

static void flat_ratings(const struct flat_member *m, int n, struct arena *a, struct response *r)
{
	struct rating *ratings = arena_alloc(a, sizeof(*ratings) * (size_t)n);
	double number;

	for (int i = 0; i < n; i++)
		if (flat_number(&m[i], a, &number))
			ratings[r->n_ratings++] = (struct rating){arena_strndup(a, m[i].name, m[i].name_n), number};
	r->ratings = ratings;
}

static bool flat_scalar(const struct flat_member *m, struct arena *a, struct attribute *ret)
{
	*ret = (struct attribute){.text = arena_strndup(a, m->text, m->n)};
	switch (m->kind) {
	case FLAT_TEXT: ret->type = ATTRIBUTE_TEXT; break;
	case FLAT_INTEGER:
		ret->type = ATTRIBUTE_NUMBER;
		ret->number = (double)flat_integer(m);
		if (ret->number == 0) /* "-0" */
			ret->text = "0";
		break;
	case FLAT_REAL:
		ret->type = ATTRIBUTE_NUMBER;
		ret->number = strtod(ret->text, NULL);
		ret->text = arena_printf(a, "%.15g", ret->number);
		break;
	case FLAT_TRUE:
	case FLAT_FALSE:
		ret->type = ATTRIBUTE_BOOL;
		ret->truth = m->kind == FLAT_TRUE;
		break;
	case FLAT_NULL: return false;
	}
	return true;
}

static void flat_attributes(const struct flat_member *m, int n, struct arena *a, struct response *r)
{
	struct attribute *attributes = arena_alloc(a, sizeof(*attributes) * (size_t)n);

	for (int i = 0; i < n; i++) {
		struct attribute *at = &attributes[r->n_attributes];

		if (!flat_scalar(&m[i], a, at))
			continue;
		at->name = arena_strndup(a, m[i].name, m[i].name_n);
		r->n_attributes++;
	}
	r->attributes = attributes;
}

int decode_ratings(const char *json, size_t n, struct arena *a, struct response *r, const char **ret_why)
{
	json_t *object CLEANUP(json_freep) = NULL;
	struct flat_member *members;
	struct rating *ratings;
	const char *key;
	json_t *value;
	int e;

	r->ratings = NULL;
	r->n_ratings = 0;
	if (!json || is_empty_object(json, n))
		return 0;
	members = arena_alloc(a, sizeof(*members) * (size_t)members_at_most(n, RESPONSE_RATINGS_MAX));
	e = flat_read(json, n, members, members_at_most(n, RESPONSE_RATINGS_MAX));
	if (e >= 0) {
		if (e > 0)
			flat_ratings(members, e, a, r);
		return 0;
	}
	e = decode_object(json, n, "ratings", a, &object, ret_why);
	if (e < 0 || !object)
		return e;
	if (json_object_size(object) > RESPONSE_RATINGS_MAX) {
		*ret_why = arena_printf(a, "more than %d ratings", RESPONSE_RATINGS_MAX);
		return -EINVAL;
	}
	ratings = arena_new_array(a, struct rating, json_object_size(object));
	json_object_foreach(object, key, value)
	{
		double number;

		if (!decode_number(value, &number))
			continue;
		ratings[r->n_ratings].name = arena_strdup(a, key);
		ratings[r->n_ratings++].value = number;
	}
	r->ratings = ratings;
	return 0;
}

static bool decode_scalar(const json_t *value, struct arena *a, struct attribute *ret)
{
	if (json_is_string(value)) {
		ret->type = ATTRIBUTE_TEXT;
		ret->text = arena_strdup(a, json_string_value(value));
	} else if (json_is_boolean(value)) {
		ret->type = ATTRIBUTE_BOOL;
		ret->truth = json_is_true(value);
		ret->text = ret->truth ? "true" : "false";
	} else if (json_is_integer(value)) {
		ret->type = ATTRIBUTE_NUMBER;
		ret->number = (double)json_integer_value(value);
		ret->text = arena_printf(a, "%lld", (long long)json_integer_value(value));
	} else if (json_is_real(value)) {
		ret->type = ATTRIBUTE_NUMBER;
		ret->number = json_real_value(value);
		ret->text = arena_printf(a, "%.15g", ret->number);
	} else {
		return false;
	}
	return true;
}

int decode_attributes(const char *json, size_t n, struct arena *a, struct response *r, const char **ret_why)
{
	json_t *object CLEANUP(json_freep) = NULL;
	struct flat_member *members;
	struct attribute *attributes;
	const char *key;
	json_t *value;
	int e;

	r->attributes = NULL;
	r->n_attributes = 0;
	if (!json || is_empty_object(json, n))
		return 0;
	members = arena_alloc(a, sizeof(*members) * (size_t)members_at_most(n, RESPONSE_ATTRIBUTES_MAX));
	e = flat_read(json, n, members, members_at_most(n, RESPONSE_ATTRIBUTES_MAX));
	if (e >= 0) {
		if (e > 0)
			flat_attributes(members, e, a, r);
		return 0;
	}
	e = decode_object(json, n, "attributes", a, &object, ret_why);
	if (e < 0 || !object)
		return e;
	if (json_object_size(object) > RESPONSE_ATTRIBUTES_MAX) {
		*ret_why = arena_printf(a, "more than %d attributes", RESPONSE_ATTRIBUTES_MAX);
		return -EINVAL;
	}
	attributes = arena_new_array(a, struct attribute, json_object_size(object));
	json_object_foreach(object, key, value)
	{
		struct attribute *at = &attributes[r->n_attributes];

		if (!decode_scalar(value, a, at))
			continue;
		at->name = arena_strdup(a, key);
		r->n_attributes++;
	}
	r->attributes = attributes;
	return 0;
}
