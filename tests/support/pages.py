"""
Pages for tests: a company that has them, links as its mails carry them, and those who open them.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import html
import http.client
import json
import pathlib
import re
import struct
import time
import urllib.parse

import jsonschema
import pytest
import yaml

from company import text_of

LINK_KEY = "0123456789abcdef0123456789abcdef-links"
OTHER_KEY = "fedcba9876543210fedcba9876543210-links"
PROXY_SECRET = "what the proxy proves itself with"
TOKENS = {"crm": "a token of the CRM, read and transition", "wall": "a token of the wall display, read"}


def write_secret(site, name, *lines):
    path = site.folder / name
    path.touch(0o600)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    site.secrets.update(lines)


def http_section(site, more=""):
    return (f'{{ listen = "127.0.0.1:{site.http_port}"; public_url = "http://127.0.0.1:{site.http_port}";'
            f' link_key_file = "link-key"; {more} }}')


@pytest.fixture
def paged(site):
    write_secret(site, "link-key", LINK_KEY)
    write_secret(site, "proxy-secret", PROXY_SECRET)
    for name, token in TOKENS.items():
        write_secret(site, f"{name}-token", token)
    site.daemon(http=http_section(
        site, 'proxy: { peers = [ "127.0.0.1" ]; secret_file = "proxy-secret"; };'
              ' tokens: { crm: { token_file = "crm-token"; scopes = [ "read", "transition" ]; };'
              '           wall: { token_file = "wall-token"; }; };'),
        people="""{
  minsu: { name = "김민수"; email = "minsu@halden.example"; language = "ko"; timezone = "Asia/Seoul"; reports_to = "olga"; login = "minsu"; };
  anna:  { name = "Anna Groß"; email = "anna@halden.example"; language = "de"; reports_to = "olga"; };
  ben:   { name = "Ben Hall"; email = "ben@halden.example"; language = "en"; reports_to = "olga"; };
  olga:  { name = "Olga Hart"; email = "olga@halden.example"; language = "en"; };
  zoe:   { name = "Zoe Stranger"; email = "zoe@halden.example"; language = "en"; };
}""", teams="""{
  care:  { members = [ "ben", "olga" ]; lead = "olga"; assign = "least-open"; };
  field: { members = [ "anna", "ben", "minsu" ]; assign = "round-robin"; };
}""")
    return site


def sign(purpose, person, address, case=0, epoch=0, ttl=3600, key=LINK_KEY, version=1):
    """A link as settings/link.c makes it."""
    key = key.encode()
    record = bytes([version, ord(purpose)]) + hmac.new(key, b"closeloop key id", hashlib.sha256).digest()[:4]
    record += int(time.time() + ttl).to_bytes(5, "big") + struct.pack(">qi", case, epoch)
    record += hashlib.sha256(address.lower().encode()).digest()[:8] + bytes([len(person)]) + person.encode()
    record += hmac.new(key, record, hashlib.sha256).digest()[:16]
    return base64.urlsafe_b64encode(record).decode().rstrip("=")


def link_in(mail, kind="c"):
    return re.search(rf"http://127\.0\.0\.1:\d+/{kind}/[\w-]+", text_of(mail))[0]


# -- a browser, and a program


def signed_in(site, person, ttl=3600):
    browser = Browser(site)
    browser.cookies["closeloop"] = sign("s", person, f"{person}@halden.example", ttl=ttl)
    return browser


class Answer:
    def __init__(self, response):
        self.status, self.headers = response.status, response.headers
        self.body = response.read().decode("utf-8")

    def field(self, name):
        return html.unescape(re.search(f'name="{name}" value="([^"]*)"', self.body)[1])

    def field_of(self, name):
        """What stands in a field, wherever its other attributes stand."""
        return html.unescape(re.search(f'<input [^>]*name="{name}"[^>]* value="([^"]*)"', self.body)[1])


class Browser:
    """As much of a browser as forms and cookies need; follows no redirect by itself."""

    def __init__(self, site):
        self.site, self.cookies = site, {}

    def ask(self, method, path, fields=None, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.site.http_port, timeout=20)
        path = urllib.parse.urlsplit(path)._replace(scheme="", netloc="").geturl()
        headers = {k.replace("_", "-"): v for k, v in headers.items()}
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{k}={v}" for k, v in self.cookies.items())
        body = None
        if fields is not None:
            headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            body = fields if isinstance(fields, (str, bytes)) else urllib.parse.urlencode(fields)
        connection.request(method, path, body, headers)
        answer = Answer(connection.getresponse())
        connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or []:
            name, _, value = cookie.partition(";")[0].partition("=")
            self.cookies[name] = value
            if "Max-Age=0" in cookie:
                del self.cookies[name]
        return answer

    def get(self, path, **headers):
        return self.ask("GET", path, **headers)

    def post(self, path, **fields):
        return self.ask("POST", path, fields)

    def open(self, link):
        """Follows the link of a mail to its page."""
        answer = self.get(link)
        assert answer.status == 303, answer.body
        return self.get(answer.headers["Location"])

    def act(self, page, path, action, **fields):
        """Presses a button of a page that is open."""
        return self.post(path, token=page.field("token"), version=page.field("version"), action=action, **fields)


def case_of(site, **values):
    """A response, its alert, and the link in it."""
    site.respond(**values)
    mail = site.mails(1)[0]
    return mail, link_in(mail)


def state(site):
    """All that a page could change."""
    return site.q("SELECT id, status, version, owner FROM closeloop.cases ORDER BY id"), site.q(
        "SELECT count(*) FROM closeloop.case_events")


def opened(site, **values):
    """A case of Minsu's and its path."""
    response = site.respond(**{"account": "hanbit", "customer_id": "c-1", **values})
    site.wait(lambda: site.one("SELECT id FROM closeloop.cases WHERE response_id = %s", response), "the case")
    return f"/case/{site.one('SELECT id FROM closeloop.cases WHERE response_id = %s', response)}"


OPENAPI = yaml.safe_load((pathlib.Path(__file__).resolve().parents[2] / "docs/openapi.yaml").read_text(encoding="utf-8"))


def described(method, path, status):
    """The schema that docs/openapi.yaml promises for an answer."""
    known = re.sub(r"^/api/v1", "", path.partition("?")[0])
    known = known if known in OPENAPI["paths"] else "/cases/{id}/transition"
    answer = OPENAPI["paths"][known][method.lower()]["responses"][str(status)]
    if "$ref" in answer:
        answer = OPENAPI["components"]["responses"][answer["$ref"].rsplit("/", 1)[1]]
    return {**answer["content"]["application/json"]["schema"], "components": OPENAPI["components"]}


class Program:
    def __init__(self, site, token=TOKENS["crm"]):
        self.browser, self.token = Browser(site), token

    def ask(self, method, path, body=None, **headers):
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers.setdefault("Content_Type", "application/json")
            body = body if isinstance(body, (str, bytes)) else json.dumps(body)
        answer = self.browser.ask(method, path, body, **headers)
        assert answer.headers["Content-Type"] == "application/json", answer.body
        answer.json = json.loads(answer.body)
        jsonschema.validate(answer.json, described(method, path, answer.status))
        return answer
