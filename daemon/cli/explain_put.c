/*
 * The parts of an explanation on the terminal; see explain.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/explain.h"

#include <string.h>

#define TARGET_COLUMNS_MAX 48
#define BY_COLUMNS_MAX 40
#define WHAT_COLUMNS_MAX 24
#define LINE_BYTES_MAX (64 * 1024)
#define TEXT_COLUMNS_LEAST 12
#define OUTCOME_COLUMNS_LEAST 24
#define PARAGRAPH_COLUMNS_MAX 2000

/* One paragraph, whatever line breaks somebody wrote into it. */
static void put_paragraph(struct buf *out, const char *text, int columns, int indent)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT(PARAGRAPH_COLUMNS_MAX * 16);

	text_put_clipped(&line, text, PARAGRAPH_COLUMNS_MAX);
	text_put_wrapped(out, buf_str(&line), columns, indent);
}

void explain_put_line(struct buf *out, const char *label, const char *text, int columns)
{
	size_t at = out->n;

	if (!text || !*text)
		return;
	put_paragraph(out, text, MAX(columns - EXPLAIN_LABEL_COLUMNS, TEXT_COLUMNS_LEAST), EXPLAIN_LABEL_COLUMNS);
	if (!out->overflow && out->n > at)
		memcpy(out->p + at, label, MIN(strlen(label), (size_t)EXPLAIN_LABEL_COLUMNS - 1));
}

const char *explain_join(struct arena *arena, const char *const *parts, int n)
{
	const char *text = "";

	for (int i = 0; i < n; i++)
		if (parts[i] && *parts[i])
			text = *text ? arena_printf(arena, "%s · %s", text, parts[i]) : parts[i];
	return text;
}

/* What stands beside a head that is `indent` columns wide: its first line there, the others below it. */
static void put_beside(struct buf *out, const struct buf *head, const char *text, int columns, int indent)
{
	struct buf rest CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX * 10);

	put_paragraph(&rest, text, MAX(columns - indent, TEXT_COLUMNS_LEAST), indent);
	buf_add(out, buf_str(head), head->n);
	buf_puts(out, rest.n > (size_t)indent ? buf_str(&rest) + indent : "\n");
}

/* ---- owner ---- */

static void step_target(const struct explain_step *s, struct buf *out)
{
	buf_puts(out, s->target);
	if (s->value)
		buf_printf(out, " '%s'", s->value);
}

static int widest_target(const struct explain_step *steps, int n)
{
	int columns = 0;

	for (int i = 0; i < n; i++) {
		struct buf raw CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX),
			       safe CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX * 10);

		step_target(&steps[i], &raw);
		text_put_clipped(&safe, buf_str(&raw), TARGET_COLUMNS_MAX);
		columns = MAX(columns, text_columns(buf_str(&safe), safe.n));
	}
	return columns;
}

/* Who it came to, or why to nobody. */
static void step_result(const struct explain_step *s, struct buf *out)
{
	if (!s->person) {
		buf_puts(out, s->why_not ? s->why_not : "nobody");
	} else {
		buf_puts(out, s->person);
		if (s->instead_of)
			buf_printf(out, ", instead of %s, who is away", s->instead_of);
		if (s->all_away)
			buf_puts(out, ", who is away, and everybody who could stand in");
	}
	if (s->note)
		buf_printf(out, "  (%s)", s->note);
}

void explain_put_steps(struct buf *out, const char *label, const struct explain_step *steps, int n, int columns)
{
	int target_columns = MIN(widest_target(steps, n), MAX(columns / 2 - EXPLAIN_LABEL_COLUMNS, 11));
	int indent = EXPLAIN_LABEL_COLUMNS + target_columns + 2;

	for (int i = 0; i < n; i++) {
		struct buf target CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX),
				  result CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);
		struct buf head CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX * 10);

		step_target(&steps[i], &target);
		step_result(&steps[i], &result);
		text_put_cell(&head, i ? "" : label, EXPLAIN_LABEL_COLUMNS, false);
		text_put_cell(&head, buf_str(&target), target_columns, false);
		buf_puts(&head, "  ");
		put_beside(out, &head, buf_str(&result), columns, indent);
	}
}

/* ---- held ---- */

static void put_part(struct buf *out, const char *name, const char *text)
{
	if (text)
		buf_printf(out, "%s%s%s%s", out->n ? " · " : "", name, *name ? " " : "", text);
}

void explain_put_held(struct buf *out, const struct explain_held *h, int columns)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);

	put_part(&text, "ignore", h->ignore);
	put_part(&text, "merge", h->merge);
	put_part(&text, "recurrence", h->recurrence);
	put_part(&text, "cooldown", h->cooldown);
	put_part(&text, "quiet", h->quiet);
	put_part(&text, "budget", h->budget);
	put_part(&text, "", h->delivery);
	explain_put_line(out, "held?", buf_str(&text), columns);
}

/* ---- sent ---- */

static int widest(const struct explain_sent *sent, int n, bool what)
{
	int columns = 0;

	for (int i = 0; i < n; i++) {
		const char *text = what ? sent[i].what : sent[i].by;

		columns = MAX(columns, text_columns(text, strlen(text)));
	}
	return MIN(columns, what ? WHAT_COLUMNS_MAX : BY_COLUMNS_MAX);
}

/* Too narrow for columns. */
static void put_sent_lines(struct buf *out, const char *label, const struct explain_sent *sent, int n, int columns)
{
	for (int i = 0; i < n; i++) {
		struct buf text CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX);
		const char *const parts[] = {sent[i].by, sent[i].what, sent[i].at, sent[i].outcome};

		for (size_t k = 0; k < ARRAY_SIZE(parts); k++)
			if (*parts[k])
				buf_printf(&text, "%s%s", text.n ? " · " : "", parts[k]);
		explain_put_line(out, i ? "" : label, buf_str(&text), columns);
	}
}

void explain_put_sent(struct buf *out, const char *label, const struct explain_sent *sent, int n, int columns)
{
	int by = widest(sent, n, false), what = widest(sent, n, true), at = 0, indent;

	for (int i = 0; i < n; i++)
		at = MAX(at, (int)strlen(sent[i].at));
	indent = EXPLAIN_LABEL_COLUMNS + by + 2 + (what ? what + 2 : 0) + (at ? at + 2 : 0);
	if (columns - indent < OUTCOME_COLUMNS_LEAST) {
		put_sent_lines(out, label, sent, n, columns);
		return;
	}
	for (int i = 0; i < n; i++) {
		struct buf head CLEANUP(buf_fini) = BUF_INIT(LINE_BYTES_MAX * 10);

		text_put_cell(&head, i ? "" : label, EXPLAIN_LABEL_COLUMNS, false);
		text_put_cell(&head, sent[i].by, by + 2, false);
		if (what)
			text_put_cell(&head, sent[i].what, what + 2, false);
		if (at)
			text_put_cell(&head, sent[i].at, at + 2, false);
		put_beside(out, &head, sent[i].outcome, columns, indent);
	}
}
