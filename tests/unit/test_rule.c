/*
 * The rule language below its surface: tokens, folding, numbers, and what the data in tests/lang can't say.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "rule/fact.h"
#include "rule/fold.h"
#include "rule/lex.h"
#include "rule/limits.h"
#include "rule/number.h"
#include "rule/rule.h"
#include "settings/value.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <utf8proc.h>

#define FOLDED_BYTES_MAX 4096
#define MANUAL_BYTES_MAX (64 * 1024)

/* Kinds, spans and values of all tokens. */
static void test_tokens(void **state)
{
	static const struct {
		enum token_kind kind;
		const char *word;
	} expected[] = {{TOKEN_NOT, "not"},          {TOKEN_LEFT, "("},  {TOKEN_NAME, "attr"},    {TOKEN_DOT, "."},
			{TOKEN_NAME, "in"},          {TOKEN_NE, "!="},   {TOKEN_TEXT, "'it''s'"}, {TOKEN_OR, "or"},
			{TOKEN_NAME, "key-account"}, {TOKEN_LE, "<="},   {TOKEN_NUMBER, "-6.50"}, {TOKEN_AND, "and"},
			{TOKEN_DURATION, "90d"},     {TOKEN_RIGHT, ")"}, {TOKEN_COMMA, ","},      {TOKEN_LEFT_BRACKET, "["},
			{TOKEN_RIGHT_BRACKET, "]"},  {TOKEN_GE, ">="},   {TOKEN_TRUE, "true"},    {TOKEN_END, ""}};
	static const char text[] = "not (attr.in != 'it''s' or key-account<=-6.50 and 90d ) , [ ] >= true";
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct source src = {.name = "t", .text = text, .n = (int)strlen(text), .diags = diags, .arena = arena};
	struct lexer lexer;

	lexer_init(&lexer, &src);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		struct token t = lexer_next(&lexer);

		assert_int_equal(t.kind, expected[i].kind);
		if (t.kind != TOKEN_END) {
			assert_int_equal(t.span.length, strlen(expected[i].word));
			assert_memory_equal(text + t.span.at, expected[i].word, strlen(expected[i].word));
		}
		if (t.kind == TOKEN_TEXT)
			assert_string_equal(t.text, "it's");
		if (t.kind == TOKEN_NUMBER)
			assert_true(t.number == -6.5);
		if (t.kind == TOKEN_DURATION)
			assert_true(t.number == 90 * 86400.0);
	}
	assert_int_equal(diags->errors, 0);
}

/* One report, then nothing but TOKEN_ERROR, so that no parser can go on. */
static void test_token_error_is_final(void **state)
{
	static const char text[] = "nps & & 6";
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct source src = {.name = "t", .text = text, .n = (int)strlen(text), .diags = diags, .arena = arena};
	struct lexer lexer;

	lexer_init(&lexer, &src);
	assert_int_equal(lexer_next(&lexer).kind, TOKEN_NAME);
	for (int i = 0; i < 5; i++)
		assert_int_equal(lexer_next(&lexer).kind, TOKEN_ERROR);
	assert_int_equal(diags->errors, 1);
}

static void test_numbers(void **state)
{
	static const char *const bad[] = {
		"", "-", ".", "1.", ".5", "1e3", "0x10", "1.2.3", "1 ", " 1", "+1", "1234567890123456", "nan"};
	static const double values[] = {0, 1, -1, 6.5, 0.1, -0.1, 1e15, -1e15, 1e16, 1e-7, 123456.789, 2.0 / 3};
	char text[NUMBER_TEXT_BYTES];
	double x;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_true(number_parse(bad[i], strlen(bad[i]), &x) < 0);
	assert_int_equal(number_parse("-0012.5", 7, &x), 0);
	assert_true(x == -12.5);
	assert_int_equal(number_parse("0.1", 3, &x), 0);
	assert_true(x == 0.1);
	assert_int_equal(number_parse("999999999999999", 15, &x), 0);
	assert_true(x == 999999999999999.0);
	for (size_t i = 0; i < ARRAY_SIZE(values); i++)
		assert_true(strtod(number_text(values[i], text), NULL) == values[i]);
	assert_string_equal(number_text(6.5, text), "6.5");
	assert_string_equal(number_text(-0.0, text), "0");
	assert_string_equal(number_text(100, text), "100");
}

/* What utf8proc makes of it, without any fast path. */
static struct slice fold_plainly(const char *text, size_t n, bool fold, char *to)
{
	utf8proc_uint8_t *out = NULL;
	utf8proc_option_t options = UTF8PROC_COMPOSE | UTF8PROC_STABLE | (fold ? UTF8PROC_CASEFOLD : 0);
	utf8proc_ssize_t out_n = utf8proc_map((const utf8proc_uint8_t *)text, (utf8proc_ssize_t)n, &out, options);

	assert_true(out_n >= 0 && out_n < FOLDED_BYTES_MAX);
	memcpy(to, out, (size_t)out_n);
	free(out);
	return text_trim(to, (size_t)out_n);
}

static void assert_folds_alike(struct folder *f, struct fold_room *room, const char *text, size_t n)
{
	char plain[FOLDED_BYTES_MAX];

	for (int fold = 0; fold < 2; fold++) {
		struct slice expected = fold_plainly(text, n, fold, plain);
		struct slice got = fold_text(f, text, n, fold ? FOLD_COMPARE : FOLD_MATCH, room);

		assert_int_equal(got.n, expected.n);
		assert_memory_equal(got.p, expected.p, got.n);
	}
}

/* Every character alone, between letters, and before marks that compose with what stands before them. */
static void test_fold_of_every_character(void **state)
{
	static const char *const after[] = {"", "x", "\u0308", "\u11a8", "\u3099", "A\u0301"};
	static const char *const before[] = {"", "A", "가", "か"};
	struct folder f = {0};
	struct fold_room room = {0};
	struct buf text = BUF_INIT(64);

	for (uint32_t c = 1; c < 0x20000; c++) {
		if (c >= 0xd800 && c <= 0xdfff)
			continue;
		for (size_t i = 0; i < ARRAY_SIZE(before); i++)
			for (size_t j = 0; j < ARRAY_SIZE(after); j++) {
				buf_reset(&text);
				buf_puts(&text, before[i]);
				utf8_put(&text, c);
				buf_puts(&text, after[j]);
				assert_folds_alike(&f, &room, buf_str(&text), text.n);
			}
	}
	buf_fini(&text);
	fold_room_fini(&room);
	folder_fini(&f);
}

static void test_fold_of_mixtures(void **state)
{
	static const char *const pieces[] = {"a",      "Z",      " ",      "ß",  "Ä",      "ä",  "\u0308", "가",
					     "\u1100", "\u1161", "\u11a8", "か", "\u3099", "漢", "…",      "€",
					     "Σ",      "\u00a0", "\u3000", "É",  "\u0301", "1",  "İ",      "ﬁ"};
	struct folder f = {0};
	struct fold_room room = {0};
	struct buf text = BUF_INIT(FOLDED_BYTES_MAX);
	unsigned seed = 20270302;

	for (int round = 0; round < 50000; round++) {
		buf_reset(&text);
		for (int i = (int)(rand_r(&seed) % 12); i >= 0; i--)
			buf_puts(&text, pieces[(size_t)rand_r(&seed) % ARRAY_SIZE(pieces)]);
		assert_folds_alike(&f, &room, buf_str(&text), text.n);
	}
	buf_fini(&text);
	fold_room_fini(&room);
	folder_fini(&f);
}

static void assert_form(void (*form)(const char *, struct buf *), const char *text, const char *expected)
{
	struct buf out = BUF_INIT(FOLDED_BYTES_MAX);

	form(text, &out);
	assert_string_equal(buf_str(&out), expected);
	buf_fini(&out);
}

static void assert_rule_fold(const char *text, const char *expected)
{
	assert_form(rule_fold, text, expected);
}

static void test_rule_fold(void **state)
{
	assert_rule_fold("  Hello  World\t\n", "hello  world");
	assert_rule_fold("", "");
	assert_rule_fold(" \u3000\u00a0\ufeff\u200b", "");
	assert_rule_fold("STRASSE Straße", "strasse strasse");
	assert_rule_fold("\u1109\u1165\u11af\u110e\u1175", "설치");
	assert_rule_fold("\xff\xfe", "\ufffd\ufffd");
	assert_rule_fold("A\xc3", "a\ufffd");
	assert_rule_fold("\xed\xa0\x80", "\ufffd\ufffd\ufffd");
	assert_form(rule_lower, " STRASSE\u3000Stra\u00dfe \u00c9\u3000", "strasse\u3000stra\u00dfe \u00e9");
	assert_form(rule_lower, "E\u0301 \u1109\u1165 \u03a3\u0391\u03a3 STRA\u1e9eE",
		    "\u00e9 서 \u03c3\u03b1\u03c3 stra\u00dfe");
}

static int compile_error(const struct rule_input *in)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;
	int r = ruleset_new(in, diags, &rs);

	assert_true((r == 0) == (diags->errors == 0));
	return r;
}

/* Caps of a whole set. */
static void test_caps(void **state)
{
	static struct rule_source rules[RULES_MAX + 1];
	static struct fact_source facts[RULE_FACTS_MAX + 1];
	static char names[RULE_FACTS_MAX + 1][16];
	char list[RULE_LIST_MAX * 4 + 64] = "nps in (";
	struct rule_input in = {.rules = rules, .n_rules = RULES_MAX};

	for (int i = 0; i <= RULES_MAX; i++)
		rules[i] = (struct rule_source){.id = "r", .when = "nps <= 6"};
	assert_int_equal(compile_error(&in), 0);
	in.n_rules = RULES_MAX + 1;
	assert_int_equal(compile_error(&in), RULE_E_INVALID);

	for (int i = 0; i <= RULE_FACTS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "f%d", i);
		facts[i] = (struct fact_source){.name = names[i], .expr = "nps <= 6"};
	}
	in = (struct rule_input){.rules = rules, .n_rules = 1, .facts = facts, .n_facts = RULE_FACTS_MAX};
	assert_int_equal(compile_error(&in), 0);
	in.n_facts++;
	assert_int_equal(compile_error(&in), RULE_E_INVALID);

	in = (struct rule_input){.rules = rules, .n_rules = RULE_REGEX_MAX};
	for (int i = 0; i <= RULE_REGEX_MAX; i++)
		rules[i].when = "comment matches 'a|b'";
	assert_int_equal(compile_error(&in), 0);
	in.n_rules++;
	assert_int_equal(compile_error(&in), RULE_E_INVALID);

	in.n_rules = 1;
	rules[0].when = list;
	for (int i = 0; i < RULE_LIST_MAX - 1; i++)
		strcat(list, "1, ");
	strcat(list, "1)");
	assert_int_equal(compile_error(&in), 0);
	strcpy(list + strlen(list) - 1, ", 1)");
	assert_int_equal(compile_error(&in), RULE_E_INVALID);
}

/* Facts upon facts: a chain as deep as allowed works, a longer one is refused, and a thousand don't eat the stack. */
static void test_depth_of_facts(void **state)
{
	static struct fact_source facts[RULE_FACTS_MAX];
	static char names[RULE_FACTS_MAX][16], exprs[RULE_FACTS_MAX][32];
	struct rule_source rule = {.id = "r", .when = "f0"};
	struct rule_input in = {.rules = &rule, .n_rules = 1, .facts = facts};
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;
	struct response response = {.nps = 3, .csat = SCORE_MISSING, .ces = SCORE_MISSING};
	struct rule_scratch *scratch CLEANUP(rule_scratch_freep) = NULL;
	struct verdict v;

	for (int i = 0; i < RULE_FACTS_MAX; i++) {
		snprintf(names[i], sizeof(names[i]), "f%d", i);
		snprintf(exprs[i], sizeof(exprs[i]), "f%d", i + 1);
		facts[i] = (struct fact_source){.name = names[i], .expr = exprs[i]};
	}
	in.n_facts = RULE_DEPTH_MAX - 1;
	facts[in.n_facts - 1].expr = "nps <= 6";
	assert_int_equal(ruleset_new(&in, diags, &rs), 0);
	scratch = rule_scratch_new(rs);
	ruleset_judge(rs, scratch, &response, &v);
	assert_int_equal(v.winner, 0);

	facts[in.n_facts - 1].expr = exprs[in.n_facts - 1];
	in.n_facts = RULE_DEPTH_MAX;
	facts[in.n_facts - 1].expr = "nps <= 6";
	assert_int_equal(compile_error(&in), RULE_E_INVALID);
	facts[in.n_facts - 1].expr = exprs[in.n_facts - 1];
	in.n_facts = RULE_FACTS_MAX;
	facts[in.n_facts - 1].expr = "nps <= 6";
	assert_int_equal(compile_error(&in), RULE_E_INVALID);
}

/* Facts that use the one before twice: 2^29 paths, judged, traced and proved in no time. */
static void test_doubling_facts(void **state)
{
	static struct fact_source facts[30];
	static char names[30][16], exprs[30][32];
	struct rule_source rule = {.id = "r", .when = "f29"};
	struct rule_input in = {.rules = &rule, .n_rules = 1, .facts = facts, .n_facts = 30};
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;
	struct response response = {.nps = 9, .csat = SCORE_MISSING, .ces = SCORE_MISSING};
	struct rule_scratch *scratch CLEANUP(rule_scratch_freep) = NULL;
	const struct trace_node *node;
	struct verdict v;
	int levels = 0;

	for (int i = 0; i < 30; i++) {
		snprintf(names[i], sizeof(names[i]), "f%d", i);
		if (i == 0)
			strcpy(exprs[i], "nps <= 6");
		else
			snprintf(exprs[i], sizeof(exprs[i]), i % 2 ? "f%d or f%d" : "f%d and f%d", i - 1, i - 1);
		facts[i] = (struct fact_source){.name = names[i], .expr = exprs[i]};
	}
	assert_int_equal(ruleset_new(&in, diags, &rs), 0);
	scratch = rule_scratch_new(rs);
	ruleset_judge(rs, scratch, &response, &v);
	assert_int_equal(v.results[0], TRI_FALSE);
	for (node = ruleset_trace(rs, scratch, 0, &response, arena); node->n_children; node = node->children)
		levels++;
	assert_int_equal(levels, 59);
	assert_string_equal(node->text, "nps <= 6");
}

/* Texts are copied: what the settings gave may go. */
static void test_input_is_copied(void **state)
{
	char when[] = "attr.plan = 'gold'", id[] = "r", name[] = "plan";
	struct rule_source rule = {.id = id, .when = when};
	struct attribute_source attribute = {name, ATTRIBUTE_TEXT};
	struct rule_input in = {.rules = &rule, .n_rules = 1, .attributes = &attribute, .n_attributes = 1};
	struct attribute plan = {.name = "plan", .type = ATTRIBUTE_TEXT, .text = "Gold"};
	struct response response = {.attributes = &plan, .n_attributes = 1};
	struct diag_list *diags = diag_list_new();
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;
	struct rule_scratch *scratch CLEANUP(rule_scratch_freep) = NULL;
	struct verdict v;

	assert_int_equal(ruleset_new(&in, diags, &rs), 0);
	diag_list_free(diags);
	memset(when, 'x', sizeof(when) - 1);
	memset(name, 'x', sizeof(name) - 1);
	scratch = rule_scratch_new(rs);
	ruleset_judge(rs, scratch, &response, &v);
	assert_int_equal(v.results[0], TRI_TRUE);
	assert_string_equal(ruleset_trace(rs, scratch, 0, &response, arena)->text, "attr.plan = 'gold'");
}

/* One set, several scratches, one after the other: nothing of one response is seen in the next. */
static void test_scratches_are_apart(void **state)
{
	struct rule_source rule = {.id = "r", .when = "comment contains 'late' and nps <= 6"};
	struct rule_input in = {.rules = &rule, .n_rules = 1};
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct ruleset *rs CLEANUP(ruleset_freep) = NULL;
	struct rule_scratch *a CLEANUP(rule_scratch_freep) = NULL, *b CLEANUP(rule_scratch_freep) = NULL;
	struct response late = {.nps = 2, .comment = "LATE"}, fine = {.nps = 2, .comment = "FINE"}, none = {.nps = 2};
	struct verdict v;

	assert_int_equal(ruleset_new(&in, diags, &rs), 0);
	a = rule_scratch_new(rs);
	b = rule_scratch_new(rs);
	for (int i = 0; i < 3; i++) {
		ruleset_judge(rs, a, &late, &v);
		assert_int_equal(v.results[0], TRI_TRUE);
		ruleset_judge(rs, b, &fine, &v);
		assert_int_equal(v.results[0], TRI_FALSE);
		ruleset_judge(rs, a, &none, &v);
		assert_int_equal(v.results[0], TRI_MISSING);
	}
}

/* The manual, or NULL where the tests run away from the sources. */
static char *read_manual(struct arena *arena)
{
	const char *root = getenv("CLOSELOOP_SOURCE_ROOT");
	char path[4096];
	char *text = arena_zalloc(arena, MANUAL_BYTES_MAX);
	size_t n;
	FILE *f;

	if (!root)
		return NULL;
	snprintf(path, sizeof(path), "%s/docs/rule-language.md", root);
	f = fopen(path, "r");
	assert_non_null(f);
	n = fread(text, 1, MANUAL_BYTES_MAX - 1, f);
	fclose(f);
	assert_in_range(n, 1000, MANUAL_BYTES_MAX - 2);
	return text;
}

static void assert_in_manual(const char *manual, const char *name)
{
	if (!strstr(manual, name))
		print_error("docs/rule-language.md does not name %s\n", name);
	assert_non_null(strstr(manual, name));
}

/* Conditions that a section shows between backquotes: all compile. Returns their number. */
static int compile_section(const char *manual, const char *title, const struct attribute_source *attributes, int n_attributes)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	const char *at = strstr(manual, title), *end;
	int shown = 0;

	assert_non_null(at);
	end = strstr(at + 1, "\n## ");
	assert_non_null(end);
	while ((at = strchr(at, '`')) && at < end) {
		const char *close = strchr(at + 1, '`');
		struct rule_source rule = {.id = "manual"};
		struct rule_input in = {.rules = &rule,
					.n_rules = 1,
					.attributes = attributes,
					.n_attributes = n_attributes,
					.zones = &settings_zone_files};

		assert_non_null(close);
		rule.when = arena_strndup(arena, at + 1, (size_t)(close - at - 1));
		at = close + 1;
		/* signs, values, and names alone */
		if (strlen(rule.when) <= 2 || rule.when[0] < 'a' || (!strchr(rule.when, ' ') && !strstr(rule.when, "contact_")))
			continue;
		shown++;
		if (compile_error(&in) != 0)
			print_error("docs/rule-language.md shows what doesn't compile: %s\n", rule.when);
		assert_int_equal(compile_error(&in), 0);
	}
	return shown;
}

/* Every column, group, function and word is in the manual, and every comparison it shows compiles without a word. */
static void test_manual(void **state)
{
	static const struct attribute_source attributes[] = {
		{"plan", ATTRIBUTE_TEXT}, {"arr", ATTRIBUTE_NUMBER}, {"vip", ATTRIBUTE_BOOL}, {"installed_at", ATTRIBUTE_TIME}};
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	char *manual = read_manual(arena);

	if (!manual)
		skip();
	for (int i = 0; i < rule_columns_n; i++)
		assert_in_manual(manual, arena_printf(arena, "`%s`", rule_columns[i].name));
	for (int i = 0; i < rule_functions_n; i++)
		assert_in_manual(manual, arena_printf(arena, "`%s(", rule_functions[i].name));
	for (int i = 0; i < rule_groups_n; i++)
		assert_in_manual(manual, arena_printf(arena, "`%s.", rule_groups[i].name));
	for (int i = 0; rule_keywords[i]; i++)
		assert_in_manual(manual, rule_keywords[i]);

	assert_in_range(compile_section(manual, "## Comparisons", attributes, ARRAY_SIZE(attributes)), 15, 100);
	assert_in_range(compile_section(manual, "## The customer's past", attributes, ARRAY_SIZE(attributes)), 10, 100);
	assert_in_range(compile_section(manual, "## Times", attributes, ARRAY_SIZE(attributes)), 4, 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_token_error_is_final),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_fold_of_every_character),
		cmocka_unit_test(test_fold_of_mixtures),
		cmocka_unit_test(test_rule_fold),
		cmocka_unit_test(test_caps),
		cmocka_unit_test(test_depth_of_facts),
		cmocka_unit_test(test_doubling_facts),
		cmocka_unit_test(test_input_is_copied),
		cmocka_unit_test(test_scratches_are_apart),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
