-- Tables, words, constraints and rights as DESIGN section 4 has them.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

-- ---- what other programs rely on ----

SELECT tables_are('closeloop', ARRAY['instance', 'migrations', 'responses', 'inbox', 'cases', 'case_responses', 'case_events',
	'messages', 'attempts', 'owners', 'people', 'absences', 'endpoints', 'team_positions', 'rulesets', 'daemons',
	'directory_version', 'notices', 'calendars', 'person_clocks', 'clocks_mark', 'follow_up_versions', 'escalation_steps',
	'alert_budgets', 'mornings', 'source_days', 'sources_seen', 'source_settings', 'operator_news', 'ruleset_periods', 'reloads', 'case_drafts',
	'link_requests']);
SELECT views_are('closeloop', ARRAY['case_overview', 'nps_by_touchpoint', 'follow_up_performance', 'message_overview']);

SELECT columns_are('closeloop', 'responses', ARRAY['id', 'source', 'source_id', 'survey', 'touchpoint', 'channel', 'customer_id',
	'customer_name', 'customer_email', 'customer_phone', 'account', 'account_name', 'region', 'language', 'nps', 'csat', 'ces',
	'ratings', 'contact_requested', 'comment', 'attributes', 'responded_at', 'received_at']);
SELECT columns_are('closeloop', 'inbox', ARRAY['id', 'response_id', 'available_at', 'tries', 'last_error', 'set_aside_at',
	'changed', 'settles']);
SELECT has_column('closeloop', 'cases', c, 'cases.' || c) FROM unnest(ARRAY['id', 'response_id', 'customer_id', 'status',
	'priority', 'owner', 'team', 'route', 'follow_up', 'rules', 'opened_at', 'acknowledged_at', 'first_action_at',
	'contacted_at', 'resolved_at', 'closed_at', 'acknowledge_due_at', 'resolve_due_at', 'next_action_at', 'waiting_until',
	'root_cause', 'resolution', 'outcome', 'reopened', 'handovers', 'link_epoch', 'ruleset', 'version']) AS c;
SELECT columns_are('closeloop', 'case_responses', ARRAY['response_id', 'case_id', 'relation', 'rules', 'facts', 'ruleset', 'at', 'answer',
	'row_version']);
SELECT columns_are('closeloop', 'case_events', ARRAY['id', 'case_id', 'at', 'actor', 'kind', 'from_status', 'to_status', 'note',
	'details']);
SELECT has_column('closeloop', 'messages', c, 'messages.' || c) FROM unnest(ARRAY['id', 'case_id', 'response_id', 'kind', 'step',
	'channel', 'endpoint', 'recipient', 'payload', 'dedup_key', 'state', 'attempt', 'next_at', 'lease_until', 'fence',
	'digest_id', 'created_at', 'sent_at', 'last_code', 'last_error']) AS c;
SELECT has_column('closeloop', 'attempts', c, 'attempts.' || c)
	FROM unnest(ARRAY['message_id', 'at', 'outcome', 'code', 'duration_ms', 'error', 'answer']) AS c;
SELECT col_is_pk('closeloop', 'case_responses', 'response_id', 'a response is judged once');
SELECT col_is_unique('closeloop', 'responses', ARRAY['source', 'source_id'], 'an answer is stored once');
SELECT col_is_unique('closeloop', 'messages', ARRAY['dedup_key'], 'a message is written once');

SELECT enum_has_labels('closeloop', 'case_status',
	ARRAY['open', 'acknowledged', 'in_progress', 'waiting', 'resolved', 'closed', 'dismissed']);
SELECT enum_has_labels('closeloop', 'priority', ARRAY['low', 'normal', 'high', 'urgent']);
SELECT enum_has_labels('closeloop', 'message_state', ARRAY['queued', 'held', 'leased', 'sent', 'failed', 'dead', 'cancelled']);
SELECT enum_has_labels('closeloop', 'outcome', ARRAY['recovered', 'unchanged', 'lost']);

SELECT has_index('closeloop', t, i, i) FROM (VALUES ('cases', 'cases_owner_list'), ('cases', 'cases_owner_done'), ('cases', 'cases_by_customer'),
	('cases', 'cases_next_action'), ('responses', 'responses_customer'), ('case_events', 'case_events_case'),
	('messages', 'messages_outstanding'), ('messages', 'messages_case'), ('attempts', 'attempts_message'),
	('owners', 'owners_key')) AS x (t, i);

-- ---- what can't get in ----

SELECT lives_ok('INSERT INTO closeloop.responses DEFAULT VALUES', 'an empty response is one');
SELECT lives_ok(format('INSERT INTO closeloop.responses (%s) VALUES (%s)', c, v), format('%s %s gets in', c, v))
	FROM (VALUES ('nps', '0'), ('nps', '10'), ('csat', '1'), ('csat', '5'), ('ces', '1'), ('ces', '7'), ('nps', 'NULL'))
	AS x (c, v);
SELECT throws_ok(format('INSERT INTO closeloop.responses (%s) VALUES (%s)', c, v), '23514', NULL, format('%s %s stays out', c, v))
	FROM (VALUES ('nps', '-1'), ('nps', '11'), ('csat', '0'), ('csat', '6'), ('ces', '0'), ('ces', '8'),
		('ratings', '''[1]'''), ('ratings', '''3'''), ('attributes', '''"x"'''), ('attributes', '''null''')) AS x (c, v);
SELECT throws_ok('INSERT INTO closeloop.responses (id, nps) OVERRIDING USER VALUE VALUES (7, 11)', '23514', NULL,
	'the id is the database''s, the score is still checked');
SELECT throws_ok('INSERT INTO closeloop.responses (id) VALUES (7)', '428C9', NULL, 'ids of responses are never chosen');
INSERT INTO closeloop.responses (source, source_id) VALUES ('shop', '1');
SELECT throws_ok($$INSERT INTO closeloop.responses (source, source_id) VALUES ('shop', '1')$$, '23505', NULL,
	'one row for one answer of one source');
SELECT lives_ok($$INSERT INTO closeloop.responses (source) VALUES ('shop'), ('shop')$$, 'answers without an id are all different');

INSERT INTO closeloop.cases (id, response_id) SELECT 901, id FROM closeloop.responses WHERE source_id = '1';
SELECT throws_ok('INSERT INTO closeloop.cases (response_id) SELECT response_id FROM closeloop.cases', '23505', NULL,
	'a response opens one case');
SELECT throws_ok('INSERT INTO closeloop.cases (response_id) VALUES (999999)', '23503', NULL, 'no case without a response');
INSERT INTO closeloop.responses (source, source_id) VALUES ('kept', 'noted'), ('kept', 'opened'), ('kept', 'nothing');
INSERT INTO closeloop.case_responses (response_id, relation) SELECT id, 'noted' FROM closeloop.responses WHERE source_id = 'noted';
INSERT INTO closeloop.cases (id, response_id) SELECT 902, id FROM closeloop.responses WHERE source_id = 'opened';
INSERT INTO closeloop.case_events (case_id, actor, kind, to_status) VALUES (902, 'daemon', 'opened', 'open');
SELECT throws_ok($$DELETE FROM closeloop.responses WHERE source_id = 'noted'$$, '23503', NULL, 'what was judged is not deleted');
SELECT throws_ok($$DELETE FROM closeloop.responses WHERE source_id = 'opened'$$, '23503', NULL, 'nor what opened a case');
SELECT lives_ok($$DELETE FROM closeloop.responses WHERE source_id = 'nothing'$$, 'an answer that nothing speaks of is');
SELECT throws_ok($$UPDATE closeloop.responses SET id = DEFAULT WHERE source_id = 'noted'$$, '23503', NULL, 'it keeps its id');
SELECT throws_ok('DELETE FROM closeloop.cases WHERE id = 902', '23503', NULL, 'a case with a history is not deleted');
SELECT throws_ok('UPDATE closeloop.cases SET id = 903 WHERE id = 902', '23503', NULL, 'nor given another number');
SELECT lives_ok('UPDATE closeloop.cases SET id = id WHERE id = 902', 'the same number is no other');
SELECT lives_ok($$WITH h AS (DELETE FROM closeloop.case_events WHERE case_id = 902) DELETE FROM closeloop.cases WHERE id = 902$$,
	'with its history it goes');
INSERT INTO closeloop.cases (id, response_id) SELECT 902, id FROM closeloop.responses WHERE source_id = 'opened';
INSERT INTO closeloop.case_responses (response_id, case_id, relation) SELECT response_id, id, 'opened' FROM closeloop.cases WHERE id = 902;
SELECT throws_ok('DELETE FROM closeloop.cases WHERE id = 902', '23503', NULL, 'a record alone keeps it too');
SAVEPOINT emptied;
SELECT throws_ok('TRUNCATE closeloop.responses', '0A000', NULL, 'answers are not emptied alone');
TRUNCATE closeloop.responses, closeloop.inbox CASCADE;
SELECT is((SELECT count(*) FROM closeloop.case_responses) + (SELECT count(*) FROM closeloop.case_events), 0::bigint,
	'with all that hangs on them nothing is left behind');
ROLLBACK TO emptied;
DELETE FROM closeloop.case_responses WHERE case_id = 902;
DELETE FROM closeloop.cases WHERE id = 902;
SELECT throws_ok(format('UPDATE closeloop.cases SET status = %L', s), '23514', NULL, s || ' needs its time')
	FROM unnest(ARRAY['waiting', 'resolved', 'closed', 'dismissed']) AS s;
SELECT throws_ok('UPDATE closeloop.cases SET waiting_until = now()', '23514', NULL, 'only a waiting case waits');
SELECT throws_ok($$INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (1, NULL, 'opened')$$, '23514', NULL,
	'"opened" names the case');
SELECT throws_ok($$INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (1, 901, 'noted')$$, '23514', NULL,
	'"noted" has none');
SELECT throws_ok($$INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (1, 901, 'seen')$$, '23514', NULL,
	'relations are a closed list');
SELECT throws_ok($$INSERT INTO closeloop.case_events (case_id, actor, kind) VALUES (901, 'x', 'sneezed')$$, '23514', NULL,
	'kinds of events are a closed list');
SELECT throws_ok($$INSERT INTO closeloop.messages (id, kind, channel, endpoint, payload, dedup_key)
	VALUES (gen_random_uuid(), 'x', 'webhook', 'email', '', 'd1')$$, '23514', NULL, 'no webhook is called email');
SELECT throws_ok($$INSERT INTO closeloop.instance (name) VALUES ('second')$$, '23505', NULL, 'a database is one instance');
SELECT throws_ok($$INSERT INTO closeloop.people (id, name) VALUES ('1a', 'x')$$, '23514', NULL, 'ids of people begin with a letter');
SELECT throws_ok($$INSERT INTO closeloop.absences (person, starts_at, ends_at) VALUES ('a', now(), now())$$, '23514', NULL,
	'an absence ends after it begins');

-- ---- house rules ----

SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'closeloop'::regnamespace
	AND obj_description(p.oid, 'pg_proc') IS NULL$$, 'every function says what it is for');
SELECT is_empty($$SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'closeloop'::regnamespace
	AND c.relkind IN ('r', 'v') AND obj_description(c.oid, 'pg_class') IS NULL$$, 'so does every table and view');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'closeloop'::regnamespace
	AND has_function_privilege('public', p.oid, 'EXECUTE')$$, 'nobody may call a function because everybody may');
SELECT is_empty($$SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'closeloop'::regnamespace AND p.prosecdef
	AND NOT coalesce('search_path=pg_catalog, pg_temp' = ANY (p.proconfig), false)$$,
	'functions that run with their owner''s rights have a fixed search_path');
SELECT is_empty($$SELECT a.attname FROM pg_attribute a WHERE a.attrelid = 'closeloop.responses'::regclass AND a.attnum > 0
	AND NOT a.attisdropped AND a.attname NOT IN ('id', 'received_at')
	AND (SELECT prosrc FROM pg_proc WHERE oid = 'closeloop.capture_update()'::regprocedure) !~ ('\mn\.' || a.attname || '\M')$$,
	'capture_update compares every column of a response');
SELECT ok('autovacuum_vacuum_scale_factor=0' = ANY (c.reloptions) AND 'autovacuum_vacuum_cost_delay=0' = ANY (c.reloptions),
	c.relname || ' is vacuumed by numbers, at full speed')
	FROM pg_class c WHERE c.oid IN ('closeloop.inbox'::regclass, 'closeloop.messages'::regclass);
SELECT * FROM finish();
ROLLBACK;
