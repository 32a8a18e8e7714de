-- Operators are told once of each incident, which ends with its cause and may then come again.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.lasting() RETURNS TABLE (what text) LANGUAGE sql AS $$
	SELECT kind || ' ' || subject FROM closeloop.operator_news WHERE ended_at IS NULL
$$;
CREATE FUNCTION pg_temp.look() RETURNS boolean LANGUAGE sql AS $$ SELECT closeloop.operator_look(ARRAY['email', 'crm', 'bi']) $$;
CREATE FUNCTION pg_temp.claim() RETURNS SETOF text LANGUAGE sql AS $$
	SELECT c.kind || ' ' || c.subject || CASE WHEN c.message_id IS NULL THEN ' -' WHEN c.together THEN ' +' ELSE '' END
	FROM closeloop.operator_claim(true, 10) AS c
$$;
-- Mails of incidents as the daemon writes them, in a state.
CREATE FUNCTION pg_temp.mailed(state text, at timestamptz DEFAULT now()) RETURNS void LANGUAGE sql AS $$
	INSERT INTO closeloop.messages (id, kind, channel, endpoint, recipient, payload, dedup_key, state, sent_at)
	SELECT DISTINCT message_id, 'operator', 'email', 'email', 'operators', 'x', 'operator:' || message_id, state::closeloop.message_state,
		CASE WHEN state = 'sent' THEN at END
	FROM closeloop.operator_news WHERE message_id IS NOT NULL
	ON CONFLICT (dedup_key) DO UPDATE SET state = excluded.state, sent_at = excluded.sent_at
$$;
CREATE FUNCTION pg_temp.mail(number int, person text, state text, code int DEFAULT NULL, answer text DEFAULT NULL, kind text DEFAULT 'case.opened')
	RETURNS uuid LANGUAGE sql AS $$
	WITH m AS (
		INSERT INTO closeloop.messages (id, kind, channel, endpoint, recipient, address, payload, dedup_key, state, last_code, last_error, sent_at)
		VALUES (format('00000000-0000-4000-8000-%s', lpad(number::text, 12, '0'))::uuid, kind, 'email', 'email', person,
			person || '@example.com', 'x', 'm' || number, state::closeloop.message_state, code, 'refused',
			CASE WHEN state = 'sent' THEN clock_timestamp() END) RETURNING id
	), a AS (INSERT INTO closeloop.attempts (message_id, outcome, code, answer) SELECT id, 'failed', code, answer FROM m)
	SELECT id FROM m
$$;

-- ---- endpoints ----

SELECT ok(NOT pg_temp.look(), 'nothing has happened');
INSERT INTO closeloop.endpoints (name, disabled, reason) VALUES ('crm', true, '410 Gone');
SELECT ok(closeloop.operator_open('endpoint_disabled', 'crm', '{"answer": "410 Gone"}'), 'an incident begins');
SELECT ok(NOT closeloop.operator_open('endpoint_disabled', 'crm', '{}'), 'and lasts');
SELECT ok(pg_temp.look(), 'it is to be told');
SELECT results_eq('SELECT kind, subject, answer, waiting, message_id IS NOT NULL, together FROM closeloop.operator_claim(true, 10)',
	$$VALUES ('endpoint_disabled', 'crm', '410 Gone', 0::bigint, true, false)$$, 'with what the receiver said');
SELECT is_empty('SELECT pg_temp.claim()', 'once');
SELECT ok(NOT pg_temp.look(), 'nothing more is to be told');
UPDATE closeloop.endpoints SET reason = 'again' WHERE name = 'crm';
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['endpoint_disabled crm'], 'it lasts while the endpoint is disabled');
UPDATE closeloop.endpoints SET disabled = false WHERE name = 'crm';
SELECT is_empty('SELECT pg_temp.lasting()', 'enabled: it has ended');
SELECT ok(closeloop.operator_open('endpoint_disabled', 'crm', '{}'), 'it may come again');
SELECT set_eq('SELECT pg_temp.claim()', ARRAY['endpoint_disabled crm'], 'and is told again');
DELETE FROM closeloop.operator_news;

INSERT INTO closeloop.endpoints (name, paused, reason) VALUES ('email', true, 'the server refused the login (535 5.7.8)');
SELECT closeloop.operator_open('credentials', 'email', '{}');
UPDATE closeloop.endpoints SET failures = 0 WHERE name = 'email';
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['credentials email'], 'a refused login lasts while mail is paused for it');
UPDATE closeloop.endpoints SET paused = false WHERE name = 'email';
SELECT is_empty('SELECT pg_temp.lasting()', 'resumed: over');
INSERT INTO closeloop.endpoints (name, failures) VALUES ('bi', 1);
SELECT closeloop.operator_open('credentials', 'bi', '{}');
UPDATE closeloop.endpoints SET failures = 2 WHERE name = 'bi';
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['credentials bi'], 'a webhook''s lasts until it takes something');
UPDATE closeloop.endpoints SET breaker = 'open', failures = 10 WHERE name = 'bi';
SELECT pg_temp.look();
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['credentials bi'], 'that it is broken as well says nothing new');
UPDATE closeloop.endpoints SET breaker = 'closed', failures = 0 WHERE name = 'bi';
SELECT is_empty('SELECT pg_temp.lasting()', 'it took something: over');
DELETE FROM closeloop.operator_news;

UPDATE closeloop.endpoints SET breaker = 'open', failures = 5, reason = '503' WHERE name = 'crm';
SELECT ok((SELECT open_since <= clock_timestamp() FROM closeloop.endpoints WHERE name = 'crm'), 'since when it is broken is known');
SELECT ok(NOT pg_temp.look(), 'a minute of trouble is no incident');
UPDATE closeloop.endpoints SET breaker = 'half_open' WHERE name = 'crm';
ALTER TABLE closeloop.endpoints DISABLE TRIGGER endpoint_opens;
UPDATE closeloop.endpoints SET open_since = now() - interval '9 minutes' WHERE name = 'crm';
SELECT ok(NOT pg_temp.look(), 'nine minutes neither');
UPDATE closeloop.endpoints SET open_since = now() - interval '10 minutes' WHERE name = 'crm';
ALTER TABLE closeloop.endpoints ENABLE TRIGGER endpoint_opens;
UPDATE closeloop.endpoints SET until = now() + interval '1 minute' WHERE name = 'crm';
SELECT ok(pg_temp.look(), 'ten are');
SELECT results_eq('SELECT kind, subject, answer, failures, until, since FROM closeloop.operator_claim(true, 10)',
	$$VALUES ('endpoint_failing', 'crm', '503', 5, now() + interval '1 minute', now() - interval '10 minutes')$$, 'with the next try');
SELECT ok(NOT pg_temp.look(), 'once');
UPDATE closeloop.endpoints SET breaker = 'closed', failures = 0 WHERE name = 'crm';
SELECT is_empty('SELECT pg_temp.lasting()', 'it works: over');
SELECT is((SELECT open_since FROM closeloop.endpoints WHERE name = 'crm'), NULL, 'and no longer broken');
UPDATE closeloop.endpoints SET breaker = 'open', failures = 9 WHERE name = 'crm';
SELECT ok(NOT pg_temp.look(), 'four probes failed');
UPDATE closeloop.endpoints SET failures = 10 WHERE name = 'crm';
SELECT ok(pg_temp.look(), 'five probes failed');
DELETE FROM closeloop.operator_news;
UPDATE closeloop.endpoints SET paused = true WHERE name = 'crm';
SELECT ok(NOT pg_temp.look(), 'paused by hand: the person knows');
UPDATE closeloop.endpoints SET paused = false WHERE name = 'crm';
SELECT ok(NOT closeloop.operator_look(ARRAY['email']), 'an endpoint that is not configured is nobody''s trouble');
SELECT pg_temp.look();
SELECT closeloop.operator_look(ARRAY['email']);
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['endpoint_failing crm'], 'daemons may differ while one reloads');
UPDATE closeloop.operator_news SET opened_at = now() - interval '2 days';
SELECT closeloop.operator_look(ARRAY['email']);
SELECT is_empty('SELECT pg_temp.lasting()', 'in the end it is taken out');
DELETE FROM closeloop.operator_news;
DELETE FROM closeloop.endpoints;

-- ---- mails that don't arrive ----

SELECT is(closeloop.operator_undelivered(ARRAY[
	pg_temp.mail(1, 'minsu', 'failed', 550, '550 5.1.1 No such user'), pg_temp.mail(2, 'minsu', 'failed', 550, '550 5.1.1 No such user'),
	pg_temp.mail(3, 'anna', 'failed', NULL, NULL), pg_temp.mail(4, 'ben', 'dead', 451, '4.7.1 Greylisted'),
	pg_temp.mail(5, 'olga', 'dead', 421, '4.3.2 Shutting down'), pg_temp.mail(6, 'olga', 'dead', NULL, NULL),
	pg_temp.mail(7, 'operators', 'failed', 550, 'x'), pg_temp.mail(8, 'operators', 'failed', 550, 'x', 'operator'),
	pg_temp.mail(9, 'kim', 'sent', 250, 'ok')]), 4, 'one incident each');
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['mail_refused minsu', 'mail_refused anna', 'mail_refused ben', 'dead_messages email'],
	'a server that is down says nothing about a person; operators are not told about their own mail');
SELECT closeloop.operator_undelivered(ARRAY[pg_temp.mail(20, 'zoe', 'failed', 550, 'x'), pg_temp.mail(21, 'ada', 'failed', 550, 'x')]);
SELECT results_eq($$SELECT subject FROM closeloop.operator_news WHERE subject IN ('ada', 'zoe') ORDER BY id$$, ARRAY['ada', 'zoe'],
	'incident by incident: two daemons that begin the same ones wait for each other one way only');
DELETE FROM closeloop.operator_news WHERE subject IN ('ada', 'zoe');
DELETE FROM closeloop.messages WHERE recipient IN ('ada', 'zoe');
SELECT is(closeloop.operator_undelivered(ARRAY[pg_temp.mail(10, 'minsu', 'failed', 550, 'x')]), 0, 'a second refusal is no news');
SELECT results_eq($$SELECT subject, address, code, answer, waiting FROM closeloop.operator_claim(true, 10) ORDER BY subject$$,
	$$VALUES ('anna', 'anna@example.com', NULL, 'refused', 0::bigint), ('ben', 'ben@example.com', 451, '4.7.1 Greylisted', 0),
	('email', NULL, 421, '4.3.2 Shutting down', 9), ('minsu', 'minsu@example.com', NULL, '550 5.1.1 No such user', 0)$$,
	'with the address and what the server said');
SELECT pg_temp.look();
SELECT is((SELECT count(*)::int FROM pg_temp.lasting()), 4, 'nothing has changed');
UPDATE closeloop.messages SET handed_on = true WHERE state = 'dead';
UPDATE closeloop.messages SET handed_on = true WHERE state = 'failed';
SELECT pg_temp.mail(11, 'minsu', 'sent');
SELECT pg_temp.look();
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['mail_refused anna', 'mail_refused ben'], 'a mail arrived, and nothing dead is left');
SELECT pg_temp.mail(12, 'anna', 'failed', 550, 'x');
UPDATE closeloop.messages SET address = 'anna.g@example.com' WHERE dedup_key = 'm12';
SELECT is(closeloop.operator_undelivered(ARRAY['00000000-0000-4000-8000-000000000012'::uuid]), 1, 'refused under another address: news');
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['mail_refused anna', 'mail_refused ben'], 'the old address is history');
UPDATE closeloop.operator_news SET opened_at = now() - interval '31 days' WHERE subject = 'ben';
UPDATE closeloop.messages SET created_at = now() - interval '31 days' WHERE recipient = 'ben';
SELECT pg_temp.look();
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['mail_refused anna'], 'somebody who gets no mail any more is forgotten after a month');

SELECT is(closeloop.operator_nobody_left(ARRAY[pg_temp.mail(13, 'lee', 'failed', 550, 'x'), pg_temp.mail(14, 'lee', 'failed', 550, 'x')]), 1, 'nobody is left');
SELECT closeloop.operator_undelivered(ARRAY['00000000-0000-4000-8000-000000000013'::uuid]);
SELECT results_eq($$SELECT kind, waiting FROM closeloop.operator_claim(true, 10) WHERE subject = 'lee'$$, $$VALUES ('nobody_left', 2::bigint)$$,
	'one mail, which counts what nobody has seen');
UPDATE closeloop.messages SET handed_on = true WHERE dedup_key = 'm13';
SELECT pg_temp.look();
SELECT ok(EXISTS (SELECT FROM pg_temp.lasting() WHERE what = 'nobody_left lee'), 'one is left');
UPDATE closeloop.messages SET state = 'cancelled' WHERE dedup_key = 'm14';
SELECT pg_temp.look();
SELECT ok(NOT EXISTS (SELECT FROM pg_temp.lasting() WHERE what = 'nobody_left lee'), 'somebody has seen to it');
DELETE FROM closeloop.operator_news;

INSERT INTO closeloop.messages (id, kind, channel, endpoint, payload, dedup_key, state, last_code, last_error) VALUES
	('00000000-0000-4000-8000-000000000020', 'case.opened', 'webhook', 'crm', '', 'w1', 'dead', 500, 'the receiver answered 500'),
	('00000000-0000-4000-8000-000000000021', 'case.opened', 'webhook', 'bi', '', 'w2', 'failed', 410, 'gone'),
	('00000000-0000-4000-8000-000000000022', 'case.opened', 'webhook', 'hr', '', 'w3', 'failed', 413, 'too large');
INSERT INTO closeloop.attempts (message_id, outcome, code, answer) VALUES ('00000000-0000-4000-8000-000000000020', 'retry', 500, 'a customer''s words');
SELECT is(closeloop.operator_undelivered(ARRAY(SELECT id FROM closeloop.messages WHERE dedup_key LIKE 'w_')), 2, 'webhooks too, but one that is gone is told as such');
SELECT results_eq($$SELECT subject, code, answer, waiting FROM closeloop.operator_claim(true, 10) ORDER BY subject$$,
	$$VALUES ('crm', NULL, 'the receiver answered 500', 1::bigint), ('hr', 413, 'too large', 1)$$, 'in our words, not the receiver''s');
UPDATE closeloop.messages SET state = 'queued' WHERE dedup_key = 'w1';
SELECT pg_temp.look();
SELECT set_eq('SELECT pg_temp.lasting()', ARRAY['dead_messages hr'], 'sent again: over');
DELETE FROM closeloop.operator_news;
DELETE FROM closeloop.messages;

-- ---- sources ----

INSERT INTO closeloop.sources_seen (source, last_at, usual_gap) VALUES ('shop', now() - interval '31 minutes', '10 minutes'), ('new', now() - interval '9 days', NULL);
SELECT ok(pg_temp.look(), 'a source is missed');
SELECT results_eq('SELECT kind, subject, since, usual_s, trigger_missing FROM closeloop.operator_claim(true, 10)',
	$$VALUES ('source_silent', 'shop', now() - interval '31 minutes', 600::float8, false)$$, 'with its last response');
SELECT ok(NOT pg_temp.look(), 'once');
UPDATE closeloop.sources_seen SET last_at = now() WHERE source = 'shop';
SELECT pg_temp.look();
SELECT is_empty('SELECT pg_temp.lasting()', 'it is heard of: over');
ALTER TABLE closeloop.responses DISABLE TRIGGER capture_insert;
UPDATE closeloop.sources_seen SET last_at = now() - interval '1 day' WHERE source = 'shop';
SELECT pg_temp.look();
SELECT results_eq('SELECT trigger_missing FROM closeloop.operator_claim(true, 10)', 'VALUES (true)', 'the trigger is why');
ALTER TABLE closeloop.responses ENABLE TRIGGER capture_insert;
DELETE FROM closeloop.operator_news;
DELETE FROM closeloop.sources_seen;

-- ---- no flood ----

SELECT closeloop.operator_open('endpoint_disabled', 'e' || i, '{}') FROM generate_series(1, 22) AS i;
SELECT is((SELECT count(*)::int FROM closeloop.operator_claim(false, 10) AS c WHERE c.message_id IS NULL), 22, 'nobody to mail: all for the log');
DELETE FROM closeloop.operator_news;
SELECT closeloop.operator_open('mail_refused', 'p' || i, '{}') FROM generate_series(1, 20) AS i;
SELECT closeloop.operator_open('endpoint_disabled', 'e' || i, '{}') FROM generate_series(1, 2) AS i;
CREATE TEMP TABLE told AS SELECT row_number() OVER () AS place, * FROM closeloop.operator_claim(true, 10);
SELECT results_eq('SELECT count(*), count(DISTINCT message_id), count(*) FILTER (WHERE together), bool_and(kind = ''endpoint_disabled'') FILTER (WHERE place < 3) FROM told',
	'VALUES (22::bigint, 11::bigint, 12::bigint, true)', 'ten mails, the graver ones first, and one for the other twelve');
SELECT pg_temp.mailed('queued');
SELECT closeloop.operator_open('endpoint_disabled', 'late' || i, '{}') FROM generate_series(1, 2) AS i;
SELECT is_empty('SELECT pg_temp.claim()', 'mail does not leave: no more is written');
SELECT ok(NOT pg_temp.look(), 'nor looked at every few seconds');
UPDATE closeloop.operator_news SET told_at = told_at - interval '3 hours', look_at = look_at - interval '3 hours';
SELECT is_empty('SELECT pg_temp.claim()', 'also hours later');
SELECT pg_temp.mailed('sent', now() - interval '59 minutes');
UPDATE closeloop.operator_news SET look_at = now() - interval '1 minute' WHERE told_at IS NULL;
SELECT is_empty('SELECT pg_temp.claim()', 'mail leaves: an hour counts from then');
SELECT pg_temp.mailed('sent', now() - interval '61 minutes');
UPDATE closeloop.operator_news SET look_at = now() - interval '1 minute' WHERE told_at IS NULL;
SELECT set_eq('SELECT pg_temp.claim()', ARRAY['endpoint_disabled late1', 'endpoint_disabled late2'], 'an hour later they are told');
SELECT is((SELECT count(*)::int FROM closeloop.operator_news WHERE told_at IS NULL), 0, 'nothing is forgotten');
SELECT * FROM finish();
ROLLBACK;
