/*
 * What a rule may say when only some facts are known: never less than what it does say of any response with these facts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "rule/possible.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RESPONSES 20000

static const char *const known[] = {"touchpoint", "account", "attr.plan"};
static const struct attribute_source attributes[] = {{"plan", ATTRIBUTE_TEXT}, {"arr", ATTRIBUTE_NUMBER}};

/* Of service, account acme, without a plan: may it match, must it? */
static const struct {
	const char *when;
	bool may, must;
} cases[] = {
	{"touchpoint is 'service'", true, true},
	{"touchpoint = 'Service '", true, true},
	{"touchpoint is 'delivery'", false, false},
	{"touchpoint in ('delivery', 'x')", false, false},
	{"touchpoint in ('delivery', 'service') and nps <= 6", true, false},
	{"touchpoint is 'delivery' and nps <= 6", false, false},
	{"touchpoint is 'delivery' or nps <= 6", true, false},
	{"touchpoint is 'service' or nps <= 6", true, true},
	{"not touchpoint is 'service'", false, false},
	{"not (touchpoint is 'service' and comment is missing)", true, false},
	{"attr.plan = 'gold'", false, false},
	{"not attr.plan = 'gold'", false, false}, /* missing, and stays so */
	{"attr.plan is not 'gold'", true, true},
	{"attr.plan is missing", true, true},
	{"attr.plan is present or contact_requested", true, false},
	{"attr.arr >= 300", true, false},
	{"attr.arr is missing", true, false},
	{"comment is present", true, false},
	{"contact_requested", true, false},
	{"any rating <= 2 and account matches '^ac'", true, false},
	{"account contains 'zz' and any rating <= 2", false, false},
	{"unhappy and here", true, false},
	{"not here", false, false},
	{"here or unhappy", true, true},
	{"previous.touchpoint is 'x'", true, false},
	{"history.responses(30d) >= 2 and touchpoint is 'delivery'", false, false},
	{"nps <= 6 and nps >= 7", true, false}, /* impossible, but not by what is known */
	{"region is 'seoul'", true, false},
};

static const struct fact_source facts[] = {{"unhappy", "nps <= 6 or any rating <= 2", {0}},
					   {"here", "touchpoint is 'service' and account is present", {0}}};

static struct ruleset *compile(void)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct rule_source rules[ARRAY_SIZE(cases)];
	struct rule_input in = {.rules = rules,
				.n_rules = ARRAY_SIZE(cases),
				.facts = facts,
				.n_facts = ARRAY_SIZE(facts),
				.attributes = attributes,
				.n_attributes = ARRAY_SIZE(attributes)};
	struct ruleset *rs = NULL;
	char ids[ARRAY_SIZE(cases)][16];

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		snprintf(ids[i], sizeof(ids[i]), "r%zu", i);
		rules[i] = (struct rule_source){.id = ids[i], .when = cases[i].when, .kind = RULE_CASE};
	}
	assert_int_equal(ruleset_new(&in, diags, &rs), 0);
	return rs;
}

static void test_cases(void **state)
{
	struct ruleset *rs CLEANUP(ruleset_freep) = compile();
	struct possible *p = possible_new(rs, known, ARRAY_SIZE(known));
	const struct response r = {
		.touchpoint = "service", .account = "acme", .nps = SCORE_MISSING, .csat = SCORE_MISSING, .ces = SCORE_MISSING};

	possible_begin(p, &r);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (possible_may_match(p, (int)i) != cases[i].may || possible_must_match(p, (int)i) != cases[i].must)
			fail_msg("%s: may %d, must %d", cases[i].when, possible_may_match(p, (int)i),
				 possible_must_match(p, (int)i));
	possible_free(p);
}

static const char *any_of(const char *const *words, unsigned n)
{
	return words[(unsigned)rand() % n];
}

static void invent(struct response *r, struct rating *rating, struct attribute *attribute)
{
	static const char *const touchpoints[] = {"service", "delivery", " SERVICE", "x", NULL},
				 *const accounts[] = {"acme", "zz", NULL}, *const plans[] = {"gold", "x", " "},
				 *const comments[] = {"late", "", NULL}, *const regions[] = {"seoul", NULL};

	*rating = (struct rating){"delivery", rand() % 5 + 1};
	attribute[0] = (struct attribute){.name = "plan", .type = ATTRIBUTE_TEXT, .text = any_of(plans, 3)};
	attribute[1] =
		(struct attribute){.name = "arr", .type = ATTRIBUTE_NUMBER, .text = "400", .number = rand() % 2 ? 400 : 1};
	*r = (struct response){.touchpoint = any_of(touchpoints, 5),
			       .account = any_of(accounts, 3),
			       .comment = any_of(comments, 3),
			       .region = any_of(regions, 2),
			       .nps = rand() % 12 - 1,
			       .csat = SCORE_MISSING,
			       .ces = SCORE_MISSING,
			       .contact_requested = rand() % 2,
			       .ratings = rating,
			       .n_ratings = rand() % 2,
			       .attributes = attribute + rand() % 2,
			       .n_attributes = 1};
}

/* Whatever is impossible doesn't happen, whatever is certain does. */
static void test_never_less(void **state)
{
	struct ruleset *rs CLEANUP(ruleset_freep) = compile();
	struct rule_scratch *scratch CLEANUP(rule_scratch_freep) = rule_scratch_new(rs);
	struct possible *p = possible_new(rs, known, ARRAY_SIZE(known));
	int impossible = 0, certain = 0;

	srand(7);
	for (int i = 0; i < RESPONSES; i++) {
		struct attribute attribute[2];
		struct rating rating;
		struct response r, bare;
		struct verdict v;

		invent(&r, &rating, attribute);
		bare = (struct response){.touchpoint = r.touchpoint,
					 .account = r.account,
					 .nps = SCORE_MISSING,
					 .csat = SCORE_MISSING,
					 .ces = SCORE_MISSING,
					 .attributes = r.attributes,
					 .n_attributes = r.attributes == attribute ? 1 : 0};
		ruleset_judge(rs, scratch, &r, &v);
		possible_begin(p, &bare);
		for (size_t k = 0; k < ARRAY_SIZE(cases); k++) {
			bool may = possible_may_match(p, (int)k), must = possible_must_match(p, (int)k);

			if ((v.results[k] == TRI_TRUE && !may) || (v.results[k] != TRI_TRUE && must))
				fail_msg("%s: is %d, may %d, must %d", cases[k].when, v.results[k], may, must);
			impossible += !may;
			certain += must;
		}
	}
	assert_true(impossible > RESPONSES && certain > RESPONSES);
	possible_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_cases), cmocka_unit_test(test_never_less)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
