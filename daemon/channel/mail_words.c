/*
 * The words of the mails; see mail_words.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_words.h"

#include "channel/mail_context.h"
#include "channel/render.h"
#include "template/words.h"

#include <stdlib.h>
#include <string.h>

#define MAIL_WORD_NAME(id, name) name,
static const char *const word_names[WORD_COUNT] = {MAIL_WORDS(MAIL_WORD_NAME)};
#undef MAIL_WORD_NAME

struct mail_words {
	enum language language;
	struct words *words;
	json_t *labels; /* NULL until mail_words_finish() */
};

struct mail_words *mail_words_new(enum language language)
{
	struct mail_words *w = xcalloc(1, sizeof(*w));

	w->language = language;
	w->words = words_new(word_names, WORD_COUNT, mail_context_check);
	return w;
}

struct mail_words *mail_words_free(struct mail_words *w)
{
	if (!w)
		return NULL;
	words_free(w->words);
	json_decref(w->labels);
	free(w);
	return NULL;
}

enum language mail_words_language(const struct mail_words *w)
{
	return w->language;
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

int mail_words_add(struct mail_words *w, const char *path, const char *text, struct diag_list *diags)
{
	int r = words_add(w->words, path, text, diags);

	return r > 0 ? RENDER_E_INVALID : r;
}

const char *mail_words_finish(struct mail_words *w)
{
	const char *missing = words_missing(w->words);

	if (missing)
		return missing;
	json_decref(w->labels);
	w->labels = words_object(w->words, "word.");
	return NULL;
}

void mail_words_put(const struct mail_words *w, enum mail_word word, json_t *context, struct buf *out)
{
	words_put(w->words, (int)word, context, out);
}

json_t *mail_words_say(const struct mail_words *w, enum mail_word word, json_t *context)
{
	return words_say(w->words, (int)word, context);
}

json_t *mail_words_labels(const struct mail_words *w)
{
	return w->labels;
}
