-- Which rule set was live when, and where.
--
-- rulesets keeps the texts. Each row of daemons says what a daemon judges by; a trigger turns its changes into periods, so
-- that whoever writes the row, and however a daemon ends, the history is the same:
--
--   daemon starts, or takes a new set ──▶ a period begins (and its last one ends)      says goodbye, or is found gone ──▶ it ends
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.ruleset_periods (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	daemon text,
	sha256 text NOT NULL,
	since timestamptz NOT NULL DEFAULT clock_timestamp(),
	until timestamptz CHECK (until >= since)
);
COMMENT ON TABLE closeloop.ruleset_periods IS 'When each daemon judged by which rule set.';
COMMENT ON COLUMN closeloop.ruleset_periods.daemon IS 'daemons.id; null: from before periods were kept.';
COMMENT ON COLUMN closeloop.ruleset_periods.until IS 'Null: it still does, or ended without a goodbye (daemon_is_alive).';
CREATE UNIQUE INDEX IF NOT EXISTS ruleset_periods_open ON closeloop.ruleset_periods (daemon) WHERE until IS NULL;
CREATE INDEX IF NOT EXISTS ruleset_periods_since ON closeloop.ruleset_periods (since);

CREATE OR REPLACE FUNCTION closeloop.ruleset_period() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	UPDATE closeloop.ruleset_periods AS p SET until = greatest(p.since, coalesce(NEW.stopped_at, clock_timestamp()))
	WHERE p.daemon = NEW.id AND p.until IS NULL
		AND (NEW.stopped_at IS NOT NULL OR p.sha256 IS DISTINCT FROM NEW.ruleset);
	IF NEW.stopped_at IS NULL AND NEW.ruleset IS NOT NULL THEN
		INSERT INTO closeloop.ruleset_periods (daemon, sha256) VALUES (NEW.id, NEW.ruleset) ON CONFLICT DO NOTHING;
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.ruleset_period() IS 'Trigger on daemons: keeps ruleset_periods.';
CREATE OR REPLACE TRIGGER ruleset_period_begins AFTER INSERT ON closeloop.daemons
	FOR EACH ROW EXECUTE FUNCTION closeloop.ruleset_period();
CREATE OR REPLACE TRIGGER ruleset_period_changes AFTER UPDATE ON closeloop.daemons FOR EACH ROW
	WHEN (OLD.ruleset IS DISTINCT FROM NEW.ruleset OR OLD.stopped_at IS DISTINCT FROM NEW.stopped_at)
	EXECUTE FUNCTION closeloop.ruleset_period();

-- Of a database that is older than this table, as much as is known: since when each set was first live.
INSERT INTO closeloop.ruleset_periods (daemon, sha256, since, until)
SELECT p.daemon, p.sha256, p.since, p.until
FROM (SELECT NULL::text AS daemon, r.sha256, r.since, greatest(r.since, coalesce(lead(r.since) OVER (ORDER BY r.since), now())) AS until
	FROM closeloop.rulesets AS r
	UNION ALL
	SELECT d.id, d.ruleset, greatest(d.started_at, r.since), NULL
	FROM closeloop.daemons AS d JOIN closeloop.rulesets AS r ON r.sha256 = d.ruleset
	WHERE d.stopped_at IS NULL) AS p
WHERE NOT EXISTS (SELECT FROM closeloop.ruleset_periods)
ORDER BY p.since;

CREATE OR REPLACE FUNCTION closeloop.ruleset_at(at timestamptz) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(
		(SELECT p.sha256 FROM closeloop.ruleset_periods AS p
			WHERE p.since <= at AND (p.until IS NULL OR p.until > at)
			GROUP BY p.sha256 ORDER BY count(*) DESC, max(p.since) DESC LIMIT 1),
		(SELECT p.sha256 FROM closeloop.ruleset_periods AS p WHERE p.since > at ORDER BY p.since, p.id LIMIT 1),
		(SELECT p.sha256 FROM closeloop.ruleset_periods AS p ORDER BY p.until DESC, p.id DESC LIMIT 1))
$$;
COMMENT ON FUNCTION closeloop.ruleset_at(timestamptz) IS
	'The rule set that was live then: with most daemons, else the newer one. When no daemon ran: the next that was live, else the last. Null: none ever was.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
