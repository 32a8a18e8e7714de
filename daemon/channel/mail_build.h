/*
 * Putting facts and sentences into the context of a mail: what alerts, digests and operator mails share.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_BUILD_H
#define CHANNEL_MAIL_BUILD_H

#include "channel/mail_text.h"
#include "channel/mail_words.h"
#include "model/alert.h"

#define LINE_CHARACTERS 300 /* of a name or a detail; a comment is never cut to a line */
#define NOTE_CHARACTERS 600 /* of what an employee wrote */
#define SHORT_WHO 60        /* characters in a subject */
#define SHORT_TOUCHPOINT 40
#define SHORT_COMMENT 70 /* in the preview line */

struct mail_build {
	const struct mail_words *words;
	const struct alert *a;    /* NULL in digests and operator mails */
	const struct response *r; /* of a */
	json_t *o;                /* the context */
};

/* Colours and a word: the priorities, and praise behind them. */
#define COLOURS_PRAISE ((int)PRIORITY_COUNT)

bool build_blank(const char *s);
/* Blank texts are left out, as if they were missing. */
void build_put(json_t *o, const char *name, const char *text);
void build_flag(struct mail_build *b, const char *name, bool yes);
/* 0 is left out. */
void build_count(json_t *o, const char *name, int n);
/* As one line of so many characters. */
void build_line(json_t *o, const char *name, const char *text, int characters);
void build_time(const struct mail_build *b, json_t *o, const char *name, const struct local_time *t, enum mail_word first);
/* The sentence with what stands in the context so far. */
void build_say(struct mail_build *b, const char *name, enum mail_word word);
const char *build_get(const struct mail_build *b, const char *name);
/* Appends " · " between two. */
void build_join(struct buf *out, const char *text);

/* accent, accent_dark, tint, tint_dark of a priority or COLOURS_PRAISE. */
void build_colours(json_t *o, int priority);
/* lang, word, and the redirection. */
void build_frame(struct mail_build *b, const char *kind, const char *redirected_from);

/* What an alert says (mail_sentences.c): first lines, last lines, subject and preview, from the facts in the context. */
void build_sentences(struct mail_build *b);
/* What happened before (mail_history.c): history, then, solved, now, note, alarm. */
void build_history(struct mail_build *b);

#endif
