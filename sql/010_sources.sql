-- Which source has fallen silent: no answer for more than three times its usual gap.
--
-- The usual gap of a source is the longest wait between two answers within a day, as it is on nine days of ten: nights and
-- weekends are part of it, one bad day isn't. It counts days of the last 90 on which answers came, five at least; a source with
-- fewer is too new to be missed. Gaps below ten minutes count as ten.
--
--   source_look()  takes in what came since the last look (each daemon calls it with its heartbeat; two don't do it at once)
--   sources_seen   a row a source: last answer, usual gap
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.source_days (
	source text NOT NULL,
	day date NOT NULL,
	longest interval NOT NULL,
	PRIMARY KEY (source, day)
);
COMMENT ON TABLE closeloop.source_days IS 'The longest wait for an answer that ended on a day (UTC), of the last 90 days.';

CREATE TABLE IF NOT EXISTS closeloop.sources_seen (
	source text PRIMARY KEY,
	last_at timestamptz NOT NULL,
	usual_gap interval
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE closeloop.sources_seen IS 'When each source was last heard of, and how long its waits usually are; null: too new to say.';

CREATE OR REPLACE FUNCTION closeloop.source_look() RETURNS int
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
DECLARE
	since timestamptz := (SELECT max(s.last_at) FROM closeloop.sources_seen AS s);
	at_most bigint := CASE WHEN since IS NOT NULL THEN 20000 END; -- a flood has no gaps worth a long look
	fresh text[];
BEGIN
	IF NOT pg_try_advisory_xact_lock(7310033114866869859) THEN
		RETURN 0;
	END IF;
	since := coalesce(since, now() - interval '90 days');
	WITH gaps AS (
		SELECT r.source, (r.received_at AT TIME ZONE 'UTC')::date AS day,
			r.received_at - lag(r.received_at, 1, s.last_at) OVER (PARTITION BY r.source ORDER BY r.received_at) AS gap
		FROM (SELECT n.source, n.received_at FROM closeloop.responses AS n
			WHERE n.received_at > since AND n.received_at <= now() ORDER BY n.received_at DESC LIMIT at_most) AS r
		LEFT JOIN closeloop.sources_seen AS s ON s.source = r.source
	), days AS (
		INSERT INTO closeloop.source_days AS d (source, day, longest)
		SELECT g.source, g.day, coalesce(max(g.gap), interval '0') FROM gaps AS g GROUP BY g.source, g.day
		ON CONFLICT (source, day) DO UPDATE SET longest = greatest(d.longest, excluded.longest)
		RETURNING d.source
	)
	SELECT array_agg(DISTINCT source) INTO fresh FROM days;
	IF fresh IS NULL THEN
		RETURN 0;
	END IF;
	DELETE FROM closeloop.source_days AS d WHERE d.day < (now() AT TIME ZONE 'UTC')::date - 90;
	INSERT INTO closeloop.sources_seen AS s (source, last_at, usual_gap)
	SELECT f.source, (SELECT max(r.received_at) FROM closeloop.responses AS r
			WHERE r.source = f.source AND r.received_at > since AND r.received_at <= now()), d.usual
	FROM unnest(fresh) AS f (source)
	CROSS JOIN LATERAL (SELECT CASE WHEN count(*) >= 5 THEN greatest(interval '10 minutes',
			percentile_disc(0.9) WITHIN GROUP (ORDER BY t.longest)) END AS usual
		FROM closeloop.source_days AS t WHERE t.source = f.source) AS d
	ON CONFLICT (source) DO UPDATE SET last_at = greatest(s.last_at, excluded.last_at), usual_gap = excluded.usual_gap;
	RETURN cardinality(fresh);
END
$$;
COMMENT ON FUNCTION closeloop.source_look() IS
	'Takes in the answers that came since the last look; of how many sources. Writes nothing when there were none.';

CREATE OR REPLACE FUNCTION closeloop.sources_silent()
	RETURNS TABLE (source text, last_at timestamptz, usual_gap interval)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT s.source, s.last_at, s.usual_gap FROM closeloop.sources_seen AS s
	WHERE now() - s.last_at > 3 * s.usual_gap ORDER BY s.last_at
$$;
COMMENT ON FUNCTION closeloop.sources_silent() IS 'Sources that have been silent for more than three times their usual gap.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
