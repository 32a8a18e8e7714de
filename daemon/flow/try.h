/*
 * One invented response through the live judge, without an effect: for `closeloop try`.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_TRY_H
#define FLOW_TRY_H

#include "flow/judge.h"

struct trial {
	struct live *live;         /* live->directory is read */
	struct response *response; /* responded_at must be set; gets its past, as far as the rules ask for it */
	const char *send_to;       /* every mail goes there instead; NULL */
	struct arena *arena;
};

/*
 * try_run() - judge with live rules and owners; blocks, with a loop of its own, at most 20 s
 * The past is that of the customer and account it names, read from the database. *ret_plan is NULL when no rule matched; else it has owner, trail, due times, recipients, messages and, beside the
 * messages to people, mails (subject, text, html). Nothing is written: no case id (0), no locks.
 * Return: 0, or -EIO with *error.
 */
int try_run(const struct trial *t, struct plan **ret_plan, struct pg_error *error);

#endif
