"""
Pages for tests: a company that has them, and links as its mails carry them.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import hashlib
import hmac
import re
import struct
import time

import pytest

from company import text_of

LINK_KEY = "0123456789abcdef0123456789abcdef-links"
OTHER_KEY = "fedcba9876543210fedcba9876543210-links"
PROXY_SECRET = "what the proxy proves itself with"
TOKENS = {"crm": "a token of the CRM, read and transition", "wall": "a token of the wall display, read"}


def write_secret(site, name, *lines):
    path = site.folder / name
    path.touch(0o600)
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


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
