/*
 * A response written on one line, for tests as data:
 *
 *     nps = 2; touchpoint = 'installation'; rating.delivery = 4; rating['설치 속도'] = 1; attr.plan = 'gold';
 * contact_requested = true
 * previous.nps = 9; history.detractors(90d) = 3; past = 'anonymous id'
 *
 * Columns by their names; a doubled quote stands for one. \u{1112} is that character, \x{ff} that byte,
 * \*{70:ab} the text seventy times.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SUPPORT_RESPONSE_TEXT_H
#define SUPPORT_RESPONSE_TEXT_H

#include "base/arena.h"
#include "rule/rule.h"

/* Escapes resolved. */
char *text_unescape(struct arena *arena, const char *text);

/*
 * What was said of the past is in ret->past; without a word of it that is NULL, past = '…' alone says why nothing is known. The counts come
 * with response_text_counts(). Return: NULL, or what is wrong with it.
 */
const char *response_from_text(struct arena *arena, const char *text, struct response *ret);

/* The counts in the order of the set's needs, those that weren't given missing. Return: NULL, or what the set doesn't ask for. */
const char *response_text_counts(struct arena *arena, const struct ruleset *rs, struct response *r);

#endif
