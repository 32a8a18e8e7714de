/*
 * The schedule of looks; see look.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/look.h"

static const int64_t relooks_us[] = {10 * US_PER_MS, 100 * US_PER_MS, US_PER_S};

#define RATE_WINDOW_US (100 * US_PER_MS) /* over which arrivals are smoothed */

void look_init(struct look *l, struct mono_time now)
{
	*l = (struct look){.last = now, .rescan = true, .step = (int)ARRAY_SIZE(relooks_us)};
}

static void look_measure(struct look *l, struct mono_time now, int rows)
{
	int64_t elapsed = MAX(now.us - l->last.us, INT64_C(100));
	double weight = (double)MIN(elapsed, RATE_WINDOW_US) / RATE_WINDOW_US;

	l->per_s += weight * ((double)rows * US_PER_S / (double)elapsed - l->per_s);
	l->last = now;
}

struct look_plan look_after(struct look *l, struct mono_time now, int rows, int limit)
{
	bool full = rows >= limit, busy;

	look_measure(l, now, rows);
	busy = full || l->per_s > LOOK_BUSY_PER_S;
	if (now.us - l->rescanned.us > LOOK_RESCAN_US) {
		l->rescan = true;
		l->rescanned = now;
	}
	if (busy) {
		l->promised_to.us = now.us + LOOK_PROMISE_US;
		l->step = 0;
		return (struct look_plan){full ? 0 : LOOK_BUSY_EVERY_US, true};
	}
	l->rescan = true;
	if (l->promised_to.us > now.us)
		return (struct look_plan){MIN(l->promised_to.us - now.us + US_PER_MS, LOOK_BUSY_EVERY_US * 4), false};
	l->promised_to.us = 0;
	if (l->step < (int)ARRAY_SIZE(relooks_us))
		return (struct look_plan){relooks_us[l->step++], false};
	return (struct look_plan){LOOK_IDLE_EVERY_US, false};
}
