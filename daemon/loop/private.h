/*
 * What the files of this folder share; nothing else includes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOOP_PRIVATE_H
#define LOOP_PRIVATE_H

#include "loop/loop.h"

#include <signal.h>

struct loop_signal {
	ev_signal watcher;
	loop_signal_fn *fn; /* NULL: not watched */
	void *arg;
};

struct loop {
	struct ev_loop *ev;
	ev_check turn;
	ev_idle no_wait;  /* active while `soon` has something: poll without waiting */
	struct list soon; /* deadlines armed with 0 */
	struct mono_time turned_at;
	bool stopped;
	struct loop_signal signals[NSIG];

	ev_timer pet;
	bool (*healthy)(void *arg);
	void *healthy_arg;
	bool was_healthy;
};

void loop_run_soon(struct loop *l);
void systemd_watchdog_stop(struct loop *l);

#endif
