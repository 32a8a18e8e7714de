-- The whole table of actions: each from each status, as DESIGN section 4 has it.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

-- What comes out: a status, or the SQLSTATE of the refusal. "same" means done already, nothing written.
CREATE TEMP TABLE expected (action text, open text, acknowledged text, in_progress text, waiting text, resolved text,
	closed text, dismissed text);
INSERT INTO expected VALUES
--	 action         open            acknowledged    in_progress    waiting        resolved       closed         dismissed
	('acknowledge', 'acknowledged', 'same',         'same',        'same',        'CL002',       'CL002',       'CL002'),
	('start',       'in_progress',  'in_progress',  'CL002',       'in_progress', 'CL002',       'CL002',       'CL002'),
	('reached',     'in_progress',  'in_progress',  'CL002',       'CL002',       'CL002',       'CL002',       'CL002'),
	('missed',      'acknowledged', 'acknowledged', 'CL002',       'CL002',       'CL002',       'CL002',       'CL002'),
	('wait',        'waiting',      'waiting',      'waiting',     'CL002',       'CL002',       'CL002',       'CL002'),
	('resolve',     'resolved',     'resolved',     'resolved',    'resolved',    'CL002',       'CL002',       'CL002'),
	('close',       'CL002',        'CL002',        'CL002',       'CL002',       'closed',      'CL002',       'CL002'),
	('dismiss',     'dismissed',    'dismissed',    'dismissed',   'dismissed',   'CL002',       'CL002',       'CL002'),
	('reopen',      'CL002',        'CL002',        'CL002',       'CL002',       'open',        'open',        'open'),
	('assign',      'open',         'open',         'open',        'open',        'CL002',       'CL002',       'CL002'),
	('note',        'open',         'acknowledged', 'in_progress', 'waiting',     'resolved',    'closed',      'dismissed'),
	('undo',        'CL002',        'CL002',        'CL002',       'CL002',       'CL002',       'CL002',       'CL002'),
	('sing',        'CL003',        'CL003',        'CL003',       'CL003',       'CL003',       'CL003',       'CL003');

-- A case that came to a status an hour ago by somebody else.
CREATE FUNCTION pg_temp.case_in(s closeloop.case_status) RETURNS bigint LANGUAGE sql AS $$
	WITH r AS (INSERT INTO closeloop.responses (nps) VALUES (2) RETURNING id)
	INSERT INTO closeloop.cases (response_id, status, owner, opened_at, acknowledge_within, resolve_within, acknowledged_at,
		acknowledged_by, resolved_at, closed_at, waiting_since, waiting_until)
	SELECT id, s, 'minsu', now() - interval '2 hours', '4 hours', '2 days',
		CASE WHEN s <> 'open' THEN now() - interval '1 hour' END, CASE WHEN s <> 'open' THEN 'minsu' END,
		CASE WHEN s IN ('resolved', 'closed') THEN now() - interval '1 hour' END,
		CASE WHEN s IN ('closed', 'dismissed') THEN now() - interval '1 hour' END,
		CASE WHEN s = 'waiting' THEN now() - interval '1 hour' END,
		CASE WHEN s = 'waiting' THEN now() + interval '1 day' END
	FROM r RETURNING id
$$;

CREATE FUNCTION pg_temp.act(c bigint, action text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was closeloop.cases;
	after closeloop.cases;
BEGIN
	SELECT * INTO was FROM closeloop.cases WHERE id = c;
	after := closeloop.case_transition(c, CASE WHEN action IN ('reached', 'missed') THEN 'contacted' ELSE action END, 'jiwoo',
		'because', CASE action
			WHEN 'reached' THEN '{"how": "phone", "reached": true}'
			WHEN 'missed' THEN '{"how": "phone", "reached": false}'
			WHEN 'assign' THEN '{"to": "jiwoo"}'
			WHEN 'wait' THEN jsonb_build_object('until', now() + interval '3 days')
			ELSE '{}' END, was.version);
	IF after = was AND NOT EXISTS (SELECT FROM closeloop.case_events WHERE case_id = c) THEN
		RETURN 'same';
	ELSIF after.version <> was.version + 1 THEN
		RETURN 'version';
	ELSIF after IS DISTINCT FROM (SELECT t FROM closeloop.cases t WHERE id = c) THEN
		RETURN 'not what is stored';
	ELSIF (SELECT count(*) FROM closeloop.case_events e WHERE e.case_id = c AND e.actor = 'jiwoo' AND e.note = 'because'
			AND e.from_status = was.status AND e.to_status = after.status) <> 1 THEN
		RETURN 'not one event';
	END IF;
	RETURN after.status;
EXCEPTION WHEN OTHERS THEN
	IF EXISTS (SELECT FROM closeloop.case_events WHERE case_id = c) THEN
		RETURN 'refused, and an event';
	END IF;
	RETURN sqlstate;
END
$$;

SET LOCAL client_min_messages = warning;
SELECT is(pg_temp.act(pg_temp.case_in(s.key::closeloop.case_status), x.action), s.value,
	format('%s from %s: %s', x.action, s.key, s.value))
FROM expected AS x, jsonb_each_text(to_jsonb(x) - 'action') AS s;

SELECT set_eq('SELECT action FROM closeloop.case_actions()',
	$$SELECT DISTINCT CASE WHEN action IN ('reached', 'missed') THEN 'contacted' ELSE action END FROM expected WHERE action <> 'sing'$$,
	'there are no other actions');
SELECT throws_ok($$SELECT closeloop.case_transition(0, 'start', 'jiwoo')$$, 'CL003', 'there is no case C-0', 'an unknown case');
SELECT throws_ok($$SELECT closeloop.case_transition(NULL, 'start', 'jiwoo')$$, 'CL003', NULL, 'no case at all');
SELECT throws_ok(format('SELECT closeloop.case_transition(%s, NULL, ''jiwoo'')', pg_temp.case_in('open')), 'CL003', NULL,
	'no action at all');
SELECT throws_ok(format('SELECT closeloop.case_transition(%s, ''close'', ''jiwoo'')', pg_temp.case_in('open')), 'CL002',
	format('C-%s: "close" isn''t possible, it is open', currval('closeloop.cases_id_seq')), 'a refusal names case, action and status');
SELECT * FROM finish();
ROLLBACK;
