/*
 * Figures of results and their intervals, against values worked out by hand; and the drawing of what must not be drawn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "report/chart.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_near(double x, double want)
{
	if (fabs(x - want) > 0.005)
		fail_msg("%f, not %f", x, want);
}

static void test_nps(void **state)
{
	/* 50 promoters, 20 detractors of 100: variance 0.5 + 0.2 - 0.09 = 0.61, error 0.0781. */
	struct figure f = figure_nps(100, 50, 20);

	assert_near(f.value, 30);
	assert_near(f.low, 30 - 15.308);
	assert_near(f.high, 30 + 15.308);
	f = figure_nps(4, 4, 0);
	assert_near(f.value, 100);
	assert_true(isnan(f.low) && isnan(f.high));
	f = figure_nps(2, 1, 1);
	assert_near(f.value, 0);
	assert_near(f.low, -100);
	assert_near(f.high, 100);
	assert_int_equal(figure_nps(0, 0, 0).n, 0);
	assert_true(isnan(figure_nps(1, 0, 1).low));
}

static void test_share(void **state)
{
	/* Wilson: 8 of 10. */
	struct figure f = figure_share(10, 8);

	assert_near(f.value, 80);
	assert_near(f.low, 49.02);
	assert_near(f.high, 94.33);
	f = figure_share(10, 10);
	assert_near(f.value, 100);
	assert_near(f.low, 72.25);
	assert_near(f.high, 100);
	f = figure_share(10, 0);
	assert_near(f.low, 0);
	assert_near(f.high, 27.75);
}

static void test_mean(void **state)
{
	/* 1 2 3 4 5: mean 3, variance 2.5, error 0.7071. */
	struct figure f = figure_mean(5, 15, 55, 1, 5);

	assert_near(f.value, 3);
	assert_near(f.low, 3 - 1.386);
	assert_near(f.high, 3 + 1.386);
	f = figure_mean(2, 6, 20, 1, 5); /* 2 and 4 */
	assert_near(f.low, 1.04);
	f = figure_mean(3, 12, 48, 1, 5);
	assert_near(f.value, 4);
	assert_true(isnan(f.low));
}

static const char *draw(const struct chart *c, struct buf *out)
{
	buf_reset(out);
	chart_put(out, c);
	return buf_str(out);
}

static void test_chart(void **state)
{
	const struct figure points[] = {
		figure_nps(100, 50, 20), figure_nps(50, 20, 20), {0}, figure_nps(1, 1, 0), figure_nps(9, 3, 2)};
	const char *const labels[] = {"1 <Nov>", "8 Nov", "15 Nov", "22 Nov", "29 Nov"};
	struct chart c = {.title = "NPS & \"more\"", .least = -100, .most = 100, .points = points, .labels = labels, .n = 5};
	struct buf out = BUF_INIT(64 * 1024);
	const char *svg = draw(&c, &out), *at;
	int dots = 0;

	assert_non_null(strstr(svg, "<title>NPS &amp; &quot;more&quot;</title>"));
	assert_non_null(strstr(svg, "1 &lt;Nov&gt;"));
	assert_null(strstr(svg, "nan"));
	assert_null(strstr(svg, "inf"));
	assert_null(strstr(svg, "style="));
	for (at = svg; (at = strstr(at, "class=\"dot\"")); at++)
		dots++;
	assert_int_equal(dots, 4); /* the week without answers has none */
	c.n = 1;
	svg = draw(&c, &out);
	assert_null(strstr(svg, "nan"));
	c.n = 0;
	svg = draw(&c, &out);
	assert_null(strstr(svg, "nan"));
	buf_reset(&out);
	chart_put_bar(&out, &(struct figure){0}, 0, 100);
	assert_string_equal(buf_str(&out), "");
	chart_put_bar(&out, &points[3], -100, 100);
	assert_null(strstr(buf_str(&out), "span"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nps),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_mean),
		cmocka_unit_test(test_chart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
