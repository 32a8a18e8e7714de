/*
 * Reports about one expression; see source.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "rule/source.h"

#include <string.h>

#define CUT "… "

/* The start of the character that byte `at` belongs to; in bytes that are no UTF-8, near enough. */
static int character_start(const struct source *src, int at)
{
	for (int i = 0; i < 3 && at > 0 && at < src->n && ((unsigned char)src->text[at] & 0xc0) == 0x80; i++)
		at--;
	return at;
}

/*
 * The expression on one line: line breaks and tabs of the file become spaces, and a long one is cut around
 * the span. span->at is moved along.
 */
static char *excerpt_of(const struct source *src, struct span *span)
{
	int from = 0, to = src->n, lead = 0;
	char *text;

	if (src->n > EXCERPT_BYTES_MAX) {
		from = MAX(0, span->at - EXCERPT_BYTES_MAX / 3);
		from = character_start(src, from);
		to = character_start(src, MIN(src->n, from + EXCERPT_BYTES_MAX));
		lead = from > 0 ? (int)strlen(CUT) : 0;
	}
	text = arena_printf(src->arena, "%s%.*s%s", from > 0 ? CUT : "", to - from, src->text + from, to < src->n ? " …" : "");
	for (char *c = text; *c; c++)
		if (*c == '\n' || *c == '\r' || *c == '\t')
			*c = ' ';
	span->length = MIN(span->length, to - span->at);
	span->at = span->at - from + lead;
	return text;
}

static void source_report(struct source *src, enum diag_level level, struct span span, const char *hint, const char *text)
{
	struct diag *d = diag_add(src->diags, level, src->pos, "%s: %s", src->name, text);
	const char *excerpt = excerpt_of(src, &span);

	diag_excerpt(src->diags, d, excerpt, span.at, span.length, hint);
}

void source_error(struct source *src, struct span span, const char *hint, const char *fmt, ...)
{
	va_list ap;

	src->failed = true;
	va_start(ap, fmt);
	source_report(src, DIAG_ERROR, span, hint, arena_vprintf(src->arena, fmt, ap));
	va_end(ap);
}

void source_warn(struct source *src, struct span span, const char *hint, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	source_report(src, DIAG_WARNING, span, hint, arena_vprintf(src->arena, fmt, ap));
	va_end(ap);
}
