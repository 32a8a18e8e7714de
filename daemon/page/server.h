/*
 * libmicrohttpd inside the loop: listens, finds the route, sends what its function answers.
 *
 * GET and HEAD only for now; another method gets 405, an unknown path 404. A function answers at once or later, from
 * the loop; until then the connection is suspended. Clients that don't finish a request, or do nothing, are let go.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_SERVER_H
#define PAGE_SERVER_H

#include "base/buf.h"
#include "loop/loop.h"

#define SERVER_BODY_BYTES_MAX (4 * 1024 * 1024)

struct server;
struct request;

/* Calls request_answer() exactly once, from inside or later. arg is the server's. */
typedef void request_fn(void *arg, struct request *r);
struct server_route {
	const char *path; /* the whole of it */
	request_fn *fn;
};

struct server_options {
	const char *host; /* an address, or "localhost" */
	int port;         /* 0: any free one */
	const struct server_route *routes;
	int n_routes;
	void *arg;
	int64_t patience_us; /* for a whole request to come in, and between two; 0: 60 s */
};

/* Return: 0, -EINVAL (no address), or what socket(), bind() and listen() say. */
int server_new(struct loop *l, const struct server_options *o, struct server **ret);
/* Requests not answered yet get 503; whoever would have answered them must be gone. */
struct server *server_free(struct server *s);
int server_port(const struct server *s);

/* The text is in body (may be NULL), whose memory is taken. Ends the request: r is not valid afterwards. */
void request_answer(struct request *r, int status, const char *content_type, struct buf *body);

#endif
