/*
 * Scales: stars of any question, the one score that is told first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "model/scale.h"
#include "model/words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct scale declared[] = {
	{"effort", 1, 7, false}, {"grade", 1, 5, false}, {"percent", 0, 100, true}, {"q1", 1, 10, true}, {"stars", 1, 5, true}};
#define N ((int)ARRAY_SIZE(declared))

static void test_stars(void **state)
{
	static const struct {
		struct rating rating;
		double stars;
	} cases[] = {
		{{"stars", 1}, 1},    {{"stars", 3.5}, 3.5}, {{"stars", 5}, 5},     {{"q1", 1}, 1},     {{"q1", 5.5}, 3},
		{{"q1", 10}, 5},      {{"grade", 1}, 5},     {{"grade", 2}, 4},     {{"grade", 5}, 1},  {{"percent", 0}, 1},
		{{"percent", 25}, 2}, {{"percent", 50}, 3},  {{"percent", 100}, 5}, {{"effort", 7}, 1}, {{"effort", 4}, 3},
		{{"q1", -3}, 1},      {{"q1", 99}, 5},       {{"grade", 0}, 5},     {{"grade", 99}, 1}, {{"other", 9}, 9},
		{{"Grade", 1}, 1},    {{"", 2}, 2},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_true(rating_stars(&cases[i].rating, declared, N) == cases[i].stars);
	/* A declared scale of stars changes nothing within it. */
	for (double x = 1; x <= 5; x += 0.125)
		assert_true(scale_stars(&declared[4], x) == x);
	assert_true(rating_stars(&(struct rating){"grade", 1}, NULL, 0) == 1);
}

static void test_sorting(void **state)
{
	struct scale shuffled[] = {{"q1", 1, 10, true}, {"effort", 1, 7, false}, {"grade", 1, 5, false}};

	scales_sort(shuffled, 3);
	assert_string_equal(scale_find(shuffled, 3, "effort")->name, "effort");
	assert_string_equal(scale_find(shuffled, 3, "grade")->name, "grade");
	assert_string_equal(scale_find(shuffled, 3, "q1")->name, "q1");
	assert_null(scale_find(shuffled, 3, "q"));
	assert_null(scale_find(shuffled, 3, "q11"));
}

static void test_score(void **state)
{
	static const struct rating ratings[] = {{"grade", 1}, {"q1", 4}, {"delivery", 3}, {"effort", 6}};
	struct response r = {
		.nps = SCORE_MISSING, .csat = SCORE_MISSING, .ces = SCORE_MISSING, .ratings = ratings, .n_ratings = 4};
	static const struct scale ces[] = {{"ces", 1, 7, false}};
	struct score s;

	/* The worst answer, not the smallest number. */
	assert_true(response_score(&r, declared, N, &s));
	assert_string_equal(s.name, "effort");
	assert_true(s.is_rating && s.low_is_good);
	assert_true(s.value == 6);
	assert_true(s.max == 7);
	assert_true(s.best == 1);
	r.n_ratings = 3;
	assert_true(response_score(&r, declared, N, &s));
	assert_string_equal(s.name, "q1");
	assert_true(s.max == 10);
	assert_false(s.low_is_good);
	assert_true(response_score(&r, NULL, 0, &s));
	assert_string_equal(s.name, "grade");
	assert_true(s.max == 5);
	/* The columns come first, by their scale too. */
	r.ces = 2;
	assert_true(response_score(&r, ces, 1, &s));
	assert_string_equal(s.name, "ces");
	assert_true(s.low_is_good && !s.is_rating);
	assert_true(response_score(&r, declared, N, &s));
	assert_false(s.low_is_good);
	assert_true(s.max == 7);
	r.ces = SCORE_MISSING;
	r.n_ratings = 0;
	assert_false(response_score(&r, declared, N, &s));
}

static void test_figures_in_words(void **state)
{
	static const struct {
		double value;
		int decimals;
		const char *en, *de;
	} cases[] = {
		{0, 0, "0", "0"},
		{-0.3, 0, "0", "0"},
		{-12.6, 0, "−13", "−13"},
		{999, 0, "999", "999"},
		{1774, 0, "1,774", "1.774"},
		{1234567, 0, "1,234,567", "1.234.567"},
		{3.767, 2, "3.77", "3,77"},
		{1000.5, 1, "1,000.5", "1.000,5"},
		{3.5, -1, "3.5", "3,5"},
		{10000, -1, "10000", "10000"},
		{-1, -1, "−1", "−1"},
		{1e300, -1, "1e+300", "1e+300"},
	};
	char text[NUMBER_BYTES];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_string_equal(language_number(LANGUAGE_EN, cases[i].value, cases[i].decimals, text), cases[i].en);
		assert_string_equal(language_number(LANGUAGE_KO, cases[i].value, cases[i].decimals, text), cases[i].en);
		assert_string_equal(language_number(LANGUAGE_DE, cases[i].value, cases[i].decimals, text), cases[i].de);
	}
	/* However large: a rating may be any number. */
	assert_true(strlen(language_number(LANGUAGE_DE, 1.7e308, 2, text)) < NUMBER_BYTES);
	assert_true(strlen(language_number(LANGUAGE_DE, -1.7e308, 0, text)) < NUMBER_BYTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stars), cmocka_unit_test(test_sorting),
					   cmocka_unit_test(test_score), cmocka_unit_test(test_figures_in_words)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
