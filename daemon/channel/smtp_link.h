/*
 * One SMTP connection, kept open from mail to mail. libcurl opens it (names, TLS, EHLO, AUTH) and carries its bytes; the mails
 * themselves are spoken by smtp_mail.c:
 *
 *   smtp_link_send ─▶ [libcurl: connect ─ TLS ─ EHLO ─ AUTH] ─▶ smtp_mail_say: MAIL ─ RCPT ─ DATA ─ body ─▶ the dialog judges
 *
 * Everything but smtp_link_abort() belongs to the connection's own thread: libcurl blocks it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_SMTP_LINK_H
#define CHANNEL_SMTP_LINK_H

#include "channel/email.h"
#include "channel/policy.h"
#include "channel/smtp_dialog.h"

#include <curl/curl.h>
#include <pthread.h>

#define SMTP_LINK_SOCKETS 4 /* two families may be tried at once */

struct smtp_link {
	CURL *easy;                  /* NULL: no connection */
	struct email_config *config; /* of easy */
	struct policy policy;
	struct smtp_dialog dialog;
	curl_socket_t fd;                 /* of the connection; CURL_SOCKET_BAD: none that takes mails */
	bool blocked;                     /* policy forbade the address */
	struct mono_time began, heard_at; /* of this attempt; the last sign of progress */
	bool impatient;                   /* given up for that */
	char error[CURL_ERROR_SIZE];
	char in[4096]; /* received; what is before in_from was read */
	size_t in_n, in_from;

	pthread_mutex_t lock; /* of what follows */
	int sockets[SMTP_LINK_SOCKETS];
	bool aborted;
};

void smtp_link_init(struct smtp_link *l);
void smtp_link_fini(struct smtp_link *l);
bool smtp_link_is_open(const struct smtp_link *l);
/* Says QUIT, and doesn't wait for the answer. */
void smtp_link_close(struct smtp_link *l);
/* Sends one mail and fills in the job's result; returns its outcome. Blocks. */
enum delivery_outcome smtp_link_send(struct smtp_link *l, struct job *job);
/* From any thread: what is under way ends now, and nothing more goes out. */
void smtp_link_abort(struct smtp_link *l);

/* For smtp_mail.c. Milliseconds that the server has left; 0: it is given up, by impatience or from outside. */
int smtp_link_patience_ms(struct smtp_link *l);
/* One mail over the open connection; the dialog has heard all of it. 0, or -errno when it broke off (and in `error` why). */
int smtp_mail_say(struct smtp_link *l, const struct delivery *d);
/* Takes its leave, as far as that goes without waiting. */
void smtp_mail_quit(struct smtp_link *l);

#endif
