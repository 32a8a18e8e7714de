/*
 * Arena: memory of one unit of work (a batch, a request, a loaded configuration).
 *
 * Everything allocated from an arena lives until arena_reset() or arena_free(); nothing is
 * freed alone. An arena is passed, never implicit, and belongs to one thread at a time.
 * Out of memory ends the process (base/util.h), so no allocation here returns NULL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/util.h"

#include <stdarg.h>

struct arena;

/* @block_bytes: size of the blocks taken from malloc; 0 takes the default of 16 KiB. */
struct arena *arena_new(size_t block_bytes);
struct arena *arena_free(struct arena *a);
void arena_freep(struct arena **a);

/* Forget everything, keep the first block. Blocks beyond it go back to malloc. */
void arena_reset(struct arena *a);

/* Bytes handed out since the last reset. */
size_t arena_used(const struct arena *a);

void *arena_alloc(struct arena *a, size_t bytes) __attribute__((malloc, alloc_size(2), returns_nonnull));
void *arena_zalloc(struct arena *a, size_t bytes) __attribute__((malloc, alloc_size(2), returns_nonnull));
#define arena_new_obj(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define arena_new_array(a, type, n) ((type *)arena_zalloc((a), sizeof(type) * (n)))

/* Copies; NULL stays NULL. arena_strndup() copies exactly n bytes and ends them with NUL. */
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
void *arena_memdup(struct arena *a, const void *p, size_t n);
/* Three texts, one behind the other. */
char *arena_join(struct arena *a, const char *x, const char *y, const char *z);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap) PRINTF(2, 0);

#endif
