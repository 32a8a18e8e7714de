/*
 * One expression as a person wrote it, and the reporting of what is wrong in it.
 *
 * Every later stage (lexer, parser, checker) points into the text with a span; a report becomes
 * "NAME: text" with the excerpt, a caret below the span, and a hint.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_SOURCE_H
#define RULE_SOURCE_H

#include "base/diag.h"

#define EXCERPT_BYTES_MAX 160 /* longer expressions are cut around the caret */

struct span {
	int at; /* bytes */
	int length;
};

struct source {
	const char *name; /* of the rule or fact */
	const char *text;
	int n;
	struct text_pos pos;
	struct diag_list *diags;
	struct arena *arena; /* for hints and copies; lives as long as the rule set */
	bool failed;         /* an error was reported */
};

/* For "%.*s". */
#define SPAN_ARG(src, s) (s).length, (src)->text + (s).at

/* @hint may be NULL; both texts are copied. */
void source_error(struct source *src, struct span span, const char *hint, const char *fmt, ...) PRINTF(4, 5);
void source_warn(struct source *src, struct span span, const char *hint, const char *fmt, ...) PRINTF(4, 5);

/* From the start of a to the end of b. */
static inline struct span span_join(struct span a, struct span b)
{
	return (struct span){a.at, b.at + b.length - a.at};
}

#endif
