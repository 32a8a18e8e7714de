/*
 * A mail from its three texts: headers of DESIGN 6, text part first.
 *
 * Everything is a function of the values given and the date, so the bytes are the same whenever they are made again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/mime.h"
#include "channel/render.h"
#include "model/message.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>

/* What the headers say, whatever the mail is about. */
struct envelope {
	struct uuid id;
	enum language language;
	const char *to_name, *to_address, *reply_to;
	const char *instance;
	int64_t case_id; /* 0: no thread */
	bool redirected;
};

/* The root of a case's thread: no mail has this id, all refer to it, so mail programs show them together. */
static void put_thread(struct buf *out, const struct settings *s, const struct envelope *e)
{
	struct buf root = BUF_INIT(600);

	if (e->case_id <= 0)
		return;
	buf_printf(&root, "case-%" PRId64 ".", e->case_id);
	for (const char *c = e->instance ? e->instance : "default"; *c; c++)
		buf_putc(&root, isalnum((unsigned char)*c) || *c == '-' || *c == '_' ? *c : '-');
	buf_printf(&root, "@%s", s->email.from_domain);
	buf_printf(out, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", buf_str(&root), buf_str(&root));
	buf_fini(&root);
}

static int put_people(struct buf *out, const struct settings *s, const struct envelope *e)
{
	const char *reply_to = e->reply_to && *e->reply_to ? e->reply_to : NULL;
	int r;

	r = mime_mailbox(out, "From", s->email.from_name, s->email.from_address);
	if (r < 0)
		return r;
	/* A redirected mail goes to somebody else: the name would be wrong. */
	r = mime_mailbox(out, "To", e->redirected ? NULL : e->to_name, e->to_address);
	if (r < 0)
		return r;
	return reply_to ? mime_mailbox(out, "Reply-To", NULL, reply_to) : 0;
}

static int message_put(const struct settings *s, const struct envelope *e, const struct mail_text *m, struct wall_time date,
		       struct buf *out)
{
	char uuid[UUID_TEXT_BYTES];
	int r;

	uuid_text(&e->id, uuid);
	if (!s->email.from_domain || !*s->email.from_domain)
		return -EINVAL;
	mime_date(out, date);
	r = put_people(out, s, e);
	if (r < 0)
		return r;
	mime_header(out, "Subject", m->subject);
	buf_printf(out, "Message-ID: <%s@%s>\r\n", uuid, s->email.from_domain);
	put_thread(out, s, e);
	buf_puts(out, "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n");
	if (e->case_id > 0)
		buf_printf(out, "X-Closeloop-Case: C-%" PRId64 "\r\n", e->case_id);
	buf_printf(out, "Content-Language: %s\r\nMIME-Version: 1.0\r\n", language_name(e->language));
	if (!m->html) {
		mime_text(out, "text/plain", m->text, strlen(m->text));
		return out->overflow ? -EMSGSIZE : 0;
	}
	/* "=_" can stand neither in quoted-printable nor in base64 text. */
	buf_printf(out, "Content-Type: multipart/alternative;\r\n boundary=\"=_%s\"\r\n\r\n", uuid);
	buf_printf(out, "--=_%s\r\n", uuid);
	mime_text(out, "text/plain", m->text, strlen(m->text));
	buf_printf(out, "\r\n--=_%s\r\n", uuid);
	mime_text(out, "text/html", m->html, strlen(m->html));
	buf_printf(out, "\r\n--=_%s--\r\n", uuid);
	return out->overflow ? -EMSGSIZE : 0;
}

int mail_message(const struct settings *s, const struct alert *alert, const struct mail_text *m, struct wall_time date,
		 struct buf *out)
{
	struct envelope e = {
		.id = alert->message_id,
		.language = alert->language,
		.to_name = alert->person_name,
		.to_address = alert->person_address,
		.reply_to = alert->reply_to,
		.instance = alert->instance,
		.case_id = alert->case_id,
		.redirected = alert->redirected_from != NULL,
	};

	return message_put(s, &e, m, date, out);
}

int digest_message(const struct settings *s, const struct digest *digest, const struct mail_text *m, struct wall_time date,
		   struct buf *out)
{
	struct envelope e = {
		.id = digest->message_id,
		.language = digest->language,
		.to_name = digest->person_name,
		.to_address = digest->person_address,
		.reply_to = digest->reply_to,
		.redirected = digest->redirected_from != NULL,
	};

	return message_put(s, &e, m, date, out);
}

int link_message(const struct settings *s, const struct link_mail *link, const struct mail_text *m, struct wall_time date,
		 struct buf *out)
{
	struct envelope e = {
		.id = link->message_id,
		.language = link->language,
		.to_name = link->person_name,
		.to_address = link->person_address,
		.reply_to = link->reply_to,
		.redirected = link->redirected_from != NULL,
	};

	return message_put(s, &e, m, date, out);
}

int operator_message(const struct settings *s, const struct operator_news *news, const struct mail_text *m,
		     struct wall_time date, struct buf *out)
{
	struct envelope e = {
		.id = news->message_id,
		.language = news->language,
		.to_name = news->to_name,
		.to_address = news->to_address,
		.redirected = news->redirected_from != NULL,
	};

	return message_put(s, &e, m, date, out);
}
