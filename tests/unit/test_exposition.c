/*
 * The Prometheus text format: exact text, and what promtool (where installed) thinks of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exposition.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_samples(void **state)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(64 * 1024);

	exposition_family(&out, METRIC_COUNTER, "x_total", "Counts \\ things\nand more \"things\".");
	exposition_sample(&out, "x_total", NO_LABELS, 0);
	exposition_sample(&out, "x_total", LABELS("source", "web"), 12);
	exposition_sample(&out, "x_total", LABELS("source", "a\"b\\c\nd", "rule", "\xED\x95\x9C"), 1e15);
	exposition_sample(&out, "x_total", LABELS("source", "bad \xFF utf8"), 1.5);
	assert_string_equal(buf_str(&out), "# HELP x_total Counts \\\\ things\\nand more \"things\".\n"
					   "# TYPE x_total counter\n"
					   "x_total 0\n"
					   "x_total{source=\"web\"} 12\n"
					   "x_total{source=\"a\\\"b\\\\c\\nd\",rule=\"\xED\x95\x9C\"} 1000000000000000\n"
					   "x_total{source=\"bad \xEF\xBF\xBD utf8\"} 1.5\n");
}

static void test_numbers(void **state)
{
	static const struct {
		double v;
		const char *text;
	} cases[] = {
		{-0.0, "m 0\n"},
		{-3, "m -3\n"},
		{0.1, "m 0.1\n"},
		{1.0 / 3, "m 0.3333333333333333\n"},
		{1e300, "m 1e+300\n"},
		{NAN, "m NaN\n"},
		{INFINITY, "m +Inf\n"},
		{-INFINITY, "m -Inf\n"},
		{1763776695.25, "m 1763776695.25\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct buf out CLEANUP(buf_fini) = BUF_INIT(1024);

		exposition_sample(&out, "m", NO_LABELS, cases[i].v);
		assert_string_equal(buf_str(&out), cases[i].text);
	}
}

static void add_histogram(struct buf *out)
{
	static const double bounds[] = {0.005, 1, 86400};
	static const uint64_t counts[] = {2, 0, 3, 1};
	struct exposition_buckets b = {bounds, counts, 3, 100000.25};

	exposition_family(out, METRIC_HISTOGRAM, "latency_seconds", "Time until accepted.");
	exposition_histogram(out, "latency_seconds", LABELS("channel", "email"), &b);
}

static void test_histogram(void **state)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(64 * 1024);

	add_histogram(&out);
	assert_string_equal(buf_str(&out), "# HELP latency_seconds Time until accepted.\n"
					   "# TYPE latency_seconds histogram\n"
					   "latency_seconds_bucket{channel=\"email\",le=\"0.005\"} 2\n"
					   "latency_seconds_bucket{channel=\"email\",le=\"1\"} 2\n"
					   "latency_seconds_bucket{channel=\"email\",le=\"86400\"} 5\n"
					   "latency_seconds_bucket{channel=\"email\",le=\"+Inf\"} 6\n"
					   "latency_seconds_sum{channel=\"email\"} 100000.25\n"
					   "latency_seconds_count{channel=\"email\"} 6\n");
}

static void test_promtool(void **state)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(64 * 1024);
	FILE *promtool;

	if (system("command -v promtool >/dev/null") != 0)
		skip();
	add_histogram(&out);
	exposition_family(&out, METRIC_COUNTER, "x_total", "Counts.");
	exposition_sample(&out, "x_total", LABELS("source", "a\"b\\c\nd\xFF"), 1);
	exposition_family(&out, METRIC_GAUGE, "build_info", "Always 1.");
	exposition_sample(&out, "build_info", LABELS("version", "1.0.0"), 1);
	promtool = popen("promtool check metrics", "w");
	assert_non_null(promtool);
	fputs(buf_str(&out), promtool);
	assert_int_equal(pclose(promtool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_samples),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_histogram),
		cmocka_unit_test(test_promtool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
