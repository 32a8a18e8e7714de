/*
 * Escaping of hostile text; see escape.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"

#include <string.h>

#define REPLACEMENT 0xfffd

size_t utf8_next(const char *text, size_t n, uint32_t *ret_code)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *s = (const unsigned char *)text;
	size_t need;
	uint32_t code;

	*ret_code = REPLACEMENT;
	if (n == 0)
		return 0;
	if (s[0] < 0x80) {
		*ret_code = s[0];
		return 1;
	}
	need = s[0] >= 0xf0 && s[0] <= 0xf4 ? 4 : s[0] >= 0xe0 && s[0] < 0xf0 ? 3 : s[0] >= 0xc2 && s[0] < 0xe0 ? 2 : 0;
	if (need == 0 || need > n)
		return 1;
	code = s[0] & (0xffu >> (need + 1));
	for (size_t i = 1; i < need; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 1;
		code = code << 6 | (s[i] & 0x3f);
	}
	if (code < least[need] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff))
		return 1;
	*ret_code = code;
	return need;
}

/* White space of Unicode, and the two invisible ones that forms send instead of nothing (ZWSP, BOM). */
static bool is_space(uint32_t c)
{
	return c == ' ' || (c >= 0x09 && c <= 0x0d) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200b) ||
	       c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000 || c == 0xfeff;
}

size_t utf8_trim(const char **text, size_t n)
{
	const char *s = *text;
	uint32_t code;
	size_t k;

	while (n > 0) {
		k = utf8_next(s, n, &code);
		if (!is_space(code))
			break;
		s += k;
		n -= k;
	}
	while (n > 0) {
		for (k = 1; k < n && k < 3 && ((unsigned char)s[n - k] & 0xc0) == 0x80;)
			k++;
		if (utf8_next(s + n - k, k, &code) != k || !is_space(code))
			break;
		n -= k;
	}
	*text = s;
	return n;
}

bool str_blank(const char *s)
{
	return !s || utf8_trim(&s, strlen(s)) == 0;
}

void utf8_put(struct buf *out, uint32_t c)
{
	char b[4];

	if (c < 0x80) {
		buf_putc(out, (char)c);
	} else if (c < 0x800) {
		b[0] = (char)(0xc0 | c >> 6);
		b[1] = (char)(0x80 | (c & 0x3f));
		buf_add(out, b, 2);
	} else if (c < 0x10000) {
		b[0] = (char)(0xe0 | c >> 12);
		b[1] = (char)(0x80 | (c >> 6 & 0x3f));
		b[2] = (char)(0x80 | (c & 0x3f));
		buf_add(out, b, 3);
	} else {
		b[0] = (char)(0xf0 | c >> 18);
		b[1] = (char)(0x80 | (c >> 12 & 0x3f));
		b[2] = (char)(0x80 | (c >> 6 & 0x3f));
		b[3] = (char)(0x80 | (c & 0x3f));
		buf_add(out, b, 4);
	}
}

size_t utf8_clip(const char *s, size_t n, size_t max_bytes)
{
	size_t k = max_bytes;

	if (n <= max_bytes)
		return n;
	while (k > 0 && ((unsigned char)s[k] & 0xc0) == 0x80)
		k--;
	return k;
}

#define BLOCK 16

typedef uint8_t block __attribute__((vector_size(BLOCK)));

/* Nothing that has to be escaped or is more than a byte long: most of any text, BLOCK bytes at a time. */
static bool is_plain(const char *s)
{
	uint64_t odd[BLOCK / sizeof(uint64_t)];
	block c, found;

	memcpy(&c, s, BLOCK);
	found = (block)((c < 0x20) | (c >= 0x7f) | (c == '"') | (c == '\\') | (c == '<'));
	memcpy(odd, &found, BLOCK);
	return (odd[0] | odd[1]) == 0;
}

void escape_json(struct buf *out, const char *s, size_t n)
{
	size_t plain = 0, i = 0;

	while (i < n) {
		unsigned char c = (unsigned char)s[i];
		uint32_t code;
		size_t used;

		if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\' && c != '<') {
			i += n - i >= BLOCK && is_plain(s + i) ? BLOCK : 1;
			continue;
		}
		used = utf8_next(s + i, n - i, &code);
		if (used > 1 && code != 0x2028 && code != 0x2029) {
			i += used;
			continue;
		}
		buf_add(out, s + plain, i - plain);
		switch (code) {
		case '"': buf_puts(out, "\\\""); break;
		case '\\': buf_puts(out, "\\\\"); break;
		case '\n': buf_puts(out, "\\n"); break;
		case '\r': buf_puts(out, "\\r"); break;
		case '\t': buf_puts(out, "\\t"); break;
		case REPLACEMENT: utf8_put(out, code); break;
		default: buf_printf(out, "\\u%04x", (unsigned)code); break;
		}
		i += used;
		plain = i;
	}
	buf_add(out, s + plain, n - plain);
}

void json_put_string(struct buf *out, const char *s)
{
	if (!s) {
		buf_puts(out, "null");
		return;
	}
	buf_putc(out, '"');
	escape_json(out, s, strlen(s));
	buf_putc(out, '"');
}

static bool terminal_unsafe(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f ||
	       (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0xfeff || (c >= 0xe0000 && c <= 0xe007f);
}

void escape_terminal(struct buf *out, const char *s, size_t n)
{
	uint32_t code;
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(s + i, n - i, &code);
		if (terminal_unsafe(code))
			buf_printf(out, "\\u{%X}", (unsigned)code);
		else
			utf8_put(out, code);
	}
}

void escape_html(struct buf *out, const char *s, size_t n)
{
	uint32_t code;
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(s + i, n - i, &code);
		switch (code) {
		case '&': buf_puts(out, "&amp;"); break;
		case '<': buf_puts(out, "&lt;"); break;
		case '>': buf_puts(out, "&gt;"); break;
		case '"': buf_puts(out, "&quot;"); break;
		case '\'': buf_puts(out, "&#39;"); break;
		default:
			if ((code < 0x20 && code != '\n' && code != '\t' && code != '\r') || (code >= 0x7f && code <= 0x9f))
				code = REPLACEMENT;
			utf8_put(out, code);
		}
	}
}
