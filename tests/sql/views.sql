-- The views: figures counted by hand beforehand.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

-- ---- scores ----
SELECT is(closeloop.score_text(jsonb_populate_record(NULL::closeloop.responses, r::jsonb)), want, r)
	FROM (VALUES ('{"nps": 0}', '0/10'), ('{"nps": 2, "csat": 5}', '2/10'), ('{"csat": 4, "ces": 1}', '4/5'), ('{"ces": 7}', '7/7'),
		('{"ratings": {"service": 3, "delivery": 1.5}}', 'delivery 1.5'), ('{"ratings": {"b": 2, "a": 2}}', 'a 2'),
		('{"ratings": {"a": 10, "b": 9}}', 'b 9'), ('{"ratings": {"a": "1", "b": null, "c": [1]}}', NULL),
		('{"ratings": {}}', NULL), ('{}', NULL)) AS x (r, want);

SELECT is(closeloop.score_text(jsonb_populate_record(NULL::closeloop.responses, r::jsonb), '{"effort": [1, 7, false], "q1": [0, 10, true]}'),
	want, r || ' by its scales')
	FROM (VALUES ('{"nps": 2, "ratings": {"effort": 7}}', '2/10'), ('{"ratings": {"effort": 1, "speed": 3}}', 'speed 3'),
		('{"ratings": {"effort": 6, "speed": 3}}', 'effort 6'), ('{"ratings": {"q1": 4, "speed": 3}}', 'q1 4'), ('{"ratings": {}}', NULL)) AS x (r, want);

-- ---- NPS ----
INSERT INTO closeloop.responses (touchpoint, nps)
	SELECT 'delivery', n FROM unnest(ARRAY[10, 9, 8, 7, 6, 0, 3]) AS n
	UNION ALL SELECT 'service', 9 UNION ALL SELECT NULL, 6 UNION ALL SELECT 'unasked', NULL;
SELECT results_eq('SELECT touchpoint, n, promoters, passives, detractors, nps FROM closeloop.nps_by_touchpoint ORDER BY touchpoint',
	$$VALUES ('delivery', 7::bigint, 2::bigint, 2::bigint, 3::bigint, -14.3::numeric), ('service', 1, 1, 0, 0, 100.0), (NULL, 1, 0, 0, 1, -100.0)$$,
	'promoters are 9 and 10, detractors 0 to 6; no answer is no vote');

-- ---- cases ----
CREATE FUNCTION pg_temp.opened(touchpoint text, owner text, team text, ago interval) RETURNS bigint LANGUAGE sql AS $$
	WITH r AS (INSERT INTO closeloop.responses (touchpoint, customer_name, comment, csat) VALUES (touchpoint, 'Kim', 'bad', 2) RETURNING id)
	INSERT INTO closeloop.cases (response_id, owner, team, opened_at, acknowledge_due_at, resolve_due_at)
	SELECT id, owner, team, now() - ago, now() - ago + interval '4 hours', now() - ago + interval '2 days' FROM r
	RETURNING id
$$;
-- Acts, and sets the clock of what happened back.
CREATE FUNCTION pg_temp.act(c bigint, action text, ago interval, details jsonb DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	PERFORM closeloop.case_transition(c, action, 'minsu', 'x', details);
	UPDATE closeloop.case_events SET at = now() - ago WHERE case_id = c AND at = now();
	UPDATE closeloop.cases SET acknowledged_at = CASE acknowledged_at WHEN now() THEN now() - ago ELSE acknowledged_at END,
		resolved_at = CASE resolved_at WHEN now() THEN now() - ago ELSE resolved_at END WHERE id = c;
END
$$;

SELECT pg_temp.opened('delivery', 'minsu', 'a', '3 hours') AS fresh \gset
SELECT pg_temp.opened('delivery', 'minsu', 'a', '5 hours') AS unseen \gset
SELECT pg_temp.opened('delivery', 'minsu', 'a', '3 days') AS slow \gset
SELECT pg_temp.act(:slow, 'acknowledge', '3 days' - interval '1 hour');
SELECT pg_temp.opened('service', 'jiwoo', 'b', '3 days') AS done \gset
SELECT pg_temp.act(:done, 'start', '3 days' - interval '2 hours');
SELECT pg_temp.act(:done, 'resolve', '3 days' - interval '10 hours');
SELECT pg_temp.opened('service', 'jiwoo', 'b', '5 days') AS late \gset
SELECT pg_temp.act(:late, 'acknowledge', '5 days' - interval '6 hours');
SELECT pg_temp.act(:late, 'resolve', '1 day');
SELECT pg_temp.opened('service', 'jiwoo', NULL, '3 days') AS waits \gset
SELECT pg_temp.act(:waits, 'wait', '3 days' - interval '3 hours', '{"until": "2099-01-01"}');
SELECT pg_temp.opened('service', 'jiwoo', NULL, '3 days') AS none \gset
SELECT pg_temp.act(:none, 'dismiss', '1 day');
UPDATE closeloop.cases SET outcome = 'recovered' WHERE id = :done;

SELECT results_eq('SELECT id, acknowledge_overdue, resolve_overdue, overdue, overdue_by FROM closeloop.case_overview ORDER BY id',
	format($$VALUES (%s::bigint, false, false, false, NULL::interval), (%s, true, false, true, '1 hour'), (%s, false, true, true, '1 day'),
	(%s, false, false, false, NULL), (%s, false, false, false, NULL), (%s, false, false, false, NULL), (%s, false, false, false, NULL)$$,
	:fresh, :unseen, :slow, :done, :late, :waits, :none), 'late is who is late now: not who waits, and not who is done');
SELECT row_eq(format('SELECT name, score, touchpoint, customer_name, comment FROM closeloop.case_overview WHERE id = %s', :fresh),
	ROW('C-' || :fresh, '2/5'::text, 'delivery'::text, 'Kim'::text, 'bad'::text), 'a case comes with its response');

SELECT results_eq($$SELECT dimension, value, opened, acknowledged, acknowledged_in_time, acknowledged_late, resolved, resolved_in_time, resolved_late,
	dismissed, unresolved, recovered FROM closeloop.follow_up_performance WHERE dimension <> 'week' ORDER BY dimension, value$$,
	$$VALUES ('all', NULL, 7::bigint, 4::bigint, 3::bigint, 2::bigint, 2::bigint, 1::bigint, 2::bigint, 1::bigint, 4::bigint, 1::bigint),
	('owner', 'jiwoo', 4, 3, 2, 1, 2, 1, 1, 1, 1, 1), ('owner', 'minsu', 3, 1, 1, 1, 0, 0, 1, 0, 3, 0),
	('team', 'a', 3, 1, 1, 1, 0, 0, 1, 0, 3, 0), ('team', 'b', 2, 2, 1, 1, 2, 1, 1, 0, 0, 1), ('team', NULL, 2, 1, 1, 0, 0, 0, 0, 1, 1, 0),
	('touchpoint', 'delivery', 3, 1, 1, 1, 0, 0, 1, 0, 3, 0), ('touchpoint', 'service', 4, 3, 2, 1, 2, 1, 1, 1, 1, 1)$$,
	'promises kept and broken, by all that divides them');
SELECT row_eq($$SELECT median_to_acknowledge, p90_to_acknowledge, median_to_resolve, p90_to_resolve FROM closeloop.follow_up_performance
	WHERE dimension = 'all'$$, ROW(interval '2 hours 30 minutes', interval '5 hours 6 minutes', interval '2 days 5 hours',
	interval '3 days 15 hours 24 minutes'), 'median and nine tenths');
SELECT is(sum(opened)::int, 7, 'weeks of opening add up') FROM closeloop.follow_up_performance WHERE dimension = 'week';

SELECT pg_temp.act(:done, 'reopen', '1 hour');
SELECT pg_temp.act(:done, 'assign', '1 hour', '{"to": "tono"}');
SELECT row_eq($$SELECT opened, acknowledged, resolved, reopened, handovers, median_to_acknowledge FROM closeloop.follow_up_performance
	WHERE dimension = 'owner' AND value = 'tono'$$, ROW(1::bigint, 1::bigint, 0::bigint, 1::bigint, 1::bigint, interval '2 hours'),
	'a reopened case is no longer resolved, but was first acknowledged when it was');
SELECT * FROM finish();
ROLLBACK;
