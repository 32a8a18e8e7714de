/*
 * The HTTP side over real sockets: what is answered, to whom, and that slow or many clients hold up nobody.
 * The loop runs in a thread; the test is the client.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "base/exposition.h"
#include "page/page.h"
#include "page/server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define CLIENTS 100

struct fixture {
	struct loop *loop;
	struct page *page;
	struct server *server;
	struct mailbox *box;
	pthread_t thread;
	bool running;
	int port;
	atomic_bool ready;
	struct request *later[8];
	int n_later;
	struct deadline answer_later;
	char *answer;
};

static bool is_ready(void *arg, const char **ret_why)
{
	struct fixture *f = arg;

	*ret_why = "the database is away";
	return atomic_load(&f->ready);
}

static void write_metrics(void *arg, struct buf *out)
{
	exposition_family(out, METRIC_GAUGE, "closeloop_database_up", "Whether it is.");
	exposition_sample(out, "closeloop_database_up", NO_LABELS, 1);
}

static void on_stop(void *arg, struct mail_item *item)
{
	loop_stop(((struct fixture *)arg)->loop);
}

static void *run_loop(void *arg)
{
	loop_run(((struct fixture *)arg)->loop);
	return NULL;
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	*state = f;
	f->loop = loop_new();
	f->box = mailbox_new(f->loop, on_stop, f);
	return 0;
}

static void go(struct fixture *f)
{
	f->running = pthread_create(&f->thread, NULL, run_loop, f) == 0;
	assert_true(f->running);
}

static int open_page(struct fixture *f, const char *host, int port)
{
	struct http_settings http = {.set = true, .host = host, .port = port};
	struct page_options o = {.http = &http, .is_ready = is_ready, .metrics = write_metrics, .arg = f};
	int r = page_new(f->loop, &o, &f->page);

	if (r == 0)
		f->port = page_port(f->page);
	return r;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct mail_item stop;

	if (f->running) {
		mailbox_post(f->box, &stop);
		pthread_join(f->thread, NULL);
	}
	page_free(f->page);
	server_free(f->server);
	mailbox_close(f->box, NULL);
	loop_free(f->loop);
	free(f->answer);
	free(f);
	return 0;
}

/* ---- a client ---- */

static int dial(int family, int port)
{
	struct sockaddr_in6 v6 = {
		.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT, .sin6_port = htons((uint16_t)port)};
	struct sockaddr_in v4 = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
	struct timeval limit = {30, 0};
	int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r;

	assert_true(fd >= 0);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	r = family == AF_INET6 ? connect(fd, (struct sockaddr *)&v6, sizeof(v6))
			       : connect(fd, (struct sockaddr *)&v4, sizeof(v4));
	assert_int_equal(r, 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
}

/* One answer: up to the end of its body by Content-Length, of which HEAD has none; or to the end of the connection. */
static const char *hear(struct fixture *f, int fd, bool head)
{
	size_t room = 1024 * 1024, n = 0;
	char *end = NULL, *length;
	ssize_t k;

	free(f->answer);
	f->answer = xmalloc(room);
	f->answer[0] = '\0';
	for (;;) {
		if (!end && (end = strstr(f->answer, "\r\n\r\n"))) {
			length = strcasestr(f->answer, "\r\nContent-Length: ");
			if (length && length < end)
				end += 4 + (head ? 0 : strtol(length + 18, NULL, 10));
			else
				end = f->answer + room; /* until it is closed */
		}
		if (end && f->answer + n >= end)
			return f->answer;
		k = recv(fd, f->answer + n, room - n - 1, 0);
		assert_true(k >= 0);
		if (k == 0)
			return f->answer;
		n += (size_t)k;
		f->answer[n] = '\0';
	}
}

static const char *ask(struct fixture *f, const char *method, const char *path)
{
	char request[512];
	int fd = dial(AF_INET, f->port);

	snprintf(request, sizeof(request), "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
	say(fd, request);
	hear(f, fd, strcmp(method, "HEAD") == 0);
	close(fd);
	return f->answer;
}

static void assert_starts(const char *text, const char *start)
{
	if (strncmp(text, start, strlen(start)) != 0)
		fail_msg("not %s: %s", start, text);
}

static void assert_has(const char *text, const char *part)
{
	if (strstr(text, part))
		return;
	fputs(text, stderr);
	fail_msg("the answer above has no \"%.*s\"", (int)strlen(part), part);
}

/* ---- tests ---- */

static void test_health_and_metrics(void **state)
{
	struct fixture *f = *state;
	const char *a;

	assert_int_equal(open_page(f, "127.0.0.1", 0), 0);
	assert_true(f->port > 0);
	go(f);
	a = ask(f, "GET", "/livez");
	assert_starts(a, "HTTP/1.1 200 ");
	assert_has(a, "\r\n\r\nlive\n");
	a = ask(f, "GET", "/readyz");
	assert_starts(a, "HTTP/1.1 503 ");
	assert_has(a, "not ready: the database is away\n");
	atomic_store(&f->ready, true);
	a = ask(f, "GET", "/readyz?verbose=1");
	assert_starts(a, "HTTP/1.1 200 ");
	assert_has(a, "\r\n\r\nready\n");
	a = ask(f, "GET", "/metrics");
	assert_starts(a, "HTTP/1.1 200 ");
	assert_has(a, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n");
	assert_has(a, "closeloop_database_up 1\n");
	assert_has(a, "X-Content-Type-Options: nosniff\r\n");
	assert_has(a, "Content-Security-Policy: default-src 'none'");
	assert_has(a, "Cache-Control: no-store\r\n");
}

static void test_head_unknown_and_methods(void **state)
{
	struct fixture *f = *state;
	const char *a;

	assert_int_equal(open_page(f, "localhost", 0), 0);
	go(f);
	a = ask(f, "HEAD", "/metrics");
	assert_starts(a, "HTTP/1.1 200 ");
	assert_null(strstr(a, "closeloop_database_up"));
	assert_has(a, "Content-Length: ");
	assert_starts(ask(f, "GET", "/"), "HTTP/1.1 404 ");
	assert_starts(ask(f, "GET", "/livez/"), "HTTP/1.1 404 ");
	assert_starts(ask(f, "GET", "/../etc/passwd"), "HTTP/1.1 404 ");
	assert_starts(ask(f, "GET", "/%00livez"), "HTTP/1.1 404 ");
	a = ask(f, "DELETE", "/livez");
	assert_starts(a, "HTTP/1.1 405 ");
	assert_has(a, "Allow: GET, HEAD\r\n");
	assert_starts(ask(f, "OPTIONS", "*"), "HTTP/1.1 405 ");
}

static void test_bodies_nobody_asked_for(void **state)
{
	char *big CLEANUP(freep) = xmalloc(1024 * 1024 + 1);
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_page(f, "127.0.0.1", 0), 0);
	go(f);
	fd = dial(AF_INET, f->port);
	say(fd, "POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
	assert_starts(hear(f, fd, false), "HTTP/1.1 405 ");
	close(fd);
	fd = dial(AF_INET, f->port);
	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello");
	assert_starts(hear(f, fd, false), "HTTP/1.1 200 ");
	close(fd);
	/* More than anyone may send is refused when it is announced, and cut off when it isn't. */
	memset(big, 'x', 1024 * 1024);
	big[1024 * 1024] = '\0';
	fd = dial(AF_INET, f->port);
	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1048576\r\n\r\n");
	assert_starts(hear(f, fd, false), "HTTP/1.1 413 ");
	close(fd);
	fd = dial(AF_INET, f->port);
	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n");
	for (const char *at = big; *at;) {
		ssize_t k = send(fd, at, strlen(at), MSG_NOSIGNAL);

		if (k <= 0)
			break;
		at += k;
	}
	assert_true(recv(fd, big, 1, 0) <= 0);
	close(fd);
	/* Headers without end get an error, not memory. */
	fd = dial(AF_INET, f->port);
	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: ");
	(void)!send(fd, big, 64 * 1024, MSG_NOSIGNAL);
	assert_starts(hear(f, fd, false), "HTTP/1.1 431 ");
	close(fd);
	assert_starts(ask(f, "GET", "/livez"), "HTTP/1.1 200 ");
}

/* Half a request on every third connection, two requests each on the others, all open at once. */
static void test_many_clients(void **state)
{
	struct fixture *f = *state;
	int fds[CLIENTS];

	assert_int_equal(open_page(f, "127.0.0.1", 0), 0);
	go(f);
	for (int i = 0; i < CLIENTS; i++) {
		fds[i] = dial(AF_INET, f->port);
		say(fds[i], i % 3 ? "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n" : "GET /livez HTTP/1.1\r\nHo");
	}
	for (int round = 0; round < 2; round++)
		for (int i = 0; i < CLIENTS; i++) {
			if (i % 3 == 0)
				continue;
			assert_starts(hear(f, fds[i], false), "HTTP/1.1 200 ");
			if (round == 0)
				say(fds[i], "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
		}
	say(fds[0], "st: x\r\n\r\n");
	assert_starts(hear(f, fds[0], false), "HTTP/1.1 200 ");
	for (int i = 0; i < CLIENTS; i++)
		close(fds[i]);
	assert_starts(ask(f, "GET", "/livez"), "HTTP/1.1 200 ");
}

static void test_pipelined_requests(void **state)
{
	struct fixture *f = *state;
	int fd;

	assert_int_equal(open_page(f, "127.0.0.1", 0), 0);
	go(f);
	fd = dial(AF_INET, f->port);
	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\nGET /none HTTP/1.1\r\nHost: x\r\n\r\n"
		"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
	while (!strstr(hear(f, fd, false), "503"))
		assert_has(f->answer, "HTTP/1.1 ");
	close(fd);
}

static void test_ipv6(void **state)
{
	struct fixture *f = *state;
	int fd, r = open_page(f, "::1", 0);

	if (r == -EADDRNOTAVAIL || r == -EAFNOSUPPORT)
		skip();
	assert_int_equal(r, 0);
	go(f);
	fd = dial(AF_INET6, f->port);
	say(fd, "GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_starts(hear(f, fd, false), "HTTP/1.1 200 ");
	close(fd);
}

static void test_addresses_that_cannot_be_had(void **state)
{
	struct http_settings off = {.set = false};
	struct page_options o = {.http = &off};
	struct fixture *f = *state;
	struct page *taken;

	assert_int_equal(open_page(f, "127.0.0.1", 0), 0);
	taken = f->page;
	assert_int_equal(open_page(f, "127.0.0.1", f->port), -EADDRINUSE);
	assert_null(f->page);
	assert_int_equal(open_page(f, "not an address", 0), -EINVAL);
	assert_int_equal(page_new(f->loop, &o, &f->page), 0);
	assert_null(f->page);
	f->page = taken;
}

/* ---- answers that come later ---- */

static void later_on_deadline(struct deadline *d)
{
	struct fixture *f = container_of(d, struct fixture, answer_later);

	while (f->n_later > 0) {
		struct buf body = BUF_INIT(100);

		buf_puts(&body, "later\n");
		request_answer(f->later[--f->n_later], 200, "text/plain", &body);
	}
}

static void later_on_request(void *arg, struct request *r)
{
	struct fixture *f = arg;

	f->later[f->n_later++] = r;
	deadline_arm(&f->answer_later, 20 * US_PER_MS);
}

static void never_on_request(void *arg, struct request *r)
{
}

static void large_on_request(void *arg, struct request *r)
{
	struct buf body = BUF_INIT(10);

	buf_puts(&body, "more than ten bytes");
	request_answer(r, 200, "text/plain", &body);
}

static const struct server_route routes[] = {
	{"/later", later_on_request, 0}, {"/never", never_on_request, 0}, {"/large", large_on_request, 0}};

static void open_server(struct fixture *f, int64_t patience_us)
{
	struct server_options o = {
		.host = "127.0.0.1", .routes = routes, .n_routes = ARRAY_SIZE(routes), .arg = f, .patience_us = patience_us};

	assert_int_equal(server_new(f->loop, &o, &f->server), 0);
	f->port = server_port(f->server);
	deadline_init(&f->answer_later, f->loop, "later", later_on_deadline);
	go(f);
}

static void test_answer_later(void **state)
{
	struct fixture *f = *state;
	int fd, never;

	open_server(f, 0);
	never = dial(AF_INET, f->port);
	say(never, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
	fd = dial(AF_INET, f->port);
	for (int i = 0; i < 3; i++) {
		say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
		assert_has(hear(f, fd, false), "\r\n\r\nlater\n");
	}
	close(fd);
	/* gone before its answer */
	fd = dial(AF_INET, f->port);
	say(fd, "GET /later HTTP/1.1\r\nHost: x\r\n\r\n");
	close(fd);
	assert_starts(ask(f, "GET", "/large"), "HTTP/1.1 500 ");
	assert_has(ask(f, "GET", "/later"), "\r\n\r\nlater\n");
	close(never); /* still unanswered when the server ends */
}

/* One byte now and then keeps MHD's own timeout away, but not ours. */
static void test_slow_client_is_let_go(void **state)
{
	struct timeval tick = {0, 20000};
	struct fixture *f = *state;
	char answer[64];
	ssize_t k;
	int fd;

	open_server(f, 200 * US_PER_MS);
	fd = dial(AF_INET, f->port);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tick, sizeof(tick));
	say(fd, "GET /large HTTP/1.1\r\nX-Slow: ");
	do {
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
		k = recv(fd, answer, sizeof(answer), 0);
	} while (k < 0 && (errno == EAGAIN || errno == EINTR));
	close(fd);
	assert_starts(ask(f, "GET", "/large"), "HTTP/1.1 500 ");
}

/* More than there are connections for, each in the middle of its headers: somebody with a request needs no patience. */
static void test_a_crowd_of_slow_clients_locks_out_nobody(void **state)
{
	struct mono_time begun = mono_now();
	struct fixture *f = *state;
	int slow[300];

	open_server(f, 0);
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++) {
		slow[i] = dial(AF_INET, f->port);
		say(slow[i], "GET /large HTTP/1.1\r\nX-Slow: ");
	}
	assert_starts(ask(f, "GET", "/large"), "HTTP/1.1 500 ");
	assert_true(mono_now().us - begun.us < 10 * US_PER_S); /* not the 15 s that headers may take */
	for (size_t i = 0; i < ARRAY_SIZE(slow); i++)
		close(slow[i]);
}

/* The first is answered when the server ends, and the others of its pipeline are read then. */
static void test_ends_with_a_pipeline_unanswered(void **state)
{
	struct fixture *f = *state;
	int fd;

	open_server(f, 0);
	fd = dial(AF_INET, f->port);
	for (int i = 0; i < 5; i++)
		say(fd, "GET /never HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_has(ask(f, "GET", "/later"), "\r\n\r\nlater\n"); /* the first of them is in */
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_health_and_metrics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_head_unknown_and_methods, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bodies_nobody_asked_for, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_clients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pipelined_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ipv6, setup, teardown),
		cmocka_unit_test_setup_teardown(test_addresses_that_cannot_be_had, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answer_later, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow_client_is_let_go, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_crowd_of_slow_clients_locks_out_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends_with_a_pipeline_unanswered, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
