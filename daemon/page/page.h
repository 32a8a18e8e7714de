/*
 * The HTTP side of the daemon: health, metrics, and the pages for managers.
 *
 * Everything runs in the loop's thread. A page asks the database over a connection of its own, under the role
 * closeloop_pages where that is granted; meanwhile its request is suspended.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_PAGE_H
#define PAGE_PAGE_H

#include "base/buf.h"
#include "loop/loop.h"
#include "settings/settings.h"

struct page;

/* What is live, which a reload may replace at any turn of the loop: pointers are good until then. */
struct page_company {
	const struct settings *(*settings)(void *arg);
	/* Who works here was read from the database; not yet right after a start or a reload. */
	bool (*is_known)(void *arg);
	/* People of the configuration and the database together; NULL: unknown, or not read yet. */
	const struct person *(*person)(void *arg, const char *id);
	/* By id or mail address (either case), and by login. */
	const struct person *(*find)(void *arg, const char *id_or_address);
	const struct person *(*by_login)(void *arg, const char *login);
	int (*count)(void *arg);
	const struct person *(*at)(void *arg, int i);
	/* The person's zone, one that the server knows. */
	const char *(*zone)(void *arg, const struct person *p);
};

struct page_options {
	const struct http_settings *http; /* host and port are copied */
	const char *conninfo;             /* of the pages */
	/* For /readyz: true, or false with a sentence in *ret_why. NULL: always ready. */
	bool (*is_ready)(void *arg, const char **ret_why);
	/* For /metrics: appends the Prometheus text. NULL: none. */
	void (*metrics)(void *arg, struct buf *out);
	const struct page_company *company; /* NULL: no pages */
	/* An alert is under way, to which a page gives way for a moment. NULL: never. */
	bool (*is_pressed)(void *arg);
	void *arg;
};

/* Return: 0 (with *ret NULL when http isn't set), -EADDRINUSE and its like when the address can't be had. */
int page_new(struct loop *l, const struct page_options *o, struct page **ret);
struct page *page_free(struct page *p);
/* The port listened on, also when the settings say 0. */
int page_port(const struct page *p);

#endif
