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

const struct pg_stmt follow_up_put_off = {
	"follow_up_put_off",
	"UPDATE closeloop.cases SET next_action_at = now() + make_interval(secs => $1) WHERE id = (SELECT id FROM closeloop.cases"
	" WHERE next_action_at <= now() ORDER BY next_action_at LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED) RETURNING id",
	1,
	{PG_FLOAT8},
};

const struct pg_stmt follow_up_next = {
	"follow_up_next",
	"SELECT extract(epoch FROM min(next_action_at) - clock_timestamp())::float8 FROM closeloop.cases"
	" WHERE next_action_at IS NOT NULL",
	0,
	{0},
};

const struct pg_stmt clocks_pending = {
	"clocks_pending",
	"SELECT version, pending FROM closeloop.clocks_pending()",
	0,
	{0},
};

const struct pg_stmt clocks_worked_off = {
	"clocks_worked_off",
	"SELECT closeloop.clocks_worked_off($1)",
	1,
	{PG_INT8},
};

const struct pg_stmt follow_up_recompute = {
	"follow_up_recompute",
	"SELECT moved, last_id FROM closeloop.follow_up_recompute($1, $2)",
	2,
	{PG_INT8, PG_INT4},
};
