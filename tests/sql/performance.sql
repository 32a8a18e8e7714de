-- follow_up_performance: what the field's figures mean, by hand and against open_time() case by case.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

SELECT closeloop.clocks_replace('[{"name": "office", "timezone": "owner", "holidays": ["2026-10-05"],
	"hours": [[1,540,720],[1,780,1080],[2,540,720],[2,780,1080],[3,540,720],[3,780,1080],[4,540,720],[4,780,1080],[5,540,720],[5,1320,1560]]}]',
	'[{"person": "", "timezone": "Asia/Seoul"}, {"person": "p1", "calendar": "office", "timezone": "Asia/Seoul"},
	{"person": "p2", "calendar": "office", "timezone": "Europe/Berlin"}, {"person": "p3", "calendar": "office", "timezone": "America/New_York"},
	{"person": "p4", "timezone": "Asia/Seoul"}]') \g /dev/null
SELECT closeloop.follow_up_version('{"name": "office", "calendar": "owner", "acknowledge_within": "4h", "resolve_within": "2d"}') AS office \gset
SELECT closeloop.follow_up_version('{"name": "wall", "acknowledge_within": "4h", "resolve_within": "2d"}') AS wall \gset

-- ---- by hand ----
CREATE FUNCTION pg_temp.put(answered timestamptz, acted interval, solved interval, late boolean, more jsonb DEFAULT '{}') RETURNS bigint LANGUAGE sql AS $$
	WITH r AS (INSERT INTO closeloop.responses (nps, responded_at, touchpoint) VALUES (2, answered, 'hand') RETURNING id),
	x AS (SELECT (jsonb_populate_record(NULL::closeloop.cases, jsonb_build_object('status', 'closed', 'owner', 'p1', 'rules', '{low}'::text[],
		'opened_at', answered + interval '1 minute', 'acknowledged_at', answered + acted, 'first_action_at', answered + acted,
		'resolved_at', answered + solved, 'closed_at', answered + solved, 'acknowledge_due_at', answered + interval '4 hours',
		'resolve_due_at', answered + solved + CASE WHEN late THEN interval '-1 s' ELSE interval '1 s' END) || more)).*)
	INSERT INTO closeloop.cases (response_id, status, owner, rules, opened_at, acknowledged_at, first_action_at, resolved_at, closed_at, acknowledge_due_at,
		resolve_due_at, outcome, reopened, handovers, follow_up_version, waiting_until, waiting_since)
	SELECT r.id, x.status, x.owner, x.rules, x.opened_at, x.acknowledged_at, x.first_action_at, x.resolved_at, x.closed_at, x.acknowledge_due_at,
		x.resolve_due_at, x.outcome, coalesce(x.reopened, 0), coalesce(x.handovers, 0), x.follow_up_version, x.waiting_until, x.waiting_since FROM r, x RETURNING id
$$;
CREATE FUNCTION pg_temp.event(c bigint, kind text, actor text, details jsonb DEFAULT '{}', note text DEFAULT NULL) RETURNS void LANGUAGE sql AS $$
	INSERT INTO closeloop.case_events (case_id, kind, actor, details, note) VALUES (c, kind, actor, details, note)
$$;
-- Friday 17:00 in Seoul to Monday: the office of p1 is open 22:00 to 02:00 that night, then Monday from 9.
SELECT pg_temp.put('2026-09-25 17:00+09', '6 hours', '2 days 17 hours', false, jsonb_build_object('follow_up_version', :office, 'outcome', 'recovered')) AS a \gset
SELECT pg_temp.put('2026-09-25 17:00+09', '6 hours', '1 day', true, jsonb_build_object('follow_up_version', :wall, 'outcome', 'lost')) AS b \gset
SELECT pg_temp.put(now() - interval '10 days', NULL, '30 days', true, '{"status": "open", "resolved_at": null, "closed_at": null}') AS overdue \gset
UPDATE closeloop.cases SET resolve_due_at = now() - interval '1 h' WHERE id = :overdue;
SELECT pg_temp.put(now() - interval '10 days', NULL, NULL, true, jsonb_build_object('status', 'dismissed', 'resolved_at', null, 'closed_at', now(),
	'resolve_due_at', now() - interval '1 day')) AS expired \gset
SELECT pg_temp.event(:expired, 'dismissed', 'daemon', '{}', 'expired after 14d');
SELECT pg_temp.put(now() - interval '10 days', NULL, NULL, true, jsonb_build_object('status', 'dismissed', 'resolved_at', null, 'closed_at', now(),
	'resolve_due_at', now() - interval '1 day')) AS nothing \gset
SELECT pg_temp.event(:nothing, 'dismissed', 'p1', '{}', 'not ours');
SELECT pg_temp.put(now() - interval '10 days', '1 h', NULL, true, jsonb_build_object('status', 'waiting', 'resolved_at', null, 'closed_at', null,
	'resolve_due_at', now() - interval '1 day', 'waiting_until', now() + interval '1 day', 'waiting_since', now())) AS waits \gset
-- Reopened after it was lost: it counts as lost until the next answer; passed on four times, then the customer was reached.
SELECT pg_temp.put('2026-09-25 17:00+09', '6 hours', '1 day', false, jsonb_build_object('reopened', 1, 'handovers', 4, 'status', 'in_progress',
	'resolved_at', null, 'closed_at', null, 'resolve_due_at', now() + interval '1 day')) AS again \gset
SELECT pg_temp.event(:again, 'outcome', 'daemon', '{"outcome": "lost", "from": "2/10", "to": "1/10"}');
SELECT pg_temp.event(:again, 'assigned', 'p1', '{"to": "p2"}') FROM generate_series(1, 4);
SELECT pg_temp.event(:again, 'contacted', 'p2', '{"how": "phone", "reached": true}');

SELECT row_eq(format($$SELECT to_first_action, to_first_action_business, to_resolve, to_resolve_business FROM closeloop.follow_up_times() WHERE case_id = %s$$, :a),
	ROW(6 * 3600::float8, 3600::float8, 65 * 3600::float8, (4 + 1) * 3600::float8), 'from the answer on: on the wall, and in hours of the office');
SELECT row_eq(format($$SELECT to_first_action_business, to_resolve_business FROM closeloop.follow_up_times() WHERE case_id = %s$$, :b),
	ROW(6 * 3600::float8, 24 * 3600::float8), 'without a calendar every hour counts');
SELECT results_eq('SELECT case_id, acknowledged_in_time, resolved_in_time, expired, ping_pong, outcome::text FROM closeloop.follow_up_times() ORDER BY 1',
	format($$VALUES (%s::bigint, false, true, false, false, 'recovered'), (%s, false, false, false, false, 'lost'), (%s, false, false, false, false, NULL),
	(%s, false, false, true, false, NULL), (%s, NULL, NULL, false, false, NULL), (%s, true, NULL, false, false, NULL), (%s, false, NULL, false, true, 'lost')$$,
	:a, :b, :overdue, :expired, :nothing, :waits, :again), 'kept, broken, undecided; what a person dismissed was no case, what expired was one');
SELECT row_eq($$SELECT opened, resolved, resolved_in_time, resolved_late, resolved_in_time_percent, acknowledged_in_time_percent, reopened_cases, ping_pong,
	expired, rescored, recovered, lost, recovered_percent, rescored_percent FROM closeloop.follow_up_performance WHERE dimension = 'all'$$,
	ROW(7::bigint, 2::bigint, 1::bigint, 3::bigint, 25.0::numeric, 16.7::numeric, 1::bigint, 1::bigint, 1::bigint, 3::bigint, 1::bigint, 2::bigint, 33.3::numeric, 100.0::numeric),
	'closed in time of those closed and those overdue; recovered of the re-scored');
SELECT is((SELECT count(*)::int FROM closeloop.follow_up_performance WHERE dimension = 'touchpoint' AND value = 'hand' AND opened = 7), 1, 'by touchpoint');
SELECT is((SELECT string_agg(value, ' ' ORDER BY value) FROM closeloop.follow_up_performance WHERE dimension = 'week' AND value < '2026-10-01'),
	'2026-09-21', 'weeks begin on the Monday of the global time zone');
SELECT is((SELECT count(*)::int FROM closeloop.follow_up_times(now() - interval '11 days')), 4, 'cases opened since a moment');
SELECT ok(to_first_action_business IS NULL AND to_resolve IS NULL, 'what did not happen took no time') FROM closeloop.follow_up_times() WHERE case_id = :overdue;

-- A case opened by hand counts from its opening, not from an answer of last year.
SELECT pg_temp.put(now() - interval '400 days', '400 days 1 hour', '400 days 2 hours', false, jsonb_build_object('rules', '{}'::text[], 'opened_at', now())) AS hand \gset
SELECT is(to_first_action, 3600::float8, 'by hand: from the opening') FROM closeloop.follow_up_times() WHERE case_id = :hand;

-- ---- against open_time(), 400 cases at random ----
SELECT setseed(0.4);
CREATE TEMP TABLE random AS SELECT i, '2026-01-01'::timestamptz + random() * interval '300 days' AS answered, random() * interval '9 days' AS acted,
	random() * interval '20 days' AS more, random() * interval '4 days' AS held, 'p' || 1 + floor(random() * 5) AS owner, random() < 0.7 AS waits FROM generate_series(1, 400) AS i;
CREATE TEMP TABLE made AS SELECT r.*, pg_temp.put(answered, acted, acted + more, false, jsonb_build_object('owner', owner,
	'follow_up_version', CASE WHEN i % 5 = 0 THEN :wall ELSE :office END)) AS id FROM random AS r;
-- Each waits once: from a moment before or after the first action, and comes back or is resolved from there.
INSERT INTO closeloop.case_events (case_id, at, actor, kind, from_status, to_status)
	SELECT id, answered + acted * 0.5 + more * 0.5 + CASE WHEN n = 2 THEN held ELSE '0' END, owner, CASE n WHEN 1 THEN 'waiting' ELSE 'started' END,
		CASE n WHEN 1 THEN 'open' ELSE 'waiting' END::closeloop.case_status, CASE n WHEN 1 THEN 'waiting' ELSE 'in_progress' END::closeloop.case_status
	FROM made, generate_series(1, 2) AS n WHERE waits ORDER BY id, n;
CREATE FUNCTION pg_temp.slow(c closeloop.cases, until_at timestamptz) RETURNS float8 LANGUAGE sql AS $$
	SELECT extract(epoch FROM closeloop.open_time(m.answered, until_at, v.calendar, c.owner))::float8 - CASE WHEN m.waits THEN extract(epoch FROM
		closeloop.open_time(least(m.answered + m.acted * 0.5 + m.more * 0.5, until_at), least(m.answered + m.acted * 0.5 + m.more * 0.5 + m.held, until_at), v.calendar, c.owner))::float8 ELSE 0 END
	FROM made AS m, closeloop.follow_up_versions AS v WHERE m.id = c.id AND v.id = c.follow_up_version
$$;
SELECT is_empty($$SELECT c.id, t.to_first_action_business, pg_temp.slow(c, c.first_action_at), t.to_resolve_business, pg_temp.slow(c, c.resolved_at)
	FROM made JOIN closeloop.cases AS c USING (id) JOIN closeloop.follow_up_times() AS t ON t.case_id = c.id
	WHERE abs(t.to_first_action_business - pg_temp.slow(c, c.first_action_at)) > 0.01 OR abs(t.to_resolve_business - pg_temp.slow(c, c.resolved_at)) > 0.01$$,
	'business time without waiting is what open_time() says of each case');
SELECT ok(count(*) = 400 AND count(*) FILTER (WHERE to_resolve_business < to_resolve / 2) > 200, 'and it is not the wall''s')
	FROM closeloop.follow_up_times() AS t JOIN made ON made.id = t.case_id;
SELECT * FROM finish();
ROLLBACK;
