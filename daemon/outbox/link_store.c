/*
 * SQL of fresh links; see link_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/link_store.h"

const struct pg_stmt link_claim = {
	"link_claim",
	"WITH taken AS (UPDATE closeloop.link_requests SET mailed_at = now() WHERE id IN (SELECT id FROM closeloop.link_requests"
	"  WHERE mailed_at IS NULL ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED) RETURNING id, person, case_id)"
	" SELECT t.id, t.person, coalesce(c.id, 0), coalesce(c.link_epoch, 0) FROM taken t"
	" LEFT JOIN closeloop.cases c ON c.id = t.case_id ORDER BY t.id",
	1,
	{PG_INT4},
};

int link_claim_read(const struct pg_rows *rows, struct arena *a, struct link_request **ret)
{
	int n = pg_count(rows);

	*ret = arena_new_array(a, struct link_request, (size_t)n);
	for (int i = 0; i < n; i++)
		(*ret)[i] = (struct link_request){
			.id = pg_get_int8(rows, i, 0),
			.person = arena_strdup(a, pg_get_text(rows, i, 1, NULL)),
			.case_id = pg_get_int8(rows, i, 2),
			.epoch = pg_get_int4(rows, i, 3),
		};
	return n;
}
