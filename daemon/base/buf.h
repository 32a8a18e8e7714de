/*
 * Growing byte buffer with a cap.
 *
 * The buffer starts empty (BUF_INIT(cap)) and grows up to cap_bytes. An append that would go
 * past the cap changes nothing but `overflow`, which stays set until buf_reset(): write a whole
 * document, then look once. The text is always NUL-terminated (buf_str()).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/util.h"

struct buf {
	char *p;
	size_t n; /* bytes used, without the NUL */
	size_t room;
	size_t cap_bytes;
	bool overflow;
};

#define BUF_INIT(cap) ((struct buf){.cap_bytes = (cap)})

void buf_fini(struct buf *b);
void buf_reset(struct buf *b);
/* "" when nothing was written. Valid until the next append. */
const char *buf_str(const struct buf *b);
/* The malloc'd text; the buffer is empty afterwards. Never NULL. */
char *buf_take(struct buf *b);

void buf_add(struct buf *b, const void *p, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) PRINTF(2, 3);
void buf_put_int(struct buf *b, int64_t v);

#endif
