-- Promises come due: reminders, escalation, what closes and comes back by itself (DESIGN section 7).
--
--   follow_up_version()  a follow_up of the configuration becomes rows that never change; a case names the one it opened under
--   case_agenda()        everything the daemon has still to do about a case, and when: the one place that says so
--   case_next_action()   the nearest of it, kept in cases.next_action_at, so that one index finds whatever is due
--   follow_up_sweep()    does what is due, at most so many cases in one transaction; a trigger makes notices of what was done
--
-- What was done stands in the case (reminded, warned_at, fired, status), never in "since the last sweep": a clock that jumps, two
-- daemons or a crash between any two statements neither repeat nor lose anything.
--
-- Clocks of a case. A round begins with the opening and with every reopening; a hand-over starts the acknowledge clock anew.
--   acknowledge  from the opening, reopening or hand-over, whichever was last; reminders count from there too
--   resolve      from the beginning of the round; stands still while the case waits (the open time waited is added)
--   steps        `after` from the beginning of the round, or when their promise is due; each once a round
--   expiry       from the beginning of the round, without the time it waited
--   closing      from the solution
--
-- SPDX-License-Identifier: Apache-2.0

CREATE TABLE IF NOT EXISTS closeloop.follow_up_versions (
	id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name text NOT NULL CHECK (btrim(name) <> ''),
	calendar text,
	acknowledge_within closeloop.promise,
	resolve_within closeloop.promise,
	warn_before closeloop.promise,
	remind_every closeloop.promise,
	remind_at_most int NOT NULL DEFAULT 0 CHECK (remind_at_most >= 0),
	close_after closeloop.promise,
	expire_after closeloop.promise,
	sha256 text NOT NULL UNIQUE,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE closeloop.follow_up_versions IS
	'Every follow_up under which cases were opened. Rows never change and are never deleted: cases name them.';
COMMENT ON COLUMN closeloop.follow_up_versions.calendar IS 'Null: the clock on the wall; owner: that of the case''s owner of now; else a name.';
COMMENT ON COLUMN closeloop.follow_up_versions.sha256 IS 'Of the definition, so that the same one is stored once.';

CREATE TABLE IF NOT EXISTS closeloop.escalation_steps (
	version int NOT NULL REFERENCES closeloop.follow_up_versions,
	position int NOT NULL,
	id text NOT NULL CHECK (btrim(id) <> ''),
	condition text NOT NULL CHECK (condition IN ('unacknowledged', 'unresolved')),
	after closeloop.promise,
	target text NOT NULL CHECK (btrim(target) <> ''),
	PRIMARY KEY (version, position),
	UNIQUE (version, id)
);
COMMENT ON TABLE closeloop.escalation_steps IS 'Who is told next, and when; rows never change.';
COMMENT ON COLUMN closeloop.escalation_steps.after IS 'From the beginning of the round; null: when the promise is due.';

-- ---- versions ----

CREATE OR REPLACE FUNCTION closeloop.follow_up_canonical(definition jsonb) RETURNS jsonb
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT jsonb_build_object('name', d.name, 'calendar', nullif(d.calendar, ''),
		'acknowledge_within', nullif(d.acknowledge_within, ''), 'resolve_within', nullif(d.resolve_within, ''),
		'warn_before', nullif(d.warn_before, ''), 'remind_every', nullif(d.remind_every, ''),
		'remind_at_most', coalesce(d.remind_at_most, 0), 'close_after', nullif(d.close_after, ''),
		'expire_after', nullif(d.expire_after, ''),
		'escalate', (SELECT coalesce(jsonb_agg(jsonb_build_object('id', s.id, 'when', s."when", 'after', nullif(s.after, ''),
				'to', s."to") ORDER BY e.position), '[]')
			FROM jsonb_array_elements(coalesce(d.escalate, '[]')) WITH ORDINALITY AS e (step, position)
			CROSS JOIN LATERAL jsonb_to_record(e.step) AS s (id text, "when" text, after text, "to" text)))
	FROM jsonb_to_record(definition) AS d (name text, calendar text, acknowledge_within text, resolve_within text,
		warn_before text, remind_every text, remind_at_most int, close_after text, expire_after text, escalate jsonb)
$$;
COMMENT ON FUNCTION closeloop.follow_up_canonical(jsonb) IS 'A definition with every key and no other, empty texts as null: equal ones look alike.';

CREATE OR REPLACE FUNCTION closeloop.follow_up_version(definition jsonb) RETURNS int
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	d jsonb := closeloop.follow_up_canonical(definition);
	hash text := encode(sha256(convert_to(d::text, 'UTF8')), 'hex');
	version int;
BEGIN
	SELECT v.id INTO version FROM closeloop.follow_up_versions AS v WHERE v.sha256 = hash;
	IF FOUND THEN
		RETURN version;
	END IF;
	INSERT INTO closeloop.follow_up_versions AS v (name, calendar, acknowledge_within, resolve_within, warn_before,
		remind_every, remind_at_most, close_after, expire_after, sha256)
	VALUES (d ->> 'name', d ->> 'calendar', d ->> 'acknowledge_within', d ->> 'resolve_within', d ->> 'warn_before',
		d ->> 'remind_every', (d ->> 'remind_at_most')::int, d ->> 'close_after', d ->> 'expire_after', hash)
	ON CONFLICT ON CONSTRAINT follow_up_versions_sha256_key DO NOTHING
	RETURNING v.id INTO version;
	IF version IS NULL THEN -- somebody else was faster, and has committed
		SELECT v.id INTO version FROM closeloop.follow_up_versions AS v WHERE v.sha256 = hash;
		RETURN version;
	END IF;
	INSERT INTO closeloop.escalation_steps (version, position, id, condition, after, target)
	SELECT version, e.position, e.step ->> 'id', e.step ->> 'when', e.step ->> 'after', e.step ->> 'to'
	FROM jsonb_array_elements(d -> 'escalate') WITH ORDINALITY AS e (step, position);
	RETURN version;
END
$$;
COMMENT ON FUNCTION closeloop.follow_up_version(jsonb) IS
	'The version of a follow_up, made if there is none yet. Keys as in the configuration: name, calendar, acknowledge_within, resolve_within, warn_before, remind_every, remind_at_most, close_after, expire_after, escalate: [{id, when, after, to}].';

-- ---- what is still to be done about a case ----

DO $$
BEGIN
	IF to_regtype('closeloop.agenda_item') IS NULL THEN
		CREATE TYPE closeloop.agenda_item AS (at timestamptz, what text, n int, step text, condition text, target text);
	END IF;
END
$$;
COMMENT ON TYPE closeloop.agenda_item IS
	'Something to be done at a time: return (from waiting), close, expire, remind (number n), warn, escalate (step, condition, target).';

CREATE OR REPLACE FUNCTION closeloop.promise_times(p closeloop.promise, n int) RETURNS closeloop.promise
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$
	SELECT CASE WHEN n = 1 THEN p WHEN left(p, -1)::bigint * n <= 999999999 THEN left(p, -1)::bigint * n || right(p, 1) END
$$;
COMMENT ON FUNCTION closeloop.promise_times(closeloop.promise, int) IS 'So many times as long; null when that is beyond all times.';

-- No SET here and in case_agenda(): so they become part of the query that asks, for all its cases at once.
CREATE OR REPLACE FUNCTION closeloop.later_by(due timestamptz, waited interval, calendar text, owner text) RETURNS timestamptz
	LANGUAGE sql STABLE
	AS $$ SELECT CASE WHEN waited = interval '0' THEN due ELSE closeloop.open_after(due, waited, calendar, owner) END $$;
COMMENT ON FUNCTION closeloop.later_by(timestamptz, interval, text, text) IS 'A due time, put off by the open time that the case has waited.';

CREATE OR REPLACE FUNCTION closeloop.case_agenda(c closeloop.cases) RETURNS SETOF closeloop.agenda_item
	LANGUAGE sql STABLE ROWS 3
	AS $$
	SELECT c.waiting_until, 'return', NULL::int, NULL::text, NULL::text, NULL::text
	WHERE c.status = 'waiting'
	UNION ALL
	SELECT closeloop.promise_due(c.resolved_at, v.close_after, v.calendar, c.owner), 'close', NULL, NULL, NULL, NULL
	FROM closeloop.follow_up_versions AS v
	WHERE v.id = c.follow_up_version AND c.status = 'resolved' AND v.close_after IS NOT NULL
	UNION ALL
	SELECT closeloop.later_by(closeloop.promise_due(coalesce(c.reopened_at, c.opened_at), v.expire_after, v.calendar, c.owner),
		c.waited, v.calendar, c.owner), 'expire', NULL, NULL, NULL, NULL
	FROM closeloop.follow_up_versions AS v
	WHERE v.id = c.follow_up_version AND c.status IN ('open', 'acknowledged', 'in_progress') AND v.expire_after IS NOT NULL
	UNION ALL
	SELECT closeloop.promise_due(greatest(c.opened_at, c.reopened_at, c.assigned_at),
		closeloop.promise_times(v.remind_every, c.reminded + 1), v.calendar, c.owner), 'remind', c.reminded + 1, NULL, NULL, NULL
	FROM closeloop.follow_up_versions AS v
	WHERE v.id = c.follow_up_version AND c.status = 'open' AND v.remind_every IS NOT NULL AND c.reminded < v.remind_at_most
		AND closeloop.promise_times(v.remind_every, c.reminded + 1) IS NOT NULL
	UNION ALL
	SELECT closeloop.promise_before(c.resolve_due_at, v.warn_before, v.calendar, c.owner), 'warn', NULL, NULL, NULL, NULL
	FROM closeloop.follow_up_versions AS v
	WHERE v.id = c.follow_up_version AND c.status IN ('open', 'acknowledged', 'in_progress') AND c.warned_at IS NULL
		AND v.warn_before IS NOT NULL AND c.resolve_due_at IS NOT NULL
	UNION ALL
	SELECT d.at, 'escalate', NULL, s.id, s.condition, s.target
	FROM closeloop.escalation_steps AS s
	JOIN closeloop.follow_up_versions AS v ON v.id = s.version
	CROSS JOIN LATERAL (SELECT CASE WHEN s.after IS NOT NULL THEN closeloop.later_by(closeloop.promise_due(
		coalesce(c.reopened_at, c.opened_at), s.after, v.calendar, c.owner), c.waited, v.calendar, c.owner) END AS at OFFSET 0) AS a
	-- A step that came while the case was acknowledged isn't held against the next owner from the first minute.
	CROSS JOIN LATERAL (SELECT CASE WHEN s.after IS NULL AND s.condition = 'unresolved' THEN c.resolve_due_at
		WHEN s.after IS NULL OR (s.condition = 'unacknowledged' AND a.at <= c.assigned_at AND c.acknowledge_due_at IS NOT NULL)
			THEN c.acknowledge_due_at
		ELSE a.at END AS at) AS d
	WHERE s.version = c.follow_up_version AND d.at IS NOT NULL AND s.id <> ALL (c.fired)
		AND (c.status = 'open' OR (s.condition = 'unresolved' AND c.status IN ('acknowledged', 'in_progress')))
$$;
COMMENT ON FUNCTION closeloop.case_agenda(closeloop.cases) IS
	'What the daemon has still to do about a case as it stands, and when: of the reminders the next one only.';

-- plpgsql: planned once per session. A function in SQL with a SET is planned at every call, which takes 2 ms here.
CREATE OR REPLACE FUNCTION closeloop.case_next_action(c closeloop.cases) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RETURN (SELECT min(a.at) FROM closeloop.case_agenda(c) AS a);
END
$$;
COMMENT ON FUNCTION closeloop.case_next_action(closeloop.cases) IS 'When the daemon must look at a case next; null: never.';

CREATE OR REPLACE FUNCTION closeloop.case_start_clocks(c closeloop.cases, acknowledge boolean, resolve boolean)
	RETURNS closeloop.cases
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	v closeloop.follow_up_versions;
BEGIN
	SELECT * INTO v FROM closeloop.follow_up_versions AS t WHERE t.id = c.follow_up_version;
	IF acknowledge THEN
		c.acknowledge_due_at := CASE WHEN v.acknowledge_within IS NOT NULL THEN closeloop.promise_due(
			greatest(c.opened_at, c.reopened_at, c.assigned_at), v.acknowledge_within, v.calendar, c.owner) END;
	END IF;
	IF resolve THEN
		c.resolve_due_at := CASE WHEN v.resolve_within IS NOT NULL THEN closeloop.later_by(closeloop.promise_due(
			coalesce(c.reopened_at, c.opened_at), v.resolve_within, v.calendar, c.owner), c.waited, v.calendar, c.owner) END;
	END IF;
	IF c.raised_version IS NULL THEN
		RETURN c;
	END IF;
	SELECT * INTO v FROM closeloop.follow_up_versions AS t WHERE t.id = c.raised_version;
	IF acknowledge AND v.acknowledge_within IS NOT NULL THEN
		c.acknowledge_due_at := least(c.acknowledge_due_at, closeloop.promise_due(greatest(c.raised_at, c.assigned_at),
			v.acknowledge_within, v.calendar, c.owner));
	END IF;
	IF resolve AND v.resolve_within IS NOT NULL THEN
		c.resolve_due_at := least(c.resolve_due_at, closeloop.later_by(closeloop.promise_due(c.raised_at, v.resolve_within,
			v.calendar, c.owner), c.waited - coalesce(c.raised_waited, '0'), v.calendar, c.owner));
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_start_clocks(closeloop.cases, boolean, boolean) IS
	'The case with its due times as they follow from when its clocks started, under today''s calendars. Writes nothing.';

CREATE OR REPLACE FUNCTION closeloop.case_opening_clocks(version int, owner text, at timestamptz,
		OUT acknowledge_due_at timestamptz, OUT resolve_due_at timestamptz, OUT next_action_at timestamptz)
	LANGUAGE plpgsql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	c closeloop.cases;
BEGIN
	c.status := 'open';
	c.owner := owner;
	c.opened_at := at;
	c.follow_up_version := version;
	c.waited := '0';
	c.reminded := 0;
	c.fired := '{}';
	c := closeloop.case_start_clocks(c, true, true);
	acknowledge_due_at := c.acknowledge_due_at;
	resolve_due_at := c.resolve_due_at;
	next_action_at := closeloop.case_next_action(c);
END
$$;
COMMENT ON FUNCTION closeloop.case_opening_clocks(int, text, timestamptz) IS
	'The due times of a case that opens at a time, under a version, with an owner; the same for all that share the three.';

CREATE OR REPLACE FUNCTION closeloop.case_plans(case_ids bigint[])
	RETURNS TABLE (case_id bigint, at timestamptz, what text, n int, step text, condition text, target text)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT c.id, a.at, a.what, a.n, a.step, a.condition, a.target
	FROM closeloop.cases AS c CROSS JOIN LATERAL closeloop.case_agenda(c) AS a
	WHERE c.id = ANY (case_ids) ORDER BY c.id, a.at, a.what, a.step
$$;
COMMENT ON FUNCTION closeloop.case_plans(bigint[]) IS
	'What comes next of each of these cases, for people to read: "if nobody acknowledges by 14:40, the manager is told".';

-- ---- what is due is done ----

-- In plpgsql, because alert_budgets comes with 008.
CREATE OR REPLACE FUNCTION closeloop.held_until(person text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RETURN coalesce((SELECT b.digest_at FROM closeloop.alert_budgets AS b
		WHERE b.person = held_until.person AND b.digest_at > now() + interval '1 second'), now() + interval '30 seconds');
END
$$;
COMMENT ON FUNCTION closeloop.held_until(text) IS 'When what is held for a person is looked at next, as far as that is known.';

-- Whoever stands in for the owner counts as the owner when no mail went to the owner. A mail that waits is looked at again after
-- as long as it has waited already, at most half a minute, also when it leaves with a digest; one that no digest has taken up when
-- the next is due. state::text: found by the case, never by an index of all that waits. No SET: it becomes part of the sweep's query.
CREATE OR REPLACE FUNCTION closeloop.owner_alert_waits(c closeloop.cases) RETURNS SETOF timestamptz
	LANGUAGE sql STABLE ROWS 1
	AS $$
	SELECT max(w.until)
	FROM (
		SELECT now() + least(greatest(now() - n.created_at, interval '1 second'), interval '30 seconds') AS until
		FROM closeloop.notices AS n
		WHERE n.case_id = c.id AND n.kind IN ('opened', 'assigned')
		UNION ALL
		SELECT CASE WHEN m.state = 'held' AND m.digest_id IS NULL THEN closeloop.held_until(m.recipient)
			ELSE now() + least(greatest(now() - m.created_at, interval '1 second'), interval '30 seconds') END
		FROM (SELECT t.state::text AS state, t.recipient, t.digest_id, t.created_at FROM closeloop.messages AS t
			WHERE t.case_id = c.id AND t.channel = 'email' AND t.kind IN ('case.opened', 'case.assigned')
			ORDER BY t.recipient IS NOT DISTINCT FROM c.owner DESC, t.state::text IN ('queued', 'leased', 'held') DESC, t.seq DESC
			LIMIT 1) AS m
		WHERE m.state IN ('queued', 'leased', 'held')
	) AS w
$$;
COMMENT ON FUNCTION closeloop.owner_alert_waits(closeloop.cases) IS
	'Until when reminders and escalations of a case wait, because its owner''s alert has not left yet; null: it has.';

CREATE OR REPLACE FUNCTION closeloop.case_event(c closeloop.cases, kind text, was closeloop.case_status, details jsonb,
		note text DEFAULT NULL)
	RETURNS closeloop.case_events
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	e closeloop.case_events;
BEGIN
	e.case_id := c.id;
	e.actor := 'daemon';
	e.kind := kind;
	e.from_status := was;
	e.to_status := c.status;
	e.note := note;
	e.details := details;
	RETURN e;
END
$$;
COMMENT ON FUNCTION closeloop.case_event(closeloop.cases, text, closeloop.case_status, jsonb, text) IS 'A row of case_events by the daemon, not yet written.';

-- The status it had before it waited stands in the history: the last "waiting" of a case that waits is the one that holds.
CREATE OR REPLACE FUNCTION closeloop.case_after_waiting(c closeloop.cases) RETURNS closeloop.cases
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	calendar text := (SELECT v.calendar FROM closeloop.follow_up_versions AS v WHERE v.id = c.follow_up_version);
	open_time interval := greatest(closeloop.open_time(c.waiting_since, now(), calendar, c.owner), interval '0');
BEGIN
	c.waited := c.waited + open_time;
	IF c.raised_version IS NULL THEN
		c.resolve_due_at := closeloop.later_by(c.resolve_due_at, open_time, calendar, c.owner);
	ELSE -- perhaps raised while it waited: only what it waited after that counts
		c := closeloop.case_start_clocks(c, false, true);
	END IF;
	c.waiting_since := NULL;
	c.waiting_until := NULL;
	c.status := CASE WHEN (SELECT e.from_status FROM closeloop.case_events AS e WHERE e.case_id = c.id AND e.kind = 'waiting'
		ORDER BY e.id DESC LIMIT 1) = 'in_progress' THEN 'in_progress' ELSE 'acknowledged' END::closeloop.case_status;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_after_waiting(closeloop.cases) IS
	'A waiting case as it is when the waiting ends by itself: the open time that was left to resolve it counts on from now. Writes nothing.';

CREATE OR REPLACE FUNCTION closeloop.case_reminded(INOUT c closeloop.cases, v closeloop.follow_up_versions,
		OUT next_at timestamptz)
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	LOOP
		c.reminded := c.reminded + 1;
		next_at := CASE WHEN c.reminded < v.remind_at_most THEN closeloop.promise_due(greatest(c.opened_at, c.reopened_at,
			c.assigned_at), closeloop.promise_times(v.remind_every, c.reminded + 1), v.calendar, c.owner) END;
		EXIT WHEN next_at IS NULL OR next_at > now();
	END LOOP;
END
$$;
COMMENT ON FUNCTION closeloop.case_reminded(closeloop.cases, closeloop.follow_up_versions) IS
	'The case after the reminder that is due, and when the next one is: those that were missed, because no daemon ran, go with the latest. Writes nothing.';

CREATE OR REPLACE FUNCTION closeloop.case_ended(INOUT c closeloop.cases, v closeloop.follow_up_versions, what text,
		OUT event closeloop.case_events)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	was closeloop.case_status := c.status;
BEGIN
	c.status := CASE what WHEN 'close' THEN 'closed' ELSE 'dismissed' END;
	c.closed_at := now();
	c.version := c.version + 1;
	event := closeloop.case_event(c, c.status::text, was,
		jsonb_strip_nulls(jsonb_build_object('cancelled', closeloop.case_cancel_messages(c.id))),
		CASE what WHEN 'close' THEN format('%s after it was resolved', v.close_after)
			ELSE format('expired after %s', v.expire_after) END);
END
$$;
COMMENT ON FUNCTION closeloop.case_ended(closeloop.cases, closeloop.follow_up_versions, text) IS
	'The case closed or expired by itself, and the event that says so; messages that wait are cancelled.';

CREATE OR REPLACE FUNCTION closeloop.case_do(INOUT c closeloop.cases, agenda closeloop.agenda_item[], alerts_wait_until timestamptz,
		OUT events closeloop.case_events[])
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	v closeloop.follow_up_versions;
	item closeloop.agenda_item;
	done record;
	next_at timestamptz;
BEGIN
	events := '{}';
	SELECT * INTO v FROM closeloop.follow_up_versions AS t WHERE t.id = c.follow_up_version;
	IF agenda[1].what = 'return' AND agenda[1].at <= now() THEN
		c := closeloop.case_after_waiting(c);
		c.version := c.version + 1;
		events := events || closeloop.case_event(c, CASE c.status WHEN 'in_progress' THEN 'started' ELSE 'acknowledged' END, 'waiting',
			'{"waiting_over": true}');
		agenda := ARRAY(SELECT a FROM closeloop.case_agenda(c) AS a ORDER BY a.what <> 'expire', a.at, a.step);
	END IF;
	FOREACH item IN ARRAY agenda LOOP
		IF item.at > now() THEN
			next_at := least(next_at, CASE WHEN item.what IN ('remind', 'warn', 'escalate')
				THEN greatest(item.at, alerts_wait_until) ELSE item.at END);
		ELSIF item.what IN ('close', 'expire') THEN
			done := closeloop.case_ended(c, v, item.what);
			c := done.c;
			events := events || done.event;
			next_at := NULL;
			EXIT;
		ELSIF alerts_wait_until IS NOT NULL THEN
			next_at := least(next_at, alerts_wait_until);
		ELSIF item.what = 'remind' THEN
			done := closeloop.case_reminded(c, v);
			c := done.c;
			next_at := least(next_at, done.next_at);
			events := events || closeloop.case_event(c, 'reminded', c.status, jsonb_build_object('n', c.reminded, 'of', v.remind_at_most));
		ELSIF item.what = 'warn' THEN
			c.warned_at := now();
			events := events || closeloop.case_event(c, 'reminded', c.status, '{"warning": true}');
		ELSE
			c.fired := c.fired || item.step;
			events := events || closeloop.case_event(c, 'escalated', c.status, jsonb_build_object('step', item.step,
				'target', item.target, 'condition', item.condition));
		END IF;
	END LOOP;
	c.next_action_at := CASE WHEN next_at IS NOT NULL THEN greatest(next_at, now() + interval '1 second') END;
END
$$;
COMMENT ON FUNCTION closeloop.case_do(closeloop.cases, closeloop.agenda_item[], timestamptz) IS
	'The case after what is due of its agenda, with the time of what comes next, and the events to be written. What ends the case comes first in the agenda, and ends it.';

-- The agenda is computed once for each case: what was done of it doesn't change when the rest is due. A case always moves on by a
-- second at least, so that a sweep can't go round in circles. One plan whatever the statistics say: everything by index.
CREATE OR REPLACE FUNCTION closeloop.follow_up_sweep(at_most int) RETURNS int
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	SET enable_hashjoin = off
	SET enable_mergejoin = off
	AS $$
DECLARE
	x record;
	done record;
	after closeloop.cases[] := '{}';
	events closeloop.case_events[] := '{}';
BEGIN
	FOR x IN
		SELECT t.c, ARRAY(SELECT a FROM closeloop.case_agenda(t.c) AS a
			ORDER BY a.what NOT IN ('return', 'close', 'expire'), a.at, a.step) AS agenda,
			(SELECT w FROM closeloop.owner_alert_waits(t.c) AS w) AS waits
		FROM (SELECT l AS c FROM closeloop.cases AS l WHERE l.next_action_at <= now()
			ORDER BY l.next_action_at LIMIT at_most FOR NO KEY UPDATE SKIP LOCKED) AS t
	LOOP
		done := closeloop.case_do(x.c, x.agenda, x.waits);
		after := after || done.c;
		events := events || done.events;
	END LOOP;
	UPDATE closeloop.cases AS t
	SET status = n.status, closed_at = n.closed_at, resolve_due_at = n.resolve_due_at, waiting_since = n.waiting_since,
		waiting_until = n.waiting_until, waited = n.waited, reminded = n.reminded, warned_at = n.warned_at, fired = n.fired,
		version = n.version, next_action_at = n.next_action_at
	FROM unnest(after) AS n WHERE t.id = n.id;
	INSERT INTO closeloop.case_events (case_id, actor, kind, from_status, to_status, note, details)
	SELECT e.case_id, e.actor, e.kind, e.from_status, e.to_status, e.note, e.details
	FROM unnest(events) WITH ORDINALITY AS e ORDER BY e.ordinality;
	RETURN cardinality(after);
END
$$;
COMMENT ON FUNCTION closeloop.follow_up_sweep(int) IS
	'Does what is due of at most so many cases, those due longest first and none that somebody else works on; returns of how many. Fewer than asked for: nothing more is due.';

-- ---- calendars have changed ----

CREATE OR REPLACE FUNCTION closeloop.follow_up_recompute(after_id bigint, at_most int, OUT moved int, OUT last_id bigint)
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	SET enable_seqscan = off
	AS $$
DECLARE
	was closeloop.cases;
	c closeloop.cases;
BEGIN
	moved := 0;
	FOR was IN SELECT t.* FROM closeloop.cases AS t
		WHERE t.id > after_id AND t.status IN ('open', 'acknowledged', 'in_progress', 'waiting')
			AND t.follow_up_version IS NOT NULL
		ORDER BY t.id LIMIT at_most FOR NO KEY UPDATE
	LOOP
		last_id := was.id;
		c := closeloop.case_start_clocks(was, was.acknowledged_at IS NULL, true);
		c.next_action_at := closeloop.case_next_action(c);
		IF c.acknowledge_due_at IS DISTINCT FROM was.acknowledge_due_at OR c.resolve_due_at IS DISTINCT FROM was.resolve_due_at
			OR (c.next_action_at IS DISTINCT FROM was.next_action_at AND coalesce(c.next_action_at > now(), true))
		THEN
			moved := moved + 1;
			UPDATE closeloop.cases AS t SET acknowledge_due_at = c.acknowledge_due_at, resolve_due_at = c.resolve_due_at,
				next_action_at = c.next_action_at
			WHERE t.id = c.id;
		END IF;
	END LOOP;
END
$$;
COMMENT ON FUNCTION closeloop.follow_up_recompute(bigint, int) IS
	'Due times of unresolved cases under today''s calendars, beginning behind a case; what has been done stays done. How many moved, and the last case looked at; null: there are no more.';

-- ---- who must hear of it ----

-- The daemon puts it into words: a mail, webhooks, or nothing when nobody is to be told; whoever acts (command, page, API) need
-- not know how. Not for cases that rules open: their messages are written with them.
CREATE OR REPLACE FUNCTION closeloop.notice_events() RETURNS trigger
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF NEW.kind NOT IN ('opened', 'acknowledged', 'assigned', 'reminded', 'escalated', 'resolved', 'closed', 'dismissed', 'reopened', 'outcome',
			'joined', 'amended') AND NOT (NEW.kind = 'started' AND NEW.details ? 'waiting_over') THEN
		RETURN NULL;
	END IF;
	INSERT INTO closeloop.notices (case_id, kind, event_id) VALUES (NEW.case_id, NEW.kind, NEW.id);
	PERFORM pg_notify('closeloop', 'all');
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.notice_events() IS 'Trigger on case_events: what somebody may have to hear of, by mail or webhook, becomes a notice.';

-- By row, for its WHEN: a case that a rule opens, and the judge tells of, costs one comparison instead of a function and a
-- transition table. It is short because PostgreSQL reads it anew for every statement: the longer list is the function's.
CREATE OR REPLACE TRIGGER case_events_notice AFTER INSERT ON closeloop.case_events
	FOR EACH ROW WHEN (NEW.kind <> 'opened' OR NEW.details ? 'by_hand')
	EXECUTE FUNCTION closeloop.notice_events();

-- ---- cases of before there were versions ----

DO $$
BEGIN
	IF EXISTS (SELECT FROM information_schema.columns AS i
		WHERE i.table_schema = 'closeloop' AND i.table_name = 'cases' AND i.column_name = 'acknowledge_within') THEN
		UPDATE closeloop.cases AS t
		SET follow_up_version = closeloop.follow_up_version(jsonb_build_object('name', coalesce(t.follow_up, 'by hand'),
			'acknowledge_within', extract(epoch FROM t.acknowledge_within)::bigint || 's',
			'resolve_within', extract(epoch FROM t.resolve_within)::bigint || 's'))
		WHERE closeloop.is_unresolved(t.status) AND (t.acknowledge_within IS NOT NULL OR t.resolve_within IS NOT NULL);
		ALTER TABLE closeloop.cases DROP COLUMN acknowledge_within, DROP COLUMN resolve_within;
		UPDATE closeloop.cases AS t SET next_action_at = closeloop.case_next_action(t)
		WHERE t.next_action_at IS DISTINCT FROM closeloop.case_next_action(t);
	END IF;
END
$$;

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
