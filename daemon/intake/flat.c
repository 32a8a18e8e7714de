/*
 * Flat JSON objects; see flat.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/flat.h"

#include <string.h>

#define INTEGER_DIGITS_MAX 18 /* fits an int64_t whatever the digits are */
#define REAL_BYTES_MAX 32

struct cursor {
	const char *p, *end;
};

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && *c->p == ' ')
		c->p++;
}

static bool take(struct cursor *c, char wanted)
{
	skip_space(c);
	if (c->p == c->end || *c->p != wanted)
		return false;
	c->p++;
	return true;
}

/* Behind its opening quote. */
static bool take_text(struct cursor *c, const char **ret, size_t *ret_n)
{
	const char *from = c->p;

	while (c->p < c->end && *c->p != '"' && *c->p != '\\' && (unsigned char)*c->p >= ' ')
		c->p++;
	if (c->p == c->end || *c->p != '"')
		return false;
	*ret = from;
	*ret_n = (size_t)(c->p - from);
	c->p++;
	return true;
}

static size_t take_digits(struct cursor *c)
{
	const char *from = c->p;

	while (c->p < c->end && *c->p >= '0' && *c->p <= '9')
		c->p++;
	return (size_t)(c->p - from);
}

/* -12, 3.5; no exponents. */
static bool take_number(struct cursor *c, struct flat_member *m)
{
	size_t digits;
	const char *first;

	m->text = c->p;
	m->kind = FLAT_INTEGER;
	if (c->p < c->end && *c->p == '-')
		c->p++;
	first = c->p;
	digits = take_digits(c);
	if (digits == 0 || digits > INTEGER_DIGITS_MAX || (digits > 1 && *first == '0'))
		return false;
	if (c->p < c->end && *c->p == '.') {
		c->p++;
		m->kind = FLAT_REAL;
		if (take_digits(c) == 0)
			return false;
	}
	m->n = (size_t)(c->p - m->text);
	return m->n <= REAL_BYTES_MAX;
}

static bool take_word(struct cursor *c, const char *word, struct flat_member *m, enum flat_kind kind)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n) != 0)
		return false;
	m->text = c->p;
	m->n = n;
	m->kind = kind;
	c->p += n;
	return true;
}

static bool take_value(struct cursor *c, struct flat_member *m)
{
	skip_space(c);
	if (c->p == c->end)
		return false;
	switch (*c->p) {
	case '"':
		c->p++;
		m->kind = FLAT_TEXT;
		return take_text(c, &m->text, &m->n);
	case 't': return take_word(c, "true", m, FLAT_TRUE);
	case 'f': return take_word(c, "false", m, FLAT_FALSE);
	case 'n': return take_word(c, "null", m, FLAT_NULL);
	default: return take_number(c, m);
	}
}

int flat_read(const char *json, size_t n, struct flat_member *ret, int max)
{
	struct cursor c = {json, json + n};
	int count = 0;

	if (!take(&c, '{'))
		return -1;
	if (take(&c, '}'))
		return c.p == c.end ? 0 : -1;
	do {
		if (count == max || !take(&c, '"') || !take_text(&c, &ret[count].name, &ret[count].name_n) || !take(&c, ':') ||
		    !take_value(&c, &ret[count]))
			return -1;
		count++;
	} while (take(&c, ','));
	return take(&c, '}') && c.p == c.end ? count : -1;
}

int64_t flat_integer(const struct flat_member *m)
{
	bool negative = *m->text == '-';
	int64_t v = 0;

	for (size_t i = negative; i < m->n; i++)
		v = v * 10 + (m->text[i] - '0');
	return negative ? -v : v;
}
