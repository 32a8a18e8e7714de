/*
 * What was said on an SMTP connection, and what it means for the message.
 *
 * libcurl holds the conversation; its CURLcode does not tell a refusal for now from one for good (curl 7.88: RCPT
 * 450 and 550 are both 55, a 554 after DATA is 8), so the outcome is judged here, from the commands sent and the
 * lines answered:
 *
 *   greeting ─ EHLO ─ [STARTTLS ─ EHLO] ─ [AUTH] ─ MAIL ─ RCPT ─ DATA ─ body ─ QUIT
 *   └── of the connection, which is kept ──────┘ └── of each message ──┘
 *
 * Pure: no I/O, no clock. With credentials it answers -EPERM before the first MAIL on a connection that did
 * not authenticate: libcurl would go on without.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_SMTP_DIALOG_H
#define CHANNEL_SMTP_DIALOG_H

#include "model/message.h"

/* Whose reply is awaited. */
enum smtp_step { SMTP_GREETING, SMTP_EHLO, SMTP_STARTTLS, SMTP_AUTH, SMTP_MAIL, SMTP_RCPT, SMTP_DATA, SMTP_BODY, SMTP_QUIT };

struct smtp_dialog {
	bool credentials;  /* there is a user name: no mail without AUTH */
	bool tls_required; /* STARTTLS comes before AUTH is looked for */
	bool implicit_tls; /* smtps:// */

	/* Of the connection. */
	bool tls, auth_offered, authenticated;

	/* Of the transaction. */
	enum smtp_step step;
	bool opened;    /* this transaction opened the connection */
	bool accepted;  /* MAIL was answered with 2xx */
	bool body_sent; /* the last byte was handed over */
	bool done;      /* the reply after the body came */
	bool no_auth;   /* given up: credentials set, no AUTH */
	bool failed;    /* a 4xx or 5xx came: `code` and `failed_step` hold the first */
	enum smtp_step failed_step;
	int code;       /* the deciding reply, or the last one */
	char text[512]; /* its last line */
};

/* A new transaction on whatever connection there is; what is known of that connection stays. */
void smtp_dialog_start(struct smtp_dialog *d);
/* A connection is being opened: the server speaks first. */
void smtp_dialog_connect(struct smtp_dialog *d);
/* A command line was sent ("MAIL FROM:<…>"). */
void smtp_dialog_command(struct smtp_dialog *d, const char *line, size_t n);
void smtp_dialog_body_sent(struct smtp_dialog *d);
/* A line was received. 0, or -EPERM: the conversation must not go on. */
int smtp_dialog_reply(struct smtp_dialog *d, const char *line, size_t n);

/*
 * The outcome once the conversation is over. DELIVERY_RETRY where nothing was said against the message.
 * AMBIGUOUS: the whole body left, and no reply came.
 */
enum delivery_outcome smtp_dialog_outcome(const struct smtp_dialog *d);
/*
 * A connection that had waited since the last message turned out to be closed (no reply at all, or 421 first): not
 * the message's fault, it may go out over a new one at once.
 */
bool smtp_dialog_was_stale(const struct smtp_dialog *d);
/* One line for operators: "the server refused the recipient (550 5.1.1)"; "" when no reply decided. */
void smtp_dialog_explain(const struct smtp_dialog *d, char *text, size_t bytes);

#endif
