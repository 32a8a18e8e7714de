/*
 * libev, wrapped: the loop, deadlines, signals, the watchdog, and the mailbox between threads.
 *
 * Watchers are embedded in the object they serve; container_of() finds it. A done function runs from the
 * loop, exactly once, never from inside the call that started it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/clock.h"
#include "base/list.h"

#include <ev.h>

struct loop;

struct loop *loop_new(void); /* ev_loop_new(EVFLAG_AUTO | EVFLAG_NOENV); SIGPIPE is ignored process-wide */
struct loop *loop_free(struct loop *l);
void loop_freep(struct loop **l);
struct ev_loop *loop_ev(struct loop *l);
/* Runs until loop_stop(). */
void loop_run(struct loop *l);
void loop_stop(struct loop *l);
/* Monotonic time of the last turn; for /livez from the same thread. */
struct mono_time loop_turned_at(const struct loop *l);

/* A one-shot timer. Arming an armed deadline moves it; disarming an idle one does nothing. */
struct deadline;
typedef void deadline_fn(struct deadline *d);
struct deadline {
	ev_timer timer;
	struct list soon; /* armed with 0 */
	struct loop *loop;
	deadline_fn *fn;
	const char *label;
};
void deadline_init(struct deadline *d, struct loop *l, const char *label, deadline_fn *fn);
void deadline_arm(struct deadline *d, int64_t in_us); /* 0: on the next turn */
void deadline_disarm(struct deadline *d);
bool deadline_is_armed(const struct deadline *d);

/* Signals as callbacks in the loop; a second call for the same signal replaces the first. -EINVAL: no such signal. */
typedef void loop_signal_fn(void *arg, int signo);
int loop_on_signal(struct loop *l, int signo, loop_signal_fn *fn, void *arg);

/*
 * Mailbox: any thread posts, the loop's thread receives. Items are intrusive; posting hands over ownership.
 * The fn is called in the loop's thread with each item in order. mailbox_close() delivers nothing more; what is
 * still inside is handed to `drop` (may be NULL when the mailbox is known to be empty). It may be closed from inside
 * its own fn; no thread may post any more by then.
 */
struct mail_item {
	struct mail_item *next;
};
struct mailbox;
typedef void mailbox_fn(void *arg, struct mail_item *item);
struct mailbox *mailbox_new(struct loop *l, mailbox_fn *fn, void *arg);
/* After each delivery it rests, and what comes meanwhile comes together: the first item after a quiet time never waits. */
void mailbox_set_rest(struct mailbox *m, int64_t us);
void mailbox_post(struct mailbox *m, struct mail_item *item); /* any thread */
struct mailbox *mailbox_close(struct mailbox *m, mailbox_fn *drop);

/* sd_notify(3) and the watchdog; all do nothing without systemd (or when built without libsystemd). */
void systemd_ready(const char *status);
void systemd_status(const char *fmt, ...) PRINTF(1, 2);
void systemd_reloading(void);
void systemd_stopping(void);
/* Pets the watchdog at half its interval from this loop, as long as healthy(arg). 0 also when there is no watchdog. */
int systemd_watchdog_start(struct loop *l, bool (*healthy)(void *arg), void *arg);

#endif
