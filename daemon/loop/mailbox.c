/*
 * Mailbox between threads; see loop.h.
 *
 * Posting pushes onto a lock-free stack and wakes the loop only when the stack was empty; the loop takes the
 * whole stack at once and turns it round. With one taker of everything there is no ABA problem.
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

static void mailbox_on_wake(struct ev_loop *ev, ev_async *w, int revents)
{
	struct mailbox *m = container_of(w, struct mailbox, wake);
	struct mail_item *item;

	mailbox_collect(m);
	m->delivering = true;
	while (!m->closed && (item = mailbox_next(m)))
		m->fn(m->arg, item);
	m->delivering = false;
	if (m->closed)
		free(m);
}

struct mailbox *mailbox_new(struct loop *l, mailbox_fn *fn, void *arg)
{
	struct mailbox *m = xcalloc(1, sizeof(*m));

	m->ev = l->ev;
	m->fn = fn;
	m->arg = arg;
	ev_async_init(&m->wake, mailbox_on_wake);
	ev_async_start(m->ev, &m->wake);
	return m;
}

void mailbox_post(struct mailbox *m, struct mail_item *item)
{
	struct mail_item *last = atomic_load_explicit(&m->posted, memory_order_relaxed);

	do {
		item->next = last;
	} while (!atomic_compare_exchange_weak_explicit(&m->posted, &last, item, memory_order_release, memory_order_relaxed));
	if (!last)
		ev_async_send(m->ev, &m->wake);
}

struct mailbox *mailbox_close(struct mailbox *m, mailbox_fn *drop)
{
	struct mail_item *item;

	if (!m)
		return NULL;
	ev_async_stop(m->ev, &m->wake);
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
