/*
 * Releasing what is held: a job of the work connection between two batches.
 *
 *   end what is bound to digests that have ended ─▶ whose digest, whose morning is due? (claimed: two daemons, one mail)
 *     ─▶ bind or queue (digest_release) ─▶ read lines, responses, local times ─▶ words (digest.c) ─▶ write, commit
 *
 * A person whose digest can't be put into words is told through the next one in line, as after an undelivered mail.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/release.h"
#include "base/log.h"
#include "case/case_store.h"
#include "flow/directory_load.h"
#include "flow/inner.h"

#include <stdlib.h>

#define PEOPLE_AT_ONCE 20
#define PEOPLE_FIRST 2
#define ROUND_US (300 * US_PER_MS) /* one that took longer halves the next: responses wait for it */
#define BOUND_AT_ONCE 2000
#define AGAIN_FIRST_US US_PER_S /* until a digest is looked after that is on its way; doubling, the heartbeat does the rest */
#define AGAIN_MAX_US (8 * US_PER_S)
#define POSTPONE_S 300.0

static const struct pg_stmt stmt_begin = {"begin", "BEGIN", 0, {0}};
static const struct pg_stmt stmt_commit = {"commit", "COMMIT", 0, {0}};
static const struct pg_stmt stmt_rollback = {"rollback", "ROLLBACK", 0, {0}};

struct release {
	struct flow *flow;
	struct deadline next;
	int limit; /* people at once; 1 after a failure */
	struct mono_time began;
	int64_t again_us; /* 0: no digest of ours is on its way */

	/* of the round under way */
	const char **due, **mornings;
	int n_due, n_mornings;
	int64_t directory_version;
	struct digest_round round;
	struct digest_job *jobs;
	int n_jobs, reading;
	bool more, wrote, queued;
	double next_s;
};

struct budget_limits release_limits(const struct live *live, const struct person *p)
{
	return (struct budget_limits){
		.person = p->id,
		.timezone = directory_zone(live->directory, p),
		.quiet_from = p->quiet_from,
		.quiet_to = p->quiet_to,
		.alerts_per_hour = p->alerts_per_hour,
		.urgent_per_hour = p->urgent_per_hour,
	};
}

static struct arena *release_arena(struct release *r)
{
	return r->flow->intake.arena;
}

/* ---- the end of a round ---- */

static void release_plan(struct release *r)
{
	int64_t in_us = r->next_s < 3600 ? (int64_t)(MAX(r->next_s, 0) * (double)US_PER_S) + US_PER_MS : 3600 * US_PER_S;

	if (r->next_s <= 0 && !r->more) /* somebody else has it, or it waits until everything due is told */
		in_us = AGAIN_FIRST_US;
	if (r->wrote)
		r->again_us = AGAIN_FIRST_US;
	if (r->again_us && in_us > r->again_us)
		in_us = r->again_us;
	if (r->again_us)
		r->again_us = r->again_us < AGAIN_MAX_US ? r->again_us * 2 : 0;
	deadline_arm(&r->next, in_us);
}

static void on_next_due(struct deadline *d)
{
	struct release *r = container_of(d, struct release, next);

	if (r->flow->work_ready)
		intake_run_between(&r->flow->intake, BETWEEN_RELEASE);
}

static void on_rolled_back(void *arg, const struct pg_error *error)
{
	struct release *r = arg;

	if (!error || !error->lost)
		intake_run_continue(&r->flow->intake, BETWEEN_RELEASE, r->more);
}

/* Together they fail, one by one the good ones pass; who fails alone, by what is held for them, waits. */
static void release_failed(struct release *r, const struct pg_error *error)
{
	struct pg_batch *b;
	struct pg_params *p;
	struct pg_array people;
	bool rows = intake_blames_rows(error);

	if (error->lost)
		return; /* intake_run_lost() follows */
	log_warning("digests: sqlstate=%s statement=%s %s", error->sqlstate, error->statement, error->message);
	r->more = rows || pg_error_is_conflict(error);
	b = pg_batch_new(r->flow->work);
	pg_batch_add(b, &stmt_rollback, NULL, NULL, NULL);
	if (rows && r->limit == 1 && r->n_due > 0) {
		p = arena_new_obj(release_arena(r), struct pg_params);
		pg_array_init(&people, release_arena(r), PG_TEXT);
		for (int i = 0; i < r->n_due; i++)
			pg_array_text(&people, r->due[i]);
		pg_params_init(p, release_arena(r));
		pg_add_array(p, &people);
		pg_add_float8(p, POSTPONE_S);
		pg_batch_add(b, &budget_postpone, p, NULL, NULL);
	}
	r->more &= r->limit > 1 || r->n_due > 0;
	r->limit = 1;
	deadline_arm(&r->next, AGAIN_MAX_US);
	pg_batch_send(b, 0, on_rolled_back, r);
}

static void on_next_rows(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;

	r->next_s = pg_count(rows) && !pg_is_null(rows, 0, 0) ? pg_get_float8(rows, 0, 0) : 1e9;
}

static void on_committed(void *arg, const struct pg_error *error)
{
	struct release *r = arg;

	if (error) {
		release_failed(r, error);
		return;
	}
	r->flow->stats.fallbacks += (uint64_t)r->round.fallbacks;
	for (int i = 0; i < r->n_jobs; i++)
		r->flow->stats.digests[r->jobs[i].why] += r->jobs[i].written;
	if (r->wrote || r->queued)
		courier_kick(&r->flow->courier);
	if (mono_now().us - r->began.us > ROUND_US)
		r->limit = MAX(r->limit / 2, 1);
	else if (MAX(r->n_due, r->n_mornings) == r->limit)
		r->limit = MIN(r->limit * 2, PEOPLE_AT_ONCE);
	release_plan(r);
	intake_run_continue(&r->flow->intake, BETWEEN_RELEASE, r->more);
}

static void release_commit(struct release *r, struct pg_batch *b)
{
	pg_batch_add(b, &budget_next, NULL, on_next_rows, r);
	pg_batch_add(b, &stmt_commit, NULL, NULL, NULL);
	pg_batch_send(b, 0, on_committed, r);
}

/* ---- words ---- */

static void add_disown(struct release *r, struct pg_batch *b, const char *person, const struct uuid *digest)
{
	struct pg_params *p = arena_new_obj(release_arena(r), struct pg_params);

	log_warning("person %s can't be told what is held for them: the next in line is", person);
	pg_params_init(p, release_arena(r));
	pg_add_text(p, person);
	if (digest)
		pg_add_uuid(p, digest);
	else
		pg_add_null(p, PG_UUID);
	pg_batch_add(b, &budget_disown, p, NULL, NULL);
	r->flow->intake.between.due[BETWEEN_NOTICES] = true;
}

static void on_words(void *arg, const struct pg_error *error)
{
	struct release *r = arg;
	struct outbox_message *all;
	struct pg_params *p;
	struct pg_batch *b;
	int n = 0;

	if (error) {
		release_failed(r, error);
		return;
	}
	b = pg_batch_new(r->flow->work);
	all = arena_new_array(release_arena(r), struct outbox_message, (size_t)r->n_jobs);
	for (int i = 0; i < r->n_jobs; i++) {
		struct digest_job *job = &r->jobs[i];
		int fault = job->wanted ? digest_compose(&r->round, job, &all[n]) : 0;

		if (fault < 0)
			log_error("no digest for person %s can be made (%d)", job->person->id, fault);
		if (fault < 0 && job->why != DIGEST_MORNING)
			add_disown(r, b, job->person->id, &job->id);
		job->written = job->wanted && fault == 0;
		n += job->written;
	}
	if (n > 0) {
		p = arena_new_obj(release_arena(r), struct pg_params);
		outbox_insert_params(p, release_arena(r), all, n, r->flow->daemon_id);
		pg_batch_add(b, &outbox_insert, p, NULL, NULL);
		r->wrote = true;
	}
	release_commit(r, b);
}

static void on_responses(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;
	struct claimed *claimed;
	int64_t last = 0;

	r->round.n_responses = intake_read(rows, release_arena(r), &claimed, &last);
	r->round.responses = claimed;
}

static void on_local_rows(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;
	struct local_time *all = arena_new_array(release_arena(r), struct local_time, (size_t)pg_count(rows));
	int at = 0;

	for (int i = 0; i < pg_count(rows); i++)
		all[i] = case_local_time(rows, i);
	for (int i = 0; i < r->n_jobs; i++)
		if (r->jobs[i].wanted) {
			r->jobs[i].due = all + at;
			at += 2 * r->jobs[i].found.n;
		}
}

/* The lines are known: what their responses say, and what time it is for whom. */
static void on_lines_read(void *arg, const struct pg_error *error)
{
	struct release *r = arg;
	struct arena *a = release_arena(r);
	struct pg_params *p = arena_new_obj(a, struct pg_params), *q = arena_new_obj(a, struct pg_params);
	struct pg_array ids, zones, times;
	struct pg_batch *b;

	if (error) {
		release_failed(r, error);
		return;
	}
	pg_array_init(&ids, a, PG_INT8);
	pg_array_init(&zones, a, PG_TEXT);
	pg_array_init(&times, a, PG_TIMESTAMPTZ);
	for (int i = 0; i < r->n_jobs; i++) {
		struct digest_job *job = &r->jobs[i];

		job->wanted = job->wanted && job->found.n > 0;
		for (int k = 0; job->wanted && k < job->found.n; k++) {
			const struct budget_line *l = &job->found.lines[k];
			const struct wall_time due[] = {l->acknowledge_due, l->resolve_due};

			pg_array_int8(&ids, l->response_id);
			for (size_t t = 0; t < ARRAY_SIZE(due); t++) {
				pg_array_text(&zones, directory_zone(r->flow->live->directory, job->person));
				pg_array_time(&times, wall_is_set(due[t]) ? due[t] : r->round.now);
			}
		}
	}
	b = pg_batch_new(r->flow->work);
	if (ids.count == 0) {
		release_commit(r, b);
		return;
	}
	pg_params_init(p, a);
	pg_add_array(p, &ids);
	pg_batch_add(b, &intake_reread, p, on_responses, r);
	pg_params_init(q, a);
	pg_add_array(q, &zones);
	pg_add_array(q, &times);
	pg_batch_add(b, &case_local_times, q, on_local_rows, r);
	pg_batch_send(b, 0, on_words, r);
}

/* ---- who ---- */

static struct digest_job *find_job(struct release *r, const char *person)
{
	for (int i = 0; i < r->n_jobs; i++)
		if (r->jobs[i].why != DIGEST_MORNING && str_eq(r->jobs[i].person->id, person))
			return &r->jobs[i];
	return NULL;
}

static void on_released(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;
	struct budget_release *found;
	int n = budget_release_read(rows, release_arena(r), &found);

	for (int i = 0; i < n; i++) {
		struct digest_job *job = find_job(r, found[i].person);

		r->queued |= found[i].outcome == BUDGET_ONE;
		if (!job || found[i].outcome != BUDGET_DIGEST)
			continue;
		job->wanted = true;
		job->why = found[i].why;
	}
}

/* One answer after the other, in the order of the jobs. */
static void on_lines(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;

	budget_lines_read(rows, release_arena(r), &r->jobs[r->reading++].found);
}

static void add_lines(struct release *r, struct pg_batch *b, const struct digest_job *job)
{
	struct pg_params *p = arena_new_obj(release_arena(r), struct pg_params);

	pg_params_init(p, release_arena(r));
	if (job->why == DIGEST_MORNING)
		pg_add_text(p, job->person->id);
	else
		pg_add_uuid(p, &job->id);
	pg_add_text(p, directory_zone(r->flow->live->directory, job->person));
	pg_add_int4(p, DIGEST_LINES_MAX);
	pg_batch_add(b, job->why == DIGEST_MORNING ? &budget_morning_lines : &budget_digest_lines, p, on_lines, r);
}

static void add_release(struct release *r, struct pg_batch *b)
{
	struct arena *a = release_arena(r);
	struct budget_limits *limits = arena_new_array(a, struct budget_limits, (size_t)r->n_jobs);
	struct pg_params *p = arena_new_obj(a, struct pg_params);
	struct pg_array ids;
	int n = 0;

	pg_array_init(&ids, a, PG_UUID);
	for (int i = 0; i < r->n_jobs; i++)
		if (r->jobs[i].why != DIGEST_MORNING) {
			limits[n++] = release_limits(r->flow->live, r->jobs[i].person);
			pg_array_uuid(&ids, &r->jobs[i].id);
		}
	if (n == 0)
		return;
	budget_limits_params(p, a, limits, n);
	pg_add_array(p, &ids);
	pg_batch_add(b, &budget_release, p, on_released, r);
}

static void add_job(struct release *r, const struct person *p, enum digest_why why)
{
	r->jobs[r->n_jobs++] = (struct digest_job){.person = p, .id = uuid_new(), .why = why, .wanted = why == DIGEST_MORNING};
}

static void on_directory(void *arg, const struct pg_error *error)
{
	struct release *r = arg;
	const struct live *live = r->flow->live;
	const struct directory *d = live->directory;
	bool mails = live->settings->email.set;
	struct pg_batch *b;

	if (error) {
		release_failed(r, error);
		return;
	}
	b = pg_batch_new(r->flow->work);
	r->jobs = arena_new_array(release_arena(r), struct digest_job, (size_t)(r->n_due + r->n_mornings));
	for (int i = 0; i < r->n_due; i++) {
		const struct person *p = directory_person(d, r->due[i]);

		if (p && p->email && mails)
			add_job(r, p, DIGEST_BUDGET);
		else
			add_disown(r, b, r->due[i], NULL);
	}
	for (int i = 0; i < r->n_mornings; i++) {
		const struct person *p = directory_person(d, r->mornings[i]);

		if (p && p->email && mails && !directory_absence(d, p->id, r->round.now))
			add_job(r, p, DIGEST_MORNING);
	}
	add_release(r, b);
	for (int i = 0; i < r->n_jobs; i++)
		add_lines(r, b, &r->jobs[i]);
	pg_batch_send(b, 0, on_lines_read, r);
}

static void on_claimed(void *arg, const struct pg_error *error)
{
	struct release *r = arg;

	if (error) {
		release_failed(r, error);
	} else if (r->n_due + r->n_mornings == 0) {
		release_commit(r, pg_batch_new(r->flow->work));
	} else if (r->directory_version != directory_version(r->flow->live->directory)) {
		r->round.live = r->flow->live;
		directory_load(r->flow->work, r->flow->live, on_directory, r);
	} else {
		on_directory(r, NULL);
	}
}

/* ---- the claim ---- */

static void on_bound(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;

	r->more |= pg_get_int8(rows, 0, 0) >= BOUND_AT_ONCE;
	if (pg_get_int8(rows, 0, 1) == 0)
		r->again_us = 0;
	if (pg_get_int8(rows, 0, 0) > 0) /* some may go on to the next person */
		r->flow->intake.between.due[BETWEEN_NOTICES] = true;
}

/* The digests of this round don't need it. */
static void on_bound_done(void *arg, const struct pg_error *error)
{
	if (error && !error->lost)
		log_warning("ending what is bound to digests: sqlstate=%s statement=%s %s", error->sqlstate, error->statement,
			    error->message);
}

static const char **read_people(struct release *r, const struct pg_rows *rows, int *ret_n)
{
	const char **people = arena_new_array(release_arena(r), const char *, (size_t)pg_count(rows));

	*ret_n = pg_count(rows);
	for (int i = 0; i < *ret_n; i++)
		people[i] = arena_strdup(release_arena(r), pg_get_text(rows, i, 0, NULL));
	r->more |= *ret_n == r->limit;
	return people;
}

static void on_due_people(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;

	r->due = read_people(r, rows, &r->n_due);
}

static void on_mornings(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;

	r->mornings = read_people(r, rows, &r->n_mornings);
}

static void on_now(void *arg, const struct pg_rows *rows)
{
	struct release *r = arg;

	r->round.now = pg_get_time(rows, 0, 0);
	r->directory_version = pg_get_int8(rows, 0, 1);
}

static void add_mornings(struct release *r, struct pg_batch *b)
{
	const struct directory *d = r->flow->live->directory;
	struct arena *a = release_arena(r);
	struct pg_params *p = arena_new_obj(a, struct pg_params);
	struct pg_array people, zones, minutes;

	pg_array_init(&people, a, PG_TEXT);
	pg_array_init(&zones, a, PG_TEXT);
	pg_array_init(&minutes, a, PG_INT4);
	for (int i = 0; i < directory_count(d); i++) {
		const struct person *person = directory_at(d, i);

		if (person->morning < 0 || !person->email)
			continue;
		pg_array_text(&people, person->id);
		pg_array_text(&zones, directory_zone(d, person));
		pg_array_int4(&minutes, person->morning);
	}
	if (people.count == 0)
		return;
	pg_params_init(p, a);
	pg_add_array(p, &people);
	pg_add_array(p, &zones);
	pg_add_array(p, &minutes);
	pg_add_int4(p, r->limit);
	pg_batch_add(b, &budget_mornings, p, on_mornings, r);
}

static struct pg_params *at_most(struct release *r, int n)
{
	struct pg_params *p = arena_new_obj(release_arena(r), struct pg_params);

	pg_params_init(p, release_arena(r));
	pg_add_int4(p, n);
	return p;
}

void release_start(struct intake_run *intake)
{
	struct release *r = intake->flow->release;
	struct pg_batch *b = pg_batch_new(r->flow->work);

	r->round = (struct digest_round){.live = r->flow->live, .arena = release_arena(r)};
	r->began = mono_now();
	r->n_due = r->n_mornings = r->n_jobs = r->reading = 0;
	r->more = r->wrote = r->queued = false;
	/* By itself: it locks messages, what follows waits for accounts, and an action on a case needs both the other way round. */
	pg_batch_add(b, &budget_end_bound, at_most(r, BOUND_AT_ONCE), on_bound, r);
	pg_batch_send(b, 0, on_bound_done, r);
	b = pg_batch_new(r->flow->work);
	pg_batch_add(b, &stmt_begin, NULL, NULL, NULL);
	pg_batch_add(b, &case_now, NULL, on_now, r);
	pg_batch_add(b, &budget_find, NULL, NULL, NULL);
	pg_batch_add(b, &budget_claim, at_most(r, r->limit), on_due_people, r);
	add_mornings(r, b);
	pg_batch_send(b, 0, on_claimed, r);
}

struct release *release_new(struct flow *f)
{
	struct release *r = xcalloc(1, sizeof(*r));

	r->flow = f;
	r->limit = PEOPLE_FIRST;
	deadline_init(&r->next, f->loop, "what is held", on_next_due);
	return r;
}

struct release *release_free(struct release *r)
{
	if (r)
		deadline_disarm(&r->next);
	free(r);
	return NULL;
}
