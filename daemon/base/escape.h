/*
 * Escaping of hostile text, one function per place it goes to. Input is any bytes of length n;
 * invalid UTF-8 becomes U+FFFD. All append to a capped buffer.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include "base/buf.h"

/* Inside a JSON string (RFC 8259 7), without the quotes. Also escapes U+2028/9, '<' and DEL. */
void escape_json(struct buf *out, const char *s, size_t n);
/* "…" with quotes, or null for s == NULL. */
void json_put_string(struct buf *out, const char *s);

/*
 * For a terminal or a log: C0 (tab and newline too), C1, DEL, bidi controls (U+061C, U+200E/F, U+202A..E, U+2066..9),
 * line separators and zero-width no-break space are shown as \u{XXXX}. One line in, one line out.
 */
void escape_terminal(struct buf *out, const char *s, size_t n);

/* HTML text and attribute values (double or single quotes): & < > " ' and controls other than tab, CR, LF. */
void escape_html(struct buf *out, const char *s, size_t n);

/*
 * utf8_next() - decode one character
 * Return: bytes used (1..4) with the code point, or 1 with U+FFFD for an invalid byte; 0 at the end.
 */
size_t utf8_next(const char *s, size_t n, uint32_t *ret_code);
void utf8_put(struct buf *out, uint32_t code);
/* Without white space on both sides: where it begins now, and how long it is. */
size_t utf8_trim(const char **text, size_t n);
/* NULL, or nothing but white space. */
bool str_blank(const char *s);
/* Largest k <= max_bytes such that s[0..k) ends at a character boundary. */
size_t utf8_clip(const char *s, size_t n, size_t max_bytes);

#endif
