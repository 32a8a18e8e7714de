-- Capture: every response that is written or changed lands in the inbox within the writer's own transaction.
--
--   INSERT/UPDATE/COPY/MERGE → statement trigger → inbox (one row each) → wake(): NOTIFY unless a daemon is awake
--
-- NOTIFY serialises commits of the whole cluster, so a daemon under load promises in the sequence awake_until (milliseconds
-- since 1970) to look again by itself, and until then the trigger sends none. Sequences aren't transactional: the promise is
-- seen at once, leaves no dead rows, and runs out by itself when the daemon dies. Statement triggers also fire for statements
-- that touch no row; those send nothing.
--
-- SPDX-License-Identifier: Apache-2.0

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
		PERFORM pg_notify('closeloop', '');
	END IF;
END
$$;
COMMENT ON FUNCTION closeloop.wake() IS 'Notifies the daemons, unless one has promised to look by itself.';

-- wake(), written out: a function called is an executor more.
CREATE OR REPLACE FUNCTION closeloop.capture_insert() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO closeloop.inbox (response_id) SELECT id FROM arrived;
	IF FOUND AND closeloop.is_awake() IS NOT TRUE THEN
		PERFORM pg_notify('closeloop', '');
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.capture_insert() IS 'Puts new responses into the inbox.';

-- enable_nestloop: the plan is kept for the session, and was made for as many rows as the first statement had.
CREATE OR REPLACE FUNCTION closeloop.capture_update() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_nestloop = off
	AS $$
BEGIN
	INSERT INTO closeloop.inbox (response_id, changed)
	SELECT n.id, true FROM after_update n JOIN before_update o ON o.id = n.id
	WHERE (n.source, n.source_id, n.survey, n.touchpoint, n.channel, n.customer_id, n.customer_name, n.customer_email,
		n.customer_phone, n.account, n.account_name, n.region, n.language, n.nps, n.csat, n.ces, n.ratings,
		n.contact_requested, n.comment, n.attributes, n.responded_at)
	IS DISTINCT FROM
		(o.source, o.source_id, o.survey, o.touchpoint, o.channel, o.customer_id, o.customer_name, o.customer_email,
		o.customer_phone, o.account, o.account_name, o.region, o.language, o.nps, o.csat, o.ces, o.ratings,
		o.contact_requested, o.comment, o.attributes, o.responded_at);
	IF FOUND THEN
		PERFORM closeloop.wake();
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
