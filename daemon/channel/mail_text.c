/*
 * Small texts of a mail; see mail_text.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mail_text.h"

#include "base/escape.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#define FAR_DAYS 180
#define PHONE_DIGITS_MIN 5
#define PHONE_DIGITS_MAX 20

static const char *number_text(const struct mail_words *w, double v, char text[NUMBER_BYTES])
{
	return language_number(mail_words_language(w), round(v * 100) / 100, -1, text);
}

const char *mail_text_score(const struct mail_words *w, const struct score *s, char text[MAIL_SCORE_BYTES])
{
	char value[NUMBER_BYTES], max[NUMBER_BYTES];

	snprintf(text, MAIL_SCORE_BYTES, "%s/%s", number_text(w, s->value, value), number_text(w, s->max, max));
	if (s->low_is_good) {
		char best[NUMBER_BYTES];
		json_t *in = json_pack("{s:s,s:s}", "score", text, "best", number_text(w, s->best, best)), *said;

		said = mail_words_say(w, WORD_SCORE_REVERSED, in);
		if (json_string_value(said))
			snprintf(text, MAIL_SCORE_BYTES, "%s", json_string_value(said));
		json_decref(said);
		json_decref(in);
	}
	return text;
}

static json_t *time_parts(const struct mail_words *w, const struct local_time *t)
{
	json_t *o = json_object();
	char clock[16];

	snprintf(clock, sizeof(clock), "%02d:%02d", t->hour, t->minute);
	json_object_set_new(o, "clock", json_string(clock));
	json_object_set_new(o, "day", json_integer(t->day));
	json_object_set_new(o, "year", json_integer(t->year));
	if (t->weekday >= 1 && t->weekday <= 7)
		json_object_set_new(o, "weekday", mail_words_say(w, WORD_WEEKDAY_1 + t->weekday - 1, NULL));
	if (t->month >= 1 && t->month <= 12)
		json_object_set_new(o, "month", mail_words_say(w, WORD_MONTH_1 + t->month - 1, NULL));
	return o;
}

static char *time_say(const struct mail_words *w, const struct local_time *t, enum mail_word word)
{
	json_t *parts = time_parts(w, t);
	struct buf out = BUF_INIT(1000);

	mail_words_put(w, word, parts, &out);
	json_decref(parts);
	return buf_take(&out);
}

char *mail_text_time(const struct mail_words *w, const struct local_time *t, enum mail_word first)
{
	int away = t->day_offset;
	int step = away == 0 ? 0 : away == 1 ? 1 : away == -1 ? 2 : abs(away) > FAR_DAYS ? 4 : 3;

	_Static_assert(WORD_TIME_FAR == WORD_TIME_TODAY + 4 && WORD_BY_FAR == WORD_BY_TODAY + 4, "order of the words");
	return time_say(w, t, first + step);
}

char *mail_text_date(const struct mail_words *w, const struct local_time *t)
{
	return time_say(w, t, WORD_DATE);
}

char *mail_text_span(const struct mail_words *w, int64_t seconds)
{
	int64_t s = MAX(seconds, 0), minutes = s / 60, hours = minutes / 60, count;
	struct buf out = BUF_INIT(200);
	enum mail_word word;
	json_t *in;

	if (s < 60)
		word = WORD_SPAN_SECONDS, count = s;
	else if (hours < 1)
		word = WORD_SPAN_MINUTES, count = minutes;
	else if (hours < 2 && minutes % 60 != 0)
		word = WORD_SPAN_HOURS_MINUTES, count = hours;
	else if (hours < 48)
		word = WORD_SPAN_HOURS, count = hours;
	else
		word = WORD_SPAN_DAYS, count = hours / 24;
	in = json_pack("{s:I,s:I}", "count", (json_int_t)count, "minutes", (json_int_t)(minutes % 60));
	mail_words_put(w, word, in, &out);
	json_decref(in);
	return buf_take(&out);
}

char *mail_text_left(const struct mail_words *w, int64_t seconds)
{
	CLEANUP(freep) char *span = mail_text_span(w, seconds < 0 ? -seconds : seconds);
	struct buf out = BUF_INIT(300);
	json_t *in = json_pack("{s:s}", "span", span);

	mail_words_put(w, seconds > 0 ? WORD_LEFT_SOME : seconds > -60 ? WORD_LEFT_NOW : WORD_LEFT_OVER, in, &out);
	json_decref(in);
	return buf_take(&out);
}

static bool gap(uint32_t c)
{
	return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

void mail_text_clip(struct buf *out, const char *text, int characters)
{
	size_t n = strlen(text), used, start = out->n;
	utf8proc_int32_t state = 0;
	uint32_t code, before = 0;
	bool pending = false;
	int seen = 0;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(text + i, n - i, &code);
		if (gap(code)) {
			pending = out->n > start;
			continue;
		}
		/* Jamo, combining marks and emoji sequences belong to the character before. */
		if (seen == 0 || pending || utf8proc_grapheme_break_stateful((int32_t)before, (int32_t)code, &state)) {
			seen += pending ? 2 : 1;
			if (seen > characters) {
				buf_puts(out, "…");
				return;
			}
			state = 0;
		}
		if (pending)
			buf_putc(out, ' ');
		pending = false;
		utf8_put(out, code);
		before = code;
	}
}

static json_t *lines_of(const char *text, size_t n)
{
	json_t *lines = json_array();
	const char *end = text + n;

	while (text <= end) {
		const char *eol = memchr(text, '\n', (size_t)(end - text));
		const char *stop = eol ? eol : end;
		size_t len = (size_t)(stop - text);

		json_array_append_new(lines, json_stringn_nocheck(text, len));
		text = stop + 1;
	}
	return lines;
}

struct mail_comment mail_text_comment(const char *comment, size_t max_text, size_t max_html)
{
	struct mail_comment c = {0};
	size_t n = strlen(comment), k, used = 0;
	CLEANUP(freep) char *text = xmalloc(n + 1);

	for (size_t i = 0; i < n; i++)
		if (comment[i] != '\r')
			text[used++] = comment[i];
		else if (comment[i + 1] != '\n')
			text[used++] = '\n';
	while (used > 0 && strchr(" \t\n", text[used - 1]))
		used--;
	k = utf8_clip(text, used, max_text);
	c.cut = k < used;
	c.text = json_stringn_nocheck(text, k);
	k = utf8_clip(text, used, max_html);
	c.lines_cut = k < used;
	c.lines = lines_of(text, k);
	return c;
}

bool mail_text_phone_link(struct buf *out, const char *phone)
{
	const char *p = phone + strspn(phone, " ");
	char digits[PHONE_DIGITS_MAX + 2];
	size_t n = 0, min = PHONE_DIGITS_MIN;

	if (*p == '+') {
		digits[n++] = *p++;
		min++;
	}
	for (; *p; p++) {
		if (*p == '-' || *p == ' ')
			continue;
		if (!isdigit((unsigned char)*p) || n == PHONE_DIGITS_MAX)
			return false;
		digits[n++] = *p;
	}
	if (n < min)
		return false;
	buf_puts(out, "tel:");
	buf_add(out, digits, n);
	return true;
}

bool mail_text_mail_link(struct buf *out, const char *address)
{
	for (const char *c = address; *c; c++)
		if (!isalnum((unsigned char)*c) && !strchr("._+-@", *c))
			return false;
	buf_printf(out, "mailto:%s", address);
	return true;
}
