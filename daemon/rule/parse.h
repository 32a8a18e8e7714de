/*
 * Recursive descent parser of the rule language; the grammar stands above each function in parse.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_PARSE_H
#define RULE_PARSE_H

#include "rule/ast.h"

/* The tree, in src->arena, or NULL after one report. */
struct node *rule_parse(struct source *src);

#endif
