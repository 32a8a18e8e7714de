/*
 * The HTTP side of the daemon: /livez, /readyz, /metrics.
 *
 * Everything runs in the loop's thread and answers from memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include "base/buf.h"
#include "loop/loop.h"
#include "settings/settings.h"

struct page;

struct page_options {
	const struct http_settings *http; /* host and port are copied */
	/* For /readyz: true, or false with a sentence in *ret_why. NULL: always ready. */
	bool (*is_ready)(void *arg, const char **ret_why);
	/* For /metrics: appends the Prometheus text. NULL: none. */
	void (*metrics)(void *arg, struct buf *out);
	void *arg;
};

/* Return: 0 (with *ret NULL when http isn't set), -EADDRINUSE and its like when the address can't be had. */
int page_new(struct loop *l, const struct page_options *o, struct page **ret);
struct page *page_free(struct page *p);
/* The port listened on, also when the settings say 0. */
int page_port(const struct page *p);

#endif
