/*
 * What follows from a response, decided without a database; the company is data/rehearse.conf.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/rehearse.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define NOW ((struct wall_time){1800000000 * US_PER_S})

struct fixture {
	struct arena *arena;
	struct settings *settings;
	struct directory *directory;
	struct rehearsal *rehearsal;
	struct plan plan;
	struct verdict verdict;
};

static const struct rehearsal_owner owners[] = {
	{"region", "seoul", "nobody-we-know"}, {"account", "Hanbit", "bob"},        {"account", "  HANBIT ", "dora"},
	{"account", "nordwerk", "eve"},        {"account", "mail-less", "no-mail"},
};
static const struct person others[] = {
	{.id = "eve", .name = "Eve", .email = "eve@example.com", .timezone = "UTC"},
	{.id = "no-mail", .name = "No Mail", .timezone = "UTC", .deputy = "eve"},
	{.id = "ann", .name = "Another Ann", .email = "other@example.com", .timezone = "UTC"},
};
static const struct absence away[] = {{"bob", {0}, {INT64_MIN}, NULL}};

static void start(struct fixture *f, const struct absence *absences, int n)
{
	f->rehearsal = rehearsal_free(f->rehearsal);
	f->directory = directory_free(f->directory);
	f->directory = directory_make(f->settings, others, ARRAY_SIZE(others), absences, n);
	f->rehearsal = rehearsal_new(f->settings, f->directory, owners, ARRAY_SIZE(owners));
}

static int setup(void **state)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct buf said CLEANUP(buf_fini) = BUF_INIT(1 << 16);
	struct fixture *f = xcalloc(1, sizeof(*f));
	const char *root = getenv("CLOSELOOP_SOURCE_ROOT");

	f->arena = arena_new(0);
	if (settings_load(arena_printf(f->arena, "%s/tests/unit/data/rehearse.conf", root), diags, &f->settings)) {
		diag_print(diags, &said);
		print_error("%s", buf_str(&said));
		return -1;
	}
	start(f, NULL, 0);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	rehearsal_free(f->rehearsal);
	directory_free(f->directory);
	settings_free(f->settings);
	arena_free(f->arena);
	free(f);
	return 0;
}

static struct response blank(void)
{
	return (struct response){.nps = SCORE_MISSING, .csat = SCORE_MISSING, .ces = SCORE_MISSING, .responded_at = NOW};
}

static const struct plan *act(struct fixture *f, const struct response *r)
{
	rehearse(f->rehearsal, r, NOW, f->arena, &f->plan, &f->verdict);
	return &f->plan;
}

static void a_lookup_compares_as_the_database_does_and_the_first_row_counts(void **state)
{
	struct fixture *f = *state;
	struct response r = blank();
	const struct plan *p;

	r.nps = 3;
	r.account = " hanbit\t";
	p = act(f, &r);
	assert_int_equal(p->action, PLAN_OPEN);
	assert_string_equal(p->rule->id, "detractor");
	assert_string_equal(p->owner.person->id, "bob");
	assert_int_equal(p->n_trail, 1);
	assert_int_equal(p->n_recipients, 1);
	assert_true(p->recipients[0].is_owner);
	assert_int_equal(p->recipients[0].reason, REASON_LOOKUP);
	assert_int_equal(p->n_webhooks, 1);
	assert_string_equal(p->webhooks[0]->id, "cx");
	assert_int_equal(p->n_messages, 0);
	r.account = "nordwerk"; /* somebody whom only the database knows */
	assert_string_equal(act(f, &r)->owner.person->id, "eve");
}

static void teams_go_on_from_case_to_case_and_start_again(void **state)
{
	static const char *const least[] = {"ann", "bob", "cid", "ann"};
	static const char *const turns[] = {"ann", "bob", "ann"};
	struct fixture *f = *state;
	struct response r = blank();

	r.nps = 0;
	for (size_t i = 0; i < ARRAY_SIZE(least); i++)
		assert_string_equal(act(f, &r)->owner.person->id, least[i]);
	assert_int_equal(*rehearsal_load(f->rehearsal, "ann"), 2);
	assert_null(rehearsal_load(f->rehearsal, "dora"));
	*rehearsal_load(f->rehearsal, "ann") = 0; /* both are solved */
	assert_string_equal(act(f, &r)->owner.person->id, "ann");
	r.touchpoint = "turn";
	for (size_t i = 0; i < ARRAY_SIZE(turns); i++)
		assert_string_equal(act(f, &r)->owner.person->id, turns[i]);
	rehearsal_restart(f->rehearsal);
	assert_string_equal(act(f, &r)->owner.person->id, "ann");
	assert_int_equal(*rehearsal_load(f->rehearsal, "bob"), 0);
}

static void the_leading_rule_decides_and_all_that_match_notify(void **state)
{
	struct fixture *f = *state;
	struct response r = blank();
	const struct plan *p;

	r.nps = 2;
	r.csat = 1;
	r.comment = "Late again.";
	r.touchpoint = "turn";
	r.account = "Hanbit";
	p = act(f, &r);
	assert_int_equal(p->action, PLAN_OPEN); /* praise is silent then */
	assert_string_equal(p->rule->id, "turn");
	assert_int_equal(p->priority, PRIORITY_HIGH);
	assert_string_equal(p->rule->route->id, "turns");
	assert_string_equal(p->owner.team, "turns");
	assert_int_equal(p->n_matched, 4);
	assert_int_equal(p->results[0], TRI_MISSING); /* staff: no address */
	/* ann owns it: a digest by one route, a mail by the other, so it is a mail; her manager by the first. */
	assert_int_equal(p->n_recipients, 2);
	assert_string_equal(p->recipients[0].person->id, "ann");
	assert_false(p->recipients[0].asked);
	assert_string_equal(p->recipients[1].person->id, "dora");
	r.nps = SCORE_MISSING;
	rehearsal_restart(f->rehearsal);
	assert_true(act(f, &r)->recipients[0].asked);
}

static void praise_notes_and_nothing(void **state)
{
	struct fixture *f = *state;
	struct response r = blank();
	const struct plan *p;

	assert_int_equal(act(f, &r)->action, PLAN_NOTHING);
	r.csat = 2;
	assert_int_equal(act(f, &r)->action, PLAN_NOTE);
	assert_string_equal(f->plan.rule->id, "watch");
	r.comment = "Thank you!";
	p = act(f, &r);
	assert_int_equal(p->action, PLAN_PRAISE);
	assert_null(p->owner.person);
	assert_int_equal(p->n_recipients, 2); /* both of the team */
	r.customer_email = "x@ours.example";
	assert_int_equal(act(f, &r)->action, PLAN_NOTHING);
	assert_true(f->verdict.ignored);
}

static void absent_people_are_replaced_and_nobody_is_forgotten(void **state)
{
	struct fixture *f = *state;
	struct response r = blank();
	const struct plan *p;

	start(f, away, ARRAY_SIZE(away));
	r.nps = 1;
	r.account = "Hanbit";
	p = act(f, &r);
	assert_string_equal(p->owner.person->id, "cid");
	assert_string_equal(p->owner.instead_of->id, "bob");
	r.account = "mail-less";
	p = act(f, &r);
	assert_string_equal(p->owner.person->id, "no-mail");
	assert_string_equal(p->recipients[0].person->id, "eve"); /* the deputy has an address */
	assert_int_equal(p->recipients[0].reason, REASON_FALLBACK);
}

static void what_is_too_old_is_noted(void **state)
{
	struct fixture *f = *state;
	struct response r = blank();
	const struct plan *p;

	r.nps = 1;
	r.responded_at.us -= 31 * 86400 * US_PER_S;
	p = act(f, &r);
	assert_int_equal(p->action, PLAN_NOTE);
	assert_true(p->too_old);
	assert_int_equal(p->n_recipients, 0);
	rehearse_plan(f->rehearsal, &r, &f->verdict, r.responded_at, f->arena, &f->plan); /* as of then it isn't */
	assert_int_equal(f->plan.action, PLAN_OPEN);
}

static void a_plan_fits_into_a_reset_arena_each_time(void **state)
{
	struct fixture *f = *state;
	struct response r = blank();
	struct arena *a = arena_new(0);
	size_t used = 0;

	r.nps = 1;
	r.account = "Hanbit";
	for (int i = 0; i < 10000; i++) {
		arena_reset(a);
		rehearse(f->rehearsal, &r, NOW, a, &f->plan, NULL);
		if (i == 0)
			used = arena_used(a);
		assert_int_equal(arena_used(a), used);
	}
	assert_true(used > 0 && used < 16 * 1024);
	arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lookup_compares_as_the_database_does_and_the_first_row_counts, setup,
						teardown),
		cmocka_unit_test_setup_teardown(teams_go_on_from_case_to_case_and_start_again, setup, teardown),
		cmocka_unit_test_setup_teardown(the_leading_rule_decides_and_all_that_match_notify, setup, teardown),
		cmocka_unit_test_setup_teardown(praise_notes_and_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(absent_people_are_replaced_and_nobody_is_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_too_old_is_noted, setup, teardown),
		cmocka_unit_test_setup_teardown(a_plan_fits_into_a_reset_arena_each_time, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
