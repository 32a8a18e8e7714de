/*
 * `test FILE…`: rule tests, without a database (only expected due times need one); see docs/rules.md.
 *
 *   files → tests (settings/tests.h) → what comes of each (test_outcome.c) → failures and, in the end, what was never tested
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/test.h"
#include "base/escape.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define PROGRESS_EVERY 500

const struct option rule_test_options[] = {
	{"--all", NULL, "name the tests that pass, too"},
	{0},
};

struct run {
	struct cli *c;
	struct test_file **files;
	int n_files;
	bool all, terminal;
	int columns;
	int n, done, passed;
	bool *was_true, *was_false; /* one for each rule */
	struct buf out;             /* text, or JSON objects with commas */
};

/* ---- files ---- */

static int load_files(struct run *r, const struct args *a)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	int bad = 0;

	r->files = arena_new_array(r->c->arena, struct test_file *, (size_t)a->n_words);
	for (int i = 0; i < a->n_words; i++) {
		struct test_file *f;

		if (tests_load(a->words[i], r->c->settings, diags, &f) == 0) {
			r->files[r->n_files++] = f;
			r->n += f->n_tests;
		} else {
			bad++;
		}
	}
	cli_print_diags(diags);
	if (bad)
		return cli_fail(EXIT_BAD_DATA, "no test was run: %d error%s in %d file%s", diags->errors,
				diags->errors == 1 ? "" : "s", bad, bad == 1 ? "" : "s");
	return 0;
}

/* ---- the tests ---- */

static void progress(const struct run *r)
{
	if (r->terminal && r->done % PROGRESS_EVERY == 0)
		fprintf(stderr, "\r%d of %d tests", r->done, r->n);
	if (r->terminal && r->done == r->n && r->n >= PROGRESS_EVERY)
		fputs("\r\033[K", stderr);
}

static void note_results(struct run *r, const struct test_outcome *o)
{
	for (int i = 0; i < r->c->settings->n_rules; i++) {
		r->was_true[i] |= o->trace.verdict.results[i] == TRI_TRUE;
		r->was_false[i] |= o->trace.verdict.results[i] == TRI_FALSE;
	}
}

static void put_outcome(struct run *r, const struct test_file *f, const struct test_outcome *o)
{
	if (r->c->json) {
		if (r->done)
			buf_putc(&r->out, ',');
		test_put_json(f, o, &r->out);
	} else if (o->n_differences) {
		test_put(f, o, r->columns, &r->out);
	} else if (r->all) {
		buf_printf(&r->out, "ok   %s\n", o->test->id);
	}
}

static void put_count(struct buf *out, int passed, int n)
{
	if (passed == n)
		buf_printf(out, "%d test%s passed\n", n, n == 1 ? "" : "s");
	else
		buf_printf(out, "%d of %d tests failed\n", n - passed, n);
}

static int run_file(struct run *r, const struct test_file *f)
{
	struct arena *arena CLEANUP(arena_freep) = arena_new(0);
	struct test_bench bench;
	int passed = 0, e = test_bench_init(&bench, r->c, f);

	for (int i = 0; i < f->n_tests && e == 0; i++) {
		struct test_outcome o;

		arena_reset(arena);
		e = test_outcome(&bench, &f->tests[i], arena, &o);
		if (e)
			break;
		note_results(r, &o);
		put_outcome(r, f, &o);
		passed += o.n_differences == 0;
		r->done++;
		progress(r);
	}
	test_bench_fini(&bench);
	r->passed += passed;
	if (e == 0 && !r->c->json) {
		escape_terminal(&r->out, f->path, strlen(f->path));
		buf_puts(&r->out, ": ");
		put_count(&r->out, passed, f->n_tests);
	}
	return e;
}

/* ---- the end ---- */

/* Rules that no test made so, one line, wrapped. */
static void put_untested(const struct run *r, const char *what, const bool *was)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	const struct settings *s = r->c->settings;

	for (int i = 0; i < s->n_rules; i++)
		if (!was[i])
			buf_printf(&out, "%s%s", out.n ? ", " : what, s->rules[i].id);
	if (out.n)
		text_put_wrapped((struct buf *)&r->out, buf_str(&out), r->columns, 0);
}

static void put_untested_json(const struct run *r, const char *name, const bool *was, struct buf *out)
{
	const struct settings *s = r->c->settings;
	bool first = true;

	buf_printf(out, ",\"%s\":[", name);
	for (int i = 0; i < s->n_rules; i++)
		if (!was[i]) {
			buf_puts(out, first ? "" : ",");
			json_put_string(out, s->rules[i].id);
			first = false;
		}
	buf_putc(out, ']');
}

static void print_json(struct run *r)
{
	struct buf json CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
			out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);

	buf_puts(&json, "{\"ruleset\":");
	json_put_string(&json, r->c->settings->sha256);
	buf_printf(&json, ",\"passed\":%d,\"failed\":%d,\"tests\":[%s]", r->passed, r->done - r->passed, buf_str(&r->out));
	put_untested_json(r, "never_true", r->was_true, &json);
	put_untested_json(r, "never_false", r->was_false, &json);
	buf_putc(&json, '}');
	text_put_json(&out, buf_str(&json), json.n);
	buf_putc(&out, '\n');
	cli_print(r->c, &out);
}

static void print_text(struct run *r)
{
	if (r->n_files > 1) {
		buf_puts(&r->out, "all: ");
		put_count(&r->out, r->passed, r->done);
	}
	put_untested(r, "no test makes true: ", r->was_true);
	put_untested(r, "no test makes false: ", r->was_false);
	cli_print(r->c, &r->out);
}

static int run_files(struct run *r)
{
	size_t rules = (size_t)r->c->settings->n_rules;
	int e = 0;

	r->was_true = arena_new_array(r->c->arena, bool, rules);
	r->was_false = arena_new_array(r->c->arena, bool, rules);
	for (int i = 0; i < r->n_files && e == 0; i++)
		e = run_file(r, r->files[i]);
	if (e)
		return e;
	if (r->c->json)
		print_json(r);
	else
		print_text(r);
	return r->passed == r->done ? EXIT_DONE : EXIT_NO;
}

int rule_test_run(struct cli *c, const struct args *a)
{
	struct run r = {
		.c = c,
		.all = args_has(a, "--all"),
		.terminal = isatty(STDERR_FILENO),
		.columns = text_terminal_columns(),
		.out = BUF_INIT(CLI_OUTPUT_BYTES_MAX),
	};
	int e = cli_settings(c);

	if (e == 0)
		e = load_files(&r, a);
	if (e == 0)
		e = run_files(&r);
	for (int i = 0; i < r.n_files; i++)
		tests_free(r.files[i]);
	buf_fini(&r.out);
	return e;
}
