/*
 * The statements that gather the past: one set for each set of wants, the plain ones where nothing is wanted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "intake/past_store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DAYS(n) ((n)*INT64_C(86400) * US_PER_S)

static const struct history_need needs[] = {
	{HISTORY_DETRACTORS, PER_CUSTOMER, DAYS(90)},
	{HISTORY_CASES, PER_CUSTOMER, DAYS(7)},
	{HISTORY_RESPONSES, PER_ACCOUNT, DAYS(30)},
};

/* Rules that ask nothing of the past must not pay for it: the same text, the same parameters. */
static void test_nothing_wanted_is_plain(void **state)
{
	struct past_stmts *all = NULL;
	const struct past_stmts *s = past_stmts_get(&all, &(struct past_wants){0});
	struct arena *arena = arena_new(0);
	struct pg_params p;

	assert_true(s->plain);
	assert_ptr_equal(s->claim.sql, intake_claim.sql);
	assert_ptr_equal(s->claim_one.sql, intake_claim_one.sql);
	assert_ptr_equal(s->reread.sql, intake_reread.sql);
	assert_int_equal(s->claim.n_params, intake_claim.n_params);
	assert_string_equal(s->claim.name, intake_claim.name);
	pg_params_init(&p, arena);
	past_add_param(s, &p, NULL, 0);
	assert_int_equal(p.n, 0);
	arena_free(arena);
	assert_null(past_stmts_free(all));
}

/* A connection knows a statement by its place in memory. */
static void test_wants_are_known_again(void **state)
{
	struct past_stmts *all = NULL;
	struct history_need copy[3];
	struct past_wants wants = {.needs = copy, .n_needs = 3};
	const struct past_stmts *first, *second;

	memcpy(copy, needs, sizeof(copy));
	first = past_stmts_get(&all, &wants);
	wants.n_needs = 2;
	second = past_stmts_get(&all, &wants);
	assert_ptr_not_equal(first, second);
	wants.n_needs = 3;
	assert_ptr_equal(past_stmts_get(&all, &wants), first);
	copy[2].window_us = DAYS(31);
	assert_ptr_not_equal(past_stmts_get(&all, &wants), first);
	copy[2].window_us = DAYS(30);
	copy[2].of = PER_CUSTOMER;
	assert_ptr_not_equal(past_stmts_get(&all, &wants), first);
	wants.needs = needs;
	assert_ptr_equal(past_stmts_get(&all, &wants), first);
	wants.previous = true;
	assert_ptr_not_equal(past_stmts_get(&all, &wants), first);
	past_stmts_free(all);
}

/* Only what is wanted is asked for. */
static void test_what_is_asked(void **state)
{
	struct past_stmts *all = NULL;
	struct past_wants wants = {.needs = &needs[2], .n_needs = 1};
	const struct past_stmts *s = past_stmts_get(&all, &wants);

	assert_int_equal(s->claim.n_params, 3);
	assert_int_equal(s->claim_one.n_params, 2);
	assert_int_equal(s->at.n_params, 5);
	assert_int_equal(s->at.params[4], PG_TEXT_ARRAY);
	assert_non_null(strstr(s->claim.sql, "p.account = r.account"));
	assert_null(strstr(s->claim.sql, "p.customer_id"));
	assert_null(strstr(s->claim.sql, "closeloop.cases k"));
	wants = (struct past_wants){.previous = true, .columns = 1u << 14}; /* nps */
	s = past_stmts_get(&all, &wants);
	assert_string_equal(past_columns[14], "nps");
	assert_non_null(strstr(s->claim.sql, ", q.nps,"));
	assert_null(strstr(s->claim.sql, "q.comment"));
	assert_null(strstr(s->claim.sql, "p.account"));
	past_stmts_free(all);
}

/* All that can be wanted fits into a statement. */
static void test_everything(void **state)
{
	struct history_need many[32];
	struct past_wants wants = {.needs = many, .n_needs = 32, .previous = true, .columns = UINT32_MAX};
	struct past_stmts *all = NULL;
	const struct past_stmts *s;

	for (int i = 0; i < 32; i++)
		many[i] = (struct history_need){i % 3, i % 2, DAYS(3660) - i * US_PER_S};
	s = past_stmts_get(&all, &wants);
	assert_string_equal(s->claim.sql + strlen(s->claim.sql) - strlen(") b ON true"), ") b ON true");
	assert_non_null(strstr(s->reread.sql, " WHERE r.id = ANY ($1)"));
	past_stmts_free(all);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_wanted_is_plain),
		cmocka_unit_test(test_wants_are_known_again),
		cmocka_unit_test(test_what_is_asked),
		cmocka_unit_test(test_everything),
	};
	struct past_wants wants = {
		.needs = needs, .n_needs = argc > 1 ? atoi(argv[1]) : 0, .previous = argc > 2, .columns = 1 << 14};
	struct past_stmts *all = NULL;

	if (argc > 1) { /* for EXPLAIN by hand: how many of the needs, and anything more for the answer before */
		puts(past_stmts_get(&all, &wants)->claim.sql);
		past_stmts_free(all);
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
