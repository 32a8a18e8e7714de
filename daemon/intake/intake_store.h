/*
 * The inbox: claiming rows and giving them back. SQL of stage 1.
 *
 * A claim locks inbox rows inside the caller's transaction and returns the responses they name; intake_done deletes them there. Rows that were
 * tried before (tries > 0) are left to intake_pick, which takes them one at a time.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INTAKE_STORE_H
#define INTAKE_STORE_H

#include "model/response.h"
#include "pg/pg.h"

#define INTAKE_TRIES_MAX 3

/* One claimed inbox row and the response it names. */
struct claimed {
	int row; /* of the result it was read from */
	int64_t inbox_id;
	struct wall_time queued_at; /* the trigger's clock */
	const char *row_version;    /* xmin of the response as it was read */
	bool judged;                /* it has a case_responses row */
	int64_t case_id;            /* of that row; 0: none */
	bool settles;               /* a change may have come with the lock of its row, after the response was read */
	bool awaited;               /* a case of the customer's waits for its next score */
	const char *poison;         /* why it can't be judged; NULL: fine */
	struct response response;
};

/* ($1 low-water mark: rows with a higher id, $2 most rows) */
extern const struct pg_stmt intake_claim;
/* ($1 places) what was claimed is done with. To be sent before intake_return, which would take it for a row that still waits. */
extern const struct pg_stmt intake_done;
void intake_done_params(struct pg_params *p, struct arena *a, const struct pg_rows *rows);
/*
 * () → whether new rows wait, whether rows tried before wait, seconds until the next row that settles is due (null: none settles):
 * one statement, without a transaction around it. intake_settles: the last of these.
 */
extern const struct pg_stmt intake_peek;
extern const struct pg_stmt intake_settles;
/* ($1 sources, $2 seconds) what settles from now on. */
extern const struct pg_stmt intake_settle_replace;
/* The same for one row: ($1 inbox id). */
extern const struct pg_stmt intake_claim_one;
/* () counts a try of the first untried row, in a transaction of its own → id, tries. */
extern const struct pg_stmt intake_pick_head;
/* () the same for a row that was tried before and is due again. */
extern const struct pg_stmt intake_pick_tried;
/* ($1 inbox id, $2 error) after a failed try: later again, or set aside after INTAKE_TRIES_MAX. */
extern const struct pg_stmt intake_blame;
/* ($1 response ids, $2 errors, $3 earlier tries) rows found undecodable inside a batch come back with a try counted. */
extern const struct pg_stmt intake_return_poison;
/* ($1 response ids) responses that changed since their claim come back, unless the change's own trigger brought them. */
extern const struct pg_stmt intake_return;
/* ($1 response ids) → the columns of a claim, of responses that were judged before. */
extern const struct pg_stmt intake_reread;
/* ($1 until, epoch milliseconds) raises the promise to look again. */
extern const struct pg_stmt intake_promise;

/*
 * Rows of a claim, decoded into the arena, in the order of their inbox ids. Returns their number: rows whose response was deleted meanwhile are consumed
 * silently. *ret_last is raised to the highest inbox id seen.
 */
int intake_read(const struct pg_rows *rows, struct arena *a, struct claimed **ret, int64_t *ret_last);

#endif
