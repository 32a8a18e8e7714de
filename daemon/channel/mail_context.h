/*
 * An alert as the names that mail templates and sentences may use.
 *
 * The context is one flat JSON object: facts of the response, times and sentences already in the recipient's
 * language, lists for ratings and details. What doesn't apply is left out, so {{#name}}…{{/name}} works for all.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MAIL_CONTEXT_H
#define CHANNEL_MAIL_CONTEXT_H

#include "channel/mail_words.h"
#include "model/alert.h"
#include "template/template.h"

#define MAIL_COMMENT_BYTES_MAX (2 * 1024 * 1024) /* of a comment, in the text part */
#define MAIL_COMMENT_HTML_BYTES_MAX (48 * 1024)  /* in the HTML part: mail programs cut large ones off */

/* The context for an alert, as a new reference. */
json_t *mail_context(const struct mail_words *w, const struct alert *a);

/* "opened", "waiting_over": the name of a kind in templates and words. */
const char *mail_context_kind(enum alert_kind kind);

/* The contexts of a digest and of a mail to operators. */
json_t *mail_digest_context(const struct mail_words *w, const struct digest *d);
json_t *mail_operator_context(const struct mail_words *w, const struct operator_news *n);
json_t *mail_link_context(const struct mail_words *w, const struct link_mail *link);

/* Every name that a context may have, NULL-terminated (docs/mail-templates.md). */
extern const char *const mail_context_names[];

/* Warns about each name of t that no context has. @pos: what to blame; its line is kept. */
void mail_context_check(const struct template *t, struct text_pos pos, struct diag_list *diags);

#endif
