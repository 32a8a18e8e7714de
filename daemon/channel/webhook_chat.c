/*
 * Slack and Microsoft Teams; see webhook_formats.h.
 *
 * Slack: `text` is what a notification shows, `blocks` the message; a section takes 3,000 characters. Teams: an
 * Adaptive Card 1.2 of text runs, which know no markup, at most 20 kB: Teams drops larger ones.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_formats.h"

#include "base/escape.h"

#include <string.h>

#define SLACK_COMMENT_CHARACTERS 2000 /* the other lines take less than 1,000 */
#define SLACK_LINE_CHARACTERS 300
#define SLACK_BYTES_MAX (64 * 1024)
#define TEAMS_COMMENT_CHARACTERS 3000
#define TEAMS_LINE_CHARACTERS 300
#define URL_BYTES_MAX 3000

static void slack_line(struct buf *b, const char *text, const char *before, const char *after)
{
	if (!text)
		return;
	if (b->n > 0)
		buf_putc(b, '\n');
	buf_puts(b, before);
	chat_put(b, text, SLACK_LINE_CHARACTERS, false, true);
	buf_puts(b, after);
}

/* Each line of it as a quotation. */
static void slack_quote(struct buf *b, const char *text)
{
	struct buf quote CLEANUP(buf_fini) = BUF_INIT(SLACK_BYTES_MAX);

	if (!text)
		return;
	chat_put(&quote, text, SLACK_COMMENT_CHARACTERS, true, true);
	buf_puts(b, "\n>");
	for (size_t i = 0; i < quote.n; i++) {
		buf_putc(b, quote.p[i]);
		if (quote.p[i] == '\n')
			buf_putc(b, '>');
	}
}

static void put_quoted(struct buf *out, const struct buf *text)
{
	buf_putc(out, '"');
	escape_json(out, buf_str(text), text->n);
	buf_putc(out, '"');
}

static bool url_fits(const struct chat_text *t)
{
	return t->url && strlen(t->url) <= URL_BYTES_MAX;
}

void body_slack(const struct body_parts *p, struct buf *out)
{
	struct buf text CLEANUP(buf_fini) = BUF_INIT(SLACK_BYTES_MAX);
	struct chat_text t CLEANUP(chat_text_fini);
	const char *title;

	chat_text_init(&t, p);
	title = t.title ? t.title : t.news;
	slack_line(&text, title, "", "");
	buf_puts(out, "{\"text\":");
	put_quoted(out, &text);
	buf_reset(&text);
	slack_line(&text, t.title, "*", "*");
	slack_line(&text, t.news, "", "");
	slack_line(&text, t.note, "", "");
	slack_quote(&text, t.comment);
	slack_line(&text, t.contact, "", "");
	if (!url_fits(&t))
		slack_line(&text, t.command, "`", "`");
	buf_puts(out, ",\"blocks\":[{\"type\":\"section\",\"text\":{\"type\":\"mrkdwn\",\"text\":");
	put_quoted(out, &text);
	buf_puts(out, "}}");
	if (url_fits(&t)) {
		buf_puts(out, ",{\"type\":\"actions\",\"elements\":[{\"type\":\"button\",\"text\":{\"type\":\"plain_text\","
			      "\"text\":");
		json_put_string(out, t.button);
		buf_puts(out, "},\"url\":");
		json_put_string(out, t.url);
		buf_puts(out, ",\"action_id\":\"open\"}]}");
	}
	buf_puts(out, "]}");
}

static void teams_line(struct buf *out, const char *text, int characters, const char *style)
{
	struct buf line CLEANUP(buf_fini) = BUF_INIT(SLACK_BYTES_MAX);

	if (!text)
		return;
	if (out->n > 0 && out->p[out->n - 1] == '}')
		buf_putc(out, ',');
	chat_put(&line, text, characters, true, false);
	buf_puts(out, "{\"type\":\"RichTextBlock\",\"inlines\":[{\"type\":\"TextRun\",\"text\":");
	put_quoted(out, &line);
	buf_puts(out, style);
	buf_puts(out, "}]}");
}

static void teams_card(const struct chat_text *t, int comment_characters, struct buf *out)
{
	buf_puts(out, "{\"type\":\"message\",\"attachments\":[{\"contentType\":\"application/vnd.microsoft.card.adaptive\","
		      "\"contentUrl\":null,\"content\":{\"$schema\":\"http://adaptivecards.io/schemas/adaptive-card.json\","
		      "\"type\":\"AdaptiveCard\",\"version\":\"1.2\",\"body\":[");
	teams_line(out, t->title, TEAMS_LINE_CHARACTERS, ",\"weight\":\"Bolder\",\"size\":\"Medium\"");
	teams_line(out, t->news, TEAMS_LINE_CHARACTERS, "");
	teams_line(out, t->note, TEAMS_LINE_CHARACTERS, "");
	teams_line(out, t->comment, comment_characters, ",\"italic\":true");
	teams_line(out, t->contact, TEAMS_LINE_CHARACTERS, "");
	if (!url_fits(t))
		teams_line(out, t->command, TEAMS_LINE_CHARACTERS, ",\"fontType\":\"Monospace\"");
	buf_puts(out, "],\"actions\":[");
	if (url_fits(t)) {
		buf_puts(out, "{\"type\":\"Action.OpenUrl\",\"title\":");
		json_put_string(out, t->button);
		buf_puts(out, ",\"url\":");
		json_put_string(out, t->url);
		buf_putc(out, '}');
	}
	buf_puts(out, "],\"msteams\":{\"width\":\"full\"}}}]}");
}

void body_teams(const struct body_parts *p, struct buf *out)
{
	struct buf card CLEANUP(buf_fini) = BUF_INIT(4 * TEAMS_BYTES_MAX);
	struct chat_text t CLEANUP(chat_text_fini);

	chat_text_init(&t, p);
	/* How long a character is in JSON is known afterwards: try a shorter comment. */
	for (int characters = TEAMS_COMMENT_CHARACTERS; characters > 0; characters /= 2) {
		buf_reset(&card);
		teams_card(&t, characters, &card);
		if (card.n <= TEAMS_BYTES_MAX && !card.overflow)
			break;
	}
	buf_add(out, buf_str(&card), card.n);
}
