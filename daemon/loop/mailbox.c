/*
 * Mailbox between threads; see loop.h.
 *
 * Posting pushes onto a lock-free stack and wakes the loop only when the stack was empty; the loop takes the
 * whole stack at once and turns it round. With one taker of everything there is no ABA problem.
 *
 * While a mailbox rests nobody wakes the loop. Both sides say what they did before they look at what the other did (sequentially
 * consistent), so an item posted as the rest ends is seen by the one or the other.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/private.h"

#include <assert.h>
#include <stdatomic.h>
#include <stdlib.h>

struct mailbox {
	ev_async wake;
	struct ev_loop *ev;
	_Atomic(struct mail_item *) posted; /* last one first */
	struct mail_item *ready;            /* first one first; the loop's thread only */
	mailbox_fn *fn;
	void *arg;
	bool delivering, closed;
	atomic_bool resting;
	int64_t rest_us;
	struct deadline rest;
};

/* Moves what was posted behind `ready`, in order. */
static void mailbox_collect(struct mailbox *m)
{
	struct mail_item *item = atomic_exchange_explicit(&m->posted, NULL, memory_order_acquire);
	struct mail_item *list = NULL, **end = &m->ready;

	while (item) {
		struct mail_item *next = item->next;

		item->next = list;
		list = item;
		item = next;
	}
	while (*end)
		end = &(*end)->next;
	*end = list;
}

static struct mail_item *mailbox_next(struct mailbox *m)
{
	struct mail_item *item = m->ready;

	if (item) {
		m->ready = item->next;
		item->next = NULL;
	}
	return item;
}

/* Whether there was anything. Afterwards m may be gone: *ret_closed. */
static bool mailbox_deliver(struct mailbox *m, bool *ret_closed)
{
	struct mail_item *item;
	bool any = false;

	mailbox_collect(m);
	m->delivering = true;
	while (!m->closed && (item = mailbox_next(m))) {
		any = true;
		m->fn(m->arg, item);
	}
	m->delivering = false;
	*ret_closed = m->closed;
	if (m->closed)
		free(m);
	return any;
}

static void mailbox_on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
	struct mailbox *m = container_of(w, struct mailbox, wake);
	bool closed;

	if (deadline_is_armed(&m->rest)) /* a wake-up from before the rest */
		return;
	atomic_store(&m->resting, m->rest_us > 0);
	mailbox_deliver(m, &closed);
	if (!closed && m->rest_us > 0)
		deadline_arm(&m->rest, m->rest_us);
}

static void mailbox_on_rested(struct deadline *d)
{
	struct mailbox *m = container_of(d, struct mailbox, rest);
	bool closed, any = mailbox_deliver(m, &closed);

	if (closed)
		return;
	if (any) {
		deadline_arm(&m->rest, m->rest_us);
		return;
	}
	atomic_store(&m->resting, false);
	if (atomic_load(&m->posted))
		ev_async_send(m->ev, &m->wake);
}

struct mailbox *mailbox_new(struct loop *l, mailbox_fn *fn, void *arg)
{
	struct mailbox *m = xcalloc(1, sizeof(*m));

	m->ev = l->ev;
	m->fn = fn;
	m->arg = arg;
	ev_async_init(&m->wake, mailbox_on_wake);
	ev_async_start(m->ev, &m->wake);
	deadline_init(&m->rest, l, "mailbox rest", mailbox_on_rested);
	return m;
}

void mailbox_set_rest(struct mailbox *m, int64_t us)
{
	m->rest_us = us;
}

void mailbox_post(struct mailbox *m, struct mail_item *item)
{
	struct mail_item *last = atomic_load_explicit(&m->posted, memory_order_relaxed);

	do {
		item->next = last;
	} while (!atomic_compare_exchange_weak_explicit(&m->posted, &last, item, memory_order_seq_cst, memory_order_relaxed));
	if (!last && !atomic_load(&m->resting))
		ev_async_send(m->ev, &m->wake);
}

struct mailbox *mailbox_close(struct mailbox *m, mailbox_fn *drop)
{
	struct mail_item *item;

	if (!m)
		return NULL;
	ev_async_stop(m->ev, &m->wake);
	deadline_disarm(&m->rest);
	mailbox_collect(m);
	while ((item = mailbox_next(m))) {
		assert(drop);
		drop(m->arg, item);
	}
	m->closed = true;
	if (!m->delivering)
		free(m);
	return NULL;
}
