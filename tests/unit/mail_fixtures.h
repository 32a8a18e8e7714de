/*
 * What tests of mails share: the built-in templates, and looking for parts of a text.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_MAIL_FIXTURES_H
#define TESTS_MAIL_FIXTURES_H

#include "channel/mail_sample.h"
#include "channel/mail_text.h"
#include "channel/render.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DATE ((struct wall_time){INT64_C(1803951492) * US_PER_S})
#define EVIL "x\r\nBcc: evil@example.net\r\n\r\n<script>alert(1)</script> \u202etxt \"'& {{comment}}"

static const struct settings plain_settings = {
	.email = {.set = true, .from_name = "Care", .from_address = "care@example.com", .from_domain = "example.com"}};
static struct mail_templates *built_in;

static int load_built_in(void **state)
{
	struct diag_list *diags = diag_list_new();
	struct buf said = BUF_INIT(1 << 16);
	int r = mail_templates_new(&plain_settings, diags, &built_in);

	diag_print(diags, &said);
	fputs(buf_str(&said), stderr);
	r = r != 0 || diags->n > 0;
	buf_fini(&said);
	diag_list_free(diags);
	return r;
}

static int free_built_in(void **state)
{
	built_in = mail_templates_free(built_in);
	return 0;
}

static UNUSED void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s\nin: %s", part, text);
}

static UNUSED void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("not wanted: %s\nin: %s", part, text);
}

static UNUSED void assert_begins(const char *text, const char *want)
{
	if (strncmp(text, want, strlen(want)) != 0)
		fail_msg("want: %s\n got: %s", want, text);
}

/* Whole sentences, nothing left to fill in, nothing empty. */
static UNUSED void assert_well_formed(const struct mail_text *m)
{
	static const char *const bad[] = {"{{",  "()",   " .",  " ,", ":\n\n", " \n", "\n\n\n",
					  "· ·", "  님", ". .", "..", "· \n",  "““",  "null"};
	const char *const texts[] = {m->subject, m->text};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
		for (size_t k = 0; k < ARRAY_SIZE(bad); k++)
			assert_has_not(texts[i], bad[k]);
	assert_has_not(m->html, "{{");
	assert_true(m->text[0] != '\n');
}

/* Only the header: in the body a customer may write what they like. */
static UNUSED void assert_no_header(const struct buf *message, const char *name)
{
	const char *end = strstr(buf_str(message), "\r\n\r\n");

	assert_non_null(end);
	for (const char *at = buf_str(message); (at = strstr(at, name)); at++)
		assert_true(at > end);
}

#endif
