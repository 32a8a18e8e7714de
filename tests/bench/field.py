"""
What a benchmark needs: a PostgreSQL with production's durability, a sink, closeloopd and the ceiling, and their costs.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

import psycopg2

ROOT = pathlib.Path(__file__).resolve().parents[2]
HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tests/support"))

import servers  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")

# As an administrator would set them on a small machine. Durability is PostgreSQL's default: a commit is on disk.
SETTINGS = {"fsync": "on", "full_page_writes": "on", "shared_buffers": "256MB", "max_wal_size": "2GB", "max_connections": "60",
            "checkpoint_timeout": "15min", "autovacuum_naptime": "10s"}

CONNECTIONS = 24  # to the sink, of either side

# 15 of 100 responses match exactly one of three rules.
SHAPE = """
    CASE WHEN i %% 100 < 7 THEN i %% 7 ELSE 7 + i %% 4 END, CASE WHEN i %% 100 BETWEEN 7 AND 11 THEN 1 + i %% 2 ELSE 3 + i %% 3 END,
    i %% 100 BETWEEN 12 AND 14, 'The engineer came late and left without a word about what happens next, number ' || i"""
FILL_OURS = f"""INSERT INTO closeloop.responses (survey, customer_id, nps, csat, contact_requested, comment)
    SELECT 'visit', 'customer-' || i, {SHAPE} FROM generate_series(%s, %s) AS i"""
FILL_BARE = f"""INSERT INTO response (survey, customer, nps, stars, contact_requested, comment)
    SELECT 'visit', 'customer-' || i, {SHAPE} FROM generate_series(%s, %s) AS i"""

CONFIGURATION = """
database: {{ conninfo = "{conninfo}"; }};
http: {{ listen = "127.0.0.1:{port}"; {http} }};
alerts_per_hour = 0; urgent_per_hour = 0; # every alert is a mail of its own
{email}
webhooks: {{ {webhooks} }};
people: {{ ben: {{ name = "Ben Hall"; email = "ben@halden.example"; language = "en"; }}; {people} }};
follow_ups: {{ standard: {{ acknowledge_within = "4h"; resolve_within = "2d"; }}; }};
routes: {{ all: {{ owner = [ "person:ben" ]; notify = [ {notify} ]; }}; {routes} }};
defaults: {{ route = "all"; follow_up = "standard"; }};
rules: {{
  callback: {{ when = "contact_requested"; priority = "urgent"; }};
  detractor: {{ when = "nps <= 6"; priority = "high"; }};
  poor: {{ when = "csat <= 2"; }};
  {rules}
}};
"""


def wait(true, seconds, what, step=0.05):
    return servers.wait_until(true, seconds, what, step)


def stat_of(pid):
    """(CPU seconds, voluntary context switches, peak RSS in MiB) of a process; zeros when it is gone."""
    try:
        text = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        status = ""
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            status += (task / "status").read_text(encoding="ascii", errors="replace")
        whole = pathlib.Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0.0, 0, 0.0
    fields = text.rpartition(")")[2].split()
    peak = re.search(r"VmHWM:\s+(\d+)", whole)
    return ((int(fields[11]) + int(fields[12])) / TICKS,
            sum(map(int, re.findall(r"^voluntary_ctxt_switches:\s+(\d+)", status, re.M))),
            int(peak.group(1)) / 1024 if peak else 0.0)


def tree_cpu(pid):
    """CPU seconds of a process, its living children, and those it waited for."""
    total = 0.0
    for p in [pid, *children(pid)]:
        try:
            fields = pathlib.Path(f"/proc/{p}/stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
            total += sum(map(int, fields[11:15 if p == pid else 13])) / TICKS
        except OSError:
            pass
    return total


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return list(map(int, text.split()))


class Sink:
    def __init__(self, program):
        self.process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                                        preexec_fn=servers.die_with_parent(signal.SIGKILL))
        self.port = int(self.process.stdout.readline())

    def get(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return answer.read().decode()

    def count(self):
        return json.loads(self.get("/"))["count"]

    def stats(self):
        return json.loads(self.get("/stats"))

    def reset(self):
        self.get("/reset")

    def arrivals(self):
        """{response id: (first arrival in us, path)}"""
        first = {}
        for line in self.get("/dump").splitlines():
            identity, at, path = line.split()
            first.setdefault(int(identity), (int(at), path))
        return first

    def close(self):
        self.process.stdin.close()
        self.process.wait()


class Field:
    """One run's surroundings. Databases are made anew for each measurement, so that no run inherits another's rows."""

    def __init__(self, folder, build):
        self.folder, self.bench = pathlib.Path(folder), build / "tests/bench"
        self.closeloopd, self.closeloop = build / "daemon/closeloopd", build / "daemon/cli/closeloop"
        self.pg = servers.Postgres(self.folder / "pg", **SETTINGS).create().start()
        self.sink = Sink(self.bench / "sink")
        self.number = 0
        self.running, self.connections = [], []
        (self.folder / "secret").touch(0o600)
        (self.folder / "secret").write_text("whsec_" + base64.b64encode(bytes(range(24))).decode() + "\n", encoding="ascii")
        self.configure()
        self.pg.psql("postgres", "CREATE DATABASE ours; CREATE DATABASE bare")
        self.run(self.closeloop, "-c", self.configuration("ours", servers.free_port()), "migrate")
        self.pg.psql("bare", (HERE / "bare.sql").read_text(encoding="utf-8"))
        self.pg.psql("ours", "VACUUM ANALYZE")

    def configure(self, **parts):
        self.parts = {"http": "", "people": "", "email": "", "notify": '"webhook:sink"', "routes": "", "rules": "",
                      "webhooks": f'sink: {{ url = "http://127.0.0.1:{self.sink.port}/"; secret_file = "secret";'
                                     f" connections = {CONNECTIONS}; }};", **parts}

    def configuration(self, database, port):
        path = self.folder / f"closeloop-{port}.conf"
        path.write_text(CONFIGURATION.format(conninfo=self.pg.conninfo(database), port=port, **self.parts),
                        encoding="utf-8")
        return path

    def run(self, *command, env=None, **options):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False,
                              env={**os.environ, **(env or {})}, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def database(self, template):
        """A fresh copy of `ours` or `bare`; quiet, with its pages on disk."""
        self.number += 1
        name = f"{template}{self.number}"
        self.pg.psql("postgres", f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database):
        self.pg.psql("postgres", f"DROP DATABASE {database} WITH (FORCE)")

    def environment(self, database):
        return {"PGHOST": str(self.pg.sockets), "PGPORT": str(self.pg.port), "PGDATABASE": database, "PGUSER": "postgres"}

    def connect(self, database):
        c = psycopg2.connect(self.pg.conninfo(database))
        c.autocommit = True
        self.connections.append(c)
        return c

    def q(self, database, sql, *arguments):
        c = psycopg2.connect(self.pg.conninfo(database))
        c.autocommit = True
        try:
            with c.cursor() as cursor:
                cursor.execute(sql, arguments or None)
                return cursor.fetchall() if cursor.description else []
        finally:
            c.close()

    def fill(self, database, first, last):
        self.q(database, FILL_OURS if database.startswith("ours") else FILL_BARE, first, last)

    def settle(self, database):
        """What was written is analysed and on disk before the clock starts."""
        self.q(database, "VACUUM ANALYZE")
        self.q(database, "CHECKPOINT")

    def start_process(self, command, env=None, **options):
        process = subprocess.Popen(list(map(str, command)), env={**os.environ, **(env or {})},
                                   preexec_fn=servers.die_with_parent(signal.SIGKILL), **options)
        self.running.append(process)
        return process

    def daemon(self, database):
        port = servers.free_port()
        with open(self.folder / "closeloopd.log", "ab") as log:
            process = self.start_process([self.closeloopd, "-c", self.configuration(database, port)], stdout=log, stderr=log,
                                         env={"TZ": "UTC"})
        process.listens_at = port
        wait(lambda: self.is_ready(process, port), 20, "closeloopd ready", 0.005)
        return process

    def reload(self, process, database):
        """The configuration of now, in a daemon that runs."""
        self.configuration(database, process.listens_at)
        process.send_signal(signal.SIGHUP)

    def is_ready(self, process, port):
        if process.poll() is not None:
            raise RuntimeError(f"closeloopd ended with {process.returncode}:\n" +
                               (self.folder / "closeloopd.log").read_text(encoding="utf-8", errors="replace")[-3000:])
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=2):
                return True
        except OSError:
            return False

    def ceiling(self, database, *more):
        process = self.start_process([self.bench / "ceiling_drain", f"http://127.0.0.1:{self.sink.port}/", "500", str(CONNECTIONS), *more],
                                     env=self.environment(database), stdout=subprocess.PIPE, text=True)
        if process.stdout.readline() != "ready\n":
            raise RuntimeError("ceiling_drain did not start")
        return process

    def same_rows(self, database):
        """The ceiling on closeloopd's tables: the rows that are contract, as constants, with bodies as large as ours."""
        return self.ceiling(database, "1250", "same-rows")

    def start(self, database):
        return self.daemon(database) if database.startswith("ours") else self.ceiling(database)

    def stop(self, process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(40)
        if process in self.running:
            self.running.remove(process)

    def close(self):
        for process in self.running:
            if process.poll() is None:
                process.kill()
                process.wait()
        self.sink.close()
        for c in self.connections:
            c.close()
        self.pg.stop()
