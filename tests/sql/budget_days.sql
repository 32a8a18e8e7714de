-- Two days of alerts at random, minute by minute: what the limits promise holds in every rolling hour, and nobody waits for ever.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
SET LOCAL client_min_messages = warning;
SELECT setseed(0.4711);

INSERT INTO closeloop.responses (nps) VALUES (1), (2);
CREATE TEMP TABLE c AS SELECT c.id, c.priority = 'urgent' AS urgent FROM closeloop.responses AS r
	CROSS JOIN LATERAL closeloop.case_open_by_hand(r.id, 'tono', CASE nps WHEN 1 THEN 'urgent' ELSE 'normal' END::closeloop.priority, 'm') AS c;
DELETE FROM closeloop.notices;
CREATE TEMP TABLE mail (person text, at timestamptz, what text);                              -- what arrived: urgent, normal, digest
CREATE TEMP TABLE held (person text, id uuid, urgent boolean, since timestamptz, until timestamptz); -- what waited

-- One minute of one person: some mails want to leave, then what is due is released.
CREATE FUNCTION pg_temp.minute(l closeloop.alert_limits, t timestamptz, normal int, urgent int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	n int := normal + urgent;
	r record;
	m record;
	new uuid;
BEGIN
	FOR m IN SELECT g > normal AS is_urgent, b.why FROM generate_series(1, n) AS g
		LEFT JOIN closeloop.budget_take(ARRAY[l], array_fill(1, ARRAY[n]), ARRAY(SELECT CASE WHEN g > normal THEN 3 ELSE 1 END FROM generate_series(1, n) AS g ORDER BY g),
			array_fill(false, ARRAY[n]), t) AS b ON b.mail = g LOOP
		IF m.why IS NULL THEN
			INSERT INTO mail VALUES (l.person, t, CASE WHEN m.is_urgent THEN 'urgent' ELSE 'normal' END);
		ELSE
			new := gen_random_uuid();
			INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, payload, dedup_key, state, held_for, created_at)
				SELECT new, c.id, 'case.opened', 'email', 'email', l.person, '', new::text, 'held', m.why, t FROM c WHERE c.urgent = m.is_urgent;
			INSERT INTO held VALUES (l.person, new, m.is_urgent, t);
		END IF;
	END LOOP;
	IF EXISTS (SELECT FROM closeloop.alert_budgets AS b WHERE b.person = l.person AND b.digest_at <= t) THEN
		SELECT * INTO r FROM closeloop.digest_release_one(l, gen_random_uuid(), t);
		IF r.outcome = 'digest' THEN
			INSERT INTO mail VALUES (l.person, t, 'digest');
			UPDATE held AS h SET until = t FROM closeloop.messages AS x WHERE x.id = h.id AND x.digest_id = r.message;
			UPDATE closeloop.messages SET state = 'sent', sent_at = t WHERE digest_id = r.message;
		END IF;
	END IF;
END
$$;
CREATE TEMP TABLE people AS SELECT * FROM (VALUES
	(ROW('calm', 'UTC', -1, -1, 10, 30)::closeloop.alert_limits, 0.05, 0.01),
	(ROW('busy', 'UTC', -1, -1, 4, 2)::closeloop.alert_limits, 0.5, 0.1),
	(ROW('one', 'UTC', -1, -1, 1, 1)::closeloop.alert_limits, 0.1, 0.05),
	(ROW('urgent', 'UTC', -1, -1, 2, 0)::closeloop.alert_limits, 0.1, 0.5),
	(ROW('night', 'Europe/Berlin', 1320, 420, 3, 2)::closeloop.alert_limits, 0.2, 0.05)) AS p (l, normal, urgent);
DO $$
BEGIN
	FOR i IN 0 .. 2 * 1440 LOOP -- over the night in which Berlin's clocks go forward
		PERFORM pg_temp.minute(p.l, timestamptz '2027-03-27 03:00Z' + i * interval '1 minute', (random() < p.normal)::int * (1 + (random() * 2)::int),
				(random() < p.urgent)::int)
		FROM people AS p WHERE random() < 0.999;
	END LOOP;
END
$$;

CREATE FUNCTION pg_temp.within(who text, t timestamptz, kinds text) RETURNS bigint LANGUAGE sql AS $$
	SELECT count(*) FROM mail AS o WHERE o.person = who AND o.at > t - interval '1 hour' AND o.at <= t AND o.what ~ kinds
$$;
CREATE INDEX ON mail (person, at);
SELECT cmp_ok(count(*), '>', 1000::bigint, 'enough has happened') FROM mail;
SELECT is(count(*)::int, 5, 'to everybody') FROM (SELECT DISTINCT person FROM mail) AS x;
SELECT is(array_agg(DISTINCT m.person), NULL, 'nobody gets a mail that isn''t urgent over alerts_per_hour')
	FROM mail AS m JOIN people AS p ON (p.l).person = m.person
	WHERE m.what = 'normal' AND pg_temp.within(m.person, m.at, '.') - (SELECT count(*) FROM mail AS o WHERE o.person = m.person AND o.at = m.at AND o.what = 'digest')
		> (p.l).alerts_per_hour;
SELECT is(array_agg(DISTINCT m.person), NULL, 'nor an urgent one over urgent_per_hour')
	FROM mail AS m JOIN people AS p ON (p.l).person = m.person
	WHERE m.what = 'urgent' AND (p.l).urgent_per_hour > 0 AND pg_temp.within(m.person, m.at, 'urgent') > (p.l).urgent_per_hour;
SELECT is(array_agg(DISTINCT m.person), NULL, 'in no hour more than both budgets and one digest')
	FROM mail AS m JOIN people AS p ON (p.l).person = m.person
	WHERE (p.l).urgent_per_hour > 0 AND pg_temp.within(m.person, m.at, '.') > (p.l).alerts_per_hour + (p.l).urgent_per_hour + 1;
SELECT is(array_agg(DISTINCT h.person), NULL, 'nobody waits longer than an hour')
	FROM held AS h WHERE h.person <> 'night' AND coalesce(h.until, '2027-03-29 03:00Z') - h.since > interval '62 minutes';
SELECT is(array_agg(DISTINCT h.until), NULL, 'at night an hour longer than it lasts') FROM held AS h
	WHERE h.person = 'night' AND NOT h.urgent AND coalesce(h.until, '2027-03-29 03:00Z')
		- coalesce(closeloop.quiet_until(h.since + interval '1 hour', 'Europe/Berlin', 1320, 420), h.since) > interval '62 minutes';
SELECT is(array_agg(DISTINCT m.at), NULL, 'in quiet hours only urgent ones come') FROM mail AS m
	WHERE m.person = 'night' AND m.what = 'normal' AND closeloop.quiet_until(m.at, 'Europe/Berlin', 1320, 420) IS NOT NULL;
SELECT cmp_ok(count(*), '<=', 1::bigint, 'no digest at night but of urgent ones') FROM mail AS m
	WHERE m.person = 'night' AND m.what = 'digest' AND closeloop.quiet_until(m.at, 'Europe/Berlin', 1320, 420) IS NOT NULL
		AND NOT EXISTS (SELECT FROM held AS h WHERE h.person = 'night' AND h.urgent AND h.until = m.at);
SELECT is(count(*)::int, 0, 'nothing is held while there is room') FROM held WHERE person = 'calm' AND urgent;
SELECT * FROM finish();
ROLLBACK;
