/*
 * The routes, and what the health checks and Prometheus get; see page.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/inner.h"

#include "base/exposition.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define TEXT "text/plain; charset=utf-8"
#define PAGES_CONNECT_US (5 * US_PER_S)
#define TURN_MAX_US (10 * US_PER_S)
#define REQUEST_EACH_US (100 * US_PER_MS) /* of one address: ten a second */
#define REQUESTS_AT_ONCE 100
#define BAD_LINK_EACH_US (6 * US_PER_S)
#define BAD_LINKS_AT_ONCE 20
#define CONNECTIONS_PER_ADDRESS 100

/* A loop that hangs doesn't answer at all; one that turns, but not this turn, would be a bug worth a restart too. */
static void on_livez(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;
	bool live = mono_now().us - loop_turned_at(p->loop).us < TURN_MAX_US;

	buf_puts(&body, live ? "live\n" : "the loop stands still\n");
	request_answer(r, live ? HTTP_OK : HTTP_UNAVAILABLE, TEXT, &body);
}

/* Just after a start the pages have a moment to connect, too; later their troubles are not those of the alerts. */
static bool are_pages_up(struct page *p)
{
	p->were_up = p->were_up || !p->conn || mono_now().us - p->begun.us > PAGES_CONNECT_US ||
		     (pg_conn_is_up(p->conn) && pg_conn_is_up(p->slow) && reports_are_up(p->reports));
	return p->were_up;
}

static void on_readyz(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;
	const char *why = NULL;
	bool ready = (!p->o.is_ready || p->o.is_ready(p->o.arg, &why)) && are_pages_up(p);

	if (ready)
		buf_puts(&body, "ready\n");
	else
		buf_printf(&body, "not ready: %s\n", why ? why : "starting");
	request_answer(r, ready ? HTTP_OK : HTTP_UNAVAILABLE, TEXT, &body);
}

static void put_requests(struct buf *out, const struct server_stats *s)
{
	static const char *const classes[SERVER_CLASSES] = {NULL, NULL, "2xx", "3xx", "4xx", "5xx"};

	exposition_family(out, METRIC_COUNTER, "closeloop_http_requests_total", "Requests answered, by status");
	for (int i = 2; i < SERVER_CLASSES; i++)
		exposition_sample(out, "closeloop_http_requests_total", LABELS("code", classes[i]), (double)s->answers[i]);
	exposition_family(out, METRIC_COUNTER, "closeloop_http_slow_clients_total",
			  "Connections closed because a client kept the server waiting in the middle of a request");
	exposition_sample(out, "closeloop_http_slow_clients_total", NO_LABELS, (double)s->let_go);
}

static void on_metrics(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(SERVER_BODY_BYTES_MAX);
	struct page *p = arg;

	if (p->o.metrics)
		p->o.metrics(p->o.arg, &body);
	put_requests(&body, server_stats(p->server));
	request_answer(r, HTTP_OK, EXPOSITION_CONTENT_TYPE, &body);
}

/* The first is for every daemon; the rest needs public_url. */
#define HEALTH_ROUTES                                                       \
	{"/livez", on_livez, HTTP_READ}, {"/readyz", on_readyz, HTTP_READ}, \
	{                                                                   \
		"/metrics", on_metrics, HTTP_READ                           \
	}

static const struct server_route health_routes[] = {HEALTH_ROUTES};
static const struct server_route page_routes[] = {
	HEALTH_ROUTES,
	{"/", door_home, HTTP_READ},
	{"/c/", door_case_link, HTTP_READ},
	{"/case/", case_page, HTTP_READ | HTTP_POST},
	{"/inbox", inbox_page, HTTP_READ | HTTP_POST},
	{"/away", away_page, HTTP_POST},
	{"/reports", reports_page, HTTP_READ},
	{"/api/v1/cases", api_cases, HTTP_READ},
	{"/api/v1/cases/", api_transition, HTTP_POST},
	{"/i/", door_inbox_link, HTTP_READ},
	{"/link", door_send, HTTP_POST},
	{"/leave", door_leave, HTTP_POST},
	{"/style/", door_style, HTTP_READ},
};

/*
 * The role has only the rights that pages need. Where it isn't there, not ours to take, or without rights in this database (roles are
 * of the whole cluster, and another site's migration may have made it), the login's rights do.
 */
#define SETUP_SQL                                                                                                            \
	"DO $$ BEGIN IF pg_has_role(current_user, to_regrole('closeloop_pages'), 'MEMBER')"                                  \
	" AND has_schema_privilege(to_regrole('closeloop_pages'), to_regnamespace('closeloop'), 'USAGE')"                    \
	" AND has_function_privilege(to_regrole('closeloop_pages'),"                                                         \
	" to_regprocedure('closeloop.report(int, text, text[])'), 'EXECUTE') THEN SET ROLE closeloop_pages; END IF; END $$;" \
	" SET statement_timeout = "

static void page_open(struct page *p, const struct page_options *o)
{
	const struct pg_conn_options conn = {
		.label = "pages", .patient = true, .conninfo = o->conninfo, .setup_sql = SETUP_SQL "'10s'"};
	const struct pg_conn_options search = {
		.label = "search", .patient = true, .conninfo = o->conninfo, .setup_sql = SETUP_SQL "'30s'"};
	const struct pg_conn_options slow = {
		.label = "reports", .patient = true, .conninfo = o->conninfo, .setup_sql = SETUP_SQL "'60s'"};

	deadline_init(&p->turn, p->loop, "page turn", visit_on_turn);
	p->view = view_new();
	p->conn = pg_conn_new(p->loop, &conn);
	p->slow = pg_conn_new(p->loop, &search);
	p->reports = reports_new(p, &slow);
	rate_init(&p->requests, REQUEST_EACH_US, REQUESTS_AT_ONCE, uuid_new().b[0]);
	rate_init(&p->bad_links, BAD_LINK_EACH_US, BAD_LINKS_AT_ONCE, uuid_new().b[0]);
}

int page_new(struct loop *l, const struct page_options *o, struct page **ret)
{
	struct server_options server = {
		.host = o->http->host, .port = o->http->port, .routes = health_routes, .n_routes = ARRAY_SIZE(health_routes)};
	struct page *p;
	int r;

	*ret = NULL;
	if (!o->http->set)
		return 0;
	p = xcalloc(1, sizeof(*p));
	p->loop = l;
	p->o = *o;
	p->begun = mono_now();
	list_init(&p->waiting);
	p->o.http = NULL; /* of a configuration that may be replaced */
	p->o.conninfo = NULL;
	server.arg = p;
	if (o->http->public_url && o->company) {
		page_open(p, o);
		server.routes = page_routes;
		server.n_routes = ARRAY_SIZE(page_routes);
		server.other = door_other;
		server.connections_per_address = o->http->proxy_peers.n > 0 ? 0 : CONNECTIONS_PER_ADDRESS;
	}
	r = server_new(l, &server, &p->server);
	if (r < 0) {
		page_free(p);
		return r;
	}
	log_info("http listening host=%s port=%d", o->http->host, page_port(p));
	*ret = p;
	return 0;
}

struct page *page_free(struct page *p)
{
	if (!p)
		return NULL;
	p->closing = true;
	if (p->conn)
		deadline_disarm(&p->turn);
	pg_conn_free(p->slow);
	pg_conn_free(p->conn); /* questions under way are answered with 503 */
	visit_give_up(p);      /* and those that wait for their turn */
	reports_free(p->reports);
	server_free(p->server);
	view_free(p->view);
	rate_fini(&p->requests);
	rate_fini(&p->bad_links);
	free(p);
	return NULL;
}

int page_port(const struct page *p)
{
	return server_port(p->server);
}
