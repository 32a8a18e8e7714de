-- Moving cases: the one way to change a case, for SQL, command, page and API alike (the table in DESIGN section 4).
--
--   case_transition() → lock the row → known action? → already acknowledged? → stale? → allowed from here?
--                     → case_after_action() or case_after_undo() → clocks, version, next_action_at → one case_events row
--
-- Refusals have an SQLSTATE of their own: CL001 stale, CL002 not allowed, CL003 unknown case or action. What an action
-- changed is kept in its event as details.before, so that undo restores status and clocks exactly.
--
-- SPDX-License-Identifier: Apache-2.0

CREATE OR REPLACE FUNCTION closeloop.case_actions()
	RETURNS TABLE (action text, kind text, from_status closeloop.case_status[])
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT t.action, t.kind, t.from_status::closeloop.case_status[]
	FROM (VALUES
		('acknowledge', 'acknowledged', '{open}'),
		('start', 'started', '{open,acknowledged,waiting}'),
		('contacted', 'contacted', '{open,acknowledged,in_progress}'),
		('wait', 'waiting', '{open,acknowledged,in_progress}'),
		('resolve', 'resolved', '{open,acknowledged,in_progress,waiting}'),
		('close', 'closed', '{resolved}'),
		('dismiss', 'dismissed', '{open,acknowledged,in_progress,waiting}'),
		('reopen', 'reopened', '{resolved,closed,dismissed}'),
		('assign', 'assigned', '{open,acknowledged,in_progress,waiting}'),
		('note', 'noted', '{open,acknowledged,in_progress,waiting,resolved,closed,dismissed}'),
		('undo', 'undone', '{open,acknowledged,in_progress,waiting,resolved,closed,dismissed}')
	) AS t (action, kind, from_status)
$$;
COMMENT ON FUNCTION closeloop.case_actions() IS
	'The actions of case_transition(), the kind of event each writes, and from which status it is allowed.';

CREATE OR REPLACE FUNCTION closeloop.is_unresolved(status closeloop.case_status) RETURNS boolean
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT status IN ('open', 'acknowledged', 'in_progress', 'waiting') $$;
COMMENT ON FUNCTION closeloop.is_unresolved(closeloop.case_status) IS 'True while somebody still has something to do.';

-- ---- what an action needs to be told ----

CREATE OR REPLACE FUNCTION closeloop.case_refuse(c closeloop.cases, reason text) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RAISE EXCEPTION 'C-%: %', c.id, reason USING ERRCODE = 'CL002', HINT = format('Now possible: %s.',
		(SELECT string_agg(a.action, ', ') FROM closeloop.case_actions() AS a WHERE c.status = ANY (a.from_status)));
END
$$;
COMMENT ON FUNCTION closeloop.case_refuse(closeloop.cases, text) IS 'Raises CL002, with what is possible instead.';

CREATE OR REPLACE FUNCTION closeloop.case_until(c closeloop.cases, details jsonb) RETURNS timestamptz
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	until timestamptz;
BEGIN
	BEGIN
		until := details ->> 'until';
	EXCEPTION WHEN data_exception THEN
		PERFORM closeloop.case_refuse(c, format('%L is no time to wait until', details ->> 'until'));
	END;
	IF until IS NULL OR NOT isfinite(until) THEN
		PERFORM closeloop.case_refuse(c, '"wait" needs a time: {"until": "2027-03-04T10:00:00+09:00"}');
	ELSIF until <= now() THEN
		PERFORM closeloop.case_refuse(c, format('"wait" needs a time in the future, not %s', until));
	END IF;
	RETURN until;
END
$$;
COMMENT ON FUNCTION closeloop.case_until(closeloop.cases, jsonb) IS 'The time that "wait" was given; CL002 unless it lies ahead.';

CREATE OR REPLACE FUNCTION closeloop.case_check_details(c closeloop.cases, action text, note text, details jsonb)
	RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF action IN ('dismiss', 'note') AND btrim(coalesce(note, '')) = '' THEN
		PERFORM closeloop.case_refuse(c, CASE action WHEN 'note' THEN 'a note needs a text'
			ELSE '"dismiss" needs a reason, given as note' END);
	ELSIF action = 'contacted' THEN
		IF coalesce(details ->> 'how', '') NOT IN ('phone', 'mail', 'visit') THEN
			PERFORM closeloop.case_refuse(c, '"contacted" needs {"how": "phone"}, "mail" or "visit"');
		ELSIF coalesce(jsonb_typeof(details -> 'reached'), '') <> 'boolean' THEN
			PERFORM closeloop.case_refuse(c, '"contacted" needs {"reached": true} or false');
		END IF;
	ELSIF action = 'assign' THEN
		IF coalesce(jsonb_typeof(details -> 'to'), '') <> 'string' OR btrim(details ->> 'to') = '' THEN
			PERFORM closeloop.case_refuse(c, '"assign" needs a person: {"to": "minsu-kim"}');
		ELSIF btrim(details ->> 'to') = c.owner THEN
			PERFORM closeloop.case_refuse(c, format('%s has it already', c.owner));
		END IF;
	END IF;
END
$$;
COMMENT ON FUNCTION closeloop.case_check_details(closeloop.cases, text, text, jsonb) IS
	'CL002 when an action was not told what it needs.';

-- ---- the moves ----

CREATE OR REPLACE FUNCTION closeloop.case_after_action(c closeloop.cases, action text, actor text, note text, details jsonb)
	RETURNS closeloop.cases
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	reached boolean := action = 'contacted' AND (details ->> 'reached')::boolean;
	calendar text := (SELECT v.calendar FROM closeloop.follow_up_versions AS v WHERE v.id = c.follow_up_version);
BEGIN
	IF c.status = 'waiting' AND action <> 'note' THEN
		c := closeloop.case_after_waiting(c);
	END IF;
	IF action = 'wait' THEN
		c.waiting_until := closeloop.case_until(c, details);
		c.waiting_since := now();
	ELSIF action = 'resolve' THEN
		c.resolved_at := now();
		c.root_cause := nullif(btrim(details ->> 'cause'), '');
		c.resolution := note;
	ELSIF action IN ('close', 'dismiss') THEN
		c.closed_at := now();
	ELSIF action = 'reopen' THEN
		c := closeloop.case_next_round(c);
	ELSIF action = 'assign' THEN
		c.handovers := c.handovers + 1;
		c.unheard_handovers := c.unheard_handovers + 1;
		c.ping_pong := c.unheard_handovers >= 4;
		c.link_epoch := c.link_epoch + 1;
		c.owner := btrim(details ->> 'to');
		c.team := coalesce(details ->> 'team', c.team);
		c.assigned_at := now();
	ELSIF reached THEN
		c.contacted_at := now();
		c.unheard_handovers := 0;
		c.ping_pong := false;
	ELSIF action = 'contacted' THEN
		c.unreached := c.unreached + 1;
	END IF;

	c.status := CASE action
		WHEN 'acknowledge' THEN 'acknowledged'
		WHEN 'start' THEN 'in_progress'
		WHEN 'contacted' THEN CASE WHEN reached OR c.status = 'in_progress' THEN 'in_progress' ELSE 'acknowledged' END
		WHEN 'wait' THEN 'waiting'
		WHEN 'resolve' THEN 'resolved'
		WHEN 'close' THEN 'closed'
		WHEN 'dismiss' THEN 'dismissed'
		WHEN 'reopen' THEN 'open'
		WHEN 'assign' THEN 'open'
		ELSE c.status::text
	END::closeloop.case_status;

	IF action IN ('reopen', 'assign') THEN
		c.acknowledged_at := NULL;
		c.acknowledged_by := NULL;
		c.reminded := 0;
		c := closeloop.case_start_clocks(c, true, action = 'reopen' OR calendar = 'owner');
	ELSIF action IN ('acknowledge', 'start', 'contacted', 'wait', 'resolve') AND c.acknowledged_at IS NULL THEN
		c.acknowledged_at := now();
		c.acknowledged_by := actor;
	END IF;
	IF action IN ('start', 'contacted', 'resolve') THEN
		c.first_action_at := coalesce(c.first_action_at, now());
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_after_action(closeloop.cases, text, text, text, jsonb) IS
	'The case as it is after an allowed action: status, stamps and clocks. Writes nothing.';

CREATE OR REPLACE FUNCTION closeloop.case_next_round(c closeloop.cases) RETURNS closeloop.cases
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	c.reopened := c.reopened + 1;
	c.reopened_at := now();
	c.waited := '0';
	c.warned_at := NULL;
	c.fired := '{}';
	c.resolved_at := NULL;
	c.closed_at := NULL;
	c.root_cause := NULL;
	c.resolution := NULL;
	c.outcome := NULL;
	c.raised_version := NULL;
	c.raised_at := NULL;
	c.raised_waited := NULL;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_next_round(closeloop.cases) IS
	'A reopened case at the beginning of its new round: what was warned, escalated, solved and measured belongs to the last one.';

CREATE OR REPLACE FUNCTION closeloop.case_last_undoable(c closeloop.cases, actor text) RETURNS closeloop.case_events
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	e closeloop.case_events;
BEGIN
	SELECT * INTO e FROM closeloop.case_events AS t WHERE t.case_id = c.id ORDER BY t.id DESC LIMIT 1;
	IF NOT FOUND OR NOT e.details ? 'before' THEN
		PERFORM closeloop.case_refuse(c, format('there is nothing to undo: the latest event is "%s"', coalesce(e.kind, 'none')));
	ELSIF e.actor IS DISTINCT FROM case_last_undoable.actor THEN
		PERFORM closeloop.case_refuse(c, format('only %s can undo "%s"', e.actor, e.kind));
	ELSIF e.at < now() - interval '10 minutes' THEN
		PERFORM closeloop.case_refuse(c, format('"%s" is more than 10 minutes old and can''t be undone', e.kind));
	END IF;
	RETURN e;
END
$$;
COMMENT ON FUNCTION closeloop.case_last_undoable(closeloop.cases, text) IS
	'The latest event of a case if this actor may undo it, else CL002.';

CREATE OR REPLACE FUNCTION closeloop.case_after_undo(c closeloop.cases, e closeloop.case_events) RETURNS closeloop.cases
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	UPDATE closeloop.messages AS m
	SET state = (x.was ->> 'state')::closeloop.message_state, last_error = NULL
	FROM jsonb_array_elements(e.details -> 'cancelled') AS x (was)
	WHERE m.id = (x.was ->> 'id')::uuid AND m.state = 'cancelled';
	UPDATE closeloop.messages AS m SET state = 'cancelled', last_error = 'what it told of was undone'
	WHERE m.case_id = e.case_id AND m.kind = 'case.' || e.kind AND m.state::text IN ('queued', 'held') AND m.created_at >= e.at;
	DELETE FROM closeloop.notices AS n WHERE n.case_id = e.case_id AND n.event_id = e.id;
	IF e.details -> 'before' ? 'owner' THEN
		c.link_epoch := c.link_epoch + 1;
	END IF;
	RETURN jsonb_populate_record(c, e.details -> 'before');
END
$$;
COMMENT ON FUNCTION closeloop.case_after_undo(closeloop.cases, closeloop.case_events) IS
	'The case as it was before an event; messages that the event cancelled wait again, and what nobody was told of yet nobody is.';

-- What tells of the end itself (a CRM's case.resolved) still leaves.
CREATE OR REPLACE FUNCTION closeloop.case_cancel_messages(case_id bigint) RETURNS jsonb
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH waiting AS (
		SELECT m.id, m.state FROM closeloop.messages AS m
		WHERE m.case_id = case_cancel_messages.case_id AND m.state IN ('queued', 'held')
			AND m.kind NOT IN ('case.resolved', 'case.closed', 'case.dismissed', 'case.outcome')
		ORDER BY m.seq FOR UPDATE
	), cancelled AS (
		UPDATE closeloop.messages AS m SET state = 'cancelled', last_error = 'the case no longer stands'
		FROM waiting AS w WHERE m.id = w.id
		RETURNING m.id, w.state
	)
	SELECT jsonb_agg(jsonb_build_object('id', id, 'state', state)) FROM cancelled
$$;
COMMENT ON FUNCTION closeloop.case_cancel_messages(bigint) IS
	'Cancels the waiting messages of a case that no longer stands; returns them with their state, null when there were none.';

CREATE OR REPLACE FUNCTION closeloop.case_save(was closeloop.cases, c closeloop.cases) RETURNS closeloop.cases
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	c.version := was.version + 1;
	c.next_action_at := closeloop.case_next_action(c);
	UPDATE closeloop.cases AS t
	SET status = c.status, owner = c.owner, team = c.team, acknowledged_at = c.acknowledged_at,
		acknowledged_by = c.acknowledged_by, first_action_at = c.first_action_at, contacted_at = c.contacted_at,
		resolved_at = c.resolved_at, closed_at = c.closed_at, acknowledge_due_at = c.acknowledge_due_at,
		resolve_due_at = c.resolve_due_at, next_action_at = c.next_action_at, waiting_since = c.waiting_since,
		waiting_until = c.waiting_until, waited = c.waited, root_cause = c.root_cause, resolution = c.resolution,
		outcome = c.outcome, reopened = c.reopened, reopened_at = c.reopened_at, handovers = c.handovers,
		unheard_handovers = c.unheard_handovers, ping_pong = c.ping_pong, assigned_at = c.assigned_at,
		unreached = c.unreached, reminded = c.reminded, warned_at = c.warned_at, fired = c.fired,
		raised_version = c.raised_version, raised_at = c.raised_at, raised_waited = c.raised_waited,
		link_epoch = c.link_epoch, version = c.version
	WHERE t.id = c.id;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_save(closeloop.cases, closeloop.cases) IS
	'Writes what an action changed, with the next version and the time of what the daemon does next.';

-- FOR NO KEY UPDATE is enough to keep two actions apart, and lets events and messages of the case be written meanwhile.
CREATE OR REPLACE FUNCTION closeloop.case_lock(case_id bigint, action text, actor text, details jsonb) RETURNS closeloop.cases
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	c closeloop.cases;
BEGIN
	IF NOT EXISTS (SELECT FROM closeloop.case_actions() AS a WHERE a.action = case_lock.action) THEN
		RAISE EXCEPTION 'unknown action "%"', coalesce(action, 'null') USING ERRCODE = 'CL003',
			HINT = (SELECT format('Actions: %s.', string_agg(a.action, ', ')) FROM closeloop.case_actions() AS a);
	END IF;
	SELECT * INTO c FROM closeloop.cases AS t WHERE t.id = case_lock.case_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no case C-%', case_id USING ERRCODE = 'CL003';
	END IF;
	IF btrim(coalesce(actor, '')) = '' THEN
		PERFORM closeloop.case_refuse(c, 'an action needs an actor');
	ELSIF jsonb_typeof(details) <> 'object' THEN
		PERFORM closeloop.case_refuse(c, 'details must be a JSON object');
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_lock(bigint, text, text, jsonb) IS
	'The case, locked against other actions; CL003 when case or action are unknown.';

CREATE OR REPLACE FUNCTION closeloop.case_transition(case_id bigint, action text, actor text, note text DEFAULT NULL,
		details jsonb DEFAULT '{}', expected_version int DEFAULT NULL)
	RETURNS closeloop.cases
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	was closeloop.cases;
	c closeloop.cases;
	undoes closeloop.case_events;
	told jsonb;
BEGIN
	was := closeloop.case_lock(case_id, action, actor, coalesce(details, '{}'));
	IF action = 'acknowledge' AND was.status IN ('acknowledged', 'in_progress', 'waiting') THEN
		RAISE NOTICE 'C-% is already acknowledged by %', was.id, was.acknowledged_by;
		RETURN was;
	END IF;
	IF expected_version <> was.version THEN
		RAISE EXCEPTION 'C-% has changed meanwhile: it is at version %, not %', was.id, was.version, expected_version
			USING ERRCODE = 'CL001', HINT = 'Look at it again.';
	END IF;
	IF NOT was.status = ANY ((SELECT a.from_status FROM closeloop.case_actions() AS a
			WHERE a.action = case_transition.action)::closeloop.case_status[]) THEN
		PERFORM closeloop.case_refuse(was, format('"%s" isn''t possible, it is %s', action,
			replace(was.status::text, '_', ' ')));
	END IF;

	told := coalesce(details, '{}') - ARRAY['before', 'cancelled'];
	IF action = 'undo' THEN
		undoes := closeloop.case_last_undoable(was, actor);
		c := closeloop.case_after_undo(was, undoes);
		told := told || jsonb_build_object('undid', undoes.id, 'kind', undoes.kind);
	ELSE
		PERFORM closeloop.case_check_details(was, action, note, told);
		c := closeloop.case_after_action(was, action, actor, note, told);
		IF action <> 'note' THEN
			told := told || jsonb_build_object('before', closeloop.case_difference(was, c));
		END IF;
	END IF;
	IF NOT closeloop.is_unresolved(c.status) AND c.status <> was.status THEN
		told := told || jsonb_strip_nulls(jsonb_build_object('cancelled', closeloop.case_cancel_messages(c.id)));
	END IF;
	c := closeloop.case_save(was, c);
	INSERT INTO closeloop.case_events (case_id, actor, kind, from_status, to_status, note, details)
	SELECT c.id, case_transition.actor, a.kind, was.status, c.status, nullif(btrim(case_transition.note), ''), told
	FROM closeloop.case_actions() AS a WHERE a.action = case_transition.action;
	PERFORM closeloop.wake();
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_transition(bigint, text, text, text, jsonb, int) IS
	'Moves a case and returns it. CL001: it is no longer at expected_version; CL002: not allowed from this status or details are missing; CL003: no such case or action. Acknowledging what is acknowledged is done already: nothing is written, a notice says by whom, and acknowledged_at of the returned row is older than now().';

-- What undo has to put back. version and next_action_at follow by themselves, and dead links stay dead.
CREATE OR REPLACE FUNCTION closeloop.case_difference(was closeloop.cases, c closeloop.cases) RETURNS jsonb
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT coalesce(jsonb_object_agg(o.key, o.value), '{}')
	FROM jsonb_each(to_jsonb(was)) AS o
	WHERE o.key NOT IN ('version', 'next_action_at', 'link_epoch') AND o.value IS DISTINCT FROM to_jsonb(c) -> o.key
$$;
COMMENT ON FUNCTION closeloop.case_difference(closeloop.cases, closeloop.cases) IS 'The earlier values of columns that changed.';

-- ---- everything of a person who leaves ----

CREATE OR REPLACE FUNCTION closeloop.case_assign_all(from_person text, to_person text, actor text, note text DEFAULT NULL)
	RETURNS SETOF bigint
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	id bigint;
BEGIN
	IF btrim(coalesce(from_person, '')) = '' OR btrim(coalesce(to_person, '')) = '' OR btrim(coalesce(actor, '')) = '' THEN
		RAISE EXCEPTION 'cases are handed over from somebody to somebody, by somebody' USING ERRCODE = 'CL002';
	ELSIF btrim(from_person) = btrim(to_person) THEN
		RAISE EXCEPTION '% has them already', btrim(to_person) USING ERRCODE = 'CL002';
	END IF;
	FOR id IN SELECT t.id FROM closeloop.cases AS t
		WHERE t.owner = btrim(from_person) AND t.status IN ('open', 'acknowledged', 'in_progress', 'waiting')
		ORDER BY t.id FOR NO KEY UPDATE
	LOOP
		PERFORM closeloop.case_transition(id, 'assign', actor, note, jsonb_build_object('to', btrim(to_person)));
		RETURN NEXT id;
	END LOOP;
END
$$;
COMMENT ON FUNCTION closeloop.case_assign_all(text, text, text, text) IS
	'Hands over every unresolved case of a person, each as case_transition() does; returns which.';

-- ---- a case opened by a person ----

CREATE OR REPLACE FUNCTION closeloop.case_open_by_hand(response_id bigint, actor text, priority closeloop.priority,
		owner text, note text DEFAULT NULL, details jsonb DEFAULT '{}')
	RETURNS closeloop.cases
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	d jsonb := coalesce(details, '{}');
	r closeloop.responses;
	c closeloop.cases;
	known bigint;
	v int;
BEGIN
	SELECT * INTO r FROM closeloop.responses AS t WHERE t.id = case_open_by_hand.response_id FOR NO KEY UPDATE;
	IF NOT FOUND THEN
		RAISE EXCEPTION 'there is no response %', response_id USING ERRCODE = 'CL003';
	END IF;
	SELECT t.case_id INTO known FROM closeloop.case_responses AS t WHERE t.response_id = r.id FOR UPDATE;
	IF known IS NOT NULL THEN
		RAISE EXCEPTION 'response % already has a case: C-%', r.id, known USING ERRCODE = 'CL002';
	ELSIF btrim(coalesce(actor, '')) = '' OR btrim(coalesce(owner, '')) = '' THEN
		RAISE EXCEPTION 'a case needs somebody who opens it, and an owner' USING ERRCODE = 'CL002';
	END IF;
	v := (d ->> 'follow_up_version')::int;
	IF v IS NULL AND jsonb_typeof(d -> 'definition') = 'object' THEN
		v := closeloop.follow_up_version(d -> 'definition');
	END IF;
	INSERT INTO closeloop.cases AS t (response_id, customer_id, priority, owner, team, route, follow_up, follow_up_version,
		ruleset, acknowledge_due_at, resolve_due_at, next_action_at, last_response_at)
	SELECT r.id, r.customer_id, coalesce(case_open_by_hand.priority, 'normal'), btrim(case_open_by_hand.owner),
		d ->> 'team', d ->> 'route',
		coalesce(d ->> 'follow_up', (SELECT f.name FROM closeloop.follow_up_versions AS f WHERE f.id = v)), v, d ->> 'ruleset',
		k.acknowledge_due_at, k.resolve_due_at, k.next_action_at, r.responded_at
	FROM closeloop.case_opening_clocks(v, btrim(case_open_by_hand.owner), now()) AS k
	RETURNING * INTO c;
	INSERT INTO closeloop.case_responses AS t (response_id, case_id, relation, ruleset)
	VALUES (r.id, c.id, 'opened', c.ruleset)
	ON CONFLICT ON CONSTRAINT case_responses_pkey DO UPDATE SET case_id = c.id, relation = 'opened';
	INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, note, details)
	VALUES (c.id, case_open_by_hand.actor, 'opened', 'open', nullif(btrim(case_open_by_hand.note), ''),
		jsonb_build_object('by_hand', true, 'to', c.owner));
	PERFORM closeloop.wake();
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.case_open_by_hand(bigint, text, closeloop.priority, text, text, jsonb) IS
	'Opens a case that no rule asked for. details may hold team, route, ruleset, and the promises: follow_up_version, or definition as follow_up_version() takes it. CL002 when the response has a case, CL003 when there is no such response.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
