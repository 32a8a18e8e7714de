/*
 * What the live rules ask of the past, gathered by the statements that read responses. SQL of stage 1.
 *
 * A set of rules that asks nothing has the plain statements of intake_store.h. One that asks has variants of them with look-ups beside
 * each response, in the same statement: the customer's latest answers once, and again, further, only where fifty of them say too
 * little; the last answer; the account's. Each reads an index and is capped (HISTORY_MOST, HISTORY_A_DAY_MOST).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef INTAKE_PAST_STORE_H
#define INTAKE_PAST_STORE_H

#include "intake/intake_store.h"

/* Columns of the answer before, in the order of their bits in past_wants.columns. */
extern const char *const past_columns[];
extern const int past_columns_n;

struct past_wants {
	const struct history_need *needs;
	int n_needs;
	bool previous;
	uint32_t columns; /* those of it that are looked at */
};

/* The statements for one set of wants. They live until the connections that know them have gone. */
struct past_stmts {
	struct past_stmts *next;
	struct arena *arena;
	struct past_wants wants; /* copied */
	bool plain;              /* it wants nothing: `at` is not to be used */
	/* As intake_claim, intake_claim_one and intake_reread, with one parameter more ($3, $2, $2) unless plain. */
	struct pg_stmt claim, claim_one, reread;
	/* ($1 customer, $2 account, $3 responded_at, $4 id, $5) → one row, of an invented response. */
	struct pg_stmt at;
};

/* The one of *all for these wants, made and added when there is none yet: the same wants are prepared once on a connection. */
const struct past_stmts *past_stmts_get(struct past_stmts **all, const struct past_wants *wants);
struct past_stmts *past_stmts_free(struct past_stmts *all);

/* The parameter more: ids that are nobody's. Adds nothing when plain. */
void past_add_param(const struct past_stmts *s, struct pg_params *p, const char *const *anonymous_ids, int n);

/*
 * Sets response.past of claimed responses from the rows they were read from.
 * @is_anonymous: of the settings; with its argument
 */
struct past_reader {
	const struct past_stmts *stmts;
	bool (*is_anonymous)(const void *settings, const char *customer_id);
	const void *settings;
	struct arena *arena;
};
void past_read(const struct past_reader *reader, const struct pg_rows *rows, struct claimed *claimed, int n);
/* The row of `at`. */
void past_read_at(const struct past_reader *reader, const struct pg_rows *rows, struct response *response);

#endif
