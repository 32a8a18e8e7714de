/*
 * SQL of notices; see notice_store.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/notice_store.h"

const struct pg_stmt notice_claim = {
	"notice_claim",
	"WITH n AS (DELETE FROM closeloop.notices WHERE id = ANY (ARRAY("
	"  SELECT id FROM closeloop.notices ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))"
	"  RETURNING id, case_id, kind, event_id, message_id)"
	" SELECT n.id, n.case_id, c.response_id, coalesce(n.event_id, 0), n.kind = 'undelivered', n.message_id,"
	"  c.priority::text, c.status IN ('open', 'acknowledged', 'in_progress', 'waiting'), c.acknowledged_at IS NOT NULL,"
	"  c.owner, c.team, c.route, m.recipient, e.actor, btrim(e.details ->> 'to'), c.rules,"
	"  ARRAY(SELECT DISTINCT t.recipient FROM closeloop.messages t WHERE t.case_id = c.id AND t.channel = 'email'"
	"   AND (t.state IN ('failed', 'dead') OR t.step = 'forwarded')),"
	"  c.acknowledge_due_at, c.resolve_due_at"
	" FROM n JOIN closeloop.cases c ON c.id = n.case_id LEFT JOIN closeloop.messages m ON m.id = n.message_id"
	" LEFT JOIN closeloop.case_events e ON e.id = n.event_id ORDER BY n.id",
	1,
	{PG_INT4},
};

const struct pg_stmt notice_handed_on = {
	"notice_handed_on",
	"UPDATE closeloop.messages SET handed_on = true WHERE id = ANY ($1)",
	1,
	{PG_UUID_ARRAY},
};

const struct pg_stmt notice_drop_first = {
	"notice_drop_first",
	"DELETE FROM closeloop.notices WHERE id = (SELECT min(id) FROM closeloop.notices) RETURNING case_id",
	0,
	{0},
};

int notice_read(const struct pg_rows *rows, struct arena *a, struct notice **ret)
{
	int n = pg_count(rows);

	*ret = arena_new_array(a, struct notice, (size_t)n);
	for (int i = 0; i < n; i++) {
		struct notice *x = &(*ret)[i];
		const char **texts[] = {&x->owner, &x->team, &x->route, &x->recipient, &x->actor, &x->to};

		x->id = pg_get_int8(rows, i, 0);
		x->case_id = pg_get_int8(rows, i, 1);
		x->response_id = pg_get_int8(rows, i, 2);
		x->event_id = pg_get_int8(rows, i, 3);
		x->kind = pg_get_bool(rows, i, 4) ? NOTICE_UNDELIVERED : NOTICE_ASSIGNED;
		if (!pg_is_null(rows, i, 5))
			x->message_id = pg_get_uuid(rows, i, 5);
		priority_parse(pg_get_text(rows, i, 6, NULL), &x->priority);
		x->stands = pg_get_bool(rows, i, 7);
		x->acknowledged = pg_get_bool(rows, i, 8);
		for (size_t k = 0; k < ARRAY_SIZE(texts); k++)
			*texts[k] = arena_strdup(a, pg_get_text(rows, i, 9 + (int)k, NULL));
		x->n_rules = pg_get_text_array(rows, i, 15, a, &x->rules);
		x->n_tried = pg_get_text_array(rows, i, 16, a, &x->tried);
		x->acknowledge_due = x->acknowledged ? WALL_NONE : pg_get_time(rows, i, 17);
		x->resolve_due = pg_get_time(rows, i, 18);
	}
	return n;
}
