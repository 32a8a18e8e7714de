/*
 * Numbers as text, in and out, the same in every locale.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_NUMBER_H
#define RULE_NUMBER_H

#include "base/util.h"

#define NUMBER_TEXT_BYTES 40

/*
 * A decimal number ("-6.5") of the whole text, at most RULE_NUMBER_DIGITS digits, whatever the locale.
 * Return: 0 or -EINVAL.
 */
int number_parse(const char *text, size_t n, double *ret);

/* The shortest decimal that reads back as the same number: "6", "6.5"; valid JSON. */
const char *number_text(double x, char text[NUMBER_TEXT_BYTES]);

#endif
