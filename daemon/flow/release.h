/*
 * What is held is released: digests, single mails, and the mail of the morning. Inside of flow.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef FLOW_RELEASE_H
#define FLOW_RELEASE_H

#include "flow/live.h"
#include "intake/intake_store.h"
#include "outbox/budget_store.h"
#include "outbox/outbox_store.h"

struct flow;
struct intake_run;

/* ---- release.c: a job between two batches ---- */

struct release;
struct release *release_new(struct flow *f);
struct release *release_free(struct release *r);
/* BETWEEN_RELEASE. */
void release_start(struct intake_run *r);

/* The limits of a person; the directory must outlive them. */
struct budget_limits release_limits(const struct live *live, const struct person *p);

/* ---- digest.c: one mail; pure ---- */

/* A digest, or a morning's mail, that may have to be written. */
struct digest_job {
	const struct person *person;
	struct uuid id;
	enum digest_why why;
	bool wanted;  /* otherwise there is nothing to write */
	bool written; /* its mail goes out with the commit */
	struct budget_lines found;
	const struct local_time *due; /* two for each line: acknowledge, resolve */
};

/* What all jobs of a round share. */
struct digest_round {
	const struct live *live;
	struct arena *arena;
	struct wall_time now;
	const struct claimed *responses;
	int n_responses;
	int fallbacks; /* mails whose template failed */
};

/* Return: 0 with the message, its texts in the arena; or a negative errno: no mail can be made (the address, its size). */
int digest_compose(struct digest_round *d, const struct digest_job *job, struct outbox_message *ret);

#endif
