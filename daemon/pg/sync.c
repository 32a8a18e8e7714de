/*
 * The blocking connection of the closeloop command; see pg.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <errno.h>
#include <stdlib.h>

/* NOTICEs of a migration ("already exists, skipping") are nobody's business. */
static void ignore_notice(void *arg, const PGresult *result)
{
}

int pg_sync_open(const char *conninfo, struct pg_sync **ret, struct pg_error *error)
{
	struct conninfo *info = conninfo_new(conninfo);
	PGconn *pg = PQconnectdbParams(info->keywords, info->values, 1);

	conninfo_free(info);
	if (PQstatus(pg) != CONNECTION_OK) {
		pg_error_from_conn(error, pg);
		PQfinish(pg);
		return -ECONNREFUSED;
	}
	PQsetNoticeReceiver(pg, ignore_notice, NULL);
	*ret = xcalloc(1, sizeof(**ret));
	(*ret)->pg = pg;
	return 0;
}

struct pg_sync *pg_sync_close(struct pg_sync *s)
{
	if (s) {
		PQfinish(s->pg);
		free(s);
	}
	return NULL;
}

void pg_sync_closep(struct pg_sync **s)
{
	*s = pg_sync_close(*s);
}

int pg_sync_judge(struct pg_sync *s, const PGresult *result, const char *statement, struct pg_error *error)
{
	switch (result ? PQresultStatus(result) : PGRES_FATAL_ERROR) {
	case PGRES_COMMAND_OK:
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
	case PGRES_EMPTY_QUERY: return 0;
	default: break;
	}
	if (result && PQresultErrorField(result, PG_DIAG_SQLSTATE))
		pg_error_from_result(error, result, statement);
	else
		pg_error_from_conn(error, s->pg);
	error->lost = PQstatus(s->pg) != CONNECTION_OK;
	return -EIO;
}

int pg_sync_run(struct pg_sync *s, const struct pg_stmt *stmt, const struct pg_params *params, struct pg_rows **ret_rows,
		struct pg_error *error)
{
	Oid types[PG_PARAMS_MAX];
	PGresult *result;
	int r;

	pg_params_check(stmt, params, types);
	result = PQexecParams(s->pg, stmt->sql, stmt->n_params, types, params ? params->values : NULL,
			      params ? params->lengths : NULL, pg_all_binary, 1);
	r = pg_sync_judge(s, result, stmt->name, error);
	if (r < 0 || !ret_rows) {
		PQclear(result);
		return r;
	}
	*ret_rows = xcalloc(1, sizeof(**ret_rows));
	(*ret_rows)->result = result;
	return 0;
}

int pg_sync_script(struct pg_sync *s, const char *sql, struct pg_error *error)
{
	PGresult *result = PQexec(s->pg, sql);
	int r = pg_sync_judge(s, result, "script", error);

	PQclear(result);
	return r;
}

void pg_sync_cancel(struct pg_sync *s)
{
	PGcancel *cancel = PQgetCancel(s->pg);
	char why[256];

	if (cancel)
		PQcancel(cancel, why, sizeof(why));
	PQfreeCancel(cancel);
}

int pg_sync_stream(struct pg_sync *s, const struct pg_stmt *stmt, const struct pg_params *params,
		   int (*fn)(void *arg, const struct pg_rows *row), void *arg, struct pg_error *error)
{
	Oid types[PG_PARAMS_MAX];
	PGresult *result;
	int r = 0;

	pg_params_check(stmt, params, types);
	if (!PQsendQueryParams(s->pg, stmt->sql, stmt->n_params, types, params ? params->values : NULL,
			       params ? params->lengths : NULL, pg_all_binary, 1)) {
		pg_error_from_conn(error, s->pg);
		return -EIO;
	}
	PQsetSingleRowMode(s->pg);
	while ((result = PQgetResult(s->pg))) {
		struct pg_rows row = {result};

		if (r == 0) {
			r = pg_sync_judge(s, result, stmt->name, error);
			if (r == 0 && PQresultStatus(result) == PGRES_SINGLE_TUPLE && (r = fn(arg, &row)) != 0)
				pg_sync_cancel(s);
		}
		PQclear(result);
	}
	return r;
}
