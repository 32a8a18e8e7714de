/*
 * `matches`: PCRE2 with Unicode, case ignored, and a limit on every kind of work.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_REGEX_H
#define RULE_REGEX_H

#include "rule/fold.h"
#include "rule/source.h"

struct regex;

/* Compiles the pattern of a text literal; NULL after a report. */
struct regex *regex_new(struct source *src, struct span literal, const char *pattern);
struct regex *regex_free(struct regex *re);

/* Match data and stacks of one thread. */
struct regex_scratch;
struct regex_scratch *regex_scratch_new(void);
struct regex_scratch *regex_scratch_free(struct regex_scratch *s);

#define REGEX_E_LIMIT 2 /* gave up */

/* @text: valid UTF-8. Return: 1 it fits, 0 it doesn't, REGEX_E_LIMIT. */
int regex_match(const struct regex *re, struct regex_scratch *s, struct slice text);

#endif
