/*
 * Retry schedules and the breaker; see backoff.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/backoff.h"

/* Standard Webhooks 1.0, "Retry schedule": after the first attempt, then after each further one. */
static const int webhook_delays_s[] = {5, 5 * 60, 30 * 60, 2 * 3600, 5 * 3600, 10 * 3600, 14 * 3600, 20 * 3600, 24 * 3600};
/* An alert goes stale in hours, so mail is tried sooner than RFC 5321 4.5.4.1 suggests (30 minutes), then every half hour. */
static const int mail_delays_s[] = {60, 5 * 60, 15 * 60, 30 * 60};

static struct verdict_of_attempt again(int64_t delay_s, double spread)
{
	double jitter = 0.8 + 0.4 * spread;

	return (struct verdict_of_attempt){MESSAGE_QUEUED, (int64_t)((double)delay_s * jitter * (double)US_PER_S), true};
}

static struct verdict_of_attempt retry(const struct delivery_result *r, bool mail, int attempt, int64_t age_us, double spread)
{
	int n = mail ? (int)ARRAY_SIZE(mail_delays_s) : (int)ARRAY_SIZE(webhook_delays_s);
	int64_t wish_s = MIN(r->retry_after_s, RETRY_AFTER_MAX_S);
	int64_t delay_s = mail ? mail_delays_s[MIN(attempt, n) - 1] : webhook_delays_s[MIN(attempt, n) - 1];

	if (mail ? age_us + delay_s * US_PER_S > MAIL_GIVE_UP_S * US_PER_S : attempt > n)
		return (struct verdict_of_attempt){MESSAGE_DEAD, 0, true};
	if (wish_s > 0) /* not before the wish; the jitter goes on top */
		return (struct verdict_of_attempt){MESSAGE_QUEUED,
						   (int64_t)((double)wish_s * (1 + 0.2 * spread) * (double)US_PER_S), true};
	return again(delay_s, spread);
}

struct verdict_of_attempt backoff_after(const struct delivery_result *r, bool mail, int attempt, int64_t age_us, double spread)
{
	switch (r->outcome) {
	case DELIVERY_SENT: return (struct verdict_of_attempt){MESSAGE_SENT, 0, true};
	case DELIVERY_RETRY:
	case DELIVERY_AMBIGUOUS: return retry(r, mail, attempt < 1 ? 1 : attempt, age_us, spread);
	case DELIVERY_FAILED:
	case DELIVERY_BLOCKED:
	case DELIVERY_GONE: return (struct verdict_of_attempt){MESSAGE_FAILED, 0, true};
	case DELIVERY_CREDENTIALS:
	case DELIVERY_RELEASED:
	case DELIVERY_OUTCOME_COUNT: break;
	}
	return (struct verdict_of_attempt){MESSAGE_QUEUED, 0, false};
}

/* A mail server that answers about one recipient is well; one that can't be reached, or says 421, is not. */
static bool mail_server_is_well(const struct delivery_result *r)
{
	return (r->outcome == DELIVERY_RETRY || r->outcome == DELIVERY_FAILED) && r->code != 0 && r->code != 421;
}

bool backoff_clears_endpoint(const struct delivery_result *r, bool mail)
{
	return r->outcome == DELIVERY_SENT || (mail && mail_server_is_well(r));
}

bool backoff_blames_endpoint(const struct delivery_result *r, bool mail)
{
	if (r->outcome == DELIVERY_SENT || r->outcome == DELIVERY_RELEASED || r->outcome == DELIVERY_BLOCKED)
		return false;
	if (mail)
		return r->outcome == DELIVERY_AMBIGUOUS || (r->outcome == DELIVERY_RETRY && !mail_server_is_well(r));
	return true;
}

int64_t backoff_breaker_s(int failures)
{
	int64_t s = BREAKER_FIRST_S;

	if (failures < BREAKER_FAILURES)
		return 0;
	for (int i = BREAKER_FAILURES; i < failures && s < BREAKER_MAX_S; i++)
		s *= 2;
	return MIN(s, BREAKER_MAX_S);
}
