/*
 * `try FACT=VALUE…`: words into a response, and what is said of wrong ones; and how a judgement is laid out.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/facts.h"
#include "cli/text.h"
#include "cli/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char configuration[] = "timezone = \"UTC\";\n"
				    "people: { ben: { name = \"Ben\"; email = \"ben@example.com\"; }; };\n"
				    "email: { url = \"smtp://127.0.0.1:25\"; tls = \"off\"; from = \"care@example.com\"; };\n"
				    "follow_ups: { standard: { acknowledge_within = \"4h\"; }; };\n"
				    "routes: { all: { owner = [ \"person:ben\" ]; notify = [ \"email:owner\" ]; }; };\n"
				    "defaults: { route = \"all\"; follow_up = \"standard\"; priority = \"normal\"; };\n"
				    "attributes: { plan = \"text\"; arr = \"number\"; vip = \"bool\"; };\n"
				    "facts: { unhappy = \"nps <= 6 or any rating <= 2\"; };\n"
				    "rules: {\n"
				    "  staff: { kind = \"ignore\"; when = \"customer_email contains '@ours.example'\"; };\n"
				    "  gold:  { when = \"attr.plan is 'gold' and unhappy\"; priority = \"urgent\"; };\n"
				    "  low:   { when = \"unhappy\"; };\n"
				    "  nice:  { kind = \"praise\"; when = \"nps >= 9\"; };\n"
				    "};\n";

static int load(void **state)
{
	struct diag_list *diags = diag_list_new();
	char path[] = "/tmp/closeloop-facts.XXXXXX";
	struct settings *settings = NULL;
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, configuration, sizeof(configuration) - 1), sizeof(configuration) - 1);
	close(fd);
	r = settings_load(path, diags, &settings);
	unlink(path);
	if (r) {
		struct buf out = BUF_INIT(64 * 1024);

		diag_print(diags, &out);
		fputs(buf_str(&out), stderr);
		buf_fini(&out);
	}
	diag_list_free(diags);
	*state = settings;
	return r;
}

static int unload(void **state)
{
	settings_free(*state);
	return 0;
}

/* Words apart at |. */
static int parse(const struct settings *s, struct arena *arena, const char *line, struct response *ret, const char **ret_error)
{
	char *copy = arena_strdup(arena, line), *save = NULL;
	const char *words[32];
	int n = 0;

	for (char *word = strtok_r(copy, "|", &save); word; word = strtok_r(NULL, "|", &save))
		words[n++] = word;
	*ret = (struct response){.responded_at = {0}};
	return facts_parse(s, arena, words, n, ret, ret_error);
}

static void test_every_kind_of_fact(void **state)
{
	struct arena *arena = arena_new(0);
	struct response r;
	const char *error;

	assert_int_equal(
		parse(*state, arena,
		      "nps=2|csat=5|ces=7|touchpoint=installation|comment=a = b|rating.delivery=1.5|rating.설치 속도=3|"
		      "attr.plan=gold|attr.arr=1e5|attr.vip=yes|contact_requested=true|responded_at=2027-03-02T10:00:00+09:00",
		      &r, &error),
		0);
	assert_int_equal(r.nps, 2);
	assert_int_equal(r.csat, 5);
	assert_int_equal(r.ces, 7);
	assert_string_equal(r.touchpoint, "installation");
	assert_string_equal(r.comment, "a = b");
	assert_string_equal(r.source, "try");
	assert_int_equal(r.n_ratings, 2);
	assert_string_equal(r.ratings[1].name, "설치 속도");
	assert_true(r.ratings[0].value == 1.5);
	assert_int_equal(r.n_attributes, 3);
	assert_true(r.attributes[1].number == 1e5);
	assert_true(r.attributes[2].truth);
	assert_true(r.contact_requested);
	assert_int_equal(r.responded_at.us, INT64_C(1803949200) * US_PER_S);
	arena_free(arena);
}

static void test_mistakes(void **state)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
		{"nps", "'nps': write FACT=VALUE, for example nps=2"},
		{"=2", "'=2': write FACT=VALUE, for example nps=2"},
		{"npss=2", "unknown fact 'npss', did you mean 'nps'?"},
		{"touchpont=x", "unknown fact 'touchpont', did you mean 'touchpoint'?"},
		{"nps=11", "nps is a whole number from 0 to 10, not '11'"},
		{"nps=2.5", "nps is a whole number from 0 to 10, not '2.5'"},
		{"nps=", "nps is a whole number from 0 to 10, not ''"},
		{"nps=nan", "nps is a whole number from 0 to 10, not 'nan'"},
		{"csat=0", "csat is a whole number from 1 to 5, not '0'"},
		{"nps=2|nps=3", "'nps' is given twice"},
		{"rating.x=bad", "rating.x is a number, not 'bad'"},
		{"rating.=1", "rating of what? Write rating.delivery=4"},
		{"attr.plam=gold", "unknown attribute 'plam', did you mean 'plan'?"},
		{"attr.arr=much", "attr.arr is a number, not 'much'"},
		{"attr.vip=maybe", "attr.vip is true or false, not 'maybe'"},
		{"contact_requested=1", "contact_requested is true or false, not '1'"},
		{"responded_at=today", "responded_at is a time like 2027-03-02T10:00:00+09:00, not 'today'"},
	};
	struct arena *arena = arena_new(0);
	struct response r;
	const char *error;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(parse(*state, arena, cases[i].line, &r, &error), FACTS_E_INVALID);
		assert_string_equal(error, cases[i].error);
	}
	arena_free(arena);
}

static void test_trace(void **state)
{
	const struct settings *s = *state;
	struct rule_scratch *scratch = rule_scratch_new(s->ruleset);
	struct buf out = BUF_INIT(64 * 1024);
	struct arena *arena = arena_new(0);
	struct trace trace;
	struct response r;
	const char *error;

	assert_int_equal(parse(s, arena, "nps=2|attr.plan=silver", &r, &error), 0);
	trace_init(&trace, s, scratch, &r, arena);
	trace_put(&trace, 120, &out);
	assert_non_null(strstr(buf_str(&out), "  staff  undecided"));
	assert_non_null(strstr(buf_str(&out), "  gold   no"));
	assert_non_null(strstr(buf_str(&out), "  low    MATCH      normal"));
	assert_non_null(strstr(buf_str(&out), "unhappy: nps <= 6"));
	assert_non_null(strstr(buf_str(&out), "priority normal, route all, follow_up standard from low\n"));
	for (const char *line = buf_str(&out); *line; line = strchr(line, '\n') + 1)
		assert_true(text_columns(line, strcspn(line, "\n")) <= 120);
	buf_reset(&out);
	assert_int_equal(parse(s, arena, "nps=9", &r, &error), 0);
	trace_init(&trace, s, scratch, &r, arena);
	trace_put(&trace, 120, &out);
	assert_non_null(strstr(buf_str(&out), "praise, route all from nice: no case\n"));
	buf_fini(&out);
	rule_scratch_free(scratch);
	arena_free(arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_kind_of_fact),
		cmocka_unit_test(test_mistakes),
		cmocka_unit_test(test_trace),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
