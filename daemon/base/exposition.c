/*
 * The Prometheus text format; see exposition.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exposition.h"

#include "base/escape.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXACT_INTEGERS 9007199254740992.0 /* 2^53 */

/* Backslash and line end, in label values the quote too. */
static void put_escaped(struct buf *out, const char *text, bool quote)
{
	size_t n = strlen(text), used;
	uint32_t code;

	while ((used = utf8_next(text, n, &code))) {
		if (code == '\\')
			buf_puts(out, "\\\\");
		else if (code == '\n')
			buf_puts(out, "\\n");
		else if (code == '"' && quote)
			buf_puts(out, "\\\"");
		else
			utf8_put(out, code);
		text += used;
		n -= used;
	}
}

void exposition_family(struct buf *out, enum metric_kind kind, const char *name, const char *help)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};

	buf_printf(out, "# HELP %s ", name);
	put_escaped(out, help, false);
	buf_printf(out, "\n# TYPE %s %s\n", name, kinds[kind]);
}

/* The shortest text that reads back as the same number. */
static void format_number(char text[32], double v)
{
	if (isnan(v))
		snprintf(text, 32, "NaN");
	else if (isinf(v))
		snprintf(text, 32, "%sInf", v < 0 ? "-" : "+");
	else if (v == trunc(v) && fabs(v) <= EXACT_INTEGERS)
		snprintf(text, 32, "%.0f", v == 0 ? 0.0 : v);
	else
		for (int digits = 6; digits <= 17; digits++) {
			snprintf(text, 32, "%.*g", digits, v);
			if (strtod(text, NULL) == v)
				break;
		}
}

static void put_label(struct buf *out, const char *name, const char *value, bool *first)
{
	buf_printf(out, "%s%s=\"", *first ? "{" : ",", name);
	put_escaped(out, value, true);
	buf_putc(out, '"');
	*first = false;
}

static void put_sample(struct buf *out, const char *name, const char *const *labels, const char *le, double value)
{
	char text[32];
	bool first = true;

	buf_puts(out, name);
	for (; labels && labels[0]; labels += 2)
		put_label(out, labels[0], labels[1], &first);
	if (le)
		put_label(out, "le", le, &first);
	format_number(text, value);
	buf_printf(out, "%s %s\n", first ? "" : "}", text);
}

void exposition_sample(struct buf *out, const char *name, const char *const *labels, double value)
{
	put_sample(out, name, labels, NULL, value);
}

void exposition_histogram(struct buf *out, const char *name, const char *const *labels, const struct exposition_buckets *b)
{
	char part[128], le[32];
	uint64_t total = 0;

	snprintf(part, sizeof(part), "%s_bucket", name);
	for (int i = 0; i <= b->n; i++) {
		total += b->counts[i];
		format_number(le, i < b->n ? b->bounds[i] : INFINITY);
		put_sample(out, part, labels, le, (double)total);
	}
	snprintf(part, sizeof(part), "%s_sum", name);
	put_sample(out, part, labels, NULL, b->sum);
	snprintf(part, sizeof(part), "%s_count", name);
	put_sample(out, part, labels, NULL, (double)total);
}
