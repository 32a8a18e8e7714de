/*
 * Fields of a query or a form: application/x-www-form-urlencoded (URL Standard 5.1). Pure.
 *
 * What a browser would not send is refused whole: a broken escape, a NUL or another control but tab and line ends,
 * bytes that are not UTF-8, too many fields.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef PAGE_FORM_H
#define PAGE_FORM_H

#include "base/arena.h"

#define FORM_FIELDS_MAX 128
#define FORM_BYTES_MAX (64 * 1024) /* of a body */

struct form_field {
	const char *name, *value; /* NUL-terminated UTF-8, in the arena; line ends are "\n" */
};
struct form {
	struct form_field *fields; /* in the order they came; a name may be there several times */
	int n;
};

/* Return: 0, or -EINVAL. */
int form_parse(const char *text, size_t n, struct arena *a, struct form *ret);

/* The first field of that name; NULL: none. */
const char *form_get(const struct form *f, const char *name);
/* A whole number from 0 to most; -1: none, or something else. */
int64_t form_number(const struct form *f, const char *name, int64_t most);

/* Percent-encodes what may not stand in a query's value (RFC 3986 2.3). */
struct buf;
void form_put_value(struct buf *out, const char *value);

#endif
