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
	const char *handover, *called, *cause, *better, *worse, *again;
	const char *accounts[DIGEST_SAMPLE_LINES], *comments[DIGEST_SAMPLE_LINES];
};

static const struct sample_words words[LANGUAGE_COUNT] = {
	[LANGUAGE_EN] =
		{"Seoyeon Lee",
		 "Hanbit Precision",
		 "Installation",
		 "Delivery",
		 "The machine has stood still for three days and nobody tells us when the technician comes back. Please call.",
		 "The technician explained everything patiently and came back the next day to check. Thank you!",
		 "Plan",
		 "Device",
		 "Minsu Kim",
		 "Jiwoo Park",
		 "Installation",
		 "Support",
		 "Please take this one, you know the machine.",
		 "Voicemail, I try again after lunch.",
		 "Late delivery",
		 "The new technician came the same day. All good now.",
		 "Still nobody who feels responsible. Disappointing.",
		 "It has broken down again, in the same place.",
		 {"Daelim Mold", "Nordwerk", "Hanbit Precision", "Ostsee Marine"},
		 {"Third visit, same fault.", "Came two weeks late and nobody said a word.", NULL,
		  "Quick and friendly, thank you!"}},
	[LANGUAGE_KO] = {"이서연",
			 "한빛정밀",
			 "설치",
			 "배송",
			 "장비가 사흘째 멈춰 있는데 기사님이 언제 다시 오시는지 연락이 없습니다. 전화 주세요.",
			 "기사님이 차근차근 설명해 주시고 다음 날 다시 확인까지 해 주셨어요. 고맙습니다!",
			 "요금제",
			 "장비",
			 "김민수",
			 "박지우",
			 "설치",
			 "기술지원",
			 "이 장비를 잘 아시니 맡아 주세요.",
			 "음성 사서함이라 점심 뒤에 다시 걸겠습니다.",
			 "배송 지연",
			 "새 기사님이 당일에 오셔서 다 해결됐습니다.",
			 "여전히 책임지는 분이 없네요. 실망입니다.",
			 "같은 곳이 또 고장 났습니다.",
			 {"대림금형", "북부기계", "한빛정밀", "동해해양"},
			 {"세 번째 방문인데 똑같은 고장입니다.", "두 주나 늦었는데 아무 연락이 없었습니다.", NULL,
			  "빠르고 친절했습니다. 고맙습니다!"}},
	[LANGUAGE_DE] =
		{"Seoyeon Lee",
		 "Hanbit Precision",
		 "Installation",
		 "Lieferung",
		 "Die Maschine steht seit drei Tagen, und niemand sagt uns, wann der Techniker wiederkommt. Bitte anrufen.",
		 "Der Techniker hat alles geduldig erklärt und am nächsten Tag noch einmal nachgesehen. Danke!",
		 "Tarif",
		 "Gerät",
		 "Minsu Kim",
		 "Jiwoo Park",
		 "Installation",
		 "Support",
		 "Bitte übernehmen, Sie kennen die Maschine.",
		 "Mailbox, ich versuche es nach dem Mittag noch einmal.",
		 "Verspätete Lieferung",
		 "Der neue Techniker kam am selben Tag. Jetzt läuft alles.",
		 "Noch immer fühlt sich niemand zuständig. Enttäuschend.",
		 "Sie ist wieder ausgefallen, an derselben Stelle.",
		 {"Daelim Mold", "Nordwerk", "Hanbit Precision", "Ostsee Marine"},
		 {"Dritter Besuch, gleicher Fehler.", "Zwei Wochen zu spät, und niemand hat etwas gesagt.", NULL,
		  "Schnell und freundlich, danke!"}},
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

static void fill_praise(struct mail_sample *s, const struct sample_words *w)
{
	s->alert.kind = ALERT_PRAISE;
	s->alert.case_id = 0;
	s->response.nps = 10;
	s->response.contact_requested = false;
	s->response.comment = w->praise;
	s->ratings[0].value = s->ratings[1].value = "5/5";
	s->rating_values[0].value = s->rating_values[1].value = 5;
}

static void fill_history(struct mail_sample *s, const struct sample_words *w)
{
	const struct alert_event events[] = {
		{.at = AT(2027, 3, 2, 10, 38, 2, 0), .kind = "opened"},
		{.at = AT(2027, 3, 2, 11, 5, 2, 0), .kind = "assigned", .actor = w->boss, .to = w->owner, .note = w->handover},
		{.at = AT(2027, 3, 2, 12, 38, 2, 0), .kind = "reminded", .n = 1, .of = 3},
		{.at = AT(2027, 3, 2, 13, 10, 2, 0), .kind = "contacted", .actor = w->owner, .how = "phone", .note = w->called},
		{.at = AT(2027, 3, 2, 14, 38, 2, 0), .kind = "reminded", .n = 2, .of = 3},
	};

	_Static_assert(ARRAY_SIZE(events) == ARRAY_SIZE(s->history), "room for them");
	for (size_t i = 0; i < ARRAY_SIZE(events); i++)
		s->history[i] = events[i];
	s->alert.history = s->history;
	s->alert.n_history = (int)ARRAY_SIZE(events);
	s->alert.unreached = 1;
}

/* What the customer said before and after a case was solved. */
static void fill_after(struct mail_sample *s, const struct sample_words *w, int now, const char *comment)
{
	struct alert *a = &s->alert;

	a->was_set = true;
	a->was = (struct score){.name = "nps", .value = 2, .max = 10};
	a->was_at = AT(2027, 1, 12, 10, 38, 2, -49);
	a->was_touchpoint = w->touchpoint;
	a->was_comment = w->comment;
	a->resolved_at = AT(2027, 1, 14, 16, 20, 4, -47);
	a->resolved_by = w->owner;
	a->root_cause = w->cause;
	a->previous.set = false;
	a->reason = REASON_OWNER;
	a->touchpoint = w->support;
	s->response.nps = now;
	s->response.comment = comment;
	s->response.contact_requested = false;
	a->n_ratings = 0;
}

static void fill_outcome(struct mail_sample *s, const struct sample_words *w, enum case_outcome outcome)
{
	static const int now[] = {[OUTCOME_RECOVERED] = 9, [OUTCOME_UNCHANGED] = 5, [OUTCOME_LOST] = 1};

	fill_after(s, w, now[outcome], outcome == OUTCOME_RECOVERED ? w->better : w->worse);
	s->alert.kind = ALERT_OUTCOME;
	s->alert.outcome = outcome;
	s->alert.status = CASE_CLOSED;
	s->alert.acknowledge_due.set = s->alert.resolve_due.set = false;
	s->alert.next_person = NULL;
}

static void fill_escalated(struct mail_sample *s, const struct sample_words *w)
{
	struct alert *a = &s->alert;

	fill_history(s, w);
	a->kind = ALERT_ESCALATED;
	a->is_owner = false;
	a->person_id = "jiwoo-park";
	a->person_name = w->boss;
	a->person_address = "jiwoo.park@example.com";
	a->for_name = w->owner;
	a->reason = REASON_MANAGER;
	a->since = AT(2027, 3, 2, 11, 5, 2, 0);
	a->acknowledge_left_s = -2 * 3600;
	a->condition = CONDITION_UNACKNOWLEDGED;
	a->next_person = NULL;
}

static void fill_kind(struct mail_sample *s, enum mail_sample_kind kind, const struct sample_words *w)
{
	struct alert *a = &s->alert;

	if (kind == MAIL_SAMPLE_ASSIGNED) {
		fill_history(s, w);
		a->kind = ALERT_ASSIGNED;
		a->reason = REASON_ASSIGNED;
		a->for_name = w->boss;
		a->note = w->handover;
		a->ping_pong = true;
		a->case_url = "https://feedback.example.com/c/sample";
	} else if (kind == MAIL_SAMPLE_AMENDED) {
		a->kind = ALERT_AMENDED;
		a->was_set = true;
		a->was = (struct score){.name = "nps", .value = 7, .max = 10};
	} else if (kind == MAIL_SAMPLE_WITHDRAWN) {
		a->kind = ALERT_AMENDED;
		a->was_set = a->withdrawn = true;
		a->was = (struct score){.name = "nps", .value = 2, .max = 10};
		a->status = CASE_DISMISSED;
		a->acknowledge_due.set = a->resolve_due.set = false;
		a->next_person = NULL;
		s->response.nps = 9;
		s->response.contact_requested = false;
		s->response.comment = w->better;
		a->n_ratings = 0;
	} else if (kind == MAIL_SAMPLE_JOINED) {
		fill_after(s, w, 1, w->again);
		a->kind = ALERT_JOINED;
		a->was = a->first = (struct score){.name = "nps", .value = 2, .max = 10};
		a->was_at = AT(2027, 2, 28, 17, 5, 7, -2);
		a->resolved_at.set = false;
		a->first_set = a->later = a->asks = s->response.contact_requested = true;
		a->first_touchpoint = w->touchpoint;
	} else if (kind == MAIL_SAMPLE_REMINDER) {
		a->kind = ALERT_REMINDER;
		a->n = 1;
		a->of = 3;
		a->acknowledge_left_s = 40 * 60;
	} else if (kind == MAIL_SAMPLE_WARNING) {
		a->kind = ALERT_WARNING;
		a->status = CASE_IN_PROGRESS;
		a->acknowledge_due.set = false;
		a->resolve_due = AT(2027, 3, 2, 18, 0, 2, 0);
		a->resolve_left_s = 4 * 3600;
		a->next_condition = CONDITION_UNRESOLVED;
		a->next_at = a->resolve_due;
		a->reason = REASON_OWNER;
	} else if (kind == MAIL_SAMPLE_WAITING_OVER) {
		a->kind = ALERT_WAITING_OVER;
		a->status = CASE_ACKNOWLEDGED;
		a->acknowledge_due.set = false;
		a->note = w->called;
		a->next_condition = CONDITION_UNRESOLVED;
		a->next_at = a->resolve_due;
		a->reason = REASON_OWNER;
	} else if (kind == MAIL_SAMPLE_REOPENED) {
		fill_after(s, w, 1, w->again);
		a->kind = ALERT_REOPENED;
		a->by_customer = true;
		a->history = NULL;
	}
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
		fill_praise(s, w);
		return;
	}
	a->acknowledge_due = AT(2027, 3, 2, 14, 40, 2, 0);
	a->resolve_due = AT(2027, 3, 4, 10, 40, 4, 2);
	a->next_person = w->boss;
	a->next_at = a->acknowledge_due;
	if (kind == MAIL_SAMPLE_ESCALATED)
		fill_escalated(s, w);
	else if (kind >= MAIL_SAMPLE_RECOVERED)
		fill_outcome(s, w, (enum case_outcome)(kind - MAIL_SAMPLE_RECOVERED));
	else
		fill_kind(s, kind, w);
}

static void fill_lines(struct digest_sample *s, const struct sample_words *w, bool due)
{
	static const int scores[DIGEST_SAMPLE_LINES] = {1, 3, 4, 10};
	static const enum priority priorities[] = {PRIORITY_URGENT, PRIORITY_HIGH, PRIORITY_NORMAL, PRIORITY_LOW};
	static const enum alert_kind kinds[] = {ALERT_ESCALATED, ALERT_REMINDER, ALERT_WARNING, ALERT_WAITING_OVER};

	for (int i = 0; i < DIGEST_SAMPLE_LINES; i++)
		s->lines[i] = (struct digest_line){
			.kind = due ? kinds[i] : ALERT_OPENED,
			.case_id = 815 + i,
			.priority = priorities[i],
			.is_owner = !due || i > 0,
			.owner_name = w->owner,
			.scored = true,
			.score = {.name = "nps", .value = scores[i], .max = 10},
			.account = w->accounts[i],
			.touchpoint = i % 2 ? w->before : w->support,
			.contact_requested = i == 0,
			.comment = w->comments[i],
			.n = i,
			.of = 3,
			.acknowledge_due = AT(2027, 3, 2, 13 + i, 0, 2, 0),
			.acknowledge_left_s = (i - 1) * 3600,
		};
	s->lines[2].status = CASE_IN_PROGRESS;
	s->lines[2].resolve_due = AT(2027, 3, 4, 10, 40, 4, 2);
}

void digest_sample_fill(struct digest_sample *s, enum digest_why why, enum language language)
{
	const struct sample_words *w = &words[language];
	struct digest *d = &s->digest;

	*s = (struct digest_sample){.digest = {.language = language,
					       .instance = "default",
					       .person_id = "minsu-kim",
					       .person_name = w->owner,
					       .person_address = "minsu.kim@example.com",
					       .why = why,
					       .alerts_per_hour = 10,
					       .n_lines = DIGEST_SAMPLE_LINES,
					       .n_due_today = 2,
					       .n_overdue = 1}};
	d->lines = s->lines;
	fill_lines(s, w, why == DIGEST_DUE);
	if (why == DIGEST_BUDGET || why == DIGEST_QUIET) {
		s->lines[3].kind = ALERT_PRAISE;
		s->lines[3].case_id = 0;
		s->lines[3].acknowledge_due.set = false;
		d->n_praise = 1;
		d->n_total = 8;
	}
	if (why != DIGEST_MORNING)
		return;
	d->inbox_url = "https://feedback.example.com/i/sample";
	for (int i = 0; i < DIGEST_SAMPLE_LINES; i++)
		s->lines[i].case_url = "https://feedback.example.com/c/sample";
}

void operator_sample_fill(struct operator_news *n, enum operator_kind kind, enum language language)
{
	*n = (struct operator_news){
		.language = language,
		.instance = "prod",
		.to_address = "ops@example.com",
		.kind = kind,
		.name = "crm",
		.since = AT(2027, 3, 2, 10, 24, 2, 0),
		.since_s = 41 * 60,
	};
	switch (kind) {
	case OPERATOR_ENDPOINT_DISABLED:
		n->code = 410;
		n->answer = "Gone";
		n->count = 38;
		break;
	case OPERATOR_ENDPOINT_FAILING:
		n->code = 503;
		n->answer = "Service Unavailable";
		n->failures = 5;
		n->count = 38;
		n->until = AT(2027, 3, 2, 11, 9, 2, 0);
		break;
	case OPERATOR_CREDENTIALS:
		n->name = "email";
		n->code = 535;
		n->answer = "5.7.8 Error: authentication failed";
		n->count = 12;
		break;
	case OPERATOR_MAIL_REFUSED:
		n->name = "h-weber";
		n->address = "h.weber@example.com";
		n->code = 550;
		n->answer = "5.1.1 User unknown";
		break;
	case OPERATOR_SOURCE_SILENT:
		n->name = "limesurvey";
		n->since = AT(2027, 2, 21, 9, 12, 7, -9);
		n->since_s = INT64_C(9) * 24 * 3600;
		n->usual_s = 26 * 3600;
		break;
	case OPERATOR_DEAD_MESSAGES:
		n->count = 7;
		n->code = 500;
		n->answer = "Internal Server Error";
		break;
	case OPERATOR_NOBODY_LEFT:
		n->name = "h-weber";
		n->count = 3;
		n->code = 550;
		n->answer = "5.1.1 User unknown";
		break;
	case OPERATOR_MORE:
		n->name = NULL;
		n->count = 12;
		break;
	case OPERATOR_KIND_COUNT: break;
	}
}

void link_sample_fill(struct link_mail *l, enum language language)
{
	*l = (struct link_mail){
		.language = language,
		.instance = "prod",
		.person_name = "Minsu Kim",
		.person_address = "minsu.kim@example.com",
		.case_id = 812,
		.url = "https://feedback.example.com/c/sample",
		.ttl_days = 14,
	};
}
