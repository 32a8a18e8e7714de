-- Two daemons and one person's account: neither a mail too many, nor two digests, nor a deadlock.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
SELECT no_plan();

SELECT format('host=%s port=%s dbname=%s user=postgres', current_setting('unix_socket_directories'), current_setting('port'),
	current_database()) AS conninfo \gset
SELECT dblink_connect('a', :'conninfo'), dblink_connect('b', :'conninfo');
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
-- How many of n mails to each of some people, four an hour, are held.
CREATE FUNCTION public.held(people text[], n int) RETURNS text LANGUAGE sql AS $$
	SELECT count(*)::text FROM closeloop.budget_take(
		ARRAY(SELECT ROW(p, 'UTC', -1, -1, 4, 2)::closeloop.alert_limits FROM unnest(people) WITH ORDINALITY AS t (p, k) ORDER BY k),
		ARRAY(SELECT (g - 1) / n + 1 FROM generate_series(1, n * cardinality(people)) AS g),
		ARRAY(SELECT 1 FROM generate_series(1, n * cardinality(people))),
		ARRAY(SELECT false FROM generate_series(1, n * cardinality(people))))
$$;

-- The first mails of two people that nobody has an account of, named in different orders.
SELECT dblink_exec('a', 'BEGIN'), dblink_exec('b', 'BEGIN');
SELECT is((SELECT h FROM dblink('a', $$SELECT public.held('{x,y}', 3)$$) AS t (h text)), '0', 'three of four');
SELECT dblink_send_query('b', $$SELECT public.held('{y,x}', 3)$$);
SELECT ok(pg_temp.until_b_waits(), 'the second batch waits for the account');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(pg_temp.answer_of_b(), '4', 'and finds one place left for each');
SELECT dblink_exec('b', 'COMMIT');
SELECT is(array_agg(cardinality(left_at) ORDER BY person), '{4,4}', 'four each') FROM closeloop.alert_budgets;

-- A batch that fails takes nothing.
SELECT dblink_exec('a', 'BEGIN');
SELECT * FROM dblink('a', $$SELECT public.held('{w}', 4)$$) AS t (h text);
SELECT dblink_send_query('b', $$SELECT public.held('{w}', 4)$$);
SELECT ok(pg_temp.until_b_waits(), 'the second waits');
SELECT dblink_exec('a', 'ROLLBACK');
SELECT is(pg_temp.answer_of_b(), '0', 'and has all of it');

-- Two daemons see the same digest due.
UPDATE closeloop.alert_budgets SET digest_at = now() - CASE person WHEN 'x' THEN interval '1 second' ELSE interval '0' END WHERE person IN ('x', 'y');
SELECT dblink_exec('a', 'BEGIN');
SELECT is(p, 'x', 'one takes the first') FROM dblink('a', 'SELECT closeloop.digest_claim(1)') AS t (p text);
SELECT is(array_agg(p), '{y}', 'the other the second, without waiting') FROM dblink('b', 'SELECT closeloop.digest_claim(10)') AS t (p text);
SELECT dblink_exec('a', 'ROLLBACK');
SELECT is(count(*)::int, 2, 'both are due again') FROM closeloop.digest_claim(10);

-- A case is resolved while its alert is on the way into a digest, and the other way round.
INSERT INTO closeloop.responses (nps) VALUES (1), (2);
SELECT min(c.id) AS c1, max(c.id) AS c2 FROM closeloop.responses AS r
	CROSS JOIN LATERAL closeloop.case_open_by_hand(r.id, 'tono', 'normal', 'v') AS c \gset
INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, payload, dedup_key, state, held_for)
	SELECT gen_random_uuid(), c, 'case.opened', 'email', 'email', 'v', '', c::text, 'held', 'budget' FROM unnest(ARRAY[:c1, :c2]) AS c;
SELECT closeloop.digest_soon('{v}');
CREATE FUNCTION public.release() RETURNS text LANGUAGE sql AS $$
	SELECT outcome FROM closeloop.digest_release(ARRAY[ROW('v', 'UTC', -1, -1, 4, 2)::closeloop.alert_limits], ARRAY[md5('v')::uuid])
$$;
SELECT dblink_exec('a', 'BEGIN');
SELECT * FROM dblink('a', format('SELECT status::text FROM closeloop.case_transition(%s, ''resolve'', ''v'')', :c1)) AS t (s text);
SELECT is(public.release(), 'digest', 'the digest waits for nobody');
SELECT dblink_exec('a', 'COMMIT');
SELECT is(string_agg(state || CASE WHEN digest_id IS NULL THEN '' ELSE '+' END, ' ' ORDER BY seq), 'cancelled held+', 'one was cancelled, one is in the digest')
	FROM closeloop.messages WHERE recipient = 'v';

-- Two mornings at once.
SELECT dblink_exec('a', 'BEGIN');
SELECT is(p, 'v', 'good morning') FROM dblink('a', $$SELECT closeloop.morning_claim('{v}', '{UTC}', '{480}', 9, '2027-03-02 08:00Z')$$) AS t (p text);
SELECT dblink_send_query('b', $$SELECT closeloop.morning_claim('{v}', '{UTC}', '{480}', 9, '2027-03-02 08:00Z')$$);
SELECT ok(pg_temp.until_b_waits(), 'the second waits');
SELECT dblink_exec('a', 'COMMIT');
SELECT isnt(pg_temp.answer_of_b(), 'v', 'and finds it done');
SELECT is(count(*)::int, 1, 'once') FROM closeloop.mornings;
SELECT * FROM finish();
