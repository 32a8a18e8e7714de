/*
 * Reads the JSON that nearly every response has: one object of texts, numbers and truths, without escapes.
 *
 * Its parts are pointed to where they lie: nothing is allocated. It answers only for what it is sure of; whatever else stands there (nesting,
 * escapes, odd numbers, mistakes) is left to a whole parser, which takes eight times as long.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INTAKE_FLAT_H
#define INTAKE_FLAT_H

#include "base/util.h"

enum flat_kind { FLAT_TEXT, FLAT_INTEGER, FLAT_REAL, FLAT_TRUE, FLAT_FALSE, FLAT_NULL };

struct flat_member {
	const char *name, *text; /* not ended by a NUL; text without its quotes */
	size_t name_n, n;
	enum flat_kind kind;
};

/* Return: how many members there are, in their order; -1: read it another way. */
int flat_read(const char *json, size_t n, struct flat_member *ret, int max);
/* Of FLAT_INTEGER. */
int64_t flat_integer(const struct flat_member *m);

#endif
