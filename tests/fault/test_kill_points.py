"""
The daemon dies at each socket call of what it does on one occasion, one life after the other: reading a new configuration, merging and
amending, judging what has settled, answering a page, mailing a link, telling operators, opening a breaker. The next life finishes what
this one began; the invariants hold in the end, and what a page has said.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import signal
import threading

import pytest

import kill_points
import servers
from pages import Browser, http_section, paged, signed_in  # noqa: F401
from test_mail import due_now

pytestmark = pytest.mark.skipif(not kill_points.is_there(), reason=kill_points.WHY_NOT)
PATIENCE_S = 60  # a lease that is granted in the moment of its daemon's death takes 30


LEFT = """SELECT 'notice', kind, NULL FROM closeloop.notices UNION ALL SELECT 'inbox', response_id::text, available_at FROM closeloop.inbox WHERE NOT settles
    UNION ALL SELECT 'message', kind || ' ' || state, next_at FROM closeloop.messages WHERE state IN ('queued', 'leased', 'held')
    UNION ALL SELECT 'link', person, at FROM closeloop.link_requests WHERE mailed_at IS NULL
    UNION ALL SELECT 'incident', subject, look_at FROM closeloop.operator_news WHERE told_at IS NULL"""


def is_quiet(site):
    """Nothing is under way, due or noticed."""
    return not site.q(LEFT)


class Occasion:
    """Something that happens to a daemon; n is the number of the life in which it does."""

    top, sections = {}, {}

    def __init__(self, site):
        self.site = site

    def begin(self, n):
        raise NotImplementedError

    def is_over(self, n):
        return is_quiet(self.site)

    def mend(self, n):
        """Before the next life is waited for."""

    def after(self, n):
        """In the next life: what came of it."""


class Reload(Occasion):
    """Each time another set of rules, with another settle window, people and promises; asked for over the database."""

    asked = 0

    def begin(self, n):
        site = self.site
        site.changed.update((f"r{n}-quick", f"r{n}-slow"))
        site.configure(sources=f'{{ slow: {{ settle = "{1 + n % 2}s"; }}; s{n}: {{ settle = "1h"; }}; }}',
                       rules=site.standard_rules[:-1] + f' r{n}: {{ when = "customer_id = \'nobody-{n}\'"; }}; }}',
                       follow_ups=f'{{ standard: {{ acknowledge_within = "{n + 1}h"; resolve_within = "2d"; }}; }}')
        self.asked = site.one("SELECT closeloop.reload_ask('test')")
        site.respond(source="quick", source_id=f"r{n}-quick", customer_id=f"r{n}-quick", account="hanbit")
        site.respond(source="slow", source_id=f"r{n}-slow", customer_id=f"r{n}-slow", account="elbhof")

    def is_over(self, n):
        return is_quiet(self.site) and self.site.one(
            "SELECT bool_and(reload_id = %s) FROM closeloop.daemons WHERE stopped_at IS NULL", self.asked) \
            and self.site.one("SELECT count(*) FROM closeloop.inbox") == 0

    def after(self, n):
        site = self.site
        site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "all judged")
        windows = {"slow": 1 + n % 2, f"s{n}": 3600}
        site.wait(lambda: dict(site.q("SELECT source, extract(epoch FROM settle)::int FROM closeloop.source_settings")) == windows, "its windows")
        assert site.one("SELECT last_value FROM closeloop.settling_sources") == 2
        live = site.q("SELECT r.text FROM closeloop.daemons AS d JOIN closeloop.rulesets AS r ON r.sha256 = d.ruleset WHERE d.stopped_at IS NULL")
        assert len(live) == 1 and f"nobody-{n}" in live[0][0], "the new set is live and stored"
        assert site.one("SELECT count(*) FROM closeloop.cases WHERE customer_id IN (%s, %s)", f"r{n}-quick", f"r{n}-slow") == 2


class Answers(Occasion):
    """Two answers of one customer, both changed: opened, joined, amended, dismissed by itself."""

    def begin(self, n):
        site = self.site
        site.changed.update((f"a{n}-1", f"a{n}-2"))
        first = site.respond(source="x", source_id=f"a{n}-1", customer_id=f"a{n}", account="hanbit", nps=5)
        site.respond(source="x", source_id=f"a{n}-2", customer_id=f"a{n}", account="hanbit", nps=1)
        site.q("UPDATE closeloop.responses SET nps = 0, contact_requested = true WHERE id = %s", first)
        lone = site.respond(source="x", source_id=f"a{n}-3", customer_id=f"lone{n}", account="elbhof", nps=3)
        site.changed.add(f"a{n}-3")
        site.q("UPDATE closeloop.responses SET nps = 8 WHERE id = %s", lone)

    def after(self, n):
        stand = self.site.q("SELECT status::text FROM closeloop.cases WHERE customer_id = %s", f"a{n}")
        assert stand == [("open",)], stand
        alone = self.site.q("SELECT status::text FROM closeloop.cases WHERE customer_id = %s", f"lone{n}")
        assert alone in ([], [("dismissed",)]), alone


class Page(Occasion):
    """Somebody resolves a case on its page."""

    sections = {}

    def begin(self, n):
        site = self.site
        response = site.respond(customer_id=f"p{n}", account="hanbit")
        site.committed.add(response)
        site.wait(lambda: site.one("SELECT case_id FROM closeloop.case_responses WHERE response_id = %s", response) and is_quiet(site), "its case")
        self.case = site.one("SELECT case_id FROM closeloop.case_responses WHERE response_id = %s", response)
        self.path = f"/case/{self.case}"
        self.browser = signed_in(site, "minsu")
        self.page = self.browser.get(self.path)
        self.arm()
        self.said = []

        def press():
            try:
                self.said.append(self.browser.act(self.page, self.path, "resolve", cause="late", note="done"))
            except (OSError, http.client.HTTPException):
                self.said.append(None)
        self.thread = threading.Thread(target=press)
        self.thread.start()

    def is_over(self, n):
        return not self.thread.is_alive() and is_quiet(self.site)

    def resolved(self):
        return self.site.one("SELECT count(*) FROM closeloop.case_events WHERE case_id = %s AND kind = 'resolved'", self.case)

    def after(self, n):
        self.thread.join(30)
        if self.said[0] is not None and self.said[0].status == 303:
            assert self.resolved() == 1, "the page said that it was done"
        again = self.browser.act(self.page, self.path, "resolve", cause="late", note="done")
        assert again.status == 303, again.body
        assert self.resolved() == 1


class Link(Occasion):
    """Somebody asks for a fresh link."""

    def begin(self, n):
        self.site.q("UPDATE closeloop.link_requests SET at = at - interval '20 minutes'")
        self.site.q("SELECT closeloop.page_link_request('anna', NULL)")

    def after(self, n):
        assert self.site.one("SELECT count(*), count(m.id), bool_and(m.state = 'sent') FROM closeloop.link_requests AS l"
                             " LEFT JOIN closeloop.messages AS m ON m.dedup_key = 'link:' || l.id") == (n, n, True)


class Operators(Occasion):
    """An incident begins, of which operators are told by mail."""

    top = {"operators": ["email:ops@halden.example"]}

    def begin(self, n):
        self.site.q("DELETE FROM closeloop.operator_news WHERE told_at IS NOT NULL")
        self.site.q("SELECT closeloop.operator_open('dead_messages', %s, '{}'), closeloop.wake()", f"hook{n}")

    def after(self, n):
        assert self.site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'operator' AND state = 'sent'") == n


class Breaker(Occasion):
    """A receiver fails until its breaker opens, and is well again."""

    def begin(self, n):
        self.site.hook.status = 503
        for i in range(6):
            self.site.committed.add(self.site.respond(customer_id=f"b{n}-{i}", account="hanbit"))

    def is_over(self, n):
        return self.site.one("SELECT breaker = 'open' FROM closeloop.endpoints WHERE name = 'crm'")

    def mend(self, n):
        self.site.hook.status = 204

    def after(self, n):
        assert self.site.one("SELECT breaker FROM closeloop.endpoints WHERE name = 'crm'") == "closed"


class Lives:
    def __init__(self, site, occasion):
        self.site, self.occasion, self.n = site, occasion, 0
        self.armed = site.folder / "armed"
        self.killed = 0

    def live(self, **environment):
        """One daemon's life, from the end of the one before to its own."""
        site, occasion = self.site, self.occasion
        daemon = site.start(**environment)
        daemon.ended_well = True  # whatever becomes of it
        if self.n:
            self.finish(self.n)
        self.n += 1
        if not isinstance(occasion, Page):
            self.armed.touch()
        occasion.begin(self.n)
        servers.wait_until(lambda: daemon.process.poll() is not None or occasion.is_over(self.n), PATIENCE_S,
                           lambda: f"life {self.n}:\n{daemon.log}")
        self.armed.unlink()
        if daemon.process.poll() is None:
            assert daemon.stop() in (0, -signal.SIGKILL)  # it may have come to its call in this moment
        else:
            assert daemon.process.wait() == -9, daemon.log
            self.killed += 1
        site.excuse(daemon.leased())
        site.expire_leases(daemon)
        daemon.ended_well = True

    def finish(self, n):
        self.occasion.mend(n)
        self.site.wait(lambda: self.site.nudge() or due_now(self.site) or is_quiet(self.site), lambda: f"the end of occasion {n}: " + str(
            self.site.q(LEFT)), PATIENCE_S)
        self.occasion.after(n)


@pytest.mark.parametrize("kind", [Reload, Answers, Page, Link, Operators, Breaker])
def test_dead_at_each_call(paged, size, figure, progress, kind):  # noqa: F811
    site = paged
    site.stop_daemons()
    site.strict = True
    site.may_differ.add("gone")
    site.standard_rules = site.sections["rules"].rstrip()
    site.configure(top=kind.top)
    occasion = kind(site)
    lives = Lives(site, occasion)
    occasion.arm = lives.armed.touch
    counts = site.folder / "counts"
    lives.live(**kill_points.environment(counts=counts, armed=lives.armed))
    total = kill_points.counted(counts)
    for done, number in enumerate(kill_points.sample(total, size(6, 400))):
        progress(done, total)
        lives.live(**kill_points.environment(number, armed=lives.armed))
    site.start()
    lives.finish(lives.n)
    site.settled()
    site.check()
    figure(f"{total} calls on this occasion; died at {lives.killed} of them; {site.copies} copies, {site.excuses} leased")
