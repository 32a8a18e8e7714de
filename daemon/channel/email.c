/*
 * The queue of mails and the threads that empty it; see email.h.
 *
 *   submit ─▶ queue ─▶ thread: take ─ send (blocks) ─▶ results, the main thread's mailbox
 *
 * A mail waits while another of its case and recipient is on the wire. Everything in struct email is under its lock;
 * a thread's link is its own.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/email.h"

#include "base/log.h"
#include "channel/smtp_link.h"
#include "channel/thread.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GOODBYE_MS 1000 /* for QUIT, when we go */
#define END_MS 4000     /* then for a thread whose socket was shut */

struct email_thread {
	struct email *email;
	int index;
	pthread_t id;
	struct job *job; /* on the wire */
	struct smtp_link link;
};

struct email {
	pthread_mutex_t lock;
	pthread_cond_t wake, ended;
	struct list queue;
	struct mailbox *results;
	struct email_thread *threads[EMAIL_CONNECTIONS_MAX];
	int n_threads, n_running, limit;
	bool stopping, quit;
	bool abandoned; /* nobody takes results any more */
};

static struct timespec in_ms(int64_t ms)
{
	int64_t us = mono_now().us + ms * US_PER_MS;

	return (struct timespec){.tv_sec = us / US_PER_S, .tv_nsec = us % US_PER_S * 1000};
}

static bool email_line_is_busy(struct email *e, const struct job *job)
{
	for (int i = 0; i < e->n_threads; i++)
		if (e->threads[i]->job && job_same_line(e->threads[i]->job, job))
			return true;
	return false;
}

/* The first job that may go out now, or NULL. */
static struct job *email_pick(struct email *e)
{
	list_for_each(it, &e->queue) {
		struct job *job = list_entry(it, struct job, link);

		if (!email_line_is_busy(e, job)) {
			list_remove(it);
			return job;
		}
	}
	return NULL;
}

/* Waits for a job; NULL: the end. Called and returning with the lock held. */
static struct job *email_take(struct email_thread *t)
{
	struct email *e = t->email;
	struct timespec until;
	bool timed = false;

	for (;;) {
		struct job *job = !e->quit && t->index < e->limit ? email_pick(e) : NULL;

		if (job || e->quit)
			return job;
		if (!smtp_link_is_open(&t->link)) {
			pthread_cond_wait(&e->wake, &e->lock);
			continue;
		}
		if (!timed)
			until = in_ms(t->link.config->patience.mail_idle_ms);
		timed = true;
		if (pthread_cond_timedwait(&e->wake, &e->lock, &until) == ETIMEDOUT) {
			pthread_mutex_unlock(&e->lock);
			smtp_link_close(&t->link);
			pthread_mutex_lock(&e->lock);
		}
	}
}

static void *email_thread_run(void *arg)
{
	struct email_thread *t = arg;
	struct email *e = t->email;

	pthread_mutex_lock(&e->lock);
	while ((t->job = email_take(t))) {
		struct job *job = t->job;
		enum delivery_outcome outcome;

		pthread_mutex_unlock(&e->lock);
		outcome = smtp_link_send(&t->link, job);
		pthread_mutex_lock(&e->lock);
		t->job = NULL;
		if (e->abandoned)
			job_free(job);
		else
			job_finish(job, e->results, outcome);
	}
	pthread_mutex_unlock(&e->lock);
	smtp_link_close(&t->link);
	pthread_mutex_lock(&e->lock);
	e->n_running--;
	pthread_cond_signal(&e->ended);
	pthread_mutex_unlock(&e->lock);
	return NULL;
}

struct email *email_new(struct mailbox *results)
{
	struct email *e = xcalloc(1, sizeof(*e));
	pthread_condattr_t monotonic;

	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&e->lock, NULL);
	pthread_cond_init(&e->wake, &monotonic);
	pthread_cond_init(&e->ended, &monotonic);
	pthread_condattr_destroy(&monotonic);
	list_init(&e->queue);
	e->results = results;
	return e;
}

static int email_add_thread(struct email *e)
{
	struct email_thread *t = xcalloc(1, sizeof(*t));
	int r;

	t->email = e;
	t->index = e->n_threads;
	smtp_link_init(&t->link);
	r = thread_start(&t->id, email_thread_run, t);
	if (r < 0) {
		smtp_link_fini(&t->link);
		free(t);
		return r;
	}
	e->threads[e->n_threads++] = t;
	e->n_running++;
	return 0;
}

int email_set_connections(struct email *e, int n)
{
	int r = 0;

	pthread_mutex_lock(&e->lock);
	e->limit = MIN(n, EMAIL_CONNECTIONS_MAX);
	while (r == 0 && e->n_threads < e->limit)
		r = email_add_thread(e);
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
	return e->n_threads > 0 ? 0 : r;
}

void email_submit(struct email *e, struct job *job)
{
	pthread_mutex_lock(&e->lock);
	if (e->stopping) {
		job_finish(job, e->results, DELIVERY_RELEASED);
	} else {
		list_append(&e->queue, &job->link);
		/* A thread beyond the limit may be the one that a single signal wakes. */
		if (e->limit < e->n_threads)
			pthread_cond_broadcast(&e->wake);
		else
			pthread_cond_signal(&e->wake);
	}
	pthread_mutex_unlock(&e->lock);
}

void email_stop(struct email *e)
{
	struct list *it;

	pthread_mutex_lock(&e->lock);
	e->stopping = true;
	while ((it = list_pop(&e->queue)))
		job_finish(list_entry(it, struct job, link), e->results, DELIVERY_RELEASED);
	pthread_mutex_unlock(&e->lock);
}

void email_abort(struct email *e)
{
	for (int i = 0; i < e->n_threads; i++)
		smtp_link_abort(&e->threads[i]->link);
}

/* false: some thread is still running. */
static bool email_await_end(struct email *e, int64_t ms, bool last)
{
	struct timespec until = in_ms(ms);
	bool ended;

	pthread_mutex_lock(&e->lock);
	while (e->n_running > 0 && pthread_cond_timedwait(&e->ended, &e->lock, &until) != ETIMEDOUT)
		;
	ended = e->n_running == 0;
	e->abandoned = last && !ended;
	pthread_mutex_unlock(&e->lock);
	return ended;
}

struct email *email_free(struct email *e)
{
	struct list *it;

	if (!e)
		return NULL;
	pthread_mutex_lock(&e->lock);
	e->quit = true;
	pthread_cond_broadcast(&e->wake);
	pthread_mutex_unlock(&e->lock);
	if (!email_await_end(e, GOODBYE_MS, false)) {
		email_abort(e);
		if (!email_await_end(e, END_MS, true)) {
			/* getaddrinfo() can't be stopped. Its thread keeps what it uses; the process ends anyway. */
			log_warning("channel: a mail thread hangs in name resolution, left behind");
			return NULL;
		}
	}
	for (int i = 0; i < e->n_threads; i++) {
		pthread_join(e->threads[i]->id, NULL);
		smtp_link_fini(&e->threads[i]->link);
		free(e->threads[i]);
	}
	while ((it = list_pop(&e->queue)))
		job_free(list_entry(it, struct job, link));
	pthread_mutex_destroy(&e->lock);
	pthread_cond_destroy(&e->wake);
	pthread_cond_destroy(&e->ended);
	free(e);
	return NULL;
}
