"""
Servers of one's own, for ./quickstart and the integration tests: PostgreSQL, a mail catcher, a webhook catcher.

All listen on 127.0.0.1 only, on ports that the system hands out; child processes die with this one. Nothing but the
standard library and aiosmtpd. Run it with Debian's /usr/bin/python3.

SPDX-License-Identifier: Apache-2.0
"""
import asyncio
import collections
import ctypes
import email
import email.policy
import functools
import http.server
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import threading
import time

PR_SET_PDEATHSIG = 1
HANGS_S = 300  # what takes longer will not end
prctl = ctypes.CDLL(None).prctl


def die_with_parent(signum):
    """
    For preexec_fn: ask for a signal when the parent ends. There may be threads here, any of which may hold a lock of a library while the
    child is made, so nothing is looked up in it, neither functions nor groups (become).
    """
    def prepare():
        prctl(PR_SET_PDEATHSIG, signum)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        for s in (signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(s, signal.SIG_DFL)
    return prepare


def become(user):
    """For Popen, which does it before preexec_fn (later it would undo that)."""
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": os.getgrouplist(user.pw_name, user.pw_gid)} if user else {}


def wait_until(true, seconds, what, step=0.02):
    """Polls true() until it returns something true, which is returned; TimeoutError after so many seconds."""
    deadline = time.monotonic() + seconds
    while True:
        value = true()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s: {what() if callable(what) else what}")
        time.sleep(step)


class Postgres:
    """
    A private cluster in a folder of its own, with trust authentication for the database user postgres.

    The server refuses to run as root: then it is the Unix user postgres. Its socket lies in the folder `sockets`.
    """

    def __init__(self, folder, tcp=True, **settings):
        found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda p: float(p.parts[-3]))
        self.bin = found[-1].parent if found else None
        if self.bin is None:
            raise FileNotFoundError("no PostgreSQL server is installed (package postgresql-15)")
        self.user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.data, self.sockets, self.log_file = self.folder / "data", self.folder, self.folder / "log"
        if self.user:
            os.chown(self.folder, self.user.pw_uid, self.user.pw_gid)
        self.tcp, self.port, self.process, self.settings = tcp, None, None, settings
        # Off for speed: the folder doesn't outlive a crash of the machine anyway.
        self.settings = {"fsync": "off", "full_page_writes": "off", "timezone": "UTC", "log_timezone": "UTC",
                         "max_connections": "60", "shared_buffers": "32MB", "log_line_prefix": "%m [%p] app=%a ", **settings}

    def _environment(self):
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _run(self, *command):
        done = subprocess.run(list(map(str, command)), cwd=self.folder, env=self._environment(), text=True, check=False, timeout=HANGS_S,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              preexec_fn=die_with_parent(signal.SIGKILL), **become(self.user))
        if done.returncode != 0:
            raise RuntimeError(f"{command[0]} failed:\n{done.stdout}")

    def create(self):
        self._run(self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8",
                  "--locale=C.UTF-8", "-N")
        return self

    def start(self):
        """Starts on a free port, or on the one it had before."""
        for _ in range(5):
            port = self.port or free_port()
            options = {**self.settings, "port": port, "unix_socket_directories": self.sockets,
                       "listen_addresses": "127.0.0.1" if self.tcp else ""}
            arguments = [str(self.bin / "postgres"), "-D", str(self.data)]
            for name, value in options.items():
                arguments += ["-c", f"{name}={value}"]
            with open(self.log_file, "ab") as log:
                self.process = subprocess.Popen(arguments, cwd=self.folder, env=self._environment(), stdout=log,
                                                stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                                                preexec_fn=die_with_parent(signal.SIGQUIT), **become(self.user))
            if self._answers(port):
                self.port = port
                return self
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log_file.read_text(errors='replace')[-2000:]}")

    def _answers(self, port):
        deadline = time.monotonic() + 30
        command = [str(self.bin / "pg_isready"), "-q", "-h", str(self.sockets), "-p", str(port)]
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                return False
            if subprocess.run(command, check=False).returncode == 0:
                return True
            time.sleep(0.02)
        self.stop(signal.SIGQUIT)
        return False

    def stop(self, how=signal.SIGINT):
        """SIGINT: fast; SIGQUIT: immediate, like a crash."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(20)
        self.process = None

    def log(self, offset=0):
        """What the server wrote into its log from there on."""
        with open(self.log_file, "rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    def conninfo(self, database, user="postgres"):
        return f"host={self.sockets} port={self.port} dbname={database} user={user}"

    def psql(self, database, sql, **variables):
        """Runs SQL in one go and returns what it printed; quick enough for a few statements."""
        command = [str(self.bin / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.conninfo(database)]
        for name, value in variables.items():
            command += ["-v", f"{name}={value}"]
        done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, timeout=HANGS_S,
                              env={**os.environ, "PGOPTIONS": "-c client_min_messages=warning"})
        if done.returncode != 0:
            raise RuntimeError(f"psql: {done.stderr.strip()}")
        return done.stdout

    def remove(self):
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)


_reserved = []


def free_port():
    """A port for a server of ours, and of nobody else: it stays bound here without listening, beside which SO_REUSEADDR lets it listen."""
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("127.0.0.1", 0))
    _reserved.append(s)
    return s.getsockname()[1]


class Mail:
    def __init__(self, number, sender, recipient, raw):
        self.number, self.at, self.sender, self.recipient, self.raw = number, time.time(), sender, recipient, raw

    @functools.cached_property
    def message(self):
        return email.message_from_bytes(self.raw, policy=email.policy.default)


class MailCatcher:
    """
    A real SMTP server (aiosmtpd) that keeps every mail. `replies` decides what a recipient is answered at RCPT,
    `data_replies` after the mail's data: {address: "550 5.1.1 no such user"}; a list is used up reply by reply.
    """

    def __init__(self, on_mail=None):
        self.mails, self.replies, self.data_replies, self.attempts = [], {}, {}, []
        self.delay = 0.0  # seconds before the end of data is answered
        self.on_mail = on_mail
        self.lock = threading.Lock()
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self._serve, name="mail-catcher", daemon=True)

    def start(self):
        ready = threading.Event()
        self.loop.call_soon(ready.set)
        self.thread.start()
        ready.wait(10)
        return self

    def _serve(self):
        from aiosmtpd.smtp import SMTP
        asyncio.set_event_loop(self.loop)
        self.socket.listen(64)
        self.server = self.loop.run_until_complete(self.loop.create_server(
            lambda: SMTP(self, hostname="catcher.invalid", loop=self.loop, enable_SMTPUTF8=True,
                         data_size_limit=64 << 20), sock=self.socket))
        self.loop.run_forever()
        self.server.close()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))

    def stop(self):
        if self.thread.is_alive():
            self.loop.call_soon_threadsafe(self.loop.stop)
            self.thread.join(10)
        self.socket.close()

    @staticmethod
    def _next(table, address):
        reply = table.get(address)
        if isinstance(reply, list):
            return reply.pop(0) if reply else None
        return reply

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        with self.lock:
            reply = self._next(self.replies, address)
            self.attempts.append((time.time(), address, reply or "250"))
        if reply:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.delay:
            await asyncio.sleep(self.delay)
        with self.lock:
            replies = [self._next(self.data_replies, r) for r in envelope.rcpt_tos]
        for reply in replies:
            if reply:
                return reply
        raw = envelope.original_content or envelope.content
        for recipient in envelope.rcpt_tos:
            with self.lock:
                mail = Mail(len(self.mails) + 1, envelope.mail_from, recipient, raw)
                self.mails.append(mail)
            if self.on_mail:
                self.on_mail(mail)
        return "250 2.0.0 caught"

    def to(self, address):
        with self.lock:
            return [m for m in self.mails if m.recipient == address]


Request = collections.namedtuple("Request", "number at path headers body status")


class HookCatcher:
    """
    A real HTTP/1.1 server with keep-alive that keeps every request. `replies` is what is answered, used up one by one:
    a status, or (status, headers, seconds to wait); then `status` for ever.
    """

    def __init__(self, on_request=None):
        catcher = self
        self.requests, self.replies, self.status, self.delay = [], [], 204, 0.0
        self.lock, self.closing = threading.Lock(), threading.Event()
        self.on_request = on_request

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                with catcher.lock:
                    reply = catcher.replies.pop(0) if catcher.replies else (catcher.status, {}, catcher.delay)
                    status, headers, delay = reply if isinstance(reply, tuple) else (reply, {}, 0)
                    request = Request(len(catcher.requests) + 1, time.time(), self.path,
                                      {k.lower(): v for k, v in self.headers.items()}, body, status)
                    catcher.requests.append(request)
                if delay:
                    catcher.closing.wait(delay)
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                except OSError:
                    self.close_connection = True
                if catcher.on_request:
                    catcher.on_request(request)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_):
                pass  # a peer that went away

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,), name="hook-catcher", daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.closing.set()
        self.server.shutdown()
        self.server.server_close()
