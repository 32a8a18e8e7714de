/*
 * Prometheus text; see exposition.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exposition.h"
#include "base/escape.h"

#include <math.h>
#include <string.h>

static void put_label_value(struct buf *out, const char *s)
{
	size_t n = strlen(s), used;
	uint32_t code;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(s + i, n - i, &code);
		if (code == '\\')
			buf_puts(out, "\\\\");
		else if (code == '"')
			buf_puts(out, "\\\"");
		else if (code == '\n')
			buf_puts(out, "\\n");
		else
			utf8_put(out, code);
	}
}

static void put_number(struct buf *out, double v)
{
	if (isinf(v))
		buf_puts(out, v < 0 ? "-Inf" : "+Inf");
	else if (v == floor(v) && fabs(v) < 1e15)
		buf_put_int(out, (int64_t)v);
	else
		buf_printf(out, "%.12g", v);
}

void exposition_family(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void exposition_series(struct buf *out, const char *name, const char *label, const char *value, double v)
{
	buf_puts(out, name);
	if (label) {
		buf_printf(out, "{%s=\"", label);
		put_label_value(out, value);
		buf_puts(out, "\"}");
	}
	buf_putc(out, ' ');
	put_number(out, v);
	buf_putc(out, '\n');
}

void exposition_series2(struct buf *out, const char *name, const char *const labels[2], const char *const values[2], double v)
{
	buf_puts(out, name);
	for (int i = 0; i < 2; i++) {
		buf_printf(out, "%c%s=\"", i ? ',' : '{', labels[i]);
		put_label_value(out, values[i]);
		buf_putc(out, '"');
	}
	buf_puts(out, "} ");
	put_number(out, v);
	buf_putc(out, '\n');
}

void exposition_histogram(struct buf *out, const char *name, const double *bounds, const uint64_t *counts, int n, double sum)
{
	uint64_t total = 0;

	for (int i = 0; i <= n; i++) {
		total += counts[i];
		buf_printf(out, "%s_bucket{le=\"", name);
		put_number(out, i < n ? bounds[i] : INFINITY);
		buf_puts(out, "\"} ");
		buf_put_int(out, (int64_t)total);
		buf_putc(out, '\n');
	}
	buf_printf(out, "%s_sum %.12g\n%s_count ", name, sum, name);
	buf_put_int(out, (int64_t)total);
	buf_putc(out, '\n');
}
