/*
 * Mails of the follow-up: reminders, escalations, hand-overs, outcomes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "mail_fixtures.h"

#define MINUTE 60
#define HOUR 3600
#define DAY (24 * 3600)

static struct mail_text rendered(const struct alert *a)
{
	struct mail_text m;
	bool fallback = true;

	assert_int_equal(mail_render(built_in, &plain_settings, a, &m, &fallback), 0);
	assert_false(fallback);
	return m;
}

static void assert_left(enum language l, int64_t seconds, const char *want)
{
	struct mail_sample s;
	struct mail_text m;
	char first[200];

	mail_sample_fill(&s, MAIL_SAMPLE_REMINDER, l);
	s.alert.acknowledge_left_s = seconds;
	m = rendered(&s.alert);
	snprintf(first, sizeof(first), "%.*s", (int)strcspn(m.text, "\n"), m.text);
	assert_non_null(strstr(first, " · "));
	assert_string_equal(strstr(first, " · ") + strlen(" · "), want);
	mail_text_fini(&m);
}

static void test_time_words(void **state)
{
	static const struct {
		int64_t seconds;
		const char *want[LANGUAGE_COUNT];
	} cases[] = {
		{1, {"1 s left", "1초 남음", "noch 1 Sek."}},
		{59, {"59 s left", "59초 남음", "noch 59 Sek."}},
		{MINUTE, {"1 min left", "1분 남음", "noch 1 Min."}},
		{40 * MINUTE + 59, {"40 min left", "40분 남음", "noch 40 Min."}},
		{HOUR, {"1 h left", "1시간 남음", "noch 1 Std."}},
		{HOUR + 12 * MINUTE, {"1 h 12 min left", "1시간 12분 남음", "noch 1 Std. 12 Min."}},
		{2 * HOUR + 12 * MINUTE, {"2 h left", "2시간 남음", "noch 2 Std."}},
		{2 * DAY - 1, {"47 h left", "47시간 남음", "noch 47 Std."}},
		{2 * DAY, {"2 days left", "2일 남음", "noch 2 Tage"}},
		{10 * DAY - 1, {"9 days left", "9일 남음", "noch 9 Tage"}},
		{0, {"due now", "지금 마감", "jetzt fällig"}},
		{-59, {"due now", "지금 마감", "jetzt fällig"}},
		{-MINUTE, {"overdue by 1 min", "기한 1분 지남", "1 Min. überfällig"}},
		{-2 * HOUR, {"overdue by 2 h", "기한 2시간 지남", "2 Std. überfällig"}},
		{-3 * DAY, {"overdue by 3 days", "기한 3일 지남", "3 Tage überfällig"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int l = 0; l < LANGUAGE_COUNT; l++)
			assert_left((enum language)l, cases[i].seconds, cases[i].want[l]);
}

static void test_first_lines(void **state)
{
	static const struct {
		enum mail_sample_kind kind;
		bool again;
		const char *first[LANGUAGE_COUNT];
	} cases[] = {
		{MAIL_SAMPLE_REMINDER,
		 true,
		 {"Reminder 1 of 3 · 40 min left\n\nUrgent · Seoyeon Lee, ", "1차 알림(총 3회) · 40분 남음\n\n긴급 · ",
		  "Erinnerung 1 von 3 · noch 40 Min.\n\nDringend · "}},
		{MAIL_SAMPLE_WARNING,
		 true,
		 {"The time to solve this is running out · 4 h left\n\n", "해결 기한이 다가옵니다 · 4시간 남음\n\n",
		  "Die Zeit für die Lösung läuft ab · noch 4 Std.\n\n"}},
		{MAIL_SAMPLE_ESCALATED,
		 false,
		 {"Escalated to you: not acknowledged · overdue by 2 h\n\n",
		  "상위 보고: 아직 확인되지 않았습니다 · 기한 2시간 지남\n\n",
		  "An Sie eskaliert: nicht bestätigt · 2 Std. überfällig\n\n"}},
		{MAIL_SAMPLE_WAITING_OVER,
		 true,
		 {"You wanted to be reminded of this case today.\n\n", "오늘 다시 알려 달라고 하신 건입니다.\n\n",
		  "Sie wollten heute an diesen Fall erinnert werden.\n\n"}},
		{MAIL_SAMPLE_REOPENED,
		 true,
		 {"Opened again: the customer is still unhappy · 2/10 then, 1/10 now\n\n",
		  "다시 열린 건: 고객이 여전히 만족하지 못하셨습니다 · 지난번 2/10, 이번 1/10\n\n",
		  "Wieder geöffnet: weiterhin unzufrieden · damals 2/10, jetzt 1/10\n\n"}},
		{MAIL_SAMPLE_JOINED,
		 true,
		 {"New answer from the same customer: 1/10 (was 2/10) · asked to be contacted\n\n",
		  "같은 고객의 새 응답: 1/10 (이전 2/10) · 연락 요청\n\n",
		  "Neue Antwort desselben Kunden: 1/10 (vorher 2/10) · bittet um Kontakt\n\n"}},
		{MAIL_SAMPLE_WITHDRAWN,
		 true,
		 {"The customer has changed the answer from 2/10 to 9/10: the case has dismissed itself. Nothing is left to do.\n\n",
		  "고객이 응답을 고쳤습니다: 2/10 → 9/10. 더 하실 일이 없어 이 건은 자동으로 제외되었습니다.\n\n",
		  "Die Antwort wurde nachträglich geändert: vorher 2/10, jetzt 9/10. Der Fall hat sich damit erledigt und wurde verworfen; es "
		  "ist nichts mehr zu tun.\n\n"}},
		{MAIL_SAMPLE_RECOVERED,
		 true,
		 {"Won back: from 2 to 9\n\nWon back · ", "고객이 돌아왔습니다: 2 → 9\n\n회복 · ",
		  "Zurückgewonnen: von 2 auf 9\n\nZurückgewonnen · "}},
		{MAIL_SAMPLE_UNCHANGED,
		 true,
		 {"The customer has answered again: from 2 to 5\n\n", "고객이 다시 응답했습니다: 2 → 5\n\n",
		  "Neue Antwort vom Kunden: von 2 auf 5\n\n"}},
		{MAIL_SAMPLE_LOST,
		 true,
		 {"Not won back: from 2 to 1\n\n", "고객의 마음을 되돌리지 못했습니다: 2 → 1\n\n",
		  "Nicht zurückgewonnen: von 2 auf 1\n\n"}},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		for (int l = 0; l < LANGUAGE_COUNT; l++) {
			struct mail_sample s, opened;
			struct mail_text m, first;

			mail_sample_fill(&s, cases[i].kind, (enum language)l);
			mail_sample_fill(&opened, MAIL_SAMPLE_RICH, (enum language)l);
			m = rendered(&s.alert);
			first = rendered(&opened.alert);
			assert_begins(m.text, cases[i].first[l]);
			/* One subject per case and person, though the customer's score of now is another one. */
			assert_int_equal(strncmp(m.subject, "Re: ", 4) == 0, cases[i].again);
			assert_string_equal(m.subject + (cases[i].again ? 4 : 0), first.subject);
			mail_text_fini(&m);
			mail_text_fini(&first);
		}
}

static void test_preview_says_the_news(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_REMINDER, LANGUAGE_EN);
	m = rendered(&s.alert);
	assert_has(m.html, "mso-hide:all;\">Reminder 1 of 3 · 40 min left · asked to be contacted · ");
	mail_text_fini(&m);
	mail_sample_fill(&s, MAIL_SAMPLE_RECOVERED, LANGUAGE_DE);
	m = rendered(&s.alert);
	assert_has(m.html, "mso-hide:all;\">Zurückgewonnen: von 2 auf 9 · „Der neue Techniker");
	mail_text_fini(&m);
}

static void test_late(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_REMINDER, LANGUAGE_EN);
	s.alert.n = s.alert.of = 3;
	s.alert.acknowledge_left_s = -2 * HOUR;
	m = rendered(&s.alert);
	assert_begins(m.text, "Reminder 3 of 3 · overdue by 2 h\n");
	assert_has(m.text, "\nThis was to be acknowledged by 14:40 today. Solve it by Thu 4 Mar 10:40.\n");
	assert_has(m.text, "\nThis was the last reminder. If it isn't acknowledged by 14:40 today, Jiwoo Park will be told.\n");
	mail_text_fini(&m);
	s.alert.resolve_left_s = -1;
	m = rendered(&s.alert);
	assert_has(m.text, "\nThis was to be solved by Thu 4 Mar 10:40.\n");
	mail_text_fini(&m);
	/* Reminders without a promise. */
	s.alert.acknowledge_due.set = s.alert.resolve_due.set = false;
	s.alert.of = 0;
	m = rendered(&s.alert);
	assert_begins(m.text, "Reminder 3\n");
	mail_text_fini(&m);
}

static void test_escalation(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_ESCALATED, LANGUAGE_EN);
	m = rendered(&s.alert);
	assert_has(m.text, "\nWith Minsu Kim since 11:05 today; acknowledgement due 14:40 today.\n"
			   "To do: talk to Minsu Kim, or take the case over. The customer asked to be contacted.\n"
			   "Attempts that reached nobody: 1.\n");
	assert_has(m.text, "\n    closeloop case assign C-812 --to jiwoo-park\n");
	assert_has(m.text,
		   "\nWhat has happened so far:\n"
		   "  - 10:38 today: Case opened\n"
		   "  - 11:05 today: Handed over to Minsu Kim · Jiwoo Park · “Please take this one, you know the machine.”\n"
		   "  - 12:38 today: Reminder 1 of 3\n"
		   "  - 13:10 today: Customer not reached by phone · Minsu Kim · “Voicemail, I try again after lunch.”\n"
		   "  - 14:38 today: Reminder 2 of 3\n"
		   "  After you, nobody else will be told.\n");
	assert_has(m.text, "\nYou get this because Minsu Kim reports to you.\n");
	assert_has_not(m.text, "case ack");
	mail_text_fini(&m);
	s.alert.condition = s.alert.next_condition = CONDITION_UNRESOLVED;
	s.alert.resolve_left_s = -3 * DAY;
	s.alert.next_person = "Ida";
	s.alert.next_at = s.alert.resolve_due;
	s.alert.reason = REASON_STEP;
	s.alert.later = true;
	m = rendered(&s.alert);
	assert_begins(m.text, "Escalated to you: not solved · overdue by 3 days\n");
	assert_has(m.text, "; solution due Thu 4 Mar 10:40.\n");
	assert_has(m.text, "\n  If it isn't solved by Thu 4 Mar 10:40, Ida will be told.\n");
	assert_begins(m.subject, "Re: [Urgent] ");
	mail_text_fini(&m);
}

static void test_history_is_short(void **state)
{
	struct alert_event events[20];
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_ESCALATED, LANGUAGE_EN);
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		events[i] = (struct alert_event){.kind = "noted", .actor = "Ida", .note = i < 12 ? "early" : "late"};
	events[13].kind = "unheard of";
	events[14].note = EVIL;
	events[14].actor = EVIL;
	s.alert.history = events;
	s.alert.n_history = (int)ARRAY_SIZE(events);
	m = rendered(&s.alert);
	assert_has(m.text, "\n  Before these: 11 more\n");
	assert_has(m.text, "\n  - Note · Ida · “late”\n");
	assert_has(m.text, "“early”");
	assert_has_not(m.text, "unheard");
	assert_has_not(m.text, "\nBcc:");
	assert_has_not(m.text, "\u202e");
	assert_has_not(m.html, "<script>");
	assert_has(m.html, "&lt;script&gt;");
	mail_text_fini(&m);
	s.alert.minimal = true;
	s.alert.note = "secret note";
	m = rendered(&s.alert);
	assert_has_not(m.text, "late”");
	assert_has_not(m.text, "secret note");
	assert_has_not(m.html, "secret note");
	mail_text_fini(&m);
}

static void test_reopened_and_outcome(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_REOPENED, LANGUAGE_EN);
	m = rendered(&s.alert);
	assert_has(m.text, "\nThen: 2/10 · Installation · Tue 12 Jan 10:38 · “The machine has stood still");
	assert_has(m.text, "\nSolved: Thu 14 Jan 16:20 · Minsu Kim · Late delivery\nNow: 1/10 · Support · 10:38 today\n");
	assert_has(m.text, "\n    closeloop case ack C-812\n");
	mail_text_fini(&m);
	s.alert.by_customer = s.alert.was_set = false;
	s.alert.for_name = "Ida";
	s.alert.note = "The part was wrong.";
	m = rendered(&s.alert);
	assert_begins(m.text, "Ida has opened this case again.\n");
	assert_has(m.text, "\nIda writes: “The part was wrong.”\n");
	assert_has_not(m.text, "Then:");
	mail_text_fini(&m);

	mail_sample_fill(&s, MAIL_SAMPLE_RECOVERED, LANGUAGE_KO);
	m = rendered(&s.alert);
	assert_has(m.text, "\n고객을 챙겨 주셔서 고맙습니다. 더 하실 일은 없습니다.\n");
	assert_has_not(m.text, "할 일:");
	assert_has_not(m.text, "case ack");
	assert_has_not(m.text, "case assign");
	mail_text_fini(&m);
	/* Scales that differ are told. */
	mail_sample_fill(&s, MAIL_SAMPLE_RECOVERED, LANGUAGE_EN);
	s.response.nps = SCORE_MISSING;
	s.response.csat = 5;
	m = rendered(&s.alert);
	assert_begins(m.text, "Won back: from 2/10 to 5/5\n");
	mail_text_fini(&m);
}

/* Reminders come often: they say what counts and no history. */
static void test_what_is_left_out(void **state)
{
	struct mail_sample s, escalated;
	struct mail_text m;

	mail_sample_fill(&escalated, MAIL_SAMPLE_ESCALATED, LANGUAGE_EN);
	mail_sample_fill(&s, MAIL_SAMPLE_REMINDER, LANGUAGE_EN);
	s.alert.history = escalated.history;
	s.alert.n_history = 5;
	s.alert.unreached = 2;
	m = rendered(&s.alert);
	assert_has_not(m.text, "so far");
	assert_has(m.text, "\nAttempts that reached nobody: 2.\n");
	assert_has(m.text, "\nIf it isn't acknowledged by 14:40 today, Jiwoo Park will be told.\n");
	mail_text_fini(&m);
	/* That it was opened is no history. */
	escalated.alert.n_history = 1;
	m = rendered(&escalated.alert);
	assert_has_not(m.text, "so far");
	assert_has(m.text, "\nAfter you, nobody else will be told.\n");
	mail_text_fini(&m);
	/* Nor is what this mail tells of. */
	escalated.alert.n_history = 5;
	escalated.history[4] = (struct alert_event){.kind = "escalated"};
	m = rendered(&escalated.alert);
	assert_has(m.text,
		   "\n  - 13:10 today: Customer not reached by phone · Minsu Kim · “Voicemail, I try again after lunch.”\n"
		   "  After you");
	mail_text_fini(&m);
	/* The same score again is no change of it. */
	mail_sample_fill(&s, MAIL_SAMPLE_AMENDED, LANGUAGE_EN);
	s.alert.was.value = 2;
	m = rendered(&s.alert);
	assert_begins(m.text, "The customer has changed the answer.\n");
	mail_text_fini(&m);
	/* A deputy isn't told that the absent person put it on hold. */
	mail_sample_fill(&s, MAIL_SAMPLE_WAITING_OVER, LANGUAGE_EN);
	s.alert.for_name = "Ida";
	m = rendered(&s.alert);
	assert_begins(m.text, "Ida had put this case on hold until today.\n");
	mail_text_fini(&m);
	s.alert.reason = REASON_DEPUTY;
	m = rendered(&s.alert);
	assert_begins(m.text, "You wanted to be reminded of this case today.\n");
	mail_text_fini(&m);
}

static void test_joined(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	/* The third of three: the subject is that of the first. */
	mail_sample_fill(&s, MAIL_SAMPLE_JOINED, LANGUAGE_EN);
	s.alert.first.value = 3;
	s.alert.asks = false;
	s.alert.raised = true;
	m = rendered(&s.alert);
	assert_begins(m.text, "New answer from the same customer: 1/10 (was 2/10) · priority now: Urgent\n\n");
	assert_string_equal(m.subject, "Re: [Urgent] Hanbit Precision 3/10 · Installation · C-812");
	assert_has(m.text, "Then: 2/10 · ");
	assert_has(m.text, "Now: 1/10 · ");
	mail_text_fini(&m);
	/* Nothing was scored at first; somebody else than the owner, who has heard nothing yet. */
	s.alert.was_set = s.alert.first_set = s.alert.later = s.alert.is_owner = false;
	s.alert.reason = REASON_NOTIFIED;
	m = rendered(&s.alert);
	assert_begins(m.text, "New answer from the same customer: 1/10 · priority now: Urgent\n\n");
	assert_string_equal(m.subject, "[Urgent] Hanbit Precision 1/10 · Support · C-812");
	assert_has_not(m.text, "Then:");
	mail_text_fini(&m);
	/* The same score as the worst, but a call is asked for. */
	mail_sample_fill(&s, MAIL_SAMPLE_JOINED, LANGUAGE_DE);
	s.alert.was.value = 1;
	m = rendered(&s.alert);
	assert_begins(m.text, "Neue Antwort desselben Kunden: 1/10 · bittet um Kontakt\n\n");
	mail_text_fini(&m);
}

static void test_withdrawn(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_WITHDRAWN, LANGUAGE_EN);
	m = rendered(&s.alert);
	assert_string_equal(m.subject, "Re: [Urgent] Hanbit Precision 2/10 · Installation · C-812");
	assert_has_not(m.text, "To do");
	assert_has_not(m.text, "Acknowledge");
	assert_has_not(m.text, "will be told");
	mail_text_fini(&m);
}

static void blank_some(struct mail_sample *s, int bits)
{
	struct alert *a = &s->alert;

	if (bits & 1)
		a->is_owner = !a->is_owner;
	if (bits & 2)
		a->case_url = "https://feedback.example.com/c/x";
	if (bits & 4) {
		a->acknowledge_due.set = a->resolve_due.set = a->since.set = a->next_at.set = false;
		a->for_name = a->owner_name = a->next_person = NULL;
	}
	if (bits & 8) {
		s->response.comment = s->response.customer_name = s->response.customer_phone = NULL;
		a->was_set = a->by_customer = a->resolved_at.set = false;
		a->account = a->touchpoint = a->was_touchpoint = a->root_cause = a->resolved_by = NULL;
	}
	if (bits & 16) {
		a->minimal = true;
		a->ping_pong = true;
		a->unreached = 2;
		a->status = CASE_ACKNOWLEDGED;
		a->n = a->of = 0;
	}
}

static void test_every_mix(void **state)
{
	for (int kind = MAIL_SAMPLE_ASSIGNED; kind < MAIL_SAMPLE_COUNT; kind++)
		for (int l = 0; l < LANGUAGE_COUNT; l++)
			for (int bits = 0; bits < 32; bits++) {
				struct mail_sample s;
				struct mail_text m;

				mail_sample_fill(&s, (enum mail_sample_kind)kind, (enum language)l);
				blank_some(&s, bits);
				m = rendered(&s.alert);
				assert_well_formed(&m);
				if (s.alert.case_url)
					assert_has_not(m.text, "closeloop case");
				if (!s.alert.is_owner)
					assert_has_not(m.text, "case ack");
				mail_text_fini(&m);
			}
}

static void test_hostile(void **state)
{
	for (int kind = 0; kind < MAIL_SAMPLE_COUNT; kind++) {
		struct buf out = BUF_INIT(1 << 20);
		struct mail_sample s;
		struct mail_text m;

		mail_sample_fill(&s, (enum mail_sample_kind)kind, LANGUAGE_EN);
		s.response.comment = s.response.customer_name = s.alert.account = s.alert.touchpoint = EVIL;
		s.alert.note = s.alert.was_comment = s.alert.owner_name = s.alert.for_name = s.alert.next_person = EVIL;
		s.alert.root_cause = s.alert.resolved_by = s.alert.was_touchpoint = s.alert.person_name = EVIL;
		m = rendered(&s.alert);
		assert_has_not(m.html, "<script>");
		assert_has_not(m.subject, "\n");
		assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &out), 0);
		assert_no_header(&out, "\nBcc:");
		mail_text_fini(&m);
		buf_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_time_words),
		cmocka_unit_test(test_first_lines),
		cmocka_unit_test(test_preview_says_the_news),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_escalation),
		cmocka_unit_test(test_history_is_short),
		cmocka_unit_test(test_reopened_and_outcome),
		cmocka_unit_test(test_what_is_left_out),
		cmocka_unit_test(test_joined),
		cmocka_unit_test(test_withdrawn),
		cmocka_unit_test(test_every_mix),
		cmocka_unit_test(test_hostile),
	};

	return cmocka_run_group_tests(tests, load_built_in, free_built_in);
}
