"""
Business time of PostgreSQL (sql/006_business_time.sql) against an implementation that is slow and obviously right; and the clocks that
the daemon hands over.

The oracle (support/business_time.py) walks over the minutes of UTC one by one and asks Python's zoneinfo what the clock on the wall
shows; it knows nothing of offsets, gaps or folds. Calendars, moments and promises are drawn at random, many of them close to the days on which the
clocks change, and around leap days and holidays. Both sides read the zone database of the system, so its version doesn't matter
(Debian's PostgreSQL is built with it; a server with zones of its own may differ for dates after its release).

A failure prints the calendar, the call, both answers and the seed. CLOSELOOP_SEED=N draws the same cases again;
CLOSELOOP_BUSINESS_CALENDARS=N draws more of them (15 by default).

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import functools
import json
import os
import random
import zoneinfo

from business_time import MINUTE, SECOND, Oracle

UTC = datetime.timezone.utc
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Seoul", "Australia/Lord_Howe", "Asia/Kathmandu"]
CALENDARS = int(os.environ.get("CLOSELOOP_BUSINESS_CALENDARS", "15"))
CASES_EACH = 50


# ---- what is drawn ----

def draw_hours(rng):
    """Lines of a week as (day, from, to), of which some overlap, go past midnight or begin in a gap."""
    kind = rng.randrange(6)
    week = range(1, 8)
    if kind == 0:
        days = sorted(rng.sample(week, rng.randint(1, 7)))
        return [(d, *line) for d in days for line in ((540, 720), (780, 1080))]
    if kind == 1:
        return [(d, 0, 1440) for d in week]
    if kind == 2:
        return [(d, 1320, 1320 + rng.choice([60, 120, 240, 480, 1560])) for d in sorted(rng.sample(week, rng.randint(1, 7)))]
    if kind == 3:
        return [(d, rng.choice([90, 105, 120, 130, 150]), rng.choice([155, 165, 180, 200, 600])) for d in (*rng.sample(range(1, 7), 2), 7)]
    if kind == 4:  # whole hours, days of different length: moments fall on openings and closings
        return [(d, 60 * rng.randint(0, 9), 60 * rng.randint(10, 30)) for d in rng.sample(week, rng.randint(2, 7))]
    lines = []
    for _ in range(rng.randint(1, 9)):
        start = rng.randrange(1440)
        lines.append((rng.randint(1, 7), start, min(start + rng.choice([1, 7, 60, 240, 600, 1500]), 2880)))
    return lines


@functools.lru_cache(maxsize=None)
def changes(zone):
    """Noons from 2023 to 2031 before which the clocks changed."""
    tz = zoneinfo.ZoneInfo(zone)
    noons = [datetime.datetime(2023, 1, 1, 12, tzinfo=UTC) + datetime.timedelta(days=i) for i in range(9 * 365)]
    return [b for a, b in zip(noons, noons[1:]) if a.astimezone(tz).utcoffset() != b.astimezone(tz).utcoffset()]


def draw_middles(rng, zone):
    """Days around which the moments of a zone are drawn: two changes of its clock, a leap day, and any."""
    leap = datetime.datetime(rng.choice([2024, 2028]), 2, 29, 12, tzinfo=UTC)
    any_day = datetime.datetime(2024, 1, 1, tzinfo=UTC) + datetime.timedelta(days=rng.randrange(2400))
    return [int(m.timestamp()) * SECOND for m in (*rng.sample(changes(zone) or [leap, any_day], 2), leap, any_day)]


def draw_moment(rng, middles):
    at = rng.choice(middles) + rng.randrange(-4 * 1440, 4 * 1440) * MINUTE
    return at // (30 * MINUTE) * 30 * MINUTE if rng.random() < 0.4 else at + rng.choice([0, 0, SECOND, 59500000, 30000001])


def draw_promise(rng, hours):
    unit = rng.choice("smhhddddw")
    most = 4 * sum(end - start for _, start, end in hours)  # four weeks of open time, in minutes
    if unit in "dw":
        return f"{rng.randint(1, 60 if unit == 'd' else 8)}{unit}"
    size = {"s": 60, "m": 1, "h": 1 / 60}[unit]
    return f"{max(1, rng.randint(1, max(1, int(min(most, rng.choice([10, 600, 30000])) * size))))}{unit}"


def draw(rng, i, middles):
    zone, hours = rng.choice(ZONES), draw_hours(rng)
    moments = [draw_moment(rng, middles[zone]) for _ in range(CASES_EACH)]
    days = sorted({datetime.date.fromtimestamp(m // SECOND) + datetime.timedelta(days=rng.randint(-3, 30)) for m in moments})
    holidays = rng.sample(days, min(len(days), rng.choice([0, 0, 5, 20])))
    calendar = {"name": f"c{i}", "timezone": "owner" if rng.random() < 0.3 else zone, "hours": hours,
                "holidays": [str(d) for d in holidays]}
    person = {"person": f"p{i}", "calendar": f"c{i}", "timezone": zone}
    named = rng.choice(["owner", f"c{i}"])
    cases = [{"at": at, "promise": draw_promise(rng, hours), "calendar": named, "person": f"p{i}",
              "to": at + rng.randrange(1, 9000) * MINUTE + rng.randrange(60) * SECOND} for at in moments]
    return calendar, person, Oracle(zone, hours, holidays), cases


# ---- both sides ----

CALLS = ["promise_due(at, promise)", "promise_before(at, promise)", "open_time(at, to)", "open_after(at, '90 min')"]


def answers(site, cases):
    """One statement for all cases; times come back in microseconds, so that nothing is rounded on the way."""
    return site.q("""
        SELECT (extract(epoch FROM closeloop.promise_due(at, p, c, o)) * 1000000)::bigint,
            (extract(epoch FROM closeloop.promise_before(at, p, c, o)) * 1000000)::bigint,
            (extract(epoch FROM closeloop.open_time(at, till, c, o)) * 1000000)::bigint,
            (extract(epoch FROM closeloop.open_after(at, make_interval(mins => 90), c, o)) * 1000000)::bigint
        FROM unnest(%s::timestamptz[], %s::timestamptz[], %s::text[], %s::text[], %s::text[]) WITH ORDINALITY
            AS t (at, till, p, c, o, i) ORDER BY i""",
                  [str(moment(k["at"])) for k in cases], [str(moment(k["to"])) for k in cases],
                  *([k[f] for k in cases] for f in ("promise", "calendar", "person")))


def wanted(oracle, k):
    return [oracle.promise(k["at"], k["promise"], 1), oracle.promise(k["at"], k["promise"], -1),
            oracle.open_time(k["at"], k["to"]), oracle.after(k["at"], 90 * MINUTE)]


def moment(us):
    return datetime.datetime(1970, 1, 1, tzinfo=UTC) + datetime.timedelta(microseconds=us)


def words(call, us):
    return datetime.timedelta(microseconds=us) if call.startswith("open_time") else moment(us)


def test_business_time_is_that_of_the_oracle(site):
    seed = int(os.environ.get("CLOSELOOP_SEED") or random.randrange(10**9))
    rng = random.Random(seed)
    middles = {zone: draw_middles(rng, zone) for zone in ZONES}
    drawn = [draw(rng, i, middles) for i in range(CALENDARS)]
    people = [{"person": "", "timezone": "Asia/Seoul"}] + [person for _, person, _, _ in drawn]
    assert site.one("SELECT closeloop.clocks_replace(%s, %s)", json.dumps([c for c, _, _, _ in drawn]), json.dumps(people))
    wrong = []
    for calendar, person, oracle, cases in drawn:
        for k, got in zip(cases, answers(site, cases)):
            shown = {**k, "at": str(moment(k["at"])), "to": str(moment(k["to"]))}
            wrong += [f"{call}\n  {calendar} {person}\n  {shown}\n  got {words(call, g)}, expected {words(call, w)}"
                      for call, g, w in zip(CALLS, got, wanted(oracle, k)) if g != w]
    print(f"{CALENDARS * CASES_EACH} cases, seed {seed}")
    assert not wrong, f"{len(wrong)} wrong; CLOSELOOP_SEED={seed}\n" + "\n".join(wrong[:5])


# ---- the daemon: calendars and people are in place before a case is opened ----

def the_day_after_tomorrow():
    return (datetime.datetime.now(UTC) + datetime.timedelta(days=2)).strftime("%a")


CASES_DUE = """SELECT c.owner, c.acknowledge_due_at = closeloop.promise_due(c.opened_at, '4h', 'owner', c.owner),
    c.acknowledge_due_at > c.opened_at + interval '12 hours' FROM closeloop.cases AS c ORDER BY c.id"""


def test_the_daemon_hands_over_the_clocks(site):
    calendars = f'{{ rare: {{ timezone = "owner"; hours = [ "{the_day_after_tomorrow()} 00:00-24:00" ]; }}; }}'
    people = site.sections["people"].replace('language = "ko";', 'language = "ko"; calendar = "rare";')
    daemon = site.daemon(calendars=calendars, people=people,
                         follow_ups='{ standard: { calendar = "owner"; acknowledge_within = "4h"; resolve_within = "2d"; }; }')
    assert site.q("SELECT person, calendar, timezone FROM closeloop.person_clocks ORDER BY person COLLATE \"C\"") == [
        ("", None, "UTC"), ("anna", None, "UTC"), ("ben", None, "UTC"), ("minsu", "rare", "Asia/Seoul"), ("olga", None, "UTC")]
    assert site.q("SELECT name, timezone, cardinality(days), opens, closes FROM closeloop.calendars") == [("rare", "owner", 1, [0], [1440])]
    # Who was entered a moment ago has a calendar with the first case already.
    site.q("INSERT INTO closeloop.people (id, name, email, timezone, calendar) VALUES ('nia', 'Nia', 'nia@halden.example', 'Asia/Kathmandu', 'rare')")
    site.own(("account", "norden", "nia"))
    for account in ("hanbit", "elbhof", "norden"):
        site.respond(account=account, customer_id=account)
    site.cases(3)
    assert sorted(site.q(CASES_DUE)) == [("anna", True, False), ("minsu", True, True), ("nia", True, True)]
    # A reload takes the calendar away from the owners, a second one changes nothing and writes nothing.
    site.configure(calendars='{ rare: { hours = [ "Mon-Sun 00:00-24:00" ]; }; }')
    daemon.hang_up()
    site.wait(lambda: sorted(site.q(CASES_DUE)) == [(p, True, False) for p in ("anna", "minsu", "nia")], "cases under the new calendar")
    rows = site.q("SELECT xmin::text FROM closeloop.calendars")
    daemon.hang_up()
    site.wait(lambda: daemon.log.count("reload: ruleset") == 2, "the second reload")
    site.wait(lambda: daemon.log.count("directory: version") >= 3 and daemon.ready(), "the directory after it")
    assert site.q("SELECT xmin::text FROM closeloop.calendars") == rows
    site.settled()


def test_clocks_of_a_batch_that_was_rolled_back_are_made_good(site):
    """A person with a calendar is entered, and the batch that notices fails at its end: the clocks go with it, and come again."""
    calendars = f'{{ rare: {{ timezone = "UTC"; hours = [ "{the_day_after_tomorrow()} 00:00-24:00" ]; }}; }}'
    site.daemon(calendars=calendars,
                follow_ups='{ standard: { calendar = "owner"; acknowledge_within = "4h"; resolve_within = "2d"; }; }')
    site.q("""CREATE SEQUENCE public.tries; GRANT ALL ON SEQUENCE public.tries TO PUBLIC;
        CREATE FUNCTION public.refuse_once() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF nextval('public.tries') = 1 THEN RAISE 'not now' USING ERRCODE = '40001'; END IF; RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER refuse_once AFTER INSERT ON closeloop.cases DEFERRABLE INITIALLY DEFERRED
            FOR EACH ROW EXECUTE FUNCTION public.refuse_once()""")
    site.q("INSERT INTO closeloop.people (id, name, email, calendar) VALUES ('nia', 'Nia', 'nia@halden.example', 'rare')")
    site.own(("account", "norden", "nia"))
    site.respond(account="norden", customer_id="k")
    site.cases(1)
    assert site.one("SELECT last_value FROM public.tries") == 2
    site.wait(lambda: site.q(CASES_DUE) == [("nia", True, True)], "the case under its owner's calendar")
    assert site.q("SELECT calendar FROM closeloop.person_clocks WHERE person = 'nia'") == [("rare",)]
    site.settled()


def test_clocks_that_could_not_be_written_are_written_later(site):
    """The directory is only known when its clocks are written too."""
    calendars = f'{{ rare: {{ timezone = "UTC"; hours = [ "{the_day_after_tomorrow()} 00:00-24:00" ]; }}; }}'
    site.daemon(calendars=calendars)
    site.q("""CREATE SEQUENCE public.tries; GRANT ALL ON SEQUENCE public.tries TO PUBLIC;
        CREATE FUNCTION public.refuse_once() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF nextval('public.tries') = 1 THEN RAISE 'not now' USING ERRCODE = '57014'; END IF; RETURN NULL; END $$;
        CREATE TRIGGER refuse_once AFTER INSERT ON closeloop.person_clocks FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_once()""")
    site.q("INSERT INTO closeloop.people (id, name, email, calendar) VALUES ('nia', 'Nia', 'nia@halden.example', 'rare')")
    site.respond(customer_id="k")
    site.cases(1)
    assert site.one("SELECT last_value FROM public.tries") == 2
    assert site.q("SELECT calendar FROM closeloop.person_clocks WHERE person = 'nia'") == [("rare",)]
    site.settled()
