/*
 * What pages look like: templates, words and the stylesheet, built into the program from conf/pages.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_VIEW_H
#define PAGE_VIEW_H

#include "model/words.h"
#include "template/template.h"

struct view;

/* Compiles everything. Aborts with a message when what is built in is wrong: a test makes one. */
struct view *view_new(void);
struct view *view_free(struct view *v);

/* "/style/1a2b3c4d.css": changes with the content. */
const char *view_style_path(const struct view *v);
const char *view_style(const struct view *v);

/* Appends NAME.html with the context, to which lang, w (all words) and style are added. */
void view_render(const struct view *v, const char *name, enum language language, json_t *context, struct buf *out);
/* A word or sentence; context may be NULL. An unknown name aborts: it is a mistake of ours. */
json_t *view_say(const struct view *v, enum language language, const char *word, json_t *context);
/* Its text when it has no names in it, as for attributes of elements that C makes. */
const char *view_word(const struct view *v, enum language language, const char *word);
bool view_has(const struct view *v, const char *word);

/*
 * A time as people say it: "14:40 today", "오늘 14:40". moment: {clock, now (of the same wall), left (seconds)} as closeloop.page_moment()
 * makes it, or null, which gives null. form: "time", "by", or "day", which tells no clock.
 */
json_t *view_moment(const struct view *v, enum language language, const char *form, const json_t *moment);
/* "1 h 12 min", "3 d": the two largest parts. */
json_t *view_span(const struct view *v, enum language language, int64_t seconds);

#endif
