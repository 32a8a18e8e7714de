/*
 * SQL of clocks; see clock_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "followup/clock_store.h"

#include <assert.h>

const struct pg_stmt clocks_replace = {
	"clocks_replace",
	"SELECT closeloop.clocks_replace($1, $2)",
	2,
	{PG_JSONB, PG_JSONB},
};

void clocks_params(struct pg_params *p, struct arena *a, const struct settings *s, const struct person_clock *people, int n)
{
	struct buf b = BUF_INIT(CLOCKS_BYTES_MAX);

	pg_params_init(p, a);
	clocks_put_calendars(s, &b);
	assert(!b.overflow);
	pg_add_jsonb(p, buf_str(&b));
	buf_reset(&b);
	clocks_put_people(s, people, n, &b);
	assert(!b.overflow);
	pg_add_jsonb(p, buf_str(&b));
	buf_fini(&b);
}
