/*
 * Which case a further answer joins: each row says what the customer has, and what comes of it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/merge.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#define HOUR ((int64_t)3600 * US_PER_S)
#define AT(hours)                                             \
	{                                                     \
		INT64_C(1803951492) * US_PER_S + (hours)*HOUR \
	}

static const struct person ann = {.id = "ann"}, bob = {.id = "bob"};
static const struct case_settings usual = {.merge_within_s = 7 * 86400, .outcome_within_s = 180 * 86400};

static struct merge_case a_case(int64_t id, enum merge_what what, const char *owner, int hours)
{
	return (struct merge_case){.what = what,
				   .id = id,
				   .owner = owner,
				   .first_owner = owner,
				   .priority = PRIORITY_NORMAL,
				   .opened_at = AT(hours),
				   .last_response_at = AT(hours)};
}

static struct merge_answer decide(const struct case_settings *s, const struct merge_case *cases, int n)
{
	struct owner_found owner = {.person = &ann};
	struct merge_ask ask = {
		.cases = cases, .n = n, .now = AT(0), .responded_at = AT(0), .owner = &owner, .priority = PRIORITY_NORMAL};

	return merge_decide(s, &ask);
}

static void test_nothing_there(void **state)
{
	struct merge_answer a = decide(&usual, NULL, 0);

	assert_int_equal(a.action, MERGE_OPEN);
	assert_null(a.to);
	assert_null(a.why_not);
}

static void test_newest_that_fits(void **state)
{
	const struct merge_case cases[] = {
		a_case(1, MERGE_STANDS, "ann", -100), a_case(2, MERGE_STANDS, "ann", -10), a_case(3, MERGE_STANDS, "bob", -1),
		a_case(4, MERGE_STANDS, "ann", -10),  a_case(5, MERGE_SOLVED, "ann", -1),
	};
	struct merge_answer a = decide(&usual, cases, 5);

	assert_int_equal(a.action, MERGE_JOIN);
	assert_int_equal(a.to->id, 4);
}

static void test_window(void **state)
{
	const struct {
		int hours;
		enum merge_action action;
	} rows[] = {{-7 * 24, MERGE_JOIN}, {-7 * 24 - 1, MERGE_OPEN}, {7 * 24, MERGE_JOIN}, {7 * 24 + 1, MERGE_OPEN}};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct merge_case c = a_case(1, MERGE_STANDS, "ann", rows[i].hours);
		struct merge_answer a = decide(&usual, &c, 1);

		assert_int_equal(a.action, rows[i].action);
		if (a.action == MERGE_OPEN) {
			assert_string_equal(a.why_not, "window");
			assert_null(a.to);
		}
	}
}

static void test_whose(void **state)
{
	struct merge_case c = a_case(1, MERGE_STANDS, "bob", -1);
	struct owner_found owner = {.person = &ann};
	struct merge_ask ask = {.cases = &c, .n = 1, .now = AT(0), .responded_at = AT(0), .owner = &owner};
	struct merge_answer a = merge_decide(&usual, &ask);

	assert_int_equal(a.action, MERGE_OPEN);
	assert_string_equal(a.why_not, "owner");
	assert_int_equal(a.to->id, 1); /* linked, but not given to its owner */
	assert_false(a.takes_owner);
	c.first_owner = "ann"; /* handed over since */
	assert_int_equal(merge_decide(&usual, &ask).action, MERGE_JOIN);
	c.first_owner = "bob";
	owner.instead_of = &bob; /* away: ann stands in */
	assert_int_equal(merge_decide(&usual, &ask).action, MERGE_JOIN);
	owner.instead_of = NULL;
	owner.team = c.team = "care";
	assert_int_equal(merge_decide(&usual, &ask).action, MERGE_JOIN);
	c.team = "field";
	assert_int_equal(merge_decide(&usual, &ask).action, MERGE_OPEN);
	owner = (struct owner_found){0}; /* nobody, and nobody */
	c.owner = NULL;
	assert_int_equal(merge_decide(&usual, &ask).action, MERGE_JOIN);
}

static void test_solved(void **state)
{
	const struct merge_case cases[] = {a_case(1, MERGE_SOLVED, "bob", -50), a_case(2, MERGE_STANDS, "bob", -1)};
	struct case_settings link = usual;
	struct merge_answer a = decide(&usual, cases, 1);

	assert_int_equal(a.action, MERGE_REOPEN);
	assert_int_equal(a.to->id, 1);
	link.recurrence = RECURRENCE_LINK;
	a = decide(&link, cases, 1);
	assert_int_equal(a.action, MERGE_OPEN);
	assert_true(a.takes_owner);
	/* The one that was linked to it, and so given to bob, is where ann's next goes too. */
	a = decide(&link, cases, 2);
	assert_int_equal(a.action, MERGE_JOIN);
	assert_int_equal(a.to->id, 2);
}

static void test_cooldown(void **state)
{
	const struct merge_case cases[] = {a_case(1, MERGE_RECENT, "bob", -3), a_case(2, MERGE_RECENT, "bob", -1)};
	struct owner_found owner = {.person = &ann};
	struct merge_ask ask = {
		.cases = cases, .n = 2, .now = AT(0), .responded_at = AT(0), .owner = &owner, .priority = PRIORITY_NORMAL};
	struct case_settings s = {.merge_within_s = 0, .cooldown_s = 2 * 3600};
	struct merge_answer a = merge_decide(&s, &ask);

	assert_int_equal(a.action, MERGE_COOL);
	assert_int_equal(a.to->id, 2);
	ask.contact_requested = true;
	a = merge_decide(&s, &ask);
	assert_int_equal(a.action, MERGE_OPEN);
	assert_int_equal(a.to->id, 2); /* linked */
	ask.contact_requested = false;
	ask.priority = PRIORITY_HIGH;
	assert_int_equal(merge_decide(&s, &ask).action, MERGE_OPEN);
	ask.priority = PRIORITY_NORMAL;
	s.cooldown_s = 3600; /* over, to the microsecond */
	a = merge_decide(&s, &ask);
	assert_int_equal(a.action, MERGE_OPEN);
	assert_null(a.to);
}

static void test_key(void **state)
{
	static const char *ids[] = {"", "0"};
	struct settings s = {.cases = {.anonymous_ids = {ids, 2}}};
	struct response r = {.customer_id = "k1", .account = "acme"};

	assert_string_equal(merge_key(&s, &r), "k1");
	r.customer_id = "0";
	assert_null(merge_key(&s, &r));
	r.customer_id = NULL;
	assert_null(merge_key(&s, &r));
	s.cases.merge_by = MERGE_BY_ACCOUNT;
	assert_string_equal(merge_key(&s, &r), "acme");
	r.account = "";
	assert_null(merge_key(&s, &r));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_there), cmocka_unit_test(test_newest_that_fits), cmocka_unit_test(test_window),
		cmocka_unit_test(test_whose),         cmocka_unit_test(test_solved),           cmocka_unit_test(test_cooldown),
		cmocka_unit_test(test_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
