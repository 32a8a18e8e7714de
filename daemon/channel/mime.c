/*
 * Header and body encoding; see mime.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mime.h"

#include "base/escape.h"
#include "settings/settings.h"

#include <errno.h>
#include <openssl/evp.h>
#include <string.h>
#include <time.h>

#define BASE64_LINE_IN 57 /* bytes that make a line of 76 */
#define WORD_OPEN "=?UTF-8?B?"
#define WORD_CLOSE "?="

static bool header_unfit(uint32_t c)
{
	return c <= 0x20 || (c >= 0x7f && c <= 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x202a && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

/* Text for a header value: valid UTF-8, one line, single blanks, none at the ends. */
static void header_clean(struct buf *out, const char *text)
{
	size_t n = strlen(text), used;
	bool gap = false;
	uint32_t code;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(text + i, n - i, &code);
		if (header_unfit(code)) {
			gap = out->n > 0;
			continue;
		}
		if (gap)
			buf_putc(out, ' ');
		gap = false;
		utf8_put(out, code);
	}
}

static void base64_put(struct buf *out, const char *p, size_t n)
{
	unsigned char text[(BASE64_LINE_IN + 2) / 3 * 4 + 1];
	int k = EVP_EncodeBlock(text, (const unsigned char *)p, (int)n);

	buf_add(out, text, (size_t)k);
}

static bool all_ascii(const char *s)
{
	for (; *s; s++)
		if ((unsigned char)*s >= 0x80)
			return false;
	return true;
}

/*
 * RFC 2047 5: words joined by CRLF and a blank; each holds whole characters.
 * @column: where on its line the first word begins.
 */
static void words_put(struct buf *out, const char *text, size_t column)
{
	size_t n = strlen(text), room = MIN(MIME_LINE_BYTES_MAX - column, (size_t)MIME_WORD_BYTES_MAX);

	while (n > 0) {
		size_t bytes = (room - strlen(WORD_OPEN WORD_CLOSE)) / 4 * 3;
		size_t k = utf8_clip(text, n, bytes);

		buf_puts(out, WORD_OPEN);
		base64_put(out, text, k);
		buf_puts(out, WORD_CLOSE);
		text += k;
		n -= k;
		if (n > 0)
			buf_puts(out, "\r\n ");
		room = MIME_WORD_BYTES_MAX;
	}
}

void mime_header(struct buf *out, const char *name, const char *text)
{
	struct buf value = BUF_INIT(out->cap_bytes);
	size_t column = strlen(name) + 2;

	header_clean(&value, text);
	buf_printf(out, "%s: ", name);
	if (all_ascii(buf_str(&value)) && !strstr(buf_str(&value), "=?") && column + value.n <= MIME_LINE_BYTES_MAX)
		buf_puts(out, buf_str(&value));
	else
		words_put(out, buf_str(&value), column);
	buf_puts(out, "\r\n");
	buf_fini(&value);
}

/* RFC 5322 3.2.4 */
static void quoted_put(struct buf *out, const char *text)
{
	buf_putc(out, '"');
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_putc(out, '\\');
		buf_putc(out, *text);
	}
	buf_putc(out, '"');
}

int mime_mailbox(struct buf *out, const char *name, const char *display, const char *address)
{
	struct buf value = BUF_INIT(4096);
	size_t column = strlen(name) + 2, begin;

	if (!address || !address_valid(address))
		return -EINVAL;
	if (display)
		header_clean(&value, display);
	buf_printf(out, "%s: ", name);
	begin = out->n;
	if (value.n == 0 || value.overflow)
		buf_printf(out, "%s\r\n", address);
	else if (all_ascii(buf_str(&value)) && !strstr(buf_str(&value), "=?") &&
		 value.n * 2 + column + 2 <= MIME_LINE_BYTES_MAX)
		quoted_put(out, buf_str(&value));
	else
		words_put(out, buf_str(&value), column);
	/* On a line of its own the address always fits, whatever the name was. */
	if (value.n > 0 && !value.overflow)
		buf_printf(out, "%s <%s>\r\n",
			   column + (out->n - begin) + strlen(address) + 3 > MIME_LINE_BYTES_MAX ? "\r\n" : "", address);
	buf_fini(&value);
	return 0;
}

void mime_date(struct buf *out, struct wall_time t)
{
	static const char days[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[12][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	time_t s = (time_t)(t.us / US_PER_S - (t.us % US_PER_S < 0));
	struct tm tm = {0};

	gmtime_r(&s, &tm);
	buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		   tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* Valid UTF-8 with CRLF line ends, the canonical form of RFC 2045 that is then encoded. */
static void canonical(struct buf *out, const char *text, size_t n)
{
	size_t used, from = 0;
	uint32_t code;

	for (size_t i = 0; i < n; i += used) {
		used = utf8_next(text + i, n - i, &code);
		if (code != '\n' && code != '\r' && !(code == 0xfffd && used == 1))
			continue;
		buf_add(out, text + from, i - from);
		if (code == 0xfffd)
			utf8_put(out, code);
		else
			buf_puts(out, "\r\n");
		if (code == '\r' && i + 1 < n && text[i + 1] == '\n')
			used = 2;
		from = i + used;
	}
	buf_add(out, text + from, n - from);
}

static void base64_body(struct buf *out, const struct buf *text)
{
	for (size_t i = 0; i < text->n; i += BASE64_LINE_IN) {
		base64_put(out, text->p + i, MIN((size_t)BASE64_LINE_IN, text->n - i));
		buf_puts(out, "\r\n");
	}
}

/* Whether the byte at i may stand for itself. A dot or "From " at the start of a line may not: relays touch them. */
static bool qp_plain(const struct buf *text, size_t i, bool line_start)
{
	unsigned char c = (unsigned char)text->p[i];

	if (c == ' ' || c == '\t')
		return i + 1 < text->n && text->p[i + 1] != '\r';
	if (line_start && (c == '.' || (c == 'F' && strncmp(text->p + i, "From ", 5) == 0)))
		return false;
	return c > 0x20 && c < 0x7f && c != '=';
}

static void qp_body(struct buf *out, const struct buf *text)
{
	static const char hex[] = "0123456789ABCDEF";
	size_t column = 0;

	for (size_t i = 0; i < text->n; i++) {
		unsigned char c = (unsigned char)text->p[i];
		bool plain = qp_plain(text, i, column == 0);

		if (c == '\r') { /* canonical text has no other */
			buf_puts(out, "\r\n");
			column = 0;
			i++;
			continue;
		}
		if (column + (plain ? 1 : 3) > MIME_LINE_BYTES_MAX - 1) {
			buf_puts(out, "=\r\n");
			column = 0;
			plain = qp_plain(text, i, true);
		}
		if (plain) { /* mostly all the rest of the line is */
			size_t most = i + (MIME_LINE_BYTES_MAX - 1 - column), end = i + 1;

			while (end < most && end < text->n && qp_plain(text, end, false))
				end++;
			buf_add(out, text->p + i, end - i);
			column += end - i;
			i = end - 1;
		} else {
			char code[3] = {'=', hex[c >> 4], hex[c & 15]};

			buf_add(out, code, 3);
			column += 3;
		}
	}
	if (column > 0)
		buf_puts(out, "=\r\n");
}

void mime_text(struct buf *out, const char *type, const char *text, size_t n)
{
	struct buf body = BUF_INIT(out->cap_bytes);
	size_t high = 0;
	bool base64;

	canonical(&body, text, n);
	for (size_t i = 0; i < body.n; i++)
		high += (unsigned char)body.p[i] >= 0x80;
	base64 = high * 6 > body.n;
	buf_printf(out, "Content-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: %s\r\n\r\n", type,
		   base64 ? "base64" : "quoted-printable");
	if (body.overflow)
		out->overflow = true;
	else if (base64)
		base64_body(out, &body);
	else
		qp_body(out, &body);
	buf_fini(&body);
}
