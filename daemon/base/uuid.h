/*
 * UUID version 7 (RFC 9562 5.7): 48 bits of milliseconds, then random bits, so that new keys land
 * at the end of their index. Any thread.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/util.h"

#define UUID_TEXT_BYTES 37

struct uuid {
	uint8_t b[16];
};

struct uuid uuid_new(void);
const char *uuid_text(const struct uuid *u, char text[UUID_TEXT_BYTES]);
/* 36 characters with dashes, either case; -EINVAL otherwise. */
int uuid_parse(const char *text, struct uuid *ret);
bool uuid_eq(const struct uuid *a, const struct uuid *b);

#endif
