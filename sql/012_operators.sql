-- What those who run closeloop are told: incidents, each of which gives one mail.
--
-- An incident begins with its cause, in the transaction that records the cause where there is one, and ends with it; the same may
-- then come again. As long as it lasts, further failures of the same kind and subject say nothing new.
--
--   kind               subject    begins                                               ends
--   endpoint_disabled  endpoint   the receiver answered 410                            it is enabled
--   credentials        endpoint   the login was refused                                it sends again, or is resumed
--   endpoint_failing   endpoint   broken for ten minutes, or five probes failed        it sends again, or is resumed
--   mail_refused       person     a mail to them was refused for good                  a mail to them arrives
--   nobody_left        person     … and nobody could be told instead                   nothing of it is undelivered
--   dead_messages      endpoint   messages were given up                               none is undelivered
--   source_silent      source     silent for three times its usual gap                 it is heard of
--
-- What a person did by hand (pause, disable) is no incident: the person knows.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.operator_news (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	kind text NOT NULL,
	subject text NOT NULL,
	opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	ended_at timestamptz,
	told_at timestamptz,
	look_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	message_id uuid,
	together boolean NOT NULL DEFAULT false,
	details jsonb NOT NULL DEFAULT '{}'
);
ALTER TABLE closeloop.operator_news DROP CONSTRAINT IF EXISTS operator_news_kind_check;
UPDATE closeloop.operator_news SET kind = 'endpoint_failing' WHERE kind = 'endpoint_paused'; -- as it was called first
ALTER TABLE closeloop.operator_news ADD CONSTRAINT operator_news_kind_check CHECK (kind IN ('endpoint_disabled', 'endpoint_failing',
	'credentials', 'mail_refused', 'source_silent', 'dead_messages', 'nobody_left'));
COMMENT ON TABLE closeloop.operator_news IS 'Incidents that the operators are told of, by one mail each.';
COMMENT ON COLUMN closeloop.operator_news.subject IS 'The endpoint, person or source.';
COMMENT ON COLUMN closeloop.operator_news.told_at IS 'When its mail was written; null: it is still to be told.';
COMMENT ON COLUMN closeloop.operator_news.look_at IS 'Not to be told before: more mails an hour than a person reads were written.';
COMMENT ON COLUMN closeloop.operator_news.message_id IS 'The mail to the first operator; null with told_at: there was nobody to mail.';
COMMENT ON COLUMN closeloop.operator_news.together IS 'Its mail counts several incidents.';
COMMENT ON COLUMN closeloop.operator_news.details IS 'since, address, code, answer, usual_s, trigger_missing: what the mail says beside.';
CREATE UNIQUE INDEX IF NOT EXISTS operator_news_open ON closeloop.operator_news (kind, subject) WHERE ended_at IS NULL;
CREATE INDEX IF NOT EXISTS operator_news_untold ON closeloop.operator_news (look_at) WHERE told_at IS NULL;

ALTER TABLE closeloop.endpoints ADD COLUMN IF NOT EXISTS open_since timestamptz;
COMMENT ON COLUMN closeloop.endpoints.open_since IS 'Since when the breaker has not been closed.';

-- ---- incidents begin ----

CREATE OR REPLACE FUNCTION closeloop.operator_open(kind text, subject text, details jsonb) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF EXISTS (SELECT FROM closeloop.operator_news AS n WHERE n.kind = operator_open.kind
			AND n.subject = operator_open.subject AND n.ended_at IS NULL) THEN
		RETURN false;
	END IF;
	INSERT INTO closeloop.operator_news (kind, subject, details)
	VALUES (operator_open.kind, operator_open.subject, jsonb_strip_nulls(coalesce(operator_open.details, '{}')))
	ON CONFLICT DO NOTHING;
	RETURN FOUND;
END
$$;
COMMENT ON FUNCTION closeloop.operator_open(text, text, jsonb) IS 'Begins an incident; false: it lasts already.';

-- What a mail server answered is shown; a webhook's answer may repeat what it was sent, so there it is our own words for it.
CREATE OR REPLACE FUNCTION closeloop.operator_details(message uuid) RETURNS jsonb
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT jsonb_build_object('address', m.address, 'answer', w.words,
		'code', CASE WHEN position(m.last_code::text IN coalesce(w.words, '')) = 0 THEN m.last_code END)
	FROM closeloop.messages AS m
	CROSS JOIN LATERAL (SELECT coalesce((SELECT nullif(btrim(a.answer, E' \r\n\t'), '') FROM closeloop.attempts AS a
			WHERE a.message_id = m.id AND m.channel = 'email' ORDER BY a.id DESC LIMIT 1), m.last_error) AS words) AS w
	WHERE m.id = operator_details.message
$$;
COMMENT ON FUNCTION closeloop.operator_details(uuid) IS 'What the last attempt says of a message that was not delivered.';

-- A mail server that answers speaks of the address; one that can't be reached says nothing about anybody.
CREATE OR REPLACE FUNCTION closeloop.operator_undelivered(ids uuid[]) RETURNS int
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	m record;
	opened int := 0;
BEGIN
	FOR m IN SELECT x.id, x.endpoint, x.recipient, x.address, r.refused
		FROM closeloop.messages AS x
		CROSS JOIN LATERAL (SELECT x.channel = 'email' AND x.recipient IS NOT NULL
			AND (x.state = 'failed' OR (x.last_code BETWEEN 400 AND 599 AND x.last_code <> 421)) AS refused) AS r
		WHERE x.id = ANY (ids) AND x.state IN ('failed', 'dead') AND x.kind <> 'operator'
			AND x.recipient IS DISTINCT FROM 'operators'
			AND NOT (x.channel = 'webhook' AND x.state = 'failed' AND x.last_code IS NOT DISTINCT FROM 410)
		-- Incident by incident: two daemons that begin the same ones wait for each other one way only. The first message of one tells.
		ORDER BY r.refused, CASE WHEN r.refused THEN x.recipient ELSE x.endpoint END, x.seq
	LOOP
		IF m.refused THEN -- refused under another address than before: news
			UPDATE closeloop.operator_news AS n SET ended_at = clock_timestamp()
			WHERE n.kind = 'mail_refused' AND n.subject = m.recipient AND n.ended_at IS NULL
				AND n.details ->> 'address' IS DISTINCT FROM m.address;
			opened := opened + closeloop.operator_open('mail_refused', m.recipient, closeloop.operator_details(m.id))::int;
		ELSE
			opened := opened + closeloop.operator_open('dead_messages', m.endpoint,
				closeloop.operator_details(m.id) - 'address')::int;
		END IF;
	END LOOP;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION closeloop.operator_undelivered(uuid[]) IS
	'Begins the incidents of messages that were refused for good or given up; how many are new.';

CREATE OR REPLACE FUNCTION closeloop.operator_nobody_left(ids uuid[]) RETURNS int
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(sum(closeloop.operator_open('nobody_left', m.recipient, closeloop.operator_details(m.id))::int), 0)::int
	FROM (SELECT DISTINCT ON (x.recipient) x.recipient, x.id FROM closeloop.messages AS x
		WHERE x.id = ANY (ids) AND x.recipient IS NOT NULL AND x.recipient <> 'operators' ORDER BY x.recipient, x.seq) AS m
$$;
COMMENT ON FUNCTION closeloop.operator_nobody_left(uuid[]) IS
	'Begins the incidents of mails that were not delivered, and nobody was there who could be told instead.';

-- ---- incidents end ----

CREATE OR REPLACE FUNCTION closeloop.endpoint_opens() RETURNS trigger
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	NEW.open_since := CASE WHEN NEW.breaker <> 'closed'
		THEN coalesce(CASE WHEN TG_OP = 'UPDATE' THEN OLD.open_since END, clock_timestamp()) END;
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION closeloop.endpoint_opens() IS 'Trigger on endpoints: keeps open_since.';
CREATE OR REPLACE TRIGGER endpoint_opens BEFORE INSERT OR UPDATE ON closeloop.endpoints
	FOR EACH ROW EXECUTE FUNCTION closeloop.endpoint_opens();

CREATE OR REPLACE FUNCTION closeloop.endpoint_recovers() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	UPDATE closeloop.operator_news AS n SET ended_at = clock_timestamp()
	WHERE n.ended_at IS NULL AND n.subject = NEW.name AND CASE n.kind
		WHEN 'endpoint_disabled' THEN NOT NEW.disabled
		WHEN 'endpoint_failing' THEN NEW.breaker = 'closed'
		WHEN 'credentials' THEN NOT NEW.paused AND NEW.failures = 0
		ELSE false END;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.endpoint_recovers() IS 'Trigger on endpoints: the incidents of one that works again end.';
CREATE OR REPLACE TRIGGER endpoint_recovers AFTER INSERT OR UPDATE ON closeloop.endpoints
	FOR EACH ROW EXECUTE FUNCTION closeloop.endpoint_recovers();

-- An endpoint that was taken out of the configuration is nobody's trouble any more (daemons may differ for the time of a reload).
CREATE OR REPLACE FUNCTION closeloop.operator_ended(n closeloop.operator_news, endpoints text[]) RETURNS boolean
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE n.kind
		WHEN 'source_silent' THEN NOT EXISTS (SELECT FROM closeloop.sources_silent() AS s WHERE s.source = n.subject)
		WHEN 'mail_refused' THEN
			EXISTS (SELECT FROM closeloop.messages AS m WHERE m.recipient = n.subject AND m.channel = 'email'
				AND m.created_at > n.opened_at - interval '2 days' AND m.state = 'sent' AND m.sent_at > n.opened_at
				AND m.kind <> 'operator')
			OR (n.opened_at < now() - interval '30 days' AND NOT EXISTS (SELECT FROM closeloop.messages AS m
				WHERE m.recipient = n.subject AND m.channel = 'email' AND m.created_at > now() - interval '30 days'
					AND m.state IN ('failed', 'dead')))
		WHEN 'nobody_left' THEN NOT EXISTS (SELECT FROM closeloop.messages AS m
			WHERE m.state IN ('failed', 'dead') AND NOT m.handed_on AND m.recipient = n.subject AND m.channel = 'email')
		WHEN 'dead_messages' THEN NOT EXISTS (SELECT FROM closeloop.messages AS m
				WHERE m.state IN ('failed', 'dead') AND NOT m.handed_on AND m.endpoint = n.subject)
			AND NOT EXISTS (SELECT FROM closeloop.endpoints AS e WHERE e.name = n.subject AND e.breaker <> 'closed')
		ELSE n.subject <> ALL (endpoints) AND n.opened_at < now() - interval '1 day' END
$$;
COMMENT ON FUNCTION closeloop.operator_ended(closeloop.operator_news, text[]) IS 'Whether the cause of an incident is gone.';

-- ---- what somebody must look for ----

CREATE OR REPLACE FUNCTION closeloop.operator_look(endpoints text[]) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
BEGIN
	IF pg_try_advisory_xact_lock(7310033114866869862) THEN
		UPDATE closeloop.operator_news AS n SET ended_at = clock_timestamp()
		WHERE n.ended_at IS NULL AND closeloop.operator_ended(n, endpoints);
		PERFORM closeloop.operator_open('endpoint_failing', e.name,
			jsonb_build_object('since', e.open_since, 'answer', e.reason))
		FROM closeloop.endpoints AS e
		WHERE e.name = ANY (endpoints) AND e.breaker <> 'closed' AND NOT e.paused AND NOT e.disabled
			AND (e.failures >= 10 OR e.open_since <= clock_timestamp() - interval '10 minutes')
			AND NOT EXISTS (SELECT FROM closeloop.operator_news AS n
				WHERE n.subject = e.name AND n.kind = 'credentials' AND n.ended_at IS NULL);
		PERFORM closeloop.operator_open('source_silent', s.source, jsonb_build_object('since', s.last_at,
			'usual_s', extract(epoch FROM s.usual_gap), 'trigger_missing', 2 > (SELECT count(*) FROM pg_trigger AS t
				WHERE t.tgrelid = 'closeloop.responses'::regclass AND t.tgname IN ('capture_insert', 'capture_update')
					AND t.tgenabled IN ('O', 'A'))))
		FROM closeloop.sources_silent() AS s;
	END IF;
	RETURN EXISTS (SELECT FROM closeloop.operator_news AS n WHERE n.told_at IS NULL AND n.look_at <= clock_timestamp());
END
$$;
COMMENT ON FUNCTION closeloop.operator_look(text[]) IS
	'Ends incidents whose cause is gone and begins those that nobody records: whether something is to be told. Writes nothing when there is no news.';

-- ---- telling ----

-- At most so many mails of the last hour or still waiting to leave; what is more comes in one mail that counts it, once an hour.
-- What isn't mailed at all (nobody is named, or no mail is configured) is given with message_id null, for the log.
CREATE OR REPLACE FUNCTION closeloop.operator_claim(mails boolean, at_most int)
	RETURNS TABLE (id bigint, kind text, subject text, since timestamptz, address text, code int, answer text, failures int,
		until timestamptz, waiting bigint, usual_s float8, trigger_missing boolean, message_id uuid, together boolean)
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
#variable_conflict use_column
DECLARE
	pile uuid := gen_random_uuid();
	single int;
	summed boolean;
BEGIN
	IF NOT EXISTS (SELECT FROM closeloop.operator_news AS n WHERE n.told_at IS NULL AND n.look_at <= clock_timestamp())
		OR NOT pg_try_advisory_xact_lock(7310033114866869863) THEN
		RETURN;
	END IF;
	-- That nobody is left says all that the refusal would say.
	UPDATE closeloop.operator_news AS n SET told_at = clock_timestamp() WHERE n.told_at IS NULL AND n.kind = 'mail_refused'
		AND EXISTS (SELECT FROM closeloop.operator_news AS o WHERE o.kind = 'nobody_left' AND o.subject = n.subject
			AND o.ended_at IS NULL);
	SELECT at_most - count(DISTINCT n.message_id) FILTER (WHERE NOT n.together), coalesce(bool_or(n.together), false)
	INTO single, summed
	FROM closeloop.operator_news AS n LEFT JOIN closeloop.messages AS m ON m.id = n.message_id
	WHERE n.message_id IS NOT NULL
		AND (m.state IN ('queued', 'held', 'leased') OR coalesce(m.sent_at, n.told_at) > now() - interval '1 hour');
	RETURN QUERY
	WITH untold AS (
		SELECT n.id, row_number() OVER (ORDER BY n.kind IN ('mail_refused', 'nobody_left'), n.id) AS place,
			count(*) OVER () AS total
		FROM closeloop.operator_news AS n WHERE n.told_at IS NULL
	), told AS (
		UPDATE closeloop.operator_news AS n SET
			told_at = CASE WHEN NOT mails OR u.place <= single OR NOT summed THEN clock_timestamp() END,
			look_at = CASE WHEN NOT mails OR u.place <= single OR NOT summed THEN n.look_at
				ELSE clock_timestamp() + interval '5 minutes' END,
			together = mails AND u.place > single AND NOT summed,
			message_id = CASE WHEN mails AND u.place <= single THEN gen_random_uuid() WHEN mails AND NOT summed THEN pile END
		FROM untold AS u WHERE u.id = n.id
		RETURNING n.*, u.place, u.total
	)
	SELECT t.id, t.kind, t.subject, coalesce((t.details ->> 'since')::timestamptz, t.opened_at), t.details ->> 'address',
		(t.details ->> 'code')::int, t.details ->> 'answer', e.failures, e.until, CASE t.kind
			WHEN 'nobody_left' THEN (SELECT count(*) FROM closeloop.messages AS m WHERE m.state IN ('failed', 'dead')
				AND NOT m.handed_on AND m.recipient = t.subject AND m.channel = 'email')
			WHEN 'dead_messages' THEN (SELECT count(*) FROM closeloop.messages AS m WHERE m.state IN ('failed', 'dead')
				AND NOT m.handed_on AND m.endpoint = t.subject)
			WHEN 'mail_refused' THEN 0
			WHEN 'source_silent' THEN 0
			ELSE (SELECT count(*) FROM closeloop.messages AS m WHERE m.state IN ('queued', 'leased') AND m.endpoint = t.subject) END,
		(t.details ->> 'usual_s')::float8, coalesce((t.details ->> 'trigger_missing')::boolean, false), t.message_id, t.together
	FROM told AS t LEFT JOIN closeloop.endpoints AS e ON e.name = t.subject AND t.kind = 'endpoint_failing' AND e.breaker <> 'closed'
	WHERE t.told_at IS NOT NULL
	ORDER BY t.place;
END
$$;
COMMENT ON FUNCTION closeloop.operator_claim(boolean, int) IS
	'Incidents to be told now, marked as told: those of one message_id in one mail. Two daemons: one of them gets them.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
