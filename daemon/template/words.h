/*
 * Words and sentences of one language: a text file with one NAME = TEXT a line, each TEXT a small Mustache template.
 *
 * Which names there are is fixed when the words are made; a later file replaces single ones. Sentences are rendered
 * without escaping: the template that shows them escapes once, by its own kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TEMPLATE_WORDS_H
#define TEMPLATE_WORDS_H

#include "template/template.h"

struct words;

/* Called with the template of each sentence that has names in it; what it finds wrong goes to diags. */
typedef void words_check_fn(const struct template *t, struct text_pos pos, struct diag_list *diags);

/* names: borrowed for good. check may be NULL. */
struct words *words_new(const char *const *names, int n, words_check_fn *check);
struct words *words_free(struct words *w);

#define WORDS_E_INVALID 1
/*
 * words_add() - takes the words of a file over those that are there
 * Return: 0, or WORDS_E_INVALID with diags: unknown or doubled names, lines without "=", broken templates.
 */
int words_add(struct words *w, const char *path, const char *text, struct diag_list *diags);
/* NULL, or the name of the first word still missing. */
const char *words_missing(const struct words *w);

/* Its place among the names, or -1. */
int words_find(const struct words *w, const char *name);

/* The sentence with its context put in, appended to out; nothing when it doesn't fit. */
void words_put(const struct words *w, int word, json_t *context, struct buf *out);
/* The same as a new JSON string. */
json_t *words_say(const struct words *w, int word, json_t *context);
/* Those whose names begin with prefix, as a new object: the rest of the name → the text. */
json_t *words_object(const struct words *w, const char *prefix);

#endif
