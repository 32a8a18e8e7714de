/*
 * What can be read of a configuration as text: where the database is of a broken one, and an outline of a good one.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "settings/outline.h"
#include "settings/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char example[] =
	"timezone = \"Asia/Seoul\"; # a comment\n"
	"database: { conninfo = \"dbname=x\"; };\n"
	"email: { url = \"smtp://localhost\"; tls = \"off\"; from = \"a@example.com\"; };\n"
	"http: { public_url = \"\"; };\n"
	"webhooks: { crm: { url = \"http://localhost:9/x\"; secret_file = \"hook\"; include = [ \"contact\" ]; }; };\n"
	"attributes: { plan = \"text\"; n: { type = \"number\"; show = true; label = \"Zahl\"; }; };\n"
	"scales: { q: { min = 1; max = 10.5; low_is = \"good\"; }; };\n"
	"labels = ( { for = \"touchpoint\"; value = \"x\"; en = \"X\"; }, { for = \"account\"; value = \"x\"; ko = \"엑스\"; } );\n"
	"people: { b: { name = \"B\"; email = \"b@example.com\"; quiet_hours = \"20:00-08:00\"; };\n"
	"          a: { name = \"A\"; email = \"a@example.com\"; language = \"de\"; }; };\n"
	"teams: { t: { members = [ \"a\", \"b\" ]; }; };\n"
	"cases: { max_age = \"30d\"; }; sources: { s: { settle = \"300s\"; }; };\n"
	"follow_ups: { f: { acknowledge_within = \"\"; escalate: { two: { when = \"unacknowledged\"; after = \"4h\"; to = \"manager\"; }; }; }; };\n"
	"routes: { r: { owner = [ \"from:attr.plan\", \"lookup:touchpoint+attr.n\", \"team:t\" ]; notify = [ \"webhook:crm\" ]; }; };\n"
	"defaults: { route = \"r\"; priority = \"low\"; };\n"
	"facts: { bad = \"nps   <=\\n 6\"; };\n"
	"rules: { one: { when = \"( bad  and comment contains 'a  b' )\"; priority = \"urgent\"; follow_up = \"f\"; };\n"
	"         two: { when = \"nps = 10\"; kind = \"praise\"; }; three: { when = \"nps = 5\"; }; };\n";

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(name, 0600), 0);
}

static int folder_setup(void **state)
{
	char *folder = xstrdup("/tmp/closeloop-test-XXXXXX");

	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int folder_teardown(void **state)
{
	remove("closeloop.conf");
	remove("hook");
	if (chdir("/") < 0 || rmdir(*state) < 0)
		return -1;
	free(*state);
	return 0;
}

/* Where the database is can be told of a file whatever else is wrong with it. */
static void test_salvaged_conninfo(void **state)
{
	static const struct {
		const char *text, *conninfo;
	} cases[] = {
		{"database: { conninfo = \"dbname=a\"; }; rules: { x: { when = \"npss = 1\"; }; };", "dbname=a"},
		{"rules: { x: { when = \"nps = 1\" \ndatabase = { listen_conninfo = \"\"; conninfo: \"dbname=\" \"b\" }",
		 "dbname=b"},
		{"rules: { x = \"nps = 1; };\ndatabase: { conninfo = \"dbname=c\"; };", ""}, /* swallowed by the open quote */
		{"}}} ; database: { conninfo = \"dbname=d\"; }; @include \"nothing.conf\"\n", "dbname=d"},
		{"/* database: { conninfo = \"no\"; }; */ # database: { conninfo = \"no\"; };\nx = ", ""},
		{"database: { conninfo = 7; }", ""},
		{"database: { conninfo = \"dbname=e", ""},
		{"rules: {", ""},
	};
	struct arena *arena = arena_new(0);
	const char *found = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		put_file("closeloop.conf", cases[i].text);
		assert_int_equal(settings_salvage_conninfo("closeloop.conf", arena, &found), 0);
		assert_string_equal(found, cases[i].conninfo);
	}
	assert_int_equal(remove("closeloop.conf"), 0);
	assert_int_equal(settings_salvage_conninfo("closeloop.conf", arena, &found), -ENOENT);
	arena_free(arena);
}

static const struct outline_item *outline_find(const struct outline *o, const char *section, const char *element,
					       const char *key)
{
	for (int i = 0; i < o->n; i++)
		if (str_eq(o->items[i].section, section) && str_eq(o->items[i].element, element) &&
		    str_eq(o->items[i].key, key))
			return &o->items[i];
	fail_msg("no %s %s %s", section, element, key);
	return NULL;
}

/* What a configuration says, by names: given or left out, in one way of writing. */
static void test_outline(void **state)
{
	static const struct {
		const char *section, *element, *key, *value;
		bool given;
	} cases[] = {
		{"", "", "timezone", "Asia/Seoul", true},
		{"", "", "urgent_per_hour", "30", false},
		{"http", "", "listen", "127.0.0.1:8480", false},
		{"webhooks", "crm", "include", "contact", true},
		{"webhooks", "crm", "connections", "4", false},
		{"attributes", "plan", "type", "text", true},
		{"attributes", "n", "label", "Zahl", true},
		{"scales", "q", "max", "10.5", true},
		{"labels", "touchpoint 'x'", "en", "X", true},
		{"people", "b", "quiet_hours", "20:00-08:00", true},
		{"teams", "t", "members", "a, b", true},
		{"cases", "", "max_age", "30d", true},
		{"cases", "", "merge_within", "1w", false},
		{"cases", "", "anonymous_ids", "'', 0, anonymous", false},
		{"sources", "s", "settle", "5m", true},
		{"follow_ups", "f", "acknowledge_within", "none", true},
		{"follow_ups", "f", "escalate.two.after", "4h", true},
		{"routes", "r", "owner", "from:attr.plan, lookup:touchpoint+attr.n, team:t", true},
		{"facts", "bad", "", "nps <= 6", true},
		{"rules", "one", "when", "(bad and comment contains 'a  b')", true},
		{"rules", "two", "priority", "(`defaults.priority`)", false},
		{"rules", "two", "kind", "praise", true},
	};
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct settings *s CLEANUP(settings_freep) = NULL, *loaded = NULL;
	struct arena *arena = arena_new(0);
	struct outline o;

	put_file("hook", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
	put_file("closeloop.conf", example);
	if (settings_load("closeloop.conf", diags, &loaded))
		fail_msg("%s", diag_first_error(diags));
	s = loaded;
	settings_outline(s, arena, &o);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const struct outline_item *it = outline_find(&o, cases[i].section, cases[i].element, cases[i].key);

		assert_string_equal(it->value, cases[i].value);
		assert_int_equal(it->given, cases[i].given);
	}
	assert_int_equal(outline_find(&o, "rules", "three", "when")->place, 2);
	for (int i = 0; i < o.n; i++)
		assert_string_not_equal(o.items[i].section, "database");
	arena_free(arena);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_setup, folder_teardown)
	const struct CMUnitTest tests[] = {
		IN_FOLDER(test_salvaged_conninfo),
		IN_FOLDER(test_outline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
