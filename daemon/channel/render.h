/*
 * Bodies: an alert becomes the bytes of a mail or the JSON of a webhook. Pure: no clock, no I/O.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_RENDER_H
#define CHANNEL_RENDER_H

#include "model/alert.h"
#include "settings/settings.h"

/* All mail templates of a configuration, compiled: the built-in ones, overridden by files in templates_dir. */
struct mail_templates;
#define RENDER_E_INVALID 1
/* Return: 0, RENDER_E_INVALID with diags, or a negative errno. Each template is also rendered once with sample data. */
int mail_templates_new(const struct settings *s, struct diag_list *diags, struct mail_templates **ret);
struct mail_templates *mail_templates_free(struct mail_templates *t);
void mail_templates_freep(struct mail_templates **t);

/* The three texts of a mail, before MIME; for `try --mail` and tests. */
struct mail_text {
	char *subject, *text, *html; /* malloc'd */
};
void mail_text_fini(struct mail_text *m);

/*
 * mail_render() - texts of an alert in the recipient's language
 * A template that fails falls back to a plain built-in text; *ret_fallback says so.
 */
int mail_render(const struct mail_templates *t, const struct settings *s, const struct alert *alert, struct mail_text *ret,
		bool *ret_fallback);

/*
 * mail_message() - the whole RFC 5322 message (DESIGN 6), CRLF line ends, ASCII only
 * Stable for a given alert: Date and Message-ID come from `date` and alert->message_id.
 * Return: 0, -EINVAL when an address can't be used, -EMSGSIZE when out's cap was hit.
 */
int mail_message(const struct settings *s, const struct alert *alert, const struct mail_text *m, struct wall_time date,
		 struct buf *out);

/*
 * digest_render(), operator_render(), and their messages: as mail_render() and mail_message()
 * A digest belongs to no case, so it begins no thread. An operator mail says what to type.
 */
int digest_render(const struct mail_templates *t, const struct settings *s, const struct digest *digest, struct mail_text *ret,
		  bool *ret_fallback);
int digest_message(const struct settings *s, const struct digest *digest, const struct mail_text *m, struct wall_time date,
		   struct buf *out);
int operator_render(const struct mail_templates *t, const struct settings *s, const struct operator_news *news,
		    struct mail_text *ret, bool *ret_fallback);
int operator_message(const struct settings *s, const struct operator_news *news, const struct mail_text *m,
		     struct wall_time date, struct buf *out);

/* A fresh link, likewise; it belongs to no thread. */
int link_render(const struct mail_templates *t, const struct settings *s, const struct link_mail *link, struct mail_text *ret,
		bool *ret_fallback);
int link_message(const struct settings *s, const struct link_mail *link, const struct mail_text *m, struct wall_time date,
		 struct buf *out);

/* Columns of closeloop.cases at the time of the event, for webhook bodies. NULL texts become null. */
struct case_facts {
	int64_t id, response_id;
	const char *customer_id, *status, *priority, *owner, *team, *route, *follow_up;
	const char *const *rules;
	int n_rules;
	struct wall_time opened_at, acknowledged_at, first_action_at, contacted_at, resolved_at, closed_at;
	struct wall_time acknowledge_due_at, resolve_due_at, next_action_at, waiting_until;
	const char *root_cause, *resolution, *outcome;
	int reopened, handovers, link_epoch, version;
	int unreached;
	bool ping_pong;
	const char *ruleset;
	const char *url; /* of the case page, or NULL */
};

/*
 * The row of closeloop.case_events that a webhook tells of, "data":{"event":{…}} with the columns' names.
 * details is the JSON object as stored; what is for undo only ("before", "cancelled") stays in the house.
 */
struct event_facts {
	int64_t id;
	struct wall_time at;
	const char *actor, *kind, *from_status, *to_status;
	const char *note;    /* an employee's words, or NULL */
	const char *details; /* NULL: {} */
};

/* What a webhook tells. */
struct webhook_event {
	const char *type; /* "case.opened", "praise.received" */
	struct wall_time at;
	const struct case_facts *facts;  /* NULL leaves "case" out */
	const struct response *response; /* NULL leaves "response" out */
	const struct alert *alert;       /* words for Slack, Teams and templates, in the language of the settings; NULL: none */
	const struct event_facts *happened; /* NULL leaves "event" out */
};

/*
 * webhook_body() - DESIGN 6: {"type":…,"timestamp":…,"data":{"case":{…},"event":{…},"response":{…}}}, or the shape of the format
 *
 * Contact data (customer_name, _email, _phone) only with include = [ "contact" ]. A template file is read for each
 * body; one that fails is logged, and the standard body goes out instead: an alert is never lost for it. Appends to
 * out. Return: 0, or -EMSGSIZE when out's cap was hit.
 */
int webhook_body(const struct settings *s, const struct webhook *w, const struct webhook_event *event, struct buf *out);

/* Renders the template of each webhook that has one with sample data. 0, or RENDER_E_INVALID with diags. */
int webhook_templates_check(const struct settings *s, struct diag_list *diags);

#endif
