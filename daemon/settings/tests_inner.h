/*
 * Reading files of tests from inside: tests.c has the table, tests_answer.c the readers of what was answered and what was before,
 * tests_expect.c those of people, owners and expectations.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_TESTS_INNER_H
#define SETTINGS_TESTS_INNER_H

#include "settings/load.h"
#include "settings/tests.h"

struct tests_load {
	struct load load; /* of the configuration that the names are of */
	struct test_file *file;
	struct rule_test *test; /* being read; NULL: outside tests */
	int64_t previous_ago_s; /* of that test; -1: not said */
};

static inline struct tests_load *tests_of(struct load *l)
{
	return container_of(l, struct tests_load, load);
}

extern const struct section tests_root;

/* tests_answer.c */
extern const struct type type_raw, type_moment, type_ago, type_ratings, type_attribute_values, type_history;
void answer_init(struct load *l, void *response);
void test_init(struct load *l, void *test);
void test_done(struct load *l, const struct item *it, void *test);

/* tests_expect.c */
extern const struct type type_known_person, type_dimension, type_owners_file, type_rules, type_told, type_choice,
	type_known_team, type_known_route, type_known_follow_up, type_due;
void test_person_init(struct load *l, void *person);
void test_person_done(struct load *l, const struct item *it, void *person);
/* Whom they name; when all have been read. */
void test_people_check(struct load *l, const struct test_person *people, int n);
void expect_init(struct load *l, void *expect);
void expect_done(struct load *l, const struct item *it, void *expect);

#endif
