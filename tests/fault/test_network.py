"""
The network between the daemon and PostgreSQL: answers that are cut off, links that are dead. What became of a statement is
then unknown; the daemon asks the tables instead of guessing.

SPDX-License-Identifier: Apache-2.0
"""
import random
import time

import pytest

from chaos_proxy import ChaosProxy
from stream import Stream


@pytest.fixture
def link(pg):
    proxy = ChaosProxy(pg.port)
    yield proxy
    proxy.stop()


def behind(site, link):
    """A daemon that reaches PostgreSQL through the link only, and has worked already."""
    site.configure(database=f'{{ conninfo = "host=127.0.0.1 port={link.port} dbname={site.database} user=postgres"; }}')
    return site.warm(site.daemon())


# What the server says when it has done it: each is an acknowledgement that never comes.
ANSWERS = {"commit": b"COMMIT\0", "settled": b"INSERT 0 ", "claimed": b"UPDATE ", "begun": b"BEGIN\0"}


@pytest.mark.parametrize("which", ANSWERS)
def test_answer_cut(strict_site, link, size, figure, which):
    """The server has done it, the answer is lost: a COMMIT, the settling of a message, a lease, the start of a claim."""
    site, rounds = strict_site, size(3, 15)
    daemon = behind(site, link)
    stream = Stream(site, per_second=40).start()
    rng = random.Random(which)
    for _ in range(rounds):
        time.sleep(rng.uniform(0.05, 0.3))
        broken = link.broken
        link.swallow = ANSWERS[which]
        site.wait(lambda: link.broken > broken, "an answer cut off")
        link.swallow = None
        daemon.wait_ready()
    stream.stop()
    took = site.recovered(daemon)
    site.check()
    figure(f"{link.broken} answers cut, {len(site.committed)} responses, drained {took:.1f} s after; {site.copies} copies")


def test_connections_reset(strict_site, link, size, figure):
    site, rounds = strict_site, size(8, 100)
    daemon = behind(site, link)
    stream = Stream(site).start()
    rng = random.Random(5)
    for _ in range(rounds):
        time.sleep(rng.uniform(0.05, 0.8))
        link.rule = "reset"
        time.sleep(rng.uniform(0.05, 0.2))
        link.rule = "pass"
    stream.stop()
    took = site.recovered(daemon)
    site.check()
    figure(f"{rounds} times, {len(site.committed)} responses, drained {took:.1f} s after; {site.copies} copies")


def test_black_hole(strict_site, link, size, figure):
    """Everything is taken, nothing answered. The pages go on, mails under way arrive, and a dead link is given up in the end."""
    site, seconds = strict_site, size(40, 100)
    daemon = behind(site, link)
    stream = Stream(site, per_second=size(20, 60)).start()
    time.sleep(1)
    link.rule = "blackhole"
    ends, slowest, gone = time.monotonic() + seconds, 0.0, None
    while time.monotonic() < ends:
        started = time.monotonic()
        assert daemon.get("/livez")[0] == 200
        slowest = max(slowest, time.monotonic() - started)
        if gone is None and daemon.get("/readyz")[0] == 503:
            gone = seconds - (ends - time.monotonic())
        time.sleep(0.05)
    site.excuse(daemon.leased())  # leases may run out meanwhile
    link.rule = "pass"
    stream.stop()
    took = site.recovered(daemon)
    assert slowest < 5, "the main thread was blocked"
    assert gone and gone < size(37, 27), f"a dead link was noticed after {gone} s"
    site.check()
    figure(f"{seconds} s, /livez took {slowest * 1000:.0f} ms at most, noticed after {gone or 0:.0f} s, drained {took:.1f} s after;"
           f" {site.copies} copies")


def test_another_daemon_takes_over(strict_site, link, figure):
    """One daemon is cut off with messages in its hands; the other one sends them when their leases have run out."""
    site = strict_site
    site.mailbox.delay = 0.05
    first = behind(site, link)
    direct = f'{{ conninfo = "{site.server.conninfo(site.database)}"; }}'
    site.sections["database"] = direct
    second = site.second_configuration()
    stream = Stream(site, per_second=40).start()
    time.sleep(1.5)
    link.rule = "blackhole"
    started = time.monotonic()
    time.sleep(0.5)  # a lease that the server granted in this moment may still have come through
    site.excuse(first.leased())
    stream.stop()
    site.start(configuration=second)
    site.settled()
    took = time.monotonic() - started
    assert took < 55  # a lease and what it takes to notice; two leases would be 60
    link.rule = "pass"
    first.wait_ready(40)
    site.settled()
    site.check()
    figure(f"all sent {took:.1f} s after the cut; {site.copies} copies, {site.excuses} were leased")
