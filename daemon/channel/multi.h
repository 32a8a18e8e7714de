/*
 * libcurl's multi handle on a libev loop.
 *
 * No libcurl call is made from inside its callbacks; finished transfers are told one by one after each action.
 * A socket stays watched for reading between two transfers of a kept-alive connection, which saves two system calls
 * per request: sockets are therefore opened and closed through multi_open_socket() and multi_close_socket().
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_MULTI_H
#define CHANNEL_MULTI_H

#include "loop/loop.h"

#include <curl/curl.h>

struct multi_socket;
/* May add and remove transfers. */
typedef void multi_done_fn(void *arg, CURL *easy, CURLcode code);

struct multi {
	CURLM *curl;
	struct loop *loop;
	struct deadline timer;
	struct multi_socket **by_fd;
	int n_fds;
	multi_done_fn *done;
	void *arg;
};

/* 0 or -ENOMEM. */
int multi_init(struct multi *m, struct loop *l, multi_done_fn *done, void *arg);
/* All transfers must have been removed. */
void multi_fini(struct multi *m);

/* For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION of every transfer. */
curl_socket_t multi_open_socket(struct multi *m, const struct curl_sockaddr *a);
int multi_close_socket(struct multi *m, curl_socket_t fd);

#endif
