/*
 * `backtest [--since TIME] [--until TIME] [--against FILE]`: the rules of the configuration over the responses of the past, beside those
 * that are live.
 *
 *   settings, the other set, people, owners → the stream (flow/backtest.h) → examples → text or JSON
 *
 * Everything is read in one read-only transaction, so a daemon at work is neither stopped nor slowed by locks. On a terminal the progress
 * stands on stderr. SIGINT and SIGTERM wait in a descriptor while the responses come: the statement is cancelled, and the command ends by the
 * signal, as a shell expects.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/backtest.h"
#include "case/case_store.h"
#include "cli/rulesets.h"
#include "cli/verbs.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define PROGRESS_US (200 * US_PER_MS)
#define PROGRESS_BYTES 200
#define BAR_COLUMNS 20
#define STOPPED 1 /* by a signal, or by a database that said more than could be read */

const struct option backtest_options[] = {
	{"--since", "TIME", "responses since 90d (default), 2027-03-02, 2027-03-02T10:00"},
	{"--until", "TIME", "responses before then (default: now)"},
	{"--against", "FILE|SET",
	 "compare with the rules of this file, or of a set that closeloop rules list shows (default: live)"},
	{0},
};

struct verb_run {
	struct cli *c;
	struct settings *old; /* NULL: nothing to compare with */
	struct directory *directories[2];
	struct rehearsal_owner *owners;
	int n_owners;
	struct backtest *b;
	struct backtest_report report;
	/* while it reads */
	int signals; /* descriptor */
	int signal;  /* that came */
	bool terminal;
	int64_t total; /* responses to read; 0: not known */
	struct mono_time began, shown;
};

/* ---- what it is compared with ---- */

/*
 * By which most daemons judge, else the last that was, as everywhere. A role that only reads may not call daemon_is_alive(): this is
 * what it says.
 */
static const struct pg_stmt sql_live = {
	"cli_backtest_live",
	"SELECT r.sha256, r.text, to_char(max(p.since) AT TIME ZONE $1, CASE WHEN max(p.since) > now() - interval '300 days'"
	"  THEN 'FMDD Mon' ELSE 'FMDD Mon YYYY' END)"
	" FROM closeloop.ruleset_periods AS p JOIN closeloop.rulesets AS r ON r.sha256 = p.sha256"
	" LEFT JOIN closeloop.daemons AS d ON p.until IS NULL AND d.id = p.daemon AND d.stopped_at IS NULL AND CASE"
	"  WHEN NOT d.listening THEN d.seen_at > now() - interval '60 seconds' WHEN pg_is_in_recovery() THEN true"
	"  ELSE EXISTS (SELECT FROM pg_locks AS l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2"
	"   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())"
	"   AND l.classid = 1129074508::oid AND l.objid = hashtext(d.id)::oid) END"
	" GROUP BY r.sha256 ORDER BY count(d.id) DESC, max(d.seen_at) DESC NULLS LAST, max(coalesce(p.until, 'infinity')) DESC,"
	"  max(p.since) DESC LIMIT 1",
	1,
	{PG_TEXT},
};

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static int old_failed(struct diag_list *diags, const char *name)
{
	cli_print_diags(diags);
	return cli_fail(EXIT_CONFIGURATION, "%s: %d error%s", name, diags->errors, diags->errors == 1 ? "" : "s");
}

static int load_file(struct verb_run *v, const char *path)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	int r = settings_load_bare(path, diags, &v->old);

	if (r) {
		v->old = NULL;
		return r == SETTINGS_E_INVALID ? old_failed(diags, path)
					       : cli_fail(EXIT_CONFIGURATION, "--against %s: %s", path, strerror(-r));
	}
	v->report.old_name = v->report.old_word = base_name(path);
	return 0;
}

static int load_set(struct verb_run *v, const char *word)
{
	struct cli_ruleset set;
	int r = cli_ruleset_find(v->c, word, &set);

	if (r == 0)
		r = cli_ruleset_load(v->c, &set, &v->old);
	if (r)
		v->old = NULL;
	else
		v->report.old_word = v->report.old_name = set.name;
	return r;
}

static int load_live(struct verb_run *v)
{
	struct diag_list *diags CLEANUP(diag_list_freep) = diag_list_new();
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = v->c;
	struct pg_params p;
	const char *name;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_text(&p, c->settings->timezone);
	r = cli_run(c, &sql_live, &p, &rows);
	if (r || pg_count(rows) == 0)
		return r;
	name = arena_printf(c->arena, "rules %.7s", pg_get_text(rows, 0, 0, NULL));
	r = settings_load_text(pg_get_text(rows, 0, 1, NULL), name, diags, &v->old);
	if (r) {
		v->old = NULL;
		cli_print_diags(diags);
		return cli_fail(EXIT_CONFIGURATION,
				"the live rules can't be read by this version (see above): name others with --against FILE");
	}
	v->report.old_word = "live";
	v->report.old_name = arena_printf(c->arena, "live %.7s since %s", v->old->sha256, pg_get_text(rows, 0, 2, NULL));
	return 0;
}

static int load_against(struct verb_run *v, const char *word)
{
	if (!word || str_eq(word, "live"))
		return load_live(v);
	return cli_ruleset_is_file(word) || access(word, F_OK) == 0 ? load_file(v, word) : load_set(v, word);
}

/* ---- who is there today ---- */

static const struct pg_stmt sql_owners = {
	"cli_backtest_owners",
	"SELECT dimension, value, person FROM closeloop.owners WHERE dimension = ANY ($1) ORDER BY dimension, value",
	1,
	{PG_TEXT_ARRAY},
};

static void add_dimensions(struct cli *c, struct pg_array *dimensions, const struct settings *s)
{
	const char *const *names;
	int n = settings_lookups(s, c->arena, &names);

	for (int i = 0; i < n; i++)
		pg_array_text(dimensions, names[i]);
}

static int load_owners(struct verb_run *v)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = v->c;
	struct pg_array dimensions;
	struct pg_params p;
	int r;

	pg_array_init(&dimensions, c->arena, PG_TEXT);
	add_dimensions(c, &dimensions, c->settings);
	if (v->old)
		add_dimensions(c, &dimensions, v->old);
	pg_params_init(&p, c->arena);
	pg_add_array(&p, &dimensions);
	r = cli_run(c, &sql_owners, &p, &rows);
	if (r)
		return r;
	v->n_owners = pg_count(rows);
	v->owners = arena_new_array(c->arena, struct rehearsal_owner, (size_t)v->n_owners + 1);
	for (int i = 0; i < v->n_owners; i++)
		v->owners[i] = (struct rehearsal_owner){arena_strdup(c->arena, pg_get_text(rows, i, 0, NULL)),
							arena_strdup(c->arena, pg_get_text(rows, i, 1, NULL)),
							arena_strdup(c->arena, pg_get_text(rows, i, 2, NULL))};
	return 0;
}

/* Nobody is away: the vacation of this week says nothing about the last quarter. */
static int load_people(struct verb_run *v)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	int r = cli_run(v->c, &directory_people_stmt, NULL, &rows);

	if (r)
		return r;
	v->directories[0] = directory_new(v->c->settings, 0, rows);
	if (v->old)
		v->directories[1] = directory_new(v->old, 0, rows);
	return 0;
}

/* ---- while it reads ---- */

static void put_progress(struct verb_run *v, struct mono_time now)
{
	const double seconds = (double)(now.us - v->began.us) / (double)US_PER_S;
	const double rate = seconds > 0 ? (double)v->b->responses / seconds : 0;
	struct buf line CLEANUP(buf_fini) = BUF_INIT(PROGRESS_BYTES);
	int64_t done = v->b->responses + v->b->unreadable;
	int bar;

	if (done == 0) {
		buf_printf(&line, "\r%lld responses, PostgreSQL is sorting them, %.0f s", (long long)v->total, seconds);
	} else {
		bar = v->total ? (int)(MIN(done, v->total) * BAR_COLUMNS / v->total) : 0;
		buf_printf(&line, "\r[%.*s%.*s] %3d%% · ", bar, "####################", BAR_COLUMNS - bar,
			   "....................", v->total ? (int)(MIN(done, v->total) * 100 / v->total) : 0);
		buf_printf(&line, "%.0f responses/s · ", rate);
		text_put_duration(&line, rate > 0 ? (int64_t)((double)(v->total - done) / rate * (double)US_PER_S) : 0);
		buf_puts(&line, " left");
	}
	buf_puts(&line, "\033[K");
	fputs(buf_str(&line), stderr);
	fflush(stderr);
}

static int on_turn(void *arg)
{
	struct verb_run *v = arg;
	struct signalfd_siginfo info;
	struct mono_time now;

	if (read(v->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
		v->signal = (int)info.ssi_signo;
		return STOPPED;
	}
	if (!v->terminal)
		return 0;
	now = mono_now();
	if (now.us - v->shown.us >= PROGRESS_US) {
		v->shown = now;
		put_progress(v, now);
	}
	return 0;
}

/* 0, an exit code, or STOPPED with v->signal. */
static int read_all(struct verb_run *v)
{
	struct pg_error error = {0};
	sigset_t wanted, before;
	int r = 0;

	v->terminal = isatty(STDERR_FILENO);
	if (v->terminal)
		r = backtest_count(v->b, v->c->db, &v->total, &error);
	if (r < 0)
		return cli_sql_error(&error);
	sigemptyset(&wanted);
	sigaddset(&wanted, SIGINT);
	sigaddset(&wanted, SIGTERM);
	sigprocmask(SIG_BLOCK, &wanted, &before);
	v->signals = signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
	v->began = v->shown = mono_now();
	r = backtest_real(v->b, v->c->db, on_turn, v, &error);
	if (r == 0)
		r = backtest_read(v->b, v->c->db, on_turn, v, &error);
	backtest_end(v->b);
	v->report.took_us = mono_now().us - v->began.us;
	if (v->terminal)
		fputs("\r\033[K", stderr);
	if (v->signals >= 0)
		close(v->signals);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return r < 0 ? cli_sql_error(&error) : r;
}

/* As a shell expects of a command that was interrupted: it ends by the signal itself. */
static int stopped(struct verb_run *v)
{
	struct cli *c = v->c;

	cli_error("stopped after %lld responses; nothing was changed", (long long)v->b->responses);
	c->db = pg_sync_close(c->db);
	signal(v->signal, SIG_DFL);
	raise(v->signal);
	return EXIT_INTERNAL;
}

/* ---- examples ---- */

static const struct pg_stmt sql_shown = {
	"cli_backtest_shown",
	"SELECT r.id, concat_ws(', ', 'nps ' || nps, 'csat ' || csat, 'ces ' || ces, (SELECT q.key || ' ' || (q.value #>> '{}')"
	"  FROM jsonb_each(r.ratings) AS q, LATERAL (SELECT coalesce($2 -> q.key, '[1, 5, true]')) AS s (scale)"
	"  WHERE jsonb_typeof(q.value) = 'number' ORDER BY (CASE WHEN (scale ->> 2)::boolean THEN (q.value #>> '{}')::numeric"
	"   - (scale ->> 0)::numeric ELSE (scale ->> 1)::numeric - (q.value #>> '{}')::numeric END)"
	"   / ((scale ->> 1)::numeric - (scale ->> 0)::numeric), q.key LIMIT 1)),"
	" touchpoint, left(comment, 300) FROM closeloop.responses AS r WHERE r.id = ANY ($1) ORDER BY r.id",
	2,
	{PG_INT8_ARRAY, PG_JSONB},
};

int backtest_example_ids(const struct backtest_examples *e, int64_t ids[BACKTEST_EXAMPLES])
{
	int n = (int)MIN(e->n, BACKTEST_EXAMPLES);

	for (int i = 0; i < n; i++)
		ids[i] = e->ids[(e->n - n + i) % BACKTEST_EXAMPLES];
	return n;
}

const struct backtest_shown *backtest_shown(const struct backtest_report *r, int64_t id)
{
	int low = 0, high = r->n_shown - 1;

	while (low <= high) {
		int middle = low + (high - low) / 2;

		if (r->shown[middle].id == id)
			return &r->shown[middle];
		if (r->shown[middle].id < id)
			low = middle + 1;
		else
			high = middle - 1;
	}
	return NULL;
}

static void add_ids(struct pg_array *all, const struct backtest_examples *e)
{
	int64_t ids[BACKTEST_EXAMPLES];
	int n = backtest_example_ids(e, ids);

	for (int i = 0; i < n; i++)
		pg_array_int8(all, ids[i]);
}

static int load_examples(struct verb_run *v)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct arena *a = v->c->arena;
	struct backtest_shown *shown;
	struct pg_array ids;
	struct pg_params p;
	int r;

	pg_array_init(&ids, a, PG_INT8);
	add_ids(&ids, &v->b->uncaught);
	for (int i = 0; i < v->b->n_sides; i++)
		for (int k = 0; k < v->b->sides[i].n_rules; k++)
			add_ids(&ids, &v->b->sides[i].rules[k].only);
	pg_params_init(&p, a);
	pg_add_array(&p, &ids);
	pg_add_jsonb(&p, case_scales_json(v->b->sides[0].settings, a));
	r = cli_run(v->c, &sql_shown, &p, &rows);
	if (r)
		return r;
	v->report.n_shown = pg_count(rows);
	v->report.shown = shown = arena_new_array(a, struct backtest_shown, (size_t)v->report.n_shown + 1);
	for (int i = 0; i < v->report.n_shown; i++)
		shown[i] = (struct backtest_shown){
			.id = pg_get_int8(rows, i, 0),
			.score = arena_strdup(a, pg_get_text(rows, i, 1, NULL)),
			.touchpoint = arena_strdup(a, pg_get_text(rows, i, 2, NULL)),
			.comment = arena_strdup(a, pg_get_text(rows, i, 3, NULL)),
		};
	return 0;
}

/* ---- the whole ---- */

static const struct pg_stmt sql_days = {
	"cli_backtest_days",
	"SELECT to_char($1 AT TIME ZONE $3, 'YYYY-MM-DD'), to_char($2 AT TIME ZONE $3, 'YYYY-MM-DD')",
	3,
	{PG_TIMESTAMPTZ, PG_TIMESTAMPTZ, PG_TEXT},
};

static int load_days(struct verb_run *v)
{
	struct pg_rows *rows CLEANUP(pg_rows_freep) = NULL;
	struct cli *c = v->c;
	struct pg_params p;
	int r;

	pg_params_init(&p, c->arena);
	pg_add_time(&p, v->b->since);
	pg_add_time(&p, v->b->until);
	pg_add_text(&p, c->settings->timezone);
	r = cli_run(c, &sql_days, &p, &rows);
	if (r)
		return r;
	v->report.since = arena_strdup(c->arena, pg_get_text(rows, 0, 0, NULL));
	v->report.until = arena_strdup(c->arena, pg_get_text(rows, 0, 1, NULL));
	return 0;
}

static int print(struct verb_run *v)
{
	struct buf out CLEANUP(buf_fini) = BUF_INIT(CLI_OUTPUT_BYTES_MAX);
	int r = load_days(v);

	if (r == 0)
		r = load_examples(v);
	if (r)
		return r;
	if (v->c->json)
		backtest_put_json(&v->report, &out);
	else
		backtest_put_text(&v->report, &out);
	cli_print(v->c, &out);
	return EXIT_DONE;
}

static int load_all(struct verb_run *v, const char *against)
{
	int r = load_against(v, against);

	if (r == 0)
		r = load_people(v);
	return r ? r : load_owners(v);
}

static int replay(struct verb_run *v, struct wall_time since, struct wall_time until)
{
	struct backtest_source new = {v->c->settings, v->directories[0], v->owners, v->n_owners};
	struct backtest_source old = {v->old, v->directories[1], v->owners, v->n_owners};
	int r;

	v->b = backtest_new(&new, v->old ? &old : NULL, since, until);
	v->report.b = v->b;
	v->report.old_sha256 = v->old ? v->old->sha256 : NULL;
	r = read_all(v);
	if (v->signal)
		return stopped(v);
	return r ? r : print(v);
}

/* One snapshot for everything; sorting gets memory, so that it needn't go through files so often. */
static int begin(struct cli *c)
{
	struct pg_error error = {0};

	if (pg_sync_script(c->db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL work_mem = '64MB'", &error) < 0)
		return cli_sql_error(&error);
	return 0;
}

int backtest_verb(struct cli *c, const struct args *a)
{
	struct verb_run v = {.c = c, .report = {.c = c, .new_name = base_name(c->config_path)}};
	const char *from = args_get(a, "--since");
	struct wall_time since, until;
	int r = cli_db(c);

	if (r == 0)
		r = cli_when(c, "--since", from ? from : "90d", -1, "00:00", &since);
	if (r == 0)
		r = cli_when(c, "--until", args_get(a, "--until") ? args_get(a, "--until") : "now", -1, "00:00", &until);
	if (r)
		return r;
	if (until.us <= since.us)
		return cli_fail(EXIT_USAGE_ERROR, args_get(a, "--until") ? "--until must be later than --since"
									 : "--since is still to come (90d is 90 days ago)");
	r = begin(c);
	if (r == 0)
		r = load_all(&v, args_get(a, "--against"));
	if (r == 0)
		r = replay(&v, since, until);
	backtest_free(v.b);
	directory_free(v.directories[0]);
	directory_free(v.directories[1]);
	settings_free(v.old);
	return r;
}
