-- What the customer says next: was an unhappy customer won back (DESIGN section 7).
--
--   outcomes_record()   the same customer's next score after a case was resolved or closed: recovered, unchanged or lost
--   score_change()      two answers compared; also where an answer joins a case, or is changed (013_merge.sql)
--
-- Scores are compared on the same question: nps with nps, csat with csat, ces with ces, else the mean of the ratings that both
-- answers have; answers without a question in common by the level of what they have. A level goes from 0, the worst answer of a
-- scale, to 1, the best; up to 0.6 is low (0 to 6 of 10, 1 to 3 of 5 stars, 1 to 4 of 7), which is where detractors end.
--
--   before   after    outcome
--   low      not low  recovered
--   low      low      lost when it is lower than before, else unchanged
--   not low  not low  unchanged
--   not low  low      lost
--   none     not low  recovered; low: lost (a case about a comment alone)
--   any      none     nothing is known yet
--
-- SPDX-License-Identifier: Apache-2.0

-- Every customer of every batch is looked for here: bytes are compared, not words.
CREATE INDEX IF NOT EXISTS cases_ended_by_customer ON closeloop.cases (customer_id COLLATE "C", resolved_at)
	WHERE customer_id IS NOT NULL AND status IN ('resolved', 'closed');
CREATE INDEX IF NOT EXISTS cases_awaiting_outcome ON closeloop.cases (customer_id COLLATE "C")
	WHERE customer_id IS NOT NULL AND status IN ('resolved', 'closed') AND outcome IS NULL;

-- Nobody answers so often: an id that a kiosk, or all who have none, share. In plpgsql, so that its plan is kept.
CREATE OR REPLACE FUNCTION closeloop.is_shared_id(customer text, at timestamptz, id bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET plan_cache_mode = force_generic_plan
	AS $$
BEGIN
	RETURN (SELECT count(*) FROM (SELECT FROM closeloop.responses AS r
		WHERE r.customer_id = customer AND r.responded_at > at - interval '24 hours' AND r.responded_at <= at
			AND (r.responded_at < at OR r.id <= is_shared_id.id)
		ORDER BY r.responded_at LIMIT 51) AS x) > 50;
END
$$;
COMMENT ON FUNCTION closeloop.is_shared_id(text, timestamptz, bigint) IS
	'Whether this answer is past the 50th of its customer id in 24 hours: such an id is no single customer''s.';

CREATE OR REPLACE FUNCTION closeloop.scale_level(value numeric, name text, scales jsonb) RETURNS numeric
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN s.low_is_bad THEN l.level ELSE 1 - l.level END
	FROM (SELECT coalesce((scales -> name ->> 0)::numeric, 1) AS low, coalesce((scales -> name ->> 1)::numeric, 5) AS high,
		coalesce((scales -> name ->> 2)::boolean, true) AS low_is_bad) AS s
	CROSS JOIN LATERAL (SELECT least(greatest((value - s.low) / nullif(s.high - s.low, 0), 0), 1) AS level) AS l
$$;
COMMENT ON FUNCTION closeloop.scale_level(numeric, text, jsonb) IS
	'A rating from 0 (the worst) to 1 (the best); stars of 1 to 5 unless scales has {"name": [min, max, low is bad]}.';

CREATE OR REPLACE FUNCTION closeloop.score_levels(r closeloop.responses, scales jsonb) RETURNS TABLE (question text, level numeric)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT q.question, closeloop.scale_level(q.score, q.question, q.scale || scales)
	FROM (VALUES ('nps', r.nps::numeric, '{"nps": [0, 10]}'::jsonb), ('csat', r.csat::numeric, '{"csat": [1, 5]}'),
		('ces', r.ces::numeric, '{"ces": [1, 7]}')) AS q (question, score, scale)
	WHERE q.score IS NOT NULL
	UNION ALL
	SELECT 'rating ' || q.key, closeloop.scale_level((q.value #>> '{}')::numeric, q.key, scales)
	FROM jsonb_each(r.ratings) AS q WHERE jsonb_typeof(q.value) = 'number'
$$;
COMMENT ON FUNCTION closeloop.score_levels(closeloop.responses, jsonb) IS 'The level of each question that was answered.';

CREATE OR REPLACE FUNCTION closeloop.score_text(r closeloop.responses, scales jsonb) RETURNS text
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN num_nonnulls(r.nps, r.csat, r.ces) > 0 THEN closeloop.score_text(r)
		ELSE (SELECT q.key || ' ' || (q.value #>> '{}') FROM jsonb_each(r.ratings) AS q
			WHERE jsonb_typeof(q.value) = 'number'
			ORDER BY closeloop.scale_level((q.value #>> '{}')::numeric, q.key, scales), (q.value #>> '{}')::numeric, q.key
			LIMIT 1)
	END
$$;
COMMENT ON FUNCTION closeloop.score_text(closeloop.responses, jsonb) IS
	'The one score a person is told first; of ratings the worst, which is the highest where low is good. scales: {"rating": [min, max, low is bad]}.';

CREATE OR REPLACE FUNCTION closeloop.score_change(before closeloop.responses, after closeloop.responses, scales jsonb DEFAULT '{}',
		OUT was numeric, OUT now numeric)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	WITH b AS (SELECT * FROM closeloop.score_levels(before, scales)),
	a AS (SELECT * FROM closeloop.score_levels(after, scales)),
	common AS (SELECT question, b.level AS l1, a.level AS l2 FROM b JOIN a USING (question)),
	compared AS (
		SELECT coalesce(
			(SELECT ARRAY[l1, l2] FROM common WHERE question = 'nps'),
			(SELECT ARRAY[l1, l2] FROM common WHERE question = 'csat'),
			(SELECT ARRAY[l1, l2] FROM common WHERE question = 'ces'),
			(SELECT ARRAY[avg(l1), avg(l2)] FROM common HAVING count(*) > 0),
			ARRAY[(SELECT avg(level) FROM b), (SELECT avg(level) FROM a)]) AS l)
	SELECT l[1], l[2] INTO was, now FROM compared;
END
$$;
COMMENT ON FUNCTION closeloop.score_change(closeloop.responses, closeloop.responses, jsonb) IS
	'The levels of two answers, on a question that both have, else over all that each has; null: no score.';

CREATE OR REPLACE FUNCTION closeloop.outcome_of(before closeloop.responses, after closeloop.responses, scales jsonb DEFAULT '{}')
	RETURNS closeloop.outcome
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE
		WHEN l.now IS NULL THEN NULL
		WHEN l.now > 0.6 THEN CASE WHEN coalesce(l.was, 0) <= 0.6 THEN 'recovered' ELSE 'unchanged' END
		WHEN l.was IS NULL OR l.now < l.was THEN 'lost'
		ELSE 'unchanged' END::closeloop.outcome
	FROM closeloop.score_change(before, after, scales) AS l
$$;
COMMENT ON FUNCTION closeloop.outcome_of(closeloop.responses, closeloop.responses, jsonb) IS
	'What became of a customer between two answers; null when the later one has no score.';

-- The oldest case first, and each once: the next score speaks for the case that was open when it went wrong. Cases are locked in
-- order of their number, as everywhere.
CREATE OR REPLACE FUNCTION closeloop.outcomes_record(response_ids bigint[], customers text[], within interval, scales jsonb)
	RETURNS int
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	n int;
BEGIN
	IF NOT EXISTS (SELECT FROM closeloop.cases AS c WHERE c.customer_id COLLATE "C" = ANY (customers)
			AND c.status IN ('resolved', 'closed') AND c.outcome IS NULL) THEN
		RETURN 0;
	END IF;
	WITH candidate AS (
		SELECT c.id, q.id AS response_id
		FROM unnest(response_ids, customers) AS q (id, customer)
		JOIN closeloop.cases AS c ON c.customer_id COLLATE "C" = q.customer AND c.status IN ('resolved', 'closed')
			AND c.outcome IS NULL
		WHERE c.resolved_at IS NOT NULL
	), locked AS MATERIALIZED (
		SELECT c.id FROM closeloop.cases AS c WHERE c.id IN (SELECT k.id FROM candidate AS k)
			AND c.status IN ('resolved', 'closed') AND c.outcome IS NULL
		ORDER BY c.id FOR NO KEY UPDATE
	), judged AS (
		SELECT DISTINCT ON (c.id) c.id, c.version, c.status, a.id AS response_id, b.id AS opener_id,
			closeloop.score_text(b) AS was, closeloop.score_text(a) AS now, o.outcome
		FROM locked JOIN closeloop.cases AS c ON c.id = locked.id
		JOIN candidate AS k ON k.id = c.id
		JOIN closeloop.responses AS a ON a.id = k.response_id
		JOIN closeloop.responses AS b ON b.id = c.response_id
		CROSS JOIN LATERAL (SELECT closeloop.outcome_of(b, a, scales) AS outcome) AS o
		WHERE a.responded_at > c.resolved_at AND a.responded_at <= c.resolved_at + within AND a.id <> b.id
			AND NOT EXISTS (SELECT FROM closeloop.case_responses AS j WHERE j.response_id = a.id AND j.case_id = c.id)
			AND NOT closeloop.is_shared_id(a.customer_id, a.responded_at, a.id)
			AND o.outcome IS NOT NULL
		ORDER BY c.id, a.responded_at, a.id
	), moved AS (
		UPDATE closeloop.cases AS t SET outcome = j.outcome, version = t.version + 1
		FROM judged AS j WHERE t.id = j.id
		RETURNING t.id, t.status, j.response_id, j.was, j.now, j.outcome
	)
	INSERT INTO closeloop.case_events (case_id, actor, kind, from_status, to_status, details)
	SELECT m.id, 'daemon', 'outcome', m.status, m.status,
		jsonb_build_object('outcome', m.outcome, 'from', m.was, 'to', m.now, 'response_id', m.response_id)
	FROM moved AS m ORDER BY m.id;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$$;
COMMENT ON FUNCTION closeloop.outcomes_record(bigint[], text[], interval, jsonb) IS
	'Gives resolved and closed cases of these customers their outcome, by the first of these responses that has a score and was given within that time after the solution; returns how many. scales: {"rating": [min, max, low is bad]}.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
