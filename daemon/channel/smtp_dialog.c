/*
 * Judging an SMTP conversation; see smtp_dialog.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/smtp_dialog.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

void smtp_dialog_start(struct smtp_dialog *d)
{
	/* A new connection speaks first; on a kept one the next thing is our MAIL. */
	d->step = SMTP_GREETING;
	d->opened = false;
	d->accepted = false;
	d->body_sent = false;
	d->done = false;
	d->no_auth = false;
	d->failed = false;
	d->failed_step = SMTP_GREETING;
	d->code = 0;
	d->text[0] = '\0';
}

void smtp_dialog_connect(struct smtp_dialog *d)
{
	d->step = SMTP_GREETING;
}

void smtp_dialog_command(struct smtp_dialog *d, const char *line, size_t n)
{
	static const struct {
		const char *word;
		enum smtp_step step;
	} commands[] = {{"EHLO", SMTP_EHLO}, {"HELO", SMTP_EHLO}, {"STARTTLS", SMTP_STARTTLS}, {"AUTH", SMTP_AUTH},
			{"MAIL", SMTP_MAIL}, {"RCPT", SMTP_RCPT}, {"DATA", SMTP_DATA},         {"QUIT", SMTP_QUIT}};

	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t k = strlen(commands[i].word);

		if (n >= k && strncasecmp(line, commands[i].word, k) == 0 && (n == k || strchr(" \r\n", line[k]))) {
			d->step = commands[i].step;
			return;
		}
	}
	/* Anything else (a line of SASL) belongs to the step under way. */
}

void smtp_dialog_body_sent(struct smtp_dialog *d)
{
	d->body_sent = true;
}

/* "250-SIZE 10" or "250 OK": the code, and whether it is the last line of its reply. 0 when it is no reply. */
static int reply_code(const char *line, size_t n, bool *ret_last)
{
	int code = 0;

	if (n < 3)
		return 0;
	for (int i = 0; i < 3; i++) {
		if (line[i] < '0' || line[i] > '9')
			return 0;
		code = code * 10 + (line[i] - '0');
	}
	*ret_last = n == 3 || line[3] != '-';
	return code >= 200 && code <= 599 ? code : 0;
}

static void dialog_keep(struct smtp_dialog *d, int code, const char *line, size_t n)
{
	while (n > 0 && (line[n - 1] == '\r' || line[n - 1] == '\n'))
		n--;
	n = MIN(n, sizeof(d->text) - 1);
	memcpy(d->text, line, n);
	d->text[n] = '\0';
	d->code = code;
}

/* A complete reply of 2xx or 3xx moves the conversation on. */
static int dialog_advance(struct smtp_dialog *d, int code)
{
	switch (d->step) {
	case SMTP_GREETING:
		d->opened = true;
		d->tls = d->implicit_tls;
		d->auth_offered = false;
		d->authenticated = false;
		break;
	case SMTP_EHLO:
		/* The keywords before STARTTLS are not protected, and servers name no AUTH there. */
		if (d->credentials && !d->auth_offered && (d->tls || !d->tls_required)) {
			d->no_auth = true;
			return -EPERM;
		}
		break;
	case SMTP_STARTTLS:
		d->tls = true;
		d->auth_offered = false;
		break;
	case SMTP_AUTH:
		d->authenticated = d->authenticated || code == 235;
		d->failed = d->failed && !d->authenticated;
		break;
	case SMTP_MAIL:
		/* Second lock: whatever libcurl made of the server's words, nothing leaves unauthenticated. */
		if (d->credentials && !d->authenticated) {
			d->no_auth = true;
			return -EPERM;
		}
		d->accepted = true;
		break;
	case SMTP_RCPT: break;
	case SMTP_DATA:
		if (code == 354)
			d->step = SMTP_BODY;
		break;
	case SMTP_BODY: d->done = true; break;
	case SMTP_QUIT: break;
	}
	return 0;
}

int smtp_dialog_reply(struct smtp_dialog *d, const char *line, size_t n)
{
	bool last = false;
	int code = reply_code(line, n, &last);

	if (code == 0 || d->step == SMTP_QUIT || d->done)
		return 0;
	/* After one mechanism failed libcurl may try another; any other refusal stands. */
	if (d->failed && !(d->step == SMTP_AUTH && d->failed_step == SMTP_AUTH))
		return 0;
	/* libcurl 7.88 takes the keyword in capitals only: anything else it would ignore. */
	if (d->step == SMTP_EHLO && code == 250 && n >= 9 && memcmp(line + 4, "AUTH ", 5) == 0)
		d->auth_offered = true;
	if (!last)
		return 0;
	dialog_keep(d, code, line, n);
	if (code < 400)
		return dialog_advance(d, code);
	/* A server that doesn't know EHLO is greeted again with HELO. */
	if (d->step == SMTP_EHLO && code >= 500)
		return 0;
	d->failed = true;
	d->failed_step = d->step;
	return 0;
}

static bool code_is_credentials(int code)
{
	return code == 530 || code == 534 || code == 535 || code == 538;
}

enum delivery_outcome smtp_dialog_outcome(const struct smtp_dialog *d)
{
	if (d->done)
		return DELIVERY_SENT;
	if (d->no_auth)
		return DELIVERY_CREDENTIALS;
	if (!d->failed)
		return d->body_sent ? DELIVERY_AMBIGUOUS : DELIVERY_RETRY;
	if (code_is_credentials(d->code))
		return DELIVERY_CREDENTIALS;
	if (d->code < 500)
		return DELIVERY_RETRY;
	switch (d->failed_step) {
	case SMTP_AUTH: return DELIVERY_CREDENTIALS;
	case SMTP_MAIL:
	case SMTP_RCPT:
	case SMTP_DATA:
	case SMTP_BODY: return DELIVERY_FAILED;
	/* The server turns everybody away: nothing against this message. */
	case SMTP_GREETING:
	case SMTP_EHLO:
	case SMTP_STARTTLS:
	case SMTP_QUIT: return DELIVERY_RETRY;
	}
	return DELIVERY_RETRY;
}

bool smtp_dialog_was_stale(const struct smtp_dialog *d)
{
	if (d->opened || d->accepted || d->done)
		return false;
	return d->failed ? d->code == 421 : d->code == 0;
}

void smtp_dialog_explain(const struct smtp_dialog *d, char *text, size_t bytes)
{
	static const char *const what[] = {
		[SMTP_GREETING] = "the server turned us away",  [SMTP_EHLO] = "the server turned us away",
		[SMTP_STARTTLS] = "the server refused TLS",     [SMTP_AUTH] = "the server refused the user name or password",
		[SMTP_MAIL] = "the server refused the sender",  [SMTP_RCPT] = "the server refused the recipient",
		[SMTP_DATA] = "the server refused the message", [SMTP_BODY] = "the server refused the message",
		[SMTP_QUIT] = "the server turned us away"};
	const char *enhanced = d->text + 4;
	int n;

	if (bytes == 0)
		return;
	text[0] = '\0';
	if (d->no_auth) {
		snprintf(text, bytes, "the server offers no AUTH that fits, and credentials are set: not sent without");
		return;
	}
	if (!d->failed)
		return;
	/* Only the codes: the words of a reply may quote the message. */
	n = strlen(d->text) > 4 ? (int)strspn(enhanced, "0123456789.") : 0;
	snprintf(text, bytes, "%s (%d%s%.*s)", what[d->failed_step], d->code, n ? " " : "", MIN(n, 12), n ? enhanced : "");
}
