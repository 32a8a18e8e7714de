/*
 * Which resolved addresses a connection may be opened to.
 *
 * Judged are the bytes of the address that the resolver returned, at connect time, never the text of a URL: so
 * 2130706433, 0x7f.1, ::ffff:127.0.0.1 and a name that changes its mind are all seen. Refused is whatever is not
 * a public unicast address, unless a block of `allow` holds it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_POLICY_H
#define CHANNEL_POLICY_H

#include "base/cidr.h"

#include <sys/socket.h>

struct policy {
	struct cidr *allow;
	int n_allow;
	bool loopback;      /* loopback addresses are allowed: the URL names one, or localhost */
	bool loopback_only; /* and no others: plain text */
};

bool policy_allows(const struct policy *p, const struct sockaddr *address);
/* The same for the text of a numeric address; anything else is refused. */
bool policy_allows_text(const struct policy *p, const char *address);

/* "localhost", 127.0.0.0/8 or ::1 (brackets are fine): a host that names this machine by itself. */
bool policy_is_loopback(const char *host);

#endif
