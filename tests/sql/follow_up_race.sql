-- Two daemons sweep while somebody acts: nothing is done twice, nobody waits, nothing is lost.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
SELECT no_plan();
SET client_min_messages = warning;

SELECT format('host=%s port=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_setting('port'),
	current_database()) AS conninfo \gset
SELECT dblink_connect('a', :'conninfo'), dblink_connect('b', :'conninfo');
SELECT dblink_exec('b', 'SET lock_timeout = ''5s''; SET client_min_messages = warning');
CREATE FUNCTION pg_temp.ask(session text, sql text) RETURNS text LANGUAGE sql AS $$ SELECT t.x FROM dblink(session, sql) AS t (x text) $$;
CREATE FUNCTION pg_temp.until_b_waits() RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
	pid_of_a int := pg_temp.ask('a', 'SELECT pg_backend_pid()')::int;
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
CREATE FUNCTION pg_temp.reminded() RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM closeloop.case_events WHERE kind = 'reminded' $$;

-- Thirty cases of which a reminder is due.
SELECT closeloop.follow_up_version('{"name": "f", "acknowledge_within": "1h", "remind_every": "10m", "remind_at_most": 1}') AS v \gset
INSERT INTO closeloop.responses (nps) SELECT 1 FROM generate_series(1, 30);
INSERT INTO closeloop.cases (id, response_id, owner, follow_up_version, opened_at, acknowledge_due_at, next_action_at)
SELECT row_number() OVER (ORDER BY id), id, 'minsu', :v, now() - interval '11 minutes', now() + interval '49 minutes', now() - interval '1 minute' FROM closeloop.responses;

-- ---- a version that two configurations bring at once ----
SELECT dblink_exec('a', 'BEGIN');
SELECT pg_temp.ask('a', $$SELECT closeloop.follow_up_version('{"name": "new", "escalate": [{"id": "a", "when": "unresolved", "to": "manager"}]}')$$) AS made \gset
SELECT dblink_send_query('b', $$SELECT closeloop.follow_up_version('{"name": "new", "escalate": [{"id": "a", "when": "unresolved", "to": "manager"}]}')::text$$);
SELECT ok(pg_temp.until_b_waits(), 'the second waits for the first');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.answer_of_b(), :'made', 'and gets the same one');
SELECT is(count(*)::int, 1, 'with its steps, once') FROM closeloop.escalation_steps WHERE version = :made;

-- ---- two sweeps ----
SELECT dblink_exec('a', 'BEGIN');
SELECT is(pg_temp.ask('a', 'SELECT closeloop.follow_up_sweep(10)'), '10', 'the first takes ten');
SELECT is(pg_temp.ask('b', 'SELECT closeloop.follow_up_sweep(15)'), '15', 'the second takes others, without waiting');
SELECT is(pg_temp.reminded(), 15::bigint, 'of which it reminds');
SELECT dblink_exec('a', 'ROLLBACK');
SELECT is(pg_temp.reminded(), 15::bigint, 'a daemon that ends before its commit has done nothing');
SELECT is(pg_temp.ask('b', 'SELECT closeloop.follow_up_sweep(100)'), '15', 'what it had taken, another does');
SELECT is(pg_temp.ask('a', 'SELECT closeloop.follow_up_sweep(100)'), '0', 'then nothing is left');
SELECT is(count(*)::int, 30, 'thirty cases were reminded of') FROM (SELECT DISTINCT case_id FROM closeloop.case_events WHERE kind = 'reminded') AS t;
SELECT is(pg_temp.reminded(), 30::bigint, 'once each');

-- ---- somebody acts meanwhile ----
UPDATE closeloop.cases SET reminded = 0, next_action_at = now() - interval '1 minute' WHERE id <= 2;
SELECT dblink_exec('a', 'BEGIN');
SELECT pg_temp.ask('a', 'SELECT version FROM closeloop.case_transition(1, ''acknowledge'', ''minsu'')');
SELECT is(pg_temp.ask('b', 'SELECT closeloop.follow_up_sweep(100)'), '1', 'the sweep leaves alone what somebody acts on');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.ask('b', 'SELECT closeloop.follow_up_sweep(100)'), '0', 'nobody is reminded of what was just acknowledged');
SELECT is(pg_temp.reminded(), 31::bigint, 'only of the other');

UPDATE closeloop.cases SET reminded = 0, next_action_at = now() - interval '1 minute' WHERE id = 3;
SELECT dblink_exec('a', 'BEGIN');
SELECT is(pg_temp.ask('a', 'SELECT closeloop.follow_up_sweep(100)'), '1', 'who acts while the sweep is at it');
SELECT dblink_send_query('b', 'SELECT reminded || '' '' || version FROM closeloop.case_transition(3, ''acknowledge'', ''minsu'', expected_version => 1)');
SELECT ok(pg_temp.until_b_waits(), 'waits for it');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.answer_of_b(), '1 2', 'and isn''t stale by a reminder');

-- ---- everything of a person, while one of it is handed on ----
SELECT dblink_exec('a', 'BEGIN');
SELECT pg_temp.ask('a', 'SELECT version FROM closeloop.case_transition(5, ''assign'', ''minsu'', details => ''{"to": "jiwoo"}'')');
SELECT dblink_send_query('b', 'SELECT count(*)::text FROM closeloop.case_assign_all(''minsu'', ''tono'', ''hanna'')');
SELECT ok(pg_temp.until_b_waits(), 'it waits');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.answer_of_b(), '29', 'and leaves alone what isn''t the leaver''s any more');
SELECT is(owner, 'jiwoo', 'which stays where it went') FROM closeloop.cases WHERE id = 5;

-- ---- clocks are computed anew while somebody acts ----
UPDATE closeloop.follow_up_versions SET calendar = 'c' WHERE id = :v;
SELECT closeloop.clocks_replace('[{"name": "c", "timezone": "UTC", "hours": [[1, 0, 1], [4, 0, 1]], "holidays": []}]', '[{"person": "", "timezone": "UTC"}]');
SELECT dblink_exec('a', 'BEGIN');
SELECT pg_temp.ask('a', 'SELECT version FROM closeloop.case_transition(7, ''dismiss'', ''minsu'', ''x'')');
SELECT dblink_send_query('b', 'SELECT moved::text || '' '' || last_id FROM closeloop.follow_up_recompute(0, 100)');
SELECT ok(pg_temp.until_b_waits(), 'a case that somebody acts on is waited for');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.answer_of_b(), '29 30', 'and is computed as it is then');
SELECT * FROM finish();
