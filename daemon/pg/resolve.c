/*
 * Host names to addresses, off the loop: libpq would call getaddrinfo() and block, for as long as a name server is
 * silent.
 *
 * One thread per look-up, never more than one per connection. getaddrinfo() can't be stopped, so a cancelled look-up is
 * left to finish; whoever of loop and thread lets go last frees it. `lock` keeps the mailbox open while the thread
 * posts.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "pg/private.h"

#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ADDRESSES_MAX 64 /* of one connection, all hosts together */

struct lookup {
	char *host;
	struct addrinfo *found;
	int error; /* EAI_… */
};

struct resolve {
	struct mail_item item;
	struct mailbox *box;
	pthread_mutex_t lock;
	bool abandoned; /* under lock */
	atomic_int refs;

	struct conninfo *info; /* the loop's; the thread doesn't touch it */
	resolve_done_fn *done;
	void *arg;
	int n;
	struct lookup lookups[];
};

static void resolve_unref(struct resolve *r)
{
	if (atomic_fetch_sub(&r->refs, 1) > 1)
		return;
	for (int i = 0; i < r->n; i++) {
		if (r->lookups[i].found)
			freeaddrinfo(r->lookups[i].found);
		free(r->lookups[i].host);
	}
	pthread_mutex_destroy(&r->lock);
	free(r);
}

static void *resolve_run(void *arg)
{
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	struct resolve *r = arg;

	for (int i = 0; i < r->n; i++)
		if (r->lookups[i].host)
			r->lookups[i].error = getaddrinfo(r->lookups[i].host, NULL, &hints, &r->lookups[i].found);
	pthread_mutex_lock(&r->lock);
	if (!r->abandoned)
		mailbox_post(r->box, &r->item);
	pthread_mutex_unlock(&r->lock);
	resolve_unref(r);
	return NULL;
}

/* Endpoints with an address each; those that needed no look-up stay as they are. */
static int resolve_collect(struct resolve *r, struct endpoint found[ADDRESSES_MAX], const char **ret_error)
{
	char address[NI_MAXHOST];
	int n = 0;

	*ret_error = NULL;
	for (int i = 0; i < r->n; i++) {
		const struct endpoint *e = &r->info->endpoints[i];

		if (!r->lookups[i].host && n < ADDRESSES_MAX)
			found[n++] = *e;
		if (r->lookups[i].error && !*ret_error)
			*ret_error = arena_printf(r->info->arena, "could not translate host name \"%s\" to address: %s",
						  e->host, gai_strerror(r->lookups[i].error));
		for (struct addrinfo *ai = r->lookups[i].found; ai && n < ADDRESSES_MAX; ai = ai->ai_next) {
			if (getnameinfo(ai->ai_addr, ai->ai_addrlen, address, sizeof(address), NULL, 0, NI_NUMERICHOST) != 0)
				continue;
			found[n] = *e;
			found[n++].hostaddr = arena_strdup(r->info->arena, address);
		}
	}
	return n;
}

static void resolve_on_answer(void *arg, struct mail_item *item)
{
	struct resolve *r = container_of(item, struct resolve, item);
	struct endpoint found[ADDRESSES_MAX];
	const char *error;
	int n = resolve_collect(r, found, &error);

	pthread_mutex_lock(&r->lock); /* the thread may not have left mailbox_post() */
	r->box = mailbox_close(r->box, NULL);
	pthread_mutex_unlock(&r->lock);
	r->done(r->arg, found, n, error);
	resolve_unref(r);
}

static void resolve_on_drop(void *arg, struct mail_item *item)
{
}

/* Signals are the loop's: none is delivered to this thread. */
static int start_thread(struct resolve *r)
{
	sigset_t all, before;
	pthread_attr_t attr;
	pthread_t thread;
	int e;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	e = pthread_create(&thread, &attr, resolve_run, r);
	pthread_attr_destroy(&attr);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return e;
}

struct resolve *resolve_start(struct loop *l, struct conninfo *i, resolve_done_fn *done, void *arg)
{
	struct resolve *r = xcalloc(1, sizeof(*r) + (size_t)i->n_endpoints * sizeof(r->lookups[0]));

	r->info = i;
	r->done = done;
	r->arg = arg;
	r->n = i->n_endpoints;
	for (int k = 0; k < r->n; k++)
		if (endpoint_needs_lookup(&i->endpoints[k]))
			r->lookups[k].host = xstrdup(i->endpoints[k].host);
	pthread_mutex_init(&r->lock, NULL);
	atomic_init(&r->refs, 2);
	r->box = mailbox_new(l, resolve_on_answer, r);
	if (start_thread(r) != 0) {
		r->box = mailbox_close(r->box, NULL);
		atomic_store(&r->refs, 1);
		resolve_unref(r);
		return NULL;
	}
	return r;
}

struct resolve *resolve_cancel(struct resolve *r)
{
	if (!r)
		return NULL;
	pthread_mutex_lock(&r->lock);
	r->abandoned = true;
	r->box = mailbox_close(r->box, resolve_on_drop);
	pthread_mutex_unlock(&r->lock);
	resolve_unref(r);
	return NULL;
}
