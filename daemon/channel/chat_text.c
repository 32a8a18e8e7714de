/*
 * What a chat message says, line by line, in three languages; see webhook_formats.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_formats.h"

#include "base/escape.h"

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

static char *chat_title(const struct body_parts *p)
{
	enum language l = p->settings->language;
	struct buf b = BUF_INIT(LINE_BYTES_MAX), out = BUF_INIT(LINE_BYTES_MAX);
	const struct response *r = p->event->response;
	enum priority priority;
	struct score score;

	put_part(&b, who(p));
	if (r && response_score(r, &score))
		buf_printf(&b, "%s%g/%g", b.n > 0 ? " " : "", score.value, score.max);
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

static char *chat_news(const struct body_parts *p)
{
	enum language l = p->settings->language;
	struct buf b = BUF_INIT(LINE_BYTES_MAX);
	const char *word = p->event->type;

	for (size_t i = 0; i < ARRAY_SIZE(news); i++)
		if (strcmp(news[i].type, p->event->type) == 0)
			word = news[i].text[l];
	put_part(&b, word);
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
	t->comment = comment && comment[strspn(comment, " \t\r\n")] ? xstrdup(comment) : NULL;
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
	free(t->comment);
	free(t->contact);
	free(t->button);
	free(t->command);
	*t = (struct chat_text){0};
}
