/*
 * Tokens of libconfig 1.5's language; see token.h.
 *
 * Follows its scanner: names may hold '-', '_' and '*', numbers may end in L, a backslash in a text keeps the next
 * character from ending it, @include counts only as the first word of a line.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/token.h"

#include <string.h>

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

static bool is_name(char c)
{
	return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '*';
}

void tokens_init(struct tokens *lx, const char *text, size_t n)
{
	*lx = (struct tokens){.text = text, .at = text, .end = text + n, .line_start = text, .line = 1};
}

static char peek(const struct tokens *lx, size_t ahead)
{
	return (size_t)(lx->end - lx->at) > ahead ? lx->at[ahead] : '\0';
}

static void step(struct tokens *lx)
{
	if (*lx->at++ == '\n') {
		lx->line++;
		lx->line_start = lx->at;
	}
}

static void token_begin(const struct tokens *lx, struct token *t, enum token_kind kind)
{
	*t = (struct token){.kind = kind, .at = lx->at, .n = 1, .line = lx->line, .column = (int)(lx->at - lx->line_start)};
}

static void token_end(const struct tokens *lx, struct token *t)
{
	t->n = (size_t)(lx->at - t->at);
}

/* White space and comments. false: a comment never ends, and t says so. */
static bool skip_blank(struct tokens *lx, struct token *t)
{
	while (lx->at < lx->end) {
		char c = *lx->at;

		if (c == ' ' || c == '\t' || c == '\r' || c == '\f' || c == '\n') {
			step(lx);
		} else if (c == '#' || (c == '/' && peek(lx, 1) == '/')) {
			while (lx->at < lx->end && *lx->at != '\n')
				step(lx);
		} else if (c == '/' && peek(lx, 1) == '*') {
			token_begin(lx, t, TOKEN_BAD);
			t->n = 2;
			lx->at += 2;
			while (lx->at < lx->end && !(*lx->at == '*' && peek(lx, 1) == '/'))
				step(lx);
			if (lx->at == lx->end) {
				t->trouble = "this comment is never closed: '*/' is missing";
				return false;
			}
			lx->at += 2;
		} else {
			break;
		}
	}
	return true;
}

/* From the opening quote to behind the closing one. */
static bool scan_text(struct tokens *lx)
{
	for (step(lx); lx->at < lx->end; step(lx)) {
		if (*lx->at == '"') {
			step(lx);
			return true;
		}
		if (*lx->at == '\\' && (peek(lx, 1) == '"' || peek(lx, 1) == '\\'))
			step(lx);
	}
	return false;
}

static void scan_number(struct tokens *lx, struct token *t)
{
	bool digits = false;

	t->kind = TOKEN_INTEGER;
	if (*lx->at == '0' && (peek(lx, 1) == 'x' || peek(lx, 1) == 'X')) {
		for (lx->at += 2; strchr("0123456789abcdefABCDEF", peek(lx, 0)) && peek(lx, 0); lx->at++)
			digits = true;
	} else {
		if (*lx->at == '+' || *lx->at == '-')
			lx->at++;
		for (; is_digit(peek(lx, 0)); lx->at++)
			digits = true;
		if (peek(lx, 0) == '.') {
			t->kind = TOKEN_FLOAT;
			for (lx->at++; is_digit(peek(lx, 0)); lx->at++)
				digits = true;
		}
		if (digits && (peek(lx, 0) == 'e' || peek(lx, 0) == 'E')) {
			t->kind = TOKEN_FLOAT;
			lx->at++;
			if (peek(lx, 0) == '+' || peek(lx, 0) == '-')
				lx->at++;
			digits = is_digit(peek(lx, 0));
			while (is_digit(peek(lx, 0)))
				lx->at++;
		}
	}
	if (t->kind == TOKEN_INTEGER)
		for (int i = 0; i < 2 && peek(lx, 0) == 'L'; i++)
			lx->at++;
	if (!digits || is_name(peek(lx, 0)) || peek(lx, 0) == '.') {
		while (is_name(peek(lx, 0)) || peek(lx, 0) == '.')
			lx->at++;
		t->kind = TOKEN_BAD;
		t->trouble = "this is no number: texts and durations are written in double quotes";
	}
	token_end(lx, t);
}

static bool word_is(const struct token *t, const char *word)
{
	if (t->n != strlen(word))
		return false;
	for (size_t i = 0; i < t->n; i++)
		if ((t->at[i] | 0x20) != word[i])
			return false;
	return true;
}

static void scan_word(struct tokens *lx, struct token *t)
{
	while (is_name(peek(lx, 0)))
		lx->at++;
	token_end(lx, t);
	t->kind = word_is(t, "true") || word_is(t, "false") ? TOKEN_BOOL : TOKEN_NAME;
}

static void scan_include(struct tokens *lx, struct token *t)
{
	static const char word[] = "@include";
	bool first = true;

	for (const char *p = lx->line_start; p < lx->at; p++)
		first &= *p == ' ' || *p == '\t';
	t->kind = TOKEN_BAD;
	t->trouble = "'@' has no place here; @include \"FILE\" stands on a line of its own";
	lx->at++;
	if (!first || (size_t)(lx->end - t->at) < sizeof(word) - 1 || memcmp(t->at, word, sizeof(word) - 1) != 0)
		return;
	lx->at = t->at + sizeof(word) - 1;
	while (peek(lx, 0) == ' ' || peek(lx, 0) == '\t')
		lx->at++;
	token_end(lx, t);
	t->trouble = "expected @include \"FILE\", the name in double quotes";
	if (peek(lx, 0) != '"')
		return;
	for (lx->at++; lx->at < lx->end && *lx->at != '"' && *lx->at != '\n'; lx->at++)
		;
	token_end(lx, t);
	if (peek(lx, 0) != '"')
		return;
	lx->at++;
	token_end(lx, t);
	t->kind = TOKEN_INCLUDE;
	t->trouble = NULL;
}

static void scan_bad(struct tokens *lx, struct token *t)
{
	char c = *lx->at;

	t->kind = TOKEN_BAD;
	t->trouble = c == '\'' ? "texts are written in double quotes" : "this character has no place here";
	if ((unsigned char)c >= 0x80)
		t->trouble = "texts are written in double quotes, and names in ASCII letters";
	do
		step(lx);
	while (lx->at < lx->end && ((unsigned char)*lx->at & 0xc0) == 0x80);
	token_end(lx, t);
}

void tokens_next(struct tokens *lx, struct token *t)
{
	char c;

	if (!skip_blank(lx, t))
		return;
	token_begin(lx, t, TOKEN_END);
	if (lx->at == lx->end) {
		t->n = 0;
		return;
	}
	c = *lx->at;
	if (strchr("=:;,{}[]()", c)) {
		t->kind = TOKEN_MARK;
		t->mark = c;
		step(lx);
	} else if (c == '"') {
		t->kind = TOKEN_TEXT;
		if (!scan_text(lx)) {
			t->kind = TOKEN_BAD;
			t->trouble = "this text is never closed: '\"' is missing";
			return;
		}
		token_end(lx, t);
	} else if (is_digit(c) || c == '+' || c == '-' || c == '.') {
		scan_number(lx, t);
	} else if (is_letter(c) || c == '*') {
		scan_word(lx, t);
	} else if (c == '@') {
		scan_include(lx, t);
	} else {
		scan_bad(lx, t);
	}
}

void token_include_name(const struct token *t, const char **ret_name, size_t *ret_n)
{
	const char *open = memchr(t->at, '"', t->n);

	*ret_name = open + 1;
	*ret_n = (size_t)(t->at + t->n - open) - 2;
}

bool token_is(const struct token *t, char mark)
{
	return t->kind == TOKEN_MARK && t->mark == mark;
}
