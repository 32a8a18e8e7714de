/*
 * The outbox: two daemons, a receiver, PostgreSQL, and everything between them that may fail.
 *
 * The first message of a case is written by its batch, as leased or as queued; the second follows later, queued, to the same
 * receiver. Each step stands for one statement of daemon/outbox/outbox_store.c or one call of daemon/flow/courier.c, named
 * beside it; outbox_statements.c keeps the names true. A statement and its answer are two steps, so that a link may be cut or a
 * daemon killed between them. A daemon that is killed starts again at once under a new id.
 *
 * Time is not counted. A back-off is over whenever one likes; a lease runs out only while nobody who is connected renews it
 * (renewed every 10 s of 30) or has its answer under way (an answer takes less than a lease, or the link is cut first). But
 * PostgreSQL's clock may leap, and then every lease is over, whoever has the message in hand.
 *
 * Promises:
 *   I1  every message gets to a final state from wherever we are, and stays there; 'sent' is never said of what didn't arrive
 *   I2  copies <= 1 + acknowledgements lost + kills in flight + leases that ran out while their daemon was cut off, or with a leap of
 *       the clock, and that another daemon took; never by a daemon that has the message in its own hands
 *   I3  nothing leaves before its case is committed
 *   I4  a final state is left by nobody; after the case is closed a failed try has no other
 *   I5  a late failure changes nothing, a late success is kept
 *   I6  a message of a case doesn't overtake an earlier one
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>

#define DAEMONS 2
#ifndef MESSAGES
#define MESSAGES 1
#endif
#define FLIGHTS 3
#define NOBODY 0xff
#define ALL (MESSAGES * FLIGHTS)

/* What may go wrong in one walk, each and together. */
#ifndef KILLS
#define KILLS 1
#endif
#ifndef CUTS
#define CUTS 2
#endif
#ifndef LEAPS
#define LEAPS 1
#endif
#ifndef FAULTS
#define FAULTS 2
#endif

enum row_state { ABSENT, QUEUED, LEASED, SENT, FAILED, CANCELLED };

enum phase {
	FREE,
	IN_CHANNEL, /* flights: submitted */
	ARRIVED,    /* … and the receiver has it; its answer is on the way */
	GOT_SENT,   /* results: not settled yet */
	GOT_RETRY,
	GOT_FAILED,
};

enum round { IDLE, RECLAIMING, SETTLING, CLAIMING, ANSWERED };
enum writing { NOT_YET, INSERTED, COMMITTED, OVER };

enum closing { STANDS, CLOSING, CLOSED }; /* CLOSING: its messages are cancelled, its COMMIT is not executed yet */

struct row {
	uint8_t state, fence, daemon;
	uint8_t due;     /* next_at has passed */
	uint8_t young;   /* leased or renewed after the daemon's connection came up */
	uint8_t leapt;   /* … because the clock leapt */
	uint8_t arrived; /* at least once */
	int8_t slack;    /* copies that were excused, less those that came */
};

struct flight {
	uint8_t phase, fence, settling; /* settling: in the settle under way */
};

struct daemon {
	uint8_t renew;              /* sent with the reconnect, ahead of the first round, and not executed yet */
	uint8_t up, round, reclaim; /* reclaim: 1 due after the reconnect, 2 in this round, 3 with a settle behind it */
	uint8_t settled;            /* the settle of this round was executed */
	uint8_t known;              /* ids in its hands as the reclaim was sent, a bit each */
	uint8_t granted[MESSAGES];  /* fence of a claim whose answer is on its way; 0: none */
	struct flight flights[MESSAGES][FLIGHTS];
};

struct state {
	struct row rows[MESSAGES];
	struct daemon daemons[DAEMONS];
	uint8_t writing, writer, leased; /* the batch that writes the first message */
	uint8_t second;                  /* the second one was written */
	uint8_t closed;                  /* the case: enum closing */
	uint8_t kills, cuts, leaps, lost, refusals, failures, faults;
	uint8_t broken; /* enum broken */
};

enum broken {
	FINE,
	NOT_FINAL,
	BEFORE_COMMIT,
	LATE_FAILURE,
	LATE_SUCCESS,
	OVERTAKEN,
	TRIED_THOUGH_CLOSED,
	OWN_CLAIM,
	FALSE_SUCCESS,
	NO_ROOM
};

static const char *const broken_text[] = {
	[NOT_FINAL] = "I4: a final state was left",
	[BEFORE_COMMIT] = "I3: a message left for a case that is not committed",
	[LATE_FAILURE] = "I5: a late failure changed a message that somebody else has leased",
	[LATE_SUCCESS] = "I5: a success was dropped, the message may go out again",
	[OVERTAKEN] = "I6: a message was leased while an earlier one of its case was outstanding",
	[TRIED_THOUGH_CLOSED] = "I4: a failed message of a closed case waits for another try, or has it",
	[OWN_CLAIM] = "I2: a daemon claims what it has in its own hands",
	[FALSE_SUCCESS] = "I1: 'sent' is said of a message that never arrived",
	[NO_ROOM] = "model: too few places for flights",
};

static bool is_final(uint8_t state)
{
	return state >= SENT;
}

static void fail(struct state *s, enum broken what)
{
	if (!s->broken)
		s->broken = what;
}

static void row_becomes(struct state *s, int m, uint8_t state)
{
	if (is_final(s->rows[m].state) && s->rows[m].state != state)
		fail(s, NOT_FINAL);
	if (state == SENT && !s->rows[m].arrived)
		fail(s, FALSE_SUCCESS);
	s->rows[m].state = state;
}

/* Differences that make none any more are taken away, and flights sorted, so that states fall together. */
static void tidy(struct state *s, int d, int m)
{
	struct flight *f = s->daemons[d].flights[m], kept;

	for (int i = 0; i < FLIGHTS && is_final(s->rows[m].state); i++)
		f[i].fence = 0;
	for (int i = 1; i < FLIGHTS; i++)
		for (int k = i; k > 0 && memcmp(&f[k - 1], &f[k], sizeof(*f)) < 0; k--) {
			kept = f[k];
			f[k] = f[k - 1];
			f[k - 1] = kept;
		}
}

static void to(struct explore *e, const struct state *state, const char *step, int who)
{
	struct state s = *state;

	for (int m = 0; m < MESSAGES; m++) {
		if (is_final(s.rows[m].state)) {
			s.rows[m].fence = s.rows[m].due = s.rows[m].young = s.rows[m].leapt = 0;
			s.rows[m].daemon = NOBODY;
		}
		for (int d = 0; d < DAEMONS; d++)
			tidy(&s, d, m);
	}
	explore_to(e, &s, step, who);
}

/* courier_fly() */
static void fly(struct state *s, int d, int m, uint8_t fence)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (s->daemons[d].flights[m][i].phase == FREE) {
			s->daemons[d].flights[m][i] = (struct flight){IN_CHANNEL, fence, 0};
			return;
		}
	fail(s, NO_ROOM);
}

static bool has_flights(const struct daemon *d, int m)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (d->flights[m][i].phase == IN_CHANNEL || d->flights[m][i].phase == ARRIVED)
			return true;
	return false;
}

/* The daemon has something of the message that may be a copy: under way, or back and not settled. */
static bool holds(const struct daemon *d, int m, int fence)
{
	for (int i = 0; i < FLIGHTS; i++)
		if (d->flights[m][i].phase != FREE && (fence == 0 || d->flights[m][i].fence == fence))
			return true;
	return false;
}

/* ---- the case and its messages are written ---- */

static void insert_row(struct state *s, int m, bool leased, int d)
{
	s->rows[m] = (struct row){.state = leased ? LEASED : QUEUED,
				  .fence = leased,
				  .daemon = leased ? (uint8_t)d : NOBODY,
				  .due = !leased,
				  .young = leased};
}

static void step_writing(struct explore *e, const struct state *now)
{
	struct state s;

	if (now->writing == NOT_YET) /* the daemons are alike: the first one begins */
		for (int d = 0; d < (now->faults == FAULTS ? 1 : DAEMONS); d++)
			for (int leased = 0; leased <= now->daemons[d].up; leased++) {
				s = *now; /* outbox_insert; courier_reserve() wants the connection up */
				s.writing = INSERTED;
				s.writer = (uint8_t)d;
				s.leased = (uint8_t)leased;
				insert_row(&s, 0, leased, d);
#ifdef MUTATE_SEND_BEFORE_COMMIT
				if (leased)
					fly(&s, d, 0, 1);
#endif
				to(e, &s,
				   leased ? "daemon %d inserts the case and its message as leased"
					  : "daemon %d inserts the case and its message as queued",
				   d);
			}
	if (now->writing == INSERTED) {
		s = *now;
		s.writing = COMMITTED;
		to(e, &s, "COMMIT of daemon %d is executed", s.writer);
	}
	if (now->writing == COMMITTED) {
		s = *now; /* on_committed(): courier_send() */
		s.writing = OVER;
#ifndef MUTATE_SEND_BEFORE_COMMIT
		if (s.leased)
			fly(&s, s.writer, 0, 1);
#endif
		to(e, &s, "daemon %d has the answer to COMMIT", s.writer);
	}
	if (MESSAGES > 1 && now->writing >= COMMITTED && !now->second) {
		s = *now; /* notices.c writes as queued only */
		s.second = 1;
		insert_row(&s, MESSAGES - 1, false, 0);
		to(e, &s, "a second message of the case is committed as queued", 0);
	}
}

/* ---- the channel and the receiver ---- */

static void step_flight(struct explore *e, const struct state *now, int d, int m, int i)
{
	const struct flight *f = &now->daemons[d].flights[m][i];
	struct state s = *now;
	struct flight *g = &s.daemons[d].flights[m][i];

	if (f->phase == IN_CHANNEL) {
		g->phase = ARRIVED;
		s.rows[m].slack = (int8_t)(s.rows[m].slack - s.rows[m].arrived);
		s.rows[m].arrived = 1;
		if (m == 0 && s.writing < COMMITTED)
			fail(&s, BEFORE_COMMIT);
		to(e, &s, "the receiver gets a copy from daemon %d", d);
		if (now->refusals) {
			s = *now;
			s.refusals--;
			g->phase = GOT_RETRY;
			to(e, &s, "the receiver says daemon %d: later", d);
		}
		if (now->failures) {
			s = *now;
			s.failures--;
			g->phase = GOT_FAILED;
			to(e, &s, "the receiver says daemon %d: never", d);
		}
	} else if (f->phase == ARRIVED) {
		g->phase = GOT_SENT;
		to(e, &s, "daemon %d gets the acknowledgement", d);
		if (now->lost && now->faults) {
			s = *now;
			s.lost--;
			s.faults--;
			s.rows[m].slack++;
			g->phase = GOT_RETRY;
			to(e, &s, "the acknowledgement for daemon %d is lost: retry", d);
		}
	}
}

/* ---- statements of a round, as PostgreSQL executes them ---- */

static void settle_one(struct state *s, int m, const struct flight *f)
{
	struct row *r = &s->rows[m];
	uint8_t state = f->phase == GOT_SENT ? SENT : f->phase == GOT_FAILED ? FAILED : QUEUED;
	bool fits = r->state == LEASED && r->fence == f->fence; /* (m.state = 'leased' AND m.fence = r.fence) */
	bool late = state == SENT && !is_final(r->state);       /* r.state = 'sent' AND m.state NOT IN FINAL_STATES */

#ifdef MUTATE_NO_FENCE
	fits = r->state == LEASED;
#endif
#ifdef MUTATE_NO_LATE_SUCCESS
	late = false;
#endif
#ifdef MUTATE_FINAL_OVERWRITTEN
	late = state == SENT;
#endif
	if (fits || late) {
		if (state != SENT && r->fence != f->fence)
			fail(s, LATE_FAILURE);
#ifndef MUTATE_NO_CANCEL
		/* EXISTS (… c.status IN ('resolved', 'closed', 'dismissed')) THEN 'cancelled' */
		if (state == QUEUED && s->closed == CLOSED)
			state = CANCELLED;
#endif
		r->due = r->young = r->leapt = 0;
		row_becomes(s, m, state);
		if (state == QUEUED && s->closed == CLOSED)
			fail(s, TRIED_THOUGH_CLOSED);
	}
	if (f->phase == GOT_SENT && !is_final(r->state))
		fail(s, LATE_SUCCESS);
}

static void execute_settle(struct state *s, int d)
{
	for (int m = 0; m < MESSAGES; m++)
		for (int i = 0; i < FLIGHTS; i++)
			if (s->daemons[d].flights[m][i].settling)
				settle_one(s, m, &s->daemons[d].flights[m][i]);
}

/* state = 'leased' AND daemon = $1 AND id <> ALL ($2) AND the lease was taken before the connection came up */
static void execute_reclaim(struct state *s, int d)
{
	for (int m = 0; m < MESSAGES; m++) {
		struct row *r = &s->rows[m];
		bool age = !r->young, spared = s->daemons[d].known >> m & 1;

#ifdef MUTATE_RECLAIM_YOUNG
		age = true;
#endif
#ifdef MUTATE_RECLAIM_FLYING
		spared = false;
#endif
		if ((m > 0 || s->writing >= COMMITTED) && r->state == LEASED && r->daemon == d && !spared && age) {
			row_becomes(s, m, QUEUED);
			r->due = 1;
			r->young = 0;
		}
	}
}

static bool may_be_claimed(const struct state *s, int m)
{
	const struct row *r = &s->rows[m];
	bool outstanding = m > 0 && s->rows[0].state != ABSENT && !is_final(s->rows[0].state);

#ifdef MUTATE_NO_ORDER
	outstanding = false;
#endif
#ifdef MUTATE_NO_TAKEOVER
	if (r->state == LEASED)
		return false;
#endif
	/* q.state IN ('queued', 'leased') AND q.next_at <= clock_timestamp() AND NOT EXISTS (… b.seq < q.seq …) */
	return (m > 0 || s->writing >= COMMITTED) && (r->state == QUEUED || r->state == LEASED) && r->due && !outstanding;
}

/* The daemon has the message under the lease that stands, or will have with an answer that is under way. */
static bool is_in_hand(const struct state *s, int d, int m)
{
	return holds(&s->daemons[d], m, s->rows[m].fence) || s->daemons[d].granted[m] == s->rows[m].fence ||
	       (m == 0 && s->leased && s->writing == COMMITTED && s->writer == d && s->rows[m].fence == 1);
}

static void execute_claim(struct state *s, int d, int m)
{
	struct row *r = &s->rows[m];

	if (m > 0 && !is_final(s->rows[0].state))
		fail(s, OVERTAKEN);
	if (r->fence > 0 && s->closed == CLOSED) {
#ifndef MUTATE_NO_SECOND_LOOK
		row_becomes(s, m, CANCELLED); /* m.fence > 0 AND EXISTS (…) THEN 'cancelled' */
		return;
#endif
		fail(s, TRIED_THOUGH_CLOSED);
	}
	if (r->state == LEASED && holds(&s->daemons[d], m, r->fence) && !r->leapt)
		fail(s, OWN_CLAIM);
	for (int o = 0; o < DAEMONS; o++)
		if (o != d && r->leapt && is_in_hand(s, o, m))
			r->slack++;
#ifndef MUTATE_FENCE_STAYS
	r->fence++;
#else
	r->fence = 1;
#endif
	row_becomes(s, m, LEASED);
	r->daemon = (uint8_t)d;
	r->due = r->leapt = 0;
	r->young = 1;
	s->daemons[d].granted[m] = r->fence;
}

/* ---- a round of the courier ---- */

/* Into the settle go `most` results, in any order: there may be more of them than one statement takes (COURIER_SETTLE_MOST). */
static void send_settle(struct daemon *x, int most)
{
	for (int m = 0; m < MESSAGES; m++)
		for (int i = 0; i < FLIGHTS; i++)
			if (x->flights[m][i].phase >= GOT_SENT && most-- > 0)
				x->flights[m][i].settling = x->round = SETTLING;
}

/* courier_round(). Settle and claim are one transaction; here they are two steps, which is more than can happen. */
static void send_round(struct explore *e, const struct state *now, int d)
{
	bool news = false, commits = now->writer == d && now->leased && (now->writing == INSERTED || now->writing == COMMITTED);

	for (int m = 0; m < MESSAGES; m++)
		news |= may_be_claimed(now, m);
#ifdef MUTATE_RECLAIM_UNCOMMITTED
	commits = false;
#endif
	for (int most = 1; most <= ALL; most += ALL - 1) {
		struct state s = *now;
		struct daemon *x = &s.daemons[d];

		x->round = CLAIMING;
		send_settle(x, most);
		if (x->round == SETTLING || news)
			to(e, &s, "daemon %d sends a round", d);
		if (!x->reclaim || commits)
			continue;
		/* Not while a commit of this daemon is under way: its messages are leased already and in nobody's hands yet. */
		x->reclaim = x->round == SETTLING ? 3 : 2;
		x->round = RECLAIMING;
		for (int m = 0; m < MESSAGES; m++)
			x->known |= (uint8_t)(holds(x, m, 0) << m);
		to(e, &s, "daemon %d sends a round with a reclaim", d);
	}
}

/* outbox_renew: m.fence = r.fence AND m.state = 'leased' */
static void execute_renewal(struct state *s, int d)
{
	for (int m = 0; m < MESSAGES; m++)
		if (s->rows[m].state == LEASED && holds(&s->daemons[d], m, s->rows[m].fence)) {
			s->rows[m].due = s->rows[m].leapt = 0;
			s->rows[m].young = 1;
		}
}

static void execute_round(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	if (x->renew) {
		execute_renewal(&s, d);
		x->renew = 0;
		to(e, &s, "daemon %d renews the leases of all that it has in its hands", d);
	} else if (x->round == RECLAIMING) {
		execute_reclaim(&s, d);
		x->round = x->reclaim == 3 ? SETTLING : CLAIMING;
		x->reclaim = x->known = 0;
		to(e, &s, "the reclaim of daemon %d is executed", d);
	} else if (x->round == SETTLING) {
		execute_settle(&s, d);
		x->settled = 1;
		x->round = CLAIMING;
		to(e, &s, "the settle of daemon %d is executed", d);
	} else if (x->round == CLAIMING) {
		x->round = ANSWERED;
		to(e, &s, "the claim of daemon %d finds nothing, or no room for it", d);
		for (int m = 0; m < MESSAGES; m++)
			if (may_be_claimed(now, m)) {
				s = *now;
				s.daemons[d].round = ANSWERED;
				execute_claim(&s, d, m);
				to(e, &s,
				   m ? "the claim of daemon %d leases the second message"
				     : "the claim of daemon %d leases the message",
				   d);
			}
	}
}

/* on_settled() */
static void settle_answered(struct daemon *x)
{
	for (int m = 0; m < MESSAGES; m++)
		for (int i = 0; i < FLIGHTS; i++)
			if (x->flights[m][i].settling)
				x->flights[m][i] = (struct flight){0};
	x->settled = 0;
}

/* courier_take(): a message that is in hand already has a new lease, nothing else; one whose COMMIT isn't answered leaves now. */
static void take(struct state *s, int d, int m, uint8_t fence)
{
	struct flight *f = s->daemons[d].flights[m], *has = NULL;

	for (int i = 0; i < FLIGHTS; i++) /* courier_has(): in the channel, else among the results */
		if (f[i].phase != FREE && (!has || has->phase >= GOT_SENT))
			has = &f[i];
#ifdef MUTATE_NO_LOOK_AT_RESULTS
	if (has && has->phase >= GOT_SENT)
		has = NULL;
#endif
	if (has) {
		has->fence = fence;
		return;
	}
#ifndef MUTATE_LEFT_EARLY
	if (m == 0 && fence == 2 && s->writer == d && s->writing == COMMITTED)
		s->leased = 0; /* intake_left_early() */
#endif
	fly(s, d, m, fence);
}

static void round_answered(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	if (now->daemons[d].settled) {
		settle_answered(x);
		to(e, &s, "daemon %d has the answer to its settle", d);
	}
	if (now->daemons[d].round != ANSWERED)
		return;
	s = *now;
	settle_answered(x);
	for (int m = 0; m < MESSAGES; m++) {
		if (x->granted[m]) /* courier_take() */
			take(&s, d, m, x->granted[m]);
		x->granted[m] = 0;
	}
	x->round = IDLE;
	to(e, &s, "daemon %d has all answers of its round", d);
}

/* ---- faults and time ---- */

/* The connection of the courier is gone; results on their way to a settle come back to the head of the line. */
static void connection_lost(struct state *s, int d)
{
	struct daemon *x = &s->daemons[d];

	x->up = x->round = x->reclaim = x->renew = x->settled = x->known = 0;
	memset(x->granted, 0, sizeof(x->granted));
	for (int m = 0; m < MESSAGES; m++)
		for (int i = 0; i < FLIGHTS; i++)
			x->flights[m][i].settling = 0;
}

/* The batch that writes: rolled back, or its COMMIT was executed and nobody was told. */
static void work_lost(struct state *s)
{
	if (s->writing == INSERTED) {
		s->writing = NOT_YET;
		s->writer = s->leased = 0;
		s->rows[0] = (struct row){.arrived = s->rows[0].arrived, .slack = s->rows[0].slack};
	} else if (s->writing == COMMITTED) {
		s->writing = OVER;
	}
}

static void step_faults(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;

	if (now->faults && now->kills) {
		s.kills--;
		s.faults--;
		for (int m = 0; m < MESSAGES; m++) {
			s.rows[m].slack = (int8_t)(s.rows[m].slack + holds(&s.daemons[d], m, 0));
			if (s.rows[m].daemon == d && s.rows[m].state == LEASED)
				s.rows[m].daemon = NOBODY; /* its next life has another id */
		}
		if (s.writer == d)
			work_lost(&s);
		connection_lost(&s, d);
		memset(&s.daemons[d], 0, sizeof(s.daemons[d]));
		s.daemons[d].up = 1;
		to(e, &s, "daemon %d is killed and started again", d);
	}
	if (now->faults && now->cuts && now->daemons[d].up) {
		s = *now;
		s.cuts--;
		s.faults--;
		connection_lost(&s, d);
		to(e, &s, "the courier of daemon %d loses its connection", d);
	}
	if (now->faults && now->cuts && now->writer == d && (now->writing == INSERTED || now->writing == COMMITTED)) {
		s = *now;
		s.cuts--;
		s.faults--;
		work_lost(&s);
		to(e, &s, "the intake of daemon %d loses its connection", d);
	}
	if (!now->daemons[d].up) {
		s = *now; /* courier_up() */
		s.daemons[d].up = 1;
		s.daemons[d].reclaim = 1;
#ifndef MUTATE_NO_RENEW_AT_ONCE
		for (int m = 0; m < MESSAGES; m++)
			s.daemons[d].renew |= holds(&s.daemons[d], m, 0);
#endif
		for (int m = 0; m < MESSAGES; m++)
			if (s.rows[m].daemon == d)
				s.rows[m].young = 0;
		to(e, &s, "the courier of daemon %d is connected again", d);
	}
}

/* Somebody who is connected renews it, or will as soon as an answer is there. */
static bool is_cared_for(const struct state *s, int m)
{
	for (int d = 0; d < DAEMONS; d++) {
		const struct daemon *x = &s->daemons[d];

#ifndef MUTATE_NO_RENEW
		if (x->up && holds(x, m, s->rows[m].fence))
			return true;
#endif
		if (x->granted[m] == s->rows[m].fence)
			return true;
	}
	return m == 0 && s->leased && s->writing == COMMITTED; /* its answer takes less than a lease */
}

static void step_time(struct explore *e, const struct state *now, int m)
{
	struct state s = *now;
	struct row *r = &s.rows[m];

	if (m == 0 && now->writing < COMMITTED)
		return;
	if (r->state == QUEUED && !r->due) {
		r->due = 1;
		to(e, &s, "its back-off is over", 0);
	}
	if (r->state == LEASED && !r->due && !is_cared_for(now, m)) {
		r->due = 1;
		r->young = 0;
#ifndef MUTATE_NO_RENEW
		for (int d = 0; d < DAEMONS; d++)
			r->slack = (int8_t)(r->slack + (holds(&now->daemons[d], m, r->fence) ||
							(r->daemon == d && holds(&now->daemons[d], m, 0))));
#endif
		to(e, &s, "its lease runs out", 0);
	}
	for (int d = 0; d < DAEMONS && r->state == LEASED && !r->young; d++)
		if (now->daemons[d].up && has_flights(&now->daemons[d], m) && holds(&now->daemons[d], m, r->fence)) {
			s = *now; /* outbox_renew: m.fence = r.fence AND m.state = 'leased' */
			r->due = r->leapt = 0;
			r->young = 1;
			to(e, &s, "daemon %d renews its lease", d);
		}
}

/* PostgreSQL's clock leaps ahead, as that of a machine that slept: what is leased is leased no longer. */
static void step_leap(struct explore *e, const struct state *now)
{
	struct state s = *now;
	bool any = false;

	if (!now->leaps || !now->faults)
		return;
	for (int m = 0; m < MESSAGES; m++)
		if (s.rows[m].state == LEASED && !s.rows[m].due && (m > 0 || s.writing >= COMMITTED)) {
			any = true;
			s.rows[m].due = s.rows[m].leapt = 1;
			s.rows[m].young = 0;
		}
	s.leaps--;
	s.faults--;
	if (any)
		to(e, &s, "PostgreSQL's clock leaps: every lease is over", 0);
}

static void step_close(struct explore *e, const struct state *now)
{
	struct state s = *now;

	if (now->closed == STANDS && now->writing >= COMMITTED) {
		s.closed = CLOSING; /* closeloop.case_cancel_messages(): m.state IN ('queued', 'held') */
		for (int m = 0; m < MESSAGES; m++)
			if (s.rows[m].state == QUEUED)
				row_becomes(&s, m, CANCELLED);
		to(e, &s, "the case is being closed", 0);
	} else if (now->closed == CLOSING) {
		s.closed = CLOSED;
		to(e, &s, "the case is closed: COMMIT", 0);
	}
}

/* ---- the model ---- */

static void start(struct explore *e)
{
	struct state s = {
		.kills = KILLS, .cuts = CUTS, .leaps = LEAPS, .lost = 1, .refusals = 1, .failures = 1, .faults = FAULTS};

	s.daemons[0].up = s.daemons[1].up = 1;
	to(e, &s, "two daemons", 0);
}

static void next(struct explore *e, const void *state)
{
	const struct state *now = state;

	step_writing(e, now);
	step_close(e, now);
	step_leap(e, now);
	for (int m = 0; m < MESSAGES; m++)
		step_time(e, now, m);
	for (int d = 0; d < DAEMONS; d++) {
		for (int m = 0; m < MESSAGES; m++)
			for (int i = 0; i < FLIGHTS; i++)
				step_flight(e, now, d, m, i);
		step_faults(e, now, d);
		if (!now->daemons[d].up)
			continue;
		if (now->daemons[d].round == IDLE)
			send_round(e, now, d);
		if (now->daemons[d].round != IDLE || now->daemons[d].renew)
			execute_round(e, now, d);
		round_answered(e, now, d);
	}
}

static const char *wrong(const void *state)
{
	const struct state *s = state;

	if (s->broken)
		return broken_text[s->broken];
	for (int m = 0; m < MESSAGES; m++)
		if (s->rows[m].slack < 0)
			return "I2: more copies than acknowledgements lost, kills in flight and leases run out";
	return NULL;
}

static bool done(const void *state)
{
	const struct state *s = state;

	for (int m = 0; m < MESSAGES; m++) {
		if (!is_final(s->rows[m].state))
			return false;
		for (int d = 0; d < DAEMONS; d++)
			if (holds(&s->daemons[d], m, 0))
				return false;
	}
	return true;
}

static void print(const void *state, char *text, size_t bytes)
{
	static const char *const states[] = {"absent", "queued", "leased", "sent", "failed", "cancelled"};
	static const char phases[] = " car!x";
	const struct state *s = state;
	size_t n = 0;

	text[0] = '\0';
	for (int m = 0; m < MESSAGES && n < bytes; m++) {
		const struct row *r = &s->rows[m];

		n += (size_t)snprintf(text + n, bytes - n, "%s%s%s fence=%d %s slack=%d", m ? "; " : "", states[r->state],
				      r->due ? " due" : "", r->fence, r->arrived ? "arrived" : "not arrived", r->slack);
		for (int d = 0; d < DAEMONS && n < bytes; d++)
			for (int i = 0; i < FLIGHTS && n < bytes; i++)
				if (s->daemons[d].flights[m][i].phase)
					n += (size_t)snprintf(text + n, bytes - n, " [%d:%c%d]", d,
							      phases[s->daemons[d].flights[m][i].phase],
							      s->daemons[d].flights[m][i].fence);
	}
}

int main(int argc, char **argv)
{
	static const struct explore_model model = {"outbox", sizeof(struct state), start, next, wrong, done, print};

	return explore_main(&model, argc, argv);
}
