/*
 * Lexer of the rule language: text in, one token at a time out.
 *
 * It knows what people type instead of what the language has ("==", "&&", “…”, ≤, full-width signs)
 * and reports what to write. After TOKEN_ERROR, which was reported, there is nothing more to read.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_LEX_H
#define RULE_LEX_H

#include "rule/source.h"

#define KEYWORDS(X)             \
	X(AND, "and")           \
	X(OR, "or")             \
	X(NOT, "not")           \
	X(IN, "in")             \
	X(BETWEEN, "between")   \
	X(CONTAINS, "contains") \
	X(MATCHES, "matches")   \
	X(IS, "is")             \
	X(MISSING, "missing")   \
	X(PRESENT, "present")   \
	X(ANY, "any")           \
	X(ALL, "all")           \
	X(TRUE, "true")         \
	X(FALSE, "false")

enum token_kind {
	TOKEN_END,
	TOKEN_ERROR,
	TOKEN_NAME,
	TOKEN_NUMBER,
	TOKEN_DURATION,
	TOKEN_TEXT,
	TOKEN_LEFT,  /* ( */
	TOKEN_RIGHT, /* ) */
	TOKEN_LEFT_BRACKET,
	TOKEN_RIGHT_BRACKET,
	TOKEN_COMMA,
	TOKEN_DOT,
	TOKEN_EQ, /* = and the following five are in the order of enum test */
	TOKEN_NE,
	TOKEN_LT,
	TOKEN_LE,
	TOKEN_GT,
	TOKEN_GE,
#define X(id, word) TOKEN_##id,
	KEYWORDS(X)
#undef X
};

struct token {
	enum token_kind kind;
	struct span span;
	double number;    /* NUMBER; DURATION in seconds */
	const char *text; /* TEXT: without quotes, doubled ones made single; NAME and keywords: the word */
};

struct lexer {
	struct source *src;
	int at;
	enum token_kind last;
};

void lexer_init(struct lexer *lx, struct source *src);
struct token lexer_next(struct lexer *lx);

/* The keywords, NULL-terminated. */
extern const char *const rule_keywords[];
bool rule_is_keyword(const char *word);

#endif
