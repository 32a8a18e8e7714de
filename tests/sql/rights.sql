-- Each role can do its work, and no more.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

SELECT ok(NOT rolcanlogin AND NOT rolsuper AND NOT rolcreaterole AND NOT rolcreatedb, rolname || ' is no login')
	FROM pg_roles WHERE rolname LIKE 'closeloop\_%';
SELECT is(closeloop.grant_roles(), 4, 'rights may be given again');
SELECT lives_ok($$SELECT closeloop.grant_each('closeloop_nobody', '{}')$$, 'a role that was never made is passed over');

INSERT INTO closeloop.responses (source_id, customer_id, comment, nps) VALUES ('1', 'k', 'bad', 1), ('2', 'k', 'good', 9);
SELECT id AS c FROM closeloop.case_open_by_hand((SELECT min(id) FROM closeloop.responses), 'jiwoo', 'high', 'minsu') \gset
INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, address, payload, dedup_key)
VALUES ('00000000-0000-4000-8000-000000000001', :c, 'case.opened', 'email', 'email', 'minsu', 'minsu@example.com', 'secret', 'd');
INSERT INTO closeloop.attempts (message_id, outcome, answer) VALUES ('00000000-0000-4000-8000-000000000001', 'retry', 'mailbox full');
-- Privileges of tables as one word each, beside those of columns.
CREATE FUNCTION pg_temp.rights(who text) RETURNS TABLE (what text) LANGUAGE sql AS $$
	SELECT c.relname || ' ' || p FROM pg_class c, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS p
	WHERE c.relnamespace = 'closeloop'::regnamespace AND c.relkind IN ('r', 'v') AND has_table_privilege(who, c.oid, p)
$$;
CREATE FUNCTION pg_temp.calls(who text) RETURNS TABLE (what text) LANGUAGE sql AS $$
	SELECT p.proname::text FROM pg_proc p WHERE p.pronamespace = 'closeloop'::regnamespace AND has_function_privilege(who, p.oid, 'EXECUTE')
$$;
GRANT USAGE ON SCHEMA public TO PUBLIC;

-- ---- writer ----
SELECT is_empty($$SELECT * FROM pg_temp.rights('closeloop_writer')$$, 'writer: no right on a whole table');
SELECT is_empty($$SELECT * FROM pg_temp.calls('closeloop_writer')$$, 'writer: no function');
SELECT is_empty($$SELECT attrelid::regclass, attname FROM pg_attribute WHERE attrelid IN (SELECT oid FROM pg_class
	WHERE relnamespace = 'closeloop'::regnamespace AND relkind IN ('r', 'v') AND relname <> 'responses') AND attnum > 0
	AND has_any_column_privilege('closeloop_writer', attrelid, 'SELECT, INSERT, UPDATE')$$, 'writer: nothing beside responses');
SET ROLE closeloop_writer;
SELECT lives_ok($$INSERT INTO closeloop.responses (source, source_id, nps, comment) VALUES ('shop', '1', 3, 'x')$$, 'writer: INSERT');
SELECT lives_ok($$INSERT INTO closeloop.responses (source, source_id, nps, comment, ratings, received_at) VALUES ('shop', '1', 4, 'y', '{"a": 1}', now()),
	('shop', '2', 4, 'y', '{}', now()) ON CONFLICT (source, source_id) DO UPDATE SET nps = excluded.nps, comment = excluded.comment,
	ratings = excluded.ratings, received_at = excluded.received_at$$, 'writer: ON CONFLICT DO UPDATE');
SELECT lives_ok($$INSERT INTO closeloop.responses (source, source_id) VALUES ('shop', '1') ON CONFLICT DO NOTHING$$, 'writer: ON CONFLICT DO NOTHING');
SELECT lives_ok($$INSERT INTO closeloop.responses (nps) VALUES (1) RETURNING id$$, 'writer: RETURNING id');
SELECT throws_ok(sql, '42501', NULL, 'writer may not: ' || sql) FROM unnest(ARRAY[
	'DELETE FROM closeloop.responses', 'TRUNCATE closeloop.responses', 'UPDATE closeloop.responses SET id = DEFAULT',
	'SELECT FROM closeloop.inbox', 'INSERT INTO closeloop.inbox (response_id) VALUES (1)', 'DELETE FROM closeloop.inbox',
	'SELECT FROM closeloop.cases', 'SELECT FROM closeloop.messages', 'SELECT FROM closeloop.people', 'SELECT FROM closeloop.case_overview',
	'SELECT closeloop.case_transition(1, ''start'', ''x'')', 'SELECT closeloop.raise_awake(0)', 'SELECT closeloop.wake()',
	'SELECT setval(''closeloop.awake_until'', 1)', 'SELECT closeloop.grant_writer()', 'CREATE TABLE closeloop.x (a int)',
	'DROP TRIGGER capture_insert ON closeloop.responses']) AS sql;
RESET ROLE;
SELECT is(count(*)::int, 6, 'what the writer wrote and changed is in the inbox') FROM closeloop.inbox;

-- ---- daemon: its statements run as it would send them ----
SET ROLE closeloop_daemon;
SELECT lives_ok(sql, 'daemon: ' || left(sql, 90)) FROM unnest(ARRAY[
	'SELECT id FROM closeloop.responses FOR NO KEY UPDATE', 'SELECT id FROM closeloop.responses FOR SHARE',
	'DELETE FROM closeloop.inbox WHERE id = ANY (ARRAY(SELECT id FROM closeloop.inbox ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED)) RETURNING id',
	'UPDATE closeloop.inbox SET tries = tries + 1', 'INSERT INTO closeloop.inbox (response_id) VALUES (1)',
	'SELECT nextval(''closeloop.cases_id_seq'')',
	'INSERT INTO closeloop.cases (id, response_id) SELECT 900, id FROM closeloop.responses WHERE source_id = ''2'' AND source = ''direct''',
	'INSERT INTO closeloop.case_responses (response_id, case_id, relation) SELECT response_id, id, ''opened'' FROM closeloop.cases WHERE id = 900 ON CONFLICT (response_id) DO UPDATE SET relation = excluded.relation',
	'INSERT INTO closeloop.case_events (case_id, actor, kind) VALUES (900, ''daemon'', ''opened'')',
	'INSERT INTO closeloop.messages (id, kind, channel, endpoint, payload, dedup_key) VALUES (gen_random_uuid(), ''x'', ''webhook'', ''crm'', '''', ''e'') ON CONFLICT (dedup_key) DO NOTHING',
	'UPDATE closeloop.messages SET state = ''leased'', lease_until = now()', 'INSERT INTO closeloop.attempts (message_id, outcome) SELECT id, ''sent'' FROM closeloop.messages',
	'INSERT INTO closeloop.endpoints (name) VALUES (''crm'') ON CONFLICT (name) DO UPDATE SET failures = 1',
	'INSERT INTO closeloop.team_positions (team) VALUES (''a'')', 'SELECT position FROM closeloop.team_positions FOR UPDATE',
	'INSERT INTO closeloop.rulesets (sha256, text) VALUES (''a'', '''')', 'INSERT INTO closeloop.daemons (id) VALUES (''a'')',
	'UPDATE closeloop.daemons SET seen_at = now()', 'DELETE FROM closeloop.daemons',
	'INSERT INTO closeloop.owners (dimension, value, person) VALUES (''account'', ''a'', ''b'')', 'DELETE FROM closeloop.owners',
	'INSERT INTO closeloop.people (id, name) VALUES (''a'', ''A'')', 'INSERT INTO closeloop.absences (person) VALUES (''a'')',
	'DELETE FROM closeloop.people', 'SELECT last_value FROM closeloop.directory_version', 'SELECT name FROM closeloop.instance',
	'SELECT number FROM closeloop.migrations', 'SELECT closeloop.raise_awake(1)', 'SELECT pg_advisory_xact_lock(1)',
	'SELECT closeloop.case_transition(900, ''acknowledge'', ''minsu'')', 'SELECT closeloop.case_assign_all(''nobody'', ''minsu'', ''minsu'')',
	'SELECT closeloop.follow_up_version(''{"name": "x"}'')', 'SELECT closeloop.case_opening_clocks(1, ''minsu'', now())', 'SELECT closeloop.case_plans(''{900}'')',
	'SELECT closeloop.follow_up_sweep(10)', 'SELECT closeloop.follow_up_recompute(0, 10)', 'SELECT score FROM closeloop.case_overview',
	'SELECT closeloop.operator_open(''credentials'', ''crm'', ''{}'')', 'SELECT closeloop.operator_look(ARRAY[''crm''])',
	'SELECT closeloop.operator_undelivered(ARRAY(SELECT id FROM closeloop.messages))', 'SELECT * FROM closeloop.operator_claim(true, 10)',
	'SELECT closeloop.operator_nobody_left(ARRAY(SELECT id FROM closeloop.messages))', 'SELECT kind FROM closeloop.operator_news',
	'UPDATE closeloop.cases SET next_action_at = now(), version = version + 1']) AS sql;
SELECT throws_ok(sql, '42501', NULL, 'daemon may not: ' || sql) FROM unnest(ARRAY[
	'UPDATE closeloop.responses SET nps = 1', 'DELETE FROM closeloop.responses', 'INSERT INTO closeloop.responses (nps) VALUES (1)',
	'UPDATE closeloop.case_events SET note = ''''', 'DELETE FROM closeloop.case_events', 'DELETE FROM closeloop.cases',
	'DELETE FROM closeloop.messages', 'UPDATE closeloop.operator_news SET ended_at = now()', 'UPDATE closeloop.instance SET name = ''x''', 'DELETE FROM closeloop.migrations',
	'UPDATE closeloop.directory_version SET last_value = 0', 'SELECT closeloop.grant_daemon()', 'CREATE TABLE closeloop.x (a int)']) AS sql;
RESET ROLE;

-- ---- pages ----
SET ROLE closeloop_pages;
SELECT lives_ok(sql, 'pages: ' || sql) FROM unnest(ARRAY['SELECT * FROM closeloop.case_overview', 'SELECT * FROM closeloop.case_events',
	'SELECT * FROM closeloop.responses', 'SELECT * FROM closeloop.message_overview', 'SELECT * FROM closeloop.follow_up_performance',
	'SELECT closeloop.case_transition(900, ''note'', ''minsu'', ''x'')', 'SELECT * FROM closeloop.case_actions()']) AS sql;
SELECT throws_ok(sql, '42501', NULL, 'pages may not: ' || sql) FROM unnest(ARRAY['SELECT * FROM closeloop.messages', 'SELECT payload FROM closeloop.messages',
	'SELECT * FROM closeloop.attempts', 'UPDATE closeloop.cases SET owner = ''x''', 'INSERT INTO closeloop.case_events (case_id, actor, kind) VALUES (900, ''x'', ''noted'')',
	'DELETE FROM closeloop.inbox', 'SELECT closeloop.case_save(NULL, NULL)', 'SELECT closeloop.case_cancel_messages(900)', 'SELECT closeloop.follow_up_sweep(10)',
	'SELECT closeloop.follow_up_version(''{"name": "y"}'')', 'INSERT INTO closeloop.follow_up_versions (name, sha256) VALUES (''z'', ''z'')',
	'INSERT INTO closeloop.people (id, name) VALUES (''b'', ''B'')', 'SELECT setval(''closeloop.awake_until'', 1)']) AS sql;
RESET ROLE;

-- ---- reader ----
SELECT set_eq($$SELECT * FROM pg_temp.rights('closeloop_reader')$$, ARRAY['case_overview SELECT', 'nps_by_touchpoint SELECT',
	'follow_up_performance SELECT', 'message_overview SELECT'], 'reader: the views, and nothing else');
SET ROLE closeloop_reader;
SELECT lives_ok('SELECT * FROM closeloop.' || v, 'reader: ' || v)
	FROM unnest(ARRAY['case_overview', 'nps_by_touchpoint', 'follow_up_performance', 'message_overview']) AS v;
SELECT throws_ok(sql, '42501', NULL, 'reader may not: ' || sql) FROM unnest(ARRAY['SELECT * FROM closeloop.messages',
	'SELECT payload FROM closeloop.messages', 'SELECT comment FROM closeloop.responses', 'SELECT * FROM closeloop.attempts', 'SELECT * FROM closeloop.rulesets',
	'SELECT closeloop.case_transition(900, ''note'', ''minsu'', ''x'')', 'INSERT INTO closeloop.responses (nps) VALUES (1)']) AS sql;
RESET ROLE;
SELECT is_empty($$SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'closeloop'
	AND table_name IN ('case_overview', 'nps_by_touchpoint', 'follow_up_performance', 'message_overview')
	AND column_name ~ 'payload|address|email|phone|answer'$$, 'no view shows a message''s text, an address or a number to call');
SELECT * FROM finish();
ROLLBACK;
