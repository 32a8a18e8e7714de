/*
 * When to look into the inbox again, and when to promise it. Pure.
 *
 * NOTIFY takes a lock around the writer's commit, so under load writers are told not to send it: while arrivals exceed
 * LOOK_BUSY_PER_S a daemon looks every few milliseconds and keeps a short promise raised ("I look again before T").
 * When arrivals ease it stops renewing, looks once the promise has run out, then again after 10 ms, 100 ms and 1 s
 * (a writer may have seen the promise and committed later), then every 4 s for ever.
 *
 *   busy ──eased──▶ promise runs out ─▶ +10 ms ─▶ +100 ms ─▶ +1 s ─▶ every 4 s
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_LOOK_H
#define FLOW_LOOK_H

#include "base/clock.h"

#define LOOK_BUSY_PER_S 300
#define LOOK_BUSY_EVERY_US (4 * US_PER_MS)
#define LOOK_PROMISE_US (50 * US_PER_MS)
#define LOOK_IDLE_EVERY_US (4 * US_PER_S)
#define LOOK_RESCAN_US US_PER_S

struct look {
	double per_s;                 /* arrivals, smoothed */
	struct mono_time last;        /* look */
	struct mono_time promised_to; /* 0: no promise is out */
	struct mono_time rescanned;
	int step;    /* of the re-looks after a promise */
	bool rescan; /* the next look starts at the first row */
};

struct look_plan {
	int64_t in_us; /* until the next look; 0: at once */
	bool promise;  /* raise the promise before it */
};

void look_init(struct look *l, struct mono_time now);
/* What to do after a look that found `rows` of at most `limit`. */
struct look_plan look_after(struct look *l, struct mono_time now, int rows, int limit);

#endif
