/*
 * Large groups, made fit for libconfig: it compares each name of a group with all before it, which for 10,000 people or rules is a
 * second of the main thread. syntax_check() has seen already that no name comes twice.
 *
 *   rules: { a: { … }; b: { … }; }   is given to it as   rules: ({ a: { … }; },{ b: { … }; })
 *
 * Lines stay what they are. Only the text that libconfig parses changes, and only groups of named groups (settings/table.h).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_SPLIT_H
#define SETTINGS_SPLIT_H

#include "settings/source.h"

#include <libconfig.h>

/* Parses a text whose syntax was checked. false: as config_read_string(). */
bool split_read(config_t *config, const struct source *src);

/* A group that was split: counts as SHAPE_GROUP, whatever its type says. */
bool split_is(const config_setting_t *s);
/* Its i-th member, or that of any other group or list. */
const config_setting_t *split_member(const config_setting_t *s, int i);

#endif
