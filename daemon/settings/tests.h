/*
 * Files of rule tests (DESIGN 8, `closeloop test`), read like a configuration: every mistake with its place, all at once.
 *
 * A test is an invented answer and what is to come of it. Names in it (rules, routes, attributes, people …) are those of one
 * configuration. What a file says outside its tests (owners, people, at) holds for all of them.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_TESTS_H
#define SETTINGS_TESTS_H

#include "settings/settings.h"

#define TESTS_MAX 10000 /* in one file */

/* A row of the owners table. */
struct test_owner {
	const char *id; /* of the entry in the file */
	const char *dimension, *value, *person;
};

/* Somebody who is away, has cases already, or is known only to the database. */
struct test_person {
	const char *id;
	struct person person; /* as the database would have it; id NULL: the configuration's is meant */
	bool away;
	const char *deputy; /* of the absence; NULL: the person's own */
	int open_cases;
	struct text_pos pos;
};

/* history: { detractors_90d = 2; responses_1w_account = 1; } */
struct test_history {
	const char *name;         /* as written */
	struct history_need need; /* one of the set's */
	int place;                /* in ruleset_history() */
	double count;
};

/* What is expected; what is left out may be anything. */
struct test_expect {
	struct string_list rules, undecided, notify; /* compared as sets */
	bool has_rules, has_undecided, has_notify;
	const char *priority, *kind; /* words; NULL: left out */
	const char *owner, *team, *route, *follow_up;
	struct wall_time acknowledge_by, resolve_by; /* WALL_NONE: left out */
	bool has_acknowledge_by, has_resolve_by;
};

struct rule_test {
	const char *id;
	struct response response; /* with past, whatever the set asks for; see tests_load() */
	struct wall_time at;
	struct test_owner *owners;
	struct test_person *people;
	int n_owners, n_people;
	struct test_expect expect;
	struct text_pos pos;
	/* As written; already in response.past. */
	struct response previous;
	bool has_previous;
	struct test_history *history;
	int n_history;
};

struct test_file {
	struct arena *arena; /* has everything but the strings of the settings */
	const char *path;
	struct rule_test *tests;
	int n_tests;
	struct test_owner *owners;  /* of all tests, behind a test's own */
	struct test_person *people; /* the same */
	const char *owners_file;    /* a CSV as `closeloop owner import` takes it, path from the folder of the file; NULL */
	struct text_pos owners_file_pos;
	struct wall_time at;
	int n_owners, n_people;
};

#define TESTS_E_INVALID 1 /* diags hold why */

/*
 * tests_load() - one file of tests for one configuration, which must outlive it
 *
 * The past of each response is there as it would have been gathered: counts as written; what a test doesn't say is 0, or 1 where
 * its `previous` counts, and missing for somebody of whom nothing can be known (no customer_id, or an anonymous one, and nothing
 * about the past in the test; no account).
 * Return: 0, or TESTS_E_INVALID.
 */
int tests_load(const char *path, const struct settings *s, struct diag_list *diags, struct test_file **ret);
struct test_file *tests_free(struct test_file *f);

/* Whether the file names somebody so: in the configuration, in the test or for all tests. test may be NULL. */
bool tests_know_person(const struct settings *s, const struct test_file *f, const struct rule_test *test, const char *id);

#endif
