/*
 * A loop with one pg_conn that counts what it is told, for test_pg*.c. Waiting is a turn of the loop at a time, with a
 * limit; nothing sleeps.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef TESTS_PG_FIXTURE_H
#define TESTS_PG_FIXTURE_H

#include "pg/pg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define GIVE_UP_US (60 * US_PER_S)

struct fixture {
	struct loop *loop;
	struct pg_conn *conn;
	struct pg_sync *sync; /* another session, to interfere */
	struct arena *arena;
	struct deadline give_up;
	int ups, downs, notifies, listening_calls;
	bool listening, gave_up;
	bool free_on_up, free_on_down, free_on_notify;
	struct pg_error why;
	char payload[128];
	char trace[256]; /* a letter per event */
};

struct answer {
	struct fixture *f;
	int calls, rows_calls;
	bool failed;
	struct pg_error error;
	int64_t value; /* first column of the last row seen */
	char letter;
	bool free_in_rows, free_in_done, again;
};

static inline void trace(struct fixture *f, char letter)
{
	size_t n = strlen(f->trace);

	if (n + 1 < sizeof(f->trace))
		f->trace[n] = letter;
}

static inline void fixture_on_up(void *arg)
{
	struct fixture *f = arg;

	f->ups++;
	trace(f, 'U');
	if (f->free_on_up)
		f->conn = pg_conn_free(f->conn);
}

static inline void fixture_on_down(void *arg, const struct pg_error *why)
{
	struct fixture *f = arg;

	f->downs++;
	f->why = *why;
	trace(f, 'D');
	if (f->free_on_down)
		f->conn = pg_conn_free(f->conn);
}

static inline void fixture_on_notify(void *arg, const char *payload)
{
	struct fixture *f = arg;

	f->notifies++;
	snprintf(f->payload, sizeof(f->payload), "%s", payload);
	trace(f, 'N');
	if (f->free_on_notify)
		f->conn = pg_conn_free(f->conn);
}

static inline void fixture_on_listening(void *arg, bool works)
{
	struct fixture *f = arg;

	f->listening_calls++;
	f->listening = works;
}

static inline void fixture_on_give_up(struct deadline *d)
{
	container_of(d, struct fixture, give_up)->gave_up = true;
}

#define WAIT_FOR(f, condition)                                          \
	do {                                                            \
		deadline_arm(&(f)->give_up, GIVE_UP_US);                \
		while (!(condition)) {                                  \
			if ((f)->gave_up)                               \
				fail_msg("never came: %s", #condition); \
			ev_run(loop_ev((f)->loop), EVRUN_ONCE);         \
		}                                                       \
		deadline_disarm(&(f)->give_up);                         \
	} while (0)

static inline int fixture_setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct pg_error error;

	*state = f;
	f->loop = loop_new();
	f->arena = arena_new(0);
	deadline_init(&f->give_up, f->loop, "give up", fixture_on_give_up);
	if (pg_sync_open("", &f->sync, &error) < 0) {
		fprintf(stderr, "%s\n", error.message);
		return -1;
	}
	return 0;
}

static inline int fixture_teardown(void **state)
{
	struct fixture *f = *state;

	deadline_disarm(&f->give_up);
	pg_conn_free(f->conn);
	pg_sync_close(f->sync);
	loop_free(f->loop);
	arena_free(f->arena);
	free(f);
	return 0;
}

static inline void fixture_open(struct fixture *f, struct pg_conn_options o)
{
	o.label = "test";
	o.on_up = fixture_on_up;
	o.on_down = fixture_on_down;
	o.on_notify = fixture_on_notify;
	o.arg = f;
	f->conn = pg_conn_new(f->loop, &o);
}

static inline void fixture_up(struct fixture *f, struct pg_conn_options o)
{
	fixture_open(f, o);
	WAIT_FOR(f, f->ups);
}

static inline void answer_on_rows(void *arg, const struct pg_rows *rows)
{
	struct answer *a = arg;

	a->rows_calls++;
	if (pg_count(rows) > 0 && !pg_is_null(rows, 0, 0))
		a->value = pg_get_int8(rows, pg_count(rows) - 1, 0);
	if (a->free_in_rows)
		a->f->conn = pg_conn_free(a->f->conn);
}

static inline void answer_on_done(void *arg, const struct pg_error *error)
{
	struct answer *a = arg;

	a->calls++;
	a->failed = error != NULL;
	if (error)
		a->error = *error;
	if (a->letter)
		trace(a->f, a->letter);
	if (a->free_in_done)
		a->f->conn = pg_conn_free(a->f->conn);
}

/* A statement made on the spot; its text lives in the arena, so it is prepared as a new one each time. */
static inline const struct pg_stmt *sql(struct fixture *f, const char *text)
{
	struct pg_stmt *stmt = arena_new_obj(f->arena, struct pg_stmt);

	stmt->name = "test";
	stmt->sql = text;
	return stmt;
}

/* One batch of statements without parameters; NULL ends them. */
static inline void send_stmts(struct fixture *f, struct answer *a, const struct pg_stmt *const *stmts)
{
	struct pg_batch *b = pg_batch_new(f->conn);

	a->f = f;
	for (; *stmts; stmts++)
		pg_batch_add(b, *stmts, NULL, answer_on_rows, a);
	pg_batch_send(b, 0, answer_on_done, a);
}

#define SEND(f, a, ...) send_stmts((f), (a), (const struct pg_stmt *const[]){__VA_ARGS__, NULL})

static inline void run_sync(struct fixture *f, const char *text)
{
	struct pg_error error;

	if (pg_sync_script(f->sync, text, &error) < 0)
		fail_msg("%s: %s", text, error.message);
}

#endif
