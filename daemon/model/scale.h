/*
 * What the numbers of one question mean: how far they go, and which end is the good one.
 *
 * A rating without a scale is stars, from 1 to 5 and low is bad. Ratings of different questions are compared as stars: one with
 * a scale by where it stands between its worst answer (1 star) and its best (5); beyond the ends is at the end.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef MODEL_SCALE_H
#define MODEL_SCALE_H

#include "base/arena.h"
#include "model/response.h"

#define STARS_WORST 1
#define STARS_BEST 5

struct scale {
	const char *name; /* a rating, nps, csat or ces */
	double min, max;
	bool low_is_bad;
};

/* By name: the order that all below expect. */
void scales_sort(struct scale *scales, int n);
/* A sorted copy; its texts are in the arena too. */
struct scale *scales_copy(const struct scale *scales, int n, struct arena *arena);
/* NULL: it is not declared. */
const struct scale *scale_find(const struct scale *scales, int n, const char *name);
/* From STARS_WORST to STARS_BEST, not rounded. */
double scale_stars(const struct scale *scale, double value);
/* What `any rating` compares: the number itself where no scale is declared. */
double rating_stars(const struct rating *rating, const struct scale *scales, int n);
/* A score as it is told. @max: where no scale is declared. */
struct score scale_score(const char *name, double value, double max, const struct scale *scales, int n);

#endif
