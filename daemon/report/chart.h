/*
 * A line over the weeks with its interval as a band, as SVG for the pages: no style of its own, only classes. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef REPORT_CHART_H
#define REPORT_CHART_H

#include "base/buf.h"
#include "model/words.h"
#include "report/figures.h"

struct chart {
	const char *title; /* said to who can't see it; escaped here */
	double least, most;
	const struct figure *points; /* one each week; n 0 leaves a gap */
	const char *const *labels;   /* below them; escaped here */
	int n;
	enum language language; /* of the values that are written in it */
};

/* Appends <svg>…</svg>. */
void chart_put(struct buf *out, const struct chart *c);

/* A value on a scale, with its interval as a bar: for a row of a table. */
void chart_put_bar(struct buf *out, const struct figure *f, double least, double most);

#endif
