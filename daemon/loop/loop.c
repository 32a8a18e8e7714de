/*
 * The loop itself and its signals; see loop.h.
 *
 * One ev_check watcher keeps the loop alive without other work, notes the time of each turn, and runs
 * what was armed for "the next turn" (deadline.c).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/private.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>

static void loop_on_turn(struct ev_loop *ev, ev_check *w, int revents)
{
	struct loop *l = container_of(w, struct loop, turn);

	l->turned_at = mono_now();
	loop_run_soon(l);
}

static void loop_on_no_wait(struct ev_loop *ev, ev_idle *w, int revents)
{
}

/* libev would abort. */
static void *loop_allocate(void *p, long bytes)
{
	if (bytes > 0)
		return xrealloc(p, (size_t)bytes);
	free(p);
	return NULL;
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	signal(SIGPIPE, SIG_IGN);
	ev_set_allocator(loop_allocate);
	l->ev = ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV);
	if (!l->ev)
		return loop_free(l);
	list_init(&l->soon);
	l->turned_at = mono_now();
	ev_check_init(&l->turn, loop_on_turn);
	ev_check_start(l->ev, &l->turn);
	ev_idle_init(&l->no_wait, loop_on_no_wait);
	return l;
}

struct loop *loop_free(struct loop *l)
{
	if (!l)
		return NULL;
	if (l->ev) {
		assert(list_empty(&l->soon));
		systemd_watchdog_stop(l);
		for (int i = 0; i < NSIG; i++)
			if (l->signals[i].fn)
				ev_signal_stop(l->ev, &l->signals[i].watcher);
		ev_idle_stop(l->ev, &l->no_wait);
		ev_check_stop(l->ev, &l->turn);
		ev_loop_destroy(l->ev);
	}
	free(l);
	return NULL;
}

void loop_freep(struct loop **l)
{
	*l = loop_free(*l);
}

struct ev_loop *loop_ev(struct loop *l)
{
	return l->ev;
}

void loop_run(struct loop *l)
{
	while (!l->stopped)
		ev_run(l->ev, 0);
	l->stopped = false;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	ev_break(l->ev, EVBREAK_ALL);
}

struct mono_time loop_turned_at(const struct loop *l)
{
	return l->turned_at;
}

static void loop_on_caught(struct ev_loop *ev, ev_signal *w, int revents)
{
	struct loop_signal *s = container_of(w, struct loop_signal, watcher);

	s->fn(s->arg, w->signum);
}

int loop_on_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg)
{
	struct loop_signal *s;

	assert(fn);
	if (signo <= 0 || signo >= NSIG || signo == SIGKILL || signo == SIGSTOP)
		return -EINVAL;
	s = &l->signals[signo];
	if (!s->fn) {
		ev_signal_init(&s->watcher, loop_on_caught, signo);
		ev_signal_start(l->ev, &s->watcher);
	}
	s->fn = fn;
	s->arg = arg;
	return 0;
}
