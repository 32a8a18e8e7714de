/*
 * When a message is tried again, when an endpoint is left alone, and when to give up. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_BACKOFF_H
#define OUTBOX_BACKOFF_H

#include "model/message.h"

#define LEASE_US (30 * US_PER_S)
#define LEASE_RENEW_US (10 * US_PER_S)
#define RETRY_AFTER_MAX_S (24 * 3600)
#define MAIL_GIVE_UP_S (24 * 3600)
#define BREAKER_FAILURES 5
#define BREAKER_FIRST_S 60
#define BREAKER_MAX_S 3600

/* What becomes of a message after an attempt. */
struct verdict_of_attempt {
	enum message_state state; /* SENT, QUEUED (again), FAILED, DEAD */
	int64_t delay_us;         /* QUEUED: from now */
	bool counts;              /* the attempt counts; false: released, or the endpoint's credentials */
};

/*
 * @attempt: number of the attempt that ended, 1 is the first
 * @age_us:  since the first try
 * @spread:  0..1, for the jitter
 */
struct verdict_of_attempt backoff_after(const struct delivery_result *r, bool mail, int attempt, int64_t age_us, double spread);

/* Whether a result proves that the receiver works, also when it refused this message. */
bool backoff_clears_endpoint(const struct delivery_result *r, bool mail);
/* Whether a result says something bad about the endpoint (not only about this message). */
bool backoff_blames_endpoint(const struct delivery_result *r, bool mail);
/* Seconds to leave an endpoint alone after so many failures in a row; 0: go on. */
int64_t backoff_breaker_s(int failures);

#endif
