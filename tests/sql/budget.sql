-- Quiet hours, the account of the hour, what is held and how it leaves.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

-- ---- quiet hours ----

CREATE FUNCTION pg_temp.quiet(at text, zone text, quiet_from text, quiet_to text) RETURNS text LANGUAGE sql AS $$
	SELECT to_char(closeloop.quiet_until(at::timestamptz, zone, (extract(epoch FROM quiet_from::interval) / 60)::int,
		(extract(epoch FROM quiet_to::interval) / 60)::int) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI')
$$;
SELECT is(pg_temp.quiet('2027-03-02 21:30+09', 'Asia/Seoul', '20:00', '08:00'), '2027-03-02 23:00', 'the evening: until the next morning');
SELECT is(pg_temp.quiet('2027-03-03 07:59+09', 'Asia/Seoul', '20:00', '08:00'), '2027-03-02 23:00', 'the morning: until the same day');
SELECT is(pg_temp.quiet('2027-03-03 08:00+09', 'Asia/Seoul', '20:00', '08:00'), NULL, 'the end is outside');
SELECT is(pg_temp.quiet('2027-03-03 20:00+09', 'Asia/Seoul', '20:00', '08:00'), '2027-03-03 23:00', 'the beginning is inside');
SELECT is(pg_temp.quiet('2027-03-03 13:00+01', 'Europe/Berlin', '12:00', '14:00'), '2027-03-03 13:00', 'within a day');
SELECT is(pg_temp.quiet('2027-03-03 14:00+01', 'Europe/Berlin', '12:00', '14:00'), NULL, 'and after it');
SELECT is(pg_temp.quiet('2027-03-03 14:00+01', 'Europe/Berlin', '12:00', '12:00'), NULL, 'no time at all is none');
SELECT is(closeloop.quiet_until(now(), 'UTC', -1, -1), NULL, 'nobody''s quiet hours');
SELECT is(pg_temp.quiet('2027-03-27 23:00+01', 'Europe/Berlin', '22:00', '07:00'), '2027-03-28 05:00', 'a short night in spring');
SELECT is(pg_temp.quiet('2027-10-30 23:00+02', 'Europe/Berlin', '22:00', '07:00'), '2027-10-31 06:00', 'a long one in autumn');
SELECT is(pg_temp.quiet('2027-03-28 01:30+01', 'Europe/Berlin', '22:00', '02:30'), '2027-03-28 01:00', 'an end that is skipped is the end of the gap');
SELECT is(pg_temp.quiet('2027-10-31 02:15+02', 'Europe/Berlin', '22:00', '02:30'), '2027-10-31 01:30', 'an end that comes twice is the second');
SELECT is(pg_temp.quiet('2027-10-31 02:15+01', 'Europe/Berlin', '22:00', '02:30'), '2027-10-31 01:30', 'and so it is within the hour that comes again');
SELECT is(pg_temp.quiet('2027-10-03 01:00+10:30', 'Australia/Lord_Howe', '22:00', '02:15'), '2027-10-02 15:30', 'half an hour is skipped on Lord Howe');
SELECT is(pg_temp.quiet('2027-03-14 01:00-05', 'America/New_York', '21:00', '02:00'), '2027-03-14 07:00', 'the gap begins with the end');
SELECT is(closeloop.full_hour_after('2027-03-02 10:12:30+05:30', 'Asia/Kolkata'), '2027-03-02 11:00+05:30', 'the full hour is the person''s');

-- Around changes of the clock: never in the past, never within quiet hours, nothing earlier is outside them.
SELECT is(count(*)::int, 0, 'quiet hours end where they end: ' || coalesce(min(zone || ' ' || at), 'always'))
FROM (VALUES ('Europe/Berlin', 1320, 150, '2027-03-10'::date), ('America/New_York', 60, 150, '2027-03-01'), ('Asia/Seoul', 1200, 480, '2027-03-01'),
	('Australia/Lord_Howe', 1320, 135, '2027-09-20'), ('America/New_York', 1380, 120, '2027-03-01'), ('Europe/Berlin', 1200, 480, '2027-10-15')) AS z (zone, f, t, d),
	generate_series(timestamptz '2027-03-01' + (d - '2027-03-01'::date) * interval '1 day', d + interval '30 days', interval '37 minutes') AS at,
	closeloop.quiet_until(at, zone, f, t) AS q
WHERE q IS NOT NULL AND (q <= at OR closeloop.quiet_until(q, zone, f, t) IS NOT NULL OR EXISTS (
	SELECT FROM generate_series(at, q - interval '1 minute', interval '1 minute') AS x WHERE closeloop.quiet_until(x, zone, f, t) IS NULL));

-- ---- the account ----

-- budget_take() for one person: priorities as letters (l n h u; capital: asked for as a digest), answers as letters (. b q d).
CREATE FUNCTION pg_temp.take(person text, a int, u int, mails text, at text, quiet_from int DEFAULT -1, quiet_to int DEFAULT -1) RETURNS text
LANGUAGE sql AS $$
	SELECT string_agg(coalesce(left(t.why, 1), '.'), '' ORDER BY n) FROM generate_series(1, length(mails)) AS n LEFT JOIN (
		SELECT * FROM closeloop.budget_take(ARRAY[ROW(person, 'Europe/Berlin', quiet_from, quiet_to, a, u)::closeloop.alert_limits],
			ARRAY(SELECT 1 FROM generate_series(1, length(mails))),
			ARRAY(SELECT strpos('lnhu', lower(substr(mails, k, 1))) - 1 FROM generate_series(1, length(mails)) AS k ORDER BY k),
			ARRAY(SELECT substr(mails, k, 1) <> lower(substr(mails, k, 1)) FROM generate_series(1, length(mails)) AS k ORDER BY k),
			at::timestamptz)) AS t ON t.mail = n
$$;
CREATE FUNCTION pg_temp.digest_at(who text) RETURNS text LANGUAGE sql AS $$
	SELECT to_char(digest_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') FROM closeloop.alert_budgets WHERE person = who
$$;
SELECT is(pg_temp.take('a', 3, 2, 'nnn', '2027-03-02 10:00Z'), '...', 'three of three');
SELECT is(pg_temp.digest_at('a'), NULL, 'nothing is held');
SELECT is(pg_temp.take('a', 3, 2, 'n', '2027-03-02 10:10Z'), 'b', 'the fourth is held');
SELECT is(pg_temp.digest_at('a'), '2027-03-02 11:00', 'until the first is an hour old');
SELECT is(pg_temp.take('a', 3, 2, 'nun', '2027-03-02 10:30Z'), 'b.b', 'urgent passes');
SELECT is(pg_temp.take('a', 3, 2, 'uu', '2027-03-02 10:40Z'), '.b', 'within its own budget');
SELECT is(pg_temp.digest_at('a'), '2027-03-02 11:00', 'the digest doesn''t move back');
SELECT is(pg_temp.take('a', 3, 2, 'n', '2027-03-02 11:05Z'), 'b', 'nothing overtakes the digest');
SELECT is(pg_temp.take('b', 3, 2, 'lnhnlh', '2027-03-02 10:00Z'), 'b..bb.', 'the worst of a batch leave first');
SELECT is(pg_temp.digest_at('b'), '2027-03-02 11:00', 'an hour after the batch');
SELECT is(pg_temp.take('c', 3, 2, 'nuunnu', '2027-03-02 10:00Z'), '...bbb', 'urgent ones count for the others');
SELECT is(pg_temp.take('d', 0, 0, repeat('nu', 50), '2027-03-02 10:00Z'), repeat('.', 100), '0 is no limit');
SELECT is(left_at || urgent_at, '{}'::timestamptz[], 'and keeps no account') FROM closeloop.alert_budgets WHERE person = 'd';
SELECT is(pg_temp.take('e', 2, 0, 'nn', '2027-03-02 10:00Z') || pg_temp.take('e', 2, 0, 'n', '2027-03-02 11:00:01Z'), '...', 'an hour later there is room');
SELECT is(cardinality(left_at), 1, 'what is older is forgotten') FROM closeloop.alert_budgets WHERE person = 'e';
SELECT is(pg_temp.take('f', 2, 0, 'n', '2027-03-02 10:00Z') || pg_temp.take('f', 2, 0, 'n', '2027-03-02 10:20Z')
	|| pg_temp.take('f', 2, 0, 'n', '2027-03-02 11:01Z') || pg_temp.take('f', 2, 0, 'n', '2027-03-02 11:02Z'), '...b', 'the hour rolls');
SELECT is(pg_temp.digest_at('f'), '2027-03-02 11:20', 'room when the second is an hour old');
SELECT is(pg_temp.take('g', 2, 1, 'NnU', '2027-03-02 10:12Z'), 'd.d', 'what was asked for as a digest is held, urgent or not');
SELECT is(pg_temp.digest_at('g'), '2027-03-02 11:00', 'until the full hour');
SELECT is(pg_temp.take('g', 2, 1, 'n', '2027-03-02 10:13Z'), '.', 'and holds up nobody');

-- quiet: 20:00-08:00 in Berlin (UTC+1)
SELECT is(pg_temp.take('q', 2, 1, 'nuhN', '2027-03-02 20:00Z', 1200, 480), 'q.qd', 'quiet hours hold all but urgent');
SELECT is(pg_temp.digest_at('q'), '2027-03-03 07:00', 'until their end');
SELECT is(pg_temp.take('r', 1, 1, 'nn', '2027-03-02 18:30Z', 1200, 480), '.b', 'before quiet hours');
SELECT is(pg_temp.digest_at('r'), '2027-03-03 07:00', 'the budget is back within them: after them');
SELECT is(pg_temp.take('r', 1, 1, 'uu', '2027-03-02 22:00Z', 1200, 480), '.b', 'urgent over its budget');
SELECT is(pg_temp.digest_at('r'), '2027-03-02 23:00', 'waits an hour, quiet or not');

-- While mail can't leave, the hour stands still.
SAVEPOINT down;
INSERT INTO closeloop.endpoints (name, breaker, until) VALUES ('email', 'open', '2027-03-02 13:00Z');
SELECT is(pg_temp.take('s', 2, 1, 'nn', '2027-03-02 10:00Z') || pg_temp.take('s', 2, 1, 'nn', '2027-03-02 12:00Z'), '..bb', 'an outage of two hours');
UPDATE closeloop.endpoints SET breaker = 'closed', until = NULL;
SELECT is(pg_temp.take('s', 2, 1, 'u', '2027-03-02 12:30Z'), '.', 'is over');
SELECT is(cardinality(left_at), 1, 'and so is its hour') FROM closeloop.alert_budgets WHERE person = 's';
ROLLBACK TO down;

-- ---- the release ----

INSERT INTO closeloop.responses (nps) SELECT g FROM generate_series(0, 6) AS g;
CREATE TEMP TABLE c AS SELECT c.id, r.nps, row_number() OVER (ORDER BY r.nps) AS n FROM closeloop.responses AS r
	CROSS JOIN LATERAL closeloop.case_open_by_hand(r.id, 'tono', 'normal', 'm') AS c;
DELETE FROM closeloop.notices;
CREATE FUNCTION pg_temp.hold(case_number int, for_person text, kind text, held_for text, step text DEFAULT NULL, payload text DEFAULT '',
	age interval DEFAULT '0') RETURNS uuid LANGUAGE sql AS $$
	INSERT INTO closeloop.messages (id, case_id, response_id, kind, step, channel, endpoint, recipient, address, payload, dedup_key, state,
		held_for, created_at)
	SELECT gen_random_uuid(), c.id, c.response_id, hold.kind, hold.step, 'email', 'email', for_person, 'x@example.com', hold.payload,
		gen_random_uuid()::text, 'held', hold.held_for, clock_timestamp() - age
	FROM closeloop.cases AS c WHERE c.id = (SELECT id FROM c WHERE n = case_number)
	RETURNING id
$$;
CREATE FUNCTION pg_temp.release(who text, a int, u int, at timestamptz DEFAULT clock_timestamp(), f int DEFAULT -1, t int DEFAULT -1)
RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', outcome, CASE WHEN outcome = 'digest' THEN why END) FROM closeloop.digest_release(
		ARRAY[ROW(who, 'Europe/Berlin', f, t, a, u)::closeloop.alert_limits], ARRAY[md5(who)::uuid], at)
$$;
CREATE FUNCTION pg_temp.states(who text) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(state || CASE WHEN digest_id IS NOT NULL THEN '+' ELSE '' END, ' ' ORDER BY seq) FROM closeloop.messages WHERE recipient = who
$$;
-- One reminder leaves as it is, several together.
SELECT pg_temp.hold(1, 'm', 'case.reminder', 'due', 'reminder-1', 'text');
SELECT closeloop.digest_soon('{m}');
SELECT is(closeloop.digest_claim(10), 'm', 'due at once');
SELECT is(pg_temp.release('m', 10, 30), 'one', 'one reminder');
SELECT is(pg_temp.states('m'), 'queued', 'leaves as it is');
SELECT is(digest_at, NULL, 'and nothing is left') FROM closeloop.alert_budgets WHERE person = 'm';
SELECT is(cardinality(left_at), 1, 'it counts') FROM closeloop.alert_budgets WHERE person = 'm';
SELECT pg_temp.hold(2, 'm', 'case.reminder', 'due', 'reminder-1', 'text'), pg_temp.hold(3, 'm', 'case.escalated', 'due', 'boss', 'text');
SELECT closeloop.digest_soon('{m}');
SELECT is(pg_temp.release('m', 10, 30), 'digest due', 'two are one mail');
SELECT is(pg_temp.states('m'), 'queued held+ held+', 'bound to the digest');
SELECT results_eq($$SELECT kind, total::int, overdue::int FROM closeloop.digest_lines(md5('m')::uuid, 'UTC', 50)$$,
	$$VALUES ('case.reminder', 2, 0), ('case.escalated', 2, 0)$$, 'its lines, worst first');

-- The digest ends, and what is bound to it ends as it did.
INSERT INTO closeloop.messages (id, kind, channel, endpoint, recipient, payload, dedup_key)
	VALUES (md5('m')::uuid, 'digest', 'email', 'email', 'x', 'p', 'digest-m');
SELECT results_eq('SELECT * FROM closeloop.digest_end_bound(100)', 'VALUES (0::bigint, 1::bigint)', 'the digest is on its way');
UPDATE closeloop.messages SET state = 'sent', sent_at = now() WHERE dedup_key = 'digest-m';
SELECT results_eq('SELECT * FROM closeloop.digest_end_bound(1)', 'VALUES (1::bigint, 0::bigint)', 'one at a time');
SELECT results_eq('SELECT * FROM closeloop.digest_end_bound(100)', 'VALUES (1::bigint, 0::bigint)', 'and the rest');
SELECT is(pg_temp.states('m'), 'queued sent+ sent+', 'sent as the digest was');
SELECT is(count(*)::int, 0, 'sent has its time') FROM closeloop.messages WHERE state = 'sent' AND sent_at IS NULL;

-- One that is refused: its cases go on to the next person.
SELECT pg_temp.hold(1, 'n', 'case.opened', 'budget'), pg_temp.hold(2, 'n', 'case.opened', 'budget');
SELECT closeloop.digest_soon('{n}');
SELECT is(pg_temp.release('n', 10, 30), 'digest budget', 'two alerts that were over budget');
INSERT INTO closeloop.messages (id, kind, channel, endpoint, recipient, payload, dedup_key, state, last_error)
	VALUES (md5('n')::uuid, 'digest', 'email', 'email', 'n2', 'p', 'digest-n', 'failed', '550 no such user');
SELECT is(ended::int, 2, 'end with it') FROM closeloop.digest_end_bound(100);
SELECT is(pg_temp.states('n'), 'failed+ failed+', 'undelivered');
SELECT is(count(*)::int, 2, 'each is a notice') FROM closeloop.notices WHERE kind = 'undelivered';
SELECT ok(handed_on, 'and the digest is done with') FROM closeloop.messages WHERE dedup_key = 'digest-n';
DELETE FROM closeloop.notices;

-- Alone, but never rendered: a digest of one.
SELECT pg_temp.hold(1, 'o', 'case.opened', 'quiet');
SELECT closeloop.digest_soon('{o}');
SELECT is(pg_temp.release('o', 10, 30), 'digest quiet', 'a mail that was never rendered becomes a digest');

-- What was done meanwhile is no longer asked for.
SELECT pg_temp.hold(4, 'p', 'case.opened', 'budget'), pg_temp.hold(5, 'p', 'case.opened', 'budget'), pg_temp.hold(5, 'p', 'case.reminder', 'due', 'warning'),
	pg_temp.hold(6, 'p', 'case.outcome', 'budget'), pg_temp.hold(4, 'p', 'case.escalated', 'due', 'boss'), pg_temp.hold(4, 'p', 'case.escalated', 'due', 'head');
INSERT INTO closeloop.case_events (case_id, actor, kind, details)
	SELECT id, 'daemon', 'escalated', jsonb_build_object('step', s, 'condition', w) FROM c, (VALUES ('boss', 'unacknowledged'), ('head', 'unresolved')) AS x (s, w) WHERE n = 4;
UPDATE closeloop.cases SET status = 'acknowledged', acknowledged_at = clock_timestamp(), acknowledged_by = 'p' WHERE id IN (SELECT id FROM c WHERE n IN (4, 5));
UPDATE closeloop.cases SET status = 'closed', closed_at = now(), resolved_at = now() WHERE id = (SELECT id FROM c WHERE n = 6);
SELECT is(pg_temp.release('p', 10, 30), 'digest budget', 'the rest leaves');
SELECT is(pg_temp.states('p'), 'cancelled cancelled held+ held+ cancelled held+', 'acknowledged: no alert, no escalation of it; the promise to solve still counts, and so does news');
SELECT is(count(*)::int, 3, 'a reason is given') FROM closeloop.messages WHERE recipient = 'p' AND last_error LIKE 'somebody acted%';
SELECT pg_temp.hold(5, 'p2', 'case.opened', 'budget', age => '5 minutes');
UPDATE closeloop.cases SET acknowledged_at = clock_timestamp() - interval '10 minutes' WHERE id = (SELECT id FROM c WHERE n = 5);
SELECT is(pg_temp.release('p2', 10, 30), 'digest budget', 'what was acknowledged before it was written is told');
SELECT pg_temp.hold(6, 'p3', 'case.opened', 'budget');
SELECT is(pg_temp.release('p3', 10, 30), 'nothing', 'nothing is left to tell');
SELECT is(pg_temp.states('p3'), 'cancelled', 'so nothing is told');

-- No room: looked at again when there is.
SELECT pg_temp.take('t', 1, 1, 'n', clock_timestamp()::text);
SELECT pg_temp.hold(1, 't', 'case.reminder', 'due', 'reminder-1', 'text'), pg_temp.hold(2, 't', 'case.reminder', 'due', 'reminder-1', 'text');
SELECT closeloop.digest_soon('{t}');
SELECT is(pg_temp.release('t', 1, 1), 'nothing', 'the budget is used up');
SELECT ok(digest_at BETWEEN now() + interval '59 minutes' AND now() + interval '61 minutes', 'in an hour') FROM closeloop.alert_budgets WHERE person = 't';
SELECT is(pg_temp.release('t', 1, 1, clock_timestamp() + interval '61 minutes'), 'digest due', 'then');
SELECT pg_temp.take('t2', 1, 1, 'n', clock_timestamp()::text), pg_temp.hold(1, 't2', 'case.opened', 'budget');
SELECT is(pg_temp.release('t2', 1, 1), 'nothing', 'no room');
SELECT closeloop.digest_now('{t2}');
SELECT is(pg_temp.release('t2', 1, 1), 'digest budget', 'but somebody wants it now');
-- Urgent mails may use the budget up for ever: nobody waits longer than an hour.
SELECT pg_temp.hold(1, 'u', 'case.opened', 'budget', age => '61 minutes');
SELECT pg_temp.take('u', 1, 5, 'uuu', clock_timestamp()::text);
SELECT is(pg_temp.release('u', 1, 5), 'digest budget', 'an hour is enough');
-- Quiet hours that begin meanwhile.
SELECT pg_temp.hold(1, 'v', 'case.opened', 'budget'), pg_temp.hold(2, 'v', 'case.opened', 'budget');
UPDATE closeloop.cases SET priority = 'urgent' WHERE id = (SELECT id FROM c WHERE n = 2);
SELECT is(pg_temp.release('v', 9, 9, clock_timestamp(), 0, 1440), 'digest budget', 'urgent passes quiet hours');
SELECT is(pg_temp.states('v'), 'held held+', 'the other waits');
SELECT ok(digest_at > now() AND spent, 'until their end, and may not be overtaken') FROM closeloop.alert_budgets WHERE person = 'v';
-- Asked for as a digest: not before the full hour.
SELECT pg_temp.hold(1, 'w', 'case.opened', 'digest');
SELECT is(pg_temp.release('w', 9, 9), 'nothing', 'the hour isn''t over');
SELECT is(digest_at, closeloop.full_hour_after(now(), 'Europe/Berlin'), 'then') FROM closeloop.alert_budgets WHERE person = 'w';
SELECT is(pg_temp.release('w', 9, 9, clock_timestamp() + interval '1 hour'), 'digest asked', 'and now it is');
-- The mail server is paused: it gets longer, and is still one mail.
INSERT INTO closeloop.endpoints (name, paused) VALUES ('email', true);
SELECT pg_temp.hold(1, 'x', 'case.opened', 'budget');
SELECT is(pg_temp.release('x', 9, 9), 'nothing', 'nothing can leave');
SELECT ok(digest_at BETWEEN now() AND now() + interval '1 minute', 'looked at again soon') FROM closeloop.alert_budgets WHERE person = 'x';
DELETE FROM closeloop.endpoints;

-- One digest at a time: while the mail server doesn't take it, the next one gets longer.
SELECT is(pg_temp.release('x', 9, 9), 'digest budget', 'the first');
INSERT INTO closeloop.messages (id, kind, channel, endpoint, recipient, payload, dedup_key) VALUES (md5('x')::uuid, 'digest', 'email', 'email', 'x', 'p', 'digest-x');
SELECT pg_temp.hold(2, 'x', 'case.opened', 'budget'), pg_temp.hold(3, 'x', 'case.opened', 'budget');
SELECT is(pg_temp.release('x', 9, 9), 'nothing', 'the second waits');
UPDATE closeloop.messages SET state = 'sent', sent_at = now() WHERE dedup_key = 'digest-x';
SELECT is(pg_temp.release('x', 9, 9), 'digest budget', 'until the first has left');

-- Nobody knows him any more.
SELECT pg_temp.hold(1, 'y', 'case.opened', 'budget'), pg_temp.hold(2, 'y', 'case.opened', 'quiet');
SELECT is(closeloop.digest_disown('y'), 2, 'both go on to the next person');
SELECT is(pg_temp.states('y') || count(*), 'failed failed2', 'as undelivered') FROM closeloop.notices WHERE kind = 'undelivered';

-- Cancelled with its case, after an undo it waits again: somebody looks.
SELECT pg_temp.hold(3, 'z', 'case.opened', 'budget') AS z \gset
SELECT FROM closeloop.case_transition((SELECT id FROM c WHERE n = 3), 'dismiss', 'm', 'test');
SELECT is(pg_temp.states('z'), 'cancelled', 'the case no longer stands');
SELECT FROM closeloop.case_transition((SELECT id FROM c WHERE n = 3), 'undo', 'm');
SELECT is(pg_temp.states('z'), 'held', 'it stands again');
SELECT cmp_ok(closeloop.digest_find(), '>=', 1, 'and is found');
SELECT ok(digest_at <= clock_timestamp(), 'to be looked at now') FROM closeloop.alert_budgets WHERE person = 'z';
SELECT is(closeloop.digest_find(), 0, 'once');

-- ---- mornings ----

CREATE FUNCTION pg_temp.morning(at text) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(p, ' ' ORDER BY p), '') FROM closeloop.morning_claim('{kim,otto}', '{Asia/Seoul,Europe/Berlin}', '{510,480}', 10, at::timestamptz) AS p
$$;
SELECT is(pg_temp.morning('2027-03-02 08:29+09'), '', 'before 08:30 in Seoul');
SELECT is(pg_temp.morning('2027-03-02 08:30+09'), 'kim', 'good morning');
SELECT is(pg_temp.morning('2027-03-02 08:31+09'), '', 'once a day');
SELECT is(pg_temp.morning('2027-03-02 10:59+01'), 'otto', 'two hours late: still');
SELECT is(pg_temp.morning('2027-03-03 11:30+09'), '', 'three hours late: not any more');
SELECT is(pg_temp.morning('2027-03-04 08:30+09'), 'kim', 'the next day');
UPDATE closeloop.cases SET owner = 'nn';
UPDATE closeloop.cases SET owner = 'kim', status = 'open', acknowledged_at = NULL, acknowledged_by = NULL, closed_at = NULL, resolved_at = NULL,
	waiting_since = CASE WHEN n = 5 THEN now() END, waiting_until = CASE WHEN n = 5 THEN now() END, priority = CASE WHEN n = 3 THEN 'urgent' ELSE 'normal' END::closeloop.priority,
	acknowledge_due_at = d.a::timestamptz, resolve_due_at = d.r::timestamptz
FROM (VALUES (1, '2027-03-02 08:00+09', '2027-03-02 14:00+09'), (2, '2027-03-02 14:00+09', '2027-03-03 14:00+09'), (3, '2027-03-02 23:59+09', NULL),
	(4, '2027-03-03 00:00+09', NULL)) AS d (n, a, r) JOIN c USING (n) WHERE cases.id = c.id;
SELECT results_eq($$SELECT n::int, l.total::int, l.due_today::int, l.overdue::int FROM closeloop.morning_lines('kim', 'Asia/Seoul', 50, '2027-03-02 08:30+09') WITH ORDINALITY AS l JOIN c ON c.id = l.case_id ORDER BY l.ordinality$$,
	'VALUES (1, 3, 2, 1), (3, 3, 2, 1), (2, 3, 2, 1)', 'overdue and due today, the overdue first, then the worst');
SELECT is_empty($$SELECT * FROM closeloop.morning_lines('otto', 'Asia/Seoul', 50, '2027-03-02 08:30+09')$$, 'nothing, so no mail');
SELECT * FROM finish();
ROLLBACK;
