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

-- On the writers' path: one statement, planned once per session. A helper in SQL would be planned at every call, and cost
-- them two thirds of their rate. No search_path of its own either: it is called by functions that have one.
CREATE OR REPLACE FUNCTION closeloop.wake() RETURNS void
	LANGUAGE plpgsql
	AS $$
DECLARE
	now_ms bigint := extract(epoch FROM clock_timestamp()) * 1000;
BEGIN
	IF (SELECT last_value NOT BETWEEN now_ms AND now_ms + 60000 FROM closeloop.awake_until) THEN
		PERFORM pg_notify('closeloop', '');
	END IF;
END
$$;
COMMENT ON FUNCTION closeloop.wake() IS 'Notifies the daemons, unless one has promised to look by itself.';

CREATE OR REPLACE FUNCTION closeloop.capture_insert() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO closeloop.inbox (response_id) SELECT id FROM arrived;
	IF FOUND THEN
		PERFORM closeloop.wake();
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
	INSERT INTO closeloop.inbox (response_id)
	SELECT n.id FROM after_update n JOIN before_update o ON o.id = n.id
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

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
