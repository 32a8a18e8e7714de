/*
 * The flow: joins the six stages, and is the only one that begins and commits.
 *
 *   listen ──NOTIFY──▶ intake_run ── judge ── one commit ──▶ courier ── channel ──▶ settle
 *   (connection 1)     (connection 2, pipeline)              (connection 3)
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
	void (*on_stopped)(void *arg); /* everything in flight is settled or released; once, after flow_stop() */
	/* At start a schema that doesn't fit is fatal: called once with a sentence, before anything was done. */
	void (*on_unfit)(void *arg, const char *why);
	/* Somebody asks over the database: read the configuration and flow_reload(). */
	void (*on_reload)(void *arg);
	void *arg;
};

struct flow *flow_new(const struct flow_options *o);
/*
 * flow_reload() - takes the new configuration; it is live from the next batch on
 * @live:  NULL: it had errors, the old one stays
 * @diags: logged; the first mistake stands in our row of daemons until a good file comes
 */
void flow_reload(struct flow *f, struct live *live, struct diag_list *diags);
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
