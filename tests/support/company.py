"""
One small company for a test: its database, its servers, its configuration, its daemons; and what must hold in the end.

SPDX-License-Identifier: Apache-2.0
"""
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
import psycopg2.errors
import psycopg2.extras

import invariants
import servers
from invariants import REPORTS, SECRET, verify  # noqa: F401 (tests take them from here)

# Sanitized programs are slower; a deadline is for what hangs, never for what is slow.
PATIENCE = 4 if os.environ.get("CLOSELOOP_SANITIZE") else 1
DESCRIPTORS_MAX = 80  # connections to PostgreSQL, of mails, webhooks and browsers, and what libraries keep
RESIDENT_KIB_MAX = 64 * 1024  # a batch of mails in memory, rendered, and on its way to the server

SECTIONS = {
    "people": """{
  minsu: { name = "김민수"; email = "minsu@halden.example"; language = "ko"; timezone = "Asia/Seoul"; reports_to = "olga"; };
  anna:  { name = "Anna Groß"; email = "anna@halden.example"; language = "de"; reports_to = "olga"; };
  ben:   { name = "Ben Hall"; email = "ben@halden.example"; language = "en"; reports_to = "olga"; };
  olga:  { name = "Olga Hart"; email = "olga@halden.example"; language = "en"; };
}""",
    "teams": """{
  care:  { members = [ "ben", "olga" ]; assign = "least-open"; };
  field: { members = [ "anna", "ben", "minsu" ]; assign = "round-robin"; };
}""",
    "follow_ups": '{ standard: { acknowledge_within = "4h"; resolve_within = "2d"; }; }',
    "routes": """{
  account: { owner = [ "from:attr.manager", "lookup:account", "team:care" ]; notify = [ "email:owner", "webhook:crm" ]; };
  mail:    { owner = [ "lookup:account", "person:ben" ]; notify = [ "email:owner" ]; };
  field:   { owner = [ "lookup:touchpoint+region", "team:field" ]; notify = [ "email:owner" ]; };
}""",
    "attributes": '{ manager = "text"; plan = "text"; }',
    "defaults": '{ route = "account"; follow_up = "standard"; priority = "normal"; }',
    "facts": '{ unhappy = "nps <= 6 or any rating <= 2"; }',
    "rules": """{
  callback:  { when = "contact_requested"; priority = "urgent"; };
  field:     { when = "unhappy and touchpoint is 'installation'"; priority = "high"; route = "field"; };
  detractor: { when = "nps <= 6"; priority = "high"; };
  praise:    { kind = "praise"; when = "nps >= 9 and comment is present"; };
}""",
}
OWNERS = (("account", "hanbit", "minsu"), ("account", "elbhof", "anna"), ("touchpoint+region", "installation+seoul", "minsu"))


class Daemon:
    def __init__(self, site, configuration, number, wrap=(), **environment):
        self.site, self.configuration = site, configuration
        self.log_file = site.folder / f"closeloopd-{number}.log"
        self.port = int(re.search(r'listen = "127\.0\.0\.1:(\d+)"', configuration.read_text(encoding="utf-8")).group(1))
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen([*wrap, os.environ["CLOSELOOPD"], "-c", str(configuration)], stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, env=site.environment() | environment,
                                            preexec_fn=servers.die_with_parent(signal.SIGKILL))
        self.ended_well = False
        self.held = None  # descriptors and memory, see Site.warm

    @property
    def log(self):
        return self.log_file.read_text(encoding="utf-8", errors="replace")

    def get(self, path, timeout=5):
        """(status, body); (0, reason) when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=timeout) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as e:
            return e.code, e.read().decode()
        except OSError as e:
            return 0, str(e)

    def ready(self):
        assert self.process.poll() is None, f"closeloopd ended with {self.process.returncode}:\n{self.log}"
        return self.get("/readyz")[0] == 200

    def wait_ready(self, seconds=20):
        servers.wait_until(self.ready, seconds * PATIENCE, lambda: f"ready:\n{self.log}")
        return self

    def metric(self, name, **labels):
        """The sum of a metric's samples that carry these labels."""
        total = None
        for line in self.get("/metrics")[1].splitlines():
            match = re.match(r"closeloop_" + name + r"(?:\{(.*)\})? (\S+)$", line)
            if match and all(f'{k}="{v}"' in (match.group(1) or "") for k, v in labels.items()):
                total = (total or 0) + float(match.group(2))
        return total

    def stop(self, seconds=15):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(seconds * PATIENCE)
        self.ended_well = code == 0
        return code

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.ended_well = True  # as wanted

    def hang_up(self):
        self.process.send_signal(signal.SIGHUP)

    def leased(self):
        """How many messages are leased to this process."""
        return self.site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'leased' AND daemon LIKE %s",
                             f"%:{self.process.pid}:%")

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def check_held(self):
        """I7: no more memory than it may have, nor more descriptors than when it was warm."""
        assert PATIENCE > 1 or self.resident_kib() <= RESIDENT_KIB_MAX, f"resident: {self.resident_kib()} kB"
        most = self.held[0] + 4 if self.held else DESCRIPTORS_MAX
        servers.wait_until(lambda: self.descriptors() <= most, 10 * PATIENCE,  # it may not have heard yet that clients hung up
                           lambda: f"{most} descriptors at most: {self.descriptors()}, warm {self.held}")

    def resident_kib(self, line="VmRSS"):
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as f:
            return int(re.search(line + r":\s+(\d+) kB", f.read()).group(1))

    def peak_kib(self):
        return self.resident_kib("VmHWM")


class Site:
    def __init__(self, folder, server, database):
        self.folder, self.server, self.database = pathlib.Path(folder), server, database
        self.folder.mkdir()
        self.server_log_from = len(server.log().encode()) if server.log_file.exists() else 0
        self.mailbox = servers.MailCatcher().start()
        self.hook = servers.HookCatcher().start()
        self.daemons, self.connections = [], []
        self.http_port = servers.free_port()
        self.configuration = self.folder / "closeloop.conf"
        (self.folder / "secret").touch(0o600)
        (self.folder / "secret").write_text(SECRET + "\n", encoding="ascii")
        self.may_differ = set()  # invariants that this test breaks on purpose
        # For invariants.check(): what the scenario knows from outside.
        self.strict = False  # all responses are known, the usual rules are live, everything is settled in the end
        self.clock_jumps = False
        self.committed, self.changed = set(), set()  # ids acknowledged to the writer; source ids whose answer was changed
        self.expected_aside, self.expected_undelivered = set(), 0
        self.secrets = {SECRET, SECRET[6:]}  # what no log may hold
        # libcurl repeats a request by itself when a kept connection ends before the first byte of an answer: so often a message
        self.repeats = 0
        self.excuses = self.copies = 0  # reasons there were for a second copy, and copies that came
        self._db = None
        self.nudged = 0.0
        self.sections = dict(SECTIONS)
        # What a person may get in an hour is test_budget's; elsewhere every alert is its own mail.
        self.top = {"alerts_per_hour": 0, "urgent_per_hour": 0}
        self.configure()

    # -- configuration

    def configure(self, top=None, path=None, **sections):
        """Writes the configuration: the usual one, with these sections and top-level values in place of its own."""
        self.top.update(top or {})
        self.sections.update(sections)
        standard = {
            "database": f'{{ conninfo = "{self.server.conninfo(self.database)}"; }}',
            "http": f'{{ listen = "127.0.0.1:{self.http_port}"; }}',
            "email": f'{{ url = "smtp://127.0.0.1:{self.mailbox.port}"; tls = "off"; connections = 2;'
                     ' from = "Halden Care <care@halden.example>"; }',
            "webhooks": f'{{ crm: {{ url = "http://127.0.0.1:{self.hook.port}/crm"; secret_file = "secret"; }}; }}',
        }
        lines = [f"{k} = {json.dumps(v)};" for k, v in self.top.items()]
        lines += [f"{k}: {v};" for k, v in {**standard, **self.sections}.items()]
        path = path or self.configuration
        new = path.with_name(path.name + ".new")  # a daemon may be reading it
        new.write_text("\n".join(lines) + "\n", encoding="utf-8")
        os.replace(new, path)
        return path

    # -- programs

    def environment(self):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
        return {**keep, "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.folder)}

    def closeloop(self, *arguments, stdin="", configuration=None, **environment):
        return subprocess.run([os.environ["CLOSELOOP"], "-c", str(configuration or self.configuration), *arguments],
                              input=stdin, capture_output=True, text=True, timeout=60 * PATIENCE, check=False,
                              env=self.environment() | environment)

    def run(self, *arguments, code=0, **options):
        done = self.closeloop(*arguments, **options)
        assert done.returncode == code, f"closeloop {arguments}: {done.returncode}, not {code}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, wait=True, configuration=None, wrap=(), **environment):
        daemon = Daemon(self, configuration or self.configuration, len(self.daemons) + 1, wrap, **environment)
        self.daemons.append(daemon)
        return daemon.wait_ready() if wait else daemon

    def second_configuration(self):
        """The same for another daemon, which needs a port of its own."""
        first, self.http_port = self.http_port, servers.free_port()
        path = self.configure(path=self.folder / f"second-{self.http_port}.conf")
        self.http_port = first
        return path

    def daemon(self, owners=True, **sections):
        """The usual start of a test: configured, owners known, one daemon ready."""
        self.configure(**sections)
        if owners:
            self.own(*OWNERS)
        return self.start()

    def stop_daemons(self, judge=True):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                if judge:
                    daemon.check_held()
                code = daemon.stop()
                assert not judge or code == 0, f"closeloopd ended with {code} on SIGTERM:\n{daemon.log}"
            assert not judge or daemon.ended_well, f"closeloopd ended with {daemon.process.returncode}:\n{daemon.log}"
            assert not REPORTS.search(daemon.log), daemon.log

    def say_logs(self):
        for daemon in self.daemons:
            sys.stderr.write(f"--- {daemon.log_file.name}\n{daemon.log[-6000:]}\n")
        try:
            for table in ("inbox", "cases", "messages", "endpoints"):
                columns = {"messages": "seq, kind, channel, endpoint, recipient, state, attempt, next_at, last_code,"
                                       " last_error, case_id, response_id",
                           "cases": "id, response_id, customer_id, status, priority, owner, rules, version"}.get(table, "*")
                rows = self.q(f"SELECT {columns} FROM closeloop.{table} ORDER BY 1 LIMIT 8")
                sys.stderr.write(f"--- {table}\n" + "\n".join(map(str, rows)) + "\n")
            rows = self.q("SELECT pid, state, wait_event_type, wait_event, pg_blocking_pids(pid), clock_timestamp() - xact_start, left(query, 150)"
                          " FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()")
            sys.stderr.write("--- sessions at work\n" + "\n".join(map(str, rows)) + "\n")
        except psycopg2.Error as e:
            sys.stderr.write(f"{e}\n")

    # -- database

    def connect(self, **options):
        connection = psycopg2.connect(self.server.conninfo(self.database), connect_timeout=60, **options,
                                      options=f"-c statement_timeout={240 * PATIENCE}s")  # for what hangs
        self.connections.append(connection)
        return connection

    @property
    def db(self):
        if self._db is None or self._db.closed:
            self._db = self.connect()
            self._db.autocommit = True
        return self._db

    def q(self, sql, *arguments):
        for last in (False, True):
            try:
                with self.db.cursor() as cursor:
                    cursor.execute(sql, arguments or None)
                    return cursor.fetchall() if cursor.description else []
            except psycopg2.errors.DeadlockDetected:  # a test may change rows in another order than the daemon
                if last:
                    raise
            except psycopg2.Error as e:
                if last or e.pgcode is not None:  # of the rest only a lost connection is worth a second try
                    raise
                self._db.close()
        raise AssertionError("unreachable")

    def one(self, sql, *arguments):
        rows = self.q(sql, *arguments)
        return None if not rows else rows[0][0] if len(rows[0]) == 1 else rows[0]

    def own(self, *owners):
        for row in owners:
            self.q("INSERT INTO closeloop.owners (dimension, value, person) VALUES (%s, %s, %s)", *row)

    def respond(self, cursor=None, **values):
        """Inserts a response, by default with nps 2 and a customer; returns its id."""
        values = {"nps": 2, "customer_id": "k1", "comment": "too late", **values}
        values = {k: psycopg2.extras.Json(v) if isinstance(v, dict) else v for k, v in values.items()}
        sql = (f"INSERT INTO closeloop.responses ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})"
               " RETURNING id")
        if cursor is None:
            return self.one(sql, *values.values())
        cursor.execute(sql, list(values.values()))
        return cursor.fetchone()[0]

    # -- before and after a fault

    def warm(self, daemon):
        """Gives a daemon some of everything to do, at once, so that it opens all its connections, and remembers what it holds then."""
        self.q("INSERT INTO closeloop.responses (nps, customer_id, comment, account)"
               " SELECT 2, 'warm' || i, 'too late', 'hanbit' FROM generate_series(0, 29) AS i")
        self.settled()
        first = [d.held[0] for d in self.daemons if d.held]  # of two daemons one may have done it all
        daemon.held = max([daemon.descriptors(), *first]), daemon.resident_kib()
        return daemon

    def recovered(self, daemon, seconds=40):
        """I6 and I7: ready and drained again, holding no more than when it was warm; how many seconds that took."""
        started = time.monotonic()
        daemon.wait_ready(seconds)
        self.settled(seconds)
        took = time.monotonic() - started
        daemon.check_held()
        return took

    # -- waiting

    def wait(self, true, what="it", seconds=60):
        def look():
            for daemon in self.daemons:
                assert daemon.ended_well or daemon.process.poll() is None, \
                    f"closeloopd ended with {daemon.process.returncode}:\n{daemon.log[-8000:]}"
            return true()

        return servers.wait_until(look, seconds * PATIENCE, what)

    def nudge(self):
        """
        The NOTIFY of `closeloop reload` without a request, and that of new rows: daemons look now at what they would look at with
        their next heartbeat. At most five times a second.
        """
        if time.monotonic() - self.nudged > 0.2:
            self.q("SELECT pg_notify('closeloop', 'reload '), pg_notify('closeloop', '')")
            self.nudged = time.monotonic()

    def hurried(self, true, what="it", seconds=60):
        """wait(), for what a heartbeat brings: nobody waits 15 s for one."""
        return self.wait(lambda: self.nudge() or true(), what, seconds)

    def expire_leases(self, daemon=None):
        """As if 30 s had gone by, for all or one daemon's."""
        self.q("UPDATE closeloop.messages SET next_at = clock_timestamp(), lease_until = clock_timestamp() WHERE state = 'leased'"
               " AND daemon LIKE %s", f"%:{daemon.process.pid}:%" if daemon else "%")

    def settled(self, seconds=60):
        """Waits until every response is judged and no message is under way."""
        self.wait(lambda: self.one("SELECT (SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NULL)"
                                   " + (SELECT count(*) FROM closeloop.messages WHERE state IN ('queued', 'leased'))"
                                   + (" + (SELECT count(*) FROM closeloop.notices)" if self.strict else "")) == 0,
                  lambda: f"settled: {self.q('SELECT state, kind, last_error FROM closeloop.messages LIMIT 5')}"
                          f" {self.q('SELECT * FROM closeloop.inbox LIMIT 5')}", seconds)

    def mails(self, count, to=None, seconds=60):
        """Waits for so many mails; returns all there are."""
        address = to and f"{to}@halden.example"
        look = lambda: self.mailbox.to(address) if address else list(self.mailbox.mails)  # noqa: E731
        self.wait(lambda: len(look()) >= count,
                  lambda: f"{count} mails to {to or 'anybody'}, there are {[m.recipient for m in self.mailbox.mails]}",
                  seconds)
        return look()

    def requests(self, count, seconds=60):
        self.wait(lambda: len(self.hook.requests) >= count, f"{count} webhook requests", seconds)
        return list(self.hook.requests)

    def cases(self, count, seconds=60):
        self.wait(lambda: self.one("SELECT count(*) FROM closeloop.cases") >= count, f"{count} cases", seconds)
        return self.q("SELECT id, owner, priority::text, status::text, rules, response_id FROM closeloop.cases ORDER BY id")

    # -- what must hold in the end

    def excuse(self, copies):
        """So many messages may come once more: their acknowledgement was lost."""
        self.excuses += copies

    def check(self):
        """The invariants, after every scenario; see invariants.py."""
        invariants.check(self)

    def close(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
        for connection in self.connections:
            connection.close()
        self.mailbox.stop()
        self.hook.stop()


def text_of(mail, kind="plain"):
    return mail.message.get_body((kind,)).get_content()
