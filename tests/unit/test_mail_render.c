/*
 * The mail: what a manager reads, in three languages; what is left out; hostile customers.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_sample.h"
#include "channel/mail_text.h"
#include "channel/render.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define DATE ((struct wall_time){INT64_C(1803951492) * US_PER_S})

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

static struct mail_text rendered(const struct alert *a)
{
	struct mail_text m;
	bool fallback = true;

	assert_int_equal(mail_render(built_in, &plain_settings, a, &m, &fallback), 0);
	assert_false(fallback);
	return m;
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("missing: %s\nin: %s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part))
		fail_msg("not wanted: %s\nin: %s", part, text);
}

static void assert_text_is(const struct alert *a, const char *subject, const char *text)
{
	struct mail_text m = rendered(a);

	assert_string_equal(m.subject, subject);
	assert_string_equal(m.text, text);
	mail_text_fini(&m);
}

static void test_english(void **state)
{
	struct mail_sample s;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
	assert_text_is(&s.alert, "[Urgent] Hanbit Precision 2/10 · Installation · C-812",
		       "Urgent · Seoyeon Lee, Hanbit Precision · would recommend: 2/10 · Installation\n"
		       "Acknowledge by 14:40 today, solve by Thu 4 Mar 10:40.\n"
		       "To do: the customer asked to be contacted. Ring first, listen, agree the next step.\n"
		       "\n"
		       "To tell everyone that you are on it:\n"
		       "    closeloop case ack C-812\n"
		       "To see everything about it:\n"
		       "    closeloop case show C-812\n"
		       "\n"
		       "“The machine has stood still for three days and nobody tells us when the technician comes "
		       "back. Please call.”\n"
		       "\n"
		       "Contact: 010-0000-0000 · no mail address\n"
		       "Ratings: Installation ★☆☆☆☆ 1/5 · Support ★★★☆☆ 3/5\n"
		       "Last time: 18 Nov 2026 · Delivery · 9/10\n"
		       "Details: Plan gold · Device MK3-2207 · Answered 10:38 today, English\n"
		       "\n"
		       "You get this because you are responsible for Hanbit Precision.\n"
		       "Not yours? closeloop case assign C-812 --to PERSON\n"
		       "If it isn't acknowledged by 14:40 today, Jiwoo Park will be told.\n"
		       "Replying to this mail does not reach the customer.\n");
}

static void test_korean(void **state)
{
	struct mail_sample s;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_KO);
	s.alert.case_url = "https://feedback.example.com/c/x";
	s.alert.inbox_url = "https://feedback.example.com/i/x";
	assert_text_is(&s.alert, "[긴급] 한빛정밀 2/10 · 설치 · C-812",
		       "긴급 · 한빛정밀 이서연 님 · 추천 의향 2/10 · 설치\n"
		       "오늘(화) 14:40까지 확인, 3월 4일(목) 10:40까지 해결해 주세요.\n"
		       "할 일: 연락을 요청하셨습니다. 먼저 전화로 상황을 들어 주세요.\n"
		       "\n"
		       "[ 확인하고 처리하기 ]\n"
		       "https://feedback.example.com/c/x\n"
		       "링크를 열고 한 번 더 누르시면 처리 중임이 모두에게 표시됩니다.\n"
		       "\n"
		       "“장비가 사흘째 멈춰 있는데 기사님이 언제 다시 오시는지 연락이 없습니다. 전화 주세요.”\n"
		       "\n"
		       "연락처: 010-0000-0000 · 메일 없음\n"
		       "평가: 설치 ★☆☆☆☆ 1/5 · 기술지원 ★★★☆☆ 3/5\n"
		       "지난번: 2026년 11월 18일 · 배송 · 9/10\n"
		       "정보: 요금제 gold · 장비 MK3-2207 · 응답 오늘(화) 10:38, 한국어\n"
		       "\n"
		       "받으신 이유: 한빛정밀 담당자이십니다.\n"
		       "담당이 아니시라면 링크에서 “담당 변경”을 눌러 주세요.\n"
		       "오늘(화) 14:40까지 확인되지 않으면 박지우 님께 알립니다.\n"
		       "내 케이스 열기: https://feedback.example.com/i/x\n"
		       "이 메일에 회신해도 고객에게 전달되지 않습니다.\n");
}

static void test_german(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_DE);
	m = rendered(&s.alert);
	assert_string_equal(m.subject, "[Dringend] Hanbit Precision 2/10 · Installation · C-812");
	assert_has(m.text, "Dringend · Seoyeon Lee, Hanbit Precision · Weiterempfehlung: 2/10 · Installation\n"
			   "Bitte heute bis 14:40 Uhr bestätigen und bis Do 4. März 10:40 Uhr lösen.\n"
			   "Zu tun: Es wird um Kontakt gebeten.");
	assert_has(m.html, "<html lang=\"de\"");
	assert_has(m.html, "bittet um Kontakt · heute bis 14:40 Uhr bestätigen · „Die Maschine steht");
	mail_text_fini(&m);
}

static void test_nothing_known(void **state)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_POOR, LANGUAGE_EN);
	s.alert.responded_at.set = false;
	assert_text_is(&s.alert, "[Urgent] Anonymous customer · C-812",
		       "Urgent · Anonymous customer\n"
		       "To do: there is no way to reach the customer. Find out what went wrong and put it right for "
		       "the next one.\n"
		       "\n"
		       "To tell everyone that you are on it:\n"
		       "    closeloop case ack C-812\n"
		       "To see everything about it:\n"
		       "    closeloop case show C-812\n"
		       "\n"
		       "The customer left no comment.\n"
		       "\n"
		       "No phone number or mail address was left.\n"
		       "\n"
		       "You get this because the rules name you for answers like this one.\n"
		       "Not yours? closeloop case assign C-812 --to PERSON\n"
		       "Replying to this mail does not reach the customer.\n");
	s.response.customer_id = "4711";
	s.response.comment = " \r\n ";
	m = rendered(&s.alert);
	assert_string_equal(m.subject, "[Urgent] Customer 4711 · C-812");
	mail_text_fini(&m);
}

static struct local_time at(int day_offset, int month, int day, int weekday)
{
	return (struct local_time){.year = 2027,
				   .month = (int8_t)month,
				   .day = (int8_t)day,
				   .hour = 9,
				   .minute = 5,
				   .weekday = (int8_t)weekday,
				   .day_offset = day_offset,
				   .set = true};
}

static void assert_due(enum language l, struct local_time acknowledge, struct local_time resolve, const char *want)
{
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, l);
	s.alert.acknowledge_due = acknowledge;
	s.alert.resolve_due = resolve;
	m = rendered(&s.alert);
	assert_has(m.text, want);
	mail_text_fini(&m);
}

static void test_due_times(void **state)
{
	const struct local_time none = {0};

	assert_due(LANGUAGE_EN, at(0, 3, 2, 2), at(1, 3, 3, 3), "\nAcknowledge by 09:05 today, solve by 09:05 tomorrow.\n");
	assert_due(LANGUAGE_EN, at(-1, 3, 1, 1), none, "\nAcknowledge by 09:05 yesterday.\n");
	assert_due(LANGUAGE_EN, none, at(200, 9, 18, 6), "\nSolve by Sat 18 Sep 2027 09:05.\n");
	assert_due(LANGUAGE_KO, at(1, 3, 3, 3), none, "\n내일(수) 09:05까지 확인해 주세요.\n");
	assert_due(LANGUAGE_KO, none, at(200, 9, 18, 6), "\n2027년 9월 18일(토) 09:05까지 해결해 주세요.\n");
	assert_due(LANGUAGE_DE, at(1, 3, 3, 3), at(5, 3, 7, 7),
		   "\nBitte morgen bis 09:05 Uhr bestätigen und bis So 7. März 09:05 Uhr lösen.\n");
	assert_due(LANGUAGE_DE, none, at(2, 3, 4, 4), "\nBitte bis Do 4. März 09:05 Uhr lösen.\n");
	assert_due(LANGUAGE_EN, none, none, "· Installation\nTo do: ");
}

static void test_scores(void **state)
{
	static const struct {
		int nps, csat, ces;
		const char *first, *ratings;
	} cases[] = {
		{0, 5, SCORE_MISSING, "would recommend: 0/10", "Ratings: Satisfaction ★★★★★ 5/5 · Installation ★"},
		{SCORE_MISSING, 1, 7, "satisfaction: 1/5", "Ratings: Ease 7/7 · Installation ★"},
		{SCORE_MISSING, SCORE_MISSING, 2, "ease: 2/7", "Ratings: Installation ★"},
		{SCORE_MISSING, SCORE_MISSING, SCORE_MISSING, "Wartezeit: 3.5/6", "Ratings: Installation ★"},
	};
	static const struct rating ratings[] = {{"wait", 3.5}, {"support", 4}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_sample s;
		struct mail_text m;

		mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
		s.response.nps = cases[i].nps;
		s.response.csat = cases[i].csat;
		s.response.ces = cases[i].ces;
		s.response.ratings = ratings;
		s.response.n_ratings = 2;
		/* A scale of its own, declared in the settings: no stars. */
		s.ratings[1] = (struct labelled){"Wartezeit", "3.5/6"};
		s.rating_values[1] = (struct score){.name = "wait", .is_rating = true, .value = 3.5, .max = 6};
		m = rendered(&s.alert);
		assert_has(m.text, cases[i].first);
		assert_has(m.text, cases[i].ratings);
		assert_has(m.text, "· Wartezeit 3.5/6\n");
		assert_has_not(m.text, "NPS");
		mail_text_fini(&m);
	}
}

/* 1 is best: the worst answer comes first, never as five stars, and it is said which end is which. */
static void test_reversed_scales(void **state)
{
	static const struct rating ratings[] = {{"grade", 5}, {"staff", 4}, {"effort", 1}};
	static const struct scale scales[] = {{"csat", 1, 5, false}, {"effort", 1, 5, false}, {"grade", 1, 5, false}};
	static const struct score values[] = {
		{.name = "grade", .is_rating = true, .value = 5, .max = 5, .best = 1, .low_is_good = true},
		{.name = "staff", .is_rating = true, .value = 4, .max = 5},
		{.name = "effort", .is_rating = true, .value = 1, .max = 5, .best = 1, .low_is_good = true}};
	static struct labelled labels[] = {{"Grade", "5/5"}, {"Staff", "4/5"}, {"Effort", "1/5"}};
	static const struct {
		enum language language;
		int csat;
		const char *first, *ratings;
	} cases[] = {
		{LANGUAGE_EN, SCORE_MISSING, "Grade: 5/5 (1 is best)",
		 "Ratings: Grade 5/5 (1 is best) · Staff ★★★★☆ 4/5 · Effort 1/5 (1 is best)\n"},
		{LANGUAGE_KO, SCORE_MISSING, "Grade 5/5(1점이 가장 좋음)", "Grade 5/5(1점이 가장 좋음) · Staff ★★★★☆ 4/5"},
		{LANGUAGE_DE, SCORE_MISSING, "Grade: 5/5 (1 ist am besten)", "Grade 5/5 (1 ist am besten) · Staff ★★★★☆ 4/5"},
		{LANGUAGE_EN, 5, "satisfaction: 5/5 (1 is best)", "Ratings: Grade 5/5 (1 is best)"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_sample s;
		struct mail_text m;

		mail_sample_fill(&s, MAIL_SAMPLE_RICH, cases[i].language);
		s.response.nps = s.response.ces = SCORE_MISSING;
		s.response.csat = cases[i].csat;
		s.response.ratings = ratings;
		s.response.n_ratings = s.alert.n_ratings = 3;
		s.alert.ratings = labels;
		s.alert.rating_values = values;
		s.alert.scales = scales;
		s.alert.n_scales = ARRAY_SIZE(scales);
		m = rendered(&s.alert);
		assert_has(m.text, cases[i].first);
		assert_has(m.text, cases[i].ratings);
		assert_has_not(m.text, "★★★★★");
		assert_has_not(m.text, "★☆☆☆☆");
		mail_text_fini(&m);
	}
}

static void test_kinds(void **state)
{
	static const struct {
		enum alert_kind kind;
		enum language language;
		const char *first, *subject;
	} cases[] = {
		{ALERT_ASSIGNED, LANGUAGE_EN, "Jiwoo Park has handed this case over to you.\n\nUrgent ·", "[Urgent] "},
		{ALERT_ASSIGNED, LANGUAGE_KO, "박지우 님이 이 건을 넘기셨습니다.\n\n긴급 ·", "[긴급] "},
		{ALERT_ASSIGNED, LANGUAGE_DE, "Jiwoo Park hat Ihnen diesen Fall übergeben.\n\nDringend ·", "[Dringend] "},
		{ALERT_AMENDED, LANGUAGE_EN, "The customer has changed the answer: it was 7/10, it is now 2/10.\n\n",
		 "Re: [Urgent] "},
		{ALERT_AMENDED, LANGUAGE_KO, "고객이 응답을 고쳤습니다: 7/10 → 2/10.\n\n", "Re: [긴급] "},
		{ALERT_AMENDED, LANGUAGE_DE, "Die Antwort wurde nachträglich geändert: vorher 7/10, jetzt 2/10.\n\n",
		 "Re: [Dringend] "},
		{ALERT_FORWARDED, LANGUAGE_EN, "The mail to Jiwoo Park could not be delivered, so this case comes to you.\n\n",
		 "[Urgent] "},
		{ALERT_FORWARDED, LANGUAGE_KO, "박지우 님께 보낸 메일이 전달되지 않아 대신 보내 드립니다.\n\n", "[긴급] "},
		{ALERT_FORWARDED, LANGUAGE_DE,
		 "Die Mail an Jiwoo Park war nicht zustellbar, deshalb kommt dieser Fall zu Ihnen.\n\n", "[Dringend] "},
		{ALERT_PRAISE, LANGUAGE_EN,
		 "Praise · Seoyeon Lee, Hanbit Precision · would recommend: 2/10 · Installation\nGood news: ", "[Praise] "},
		{ALERT_PRAISE, LANGUAGE_KO, "칭찬 · 한빛정밀 이서연 님 · 추천 의향 2/10 · 설치\n고객이 만족하셨다는",
		 "[칭찬] "},
		{ALERT_PRAISE, LANGUAGE_DE,
		 "Lob · Seoyeon Lee, Hanbit Precision · Weiterempfehlung: 2/10 · Installation\nEine gute", "[Lob] "},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_sample s;
		struct mail_text m;

		mail_sample_fill(&s, MAIL_SAMPLE_RICH, cases[i].language);
		s.alert.kind = cases[i].kind;
		s.alert.for_name = cases[i].language == LANGUAGE_KO ? "박지우" : "Jiwoo Park";
		s.alert.was_set = true;
		s.alert.was = (struct score){.name = "nps", .value = 7, .max = 10};
		m = rendered(&s.alert);
		if (strncmp(m.text, cases[i].first, strlen(cases[i].first)) != 0)
			fail_msg("want: %s\n got: %s", cases[i].first, m.text);
		assert_int_equal(strncmp(m.subject, cases[i].subject, strlen(cases[i].subject)), 0);
		mail_text_fini(&m);
	}
}

/* Every mix of what an alert can be: sentences are whole, and nobody is told to do what is not theirs. */
static void check_mix(const struct alert *a)
{
	struct mail_text m = rendered(a);
	const char *const texts[] = {m.subject, m.text};
	bool mine = a->is_owner && a->kind != ALERT_PRAISE;

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		assert_has_not(texts[i], "{{");
		assert_has_not(texts[i], "()");
		assert_has_not(texts[i], " .");
		assert_has_not(texts[i], " ,");
		assert_has_not(texts[i], ":\n\n");
		assert_has_not(texts[i], " \n");
		assert_has_not(texts[i], "\n\n\n");
		assert_has_not(texts[i], "· ·");
		assert_has_not(texts[i], "  님");
		assert_has_not(texts[i], ". .");
	}
	if (mine && a->case_id > 0 && !a->case_url) {
		assert_has(m.text, "\n    closeloop case ack C-812\n");
		assert_has(m.html, ">closeloop case ack C-812<");
	} else {
		assert_has_not(m.text, "case ack");
		assert_has_not(m.html, "case ack");
	}
	if (a->case_url && a->case_id > 0 && a->kind != ALERT_PRAISE) {
		assert_has(m.html, "<a href=\"https://feedback.example.com/c/x\"");
		assert_has(m.text, "\nhttps://feedback.example.com/c/x\n");
		assert_has_not(m.text, "closeloop case");
	} else {
		assert_has_not(m.html, "<a href=\"https:");
	}
	if (a->minimal) {
		const char *const secrets[] = {a->response->comment,
					       a->response->customer_name,
					       a->response->customer_phone,
					       a->response->customer_email,
					       "tel:",
					       "mailto:"};

		for (size_t i = 0; i < ARRAY_SIZE(secrets); i++) {
			assert_has_not(m.text, secrets[i]);
			assert_has_not(m.html, secrets[i]);
			assert_has_not(m.subject, secrets[i]);
		}
	}
	mail_text_fini(&m);
}

static void test_every_mix(void **state)
{
	for (int l = 0; l < LANGUAGE_COUNT; l++)
		for (int kind = 0; kind <= ALERT_FORWARDED; kind++)
			for (int reason = 0; reason <= REASON_ASSIGNED; reason++)
				for (int bits = 0; bits < 128; bits++) {
					struct mail_sample s;

					mail_sample_fill(&s, bits & 1 ? MAIL_SAMPLE_RICH : MAIL_SAMPLE_POOR, (enum language)l);
					s.alert.kind = (enum alert_kind)kind;
					s.alert.reason = (enum alert_reason)reason;
					s.alert.is_owner = bits & 2;
					s.alert.minimal = bits & 4;
					s.alert.case_url = bits & 8 ? "https://feedback.example.com/c/x" : NULL;
					s.alert.case_id = bits & 16 ? 812 : 0;
					s.alert.for_name = bits & 32 ? "Hana Weber" : NULL;
					s.alert.owner_name = bits & 32 ? "Ida" : NULL;
					s.alert.reason_dimension = bits & 64 ? "account" : NULL;
					s.response.contact_requested = bits & 64;
					s.response.comment = "secret words";
					s.response.customer_name = "Secret Name";
					s.response.customer_phone = "+49 30 123456";
					s.response.customer_email = "secret@example.net";
					check_mix(&s.alert);
				}
}

static void test_reasons(void **state)
{
	static const char *const want[LANGUAGE_COUNT][REASON_ASSIGNED + 1] = {
		[LANGUAGE_EN] = {"You get this because you are responsible for account Hanbit.",
				 "You get this because the answer itself names you (account).",
				 "You get this because the rules name you for answers like this one.",
				 "You get this because you are in the team Hanbit.",
				 "You get this because Ida is away and you stand in.",
				 "You get this because the mail to Ida could not be delivered.",
				 "You get this because the rules inform you as well; the case is with Ida.",
				 "You get this because Ida handed the case over to you."},
		[LANGUAGE_KO] = {"받으신 이유: Hanbit 담당자이십니다.", "받으신 이유: 응답에 담당자로 적혀 있습니다(account).",
				 "받으신 이유: 이런 응답의 담당자로 규칙에 지정되어 있습니다.",
				 "받으신 이유: Hanbit 팀에 속해 계십니다.",
				 "받으신 이유: Ida 님이 부재 중이어서 대신 맡으셨습니다.",
				 "받으신 이유: Ida 님께 보낸 메일이 전달되지 않았습니다.",
				 "받으신 이유: 함께 안내받으시도록 규칙에 지정되어 있습니다. 담당자는 Ida 님입니다.",
				 "받으신 이유: Ida 님이 이 건을 넘기셨습니다."},
		[LANGUAGE_DE] = {"Sie erhalten diese Mail, weil Sie für Hanbit (account) zuständig sind.",
				 "Sie erhalten diese Mail, weil die Antwort selbst Sie nennt (account).",
				 "Sie erhalten diese Mail, weil die Regeln Sie für solche Antworten vorsehen.",
				 "Sie erhalten diese Mail, weil Sie zum Team Hanbit gehören.",
				 "Sie erhalten diese Mail, weil Ida abwesend ist und Sie die Vertretung haben.",
				 "Sie erhalten diese Mail, weil die Mail an Ida nicht zustellbar war.",
				 "Sie erhalten diese Mail, weil die Regeln Sie mit informieren; zuständig ist Ida.",
				 "Sie erhalten diese Mail, weil Ida Ihnen den Fall übergeben hat."},
	};

	for (int l = 0; l < LANGUAGE_COUNT; l++)
		for (int reason = 0; reason <= REASON_ASSIGNED; reason++) {
			struct mail_sample s;
			struct mail_text m;

			mail_sample_fill(&s, MAIL_SAMPLE_RICH, (enum language)l);
			s.alert.reason = (enum alert_reason)reason;
			s.alert.reason_dimension = "account";
			s.alert.reason_value = "Hanbit";
			s.alert.for_name = "Ida";
			m = rendered(&s.alert);
			assert_has(m.text, want[l][reason]);
			mail_text_fini(&m);
		}
}

static void test_todo(void **state)
{
	static const struct {
		bool asked, minimal;
		const char *phone, *email, *advice, *want;
	} cases[] = {
		{true, false, "010", NULL, NULL, "To do: the customer asked to be contacted. Ring first, "},
		{true, false, NULL, "a@example.com", NULL, "To do: the customer asked to be contacted. Write today, "},
		{true, false, NULL, NULL, NULL, "To do: the customer asked to be contacted but left no phone"},
		{false, false, "010", NULL, NULL, "To do: get in touch, listen, agree the next step."},
		{false, false, " ", "", NULL, "To do: there is no way to reach the customer."},
		{false, true, "010", NULL, NULL, "To do: open the case: "},
		{true, false, "010", NULL, "Send <flowers> & {{call}}.",
		 "To do: the customer asked to be contacted. Send <flowers> & {{call}}.\n"},
		{false, false, "010", NULL, "Send <flowers> & {{call}}.", "To do: Send <flowers> & {{call}}.\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mail_sample s;
		struct mail_text m;

		mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
		s.response.contact_requested = cases[i].asked;
		s.response.customer_phone = cases[i].phone;
		s.response.customer_email = cases[i].email;
		s.alert.minimal = cases[i].minimal;
		s.alert.advice = cases[i].advice;
		m = rendered(&s.alert);
		assert_has(m.text, cases[i].want);
		mail_text_fini(&m);
		s.alert.is_owner = false;
		s.alert.owner_name = "Ida";
		m = rendered(&s.alert);
		assert_has_not(m.text, "To do");
		(cases[i].asked ? assert_has : assert_has_not)(m.text, ". The customer asked to be contacted. This mail");
		mail_text_fini(&m);
	}
}

static void test_links_only_from_strict_contacts(void **state)
{
	static const struct {
		const char *phone, *link;
	} phones[] = {
		{"010-0000-0000", "tel:01000000000"},
		{"+82 10 0000 0000", "tel:+821000000000"},
		{"12345", "tel:12345"},
		{"1234", NULL},
		{"+1234", NULL},
		{"010 0000 0000 ext. 5", NULL},
		{"javascript:alert(1)", NULL},
		{"+49+30", NULL},
		{"123456789012345678901", NULL},
		{"*#06#12345", NULL},
		{"12345;ext=1", NULL},
	};
	static const struct {
		const char *address, *link;
	} mails[] = {
		{"a.b+c@example.com", "mailto:a.b+c@example.com"},
		{"a?subject=x@example.com", NULL},
		{"a%0a@example.com", NULL},
		{"a&b@example.com", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(phones); i++) {
		struct buf out = BUF_INIT(100);

		assert_int_equal(mail_text_phone_link(&out, phones[i].phone), phones[i].link != NULL);
		assert_string_equal(buf_str(&out), phones[i].link ? phones[i].link : "");
		buf_fini(&out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(mails); i++) {
		struct buf out = BUF_INIT(100);

		assert_int_equal(mail_text_mail_link(&out, mails[i].address), mails[i].link != NULL);
		buf_fini(&out);
	}
}

static void assert_clip(const char *text, int characters, const char *want)
{
	struct buf out = BUF_INIT(1000);

	mail_text_clip(&out, text, characters);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

static void test_clip_keeps_characters_whole(void **state)
{
	assert_clip("short", 10, "short");
	assert_clip("exactly ten", 11, "exactly ten");
	assert_clip("one too many", 11, "one too man…");
	assert_clip("한빛정밀", 2, "한빛…");
	assert_clip("\u1112\u1161\u11ab\u1107\u1175\u11be\u110c", 2, "\u1112\u1161\u11ab\u1107\u1175\u11be…");
	assert_clip("e\u0301e\u0301e\u0301", 2, "e\u0301e\u0301…");
	assert_clip("👨‍👩‍👧‍👦🇰🇷x", 2, "👨‍👩‍👧‍👦🇰🇷…");
	assert_clip("a\r\n\tb \x1b c\u202ed", 20, "a b c d");
	assert_clip("  ", 5, "");
}

static int count(const char *text, const char *part)
{
	int n = 0;

	for (const char *p = text; (p = strstr(p, part)) != NULL; p++)
		n++;
	return n;
}

static void assert_wire(const struct buf *b)
{
	for (size_t i = 0; i < b->n; i++) {
		assert_true((unsigned char)b->p[i] < 0x80 && b->p[i] != '\0');
		assert_true((b->p[i] == '\n') == (i > 0 && b->p[i - 1] == '\r'));
		if (i >= 2 && b->p[i - 1] == '\n')
			assert_int_not_equal(b->p[i], '.');
	}
}

/* Whatever a customer writes, the headers stay ours. */
static void test_hostile_text_everywhere(void **state)
{
	static const char *const hostile[] = {
		"x\r\nBcc: evil@example.net\r\n\r\n<b>body",
		"\n.\nMAIL FROM:<a@b>\r\n.\r\nQUIT\r\n",
		"--=_01890000-0000-7000-8000-000000000000--\r\n\r\nafter",
		"</td></table><script src=//evil></script>\"'><img src=x>",
		"\xff\xfe\xc0\x80\xed\xa0\x80 bad bytes",
		"\u202e\u2066\u200f\u2028\u2029\ufeff\xc2\x85\xc2\x9b",
	};
	static const char names[] =
		"Date:From:To:Subject:Message-ID:In-Reply-To:References:Auto-Submitted:X-Auto-Response-Suppress:"
		"X-Closeloop-Case:Content-Language:MIME-Version:Content-Type:";

	for (size_t i = 0; i < ARRAY_SIZE(hostile); i++) {
		struct mail_sample s;
		struct mail_text m;
		struct buf out = BUF_INIT(1 << 22);
		char *head, *rest, *line, seen[400] = "";

		mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
		s.response.comment = s.response.customer_name = s.response.customer_phone = s.response.customer_email =
			hostile[i];
		s.response.customer_id = s.response.language = hostile[i];
		s.alert.account = s.alert.touchpoint = s.alert.person_name = s.alert.for_name = s.alert.reason_value =
			hostile[i];
		s.alert.instance = s.alert.next_person = s.ratings[0].label = s.details[0].label = s.details[0].value =
			hostile[i];
		m = rendered(&s.alert);
		assert_has_not(m.html, "<script");
		assert_has_not(m.html, "<img");
		assert_has_not(m.html, "<b>");
		assert_int_equal(count(m.html, "<table"), count(m.html, "</table>"));
		assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &out), 0);
		assert_wire(&out);
		head = rest = strndup(buf_str(&out), (size_t)(strstr(buf_str(&out), "\r\n\r\n") - buf_str(&out)));
		while ((line = strsep(&rest, "\n")) != NULL)
			if (*line != ' ')
				snprintf(seen + strlen(seen), sizeof(seen) - strlen(seen), "%.*s:", (int)strcspn(line, ":"),
					 line);
		assert_string_equal(seen, names);
		assert_int_equal(count(buf_str(&out), "\r\n--=_"), 3);
		free(head);
		mail_text_fini(&m);
		buf_fini(&out);
	}
}

static void test_megabyte_comment(void **state)
{
	struct buf comment = BUF_INIT(4 << 20), out = BUF_INIT(8 << 20);
	struct mail_sample s;
	struct mail_text m;

	while (comment.n < 1024 * 1024)
		buf_puts(&comment, "줄마다 다른 말\n");
	buf_puts(&comment, "끝");
	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_KO);
	s.response.comment = buf_str(&comment);
	m = rendered(&s.alert);
	assert_has(m.text, buf_str(&comment));
	assert_has_not(m.text, "여기서 줄였습니다");
	assert_true(strlen(m.html) < 200 * 1024);
	assert_has(m.html, "여기서 줄였습니다. 전문: closeloop case show C-812");
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &out), 0);
	assert_wire(&out);
	mail_text_fini(&m);
	while (comment.n < 3 * 1024 * 1024)
		buf_puts(&comment, "x");
	s.response.comment = buf_str(&comment);
	m = rendered(&s.alert);
	assert_has(m.text, "여기서 줄였습니다");
	mail_text_fini(&m);
	buf_fini(&comment);
	buf_fini(&out);
}

static void test_text_goes_out_as_it_came(void **state)
{
	static const char decomposed[] = "\u1112\u1161\u11ab\u1100\u1173\u11af e\u0301 \u05d4\u05de \U0010fffd\U0001f600";
	struct mail_sample s;
	struct mail_text m;

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_KO);
	s.response.comment = decomposed;
	m = rendered(&s.alert);
	assert_has(m.text, decomposed);
	assert_has(m.html, decomposed);
	mail_text_fini(&m);
}

static void test_message_headers(void **state)
{
	struct mail_sample s;
	struct mail_text m;
	struct buf one = BUF_INIT(1 << 20), two = BUF_INIT(1 << 20);

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
	assert_int_equal(uuid_parse("01890000-0000-7000-8000-00000000000a", &s.alert.message_id), 0);
	s.alert.instance = "prod";
	s.alert.reply_to = "desk@example.com";
	m = rendered(&s.alert);
	assert_has(m.text, "A reply to this mail goes to desk@example.com, not to the customer.");
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &one), 0);
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &two), 0);
	assert_string_equal(buf_str(&one), buf_str(&two));
	assert_has(buf_str(&one), "Date: Tue, 02 Mar 2027 01:38:12 +0000\r\n");
	assert_has(buf_str(&one), "From: \"Care\" <care@example.com>\r\nTo: \"Minsu Kim\" <minsu.kim@example.com>\r\n");
	assert_has(buf_str(&one), "Reply-To: desk@example.com\r\n");
	assert_has(buf_str(&one), "Message-ID: <01890000-0000-7000-8000-00000000000a@example.com>\r\n");
	assert_has(buf_str(&one), "In-Reply-To: <case-812.prod@example.com>\r\nReferences: <case-812.prod@example.com>\r\n");
	assert_has(buf_str(&one),
		   "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\nX-Closeloop-Case: C-812\r\n");
	assert_true(strstr(buf_str(&one), "text/plain") < strstr(buf_str(&one), "text/html"));
	buf_reset(&two);
	s.alert.person_address = "minsu@한국.example";
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &two), -EINVAL);
	s.alert.person_address = "minsu@example.com";
	s.alert.reply_to = "desk@example.com\r\nBcc: x@example.com";
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &two), -EINVAL);
	mail_text_fini(&m);
	buf_fini(&one);
	buf_fini(&two);
}

static void test_redirected(void **state)
{
	struct mail_sample s;
	struct mail_text m;
	struct buf out = BUF_INIT(1 << 20);

	mail_sample_fill(&s, MAIL_SAMPLE_RICH, LANGUAGE_EN);
	s.alert.redirected_from = "minsu.kim@example.com";
	s.alert.person_address = "all@example.org";
	m = rendered(&s.alert);
	assert_int_equal(strncmp(m.text, "Test delivery: this mail was meant for minsu.kim@example.com.\n\n", 60), 0);
	assert_has(m.html, "this mail was meant for minsu.kim@example.com.");
	assert_int_equal(mail_message(&plain_settings, &s.alert, &m, DATE, &out), 0);
	assert_has(buf_str(&out), "\r\nTo: all@example.org\r\n");
	mail_text_fini(&m);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_english),
		cmocka_unit_test(test_korean),
		cmocka_unit_test(test_german),
		cmocka_unit_test(test_nothing_known),
		cmocka_unit_test(test_due_times),
		cmocka_unit_test(test_scores),
		cmocka_unit_test(test_reversed_scales),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_every_mix),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_todo),
		cmocka_unit_test(test_links_only_from_strict_contacts),
		cmocka_unit_test(test_clip_keeps_characters_whole),
		cmocka_unit_test(test_hostile_text_everywhere),
		cmocka_unit_test(test_megabyte_comment),
		cmocka_unit_test(test_text_goes_out_as_it_came),
		cmocka_unit_test(test_message_headers),
		cmocka_unit_test(test_redirected),
	};

	return cmocka_run_group_tests(tests, load_built_in, free_built_in);
}
