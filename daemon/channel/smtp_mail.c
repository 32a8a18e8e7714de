/*
 * One mail over an open SMTP connection; see smtp_link.h.
 *
 * With a server that takes commands in groups (RFC 2920) a mail costs two waits, for MAIL, RCPT and DATA together and for the
 * body; with any other server four. Every reply goes to the dialog under the command that it answers. What breaks off is
 * never mended here: the connection is closed and the dialog knows how far it came.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/smtp_link.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define BODY_BYTES_MAX (3 * (size_t)PAYLOAD_BYTES_MAX) /* each line with a dot more, at worst */
#define COMMAND_BYTES 400                              /* an address has 254 at most */
#define LOOK_MS 1000                                   /* how often a waiting thread looks whether it is given up */

enum { COMMAND_MAIL, COMMAND_RCPT, COMMAND_DATA, COMMAND_COUNT };

static int link_fail(struct smtp_link *l, const char *why)
{
	if (l->error[0] == '\0')
		snprintf(l->error, sizeof(l->error), "%s", why);
	return -EPIPE;
}

/* Until the server says something, or takes something. */
static int link_wait(struct smtp_link *l, short events)
{
	struct pollfd p = {.fd = l->fd, .events = events};

	for (;;) {
		int ms = smtp_link_patience_ms(l);
		int n;

		if (ms == 0)
			return -ETIMEDOUT;
		n = poll(&p, 1, MIN(ms, LOOK_MS));
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return link_fail(l, "poll failed");
	}
}

static int link_write(struct smtp_link *l, const char *bytes, size_t n)
{
	while (n > 0) {
		size_t took = 0;
		CURLcode code = curl_easy_send(l->easy, bytes, n, &took);
		int r;

		if (code == CURLE_OK) {
			bytes += took;
			n -= took;
			l->heard_at = mono_now();
			continue;
		}
		if (code != CURLE_AGAIN)
			return link_fail(l, "the connection broke while sending");
		r = link_wait(l, POLLOUT);
		if (r < 0)
			return r;
	}
	return 0;
}

/* More of what the server says. */
static int link_read(struct smtp_link *l)
{
	memmove(l->in, l->in + l->in_from, l->in_n - l->in_from);
	l->in_n -= l->in_from;
	l->in_from = 0;
	if (l->in_n == sizeof(l->in))
		return link_fail(l, "the server's answer is no SMTP");
	for (;;) {
		size_t n = 0;
		CURLcode code = curl_easy_recv(l->easy, l->in + l->in_n, sizeof(l->in) - l->in_n, &n);
		int r;

		if (code == CURLE_OK && n > 0) {
			l->in_n += n;
			return 0;
		}
		if (code != CURLE_AGAIN)
			return link_fail(l, "the server closed the connection");
		r = link_wait(l, POLLIN);
		if (r < 0)
			return r;
	}
}

/* One reply, of as many lines as it has. */
static int link_hear(struct smtp_link *l)
{
	int heard = l->dialog.replies;

	while (l->dialog.replies == heard) {
		char *line = l->in + l->in_from;
		char *lf = memchr(line, '\n', l->in_n - l->in_from);
		size_t n = lf ? (size_t)(lf - line) + 1 : 0;
		int r = lf ? smtp_dialog_reply(&l->dialog, line, n) : link_read(l);

		if (r < 0)
			return r;
		if (lf)
			l->heard_at = mono_now();
		l->in_from += n;
	}
	return 0;
}

static int mail_say_envelope(struct smtp_link *l, const struct delivery *d)
{
	char command[COMMAND_COUNT][COMMAND_BYTES], size[40] = "", all[COMMAND_COUNT * COMMAND_BYTES];
	struct smtp_dialog *g = &l->dialog;
	bool grouped = g->pipelining && (g->authenticated || !g->credentials); /* or not even the recipient leaves */

	if (g->takes_size)
		snprintf(size, sizeof(size), " SIZE=%zu", d->payload_bytes);
	snprintf(command[COMMAND_MAIL], COMMAND_BYTES, "MAIL FROM:<%s>%s\r\n", l->config->from, size);
	snprintf(command[COMMAND_RCPT], COMMAND_BYTES, "RCPT TO:<%s>\r\n", d->recipient);
	snprintf(command[COMMAND_DATA], COMMAND_BYTES, "DATA\r\n");
	snprintf(all, sizeof(all), "%s%s%s", command[COMMAND_MAIL], command[COMMAND_RCPT], command[COMMAND_DATA]);
	for (int i = 0; i < COMMAND_COUNT; i++) {
		const char *text = grouped ? all : command[i];
		int r = 0;

		smtp_dialog_command(g, command[i], strlen(command[i]));
		if (i == 0 || !grouped)
			r = link_write(l, text, strlen(text));
		if (r == 0)
			r = link_hear(l);
		if (r < 0)
			return r;
		if (g->failed)
			return link_fail(l, "refused");
		if (i == COMMAND_DATA ? g->step != SMTP_BODY : g->code / 100 != 2)
			return link_fail(l, "the server's answer is no SMTP");
	}
	return 0;
}

/* A line that begins with a dot gets another one, and a dot alone ends the mail (RFC 5321 4.5.2). */
static void body_write(struct buf *b, const char *text, size_t n)
{
	const char *end = text + n, *dot;

	if (n > 0 && text[0] == '.')
		buf_putc(b, '.');
	while ((dot = memmem(text, (size_t)(end - text), "\n.", 2))) {
		buf_add(b, text, (size_t)(dot + 1 - text));
		buf_putc(b, '.');
		text = dot + 1; /* its own dot comes with what follows */
	}
	buf_add(b, text, (size_t)(end - text));
	buf_puts(b, n >= 2 && end[-1] == '\n' ? ".\r\n" : "\r\n.\r\n");
}

static int mail_say_body(struct smtp_link *l, const struct delivery *d)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(BODY_BYTES_MAX);
	int r;

	body_write(&b, d->payload, d->payload_bytes);
	if (b.overflow)
		return link_fail(l, "the message is too large");
	r = link_write(l, buf_str(&b), b.n);
	if (r < 0)
		return r;
	smtp_dialog_body_sent(&l->dialog); /* without its last byte nobody takes a mail */
	return link_hear(l);
}

int smtp_mail_say(struct smtp_link *l, const struct delivery *d)
{
	int r = mail_say_envelope(l, d);

	return r < 0 ? r : mail_say_body(l, d);
}

void smtp_mail_quit(struct smtp_link *l)
{
	size_t took;

	curl_easy_send(l->easy, "QUIT\r\n", 6, &took);
}
