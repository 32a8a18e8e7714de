/*
 * Scores and their intervals; see figures.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "report/figures.h"

#include <math.h>

#define Z 1.959963984540054 /* of the standard normal distribution, 97.5 % */

static struct figure cut(struct figure f, double least, double most)
{
	f.low = fmax(f.low, least);
	f.high = fmin(f.high, most);
	return f;
}

struct figure figure_nps(int64_t n, int64_t promoters, int64_t detractors)
{
	struct figure f = {.n = n, .low = NAN, .high = NAN};
	double p, d, variance;

	if (n <= 0)
		return f;
	p = (double)promoters / (double)n;
	d = (double)detractors / (double)n;
	f.value = 100 * (p - d);
	variance = p + d - (p - d) * (p - d);
	if (n < 2 || variance <= 0)
		return f;
	f.low = f.value - 100 * Z * sqrt(variance / (double)n);
	f.high = f.value + 100 * Z * sqrt(variance / (double)n);
	return cut(f, -100, 100);
}

struct figure figure_share(int64_t n, int64_t good)
{
	struct figure f = {.n = n, .low = NAN, .high = NAN};
	double p, middle, half, size = (double)n;

	if (n <= 0)
		return f;
	p = (double)good / size;
	f.value = 100 * p;
	if (n < 2)
		return f;
	middle = (p + Z * Z / (2 * size)) / (1 + Z * Z / size);
	half = Z / (1 + Z * Z / size) * sqrt(p * (1 - p) / size + Z * Z / (4 * size * size));
	f.low = 100 * (middle - half);
	f.high = 100 * (middle + half);
	return cut(f, 0, 100);
}

struct figure figure_mean(int64_t n, double sum, double squares, double least, double most)
{
	struct figure f = {.n = n, .low = NAN, .high = NAN};
	double variance;

	if (n <= 0)
		return f;
	f.value = sum / (double)n;
	if (n < 2)
		return f;
	variance = (squares - sum * sum / (double)n) / (double)(n - 1);
	if (variance <= 0) /* all the same: see figure_nps() */
		return f;
	f.low = f.value - Z * sqrt(variance / (double)n);
	f.high = f.value + Z * sqrt(variance / (double)n);
	return cut(f, least, most);
}
