/*
 * A mail to those who run closeloop: what broke, since when, and the command to type.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_build.h"
#include "channel/mail_context.h"
#include "model/message.h"

#include <string.h>

#define ANSWER_CHARACTERS 300

/* Before the name; without one, or with one that a shell would take apart, the second is typed. */
static const struct {
	const char *named, *plain;
} commands[OPERATOR_KIND_COUNT][2] = {
	[OPERATOR_ENDPOINT_DISABLED] = {{"closeloop endpoint enable ", "closeloop endpoint list"},
					{"closeloop endpoint test ", NULL}},
	[OPERATOR_ENDPOINT_FAILING] = {{"closeloop message list --endpoint ", "closeloop endpoint list"},
				       {"closeloop endpoint test ", NULL}},
	[OPERATOR_CREDENTIALS] = {{NULL, "closeloop check --online"}, {"closeloop resume ", "closeloop endpoint list"}},
	[OPERATOR_MAIL_REFUSED] = {{NULL, "closeloop person list"}, {NULL, "closeloop person import people.csv"}},
	[OPERATOR_SOURCE_SILENT] = {{NULL, "closeloop response list --since 7d"}},
	[OPERATOR_DEAD_MESSAGES] = {{"closeloop message list --state dead,failed --endpoint ",
				     "closeloop message list --state dead,failed"},
				    {"closeloop message retry --dead --endpoint ", "closeloop message retry --dead"}},
	[OPERATOR_NOBODY_LEFT] = {{"closeloop case list --owner ", "closeloop case list"},
				  {NULL, "closeloop person import people.csv"}},
	[OPERATOR_MORE] = {{NULL, "closeloop status"}},
};

/* Kinds whose count is of messages that wait. */
static const bool kind_waits[OPERATOR_KIND_COUNT] = {
	[OPERATOR_ENDPOINT_DISABLED] = true,
	[OPERATOR_ENDPOINT_FAILING] = true,
	[OPERATOR_CREDENTIALS] = true,
};

static bool plain_name(const char *name)
{
	return !build_blank(name) && name[0] != '-' &&
	       name[strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")] == '\0' &&
	       strlen(name) <= 100;
}

static void put_commands(struct mail_build *b, const struct operator_news *n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < ARRAY_SIZE(commands[n->kind]); i++) {
		const char *plain = commands[n->kind][i].plain;

		if (commands[n->kind][i].named && plain_name(n->name))
			json_array_append_new(list, json_sprintf("%s%s", commands[n->kind][i].named, n->name));
		else if (plain)
			json_array_append_new(list, json_string(plain));
	}
	json_object_set_new(b->o, "commands", list);
	build_put(b->o, "command_status", "closeloop status");
}

static void put_span(struct mail_build *b, const char *name, int64_t seconds)
{
	CLEANUP(freep) char *text = NULL;

	if (seconds <= 0)
		return;
	text = mail_text_span(b->words, seconds);
	build_put(b->o, name, text);
}

static void put_answer(struct mail_build *b, const struct operator_news *n)
{
	struct buf out = BUF_INIT(8192);

	if (n->code > 0)
		buf_printf(&out, "%d ", n->code);
	if (n->answer)
		mail_text_clip(&out, n->answer, ANSWER_CHARACTERS);
	build_line(b->o, "answer", buf_str(&out), ANSWER_CHARACTERS + 10);
	buf_fini(&out);
}

json_t *mail_operator_context(const struct mail_words *w, const struct operator_news *n)
{
	struct mail_build b = {.words = w, .o = json_object()};
	bool mail = str_eq(n->name, ENDPOINT_EMAIL);
	enum mail_word title = n->kind == OPERATOR_CREDENTIALS && mail
				       ? WORD_TITLE_CREDENTIALS_MAIL
				       : (enum mail_word)mail_words_find("title", operator_kind_name(n->kind));

	build_frame(&b, operator_kind_name(n->kind), n->redirected_from);
	build_colours(b.o,
		      n->kind == OPERATOR_SOURCE_SILENT || n->kind == OPERATOR_MAIL_REFUSED ? PRIORITY_HIGH : PRIORITY_URGENT);
	build_line(b.o, "instance", n->instance, SHORT_WHO);
	build_line(b.o, "name", n->name, SHORT_WHO);
	build_line(b.o, "address", n->address, LINE_CHARACTERS);
	build_time(&b, b.o, "since", &n->since, WORD_TIME_TODAY);
	build_time(&b, b.o, "until", &n->until, WORD_TIME_TODAY);
	put_span(&b, "span", n->since_s);
	put_span(&b, "usual", n->usual_s);
	build_count(b.o, "failures", n->failures);
	build_count(b.o, "count", n->count);
	build_flag(&b, "trigger_missing", n->trigger_missing);
	build_flag(&b, "is_source", n->kind == OPERATOR_SOURCE_SILENT);
	build_flag(&b, "waits", n->count > 0 && kind_waits[n->kind]);
	put_answer(&b, n);
	build_say(&b, "band", WORD_OPERATOR);
	build_say(&b, "title", title);
	build_say(&b, "what", (enum mail_word)mail_words_find("what", operator_kind_name(n->kind)));
	build_say(&b, "do", (enum mail_word)mail_words_find("do", operator_kind_name(n->kind)));
	put_commands(&b, n);
	build_say(&b, "subject", WORD_SUBJECT_OPERATOR);
	build_put(b.o, "preheader", build_get(&b, "what"));
	build_say(&b, "reply", WORD_REPLY_OPERATOR);
	return b.o;
}
