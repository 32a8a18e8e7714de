/*
 * The flow from inside: shared by flow.c, intake_run.c and courier.c only.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_INNER_H
#define FLOW_INNER_H

#include "channel/channel.h"
#include "flow/flow.h"
#include "flow/judge.h"
#include "flow/look.h"
#include "flow/release.h"
#include "flow/stats.h"
#include "flow/notice.h"
#include "sql/schema.h"

#define INTAKE_BATCH_MAX 1000
#define INTAKE_ARENA_BYTES (256 * 1024)
#define INTAKE_BATCH_FIRST 32                /* rows, before it is known what one takes */
#define INTAKE_BATCH_BYTES (4 * 1024 * 1024) /* of its arena; what is sent and what comes back takes as much again */
#define INTAKE_CLAIM_BYTES (2 * 1024 * 1024) /* of rows as they come; with more they are left for smaller batches */
#define INTAKE_CLAIM_AIM (1024 * 1024)       /* so much is asked for: the next rows may be longer */

/* ---- between.c: jobs of the work connection between two batches ---- */

enum between_job {
	BETWEEN_SWEEP,     /* followup_run.c: promises come due */
	BETWEEN_RECOMPUTE, /* followup_run.c: calendars have changed */
	BETWEEN_NOTICES,   /* notices.c: mails about cases that are there */
	BETWEEN_LINKS,     /* links.c: fresh links that somebody asked for */
	BETWEEN_OPERATORS, /* operators.c: incidents; after the notices, which may find that nobody is left */
	BETWEEN_RELEASE,   /* release.c: what is held, and mornings; after all that may be held */
	BETWEEN_JOBS
};

struct between {
	bool due[BETWEEN_JOBS];
	bool ran[BETWEEN_JOBS]; /* since the last look into the inbox: responses and jobs take turns */
	int batches;            /* since a job ran */
	bool held_too;          /* the peek under way looks after whatever is held, not only what is due */
};

struct intake_run;
/* Pure: after a batch of `rows` responses, or a job (0). false: none is to run now. */
bool between_next(struct between *b, int rows, enum between_job *ret);
/* It ends with intake_run_continue(). */
void between_start(struct intake_run *r, enum between_job job);
/* () → whether a job has something to do that nobody told us of: an idle look asks, which is less than to begin the job. */
extern const struct pg_stmt between_peek;
void between_on_peek(void *intake_run, const struct pg_rows *rows);
/* A job waits for its turn after the next look. */
bool between_waits(const struct between *b);
void notices_start(struct intake_run *r);
void sweep_start(struct intake_run *r);
void recompute_start(struct intake_run *r);
void links_start(struct intake_run *r);
void operators_start(struct intake_run *r);
/* With the heartbeat: incidents that nobody records, and those that have ended. */
void operators_add_look(struct flow *f, struct pg_batch *b, struct arena *a);

/* ---- followup_run.c ---- */

struct followup_run {
	struct flow *flow;
	struct deadline due;
	struct mono_time armed_to;
	int limit;       /* cases of the next sweep; halved when it fails by a case's fault */
	int swept;       /* cases of the sweep under way */
	int64_t next_us; /* until the nearest due time */
	bool started;
	bool recomputing;        /* not at the end yet; goes on where it was after an error or a lost connection */
	int64_t recompute_after; /* case; 0: from the first */
	int64_t recompute_next;  /* when the batch under way is committed; 0: that was the last one */
	int64_t moved;
	int64_t moved_next;
	bool announced;        /* it is said even when nothing moved */
	bool clocks_unwritten; /* by anything that is known to be committed */
	bool unsure;           /* whether an earlier daemon saw to all due times */
	bool pending;          /* it didn't */
	int64_t version;       /* of the clocks that the cases are looked at under */
};

void followup_init(struct followup_run *f, struct flow *flow);
void followup_fini(struct followup_run *f);
void followup_start(struct followup_run *f); /* the work connection is ready */
void followup_stop(struct followup_run *f);
/* A case moved or opened: something may be due sooner than was known. */
void followup_hint(struct followup_run *f);
/* An idle look has asked for the nearest due time: no alarm of ours is needed before, however far it is. */
void followup_peeked(struct followup_run *f, double next_s);

/* ---- intake_run.c: claims, judges, commits ---- */

enum intake_state {
	INTAKE_OFF,
	INTAKE_WAITING,
	INTAKE_CLAIMING,
	INTAKE_JUDGING,
	INTAKE_COMMITTING,
	INTAKE_BETWEEN,
	INTAKE_BACKING_OFF
};

struct intake_run {
	struct flow *flow;
	enum intake_state state;
	struct deadline again;
	struct deadline settled; /* answers that settle are due */
	struct look look;
	struct arena *arena;
	struct judge judge;
	struct claimed *claimed;
	int n_claimed;          /* decoded */
	int n_rows;             /* inbox rows taken, orphans included */
	struct pg_params *done; /* … and where they lie */
	int claim_limit;        /* rows asked for by the claim under way */
	int64_t low_water;
	int limit;          /* rows of the next claim; halved when a batch fails */
	int suspects;       /* among so many of the first rows is the one that fails; 0: nobody is looked for */
	size_t row_bytes;   /* what a row of the last batches took of the arena; 0: not known yet */
	size_t claim_bytes; /* the rows under way, as they came */
	bool look_again;    /* something was notified while busy */
	bool hinted;        /* without a payload: mostly it is a response */
	bool unexplained;   /* … and so far none was found */
	bool promise;
	bool idle;               /* nothing for long: the next look only peeks */
	bool peeked;             /* it saw a new row */
	bool rescanned;          /* the claim under way started at the first row */
	int64_t single_id;       /* inbox row that stands alone; 0: none */
	bool single_due;         /* a row tried before may be due */
	bool others_pass;        /* a batch was judged since a row alone failed */
	struct mono_time picked; /* when rows tried before were last looked for */
	int64_t after_pick_us;   /* until the next look when none is */
	int failures;            /* in a row, of the server: for the back-off */
	int written;             /* messages the commit under way writes as queued */
	bool handed_over;        /* … or gave to the channel */
	struct between between;
	int64_t after_between_us; /* until the next look */
	struct notice *notices;   /* notices.c */
	int n_notices, notices_limit;
};

void intake_run_init(struct intake_run *r, struct flow *f);
void intake_run_fini(struct intake_run *r);
void intake_run_start(struct intake_run *r); /* the work connection is up */
void intake_run_lost(struct intake_run *r);  /* … is down; batches under way have failed */
void intake_run_look(struct intake_run *r);  /* something may have arrived */
void intake_run_hint(struct intake_run *r);  /* a NOTIFY without a payload: if no response is found, look everywhere */
void intake_run_stop(struct intake_run *r);  /* no more claims; flow_idle() when the batch under way is done */
bool intake_run_is_idle(const struct intake_run *r);
/* A job of between.c is due: done when the inbox is empty, at the latest after some batches. */
void intake_run_between(struct intake_run *r, enum between_job job);
/* A job that between_start() began has ended; more: it is due again. */
void intake_run_continue(struct intake_run *r, enum between_job job, bool more);
/* Data, integrity, limits, and what functions raise: the rows' fault. Anything else is the server's or the schema's. */
bool intake_blames_rows(const struct pg_error *e);

/* intake_write.c: the statements of a batch that is judged. */
void intake_write(struct intake_run *r, struct pg_batch *b);
/* A message that the batch under way writes as leased was claimed, because its lease is over, and has left: not once more. */
void intake_left_early(struct intake_run *r, const struct uuid *id);

/* ---- courier.c: leases, hands to the channel, settles ---- */

struct flight; /* one delivery in the channel */

struct endpoint_news { /* what its results say, to be written with their settle */
	int failures;  /* after the success, if there was one */
	bool succeeded, gone, credentials;
	bool unauthorized; /* a webhook said 401 or 403 */
};

struct courier_endpoint {
	char *name;
	bool known; /* in the live configuration */
	bool paused, disabled, open, probing;
	struct mono_time open_until; /* then one may try */
	int failures;
	int in_flight;
	bool took;   /* it could be sent to before its state was last read */
	bool looked; /* the last look was for its messages too */
	bool scan;   /* the next one is for all of them */
	bool left;   /* one is due that waits for room, or for an earlier one of its case: a result here may help */
	struct wall_time low_water;   /* looks begin here, but for scans */
	int reserved;                 /* promised to messages of a commit under way */
	struct endpoint_news news;    /* of the results waiting to be settled */
	struct endpoint_news telling; /* in the settle under way */
	char reason[240];             /* a code and a whole delivery_result.error: cut short it might end within a character */
};

struct courier {
	struct flow *flow;
	struct channel *channel;
	struct arena *arena;
	struct arena *renew_arena; /* of the renewal under way */
	struct courier_endpoint *endpoints;
	int n_endpoints;
	struct list flights;
	struct list results; /* not settled yet */
	int n_results;
	struct list settling; /* in the batch under way */
	bool busy, again, up, stopping, reclaim;
	bool asked;     /* messages may be due that the last look didn't see: the next round looks */
	bool polling;   /* nothing is planned: the next round only looks */
	bool gathering; /* results wait for others; the round is due already */
	bool everything_paused;
	unsigned told, told_then; /* answers of the working session about endpoints; … when this look was asked */
	bool unsettled;           /* the last settle failed: nothing is claimed until one succeeds */
	struct deadline due;
	struct deadline renew;
	struct deadline reclaim_later;
	struct mono_time up_at;
	struct mono_time look_at; /* and at the latest then */
	struct mono_time scanned; /* last round that looked for all that is due */
	bool scanning;            /* this one is such a round */
	int claimed;              /* by the batch under way */
	struct delivery **taken;  /* those; they leave when it is committed */
	int failures;
};

void courier_init(struct courier *c, struct flow *f);
void courier_fini(struct courier *c);
void courier_up(struct courier *c);
void courier_lost(struct courier *c);
void courier_reload(struct courier *c);
/* Messages may be due: claim at the next turn. */
void courier_kick(struct courier *c);
/* Somebody else may have written messages: no hurry, the results of the next milliseconds are settled in the same round. */
void courier_hint(struct courier *c);
/* While nothing is planned: a round now, so that one wake-up serves both looks. */
void courier_poll(struct courier *c);
/* Rows of outbox_endpoints, which the working session has just asked for. */
void courier_on_endpoints(struct courier *c, const struct pg_rows *rows);
/* May a message to this endpoint be written as leased, to be handed over after the commit? Reserves a place. */
bool courier_reserve(struct courier *c, const char *endpoint);
void courier_unreserve(struct courier *c, const char *endpoint);
/* A message to this endpoint was committed as queued. false: a result there, a probe or a person comes first, and tells. */
bool courier_may_take(struct courier *c, const char *endpoint);
/* Hands over a reserved message that was committed as leased. */
void courier_send(struct courier *c, const struct outbox_message *m);
void courier_stop(struct courier *c, int64_t grace_us);
bool courier_is_idle(const struct courier *c);

/* ---- flow.c ---- */

struct flow {
	struct loop *loop;
	struct live *live, *next_live;
	struct past_stmts *past_stmts; /* of all configurations that were live */
	struct flow_options options;
	char daemon_id[128];
	struct pg_conn *listen, *work, *outbox;
	bool fit; /* schema and instance are right */
	bool fit_once;
	bool listening;  /* LISTEN delivers */
	bool same_way;   /* the listening session connects as the others do */
	bool may_hear;   /* … and LISTEN delivers there, so the working session can listen itself */
	bool hear_due;   /* it is to do so between two batches */
	bool work_ready; /* checked, registered, directory read */
	bool stopping, stopped;
	bool saying_goodbye;
	char unfit[300];
	enum schema_state schema;
	const char *schema_why;
	struct arena *arena;      /* of the check, the registration and the swap: one at a time */
	struct arena *beat_arena; /* of the heartbeat and the goodbye */
	struct arena *hold_arena; /* of the lock that says we are alive */
	bool beating;
	bool pinging;
	struct mono_time pinged_at;
	bool beat_again;
	struct { /* what our row says; ruleset "": not known */
		char ruleset[65];
		bool listening;
		int limit;
		int64_t reload;
	} told;
	struct {                 /* requests of the database to reload; -1: not looked yet */
		int64_t seen;    /* the last that we know of */
		int64_t taken;   /* the last for which the file was read */
		int64_t settled; /* the last that was followed: the file is live, or was refused */
		char by[200];
	} reload;
	char *config_error; /* why the file on disk isn't live; NULL: it is, or was when we looked */
	int batch_limit;    /* to start with: smaller after a crash */
	struct deadline retry_check, heartbeat, stop_by;
	struct mono_time beat_at;     /* the last one */
	struct mono_time mornings_at; /* when mornings were last looked for */
	struct intake_run intake;
	struct courier courier;
	struct followup_run followup;
	struct release *release;
	struct stats stats;
};

/* Something else than a response may have come. */
void flow_look_everywhere(struct flow *f);
/* Between two batches: the working session listens, when it may and doesn't yet. */
void flow_hear(struct flow *f);
/* A heartbeat now: what changed is told, what is asked is looked for. Again when one is under way. */
void flow_beat(struct flow *f);

/* ---- reload.c ---- */

#define RELOAD_PAYLOAD "reload " /* of the NOTIFY; sql/014_rulesets.sql */

/* Our row of daemons isn't as it should be. */
bool flow_has_news(const struct flow *f);
/* Adds the writing of our row; of the text of the rules, which comes first. */
void flow_add_seen(struct flow *f, struct pg_batch *b, struct arena *a);
void flow_add_ruleset(struct flow *f, struct pg_batch *b, struct arena *a);
/* Has somebody asked for a reload? When the batch is done, flow_reload_asked() does it. */
void flow_add_reload_look(struct flow *f, struct pg_batch *b);
void flow_reload_asked(struct flow *f);

/* The batch is done: swap the configuration if a new one waits, go on with stopping. */
void flow_between_batches(struct flow *f);
/* An idle look: if a heartbeat is near it comes now, so that one wake-up serves both. */
void flow_idle_look(struct flow *f);
void flow_progress(struct flow *f);

#endif
