/*
 * The Prometheus text format 0.0.4: families with HELP and TYPE, samples, histograms.
 *
 *   exposition_family(out, METRIC_COUNTER, "x_total", "What it counts.");
 *   exposition_sample(out, "x_total", LABELS("source", "web", "outcome", "sent"), 7);
 *
 * All samples of a family follow it directly. A label set may appear only once in a family; that is the caller's.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_EXPOSITION_H
#define BASE_EXPOSITION_H

#include "base/buf.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_kind { METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM };

/* Names and values in turn, ended by NULL. */
#define LABELS(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_LABELS NULL

void exposition_family(struct buf *out, enum metric_kind kind, const char *name, const char *help);
/* labels: LABELS(…) or NO_LABELS. Values may be any text; invalid UTF-8 becomes U+FFFD. */
void exposition_sample(struct buf *out, const char *name, const char *const *labels, double value);

/* Counts per bucket, not cumulative: counts[i] of values <= bounds[i], counts[n] of those above all bounds. */
struct exposition_buckets {
	const double *bounds; /* ascending */
	const uint64_t *counts;
	int n; /* of bounds */
	double sum;
};
/* name_bucket, name_sum and name_count. */
void exposition_histogram(struct buf *out, const char *name, const char *const *labels, const struct exposition_buckets *b);

#endif
