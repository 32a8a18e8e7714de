/*
 * Drawing; see chart.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "report/chart.h"

#include "base/escape.h"

#include <math.h>
#include <string.h>

#define WIDTH 360 /* of a phone: shown larger elsewhere */
#define HEIGHT 180
#define LEFT 44 /* "−100" in the widest of the usual fonts, DejaVu Sans */
#define RIGHT 22
#define TOP 14
#define BOTTOM 26
#define LABELS_MAX 5
#define BAR_WIDTH 160
#define BAR_HEIGHT 16

static double x_of(const struct chart *c, int i)
{
	return c->n < 2 ? LEFT + (WIDTH - LEFT - RIGHT) / 2.0 : LEFT + (double)i * (WIDTH - LEFT - RIGHT) / (c->n - 1);
}

static double y_of(const struct chart *c, double value)
{
	return TOP + (c->most - value) / (c->most - c->least) * (HEIGHT - TOP - BOTTOM);
}

static bool has_band(const struct chart *c, int i)
{
	return c->points[i].n > 0 && !isnan(c->points[i].low);
}

/* Weeks next to each other that have an interval make one shape. */
static void put_band(struct buf *out, const struct chart *c)
{
	for (int from = 0, to; from < c->n; from = to) {
		to = from + 1;
		if (!has_band(c, from))
			continue;
		while (to < c->n && has_band(c, to))
			to++;
		if (to - from < 2) {
			buf_printf(out, "<path class=\"whisker\" d=\"M%.1f %.1fV%.1f\"/>", x_of(c, from),
				   y_of(c, c->points[from].high), y_of(c, c->points[from].low));
			continue;
		}
		buf_puts(out, "<path class=\"interval\" d=\"M");
		for (int i = from; i < to; i++)
			buf_printf(out, "%s%.1f %.1f", i > from ? "L" : "", x_of(c, i), y_of(c, c->points[i].high));
		for (int i = to - 1; i >= from; i--)
			buf_printf(out, "L%.1f %.1f", x_of(c, i), y_of(c, c->points[i].low));
		buf_puts(out, "Z\"/>");
	}
}

static void put_line(struct buf *out, const struct chart *c)
{
	bool on = false;

	buf_puts(out, "<path class=\"curve\" d=\"");
	for (int i = 0; i < c->n; i++) {
		if (c->points[i].n > 0)
			buf_printf(out, "%c%.1f %.1f", on ? 'L' : 'M', x_of(c, i), y_of(c, c->points[i].value));
		on = c->points[i].n > 0;
	}
	buf_puts(out, "\"/>");
	for (int i = 0; i < c->n; i++)
		if (c->points[i].n > 0)
			buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"%.1f\" r=\"3.5\"/>", x_of(c, i),
				   y_of(c, c->points[i].value));
}

static void put_axes(struct buf *out, const struct chart *c)
{
	int each = (c->n + LABELS_MAX - 1) / LABELS_MAX;

	for (int k = 0; k <= 2; k++) {
		double value = c->least + (c->most - c->least) * k / 2, y = y_of(c, value);
		char text[NUMBER_BYTES];

		buf_printf(out,
			   "<path class=\"rule\" d=\"M%d %.1fH%d\"/><text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>",
			   LEFT, y, WIDTH - RIGHT, LEFT - 6, y + 4, language_number(c->language, value, -1, text));
	}
	for (int i = 0; i<c->n; i += each> 0 ? each : 1) {
		/* The last one ends with the picture, however long it is. */
		bool last = i == c->n - 1 && i > 0;

		buf_printf(out, "<text x=\"%.1f\" y=\"%d\" text-anchor=\"%s\">", last ? WIDTH - 2 : x_of(c, i), HEIGHT - 8,
			   last ? "end" : "middle");
		escape_html(out, c->labels[i], strlen(c->labels[i]));
		buf_puts(out, "</text>");
	}
}

void chart_put(struct buf *out, const struct chart *c)
{
	buf_printf(out, "<svg class=\"chart\" role=\"img\" viewBox=\"0 0 %d %d\"><title>", WIDTH, HEIGHT);
	escape_html(out, c->title, strlen(c->title));
	buf_puts(out, "</title>");
	put_axes(out, c);
	put_band(out, c);
	put_line(out, c);
	buf_puts(out, "</svg>");
}

static double bar_x(double value, double least, double most)
{
	return 4 + (value - least) / (most - least) * (BAR_WIDTH - 8);
}

void chart_put_bar(struct buf *out, const struct figure *f, double least, double most)
{
	if (f->n <= 0)
		return;
	buf_printf(out,
		   "<svg class=\"bar\" aria-hidden=\"true\" viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">"
		   "<path class=\"rule\" d=\"M4 8H%d\"/>",
		   BAR_WIDTH, BAR_HEIGHT, BAR_WIDTH, BAR_HEIGHT, BAR_WIDTH - 4);
	if (!isnan(f->low))
		buf_printf(out, "<path class=\"span\" d=\"M%.1f 8H%.1f\"/>", bar_x(f->low, least, most),
			   bar_x(f->high, least, most));
	buf_printf(out, "<circle class=\"dot\" cx=\"%.1f\" cy=\"8\" r=\"4\"/></svg>", bar_x(f->value, least, most));
}
