/*
 * `status`: incidents that operators were told of and that no other section shows: people whose mail is refused, receivers that
 * refuse our credentials and are tried on.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/status.h"

static const struct pg_stmt sql_incidents = {
	"cli_status_incidents",
	"SELECT to_json(j)::text, j.kind, j.subject, extract(epoch FROM now() - j.opened_at)::float8, concat_ws(' ', n.details ->> 'code',"
	" n.details ->> 'answer'), coalesce(e.paused OR e.disabled, false)"
	" FROM closeloop.operator_news n LEFT JOIN closeloop.endpoints e ON e.name = n.subject,"
	" LATERAL (SELECT n.kind, n.subject, n.opened_at, n.told_at) j WHERE n.ended_at IS NULL ORDER BY n.id",
	0,
	{0},
};

static void need_incident(struct status *s, const struct pg_rows *rows, int i)
{
	const char *kind = pg_get_text(rows, i, 1, NULL), *subject = pg_get_text(rows, i, 2, NULL),
		   *answer = pg_get_text(rows, i, 4, NULL),
		   *lasts = status_duration(s, (int64_t)(pg_get_float8(rows, i, 3) * (double)US_PER_S));
	struct arena *a = s->c->arena;

	answer = *answer ? arena_printf(a, " (%s)", answer) : "";
	if (str_eq(kind, "mail_refused"))
		status_need(s, subject, arena_printf(a, "mail is refused, for %s%s", lasts, answer),
			    "closeloop person import people.csv, with the right address");
	else if (str_eq(kind, "credentials") && !pg_get_bool(rows, i, 5))
		status_need(s, subject, arena_printf(a, "refuses our credentials, for %s%s", lasts, answer),
			    arena_printf(a, "closeloop endpoint test %s", subject));
}

int status_incidents(struct status *s)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(s->c, &sql_incidents, NULL, &rows);

	if (r)
		return r;
	status_put_array(s, "incidents", rows);
	for (int i = 0; i < pg_count(rows); i++)
		need_incident(s, rows, i);
	return 0;
}
