/*
 * The flow: joins the six stages, and is the only one that begins and commits.
 *
 *   listen ──NOTIFY──▶ intake_run ── judge ── one commit ──▶ courier ── channel ──▶ settle
 *   (connection 1)     (connection 2, pipeline)              (connection 3)
 *
 * Where LISTEN works on the way that the others take, connection 2 listens itself, and connection 1 says that we are alive.
 *
 * PostgreSQL may go away and come back at any time: every connection backs off and goes on; nothing here exits. Work
 * under way is rows in PostgreSQL, so whatever is lost in memory is found there again.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_FLOW_H
#define FLOW_FLOW_H

#include "base/buf.h"
#include "flow/live.h"
#include "loop/loop.h"

struct flow;

struct flow_options {
	struct loop *loop;
	struct live *live;             /* taken */
	const char *path;              /* of the file that it came from, and that a reload reads */
	void (*on_stopped)(void *arg); /* everything in flight is settled or released; once, after flow_stop() */
	/* At start a schema that doesn't fit is fatal: called once with a sentence, before anything was done. */
	void (*on_unfit)(void *arg, const char *why);
	void *arg;
};

struct flow *flow_new(const struct flow_options *o);
/*
 * flow_reload() - reads the configuration file
 * A good one is live from the next batch on. With mistakes in it the old one stays; they are logged, and the first stands in our row
 * of daemons until a good file comes. Also done when somebody asks for it over the database.
 */
void flow_reload(struct flow *f);
/* Finishes or releases what is in flight, at most until grace_us from now. */
void flow_stop(struct flow *f, int64_t grace_us);
struct flow *flow_free(struct flow *f);

/* For /readyz: database up, schema right, listening or polling. false with a sentence in *ret_why. */
bool flow_is_ready(const struct flow *f, const char **ret_why);
/* For /metrics. */
void flow_metrics(const struct flow *f, struct buf *out);
/* One line for STATUS=: "listening, 12 alerts today". */
void flow_status(const struct flow *f, struct buf *out);

#endif
