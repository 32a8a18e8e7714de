/*
 * The courier's endpoints: who may be sent to, what their results say of them, breakers; see courier.c.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/endpoints.h"
#include "outbox/backoff.h"
#include "outbox/operator_store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBE_S 60
#define COURIER_UNSETTLED_MOST 2000 /* past it nothing more is sent: results keep their bodies */

/* ---- what is known of them ---- */

struct courier_endpoint *courier_endpoint(struct courier *c, const char *name)
{
	for (int i = 0; i < c->n_endpoints; i++)
		if (strcmp(c->endpoints[i].name, name) == 0)
			return &c->endpoints[i];
	return NULL;
}

bool endpoint_may_send(const struct courier *c, const struct courier_endpoint *e)
{
	return e->known && c->flow->fit && !c->everything_paused && !e->paused && !e->disabled && !e->news.gone &&
	       !e->news.credentials && c->flow->live->settings->delivery != DELIVER_HOLD;
}

static bool endpoint_takes(const struct courier *c, const struct courier_endpoint *e)
{
	return endpoint_may_send(c, e) && !endpoint_is_shut(c, e);
}

static void endpoint_stays_as_it_was(struct courier_endpoint *e, const struct courier_endpoint *was)
{
	e->paused = was->paused;
	e->disabled = was->disabled;
	e->open = was->open;
	e->open_until = was->open_until;
	e->failures = was->failures;
	e->probing = was->probing;
}

void endpoints_read(struct courier *c, const struct pg_rows *rows, bool may_be_older)
{
	bool again = false, everything_was_paused = c->everything_paused;
	size_t n = (size_t)c->n_endpoints;
	struct courier_endpoint *was = NULL;

	for (int k = 0; k < c->n_endpoints; k++)
		c->endpoints[k].took = endpoint_takes(c, &c->endpoints[k]);
	if (may_be_older)
		was = memcpy(arena_new_array(c->arena, struct courier_endpoint, n), c->endpoints, n * sizeof(*was));
	c->everything_paused = false;
	for (int k = 0; k < c->n_endpoints; k++)
		c->endpoints[k].paused = c->endpoints[k].disabled = c->endpoints[k].open = false;
	for (int i = 0; i < pg_count(rows); i++) {
		struct endpoint_state s;
		struct courier_endpoint *e;

		outbox_endpoint_read(rows, i, c->arena, &s);
		if (strcmp(s.name, "*") == 0)
			c->everything_paused = s.paused;
		e = courier_endpoint(c, s.name);
		if (!e)
			continue;
		e->paused = s.paused;
		e->disabled = s.disabled;
		e->open = s.open;
		e->open_until.us = mono_now().us + s.open_us;
		e->failures = s.failures;
		e->probing &= s.open; /* another daemon's probe came through */
	}
	for (int k = 0; k < c->n_endpoints; k++)
		if (!c->endpoints[k].took && endpoint_takes(c, &c->endpoints[k])) {
			again = true;
			if (was)
				endpoint_stays_as_it_was(&c->endpoints[k], &was[k]);
		}
	c->everything_paused |= may_be_older && everything_was_paused;
	if (again) /* resumed, enabled, or well again: the look that brought this has left out what waits there */
		courier_hint(c);
}

void courier_on_endpoints(struct courier *c, const struct pg_rows *rows)
{
	c->told++;
	endpoints_read(c, rows, false);
}

int endpoint_room(const struct courier *c, const struct courier_endpoint *e)
{
	if (!endpoint_may_send(c, e) || c->stopping || c->n_results > COURIER_UNSETTLED_MOST)
		return 0;
	if (e->open)
		return e->probing && e->in_flight == 0 ? 1 : 0;
	return MAX(channel_room(c->channel, e->name) - e->reserved, 0);
}

bool courier_reserve(struct courier *c, const char *endpoint)
{
	struct courier_endpoint *e = courier_endpoint(c, endpoint);

	if (!e || !c->up || e->open || endpoint_room(c, e) <= 0)
		return false;
	e->reserved++;
	return true;
}

bool courier_may_take(struct courier *c, const char *endpoint)
{
	struct courier_endpoint *e = courier_endpoint(c, endpoint);

	if (!e || endpoint_room(c, e) > 0)
		return true;
	if (endpoint_may_send(c, e) && !e->open && e->in_flight + e->reserved == 0)
		return true; /* results elsewhere hold it up: see COURIER_UNSETTLED_MOST */
	e->left = true;
	return false;
}

bool endpoints_have_left(const struct courier *c)
{
	for (int i = 0; i < c->n_endpoints; i++)
		if (c->endpoints[i].left)
			return true;
	return false;
}

void courier_unreserve(struct courier *c, const char *endpoint)
{
	struct courier_endpoint *e = courier_endpoint(c, endpoint);

	if (e && e->reserved > 0)
		e->reserved--;
}

/* ---- what results say ---- */

/* "answered 503" needs no "503" before it. */
static bool names_code(const struct delivery_result *r)
{
	char code[16];

	snprintf(code, sizeof(code), "%d", r->code);
	return strstr(r->error, code);
}

void endpoint_note(struct courier_endpoint *e, const struct delivery_result *r, bool mail)
{
	if (backoff_clears_endpoint(r, mail)) {
		e->news = (struct endpoint_news){.succeeded = true, .gone = e->news.gone, .credentials = e->news.credentials};
	} else if (backoff_blames_endpoint(r, mail)) {
		e->news.failures++;
		if (r->code && !names_code(r))
			snprintf(e->reason, sizeof(e->reason), "%d %s", r->code, r->error);
		else
			snprintf(e->reason, sizeof(e->reason), "%s", r->error);
	}
	e->news.gone |= r->outcome == DELIVERY_GONE;
	e->news.credentials |= r->outcome == DELIVERY_CREDENTIALS;
	e->news.unauthorized |= !mail && (r->code == 401 || r->code == 403);
	if (r->outcome == DELIVERY_CREDENTIALS)
		snprintf(e->reason, sizeof(e->reason), "%s", r->error);
	if (e->open)
		e->probing = false;
}

static void add_text_param(struct courier *c, struct pg_batch *b, const struct pg_stmt *stmt, const char *name,
			   const char *reason)
{
	struct pg_params *p = arena_new_obj(c->arena, struct pg_params);

	pg_params_init(p, c->arena);
	pg_add_text(p, name);
	pg_add_text(p, reason);
	pg_batch_add(b, stmt, p, NULL, NULL);
}

static bool endpoint_has_news(const struct courier_endpoint *e)
{
	const struct endpoint_news *n = &e->news;

	return n->gone || n->credentials || n->failures || (n->succeeded && (e->failures || e->open));
}

static void add_incident(struct courier *c, struct pg_batch *b, const struct courier_endpoint *e, enum operator_kind kind)
{
	struct pg_params *p = arena_new_obj(c->arena, struct pg_params);

	pg_params_init(p, c->arena);
	pg_add_text(p, operator_kind_name(kind));
	pg_add_text(p, e->name);
	pg_add_text(p, arena_strdup(c->arena, e->reason));
	pg_batch_add(b, &operator_open, p, NULL, NULL);
}

static void add_endpoint_news(struct courier *c, struct pg_batch *b, struct courier_endpoint *e)
{
	struct pg_params *p;

	if (e->news.gone)
		add_text_param(c, b, &outbox_endpoint_disable, e->name, "the receiver answered 410 Gone");
	if (e->news.credentials)
		add_text_param(c, b, &outbox_endpoint_pause, e->name, arena_strdup(c->arena, e->reason));
	if (!e->news.gone && !e->news.credentials) {
		p = arena_new_obj(c->arena, struct pg_params);
		pg_params_init(p, c->arena);
		pg_add_text(p, e->name);
		pg_add_int4(p, e->news.failures);
		pg_add_bool(p, e->news.succeeded);
		pg_add_text(p, arena_strdup(c->arena, e->reason));
		pg_batch_add(b, &outbox_endpoint_result, p, NULL, NULL);
	}
	/* After the state: a state that is well ends incidents. */
	if (e->news.gone)
		add_incident(c, b, e, OPERATOR_ENDPOINT_DISABLED);
	if (e->news.credentials || e->news.unauthorized)
		add_incident(c, b, e, OPERATOR_CREDENTIALS);
	/* True at once, before the next look at the table says so too. */
	e->disabled |= e->news.gone;
	e->paused |= e->news.credentials;
	e->telling = e->news;
	e->news = (struct endpoint_news){0};
}

static int by_name(const void *a, const void *b)
{
	const struct courier_endpoint *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* In the order of their names, as every daemon writes them: two that write the same rows wait for each other one way only. */
bool endpoints_add_news(struct courier *c, struct pg_batch *b)
{
	struct courier_endpoint **news = arena_new_array(c->arena, struct courier_endpoint *, (size_t)c->n_endpoints);
	int n = 0;

	for (int i = 0; i < c->n_endpoints; i++)
		if (endpoint_has_news(&c->endpoints[i]))
			news[n++] = &c->endpoints[i];
	qsort(news, (size_t)n, sizeof(*news), by_name);
	for (int i = 0; i < n; i++)
		add_endpoint_news(c, b, news[i]);
	return n > 0;
}

bool endpoints_settled(struct courier *c, bool committed)
{
	bool incident = false;

	for (int i = 0; i < c->n_endpoints; i++) {
		struct courier_endpoint *e = &c->endpoints[i];

		incident |= committed && (e->telling.gone || e->telling.credentials || e->telling.unauthorized);
		if (!committed) {
			e->news.gone |= e->telling.gone;
			e->news.credentials |= e->telling.credentials;
			if (!e->news.succeeded) {
				e->news.succeeded = e->telling.succeeded;
				e->news.failures += e->telling.failures;
				e->news.unauthorized |= e->telling.unauthorized;
			}
		}
		e->telling = (struct endpoint_news){0};
	}
	return incident;
}

/* ---- breakers ---- */

bool endpoint_is_shut(const struct courier *c, const struct courier_endpoint *e)
{
	return e->open && endpoint_room(c, e) == 0;
}

int64_t endpoints_probe_in_us(const struct courier *c)
{
	int64_t in_us = 3600 * US_PER_S, probe_us;

	for (int i = 0; i < c->n_endpoints; i++) {
		const struct courier_endpoint *e = &c->endpoints[i];

		if (endpoint_may_send(c, e) && endpoint_is_shut(c, e) && e->in_flight == 0) {
			probe_us = mono_until_us(e->open_until);
			in_us = MIN(in_us, probe_us);
		}
	}
	return in_us;
}

static void on_probe(void *arg, const struct pg_rows *rows)
{
	struct courier *c = arg;
	struct courier_endpoint *e = pg_count(rows) ? courier_endpoint(c, pg_get_text(rows, 0, 0, NULL)) : NULL;

	if (e) {
		e->probing = true;
		c->again = c->asked = true;
	}
}

void endpoints_add_probes(struct courier *c, struct pg_batch *b)
{
	for (int i = 0; i < c->n_endpoints; i++) {
		struct courier_endpoint *e = &c->endpoints[i];
		struct pg_params *p;

		if (!e->open || e->open_until.us > mono_now().us || e->probing || !endpoint_may_send(c, e))
			continue;
		p = arena_new_obj(c->arena, struct pg_params);
		pg_params_init(p, c->arena);
		pg_add_text(p, e->name);
		pg_add_float8(p, PROBE_S);
		pg_batch_add(b, &outbox_probe, p, on_probe, c);
	}
}
