/*
 * Invented alerts for rendering every template once when a configuration is loaded: one with everything set,
 * one with as little as there can be, and a praise.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_SAMPLE_H
#define CHANNEL_MAIL_SAMPLE_H

#include "model/alert.h"

enum mail_sample_kind { MAIL_SAMPLE_RICH, MAIL_SAMPLE_POOR, MAIL_SAMPLE_PRAISE, MAIL_SAMPLE_COUNT };

/* The alert points into the rest: don't copy it. */
struct mail_sample {
	struct alert alert;
	struct response response;
	struct labelled ratings[2];
	struct score rating_values[2];
	struct labelled details[2];
};

void mail_sample_fill(struct mail_sample *s, enum mail_sample_kind kind, enum language language);

#endif
