/*
 * A compiled template: a tree of nodes over the template's own copy of its text.
 *
 *   text ──scan──▶ tokens ──stand-alone lines──▶ tokens ──tree──▶ nodes ──render──▶ output
 *
 * A partial is compiled once per template, however often and from wherever it is used (also by itself).
 * Invariant: sections in one text nest at most TEMPLATE_DEPTH_MAX deep, partials number at most PARTIALS_MAX.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEMPLATE_NODE_H
#define TEMPLATE_NODE_H

#include "template/template.h"

#define TAG_BYTES_MAX 200 /* of a name */
#define DELIM_BYTES_MAX 16
#define NAME_PARTS_MAX 8 /* a.b.c */
#define PARTIALS_MAX 64
#define EXCERPT_BYTES_MAX 200

struct slice {
	const char *p;
	size_t n;
};

/* `{{.}}` has no parts. */
struct name {
	const char *text; /* as written, for messages */
	const char *part[NAME_PARTS_MAX];
	int n;
};

enum node_kind { NODE_TEXT, NODE_ESCAPED, NODE_RAW, NODE_SECTION, NODE_INVERTED, NODE_PARTIAL };

struct node {
	enum node_kind kind;
	bool first;        /* starts a line: the indentation of the surrounding partial comes before it */
	struct slice text; /* NODE_TEXT: at most one line, with its end */
	struct name name;  /* a value, or what the section is about */
	struct partial *partial;
	struct slice indent;   /* NODE_PARTIAL: of a stand-alone tag */
	struct node *children; /* sections */
	struct node *next;
};

struct partial {
	const char *name; /* NULL: the template itself */
	const char *path;
	const char *text; /* NULL: not found, renders as nothing */
	struct node *nodes;
	struct partial *next;
};

struct template
{
	struct arena *arena;
	struct template_options options;
	struct partial *first, *last; /* first is the template itself */
	int n_partials;
	struct diag_list *diags; /* while compiling */
};

enum token_kind {
	TOKEN_TEXT,
	TOKEN_VALUE,    /* {{x}} */
	TOKEN_RAW,      /* {{{x}}} {{&x}} */
	TOKEN_OPEN,     /* {{#x}} */
	TOKEN_INVERTED, /* {{^x}} */
	TOKEN_CLOSE,    /* {{/x}} */
	TOKEN_PARTIAL,  /* {{>x}} */
	TOKEN_SILENT    /* comments, changes of delimiters */
};

struct token {
	enum token_kind kind;
	struct slice text;   /* the text, or the name inside the tag */
	const char *at;      /* where the tag begins */
	size_t bytes;        /* of the whole tag */
	struct slice indent; /* TOKEN_PARTIAL, once its line was found to be its own */
	bool first;
	bool dropped; /* blanks and line end around a stand-alone tag */
};

struct tokens {
	struct token *items;
	int n, room;
};

/* scan.c: text to tokens, stand-alone lines dropped. Errors go to t->diags; scanning stops at the first. */
int scan_text(struct template *t, const struct partial *p, struct tokens *ret);
/* Says where in p's text `at` stands, with the line as excerpt and `bytes` underlined. */
void node_diag(struct template *t, const struct partial *p, const char *at, size_t bytes, const char *hint, const char *fmt,
	       ...) PRINTF(6, 7);

#endif
