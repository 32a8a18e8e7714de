/*
 * Access to a response by column name; see response.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/response.h"
#include "model/scale.h"

#include <string.h>

static const struct {
	const char *name;
	size_t at;
} columns[] = {
#define COLUMN(c)                                \
	{                                        \
#c, offsetof(struct response, c) \
	}
	COLUMN(source),       COLUMN(source_id),     COLUMN(survey),         COLUMN(touchpoint),     COLUMN(channel),
	COLUMN(customer_id),  COLUMN(customer_name), COLUMN(customer_email), COLUMN(customer_phone), COLUMN(account),
	COLUMN(account_name), COLUMN(region),        COLUMN(language),       COLUMN(comment),
#undef COLUMN
};

const char *const response_text_columns[] = {"source",       "source_id",     "survey",         "touchpoint",     "channel",
					     "customer_id",  "customer_name", "customer_email", "customer_phone", "account",
					     "account_name", "region",        "language",       "comment",        NULL};

const char *response_text(const struct response *r, const char *column, bool *ret_known)
{
	for (size_t i = 0; i < ARRAY_SIZE(columns); i++)
		if (strcmp(columns[i].name, column) == 0) {
			*ret_known = true;
			return *(const char *const *)(const void *)((const char *)r + columns[i].at);
		}
	*ret_known = false;
	return NULL;
}

const struct attribute *response_attribute(const struct response *r, const char *name)
{
	for (int i = 0; i < r->n_attributes; i++)
		if (strcmp(r->attributes[i].name, name) == 0)
			return &r->attributes[i];
	return NULL;
}

bool response_score(const struct response *r, const struct scale *scales, int n_scales, struct score *ret)
{
	const struct rating *worst = NULL;
	double stars, fewest = 0;

	if (r->nps != SCORE_MISSING) {
		*ret = scale_score("nps", r->nps, 10, scales, n_scales);
		return true;
	}
	if (r->csat != SCORE_MISSING) {
		*ret = scale_score("csat", r->csat, 5, scales, n_scales);
		return true;
	}
	if (r->ces != SCORE_MISSING) {
		*ret = scale_score("ces", r->ces, 7, scales, n_scales);
		return true;
	}
	for (int i = 0; i < r->n_ratings; i++) {
		stars = rating_stars(&r->ratings[i], scales, n_scales);
		if (!worst || stars < fewest) {
			worst = &r->ratings[i];
			fewest = stars;
		}
	}
	if (!worst)
		return false;
	*ret = scale_score(worst->name, worst->value, STARS_BEST, scales, n_scales);
	ret->is_rating = true;
	return true;
}
