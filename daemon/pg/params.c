/*
 * Parameter values in PostgreSQL's binary form: big-endian integers, microseconds since 2000, arrays of one dimension.
 *
 * An array is built in place behind room for its 20-byte header (dimensions, flags, element type, length, lower bound),
 * which is filled in at the end; its memory doubles, so n elements cost O(n).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <endian.h>
#include <string.h>

#define EPOCH_2000_US INT64_C(946684800000000)
#define ARRAY_HEADER_BYTES 20
#define ARRAY_EMPTY_HEADER_BYTES 12
#define ARRAY_FIRST_BYTES 512
#define VALUE_BYTES_MAX (1 << 30) /* the server's own limit for a field */

const int pg_all_binary[PG_PARAMS_MAX] = {[0 ... PG_PARAMS_MAX - 1] = 1};

static void store32(char *p, uint32_t v)
{
	v = htobe32(v);
	memcpy(p, &v, sizeof(v));
}

static void store64(char *p, uint64_t v)
{
	v = htobe64(v);
	memcpy(p, &v, sizeof(v));
}

static uint64_t float_bits(double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	return bits;
}

/* The ends of the scale are PostgreSQL's -infinity and infinity. */
static uint64_t time_bits(struct wall_time t)
{
	if (t.us == INT64_MAX)
		return (uint64_t)INT64_MAX;
	if (t.us < INT64_MIN + EPOCH_2000_US)
		return (uint64_t)INT64_MIN;
	return (uint64_t)(t.us - EPOCH_2000_US);
}

void pg_params_init(struct pg_params *p, struct arena *a)
{
	p->arena = a;
	p->n = 0;
}

static void add_value(struct pg_params *p, enum pg_type type, const char *value, size_t n)
{
	assert(p->n < PG_PARAMS_MAX);
	assert(n < VALUE_BYTES_MAX);
	p->values[p->n] = value;
	p->lengths[p->n] = (int)n;
	p->types[p->n] = type;
	p->n++;
}

void pg_add_null(struct pg_params *p, enum pg_type type)
{
	add_value(p, type, NULL, 0);
}

void pg_add_bool(struct pg_params *p, bool v)
{
	add_value(p, PG_BOOL, v ? "\1" : "\0", 1);
}

void pg_add_int4(struct pg_params *p, int32_t v)
{
	char *value = arena_alloc(p->arena, 4);

	store32(value, (uint32_t)v);
	add_value(p, PG_INT4, value, 4);
}

static void add_64(struct pg_params *p, enum pg_type type, uint64_t bits)
{
	char *value = arena_alloc(p->arena, 8);

	store64(value, bits);
	add_value(p, type, value, 8);
}

void pg_add_int8(struct pg_params *p, int64_t v)
{
	add_64(p, PG_INT8, (uint64_t)v);
}

void pg_add_float8(struct pg_params *p, double v)
{
	add_64(p, PG_FLOAT8, float_bits(v));
}

void pg_add_text_n(struct pg_params *p, const char *v, size_t n)
{
	add_value(p, PG_TEXT, arena_strndup(p->arena, v, n), v ? n : 0);
}

void pg_add_text(struct pg_params *p, const char *v)
{
	pg_add_text_n(p, v, v ? strlen(v) : 0);
}

void pg_add_time(struct pg_params *p, struct wall_time v)
{
	if (wall_is_set(v))
		add_64(p, PG_TIMESTAMPTZ, time_bits(v));
	else
		pg_add_null(p, PG_TIMESTAMPTZ);
}

void pg_add_uuid(struct pg_params *p, const struct uuid *v)
{
	add_value(p, PG_UUID, v ? arena_memdup(p->arena, v->b, sizeof(v->b)) : NULL, v ? sizeof(v->b) : 0);
}

/* jsonb_recv: a version byte of 1, then the text. */
void pg_add_jsonb(struct pg_params *p, const char *v)
{
	size_t n = v ? strlen(v) : 0;
	char *value = NULL;

	if (v) {
		value = arena_alloc(p->arena, n + 1);
		value[0] = 1;
		memcpy(value + 1, v, n);
		n++;
	}
	add_value(p, PG_JSONB, value, n);
}

/* ---- arrays ---- */

void pg_array_init(struct pg_array *a, struct arena *arena, enum pg_type element)
{
	*a = (struct pg_array){.arena = arena, .element = element, .n = ARRAY_HEADER_BYTES};
}

static void array_room(struct pg_array *a, size_t room)
{
	char *p = arena_alloc(a->arena, room);

	if (a->p)
		memcpy(p, a->p, a->n);
	a->p = p;
	a->room = room;
}

void pg_array_expect(struct pg_array *a, int n, size_t bytes)
{
	array_room(a, ARRAY_HEADER_BYTES + (size_t)n * 4 + bytes);
}

static char *array_grow(struct pg_array *a, size_t bytes)
{
	char *at;

	if (!a->p || bytes > a->room - a->n) {
		size_t room = MAX(a->room * 2, (size_t)ARRAY_FIRST_BYTES);

		while (room < a->n + bytes)
			room *= 2;
		array_room(a, room);
	}
	at = a->p + a->n;
	a->n += bytes;
	return at;
}

/* Room for one element of n bytes, its length already written. */
static char *array_element(struct pg_array *a, size_t n)
{
	char *p = array_grow(a, 4 + n);

	store32(p, (uint32_t)n);
	a->count++;
	return p + 4;
}

void pg_array_null(struct pg_array *a)
{
	store32(array_grow(a, 4), UINT32_MAX);
	a->count++;
	a->has_null = true;
}

void pg_array_bool(struct pg_array *a, bool v)
{
	assert(a->element == PG_BOOL);
	*array_element(a, 1) = v;
}

void pg_array_int4(struct pg_array *a, int32_t v)
{
	if (a->element == PG_INT2) {
		uint16_t small = htobe16((uint16_t)(int16_t)v);

		assert(v >= INT16_MIN && v <= INT16_MAX);
		memcpy(array_element(a, 2), &small, 2);
		return;
	}
	assert(a->element == PG_INT4);
	store32(array_element(a, 4), (uint32_t)v);
}

void pg_array_int8(struct pg_array *a, int64_t v)
{
	assert(a->element == PG_INT8);
	store64(array_element(a, 8), (uint64_t)v);
}

void pg_array_float8(struct pg_array *a, double v)
{
	assert(a->element == PG_FLOAT8);
	store64(array_element(a, 8), float_bits(v));
}

void pg_array_text_n(struct pg_array *a, const char *v, size_t n)
{
	char *p;

	assert(a->element == PG_TEXT || a->element == PG_JSONB);
	assert(n < VALUE_BYTES_MAX);
	if (!v) {
		pg_array_null(a);
		return;
	}
	if (a->element == PG_JSONB) {
		p = array_element(a, n + 1);
		*p++ = 1;
	} else {
		p = array_element(a, n);
	}
	memcpy(p, v, n);
}

void pg_array_text(struct pg_array *a, const char *v)
{
	pg_array_text_n(a, v, v ? strlen(v) : 0);
}

void pg_array_time(struct pg_array *a, struct wall_time v)
{
	assert(a->element == PG_TIMESTAMPTZ);
	if (wall_is_set(v))
		store64(array_element(a, 8), time_bits(v));
	else
		pg_array_null(a);
}

void pg_array_uuid(struct pg_array *a, const struct uuid *v)
{
	assert(a->element == PG_UUID);
	if (v)
		memcpy(array_element(a, sizeof(v->b)), v->b, sizeof(v->b));
	else
		pg_array_null(a);
}

void pg_array_tid(struct pg_array *a, uint64_t v)
{
	uint16_t item = htobe16((uint16_t)v);
	char *p;

	assert(a->element == PG_TID);
	p = array_element(a, 6);
	store32(p, (uint32_t)(v >> 16));
	memcpy(p + 4, &item, 2);
}

static enum pg_type array_of(enum pg_type element)
{
	switch (element) {
	case PG_BOOL: return PG_BOOL_ARRAY;
	case PG_INT2: return PG_INT2_ARRAY;
	case PG_INT4: return PG_INT4_ARRAY;
	case PG_INT8: return PG_INT8_ARRAY;
	case PG_TEXT: return PG_TEXT_ARRAY;
	case PG_FLOAT8: return PG_FLOAT8_ARRAY;
	case PG_TIMESTAMPTZ: return PG_TIMESTAMPTZ_ARRAY;
	case PG_TID: return PG_TID_ARRAY;
	case PG_UUID: return PG_UUID_ARRAY;
	case PG_JSONB: return PG_JSONB_ARRAY;
	default: break;
	}
	assert(!"an array of arrays");
	__builtin_unreachable();
}

void pg_add_array(struct pg_params *p, struct pg_array *a)
{
	bool some = a->count > 0;

	if (!some)
		array_grow(a, 0);
	store32(a->p, some ? 1 : 0);
	store32(a->p + 4, a->has_null ? 1 : 0);
	store32(a->p + 8, (uint32_t)a->element);
	store32(a->p + 12, (uint32_t)a->count);
	store32(a->p + 16, 1);
	add_value(p, array_of(a->element), a->p, some ? a->n : ARRAY_EMPTY_HEADER_BYTES);
}

void pg_params_check(const struct pg_stmt *stmt, const struct pg_params *p, Oid types[PG_PARAMS_MAX])
{
	assert(stmt->n_params == (p ? p->n : 0));
	for (int i = 0; i < stmt->n_params; i++) {
		assert(stmt->params[i] == p->types[i]);
		types[i] = (Oid)stmt->params[i];
	}
}
