-- The whole table of actions, as DESIGN section 4 has it: each action from each status, by each kind of actor; what it changes, and
-- what undo puts back.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

-- What comes out: a status, or the SQLSTATE of the refusal. "same" means done already, nothing written. "reached" and "missed" are
-- the two kinds of "contacted".
CREATE TEMP TABLE expected (action text, open text, acknowledged text, in_progress text, waiting text, resolved text,
	closed text, dismissed text);
INSERT INTO expected VALUES
--	 action         open            acknowledged    in_progress    waiting        resolved       closed         dismissed
	('acknowledge', 'acknowledged', 'same',         'same',        'same',        'CL002',       'CL002',       'CL002'),
	('start',       'in_progress',  'in_progress',  'CL002',       'in_progress', 'CL002',       'CL002',       'CL002'),
	('reached',     'in_progress',  'in_progress',  'in_progress', 'CL002',       'CL002',       'CL002',       'CL002'),
	('missed',      'acknowledged', 'acknowledged', 'in_progress', 'CL002',       'CL002',       'CL002',       'CL002'),
	('wait',        'waiting',      'waiting',      'waiting',     'CL002',       'CL002',       'CL002',       'CL002'),
	('resolve',     'resolved',     'resolved',     'resolved',    'resolved',    'CL002',       'CL002',       'CL002'),
	('close',       'CL002',        'CL002',        'CL002',       'CL002',       'closed',      'CL002',       'CL002'),
	('dismiss',     'dismissed',    'dismissed',    'dismissed',   'dismissed',   'CL002',       'CL002',       'CL002'),
	('reopen',      'CL002',        'CL002',        'CL002',       'CL002',       'open',        'open',        'open'),
	('assign',      'open',         'open',         'open',        'open',        'CL002',       'CL002',       'CL002'),
	('note',        'open',         'acknowledged', 'in_progress', 'waiting',     'resolved',    'closed',      'dismissed'),
	('undo',        'CL002',        'CL002',        'CL002',       'CL002',       'CL002',       'CL002',       'CL002'),
	('sing',        'CL003',        'CL003',        'CL003',       'CL003',       'CL003',       'CL003',       'CL003');

-- What each changes in the row, beside the status, the version, the time of the next action and the number of links.
-- ACKNOWLEDGED is short for acknowledged_at and acknowledged_by, WAITED for all that the end of waiting changes, and so on.
CREATE TEMP TABLE changes (action text, from_status text, columns text);
INSERT INTO changes VALUES
	('acknowledge', 'open',         'ACKNOWLEDGED'),
	('start',       'open',         'ACKNOWLEDGED first_action_at'),
	('start',       'acknowledged', 'first_action_at'),
	('start',       'waiting',      'first_action_at WAITED'),
	('reached',     'open',         'ACKNOWLEDGED first_action_at contacted_at unheard_handovers ping_pong'),
	('reached',     'acknowledged', 'first_action_at contacted_at unheard_handovers ping_pong'),
	('reached',     'in_progress',  'contacted_at unheard_handovers ping_pong'),
	('missed',      'open',         'ACKNOWLEDGED first_action_at unreached'),
	('missed',      'acknowledged', 'first_action_at unreached'),
	('missed',      'in_progress',  'unreached'),
	('wait',        'open',         'ACKNOWLEDGED waiting_since waiting_until'),
	('wait',        'acknowledged', 'waiting_since waiting_until'),
	('wait',        'in_progress',  'waiting_since waiting_until'),
	('resolve',     'open',         'ACKNOWLEDGED first_action_at resolved_at root_cause resolution'),
	('resolve',     'acknowledged', 'first_action_at resolved_at root_cause resolution'),
	('resolve',     'in_progress',  'resolved_at root_cause resolution'),
	('resolve',     'waiting',      'first_action_at resolved_at root_cause resolution WAITED'),
	('close',       'resolved',     'closed_at'),
	('dismiss',     'open',         'closed_at'),
	('dismiss',     'acknowledged', 'closed_at'),
	('dismiss',     'in_progress',  'closed_at'),
	('dismiss',     'waiting',      'closed_at WAITED'),
	('reopen',      'resolved',     'ACKNOWLEDGED ROUND resolved_at root_cause resolution outcome'),
	('reopen',      'closed',       'ACKNOWLEDGED ROUND resolved_at root_cause resolution outcome closed_at'),
	('reopen',      'dismissed',    'ACKNOWLEDGED ROUND closed_at'),
	('assign',      'open',         'HANDOVER'),
	('assign',      'acknowledged', 'HANDOVER ACKNOWLEDGED'),
	('assign',      'in_progress',  'HANDOVER ACKNOWLEDGED'),
	('assign',      'waiting',      'HANDOVER ACKNOWLEDGED WAITED'),
	('note',        'open',         ''), ('note', 'acknowledged', ''), ('note', 'in_progress', ''), ('note', 'waiting', ''),
	('note',        'resolved',     ''), ('note', 'closed', ''), ('note', 'dismissed', '');
UPDATE changes SET columns = replace(replace(replace(replace(columns, 'ACKNOWLEDGED', 'acknowledged_at acknowledged_by'),
	'WAITED', 'waiting_since waiting_until waited resolve_due_at'),
	'ROUND', 'reopened reopened_at acknowledge_due_at resolve_due_at reminded warned_at fired waited'),
	'HANDOVER', 'owner handovers unheard_handovers assigned_at acknowledge_due_at reminded');
SELECT is((SELECT count(*) FROM changes)::int, (SELECT count(*)::int FROM expected AS x, jsonb_each_text(to_jsonb(x) - 'action') AS s
	WHERE s.value NOT LIKE 'CL%' AND s.value <> 'same'), 'every action that is possible says what it changes');

CREATE TEMP TABLE version AS SELECT closeloop.follow_up_version('{"name": "all", "acknowledge_within": "4h", "resolve_within": "2d",
	"warn_before": "4h", "remind_every": "1h", "remind_at_most": 3, "close_after": "7d", "expire_after": "30d", "escalate": [
	{"id": "boss", "when": "unacknowledged", "to": "manager"}, {"id": "head", "when": "unresolved", "to": "person:jiwoo"}]}') AS id;

-- A case that came to a status an hour ago by somebody else, with something in every column that an action may clear.
CREATE FUNCTION pg_temp.case_in(s closeloop.case_status) RETURNS bigint LANGUAGE sql AS $$
	WITH r AS (INSERT INTO closeloop.responses (nps) VALUES (2) RETURNING id), c AS (
	INSERT INTO closeloop.cases (response_id, status, owner, opened_at, follow_up_version, acknowledge_due_at, resolve_due_at,
		acknowledged_at, acknowledged_by, first_action_at, resolved_at, closed_at, waiting_since, waiting_until, root_cause,
		resolution, outcome, handovers, unheard_handovers, ping_pong, reminded, warned_at, fired, waited)
	SELECT id, s, 'minsu', now() - interval '2 hours', (SELECT v.id FROM version AS v), now() + interval '2 hours',
		now() + interval '46 hours', CASE WHEN s <> 'open' THEN now() - interval '1 hour' END, CASE WHEN s <> 'open' THEN 'minsu' END,
		CASE WHEN s IN ('in_progress', 'resolved', 'closed') THEN now() - interval '1 hour' END,
		CASE WHEN s IN ('resolved', 'closed') THEN now() - interval '1 hour' END,
		CASE WHEN s IN ('closed', 'dismissed') THEN now() - interval '1 hour' END,
		CASE WHEN s = 'waiting' THEN now() - interval '1 hour' END,
		CASE WHEN s = 'waiting' THEN now() + interval '1 day' END,
		CASE WHEN s IN ('resolved', 'closed') THEN 'quality' END, CASE WHEN s IN ('resolved', 'closed') THEN 'sent' END,
		CASE WHEN s IN ('resolved', 'closed') THEN 'lost'::closeloop.outcome END, 4, 4, true, 2, now() - interval '1 hour', '{head}',
		'3 hours'
	FROM r RETURNING id, status), moved AS (
	INSERT INTO closeloop.case_events (case_id, at, actor, kind, from_status, to_status)
	SELECT id, now() - interval '1 hour', 'hanna', 'waiting', 'acknowledged', 'waiting' FROM c WHERE status = 'waiting')
	SELECT id FROM c
$$;

CREATE FUNCTION pg_temp.transition(c bigint, action text, actor text, version int) RETURNS closeloop.cases LANGUAGE sql AS $$
	SELECT closeloop.case_transition(c, CASE WHEN action IN ('reached', 'missed') THEN 'contacted' ELSE action END, actor,
		'because', CASE action
			WHEN 'reached' THEN '{"how": "phone", "reached": true}'
			WHEN 'missed' THEN '{"how": "phone", "reached": false}'
			WHEN 'assign' THEN '{"to": "jiwoo"}'
			WHEN 'resolve' THEN '{"cause": "staff"}'
			WHEN 'wait' THEN jsonb_build_object('until', now() + interval '3 days')
			ELSE '{}' END, version)
$$;
-- Names of the columns in which two rows differ, without those that follow from others.
CREATE FUNCTION pg_temp.differ(a closeloop.cases, b closeloop.cases) RETURNS text[] LANGUAGE sql AS $$
	SELECT coalesce(array_agg(o.key ORDER BY o.key), '{}') FROM jsonb_each(to_jsonb(a)) AS o
	WHERE o.value IS DISTINCT FROM to_jsonb(b) -> o.key AND o.key NOT IN ('status', 'version', 'next_action_at', 'link_epoch')
$$;
CREATE FUNCTION pg_temp.stored(c bigint) RETURNS closeloop.cases LANGUAGE sql AS $$ SELECT t FROM closeloop.cases t WHERE id = c $$;

CREATE FUNCTION pg_temp.act(s text, action text, actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was closeloop.cases := pg_temp.stored(pg_temp.case_in(s::closeloop.case_status));
	after closeloop.cases;
	e closeloop.case_events;
	last bigint := (SELECT coalesce(max(id), 0) FROM closeloop.case_events);
	changed text[] := (SELECT string_to_array(x.columns, ' ') FROM changes AS x WHERE x.action = act.action AND x.from_status = s);
	seen text[];
BEGIN
	BEGIN
		after := pg_temp.transition(was.id, action, actor, was.version);
	EXCEPTION WHEN OTHERS THEN
		RETURN CASE WHEN pg_temp.stored(was.id) = was AND NOT EXISTS (SELECT FROM closeloop.case_events WHERE id > last) THEN sqlstate
			ELSE 'refused, but something was written: ' || sqlerrm END;
	END;
	IF after = was AND NOT EXISTS (SELECT FROM closeloop.case_events WHERE id > last) THEN
		RETURN 'same';
	ELSIF after.version <> was.version + 1 THEN
		RETURN 'version';
	ELSIF after IS DISTINCT FROM pg_temp.stored(was.id) THEN
		RETURN 'not what is stored';
	ELSIF after.next_action_at IS DISTINCT FROM closeloop.case_next_action(after) THEN
		RETURN 'not the next action';
	ELSIF after.link_epoch <> was.link_epoch + (action = 'assign')::int THEN
		RETURN 'links';
	ELSIF (SELECT count(*) FROM closeloop.case_events WHERE id > last) <> 1 THEN
		RETURN 'not one event';
	END IF;
	SELECT * INTO e FROM closeloop.case_events WHERE id > last;
	IF (e.case_id, e.at, e.actor, e.note, e.from_status, e.to_status) IS DISTINCT FROM (was.id, now(), actor, 'because', was.status, after.status)
		OR e.kind <> (SELECT a.kind FROM closeloop.case_actions() AS a
			WHERE a.action = CASE WHEN act.action IN ('reached', 'missed') THEN 'contacted' ELSE act.action END) THEN
		RETURN 'the event says ' || e;
	END IF;
	seen := pg_temp.differ(was, after);
	IF seen <> (SELECT coalesce(array_agg(x ORDER BY x), '{}') FROM unnest(changed) AS x) THEN
		RETURN format('changes %s instead of %s', seen, changed);
	END IF;
	RETURN after.status;
END
$$;

CREATE FUNCTION pg_temp.undone(s text, action text, actor text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
	was closeloop.cases := pg_temp.stored(pg_temp.case_in(s::closeloop.case_status));
	after closeloop.cases;
BEGIN
	UPDATE closeloop.cases SET next_action_at = closeloop.case_next_action(was) WHERE id = was.id RETURNING * INTO was;
	PERFORM pg_temp.transition(was.id, action, actor, NULL);
	BEGIN
		PERFORM closeloop.case_transition(was.id, 'undo', 'somebody-else');
		RETURN 'by somebody else';
	EXCEPTION WHEN SQLSTATE 'CL002' THEN
		NULL;
	END;
	after := closeloop.case_transition(was.id, 'undo', actor);
	IF (after.status, after.next_action_at, after.version) IS DISTINCT FROM (was.status, was.next_action_at, was.version + 2) THEN
		RETURN format('%s %s %s', after.status, after.next_action_at, after.version);
	END IF;
	RETURN array_to_string(pg_temp.differ(was, after), ' ');
EXCEPTION WHEN OTHERS THEN
	RETURN sqlstate;
END
$$;

SET LOCAL client_min_messages = warning;
SELECT is(pg_temp.act(s.key, x.action, a.actor), s.value, format('%s from %s by %s: %s', x.action, s.key, a.actor, s.value))
FROM expected AS x, jsonb_each_text(to_jsonb(x) - 'action') AS s, unnest(ARRAY['minsu', 'cli:root', 'daemon']) AS a (actor);
SELECT is(pg_temp.undone(x.from_status, x.action, a.actor), CASE x.action WHEN 'note' THEN 'CL002' ELSE '' END,
	format('undo of %s from %s by %s', x.action, x.from_status, a.actor))
FROM changes AS x, unnest(ARRAY['minsu', 'cli:root', 'daemon']) AS a (actor);

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
