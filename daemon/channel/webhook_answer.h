/*
 * What an HTTP answer, or its absence, means for a webhook's delivery. Pure.
 *
 * As Standard Webhooks has it: 2xx is success and everything else is tried again, except that 410 ends the
 * endpoint and what can't get better by waiting (413; a 400 of Slack or Teams, which names a broken payload) fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_WEBHOOK_ANSWER_H
#define CHANNEL_WEBHOOK_ANSWER_H

#include "model/message.h"
#include "settings/settings.h"

#define RETRY_AFTER_MAX_S (INT64_C(24) * 3600)

struct webhook_answer {
	int status;            /* 0: none came */
	bool sent;             /* the whole request left */
	bool blocked;          /* policy forbade every address */
	bool gave_up;          /* we ended it: shutdown */
	int64_t retry_after_s; /* as asked for; 0: not */
	enum webhook_format format;
	const char *body; /* its start */
	size_t n_body;
};

enum delivery_outcome webhook_answer_outcome(const struct webhook_answer *a);
/* What the receiver asked to wait, where it may ask that (429, 502, 503, 504); at most RETRY_AFTER_MAX_S. */
int64_t webhook_answer_wait_s(const struct webhook_answer *a);

#endif
