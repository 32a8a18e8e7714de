-- Which rule set was live when, and where.
--
-- rulesets keeps the texts. Each row of daemons says what a daemon judges by; a trigger turns its changes into periods, so
-- that whoever writes the row, and however a daemon ends, the history is the same:
--
--   daemon starts, or takes a new set ──▶ a period begins (and its last one ends)      says goodbye, or is found gone ──▶ it ends
--
-- `closeloop reload` needs no signal and no login on another host: a row of reloads asks, NOTIFY hurries, and where LISTEN delivers
-- nothing the daemons look with their heartbeat. Each answers in its row: reload_id is the last request that it has followed,
-- config_error what kept it from taking the file.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.reloads (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	asked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	asked_by text NOT NULL
);
COMMENT ON TABLE closeloop.reloads IS 'When somebody asked all daemons to read their configurations anew.';

ALTER TABLE closeloop.daemons ADD COLUMN IF NOT EXISTS reload_id bigint;
ALTER TABLE closeloop.daemons ADD COLUMN IF NOT EXISTS config_error text;
ALTER TABLE closeloop.daemons ADD COLUMN IF NOT EXISTS config_error_at timestamptz;
COMMENT ON COLUMN closeloop.daemons.reload_id IS 'The last of reloads that it followed, by taking the file or by refusing it.';
COMMENT ON COLUMN closeloop.daemons.config_error IS 'Why the file on disk is not what it runs: the first mistake, with file and line.';
COMMENT ON COLUMN closeloop.daemons.config_error_at IS 'Since when the file is broken, as far as the daemon has looked.';

CREATE OR REPLACE FUNCTION closeloop.reload_ask(actor text) RETURNS bigint
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH asked AS (INSERT INTO closeloop.reloads (asked_by) VALUES (left(actor, 200)) RETURNING id)
	SELECT a.id FROM asked AS a, LATERAL (SELECT pg_notify('closeloop', 'reload ' || a.id)) AS told
$$;
COMMENT ON FUNCTION closeloop.reload_ask(text) IS 'Asks every daemon to read its configuration anew; the number of the request.';

CREATE OR REPLACE FUNCTION closeloop.reload_look() RETURNS TABLE (id bigint, asked_by text, is_new boolean)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT r.id, r.asked_by, r.asked_at > clock_timestamp() - interval '5 minutes'
	FROM closeloop.reloads AS r ORDER BY r.id DESC LIMIT 1
$$;
COMMENT ON FUNCTION closeloop.reload_look() IS
	'The last request to reload; is_new: so young that a daemon which just started may have read its file before it.';

CREATE TABLE IF NOT EXISTS closeloop.ruleset_periods (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	daemon text,
	sha256 text NOT NULL,
	since timestamptz NOT NULL DEFAULT clock_timestamp(),
	until timestamptz CHECK (until >= since)
);
ALTER TABLE closeloop.ruleset_periods ADD COLUMN IF NOT EXISTS asked_by text;
COMMENT ON TABLE closeloop.ruleset_periods IS 'When each daemon judged by which rule set.';
COMMENT ON COLUMN closeloop.ruleset_periods.daemon IS 'daemons.id; null: from before periods were kept.';
COMMENT ON COLUMN closeloop.ruleset_periods.until IS 'Null: it still does, or ended without a goodbye (daemon_is_alive).';
COMMENT ON COLUMN closeloop.ruleset_periods.asked_by IS 'Who asked for the reload that began it; null: the daemon started, or got a signal.';
CREATE UNIQUE INDEX IF NOT EXISTS ruleset_periods_open ON closeloop.ruleset_periods (daemon) WHERE until IS NULL;
CREATE INDEX IF NOT EXISTS ruleset_periods_since ON closeloop.ruleset_periods (since);

CREATE OR REPLACE FUNCTION closeloop.ruleset_period() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	who text;
BEGIN
	UPDATE closeloop.ruleset_periods AS p SET until = greatest(p.since, coalesce(NEW.stopped_at, clock_timestamp()))
	WHERE p.daemon = NEW.id AND p.until IS NULL
		AND (NEW.stopped_at IS NOT NULL OR p.sha256 IS DISTINCT FROM NEW.ruleset);
	IF NEW.stopped_at IS NULL AND NEW.ruleset IS NOT NULL THEN
		IF TG_OP = 'UPDATE' AND OLD.reload_id IS DISTINCT FROM NEW.reload_id THEN
			who := (SELECT r.asked_by FROM closeloop.reloads AS r WHERE r.id = NEW.reload_id);
		END IF;
		INSERT INTO closeloop.ruleset_periods (daemon, sha256, asked_by) VALUES (NEW.id, NEW.ruleset, who) ON CONFLICT DO NOTHING;
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
