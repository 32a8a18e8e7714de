/*
 * Talking to systemd; see loop.h. The watchdog is petted from the loop, never from a thread: a loop that
 * hangs, or a part that reports itself ill, gets the process restarted.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "loop/private.h"

#include "base/log.h"

#ifdef HAVE_SYSTEMD
#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#define STATUS_BYTES 256

void systemd_ready(const char *status)
{
	sd_notifyf(0, "READY=1\nSTATUS=%s", status ? status : "");
}

void systemd_status(const char *fmt, ...)
{
	char text[STATUS_BYTES];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* A line end would start another variable. */
	for (char *c = text; *c; c++)
		if ((unsigned char)*c < ' ')
			*c = ' ';
	sd_notifyf(0, "STATUS=%s", text);
}

void systemd_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)mono_now().us);
}

void systemd_stopping(void)
{
	sd_notify(0, "STOPPING=1");
}

static void systemd_on_pet(struct ev_loop *ev, ev_timer *w, int revents)
{
	struct loop *l = container_of(w, struct loop, pet);
	bool healthy = !l->healthy || l->healthy(l->healthy_arg);

	if (healthy)
		sd_notify(0, "WATCHDOG=1");
	if (healthy != l->was_healthy)
		log_line(healthy ? LOG_LEVEL_INFO : LOG_LEVEL_ERROR, "watchdog healthy=%s", healthy ? "true" : "false");
	l->was_healthy = healthy;
}

int systemd_watchdog_start(struct loop *l, bool (*healthy)(void *arg), void *arg)
{
	uint64_t interval_us = 0;
	int r = sd_watchdog_enabled(0, &interval_us);
	double half;

	if (r <= 0)
		return r;
	half = (double)interval_us / 2 / (double)US_PER_S;
	systemd_watchdog_stop(l);
	l->healthy = healthy;
	l->healthy_arg = arg;
	l->was_healthy = true;
	ev_timer_init(&l->pet, systemd_on_pet, half, half);
	ev_timer_start(l->ev, &l->pet);
	return 0;
}

void systemd_watchdog_stop(struct loop *l)
{
	ev_timer_stop(l->ev, &l->pet);
}

#else

void systemd_ready(const char *status)
{
}

void systemd_status(const char *fmt, ...)
{
}

void systemd_reloading(void)
{
}

void systemd_stopping(void)
{
}

int systemd_watchdog_start(struct loop *l, bool (*healthy)(void *arg), void *arg)
{
	return 0;
}

void systemd_watchdog_stop(struct loop *l)
{
}

#endif
