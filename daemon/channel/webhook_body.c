/*
 * Bodies of webhooks; see render.h. The standard one is written by hand, straight into the buffer: it is made for
 * every message of every endpoint, in the main thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook_formats.h"

#include "base/escape.h"
#include "base/log.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every member but the first starts with a comma. */
static void put_name(struct buf *b, const char *name)
{
	if (b->n > 0 && b->p[b->n - 1] != '{')
		buf_putc(b, ',');
	buf_putc(b, '"');
	buf_puts(b, name);
	buf_add(b, "\":", 2);
}

static void put_text(struct buf *b, const char *name, const char *value)
{
	put_name(b, name);
	json_put_string(b, value);
}

static void put_int(struct buf *b, const char *name, int64_t value)
{
	put_name(b, name);
	buf_put_int(b, value);
}

static void put_score(struct buf *b, const char *name, int value)
{
	put_name(b, name);
	if (value == SCORE_MISSING)
		buf_puts(b, "null");
	else
		buf_put_int(b, value);
}

static void put_time(struct buf *b, const char *name, struct wall_time t)
{
	char text[WALL_TEXT_BYTES];

	put_name(b, name);
	if (!wall_is_set(t)) {
		buf_puts(b, "null");
		return;
	}
	buf_putc(b, '"');
	buf_puts(b, wall_text(t, text));
	buf_putc(b, '"');
}

/* The shortest spelling that reads back the same. */
static void put_number(struct buf *b, double v)
{
	char text[32];

	if (!isfinite(v)) {
		buf_puts(b, "null");
		return;
	}
	if (fabs(v) < 1e15 && v == (double)(int64_t)v) {
		buf_put_int(b, (int64_t)v);
		return;
	}
	snprintf(text, sizeof(text), "%.15g", v);
	if (strtod(text, NULL) != v)
		snprintf(text, sizeof(text), "%.17g", v);
	buf_puts(b, text);
}

static void put_case(struct buf *b, const struct case_facts *c)
{
	put_int(b, "id", c->id);
	put_int(b, "response_id", c->response_id);
	put_text(b, "customer_id", c->customer_id);
	put_text(b, "status", c->status);
	put_text(b, "priority", c->priority);
	put_text(b, "owner", c->owner);
	put_text(b, "team", c->team);
	put_text(b, "route", c->route);
	put_text(b, "follow_up", c->follow_up);
	put_name(b, "rules");
	buf_putc(b, '[');
	for (int i = 0; i < c->n_rules; i++) {
		if (i > 0)
			buf_putc(b, ',');
		json_put_string(b, c->rules[i]);
	}
	buf_putc(b, ']');
	put_time(b, "opened_at", c->opened_at);
	put_time(b, "acknowledged_at", c->acknowledged_at);
	put_time(b, "first_action_at", c->first_action_at);
	put_time(b, "contacted_at", c->contacted_at);
	put_time(b, "resolved_at", c->resolved_at);
	put_time(b, "closed_at", c->closed_at);
	put_time(b, "acknowledge_due_at", c->acknowledge_due_at);
	put_time(b, "resolve_due_at", c->resolve_due_at);
	put_time(b, "next_action_at", c->next_action_at);
	put_time(b, "waiting_until", c->waiting_until);
	put_text(b, "root_cause", c->root_cause);
	put_text(b, "resolution", c->resolution);
	put_text(b, "outcome", c->outcome);
	put_int(b, "reopened", c->reopened);
	put_int(b, "handovers", c->handovers);
	put_int(b, "link_epoch", c->link_epoch);
	put_int(b, "unreached", c->unreached);
	put_name(b, "ping_pong");
	buf_puts(b, c->ping_pong ? "true" : "false");
	put_text(b, "ruleset", c->ruleset);
	put_int(b, "version", c->version);
	put_text(b, "url", c->url);
}

/* Details as they are stored, but for what only undo needs. */
static void put_event_details(struct buf *b, const char *stored)
{
	static const char *const inner[] = {"before", "cancelled"};
	json_t *details = stored ? json_loads(stored, 0, NULL) : NULL;
	char *text = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(inner) && json_is_object(details); i++)
		json_object_del(details, inner[i]);
	if (json_is_object(details))
		text = json_dumps(details, JSON_COMPACT);
	put_name(b, "details");
	buf_puts(b, text ? text : "{}");
	free(text);
	json_decref(details);
}

static void put_event(struct buf *b, const struct event_facts *e)
{
	put_int(b, "id", e->id);
	put_time(b, "at", e->at);
	put_text(b, "actor", e->actor);
	put_text(b, "kind", e->kind);
	put_text(b, "from_status", e->from_status);
	put_text(b, "to_status", e->to_status);
	put_text(b, "note", e->note);
	put_event_details(b, e->details);
}

static void put_scores(struct buf *b, const struct response *r)
{
	put_score(b, "nps", r->nps);
	put_score(b, "csat", r->csat);
	put_score(b, "ces", r->ces);
	put_name(b, "ratings");
	buf_putc(b, '{');
	for (int i = 0; i < r->n_ratings; i++) {
		if (i > 0)
			buf_putc(b, ',');
		json_put_string(b, r->ratings[i].name);
		buf_putc(b, ':');
		put_number(b, r->ratings[i].value);
	}
	buf_putc(b, '}');
}

static void put_attributes(struct buf *b, const struct response *r)
{
	put_name(b, "attributes");
	buf_putc(b, '{');
	for (int i = 0; i < r->n_attributes; i++) {
		const struct attribute *a = &r->attributes[i];

		if (i > 0)
			buf_putc(b, ',');
		json_put_string(b, a->name);
		buf_putc(b, ':');
		if (a->type == ATTRIBUTE_NUMBER)
			put_number(b, a->number);
		else if (a->type == ATTRIBUTE_BOOL)
			buf_puts(b, a->truth ? "true" : "false");
		else
			json_put_string(b, a->text);
	}
	buf_putc(b, '}');
}

static void put_response(struct buf *b, const struct response *r, bool contact)
{
	put_int(b, "id", r->id);
	put_text(b, "source", r->source);
	put_text(b, "source_id", r->source_id);
	put_text(b, "survey", r->survey);
	put_text(b, "touchpoint", r->touchpoint);
	put_text(b, "channel", r->channel);
	put_text(b, "customer_id", r->customer_id);
	if (contact) {
		put_text(b, "customer_name", r->customer_name);
		put_text(b, "customer_email", r->customer_email);
		put_text(b, "customer_phone", r->customer_phone);
	}
	put_text(b, "account", r->account);
	put_text(b, "account_name", r->account_name);
	put_text(b, "region", r->region);
	put_text(b, "language", r->language);
	put_scores(b, r);
	put_name(b, "contact_requested");
	buf_puts(b, r->contact_requested ? "true" : "false");
	put_text(b, "comment", r->comment);
	put_attributes(b, r);
	put_time(b, "responded_at", r->responded_at);
	put_time(b, "received_at", r->received_at);
}

void body_standard(const struct body_parts *p, struct buf *b)
{
	buf_putc(b, '{');
	put_text(b, "type", p->event->type);
	put_time(b, "timestamp", p->event->at);
	put_name(b, "data");
	buf_putc(b, '{');
	if (p->event->facts) {
		put_name(b, "case");
		buf_putc(b, '{');
		put_case(b, p->event->facts);
		buf_putc(b, '}');
	}
	if (p->event->happened) {
		put_name(b, "event");
		buf_putc(b, '{');
		put_event(b, p->event->happened);
		buf_putc(b, '}');
	}
	if (p->event->response) {
		put_name(b, "response");
		buf_putc(b, '{');
		put_response(b, p->event->response, p->webhook->include_contact);
		buf_putc(b, '}');
	}
	buf_add(b, "}}", 2);
}

int webhook_body(const struct settings *s, const struct webhook *w, const struct webhook_event *event, struct buf *out)
{
	struct body_parts p = {s, w, event};
	int r;

	switch (w->format) {
	case WEBHOOK_STANDARD: body_standard(&p, out); break;
	case WEBHOOK_SLACK: body_slack(&p, out); break;
	case WEBHOOK_TEAMS: body_teams(&p, out); break;
	case WEBHOOK_TEMPLATE:
		r = body_template(&p, NULL, out);
		if (r < 0 && !out->overflow) {
			log_error("endpoint %s: the template makes no body (%s), the standard one goes out: closeloop check",
				  w->id, strerror(-r));
			body_standard(&p, out);
		}
		break;
	}
	return out->overflow ? -EMSGSIZE : 0;
}
