/*
 * Folding; see fold.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/fold.h"
#include "base/escape.h"
#include "rule/rule.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

void fold_room_fini(struct fold_room *room)
{
	free(room->p);
	*room = (struct fold_room){0};
}

void folder_fini(struct folder *f)
{
	fold_room_fini(&f->codes);
	fold_room_fini(&f->repaired);
	fold_room_fini(&f->name);
}

static void *room_for(struct fold_room *room, size_t bytes)
{
	if (room->bytes < bytes) {
		free(room->p);
		room->bytes = MAX(bytes, (size_t)256);
		room->p = xmalloc(room->bytes);
	}
	return room->p;
}

struct slice text_trim(const char *text, size_t n)
{
	n = utf8_trim(&text, n);
	return (struct slice){text, n};
}

bool text_is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

static bool is_tail(unsigned char c)
{
	return (c & 0xc0) == 0x80;
}

/*
 * Three bytes of a character that is its own NFC and its own folding whatever stands beside it: punctuation
 * U+2010..202F, U+3000..3002, kana without the combining voice marks, U+4000..9FFF, Hangul syllables.
 */
static bool is_inert3(unsigned char a, unsigned char b, unsigned char c)
{
	uint32_t code;

	if (!is_tail(b) || !is_tail(c))
		return false;
	code = (uint32_t)(a & 0x0f) << 12 | (uint32_t)(b & 0x3f) << 6 | (c & 0x3f);
	return (code >= 0xac00 && code <= 0xd7a3) || (code >= 0x4000 && code <= 0x9fff) || (code >= 0x2010 && code <= 0x202f) ||
	       (code >= 0x3000 && code <= 0x3002) || (code >= 0x3041 && code <= 0x3096) || (code >= 0x30a1 && code <= 0x30fa) ||
	       code == 0x20ac;
}

enum scan { SCAN_SAME, SCAN_CAPITALS, SCAN_HARD };

/* Whether the fast path will do, and whether it has anything to change. */
static enum scan text_scan(const unsigned char *s, size_t n)
{
	enum scan found = SCAN_SAME;
	size_t i = 0;

	while (i < n) {
		unsigned char c = s[i];

		if (c < 0x80) {
			if (c >= 'A' && c <= 'Z')
				found = SCAN_CAPITALS;
			i++;
		} else if (c == 0xc3 && i + 1 < n && is_tail(s[i + 1])) { /* U+00C0..00FF */
			if (s[i + 1] <= 0x9f && s[i + 1] != 0x97)
				found = SCAN_CAPITALS;
			i += 2;
		} else if (i + 2 < n && is_inert3(c, s[i + 1], s[i + 2]) && (c & 0xf0) == 0xe0) {
			i += 3;
		} else {
			return SCAN_HARD;
		}
	}
	return found;
}

/* ASCII and Latin-1 capitals to small ones, where wanted ß to ss: all of equal length in UTF-8. */
static void lower(const unsigned char *s, size_t n, bool sharp, unsigned char *to)
{
	for (size_t i = 0; i < n; i++) {
		to[i] = s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i];
		if (s[i] != 0xc3 || i + 1 == n)
			continue;
		i++;
		to[i] = s[i] <= 0x9e && s[i] != 0x97 ? s[i] + 0x20 : s[i];
		if (sharp && s[i] == 0x9f)
			to[i - 1] = to[i] = 's';
	}
}

static struct slice repair(struct folder *f, const char *text, size_t n)
{
	char *to = room_for(&f->repaired, n * 3 + 1);
	size_t used = 0;

	for (size_t i = 0, k; i < n; i += k) {
		uint32_t code;

		k = utf8_next(text + i, n - i, &code);
		if (k == 1 && code == 0xfffd) {
			memcpy(to + used, "\xef\xbf\xbd", 3);
			used += 3;
		} else {
			memcpy(to + used, text + i, k);
			used += k;
		}
	}
	return (struct slice){to, used};
}

static struct slice fold_hard(struct folder *f, struct slice text, enum fold_form form, struct fold_room *room)
{
	utf8proc_option_t options = UTF8PROC_COMPOSE | UTF8PROC_STABLE | (form == FOLD_COMPARE ? UTF8PROC_CASEFOLD : 0);
	utf8proc_ssize_t codes, bytes;
	utf8proc_int32_t *buffer = (utf8proc_int32_t *)(void *)f->codes.p;
	utf8proc_ssize_t buffer_n = (utf8proc_ssize_t)(f->codes.bytes / sizeof(*buffer));

	codes = utf8proc_decompose((const utf8proc_uint8_t *)text.p, (utf8proc_ssize_t)text.n, buffer, buffer_n, options);
	if (codes < 0) { /* not UTF-8 */
		text = repair(f, text.p, text.n);
		codes = utf8proc_decompose((const utf8proc_uint8_t *)text.p, (utf8proc_ssize_t)text.n, buffer, buffer_n,
					   options);
	}
	assert(codes >= 0);
	/* utf8proc_reencode() needs one more for its NUL. */
	if (codes + 1 > buffer_n) {
		buffer = room_for(&f->codes, ((size_t)codes + 1) * sizeof(*buffer) * 5 / 4);
		codes = utf8proc_decompose((const utf8proc_uint8_t *)text.p, (utf8proc_ssize_t)text.n, buffer, codes, options);
		assert(codes >= 0);
	}
	if (form == FOLD_LOWER) { /* of what is composed: İ is i, not an i with a dot */
		codes = utf8proc_normalize_utf32(buffer, codes, options);
		for (utf8proc_ssize_t i = 0; i < codes; i++)
			buffer[i] = utf8proc_tolower(buffer[i]);
	}
	bytes = utf8proc_reencode(buffer, codes, options);
	assert(bytes >= 0);
	memcpy(room_for(room, (size_t)bytes + 1), buffer, (size_t)bytes);
	return (struct slice){room->p, (size_t)bytes};
}

struct slice fold_text(struct folder *f, const char *text, size_t n, enum fold_form form, struct fold_room *room)
{
	struct slice in = {text, n};
	enum scan scan = text_scan((const unsigned char *)text, n);

	if (scan == SCAN_HARD) {
		in = fold_hard(f, in, form, room);
	} else if (scan == SCAN_CAPITALS && (form == FOLD_COMPARE || form == FOLD_LOWER)) {
		in.p = room_for(room, n + 1);
		lower((const unsigned char *)text, n, form == FOLD_COMPARE, (unsigned char *)room->p);
	}
	return form == FOLD_PATTERN ? in : text_trim(in.p, in.n);
}

static void fold_into(const char *text, enum fold_form form, struct buf *out)
{
	struct folder f = {0};
	struct fold_room room = {0};
	struct slice s = fold_text(&f, text, strlen(text), form, &room);

	buf_add(out, s.p, s.n);
	fold_room_fini(&room);
	folder_fini(&f);
}

void rule_fold(const char *text, struct buf *out)
{
	fold_into(text, FOLD_COMPARE, out);
}

void rule_lower(const char *text, struct buf *out)
{
	fold_into(text, FOLD_LOWER, out);
}
