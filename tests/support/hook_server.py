"""
A real nginx as webhook receiver, private to a test, any user.

  /code/NNN   answers NNN; 429 and 503 with Retry-After: 2, /code/503-date with a date an hour ahead
  /reset      closes without an answer        /drip   200 with a body at 10 bytes a second
  /hang       takes the request, never answers (30 s)      /huge   200 with a body of 50 MB
  /redirect   307 to a metadata address       /flip   503 while the file `fail` exists, else 200 `ok`

Ports, on 127.0.0.1: `https`, `http`, and `wrong` with a certificate for another name. Each request becomes one JSON line:
method, uri, status, body, headers of Standard Webhooks, and the number of its connection.

SPDX-License-Identifier: Apache-2.0
"""
import email.utils
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import threading
import time

import tls
from servers import die_with_parent, free_port, wait_until

CONFIGURATION = """
daemon off; pid {d}/nginx.pid; error_log {d}/error.log warn; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; default_type text/plain; keepalive_requests 1000000;
  client_body_temp_path {d}/tmp/b; proxy_temp_path {d}/tmp/p; fastcgi_temp_path {d}/tmp/f; uwsgi_temp_path {d}/tmp/u;
  scgi_temp_path {d}/tmp/s;
  client_max_body_size 4m; client_body_buffer_size 4m; client_body_in_single_buffer on;
  proxy_buffering off; proxy_max_temp_file_size 0; proxy_http_version 1.1;
  log_format j escape=json '{{"connection":"$connection","method":"$request_method","uri":"$request_uri",'
    '"status":$status,"content_type":"$content_type","agent":"$http_user_agent","id":"$http_webhook_id",'
    '"timestamp":"$http_webhook_timestamp","signature":"$http_webhook_signature","body":"$request_body"}}';
  ssl_certificate {d}/tls/server.pem; ssl_certificate_key {d}/tls/server.key; ssl_protocols TLSv1.2 TLSv1.3;
  server {{
    listen 127.0.0.1:{https} ssl; listen 127.0.0.1:{http}; server_name localhost;
    access_log {d}/requests.log j;
    location = /reset {{ return 444; }}
    location / {{ proxy_pass http://unix:{d}/inner.sock; proxy_read_timeout 40s; }}
  }}
  server {{
    listen 127.0.0.1:{wrong} ssl; server_name wrong.example;
    ssl_certificate {d}/tls/wrong.pem; ssl_certificate_key {d}/tls/wrong.key;
    access_log {d}/requests.log j;
    return 200;
  }}
  server {{
    listen unix:{d}/inner.sock;
    {codes}
    location = /flip {{ if (-f {d}/fail) {{ return 503; }} return 200 "ok"; }}
    location = /redirect {{ return 307 http://169.254.169.254/latest/meta-data/; }}
    location = /drip {{ error_page 405 =200 /drip.bin; alias {d}/drip.bin; limit_rate 10; }}
    location = /huge {{ error_page 405 =200 /huge.bin; alias {d}/huge.bin; }}
    location = /drip.bin {{ internal; root {d}; limit_rate 10; }}
    location = /huge.bin {{ internal; root {d}; }}
    location = /hang {{ proxy_pass http://127.0.0.1:{silent}; proxy_read_timeout 30s; }}
    location / {{ return 404; }}
  }}
}}
"""


def why_not():
    """Why it can't run here, or None."""
    return None if shutil.which("nginx", path="/usr/sbin:/usr/bin") else "nginx is not installed (package nginx-light)"


def locations():
    lines = []
    for code in (200, 201, 202, 400, 401, 403, 404, 408, 409, 410, 413, 422, 500, 502, 504):
        lines.append(f'location = /code/{code} {{ return {code} "{code}\\n"; }}')
    for code in (429, 503):
        lines.append(f'location = /code/{code} {{ add_header Retry-After 2 always; return {code} "{code}\\n"; }}')
    for code in (301, 302, 307, 308):
        lines.append(f"location = /code/{code} {{ return {code} /code/200; }}")
    date = email.utils.formatdate(time.time() + 3600, usegmt=True)
    lines.append(f'location = /code/503-date {{ add_header Retry-After "{date}" always; return 503; }}')
    lines.append("location = /code/204 { return 204; }")
    lines.append('location = /ok { return 200 "ok"; }')
    return "\n    ".join(lines)


class SilentPeer:
    """Takes connections and what is sent on them, and says nothing."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, name="silent-peer", daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.connections.append(self.listener.accept())
            except OSError:
                return

    def stop(self):
        self.listener.shutdown(socket.SHUT_RDWR)  # close() alone does not wake accept()
        self.listener.close()
        for connection, _ in self.connections:
            connection.close()


class HookServer:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.ports = {name: free_port() for name in ("https", "http", "wrong")}
        self.silent = SilentPeer()
        self.process = None

    def start(self):
        d = self.folder
        (d / "tmp").mkdir(parents=True)
        d.chmod(0o755)
        tls.make(d / "tls")
        with open(d / "huge.bin", "wb") as f:
            f.truncate(50 * 1024 * 1024)
        (d / "drip.bin").write_bytes(b"x" * 2000)
        (d / "requests.log").touch()
        text = CONFIGURATION.format(d=d, codes=locations(), silent=self.silent.port, **self.ports)
        (d / "nginx.conf").write_text(text)
        with open(d / "start.log", "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(d), "-c", str(d / "nginx.conf")], stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, start_new_session=True,
                                            preexec_fn=die_with_parent(signal.SIGTERM))
        wait_until(self._listens, 20, lambda: (d / "start.log").read_text())
        return self

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.ports["https"])) == 0

    def url(self, path, port="https", host="localhost"):
        return f"{'http' if port == 'http' else 'https'}://{host}:{self.ports[port]}{path}"

    @property
    def ca_file(self):
        return str(self.folder / "tls/ca.pem")

    def requests(self, **match):
        """What was received, oldest first, where the fields are as given."""
        lines = (self.folder / "requests.log").read_text().split("\n")[:-1]  # splitlines() also splits at U+2028
        found = [json.loads(line) for line in lines]
        return [r for r in found if all(r[k] == v for k, v in match.items())]

    def wait_for_requests(self, n, **match):
        wait_until(lambda: len(self.requests(**match)) >= n, 20, lambda: f"{n} of {match}, got {self.requests()}")
        return self.requests(**match)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
        self.silent.stop()
