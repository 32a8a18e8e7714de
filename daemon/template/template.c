/*
 * Compiling a template: tokens to a tree of nodes, partials on the way; see node.h.
 *
 * Open sections are a small stack, not recursion, and partials wait in a list, so no template text can run
 * the compiler out of stack.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "template/node.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct builder {
	struct template *t;
	struct partial *p;
	struct node **tail[TEMPLATE_DEPTH_MAX + 1];
	const struct token *open[TEMPLATE_DEPTH_MAX + 1]; /* [0] is the text itself */
	int depth;
};

int template_escape_of(const char *path, enum template_escape *ret)
{
	static const struct {
		const char *ending;
		enum template_escape escape;
	} kinds[] = {
		{".html", ESCAPE_HTML},
		{".json", ESCAPE_JSON},
		{".txt", ESCAPE_TEXT},
		{".mrkdwn", ESCAPE_MRKDWN},
	};
	static const char more[] = ".mustache";
	size_t n = strlen(path);

	if (n > strlen(more) && strcmp(path + n - strlen(more), more) == 0)
		n -= strlen(more);
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		size_t k = strlen(kinds[i].ending);

		if (n > k && memcmp(path + n - k, kinds[i].ending, k) == 0) {
			*ret = kinds[i].escape;
			return 0;
		}
	}
	return -EINVAL;
}

static bool slice_is(struct slice s, const char *text)
{
	return strlen(text) == s.n && memcmp(s.p, text, s.n) == 0;
}

static int name_split(struct builder *b, const struct token *k, struct name *ret)
{
	char *rest = arena_strndup(b->t->arena, k->text.p, k->text.n), *part;

	ret->text = arena_strdup(b->t->arena, rest);
	if (strcmp(rest, ".") == 0)
		return 0;
	while ((part = strsep(&rest, ".")) != NULL) {
		if (*part == '\0' || ret->n == NAME_PARTS_MAX) {
			node_diag(b->t, b->p, k->at, k->bytes, NULL, "'%s' is no name: parts joined by single dots, at most %d",
				  ret->text, NAME_PARTS_MAX);
			return TEMPLATE_E_INVALID;
		}
		ret->part[ret->n++] = part;
	}
	return 0;
}

static bool trusted(const struct template *t, struct slice name)
{
	for (const char *const *w = t->options.trusted; w && *w; w++)
		if (strcmp(*w, "*") == 0 || slice_is(name, *w))
			return true;
	return false;
}

/* The partial of that name, found in what is known or asked for; compiled later. */
static struct partial *partial_get(struct builder *b, const struct token *k)
{
	struct template *t = b->t;
	const char *text = NULL;
	struct partial *p;
	char *name;

	for (p = t->first->next; p; p = p->next)
		if (slice_is(k->text, p->name))
			return p;
	if (t->n_partials == PARTIALS_MAX) {
		node_diag(t, b->p, k->at, k->bytes, NULL, "more than %d partials", PARTIALS_MAX);
		return NULL;
	}
	name = arena_strndup(t->arena, k->text.p, k->text.n);
	if (t->options.partial && t->options.partial(t->options.partial_arg, name, &text) != 0)
		text = NULL;
	if (text && strlen(text) > TEMPLATE_BYTES_MAX) {
		node_diag(t, b->p, k->at, k->bytes, NULL, "partial '%s' is larger than %d bytes", name, TEMPLATE_BYTES_MAX);
		return NULL;
	}
	p = arena_new_obj(t->arena, struct partial);
	*p = (struct partial){.name = name, .path = name, .text = arena_strdup(t->arena, text)};
	t->last->next = p;
	t->last = p;
	t->n_partials++;
	return p;
}

static int build_close(struct builder *b, const struct token *k)
{
	const struct token *open = b->open[b->depth];
	int line = 1;

	if (b->depth == 0) {
		node_diag(b->t, b->p, k->at, k->bytes, NULL, "'%.*s' closes a section that was never opened", (int)k->bytes,
			  k->at);
		return TEMPLATE_E_INVALID;
	}
	for (const char *c = b->p->text; c < open->at; c++)
		line += *c == '\n';
	if (open->text.n != k->text.n || memcmp(open->text.p, k->text.p, k->text.n) != 0) {
		node_diag(b->t, b->p, k->at, k->bytes, NULL, "'%.*s' closes section '%.*s', opened in line %d", (int)k->bytes,
			  k->at, (int)open->text.n, open->text.p, line);
		return TEMPLATE_E_INVALID;
	}
	b->depth--;
	return 0;
}

static struct node *node_append(struct builder *b, enum node_kind kind, const struct token *k)
{
	struct node *node = arena_new_obj(b->t->arena, struct node);

	node->kind = kind;
	node->first = k->first;
	*b->tail[b->depth] = node;
	b->tail[b->depth] = &node->next;
	return node;
}

static int build_section(struct builder *b, const struct token *k)
{
	struct node *node = node_append(b, k->kind == TOKEN_OPEN ? NODE_SECTION : NODE_INVERTED, k);

	if (b->depth == TEMPLATE_DEPTH_MAX) {
		node_diag(b->t, b->p, k->at, k->bytes, NULL, "sections nest deeper than %d", TEMPLATE_DEPTH_MAX);
		return TEMPLATE_E_INVALID;
	}
	b->depth++;
	b->tail[b->depth] = &node->children;
	b->open[b->depth] = k;
	return name_split(b, k, &node->name);
}

static int build_raw(struct builder *b, const struct token *k)
{
	if (!trusted(b->t, k->text)) {
		char hint[TAG_BYTES_MAX + 32];

		snprintf(hint, sizeof(hint), "write: {{%.*s}}", (int)k->text.n, k->text.p);
		node_diag(b->t, b->p, k->at, k->bytes, hint,
			  "'%.*s' would put '%.*s' out unescaped, and a customer may have written it", (int)k->bytes, k->at,
			  (int)k->text.n, k->text.p);
		return TEMPLATE_E_INVALID;
	}
	return name_split(b, k, &node_append(b, NODE_RAW, k)->name);
}

/* A tag without output begins a line that holds more: the indentation of the line still comes. */
static void put_line_start(struct builder *b, const struct token *k)
{
	if (k->first)
		node_append(b, NODE_TEXT, k)->text = (struct slice){k->at, 0};
}

static int build_token(struct builder *b, const struct token *k)
{
	struct node *node;

	switch (k->kind) {
	case TOKEN_TEXT:
		if (!k->dropped) {
			node = node_append(b, NODE_TEXT, k);
			node->text = k->text;
		}
		return 0;
	case TOKEN_VALUE: return name_split(b, k, &node_append(b, NODE_ESCAPED, k)->name);
	case TOKEN_RAW: return build_raw(b, k);
	case TOKEN_OPEN:
	case TOKEN_INVERTED: return build_section(b, k);
	case TOKEN_CLOSE: put_line_start(b, k); return build_close(b, k);
	case TOKEN_PARTIAL:
		node = node_append(b, NODE_PARTIAL, k);
		node->indent = k->indent;
		node->partial = partial_get(b, k);
		return node->partial ? 0 : TEMPLATE_E_INVALID;
	case TOKEN_SILENT: break;
	}
	put_line_start(b, k);
	return 0;
}

static int partial_compile(struct template *t, struct partial *p)
{
	struct builder b = {.t = t, .p = p, .tail = {&p->nodes}};
	struct tokens tokens = {0};
	int r = 0;

	if (!p->text)
		return 0;
	r = scan_text(t, p, &tokens);
	for (int i = 0; i < tokens.n && r == 0; i++)
		r = build_token(&b, &tokens.items[i]);
	if (r == 0 && b.depth > 0) {
		const struct token *open = b.open[b.depth];

		node_diag(t, p, open->at, open->bytes, NULL, "section '%.*s' is never closed: {{/%.*s}} is missing",
			  (int)open->text.n, open->text.p, (int)open->text.n, open->text.p);
		r = TEMPLATE_E_INVALID;
	}
	free(tokens.items);
	return r;
}

int template_new(const char *path, const char *text, const struct template_options *options, struct diag_list *diags,
		 struct template **ret)
{
	struct arena *arena = arena_new(0);
	CLEANUP(template_freep) struct template *t = arena_new_obj(arena, struct template);
	int r = 0;

	t->arena = arena;
	t->options = *options;
	t->diags = diags;
	t->first = t->last = arena_new_obj(arena, struct partial);
	t->first->path = arena_strdup(arena, path);
	if (strlen(text) > TEMPLATE_BYTES_MAX) {
		diag_add(diags, DIAG_ERROR, (struct text_pos){.file = path}, "larger than %d bytes", TEMPLATE_BYTES_MAX);
		return TEMPLATE_E_INVALID;
	}
	t->first->text = arena_strdup(arena, text);
	for (struct partial *p = t->first; p; p = p->next) {
		int one = partial_compile(t, p);

		r = r ? r : one;
	}
	if (r != 0)
		return r;
	t->diags = NULL;
	t->options.trusted = NULL;
	t->options.partial = NULL;
	t->options.partial_arg = NULL;
	*ret = TAKE(t);
	return 0;
}

struct template *template_free(struct template *t)
{
	if (t)
		arena_free(t->arena);
	return NULL;
}

void template_freep(struct template **t)
{
	*t = template_free(*t);
}

static void names_visit(const struct partial *p, const struct node *nodes, template_name_fn *fn, void *arg)
{
	/* Sections in one text nest at most TEMPLATE_DEPTH_MAX deep. */
	for (const struct node *k = nodes; k; k = k->next) {
		if (k->name.n > 0)
			fn(arg, p->path, k->name.text);
		names_visit(p, k->children, fn, arg);
	}
}

void template_names(const struct template *t, template_name_fn *fn, void *arg)
{
	for (const struct partial *p = t->first; p; p = p->next)
		names_visit(p, p->nodes, fn, arg);
}
