/*
 * libmicrohttpd inside the loop; see server.h.
 *
 * MHD has an epoll set of its own, which the loop watches like any descriptor; after every run it is asked when it
 * wants to run next. It doesn't notice a resumed connection by itself: `resumed` brings another run on the next turn,
 * never a run inside a run.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "page/server.h"

#include "base/log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <ev.h>
#include <microhttpd.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 256
#define CONNECTION_BYTES_MAX (32 * 1024) /* request line and headers */
#define CONNECTIONS_CROWDED 192          /* with more, those who keep us waiting make room */
#define IDLE_TIMEOUT_S 30u
#define PATIENCE_US (60 * US_PER_S)
#define HEAD_PATIENCE_US (15 * US_PER_S)
#define CROWDED_PATIENCE_US US_PER_S
#define REQUEST_ARENA_BYTES 4096
#define SWEEPS_PER_PATIENCE 4
#define SWEEP_QUIET_US (15 * US_PER_S)
#define RUNS_PER_TURN 8

struct server {
	struct loop *loop;
	struct server_options o;
	struct MHD_Daemon *mhd;
	ev_io io;
	struct deadline run;
	struct deadline sweep;
	int64_t head_patience_us;
	struct list clients;
	int n_clients;
	struct list suspended; /* requests to be answered later */
	struct server_stats stats;
	int port;
	bool resumed;
	bool crowded; /* the next sweep comes soon */
	bool closing; /* nobody is left who could answer */
};

/* A connection, watched for being slow. */
struct client {
	struct list link;
	struct MHD_Connection *connection;
	struct mono_time since; /* of the stage */
	enum client_stage {
		CLIENT_HEAD,      /* it began, or a request line is in */
		CLIENT_BODY,      /* the headers are in */
		CLIENT_ANSWERING, /* the request is in: now we are the slow ones */
		CLIENT_SENDING,   /* the answer goes out */
		CLIENT_IDLE,      /* between two requests */
	} stage;
};

struct request {
	struct list link; /* server->suspended */
	struct server *server;
	struct MHD_Connection *connection;
	struct MHD_Response *response; /* NULL: not answered */
	struct arena *arena;
	const char *path, *query;
	enum http_method method;
	const struct server_route *route; /* NULL: none */
	struct buf upload;
	int status;
	bool seen, started, suspended;
};

/* ---- what was asked ---- */

enum http_method request_method(const struct request *r)
{
	return r->method;
}

const char *request_path(const struct request *r)
{
	return r->path;
}

const char *request_query(const struct request *r)
{
	return r->query;
}

const char *request_header(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_HEADER_KIND, name);
}

struct joining {
	struct arena *arena;
	const char *name, *all;
};

static enum MHD_Result join_header(void *arg, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct joining *j = arg;

	if (strcasecmp(name, j->name) == 0)
		j->all = j->all ? arena_printf(j->arena, "%s, %s", j->all, value ? value : "") : value;
	return MHD_YES;
}

const char *request_header_all(struct request *r, const char *name)
{
	struct joining j = {.arena = r->arena, .name = name};

	MHD_get_connection_values(r->connection, MHD_HEADER_KIND, join_header, &j);
	return j.all;
}

const char *request_cookie(const struct request *r, const char *name)
{
	return MHD_lookup_connection_value(r->connection, MHD_COOKIE_KIND, name);
}

const char *request_body(const struct request *r, size_t *ret_n)
{
	*ret_n = r->upload.n;
	return buf_str(&r->upload);
}

bool request_peer(const struct request *r, struct address *ret)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(r->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);

	return info && info->client_addr && address_of_socket(info->client_addr, ret);
}

struct arena *request_arena(struct request *r)
{
	return r->arena;
}

/* ---- who sends it ---- */

static struct client *client_of(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info ? info->socket_context : NULL;
}

static void client_is(struct MHD_Connection *connection, enum client_stage stage)
{
	struct client *client = client_of(connection);

	if (!client)
		return;
	client->stage = stage;
	client->since = mono_now();
}

/* ---- answers ---- */

#define POLICY_PAGE "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
#define POLICY_OTHER "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"

static void add_headers(struct MHD_Response *response, const struct answer *a)
{
	char seconds[16];
	const char *const headers[][2] = {
		{MHD_HTTP_HEADER_CONTENT_TYPE, a->content_type ? a->content_type : "text/html; charset=utf-8"},
		{"Content-Security-Policy", a->content_type ? POLICY_OTHER : POLICY_PAGE},
		{"Cache-Control", a->etag ? "public, max-age=31536000, immutable" : "no-store"},
		{"Referrer-Policy", "same-origin"},
		{"X-Content-Type-Options", "nosniff"},
		{"X-Robots-Tag", "noindex"},
		{MHD_HTTP_HEADER_ETAG, a->etag},
		{MHD_HTTP_HEADER_LOCATION, a->location},
		{MHD_HTTP_HEADER_SET_COOKIE, a->cookie},
		{MHD_HTTP_HEADER_ALLOW, a->allow},
		{MHD_HTTP_HEADER_WWW_AUTHENTICATE, a->authenticate},
		{MHD_HTTP_HEADER_RETRY_AFTER, a->retry_after_s ? seconds : NULL},
	};

	snprintf(seconds, sizeof(seconds), "%d", a->retry_after_s);
	for (size_t i = 0; i < ARRAY_SIZE(headers); i++)
		if (headers[i][1])
			MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

void request_answer_with(struct request *r, const struct answer *a, struct buf *body)
{
	size_t n = body ? body->n : 0;

	r->status = a->status;
	if (body && body->overflow) {
		log_error("http status=500 error=\"an answer of more than %zu bytes\"", body->cap_bytes);
		r->status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		n = 0;
	}
	if (n)
		r->response = MHD_create_response_from_buffer(n, buf_take(body), MHD_RESPMEM_MUST_FREE);
	else
		r->response = MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	if (body)
		buf_fini(body);
	if (r->response)
		add_headers(r->response, a);
	if (!r->suspended)
		return;
	r->suspended = false;
	list_remove(&r->link);
	MHD_resume_connection(r->connection);
	r->server->resumed = true;
	deadline_arm(&r->server->run, 0);
}

void request_answer(struct request *r, int status, const char *content_type, struct buf *body)
{
	request_answer_with(r, &(struct answer){.status = status, .content_type = content_type}, body);
}

static enum MHD_Result request_send(struct request *r)
{
	enum MHD_Result ok;

	if (!r->response)
		return MHD_NO; /* out of memory: MHD closes the connection */
	client_is(r->connection, CLIENT_SENDING);
	r->server->stats.answers[MIN(r->status / 100, SERVER_CLASSES - 1)]++;
	ok = MHD_queue_response(r->connection, (unsigned)r->status, r->response);
	MHD_destroy_response(r->response);
	r->response = NULL;
	return ok;
}

static enum MHD_Result request_refuse(struct request *r, int status, const char *allow, const char *text)
{
	const struct answer a = {.status = status, .content_type = "text/plain; charset=utf-8", .allow = allow};
	struct buf body = BUF_INIT(256);

	buf_puts(&body, text);
	request_answer_with(r, &a, &body);
	return request_send(r);
}

/* ---- requests ---- */

/* The first that is heard of a request: the line, as it was sent. */
static void *server_on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
	struct request *r = xcalloc(1, sizeof(*r));
	const char *query = strchr(uri, '?');
	struct client *client = client_of(connection);

	if (client && client->stage == CLIENT_IDLE)
		client_is(connection, CLIENT_HEAD);
	list_init(&r->link);
	r->server = arg;
	r->connection = connection;
	r->arena = arena_new(REQUEST_ARENA_BYTES);
	r->upload = BUF_INIT(SERVER_UPLOAD_BYTES_MAX);
	r->query = query ? arena_strdup(r->arena, query + 1) : "";
	return r;
}

static const struct server_route *route_find(const struct server *s, const char *path)
{
	for (int i = 0; i < s->o.n_routes; i++) {
		const struct server_route *route = &s->o.routes[i];
		size_t n = strlen(route->path);

		if (n > 1 && route->path[n - 1] == '/' ? strncmp(path, route->path, n) == 0 : strcmp(path, route->path) == 0)
			return route;
	}
	return NULL;
}

static bool method_parse(const char *text, enum http_method *ret)
{
	static const struct {
		const char *text;
		enum http_method method;
	} methods[] = {{MHD_HTTP_METHOD_GET, HTTP_GET}, {MHD_HTTP_METHOD_HEAD, HTTP_HEAD}, {MHD_HTTP_METHOD_POST, HTTP_POST}};

	for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
		if (strcmp(text, methods[i].text) == 0) {
			*ret = methods[i].method;
			return true;
		}
	return false;
}

/* With the headers: what is refused without reading on. */
static enum MHD_Result request_begin(struct request *r, const char *path, const char *method)
{
	const char *length = request_header(r, MHD_HTTP_HEADER_CONTENT_LENGTH);
	unsigned methods;

	r->seen = true;
	client_is(r->connection, CLIENT_BODY);
	r->path = arena_strdup(r->arena, path);
	r->route = route_find(r->server, path);
	methods = r->route && r->route->methods ? r->route->methods : HTTP_READ;
	if (!method_parse(method, &r->method) || !(methods & r->method))
		return request_refuse(r, MHD_HTTP_METHOD_NOT_ALLOWED,
				      !(methods & HTTP_POST) ? "GET, HEAD"
				      : methods & HTTP_GET   ? "GET, HEAD, POST"
							     : "POST",
				      "this address does not take that method\n");
	if (length && strtoull(length, NULL, 10) > SERVER_UPLOAD_BYTES_MAX)
		return request_refuse(r, MHD_HTTP_CONTENT_TOO_LARGE, NULL, "too much at once\n");
	return MHD_YES;
}

static enum MHD_Result request_start(struct request *r)
{
	request_fn *fn = r->route ? r->route->fn : r->server->o.other;

	r->started = true;
	if (r->server->closing)
		return request_refuse(r, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "closing\n");
	if (!fn)
		return request_refuse(r, MHD_HTTP_NOT_FOUND, NULL, "not found\n");
	fn(r->server->o.arg, r);
	if (r->response)
		return request_send(r);
	r->suspended = true;
	list_append(&r->server->suspended, &r->link);
	MHD_suspend_connection(r->connection);
	return MHD_YES;
}

/* Called with the headers, then with each piece of a body, then without one, and again after being resumed. */
static enum MHD_Result server_on_access(void *arg, struct MHD_Connection *connection, const char *path, const char *method,
					const char *version, const char *upload, size_t *upload_bytes, void **context)
{
	struct request *r = *context;

	if (!r->seen)
		return request_begin(r, path, method);
	if (*upload_bytes) {
		buf_add(&r->upload, upload, *upload_bytes);
		*upload_bytes = 0;
		return r->upload.overflow ? MHD_NO : MHD_YES;
	}
	if (!r->started)
		client_is(connection, CLIENT_ANSWERING);
	return r->started ? request_send(r) : request_start(r);
}

static void server_on_completed(void *arg, struct MHD_Connection *connection, void **context,
				enum MHD_RequestTerminationCode code)
{
	struct request *r = *context;

	*context = NULL;
	client_is(connection, CLIENT_IDLE);
	if (!r)
		return;
	list_remove(&r->link);
	if (r->response)
		MHD_destroy_response(r->response);
	buf_fini(&r->upload);
	arena_free(r->arena);
	free(r);
}

/* ---- clients ---- */

static void server_on_connection(void *arg, struct MHD_Connection *connection, void **context,
				 enum MHD_ConnectionNotificationCode code)
{
	struct client *client = *context;
	struct server *s = arg;

	if (code == MHD_CONNECTION_NOTIFY_STARTED) {
		client = *context = xcalloc(1, sizeof(*client));
		client->connection = connection;
		client->since = mono_now();
		list_append(&s->clients, &client->link);
		if (++s->n_clients == 1)
			deadline_arm(&s->sweep, s->head_patience_us / SWEEPS_PER_PATIENCE);
		if (s->n_clients > CONNECTIONS_CROWDED && !s->crowded) {
			s->crowded = true;
			deadline_arm(&s->sweep, MIN(CROWDED_PATIENCE_US, s->head_patience_us / SWEEPS_PER_PATIENCE));
		}
	} else if (client) {
		*context = NULL;
		list_remove(&client->link);
		free(client);
		s->n_clients--;
	}
}

static void client_let_go(struct server *s, struct client *client)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(client->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (info)
		shutdown(info->connect_fd, SHUT_RDWR);
	if (client->stage != CLIENT_IDLE)
		s->stats.let_go++;
	client->stage = CLIENT_ANSWERING; /* MHD closes it in its next run: not to be let go twice */
}

/* Who has kept us waiting longest; NULL: nobody long enough. */
static struct client *client_slowest(struct server *s, struct mono_time now)
{
	struct client *slowest = NULL;

	list_for_each(it, &s->clients) {
		struct client *client = list_entry(it, struct client, link);

		if (client->stage != CLIENT_ANSWERING && now.us - client->since.us >= CROWDED_PATIENCE_US &&
		    (!slowest || client->since.us < slowest->since.us))
			slowest = client;
	}
	return slowest;
}

/*
 * MHD's own timeout is for silence; a byte every now and then would hold a connection for ever. When there are hardly any
 * connections left, those who have sent no whole request make room for those who do: a crowd of slow ones locks out nobody.
 */
static void server_on_sweep(struct deadline *d)
{
	struct server *s = container_of(d, struct server, sweep);
	struct mono_time now = mono_now();
	struct client *slowest;
	int n = s->n_clients;

	list_for_each(it, &s->clients) {
		struct client *client = list_entry(it, struct client, link);
		int64_t patience_us = client->stage == CLIENT_HEAD ? s->head_patience_us : s->o.patience_us;

		if (client->stage != CLIENT_ANSWERING && now.us - client->since.us >= patience_us)
			client_let_go(s, client), n--;
	}
	for (; n > CONNECTIONS_CROWDED && (slowest = client_slowest(s, now)); n--)
		client_let_go(s, slowest);
	s->crowded = s->n_clients > CONNECTIONS_CROWDED;
	deadline_arm(d, s->crowded          ? MIN(CROWDED_PATIENCE_US, s->head_patience_us / SWEEPS_PER_PATIENCE)
			: s->n_clients == 0 ? SWEEP_QUIET_US
					    : s->head_patience_us / SWEEPS_PER_PATIENCE);
	/* Out of descriptors, MHD stops listening, and listens again in a run that nothing else would start. */
	deadline_arm(&s->run, 0);
}

/* ---- in the loop ---- */

static void server_run(struct server *s)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;
	int runs = 0;

	s->resumed = false;
	do
		MHD_run(s->mhd);
	while (++runs < RUNS_PER_TURN && MHD_get_timeout(s->mhd, &ms) == MHD_YES && ms == 0);
	if (s->resumed)
		deadline_arm(&s->run, 0);
	else if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
		deadline_arm(&s->run, (int64_t)MIN(ms, 3600u * 1000u) * US_PER_MS);
	else
		deadline_disarm(&s->run);
}

static void server_on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	server_run(container_of(w, struct server, io));
}

static void server_on_run(struct deadline *d)
{
	server_run(container_of(d, struct server, run));
}

static void server_on_log(void *arg, const char *format, va_list ap)
{
	char text[256];

	vsnprintf(text, sizeof(text), format, ap);
	text[strcspn(text, "\n")] = '\0';
	log_debug("http error=\"%s\"", text);
}

/* ---- start and end ---- */

/* A descriptor that listens, or a negative errno. */
static int listen_on(const char *host, int port)
{
	struct addrinfo hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
	struct addrinfo *address = NULL;
	char service[16];
	int fd, one = 1;

	snprintf(service, sizeof(service), "%d", port);
	if (getaddrinfo(strcmp(host, "localhost") ? host : "127.0.0.1", service, &hints, &address) != 0)
		return -EINVAL;
	fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, address->ai_addr, address->ai_addrlen) < 0 || listen(fd, SOMAXCONN) < 0) {
		int e = errno;

		if (fd >= 0)
			close(fd);
		fd = -e;
	}
	freeaddrinfo(address);
	return fd;
}

static int port_of(int fd, bool *ret_v6)
{
	struct sockaddr_storage address = {0};
	socklen_t n = sizeof(address);

	getsockname(fd, (struct sockaddr *)&address, &n);
	*ret_v6 = address.ss_family == AF_INET6;
	return ntohs(*ret_v6 ? ((struct sockaddr_in6 *)&address)->sin6_port : ((struct sockaddr_in *)&address)->sin_port);
}

static struct MHD_Daemon *start_mhd(struct server *s, int fd, bool v6)
{
	const unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG | (v6 ? MHD_USE_IPv6 : 0);

	return MHD_start_daemon(flags, 0, NULL, NULL, server_on_access, s, MHD_OPTION_EXTERNAL_LOGGER, server_on_log,
				NULL, /* first, to see all */
				MHD_OPTION_URI_LOG_CALLBACK, server_on_uri, s, MHD_OPTION_LISTEN_SOCKET, fd, /* MHD closes it */
				MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
				IDLE_TIMEOUT_S, MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)CONNECTION_BYTES_MAX,
				MHD_OPTION_PER_IP_CONNECTION_LIMIT, (unsigned)s->o.connections_per_address,
				MHD_OPTION_NOTIFY_COMPLETED, server_on_completed, s, MHD_OPTION_NOTIFY_CONNECTION,
				server_on_connection, s, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
}

int server_new(struct loop *l, const struct server_options *o, struct server **ret)
{
	struct server *s;
	bool v6;
	int fd = listen_on(o->host, o->port);

	if (fd < 0)
		return fd;
	s = xcalloc(1, sizeof(*s));
	s->loop = l;
	s->o = *o;
	s->o.host = NULL; /* the caller's */
	if (!s->o.patience_us)
		s->o.patience_us = PATIENCE_US;
	s->head_patience_us = MIN(HEAD_PATIENCE_US, s->o.patience_us);
	s->port = port_of(fd, &v6);
	list_init(&s->clients);
	list_init(&s->suspended);
	deadline_init(&s->run, l, "http", server_on_run);
	deadline_init(&s->sweep, l, "http sweep", server_on_sweep);
	s->mhd = start_mhd(s, fd, v6);
	if (!s->mhd) {
		close(fd);
		free(s);
		return -ENOMEM;
	}
	ev_io_init(&s->io, server_on_io, MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd, EV_READ);
	ev_set_priority(&s->io, EV_MINPRI); /* alerts first */
	ev_io_start(loop_ev(l), &s->io);
	deadline_arm(&s->run, 0);
	deadline_arm(&s->sweep, SWEEP_QUIET_US);
	*ret = s;
	return 0;
}

struct server *server_free(struct server *s)
{
	if (!s)
		return NULL;
	ev_io_stop(loop_ev(s->loop), &s->io);
	s->closing = true; /* the run below may read a new request, of a pipeline or of somebody new */
	/* MHD aborts when it is stopped with a suspended connection. */
	while (!list_empty(&s->suspended))
		request_answer(list_entry(s->suspended.next, struct request, link), MHD_HTTP_SERVICE_UNAVAILABLE, "text/plain",
			       NULL);
	MHD_run(s->mhd);
	MHD_stop_daemon(s->mhd);
	deadline_disarm(&s->run);
	deadline_disarm(&s->sweep);
	free(s);
	return NULL;
}

const struct server_stats *server_stats(const struct server *s)
{
	return &s->stats;
}

int server_port(const struct server *s)
{
	return s->port;
}
