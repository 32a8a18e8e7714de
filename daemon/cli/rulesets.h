/*
 * The rule sets that were live, as the command finds and compiles them; and working while the file on disk is broken.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_RULESETS_H
#define CLI_RULESETS_H

#include "cli/cli.h"

#define RULESET_PREFIX_MIN 4

struct cli_ruleset {
	const char *sha256, *text; /* of the arena */
	const char *name;          /* "rules 3f9c2a1": stands for its file in messages */
};

/*
 * cli_ruleset_find() - by what a person writes: "live" (with most daemons, else the last that was), or the beginning of a sha256
 * Return: 0; EXIT_NO told (unknown, or several begin so); or what the database said.
 */
int cli_ruleset_find(struct cli *c, const char *word, struct cli_ruleset *ret);
/* Where a set or a file may stand: a file has a / or ends in .conf. */
bool cli_ruleset_is_file(const char *word);
/* Compiles it. EXIT_CONFIGURATION with diagnostics told: this version doesn't understand it any more. */
int cli_ruleset_load(struct cli *c, const struct cli_ruleset *set, struct settings **ret);

/*
 * cli_db_broken_ok() - cli_db(), but mistakes in the configuration are no obstacle
 * Then c->settings are those of the live set, *ret_broken the first mistake ("FILE:LINE: text (and 2 more)"); else NULL.
 */
int cli_db_broken_ok(struct cli *c, const char **ret_broken);

#endif
