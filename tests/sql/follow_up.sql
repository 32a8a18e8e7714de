-- Promises come due: what the sweep does, when, and once. Time passes by moving all rows into the past.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

CREATE FUNCTION pg_temp.v(definition jsonb) RETURNS int LANGUAGE sql AS $$ SELECT closeloop.follow_up_version('{"name": "f"}' || definition) $$;
CREATE FUNCTION pg_temp.opened(version int, owner text DEFAULT 'minsu') RETURNS bigint LANGUAGE sql AS $$
	WITH r AS (INSERT INTO closeloop.responses (nps) VALUES (2) RETURNING id)
	INSERT INTO closeloop.cases (response_id, owner, follow_up_version, acknowledge_due_at, resolve_due_at, next_action_at)
	SELECT r.id, opened.owner, version, k.* FROM r CROSS JOIN closeloop.case_opening_clocks(version, opened.owner, now()) AS k RETURNING id
$$;
CREATE FUNCTION pg_temp.go(c bigint, action text, note text DEFAULT NULL, details jsonb DEFAULT '{}', actor text DEFAULT 'minsu')
	RETURNS closeloop.cases LANGUAGE sql AS $$ SELECT closeloop.case_transition(c, action, actor, note, details) $$;
CREATE FUNCTION pg_temp.pass(by interval) RETURNS void LANGUAGE sql AS $$
	UPDATE closeloop.cases SET opened_at = opened_at - by, acknowledged_at = acknowledged_at - by, first_action_at = first_action_at - by,
		contacted_at = contacted_at - by, resolved_at = resolved_at - by, closed_at = closed_at - by, assigned_at = assigned_at - by,
		acknowledge_due_at = acknowledge_due_at - by, resolve_due_at = resolve_due_at - by, next_action_at = next_action_at - by,
		waiting_since = waiting_since - by, waiting_until = waiting_until - by, reopened_at = reopened_at - by, warned_at = warned_at - by;
	UPDATE closeloop.case_events SET at = at - by;
	UPDATE closeloop.messages SET created_at = created_at - by;
	UPDATE closeloop.notices SET created_at = created_at - by;
	UPDATE closeloop.alert_budgets SET digest_at = digest_at - by;
$$;
CREATE FUNCTION pg_temp.now(c bigint) RETURNS closeloop.cases LANGUAGE sql AS $$ SELECT t FROM closeloop.cases t WHERE id = c $$;
-- What happened to a case at this very moment by the daemon, in words.
CREATE FUNCTION pg_temp.said(c bigint) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(CASE
		WHEN e.details ? 'n' THEN format('reminded %s of %s', e.details ->> 'n', e.details ->> 'of')
		WHEN e.details ? 'warning' THEN 'warned'
		WHEN e.kind = 'escalated' THEN format('%s: %s, %s', e.details ->> 'step', e.details ->> 'target', e.details ->> 'condition')
		WHEN e.details ? 'waiting_over' THEN 'back, ' || e.kind
		ELSE e.kind || coalesce(': ' || e.note, '') END, '; ' ORDER BY e.id), '')
	FROM closeloop.case_events AS e WHERE e.case_id = c AND e.at = now() AND e.actor = 'daemon'
$$;
-- Time passes, the sweep comes by until it finds nothing: what it did, and when it will look again.
CREATE FUNCTION pg_temp.later(c bigint, by interval) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM pg_temp.pass(by);
	FOR i IN 1 .. 10 LOOP
		EXIT WHEN closeloop.follow_up_sweep(100) = 0;
	END LOOP;
	IF (pg_temp.now(c)).next_action_at IS DISTINCT FROM closeloop.case_next_action(pg_temp.now(c))
		AND coalesce(closeloop.case_next_action(pg_temp.now(c)) > now(), true) THEN
		RETURN 'next action is not the next of the agenda';
	END IF;
	RETURN pg_temp.said(c) || coalesce(' | in ' || ((pg_temp.now(c)).next_action_at - now()), ' | never again');
END
$$;

-- ---- versions ----
SELECT pg_temp.v('{"calendar": "owner", "acknowledge_within": "4h", "remind_at_most": 3, "escalate": [{"id": "boss", "when": "unresolved", "to": "manager"}]}') AS v \gset
SELECT is(pg_temp.v('{"escalate": [{"to": "manager", "after": "", "id": "boss", "when": "unresolved"}], "resolve_within": "", "remind_at_most": 3, "acknowledge_within": "4h", "calendar": "owner"}'),
	:v, 'the same definition is the same version, in whatever order and with empty texts for none');
SELECT is(count(*)::int, 1, 'its steps are stored once') FROM closeloop.escalation_steps WHERE version = :v;
SELECT isnt(pg_temp.v(d::jsonb), :v, 'another is another: ' || d) FROM unnest(ARRAY['{}', '{"calendar": "owner", "acknowledge_within": "4h", "remind_at_most": 3}',
	'{"calendar": "seoul", "acknowledge_within": "4h", "remind_at_most": 3, "escalate": [{"id": "boss", "when": "unresolved", "to": "manager"}]}',
	'{"calendar": "owner", "acknowledge_within": "4h", "remind_at_most": 3, "escalate": [{"id": "boss", "when": "unresolved", "after": "1d", "to": "manager"}]}']) AS d;
SELECT row_eq(format('SELECT name, calendar, acknowledge_within::text, resolve_within::text, remind_at_most FROM closeloop.follow_up_versions WHERE id = %s', :v),
	ROW('f'::text, 'owner'::text, '4h'::text, NULL::text, 3), 'as it was given');
SELECT throws_ok(format('SELECT pg_temp.v(%L)', d), '23514', NULL, 'no version: ' || d) FROM unnest(ARRAY['{"acknowledge_within": "soon"}', '{"name": " "}',
	'{"escalate": [{"id": "a", "when": "bored", "to": "manager"}]}', '{"escalate": [{"id": "a", "when": "unresolved", "to": ""}]}']) AS d;
SELECT throws_ok(format('SELECT pg_temp.v(%L)', '{"escalate": [{"id": "a", "when": "unresolved", "to": "x"}, {"id": "a", "when": "unresolved", "to": "y"}]}'),
	'23505', NULL, 'steps have names of their own');
SELECT is(closeloop.promise_times(p, n)::text, x, format('%s times %s', n, p)) FROM (VALUES ('4h', 1, '4h'), ('4h', 3, '12h'), ('999999999d', 2, NULL), ('1w', 100, '100w')) AS t (p, n, x);

-- ---- a case that nobody looks at ----
SELECT pg_temp.v('{"acknowledge_within": "4h", "resolve_within": "2d", "warn_before": "4h", "remind_every": "1h", "remind_at_most": 3, "close_after": "7d",
	"expire_after": "14d", "escalate": [{"id": "boss", "when": "unacknowledged", "to": "manager"}, {"id": "early", "when": "unacknowledged", "after": "150m", "to": "team:a"},
	{"id": "head", "when": "unresolved", "to": "person:jiwoo"}, {"id": "late", "when": "unresolved", "after": "5d", "to": "owner"}]}') AS v \gset
SELECT row_eq(format('SELECT acknowledge_due_at - now(), resolve_due_at - now(), next_action_at - now() FROM closeloop.case_opening_clocks(%s, NULL, now())', :v),
	ROW(interval '4 hours', interval '2 days', interval '1 hour'), 'due times of a case that opens');
SELECT row_eq('SELECT * FROM closeloop.case_opening_clocks(NULL, ''minsu'', now())', ROW(NULL::timestamptz, NULL::timestamptz, NULL::timestamptz), 'without promises there are none');
SELECT pg_temp.opened(:v) AS c \gset
SELECT results_eq(format('SELECT at - now(), what, n, step, condition, target FROM closeloop.case_plans(ARRAY[%s])', :c),
	$$VALUES (interval '1 hour', 'remind', 1, NULL, NULL, NULL), ('150 minutes', 'escalate', NULL, 'early', 'unacknowledged', 'team:a'),
	('4 hours', 'escalate', NULL, 'boss', 'unacknowledged', 'manager'), ('44 hours', 'warn', NULL, NULL, NULL, NULL),
	('48 hours', 'escalate', NULL, 'head', 'unresolved', 'person:jiwoo'), ('5 days', 'escalate', NULL, 'late', 'unresolved', 'owner'), ('14 days', 'expire', NULL, NULL, NULL, NULL)$$,
	'its agenda');
SELECT is(pg_temp.later(:c, '59 minutes 59 seconds'), ' | in 00:00:01', 'nothing before its time');
SELECT is(pg_temp.later(:c, '1 second'), 'reminded 1 of 3 | in 01:00:00', 'the first reminder');
SELECT is(pg_temp.later(:c, '0'), 'reminded 1 of 3 | in 01:00:00', 'once');
SELECT is(pg_temp.later(:c, '-30 minutes'), ' | in 01:30:00', 'also when the clock jumps back');
SELECT is(pg_temp.later(:c, '90 minutes'), 'reminded 2 of 3 | in 00:30:00', 'the second');
SELECT is(pg_temp.later(:c, '30 minutes'), 'early: team:a, unacknowledged | in 00:30:00', 'a step at its own time');
SELECT is(pg_temp.later(:c, '30 minutes'), 'reminded 3 of 3 | in 01:00:00', 'the last');
SELECT is(pg_temp.later(:c, '1 hour'), 'boss: manager, unacknowledged | in 1 day 16:00:00', 'a step when the promise is broken');
SELECT is((pg_temp.now(:c)).version, 1, 'a page that somebody has open is not stale by all that');
SELECT is(pg_temp.later(:c, '40 hours'), 'warned | in 04:00:00', 'a warning before the next one is');
SELECT is(pg_temp.later(:c, '4 hours'), 'head: person:jiwoo, unresolved | in 3 days', 'and a step when it is');
SELECT is(pg_temp.later(:c, '3 days'), 'late: owner, unresolved | in 9 days', 'later another');
SELECT is(pg_temp.later(:c, '9 days'), 'dismissed: expired after 14d | never again', 'then it expires');
SELECT row_eq(format('SELECT status::text, closed_at, version, fired FROM pg_temp.now(%s)', :c), ROW('dismissed'::text, now(), 2, '{early,boss,head,late}'::text[]), 'it has ended');
SELECT is(string_agg(kind, ' ' ORDER BY id), 'reminded reminded escalated reminded escalated reminded escalated escalated dismissed', 'and all of it is told')
	FROM closeloop.notices WHERE case_id = :c;
SELECT is(count(*)::int, 0, 'in the status it had') FROM closeloop.case_events WHERE case_id = :c AND kind IN ('reminded', 'escalated') AND (from_status, to_status) <> ('open', 'open');

-- ---- no daemon for a while ----
SELECT pg_temp.opened(:v) AS c \gset
SELECT is(pg_temp.later(:c, '2 hours'), 'reminded 2 of 3 | in 00:30:00', 'missed reminders make one');
SELECT pg_temp.opened(:v) AS c \gset
SELECT is(pg_temp.later(:c, '3 days'), 'reminded 3 of 3; early: team:a, unacknowledged; boss: manager, unacknowledged; warned; head: person:jiwoo, unresolved | in 2 days',
	'every step is taken, each once');
SELECT pg_temp.opened(:v) AS c \gset
SELECT is(pg_temp.later(:c, '15 days'), 'dismissed: expired after 14d | never again', 'nobody is reminded of what has expired');

-- ---- acknowledged, resolved, closed, reopened ----
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.later(:c, '1 hour');
SELECT pg_temp.go(:c, 'acknowledge');
SELECT is(pg_temp.later(:c, '10 hours'), ' | in 1 day 09:00:00', 'acknowledging stops reminders and what waits for it, not the resolve clock');
SELECT is(pg_temp.later(:c, '33 hours'), 'warned | in 04:00:00', 'of which its owner is warned');
SELECT pg_temp.go(:c, 'resolve');
SELECT is(pg_temp.later(:c, '6 days'), ' | in 1 day', 'what is solved escalates no more');
SELECT is(pg_temp.later(:c, '1 day'), 'closed: 7d after it was resolved | never again', 'and closes by itself');
SELECT row_eq(format('SELECT status::text, closed_at FROM pg_temp.now(%s)', :c), ROW('closed'::text, now()), 'closed');
SELECT pg_temp.pass('20 days');
SELECT pg_temp.go(:c, 'reopen');
SELECT row_eq(format('SELECT reminded, warned_at, fired, outcome FROM pg_temp.now(%s)', :c), ROW(0, NULL::timestamptz, '{}'::text[], NULL::closeloop.outcome), 'a new round');
SELECT is(pg_temp.later(:c, '4 hours'), 'reminded 3 of 3; early: team:a, unacknowledged; boss: manager, unacknowledged | in 1 day 16:00:00', 'in which everything counts from the reopening');
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.go(:c, 'dismiss', 'x');
SELECT is(pg_temp.later(:c, '30 days'), ' | never again', 'what was dismissed stays so');

-- ---- waiting ----
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.pass('30 minutes');
SELECT pg_temp.go(:c, 'wait', details => jsonb_build_object('until', now() + interval '10 days'));
SELECT is(pg_temp.later(:c, '9 days'), ' | in 1 day', 'while it waits nothing happens');
SELECT is(pg_temp.later(:c, '1 day'), 'back, acknowledged | in 1 day 19:30:00', 'it comes back by itself');
SELECT row_eq(format('SELECT status::text, waiting_since, waiting_until, waited, resolve_due_at - now() FROM pg_temp.now(%s)', :c),
	ROW('acknowledged'::text, NULL::timestamptz, NULL::timestamptz, interval '10 days', interval '1 day 23:30:00'), 'with the time that was left to solve it');
SELECT is(string_agg(n.kind, ' '), 'acknowledged', 'and its owner is told') FROM closeloop.notices AS n JOIN closeloop.case_events AS e ON e.id = n.event_id
	WHERE n.case_id = :c AND e.at = now() AND e.actor = 'daemon';
SELECT results_eq(format('SELECT what, at - now() FROM closeloop.case_plans(ARRAY[%s])', :c),
	$$VALUES ('warn', interval '1 day 19:30:00'), ('escalate', '1 day 23:30:00'), ('escalate', '4 days 23:30:00'), ('expire', '13 days 23:30:00')$$,
	'what counts from the opening doesn''t count the waiting');
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.go(:c, 'start');
SELECT pg_temp.go(:c, 'wait', details => jsonb_build_object('until', now() + interval '1 hour'));
SELECT pg_temp.go(:c, 'note', 'x');
SELECT is(pg_temp.later(:c, '3 hours'), 'back, started | in 1 day 20:00:00', 'what was in progress is so again, late or not');
SELECT is((pg_temp.now(:c)).version, 5, 'somebody who had the page open is told that it moved');
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.go(:c, 'start');
SELECT pg_temp.pass('50 hours');
SELECT pg_temp.go(:c, 'wait', details => jsonb_build_object('until', now() + interval '5 hours'));
SELECT is(pg_temp.later(:c, '5 hours'), 'back, started; warned; head: person:jiwoo, unresolved | in 2 days 22:00:00', 'what was broken before it waited is told after');

-- ---- hand-overs ----
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.later(:c, '150 minutes');
SELECT pg_temp.go(:c, 'assign', details => '{"to": "jiwoo"}');
DELETE FROM closeloop.notices;
SELECT row_eq(format('SELECT reminded, fired, acknowledge_due_at - now(), resolve_due_at - now() FROM pg_temp.now(%s)', :c),
	ROW(0, '{early}'::text[], interval '4 hours', interval '45 hours 30 minutes'), 'the new owner''s clock begins, the customer''s goes on');
SELECT is(pg_temp.later(:c, '1 hour'), 'reminded 1 of 3 | in 01:00:00', 'reminders begin again');
SELECT row_eq(format('SELECT reminded FROM pg_temp.go(%s, ''assign'', details => ''{"to": "tono"}'')', :c), ROW(0), 'with each');
SELECT row_eq(format('SELECT reminded, owner FROM pg_temp.go(%s, ''undo'')', :c), ROW(1, 'jiwoo'::text), 'unless that is undone');
SELECT is((pg_temp.now(:c)).next_action_at - now(), interval '1 hour', 'then they go on as before');
SELECT is(pg_temp.later(:c, '3 hours'), 'reminded 3 of 3; boss: manager, unacknowledged | in 1 day 13:30:00', 'a step is taken once a round, whoever owns it');
SELECT pg_temp.opened(:v) AS c \gset
SELECT pg_temp.go(:c, 'acknowledge');
SELECT pg_temp.pass('10 hours');
SELECT pg_temp.go(:c, 'assign', details => '{"to": "jiwoo"}');
DELETE FROM closeloop.notices;
SELECT results_eq(format('SELECT what, step, at - now() FROM closeloop.case_plans(ARRAY[%s]) LIMIT 3', :c),
	$$VALUES ('remind', NULL, interval '1 hour'), ('escalate', 'boss', '4 hours'), ('escalate', 'early', '4 hours')$$,
	'a step whose time came while it was acknowledged isn''t held against who gets it later');

-- ---- the owner's alert has not left yet ----
CREATE FUNCTION pg_temp.mail(c bigint, state text, recipient text DEFAULT 'minsu', kind text DEFAULT 'case.opened') RETURNS void LANGUAGE sql AS $$
	INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, payload, dedup_key, state, created_at)
	VALUES (gen_random_uuid(), c, kind, 'email', 'email', recipient, '', gen_random_uuid(), state::closeloop.message_state, now())
$$;
CREATE FUNCTION pg_temp.waits(states text[], recipients text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c bigint := pg_temp.opened(pg_temp.v('{"remind_every": "1h", "remind_at_most": 3}'));
BEGIN
	FOR i IN 1 .. cardinality(states) LOOP
		PERFORM pg_temp.mail(c, states[i], recipients[i]);
	END LOOP;
	RETURN pg_temp.later(c, '1 hour');
END
$$;
SELECT is(pg_temp.waits(s, r), x, format('mails %s to %s', s, r)) FROM (VALUES
	('{}'::text[], '{}'::text[], 'reminded 1 of 3 | in 01:00:00'),
	('{sent}', '{minsu}', 'reminded 1 of 3 | in 01:00:00'), ('{failed}', '{minsu}', 'reminded 1 of 3 | in 01:00:00'),
	('{dead}', '{minsu}', 'reminded 1 of 3 | in 01:00:00'), ('{cancelled}', '{minsu}', 'reminded 1 of 3 | in 01:00:00'),
	('{queued}', '{minsu}', ' | in 00:00:30'), ('{leased}', '{minsu}', ' | in 00:00:30'), ('{held}', '{minsu}', ' | in 00:00:30'),
	('{sent,queued}', '{minsu,jiwoo}', 'reminded 1 of 3 | in 01:00:00'), ('{sent,queued}', '{jiwoo,minsu}', ' | in 00:00:30'),
	('{queued}', '{jiwoo}', ' | in 00:00:30'), ('{sent}', '{jiwoo}', 'reminded 1 of 3 | in 01:00:00'),
	('{sent,queued}', '{minsu,minsu}', ' | in 00:00:30')) AS t (s, r, x);
INSERT INTO closeloop.alert_budgets (person, digest_at) VALUES ('hanna', now() + interval '50 minutes');
SELECT pg_temp.opened(pg_temp.v('{"remind_every": "5m", "remind_at_most": 9, "expire_after": "35m", "escalate": [{"id": "a", "when": "unresolved", "after": "10m", "to": "manager"}]}'), 'hanna') AS c \gset
SELECT pg_temp.mail(:c, 'held', 'hanna');
SELECT is(pg_temp.later(:c, '20 minutes'), ' | in 00:15:00', 'what is held waits for its digest, but expires in time');
UPDATE closeloop.cases SET follow_up_version = pg_temp.v('{"remind_every": "5m", "remind_at_most": 9, "escalate": [{"id": "a", "when": "unresolved", "after": "10m", "to": "manager"}]}') WHERE id = :c;
SELECT is(pg_temp.later(:c, '15 minutes'), ' | in 00:15:00', 'until the digest');
UPDATE closeloop.messages SET state = 'sent' WHERE case_id = :c;
SELECT is(pg_temp.later(:c, '15 minutes'), 'reminded 9 of 9; a: manager, unresolved | never again', 'then all that was due');
SELECT pg_temp.opened(pg_temp.v('{"remind_every": "3s", "remind_at_most": 3, "acknowledge_within": "5s", "escalate": [{"id": "a", "when": "unacknowledged", "to": "manager"}]}')) AS c \gset
SELECT pg_temp.mail(:c, 'queued');
SELECT is(pg_temp.later(:c, '3 seconds'), ' | in 00:00:03', 'promises of seconds are looked at after seconds');
UPDATE closeloop.messages SET state = 'sent' WHERE case_id = :c;
SELECT is(pg_temp.later(:c, '3 seconds'), 'reminded 2 of 3; a: manager, unacknowledged | in 00:00:03', 'and kept');
SELECT pg_temp.go(:c, 'assign', details => '{"to": "jiwoo"}');
UPDATE closeloop.notices SET created_at = now();
SELECT is(pg_temp.later(:c, '4 seconds'), ' | in 00:00:04', 'a hand-over that nobody was told of yet counts as an alert that waits');
DELETE FROM closeloop.notices WHERE case_id = :c;
SELECT is(pg_temp.later(:c, '4 seconds'), 'reminded 2 of 3 | in 00:00:01', 'when it was told, reminders go on');

-- ---- at most so many at once; the longest due first ----
UPDATE closeloop.cases SET next_action_at = NULL;
SELECT pg_temp.v('{"remind_every": "10m", "remind_at_most": 1}') AS v \gset
SELECT pg_temp.opened(:v) AS c1 \gset
SELECT pg_temp.pass('5 minutes');
SELECT pg_temp.opened(:v) AS c2 \gset
SELECT pg_temp.opened(:v) AS c3 \gset
SELECT pg_temp.pass('10 minutes');
SELECT is(closeloop.follow_up_sweep(1), 1, 'one at a time');
SELECT is(pg_temp.said(:c1), 'reminded 1 of 1', 'the longest due first');
SELECT is(closeloop.follow_up_sweep(2), 2, 'then the others');
SELECT is(closeloop.follow_up_sweep(2), 0, 'then none');

-- ---- messages of a case that ends by itself ----
SELECT pg_temp.opened(pg_temp.v('{"expire_after": "1d"}')) AS c \gset
SELECT pg_temp.mail(:c, s) FROM unnest(ARRAY['queued', 'held', 'leased', 'sent']) AS s;
SELECT is(pg_temp.later(:c, '1 day'), 'dismissed: expired after 1d | never again', 'an alert that waits doesn''t hold up the end');
SELECT is(string_agg(state::text, ' ' ORDER BY seq), 'cancelled cancelled leased sent', 'and is cancelled by it') FROM closeloop.messages WHERE case_id = :c;

-- ---- business time: open for an hour each day, half of it over now ----
SELECT date_trunc('minute', now()) - interval '30 minutes' AS opens \gset
CREATE FUNCTION pg_temp.calendar(opens timestamptz, minutes int) RETURNS boolean LANGUAGE sql AS $$
	SELECT closeloop.clocks_replace(jsonb_build_array(jsonb_build_object('name', 'short', 'timezone', 'UTC', 'holidays', '[]'::jsonb, 'hours',
		(SELECT jsonb_agg(jsonb_build_array(d, m, m + minutes)) FROM generate_series(1, 7) AS d))),
		'[{"person": "", "timezone": "UTC"}, {"person": "minsu", "timezone": "UTC", "calendar": "short"}, {"person": "jiwoo", "timezone": "UTC"}]')
	FROM (SELECT extract(hour FROM opens AT TIME ZONE 'UTC')::int * 60 + extract(minute FROM opens AT TIME ZONE 'UTC')::int AS m) AS t
$$;
SELECT ok(pg_temp.calendar(:'opens', 60), 'a calendar');
SELECT pg_temp.v('{"calendar": "owner", "acknowledge_within": "15m", "resolve_within": "1h", "remind_every": "10m", "remind_at_most": 4, "escalate": [{"id": "a", "when": "unresolved", "to": "manager"}]}') AS v \gset
SELECT pg_temp.opened(:v) AS c \gset
SELECT row_eq(format('SELECT acknowledge_due_at - now(), resolve_due_at - %L, next_action_at - now() FROM pg_temp.now(%s)', :'opens', :c),
	ROW(interval '15 minutes', interval '24 hours' + (now() - :'opens'), interval '10 minutes'), 'half an hour today, half an hour tomorrow');
SELECT results_eq(format('SELECT closeloop.promise_due(now(), closeloop.promise_times(''9m'', n), ''owner'', ''minsu'') < now() + interval ''1 hour'' FROM generate_series(1, 4) AS n'),
	'VALUES (true), (true), (true), (false)', 'reminders keep to the hours');
SELECT row_eq(format('SELECT acknowledge_due_at - now(), resolve_due_at - now() FROM pg_temp.go(%s, ''assign'', details => ''{"to": "jiwoo"}'')', :c),
	ROW(interval '15 minutes', interval '1 hour'), 'the owner''s calendar is that of the owner of now');
SELECT row_eq(format('SELECT resolve_due_at - %L FROM pg_temp.go(%s, ''undo'')', :'opens', :c), ROW(interval '24 hours' + (now() - :'opens')), 'also backwards');
DELETE FROM closeloop.notices;
SELECT pg_temp.go(:c, 'wait', details => jsonb_build_object('until', now() + interval '30 days'));
UPDATE closeloop.cases SET waiting_since = now() - interval '10 minutes', waiting_until = now(), next_action_at = now() WHERE id = :c;
SELECT closeloop.open_time(waiting_since, resolve_due_at, 'owner', 'minsu') AS was_left FROM closeloop.cases WHERE id = :c \gset
SELECT closeloop.follow_up_sweep(10);
SELECT row_eq(format('SELECT status::text, waited, closeloop.open_time(now(), resolve_due_at, ''owner'', ''minsu'') FROM pg_temp.now(%s)', :c),
	ROW('acknowledged'::text, interval '10 minutes', interval :'was_left'), 'the open time that was left is left');

-- ---- calendars change ----
SELECT pg_temp.opened(:v) AS c \gset
SELECT :c - 1 AS after \gset
SELECT pg_temp.opened(pg_temp.v('{"acknowledge_within": "1d", "resolve_within": "2d"}')) AS wall \gset
SELECT pg_temp.opened(:v) AS ack \gset
SELECT pg_temp.go(:ack, 'acknowledge');
SELECT pg_temp.opened(:v) AS solved \gset
SELECT pg_temp.go(:solved, 'resolve');
UPDATE closeloop.cases SET fired = '{a}', reminded = 2 WHERE id = :c;
UPDATE closeloop.cases AS t SET next_action_at = closeloop.case_next_action(t) WHERE id = :c;
SELECT row_eq(format('SELECT moved, last_id IS NOT NULL FROM closeloop.follow_up_recompute(%s, 1000)', :after), ROW(0, true), 'nothing moves while nothing has changed');
SELECT ok(pg_temp.calendar(:'opens', 120), 'the calendar is longer');
SELECT ok(NOT pg_temp.calendar(:'opens', 120), 'once');
SELECT is((SELECT resolve_due_at FROM closeloop.cases WHERE id = :c) - :'opens', interval '24 hours' + (now() - :'opens'), 'due times stay until they are computed anew');
SELECT moved, last_id FROM closeloop.follow_up_recompute(:after, 1000) \gset
SELECT is(:moved, 2, 'two move');
SELECT row_eq(format('SELECT resolve_due_at - now(), acknowledge_due_at - now(), fired, reminded FROM pg_temp.now(%s)', :c),
	ROW(interval '1 hour', interval '15 minutes', '{a}'::text[], 2), 'to where they are due now; what was done stays done');
SELECT is((pg_temp.now(:ack)).resolve_due_at - now(), interval '1 hour', 'an acknowledged one too');
SELECT is((pg_temp.now(:wall)).resolve_due_at - now(), interval '2 days', 'without a calendar nothing moves');
SELECT is((pg_temp.now(:solved)).resolve_due_at - :'opens', interval '24 hours' + (now() - :'opens'), 'nor what is solved');
SELECT row_eq(format('SELECT moved, last_id FROM closeloop.follow_up_recompute(%s, 1000)', :last_id), ROW(0, NULL::bigint), 'and there are no more');
SELECT row_eq(format('SELECT moved FROM closeloop.follow_up_recompute(%s, 1000)', :after), ROW(0), 'nor a second time');
SELECT pg_temp.calendar(:'opens', 60);
SELECT row_eq(format('SELECT moved, last_id FROM closeloop.follow_up_recompute(%s, 1)', :c - 1), ROW(1, :c::bigint), 'in batches');

-- ---- by index, however many are open ----
INSERT INTO closeloop.responses (nps) SELECT 3 FROM generate_series(1, 5000);
INSERT INTO closeloop.cases (response_id, owner, follow_up_version, next_action_at) SELECT id, 'p' || id % 50, pg_temp.v('{"remind_every": "10m", "remind_at_most": 1}'),
	now() + interval '1 hour' FROM closeloop.responses WHERE nps = 3;
UPDATE closeloop.cases SET opened_at = now() - interval '11 minutes', next_action_at = now() - interval '1 minute'
	WHERE id IN (SELECT id FROM closeloop.cases WHERE owner LIKE 'p%' ORDER BY id LIMIT 40);
ANALYZE closeloop.cases;
SELECT pg_stat_get_xact_numscans('closeloop.cases'::regclass) AS scans, pg_stat_get_xact_tuples_fetched('closeloop.cases'::regclass) AS fetched,
	pg_stat_get_xact_tuples_returned('closeloop.cases'::regclass) AS returned \gset
SELECT is(closeloop.follow_up_sweep(500), 40, 'forty of five thousand are due');
SELECT is(pg_stat_get_xact_numscans('closeloop.cases'::regclass), :scans::bigint, 'cases are not read through');
SELECT ok(pg_stat_get_xact_tuples_fetched('closeloop.cases'::regclass) - :fetched < 40 * 6, 'only those that are due are looked at');
SELECT is(pg_stat_get_xact_tuples_returned('closeloop.cases'::regclass), :returned::bigint, 'none is looked at in passing');
SELECT * FROM finish();
ROLLBACK;
