"""
Webhook receivers that hang, drip, reset, answer without end, lead elsewhere, refuse, present the wrong certificate, or aren't
in the DNS. A healthy receiver and the mails beside it notice nothing (I8), and what was held up leaves when it is well again.

SPDX-License-Identifier: Apache-2.0
"""
import time

import pytest

import hook_server
from hook_server import HookServer
from test_mail import delivered, due_now

N = 12
SICK = {  # path, port → what is recorded: (outcomes that are right, code)
    "hang": ("/hang", "https", {"ambiguous", "retry"}, None),
    "drip": ("/drip", "https", {"sent", "ambiguous", "retry"}, None),
    "reset": ("/reset", "https", {"ambiguous", "retry"}, None),
    "huge": ("/huge", "https", {"sent"}, 200),  # accepted: it said 200; the 50 MB are not read
    "redirect": ("/redirect", "https", {"retry"}, 307),
    "unavailable": ("/code/503", "https", {"retry"}, 503),
    "too-many": ("/code/429", "https", {"retry"}, 429),
    "wrong-name": ("/ok", "wrong", {"retry"}, None),
    "no-dns": (None, None, {"retry"}, None),
}
LONG = {"drip", "too-many", "huge"}  # for the long form: they take 20 s, or differ little
SLOWEST_S = 3  # for the healthy ones, on a loaded machine


@pytest.fixture(scope="module")
def nginx(folder):
    if hook_server.why_not():
        pytest.skip(hook_server.why_not())
    server = HookServer(folder / "nginx").start()
    yield server
    server.stop()


def configure(site, nginx, url):
    site.configure(
        webhooks=f'{{ crm: {{ url = "http://127.0.0.1:{site.hook.port}/crm"; secret_file = "secret"; }};'
                 f' sick: {{ url = "{url}"; secret_file = "secret"; ca_file = "{nginx.ca_file}"; }}; }}',
        routes='{ account: { owner = [ "lookup:account", "team:care" ];'
               ' notify = [ "email:owner", "webhook:crm", "webhook:sick" ]; };'
               ' field: { owner = [ "lookup:touchpoint+region", "team:field" ]; notify = [ "email:owner" ]; }; }')


def attempts(site):
    return site.q("SELECT a.outcome, a.code, length(a.answer) FROM closeloop.attempts a JOIN closeloop.messages m"
                  " ON m.id = a.message_id WHERE m.endpoint = 'sick'")


def feed(site, start):
    for i in range(start, start + N):
        site.respond(customer_id=f"k{i}", account=("hanbit", "elbhof")[i % 2])


def healthy_slowest(site):
    return site.one("SELECT extract(epoch FROM max(sent_at - queued_at))::float8 FROM closeloop.messages WHERE endpoint <> 'sick'")


def check_bodies(nginx, paths):
    """All requests about one message have one body, whatever was answered."""
    bodies = {}
    for request in (r for path in paths for r in nginx.requests(uri=path) if r["body"]):  # /reset doesn't read it
        assert bodies.setdefault(request["id"], request["body"]) == request["body"]


@pytest.mark.parametrize("kind", SICK)
def test_sick_receiver(strict_site, nginx, size, figure, kind):
    if kind in size(LONG, ()):
        pytest.skip("in the long form")
    site = strict_site
    path, port, outcomes, code = SICK[kind]
    configure(site, nginx, nginx.url(path, port) if path else "https://crm.closeloop-test.invalid/hook")
    daemon = site.daemon()
    started = time.monotonic()
    feed(site, 0)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE endpoint <> 'sick' AND state = 'sent'") == 2 * N,
              "the healthy ones", 15)
    site.wait(lambda: due_now(site) or len(attempts(site)) >= 1, "an attempt", 40)
    seen = time.monotonic() - started
    feed(site, N)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE endpoint <> 'sick' AND state = 'sent'") == 4 * N,
              "the healthy ones, again", 15)
    slowest = healthy_slowest(site)
    assert slowest < SLOWEST_S, f"healthy receivers waited {slowest:.1f} s"
    recorded = attempts(site)
    assert {a[0] for a in recorded} <= outcomes and {a[1] for a in recorded} <= {code, 200}, recorded
    assert max((a[2] or 0) for a in recorded) <= 2048
    assert daemon.resident_kib() < 64 * 1024
    # Mended: the operator puts another address in place.
    configure(site, nginx, nginx.url("/ok"))
    daemon.hang_up()
    delivered(site, 60)
    check_bodies(nginx, [path or "/ok", "/ok"])
    figure(f"healthy: {slowest * 1000:.0f} ms at most; sick: first attempt over after {seen:.1f} s")


def test_gone(strict_site, nginx):
    """410: the endpoint is switched off, its message fails for good, and everybody else goes on."""
    site = strict_site
    configure(site, nginx, nginx.url("/code/410"))
    daemon = site.daemon()
    site.respond(account="hanbit")
    site.wait(lambda: site.one("SELECT disabled FROM closeloop.endpoints WHERE name = 'sick'"), "switched off")
    feed(site, 0)
    site.mails(N + 1)
    site.wait(lambda: len(site.hook.requests) == N + 1, "the healthy ones")
    site.expected_undelivered = site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'failed'")
    assert site.expected_undelivered == 1
    configure(site, nginx, nginx.url("/ok"))
    daemon.hang_up()
    site.run("endpoint", "enable", "sick")
    delivered(site)
