"""
Mail servers that break off, stall, refuse and forget. The servers' side is a real SMTP server behind a proxy that cuts.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest

from chaos_proxy import ChaosProxy
from company import OWNERS
from resolver import slow_resolver

BIG = "canary " * 6000  # a mail of several chunks


@pytest.fixture
def relay(strict_site):
    """The way to the mailbox; the configuration leads through it."""
    site = strict_site
    proxy = ChaosProxy(site.mailbox.port)
    site.configure(email=f'{{ url = "smtp://127.0.0.1:{proxy.port}"; tls = "off"; connections = 2;'
                         ' from = "Halden Care <care@halden.example>"; }')
    yield proxy
    proxy.stop()


def due_now(site):
    """Nobody waits for the next try here: what is planned for later is due now, and the breaker lets one through."""
    site.q("UPDATE closeloop.messages SET next_at = clock_timestamp() WHERE state = 'queued'")
    if site.q("UPDATE closeloop.endpoints SET until = clock_timestamp() WHERE until > clock_timestamp() RETURNING name"):
        site.q("NOTIFY closeloop")  # daemons sleep until the time that they knew


def delivered(site, seconds=30):
    """The fault is gone: everything leaves."""
    site.wait(lambda: due_now(site) or site.one("SELECT count(*) FROM closeloop.messages"
                                                " WHERE state IN ('queued', 'leased')") == 0, "all delivered", seconds)
    site.settled()


def tried(site, outcome, n=1):
    return site.one("SELECT count(*) FROM closeloop.attempts a JOIN closeloop.messages m ON m.id = a.message_id"
                    " WHERE m.channel = 'email' AND a.outcome = %s", outcome) >= n


def test_the_acknowledgement_is_lost(strict_site, relay, size, figure):
    """The mail is in the mailbox, 250 never comes: it is sent again under the same id, and counted as ambiguous."""
    site, n = strict_site, size(5, 50)
    daemon = site.warm(site.daemon())
    relay.swallow = b"2.0.0 caught"
    for i in range(n):
        site.respond(customer_id=f"k{i}", account=("hanbit", "elbhof")[i % 2])
    site.wait(lambda: due_now(site) or relay.broken >= n, "acknowledgements cut")
    relay.swallow = None
    delivered(site)
    site.excuse(relay.broken)
    site.recovered(daemon)
    assert daemon.metric("messages_total", channel="email", outcome="ambiguous") == relay.broken
    site.check()
    assert site.copies == relay.broken
    figure(f"{relay.broken} acknowledgements cut, {site.copies} copies")


PHASES = {  # what breaks the connection: an answer that is swallowed, or a command after which it ends
    "greeting": ("swallow", b"220 "), "hello": ("cut", b"EHLO"), "features": ("swallow", b"250 HELP"),
    "sender": ("cut", b"MAIL FROM"), "recipient": ("cut", b"RCPT TO"), "data": ("swallow", b"354 "), "body": ("cut", b"Message-ID"),
}


def test_cut_in_every_phase(strict_site, relay, figure):
    site = strict_site
    daemon = site.warm(site.daemon())
    for phase, (how, pattern) in PHASES.items():
        relay.close_all()
        broken, mails = relay.broken, len(site.mailbox.mails)
        setattr(relay, how, pattern)
        site.respond(customer_id=phase, account="hanbit", comment=BIG)
        site.wait(lambda b=broken: due_now(site) or relay.broken >= b + 2, f"cut at {phase}")
        setattr(relay, how, None)
        assert len(site.mailbox.mails) == mails, f"a mail cut at {phase} arrived"
        delivered(site)
    site.recovered(daemon)
    site.check()
    assert site.copies == 0
    figure(f"{relay.broken} connections cut in {len(PHASES)} phases, no copy")


def test_421_in_the_middle(strict_site, relay):
    site = strict_site
    daemon = site.warm(site.daemon())
    site.mailbox.replies["minsu@halden.example"] = ["421 4.3.2 going down"] * 3
    site.mailbox.data_replies["anna@halden.example"] = ["421 4.3.2 going down"] * 2
    for i in range(6):
        site.respond(customer_id=f"k{i}", account=("hanbit", "elbhof")[i % 2])
    site.wait(lambda: tried(site, "retry", 3), "the first refusals")
    delivered(site)
    site.recovered(daemon)
    site.check()
    assert site.copies == 0


def test_slow_loris_delays_nobody_else(strict_site, relay, figure):
    """I8: a mail server that drips its answers; webhooks, pages and the inbox don't notice."""
    site = strict_site
    daemon = site.warm(site.daemon())
    relay.close_all()
    relay.drip = 0.2
    for i in range(20):
        site.respond(customer_id=f"k{i}", account="hanbit")
    started = time.monotonic()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook' AND state = 'sent'") >= 50,
              "the webhooks")
    took = time.monotonic() - started
    assert took < 10 and daemon.get("/livez")[0] == 200
    assert len(site.mailbox.mails) < 40
    relay.drip = 0
    delivered(site)
    site.recovered(daemon)
    site.check()
    figure(f"20 webhooks in {took * 1000:.0f} ms beside it")


def test_a_name_server_that_does_not_answer(strict_site, figure):
    """The mail server's name takes two minutes to resolve: webhooks and judging go on, and the daemon ends when it is told to."""
    site = strict_site
    site.configure(email='{ url = "smtp://mail.slow.invalid:25"; connections = 2; from = "Halden Care <care@halden.example>"; }')
    site.own(*OWNERS)
    first = site.start(**slow_resolver())
    for i in range(20):
        site.respond(customer_id=f"k{i}", account="hanbit")
    started = time.monotonic()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook' AND state = 'sent'") == 20, "the webhooks")
    took = time.monotonic() - started
    assert took < 10 and first.get("/livez")[0] == 200
    started = time.monotonic()
    assert first.stop() == 0
    stopped = time.monotonic() - started
    site.excuse(first.leased())
    site.expire_leases(first)
    del site.sections["email"]
    site.configure()
    site.start()
    delivered(site)
    figure(f"20 webhooks in {took * 1000:.0f} ms beside it; ended within {stopped:.1f} s")


def test_a_slow_250_brings_no_second_copy(strict_site, relay, size, figure):
    """The lease of 30 s is renewed while the mail is under way, so another daemon leaves it alone."""
    site, seconds = strict_site, size(34, 65)
    site.daemon()
    site.start(configuration=site.second_configuration())
    site.mailbox.delay = seconds
    for i in range(3):
        site.respond(customer_id=f"k{i}", account="hanbit")
    site.mails(2, seconds=seconds + 15)
    site.mailbox.delay = 0
    site.mails(3, seconds=seconds + 15)
    site.settled()
    site.check()
    assert site.copies == 0 and len(site.mailbox.mails) == 3
    assert site.one("SELECT max(fence) FROM closeloop.messages WHERE channel = 'email' AND attempt = 1") == 1
    figure(f"answered after {seconds} s, two daemons, no copy")


def test_down_for_an_hour(strict_site, relay, figure):
    """Every try that falls into the hour fails and is planned again; when the server is back each mail leaves once."""
    site = strict_site
    daemon = site.warm(site.daemon())
    relay.rule = "refuse"
    relay.close_all()
    for i in range(8):
        site.respond(customer_id=f"k{i}", account="hanbit")
    waited, tries = 0.0, 0
    while waited < 3600:
        site.wait(lambda n=tries: site.one("SELECT count(*) FROM closeloop.attempts WHERE outcome <> 'sent'") > n, "a try")
        site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'leased'") == 0, "it recorded")
        tries = site.one("SELECT count(*) FROM closeloop.attempts WHERE outcome <> 'sent'")
        # The clock moves to the next try: the soonest of the messages, or the breaker's probe if that is later.
        step = site.one("SELECT extract(epoch FROM greatest((SELECT min(next_at) FROM closeloop.messages WHERE state = 'queued'),"
                        " (SELECT max(until) FROM closeloop.endpoints)) - clock_timestamp())::float8")
        step = max(step, 0) + 0.1
        waited += step
        site.q("UPDATE closeloop.messages SET next_at = next_at - make_interval(secs => %s),"
               " queued_at = queued_at - make_interval(secs => %s) WHERE state = 'queued'", step, step)
        site.q("UPDATE closeloop.endpoints SET until = until - make_interval(secs => %s)", step)
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state IN ('queued', 'leased')") == 8
    relay.rule = "pass"
    delivered(site)
    site.recovered(daemon)
    site.check()
    assert site.copies == 0
    figure(f"{tries} tries in {waited / 60:.0f} minutes, then 8 mails, no copy")
