"""
A year of life: ten thousand answers, managers who do what comes into their heads, two daemons of which one is killed now and then,
PostgreSQL restarted twice. Afterwards year_check works out from the configuration and the events what should have happened.

Nobody waits for a year: PostgreSQL and the daemons share a clock (faketime.py) that the test moves on from step to step, some seconds to
a day, with preference for the moment at which something falls due. At each step answers come in, then the daemons work until nothing
is due any more, then people act. CLOSELOOP_YEAR_SEED=N repeats a year, CLOSELOOP_YEAR_STEPS=N makes it finer or coarser.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import json
import os
import random
import signal
import time

import psycopg2
import pytest

import faketime
import year_check
import year_company as company
from company import Site
from site_fixtures import numbers

UTC = datetime.timezone.utc
CUSTOMERS_PER_ANSWER = 0.15
SETTLE_S = 30

DUE = """
    SELECT (SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NULL AND available_at <= clock_timestamp()),
        (SELECT count(*) FROM closeloop.cases WHERE next_action_at <= clock_timestamp()),
        (SELECT count(*) FROM closeloop.notices),
        (SELECT count(*) FROM closeloop.messages WHERE state = 'queued' AND next_at <= clock_timestamp()),
        (SELECT count(*) FROM closeloop.messages WHERE state = 'leased'),
        (SELECT count(*) FROM closeloop.alert_budgets WHERE digest_at <= clock_timestamp()),
        (SELECT count(*) FROM closeloop.messages AS m JOIN closeloop.messages AS d ON d.id = m.digest_id
            WHERE m.state = 'held' AND d.state NOT IN ('queued', 'leased')),
        (SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closeloop' AND state <> 'idle'),
        statement_timestamp()"""
NEXT = """
    SELECT extract(epoch FROM min(t))::float8 FROM (
        SELECT min(next_action_at) AS t FROM closeloop.cases WHERE next_action_at > clock_timestamp()
        UNION ALL SELECT min(digest_at) FROM closeloop.alert_budgets WHERE digest_at > clock_timestamp()
        UNION ALL SELECT min(next_at) FROM closeloop.messages WHERE state IN ('queued', 'leased')) AS x"""
WHOSE = """
    SELECT id, status::text, owner, version FROM closeloop.cases
    WHERE status IN ('open', 'acknowledged', 'in_progress', 'waiting')
        OR (status = 'resolved' AND random() < 0.1) OR (status IN ('closed', 'dismissed') AND random() < 0.004)
    ORDER BY id"""


class Year:
    def __init__(self, site, clock, seed):
        self.site, self.clock, self.rng = site, clock, random.Random(seed)
        self.settled_at = []  # moments at which nothing was due any more
        self.kills = self.waits = self.refused = self.acts = 0
        self.waited_s = 0.0
        self.customers, self.last_action = [], None
        self.answered = set()

    # -- time

    def to(self, at):
        """The clock jumps there, and everybody looks up."""
        time.sleep(0.002)  # the last answer of PostgreSQL is read
        self.clock.set(max(at, self.clock.now()))
        self.poke()

    def poke(self):
        self.site.q("NOTIFY closeloop")

    def look(self):
        *left, at = self.site.one(DUE)
        return left, at

    def settle(self):
        """Until nothing is due. What takes a second of somebody's timer is helped on by the clock."""
        started = nudged = time.monotonic()
        self.waits += 1
        while True:
            left, at = self.look()
            if not any(left):
                break
            now = time.monotonic()
            if now - started > SETTLE_S:
                raise AssertionError(f"not settled: inbox, cases, notices, queued, leased, digests, their ends, busy: {left} at {at}")
            if now - nudged > (0.08 if any(left[:6]) else 0.02):  # only the ends of digests are noted by a timer
                # Who has a lease or is busy needs time, not the clock: on a slow machine a lease would run out under a mail on its
                # way, and a connection that is being made would be given up.
                if not (left[4] or left[7]) or self.free_what_the_dead_have() or now - nudged > 0.5:
                    nudged = now
                    self.to(self.clock.now() + 1)
            time.sleep(0.003)
        self.waited_s += time.monotonic() - started
        self.settled_at.append(at)

    def free_what_the_dead_have(self):
        """As if their 30 s had gone by, and nobody else's; how many leases."""
        alive = [f"%:{d.process.pid}:%" for d in self.site.daemons if d.process.poll() is None]
        return len(self.site.q("UPDATE closeloop.messages SET next_at = clock_timestamp(), lease_until = clock_timestamp()"
                               " WHERE state = 'leased' AND NOT daemon LIKE ANY (%s) RETURNING 1", alive))

    def next_moment(self, end, steps_left):
        now = self.clock.now()
        kind = self.rng.random()
        if kind < 0.35:
            due = self.site.one(NEXT)
            if due and due < now + 86400:
                return due + self.rng.choice((0, 0.001, 1, self.rng.uniform(0, 90)))
        if kind < 0.45:
            return now + self.rng.uniform(1, 60)
        return now + self.rng.expovariate(1) * max(end - now, 1) / max(steps_left, 1) * 1.7

    def end(self):
        """All go home before anything is looked at; what falls due on their way brings them back."""
        while True:
            running = [d.configuration for d in self.site.daemons if d.process.poll() is None]
            self.site.stop_daemons()
            left, at = self.look()
            if not any(left):
                self.settled_at.append(at)
                return
            faketime.tidy()
            for configuration in running:
                self.site.start(configuration=configuration, **faketime.faked(self.clock.file, monotonic=True))
            self.settle()

    # -- customers

    def answer(self):
        r = self.rng
        free = [c for c in r.sample(self.customers, min(len(self.customers), 30)) if c[0] not in self.answered]
        if not free or r.random() < CUSTOMERS_PER_ANSWER:  # two answers within a step may be judged in either order
            free = [(f"k{len(self.customers)}", r.choice((*company.OWNERS, *company.OWNERS, "acme")))]
            self.customers += free
        customer, account = free[0]
        self.answered.add(customer)
        kind = r.random()
        self.site.respond(customer_id=customer, account=account, nps=r.randint(0, 10) if kind < 0.75 else None,
                          csat=r.randint(1, 5) if kind > 0.65 else None, contact_requested=r.random() < 0.08,
                          touchpoint=r.choice(("delivery", "shop", "phone")), comment=r.choice((None, "canary: it came too late")))

    # -- people

    def act(self):
        cases = self.site.q(WHOSE)
        unresolved = sum(c[1] not in ("resolved", "closed", "dismissed") for c in cases)
        for _ in range(min(len(cases), int(self.rng.expovariate(1) * (1 + unresolved * 0.06)))):
            self.act_on(*self.rng.choice(cases))
        if self.last_action and self.rng.random() < 0.15:
            self.transition(self.last_action[0], "undo", self.last_action[1])

    def act_on(self, case, status, owner, version):
        r = self.rng
        actor = owner if r.random() < 0.7 else r.choice(list(company.PEOPLE))
        actions = {"open": ("acknowledge", "acknowledge", "start", "contacted", "resolve", "assign", "dismiss", "wait", "note"),
                   "acknowledged": ("start", "start", "contacted", "contacted", "wait", "resolve", "resolve", "assign", "dismiss"),
                   "in_progress": ("contacted", "resolve", "resolve", "resolve", "wait", "assign", "note"),
                   "waiting": ("start", "resolve", "note", "assign", "dismiss"),
                   "resolved": ("close", "reopen", "note"), "closed": ("reopen", "note"), "dismissed": ("reopen",)}[status]
        action = r.choice(actions) if r.random() < 0.93 else r.choice(list(ACTIONS))
        note, details = None, {}
        if action in ("dismiss", "note", "resolve", "reopen"):
            note = f"canary {action}"
        if action == "contacted":
            details = {"how": r.choice(("phone", "mail", "visit")), "reached": r.random() < 0.5}
        elif action == "assign":
            details = {"to": r.choice([p for p in company.PEOPLE if p != owner])}
        elif action == "wait":
            at = self.clock.now() + r.choice((r.uniform(5, 7200), r.uniform(7200, 5 * 86400)))
            details = {"until": datetime.datetime.fromtimestamp(at, UTC).isoformat()}
        self.transition(case, action, actor, note, details, version if r.random() < 0.3 else None)

    def transition(self, case, action, actor, note=None, details=None, version=None):
        self.acts += 1
        try:
            self.site.q("SELECT closeloop.case_transition(%s, %s, %s, %s, %s, %s)", case, action, actor, note, json.dumps(details or {}),
                        version)
            self.last_action = (case, actor)
        except psycopg2.Error as e:
            if e.pgcode not in ("CL001", "CL002"):
                raise
            self.refused += 1

    # -- what breaks

    def kill(self):
        """One of the daemons, while it is at it; it comes back at once."""
        victim = self.rng.choice([d for d in self.site.daemons if d.process.poll() is None])
        time.sleep(self.rng.uniform(0, 0.06))
        victim.kill()
        self.site.excuse(victim.leased())
        self.kills += 1
        faketime.tidy()
        self.site.start(configuration=victim.configuration, **faketime.faked(self.clock.file, monotonic=True))

    def restart_postgres(self, how):
        # What isn't judged or told yet may be on its way, as a mail and two webhooks, by the moment at which the server ends.
        self.site.excuse(self.site.one("SELECT (SELECT count(*) FROM closeloop.messages WHERE state IN ('leased', 'queued'))"
                                       " + 3 * ((SELECT count(*) FROM closeloop.inbox) + (SELECT count(*) FROM closeloop.notices))") + 4)
        self.site.server.stop(how)
        self.site.server.start()


ACTIONS = ("acknowledge", "start", "contacted", "wait", "resolve", "close", "dismiss", "reopen", "assign", "note")


@pytest.fixture
def year(request, folder):
    """A company whose PostgreSQL and daemons live by a clock of their own."""
    yield from year_of(request, folder)


def year_of(request, folder):
    number = next(numbers)
    clock = faketime.Clock(folder / f"clock-{number}", request.getfixturevalue("begin"))
    server = faketime.FakedPostgres(folder / f"pg-{number}", clock.file, checkpoint_timeout="1d", max_wal_size="4GB",
                                    shared_buffers="128MB").create().start()
    server.psql("postgres", "CREATE DATABASE year")
    site = Site(folder / f"site-{number}", server, "year")
    try:
        site.clock_jumps = True
        site.configure(**company.sections())
        site.run("migrate")
        site.own(*(("account", account, person) for account, person in company.OWNERS.items()))
        year = Year(site, clock, request.getfixturevalue("seed"))
        yield year
        failed = getattr(request.node, "failed", False)
        if failed:
            site.say_logs()
        site.stop_daemons(judge=not failed)
        if not failed:
            site.check()
    finally:
        site.close()
        server.remove()
        faketime.tidy()


@pytest.fixture
def seed():
    return int(os.environ.get("CLOSELOOP_YEAR_SEED") or random.randrange(10**6))


@pytest.fixture
def begin():
    return datetime.datetime(2027, 9, 15, 6, 0, tzinfo=UTC).timestamp()


@pytest.mark.skipif(not faketime.LIBRARY, reason="libfaketime is not installed (package faketime)")
def test_a_year(year, begin, seed, size, figure):
    site = year.site
    steps = int(os.environ.get("CLOSELOOP_YEAR_STEPS") or size(120, 2000))
    answers, end = size(800, 10000), begin + size(28, 366) * 86400
    started = time.monotonic()
    for configuration in (site.configuration, site.second_configuration()):
        site.start(configuration=configuration, **faketime.faked(year.clock.file, monotonic=True))
    kill_at = set(year.rng.sample(range(5, steps), max(steps // 60, 2)))
    restart_at = {steps // 3: signal.SIGINT, 2 * steps // 3: signal.SIGQUIT}
    sent = 0
    for step in range(steps):
        year.to(year.next_moment(end, steps - step))
        year.answered.clear()
        wanted = int(answers * min(1, (year.clock.now() - begin) / (end - begin)))
        for _ in range(wanted - sent):
            year.answer()
        sent = max(sent, wanted)
        if step in kill_at:
            year.kill()
        if step in restart_at:
            year.restart_postgres(restart_at[step])
        if year.rng.random() < 0.8:
            year.settle()
        year.act()  # now and then while the daemons are at it
        year.settle()
    year.end()
    lived = time.monotonic() - started
    found = year_check.check(site, year.settled_at)
    figure(f"seed {seed}: {(year.clock.now() - begin) / 86400:.0f} days in {lived:.0f} s and {steps} steps; {found.summary}; {year.kills} kills;"
           f" {year.acts} actions, {year.refused} refused; {len(found.violations)} violations")
    assert not found.violations, f"seed {seed}, {len(found.violations)} violations:\n" + "\n".join(found.violations[:40] + found.stories(4))
