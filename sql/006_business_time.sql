-- Business time: when is a promise due, and how much open time lies between two moments.
--
-- Calendars come from the configuration: the daemon writes them here, with the calendar and the time zone of every person,
-- through clocks_replace(). A case names its calendar as text: null runs always, 'owner' is the calendar of the case's owner of
-- now, anything else is a name. A calendar that nobody knows, or that has no hours, runs always; a person who is unknown has no
-- calendar and the global time zone.
--
-- What is open. A line of hours belongs to the day on which it begins, and goes to 48:00 at most: "Fri 22:00-26:00" ends on
-- Saturday at 02:00. A moment is open when the clock on the wall in the calendar's zone shows, at that moment, a time within the
-- hours of a day that is no holiday. So lines that overlap are one opening, a holiday takes the whole shift that begins on it and
-- leaves alone the one that began the evening before, an opening that begins in the hour that the spring skips begins after it,
-- and hours that the autumn repeats are open twice.
--
-- Under a calendar
--   s m h  are open time: the promise is due at the first moment by which so much open time has passed (at a closing time rather
--          than at the next opening time).
--   d w    are working days (days with hours that are no holidays) and weeks. A start outside hours counts from the next opening.
--          The working day of a moment is the one on which the shift began that is open then. The promise is due at the same time
--          of day, on that many working days later, or that many times seven days later. When that isn't in working time (a break, a
--          shorter day, a holiday), it is due at the next opening; closing time still counts as working time. A time of day that
--          is skipped that day means the moment after the gap, one that comes twice the first.
-- promise_before() is the same backwards: the last moment from which there is so much open time left until the due time;
-- outside hours it counts from the closing time before, and moves back to it.
-- Without a calendar a day has 24 hours and a week seven of those days.
--
-- Nothing looks further than ten years (3660 days): an amount of open time that isn't over by then ends there, and where no opening lies
-- within ten years the calendar runs always.
--
-- Times inside are UTC as timestamp without time zone, so that nothing depends on the session's own zone.
--
-- SPDX-License-Identifier: Apache-2.0

DO $$
BEGIN
	IF to_regtype('closeloop.promise') IS NULL THEN
		CREATE DOMAIN closeloop.promise AS text CHECK (VALUE ~ '^[0-9]{1,9}[smhdw]$');
	END IF;
END
$$;
COMMENT ON DOMAIN closeloop.promise IS
	'How long something may take, as it is written in the configuration: 90s, 15m, 4h, 2d, 1w. Null: no promise.';

CREATE TABLE IF NOT EXISTS closeloop.calendars (
	name text PRIMARY KEY,
	timezone text NOT NULL,
	days smallint[] NOT NULL DEFAULT '{}',
	opens smallint[] NOT NULL DEFAULT '{}',
	closes smallint[] NOT NULL DEFAULT '{}',
	holidays date[] NOT NULL DEFAULT '{}',
	CHECK (name <> 'owner'),
	CHECK (cardinality(days) = cardinality(opens) AND cardinality(days) = cardinality(closes)),
	CHECK (1 <= ALL (days) AND 7 >= ALL (days)),
	CHECK (0 <= ALL (opens) AND 1440 > ALL (opens)),
	CHECK (0 < ALL (closes) AND 2880 >= ALL (closes))
);
COMMENT ON TABLE closeloop.calendars IS 'The calendars of the live configuration, written by the daemon through clocks_replace().';
COMMENT ON COLUMN closeloop.calendars.timezone IS 'A name of the zone database, or "owner": that of the case''s owner.';
COMMENT ON COLUMN closeloop.calendars.days IS 'One element for each opening of the week: 1 is Monday.';
COMMENT ON COLUMN closeloop.calendars.opens IS 'Minutes from midnight of that day, the opening at the same place in days.';
COMMENT ON COLUMN closeloop.calendars.closes IS 'Minutes from midnight of that day; up to 2880, the end of the next day.';

CREATE TABLE IF NOT EXISTS closeloop.person_clocks (
	person text PRIMARY KEY,
	calendar text,
	timezone text NOT NULL
);
COMMENT ON TABLE closeloop.person_clocks IS
	'Calendar and time zone of every person, written by the daemon through clocks_replace(). The person '''' has the global time zone.';

-- What a daemon that starts must know: did the one that changed the calendars get to the end of the due times?
CREATE TABLE IF NOT EXISTS closeloop.clocks_mark (
	only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
	version bigint NOT NULL DEFAULT 1,
	worked_off bigint NOT NULL DEFAULT 0,
	worked_off_at timestamptz
) WITH (fillfactor = 50);
COMMENT ON TABLE closeloop.clocks_mark IS 'One row: which version of the clocks the due times of all unresolved cases follow.';
COMMENT ON COLUMN closeloop.clocks_mark.version IS 'One more with every change by clocks_replace().';
COMMENT ON COLUMN closeloop.clocks_mark.worked_off IS 'The version by which all due times were computed last.';
INSERT INTO closeloop.clocks_mark DEFAULT VALUES ON CONFLICT DO NOTHING;

-- ---- what is open ----

CREATE OR REPLACE FUNCTION closeloop.clock(calendar text, person text) RETURNS closeloop.calendars
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	c closeloop.calendars;
	p closeloop.person_clocks;
BEGIN
	IF calendar = 'owner' THEN
		SELECT * INTO p FROM closeloop.person_clocks AS t WHERE t.person = clock.person;
		SELECT * INTO c FROM closeloop.calendars AS t WHERE t.name = p.calendar;
	ELSE
		SELECT * INTO c FROM closeloop.calendars AS t WHERE t.name = clock.calendar;
	END IF;
	IF c.name IS NULL OR c.days = '{}' THEN
		RETURN NULL;
	ELSIF c.timezone = 'owner' THEN
		SELECT t.timezone INTO c.timezone FROM closeloop.person_clocks AS t
			WHERE t.person IN (clock.person, '') ORDER BY t.person = '' LIMIT 1;
		c.timezone := coalesce(c.timezone, 'UTC');
	END IF;
	RETURN c;
END
$$;
COMMENT ON FUNCTION closeloop.clock(text, text) IS
	'The calendar of a case with this owner, its time zone resolved; null: the clock on the wall.';

CREATE OR REPLACE FUNCTION closeloop.local_time(timezone text, at timestamp) RETURNS timestamp
	LANGUAGE sql STABLE PARALLEL SAFE
	AS $$ SELECT (at AT TIME ZONE 'UTC') AT TIME ZONE timezone $$;
COMMENT ON FUNCTION closeloop.local_time(text, timestamp) IS 'What the clock on the wall shows at a moment given in UTC.';

-- Looks at one moment a week, and finds the second of a change by halving. A zone that changes twice within a week, back to
-- where it was, would be missed; none has in this century.
CREATE OR REPLACE FUNCTION closeloop.zone_pieces(timezone text, from_at timestamp, to_at timestamp,
	OUT starts timestamp[], OUT ends timestamp[], OUT ahead interval[])
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	here timestamp := from_at;
	now_ahead interval := closeloop.local_time(timezone, here) - here;
	low timestamp;
	high timestamp;
	middle timestamp;
BEGIN
	starts := ARRAY[from_at];
	ends := '{}';
	ahead := ARRAY[now_ahead];
	WHILE here < to_at LOOP
		low := here;
		here := least(here + interval '7 days', to_at);
		CONTINUE WHEN closeloop.local_time(timezone, here) - here = now_ahead;
		low := date_trunc('second', low);
		high := date_trunc('second', here);
		WHILE high - low > interval '1 second' LOOP
			middle := date_trunc('second', low + (high - low) / 2);
			IF closeloop.local_time(timezone, middle) - middle = now_ahead THEN
				low := middle;
			ELSE
				high := middle;
			END IF;
		END LOOP;
		here := high;
		now_ahead := closeloop.local_time(timezone, here) - here;
		ends := ends || here;
		starts := starts || here;
		ahead := ahead || now_ahead;
	END LOOP;
	ends := ends || to_at;
END
$$;
COMMENT ON FUNCTION closeloop.zone_pieces(text, timestamp, timestamp) IS
	'A stretch of UTC cut where the zone changes its offset (summer time); ahead is local time less UTC in each piece.';

-- Shifts are laid on the local days and made one where they overlap, then carried over to UTC piece by piece: what the spring skips
-- falls out, what the autumn repeats comes twice. Two days before are looked at too: a shift reaches into the day after its own, and
-- a repeated hour may be the last of a day.
CREATE OR REPLACE FUNCTION closeloop.openings(c closeloop.calendars, from_at timestamp, to_at timestamp)
	RETURNS TABLE (opens timestamp, closes timestamp)
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	first_day date := closeloop.local_time(c.timezone, from_at)::date - 2;
	last_day date := closeloop.local_time(c.timezone, to_at)::date + 1;
	off date[] := ARRAY(SELECT h FROM unnest(c.holidays) AS h WHERE h BETWEEN first_day AND last_day);
	p record := closeloop.zone_pieces(c.timezone, from_at, to_at);
BEGIN
	RETURN QUERY
	SELECT greatest(lower(o.r) - z.ahead, z.starts), least(upper(o.r) - z.ahead, z.ends)
	FROM (
		SELECT unnest(range_agg(tsrange(first_day + i + s.opens * interval '1 minute', first_day + i + s.closes * interval '1 minute')))
			AS r
		FROM generate_series(0, last_day - first_day) AS i
		JOIN unnest(c.days, c.opens, c.closes) AS s (day, opens, closes)
			ON s.day = extract(isodow FROM first_day + i)::int
		WHERE first_day + i <> ALL (off)) AS o
	JOIN unnest(p.starts, p.ends, p.ahead) AS z (starts, ends, ahead)
		ON lower(o.r) - z.ahead < z.ends AND upper(o.r) - z.ahead > z.starts
	ORDER BY 1;
END
$$;
COMMENT ON FUNCTION closeloop.openings(closeloop.calendars, timestamp, timestamp) IS
	'When a calendar is open between two moments of UTC, in order, without overlap, cut off at both ends.';

CREATE OR REPLACE FUNCTION closeloop.working_day(c closeloop.calendars, local timestamp) RETURNS date
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
BEGIN
	FOR back IN 0..1 LOOP
		DECLARE
			day date := local::date - back;
			minutes numeric := extract(epoch FROM local - day) / 60;
			weekday int := extract(isodow FROM day);
		BEGIN
			FOR i IN 1..cardinality(c.days) LOOP
				IF c.days[i] = weekday AND minutes >= c.opens[i] AND minutes < c.closes[i] AND day <> ALL (c.holidays) THEN
					RETURN day;
				END IF;
			END LOOP;
		END;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION closeloop.working_day(closeloop.calendars, timestamp) IS
	'The day on which the shift began that is open at this local time, the later one of two; null: it is closed.';

-- ---- walking ----

-- The window is what the amount takes in an ordinary week and some days, then twice as much, and so on.
CREATE OR REPLACE FUNCTION closeloop.walk_open(c closeloop.calendars, at timestamp, amount interval, forward boolean)
	RETURNS timestamp
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	reach timestamp := CASE WHEN forward THEN at + interval '3660 days' ELSE at - interval '3660 days' END;
	week_minutes int := (SELECT sum(s.closes - s.opens) FROM unnest(c.opens, c.closes) AS s (opens, closes));
	span interval := least(4 + ceil(extract(epoch FROM amount) / 60 * 7 / week_minutes), 3660) * interval '1 day';
	here timestamp := at;
	rest interval := amount;
	passed interval;
	found_at timestamp;
	seen boolean := false;
BEGIN
	WHILE here <> reach LOOP
		IF forward THEN
			SELECT max(o.upto), min(o.closes - (o.upto - rest)) FILTER (WHERE o.upto >= rest) INTO passed, found_at
			FROM (SELECT t.closes, sum(t.closes - t.opens) OVER (ORDER BY t.opens) AS upto
				FROM closeloop.openings(c, here, least(here + span, reach)) AS t) AS o;
			here := least(here + span, reach);
		ELSE
			SELECT max(o.upto), max(o.opens + (o.upto - rest)) FILTER (WHERE o.upto >= rest) INTO passed, found_at
			FROM (SELECT t.opens, sum(t.closes - t.opens) OVER (ORDER BY t.opens DESC) AS upto
				FROM closeloop.openings(c, greatest(here - span, reach), here) AS t) AS o;
			here := greatest(here - span, reach);
		END IF;
		IF found_at IS NOT NULL THEN
			RETURN found_at;
		ELSIF passed IS NOT NULL THEN
			seen := true;
			rest := rest - passed;
		END IF;
		span := span * 2;
	END LOOP;
	RETURN CASE WHEN seen THEN reach END;
END
$$;
COMMENT ON FUNCTION closeloop.walk_open(closeloop.calendars, timestamp, interval, boolean) IS
	'The first moment by which so much open time has passed (backwards: the last from which so much is left); with no amount the next opening (the closing before). Null: nothing is open within ten years.';

CREATE OR REPLACE FUNCTION closeloop.walk_days(c closeloop.calendars, day date, n int) RETURNS date
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	step int := sign(n);
	a_week int := (SELECT count(DISTINCT d) FROM unnest(c.days) AS d);
	-- each holiday takes at most one working day
	span int := least((abs(n) + cardinality(c.holidays)) / a_week * 7 + 14, 3660);
	off date[] := ARRAY(SELECT h FROM unnest(c.holidays) AS h WHERE (h - day) * step BETWEEN 1 AND span);
BEGIN
	RETURN (SELECT day + i * step FROM generate_series(1, span) AS i
		WHERE extract(isodow FROM day + i * step)::int = ANY (c.days) AND day + i * step <> ALL (off)
		ORDER BY i OFFSET abs(n) - 1 LIMIT 1);
END
$$;
COMMENT ON FUNCTION closeloop.walk_days(closeloop.calendars, date, int) IS
	'The n-th working day after a day, or before it when n is negative; null: not within ten years.';

CREATE OR REPLACE FUNCTION closeloop.first_moment(timezone text, local timestamp) RETURNS timestamp
	LANGUAGE sql STABLE PARALLEL SAFE
	AS $$
	SELECT min(greatest(z.starts, local - z.ahead))
	FROM closeloop.zone_pieces(timezone, local - interval '2 days', local + interval '2 days') AS p,
		unnest(p.starts, p.ends, p.ahead) AS z (starts, ends, ahead)
	WHERE local - z.ahead < z.ends
$$;
COMMENT ON FUNCTION closeloop.first_moment(text, timestamp) IS
	'The first moment (UTC) at which the clock on the wall shows this time, or a later one when it skips this.';

CREATE OR REPLACE FUNCTION closeloop.is_working(c closeloop.calendars, at timestamp) RETURNS boolean
	LANGUAGE sql STABLE PARALLEL SAFE
	AS $$
	SELECT closeloop.working_day(c, closeloop.local_time(c.timezone, at)) IS NOT NULL
		OR closeloop.working_day(c, closeloop.local_time(c.timezone, at - interval '1 microsecond')) IS NOT NULL
$$;
COMMENT ON FUNCTION closeloop.is_working(closeloop.calendars, timestamp) IS 'Open at this moment (UTC), or until it.';

-- Days, working ones or (whole weeks) of any kind. The moment it counts from is open; backwards it may also be a closing time.
CREATE OR REPLACE FUNCTION closeloop.walk_promise(c closeloop.calendars, at timestamp, n int, unit text, forward boolean)
	RETURNS timestamp
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	here timestamp := at;
	local timestamp := closeloop.local_time(c.timezone, here);
	base date := closeloop.working_day(c, local);
	target date;
BEGIN
	IF base IS NULL AND forward THEN
		here := closeloop.walk_open(c, here, interval '0', true);
		local := closeloop.local_time(c.timezone, here);
		base := closeloop.working_day(c, local);
	ELSIF base IS NULL THEN
		IF NOT closeloop.is_working(c, here) THEN
			here := closeloop.walk_open(c, here, interval '0', false);
		END IF;
		local := closeloop.local_time(c.timezone, here - interval '1 microsecond') + interval '1 microsecond';
		base := closeloop.working_day(c, local - interval '1 microsecond');
	END IF;
	IF base IS NULL THEN
		RETURN NULL;
	END IF;
	target := CASE WHEN unit = 'd' THEN closeloop.walk_days(c, base, CASE WHEN forward THEN n ELSE -n END)
		WHEN n <= 522 THEN base + CASE WHEN forward THEN n ELSE -n END * 7 END;
	IF target IS NULL THEN
		RETURN CASE WHEN forward THEN at + interval '3660 days' ELSE at - interval '3660 days' END;
	END IF;
	here := closeloop.first_moment(c.timezone, target + (local - base));
	IF NOT closeloop.is_working(c, here) THEN
		here := coalesce(closeloop.walk_open(c, here, interval '0', forward), here);
	END IF;
	RETURN here;
END
$$;
COMMENT ON FUNCTION closeloop.walk_promise(closeloop.calendars, timestamp, int, text, boolean) IS
	'So many working days (unit d) or weeks (w) on or back, at the same time of day, moved into working time. Null: nothing is open within ten years.';

CREATE OR REPLACE FUNCTION closeloop.unit_seconds(unit text) RETURNS int
	LANGUAGE sql IMMUTABLE PARALLEL SAFE
	AS $$ SELECT CASE unit WHEN 's' THEN 1 WHEN 'm' THEN 60 WHEN 'h' THEN 3600 WHEN 'd' THEN 86400 WHEN 'w' THEN 604800 END $$;
COMMENT ON FUNCTION closeloop.unit_seconds(text) IS 'Seconds of s, m, h, d, w on the wall.';

CREATE OR REPLACE FUNCTION closeloop.promise_walk(at timestamptz, p closeloop.promise, calendar text, person text, forward boolean)
	RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE
	AS $$
DECLARE
	n int := left(p, -1);
	unit text := right(p, 1);
	amount interval := make_interval(secs => least(n::float8 * closeloop.unit_seconds(unit), 3660 * 86400));
	c closeloop.calendars;
	here timestamp := at AT TIME ZONE 'UTC';
	there timestamp;
BEGIN
	IF at IS NULL OR p IS NULL THEN
		RETURN NULL;
	ELSIF n = 0 OR NOT isfinite(at) THEN
		RETURN at;
	END IF;
	c := closeloop.clock(calendar, person);
	IF c.name IS NOT NULL THEN
		IF unit IN ('d', 'w') THEN
			there := closeloop.walk_promise(c, here, n, unit, forward);
		ELSE
			there := closeloop.walk_open(c, here, amount, forward);
		END IF;
	END IF;
	RETURN coalesce(there, CASE WHEN forward THEN here + amount ELSE here - amount END) AT TIME ZONE 'UTC';
END
$$;
COMMENT ON FUNCTION closeloop.promise_walk(timestamptz, closeloop.promise, text, text, boolean) IS
	'promise_due() and promise_before() in one.';

-- ---- what others call ----

CREATE OR REPLACE FUNCTION closeloop.promise_due(start timestamptz, p closeloop.promise, calendar text, person text)
	RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RETURN closeloop.promise_walk(start, p, calendar, person, true);
END
$$;
COMMENT ON FUNCTION closeloop.promise_due(timestamptz, closeloop.promise, text, text) IS
	'When a promise is due that was made at a moment to be kept under a calendar (null, ''owner'' or a name) by a person. Null: no promise.';

CREATE OR REPLACE FUNCTION closeloop.promise_before(due timestamptz, p closeloop.promise, calendar text, person text)
	RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	RETURN closeloop.promise_walk(due, p, calendar, person, false);
END
$$;
COMMENT ON FUNCTION closeloop.promise_before(timestamptz, closeloop.promise, text, text) IS
	'The moment so long before a due time, under a calendar: when to warn.';

CREATE OR REPLACE FUNCTION closeloop.open_time(from_at timestamptz, to_at timestamptz, calendar text, person text) RETURNS interval
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	c closeloop.calendars;
	passed interval;
BEGIN
	IF from_at IS NULL OR to_at IS NULL THEN
		RETURN NULL;
	ELSIF to_at <= from_at THEN
		RETURN interval '0';
	END IF;
	c := closeloop.clock(calendar, person);
	IF c.name IS NULL THEN
		passed := to_at - from_at;
	ELSE
		SELECT sum(o.closes - o.opens) INTO passed
			FROM closeloop.openings(c, from_at AT TIME ZONE 'UTC', to_at AT TIME ZONE 'UTC') AS o;
	END IF;
	RETURN make_interval(secs => coalesce(extract(epoch FROM passed), 0)::float8);
END
$$;
COMMENT ON FUNCTION closeloop.open_time(timestamptz, timestamptz, text, text) IS
	'How much open time lies between two moments under a calendar, in hours, minutes and seconds; without one, all of it.';

CREATE OR REPLACE FUNCTION closeloop.open_after(start timestamptz, amount interval, calendar text, person text) RETURNS timestamptz
	LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	c closeloop.calendars;
	here timestamp := start AT TIME ZONE 'UTC';
	length interval := make_interval(secs => extract(epoch FROM amount)::float8);
BEGIN
	IF start IS NULL OR amount IS NULL THEN
		RETURN NULL;
	ELSIF length <= interval '0' OR NOT isfinite(start) THEN
		RETURN start;
	END IF;
	c := closeloop.clock(calendar, person);
	RETURN coalesce(CASE WHEN c.name IS NOT NULL THEN closeloop.walk_open(c, here, length, true) END, here + length)
		AT TIME ZONE 'UTC';
END
$$;
COMMENT ON FUNCTION closeloop.open_after(timestamptz, interval, text, text) IS
	'The first moment by which so much open time has passed under a calendar; without one, that much later. At once when there is no amount.';

-- ---- the snapshot of the configuration ----

CREATE OR REPLACE FUNCTION closeloop.zone_or(timezone text, otherwise text) RETURNS text
	LANGUAGE plpgsql STABLE
	AS $$
BEGIN
	PERFORM now() AT TIME ZONE timezone;
	RETURN coalesce(timezone, otherwise);
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN otherwise;
END
$$;
COMMENT ON FUNCTION closeloop.zone_or(text, text) IS 'A time zone if this server knows it, else another.';

-- AT TIME ZONE also takes abbreviations (a fixed offset: no summer time) and POSIX rules ("UTC+3" is west of Greenwich there), which
-- nobody means who gives a person's zone. A name with a slash and no digit can be neither; of the rest the list of all zones knows,
-- in 25 ms.
CREATE OR REPLACE FUNCTION closeloop.zone_is_known(timezone text) RETURNS boolean
	LANGUAGE plpgsql STABLE
	SET search_path = pg_catalog, pg_temp
	AS $$
BEGIN
	IF timezone IN ('UTC', 'Etc/UTC') THEN
		RETURN true;
	ELSIF timezone ~ '^[A-Za-z_-]+(/[A-Za-z_-]+)+$' THEN
		RETURN closeloop.zone_or(timezone, NULL) IS NOT NULL;
	END IF;
	RETURN EXISTS (SELECT FROM pg_timezone_names AS z WHERE z.name = timezone);
END
$$;
COMMENT ON FUNCTION closeloop.zone_is_known(text) IS 'Whether this server has a time zone of that name.';

-- Compared first, so that nothing is locked or written when nothing is new. Two daemons that differ take turns: while a
-- configuration is rolled out, the last one wins.
CREATE OR REPLACE FUNCTION closeloop.clocks_replace(calendars jsonb, people jsonb) RETURNS boolean
	LANGUAGE plpgsql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
DECLARE
	zone text := closeloop.zone_or((SELECT x ->> 'timezone' FROM jsonb_array_elements(people) AS x WHERE x ->> 'person' = ''), 'UTC');
	new_calendars closeloop.calendars[];
	new_people closeloop.person_clocks[];
BEGIN
	new_calendars := ARRAY(
		SELECT (x ->> 'name', CASE x ->> 'timezone' WHEN 'owner' THEN 'owner' ELSE closeloop.zone_or(x ->> 'timezone', zone) END,
			ARRAY(SELECT (h ->> 0)::smallint FROM jsonb_array_elements(x -> 'hours') WITH ORDINALITY AS t (h, i) ORDER BY i),
			ARRAY(SELECT (h ->> 1)::smallint FROM jsonb_array_elements(x -> 'hours') WITH ORDINALITY AS t (h, i) ORDER BY i),
			ARRAY(SELECT (h ->> 2)::smallint FROM jsonb_array_elements(x -> 'hours') WITH ORDINALITY AS t (h, i) ORDER BY i),
			ARRAY(SELECT DISTINCT h::date AS day FROM jsonb_array_elements_text(x -> 'holidays') AS h ORDER BY day)
			)::closeloop.calendars
		FROM jsonb_array_elements(calendars) AS x);
	new_people := ARRAY(
		SELECT (x ->> 'person', x ->> 'calendar', z.known)::closeloop.person_clocks
		FROM (SELECT n.name, closeloop.zone_or(n.name, zone) AS known
			FROM (SELECT DISTINCT e ->> 'timezone' AS name FROM jsonb_array_elements(people) AS e) AS n) AS z
		JOIN jsonb_array_elements(people) AS x ON x ->> 'timezone' IS NOT DISTINCT FROM z.name);
	IF NOT EXISTS (TABLE closeloop.calendars EXCEPT SELECT * FROM unnest(new_calendars))
		AND NOT EXISTS (SELECT * FROM unnest(new_calendars) EXCEPT TABLE closeloop.calendars)
		AND NOT EXISTS (TABLE closeloop.person_clocks EXCEPT SELECT * FROM unnest(new_people))
		AND NOT EXISTS (SELECT * FROM unnest(new_people) EXCEPT TABLE closeloop.person_clocks) THEN
		RETURN false;
	ELSIF EXISTS (SELECT FROM unnest(new_calendars) AS c, unnest(c.opens, c.closes) AS s (opens, closes) WHERE s.opens >= s.closes) THEN
		RAISE EXCEPTION 'hours must end after they begin' USING ERRCODE = 'check_violation';
	END IF;
	LOCK TABLE closeloop.calendars, closeloop.person_clocks IN SHARE ROW EXCLUSIVE MODE;
	DELETE FROM closeloop.calendars;
	DELETE FROM closeloop.person_clocks;
	INSERT INTO closeloop.calendars SELECT * FROM unnest(new_calendars);
	INSERT INTO closeloop.person_clocks SELECT * FROM unnest(new_people);
	UPDATE closeloop.clocks_mark SET version = version + 1;
	RETURN true;
END
$$;
COMMENT ON FUNCTION closeloop.clocks_replace(jsonb, jsonb) IS
	'Makes calendars [{name, timezone, hours: [[day, from_minute, to_minute]], holidays: [YYYY-MM-DD]}] and people [{person, calendar, timezone}] the ones that count; true: something changed. A zone that this server lacks becomes the global one.';

-- A server started since may have other rules of time zones, a migration other ways of reckoning.
CREATE OR REPLACE FUNCTION closeloop.clocks_pending(OUT version bigint, OUT pending boolean)
	LANGUAGE sql STABLE SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	SELECT m.version, m.worked_off < m.version OR coalesce(m.worked_off_at < greatest(pg_postmaster_start_time(),
		(SELECT max(g.applied_at) FROM closeloop.migrations AS g)), true)
	FROM closeloop.clocks_mark AS m
$$;
COMMENT ON FUNCTION closeloop.clocks_pending() IS
	'The version of the clocks, and whether due times of unresolved cases may be of an earlier one: follow_up_recompute() from the first case on.';

CREATE OR REPLACE FUNCTION closeloop.clocks_worked_off(version bigint) RETURNS void
	LANGUAGE sql SECURITY DEFINER
	SET search_path = pg_catalog, pg_temp
	AS $$
	UPDATE closeloop.clocks_mark AS m
	SET worked_off = greatest(m.worked_off, clocks_worked_off.version), worked_off_at = now()
$$;
COMMENT ON FUNCTION closeloop.clocks_worked_off(bigint) IS
	'All due times were computed since this version of the clocks was read.';

REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA closeloop FROM PUBLIC;
