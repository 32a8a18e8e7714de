/*
 * What SMTP conversations mean for a mail. A script holds both sides: "> " we send, "< " the server answers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/smtp_dialog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HELLO "< 220 mx ESMTP\n> EHLO me\n< 250-mx\n"
#define TLS HELLO "< 250 STARTTLS\n> STARTTLS\n< 220 go\n> EHLO me\n< 250-mx\n< 250-AUTH PLAIN LOGIN\n< 250 SIZE\n"
#define LOGIN TLS "> AUTH PLAIN\n< 334 \n> xyz\n< 235 2.7.0 welcome\n"
#define ENVELOPE "> MAIL FROM:<a@b>\n< 250 2.1.0 Ok\n> RCPT TO:<c@d>\n< 250 2.1.5 Ok\n"
#define BODY ENVELOPE "> DATA\n< 354 go\nBODY\n"

/* 0, or what the first refused line returned. */
static int play(struct smtp_dialog *d, const char *script)
{
	for (const char *p = script; *p;) {
		size_t n = strcspn(p, "\n");
		char line[256];
		int r = 0;

		snprintf(line, sizeof(line), "%.*s\r\n", (int)(n > 2 ? n - 2 : 0), p + MIN(n, 2));
		if (p[0] == '>')
			smtp_dialog_command(d, line, strlen(line));
		else if (p[0] == '<')
			r = smtp_dialog_reply(d, line, strlen(line));
		else
			smtp_dialog_body_sent(d);
		if (r < 0)
			return r;
		p += n + (p[n] == '\n');
	}
	return 0;
}

static struct smtp_dialog with_login(void)
{
	struct smtp_dialog d = {.credentials = true, .tls_required = true};

	smtp_dialog_start(&d);
	return d;
}

static void test_outcomes(void **state)
{
	static const struct {
		const char *script;
		enum delivery_outcome outcome;
		int code;
		const char *error;
	} cases[] = {
		{LOGIN BODY "< 250 2.0.0 queued\n", DELIVERY_SENT, 250, ""},
		{LOGIN BODY "< 250 2.0.0 queued\n> QUIT\n< 221 bye\n", DELIVERY_SENT, 250, ""},
		{LOGIN BODY "< 554 5.7.1 refused\n> QUIT\n< 221 bye\n", DELIVERY_FAILED, 554,
		 "the server refused the message (554 5.7.1)"},
		{LOGIN BODY "< 451 4.3.0 disk full\n", DELIVERY_RETRY, 451, "the server refused the message (451 4.3.0)"},
		{LOGIN BODY, DELIVERY_AMBIGUOUS, 354, ""},
		{LOGIN ENVELOPE "> DATA\n< 354 go\n", DELIVERY_RETRY, 354, ""},
		{LOGIN
		 "> MAIL FROM:<a@b>\n< 250 Ok\n> RCPT TO:<c@d>\n< 550-5.1.1 who\n< 550 5.1.1 is that\n> QUIT\n< 221 bye\n",
		 DELIVERY_FAILED, 550, "the server refused the recipient (550 5.1.1)"},
		{LOGIN "> MAIL FROM:<a@b>\n< 250 Ok\n> RCPT TO:<c@d>\n< 450 later\n", DELIVERY_RETRY, 450,
		 "the server refused the recipient (450)"},
		{LOGIN "> MAIL FROM:<a@b>\n< 421 4.3.2 closing\n", DELIVERY_RETRY, 421,
		 "the server refused the sender (421 4.3.2)"},
		{LOGIN "> MAIL FROM:<a@b>\n< 530 5.7.0 log in first\n", DELIVERY_CREDENTIALS, 530,
		 "the server refused the sender (530 5.7.0)"},
		{TLS "> AUTH PLAIN\n< 535 5.7.8 wrong\n", DELIVERY_CREDENTIALS, 535,
		 "the server refused the user name or password (535 5.7.8)"},
		{TLS "> AUTH PLAIN\n< 500 5.5.2 what\n", DELIVERY_CREDENTIALS, 500,
		 "the server refused the user name or password (500 5.5.2)"},
		{TLS "> AUTH PLAIN\n< 454 4.7.0 later\n", DELIVERY_RETRY, 454,
		 "the server refused the user name or password (454 4.7.0)"},
		{TLS "> AUTH CRAM-MD5\n< 334 x\n> *\n< 501 cancelled\n> AUTH PLAIN\n< 235 in\n" BODY "< 250 ok\n",
		 DELIVERY_SENT, 250, ""},
		{"< 554 no service\n", DELIVERY_RETRY, 554, "the server turned us away (554)"},
		{"", DELIVERY_RETRY, 0, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_dialog d = with_login();
		char text[200];

		assert_int_equal(play(&d, cases[i].script), 0);
		assert_string_equal(delivery_outcome_name(smtp_dialog_outcome(&d)), delivery_outcome_name(cases[i].outcome));
		assert_int_equal(d.code, cases[i].code);
		smtp_dialog_explain(&d, text, sizeof(text));
		assert_string_equal(text, cases[i].error);
	}
}

/* libcurl goes on without AUTH when none is offered that it knows. */
static void test_never_unauthenticated(void **state)
{
	static const char *const scripts[] = {
		HELLO "< 250 STARTTLS\n> STARTTLS\n< 220 go\n> EHLO me\n< 250-mx\n< 250 SIZE\n",
		/* In small letters libcurl doesn't see it. */
		HELLO "< 250 STARTTLS\n> STARTTLS\n< 220 go\n> EHLO me\n< 250-mx\n< 250 auth plain\n",
		HELLO "< 250 STARTTLS\n> STARTTLS\n< 220 go\n> EHLO me\n< 500 what\n> HELO me\n< 250 mx\n",
		/* Whatever happens before it, MAIL is the last line. */
		TLS "> MAIL FROM:<a@b>\n< 250 Ok\n",
		/* AUTH in what a stranger may have written before TLS does not count. */
		HELLO "< 250-AUTH PLAIN\n< 250 STARTTLS\n> STARTTLS\n< 220 go\n> EHLO me\n< 250 mx\n",
	};

	for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
		struct smtp_dialog d = with_login();
		char text[200];

		assert_int_equal(play(&d, scripts[i]), -EPERM);
		assert_int_equal(smtp_dialog_outcome(&d), DELIVERY_CREDENTIALS);
		smtp_dialog_explain(&d, text, sizeof(text));
		assert_non_null(strstr(text, "offers no AUTH"));
	}
}

static void test_without_credentials(void **state)
{
	struct smtp_dialog d = {0};

	smtp_dialog_start(&d);
	assert_int_equal(play(&d, HELLO "< 250 SIZE\n" BODY "< 250 ok\n"), 0);
	assert_int_equal(smtp_dialog_outcome(&d), DELIVERY_SENT);
}

/* A second mail on the connection needs no AUTH; on a new connection it does. */
static void test_kept_connection(void **state)
{
	struct smtp_dialog d = with_login();

	assert_int_equal(play(&d, LOGIN BODY "< 250 ok\n"), 0);
	smtp_dialog_start(&d);
	assert_int_equal(play(&d, BODY "< 250 ok\n"), 0);
	assert_int_equal(smtp_dialog_outcome(&d), DELIVERY_SENT);
	smtp_dialog_start(&d);
	smtp_dialog_connect(&d);
	assert_int_equal(play(&d, TLS "> MAIL FROM:<a@b>\n< 250 Ok\n"), -EPERM);
	assert_int_equal(smtp_dialog_outcome(&d), DELIVERY_CREDENTIALS);
}

static void test_stale(void **state)
{
	static const struct {
		const char *script;
		bool stale;
	} cases[] = {
		{"> MAIL FROM:<a@b>\n", true},
		{"> MAIL FROM:<a@b>\n< 421 4.4.2 idle too long\n", true},
		{"> MAIL FROM:<a@b>\n< 550 5.7.1 no\n", false},
		{"> MAIL FROM:<a@b>\n< 250 ok\n> RCPT TO:<c@d>\n", false},
		{LOGIN "> MAIL FROM:<a@b>\n", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct smtp_dialog d = with_login();

		assert_int_equal(play(&d, LOGIN BODY "< 250 ok\n"), 0);
		smtp_dialog_start(&d);
		assert_int_equal(play(&d, cases[i].script), 0);
		assert_int_equal(smtp_dialog_was_stale(&d), cases[i].stale);
	}
}

static void test_nonsense(void **state)
{
	static const char *const lines[] = {"", "2", "25", "abc", "099 x", "999 x", "-50 x", "250"};
	struct smtp_dialog d = with_login();

	for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
		assert_int_equal(smtp_dialog_reply(&d, lines[i], strlen(lines[i])), 0);
	assert_int_equal(smtp_dialog_outcome(&d), DELIVERY_RETRY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_outcomes),
		cmocka_unit_test(test_never_unauthenticated),
		cmocka_unit_test(test_without_credentials),
		cmocka_unit_test(test_kept_connection),
		cmocka_unit_test(test_stale),
		cmocka_unit_test(test_nonsense),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
