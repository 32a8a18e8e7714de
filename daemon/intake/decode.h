/*
 * A claimed row becomes a response.
 *
 * Pure but for the arena: values of the claim's columns in, struct response out. A row that can't be decoded
 * says why, and only that row is blamed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INTAKE_DECODE_H
#define INTAKE_DECODE_H

#include "base/arena.h"
#include "model/response.h"

/*
 * Ratings: every number of the object; texts that are whole numbers count too (survey tools send "4"). Attributes: every scalar.
 * Nested values are left out. Return: 0, or -EINVAL with a sentence in *ret_why (static or in the arena).
 */
int decode_ratings(const char *json, size_t n, struct arena *a, struct response *r, const char **ret_why);
int decode_attributes(const char *json, size_t n, struct arena *a, struct response *r, const char **ret_why);

#endif
