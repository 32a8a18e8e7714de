/*
 * What a rule may say of responses of which only some facts are known: touchpoint and account, but not what the customer will answer.
 *
 * A condition on known facts is run; one on anything else may come out in every way that its kind of test can. And, or, not join these
 * ways as if conditions were independent, so more may be thought possible than is, never less.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_POSSIBLE_H
#define RULE_POSSIBLE_H

#include "rule/rule.h"

struct possible;
/* @known: the text columns and attributes that are known, as rules write them: "touchpoint", "attr.plan". The set must outlive it. */
struct possible *possible_new(const struct ruleset *rs, const char *const *known, int n_known);
struct possible *possible_free(struct possible *p);

/* The response whose known facts count from now on; it must stay. */
void possible_begin(struct possible *p, const struct response *response);
/* Some response with these facts may match. */
bool possible_may_match(struct possible *p, int rule);
/* Every response with these facts matches. */
bool possible_must_match(struct possible *p, int rule);

#endif
