/*
 * The machine: runs code over one response. Inputs are read and folded at most once per response, when first asked for.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_RUN_H
#define RULE_RUN_H

#include "rule/set.h"

/* One input of the set, as the response at hand has it. */
struct cell {
	uint64_t epoch, match_epoch; /* of the response that text and the rest, and match, belong to */
	bool missing, truth;
	double number;
	struct slice text;  /* folded */
	struct slice match; /* as `matches` sees it */
	struct fold_room text_room, match_room;
};

struct memo { /* of a named fact */
	uint64_t epoch;
	enum tri value;
};

struct rule_scratch {
	const struct ruleset *rs;
	const struct response *response;
	uint64_t epoch; /* counts responses */
	struct cell *cells;
	struct memo *memos;
	enum tri *results;
	struct folder folder;
	struct regex_scratch *regex; /* NULL when the set has none */
	bool over_limit;
};

/* Begin with a response: what was read of the one before is forgotten. */
void run_begin(struct rule_scratch *s, const struct response *response);
enum tri run_code(struct rule_scratch *s, int from, int to);
const struct cell *run_cell(struct rule_scratch *s, uint32_t input);

#endif
