"""
Webhook receivers that hang, drip, reset, answer without end, lead elsewhere, refuse, present the wrong certificate, or aren't
in the DNS. A healthy receiver and the mails beside it notice nothing (I8), and what was held up leaves when it is well again.

SPDX-License-Identifier: Apache-2.0
"""
import re
import time

import pytest

import hook_server
import servers
from company import OWNERS
from hook_server import HookServer
from resolver import slow_resolver
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
    "slow-dns": (None, None, {"retry", "ambiguous"}, None),  # a name server that doesn't answer
}
NAMES = {"no-dns": "https://crm.closeloop-test.invalid/hook", "slow-dns": "https://crm.slow.invalid/hook"}
LONG = {"drip", "too-many", "huge"}  # for the long form: they take 20 s, or differ little
SLOWEST_S = 10  # for the healthy ones: half of the 20 s that a sick one has; who waits for it waits longer


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
    configure(site, nginx, nginx.url(path, port) if path else NAMES[kind])
    site.own(*OWNERS)
    daemon = site.start(**slow_resolver()) if kind == "slow-dns" else site.start()
    started = time.monotonic()
    feed(site, 0)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE endpoint <> 'sick' AND state = 'sent'") == 2 * N,
              "the healthy ones", 40)
    site.wait(lambda: due_now(site) or len(attempts(site)) >= 1, "an attempt", 40)
    seen = time.monotonic() - started
    feed(site, N)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE endpoint <> 'sick' AND state = 'sent'") == 4 * N,
              "the healthy ones, again", 40)
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


def open_breaker(site):
    """A receiver that refuses connections, with messages that are due; its breaker is open."""
    site.configure(webhooks=f'{{ crm: {{ url = "http://127.0.0.1:{site.hook.port}/crm"; secret_file = "secret"; }};'
                            f' sick: {{ url = "http://127.0.0.1:{servers.free_port()}/"; secret_file = "secret"; }}; }}',
                   routes='{ account: { owner = [ "team:care" ]; notify = [ "webhook:crm", "webhook:sick" ]; };'
                          ' field: { owner = [ "team:field" ]; notify = [ "email:owner" ]; }; }')
    daemon = site.start()
    feed(site, 0)
    return daemon


def breaker(site):
    return site.one("SELECT breaker FROM closeloop.endpoints WHERE name = 'sick'")


def switches(daemon):
    """How often the main thread went to sleep."""
    with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
        return int(re.search(r"\nvoluntary_ctxt_switches:\s+(\d+)", f.read()).group(1))


def mended(site, daemon):
    site.configure(webhooks=f'{{ crm: {{ url = "http://127.0.0.1:{site.hook.port}/crm"; secret_file = "secret"; }};'
                            f' sick: {{ url = "http://127.0.0.1:{site.hook.port}/sick"; secret_file = "secret"; }}; }}')
    daemon.hang_up()
    delivered(site)


def test_an_open_breaker_is_not_polled(strict_site, figure):
    """What is due behind an open breaker waits for its time, in sleep."""
    site = strict_site
    daemon = open_breaker(site)
    site.wait(lambda: breaker(site) == "open", "open")
    site.wait(lambda: len(site.hook.requests) == N, "the healthy ones")
    site.q("UPDATE closeloop.messages SET next_at = clock_timestamp() WHERE state = 'queued'")
    time.sleep(1)  # the round that sees it
    often = 0.0

    def calm():  # in one of several periods: whoever polls never is
        nonlocal often
        before, started = switches(daemon), time.monotonic()
        time.sleep(4)  # a period, not a wait
        often = (switches(daemon) - before) / (time.monotonic() - started)
        return often < 4
    site.wait(calm, lambda: f"calm; it is woken {often:.1f} times a second", 20)
    mended(site, daemon)
    figure(f"{often:.1f} wake-ups a second")


def test_what_is_known_of_a_receiver_outlives_a_failed_settle(strict_site):
    """The disk is full as the failures are to be written: later they still open the breaker."""
    site = strict_site
    site.q("CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'full' USING ERRCODE = '53100';"
           " END $$; CREATE TRIGGER full_disk BEFORE INSERT ON closeloop.attempts EXECUTE FUNCTION full_disk()")
    daemon = open_breaker(site)
    site.wait(lambda: daemon.log.count("53100") >= 2 and daemon.log.count("endpoint=sick") >= 5, "failures that can't be written")
    site.q("DROP TRIGGER full_disk ON closeloop.attempts")
    site.wait(lambda: attempts(site), "written")
    site.wait(lambda: breaker(site) == "open", "open", 3)  # before anything is tried again
    mended(site, daemon)
