/*
 * Jobs; see job.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "channel/job.h"

#include "base/escape.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static_assert(offsetof(struct job, result) == 0, "delivery_result_free() frees the job");

struct job *job_new(struct delivery *d)
{
	/* Not zeroed as a whole: the answer alone is 2 kB, and there is one job per message. */
	struct job *job = xmalloc(sizeof(*job));

	job->result.delivery = d;
	job->result.outcome = DELIVERY_RELEASED;
	job->result.code = 0;
	job->result.duration_ms = 0;
	job->result.retry_after_s = 0;
	job->result.error[0] = '\0';
	job->result.answer[0] = '\0';
	job->item.next = NULL;
	list_init(&job->link);
	job->endpoint = NULL;
	job->mail = NULL;
	job->hook = NULL;
	job->duration_us = 0;
	return job;
}

struct job *job_free(struct job *job)
{
	if (job)
		delivery_result_free(&job->result);
	return NULL;
}

void job_drop(void *arg, struct mail_item *item)
{
	job_free(container_of(item, struct job, item));
}

void job_end(struct job *job, enum delivery_outcome outcome)
{
	job->result.outcome = outcome;
	job->result.duration_ms = (int32_t)(job->duration_us / US_PER_MS);
}

void job_finish(struct job *job, struct mailbox *results, enum delivery_outcome outcome)
{
	job_end(job, outcome);
	mailbox_post(results, &job->item);
}

void job_set_error(struct job *job, const char *fmt, ...)
{
	struct buf b CLEANUP(buf_fini) = BUF_INIT(8192);
	char text[1024];
	size_t n;
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	escape_terminal(&b, text, strlen(text));
	n = utf8_clip(buf_str(&b), b.n, sizeof(job->result.error) - 1);
	memcpy(job->result.error, buf_str(&b), n);
	job->result.error[n] = '\0';
}

void job_set_answer(struct job *job, const char *bytes, size_t n)
{
	char *to = job->result.answer, *end = to + ANSWER_BYTES_MAX;

	for (size_t i = 0; i < n;) {
		uint32_t code;
		size_t used = utf8_next(bytes + i, n - i, &code);
		bool sound = code != 0 && (used > 1 || code < 0x80);
		const char *from = sound ? bytes + i : "\xef\xbf\xbd";
		size_t put = sound ? used : 3;

		if ((size_t)(end - to) < put)
			break;
		memcpy(to, from, put);
		to += put;
		i += used;
	}
	*to = '\0';
}

bool job_same_line(const struct job *a, const struct job *b)
{
	const struct delivery *x = a->result.delivery, *y = b->result.delivery;

	return x->case_id != 0 && x->case_id == y->case_id && str_eq(x->recipient, y->recipient);
}
