/*
 * Text for a terminal: how wide it is, cut to a width, and times in a person's words.
 *
 * Everything a customer or an outside program wrote goes through text_put_*() before it is printed: one
 * line, no control and no bidi characters (base/escape.h). Widths follow East Asian Width (wide and full
 * width characters take two columns, combining ones none).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_TEXT_H
#define CLI_TEXT_H

#include "base/buf.h"
#include "base/clock.h"

/* Columns of one character: 0, 1 or 2. */
int text_char_columns(uint32_t code);
int text_columns(const char *s, size_t n);

/* Appends at most `columns` columns of safe text; a longer one ends with …. */
void text_put_clipped(struct buf *out, const char *s, int columns);
/* Clipped as above, then filled with spaces up to `columns` (before it when right). */
void text_put_cell(struct buf *out, const char *s, int columns, bool right);
/*
 * Longer text broken at spaces to lines of at most `columns`, each after `indent` spaces; the customer's own
 * line breaks stay.
 */
void text_put_wrapped(struct buf *out, const char *s, int columns, int indent);

/* "1,204" */
void text_put_count(struct buf *out, int64_t n);
/* "22 s", "41 min", "2 h", "12 d": the largest unit, of a duration's absolute value. */
void text_put_duration(struct buf *out, int64_t us);
/* "22 s ago", "in 2 h", "now"; "-" when t is WALL_NONE. */
void text_put_relative(struct buf *out, struct wall_time t, struct wall_time now);

/*
 * text_put_json() - JSON text made by PostgreSQL, fit for a terminal
 * Control and bidi characters inside its strings become \uXXXX, which changes nothing for a reader of JSON; line
 * breaks between values are left out.
 */
void text_put_json(struct buf *out, const char *json, size_t n);

/* Columns of the terminal on stdout; $COLUMNS; else 120. At least 40. */
int text_terminal_columns(void);

#endif
