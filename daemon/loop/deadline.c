/*
 * Deadlines; see loop.h.
 *
 * libev's epoll backend rounds a timer of 0 up to a millisecond, so "on the next turn" is a list of its
 * own: while it holds something the loop polls without waiting, and runs it after the poll. A deadline that
 * arms itself again with 0 therefore takes turns with I/O instead of starving it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/private.h"

#include <assert.h>

static void deadline_on_timer(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct deadline *d = container_of(w, struct deadline, timer);

	d->fn(d);
}

void deadline_init(struct deadline *d, struct loop *l, const char *label, deadline_fn *fn)
{
	ev_timer_init(&d->timer, deadline_on_timer, 0., 0.);
	list_init(&d->soon);
	d->loop = l;
	d->fn = fn;
	d->label = label;
}

void deadline_arm(struct deadline *d, int64_t in_us)
{
	struct loop *l = d->loop;

	assert(in_us >= 0);
	deadline_disarm(d);
	if (in_us == 0) {
		list_append(&l->soon, &d->soon);
		ev_idle_start(l->ev, &l->no_wait);
		return;
	}
	/* The loop's idea of now is that of the last poll: after long work a short timer would be late already. */
	ev_now_update(l->ev);
	ev_timer_set(&d->timer, (double)in_us / (double)US_PER_S, 0.);
	ev_timer_start(l->ev, &d->timer);
}

void deadline_disarm(struct deadline *d)
{
	ev_timer_stop(d->loop->ev, &d->timer);
	list_remove(&d->soon);
}

bool deadline_is_armed(const struct deadline *d)
{
	return ev_is_active(&d->timer) || !list_empty(&d->soon);
}

void loop_run_soon(struct loop *l)
{
	struct list due, *it;

	if (list_empty(&l->soon)) {
		ev_idle_stop(l->ev, &l->no_wait);
		return;
	}
	/* What is armed from here on waits for the turn after this one. */
	list_init(&due);
	due.next = l->soon.next;
	due.prev = l->soon.prev;
	due.next->prev = &due;
	due.prev->next = &due;
	list_init(&l->soon);
	while ((it = list_pop(&due))) {
		struct deadline *d = list_entry(it, struct deadline, soon);

		d->fn(d);
	}
}
