/*
 * Small texts of a mail: times in a language, scores, clipped and linked pieces of what customers wrote.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_TEXT_H
#define CHANNEL_MAIL_TEXT_H

#include "base/buf.h"
#include "channel/mail_words.h"
#include "model/response.h"

#define MAIL_SCORE_BYTES 96
/* "2/10", "3.5/5", "5/6 (1 is best)". Returns text. */
const char *mail_text_score(const struct mail_words *w, const struct score *s, char text[MAIL_SCORE_BYTES]);

/*
 * mail_text_time() - a time as people say it, malloc'd
 * @first: WORD_TIME_TODAY ("14:40 today") or WORD_BY_TODAY ("by 14:40 today"); the words for tomorrow, yesterday, other
 *         days and far ones follow it
 */
char *mail_text_time(const struct mail_words *w, const struct local_time *t, enum mail_word first);
char *mail_text_date(const struct mail_words *w, const struct local_time *t);

/*
 * How long, malloc'd: "45 s", "40 min", "1 h 12 min", "5 h", "3 days", always rounded down. Minutes are told of the
 * first two hours, days from the third on.
 */
char *mail_text_span(const struct mail_words *w, int64_t seconds);
/* Seconds until something is due, malloc'd: "40 min left", "due now" (up to a minute late), "overdue by 2 h". */
char *mail_text_left(const struct mail_words *w, int64_t seconds);

/*
 * mail_text_clip() - one line of at most so many characters as people see them
 * Blanks, line ends, control and bidi-override characters become single blanks; "…" marks what was cut.
 */
void mail_text_clip(struct buf *out, const char *text, int characters);

/* A customer's comment, all line ends as LF, without blanks at its end. lines are those of the first max_html bytes.
 * New references. */
struct mail_comment {
	json_t *text, *lines;
	bool cut, lines_cut;
};
struct mail_comment mail_text_comment(const char *comment, size_t max_text, size_t max_html);

/* "tel:+8210…" of a number made of digits, blanks, '-' and a leading '+'; false: no such number, nothing written. */
bool mail_text_phone_link(struct buf *out, const char *phone);
/* "mailto:…" of an address made of letters, digits and . _ + - @ only. */
bool mail_text_mail_link(struct buf *out, const char *address);

#endif
