/*
 * Bytes of a mail: RFC 5322 header lines, RFC 2047 words, RFC 2045 bodies.
 *
 * Whatever goes in, what comes out is ASCII, every line ends in CRLF, no line is longer than 76 bytes but for
 * addresses and ids, and no body line begins with a dot (a stock Postfix takes a bare-LF dot for the end of a mail).
 * Invalid UTF-8 becomes U+FFFD. Nothing is normalised: a decomposed syllable stays decomposed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MIME_H
#define CHANNEL_MIME_H

#include "base/buf.h"
#include "base/clock.h"

#define MIME_LINE_BYTES_MAX 76
#define MIME_WORD_BYTES_MAX 75 /* RFC 2047 2 */

/*
 * mime_header() - an unstructured header ("Subject") with any text as value
 * Control characters, line separators and bidi overrides can't stand in a header: runs of them and of blanks
 * become one blank.
 */
void mime_header(struct buf *out, const char *name, const char *text);

/*
 * mime_mailbox() - "To: Display Name <address>"
 * @display: any text; NULL or blank for none
 * Return: 0, or -EINVAL when the address is not plain ASCII of the form local@domain (nothing is written then).
 */
int mime_mailbox(struct buf *out, const char *name, const char *display, const char *address);

/* "Date: Tue, 02 Mar 2027 01:38:12 +0000" */
void mime_date(struct buf *out, struct wall_time t);

/*
 * mime_text() - Content-Type, Content-Transfer-Encoding and the body of a text part
 * @type: "text/plain" or "text/html"
 * Quoted-printable, or base64 when more than a sixth of the bytes are not ASCII. Any line end becomes CRLF.
 */
void mime_text(struct buf *out, const char *type, const char *text, size_t n);

#endif
