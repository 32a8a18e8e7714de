/*
 * Alert to context; see mail_context.h.
 *
 * Facts first, then times, then the sentences built on both, the subject last: a sentence may use whatever
 * stands before it. Texts of customers go in as they came; templates escape them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_context.h"

#include "channel/mail_text.h"
#include "settings/settings.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define LINE_CHARACTERS 300 /* of a name or a detail; a comment is never cut to a line */
#define SHORT_WHO 60        /* characters in a subject */
#define SHORT_TOUCHPOINT 40
#define SHORT_COMMENT 70 /* in the preview line */
#define STARS 5

struct build {
	const struct mail_words *words;
	const struct alert *a;
	const struct response *r;
	json_t *o;
};

const char *const mail_context_names[] = {
	"lang",
	"kind",
	"opened",
	"assigned",
	"amended",
	"forwarded",
	"is_praise",
	"trial",
	"minimal",
	"mine",
	"word",
	"case",
	"case_url",
	"command_owner",
	"command_show",
	"priority",
	"priority_id",
	"accent",
	"accent_dark",
	"tint",
	"tint_dark",
	"name",
	"customer_id",
	"account",
	"who",
	"who_short",
	"score",
	"score_line",
	"touchpoint",
	"touchpoint_short",
	"was",
	"comment",
	"comment_quoted",
	"comment_lines",
	"comment_note",
	"comment_html_note",
	"excerpt",
	"phone",
	"phone_link",
	"email",
	"email_link",
	"contact",
	"contact_requested",
	"ratings",
	"details",
	"label",
	"value",
	"stars",
	"stars_empty",
	"stars_line",
	"has_ratings",
	"has_details",
	"separator",
	"previous",
	"date",
	"answered",
	"when",
	"language",
	"acknowledge_at",
	"acknowledge_by",
	"resolve_at",
	"resolve_by",
	"due_soon",
	"person_name",
	"owner_name",
	"for_name",
	"next_person",
	"next_by",
	"reason_dimension",
	"reason_value",
	"reply_to",
	"redirected_from",
	"news",
	"redirect",
	"due",
	"todo",
	"advice",
	"reason",
	"handover",
	"next",
	"reply",
	"button",
	"button_note",
	"subject",
	"preheader",
	"text",
	"clock",
	"weekday",
	"day",
	"month",
	"year",
	NULL,
};

struct name_check {
	struct text_pos pos;
	struct diag_list *diags;
};

static void name_check(void *arg, const char *path, const char *name)
{
	const size_t n = ARRAY_SIZE(mail_context_names) - 1;
	struct name_check *c = arg;
	char first[64];
	const char *nearest;

	snprintf(first, sizeof(first), "%.*s", (int)strcspn(name, "."), name);
	for (size_t i = 0; i < n; i++)
		if (strcmp(first, mail_context_names[i]) == 0)
			return;
	nearest = diag_nearest(first, mail_context_names, n, sizeof(mail_context_names[0]));
	diag_add(c->diags, DIAG_WARNING, (struct text_pos){.file = c->pos.line ? c->pos.file : path, .line = c->pos.line},
		 "'%s' is never filled in%s%s%s", name, nearest ? ", did you mean '" : "", nearest ? nearest : "",
		 nearest ? "'?" : "");
}

void mail_context_check(const struct template *t, struct text_pos pos, struct diag_list *diags)
{
	struct name_check c = {.pos = pos, .diags = diags};

	template_names(t, name_check, &c);
}

static bool blank(const char *s)
{
	return !s || s[strspn(s, " \t\r\n")] == '\0';
}

/* Blank texts are left out, as if they were missing. */
static void put(json_t *o, const char *name, const char *text)
{
	if (!blank(text))
		json_object_set_new(o, name, json_string_nocheck(text));
}

static void put_flag(struct build *b, const char *name, bool yes)
{
	if (yes)
		json_object_set_new(b->o, name, json_true());
}

static void say(struct build *b, const char *name, enum mail_word word)
{
	json_object_set_new(b->o, name, mail_words_say(b->words, word, b->o));
}

static const char *get(const struct build *b, const char *name)
{
	return json_string_value(json_object_get(b->o, name));
}

/* As one line of so many characters. */
static void put_line(json_t *o, const char *name, const char *text, int characters)
{
	struct buf out = BUF_INIT(8192);

	if (text)
		mail_text_clip(&out, text, characters);
	put(o, name, buf_str(&out));
	buf_fini(&out);
}

static void put_time(struct build *b, const char *name, const struct local_time *t, enum mail_word first)
{
	CLEANUP(freep) char *text = NULL;

	if (!t->set)
		return;
	text = mail_text_time(b->words, t, first);
	put(b->o, name, text);
}

static void put_priority(struct build *b)
{
	/* On white and on near-black each has a contrast of at least 4.5 (WCAG 2.2 AA). */
	static const struct {
		const char *accent, *accent_dark, *tint, *tint_dark;
	} colours[] = {
		[PRIORITY_LOW] = {"#475467", "#c5ccd6", "#f2f4f7", "#262b33"},
		[PRIORITY_NORMAL] = {"#1553b0", "#9cc2ff", "#eaf2fe", "#1c2a40"},
		[PRIORITY_HIGH] = {"#a33f05", "#fdb56b", "#fff3e5", "#38281a"},
		[PRIORITY_URGENT] = {"#b42318", "#ffa198", "#feefed", "#3d2120"},
		[PRIORITY_COUNT] = {"#05603a", "#7ddba8", "#e9f8ef", "#1a3226"}, /* praise */
	};
	bool praise = b->a->kind == ALERT_PRAISE;
	int i = praise ? (int)PRIORITY_COUNT : (int)b->a->priority;

	json_object_set_new(b->o, "priority",
			    mail_words_say(b->words, praise ? WORD_PRAISE : WORD_PRIORITY_LOW + b->a->priority, NULL));
	put(b->o, "priority_id", praise ? "praise" : priority_name(b->a->priority));
	put(b->o, "accent", colours[i].accent);
	put(b->o, "accent_dark", colours[i].accent_dark);
	put(b->o, "tint", colours[i].tint);
	put(b->o, "tint_dark", colours[i].tint_dark);
}

static void put_kind(struct build *b)
{
	static const char *const kinds[] = {
		[ALERT_OPENED] = "opened",     [ALERT_ASSIGNED] = "assigned",   [ALERT_AMENDED] = "amended",
		[ALERT_PRAISE] = "praise",     [ALERT_FORWARDED] = "forwarded", [ALERT_REMINDER] = "reminder",
		[ALERT_WARNING] = "warning",   [ALERT_ESCALATED] = "escalated", [ALERT_WAITING_OVER] = "waiting_over",
		[ALERT_REOPENED] = "reopened", [ALERT_OUTCOME] = "outcome",
	};
	const struct alert *a = b->a;
	char text[64];

	put(b->o, "lang", language_name(mail_words_language(b->words)));
	put(b->o, "kind", kinds[a->kind]);
	put_flag(b, a->kind == ALERT_PRAISE ? "is_praise" : kinds[a->kind], true);
	put_flag(b, "trial", a->case_id <= 0 && a->kind != ALERT_PRAISE);
	put_flag(b, "minimal", a->minimal);
	put_flag(b, "mine", a->is_owner && a->kind != ALERT_PRAISE);
	put_flag(b, "due_soon", a->acknowledge_urgent);
	put_flag(b, "contact_requested", b->r->contact_requested);
	json_object_set(b->o, "word", mail_words_labels(b->words));
	if (a->case_id > 0) {
		snprintf(text, sizeof(text), "C-%" PRId64, a->case_id);
		put(b->o, "case", text);
		snprintf(text, sizeof(text), "closeloop case ack C-%" PRId64, a->case_id);
		if (a->is_owner && !a->case_url)
			put(b->o, "command_owner", text);
		snprintf(text, sizeof(text), "closeloop case show C-%" PRId64, a->case_id);
		if (!a->case_url)
			put(b->o, "command_show", text);
		put(b->o, "case_url", a->case_url);
	}
}

static void put_who(struct build *b)
{
	const struct alert *a = b->a;
	bool name = !a->minimal && !blank(b->r->customer_name), account = !blank(a->account);
	enum mail_word nobody = blank(b->r->customer_id) ? WORD_WHO_NOBODY : WORD_WHO_ID;

	if (name)
		put_line(b->o, "name", b->r->customer_name, LINE_CHARACTERS);
	put_line(b->o, "account", a->account, LINE_CHARACTERS);
	put_line(b->o, "customer_id", b->r->customer_id, LINE_CHARACTERS);
	say(b, "who", name && account ? WORD_WHO_PERSON_ACCOUNT : name ? WORD_WHO_PERSON : account ? WORD_WHO_ACCOUNT : nobody);
	say(b, "who_short", account ? WORD_WHO_ACCOUNT : name ? WORD_WHO_PERSON : nobody);
	put_line(b->o, "who_short", get(b, "who_short"), SHORT_WHO);
	put_line(b->o, "touchpoint", a->touchpoint, LINE_CHARACTERS);
	put_line(b->o, "touchpoint_short", a->touchpoint, SHORT_TOUCHPOINT);
}

/* The score of the first line: the declared scale of a rating is known beside its label. */
static void put_score(struct build *b)
{
	static const struct {
		const char *name;
		enum mail_word word;
	} known[] = {{"nps", WORD_SCORE_NPS}, {"csat", WORD_SCORE_CSAT}, {"ces", WORD_SCORE_CES}};
	enum mail_word word = WORD_SCORE_RATING;
	char text[MAIL_SCORE_BYTES];
	const char *label;
	struct score s;

	if (b->a->was_set)
		put(b->o, "was", mail_text_score(&b->a->was, text));
	if (!response_score(b->r, &s))
		return;
	label = s.name;
	for (size_t i = 0; i < ARRAY_SIZE(known) && !s.is_rating; i++)
		if (str_eq(s.name, known[i].name))
			word = known[i].word;
	for (int i = 0; i < b->a->n_ratings && s.is_rating; i++)
		if (str_eq(b->a->rating_values[i].name, s.name)) {
			s.max = b->a->rating_values[i].max;
			label = b->a->ratings[i].label;
			break;
		}
	put(b->o, "score", mail_text_score(&s, text));
	if (word == WORD_SCORE_RATING) {
		json_t *in = json_pack("{s:s}", "score", text);

		put_line(in, "name", label, LINE_CHARACTERS);
		json_object_set_new(b->o, "score_line", mail_words_say(b->words, word, in));
		json_decref(in);
	} else {
		say(b, "score_line", word);
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
	put_line(row, "label", label, LINE_CHARACTERS);
	put_line(row, "value", value, LINE_CHARACTERS);
	if (s && s->max == STARS && s->value >= 0 && s->value <= STARS) {
		size_t on = (size_t)lround(s->value);

		json_object_set_new(row, "stars", json_stringn(star, on * one));
		json_object_set_new(row, "stars_empty", json_stringn(empty, (STARS - on) * one));
		json_object_set_new(row, "stars_line",
				    json_sprintf("%.*s%.*s", (int)(on * one), star, (int)((STARS - on) * one), empty));
	}
	json_array_append_new(list, row);
}

/* What else was scored, then the ratings. */
static void put_ratings(struct build *b)
{
	const struct response *r = b->r;
	const struct {
		enum mail_word label;
		struct score s;
	} more[] = {
		{WORD_LABEL_CSAT, {.name = "csat", .value = r->csat, .max = 5}},
		{WORD_LABEL_CES, {.name = "ces", .value = r->ces, .max = 7}},
	};
	json_t *list = json_array();
	char text[MAIL_SCORE_BYTES];
	struct score first;
	bool scored = response_score(r, &first);

	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		if (more[i].s.value != SCORE_MISSING && !(scored && str_eq(first.name, more[i].s.name))) {
			json_t *label = mail_words_say(b->words, more[i].label, NULL);

			row_add(list, json_string_value(label), mail_text_score(&more[i].s, text), &more[i].s);
			json_decref(label);
		}
	for (int i = 0; i < b->a->n_ratings; i++)
		row_add(list, b->a->ratings[i].label, b->a->ratings[i].value, &b->a->rating_values[i]);
	put_flag(b, "has_ratings", json_array_size(list) > 0);
	json_object_set_new(b->o, "ratings", list);
}

static void put_details(struct build *b)
{
	const struct alert *a = b->a;
	json_t *list = json_array(), *in = json_object();
	CLEANUP(freep)
	char *when = a->responded_at.set ? mail_text_time(b->words, &a->responded_at, WORD_TIME_TODAY) : NULL;
	int language = -1;
	char code[3];

	for (int i = 0; i < a->n_details; i++)
		if (!blank(a->details[i].value))
			row_add(list, a->details[i].label, a->details[i].value, NULL);
	if (!blank(b->r->language)) {
		snprintf(code, sizeof(code), "%s", b->r->language);
		language = mail_words_find("language", code);
		if (language >= 0)
			json_object_set_new(in, "language", mail_words_say(b->words, (enum mail_word)language, NULL));
	}
	if (when) {
		json_t *label = mail_words_say(b->words, WORD_WORD_ANSWERED, NULL), *value;

		put(in, "when", when);
		value = mail_words_say(b->words, WORD_ANSWERED, in);
		put(b->o, "answered", json_string_value(value));
		row_add(list, json_string_value(label), json_string_value(value), NULL);
		json_decref(label);
		json_decref(value);
	}
	json_decref(in);
	put_flag(b, "has_details", json_array_size(list) > 0);
	json_object_set_new(b->o, "details", list);
}

static void put_previous(struct build *b)
{
	const struct alert_previous *p = &b->a->previous;
	CLEANUP(freep) char *date = NULL;
	char text[MAIL_SCORE_BYTES];
	json_t *o;

	if (!p->set)
		return;
	o = json_object();
	date = mail_text_date(b->words, &p->at);
	put(o, "date", date);
	/* Missing ones must not be found further out, where this time's are. */
	json_object_set_new(o, "touchpoint", json_null());
	json_object_set_new(o, "score", json_null());
	put_line(o, "touchpoint", p->touchpoint, LINE_CHARACTERS);
	if (p->score.name)
		put(o, "score", mail_text_score(&p->score, text));
	json_object_set_new(b->o, "previous", o);
}

static void put_comment(struct build *b)
{
	const char *comment = b->r->comment;
	struct mail_comment c;
	json_t *in;

	if (b->a->minimal)
		return;
	if (blank(comment)) {
		say(b, "comment_note", WORD_COMMENT_NONE);
		say(b, "comment_html_note", WORD_COMMENT_NONE);
		return;
	}
	c = mail_text_comment(comment, MAIL_COMMENT_BYTES_MAX, MAIL_COMMENT_HTML_BYTES_MAX);
	in = json_pack("{s:O}", "text", c.text);
	json_object_set(b->o, "comment", c.text);
	json_object_set_new(b->o, "comment_quoted", mail_words_say(b->words, WORD_QUOTE, in));
	json_object_set_new(b->o, "comment_lines", c.lines);
	if (c.cut)
		say(b, "comment_note", WORD_COMMENT_CUT);
	if (c.lines_cut)
		say(b, "comment_html_note", WORD_COMMENT_CUT);
	put_line(b->o, "excerpt", comment, SHORT_COMMENT);
	put(in, "text", get(b, "excerpt"));
	json_object_set_new(b->o, "excerpt", mail_words_say(b->words, WORD_QUOTE, in));
	json_decref(in);
	json_decref(c.text);
}

/* A link is made only of a number or address that can hold nothing else. */
static void put_contact(struct build *b)
{
	struct buf link = BUF_INIT(300);

	if (b->a->minimal)
		return;
	put_line(b->o, "phone", b->r->customer_phone, LINE_CHARACTERS);
	put_line(b->o, "email", b->r->customer_email, LINE_CHARACTERS);
	if (!blank(b->r->customer_phone) && mail_text_phone_link(&link, b->r->customer_phone))
		put(b->o, "phone_link", buf_str(&link));
	buf_reset(&link);
	if (!blank(b->r->customer_email) && address_valid(b->r->customer_email) &&
	    mail_text_mail_link(&link, b->r->customer_email))
		put(b->o, "email_link", buf_str(&link));
	buf_fini(&link);
	put_flag(b, "contact", get(b, "phone") || get(b, "email"));
}

static void put_people(struct build *b)
{
	const struct alert *a = b->a;

	put_line(b->o, "person_name", a->person_name, LINE_CHARACTERS);
	put_line(b->o, "owner_name", a->owner_name, LINE_CHARACTERS);
	put_line(b->o, "for_name", a->for_name, LINE_CHARACTERS);
	put_line(b->o, "next_person", a->next_person, LINE_CHARACTERS);
	put_line(b->o, "reason_dimension", a->reason_dimension, LINE_CHARACTERS);
	put_line(b->o, "reason_value", a->reason_value, LINE_CHARACTERS);
	put(b->o, "reply_to", a->reply_to);
	put(b->o, "advice", a->advice);
	put(b->o, "redirected_from", a->redirected_from);
	put_time(b, "acknowledge_at", &a->acknowledge_due, WORD_TIME_TODAY);
	put_time(b, "acknowledge_by", &a->acknowledge_due, WORD_BY_TODAY);
	put_time(b, "resolve_at", &a->resolve_due, WORD_TIME_TODAY);
	put_time(b, "resolve_by", &a->resolve_due, WORD_BY_TODAY);
	put_time(b, "next_by", &a->next_at, WORD_BY_TODAY);
}

static void say_todo(struct build *b)
{
	const struct alert *a = b->a;
	bool phone = get(b, "phone"), email = get(b, "email"), asked = b->r->contact_requested;

	if (a->kind == ALERT_PRAISE)
		say(b, "todo", WORD_TODO_PRAISE);
	else if (!a->is_owner)
		return;
	else if (!blank(a->advice))
		say(b, "todo", WORD_TODO_ADVICE);
	else if (a->minimal)
		say(b, "todo", WORD_TODO_MINIMAL);
	else if (asked)
		say(b, "todo", phone ? WORD_TODO_CALL : email ? WORD_TODO_WRITE : WORD_TODO_ASKED);
	else
		say(b, "todo", phone || email ? WORD_TODO_REACH : WORD_TODO_UNREACHABLE);
}

/* The first lines: what is new, what is promised, what to do. */
static void say_first(struct build *b)
{
	const struct alert *a = b->a;

	if (get(b, "redirected_from"))
		say(b, "redirect", WORD_NEWS_REDIRECT);
	switch (a->kind) {
	case ALERT_OPENED:
		if (a->case_id <= 0)
			say(b, "news", WORD_NEWS_TRIAL);
		break;
	case ALERT_ASSIGNED: say(b, "news", WORD_NEWS_ASSIGNED); break;
	case ALERT_AMENDED: say(b, "news", WORD_NEWS_AMENDED); break;
	case ALERT_PRAISE: say(b, "news", WORD_NEWS_PRAISE); break;
	case ALERT_FORWARDED: say(b, "news", WORD_NEWS_FORWARDED); break;
	case ALERT_REMINDER:
	case ALERT_WARNING:
	case ALERT_ESCALATED:
	case ALERT_WAITING_OVER:
	case ALERT_REOPENED:
	case ALERT_OUTCOME:
	case ALERT_KIND_COUNT: break;
	}
	if (a->kind != ALERT_PRAISE) {
		if (!a->is_owner)
			say(b, "due", get(b, "owner_name") ? WORD_DUE_OTHER : WORD_DUE_NOBODY);
		else if (get(b, "acknowledge_by") || get(b, "resolve_by"))
			say(b, "due", WORD_DUE);
	}
	say_todo(b);
}

/* The last lines: why you, who is next, what an answer to the mail does. */
static void say_last(struct build *b)
{
	static const enum mail_word reasons[] = {
		[REASON_LOOKUP] = WORD_REASON_LOOKUP,     [REASON_FROM] = WORD_REASON_FROM,
		[REASON_PERSON] = WORD_REASON_PERSON,     [REASON_TEAM] = WORD_REASON_TEAM,
		[REASON_DEPUTY] = WORD_REASON_DEPUTY,     [REASON_FALLBACK] = WORD_REASON_FALLBACK,
		[REASON_NOTIFIED] = WORD_REASON_NOTIFIED, [REASON_ASSIGNED] = WORD_REASON_ASSIGNED,
		[REASON_MANAGER] = WORD_REASON_PERSON,    [REASON_STEP] = WORD_REASON_PERSON,
		[REASON_OWNER] = WORD_REASON_PERSON,
	};
	const struct alert *a = b->a;
	enum mail_word reason = reasons[a->reason];

	/* Without what the sentence is about, the plain one. */
	if ((a->reason == REASON_LOOKUP || a->reason == REASON_TEAM) && !get(b, "reason_value"))
		reason = WORD_REASON_PERSON;
	if ((a->reason == REASON_DEPUTY || a->reason == REASON_FALLBACK) && !get(b, "for_name"))
		reason = WORD_REASON_PERSON;
	say(b, "reason", reason);
	if (a->is_owner && a->case_id > 0 && a->kind != ALERT_PRAISE)
		say(b, "handover", a->case_url ? WORD_HANDOVER_LINK : WORD_HANDOVER_COMMAND);
	if (get(b, "next_person") && a->kind != ALERT_PRAISE)
		say(b, "next", WORD_NEXT);
	say(b, "reply", get(b, "reply_to") ? WORD_REPLY_TO : WORD_REPLY_NONE);
	if (a->case_url && a->case_id > 0) {
		say(b, "button", a->is_owner ? WORD_BUTTON_OWNER : WORD_BUTTON_OTHER);
		if (a->is_owner)
			say(b, "button_note", WORD_BUTTON_NOTE);
	}
}

static void say_preheader(struct build *b)
{
	struct buf out = BUF_INIT(4096);

	if (b->r->contact_requested)
		mail_words_put(b->words, WORD_PREHEADER_ASKED, b->o, &out);
	if (b->a->is_owner && get(b, "acknowledge_by")) {
		buf_puts(&out, out.n > 0 ? " · " : "");
		mail_words_put(b->words, WORD_PREHEADER_BY, b->o, &out);
	}
	if (get(b, "excerpt")) {
		buf_puts(&out, out.n > 0 ? " · " : "");
		buf_puts(&out, get(b, "excerpt"));
	}
	put(b->o, "preheader", buf_str(&out));
	buf_fini(&out);
}

json_t *mail_context(const struct mail_words *w, const struct alert *a)
{
	struct build b = {.words = w, .a = a, .r = a->response, .o = json_object()};

	put_kind(&b);
	put_priority(&b);
	put_who(&b);
	put_score(&b);
	put_ratings(&b);
	put_details(&b);
	put_previous(&b);
	put_comment(&b);
	put_contact(&b);
	put_people(&b);
	say_first(&b);
	say_last(&b);
	say_preheader(&b);
	say(&b, "subject", a->kind == ALERT_PRAISE ? WORD_SUBJECT_PRAISE : WORD_SUBJECT);
	/* One subject per case and person, so that mail programs keep the thread together. */
	if (a->kind == ALERT_AMENDED)
		say(&b, "subject", WORD_SUBJECT_AGAIN);
	return b.o;
}
