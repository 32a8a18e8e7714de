/*
 * Scales; see scale.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/scale.h"

#include <stdlib.h>
#include <string.h>

static int scale_order(const void *a, const void *b)
{
	return strcmp(((const struct scale *)a)->name, ((const struct scale *)b)->name);
}

void scales_sort(struct scale *scales, int n)
{
	if (n > 1)
		qsort(scales, (size_t)n, sizeof(*scales), scale_order);
}

struct scale *scales_copy(const struct scale *scales, int n, struct arena *arena)
{
	struct scale *copy = arena_new_array(arena, struct scale, (size_t)n + 1);

	for (int i = 0; i < n; i++) {
		copy[i] = scales[i];
		copy[i].name = arena_strdup(arena, scales[i].name);
	}
	scales_sort(copy, n);
	return copy;
}

const struct scale *scale_find(const struct scale *scales, int n, const char *name)
{
	struct scale wanted = {.name = name};

	return n > 0 ? bsearch(&wanted, scales, (size_t)n, sizeof(*scales), scale_order) : NULL;
}

double scale_stars(const struct scale *scale, double value)
{
	double from_worst = scale->low_is_bad ? value - scale->min : scale->max - value;
	double stars = STARS_WORST + (STARS_BEST - STARS_WORST) * from_worst / (scale->max - scale->min);

	return MIN(MAX(stars, STARS_WORST), STARS_BEST);
}

double rating_stars(const struct rating *rating, const struct scale *scales, int n)
{
	const struct scale *scale = scale_find(scales, n, rating->name);

	return scale ? scale_stars(scale, rating->value) : rating->value;
}

struct score scale_score(const char *name, double value, double max, const struct scale *scales, int n)
{
	const struct scale *scale = scale_find(scales, n, name);
	struct score score = {.name = name, .value = value, .max = max};

	if (scale) {
		score.max = scale->max;
		score.low_is_good = !scale->low_is_bad;
		score.best = scale->min;
	}
	return score;
}
