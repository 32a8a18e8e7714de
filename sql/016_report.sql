-- What the page of results adds up: answers by touchpoint and week, stars by question, and how promises were kept.
--
-- Sums and sums of squares leave the database, not figures: intervals are made of them, and weeks add up to a quarter.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE OR REPLACE FUNCTION closeloop.report_answers(since timestamptz, zone text, scaled text[]) RETURNS jsonb
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off
	AS $$
	SELECT coalesce(jsonb_agg(jsonb_build_object('touchpoint', touchpoint, 'week', week, 'kind', kind, 'nps_n', nps_n,
			'promoters', promoters, 'detractors', detractors, 'csat_n', csat_n, 'csat_good', csat_good,
			'stars_n', stars_n, 'stars_sum', stars_sum, 'stars_squares', stars_squares, 'n', n) ORDER BY n DESC, touchpoint, week), '[]')
	FROM (SELECT r.touchpoint, date_trunc('week', r.responded_at AT TIME ZONE zone)::date AS week,
			CASE grouping(r.touchpoint, date_trunc('week', r.responded_at AT TIME ZONE zone)::date)
				WHEN 1 THEN 'touchpoint' WHEN 2 THEN 'week' ELSE 'all' END AS kind, count(*) AS n,
			count(r.nps) AS nps_n, count(*) FILTER (WHERE r.nps >= 9) AS promoters, count(*) FILTER (WHERE r.nps <= 6) AS detractors,
			count(r.csat) AS csat_n, count(*) FILTER (WHERE r.csat >= 4) AS csat_good,
			coalesce(sum(s.n), 0) AS stars_n, coalesce(sum(s.total), 0) AS stars_sum, coalesce(sum(s.squares), 0) AS stars_squares
		FROM closeloop.responses AS r
		LEFT JOIN LATERAL (SELECT count(*) AS n, sum(v) AS total, sum(v * v) AS squares
			FROM jsonb_each(r.ratings) AS q, LATERAL (SELECT (q.value #>> '{}')::float8) AS x (v)
			WHERE jsonb_typeof(q.value) = 'number' AND q.key <> ALL (scaled)) AS s ON r.ratings <> '{}'
		WHERE r.received_at >= since AND r.responded_at >= since
		GROUP BY GROUPING SETS ((), (r.touchpoint), (date_trunc('week', r.responded_at AT TIME ZONE zone)::date))) AS g
$$;
COMMENT ON FUNCTION closeloop.report_answers(timestamptz, text, text[]) IS
	'Answers since a moment: over all, by touchpoint and by week (kind). Stars are ratings of questions that have no scale of their own.';

CREATE OR REPLACE FUNCTION closeloop.report_questions(since timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off
	AS $$
	SELECT coalesce(jsonb_agg(to_jsonb(g) ORDER BY n DESC, name), '[]')
	FROM (SELECT q.key AS name, count(*) AS n, sum(v) AS sum, sum(v * v) AS squares, count(*) FILTER (WHERE v <= 2) AS low
		FROM closeloop.responses AS r, jsonb_each(r.ratings) AS q, LATERAL (SELECT CASE WHEN jsonb_typeof(q.value) = 'number'
			THEN (q.value #>> '{}')::float8 END) AS x (v)
		WHERE r.received_at >= since AND r.responded_at >= since AND v IS NOT NULL
		GROUP BY q.key ORDER BY count(*) DESC, q.key LIMIT 50) AS g
$$;
COMMENT ON FUNCTION closeloop.report_questions(timestamptz) IS 'Ratings since a moment, by question: number, sum, sum of squares, how many are 2 or less.';

CREATE OR REPLACE FUNCTION closeloop.report_follow_up(since timestamptz) RETURNS jsonb
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp SET jit = off
	AS $$
	SELECT jsonb_build_object('opened', count(*),
		'acknowledged_in_time', count(*) FILTER (WHERE t.acknowledged_in_time), 'acknowledged_decided', count(t.acknowledged_in_time),
		'resolved_in_time', count(*) FILTER (WHERE t.resolved_in_time), 'resolved_decided', count(t.resolved_in_time),
		'first_action', percentile_cont(0.5) WITHIN GROUP (ORDER BY t.to_first_action),
		'resolve', percentile_cont(0.5) WITHIN GROUP (ORDER BY t.to_resolve),
		'unresolved', count(*) FILTER (WHERE closeloop.is_unresolved(t.status)),
		'rescored', count(t.outcome), 'recovered', count(*) FILTER (WHERE t.outcome = 'recovered'),
		'lost', count(*) FILTER (WHERE t.outcome = 'lost'))
	FROM closeloop.follow_up_times(since) AS t
$$;
COMMENT ON FUNCTION closeloop.report_follow_up(timestamptz) IS 'How promises of the cases opened since a moment were kept; times in seconds, medians.';

CREATE OR REPLACE FUNCTION closeloop.report(weeks int, zone text, scaled text[]) RETURNS jsonb
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT jsonb_build_object('since', s.day, 'at', now(),
		'weeks', (SELECT jsonb_agg(w::date ORDER BY w) FROM generate_series(s.day::timestamp, now() AT TIME ZONE zone, interval '7 days') AS w),
		'answers', closeloop.report_answers(s.at, zone, scaled), 'questions', closeloop.report_questions(s.at),
		'follow_up', closeloop.report_follow_up(s.at))
	FROM (SELECT d.day, d.day::timestamp AT TIME ZONE zone AS at
		FROM (SELECT date_trunc('week', now() AT TIME ZONE zone)::date - 7 * (weeks - 1) AS day) AS d) AS s
$$;
COMMENT ON FUNCTION closeloop.report(int, text, text[]) IS 'Everything the page of results shows: the last so many weeks, this one included.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
