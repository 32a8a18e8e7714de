"""
Fixtures of the channel's tests: the probe (tests/support/channel-probe.c) against real servers.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import json
import os
import pathlib
import queue
import re
import signal
import socket
import subprocess
import threading
import time
import uuid

import hook_server
import mail_server
import pytest
from resolver import slow_resolver  # noqa: F401
from servers import die_with_parent

KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()
OLD_KEY = "whsec_" + base64.b64encode(b"abcdefghijklmnopqrstuvwxyz012345").decode()


def mail_text(recipient, subject="Hello", message_id=None):
    message_id = message_id or f"{uuid.uuid4()}@care.test.invalid"
    return (f"Date: Sun, 22 Nov 2026 02:00:00 +0000\r\nFrom: Care <care@care.test.invalid>\r\nTo: <{recipient}>\r\n"
            f"Subject: {subject}\r\nMessage-ID: <{message_id}>\r\nMIME-Version: 1.0\r\nContent-Type: text/plain\r\n\r\n"
            "Hello.\r\n.leading dot\r\n..\r\nEnd.\r\n")


class Probe:
    """The probe's process: commands by call, answers by kind."""

    def __init__(self, settings, patience=None, **variables):
        # Proxies of the environment must not be used; the addresses don't answer.
        environment = {**os.environ, "http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1",
                       "all_proxy": "http://127.0.0.1:1", **variables}
        self.process = subprocess.Popen([os.environ["CHANNEL_PROBE"]], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, env=environment,
                                        preexec_fn=die_with_parent(signal.SIGKILL))
        self.answers = queue.Queue()
        self.errors = ""
        self.readers = [threading.Thread(target=self._read, daemon=True), threading.Thread(target=self._read_errors, daemon=True)]
        for reader in self.readers:
            reader.start()
        self.submitted = 0
        self.say({"settings": {"patience": patience or {}, **settings}})

    def _read(self):
        for line in self.process.stdout:
            self.answers.put(json.loads(line))

    def _read_errors(self):
        self.errors = self.process.stderr.read()

    def say(self, command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def reload(self, settings):
        self.say({"settings": settings})

    def submit(self, endpoint, payload, recipient=None, case=0, **more):
        job = {"endpoint": endpoint, "payload": payload, "case": case, "id": str(uuid.uuid4()), **more}
        if recipient:
            job["recipient"] = recipient
        self.say({"submit": job})
        return job["id"]

    def answer(self, kind, timeout=30):
        deadline = time.monotonic() + timeout
        while True:
            try:
                answer = self.answers.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no {kind} within {timeout} s; probe: {self.process.poll()}") from None
            if kind in answer:
                return answer[kind] if kind != "done" else answer

    def results(self, n, timeout=30):
        """The next n results by id; each id once."""
        found = {}
        for _ in range(n):
            result = self.answer("result", timeout)
            assert result["id"] not in found
            found[result["id"]] = result
        return found

    def mail(self, recipient, timeout=30, **more):
        """Sends one mail and returns its result."""
        i = self.submit("email", mail_text(recipient), recipient, **more)
        return self.results(1, timeout)[i]

    def hook(self, endpoint, payload='{"type":"case.opened"}', timeout=30, **more):
        i = self.submit(endpoint, payload, **more)
        return self.results(1, timeout)[i]

    def room(self, endpoint):
        self.say({"room": endpoint})
        return self.answer("room")

    def end(self, timeout=30):
        """Ends in time, with nothing said by a sanitizer, and no result left over."""
        if self.process.stdin and not self.process.stdin.closed:
            self.process.stdin.close()
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the probe did not end within {timeout} s") from None
        for reader in self.readers:
            reader.join(10)
        assert not re.search(r"Sanitizer|runtime error", self.errors), self.errors
        assert code == 0, f"exit code {code}: {self.errors}"
        left = [a for a in list(self.answers.queue) if "result" in a]
        assert left == [], left


@pytest.fixture
def probe():
    """probe(settings, patience): starts one; all end with the test."""
    started = []

    def start(settings, patience=None, **variables):
        started.append(Probe(settings, patience, **variables))
        return started[-1]

    yield start
    for p in started:
        p.end()


@pytest.fixture(scope="session")
def hooks(folder):
    reason = hook_server.why_not()
    if reason:
        pytest.skip(reason)
    server = hook_server.HookServer(folder / "hooks").start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def postfix(folder):
    reason = mail_server.why_not()
    if reason:
        pytest.skip(reason)
    server = mail_server.MailServer(folder / "postfix")
    try:
        yield server.start()
    finally:
        server.stop()


class ScriptedSmtp:
    """
    An SMTP server for what no real one does on demand. `script` maps the first word of a command to what happens: a
    reply text, a list of them used up one by one, or a function (server, socket) that returns a reply or None to hang up.
    The words "greeting" and "body" stand for the connection's start and the end of a mail.
    """

    DEFAULT = {"greeting": "220 test", "EHLO": "250-test\r\n250-AUTH PLAIN\r\n250 SIZE", "AUTH": "235 welcome",
               "MAIL": "250 ok", "RCPT": "250 ok", "DATA": "354 go on", "body": "250 queued", "QUIT": "221 bye",
               "RSET": "250 ok", "NOOP": "250 ok"}

    def __init__(self, **script):
        self.script = {**self.DEFAULT, **script}
        self.commands, self.mails, self.connections = [], [], []
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, name="scripted-smtp", daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _reply(self, word, connection):
        with self.lock:
            reply = self.script.get(word, "500 what")
            if isinstance(reply, list):
                reply = reply.pop(0) if len(reply) > 1 else reply[0]
        if callable(reply):
            reply = reply(self, connection)
        if reply is None:
            connection.close()
            return None
        connection.sendall(reply.encode() + b"\r\n")
        return reply

    def _serve(self, connection):
        try:
            lines = connection.makefile("rb")
            if self._reply("greeting", connection) is None:
                return
            for line in lines:
                word = line.split()[0].decode().upper() if line.split() else ""
                self.commands.append(word)
                if word == "AUTH":
                    connection.sendall(b"334 \r\n")
                    lines.readline()
                reply = self._reply(word, connection)
                if reply is None:
                    return
                if word == "DATA" and reply.startswith("354"):
                    body = b""
                    while not body.endswith(b"\r\n.\r\n"):
                        body += lines.readline()
                    self.mails.append(body)
                    if self._reply("body", connection) is None:
                        return
        except (OSError, ValueError):
            pass

    def hang_up(self):
        """Closes every open connection, as a server does that was idle for too long."""
        for connection in self.connections:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            connection.close()
        self.connections.clear()

    def settings(self, **more):
        return {"email": {"url": f"smtp://127.0.0.1:{self.port}", "tls": "off", "from": "care@care.test.invalid",
                          "username": "closeloop", "password": ["s3cret"], **more}}

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # or it goes on listening while a thread waits in accept()
        self.listener.close()
        self.hang_up()


@pytest.fixture
def scripted():
    """scripted(**script): starts one; all end with the test."""
    started = []

    def start(**script):
        started.append(ScriptedSmtp(**script))
        return started[-1]

    yield start
    for s in started:
        if s.listener.fileno() >= 0:
            s.stop()
