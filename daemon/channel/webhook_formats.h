/*
 * The shapes a webhook's body can have besides the standard one; webhook_body() chooses.
 *
 * Chat formats show what an alert says, in the language of the settings, and contact data only where the
 * endpoint includes it. Customers' words never become markup: Slack's three characters are escaped, Teams gets text
 * runs.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_WEBHOOK_FORMATS_H
#define CHANNEL_WEBHOOK_FORMATS_H

#include "channel/render.h"

struct body_parts {
	const struct settings *settings;
	const struct webhook *webhook;
	const struct webhook_event *event;
};

#define TEAMS_BYTES_MAX (20 * 1000) /* Teams counts 28 kB after an encoding of its own */

void body_standard(const struct body_parts *p, struct buf *out);
void body_slack(const struct body_parts *p, struct buf *out);
void body_teams(const struct body_parts *p, struct buf *out);
/* 0, -EINVAL when the template or what it makes is not right, or a negative errno when it can't be read. */
int body_template(const struct body_parts *p, struct diag_list *diags, struct buf *out);

/* The lines of a chat message. All of settings' language, not escaped, malloc'd; NULL where there is nothing to say. */
struct chat_text {
	char *title;   /* "[Urgent] Hanbit Precision 2/10 · Installation · C-812" */
	char *news;    /* "New case · Minsu Kim · acknowledge by 14:40" */
	char *note;    /* what an employee wrote with the event */
	char *comment; /* as the customer wrote it; only where it is news */
	char *contact; /* with include = [ "contact" ] */
	char *button;  /* "Open the case" */
	char *command; /* "closeloop case show C-812" */
	const char *url;
};
void chat_text_init(struct chat_text *t, const struct body_parts *p);
void chat_text_fini(struct chat_text *t);

/*
 * One piece of customers' text: control and bidi characters become blanks, line ends stay if `lines`, and what is more
 * than `characters` is cut off with an ellipsis. mrkdwn escapes & < >, and an escape counts as all its characters.
 */
void chat_put(struct buf *out, const char *text, int characters, bool lines, bool mrkdwn);

#endif
