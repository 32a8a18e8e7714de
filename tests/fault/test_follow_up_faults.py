"""
Promises come due while something breaks: each reminder and each step of an escalation happens once per case and round, everybody
who must hear of it does, once, and nothing stays held or noticed for ever.

SPDX-License-Identifier: Apache-2.0
"""
import queue
import random
import signal
import threading
import time

import psycopg2.errors
import pytest

import faketime
from chaos_proxy import ChaosProxy
from company import PATIENCE, RESIDENT_KIB_MAX
from invariants import CANARY
from site_fixtures import numbers, site_of, start_migrated
from stream import Stream
from test_mail import due_now

STEPS = """{ standard: { acknowledge_within = "3s"; resolve_within = "6s"; warn_before = "2s"; remind_every = "1s"; remind_at_most = 3;
  escalate: { boss: { when = "unacknowledged"; to = "manager"; };
              head: { when = "unresolved"; to = "person:ben"; }; }; }; }"""
DONE_S = 60  # by then everything that could come due has, whatever broke

OPENED = """WITH r AS (INSERT INTO closeloop.responses (nps, customer_id, account)
        SELECT 2, 'k' || i, 'a' || i %% %(owners)s FROM generate_series(1, %(cases)s) AS i RETURNING id, account, customer_id),
    c AS (INSERT INTO closeloop.cases (response_id, customer_id, owner, route, rules, follow_up, follow_up_version, opened_at,
            acknowledge_due_at, next_action_at)
        SELECT r.id, r.customer_id, 'p' || substr(r.account, 2), 'mail', '{detractor}', 'standard', %(version)s, t.at,
            t.at + interval '4 hours', clock_timestamp() + interval '1 day'
        FROM r, (SELECT now() - interval '70 minutes' AS at) AS t RETURNING id, response_id, owner),
    k AS (INSERT INTO closeloop.case_responses (response_id, case_id, relation) SELECT response_id, id, 'opened' FROM c)
    INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details) SELECT id, 'daemon', 'opened', 'open', '{}' FROM c"""


def many_owners(site, n):
    people = " ".join(f'p{i}: {{ name = "Person {i}"; email = "p{i}@halden.example"; language = "{("en", "de", "ko")[i % 3]}"; }};'
                      for i in range(n))
    return site.sections["people"].rstrip("} \n") + " " + people + " }"


class Watch(threading.Thread):
    """The most memory that a daemon has taken meanwhile."""

    def __init__(self, daemon):
        super().__init__(daemon=True)
        self.watched, self.most, self.over = daemon, 0, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(0.1):
            self.most = max(self.most, self.watched.resident_kib())

    def end(self):
        self.over.set()
        self.join()
        return self.most


def test_a_hundred_thousand_cases_in_the_same_minute(site, size, figure):
    """Everybody gets one mail for all that falls due together, and whoever answers meanwhile waits no longer for it."""
    cases, owners = size(2000, 100_000), 50
    daemon = site.daemon(people=many_owners(site, owners), follow_ups='{ standard: { acknowledge_within = "4h"; remind_every = "1h";'
                         ' remind_at_most = 1; }; }', defaults='{ route = "mail"; follow_up = "standard"; priority = "normal"; }')
    daemon.stop()
    version = site.one("SELECT max(id) FROM closeloop.follow_up_versions WHERE name = 'standard'")
    with site.connect() as connection, connection.cursor() as cursor:
        cursor.execute(OPENED, {"cases": cases, "owners": owners, "version": version})
        cursor.execute("DELETE FROM closeloop.inbox")
    site.q("VACUUM ANALYZE")
    daemon = site.start()
    site.respond(customer_id="first", account="elbhof")
    site.mails(1, to="anna")
    watch, began = Watch(daemon), time.monotonic()
    site.q("UPDATE closeloop.cases SET next_action_at = now() - interval '1 minute' WHERE owner LIKE 'p%%'")
    site.q("SELECT pg_notify('closeloop', '')")
    times, phases = [], {}
    while len(site.mailbox.mails) < owners + 1 + len(times):
        asked = time.monotonic()
        site.respond(customer_id=f"meanwhile{len(times)}", account="elbhof")
        site.mails(len(times) + 2, to="anna", seconds=60)
        times.append(time.monotonic() - asked)
        due, notices, held = site.one("SELECT (SELECT count(*) FROM closeloop.cases WHERE next_action_at <= now()),"
                                      " (SELECT count(*) FROM closeloop.notices),"
                                      " (SELECT count(*) FROM closeloop.messages WHERE state = 'held')")
        now = time.monotonic() - began
        if due == 0:
            phases.setdefault("swept", now)
            if notices == 0:
                phases.setdefault("noticed", now)
        assert now < 280, f"not within five minutes: {due} due, {notices} notices, {held} held"
        time.sleep(0.2)
    took = time.monotonic() - began
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'held'") == 0, "the end of what was held", 120)
    ended = time.monotonic() - began
    most = watch.end()
    for i in range(owners):
        assert len(site.mailbox.to(f"p{i}@halden.example")) == 1, f"mails to p{i}"
    assert site.one("SELECT count(*), count(DISTINCT case_id) FROM closeloop.case_events WHERE kind = 'reminded'") == (cases, cases)
    assert most <= RESIDENT_KIB_MAX, f"{most} kB"
    worst = max(times)
    figure(f"{cases} cases of {owners} people: told within {took:.0f} s ({cases / took:.0f} cases/s; swept"
           f" {phases.get('swept', 0):.0f} s, noticed {phases.get('noticed', 0):.0f} s, all ended {ended:.0f} s), one mail each;"
           f" {len(times)} alerts meanwhile took {worst:.1f} s at most; {most / 1024:.0f} MiB at most")
    assert worst < 10 * PATIENCE  # what hangs; how long it takes on an idle machine stands in the figure


# ---- faults ----

class Cases:
    """Customers who answer badly, a few a second, whom nobody takes care of."""

    def __init__(self, site):
        self.site, self.n = site, 0

    def open(self, n=1):
        for _ in range(n):
            self.n += 1
            self.site.committed.add(self.site.respond(
                customer_id=f"f{self.n}", account=("hanbit", "elbhof", "other")[self.n % 3], comment=f"{CANARY} {self.n}"))


def begin(site, **sections):
    site.configure(follow_ups=STEPS, **sections)
    site.own(("account", "hanbit", "minsu"), ("account", "elbhof", "anna"))
    site.mailbox.delay = 0.005
    return Cases(site)


def everything_told(site):
    """Nothing is due, noticed, held, or on its way, and every case has come to the end of its agenda."""
    return site.one("SELECT NOT EXISTS (SELECT FROM closeloop.notices)"
                    " AND NOT EXISTS (SELECT FROM closeloop.cases WHERE next_action_at IS NOT NULL)"
                    " AND NOT EXISTS (SELECT FROM closeloop.messages WHERE state IN ('queued', 'leased', 'held'))"
                    " AND NOT EXISTS (SELECT FROM closeloop.inbox)")


def judge(site, cases, figure, what):
    """Every case was reminded and escalated to the end, once, and all who had to hear of it did."""
    def look():
        for daemon in killed:
            site.expire_leases(daemon)
        return everything_told(site) or time.sleep(0.2)

    killed = [d for d in site.daemons if d.process.poll() is not None]
    started = time.monotonic()
    site.wait(look, lambda: "the end of it all: " + str(site.q(
        "SELECT state::text, kind, step, count(*) FROM closeloop.messages WHERE state IN ('queued', 'leased', 'held') GROUP BY 1, 2, 3"
        " UNION ALL SELECT 'notice', kind, '', count(*) FROM closeloop.notices GROUP BY 2"
        " UNION ALL SELECT 'due', '', '', count(*) FROM closeloop.cases WHERE next_action_at IS NOT NULL")), DONE_S)
    took = time.monotonic() - started
    site.check()
    told = site.q("SELECT c.id, c.fired, c.warned_at IS NOT NULL, c.reminded FROM closeloop.cases c")
    assert len(told) == cases.n
    for case, fired, warned, reminded in told:
        assert (sorted(fired), warned) == (["boss", "head"], True), f"case {case}: {fired}, warned {warned}"
        assert 1 <= reminded <= 3, f"case {case}: {reminded} reminders"
    events, hooks = site.one("SELECT count(*), count(m.id) FROM closeloop.case_events e LEFT JOIN closeloop.messages m"
                             " ON m.dedup_key = 'event:' || e.id || ':webhook:crm' WHERE e.kind IN ('reminded', 'escalated')")
    assert events == hooks, f"{events} events, {hooks} webhooks about them"
    digests = site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'digest'")
    figure(f"{what}; {cases.n} cases, {events} reminders and escalations in {len(site.mailbox.mails)} mails ({digests} digests);"
           f" all told {took:.1f} s after; {site.copies} copies, {site.excuses} leased at the faults")


@pytest.mark.parametrize("daemons", [1, 2])
def test_killed_while_promises_come_due(strict_site, size, figure, progress, daemons):
    site, rounds, rng = strict_site, size(8, 150), random.Random(daemons)
    cases = begin(site)
    configurations = [site.configuration] + [site.second_configuration() for _ in range(daemons - 1)]
    running = [site.start(configuration=c) for c in configurations]
    for done in range(rounds):
        progress(done, rounds)
        cases.open(rng.randint(1, 4))
        time.sleep(rng.choice((rng.uniform(0.0, 0.2), rng.uniform(0.2, 1.2))))
        i = rng.randrange(daemons)
        running[i].kill()
        site.excuse(running[i].leased())
        running[i] = site.start(wait=False, configuration=configurations[i])
    for daemon in running:
        daemon.wait_ready()
    judge(site, cases, figure, f"{rounds} kills")


@pytest.fixture
def link(pg):
    proxy = ChaosProxy(pg.port)
    yield proxy
    proxy.stop()


# What the server says when it has done it: a sweep (the name of its column), the messages of notices and digests, any COMMIT.
ANSWERS = {"sweep": b"follow_up_sweep", "messages": b"INSERT 0 ", "commit": b"COMMIT\0"}


@pytest.mark.parametrize("which", ANSWERS)
def test_answers_cut_while_promises_come_due(strict_site, link, size, figure, which):
    """The server has committed a sweep, notices or a release, and the daemon doesn't hear of it."""
    if which != "commit" and not size(False, True):
        pytest.skip("in the long form")
    site, rounds, rng = strict_site, size(6, 60), random.Random(which)
    cases = begin(site, database=f'{{ conninfo = "host=127.0.0.1 port={link.port} dbname={site.database} user=postgres"; }}')
    daemon = site.start()
    for _ in range(rounds):
        cases.open(2)
        time.sleep(rng.uniform(0.1, 1.0))
        broken = link.broken
        link.swallow = ANSWERS[which]
        site.wait(lambda b=broken: link.broken > b or cases.open() or time.sleep(0.3), "an answer cut off")
        link.swallow = None
        site.excuse(daemon.leased())
        daemon.wait_ready()
    judge(site, cases, figure, f"{link.broken} answers cut")


def test_the_server_crashes_while_promises_come_due(strict_own_site, size, figure):
    site, rounds, rng = strict_own_site, size(3, 20), random.Random(5)
    cases = begin(site)
    daemon = site.start()
    for _ in range(rounds):
        cases.open(5)
        time.sleep(rng.uniform(0.3, 2.5))
        leased = daemon.leased()
        site.server.stop(signal.SIGQUIT)
        site.server.start()
        site.excuse(leased)
        daemon.wait_ready(40)
    judge(site, cases, figure, f"{rounds} crashes")


def test_one_case_that_fails_holds_up_no_other(site, figure):
    """A trigger of the site's own refuses what is due of one case among many: the others are told, and it is put off."""
    cases = begin(site)
    site.q("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.customer_id = 'f7' AND NEW.reminded > 0 THEN"
           " RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$")
    site.q("CREATE TRIGGER refuse BEFORE UPDATE ON closeloop.cases FOR EACH ROW EXECUTE FUNCTION refuse()")
    daemon = site.start()
    cases.open(30)
    others = "SELECT count(*) FROM closeloop.cases WHERE customer_id <> 'f7' AND next_action_at IS NOT NULL"
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.cases") == 30 and site.one(others) == 0, "the others' reminders", DONE_S)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'held'") == 0, "their digests", DONE_S)
    assert site.one("SELECT reminded, next_action_at > now() + interval '2 minutes' FROM closeloop.cases WHERE customer_id = 'f7'") == (0, True)
    assert "what is due cannot be done" in daemon.log
    figure("29 of 30 told")


@pytest.fixture
def faked_site(request, folder):
    """A site whose PostgreSQL has a clock that can be set."""
    clock, pg = folder / f"clock-{next(numbers)}", folder / f"pg-{next(numbers)}"
    faketime.tell(clock, "+0")
    server = start_migrated(faketime.FakedPostgres(pg, clock))
    try:
        for site in site_of(request, folder, server):
            site.strict = site.clock_jumps = True
            site.clock = clock
            yield site
    finally:
        server.remove()


def test_a_server_whose_clock_was_set_still_ends_a_deadlock(faked_site):
    """What the next two rest on. With a clock that its signal handlers don't see it would last as long as the clock is ahead."""
    site = faked_site
    site.q("CREATE TABLE locked AS SELECT generate_series(1, 2) AS i")
    faketime.tell(site.clock, "+90m")
    assert site.one("SELECT now()").timestamp() - time.time() == pytest.approx(90 * 60, abs=20)
    update, ends = "UPDATE locked SET i = i WHERE i = %s", queue.Queue()

    def cross(mine, others):
        connection = site.connect()
        with connection.cursor() as cursor:
            cursor.execute(update, (mine,))
            both.wait()
            try:
                cursor.execute(update, (others,))
                connection.commit()
                ends.put("committed")
            except psycopg2.errors.DeadlockDetected:
                connection.rollback()
                ends.put("deadlock detected")

    both = threading.Barrier(2, timeout=60)
    for rows in ((1, 2), (2, 1)):
        threading.Thread(target=cross, args=rows, daemon=True).start()
    assert sorted(ends.get(timeout=60) for _ in range(2)) == ["committed", "deadlock detected"]


def test_the_servers_clock_jumps_while_promises_come_due(faked_site, size, figure):
    """An hour ahead: everything falls due at once, and is told once. An hour back: what was done stays done."""
    site, cases = faked_site, begin(faked_site)
    site.start()
    offsets = ["+0", "+60m", "+0", "+60m"] + size([], ["+0", "+120m", "+60m"] * 3 + ["+120m"])
    for offset in offsets:
        faketime.tell(site.clock, offset)
        cases.open(6)
        time.sleep(1.5)
    faketime.tell(site.clock, "+180m")  # what was planned by a clock that ran ahead is past too
    judge(site, cases, figure, f"jumps {', '.join(offsets)}")


def test_every_lease_ends_while_its_daemon_is_at_it(faked_site, size, figure):
    """
    The server's clock leaps a minute ahead, again and again, as that of a machine that slept: each lease is over at once, whether its message
    is on its way, back with a result, or not even handed over. One daemon knows what it has in its hands: no copy.
    """
    site, rng = faked_site, random.Random(4)
    site.mailbox.delay = 0.15  # always some are under way
    site.hook.replies = [(503, {}, 0.1), (204, {}, 0.1)] * 2000  # what is to be tried again makes it look for what is due
    site.own(("account", "hanbit", "minsu"), ("account", "elbhof", "anna"))
    site.start()
    stream, leaps, until = Stream(site, per_second=10).start(), 0, time.monotonic() + size(8, 90)
    while time.monotonic() < until:
        leaps += 1
        faketime.tell(site.clock, f"+{leaps}m")
        time.sleep(rng.uniform(0.01, 0.2))
    stream.stop()
    site.hook.replies = []
    site.wait(lambda: due_now(site) or site.one("SELECT count(*) FROM closeloop.messages WHERE state IN ('queued', 'leased')") == 0, "all sent", 60)
    site.settled()
    site.check()
    again = site.one("SELECT count(*) FROM closeloop.messages AS m WHERE m.fence > (SELECT count(*) FROM closeloop.attempts AS a"
                     " WHERE a.message_id = m.id)")
    assert again > 0, "no lease was over, nothing is proved"
    assert site.copies == 0
    figure(f"{leaps} leaps, {len(site.committed)} responses; {again} messages leased anew, no copy")
