/*
 * Prometheus text exposition, version 0.0.4. Pure text; bounded by the buffer.
 *
 * A family is begun once (HELP and TYPE), then its series follow. Label values are escaped here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_EXPOSITION_H
#define BASE_EXPOSITION_H

#include "base/buf.h"

#define EXPOSITION_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* type: "counter", "gauge", "histogram". help: one sentence without a full stop. */
void exposition_family(struct buf *out, const char *name, const char *type, const char *help);
/* One series; label NULL: without labels. */
void exposition_series(struct buf *out, const char *name, const char *label, const char *value, double v);
/* Two labels. */
void exposition_series2(struct buf *out, const char *name, const char *const labels[2], const char *const values[2], double v);
/*
 * A histogram without labels: counts per bucket (not cumulative), n bounds in rising order and n + 1 counts, the last
 * past every bound.
 */
void exposition_histogram(struct buf *out, const char *name, const double *bounds, const uint64_t *counts, int n, double sum);

#endif
