-- What the pages for managers ask. Each page is one function that answers with one JSON value, with every time as people see it
-- in a zone, so that the role of the pages needs few rights and a page one round trip.
--
-- Who may see a case: its owner; who was told of it; the members of its team; whose `people` it is: the caller names them,
-- because who reports to whom stands in the configuration; and who has handed it over, as long as that can be undone.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.case_drafts (
	case_id bigint NOT NULL REFERENCES closeloop.cases ON DELETE CASCADE,
	person text NOT NULL,
	note text NOT NULL,
	at timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (case_id, person)
);
ALTER TABLE closeloop.case_drafts ADD COLUMN IF NOT EXISTS form jsonb NOT NULL DEFAULT '{}';
COMMENT ON TABLE closeloop.case_drafts IS 'What somebody had typed when their session had ended; shown again, and gone with their next action.';
COMMENT ON COLUMN closeloop.case_drafts.form IS 'Into which form, as its action, and what stood in its other fields: to, until, cause.';

-- Until pages were json, which costs half of what jsonb does where a text is all that is wanted.
DO $$
BEGIN
	IF to_regprocedure('closeloop.page_moment(timestamptz, text)') IS NOT NULL
			AND pg_get_function_result(to_regprocedure('closeloop.page_moment(timestamptz, text)')) = 'jsonb' THEN
		DROP FUNCTION IF EXISTS closeloop.page_moment(timestamptz, text), closeloop.page_response(closeloop.responses, text),
			closeloop.page_events(closeloop.cases, text), closeloop.page_case(bigint, text, text[], text[], text, text[]),
			closeloop.page_line(closeloop.cases, timestamptz, text), closeloop.page_inbox(text[], jsonb, jsonb, text, int),
			closeloop.page_done(text[], jsonb, bigint, text, int), closeloop.page_counts(text, text);
	END IF;
END
$$;

-- What is called for each line of a list is in SQL, has no settings of its own and asks no table: the plan of the page takes it in,
-- where each call of a function would cost more than what it does. A page reads little: jit, which the planner's guesses would call for
-- where one owner has 100,000 cases, would take a second to compile it.
CREATE OR REPLACE FUNCTION closeloop.page_moment(at timestamptz, zone text) RETURNS json
	LANGUAGE sql STABLE
	AS $$
	SELECT CASE WHEN isfinite(at) THEN json_build_object('clock', at AT TIME ZONE zone, 'now', now() AT TIME ZONE zone,
		'left', floor(date_part('epoch', at - now()))::bigint) END
$$;
COMMENT ON FUNCTION closeloop.page_moment(timestamptz, text) IS
	'A time as a clock on the wall of a zone shows it, what that clock shows now, and the seconds left; null for none.';

-- Which score is told first, and how, is decided where mails decide it (response_score()): scales stand in the configuration.
DROP FUNCTION IF EXISTS closeloop.page_score(closeloop.responses);

CREATE OR REPLACE FUNCTION closeloop.page_response(r closeloop.responses, zone text) RETURNS json
	LANGUAGE sql STABLE
	AS $$
	SELECT json_build_object('id', r.id, 'touchpoint', r.touchpoint, 'customer_id', r.customer_id, 'customer_name', r.customer_name,
		'customer_email', r.customer_email, 'customer_phone', r.customer_phone, 'account', r.account,
		'account_name', r.account_name, 'language', r.language, 'contact_requested', r.contact_requested, 'comment', r.comment,
		'nps', r.nps, 'csat', r.csat, 'ces', r.ces, 'ratings', r.ratings, 'attributes', r.attributes,
		'at', closeloop.page_moment(r.responded_at, zone))
$$;
COMMENT ON FUNCTION closeloop.page_response(closeloop.responses, text) IS 'One answer as a page shows it.';

CREATE OR REPLACE FUNCTION closeloop.page_may_see(c closeloop.cases, person text, people text[], teams text[]) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		SELECT coalesce(c.owner = ANY (people || person), false) OR coalesce(c.team = ANY (teams), false)
			OR EXISTS (SELECT FROM closeloop.messages AS m WHERE m.case_id = c.id AND m.channel = 'email' AND m.recipient = person
				AND m.state <> 'cancelled')
			OR EXISTS (SELECT FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.actor = person AND e.kind = 'assigned'
				AND e.at >= now() - interval '10 minutes'));
END
$$;
COMMENT ON FUNCTION closeloop.page_may_see(closeloop.cases, text, text[], text[]) IS
	'Whether a person may see a case: it is theirs, of people or teams that they answer for, they were told of it, or may still undo having handed it over. Never null.';

CREATE OR REPLACE FUNCTION closeloop.page_undoable(c closeloop.cases, person text) RETURNS text
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		SELECT CASE WHEN e.details ? 'before' AND e.actor = person AND e.at >= now() - interval '10 minutes' THEN e.kind END
		FROM (SELECT * FROM closeloop.case_events AS t WHERE t.case_id = c.id ORDER BY t.id DESC LIMIT 1) AS e);
END
$$;
COMMENT ON FUNCTION closeloop.page_undoable(closeloop.cases, text) IS
	'The kind of the latest event when this person may undo it (as case_last_undoable() decides), else null.';

CREATE OR REPLACE FUNCTION closeloop.page_events(c closeloop.cases, zone text) RETURNS json
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		SELECT coalesce(json_agg(json_build_object('at', closeloop.page_moment(e.at, zone), 'actor', e.actor, 'kind', e.kind,
				'from', e.from_status, 'to_status', e.to_status, 'note', e.note,
				'until', CASE WHEN e.kind = 'waiting' THEN closeloop.page_moment((e.details ->> 'until')::timestamptz, zone) END,
				'details', e.details - ARRAY['before', 'cancelled', 'facts']) ORDER BY e.id DESC), '[]')
		FROM (SELECT * FROM closeloop.case_events AS t WHERE t.case_id = c.id ORDER BY t.id DESC LIMIT 100) AS e);
END
$$;
COMMENT ON FUNCTION closeloop.page_events(closeloop.cases, text) IS 'What has happened to a case, newest first, the last hundred.';

CREATE OR REPLACE FUNCTION closeloop.page_case(case_id bigint, person text, people text[], teams text[], zone text,
	anonymous text[]) RETURNS json
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan
	SET jit = off
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		SELECT json_build_object(
			'case', json_build_object('id', c.id, 'status', c.status, 'priority', c.priority, 'owner', c.owner, 'team', c.team,
				'version', c.version, 'root_cause', c.root_cause, 'resolution', c.resolution, 'outcome', c.outcome,
				'unreached', c.unreached, 'ping_pong', c.ping_pong, 'reopened', c.reopened, 'handovers', c.handovers,
				'rules', to_json(c.rules), 'acknowledged_by', c.acknowledged_by,
				'acknowledge_due', CASE WHEN c.status = 'open' THEN closeloop.page_moment(c.acknowledge_due_at, zone) END,
				'resolve_due', CASE WHEN c.status IN ('open', 'acknowledged', 'in_progress')
					THEN closeloop.page_moment(c.resolve_due_at, zone) END,
				'waiting_until', closeloop.page_moment(c.waiting_until, zone),
				'acknowledged', closeloop.page_moment(c.acknowledged_at, zone),
				'contacted', closeloop.page_moment(c.contacted_at, zone),
				'resolved', closeloop.page_moment(c.resolved_at, zone),
				'closed', closeloop.page_moment(c.closed_at, zone)),
			'response', closeloop.page_response(r, zone),
			'more', (SELECT coalesce(json_agg(closeloop.page_response(o, zone) ORDER BY o.responded_at DESC), '[]')
				FROM closeloop.case_responses AS j JOIN closeloop.responses AS o ON o.id = j.response_id
				WHERE j.case_id = c.id AND o.id <> r.id),
			'before', (SELECT coalesce(json_agg(b.j ORDER BY b.responded_at DESC), '[]') FROM (
				SELECT o.responded_at, json_build_object('at', closeloop.page_moment(o.responded_at, zone), 'touchpoint', o.touchpoint,
					'nps', o.nps, 'csat', o.csat, 'ces', o.ces, 'ratings', o.ratings, 'comment', left(o.comment, 200), 'case_id', j.case_id) AS j
				FROM closeloop.responses AS o LEFT JOIN closeloop.case_responses AS j ON j.response_id = o.id
				WHERE o.customer_id = r.customer_id AND r.customer_id <> ALL (anonymous) AND btrim(r.customer_id) <> ''
					AND (o.responded_at, o.id) < (r.responded_at, r.id)
					AND j.case_id IS DISTINCT FROM c.id
				ORDER BY o.responded_at DESC LIMIT 10) AS b),
			'events', closeloop.page_events(c, zone),
			'undo', closeloop.page_undoable(c, person),
			'draft', (SELECT d.form || jsonb_build_object('note', d.note) FROM closeloop.case_drafts AS d
				WHERE d.case_id = c.id AND d.person = page_case.person),
			'next', (SELECT json_build_object('target', p.target, 'condition', p.condition, 'at', closeloop.page_moment(p.at, zone))
				FROM closeloop.case_agenda(c) AS p WHERE p.what = 'escalate' AND p.at > now() ORDER BY p.at LIMIT 1),
			'mine', (SELECT count(*) FROM (SELECT FROM closeloop.cases AS t WHERE t.owner = page_case.person
				AND t.status IN ('open', 'acknowledged', 'in_progress', 'waiting') LIMIT 1001) AS m))
		FROM closeloop.cases AS c JOIN closeloop.responses AS r ON r.id = c.response_id
		WHERE c.id = page_case.case_id AND closeloop.page_may_see(c, person, people, teams));
END
$$;
COMMENT ON FUNCTION closeloop.page_case(bigint, text, text[], text[], text, text[]) IS
	'Everything the page of a case shows; null when there is no such case or the person may not see it.';

-- ---- notes that were typed while the session ended ----

DROP FUNCTION IF EXISTS closeloop.page_keep(bigint, text, text);
CREATE OR REPLACE FUNCTION closeloop.page_keep(case_id bigint, person text, note text, form jsonb) RETURNS void
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	INSERT INTO closeloop.case_drafts AS d (case_id, person, note, form)
	SELECT c.id, page_keep.person, page_keep.note, page_keep.form FROM closeloop.cases AS c
	WHERE c.id = page_keep.case_id AND (btrim(page_keep.note) <> '' OR page_keep.form - 'action' <> '{}')
		AND NOT EXISTS (SELECT FROM (SELECT e.kind, e.note FROM closeloop.case_events AS e WHERE e.case_id = c.id
				AND e.actor = page_keep.person ORDER BY e.id DESC LIMIT 1) AS l
			WHERE coalesce(l.note, '') = page_keep.note
				AND (btrim(page_keep.note) <> '' OR starts_with(l.kind::text, left(page_keep.form ->> 'action', 4))))
	ON CONFLICT ON CONSTRAINT case_drafts_pkey DO UPDATE SET note = EXCLUDED.note, form = EXCLUDED.form, at = now()
$$;
COMMENT ON FUNCTION closeloop.page_keep(bigint, text, text, jsonb) IS
	'Keeps what was typed into a form and could not be taken; not what was taken already, by the first of two taps.';

CREATE OR REPLACE FUNCTION closeloop.page_act(case_id bigint, action text, person text, people text[], teams text[], note text,
	details jsonb, expected_version int, zone text) RETURNS closeloop.cases
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	c closeloop.cases;
BEGIN
	SELECT * INTO c FROM closeloop.cases AS t WHERE t.id = case_id;
	IF NOT FOUND OR NOT closeloop.page_may_see(c, person, people, teams) THEN
		RAISE EXCEPTION 'there is no case C-%', case_id USING ERRCODE = 'CL003';
	END IF;
	IF details ? 'until_local' THEN
		BEGIN
			details := details - 'until_local' || jsonb_build_object('until', closeloop.moment_of((details ->> 'until_local')::timestamp, zone));
		EXCEPTION WHEN data_exception THEN
			PERFORM closeloop.case_refuse(c, format('%L is no time to wait until', details ->> 'until_local'));
		END;
	END IF;
	c := closeloop.case_transition(case_id, action, person, note, details, expected_version);
	DELETE FROM closeloop.case_drafts AS d WHERE d.case_id = c.id AND d.person = page_act.person;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.page_act(bigint, text, text, text[], text[], text, jsonb, int, text) IS
	'case_transition() by somebody who may see the case; until_local is a time on the wall of the zone. What was kept of their note is done with.';

-- ---- a person's list ----

CREATE OR REPLACE FUNCTION closeloop.page_line(c closeloop.cases, r closeloop.responses, due timestamptz, zone text) RETURNS json
	LANGUAGE sql STABLE
	AS $$
	SELECT json_build_object('id', c.id, 'status', c.status, 'priority', c.priority, 'owner', c.owner, 'version', c.version,
		'due', closeloop.page_moment(due, zone), 'until', closeloop.page_moment(c.waiting_until, zone),
		'at', closeloop.page_moment(c.opened_at, zone), 'outcome', c.outcome, 'response', json_build_object(
			'touchpoint', r.touchpoint, 'customer_id', r.customer_id, 'customer_name', r.customer_name, 'account', r.account,
			'account_name', r.account_name, 'contact_requested', r.contact_requested, 'comment', left(r.comment, 200),
			'nps', r.nps, 'csat', r.csat, 'ces', r.ces, 'ratings', r.ratings))
$$;
COMMENT ON FUNCTION closeloop.page_line(closeloop.cases, closeloop.responses, timestamptz, text) IS 'One case as a line of a list.';

DROP FUNCTION IF EXISTS closeloop.page_matches(bigint, bigint, text, text);

DO $$
BEGIN
	IF to_regtype('closeloop.page_filter') IS NULL THEN
		CREATE TYPE closeloop.page_filter AS (status text, touchpoint text, words text, number bigint);
	END IF;
	IF to_regtype('closeloop.page_place') IS NULL THEN
		CREATE TYPE closeloop.page_place AS (rank int, due timestamptz, id bigint);
	END IF;
END
$$;
COMMENT ON TYPE closeloop.page_filter IS
	'Which cases of a list: status, touchpoint (null: each), folded words or the number of a case (null: no search).';
COMMENT ON TYPE closeloop.page_place IS 'Where a case stands in a list: rank (0 urgent … 3 low), when it is due next, number.';

-- The order is that of cases_owner_list. Words are looked for in each case of the list: in ASCII as bytes, which is ten times as quick
-- as normalize(). "C-812" is a number.
CREATE OR REPLACE FUNCTION closeloop.page_of_owner(owner text, f closeloop.page_filter, after closeloop.page_place,
	until closeloop.page_place, at_most int) RETURNS SETOF closeloop.page_place
	LANGUAGE sql STABLE
	AS $$
	SELECT CASE c.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END,
		coalesce(CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END, c.resolve_due_at, 'infinity'), c.id
	FROM closeloop.cases AS c
	WHERE c.owner = page_of_owner.owner AND c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')
		AND (CASE c.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END,
			coalesce(CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END, c.resolve_due_at, 'infinity'), c.id)
			> (after.rank, after.due, after.id)
		AND (CASE c.priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END,
			coalesce(CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END, c.resolve_due_at, 'infinity'), c.id)
			<= (until.rank, until.due, until.id)
		AND (f.status IS NULL OR c.status::text = f.status)
		AND (f.touchpoint IS NULL OR (SELECT r.touchpoint FROM closeloop.responses AS r WHERE r.id = c.response_id) = f.touchpoint)
		AND (f.number IS NULL OR c.id = f.number)
		AND (f.words IS NULL OR f.number IS NOT NULL OR c.id::text = f.words
			OR (SELECT position(f.words IN CASE WHEN octet_length(x.t) = char_length(x.t) THEN lower(x.t COLLATE "C")
					WHEN x.t IS NFC NORMALIZED THEN lower(x.t) ELSE lower(normalize(x.t)) END)
				FROM (SELECT concat_ws(E'\n', r.customer_name, r.account_name, r.account, r.customer_id, r.touchpoint, r.comment) AS t
					FROM closeloop.responses AS r WHERE r.id = c.response_id OFFSET 0) AS x) > 0)
	ORDER BY 1, 2, 3 LIMIT at_most
$$;
COMMENT ON FUNCTION closeloop.page_of_owner(text, closeloop.page_filter, closeloop.page_place, closeloop.page_place, int) IS
	'The first unresolved cases of one owner behind a place and up to another, in the order of lists.';

-- The first case of each owner is enough to know whose cases are on the page: if it isn't among the best of these, none of theirs is. And
-- once a page full of them is known (few, enough), the others' are looked at no further than the last of it. So a list of 100,000 cases
-- costs what one of 100 costs, and one of 500 owners 500 looks into the index; in its order: with a bitmap all of an owner's cases would
-- be read and sorted, which the planner takes for cheaper, as it expects few behind a place that it doesn't know.
CREATE OR REPLACE FUNCTION closeloop.page_inbox(owners text[], filter jsonb, after jsonb, zone text, at_most int) RETURNS json
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET plan_cache_mode = force_generic_plan
	SET enable_bitmapscan = off
	SET jit = off
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		WITH f AS (SELECT filter ->> 'status' AS status, filter ->> 'touchpoint' AS touchpoint, closeloop.fold(filter ->> 'words') AS words,
				substring(lower(filter ->> 'words') FROM '^\s*c-(\d{1,18})\s*$')::bigint AS number, b.rank, b.due, b.id,
				coalesce(p.rank, 3) AS last, 9223372036854775807 AS most
			FROM (SELECT array_position(ARRAY['urgent', 'high', 'normal', 'low'], filter ->> 'priority') - 1 AS rank) AS p
			CROSS JOIN LATERAL (VALUES (coalesce((after ->> 0)::int, 0), coalesce((after ->> 1)::timestamptz, '-infinity'),
				coalesce((after ->> 2)::bigint, 0)), (coalesce(p.rank, 0), '-infinity', 0)
				ORDER BY 1 DESC, 2 DESC, 3 DESC LIMIT 1) AS b (rank, due, id)),
		few AS (SELECT o.owner, p.* FROM f, unnest(owners[:2 * at_most + 2]) AS o (owner)
			CROSS JOIN LATERAL closeloop.page_of_owner(o.owner, (f.status, f.touchpoint, f.words, f.number),
				(f.rank, f.due, f.id), (f.last, 'infinity', f.most), 1) AS p),
		enough AS MATERIALIZED (
			(SELECT few.rank, few.due, few.id FROM few ORDER BY 1, 2, 3 OFFSET at_most)
			UNION ALL SELECT f.last, 'infinity', f.most FROM f ORDER BY 1, 2, 3 LIMIT 1),
		firsts AS (SELECT * FROM few
			UNION ALL
			SELECT o.owner, p.* FROM f, enough AS e, unnest(owners[2 * at_most + 3:]) AS o (owner)
			CROSS JOIN LATERAL closeloop.page_of_owner(o.owner, (f.status, f.touchpoint, f.words, f.number),
				(f.rank, f.due, f.id), (e.rank, e.due, e.id), 1) AS p
			ORDER BY rank, due, id LIMIT at_most + 1),
		whole AS MATERIALIZED (
			(SELECT t.rank, t.due, t.id FROM firsts AS t ORDER BY 1, 2, 3 OFFSET at_most)
			UNION ALL SELECT e.* FROM enough AS e ORDER BY 1, 2, 3 LIMIT 1),
		found AS (SELECT t.rank, t.due, t.id FROM firsts AS t
			UNION ALL
			SELECT p.* FROM f, whole AS w, firsts AS t
			CROSS JOIN LATERAL closeloop.page_of_owner(t.owner, (f.status, f.touchpoint, f.words, f.number),
				(t.rank, t.due, t.id), (w.rank, w.due, w.id), at_most) AS p),
		numbered AS (SELECT *, row_number() OVER (ORDER BY rank, due, id) AS n FROM found ORDER BY rank, due, id LIMIT at_most + 1)
		SELECT json_build_object(
			'lines', (SELECT coalesce(json_agg(closeloop.page_line(c, r, nullif(n.due, 'infinity'), zone) ORDER BY n.n), '[]')
				FROM numbered AS n JOIN closeloop.cases AS c ON c.id = n.id JOIN closeloop.responses AS r ON r.id = c.response_id
				WHERE n.n <= at_most),
			'next', (SELECT json_build_array(n.rank, n.due, n.id) FROM numbered AS n WHERE n.n = at_most
				AND EXISTS (SELECT FROM numbered WHERE numbered.n > at_most))));
END
$$;
COMMENT ON FUNCTION closeloop.page_inbox(text[], jsonb, jsonb, text, int) IS
	'Unresolved cases of these owners, worst and nearest due first, after a place; and the place after which the next page begins.';

CREATE OR REPLACE FUNCTION closeloop.page_done(owners text[], filter jsonb, before bigint, zone text, at_most int) RETURNS json
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		WITH f AS (SELECT filter ->> 'priority' AS priority, filter ->> 'touchpoint' AS touchpoint, closeloop.fold(filter ->> 'words') AS words,
			substring(lower(filter ->> 'words') FROM '^\s*c-(\d{1,18})\s*$')::bigint AS number),
		found AS (SELECT l.id FROM f, unnest(owners) AS o (owner) CROSS JOIN LATERAL (
				SELECT c.id FROM closeloop.cases AS c
				WHERE c.owner = o.owner AND c.status IN ('resolved', 'closed', 'dismissed') AND c.id < coalesce(before, 9223372036854775807)
					AND (f.priority IS NULL OR c.priority::text = f.priority)
					AND (f.touchpoint IS NULL OR (SELECT r.touchpoint FROM closeloop.responses AS r WHERE r.id = c.response_id) = f.touchpoint)
					AND (f.number IS NULL OR c.id = f.number)
					AND (f.words IS NULL OR f.number IS NOT NULL OR c.id::text = f.words
						OR (SELECT position(f.words IN CASE WHEN octet_length(x.t) = char_length(x.t) THEN lower(x.t COLLATE "C")
								WHEN x.t IS NFC NORMALIZED THEN lower(x.t) ELSE lower(normalize(x.t)) END)
							FROM (SELECT concat_ws(E'\n', r.customer_name, r.account_name, r.account, r.customer_id, r.touchpoint, r.comment) AS t
								FROM closeloop.responses AS r WHERE r.id = c.response_id OFFSET 0) AS x) > 0)
				ORDER BY c.id DESC LIMIT at_most + 1) AS l
			ORDER BY 1 DESC LIMIT at_most + 1),
		numbered AS (SELECT id, row_number() OVER (ORDER BY id DESC) AS n FROM found)
		SELECT json_build_object(
			'lines', (SELECT coalesce(json_agg(closeloop.page_line(c, r, NULL, zone) ORDER BY n.n), '[]')
				FROM numbered AS n JOIN closeloop.cases AS c ON c.id = n.id JOIN closeloop.responses AS r ON r.id = c.response_id
				WHERE n.n <= at_most),
			'next', (SELECT json_build_array(n.id) FROM numbered AS n WHERE n.n = at_most
				AND EXISTS (SELECT FROM numbered WHERE numbered.n > at_most))));
END
$$;
COMMENT ON FUNCTION closeloop.page_done(text[], jsonb, bigint, text, int) IS
	'Resolved, closed and dismissed cases of these owners, the newest first, before a case.';

CREATE OR REPLACE FUNCTION closeloop.page_counts(person text, zone text) RETURNS json
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET jit = off
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		SELECT json_build_object('open', l.n, 'more', l.n > 1000, 'overdue', l.overdue,
			'away', (SELECT json_build_object('from', closeloop.page_moment(b.starts_at, zone),
					'from_day', (b.starts_at AT TIME ZONE zone)::time < '00:01',
					'until', closeloop.page_moment(b.ends_at - CASE WHEN d.whole THEN interval '1 second' ELSE '0' END, zone), 'until_day', d.whole,
					'deputy', b.deputy, 'now', b.starts_at <= now())
				FROM closeloop.absences AS b, LATERAL (SELECT (b.ends_at AT TIME ZONE zone)::time = '00:00' AS whole) AS d
				WHERE b.person = page_counts.person AND (b.ends_at IS NULL OR b.ends_at > now())
				ORDER BY b.starts_at LIMIT 1))
		FROM (SELECT count(*) AS n, count(*) FILTER (WHERE t.due < now()) AS overdue FROM (
			SELECT coalesce(CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END, CASE WHEN c.status <> 'waiting' THEN c.resolve_due_at END) AS due
			FROM closeloop.cases AS c WHERE c.owner = page_counts.person AND c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')
			LIMIT 1001) AS t) AS l);
END
$$;
COMMENT ON FUNCTION closeloop.page_counts(text, text) IS
	'How many unresolved cases a person has (of the first thousand how many are overdue), and the absence they are in or that comes next.';

CREATE OR REPLACE FUNCTION closeloop.page_acknowledge(cases bigint[], person text, people text[], teams text[]) RETURNS int
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	n int := 0;
	one bigint;
BEGIN
	FOR one IN SELECT DISTINCT c.id FROM unnest(page_acknowledge.cases) AS u (id) JOIN closeloop.cases AS c ON c.id = u.id
			WHERE c.status = 'open' ORDER BY 1 LOOP
		BEGIN
			PERFORM closeloop.page_act(one, 'acknowledge', person, people, teams, NULL, '{}', NULL, 'UTC');
			n := n + 1;
		EXCEPTION WHEN SQLSTATE 'CL001' OR SQLSTATE 'CL002' OR SQLSTATE 'CL003' THEN
			NULL; -- somebody else was faster, or it isn't theirs
		END;
	END LOOP;
	RETURN n;
END
$$;
COMMENT ON FUNCTION closeloop.page_acknowledge(bigint[], text, text[], text[]) IS
	'Acknowledges several cases at once; those that are not open, or not theirs, are passed over.';

CREATE OR REPLACE FUNCTION closeloop.page_away(person text, from_day date, until_day date, deputy text, zone text) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
DECLARE
	starts timestamptz := greatest(closeloop.moment_of(coalesce(from_day, (now() AT TIME ZONE zone)::date), zone), now());
	ends timestamptz := closeloop.moment_of(until_day + 1, zone);
BEGIN
	IF ends <= starts THEN
		RAISE EXCEPTION 'the last day lies before the first' USING ERRCODE = 'CL002';
	END IF;
	PERFORM closeloop.page_back(person);
	INSERT INTO closeloop.absences (person, starts_at, ends_at, deputy) VALUES (person, starts, ends, deputy);
END
$$;
COMMENT ON FUNCTION closeloop.page_away(text, date, date, text, text) IS
	'Somebody says that they are away, from a day (null: now) to the last day (null: until further notice); it takes the place of what they said before.';

CREATE OR REPLACE FUNCTION closeloop.page_back(person text) RETURNS void
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	DELETE FROM closeloop.absences AS b WHERE b.person = page_back.person AND b.starts_at >= now();
	UPDATE closeloop.absences AS b SET ends_at = now()
	WHERE b.person = page_back.person AND b.starts_at < now() AND (b.ends_at IS NULL OR b.ends_at > now());
$$;
COMMENT ON FUNCTION closeloop.page_back(text) IS 'They are here again: what has begun ends, what was to come is forgotten.';

-- ---- for programs ----

CREATE OR REPLACE FUNCTION closeloop.api_case(c closeloop.cases, public_url text) RETURNS jsonb
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		SELECT jsonb_object_agg(k.key, CASE WHEN k.key ~ '_(at|until|since)$' AND k.value <> 'null'
				THEN to_jsonb(to_char((k.value #>> '{}')::timestamptz AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')) ELSE k.value END)
			|| jsonb_build_object('url', public_url || '/case/' || c.id)
		FROM jsonb_each(to_jsonb(c)) AS k
		WHERE k.key = ANY (ARRAY['id', 'response_id', 'customer_id', 'status', 'priority', 'owner', 'team', 'route', 'follow_up', 'rules',
			'opened_at', 'acknowledged_at', 'acknowledged_by', 'first_action_at', 'contacted_at', 'resolved_at', 'closed_at',
			'acknowledge_due_at', 'resolve_due_at', 'next_action_at', 'waiting_since', 'waiting_until', 'root_cause', 'resolution',
			'outcome', 'reopened', 'handovers', 'unreached', 'ping_pong', 'ruleset', 'version']));
END
$$;
COMMENT ON FUNCTION closeloop.api_case(closeloop.cases, text) IS 'A case as the API shows it: its columns, times in RFC 3339 UTC, and the address of its page.';

CREATE OR REPLACE FUNCTION closeloop.api_cases(filter jsonb, after bigint, at_most int, public_url text) RETURNS jsonb
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
BEGIN
	RETURN (
		WITH found AS (SELECT c.* FROM closeloop.cases AS c
			WHERE c.id > after AND (filter ->> 'owner' IS NULL OR c.owner = filter ->> 'owner')
				AND (filter ->> 'priority' IS NULL OR c.priority::text = filter ->> 'priority')
				AND (filter ->> 'customer_id' IS NULL OR c.customer_id = filter ->> 'customer_id')
				AND (filter ->> 'status' IS NULL OR c.status::text = filter ->> 'status'
					OR filter ->> 'status' = 'unresolved' AND closeloop.is_unresolved(c.status))
			ORDER BY c.id LIMIT at_most + 1),
		numbered AS (SELECT f AS c, row_number() OVER (ORDER BY (f).id) AS n FROM found AS f)
		SELECT jsonb_build_object(
			'cases', (SELECT coalesce(jsonb_agg(closeloop.api_case(x, public_url) ORDER BY x.id), '[]')
				FROM numbered AS n JOIN closeloop.cases AS x ON x.id = (n.c).id WHERE n.n <= at_most),
			'next', (SELECT (n.c).id FROM numbered AS n WHERE n.n = at_most AND EXISTS (SELECT FROM numbered WHERE numbered.n > at_most))));
END
$$;
COMMENT ON FUNCTION closeloop.api_cases(jsonb, bigint, int, text) IS
	'Cases after a case, in the order they opened, by status (or "unresolved"), priority, owner, customer_id; next: the one after which the rest begins, null at the end.';

CREATE OR REPLACE FUNCTION closeloop.api_transition(case_id bigint, action text, actor text, note text, details jsonb,
	expected_version int, public_url text) RETURNS jsonb
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT closeloop.api_case(closeloop.case_transition(case_id, action, actor, note, details, expected_version), public_url)
$$;
COMMENT ON FUNCTION closeloop.api_transition(bigint, text, text, text, jsonb, int, text) IS 'case_transition() by a program; the case as it is then.';

-- ---- fresh links ----

CREATE TABLE IF NOT EXISTS closeloop.link_requests (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	person text NOT NULL,
	case_id bigint REFERENCES closeloop.cases ON DELETE CASCADE,
	at timestamptz NOT NULL DEFAULT clock_timestamp(),
	mailed_at timestamptz
);
COMMENT ON TABLE closeloop.link_requests IS 'Fresh links that were asked for. The daemon writes the mail; rows go after a day.';
CREATE INDEX IF NOT EXISTS link_requests_waiting ON closeloop.link_requests (id) WHERE mailed_at IS NULL;
CREATE INDEX IF NOT EXISTS link_requests_person ON closeloop.link_requests (person, at);

CREATE OR REPLACE FUNCTION closeloop.page_link_request(person text, case_id bigint) RETURNS void
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
#variable_conflict use_variable
BEGIN
	-- Nobody waits for the disk: how long the answer takes must not tell who is known here.
	PERFORM set_config('synchronous_commit', 'off', true);
	DELETE FROM closeloop.link_requests AS l WHERE l.at < now() - interval '1 day';
	IF person IS NULL OR (SELECT count(*) FROM closeloop.link_requests AS l WHERE l.person = page_link_request.person
			AND l.at > now() - interval '15 minutes') >= 3 THEN
		RETURN;
	END IF;
	INSERT INTO closeloop.link_requests (person, case_id) VALUES (person, case_id);
	PERFORM pg_notify('closeloop', 'link');
END
$$;
COMMENT ON FUNCTION closeloop.page_link_request(text, bigint) IS
	'Asks for the mail of a fresh link, at most three in a quarter of an hour; null: nobody that is known, and nothing happens.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
