/*
 * Invented alerts, digests and operator mails, for rendering every template once when a configuration is loaded: an
 * alert with everything set, one with as little as there can be, and one of each kind.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_SAMPLE_H
#define CHANNEL_MAIL_SAMPLE_H

#include "model/alert.h"

enum mail_sample_kind {
	MAIL_SAMPLE_RICH,
	MAIL_SAMPLE_POOR,
	MAIL_SAMPLE_PRAISE,
	MAIL_SAMPLE_ASSIGNED,
	MAIL_SAMPLE_AMENDED,
	MAIL_SAMPLE_WITHDRAWN,
	MAIL_SAMPLE_JOINED,
	MAIL_SAMPLE_REMINDER,
	MAIL_SAMPLE_WARNING,
	MAIL_SAMPLE_ESCALATED,
	MAIL_SAMPLE_WAITING_OVER,
	MAIL_SAMPLE_REOPENED,
	MAIL_SAMPLE_RECOVERED,
	MAIL_SAMPLE_UNCHANGED,
	MAIL_SAMPLE_LOST,
	MAIL_SAMPLE_COUNT
};

/* The alert points into the rest: don't copy it. */
struct mail_sample {
	struct alert alert;
	struct response response;
	struct labelled ratings[2];
	struct score rating_values[2];
	struct labelled details[2];
	struct alert_event history[5];
};

void mail_sample_fill(struct mail_sample *s, enum mail_sample_kind kind, enum language language);

#define DIGEST_SAMPLE_LINES 4
struct digest_sample {
	struct digest digest;
	struct digest_line lines[DIGEST_SAMPLE_LINES];
};

void digest_sample_fill(struct digest_sample *s, enum digest_why why, enum language language);
void link_sample_fill(struct link_mail *l, enum language language);
void operator_sample_fill(struct operator_news *n, enum operator_kind kind, enum language language);

#endif
