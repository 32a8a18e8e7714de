/*
 * libcurl's multi handle on libev; see multi.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/multi.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct multi_socket {
	ev_io io;
	struct multi *multi;
	int want;  /* what libcurl waits for: EV_READ, EV_WRITE, both, or 0 */
	bool ours; /* opened by multi_open_socket(): we hear when it is closed */
};

/* Copies what it needs of each message: remove_handle makes it invalid. */
static void multi_drain(struct multi *m)
{
	CURLMsg *msg;
	int left;

	while ((msg = curl_multi_info_read(m->curl, &left)))
		if (msg->msg == CURLMSG_DONE)
			m->done(m->arg, msg->easy_handle, msg->data.result);
}

static void multi_act(struct multi *m, curl_socket_t fd, int events)
{
	int running;

	curl_multi_socket_action(m->curl, fd, events, &running);
	multi_drain(m);
}

static void multi_on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	struct multi_socket *s = container_of(w, struct multi_socket, io);
	int events = (revents & EV_READ ? CURL_CSELECT_IN : 0) | (revents & EV_WRITE ? CURL_CSELECT_OUT : 0) |
		     (revents & EV_ERROR ? CURL_CSELECT_ERR : 0);

	/* The peer closed a connection that waits for its next request: libcurl finds out when it wants it. */
	if (s->want == 0) {
		ev_io_stop(ev, w);
		return;
	}
	multi_act(s->multi, w->fd, events);
}

static void multi_on_timer(struct deadline *d)
{
	multi_act(container_of(d, struct multi, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int multi_set_timer(CURLM *curl, long timeout_ms, void *arg)
{
	struct multi *m = arg;

	if (timeout_ms < 0)
		deadline_disarm(&m->timer);
	else
		deadline_arm(&m->timer, timeout_ms * US_PER_MS);
	return 0;
}

static struct multi_socket *multi_find(struct multi *m, int fd)
{
	return fd < m->n_fds ? m->by_fd[fd] : NULL;
}

static struct multi_socket *multi_add(struct multi *m, int fd)
{
	struct multi_socket *s = multi_find(m, fd);

	if (s)
		return s;
	if (fd >= m->n_fds) {
		int n = MAX(fd + 1, m->n_fds * 2);

		m->by_fd = xrealloc(m->by_fd, sizeof(struct multi_socket *) * (size_t)n);
		memset(m->by_fd + m->n_fds, 0, sizeof(struct multi_socket *) * (size_t)(n - m->n_fds));
		m->n_fds = n;
	}
	s = xcalloc(1, sizeof(*s));
	s->multi = m;
	ev_io_init(&s->io, multi_on_io, fd, 0);
	m->by_fd[fd] = s;
	return s;
}

static void multi_remove(struct multi *m, int fd)
{
	struct multi_socket *s = multi_find(m, fd);

	if (!s)
		return;
	ev_io_stop(loop_ev(m->loop), &s->io);
	m->by_fd[fd] = NULL;
	free(s);
}

static void socket_want(struct multi *m, struct multi_socket *s, int want)
{
	struct ev_loop *ev = loop_ev(m->loop);

	s->want = want;
	/* Nothing wanted: keep watching for reading, the next request on this connection will want that. */
	if (want == 0 || (ev_is_active(&s->io) && (s->io.events & (EV_READ | EV_WRITE)) == want)) {
		if (want == 0 && ev_is_active(&s->io) && s->io.events & EV_WRITE)
			ev_io_stop(ev, &s->io);
		return;
	}
	ev_io_stop(ev, &s->io);
	ev_io_set(&s->io, s->io.fd, want);
	ev_io_start(ev, &s->io);
}

static int multi_set_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
	struct multi *m = arg;
	struct multi_socket *s = what == CURL_POLL_REMOVE ? multi_find(m, fd) : multi_add(m, fd);

	if (!s)
		return 0;
	/* The resolver's own pair is closed behind our back. */
	if (what == CURL_POLL_REMOVE && !s->ours)
		multi_remove(m, fd);
	else
		socket_want(m, s, (what & CURL_POLL_IN ? EV_READ : 0) | (what & CURL_POLL_OUT ? EV_WRITE : 0));
	return 0;
}

/* CURL_POLL_REMOVE is 4: it must not look like one of the two. */
static_assert((CURL_POLL_REMOVE & CURL_POLL_INOUT) == 0, "bits of CURL_POLL_*");

curl_socket_t multi_open_socket(struct multi *m, const struct curl_sockaddr *a)
{
	int fd = socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);

	if (fd < 0)
		return CURL_SOCKET_BAD;
	multi_add(m, fd)->ours = true;
	return fd;
}

int multi_close_socket(struct multi *m, curl_socket_t fd)
{
	multi_remove(m, fd);
	return close(fd);
}

int multi_init(struct multi *m, struct loop *l, multi_done_fn *done, void *arg)
{
	*m = (struct multi){.loop = l, .done = done, .arg = arg};
	deadline_init(&m->timer, l, "webhook transfers", multi_on_timer);
	m->curl = curl_multi_init();
	if (!m->curl)
		return -ENOMEM;
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETFUNCTION, multi_set_socket);
	curl_multi_setopt(m->curl, CURLMOPT_SOCKETDATA, m);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERFUNCTION, multi_set_timer);
	curl_multi_setopt(m->curl, CURLMOPT_TIMERDATA, m);
	/* HTTP/2 uploads hang in 7.88 (curl issues 10449, 11157). */
	curl_multi_setopt(m->curl, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
	return 0;
}

void multi_fini(struct multi *m)
{
	if (m->curl)
		curl_multi_cleanup(m->curl); /* calls back to close its sockets */
	m->curl = NULL;
	deadline_disarm(&m->timer);
	for (int fd = 0; fd < m->n_fds; fd++)
		multi_remove(m, fd);
	free(m->by_fd);
	m->by_fd = NULL;
	m->n_fds = 0;
}
