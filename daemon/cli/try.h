/*
 * What `try` knows of the invented answer beside the plan.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_TRY_H
#define CLI_TRY_H

#include "cli/cli.h"
#include "cli/explain.h"
#include "flow/try.h"

struct trying {
	const struct settings *settings;
	const struct directory *directory;
	const struct response *response;
	const struct plan *plan; /* NULL: no rule matched */
};

/* What would hold it if it came now. 0 or an exit code. */
int try_held(struct cli *c, const struct trying *t, struct explain_held *ret);

#endif
