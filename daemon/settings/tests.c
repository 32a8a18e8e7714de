/*
 * Reading files of tests by a table of their own; see tests.h.
 *
 * The walk, the messages and the guesses are those of the configuration (load.c): struct load stands on the settings whose
 * names the tests use, and fills a struct test_file.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "settings/tests.h"
#include "settings/syntax.h"
#include "settings/tests_inner.h"

#include <stdlib.h>

#define DEFAULT_AT ((struct wall_time){INT64_C(1803981600) * US_PER_S}) /* Tuesday 2027-03-02T10:00:00Z */

static void file_init(struct load *l, void *element)
{
	((struct test_file *)element)->at = DEFAULT_AT;
}

static void file_done(struct load *l, const struct item *it, void *element)
{
	const struct test_file *f = element;

	test_people_check(l, f->people, f->n_people);
	if (f->n_tests == 0)
		load_error(
			l, it, NULL,
			"there is no test: write tests: { NAME: { response: { nps = 2; }; expect: { rules = [ \"…\" ]; }; }; };");
}

/* ---- the table ---- */

#define AT(owner, field) offsetof(struct owner, field)
#define KEYS(k) .keys = (k), .n_keys = ARRAY_SIZE(k)
#define GROUPS_OF(sec, owner, array) \
	.type = &type_group, .at = AT(owner, array), .count_at = AT(owner, n_##array), .section = &(sec)

static const struct type type_group = {SHAPE_GROUP, "a group { … }", NULL};
static const char *const words_priority[] = {"low", "normal", "high", "urgent", NULL};
static const char *const words_kind[] = {"case", "praise", "note", "ignore", "none", NULL};

#define ANSWER_KEYS                                                                                                           \
	{"source", &type_raw, .at = AT(response, source)}, {"source_id", &type_raw, .at = AT(response, source_id)},           \
		{"survey", &type_raw, .at = AT(response, survey)}, {"touchpoint", &type_raw, .at = AT(response, touchpoint)}, \
		{"channel", &type_raw, .at = AT(response, channel)},                                                          \
		{"customer_id", &type_raw, .at = AT(response, customer_id)},                                                  \
		{"customer_name", &type_raw, .at = AT(response, customer_name)},                                              \
		{"customer_email", &type_raw, .at = AT(response, customer_email)},                                            \
		{"customer_phone", &type_raw, .at = AT(response, customer_phone)},                                            \
		{"account", &type_raw, .at = AT(response, account)},                                                          \
		{"account_name", &type_raw, .at = AT(response, account_name)},                                                \
		{"region", &type_raw, .at = AT(response, region)}, {"language", &type_raw, .at = AT(response, language)},     \
		{"nps", &type_int, .at = AT(response, nps), .min = 0, .max = 10},                                             \
		{"csat", &type_int, .at = AT(response, csat), .min = 1, .max = 5},                                            \
		{"ces", &type_int, .at = AT(response, ces), .min = 1, .max = 7},                                              \
		{"ratings", &type_ratings, .at = AT(response, ratings)},                                                      \
		{"contact_requested", &type_bool, .at = AT(response, contact_requested)},                                     \
		{"comment", &type_raw, .at = AT(response, comment)},                                                          \
		{"attributes", &type_attribute_values, .at = AT(response, attributes)},                                       \
		{"responded_at", &type_moment, .at = AT(response, responded_at)},                                             \
		{"received_at", &type_moment, .at = AT(response, received_at)},

static const struct key response_keys[] = {ANSWER_KEYS};
static const struct section response_section = {.name = "tests.response", KEYS(response_keys), .init = answer_init};
static const struct key previous_keys[] = {ANSWER_KEYS{"ago", &type_ago, .at = 0}};
static const struct section previous_section = {.name = "tests.previous", KEYS(previous_keys), .init = answer_init};

static const struct key owner_keys[] = {
	{"dimension", &type_dimension, .at = AT(test_owner, dimension), .required = true},
	{"value", &type_text, .at = AT(test_owner, value), .required = true},
	{"person", &type_known_person, .at = AT(test_owner, person), .required = true},
};
static const struct section owners_section = {.name = "owners",
					      .naming = NAMED_GROUPS,
					      KEYS(owner_keys),
					      .bytes = sizeof(struct test_owner),
					      .max = 20000,
					      .pos_at = -1};

static const struct key person_keys[] = {
	{"away", &type_bool, .at = AT(test_person, away)},
	{"deputy", &type_text, .at = AT(test_person, deputy)},
	{"open_cases", &type_int, .at = AT(test_person, open_cases), .min = 0, .max = 100000},
	{"email", &type_address, .at = AT(test_person, person.email)},
	{"reports_to", &type_text, .at = AT(test_person, person.reports_to)},
};
static const struct section people_section = {.name = "people",
					      .naming = NAMED_GROUPS,
					      KEYS(person_keys),
					      .bytes = sizeof(struct test_person),
					      .max = 10000,
					      .pos_at = AT(test_person, pos),
					      .init = test_person_init,
					      .done = test_person_done};

static const struct key expect_keys[] = {
	{"rules", &type_rules, .at = AT(test_expect, rules)},
	{"undecided", &type_rules, .at = AT(test_expect, undecided)},
	{"kind", &type_choice, .at = AT(test_expect, kind), .choices = words_kind},
	{"priority", &type_choice, .at = AT(test_expect, priority), .choices = words_priority},
	{"owner", &type_known_person, .at = AT(test_expect, owner)},
	{"team", &type_known_team, .at = AT(test_expect, team)},
	{"route", &type_known_route, .at = AT(test_expect, route)},
	{"follow_up", &type_known_follow_up, .at = AT(test_expect, follow_up)},
	{"notify", &type_told, .at = AT(test_expect, notify)},
	{"acknowledge_by", &type_due, .at = AT(test_expect, acknowledge_by)},
	{"resolve_by", &type_due, .at = AT(test_expect, resolve_by)},
};
static const struct section expect_section = {
	.name = "tests.expect", KEYS(expect_keys), .init = expect_init, .done = expect_done};

static const struct key test_keys[] = {
	{"at", &type_moment, .at = AT(rule_test, at)},
	{"response", &type_group, .at = AT(rule_test, response), .section = &response_section},
	{"previous", &type_group, .at = AT(rule_test, previous), .section = &previous_section},
	{"history", &type_history, .at = AT(rule_test, history)},
	{"people", GROUPS_OF(people_section, rule_test, people)},
	{"owners", GROUPS_OF(owners_section, rule_test, owners)},
	{"expect", &type_group, .at = AT(rule_test, expect), .section = &expect_section},
};
static const struct section tests_section = {.name = "tests",
					     .naming = NAMED_GROUPS,
					     KEYS(test_keys),
					     .bytes = sizeof(struct rule_test),
					     .max = TESTS_MAX,
					     .pos_at = AT(rule_test, pos),
					     .init = test_init,
					     .done = test_done};

static const struct key file_keys[] = {
	{"at", &type_moment, .at = AT(test_file, at)},
	{"people", GROUPS_OF(people_section, test_file, people)},
	{"owners", GROUPS_OF(owners_section, test_file, owners)},
	{"owners_file", &type_owners_file, .at = AT(test_file, owners_file)},
	{"tests", GROUPS_OF(tests_section, test_file, tests)},
};
const struct section tests_root = {.name = "", KEYS(file_keys), .init = file_init, .done = file_done};

/* ---- the file ---- */

static void file_read(struct test_file *f, const struct settings *s, const struct source *src, struct diag_list *diags)
{
	struct tests_load tl = {
		.load = {.own = container_of(s, struct settings_own, s),
			 .s = (struct settings *)s, /* nothing is written to: all fields are the file's */
			 .arena = f->arena,
			 .diags = diags,
			 .source = src,
			 .folder = path_folder(f->arena, f->path)},
		.file = f,
	};
	struct text_spans local;
	config_t config;

	if (!syntax_check(src, diags, &local))
		return;
	config_init(&config);
	if (config_read_string(&config, buf_str(&src->text)))
		load_root(&tl.load, &tests_root, config_root_setting(&config), f->path, f);
	else
		diag_add(diags, DIAG_ERROR, source_pos(src, config_error_line(&config)), "%s", config_error_text(&config));
	config_destroy(&config);
}

int tests_load(const char *path, const struct settings *s, struct diag_list *diags, struct test_file **ret)
{
	struct test_file *f = xcalloc(1, sizeof(*f));
	int before = diags->errors;
	struct source src;

	f->arena = arena_new(0);
	f->path = arena_strdup(f->arena, path);
	if (source_read(&src, path, f->arena, diags))
		file_read(f, s, &src, diags);
	source_fini(&src);
	if (diags->errors > before) {
		tests_free(f);
		return TESTS_E_INVALID;
	}
	*ret = f;
	return 0;
}

struct test_file *tests_free(struct test_file *f)
{
	if (f) {
		arena_free(f->arena);
		free(f);
	}
	return NULL;
}
