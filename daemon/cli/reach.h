/*
 * Does anything answer at a host and port? For `check --online`; blocking, with a deadline.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_REACH_H
#define CLI_REACH_H

#include "base/arena.h"

struct reach_target {
	char host[256];
	char port[6];
	bool greets; /* SMTP without TLS at once: the server speaks first, "220 …" */
};

/* "smtp://host:587", "https://[::1]:8443/path": -EINVAL for anything without a host or of another scheme. */
int reach_parse(const char *url, struct reach_target *ret);

#define REACH_E_NO 1
/* 0, or REACH_E_NO with a sentence in *ret_why (arena). */
int reach(const struct reach_target *t, int64_t timeout_us, struct arena *a, const char **ret_why);

#endif
