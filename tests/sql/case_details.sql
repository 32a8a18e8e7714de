-- What each action stamps, needs and leaves alone: clocks, hand-overs, waiting, messages, undo.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

-- A case opened an hour ago: acknowledge within 4 h, resolve within 2 days, and somebody is told if not.
CREATE TEMP TABLE version AS SELECT closeloop.follow_up_version('{"name": "standard", "acknowledge_within": "4h", "resolve_within": "2d",
	"escalate": [{"id": "boss", "when": "unacknowledged", "to": "manager"}, {"id": "head", "when": "unresolved", "to": "person:jiwoo"}]}') AS id;
CREATE FUNCTION pg_temp.opened() RETURNS bigint LANGUAGE sql AS $$
	WITH r AS (INSERT INTO closeloop.responses (nps) VALUES (2) RETURNING id)
	INSERT INTO closeloop.cases (response_id, owner, opened_at, follow_up_version, acknowledge_due_at, resolve_due_at, next_action_at)
	SELECT id, 'minsu', now() - interval '1 hour', (SELECT v.id FROM version AS v), now() + interval '3 hours',
		now() + interval '47 hours', now() + interval '3 hours' FROM r RETURNING id
$$;
CREATE FUNCTION pg_temp.go(c bigint, action text, note text DEFAULT NULL, details jsonb DEFAULT '{}', actor text DEFAULT 'minsu')
	RETURNS closeloop.cases LANGUAGE sql AS $$ SELECT closeloop.case_transition(c, action, actor, note, details) $$;
CREATE FUNCTION pg_temp.refused(c bigint, action text, note text DEFAULT NULL, details jsonb DEFAULT '{}', version int DEFAULT NULL,
	actor text DEFAULT 'minsu') RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM closeloop.case_transition(c, action, actor, note, details, version);
	RETURN 'done';
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END
$$;
-- Moves a case and its events into the past, as if nobody had touched it since.
CREATE FUNCTION pg_temp.age(c bigint, by interval) RETURNS void LANGUAGE sql AS $$
	UPDATE closeloop.case_events SET at = at - by WHERE case_id = c;
	UPDATE closeloop.cases SET waiting_since = waiting_since - by, acknowledged_at = acknowledged_at - by WHERE id = c;
$$;
CREATE FUNCTION pg_temp.now(c bigint) RETURNS closeloop.cases LANGUAGE sql AS $$ SELECT t FROM closeloop.cases t WHERE id = c $$;

-- ---- acknowledge ----
SELECT pg_temp.opened() AS c \gset
SELECT row_eq(format('SELECT acknowledged_at, acknowledged_by, first_action_at, next_action_at FROM pg_temp.go(%s, ''acknowledge'')', :c),
	ROW(now(), 'minsu'::text, NULL::timestamptz, now() + interval '47 hours'),
	'acknowledging stamps who and when; the resolve clock is the next promise');
SELECT pg_temp.age(:c, '5 minutes');
SELECT row_eq(format('SELECT acknowledged_by, acknowledged_at < now(), version FROM pg_temp.go(%s, ''acknowledge'', actor => ''jiwoo'')', :c),
	ROW('minsu'::text, true, 2), 'a second one finds it done, and by whom');
SELECT is(pg_temp.refused(:c, 'acknowledge', version => 1), 'done', 'even when it comes from a stale page');
SELECT is(count(*)::int, 1, 'and leaves no second event') FROM closeloop.case_events WHERE case_id = :c;

-- ---- stale ----
SELECT is(pg_temp.refused(:c, 'start', version => 1), 'CL001', 'an earlier version is stale');
SELECT is(pg_temp.refused(:c, 'start', version => 3), 'CL001', 'so is a later one');
SELECT is(pg_temp.refused(:c, 'close', version => 1), 'CL001', 'stale is said before not allowed');
SELECT is(pg_temp.refused(:c, 'start', version => 2), 'done', 'the present one is taken');
SELECT is(pg_temp.refused(:c, 'note', 'x'), 'done', 'and none is taken');
SELECT is((pg_temp.now(:c)).version, 4, 'every change counts one up');

-- ---- start, contacted ----
SELECT pg_temp.opened() AS c \gset
SELECT row_eq(format('SELECT acknowledged_at, acknowledged_by, first_action_at, contacted_at FROM pg_temp.go(%s, ''start'')', :c),
	ROW(now(), 'minsu'::text, now(), NULL::timestamptz), 'who starts has acknowledged');
SELECT pg_temp.opened() AS c \gset
SELECT row_eq(format('SELECT status::text, acknowledged_at, first_action_at, contacted_at FROM pg_temp.go(%s, ''contacted'', details => ''{"how": "phone", "reached": false}'')', :c),
	ROW('acknowledged'::text, now(), now(), NULL::timestamptz), 'a call that nobody took is a first action, not a contact');
SELECT row_eq(format('SELECT status::text, contacted_at FROM pg_temp.go(%s, ''contacted'', details => ''{"how": "visit", "reached": true}'')', :c),
	ROW('in_progress'::text, now()), 'a customer who was reached is contacted');
SELECT is(details - 'before', '{"how": "visit", "reached": true}'::jsonb, 'the event says how')
	FROM closeloop.case_events WHERE case_id = :c ORDER BY id DESC LIMIT 1;
SELECT pg_temp.opened() AS c \gset
SELECT is(pg_temp.refused(:c, 'contacted', details => d::jsonb), 'CL002', 'contacted with ' || d)
	FROM unnest(ARRAY['{}', '{"how": "phone"}', '{"reached": true}', '{"how": "pigeon", "reached": true}',
		'{"how": "phone", "reached": "yes"}']) AS d;

-- ---- calls that reached nobody, hand-overs that reached nobody ----
SELECT pg_temp.opened() AS c \gset
SELECT pg_temp.go(:c, 'contacted', details => '{"how": "phone", "reached": false}') FROM generate_series(1, 3);
SELECT pg_temp.go(:c, 'start');
SELECT row_eq(format('SELECT status::text, unreached, contacted_at FROM pg_temp.go(%s, ''contacted'', details => ''{"how": "phone", "reached": false}'')', :c),
	ROW('in_progress'::text, 4, NULL::timestamptz), 'attempts count, and a case in progress stays so');
SELECT pg_temp.go(:c, 'assign', details => format('{"to": "p%s"}', i)::jsonb) FROM generate_series(1, 3) AS i;
SELECT row_eq(format('SELECT handovers, ping_pong FROM pg_temp.now(%s)', :c), ROW(3, false), 'three hand-overs may happen');
SELECT row_eq(format('SELECT handovers, ping_pong FROM pg_temp.go(%s, ''assign'', details => ''{"to": "p4"}'')', :c), ROW(4, true),
	'the fourth without a contact is ping-pong');
SELECT row_eq(format('SELECT handovers, ping_pong FROM pg_temp.go(%s, ''undo'')', :c), ROW(3, false), 'unless it is undone');
SELECT pg_temp.go(:c, 'assign', details => '{"to": "p5"}');
SELECT row_eq(format('SELECT handovers, unreached, ping_pong FROM pg_temp.go(%s, ''contacted'', details => ''{"how": "phone", "reached": false}'')', :c),
	ROW(4, 5, true), 'a call that nobody took doesn''t help');
SELECT row_eq(format('SELECT handovers, ping_pong FROM pg_temp.go(%s, ''contacted'', details => ''{"how": "phone", "reached": true}'')', :c),
	ROW(4, false), 'one that was does');
SELECT pg_temp.go(:c, 'assign', details => format('{"to": "q%s"}', i)::jsonb) FROM generate_series(1, 3) AS i;
SELECT row_eq(format('SELECT handovers, ping_pong FROM pg_temp.now(%s)', :c), ROW(7, false), 'and is counted from');
SELECT row_eq(format('SELECT handovers, ping_pong FROM pg_temp.go(%s, ''assign'', details => ''{"to": "q4"}'')', :c), ROW(8, true), 'to the next four');

-- ---- wait ----
SELECT is(pg_temp.refused(:c, 'wait', details => d::jsonb), 'CL002', 'wait with ' || d)
	FROM unnest(ARRAY['{}', '{"until": null}', '{"until": "soon"}', '{"until": "2020-01-01"}', '{"until": "infinity"}',
		'{"until": "2031-13-45"}']) AS d;
SELECT row_eq(format('SELECT status::text, waiting_since, waiting_until, next_action_at, resolve_due_at, acknowledged_at FROM pg_temp.go(%s, ''wait'', details => %L)',
		:c, jsonb_build_object('until', now() + interval '3 days')),
	ROW('waiting'::text, now(), now() + interval '3 days', now() + interval '3 days', now() + interval '47 hours', now()),
	'a waiting case is looked at when the waiting ends, and was acknowledged by it');
SELECT pg_temp.age(:c, '90 minutes');
SELECT row_eq(format('SELECT status::text, waiting_since, waiting_until, resolve_due_at, next_action_at FROM pg_temp.go(%s, ''start'')', :c),
	ROW('in_progress'::text, NULL::timestamptz, NULL::timestamptz, now() + interval '48 hours 30 minutes',
		now() + interval '48 hours 30 minutes'), 'the resolve clock stood still while it waited');
SELECT pg_temp.go(:c, 'wait', details => '{"until": "2099-01-01"}');
SELECT pg_temp.age(:c, '30 minutes');
SELECT is((pg_temp.go(:c, 'resolve')).resolve_due_at, now() + interval '49 hours', 'resolving ends the waiting too');

-- ---- resolve, close, dismiss, reopen ----
SELECT pg_temp.opened() AS c \gset
SELECT row_eq(format('SELECT status::text, resolved_at, acknowledged_at, acknowledged_by, first_action_at, root_cause, resolution, closed_at, next_action_at FROM pg_temp.go(%s, ''resolve'', ''New part sent'', ''{"cause": "quality"}'')', :c),
	ROW('resolved'::text, now(), now(), 'minsu'::text, now(), 'quality'::text, 'New part sent'::text, NULL::timestamptz, NULL::timestamptz),
	'resolving stamps what is empty, and keeps cause and note');
SELECT row_eq(format('SELECT status::text, closed_at, resolved_at FROM pg_temp.go(%s, ''close'')', :c),
	ROW('closed'::text, now(), now()), 'closing');
SELECT row_eq(format('SELECT status::text, reopened, resolved_at, closed_at, acknowledged_at, acknowledged_by, root_cause, resolution FROM pg_temp.go(%s, ''reopen'')', :c),
	ROW('open'::text, 1, NULL::timestamptz, NULL::timestamptz, NULL::timestamptz, NULL::text, NULL::text, NULL::text),
	'reopening clears the stamps');
SELECT row_eq(format('SELECT acknowledge_due_at, resolve_due_at, next_action_at FROM pg_temp.now(%s)', :c),
	ROW(now() + interval '4 hours', now() + interval '2 days', now() + interval '4 hours'), 'and starts the clocks again');
SELECT is((pg_temp.now(:c)).first_action_at, now(), 'what was done stays done');
SELECT is(pg_temp.refused(:c, 'dismiss'), 'CL002', 'dismiss without a reason');
SELECT is(pg_temp.refused(:c, 'dismiss', '  '), 'CL002', 'dismiss with a blank reason');
SELECT row_eq(format('SELECT status::text, closed_at, resolved_at, next_action_at FROM pg_temp.go(%s, ''dismiss'', ''a test order'')', :c),
	ROW('dismissed'::text, now(), NULL::timestamptz, NULL::timestamptz), 'dismissing ends it unresolved');
SELECT is((pg_temp.go(:c, 'reopen')).reopened, 2, 'reopening counts');

-- ---- assign ----
SELECT pg_temp.opened() AS c \gset
SELECT pg_temp.go(:c, 'start');
SELECT is(pg_temp.refused(:c, 'assign', details => d::jsonb), 'CL002', 'assign with ' || d)
	FROM unnest(ARRAY['{}', '{"to": ""}', '{"to": " "}', '{"to": null}', '{"to": 3}', '{"to": "minsu"}', '{"to": " minsu "}']) AS d;
SELECT row_eq(format('SELECT status::text, owner, handovers, link_epoch, acknowledged_at, acknowledged_by, acknowledge_due_at, resolve_due_at, next_action_at FROM pg_temp.go(%s, ''assign'', details => ''{"to": "jiwoo"}'')', :c),
	ROW('open'::text, 'jiwoo'::text, 1, 1, NULL::timestamptz, NULL::text, now() + interval '4 hours', now() + interval '47 hours',
		now() + interval '4 hours'), 'a hand-over counts, kills old links and starts the acknowledge clock, not the resolve clock');
SELECT is((pg_temp.go(:c, 'assign', details => '{"to": "tono", "team": "b"}')).team, 'b', 'the team may change with it');

CREATE FUNCTION pg_temp.told(c bigint) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(e.actor || ' to ' || (e.details ->> 'to'), ', ' ORDER BY n.id), '') FROM closeloop.notices AS n
	JOIN closeloop.case_events AS e ON e.id = n.event_id WHERE n.case_id = c AND n.kind IN ('assigned', 'opened')
$$;
SELECT is(pg_temp.told(:c), 'minsu to jiwoo, minsu to tono', 'the new owners will be told');
SELECT pg_temp.go(:c, 'undo');
SELECT is(pg_temp.told(:c), 'minsu to jiwoo', 'not of what was undone before they were');
SELECT pg_temp.go(:c, 'assign', details => '{"to": "hanna"}', actor => 'hanna');
SELECT is(pg_temp.told(:c), 'minsu to jiwoo, hanna to hanna', 'who takes it himself knows, but a webhook may want to');

-- ---- note ----
SELECT is(pg_temp.refused(:c, 'note'), 'CL002', 'a note needs a text');
SELECT pg_temp.go(:c, 'note', ' called twice ');
SELECT row_eq(format('SELECT kind, note, from_status::text, to_status::text, details FROM closeloop.case_events WHERE case_id = %s ORDER BY id DESC LIMIT 1', :c),
	ROW('noted'::text, 'called twice'::text, 'open'::text, 'open'::text, '{}'::jsonb), 'a note is an event without a move');

-- ---- who and what ----
SELECT is(pg_temp.refused(:c, 'start', actor => a), 'CL002', 'no actor: ' || coalesce(quote_literal(a), 'null'))
	FROM unnest(ARRAY[NULL, '', ' ']) AS a;
SELECT is(pg_temp.refused(:c, 'note', 'x', d::jsonb), 'CL002', 'details must be an object: ' || d) FROM unnest(ARRAY['[]', '"x"', '1', 'null']) AS d;
SELECT is(pg_temp.refused(:c, 'note', 'x', NULL), 'done', 'or nothing');
SELECT pg_temp.go(:c, 'start', details => '{"before": {"status": "closed"}, "via": "page"}');
SELECT is(details, jsonb_build_object('via', 'page', 'before', jsonb_build_object('status', 'open', 'acknowledged_at', NULL,
	'acknowledged_by', NULL)), 'nobody can smuggle in what undo would restore')
	FROM closeloop.case_events WHERE case_id = :c ORDER BY id DESC LIMIT 1;

-- ---- undo restores every column but the version and the links ----
CREATE FUNCTION pg_temp.undone(action text, note text, details jsonb, first text DEFAULT NULL) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	c bigint := pg_temp.opened();
	was closeloop.cases;
	after closeloop.cases;
BEGIN
	IF first IS NOT NULL THEN
		PERFORM pg_temp.go(c, first, 'first', '{"until": "2099-01-01", "cause": "staff"}');
		PERFORM pg_temp.age(c, '20 minutes');
	END IF;
	was := pg_temp.now(c);
	PERFORM pg_temp.go(c, action, note, details, 'jiwoo');
	UPDATE closeloop.case_events SET at = at - interval '9 minutes 59 seconds' WHERE case_id = c;
	after := pg_temp.go(c, 'undo', actor => 'jiwoo');
	RETURN coalesce((SELECT string_agg(format('%s: %s is now %s', o.key, o.value, to_jsonb(after) -> o.key), ', ')
		FROM jsonb_each(to_jsonb(was)) AS o
		WHERE o.value IS DISTINCT FROM to_jsonb(after) -> o.key AND o.key NOT IN ('version', 'link_epoch')), 'all');
END
$$;
SELECT is(pg_temp.undone(a, 'x', d::jsonb, f), 'all', format('undo restores all after %s%s', a, coalesce(' from ' || f, '')))
	FROM (VALUES ('acknowledge', '{}', NULL), ('start', '{}', NULL), ('start', '{}', 'wait'), ('start', '{}', 'acknowledge'),
		('contacted', '{"how": "mail", "reached": true}', NULL), ('contacted', '{"how": "mail", "reached": false}', 'acknowledge'),
		('wait', '{"until": "2088-01-01"}', NULL), ('wait', '{"until": "2088-01-01"}', 'start'),
		('resolve', '{"cause": "price"}', NULL), ('resolve', '{}', 'wait'), ('close', '{}', 'resolve'),
		('dismiss', '{}', NULL), ('dismiss', '{}', 'wait'), ('reopen', '{}', 'resolve'), ('reopen', '{}', 'dismiss'),
		('assign', '{"to": "tono"}', NULL), ('assign', '{"to": "tono", "team": "x"}', 'wait')) AS x (a, d, f);

SELECT pg_temp.opened() AS c \gset
SELECT pg_temp.go(:c, 'assign', details => '{"to": "jiwoo"}');
SELECT is((pg_temp.go(:c, 'undo')).link_epoch, 2, 'links sent to the one who no longer has it are dead as well');
SELECT is(pg_temp.refused(:c, 'undo'), 'CL002', 'an undo can''t be undone');
SELECT row_eq(format('SELECT kind, from_status::text, to_status::text, details ->> ''kind'' FROM closeloop.case_events WHERE case_id = %s ORDER BY id DESC LIMIT 1', :c),
	ROW('undone'::text, 'open'::text, 'open'::text, 'assigned'::text), 'the history says what was undone');
SELECT pg_temp.go(:c, 'acknowledge');
SELECT is(pg_temp.refused(:c, 'undo', actor => 'jiwoo'), 'CL002', 'only by the one who did it');
SELECT is(pg_temp.refused(:c, 'undo', version => 1), 'CL001', 'not from a stale page');
SAVEPOINT s;
SELECT pg_temp.age(:c, '10 minutes 1 second');
SELECT is(pg_temp.refused(:c, 'undo'), 'CL002', 'not after 10 minutes');
ROLLBACK TO s;
SELECT pg_temp.go(:c, 'note', 'x', actor => 'jiwoo');
SELECT is(pg_temp.refused(:c, 'undo'), 'CL002', 'only the latest event');
SELECT is(pg_temp.refused(:c, 'undo', actor => 'jiwoo'), 'CL002', 'a note stays written');
SELECT pg_temp.opened() AS c \gset
SELECT is(pg_temp.refused(:c, 'undo'), 'CL002', 'nothing happened yet');

-- ---- messages of a case that no longer stands ----
CREATE FUNCTION pg_temp.message(c bigint, name text, state text, kind text DEFAULT 'case.opened') RETURNS void LANGUAGE sql AS $$
	INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, payload, dedup_key, state)
	VALUES (gen_random_uuid(), c, kind, 'webhook', 'crm', NULL, '{}', c || name, state::closeloop.message_state)
$$;
CREATE FUNCTION pg_temp.states(c bigint) RETURNS text LANGUAGE sql AS $$
	SELECT string_agg(replace(dedup_key, c::text, '') || '=' || state, ' ' ORDER BY seq) FROM closeloop.messages WHERE case_id = c
$$;
CREATE FUNCTION pg_temp.with_messages() RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	c bigint := pg_temp.opened();
BEGIN
	PERFORM pg_temp.message(c, s, s) FROM unnest(ARRAY['queued', 'held', 'leased', 'sent', 'failed', 'dead']) AS s;
	PERFORM pg_temp.message(c, 'end', 'queued', 'case.resolved');
	RETURN c;
END
$$;
SELECT pg_temp.with_messages() AS other \gset
SELECT pg_temp.with_messages() AS c \gset
SELECT pg_temp.go(:c, a, 'x', d::jsonb) FROM (VALUES ('start', '{}'), ('wait', '{"until": "2099-01-01"}'), ('assign', '{"to": "jiwoo"}')) AS x (a, d);
SELECT is(pg_temp.states(:c), 'queued=queued held=held leased=leased sent=sent failed=failed dead=dead end=queued',
	'while it stands, its messages do');
SELECT pg_temp.go(:c, 'resolve');
SELECT is(pg_temp.states(:c), 'queued=cancelled held=cancelled leased=leased sent=sent failed=failed dead=dead end=queued',
	'once resolved, what waits is cancelled; what tells of the end still goes');
SELECT is(jsonb_array_length(details -> 'cancelled'), 2, 'the event knows which') FROM closeloop.case_events WHERE case_id = :c
	ORDER BY id DESC LIMIT 1;
SELECT pg_temp.go(:c, 'undo');
SELECT is(pg_temp.states(:c), 'queued=queued held=held leased=leased sent=sent failed=failed dead=dead end=cancelled',
	'undo lets them wait again, and calls back what told of the end');
SELECT pg_temp.go(:c, 'dismiss', 'x');
SELECT is(pg_temp.states(:c), 'queued=cancelled held=cancelled leased=leased sent=sent failed=failed dead=dead end=cancelled',
	'dismissing cancels as well');
SELECT pg_temp.go(:c, 'reopen');
SELECT is(pg_temp.states(:c), 'queued=cancelled held=cancelled leased=leased sent=sent failed=failed dead=dead end=cancelled',
	'reopening does not bring old alerts back');
SELECT pg_temp.opened() AS c \gset
SELECT pg_temp.message(:c, k, 'queued', 'case.' || k) FROM unnest(ARRAY['acknowledged', 'reminder', 'resolved', 'closed', 'dismissed', 'outcome']) AS k;
SELECT pg_temp.go(:c, 'resolve');
SELECT is(pg_temp.states(:c), 'acknowledged=cancelled reminder=cancelled resolved=queued closed=queued dismissed=queued outcome=queued',
	'moves before the end are not told of any more, each kind of end is');
SELECT is(pg_temp.states(:other), 'queued=queued held=held leased=leased sent=sent failed=failed dead=dead end=queued',
	'other cases are left alone');

-- ---- opened by hand ----
INSERT INTO closeloop.responses (customer_id, nps) VALUES ('k1', 5) RETURNING id AS r \gset
SELECT row_eq(format($$SELECT status::text, customer_id, priority::text, owner, follow_up, acknowledge_due_at, next_action_at, version
	FROM closeloop.case_open_by_hand(%s, 'jiwoo', 'high', 'minsu', 'rang us',
		jsonb_build_object('follow_up_version', %s))$$, :r, (SELECT id FROM version)),
	ROW('open'::text, 'k1'::text, 'high'::text, 'minsu'::text, 'standard'::text, now() + interval '4 hours', now() + interval '4 hours', 1),
	'a case is opened by hand with its promises');
SELECT row_eq(format('SELECT relation, case_id IS NOT NULL FROM closeloop.case_responses WHERE response_id = %s', :r),
	ROW('opened'::text, true), 'and counts as the one of its response');
SELECT row_eq(format($$SELECT e.kind, e.actor, e.note, e.to_status::text FROM closeloop.case_events e JOIN closeloop.cases c ON c.id = e.case_id WHERE c.response_id = %s$$, :r),
	ROW('opened'::text, 'jiwoo'::text, 'rang us'::text, 'open'::text), 'with its event');
SELECT is(pg_temp.told(id), 'jiwoo to minsu', 'of which the owner is told') FROM closeloop.cases WHERE response_id = :r;
SELECT is((SELECT follow_up_version FROM closeloop.cases WHERE response_id = :r), (SELECT id FROM version), 'it keeps the version');
SELECT throws_ok(format($$SELECT closeloop.case_open_by_hand(%s, 'jiwoo', 'high', 'minsu')$$, :r), 'CL002', NULL, 'not twice');
INSERT INTO closeloop.responses (nps) VALUES (5) RETURNING id AS r \gset
SELECT row_eq(format($$SELECT follow_up, acknowledge_due_at, resolve_due_at, next_action_at FROM closeloop.case_open_by_hand(%s, 'jiwoo', 'high', 'minsu', NULL,
	'{"definition": {"name": "quick", "acknowledge_within": "3s", "remind_every": "1s", "remind_at_most": 2}}')$$, :r),
	ROW('quick'::text, now() + interval '3 seconds', NULL::timestamptz, now() + interval '1 second'), 'promises may come along, of seconds too');
INSERT INTO closeloop.responses (nps) VALUES (5) RETURNING id AS r \gset
SELECT row_eq(format($$SELECT follow_up, follow_up_version, acknowledge_due_at, next_action_at FROM closeloop.case_open_by_hand(%s, 'jiwoo', 'high', 'minsu')$$, :r),
	ROW(NULL::text, NULL::int, NULL::timestamptz, NULL::timestamptz), 'or there are none');
SELECT throws_ok($$SELECT closeloop.case_open_by_hand(0, 'jiwoo', 'high', 'minsu')$$, 'CL003', NULL, 'not for an unknown response');
INSERT INTO closeloop.responses (nps) VALUES (5) RETURNING id AS r \gset
SELECT throws_ok(format($$SELECT closeloop.case_open_by_hand(%s, 'jiwoo', 'high', ' ')$$, :r), 'CL002', NULL, 'not without an owner');
INSERT INTO closeloop.case_responses (response_id, relation, rules) VALUES (:r, 'noted', '{quiet}');
SELECT is((closeloop.case_open_by_hand(:r, 'jiwoo', NULL, 'minsu')).priority::text, 'normal', 'for a response that was only noted, too');
SELECT row_eq(format('SELECT relation, rules FROM closeloop.case_responses WHERE response_id = %s', :r),
	ROW('opened'::text, '{quiet}'::text[]), 'what its rules were is kept');

-- ---- somebody leaves ----
DELETE FROM closeloop.notices;
UPDATE closeloop.cases SET owner = 'elsewhere';
SELECT pg_temp.opened() AS a \gset
SELECT pg_temp.opened() AS b \gset
SELECT pg_temp.opened() AS solved \gset
SELECT pg_temp.opened() AS hers \gset
SELECT pg_temp.go(:solved, 'resolve');
SELECT pg_temp.go(:b, 'wait', details => '{"until": "2099-01-01"}');
SELECT pg_temp.go(:hers, 'assign', details => '{"to": "jiwoo"}');
SELECT results_eq($$SELECT * FROM closeloop.case_assign_all(' minsu', 'tono ', 'hanna', 'minsu has left')$$, ARRAY[:a, :b]::bigint[],
	'all that is unresolved goes on');
SELECT results_eq(format('SELECT owner, status::text, handovers FROM closeloop.cases WHERE id IN (%s, %s) ORDER BY id', :a, :b),
	$$VALUES ('tono', 'open', 1), ('tono', 'open', 1)$$, 'as by single hand-overs');
SELECT is(pg_temp.told(:a) || ', ' || pg_temp.told(:b), 'hanna to tono, hanna to tono', 'of which the new owner is told');
SELECT is((pg_temp.now(:solved)).owner, 'minsu', 'what is solved stays whose it was');
SELECT is(note, 'minsu has left', 'the note says why') FROM closeloop.case_events WHERE case_id = :a AND kind = 'assigned';
SELECT is_empty($$SELECT closeloop.case_assign_all('minsu', 'tono', 'hanna')$$, 'nothing is left');
SELECT throws_ok(sql, 'CL002', NULL, sql) FROM unnest(ARRAY[$$SELECT closeloop.case_assign_all('tono', ' tono', 'hanna')$$,
	$$SELECT closeloop.case_assign_all('', 'tono', 'hanna')$$, $$SELECT closeloop.case_assign_all('tono', NULL, 'hanna')$$,
	$$SELECT closeloop.case_assign_all('tono', 'minsu', ' ')$$]) AS sql;

-- ---- who must hear of it ----
CREATE FUNCTION pg_temp.heard(c bigint) RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(n.kind, ' ' ORDER BY n.id), '') FROM closeloop.notices AS n JOIN closeloop.case_events AS e
		ON e.id = n.event_id AND e.kind = n.kind WHERE n.case_id = c
$$;
SELECT pg_temp.opened() AS c \gset
INSERT INTO closeloop.case_events (case_id, actor, kind, details) SELECT :c, 'daemon', k, '{}' FROM unnest(ARRAY['opened', 'joined', 'amended']) AS k;
SELECT is(pg_temp.heard(:c), 'joined amended', 'what rules open is told where it is judged; what joins or amends comes after');
DELETE FROM closeloop.notices WHERE case_id = :c;
SELECT pg_temp.go(:c, a, 'x', d::jsonb) FROM (VALUES ('acknowledge', '{}'), ('note', '{}'), ('start', '{}'), ('contacted', '{"how": "mail", "reached": true}'),
	('wait', '{"until": "2099-01-01"}'), ('resolve', '{}'), ('close', '{}'), ('reopen', '{}'), ('assign', '{"to": "jiwoo"}'), ('dismiss', '{}')) AS x (a, d);
SELECT is(pg_temp.heard(:c), 'acknowledged resolved closed reopened assigned dismissed', 'every move that a mail or a webhook may tell of');
SELECT pg_temp.go(:c, 'undo');
SELECT is(pg_temp.heard(:c), 'acknowledged resolved closed reopened assigned', 'but not of what was undone before it was told');
SELECT * FROM finish();
ROLLBACK;
