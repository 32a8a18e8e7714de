/*
 * Mustache (the official spec: interpolation, sections, inverted, comments, partials, delimiters)
 * for mails, pages and payloads.
 *
 * A template is compiled once and rendered with a jansson value as context. Escaping follows the kind of
 * the file, by its ending. {{{raw}}} and {{&raw}} of anything that is not listed as trusted is refused when
 * the template is compiled: a customer's words never reach an output unescaped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

#include "base/diag.h"

#include <jansson.h>

#define TEMPLATE_BYTES_MAX (256 * 1024)
#define TEMPLATE_DEPTH_MAX 32 /* sections and partials */

enum template_escape { ESCAPE_HTML, ESCAPE_JSON, ESCAPE_TEXT, ESCAPE_MRKDWN };
/* By ending: .html .json .txt .mrkdwn; -EINVAL for others. A trailing .mustache is ignored. */
int template_escape_of(const char *path, enum template_escape *ret);

struct template;

/*
 * Finds partials by name. text is valid until template_new() returns.
 * Return: 0, or -ENOENT (renders as nothing, as the spec wants).
 */
typedef int template_partial_fn(void *arg, const char *name, const char **ret_text);

struct template_options {
	enum template_escape escape;
	const char *const *trusted;   /* NULL-terminated names that {{{ }}} may use, "*" for all (spec tests); NULL: none */
	template_partial_fn *partial; /* NULL: no partials */
	void *partial_arg;
};

#define TEMPLATE_E_INVALID 1

/* Return: 0, TEMPLATE_E_INVALID with diags, or a negative errno. */
int template_new(const char *path, const char *text, const struct template_options *options, struct diag_list *diags,
		 struct template **ret);
struct template *template_free(struct template *t);
void template_freep(struct template **t);

/*
 * template_names() - every name a template and its partials ask the context for, in order, repeated as often as used
 * Called with the file it stands in and the name as written ("a.b"); {{.}} is left out.
 */
typedef void template_name_fn(void *arg, const char *path, const char *name);
void template_names(const struct template *t, template_name_fn *fn, void *arg);

/* Appends to out. Return: 0, or -EMSGSIZE when out's cap was hit, -ELOOP when sections or partials nest too deep. */
int template_render(const struct template *t, json_t *context, struct buf *out);

#endif
