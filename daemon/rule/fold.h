/*
 * The forms in which texts compare: NFC + case folding + trimming for comparisons, NFC + trimming for `matches`.
 *
 * Texts of letters that neither compose nor decompose (ASCII, Latin-1, Hangul syllables, kana, han) take a fast path of
 * equal length, often without a copy; the rest goes through utf8proc. Nothing is allocated once the rooms
 * are as large as the largest text needs. Invalid UTF-8 becomes U+FFFD.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef RULE_FOLD_H
#define RULE_FOLD_H

#include "base/util.h"

enum fold_form {
	FOLD_COMPARE,
	FOLD_LOWER, /* NFC + small letters + trimming, so ß stays ß: as closeloop.fold() of the database */
	FOLD_MATCH,
	FOLD_PATTERN /* NFC, nothing else */
};

struct fold_room {
	char *p;
	size_t bytes;
};
void fold_room_fini(struct fold_room *room);

/* Working memory shared by all texts of one thread. */
struct folder {
	struct fold_room codes, repaired, name;
};
void folder_fini(struct folder *f);

struct slice {
	const char *p;
	size_t n;
};

/* The result points into text or into room, and is NUL-terminated only by luck. */
struct slice fold_text(struct folder *f, const char *text, size_t n, enum fold_form form, struct fold_room *room);
/* Without white space on both sides. */
struct slice text_trim(const char *text, size_t n);
bool text_is_ascii(const char *text);

#endif
