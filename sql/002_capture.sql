-- Capture: every response that is written or changed lands in the inbox within the writer's own transaction.
--
--   INSERT/UPDATE/COPY/MERGE → statement trigger → inbox (one row each) → NOTIFY unless a daemon is awake
--
-- NOTIFY serialises commits of the whole cluster, so a daemon under load promises in the sequence awake_until (milliseconds
-- since 1970) to look again by itself, and until then the trigger sends none. Sequences aren't transactional: the promise is
-- seen at once, leaves no dead rows, and runs out by itself when the daemon dies. Statement triggers also fire for statements
-- that touch no row; those send nothing.
--
-- Answers of a source with a settle window (source_settings) wait in the inbox until it has passed since the first of their changes:
-- those that come meanwhile find the row that waits. Whether any source has one is asked of a sequence too: a table would cost every
-- writer a query.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.source_settings (
	source text PRIMARY KEY,
	settle interval NOT NULL CHECK (settle > '0')
);
COMMENT ON TABLE closeloop.source_settings IS
	'How long answers of a source settle before they are judged, as in the live configuration; the daemon writes it.';
CREATE SEQUENCE IF NOT EXISTS closeloop.settling_sources MINVALUE 0 START 0;
COMMENT ON SEQUENCE closeloop.settling_sources IS 'How many rows source_settings has, for the trigger to see at a glance.';

CREATE OR REPLACE FUNCTION closeloop.settle_replace(sources text[], seconds float8[]) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	moved int;
	n int;
BEGIN
	WITH wanted AS (
		SELECT w.source, make_interval(secs => w.s) AS settle FROM unnest(sources, seconds) AS w (source, s) WHERE w.s > 0
	), gone AS (
		DELETE FROM closeloop.source_settings AS t WHERE t.source NOT IN (SELECT w.source FROM wanted AS w) RETURNING 1
	), put AS (
		INSERT INTO closeloop.source_settings AS t (source, settle) SELECT w.source, w.settle FROM wanted AS w
		ON CONFLICT (source) DO UPDATE SET settle = excluded.settle WHERE t.settle <> excluded.settle RETURNING 1
	)
	SELECT (SELECT count(*) FROM gone) + (SELECT count(*) FROM put), (SELECT count(*) FROM wanted) INTO moved, n;
	IF pg_sequence_last_value('closeloop.settling_sources'::regclass) IS DISTINCT FROM n THEN
		PERFORM setval('closeloop.settling_sources', n);
	END IF;
	RETURN moved > 0;
END
$$;
COMMENT ON FUNCTION closeloop.settle_replace(text[], float8[]) IS
	'From now on answers of these sources wait so many seconds before they are judged, and of no others. Rows that wait already keep their time.';

CREATE SEQUENCE IF NOT EXISTS closeloop.awake_until MINVALUE 0 START 0;
COMMENT ON SEQUENCE closeloop.awake_until IS
	'Until when (ms since 1970) a daemon has promised to look into the inbox without being notified. Raised by raise_awake().';

-- A promise more than a minute ahead can't be meant: the clock was set back. It counts as run out.
CREATE OR REPLACE FUNCTION closeloop.raise_awake(until_ms bigint) RETURNS boolean
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
	IF NOT pg_try_advisory_xact_lock(7310033114866869857) THEN
		RETURN false;
	END IF;
	IF (SELECT last_value < until_ms OR last_value > now_ms + 60000 FROM closeloop.awake_until) THEN
		PERFORM setval('closeloop.awake_until', least(until_ms, now_ms + 60000));
	END IF;
	RETURN true;
END
$$;
COMMENT ON FUNCTION closeloop.raise_awake(bigint) IS
	'Promises to look again before until_ms; only ever raises. False: another session is just doing so, try again. Call it outside a longer transaction.';

-- On the writers' path, so counted in microseconds. A plain expression: PostgreSQL takes it into the caller's plan, once per
-- session, and needs no executor for it (a SELECT from the sequence cost three times as much). abs() asks for both ends at
-- once; NULL: nobody has ever promised. No search_path of its own, that would cost more than the rest: its callers have one.
CREATE OR REPLACE FUNCTION closeloop.is_awake() RETURNS boolean
	LANGUAGE sql
	AS $$
	SELECT abs(pg_sequence_last_value('closeloop.awake_until'::regclass) - 30000
		- date_part('epoch', clock_timestamp()) * 1000) <= 30000
$$;
COMMENT ON FUNCTION closeloop.is_awake() IS
	'Whether a daemon has promised to look by itself, now or within a minute; null: none ever has.';

CREATE OR REPLACE FUNCTION closeloop.wake() RETURNS void
	LANGUAGE plpgsql
	AS $$
BEGIN
	IF closeloop.is_awake() IS NOT TRUE THEN
		PERFORM pg_notify('closeloop', 'all');
	END IF;
END
$$;
COMMENT ON FUNCTION closeloop.wake() IS 'Notifies the daemons that something else than a response is to be looked for, unless one has promised to look by itself.';

-- As wake(), written out: a function called is an executor more. Without a payload: who finds a response need look for nothing else.
CREATE OR REPLACE FUNCTION closeloop.capture_insert() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF pg_sequence_last_value('closeloop.settling_sources'::regclass) > 0 THEN
		INSERT INTO closeloop.inbox (response_id, available_at, settles)
		SELECT a.id, clock_timestamp() + coalesce(s.settle, '0'), s.settle IS NOT NULL
		FROM arrived AS a LEFT JOIN closeloop.source_settings AS s ON s.source = a.source;
	ELSE
		INSERT INTO closeloop.inbox (response_id) SELECT id FROM arrived;
	END IF;
	IF FOUND AND closeloop.is_awake() IS NOT TRUE THEN
		PERFORM pg_notify('closeloop', '');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.capture_insert() IS 'Puts new responses into the inbox.';

-- A row that settles is locked until the writer commits, so that no daemon takes it before it can see the change. One that a daemon
-- is just taking is no help: it may have read the answer as it was before (tests/model: SETTLE_TRUSTS_CLAIMED). A writer with a snapshot
-- of its own could fail by the lock of a row that was judged meanwhile: it gets a second row.
-- enable_nestloop: the plan is kept for the session, and was made for as many rows as the first statement had.
CREATE OR REPLACE FUNCTION closeloop.capture_update() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_nestloop = off
	AS $$
BEGIN
	INSERT INTO closeloop.inbox (response_id, changed, available_at, settles)
	SELECT n.id, true, clock_timestamp() + coalesce(s.settle, '0'), s.settle IS NOT NULL
	FROM after_update n JOIN before_update o ON o.id = n.id
	LEFT JOIN closeloop.source_settings AS s ON s.source = n.source
	WHERE (n.source, n.source_id, n.survey, n.touchpoint, n.channel, n.customer_id, n.customer_name, n.customer_email,
		n.customer_phone, n.account, n.account_name, n.region, n.language, n.nps, n.csat, n.ces, n.ratings,
		n.contact_requested, n.comment, n.attributes, n.responded_at)
	IS DISTINCT FROM
		(o.source, o.source_id, o.survey, o.touchpoint, o.channel, o.customer_id, o.customer_name, o.customer_email,
		o.customer_phone, o.account, o.account_name, o.region, o.language, o.nps, o.csat, o.ces, o.ratings,
		o.contact_requested, o.comment, o.attributes, o.responded_at)
	AND (s.settle IS NULL OR current_setting('transaction_isolation') <> 'read committed' OR NOT EXISTS (SELECT FROM closeloop.inbox AS i WHERE i.response_id = n.id AND i.settles
		AND i.set_aside_at IS NULL FOR KEY SHARE SKIP LOCKED));
	IF FOUND AND closeloop.is_awake() IS NOT TRUE THEN
		PERFORM pg_notify('closeloop', '');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.capture_update() IS
	'Puts changed responses into the inbox; a change of received_at alone (the same answer sent twice) is none.';

-- Transition tables allow neither a column list nor two events in one trigger.
CREATE OR REPLACE TRIGGER capture_insert AFTER INSERT ON closeloop.responses
	REFERENCING NEW TABLE AS arrived
	FOR EACH STATEMENT EXECUTE FUNCTION closeloop.capture_insert();
CREATE OR REPLACE TRIGGER capture_update AFTER UPDATE ON closeloop.responses
	REFERENCING OLD TABLE AS before_update NEW TABLE AS after_update
	FOR EACH STATEMENT EXECUTE FUNCTION closeloop.capture_update();

-- ---- the directory's version ----

-- A table, not a sequence: readers must see the new number exactly when they see the new rows.
CREATE TABLE IF NOT EXISTS closeloop.directory_version (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	last_value bigint NOT NULL DEFAULT 1
) WITH (fillfactor = 50);
COMMENT ON TABLE closeloop.directory_version IS 'One row; last_value changes with every change of people or absences.';
INSERT INTO closeloop.directory_version DEFAULT VALUES ON CONFLICT DO NOTHING;

CREATE OR REPLACE FUNCTION closeloop.directory_changed() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	UPDATE closeloop.directory_version SET last_value = last_value + 1;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.directory_changed() IS 'Tells the daemons that people or absences changed.';

CREATE OR REPLACE TRIGGER directory_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON closeloop.people
	FOR EACH STATEMENT EXECUTE FUNCTION closeloop.directory_changed();
CREATE OR REPLACE TRIGGER directory_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON closeloop.absences
	FOR EACH STATEMENT EXECUTE FUNCTION closeloop.directory_changed();

-- ---- which daemons are alive ----

-- A heartbeat would be the only thing an idle daemon writes. So a daemon that listens holds a lock in that session, which ends
-- with it; one that can't listen (a pooler lends it another session for each transaction) writes seen_at every 15 s.
CREATE OR REPLACE FUNCTION closeloop.daemon_hold(daemon_id text) RETURNS boolean
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT pg_try_advisory_lock_shared(1129074508, hashtext(daemon_id)) $$;
COMMENT ON FUNCTION closeloop.daemon_hold(text) IS 'Says that this daemon is alive, as long as the session is.';

CREATE OR REPLACE FUNCTION closeloop.daemon_is_alive(d closeloop.daemons) RETURNS boolean
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT d.stopped_at IS NULL AND CASE
		WHEN NOT d.listening THEN d.seen_at > now() - interval '60 seconds'
		WHEN pg_is_in_recovery() THEN true -- the lock is on the primary
		ELSE EXISTS (SELECT FROM pg_locks l WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 2
			AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
			AND l.classid = 1129074508::oid AND l.objid = hashtext(d.id)::oid) END
$$;
COMMENT ON FUNCTION closeloop.daemon_is_alive(closeloop.daemons) IS
	'Whether a daemon is there: its listening session holds the lock, or it was seen within a minute.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
