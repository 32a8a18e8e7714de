/*
 * What differs between two configurations, as a person would say it: rules, routes, people, settings that are new, gone or changed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_RULES_DIFF_H
#define CLI_RULES_DIFF_H

#include "base/buf.h"
#include "settings/settings.h"

enum rules_change_kind { CHANGE_NEW, CHANGE_GONE, CHANGE_CHANGED, CHANGE_MOVED, CHANGE_KINDS };

struct rules_change {
	enum rules_change_kind kind;                         /* of the element */
	const char *section, *section_title, *element, *key; /* as in settings/outline.h; the title of "" is "settings" */
	const char *was, *now;                               /* NULL where there was nothing, or nothing is left */
	const char *used_by;                                 /* of a fact that changed: "rules field, detractor"; NULL: none */
	int place, found;                                    /* for the order of telling */
};
struct rules_diff {
	struct rules_change *items; /* by section, element, key */
	int n, room;
};

/* Everything is the arena's; texts of both settings are copied. */
void rules_diff_make(const struct settings *a, const struct settings *b, struct arena *arena, struct rules_diff *ret);
/* Many lines. */
void rules_diff_put(const struct rules_diff *d, struct buf *out);
/* "2 rules changed, 1 new; 1 route gone" */
void rules_diff_put_count(const struct rules_diff *d, struct buf *out);
/* "field, detractor changed; legal new; people: t-ono gone": names, few of each. */
void rules_diff_put_short(const struct rules_diff *d, struct buf *out);
/* An array of objects. */
void rules_diff_put_json(const struct rules_diff *d, struct buf *out);

#endif
