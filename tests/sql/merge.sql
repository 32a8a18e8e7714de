-- Further answers: what they find, what they make of a case, and what becomes of a case whose answer is changed.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

SELECT closeloop.follow_up_version('{"name": "calm", "acknowledge_within": "8h", "resolve_within": "4d"}') AS calm \gset
SELECT closeloop.follow_up_version('{"name": "hurry", "acknowledge_within": "1h", "resolve_within": "9d"}') AS hurry \gset

CREATE FUNCTION pg_temp.said(customer text, score int, hours numeric DEFAULT 0, contact boolean DEFAULT false) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO closeloop.responses (customer_id, nps, responded_at, contact_requested, account)
	VALUES (customer, score, now() + hours * interval '1 hour', contact, 'acme') RETURNING id
$$;
-- As the daemon opens one.
CREATE FUNCTION pg_temp.opened(customer text, score int, hours numeric DEFAULT 0, version int DEFAULT NULL, account text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	r bigint := pg_temp.said(customer, score, hours);
	c bigint;
BEGIN
	INSERT INTO closeloop.cases (response_id, customer_id, owner, team, rules, follow_up_version, opened_at, acknowledge_due_at,
		resolve_due_at, next_action_at, last_response_at, merge_account)
	SELECT r, customer, 'minsu', 'care', '{detractor}', version, now() + hours * interval '1 hour', k.acknowledge_due_at,
		k.resolve_due_at, k.next_action_at, now() + hours * interval '1 hour', opened.account
	FROM closeloop.case_opening_clocks(version, 'minsu', now() + hours * interval '1 hour') AS k RETURNING id INTO c;
	INSERT INTO closeloop.case_responses (response_id, case_id, relation, rules, answer, row_version)
	VALUES (r, c, 'opened', '{detractor}', jsonb_build_object('nps', score, 'contact_requested', false), '1');
	INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details) VALUES (c, 'daemon', 'opened', 'open', '{"owner": "minsu"}');
	RETURN c;
END
$$;
CREATE FUNCTION pg_temp.opener(c bigint) RETURNS bigint LANGUAGE sql AS $$ SELECT response_id FROM closeloop.cases WHERE id = c $$;
CREATE FUNCTION pg_temp.found(r bigint, within text[] DEFAULT '{7d,180d,2d}', by_account boolean DEFAULT false, repeated boolean DEFAULT false)
	RETURNS text LANGUAGE sql AS $$
	SELECT coalesce(string_agg(concat_ws(' ', m.what, m.case_id, m.owner, nullif(m.first_owner, m.owner)), ', ' ORDER BY m.what, m.last_response_at DESC), '')
	FROM closeloop.responses AS r, closeloop.merge_candidates(ARRAY[r.id], ARRAY[r.customer_id], ARRAY[CASE WHEN by_account THEN r.account
		ELSE r.customer_id END], ARRAY[r.responded_at], ARRAY[repeated], by_account, within::interval[]) AS m
	WHERE r.id = found.r
$$;

-- ---- what an answer finds ----

SELECT is(pg_temp.found(pg_temp.said('k0', 2)), '', 'nobody else, nothing');
SELECT pg_temp.opened('k1', 3, -100) AS old \gset
SELECT pg_temp.opened('k1', 3, -90) AS newer \gset
SELECT is(pg_temp.found(pg_temp.said('k1', 2)), format('open %s minsu, open %s minsu', :newer, :old), 'what stands, the newest first');
SELECT is(pg_temp.found(pg_temp.said('k1', 2), '{0,180d,2d}'), '', 'not where merging is off');
SELECT is(pg_temp.found(pg_temp.said('k1', 2), '{0,180d,5d}'), format('cooling %s minsu', :newer), 'the last one that was opened within the cooldown');
SELECT closeloop.case_transition(:newer, 'assign', 'olga', NULL, '{"to": "ben"}') IS NOT NULL AS ok \gset
SELECT is(pg_temp.found(pg_temp.said('k1', 2)), format('open %s ben minsu, open %s minsu', :newer, :old), 'and whose it was at first');
SELECT closeloop.case_transition(:newer, 'resolve', 'ben') IS NOT NULL AS ok \gset
SELECT is(pg_temp.found(pg_temp.said('k1', 2)), format('open %s minsu', :old), 'solved after it was given: not that one');
SELECT is(pg_temp.found(pg_temp.said('k1', 2, 1)), format('open %s minsu, recurs %s ben minsu', :old, :newer), 'solved before it was given: it may come back');
SELECT is(pg_temp.found(pg_temp.said('k1', 2, 1), '{7d,0,0}'), format('open %s minsu', :old), 'unless that is off');
SELECT pg_temp.opened('k2', 3, -1, NULL, 'acme') AS acme \gset
SELECT is(pg_temp.found(pg_temp.said('other', 2), by_account => true), format('cooling %s minsu, open %s minsu', :acme, :acme), 'accounts: another customer of the same');
SELECT is(pg_temp.found(pg_temp.said('k1', 2), '{7d,0,0}', true), format('open %s minsu', :acme), 'and only by account');

INSERT INTO closeloop.responses (customer_id, nps, responded_at) SELECT 'kiosk', 2, now() - interval '1 hour' FROM generate_series(1, 49);
SELECT pg_temp.opened('kiosk', 2) AS kiosk \gset
SELECT is(pg_temp.found(pg_temp.opener(:kiosk), '{7d,0,0}'), format('open %s minsu', :kiosk), 'the fiftieth of a day is somebody''s');
SELECT is(pg_temp.found(pg_temp.said('kiosk', 2)), 'shared', 'the next is nobody''s');
SELECT is(pg_temp.found(pg_temp.said('kiosk', 2, 23.5), '{7d,0,0}'), format('open %s minsu', :kiosk), 'a day later it is again');
INSERT INTO closeloop.responses (customer_id, nps) SELECT 'flood', 2 FROM generate_series(1, 60);
SELECT results_eq($$SELECT count(*) FILTER (WHERE closeloop.is_shared_id(customer_id, responded_at, id)) FROM closeloop.responses WHERE customer_id = 'flood'$$,
	ARRAY[10::bigint], 'those given at the same moment count by their number');
SELECT is(pg_temp.found((SELECT max(id) FROM closeloop.responses WHERE customer_id = 'flood')), '', 'with no case there is no need to count');
SELECT is(pg_temp.found((SELECT max(id) FROM closeloop.responses WHERE customer_id = 'flood'), repeated => true), 'shared', 'unless others of it are in the batch');

-- ---- one more answer ----

CREATE FUNCTION pg_temp.told(c bigint, kind text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws(' ', e.details ->> 'was', e.details ->> 'score', e.details ->> 'now', CASE WHEN e.details @> '{"worse": true}' THEN 'worse' END,
		CASE WHEN e.details ? 'contact' THEN 'asks' END, 'from ' || (e.details ->> 'raised'), 'new ' || (e.details ->> 'new_rules'),
		CASE WHEN e.details ? 'tell' THEN 'told' END, 'kept: ' || (e.details ->> 'kept'))
	FROM closeloop.case_events AS e WHERE e.case_id = c AND e.kind = told.kind ORDER BY e.id DESC LIMIT 1
$$;
CREATE FUNCTION pg_temp.joined(c bigint, r bigint, priority closeloop.priority DEFAULT 'normal', rules text[] DEFAULT '{detractor}', version int DEFAULT NULL)
	RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	PERFORM closeloop.case_join(c, r, priority, rules, version);
	INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (r, c, 'joined');
	RETURN pg_temp.told(c, 'joined');
END
$$;
SELECT pg_temp.opened('k3', 4, -2, :calm) AS c \gset
SELECT version AS before, acknowledge_due_at AS ack, resolve_due_at AS res FROM closeloop.cases WHERE id = :c \gset
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 5, -1)), '4/10 5/10', 'no worse: nobody is told');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 4, -0.9)), '4/10 4/10', 'nor by the same');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 3, -0.8)), '4/10 3/10 worse told', 'worse');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 3, -0.7)), '3/10 3/10', 'than the worst so far');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', NULL, -0.6)), '3/10', 'without a score there is nothing to compare');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 8, -0.5, true)), '3/10 8/10 asks told', 'who asks for contact is heard');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 8, -0.4, true)), '3/10 8/10', 'once');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 8, -0.3), rules => '{detractor,legal}'), '3/10 8/10 new ["legal"]', 'a rule that is new');
SELECT results_eq(format('SELECT version, rules, priority::text, acknowledge_due_at, resolve_due_at, last_response_at FROM closeloop.cases WHERE id = %s', :c),
	format('VALUES (%s, ''{detractor,legal}''::text[], ''normal'', %L::timestamptz, %L::timestamptz, now() - interval ''18 minutes'')', :before + 8, :'ack', :'res'),
	'each is a version; nothing has moved');
SELECT is((SELECT string_agg(details ->> 'n', ' ' ORDER BY id) FROM closeloop.case_events WHERE case_id = :c AND kind = 'joined'), '1 2 3 4 5 6 7 8', 'counted');
SELECT is((SELECT count(*)::int FROM closeloop.notices WHERE case_id = :c), 8, 'each becomes a notice: webhooks hear of all');

-- ---- more urgent ----

SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 9, -0.2), 'urgent', '{legal}', :hurry), '3/10 9/10 from normal told', 'more urgent');
SELECT results_eq(format('SELECT priority::text, acknowledge_due_at, resolve_due_at FROM closeloop.cases WHERE id = %s', :c),
	format('VALUES (''urgent'', now() + interval ''1 hour'', %L::timestamptz)', :'res'), 'the earlier of both promises holds');
SELECT is((closeloop.follow_up_recompute(0, 1000)).moved, 0, 'after a reload, too');
SELECT is(pg_temp.joined(:c, pg_temp.said('k3', 9, -0.1), 'high', '{legal}', :calm), '3/10 9/10', 'never less urgent');
SELECT closeloop.case_transition(:c, 'acknowledge', 'minsu') IS NOT NULL AS ok \gset
SELECT closeloop.case_transition(:c, 'assign', 'olga', NULL, '{"to": "ben"}') IS NOT NULL AS ok \gset
SELECT is((SELECT acknowledge_due_at FROM closeloop.cases WHERE id = :c), now() + interval '1 hour', 'the next owner has no longer');
SELECT closeloop.case_transition(:c, 'resolve', 'ben') IS NOT NULL AS ok \gset
SELECT closeloop.case_transition(:c, 'reopen', 'ben') IS NOT NULL AS ok \gset
SELECT results_eq(format('SELECT acknowledge_due_at, raised_version FROM closeloop.cases WHERE id = %s', :c),
	$$VALUES (now() + interval '8 hours', NULL::int)$$, 'a new round begins without');

SELECT pg_temp.opened('k4', 4, -2, :calm) AS c \gset
SELECT closeloop.case_transition(:c, 'wait', 'minsu', NULL, jsonb_build_object('until', now() + interval '5 hours')) IS NOT NULL AS ok \gset
UPDATE closeloop.cases SET waiting_since = now() - interval '1 hour' WHERE id = :c;
SELECT closeloop.follow_up_version('{"name": "today", "resolve_within": "6h"}') AS today \gset
SELECT is(pg_temp.joined(:c, pg_temp.said('k4', 1), 'high', '{detractor}', :today), '4/10 1/10 worse from normal told', 'while it waits');
UPDATE closeloop.cases SET waiting_since = now() - interval '3 hours', raised_at = now() - interval '2 hours', raised_waited = '1 hour' WHERE id = :c;
SELECT closeloop.case_transition(:c, 'start', 'minsu') IS NOT NULL AS ok \gset
SELECT results_eq(format('SELECT resolve_due_at - now(), status::text FROM closeloop.cases WHERE id = %s', :c),
	$$VALUES (interval '6 hours', 'in_progress')$$, 'only what it waited after that puts the new promise off');

SELECT pg_temp.opened('k5', 4, -2) AS c \gset
SELECT is(pg_temp.joined(:c, pg_temp.said('k5', 4), 'high', '{x}', :hurry), '4/10 4/10 from normal new ["x"] told', 'a case without promises');
SELECT is((SELECT acknowledge_due_at FROM closeloop.cases WHERE id = :c), now() + interval '1 hour', 'gets those of the answer');

-- ---- opened again, and too soon ----

SELECT pg_temp.opened('k6', 4, -9) AS c \gset
SELECT closeloop.case_transition(:c, 'resolve', 'minsu') IS NOT NULL AS ok \gset
SELECT is((closeloop.case_recur(:c, pg_temp.said('k6', 2), 'high', '{detractor,x}', :hurry)).status::text, 'open', 'it opens again');
SELECT is((closeloop.case_recur(:c, pg_temp.said('k6', 1, 1), 'high', '{detractor}', NULL)).status::text, 'open', 'and is joined by the next');
SELECT is(pg_temp.told(:c, 'joined'), '2/10 1/10 worse told', 'compared with the one that opened it again');
SELECT lives_ok(format('SELECT closeloop.case_cooled(%s, %s, ''low'', ''{detractor}'')', :c, pg_temp.said('k6', 3)), 'within the cooldown');
SELECT is(pg_temp.told(:c, 'cooldown'), '3/10', 'is noted');
SELECT is_empty(format('SELECT FROM closeloop.notices AS n JOIN closeloop.case_events AS e ON e.id = n.event_id WHERE e.case_id = %s AND e.kind = ''cooldown''', :c), 'and nobody is told');

-- ---- a changed answer ----

CREATE FUNCTION pg_temp.changed(c bigint, r bigint, score int, matches boolean, priority text DEFAULT 'normal', answer jsonb DEFAULT '{}', stale int DEFAULT 0)
	RETURNS text LANGUAGE plpgsql AS $$
BEGIN
	UPDATE closeloop.responses SET nps = score, contact_requested = coalesce((answer ->> 'contact_requested')::boolean, false) WHERE id = r;
	PERFORM closeloop.case_amend(c, r, jsonb_build_object('matches', matches, 'priority', priority, 'rules', CASE WHEN matches THEN '["detractor"]' ELSE '[]' END::jsonb,
			'expected_version', (SELECT version - stale FROM closeloop.cases WHERE id = c)),
		jsonb_build_object('facts', jsonb_build_object('nps', score), 'answer', jsonb_build_object('nps', score, 'contact_requested', false) || answer,
			'row_version', '2', 'ruleset', 'abc'));
	RETURN (SELECT status FROM closeloop.cases WHERE id = c) || ': ' || pg_temp.told(c, 'amended');
END
$$;
SELECT pg_temp.opened('k7', 4, -2) AS c \gset
SELECT pg_temp.opener(:c) AS r \gset
SELECT is(pg_temp.changed(:c, :r, 4, true), 'open: 4/10 4/10', 'nothing that is shown');
SELECT is(pg_temp.changed(:c, :r, 4, true, answer => '{"words": "x"}'), 'open: 4/10 4/10 told', 'other words');
SELECT is(pg_temp.changed(:c, :r, 2, true), 'open: 4/10 2/10 worse told', 'worse');
SELECT is(pg_temp.changed(:c, :r, 3, true), 'open: 2/10 3/10 told', 'better');
SELECT is(pg_temp.changed(:c, :r, 3, true, 'urgent', '{"contact_requested": true}'), 'open: 3/10 3/10 asks from normal told', 'more urgent');
SELECT results_eq(format('SELECT rules, facts, answer ->> ''nps'', row_version, ruleset, relation FROM closeloop.case_responses WHERE response_id = %s', :r),
	$$VALUES ('{detractor}'::text[], '{"nps": 3}'::jsonb, '3', '2', 'abc', 'opened')$$, 'the record is that of now');
SELECT is(pg_temp.changed(:c, :r, 9, false, stale => 1), 'open: 3/10 9/10 told kept: it has changed meanwhile', 'judged at a version that is no longer there');
SELECT is(pg_temp.changed(:c, :r, 10, false), 'dismissed: 9/10 10/10 told', 'nothing matches: it dismisses itself');
SELECT results_eq(format('SELECT actor, note, details ->> ''withdrawn'' FROM closeloop.case_events WHERE case_id = %s AND kind = ''dismissed''', :c),
	$$VALUES ('daemon', 'the customer changed the answer, and no rule matches it any more', 'true')$$, 'and says why');
SELECT is(pg_temp.changed(:c, :r, 9, false), 'dismissed: 10/10 9/10 worse kept: it is dismissed', 'once');
SELECT is(pg_temp.changed(:c, :r, 1, true), 'open: 9/10 1/10 worse', 'changed back, it opens again, and that is told');
SELECT closeloop.case_transition(:c, 'dismiss', 'minsu', 'not ours') IS NOT NULL AS ok \gset
SELECT is(pg_temp.changed(:c, :r, 0, true), 'dismissed: 1/10 0/10 worse told', 'what a person has dismissed stays, and they hear of it');

SELECT pg_temp.opened('k8', 4, -2) AS c \gset
SELECT pg_temp.opener(:c) AS r, pg_temp.said('k8', 3) AS other \gset
SELECT pg_temp.joined(:c, :other) AS ok \gset
SELECT is(pg_temp.changed(:c, :r, 9, false), 'open: 4/10 9/10 told kept: it has other answers', 'not the case of others');
SELECT alike(pg_temp.changed(:c, :other, 9, false), 'open: % kept: it has other answers', 'nor by the other');
SELECT pg_temp.opened('k9', 4, -2) AS c \gset
SELECT closeloop.case_transition(:c, 'note', 'minsu', 'I know them') IS NOT NULL AS ok \gset
SELECT is(pg_temp.changed(:c, pg_temp.opener(:c), 9, false), 'open: 4/10 9/10 told kept: minsu has worked on it', 'nor what somebody has touched');
SELECT closeloop.case_transition(:c, 'start', 'minsu') IS NOT NULL AS ok \gset
SELECT is(pg_temp.changed(:c, pg_temp.opener(:c), 8, false), 'in_progress: 9/10 8/10 worse told kept: it is in progress', 'or works on');
SELECT pg_temp.opened('k10', 4, -2) AS c \gset
UPDATE closeloop.case_responses SET answer = NULL WHERE case_id = :c;
SELECT is(pg_temp.changed(:c, pg_temp.opener(:c), 2, true), 'open: 2/10 told', 'of a case from before there was an answer to compare with');
SELECT closeloop.case_transition(:c, 'resolve', 'minsu') IS NOT NULL AS ok \gset
SELECT is(pg_temp.changed(:c, pg_temp.opener(:c), 5, true), 'resolved: 2/10 5/10', 'a better answer to a solved case is no news');
SELECT is(pg_temp.changed(:c, pg_temp.opener(:c), 1, true), 'resolved: 5/10 1/10 worse told', 'a worse one is');

SELECT * FROM finish();
ROLLBACK;
