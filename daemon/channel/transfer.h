/*
 * One HTTP request of a hook: a libcurl handle that is used again for request after request, with all the room its
 * headers need, so that a request costs no allocation of ours.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_TRANSFER_H
#define CHANNEL_TRANSFER_H

#include "channel/multi.h"
#include "channel/webhook.h"

#define ANSWER_READ_MAX (64 * 1024) /* past this the connection is closed */

enum { HEADER_EXPECT, HEADER_TYPE, HEADER_AGENT, HEADER_ID, HEADER_TIME, HEADER_SIGNATURE, HEADER_COUNT };

struct transfer {
	CURL *easy;
	struct hook *hook;
	struct multi *multi;
	struct job *job; /* NULL: idle */
	struct transfer *next;
	struct list link; /* among the active ones */
	struct mono_time started;
	size_t answered;       /* bytes of the body so far */
	bool blocked, allowed; /* an address was refused, was opened */
	bool requested;        /* the request itself began: what libcurl says is of this one */
	struct curl_slist headers[HEADER_COUNT];
	char id[16 + UUID_TEXT_BYTES];
	char time[48];
	char signature[24 + SIGN_BYTES_MAX];
	char answer[ANSWER_BYTES_MAX];
	char error[CURL_ERROR_SIZE];
};

/* NULL when libcurl has no handle left. */
struct transfer *transfer_new(struct hook *h, struct multi *m);
struct transfer *transfer_free(struct transfer *t);

/* Puts the request on the wire. 0 or a negative errno (signing failed). The job stays the caller's. */
int transfer_start(struct transfer *t, struct job *job);
/*
 * Takes the request off and fills in the result of its job; the transfer is idle then.
 * gave_up: we ended it before libcurl did.
 */
enum delivery_outcome transfer_finish(struct transfer *t, CURLcode code, bool gave_up);

#endif
