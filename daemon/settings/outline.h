/*
 * A configuration as a list of what it says: one entry per key, in the order of the file, with its value as plain text.
 *
 * For people who compare two of them (`closeloop rules diff`): layout and comments are gone, keys that are left out have the value
 * that they then take, durations and conditions are written in one way. Nothing of it is for deciding.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_OUTLINE_H
#define SETTINGS_OUTLINE_H

#include "settings/settings.h"

struct outline_item {
	const char *section; /* the top-level name: "rules"; of a plain setting "" */
	const char *element; /* "field"; of a label "touchpoint 'installation'"; of sections without elements "" */
	const char *key;     /* "when", "escalate.boss.after"; of a fact "" */
	const char *value;   /* never NULL: what it takes when it is left out, as words where no value says it */
	bool given;          /* stands in the file */
	int place;           /* of the element in its section, from 0 */
};
struct outline {
	struct outline_item *items;
	int n, room;
};

/*
 * settings_outline() - of a configuration that was loaded; the text that `rulesets` keeps is read, so without the database section
 * Everything is the arena's. Sections come in the order of the table of settings.
 */
void settings_outline(const struct settings *s, struct arena *arena, struct outline *ret);

#endif
