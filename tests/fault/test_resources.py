"""
No descriptors left, very long answers, a clock that jumps. The daemon degrades, says so, and recovers by itself.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import socket
import subprocess
import time

import pytest

import faketime
import servers
from company import RESIDENT_KIB_MAX
from test_mail import delivered, due_now


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def limit_descriptors(daemon, soft):
    subprocess.run(["prlimit", f"--pid={daemon.process.pid}", f"--nofile={soft}:"], check=True)


def test_descriptors_exhausted(strict_site, figure):
    """Neither a new mail connection nor a new webhook connection can be made; judging goes on, nothing spins, all leaves later."""
    site = strict_site
    daemon = site.warm(site.daemon())
    site.mailbox.stop()  # kept connections end, so that new ones are needed
    catcher = servers.MailCatcher()
    before = os.listdir(f"/proc/{daemon.process.pid}/fd")
    limit_descriptors(daemon, max(map(int, before)) - 3)
    visitors = [socket.create_connection(("127.0.0.1", daemon.port)) for _ in range(30)]
    for i in range(20):
        site.respond(customer_id=f"k{i}", account="hanbit")
    site.cases(50)
    started, cpu = time.monotonic(), cpu_seconds(daemon.process.pid)
    time.sleep(2)
    busy = (cpu_seconds(daemon.process.pid) - cpu) / (time.monotonic() - started)
    assert busy < 0.5, f"{busy:.0%} of a core while nothing can be done"
    assert daemon.process.poll() is None
    for visitor in visitors:
        visitor.close()
    limit_descriptors(daemon, 1024)
    catcher.mails = site.mailbox.mails
    site.mailbox = catcher.start()
    site.configure()
    daemon.hang_up()
    delivered(site)
    site.recovered(daemon)
    figure(f"{busy:.0%} of a core meanwhile")


@pytest.mark.skipif("CLOSELOOP_SANITIZE" in os.environ, reason="a sanitizer takes memory of its own")
@pytest.mark.parametrize("after_short_ones", (False, True))
def test_long_answers_fit_into_memory(site, figure, after_short_ones):
    """A thousand at once, each of 36 kB, which makes a mail of 86: neither all of a batch nor all of a claim is in memory at once."""
    site.configure(top={"delivery": "hold"}, defaults='{ route = "mail"; follow_up = "standard"; priority = "normal"; }')
    site.own(("account", "hanbit", "minsu"))
    daemon = site.start()
    if after_short_ones:
        site.q("INSERT INTO closeloop.responses (customer_id, nps, comment) SELECT 'short' || i, 8, 'fine' FROM generate_series(1, 20000) AS i")
        site.wait(lambda: site.one("SELECT count(*) = 0 FROM closeloop.inbox"), "short answers judged")
    site.q("INSERT INTO closeloop.responses (customer_id, account, nps, comment) SELECT 'long' || i, 'hanbit', 2,"
           " repeat('The engineer came late. ', 1500) FROM generate_series(1, 1000) AS i")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages") == 1000, "a thousand mails", 60)
    judged = daemon.peak_kib()
    site.q("UPDATE closeloop.messages SET state = 'cancelled' WHERE seq > (SELECT min(seq) + 199 FROM closeloop.messages)")
    site.configure(top={"delivery": "live"})
    daemon.hang_up()
    site.mails(200, seconds=60)
    site.settled()
    figure(f"after short ones {after_short_ones}: peak {judged} kB as they were judged, {daemon.peak_kib()} kB after 200 of them were sent; a mail has"
           f" {len(site.mailbox.mails[0].raw)} bytes")
    assert daemon.peak_kib() <= RESIDENT_KIB_MAX


@pytest.mark.skipif(not faketime.LIBRARY, reason="libfaketime is not installed (package faketime)")
def test_the_daemons_clock_jumps(strict_site, figure):
    """Promises are kept by PostgreSQL's clock: the daemon's own may jump a day ahead and back, nothing is early, lost or doubled."""
    site = strict_site
    site.clock_jumps = True
    clock = site.folder / "clock"
    faketime.tell(clock, "+0")
    site.configure()
    site.own(("account", "hanbit", "minsu"), ("account", "elbhof", "anna"))
    daemon = site.warm(site.start(**faketime.faked(clock)))
    site.hook.replies = [(503, {}, 0)] * 3
    jumps = ("+1d", "-1d", "+2h", "-90m", "+0")
    for i, offset in enumerate(jumps):
        faketime.tell(clock, offset)
        for k in range(8):
            site.respond(customer_id=f"j{i}-{k}", account=("hanbit", "elbhof")[k % 2])
        site.cases(30 + 8 * (i + 1), 10)
        assert daemon.get("/livez")[0] == 200
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'sent'") >= 2 * 70 - 3, "the mails and webhooks")
    early = site.one("SELECT count(*) FROM closeloop.cases WHERE acknowledge_due_at <> opened_at + interval '4 hours'")
    assert early == 0
    waiting = site.q("SELECT next_at - clock_timestamp() BETWEEN interval '-1 minute' AND interval '1 minute' FROM closeloop.messages"
                     " WHERE state = 'queued' AND attempt = 1")
    assert all(w[0] for w in waiting), "a retry was planned by the wrong clock"
    due_now(site)
    delivered(site)
    site.recovered(daemon)
    site.check()
    assert site.copies == 0
    figure(f"jumps {', '.join(jumps)}; no copy")
