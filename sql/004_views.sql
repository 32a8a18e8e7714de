-- Views for people and reports. They show no address, no telephone number and no message text. How promises are kept: 009.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE OR REPLACE FUNCTION closeloop.score_text(r closeloop.responses) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE
		WHEN r.nps IS NOT NULL THEN r.nps || '/10'
		WHEN r.csat IS NOT NULL THEN r.csat || '/5'
		WHEN r.ces IS NOT NULL THEN r.ces || '/7'
		ELSE (SELECT q.key || ' ' || (q.value #>> '{}') FROM jsonb_each(r.ratings) AS q
			WHERE jsonb_typeof(q.value) = 'number' ORDER BY (q.value #>> '{}')::numeric, q.key LIMIT 1)
	END
$$;
COMMENT ON FUNCTION closeloop.score_text(closeloop.responses) IS
	'The one score a person is told first: "2/10", or the lowest rating, "delivery 1".';

CREATE OR REPLACE VIEW closeloop.case_overview AS
SELECT c.id, 'C-' || c.id AS name, c.status, c.priority, c.owner, c.team, c.opened_at, c.acknowledged_at,
	c.acknowledged_by, c.first_action_at, c.contacted_at, c.resolved_at, c.closed_at, c.acknowledge_due_at,
	c.resolve_due_at, c.next_action_at, c.waiting_until, c.root_cause, c.resolution, c.outcome, c.reopened, c.handovers,
	c.rules, c.route, c.follow_up, c.version,
	l.acknowledge_overdue, l.resolve_overdue, l.acknowledge_overdue OR l.resolve_overdue AS overdue,
	CASE WHEN l.acknowledge_overdue OR l.resolve_overdue THEN now() - least(
		CASE WHEN l.acknowledge_overdue THEN c.acknowledge_due_at END,
		CASE WHEN l.resolve_overdue THEN c.resolve_due_at END) END AS overdue_by,
	closeloop.score_text(r) AS score, r.id AS response_id, r.source, r.source_id, r.survey, r.touchpoint, r.channel,
	r.customer_id, r.customer_name, r.account, r.account_name, r.region, r.language, r.nps, r.csat, r.ces, r.ratings,
	r.contact_requested, r.comment, r.responded_at
FROM closeloop.cases AS c
JOIN closeloop.responses AS r ON r.id = c.response_id
CROSS JOIN LATERAL (SELECT
	coalesce(closeloop.is_unresolved(c.status) AND c.acknowledged_at IS NULL AND c.acknowledge_due_at < now(), false)
		AS acknowledge_overdue,
	coalesce(closeloop.is_unresolved(c.status) AND c.status <> 'waiting' AND c.resolve_due_at < now(), false)
		AS resolve_overdue) AS l;
COMMENT ON VIEW closeloop.case_overview IS 'Every case with the response that opened it, and how late it is now.';

CREATE OR REPLACE VIEW closeloop.nps_by_touchpoint AS
SELECT touchpoint, count(*) AS n,
	count(*) FILTER (WHERE nps >= 9) AS promoters,
	count(*) FILTER (WHERE nps BETWEEN 7 AND 8) AS passives,
	count(*) FILTER (WHERE nps <= 6) AS detractors,
	round(100.0 * (count(*) FILTER (WHERE nps >= 9) - count(*) FILTER (WHERE nps <= 6)) / count(*), 1) AS nps
FROM closeloop.responses
WHERE nps IS NOT NULL
GROUP BY touchpoint;
COMMENT ON VIEW closeloop.nps_by_touchpoint IS 'Net promoter score, -100 to 100, per moment of truth over all time.';

CREATE OR REPLACE VIEW closeloop.message_overview AS
SELECT id, seq, case_id, response_id, kind, step, channel, endpoint, recipient, state, attempt, next_at, created_at, sent_at,
	last_code, last_error, handed_on
FROM closeloop.messages;
COMMENT ON VIEW closeloop.message_overview IS 'Deliveries, without what is in them and without addresses.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
