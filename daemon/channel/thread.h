/*
 * Starting the threads of this folder.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_THREAD_H
#define CHANNEL_THREAD_H

#include <pthread.h>
#include <signal.h>

/* All signals are left to the main thread. 0 or a negative errno. */
static inline int thread_start(pthread_t *id, void *(*run)(void *), void *arg)
{
	sigset_t all, before;
	int r;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	r = pthread_create(id, NULL, run, arg);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -r;
}

#endif
