/*
 * Bytes of a mail: header folding, encoded words, body encodings, against decoders written here from the RFCs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mime.h"

#include "base/escape.h"

#include <ctype.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define CAP (32 * 1024 * 1024)

/* ASCII, CRLF only, short lines, no line that begins with a dot. */
static void assert_wire(const struct buf *b)
{
	size_t start = 0;

	for (size_t i = 0; i < b->n; i++) {
		assert_true((unsigned char)b->p[i] < 0x80 && b->p[i] != '\0');
		if (b->p[i] == '\r')
			assert_int_equal(b->p[i + 1], '\n');
		if (b->p[i] != '\n')
			continue;
		assert_true(i > 0 && b->p[i - 1] == '\r');
		assert_true(i - 1 - start <= MIME_LINE_BYTES_MAX);
		assert_int_not_equal(b->p[start], '.');
		start = i + 1;
	}
}

static int base64_digit(char c)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(digits, c) : NULL;

	return at ? (int)(at - digits) : -1;
}

static void base64_read(struct buf *out, const char *s, size_t n)
{
	uint32_t bits = 0;
	int have = 0;

	for (size_t i = 0; i < n; i++) {
		int d = base64_digit(s[i]);

		if (d < 0)
			continue;
		bits = bits << 6 | (uint32_t)d;
		have += 6;
		if (have >= 8) {
			have -= 8;
			buf_putc(out, (char)(bits >> have & 0xff));
		}
	}
}

static void qp_read(struct buf *out, const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		char hex[3] = {0};

		if (s[i] != '=') {
			buf_putc(out, s[i]);
			continue;
		}
		if (s[i + 1] == '\r') {
			i += 2;
			continue;
		}
		memcpy(hex, s + i + 1, 2);
		assert_true(isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]));
		buf_putc(out, (char)strtol(hex, NULL, 16));
		i += 2;
	}
}

/* The value of an encoded or plain header, unfolded and decoded. */
static char *header_read(const char *line)
{
	struct buf out = BUF_INIT(CAP);
	const char *p = strchr(line, ':') + 2;

	while (*p && strncmp(p, "\r\n", 3) != 0) {
		if (strncmp(p, "\r\n ", 3) == 0 && strncmp(p + 3, "=?", 2) == 0) {
			p += 3;
		} else if (strncmp(p, "=?UTF-8?B?", 10) == 0) {
			const char *end = strstr(p, "?=");
			struct buf one = BUF_INIT(CAP);
			uint32_t code;

			assert_true(end + 2 - p <= MIME_WORD_BYTES_MAX);
			base64_read(&one, p + 10, (size_t)(end - p - 10));
			/* Whole characters in each word. */
			for (size_t i = 0, used; i < one.n; i += used) {
				used = utf8_next(one.p + i, one.n - i, &code);
				assert_false(code == 0xfffd && used == 1);
			}
			buf_add(&out, one.p, one.n);
			buf_fini(&one);
			p = end + 2;
		} else {
			buf_putc(&out, *p++);
		}
	}
	return buf_take(&out);
}

static void assert_header(const char *text, const char *want)
{
	struct buf out = BUF_INIT(CAP);
	char *got;

	mime_header(&out, "Subject", text);
	assert_wire(&out);
	assert_string_equal(buf_str(&out) + out.n - 2, "\r\n");
	got = header_read(buf_str(&out));
	assert_string_equal(got, want);
	free(got);
	buf_fini(&out);
}

static void test_plain_header(void **state)
{
	struct buf out = BUF_INIT(CAP);

	mime_header(&out, "Subject", "[Urgent] Hanbit 2/10");
	assert_string_equal(buf_str(&out), "Subject: [Urgent] Hanbit 2/10\r\n");
	buf_fini(&out);
}

static void test_encoded_header(void **state)
{
	assert_header("[긴급] 한빛정밀 2/10 · 설치 · C-812", "[긴급] 한빛정밀 2/10 · 설치 · C-812");
	assert_header("\u1112\u1161\u11ab\u1107\u1175\u11be", "\u1112\u1161\u11ab\u1107\u1175\u11be");
	assert_header("=?UTF-8?B?aGFjaw==?=", "=?UTF-8?B?aGFjaw==?=");
	assert_header("a word far too long to stand on one line of a mail header because it goes on and on and on",
		      "a word far too long to stand on one line of a mail header because it goes on and on and on");
}

static void test_header_cannot_be_left(void **state)
{
	assert_header("a\r\nBcc: x@y\r\n\r\nbody", "a Bcc: x@y body");
	assert_header("a\nb\tc\vd\f\x1b[31m\x7f \302\205z", "a b c d [31m z");
	assert_header("a\xe2\x80\xa8"
		      "b\xe2\x80\xae"
		      "c\xe2\x81\xa6"
		      "d",
		      "a b c d");
	assert_header(" \t blank around \r\n", "blank around");
	assert_header("bad\xff\xc3", "bad\xef\xbf\xbd\xef\xbf\xbd");
	assert_header("", "");
}

/* Every length around the word limits, with characters of 1 to 4 bytes, comes back whole. */
static void test_words_of_every_length(void **state)
{
	static const char *const characters[] = {"a", "é", "한", "😀"};

	for (size_t c = 0; c < ARRAY_SIZE(characters); c++)
		for (int n = 1; n < 130; n++) {
			struct buf text = BUF_INIT(CAP);

			buf_puts(&text, "é"); /* forces words */
			for (int i = 0; i < n; i++)
				buf_puts(&text, characters[c]);
			assert_header(buf_str(&text), buf_str(&text));
			buf_fini(&text);
		}
}

static void assert_mailbox(const char *display, const char *address, const char *want)
{
	struct buf out = BUF_INIT(CAP);

	assert_int_equal(mime_mailbox(&out, "To", display, address), 0);
	assert_string_equal(buf_str(&out), want);
	buf_fini(&out);
}

static void test_mailbox(void **state)
{
	assert_mailbox(NULL, "a@example.com", "To: a@example.com\r\n");
	assert_mailbox(" ", "a@example.com", "To: a@example.com\r\n");
	assert_mailbox("Minsu Kim", "a@example.com", "To: \"Minsu Kim\" <a@example.com>\r\n");
	assert_mailbox("Kim, \"M\" <x@y>\\", "a@example.com", "To: \"Kim, \\\"M\\\" <x@y>\\\\\" <a@example.com>\r\n");
	assert_mailbox("김민수", "a@example.com", "To: =?UTF-8?B?6rmA66+87IiY?= <a@example.com>\r\n");
	assert_mailbox("x\r\nBcc: b@c", "a@example.com", "To: \"x Bcc: b@c\" <a@example.com>\r\n");
	assert_mailbox("Minsu Kim", "a-rather-long-local-part-of-an-address-here@mail.department.example.com",
		       "To: \"Minsu Kim\"\r\n <a-rather-long-local-part-of-an-address-here@mail.department.example.com>\r\n");
}

static void test_address_refused(void **state)
{
	static const char *const bad[] = {
		"",        "a",      "a@",          "@b.c",           "a@b\r\nRCPT TO:<x@y>", "a b@c.d",     "a@b c.d",
		"<a@b.c>", "a@b.c>", "\"a\"@b.c\n", "한@example.com", "a@한국.example",       "a@b.c,d@e.f", "a@b.c\x01",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct buf out = BUF_INIT(CAP);

		if (mime_mailbox(&out, "To", "x", bad[i]) != -EINVAL)
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(out.n, 0);
		buf_fini(&out);
	}
	{
		struct buf out = BUF_INIT(CAP);

		assert_int_equal(mime_mailbox(&out, "To", NULL, NULL), -EINVAL);
		buf_fini(&out);
	}
}

static void test_date(void **state)
{
	struct buf out = BUF_INIT(CAP);

	mime_date(&out, (struct wall_time){INT64_C(1803951492) * US_PER_S + 999999});
	mime_date(&out, (struct wall_time){0});
	mime_date(&out, (struct wall_time){-1});
	assert_string_equal(buf_str(&out), "Date: Tue, 02 Mar 2027 01:38:12 +0000\r\nDate: Thu, 01 Jan 1970 00:00:00 +0000\r\n"
					   "Date: Wed, 31 Dec 1969 23:59:59 +0000\r\n");
	buf_fini(&out);
}

/* Encodes, checks the wire, decodes; `encoding` must be the one chosen. */
static void assert_body(const char *text, size_t n, const char *want, size_t n_want, const char *encoding)
{
	struct buf out = BUF_INIT(CAP), back = BUF_INIT(CAP);
	const char *body;

	mime_text(&out, "text/plain", text, n);
	assert_false(out.overflow);
	assert_wire(&out);
	assert_non_null(strstr(buf_str(&out), encoding));
	body = strstr(buf_str(&out), "\r\n\r\n") + 4;
	if (strstr(buf_str(&out), "Encoding: base64"))
		base64_read(&back, body, out.n - (size_t)(body - out.p));
	else
		qp_read(&back, body, out.n - (size_t)(body - out.p));
	assert_int_equal(back.n, n_want);
	assert_memory_equal(back.p ? back.p : "", want, n_want);
	buf_fini(&out);
	buf_fini(&back);
}

static void assert_body_text(const char *text, const char *want, const char *encoding)
{
	assert_body(text, strlen(text), want, strlen(want), encoding);
}

static void test_bodies(void **state)
{
	assert_body_text("", "", "quoted-printable");
	assert_body_text("plain\n", "plain\r\n", "quoted-printable");
	assert_body_text("no end", "no end", "quoted-printable");
	assert_body_text("a\nb\r\nc\rd\n\n", "a\r\nb\r\nc\r\nd\r\n\r\n", "quoted-printable");
	assert_body_text(".\n..\n.\r\n. x\n", ".\r\n..\r\n.\r\n. x\r\n", "quoted-printable");
	assert_body_text("From me\nFrom\n", "From me\r\nFrom\r\n", "quoted-printable");
	assert_body_text("end \nend\t\n ", "end \r\nend\t\r\n ", "quoted-printable");
	assert_body_text("a=b =3D =\n", "a=b =3D =\r\n", "quoted-printable");
	assert_body_text("한빛\n설치\n", "한빛\r\n설치\r\n", "base64");
	assert_body_text("one é in a line of mostly plain text\n", "one é in a line of mostly plain text\r\n",
			 "quoted-printable");
	assert_body_text("\x01\x1b\x7f", "\x01\x1b\x7f", "quoted-printable");
	assert_body_text("bad \xff\xed\xa0\x80 bytes, but only few of them among all the others that are plain enough",
			 "bad \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd bytes, but only few of them among all "
			 "the others that are plain enough",
			 "quoted-printable");
}

static void test_dot_and_from_are_hidden(void **state)
{
	struct buf out = BUF_INIT(CAP);

	mime_text(&out, "text/plain", ".\nFrom x\n", 9);
	assert_non_null(strstr(buf_str(&out), "\r\n=2E\r\n=46rom x\r\n"));
	buf_fini(&out);
}

/* Lines of every length, with a dot or a blank wherever a soft break may fall. */
static void test_soft_breaks(void **state)
{
	static const char *const fillers[] = {".", "x", " x", "=", "é.", "\t"};

	for (size_t f = 0; f < ARRAY_SIZE(fillers); f++)
		for (int n = 60; n < 170; n++) {
			struct buf text = BUF_INIT(CAP);

			while (text.n < (size_t)n)
				buf_puts(&text, fillers[f]);
			assert_body(buf_str(&text), text.n, buf_str(&text), text.n, "Content-Transfer-Encoding: ");
			buf_fini(&text);
		}
}

static void test_megabyte_and_every_plane(void **state)
{
	struct buf text = BUF_INIT(CAP);

	for (uint32_t c = 0x20; c < 0x110000; c += 7)
		if (c < 0xd800 || c > 0xdfff)
			utf8_put(&text, c);
	assert_body(buf_str(&text), text.n, buf_str(&text), text.n, "base64");
	while (text.n < 1024 * 1024 * 6)
		buf_puts(&text, "a line without an end ");
	assert_body(buf_str(&text), text.n, buf_str(&text), text.n, "quoted-printable");
	buf_fini(&text);
}

static void test_cap_is_told(void **state)
{
	struct buf out = BUF_INIT(100);

	mime_text(&out, "text/plain", "0123456789012345678901234567890123456789012345678901234567890123456789", 70);
	assert_true(out.overflow);
	buf_fini(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_header),
		cmocka_unit_test(test_encoded_header),
		cmocka_unit_test(test_header_cannot_be_left),
		cmocka_unit_test(test_words_of_every_length),
		cmocka_unit_test(test_mailbox),
		cmocka_unit_test(test_address_refused),
		cmocka_unit_test(test_date),
		cmocka_unit_test(test_bodies),
		cmocka_unit_test(test_dot_and_from_are_hidden),
		cmocka_unit_test(test_soft_breaks),
		cmocka_unit_test(test_megabyte_and_every_plane),
		cmocka_unit_test(test_cap_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
