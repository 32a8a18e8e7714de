-- Every way to write a response puts it into the inbox, once, and only when something changed.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

-- What the inbox got since the last call, as source ids.
CREATE FUNCTION pg_temp.caught() RETURNS text LANGUAGE sql AS $$
	WITH taken AS (DELETE FROM closeloop.inbox RETURNING id, response_id)
	SELECT coalesce(string_agg(coalesce(r.source_id, '-'), ' ' ORDER BY t.id), '')
	FROM taken t JOIN closeloop.responses r ON r.id = t.response_id
$$;

INSERT INTO closeloop.responses (source_id, nps) VALUES ('a', 1);
SELECT is(pg_temp.caught(), 'a', 'INSERT of one');
INSERT INTO closeloop.responses (source_id, nps) VALUES ('b', 1), ('c', 2), ('d', 3);
SELECT is(pg_temp.caught(), 'b c d', 'INSERT of several, in their order');
INSERT INTO closeloop.responses (source_id, nps) SELECT 'n' || i, 5 FROM generate_series(1, 1000) AS i;
SELECT is(count(*)::int, 1000, 'INSERT … SELECT: each row') FROM closeloop.inbox;
DELETE FROM closeloop.inbox;
INSERT INTO closeloop.responses (source_id) SELECT 'none' WHERE false;
SELECT is(pg_temp.caught(), '', 'INSERT of none');

COPY closeloop.responses (source_id, nps) FROM stdin (FORMAT csv);
e,4
f,5
\.
SELECT is(pg_temp.caught(), 'e f', 'COPY');

UPDATE closeloop.responses SET nps = 9 WHERE source_id IN ('a', 'b');
SELECT is(pg_temp.caught(), 'a b', 'UPDATE with a change');
UPDATE closeloop.responses SET nps = 9 WHERE source_id IN ('a', 'b', 'c');
SELECT is(pg_temp.caught(), 'c', 'UPDATE: only what differs');
UPDATE closeloop.responses SET received_at = received_at + interval '1 minute';
SELECT is(pg_temp.caught(), '', 'UPDATE of received_at alone is no change');
UPDATE closeloop.responses SET nps = 3 WHERE source_id = 'nobody';
SELECT is(pg_temp.caught(), '', 'UPDATE of none');
UPDATE closeloop.responses SET comment = 'x' WHERE source_id = 'a';
UPDATE closeloop.responses SET comment = NULL WHERE source_id = 'a';
SELECT is(pg_temp.caught(), 'a a', 'from and to null are changes');
UPDATE closeloop.responses SET comment = NULL WHERE source_id = 'a';
SELECT is(pg_temp.caught(), '', 'null to null is none');

-- ---- what settles ----

CREATE FUNCTION pg_temp.waits() RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', r.source, r.source_id, CASE WHEN i.changed THEN 'changed' END, CASE WHEN i.settles
		THEN round(extract(epoch FROM i.available_at - clock_timestamp()) / 60) || ' min' END), ', ' ORDER BY i.id), '')
	FROM closeloop.inbox i JOIN closeloop.responses r ON r.id = i.response_id
$$;
SELECT ok(closeloop.settle_replace('{slow,never}', '{300,0}'), 'a source settles');
SELECT ok(NOT closeloop.settle_replace('{slow}', '{300}'), 'the same once more is no change');
INSERT INTO closeloop.responses (source, source_id, nps) VALUES ('slow', 's1', 1), ('quick', 'q1', 2), ('never', 'n1', 3);
SELECT is(pg_temp.waits(), 'slow s1 5 min, quick q1, never n1', 'it waits, others do not');
UPDATE closeloop.inbox SET available_at = available_at - interval '2 minutes' WHERE settles;
UPDATE closeloop.responses SET comment = 'more' WHERE source IN ('slow', 'quick');
SELECT is(pg_temp.waits(), 'slow s1 3 min, quick q1, never n1, quick q1 changed', 'a change waits with the first row, and puts nothing off');
UPDATE closeloop.inbox SET set_aside_at = now() WHERE settles;
UPDATE closeloop.responses SET comment = 'and more' WHERE source = 'slow';
SELECT is(pg_temp.waits(), 'slow s1 3 min, quick q1, never n1, quick q1 changed, slow s1 changed 5 min', 'what is set aside waits for nobody');
DELETE FROM closeloop.inbox;
UPDATE closeloop.responses SET comment = 'later' WHERE source = 'slow';
SELECT is(pg_temp.waits(), 'slow s1 changed 5 min', 'a change after that settles too');
INSERT INTO closeloop.responses (source, source_id, nps) VALUES ('slow', 's1', 1) ON CONFLICT (source, source_id) DO UPDATE SET nps = 7;
INSERT INTO closeloop.responses (source, source_id, nps) VALUES ('slow', 's2', 1) ON CONFLICT (source, source_id) DO UPDATE SET nps = 7;
SELECT is(pg_temp.waits(), 'slow s1 changed 5 min, slow s2 5 min', 'an upsert is one or the other');
SELECT ok(closeloop.settle_replace('{}', '{}'), 'and no longer');
INSERT INTO closeloop.responses (source, source_id, nps) VALUES ('slow', 's3', 1);
UPDATE closeloop.responses SET nps = 8 WHERE source_id = 's3';
SELECT is(pg_temp.waits(), 'slow s1 changed 5 min, slow s2 5 min, slow s3, slow s3 changed', 'what waits keeps its time');
SELECT is(pg_sequence_last_value('closeloop.settling_sources'::regclass), 0::bigint, 'the trigger need not look');
DELETE FROM closeloop.inbox;
UPDATE closeloop.responses SET nps = 9 WHERE source_id IN ('n1', 'q1', 's1', 's2', 's3');
DELETE FROM closeloop.inbox;

-- Every column counts.
DO $$
DECLARE
	c record;
BEGIN
	FOR c IN SELECT attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
		WHERE attrelid = 'closeloop.responses'::regclass AND attnum > 0 AND NOT attisdropped
			AND attname NOT IN ('id', 'received_at') ORDER BY attnum
	LOOP
		EXECUTE format('UPDATE closeloop.responses SET %I = %L WHERE nps = 4', c.attname, CASE c.type
			WHEN 'text' THEN 'changed' WHEN 'smallint' THEN '4' WHEN 'boolean' THEN 'true'
			WHEN 'jsonb' THEN '{"changed": 1}' ELSE '2020-01-01' END);
	END LOOP;
END
$$;
SELECT is(count(*)::int, 20, 'a change of any column but id and received_at is one') FROM closeloop.inbox;
DELETE FROM closeloop.inbox;

INSERT INTO closeloop.responses (source_id, nps) VALUES ('g', 1), ('a', 2), ('c', 9)
	ON CONFLICT (source, source_id) DO UPDATE SET nps = excluded.nps;
SELECT is(pg_temp.caught(), 'a g', 'ON CONFLICT DO UPDATE: the new one and the changed one, not the same again');
INSERT INTO closeloop.responses (source_id, nps) VALUES ('a', 7), ('h', 7) ON CONFLICT DO NOTHING;
SELECT is(pg_temp.caught(), 'h', 'ON CONFLICT DO NOTHING: the new one');
INSERT INTO closeloop.responses (source_id, nps) VALUES ('a', 7) ON CONFLICT DO NOTHING;
SELECT is(pg_temp.caught(), '', 'ON CONFLICT DO NOTHING: nothing');

MERGE INTO closeloop.responses AS r USING (VALUES ('a', 6), ('b', 9), ('i', 6)) AS v (source_id, nps)
	ON r.source = 'direct' AND r.source_id = v.source_id
	WHEN MATCHED THEN UPDATE SET nps = v.nps
	WHEN NOT MATCHED THEN INSERT (source_id, nps) VALUES (v.source_id, v.nps);
SELECT set_eq($$SELECT unnest(string_to_array(pg_temp.caught(), ' '))$$, ARRAY['a', 'i'], 'MERGE: the changed and the new one');

DELETE FROM closeloop.responses WHERE source_id = 'i';
SELECT is(pg_temp.caught(), '', 'DELETE is nothing to judge');

SAVEPOINT s;
INSERT INTO closeloop.responses (source_id) VALUES ('gone');
ROLLBACK TO s;
SELECT is(pg_temp.caught(), '', 'what is rolled back was never there');

-- The plan of the first, small statement is kept: it must not be a nested loop when a large one comes.
UPDATE closeloop.responses SET comment = 'all' WHERE source_id LIKE 'n%';
INSERT INTO closeloop.responses (source_id, nps) SELECT 'm' || i, 5 FROM generate_series(1, 30000) AS i;
DELETE FROM closeloop.inbox;
SET LOCAL statement_timeout = '20s';
SELECT lives_ok($$UPDATE closeloop.responses SET comment = 'many' WHERE source_id LIKE 'm%'$$,
	'30,000 changes in one statement: no row is compared with every other');
SELECT is(count(*)::int, 30000, 'all of them are caught') FROM closeloop.inbox;
SET LOCAL statement_timeout = 0;
DELETE FROM closeloop.inbox;

INSERT INTO closeloop.responses (source_id) VALUES ('late');
SELECT ok(available_at > now(), 'available_at is the clock''s, not the transaction''s') FROM closeloop.inbox;

-- ---- the promise ----

SELECT setval('closeloop.awake_until', 0);
CREATE FUNCTION pg_temp.ms() RETURNS bigint LANGUAGE sql AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint $$;
CREATE TEMP TABLE at AS SELECT pg_temp.ms() AS ms;
SELECT ok(closeloop.raise_awake(ms + 5000), 'a promise is taken') FROM at;
SELECT is(last_value, ms + 5000, 'and kept') FROM at, closeloop.awake_until;
SELECT ok(closeloop.raise_awake(ms + 1000), 'a shorter one is taken') FROM at;
SELECT is(last_value, ms + 5000, 'but changes nothing: it is only ever raised') FROM at, closeloop.awake_until;
SELECT ok(closeloop.raise_awake(ms + 86400000), 'a day is taken') FROM at;
SELECT ok(last_value <= pg_temp.ms() + 60000, 'but no promise is longer than a minute') FROM at, closeloop.awake_until;
SELECT setval('closeloop.awake_until', ms + 86400000) FROM at;
SELECT closeloop.raise_awake(ms + 7000) FROM at;
SELECT is(last_value, ms + 7000, 'a promise from a clock that was set back is replaced by a shorter one') FROM at, closeloop.awake_until;
SELECT * FROM finish();
ROLLBACK;
