-- A source is missed when it has been silent for three times its usual gap, and not before.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

SELECT is(closeloop.source_look(), 0, 'an empty database has no source');
-- An office from nine to five on working days, a shop all day, a survey once a week, and one that began yesterday.
INSERT INTO closeloop.responses (source, received_at) SELECT 'office', t
	FROM generate_series(now() - interval '70 days', now(), '15 minutes') AS t
	WHERE extract(isodow FROM t AT TIME ZONE 'UTC') < 6 AND extract(hour FROM t AT TIME ZONE 'UTC') BETWEEN 9 AND 16;
INSERT INTO closeloop.responses (source, received_at) SELECT 'shop', t FROM generate_series(now() - interval '40 days', now(), '2 minutes') AS t;
INSERT INTO closeloop.responses (source, received_at) SELECT 'weekly', now() - i * interval '7 days' FROM generate_series(1, 9) AS i;
INSERT INTO closeloop.responses (source, received_at) SELECT 'new', now() - i * interval '1 hour' FROM generate_series(20, 30) AS i;
SELECT is(closeloop.source_look(), 4, 'each source is looked at');
SELECT is(closeloop.source_look(), 0, 'and nothing is written when there is no news');
SELECT results_eq($$SELECT source, usual_gap IS NOT NULL, usual_gap BETWEEN '2 days' AND '3 days', usual_gap = '10 minutes', usual_gap = '7 days'
	FROM closeloop.sources_seen ORDER BY source$$,
	$$VALUES ('new', false, NULL::boolean, NULL::boolean, NULL::boolean), ('office', true, true, false, false), ('shop', true, false, true, false),
	('weekly', true, false, false, true)$$, 'weekends are usual for an office; ten minutes are the least; a day is too short to know');
SELECT is_empty('SELECT source FROM closeloop.sources_silent()', 'nobody is missed');

-- Time passes: everything is as much older.
UPDATE closeloop.sources_seen SET last_at = last_at - interval '31 minutes' WHERE source = 'shop';
SELECT results_eq('SELECT source FROM closeloop.sources_silent()', $$VALUES ('shop')$$, 'the shop is missed after half an hour');
UPDATE closeloop.sources_seen SET last_at = now() - interval '20 days';
SELECT results_eq('SELECT source FROM closeloop.sources_silent() ORDER BY 1', $$VALUES ('office'), ('shop')$$,
	'the office after a week, a weekly survey not yet, a new source never');

INSERT INTO closeloop.responses (source, received_at) VALUES ('office', now());
SELECT is(closeloop.source_look(), 4, 'what came since the last look is taken in');
SELECT ok(NOT EXISTS (SELECT FROM closeloop.sources_silent() WHERE source = 'office'), 'an answer ends the silence');
SELECT is((SELECT count(*)::int FROM closeloop.source_days WHERE source = 'shop' AND day < current_date - 90), 0, 'old days are forgotten');
SELECT * FROM finish();
ROLLBACK;
