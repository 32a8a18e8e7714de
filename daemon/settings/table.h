/*
 * The table of settings: one row per key.
 *
 * It drives reading (load.c), the finding of unknown keys, what a message says was expected, and the test that keeps
 * docs/configuration.md and conf/ in step. Rows stand in the order in which they are read: what others refer to
 * comes first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SETTINGS_TABLE_H
#define SETTINGS_TABLE_H

#include "base/buf.h"

struct load;
struct item;
struct section;

/* How a value stands in the file. */
enum shape { SHAPE_TEXT, SHAPE_INTEGER, SHAPE_NUMBER, SHAPE_BOOL, SHAPE_TEXTS, SHAPE_GROUP, SHAPE_LIST, SHAPE_ANY };

/* What a value means: its shape, how it is described, and who reads it. */
struct type {
	enum shape shape;
	const char *words; /* "a duration such as 90s, 15m, 4h, 2d or 1w" */
	/* Checks the value and stores it in field; reports mistakes. The shape is right already. */
	void (*read)(struct load *l, const struct item *it, void *field);
};

struct key {
	const char *name;
	const struct type *type;
	size_t at; /* of the field in the struct of the section */
	bool required;
	const char *fallback;          /* value when left out, as it would be written (texts without quotes); NULL: none */
	const char *otherwise;         /* when left out: what is taken instead, as words, where fallback can't say it */
	int64_t min, max;              /* integers; durations: seconds */
	const char *const *choices;    /* NULL-terminated, when the value is one of some words */
	const struct section *section; /* SHAPE_GROUP and SHAPE_LIST */
	size_t count_at;               /* of the number of groups, when the field is an array of them */
};

enum naming {
	NAMED_ONCE,   /* one group with fixed keys: database */
	NAMED_GROUPS, /* a group of named groups: people */
	NAMED_LIST    /* a list of groups without names: labels */
};

struct section {
	const char *name; /* as in docs/configuration.md: "people", "http.tokens" */
	enum naming naming;
	const struct key *keys;
	int n_keys;
	bool always;                                 /* NAMED_ONCE: read with its defaults when it is left out */
	size_t bytes;                                /* of one element */
	int max;                                     /* elements */
	int spare;                                   /* elements more than the file has, for built-in ones */
	int pos_at;                                  /* of a struct text_pos in the element; -1: none */
	const char *short_key;                       /* a text in place of the group sets this key */
	const char *const *reserved;                 /* words that can't be ids here, NULL-terminated */
	void (*init)(struct load *l, void *element); /* before its keys are read */
	void (*done)(struct load *l, const struct item *it, void *element); /* after; cross checks */
	void (*all_done)(struct load *l, const struct item *it);            /* after the last element */
};

extern const struct section settings_root;

/* "one of low, normal, high, urgent", "a whole number from 1 to 32". */
void key_expected(const struct key *k, struct buf *out);
/* Calls fn for a section and all below it. */
void sections_visit(const struct section *s, void (*fn)(void *arg, const struct section *s), void *arg);
/* Calls fn for every section of the configuration, the root first. */
void settings_sections(void (*fn)(void *arg, const struct section *s), void *arg);

#endif
