/*
 * A delivery on its way through a channel thread and back. Only files of this folder include it.
 *
 * The main thread makes a job in channel_submit(), the transport's thread fills in the result and posts it
 * back, the main thread hands &job->result to the caller, who frees the whole with delivery_result_free():
 * that is why the result stands first.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CHANNEL_JOB_H
#define CHANNEL_JOB_H

#include "channel/channel.h"

struct email_config;
struct hook;
struct endpoint;

struct job {
	struct delivery_result result;
	struct mail_item item;
	struct list link;          /* in a queue of the transport's thread */
	struct endpoint *endpoint; /* the main thread's */
	struct email_config *mail; /* the settings it goes out under: one of the two */
	struct hook *hook;
	int64_t duration_us;
};

/* An idle result: nothing tried yet. */
struct job *job_new(struct delivery *d);
struct job *job_free(struct job *job);
void job_drop(void *arg, struct mail_item *item); /* a mailbox_fn for mailbox_close() */

/* Says how it ended; the job is still the caller's. */
void job_end(struct job *job, enum delivery_outcome outcome);
/* Says so and hands the job back; the caller's thread must not touch it any more. */
void job_finish(struct job *job, struct mailbox *results, enum delivery_outcome outcome);
/* Operators' line: control characters are escaped, and what is too long is cut at a character. */
void job_set_error(struct job *job, const char *fmt, ...) PRINTF(2, 3);
/* Start of the receiver's answer as valid UTF-8 without NUL. */
void job_set_answer(struct job *job, const char *bytes, size_t n);

/* These two keep their order: one case, one recipient. */
bool job_same_line(const struct job *a, const struct job *b);

#endif
