-- Promises under calendars as people would reckon them. A property test (tests/integration/test_business_time.py) has the rest.
-- SPDX-License-Identifier: Apache-2.0
\set ON_ERROR_STOP 1
BEGIN;
SELECT no_plan();
-- The session's own zone and format must not matter.
SET timezone = 'America/St_Johns';

SELECT is(closeloop.clocks_replace($$[
	{"name": "seoul", "timezone": "Asia/Seoul", "hours": [[1,540,720],[1,780,1080],[2,540,720],[2,780,1080],[3,540,720],[3,780,1080],
		[4,540,720],[4,780,1080],[5,540,720],[5,780,900]], "holidays": ["2027-01-01", "2027-02-08"]},
	{"name": "office", "timezone": "owner", "hours": [[1,540,1080],[2,540,1080],[3,540,1080],[4,540,1080],[5,540,1080]], "holidays": []},
	{"name": "night", "timezone": "Europe/Berlin", "hours": [[5,1320,1560],[6,1320,1560]], "holidays": ["2026-12-26"]},
	{"name": "always", "timezone": "Europe/Berlin", "hours": [[1,0,1440],[2,0,1440],[3,0,1440],[4,0,1440],[5,0,1440],[6,0,1440],[7,0,1440]],
		"holidays": []},
	{"name": "sunday", "timezone": "Europe/Berlin", "hours": [[7,120,180]], "holidays": []},
	{"name": "overlap", "timezone": "UTC", "hours": [[1,540,720],[1,600,780],[1,780,840],[7,1320,1980]], "holidays": []},
	{"name": "none", "timezone": "UTC", "hours": [], "holidays": []}]$$,
	$$[{"person": "", "timezone": "Asia/Seoul"}, {"person": "minsu", "calendar": "seoul", "timezone": "Asia/Seoul"},
	{"person": "anna", "calendar": "office", "timezone": "America/New_York"}, {"person": "jo", "timezone": "Europe/Berlin"},
	{"person": "lost", "calendar": "gone", "timezone": "Europe/Berlin"}]$$), true, 'the first snapshot is new');

-- Wall clock of a zone, for short.
CREATE FUNCTION pg_temp.due(start timestamptz, p text, calendar text, person text DEFAULT NULL, zone text DEFAULT 'Asia/Seoul')
	RETURNS text LANGUAGE sql AS
	$$ SELECT to_char(closeloop.promise_due(start, p, calendar, person) AT TIME ZONE zone, 'Dy DD Mon YYYY HH24:MI:SS') $$;
CREATE FUNCTION pg_temp.before(due timestamptz, p text, calendar text, person text DEFAULT NULL, zone text DEFAULT 'Asia/Seoul')
	RETURNS text LANGUAGE sql AS
	$$ SELECT to_char(closeloop.promise_before(due, p, calendar, person) AT TIME ZONE zone, 'Dy DD Mon YYYY HH24:MI:SS') $$;

-- ---- no calendar: the clock on the wall ----
SELECT is(closeloop.promise_due('2027-03-27 12:00+00', p, NULL, 'minsu'), at, p || ' without a calendar')
	FROM (VALUES ('90s', '2027-03-27 12:01:30+00'::timestamptz), ('15m', '2027-03-27 12:15+00'), ('4h', '2027-03-27 16:00+00'),
		('2d', '2027-03-29 12:00+00'), ('1w', '2027-04-03 12:00+00'), ('0s', '2027-03-27 12:00+00'), (NULL, NULL)) AS x (p, at);
SELECT is(closeloop.promise_due('2027-03-27 12:00+00', '1d', c, o), '2027-03-28 12:00+00'::timestamptz, format('%s of %s runs always', c, o))
	FROM (VALUES ('nowhere', 'minsu'), ('none', 'minsu'), ('owner', 'jo'), ('owner', 'nobody'), ('owner', NULL), ('owner', 'lost')) AS x (c, o);
SELECT is(closeloop.open_time('2027-03-27 12:00+00', '2027-04-06 12:00+00', NULL, NULL)::text, '240:00:00', 'all time is open');
SELECT is(closeloop.open_after('2027-03-27 12:00+00', '1 day', NULL, NULL), '2027-03-28 12:00+00'::timestamptz, 'a day has 24 hours');

-- ---- hours, breaks, weekends, holidays ----
SELECT is(pg_temp.due('2026-12-30 10:00+09', '1h', 'seoul'), 'Wed 30 Dec 2026 11:00:00', 'within hours');
SELECT is(pg_temp.due('2026-12-30 10:00+09', '4h', 'seoul'), 'Wed 30 Dec 2026 15:00:00', 'a break is passed over');
SELECT is(pg_temp.due('2026-12-30 10:00+09', '2h', 'seoul'), 'Wed 30 Dec 2026 12:00:00', 'due at closing time rather than after the break');
SELECT is(pg_temp.due('2026-12-30 10:00+09', '30s', 'seoul'), 'Wed 30 Dec 2026 10:00:30', 'seconds');
SELECT is(pg_temp.due('2026-12-30 03:00+09', '90s', 'seoul'), 'Wed 30 Dec 2026 09:01:30', 'before hours it counts from the opening');
SELECT is(pg_temp.due('2026-12-31 16:00+09', '4h', 'seoul'), 'Mon 04 Jan 2027 11:00:00', 'a holiday and a weekend are passed over');
SELECT is(pg_temp.due('2026-12-31 18:00+09', '1m', 'seoul'), 'Mon 04 Jan 2027 09:01:00', 'closing time is outside');
SELECT is(pg_temp.due('2026-12-30 10:00+09', '76h', 'seoul'), 'Wed 13 Jan 2027 18:00:00', 'over two weekends and a holiday');
SELECT is(pg_temp.due('2026-12-30 10:00+09', '4h', 'owner', 'minsu'), 'Wed 30 Dec 2026 15:00:00', 'the owner''s calendar');
SELECT is(pg_temp.due('2026-12-30 10:00-05', '2h', 'owner', 'anna', 'America/New_York'), 'Wed 30 Dec 2026 12:00:00', 'in the owner''s zone');
SELECT is(pg_temp.due('2026-12-30 10:00+09', '2h', 'office', 'nobody'), 'Wed 30 Dec 2026 12:00:00', 'in the global zone for an unknown owner');

-- ---- days and weeks ----
SELECT is(pg_temp.due('2026-12-29 10:00+09', '2d', 'seoul'), 'Thu 31 Dec 2026 10:00:00', 'the same time on the second working day');
SELECT is(pg_temp.due('2026-12-29 10:00+09', '3d', 'seoul'), 'Mon 04 Jan 2027 10:00:00', 'a holiday is no working day');
SELECT is(pg_temp.due('2027-01-02 10:00+09', '1d', 'seoul'), 'Tue 05 Jan 2027 09:00:00', 'from a Saturday: the day after the next opening');
SELECT is(pg_temp.due('2026-12-30 12:30+09', '1d', 'seoul'), 'Thu 31 Dec 2026 13:00:00', 'from a break: it counts from its end');
SELECT is(pg_temp.due('2027-01-07 16:00+09', '1d', 'seoul'), 'Mon 11 Jan 2027 09:00:00', 'a shorter day: the next opening');
SELECT is(pg_temp.due('2027-01-07 15:00+09', '1d', 'seoul'), 'Fri 08 Jan 2027 15:00:00', 'closing time is working time still');
SELECT is(pg_temp.due('2027-02-01 10:00+09', '1w', 'seoul'), 'Tue 09 Feb 2027 09:00:00', 'a week later is a holiday: the next opening');
SELECT is(pg_temp.due('2027-01-04 10:00+09', '2w', 'seoul'), 'Mon 18 Jan 2027 10:00:00', 'two weeks');
SELECT is(pg_temp.due('2028-02-28 10:00+09', '1d', 'seoul'), 'Tue 29 Feb 2028 10:00:00', 'a leap day is a day');

-- ---- past midnight ----
SELECT is(pg_temp.due('2026-11-21 01:00+01', '2h', 'night', NULL, 'Europe/Berlin'), 'Sat 21 Nov 2026 23:00:00', 'the rest of Friday''s shift, then Saturday''s');
SELECT is(pg_temp.due('2026-11-21 01:00+01', '1d', 'night', NULL, 'Europe/Berlin'), 'Sun 22 Nov 2026 01:00:00', 'one o''clock belongs to the evening before');
SELECT is(pg_temp.due('2026-11-22 01:00+01', '1d', 'night', NULL, 'Europe/Berlin'), 'Sat 28 Nov 2026 01:00:00', 'and the next working day is Friday');
SELECT is(pg_temp.due('2026-12-26 01:00+01', '2h', 'night', NULL, 'Europe/Berlin'), 'Fri 01 Jan 2027 23:00:00',
	'a holiday takes the shift that begins on it, not the one of the evening before');
SELECT is(closeloop.open_time('2026-11-15 00:00+00', '2026-11-17 00:00+00', 'overlap', NULL)::text, '16:00:00', 'hours that overlap count once');

-- ---- summer time: Berlin goes from 2:00 to 3:00 on 28 March 2027, and from 3:00 back to 2:00 on 31 October ----
SELECT is(closeloop.open_time('2027-03-28 00:00+01', '2027-03-29 00:00+02', 'always', NULL)::text, '23:00:00', 'a day of 23 hours');
SELECT is(closeloop.open_time('2027-10-31 00:00+02', '2027-11-01 00:00+01', 'always', NULL)::text, '25:00:00', 'a day of 25 hours');
SELECT is(closeloop.open_time('2027-03-22 00:00+01', '2027-04-01 00:00+02', 'sunday', NULL)::text, '00:00:00', 'an opening in the gap isn''t one');
SELECT is(closeloop.open_time('2027-10-27 00:00+02', '2027-11-01 00:00+01', 'sunday', NULL)::text, '02:00:00', 'an hour that comes twice is open twice');
SELECT is(pg_temp.due('2027-03-27 02:30+01', '1d', 'always', NULL, 'Europe/Berlin'), 'Sun 28 Mar 2027 03:00:00', 'half past two is skipped: after the gap');
SELECT is(closeloop.promise_due('2027-10-30 02:30+02', '1d', 'always', NULL), '2027-10-31 02:30+02'::timestamptz, 'half past two comes twice: the first');
SELECT is(pg_temp.due('2027-03-26 17:00+01', '2h', 'office', 'jo', 'Europe/Berlin'), 'Mon 29 Mar 2027 10:00:00', 'a change on a Sunday changes no office');

-- ---- backwards ----
SELECT is(pg_temp.before('2027-01-04 11:00+09', '4h', 'seoul'), 'Thu 31 Dec 2026 16:00:00', 'four hours before');
SELECT is(pg_temp.before('2027-01-04 12:00+09', '3h', 'seoul'), 'Mon 04 Jan 2027 09:00:00', 'since the opening rather than before it');
SELECT is(pg_temp.before('2027-01-04 10:00+09', '1d', 'seoul'), 'Thu 31 Dec 2026 10:00:00', 'a working day before');
SELECT is(pg_temp.before('2027-01-04 09:00+09', '1d', 'seoul'), 'Thu 31 Dec 2026 09:00:00', 'an opening is working time');
SELECT is(pg_temp.before('2027-01-11 17:00+09', '1d', 'seoul'), 'Fri 08 Jan 2027 15:00:00', 'a shorter day: its closing time');
SELECT is(pg_temp.before('2027-01-03 17:00+09', '1d', 'seoul'), 'Wed 30 Dec 2026 18:00:00', 'from a Sunday it counts from the last closing time');
SELECT is(pg_temp.before('2027-01-18 10:00+09', '2w', 'seoul'), 'Mon 04 Jan 2027 10:00:00', 'two weeks before');
SELECT is(closeloop.promise_before('2027-01-18 10:00+09', '1d', NULL, NULL), '2027-01-17 10:00+09'::timestamptz, 'a day before on the wall');

-- ---- amounts ----
SELECT is(closeloop.open_after('2026-12-31 16:00+09', '03:30', 'seoul', NULL), '2027-01-04 10:30+09'::timestamptz, 'open_after takes any amount');
SELECT is(closeloop.open_after('2026-12-31 20:00+09', i, 'seoul', NULL), '2026-12-31 20:00+09'::timestamptz, 'nothing left: at once')
	FROM unnest(ARRAY['0'::interval, '-1 hour']) AS i;
SELECT is(closeloop.open_time('2026-12-31 16:00+09', '2027-01-04 10:30+09', 'seoul', NULL)::text, '03:30:00', 'open_time is its other side');
SELECT is(closeloop.open_time('2027-01-04 10:30+09', '2026-12-31 16:00+09', 'seoul', NULL)::text, '00:00:00', 'nothing lies between later and sooner');
SELECT is(closeloop.promise_due('2027-01-04 09:00+09', p, 'seoul', NULL), '2027-01-04 09:00+09'::timestamptz + interval '3660 days' , p || ' ends after ten years')
	FROM unnest(ARRAY['999999h', '999999d', '9999w', '999999999w']) AS p;
SELECT throws_ok(format('SELECT %L::closeloop.promise', p), '23514', NULL, format('"%s" is no promise', p))
	FROM unnest(ARRAY['', '4', 'h', '4 h', '-4h', '4y', '1234567890s', '4h ']) AS p;

-- ---- a calendar that is never open within ten years runs always ----
UPDATE closeloop.calendars SET holidays = ARRAY(SELECT d::date FROM generate_series('2020-01-01'::timestamp, '2040-01-01', '1 day') AS d)
	WHERE name = 'sunday';
SELECT is(closeloop.promise_due('2027-01-04 09:00+00', p, 'sunday', NULL), at, p || ' under a calendar that is never open')
	FROM (VALUES ('4h', '2027-01-04 13:00+00'::timestamptz), ('2d', '2027-01-06 09:00+00'), ('1w', '2027-01-11 09:00+00')) AS x (p, at);
SELECT is(closeloop.promise_before('2031-01-04 09:00+00', '4h', 'sunday', NULL), '2031-01-04 05:00+00'::timestamptz, 'and backwards');

-- ---- the snapshot ----
CREATE TEMP TABLE given AS SELECT '[{"name": "c", "timezone": "Asia/Seoul", "hours": [[1,540,720],[2,540,720]], "holidays": ["2027-01-02", "2027-01-01", "2027-01-02"]}]'::jsonb
	AS calendars, '[{"person": "", "timezone": "Asia/Seoul"}, {"person": "a", "calendar": "c", "timezone": "Europe/Berlin"}]'::jsonb AS people;
GRANT SELECT ON given TO closeloop_daemon;
SET ROLE closeloop_daemon;
SELECT is((SELECT closeloop.clocks_replace(calendars, people) FROM given), true, 'another snapshot');
SELECT is((SELECT closeloop.clocks_replace(calendars, people) FROM given), false, 'the same again changes nothing');
SELECT throws_ok(sql, '42501', NULL, 'daemon may not: ' || sql) FROM unnest(ARRAY['DELETE FROM closeloop.calendars',
	'INSERT INTO closeloop.person_clocks VALUES (''x'', NULL, ''UTC'')', 'SELECT closeloop.walk_days(NULL, NULL, 1)']) AS sql;
SELECT lives_ok(sql, 'daemon: ' || sql) FROM unnest(ARRAY['SELECT closeloop.promise_due(now(), ''4h'', ''c'', ''a'')',
	'SELECT closeloop.promise_before(now(), ''1d'', ''c'', ''a'')', 'SELECT closeloop.open_after(now(), ''1 hour'', ''c'', ''a'')',
	'SELECT closeloop.open_time(now(), now(), ''c'', ''a'')']) AS sql;
SET ROLE closeloop_reader;
SELECT is(closeloop.open_time('2026-12-28 00:00+00', '2027-01-04 00:00+00', 'c', 'a')::text, '06:00:00', 'reader: open time, for reports');
SELECT throws_ok('SELECT closeloop.clocks_replace(''[]'', ''[]'')', '42501', NULL, 'reader may not replace the clocks');
RESET ROLE;
SELECT results_eq('SELECT name, timezone, days, opens, closes, holidays FROM closeloop.calendars',
	$$VALUES ('c', 'Asia/Seoul', '{1,2}'::smallint[], '{540,540}'::smallint[], '{720,720}'::smallint[], '{2027-01-01,2027-01-02}'::date[])$$,
	'calendars are those of the snapshot, holidays once and in order');
SELECT set_eq('SELECT person, calendar, timezone FROM closeloop.person_clocks',
	$$VALUES ('', NULL, 'Asia/Seoul'), ('a', 'c', 'Europe/Berlin')$$, 'so are people');
CREATE TEMP TABLE rows_before AS SELECT xmin::text AS x, ctid::text AS c FROM closeloop.calendars UNION ALL SELECT xmin::text, ctid::text FROM closeloop.person_clocks;
SELECT is((SELECT closeloop.clocks_replace(calendars, people) FROM given), false, 'the same again');
SELECT set_eq('SELECT xmin::text AS x, ctid::text AS c FROM closeloop.calendars UNION ALL SELECT xmin::text, ctid::text FROM closeloop.person_clocks',
	'SELECT * FROM rows_before', 'writes nothing');
SELECT is((SELECT closeloop.clocks_replace(calendars, people || '{"person": "b", "timezone": "UTC"}'::jsonb) FROM given), true, 'a person more');
SELECT is((SELECT closeloop.clocks_replace(jsonb_set(calendars, '{0,holidays}', '[]'), people) FROM given), true, 'a holiday less');
SELECT is((SELECT closeloop.clocks_replace(jsonb_set(calendars, '{0,timezone}', '"Mars/Olympus"'), jsonb_set(people, '{1,timezone}', '"Mars/Olympus"')) FROM given),
	true, 'a zone that the server lacks is no error');
SELECT is((SELECT c.timezone || ' ' || p.timezone FROM closeloop.calendars AS c, closeloop.person_clocks AS p WHERE p.person = 'a'), 'Asia/Seoul Asia/Seoul',
	'and becomes the global one');
SELECT ok(pending, 'due times follow') FROM closeloop.clocks_pending();
SELECT closeloop.clocks_worked_off(version) FROM closeloop.clocks_pending();
SELECT ok(NOT pending, 'until all were computed') FROM closeloop.clocks_pending();
SELECT closeloop.clocks_replace(calendars, people), closeloop.clocks_replace(calendars, people) FROM given;
SELECT ok(pending, 'a change counts') FROM closeloop.clocks_pending();
SELECT closeloop.clocks_worked_off(version - 1) FROM closeloop.clocks_pending();
SELECT ok(pending, 'who began before it has not seen it') FROM closeloop.clocks_pending();
SELECT closeloop.clocks_worked_off(version) FROM closeloop.clocks_pending();
SELECT ok(NOT pending, 'until that was worked off too') FROM closeloop.clocks_pending();
UPDATE closeloop.clocks_mark SET worked_off_at = pg_postmaster_start_time() - interval '1 s';
SELECT ok(pending, 'another server, other rules of time zones') FROM closeloop.clocks_pending();
SELECT is(closeloop.zone_is_known(z), known, format('%s is %s', z, CASE WHEN known THEN 'a zone' ELSE 'none' END))
	FROM (VALUES ('UTC', true), ('Asia/Seoul', true), ('America/Argentina/Buenos_Aires', true), ('Etc/GMT+3', true), ('Mars/Olympus', false),
		('UTC+3', false), ('KST', false), ('', false), ('Asia/Seoul9', false), ('../UTC', false), ('Asia/Seoul; DROP', false)) AS x (z, known);
SELECT throws_ok(format('SELECT closeloop.clocks_replace(%L, %L)', c, '[{"person": "", "timezone": "UTC"}]'), '23514', NULL, 'no such hours: ' || c)
	FROM (SELECT format('[{"name": "x", "timezone": "UTC", "hours": [%s], "holidays": []}]', h) FROM unnest(ARRAY['[0,540,720]', '[8,540,720]', '[1,-1,720]',
		'[1,1440,1500]', '[1,540,2881]', '[1,540,540]', '[1,720,540]']) AS h) AS x (c);
SELECT * FROM finish();
ROLLBACK;
