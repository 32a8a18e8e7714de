/*
 * Words and sentences of the mails in one language: a text file with one NAME = TEXT a line, each TEXT a small
 * Mustache template (conf/templates/words.en.txt).
 *
 * The built-in file of a language has every word; a file of the same name in templates_dir replaces single ones.
 * Sentences are rendered without escaping; the template that shows them escapes once, by its own kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_WORDS_H
#define CHANNEL_MAIL_WORDS_H

#include "base/diag.h"
#include "model/words.h"

#include <jansson.h>

#define MAIL_WORDS(X)                                                     \
	X(PRIORITY_LOW, "priority.low")                                   \
	X(PRIORITY_NORMAL, "priority.normal")                             \
	X(PRIORITY_HIGH, "priority.high")                                 \
	X(PRIORITY_URGENT, "priority.urgent")                             \
	X(PRAISE, "praise")                                               \
	X(WEEKDAY_1, "weekday.1")                                         \
	X(WEEKDAY_2, "weekday.2")                                         \
	X(WEEKDAY_3, "weekday.3")                                         \
	X(WEEKDAY_4, "weekday.4")                                         \
	X(WEEKDAY_5, "weekday.5")                                         \
	X(WEEKDAY_6, "weekday.6")                                         \
	X(WEEKDAY_7, "weekday.7")                                         \
	X(MONTH_1, "month.1")                                             \
	X(MONTH_2, "month.2")                                             \
	X(MONTH_3, "month.3")                                             \
	X(MONTH_4, "month.4")                                             \
	X(MONTH_5, "month.5")                                             \
	X(MONTH_6, "month.6")                                             \
	X(MONTH_7, "month.7")                                             \
	X(MONTH_8, "month.8")                                             \
	X(MONTH_9, "month.9")                                             \
	X(MONTH_10, "month.10")                                           \
	X(MONTH_11, "month.11")                                           \
	X(MONTH_12, "month.12")                                           \
	X(TIME_TODAY, "time.today")                                       \
	X(TIME_TOMORROW, "time.tomorrow")                                 \
	X(TIME_YESTERDAY, "time.yesterday")                               \
	X(TIME_OTHER, "time.other")                                       \
	X(TIME_FAR, "time.far")                                           \
	X(BY_TODAY, "by.today")                                           \
	X(BY_TOMORROW, "by.tomorrow")                                     \
	X(BY_YESTERDAY, "by.yesterday")                                   \
	X(BY_OTHER, "by.other")                                           \
	X(BY_FAR, "by.far")                                               \
	X(DATE, "date")                                                   \
	X(WHO_PERSON_ACCOUNT, "who.person_account")                       \
	X(WHO_PERSON, "who.person")                                       \
	X(WHO_ACCOUNT, "who.account")                                     \
	X(WHO_ID, "who.id")                                               \
	X(WHO_NOBODY, "who.nobody")                                       \
	X(SCORE_NPS, "score.nps")                                         \
	X(SCORE_CSAT, "score.csat")                                       \
	X(SCORE_CES, "score.ces")                                         \
	X(SCORE_RATING, "score.rating")                                   \
	X(SCORE_REVERSED, "score.reversed")                               \
	X(LABEL_NPS, "label.nps")                                         \
	X(LABEL_CSAT, "label.csat")                                       \
	X(LABEL_CES, "label.ces")                                         \
	X(SUBJECT, "subject")                                             \
	X(SUBJECT_PRAISE, "subject.praise")                               \
	X(SUBJECT_AGAIN, "subject.again")                                 \
	X(PREHEADER_ASKED, "preheader.asked")                             \
	X(PREHEADER_BY, "preheader.by")                                   \
	X(NEWS_ASSIGNED, "news.assigned")                                 \
	X(NEWS_AMENDED, "news.amended")                                   \
	X(NEWS_FORWARDED, "news.forwarded")                               \
	X(NEWS_JOINED, "news.joined")                                     \
	X(NEWS_PRAISE, "news.praise")                                     \
	X(NEWS_TRIAL, "news.trial")                                       \
	X(NEWS_REDIRECT, "news.redirect")                                 \
	X(DUE, "due")                                                     \
	X(DUE_OTHER, "due.other")                                         \
	X(DUE_NOBODY, "due.nobody")                                       \
	X(TODO_CALL, "todo.call")                                         \
	X(TODO_WRITE, "todo.write")                                       \
	X(TODO_ASKED, "todo.asked")                                       \
	X(TODO_REACH, "todo.reach")                                       \
	X(TODO_UNREACHABLE, "todo.unreachable")                           \
	X(TODO_MINIMAL, "todo.minimal")                                   \
	X(TODO_ADVICE, "todo.advice")                                     \
	X(TODO_PRAISE, "todo.praise")                                     \
	X(BUTTON_OWNER, "button.owner")                                   \
	X(BUTTON_OTHER, "button.other")                                   \
	X(BUTTON_NOTE, "button.note")                                     \
	X(WORD_COMMAND_OWNER, "word.command_owner")                       \
	X(WORD_COMMAND_SHOW, "word.command_show")                         \
	X(COMMENT_NONE, "comment.none")                                   \
	X(COMMENT_CUT, "comment.cut")                                     \
	X(WORD_TODO, "word.todo")                                         \
	X(WORD_CONTACT, "word.contact")                                   \
	X(WORD_PHONE, "word.phone")                                       \
	X(WORD_EMAIL, "word.email")                                       \
	X(WORD_NO_PHONE, "word.no_phone")                                 \
	X(WORD_NO_EMAIL, "word.no_email")                                 \
	X(WORD_NO_CONTACT, "word.no_contact")                             \
	X(WORD_RATINGS, "word.ratings")                                   \
	X(WORD_PREVIOUS, "word.previous")                                 \
	X(WORD_DETAILS, "word.details")                                   \
	X(ANSWERED, "answered")                                           \
	X(WORD_ANSWERED, "word.answered")                                 \
	X(QUOTE, "quote")                                                 \
	X(REASON_LOOKUP, "reason.lookup")                                 \
	X(REASON_FROM, "reason.from")                                     \
	X(REASON_PERSON, "reason.person")                                 \
	X(REASON_TEAM, "reason.team")                                     \
	X(REASON_DEPUTY, "reason.deputy")                                 \
	X(REASON_FALLBACK, "reason.fallback")                             \
	X(REASON_NOTIFIED, "reason.notified")                             \
	X(REASON_ASSIGNED, "reason.assigned")                             \
	X(HANDOVER_LINK, "handover.link")                                 \
	X(HANDOVER_COMMAND, "handover.command")                           \
	X(NEXT, "next")                                                   \
	X(REPLY_NONE, "reply.none")                                       \
	X(REPLY_TO, "reply.to")                                           \
	X(SPAN_SECONDS, "span.seconds")                                   \
	X(SPAN_MINUTES, "span.minutes")                                   \
	X(SPAN_HOURS_MINUTES, "span.hours_minutes")                       \
	X(SPAN_HOURS, "span.hours")                                       \
	X(SPAN_DAYS, "span.days")                                         \
	X(LEFT_SOME, "left.some")                                         \
	X(LEFT_NOW, "left.now")                                           \
	X(LEFT_OVER, "left.over")                                         \
	X(NEWS_WITHDRAWN, "news.withdrawn")                               \
	X(NEWS_REMINDER, "news.reminder")                                 \
	X(NEWS_WARNING, "news.warning")                                   \
	X(NEWS_ESCALATED_UNACKNOWLEDGED, "news.escalated_unacknowledged") \
	X(NEWS_ESCALATED_UNRESOLVED, "news.escalated_unresolved")         \
	X(NEWS_WAITING_OVER, "news.waiting_over")                         \
	X(NEWS_REOPENED_CUSTOMER, "news.reopened_customer")               \
	X(NEWS_REOPENED_PERSON, "news.reopened_person")                   \
	X(NEWS_RECOVERED, "news.recovered")                               \
	X(NEWS_UNCHANGED, "news.unchanged")                               \
	X(NEWS_LOST, "news.lost")                                         \
	X(OUTCOME_RECOVERED, "outcome.recovered")                         \
	X(OUTCOME_UNCHANGED, "outcome.unchanged")                         \
	X(OUTCOME_LOST, "outcome.lost")                                   \
	X(DUE_LATE_ACKNOWLEDGE, "due.late_acknowledge")                   \
	X(DUE_LATE_RESOLVE, "due.late_resolve")                           \
	X(DUE_ESCALATED_UNACKNOWLEDGED, "due.escalated_unacknowledged")   \
	X(DUE_ESCALATED_UNRESOLVED, "due.escalated_unresolved")           \
	X(TODO_ESCALATED, "todo.escalated")                               \
	X(TODO_SOLVE, "todo.solve")                                       \
	X(TODO_WAITING_OVER, "todo.waiting_over")                         \
	X(THANKS_RECOVERED, "thanks.recovered")                           \
	X(THANKS_UNCHANGED, "thanks.unchanged")                           \
	X(THANKS_LOST, "thanks.lost")                                     \
	X(WORD_COMMAND_TAKE, "word.command_take")                         \
	X(WORD_COMMAND_RESOLVE, "word.command_resolve")                   \
	X(WORD_THEN, "word.then")                                         \
	X(WORD_SOLVED, "word.solved")                                     \
	X(WORD_NOW, "word.now")                                           \
	X(WORD_HISTORY, "word.history")                                   \
	X(NOTE_FROM, "note.from")                                         \
	X(NOTE_OWN, "note.own")                                           \
	X(HISTORY_OPENED, "history.opened")                               \
	X(HISTORY_ACKNOWLEDGED, "history.acknowledged")                   \
	X(HISTORY_STARTED, "history.started")                             \
	X(HISTORY_CONTACTED, "history.contacted")                         \
	X(HISTORY_UNREACHED, "history.unreached")                         \
	X(HISTORY_WAITING, "history.waiting")                             \
	X(HISTORY_RESOLVED, "history.resolved")                           \
	X(HISTORY_CLOSED, "history.closed")                               \
	X(HISTORY_DISMISSED, "history.dismissed")                         \
	X(HISTORY_REOPENED, "history.reopened")                           \
	X(HISTORY_ASSIGNED, "history.assigned")                           \
	X(HISTORY_NOTED, "history.noted")                                 \
	X(HISTORY_UNDONE, "history.undone")                               \
	X(HISTORY_AMENDED, "history.amended")                             \
	X(HISTORY_JOINED, "history.joined")                               \
	X(HISTORY_REMINDED, "history.reminded")                           \
	X(HISTORY_WARNED, "history.warned")                               \
	X(HISTORY_ESCALATED, "history.escalated")                         \
	X(HISTORY_OUTCOME, "history.outcome")                             \
	X(HISTORY_MORE, "history.more")                                   \
	X(HOW_PHONE, "how.phone")                                         \
	X(HOW_MAIL, "how.mail")                                           \
	X(HOW_VISIT, "how.visit")                                         \
	X(ALARM_PING_PONG, "alarm.ping_pong")                             \
	X(ALARM_UNREACHED, "alarm.unreached")                             \
	X(NEXT_UNRESOLVED, "next.unresolved")                             \
	X(NEXT_NOBODY, "next.nobody")                                     \
	X(NEXT_LAST, "next.last")                                         \
	X(REASON_MANAGER, "reason.manager")                               \
	X(REASON_STEP, "reason.step")                                     \
	X(REASON_OWNER, "reason.owner")                                   \
	X(DIGEST_WAITING_ONE, "digest.waiting_one")                       \
	X(DIGEST_WAITING, "digest.waiting")                               \
	X(DIGEST_HAPPY_ONE, "digest.happy_one")                           \
	X(DIGEST_HAPPY, "digest.happy")                                   \
	X(DIGEST_NEWS_ONE, "digest.news_one")                             \
	X(DIGEST_NEWS, "digest.news")                                     \
	X(DIGEST_MORNING, "digest.morning")                               \
	X(DIGEST_DUE_TODAY, "digest.due_today")                           \
	X(DIGEST_OVERDUE, "digest.overdue")                               \
	X(DIGEST_FIRST, "digest.first")                                   \
	X(DIGEST_MORE, "digest.more")                                     \
	X(SUBJECT_DIGEST, "subject.digest")                               \
	X(SUBJECT_MORNING, "subject.morning")                             \
	X(WHY_BUDGET, "why.budget")                                       \
	X(WHY_BUDGET_PLAIN, "why.budget_plain")                           \
	X(WHY_QUIET, "why.quiet")                                         \
	X(WHY_ASKED, "why.asked")                                         \
	X(WHY_DUE, "why.due")                                             \
	X(WHY_MORNING, "why.morning")                                     \
	X(LINE_ACKNOWLEDGE, "line.acknowledge")                           \
	X(LINE_RESOLVE, "line.resolve")                                   \
	X(LINE_LATE_ACKNOWLEDGE, "line.late_acknowledge")                 \
	X(LINE_LATE_RESOLVE, "line.late_resolve")                         \
	X(LINE_OWNER, "line.owner")                                       \
	X(WHAT_ASSIGNED, "what.assigned")                                 \
	X(WHAT_AMENDED, "what.amended")                                   \
	X(WHAT_JOINED, "what.joined")                                     \
	X(WHAT_PRAISE, "what.praise")                                     \
	X(WHAT_FORWARDED, "what.forwarded")                               \
	X(WHAT_REMINDER, "what.reminder")                                 \
	X(WHAT_WARNING, "what.warning")                                   \
	X(WHAT_ESCALATED, "what.escalated")                               \
	X(WHAT_WAITING_OVER, "what.waiting_over")                         \
	X(WHAT_REOPENED, "what.reopened")                                 \
	X(WHAT_OUTCOME, "what.outcome")                                   \
	X(BUTTON_DIGEST, "button.digest")                                 \
	X(WORD_COMMAND_LIST, "word.command_list")                         \
	X(REPLY_DIGEST, "reply.digest")                                   \
	X(OPERATOR, "operator")                                           \
	X(SUBJECT_OPERATOR, "subject.operator")                           \
	X(TITLE_ENDPOINT_DISABLED, "title.endpoint_disabled")             \
	X(TITLE_ENDPOINT_FAILING, "title.endpoint_failing")               \
	X(TITLE_CREDENTIALS_MAIL, "title.credentials_mail")               \
	X(TITLE_CREDENTIALS, "title.credentials")                         \
	X(TITLE_MAIL_REFUSED, "title.mail_refused")                       \
	X(TITLE_SOURCE_SILENT, "title.source_silent")                     \
	X(TITLE_DEAD_MESSAGES, "title.dead_messages")                     \
	X(TITLE_NOBODY_LEFT, "title.nobody_left")                         \
	X(TITLE_MORE, "title.more")                                       \
	X(WHAT_ENDPOINT_DISABLED, "what.endpoint_disabled")               \
	X(WHAT_ENDPOINT_FAILING, "what.endpoint_failing")                 \
	X(WHAT_CREDENTIALS, "what.credentials")                           \
	X(WHAT_MAIL_REFUSED, "what.mail_refused")                         \
	X(WHAT_SOURCE_SILENT, "what.source_silent")                       \
	X(WHAT_DEAD_MESSAGES, "what.dead_messages")                       \
	X(WHAT_NOBODY_LEFT, "what.nobody_left")                           \
	X(WHAT_MORE, "what.more")                                         \
	X(DO_ENDPOINT_DISABLED, "do.endpoint_disabled")                   \
	X(DO_ENDPOINT_FAILING, "do.endpoint_failing")                     \
	X(DO_CREDENTIALS, "do.credentials")                               \
	X(DO_MAIL_REFUSED, "do.mail_refused")                             \
	X(DO_SOURCE_SILENT, "do.source_silent")                           \
	X(DO_DEAD_MESSAGES, "do.dead_messages")                           \
	X(DO_NOBODY_LEFT, "do.nobody_left")                               \
	X(DO_MORE, "do.more")                                             \
	X(WORD_SINCE, "word.since")                                       \
	X(WORD_LAST_RESPONSE, "word.last_response")                       \
	X(WORD_ANSWER, "word.answer")                                     \
	X(WORD_WAITING, "word.waiting")                                   \
	X(REPLY_OPERATOR, "reply.operator")                               \
	X(SUBJECT_LINK, "subject.link")                                   \
	X(TITLE_LINK, "title.link")                                       \
	X(LINK_WHAT, "link.what")                                         \
	X(BUTTON_LINK, "button.link")                                     \
	X(REPLY_LINK, "reply.link")                                       \
	X(LANGUAGE_EN, "language.en")                                     \
	X(LANGUAGE_KO, "language.ko")                                     \
	X(LANGUAGE_DE, "language.de")                                     \
	X(LANGUAGE_FR, "language.fr")                                     \
	X(LANGUAGE_ES, "language.es")                                     \
	X(LANGUAGE_IT, "language.it")                                     \
	X(LANGUAGE_PT, "language.pt")                                     \
	X(LANGUAGE_NL, "language.nl")                                     \
	X(LANGUAGE_PL, "language.pl")                                     \
	X(LANGUAGE_TR, "language.tr")                                     \
	X(LANGUAGE_RU, "language.ru")                                     \
	X(LANGUAGE_JA, "language.ja")                                     \
	X(LANGUAGE_ZH, "language.zh")                                     \
	X(LANGUAGE_VI, "language.vi")                                     \
	X(LANGUAGE_ID, "language.id")                                     \
	X(LANGUAGE_TH, "language.th")

#define MAIL_WORD_ENUM(id, name) WORD_##id,
enum mail_word { MAIL_WORDS(MAIL_WORD_ENUM) WORD_COUNT };
#undef MAIL_WORD_ENUM

struct mail_words;

struct mail_words *mail_words_new(enum language language);
struct mail_words *mail_words_free(struct mail_words *w);
enum language mail_words_language(const struct mail_words *w);

/*
 * mail_words_add() - takes the words of a file over those that are there
 * Return: 0, or RENDER_E_INVALID with diags: unknown or doubled names, lines without "=", broken templates.
 */
int mail_words_add(struct mail_words *w, const char *path, const char *text, struct diag_list *diags);
/* After the last file. Return: NULL, or the name of the first word still missing. */
const char *mail_words_finish(struct mail_words *w);

/* The word called PREFIX.KEY ("language.ko"), or -1. */
int mail_words_find(const char *prefix, const char *key);

/* The sentence with its context put in, appended to out; nothing when it doesn't fit. */
void mail_words_put(const struct mail_words *w, enum mail_word word, json_t *context, struct buf *out);
/* The same as a new JSON string. */
json_t *mail_words_say(const struct mail_words *w, enum mail_word word, json_t *context);
/* The names after "word." with their texts, as one object for templates ({{word.phone}}). Borrowed. */
json_t *mail_words_labels(const struct mail_words *w);

#endif
