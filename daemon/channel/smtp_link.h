/*
 * One SMTP connection, kept open from mail to mail, and the libcurl handle that holds it.
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
	bool kept;    /* a mail went through before: the connection may have been closed since */
	bool blocked; /* policy forbade the address */
	struct curl_slist to;
	const struct delivery *sending;
	size_t offset;
	struct mono_time heard_at; /* last sign of progress */
	bool impatient;            /* given up for that */
	char error[CURL_ERROR_SIZE];

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

#endif
