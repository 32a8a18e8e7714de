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

/* A member's name as it stands behind another member, and its length. */
#define NAME(text) ",\"" text "\":", sizeof(",\"" text "\":") - 1

/* The first member has no comma before it. */
static void put_name(struct buf *b, const char *name, size_t n)
{
	size_t skip = b->n > 0 && b->p[b->n - 1] == '{' ? 1 : 0;

	buf_add(b, name + skip, n - skip);
}

static void put_text(struct buf *b, const char *name, size_t n, const char *value)
{
	put_name(b, name, n);
	json_put_string(b, value);
}

static void put_int(struct buf *b, const char *name, size_t n, int64_t value)
{
	put_name(b, name, n);
	buf_put_int(b, value);
}

static void put_score(struct buf *b, const char *name, size_t n, int value)
{
	put_name(b, name, n);
	if (value == SCORE_MISSING)
		buf_puts(b, "null");
	else
		buf_put_int(b, value);
}

static void put_time(struct buf *b, const char *name, size_t n, struct wall_time t)
{
	char text[WALL_TEXT_BYTES];

	put_name(b, name, n);
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
	put_int(b, NAME("id"), c->id);
	put_int(b, NAME("response_id"), c->response_id);
	put_text(b, NAME("customer_id"), c->customer_id);
	put_text(b, NAME("status"), c->status);
	put_text(b, NAME("priority"), c->priority);
	put_text(b, NAME("owner"), c->owner);
	put_text(b, NAME("team"), c->team);
	put_text(b, NAME("route"), c->route);
	put_text(b, NAME("follow_up"), c->follow_up);
	put_name(b, NAME("rules"));
	buf_putc(b, '[');
	for (int i = 0; i < c->n_rules; i++) {
		if (i > 0)
			buf_putc(b, ',');
		json_put_string(b, c->rules[i]);
	}
	buf_putc(b, ']');
	put_time(b, NAME("opened_at"), c->opened_at);
	put_time(b, NAME("acknowledged_at"), c->acknowledged_at);
	put_time(b, NAME("first_action_at"), c->first_action_at);
	put_time(b, NAME("contacted_at"), c->contacted_at);
	put_time(b, NAME("resolved_at"), c->resolved_at);
	put_time(b, NAME("closed_at"), c->closed_at);
	put_time(b, NAME("acknowledge_due_at"), c->acknowledge_due_at);
	put_time(b, NAME("resolve_due_at"), c->resolve_due_at);
	put_time(b, NAME("next_action_at"), c->next_action_at);
	put_time(b, NAME("waiting_until"), c->waiting_until);
	put_text(b, NAME("root_cause"), c->root_cause);
	put_text(b, NAME("resolution"), c->resolution);
	put_text(b, NAME("outcome"), c->outcome);
	put_int(b, NAME("reopened"), c->reopened);
	put_int(b, NAME("handovers"), c->handovers);
	put_int(b, NAME("link_epoch"), c->link_epoch);
	put_int(b, NAME("unreached"), c->unreached);
	put_name(b, NAME("ping_pong"));
	buf_puts(b, c->ping_pong ? "true" : "false");
	put_text(b, NAME("ruleset"), c->ruleset);
	put_int(b, NAME("version"), c->version);
	put_text(b, NAME("url"), c->url);
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
	put_name(b, NAME("details"));
	buf_puts(b, text ? text : "{}");
	free(text);
	json_decref(details);
}

static void put_event(struct buf *b, const struct event_facts *e)
{
	put_int(b, NAME("id"), e->id);
	put_time(b, NAME("at"), e->at);
	put_text(b, NAME("actor"), e->actor);
	put_text(b, NAME("kind"), e->kind);
	put_text(b, NAME("from_status"), e->from_status);
	put_text(b, NAME("to_status"), e->to_status);
	put_text(b, NAME("note"), e->note);
	put_event_details(b, e->details);
}

static void put_scores(struct buf *b, const struct response *r)
{
	put_score(b, NAME("nps"), r->nps);
	put_score(b, NAME("csat"), r->csat);
	put_score(b, NAME("ces"), r->ces);
	put_name(b, NAME("ratings"));
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
	put_name(b, NAME("attributes"));
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
	put_int(b, NAME("id"), r->id);
	put_text(b, NAME("source"), r->source);
	put_text(b, NAME("source_id"), r->source_id);
	put_text(b, NAME("survey"), r->survey);
	put_text(b, NAME("touchpoint"), r->touchpoint);
	put_text(b, NAME("channel"), r->channel);
	put_text(b, NAME("customer_id"), r->customer_id);
	if (contact) {
		put_text(b, NAME("customer_name"), r->customer_name);
		put_text(b, NAME("customer_email"), r->customer_email);
		put_text(b, NAME("customer_phone"), r->customer_phone);
	}
	put_text(b, NAME("account"), r->account);
	put_text(b, NAME("account_name"), r->account_name);
	put_text(b, NAME("region"), r->region);
	put_text(b, NAME("language"), r->language);
	put_scores(b, r);
	put_name(b, NAME("contact_requested"));
	buf_puts(b, r->contact_requested ? "true" : "false");
	put_text(b, NAME("comment"), r->comment);
	put_attributes(b, r);
	put_time(b, NAME("responded_at"), r->responded_at);
	put_time(b, NAME("received_at"), r->received_at);
}

void body_standard(const struct body_parts *p, struct buf *b)
{
	buf_putc(b, '{');
	put_text(b, NAME("type"), p->event->type);
	put_time(b, NAME("timestamp"), p->event->at);
	put_name(b, NAME("data"));
	buf_putc(b, '{');
	if (p->event->facts) {
		put_name(b, NAME("case"));
		buf_putc(b, '{');
		put_case(b, p->event->facts);
		buf_putc(b, '}');
	}
	if (p->event->happened) {
		put_name(b, NAME("event"));
		buf_putc(b, '{');
		put_event(b, p->event->happened);
		buf_putc(b, '}');
	}
	if (p->event->response) {
		put_name(b, NAME("response"));
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
