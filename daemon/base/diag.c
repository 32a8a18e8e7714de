/*
 * Diagnostics; see diag.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/diag.h"
#include "base/escape.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define NEAREST_WORD_MAX 64
#define DIAG_LOG_BYTES_MAX 8192

struct diag_list *diag_list_new(void)
{
	struct diag_list *l = xcalloc(1, sizeof(*l));

	l->arena = arena_new(0);
	return l;
}

struct diag_list *diag_list_free(struct diag_list *l)
{
	if (l) {
		arena_free(l->arena);
		free(l->items);
		free(l);
	}
	return NULL;
}

void diag_list_freep(struct diag_list **l)
{
	*l = diag_list_free(*l);
}

struct diag *diag_add(struct diag_list *l, enum diag_level level, struct text_pos pos, const char *fmt, ...)
{
	struct diag *d;
	va_list ap;

	if (level == DIAG_ERROR)
		l->errors++;
	else
		l->warnings++;
	if (l->n == DIAG_MAX)
		return NULL;
	if (l->n == l->room) {
		l->room = l->room ? l->room * 2 : 16;
		l->items = xrealloc(l->items, (size_t)l->room * sizeof(*l->items));
	}
	d = &l->items[l->n++];
	*d = (struct diag){.level = level, .pos = {arena_strdup(l->arena, pos.file), pos.line}};
	va_start(ap, fmt);
	d->text = arena_vprintf(l->arena, fmt, ap);
	va_end(ap);
	return d;
}

void diag_excerpt(struct diag_list *l, struct diag *d, const char *excerpt, int column, int length, const char *hint)
{
	if (!d)
		return;
	d->excerpt = arena_strdup(l->arena, excerpt);
	d->column = column;
	d->length = length > 0 ? length : 1;
	d->hint = arena_strdup(l->arena, hint);
}

static int diag_order(const void *pa, const void *pb)
{
	const struct diag *a = pa, *b = pb;
	int r = strcmp(a->pos.file ? a->pos.file : "", b->pos.file ? b->pos.file : "");

	return r ? r : (a->pos.line > b->pos.line) - (a->pos.line < b->pos.line);
}

/* Stable order for equal lines: insertion sort, a list has at most DIAG_MAX items. */
static void diag_sort(struct diag_list *l)
{
	for (int i = 1; i < l->n; i++) {
		struct diag d = l->items[i];
		int at = i;

		for (; at > 0 && diag_order(&l->items[at - 1], &d) > 0; at--)
			l->items[at] = l->items[at - 1];
		l->items[at] = d;
	}
}

/* Columns a text takes on a terminal, near enough for a caret: 2 for wide characters (Hangul, kana, han). */
static int text_columns(const char *s, int bytes)
{
	int columns = 0;

	for (int i = 0; i < bytes && s[i]; i++) {
		unsigned char c = (unsigned char)s[i];

		if ((c & 0xc0) == 0x80)
			continue;
		columns += c >= 0xe1 && c <= 0xed ? 2 : 1;
	}
	return columns;
}

/* A piece of an excerpt as a terminal shows it, a tab as one blank; returns the columns it takes. */
static int put_piece(struct buf *out, const char *s, size_t n)
{
	size_t before = out->n;

	for (size_t i = 0, plain; i < n; i += plain) {
		const char *tab = memchr(s + i, '\t', n - i);

		plain = tab ? (size_t)(tab - s) - i : n - i;
		escape_terminal(out, s + i, plain);
		if (tab) {
			buf_putc(out, ' ');
			plain++;
		}
	}
	return text_columns(buf_str(out) + before, (int)(out->n - before));
}

/* The line without its indentation, and a caret under what is meant. */
static void diag_print_excerpt(const struct diag *d, struct buf *out)
{
	const char *meant = d->excerpt + d->column, *start = d->excerpt + strspn(d->excerpt, " \t");
	size_t length = strnlen(meant, (size_t)d->length);
	int indent, width;

	if (start > meant)
		start = meant;
	buf_puts(out, "    ");
	indent = put_piece(out, start, (size_t)(meant - start));
	width = put_piece(out, meant, length);
	put_piece(out, meant + length, strlen(meant + length));
	buf_printf(out, "\n    %*s^", indent, "");
	for (int i = 1; i < width; i++)
		buf_putc(out, '~');
	if (d->hint)
		buf_printf(out, " %s", d->hint);
	buf_putc(out, '\n');
}

static void diag_print_head(const struct diag *d, struct buf *out)
{
	if (d->pos.file && d->pos.line > 0)
		buf_printf(out, "%s:%d: ", d->pos.file, d->pos.line);
	else if (d->pos.file)
		buf_printf(out, "%s: ", d->pos.file);
	if (d->level == DIAG_WARNING)
		buf_puts(out, "warning: ");
	escape_terminal(out, d->text, strlen(d->text));
}

static void diag_print_one(const struct diag *d, struct buf *out)
{
	diag_print_head(d, out);
	buf_putc(out, '\n');
	if (d->excerpt)
		diag_print_excerpt(d, out);
	else if (d->hint)
		buf_printf(out, "    %s\n", d->hint);
}

void diag_print(struct diag_list *l, struct buf *out)
{
	diag_sort(l);
	for (int i = 0; i < l->n; i++)
		diag_print_one(&l->items[i], out);
	if (l->errors + l->warnings > l->n)
		buf_printf(out, "and %d more\n", l->errors + l->warnings - l->n);
}

void diag_log(struct diag_list *l, const char *what)
{
	diag_sort(l);
	for (int i = 0; i < l->n; i++) {
		const struct diag *d = &l->items[i];
		struct buf text CLEANUP(buf_fini) = BUF_INIT(DIAG_LOG_BYTES_MAX);
		char *copy, *line;

		diag_print_one(d, &text);
		copy = xstrdup(buf_str(&text));
		for (char *at = copy; (line = strsep(&at, "\n")) && *line;)
			log_line(d->level == DIAG_ERROR ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "%s: %s", what, line);
		free(copy);
	}
	if (l->errors + l->warnings > l->n)
		log_error("%s: and %d more", what, l->errors + l->warnings - l->n);
}

const char *diag_first_error(struct diag_list *l)
{
	diag_sort(l);
	for (int i = 0; i < l->n; i++) {
		struct buf text CLEANUP(buf_fini) = BUF_INIT(DIAG_LOG_BYTES_MAX);

		if (l->items[i].level != DIAG_ERROR)
			continue;
		diag_print_head(&l->items[i], &text);
		return arena_strdup(l->arena, buf_str(&text));
	}
	return "";
}

/* Optimal string alignment distance: insert, delete, replace, swap of neighbours. */
static size_t edit_distance(const char *a, size_t an, const char *b, size_t bn)
{
	size_t rows[3][NEAREST_WORD_MAX + 1];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];

	for (size_t j = 0; j <= bn; j++)
		last[j] = j;
	for (size_t i = 1; i <= an; i++) {
		size_t *spare = before;

		now[0] = i;
		for (size_t j = 1; j <= bn; j++) {
			size_t replace = last[j - 1] + (a[i - 1] != b[j - 1]);
			size_t best = MIN(replace, MIN(last[j], now[j - 1]) + 1);

			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, before[j - 2] + 1);
			now[j] = best;
		}
		before = last;
		last = now;
		now = spare;
	}
	return last[bn];
}

const char *diag_nearest(const char *word, const void *names, size_t n, size_t stride)
{
	size_t word_n = strlen(word), best = SIZE_MAX;
	const char *found = NULL;

	if (word_n > NEAREST_WORD_MAX)
		return NULL;
	for (size_t i = 0; i < n; i++) {
		const char *name = *(const char *const *)((const char *)names + i * stride);
		size_t name_n = name ? strlen(name) : 0, distance;

		if (!name || name_n > NEAREST_WORD_MAX)
			continue;
		distance = strcasecmp(word, name) == 0 ? 0 : edit_distance(word, word_n, name, name_n);
		if (distance < best && distance * 3 <= MAX(MAX(word_n, name_n), (size_t)3)) {
			best = distance;
			found = name;
		}
	}
	return found;
}
