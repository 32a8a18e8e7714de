/*
 * A receiver that is never the bottleneck: answers every POST with 200 on a connection that stays open, and notes
 * when it came and for which response ("response_id":N in the body).
 *
 *   sink        prints its port, then serves 127.0.0.1 until its standard input ends
 *
 *   POST /…           200 at once
 *   POST /hang…       no answer, ever
 *   POST /slow…       200 after SLOW_MS
 *   GET  /stats       {"count": …, "distinct": …, "first_us": …, "last_us": …, "bytes": …}
 *   GET  /dump        a line "RESPONSE_ID ARRIVAL_US PATH" for each POST; POSTs to /hang are there too
 *   GET  /reset       forgets them
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define READ_BYTES 65536
#define PATH_BYTES 16
#define SLOW_MS 500

struct arrival {
	long response_id;
	long at_us;
	char path[PATH_BYTES];
};

struct peer {
	struct peer *next_slow;
	int fd;
	int n;
	long due_us; /* of a slow answer */
	char in[READ_BYTES];
};

struct sink {
	int epoll, listener;
	struct arrival *arrivals;
	long n, room, bytes;
	struct peer *slow, **slow_end; /* in the order of their due times */
};

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok";

static long clock_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * 1000000L + t.tv_nsec / 1000;
}

/* Control answers are large and their reader waits: a full socket is waited for. */
static void send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t k = send(fd, p, n, MSG_NOSIGNAL);

		if (k < 0)
			return;
		p += k;
		n -= (size_t)k;
	}
}

static void answer_text(int fd, const char *body, size_t n)
{
	char head[96];

	send_all(fd, head, (size_t)snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", n));
	send_all(fd, body, n);
}

static int by_response(const void *a, const void *b)
{
	long x = *(const long *)a, y = *(const long *)b;

	return (x > y) - (x < y);
}

static long count_distinct(const struct sink *s)
{
	long *ids = malloc(sizeof(long) * (size_t)(s->n + 1)), distinct = 0;

	for (long i = 0; i < s->n; i++)
		ids[i] = s->arrivals[i].response_id;
	qsort(ids, (size_t)s->n, sizeof(long), by_response);
	for (long i = 0; i < s->n; i++)
		distinct += i == 0 || ids[i] != ids[i - 1];
	free(ids);
	return distinct;
}

static void answer_stats(const struct sink *s, int fd, bool distinct)
{
	char text[256];
	int n = snprintf(text, sizeof(text),
			 "{\"count\": %ld, \"distinct\": %ld, \"first_us\": %ld, \"last_us\": %ld, \"bytes\": %ld}\n", s->n,
			 distinct ? count_distinct(s) : 0, s->n ? s->arrivals[0].at_us : 0,
			 s->n ? s->arrivals[s->n - 1].at_us : 0, s->bytes);

	answer_text(fd, text, (size_t)n);
}

static void answer_dump(const struct sink *s, int fd)
{
	char *text = malloc((size_t)s->n * 80 + 1);
	size_t n = 0;

	for (long i = 0; i < s->n; i++)
		n += (size_t)sprintf(text + n, "%ld %ld %s\n", s->arrivals[i].response_id, s->arrivals[i].at_us,
				     s->arrivals[i].path);
	answer_text(fd, text, n);
	free(text);
}

static void note(struct sink *s, const char *path, char *body, size_t n)
{
	struct arrival *a;
	char after = body[n], *id;

	if (s->n == s->room) {
		s->room = s->room ? 2 * s->room : 65536;
		s->arrivals = realloc(s->arrivals, sizeof(*a) * (size_t)s->room);
	}
	a = &s->arrivals[s->n++];
	a->at_us = clock_us();
	body[n] = '\0';
	id = strstr(body, "\"response_id\":");
	a->response_id = id ? strtol(id + 14, NULL, 10) : -1;
	body[n] = after;
	snprintf(a->path, sizeof(a->path), "%.*s", (int)strcspn(path, " "), path);
	s->bytes += (long)n;
}

static void handle(struct sink *s, struct peer *p, char *request, char *body, size_t n)
{
	char *path = strchr(request, ' ') + 1;

	if (*request == 'P') {
		note(s, path, body, n);
		if (!strncmp(path, "/slow", 5)) {
			p->due_us = clock_us() + SLOW_MS * 1000;
			p->next_slow = NULL;
			*s->slow_end = p;
			s->slow_end = &p->next_slow;
		} else if (strncmp(path, "/hang", 5) != 0) {
			send_all(p->fd, ok, sizeof(ok) - 1);
		}
	} else if (!strncmp(path, "/dump", 5)) {
		answer_dump(s, p->fd);
	} else if (!strncmp(path, "/reset", 6)) {
		s->n = s->bytes = 0;
		answer_text(p->fd, "", 0);
	} else {
		answer_stats(s, p->fd, strncmp(path, "/stats", 6) == 0);
	}
}

static void peer_end(struct sink *s, struct peer *p)
{
	for (struct peer **at = &s->slow; *at; at = &(*at)->next_slow)
		if (*at == p) {
			*at = p->next_slow;
			break;
		}
	for (s->slow_end = &s->slow; *s->slow_end; s->slow_end = &(*s->slow_end)->next_slow)
		;
	close(p->fd);
	free(p);
}

/* Whole requests in the buffer, one after the other; the rest moves to its front. */
static void peer_read(struct sink *s, struct peer *p)
{
	ssize_t got = recv(p->fd, p->in + p->n, (size_t)(READ_BYTES - 1 - p->n), MSG_DONTWAIT);
	char *at = p->in, *end;

	if (got <= 0) {
		peer_end(s, p);
		return;
	}
	p->n += (int)got;
	end = p->in + p->n;
	*end = '\0';
	for (;;) {
		char *body = strstr(at, "\r\n\r\n"), *length;
		size_t n = 0;

		if (!body)
			break;
		body += 4;
		length = strcasestr(at, "\ncontent-length:");
		if (length && length < body)
			n = strtoul(length + 16, NULL, 10);
		if ((size_t)(end - body) < n)
			break;
		handle(s, p, at, body, n);
		at = body + n;
	}
	p->n = (int)(end - at);
	memmove(p->in, at, (size_t)p->n);
}

static void peer_new(struct sink *s)
{
	int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC), one = 1;
	struct peer *p;
	struct epoll_event e = {.events = EPOLLIN};

	if (fd < 0)
		return;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	p = calloc(1, sizeof(*p));
	p->fd = fd;
	e.data.ptr = p;
	epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &e);
}

static int slow_answers(struct sink *s)
{
	long now = clock_us();

	while (s->slow && s->slow->due_us <= now) {
		struct peer *p = s->slow;

		s->slow = p->next_slow;
		if (!s->slow)
			s->slow_end = &s->slow;
		send_all(p->fd, ok, sizeof(ok) - 1);
	}
	return s->slow ? (int)((s->slow->due_us - now) / 1000 + 1) : -1;
}

static int sink_listen(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(fd, (struct sockaddr *)&a, n) < 0 || listen(fd, 1024) < 0 || getsockname(fd, (struct sockaddr *)&a, &n) < 0) {
		perror("sink");
		exit(1);
	}
	printf("%d\n", ntohs(a.sin_port));
	fflush(stdout);
	return fd;
}

int main(void)
{
	struct sink s = {.epoll = epoll_create1(EPOLL_CLOEXEC), .slow_end = &s.slow};
	struct epoll_event e = {.events = EPOLLIN}, ready[128];

	signal(SIGPIPE, SIG_IGN);
	s.listener = sink_listen();
	epoll_ctl(s.epoll, EPOLL_CTL_ADD, s.listener, &e);
	e.data.ptr = &s;
	epoll_ctl(s.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &e);
	for (;;) {
		int n = epoll_wait(s.epoll, ready, 128, slow_answers(&s));

		for (int i = 0; i < n; i++) {
			char byte;

			if (!ready[i].data.ptr)
				peer_new(&s);
			else if (ready[i].data.ptr != &s)
				peer_read(&s, ready[i].data.ptr);
			else if (read(STDIN_FILENO, &byte, 1) <= 0)
				return 0;
		}
	}
}
