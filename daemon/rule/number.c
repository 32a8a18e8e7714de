/*
 * Numbers as text; see number.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/number.h"
#include "base/buf.h"
#include "rule/limits.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int number_parse(const char *text, size_t n, double *ret)
{
	static const double tens[] = {1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	bool negative = n > 0 && text[0] == '-', point = false;
	int64_t mantissa = 0;
	int digits = 0, after = 0;

	for (size_t i = negative; i < n; i++) {
		if (text[i] == '.' && !point && digits > 0 && i + 1 < n) {
			point = true;
			continue;
		}
		if (text[i] < '0' || text[i] > '9' || digits == RULE_NUMBER_DIGITS)
			return -EINVAL;
		mantissa = mantissa * 10 + (text[i] - '0');
		digits++;
		after += point;
	}
	if (digits == 0)
		return -EINVAL;
	/* Both are exact, so their quotient is the double nearest to what was written. */
	*ret = (double)mantissa / tens[after];
	if (negative && mantissa != 0)
		*ret = -*ret;
	return 0;
}

const char *number_text(double x, char text[NUMBER_TEXT_BYTES])
{
	if (fabs(x) < 1e15 && x == (double)(int64_t)x) /* a tenth of what "%.0f" costs */
		return int_text((int64_t)x, text);
	for (int digits = 1; digits <= 17; digits++) {
		snprintf(text, NUMBER_TEXT_BYTES, "%.*g", digits, x);
		if (strtod(text, NULL) == x)
			break;
	}
	for (char *c = text; *c; c++)
		if (*c == ',')
			*c = '.';
	return text;
}
