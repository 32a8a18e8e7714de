/*
 * SQL of notices; see notice_store.h.
 *
 * Numbers and flags are read only from details that the daemon itself wrote: in others anybody may have put anything. What comes
 * next is asked for all cases at once: each call would be planned anew. OFFSET 0: looked up by key, row by row, also by a plan
 * that was made while the table was empty and a scan of its index seemed as good.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "outbox/notice_store.h"

const struct pg_stmt notice_claim = {
	"notice_claim",
	"WITH n AS (DELETE FROM closeloop.notices WHERE id = ANY (ARRAY("
	"  SELECT id FROM closeloop.notices ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED))"
	"  RETURNING id, case_id, kind, event_id, message_id),"
	" step AS MATERIALIZED (SELECT DISTINCT ON (p.case_id) p.case_id, p.target, p.at, p.condition"
	"  FROM closeloop.case_plans(ARRAY(SELECT case_id FROM n"
	"   WHERE kind IN ('assigned', 'opened', 'reminded', 'escalated', 'reopened'))) p"
	"  WHERE p.what = 'escalate' AND p.at > now() ORDER BY p.case_id, p.at)"
	" SELECT n.id, n.message_id, m.recipient,"
	"  ARRAY(SELECT DISTINCT t.recipient FROM closeloop.messages t WHERE n.message_id IS NOT NULL AND t.case_id = c.id"
	"   AND t.channel = 'email' AND (t.state IN ('failed', 'dead') OR t.step = 'forwarded')),"
	"  ARRAY(SELECT DISTINCT t.recipient FROM closeloop.messages t WHERE t.case_id = c.id AND t.channel = 'email'"
	"   AND t.state <> 'cancelled' AND t.recipient IS NOT NULL),"
	"  coalesce(e.id, 0), e.at, e.actor, e.kind, e.from_status::text, e.to_status::text, coalesce(e.note, w.note),"
	"  (e.details - ARRAY['before', 'cancelled', 'facts', 'was_answer', 'value', 'tried', 'tell'])::text, btrim(e.details ->> 'to'), e.details ->> 'step',"
	"  e.details ->> 'target', e.details ->> 'condition',"
	"  CASE WHEN d.own AND e.kind = 'reminded' THEN (e.details ->> 'n')::int END,"
	"  CASE WHEN d.own AND e.kind = 'reminded' THEN (e.details ->> 'of')::int END,"
	"  d.own AND e.kind = 'reminded' AND e.details @> '{\"warning\": true}',"
	"  d.own AND e.details @> '{\"waiting_over\": true}',"
	"  coalesce(CASE WHEN d.own THEN (e.details ->> 'response_id')::bigint END, c.response_id),"
	"  c.id, c.response_id, c.customer_id, c.status::text, c.priority::text, c.owner, c.team, c.route, c.follow_up, c.rules,"
	"  c.opened_at, c.acknowledged_at, c.first_action_at, c.contacted_at, c.resolved_at, c.closed_at, c.acknowledge_due_at,"
	"  c.resolve_due_at, c.next_action_at, coalesce(c.waiting_since, w.at), c.waiting_until, c.root_cause, c.resolution,"
	"  c.outcome::text, c.reopened, c.handovers, c.link_epoch, c.version, c.unreached, c.ping_pong, c.ruleset,"
	"  greatest(c.opened_at, c.assigned_at), u.actor, s.target, s.at, s.condition,"
	"  a.d IS NOT NULL AND a.d @> '{\"tell\": true}', (a.d ->> 'n')::int, a.d IS NOT NULL AND a.d @> '{\"contact\": true}',"
	"  a.d IS NOT NULL AND a.d ? 'raised', ARRAY(SELECT jsonb_array_elements_text(a.d -> 'new_rules')),"
	"  (a.d ->> 'was_response_id')::bigint, (a.d -> 'was_answer' ->> 'nps')::int, (a.d -> 'was_answer' ->> 'csat')::int,"
	"  (a.d -> 'was_answer' ->> 'ces')::int, (a.d -> 'was_answer' -> 'ratings')::text"
	" FROM n CROSS JOIN LATERAL (SELECT * FROM closeloop.cases t WHERE t.id = n.case_id OFFSET 0) c"
	" LEFT JOIN LATERAL (SELECT t.recipient FROM closeloop.messages t WHERE t.id = n.message_id OFFSET 0) m ON true"
	" LEFT JOIN LATERAL (SELECT * FROM closeloop.case_events t WHERE t.id = n.event_id OFFSET 0) e ON true"
	" CROSS JOIN LATERAL (SELECT coalesce(e.actor = 'daemon', false) AS own) d"
	" CROSS JOIN LATERAL (SELECT CASE WHEN d.own AND e.kind IN ('joined', 'amended') THEN e.details END AS d) a"
	" LEFT JOIN step s ON s.case_id = n.case_id AND e.kind IN ('assigned', 'opened', 'reminded', 'escalated', 'reopened')"
	" LEFT JOIN LATERAL (SELECT t.at, t.note FROM closeloop.case_events t WHERE t.case_id = c.id AND t.kind = 'waiting'"
	"  ORDER BY t.id DESC LIMIT 1) w ON e.details ? 'waiting_over'"
	" LEFT JOIN LATERAL (SELECT t.actor FROM closeloop.case_events t WHERE t.case_id = c.id AND t.kind = 'resolved'"
	"  ORDER BY t.id DESC LIMIT 1) u ON e.kind IN ('reopened', 'outcome')"
	" ORDER BY n.id",
	1,
	{PG_INT4},
};

const struct pg_stmt notice_handed_on = {
	"notice_handed_on",
	"UPDATE closeloop.messages SET handed_on = true WHERE id = ANY ($1)",
	1,
	{PG_UUID_ARRAY},
};

const struct pg_stmt notice_drop = {
	"notice_drop",
	"DELETE FROM closeloop.notices WHERE id = $1 RETURNING case_id",
	1,
	{PG_INT8},
};

const struct pg_stmt notice_release_soon = {
	"notice_release_soon",
	"SELECT closeloop.digest_soon($1)",
	1,
	{PG_TEXT_ARRAY},
};

const struct pg_stmt notice_history = {
	"notice_history",
	"SELECT e.case_id, e.at, e.kind, e.actor, e.details ->> 'to', e.note, e.details ->> 'how',"
	" coalesce(e.details @> '{\"reached\": true}', false), coalesce(e.details @> '{\"warning\": true}', false),"
	" CASE WHEN e.kind = 'reminded' AND e.actor = 'daemon' THEN (e.details ->> 'n')::int END,"
	" CASE WHEN e.kind = 'reminded' AND e.actor = 'daemon' THEN (e.details ->> 'of')::int END,"
	" CASE WHEN e.kind = 'waiting' THEN (e.details ->> 'until')::timestamptz END"
	" FROM (SELECT DISTINCT unnest($1) AS id) c CROSS JOIN LATERAL (SELECT * FROM closeloop.case_events t"
	"  WHERE t.case_id = c.id ORDER BY t.id DESC LIMIT 30) e ORDER BY e.id",
	1,
	{PG_INT8_ARRAY},
};
