"""
The pages as docs/pages.md sets them up: a real nginx with the configuration that conf/nginx ships (TLS, cookies, who is counted,
what stays inside), and a daemon with a login that is a member of closeloop_daemon and nothing else.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import http.cookiejar
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

import pytest

import tls
from company import text_of
from servers import die_with_parent, free_port, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK_KEY = "0123456789abcdef0123456789abcdef-links"
PROXY_SECRET = "what nginx proves itself with"
API_TOKEN = "a token of the CRM behind nginx"
INSIDE = ("/metrics", "/livez", "/readyz")
AROUND = """
daemon off; pid {d}/nginx.pid; error_log {d}/start-error.log warn; worker_processes 1;
events {{ worker_connections 128; }}
http {{
  client_body_temp_path {d}/tmp/b; proxy_temp_path {d}/tmp/p; fastcgi_temp_path {d}/tmp/f; uwsgi_temp_path {d}/tmp/u;
  scgi_temp_path {d}/tmp/s;
  include {d}/closeloop.conf;
}}
"""


class Front:
    """nginx, as conf/nginx/closeloop.conf has it but for ports, names of files and the host."""

    def __init__(self, site, sign_on):
        self.site, self.folder = site, site.folder / "nginx"
        self.https, self.plain = free_port(), free_port()
        (self.folder / "tmp").mkdir(parents=True)
        tls.make(self.folder / "tls")
        text = (ROOT / "conf/nginx/closeloop.conf").read_text(encoding="utf-8")
        for old, new in (
                ("127.0.0.1:8480;", f"127.0.0.1:{site.http_port};"), ("listen 80;", f"listen 127.0.0.1:{self.plain};"),
                ("\tlisten [::]:80;\n", ""), ("listen 443 ssl http2;", f"listen 127.0.0.1:{self.https} ssl http2;"),
                ("\tlisten [::]:443 ssl http2;\n", ""), ("return 301 https://feedback.example.com/;",
                                                         f"return 301 https://localhost:{self.https}/;"),
                ("/etc/ssl/certs/feedback.example.com.pem", f"{self.folder}/tls/server.pem"),
                ("/etc/ssl/private/feedback.example.com.key", f"{self.folder}/tls/server.key"),
                ("/var/log/nginx/closeloop.log", f"{self.folder}/access.log"),
                ("/var/log/nginx/closeloop-error.log", f"{self.folder}/error.log")):
            body = text.split("\nupstream", 1)[1]
            assert body.count(old) == 1, f"conf/nginx/closeloop.conf: {old!r}"
            text = text.split("\nupstream", 1)[0] + "\nupstream" + body.replace(old, new)
        text = text.replace("server_name feedback.example.com;", "server_name localhost;")
        if sign_on:
            text = self._with_sign_on(text)
        assert "feedback.example.com" not in text.split("\nupstream", 1)[1]
        (self.folder / "closeloop.conf").write_text(text, encoding="utf-8")
        (self.folder / "nginx.conf").write_text(AROUND.format(d=self.folder), encoding="utf-8")
        self.process = None

    def _with_sign_on(self, text):
        """As the file says: the commented lines in place of two others."""
        lines = '\n\tproxy_set_header X-Remote-User "";\n\tproxy_set_header X-Proxy-Secret "";\n'
        assert text.count(lines) == 1
        text = text.replace(lines, "\n")
        text, n = re.subn(r"(?m)^#\t", "\t", text)
        assert n == 4
        hashed = subprocess.run(["openssl", "passwd", "-apr1", "open sesame"], capture_output=True, text=True, check=True).stdout
        (self.folder / "users").write_text("".join(f"{name}:{hashed}" for name in ("minsu", "stranger")), encoding="ascii")
        (self.folder / "secret.conf").write_text(f'proxy_set_header X-Proxy-Secret "{PROXY_SECRET}";\n', encoding="ascii")
        (self.folder / "secret.conf").chmod(0o600)
        self.folder.chmod(0o755)
        return text.replace("/etc/nginx/closeloop.users", f"{self.folder}/users").replace(
            "/etc/nginx/closeloop-secret.conf", f"{self.folder}/secret.conf")

    def start(self):
        with open(self.folder / "start.log", "ab") as log:
            self.process = subprocess.Popen(["/usr/sbin/nginx", "-p", str(self.folder), "-c", str(self.folder / "nginx.conf")],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                            preexec_fn=die_with_parent(signal.SIGTERM))
        wait_until(self._listens, 20, lambda: (self.folder / "start.log").read_text())
        return self

    def _listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.https)) == 0

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(20)

    @property
    def url(self):
        return f"https://localhost:{self.https}"

    def tls(self):
        return ssl.create_default_context(cafile=str(self.folder / "tls/ca.pem"))

    def ask(self, method, path, fields=None, client="127.0.0.2", **headers):
        """One request from an address of its own; follows no redirect, keeps no cookie."""
        connection = http.client.HTTPSConnection("localhost", self.https, timeout=20, context=self.tls(),
                                                 source_address=(client, 0))
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        body = None
        if fields is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(fields)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer


class Browser:
    """urllib's: verifies the certificate, follows redirects, keeps cookies and sends Secure ones by TLS only."""

    def __init__(self, front):
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=front.tls()),
                                                  urllib.request.HTTPCookieProcessor(self.jar))

    def open(self, url, fields=None, **headers):
        data = None if fields is None else urllib.parse.urlencode(fields).encode()
        request = urllib.request.Request(url, data, {k.replace("_", "-"): v for k, v in headers.items()})
        try:
            answer = self.opener.open(request, timeout=20)
        except urllib.error.HTTPError as e:
            answer = e
        answer.text = answer.read().decode()
        return answer


def behind_nginx(site, sign_on=False):
    for name, secret in (("link-key", LINK_KEY), ("proxy-secret", PROXY_SECRET), ("crm-token", API_TOKEN)):
        (site.folder / name).touch(0o600)
        (site.folder / name).write_text(secret + "\n", encoding="ascii")
    front = Front(site, sign_on)
    site.run("migrate", "--roles")
    if not site.one("SELECT 1 FROM pg_roles WHERE rolname = 'fb1'"):
        site.q("CREATE ROLE fb1 LOGIN; GRANT closeloop_daemon TO fb1")
    conninfo = re.sub(r"user=\S+", "user=fb1", site.server.conninfo(site.database))
    assert "user=fb1" in conninfo
    people = site.sections["people"].replace('email = "minsu@', 'login = "minsu"; email = "minsu@')
    site.daemon(people=people, database=f'{{ conninfo = "{conninfo}"; }}', http=f'{{ listen = "127.0.0.1:{site.http_port}"; public_url = "{front.url}";'
                                    ' link_key_file = "link-key"; tokens: { crm: { token_file = "crm-token"; }; };'
                                    ' proxy: { peers = [ "127.0.0.1" ]; secret_file = "proxy-secret"; }; }')
    return front.start()


@pytest.fixture
def front(site):
    front = behind_nginx(site)
    yield front
    front.stop()


@pytest.fixture
def sign_on_front(site):
    front = behind_nginx(site, sign_on=True)
    yield front
    front.stop()


def link_of(site):
    """The link in the mail about a new case of Minsu's."""
    site.respond(account="hanbit", customer_id="c-1")
    return re.search(r"https://localhost:\d+/c/[\w-]+", text_of(site.mails(1)[0]))[0]


def field(page, name):
    return re.search(f'name="{name}" value="([^"]*)"', page.text)[1]


def test_from_the_mail_to_an_acknowledged_case(site, front):
    link = link_of(site)
    assert link.startswith(front.url)
    opened = front.ask("GET", urllib.parse.urlsplit(link).path)
    case = site.one("SELECT id FROM closeloop.cases")
    assert opened.status == 303 and opened.headers["Location"] == f"/case/{case}"
    cookie = opened.headers["Set-Cookie"]
    assert re.match(r"__Host-closeloop=[\w-]+; Path=/; ", cookie) and cookie.endswith("; Secure") and "HttpOnly" in cookie
    assert "Domain" not in cookie and opened.headers["Strict-Transport-Security"]

    browser = Browser(front)
    page = browser.open(link)  # by the redirect, with the cookie it came with
    assert page.status == 200 and page.url == f"{front.url}/case/{case}"
    assert [(c.name, c.secure) for c in browser.jar] == [("__Host-closeloop", True)]
    press = {"token": field(page, "token"), "version": field(page, "version"), "action": "acknowledge"}
    assert browser.open(page.url, press, Origin="https://elsewhere.example").status == 403
    assert site.one("SELECT status FROM closeloop.cases") == "open"
    done = browser.open(page.url, press, Origin=front.url)
    assert done.status == 200 and done.url == page.url
    assert site.one("SELECT status, acknowledged_by FROM closeloop.cases") == ("acknowledged", "minsu")
    for path in ("/inbox?q=Kim", "/inbox?status=done", "/reports", "/"):
        assert browser.open(front.url + path).status == 200, path
    style = re.search(r'href="(/style/[^"]+)"', page.text)[1]
    assert browser.open(front.url + style).headers["Content-Type"].startswith("text/css")
    # The database knows the pages by a role that can do little else than they show.
    assert site.one("SELECT has_table_privilege('closeloop_pages', 'closeloop.cases', 'UPDATE')") is False
    away = browser.open(f"{front.url}/inbox")
    assert browser.open(f"{front.url}/away", {"token": field(away, "token"), "deputy": "Ben Hall"}).status == 200
    assert site.one("SELECT deputy FROM closeloop.absences") == "ben"
    assert browser.open(f"{front.url}/link", {"email": "minsu@halden.example"}).status == 200
    assert "/i/" in text_of(site.mails(2)[-1])
    # Links and names stand in no log; what else was asked does.
    log = (front.folder / "access.log").read_text()
    assert "/c/" not in log and "Kim" not in log and f"/case/{case}" in log and "/inbox" in log


def test_what_is_for_inside_stays_inside(site, front):
    daemon = site.daemons[0]
    for path in INSIDE:
        assert daemon.get(path)[0] == 200
        for way in (path, f"{path}/", f"/{path}", f"{path}?x=1", f"/style/..{path}", f"/style/%2e%2e{path}",
                    f"/%{ord(path[1]):02x}{path[2:]}", f"/case/..%2f{path[1:]}", f"/c/..{path}", f"/i/%2e%2e%2f{path[1:]}",
                    f"/style/..%252f{path[1:]}", path.upper(), f"/api/v1/../..{path}", f"{path};x"):
            answer = front.ask("GET", way)
            assert answer.status in (400, 401, 404), (way, answer.status)
            assert "closeloop_" not in answer.text and answer.text not in ("live\n", "ready\n"), way


def test_without_tls_nothing_is_shown(site, front):
    path = urllib.parse.urlsplit(link_of(site)).path
    connection = http.client.HTTPConnection("127.0.0.1", front.plain, timeout=20)
    connection.request("GET", path)
    answer = connection.getresponse()
    assert (answer.status, answer.headers["Location"]) == (301, f"{front.url}/")
    assert path not in answer.read().decode() and not answer.headers["Set-Cookie"]
    connection.close()


def test_who_guesses_is_counted_alone(site, front):
    good = urllib.parse.urlsplit(link_of(site)).path
    for i in range(25):
        # Whatever a client writes there itself, it is counted as who it is.
        assert front.ask("GET", "/c/guess", X_Forwarded_For=f"192.0.2.{i}").status == 404
    # One more is allowed every six seconds: this one may be it.
    wait_until(lambda: front.ask("GET", "/c/guess").status == front.ask("GET", good, X_Forwarded_For="192.0.2.200").status == 404, 10,
               "to be slowed down")
    assert front.ask("GET", good, client="127.0.0.3").status == 303


def test_nobody_says_of_themselves_who_they_are(site, front):
    link_of(site)
    path = f"/case/{site.one('SELECT id FROM closeloop.cases')}"
    # Not even who knows the secret: nginx passes neither header on.
    answer = front.ask("GET", path, X_Remote_User="minsu", X_Proxy_Secret=PROXY_SECRET)
    assert answer.status == 403 and "minsu" not in answer.text


def test_single_sign_on(site, sign_on_front):
    front = sign_on_front
    link = urllib.parse.urlsplit(link_of(site)).path
    path = f"/case/{site.one('SELECT id FROM closeloop.cases')}"
    assert front.ask("GET", path).status == 401 and front.ask("GET", link).status == 401
    login = {"Authorization": "Basic bWluc3U6b3BlbiBzZXNhbWU="}  # minsu:open sesame
    page = front.ask("GET", path, **login)
    assert page.status == 200 and 'action="/leave"' not in page.text
    assert front.ask("GET", path, X_Remote_User="olga", **login).status == 200  # still Minsu
    press = {"token": field(page, "token"), "version": field(page, "version"), "action": "acknowledge"}
    assert front.ask("POST", path, press, Origin=front.url, **login).status == 303
    assert site.one("SELECT acknowledged_by FROM closeloop.cases") == "minsu"
    # Where programs come in nobody is asked, so nobody's word counts there.
    for way in (path, f"{path}/../../api/v1/", f"/case/..%2fapi/v1/..{path}", "/inbox/../api/v1/", f"/api/v1/../..{path}"):
        assert front.ask("GET", way, Authorization="Basic bWluc3U6d3Jvbmc=").status in (401, 403, 404), way  # minsu:wrong
    # Let in by nginx, and nobody that closeloop knows.
    assert front.ask("GET", path, Authorization="Basic c3RyYW5nZXI6b3BlbiBzZXNhbWU=").status == 403


def test_programs_get_the_api(site, front):
    link_of(site)
    assert front.ask("GET", "/api/v1/cases").status == 401
    answer = front.ask("GET", "/api/v1/cases", Authorization=f"Bearer {API_TOKEN}")
    case = site.one("SELECT id FROM closeloop.cases")
    assert answer.status == 200 and f'"{front.url}/case/{case}"' in answer.text
