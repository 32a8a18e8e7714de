/*
 * Text for a terminal; see text.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/text.h"
#include "base/escape.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 120
#define COLUMNS_LEAST 40
#define CELL_BYTES_MAX (64 * 1024)

struct range {
	uint32_t first, last;
};

/* Unicode 15, EastAsianWidth.txt: W and F, joined where only unassigned characters lie between. */
static const struct range wide[] = {
	{0x1100, 0x115f},   {0x231a, 0x231b},   {0x2329, 0x232a},   {0x23e9, 0x23ec},   {0x23f0, 0x23f0},   {0x23f3, 0x23f3},
	{0x25fd, 0x25fe},   {0x2614, 0x2615},   {0x2648, 0x2653},   {0x267f, 0x267f},   {0x2693, 0x2693},   {0x26a1, 0x26a1},
	{0x26aa, 0x26ab},   {0x26bd, 0x26be},   {0x26c4, 0x26c5},   {0x26ce, 0x26ce},   {0x26d4, 0x26d4},   {0x26ea, 0x26ea},
	{0x26f2, 0x26f3},   {0x26f5, 0x26f5},   {0x26fa, 0x26fa},   {0x26fd, 0x26fd},   {0x2705, 0x2705},   {0x270a, 0x270b},
	{0x2728, 0x2728},   {0x274c, 0x274c},   {0x274e, 0x274e},   {0x2753, 0x2755},   {0x2757, 0x2757},   {0x2795, 0x2797},
	{0x27b0, 0x27b0},   {0x27bf, 0x27bf},   {0x2b1b, 0x2b1c},   {0x2b50, 0x2b50},   {0x2b55, 0x2b55},   {0x2e80, 0x303e},
	{0x3041, 0x3247},   {0x3250, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97c},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
	{0xfe10, 0xfe19},   {0xfe30, 0xfe6b},   {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x16fe0, 0x18cff}, {0x1aff0, 0x1b2fb},
	{0x1f004, 0x1f004}, {0x1f0cf, 0x1f0cf}, {0x1f18e, 0x1f18e}, {0x1f191, 0x1f19a}, {0x1f200, 0x1f320}, {0x1f32d, 0x1f335},
	{0x1f337, 0x1f37c}, {0x1f37e, 0x1f393}, {0x1f3a0, 0x1f3ca}, {0x1f3cf, 0x1f3d3}, {0x1f3e0, 0x1f3f0}, {0x1f3f4, 0x1f3f4},
	{0x1f3f8, 0x1f43e}, {0x1f440, 0x1f440}, {0x1f442, 0x1f4fc}, {0x1f4ff, 0x1f53d}, {0x1f54b, 0x1f54e}, {0x1f550, 0x1f567},
	{0x1f57a, 0x1f57a}, {0x1f595, 0x1f596}, {0x1f5a4, 0x1f5a4}, {0x1f5fb, 0x1f64f}, {0x1f680, 0x1f6c5}, {0x1f6cc, 0x1f6cc},
	{0x1f6d0, 0x1f6d2}, {0x1f6d5, 0x1f6df}, {0x1f6eb, 0x1f6ec}, {0x1f6f4, 0x1f6fc}, {0x1f7e0, 0x1f7f0}, {0x1f90c, 0x1f93a},
	{0x1f93c, 0x1f945}, {0x1f947, 0x1f9ff}, {0x1fa70, 0x1faf8}, {0x20000, 0x3fffd},
};

/* The combining marks and joiners that turn up in survey comments; the medial and final Hangul of a decomposed syllable too. */
static const struct range narrowless[] = {
	{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x05bf, 0x05c7}, {0x0610, 0x061a},   {0x064b, 0x065f},
	{0x0670, 0x0670}, {0x06d6, 0x06dc}, {0x06df, 0x06e4}, {0x06e7, 0x06ed}, {0x0900, 0x0902},   {0x093c, 0x093c},
	{0x0941, 0x0948}, {0x094d, 0x094d}, {0x0e31, 0x0e31}, {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e},   {0x1160, 0x11ff},
	{0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200d}, {0x2060, 0x2064}, {0x20d0, 0x20f0},   {0x302a, 0x302d},
	{0x3099, 0x309a}, {0xd7b0, 0xd7ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0x1f3fb, 0x1f3ff},
};

static bool in_ranges(const struct range *r, size_t n, uint32_t code)
{
	size_t low = 0, high = n;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (code > r[mid].last)
			low = mid + 1;
		else
			high = mid;
	}
	return low < n && code >= r[low].first;
}

int text_char_columns(uint32_t code)
{
	if (code < 0x300)
		return 1;
	if (in_ranges(narrowless, ARRAY_SIZE(narrowless), code))
		return 0;
	return in_ranges(wide, ARRAY_SIZE(wide), code) ? 2 : 1;
}

int text_columns(const char *s, size_t n)
{
	uint32_t code;
	int columns = 0;
	size_t used;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(s + i, n - i, &code);
		columns += text_char_columns(code);
	}
	return columns;
}

/* Safe text on one line: white space of any kind becomes a space. */
static void put_one_line(struct buf *out, const char *s)
{
	/* What is past the cap would be cut anyway: no terminal is that wide. */
	size_t n = utf8_clip(s, strlen(s), CELL_BYTES_MAX);

	for (size_t i = 0, part; i < n; i += part + 1) {
		part = MIN(strcspn(s + i, "\t\r\n"), n - i);
		escape_terminal(out, s + i, part);
		if (i + part < n)
			buf_putc(out, ' ');
	}
}

void text_put_clipped(struct buf *out, const char *s, int columns)
{
	struct buf safe CLEANUP(buf_fini) = BUF_INIT(CELL_BYTES_MAX * 10);
	uint32_t code;
	size_t n, used, cut = 0;
	int width = 0;

	put_one_line(&safe, s);
	n = safe.n;
	if (text_columns(buf_str(&safe), n) <= columns) {
		buf_add(out, buf_str(&safe), n);
		return;
	}
	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(safe.p + i, n - i, &code);
		width += text_char_columns(code);
		if (width > columns - 1)
			break;
		cut = i + used;
	}
	buf_add(out, buf_str(&safe), cut);
	buf_puts(out, "…");
}

static void put_spaces(struct buf *out, int n)
{
	while (n-- > 0)
		buf_putc(out, ' ');
}

void text_put_cell(struct buf *out, const char *s, int columns, bool right)
{
	struct buf cell CLEANUP(buf_fini) = BUF_INIT(CELL_BYTES_MAX * 10 + 8);
	int fill;

	text_put_clipped(&cell, s, columns);
	fill = columns - text_columns(buf_str(&cell), cell.n);
	if (right)
		put_spaces(out, fill);
	buf_add(out, buf_str(&cell), cell.n);
	if (!right)
		put_spaces(out, fill);
}

/* One line of the writer, safe by now, broken at spaces. */
static void put_wrapped_line(struct buf *out, const char *s, size_t n, int columns, int indent)
{
	while (n > 0) {
		size_t at = 0, space = 0, used = 0, end;
		int width = 0;
		uint32_t code;

		for (; at < n; at += used) {
			used = utf8_next(s + at, n - at, &code);
			width += text_char_columns(code);
			if (width > columns)
				break;
			if (s[at] == ' ')
				space = at;
		}
		if (at < n && space > 0)
			at = space;
		end = MAX(at, (size_t)1);
		while (at < n && end > 1 && s[end - 1] == ' ')
			end--;
		put_spaces(out, indent);
		buf_add(out, s, end);
		buf_putc(out, '\n');
		s += MAX(at, (size_t)1);
		n -= MAX(at, (size_t)1);
		while (n > 0 && *s == ' ')
			s++, n--;
	}
}

void text_put_wrapped(struct buf *out, const char *s, int columns, int indent)
{
	for (;;) {
		struct buf safe CLEANUP(buf_fini) = BUF_INIT(SIZE_MAX / 2);
		size_t n = strcspn(s, "\n"), line = n && s[n - 1] == '\r' ? n - 1 : n;

		escape_terminal(&safe, s, line);
		if (safe.n)
			put_wrapped_line(out, buf_str(&safe), safe.n, columns, indent);
		else if (s[n])
			buf_putc(out, '\n');
		if (!s[n])
			return;
		s += n + 1;
	}
}

void text_put_count(struct buf *out, int64_t n)
{
	if (n < 1000) {
		buf_printf(out, "%lld", (long long)n);
	} else {
		text_put_count(out, n / 1000);
		buf_printf(out, ",%03lld", (long long)(n % 1000));
	}
}

void text_put_duration(struct buf *out, int64_t us)
{
	int64_t s = (us < 0 ? -us : us) / US_PER_S;

	if (s < 60)
		buf_printf(out, "%d s", (int)s);
	else if (s < 90 * 60)
		buf_printf(out, "%d min", (int)(s / 60));
	else if (s < 36 * 3600)
		buf_printf(out, "%d h", (int)(s / 3600));
	else
		buf_printf(out, "%lld d", (long long)(s / 86400));
}

void text_put_relative(struct buf *out, struct wall_time t, struct wall_time now)
{
	int64_t us;

	if (!wall_is_set(t)) {
		buf_putc(out, '-');
		return;
	}
	us = t.us - now.us;
	if (us > US_PER_S)
		buf_puts(out, "in ");
	else if (us > -US_PER_S) {
		buf_puts(out, "now");
		return;
	}
	text_put_duration(out, us);
	if (us < 0)
		buf_puts(out, " ago");
}

/* escape_terminal() decides what is unsafe: whatever it would change, other than a broken byte. */
static bool json_unsafe(const char *s, size_t n)
{
	char room[16];
	struct buf b = {.p = room, .room = sizeof(room), .cap_bytes = sizeof(room) - 1};

	escape_terminal(&b, s, n);
	return b.n != n || memcmp(room, s, n) != 0;
}

void text_put_json(struct buf *out, const char *json, size_t n)
{
	uint32_t code;
	size_t used, plain = 0;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(json + i, n - i, &code);
		if (used == 1 && code < 0x7f && code != '\n')
			continue;
		if (code != '\n' && !json_unsafe(json + i, used))
			continue;
		buf_add(out, json + plain, i - plain);
		plain = i + used;
		if (code == '\n')
			continue; /* between values; inside a string it is written \n */
		if (code > 0xffff) {
			code -= 0x10000;
			buf_printf(out, "\\u%04x\\u%04x", (unsigned)(0xd800 | code >> 10), (unsigned)(0xdc00 | (code & 0x3ff)));
		} else {
			buf_printf(out, "\\u%04x", (unsigned)code);
		}
	}
	buf_add(out, json + plain, n - plain);
}

int text_terminal_columns(void)
{
	const char *columns = getenv("COLUMNS");
	struct winsize size;
	int n = 0;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		n = size.ws_col;
	if (n == 0 && columns)
		n = atoi(columns);
	if (n <= 0 || n > 10000)
		n = COLUMNS_DEFAULT;
	return MAX(n, COLUMNS_LEAST);
}
