/*
 * `try nps=2 touchpoint=installation rating.delivery=1 attr.plan=gold contact_requested=true`: an invented response.
 *
 * Names are those of the rule language; values are checked as the table would check them. Pure.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_FACTS_H
#define CLI_FACTS_H

#include "model/response.h"
#include "settings/settings.h"

#define FACTS_E_INVALID 1

/*
 * facts_parse() - FACT=VALUE words into a response
 * ret->responded_at is set by the caller; it stays unless given. Texts live in a. Return: 0, or FACTS_E_INVALID with one sentence in *ret_error.
 */
int facts_parse(const struct settings *s, struct arena *a, const char *const *words, int n, struct response *ret,
		const char **ret_error);

/* Where a text column of a response stands; NULL: there is no such column. */
const char **facts_text(struct response *r, const char *column);

#endif
