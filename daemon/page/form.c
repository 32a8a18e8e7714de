/*
 * Reading what browsers send; see form.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/form.h"

#include "base/escape.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int hex(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Browsers write a line end as CR LF; a single CR counts as one, too. */
static bool text_clean(char *s, size_t n)
{
	char *out = s;
	uint32_t code;
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(s + i, n - i, &code);
		if (code == 0xfffd && used == 1)
			return false;
		if ((code < 0x20 && code != '\t' && code != '\r' && code != '\n') || code == 0x7f)
			return false;
	}
	for (size_t i = 0; i < n; i++)
		if (s[i] != '\r')
			*out++ = s[i];
		else if (i + 1 == n || s[i + 1] != '\n')
			*out++ = '\n';
	*out = '\0';
	return true;
}

static const char *decode(const char *text, size_t n, struct arena *a)
{
	char *out = arena_alloc(a, n + 1);
	size_t k = 0;

	for (size_t i = 0; i < n; i++) {
		if (text[i] == '+') {
			out[k++] = ' ';
		} else if (text[i] == '%') {
			if (i + 2 >= n || hex(text[i + 1]) < 0 || hex(text[i + 2]) < 0)
				return NULL;
			out[k++] = (char)(hex(text[i + 1]) << 4 | hex(text[i + 2]));
			i += 2;
		} else {
			out[k++] = text[i];
		}
	}
	return text_clean(out, k) ? out : NULL;
}

int form_parse(const char *text, size_t n, struct arena *a, struct form *ret)
{
	size_t from = 0;

	*ret = (struct form){.fields = arena_new_array(a, struct form_field, FORM_FIELDS_MAX)};
	while (from < n) {
		const char *and = memchr(text + from, '&', n - from);
		size_t end = and? (size_t)(and-text) : n;
		const char *equal = memchr(text + from, '=', end - from);
		size_t name_end = equal ? (size_t)(equal - text) : end;
		struct form_field *f = &ret->fields[ret->n];

		if (end > from) {
			if (ret->n == FORM_FIELDS_MAX)
				return -EINVAL;
			f->name = decode(text + from, name_end - from, a);
			f->value = equal ? decode(equal + 1, end - name_end - 1, a) : "";
			if (!f->name || !f->value)
				return -EINVAL;
			ret->n++;
		}
		from = end + 1;
	}
	return 0;
}

const char *form_get(const struct form *f, const char *name)
{
	for (int i = 0; i < f->n; i++)
		if (strcmp(f->fields[i].name, name) == 0)
			return f->fields[i].value;
	return NULL;
}

int64_t form_number(const struct form *f, const char *name, int64_t most)
{
	const char *s = form_get(f, name);
	int64_t v = 0;

	if (!s || !*s)
		return -1;
	for (; *s; s++) {
		if (*s < '0' || *s > '9' || v > (most - (*s - '0')) / 10)
			return -1;
		v = v * 10 + (*s - '0');
	}
	return v;
}

void form_put_value(struct buf *out, const char *value)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";

	for (; *value; value++)
		if (strchr(plain, *value))
			buf_putc(out, *value);
		else
			buf_printf(out, "%%%02X", (unsigned char)*value);
}
