/*
 * The Mustache engine: cases as data (the json files of tests/unit/data/template in the shape of the official spec, and
 * the official spec itself where it lies beside the tree), then escaping, diagnostics and caps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "template/template.h"

#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static const char *const everything[] = {"*", NULL};

static int partial_from_object(void *arg, const char *name, const char **ret_text)
{
	const char *text = json_string_value(json_object_get(arg, name));

	if (!text)
		return -ENOENT;
	*ret_text = text;
	return 0;
}

/* Renders text with context as `escape`; returns malloc'd output, or the diagnostics when it doesn't compile. */
static char *rendered(const char *text, json_t *context, json_t *partials, enum template_escape escape,
		      const char *const *trusted)
{
	struct template_options options = {
		.escape = escape, .trusted = trusted, .partial = partial_from_object, .partial_arg = partials};
	CLEANUP(diag_list_freep) struct diag_list *diags = diag_list_new();
	CLEANUP(template_freep) struct template *t = NULL;
	struct buf out = BUF_INIT(1 << 22);
	int r = template_new("case.txt", text, &options, diags, &t);

	if (r == TEMPLATE_E_INVALID)
		diag_print(diags, &out);
	else if (r == 0 && (r = template_render(t, context, &out)) != 0)
		buf_printf(&out, "render: %s", strerror(-r));
	return buf_take(&out);
}

static void run_case(const char *file, json_t *c)
{
	const char *expected = json_string_value(json_object_get(c, "expected"));
	const char *kind = json_string_value(json_object_get(c, "escape"));
	enum template_escape escape = ESCAPE_HTML;
	char *got;

	if (kind)
		assert_int_equal(template_escape_of(kind, &escape), 0);
	got = rendered(json_string_value(json_object_get(c, "template")), json_object_get(c, "data"),
		       json_object_get(c, "partials"), escape,
		       json_is_false(json_object_get(c, "trusted")) ? NULL : everything);
	if (strcmp(got, expected) != 0)
		fail_msg("%s: %s\n got: %s\nwant: %s", file, json_string_value(json_object_get(c, "name")), got, expected);
	free(got);
}

/* Runs every file of a pattern; the number of cases seen. */
static size_t run_files(const char *pattern)
{
	glob_t found = {0};
	size_t n = 0;

	if (glob(pattern, 0, NULL, &found) == 0)
		for (size_t i = 0; i < found.gl_pathc; i++) {
			json_error_t error;
			json_t *doc = json_load_file(found.gl_pathv[i], 0, &error), *c;
			size_t k;

			if (!doc)
				fail_msg("%s:%d: %s", found.gl_pathv[i], error.line, error.text);
			json_array_foreach(json_object_get(doc, "tests"), k, c)
			{
				run_case(found.gl_pathv[i], c);
				n++;
			}
			json_decref(doc);
		}
	globfree(&found);
	return n;
}

static const char *source_root(void)
{
	const char *root = getenv("CLOSELOOP_SOURCE_ROOT");

	return root ? root : ".";
}

static void test_own_cases(void **state)
{
	char pattern[512];

	snprintf(pattern, sizeof(pattern), "%s/tests/unit/data/template/*.json", source_root());
	assert_true(run_files(pattern) >= 60);
}

static void test_official_spec(void **state)
{
	const char *folder = getenv("CLOSELOOP_MUSTACHE_SPEC");
	char pattern[512];
	size_t n;

	if (folder)
		snprintf(pattern, sizeof(pattern), "%s/*.json", folder);
	else
		snprintf(pattern, sizeof(pattern), "%s/../shared/data/mustache/*.json", source_root());
	n = run_files(pattern);
	if (n == 0)
		skip();
	assert_true(n >= 130);
}

static char *rendered_json(const char *text, const char *context, const char *ending)
{
	json_t *data = json_loads(context, 0, NULL);
	enum template_escape escape;
	char *out;

	assert_non_null(data);
	assert_int_equal(template_escape_of(ending, &escape), 0);
	out = rendered(text, data, NULL, escape, NULL);
	json_decref(data);
	return out;
}

static void assert_rendered(const char *text, const char *context, const char *ending, const char *want)
{
	char *got = rendered_json(text, context, ending);

	assert_string_equal(got, want);
	free(got);
}

static void test_output_is_always_valid_utf8(void **state)
{
	static const char *const endings[] = {"a.html", "a.json", "a.txt", "a.mrkdwn"};

	for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
		enum template_escape escape;
		/* A lone lead byte, an overlong slash, a surrogate, a byte beyond the last plane. */
		json_t *data = json_pack("{s:o}", "x", json_stringn_nocheck("a\xc3|\xc0\xaf|\xed\xa0\x80|\xf5z", 12));
		char *got;

		assert_int_equal(template_escape_of(endings[i], &escape), 0);
		got = rendered("{{x}}", data, NULL, escape, NULL);
		assert_string_equal(
			got, "a\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd|\xef\xbf\xbdz");
		free(got);
		json_decref(data);
	}
}

static void test_json_output_reads_back(void **state)
{
	json_t *data = json_pack("{s:s}", "x", "\"\\\b\f\n\r\t\x01\x7f</script>\xe2\x80\xa8 \xed\x95\x9c \xf0\x9f\x98\x80");
	char *got = rendered("\"{{x}}\"", data, NULL, ESCAPE_JSON, NULL);
	json_t *back = json_loads(got, JSON_DECODE_ANY, NULL);

	assert_true(json_equal(back, json_object_get(data, "x")));
	assert_null(strstr(got, "<"));
	json_decref(back);
	json_decref(data);
	free(got);
}

static void test_escape_of_file(void **state)
{
	enum template_escape e;

	assert_int_equal(template_escape_of("alert.ko.html", &e), 0);
	assert_int_equal(e, ESCAPE_HTML);
	assert_int_equal(template_escape_of("a/b.json.mustache", &e), 0);
	assert_int_equal(e, ESCAPE_JSON);
	assert_int_equal(template_escape_of("slack.mrkdwn", &e), 0);
	assert_int_equal(e, ESCAPE_MRKDWN);
	assert_int_equal(template_escape_of("a.txt", &e), 0);
	assert_int_equal(e, ESCAPE_TEXT);
	assert_int_equal(template_escape_of("a.md", &e), -EINVAL);
	assert_int_equal(template_escape_of(".html", &e), -EINVAL);
	assert_int_equal(template_escape_of(".mustache", &e), -EINVAL);
}

static void test_trusted_names_only(void **state)
{
	static const char *const trusted[] = {"style", NULL};
	json_t *data = json_pack("{s:s,s:s}", "style", "a > b", "comment", "<script>");
	char *got = rendered("{{{style}}} {{& style }} {{comment}}", data, NULL, ESCAPE_HTML, trusted);

	assert_string_equal(got, "a > b a > b &lt;script&gt;");
	free(got);
	got = rendered("first\n  {{{ comment }}}", data, NULL, ESCAPE_HTML, trusted);
	assert_non_null(strstr(got, "case.txt:2: '{{{ comment }}}' would put 'comment' out unescaped"));
	assert_non_null(strstr(got, "write: {{comment}}"));
	free(got);
	got = rendered("{{=<< >>=}}<<&comment>>", data, NULL, ESCAPE_TEXT, NULL);
	assert_non_null(strstr(got, "case.txt:1: '<<&comment>>' would put"));
	free(got);
	json_decref(data);
}

static void test_every_mistake_is_told(void **state)
{
	json_t *partials = json_pack("{s:s,s:s}", "a", "ok\n{{#open}}", "b", "{{{raw}}}");
	char *got = rendered("{{>a}}{{>b}}{{/never}}", NULL, partials, ESCAPE_TEXT, NULL);

	assert_non_null(strstr(got, "a:2: section 'open' is never closed"));
	assert_non_null(strstr(got, "b:1: "));
	assert_non_null(strstr(got, "case.txt:1: '{{/never}}' closes a section that was never opened"));
	free(got);
	json_decref(partials);
}

static void test_column_of_a_mistake(void **state)
{
	CLEANUP(diag_list_freep) struct diag_list *diags = diag_list_new();
	struct template_options options = {.escape = ESCAPE_TEXT};
	struct template *t = NULL;

	assert_int_equal(template_new("x.txt", "one\ntwo {{#three}} four\n", &options, diags, &t), TEMPLATE_E_INVALID);
	assert_null(t);
	assert_int_equal(diags->n, 1);
	assert_int_equal(diags->items[0].pos.line, 2);
	assert_int_equal(diags->items[0].column, 4);
	assert_int_equal(diags->items[0].length, strlen("{{#three}}"));
	assert_string_equal(diags->items[0].excerpt, "two {{#three}} four");
}

/* A partial that uses itself is fine as long as the data ends; endless, it is stopped. */
static void test_depth_caps(void **state)
{
	json_t *partials = json_pack("{s:s,s:s}", "self", "x{{>self}}", "wide", "{{#a}}{{>wide}}{{/a}}");
	json_t *data = json_pack("{s:b}", "a", 1);
	char *got = rendered("{{>self}}", data, partials, ESCAPE_TEXT, NULL);
	struct buf deep = BUF_INIT(1 << 16);

	assert_string_equal(got + strspn(got, "x"), "render: Too many levels of symbolic links");
	free(got);
	got = rendered("{{>wide}}", data, partials, ESCAPE_TEXT, NULL);
	assert_string_equal(got, "render: Too many levels of symbolic links");
	free(got);
	for (int n = TEMPLATE_DEPTH_MAX; n <= TEMPLATE_DEPTH_MAX + 1; n++) {
		buf_reset(&deep);
		for (int i = 0; i < n; i++)
			buf_puts(&deep, "{{#a}}");
		buf_puts(&deep, "y");
		for (int i = 0; i < n; i++)
			buf_puts(&deep, "{{/a}}");
		got = rendered(buf_str(&deep), data, NULL, ESCAPE_TEXT, NULL);
		if (n == TEMPLATE_DEPTH_MAX)
			assert_string_equal(got, "y");
		else
			assert_non_null(strstr(got, "case.txt:1: sections nest deeper than 32"));
		free(got);
	}
	buf_fini(&deep);
	json_decref(partials);
	json_decref(data);
}

static void test_size_caps(void **state)
{
	CLEANUP(diag_list_freep) struct diag_list *diags = diag_list_new();
	CLEANUP(template_freep) struct template *t = NULL;
	struct template_options options = {.escape = ESCAPE_TEXT};
	char *large = xmalloc(TEMPLATE_BYTES_MAX + 2);
	struct buf out = BUF_INIT(100);
	json_t *data = json_loads("{\"l\":[1,2,3,4,5,6,7,8,9,10,11]}", 0, NULL);

	memset(large, 'x', TEMPLATE_BYTES_MAX + 1);
	large[TEMPLATE_BYTES_MAX + 1] = '\0';
	assert_int_equal(template_new("x.txt", large, &options, diags, &t), TEMPLATE_E_INVALID);
	free(large);
	assert_int_equal(template_new("x.txt", "{{#l}}0123456789{{/l}}", &options, diags, &t), 0);
	assert_int_equal(template_render(t, data, &out), -EMSGSIZE);
	json_decref(data);
	buf_fini(&out);
}

static void collect(void *arg, const char *path, const char *name)
{
	buf_printf(arg, "%s:%s ", path, name);
}

static void test_names(void **state)
{
	CLEANUP(diag_list_freep) struct diag_list *diags = diag_list_new();
	CLEANUP(template_freep) struct template *t = NULL;
	json_t *partials = json_pack("{s:s}", "p", "{{#in}}{{.}}{{/in}}");
	struct template_options options = {.escape = ESCAPE_TEXT, .partial = partial_from_object, .partial_arg = partials};
	struct buf out = BUF_INIT(1000);

	assert_int_equal(template_new("x.txt", "{{a.b}}{{^c}}{{d}}{{/c}}{{>p}}", &options, diags, &t), 0);
	template_names(t, collect, &out);
	assert_string_equal(buf_str(&out), "x.txt:a.b x.txt:c x.txt:d p:in ");
	json_decref(partials);
	buf_fini(&out);
}

static void test_numbers(void **state)
{
	assert_rendered("{{a}} {{b}} {{c}} {{d}} {{e}}",
			"{\"a\": 0, \"b\": -9223372036854775808, \"c\": 3.0, \"d\": 0.1, \"e\": 0.30000000000000004}", "x.txt",
			"0 -9223372036854775808 3 0.1 0.30000000000000004");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_own_cases),
		cmocka_unit_test(test_official_spec),
		cmocka_unit_test(test_output_is_always_valid_utf8),
		cmocka_unit_test(test_json_output_reads_back),
		cmocka_unit_test(test_escape_of_file),
		cmocka_unit_test(test_trusted_names_only),
		cmocka_unit_test(test_every_mistake_is_told),
		cmocka_unit_test(test_column_of_a_mistake),
		cmocka_unit_test(test_depth_caps),
		cmocka_unit_test(test_size_caps),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
