/*
 * Words and options of one command line, checked against the table of verbs.
 *
 *   argv → global options (anywhere) → verb (one or two words) → its options and words
 *
 * An option is `--name VALUE`, `--name=VALUE` or, without a value, a switch; `--` ends options; a lone
 * `-` is a word (stdin). Nothing here has an effect: mistakes come back as one sentence with the
 * nearest known name.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include "base/arena.h"
#include "base/buf.h"

struct cli;
struct args;

struct option {
	const char *name;  /* "--until" */
	const char *value; /* what stands for the value in help: "DATE"; NULL: a switch */
	const char *help;
};

#define WORDS_ANY 10000

/* One verb. Tables of verbs end with a zeroed entry. */
struct verb {
	const char *group;            /* "case", or the whole verb: "status" */
	const char *name;             /* "list"; NULL when the verb is one word */
	const char *words;            /* usage of what follows: "CASE"; NULL: nothing */
	const char *help;             /* one line; NULL: an alias, left out of help */
	const struct option *options; /* ends with a zeroed entry; NULL: none */
	int min_words, max_words;
	int (*run)(struct cli *c, const struct args *a); /* returns an exit code */
	const char *action;                              /* for verbs that share a function */
};

#define ARGS_OPTIONS_MAX 32

struct args {
	const struct verb *verb; /* NULL: none was named */
	const char **words;
	int n_words;
	struct {
		const struct option *option;
		const char *value; /* NULL for a switch */
	} given[ARGS_OPTIONS_MAX];
	int n_given;
	/* Options of the command itself. */
	const char *config, *as;
	bool json, help, version;
};

extern const struct option args_global_options[];

#define ARGS_E_USAGE 1

/*
 * args_parse() - the command line against the tables
 * @groups: tables of verbs, NULL-terminated
 * @ret_error: one sentence from the arena when ARGS_E_USAGE comes back
 */
int args_parse(struct arena *arena, const struct verb *const *groups, int argc, char **argv, struct args *ret,
	       const char **ret_error);

/* The last value given for an option of this verb, or NULL; for a switch "". Asserts that the verb has it. */
const char *args_get(const struct args *a, const char *option);
bool args_has(const struct args *a, const char *option);

/* The first verb called so, or NULL; name NULL finds the group's first. */
const struct verb *verb_find(const struct verb *const *groups, const char *group, const char *name);

/* ", did you mean 'x'?" with the nearest of the names, or "" (base/diag.h, diag_nearest()). */
const char *did_you_mean(struct arena *arena, const char *word, const void *names, size_t n, size_t stride);

/* Usage of one verb in full, or of every verb of a group, or the overview. */
void args_help_verb(const struct verb *v, struct buf *out);
void args_help_group(const struct verb *const *groups, const char *group, struct buf *out);
void args_help_all(const struct verb *const *groups, struct buf *out);
#endif
