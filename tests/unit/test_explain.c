/*
 * What explain is made of: facts read back judge as they did, changes are named, trees and parts are laid out within any width.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/escape.h"
#include "cli/explain.h"
#include "cli/explain_facts.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RESPONSES 3000

static const char configuration[] =
	"timezone = \"Europe/Berlin\";\n"
	"people: { ben: { name = \"Ben\"; email = \"ben@example.com\"; }; };\n"
	"email: { url = \"smtp://127.0.0.1:25\"; tls = \"off\"; from = \"care@example.com\"; };\n"
	"follow_ups: { standard: { acknowledge_within = \"4h\"; }; };\n"
	"routes: { all: { owner = [ \"person:ben\" ]; notify = [ \"email:owner\" ]; }; };\n"
	"defaults: { route = \"all\"; follow_up = \"standard\"; priority = \"normal\"; };\n"
	"attributes: { plan = \"text\"; arr = \"number\"; vip = \"bool\"; since = \"time\"; };\n"
	"facts: { unhappy = \"nps <= 6 or any rating <= 2\"; };\n"
	"rules: {\n"
	"  nested:   { when = \"(nps <= 6 or csat < 3) and not (attr.vip or attr.plan is 'gold') and unhappy\"; };\n"
	"  ratings:  { when = \"all rating >= 3 or rating['delivery'] = 1\"; };\n"
	"  attr:     { when = \"attr.arr >= 100 and attr.plan in ('gold', 'silver') or not attr.vip\"; };\n"
	"  words:    { when = \"comment contains 'late' or comment matches '^o+k' or comment is missing\"; };\n"
	"  texts:    { when = \"touchpoint = region or account != 'acme' or language is 'ko'\"; };\n"
	"  before:   { when = \"previous.nps >= 9 and nps <= 6 or previous.attr.plan is 'gold' or previous.contact_requested\"; };\n"
	"  often:    { when = \"history.detractors(30d) >= 2 or history.cases(1d, account) >= 1\"; };\n"
	"  ages:     { when = \"days_since(attr.since) > 2.5 or days_since(previous.responded_at) < 1\"; };\n"
	"  hours:    { when = \"hour(responded_at) < 7 and weekday(attr.since, 'Asia/Seoul') = 1\"; };\n"
	"  contact:  { when = \"contact_requested\"; priority = \"urgent\"; };\n"
	"};\n";

static int load(void **state)
{
	struct diag_list *diags = diag_list_new();
	struct settings *settings = NULL;
	int r = settings_load_text(configuration, "test", diags, &settings);

	if (r) {
		struct buf out = BUF_INIT(64 * 1024);

		diag_print(diags, &out);
		print_error("%s", buf_str(&out));
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

/* ---- responses of all kinds ---- */

static uint32_t seed = 4711;

static uint32_t below(uint32_t n)
{
	seed = seed * 1664525u + 1013904223u;
	return (seed >> 8) % n;
}

static const char *one_of(const char *const *texts, size_t n)
{
	return texts[below((uint32_t)n)];
}

static const struct attribute *some_attributes(struct arena *a, int *ret_n)
{
	static const char *const plans[] = {"gold", "Silver ", "", "한빛"}, *const times[] = {"2027-03-01T10:00:00+09:00",
											      "2027-02-27", "x"};
	struct attribute *at = arena_new_array(a, struct attribute, 4);
	int n = 0;

	if (below(3))
		at[n++] = (struct attribute){.name = "plan", .type = ATTRIBUTE_TEXT, .text = one_of(plans, ARRAY_SIZE(plans))};
	if (below(2))
		at[n++] = (struct attribute){.name = "arr", .type = ATTRIBUTE_NUMBER, .number = below(400) / 2.0, .text = "?"};
	else if (below(2))
		at[n++] = (struct attribute){.name = "arr", .type = ATTRIBUTE_TEXT, .text = "300"};
	if (below(2))
		at[n++] = (struct attribute){.name = "vip", .type = ATTRIBUTE_BOOL, .truth = below(2), .text = "?"};
	if (below(3))
		at[n++] = (struct attribute){.name = "since", .type = ATTRIBUTE_TEXT, .text = one_of(times, ARRAY_SIZE(times))};
	*ret_n = n;
	return at;
}

static const struct rating *some_ratings(struct arena *a, int *ret_n)
{
	static const char *const names[] = {"delivery", "service", "설치 속도"};
	struct rating *ratings = arena_new_array(a, struct rating, ARRAY_SIZE(names));

	*ret_n = (int)below(ARRAY_SIZE(names) + 1);
	for (int i = 0; i < *ret_n; i++)
		ratings[i] = (struct rating){names[i], below(11) / 2.0};
	return ratings;
}

static struct response some_response(struct arena *a)
{
	static const char *const words[] = {NULL,   "",      "  ", "too late", "Ookay", "line\none \"two\" \x1b[1m",
					    "acme", "ACME ", "ko"};
	struct response r = {
		.id = 7,
		.nps = (int)below(12) - 1,
		.csat = below(2) ? SCORE_MISSING : 1 + (int)below(5),
		.ces = SCORE_MISSING,
		.contact_requested = below(4) == 0,
		.comment = one_of(words, ARRAY_SIZE(words)),
		.touchpoint = one_of(words, ARRAY_SIZE(words)),
		.region = one_of(words, ARRAY_SIZE(words)),
		.account = one_of(words, ARRAY_SIZE(words)),
		.language = one_of(words, ARRAY_SIZE(words)),
		.customer_id = "c",
		.responded_at = {INT64_C(1803945600000000) + (int64_t)below(1000000) * 1000001},
	};

	r.received_at = r.responded_at;
	r.attributes = some_attributes(a, &r.n_attributes);
	r.ratings = some_ratings(a, &r.n_ratings);
	return r;
}

static const struct past *some_past(const struct ruleset *rs, struct arena *a)
{
	const struct history_need *needs;
	int n = ruleset_history(rs, &needs);
	double *counts = arena_new_array(a, double, (size_t)n);
	struct past *past = arena_new_obj(a, struct past);

	for (int i = 0; i < n; i++)
		counts[i] = below(4) ? (double)below(4) : NAN;
	past->counts = counts;
	if (below(3)) {
		struct response r = some_response(a);

		past->previous = arena_memdup(a, &r, sizeof(r));
	}
	return past;
}

static void test_facts_read_back_judge_the_same(void **state)
{
	const struct settings *s = *state;
	struct rule_scratch *scratch = rule_scratch_new(s->ruleset);
	struct buf json = BUF_INIT(1024 * 1024), again = BUF_INIT(1024 * 1024);
	struct arena *arena = arena_new(0);
	enum tri results[32];
	struct fact_change changes[FACT_CHANGES_MAX];
	int seen[3] = {0};

	assert_true(s->n_rules <= (int)ARRAY_SIZE(results));
	for (int i = 0; i < RESPONSES; i++) {
		struct response r = some_response(arena), back;
		struct verdict v;

		r.past = some_past(s->ruleset, arena);
		ruleset_judge(s->ruleset, scratch, &r, &v);
		memcpy(results, v.results, sizeof(*results) * (size_t)s->n_rules);
		buf_reset(&json);
		ruleset_facts_json(s->ruleset, &r, &json);
		assert_int_equal(facts_read(buf_str(&json), s->ruleset, &r, arena, &back), 0);
		ruleset_judge(s->ruleset, scratch, &back, &v);
		for (int k = 0; k < s->n_rules; k++) {
			if (v.results[k] != results[k])
				fail_msg("%s: %d, not %d, of %s", s->rules[k].id, v.results[k], results[k], buf_str(&json));
			seen[results[k] + 1]++;
		}
		buf_reset(&again);
		ruleset_facts_json(s->ruleset, &back, &again);
		assert_int_equal(facts_compare(buf_str(&json), buf_str(&again), arena, changes), 0);
		arena_reset(arena);
	}
	assert_true(seen[0] > RESPONSES && seen[1] > RESPONSES && seen[2] > RESPONSES);
	assert_int_equal(facts_read("[]", s->ruleset, &(struct response){0}, arena, &(struct response){0}), -EINVAL);
	assert_int_equal(facts_read("{", s->ruleset, &(struct response){0}, arena, &(struct response){0}), -EINVAL);
	buf_fini(&json);
	buf_fini(&again);
	rule_scratch_free(scratch);
	arena_free(arena);
}

static void test_changes_are_named(void **state)
{
	struct fact_change c[FACT_CHANGES_MAX];
	struct arena *arena = arena_new(0);
	int n = facts_compare(
		"{\"nps\":2,\"rating\":{\"delivery\":1,\"service\":4},\"comment\":\"a\",\"history\":{\"cases(1d)\":1}}",
		"{\"nps\":9,\"rating\":{\"delivery\":1.5,\"service\":4},\"attr\":{\"vip\":true},\"previous\":{\"nps\":1}}",
		arena, c);

	(void)state;
	assert_int_equal(n, 4);
	assert_string_equal(c[0].name, "nps");
	assert_string_equal(c[0].then, "2");
	assert_string_equal(c[0].now, "9");
	assert_string_equal(c[1].name, "rating.delivery");
	assert_string_equal(c[1].now, "1.5");
	assert_string_equal(c[2].name, "comment");
	assert_string_equal(c[2].then, "'a'");
	assert_null(c[2].now);
	assert_string_equal(c[3].name, "attr.vip");
	assert_null(c[3].then);
	assert_string_equal(c[3].now, "true");
	assert_int_equal(facts_compare("{}", "[]", arena, c), 0);
	arena_free(arena);
}

/* ---- how it is laid out ---- */

static void assert_widths(const struct buf *out, int columns)
{
	for (const char *line = buf_str(out); *line; line = strchr(line, '\n') + 1)
		assert_true(text_columns(line, strcspn(line, "\n")) <= columns);
}

static void test_trees(void **state)
{
	const struct settings *s = *state;
	struct rule_scratch *scratch = rule_scratch_new(s->ruleset);
	struct response r = {
		.nps = 3, .csat = SCORE_MISSING, .ces = SCORE_MISSING, .comment = "\x1b[31mred\nand long long long long"};
	struct buf out = BUF_INIT(1024 * 1024);
	struct arena *arena = arena_new(0);
	struct trace trace;

	trace_init(&trace, s, scratch, &r, arena);
	trace_put(&trace, 140, &out);
	assert_non_null(strstr(buf_str(&out), "      nps <= 6 "));
	assert_non_null(strstr(buf_str(&out), "  or csat < 3 "));
	assert_non_null(strstr(buf_str(&out), "  and not  ") ? strstr(buf_str(&out), "  and not  ")
							     : strstr(buf_str(&out), "and not "));
	assert_non_null(strstr(buf_str(&out), "        attr.vip "));
	assert_non_null(strstr(buf_str(&out), "        or attr.plan is 'gold' "));
	assert_non_null(strstr(buf_str(&out), "  and unhappy: nps <= 6 "));
	assert_non_null(strstr(buf_str(&out), "               or any rating <= 2 "));
	assert_non_null(strstr(buf_str(&out), "\\u{1B}[31mred"));
	assert_null(strchr(buf_str(&out), '\x1b'));
	for (int columns = 40; columns <= 200; columns++) {
		buf_reset(&out);
		trace_put(&trace, columns, &out);
		assert_widths(&out, columns);
	}
	buf_fini(&out);
	rule_scratch_free(scratch);
	arena_free(arena);
}

static void test_parts(void **state)
{
	const struct explain_step steps[] = {
		{.target = "from:attr.account_manager", .why_not = "missing"},
		{.target = "lookup:account",
		 .value = "한빛 \x1b[1m정밀 with a rather long name",
		 .person = "minsu-kim",
		 .note = "imported 2027-02-20"},
		{.target = "team:care", .person = "ben", .all_away = true},
		{.target = "person:ben", .person = "ben", .instead_of = "anna"},
	};
	const struct explain_sent sent[] = {
		{"email minsu-kim", "", "10:38:13", "250, 1 attempt"},
		{"webhook cx", "reminder 1", "2027-03-02 10:38",
		 "REFUSED after 1 attempt (550): 550 no\nsuch \x1b[1muser; the next person was told"},
	};
	const struct explain_held held = {
		.ignore = "no", .merge = "no open case", .quiet = "no", .budget = "4 of 10 (minsu-kim)"};
	struct buf out = BUF_INIT(1024 * 1024);

	(void)state;
	for (int columns = 40; columns <= 200; columns++) {
		buf_reset(&out);
		explain_put_steps(&out, "owner", steps, ARRAY_SIZE(steps), columns);
		explain_put_sent(&out, "sent", sent, ARRAY_SIZE(sent), columns);
		explain_put_held(&out, &held, columns);
		explain_put_line(&out, "due", "", columns);
		assert_widths(&out, columns);
		assert_null(strchr(buf_str(&out), '\x1b'));
		assert_null(strstr(buf_str(&out), "due"));
	}
	assert_non_null(strstr(buf_str(&out), "owner    from:attr.account_manager "));
	assert_non_null(strstr(buf_str(&out), "ben, who is away, and everybody who could stand in\n"));
	assert_non_null(strstr(buf_str(&out), "minsu-kim  (imported 2027-02-20)\n"));
	assert_non_null(strstr(buf_str(&out), "sent     email minsu-kim              10:38:13          250, 1 attempt\n"));
	assert_non_null(strstr(buf_str(&out), "550 no such \\u{1B}[1muser; the next person was told\n"));
	assert_non_null(
		strstr(buf_str(&out), "held?    ignore no · merge no open case · quiet no · budget 4 of 10 (minsu-kim)\n"));
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_facts_read_back_judge_the_same),
		cmocka_unit_test(test_changes_are_named),
		cmocka_unit_test(test_trees),
		cmocka_unit_test(test_parts),
	};

	return cmocka_run_group_tests(tests, load, unload);
}
