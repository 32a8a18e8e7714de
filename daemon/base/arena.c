/*
 * Bump allocator over a chain of blocks.
 *
 * The first block is kept over resets, so a steady stream of equal batches costs no malloc.
 * Requests larger than a block get a block of their own, chained behind the current one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/arena.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_DEFAULT_BLOCK_BYTES (16 * 1024)
#define ARENA_ALIGN 16

struct block {
	struct block *next;
	size_t bytes; /* of data */
	_Alignas(ARENA_ALIGN) char data[];
};

struct arena {
	struct block *first;
	struct block *current;
	size_t at; /* in current */
	size_t block_bytes;
	size_t used;
};

static struct block *block_new(size_t bytes)
{
	struct block *b = xmalloc(sizeof(*b) + bytes);

	b->next = NULL;
	b->bytes = bytes;
	return b;
}

static void blocks_free(struct block *b)
{
	while (b) {
		struct block *next = b->next;

		free(b);
		b = next;
	}
}

struct arena *arena_new(size_t block_bytes)
{
	struct arena *a = xcalloc(1, sizeof(*a));

	a->block_bytes = block_bytes ? block_bytes : ARENA_DEFAULT_BLOCK_BYTES;
	a->first = block_new(a->block_bytes);
	a->current = a->first;
	return a;
}

struct arena *arena_free(struct arena *a)
{
	if (a) {
		blocks_free(a->first);
		free(a);
	}
	return NULL;
}

void arena_freep(struct arena **a)
{
	*a = arena_free(*a);
}

void arena_reset(struct arena *a)
{
	blocks_free(a->first->next);
	a->first->next = NULL;
	a->current = a->first;
	a->at = 0;
	a->used = 0;
}

size_t arena_used(const struct arena *a)
{
	return a->used;
}

void *arena_alloc(struct arena *a, size_t bytes)
{
	size_t want = (bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	char *p;

	assert(want >= bytes);
	if (want > a->current->bytes - a->at) {
		struct block *b = block_new(MAX(want, a->block_bytes));

		a->current->next = b;
		a->current = b;
		a->at = 0;
	}
	p = a->current->data + a->at;
	a->at += want;
	a->used += want;
	return p;
}

void *arena_zalloc(struct arena *a, size_t bytes)
{
	return memset(arena_alloc(a, bytes), 0, bytes);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	char *p;

	if (!s)
		return NULL;
	p = arena_alloc(a, n + 1);
	memcpy(p, s, n);
	p[n] = '\0';
	return p;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s ? arena_strndup(a, s, strlen(s)) : NULL;
}

void *arena_memdup(struct arena *a, const void *p, size_t n)
{
	return p ? memcpy(arena_alloc(a, n), p, n) : NULL;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	char text[256], *p;
	va_list again;
	int n;

	va_copy(again, ap);
	n = vsnprintf(text, sizeof(text), fmt, again);
	va_end(again);
	assert(n >= 0);
	if ((size_t)n < sizeof(text))
		return arena_strndup(a, text, (size_t)n);
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

char *arena_join(struct arena *a, const char *x, const char *y, const char *z)
{
	char *text = arena_alloc(a, strlen(x) + strlen(y) + strlen(z) + 1);

	stpcpy(stpcpy(stpcpy(text, x), y), z);
	return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}
