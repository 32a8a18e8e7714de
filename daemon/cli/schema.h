/*
 * Does the database fit this program? Schema version and instance (DESIGN 4 and 5).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_SCHEMA_H
#define CLI_SCHEMA_H

#include "cli/cli.h"

/* 0, or EXIT_CONFIGURATION with one sentence that says which is older, or which instance it is. */
int cli_schema_check(struct cli *c);
/* The same sentence in ret_why (arena; NULL: it fits) for `status` and `check`; the code only for errors of the database. */
int cli_schema_why(struct cli *c, const char **ret_why);

#endif
