/*
 * The sentences of an alert: what is new, what is promised, what to do; why you, who is next; subject and preview.
 *
 * Each is a word whose names are the facts that mail_context.c and mail_history.c have put in before.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_build.h"

#include <string.h>

_Static_assert(WORD_NEWS_LOST == WORD_NEWS_RECOVERED + OUTCOME_LOST &&
		       WORD_THANKS_LOST == WORD_THANKS_RECOVERED + OUTCOME_LOST &&
		       WORD_OUTCOME_LOST == WORD_OUTCOME_RECOVERED + OUTCOME_LOST,
	       "order of the words");

static bool over(const struct alert *a)
{
	return a->kind == ALERT_OUTCOME || a->kind == ALERT_PRAISE || a->withdrawn;
}

static void say_todo(struct mail_build *b)
{
	const struct alert *a = b->a;
	bool phone = build_get(b, "phone"), email = build_get(b, "email");

	if (a->kind == ALERT_PRAISE)
		build_say(b, "todo", WORD_TODO_PRAISE);
	else if (a->kind == ALERT_OUTCOME && a->is_owner)
		build_say(b, "thanks", WORD_THANKS_RECOVERED + a->outcome);
	else if (a->kind == ALERT_ESCALATED && !a->is_owner)
		build_say(b, "todo", WORD_TODO_ESCALATED);
	else if (!a->is_owner || over(a))
		return;
	else if (a->kind == ALERT_WARNING)
		build_say(b, "todo", WORD_TODO_SOLVE);
	else if (a->kind == ALERT_WAITING_OVER)
		build_say(b, "todo", WORD_TODO_WAITING_OVER);
	else if (!build_blank(a->advice))
		build_say(b, "todo", WORD_TODO_ADVICE);
	else if (a->minimal)
		build_say(b, "todo", WORD_TODO_MINIMAL);
	else if (b->r->contact_requested)
		build_say(b, "todo", phone ? WORD_TODO_CALL : email ? WORD_TODO_WRITE : WORD_TODO_ASKED);
	else
		build_say(b, "todo", phone || email ? WORD_TODO_REACH : WORD_TODO_UNREACHABLE);
}

/* WORD_COUNT: there is nothing to say before who it is about. */
static enum mail_word news_word(const struct alert *a)
{
	switch (a->kind) {
	case ALERT_OPENED: return a->case_id <= 0 ? WORD_NEWS_TRIAL : WORD_COUNT;
	case ALERT_ASSIGNED: return WORD_NEWS_ASSIGNED;
	case ALERT_AMENDED: return a->withdrawn ? WORD_NEWS_WITHDRAWN : WORD_NEWS_AMENDED;
	case ALERT_JOINED: return WORD_NEWS_JOINED;
	case ALERT_PRAISE: return WORD_NEWS_PRAISE;
	case ALERT_FORWARDED: return WORD_NEWS_FORWARDED;
	case ALERT_REMINDER: return WORD_NEWS_REMINDER;
	case ALERT_WARNING: return WORD_NEWS_WARNING;
	case ALERT_ESCALATED:
		return a->condition == CONDITION_UNRESOLVED ? WORD_NEWS_ESCALATED_UNRESOLVED
							    : WORD_NEWS_ESCALATED_UNACKNOWLEDGED;
	case ALERT_WAITING_OVER: return WORD_NEWS_WAITING_OVER;
	case ALERT_REOPENED: return a->by_customer ? WORD_NEWS_REOPENED_CUSTOMER : WORD_NEWS_REOPENED_PERSON;
	case ALERT_OUTCOME: return WORD_NEWS_RECOVERED + a->outcome;
	case ALERT_KIND_COUNT: break;
	}
	return WORD_COUNT;
}

static enum mail_word due_word(const struct mail_build *b)
{
	const struct alert *a = b->a;

	if (!a->is_owner && a->kind == ALERT_ESCALATED)
		return a->condition == CONDITION_UNRESOLVED ? WORD_DUE_ESCALATED_UNRESOLVED : WORD_DUE_ESCALATED_UNACKNOWLEDGED;
	if (!a->is_owner)
		return build_get(b, "owner_name") ? WORD_DUE_OTHER : WORD_DUE_NOBODY;
	if (a->resolve_due.set && a->resolve_left_s < 0)
		return WORD_DUE_LATE_RESOLVE;
	if (a->acknowledge_due.set && a->acknowledge_left_s < 0)
		return WORD_DUE_LATE_ACKNOWLEDGE;
	return build_get(b, "acknowledge_by") || build_get(b, "resolve_by") ? WORD_DUE : WORD_COUNT;
}

/* The first lines: what is new, what is promised, what to do. */
static void say_first(struct mail_build *b)
{
	enum mail_word news = news_word(b->a), due = over(b->a) ? WORD_COUNT : due_word(b);

	if (news != WORD_COUNT)
		build_say(b, "news", news);
	if (b->a->kind == ALERT_WAITING_OVER && b->a->reason != REASON_OWNER) {
		/* Whom the reader stands in for is not who put it on hold. */
		json_t *in = json_object();

		json_object_set_new(b->o, "news", mail_words_say(b->words, news, in));
		json_decref(in);
	}
	if (due != WORD_COUNT)
		build_say(b, "due", due);
	say_todo(b);
	build_flag(b, "has_first",
		   build_get(b, "due") || build_get(b, "todo") || build_get(b, "thanks") || build_get(b, "alarm"));
}

static void say_reason(struct mail_build *b)
{
	static const enum mail_word reasons[] = {
		[REASON_LOOKUP] = WORD_REASON_LOOKUP,     [REASON_FROM] = WORD_REASON_FROM,
		[REASON_PERSON] = WORD_REASON_PERSON,     [REASON_TEAM] = WORD_REASON_TEAM,
		[REASON_DEPUTY] = WORD_REASON_DEPUTY,     [REASON_FALLBACK] = WORD_REASON_FALLBACK,
		[REASON_NOTIFIED] = WORD_REASON_NOTIFIED, [REASON_ASSIGNED] = WORD_REASON_ASSIGNED,
		[REASON_MANAGER] = WORD_REASON_MANAGER,   [REASON_STEP] = WORD_REASON_STEP,
		[REASON_OWNER] = WORD_REASON_OWNER,
	};
	const struct alert *a = b->a;
	enum mail_word reason = reasons[a->reason];

	/* Without what the sentence is about, the plain one. */
	if ((a->reason == REASON_LOOKUP || a->reason == REASON_TEAM) && !build_get(b, "reason_value"))
		reason = WORD_REASON_PERSON;
	if ((a->reason == REASON_DEPUTY || a->reason == REASON_FALLBACK) && !build_get(b, "for_name"))
		reason = WORD_REASON_PERSON;
	build_say(b, "reason", reason);
}

/* Who is told if this mail doesn't help. */
static void say_next(struct mail_build *b)
{
	const struct alert *a = b->a;
	struct buf out = BUF_INIT(4096);

	if (over(a))
		return;
	if (a->kind == ALERT_REMINDER && a->n > 0 && a->n == a->of)
		mail_words_put(b->words, WORD_NEXT_LAST, b->o, &out);
	if (build_get(b, "next_person") && (a->next_condition == CONDITION_UNRESOLVED || a->status == CASE_OPEN)) {
		if (out.n > 0)
			buf_putc(&out, ' ');
		mail_words_put(b->words, a->next_condition == CONDITION_UNRESOLVED ? WORD_NEXT_UNRESOLVED : WORD_NEXT, b->o,
			       &out);
	} else if (a->kind == ALERT_ESCALATED) {
		mail_words_put(b->words, WORD_NEXT_NOBODY, b->o, &out);
	}
	build_put(b->o, "next", buf_str(&out));
	buf_fini(&out);
}

/* The last lines: why you, who is next, what an answer to the mail does. */
static void say_last(struct mail_build *b)
{
	const struct alert *a = b->a;
	bool act = a->is_owner && a->status == CASE_OPEN && !over(a);

	say_reason(b);
	if (a->is_owner && a->case_id > 0 && !over(a))
		build_say(b, "handover", a->case_url ? WORD_HANDOVER_LINK : WORD_HANDOVER_COMMAND);
	say_next(b);
	if (a->inbox_url)
		build_say(b, "inbox", WORD_BUTTON_DIGEST);
	build_say(b, "reply", build_get(b, "reply_to") ? WORD_REPLY_TO : WORD_REPLY_NONE);
	if (a->case_url && a->case_id > 0) {
		build_say(b, "button", act ? WORD_BUTTON_OWNER : WORD_BUTTON_OTHER);
		if (act)
			build_say(b, "button_note", WORD_BUTTON_NOTE);
	}
}

static void say_preheader(struct mail_build *b)
{
	const struct alert *a = b->a;
	struct buf out = BUF_INIT(4096), by = BUF_INIT(1024);

	/* What the subject can't say, being the same for the whole case. */
	if (a->kind != ALERT_OPENED && a->kind != ALERT_PRAISE) {
		build_join(&out, build_get(b, "news"));
		if (out.n > 0 && out.p[out.n - 1] == '.' && !build_get(b, "left"))
			out.p[--out.n] = '\0';
	}
	if (b->r->contact_requested && !over(a)) {
		mail_words_put(b->words, WORD_PREHEADER_ASKED, b->o, &by);
		build_join(&out, buf_str(&by));
	}
	buf_reset(&by);
	if (a->is_owner && !over(a) && build_get(b, "acknowledge_by") && a->acknowledge_left_s >= 0) {
		mail_words_put(b->words, WORD_PREHEADER_BY, b->o, &by);
		build_join(&out, buf_str(&by));
	}
	build_join(&out, build_get(b, "excerpt"));
	build_put(b->o, "preheader", buf_str(&out));
	buf_fini(&out);
	buf_fini(&by);
}

static bool says_again(const struct alert *a)
{
	switch (a->kind) {
	case ALERT_OPENED:
	case ALERT_PRAISE:
	case ALERT_FORWARDED:
	case ALERT_KIND_COUNT: return false;
	case ALERT_ASSIGNED:
	case ALERT_JOINED:
	case ALERT_ESCALATED: return a->later;
	case ALERT_AMENDED:
	case ALERT_REMINDER:
	case ALERT_WARNING:
	case ALERT_WAITING_OVER:
	case ALERT_REOPENED:
	case ALERT_OUTCOME: break;
	}
	return true;
}

/*
 * One subject per case and person, so that mail programs keep the thread together: a later mail says what the first one
 * said, not the score of now.
 */
static void say_subject(struct mail_build *b)
{
	const struct alert *a = b->a;
	json_t *first = json_copy(b->o), *again = json_object();
	enum mail_word word = a->kind == ALERT_PRAISE ? WORD_SUBJECT_PRAISE : WORD_SUBJECT;

	if (a->kind == ALERT_JOINED && says_again(a)) {
		char text[MAIL_SCORE_BYTES];

		json_object_set_new(first, "score",
				    a->first_set ? json_string(mail_text_score(b->words, &a->first, text)) : json_null());
		json_object_set_new(first, "touchpoint_short", json_null());
		build_line(first, "touchpoint_short", a->first_touchpoint, SHORT_TOUCHPOINT);
	} else if (a->was_set && build_get(b, "was") && says_again(a)) {
		json_object_set(first, "score", json_object_get(b->o, "was"));
		build_line(first, "touchpoint_short", a->was_touchpoint, SHORT_TOUCHPOINT);
	}
	json_object_set_new(b->o, "subject", mail_words_say(b->words, word, first));
	if (says_again(a)) {
		json_object_set(again, "subject", json_object_get(b->o, "subject"));
		json_object_set_new(b->o, "subject", mail_words_say(b->words, WORD_SUBJECT_AGAIN, again));
	}
	json_decref(first);
	json_decref(again);
}

void build_sentences(struct mail_build *b)
{
	say_first(b);
	say_last(b);
	say_preheader(b);
	say_subject(b);
}
