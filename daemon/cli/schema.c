/*
 * Does the database fit this program? See schema.h; the judgement is sql/schema.h's, the daemon's too.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/schema.h"
#include "sql/schema.h"

#include <string.h>

int cli_schema_why(struct cli *c, const char **ret_why)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct pg_error error = {0};
	int r = pg_sync_run(c->db, &schema_stmt, NULL, &rows, &error);
	enum schema_state state =
		schema_judge(r < 0 ? NULL : rows, r < 0 ? &error : NULL, c->settings->instance, c->arena, ret_why);

	return state == SCHEMA_UNKNOWN && r < 0 ? cli_sql_error(&error) : 0;
}

int cli_schema_check(struct cli *c)
{
	const char *why = NULL;
	int r = cli_schema_why(c, &why);

	if (r == 0 && why)
		r = cli_fail(EXIT_CONFIGURATION, "%s", why);
	return r;
}
