/*
 * Lexer; see lex.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/lex.h"
#include "base/escape.h"
#include "rule/limits.h"
#include "rule/number.h"
#include "rule/rule.h"

#include <string.h>
#include <strings.h>

const char *const rule_keywords[] = {
#define X(id, word) word,
	KEYWORDS(X)
#undef X
		NULL};

/* What is typed by habit from elsewhere, or put in by a word processor, and what to write instead. */
static const struct misfit {
	const char *sign, *write;
} misfits[] = {
	{"==", "="},  {"&&", "and"}, {"&", "and"}, {"||", "or"}, {"|", "or"}, {"<>", "!="},  {"=<", "<="},
	{"=>", ">="}, {"=!", "!="},  {"≤", "<="},  {"≥", ">="},  {"≠", "!="}, {"＝", "="},   {"＜", "<"},
	{"＞", ">"},  {"（", "("},   {"）", ")"},  {"，", ","},  {"、", ","}, {"！", "not"}, {"–", "-"},
	{"—", "-"},   {"−", "-"},    {"{", "("},   {"}", ")"},
};

/* Opening and closing quotes that are not ours. */
static const char *const foreign_quotes[] = {"\"", "“", "”", "„",  "‟",  "«",  "»",  "‘",  "’", "‚",
					     "‛",  "`", "´", "＇", "＂", "「", "」", "『", "』"};

static const struct {
	char c;
	enum token_kind kind;
} signs[] = {{'(', TOKEN_LEFT},          {')', TOKEN_RIGHT}, {'[', TOKEN_LEFT_BRACKET},
	     {']', TOKEN_RIGHT_BRACKET}, {',', TOKEN_COMMA}, {'.', TOKEN_DOT}};

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

bool rule_is_keyword(const char *word)
{
	for (int i = 0; rule_keywords[i]; i++)
		if (strcmp(rule_keywords[i], word) == 0)
			return true;
	return false;
}

void lexer_init(struct lexer *lx, struct source *src)
{
	*lx = (struct lexer){.src = src, .last = TOKEN_END};
}

static struct token error_token(struct lexer *lx)
{
	lx->last = TOKEN_ERROR;
	return (struct token){.kind = TOKEN_ERROR};
}

static bool starts_with(const struct lexer *lx, int at, const char *word)
{
	size_t n = strlen(word);

	return (size_t)(lx->src->n - at) >= n && memcmp(lx->src->text + at, word, n) == 0;
}

static size_t foreign_quote_at(const struct lexer *lx, int at)
{
	for (size_t i = 0; i < ARRAY_SIZE(foreign_quotes); i++)
		if (starts_with(lx, at, foreign_quotes[i]))
			return strlen(foreign_quotes[i]);
	return 0;
}

/* No-break and ideographic spaces come along when text is pasted; they are spaces here. */
static void skip_space(struct lexer *lx)
{
	static const char *const spaces[] = {" ", "\t", "\n", "\r", "\u00a0", "\u3000", "\ufeff", "\u2009", "\u202f"};

	for (size_t i = 0; i < ARRAY_SIZE(spaces); i++)
		if (lx->at < lx->src->n && starts_with(lx, lx->at, spaces[i])) {
			lx->at += (int)strlen(spaces[i]);
			i = (size_t)-1;
		}
}

static struct token lex_name(struct lexer *lx)
{
	struct source *src = lx->src;
	struct token t = {.kind = TOKEN_NAME, .span.at = lx->at};
	int at = lx->at;

	while (at < src->n &&
	       (is_letter(src->text[at]) || is_digit(src->text[at]) ||
		(src->text[at] == '-' && at + 1 < src->n && (is_letter(src->text[at + 1]) || is_digit(src->text[at + 1])))))
		at++;
	t.span.length = at - lx->at;
	t.text = arena_strndup(src->arena, src->text + t.span.at, (size_t)t.span.length);
	lx->at = at;
	if (lx->last == TOKEN_DOT) /* attr.in, rating.is */
		return t;
	for (int i = 0; rule_keywords[i]; i++)
		if (strcmp(t.text, rule_keywords[i]) == 0) {
			t.kind = (enum token_kind)((int)TOKEN_AND + i);
		} else if (strcasecmp(t.text, rule_keywords[i]) == 0) {
			source_error(src, t.span, arena_printf(src->arena, "write: %s", rule_keywords[i]),
				     "'%s' is written in small letters", t.text);
			return error_token(lx);
		}
	return t;
}

static struct token lex_number(struct lexer *lx)
{
	static const struct {
		char unit;
		int seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}, {'w', 7 * 86400}};
	struct source *src = lx->src;
	struct token t = {.kind = TOKEN_NUMBER, .span.at = lx->at};
	int at = lx->at + 1, end;

	while (at < src->n &&
	       (is_digit(src->text[at]) || (src->text[at] == '.' && at + 1 < src->n && is_digit(src->text[at + 1]))))
		at++;
	for (end = at; end < src->n && (is_letter(src->text[end]) || is_digit(src->text[end]));)
		end++;
	t.span.length = end - lx->at;
	if (number_parse(src->text + lx->at, (size_t)(at - lx->at), &t.number) < 0) {
		source_error(src, t.span, "numbers have up to 15 digits and a point: 6.5", "'%.*s' is no number",
			     SPAN_ARG(src, t.span));
		return error_token(lx);
	}
	lx->at = end;
	if (end == at)
		return t;
	for (size_t i = 0; end == at + 1 && i < ARRAY_SIZE(units); i++)
		if (src->text[at] == units[i].unit) {
			t.kind = TOKEN_DURATION;
			t.number *= units[i].seconds;
			return t;
		}
	source_error(src, t.span, "durations: 90s 15m 4h 2d 1w; texts stand in single quotes",
		     "'%.*s' is neither a number nor a duration", SPAN_ARG(src, t.span));
	return error_token(lx);
}

/* 'a'and …: poor spacing, but clear. */
static bool keyword_at(const struct source *src, int at)
{
	int to = at;

	while (to < src->n && (is_letter(src->text[to]) || is_digit(src->text[to])))
		to++;
	for (int i = 0; rule_keywords[i]; i++)
		if (strlen(rule_keywords[i]) == (size_t)(to - at) &&
		    memcmp(rule_keywords[i], src->text + at, (size_t)(to - at)) == 0)
			return true;
	return false;
}

/* 'didn't work': the text ended at the apostrophe, and a word goes on right behind it. */
static struct token lex_apostrophe(struct lexer *lx, int start, int quote)
{
	struct source *src = lx->src;
	int from = quote, to = quote + 1;

	while (from > start + 1 && src->text[from - 1] != ' ')
		from--;
	while (to < src->n && (is_letter(src->text[to]) || is_digit(src->text[to])))
		to++;
	source_error(src, (struct span){quote, 1},
		     arena_printf(src->arena, "write: %.*s''%.*s", quote - from, src->text + from, to - quote - 1,
				  src->text + quote + 1),
		     "a single quote inside a text is doubled");
	return error_token(lx);
}

static struct token lex_text(struct lexer *lx)
{
	struct source *src = lx->src;
	struct token t = {.kind = TOKEN_TEXT, .span.at = lx->at};
	char *text = arena_alloc(src->arena, (size_t)(src->n - lx->at) + 1);
	size_t n = 0;
	int at = lx->at + 1;

	for (; at < src->n; at++) {
		if (src->text[at] == '\'') {
			if (at + 1 >= src->n || src->text[at + 1] != '\'')
				break;
			at++;
		}
		text[n++] = src->text[at];
	}
	if (at >= src->n) {
		source_error(src, (struct span){lx->at, src->n - lx->at}, "end it with a single quote",
			     "the text that starts here has no end");
		return error_token(lx);
	}
	if (at + 1 < src->n && (is_letter(src->text[at + 1]) || is_digit(src->text[at + 1])) && !keyword_at(src, at + 1))
		return lex_apostrophe(lx, lx->at, at);
	text[n] = '\0';
	t.text = text;
	t.span.length = at + 1 - lx->at;
	lx->at = at + 1;
	return t;
}

/* "text", “text”, 'text’: find where it was meant to end and show it in our quotes. */
static struct token lex_foreign_quote(struct lexer *lx, size_t quote_n)
{
	struct source *src = lx->src;
	int from = lx->at + (int)quote_n, to = from;
	size_t close_n = 0;

	while (to < src->n && close_n == 0 && src->text[to] != '\'') {
		close_n = foreign_quote_at(lx, to);
		to += close_n == 0;
	}
	if (close_n > 0)
		source_error(src, (struct span){lx->at, to + (int)close_n - lx->at},
			     arena_printf(src->arena, "write: '%.*s'", to - from, src->text + from),
			     "texts stand in single quotes");
	else
		source_error(src, (struct span){lx->at, (int)quote_n}, "write: '", "texts stand in single quotes");
	return error_token(lx);
}

static struct token lex_operator(struct lexer *lx)
{
	static const struct {
		const char *sign;
		enum token_kind kind;
	} operators[] = {{"!=", TOKEN_NE}, {"<=", TOKEN_LE}, {">=", TOKEN_GE},
			 {"=", TOKEN_EQ},  {"<", TOKEN_LT},  {">", TOKEN_GT}};
	struct token t = {.span = {lx->at, 1}};

	for (size_t i = 0; i < ARRAY_SIZE(operators); i++)
		if (starts_with(lx, lx->at, operators[i].sign)) {
			t.kind = operators[i].kind;
			t.span.length = (int)strlen(operators[i].sign);
			lx->at += t.span.length;
			return t;
		}
	return (struct token){.kind = TOKEN_ERROR};
}

/* Nothing of the language starts here: say what was probably meant. */
static struct token lex_stray(struct lexer *lx)
{
	struct source *src = lx->src;
	uint32_t code;
	int to = lx->at, length = (int)utf8_next(src->text + lx->at, (size_t)(src->n - lx->at), &code);

	if (code < 0x80) {
		bool arithmetic = memchr("+-*/%^", (int)code, 6) != NULL;

		source_error(src, (struct span){lx->at, 1},
			     code == '!'   ? "write: not"
			     : arithmetic  ? "there is no arithmetic in rules"
			     : code == ';' ? "the condition ends without a semicolon"
					   : NULL,
			     code < 0x20 || code == 0x7f ? "a control character stands here" : "'%c' has no meaning here",
			     (char)code);
		return error_token(lx);
	}
	if (code == 0xfffd) {
		source_error(src, (struct span){lx->at, length}, "save the file as UTF-8", "this is not valid UTF-8");
		return error_token(lx);
	}
	while (to < src->n && ((unsigned char)src->text[to] >= 0x80 || is_letter(src->text[to]) || is_digit(src->text[to])) &&
	       (to == lx->at || !foreign_quote_at(lx, to)))
		to++;
	source_error(src, (struct span){lx->at, to - lx->at},
		     arena_printf(src->arena, lx->last == TOKEN_DOT ? "write: rating['%.*s']" : "write: '%.*s'", to - lx->at,
				  src->text + lx->at),
		     lx->last == TOKEN_DOT ? "a name with other letters than A to Z stands in brackets and quotes"
					   : "texts stand in single quotes");
	return error_token(lx);
}

static struct token lex_token(struct lexer *lx)
{
	struct source *src = lx->src;
	const char *c = src->text + lx->at;
	struct token t;
	size_t quote_n;

	if (is_letter(*c))
		return lex_name(lx);
	if (is_digit(*c) || (*c == '-' && lx->at + 1 < src->n && is_digit(c[1])))
		return lex_number(lx);
	if (*c == '\'')
		return lex_text(lx);
	quote_n = foreign_quote_at(lx, lx->at);
	if (quote_n > 0)
		return lex_foreign_quote(lx, quote_n);
	for (size_t i = 0; i < ARRAY_SIZE(misfits); i++)
		if (starts_with(lx, lx->at, misfits[i].sign)) {
			source_error(src, (struct span){lx->at, (int)strlen(misfits[i].sign)},
				     arena_printf(src->arena, "write: %s", misfits[i].write), "'%s' is not a sign of rules",
				     misfits[i].sign);
			return error_token(lx);
		}
	for (size_t i = 0; i < ARRAY_SIZE(signs); i++)
		if (*c == signs[i].c) {
			t = (struct token){.kind = signs[i].kind, .span = {lx->at, 1}};
			lx->at++;
			return t;
		}
	t = lex_operator(lx);
	return t.kind == TOKEN_ERROR ? lex_stray(lx) : t;
}

struct token lexer_next(struct lexer *lx)
{
	struct token t;

	if (lx->last == TOKEN_ERROR)
		return (struct token){.kind = TOKEN_ERROR};
	skip_space(lx);
	if (lx->at >= lx->src->n) {
		lx->last = TOKEN_END;
		/* The last byte is underlined when something is missing at the end. */
		return (struct token){.kind = TOKEN_END, .span = {MAX(lx->src->n, 0), 1}};
	}
	t = lex_token(lx);
	lx->last = t.kind;
	return t;
}
