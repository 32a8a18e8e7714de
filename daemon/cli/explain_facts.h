/*
 * case_responses.facts: what a rule set saw of an answer, read back; and how it differs from what the answer says now.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_EXPLAIN_FACTS_H
#define CLI_EXPLAIN_FACTS_H

#include "base/buf.h"
#include "rule/rule.h"

/*
 * facts_read() - the answer as the rules saw it: what isn't among the facts is missing
 * @json: as ruleset_facts_json() wrote it
 * @rs: the set that it was written for
 * @row: the answer as it is now: its id, and times that the facts don't have; with its past, if facts_ask_when()
 * Return: 0, or -EINVAL when it is no such JSON.
 */
int facts_read(const char *json, const struct ruleset *rs, const struct response *row, struct arena *a, struct response *ret);

/* The set asks for the hour or the day of the answer before: what is recorded of it doesn't tell the time. */
bool facts_ask_when(const struct ruleset *rs);

#define FACT_CHANGES_MAX 100
struct fact_change {
	const char *name;       /* "nps", "rating.delivery", "attr.plan" */
	const char *then, *now; /* "2", "'silver'"; NULL: missing */
};
/* What differs between two sets of facts; previous.* and history.* are left out: they change by themselves. Returns how many. */
int facts_compare(const char *then, const char *now, struct arena *a, struct fact_change *ret);

#endif
