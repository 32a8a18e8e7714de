-- Two people act on one case at the same time, in two sessions: one of them wins.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
SELECT no_plan();

SELECT format('host=%s port=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_setting('port'),
	current_database()) AS conninfo \gset
SELECT dblink_connect('a', :'conninfo'), dblink_connect('b', :'conninfo');
INSERT INTO closeloop.responses (nps) VALUES (1), (2);
SELECT id AS c FROM closeloop.case_open_by_hand((SELECT min(id) FROM closeloop.responses), 'jiwoo', 'high', 'minsu') \gset

CREATE FUNCTION pg_temp.until_b_waits() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	pid_of_a int := (SELECT p FROM dblink('a', 'SELECT pg_backend_pid()') AS t (p int));
BEGIN
	FOR i IN 1 .. 2000 LOOP
		IF EXISTS (SELECT FROM pg_locks AS l WHERE NOT l.granted AND pid_of_a = ANY (pg_blocking_pids(l.pid))) THEN
			RETURN true;
		END IF;
		PERFORM pg_sleep(0.005);
	END LOOP;
	RETURN false;
END
$$;
-- What b answered in the end: its row as text, or its error.
CREATE FUNCTION pg_temp.answer_of_b() RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	answer text;
BEGIN
	SELECT t.a INTO answer FROM dblink_get_result('b', false) AS t (a text);
	answer := coalesce(answer, dblink_error_message('b'));
	PERFORM * FROM dblink_get_result('b', false) AS t (a text);
	RETURN answer;
END
$$;
SET client_min_messages = warning;

SELECT dblink_exec('a', 'BEGIN');
SELECT * FROM dblink('a', format('SELECT version FROM closeloop.case_transition(%s, ''acknowledge'', ''minsu'', expected_version => 1)', :c)) AS t (v int);
SELECT dblink_exec('b', format('SET lock_timeout = ''5s''; INSERT INTO closeloop.case_events (case_id, actor, kind) VALUES (%s, ''daemon'', ''reminded'')', :c));
SELECT pass('events of the case can be written while somebody acts on it');
SELECT dblink_exec('b', 'SET lock_timeout = 0');
SELECT dblink_send_query('b', format('SELECT status::text FROM closeloop.case_transition(%s, ''resolve'', ''jiwoo'', expected_version => 1)', :c));
SELECT ok(pg_temp.until_b_waits(), 'the second one waits for the first');
SELECT dblink_exec('a', 'COMMIT');
SELECT alike(pg_temp.answer_of_b(), '%C-' || :c || ' has changed meanwhile: it is at version 2, not 1%', 'and is told that it was too late');
SELECT is(status::text, 'acknowledged', 'the first one''s action stands') FROM closeloop.cases WHERE id = :c;

SELECT dblink_exec('a', 'BEGIN');
SELECT * FROM dblink('a', format('SELECT version FROM closeloop.case_transition(%s, ''start'', ''minsu'', expected_version => 2)', :c)) AS t (v int);
SELECT dblink_send_query('b', format('SELECT status::text FROM closeloop.case_transition(%s, ''start'', ''jiwoo'', expected_version => 2)', :c));
SELECT ok(pg_temp.until_b_waits(), 'the second one waits');
SELECT dblink_exec('a', 'ROLLBACK');
SELECT is(pg_temp.answer_of_b(), 'in_progress', 'and goes on when the first gave up');

SELECT dblink_exec('a', 'BEGIN');
SELECT * FROM dblink('a', format('SELECT version FROM closeloop.case_transition(%s, ''assign'', ''minsu'', details => ''{"to": "jiwoo"}'')', :c)) AS t (v int);
SELECT * FROM dblink('a', format('SELECT version FROM closeloop.case_transition(%s, ''acknowledge'', ''jiwoo'')', :c)) AS t (v int);
SELECT dblink_send_query('b', format('SELECT acknowledged_by || '' '' || (acknowledged_at < now()) FROM closeloop.case_transition(%s, ''acknowledge'', ''tono'')', :c));
SELECT ok(pg_temp.until_b_waits(), 'two acknowledge at once');
SELECT dblink_exec('a', 'COMMIT');
SELECT alike(pg_temp.answer_of_b(), 'jiwoo %', 'the second finds it done by the first');
SELECT is(count(*)::int, 1, 'one event') FROM closeloop.case_events WHERE case_id = :c AND kind = 'acknowledged' AND actor IN ('jiwoo', 'tono');

SELECT max(id) AS r FROM closeloop.responses \gset
SELECT dblink_exec('a', 'BEGIN');
SELECT * FROM dblink('a', format('SELECT id FROM closeloop.case_open_by_hand(%s, ''minsu'', ''low'', ''minsu'')', :r)) AS t (v bigint);
SELECT dblink_send_query('b', format('SELECT id::text FROM closeloop.case_open_by_hand(%s, ''jiwoo'', ''low'', ''jiwoo'')', :r));
SELECT ok(pg_temp.until_b_waits(), 'two open a case for the same response');
SELECT dblink_exec('a', 'COMMIT');
SELECT alike(pg_temp.answer_of_b(), '%response ' || :r || ' already has a case: C-%', 'one of them does');
SELECT is(count(*)::int, 1, 'there is one case') FROM closeloop.cases WHERE response_id = :r;
SELECT * FROM finish();
