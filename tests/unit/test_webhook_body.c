/*
 * Bodies of webhooks: what is in them, what is not, and that hostile text stays text. All are read back with jansson.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/render.h"
#include "channel/webhook_formats.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const rules[] = {"callback", "field"};
static const struct rating ratings[] = {{"delivery", 4}, {"설치 \"속도\"", 2.5}};
static const struct attribute attributes[] = {
	{"plan", ATTRIBUTE_TEXT, "gold <b>", 0, false},
	{"arr", ATTRIBUTE_NUMBER, "1e3", 1000, false},
	{"vip", ATTRIBUTE_BOOL, "true", 1, true},
};

static struct case_facts sample_case(void)
{
	return (struct case_facts){.id = 812,
				   .response_id = 4711,
				   .customer_id = "k-17",
				   .status = "open",
				   .priority = "urgent",
				   .owner = "minsu-kim",
				   .route = "account",
				   .follow_up = "standard",
				   .rules = rules,
				   .n_rules = 2,
				   .opened_at = {INT64_C(1803951492000000)},
				   .acknowledged_at = WALL_NONE,
				   .first_action_at = WALL_NONE,
				   .contacted_at = WALL_NONE,
				   .resolved_at = WALL_NONE,
				   .closed_at = WALL_NONE,
				   .acknowledge_due_at = {INT64_C(1803965892123456)},
				   .resolve_due_at = WALL_NONE,
				   .next_action_at = WALL_NONE,
				   .waiting_until = WALL_NONE,
				   .handovers = 1,
				   .version = 3,
				   .ruleset = "3f9c2a1"};
}

static struct response sample_response(void)
{
	return (struct response){.id = 4711,
				 .source = "direct",
				 .touchpoint = "installation",
				 .customer_id = "k-17",
				 .customer_name = "이서연",
				 .customer_email = "seoyeon@example.com",
				 .customer_phone = "010-0000-0000",
				 .account = "hanbit",
				 .account_name = "한빛정밀",
				 .nps = 2,
				 .csat = SCORE_MISSING,
				 .ces = SCORE_MISSING,
				 .ratings = ratings,
				 .n_ratings = 2,
				 .contact_requested = true,
				 .comment = "He said \"<never>\" & left\nTwice.\xff",
				 .attributes = attributes,
				 .n_attributes = 3,
				 .responded_at = {INT64_C(1803951492000000)},
				 .received_at = {INT64_C(1803951493000000)}};
}

struct body {
	struct settings settings;
	struct webhook webhook;
	struct buf text;
	json_t *json;
};

static int body_setup(void **state)
{
	struct body *b = xcalloc(1, sizeof(*b));

	b->webhook.id = "crm";
	b->text = BUF_INIT(1024 * 1024);
	*state = b;
	return 0;
}

static int body_teardown(void **state)
{
	struct body *b = *state;

	json_decref(b->json);
	buf_fini(&b->text);
	free(b);
	return 0;
}

static void body_make(struct body *b, const char *type, const struct case_facts *c, const struct response *r)
{
	struct webhook_event event = {type, {INT64_C(1803951492000000)}, c, r, NULL, NULL};
	json_error_t error;

	buf_reset(&b->text);
	json_decref(b->json);
	b->json = NULL;
	assert_int_equal(webhook_body(&b->settings, &b->webhook, &event, &b->text), 0);
	b->json = json_loadb(buf_str(&b->text), b->text.n, 0, &error);
	if (!b->json)
		fail_msg("no JSON at %d: %s\n%s", error.position, error.text, buf_str(&b->text));
}

static const char *text_at(json_t *o, const char *name)
{
	assert_true(json_is_string(json_object_get(o, name)));
	return json_string_value(json_object_get(o, name));
}

static void test_standard(void **state)
{
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();
	json_t *data, *cf, *rf;

	body_make(b, "case.opened", &c, &r);
	assert_string_equal(text_at(b->json, "type"), "case.opened");
	assert_string_equal(text_at(b->json, "timestamp"), "2027-03-02T01:38:12Z");
	data = json_object_get(b->json, "data");
	cf = json_object_get(data, "case");
	assert_int_equal(json_object_size(cf), 31);
	assert_int_equal(json_integer_value(json_object_get(cf, "id")), 812);
	assert_string_equal(text_at(cf, "owner"), "minsu-kim");
	assert_true(json_is_null(json_object_get(cf, "team")));
	assert_true(json_is_null(json_object_get(cf, "url")));
	assert_true(json_is_null(json_object_get(cf, "resolved_at")));
	assert_string_equal(text_at(cf, "acknowledge_due_at"), "2027-03-02T05:38:12.123456Z");
	assert_int_equal(json_array_size(json_object_get(cf, "rules")), 2);
	rf = json_object_get(data, "response");
	assert_int_equal(json_object_size(rf), 20);
	assert_string_equal(text_at(rf, "comment"), "He said \"<never>\" & left\nTwice.\xef\xbf\xbd");
	assert_int_equal(json_integer_value(json_object_get(rf, "nps")), 2);
	assert_true(json_is_null(json_object_get(rf, "csat")));
	assert_true(json_is_true(json_object_get(rf, "contact_requested")));
	assert_int_equal(json_integer_value(json_object_get(json_object_get(rf, "ratings"), "delivery")), 4);
	assert_true(json_real_value(json_object_get(json_object_get(rf, "ratings"), "설치 \"속도\"")) == 2.5);
	assert_string_equal(text_at(json_object_get(rf, "attributes"), "plan"), "gold <b>");
	assert_int_equal(json_integer_value(json_object_get(json_object_get(rf, "attributes"), "arr")), 1000);
	assert_true(json_is_true(json_object_get(json_object_get(rf, "attributes"), "vip")));
}

static void test_contact_only_where_included(void **state)
{
	static const enum webhook_format formats[] = {WEBHOOK_STANDARD, WEBHOOK_SLACK, WEBHOOK_TEAMS};
	static const char *const contact[] = {"이서연", "seoyeon@", "010-0000"};
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();

	for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
		b->webhook.format = formats[i];
		for (int include = 0; include < 2; include++) {
			b->webhook.include_contact = include;
			body_make(b, "case.opened", &c, &r);
			for (size_t k = 0; k < ARRAY_SIZE(contact); k++)
				assert_int_equal(strstr(buf_str(&b->text), contact[k]) != NULL, include);
		}
	}
}

static void test_praise_has_no_case(void **state)
{
	struct body *b = *state;
	struct response r = sample_response();

	body_make(b, "praise.received", NULL, &r);
	assert_null(json_object_get(json_object_get(b->json, "data"), "case"));
	body_make(b, "report.published", NULL, NULL);
	assert_int_equal(json_object_size(json_object_get(b->json, "data")), 0);
}

static const char *slack_text(struct body *b)
{
	return text_at(json_object_get(json_array_get(json_object_get(b->json, "blocks"), 0), "text"), "text");
}

static void test_slack(void **state)
{
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();
	json_t *button;

	b->webhook.format = WEBHOOK_SLACK;
	body_make(b, "case.opened", &c, &r);
	assert_string_equal(text_at(b->json, "text"), "[Urgent] 한빛정밀 2/10 · installation · C-812");
	assert_string_equal(slack_text(b), "*[Urgent] 한빛정밀 2/10 · installation · C-812*\n"
					   "New case · minsu-kim · asked to be contacted\n"
					   ">He said \"&lt;never&gt;\" &amp; left\n>Twice.\xef\xbf\xbd\n"
					   "`closeloop case show C-812`");
	assert_int_equal(json_array_size(json_object_get(b->json, "blocks")), 1);
	c.url = "https://feedback.example.com/c/x";
	b->settings.language = LANGUAGE_KO;
	body_make(b, "case.opened", &c, &r);
	assert_null(strstr(slack_text(b), "closeloop case"));
	button = json_array_get(json_object_get(json_array_get(json_object_get(b->json, "blocks"), 1), "elements"), 0);
	assert_string_equal(text_at(button, "url"), c.url);
	assert_string_equal(text_at(json_object_get(button, "text"), "text"), "케이스 열기");
}

/* n characters of one kind, malloc'd. */
static char *repeat(const char *character, size_t n)
{
	struct buf b = BUF_INIT(16 * 1024 * 1024);

	for (size_t i = 0; i < n; i++)
		buf_puts(&b, character);
	return buf_take(&b);
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void test_limits(void **state)
{
	static const char *const kinds[] = {"a", "한", "&", "<", "\"", "\n", "😀", "\x01", "\\"};
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		char *text = repeat(kinds[i], 100 * 1000);

		r.comment = text;
		r.account_name = text;
		r.touchpoint = text;
		b->webhook.format = WEBHOOK_SLACK;
		body_make(b, "case.opened", &c, &r);
		assert_true(characters(slack_text(b)) <= 3000);
		/* An escape is never cut in two. */
		for (const char *p = slack_text(b); (p = strchr(p, '&')); p++)
			assert_true(strncmp(p, "&amp;", 5) == 0 || strncmp(p, "&lt;", 4) == 0 || strncmp(p, "&gt;", 4) == 0);
		b->webhook.format = WEBHOOK_TEAMS;
		body_make(b, "case.opened", &c, &r);
		assert_true(b->text.n <= TEAMS_BYTES_MAX);
		free(text);
	}
}

static void test_teams(void **state)
{
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();
	json_t *card, *lines;

	b->webhook.format = WEBHOOK_TEAMS;
	c.url = "https://feedback.example.com/c/x";
	r.comment = "[click](http://evil.example)";
	body_make(b, "case.amended", &c, &r);
	card = json_object_get(json_array_get(json_object_get(b->json, "attachments"), 0), "content");
	assert_string_equal(text_at(card, "version"), "1.2");
	lines = json_object_get(card, "body");
	assert_int_equal(json_array_size(lines), 3);
	/* Runs of text know no links; a TextBlock would make one. */
	for (size_t i = 0; i < json_array_size(lines); i++)
		assert_string_equal(text_at(json_array_get(lines, i), "type"), "RichTextBlock");
	assert_string_equal(text_at(json_array_get(json_object_get(card, "actions"), 0), "url"), c.url);
}

/* What is told of an event, as chat says it: title apart. */
static const char *chat_after_title(struct body *b, const struct webhook_event *event)
{
	const char *text;

	buf_reset(&b->text);
	json_decref(b->json);
	b->json = NULL;
	b->webhook.format = WEBHOOK_SLACK;
	assert_int_equal(webhook_body(&b->settings, &b->webhook, event, &b->text), 0);
	b->json = json_loadb(buf_str(&b->text), b->text.n, 0, NULL);
	assert_non_null(b->json);
	text = slack_text(b);
	assert_non_null(strchr(text, '\n'));
	return strchr(text, '\n') + 1;
}

static void test_further_answers(void **state)
{
	static const struct {
		const char *kind, *details, *first;
	} rows[] = {
		{"joined", "{\"was\": \"3/10\", \"score\": \"1/10\"}", "New answer from the same customer · 3/10 → 1/10 · "},
		{"joined", "{\"was\": \"3/10\", \"score\": \"3/10\"}", "New answer from the same customer · minsu-kim"},
		{"joined", "no json", "New answer from the same customer · minsu-kim"},
		{"amended", "{\"matches\": true, \"was\": \"5/10\", \"now\": \"2/10\"}",
		 "The customer changed the answer · 5/10 → 2/10 · "},
		{"amended", "{\"matches\": false, \"was\": \"5/10\", \"now\": \"9/10\"}",
		 "The customer changed the answer: nothing is left to do · 5/10 → 9/10"},
		{"amended", "{\"matches\": false, \"kept\": \"it is acknowledged\"}",
		 "The customer changed the answer · minsu-kim"},
	};
	struct case_facts c = sample_case();
	struct response r = sample_response();

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct event_facts e = {.id = 77, .actor = "daemon", .kind = rows[i].kind, .details = rows[i].details};
		struct webhook_event event = {"case.amended", e.at, &c, &r, NULL, &e};

		if (strncmp(chat_after_title(*state, &event), rows[i].first, strlen(rows[i].first)) != 0)
			fail_msg("row %zu: %s", i, chat_after_title(*state, &event));
	}
}

static void test_event(void **state)
{
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();
	struct event_facts e = {
		.id = 77,
		.at = {INT64_C(1803951492000000)},
		.actor = "jiwoo-park",
		.kind = "resolved",
		.from_status = "in_progress",
		.to_status = "resolved",
		.note = "Said \"sorry\"\nand sent a part.",
		.details = "{\"cause\": \"quality\", \"before\": {\"status\": \"in_progress\"}, \"cancelled\": [\"m\"]}",
	};
	struct webhook_event event = {"case.resolved", e.at, &c, &r, NULL, &e};
	json_t *data, *ef;

	assert_int_equal(webhook_body(&b->settings, &b->webhook, &event, &b->text), 0);
	b->json = json_loadb(buf_str(&b->text), b->text.n, 0, NULL);
	data = json_object_get(b->json, "data");
	assert_int_equal(json_object_size(data), 3);
	ef = json_object_get(data, "event");
	assert_int_equal(json_object_size(ef), 8);
	assert_int_equal(json_integer_value(json_object_get(ef, "id")), 77);
	assert_string_equal(text_at(ef, "at"), "2027-03-02T01:38:12Z");
	assert_string_equal(text_at(ef, "actor"), "jiwoo-park");
	assert_string_equal(text_at(ef, "kind"), "resolved");
	assert_string_equal(text_at(ef, "from_status"), "in_progress");
	assert_string_equal(text_at(ef, "to_status"), "resolved");
	assert_string_equal(text_at(ef, "note"), e.note);
	/* What is there for undo only is nobody's business. */
	assert_int_equal(json_object_size(json_object_get(ef, "details")), 1);
	assert_string_equal(text_at(json_object_get(ef, "details"), "cause"), "quality");
	/* In chat: what, by whom, whose; the note, and not the comment again. */
	assert_string_equal(chat_after_title(b, &event), "Solved · by jiwoo-park · minsu-kim · asked to be contacted\n"
							 "Said \"sorry\" and sent a part.\n"
							 "`closeloop case show C-812`");
	e.details = "not json";
	e.note = NULL;
	b->webhook.format = WEBHOOK_STANDARD;
	buf_reset(&b->text);
	json_decref(b->json);
	assert_int_equal(webhook_body(&b->settings, &b->webhook, &event, &b->text), 0);
	b->json = json_loadb(buf_str(&b->text), b->text.n, 0, NULL);
	ef = json_object_get(json_object_get(b->json, "data"), "event");
	assert_int_equal(json_object_size(json_object_get(ef, "details")), 0);
	assert_true(json_is_null(json_object_get(ef, "note")));
}

static void test_event_words(void **state)
{
	static const struct {
		const char *type, *details, *outcome, *want[LANGUAGE_COUNT];
	} cases[] = {
		{"case.reminder",
		 "{\"n\":1,\"of\":3}",
		 NULL,
		 {"Reminder 1 of 3 · overdue by 2 h · ", "1차 알림(총 3회) · 기한 2시간 지남 · ",
		  "Erinnerung 1 von 3 · 2 Std. überfällig · "}},
		{"case.reminder", "{\"n\":4}", NULL, {"Reminder 4 · overdue", "4차 알림 · 기한", "Erinnerung 4 · 2 Std."}},
		{"case.reminder",
		 "{\"warning\":true}",
		 NULL,
		 {"The time to solve it is running out · 40 min left · ", "해결 기한이 다가옵니다 · 40분 남음 · ",
		  "Die Zeit für die Lösung läuft ab · noch 40 Min. · "}},
		{"case.escalated",
		 "{\"condition\":\"unresolved\",\"step\":\"head\"}",
		 NULL,
		 {"Escalated: not solved · ", "상위 보고: 미해결 · ", "Eskaliert: nicht gelöst · "}},
		{"case.escalated",
		 "{\"condition\":\"unacknowledged\"}",
		 NULL,
		 {"Escalated: not acknowledged · ", "상위 보고: 미확인 · ", "Eskaliert: nicht bestätigt · "}},
		{"case.outcome",
		 "{\"from\":2,\"to\":9}",
		 "recovered",
		 {"Won back · 2 → 9 · ", "고객이 돌아왔습니다 · 2 → 9 · ", "Zurückgewonnen · 2 → 9 · "}},
		{"case.outcome",
		 "{}",
		 "lost",
		 {"Not won back · ", "고객의 마음을 되돌리지 못했습니다 · ", "Nicht zurückgewonnen · "}},
		{"case.acknowledged", "{}", NULL, {"Acknowledged · ", "확인됨 · ", "Bestätigt · "}},
		{"case.closed", "{}", NULL, {"Closed · ", "종료됨 · ", "Geschlossen · "}},
		{"case.reopened", "{}", NULL, {"Opened again · ", "다시 열림 · ", "Wieder geöffnet · "}},
		{"case.dismissed", "{}", NULL, {"Dismissed · ", "제외됨 · ", "Verworfen · "}},
	};
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();
	struct alert a = {.acknowledge_due = {.set = true},
			  .acknowledge_left_s = -2 * 3600,
			  .resolve_due = {.set = true},
			  .resolve_left_s = 40 * 60,
			  .response = &r};
	struct event_facts e = {.actor = "daemon"};
	struct webhook_event event = {NULL, {INT64_C(1803951492000000)}, &c, &r, &a, &e};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			const char *said;

			b->settings.language = (enum language)l;
			event.type = cases[i].type;
			e.details = cases[i].details;
			c.outcome = cases[i].outcome;
			said = chat_after_title(b, &event);
			if (strncmp(said, cases[i].want[l], strlen(cases[i].want[l])) != 0)
				fail_msg("want: %s\n got: %s", cases[i].want[l], said);
			assert_null(strstr(said, "daemon"));
		}
}

static void test_put(void **state)
{
	static const struct {
		const char *text;
		int characters;
		bool lines, mrkdwn;
		const char *want;
	} cases[] = {
		{"abc", 3, false, false, "abc"},
		{"abcd", 3, false, false, "ab…"},
		{"한글날", 2, false, false, "한…"},
		{"a\nb\r\nc  \n", 99, false, false, "a b c"},
		{"a\nb", 99, true, false, "a\nb"},
		{"a<b", 6, false, true, "a&lt;b"},
		{"a<b", 5, false, true, "a…"},
		{"<<<", 9, false, true, "&lt;&lt;…"},
		{"x\xe2\x80\xae"
		 "y",
		 9, false, false, "x y"},
		{"", 9, false, false, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf b = BUF_INIT(1000);

		chat_put(&b, cases[i].text, cases[i].characters, cases[i].lines, cases[i].mrkdwn);
		assert_string_equal(buf_str(&b), cases[i].want);
		buf_fini(&b);
	}
}

static void template_write(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int template_check(struct body *b, char *said, size_t bytes)
{
	struct diag_list *diags = diag_list_new();
	struct buf text = BUF_INIT(100000);
	struct settings s = {.webhooks = &b->webhook, .n_webhooks = 1};
	int r = webhook_templates_check(&s, diags);

	diag_print(diags, &text);
	snprintf(said, bytes, "%s", buf_str(&text));
	buf_fini(&text);
	diag_list_free(diags);
	return r;
}

static void test_template(void **state)
{
	char path[] = "/tmp/closeloop-body-XXXXXX.json", said[1000];
	struct body *b = *state;
	struct case_facts c = sample_case();
	struct response r = sample_response();
	int fd = mkstemps(path, 5);

	assert_true(fd >= 0);
	close(fd);
	b->webhook.format = WEBHOOK_TEMPLATE;
	b->webhook.template_path = path;
	template_write(path,
		       "{\"content\":\"{{title}}: {{response.comment}}\",\"who\":\"{{case.owner}}\",\"n\":{{response.nps}}}");
	assert_int_equal(template_check(b, said, sizeof(said)), 0);
	body_make(b, "case.opened", &c, &r);
	assert_string_equal(text_at(b->json, "content"),
			    "[Urgent] 한빛정밀 2/10 · installation · C-812: He said \"<never>\" & left\nTwice.\xef\xbf\xbd");
	assert_string_equal(text_at(b->json, "who"), "minsu-kim");
	template_write(path, "{\"content\": {{title}} }");
	assert_int_equal(template_check(b, said, sizeof(said)), RENDER_E_INVALID);
	assert_non_null(strstr(said, "no JSON"));
	/* A broken template loses no alert. */
	body_make(b, "case.opened", &c, &r);
	assert_non_null(json_object_get(b->json, "data"));
	template_write(path, "{\"content\": \"{{{response.comment}}}\"}");
	assert_int_equal(template_check(b, said, sizeof(said)), RENDER_E_INVALID);
	unlink(path);
	assert_int_equal(template_check(b, said, sizeof(said)), RENDER_E_INVALID);
	assert_non_null(strstr(said, "can't be read"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_standard, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_contact_only_where_included, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_praise_has_no_case, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_slack, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_limits, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_teams, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_further_answers, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_event, body_setup, body_teardown),
		cmocka_unit_test_setup_teardown(test_event_words, body_setup, body_teardown),
		cmocka_unit_test(test_put),
		cmocka_unit_test_setup_teardown(test_template, body_setup, body_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
