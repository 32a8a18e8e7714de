/*
 * The webhook thread; see webhook.h.
 *
 *   submit ─▶ inbox ─▶ hook->queue ─ pump: a free connection, no other of its case ─▶ transfer ─▶ results
 *
 * Each hook has its own queue and its own connections, so one that hangs holds up nobody else. While others have just been sent,
 * results go back a millisecond's worth at a time: waking the main thread for each costs both more than the request does.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/webhook.h"

#include "channel/thread.h"
#include "channel/transfer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RESULTS_GATHER_US US_PER_MS
#define RESULTS_MOST 64

struct webhooks {
	pthread_t thread;
	struct loop *loop;
	struct mailbox *results; /* the main thread's */
	struct mailbox *inbox;   /* jobs */
	struct mailbox *forgets; /* hooks */
	struct mailbox *orders;
	struct mail_item stop, quit; /* the orders */
	int64_t grace_us;

	/* The webhook thread's, while it runs. */
	struct multi multi;
	struct list hooks;
	struct list active; /* transfers */
	struct list done;   /* jobs that go back with the next flush */
	int n_done;
	struct deadline flush;
	long connections; /* of all hooks */
	bool stopping;
	struct deadline grace;
};

static bool hook_line_is_busy(const struct hook *h, const struct job *job)
{
	for (int i = 0; i < h->n_active; i++)
		if (job_same_line(h->active[i], job))
			return true;
	return false;
}

static struct job *hook_pick(struct hook *h)
{
	list_for_each(it, &h->queue) {
		struct job *job = list_entry(it, struct job, link);

		if (!hook_line_is_busy(h, job)) {
			list_remove(it);
			return job;
		}
	}
	return NULL;
}

static void hook_remove_active(struct hook *h, const struct job *job)
{
	for (int i = 0; i < h->n_active; i++) {
		if (h->active[i] == job) {
			h->active[i] = h->active[--h->n_active];
			return;
		}
	}
}

static void hook_start(struct webhooks *w, struct hook *h, struct job *job)
{
	struct transfer *t = h->idle;
	int r;

	if (t)
		h->idle = t->next;
	else
		t = transfer_new(h, &w->multi);
	r = t ? transfer_start(t, job) : -ENOMEM;
	if (r < 0) {
		transfer_free(t);
		job_set_error(job, "the request could not be made: %s", strerror(-r));
		job_finish(job, w->results, DELIVERY_RETRY);
		return;
	}
	h->active[h->n_active++] = job;
	list_append(&w->active, &t->link);
}

/* Starts what may start. */
static void hook_pump(struct webhooks *w, struct hook *h)
{
	struct job *job;

	while (!w->stopping && h->n_active < h->connections && (job = hook_pick(h)))
		hook_start(w, h, job);
}

static void webhooks_flush(struct webhooks *w)
{
	struct list *it;

	deadline_disarm(&w->flush);
	w->n_done = 0;
	while ((it = list_pop(&w->done)))
		mailbox_post(w->results, &list_entry(it, struct job, link)->item);
}

static void webhooks_on_flush(struct deadline *d)
{
	webhooks_flush(container_of(d, struct webhooks, flush));
}

/* A result soon: a request was begun just now. One that hangs isn't waited for. */
static bool webhooks_expect(const struct webhooks *w)
{
	return !list_empty(&w->active) &&
	       mono_now().us - list_entry(w->active.prev, struct transfer, link)->started.us < RESULTS_GATHER_US;
}

static void webhooks_end(struct webhooks *w, struct transfer *t, CURLcode code, bool gave_up)
{
	struct hook *h = t->hook;
	struct job *job = t->job;
	enum delivery_outcome outcome = transfer_finish(t, code, gave_up);

	list_remove(&t->link);
	t->next = h->idle;
	h->idle = t;
	hook_remove_active(h, job);
	job_end(job, outcome);
	list_append(&w->done, &job->link);
	w->n_done++;
	hook_pump(w, h);
	if (!webhooks_expect(w) || w->n_done >= RESULTS_MOST)
		webhooks_flush(w);
	else if (!deadline_is_armed(&w->flush))
		deadline_arm(&w->flush, RESULTS_GATHER_US);
}

static void webhooks_on_done(void *arg, CURL *easy, CURLcode code)
{
	struct transfer *t = NULL;

	curl_easy_getinfo(easy, CURLINFO_PRIVATE, &t);
	webhooks_end(arg, t, code, false);
}

static void webhooks_adopt(struct webhooks *w, struct hook *h)
{
	list_append(&w->hooks, &h->link);
	w->connections += h->connections;
	curl_multi_setopt(w->multi.curl, CURLMOPT_MAXCONNECTS, w->connections);
}

static void webhooks_on_job(void *arg, struct mail_item *item)
{
	struct webhooks *w = arg;
	struct job *job = container_of(item, struct job, item);
	struct hook *h = job->hook;

	if (list_empty(&h->link))
		webhooks_adopt(w, h);
	if (w->stopping) {
		job_finish(job, w->results, DELIVERY_RELEASED);
	} else if (h->refused != DELIVERY_SENT) {
		job_set_error(job, "%s", h->refusal);
		job_finish(job, w->results, h->refused);
	} else {
		list_append(&h->queue, &job->link);
		hook_pump(w, h);
	}
}

static void webhooks_on_forget(void *arg, struct mail_item *item)
{
	struct webhooks *w = arg;
	struct hook *h = container_of(item, struct hook, forget);

	if (!list_empty(&h->link))
		w->connections -= h->connections;
	hook_free(h);
}

static void webhooks_on_grace_end(struct deadline *d)
{
	struct webhooks *w = container_of(d, struct webhooks, grace);

	list_for_each(it, &w->active)
		webhooks_end(w, list_entry(it, struct transfer, link), CURLE_ABORTED_BY_CALLBACK, true);
}

static void webhooks_on_order(void *arg, struct mail_item *item)
{
	struct webhooks *w = arg;
	struct list *job;

	if (item == &w->quit) {
		loop_stop(w->loop);
		return;
	}
	w->stopping = true;
	list_for_each(it, &w->hooks) {
		struct hook *h = list_entry(it, struct hook, link);

		while ((job = list_pop(&h->queue)))
			job_finish(list_entry(job, struct job, link), w->results, DELIVERY_RELEASED);
	}
	deadline_arm(&w->grace, w->grace_us);
}

static void *webhooks_run(void *arg)
{
	struct webhooks *w = arg;

	loop_run(w->loop);
	deadline_disarm(&w->grace);
	webhooks_flush(w);
	/* Nobody waits for these results any more. */
	list_for_each(it, &w->active) {
		struct transfer *t = list_entry(it, struct transfer, link);

		curl_multi_remove_handle(w->multi.curl, t->easy);
		job_free(t->job);
		transfer_free(t);
	}
	list_for_each(it, &w->hooks)
		hook_clear(list_entry(it, struct hook, link));
	multi_fini(&w->multi);
	return NULL;
}

struct webhooks *webhooks_new(struct mailbox *results)
{
	struct webhooks *w = xcalloc(1, sizeof(*w));

	w->results = results;
	list_init(&w->hooks);
	list_init(&w->active);
	list_init(&w->done);
	w->loop = loop_new();
	if (!w->loop || multi_init(&w->multi, w->loop, webhooks_on_done, w) < 0) {
		loop_free(w->loop);
		free(w);
		return NULL;
	}
	w->inbox = mailbox_new(w->loop, webhooks_on_job, w);
	w->forgets = mailbox_new(w->loop, webhooks_on_forget, w);
	w->orders = mailbox_new(w->loop, webhooks_on_order, w);
	deadline_init(&w->grace, w->loop, "webhook grace", webhooks_on_grace_end);
	deadline_init(&w->flush, w->loop, "webhook results", webhooks_on_flush);
	if (thread_start(&w->thread, webhooks_run, w) < 0) {
		multi_fini(&w->multi);
		w->inbox = mailbox_close(w->inbox, NULL);
		w->forgets = mailbox_close(w->forgets, NULL);
		w->orders = mailbox_close(w->orders, NULL);
		loop_free(w->loop);
		free(w);
		return NULL;
	}
	return w;
}

void webhooks_submit(struct webhooks *w, struct job *job)
{
	mailbox_post(w->inbox, &job->item);
}

void webhooks_forget(struct webhooks *w, struct hook *h)
{
	mailbox_post(w->forgets, &h->forget);
}

void webhooks_stop(struct webhooks *w, int64_t grace_us)
{
	w->grace_us = grace_us;
	mailbox_post(w->orders, &w->stop);
}

static void hook_drop(void *arg, struct mail_item *item)
{
	hook_free(container_of(item, struct hook, forget));
}

static void order_drop(void *arg, struct mail_item *item)
{
}

struct webhooks *webhooks_free(struct webhooks *w)
{
	if (!w)
		return NULL;
	mailbox_post(w->orders, &w->quit);
	pthread_join(w->thread, NULL);
	mailbox_close(w->inbox, job_drop);
	mailbox_close(w->forgets, hook_drop);
	mailbox_close(w->orders, order_drop);
	loop_free(w->loop);
	free(w);
	return NULL;
}
