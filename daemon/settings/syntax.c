/*
 * Recursive descent over the tokens of a configuration; see syntax.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/syntax.h"
#include "base/escape.h"
#include "settings/token.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define EXCERPT_BYTES_MAX 200
#define UNDERLINE_BYTES_MAX ((size_t)60)

struct parser {
	const struct source *src;
	struct diag_list *diags;
	struct tokens lx;
	struct token now;
	struct token suspect;  /* a text that looks as if its closing quote was forgotten; n 0: none */
	struct token unclosed; /* a '{' whose '}' stands elsewhere than it should; n 0: none */
	struct token before;   /* the token before now */
	int depth;
	bool good, broken; /* broken: the grammar failed, stop */
	bool in_http;      /* the top-level group */
	struct text_spans *local;
};

struct names { /* of one group */
	struct name {
		uint32_t hash;
		int line;
		const char *at;
		size_t n;
	} * items;
	int n, room;
};

static void names_fini(struct names *g)
{
	free(g->items);
}

static struct text_pos token_pos(const struct parser *p, const struct token *t)
{
	return source_pos(p->src, t->line);
}

static void complain(struct parser *p, const struct token *t, const char *text, const char *hint)
{
	struct diag *d = diag_add(p->diags, DIAG_ERROR, token_pos(p, t), "%s", text);
	int from = t->column > EXCERPT_BYTES_MAX / 2 ? t->column - EXCERPT_BYTES_MAX / 4 : 0;
	int n = (int)strcspn(t->at, "\r\n"), length = MIN((int)MIN(t->n, UNDERLINE_BYTES_MAX), n);
	const char *line = t->at - t->column;

	p->good = false;
	while (((unsigned char)line[from] & 0xc0) == 0x80)
		from++;
	n = (int)utf8_clip(line + from, (size_t)(t->column - from + n), EXCERPT_BYTES_MAX);
	diag_excerpt(p->diags, d, arena_strndup(p->diags->arena, line + from, (size_t)n), MIN(t->column - from, n),
		     MIN(length, MAX(n - (t->column - from), 1)), hint);
}

/* Does a text of several lines look as if it had swallowed the settings that follow it: …;\n name = … ? */
static bool looks_unclosed(const struct token *t)
{
	const char *end = memchr(t->at, '\n', t->n), *next, *stop = t->at + t->n;

	if (!end)
		return false;
	next = end + 1;
	while (end > t->at + 1 && strchr(" \t\r", end[-1]))
		end--;
	if (!strchr(";,}])", end[-1]))
		return false;
	while (next < stop && strchr(" \t\r\n", *next))
		next++;
	if (next < stop && *next == '}')
		return true;
	next += strspn(next, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
	next += strspn(next, " \t");
	return next < stop && (*next == '=' || *next == ':');
}

static void advance(struct parser *p)
{
	p->before = p->now;
	tokens_next(&p->lx, &p->now);
	if (p->suspect.n)
		return;
	if (p->now.kind == TOKEN_TEXT && looks_unclosed(&p->now))
		p->suspect = p->now;
	else if (p->now.kind == TOKEN_NAME && p->before.kind == TOKEN_TEXT && p->now.at == p->before.at + p->before.n)
		p->suspect = p->before; /* "nps <= 6; priority = "high */
}

/* What the file has where something else was expected: "'priority'", "the end of the file". */
static const char *token_words(struct parser *p, const struct token *t)
{
	if (t->kind == TOKEN_END)
		return "the end of the file";
	if (t->kind == TOKEN_TEXT)
		return arena_printf(p->diags->arena, "the text %.*s%s", (int)MIN(strcspn(t->at, "\n"), MIN(t->n, (size_t)30)),
				    t->at, t->n > 30 ? "…" : "");
	return arena_printf(p->diags->arena, "'%.*s'", (int)MIN(t->n, (size_t)40), t->at);
}

/* The one message of a broken grammar. */
static void broken(struct parser *p, const char *expected, const char *hint)
{
	const struct token *at = &p->now;
	const char *after = "";

	if (p->broken)
		return;
	p->broken = true;
	if (p->suspect.n) {
		p->suspect.n = strcspn(p->suspect.at, "\n");
		complain(p, &p->suspect, "the closing quote of this text seems to be missing", NULL);
		return;
	}
	if (p->now.kind == TOKEN_BAD) {
		complain(p, &p->now, p->now.trouble, NULL);
		return;
	}
	if (p->before.n)
		after = arena_printf(p->diags->arena, " after %s", token_words(p, &p->before));
	if (p->now.kind == TOKEN_END && p->before.n)
		at = &p->before;
	complain(p, at,
		 arena_printf(p->diags->arena, "syntax error: expected %s%s, got %s", expected, after, token_words(p, &p->now)),
		 hint);
}

static uint32_t name_hash(const char *s, size_t n)
{
	uint32_t h = 2166136261u;

	for (size_t i = 0; i < n; i++)
		h = (h ^ (unsigned char)s[i]) * 16777619u;
	return h;
}

static void name_twice(struct parser *p, const struct token *t, struct text_pos first)
{
	bool same_file = str_eq(first.file, token_pos(p, t).file);

	complain(p, t,
		 arena_printf(p->diags->arena, "'%.*s' is set twice in this group, first in %s%s%d", (int)t->n, t->at,
			      same_file ? "line" : first.file, same_file ? " " : ":", first.line),
		 NULL);
}

static void name_add(struct parser *p, struct names *g, const struct token *t)
{
	struct name name = {name_hash(t->at, t->n), t->line, t->at, t->n};

	for (int i = 0; i < g->n; i++)
		if (g->items[i].hash == name.hash && g->items[i].n == name.n && memcmp(g->items[i].at, name.at, name.n) == 0) {
			name_twice(p, t, source_pos(p->src, g->items[i].line));
			return;
		}
	if (g->n == SYNTAX_NAMES_MAX) {
		broken(p, "'}'", "too many settings in one group");
		return;
	}
	if (g->n == g->room) {
		g->room = g->room ? g->room * 2 : 16;
		g->items = xrealloc(g->items, (size_t)g->room * sizeof(*g->items));
	}
	g->items[g->n++] = name;
}

/* libconfig wraps integers beyond 32 bits silently. */
static void integer_check(struct parser *p)
{
	const char *s = p->now.at;
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');
	long long v;

	errno = 0;
	v = strtoll(s, NULL, hex ? 16 : 10);
	if (errno == ERANGE || v > INT32_MAX || v < INT32_MIN)
		complain(p, &p->now, "this number is out of range: whole numbers go from -2147483648 to 2147483647", NULL);
}

static void text_check(struct parser *p)
{
	const struct token *t = &p->now;

	for (size_t i = 0; i + 3 < t->n; i++) {
		if (t->at[i] != '\\')
			continue;
		if ((t->at[i + 1] | 0x20) == 'x' && t->at[i + 2] == '0' && t->at[i + 3] == '0')
			complain(p, t, "\\x00 can't stand in a text", NULL);
		i++;
	}
}

static void parse_value(struct parser *p);

/* Texts next to each other are one, as in C; in a list that is a forgotten comma. */
static void parse_texts(struct parser *p, bool in_list)
{
	text_check(p);
	advance(p);
	while (p->now.kind == TOKEN_TEXT && !p->broken) {
		if (in_list) {
			broken(p, "',' or the end of the list", "a comma is missing before this text");
			return;
		}
		text_check(p);
		advance(p);
	}
}

static bool parse_scalar(struct parser *p, bool in_list)
{
	switch (p->now.kind) {
	case TOKEN_TEXT: parse_texts(p, in_list); return true;
	case TOKEN_INTEGER:
		integer_check(p);
		advance(p);
		return true;
	case TOKEN_FLOAT:
		if (!isfinite(strtod(p->now.at, NULL)))
			complain(p, &p->now, "this number is out of range", NULL);
		advance(p);
		return true;
	case TOKEN_BOOL: advance(p); return true;
	case TOKEN_END:
	case TOKEN_NAME:
	case TOKEN_MARK:
	case TOKEN_INCLUDE:
	case TOKEN_BAD: break;
	}
	return false;
}

static void no_value(struct parser *p)
{
	static const char *const words[] = {"yes", "no", "on", "off", "null", "none"};
	const char *hint = NULL;

	if (p->now.kind == TOKEN_NAME) {
		hint = "texts are written in double quotes";
		for (size_t i = 0; i < ARRAY_SIZE(words); i++)
			if (p->now.n == strlen(words[i]) && strncasecmp(p->now.at, words[i], p->now.n) == 0)
				hint = i < 4 ? "write true or false" : "leave the setting out instead";
	}
	broken(p, "a value", hint);
}

/* libconfig wants the values of [ ] to be of one kind. */
static bool list_kind_check(struct parser *p, char close, struct token *first)
{
	if (first->n == 0)
		*first = p->now;
	else if (close == ']' && p->now.kind != first->kind && p->now.kind != TOKEN_MARK)
		broken(p, token_words(p, first)[0] == 't' ? "a text" : "a value of the same kind as the first",
		       "the values of a list [ ] are of one kind");
	return !p->broken;
}

/* '[' scalars ']' or '(' values ')' */
static void parse_list(struct parser *p, char close)
{
	struct token open = p->now, first = {.n = 0};

	advance(p);
	if (token_is(&p->now, close)) {
		advance(p);
		return;
	}
	while (!p->broken) {
		bool scalar = list_kind_check(p, close, &first) && parse_scalar(p, true);

		if (!scalar && close == ']' && (token_is(&p->now, '{') || token_is(&p->now, '(') || token_is(&p->now, '[')))
			broken(p, "a text or number", "groups and lists stand in ( ), not in [ ]");
		else if (!scalar)
			parse_value(p);
		if (p->broken)
			return;
		if (token_is(&p->now, close)) {
			advance(p);
			return;
		}
		if (p->now.kind == TOKEN_END) {
			broken(p, close == ']' ? "']'" : "')'",
			       arena_printf(p->diags->arena, "the '%c' of line %d is never closed", *open.at,
					    token_pos(p, &open).line));
			return;
		}
		if (!token_is(&p->now, ',')) {
			broken(p, close == ']' ? "',' or ']'" : "',' or ')'",
			       p->now.kind == TOKEN_NAME || token_is(&p->now, ';') ? "is the end of the list missing?"
										   : "is a comma missing?");
			return;
		}
		advance(p);
		if (token_is(&p->now, close)) {
			p->broken = true;
			complain(p, &p->before, "syntax error: a list must not end in a comma", "remove it");
		}
	}
}

static void parse_settings(struct parser *p, const struct token *open);

static void parse_value(struct parser *p)
{
	struct token open = p->now;

	if (parse_scalar(p, false) || p->broken)
		return;
	if (!token_is(&open, '{') && !token_is(&open, '[') && !token_is(&open, '(')) {
		no_value(p);
		return;
	}
	if (p->depth == SYNTAX_DEPTH_MAX) {
		broken(p, "a value", "groups and lists are nested too deep");
		return;
	}
	p->depth++;
	if (open.mark == '{')
		parse_settings(p, &open);
	else
		parse_list(p, open.mark == '[' ? ']' : ')');
	p->depth--;
}

static void no_name(struct parser *p, const struct token *open)
{
	const char *hint = NULL;

	if (p->now.kind == TOKEN_END && open && !p->suspect.n) {
		p->broken = true;
		complain(p, p->unclosed.n ? &p->unclosed : open, "this '{' is never closed: '}' is missing", NULL);
		return;
	}
	if (p->now.kind == TOKEN_TEXT)
		hint = "names are written without quotes";
	else if (token_is(&p->now, '}') || token_is(&p->now, ']') || token_is(&p->now, ')'))
		hint = open ? "is a '}' missing before it?" : "nothing is open here: one closing sign too many";
	else if (token_is(&p->now, ';') || token_is(&p->now, ','))
		hint = "remove it";
	else if (token_is(&p->now, '{'))
		hint = "each group has a name: NAME: { … };";
	broken(p, open ? "a name or '}'" : "a name", hint);
}

static bool name_is(const struct token *t, const char *name)
{
	return t->n == strlen(name) && memcmp(t->at, name, t->n) == 0;
}

static void parse_setting(struct parser *p, struct names *names, bool top)
{
	struct token name = p->now;
	size_t from = (size_t)(name.at - p->lx.text);
	bool local = top ? name_is(&name, "database") : p->depth == 1 && p->in_http && name_is(&name, "listen");

	name_add(p, names, &name);
	if (p->broken)
		return;
	advance(p);
	if (!token_is(&p->now, '=') && !token_is(&p->now, ':')) {
		broken(p, "'=' or ':'", token_is(&p->now, '{') ? "a group is written NAME: { … };" : NULL);
		return;
	}
	advance(p);
	if (top)
		p->in_http = name_is(&name, "http");
	parse_value(p);
	if (!p->broken && (token_is(&p->now, ';') || token_is(&p->now, ',')))
		advance(p);
	if (local && p->local->n < SYNTAX_LOCAL_MAX)
		p->local->items[p->local->n++] = (struct text_span){from, (size_t)(p->before.at + p->before.n - p->lx.text)};
}

/*
 * When a '}' is missing, the file's end is a poor place to tell: people indent, so a '}' that begins its line elsewhere
 * than the line of its '{' does shows where to look.
 */
static void indent_check(struct parser *p, const struct token *open)
{
	const char *line = p->now.at - p->now.column, *start = open->at - open->column;
	int blank = (int)strspn(line, " \t");

	if (!p->unclosed.n && blank == p->now.column && p->now.line != open->line && blank != (int)strspn(start, " \t"))
		p->unclosed = *open;
}

/* @open: the '{', or NULL for the file itself */
static void parse_settings(struct parser *p, const struct token *open)
{
	struct names names CLEANUP(names_fini) = {0};

	if (open)
		advance(p);
	while (!p->broken) {
		if (p->now.kind == TOKEN_NAME) {
			parse_setting(p, &names, !open);
		} else if (open && token_is(&p->now, '}')) {
			indent_check(p, open);
			advance(p);
			return;
		} else if (!open && p->now.kind == TOKEN_END) {
			return;
		} else {
			no_name(p, open);
		}
	}
}

bool syntax_check(const struct source *src, struct diag_list *diags, struct text_spans *ret_local)
{
	struct parser p = {.src = src, .diags = diags, .good = true, .local = ret_local};

	*ret_local = (struct text_spans){.n = 0};
	tokens_init(&p.lx, buf_str(&src->text), src->text.n);
	advance(&p);
	p.before.n = 0;
	parse_settings(&p, NULL);
	return p.good;
}
