/*
 * Messages leave: mail and webhooks, in threads of their own.
 *
 * The main thread submits deliveries and gets one result for each through the loop's mailbox. Mail: one thread per
 * connection (libcurl's SMTP blocks its caller), each keeping its connection open. Webhooks: one thread with its
 * own loop and multi handle. Threads share nothing but queues. The only home of libcurl.
 *
 * Retrying, breakers and order are the outbox's business: a result says what happened once.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_CHANNEL_H
#define CHANNEL_CHANNEL_H

#include "loop/loop.h"
#include "model/message.h"
#include "settings/settings.h"

struct channel;

/* Called in the main thread, once per submitted delivery; owns the result. */
typedef void channel_result_fn(void *arg, struct delivery_result *result);

/* How long a peer may take, in milliseconds. */
struct channel_patience {
	int connect_ms;     /* name, TCP, TLS; for mail also greeting and AUTH */
	int webhook_ms;     /* a webhook's whole attempt */
	int mail_reply_ms;  /* any reply of a mail server but the last */
	int mail_answer_ms; /* the reply after the body: RFC 5321 4.5.3.2.6 wants ten minutes */
	int mail_idle_ms;   /* a mail connection without work is closed after this */
};
extern const struct channel_patience channel_patience_default;

/* settings is not kept: what the threads need is copied. NULL when libcurl or a thread can't be had. */
struct channel *channel_new(struct loop *l, const struct settings *settings, channel_result_fn *fn, void *arg);
/* The same with another patience than the default one (tests). */
struct channel *channel_new_patient(struct loop *l, const struct settings *settings, const struct channel_patience *patience,
				    channel_result_fn *fn, void *arg);

/* New settings for deliveries submitted from now on; those under way end under the old ones. */
void channel_reload(struct channel *c, const struct settings *settings);

/*
 * How many more deliveries the endpoint takes now without queueing long: its connections times a small factor, less
 * what is under way. 0 for an unknown endpoint. The outbox claims no more than this.
 */
int channel_room(const struct channel *c, const char *endpoint);

/* Takes the delivery. Unknown endpoint: a DELIVERY_RELEASED result comes back. */
void channel_submit(struct channel *c, struct delivery *d);

/* Deliveries submitted and without a result yet. */
int channel_in_flight(const struct channel *c);

/*
 * Stops taking; deliveries not yet on the wire come back as DELIVERY_RELEASED at once, those on the wire get until
 * grace_us. Results keep coming through the mailbox until channel_in_flight() is 0; then channel_free().
 */
void channel_stop(struct channel *c, int64_t grace_us);
struct channel *channel_free(struct channel *c); /* joins the threads; results not yet delivered are dropped */

#endif
