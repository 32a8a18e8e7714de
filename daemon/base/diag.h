/*
 * Diagnostics about something a person wrote: configuration, rules, CSV, templates.
 *
 * All mistakes of an input are collected, then printed at once by diag_print(), sorted by file and
 * line, in the form  FILE:LINE: text, did you mean 'x'?  followed by the excerpt and a caret.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_DIAG_H
#define BASE_DIAG_H

#include "base/arena.h"
#include "base/buf.h"

enum diag_level { DIAG_ERROR, DIAG_WARNING };

/* Where a text stands. file is NULL when there is none (command line). line counts from 1, 0 is unknown. */
struct text_pos {
	const char *file;
	int line;
};

struct diag {
	enum diag_level level;
	struct text_pos pos;
	const char *text;    /* "field: unknown fact 'npss', did you mean 'nps'?" */
	const char *excerpt; /* the expression, or NULL */
	int column;          /* of the caret in excerpt, in bytes from 0 */
	int length;          /* of the underlined part, in bytes, at least 1 */
	const char *hint;    /* "write: touchpoint is not 'test'", or NULL */
};

struct diag_list {
	struct arena *arena; /* owns every text */
	struct diag *items;
	int n, room;
	int errors, warnings;
};

#define DIAG_MAX 200 /* further ones are counted, not kept */

struct diag_list *diag_list_new(void);
struct diag_list *diag_list_free(struct diag_list *l);
void diag_list_freep(struct diag_list **l);

/* Texts are copied. Returns the item (for excerpt, hint), or NULL past DIAG_MAX. */
struct diag *diag_add(struct diag_list *l, enum diag_level level, struct text_pos pos, const char *fmt, ...) PRINTF(4, 5);
/* Adds excerpt, caret and hint to d; takes NULL for d and hint. */
void diag_excerpt(struct diag_list *l, struct diag *d, const char *excerpt, int column, int length, const char *hint);

/* Sorts by file and line, then writes all as text (control characters escaped). */
void diag_print(struct diag_list *l, struct buf *out);
/* The same as log lines, each with the priority of its mistake, after "what: ". */
void diag_log(struct diag_list *l, const char *what);
/* "FILE:LINE: text" of the first error by file and line, "" when there is none; from the list's arena. */
const char *diag_first_error(struct diag_list *l);

/*
 * diag_nearest() - the known name closest to a misspelt one
 * @names: candidates; @stride: bytes from one `const char *` to the next (names inside an array of structs)
 * Return: the name, or NULL when none is within a third of its length.
 */
const char *diag_nearest(const char *word, const void *names, size_t n, size_t stride);

#endif
