/*
 * Mail leaves: threads with one blocking SMTP connection each, and the queue they share.
 *
 * email_config is what a mail goes out under, made once per settings and shared by reference count; a thread that
 * meets a new one closes its connection and opens one under the new settings.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_EMAIL_H
#define CHANNEL_EMAIL_H

#include "channel/job.h"

#include <stdatomic.h>

struct email_config {
	atomic_int refs;
	char *url; /* smtp://host:port/our-name: the path is the name in EHLO */
	bool implicit_tls;
	enum tls_mode tls;
	char *ca_file;             /* NULL: the system's */
	char *username, *password; /* NULL: no AUTH */
	char *from;
	struct channel_patience patience;
};
struct email_config *email_config_new(const struct email_settings *s, const struct channel_patience *patience);
struct email_config *email_config_ref(struct email_config *c);
struct email_config *email_config_unref(struct email_config *c);
bool email_config_eq(const struct email_config *a, const struct email_config *b);

struct email;

/* results: where finished jobs are posted. All functions: main thread. */
struct email *email_new(struct mailbox *results);
/* At most n mails at a time, 0..EMAIL_CONNECTIONS_MAX. -EAGAIN when no thread can be made. */
#define EMAIL_CONNECTIONS_MAX 32
int email_set_connections(struct email *e, int n);
void email_submit(struct email *e, struct job *job);
/* What is queued comes back as DELIVERY_RELEASED, and all that is submitted from now on. */
void email_stop(struct email *e);
/* What is on the wire is given up. */
void email_abort(struct email *e);
/* Joins the threads; within seconds, even when a server or resolver hangs. */
struct email *email_free(struct email *e);

#endif
