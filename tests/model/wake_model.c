/*
 * No wake-up is lost: the gate of sql/002_capture.sql against the real schedule of looks (daemon/flow/look.c is linked in).
 *
 * One slow writer among a flood of others: its trigger puts a row into the inbox and reads the gate, and it commits any time
 * later. NOTIFY is sent only if the gate was past when the trigger read it. The daemon looks, raises its promise before it looks,
 * sees what is committed and above its low-water mark, and asks look_after() when to look again. The flood may begin and end;
 * another daemon may raise the gate and die; a batch may take longer than the promise.
 *
 * Time is real here, in microseconds, but moves only to the instants at which something can differ: a look, the end of a batch,
 * the end of the promise, where a trigger may see it or no longer. States are relative to now.
 *
 * Promises, of a row that is committed and not yet seen:
 *   W1  it is seen within LOOK_IDLE_EVERY_US, whatever happened, plus a batch
 *   W2  if NOTIFY was sent, it is seen by the next look; a row below the mark of a busy daemon within LOOK_RESCAN_US
 *   W3  if the daemon's promise kept NOTIFY back and the writer committed within 100 ms, it is seen within another 100 ms (and
 *       below the mark of a busy daemon as in W2)
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "explore.h"
#include "flow/look.h"

#include <stdio.h>
#include <string.h>

#define BASE_US 1000000000
#define SLOW_BATCH_US (80 * US_PER_MS)
#define SLACK_US (20 * US_PER_MS)
#define FULL_BATCH_US (10 * US_PER_MS)
#define QUICK_US (100 * US_PER_MS)
#define LIMIT 1000
#define SECOND_US ((int32_t)US_PER_S)
#define RATE_CAP 1024 /* three times LOOK_BUSY_PER_S: what a flood above it does is the same */
#ifdef MUTATE_LONG_PROMISE
#define PROMISE_US (5 * US_PER_S)
#else
#define PROMISE_US LOOK_PROMISE_US
#endif

enum writer { NOT_YET, TRIGGERED, COMMITTED, SEEN };
enum daemon { WAITING, LOOKING };

struct state {
	int32_t last, promised_to, rescanned, per_s, step; /* struct look */
	int32_t next;                                      /* look, or end of the batch */
	int32_t awake_until;                               /* the gate; 0: long past */
	int32_t committed, triggered;                      /* 0 before and after */
	int32_t rows;                                      /* of the flood, found by each look */
	uint8_t rescan, promise, daemon, writer;
	uint8_t rescanning; /* the look under way started at the first row */
	uint8_t look_again;
	uint8_t below;             /* the writer's row lies below the low-water mark */
	uint8_t from_zero;         /* the mark is 0: every look starts at the first row */
	uint8_t notified, foreign; /* foreign: not our promise kept NOTIFY back */
	uint8_t floods, others, slow, misses;
	uint8_t slowly;    /* the writer needed QUICK_US or more to commit */
	uint8_t unused[1]; /* no padding */
};

static int32_t later(int32_t at, int32_t by)
{
	return at ? at - by : 0;
}

/* A state at `at` becomes one at BASE_US; what lies too far back to matter is cut off. */
static void to(struct explore *e, struct state s, int32_t at, const char *step)
{
	int32_t by = at - BASE_US;
	s.last = MAX(s.last - by, BASE_US - 5 * SECOND_US);
	s.rescanned = MAX(s.rescanned - by, BASE_US - 2 * SECOND_US);
	s.promised_to = later(s.promised_to, by) <= BASE_US ? 0 : s.promised_to - by;
	s.awake_until = later(s.awake_until, by) < BASE_US ? 0 : s.awake_until - by;
	s.next -= by;
	if (s.writer == TRIGGERED)
		s.triggered = MAX(s.triggered - by, BASE_US - (int32_t)QUICK_US);
	if (s.writer == COMMITTED)
		s.committed -= by;
	if (s.writer == SEEN) /* the end: nothing else matters */
		s = (struct state){.writer = SEEN};
	explore_to(e, &s, step, 0);
}

/* ---- the writer ---- */

static void step_writer(struct explore *e, const struct state *now)
{
	struct state s = *now;

	if (now->writer == NOT_YET) { /* wake(): last_value NOT BETWEEN now_ms AND … */
		s.writer = TRIGGERED;
		s.triggered = BASE_US;
		if (now->awake_until >= BASE_US)
			to(e, s, BASE_US, "the writer's trigger sees the promise");
		s.notified = 1;
		s.foreign = 0;
		if (now->awake_until <= BASE_US)
			to(e, s, BASE_US, "the writer's trigger notifies");
	} else if (now->writer == TRIGGERED) {
		s.writer = COMMITTED;
		s.committed = BASE_US;
		s.slowly = s.triggered <= BASE_US - QUICK_US;
		s.triggered = 0;
		if (s.notified) { /* intake_run_look() */
			if (s.daemon == WAITING)
				s.next = BASE_US;
#ifndef MUTATE_NOTIFY_LOST_WHILE_BUSY
			else
				s.look_again = 1;
#endif
		}
		to(e, s, BASE_US, "the writer commits");
	}
}

/* ---- the daemon ---- */

/* intake_claim_now(): the promise is raised, then the claim sees what is committed */
static void start_look(struct explore *e, const struct state *now, bool raised, bool slow)
{
	struct state s = *now;
	bool visible;

	if (s.promise && raised && s.awake_until < BASE_US + PROMISE_US)
		s.awake_until = (int32_t)(BASE_US + PROMISE_US);
	s.misses -= !raised;
	s.promise = 0;
	s.rescanning = s.rescan || s.from_zero;
#ifdef MUTATE_NO_RESCAN
	s.rescanning = s.from_zero;
#endif
	visible = s.writer == COMMITTED && (s.rescanning || !s.below);
	s.rescan = 0;
	s.from_zero = s.rescanning && s.rows == 0 && !visible;
	if (s.rows && (s.writer == TRIGGERED || s.writer == COMMITTED))
		s.below = 1; /* the flood's rows have higher numbers */
	if (visible)
		s.writer = SEEN;
	s.daemon = LOOKING;
	s.slow -= slow;
	s.next = (int32_t)(BASE_US + (slow ? SLOW_BATCH_US : s.rows == LIMIT ? FULL_BATCH_US : 0));
	to(e, s, BASE_US, slow ? "the daemon looks, its batch takes long" : "the daemon looks");
}

/* batch_succeeded() and claimed_nothing(), intake_wait() */
static void end_look(struct explore *e, const struct state *now)
{
	struct state s = *now;
	struct look l = {(double)s.per_s, {s.last}, {s.promised_to}, {s.rescanned}, s.step, s.rescan};
	struct look_plan p;

	s.daemon = WAITING;
	if (s.rows == 0 && !s.rescanning) {
		s.rescan = 1;
		p = (struct look_plan){0, s.promise};
	} else {
		p = look_after(&l, (struct mono_time){BASE_US}, s.rows, LIMIT);
		s.per_s = (int32_t)MIN(l.per_s, RATE_CAP) / 64 * 64; /* so that a steady flood comes to rest */
		s.last = (int32_t)l.last.us;
		s.promised_to = (int32_t)l.promised_to.us;
		s.rescanned = (int32_t)MAX(l.rescanned.us, 0);
		s.step = l.step;
		s.rescan = l.rescan;
	}
#ifdef MUTATE_NO_RELOOK
	if (p.in_us > LOOK_BUSY_EVERY_US * 4)
		p.in_us = LOOK_IDLE_EVERY_US;
	if (!p.promise && p.in_us == 10 * US_PER_MS)
		p.in_us = LOOK_IDLE_EVERY_US;
#endif
#ifdef MUTATE_NO_POLL
	if (p.in_us >= LOOK_IDLE_EVERY_US)
		p.in_us = 100 * US_PER_S;
#endif
	s.promise = p.promise;
	s.next = (int32_t)(BASE_US + (s.look_again ? 0 : p.in_us));
	s.look_again = 0;
	to(e, s, BASE_US, "its batch is done");
}

/* ---- time and the others ---- */

static void step_time(struct explore *e, const struct state *now)
{
	if (now->awake_until > BASE_US && now->awake_until < now->next)
		to(e, *now, now->awake_until, "the promise runs out");
	else
		to(e, *now, now->next, "time passes");
}

static void step_others(struct explore *e, const struct state *now)
{
	struct state s = *now;

	if (now->floods) {
		s.floods--;
		for (int i = 0; i < 2; i++) {
			static const int rows[] = {0, 40};

			s.rows = rows[i];
			if (s.rows == now->rows || (s.rows && now->rows))
				continue;
			if (s.daemon == WAITING && s.rows && s.awake_until < BASE_US)
				s.next = BASE_US; /* its first writer notifies */
			to(e, s, BASE_US, rows[i] ? "a flood begins" : "the flood ends");
		}
	}
	if (now->others && now->writer == NOT_YET) {
		s = *now;
		s.others--;
		if (s.awake_until < BASE_US + LOOK_PROMISE_US) {
			s.awake_until = (int32_t)(BASE_US + LOOK_PROMISE_US);
			s.foreign = 1;
		}
		to(e, s, BASE_US, "another daemon promises to look, and is killed");
	}
}

/* ---- the model ---- */

static void start(struct explore *e)
{
	/* One odd thing at a time, in quiet and in floods; or none, but a flood that comes and goes. */
	static const struct state odd[] = {{.floods = 2}, {.others = 1}, {.slow = 1}, {.misses = 1}};

	for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
		for (int k = 0; k < 3; k++) {
			static const int rows[] = {0, 40, LIMIT};
			struct state s = odd[i];
			struct look l;

			look_init(&l, (struct mono_time){BASE_US});
			s.daemon = WAITING;
			s.next = BASE_US;
			s.from_zero = 1;
			s.last = (int32_t)l.last.us;
			s.rescan = l.rescan;
			s.step = l.step;
			s.rows = rows[k];
			s.floods = (uint8_t)(s.floods - (s.floods > 1 && rows[k]));
			explore_to(e, &s, "a daemon starts", 0);
		}
}

static void next(struct explore *e, const void *state)
{
	const struct state *now = state;

	if (now->writer == SEEN)
		return;
	step_writer(e, now);
	step_others(e, now);
	if (now->next > BASE_US) {
		step_time(e, now);
		return;
	}
	if (now->daemon == LOOKING) {
		end_look(e, now);
		return;
	}
	for (int raised = !now->promise || !now->misses; raised <= 1;
	     raised++) /* raise_awake(): another session is just raising it */
		for (int slow = 0; slow <= (now->slow > 0); slow++)
			start_look(e, now, raised, slow);
}

static const char *wrong(const void *state)
{
	const struct state *s = state;
	int64_t age = BASE_US - s->committed;

	if (s->writer != COMMITTED)
		return NULL;
	if (age > LOOK_IDLE_EVERY_US + SLOW_BATCH_US + SLACK_US)
		return "W1: a committed row is not looked at";
	if (s->notified && age > LOOK_RESCAN_US + SLOW_BATCH_US + SLACK_US)
		return "W2: a row that was notified is not looked at";
	if (s->notified && !s->below && age > SLOW_BATCH_US + SLACK_US)
		return "W2: a row that was notified is not looked at";
	if (!s->notified && !s->foreign && !s->slowly &&
	    age > (s->below ? LOOK_RESCAN_US : QUICK_US) + SLOW_BATCH_US + SLACK_US)
		return "W3: a row that was not notified because of a promise is not looked at";
	return NULL;
}

static bool done(const void *state)
{
	return ((const struct state *)state)->writer == SEEN;
}

static void print(const void *state, char *text, size_t bytes)
{
	static const char *const writers[] = {"no row", "row uncommitted", "row committed", "row seen"};
	const struct state *s = state;

	snprintf(text, bytes, "%s%s, next %s in %.3f ms, gate %s %.3f ms, flood %d, %d/s, step %d%s%s", writers[s->writer],
		 s->writer == COMMITTED && s->below ? " below the mark" : "", s->daemon == LOOKING ? "end of batch" : "look",
		 (double)(s->next - BASE_US) / US_PER_MS, s->awake_until ? "open for" : "past",
		 s->awake_until ? (double)(s->awake_until - BASE_US) / US_PER_MS : 0.0, s->rows, s->per_s, s->step,
		 s->rescan ? ", from the first row" : "", s->promise ? ", promises" : "");
}

int main(int argc, char **argv)
{
	static const struct explore_model model = {"wake", sizeof(struct state), start, next, wrong, done, print};

	return explore_main(&model, argc, argv);
}
