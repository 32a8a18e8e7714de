/*
 * Judging HTTP answers; see webhook_answer.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_answer.h"

#include <string.h>

static bool body_has(const struct webhook_answer *a, const char *text)
{
	return memmem(a->body, a->n_body, text, strlen(text)) != NULL;
}

/*
 * Slack says `ok`; those that speak its language say that, nothing, or a JSON object. A login page or
 * another stranger's words under 200 are no success.
 */
static bool slack_accepted(const struct webhook_answer *a)
{
	size_t n = a->n_body;
	const char *p = a->body;

	while (n > 0 && strchr(" \t\r\n", p[n - 1]))
		n--;
	if (n == 0 || (n == 2 && memcmp(p, "ok", 2) == 0))
		return true;
	return p[0] == '{' && !body_has(a, "\"ok\":false") && !body_has(a, "\"success\":false");
}

enum delivery_outcome webhook_answer_outcome(const struct webhook_answer *a)
{
	if (a->blocked)
		return DELIVERY_BLOCKED;
	if (a->status >= 200 && a->status < 300)
		return a->format == WEBHOOK_SLACK && !slack_accepted(a) ? DELIVERY_RETRY : DELIVERY_SENT;
	if (a->status == 410)
		return DELIVERY_GONE;
	if (a->status == 413)
		return DELIVERY_FAILED;
	if (a->status == 400 && (a->format == WEBHOOK_SLACK || a->format == WEBHOOK_TEAMS))
		return DELIVERY_FAILED;
	if (a->status >= 200)
		return DELIVERY_RETRY;
	/* Nothing, or a 1xx and nothing after it. */
	if (a->sent)
		return DELIVERY_AMBIGUOUS;
	return a->gave_up ? DELIVERY_RELEASED : DELIVERY_RETRY;
}

int64_t webhook_answer_wait_s(const struct webhook_answer *a)
{
	if (a->status != 429 && a->status != 502 && a->status != 503 && a->status != 504)
		return 0;
	return a->retry_after_s <= 0 ? 0 : MIN(a->retry_after_s, RETRY_AFTER_MAX_S);
}
