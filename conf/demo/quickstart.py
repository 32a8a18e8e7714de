"""
./quickstart after the build: private servers, closeloopd with this folder's configuration, a stream of responses.

  quickstart.py BUILD [FILE.csv [--map TO=COLUMN,…]] [--once]

Everything that is started here ends with this process, and the temp folder goes with it.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import base64
import datetime
import email
import email.policy
import itertools
import os
import pathlib
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.append(str(ROOT / "tests/support"))

import people  # noqa: E402
import servers  # noqa: E402
import show  # noqa: E402
import stream  # noqa: E402

TICK = 0.25
LEAVING_MAX = 400  # a mail catcher in Python is no match: the stream waits for it
CONFIGURATION_FILES = ("closeloop.conf", "owners.csv")
LOCAL = """# The servers of this run of ./quickstart.
database: {{ conninfo = "{database}"; }};
http: {{ listen = "127.0.0.1:{http}"; public_url = "http://127.0.0.1:{http}"; link_key_file = "link-key"; }};
email: {{ url = "smtp://127.0.0.1:{smtp}"; tls = "off"; from = "Halden Care <care@halden.example>";
         reply_to = "care@halden.example"; connections = 2; }};
webhooks: {{ crm: {{ url = "http://127.0.0.1:{hook}/crm"; secret_file = "crm-secret"; events = [ "case.*" ]; }}; }};
"""


class Stopped(Exception):
    pass


class Quickstart:
    def __init__(self, build):
        self.build = build
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="closeloop-demo."))
        os.chmod(self.folder, 0o711)  # the database's user must get to its own folder below
        self.mails = self.folder / "mails"
        self.hooks = self.folder / "webhooks.log"
        self.configuration = self.folder / "closeloop.conf"
        self.log = self.folder / "closeloopd.log"
        self.postgres = self.catcher = self.hook = self.daemon = None
        self.sessions = []

    def program(self, name):
        for path in (self.build / "daemon" / name, self.build / "daemon/cli" / name):
            if path.exists():
                return path
        raise stream.Refused(f"{name} was not built; is {self.build} a build folder?")

    def keep_mail(self, mail):
        subject = "".join(c if c.isalnum() or c in "-_ " else "_" for c in str(mail.message["subject"] or ""))[:60]
        folder = self.mails / mail.recipient
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{mail.number:05d} {subject.strip()}.eml").write_bytes(mail.raw)

    def keep_request(self, request):
        with open(self.hooks, "ab") as file:
            file.write(request.body + b"\n")

    def start_servers(self):
        self.postgres = servers.Postgres(self.folder / "postgres", tcp=False).create().start()
        self.postgres.psql("postgres", "CREATE DATABASE closeloop")
        self.mails.mkdir()
        self.catcher = servers.MailCatcher(self.keep_mail).start()
        self.hook = servers.HookCatcher(self.keep_request).start()

    def write_configuration(self):
        for name in CONFIGURATION_FILES:
            shutil.copy(HERE / name, self.folder / name)
        self.http_port = servers.free_port()
        (self.folder / "local.conf").write_text(LOCAL.format(
            database=self.postgres.conninfo("closeloop"), http=self.http_port, smtp=self.catcher.port,
            hook=self.hook.port), encoding="utf-8")
        for name, prefix in (("crm-secret", "whsec_"), ("link-key", "")):
            secret = self.folder / name
            secret.touch(0o600)
            secret.write_text(prefix + base64.b64encode(secrets.token_bytes(24)).decode() + "\n", encoding="ascii")

    def link_of(self, case):
        """The link in the mail about a case, as its manager got it; None: that mail isn't there."""
        for path in sorted((self.mails / case["address"]).glob(f"*C-{case['id']}.eml"), reverse=True):
            mail = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            found = re.search(r"http://\S+/c/[\w-]+", mail.get_body(("plain",)).get_content())
            if found:
                return found[0]
        return None

    def closeloop(self, *arguments):
        command = [str(self.program("closeloop")), "-c", str(self.configuration), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            raise RuntimeError(f"closeloop {' '.join(arguments)} ended with {done.returncode}:\n"
                               f"{done.stdout}{done.stderr}")
        return done.stdout

    def remember(self, rows, weeks=12):
        """The quarter before, so that /reports and backtest have something to show: the same answers without names, judged by nobody."""
        rows = [{k: v for k, v in row.items() if not k.startswith(("customer_", "account"))} for row in rows]
        end = time.time() - 86400
        for i, row in enumerate(rows):
            at = datetime.datetime.fromtimestamp(end - weeks * 7 * 86400 * i / len(rows), datetime.timezone.utc)
            row.update(source_id=f"{stream.PAST}{i}", responded_at=at.isoformat())
        session = self.session()
        stream.insert(session, rows)
        session.run("DELETE FROM closeloop.inbox")

    def start_daemon(self):
        with open(self.log, "ab") as log:
            self.daemon = subprocess.Popen([str(self.program("closeloopd")), "-c", str(self.configuration)], stdout=log,
                                           stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                           preexec_fn=servers.die_with_parent(signal.SIGTERM))
        servers.wait_until(self.ready, 20, lambda: f"closeloopd ready\n{self.log_tail()}", 0.05)

    def log_tail(self):
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-15:])

    def check_daemon(self):
        if self.daemon.poll() is not None:
            raise RuntimeError(f"closeloopd ended with {self.daemon.returncode}:\n{self.log_tail()}")

    def ready(self):
        self.check_daemon()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.http_port}/readyz", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False

    def session(self):
        session = stream.Session(self.postgres.bin / "psql", self.postgres.conninfo("closeloop"))
        session.run("SET client_min_messages = warning")
        self.sessions.append(session)
        return session

    def pour(self, rows, total, seconds, screen, crowd):
        """Spreads the rows over the seconds, and shows what comes of them."""
        writer, started, done = self.session(), time.monotonic(), 0
        rows, next_look, news = iter(rows), 0.0, None
        while done < total:
            elapsed = time.monotonic() - started
            due = total if seconds <= 0 else min(total, int(total * elapsed / seconds) + 1)
            room = 1000 if news is None else LEAVING_MAX - show.leaving(news) - show.judging(news)
            batch = list(itertools.islice(rows, max(0, min(due - done, room, LEAVING_MAX))))
            if batch:
                stream.insert(writer, batch)
                done += len(batch)
            elif due > done and room > 0:
                break  # fewer than were counted
            crowd.act()
            if elapsed >= next_look:
                self.check_daemon()
                news = screen.tick()
                next_look = elapsed + TICK
            time.sleep(0.02)

    def drain(self, screen, crowd, seconds=120):
        """Until everything that came in is judged, every message has left, and the promises of seconds are over."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.check_daemon()
            crowd.act()
            news = screen.tick()
            if not show.judging(news) and not show.leaving(news) and not news["fresh"] and not news["soon"] \
                    and crowd.done():
                return news
            time.sleep(TICK)
        return screen.tick()

    def stop(self):
        """Backwards, and each step whatever the others did."""
        steps = [self.stop_daemon, *(s.close for s in self.sessions)]
        steps += [server.stop for server in (self.hook, self.catcher) if server]
        steps += [self.postgres.remove] if self.postgres else []
        for step in steps:
            try:
                step()
            except (OSError, subprocess.SubprocessError) as e:
                print(f"quickstart: while stopping: {e}", file=sys.stderr)
        shutil.rmtree(self.folder, ignore_errors=True)

    def stop_daemon(self):
        if self.daemon is None or self.daemon.poll() is not None:
            return
        self.daemon.terminate()
        try:
            self.daemon.wait(15)
        except subprocess.TimeoutExpired:
            self.daemon.kill()
            self.daemon.wait()


def say_pages(demo, screen):
    """Where to click: the link of a mail comes first, since it is what lets a browser in."""
    site = f"http://127.0.0.1:{demo.http_port}"
    for case in screen.worth_opening():
        link = demo.link_of(case)
        if link:
            name = show.clean(screen.names.get(case["owner"], case["owner"]))
            return f"""
Be {name} for a minute and open the link of a mail: take the case on, write down the call, close it.
  {link}
and then, in the same browser:
  {site}/inbox     what else waits for {name}
  {site}/reports   what customers say, week by week (the quarter before is invented, too)
"""
    return f"\n  pages     {site}/\n"


def say_hints(demo, screen, once):
    if once:
        screen.line("\nThat was --once: everything is taken away again. Without it, ./quickstart stays until Ctrl-C, and names the\n"
                    "page to open, mails to read and commands to try.")
        return
    closeloop = f"{os.path.relpath(demo.program('closeloop'))} -c {demo.configuration}"
    screen.line(say_pages(demo, screen) + f"""
  mails     {demo.mails}/   (a folder per person, one .eml per mail)
  webhooks  {demo.hooks}
  rules     {demo.configuration}
  log       {demo.log}

Try next, in another terminal:
  {closeloop} status
  {closeloop} case list --overdue
  {closeloop} case show C-{screen.worth_showing()}
  {closeloop} message list --held
  {closeloop} try nps=2 touchpoint=installation region=hamburg comment='Seit gestern keine Wärme' --mail
  {closeloop} backtest --since 90d

Ctrl-C ends it and takes everything away.
""")


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="./quickstart", add_help=False, usage="./quickstart [FILE.csv [--map TO=COLUMN,…]] [--once]")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("file", nargs="?", metavar="FILE.csv")
    parser.add_argument("--map", metavar="TO=COLUMN,…")
    parser.add_argument("--once", action="store_true")
    options = parser.parse_intermixed_args(arguments)
    if options.map and not options.file:
        parser.error("--map needs a FILE.csv")
    try:
        options.seconds = float(os.environ.get("QUICKSTART_SECONDS", "40"))
    except ValueError:
        parser.error("QUICKSTART_SECONDS must be a number of seconds")
    return options


def run(options):
    # The file is read once before anything starts: what is wrong with it is said at once, and the pace is known.
    responses = stream.Responses(options.file or HERE / "responses.csv", stream.read_mapping(options.map))
    responses.source = responses.source if options.file else "survey"
    total = sum(1 for _ in responses)
    if not total:
        reasons = "".join(f"\n  {show.number(count, 'row')}: {reason}" for reason, count in responses.skipped.items())
        raise stream.Refused(f"{responses.path}: no row can be used{reasons}")
    skipped = dict(responses.skipped)
    demo = Quickstart(options.build.resolve())
    try:
        started = time.monotonic()
        demo.start_servers()
        demo.write_configuration()
        demo.closeloop("migrate")
        demo.closeloop("owner", "import", str(demo.folder / "owners.csv"))
        if not options.file:
            demo.remember(list(responses))
        demo.start_daemon()
        screen = show.Show(demo.session(), show.names_of(demo.configuration.read_text(encoding="utf-8")))
        print(f"closeloopd is ready after {time.monotonic() - started:.1f} s: PostgreSQL {demo.postgres.folder}, mails to"
              f" 127.0.0.1:{demo.catcher.port}, pages and metrics on http://127.0.0.1:{demo.http_port}\n"
              f"{show.number(total, 'response')} over {options.seconds:.0f} s; Ctrl-C ends it and takes everything away\n", flush=True)
        crowd = people.Nobody() if options.file else people.People(demo.session(), demo.closeloop, options.seconds)
        demo.pour(responses, total, options.seconds, screen, crowd)
        screen.summary(demo.drain(screen, crowd), skipped)
        say_hints(demo, screen, options.once)
        while not options.once:
            demo.check_daemon()
            screen.tick()
            time.sleep(TICK)
    finally:
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, signal.SIG_IGN)  # the end is under way, a second Ctrl-C can't make it quicker
        demo.stop()


def main():
    def stop(signum, frame):
        raise Stopped

    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, stop)
    options = parse(sys.argv[1:])
    try:
        run(options)
    except stream.Refused as e:
        print(f"quickstart: {e}", file=sys.stderr)
        return 65
    except (RuntimeError, TimeoutError, OSError) as e:
        print(f"\nquickstart: {e}", file=sys.stderr)
        return 70
    except Stopped:
        print("\nstopped; nothing is left running or on disk")
    return 0


if __name__ == "__main__":
    sys.exit(main())
