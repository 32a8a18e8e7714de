/*
 * Merging: two daemons judge two responses of one customer while the application changes them and a person works on the case.
 *
 * Each step stands for a statement of daemon/case/case_store.c or a function of sql/013_merge.sql as judge.c, judge_merge.c and
 * intake_write.c use them; how rows are claimed and set aside is intake_model's. Transactions are READ COMMITTED.
 *
 *   writer:  UPDATE (row locked, inbox row by trigger, or with a settle window the one that waits) ─▶ commit
 *   person:  case_transition() (case locked) ─▶ commit
 *   daemon:  claim ─▶ customer locked ─▶ responses locked ─▶ judged? ─▶ cases found ─▶ locked, looked at again ─▶ COMMIT
 *
 * Promises:
 *   I1  at the end every response was judged as it stands, and is in a case if that matches; nobody's dismissed case keeps it
 *   I2  a response is put into a case once
 *   M1  a case opens only where none stands that the answer belongs to
 *   M2  an answer joins only what still stands
 *   M3  no case dismisses itself that somebody has worked on, or that holds another answer that matches
 *   M4  a case dismisses itself when it may: nobody is left with one that no answer matches
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "explore.h"

#include <stdio.h>
#include <string.h>

#define DAEMONS 2
#define RESPONSES 2
#define CASES 4
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef ACTIONS
#define ACTIONS 1
#endif
#ifndef KILLS
#define KILLS 1
#endif
#define WRITER (DAEMONS + 1)
#define PERSON (DAEMONS + 2)

enum stage { IDLE, CLAIMED, CUSTOMER, LOCKED, JUDGED, FOUND, READY, TOLD };
enum plan { NOTHING, OPEN, JOIN, AMEND, RETURN };
enum status { NONE, STANDS, RESOLVED, DISMISSED };
enum action { NO_ACTION, TOUCH, RESOLVE };

struct response {
	uint8_t version, matches;
	uint8_t lock; /* daemon + 1, or WRITER */
	uint8_t changing, will_match;
	uint8_t rows;     /* that wait in the inbox and nobody has taken */
	uint8_t held;     /* one of them is locked by the writer, whose change it will carry */
	uint8_t in;       /* case + 1 */
	uint8_t judged;   /* the last version that was, + 1 */
	uint8_t recorded; /* case_responses.row_version: version + 1 */
};

struct acase {
	uint8_t status, version, touched, withdrawn;
	uint8_t opener;  /* response + 1 */
	uint8_t answers; /* responses, a bit each */
	uint8_t lock;    /* daemon + 1, or PERSON */
};

struct daemon {
	uint8_t stage, claimed; /* responses, a bit each */
	uint8_t seen[RESPONSES], matched[RESPONSES], plan[RESPONSES], in[RESPONSES], expected[RESPONSES], untouched[RESPONSES];
	uint8_t candidate; /* case + 1 */
	uint8_t joins[RESPONSES];
};

struct state {
	struct response responses[RESPONSES];
	struct acase cases[CASES];
	struct daemon daemons[DAEMONS];
	uint8_t customer;       /* who has the customer's lock: daemon + 1 */
	uint8_t acting, action; /* the person works on case + 1 */
	uint8_t kills, changes, actions;
	uint8_t broken;
};

enum broken { FINE, TWICE, SECOND_CASE, JOINED_GONE, DISMISSED_TOUCHED, DISMISSED_OTHERS, NO_ROOM };
static const char *const broken_text[] = {
	[TWICE] = "I2: one response is put into a case a second time",
	[SECOND_CASE] = "M1: a case opens though one stands that the answer belongs to",
	[JOINED_GONE] = "M2: an answer joins what no longer stands",
	[DISMISSED_TOUCHED] = "M3: a case dismisses itself though somebody has worked on it",
	[DISMISSED_OTHERS] = "M3: a case dismisses itself with another answer in it",
	[NO_ROOM] = "model: too few cases",
};

static void fail(struct state *s, enum broken what)
{
	if (!s->broken)
		s->broken = (uint8_t)what;
}

/* ---- the application ---- */

/* A row that waits takes the change along, if nobody is just taking it: the writer keeps it locked until it commits. */
static bool rides_along(const struct state *s, int r)
{
#ifdef SETTLES
	bool waits = s->responses[r].rows > 0;

#ifdef MUTATE_SETTLE_TRUSTS_CLAIMED
	for (int d = 0; d < DAEMONS; d++)
		waits |= s->daemons[d].stage != IDLE && s->daemons[d].stage != TOLD && (s->daemons[d].claimed >> r & 1);
#endif
	return waits;
#else
	(void)s;
	(void)r;
	return false;
#endif
}

static void step_writer(struct explore *e, const struct state *now, int r)
{
	struct state s = *now;
	struct response *x = &s.responses[r];

	if (x->changing) {
		x->version++;
		x->matches = x->will_match;
		if (x->changing == 1)
			x->rows++;
		x->changing = x->will_match = x->lock = x->held = 0;
		explore_to(e, &s, "the application commits its change of response %d", r);
		return;
	}
	if (now->changes == 0 || x->lock)
		return;
	s.changes--;
	x->lock = WRITER;
	x->changing = rides_along(now, r) ? 2 : 1;
#ifndef MUTATE_SETTLE_NO_LOCK
	x->held = x->changing == 2 && x->rows;
#endif
	x->will_match = !x->matches;
	explore_to(e, &s,
		   x->will_match ? "the application changes response %d: it matches"
				 : "the application changes response %d: no rule matches",
		   r);
}

/* ---- the person ---- */

static void step_person(struct explore *e, const struct state *now)
{
	struct state s = *now;

	if (now->acting) {
		struct acase *c = &s.cases[now->acting - 1];

		c->lock = 0;
		c->version++;
		c->touched = 1;
		if (now->action == RESOLVE)
			c->status = RESOLVED;
		s.acting = s.action = 0;
		explore_to(e, &s, "the person's action on case %d is committed", now->acting - 1);
		s = *now;
		s.cases[now->acting - 1].lock = 0;
		s.acting = s.action = 0;
		explore_to(e, &s, "the person's action on case %d is rolled back", now->acting - 1);
		return;
	}
	for (int c = 0; c < CASES && now->actions; c++)
		if (now->cases[c].status == STANDS && !now->cases[c].lock)
			for (int action = TOUCH; action <= RESOLVE; action++) {
				s = *now;
				s.actions--;
				s.cases[c].lock = PERSON;
				s.acting = (uint8_t)(c + 1);
				s.action = (uint8_t)action;
				explore_to(e, &s,
					   action == TOUCH ? "a person writes a note at case %d" : "a person resolves case %d",
					   c);
			}
}

/* ---- a daemon ---- */

static void unlock(struct state *s, int d)
{
	for (int r = 0; r < RESPONSES; r++)
		if (s->responses[r].lock == d + 1)
			s->responses[r].lock = 0;
	for (int c = 0; c < CASES; c++)
		if (s->cases[c].lock == d + 1)
			s->cases[c].lock = 0;
	if (s->customer == d + 1)
		s->customer = 0;
}

static void killed(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;

	s.kills--;
	if (s.daemons[d].stage != TOLD) {
		for (int r = 0; r < RESPONSES; r++)
			s.responses[r].rows += s.daemons[d].claimed >> r & 1;
		unlock(&s, d);
	}
	s.daemons[d] = (struct daemon){0};
	explore_to(e, &s, "daemon %d is killed and started again", d);
}

/* intake_claim: a limit may fall anywhere, and what another has locked is skipped. */
static void step_claim(struct explore *e, const struct state *now, int d)
{
	for (int take = 1; take < 1 << RESPONSES; take++) {
		struct state s = *now;
		struct daemon *x = &s.daemons[d];
		bool there = true;

		for (int r = 0; r < RESPONSES; r++) {
			struct response *p = &s.responses[r];

			if (!(take >> r & 1))
				continue;
			there &= p->rows > p->held;
			p->rows--;
			x->seen[r] = (uint8_t)(p->version + 1);
			x->matched[r] = p->matches;
			x->in[r] = p->in;
		}
		if (!there)
			continue;
		x->claimed = (uint8_t)take;
		x->stage = CLAIMED;
		explore_to(e, &s, "daemon %d claims", d);
	}
}

static bool is_planned(const struct daemon *x, int r)
{
	return (x->claimed >> r & 1) && (x->matched[r] || x->in[r]);
}

/* judge_rules(), case_lock_customers. */
static void step_customer(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];
	bool planned = false;

	for (int r = 0; r < RESPONSES; r++) {
		planned |= is_planned(x, r);
		x->plan[r] = !is_planned(x, r) ? NOTHING : x->matched[r] ? OPEN : AMEND;
	}
	if (!planned) {
		x->stage = READY;
		explore_to(e, &s, "daemon %d finds that nothing matches", d);
		return;
	}
#ifndef MUTATE_NO_CUSTOMER_LOCK
	if (now->customer)
		return;
	s.customer = (uint8_t)(d + 1);
#endif
	x->stage = CUSTOMER;
	explore_to(e, &s, "daemon %d locks the customer", d);
}

/* case_lock_responses */
static void step_lock(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	for (int r = 0; r < RESPONSES; r++) {
		if (!is_planned(x, r))
			continue;
		if (s.responses[r].lock)
			x->plan[r] = RETURN;
		else
			s.responses[r].lock = (uint8_t)(d + 1);
		if (x->seen[r] != s.responses[r].version + 1)
			x->plan[r] = RETURN;
	}
	x->stage = LOCKED;
	explore_to(e, &s, "daemon %d locks the responses", d);
}

/* case_judged */
static void step_judged(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	for (int r = 0; r < RESPONSES; r++) {
#ifndef MUTATE_TRUST_THE_CLAIM
		x->in[r] = s.responses[r].in;
#endif
		if (!(x->claimed >> r & 1) || x->plan[r] == NOTHING || x->plan[r] == RETURN || !x->in[r])
			continue;
		x->plan[r] = s.responses[r].recorded == x->seen[r] ? NOTHING : AMEND;
		x->expected[r] = s.cases[x->in[r] - 1].version;
		x->untouched[r] = !s.cases[x->in[r] - 1].touched;
	}
	x->stage = JUDGED;
	explore_to(e, &s, "daemon %d reads what was judged before", d);
}

/* merge_look(): as committed when it begins */
static void step_find(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	for (int c = 0; c < CASES; c++)
		if (s.cases[c].status == STANDS)
			x->candidate = (uint8_t)(c + 1); /* the newest */
	x->stage = FOUND;
	explore_to(e, &s, "daemon %d looks for cases of the customer", d);
}

/* merge_candidates(): locked, then looked at again */
static void step_ready(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];
	int joins = x->candidate;

	if (x->candidate) {
		struct acase *c = &s.cases[x->candidate - 1];

		if (c->lock)
			return;
		c->lock = (uint8_t)(d + 1);
#ifndef MUTATE_NO_SECOND_LOOK
		if (c->status != STANDS)
			joins = 0;
#endif
	}
	for (int r = 0; r < RESPONSES; r++) /* case/merge.c, in the order in which they were given */
		if (x->plan[r] == OPEN) {
			x->joins[r] = (uint8_t)joins;
			if (joins)
				x->plan[r] = JOIN;
#ifndef MUTATE_BATCH_BLIND
			if (!joins)
				joins = CASES + 1; /* the one that this answer opens */
#endif
		}
	x->stage = READY;
	explore_to(e, &s, "daemon %d has locked them and looked again", d);
}

static int open_case(struct state *s, int r)
{
	int c = 0;

	if (s->responses[r].in)
		fail(s, TWICE);
	while (c < CASES && s->cases[c].status != NONE)
		c++;
	for (int i = 0; i < CASES; i++)
		if (s->cases[i].status == STANDS && !s->cases[i].withdrawn)
			fail(s, SECOND_CASE);
	if (c == CASES) {
		fail(s, NO_ROOM);
		return 0;
	}
	s->cases[c] = (struct acase){.status = STANDS, .version = 1, .opener = (uint8_t)(r + 1), .answers = (uint8_t)(1 << r)};
	return c + 1;
}

/* case_kept_why() */
static bool is_kept(const struct daemon *x, const struct acase *c, int r)
{
	if (c->status != STANDS)
		return true;
#ifndef MUTATE_OTHERS_FORGOTTEN
	if (c->opener != r + 1 || c->answers & ~(1 << r))
		return true;
#endif
#ifdef MUTATE_DISMISS_BLINDLY
	return !x->untouched[r];
#else
	return c->touched || c->version != x->expected[r];
#endif
}

/* case_amend() */
static void amend(struct state *s, struct daemon *x, int r)
{
	struct acase *c = &s->cases[x->in[r] - 1];
	bool kept = is_kept(x, c, r);

	c->version++;
	if (x->matched[r] && c->status == DISMISSED && c->withdrawn && c->opener == r + 1) {
		c->status = STANDS; /* opened again, though another may stand by now */
	} else if (!x->matched[r] && !kept) {
		if (c->touched)
			fail(s, DISMISSED_TOUCHED);
		for (int o = 0; o < RESPONSES; o++)
			if (o != r && (c->answers >> o & 1) && s->responses[o].matches)
				fail(s, DISMISSED_OTHERS);
		c->status = DISMISSED;
		c->withdrawn = 1;
	}
}

/* Rows that an amendment changes are locked there and then. */
static bool must_wait(const struct state *s, const struct daemon *x, int d)
{
	for (int r = 0; r < RESPONSES; r++)
		if (x->plan[r] == AMEND && s->cases[x->in[r] - 1].lock && s->cases[x->in[r] - 1].lock != d + 1)
			return true;
	return false;
}

static void join(struct state *s, struct daemon *x, int r, int opened)
{
	struct acase *c;

	if (x->joins[r] == CASES + 1)
		x->joins[r] = (uint8_t)opened;
	if (!x->joins[r])
		return;
	if (s->responses[r].in)
		fail(s, TWICE);
	c = &s->cases[x->joins[r] - 1];
	if (c->status != STANDS)
		fail(s, JOINED_GONE);
	c->answers |= (uint8_t)(1 << r);
	c->version++;
	s->responses[r].in = x->joins[r];
}

static void write_cases(struct state *s, struct daemon *x)
{
	int opened = 0;

#ifdef MUTATE_AMEND_FIRST
	for (int r = 0; r < RESPONSES; r++)
		if (x->plan[r] == AMEND)
			amend(s, x, r);
#endif
	for (int r = 0; r < RESPONSES; r++)
		if (x->plan[r] == OPEN)
			s->responses[r].in = (uint8_t)(opened = open_case(s, r));
	for (int r = 0; r < RESPONSES; r++)
		if (x->plan[r] == JOIN)
			join(s, x, r, opened);
#ifndef MUTATE_AMEND_FIRST
	for (int r = 0; r < RESPONSES; r++)
		if (x->plan[r] == AMEND)
			amend(s, x, r);
#endif
}

static void step_commit(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;
	struct daemon *x = &s.daemons[d];

	if (must_wait(now, x, d))
		return;
	write_cases(&s, x);
	for (int r = 0; r < RESPONSES; r++) {
		struct response *p = &s.responses[r];

		if (x->plan[r] == RETURN)
			p->rows += p->rows == 0;
		else if (x->claimed >> r & 1 && x->seen[r] > p->judged)
			p->judged = x->seen[r];
		if (x->plan[r] == OPEN || x->plan[r] == JOIN || x->plan[r] == AMEND)
			p->recorded = x->seen[r];
	}
	unlock(&s, d);
	*x = (struct daemon){.stage = TOLD};
	explore_to(e, &s, "COMMIT of daemon %d is executed", d);
}

static void step_daemon(struct explore *e, const struct state *now, int d)
{
	struct state s = *now;

	switch (now->daemons[d].stage) {
	case IDLE: step_claim(e, now, d); return;
	case CLAIMED: step_customer(e, now, d); break;
	case CUSTOMER: step_lock(e, now, d); break;
	case LOCKED: step_judged(e, now, d); break;
	case JUDGED: step_find(e, now, d); break;
	case FOUND: step_ready(e, now, d); break;
	case READY: step_commit(e, now, d); break;
	default: s.daemons[d].stage = IDLE; explore_to(e, &s, "daemon %d has the answer to COMMIT", d);
	}
	if (now->kills)
		killed(e, now, d);
}

/* ---- the model ---- */

static void start(struct explore *e)
{
	for (int matches = 0; matches < 4; matches++) {
		struct state s = {.kills = KILLS, .changes = CHANGES, .actions = ACTIONS};

		for (int r = 0; r < RESPONSES; r++) {
			s.responses[r].matches = matches >> r & 1;
			s.responses[r].rows = 1;
		}
		explore_to(e, &s, "two responses are captured", 0);
	}
}

static void next(struct explore *e, const void *state)
{
	const struct state *now = state;

	for (int r = 0; r < RESPONSES; r++)
		step_writer(e, now, r);
	step_person(e, now);
	for (int d = 0; d < DAEMONS; d++)
		step_daemon(e, now, d);
}

static bool is_settled(const struct state *s)
{
	for (int d = 0; d < DAEMONS; d++)
		if (s->daemons[d].stage != IDLE)
			return false;
	for (int r = 0; r < RESPONSES; r++)
		if (s->responses[r].rows || s->responses[r].changing)
			return false;
	return !s->acting;
}

static const char *wrong(const void *state)
{
	const struct state *s = state;

	if (s->broken)
		return broken_text[s->broken];
	if (!is_settled(s))
		return NULL;
	for (int r = 0; r < RESPONSES; r++) {
		const struct response *x = &s->responses[r];

		if (x->judged != x->version + 1)
			return "I1: the last change of a response was never judged";
		if (x->matches && !x->in)
			return "I1: a response that matches has no case";
		if (x->matches && s->cases[x->in - 1].status == DISMISSED)
			return "I1: a response that matches has a case that dismissed itself";
	}
	for (int c = 0; c < CASES; c++) {
		const struct acase *k = &s->cases[c];

		if (k->status == STANDS && !k->touched && k->answers == 1 << (k->opener - 1) &&
		    !s->responses[k->opener - 1].matches)
			return "M4: a case stands that no answer matches, and nobody has touched";
	}
	return NULL;
}

static bool done(const void *state)
{
	return is_settled(state);
}

static void print(const void *state, char *text, size_t bytes)
{
	static const char *const statuses[] = {"", "stands", "resolved", "dismissed"};
	const struct state *s = state;
	size_t n = 0;

	text[0] = '\0';
	for (int r = 0; r < RESPONSES && n < bytes; r++)
		n += (size_t)snprintf(text + n, bytes - n, "response %d v%d%s in %d rows %d; ", r, s->responses[r].version,
				      s->responses[r].matches ? " matches" : "", s->responses[r].in - 1, s->responses[r].rows);
	for (int c = 0; c < CASES && n < bytes; c++)
		if (s->cases[c].status)
			n += (size_t)snprintf(text + n, bytes - n, "case %d %s v%d answers %d%s; ", c,
					      statuses[s->cases[c].status], s->cases[c].version, s->cases[c].answers,
					      s->cases[c].touched ? " touched" : "");
}

int main(int argc, char **argv)
{
	static const struct explore_model model = {"merge", sizeof(struct state), start, next, wrong, done, print};

	return explore_main(&model, argc, argv);
}
