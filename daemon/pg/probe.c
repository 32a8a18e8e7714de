/*
 * Does LISTEN deliver? Through PgBouncer in transaction mode it answers OK and delivers nothing.
 *
 * A NOTIFY sent over the listening connection itself proves nothing: a pooler passes it on with the answer, while the
 * server is still lent to us. So a second connection sends it, and we must hear it while idle.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/conn.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

#define PROBE_PREFIX "closeloop-probe:"
#define PROBE_TIMEOUT_US (5 * US_PER_S)

/* Calls back; the caller holds. */
static void probe_verdict(struct pg_conn *c, bool works)
{
	probe_cancel(c);
	log_line(works ? LOG_LEVEL_INFO : LOG_LEVEL_WARNING, "postgresql conn=%s listening=%s", c->o.label,
		 works ? "true" : "false");
	c->o.on_listening(c->o.arg, works);
}

static void probe_on_overdue(struct deadline *d)
{
	struct pg_conn *c = container_of(d, struct probe, overdue)->listener;

	conn_hold(c);
	probe_verdict(c, false);
	conn_release(c);
}

static void probe_on_sent(void *arg, const struct pg_error *error)
{
	struct pg_conn *c = arg;

	/* Lost: sent again when the sender is up again, unless the probe was cancelled. */
	if (!c->probe || (error && error->lost))
		return;
	deadline_arm(&c->probe->overdue, error ? 0 : PROBE_TIMEOUT_US);
	c->probe->sender = pg_conn_free(c->probe->sender);
}

static void probe_on_up(void *arg)
{
	static const struct pg_stmt stmt = {
		.name = "probe_notify",
		.sql = "select pg_notify($1, $2)",
		.n_params = 2,
		.params = {PG_TEXT, PG_TEXT},
	};
	struct pg_conn *c = arg;
	struct pg_batch *b = pg_batch_new(c->probe->sender);

	pg_batch_add(b, &stmt, &c->probe->params, NULL, NULL);
	pg_batch_send(b, PROBE_TIMEOUT_US, probe_on_sent, c);
}

void probe_start(struct pg_conn *c)
{
	struct pg_conn_options o = {
		.label = "probe",
		.conninfo = c->o.conninfo,
		.unprepared = true,
		.connect_timeout_us = c->o.connect_timeout_us,
		.on_up = probe_on_up,
		.arg = c,
	};
	struct uuid id = uuid_new();
	char text[UUID_TEXT_BYTES];
	struct probe *probe;

	if (!c->o.listen || !c->o.on_listening)
		return;
	probe = c->probe = xcalloc(1, sizeof(*probe));
	probe->listener = c;
	probe->arena = arena_new(512);
	probe->payload = arena_printf(probe->arena, PROBE_PREFIX "%s", uuid_text(&id, text));
	pg_params_init(&probe->params, probe->arena);
	pg_add_text(&probe->params, c->o.listen);
	pg_add_text(&probe->params, probe->payload);
	deadline_init(&probe->overdue, c->loop, "pg probe", probe_on_overdue);
	probe->sender = pg_conn_new(c->loop, &o);
}

void probe_cancel(struct pg_conn *c)
{
	struct probe *probe = TAKE(c->probe);

	if (!probe)
		return;
	deadline_disarm(&probe->overdue);
	pg_conn_free(probe->sender);
	arena_free(probe->arena);
	free(probe);
}

bool probe_takes(struct pg_conn *c, const char *payload)
{
	if (c->probe && !strcmp(payload, c->probe->payload)) {
		probe_verdict(c, true);
		return true;
	}
	return !strncmp(payload, PROBE_PREFIX, strlen(PROBE_PREFIX));
}
