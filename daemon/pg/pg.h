/*
 * PostgreSQL without blocking: a connection that keeps itself up, pipelined batches, typed rows.
 *
 *   pg_conn   connect → LISTEN (optional) → up → (lost → back-off → connect)…  for ever
 *   pg_batch  statements queued together, sent in one go up to a pipeline sync, answered once
 *
 * Statements are prepared on first use per connection (or sent unnamed with `pg_conn_options.unprepared`,
 * for PgBouncer in transaction mode). Parameters and results are binary. The only home of libpq.
 * Nothing here blocks; host names are resolved in a resolver thread (libpq would block).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PG_PG_H
#define PG_PG_H

#include "base/buf.h"
#include "base/clock.h"
#include "base/arena.h"
#include "base/uuid.h"
#include "loop/loop.h"

/* ---- statements and parameters ---- */

enum pg_type { /* type OIDs, pg_type.dat */
	       PG_BOOL = 16,
	       PG_INT8 = 20,
	       PG_INT2 = 21,
	       PG_INT4 = 23,
	       PG_TEXT = 25,
	       PG_TID = 27,
	       PG_XID = 28,
	       PG_FLOAT8 = 701,
	       PG_TIMESTAMPTZ = 1184,
	       PG_UUID = 2950,
	       PG_JSONB = 3802,
	       PG_BOOL_ARRAY = 1000,
	       PG_INT2_ARRAY = 1005,
	       PG_INT4_ARRAY = 1007,
	       PG_INT8_ARRAY = 1016,
	       PG_TEXT_ARRAY = 1009,
	       PG_TID_ARRAY = 1010,
	       PG_FLOAT8_ARRAY = 1022,
	       PG_TIMESTAMPTZ_ARRAY = 1185,
	       PG_UUID_ARRAY = 2951,
	       PG_JSONB_ARRAY = 3807,
};

#define PG_PARAMS_MAX 40

/* One statement, static const in an x_store.c. */
struct pg_stmt {
	const char *name; /* unique: "intake_claim" */
	const char *sql;
	int n_params;
	enum pg_type params[PG_PARAMS_MAX];
};

/* Parameter values, built in the order of the statement. Values are copied into the arena and valid as long as it is. */
struct pg_params {
	struct arena *arena;
	int n;
	const char *values[PG_PARAMS_MAX];
	int lengths[PG_PARAMS_MAX];
	enum pg_type types[PG_PARAMS_MAX];
};
void pg_params_init(struct pg_params *p, struct arena *a);
void pg_add_null(struct pg_params *p, enum pg_type type);
void pg_add_bool(struct pg_params *p, bool v);
void pg_add_int4(struct pg_params *p, int32_t v);
void pg_add_int8(struct pg_params *p, int64_t v);
void pg_add_float8(struct pg_params *p, double v);
void pg_add_text(struct pg_params *p, const char *v); /* NULL: null */
void pg_add_text_n(struct pg_params *p, const char *v, size_t n);
void pg_add_time(struct pg_params *p, struct wall_time v); /* WALL_NONE: null */
void pg_add_uuid(struct pg_params *p, const struct uuid *v);
void pg_add_jsonb(struct pg_params *p, const char *v);

/* An array parameter: begin with the element type, add elements of it, then pg_add_array() once. Grows in the arena. */
struct pg_array {
	struct arena *arena;
	enum pg_type element;
	char *p;
	size_t n, room;
	int32_t count;
	bool has_null;
};
void pg_array_init(struct pg_array *a, struct arena *arena, enum pg_type element);
/* Of so many elements, of so many bytes altogether: large texts needn't be copied as the array grows. */
void pg_array_expect(struct pg_array *a, int n, size_t bytes);
void pg_array_null(struct pg_array *a);
void pg_array_bool(struct pg_array *a, bool v);
void pg_array_int4(struct pg_array *a, int32_t v);
void pg_array_int8(struct pg_array *a, int64_t v);
void pg_array_float8(struct pg_array *a, double v);
void pg_array_text(struct pg_array *a, const char *v); /* NULL: null element; also for jsonb */
void pg_array_text_n(struct pg_array *a, const char *v, size_t n);
void pg_array_time(struct pg_array *a, struct wall_time v);
void pg_array_uuid(struct pg_array *a, const struct uuid *v);
void pg_array_tid(struct pg_array *a, uint64_t v); /* of pg_get_tid() */
void pg_add_array(struct pg_params *p, struct pg_array *a);

/* ---- results ---- */

/* Rows of one statement; valid inside the callback that gets them (async) or until pg_rows_free() (sync). */
struct pg_rows;
int pg_count(const struct pg_rows *r);
/* What they take in memory. */
size_t pg_bytes(const struct pg_rows *r);
/* Rows touched by a statement that returns none. */
int64_t pg_affected(const struct pg_rows *r);
bool pg_is_null(const struct pg_rows *r, int row, int column);
/*
 * Each asserts the column's type; a null is 0, false, NULL or WALL_NONE. Types that aren't here (numeric, float4, date, interval,
 * xid …) come in a binary form of their own: cast them in the SQL.
 */
bool pg_get_bool(const struct pg_rows *r, int row, int column);
int32_t pg_get_int4(const struct pg_rows *r, int row, int column); /* int2 and int4 */
int32_t pg_get_int4_or(const struct pg_rows *r, int row, int column, int32_t null);
int64_t pg_get_int8(const struct pg_rows *r, int row, int column); /* int2, int4, int8 */
double pg_get_float8(const struct pg_rows *r, int row, int column);
/* text, varchar, name, json, jsonb, enums: NUL-terminated, owned by the rows. ret_n may be NULL. */
const char *pg_get_text(const struct pg_rows *r, int row, int column, size_t *ret_n);
/* timestamptz; infinity is INT64_MAX, -infinity INT64_MIN + 1. */
struct wall_time pg_get_time(const struct pg_rows *r, int row, int column);
struct uuid pg_get_uuid(const struct pg_rows *r, int row, int column);
/* A row's place (ctid): valid while the row is locked. */
uint64_t pg_get_tid(const struct pg_rows *r, int row, int column);
uint32_t pg_get_xid(const struct pg_rows *r, int row, int column);
/* Elements of an array column, copied into the arena; returns their number. A null element is 0 or NULL. */
int pg_get_int8_array(const struct pg_rows *r, int row, int column, struct arena *a, const int64_t **ret);
int pg_get_text_array(const struct pg_rows *r, int row, int column, struct arena *a, const char *const **ret);

struct pg_error {
	char sqlstate[6];   /* "" when the connection was lost without a word from the server */
	char message[300];  /* primary message only: DETAIL quotes rows and never reaches a log */
	char hint[160];     /* of our own refusals (CL…) only: what is possible instead */
	char statement[64]; /* name of the one that failed */
	bool lost;          /* the connection is gone: what a COMMIT did is unknown */
};
/* 40001, 40P01: the same batch may be tried again. */
bool pg_error_is_conflict(const struct pg_error *e);
/* 25006, 57P01..03, 53xxx, 08xxx and lost: the server is unfit for now; back off, don't blame the rows. */
bool pg_error_is_server(const struct pg_error *e);

/* ---- asynchronous connection ---- */

struct pg_conn;

struct pg_conn_options {
	const char *label;     /* "work", in logs */
	const char *conninfo;  /* libpq; "" takes the environment */
	const char *listen;    /* channel to LISTEN on after each connect, or NULL */
	const char *setup_sql; /* run on each connect before `up`, or NULL */
	bool unprepared;
	bool patient;               /* its answers come after those of others that are there as well */
	int64_t connect_timeout_us; /* 0: 10 s */
	/* All optional; called from the loop. */
	void (*on_up)(void *arg);
	void (*on_down)(void *arg, const struct pg_error *why); /* after batches under way were failed with lost */
	void (*on_notify)(void *arg, const char *payload);
	/*
	 * With `listen`: whether notifications arrive. Through PgBouncer in transaction mode LISTEN answers OK and delivers
	 * nothing, so each time after on_up a second, short-lived connection sends a NOTIFY; not here within 5 s → false.
	 */
	void (*on_listening)(void *arg, bool works);
	void *arg;
};
/*
 * Options are copied. Starts connecting on the next turn; keepalives, tcp_user_timeout and application_name are added unless
 * given, connect_timeout of the conninfo counts when connect_timeout_us is 0. on_down is called only after an on_up;
 * failed attempts are logged and tell pg_conn_trouble(). Any callback may free or reset the connection.
 */
struct pg_conn *pg_conn_new(struct loop *l, const struct pg_conn_options *o);
struct pg_conn *pg_conn_free(struct pg_conn *c); /* batches under way: done is called with lost */
bool pg_conn_is_up(const struct pg_conn *c);
/* Why it isn't up, one line; "" when it is, or before the first attempt failed. */
const char *pg_conn_trouble(const struct pg_conn *c);
/* Drops the connection and connects again with back-off; for a statement that overstayed its deadline. */
void pg_conn_reset(struct pg_conn *c, const char *why);
/* The server answers others again: a back-off that is under way ends within 250 ms. */
void pg_conn_hurry(struct pg_conn *c);
/* From the next turn: done with lost for each batch under way, then on_down. Back-off: 0.5 s doubling to 10 s, full jitter; starts anew after 10 s of being up. */

/*
 * pg_batch: statements queued together. rows callbacks run in order for the statements that succeeded; after the
 * first error the rest is skipped by the server. Then done runs once with the error or NULL. Several batches may be
 * queued on one connection; they run in order. Nothing is called from inside these functions.
 * Outside an explicit BEGIN a batch is one implicit transaction up to its sync.
 */
struct pg_batch;
typedef void pg_rows_fn(void *arg, const struct pg_rows *rows);
typedef void pg_done_fn(void *arg, const struct pg_error *error);
struct pg_batch *pg_batch_new(struct pg_conn *c);
/* For a batch that is not sent after all. */
struct pg_batch *pg_batch_free(struct pg_batch *b);
/* params may be NULL for a statement without any; values must live until done. on_rows may be NULL. */
void pg_batch_add(struct pg_batch *b, const struct pg_stmt *stmt, const struct pg_params *params, pg_rows_fn *on_rows,
		  void *arg);
/*
 * Sends. Frees b. timeout_us: 0 takes 60 s; past it the connection is reset and done gets lost. On a connection that isn't up
 * done gets lost on the next turn. done may be NULL.
 */
void pg_batch_send(struct pg_batch *b, int64_t timeout_us, pg_done_fn *done, void *arg);

/* ---- synchronous connection, for the closeloop command ---- */

struct pg_sync;
/* Return: 0 or -ECONNREFUSED with error filled in. */
int pg_sync_open(const char *conninfo, struct pg_sync **ret, struct pg_error *error);
struct pg_sync *pg_sync_close(struct pg_sync *s);
void pg_sync_closep(struct pg_sync **s);
/* Return: 0 with rows (free them), or -EIO with error. ret_rows may be NULL. Binary results, as above. */
int pg_sync_run(struct pg_sync *s, const struct pg_stmt *stmt, const struct pg_params *params, struct pg_rows **ret_rows,
		struct pg_error *error);
/* A script of several statements (migrations), no parameters, no rows. */
int pg_sync_script(struct pg_sync *s, const char *sql, struct pg_error *error);
/* Rows of a large answer one at a time (single-row mode): fn returns non-zero to stop, which is returned. Row 0 is the row. */
int pg_sync_stream(struct pg_sync *s, const struct pg_stmt *stmt, const struct pg_params *params,
		   int (*fn)(void *arg, const struct pg_rows *row), void *arg, struct pg_error *error);
/* One field of a row in the binary format: NUL-terminated, valid during the call; p NULL: null. */
struct pg_field {
	char *p;
	int32_t n;
};
#define PG_FIELDS_MAX 100
int64_t pg_field_int8(const struct pg_field *f);
int pg_field_int2(const struct pg_field *f);
bool pg_field_bool(const struct pg_field *f);
struct wall_time pg_field_time(const struct pg_field *f); /* null: WALL_NONE */
/* jsonb as text, behind its version byte. */
const char *pg_field_json(const struct pg_field *f, size_t *ret_n);

/*
 * pg_sync_copy() - COPY (SELECT …) TO STDOUT (FORMAT binary): millions of rows, one in memory at a time
 * @on_row, @on_turn: return non-zero to stop, which ends the statement and is returned. on_turn is called every few hundred rows
 * and ten times a second while nothing comes: for progress, and to look whether somebody wants to stop. COPY takes no parameters:
 * whatever stands in the SQL must have been made by us.
 * Return: 0, what a callback said, or a negative errno with error.
 */
struct pg_copy {
	const char *name; /* of the statement, in errors */
	const char *sql;
	int (*on_row)(void *arg, struct pg_field *fields, int n);
	int (*on_turn)(void *arg);
	void *arg;
};
int pg_sync_copy(struct pg_sync *s, const struct pg_copy *copy, struct pg_error *error);

struct pg_rows *pg_rows_free(struct pg_rows *r);
void pg_rows_freep(struct pg_rows **r);

/* "password=" in a conninfo, or an unreadable one: a text for the person, or NULL when it is fine. Static or in arena. */
const char *pg_conninfo_check(const char *conninfo, struct arena *a);

#endif
