"""
People press buttons and commands read while PostgreSQL dies, or its answer is cut off. What a page has said is so; what it hasn't may be
done or not, and pressed again it is done once. A replay that was cut off prints no figures.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import http.client
import random
import re
import signal
import threading
import time

import psycopg2.extras
import pytest

import servers
from chaos_proxy import ChaosProxy
from pages import LINK_KEY, http_section, signed_in, write_secret
from stream import Stream

PACE_S = 0.11  # one address is served ten times a second


def with_pages(site, **sections):
    write_secret(site, "link-key", LINK_KEY)
    return site.daemon(http=http_section(site), **sections)


@pytest.fixture
def link(pg):
    proxy = ChaosProxy(pg.port)
    yield proxy
    proxy.stop()


class Presser:
    """Minsu resolves one case after the other; what each press was answered is kept."""

    def __init__(self, site, cases, around=contextlib.nullcontext):
        self.site, self.browser, self.said, self.around = site, signed_in(site, "minsu"), {}, around
        self.cases, self.forms = cases, {}
        for case in cases:
            self.forms[case] = self.browser.get(f"/case/{case}")
            assert self.forms[case].status == 200
            time.sleep(PACE_S)
        self.failure = None
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def press(self, case):
        return self.browser.act(self.forms[case], f"/case/{case}", "resolve", cause="late", note="canary: called")

    def _run(self):
        try:
            for case in self.cases:
                try:
                    with self.around():
                        self.said[case] = self.press(case).status
                except (OSError, http.client.HTTPException):
                    self.said[case] = None
                if self.said[case] != 303:
                    servers.wait_until(self.is_answered, 40, "the pages", 0.3)
                time.sleep(PACE_S)
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e

    def is_answered(self):
        try:
            return self.browser.get("/inbox").status == 200
        except (OSError, http.client.HTTPException):
            return False

    def is_done(self):
        assert self.failure is None, self.failure
        return not self.thread.is_alive()

    def resolved(self, case):
        return self.site.one("SELECT count(*) FROM closeloop.case_events WHERE case_id = %s AND kind = 'resolved'", case)

    def judge(self, figure, what):
        kept = unsaid = 0
        for case, status in self.said.items():
            done = self.resolved(case)
            assert status in (303, 503, None), f"case {case}: answered {status}"
            assert done == 1 if status == 303 else done <= 1, f"case {case}: the page said {status}, and it was resolved {done} times"
            kept += status == 303
            unsaid += status != 303 and done == 1
            if status != 303:
                self.site.wait(lambda c=case: self.press(c).status == 303, "pressed again")
            assert self.resolved(case) == 1
        figure(f"{what}; {len(self.said)} presses: {kept} answered and done, {unsaid} done without an answer, the others done when pressed again; once each")


def cases_of_minsu(site, n):
    for i in range(n):
        site.committed.add(site.respond(customer_id=f"p{i}", account="hanbit"))
    site.settled()
    return [row[0] for row in site.q("SELECT id FROM closeloop.cases WHERE customer_id LIKE 'p%%' ORDER BY id")]


def told(site):
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.notices") == 0, "all noticed", 40)
    site.settled(40)
    site.may_differ.add("gone")


def test_postgresql_dies_under_a_press(strict_own_site, size, figure):
    """The server crashes again and again while buttons are pressed."""
    site, n, rng = strict_own_site, size(40, 150), random.Random(2)
    with_pages(site)
    presser, crashes = Presser(site, cases_of_minsu(site, n)), 0
    while not presser.is_done():
        time.sleep(rng.uniform(0.1, 0.5))
        site.excuse(site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'leased'"))
        site.server.stop(signal.SIGQUIT)
        site.server.start()
        crashes += 1
        site.daemons[0].wait_ready(40)
    presser.judge(figure, f"{crashes} crashes")
    told(site)


def test_the_answer_to_a_press_is_cut(strict_site, link, size, figure):
    """The server has committed what the page asked for, and its answer is lost."""
    site, n = strict_site, size(30, 100)
    with_pages(site, database=f'{{ conninfo = "host=127.0.0.1 port={link.port} dbname={site.database} user=postgres"; }}')
    rng = random.Random(3)

    @contextlib.contextmanager
    def cut():
        link.swallow = b"SELECT 1\0" if rng.random() < 0.4 else None  # of a function that acts, too
        yield
        link.swallow = None

    presser = Presser(site, cases_of_minsu(site, n), cut)
    site.wait(presser.is_done, "all presses", 5 * n)
    presser.judge(figure, f"{link.broken} answers cut")
    site.excuse(link.broken)
    told(site)


def history(site, n):
    with site.db.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "INSERT INTO closeloop.responses (nps, customer_id, responded_at) VALUES %s", [
            (i % 11, f"k{i}", time.strftime("%Y-%m-%d", time.gmtime(time.time() - 86400 * (1 + i % 50)))) for i in range(n)])
    site.q("DELETE FROM closeloop.inbox")


def without_duration(figures):
    """A replay says in its first line how long it took."""
    return re.sub(r" · \d+\.\d s$", "", figures, count=1, flags=re.MULTILINE)


def test_a_backtest_is_cut_off(site, link, figure):
    """Half of the past is no past: no figures, and exit code 69."""
    history(site, 20_000)
    site.configure(database=f'{{ conninfo = "host=127.0.0.1 port={link.port} dbname={site.database} user=postgres"; }}')
    whole = without_duration(site.run("backtest"))
    assert whole.startswith("20,000 responses")
    cuts = (b"k5\t", b"k9999", b"k19", b"COPY ")
    for pattern in cuts:
        link.swallow, broken = pattern, link.broken
        done = site.closeloop("backtest")
        link.swallow = None
        if link.broken == broken:  # it reads less than was thought
            assert done.returncode == 0
            continue
        assert (done.returncode, done.stdout) == (69, ""), (pattern, done.returncode, done.stdout[:300], done.stderr)
        assert done.stderr.startswith("closeloop: ") and "Traceback" not in done.stderr
    assert link.broken >= 2, "nothing was cut off in the middle"
    assert without_duration(site.run("backtest")) == whole
    figure(f"{link.broken} replays cut off")


def test_a_backtest_while_the_server_crashes(own_site, figure):
    site, n = own_site, 60_000
    history(site, n)
    crashes = told_so = 0
    for wait_s in (0.02, 0.05, 0.1, 0.2, 0.3):
        done = []
        thread = threading.Thread(target=lambda d=done: d.append(site.closeloop("backtest")))
        thread.start()
        time.sleep(wait_s)
        site.server.stop(signal.SIGQUIT)
        site.server.start()
        thread.join()
        crashes += 1
        assert done[0].returncode in (0, 69), done[0]
        assert (done[0].stdout == "") == (done[0].returncode == 69)
        told_so += done[0].returncode == 69
    assert told_so, "it was over each time"
    figure(f"{crashes} crashes, {told_so} replays that said so and printed nothing")


def test_reloads_while_sessions_end(strict_site, size, figure):
    """New rules again and again, and the sessions over which they are stored and looked for end at random: in the end the last ones live."""
    site, rounds, rng = strict_site, size(12, 120), random.Random(7)
    daemon = site.warm(site.daemon())
    standard = site.sections["rules"].rstrip()[:-1]
    stream = Stream(site, per_second=30).start()
    for i in range(rounds):
        site.configure(rules=standard + f' r{i}: {{ when = "customer_id = \'nobody-{i}\'"; }}; }}',
                       sources=f'{{ s{i}: {{ settle = "{i + 1}h"; }}; }}')
        site.q("SELECT closeloop.reload_ask('test')")
        time.sleep(rng.uniform(0, 0.03))
        site.q("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'closeloop' AND datname = current_database()"
               " ORDER BY random() LIMIT %s", rng.randint(1, 3))
        time.sleep(rng.uniform(0, 0.3))
    stream.stop()
    site.recovered(daemon)
    site.wait(lambda: site.nudge() or site.one("SELECT r.text LIKE %s FROM closeloop.daemons AS d JOIN closeloop.rulesets AS r ON r.sha256 = d.ruleset"
                                               " WHERE d.stopped_at IS NULL", f"%nobody-{rounds - 1}%"), "the last rules live", 40)
    site.wait(lambda: site.q("SELECT source FROM closeloop.source_settings") == [(f"s{rounds - 1}",)], "its settle windows")
    site.wait(lambda: site.one("SELECT reload_id = (SELECT max(id) FROM closeloop.reloads) FROM closeloop.daemons"), "the last request answered", 40)
    site.check()
    figure(f"{rounds} reloads, {len(site.committed)} responses; {site.copies} copies")
