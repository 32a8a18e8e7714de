-- Storms: how many mails a person gets in an hour, quiet hours, and what goes out together.
--
--   budget_pass() ─ may leave ─▶ queued
--        └──────── held ─▶ digest_claim() ─▶ digest_release() ─▶ one digest, the held messages bound to it ─▶ digest_end_bound()
--
-- One row of alert_budgets for each person is the account of the last hour and says when held messages are looked at next. It is
-- locked after the cases that a batch finds, and by nobody for longer than one transaction. A held message is never lost: it leaves in a digest, or as
-- it is when it is the only one, or ends with its case, or goes on to the next person. Who is told within which limits is the
-- configuration's, so the daemon hands the limits over with every call.
--
-- SPDX-License-Identifier: Apache-2.0

DO $$
BEGIN
	IF to_regtype('closeloop.alert_limits') IS NULL THEN
		CREATE TYPE closeloop.alert_limits AS (person text, timezone text, quiet_from int, quiet_to int,
			alerts_per_hour int, urgent_per_hour int);
	END IF;
END
$$;
COMMENT ON TYPE closeloop.alert_limits IS
	'A person as the live configuration has it: quiet hours in minutes of the day (-1: none), mails in an hour (0: no limit).';

CREATE TABLE IF NOT EXISTS closeloop.alert_budgets (
	person text PRIMARY KEY,
	digest_at timestamptz,
	digested_at timestamptz,
	spent boolean NOT NULL DEFAULT false,
	urgent_spent boolean NOT NULL DEFAULT false,
	left_at timestamptz[] NOT NULL DEFAULT '{}',
	urgent_at timestamptz[] NOT NULL DEFAULT '{}'
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
COMMENT ON TABLE closeloop.alert_budgets IS 'Mails of the last hour to each person with a limit, and when what is held is looked at.';
COMMENT ON COLUMN closeloop.alert_budgets.digest_at IS 'When the messages held for this person are looked at next; null: none is held.';
COMMENT ON COLUMN closeloop.alert_budgets.digested_at IS 'When held messages that aren''t urgent last left.';
COMMENT ON COLUMN closeloop.alert_budgets.spent IS 'Something is held over budget: until its digest only urgent mails leave, so that nothing overtakes it.';
COMMENT ON COLUMN closeloop.alert_budgets.urgent_spent IS 'Urgent ones are held over budget: until their digest no other leaves.';
COMMENT ON COLUMN closeloop.alert_budgets.left_at IS 'When mails were let go, the newest last; as many as the limit needs.';
COMMENT ON COLUMN closeloop.alert_budgets.urgent_at IS 'The same of urgent mails alone.';
CREATE INDEX IF NOT EXISTS alert_budgets_digest ON closeloop.alert_budgets (digest_at) WHERE digest_at IS NOT NULL;

CREATE TABLE IF NOT EXISTS closeloop.mornings (
	person text NOT NULL,
	day date NOT NULL,
	PRIMARY KEY (person, day)
);
COMMENT ON TABLE closeloop.mornings IS 'Whose cases were looked at on which of their mornings: at most one mail a day.';

ALTER TABLE closeloop.messages ADD COLUMN IF NOT EXISTS held_for text;
COMMENT ON COLUMN closeloop.messages.held_for IS
	'Why it was or is held: budget, quiet (hours), digest (asked for), due (with others that fall due together); null: it never was.';
CREATE INDEX IF NOT EXISTS messages_bound ON closeloop.messages (digest_id) WHERE state = 'held' AND digest_id IS NOT NULL;

-- ---- quiet hours ----

-- PostgreSQL takes a time that the spring skips for one after the gap by as much: here it means the end of the gap.
CREATE OR REPLACE FUNCTION closeloop.moment_of(local timestamp, timezone text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	at timestamptz := local AT TIME ZONE timezone;
	shown timestamp := at AT TIME ZONE timezone;
BEGIN
	IF shown = local THEN
		RETURN at;
	END IF;
	RETURN (SELECT min(t) FROM generate_series(at - (shown - local), at, interval '1 minute') AS t
		WHERE (t AT TIME ZONE timezone) - (t AT TIME ZONE 'UTC') = shown - (at AT TIME ZONE 'UTC'));
END
$$;
COMMENT ON FUNCTION closeloop.moment_of(timestamp, text) IS
	'When the clock on the wall shows this; the end of the gap when it is skipped, the second time when it comes twice.';

CREATE OR REPLACE FUNCTION closeloop.quiet_until(at timestamptz, timezone text, quiet_from int, quiet_to int) RETURNS timestamptz
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	local timestamp;
	minute int;
	day date;
BEGIN
	IF coalesce(quiet_from, -1) < 0 OR quiet_from = quiet_to THEN
		RETURN NULL;
	END IF;
	local := at AT TIME ZONE timezone;
	minute := extract(hour FROM local) * 60 + extract(minute FROM local);
	day := local::date;
	IF quiet_from < quiet_to THEN
		IF minute < quiet_from OR minute >= quiet_to THEN
			RETURN NULL;
		END IF;
	ELSIF minute >= quiet_from THEN
		day := day + 1;
	ELSIF minute >= quiet_to THEN
		RETURN NULL;
	END IF;
	RETURN closeloop.moment_of(day + make_interval(mins => quiet_to), timezone);
END
$$;
COMMENT ON FUNCTION closeloop.quiet_until(timestamptz, text, int, int) IS
	'The end of the quiet hours that a moment lies in; null when it lies in none. Minutes of the day, from > to goes over midnight.';

CREATE OR REPLACE FUNCTION closeloop.after_quiet(at timestamptz, l closeloop.alert_limits) RETURNS timestamptz
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT coalesce(closeloop.quiet_until(at, l.timezone, l.quiet_from, l.quiet_to), at) $$;
COMMENT ON FUNCTION closeloop.after_quiet(timestamptz, closeloop.alert_limits) IS 'A moment, or the end of the quiet hours it lies in.';

CREATE OR REPLACE FUNCTION closeloop.full_hour_after(at timestamptz, timezone text) RETURNS timestamptz
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT closeloop.moment_of(date_trunc('hour', at AT TIME ZONE timezone) + interval '1 hour', timezone) $$;
COMMENT ON FUNCTION closeloop.full_hour_after(timestamptz, text) IS 'When the person''s clock shows the next full hour: digests that a route asks for.';

-- ---- the account ----

-- While mail can't leave, the hour stands still: a mail server that was away for a night leaves no more than one hour's alerts
-- in the queue, and the rest in one digest.
CREATE OR REPLACE FUNCTION closeloop.budget_hour(at timestamptz) RETURNS timestamptz
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN EXISTS (SELECT FROM closeloop.endpoints AS e
			WHERE e.name IN ('*', 'email') AND (e.paused OR e.disabled OR e.breaker <> 'closed'))
		THEN timestamptz '-infinity' ELSE at - interval '1 hour' END
$$;
COMMENT ON FUNCTION closeloop.budget_hour(timestamptz) IS 'Mails let go after this moment count.';

CREATE OR REPLACE FUNCTION closeloop.newest(times timestamptz[], after timestamptz, added timestamptz, n bigint, at_most int)
	RETURNS timestamptz[]
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT CASE WHEN at_most <= 0 THEN '{}' ELSE coalesce((SELECT array_agg(t ORDER BY t) FROM (
		SELECT t FROM (SELECT t FROM unnest(times) AS t WHERE t > after
			UNION ALL SELECT added FROM generate_series(1, least(n, at_most))) AS every
		ORDER BY t DESC LIMIT at_most) AS kept), '{}') END
$$;
COMMENT ON FUNCTION closeloop.newest(timestamptz[], timestamptz, timestamptz, bigint, int) IS
	'The newest at_most of the times after a moment, with one time added n times; in order.';

CREATE OR REPLACE FUNCTION closeloop.budget_lock(persons text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	INSERT INTO closeloop.alert_budgets (person)
		SELECT DISTINCT p COLLATE "C" FROM unnest(persons) AS p
		WHERE NOT EXISTS (SELECT FROM closeloop.alert_budgets AS b WHERE b.person = p) ORDER BY 1
		ON CONFLICT (person) DO NOTHING;
	PERFORM FROM closeloop.alert_budgets AS b WHERE b.person = ANY (persons) ORDER BY b.person COLLATE "C" FOR UPDATE;
END
$$;
COMMENT ON FUNCTION closeloop.budget_lock(text[]) IS 'Locks the accounts of some people, always in the same order; the last locks of a batch.';

-- A batch may tell hundreds of people, and the daemon's sessions have no hash joins (session_sql in flow.c): here each mail would be compared
-- with each person. Urgent mails pass before the others, the worst first; a person's limits stand once in `limits`, mail_person says where.
CREATE OR REPLACE FUNCTION closeloop.budget_pass(limits closeloop.alert_limits[], mail_person int[], mail_priority int[],
		mail_asked boolean[], at timestamptz DEFAULT clock_timestamp())
	RETURNS TABLE (mail int, why text, nth int, most int)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	SET enable_hashjoin = on
	AS $$
DECLARE
	since timestamptz := closeloop.budget_hour(at);
BEGIN
	PERFORM closeloop.budget_lock(ARRAY(SELECT l.person FROM unnest(limits) AS l));
	RETURN QUERY
	WITH p AS (
		SELECT ROW(q.person, q.timezone, q.quiet_from, q.quiet_to, q.alerts_per_hour, q.urgent_per_hour)::closeloop.alert_limits AS l,
			q.k, b.spent, b.urgent_spent, closeloop.quiet_until(at, q.timezone, q.quiet_from, q.quiet_to) AS quiet,
			ARRAY(SELECT t FROM unnest(b.left_at) AS t WHERE t > since) AS left_at,
			ARRAY(SELECT t FROM unnest(b.urgent_at) AS t WHERE t > since) AS urgent_at
		FROM unnest(limits) WITH ORDINALITY AS q (person, timezone, quiet_from, quiet_to, alerts_per_hour, urgent_per_hour, k)
		JOIN closeloop.alert_budgets AS b ON b.person = q.person
	), m AS (
		SELECT q.n, q.k, q.priority >= 3 AND NOT q.asked AS urgent, q.asked,
			row_number() OVER (PARTITION BY q.k, q.asked, q.priority >= 3 ORDER BY q.priority DESC, q.n) AS nth
		FROM unnest(mail_person, mail_priority, mail_asked) WITH ORDINALITY AS q (k, priority, asked, n)
	), u AS (
		SELECT p.k, count(m.n) FILTER (WHERE m.urgent AND ((p.l).urgent_per_hour = 0
			OR (NOT p.urgent_spent AND cardinality(p.urgent_at) + m.nth <= (p.l).urgent_per_hour))) AS passing
		FROM p LEFT JOIN m ON m.k = p.k GROUP BY p.k
	), d AS (
		SELECT m.n, m.k, m.urgent, m.asked, CASE
			WHEN m.asked THEN 'digest'
			WHEN m.urgent THEN CASE WHEN (p.l).urgent_per_hour > 0
				AND (p.urgent_spent OR cardinality(p.urgent_at) + m.nth > (p.l).urgent_per_hour) THEN 'budget' END
			WHEN p.quiet IS NOT NULL THEN 'quiet'
			WHEN (p.l).alerts_per_hour > 0 AND (p.spent OR cardinality(p.left_at) + u.passing + m.nth > (p.l).alerts_per_hour) THEN 'budget'
			END AS held,
			CASE WHEN m.urgent THEN cardinality(p.urgent_at) ELSE cardinality(p.left_at) + u.passing END + m.nth AS nth,
			CASE WHEN m.urgent THEN (p.l).urgent_per_hour ELSE (p.l).alerts_per_hour END AS most
		FROM m JOIN p ON p.k = m.k JOIN u ON u.k = m.k
	), s AS (
		SELECT p.l, p.quiet, (p.l).person, g.*,
			e.all_at[greatest(cardinality(e.all_at) - (p.l).alerts_per_hour + 1, 1):] AS left_at,
			e.all_urgent[greatest(cardinality(e.all_urgent) - (p.l).urgent_per_hour + 1, 1):] AS urgent_at
		FROM p
		JOIN (SELECT d.k, count(*) FILTER (WHERE d.held IS NULL) AS passed,
				count(*) FILTER (WHERE d.held IS NULL AND d.urgent) AS urgent_passed,
				bool_or(d.held = 'budget' AND NOT d.urgent) AS over,
				bool_or(d.held = 'budget' AND d.urgent) AS urgent_over,
				bool_or(d.held = 'quiet') AS in_quiet, bool_or(d.held = 'digest') AS asked
			FROM d GROUP BY d.k) AS g ON g.k = p.k
		CROSS JOIN LATERAL (SELECT
			p.left_at || array_fill(at, ARRAY[least(g.passed, (p.l).alerts_per_hour)::int]) AS all_at,
			p.urgent_at || array_fill(at, ARRAY[least(g.urgent_passed, (p.l).urgent_per_hour)::int]) AS all_urgent) AS e
	), noted AS (
		UPDATE closeloop.alert_budgets AS b
		SET left_at = s.left_at, urgent_at = s.urgent_at, spent = b.spent OR coalesce(s.over, false),
			urgent_spent = b.urgent_spent OR coalesce(s.urgent_over, false),
			digest_at = least(b.digest_at,
				CASE WHEN s.over THEN closeloop.after_quiet(coalesce(s.left_at[1], at) + interval '1 hour', s.l) END,
				CASE WHEN s.urgent_over THEN coalesce(s.urgent_at[1], at) + interval '1 hour' END,
				CASE WHEN s.in_quiet THEN s.quiet END,
				CASE WHEN s.asked THEN closeloop.after_quiet(closeloop.full_hour_after(at, (s.l).timezone), s.l) END)
		FROM s WHERE b.person = s.person
	)
	SELECT d.n::int, d.held, d.nth::int, CASE WHEN d.asked THEN 0 ELSE d.most END FROM d
	WHERE d.held IS NOT NULL OR (d.most > 0 AND NOT d.asked) ORDER BY d.n;
END
$$;
COMMENT ON FUNCTION closeloop.budget_pass(closeloop.alert_limits[], int[], int[], boolean[], timestamptz) IS
	'The mails of a batch that are held, by number, and why: budget, quiet, or digest (asked for); the others may leave (why is null) and are noted in the account. nth of most: which mail of the hour it is, where there is a limit. mail_person is the place in limits (from 1), mail_priority 0 to 3 (urgent).';

CREATE OR REPLACE FUNCTION closeloop.budget_take(limits closeloop.alert_limits[], mail_person int[], mail_priority int[],
		mail_asked boolean[], at timestamptz DEFAULT clock_timestamp())
	RETURNS TABLE (mail int, why text)
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT p.mail, p.why FROM closeloop.budget_pass(limits, mail_person, mail_priority, mail_asked, at) AS p WHERE p.why IS NOT NULL
$$;
COMMENT ON FUNCTION closeloop.budget_take(closeloop.alert_limits[], int[], int[], boolean[], timestamptz) IS
	'budget_pass() for whoever asks only which mails are held.';

CREATE OR REPLACE FUNCTION closeloop.digest_soon(persons text[], at timestamptz DEFAULT clock_timestamp()) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	PERFORM closeloop.budget_lock(persons);
	UPDATE closeloop.alert_budgets AS b SET digest_at = at WHERE b.person = ANY (persons) AND (b.digest_at > at OR b.digest_at IS NULL);
END
$$;
COMMENT ON FUNCTION closeloop.digest_soon(text[], timestamptz) IS
	'What is held for these people is looked at as soon as nothing else is to be written (held_for = due: what fell due together).';

CREATE OR REPLACE FUNCTION closeloop.digest_now(persons text[]) RETURNS void
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	PERFORM closeloop.budget_lock(persons);
	UPDATE closeloop.alert_budgets AS b SET digest_at = clock_timestamp(), spent = false, urgent_spent = false, left_at = '{}', urgent_at = '{}'
	WHERE b.person = ANY (persons);
END
$$;
COMMENT ON FUNCTION closeloop.digest_now(text[]) IS
	'Somebody wants what is held for these people to leave now: their hour begins anew. Quiet hours still count.';

-- ---- the release ----

-- Nobody waits for what nobody woke: messages that wait again after an undo, or that were put back by hand.
CREATE OR REPLACE FUNCTION closeloop.digest_find(at timestamptz DEFAULT clock_timestamp()) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	found int;
BEGIN
	WITH RECURSIVE r (person) AS (
		(SELECT m.recipient FROM closeloop.messages AS m WHERE m.state = 'held' AND m.recipient IS NOT NULL
			ORDER BY m.recipient LIMIT 1)
		UNION ALL
		SELECT (SELECT m.recipient FROM closeloop.messages AS m WHERE m.state = 'held' AND m.recipient > r.person
			ORDER BY m.recipient LIMIT 1)
		FROM r WHERE r.person IS NOT NULL
	), forgotten AS MATERIALIZED ( -- mostly nobody: what is held is looked through for these only
		SELECT r.person FROM r
		WHERE NOT EXISTS (SELECT FROM closeloop.alert_budgets AS k WHERE k.person = r.person AND k.digest_at IS NOT NULL)
	)
	INSERT INTO closeloop.alert_budgets AS b (person, digest_at)
	SELECT f.person, at FROM forgotten AS f
	CROSS JOIN LATERAL (SELECT FROM closeloop.messages AS m
		WHERE m.state = 'held' AND m.recipient = f.person AND m.digest_id IS NULL LIMIT 1) AS held
	ORDER BY f.person COLLATE "C"
	ON CONFLICT (person) DO UPDATE SET digest_at = excluded.digest_at WHERE b.digest_at IS NULL;
	GET DIAGNOSTICS found = ROW_COUNT;
	RETURN found;
END
$$;
COMMENT ON FUNCTION closeloop.digest_find(timestamptz) IS 'Sets a time for people for whom something is held and no time is set; returns how many.';

-- What falls due together is one mail: nobody's is written while cases that are due or notices about them wait for their turn.
-- Something that hangs there holds it up for five minutes at most.
CREATE OR REPLACE FUNCTION closeloop.digest_claim(at_most int, at timestamptz DEFAULT clock_timestamp()) RETURNS SETOF text
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT b.person FROM closeloop.alert_budgets AS b
	WHERE b.digest_at <= CASE WHEN EXISTS (SELECT FROM closeloop.notices)
		OR EXISTS (SELECT FROM closeloop.cases AS c WHERE c.next_action_at <= at) THEN at - interval '5 minutes' ELSE at END
	ORDER BY b.digest_at LIMIT at_most FOR UPDATE SKIP LOCKED
$$;
COMMENT ON FUNCTION closeloop.digest_claim(int, timestamptz) IS
	'People whose held messages are to be looked at now, theirs alone until the transaction ends.';

-- In order of seq, as case_cancel_messages() takes them; one that somebody else is about to cancel is left out.
CREATE OR REPLACE FUNCTION closeloop.digest_cancel_stale(for_person text) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	n int;
BEGIN
	WITH stale AS (
		SELECT m.id FROM closeloop.messages AS m JOIN closeloop.cases AS c ON c.id = m.case_id
		WHERE m.recipient = for_person AND m.state = 'held' AND m.digest_id IS NULL AND m.kind <> 'case.outcome'
			AND (NOT closeloop.is_unresolved(c.status)
				OR (c.acknowledged_at >= m.created_at AND (m.kind IN ('case.opened', 'case.assigned', 'case.reopened')
					OR (m.kind = 'case.reminder' AND m.step IS DISTINCT FROM 'warning')
					OR (m.kind = 'case.escalated' AND EXISTS (SELECT FROM closeloop.case_events AS e
						WHERE e.case_id = c.id AND e.kind = 'escalated' AND e.details ->> 'step' = m.step
							AND e.details ->> 'condition' = 'unacknowledged')))))
		ORDER BY m.seq FOR UPDATE OF m SKIP LOCKED
	)
	UPDATE closeloop.messages AS m SET state = 'cancelled', last_error = 'somebody acted on the case while this was held'
	FROM stale WHERE m.id = stale.id;
	GET DIAGNOSTICS n = ROW_COUNT;
	RETURN n;
END
$$;
COMMENT ON FUNCTION closeloop.digest_cancel_stale(text) IS
	'Cancels what is held for a person and asks for something that was done meanwhile; returns how many.';

CREATE OR REPLACE FUNCTION closeloop.digest_release_one(l closeloop.alert_limits, digest uuid, at timestamptz,
		OUT person text, OUT outcome text, OUT why text, OUT message uuid, OUT look_at timestamptz)
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	since timestamptz := closeloop.budget_hour(at);
	quiet timestamptz := closeloop.quiet_until(at, l.timezone, l.quiet_from, l.quiet_to);
	hour_began timestamptz := closeloop.full_hour_after(at, l.timezone) - interval '1 hour';
	b closeloop.alert_budgets;
	allowed boolean;
	urgent_allowed boolean;
	ids uuid[];
	with_text int;
	has_urgent boolean;
	has_other boolean;
BEGIN
	person := l.person;
	SELECT * INTO b FROM closeloop.alert_budgets AS t WHERE t.person = l.person FOR UPDATE;
	PERFORM closeloop.digest_cancel_stale(l.person);
	-- Urgent mails may use the budget up for ever, so nobody waits for room longer than an hour: one digest an hour leaves anyway.
	b.left_at := closeloop.newest(b.left_at, since, NULL, 0, l.alerts_per_hour);
	b.urgent_at := closeloop.newest(b.urgent_at, since, NULL, 0, l.urgent_per_hour);
	allowed := quiet IS NULL AND (l.alerts_per_hour = 0 OR cardinality(b.left_at) < l.alerts_per_hour
		OR (coalesce(b.digested_at <= at - interval '1 hour', true) AND EXISTS (
			SELECT FROM closeloop.messages AS m LEFT JOIN closeloop.cases AS c ON c.id = m.case_id
			WHERE m.recipient = l.person AND m.state = 'held' AND m.digest_id IS NULL
				AND (c.priority IS DISTINCT FROM 'urgent' OR m.held_for = 'digest') AND m.created_at <= at - interval '1 hour')));
	urgent_allowed := l.urgent_per_hour = 0 OR cardinality(b.urgent_at) < l.urgent_per_hour;

	SELECT array_agg(t.id), count(*) FILTER (WHERE t.payload_there), bool_or(t.urgent), bool_or(NOT t.urgent),
		CASE WHEN bool_or(t.held_for = 'budget') THEN 'budget' WHEN bool_or(t.held_for = 'quiet') THEN 'quiet'
			WHEN bool_or(t.held_for = 'digest') THEN 'asked' ELSE 'due' END
	INTO ids, with_text, has_urgent, has_other, why
	FROM (SELECT m.id, m.held_for, m.payload <> '' AS payload_there, coalesce(c.priority = 'urgent', false) AS urgent
		FROM closeloop.messages AS m LEFT JOIN closeloop.cases AS c ON c.id = m.case_id
		WHERE m.recipient = l.person AND m.state = 'held' AND m.digest_id IS NULL
			AND (m.held_for IS DISTINCT FROM 'digest' OR m.created_at < hour_began)
			AND CASE WHEN c.priority = 'urgent' AND m.held_for IS DISTINCT FROM 'digest' THEN urgent_allowed ELSE allowed END
		ORDER BY m.seq FOR UPDATE OF m SKIP LOCKED) AS t;

	IF ids IS NULL THEN
		outcome := 'nothing';
	ELSIF EXISTS (SELECT FROM closeloop.endpoints AS e WHERE e.name IN ('*', 'email')
				AND (e.paused OR e.disabled OR (e.breaker <> 'closed' AND e.until > at)))
			OR EXISTS (SELECT FROM closeloop.messages AS m JOIN closeloop.messages AS d ON d.id = m.digest_id
				WHERE m.recipient = l.person AND m.state = 'held' AND d.state IN ('queued', 'leased')) THEN
		outcome := 'nothing'; -- it gets longer while nothing can leave, or the one before hasn't left, and is still one mail
	ELSIF cardinality(ids) = 1 AND with_text = 1 THEN
		outcome := 'one';
		message := ids[1];
		UPDATE closeloop.messages AS m SET state = 'queued', next_at = clock_timestamp() WHERE m.id = ids[1];
	ELSE
		outcome := 'digest';
		message := digest;
		UPDATE closeloop.messages AS m SET digest_id = digest WHERE m.id = ANY (ids);
	END IF;
	IF outcome <> 'nothing' THEN
		b.left_at := closeloop.newest(b.left_at, since, at, 1, l.alerts_per_hour);
		b.urgent_at := closeloop.newest(b.urgent_at, since, at, has_urgent::int, l.urgent_per_hour);
		b.digested_at := CASE WHEN has_other THEN at ELSE b.digested_at END;
	END IF;

	-- What stays is looked at when it may leave: when there is room, at the latest an hour on; after quiet hours; at the full hour.
	SELECT min(greatest(CASE
			WHEN m.held_for = 'digest' THEN
				closeloop.after_quiet(greatest(closeloop.full_hour_after(m.created_at, l.timezone),
					least(room.normal, room.late)), l)
			WHEN c.priority = 'urgent' THEN room.urgent
			ELSE closeloop.after_quiet(least(room.normal, room.late), l) END, at + interval '30 seconds')),
		coalesce(bool_or(m.held_for = 'budget' AND c.priority IS DISTINCT FROM 'urgent'), false),
		coalesce(bool_or(m.held_for = 'budget' AND c.priority = 'urgent'), false)
	INTO look_at, b.spent, b.urgent_spent
	FROM closeloop.messages AS m LEFT JOIN closeloop.cases AS c ON c.id = m.case_id
	CROSS JOIN LATERAL (SELECT greatest(m.created_at, b.digested_at) + interval '1 hour' AS late,
		CASE WHEN l.alerts_per_hour > 0 AND cardinality(b.left_at) >= l.alerts_per_hour
			THEN b.left_at[1] + interval '1 hour' ELSE at END AS normal,
		CASE WHEN l.urgent_per_hour > 0 AND cardinality(b.urgent_at) >= l.urgent_per_hour
			THEN b.urgent_at[1] + interval '1 hour' ELSE at END AS urgent) AS room
	WHERE m.recipient = l.person AND m.state = 'held' AND m.digest_id IS NULL;
	UPDATE closeloop.alert_budgets AS t
	SET digest_at = look_at, digested_at = b.digested_at, spent = b.spent, urgent_spent = b.urgent_spent,
		left_at = b.left_at, urgent_at = b.urgent_at
	WHERE t.person = l.person;
END
$$;
COMMENT ON FUNCTION closeloop.digest_release_one(closeloop.alert_limits, uuid, timestamptz) IS
	'What becomes of the messages held for a person whom digest_claim() gave: "nothing" yet, "one" message leaves as it is, or a "digest" (why: budget, quiet, asked, due) under the id given, to which they are bound. look_at: when the rest is looked at.';

CREATE OR REPLACE FUNCTION closeloop.digest_release(limits closeloop.alert_limits[], digests uuid[],
		at timestamptz DEFAULT clock_timestamp())
	RETURNS TABLE (person text, outcome text, why text, message uuid, look_at timestamptz)
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT r.* FROM unnest(digests) WITH ORDINALITY AS q (digest, k)
	CROSS JOIN LATERAL closeloop.digest_release_one(limits[k], q.digest, at) AS r ORDER BY q.k
$$;
COMMENT ON FUNCTION closeloop.digest_release(closeloop.alert_limits[], uuid[], timestamptz) IS 'digest_release_one() for several people.';

-- A manager who left takes no alert with him.
CREATE OR REPLACE FUNCTION closeloop.digest_disown(for_person text, digest uuid DEFAULT NULL) RETURNS int
	LANGUAGE plpgsql
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	n int;
BEGIN
	PERFORM closeloop.digest_cancel_stale(for_person);
	WITH gone AS (
		UPDATE closeloop.messages AS m SET state = 'failed', digest_id = NULL,
			last_error = 'the person is no longer known, or has no mail address that can be used'
		WHERE m.id = ANY (ARRAY(SELECT t.id FROM closeloop.messages AS t
			WHERE t.recipient = for_person AND t.state = 'held' AND (t.digest_id IS NULL OR t.digest_id = digest)
			ORDER BY t.seq FOR UPDATE SKIP LOCKED))
		RETURNING m.id, m.case_id
	), told AS (
		INSERT INTO closeloop.notices (case_id, kind, message_id)
		SELECT gone.case_id, 'undelivered', gone.id FROM gone WHERE gone.case_id IS NOT NULL
	)
	SELECT count(*) INTO n FROM gone;
	UPDATE closeloop.alert_budgets AS b SET digest_at = NULL, spent = false, urgent_spent = false WHERE b.person = for_person;
	RETURN n;
END
$$;
COMMENT ON FUNCTION closeloop.digest_disown(text, uuid) IS
	'What is held for somebody who can''t be told any more (and what is bound to this digest) goes on to the next person, as an undelivered mail does; returns how many.';

CREATE OR REPLACE FUNCTION closeloop.digest_postpone(persons text[], by interval) RETURNS void
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$ UPDATE closeloop.alert_budgets AS b SET digest_at = clock_timestamp() + by WHERE b.person = ANY (persons) $$;
COMMENT ON FUNCTION closeloop.digest_postpone(text[], interval) IS 'Looks at these people later: what is held for them can''t be put into words now.';

-- Whoever ends a digest (the courier, a person with `message cancel`) need not know what is bound to it.
CREATE OR REPLACE FUNCTION closeloop.digest_end_bound(at_most int) RETURNS TABLE (ended bigint, waiting bigint)
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH RECURSIVE d (id) AS (
		(SELECT m.digest_id FROM closeloop.messages AS m WHERE m.state = 'held' AND m.digest_id IS NOT NULL
			ORDER BY m.digest_id LIMIT 1)
		UNION ALL
		SELECT (SELECT m.digest_id FROM closeloop.messages AS m WHERE m.state = 'held' AND m.digest_id > d.id
			ORDER BY m.digest_id LIMIT 1)
		FROM d WHERE d.id IS NOT NULL
	), final AS (
		SELECT d.id, m.id IS NULL AS lost, m.state, m.sent_at, m.last_code, m.last_error
		FROM d LEFT JOIN closeloop.messages AS m ON m.id = d.id
		WHERE d.id IS NOT NULL AND (m.id IS NULL OR m.state IN ('sent', 'failed', 'dead', 'cancelled'))
	), bound AS (
		SELECT k.id, f.id AS digest, f.lost, f.state, f.sent_at, f.last_code, f.last_error FROM final AS f
		CROSS JOIN LATERAL (SELECT m.id FROM closeloop.messages AS m WHERE m.digest_id = f.id AND m.state = 'held'
			ORDER BY m.seq LIMIT at_most FOR UPDATE SKIP LOCKED) AS k
		LIMIT at_most
	), done AS (
		UPDATE closeloop.messages AS m
		SET state = CASE WHEN b.lost THEN 'held' ELSE b.state END, digest_id = CASE WHEN b.lost THEN NULL ELSE m.digest_id END,
			sent_at = b.sent_at, last_code = b.last_code, last_error = b.last_error
		FROM bound AS b WHERE m.id = b.id
		RETURNING m.id, m.case_id, m.state, b.digest
	), told AS (
		INSERT INTO closeloop.notices (case_id, kind, message_id)
		SELECT done.case_id, 'undelivered', done.id FROM done
		WHERE done.state IN ('failed', 'dead') AND done.case_id IS NOT NULL
	), handed_on AS (
		UPDATE closeloop.messages AS m SET handed_on = true
		WHERE m.id IN (SELECT done.digest FROM done WHERE done.state IN ('failed', 'dead'))
	)
	SELECT (SELECT count(*) FROM done), (SELECT count(*) FROM d WHERE d.id IS NOT NULL AND NOT EXISTS (
		SELECT FROM final WHERE final.id = d.id))
$$;
COMMENT ON FUNCTION closeloop.digest_end_bound(int) IS
	'Messages bound to a digest that has ended end as it did; those of one that could not be delivered go on to the next person. Returns how many ended, and how many digests are on their way.';

-- ---- what a digest says ----

CREATE OR REPLACE FUNCTION closeloop.score_rank(r closeloop.responses) RETURNS numeric
	LANGUAGE sql IMMUTABLE
	SET search_path = pg_catalog, pg_temp
	AS $$ SELECT coalesce(r.nps / 10.0, (r.csat - 1) / 4.0, (r.ces - 1) / 6.0, 1) $$;
COMMENT ON FUNCTION closeloop.score_rank(closeloop.responses) IS 'Worst first: 0 the lowest score there is, 1 the highest or none.';

CREATE OR REPLACE FUNCTION closeloop.digest_lines(digest uuid, timezone text, at_most int, at timestamptz DEFAULT clock_timestamp())
	RETURNS TABLE (case_id bigint, response_id bigint, kind text, step text, priority closeloop.priority,
		status closeloop.case_status, owner text, acknowledge_due_at timestamptz, resolve_due_at timestamptz, remind_at_most int,
		total bigint, due_today bigint, overdue bigint)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	SET enable_hashjoin = on
	AS $$
	WITH line AS (
		SELECT DISTINCT ON (m.case_id, CASE WHEN m.case_id IS NULL THEN m.response_id END)
			m.case_id, coalesce(c.response_id, m.response_id) AS response_id, m.kind, m.step, m.seq,
			coalesce(c.priority, 'low') AS priority, coalesce(c.status, 'open') AS status, c.owner,
			CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END AS acknowledge_due_at,
			CASE WHEN closeloop.is_unresolved(c.status) AND c.status <> 'waiting' THEN c.resolve_due_at END AS resolve_due_at,
			v.remind_at_most
		FROM closeloop.messages AS m LEFT JOIN closeloop.cases AS c ON c.id = m.case_id
		LEFT JOIN closeloop.follow_up_versions AS v ON v.id = c.follow_up_version
		WHERE m.digest_id = digest_lines.digest AND m.state = 'held'
		ORDER BY m.case_id, CASE WHEN m.case_id IS NULL THEN m.response_id END,
			m.kind = 'case.escalated' DESC, m.kind = 'case.reminder' DESC, m.seq DESC
	), due AS (
		SELECT l.*, least(l.acknowledge_due_at, l.resolve_due_at) AS first_due FROM line AS l
	)
	SELECT l.case_id, l.response_id, l.kind, l.step, l.priority, l.status, l.owner, l.acknowledge_due_at, l.resolve_due_at,
		l.remind_at_most, count(*) OVER (),
		count(*) FILTER (WHERE l.first_due >= at
			AND (l.first_due AT TIME ZONE timezone)::date = (at AT TIME ZONE timezone)::date) OVER (),
		count(*) FILTER (WHERE l.first_due < at) OVER ()
	FROM due AS l LEFT JOIN closeloop.responses AS r ON r.id = l.response_id
	ORDER BY l.kind = 'praise.received', l.priority DESC, closeloop.score_rank(r), l.first_due, l.seq LIMIT at_most
$$;
COMMENT ON FUNCTION closeloop.digest_lines(uuid, text, int, timestamptz) IS
	'What is bound to a digest, one row for each case, worst first, with counts over all of them (due_today without the overdue).';

-- ---- mornings ----

CREATE OR REPLACE FUNCTION closeloop.morning_claim(persons text[], zones text[], minutes int[], at_most int,
		at timestamptz DEFAULT clock_timestamp())
	RETURNS SETOF text
	LANGUAGE sql
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH old AS (DELETE FROM closeloop.mornings AS m WHERE m.day < (at AT TIME ZONE 'UTC')::date - 30)
	INSERT INTO closeloop.mornings AS m (person, day)
	SELECT q.person, q.local::date
	FROM (SELECT t.person, t.minute, at AT TIME ZONE t.zone AS local
		FROM unnest(persons, zones, minutes) AS t (person, zone, minute)) AS q
	WHERE extract(hour FROM q.local) * 60 + extract(minute FROM q.local) BETWEEN q.minute AND q.minute + 179
		AND NOT EXISTS (SELECT FROM closeloop.mornings AS k WHERE k.person = q.person AND k.day = q.local::date)
	ORDER BY q.person COLLATE "C" LIMIT at_most
	ON CONFLICT DO NOTHING RETURNING m.person
$$;
COMMENT ON FUNCTION closeloop.morning_claim(text[], text[], int[], int, timestamptz) IS
	'Whose morning has come, each once a day: from their time of the morning (minutes of the day) on, for three hours.';

CREATE OR REPLACE FUNCTION closeloop.morning_lines(for_person text, timezone text, at_most int, at timestamptz DEFAULT clock_timestamp())
	RETURNS TABLE (case_id bigint, response_id bigint, kind text, step text, priority closeloop.priority,
		status closeloop.case_status, owner text, acknowledge_due_at timestamptz, resolve_due_at timestamptz, remind_at_most int,
		total bigint, due_today bigint, overdue bigint)
	LANGUAGE sql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
	WITH line AS (
		SELECT c.id, c.response_id, c.priority, c.status, c.owner,
			CASE WHEN c.status = 'open' THEN c.acknowledge_due_at END AS acknowledge_due_at,
			CASE WHEN c.status <> 'waiting' THEN c.resolve_due_at END AS resolve_due_at
		FROM closeloop.cases AS c
		WHERE c.owner = for_person AND c.status IN ('open', 'acknowledged', 'in_progress', 'waiting')
	), due AS (
		SELECT l.*, least(l.acknowledge_due_at, l.resolve_due_at) AS first_due FROM line AS l
		WHERE (least(l.acknowledge_due_at, l.resolve_due_at) AT TIME ZONE timezone)::date <= (at AT TIME ZONE timezone)::date
	)
	SELECT l.id, l.response_id, NULL, NULL, l.priority, l.status, l.owner, l.acknowledge_due_at, l.resolve_due_at,
		NULL::int, count(*) OVER (), count(*) FILTER (WHERE l.first_due >= at) OVER (), count(*) FILTER (WHERE l.first_due < at) OVER ()
	FROM due AS l JOIN closeloop.responses AS r ON r.id = l.response_id
	ORDER BY l.first_due < at DESC, l.priority DESC, l.first_due, closeloop.score_rank(r), l.id LIMIT at_most
$$;
COMMENT ON FUNCTION closeloop.morning_lines(text, text, int, timestamptz) IS
	'A person''s cases that are overdue or due today, in the shape of digest_lines(); the overdue first, then the worst.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
