-- How promises are kept: the view follow_up_performance and what it is made of.
--
-- What the figures mean (docs/database.md has them for readers):
--   first action   the first thing done for the customer: start, contacted, resolve (cases.first_action_at)
--   resolve        the last solution (cases.resolved_at); closing by itself days later is no news for the customer
--   times          count from the customer's answer (responded_at), of a case opened by hand from its opening. Wall time is all of
--                  it; business time is open time under the follow-up's calendar, without what the case spent waiting
--   in time        against the clocks of the present round, after hand-overs and reopenings. Of those with a promise:
--                  kept / (kept + broken), and broken are also those that are overdue now and those that expired. What somebody
--                  dismissed was no case and counts in neither.
--   recovered      of those whose customer answered again (re-scored); of a case that was reopened for it, the answer that did
--
-- Business time of 100,000 cases one by one takes a minute (open_time() lays out a calendar each time), so calendars are laid out
-- once for all owners who share one: open time up to a moment is a look-up in an ordered array, and a duration the difference of two.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE OR REPLACE FUNCTION closeloop.open_ruler(c closeloop.calendars, from_at timestamptz, to_at timestamptz,
	OUT starts float8[], OUT lengths float8[], OUT before float8[])
	LANGUAGE sql STABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT array_agg(s ORDER BY s), array_agg(n ORDER BY s), array_agg(t - n ORDER BY s)
	FROM (SELECT s, n, sum(n) OVER (ORDER BY s) AS t
		FROM (SELECT float8 '-infinity' AS s, float8 '0' AS n UNION ALL SELECT date_part('epoch', o.opens), date_part('epoch', o.closes - o.opens)
			FROM closeloop.openings(c, from_at AT TIME ZONE 'UTC', to_at AT TIME ZONE 'UTC') AS o) AS x) AS y
$$;
COMMENT ON FUNCTION closeloop.open_ruler(closeloop.calendars, timestamptz, timestamptz) IS
	'The openings of a calendar for open_seconds(): when each begins (seconds since 1970), how long it is, how much open time lies before it. The first begins at -infinity and has no length.';

CREATE OR REPLACE FUNCTION closeloop.open_seconds(at float8, starts float8[], lengths float8[], before float8[]) RETURNS float8
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$
	SELECT CASE WHEN starts IS NULL THEN at ELSE before[width_bucket(at, starts)]
		+ least(at - starts[width_bucket(at, starts)], lengths[width_bucket(at, starts)]) END
$$;
COMMENT ON FUNCTION closeloop.open_seconds(float8, float8[], float8[], float8[]) IS
	'Open time from the first opening of a ruler until a moment (seconds since 1970); without a ruler the clock on the wall.';

CREATE OR REPLACE FUNCTION closeloop.case_was_ping_pong(case_id bigint) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT EXISTS (SELECT FROM (
			SELECT e.kind, count(*) FILTER (WHERE e.kind = 'contacted' AND e.details ->> 'reached' = 'true') OVER (ORDER BY e.id) AS reached
			FROM closeloop.case_events AS e WHERE e.case_id = case_was_ping_pong.case_id) AS x
		WHERE x.kind = 'assigned' GROUP BY x.reached HAVING count(*) >= 4)
$$;
COMMENT ON FUNCTION closeloop.case_was_ping_pong(bigint) IS
	'Whether it was ever handed over four times without anybody reaching the customer in between; cases.ping_pong speaks of now.';

-- One row a case. Calendars are those of now.
CREATE OR REPLACE FUNCTION closeloop.follow_up_times(since timestamptz DEFAULT '-infinity')
	RETURNS TABLE (case_id bigint, owner text, team text, touchpoint text, week date, status closeloop.case_status,
		acknowledged boolean, acknowledged_in_time boolean, resolved_in_time boolean, expired boolean, contacted boolean,
		reopened int, handovers int, ping_pong boolean, outcome closeloop.outcome, to_acknowledge float8, to_first_action float8,
		to_first_action_business float8, to_resolve float8, to_resolve_business float8)
	LANGUAGE sql STABLE SECURITY DEFINER ROWS 10000
	SET search_path = pg_catalog, pg_temp SET jit = off
	AS $$
	WITH chosen AS MATERIALIZED (
		SELECT c.*, r.touchpoint, v.calendar,
			CASE WHEN c.rules = '{}' THEN c.opened_at ELSE least(r.responded_at, c.opened_at) END AS began_at,
			CASE WHEN c.status IN ('resolved', 'closed') THEN c.resolved_at END AS solved_at,
			c.status = 'dismissed' AND (SELECT e.actor = 'daemon' AND e.note LIKE 'expired %' FROM closeloop.case_events AS e
				WHERE e.case_id = c.id AND e.kind = 'dismissed' ORDER BY e.id DESC LIMIT 1) AS expired,
			c.ping_pong OR (c.handovers >= 4 AND closeloop.case_was_ping_pong(c.id)) AS was_ping_pong
		FROM closeloop.cases AS c
		JOIN closeloop.responses AS r ON r.id = c.response_id
		LEFT JOIN closeloop.follow_up_versions AS v ON v.id = c.follow_up_version
		WHERE c.opened_at >= since
	), span AS (
		SELECT min(began_at) AS from_at, greatest(max(solved_at), max(first_action_at)) AS to_at FROM chosen
	), clocks AS MATERIALIZED (
		SELECT calendar, owner, clock, dense_rank() OVER (ORDER BY clock) AS ruler
		FROM (SELECT calendar, owner, closeloop.clock(calendar, owner) AS clock
			FROM (SELECT DISTINCT calendar, coalesce(owner, '') AS owner FROM chosen WHERE calendar IS NOT NULL) AS d) AS k
		WHERE (clock).name IS NOT NULL
	), rulers AS MATERIALIZED (
		SELECT d.ruler, q.* FROM (SELECT DISTINCT ON (ruler) ruler, clock FROM clocks) AS d, span,
			LATERAL closeloop.open_ruler(d.clock, span.from_at, span.to_at) AS q
	), ruled AS MATERIALIZED (
		SELECT c.id, date_part('epoch', c.began_at) AS began, date_part('epoch', c.first_action_at) AS acted,
			date_part('epoch', c.solved_at) AS solved, k.ruler
		FROM chosen AS c LEFT JOIN clocks AS k ON k.calendar = c.calendar AND k.owner = coalesce(c.owner, '')
	), holds AS (
		SELECT e.case_id, date_part('epoch', e.at) AS from_at, e.to_status = 'waiting' AS begins,
			lead(date_part('epoch', e.at), 1, 'infinity') OVER (PARTITION BY e.case_id ORDER BY e.id) AS to_at
		FROM closeloop.case_events AS e JOIN chosen AS c ON c.id = e.case_id
		WHERE e.from_status IS DISTINCT FROM e.to_status AND 'waiting' IN (e.from_status, e.to_status)
	), hold_times AS MATERIALIZED (
		SELECT h.case_id,
			closeloop.open_seconds(least(h.to_at, c.solved), q.starts, q.lengths, q.before)
				- closeloop.open_seconds(least(h.from_at, c.solved), q.starts, q.lengths, q.before) AS until_solved,
			closeloop.open_seconds(least(h.to_at, c.acted), q.starts, q.lengths, q.before)
				- closeloop.open_seconds(least(h.from_at, c.acted), q.starts, q.lengths, q.before) AS until_action
		FROM holds AS h JOIN ruled AS c ON c.id = h.case_id LEFT JOIN rulers AS q ON q.ruler = c.ruler
		WHERE h.begins
	), business AS MATERIALIZED (
		SELECT c.id, closeloop.open_seconds(c.acted, q.starts, q.lengths, q.before) - b.began AS to_first_action,
			closeloop.open_seconds(c.solved, q.starts, q.lengths, q.before) - b.began AS to_resolve
		FROM ruled AS c LEFT JOIN rulers AS q ON q.ruler = c.ruler,
			LATERAL (SELECT closeloop.open_seconds(c.began, q.starts, q.lengths, q.before) AS began) AS b
	), held AS (
		SELECT h.case_id, sum(h.until_solved) AS until_solved, sum(h.until_action) AS until_action
		FROM hold_times AS h GROUP BY h.case_id
	), acknowledged AS (
		-- Of a case that was neither handed over nor reopened, cases.acknowledged_at is the first time.
		SELECT e.case_id, min(e.at) AS at
		FROM closeloop.case_events AS e JOIN chosen AS c ON c.id = e.case_id AND (c.handovers > 0 OR c.reopened > 0)
		WHERE e.from_status = 'open' AND e.to_status IN ('acknowledged', 'in_progress', 'waiting', 'resolved')
			AND e.kind <> 'undone'
			AND NOT EXISTS (SELECT FROM closeloop.case_events AS u WHERE u.case_id = e.case_id AND u.kind = 'undone'
				AND (u.details ->> 'undid')::bigint = e.id)
		GROUP BY e.case_id
	)
	SELECT c.id, c.owner, c.team, c.touchpoint, date_trunc('week', c.opened_at AT TIME ZONE z.name)::date, c.status,
		x.acknowledged_at IS NOT NULL,
		CASE WHEN c.acknowledged_at IS NOT NULL THEN c.acknowledged_at <= c.acknowledge_due_at
			WHEN c.expired THEN nullif(c.acknowledge_due_at > c.closed_at, true)
			WHEN closeloop.is_unresolved(c.status) THEN nullif(c.acknowledge_due_at >= now(), true) END,
		CASE WHEN c.solved_at IS NOT NULL THEN c.solved_at <= c.resolve_due_at
			WHEN c.expired THEN nullif(c.resolve_due_at > c.closed_at, true)
			WHEN c.status IN ('open', 'acknowledged', 'in_progress') THEN nullif(c.resolve_due_at >= now(), true) END,
		c.expired, c.contacted_at IS NOT NULL, c.reopened, c.handovers, c.was_ping_pong,
		-- A reopened case has no outcome yet, and the one before still tells how the first attempt went.
		CASE WHEN c.outcome IS NOT NULL OR c.reopened = 0 THEN c.outcome ELSE (SELECT (e.details ->> 'outcome')::closeloop.outcome
			FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.kind = 'outcome' AND e.actor = 'daemon'
			ORDER BY e.id DESC LIMIT 1) END,
		date_part('epoch', x.acknowledged_at - c.began_at),
		date_part('epoch', c.first_action_at - c.began_at), b.to_first_action - coalesce(h.until_action, 0),
		date_part('epoch', c.solved_at - c.began_at), b.to_resolve - coalesce(h.until_solved, 0)
	FROM chosen AS c
	CROSS JOIN (SELECT coalesce((SELECT timezone FROM closeloop.person_clocks WHERE person = ''), 'UTC') AS name) AS z
	JOIN business AS b ON b.id = c.id
	LEFT JOIN held AS h ON h.case_id = c.id
	LEFT JOIN acknowledged AS a ON a.case_id = c.id
	CROSS JOIN LATERAL (SELECT CASE WHEN c.handovers > 0 OR c.reopened > 0 THEN a.at ELSE c.acknowledged_at END AS acknowledged_at) AS x
$$;
COMMENT ON FUNCTION closeloop.follow_up_times(timestamptz) IS
	'Cases opened since a moment, with what became of their promises and how long each step took, in seconds; null is undecided, or didn''t happen.';

-- One row per value, not per combination: medians can't be added up.
CREATE OR REPLACE VIEW closeloop.follow_up_performance AS
SELECT CASE grouping(owner, team, touchpoint, week)
		WHEN 15 THEN 'all' WHEN 7 THEN 'owner' WHEN 11 THEN 'team' WHEN 13 THEN 'touchpoint' ELSE 'week' END AS dimension,
	CASE grouping(owner, team, touchpoint, week)
		WHEN 7 THEN owner WHEN 11 THEN team WHEN 13 THEN touchpoint WHEN 14 THEN week::text END AS value,
	count(*) AS opened,
	count(*) FILTER (WHERE acknowledged) AS acknowledged,
	count(*) FILTER (WHERE acknowledged_in_time) AS acknowledged_in_time,
	count(*) FILTER (WHERE NOT acknowledged_in_time) AS acknowledged_late,
	count(*) FILTER (WHERE status IN ('resolved', 'closed')) AS resolved,
	count(*) FILTER (WHERE resolved_in_time) AS resolved_in_time,
	count(*) FILTER (WHERE NOT resolved_in_time) AS resolved_late,
	count(*) FILTER (WHERE status = 'dismissed') AS dismissed,
	count(*) FILTER (WHERE closeloop.is_unresolved(status)) AS unresolved,
	count(*) FILTER (WHERE contacted) AS contacted,
	make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY to_acknowledge)) AS median_to_acknowledge,
	make_interval(secs => percentile_cont(0.9) WITHIN GROUP (ORDER BY to_acknowledge)) AS p90_to_acknowledge,
	make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY to_resolve)) AS median_to_resolve,
	make_interval(secs => percentile_cont(0.9) WITHIN GROUP (ORDER BY to_resolve)) AS p90_to_resolve,
	sum(reopened) AS reopened,
	sum(handovers) AS handovers,
	count(*) FILTER (WHERE outcome = 'recovered') AS recovered,
	count(*) FILTER (WHERE outcome = 'unchanged') AS unchanged,
	count(*) FILTER (WHERE outcome = 'lost') AS lost,
	round(100.0 * count(*) FILTER (WHERE acknowledged_in_time) / nullif(count(acknowledged_in_time), 0), 1)
		AS acknowledged_in_time_percent,
	round(100.0 * count(*) FILTER (WHERE resolved_in_time) / nullif(count(resolved_in_time), 0), 1) AS resolved_in_time_percent,
	make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY to_first_action)) AS median_to_first_action,
	make_interval(secs => percentile_cont(0.9) WITHIN GROUP (ORDER BY to_first_action)) AS p90_to_first_action,
	make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY to_first_action_business)) AS median_to_first_action_business,
	make_interval(secs => percentile_cont(0.9) WITHIN GROUP (ORDER BY to_first_action_business)) AS p90_to_first_action_business,
	make_interval(secs => percentile_cont(0.5) WITHIN GROUP (ORDER BY to_resolve_business)) AS median_to_resolve_business,
	make_interval(secs => percentile_cont(0.9) WITHIN GROUP (ORDER BY to_resolve_business)) AS p90_to_resolve_business,
	count(*) FILTER (WHERE reopened > 0) AS reopened_cases,
	count(*) FILTER (WHERE ping_pong) AS ping_pong,
	count(*) FILTER (WHERE expired) AS expired,
	count(outcome) AS rescored,
	round(100.0 * count(*) FILTER (WHERE outcome = 'recovered') / nullif(count(outcome), 0), 1) AS recovered_percent,
	round(100.0 * count(outcome) / nullif(count(*) FILTER (WHERE status IN ('resolved', 'closed') OR outcome IS NOT NULL), 0), 1)
		AS rescored_percent
FROM closeloop.follow_up_times()
GROUP BY GROUPING SETS ((), (owner), (team), (touchpoint), (week));
COMMENT ON VIEW closeloop.follow_up_performance IS
	'How promises were kept: over all, and by owner, team, touchpoint and week of opening. "business" is open time without waiting, else wall time; "in time" speaks of the present round, after hand-overs and reopenings; recovered is of rescored.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
