/*
 * Caps of the rule language beside those of rule.h: what a rule may ask of memory and of one response.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_LIMITS_H
#define RULE_LIMITS_H

#include <stdint.h>

#define RULE_FACTS_MAX 1000   /* named facts in one set */
#define RULE_LIST_MAX 256     /* entries of one ( , ) list */
#define RULE_NUMBER_DIGITS 15 /* so that every number is exact */
#define RULE_REGEX_MAX 500    /* `matches` in one set */
#define RULE_REGEX_BYTES_MAX 1024

#define RULE_ZONES_MAX 100                        /* different zones named in one set */
#define RULE_WINDOW_S_MAX (3660 * INT64_C(86400)) /* ten years; D of history.X(D) */

/* Work of one `matches` on one text; past any of them it is missing, and verdict.over_limit is set. */
#define RULE_MATCH_TEXT_BYTES_MAX (32 * 1024)
#define RULE_MATCH_STEPS_MAX 50000
#define RULE_MATCH_DEPTH_MAX 20000
#define RULE_MATCH_HEAP_KIB_MAX 4096
#define RULE_JIT_STACK_BYTES (32 * 1024)
#define RULE_JIT_STACK_BYTES_MAX (256 * 1024)

/* What a trace shows. */
#define TRACE_NODES_MAX 2000     /* past it, named facts stay folded */
#define TRACE_VALUE_BYTES_MAX 80 /* of a text, before it is cut */
#define TRACE_RATINGS_MAX 8

#endif
