/*
 * Owner chains without a database: what was fetched for the batch is written down here.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "case/owner.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

static struct person people[] = {
	{.id = "ann", .name = "Ann", .email = "ann@example.com", .timezone = "UTC", .reports_to = "dora"},
	{.id = "bob", .name = "Bob", .email = "Bob@Example.com", .timezone = "UTC", .deputy = "cid"},
	{.id = "cid", .name = "Cid", .email = "cid@example.com", .timezone = "UTC", .deputy = "ann"},
	{.id = "dora", .name = "Dora", .email = "dora@example.com", .timezone = "UTC"},
};
static const char *member_ids[] = {"ann", "bob", "cid"};
static struct team teams[] = {
	{.id = "least", .members = {member_ids, 3}, .assign = ASSIGN_LEAST_OPEN},
	{.id = "turns", .members = {member_ids, 3}, .assign = ASSIGN_ROUND_ROBIN},
};
static struct settings settings = {.people = people, .n_people = 4, .teams = teams, .n_teams = 2};

struct fixture {
	struct arena *arena;
	struct directory *directory;
	struct owner_facts facts;
	struct owner_load loads[3];
	struct owner_position positions[1];
	struct owner_lookup lookups[2];
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->arena = arena_new(0);
	f->directory = directory_new(&settings, 1, NULL);
	f->loads[0] = (struct owner_load){"ann", 3};
	f->loads[1] = (struct owner_load){"bob", 1};
	f->loads[2] = (struct owner_load){"cid", 2};
	f->positions[0] = (struct owner_position){.team = "turns"};
	f->lookups[0] = (struct owner_lookup){"account", "acme", "bob"};
	f->lookups[1] = (struct owner_lookup){"touchpoint+attr.house", "rooms+gangnam", "cid"};
	owner_lookups_sort(f->lookups, 2);
	f->facts = (struct owner_facts){.directory = f->directory,
					.now = {1},
					.arena = f->arena,
					.lookups = f->lookups,
					.n_lookups = 2,
					.loads = f->loads,
					.n_loads = 3,
					.positions = f->positions,
					.n_positions = 1};
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	directory_free(f->directory);
	arena_free(f->arena);
	freep(&f);
	return 0;
}

static const struct target lookup_account = {
	.kind = TARGET_LOOKUP, .text = "lookup:account", .name = "account", .dimensions = {"account"}, .n_dimensions = 1};
static const struct target lookup_both = {
	.kind = TARGET_LOOKUP, .name = "touchpoint+attr.house", .dimensions = {"touchpoint", "attr.house"}, .n_dimensions = 2};
static const struct target least = {.kind = TARGET_TEAM, .name = "least", .team = &teams[0]};
static const struct target turns = {.kind = TARGET_TEAM, .name = "turns", .team = &teams[1]};
static const struct target dora = {.kind = TARGET_PERSON, .name = "dora"};
static const struct target manager = {.kind = TARGET_MANAGER};

static void a_lookup_finds_whom_the_table_names(void **state)
{
	struct fixture *f = *state;
	const struct attribute house = {.name = "house", .type = ATTRIBUTE_TEXT, .text = "gangnam"};
	const struct response acme = {.account = "acme"}, other = {.account = "other"}, blank = {.account = "  "};
	const struct response room = {.touchpoint = "rooms", .attributes = &house, .n_attributes = 1};

	assert_string_equal(owner_of_target(&f->facts, &lookup_account, &acme, NULL).person->id, "bob");
	assert_string_equal(owner_of_target(&f->facts, &lookup_account, &other, NULL).why_not, "nobody is entered");
	assert_string_equal(owner_of_target(&f->facts, &lookup_account, &blank, NULL).why_not, "missing");
	assert_string_equal(owner_of_target(&f->facts, &lookup_both, &room, NULL).person->id, "cid");
	assert_null(owner_lookup_value(&lookup_both, &acme, f->arena));
}

static void from_takes_an_id_or_an_address_and_only_known_people(void **state)
{
	struct fixture *f = *state;
	const struct target from = {.kind = TARGET_FROM, .name = "region"};
	const struct response by_id = {.region = "cid"}, by_address = {.region = "bob@example.COM"};
	const struct response stranger = {.region = "eve@example.com"};

	assert_string_equal(owner_of_target(&f->facts, &from, &by_id, NULL).person->id, "cid");
	assert_string_equal(owner_of_target(&f->facts, &from, &by_address, NULL).person->id, "bob");
	assert_string_equal(owner_of_target(&f->facts, &from, &stranger, NULL).why_not, "'eve@example.com' is no known person");
}

static void the_team_member_with_least_to_do_is_chosen_and_counted(void **state)
{
	struct fixture *f = *state;
	struct target chain[] = {lookup_account, least};
	const struct route route = {.id = "r", .owner = chain, .n_owner = 2};
	const struct response r = {0};
	const char *expected[] = {"bob", "bob", "cid", "ann"}; /* ties go to the first in the list */
	struct owner_found trail[2];
	int n;

	for (int i = 0; i < 3; i++) {
		struct owner_found found = owner_resolve(&f->facts, &route, &r, trail, &n);

		assert_string_equal(found.person->id, expected[i]);
		assert_int_equal(n, 2);
		assert_string_equal(trail[0].why_not, "missing");
		assert_string_equal(found.team, "least");
	}
}

static void turns_go_round(void **state)
{
	struct fixture *f = *state;
	const struct response r = {0};
	const char *expected[] = {"ann", "bob", "cid", "ann"};

	for (int i = 0; i < 4; i++)
		assert_string_equal(owner_of_target(&f->facts, &turns, &r, NULL).person->id, expected[i]);
	assert_int_equal(f->positions[0].position, 4);
	assert_true(f->positions[0].moved);
}

static void the_manager_is_the_owners(void **state)
{
	struct fixture *f = *state;
	const struct response r = {0};

	assert_string_equal(owner_of_target(&f->facts, &manager, &r, &people[0]).person->id, "dora");
	assert_string_equal(owner_of_target(&f->facts, &manager, &r, &people[3]).why_not, "the owner reports to nobody");
}

static void everyone_of_a_team_is_told(void **state)
{
	struct fixture *f = *state;
	const struct response r = {0};
	const struct person *told[8];

	assert_int_equal(owner_everyone(&f->facts, &turns, &r, NULL, told, 8), 3);
	assert_int_equal(owner_everyone(&f->facts, &dora, &r, NULL, told, 8), 1);
	assert_string_equal(told[0]->id, "dora");
	assert_int_equal(f->positions[0].position, 0); /* nobody's turn was used up */
}

static void the_reason_says_how_somebody_was_found(void **state)
{
	assert_true(owner_reason(&(struct owner_found){.target = &dora}) == REASON_PERSON);
	assert_true(owner_reason(&(struct owner_found){.target = &dora, .instead_of = &people[0]}) == REASON_DEPUTY);
	assert_true(owner_reason(&(struct owner_found){.target = &lookup_account}) == REASON_LOOKUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_lookup_finds_whom_the_table_names, setup, teardown),
		cmocka_unit_test_setup_teardown(from_takes_an_id_or_an_address_and_only_known_people, setup, teardown),
		cmocka_unit_test_setup_teardown(the_team_member_with_least_to_do_is_chosen_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(turns_go_round, setup, teardown),
		cmocka_unit_test_setup_teardown(the_manager_is_the_owners, setup, teardown),
		cmocka_unit_test_setup_teardown(everyone_of_a_team_is_told, setup, teardown),
		cmocka_unit_test(the_reason_says_how_somebody_was_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
