/*
 * Messages and their deliveries; see message.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/message.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const char *const outcome_words[DELIVERY_OUTCOME_COUNT] = {"sent",    "retry",       "failed", "ambiguous",
								  "blocked", "credentials", "gone",   "released"};

const char *delivery_outcome_name(enum delivery_outcome o)
{
	assert(o < DELIVERY_OUTCOME_COUNT);
	return outcome_words[o];
}

struct delivery *delivery_new(const struct uuid *id, const char *endpoint, const char *recipient, const char *payload,
			      size_t payload_bytes)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	d->id = *id;
	d->endpoint = xstrdup(endpoint);
	d->recipient = recipient ? xstrdup(recipient) : NULL;
	d->payload = xmalloc(payload_bytes + 1);
	memcpy(d->payload, payload, payload_bytes);
	d->payload[payload_bytes] = '\0';
	d->payload_bytes = payload_bytes;
	d->created_at = WALL_NONE;
	return d;
}

struct delivery *delivery_free(struct delivery *d)
{
	if (d) {
		free(d->endpoint);
		free(d->recipient);
		free(d->payload);
		free(d);
	}
	return NULL;
}

void delivery_result_free(struct delivery_result *r)
{
	if (r) {
		delivery_free(r->delivery);
		free(r);
	}
}
