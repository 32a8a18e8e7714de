/*
 * The grammar of libconfig 1.5, checked before libconfig parses, for messages that say what to do.
 *
 * Also refused, because libconfig takes them silently: integers beyond 32 bits (they wrap), two texts in a list
 * with no comma between (they join), \x00 in a text (it is dropped).
 *
 *   configuration: { setting }
 *   setting:       NAME ("=" | ":") value [";" | ","]
 *   value:         scalar | TEXT { TEXT } | "{" { setting } "}" | "[" scalars "]" | "(" values ")"
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_SYNTAX_H
#define SETTINGS_SYNTAX_H

#include "settings/source.h"

#define SYNTAX_DEPTH_MAX 32
#define SYNTAX_NAMES_MAX 10000 /* in one group: each is compared with all before it */

/* A part of the joined text; from == to: none. */
struct text_span {
	size_t from, to;
};
/* What belongs to the machine and not to the rules: the top-level `database`, and `listen` of the top-level `http`. */
#define SYNTAX_LOCAL_MAX 2
struct text_spans {
	struct text_span items[SYNTAX_LOCAL_MAX]; /* as they stand in the text */
	int n;
};

/*
 * syntax_check() - false when the text is no libconfig, with the reason in diags
 * The first mistake of the grammar ends the check, as the rest would be guesses; doubled names and numbers out of
 * range are all reported.
 * @ret_local: what of the text is this machine's own
 */
bool syntax_check(const struct source *src, struct diag_list *diags, struct text_spans *ret_local);

#endif
