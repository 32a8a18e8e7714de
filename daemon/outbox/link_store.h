/*
 * Fresh links that were asked for on a page; see sql/015_pages.sql. SQL.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef OUTBOX_LINK_STORE_H
#define OUTBOX_LINK_STORE_H

#include "pg/pg.h"

struct link_request {
	int64_t id;
	const char *person;
	int64_t case_id; /* 0: the list */
	int32_t epoch;
};

/* ($1 most) takes the oldest, marked as mailed: to be committed together with the mails. */
extern const struct pg_stmt link_claim;
int link_claim_read(const struct pg_rows *rows, struct arena *a, struct link_request **ret);

#endif
