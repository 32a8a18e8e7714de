/*
 * Small helpers that every file uses: container_of, array size, cleanup attributes.
 *
 * Ownership in this tree: an owning local is declared with CLEANUP(x_freep) and handed
 * over with TAKE(p). Destructors take NULL and half-built objects and return NULL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_UTIL_H
#define BASE_UTIL_H

#include <stddef.h>
#include <stdbool.h>
#include <stdint.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
/* They read an argument twice: no clock, nothing that changes anything (tests/lint/shape.py). */
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define TAKE(p)                            \
	({                                 \
		__typeof__(p) take_ = (p); \
		(p) = NULL;                \
		take_;                     \
	})

/* free() for CLEANUP: char *s CLEANUP(freep) = NULL; */
void freep(void *pp);

/* malloc() that aborts when memory is gone (see STYLE: state is in PostgreSQL, a restart recovers). */
void *xmalloc(size_t bytes) __attribute__((malloc, alloc_size(1), returns_nonnull));
void *xcalloc(size_t count, size_t bytes) __attribute__((malloc, alloc_size(1, 2), returns_nonnull));
void *xrealloc(void *p, size_t bytes) __attribute__((alloc_size(2), returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull, nonnull));

/* strcmp() == 0 that takes NULL: two NULLs are equal. */
bool str_eq(const char *a, const char *b);

/*
 * For a daemon that works in bursts: what a batch took is kept for the next one, up to some MiB; huge blocks go back to the kernel.
 * Once, at the start.
 */
void keep_memory(void);

#endif
