/*
 * The connection object, shared by conn.c (states), batch.c (statements) and probe.c (does LISTEN work).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PG_CONN_H
#define PG_CONN_H

#include "pg/private.h"

enum conn_state {
	CONN_WAITING,    /* for the back-off to end */
	CONN_RESOLVING,  /* names being looked up in a thread */
	CONN_CONNECTING, /* PQconnectPoll() */
	CONN_SETUP,      /* setup_sql and LISTEN under way */
	CONN_UP,         /* pipeline mode */
	CONN_DROPPING,   /* given up, until the next turn */
};

/* A statement as prepared on this connection. Names carry a number, so that one lost to an error is just tried anew. */
struct prepared {
	const struct pg_stmt *stmt;
	int confirmed;  /* number the server has, 0: none */
	int asked;      /* latest number asked for */
	uint64_t batch; /* that asked for it */
};

struct entry {
	const struct pg_stmt *stmt;
	const struct pg_params *params;
	pg_rows_fn *on_rows;
	void *arg;
	int preparing; /* number of the PREPARE sent ahead of it, 0: none */
};
#define BATCH_FEW 8

struct pg_batch {
	struct list link; /* conn->batches, or conn->stillborn */
	struct pg_conn *conn;
	struct deadline overdue;
	uint64_t serial;
	pg_done_fn *done;
	void *arg;
	struct pg_error error;
	bool failed;
	bool prepared; /* the answer to the PREPARE of entry `at` is in */
	int at;        /* entry whose answer comes next */
	int n, room;
	struct entry *entries;
	struct entry few[BATCH_FEW];
};

struct probe {
	struct pg_conn *listener, *sender; /* sender is NULL once it has sent */
	struct deadline overdue;
	struct arena *arena;
	struct pg_params params;
	const char *payload;
};

struct pg_conn {
	struct loop *loop;
	struct pg_conn_options o;
	enum conn_state state;
	PGconn *pg;
	ev_io io;
	int watched;              /* events, 0: none */
	struct deadline deadline; /* of the state */
	struct conninfo *info;    /* while resolving */
	struct resolve *resolve;
	int attempts; /* since it was last up for long */
	struct mono_time up_since;
	struct endpoint stuck; /* where the last attempt timed out; the next begins behind it */
	char stuck_text[2][64];
	struct pg_error trouble;
	struct pg_error farewell; /* what the server said when it ended this connection */
	bool read_only;           /* it refused a statement with 25006: this session is of no use */
	bool setup_failed;

	struct list batches;   /* sent, in order */
	struct list stillborn; /* to be failed on the next turn */
	struct list burying;   /* being failed */
	struct deadline bury;
	uint64_t serial;
	struct prepared *prepared;
	int n_prepared, room_prepared;
	int last_number;     /* of a prepared statement */
	struct probe *probe; /* NULL: nothing to find out */

	int depth; /* callbacks under way */
	bool freed;
};

/* ---- conn.c ---- */
/* Around anything that calls back: the object stays until the last release. */
void conn_hold(struct pg_conn *c);
void conn_release(struct pg_conn *c);
void conn_flush(struct pg_conn *c);
/* Remembers an error that ends the connection; others it passes over. */
void conn_note_farewell(struct pg_conn *c, const PGresult *result);
/* Fails what is under way from the next turn on, then connects again. */
void conn_drop(struct pg_conn *c, const struct pg_error *why);

/* ---- batch.c ---- */
/* Takes results of PQgetResult(); false when it makes no sense. May call back. */
bool batch_take(struct pg_conn *c, PGresult *result);
/* Everything sent becomes stillborn, with this error. */
void batches_fail(struct pg_conn *c, const struct pg_error *why);
/* Calls done of all stillborn. */
void batches_bury(struct pg_conn *c);

/* ---- probe.c ---- */
void probe_start(struct pg_conn *c);
void probe_cancel(struct pg_conn *c);
/* True when the payload is a probe's, ours or another daemon's. May call back. */
bool probe_takes(struct pg_conn *c, const char *payload);

#endif
