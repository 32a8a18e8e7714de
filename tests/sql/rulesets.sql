-- Which rule set was live when: periods follow from what daemons say of themselves.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.seen(daemon text, ruleset text) RETURNS void LANGUAGE sql AS $$
	INSERT INTO closeloop.daemons AS d (id, ruleset, started_at, seen_at) VALUES (daemon, ruleset, clock_timestamp(), clock_timestamp())
	ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, ruleset = excluded.ruleset, stopped_at = NULL
$$;
CREATE FUNCTION pg_temp.stopped(daemon text) RETURNS void LANGUAGE sql AS $$
	UPDATE closeloop.daemons SET stopped_at = clock_timestamp() WHERE id = daemon
$$;
CREATE FUNCTION pg_temp.periods() RETURNS TABLE (what text) LANGUAGE sql AS $$
	SELECT daemon || ' ' || sha256 || CASE WHEN until IS NULL THEN '' ELSE ' ended' END
	FROM closeloop.ruleset_periods ORDER BY id
$$;

SELECT is(closeloop.ruleset_at(now()), NULL, 'no set was ever live');

SELECT pg_temp.seen('a', 'one') \g /dev/null
SELECT pg_temp.seen('a', 'one') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.periods()', ARRAY['a one'], 'a daemon that says it again is one period');
SELECT pg_temp.seen('a', 'two') \g /dev/null
SELECT pg_temp.seen('b', 'two') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.periods()', ARRAY['a one ended', 'a two', 'b two'], 'another set ends it, other daemons have their own');
SELECT is((SELECT p.until <= q.since FROM closeloop.ruleset_periods AS p, closeloop.ruleset_periods AS q
	WHERE p.sha256 = 'one' AND q.sha256 = 'two' AND q.daemon = 'a'), true, 'one after the other');
SELECT pg_temp.stopped('a') \g /dev/null
SELECT pg_temp.stopped('a') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.periods()', ARRAY['a one ended', 'a two ended', 'b two'], 'a goodbye ends it');
SELECT pg_temp.seen('a', 'two') \g /dev/null
SELECT results_eq('SELECT * FROM pg_temp.periods()', ARRAY['a one ended', 'a two ended', 'b two', 'a two'], 'whoever comes back begins anew');
UPDATE closeloop.daemons SET stopped_at = '2020-01-01' WHERE id = 'a';
SELECT is((SELECT count(*) FROM closeloop.ruleset_periods WHERE until < since), 0::bigint, 'no period ends before it began, whatever a clock says');
SELECT pg_temp.seen('c', NULL) \g /dev/null
SELECT is((SELECT count(*) FROM closeloop.ruleset_periods WHERE daemon = 'c'), 0::bigint, 'a daemon without rules has none');

-- ruleset_at
TRUNCATE closeloop.ruleset_periods;
INSERT INTO closeloop.ruleset_periods (daemon, sha256, since, until) VALUES
	('a', 'one', '2027-01-01', '2027-01-10'), ('b', 'one', '2027-01-01', '2027-01-10'), ('c', 'odd', '2027-01-05', '2027-01-06'),
	('d', 'mine', '2027-01-20', '2027-01-25'), ('e', 'yours', '2027-01-21', '2027-01-25'),
	('f', 'last', '2027-02-01', '2027-02-05');
SELECT is(closeloop.ruleset_at('2027-01-01'), 'one', 'from its first moment');
SELECT is(closeloop.ruleset_at('2027-01-05 12:00'), 'one', 'what most daemons had');
SELECT is(closeloop.ruleset_at('2027-01-22'), 'yours', 'else the newer one');
SELECT is(closeloop.ruleset_at('2027-01-15'), 'mine', 'when none ran: by the next it was judged');
SELECT is(closeloop.ruleset_at('2026-01-01'), 'one', 'before the first: by the first');
SELECT is(closeloop.ruleset_at('2027-03-01'), 'last', 'after the last: the last');
INSERT INTO closeloop.ruleset_periods (daemon, sha256, since) VALUES ('g', 'now', '2027-02-10');
SELECT is(closeloop.ruleset_at('2027-03-01'), 'now', 'one that still lives');

SELECT is(has_function_privilege('closeloop_daemon', 'closeloop.ruleset_at(timestamptz)', 'EXECUTE')
	AND has_table_privilege('closeloop_daemon', 'closeloop.ruleset_periods', 'SELECT'), true, 'the command may read them');
SELECT is(has_table_privilege('closeloop_daemon', 'closeloop.ruleset_periods', 'INSERT, UPDATE, DELETE'), false, 'but not rewrite history');
SET LOCAL ROLE closeloop_daemon;
SELECT lives_ok($$ INSERT INTO closeloop.daemons (id, ruleset) VALUES ('x', 'now') $$, 'a daemon registers without rights on them');
RESET ROLE;
SELECT results_eq($$ SELECT sha256 FROM closeloop.ruleset_periods WHERE daemon = 'x' $$, ARRAY['now'], 'and its period begins');

-- reload
SET LOCAL ROLE closeloop_daemon;
SELECT is((SELECT count(*) FROM closeloop.reload_look()), 0::bigint, 'nobody has asked');
SELECT is(closeloop.reload_ask('olga'), 1::bigint, 'a request has a number');
SELECT results_eq('SELECT id, asked_by, is_new FROM closeloop.reload_look()', $$ VALUES (1::bigint, 'olga', true) $$, 'and is found');
SELECT throws_ok('INSERT INTO closeloop.reloads (asked_by) VALUES (''x'')', '42501', NULL, 'but not forged under another time');
UPDATE closeloop.daemons SET ruleset = 'next', reload_id = 1 WHERE id = 'x';
RESET ROLE;
SELECT is((SELECT asked_by FROM closeloop.ruleset_periods WHERE daemon = 'x' AND until IS NULL), 'olga', 'who asked stands with the period');
UPDATE closeloop.reloads SET asked_at = now() - interval '6 minutes';
SELECT is((SELECT is_new FROM closeloop.reload_look()), false, 'an old one is old');

SELECT * FROM finish();
ROLLBACK;
