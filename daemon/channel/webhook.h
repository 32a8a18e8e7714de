/*
 * Webhooks leave: one thread with its own loop and multi handle, a queue for each endpoint.
 *
 * A hook is one endpoint under one configuration. The main thread makes it, counts its jobs and owns it until
 * webhooks_forget(); queue and handles belong to the webhook thread, which knows a hook from its first job on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_WEBHOOK_H
#define CHANNEL_WEBHOOK_H

#include "channel/job.h"
#include "channel/policy.h"
#include "channel/sign.h"

#include <curl/curl.h>

#define HOOK_CONNECTIONS_MAX 64

struct webhooks;
struct transfer;

struct hook {
	/* Fixed. */
	char *name, *url, *ca_file;
	CURLU *parsed; /* the url; without a user's name */
	enum webhook_format format;
	int connections;
	struct policy policy;
	struct channel_patience patience;
	struct signer *signer;         /* NULL: not signed */
	enum delivery_outcome refused; /* DELIVERY_SENT, or what becomes of every job: */
	const char *refusal;           /* why */
	uint8_t fingerprint[32];       /* of the settings it was made from */

	/* The main thread's. */
	struct list owned;
	int jobs;
	bool retired;

	/* The webhook thread's. */
	struct list link;
	struct mail_item forget;
	struct list queue;
	struct transfer *idle; /* ready for the next request */
	struct job *active[HOOK_CONNECTIONS_MAX];
	int n_active;
};

/* Never NULL: settings that can't be used make a hook that refuses every job. */
struct hook *hook_new(const struct webhook *w, const struct channel_patience *patience);
struct hook *hook_free(struct hook *h);
/* What the webhook thread keeps in it: queue and handles. */
void hook_clear(struct hook *h);
bool hook_eq(const struct hook *a, const struct hook *b);

/* results: where finished jobs are posted. NULL when libcurl or a thread can't be had. All functions: main thread. */
struct webhooks *webhooks_new(struct mailbox *results);
void webhooks_submit(struct webhooks *w, struct job *job);
/* Takes the hook: no job of it is under way, and none will come. */
void webhooks_forget(struct webhooks *w, struct hook *h);
/* What is queued comes back as DELIVERY_RELEASED; what is on the wire is given up after grace_us. */
void webhooks_stop(struct webhooks *w, int64_t grace_us);
/* Joins the thread; what is under way is dropped. Hooks that were not forgotten are the caller's to free, after this.
 */
struct webhooks *webhooks_free(struct webhooks *w);

#endif
