/*
 * A connection that keeps itself up.
 *
 *   WAITING ─▶ RESOLVING ─▶ CONNECTING ─▶ SETUP ─▶ UP ─▶ DROPPING ─┐
 *      ▲            └─────────────┴──────────┴───────┴─────────────┴─ conn_lost()
 *      └── back-off ──────────────────────────────────────────────────────┘
 *
 * conn_enter() is the only writer of state. Callbacks may free the connection, so whoever calls back holds `depth`
 * (conn_hold, conn_release) and looks at `state` and `freed` again afterwards.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/conn.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define CONNECT_TIMEOUT_US (10 * US_PER_S)
#define BACKOFF_FIRST_US (US_PER_S / 2)
#define BACKOFF_MAX_US (10 * US_PER_S) /* it costs a server little, and who waits for it much */
#define BACKOFF_LEAST_US (50 * US_PER_MS)
#define HURRY_US (250 * US_PER_MS)
#define STEADY_US (10 * US_PER_S)

void conn_hold(struct pg_conn *c)
{
	c->depth++;
}

void conn_release(struct pg_conn *c)
{
	if (--c->depth > 0 || !c->freed)
		return;
	free((void *)c->o.label);
	free((void *)c->o.conninfo);
	free((void *)c->o.listen);
	free((void *)c->o.setup_sql);
	free(c->prepared);
	free(c);
}

/* Full jitter (0 .. cap), so that many daemons don't come back as one. */
static int64_t jitter_us(int64_t cap)
{
	uint64_t random = 0;

	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != sizeof(random))
		random = (uint64_t)mono_now().us;
	return MAX((int64_t)(random % (uint64_t)cap), BACKOFF_LEAST_US);
}

static int64_t conn_backoff_us(struct pg_conn *c)
{
	int64_t cap = MIN(BACKOFF_FIRST_US << MIN(c->attempts, 10), BACKOFF_MAX_US);

	c->attempts++;
	return jitter_us(cap);
}

static int64_t conn_timeout_us(const struct pg_conn *c)
{
	if (c->o.connect_timeout_us)
		return c->o.connect_timeout_us;
	return c->info && c->info->connect_timeout_us ? c->info->connect_timeout_us : CONNECT_TIMEOUT_US;
}

static void conn_enter(struct pg_conn *c, enum conn_state state)
{
	static const char *const names[] = {"waiting", "resolving", "connecting", "setup", "up", "dropping"};
	int64_t in_us;

	log_debug("postgresql conn=%s from=%s to=%s", c->o.label, names[c->state], names[state]);
	c->state = state;
	switch (state) {
	case CONN_WAITING:
		in_us = conn_backoff_us(c);
		log_warning("postgresql conn=%s down sqlstate=%s again_in_ms=%lld %s", c->o.label,
			    c->trouble.sqlstate[0] ? c->trouble.sqlstate : "-", (long long)(in_us / US_PER_MS),
			    c->trouble.message);
		deadline_arm(&c->deadline, in_us);
		break;
	case CONN_RESOLVING: deadline_arm(&c->deadline, conn_timeout_us(c)); break;
	case CONN_CONNECTING: deadline_arm(&c->deadline, conn_timeout_us(c)); break;
	case CONN_SETUP: break; /* the deadline of the attempt goes on */
	case CONN_UP:
		deadline_disarm(&c->deadline);
		c->up_since = mono_now();
		c->trouble = (struct pg_error){0};
		break;
	case CONN_DROPPING: deadline_arm(&c->deadline, 0); break;
	}
}

/* ---- watching the socket ---- */

static void conn_watch(struct pg_conn *c, int events)
{
	if (events == c->watched)
		return;
	ev_io_stop(loop_ev(c->loop), &c->io);
	c->watched = events;
	if (!events)
		return;
	ev_io_set(&c->io, PQsocket(c->pg), events);
	ev_io_start(loop_ev(c->loop), &c->io);
}

void conn_flush(struct pg_conn *c)
{
	struct pg_error error;
	int r = PQflush(c->pg);

	if (r < 0) {
		pg_error_from_conn(&error, c->pg);
		conn_drop(c, &error);
		return;
	}
	/* While something is unsent the server may itself be waiting for us to read. */
	conn_watch(c, r > 0 ? EV_READ | EV_WRITE : EV_READ);
}

/* ---- going down ---- */

static void conn_close(struct pg_conn *c)
{
	conn_watch(c, 0);
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	c->n_prepared = 0;
	c->resolve = resolve_cancel(c->resolve);
	c->info = conninfo_free(c->info);
	probe_cancel(c);
}

/* Calls back; the caller holds. */
static void conn_lost(struct pg_conn *c, const struct pg_error *why)
{
	bool was_up = c->up_since.us != 0;
	struct pg_error error = *why; /* may be c->trouble, or of a connection about to be closed */

	if (was_up && mono_now().us - c->up_since.us >= STEADY_US)
		c->attempts = 0;
	c->up_since.us = 0;
	c->trouble = error;
	conn_close(c);
	conn_enter(c, CONN_WAITING);
	batches_fail(c, &error);
	batches_bury(c);
	if (was_up && !c->freed && c->o.on_down)
		c->o.on_down(c->o.arg, &error);
}

static void conn_lost_by_libpq(struct pg_conn *c)
{
	struct pg_error error;

	pg_error_from_conn(&error, c->pg);
	if (c->farewell.message[0])
		error = c->farewell;
	error.lost = true;
	conn_lost(c, &error);
}

void conn_note_farewell(struct pg_conn *c, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity && (!strcmp(severity, "FATAL") || !strcmp(severity, "PANIC")))
		pg_error_from_result(&c->farewell, result, NULL);
}

/* What comes between statements, the farewell among it. NOTICEs are nobody's business. */
static void conn_on_notice(void *arg, const PGresult *result)
{
	conn_note_farewell(arg, result);
}

void conn_drop(struct pg_conn *c, const struct pg_error *why)
{
	if (c->state == CONN_DROPPING)
		return;
	c->trouble = *why;
	c->trouble.lost = true;
	conn_watch(c, 0);
	conn_enter(c, CONN_DROPPING);
}

/* ---- up ---- */

static void conn_drain_notifies(struct pg_conn *c)
{
	PGnotify *n;

	while (!c->freed && c->state == CONN_UP && (n = PQnotifies(c->pg))) {
		if (!probe_takes(c, n->extra) && c->o.on_notify)
			c->o.on_notify(c->o.arg, n->extra);
		PQfreemem(n);
	}
}

static void conn_drain_results(struct pg_conn *c)
{
	int nothing = 0; /* a NULL ends the results of each statement; two in a row are the end of all */

	while (!c->freed && c->state == CONN_UP && !list_empty(&c->batches) && nothing < 2 && !PQisBusy(c->pg)) {
		PGresult *result = PQgetResult(c->pg);
		bool sense = true;

		nothing = result ? 0 : nothing + 1;
		if (result)
			sense = batch_take(c, result);
		PQclear(result);
		/* A lost connection makes up results of its own. */
		if (!sense && !c->freed && c->state == CONN_UP && PQstatus(c->pg) == CONNECTION_OK) {
			struct pg_error error;

			pg_error_set_lost(&error, "unexpected answer from the server");
			conn_drop(c, &error);
		} else if (c->read_only && !c->freed && c->state == CONN_UP) {
			struct pg_error error;

			/* A session keeps the setting it began with, and a standby stays one: only a new session can do better. */
			c->read_only = false;
			pg_error_set_lost(&error, "the session is read-only");
			conn_drop(c, &error);
		}
	}
}

static void conn_step_up(struct pg_conn *c, int events)
{
	bool alive = !(events & EV_READ) || PQconsumeInput(c->pg);

	conn_drain_notifies(c);
	if (!c->freed && c->state == CONN_UP)
		conn_drain_results(c);
	conn_drain_notifies(c); /* those that came with a result */
	if (c->freed || c->state != CONN_UP)
		return;
	if (!alive || PQstatus(c->pg) != CONNECTION_OK)
		conn_lost_by_libpq(c);
	else
		conn_flush(c);
}

static void conn_go_up(struct pg_conn *c)
{
	PQenterPipelineMode(c->pg);
	conn_enter(c, CONN_UP);
	conn_watch(c, EV_READ);
	log_info("postgresql conn=%s up server_version=%d", c->o.label, PQserverVersion(c->pg));
	probe_start(c);
	if (c->o.on_up)
		c->o.on_up(c->o.arg);
	conn_drain_notifies(c);
}

/* ---- connecting ---- */

static void conn_step_setup(struct pg_conn *c)
{
	bool alive = PQconsumeInput(c->pg);
	PGresult *result;

	while (!PQisBusy(c->pg)) {
		result = PQgetResult(c->pg);
		if (!result) {
			struct pg_error error = c->trouble;

			if (c->setup_failed)
				conn_lost(c, &error);
			else
				conn_go_up(c);
			return;
		}
		if (PQresultStatus(result) == PGRES_FATAL_ERROR && !c->setup_failed) {
			conn_note_farewell(c, result);
			pg_error_from_result(&c->trouble, result, "setup");
			c->setup_failed = true;
		}
		PQclear(result);
	}
	if (!alive)
		conn_lost_by_libpq(c);
	else
		conn_flush(c);
}

/* setup_sql and LISTEN as one simple query: several statements, and nothing prepared yet. */
static void conn_start_setup(struct pg_conn *c)
{
	struct buf sql CLEANUP(buf_fini) = BUF_INIT(64 * 1024);
	char *channel;

	PQsetnonblocking(c->pg, 1);
	PQsetNoticeReceiver(c->pg, conn_on_notice, c);
	PQsetErrorVerbosity(c->pg, PQERRORS_TERSE);
	if (c->o.setup_sql)
		buf_printf(&sql, "%s;", c->o.setup_sql);
	if (c->o.listen) {
		channel = PQescapeIdentifier(c->pg, c->o.listen, strlen(c->o.listen));
		buf_printf(&sql, "listen %s;", channel ? channel : "");
		PQfreemem(channel);
	}
	if (!sql.n) {
		conn_go_up(c);
		return;
	}
	c->setup_failed = false;
	conn_enter(c, CONN_SETUP);
	if (PQsendQuery(c->pg, buf_str(&sql)))
		conn_flush(c);
	else
		conn_lost_by_libpq(c);
}

static void conn_step_connecting(struct pg_conn *c)
{
	PostgresPollingStatusType next;

	/* PQconnectPoll() may close the socket and open another with the same number. */
	conn_watch(c, 0);
	next = PQconnectPoll(c->pg);
	switch (next) {
	case PGRES_POLLING_READING: conn_watch(c, EV_READ); return;
	case PGRES_POLLING_WRITING: conn_watch(c, EV_WRITE); return;
	case PGRES_POLLING_OK: conn_start_setup(c); return;
	default: conn_lost_by_libpq(c); return;
	}
}

static bool same_endpoint(const struct endpoint *e, const struct endpoint *stuck)
{
	return !strcmp(*e->hostaddr ? e->hostaddr : e->host, stuck->host) && !strcmp(e->port, stuck->port);
}

/* The server that kept us waiting the last time comes last. */
static int first_endpoint(const struct pg_conn *c, const struct endpoint *endpoints, int n)
{
	for (int i = 0; c->stuck.host && i < n; i++)
		if (same_endpoint(&endpoints[i], &c->stuck))
			return (i + 1) % n;
	return 0;
}

static void conn_connect(struct pg_conn *c, const struct endpoint *endpoints, int n)
{
	struct conninfo *info = c->info;

	if (n > 0 && (n > 1 || endpoint_needs_lookup(&info->endpoints[0])))
		conninfo_use(info, endpoints, n, first_endpoint(c, endpoints, n));
	conn_enter(c, CONN_CONNECTING);
	c->farewell = (struct pg_error){0};
	c->read_only = false;
	c->pg = PQconnectStartParams(info->keywords, info->values, 1);
	c->info = conninfo_free(info);
	if (!c->pg || PQstatus(c->pg) == CONNECTION_BAD || PQsocket(c->pg) < 0)
		conn_lost_by_libpq(c);
	else
		conn_watch(c, EV_WRITE);
}

static void conn_on_resolved(void *arg, const struct endpoint *found, int n, const char *error)
{
	struct pg_conn *c = arg;
	struct pg_error why;

	c->resolve = NULL; /* frees itself after this */
	conn_hold(c);
	if (n > 0) {
		conn_connect(c, found, n);
	} else {
		pg_error_set_lost(&why, error ? error : "no address found");
		conn_lost(c, &why);
	}
	conn_release(c);
}

static void conn_start(struct pg_conn *c)
{
	struct pg_error error;
	bool lookup = false;

	c->info = conninfo_new(c->o.conninfo);
	for (int i = 0; i < c->info->n_endpoints; i++)
		lookup |= endpoint_needs_lookup(&c->info->endpoints[i]);
	if (!lookup) {
		conn_connect(c, c->info->endpoints, c->info->n_endpoints);
		return;
	}
	conn_enter(c, CONN_RESOLVING);
	c->resolve = resolve_start(c->loop, c->info, conn_on_resolved, c);
	if (!c->resolve) {
		pg_error_set_lost(&error, "no thread for looking up names");
		conn_lost(c, &error);
	}
}

static void conn_note_stuck(struct pg_conn *c)
{
	snprintf(c->stuck_text[0], sizeof(c->stuck_text[0]), "%s", PQhostaddr(c->pg));
	snprintf(c->stuck_text[1], sizeof(c->stuck_text[1]), "%s", PQport(c->pg));
	c->stuck = (struct endpoint){.host = c->stuck_text[0], .port = c->stuck_text[1]};
}

static void conn_on_deadline(struct deadline *d)
{
	struct pg_conn *c = container_of(d, struct pg_conn, deadline);
	struct pg_error error;

	conn_hold(c);
	switch (c->state) {
	case CONN_WAITING: conn_start(c); break;
	case CONN_RESOLVING:
		/* getaddrinfo() can't be stopped, only awaited; a second thread would wait just as long. */
		pg_error_set_lost(&c->trouble, "looking up the host name takes long");
		log_warning("postgresql conn=%s error=\"%s\"", c->o.label, c->trouble.message);
		break;
	case CONN_CONNECTING:
	case CONN_SETUP:
		conn_note_stuck(c);
		pg_error_set_lost(&error, "the server did not answer in time");
		conn_lost(c, &error);
		break;
	case CONN_DROPPING: conn_lost(c, &c->trouble); break;
	case CONN_UP: break;
	}
	conn_release(c);
}

static void conn_on_io(struct ev_loop *ev, ev_io *w, int revents)
{
	struct pg_conn *c = container_of(w, struct pg_conn, io);

	conn_hold(c);
	switch (c->state) {
	case CONN_CONNECTING: conn_step_connecting(c); break;
	case CONN_SETUP: conn_step_setup(c); break;
	case CONN_UP: conn_step_up(c, revents); break;
	case CONN_WAITING:
	case CONN_RESOLVING:
	case CONN_DROPPING: break;
	}
	conn_release(c);
}

static void conn_on_bury(struct deadline *d)
{
	struct pg_conn *c = container_of(d, struct pg_conn, bury);

	conn_hold(c);
	batches_bury(c);
	conn_release(c);
}

/* ---- the interface ---- */

struct pg_conn *pg_conn_new(struct loop *l, const struct pg_conn_options *o)
{
	struct pg_conn *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->o = *o;
	c->o.label = xstrdup(o->label ? o->label : "pg");
	c->o.conninfo = xstrdup(o->conninfo ? o->conninfo : "");
	c->o.listen = o->listen ? xstrdup(o->listen) : NULL;
	c->o.setup_sql = o->setup_sql ? xstrdup(o->setup_sql) : NULL;
	list_init(&c->batches);
	list_init(&c->stillborn);
	list_init(&c->burying);
	ev_init(&c->io, conn_on_io);
	if (o->patient)
		ev_set_priority(&c->io, EV_MINPRI);
	deadline_init(&c->bury, l, "pg bury", conn_on_bury);
	deadline_init(&c->deadline, l, "pg conn", conn_on_deadline);
	deadline_arm(&c->deadline, 0);
	return c;
}

struct pg_conn *pg_conn_free(struct pg_conn *c)
{
	struct pg_error error;

	if (!c || c->freed)
		return NULL;
	conn_hold(c);
	c->freed = true;
	conn_close(c);
	deadline_disarm(&c->deadline);
	c->state = CONN_WAITING;
	pg_error_set_lost(&error, "the connection was closed");
	batches_fail(c, &error);
	while (!list_empty(&c->stillborn) || !list_empty(&c->burying))
		batches_bury(c);
	conn_release(c);
	return NULL;
}

bool pg_conn_is_up(const struct pg_conn *c)
{
	return c->state == CONN_UP;
}

const char *pg_conn_trouble(const struct pg_conn *c)
{
	return c->trouble.message;
}

void pg_conn_reset(struct pg_conn *c, const char *why)
{
	struct pg_error error;

	pg_error_set_lost(&error, why);
	if (c->state == CONN_UP || c->state == CONN_SETUP || c->state == CONN_CONNECTING)
		conn_drop(c, &error);
}

void pg_conn_hurry(struct pg_conn *c)
{
	if (c->state == CONN_WAITING && c->attempts > 0 && deadline_is_armed(&c->deadline))
		deadline_arm(&c->deadline, jitter_us(HURRY_US));
}
