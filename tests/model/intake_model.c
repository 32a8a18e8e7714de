/*
 * The intake: two daemons claim, judge and commit two responses of one customer, while the application changes them.
 *
 * Each step stands for one statement of daemon/intake/intake_store.c or daemon/case/case_store.c as daemon/flow/intake_run.c and
 * judge.c send them. Transactions are READ COMMITTED: a claim sees what was committed when it began, a lock waits and then sees
 * what is committed by then. A daemon may be killed between any two steps (it starts again at once, alone or in batches), or
 * lose its connection, also with its COMMIT executed and the answer gone. Unlike real rows, a row stays where its number is.
 *
 *   writer:  UPDATE (row locked, inbox row by trigger) ─▶ commit; a change of received_at alone makes no inbox row
 *   daemon:  [pick: a try is counted] ─▶ claim ─▶ rules ─▶ customers locked ─▶ responses locked ─▶ judged? ─▶ COMMIT
 *
 * The second response may be a poison: one that ends the daemon as it is judged, or whose batch PostgreSQL refuses.
 *
 * Promises:
 *   I1  at the end every response has a case if (and only if) a version of it matched when it was judged last; none is forgotten
 *   I2  a response is alerted of once
 *   I4  what is decided is decided about the version that stands
 *   I8  no innocent row is set aside or blamed, and a poison ends in being set aside
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>

#define DAEMONS 2
#define RESPONSES 2
#define ROWS 7
#define TRIES_MAX 3
#ifndef KILLS
#define KILLS 2
#endif
#ifndef CHANGES
#define CHANGES 1
#endif
#define WRITER (DAEMONS + 1)

enum poison { HEALTHY, KILLS_DAEMON, REFUSED };
enum stage { IDLE, PICKED, CLAIMED, JUDGING, CUSTOMER, LOCKED, READ, TOLD };
enum plan { NOTHING, OPEN, AMEND, RETURN };

struct inbox_row {
	uint8_t present, response, tries, aside;
	uint8_t lock;  /* who deletes it, uncommitted: daemon + 1 */
	uint8_t ended; /* how often a daemon ended, or lost its server, while this row stood alone */
};

struct response {
	uint8_t version, matches, poison;
	uint8_t lock;     /* daemon + 1, or WRITER */
	uint8_t changing; /* uncommitted change: 1 the answer, 2 received_at only */
	uint8_t will_match;
	uint8_t case_open, alerts;
};

struct daemon {
	uint8_t stage, alone; /* alone: it picks rows one at a time */
	uint8_t single;       /* the picked row + 1 */
	uint8_t claimed;      /* rows, a bit each */
	uint8_t seen[RESPONSES], matched[RESPONSES], has_case[RESPONSES], plan[RESPONSES];
	uint8_t locked; /* responses, a bit each */
};

struct state {
	struct inbox_row rows[ROWS];
	struct response responses[RESPONSES];
	struct daemon daemons[DAEMONS];
	uint8_t n_rows;
	uint8_t customer; /* who has the customer's lock: daemon + 1 */
	uint8_t kills, cuts, changes;
	uint8_t broken;
};

enum broken { FINE, STALE, TWICE, INNOCENT_BLAMED, INNOCENT_ASIDE, NO_ROOM };

static const char *const broken_text[] = {
	[STALE] = "I4: decided about a version that is no longer there",
	[TWICE] = "I2: a second case or alert for one response",
	[INNOCENT_BLAMED] = "I8: PostgreSQL refuses a batch of innocent responses",
	[INNOCENT_ASIDE] = "I8: a row is set aside though it stood alone at fewer than three ends of a daemon",
	[NO_ROOM] = "model: too few inbox rows",
};

static void fail(struct state *s, enum broken what)
{
	if (!s->broken)
		s->broken = what;
}

static void enqueue(struct state *s, int response)
{
	if (s->n_rows == ROWS)
		fail(s, NO_ROOM);
	else
		s->rows[s->n_rows++] = (struct inbox_row){.present = 1, .response = (uint8_t)response};
}

/* Numbers tell rows apart and order them, nothing else: places of rows that are gone are given away again. */
static void to(struct explore *e, const struct state *state, const char *step, int who)
{
	struct state s = *state;
	int n = 0;

	for (int i = 0; i < s.n_rows; i++) {
		bool used = s.rows[i].present;

		for (int d = 0; d < DAEMONS; d++)
			used |= s.daemons[d].single == i + 1;
		if (!used)
			continue;
		for (int d = 0; d < DAEMONS && i != n; d++) {
			struct daemon *x = &s.daemons[d];

			if (x->single == i + 1)
				x->single = (uint8_t)(n + 1);
			if (x->claimed >> i & 1)
				x->claimed = (uint8_t)((x->claimed & ~(1 << i)) | 1 << n);
		}
		s.rows[n++] = s.rows[i];
	}
	memset(s.rows + n, 0, sizeof(*s.rows) * (size_t)(ROWS - n));
	s.n_rows = (uint8_t)n;
	explore_to(e, &s, step, who);
}

/* ---- the application ---- */

static void step_writer(struct explore *e, const struct state *now, int r)
{
	struct state s = *now;
	struct response *x = &s.responses[r];

	if (x->changing) {
		x->version++;
		x->matches = x->will_match;
		if (x->changing == 1)
			enqueue(&s, r);
		x->changing = x->will_match = x->lock = 0;
		to(e, &s, "the application commits its change of response %d", r);
		s = *now;
		x->changing = x->will_match = x->lock = 0;
		to(e, &s, "the application rolls its change of response %d back", r);
		return;
	}
	if (now->changes == 0 || x->lock) /* a lock FOR NO KEY UPDATE makes an UPDATE wait */
		return;
	s.changes--;
	x->lock = WRITER;
	x->changing = 1;
	for (x->will_match = 0; x->will_match < 2; x->will_match++)
		to(e, &s,
		   x->will_match ? "the application changes response %d: it matches"
				 : "the application changes response %d: no rule matches",
		   r);
	x->changing = 2;
	x->will_match = x->matches;
	to(e, &s, "the application sends response %d again: only received_at changes", r);
}

/* ---- the end of a transaction, one way or the other ---- */

static void forget(struct daemon *x)
{
	*x = (struct daemon){.alone = x->alone};
}

static void unlock(struct state *s, int d)
{
	for (int i = 0; i < s->n_rows; i++)
		if (s->rows[i].lock == d + 1)
			s->rows[i].lock = 0;
	for (int r = 0; r < RESPONSES; r++)
		if (s->responses[r].lock == d + 1)
			s->responses[r].lock = 0;
	if (s->customer == d + 1)
		s->customer = 0;
}

/* Rows of an aborted DELETE are there as before. */
static void roll_back(struct state *s, int d)
{
#ifdef MUTATE_COUNT_IN_TRANSACTION
	if (s->daemons[d].single && s->rows[s->daemons[d].single - 1].tries)
		s->rows[s->daemons[d].single - 1].tries--;
#endif
	unlock(s, d);
}

/* Killed, or its server or connection gone; what was committed stays. Afterwards its batches are as before or, least 1, of one. */
static void ended(struct explore *e, const struct state *now, int d, int least, const char *how)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	if (x->single && x->stage != TOLD)
		s.rows[x->single - 1].ended =
			(uint8_t)(s.rows[x->single - 1].ended < TRIES_MAX ? s.rows[x->single - 1].ended + 1 : TRIES_MAX);
	if (x->stage != TOLD)
		roll_back(&s, d);
	forget(x);
	for (x->alone = (uint8_t)least; x->alone < 2; x->alone++)
		to(e, &s, how, d);
}

/* ---- claiming ---- */

static bool can_be_taken(const struct inbox_row *row, bool tried)
{
	return row->present && !row->aside && !row->lock && (row->tries > 0) == tried;
}

/* What the claim reads of the responses it took, as committed. */
static void read_claimed(struct state *s, int d)
{
	struct daemon *x = &s->daemons[d];

	x->stage = CLAIMED;
	for (int i = 0; i < s->n_rows; i++) {
		int r = s->rows[i].response;

		if (!(x->claimed >> i & 1))
			continue;
		s->rows[i].lock = (uint8_t)(d + 1);
#ifdef MUTATE_DELETE_FIRST
		s->rows[i] = (struct inbox_row){0};
#endif
		x->seen[r] = (uint8_t)(s->responses[r].version + 1);
		x->matched[r] = s->responses[r].matches;
		x->has_case[r] = s->responses[r].case_open;
	}
}

/* intake_claim: tries = 0 AND set_aside_at IS NULL … ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED; a limit may fall anywhere */
static void step_claim(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	uint8_t claimed = 0;

	for (int i = 0; i < now->n_rows; i++)
		if (can_be_taken(&now->rows[i], false)) {
			claimed |= (uint8_t)(1 << i);
			s = *now;
			s.daemons[d].claimed = claimed;
			read_claimed(&s, d);
			to(e, &s, "daemon %d claims", d);
		}
}

/* intake_pick_head, intake_pick_tried: tries = tries + 1, set aside when there were three; committed by itself */
static void step_pick(struct explore *e, const struct state *now, int d, bool tried)
{
	struct state s = *now;

	for (int i = 0; i < now->n_rows; i++) {
		struct inbox_row *row = &s.rows[i];
		bool taken = false;

		if (!can_be_taken(row, tried))
			continue;
#ifndef MUTATE_PICK_TWICE
		/* available_at <= clock_timestamp(): a pick puts it off, so that nobody else picks it before it is claimed */
		for (int k = 0; k < DAEMONS; k++)
			taken |= k != d && now->daemons[k].stage == PICKED && now->daemons[k].single == i + 1;
#endif
		if (taken)
			continue;
		if (row->tries >= TRIES_MAX) {
			row->aside = 1;
			if (s.responses[row->response].poison == HEALTHY && row->ended < TRIES_MAX)
				fail(&s, INNOCENT_ASIDE);
			to(e, &s, "daemon %d sets a row aside that was tried three times", d);
			return;
		}
		row->tries++;
		s.daemons[d].stage = PICKED;
		s.daemons[d].single = (uint8_t)(i + 1);
		to(e, &s, "daemon %d picks a row that stands alone and counts a try", d);
		return;
	}
	if (!tried) {
		s.daemons[d].alone = 0;
		to(e, &s, "daemon %d finds no row that stands alone", d);
	}
}

/* intake_claim_one: WHERE id = $1 AND set_aside_at IS NULL; waits for whoever deletes it */
static void step_claim_one(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];
	const struct inbox_row *row = &now->rows[x->single - 1];

	if (row->lock)
		return;
	if (!row->present || row->aside) {
		forget(x);
		to(e, &s, "daemon %d finds its row gone", d);
		return;
	}
	x->claimed = (uint8_t)(1 << (x->single - 1));
	read_claimed(&s, d);
	to(e, &s, "daemon %d claims its row", d);
}

/* ---- judging ---- */

static bool is_planned(const struct daemon *x, int r)
{
	return x->seen[r] && (x->matched[r] || x->has_case[r]);
}

/* judge_rules(): what neither matches nor has a case drops out */
static void step_rules(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];
	bool planned = false;

	for (int r = 0; r < RESPONSES; r++) {
		if (x->seen[r] && s.responses[r].poison == KILLS_DAEMON) {
			/* Each end makes the next batches smaller (CRASH_DIVISOR in flow.c), down to one. */
			ended(e, &s, d, !x->single, "daemon %d ends over a poison");
			return;
		}
		planned |= is_planned(x, r);
		x->plan[r] = !is_planned(x, r) ? NOTHING : x->matched[r] ? OPEN : AMEND;
	}
	x->stage = planned ? JUDGING : READ;
	to(e, &s, planned ? "daemon %d has plans" : "daemon %d finds that nothing matches", d);
}

static void step_lock_customer(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;

	if (now->customer) /* pg_advisory_xact_lock() waits */
		return;
	s.customer = (uint8_t)(d + 1);
	s.daemons[d].stage = CUSTOMER;
	to(e, &s, "daemon %d locks the customer", d);
}

/* case_lock_responses: FOR NO KEY UPDATE SKIP LOCKED, one after the other; xmin tells whether it changed since the claim */
static void step_lock_responses(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	for (int r = 0; r < RESPONSES; r++) {
		if (!is_planned(x, r) || x->locked >> r & 1)
			continue;
		x->locked |= (uint8_t)(1 << r);
#ifndef MUTATE_NO_RESPONSE_LOCK
		if (s.responses[r].lock) {
			x->plan[r] = RETURN;
			to(e, &s, "daemon %d finds a response locked", d);
			return;
		}
		s.responses[r].lock = (uint8_t)(d + 1);
#endif
#ifndef MUTATE_NO_VERSION_CHECK
		if (x->seen[r] != s.responses[r].version + 1)
			x->plan[r] = RETURN;
#endif
		to(e, &s, "daemon %d locks a response", d);
		return;
	}
	x->stage = LOCKED;
	to(e, &s, "daemon %d has locked its responses", d);
}

/* case_judged, read after the locks: on_judged() */
static void step_read_judged(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	x->stage = READ;
#ifndef MUTATE_TRUST_THE_CLAIM
	for (int r = 0; r < RESPONSES; r++)
		x->has_case[r] = x->locked >> r & 1 && s.responses[r].case_open;
#endif
	for (int r = 0; r < RESPONSES; r++)
		if (x->locked >> r & 1 && x->plan[r] != RETURN && x->has_case[r])
			x->plan[r] = AMEND;
	to(e, &s, "daemon %d reads what was judged before", d);
}

/* ---- committing ---- */

/* batch_failed(): halved until the row stands alone, then blamed */
static void refused(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	if (x->single) { /* intake_blame */
		if (s.rows[x->single - 1].tries >= TRIES_MAX)
			s.rows[x->single - 1].aside = 1;
		unlock(&s, d);
		forget(x);
		to(e, &s, "PostgreSQL refuses the row of daemon %d, which blames it", d);
		return;
	}
	unlock(&s, d);
	forget(x);
	x->alone = 1;
	to(e, &s, "PostgreSQL refuses the batch of daemon %d, which goes on row by row", d);
}

#ifndef MUTATE_NO_RETURN
/* intake_return: NOT EXISTS (… i.response_id = changed.id AND i.set_aside_at IS NULL FOR KEY SHARE SKIP LOCKED) */
static bool is_waiting(const struct state *s, int r, int d)
{
	for (int i = 0; i < s->n_rows; i++) {
		bool taken = s->rows[i].lock != 0;

#ifdef MUTATE_RETURN_TRUSTS_CLAIMED
		taken = s->rows[i].lock == d + 1; /* an uncommitted DELETE of another daemon isn't seen */
#endif
		if (s->rows[i].present && s->rows[i].response == r && !s->rows[i].aside && !taken)
			return true;
	}
	return false;
}
#endif

static void write_response(struct state *s, struct daemon *x, int r)
{
	struct response *p = &s->responses[r];

	if (x->plan[r] == RETURN) {
#ifndef MUTATE_NO_RETURN
		if (!is_waiting(s, r, (int)(x - s->daemons)))
			enqueue(s, r);
#endif
	} else if (x->plan[r] == OPEN) {
		if (x->seen[r] != p->version + 1)
			fail(s, STALE);
		p->case_open = 1;
		p->alerts++;
	} else if (x->plan[r] == AMEND && x->seen[r] != p->version + 1 && x->locked >> r & 1) {
		fail(s, STALE);
	}
}

static void step_commit(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	for (int r = 0; r < RESPONSES; r++) {
		bool second = x->plan[r] == OPEN && s.responses[r].case_open; /* UNIQUE (response_id) */

		if (second && s.responses[r].poison != REFUSED)
			fail(&s, INNOCENT_BLAMED);
		if (second || (x->seen[r] && s.responses[r].poison == REFUSED && x->plan[r] == OPEN)) {
			refused(e, &s, d);
			return;
		}
	}
	for (int r = 0; r < RESPONSES; r++)
		write_response(&s, x, r);
	for (int i = 0; i < now->n_rows; i++)
		if (x->claimed >> i & 1)
			s.rows[i].present = s.rows[i].lock = 0;
	unlock(&s, d);
	x->stage = TOLD;
	x->claimed = x->single = x->locked = 0;
	for (int i = 0; i < now->n_rows; i++)
		if (!s.rows[i].present)
			s.rows[i] = (struct inbox_row){0};
	to(e, &s, "COMMIT of daemon %d is executed", d);
}

/* ---- the model ---- */

static void start(struct explore *e)
{
	for (int poison = HEALTHY; poison <= REFUSED; poison++)
		for (int matches = 0; matches < 4; matches++) {
			struct state s = {.kills = KILLS, .cuts = 1, .changes = CHANGES};

			if (poison != HEALTHY) { /* one thing at a time */
				s.kills = s.cuts = 0;
				s.changes = 0;
			}
			s.responses[0].matches = matches & 1;
			s.responses[1].matches = matches >> 1;
			s.responses[1].poison = (uint8_t)poison;
			enqueue(&s, 0);
			enqueue(&s, 1);
			explore_to(e, &s, "two responses are captured", 0);
		}
}

static void step_daemon(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;

	switch (now->daemons[d].stage) {
	case IDLE:
		if (now->daemons[d].alone)
			step_pick(e, now, d, false);
		else
			step_claim(e, now, d);
		step_pick(e, now, d, true);
		return;
	case PICKED: step_claim_one(e, now, d); break;
	case CLAIMED: step_rules(e, now, d); break;
	case JUDGING: step_lock_customer(e, now, d); break;
	case CUSTOMER: step_lock_responses(e, now, d); break;
	case LOCKED: step_read_judged(e, now, d); break;
	case READ: step_commit(e, now, d); break;
	default: forget(&s.daemons[d]); to(e, &s, "daemon %d has the answer to COMMIT", d);
	}
	s = *now;
	if (now->kills) {
		s.kills--;
		ended(e, &s, d, 0, "daemon %d is killed and started again");
	}
	s = *now;
	if (now->cuts) {
		s.cuts--;
		ended(e, &s, d, 0, "daemon %d loses its connection");
	}
}

static void next(struct explore *e, const void *state)
{
	const struct state *now = state;

	for (int r = 0; r < RESPONSES; r++)
		step_writer(e, now, r);
	for (int d = 0; d < DAEMONS; d++)
		step_daemon(e, now, d);
}

static bool is_settled(const struct state *s)
{
	for (int d = 0; d < DAEMONS; d++)
		if (s->daemons[d].stage != IDLE)
			return false;
	for (int i = 0; i < s->n_rows; i++)
		if (s->rows[i].present && !s->rows[i].aside)
			return false;
	for (int r = 0; r < RESPONSES; r++)
		if (s->responses[r].changing)
			return false;
	return true;
}

static bool is_aside(const struct state *s, int r)
{
	for (int i = 0; i < s->n_rows; i++)
		if (s->rows[i].present && s->rows[i].response == r && s->rows[i].aside)
			return true;
	return false;
}

static const char *wrong(const void *state)
{
	const struct state *s = state;

	if (s->broken)
		return broken_text[s->broken];
	for (int r = 0; r < RESPONSES; r++) {
		const struct response *x = &s->responses[r];

		if (x->alerts > 1)
			return broken_text[TWICE];
		if (is_settled(s) && x->matches && !x->case_open && !is_aside(s, r))
			return "I1: a response that matches was forgotten";
		if (is_settled(s) && x->matches && x->poison == REFUSED && !is_aside(s, r))
			return "I8: a poison was not set aside";
	}
	return NULL;
}

static bool done(const void *state)
{
	return is_settled(state);
}

static void print(const void *state, char *text, size_t bytes)
{
	const struct state *s = state;
	size_t n = 0;

	text[0] = '\0';
	for (int r = 0; r < RESPONSES && n < bytes; r++)
		n += (size_t)snprintf(text + n, bytes - n, "response %d v%d%s%s; ", r, s->responses[r].version,
				      s->responses[r].matches ? " matches" : "", s->responses[r].case_open ? " case" : "");
	for (int i = 0; i < s->n_rows && n < bytes; i++)
		if (s->rows[i].present)
			n += (size_t)snprintf(text + n, bytes - n, "row(%d tries=%d%s%s) ", s->rows[i].response,
					      s->rows[i].tries, s->rows[i].lock ? " locked" : "",
					      s->rows[i].aside ? " aside" : "");
}

int main(int argc, char **argv)
{
	static const struct explore_model model = {"intake", sizeof(struct state), start, next, wrong, done, print};

	return explore_main(&model, argc, argv);
}
