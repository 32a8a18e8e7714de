/*
 * Typed access to binary results; see pg.h. A wrong type is a bug in a statement, so it is asserted, never guessed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#define EPOCH_2000_US INT64_C(946684800000000)
#define JSONB_VERSION 1
#define FIRST_USER_OID 16384 /* FirstNormalObjectId: enums and other types made by CREATE TYPE */

/* pg_type.dat */
enum {
	OID_CHAR = 18,
	OID_NAME = 19,
	OID_JSON = 114,
	OID_BPCHAR = 1042,
	OID_VARCHAR = 1043,
	OID_NAME_ARRAY = 1003,
	OID_VARCHAR_ARRAY = 1015,
};

static uint32_t load32(const char *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return be32toh(v);
}

static uint64_t load64(const char *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return be64toh(v);
}

static uint16_t load16(const char *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return be16toh(v);
}

int pg_count(const struct pg_rows *r)
{
	return PQntuples(r->result);
}

size_t pg_bytes(const struct pg_rows *r)
{
	return PQresultMemorySize(r->result);
}

int64_t pg_affected(const struct pg_rows *r)
{
	return strtoll(PQcmdTuples(r->result), NULL, 10);
}

bool pg_is_null(const struct pg_rows *r, int row, int column)
{
	assert(row >= 0 && row < PQntuples(r->result));
	assert(column >= 0 && column < PQnfields(r->result));
	return PQgetisnull(r->result, row, column);
}

/* The value, or NULL for a null. A claim has 27,000 of them. */
static const char *value_of(const struct pg_rows *r, int row, int column)
{
	assert(row > 0 || column < PQnfields(r->result));
	return PQgetisnull(r->result, row, column) ? NULL : PQgetvalue(r->result, row, column);
}

/* Types are the statement's: the first row speaks for all. */
static bool type_is(const struct pg_rows *r, int row, int column, Oid type)
{
	return row > 0 || PQftype(r->result, column) == type;
}

bool pg_get_bool(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);

	assert(type_is(r, row, column, PG_BOOL));
	return v && *v;
}

/* By its length: 2, 4 or 8 bytes. */
static int64_t load_int(const char *v, int n)
{
	switch (n) {
	case 2: return (int16_t)load16(v);
	case 4: return (int32_t)load32(v);
	case 8: return (int64_t)load64(v);
	default: break;
	}
	assert(!"an integer column");
	__builtin_unreachable();
}

int32_t pg_get_int4_or(const struct pg_rows *r, int row, int column, int32_t null)
{
	const char *v = value_of(r, row, column);

	assert(type_is(r, row, column, PG_INT4) || type_is(r, row, column, PG_INT2));
	return v ? (int32_t)load_int(v, PQgetlength(r->result, row, column)) : null;
}

int32_t pg_get_int4(const struct pg_rows *r, int row, int column)
{
	return pg_get_int4_or(r, row, column, 0);
}

int64_t pg_get_int8(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);

	assert(type_is(r, row, column, PG_INT8) || type_is(r, row, column, PG_INT4) || type_is(r, row, column, PG_INT2));
	return v ? load_int(v, PQgetlength(r->result, row, column)) : 0;
}

double pg_get_float8(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);
	uint64_t bits;
	double d;

	assert(type_is(r, row, column, PG_FLOAT8));
	if (!v)
		return 0;
	bits = load64(v);
	memcpy(&d, &bits, sizeof(d));
	return d;
}

static bool is_text(Oid type)
{
	switch (type) {
	case PG_TEXT:
	case PG_JSONB:
	case OID_CHAR:
	case OID_NAME:
	case OID_JSON:
	case OID_BPCHAR:
	case OID_VARCHAR: return true;
	default: return type >= FIRST_USER_OID;
	}
}

const char *pg_get_text(const struct pg_rows *r, int row, int column, size_t *ret_n)
{
	const char *v = value_of(r, row, column);
	int skip;

	assert(row > 0 || is_text(PQftype(r->result, column)));
	if (ret_n)
		*ret_n = 0;
	if (!v)
		return NULL;
	skip = *v == JSONB_VERSION && PQftype(r->result, column) == PG_JSONB ? 1 : 0; /* jsonb_send: it comes first */
	if (ret_n)
		*ret_n = (size_t)(PQgetlength(r->result, row, column) - skip);
	return v + skip;
}

/* Microseconds since 2000; the ends of the scale are infinite. */
static struct wall_time time_of_bits(int64_t us)
{
	if (us == INT64_MIN)
		return (struct wall_time){INT64_MIN + 1};
	return (struct wall_time){us > INT64_MAX - EPOCH_2000_US ? INT64_MAX : us + EPOCH_2000_US};
}

struct wall_time pg_get_time(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);

	assert(type_is(r, row, column, PG_TIMESTAMPTZ));
	return v ? time_of_bits((int64_t)load64(v)) : WALL_NONE;
}

struct uuid pg_get_uuid(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);
	struct uuid u = {0};

	assert(type_is(r, row, column, PG_UUID));
	if (v)
		memcpy(u.b, v, sizeof(u.b));
	return u;
}

/* uint32 block, uint16 item */
uint64_t pg_get_tid(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);

	assert(type_is(r, row, column, PG_TID));
	return v ? (uint64_t)load32(v) << 16 | load16(v + 4) : 0;
}

uint32_t pg_get_xid(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);

	assert(type_is(r, row, column, PG_XID));
	return v ? load32(v) : 0;
}

/* ---- fields of COPY: by length, since it doesn't name types ---- */

int64_t pg_field_int8(const struct pg_field *f)
{
	assert(!f->p || f->n == 8);
	return f->p ? (int64_t)load64(f->p) : 0;
}

int pg_field_int2(const struct pg_field *f)
{
	assert(!f->p || f->n == 2);
	return f->p ? (int16_t)load16(f->p) : 0;
}

bool pg_field_bool(const struct pg_field *f)
{
	assert(!f->p || f->n == 1);
	return f->p && *f->p;
}

struct wall_time pg_field_time(const struct pg_field *f)
{
	return f->p ? time_of_bits((int64_t)load64(f->p)) : WALL_NONE;
}

const char *pg_field_json(const struct pg_field *f, size_t *ret_n)
{
	*ret_n = f->n > 0 ? (size_t)f->n - 1 : 0;
	return f->n > 0 ? f->p + 1 : NULL;
}

/* ---- arrays: int32 dimensions, int32 flags, oid; per dimension int32 length, int32 lower bound; elements ---- */

struct array_reader {
	const char *at, *end;
	Oid element;
	int count;
};

static struct array_reader array_open(const struct pg_rows *r, int row, int column)
{
	const char *v = value_of(r, row, column);
	struct array_reader reader = {0};
	int64_t count = 1;
	int dimensions;

	if (!v)
		return reader;
	reader.end = v + PQgetlength(r->result, row, column);
	assert(reader.end - v >= 12);
	dimensions = (int)load32(v);
	reader.element = load32(v + 8);
	assert(dimensions >= 0 && dimensions <= 6);
	reader.at = v + 12;
	for (int i = 0; i < dimensions; i++, reader.at += 8) {
		assert(reader.end - reader.at >= 8);
		count *= load32(reader.at);
		assert(count <= reader.end - v);
	}
	reader.count = dimensions ? (int)count : 0;
	return reader;
}

/* The next element, or NULL for a null. */
static const char *array_next(struct array_reader *reader, size_t *ret_n)
{
	uint32_t n;
	const char *v;

	assert(reader->end - reader->at >= 4);
	n = load32(reader->at);
	v = reader->at += 4;
	if (n == UINT32_MAX)
		return NULL;
	assert((size_t)(reader->end - v) >= n);
	reader->at += n;
	*ret_n = n;
	return v;
}

int pg_get_int8_array(const struct pg_rows *r, int row, int column, struct arena *a, const int64_t **ret)
{
	struct array_reader reader = array_open(r, row, column);
	Oid type = PQftype(r->result, column);
	int64_t *items = arena_new_array(a, int64_t, (size_t)reader.count);
	size_t n;

	assert(type == PG_INT2_ARRAY || type == PG_INT4_ARRAY || type == PG_INT8_ARRAY);
	for (int i = 0; i < reader.count; i++) {
		const char *v = array_next(&reader, &n);

		items[i] = v ? load_int(v, (int)n) : 0;
	}
	*ret = items;
	return reader.count;
}

int pg_get_text_array(const struct pg_rows *r, int row, int column, struct arena *a, const char *const **ret)
{
	struct array_reader reader = array_open(r, row, column);
	Oid type = PQftype(r->result, column);
	const char **items = arena_new_array(a, const char *, (size_t)reader.count);
	size_t n;

	assert(type == PG_TEXT_ARRAY || type == PG_JSONB_ARRAY || type == OID_NAME_ARRAY || type == OID_VARCHAR_ARRAY ||
	       type >= FIRST_USER_OID);
	for (int i = 0; i < reader.count; i++) {
		const char *v = array_next(&reader, &n);
		size_t skip = reader.element == PG_JSONB ? 1 : 0;

		items[i] = v ? arena_strndup(a, v + skip, n - skip) : NULL;
	}
	*ret = items;
	return reader.count;
}

struct pg_rows *pg_rows_free(struct pg_rows *r)
{
	if (r) {
		PQclear(r->result);
		free(r);
	}
	return NULL;
}

void pg_rows_freep(struct pg_rows **r)
{
	*r = pg_rows_free(*r);
}
