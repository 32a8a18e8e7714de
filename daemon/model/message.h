/*
 * One message on its way out, and what became of an attempt to deliver it.
 *
 * A message is immutable once rendered: same id, same body over all attempts. It goes from the main
 * thread to a channel thread inside a delivery, and comes back in a delivery_result.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_MESSAGE_H
#define MODEL_MESSAGE_H

#include "base/clock.h"
#include "base/uuid.h"
#include "model/words.h"

#define ENDPOINT_EMAIL "email" /* the endpoint name of all mail; webhooks have their configured name */
#define ANSWER_BYTES_MAX 2048  /* kept of a receiver's answer */
#define PAYLOAD_BYTES_MAX (8 * 1024 * 1024)

enum delivery_outcome {
	DELIVERY_SENT,
	DELIVERY_RETRY,       /* temporary: 4xx of SMTP, network, 5xx/429 of HTTP */
	DELIVERY_FAILED,      /* refused for good */
	DELIVERY_AMBIGUOUS,   /* the body was sent, the answer never came: retried under the same id, counted */
	DELIVERY_BLOCKED,     /* our own policy forbids the target: permanent */
	DELIVERY_CREDENTIALS, /* 530/534/535 or no AUTH offered: the endpoint is paused, the message stays queued */
	DELIVERY_GONE,        /* HTTP 410: the endpoint is disabled, the message fails */
	DELIVERY_RELEASED,    /* not tried: shutdown, or a reload without its endpoint, gave it back */
	DELIVERY_OUTCOME_COUNT
};
/* As stored in attempts.outcome: "sent", "retry", "failed", "ambiguous", "blocked", "credentials", "gone", "released". */
const char *delivery_outcome_name(enum delivery_outcome o);

/* Owned by the channel from channel_submit() until its result was delivered; made by delivery_new(). */
struct delivery {
	struct uuid id;
	int32_t fence;
	int32_t attempt; /* 1 is the first */
	int64_t case_id; /* 0: none; deliveries of one case and endpoint keep their order */
	char *endpoint;  /* ENDPOINT_EMAIL or a webhook's name */
	char *recipient; /* the mail address of the envelope; NULL for webhooks */
	char *payload;   /* mail: the whole RFC 5322 message with CRLF; webhook: the JSON body */
	size_t payload_bytes;
	struct wall_time created_at;   /* trigger's clock of the response: latency is measured from here */
	struct wall_time first_try_at; /* of this run of tries; WALL_NONE: this is the first */
	void *tag;                     /* the submitter's; channels leave it alone */
};
struct delivery *delivery_new(const struct uuid *id, const char *endpoint, const char *recipient, const char *payload,
			      size_t payload_bytes);
struct delivery *delivery_free(struct delivery *d);

struct delivery_result {
	struct delivery *delivery; /* owned */
	enum delivery_outcome outcome;
	int code; /* SMTP or HTTP status; 0: none */
	int32_t duration_ms;
	int64_t retry_after_s;             /* the receiver's wish, capped at 24 h; 0: none */
	char error[200];                   /* one line for operators; no customer data; "" when sent */
	char answer[ANSWER_BYTES_MAX + 1]; /* start of the receiver's answer, valid UTF-8 */
};
void delivery_result_free(struct delivery_result *r);

#endif
