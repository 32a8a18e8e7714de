/*
 * What the files of this folder share; nothing else includes it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PG_PRIVATE_H
#define PG_PRIVATE_H

#include "pg/pg.h"

#include <assert.h>
#include <libpq-fe.h>

struct pg_rows {
	PGresult *result;
};

struct pg_sync {
	PGconn *pg;
};

/* ---- sync.c ---- */
/* 0, or -EIO with the error. A result without a SQLSTATE comes from libpq itself: the connection is gone. */
int pg_sync_judge(struct pg_sync *s, const PGresult *result, const char *statement, struct pg_error *error);
/* Ends the statement under way early; its remaining results are still to be read. */
void pg_sync_cancel(struct pg_sync *s);

/* ---- error.c ---- */
void pg_error_set_lost(struct pg_error *e, const char *message);
void pg_error_from_result(struct pg_error *e, const PGresult *result, const char *statement);
/* What libpq says about the connection, in one line without its hints. */
void pg_error_from_conn(struct pg_error *e, PGconn *pg);

/* ---- params.c ---- */
/* Asserts that the values are those the statement declares; types in libpq's terms. */
void pg_params_check(const struct pg_stmt *stmt, const struct pg_params *p, Oid types[PG_PARAMS_MAX]);
extern const int pg_all_binary[PG_PARAMS_MAX];

/* ---- conninfo.c ---- */

/* One server of a conninfo, as libpq counts them. Empty texts are libpq's defaults. */
struct endpoint {
	const char *host, *hostaddr, *port;
};
#define CONNINFO_ADDED_MAX 16

/* A conninfo taken apart: what libpq would use after environment and service file, and what to add to it. */
struct conninfo {
	struct arena *arena;
	const char *text;
	struct endpoint *endpoints;
	int n_endpoints;
	int64_t connect_timeout_us; /* 0: not given */
	int n_added;
	const char *keywords[CONNINFO_ADDED_MAX], *values[CONNINFO_ADDED_MAX]; /* end with NULL */
};
struct conninfo *conninfo_new(const char *text);
struct conninfo *conninfo_free(struct conninfo *i);
/* A name that libpq would have to look up: neither address, nor socket folder, nor given with hostaddr. */
bool endpoint_needs_lookup(const struct endpoint *e);
/* Sets host, hostaddr and port to these, beginning with number `first`. Without it libpq finds the hosts itself. */
void conninfo_use(struct conninfo *i, const struct endpoint *endpoints, int n, int first);

/* ---- resolve.c ---- */

/* Looks up the names in a thread; endpoints come back with hostaddr, one per address found. */
struct resolve;
/* Called once from the loop. n is 0 when no name was found; error then says why. Texts live in the conninfo's arena. */
typedef void resolve_done_fn(void *arg, const struct endpoint *found, int n, const char *error);
/* NULL when no thread could be started. */
struct resolve *resolve_start(struct loop *l, struct conninfo *i, resolve_done_fn *done, void *arg);
/* done isn't called any more; the thread ends by itself. Takes NULL. */
struct resolve *resolve_cancel(struct resolve *r);

#endif
