/*
 * SQL of the sweep; see sweep_store.h and sql/007_follow_up.sql.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "followup/sweep_store.h"

const struct pg_stmt follow_up_sweep = {
	"follow_up_sweep",
	"SELECT closeloop.follow_up_sweep($1)",
	1,
	{PG_INT4},
};

const struct pg_stmt follow_up_next = {
	"follow_up_next",
	"SELECT extract(epoch FROM min(next_action_at) - clock_timestamp())::float8 FROM closeloop.cases"
	" WHERE next_action_at IS NOT NULL",
	0,
	{0},
};

const struct pg_stmt follow_up_recompute = {
	"follow_up_recompute",
	"SELECT moved, last_id FROM closeloop.follow_up_recompute($1, $2)",
	2,
	{PG_INT8, PG_INT4},
};
