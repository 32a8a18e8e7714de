/*
 * A digest as the names of its templates: several cases in one mail, worst first.
 *
 * Each line is an object of its own in `lines`; what a line doesn't have is null there, so that nothing is found
 * further out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_build.h"
#include "channel/mail_context.h"

#include <inttypes.h>
#include <stdio.h>

#define LINE_WHO 80
#define LINE_COMMENT 110

static json_t *say_with(const struct mail_build *b, enum mail_word word, const char *name, const char *value)
{
	json_t *in = json_object(), *said;

	build_line(in, name, value, LINE_CHARACTERS);
	said = mail_words_say(b->words, word, in);
	json_decref(in);
	return said;
}

static json_t *say_count(const struct mail_build *b, enum mail_word word, int count)
{
	json_t *in = json_pack("{s:i}", "count", count), *said = mail_words_say(b->words, word, in);

	json_decref(in);
	return said;
}

static void line_who(const struct mail_build *b, json_t *o, const struct digest_line *l, bool minimal)
{
	bool named = !minimal && !build_blank(l->customer_name);
	json_t *in = json_object();
	enum mail_word word = !build_blank(l->account)      ? WORD_WHO_ACCOUNT
			      : named                       ? WORD_WHO_PERSON
			      : build_blank(l->customer_id) ? WORD_WHO_NOBODY
							    : WORD_WHO_ID;
	json_t *said;

	build_line(in, "account", l->account, LINE_WHO);
	build_line(in, "customer_id", l->customer_id, LINE_WHO);
	if (named)
		build_line(in, "name", l->customer_name, LINE_WHO);
	said = mail_words_say(b->words, word, in);
	build_line(o, "who", json_string_value(said), LINE_WHO);
	json_decref(said);
	json_decref(in);
}

/* Whichever promise runs: an unacknowledged case is to be acknowledged first. */
static void line_due(const struct mail_build *b, json_t *o, const struct digest_line *l)
{
	bool acknowledge = l->acknowledge_due.set && l->status == CASE_OPEN;
	const struct local_time *due = acknowledge ? &l->acknowledge_due : &l->resolve_due;
	int64_t left_s = acknowledge ? l->acknowledge_left_s : l->resolve_left_s;
	CLEANUP(freep) char *text = NULL;

	if (!due->set)
		return;
	if (left_s < 0) {
		text = mail_text_left(b->words, left_s);
		json_object_set_new(
			o, "due", say_with(b, acknowledge ? WORD_LINE_LATE_ACKNOWLEDGE : WORD_LINE_LATE_RESOLVE, "left", text));
		json_object_set_new(o, "late", json_true());
		return;
	}
	text = mail_text_time(b->words, due, WORD_BY_TODAY);
	json_object_set_new(o, "due", say_with(b, acknowledge ? WORD_LINE_ACKNOWLEDGE : WORD_LINE_RESOLVE, "by", text));
}

/* What it is, where that isn't plain: "Reminder 2 of 3", "Escalated to you". */
static void line_what(const struct mail_build *b, json_t *o, const struct digest_line *l)
{
	int word = mail_words_find("what", mail_context_kind(l->kind));
	json_t *in;

	if (word < 0)
		return;
	in = json_object();
	build_count(in, "n", l->n);
	build_count(in, "of", l->of);
	json_object_set_new(o, "what", mail_words_say(b->words, (enum mail_word)word, in));
	json_decref(in);
}

static void line_case(json_t *o, const struct digest_line *l)
{
	char text[64];

	if (l->case_id <= 0)
		return;
	snprintf(text, sizeof(text), "C-%" PRId64, l->case_id);
	build_put(o, "case", text);
	build_put(o, "case_url", l->case_url);
	snprintf(text, sizeof(text), "closeloop case show C-%" PRId64, l->case_id);
	if (!l->case_url)
		build_put(o, "command_show", text);
}

/* Its other facts in a row; no line of it begins with a dot. */
static void line_meta(json_t *o, bool praise)
{
	static const char *const names[] = {"priority", "touchpoint", "asked", "owner", "case"};
	struct buf out = BUF_INIT(4096);

	for (size_t i = praise ? 1 : 0; i < ARRAY_SIZE(names); i++) {
		const char *text = json_string_value(json_object_get(o, names[i]));

		if (text)
			buf_printf(&out, "%s%s", out.n > 0 ? "\u00a0· " : "", text);
	}
	build_put(o, "meta", buf_str(&out));
	buf_fini(&out);
}

static json_t *line_new(const struct mail_build *b, const struct digest_line *l, bool minimal)
{
	static const char *const names[] = {"who",          "score",   "touchpoint",   "due",   "late",
					    "what",         "asked",   "case",         "owner", "case_url",
					    "command_show", "excerpt", "score_padded", "meta",  NULL};
	bool praise = l->kind == ALERT_PRAISE;
	char text[MAIL_SCORE_BYTES], padded[MAIL_SCORE_BYTES];
	json_t *o = json_object();

	for (size_t i = 0; names[i]; i++)
		json_object_set_new(o, names[i], json_null());
	line_who(b, o, l, minimal);
	if (l->scored)
		build_put(o, "score", mail_text_score(b->words, &l->score, text));
	snprintf(padded, sizeof(padded), "%5s", l->scored ? text : "–");
	json_object_set_new(o, "score_padded", json_string(padded));
	build_line(o, "touchpoint", l->touchpoint, SHORT_TOUCHPOINT);
	line_what(b, o, l);
	if (l->contact_requested && !praise)
		json_object_set_new(o, "asked", mail_words_say(b->words, WORD_PREHEADER_ASKED, NULL));
	line_due(b, o, l);
	if (!l->is_owner && !build_blank(l->owner_name) && !praise)
		json_object_set_new(o, "owner", say_with(b, WORD_LINE_OWNER, "owner_name", l->owner_name));
	line_case(o, l);
	if (!minimal && !build_blank(l->comment)) {
		struct buf out = BUF_INIT(4096);

		mail_text_clip(&out, l->comment, LINE_COMMENT);
		json_object_set_new(o, "excerpt", say_with(b, WORD_QUOTE, "text", buf_str(&out)));
		buf_fini(&out);
	}
	json_object_set_new(o, "priority",
			    mail_words_say(b->words, praise ? WORD_PRAISE : WORD_PRIORITY_LOW + l->priority, NULL));
	line_meta(o, praise);
	build_put(o, "priority_id", praise ? "praise" : priority_name(l->priority));
	build_colours(o, praise ? COLOURS_PRAISE : (int)l->priority);
	return o;
}

static void put_lines(struct mail_build *b, const struct digest *d)
{
	json_t *list = json_array();
	int shown = MIN(d->n_lines, DIGEST_LINES_MAX), rest = MAX(d->n_total, d->n_lines) - shown;

	for (int i = 0; i < shown; i++)
		json_array_append_new(list, line_new(b, &d->lines[i], d->minimal));
	json_object_set_new(b->o, "lines", list);
	if (rest > 0)
		json_object_set_new(b->o, "more", say_count(b, WORD_DIGEST_MORE, rest));
}

static void put_title(struct mail_build *b, const struct digest *d)
{
	int total = MAX(d->n_total, d->n_lines), praise = 0, outcomes = 0, waiting;
	bool morning = d->why == DIGEST_MORNING;
	struct buf summary = BUF_INIT(1024);

	for (int i = 0; i < d->n_lines; i++) {
		praise += d->lines[i].kind == ALERT_PRAISE;
		outcomes += d->lines[i].kind == ALERT_OUTCOME;
	}
	waiting = total - MAX(praise, d->n_praise) - outcomes;
	if (morning)
		build_say(b, "title", WORD_DIGEST_MORNING);
	else if (waiting > 0)
		json_object_set_new(b->o, "title",
				    say_count(b, waiting == 1 ? WORD_DIGEST_WAITING_ONE : WORD_DIGEST_WAITING, waiting));
	else if (outcomes > 0)
		json_object_set_new(b->o, "title", say_count(b, total == 1 ? WORD_DIGEST_NEWS_ONE : WORD_DIGEST_NEWS, total));
	else
		json_object_set_new(b->o, "title", say_count(b, total == 1 ? WORD_DIGEST_HAPPY_ONE : WORD_DIGEST_HAPPY, total));
	if (d->n_overdue > 0)
		json_object_set_new(b->o, "overdue", say_count(b, WORD_DIGEST_OVERDUE, d->n_overdue));
	if (d->n_due_today > 0)
		json_object_set_new(b->o, "due_today", say_count(b, WORD_DIGEST_DUE_TODAY, d->n_due_today));
	build_join(&summary, build_get(b, "overdue"));
	build_join(&summary, build_get(b, "due_today"));
	build_put(b->o, "summary", buf_str(&summary));
	build_say(b, "subject", morning ? WORD_SUBJECT_MORNING : WORD_SUBJECT_DIGEST);
	buf_fini(&summary);
}

static void put_why(struct mail_build *b, const struct digest *d)
{
	static const enum mail_word words[] = {
		[DIGEST_BUDGET] = WORD_WHY_BUDGET, [DIGEST_QUIET] = WORD_WHY_QUIET,     [DIGEST_ASKED] = WORD_WHY_ASKED,
		[DIGEST_DUE] = WORD_WHY_DUE,       [DIGEST_MORNING] = WORD_WHY_MORNING,
	};
	enum mail_word word = words[d->why];

	if (d->why == DIGEST_BUDGET && d->alerts_per_hour <= 0)
		word = WORD_WHY_BUDGET_PLAIN;
	json_object_set_new(b->o, "why", say_count(b, word, d->alerts_per_hour));
}

/* "First: Daelim Mold 1/10 · acknowledge by 13:00 today" */
static void put_preheader(struct mail_build *b)
{
	const json_t *line = json_array_get(json_object_get(b->o, "lines"), 0);
	const char *score = json_string_value(json_object_get(line, "score"));
	struct buf out = BUF_INIT(4096);

	if (!line)
		return;
	buf_puts(&out, json_string_value(json_object_get(line, "who")));
	if (score)
		buf_printf(&out, " %s", score);
	build_join(&out, json_string_value(json_object_get(line, "what")));
	build_join(&out, json_string_value(json_object_get(line, "due")));
	build_join(&out, json_string_value(json_object_get(line, "excerpt")));
	json_object_set_new(b->o, "preheader", say_with(b, WORD_DIGEST_FIRST, "first", buf_str(&out)));
	buf_fini(&out);
}

json_t *mail_digest_context(const struct mail_words *w, const struct digest *d)
{
	struct mail_build b = {.words = w, .o = json_object()};
	int worst = COLOURS_PRAISE;
	char text[300];

	build_frame(&b, d->why == DIGEST_MORNING ? "morning" : "digest", d->redirected_from);
	for (int i = 0; i < d->n_lines; i++)
		if (d->lines[i].kind != ALERT_PRAISE && (worst == COLOURS_PRAISE || (int)d->lines[i].priority > worst))
			worst = (int)d->lines[i].priority;
	build_colours(b.o, worst);
	build_flag(&b, "minimal", d->minimal);
	build_line(b.o, "person_name", d->person_name, LINE_CHARACTERS);
	put_lines(&b, d);
	put_title(&b, d);
	put_why(&b, d);
	put_preheader(&b);
	build_put(b.o, "inbox_url", d->inbox_url);
	if (d->inbox_url) {
		build_say(&b, "button", WORD_BUTTON_DIGEST);
	} else if (d->person_id) {
		snprintf(text, sizeof(text), "closeloop case list --owner %s", d->person_id);
		build_put(b.o, "command_list", text);
	}
	build_put(b.o, "reply_to", d->reply_to);
	build_say(&b, "reply", build_get(&b, "reply_to") ? WORD_REPLY_TO : WORD_REPLY_DIGEST);
	return b.o;
}
