/*
 * Endpoints, and the way of a delivery to its transport and back; see channel.h.
 *
 *   channel_submit ─▶ job ─▶ email or webhooks (their threads) ─▶ results mailbox ─▶ channel_on_result ─▶ fn
 *
 * Invariant: every job that was made is counted in c->in_flight and at its endpoint until its one result was handed on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/channel.h"

#include "base/log.h"
#include "channel/email.h"
#include "channel/webhook.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

const struct channel_patience channel_patience_default = {
	.connect_ms = 15000, .webhook_ms = 20000, .mail_reply_ms = 60000, .mail_answer_ms = 600000, .mail_idle_ms = 30000};

/* Room is what the connections get done in this time, but at least and at most so many for each. */
#define ROOM_US (100 * US_PER_MS)
#define ROOM_FACTOR_LEAST 2
#define ROOM_FACTOR_FIRST 4 /* before anything is known */
#define ROOM_FACTOR_MOST 128
#define ROOM_BYTES (4 * 1024 * 1024) /* of what is in an endpoint's hands, unless its connections need more */
#define MEAN_WEIGHT 16               /* of the past, against one new value */

/* Results of many connections come together, not each with a wake-up of its own. */
#define RESULTS_REST_US US_PER_MS

/* A name that people configured. One of mail and hook is set while it is configured. */
struct endpoint {
	struct endpoint *next;
	char *name;
	struct email_config *mail;
	struct hook *hook;
	int connections;
	int in_flight;
	int64_t mean_us;    /* of the last attempts; 0: none yet */
	int64_t mean_bytes; /* of the last messages */
};

struct channel {
	struct mailbox *results;
	channel_result_fn *fn;
	void *arg;
	struct channel_patience patience;
	struct list hooks;          /* all that were not given away to be freed */
	struct endpoint *endpoints; /* never shorter: a name may come back */
	struct email *email;        /* NULL until mail is configured */
	struct webhooks *webhooks;
	struct deadline grace;
	int in_flight;
	bool stopping;
};

static struct endpoint *channel_find(const struct channel *c, const char *name)
{
	for (struct endpoint *e = c->endpoints; e; e = e->next)
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

static struct endpoint *channel_name(struct channel *c, const char *name)
{
	struct endpoint *e = channel_find(c, name);

	if (!e) {
		e = xcalloc(1, sizeof(*e));
		e->name = xstrdup(name);
		e->next = c->endpoints;
		c->endpoints = e;
	}
	return e;
}

/* The thread may know a hook that has had jobs; it frees it, after whatever it still does with it. */
static void channel_release_hook(struct channel *c, struct hook *h)
{
	if (h->retired && h->jobs == 0) {
		list_remove(&h->owned);
		webhooks_forget(c->webhooks, h);
	}
}

static void channel_retire_hook(struct channel *c, struct hook *h)
{
	if (h) {
		h->retired = true;
		channel_release_hook(c, h);
	}
}

static int64_t mean_with(int64_t mean, int64_t value)
{
	return mean ? (mean * (MEAN_WEIGHT - 1) + value) / MEAN_WEIGHT : value;
}

static void channel_on_result(void *arg, struct mail_item *item)
{
	struct channel *c = arg;
	struct job *job = container_of(item, struct job, item);
	struct endpoint *e = job->endpoint;

	c->in_flight--;
	if (e) {
		e->in_flight--;
		if (job->duration_us > 0)
			e->mean_us = mean_with(e->mean_us, job->duration_us);
	}
	job->mail = email_config_unref(job->mail);
	if (job->hook) {
		job->hook->jobs--;
		channel_release_hook(c, job->hook);
	}
	c->fn(c->arg, &job->result);
}

static void channel_on_grace_end(struct deadline *d)
{
	struct channel *c = container_of(d, struct channel, grace);

	if (c->email)
		email_abort(c->email);
}

static void channel_set_email(struct channel *c, const struct email_settings *s)
{
	struct endpoint *e = channel_name(c, ENDPOINT_EMAIL);
	struct email_config *fresh;

	if (!s->set) {
		e->mail = email_config_unref(e->mail);
		return;
	}
	fresh = email_config_new(s, &c->patience);
	if (e->mail && email_config_eq(e->mail, fresh)) {
		email_config_unref(fresh);
	} else {
		email_config_unref(e->mail);
		e->mail = fresh;
	}
	e->connections = MAX(1, MIN(s->connections, EMAIL_CONNECTIONS_MAX));
	if (!c->email)
		c->email = email_new(c->results);
	if (email_set_connections(c->email, e->connections) < 0)
		log_error("channel: no thread could be started for mail");
}

static void channel_set_webhook(struct channel *c, const struct webhook *w)
{
	struct endpoint *e = channel_name(c, w->id);
	struct hook *fresh = hook_new(w, &c->patience);

	if (fresh->refused != DELIVERY_SENT)
		log_warning("channel: endpoint=%s takes nothing: %s", w->id, fresh->refusal);
	if (e->hook && hook_eq(e->hook, fresh)) {
		hook_free(fresh);
		return;
	}
	channel_retire_hook(c, e->hook);
	list_append(&c->hooks, &fresh->owned);
	e->hook = fresh;
	e->connections = fresh->connections;
	e->mean_us = 0;
}

static bool settings_have(const struct settings *s, const char *webhook)
{
	for (int i = 0; i < s->n_webhooks; i++)
		if (strcmp(s->webhooks[i].id, webhook) == 0)
			return true;
	return false;
}

void channel_reload(struct channel *c, const struct settings *s)
{
	channel_set_email(c, &s->email);
	for (struct endpoint *e = c->endpoints; e; e = e->next) {
		if (e->hook && !settings_have(s, e->name)) {
			channel_retire_hook(c, e->hook);
			e->hook = NULL;
		}
	}
	for (int i = 0; i < s->n_webhooks; i++)
		channel_set_webhook(c, &s->webhooks[i]);
}

struct channel *channel_new_patient(struct loop *l, const struct settings *settings, const struct channel_patience *patience,
				    channel_result_fn *fn, void *arg)
{
	struct channel *c = xcalloc(1, sizeof(*c));

	/* It divides by zero where its table of connections found no memory: like us it ends with 71. */
	curl_global_init_mem(CURL_GLOBAL_ALL, xmalloc, free, xrealloc, xstrdup, xcalloc);
	json_set_alloc_funcs(xmalloc, free); /* its callers would send a body with holes */
	c->fn = fn;
	c->arg = arg;
	c->patience = *patience;
	list_init(&c->hooks);
	c->results = mailbox_new(l, channel_on_result, c);
	mailbox_set_rest(c->results, RESULTS_REST_US);
	deadline_init(&c->grace, l, "mail grace", channel_on_grace_end);
	c->webhooks = webhooks_new(c->results);
	if (!c->webhooks)
		return channel_free(c);
	channel_reload(c, settings);
	return c;
}

struct channel *channel_new(struct loop *l, const struct settings *settings, channel_result_fn *fn, void *arg)
{
	return channel_new_patient(l, settings, &channel_patience_default, fn, arg);
}

int channel_room(const struct channel *c, const char *endpoint)
{
	const struct endpoint *e = channel_find(c, endpoint);
	int64_t factor = ROOM_FACTOR_FIRST;

	if (!e || (!e->mail && !e->hook) || c->stopping)
		return 0;
	if (e->mean_us > 0)
		factor = MIN(ROOM_US / e->mean_us, ROOM_FACTOR_MOST);
	if (e->mean_bytes > 0)
		factor = MIN(factor, ROOM_BYTES / e->mean_bytes / MAX(e->connections, 1));
	factor = MAX(factor, ROOM_FACTOR_LEAST);
	return MAX(0, e->connections * (int)factor - e->in_flight);
}

void channel_submit(struct channel *c, struct delivery *d)
{
	struct endpoint *e = channel_find(c, d->endpoint);
	struct job *job = job_new(d);

	c->in_flight++;
	job->endpoint = e;
	if (e) {
		e->in_flight++;
		e->mean_bytes = mean_with(e->mean_bytes, (int64_t)d->payload_bytes);
	}
	if (c->stopping) {
		job_finish(job, c->results, DELIVERY_RELEASED);
	} else if (e && e->mail) {
		job->mail = email_config_ref(e->mail);
		email_submit(c->email, job);
	} else if (e && e->hook) {
		job->hook = e->hook;
		e->hook->jobs++;
		webhooks_submit(c->webhooks, job);
	} else { /* a reload took it away while its claim was under way: the message waits as the others do */
		job_finish(job, c->results, DELIVERY_RELEASED);
	}
}

int channel_in_flight(const struct channel *c)
{
	return c->in_flight;
}

void channel_stop(struct channel *c, int64_t grace_us)
{
	if (c->stopping)
		return;
	c->stopping = true;
	if (c->email)
		email_stop(c->email);
	webhooks_stop(c->webhooks, grace_us);
	deadline_arm(&c->grace, grace_us);
}

static void result_drop(void *arg, struct mail_item *item)
{
	struct job *job = container_of(item, struct job, item);

	job->mail = email_config_unref(job->mail);
	job_free(job);
}

struct channel *channel_free(struct channel *c)
{
	if (!c)
		return NULL;
	deadline_disarm(&c->grace);
	c->email = email_free(c->email);
	c->webhooks = webhooks_free(c->webhooks);
	mailbox_close(c->results, result_drop);
	list_for_each(it, &c->hooks)
		hook_free(list_entry(it, struct hook, owned));
	while (c->endpoints) {
		struct endpoint *e = c->endpoints;

		c->endpoints = e->next;
		email_config_unref(e->mail);
		free(e->name);
		free(e);
	}
	curl_global_cleanup();
	free(c);
	return NULL;
}
