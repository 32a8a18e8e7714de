/*
 * COPY … TO STDOUT: large answers, row by row, in the binary format of PostgreSQL's COPY; see pg.h.
 *
 * One row is in memory at a time, and nothing of it is copied: the fields of the row that libpq hands over are ended with a NUL where
 * they lie, over the length of the next one, which was read before. Waiting is done here, so that whoever reads is asked
 * regularly whether to go on, also while the server is still sorting.
 *
 *     "PGCOPY\n\377\r\n\0" · flags · extension · rows (int16 n, n times: int32 length, bytes) · int16 -1
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#define TURN_MS 100
#define ROWS_A_TURN 512

static const char signature[] = "PGCOPY\n\377\r\n"; /* its NUL belongs to it */

struct copying {
	struct pg_sync *s;
	const struct pg_copy *copy;
	struct pg_field fields[PG_FIELDS_MAX];
	bool begun; /* the header is read */
	int rows;   /* since the last turn */
};

static uint32_t load32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static int bad_row(struct pg_error *error)
{
	pg_error_set_lost(error, "the server's answer to COPY can't be read");
	return -EIO;
}

/* Behind the header, or NULL. */
static char *skip_header(char *p, char *end)
{
	uint32_t extension;

	if (end - p < (ptrdiff_t)sizeof(signature) + 8 || memcmp(p, signature, sizeof(signature)) != 0)
		return NULL;
	extension = load32(p + sizeof(signature) + 4);
	p += sizeof(signature) + 8;
	return extension > (uint32_t)(end - p) ? NULL : p + extension;
}

/* One row into fields; -1: the trailer; -2: it makes no sense. */
static int read_fields(struct copying *c, char *p, char *end)
{
	int n;

	if (end - p < 2)
		return -2;
	n = (int16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
	p += 2;
	if (n < 0)
		return -1;
	if (n > PG_FIELDS_MAX)
		return -2;
	for (int i = 0; i < n; i++) {
		int32_t length;

		if (end - p < 4)
			return -2;
		length = (int32_t)load32(p);
		p += 4;
		if (length > end - p)
			return -2;
		c->fields[i] = (struct pg_field){length < 0 ? NULL : p, MAX(length, 0)};
		p += MAX(length, 0);
	}
	/* The last one is ended by libpq. */
	for (int i = 0; i < n; i++)
		if (c->fields[i].p)
			c->fields[i].p[c->fields[i].n] = '\0';
	return n;
}

static int take_row(struct copying *c, char *row, int bytes, struct pg_error *error)
{
	char *p = row, *end = row + bytes;
	int n;

	if (!c->begun) {
		p = skip_header(p, end);
		if (!p)
			return bad_row(error);
		c->begun = true;
		if (p == end)
			return 0;
	}
	n = read_fields(c, p, end);
	if (n == -2)
		return bad_row(error);
	return n < 0 ? 0 : c->copy->on_row(c->copy->arg, c->fields, n);
}

/* Until something has come, or a turn is over. */
static int wait_turn(struct copying *c, struct pg_error *error)
{
	struct pollfd fd = {.fd = PQsocket(c->s->pg), .events = POLLIN};
	int r = poll(&fd, 1, TURN_MS);

	if ((r < 0 && errno != EINTR) || (r > 0 && !PQconsumeInput(c->s->pg))) {
		pg_error_from_conn(error, c->s->pg);
		return -EIO;
	}
	return r <= 0 ? c->copy->on_turn(c->copy->arg) : 0;
}

/* 0 at the end of the data; what on_row or on_turn said; or a negative errno. */
static int read_rows(struct copying *c, struct pg_error *error)
{
	char *row = NULL;
	int r, bytes;

	for (;;) {
		bytes = PQgetCopyData(c->s->pg, &row, 1);
		if (bytes < 0)
			return 0; /* PQgetResult() says which end it is */
		if (bytes == 0) {
			r = wait_turn(c, error);
		} else {
			r = take_row(c, row, bytes, error);
			PQfreemem(row);
			row = NULL;
			if (r == 0 && ++c->rows == ROWS_A_TURN) {
				c->rows = 0;
				r = c->copy->on_turn(c->copy->arg);
			}
		}
		if (r)
			return r;
	}
}

/* Ends the statement: reads what is left of it, after a cancel when it was stopped. */
static int finish(struct pg_sync *s, const struct pg_copy *copy, bool stopped, struct pg_error *error)
{
	PGresult *result;
	char *row = NULL;
	int r = 0;

	if (stopped)
		pg_sync_cancel(s);
	while (PQgetCopyData(s->pg, &row, 0) > 0)
		PQfreemem(row);
	while ((result = PQgetResult(s->pg))) {
		if (PQresultStatus(result) == PGRES_COPY_OUT) /* it was stopped before its first row */
			while (PQgetCopyData(s->pg, &row, 0) > 0)
				PQfreemem(row);
		if (!stopped && r == 0)
			r = pg_sync_judge(s, result, copy->name, error);
		PQclear(result);
	}
	return r;
}

/* Sends it; 0 when rows will come. A statement that waits for a lock may be given up too. */
static int start(struct copying *c, struct pg_error *error)
{
	PGresult *result;
	int r = 0;

	if (!PQsendQuery(c->s->pg, c->copy->sql)) {
		pg_error_from_conn(error, c->s->pg);
		return -EIO;
	}
	while (r == 0 && PQisBusy(c->s->pg))
		r = wait_turn(c, error);
	if (r)
		return r;
	result = PQgetResult(c->s->pg);
	if (!result || PQresultStatus(result) != PGRES_COPY_OUT) {
		r = pg_sync_judge(c->s, result, c->copy->name, error);
		assert(r < 0); /* anything but COPY … TO STDOUT is a bug */
	}
	PQclear(result);
	return r;
}

int pg_sync_copy(struct pg_sync *s, const struct pg_copy *copy, struct pg_error *error)
{
	struct copying c = {.s = s, .copy = copy};
	int r = start(&c, error), end;

	if (r == 0)
		r = read_rows(&c, error);
	end = finish(s, copy, r != 0, error);
	return r ? r : end;
}
