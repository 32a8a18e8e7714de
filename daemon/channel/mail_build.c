/*
 * Facts and sentences of a context; see mail_build.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_build.h"

#include <string.h>

bool build_blank(const char *s)
{
	return !s || s[strspn(s, " \t\r\n")] == '\0';
}

void build_put(json_t *o, const char *name, const char *text)
{
	if (!build_blank(text))
		json_object_set_new(o, name, json_string_nocheck(text));
}

void build_flag(struct mail_build *b, const char *name, bool yes)
{
	if (yes)
		json_object_set_new(b->o, name, json_true());
}

void build_count(json_t *o, const char *name, int n)
{
	if (n > 0)
		json_object_set_new(o, name, json_integer(n));
}

void build_line(json_t *o, const char *name, const char *text, int characters)
{
	struct buf out = BUF_INIT(8192);

	if (text)
		mail_text_clip(&out, text, characters);
	build_put(o, name, buf_str(&out));
	buf_fini(&out);
}

void build_time(const struct mail_build *b, json_t *o, const char *name, const struct local_time *t, enum mail_word first)
{
	CLEANUP(freep) char *text = NULL;

	if (!t->set)
		return;
	text = mail_text_time(b->words, t, first);
	build_put(o, name, text);
}

void build_say(struct mail_build *b, const char *name, enum mail_word word)
{
	json_object_set_new(b->o, name, mail_words_say(b->words, word, b->o));
}

const char *build_get(const struct mail_build *b, const char *name)
{
	return json_string_value(json_object_get(b->o, name));
}

void build_join(struct buf *out, const char *text)
{
	if (build_blank(text))
		return;
	if (out->n > 0)
		buf_puts(out, " · ");
	buf_puts(out, text);
}

void build_colours(json_t *o, int priority)
{
	/* On white and on near-black each has a contrast of at least 4.5 (WCAG 2.2 AA). */
	static const struct {
		const char *accent, *accent_dark, *tint, *tint_dark;
	} colours[] = {
		[PRIORITY_LOW] = {"#475467", "#c5ccd6", "#f2f4f7", "#262b33"},
		[PRIORITY_NORMAL] = {"#1553b0", "#9cc2ff", "#eaf2fe", "#1c2a40"},
		[PRIORITY_HIGH] = {"#a33f05", "#fdb56b", "#fff3e5", "#38281a"},
		[PRIORITY_URGENT] = {"#b42318", "#ffa198", "#feefed", "#3d2120"},
		[COLOURS_PRAISE] = {"#05603a", "#7ddba8", "#e9f8ef", "#1a3226"},
	};

	build_put(o, "accent", colours[priority].accent);
	build_put(o, "accent_dark", colours[priority].accent_dark);
	build_put(o, "tint", colours[priority].tint);
	build_put(o, "tint_dark", colours[priority].tint_dark);
}

void build_frame(struct mail_build *b, const char *kind, const char *redirected_from)
{
	build_put(b->o, "lang", language_name(mail_words_language(b->words)));
	build_put(b->o, "kind", kind);
	json_object_set(b->o, "word", mail_words_labels(b->words));
	build_put(b->o, "redirected_from", redirected_from);
	if (build_get(b, "redirected_from"))
		build_say(b, "redirect", WORD_NEWS_REDIRECT);
}
