/*
 * The manual and the example configuration stay in step with the table of settings.
 *
 * docs/configuration.md has, under a heading with the name of each section, one row per key that begins with the key,
 * what is expected and the default as the table has them, and no other rows. conf/ names every key; it loads as it is
 * shipped, and with every commented setting ("#name", no space) switched on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "settings/load.h"
#include "settings/settings.h"
#include "settings/tests_inner.h"

#include <ctype.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEXT_BYTES_MAX (1 << 20)

static char *slurp(const char *name)
{
	char *path CLEANUP(freep) = NULL, *text = xcalloc(1, TEXT_BYTES_MAX);
	FILE *f;

	assert_true(asprintf(&path, "%s/%s", getenv("CLOSELOOP_SOURCE_ROOT"), name) > 0);
	f = fopen(path, "r");
	if (!f)
		fail_msg("%s is missing", path);
	assert_true(fread(text, 1, TEXT_BYTES_MAX - 1, f) > 0);
	fclose(f);
	return text;
}

static void put_file(const char *name, const char *text)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0 && chmod(name, 0600) == 0);
}

static bool needs_quotes(const struct key *k)
{
	return k->type->shape == SHAPE_TEXT || k->type->shape == SHAPE_ANY;
}

/* The row a key must have: up to its meaning. */
static void row_words(const struct key *k, struct buf *out)
{
	struct buf expected CLEANUP(buf_fini) = BUF_INIT(4096);

	buf_printf(out, "| `%s` | ", k->name);
	key_expected(k, &expected);
	for (const char *p = buf_str(&expected); *p; p++)
		buf_puts(out, *p == '<' ? "&lt;" : (char[2]){*p, '\0'}); /* Markdown */
	buf_puts(out, " | ");
	if (k->required)
		buf_puts(out, "required");
	else if (k->otherwise)
		buf_puts(out, k->otherwise);
	else if (k->fallback && needs_quotes(k))
		buf_printf(out, "`\"%s\"`", k->fallback);
	else if (k->fallback)
		buf_printf(out, "`%s`", k->fallback);
	else
		buf_puts(out, "none");
	buf_puts(out, " | ");
}

struct manual {
	char *text;
	int wrong;
};

/* The part of the manual under a section's heading. */
static char *manual_part(const struct manual *m, const struct section *s)
{
	char heading[100];
	const char *from, *to;

	snprintf(heading, sizeof(heading), "\n## %s\n", s->name[0] ? s->name : "Global settings");
	from = strstr(m->text, heading);
	if (!from)
		return NULL;
	from += strlen(heading) - 1;
	to = strstr(from, "\n## ");
	return strndup(from, to ? (size_t)(to - from) : strlen(from));
}

static void check_section(void *arg, const struct section *s)
{
	struct manual *m = arg;
	char *part CLEANUP(freep) = manual_part(m, s);
	int rows = 0;

	for (int i = 0; i < s->n_keys; i++) {
		struct buf row CLEANUP(buf_fini) = BUF_INIT(4096);

		buf_putc(&row, '\n');
		row_words(&s->keys[i], &row);
		if (!part || !strstr(part, buf_str(&row))) {
			print_error("docs/configuration.md, %s: expected%s\n", s->name, buf_str(&row));
			m->wrong++;
		}
	}
	for (const char *p = part; p && (p = strstr(p, "\n| `")); p++)
		rows++;
	if (rows != s->n_keys) {
		print_error("docs/configuration.md, %s: %d rows for %d keys\n", s->name, rows, s->n_keys);
		m->wrong++;
	}
}

static void test_manual(void **state)
{
	struct manual m = {.text = slurp("docs/configuration.md")};

	settings_sections(check_section, &m);
	free(m.text);
	assert_int_equal(m.wrong, 0);
}

/* docs/rules.md names every key of a file of tests. */
static void check_test_keys(void *arg, const struct section *s)
{
	struct manual *m = arg;

	for (int i = 0; i < s->n_keys; i++) {
		char key[100];

		snprintf(key, sizeof(key), "`%s`", s->keys[i].name);
		if (!strstr(m->text, key)) {
			print_error("docs/rules.md: %s of %s is nowhere explained\n", key, s->name[0] ? s->name : "the file");
			m->wrong++;
		}
	}
}

static void test_guide(void **state)
{
	struct manual m = {.text = slurp("docs/rules.md")};

	sections_visit(&tests_root, check_test_keys, &m);
	free(m.text);
	assert_int_equal(m.wrong, 0);
}

struct example {
	const char *text;
	int missing;
};

static bool names_key(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *p = text; (p = strstr(p, name)); p += n) {
		bool starts = p == text || !(isalnum((unsigned char)p[-1]) || p[-1] == '_');
		const char *after = p + n + strspn(p + n, " ");

		if (starts && (*after == '=' || *after == ':'))
			return true;
	}
	return false;
}

static void check_example(void *arg, const struct section *s)
{
	struct example *e = arg;

	for (int i = 0; i < s->n_keys; i++)
		if (!names_key(e->text, s->keys[i].name)) {
			print_error("conf/: %s%s%s is nowhere shown\n", s->name, s->name[0] ? "." : "", s->keys[i].name);
			e->missing++;
		}
}

/* "#name" at the start of a line → " name"; "# words" stays. */
static void switch_on(char *text)
{
	for (char *line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL)
		if (line[0] == '#' && line[1] != ' ' && line[1] != '\n' && strncmp(line + 1, "\t#", 2) != 0)
			line[0] = ' ';
}

static int load_both(const char *main_text, const char *rules_text)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct settings *s CLEANUP(settings_freep) = NULL;
	struct buf printed CLEANUP(buf_fini) = BUF_INIT(TEXT_BYTES_MAX);
	int r;

	put_file("closeloop.conf", main_text);
	put_file("rules.conf", rules_text);
	r = settings_load("closeloop.conf", diags, &s);
	diag_print(diags, &printed);
	if (r != 0 || diags->warnings)
		print_error("%s", buf_str(&printed));
	return r == 0 ? diags->warnings : -1;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

static int folder_setup(void **state)
{
	char *folder = xstrdup("/tmp/closeloop-conf-XXXXXX");

	*state = folder;
	return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int folder_teardown(void **state)
{
	int r = chdir("/") == 0 ? nftw(*state, remove_one, 16, FTW_DEPTH | FTW_PHYS) : -1;

	free(*state);
	return r;
}

static void test_example(void **state)
{
	char *main_text CLEANUP(freep) = slurp("conf/closeloop.conf");
	char *rules_text CLEANUP(freep) = slurp("conf/rules.conf");
	char *both CLEANUP(freep) = NULL;
	struct example e = {0};

	assert_int_equal(load_both(main_text, rules_text), 0);
	assert_true(asprintf(&both, "%s%s", main_text, rules_text) > 0);
	e.text = both;
	settings_sections(check_example, &e);
	assert_int_equal(e.missing, 0);
}

static void test_example_switched_on(void **state)
{
	static const char *const keys[] = {"link-key", "proxy-secret", "crm-token", "smtp-password"};
	char *main_text CLEANUP(freep) = slurp("conf/closeloop.conf");
	char *rules_text CLEANUP(freep) = slurp("conf/rules.conf");

	for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
		put_file(keys[i], "a-key-of-more-than-sixteen-characters\n");
	put_file("crm-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\n");
	put_file("cx-slack-url", "https://hooks.example.com/services/T000\n");
	put_file("mail-ca.pem", "");
	put_file("crm-ca.pem", "");
	put_file("holidays.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART;VALUE=DATE:20270101\nEND:VEVENT\nEND:VCALENDAR\n");
	assert_int_equal(mkdir("templates", 0755), 0);
	switch_on(main_text);
	switch_on(rules_text);
	assert_int_equal(load_both(main_text, rules_text), 0);
	/* It must differ from the file as shipped, or nothing was switched on. */
	assert_null(strstr(main_text, "#operators"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_manual),
		cmocka_unit_test(test_guide),
		cmocka_unit_test_setup_teardown(test_example, folder_setup, folder_teardown),
		cmocka_unit_test_setup_teardown(test_example_switched_on, folder_setup, folder_teardown),
	};

	if (!getenv("CLOSELOOP_SOURCE_ROOT"))
		return 77;
	unsetenv("CREDENTIALS_DIRECTORY");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
