-- NOTIFY goes out for a lone response, and not while a daemon has promised to look. Real sessions, real commits.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
SELECT no_plan();

SELECT format('host=%s port=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_setting('port'),
	current_database()) AS conninfo \gset
SELECT dblink_connect('listener', :'conninfo'), dblink_connect('writer', :'conninfo'), dblink_connect('daemon', :'conninfo');
SELECT dblink_exec('listener', 'LISTEN closeloop');

-- Signals are sent before a COMMIT is answered, and a backend passes notifications on before it answers the next command:
-- two round trips on the listening session, and whatever was to come is here.
CREATE FUNCTION pg_temp.heard() RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM * FROM dblink('listener', 'SELECT 1') AS t (a int);
	PERFORM * FROM dblink('listener', 'SELECT 1') AS t (a int);
	RETURN (SELECT coalesce(string_agg(notify_name || ':' || extra, ' '), '') FROM dblink_get_notify('listener'));
END
$$;
CREATE FUNCTION pg_temp.promise(ms bigint) RETURNS void LANGUAGE sql AS $$
	SELECT setval('closeloop.awake_until', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + ms)
$$;
CREATE FUNCTION pg_temp.wrote(sql text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM dblink_exec('writer', sql);
	RETURN pg_temp.heard();
END
$$;

SELECT is(pg_temp.wrote('INSERT INTO closeloop.responses (source_id, nps) VALUES (1, 2)'), 'closeloop:',
	'a lone response is notified, without a payload');
SELECT is(pg_temp.wrote('UPDATE closeloop.responses SET nps = 3'), 'closeloop:', 'a changed one too');
SELECT is(pg_temp.wrote(sql), '', 'not: ' || sql) FROM unnest(ARRAY[
	'INSERT INTO closeloop.responses (nps) SELECT 1 WHERE false',
	'INSERT INTO closeloop.responses (source_id) VALUES (1) ON CONFLICT DO NOTHING',
	'UPDATE closeloop.responses SET nps = 9 WHERE false',
	'UPDATE closeloop.responses SET nps = 3',
	'UPDATE closeloop.responses SET received_at = now()',
	'DELETE FROM closeloop.responses WHERE false']) AS sql;
SELECT is(pg_temp.wrote('BEGIN; INSERT INTO closeloop.responses (nps) VALUES (1); INSERT INTO closeloop.responses (nps) VALUES (1); COMMIT'),
	'closeloop:', 'once for a transaction');
SELECT is(pg_temp.wrote('BEGIN; INSERT INTO closeloop.responses (nps) VALUES (1); ROLLBACK'), '', 'not when it is rolled back');

SELECT pg_temp.promise(30000);
SELECT is(pg_temp.wrote(sql), '', 'a daemon is awake: ' || sql) FROM unnest(ARRAY[
	'INSERT INTO closeloop.responses (nps) VALUES (2)',
	'UPDATE closeloop.responses SET nps = 4']) AS sql;
SELECT ok(count(*) > 0, 'the inbox has them all the same') FROM closeloop.inbox;
SELECT pg_temp.promise(-1);
SELECT is(pg_temp.wrote('INSERT INTO closeloop.responses (nps) VALUES (2)'), 'closeloop:', 'the promise has run out');
SELECT pg_temp.promise(3600000);
SELECT is(pg_temp.wrote('INSERT INTO closeloop.responses (nps) VALUES (2)'), 'closeloop:',
	'a promise of an hour was made before the clock was set back, and binds nobody');

-- A promise is no part of a transaction: it holds at once.
SELECT pg_temp.promise(-1);
SELECT dblink_exec('daemon', 'BEGIN');
SELECT ok(r, 'a daemon promises, and does not commit') FROM dblink('daemon',
	'SELECT closeloop.raise_awake((extract(epoch FROM clock_timestamp()) * 1000)::bigint + 30000)') AS t (r boolean);
SELECT is(pg_temp.wrote('INSERT INTO closeloop.responses (nps) VALUES (2)'), '', 'its promise is seen at once');
SELECT ok(NOT closeloop.raise_awake(0), 'meanwhile another one is told to try again');
SELECT dblink_exec('daemon', 'ROLLBACK');
SELECT ok(closeloop.raise_awake(0), 'afterwards it may');
SELECT is(pg_temp.wrote('INSERT INTO closeloop.responses (nps) VALUES (2)'), '', 'rolling back takes no promise back');

SELECT pg_temp.promise(-1);
SELECT id AS c FROM closeloop.case_open_by_hand((SELECT min(id) FROM closeloop.responses), 'jiwoo', 'high', 'minsu') \gset
SELECT is(pg_temp.heard(), 'closeloop:all', 'a case opened by hand wakes the daemon, and that it is no response');
SELECT is(pg_temp.wrote(format('DO $do$ BEGIN PERFORM closeloop.case_transition(%s, ''assign'', ''minsu'', details => ''{"to": "jiwoo"}''); END $do$', :c)),
	'closeloop:all', 'so does an action');
SELECT * FROM finish();
