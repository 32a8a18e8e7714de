"""
PostgreSQL crashes, fails over, fills up, turns people away. The daemon waits, comes back, and nothing is lost or doubled.

SPDX-License-Identifier: Apache-2.0
"""
import os
import random
import signal
import subprocess
import time

import psycopg2
import pytest

import servers
from resolver import slow_resolver
from standby import Standby
from stream import Stream

OURS = "application_name = 'closeloop' AND datname = current_database()"


def test_immediate_restarts(strict_own_site, size, figure):
    site, rounds = strict_own_site, size(3, 25)
    daemon = site.warm(site.daemon())
    stream = Stream(site).start()
    down = []
    for i in range(rounds):
        time.sleep(random.Random(i).uniform(0.2, 1.5))
        site.server.stop(signal.SIGQUIT)
        site.server.start()
        started = time.monotonic()
        daemon.wait_ready(40)
        down.append(time.monotonic() - started)
    stream.stop()
    site.recovered(daemon)
    site.check()
    figure(f"{rounds} crashes, {len(site.committed)} responses; ready {max(down):.1f} s after the server at the latest;"
           f" {site.copies} copies")


@pytest.fixture
def standby(folder):
    """A place for one; it outlives the site's last check."""
    made = []
    yield made
    for server in made:
        server.remove()


def test_promotion_of_a_synchronous_standby(standby, strict_own_site, figure):
    site, primary = strict_own_site, strict_own_site.server
    second = Standby(primary.folder.parent / f"{primary.folder.name}-standby", primary).create()
    standby.append(second)
    second.follow()
    conninfo = (f"host={primary.sockets},{second.sockets} port={primary.port},{second.port} dbname={site.database}"
                " user=postgres target_session_attrs=read-write connect_timeout=3")
    site.configure(database=f'{{ conninfo = "{conninfo}"; }}')
    daemon = site.warm(site.daemon())
    stream = Stream(site, conninfo=conninfo).start()
    time.sleep(2)
    primary.stop(signal.SIGQUIT)
    started = time.monotonic()
    second.promote()
    site.server = second
    first = len(site.committed)
    site.wait(lambda: len(site.committed) > first + 20, "writers on the new primary", 40)
    daemon.wait_ready(40)
    back = time.monotonic() - started
    time.sleep(1)
    stream.stop()
    site.recovered(daemon)
    site.wait(lambda: daemon.metric("database_up") == 1, "the metric")
    site.respond(customer_id="after the failover")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.cases WHERE customer_id = 'after the failover'") == 1,
              "LISTEN on the new primary", 10)
    site.settled()
    site.check()
    figure(f"{len(site.committed)} responses; ready {back:.1f} s after the primary's end; {site.copies} copies")


def test_sessions_terminated(strict_site, size, figure):
    site, rounds = strict_site, size(10, 100)
    daemon = site.warm(site.daemon())
    stream = Stream(site).start()
    rng = random.Random(3)
    for _ in range(rounds):
        time.sleep(rng.uniform(0.05, 0.6))
        site.q(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS} ORDER BY random() LIMIT %s",
               rng.randint(1, 3))
    stream.stop()
    took = site.recovered(daemon)
    site.check()
    figure(f"{rounds} times, {len(site.committed)} responses; drained {took:.1f} s after; {site.copies} copies")


def test_the_servers_name_does_not_resolve(strict_site, figure):
    """A name server that says nothing: the daemon waits, answers /livez, and ends when it is told to."""
    site = strict_site
    site.configure(database=f'{{ conninfo = "host=db.slow.invalid port={site.server.port} dbname={site.database} user=postgres"; }}')
    daemon = site.start(wait=False, **slow_resolver())
    site.wait(lambda: daemon.get("/livez")[0] == 200, "a sign of life")
    until, slowest = time.monotonic() + 4, 0.0
    while time.monotonic() < until:
        asked = time.monotonic()
        assert daemon.get("/livez")[0] == 200 and daemon.get("/readyz")[0] == 503
        slowest = max(slowest, time.monotonic() - asked)
        time.sleep(0.05)
    assert slowest < 5, "the main thread was blocked"
    started = time.monotonic()
    assert daemon.stop() == 0
    figure(f"/livez and /readyz within {slowest * 1000:.0f} ms; ended within {time.monotonic() - started:.1f} s")


def turned_away(site, daemon, refuse, permit):
    """The daemon's sessions end and none can be made for a while; the writers go on."""
    stream = Stream(site).start()
    time.sleep(0.5)
    refuse()
    site.q(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")
    site.wait(lambda: daemon.get("/readyz")[0] == 503, "not ready")
    time.sleep(1)
    assert daemon.get("/livez")[0] == 200 and daemon.process.poll() is None
    written = len(site.committed)
    site.wait(lambda: len(site.committed) > written, "writers that go on")
    permit()
    stream.stop()


def test_too_many_connections(strict_own_site, figure):
    site = strict_own_site
    # Superusers pass any limit, so the daemon is somebody else here.
    site.q("CREATE ROLE daemon LOGIN")
    for what in ("SCHEMA", "ALL TABLES IN SCHEMA", "ALL SEQUENCES IN SCHEMA", "ALL FUNCTIONS IN SCHEMA"):
        site.q(f"GRANT ALL ON {what} closeloop TO daemon")
    site.configure(database=f'{{ conninfo = "{site.server.conninfo(site.database, "daemon")}"; }}')
    daemon = site.warm(site.daemon())
    turned_away(site, daemon, lambda: site.q("ALTER ROLE daemon CONNECTION LIMIT 0"),
                lambda: site.q("ALTER ROLE daemon CONNECTION LIMIT -1"))
    figure(f"drained {site.recovered(daemon):.1f} s after")


def test_read_only(strict_own_site, figure):
    site = strict_own_site
    daemon = site.warm(site.daemon())

    def set_default(value):
        with psycopg2.connect(site.server.conninfo("postgres")) as connection, connection.cursor() as cursor:
            cursor.execute(f"ALTER DATABASE {site.database} {value}")

    turned_away(site, daemon, lambda: set_default("SET default_transaction_read_only = on"),
                lambda: set_default("RESET default_transaction_read_only"))
    figure(f"drained {site.recovered(daemon):.1f} s after")


@pytest.fixture
def small_disk(own_pg):
    """A file system of 6 MB for a tablespace."""
    path = own_pg.folder / "small"
    path.mkdir()
    if os.geteuid() != 0:
        pytest.skip("a file system can be mounted by root only")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size=6m,uid={own_pg.user.pw_uid},mode=0700", "closeloop-test", str(path)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount: {done.stderr.strip()}")
    yield path
    own_pg.stop(signal.SIGQUIT)
    subprocess.run(["umount", str(path)], check=True)


def test_disk_full(small_disk, strict_own_site, figure):
    """53100: the outbox has no room; cases and messages are one transaction, so neither appears until there is."""
    site = strict_own_site
    daemon = site.warm(site.daemon())
    site.q(f"CREATE TABLESPACE small LOCATION '{small_disk}'")
    site.q("ALTER TABLE closeloop.messages SET TABLESPACE small")
    site.q("CREATE TABLE filler (t text) TABLESPACE small")
    site.q("ALTER TABLE filler ALTER t SET STORAGE PLAIN")
    with pytest.raises(psycopg2.errors.DiskFull):
        while True:
            site.q("INSERT INTO filler SELECT repeat('x', 2000) FROM generate_series(1, 20)")
    stream = Stream(site).start()
    site.wait(lambda: "53100" in daemon.log, "the server's refusal in the log", 40)
    assert daemon.process.poll() is None and daemon.get("/livez")[0] == 200
    written = len(site.committed)
    site.wait(lambda: len(site.committed) > written, "writers that go on")
    site.q("DROP TABLE filler")
    site.q("CHECKPOINT")  # the file goes with the next one
    site.q("ALTER TABLE closeloop.messages SET TABLESPACE pg_default")
    stream.stop()
    took = site.recovered(daemon, 60)
    assert servers.wait_until(lambda: daemon.get("/readyz")[0] == 200, 10, "ready")
    figure(f"drained {took:.1f} s after there was room again")
