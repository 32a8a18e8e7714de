/*
 * An explanation as JSON: one object with everything, keys as columns are called (docs/cli.md).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef CLI_EXPLAIN_JSON_H
#define CLI_EXPLAIN_JSON_H

#include "cli/explain_read.h"

int explain_put_json(struct cli *c, const struct explained *e, struct buf *out);
typedef int explain_answers_fn(struct explain_sets *sets, const struct pg_rows *rows, bool all, struct buf *out);
/* {"case_id":…,"case":{…},"answers":[…],"responses":[explanations]}; rows: see sql_of_case. */
int explain_put_case_json(struct explain_sets *sets, int64_t id, const struct pg_rows *rows, bool all,
			  explain_answers_fn *answers, struct buf *out);

/* ,"name":"value" or null; also for try. */
void explain_json_text(struct buf *out, const char *name, const char *value);
/* ,"trail":[…] */
void explain_json_trail(struct buf *out, const struct explain_step *steps, int n);
/* ,"held":{…} */
void explain_json_held(struct buf *out, const struct explain_held *h);

#endif
