-- Further answers: what a customer says while a case stands joins it, and a changed answer amends it (DESIGN sections 6 and 7).
--
--   merge_candidates()  what answers that would open a case find: cases they may join, come back to, or came too soon after
--   case_join()         the case with one more answer
--   case_recur()        a case that was resolved or closed opens again
--   case_cooled()       an answer so soon after a case is only noted there
--   case_amend()        an answer that has a case was changed
--
-- The daemon holds a lock per customer (or account) before it looks, so two answers of one customer never miss each other; a person
-- who acts meanwhile is waited for by the row. Which case an answer joins is decided in the daemon: it takes the owner chain.
--
-- SPDX-License-Identifier: Apache-2.0

-- ---- what there is ----

DO $$
BEGIN
	IF to_regtype('closeloop.merge_candidate') IS NULL THEN
		CREATE TYPE closeloop.merge_candidate AS (response_id bigint, what text, case_id bigint, owner text, first_owner text,
			team text, priority closeloop.priority, opened_at timestamptz, last_response_at timestamptz);
	END IF;
END
$$;
COMMENT ON TYPE closeloop.merge_candidate IS
	'What an answer finds: open (a case that stands), recurs (one that was solved), cooling (one opened a short while ago), shared (its customer id is no single customer''s).';

CREATE OR REPLACE FUNCTION closeloop.merge_found(response_id bigint, what text, c closeloop.cases) RETURNS closeloop.merge_candidate
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	m closeloop.merge_candidate;
BEGIN
	m.response_id := response_id;
	m.what := what;
	m.case_id := c.id;
	m.owner := c.owner;
	m.first_owner := CASE WHEN c.handovers > 0 THEN (SELECT coalesce(e.details ->> 'owner', e.details ->> 'to')
		FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.kind = 'opened' ORDER BY e.id LIMIT 1) ELSE c.owner END;
	m.team := c.team;
	m.priority := c.priority;
	m.opened_at := c.opened_at;
	m.last_response_at := coalesce(c.last_response_at, c.opened_at);
	RETURN m;
END
$$;
COMMENT ON FUNCTION closeloop.merge_found(bigint, text, closeloop.cases) IS 'A case as a candidate; first_owner: as it was opened.';

-- Of what stands, the newest 20: also those too old to be joined, so that it can be said why not. A key's newest cases are read by the
-- index of the key and sorted out afterwards (LIMIT: no condition goes in there), and the plan is the same for all: one made while the
-- tables are empty would read an index of everything that stands or is solved, and one made for each call costs more than it reads.
CREATE OR REPLACE FUNCTION closeloop.merge_look(asked bigint[], customers text[], keys text[], times timestamptz[],
		by_account boolean, within interval[])
	RETURNS SETOF closeloop.merge_candidate
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	SET plan_cache_mode = force_generic_plan
	AS $$
BEGIN
	RETURN QUERY SELECT m.*
	FROM (SELECT q.id, w.what, f.c, rank() OVER (PARTITION BY q.id, w.what ORDER BY CASE w.what WHEN 'recurs' THEN (f.c).resolved_at
				WHEN 'cooling' THEN (f.c).opened_at ELSE coalesce((f.c).last_response_at, (f.c).opened_at) END DESC,
				(f.c).id DESC) AS place
		FROM unnest(asked, customers, keys, times) AS q (id, customer, key, at)
		CROSS JOIN LATERAL (
			SELECT s.c, NOT by_account AS of_key FROM (SELECT c FROM closeloop.cases AS c WHERE c.customer_id COLLATE "C" = q.customer
				ORDER BY c.opened_at DESC LIMIT 200) AS s
			UNION ALL
			SELECT s.c, true FROM (SELECT c FROM closeloop.cases AS c WHERE by_account AND c.merge_account COLLATE "C" = q.key
				ORDER BY c.opened_at DESC LIMIT 200) AS s) AS f
		CROSS JOIN LATERAL (VALUES
			('open', f.of_key AND within[1] > '0' AND (f.c).status IN ('open', 'acknowledged', 'in_progress', 'waiting')),
			('recurs', (NOT by_account OR NOT f.of_key) AND (f.c).status IN ('resolved', 'closed') AND (f.c).resolved_at < q.at
				AND (f.c).resolved_at >= q.at - within[2]),
			('cooling', f.of_key AND (f.c).opened_at > now() - within[3])) AS w (what, fits)
		WHERE w.fits) AS x
	CROSS JOIN LATERAL closeloop.merge_found(x.id, x.what, x.c) AS m
	WHERE x.place <= CASE x.what WHEN 'open' THEN 20 ELSE 1 END;
END
$$;
COMMENT ON FUNCTION closeloop.merge_look(bigint[], text[], text[], timestamptz[], boolean, interval[]) IS
	'The candidates of these answers; within: merging, recurrence, cooldown.';

-- Most answers find nothing, and then this is all. One plan whatever the statistics say.
CREATE OR REPLACE FUNCTION closeloop.merge_candidates(response_ids bigint[], customers text[], keys text[], times timestamptz[],
		repeated boolean[], by_account boolean, within interval[])
	RETURNS SETOF closeloop.merge_candidate
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET plan_cache_mode = force_generic_plan
	AS $$
DECLARE
	places int[];
	shared bigint[];
	locked bigint[];
	asked bigint[];
BEGIN
	SELECT array_agg(q.n) INTO places
	FROM unnest(customers, keys, repeated) WITH ORDINALITY AS q (customer, key, repeated, n)
	WHERE q.repeated OR EXISTS (SELECT FROM closeloop.cases AS c WHERE c.customer_id COLLATE "C" = q.customer)
		OR (by_account AND EXISTS (SELECT FROM closeloop.cases AS c WHERE c.merge_account COLLATE "C" = q.key));
	IF places IS NULL THEN
		RETURN;
	END IF;
	SELECT array_agg(response_ids[p]) INTO shared FROM unnest(places) AS p
	WHERE customers[p] IS NOT NULL AND closeloop.is_shared_id(customers[p], times[p], response_ids[p]);
	IF shared IS NOT NULL THEN
		RETURN QUERY SELECT i, 'shared', NULL::bigint, NULL, NULL, NULL, NULL::closeloop.priority, NULL::timestamptz, NULL::timestamptz
		FROM unnest(shared) AS i;
		FOR i IN 1 .. cardinality(response_ids) LOOP
			IF response_ids[i] = ANY (shared) THEN
				customers[i] := NULL;
				keys[i] := CASE WHEN by_account THEN keys[i] END;
			END IF;
		END LOOP;
	END IF;
	asked := ARRAY(SELECT response_ids[p] FROM unnest(places) AS p);
	customers := ARRAY(SELECT customers[p] FROM unnest(places) AS p);
	keys := ARRAY(SELECT keys[p] FROM unnest(places) AS p);
	times := ARRAY(SELECT times[p] FROM unnest(places) AS p);
	-- Locked in the order of their numbers, as everywhere; then looked at again: whoever held one may have moved it.
	locked := ARRAY(SELECT m.case_id FROM closeloop.merge_look(asked, customers, keys, times, by_account, within) AS m
		WHERE m.what <> 'cooling');
	SELECT array_agg(l.id) INTO locked
	FROM (SELECT c.id FROM closeloop.cases AS c WHERE c.id = ANY (locked) ORDER BY c.id FOR NO KEY UPDATE) AS l;
	RETURN QUERY SELECT * FROM closeloop.merge_look(asked, customers, keys, times, by_account, within) AS m
	WHERE m.what = 'cooling' OR m.case_id = ANY (locked);
END
$$;
COMMENT ON FUNCTION closeloop.merge_candidates(bigint[], text[], text[], timestamptz[], boolean[], boolean, interval[]) IS
	'What these answers find, newest first: cases of the same key (customer or account) that stand, that of the customer which was solved before the answer, and the last one opened within the cooldown. What may be changed is locked. repeated: others of that key are in the same batch; within: merging, recurrence, cooldown.';

-- ---- one more answer ----

CREATE OR REPLACE FUNCTION closeloop.case_raise(INOUT c closeloop.cases, priority closeloop.priority, version int)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	was closeloop.cases := c;
	calendar text;
BEGIN
	IF NOT closeloop.is_unresolved(c.status) OR priority <= c.priority THEN
		RETURN;
	END IF;
	c.priority := priority;
	IF version IS NULL OR version = coalesce(c.raised_version, c.follow_up_version, 0) THEN
		RETURN;
	END IF;
	calendar := (SELECT v.calendar FROM closeloop.follow_up_versions AS v WHERE v.id = c.follow_up_version);
	c.raised_version := version;
	c.raised_at := now();
	c.raised_waited := c.waited + CASE WHEN c.status = 'waiting'
		THEN greatest(closeloop.open_time(c.waiting_since, now(), calendar, c.owner), interval '0') ELSE '0' END;
	c := closeloop.case_start_clocks(c, c.acknowledged_at IS NULL, c.status <> 'waiting');
	c.acknowledge_due_at := least(was.acknowledge_due_at, c.acknowledge_due_at);
	c.resolve_due_at := least(was.resolve_due_at, c.resolve_due_at);
END
$$;
COMMENT ON FUNCTION closeloop.case_raise(closeloop.cases, closeloop.priority, int) IS
	'The case at least as urgent as this, under the promises of that rule too: due times only move earlier. Writes nothing.';

CREATE OR REPLACE FUNCTION closeloop.case_save_answer(was closeloop.cases, c closeloop.cases) RETURNS closeloop.cases
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	c.version := was.version + 1;
	IF c.raised_at IS DISTINCT FROM was.raised_at THEN
		c.next_action_at := closeloop.case_next_action(c);
	END IF;
	UPDATE closeloop.cases AS t
	SET priority = c.priority, rules = c.rules, last_response_at = c.last_response_at, worst_response_id = c.worst_response_id,
		raised_version = c.raised_version, raised_at = c.raised_at, raised_waited = c.raised_waited,
		acknowledge_due_at = c.acknowledge_due_at, resolve_due_at = c.resolve_due_at, next_action_at = c.next_action_at,
		version = c.version
	WHERE t.id = c.id;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_save_answer(closeloop.cases, closeloop.cases) IS
	'Writes what a further answer changed, under the next version: whoever looks at an older one has not read it.';

CREATE OR REPLACE FUNCTION closeloop.is_worse(was numeric, now numeric) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT coalesce(now < was, now <= 0.6, false) $$;
COMMENT ON FUNCTION closeloop.is_worse(numeric, numeric) IS 'Whether a score is worse than the one before; with none before, a low one is.';

CREATE OR REPLACE FUNCTION closeloop.case_join(case_id bigint, response_id bigint, priority closeloop.priority, rules text[],
		version int, details jsonb DEFAULT '{}', scales jsonb DEFAULT '{}')
	RETURNS closeloop.cases
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	was closeloop.cases;
	c closeloop.cases;
	r closeloop.responses;
	worst closeloop.responses;
	level record;
	worse boolean;
	asks boolean;
	fresh text[];
BEGIN
	SELECT * INTO was FROM closeloop.cases AS t WHERE t.id = case_join.case_id FOR NO KEY UPDATE;
	SELECT * INTO r FROM closeloop.responses AS t WHERE t.id = case_join.response_id;
	SELECT * INTO worst FROM closeloop.responses AS t WHERE t.id = coalesce(was.worst_response_id, was.response_id);
	level := closeloop.score_change(worst, r, scales);
	worse := closeloop.is_worse(level.was, level.now);
	asks := r.contact_requested AND NOT EXISTS (SELECT FROM closeloop.case_responses AS k
		JOIN closeloop.responses AS t ON t.id = k.response_id
		WHERE k.case_id = was.id AND t.contact_requested AND (t.responded_at, t.id) < (r.responded_at, r.id));
	fresh := ARRAY(SELECT n FROM unnest(case_join.rules) AS n WHERE n <> ALL (was.rules));
	c := closeloop.case_raise(was, case_join.priority, case_join.version);
	c.rules := was.rules || fresh;
	c.last_response_at := greatest(coalesce(was.last_response_at, was.opened_at), r.responded_at);
	IF worse THEN
		c.worst_response_id := r.id;
	END IF;
	c := closeloop.case_save_answer(was, c);
	INSERT INTO closeloop.case_events (case_id, actor, kind, from_status, to_status, details)
	SELECT c.id, 'daemon', 'joined', c.status, c.status, jsonb_strip_nulls(jsonb_build_object('response_id', r.id,
		'n', 1 + (SELECT count(*) FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.kind = 'joined'),
		'score', closeloop.score_text(r, scales), 'was', closeloop.score_text(worst, scales), 'was_response_id', worst.id, 'worse', worse,
		'contact', nullif(asks, false), 'raised', CASE WHEN c.priority > was.priority THEN was.priority END,
		'new_rules', nullif(to_jsonb(fresh), '[]'),
		'tell', nullif(worse OR asks OR c.priority > was.priority, false), 'rules', case_join.rules)) || coalesce(details, '{}');
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_join(bigint, bigint, closeloop.priority, text[], int, jsonb, jsonb) IS
	'A further answer of the same customer joins a case: priority and due times only ever get stricter; the event says what is new (worse, contact, raised from, new_rules) and whether the owner is told.';

CREATE OR REPLACE FUNCTION closeloop.case_recur(case_id bigint, response_id bigint, priority closeloop.priority, rules text[],
		version int, details jsonb DEFAULT '{}', scales jsonb DEFAULT '{}')
	RETURNS closeloop.cases
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	UPDATE closeloop.cases AS t
	SET priority = greatest(t.priority, case_recur.priority), worst_response_id = case_recur.response_id,
		last_response_at = greatest(t.last_response_at, (SELECT r.responded_at FROM closeloop.responses AS r
			WHERE r.id = case_recur.response_id)),
		rules = t.rules || ARRAY(SELECT n FROM unnest(case_recur.rules) AS n WHERE n <> ALL (t.rules))
	WHERE t.id = case_recur.case_id AND t.status IN ('resolved', 'closed');
	IF NOT FOUND THEN
		RETURN closeloop.case_join(case_id, response_id, priority, rules, version, details, scales);
	END IF;
	RETURN closeloop.case_transition(case_id, 'reopen', 'daemon', NULL,
		coalesce(details, '{}') || jsonb_build_object('response_id', response_id));
END
$$;
COMMENT ON FUNCTION closeloop.case_recur(bigint, bigint, closeloop.priority, text[], int, jsonb, jsonb) IS
	'The customer answers badly again: the case opens again, at least as urgent as the new answer. One that is open already is joined.';
DROP FUNCTION IF EXISTS closeloop.case_recur(bigint, bigint, closeloop.priority, text[]);
DROP FUNCTION IF EXISTS closeloop.case_recurrence(bigint[], text[], timestamptz[], interval);

CREATE OR REPLACE FUNCTION closeloop.case_cooled(case_id bigint, response_id bigint, priority closeloop.priority, rules text[],
		details jsonb DEFAULT '{}')
	RETURNS void
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	INSERT INTO closeloop.case_events (case_id, actor, kind, from_status, to_status, details)
	SELECT c.id, 'daemon', 'cooldown', c.status, c.status, jsonb_strip_nulls(jsonb_build_object('response_id', r.id,
		'score', closeloop.score_text(r), 'priority', case_cooled.priority, 'rules', case_cooled.rules)) || coalesce(details, '{}')
	FROM closeloop.cases AS c, closeloop.responses AS r
	WHERE c.id = case_cooled.case_id AND r.id = case_cooled.response_id
$$;
COMMENT ON FUNCTION closeloop.case_cooled(bigint, bigint, closeloop.priority, text[], jsonb) IS
	'An answer that came within the cooldown of a case is noted there; nobody is told.';

-- ---- a changed answer ----

-- Nobody has touched it: then there is nothing that could be lost with it.
CREATE OR REPLACE FUNCTION closeloop.case_kept_why(c closeloop.cases, response_id bigint, expected_version int) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	who text;
BEGIN
	IF c.status <> 'open' THEN
		RETURN format('it is %s', replace(c.status::text, '_', ' '));
	ELSIF c.response_id <> response_id OR EXISTS (SELECT FROM closeloop.case_responses AS k
			WHERE k.case_id = c.id AND k.response_id <> case_kept_why.response_id) THEN
		RETURN 'it has other answers';
	END IF;
	SELECT e.actor INTO who FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.actor <> 'daemon' ORDER BY e.id DESC LIMIT 1;
	IF FOUND THEN
		RETURN format('%s has worked on it', who);
	ELSIF expected_version IS DISTINCT FROM c.version THEN
		RETURN 'it has changed meanwhile';
	END IF;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.case_kept_why(closeloop.cases, bigint, int) IS
	'Why a case stays although no rule matches this answer any more; null: it may dismiss itself.';

CREATE OR REPLACE FUNCTION closeloop.was_withdrawn(c closeloop.cases, response_id bigint) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RETURN c.status = 'dismissed' AND c.response_id = was_withdrawn.response_id AND coalesce((SELECT e.actor = 'daemon'
		AND e.details ? 'withdrawn' FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.kind = 'dismissed'
		ORDER BY e.id DESC LIMIT 1), false);
END
$$;
COMMENT ON FUNCTION closeloop.was_withdrawn(closeloop.cases, bigint) IS 'Whether it dismissed itself when this answer was changed.';

CREATE OR REPLACE FUNCTION closeloop.case_amend(case_id bigint, response_id bigint, verdict jsonb, seen jsonb, scales jsonb DEFAULT '{}')
	RETURNS closeloop.cases
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	v record;
	was closeloop.cases;
	c closeloop.cases;
	k closeloop.case_responses;
	r closeloop.responses;
	before closeloop.responses;
	level record;
	worse boolean := false;
	asks boolean;
	kept text;
	fresh text[] := '{}';
	news jsonb;
BEGIN
	SELECT * INTO v FROM jsonb_to_record(verdict) AS x (matches boolean, priority closeloop.priority, rules text[], version int,
		expected_version int);
	SELECT * INTO was FROM closeloop.cases AS t WHERE t.id = case_amend.case_id FOR NO KEY UPDATE;
	SELECT * INTO k FROM closeloop.case_responses AS t WHERE t.response_id = case_amend.response_id;
	SELECT * INTO r FROM closeloop.responses AS t WHERE t.id = case_amend.response_id;
	before := jsonb_populate_record(NULL::closeloop.responses, '{"ratings": {}}' || coalesce(k.answer, '{}'));
	IF k.answer IS NOT NULL THEN
		level := closeloop.score_change(before, r, scales);
		worse := closeloop.is_worse(level.was, level.now);
	END IF;
	asks := r.contact_requested AND NOT coalesce(before.contact_requested, false);
	c := was;
	IF v.matches THEN
		fresh := ARRAY(SELECT n FROM unnest(v.rules) AS n WHERE n <> ALL (was.rules));
		c := closeloop.case_raise(was, v.priority, v.version);
		c.rules := was.rules || fresh;
		IF worse AND r.id <> coalesce(was.worst_response_id, was.response_id) THEN
			SELECT * INTO before FROM closeloop.responses AS t WHERE t.id = coalesce(was.worst_response_id, was.response_id);
			level := closeloop.score_change(before, r, scales);
			c.worst_response_id := CASE WHEN closeloop.is_worse(level.was, level.now) THEN r.id ELSE was.worst_response_id END;
		END IF;
	ELSE
		kept := closeloop.case_kept_why(was, r.id, v.expected_version);
	END IF;
	UPDATE closeloop.case_responses AS t SET rules = coalesce(v.rules, '{}'), facts = seen -> 'facts', answer = seen -> 'answer',
		row_version = seen ->> 'row_version', ruleset = seen ->> 'ruleset', at = now()
	WHERE t.response_id = r.id;
	c := closeloop.case_save_answer(was, c);
	news := jsonb_strip_nulls(jsonb_build_object('response_id', r.id, 'matches', v.matches, 'now', closeloop.score_text(r, scales),
		'was', closeloop.score_text(jsonb_populate_record(NULL::closeloop.responses, '{"ratings": {}}' || k.answer), scales),
		'was_answer', k.answer, 'worse', nullif(worse, false), 'contact', nullif(asks, false),
		'raised', CASE WHEN c.priority > was.priority THEN was.priority END, 'new_rules', nullif(to_jsonb(fresh), '[]'),
		'rules', v.rules, 'was_rules', CASE WHEN k.rules IS DISTINCT FROM v.rules THEN k.rules END, 'kept', kept));
	IF (CASE WHEN NOT v.matches AND kept IS NULL THEN true
			WHEN closeloop.is_unresolved(was.status) THEN k.answer IS DISTINCT FROM seen -> 'answer' OR c.priority > was.priority
			ELSE v.matches AND (worse OR asks) END) THEN
		news := news || '{"tell": true}';
	END IF;
	IF v.matches AND closeloop.was_withdrawn(was, r.id) THEN
		news := news - 'tell'; -- opening it again tells
	END IF;
	INSERT INTO closeloop.case_events (case_id, actor, kind, from_status, to_status, details)
	VALUES (c.id, 'daemon', 'amended', c.status, c.status, news || jsonb_build_object('facts', seen -> 'facts'));
	IF NOT v.matches AND kept IS NULL THEN
		c := closeloop.case_transition(c.id, 'dismiss', 'daemon', 'the customer changed the answer, and no rule matches it any more',
			jsonb_build_object('response_id', r.id, 'withdrawn', true), c.version);
	ELSIF v.matches AND closeloop.was_withdrawn(was, r.id) THEN
		c := closeloop.case_transition(c.id, 'reopen', 'daemon', 'the customer changed the answer once more',
			jsonb_build_object('response_id', r.id));
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_amend(bigint, bigint, jsonb, jsonb, jsonb) IS
	'The answer of a case was changed. verdict: {matches, priority, rules, version, expected_version}, seen: {facts, answer, row_version, ruleset}. The event says what is new. When no rule matches any more and nobody but the daemon has done anything, at the version that was judged, the case dismisses itself; it opens again if the answer is changed back.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
