/*
 * Mustache text to tokens.
 *
 * Text is cut at line ends, so that a line which holds nothing but one section, comment, partial or delimiter
 * tag can be dropped whole (the spec's stand-alone lines). A tag that spans lines counts as one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "template/node.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct scanner {
	struct template *t;
	const struct partial *p;
	const char *at, *end;
	char open[DELIM_BYTES_MAX + 1], close[DELIM_BYTES_MAX + 1];
	struct tokens *tokens;
};

void node_diag(struct template *t, const struct partial *p, const char *at, size_t bytes, const char *hint, const char *fmt,
	       ...)
{
	const char *begin = at;
	const char *end = at + strcspn(at, "\r\n");
	struct text_pos pos = {.file = p->path, .line = 1};
	CLEANUP(freep) char *excerpt = NULL;
	char text[512];
	struct diag *d;
	va_list ap;
	size_t n;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	for (const char *c = p->text; c < at; c++)
		if (*c == '\n')
			pos.line++;
	while (begin > p->text && begin[-1] != '\n')
		begin--;
	d = diag_add(t->diags, DIAG_ERROR, pos, "%s", text);
	n = utf8_clip(begin, (size_t)(end - begin), EXCERPT_BYTES_MAX);
	if ((size_t)(at - begin) < n) {
		excerpt = xmalloc(n + 1);
		memcpy(excerpt, begin, n);
		excerpt[n] = '\0';
		diag_excerpt(t->diags, d, excerpt, (int)(at - begin), (int)MAX(MIN(bytes, n - (size_t)(at - begin)), 1u), hint);
	} else {
		diag_excerpt(t->diags, d, NULL, 0, 1, hint);
	}
}

static const char *find(const char *from, const char *end, const char *what)
{
	return memmem(from, (size_t)(end - from), what, strlen(what));
}

static struct token *token_add(struct scanner *s, enum token_kind kind, const char *at, const char *end)
{
	struct tokens *list = s->tokens;
	struct token *k;

	if (list->n == list->room) {
		list->room = list->room ? list->room * 2 : 64;
		list->items = xrealloc(list->items, sizeof(*list->items) * (size_t)list->room);
	}
	k = &list->items[list->n++];
	*k = (struct token){.kind = kind, .at = at, .bytes = (size_t)(end - at), .text = {at, (size_t)(end - at)}};
	return k;
}

static void scan_plain(struct scanner *s, const char *end)
{
	while (s->at < end) {
		const char *eol = memchr(s->at, '\n', (size_t)(end - s->at));
		const char *stop = eol ? eol + 1 : end;

		token_add(s, TOKEN_TEXT, s->at, stop);
		s->at = stop;
	}
}

static struct slice trim(const char *from, const char *to)
{
	while (from < to && strchr(" \t\r\n", *from))
		from++;
	while (to > from && strchr(" \t\r\n", to[-1]))
		to--;
	return (struct slice){from, (size_t)(to - from)};
}

/* {{=<% %>=}} */
static int scan_delimiters(struct scanner *s, const char *tag, struct slice in)
{
	const char *gap = in.p, *end = in.p + in.n, *second;

	while (gap < end && !strchr(" \t\r\n", *gap))
		gap++;
	second = gap;
	while (second < end && strchr(" \t\r\n", *second))
		second++;
	if (gap == in.p || second == end || gap - in.p > DELIM_BYTES_MAX || end - second > DELIM_BYTES_MAX ||
	    memchr(in.p, '=', in.n) || memchr(second, ' ', (size_t)(end - second))) {
		node_diag(s->t, s->p, tag, (size_t)(end - tag), "write, for instance: {{=<% %>=}}",
			  "new delimiters must be two short marks with a blank between");
		return TEMPLATE_E_INVALID;
	}
	memcpy(s->open, in.p, (size_t)(gap - in.p));
	s->open[gap - in.p] = '\0';
	memcpy(s->close, second, (size_t)(end - second));
	s->close[end - second] = '\0';
	return 0;
}

static int name_check(struct scanner *s, const char *tag, struct slice name)
{
	const char *text = NULL;

	if (name.n == 0)
		text = "a tag without a name";
	else if (name.n > TAG_BYTES_MAX)
		text = "a name this long can't be right; is a closing mark missing?";
	else
		for (size_t i = 0; i < name.n && !text; i++)
			if (strchr(" \t\r\n", name.p[i]))
				text = "a name has no blanks in it; is a closing mark missing?";
	if (!text)
		return 0;
	node_diag(s->t, s->p, tag, (size_t)(name.p + name.n - tag), NULL, "%s", text);
	return TEMPLATE_E_INVALID;
}

static enum token_kind tag_kind(char mark)
{
	switch (mark) {
	case '#': return TOKEN_OPEN;
	case '^': return TOKEN_INVERTED;
	case '/': return TOKEN_CLOSE;
	case '>': return TOKEN_PARTIAL;
	case '&':
	case '{': return TOKEN_RAW;
	case '!':
	case '=': return TOKEN_SILENT;
	}
	return TOKEN_VALUE;
}

/* One tag, s->at at its opening mark. */
static int scan_tag(struct scanner *s)
{
	const char *tag = s->at, *in = tag + strlen(s->open), *close;
	char mark = in < s->end ? *in : '\0';
	enum token_kind kind = tag_kind(mark);
	char want[DELIM_BYTES_MAX + 2];
	struct slice name;
	struct token *k;
	int r;

	snprintf(want, sizeof(want), "%s%s", mark == '{' ? "}" : mark == '=' ? "=" : "", s->close);
	if (kind != TOKEN_VALUE)
		in++;
	close = find(in, s->end, want);
	if (!close) {
		node_diag(s->t, s->p, tag, strlen(s->open), NULL, "this tag is never closed: '%s' is missing", want);
		return TEMPLATE_E_INVALID;
	}
	name = trim(in, close);
	s->at = close + strlen(want);
	r = mark == '!' ? 0 : mark == '=' ? scan_delimiters(s, tag, name) : name_check(s, tag, name);
	if (r != 0)
		return r;
	k = token_add(s, kind, tag, s->at);
	k->text = name;
	return 0;
}

static bool blank(const struct token *k)
{
	return k->kind == TOKEN_TEXT && strspn(k->text.p, " \t\r\n") >= k->text.n;
}

static bool ends_line(const struct token *k)
{
	return k->kind == TOKEN_TEXT && k->text.n > 0 && k->text.p[k->text.n - 1] == '\n';
}

/* One line of tokens, [from, to): marks its first, and drops blanks around a tag that stands alone. */
static void line_judge(struct token *from, struct token *to)
{
	struct token *only = NULL;

	from->first = true;
	for (struct token *k = from; k < to; k++) {
		if (blank(k))
			continue;
		if (only || k->kind == TOKEN_TEXT || k->kind == TOKEN_VALUE || k->kind == TOKEN_RAW)
			return;
		only = k;
	}
	if (!only)
		return;
	/* A partial brings its own lines, which get this indentation one by one. */
	if (only->kind == TOKEN_PARTIAL)
		only->indent = (struct slice){only->at, 0};
	for (struct token *k = from; k < to; k++) {
		k->first = false;
		if (k == only)
			continue;
		k->dropped = true;
		if (k < only && only->kind == TOKEN_PARTIAL)
			only->indent = k->text;
	}
}

static void lines_judge(struct tokens *list)
{
	int begin = 0;

	for (int i = 0; i < list->n; i++)
		if (ends_line(&list->items[i]) || i == list->n - 1) {
			line_judge(&list->items[begin], &list->items[i + 1]);
			begin = i + 1;
		}
}

int scan_text(struct template *t, const struct partial *p, struct tokens *ret)
{
	struct scanner s = {
		.t = t, .p = p, .at = p->text, .end = p->text + strlen(p->text), .open = "{{", .close = "}}", .tokens = ret};
	const char *tag;
	int r = 0;

	while (r == 0 && (tag = find(s.at, s.end, s.open)) != NULL) {
		scan_plain(&s, tag);
		r = scan_tag(&s);
	}
	if (r != 0)
		return r;
	scan_plain(&s, s.end);
	lines_judge(ret);
	return 0;
}
