/*
 * Does anything answer at a host and port? See reach.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/reach.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define GREETING_BYTES 512

static const struct {
	const char *scheme, *port;
	bool greets;
} schemes[] = {
	{"smtp://", "587", true},
	{"smtps://", "465", false},
	{"http://", "80", false},
	{"https://", "443", false},
};

int reach_parse(const char *url, struct reach_target *ret)
{
	size_t i = 0, host_n, port_n;
	const char *host, *end;

	while (i < ARRAY_SIZE(schemes) && strncasecmp(url, schemes[i].scheme, strlen(schemes[i].scheme)) != 0)
		i++;
	if (i == ARRAY_SIZE(schemes))
		return -EINVAL;
	url += strlen(schemes[i].scheme);
	host_n = strcspn(url, "/?#");
	/* user:password@ is nobody's host. */
	if (memchr(url, '@', host_n))
		return -EINVAL;
	host = url;
	if (*host == '[') {
		host++;
		end = memchr(host, ']', host_n);
		if (!end)
			return -EINVAL;
		port_n = (size_t)(url + host_n - end - 1);
		url = end + 1;
		host_n = (size_t)(end - host);
	} else {
		size_t name_n = strcspn(host, ":/?#");

		url = host + name_n;
		port_n = host_n - name_n;
		host_n = name_n;
	}
	if (host_n == 0 || host_n >= sizeof(ret->host) || port_n > sizeof(ret->port) || port_n == 1)
		return -EINVAL;
	snprintf(ret->host, sizeof(ret->host), "%.*s", (int)host_n, host);
	if (port_n && *url != ':')
		return -EINVAL;
	snprintf(ret->port, sizeof(ret->port), "%.*s", port_n ? (int)port_n - 1 : (int)strlen(schemes[i].port),
		 port_n ? url + 1 : schemes[i].port);
	ret->greets = schemes[i].greets;
	return ret->port[strspn(ret->port, "0123456789")] ? -EINVAL : 0;
}

/* Waits until the deadline; 0 when the socket is ready. */
static int wait_for(int fd, short events, struct mono_time deadline)
{
	struct pollfd p = {.fd = fd, .events = events};
	int64_t left = deadline.us - mono_now().us;
	int r = left > 0 ? poll(&p, 1, (int)(left / US_PER_MS) + 1) : 0;

	return r > 0 ? 0 : r < 0 ? -errno : -ETIMEDOUT;
}

static int connect_one(const struct addrinfo *at, struct mono_time deadline, int *ret_fd)
{
	int fd = socket(at->ai_family, at->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, at->ai_protocol), error = 0, r;
	socklen_t n = sizeof(error);

	if (fd < 0)
		return -errno;
	r = connect(fd, at->ai_addr, at->ai_addrlen) < 0 ? -errno : 0;
	if (r == -EINPROGRESS) {
		r = wait_for(fd, POLLOUT, deadline);
		if (r == 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0)
			r = -error;
	}
	if (r < 0) {
		close(fd);
		return r;
	}
	*ret_fd = fd;
	return 0;
}

static int greeting(int fd, struct mono_time deadline, struct arena *a, const char **ret_why)
{
	char line[GREETING_BYTES];
	ssize_t n;

	if (wait_for(fd, POLLIN, deadline) < 0) {
		*ret_why = "connected, but no greeting came";
		return REACH_E_NO;
	}
	n = recv(fd, line, sizeof(line) - 1, 0);
	line[MAX(n, 0)] = '\0';
	line[strcspn(line, "\r\n")] = '\0';
	if (strncmp(line, "220", 3) == 0) {
		if (send(fd, "QUIT\r\n", 6, MSG_NOSIGNAL) < 0)
			return 0; /* it has greeted; how it takes leave is its own affair */
		return 0;
	}
	*ret_why = arena_printf(a, "greets with '%s' instead of 220", line);
	return REACH_E_NO;
}

int reach(const struct reach_target *t, int64_t timeout_us, struct arena *a, const char **ret_why)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG}, *list = NULL;
	struct mono_time deadline = {mono_now().us + timeout_us};
	int fd = -1, r = getaddrinfo(t->host, t->port, &hints, &list);

	if (r) {
		*ret_why = arena_printf(a, "%s: %s", t->host, gai_strerror(r));
		return REACH_E_NO;
	}
	r = -EADDRNOTAVAIL;
	for (const struct addrinfo *at = list; at && fd < 0; at = at->ai_next)
		r = connect_one(at, deadline, &fd);
	freeaddrinfo(list);
	if (fd < 0) {
		*ret_why = arena_printf(a, "%s port %s: %s", t->host, t->port, strerror(-r));
		return REACH_E_NO;
	}
	r = t->greets ? greeting(fd, deadline, a, ret_why) : 0;
	close(fd);
	return r;
}
