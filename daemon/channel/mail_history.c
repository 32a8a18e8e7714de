/*
 * What happened to a case before this mail, for people: events, the answer of then, what was recorded.
 *
 * What employees wrote is their text, and may name customers: a mail with minimal content leaves it out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_build.h"

#include <string.h>

static enum mail_word event_word(const struct alert_event *e)
{
	int word;

	if (str_eq(e->kind, "contacted") && !e->reached)
		return WORD_HISTORY_UNREACHED;
	if (str_eq(e->kind, "reminded") && e->warning)
		return WORD_HISTORY_WARNED;
	word = e->kind ? mail_words_find("history", e->kind) : -1;
	return word < 0 ? WORD_COUNT : (enum mail_word)word;
}

/* "Tue 14:40 · Reminder 1 of 3", with who did it and what they wrote. */
static void event_add(struct mail_build *b, json_t *list, const struct alert_event *e)
{
	enum mail_word word = event_word(e);
	json_t *in = json_object(), *row = json_object();
	int how = e->how ? mail_words_find("how", e->how) : -1;

	build_line(in, "to", e->to, SHORT_WHO);
	build_time(b, in, "until", &e->until, WORD_TIME_TODAY);
	build_count(in, "n", e->n);
	build_count(in, "of", e->of);
	if (how >= 0)
		json_object_set_new(in, "how", mail_words_say(b->words, (enum mail_word)how, NULL));
	json_object_set_new(row, "what", mail_words_say(b->words, word, in));
	/* Missing ones must not be found further out. */
	json_object_set_new(row, "when", json_null());
	json_object_set_new(row, "by", json_null());
	json_object_set_new(row, "note", json_null());
	build_time(b, row, "when", &e->at, WORD_TIME_TODAY);
	if (!build_blank(e->actor)) {
		build_line(in, "name", e->actor, SHORT_WHO);
		json_object_set_new(row, "by", mail_words_say(b->words, WORD_WHO_PERSON, in));
	}
	if (!b->a->minimal && !build_blank(e->note)) {
		build_line(in, "text", e->note, NOTE_CHARACTERS / 2);
		json_object_set_new(row, "note", mail_words_say(b->words, WORD_QUOTE, in));
	}
	json_array_append_new(list, row);
	json_decref(in);
}

/* For whoever comes new to a case, or comes back to it. That it was opened is no history. */
static bool wants_history(const struct alert *a, int known)
{
	return known > 1 && (a->kind == ALERT_ESCALATED || a->kind == ALERT_ASSIGNED || a->kind == ALERT_REOPENED ||
			     a->kind == ALERT_WAITING_OVER);
}

/* Without the event that this mail tells of: its first line has said that. */
static int before_this(const struct alert *a)
{
	const struct alert_event *last = a->n_history > 0 ? &a->history[a->n_history - 1] : NULL;
	bool told = false;

	if (last && a->kind == ALERT_ESCALATED)
		told = str_eq(last->kind, "escalated");
	else if (last && a->kind == ALERT_ASSIGNED)
		told = str_eq(last->kind, "assigned");
	else if (last && a->kind == ALERT_REOPENED)
		told = str_eq(last->kind, "reopened");
	else if (last && a->kind == ALERT_WAITING_OVER) /* the daemon has set it back to what it was */
		told = !last->actor && (str_eq(last->kind, "acknowledged") || str_eq(last->kind, "started"));
	return a->n_history - told;
}

static void put_events(struct mail_build *b)
{
	const struct alert *a = b->a;
	json_t *list = json_array();
	int known = 0, skip, n = before_this(a);

	for (int i = 0; i < n; i++)
		known += event_word(&a->history[i]) != WORD_COUNT;
	skip = MAX(known - ALERT_HISTORY_MAX, 0);
	if (skip > 0 && wants_history(a, known)) {
		json_t *in = json_pack("{s:i}", "count", skip);

		json_object_set_new(b->o, "history_more", mail_words_say(b->words, WORD_HISTORY_MORE, in));
		json_decref(in);
	}
	for (int i = 0; i < n && wants_history(a, known); i++)
		if (event_word(&a->history[i]) != WORD_COUNT && skip-- <= 0)
			event_add(b, list, &a->history[i]);
	build_flag(b, "has_history", json_array_size(list) > 0);
	json_object_set_new(b->o, "history", list);
}

/* A row that compares then and now; what is missing must not be found further out. */
static json_t *moment(struct mail_build *b, const struct local_time *at)
{
	json_t *o = json_pack("{s:n,s:n,s:n,s:n,s:n,s:n}", "score", "touchpoint", "when", "excerpt", "by", "cause");

	build_time(b, o, "when", at, WORD_TIME_TODAY);
	return o;
}

static void put_then(struct mail_build *b)
{
	const struct alert *a = b->a;
	char text[MAIL_SCORE_BYTES];
	struct score now;
	json_t *o;

	if (!a->was_set || (a->kind != ALERT_OUTCOME && a->kind != ALERT_REOPENED && a->kind != ALERT_JOINED))
		return;
	o = moment(b, &a->was_at);
	build_put(o, "score", mail_text_score(b->words, &a->was, text));
	build_line(o, "touchpoint", a->was_touchpoint, LINE_CHARACTERS);
	if (!a->minimal && !build_blank(a->was_comment)) {
		json_t *in = json_object();

		build_line(in, "text", a->was_comment, 2 * SHORT_COMMENT);
		json_object_set_new(o, "excerpt", mail_words_say(b->words, WORD_QUOTE, in));
		json_decref(in);
	}
	json_object_set_new(b->o, "then", o);
	if (!response_score(b->r, b->a->scales, b->a->n_scales, &now))
		return;
	o = moment(b, &a->responded_at);
	build_put(o, "score", mail_text_score(b->words, &now, text));
	build_line(o, "touchpoint", a->touchpoint, LINE_CHARACTERS);
	json_object_set_new(b->o, "now", o);
}

static void put_solved(struct mail_build *b)
{
	const struct alert *a = b->a;
	json_t *o;

	if (!a->resolved_at.set || (a->kind != ALERT_OUTCOME && a->kind != ALERT_REOPENED))
		return;
	o = moment(b, &a->resolved_at);
	if (!build_blank(a->resolved_by)) {
		json_t *in = json_object();

		build_line(in, "name", a->resolved_by, SHORT_WHO);
		json_object_set_new(o, "by", mail_words_say(b->words, WORD_WHO_PERSON, in));
		json_decref(in);
	}
	build_line(o, "cause", a->root_cause, LINE_CHARACTERS);
	json_object_set_new(b->o, "solved", o);
}

static void put_note(struct mail_build *b)
{
	const struct alert *a = b->a;
	json_t *in;

	if (a->minimal || build_blank(a->note))
		return;
	in = json_object();
	build_line(in, "note", a->note, NOTE_CHARACTERS);
	build_line(in, "for_name", a->for_name, SHORT_WHO);
	json_object_set_new(
		b->o, "note",
		mail_words_say(b->words, a->kind == ALERT_WAITING_OVER && !a->for_name ? WORD_NOTE_OWN : WORD_NOTE_FROM, in));
	json_decref(in);
}

static void put_alarm(struct mail_build *b)
{
	struct buf out = BUF_INIT(4096);

	if (b->a->kind == ALERT_OUTCOME || b->a->kind == ALERT_PRAISE || b->a->withdrawn)
		return;
	if (b->a->ping_pong)
		mail_words_put(b->words, WORD_ALARM_PING_PONG, NULL, &out);
	if (b->a->unreached > 0) {
		json_t *in = json_pack("{s:i}", "count", b->a->unreached);

		if (out.n > 0)
			buf_putc(&out, ' ');
		mail_words_put(b->words, WORD_ALARM_UNREACHED, in, &out);
		json_decref(in);
	}
	build_put(b->o, "alarm", buf_str(&out));
	buf_fini(&out);
}

void build_history(struct mail_build *b)
{
	put_events(b);
	put_then(b);
	put_solved(b);
	put_note(b);
	put_alarm(b);
}
