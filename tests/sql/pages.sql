-- What the pages ask: who may see a case, lists in their order and page by page, what programs are shown, fresh links.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();

INSERT INTO closeloop.responses (customer_id, customer_name, customer_email, nps, comment, touchpoint)
SELECT 'k' || i, 'Kunde ' || i, 'k' || i || '@example.com', i % 7, 'comment ' || i, CASE WHEN i % 2 = 0 THEN 'shop' END FROM generate_series(1, 40) AS i;
INSERT INTO closeloop.cases (response_id, customer_id, owner, team, priority, acknowledge_due_at, resolve_due_at)
SELECT id, customer_id, CASE WHEN id % 4 = 0 THEN 'anna' ELSE 'minsu' END, 'care', (ARRAY['low', 'normal', 'high', 'urgent'])[1 + id % 4]::closeloop.priority,
	now() + make_interval(mins => (id * 7 % 40)::int), now() + make_interval(hours => (id % 5)::int) FROM closeloop.responses ORDER BY id;
INSERT INTO closeloop.case_events (case_id, actor, kind, to_status) SELECT id, 'daemon', 'opened', 'open' FROM closeloop.cases;
DELETE FROM closeloop.notices;

CREATE TEMP VIEW one AS SELECT min(id) AS id FROM closeloop.cases WHERE owner = 'minsu';

-- ---- who may see a case ----

SELECT is(closeloop.page_may_see(c, person, people, teams), may, format('%s %s %s', person, people, teams))
FROM closeloop.cases AS c JOIN one USING (id), (VALUES ('minsu', '{}'::text[], '{}'::text[], true), ('anna', '{}', '{}', false),
	('olga', '{minsu}', '{}', true), ('olga', '{anna}', '{field}', false), ('ben', '{}', '{care}', true)) AS v (person, people, teams, may);
SELECT is(closeloop.page_case(id, 'anna', '{}', '{}', 'UTC', '{}')::jsonb, NULL, 'a case of somebody else is no case') FROM one;
SELECT is(closeloop.page_case(999999, 'minsu', '{}', '{}', 'UTC', '{}')::jsonb, NULL, 'no more than one that is none');
SELECT throws_ok(format('SELECT closeloop.page_act(%s, ''acknowledge'', ''anna'', ''{}'', ''{}'', NULL, ''{}'', NULL, ''UTC'')', id), 'CL003',
	NULL, 'nobody acts on a case that they may not see') FROM one;
INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, address, payload, dedup_key, state)
SELECT gen_random_uuid(), id, 'case.opened', 'email', 'email', 'anna', 'anna@example.com', 'x', 'told', 'sent' FROM one;
SELECT ok(closeloop.page_case(id, 'anna', '{}', '{}', 'UTC', '{}') IS NOT NULL, 'who was told of it may see it') FROM one;

-- ---- acting ----

SELECT is((closeloop.page_act(id, 'wait', 'minsu', '{}', '{}', 'n', '{"until_local": "2099-07-01T10:00"}', NULL, 'Europe/Berlin')).waiting_until,
	'2099-07-01 08:00+00'::timestamptz, 'a time on the wall of the zone') FROM one;
SELECT throws_ok(format('SELECT closeloop.page_act(%s, ''wait'', ''minsu'', ''{}'', ''{}'', NULL, ''{"until_local": "soon"}'', NULL, ''UTC'')', id),
	'CL002', NULL, 'no time') FROM one;
SELECT lives_ok(format('SELECT closeloop.page_keep(%s, ''minsu'', ''half a sentence'', ''{"action": "assign", "to": "An"}'')', id), 'a note is kept') FROM one;
SELECT is(closeloop.page_case(id, 'minsu', '{}', '{}', 'UTC', '{}')::jsonb -> 'draft', '{"action": "assign", "to": "An", "note": "half a sentence"}', 'and shown') FROM one;
SELECT is(closeloop.page_case(id, 'anna', '{}', '{}', 'UTC', '{}') ->> 'draft', NULL, 'to nobody else') FROM one;
SELECT lives_ok(format('SELECT closeloop.page_act(%s, ''start'', ''minsu'', ''{}'', ''{}'', ''half a sentence'', ''{}'', NULL, ''UTC'')', id),
	'until they act') FROM one;
SELECT is((SELECT count(*) FROM closeloop.case_drafts), 0::bigint, 'then it is gone');
SELECT lives_ok(format('SELECT closeloop.page_keep(%s, ''minsu'', ''half a sentence'', ''{"action": "assign", "to": "An"}'')', id), 'what was just taken') FROM one;
SELECT is((SELECT count(*) FROM closeloop.case_drafts), 0::bigint, 'is not kept again');
SELECT is(closeloop.page_case(id, 'minsu', '{}', '{}', 'UTC', '{}') ->> 'undo', 'started', 'who acted may undo it') FROM one;
SELECT is(closeloop.page_case(id, 'anna', '{}', '{}', 'UTC', '{}') ->> 'undo', NULL, 'nobody else') FROM one;

-- ---- lists ----

CREATE TEMP TABLE pages AS
WITH RECURSIVE p AS (
	SELECT 1 AS n, closeloop.page_inbox('{minsu,anna}', '{}', '[]', 'UTC', 7)::jsonb AS j
	UNION ALL
	SELECT n + 1, closeloop.page_inbox('{minsu,anna}', '{}', j -> 'next', 'UTC', 7)::jsonb FROM p WHERE jsonb_typeof(j -> 'next') = 'array')
SELECT n, (l.x ->> 'id')::bigint AS id, l.i FROM p, jsonb_array_elements(j -> 'lines') WITH ORDINALITY AS l (x, i);
SELECT is((SELECT array_agg(id ORDER BY n, i) FROM pages), (SELECT array_agg(id ORDER BY priority DESC,
	coalesce(CASE WHEN status = 'open' THEN acknowledge_due_at END, resolve_due_at), id) FROM closeloop.cases),
	'page by page all cases, worst and nearest due first');
SELECT is((SELECT max(n) FROM pages), 6, 'seven at a time');

-- Of many owners only the first cases are looked at; the list must be the same.
CREATE TEMP TABLE owned AS SELECT id, owner FROM closeloop.cases;
UPDATE closeloop.cases SET owner = 'o' || id * id % 17;
SELECT is((SELECT array_agg(p.id ORDER BY p.n, p.i) FROM (
		WITH RECURSIVE p AS (
			SELECT 1 AS n, closeloop.page_inbox(o.owners, v.filter, '[]', 'UTC', v.many)::jsonb AS j
			UNION ALL
			SELECT p.n + 1, closeloop.page_inbox(o.owners, v.filter, p.j -> 'next', 'UTC', v.many)::jsonb FROM p
			WHERE jsonb_typeof(p.j -> 'next') = 'array')
		SELECT p.n, (l.x ->> 'id')::bigint AS id, l.i FROM p, jsonb_array_elements(p.j -> 'lines') WITH ORDINALITY AS l (x, i)) AS p),
	(SELECT array_agg(c.id ORDER BY c.priority DESC, coalesce(CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END, c.resolve_due_at), c.id)
		FROM closeloop.cases AS c WHERE c.priority::text = coalesce(v.filter ->> 'priority', c.priority::text)
			AND c.status::text = coalesce(v.filter ->> 'status', c.status::text)),
	format('%s of %s owners at a time, %s', v.many, cardinality(o.owners), v.filter))
FROM (VALUES (1, '{}'::jsonb), (2, '{}'), (3, '{"priority": "normal"}'), (3, '{"status": "open"}'), (5, '{}'), (20, '{}')) AS v (many, filter),
	(SELECT array_agg('o' || i) || '{nobody}'::text[] AS owners FROM generate_series(0, 16) AS i) AS o;
UPDATE closeloop.cases AS c SET owner = o.owner FROM owned AS o WHERE o.id = c.id;
SELECT is(json_array_length(closeloop.page_inbox('{minsu}', f, '[]', 'UTC', 100) -> 'lines'), n, f::text) FROM (VALUES
	('{}'::jsonb, 30), ('{"status": "in_progress"}', 1), ('{"priority": "urgent"}', 10), ('{"touchpoint": "shop"}', 10),
	('{"words": "KUNDE 17"}', 1), ('{"words": "comment 1"}', 9), ('{"words": "%"}', 0), ('{"words": "_"}', 0)) AS v (f, n);
SELECT is(json_array_length(closeloop.page_done('{minsu}', '{}', NULL, 'UTC', 100) -> 'lines'), 0, 'nothing is done');
SELECT lives_ok(format('SELECT closeloop.page_act(%s, ''resolve'', ''minsu'', ''{}'', ''{}'', ''n'', ''{}'', NULL, ''UTC'')', id), 'one is') FROM one;
SELECT is(json_array_length(closeloop.page_done('{minsu}', '{}', NULL, 'UTC', 100) -> 'lines'), 1, 'and stands there');
SELECT is((closeloop.page_counts('minsu', 'UTC') ->> 'open')::int, 29, 'and is counted no more');
SELECT is(closeloop.page_acknowledge(array_agg(id), 'minsu', '{}', '{}'), 29, 'several at once, only those that are open and theirs')
FROM closeloop.cases;

-- ---- absence ----

SELECT lives_ok($$SELECT closeloop.page_away('minsu', NULL, (now() + interval '3 days')::date, 'anna', 'Asia/Seoul')$$, 'away');
SELECT lives_ok($$SELECT closeloop.page_away('minsu', (now() + interval '5 days')::date, NULL, NULL, 'Asia/Seoul')$$, 'no, later');
SELECT is((SELECT count(*) FROM closeloop.absences WHERE person = 'minsu' AND (ends_at IS NULL OR ends_at > now())), 1::bigint,
	'what is said last holds');
SELECT throws_ok($$SELECT closeloop.page_away('minsu', '2099-01-02', '2099-01-01', NULL, 'UTC')$$, 'CL002', NULL, 'the last day before the first');
SELECT lives_ok($$SELECT closeloop.page_back('minsu')$$, 'back');
SELECT is((SELECT count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now()), 0::bigint, 'and nothing is left');

-- ---- fresh links ----

SELECT closeloop.page_link_request('minsu', NULL) FROM generate_series(1, 9);
SELECT closeloop.page_link_request(NULL, NULL);
SELECT is((SELECT count(*) FROM closeloop.link_requests), 3::bigint, 'three in a quarter of an hour, none for nobody');
UPDATE closeloop.link_requests SET at = at - interval '16 minutes';
SELECT closeloop.page_link_request('minsu', NULL);
SELECT is((SELECT count(*) FROM closeloop.link_requests), 4::bigint, 'then again');
UPDATE closeloop.link_requests SET at = at - interval '2 days';
SELECT closeloop.page_link_request(NULL, NULL);
SELECT is((SELECT count(*) FROM closeloop.link_requests), 0::bigint, 'old ones go');

-- ---- programs, results ----

SELECT is((SELECT array_agg(k ORDER BY k) FROM jsonb_object_keys(closeloop.api_cases('{}', 0, 1, NULL) -> 'cases' -> 0) AS k
	WHERE k ~ 'name|email|phone|comment'), NULL, 'no customer''s words, name or address');
SELECT is(closeloop.api_cases('{"customer_id": "k3"}', 0, 10, 'https://x.example') -> 'cases' -> 0 ->> 'url',
	(SELECT 'https://x.example/case/' || id FROM closeloop.cases WHERE customer_id = 'k3'), 'where its page is');
SELECT is(closeloop.report(13, 'Asia/Seoul', '{}') -> 'follow_up' ->> 'opened', '40', 'results count the cases');
SELECT is((SELECT sum((a ->> 'n')::int) FROM jsonb_array_elements(closeloop.report(13, 'UTC', '{}') -> 'answers') AS a WHERE a ->> 'kind' = 'touchpoint'),
	40::bigint, 'and the answers, each at one touchpoint');
SELECT is(closeloop.page_moment('2027-03-02 01:05+00', 'Asia/Seoul')::jsonb - ARRAY['left', 'now'], '{"clock": "2027-03-02T10:05:00"}',
	'a clock on the wall in Seoul');
SELECT is(closeloop.page_moment(now() + interval '90 seconds', 'Asia/Seoul')::jsonb - 'clock',
	jsonb_build_object('left', 90, 'now', now() AT TIME ZONE 'Asia/Seoul'), 'what it shows now, and how long that is');
SELECT is(closeloop.page_moment('infinity', 'UTC')::jsonb, NULL, 'never is no time');

SELECT finish();
ROLLBACK;
