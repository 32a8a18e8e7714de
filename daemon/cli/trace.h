/*
 * What the rules say of one response, condition by condition, as people read it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_TRACE_H
#define CLI_TRACE_H

#include "settings/settings.h"

/* Everything shown of one judgement. */
struct trace {
	const struct settings *settings;
	struct rule_scratch *scratch;
	const struct response *response;
	struct arena *arena;
	struct verdict verdict; /* results copied */
};

void trace_init(struct trace *t, const struct settings *s, struct rule_scratch *scratch, const struct response *r,
		struct arena *arena);
/*
 * One line per condition, joined as in the rule, and which rule decides; at most `columns` wide (EXAMPLES, explain):
 *   callback     MATCH  urgent   contact_requested                true
 *   key-account  no              strategic: attr.plan is 'gold'   false    'silver'
 *                                and unhappy: nps <= 6            true     2
 *                                             or any rating <= 2  missing
 * The set may be large and the response hostile: everything is made safe and cut.
 */
void trace_put(const struct trace *t, int columns, struct buf *out);
/* The lines alone, of some rules: `wanted` has one entry for each, NULL: of all. */
void trace_put_rules(const struct trace *t, const bool *wanted, int columns, struct buf *out);
/* Its last line: "priority urgent, route account, follow_up standard from callback (highest of 4 matches)". */
const char *trace_decision(const struct trace *t);
/* `"rules":[{"rule":…,"kind":…,"result":…,"conditions":{…}}…],"ignored":…,"winner":…` */
void trace_put_json(const struct trace *t, struct buf *out);

#endif
