/*
 * Templates and words of one's own: what they replace, what is said about mistakes in them, and that an alert
 * goes out even when one of them fails.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_context.h"
#include "channel/mail_sample.h"
#include "channel/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define DATE ((struct wall_time){INT64_C(1803951492) * US_PER_S})

static const struct settings plain_settings = {
	.email = {.set = true, .from_name = "Care", .from_address = "care@example.com", .from_domain = "example.com"}};

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s\nin: %s", part, text);
}

/* A folder for templates, removed by its teardown. */
struct folder {
	char *path;
	char files[8][100];
	int n;
};

static int folder_make(void **state)
{
	struct folder *f = xcalloc(1, sizeof(*f));

	f->path = xstrdup("/tmp/closeloop-templates-XXXXXX");
	*state = f;
	return mkdtemp(f->path) ? 0 : -1;
}

static int folder_remove(void **state)
{
	struct folder *f = *state;

	for (int i = 0; i < f->n; i++)
		if (unlink(f->files[i]) != 0)
			rmdir(f->files[i]);
	rmdir(f->path);
	free(f->path);
	free(f);
	return 0;
}

static void folder_put(struct folder *f, const char *name, const char *text)
{
	FILE *out;

	assert_true(f->n < (int)ARRAY_SIZE(f->files));
	snprintf(f->files[f->n], sizeof(f->files[0]), "%s/%s", f->path, name);
	out = fopen(f->files[f->n++], "w");
	assert_non_null(out);
	fputs(text, out);
	fclose(out);
}

/* Loads with the folder; what was said about it goes to said. */
static int folder_load(struct folder *f, struct buf *said, struct mail_templates **ret)
{
	CLEANUP(diag_list_freep) struct diag_list *diags = diag_list_new();
	struct settings s = plain_settings;
	int r;

	s.templates_dir = f->path;
	r = mail_templates_new(&s, diags, ret);
	diag_print(diags, said);
	return r;
}

static void test_own_words_and_templates(void **state)
{
	CLEANUP(mail_templates_freep) struct mail_templates *t = NULL;
	struct folder *f = *state;
	struct buf said = BUF_INIT(1 << 16);
	struct mail_sample s;
	struct mail_text m;
	bool fallback;

	folder_put(f, "words.ko.txt", "# ours\r\n\npriority.urgent = 아주 급함 \r\ntodo.call=전화 먼저: {{who}}\n");
	folder_put(f, "praise.de.txt", "Nur Deutsch: {{who}} {{>facts}}");
	folder_put(f, "praise.txt", "All: {{who}}");
	assert_int_equal(folder_load(f, &said, &t), 0);
	assert_string_equal(buf_str(&said), "");
	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_KO);
	assert_int_equal(mail_render(t, &plain_settings, &s.alert, &m, &fallback), 0);
	assert_has(m.subject, "[아주 급함] 한빛정밀 2/10");
	assert_has(m.text, "할 일: 전화 먼저: 한빛정밀 이서연 님\n");
	mail_text_fini(&m);
	mail_sample_fill(&s, MAIL_SAMPLE_PRAISE, LANGUAGE_DE);
	assert_int_equal(mail_render(t, &plain_settings, &s.alert, &m, &fallback), 0);
	assert_has(m.text, "Nur Deutsch: Seoyeon Lee, Hanbit Precision Bewertung: ");
	mail_text_fini(&m);
	mail_sample_fill(&s, MAIL_SAMPLE_PRAISE, LANGUAGE_EN);
	assert_int_equal(mail_render(t, &plain_settings, &s.alert, &m, &fallback), 0);
	assert_string_equal(m.text, "All: Seoyeon Lee, Hanbit Precision");
	mail_text_fini(&m);
	buf_fini(&said);
}

static void assert_refused(struct folder *f, const char *name, const char *text, int want_r, const char *want)
{
	CLEANUP(mail_templates_freep) struct mail_templates *t = NULL;
	struct buf said = BUF_INIT(1 << 16);

	folder_put(f, name, text);
	assert_int_equal(folder_load(f, &said, &t), want_r);
	assert_has(buf_str(&said), want);
	unlink(f->files[--f->n]);
	buf_fini(&said);
}

static void test_mistakes_in_own_files(void **state)
{
	struct folder *f = *state;

	assert_refused(f, "words.en.txt", "\ntodo.cal = x\n", RENDER_E_INVALID,
		       "words.en.txt:2: unknown word 'todo.cal', did you mean 'todo.call'?");
	assert_refused(f, "words.en.txt", "praise = a\npraise = b\n", RENDER_E_INVALID,
		       ":2: 'praise' is given twice in this file");
	assert_refused(f, "words.en.txt", "just text\n", RENDER_E_INVALID, ":1: expected NAME = TEXT");
	assert_refused(f, "words.en.txt", "\n\nnext = {{next_person\n", RENDER_E_INVALID,
		       ":3: this tag is never closed: '}}' is missing");
	assert_refused(f, "words.en.txt", "\nnext = {{next_persn}}\n", 0,
		       ":2: warning: 'next_persn' is never filled in, did you mean 'next_person'?");
	assert_refused(f, "alert.ko.html", "{{{comment}}}", RENDER_E_INVALID,
		       "/alert.ko.html:1: '{{{comment}}}' would put 'comment' out unescaped");
	assert_refused(f, "alert.txt", "{{coment}}{{who}}", 0,
		       "/alert.txt: warning: 'coment' is never filled in, did you mean 'comment'?");
	assert_refused(f, "alert.txt", "{{>nowhere}}x", RENDER_E_INVALID, "there is no partial 'nowhere.txt'");
	assert_refused(f, "alert.txt", "{{>../secret}}x", RENDER_E_INVALID, "there is no partial '../secret.txt'");
	assert_refused(f, "alert.txt", "{{>alert}}", RENDER_E_INVALID, "its sections or partials go round for ever");
	assert_refused(f, "alert.txt", "{{^lang}}x{{/lang}}", RENDER_E_INVALID, "nothing comes out");
	assert_refused(f, "digest.html", "{{^title}}x{{/title}}", RENDER_E_INVALID, "digest.html (en) can't be rendered");
	assert_refused(f, "operator.ko.txt", "{{#comands}}{{.}}{{/comands}}x", 0,
		       "warning: 'comands' is never filled in, did you mean 'commands'?");
	assert_refused(f, "alert.txt", "bad \xff", RENDER_E_INVALID, "/alert.txt: not UTF-8 text");
}

static void test_a_folder_instead_of_a_file(void **state)
{
	CLEANUP(mail_templates_freep) struct mail_templates *t = NULL;
	struct folder *f = *state;
	struct buf said = BUF_INIT(1 << 16);

	snprintf(f->files[f->n], sizeof(f->files[0]), "%s/alert.txt", f->path);
	assert_int_equal(mkdir(f->files[f->n++], 0700), 0);
	assert_int_equal(folder_load(f, &said, &t), RENDER_E_INVALID);
	assert_has(buf_str(&said), "/alert.txt: not a plain file");
	buf_fini(&said);
}

/* The samples have no mail address, so this one shows its mistake only later: the alert still goes out. */
static void test_fallback(void **state)
{
	CLEANUP(mail_templates_freep) struct mail_templates *t = NULL;
	struct folder *f = *state;
	struct buf said = BUF_INIT(1 << 16), out = BUF_INIT(1 << 16);
	struct mail_sample s;
	struct mail_text m;
	bool fallback = false;

	folder_put(f, "alert.html", "{{#email}}{{>alert}}{{/email}}x");
	assert_int_equal(folder_load(f, &said, &t), 0);
	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
	s.response.customer_email = "a@example.com";
	s.response.customer_name = "A {{b}} \x1b[1m";
	assert_int_equal(mail_render(t, &plain_settings, &s.alert, &m, &fallback), 0);
	assert_true(fallback);
	assert_null(m.html);
	assert_string_equal(m.text, "Urgent · A {{b}} [1m, Hanbit Precision · would recommend: 2/10 · Installation · C-812\n"
				    "Acknowledge by 14:40 today, solve by Thu 4 Mar 10:40.\n"
				    "closeloop case ack C-812\n"
				    "closeloop case show C-812\n");
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &out), 0);
	assert_has(buf_str(&out), "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n");
	mail_text_fini(&m);
	buf_fini(&said);
	buf_fini(&out);
}

/* The same for what isn't about one case. */
static void test_digest_and_operator_templates(void **state)
{
	static const char twice[] = "{{#redirect}}{{>%s}}{{/redirect}}ours";
	CLEANUP(mail_templates_freep) struct mail_templates *t = NULL;
	struct folder *f = *state;
	struct buf said = BUF_INIT(1 << 16);
	struct operator_news news;
	struct digest_sample s;
	struct mail_text m;
	bool fallback = true;
	char text[100];

	snprintf(text, sizeof(text), twice, "digest");
	folder_put(f, "digest.txt", text);
	snprintf(text, sizeof(text), twice, "operator");
	folder_put(f, "operator.html", text);
	assert_int_equal(folder_load(f, &said, &t), 0);
	digest_sample_fill(&s, DIGEST_DUE, LANGUAGE_EN);
	assert_int_equal(digest_render(t, &plain_settings, &s.digest, &m, &fallback), 0);
	assert_false(fallback);
	assert_string_equal(m.text, "ours");
	mail_text_fini(&m);
	/* The samples are not redirected, so this shows only now; the mail still goes out, as plain text. */
	s.digest.redirected_from = "a@example.com";
	assert_int_equal(digest_render(t, &plain_settings, &s.digest, &m, &fallback), 0);
	assert_true(fallback);
	assert_null(m.html);
	assert_has(m.text, "a@example.com");
	assert_has(m.text,
		   "\n4 customers are waiting\n 1/10 Daelim Mold · Escalated to you · not acknowledged, overdue by 1 h · "
		   "C-815\n");
	mail_text_fini(&m);
	operator_sample_fill(&news, OPERATOR_ENDPOINT_DISABLED, LANGUAGE_EN);
	news.redirected_from = "a@example.com";
	assert_int_equal(operator_render(t, &plain_settings, &news, &m, &fallback), 0);
	assert_true(fallback);
	assert_has(m.text, "\ncrm is switched off\n");
	assert_has(m.text, "\ncloseloop endpoint enable crm\n");
	mail_text_fini(&m);
	buf_fini(&said);
}

/* The manual names what a template may use. */
static void test_manual_names_everything(void **state)
{
	const char *root = getenv("CLOSELOOP_SOURCE_ROOT");
	char path[512], quoted[80], *text = xcalloc(1, 1 << 18);
	FILE *in;

	snprintf(path, sizeof(path), "%s/docs/mail-templates.md", root ? root : ".");
	in = fopen(path, "r");
	assert_non_null(in);
	assert_true(fread(text, 1, (1 << 18) - 1, in) > 1000);
	fclose(in);
	for (const char *const *n = mail_context_names; *n; n++) {
		snprintf(quoted, sizeof(quoted), "`%s`", *n);
		if (!strstr(text, quoted))
			fail_msg("docs/mail-templates.md says nothing about `%s`", *n);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own_words_and_templates, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_mistakes_in_own_files, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_a_folder_instead_of_a_file, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_fallback, folder_make, folder_remove),
		cmocka_unit_test_setup_teardown(test_digest_and_operator_templates, folder_make, folder_remove),
		cmocka_unit_test(test_manual_names_everything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
