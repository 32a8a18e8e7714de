/*
 * Invented alerts; see mail_sample.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_sample.h"

#define AT(y, m, d, h, min, wd, off)              \
	((struct local_time){.year = (y),         \
			     .month = (m),        \
			     .day = (d),          \
			     .hour = (h),         \
			     .minute = (min),     \
			     .weekday = (wd),     \
			     .day_offset = (off), \
			     .set = true})

struct sample_words {
	const char *name, *account, *touchpoint, *before, *comment, *praise, *plan, *device, *owner, *boss, *install, *support;
};

static const struct sample_words words[LANGUAGE_COUNT] = {
	[LANGUAGE_EN] =
		{"Seoyeon Lee", "Hanbit Precision", "Installation", "Delivery",
		 "The machine has stood still for three days and nobody tells us when the technician comes back. Please call.",
		 "The technician explained everything patiently and came back the next day to check. Thank you!", "Plan",
		 "Device", "Minsu Kim", "Jiwoo Park", "Installation", "Support"},
	[LANGUAGE_KO] = {"이서연", "한빛정밀", "설치", "배송",
			 "장비가 사흘째 멈춰 있는데 기사님이 언제 다시 오시는지 연락이 없습니다. 전화 주세요.",
			 "기사님이 차근차근 설명해 주시고 다음 날 다시 확인까지 해 주셨어요. 고맙습니다!", "요금제", "장비",
			 "김민수", "박지우", "설치", "기술지원"},
	[LANGUAGE_DE] =
		{"Seoyeon Lee", "Hanbit Precision", "Installation", "Lieferung",
		 "Die Maschine steht seit drei Tagen, und niemand sagt uns, wann der Techniker wiederkommt. Bitte anrufen.",
		 "Der Techniker hat alles geduldig erklärt und am nächsten Tag noch einmal nachgesehen. Danke!", "Tarif",
		 "Gerät", "Minsu Kim", "Jiwoo Park", "Installation", "Support"},
};

static void fill_rich(struct mail_sample *s, const struct sample_words *w)
{
	struct response *r = &s->response;
	struct alert *a = &s->alert;

	r->customer_name = w->name;
	r->customer_phone = "010-0000-0000";
	r->account = "hanbit";
	r->account_name = w->account;
	r->touchpoint = "installation";
	r->comment = w->comment;
	r->contact_requested = true;
	s->ratings[0] = (struct labelled){w->install, "1/5"};
	s->ratings[1] = (struct labelled){w->support, "3/5"};
	s->rating_values[0] = (struct score){.name = "installation", .is_rating = true, .value = 1, .max = 5};
	s->rating_values[1] = (struct score){.name = "support", .is_rating = true, .value = 3, .max = 5};
	s->details[0] = (struct labelled){w->plan, "gold"};
	s->details[1] = (struct labelled){w->device, "MK3-2207"};
	a->account = w->account;
	a->touchpoint = w->touchpoint;
	a->ratings = s->ratings;
	a->rating_values = s->rating_values;
	a->n_ratings = (int)ARRAY_SIZE(s->ratings);
	a->details = s->details;
	a->n_details = (int)ARRAY_SIZE(s->details);
	a->previous = (struct alert_previous){.set = true,
					      .at = AT(2026, 11, 18, 9, 30, 3, -104),
					      .touchpoint = w->before,
					      .score = {.name = "nps", .value = 9, .max = 10}};
	a->reason = REASON_LOOKUP;
	a->reason_value = w->account;
}

void mail_sample_fill(struct mail_sample *s, enum mail_sample_kind kind, enum language language)
{
	const struct sample_words *w = &words[language];
	struct alert *a = &s->alert;

	*s = (struct mail_sample){
		.response = {.id = 4711,
			     .nps = 2,
			     .csat = SCORE_MISSING,
			     .ces = SCORE_MISSING,
			     .language = language_name(language)},
		.alert = {.kind = ALERT_OPENED,
			  .language = language,
			  .instance = "default",
			  .case_id = 812,
			  .priority = PRIORITY_URGENT,
			  .person_id = "minsu-kim",
			  .person_name = w->owner,
			  .person_address = "minsu.kim@example.com",
			  .is_owner = true,
			  .owner_name = w->owner,
			  .responded_at = AT(2027, 3, 2, 10, 38, 2, 0),
			  .reason = REASON_PERSON},
	};
	a->response = &s->response;
	if (kind == MAIL_SAMPLE_POOR) {
		s->response.nps = SCORE_MISSING;
		return;
	}
	fill_rich(s, w);
	if (kind == MAIL_SAMPLE_PRAISE) {
		a->kind = ALERT_PRAISE;
		a->case_id = 0;
		s->response.nps = 10;
		s->response.contact_requested = false;
		s->response.comment = w->praise;
		s->ratings[0].value = s->ratings[1].value = "5/5";
		s->rating_values[0].value = s->rating_values[1].value = 5;
		return;
	}
	a->acknowledge_due = AT(2027, 3, 2, 14, 40, 2, 0);
	a->resolve_due = AT(2027, 3, 4, 10, 40, 4, 2);
	a->next_person = w->boss;
	a->next_at = a->acknowledge_due;
}
