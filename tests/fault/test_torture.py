"""
Every allocation and every socket call of a short run fails once, one per run (curl's torture method; tests/support/faultlib.c).

Out of memory ends the daemon with 71 by design, or fails what libpq or libcurl were about to do; a socket call that fails costs
a connection. Either way the next daemon goes on, and the invariants hold.

SPDX-License-Identifier: Apache-2.0
"""
import os
import signal
import subprocess

import pytest

import invariants
import servers
from test_mail import due_now

OUT_OF_MEMORY = 71
LIBRARY = os.environ.get("FAULTLIB", "")
pytestmark = pytest.mark.skipif(not os.path.exists(LIBRARY) or "CLOSELOOP_SANITIZE" in os.environ,
                                reason="FAULTLIB doesn't name the library, or a sanitizer has an allocator of its own")


class Lives:
    """What arrived in a daemon's life without being settled in it may come once more. Nothing else may."""

    def __init__(self, site):
        self.site, self.mails, self.requests, self.unsettled = site, 0, 0, 0

    def arrivals(self):
        """What has arrived since the last look."""
        mails, requests = self.site.mailbox.mails[self.mails:], self.site.hook.requests[self.requests:]
        self.mails, self.requests = self.mails + len(mails), self.requests + len(requests)
        return ({invariants.MESSAGE_ID.match(str(mail.message["message-id"])).group(1) for mail in mails}
                | {request.headers["webhook-id"] for request in requests if 200 <= request.status < 300})

    def expire(self):
        """As if 30 s had gone by since the last one ended: what it had in its hands is due."""
        held = {row[0] for row in self.site.q("UPDATE closeloop.messages SET next_at = clock_timestamp(), lease_until = clock_timestamp()"
                                              " WHERE state = 'leased' RETURNING id::text")}
        unsettled = len(held & self.arrivals())
        self.site.excuse(unsettled)
        self.unsettled += unsettled


def busy(site):
    return site.one("SELECT (SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NULL)"
                    " + (SELECT count(*) FROM closeloop.messages WHERE state IN ('queued', 'leased'))")


STUCK = "stuck"
# libpq swallows an answer when it finds no memory for it; the daemon gives such a statement up after 60 s. It is killed before.
PATIENCE_S = 6


def short_run(lives, number, **environment):
    """One daemon's life: ready, two responses, stopped or fallen. Its exit code, or STUCK when it had to be killed."""
    site = lives.site
    armed = site.folder / "armed"
    armed.unlink(missing_ok=True)
    daemon = site.start(LD_PRELOAD=LIBRARY, FAULT_ARM=str(armed), FAULT_TRACE="1", **environment)
    daemon.ended_well = True  # whatever becomes of it: the exit code is looked at below
    lives.expire()
    armed.touch()
    for account in ("hanbit", "elbhof"):
        site.respond(customer_id=f"t{number}-{account}", account=account)
    try:
        servers.wait_until(lambda: daemon.process.poll() is not None or due_now(site) or busy(site) == 0, PATIENCE_S, "the end")
    except TimeoutError:
        daemon.kill()
    armed.unlink()
    killed = daemon.process.returncode == -signal.SIGKILL
    if daemon.process.poll() is None:
        daemon.stop()
        daemon.ended_well = True
    return STUCK if killed else daemon.process.returncode


def counts(lives):
    """How many allocations and socket calls there are in such a run."""
    file = lives.site.folder / "counts"
    assert short_run(lives, 0, FAULT_COUNT=str(file)) == 0
    return [int(n) for n in file.read_text(encoding="ascii").split()]


def sample(n, wanted):
    """The first to the n-th, or so many of them, spread evenly."""
    return range(1, n + 1) if n <= wanted else sorted({1 + i * (n - 1) // (wanted - 1) for i in range(wanted)})


def torture(lives, total, wanted, tell, what, **environment):
    site, (figure, progress), codes = lives.site, tell, {}
    for n in sample(total, wanted):
        progress(n, total)
        fault = {k: str(n) if v is None else v for k, v in environment.items()}
        code = short_run(lives, f"{what}-{n}", **fault)
        assert code in (0, OUT_OF_MEMORY, STUCK), f"{what} {n}: ended with {code}\n{site.daemons[-1].log}"
        codes[code] = codes.get(code, 0) + 1
    site.start()
    lives.expire()
    site.wait(lambda: due_now(site) or busy(site) == 0, "the clean run", 60)
    site.settled()
    site.excuse(2 * site.one("SELECT count(*) FROM closeloop.attempts WHERE outcome = 'ambiguous'"))
    site.check()
    figure(f"{total} in a run; exit codes {codes}; {site.copies} copies, {lives.unsettled} arrivals that weren't settled when the daemon ended")


def test_each_allocation_fails(strict_site, size, figure, progress):
    lives = Lives(strict_site)
    total = counts(lives)[0]
    torture(lives, total, size(10, 2000), (figure, progress), "allocation", FAULT_ALLOCATION=None)


@pytest.mark.parametrize("kind", ["reset", "eintr", "eagain", "short"])
def test_each_socket_call_fails(strict_site, size, figure, progress, kind):
    lives = Lives(strict_site)
    total = counts(lives)[1]
    if kind == "reset":
        strict_site.repeats = 1
        strict_site.excuse(total)  # each may be the answer to a request
    torture(lives, total, size(4, 1000), (figure, progress), kind, FAULT_SOCKET=None, FAULT_KIND=kind)


def test_the_library_does_what_it_says(tmp_path):
    """Otherwise the runs above would prove nothing."""
    file = tmp_path / "counts"
    done = subprocess.run(["/bin/true"], env={"LD_PRELOAD": LIBRARY, "FAULT_COUNT": str(file)}, check=False)
    assert done.returncode == 0 and file.exists()
    program = "import socket; a, b = socket.socketpair(); a.send(b'xy'); print(b.recv(9))"
    run = lambda **env: subprocess.run(["/usr/bin/python3", "-c", program], capture_output=True, text=True, check=False,  # noqa: E731
                                       env={"LD_PRELOAD": LIBRARY, **env})
    assert run().stdout == "b'xy'\n"
    assert run(FAULT_SOCKET="1", FAULT_KIND="short").stdout == "b'x'\n"
    assert "ConnectionResetError" in run(FAULT_SOCKET="1").stderr
    assert run(FAULT_ALLOCATION="1").returncode != 0 or "MemoryError" in run(FAULT_ALLOCATION="5").stderr
