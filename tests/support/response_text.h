/*
 * A response written on one line, for tests as data:
 *
 *     nps = 2; touchpoint = 'installation'; rating.delivery = 4; rating['설치 속도'] = 1; attr.plan = 'gold';
 * contact_requested = true
 *
 * Columns by their names; a doubled quote stands for one. \u{1112} is that character, \x{ff} that byte,
 * \*{70:ab} the text seventy times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SUPPORT_RESPONSE_TEXT_H
#define SUPPORT_RESPONSE_TEXT_H

#include "base/arena.h"
#include "model/response.h"

/* Escapes resolved. */
char *text_unescape(struct arena *arena, const char *text);

/* Return: NULL, or what is wrong with it. */
const char *response_from_text(struct arena *arena, const char *text, struct response *ret);

#endif
