/*
 * libmicrohttpd inside the loop: listens, finds the route, sends what its function answers.
 *
 * A function answers at once or later, from the loop; until then the connection is suspended. A path that no route has goes
 * to `other`, a method that the route doesn't take gets 405, a body of more than SERVER_UPLOAD_BYTES_MAX 413. Clients that
 * don't finish a request, or do nothing, are let go; the slowest first when there are hardly any connections left. HEAD is
 * answered as GET is, without the body.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_SERVER_H
#define PAGE_SERVER_H

#include "base/buf.h"
#include "base/cidr.h"
#include "loop/loop.h"
#include "page/form.h"

#define SERVER_BODY_BYTES_MAX (4 * 1024 * 1024)
#define SERVER_UPLOAD_BYTES_MAX FORM_BYTES_MAX

struct server;
struct request;

enum http_method { HTTP_GET = 1, HTTP_HEAD = 2, HTTP_POST = 4 };
#define HTTP_READ (HTTP_GET | HTTP_HEAD)

/* Calls request_answer() or request_answer_with() exactly once, from inside or later. arg is the server's. */
typedef void request_fn(void *arg, struct request *r);
struct server_route {
	const char *path; /* the whole of it; one that ends in '/' stands for everything below it */
	request_fn *fn;
	unsigned methods; /* 0: HTTP_READ */
};

struct server_options {
	const char *host; /* an address, or "localhost" */
	int port;         /* 0: any free one */
	const struct server_route *routes;
	int n_routes;
	request_fn *other; /* for unknown paths; NULL: a plain 404 */
	void *arg;
	int64_t patience_us;         /* for a body, an answer, and between two requests; 0: 60 s. Headers have 15 s at most */
	int connections_per_address; /* 0: as many as there are */
};

/* Return: 0, -EINVAL (no address), or what socket(), bind() and listen() say. */
int server_new(struct loop *l, const struct server_options *o, struct server **ret);
/* Requests not answered yet get 503; whoever would have answered them must be gone. */
struct server *server_free(struct server *s);
int server_port(const struct server *s);

#define SERVER_CLASSES 6
struct server_stats {
	uint64_t answers[SERVER_CLASSES]; /* by the first digit of their status */
	uint64_t let_go;                  /* clients that kept us waiting in the middle of something */
};
const struct server_stats *server_stats(const struct server *s);

/* ---- what was asked; texts live as long as the request ---- */

enum http_method request_method(const struct request *r);
/* Decoded, without the query. */
const char *request_path(const struct request *r);
/* What stands behind the '?', as it was sent; "". */
const char *request_query(const struct request *r);
/* NULL: not sent. */
const char *request_header(const struct request *r, const char *name);
/* Each line of that name, with ", " between them, as one line would say it (RFC 9110 5.3). */
const char *request_header_all(struct request *r, const char *name);
const char *request_cookie(const struct request *r, const char *name);
const char *request_body(const struct request *r, size_t *ret_n);
/* The other end of the connection; false: it has no IP address. */
bool request_peer(const struct request *r, struct address *ret);
/* For whatever is needed until the answer is out. */
struct arena *request_arena(struct request *r);

/* ---- the answer ---- */

struct answer {
	int status;
	const char *content_type; /* NULL: "text/html; charset=utf-8", with the policy of pages */
	const char *location;     /* of a redirection; NULL: none */
	const char *cookie;       /* a whole Set-Cookie; NULL: none */
	const char *allow;        /* 405; NULL: none */
	const char *etag;         /* may be kept for a year under this address; NULL: may not be kept */
	const char *authenticate; /* 401; NULL: none */
	int retry_after_s;        /* 429, 503; 0: not said */
};
/* The text is in body (may be NULL), whose memory is taken. Ends the request: r is not valid afterwards. */
void request_answer_with(struct request *r, const struct answer *a, struct buf *body);
void request_answer(struct request *r, int status, const char *content_type, struct buf *body);

#endif
