-- What the customer says next: outcomes and recurrence.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;

-- ---- two answers make an outcome ----

CREATE FUNCTION pg_temp.outcome(before jsonb, after jsonb, scales jsonb DEFAULT '{}') RETURNS text LANGUAGE sql AS $$
	SELECT closeloop.outcome_of(jsonb_populate_record(NULL::closeloop.responses, '{"ratings": {}}' || before),
		jsonb_populate_record(NULL::closeloop.responses, '{"ratings": {}}' || after), scales)::text
$$;
SELECT is(pg_temp.outcome(b::jsonb, a::jsonb), want, format('%s, then %s', b, a)) FROM (VALUES
	('{"nps": 2}', '{"nps": 9}', 'recovered'),
	('{"nps": 6}', '{"nps": 7}', 'recovered'),
	('{"nps": 0}', '{"nps": 6}', 'unchanged'),
	('{"nps": 2}', '{"nps": 2}', 'unchanged'),
	('{"nps": 2}', '{"nps": 1}', 'lost'),
	('{"nps": 9}', '{"nps": 6}', 'lost'),
	('{"nps": 9}', '{"nps": 7}', 'unchanged'),
	('{"csat": 3}', '{"csat": 4}', 'recovered'),
	('{"csat": 3}', '{"csat": 3}', 'unchanged'),
	('{"csat": 2}', '{"csat": 1}', 'lost'),
	('{"ces": 4}', '{"ces": 5}', 'recovered'),
	('{"ces": 4}', '{"ces": 3}', 'lost'),
	('{"nps": 2, "csat": 5}', '{"nps": 8, "csat": 1}', 'recovered'), -- nps with nps
	('{"nps": 2}', '{"csat": 5}', 'recovered'),
	('{"csat": 1}', '{"nps": 0}', 'unchanged'), -- both the worst there is
	('{"ratings": {"delivery": 1, "staff": 5}}', '{"ratings": {"delivery": 5}}', 'recovered'),
	('{"ratings": {"delivery": 2}}', '{"ratings": {"delivery": 1, "staff": 5}}', 'lost'),
	('{"ratings": {"delivery": 2}}', '{"ratings": {"delivery": "five"}}', NULL),
	('{"nps": 2}', '{"comment": "thanks"}', NULL),
	('{"comment": "call me"}', '{"nps": 9}', 'recovered'),
	('{"comment": "call me"}', '{"nps": 3}', 'lost')) AS t (b, a, want);
SELECT is(pg_temp.outcome('{"ratings": {"q1": 2}}', '{"ratings": {"q1": 7}}', '{"q1": [1, 10, true]}'), 'recovered', 'a scale of ten');
SELECT is(pg_temp.outcome('{"ratings": {"q1": 2}}', '{"ratings": {"q1": 6}}', '{"q1": [1, 10, true]}'), 'unchanged', 'of which six is low');
SELECT is(pg_temp.outcome('{"ratings": {"q1": 6}}', '{"ratings": {"q1": 1}}', '{"q1": [1, 6, false]}'), 'recovered', 'one is best');
SELECT is(pg_temp.outcome('{"ratings": {"q1": 1}}', '{"ratings": {"q1": 6}}', '{"q1": [1, 6, false]}'), 'lost', 'and six the worst');

SELECT is(pg_temp.outcome('{"ces": 7}', '{"ces": 1}', '{"ces": [1, 7, false]}'), 'recovered', 'effort: little is good');
SELECT is(pg_temp.outcome('{"ces": 1}', '{"ces": 7}', '{"ces": [1, 7, false]}'), 'lost', 'and much is bad');
SELECT is(pg_temp.outcome('{"csat": 5}', '{"csat": 1}', '{"csat": [1, 5, false], "q1": [1, 10, true]}'), 'recovered', 'school grades');
SELECT is(pg_temp.outcome('{"nps": 2, "ratings": {"q1": 9}}', '{"nps": 9, "ratings": {"q1": 1}}', '{"q1": [1, 10, true]}'), 'recovered',
	'the scale of another question changes nothing');
SELECT is(pg_temp.outcome('{"ratings": {"q1": 9, "grade": 5}}', '{"ratings": {"q1": 10, "grade": 1}}',
	'{"q1": [1, 10, true], "grade": [1, 5, false]}'), 'recovered', 'the mean of levels, each on its own scale');

-- ---- which case, which answer ----

CREATE FUNCTION pg_temp.said(customer text, score int, days numeric) RETURNS bigint LANGUAGE sql AS $$
	INSERT INTO closeloop.responses (customer_id, nps, responded_at) VALUES (customer, score, now() + days * interval '1 day')
	RETURNING id
$$;
CREATE FUNCTION pg_temp.solved(customer text, days numeric) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
	c closeloop.cases;
BEGIN
	c := closeloop.case_open_by_hand(pg_temp.said(customer, 2, days - 3), 'anna', 'normal', 'minsu');
	c := closeloop.case_transition(c.id, 'resolve', 'minsu', 'phoned');
	UPDATE closeloop.cases SET resolved_at = now() + days * interval '1 day' WHERE id = c.id;
	RETURN c.id;
END
$$;
CREATE FUNCTION pg_temp.record(VARIADIC ids bigint[]) RETURNS int LANGUAGE sql AS $$
	SELECT closeloop.outcomes_record(ids, (SELECT array_agg(r.customer_id ORDER BY i.n)
		FROM unnest(ids) WITH ORDINALITY AS i (id, n) JOIN closeloop.responses AS r ON r.id = i.id), '180 days', '{}')
$$;

SELECT pg_temp.solved('k1', -10) AS c \gset
SELECT pg_temp.said('k1', 8, -12) AS early \gset
SELECT is(pg_temp.record(:early), 0, 'an answer from before the solution says nothing');
SELECT pg_temp.said('k1', 9, -1) AS second \gset
SELECT pg_temp.said('k1', 4, -2) AS first \gset
SELECT is(pg_temp.record(:second, :first), 1, 'two at once: one outcome');
SELECT is((SELECT outcome::text FROM closeloop.cases WHERE id = :c), 'unchanged', 'by the first that was given');
SELECT results_eq(format('SELECT details - ''response_id'', from_status, to_status, actor FROM closeloop.case_events
	WHERE case_id = %s AND kind = ''outcome''', :c),
	$$VALUES ('{"outcome": "unchanged", "from": "2/10", "to": "4/10"}'::jsonb, 'resolved'::closeloop.case_status,
		'resolved'::closeloop.case_status, 'daemon')$$, 'one event that says from what to what');
SELECT is((SELECT count(*)::int FROM closeloop.notices AS n JOIN closeloop.case_events AS e ON e.id = n.event_id
	WHERE n.case_id = :c AND e.kind = 'outcome'), 1, 'and somebody hears of it');
SELECT is(pg_temp.record(:second), 0, 'an outcome stays');

SELECT pg_temp.solved('k2', -200) AS old \gset
SELECT is(pg_temp.record(pg_temp.said('k2', 9, -1)), 0, 'more than 180 days later nobody can say why');
SELECT pg_temp.solved('k3', -10) AS c \gset
SELECT is(closeloop.case_transition(:c, 'close', 'minsu') IS NULL, false, 'closed');
SELECT is(pg_temp.record(pg_temp.said('k3', 10, -1)), 1, 'a closed case has an outcome too');
SELECT pg_temp.solved('k4', -10) AS c \gset
SELECT is((closeloop.case_transition(:c, 'reopen', 'minsu')).status::text, 'open', 'opened again');
SELECT is(pg_temp.record(pg_temp.said('k4', 10, -1)), 0, 'an open one has none yet');

-- ---- and badly again ----

SELECT pg_temp.solved('k5', -20) AS older \gset
SELECT pg_temp.solved('k5', -10) AS newer \gset
SELECT pg_temp.said('k5', 1, -1) AS again \gset
CREATE FUNCTION pg_temp.comes_back(id bigint, customer text, within interval) RETURNS SETOF bigint LANGUAGE sql AS $$
	SELECT case_id FROM closeloop.merge_candidates(ARRAY[id], ARRAY[customer], ARRAY[customer], ARRAY[now()], '{f}', false,
		ARRAY['0', within, '0']::interval[]) WHERE what = 'recurs'
$$;
SELECT results_eq(format('SELECT * FROM pg_temp.comes_back(%s, ''k5'', ''180 days'')', :again), ARRAY[:newer::bigint],
	'it comes back to the last case that was solved');
SELECT is_empty(format('SELECT * FROM pg_temp.comes_back(%s, ''k5'', ''5 days'')', :again), 'not when that is too long ago');
SELECT is((closeloop.case_recur(:newer, :again, 'urgent', '{detractor}', NULL)).status::text, 'open', 'it opens again');
SELECT results_eq(format('SELECT priority::text, rules, reopened FROM closeloop.cases WHERE id = %s', :newer),
	$$VALUES ('urgent', '{detractor}'::text[], 1)$$, 'as urgent as the new answer');
SELECT is((SELECT details ->> 'response_id' FROM closeloop.case_events WHERE case_id = :newer AND kind = 'reopened'),
	:'again', 'and says by which');
SELECT is((closeloop.case_recur(:newer, pg_temp.said('k5', 0, 0), 'low', '{low-star}', NULL)).priority::text, 'urgent', 'one that is open is joined');
SELECT is((SELECT count(*)::int FROM closeloop.case_events WHERE case_id = :newer AND kind IN ('reopened', 'joined')), 2, 'with an event each');

SELECT finish();
ROLLBACK;
