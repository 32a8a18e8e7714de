/*
 * Responses on one line; see response_text.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "support/response_text.h"
#include "base/escape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ITEMS_MAX 256
#define TEXT_BYTES_MAX (8 * 1024 * 1024)

struct past_text {
	struct past past; /* first: response->past points at it */
	const char *names[ITEMS_MAX];
	double values[ITEMS_MAX];
	int n;
};

struct reader {
	struct arena *arena;
	const char *p;
	struct response *r;
	struct past_text *past;
};

struct value {
	enum attribute_type type;
	const char *text; /* as written; TEXT: without quotes */
	double number;
	bool truth;
};

char *text_unescape(struct arena *arena, const char *text)
{
	struct buf out = BUF_INIT(TEXT_BYTES_MAX);
	unsigned code;
	char *copy;
	int used, n;

	while (*text) {
		used = n = 0;
		if (sscanf(text, "\\u{%x}%n", &code, &used) == 1 && used > 0) {
			utf8_put(&out, code);
		} else if (sscanf(text, "\\x{%x}%n", &code, &used) == 1 && used > 0) {
			buf_putc(&out, (char)code);
		} else if (sscanf(text, "\\*{%d:%n", &n, &used) == 1 && used > 0 && strchr(text + used, '}')) {
			int length = (int)strcspn(text + used, "}");

			for (int i = 0; i < n; i++)
				buf_add(&out, text + used, (size_t)length);
			used += length + 1;
		} else {
			buf_putc(&out, *text);
			used = 1;
		}
		text += used;
	}
	copy = arena_strdup(arena, buf_str(&out));
	buf_fini(&out);
	return copy;
}

static void skip_space(struct reader *rd)
{
	rd->p += strspn(rd->p, " \t");
}

/* 'it''s' */
static const char *read_quoted(struct reader *rd)
{
	char *text = arena_alloc(rd->arena, strlen(rd->p) + 1);
	size_t n = 0;

	if (*rd->p++ != '\'')
		return NULL;
	for (; *rd->p; rd->p++) {
		if (*rd->p == '\'' && *++rd->p != '\'') {
			text[n] = '\0';
			return text;
		}
		text[n++] = *rd->p;
	}
	return NULL;
}

static const char *read_name(struct reader *rd)
{
	size_t n = strcspn(rd->p, " \t=.[;");
	const char *name = arena_strndup(rd->arena, rd->p, n);

	rd->p += n;
	return name;
}

static bool read_value(struct reader *rd, struct value *ret)
{
	size_t n = strcspn(rd->p, " \t;");
	char *end;

	*ret = (struct value){.type = ATTRIBUTE_TEXT};
	if (*rd->p == '\'') {
		ret->text = read_quoted(rd);
		return ret->text != NULL;
	}
	ret->text = arena_strndup(rd->arena, rd->p, n);
	rd->p += n;
	if (strcmp(ret->text, "true") == 0 || strcmp(ret->text, "false") == 0) {
		ret->type = ATTRIBUTE_BOOL;
		ret->truth = ret->text[0] == 't';
		return true;
	}
	ret->type = ATTRIBUTE_NUMBER;
	ret->number = strtod(ret->text, &end);
	return n > 0 && *end == '\0';
}

static const char *set_column(struct response *r, const char *name, const struct value *v)
{
	static const struct {
		const char *name;
		size_t at;
	} texts[] = {
#define TEXT(c) {#c, offsetof(struct response, c)}
		TEXT(source),         TEXT(source_id),     TEXT(survey),         TEXT(touchpoint), TEXT(channel),
		TEXT(customer_id),    TEXT(customer_name), TEXT(customer_email), TEXT(account),    TEXT(account_name),
		TEXT(customer_phone), TEXT(region),        TEXT(language),       TEXT(comment),
#undef TEXT
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		if (strcmp(texts[i].name, name) == 0) {
			*(const char **)(void *)((char *)r + texts[i].at) = v->text;
			return NULL;
		}
	if (strcmp(name, "nps") == 0)
		r->nps = (int)v->number;
	else if (strcmp(name, "csat") == 0)
		r->csat = (int)v->number;
	else if (strcmp(name, "ces") == 0)
		r->ces = (int)v->number;
	else if (strcmp(name, "contact_requested") == 0)
		r->contact_requested = v->truth;
	else if (strcmp(name, "id") == 0)
		r->id = (int64_t)v->number;
	else if (strcmp(name, "responded_at") == 0)
		return wall_parse(v->text, &r->responded_at) < 0 ? "responded_at is no time" : NULL;
	else if (strcmp(name, "received_at") == 0)
		return wall_parse(v->text, &r->received_at) < 0 ? "received_at is no time" : NULL;
	else
		return "there is no such column";
	return NULL;
}

static struct response *response_blank(struct arena *arena)
{
	struct response *r = arena_new_obj(arena, struct response);

	*r = (struct response){.nps = SCORE_MISSING,
			       .csat = SCORE_MISSING,
			       .ces = SCORE_MISSING,
			       .responded_at = WALL_NONE,
			       .received_at = WALL_NONE};
	r->ratings = arena_new_array(arena, struct rating, ITEMS_MAX);
	r->attributes = arena_new_array(arena, struct attribute, ITEMS_MAX);
	return r;
}

static struct past_text *past_of(struct reader *rd)
{
	if (!rd->past)
		rd->past = arena_new_obj(rd->arena, struct past_text);
	rd->r->past = &rd->past->past;
	return rd->past;
}

static const char *read_item(struct reader *rd);

/* previous.nps = 9 */
static const char *read_previous(struct reader *rd)
{
	struct past_text *past = past_of(rd);
	struct reader before = *rd;
	const char *problem;

	if (!past->past.previous)
		past->past.previous = response_blank(rd->arena);
	before.r = (struct response *)(uintptr_t)past->past.previous;
	before.p++;
	problem = read_item(&before);
	rd->p = before.p;
	return problem;
}

/* history.detractors(90d) = 3 */
static const char *read_history(struct reader *rd, const char *start)
{
	struct past_text *past = past_of(rd);
	size_t n = strcspn(start, "=");
	struct value v;

	rd->p = start + n + (start[n] == '=');
	skip_space(rd);
	while (n > 0 && start[n - 1] == ' ')
		n--;
	if (past->n == ITEMS_MAX || !read_value(rd, &v))
		return "expected history.X(D) = NUMBER";
	past->names[past->n] = arena_strndup(rd->arena, start, n);
	past->values[past->n++] = v.number;
	return NULL;
}

/* NAME = VALUE, with rating.X, rating['X'], attr.X */
static const char *read_item(struct reader *rd)
{
	const char *start = rd->p;
	const char *name = read_name(rd), *member = NULL;
	struct value v;

	if (strcmp(name, "previous") == 0 && *rd->p == '.')
		return read_previous(rd);
	if (strcmp(name, "history") == 0 && *rd->p == '.')
		return read_history(rd, start);
	if (*rd->p == '.') {
		rd->p++;
		member = read_name(rd);
	} else if (*rd->p == '[') {
		rd->p++;
		member = read_quoted(rd);
		if (!member || *rd->p++ != ']')
			return "expected ['name']";
	}
	skip_space(rd);
	if (*rd->p++ != '=')
		return "expected FACT = VALUE";
	skip_space(rd);
	if (!read_value(rd, &v))
		return "expected a number, a 'text', true or false";
	if (!member && strcmp(name, "past") == 0) {
		past_of(rd)->past.why_missing = *v.text ? v.text : NULL;
		return NULL;
	}
	if (!member)
		return set_column(rd->r, name, &v);
	if (strcmp(name, "rating") == 0 && rd->r->n_ratings < ITEMS_MAX)
		((struct rating *)(uintptr_t)rd->r->ratings)[rd->r->n_ratings++] = (struct rating){member, v.number};
	else if (strcmp(name, "attr") == 0 && rd->r->n_attributes < ITEMS_MAX)
		((struct attribute *)(uintptr_t)rd->r->attributes)[rd->r->n_attributes++] =
			(struct attribute){member, v.type, v.text, v.number, v.truth};
	else
		return "expected rating.NAME or attr.NAME";
	return NULL;
}

const char *response_from_text(struct arena *arena, const char *text, struct response *ret)
{
	struct reader rd = {.arena = arena, .p = text_unescape(arena, text), .r = ret};
	const char *problem;

	*ret = *response_blank(arena);
	for (skip_space(&rd); *rd.p; skip_space(&rd)) {
		problem = read_item(&rd);
		if (problem)
			return problem;
		skip_space(&rd);
		if (*rd.p == ';')
			rd.p++;
		else if (*rd.p)
			return "expected ';'";
	}
	return NULL;
}

const char *response_text_counts(struct arena *arena, const struct ruleset *rs, struct response *r)
{
	const struct history_need *needs;
	struct past_text *given = (struct past_text *)(uintptr_t)r->past;
	int n = ruleset_history(rs, &needs);
	double *counts = arena_new_array(arena, double, (size_t)n + 1);

	if (!given)
		return NULL;
	for (int i = 0; i < n; i++)
		counts[i] = NAN;
	for (int k = 0; k < given->n; k++) {
		int i = 0;

		while (i < n && strcmp(history_text(&needs[i], arena), given->names[k]) != 0)
			i++;
		if (i == n)
			return arena_printf(arena, "the rules don't ask for %s", given->names[k]);
		counts[i] = given->values[k];
	}
	given->past.counts = counts;
	return NULL;
}
