/*
 * Several cases in one mail, and what operators are told.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mail_fixtures.h"

static struct mail_text digest_rendered(const struct digest *d)
{
	struct mail_text m;
	bool fallback = true;

	assert_int_equal(digest_render(built_in, &plain_settings, d, &m, &fallback), 0);
	assert_false(fallback);
	return m;
}

static struct mail_text operator_rendered(const struct operator_news *n)
{
	struct mail_text m;
	bool fallback = true;

	assert_int_equal(operator_render(built_in, &plain_settings, n, &m, &fallback), 0);
	assert_false(fallback);
	return m;
}

static void test_digest(void **state)
{
	struct digest_sample s;
	struct mail_text m;

	digest_sample_fill(&s, DIGEST_BUDGET, LANGUAGE_EN);
	m = digest_rendered(&s.digest);
	assert_string_equal(m.subject, "7 customers are waiting · 1 overdue · 2 due today");
	assert_string_equal(m.text, "7 customers are waiting · 1 overdue · 2 due today\n"
				    "Sent together because you had 10 alerts this hour. Each one is in your list.\n"
				    "\n"
				    " 1/10  Daelim Mold · Support\n"
				    "       C-815 · not acknowledged, overdue by 1 h · asked to be contacted\n"
				    "       “Third visit, same fault.”\n"
				    "\n"
				    " 3/10  Nordwerk · Delivery\n"
				    "       C-816 · acknowledge by 14:00 today\n"
				    "       “Came two weeks late and nobody said a word.”\n"
				    "\n"
				    " 4/10  Hanbit Precision · Support\n"
				    "       C-817 · solve by Thu 4 Mar 10:40\n"
				    "\n"
				    "10/10  Ostsee Marine · Delivery · Praise\n"
				    "       “Quick and friendly, thank you!”\n"
				    "\n"
				    "       and 4 more\n"
				    "\n"
				    "All your cases:\n"
				    "    closeloop case list --owner minsu-kim\n"
				    "\n"
				    "Replying to this mail reaches no customer.\n");
	assert_has(m.html, "mso-hide:all;\">First: Daelim Mold 1/10 · not acknowledged, overdue by 1 h · ");
	mail_text_fini(&m);
	s.digest.inbox_url = "https://feedback.example.com/i/x";
	s.lines[0].case_url = "https://feedback.example.com/c/x";
	m = digest_rendered(&s.digest);
	assert_has(m.text, "\n[ Open my cases ]\nhttps://feedback.example.com/i/x\n");
	assert_has(m.text, "\n       https://feedback.example.com/c/x\n");
	assert_has(m.html, "<a href=\"https://feedback.example.com/i/x\"");
	assert_has(m.html, "href=\"https://feedback.example.com/c/x\"");
	mail_text_fini(&m);
}

static void test_digest_titles(void **state)
{
	static const struct {
		int n_total, n_praise, overdue, today;
		enum digest_why why;
		const char *want[LANGUAGE_COUNT];
	} cases[] = {
		{7,
		 0,
		 0,
		 2,
		 DIGEST_QUIET,
		 {"7 customers are waiting · 2 due today", "고객 7분이 기다리고 있습니다 · 오늘 마감 2건",
		  "7 Kunden warten · 2 heute fällig"}},
		{1, 0, 0, 0, DIGEST_ASKED, {"1 customer is waiting", "고객 1분이 기다리고 있습니다", "1 Kunde wartet"}},
		{3, 2, 0, 0, DIGEST_QUIET, {"1 customer is waiting", "고객 1분이 기다리고 있습니다", "1 Kunde wartet"}},
		{2, 2, 0, 0, DIGEST_QUIET, {"2 customers are happy", "칭찬 2건이 들어왔습니다", "2-mal Lob ist eingegangen"}},
		{1, 1, 0, 0, DIGEST_QUIET, {"1 customer is happy", "칭찬 1건이 들어왔습니다", "1 Lob ist eingegangen"}},
		{5,
		 0,
		 2,
		 3,
		 DIGEST_MORNING,
		 {"Your cases today: 2 overdue · 3 due today", "오늘 챙기실 건: 기한 지남 2건 · 오늘 마감 3건",
		  "Ihre Fälle heute: 2 überfällig · 3 heute fällig"}},
		{3,
		 0,
		 0,
		 3,
		 DIGEST_MORNING,
		 {"Your cases today: 3 due today", "오늘 챙기실 건: 오늘 마감 3건", "Ihre Fälle heute: 3 heute fällig"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			struct digest_sample s;
			struct mail_text m;

			digest_sample_fill(&s, cases[i].why, (enum language)l);
			s.digest.n_lines = 1;
			s.digest.n_total = cases[i].n_total;
			s.digest.n_praise = cases[i].n_praise;
			s.digest.n_overdue = cases[i].overdue;
			s.digest.n_due_today = cases[i].today;
			m = digest_rendered(&s.digest);
			assert_string_equal(m.subject, cases[i].want[l]);
			assert_well_formed(&m);
			mail_text_fini(&m);
		}
}

static void test_digest_due(void **state)
{
	struct digest_sample s;
	struct mail_text m;

	digest_sample_fill(&s, DIGEST_DUE, LANGUAGE_EN);
	m = digest_rendered(&s.digest);
	assert_has(m.text, "\n 1/10  Daelim Mold · Support · Escalated to you\n"
			   "       C-815 · not acknowledged, overdue by 1 h · asked to be contacted · with Minsu Kim\n");
	assert_has(m.text, "\n 3/10  Nordwerk · Delivery · Reminder 1 of 3\n");
	assert_has(m.text, "\n 4/10  Hanbit Precision · Support · Time to solve it runs out\n");
	assert_has(m.text, "\nThese fell due together, so they come in one mail.\n");
	mail_text_fini(&m);
}

static int count_of(const char *text, const char *part)
{
	int n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

static void test_digest_hostile_and_long(void **state)
{
	struct digest_line *lines = calloc(10000, sizeof(*lines));
	struct buf out = BUF_INIT(4 << 20);
	struct digest_sample s;
	struct mail_text m;

	digest_sample_fill(&s, DIGEST_BUDGET, LANGUAGE_EN);
	for (int i = 0; i < 10000; i++) {
		lines[i] = s.lines[0];
		lines[i].case_id = 100000 + i;
		lines[i].account = i % 2 ? EVIL : NULL;
		lines[i].customer_name = EVIL;
		lines[i].touchpoint = lines[i].comment = lines[i].owner_name = EVIL;
		lines[i].is_owner = false;
	}
	s.digest.lines = lines;
	s.digest.n_lines = 10000;
	s.digest.n_total = 0;
	s.digest.n_praise = 0;
	s.digest.person_name = EVIL;
	m = digest_rendered(&s.digest);
	assert_begins(m.subject, "10000 customers are waiting");
	assert_int_equal(count_of(m.text, "\n       C-1"), DIGEST_LINES_MAX);
	assert_has(m.text, "\n       and 9950 more\n");
	assert_has_not(m.text, "\u202e");
	assert_has_not(m.text, "\nBcc:");
	assert_has_not(m.html, "<script>");
	/* Gmail cuts a mail off at 102 kB. */
	assert_true(strlen(m.html) < 100 * 1000);
	assert_int_equal(digest_message(&plain_settings, &s.digest, &m, DATE, &out), 0);
	assert_no_header(&out, "\nBcc:");
	assert_no_header(&out, "References:");
	assert_has(buf_str(&out), "Auto-Submitted: auto-generated\r\n");
	mail_text_fini(&m);
	s.digest.minimal = true;
	s.digest.n_lines = 1;
	lines[0].touchpoint = lines[0].owner_name = "Ida";
	m = digest_rendered(&s.digest);
	assert_has_not(m.text, "script");
	assert_has_not(m.html, "script");
	mail_text_fini(&m);
	buf_fini(&out);
	free(lines);
}

static void test_digest_without_anything(void **state)
{
	for (int why = 0; why <= DIGEST_MORNING; why++)
		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			const struct digest_line line = {.case_id = 5, .kind = ALERT_REMINDER, .is_owner = true};
			struct digest d = {.language = (enum language)l,
					   .why = (enum digest_why)why,
					   .lines = &line,
					   .n_lines = 1,
					   .person_address = "a@example.com"};
			struct mail_text m = digest_rendered(&d);

			assert_well_formed(&m);
			assert_has(m.text, "C-5");
			mail_text_fini(&m);
		}
}

static void test_digest_counts_who_waits(void **state)
{
	struct digest_sample s;
	struct mail_text m;

	digest_sample_fill(&s, DIGEST_QUIET, LANGUAGE_EN);
	s.digest.n_total = s.digest.n_praise = s.digest.n_overdue = s.digest.n_due_today = 0;
	s.lines[1].kind = ALERT_OUTCOME;
	m = digest_rendered(&s.digest);
	assert_string_equal(m.subject, "2 customers are waiting");
	assert_has(m.text, " · Answered again\n");
	mail_text_fini(&m);
	s.digest.lines = &s.lines[1];
	s.digest.n_lines = 1;
	m = digest_rendered(&s.digest);
	assert_string_equal(m.subject, "News of 1 customer");
	mail_text_fini(&m);
}

static void test_operator(void **state)
{
	struct operator_news n;
	struct mail_text m;

	operator_sample_fill(&n, OPERATOR_ENDPOINT_FAILING, LANGUAGE_EN);
	m = operator_rendered(&n);
	assert_string_equal(m.subject, "[closeloop prod] crm keeps failing");
	assert_string_equal(
		m.text, "crm keeps failing\n"
			"It failed 5 times in a row. Nothing is lost: messages wait, and it is tried again at 11:09 today.\n"
			"\n"
			"See what waits, and try the receiver:\n"
			"    closeloop message list --endpoint crm\n"
			"    closeloop endpoint test crm\n"
			"\n"
			"Since: 10:24 today (41 min)\n"
			"Answer: 503 Service Unavailable\n"
			"Waiting: 38\n"
			"\n"
			"closeloop sends this once per incident. closeloop status shows how things stand.\n");
	mail_text_fini(&m);
	for (int kind = 0; kind < OPERATOR_KIND_COUNT; kind++)
		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			operator_sample_fill(&n, (enum operator_kind)kind, (enum language)l);
			m = operator_rendered(&n);
			assert_well_formed(&m);
			assert_has(m.text, "\n    closeloop ");
			mail_text_fini(&m);
			n = (struct operator_news){.kind = (enum operator_kind)kind,
						   .language = (enum language)l,
						   .to_address = "ops@example.com"};
			m = operator_rendered(&n);
			assert_has_not(m.text, "{{");
			assert_has(m.text, "\n    closeloop ");
			mail_text_fini(&m);
		}
}

/* The name of a source comes from whoever writes responses: it is shown, but never part of a command to paste. */
static void test_operator_hostile(void **state)
{
	static const char *const names[] = {"x; rm -rf /", "$(reboot)", "a b", "--all", "한글", EVIL};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		for (int kind = 0; kind < OPERATOR_KIND_COUNT; kind++) {
			struct buf out = BUF_INIT(1 << 20);
			struct operator_news n;
			struct mail_text m;
			char command[300];

			operator_sample_fill(&n, (enum operator_kind)kind, LANGUAGE_EN);
			n.name = n.answer = n.address = n.instance = n.to_name = names[i];
			m = operator_rendered(&n);
			snprintf(command, sizeof(command), "    closeloop endpoint enable %s", names[i]);
			assert_has_not(m.text, command);
			for (const char *at = m.text; (at = strstr(at, "\n    closeloop ")); at++)
				assert_null(memmem(at + 1, strcspn(at + 1, "\n"), names[i], strlen(names[i])));
			assert_has_not(m.html, "<script>");
			assert_has_not(m.subject, "\n");
			assert_int_equal(operator_message(&plain_settings, &n, &m, DATE, &out), 0);
			assert_no_header(&out, "\nBcc:");
			mail_text_fini(&m);
			buf_fini(&out);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_digest),
		cmocka_unit_test(test_digest_titles),
		cmocka_unit_test(test_digest_due),
		cmocka_unit_test(test_digest_hostile_and_long),
		cmocka_unit_test(test_digest_without_anything),
		cmocka_unit_test(test_digest_counts_who_waits),
		cmocka_unit_test(test_operator),
		cmocka_unit_test(test_operator_hostile),
	};

	return cmocka_run_group_tests(tests, load_built_in, free_built_in);
}
