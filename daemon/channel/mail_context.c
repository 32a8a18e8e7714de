/*
 * Alert to context; see mail_context.h.
 *
 * Facts first, then times, then the sentences built on both, the subject last: a sentence may use whatever
 * stands before it. Texts of customers go in as they came; templates escape them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_context.h"

#include "channel/mail_build.h"
#include "model/scale.h"
#include "settings/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define STARS 5

/* The coloured band: how urgent it is, or how it ended. */
static void put_priority(struct mail_build *b)
{
	static const int colours[] = {
		[OUTCOME_RECOVERED] = COLOURS_PRAISE, [OUTCOME_UNCHANGED] = PRIORITY_NORMAL, [OUTCOME_LOST] = PRIORITY_HIGH};
	const struct alert *a = b->a;
	bool praise = a->kind == ALERT_PRAISE, outcome = a->kind == ALERT_OUTCOME;
	enum mail_word word = praise ? WORD_PRAISE : WORD_PRIORITY_LOW + a->priority;

	json_object_set_new(b->o, "priority", mail_words_say(b->words, word, NULL));
	build_put(b->o, "priority_id", praise ? "praise" : priority_name(a->priority));
	if (outcome)
		word = WORD_OUTCOME_RECOVERED + a->outcome;
	else if (a->withdrawn)
		word = WORD_HISTORY_DISMISSED;
	json_object_set_new(b->o, "band", mail_words_say(b->words, word, NULL));
	build_colours(b->o, praise         ? COLOURS_PRAISE
			    : outcome      ? colours[a->outcome]
			    : a->withdrawn ? (int)PRIORITY_LOW
					   : (int)a->priority);
}

/* Commands stand in for the page as long as there is none. */
static void put_commands(struct mail_build *b)
{
	const struct alert *a = b->a;
	bool over = a->kind == ALERT_OUTCOME || a->withdrawn;
	char text[400];

	snprintf(text, sizeof(text), "C-%" PRId64, a->case_id);
	build_put(b->o, "case", text);
	build_put(b->o, "case_url", a->case_url);
	build_put(b->o, "inbox_url", a->inbox_url);
	if (a->case_url)
		return;
	snprintf(text, sizeof(text), "closeloop case show C-%" PRId64, a->case_id);
	build_put(b->o, "command_show", text);
	snprintf(text, sizeof(text), "closeloop case ack C-%" PRId64, a->case_id);
	if (a->is_owner && a->status == CASE_OPEN && !over)
		build_put(b->o, "command_owner", text);
	snprintf(text, sizeof(text), "closeloop case resolve C-%" PRId64 " --cause CAUSE --note TEXT", a->case_id);
	if (a->is_owner && a->status != CASE_OPEN && !over)
		build_put(b->o, "command_resolve", text);
	snprintf(text, sizeof(text), "closeloop case assign C-%" PRId64 " --to %s", a->case_id, a->person_id);
	if (!a->is_owner && a->kind == ALERT_ESCALATED && a->person_id)
		build_put(b->o, "command_take", text);
}

static void put_kind(struct mail_build *b)
{
	const struct alert *a = b->a;
	const char *kind = mail_context_kind(a->kind);

	build_frame(b, kind, a->redirected_from);
	build_flag(b, a->kind == ALERT_PRAISE ? "is_praise" : kind, true);
	build_flag(b, "trial", a->case_id <= 0 && a->kind != ALERT_PRAISE);
	build_flag(b, "minimal", a->minimal);
	build_flag(b, "mine", a->is_owner && a->kind != ALERT_PRAISE);
	build_flag(b, "due_soon", a->acknowledge_urgent);
	build_flag(b, "contact_requested", b->r->contact_requested);
	build_flag(b, "asks", a->asks);
	build_flag(b, "raised", a->raised);
	build_count(b->o, "n", a->n);
	build_count(b->o, "of", a->of);
	if (a->case_id > 0)
		put_commands(b);
}

/* How long there still is, for the promise this mail is about. */
static void put_left(struct mail_build *b)
{
	const struct alert *a = b->a;
	bool resolve = a->kind == ALERT_WARNING || (a->kind == ALERT_ESCALATED && a->condition == CONDITION_UNRESOLVED);
	CLEANUP(freep) char *text = NULL;

	if (!(resolve ? a->resolve_due.set : a->acknowledge_due.set))
		return;
	text = mail_text_left(b->words, resolve ? a->resolve_left_s : a->acknowledge_left_s);
	build_put(b->o, "left", text);
}

static void put_who(struct mail_build *b)
{
	const struct alert *a = b->a;
	bool name = !a->minimal && !build_blank(b->r->customer_name), account = !build_blank(a->account);
	enum mail_word nobody = build_blank(b->r->customer_id) ? WORD_WHO_NOBODY : WORD_WHO_ID;

	if (name)
		build_line(b->o, "name", b->r->customer_name, LINE_CHARACTERS);
	build_line(b->o, "account", a->account, LINE_CHARACTERS);
	build_line(b->o, "customer_id", b->r->customer_id, LINE_CHARACTERS);
	build_say(b, "who",
		  name && account ? WORD_WHO_PERSON_ACCOUNT
		  : name          ? WORD_WHO_PERSON
		  : account       ? WORD_WHO_ACCOUNT
				  : nobody);
	build_say(b, "who_short", account ? WORD_WHO_ACCOUNT : name ? WORD_WHO_PERSON : nobody);
	build_line(b->o, "who_short", build_get(b, "who_short"), SHORT_WHO);
	build_line(b->o, "touchpoint", a->touchpoint, LINE_CHARACTERS);
	build_line(b->o, "touchpoint_short", a->touchpoint, SHORT_TOUCHPOINT);
}

/* The score of the first line: the declared scale of a rating is known beside its label. */
static void put_score(struct mail_build *b)
{
	static const struct {
		const char *name;
		enum mail_word word;
	} known[] = {{"nps", WORD_SCORE_NPS}, {"csat", WORD_SCORE_CSAT}, {"ces", WORD_SCORE_CES}};
	enum mail_word word = WORD_SCORE_RATING;
	char text[MAIL_SCORE_BYTES];
	const char *label;
	struct score s;

	bool scored = response_score(b->r, b->a->scales, b->a->n_scales, &s);

	/* "It was 2/10, it is now 2/10" is no news: the comment was changed. */
	if (b->a->was_set && !((b->a->kind == ALERT_AMENDED || b->a->kind == ALERT_JOINED) && scored &&
			       b->a->was.value == s.value && b->a->was.max == s.max))
		build_put(b->o, "was", mail_text_score(b->words, &b->a->was, text));
	if (!scored)
		return;
	label = s.name;
	for (size_t i = 0; i < ARRAY_SIZE(known) && !s.is_rating; i++)
		if (str_eq(s.name, known[i].name))
			word = known[i].word;
	for (int i = 0; i < b->a->n_ratings && s.is_rating; i++)
		if (str_eq(b->a->rating_values[i].name, s.name)) {
			s = b->a->rating_values[i];
			label = b->a->ratings[i].label;
			break;
		}
	build_put(b->o, "score", mail_text_score(b->words, &s, text));
	if (word == WORD_SCORE_RATING) {
		json_t *in = json_pack("{s:s}", "score", text);

		build_line(in, "name", label, LINE_CHARACTERS);
		json_object_set_new(b->o, "score_line", mail_words_say(b->words, word, in));
		json_decref(in);
	} else {
		build_say(b, "score_line", word);
	}
}

static void row_add(json_t *list, const char *label, const char *value, const struct score *s)
{
	static const char star[] = "★★★★★", empty[] = "☆☆☆☆☆";
	size_t one = strlen(star) / STARS;
	json_t *row = json_object();

	json_object_set_new(row, "separator", json_string(json_array_size(list) > 0 ? " · " : ""));
	json_object_set_new(row, "label", json_string(""));
	json_object_set_new(row, "value", json_string(""));
	build_line(row, "label", label, LINE_CHARACTERS);
	build_line(row, "value", value, LINE_CHARACTERS);
	/* Few stars for the best answer would tell the opposite. */
	if (s && !s->low_is_good && s->max == STARS && s->value >= 0 && s->value <= STARS) {
		size_t on = (size_t)lround(s->value);

		json_object_set_new(row, "stars", json_stringn(star, on * one));
		json_object_set_new(row, "stars_empty", json_stringn(empty, (STARS - on) * one));
		json_object_set_new(row, "stars_line",
				    json_sprintf("%.*s%.*s", (int)(on * one), star, (int)((STARS - on) * one), empty));
	}
	json_array_append_new(list, row);
}

/* What else was scored, then the ratings. */
static void put_ratings(struct mail_build *b)
{
	const struct response *r = b->r;
	const struct {
		enum mail_word label;
		struct score s;
	} more[] = {
		{WORD_LABEL_CSAT, scale_score("csat", r->csat, 5, b->a->scales, b->a->n_scales)},
		{WORD_LABEL_CES, scale_score("ces", r->ces, 7, b->a->scales, b->a->n_scales)},
	};
	json_t *list = json_array();
	char text[MAIL_SCORE_BYTES];
	struct score first;
	bool scored = response_score(r, b->a->scales, b->a->n_scales, &first);

	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (more[i].s.value != SCORE_MISSING && !(scored && str_eq(first.name, more[i].s.name))) {
			json_t *label = mail_words_say(b->words, more[i].label, NULL);

			row_add(list, json_string_value(label), mail_text_score(b->words, &more[i].s, text), &more[i].s);
			json_decref(label);
		}
	for (int i = 0; i < b->a->n_ratings; i++)
		row_add(list, b->a->ratings[i].label, mail_text_score(b->words, &b->a->rating_values[i], text),
			&b->a->rating_values[i]);
	build_flag(b, "has_ratings", json_array_size(list) > 0);
	json_object_set_new(b->o, "ratings", list);
}

static void put_details(struct mail_build *b)
{
	const struct alert *a = b->a;
	json_t *list = json_array(), *in = json_object();
	CLEANUP(freep)
	char *when = a->responded_at.set ? mail_text_time(b->words, &a->responded_at, WORD_TIME_TODAY) : NULL;
	int language = -1;
	char code[3];

	for (int i = 0; i < a->n_details; i++)
		if (!build_blank(a->details[i].value))
			row_add(list, a->details[i].label, a->details[i].value, NULL);
	if (!build_blank(b->r->language)) {
		snprintf(code, sizeof(code), "%s", b->r->language);
		language = mail_words_find("language", code);
		if (language >= 0)
			json_object_set_new(in, "language", mail_words_say(b->words, (enum mail_word)language, NULL));
	}
	if (when) {
		json_t *label = mail_words_say(b->words, WORD_WORD_ANSWERED, NULL), *value;

		build_put(in, "when", when);
		value = mail_words_say(b->words, WORD_ANSWERED, in);
		build_put(b->o, "answered", json_string_value(value));
		row_add(list, json_string_value(label), json_string_value(value), NULL);
		json_decref(label);
		json_decref(value);
	}
	json_decref(in);
	build_flag(b, "has_details", json_array_size(list) > 0);
	json_object_set_new(b->o, "details", list);
}

static void put_previous(struct mail_build *b)
{
	const struct alert_previous *p = &b->a->previous;
	CLEANUP(freep) char *date = NULL;
	char text[MAIL_SCORE_BYTES];
	json_t *o;

	if (!p->set)
		return;
	o = json_object();
	date = mail_text_date(b->words, &p->at);
	build_put(o, "date", date);
	/* Missing ones must not be found further out, where this time's are. */
	json_object_set_new(o, "touchpoint", json_null());
	json_object_set_new(o, "score", json_null());
	build_line(o, "touchpoint", p->touchpoint, LINE_CHARACTERS);
	if (p->score.name)
		build_put(o, "score", mail_text_score(b->words, &p->score, text));
	json_object_set_new(b->o, "previous", o);
}

static void put_comment(struct mail_build *b)
{
	const char *comment = b->r->comment;
	struct mail_comment c;
	json_t *in;

	if (b->a->minimal)
		return;
	if (build_blank(comment)) {
		build_say(b, "comment_note", WORD_COMMENT_NONE);
		build_say(b, "comment_html_note", WORD_COMMENT_NONE);
		return;
	}
	c = mail_text_comment(comment, MAIL_COMMENT_BYTES_MAX, MAIL_COMMENT_HTML_BYTES_MAX);
	in = json_pack("{s:O}", "text", c.text);
	json_object_set(b->o, "comment", c.text);
	json_object_set_new(b->o, "comment_quoted", mail_words_say(b->words, WORD_QUOTE, in));
	json_object_set_new(b->o, "comment_lines", c.lines);
	if (c.cut)
		build_say(b, "comment_note", WORD_COMMENT_CUT);
	if (c.lines_cut)
		build_say(b, "comment_html_note", WORD_COMMENT_CUT);
	build_line(b->o, "excerpt", comment, SHORT_COMMENT);
	build_put(in, "text", build_get(b, "excerpt"));
	json_object_set_new(b->o, "excerpt", mail_words_say(b->words, WORD_QUOTE, in));
	json_decref(in);
	json_decref(c.text);
}

/* A link is made only of a number or address that can hold nothing else. */
static void put_contact(struct mail_build *b)
{
	struct buf link = BUF_INIT(300);

	if (b->a->minimal)
		return;
	build_line(b->o, "phone", b->r->customer_phone, LINE_CHARACTERS);
	build_line(b->o, "email", b->r->customer_email, LINE_CHARACTERS);
	if (!build_blank(b->r->customer_phone) && mail_text_phone_link(&link, b->r->customer_phone))
		build_put(b->o, "phone_link", buf_str(&link));
	buf_reset(&link);
	if (!build_blank(b->r->customer_email) && address_valid(b->r->customer_email) &&
	    mail_text_mail_link(&link, b->r->customer_email))
		build_put(b->o, "email_link", buf_str(&link));
	buf_fini(&link);
	build_flag(b, "contact", build_get(b, "phone") || build_get(b, "email"));
}

static void put_people(struct mail_build *b)
{
	const struct alert *a = b->a;

	build_line(b->o, "person_name", a->person_name, LINE_CHARACTERS);
	build_line(b->o, "owner_name", a->owner_name, LINE_CHARACTERS);
	build_line(b->o, "for_name", a->for_name, LINE_CHARACTERS);
	build_line(b->o, "next_person", a->next_person, LINE_CHARACTERS);
	build_line(b->o, "reason_dimension", a->reason_dimension, LINE_CHARACTERS);
	build_line(b->o, "reason_value", a->reason_value, LINE_CHARACTERS);
	build_put(b->o, "reply_to", a->reply_to);
	build_put(b->o, "advice", a->advice);
	build_time(b, b->o, "acknowledge_at", &a->acknowledge_due, WORD_TIME_TODAY);
	build_time(b, b->o, "acknowledge_by", &a->acknowledge_due, WORD_BY_TODAY);
	build_time(b, b->o, "resolve_at", &a->resolve_due, WORD_TIME_TODAY);
	build_time(b, b->o, "resolve_by", &a->resolve_due, WORD_BY_TODAY);
	build_time(b, b->o, "next_by", &a->next_at, WORD_BY_TODAY);
	build_time(b, b->o, "since", &a->since, WORD_TIME_TODAY);
}

/* "from 2 to 9": without the scale where it is the same. */
static void put_change(struct mail_build *b)
{
	char from[MAIL_SCORE_BYTES], to[MAIL_SCORE_BYTES];
	struct score s;

	if (!b->a->was_set || b->a->kind != ALERT_OUTCOME || !response_score(b->r, b->a->scales, b->a->n_scales, &s))
		return;
	mail_text_score(b->words, &b->a->was, from);
	mail_text_score(b->words, &s, to);
	if (b->a->was.max == s.max && !s.low_is_good && !b->a->was.low_is_good) {
		*strchr(from, '/') = '\0';
		*strchr(to, '/') = '\0';
	}
	build_put(b->o, "from", from);
	build_put(b->o, "to", to);
}

const char *mail_context_kind(enum alert_kind kind)
{
	static const char *const kinds[] = {
		[ALERT_OPENED] = "opened",     [ALERT_ASSIGNED] = "assigned",   [ALERT_AMENDED] = "amended",
		[ALERT_PRAISE] = "praise",     [ALERT_FORWARDED] = "forwarded", [ALERT_REMINDER] = "reminder",
		[ALERT_WARNING] = "warning",   [ALERT_ESCALATED] = "escalated", [ALERT_WAITING_OVER] = "waiting_over",
		[ALERT_REOPENED] = "reopened", [ALERT_OUTCOME] = "outcome",     [ALERT_JOINED] = "joined",
	};
	return kinds[kind];
}

json_t *mail_context(const struct mail_words *w, const struct alert *a)
{
	struct mail_build b = {.words = w, .a = a, .r = a->response, .o = json_object()};

	put_kind(&b);
	put_priority(&b);
	put_who(&b);
	put_score(&b);
	put_change(&b);
	put_ratings(&b);
	put_details(&b);
	put_previous(&b);
	put_comment(&b);
	put_contact(&b);
	put_people(&b);
	put_left(&b);
	build_history(&b);
	build_sentences(&b);
	return b.o;
}
