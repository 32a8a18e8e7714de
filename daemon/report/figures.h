/*
 * What answers add up to, with how sure one can be of it. Pure.
 *
 * Intervals are of 95 %: 1.96 standard errors to either side, cut where the figure can't go. The smaller the number of answers,
 * the wider; with fewer than two none is given.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef REPORT_FIGURES_H
#define REPORT_FIGURES_H

#include "base/util.h"

struct figure {
	int64_t n;        /* answers; 0: no figure */
	double value;     /* NPS -100..100; CSAT per cent of 4 and 5; a mean */
	double low, high; /* the interval; both NaN: none */
};

/*
 * Net promoter score, 100 (p - d): the variance of the mean of a score that is 1, 0 or -1 is p + d - (p - d)², over n.
 * No interval when all say the same: its estimate would be zero, which is more than so few can tell.
 */
struct figure figure_nps(int64_t n, int64_t promoters, int64_t detractors);
/* A share in per cent, with Wilson's interval, which holds for few and for extreme shares too. */
struct figure figure_share(int64_t n, int64_t good);
/* A mean of values between least and most, from their sum and the sum of their squares. */
struct figure figure_mean(int64_t n, double sum, double squares, double least, double most);

#endif
