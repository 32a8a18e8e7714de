/*
 * Batches: statements into libpq's pipeline, answers out of it.
 *
 * Statements are prepared right ahead of their first use, in the same go. A PREPARE behind a failing statement is
 * skipped by the server, so a name counts only once confirmed, and until then every batch asks for a fresh one: nothing
 * depends on the fate of an earlier batch.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/conn.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_TIMEOUT_US (60 * US_PER_S)
#define STATEMENT_NAME_BYTES 80

struct pg_batch *pg_batch_new(struct pg_conn *c)
{
	struct pg_batch *b = xmalloc(sizeof(*b));

	memset(b, 0, offsetof(struct pg_batch, few));
	list_init(&b->link);
	b->conn = c;
	b->entries = b->few;
	b->room = BATCH_FEW;
	return b;
}

struct pg_batch *pg_batch_free(struct pg_batch *b)
{
	if (b) {
		if (b->entries != b->few)
			free(b->entries);
		free(b);
	}
	return NULL;
}

void pg_batch_add(struct pg_batch *b, const struct pg_stmt *stmt, const struct pg_params *params, pg_rows_fn *on_rows,
		  void *arg)
{
	if (b->n == b->room) {
		struct entry *entries = xmalloc(sizeof(*entries) * (size_t)b->room * 2);

		memcpy(entries, b->entries, sizeof(*entries) * (size_t)b->n);
		if (b->entries != b->few)
			free(b->entries);
		b->entries = entries;
		b->room *= 2;
	}
	b->entries[b->n++] = (struct entry){.stmt = stmt, .params = params, .on_rows = on_rows, .arg = arg};
}

/* ---- sending ---- */

static struct prepared *prepared_of(struct pg_conn *c, const struct pg_stmt *stmt)
{
	for (int i = 0; i < c->n_prepared; i++)
		if (c->prepared[i].stmt == stmt)
			return &c->prepared[i];
	if (c->n_prepared == c->room_prepared) {
		c->room_prepared = c->room_prepared ? c->room_prepared * 2 : 32;
		c->prepared = xrealloc(c->prepared, sizeof(*c->prepared) * (size_t)c->room_prepared);
	}
	c->prepared[c->n_prepared] = (struct prepared){.stmt = stmt};
	return &c->prepared[c->n_prepared++];
}

static bool send_prepared(struct pg_batch *b, struct entry *e, const Oid *types)
{
	const struct pg_params *p = e->params;
	struct pg_conn *c = b->conn;
	struct prepared *known = prepared_of(c, e->stmt);
	char name[STATEMENT_NAME_BYTES];
	int number = known->confirmed;

	if (!number && known->batch == b->serial)
		number = known->asked;
	if (!number) {
		number = e->preparing = known->asked = ++c->last_number;
		known->batch = b->serial;
	}
	snprintf(name, sizeof(name), "%s_%d", e->stmt->name, number);
	if (e->preparing && !PQsendPrepare(c->pg, name, e->stmt->sql, e->stmt->n_params, types))
		return false;
	return PQsendQueryPrepared(c->pg, name, e->stmt->n_params, p ? p->values : NULL, p ? p->lengths : NULL, pg_all_binary,
				   1);
}

static bool send_unprepared(struct pg_batch *b, struct entry *e, const Oid *types)
{
	const struct pg_params *p = e->params;

	return PQsendQueryParams(b->conn->pg, e->stmt->sql, e->stmt->n_params, types, p ? p->values : NULL,
				 p ? p->lengths : NULL, pg_all_binary, 1);
}

static bool batch_write(struct pg_batch *b)
{
	Oid types[PG_PARAMS_MAX];

	for (int i = 0; i < b->n; i++) {
		struct entry *e = &b->entries[i];

		pg_params_check(e->stmt, e->params, types);
		if (!(b->conn->o.unprepared ? send_unprepared : send_prepared)(b, e, types))
			return false;
	}
	return PQpipelineSync(b->conn->pg);
}

static void batch_on_overdue(struct deadline *d)
{
	struct pg_batch *b = container_of(d, struct pg_batch, overdue);
	struct pg_error error;

	pg_error_set_lost(&error, "a statement took too long");
	if (b->at < b->n)
		snprintf(error.statement, sizeof(error.statement), "%s", b->entries[b->at].stmt->name);
	conn_drop(b->conn, &error);
}

void pg_batch_send(struct pg_batch *b, int64_t timeout_us, pg_done_fn *done, void *arg)
{
	struct pg_conn *c = b->conn;
	struct pg_error error;

	b->done = done;
	b->arg = arg;
	b->serial = ++c->serial;
	deadline_init(&b->overdue, c->loop, "pg batch", batch_on_overdue);
	if (c->state != CONN_UP) {
		b->failed = true;
		pg_error_set_lost(&b->error, c->trouble.message[0] ? c->trouble.message : "not connected");
		list_append(&c->stillborn, &b->link);
		deadline_arm(&c->bury, 0);
		return;
	}
	list_append(&c->batches, &b->link);
	deadline_arm(&b->overdue, timeout_us ? timeout_us : BATCH_TIMEOUT_US);
	if (batch_write(b)) {
		conn_flush(c);
		return;
	}
	pg_error_from_conn(&error, c->pg);
	conn_drop(c, &error);
}

/* ---- answers ---- */

static void batch_finish(struct pg_batch *b)
{
	list_remove(&b->link);
	deadline_disarm(&b->overdue);
	if (b->done)
		b->done(b->arg, b->failed ? &b->error : NULL);
	pg_batch_free(b);
}

static void batch_note_error(struct pg_batch *b, const struct entry *e, const PGresult *result)
{
	struct pg_conn *c = b->conn;

	conn_note_farewell(c, result);
	if (b->failed)
		return;
	b->failed = true;
	pg_error_from_result(&b->error, result, e->stmt->name);
	c->read_only |= strcmp(b->error.sqlstate, "25006") == 0;
	/* The plan no longer fits its tables, or the name is gone (DISCARD ALL): ask for a new one next time. */
	if (!c->o.unprepared && !e->preparing && (!strcmp(b->error.sqlstate, "0A000") || !strcmp(b->error.sqlstate, "26000")))
		prepared_of(c, e->stmt)->confirmed = 0;
}

static bool batch_take_answer(struct pg_batch *b, PGresult *result)
{
	bool ok = PQresultStatus(result) == PGRES_COMMAND_OK || PQresultStatus(result) == PGRES_TUPLES_OK;
	struct pg_rows rows = {result};
	struct entry *e;

	if (b->at >= b->n)
		return false;
	e = &b->entries[b->at];
	if (PQresultStatus(result) == PGRES_FATAL_ERROR)
		batch_note_error(b, e, result);
	else if (!ok && PQresultStatus(result) != PGRES_PIPELINE_ABORTED)
		return false; /* COPY and its like have no place here */
	if (e->preparing && !b->prepared) {
		b->prepared = true;
		if (ok)
			prepared_of(b->conn, e->stmt)->confirmed = e->preparing;
		return true;
	}
	b->prepared = false;
	b->at++;
	if (ok && e->on_rows)
		e->on_rows(e->arg, &rows);
	return true;
}

bool batch_take(struct pg_conn *c, PGresult *result)
{
	struct pg_batch *b = list_entry(c->batches.next, struct pg_batch, link);

	assert(!list_empty(&c->batches));
	if (PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		return batch_take_answer(b, result);
	if (!b->failed && b->at != b->n)
		return false;
	batch_finish(b);
	return true;
}

/* ---- the end ---- */

void batches_fail(struct pg_conn *c, const struct pg_error *why)
{
	struct list *it;

	while ((it = list_pop(&c->batches))) {
		struct pg_batch *b = list_entry(it, struct pg_batch, link);

		deadline_disarm(&b->overdue);
		if (!b->failed)
			b->error = *why;
		b->failed = true;
		b->error.lost = true;
		list_append(&c->stillborn, &b->link);
	}
}

void batches_bury(struct pg_conn *c)
{
	struct list *it;

	deadline_disarm(&c->bury);
	while ((it = list_pop(&c->stillborn)))
		list_append(&c->burying, it);
	while ((it = list_pop(&c->burying)))
		batch_finish(list_entry(it, struct pg_batch, link));
}
