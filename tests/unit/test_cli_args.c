/*
 * Command lines against the tables of verbs: what is taken apart how, and what is said of mistakes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/args.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct option list_options[] = {{"--owner", "PERSON", "whose"}, {"--overdue", NULL, "late ones"}, {0}};
static const struct option ack_options[] = {{"--note", "TEXT", "why"}, {"--version", "N", "only at this version"}, {0}};
static const struct verb case_table[] = {
	{"case", "list", NULL, "cases", list_options, 0, 0, NULL, NULL},
	{"case", "ack", "CASE", "on it", ack_options, 1, 1, NULL, "acknowledge"},
	{"case", "acknowledge", "CASE", NULL, ack_options, 1, 1, NULL, "acknowledge"},
	{0},
};
static const struct verb other_table[] = {
	{"status", NULL, NULL, "how it is", NULL, 0, 0, NULL, NULL},
	{"try", NULL, "FACT=VALUE…", "judge", NULL, 1, WORDS_ANY, NULL, NULL},
	{0},
};
static const struct verb *const groups[] = {case_table, other_table, NULL};

/* What was understood, in one line, or the error. */
static const char *understood(struct arena *arena, const char *line)
{
	char *copy = arena_strdup(arena, line), *argv[32] = {"closeloop"}, *save = NULL;
	struct buf out = BUF_INIT(4096);
	const char *error, *text;
	struct args a;
	int argc = 1;

	for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
		argv[argc++] = word;
	if (args_parse(arena, groups, argc, argv, &a, &error))
		return error;
	if (a.verb)
		buf_printf(&out, "%s%s%s", a.verb->group, a.verb->name ? " " : "", a.verb->name ? a.verb->name : "");
	for (int i = 0; i < a.n_words; i++)
		buf_printf(&out, " [%s]", a.words[i]);
	for (int i = 0; i < a.n_given; i++)
		buf_printf(&out, " %s=%s", a.given[i].option->name, a.given[i].value ? a.given[i].value : "");
	if (a.config)
		buf_printf(&out, " config=%s", a.config);
	if (a.as)
		buf_printf(&out, " as=%s", a.as);
	buf_printf(&out, "%s%s%s", a.json ? " json" : "", a.help ? " help" : "", a.version ? " version" : "");
	text = arena_strdup(arena, buf_str(&out));
	buf_fini(&out);
	return text;
}

static void test_lines(void **state)
{
	static const struct {
		const char *line, *expected;
	} cases[] = {
		{"", ""},
		{"status", "status"},
		{"--json status", "status json"},
		{"status --json", "status json"},
		{"-c f.conf --as minsu case list --owner jiwoo --overdue",
		 "case list --owner=jiwoo --overdue= config=f.conf as=minsu"},
		{"case --json list --as minsu", "case list as=minsu json"},
		{"case list --owner=jiwoo", "case list --owner=jiwoo"},
		{"case ack C-1 --note -", "case ack [C-1] --note=-"},
		{"case ack --note x C-1", "case ack [C-1] --note=x"},
		{"case ack -- C-1", "case ack [C-1]"},
		{"case ack C-1 --version 3", "case ack [C-1] --version=3"},
		{"try nps=2 comment=--x", "try [nps=2] [comment=--x]"},
		{"try -- --x=1", "try [--x=1]"},
		{"try -", "try [-]"},
		{"--version", " version"},
		{"status --version", "status version"},
		{"case --help", " [case] help"},
		{"case ack -h", "case ack help"},
		{"stauts", "unknown verb 'stauts', did you mean 'status'?"},
		{"frobnicate", "unknown verb 'frobnicate'"},
		{"explain 4711", "unknown verb 'explain'"},
		{"case lsit", "unknown verb 'case lsit', did you mean 'list'?"},
		{"case", "case what? See: closeloop help case"},
		{"case list --onwer x", "unknown option '--onwer', did you mean '--owner'?"},
		{"case list --jsno", "unknown option '--jsno', did you mean '--json'?"},
		{"case list --owner", "--owner needs a value: --owner PERSON"},
		{"case list --overdue=yes", "takes no value: '--overdue'"},
		{"case list C-1", "case list: one word too many: 'C-1'"},
		{"case ack", "something is missing: closeloop case ack CASE"},
		{"case ack C-1 C-2", "case ack: one word too many: 'C-2'"},
		{"-c", "-c needs a value: -c FILE"},
		{"-x status", "unknown option '-x', did you mean '-c'?"},
		{"--frobnicate status", "unknown option '--frobnicate'"},
	};
	struct arena *arena = arena_new(0);

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(understood(arena, cases[i].line), cases[i].expected);
	arena_free(arena);
}

static void test_options_are_looked_up(void **state)
{
	char *argv[] = {"closeloop", "case", "list", "--owner", "a", "--owner", "b"};
	struct arena *arena = arena_new(0);
	const char *error;
	struct args a;

	assert_int_equal(args_parse(arena, groups, ARRAY_SIZE(argv), argv, &a, &error), 0);
	assert_string_equal(args_get(&a, "--owner"), "b"); /* the last one counts */
	assert_false(args_has(&a, "--overdue"));
	arena_free(arena);
}

static void test_help_leaves_aliases_out(void **state)
{
	struct buf out = BUF_INIT(64 * 1024);

	args_help_all(groups, &out);
	assert_non_null(strstr(buf_str(&out), "case ack CASE"));
	assert_null(strstr(buf_str(&out), "acknowledge"));
	buf_reset(&out);
	args_help_verb(&case_table[0], &out);
	assert_string_equal(buf_str(&out), "closeloop case list\n\ncases\n\n  --owner PERSON       whose\n"
					   "  --overdue            late ones\n");
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_options_are_looked_up),
		cmocka_unit_test(test_help_leaves_aliases_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
