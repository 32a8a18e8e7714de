/*
 * What a chat message says, line by line, in three languages; see webhook_formats.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_formats.h"

#include "base/escape.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX 4096
#define NAME_CHARACTERS 80 /* of a customer, an account, a touchpoint */
#define SEPARATOR " · "

static const struct {
	const char *type;
	const char *text[LANGUAGE_COUNT];
} news[] = {
	{"case.opened", {"New case", "새 케이스", "Neuer Fall"}},
	{"case.amended", {"The customer changed the answer", "고객이 응답을 변경했습니다", "Antwort geändert"}},
	{"case.acknowledged", {"Acknowledged", "확인됨", "Bestätigt"}},
	{"case.reminder", {"Reminder", "알림", "Erinnerung"}},
	{"case.escalated", {"Escalated", "상위 보고", "Eskaliert"}},
	{"case.assigned", {"Handed over", "담당 변경", "Übergeben"}},
	{"case.resolved", {"Solved", "해결됨", "Gelöst"}},
	{"case.closed", {"Closed", "종료됨", "Geschlossen"}},
	{"case.reopened", {"Opened again", "다시 열림", "Wieder geöffnet"}},
	{"case.dismissed", {"Dismissed", "제외됨", "Verworfen"}},
	{"case.outcome", {"The customer answered again", "고객이 다시 응답했습니다", "Der Kunde hat wieder geantwortet"}},
	{"praise.received", {"Praise", "칭찬", "Lob"}},
	{"report.published", {"A new report", "새 보고서", "Neuer Bericht"}},
};

static const char *const priorities[PRIORITY_COUNT][LANGUAGE_COUNT] = {
	[PRIORITY_LOW] = {"Low", "낮음", "Niedrig"},
	[PRIORITY_NORMAL] = {"Normal", "보통", "Normal"},
	[PRIORITY_HIGH] = {"High", "높음", "Hoch"},
	[PRIORITY_URGENT] = {"Urgent", "긴급", "Dringend"},
};

static const char *const reminders[][LANGUAGE_COUNT] = {
	{"Reminder %d of %d", "%d차 알림(총 %d회)", "Erinnerung %d von %d"},
	{"Reminder %d", "%d차 알림", "Erinnerung %d"},
};
static const char *const warning[LANGUAGE_COUNT] = {"The time to solve it is running out", "해결 기한이 다가옵니다",
						    "Die Zeit für die Lösung läuft ab"};
static const char *const escalated[][LANGUAGE_COUNT] = {
	[CONDITION_UNACKNOWLEDGED] = {"Escalated: not acknowledged", "상위 보고: 미확인", "Eskaliert: nicht bestätigt"},
	[CONDITION_UNRESOLVED] = {"Escalated: not solved", "상위 보고: 미해결", "Eskaliert: nicht gelöst"},
};
static const char *const joined[LANGUAGE_COUNT] = {"New answer from the same customer", "같은 고객의 새 응답",
						   "Neue Antwort desselben Kunden"};
static const char *const withdrawn[LANGUAGE_COUNT] = {"The customer changed the answer: nothing is left to do",
						      "고객이 응답을 변경하여 더 하실 일이 없습니다",
						      "Antwort geändert: nichts mehr zu tun"};
static const char *const outcomes[][LANGUAGE_COUNT] = {
	[OUTCOME_RECOVERED] = {"Won back", "고객이 돌아왔습니다", "Zurückgewonnen"},
	[OUTCOME_UNCHANGED] = {"The customer answered again", "고객이 다시 응답했습니다", "Neue Antwort vom Kunden"},
	[OUTCOME_LOST] = {"Not won back", "고객의 마음을 되돌리지 못했습니다", "Nicht zurückgewonnen"},
};
static const char *const by_whom[LANGUAGE_COUNT] = {"by %s", "처리: %s", "durch %s"};

/* Minutes, hours, days: what is left, then what is overdue. */
static const struct {
	int64_t below_s, unit_s;
	const char *left[LANGUAGE_COUNT], *late[LANGUAGE_COUNT];
} spans[] = {
	{60, 1, {"%d s left", "%d초 남음", "noch %d Sek."}, {"due now", "지금 마감", "jetzt fällig"}},
	{3600, 60, {"%d min left", "%d분 남음", "noch %d Min."}, {"overdue by %d min", "기한 %d분 지남", "%d Min. überfällig"}},
	{48 * 3600,
	 3600,
	 {"%d h left", "%d시간 남음", "noch %d Std."},
	 {"overdue by %d h", "기한 %d시간 지남", "%d Std. überfällig"}},
	{INT64_MAX,
	 24 * 3600,
	 {"%d days left", "%d일 남음", "noch %d Tage"},
	 {"overdue by %d days", "기한 %d일 지남", "%d Tage überfällig"}},
};

static const char *const acknowledge_by[LANGUAGE_COUNT] = {"acknowledge by %s", "%s까지 확인", "bestätigen bis %s"};
static const char *const asked_for_call[LANGUAGE_COUNT] = {"asked to be contacted", "연락 요청", "bittet um Kontakt"};
static const char *const open_case[LANGUAGE_COUNT] = {"Open the case", "케이스 열기", "Fall öffnen"};

static uint32_t chat_character(uint32_t c, bool lines)
{
	if (c == '\n')
		return lines ? c : ' ';
	if (c < 0x20 || (c >= 0x7f && c <= 0x9f) || c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	    (c >= 0x2066 && c <= 0x2069) || c == 0xfeff)
		return ' ';
	return c;
}

static const char *mrkdwn_escape(uint32_t c)
{
	return c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : NULL;
}

void chat_put(struct buf *out, const char *text, int characters, bool lines, bool mrkdwn)
{
	size_t n = strlen(text), used;
	int left = characters;
	uint32_t code;

	while (n > 0 && strchr(" \t\r\n", text[n - 1]))
		n--;
	for (size_t i = 0; i < n; i += used) {
		const char *escape;
		int need;

		used = utf8_next(text + i, n - i, &code);
		if (code == '\r')
			continue;
		code = chat_character(code, lines);
		escape = mrkdwn ? mrkdwn_escape(code) : NULL;
		need = escape ? (int)strlen(escape) : 1;
		/* One stays for the ellipsis, unless this is the end. */
		if (need > left - (i + used < n)) {
			buf_puts(out, "…");
			return;
		}
		left -= need;
		if (escape)
			buf_puts(out, escape);
		else
			utf8_put(out, code);
	}
}

/* Not yet escaped: the formats do that with the whole line. */
static void put_part(struct buf *b, const char *text)
{
	if (!text || !text[0])
		return;
	if (b->n > 0)
		buf_puts(b, SEPARATOR);
	chat_put(b, text, NAME_CHARACTERS, false, false);
}

static char *line_take(struct buf *b)
{
	if (b->n > 0)
		return buf_take(b);
	buf_fini(b);
	return NULL;
}

static const char *first_text(const char *a, const char *b, const char *c)
{
	return a && a[0] ? a : b && b[0] ? b : c && c[0] ? c : NULL;
}

/* Who it is about: a company rather than a name; a person's only where the endpoint may have it. */
static const char *who(const struct body_parts *p)
{
	const struct response *r = p->event->response;
	const char *account;

	if (!r)
		return NULL;
	account = first_text(p->event->alert ? p->event->alert->account : NULL, r->account_name, r->account);
	return account ? account : p->webhook->include_contact ? r->customer_name : NULL;
}

static void put_score(struct buf *b, const struct score *s, enum language l)
{
	static const char *const reversed[LANGUAGE_COUNT] = {" (%g is best)", "(%g점이 가장 좋음)", " (%g ist am besten)"};
	char text[64];

	buf_printf(b, "%s%g/%g", b->n > 0 ? " " : "", s->value, s->max);
	if (!s->low_is_good)
		return;
	snprintf(text, sizeof(text), reversed[l], s->best);
	buf_puts(b, text);
}

static char *chat_title(const struct body_parts *p)
{
	enum language l = p->settings->language;
	struct buf b = BUF_INIT(LINE_BYTES_MAX), out = BUF_INIT(LINE_BYTES_MAX);
	const struct response *r = p->event->response;
	enum priority priority;
	struct score score;

	put_part(&b, who(p));
	if (r && response_score(r, p->settings->scales, p->settings->n_scales, &score))
		put_score(&b, &score, l);
	if (r)
		put_part(&b, first_text(p->event->alert ? p->event->alert->touchpoint : NULL, r->touchpoint, NULL));
	if (p->event->facts) {
		buf_printf(&b, "%sC-%lld", b.n > 0 ? SEPARATOR : "", (long long)p->event->facts->id);
		if (p->event->facts->priority && priority_parse(p->event->facts->priority, &priority) == 0)
			buf_printf(&out, "[%s] ", priorities[priority][l]);
	}
	buf_add(&out, buf_str(&b), b.n);
	buf_fini(&b);
	return line_take(&out);
}

static const char *type_word(const struct body_parts *p)
{
	for (size_t i = 0; i < ARRAY_SIZE(news); i++)
		if (strcmp(news[i].type, p->event->type) == 0)
			return news[i].text[p->settings->language];
	return p->event->type;
}

/* A channel has read the comment when the case opened; it comes again where somebody new reads, or something new stands. */
static bool comment_is_news(const char *type)
{
	static const char *const types[] = {"case.acknowledged", "case.reminder", "case.resolved", "case.closed",
					    "case.dismissed"};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (strcmp(types[i], type) == 0)
			return false;
	return true;
}

static void put_due(struct buf *b, const struct local_time *t, enum language l)
{
	char when[32];

	if (!t->set)
		return;
	if (t->day_offset == 0)
		snprintf(when, sizeof(when), "%02d:%02d", t->hour, t->minute);
	else
		snprintf(when, sizeof(when), "%04d-%02d-%02d %02d:%02d", t->year, t->month, t->day, t->hour, t->minute);
	buf_puts(b, SEPARATOR);
	buf_printf(b, acknowledge_by[l], when);
}

/* How long until the promise that this event is about, or since. */
static void put_left(struct buf *b, const struct local_time *due, int64_t left_s, enum language l)
{
	int64_t s = left_s < 0 ? -left_s : left_s;
	char text[100];
	size_t i = 0;

	if (!due->set)
		return;
	while (s >= spans[i].below_s)
		i++;
	snprintf(text, sizeof(text), left_s > 0 ? spans[i].left[l] : spans[i].late[l], (int)(s / spans[i].unit_s));
	put_part(b, text);
}

/* "Reminder 1 of 3 · 40 min left": what the event's details add to its type. */
static void put_reminder(struct buf *b, const struct body_parts *p, const json_t *details)
{
	const struct alert *a = p->event->alert;
	enum language l = p->settings->language;
	int n = (int)json_integer_value(json_object_get(details, "n"));
	int of = (int)json_integer_value(json_object_get(details, "of"));
	bool warned = json_is_true(json_object_get(details, "warning"));
	char text[100];

	if (warned)
		put_part(b, warning[l]);
	else if (n > 0) {
		snprintf(text, sizeof(text), reminders[of > 0 ? 0 : 1][l], n, of);
		put_part(b, text);
	} else
		put_part(b, type_word(p));
	if (a)
		put_left(b, warned ? &a->resolve_due : &a->acknowledge_due, warned ? a->resolve_left_s : a->acknowledge_left_s,
			 l);
}

/* A score of an outcome event: a number, or text as it is. */
static void score_text(const json_t *score, char text[24])
{
	if (json_is_number(score))
		snprintf(text, 24, "%g", json_number_value(score));
	else
		snprintf(text, 24, "%s", json_is_string(score) ? json_string_value(score) : "");
}

static void put_outcome(struct buf *b, const struct body_parts *p, const json_t *details)
{
	const char *stored = p->event->facts ? p->event->facts->outcome : NULL;
	char from[24], to[24], text[64];
	enum case_outcome outcome;

	put_part(b,
		 stored && case_outcome_parse(stored, &outcome) == 0 ? outcomes[outcome][p->settings->language] : type_word(p));
	score_text(json_object_get(details, "from"), from);
	score_text(json_object_get(details, "to"), to);
	snprintf(text, sizeof(text), "%s → %s", from, to);
	if (from[0] && to[0])
		put_part(b, text);
}

/* "New answer from the same customer · 3/10 → 1/10" */
static void put_answer(struct buf *b, const struct body_parts *p, const json_t *details)
{
	enum language l = p->settings->language;
	bool joins = str_eq(p->event->happened->kind, "joined");
	bool gone = !joins && json_is_false(json_object_get(details, "matches")) && !json_object_get(details, "kept");
	char from[24], to[24], text[64];

	put_part(b, joins ? joined[l] : gone ? withdrawn[l] : type_word(p));
	score_text(json_object_get(details, "was"), from);
	score_text(json_object_get(details, joins ? "score" : "now"), to);
	snprintf(text, sizeof(text), "%s → %s", from, to);
	if (from[0] && to[0] && !str_eq(from, to))
		put_part(b, text);
}

static void put_what(struct buf *b, const struct body_parts *p)
{
	const struct event_facts *e = p->event->happened;
	json_t *details = e && e->details ? json_loads(e->details, 0, NULL) : NULL;
	const char *condition = json_string_value(json_object_get(details, "condition"));

	if (str_eq(p->event->type, "case.reminder"))
		put_reminder(b, p, details);
	else if (str_eq(p->event->type, "case.outcome"))
		put_outcome(b, p, details);
	else if (str_eq(p->event->type, "case.amended") && e)
		put_answer(b, p, details);
	else if (str_eq(p->event->type, "case.escalated") && condition)
		put_part(b, escalated[str_eq(condition, "unresolved")][p->settings->language]);
	else
		put_part(b, type_word(p));
	json_decref(details);
}

/* Who did it, unless it was closeloop itself or the owner, who is named anyway. */
static void put_actor(struct buf *b, const struct body_parts *p)
{
	const struct event_facts *e = p->event->happened;
	char name[400], text[500];

	if (!e || !e->actor || str_eq(e->actor, "daemon") || (p->event->facts && str_eq(e->actor, p->event->facts->owner)))
		return;
	snprintf(name, sizeof(name), "%s", first_text(p->event->alert ? p->event->alert->for_name : NULL, e->actor, NULL));
	snprintf(text, sizeof(text), by_whom[p->settings->language], name);
	put_part(b, text);
}

static char *chat_news(const struct body_parts *p)
{
	enum language l = p->settings->language;
	struct buf b = BUF_INIT(LINE_BYTES_MAX);

	put_what(&b, p);
	put_actor(&b, p);
	if (p->event->facts)
		put_part(&b,
			 p->event->alert && p->event->alert->owner_name ? p->event->alert->owner_name : p->event->facts->owner);
	if (p->event->response && p->event->response->contact_requested)
		put_part(&b, asked_for_call[l]);
	if (p->event->facts && p->event->alert && strcmp(p->event->type, "case.opened") == 0)
		put_due(&b, &p->event->alert->acknowledge_due, l);
	return line_take(&b);
}

static char *chat_contact(const struct body_parts *p)
{
	struct buf b = BUF_INIT(LINE_BYTES_MAX);

	if (p->event->response && p->webhook->include_contact) {
		put_part(&b, p->event->response->customer_name);
		put_part(&b, p->event->response->customer_phone);
		put_part(&b, p->event->response->customer_email);
	}
	return line_take(&b);
}

void chat_text_init(struct chat_text *t, const struct body_parts *p)
{
	const char *comment = p->event->response ? p->event->response->comment : NULL;
	struct buf command = BUF_INIT(LINE_BYTES_MAX);

	*t = (struct chat_text){0};
	t->title = chat_title(p);
	t->news = chat_news(p);
	if (p->event->happened && p->event->happened->note)
		t->note = xstrdup(p->event->happened->note);
	t->comment =
		comment && comment_is_news(p->event->type) && comment[strspn(comment, " \t\r\n")] ? xstrdup(comment) : NULL;
	t->contact = chat_contact(p);
	if (!p->event->facts)
		return;
	t->url = first_text(p->event->facts->url, p->event->alert ? p->event->alert->case_url : NULL, NULL);
	t->button = xstrdup(open_case[p->settings->language]);
	buf_printf(&command, "closeloop case show C-%lld", (long long)p->event->facts->id);
	t->command = buf_take(&command);
}

void chat_text_fini(struct chat_text *t)
{
	free(t->title);
	free(t->news);
	free(t->note);
	free(t->comment);
	free(t->contact);
	free(t->button);
	free(t->command);
	*t = (struct chat_text){0};
}
