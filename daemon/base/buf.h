/*
 * Growing byte buffer with a cap.
 *
 * The buffer starts empty (BUF_INIT(cap)) and grows up to cap_bytes. An append that would go
 * past the cap changes nothing but `overflow`, which stays set until buf_reset(): write a whole
 * document, then look once. The text is always NUL-terminated (buf_str()).
 *
 * Texts that are mostly short begin on the stack, and move to the heap when they outgrow it:
 *
 *     char room[512] = "";
 *     struct buf b = BUF_ON(room, cap);
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/util.h"

#include <string.h>

struct buf {
	char *p;
	size_t n;    /* bytes used, without the NUL */
	size_t room; /* of p: what fits into it needs no other look, at the cap neither */
	size_t cap_bytes;
	bool overflow;
	char *lent; /* the caller's room, never freed; NULL */
};

#define BUF_INIT(cap) ((struct buf){.cap_bytes = (cap)})
/* @array: of char, "", smaller than the cap */
#define BUF_ON(array, cap) ((struct buf){.p = (array), .room = sizeof(array), .cap_bytes = (cap), .lent = (array)})

void buf_fini(struct buf *b);
void buf_reset(struct buf *b);
/* "" when nothing was written. Valid until the next append. */
const char *buf_str(const struct buf *b);
/* The malloc'd text; the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *b);

void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_put_int(struct buf *b, int64_t v);
/* Its decimal digits, somewhere in `text`. */
#define INT_TEXT_BYTES 24
const char *int_text(int64_t v, char text[INT_TEXT_BYTES]);
/* What doesn't fit yet. */
void buf_add_more(struct buf *b, const void *p, size_t n);

static inline void buf_add(struct buf *b, const void *p, size_t n)
{
	if (n < b->room - b->n) {
		memcpy(b->p + b->n, p, n);
		b->n += n;
		b->p[b->n] = '\0';
	} else {
		buf_add_more(b, p, n);
	}
}

static inline void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

static inline void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

#endif
