/*
 * Reading and speaking words; see words.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "template/words.h"

#include <stdlib.h>
#include <string.h>

#define SENTENCE_BYTES_MAX (4 * 1024 * 1024) /* a quoted comment is one */

struct word {
	char *text;                /* NULL: not given yet */
	struct template *template; /* NULL: the text has no names in it */
};

struct words {
	const char *const *names;
	int n;
	words_check_fn *check;
	struct word *words; /* beside names */
};

struct words *words_new(const char *const *names, int n, words_check_fn *check)
{
	struct words *w = xcalloc(1, sizeof(*w));

	*w = (struct words){.names = names, .n = n, .check = check};
	w->words = xcalloc((size_t)n, sizeof(*w->words));
	return w;
}

struct words *words_free(struct words *w)
{
	if (!w)
		return NULL;
	for (int i = 0; i < w->n; i++) {
		free(w->words[i].text);
		template_free(w->words[i].template);
	}
	free(w->words);
	free(w);
	return NULL;
}

int words_find(const struct words *w, const char *name)
{
	for (int i = 0; i < w->n; i++)
		if (strcmp(w->names[i], name) == 0)
			return i;
	return -1;
}

static int word_set(struct words *w, struct word *word, struct text_pos pos, const char *text, struct diag_list *diags)
{
	static const struct template_options options = {.escape = ESCAPE_TEXT};
	struct template *t = NULL;
	int before = diags->n, r = 0;

	if (strstr(text, "{{"))
		r = template_new(pos.file, text, &options, diags, &t);
	for (int i = before; i < diags->n; i++)
		diags->items[i].pos.line = pos.line;
	if (r != 0)
		return r < 0 ? r : WORDS_E_INVALID;
	if (t && w->check)
		w->check(t, pos, diags);
	free(word->text);
	template_free(word->template);
	word->text = xstrdup(text);
	word->template = t;
	return 0;
}

/* One line, cut at its '='. */
static int line_read(struct words *w, bool *seen, struct text_pos pos, char *line, struct diag_list *diags)
{
	char *name = line + strspn(line, " \t"), *equal = strchr(name, '='), *text, *end;
	const char *nearest;
	int i;

	if (*name == '\0' || *name == '#')
		return 0;
	if (!equal) {
		diag_excerpt(diags, diag_add(diags, DIAG_ERROR, pos, "expected NAME = TEXT"), name, 0, (int)strlen(name), NULL);
		return WORDS_E_INVALID;
	}
	text = equal + 1 + strspn(equal + 1, " \t");
	for (end = equal; end > name && strchr(" \t", end[-1]);)
		end--;
	*end = '\0';
	for (end = text + strlen(text); end > text && strchr(" \t\r", end[-1]);)
		end--;
	*end = '\0';
	i = words_find(w, name);
	if (i < 0) {
		nearest = diag_nearest(name, w->names, (size_t)w->n, sizeof(w->names[0]));
		diag_add(diags, DIAG_ERROR, pos, "unknown word '%s'%s%s%s", name, nearest ? ", did you mean '" : "",
			 nearest ? nearest : "", nearest ? "'?" : "");
		return WORDS_E_INVALID;
	}
	if (seen[i]) {
		diag_add(diags, DIAG_ERROR, pos, "'%s' is given twice in this file", name);
		return WORDS_E_INVALID;
	}
	seen[i] = true;
	return word_set(w, &w->words[i], pos, text, diags);
}

int words_add(struct words *w, const char *path, const char *text, struct diag_list *diags)
{
	CLEANUP(freep) char *copy = xstrdup(text);
	struct text_pos pos = {.file = path};
	CLEANUP(freep) bool *seen = xcalloc((size_t)w->n, sizeof(*seen));
	char *rest = copy, *line;
	int r = 0;

	while ((line = strsep(&rest, "\n")) != NULL) {
		int one;

		pos.line++;
		one = line_read(w, seen, pos, line, diags);
		r = r ? r : one;
	}
	return r;
}

const char *words_missing(const struct words *w)
{
	for (int i = 0; i < w->n; i++)
		if (!w->words[i].text)
			return w->names[i];
	return NULL;
}

void words_put(const struct words *w, int word, json_t *context, struct buf *out)
{
	const struct word *k = &w->words[word];
	size_t before = out->n;

	if (!k->template)
		buf_puts(out, k->text);
	else if (template_render(k->template, context, out) != 0) {
		out->n = before;
		out->overflow = false;
	}
}

json_t *words_say(const struct words *w, int word, json_t *context)
{
	struct buf out = BUF_INIT(SENTENCE_BYTES_MAX);
	json_t *v;

	words_put(w, word, context, &out);
	v = json_stringn_nocheck(buf_str(&out), out.n);
	buf_fini(&out);
	return v;
}

json_t *words_object(const struct words *w, const char *prefix)
{
	json_t *o = json_object();
	size_t n = strlen(prefix);

	for (int i = 0; i < w->n; i++)
		if (strncmp(w->names[i], prefix, n) == 0)
			json_object_set_new(o, w->names[i] + n, words_say(w, i, NULL));
	return o;
}
