/*
 * `coverage [--since TIME]`: touchpoint × account × language of the answers of 90 days: who would be told, whom only the fallback
 * catches, what reaches nobody. Exits 1 when there is a hole.
 *
 * PostgreSQL groups the responses by the facts that owners and routes depend on; the groups come one by one (flow/coverage.h), in a
 * transaction that only reads.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/coverage.h"
#include "cli/verbs.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define SQL_BYTES_MAX 20000
#define VALUE_CHARACTERS_MAX 1000
#define MANY_ROWS 300000 /* from here on it takes a second: say what is waited for */
#define LIMIT 40

static const struct pg_stmt sql_owners = {
	"cli_coverage_owners",
	"SELECT dimension, value, person FROM closeloop.owners ORDER BY dimension, value",
	0,
	{0},
};
static const struct pg_stmt sql_days = {
	"cli_coverage_days",
	"SELECT to_char($1 AT TIME ZONE $3, 'YYYY-MM-DD'), to_char($2 AT TIME ZONE $3, 'YYYY-MM-DD'),"
	" greatest((SELECT reltuples FROM pg_class WHERE oid = 'closeloop.responses'::regclass), 0)::bigint",
	3,
	{PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT},
};

struct run {
	struct cli *c;
	struct directory *directory;
	struct rehearsal_owner *owners;
	int n_owners;
	struct coverage *coverage;
	struct wall_time since, now;
	int64_t estimate; /* rows in the table */
	const char **values;
};

static int load_owners(struct run *v)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct arena *a = v->c->arena;
	int r = cli_run(v->c, &sql_owners, NULL, &rows);

	if (r)
		return r;
	v->n_owners = pg_count(rows);
	v->owners = arena_new_array(a, struct rehearsal_owner, (size_t)v->n_owners + 1);
	for (int i = 0; i < v->n_owners; i++)
		v->owners[i] = (struct rehearsal_owner){arena_strdup(a, pg_get_text(rows, i, 0, NULL)),
							arena_strdup(a, pg_get_text(rows, i, 1, NULL)),
							arena_strdup(a, pg_get_text(rows, i, 2, NULL))};
	return 0;
}

static int load_people(struct run *v)
{
	struct pg_rows *people CLEANUP(pg_rows_freep) = NULL, *absences CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(v->c, &directory_people_stmt, NULL, &people);

	if (r == 0)
		r = cli_run(v->c, &directory_absences_stmt, NULL, &absences);
	if (r)
		return r;
	v->directory = directory_new(v->c->settings, 0, people);
	directory_set_absences(v->directory, absences);
	return 0;
}

static int load_days(struct run *v, struct coverage_told *t)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = v->c;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_time(&p, v->since);
	pg_add_time(&p, v->now);
	pg_add_text(&p, c->settings->timezone);
	r = cli_run(c, &sql_days, &p, &rows);
	if (r)
		return r;
	t->since = arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL));
	t->until = arena_strdup(c->arena, pg_get_text(rows, 0, 1, NULL));
	v->estimate = pg_get_int8(rows, 0, 2);
	return 0;
}

/* Names of attributes are those that the configuration declares: letters, digits, '-' and '_' (settings/value.h). */
static void put_fact(struct buf *sql, const char *fact)
{
	const char *name = fact + strlen("attr.");

	if (strncmp(fact, "attr.", strlen("attr.")) == 0)
		buf_printf(sql,
			   ", left(CASE WHEN jsonb_typeof(attributes -> '%s') IN ('string', 'number', 'boolean')"
			   " THEN attributes ->> '%s' END, %d)",
			   name, name, VALUE_CHARACTERS_MAX);
	else
		buf_printf(sql, ", left(%s, %d)", fact, VALUE_CHARACTERS_MAX);
}

static const char *group_sql(struct run *v, int n_facts, const char *const *facts)
{
	struct buf sql CLEANUP(buf_fini) = BUF_INIT(SQL_BYTES_MAX);

	buf_puts(&sql, "SELECT count(*)");
	for (int i = 0; i < n_facts; i++)
		put_fact(&sql, facts[i]);
	buf_puts(&sql, " FROM closeloop.responses WHERE responded_at >= $1 AND responded_at < $2 GROUP BY 2");
	for (int i = 1; i < n_facts; i++)
		buf_printf(&sql, ", %d", i + 2);
	return arena_strdup(v->c->arena, buf_str(&sql));
}

static int on_group(void *arg, const struct pg_rows *row)
{
	struct run *v = arg;
	int n;

	coverage_facts(v->coverage, &n);
	for (int i = 0; i < n; i++)
		v->values[i] = pg_get_text(row, 0, i + 1, NULL);
	coverage_add(v->coverage, v->values, pg_get_int8(row, 0, 0));
	return 0;
}

static int read_groups(struct run *v)
{
	struct cli *c = v->c;
	struct pg_error error = {0};
	struct pg_params p;
	int n;
	const char *const *facts = coverage_facts(v->coverage, &n);
	const struct pg_stmt stmt = {"cli_coverage_groups", group_sql(v, n, facts), 2, {PG_TIMESTAMPTZ, PG_TIMESTAMPTZ}};
	bool say = v->estimate >= MANY_ROWS && isatty(STDERR_FILENO);
	int r;

	v->values = arena_new_array(c->arena, const char *, (size_t)n + 1);
	pg_params_init(&p, c->arena);
	pg_add_time(&p, v->since);
	pg_add_time(&p, v->now);
	if (say) {
		fprintf(stderr, "\rreading about %lld responses …", (long long)v->estimate);
		fflush(stderr);
	}
	r = pg_sync_stream(c->db, &stmt, &p, on_group, v, &error);
	if (say)
		fputs("\r\033[K", stderr);
	return r < 0 ? cli_sql_error(&error) : 0;
}

static int look(struct run *v, struct coverage_told *t)
{
	int r = load_people(v);

	if (r == 0)
		r = load_owners(v);
	if (r == 0)
		r = load_days(v, t);
	if (r)
		return r;
	v->coverage = coverage_new(v->c->settings, v->directory, v->owners, v->n_owners, v->now);
	r = read_groups(v);
	if (r == 0)
		r = coverage_troubles(v->c, v->directory, v->now, t);
	if (r == 0)
		coverage_report(v->coverage, &t->report);
	return r;
}

const struct option coverage_options[] = {
	{"--since", "TIME", "responses since 90d (default), 2027-03-02, 2027-03-02T10:00"},
	{"--limit", "N", "so many rows (40); those that reach nobody are always shown"},
	{0},
};

/* One snapshot for all that is read, and nothing that could be written. */
static int begin(struct cli *c)
{
	struct pg_error error = {0};
	int r = cli_db(c);

	if (r == 0 && pg_sync_script(c->db, "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY", &error) < 0)
		r = cli_sql_error(&error);
	return r;
}

int coverage_run(struct cli *c, const struct args *a)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	struct coverage_told told = {.limit = LIMIT};
	struct run v = {.c = c};
	const char *since = args_get(a, "--since");
	int r = cli_number("--limit", args_get(a, "--limit"), LIST_LIMIT_MAX, &told.limit);

	if (r == 0)
		r = begin(c);
	if (r == 0)
		r = cli_when(c, "--since", since ? since : "90d", -1, "00:00", &v.since);
	if (r == 0)
		r = cli_now(c, &v.now);
	if (r == 0)
		r = look(&v, &told);
	if (r == 0) {
		if (c->json)
			coverage_put_json(&told, &out);
		else
			coverage_put_text(&told, &out);
		cli_print(c, &out);
		r = told.report.worst[COVERAGE_NOBODY] ? EXIT_NO : EXIT_DONE;
	}
	coverage_free(v.coverage);
	directory_free(v.directory);
	return r;
}
