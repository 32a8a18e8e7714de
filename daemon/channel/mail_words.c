/*
 * Reading and speaking the words of a language; see mail_words.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_words.h"

#include "channel/mail_context.h"
#include "channel/render.h"
#include "template/template.h"

#include <stdlib.h>
#include <string.h>

#define SENTENCE_BYTES_MAX (4 * 1024 * 1024) /* a quoted comment is one */

#define MAIL_WORD_NAME(id, name) name,
static const char *const word_names[WORD_COUNT] = {MAIL_WORDS(MAIL_WORD_NAME)};
#undef MAIL_WORD_NAME

struct word {
	char *text;                /* NULL: not given yet */
	struct template *template; /* NULL: the text has no names in it */
};

struct mail_words {
	enum language language;
	struct word words[WORD_COUNT];
	json_t *labels; /* NULL until mail_words_finish() */
};

struct mail_words *mail_words_new(enum language language)
{
	struct mail_words *w = xcalloc(1, sizeof(*w));

	w->language = language;
	return w;
}

struct mail_words *mail_words_free(struct mail_words *w)
{
	if (!w)
		return NULL;
	for (int i = 0; i < WORD_COUNT; i++) {
		free(w->words[i].text);
		template_free(w->words[i].template);
	}
	json_decref(w->labels);
	free(w);
	return NULL;
}

enum language mail_words_language(const struct mail_words *w)
{
	return w->language;
}

static int word_find(const char *name)
{
	for (int i = 0; i < WORD_COUNT; i++)
		if (strcmp(word_names[i], name) == 0)
			return i;
	return -1;
}

int mail_words_find(const char *prefix, const char *key)
{
	size_t n = strlen(prefix);

	for (int i = 0; i < WORD_COUNT; i++)
		if (strncmp(word_names[i], prefix, n) == 0 && word_names[i][n] == '.' &&
		    strcmp(word_names[i] + n + 1, key) == 0)
			return i;
	return -1;
}

static int word_set(struct word *word, struct text_pos pos, const char *text, struct diag_list *diags)
{
	static const struct template_options options = {.escape = ESCAPE_TEXT};
	struct template *t = NULL;
	int before = diags->n, r = 0;

	if (strstr(text, "{{"))
		r = template_new(pos.file, text, &options, diags, &t);
	for (int i = before; i < diags->n; i++)
		diags->items[i].pos.line = pos.line;
	if (r != 0)
		return r < 0 ? r : RENDER_E_INVALID;
	if (t)
		mail_context_check(t, pos, diags);
	free(word->text);
	template_free(word->template);
	word->text = xstrdup(text);
	word->template = t;
	return 0;
}

/* One line, cut at its '='. */
static int line_read(struct mail_words *w, bool seen[WORD_COUNT], struct text_pos pos, char *line, struct diag_list *diags)
{
	char *name = line + strspn(line, " \t"), *equal = strchr(name, '='), *text, *end;
	const char *nearest;
	int i;

	if (*name == '\0' || *name == '#')
		return 0;
	if (!equal) {
		diag_excerpt(diags, diag_add(diags, DIAG_ERROR, pos, "expected NAME = TEXT"), name, 0, (int)strlen(name), NULL);
		return RENDER_E_INVALID;
	}
	text = equal + 1 + strspn(equal + 1, " \t");
	for (end = equal; end > name && strchr(" \t", end[-1]);)
		end--;
	*end = '\0';
	for (end = text + strlen(text); end > text && strchr(" \t\r", end[-1]);)
		end--;
	*end = '\0';
	i = word_find(name);
	if (i < 0) {
		nearest = diag_nearest(name, word_names, WORD_COUNT, sizeof(word_names[0]));
		diag_add(diags, DIAG_ERROR, pos, "unknown word '%s'%s%s%s", name, nearest ? ", did you mean '" : "",
			 nearest ? nearest : "", nearest ? "'?" : "");
		return RENDER_E_INVALID;
	}
	if (seen[i]) {
		diag_add(diags, DIAG_ERROR, pos, "'%s' is given twice in this file", name);
		return RENDER_E_INVALID;
	}
	seen[i] = true;
	return word_set(&w->words[i], pos, text, diags);
}

int mail_words_add(struct mail_words *w, const char *path, const char *text, struct diag_list *diags)
{
	CLEANUP(freep) char *copy = xstrdup(text);
	struct text_pos pos = {.file = path};
	bool seen[WORD_COUNT] = {0};
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

const char *mail_words_finish(struct mail_words *w)
{
	static const char prefix[] = "word.";

	for (int i = 0; i < WORD_COUNT; i++)
		if (!w->words[i].text)
			return word_names[i];
	json_decref(w->labels);
	w->labels = json_object();
	for (int i = 0; i < WORD_COUNT; i++)
		if (strncmp(word_names[i], prefix, strlen(prefix)) == 0)
			json_object_set_new(w->labels, word_names[i] + strlen(prefix),
					    mail_words_say(w, (enum mail_word)i, NULL));
	return NULL;
}

void mail_words_put(const struct mail_words *w, enum mail_word word, json_t *context, struct buf *out)
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

json_t *mail_words_say(const struct mail_words *w, enum mail_word word, json_t *context)
{
	struct buf out = BUF_INIT(SENTENCE_BYTES_MAX);
	json_t *v;

	mail_words_put(w, word, context, &out);
	v = json_stringn_nocheck(buf_str(&out), out.n);
	buf_fini(&out);
	return v;
}

json_t *mail_words_labels(const struct mail_words *w)
{
	return w->labels;
}
