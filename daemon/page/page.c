/*
 * The routes, and what the health checks and Prometheus get; see page.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/page.h"

#include "base/exposition.h"
#include "base/log.h"
#include "page/server.h"

#include <stdlib.h>

#define HTTP_OK 200
#define HTTP_UNAVAILABLE 503
#define TEXT "text/plain; charset=utf-8"
#define TURN_MAX_US (10 * US_PER_S)

struct page {
	struct loop *loop;
	struct page_options o;
	struct server *server;
};

/* A loop that hangs doesn't answer at all; one that turns, but not this turn, would be a bug worth a restart too. */
static void on_livez(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;
	bool live = mono_now().us - loop_turned_at(p->loop).us < TURN_MAX_US;

	buf_puts(&body, live ? "live\n" : "the loop stands still\n");
	request_answer(r, live ? HTTP_OK : HTTP_UNAVAILABLE, TEXT, &body);
}

static void on_readyz(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;
	const char *why = NULL;
	bool ready = !p->o.is_ready || p->o.is_ready(p->o.arg, &why);

	if (ready)
		buf_puts(&body, "ready\n");
	else
		buf_printf(&body, "not ready: %s\n", why ? why : "starting");
	request_answer(r, ready ? HTTP_OK : HTTP_UNAVAILABLE, TEXT, &body);
}

static void on_metrics(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;

	if (p->o.metrics)
		p->o.metrics(p->o.arg, &body);
	request_answer(r, HTTP_OK, EXPOSITION_CONTENT_TYPE, &body);
}

static const struct server_route routes[] = {
	{"/livez", on_livez},
	{"/readyz", on_readyz},
	{"/metrics", on_metrics},
};

int page_new(struct loop *l, const struct page_options *o, struct page **ret)
{
	struct server_options server = {
		.host = o->http->host, .port = o->http->port, .routes = routes, .n_routes = ARRAY_SIZE(routes)};
	struct page *p;
	int r;

	*ret = NULL;
	if (!o->http->set)
		return 0;
	p = xcalloc(1, sizeof(*p));
	p->loop = l;
	p->o = *o;
	p->o.http = NULL; /* of a configuration that may be replaced */
	server.arg = p;
	r = server_new(l, &server, &p->server);
	if (r < 0) {
		free(p);
		return r;
	}
	log_info("http listening host=%s port=%d", o->http->host, page_port(p));
	*ret = p;
	return 0;
}

struct page *page_free(struct page *p)
{
	if (p) {
		server_free(p->server);
		free(p);
	}
	return NULL;
}

int page_port(const struct page *p)
{
	return server_port(p->server);
}
