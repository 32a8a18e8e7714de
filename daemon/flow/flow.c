/*
 * The flow's life: connections, the schema check, the heartbeat, stopping; see flow.h. Swapping configurations: reload.c.
 *
 *   work up ─▶ schema fits? ─▶ register, configuration live ─▶ directory ─▶ intake and courier run
 *                  └─ no: at the first start fatal, later every 5 s again
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/flow.h"
#include "base/log.h"
#include "flow/daemons_store.h"
#include "flow/directory_load.h"
#include "flow/inner.h"
#include "sql/schema.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEARTBEAT_US (15 * US_PER_S)
#define HEARTBEAT_EARLY_US (11 * US_PER_S) /* with an idle look that comes so late after the last one */
#define MORNINGS_US (45 * US_PER_S)        /* mornings are looked for once a minute */
#define CHANNEL "closeloop"
#define LINK_PAYLOAD "link"       /* of the NOTIFY of page_link_request() */
#define ANSWER_US (10 * US_PER_S) /* the time PostgreSQL has for the least of statements */
#define CHECK_AGAIN_US (5 * US_PER_S)
#define CRASH_DIVISOR 8 /* a daemon that died takes smaller batches when it comes back */

static void flow_check(struct flow *f);

/*
 * ---- heartbeat: still here, and what /metrics shows of the database ----
 *
 * A daemon that listens is known to be alive by the lock of its listening session (closeloop.daemon_is_alive), so an idle one
 * writes nothing; its row is written when something in it changed. One that can't listen writes it at every beat.
 */

static void on_beaten(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	f->beating = false;
	if (error)
		f->told.ruleset[0] = '\0';
	if (error && !error->lost)
		log_warning("heartbeat: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	if (!error)
		flow_reload_asked(f);
	/* It went up or down, or something was asked for, while the beat was under way. */
	if (!error && (f->told.listening != f->listening || f->beat_again))
		flow_beat(f);
}

void flow_beat(struct flow *f)
{
	struct pg_batch *b;

	f->beat_again = f->beating;
	if (f->beating || !f->work_ready || f->stopping || !pg_conn_is_up(f->outbox))
		return;
	f->beating = true;
	arena_reset(f->beat_arena);
	b = pg_batch_new(f->outbox);
	if (flow_has_news(f))
		flow_add_seen(f, b, f->beat_arena);
	flow_add_reload_look(f, b);
	stats_census_add(&f->stats, b);
	operators_add_look(f, b, f->beat_arena);
	pg_batch_send(b, 0, on_beaten, f);
}

/*
 * A link that takes everything and answers nothing. A statement may be slow, for a minute; this one, on the connection that does
 * nothing else, may not. Then all three are made anew.
 */
static void on_pinged(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;
	bool silence = error && error->lost && mono_now().us - f->pinged_at.us >= ANSWER_US;

	f->pinging = false;
	if (!silence || f->stopping)
		return;
	log_warning("PostgreSQL says nothing for %d s: connecting anew", (int)(ANSWER_US / US_PER_S));
	pg_conn_reset(f->work, "the server says nothing");
	pg_conn_reset(f->outbox, "the server says nothing");
}

static void flow_ping(struct flow *f)
{
	static const struct pg_stmt stmt = {"ping", "SELECT 1", 0, {0}};
	struct pg_batch *b;

	if (f->pinging || !pg_conn_is_up(f->listen))
		return;
	f->pinging = true;
	f->pinged_at = mono_now();
	b = pg_batch_new(f->listen);
	pg_batch_add(b, &stmt, NULL, NULL, NULL);
	pg_batch_send(b, ANSWER_US, on_pinged, f);
}

static void flow_pulse(struct flow *f)
{
	deadline_arm(&f->heartbeat, HEARTBEAT_US);
	f->beat_at = mono_now();
	if (!f->work_ready || f->stopping)
		return;
	if (mono_now().us - f->mornings_at.us >= MORNINGS_US) {
		f->mornings_at = mono_now();
		f->intake.between.due[BETWEEN_RELEASE] = true;
	}
	flow_beat(f);
	flow_ping(f);
}

static void on_heartbeat(struct deadline *d)
{
	struct flow *f = container_of(d, struct flow, heartbeat);

	/* With the next look; one that somebody waits for comes with a NOTIFY. */
	f->intake.between.due[BETWEEN_NOTICES] = f->intake.between.due[BETWEEN_RELEASE] = true;
	f->intake.between.due[BETWEEN_LINKS] = true;
	flow_pulse(f);
}

void flow_idle_look(struct flow *f)
{
	if (!deadline_is_armed(&f->heartbeat) || mono_now().us - f->beat_at.us < HEARTBEAT_EARLY_US)
		return;
	f->intake.between.held_too = true; /* the look under way asks for notices itself */
	flow_pulse(f);
}

/* ---- the way to readiness ---- */

static void flow_start_work(struct flow *f)
{
	f->work_ready = true;
	intake_run_start(&f->intake);
	if (pg_conn_is_up(f->outbox)) {
		courier_up(&f->courier);
		flow_beat(f);
	}
	deadline_arm(&f->heartbeat, HEARTBEAT_US);
	log_info("ready: instance=%s rules=%d ruleset=%.7s", f->live->settings->instance, f->live->settings->n_rules,
		 f->live->settings->sha256);
}

static void on_directory(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	if (error) {
		if (!error->lost)
			deadline_arm(&f->retry_check, CHECK_AGAIN_US);
		return;
	}
	flow_start_work(f);
}

/* Rows of daemons of this host that ended without a goodbye: pid gone. */
static void on_predecessors(void *arg, const struct pg_rows *rows)
{
	struct flow *f = arg;
	struct pg_params *p = arena_new_obj(f->arena, struct pg_params);
	struct pg_array ids;
	struct pg_batch *b;

	pg_array_init(&ids, f->arena, PG_TEXT);
	for (int i = 0; i < pg_count(rows); i++) {
		pid_t pid = (pid_t)pg_get_int4(rows, i, 1);
		int limit = pg_get_int4(rows, i, 2);

		if (strcmp(pg_get_text(rows, i, 0, NULL), f->daemon_id) == 0 || pid <= 0 ||
		    (pid != getpid() && (kill(pid, 0) == 0 || errno == EPERM)))
			continue;
		pg_array_text(&ids, pg_get_text(rows, i, 0, NULL));
		if (limit > 0)
			f->batch_limit = MIN(f->batch_limit, MAX(limit / CRASH_DIVISOR, 1));
	}
	if (ids.count > 0)
		log_warning("%d earlier daemon(s) of this host ended without a goodbye: starting with batches of %d", ids.count,
			    f->batch_limit);
	pg_params_init(p, f->arena);
	pg_add_array(p, &ids);
	b = pg_batch_new(f->work);
	pg_batch_add(b, &daemons_gone, p, NULL, NULL);
	pg_batch_send(b, 0, NULL, NULL);
}

static void on_registered(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	if (!error) {
		live_forget(f->live);
		directory_load(f->work, f->live, on_directory, f);
		return;
	}
	if (!error->lost) {
		log_error("cannot register: sqlstate=%s %s", error->sqlstate, error->message);
		snprintf(f->unfit, sizeof(f->unfit), "cannot register with the database: %.250s", error->message);
		deadline_arm(&f->retry_check, CHECK_AGAIN_US);
	}
}

/* In two steps: what earlier daemons left decides the batch size that is registered, before anything is claimed. */
static void on_predecessors_done(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;
	struct pg_batch *b;

	if (error) {
		on_registered(f, error);
		return;
	}
	b = pg_batch_new(f->work);
	flow_add_ruleset(f, b, f->arena);
	flow_add_seen(f, b, f->arena);
	pg_batch_send(b, 0, on_registered, f);
}

static void flow_register(struct flow *f)
{
	struct pg_params *p;
	struct pg_batch *b = pg_batch_new(f->work);
	char host[64] = "";

	gethostname(host, sizeof(host) - 1);
	arena_reset(f->arena);
	p = arena_new_obj(f->arena, struct pg_params);
	pg_params_init(p, f->arena);
	pg_add_text(p, host);
	pg_batch_add(b, &daemons_of_host, p, on_predecessors, f);
	pg_batch_send(b, 0, on_predecessors_done, f);
}

static void flow_is_unfit(struct flow *f, const char *why, bool fatal)
{
	snprintf(f->unfit, sizeof(f->unfit), "%s", why);
	f->fit = false;
	log_error("database does not fit: %s", why);
	if (fatal && !f->fit_once && f->options.on_unfit)
		f->options.on_unfit(f->options.arg, why);
	else
		deadline_arm(&f->retry_check, CHECK_AGAIN_US);
}

static void on_schema(void *arg, const struct pg_rows *rows)
{
	struct flow *f = arg;

	f->schema = schema_judge(rows, NULL, f->live->settings->instance, f->arena, &f->schema_why);
}

static void on_checked(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	if (error && error->lost)
		return;
	if (error)
		f->schema = schema_judge(NULL, error, f->live->settings->instance, f->arena, &f->schema_why);
	if (f->schema != SCHEMA_FITS) {
		flow_is_unfit(f, f->schema_why, f->schema != SCHEMA_UNKNOWN);
		return;
	}
	f->fit = f->fit_once = true;
	f->unfit[0] = '\0';
	flow_register(f);
}

static void flow_check(struct flow *f)
{
	struct pg_batch *b = pg_batch_new(f->work);

	arena_reset(f->arena);
	pg_batch_add(b, &schema_stmt, NULL, on_schema, f);
	pg_batch_send(b, 0, on_checked, f);
}

static void on_check_again(struct deadline *d)
{
	struct flow *f = container_of(d, struct flow, retry_check);

	if (pg_conn_is_up(f->work) && !f->work_ready && !f->stopping)
		flow_check(f);
}

/* ---- connections ---- */

/* One is up again: the others needn't wait for the end of a back-off. */
static void hurry_others(struct flow *f)
{
	pg_conn_hurry(f->work);
	pg_conn_hurry(f->outbox);
	pg_conn_hurry(f->listen);
}

static void on_work_up(void *arg)
{
	struct flow *f = arg;

	hurry_others(f);
	f->hear_due = f->may_hear;
	if (!f->stopping)
		flow_check(f);
}

static void on_work_down(void *arg, const struct pg_error *why)
{
	struct flow *f = arg;

	f->work_ready = false;
	deadline_disarm(&f->retry_check);
	intake_run_lost(&f->intake);
}

static void on_outbox_up(void *arg)
{
	struct flow *f = arg;

	hurry_others(f);
	if (f->work_ready)
		courier_up(&f->courier);
}

static void on_outbox_down(void *arg, const struct pg_error *why)
{
	struct flow *f = arg;

	courier_lost(&f->courier);
}

/* LISTEN first, then look: what came before is in the table. */
static void flow_look(struct flow *f)
{
	intake_run_between(&f->intake, BETWEEN_LINKS);
	intake_run_between(&f->intake, BETWEEN_NOTICES);
	courier_kick(&f->courier);
}

static void on_listen_up(void *arg)
{
	struct flow *f = arg;

	hurry_others(f);
	flow_look(f);
}

/*
 * Once LISTEN is known to work, the session that claims listens itself and the listening one ends it: for a lone response
 * PostgreSQL wakes one session instead of two, and the claim finds it awake. Not inside a batch: a LISTEN would be rolled back
 * with it. While the working session is lost nobody listens and nothing can be claimed; what came meanwhile is looked for.
 */
static void on_work_listens(void *arg, const struct pg_error *error)
{
	static const struct pg_stmt stmt = {"unlisten", "UNLISTEN " CHANNEL, 0, {0}};
	struct flow *f = arg;
	struct pg_batch *b;

	if (error) { /* lost: it is due again when the connection is up */
		if (!error->lost)
			log_warning("LISTEN: sqlstate=%s %s", error->sqlstate, error->message);
		f->hear_due |= !error->lost;
		return;
	}
	flow_look(f);
	if (!pg_conn_is_up(f->listen))
		return;
	b = pg_batch_new(f->listen);
	pg_batch_add(b, &stmt, NULL, NULL, NULL);
	pg_batch_send(b, 0, NULL, NULL);
}

void flow_hear(struct flow *f)
{
	static const struct pg_stmt stmt = {"listen", "LISTEN " CHANNEL, 0, {0}};
	struct pg_batch *b;

	if (!f->hear_due || !f->work_ready || f->stopping || !intake_run_is_idle(&f->intake))
		return;
	f->hear_due = false;
	b = pg_batch_new(f->work);
	pg_batch_add(b, &stmt, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_work_listens, f);
}

static void flow_listens(struct flow *f, bool listens)
{
	f->listening = listens;
	flow_beat(f);
}

static void on_listen_down(void *arg, const struct pg_error *why)
{
	struct flow *f = arg;

	flow_listens(f, false);
}

static void on_held(void *arg, const struct pg_rows *rows)
{
	struct flow *f = arg;

	flow_listens(f, pg_get_bool(rows, 0, 0));
}

static void on_hold_done(void *arg, const struct pg_error *error)
{
	if (error && !error->lost)
		log_warning("cannot show that we are alive by a lock, the heartbeat does: sqlstate=%s %s", error->sqlstate,
			    error->message);
}

/* Where notifications arrive, the session is ours alone: its end is the daemon's. */
static void on_listening(void *arg, bool works)
{
	struct flow *f = arg;
	struct pg_params *p;
	struct pg_batch *b;

	f->hear_due = f->may_hear = works && f->same_way;
	if (!works) {
		log_warning("LISTEN delivers nothing here (a pooler in transaction mode?): looking every 4 s instead");
		flow_listens(f, false);
		return;
	}
	arena_reset(f->hold_arena);
	p = arena_new_obj(f->hold_arena, struct pg_params);
	pg_params_init(p, f->hold_arena);
	pg_add_text(p, f->daemon_id);
	b = pg_batch_new(f->listen);
	pg_batch_add(b, &daemons_hold, p, on_held, f);
	pg_batch_send(b, 0, on_hold_done, f);
}

void flow_look_everywhere(struct flow *f)
{
	intake_run_between(&f->intake, BETWEEN_NOTICES);
	followup_hint(&f->followup);
	courier_hint(&f->courier);
}

static void on_notify(void *arg, const char *payload)
{
	struct flow *f = arg;

	if (strncmp(payload, RELOAD_PAYLOAD, strlen(RELOAD_PAYLOAD)) == 0) {
		flow_beat(f); /* it looks who asked */
		return;
	}
	if (strcmp(payload, LINK_PAYLOAD) == 0) {
		intake_run_between(&f->intake, BETWEEN_LINKS);
		return;
	}
	if (*payload)
		flow_look_everywhere(f);
	else
		intake_run_hint(&f->intake);
}

/* ---- end ---- */

static void flow_stopped(struct flow *f)
{
	f->stopped = true;
	deadline_disarm(&f->stop_by);
	f->options.on_stopped(f->options.arg);
}

static void on_goodbye(void *arg, const struct pg_error *error)
{
	struct flow *f = arg;

	if (!f->stopped)
		flow_stopped(f);
}

void flow_progress(struct flow *f)
{
	struct pg_params *p;
	struct pg_batch *b;

	if (!f->stopping || f->saying_goodbye || !intake_run_is_idle(&f->intake) || !courier_is_idle(&f->courier))
		return;
	f->saying_goodbye = true;
	if (!pg_conn_is_up(f->outbox) || !f->fit) {
		deadline_arm(&f->stop_by, 0);
		return;
	}
	p = arena_new_obj(f->beat_arena, struct pg_params); /* beside a heartbeat that may be under way */
	pg_params_init(p, f->beat_arena);
	pg_add_text(p, f->daemon_id);
	b = pg_batch_new(f->outbox);
	pg_batch_add(b, &daemons_stopped, p, NULL, NULL);
	pg_batch_send(b, US_PER_S, on_goodbye, f);
}

static void on_stop_by(struct deadline *d)
{
	struct flow *f = container_of(d, struct flow, stop_by);

	if (f->stopped)
		return;
	if (!f->saying_goodbye)
		log_warning("stopping: %d message(s) still in flight are left to their leases",
			    channel_in_flight(f->courier.channel));
	flow_stopped(f);
}

void flow_stop(struct flow *f, int64_t grace_us)
{
	if (f->stopping)
		return;
	f->stopping = true;
	deadline_disarm(&f->heartbeat);
	deadline_disarm(&f->retry_check);
	deadline_arm(&f->stop_by, grace_us);
	intake_run_stop(&f->intake);
	followup_stop(&f->followup);
	courier_stop(&f->courier, grace_us - US_PER_S);
	flow_progress(f);
}

/*
 * Every statement has its index. A plan made while a table is empty (a new installation, all rows purged) would scan it, and
 * is kept: the checks of foreign keys then cost more with every row. A plan that has to scan nevertheless counts as dear,
 * which must not make it worth compiling.
 * A daemon that is cut off in the middle of a batch leaves a transaction that holds its inbox rows: PostgreSQL ends it, so that
 * another daemon gets them.
 */
static const char session_sql[] = "SET enable_seqscan = off; SET enable_memoize = off; SET jit = off;"
				  " SET enable_hashjoin = off; SET enable_mergejoin = off;"
				  " SET plan_cache_mode = force_generic_plan;"
				  " SET idle_in_transaction_session_timeout = '15s'";

/* A machine that lost its power says no goodbye: within half a minute PostgreSQL ends its session, and with it the lock. */
static const char listen_sql[] = "SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3";

struct flow *flow_new(const struct flow_options *o)
{
	const struct settings *s = o->live->settings;
	struct flow *f = xcalloc(1, sizeof(*f));
	struct pg_conn_options c = {.arg = f, .conninfo = s->conninfo, .setup_sql = session_sql};
	char host[64] = "";

	f->loop = o->loop;
	f->live = o->live;
	live_gather(f->live, &f->past_stmts);
	f->options = *o;
	f->batch_limit = INTAKE_BATCH_MAX;
	f->stats.reload_ok = true;
	f->reload.seen = f->reload.taken = -1;
	f->arena = arena_new(0);
	f->beat_arena = arena_new(0);
	f->hold_arena = arena_new(0);
	gethostname(host, sizeof(host) - 1);
	snprintf(f->daemon_id, sizeof(f->daemon_id), "%s:%d:%lld", host, (int)getpid(), (long long)(wall_now().us / US_PER_S));
	deadline_init(&f->retry_check, f->loop, "check the schema again", on_check_again);
	deadline_init(&f->heartbeat, f->loop, "heartbeat", on_heartbeat);
	deadline_init(&f->stop_by, f->loop, "stop", on_stop_by);
	intake_run_init(&f->intake, f);
	courier_init(&f->courier, f);
	followup_init(&f->followup, f);
	f->release = release_new(f);
	c.label = "work";
	c.on_notify = on_notify;
	c.on_up = on_work_up;
	c.on_down = on_work_down;
	f->work = pg_conn_new(f->loop, &c);
	c.label = "outbox";
	c.on_notify = NULL;
	c.on_up = on_outbox_up;
	c.on_down = on_outbox_down;
	f->outbox = pg_conn_new(f->loop, &c);
	c.label = "listen";
	f->same_way = !s->listen_conninfo;
	c.conninfo = f->same_way ? s->conninfo : s->listen_conninfo;
	c.listen = CHANNEL;
	c.setup_sql = listen_sql;
	c.on_up = on_listen_up;
	c.on_down = on_listen_down;
	c.on_notify = on_notify;
	c.on_listening = on_listening;
	f->listen = pg_conn_new(f->loop, &c);
	return f;
}

struct flow *flow_free(struct flow *f)
{
	if (!f)
		return NULL;
	f->stopping = f->saying_goodbye = true;
	f->listen = pg_conn_free(f->listen);
	f->work = pg_conn_free(f->work);
	f->outbox = pg_conn_free(f->outbox);
	courier_fini(&f->courier);
	intake_run_fini(&f->intake);
	followup_fini(&f->followup);
	f->release = release_free(f->release);
	deadline_disarm(&f->retry_check);
	deadline_disarm(&f->heartbeat);
	deadline_disarm(&f->stop_by);
	live_free(f->next_live);
	live_free(f->live);
	f->past_stmts = past_stmts_free(f->past_stmts);
	stats_fini(&f->stats);
	arena_free(f->arena);
	arena_free(f->beat_arena);
	arena_free(f->hold_arena);
	free(f->config_error);
	free(f);
	return NULL;
}

bool flow_is_ready(const struct flow *f, const char **ret_why)
{
	*ret_why = NULL;
	if (f->stopping)
		*ret_why = "stopping";
	else if (!pg_conn_is_up(f->work) || !pg_conn_is_up(f->outbox))
		*ret_why = "no connection to the database";
	else if (!f->fit)
		*ret_why = f->unfit[0] ? f->unfit : "the schema is being checked";
	else if (!f->work_ready)
		*ret_why = "starting";
	return *ret_why == NULL;
}

void flow_metrics(const struct flow *f, struct buf *out)
{
	const struct stats_context c = {f->live->settings, pg_conn_is_up(f->work)};

	stats_write(&f->stats, &c, out);
}

void flow_status(const struct flow *f, struct buf *out)
{
	const char *why;

	if (!flow_is_ready(f, &why))
		buf_puts(out, why);
	else
		buf_printf(out, "%s, %lld responses waiting, rules %.7s", f->listening ? "listening" : "polling",
			   (long long)f->stats.inbox_rows, f->live->settings->sha256);
	if (f->config_error)
		buf_puts(out, "; the rules on disk are broken, these stay");
}
