/*
 * SQL of daemons and rulesets; see daemons_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/daemons_store.h"

const struct pg_stmt daemons_of_host = {
	"daemons_of_host",
	"SELECT id, coalesce(pid, 0), coalesce(batch_limit, 0) FROM closeloop.daemons WHERE host = $1 AND stopped_at IS NULL",
	1,
	{PG_TEXT},
};

const struct pg_stmt daemons_seen = {
	"daemons_seen",
	"INSERT INTO closeloop.daemons AS d (id, host, pid, version, ruleset, listening, batch_limit, reload_id, config_error,"
	"  config_error_at, started_at, seen_at)"
	" VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, CASE WHEN $9 IS NOT NULL THEN clock_timestamp() END, clock_timestamp(),"
	"  clock_timestamp())"
	" ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, ruleset = excluded.ruleset, stopped_at = NULL,"
	"  listening = excluded.listening, batch_limit = excluded.batch_limit, reload_id = excluded.reload_id,"
	"  config_error = excluded.config_error, config_error_at = CASE WHEN excluded.config_error IS NOT NULL"
	"   THEN coalesce(d.config_error_at, excluded.config_error_at) END",
	9,
	{PG_TEXT, PG_TEXT, PG_INT4, PG_TEXT, PG_TEXT, PG_BOOL, PG_INT4, PG_INT8, PG_TEXT},
};

const struct pg_stmt daemons_hold = {"daemons_hold", "SELECT closeloop.daemon_hold($1)", 1, {PG_TEXT}};

const struct pg_stmt daemons_stopped = {
	"daemons_stopped",
	"UPDATE closeloop.daemons SET stopped_at = clock_timestamp(), seen_at = clock_timestamp() WHERE id = $1",
	1,
	{PG_TEXT},
};

const struct pg_stmt daemons_gone = {
	"daemons_gone",
	"UPDATE closeloop.daemons AS d SET stopped_at = CASE WHEN listening THEN clock_timestamp() ELSE seen_at END"
	" WHERE stopped_at IS NULL AND (id = ANY ($1) OR (seen_at < now() - interval '1 day' AND NOT "
	"closeloop.daemon_is_alive(d)))",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt rulesets_live = {
	"rulesets_live",
	"INSERT INTO closeloop.rulesets (sha256, text) VALUES ($1, $2) ON CONFLICT (sha256) DO NOTHING",
	2,
	{PG_TEXT, PG_TEXT},
};

const struct pg_stmt reload_look = {"reload_look", "SELECT id, asked_by, is_new FROM closeloop.reload_look()", 0, {0}};
