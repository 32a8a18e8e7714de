/*
 * Tokens of libconfig's language, with their places, so that mistakes can be told better than libconfig does.
 *
 * libconfig reads the file; this only looks at it. Comments and white space are skipped; a comment, text or
 * @include that never ends, and any character that has no place in the language, come out as TOKEN_BAD.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_TOKEN_H
#define SETTINGS_TOKEN_H

#include "base/util.h"

enum token_kind {
	TOKEN_END,
	TOKEN_NAME,
	TOKEN_TEXT,    /* "…", one piece; libconfig joins neighbours */
	TOKEN_INTEGER, /* decimal or hex, with or without L */
	TOKEN_FLOAT,
	TOKEN_BOOL,
	TOKEN_MARK,    /* one of = : ; , { } [ ] ( ) */
	TOKEN_INCLUDE, /* @include "…" at the start of a line */
	TOKEN_BAD
};

struct token {
	enum token_kind kind;
	char mark;           /* TOKEN_MARK */
	const char *at;      /* in the text */
	size_t n;            /* bytes */
	int line;            /* where it begins, from 1 */
	int column;          /* bytes from the start of its line, from 0 */
	const char *trouble; /* TOKEN_BAD: what is wrong, a constant */
};

struct tokens {
	const char *text, *at, *end, *line_start;
	int line;
};

void tokens_init(struct tokens *lx, const char *text, size_t n);
void tokens_next(struct tokens *lx, struct token *ret);
/* The name between the quotes of a TOKEN_INCLUDE. */
void token_include_name(const struct token *t, const char **ret_name, size_t *ret_n);
bool token_is(const struct token *t, char mark);

#endif
