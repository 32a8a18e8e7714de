"""
How long a page takes at 100 and at 100,000 cases, and what people who browse cost an alert.

One client asks over one connection that stays open; each request comes from another address, or the limit per address would be measured.
A page's time is from the request to the whole answer; beside it stands what it cost: CPU of closeloopd and of PostgreSQL.

SPDX-License-Identifier: Apache-2.0
"""
import html
import http.client
import itertools
import re
import statistics
import threading
import time

import delivery
import field
import pages

PEOPLE = 500
CLIENTS, EACH_S = 20, 0.5
KEY = "0123456789abcdef0123456789abcdef-bench"
ADDRESSES = itertools.count(1)

# As the judge leaves them, without its work: what is measured is reading.
FILL = """SET session_replication_role = replica;
    INSERT INTO closeloop.responses (survey, customer_id, customer_name, account, touchpoint, nps, comment, responded_at)
    SELECT 'visit', 'k' || i, 'Customer ' || i, 'account-' || i %% 5000, (ARRAY['delivery', 'service', 'installation'])[1 + i %% 3], i %% 7,
        'The engineer came late and left without a word about what happens next, number ' || i || repeat(' Wir warten noch immer.', i %% 15),
        now() - i * interval '1 minute' FROM generate_series(1, %s) AS i;
    INSERT INTO closeloop.cases (response_id, customer_id, status, priority, owner, opened_at, acknowledge_due_at, resolve_due_at)
    SELECT id, customer_id, (ARRAY['open', 'acknowledged', 'in_progress'])[1 + id %% 3]::closeloop.case_status,
        (ARRAY['urgent', 'high', 'normal', 'low'])[1 + id / 3 %% 4]::closeloop.priority, CASE WHEN %s THEN 'p' || id %% 500 ELSE 'ben' END,
        responded_at, responded_at + interval '4 hours', responded_at + interval '2 days' FROM closeloop.responses;
    INSERT INTO closeloop.case_events (case_id, kind, actor, to_status, details) SELECT id, 'opened', 'daemon', 'open', '{}' FROM closeloop.cases;
    INSERT INTO closeloop.case_responses (case_id, response_id, relation) SELECT id, response_id, 'opened' FROM closeloop.cases"""


class Client:
    def __init__(self, port, person="ben", address="ben@halden.example"):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.cookie = "closeloop=" + pages.sign("s", person, address, key=KEY)

    def get(self, path):
        n = next(ADDRESSES)
        self.connection.request("GET", path, headers={"Cookie": self.cookie, "X-Forwarded-For": f"10.{n >> 16 & 255}.{n >> 8 & 255}.{n & 255}"})
        answer = self.connection.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status}")
        return body

    def ready(self, path):
        """The pages have connections of their own, which may be up later than the daemon is ready."""
        end = time.monotonic() + 20
        while True:
            try:
                return self.get(path)
            except RuntimeError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.05)


def configure(f):
    (f.folder / "link-key").touch(0o600)
    (f.folder / "link-key").write_text(KEY + "\n", encoding="ascii")
    f.configure(http='public_url = "http://127.0.0.1:8480"; link_key_file = "link-key";'
                     ' proxy: { peers = [ "127.0.0.1" ]; secret_file = "link-key"; };',
                people=" ".join(f'p{i}: {{ name = "Person {i}"; email = "p{i}@halden.example"; reports_to = "ben"; }};' for i in range(PEOPLE)))


def measured(f, process, client, path, n):
    """(ms of each request, sorted; ms of CPU per page: daemon, PostgreSQL; pages per second)"""
    for _ in range(min(n, 20)):
        client.get(path)
    daemon, server = field.tree_cpu(process.pid), field.tree_cpu(f.pg.process.pid)
    took, begun = [], time.monotonic()
    for _ in range(n):
        at = time.perf_counter()
        client.get(path)
        took.append((time.perf_counter() - at) * 1000)
    seconds = time.monotonic() - begun
    return (sorted(took), (field.tree_cpu(process.pid) - daemon) * 1000 / n, (field.tree_cpu(f.pg.process.pid) - server) * 1000 / n,
            n / seconds)


def later_page(client, turns):
    """The address of the page so many turns on, or of the last."""
    path = "/inbox"
    for _ in range(turns):
        found = re.search(r'href="(/inbox\?[^"]*after=[^"]*)"', client.get(path))
        if not found:
            break
        path = html.unescape(found[1])
    return path


def pages_of(f, report, cases, spread, size):
    database = f.database("ours")
    f.q(database, FILL, cases, spread)
    f.settle(database)
    process = f.daemon(database)
    client = Client(process.listens_at)
    client.ready("/inbox")
    one = Client(process.listens_at, "p7", "p7@halden.example") if spread else client
    case = f.q(database, "SELECT id FROM closeloop.cases WHERE owner = %s LIMIT 1", "p7" if spread else "ben")[0][0]
    rows = [("case", one, f"/case/{case}"), ("inbox", one, "/inbox"), ("inbox page 50", one, later_page(one, 49))]
    if spread:
        rows = [*rows[:2], (f"inbox of {PEOPLE} people", client, "/inbox?team=all")]
    where = f"{cases:,} cases of {PEOPLE if spread else 1} owner{'s' if spread else ''}"
    for what, who, path in rows:
        took, daemon, server, rate = measured(f, process, who, path, size.pages)
        report.value(f"{what}, {where}: p50, ms", statistics.median(took), "<= 5")
        report.note(f"    p99 {delivery.percentile(took, 0.99):.1f} ms, {rate:.0f} pages/s, CPU {daemon:.2f} + {server:.2f} ms")
    if cases > 1000:
        for what, path in (("a word that is nowhere", "/inbox?q=nowhere+to+be+found"), ("a number", f"/inbox?q=C-{case}"),
                           ("a priority", "/inbox?priority=low")):
            try:
                took, daemon, server, _ = measured(f, process, client, path + ("&team=all" if spread else ""), 5)
            except RuntimeError as e:  # took longer than it may
                report.note(f"    search for {what}: {e}")
                continue
            report.note(f"    search for {what}: {statistics.median(took):.0f} ms, CPU {daemon:.0f} + {server:.0f} ms")
    f.stop(process)
    f.drop(database)


def run_pages(f, report, size):
    configure(f)
    try:
        pages_of(f, report, 100, False, size)
        pages_of(f, report, size.cases, False, size)
        pages_of(f, report, size.cases, True, size)
    finally:
        f.configure()


def browse(port, case, stop, seen):
    client = Client(port)
    for path in itertools.cycle(("/inbox", f"/case/{case}", "/inbox?status=open", f"/case/{case}")):
        client.get(path)
        seen.append(path)
        if stop.wait(EACH_S):
            return


def latency(f, clients, size):
    database = f.database("ours")
    f.q(database, FILL, 1000, False)
    f.settle(database)
    process = f.daemon(database)
    Client(process.listens_at).ready("/inbox")
    case = f.q(database, "SELECT min(id) FROM closeloop.cases")[0][0]
    stop, seen = threading.Event(), []
    threads = [threading.Thread(target=browse, args=(process.listens_at, case, stop, seen)) for _ in range(clients)]
    for t in threads:
        t.start()
    try:
        time.sleep(3)
        f.sink.reset()
        ms = delivery.latencies(f, delivery.write_steadily(f, database, delivery.INSERT_OURS, 50, size.latency))
    finally:
        stop.set()
        for t in threads:
            t.join()
    f.stop(process)
    f.drop(database)
    return delivery.percentile(ms, 0.5), delivery.percentile(ms, 0.99), len(seen)


def run_browse(f, report, size):
    configure(f)
    runs = {0: [], CLIENTS: []}
    try:
        for _ in range(size.runs):
            for clients, results in runs.items():
                results.append(latency(f, clients, size))
    finally:
        f.configure()
    report.spread("clients: latency p50/p99, ms, and pages", {k: [(round(a, 2), round(b, 2), n) for a, b, n in v] for k, v in runs.items()})
    for i, what in enumerate(("p50", "p99")):
        with_, without = (statistics.median(r[i] for r in runs[k]) for k in (CLIENTS, 0))
        report.row(f"latency at 50 inserts/s while {CLIENTS} clients browse, {what}, ms", with_, without, "<= 1.2")
