/*
 * Growing byte buffer with a cap; see buf.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/buf.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_FIRST_BYTES 256

void buf_fini(struct buf *b)
{
	if (b->p != b->lent)
		free(b->p);
	b->p = b->lent = NULL;
	b->n = 0;
	b->room = 0;
	b->overflow = false;
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	b->overflow = false;
	if (b->p)
		b->p[0] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->p ? b->p : "";
}

char *buf_take(struct buf *b)
{
	char *p = b->p && b->p != b->lent ? b->p : xstrdup(buf_str(b));

	b->p = b->lent;
	buf_fini(b);
	return p;
}

/* Room for n more bytes and the NUL, or false with overflow set. */
static bool buf_grow(struct buf *b, size_t n)
{
	size_t want;

	if (b->overflow || n > b->cap_bytes - b->n) {
		b->overflow = true;
		b->room = b->p ? b->n + 1 : 0;
		return false;
	}
	want = b->n + n + 1;
	if (want > b->room) {
		size_t room = b->room ? b->room : BUF_FIRST_BYTES;

		while (room < want)
			room *= 2;
		room = MIN(room - 1, b->cap_bytes) + 1;
		if (b->p && b->p == b->lent)
			b->p = memcpy(xmalloc(room), b->lent, b->n + 1);
		else
			b->p = xrealloc(b->p, room);
		b->room = room;
	}
	return true;
}

void buf_add_more(struct buf *b, const void *p, size_t n)
{
	if (n == 0 || !buf_grow(b, n))
		return;
	memcpy(b->p + b->n, p, n);
	b->n += n;
	b->p[b->n] = '\0';
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = b->room - b->n;
	va_list ap;
	int n;

	if (b->overflow)
		return;
	va_start(ap, fmt);
	n = vsnprintf(room ? b->p + b->n : NULL, room, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	if ((size_t)n < room) {
		b->n += (size_t)n;
		return;
	}
	if (room)
		b->p[b->n] = '\0';
	if (!buf_grow(b, (size_t)n))
		return;
	va_start(ap, fmt);
	vsnprintf(b->p + b->n, (size_t)n + 1, fmt, ap);
	va_end(ap);
	b->n += (size_t)n;
}

const char *int_text(int64_t v, char text[INT_TEXT_BYTES])
{
	char *at = text + INT_TEXT_BYTES - 1;
	uint64_t u = v < 0 ? 0 - (uint64_t)v : (uint64_t)v;

	*at = '\0';
	do {
		*--at = (char)('0' + u % 10);
		u /= 10;
	} while (u);
	if (v < 0)
		*--at = '-';
	return at;
}

void buf_put_int(struct buf *b, int64_t v)
{
	char text[INT_TEXT_BYTES];

	buf_puts(b, int_text(v, text));
}
