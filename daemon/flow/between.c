/*
 * Between two batches: what else the work connection has to do.
 *
 * Jobs have their turn when the inbox is empty, at the latest after BATCHES_AT_MOST batches, and each once between two looks
 * into the inbox: neither a flood of responses nor a hundred thousand cases that fall due keep the other waiting.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "flow/inner.h"

#include <string.h>

#define BATCHES_AT_MOST 16

static void (*const start[BETWEEN_JOBS])(struct intake_run *r) = {
	[BETWEEN_SWEEP] = sweep_start, [BETWEEN_RECOMPUTE] = recompute_start, [BETWEEN_NOTICES] = notices_start,
	[BETWEEN_LINKS] = links_start, [BETWEEN_OPERATORS] = operators_start, [BETWEEN_RELEASE] = release_start,
};

const struct pg_stmt between_peek = {
	"between_peek",
	"SELECT EXISTS (SELECT FROM closeloop.notices),"
	" EXISTS (SELECT FROM closeloop.alert_budgets WHERE digest_at <= clock_timestamp()),"
	" EXISTS (SELECT FROM closeloop.messages WHERE state = 'held'),"
	" EXISTS (SELECT FROM closeloop.operator_news WHERE told_at IS NULL AND look_at <= clock_timestamp()),"
	" (SELECT extract(epoch FROM min(next_action_at) - clock_timestamp())::float8 FROM closeloop.cases"
	"  WHERE next_action_at IS NOT NULL),"
	" EXISTS (SELECT FROM closeloop.link_requests WHERE mailed_at IS NULL)",
	0,
	{0},
};

void between_on_peek(void *arg, const struct pg_rows *rows)
{
	struct intake_run *r = arg;
	struct between *b = &r->between;

	b->due[BETWEEN_NOTICES] |= pg_get_bool(rows, 0, 0);
	b->due[BETWEEN_RELEASE] |= pg_get_bool(rows, 0, 1) || (b->held_too && pg_get_bool(rows, 0, 2));
	b->due[BETWEEN_OPERATORS] |= pg_get_bool(rows, 0, 3);
	b->due[BETWEEN_LINKS] |= pg_get_bool(rows, 0, 5);
	b->held_too = false;
	followup_peeked(&r->flow->followup, pg_is_null(rows, 0, 4) ? 1e9 : pg_get_float8(rows, 0, 4));
}

bool between_waits(const struct between *b)
{
	for (int i = 0; i < BETWEEN_JOBS; i++)
		if (b->due[i])
			return true;
	return false;
}

bool between_next(struct between *b, int rows, enum between_job *ret)
{
	if (rows == 0 || ++b->batches > BATCHES_AT_MOST)
		for (int i = 0; i < BETWEEN_JOBS; i++)
			if (b->due[i] && !b->ran[i]) {
				b->batches = 0;
				b->due[i] = false; /* what comes from here on sets it again */
				b->ran[i] = true;
				*ret = i;
				return true;
			}
	memset(b->ran, false, sizeof(b->ran));
	return false;
}

void between_start(struct intake_run *r, enum between_job job)
{
	start[job](r);
}
