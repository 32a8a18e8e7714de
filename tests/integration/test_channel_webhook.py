"""
Webhooks leave, and the answers are recorded: against a real nginx, and small servers for what it can't do.

SPDX-License-Identifier: Apache-2.0
"""
import http.server
import json
import pathlib
import socket
import subprocess
import threading
import time

import pytest
from channel_fixtures import KEY, OLD_KEY, hooks, probe, slow_resolver  # noqa: F401
from chaos_proxy import ChaosProxy
from servers import wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAST = {"connect_ms": 3000, "webhook_ms": 3000}


def endpoint(hooks, path, port="https", **more):  # noqa: F811
    return {"url": hooks.url(path, port), "keys": [KEY], "ca_file": hooks.ca_file, **more}


def settings(**endpoints):
    return {"webhooks": endpoints}


@pytest.mark.parametrize("path,outcome,code,retry_after", [
    ("/code/200", "sent", 200, 0), ("/code/201", "sent", 201, 0), ("/code/202", "sent", 202, 0), ("/code/204", "sent", 204, 0),
    ("/code/301", "retry", 301, 0), ("/code/307", "retry", 307, 0), ("/redirect", "retry", 307, 0),
    ("/code/400", "retry", 400, 0), ("/code/401", "retry", 401, 0), ("/code/403", "retry", 403, 0),
    ("/code/404", "retry", 404, 0), ("/code/408", "retry", 408, 0), ("/code/409", "retry", 409, 0),
    ("/code/410", "gone", 410, 0), ("/code/413", "failed", 413, 0), ("/code/422", "retry", 422, 0),
    ("/code/429", "retry", 429, 2), ("/code/500", "retry", 500, 0), ("/code/502", "retry", 502, 0),
    ("/code/503", "retry", 503, 2), ("/code/504", "retry", 504, 0),
])
def test_answers(probe, hooks, path, outcome, code, retry_after):  # noqa: F811
    result = probe(settings(crm=endpoint(hooks, path))).hook("crm")
    assert (result["outcome"], result["code"], result["retry_after_s"]) == (outcome, code, retry_after)
    assert (result["error"] == "") == (outcome == "sent")
    if "/code/" in path and code not in (204, 301, 307):
        assert result["answer"] == f"{code}\n"
    # One request each: nothing was followed.
    assert len(hooks.wait_for_requests(1, id=result["id"])) == 1


def test_retry_after_as_a_date(probe, hooks):  # noqa: F811
    result = probe(settings(crm=endpoint(hooks, "/code/503-date"))).hook("crm")
    assert 3000 < result["retry_after_s"] <= 3600


def test_request(probe, hooks):  # noqa: F811
    """What goes over the wire is the stored body, byte for byte, signed by every key; a receiver's own library agrees."""
    p = probe(settings(crm=endpoint(hooks, "/code/200", keys=[KEY, OLD_KEY]), one=endpoint(hooks, "/code/200")))
    body = json.dumps({"type": "case.opened", "data": {"comment": "설치 \"<&\u2028 😀"}}, ensure_ascii=False)
    ids = [p.hook("crm", body)["id"], p.hook("one", body)["id"]]
    requests = [hooks.wait_for_requests(1, id=i)[0] for i in ids]
    for request in requests:
        assert request["method"] == "POST"
        assert request["content_type"] == "application/json"
        assert request["agent"].startswith("closeloop/")
        assert abs(int(request["timestamp"]) - time.time()) < 60
        assert request["body"] == body
    assert len(requests[0]["signature"].split(" ")) == 2
    assert len(requests[1]["signature"].split(" ")) == 1
    for key, verified in ((KEY, requests), (OLD_KEY, requests[:1])):
        done = subprocess.run(["node", str(ROOT / "tests/node/verify-webhook.mjs"), key], input=json.dumps(verified),
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) == len(verified)
    tampered = [{**requests[1], "body": body + " "}]
    done = subprocess.run(["node", str(ROOT / "tests/node/verify-webhook.mjs"), KEY], input=json.dumps(tampered),
                          capture_output=True, text=True, check=False)
    assert done.returncode == 1


@pytest.mark.parametrize("size", [100, 70_000, 2_000_000])
def test_headers(probe, size):  # noqa: F811
    """What a receiver may rely on, each once; however large the body is, nobody has to be asked before it comes."""
    listener = socket.create_server(("127.0.0.1", 0))
    heads = []

    def serve():
        connection, _ = listener.accept()
        for _ in range(2):
            head, _, body = b"", b"", b""
            while b"\r\n\r\n" not in head:
                head += connection.recv(65536)
            head, _, body = head.partition(b"\r\n\r\n")
            heads.append(head.decode().split("\r\n"))
            n = len(body)
            while n < size:
                n += len(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 204 No Content\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    host = f"127.0.0.1:{listener.getsockname()[1]}"
    p = probe(settings(crm={"url": f"http://{host}/hooks/feedback?team=1", "keys": [KEY], "connections": 1}), FAST)
    ids = [p.hook("crm", '"' + "x" * (size - 2) + '"')["id"] for _ in range(2)]
    listener.close()
    for head, i in zip(heads, ids, strict=True):
        assert head[0] == "POST /hooks/feedback?team=1 HTTP/1.1"
        named = [line.partition(": ") for line in head[1:]]
        assert sorted(name for name, _, _ in named) == sorted([
            "Host", "User-Agent", "Accept", "Content-Type", "Content-Length", "webhook-id", "webhook-timestamp", "webhook-signature"])
        values = {name: value for name, _, value in named}
        assert (values["Host"], values["webhook-id"], values["Content-Length"]) == (host, i, str(size))


def test_same_id_over_retries_new_timestamp(probe, hooks):  # noqa: F811
    p = probe(settings(crm=endpoint(hooks, "/flip")))
    (hooks.folder / "fail").touch()
    i = "0192f3c4-0000-7000-8000-000000000001"
    assert p.hook("crm", id=i)["code"] == 503
    (hooks.folder / "fail").unlink()
    time.sleep(1.1)  # the timestamp has whole seconds
    assert p.hook("crm", id=i)["outcome"] == "sent"
    first, second = hooks.wait_for_requests(2, id=i)
    assert first["body"] == second["body"]
    assert int(first["timestamp"]) < int(second["timestamp"])
    assert first["connection"] == second["connection"]


def test_connections_are_kept(probe, hooks):  # noqa: F811
    p = probe(settings(crm=endpoint(hooks, "/code/200", connections=3)))
    p.say({"submit": {"endpoint": "crm", "payload": '{"test":"kept"}', "n": 300, "quiet": True}})
    assert p.answer("done")["outcomes"] == {"sent": 300}
    requests = hooks.wait_for_requests(300, body='{"test":"kept"}')
    assert len({r["connection"] for r in requests}) <= 3


def test_connections_are_a_limit(probe):  # noqa: F811
    """Two are on the wire, the others wait for one of them."""
    busy, most, lock = [0], [0], threading.Lock()

    class Receiver(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):  # noqa: N802
            with lock:
                busy[0] += 1
                most[0] = max(most[0], busy[0])
            self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(0.05)
            with lock:
                busy[0] -= 1
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    p = probe(settings(crm={"url": f"http://127.0.0.1:{server.server_address[1]}/", "keys": [KEY], "connections": 2}))
    for _ in range(12):
        p.submit("crm", "{}")
    assert {r["outcome"] for r in p.results(12).values()} == {"sent"}
    assert most[0] == 2
    server.shutdown()
    server.server_close()


def test_a_sick_endpoint_delays_nobody(probe, hooks):  # noqa: F811
    p = probe(settings(sick=endpoint(hooks, "/hang"), drip=endpoint(hooks, "/drip"), well=endpoint(hooks, "/code/200")),
              {"webhook_ms": 8000})
    sick = [p.submit(name, "{}") for name in ("sick", "drip") for _ in range(2)]
    for _ in range(50):
        p.submit("well", "{}")
    # All of them before any of the others.
    results = p.results(50)
    assert {(r["endpoint"], r["outcome"]) for r in results.values()} == {("well", "sent")}
    results = p.results(4)
    assert set(results) == set(sick)
    assert {r["outcome"] for r in results.values()} == {"ambiguous"}


def test_a_silent_name_server_delays_nobody(probe, hooks):  # noqa: F811
    """getaddrinfo() can't be stopped; nobody waits for it, neither another endpoint nor the end."""
    p = probe(settings(sick={"url": "https://hook.slow.invalid/", "keys": [KEY]}, well=endpoint(hooks, "/code/200")),
              FAST, **slow_resolver())
    sick = p.submit("sick", "{}")
    began = time.monotonic()
    while True:
        well = p.submit("well", "{}")
        results = p.results(1)
        if sick in results:
            break
        assert results[well]["outcome"] == "sent"
        time.sleep(0.05)
    assert results[sick]["outcome"] == "retry"
    assert 2 < time.monotonic() - began < 30
    p.results(1)
    since = time.monotonic()
    p.submit("sick", "{}")
    assert p.hook("well")["outcome"] == "sent"
    p.end()
    assert time.monotonic() - since < 10


def test_order_within_a_case(probe, hooks):  # noqa: F811
    p = probe(settings(crm=endpoint(hooks, "/code/200", connections=8)))
    ids = {case: [] for case in range(1, 6)}
    for n in range(100):
        case = n % 5 + 1
        ids[case].append(p.submit("crm", json.dumps({"order": n}), case=case))
    p.results(100)
    found = [r["id"] for r in hooks.wait_for_requests(1) if '"order"' in r["body"]]
    wait_until(lambda: len([r for r in hooks.requests() if '"order"' in r["body"]]) >= 100, 10, "100 requests")
    found = [r["id"] for r in hooks.requests() if '"order"' in r["body"]]
    for case, wanted in ids.items():
        assert [i for i in found if i in wanted] == wanted, case


def test_timeout_is_ambiguous(probe, hooks):  # noqa: F811
    began = time.monotonic()
    result = probe(settings(crm=endpoint(hooks, "/hang")), FAST).hook("crm")
    assert (result["outcome"], result["code"]) == ("ambiguous", 0)
    assert "no answer within " in result["error"]
    assert 2.9 < time.monotonic() - began < 20


def test_reset_is_ambiguous(probe, hooks):  # noqa: F811
    result = probe(settings(crm=endpoint(hooks, "/reset"))).hook("crm")
    assert (result["outcome"], result["code"]) == ("ambiguous", 0)
    assert "lost before the answer" in result["error"]


def test_endless_answer(probe):  # noqa: F811
    """The status came at once, the rest a byte at a time: the receiver took it."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")
        try:
            while True:
                connection.sendall(b"x")
                time.sleep(0.05)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    p = probe(settings(crm={"url": f"http://127.0.0.1:{listener.getsockname()[1]}/", "keys": [KEY]}), FAST)
    result = p.hook("crm")
    assert (result["outcome"], result["code"]) == ("sent", 202)
    assert result["answer"].startswith("xxx")
    listener.close()


def test_huge_answer(probe, hooks):  # noqa: F811
    began = time.monotonic()
    result = probe(settings(crm=endpoint(hooks, "/huge"))).hook("crm")
    assert (result["outcome"], result["code"]) == ("sent", 200)
    assert len(result["answer"].encode()) <= 2048
    assert time.monotonic() - began < 15


@pytest.mark.parametrize("url,error", [
    ("https://localhost:{wrong}/", "certificate"),
    ("https://127.0.0.1:1/", "connect to server"),
    ("https://no-such-host.invalid/", "resolve"),
])
def test_never_connected(probe, hooks, url, error):  # noqa: F811
    url = url.format(**hooks.ports)
    result = probe(settings(crm={"url": url, "keys": [KEY], "ca_file": hooks.ca_file})).hook("crm")
    assert result["outcome"] == "retry"
    assert error in result["error"]
    assert result["code"] == 0


def test_unknown_authority(probe, hooks):  # noqa: F811
    result = probe(settings(crm=endpoint(hooks, "/code/200", ca_file=str(hooks.folder / "tls/stranger.pem")))).hook("crm")
    assert result["outcome"] == "retry"
    assert "certificate" in result["error"]
    assert hooks.requests(id=result["id"]) == []


@pytest.mark.parametrize("host,allow,outcome", [
    ("2130706433", [], "blocked"),           # 127.0.0.1 in disguise: not a literal that names itself
    ("0x7f.1", [], "blocked"),
    ("[::ffff:10.0.0.1]", [], "blocked"),
    ("10.255.255.1", [], "blocked"),
    ("169.254.169.254", [], "blocked"),
    ("10.255.255.1", ["192.168.0.0/16"], "blocked"),
    ("192.0.2.1", ["192.0.2.0/24"], "retry"),  # allowed, but nobody is there
    ("127.0.0.1", [], "sent"),
    ("localhost", [], "sent"),
    ("2130706433", ["127.0.0.0/8"], "sent"),
])
def test_addresses(probe, hooks, host, allow, outcome):  # noqa: F811
    crm = endpoint(hooks, "/code/200", allow=allow)
    crm["url"] = hooks.url("/code/200", host=host)
    result = probe(settings(crm=crm), FAST).hook("crm")
    assert result["outcome"] == outcome, result
    if outcome == "blocked":
        assert hooks.requests(id=result["id"]) == []


def test_own_name_that_resolves_to_loopback_is_blocked(probe, hooks):  # noqa: F811
    """A name in DNS (or /etc/hosts) that leads here is not `localhost`."""
    name = socket.gethostname()
    try:
        addresses = {a[4][0] for a in socket.getaddrinfo(name, 443)}
    except OSError:
        pytest.skip("this machine's name resolves to nothing")
    if not all(a.startswith(("127.", "10.", "172.", "192.168.", "169.254.", "::1", "fe80:", "fd")) for a in addresses):
        pytest.skip("this machine has a public address")
    crm = endpoint(hooks, "/code/200")
    crm["url"] = hooks.url("/code/200", host=name)
    assert probe(settings(crm=crm), FAST).hook("crm")["outcome"] == "blocked"


@pytest.mark.parametrize("url", ["http://example.com/", "ftp://localhost/", "file:///etc/passwd", "https://u:p@localhost/", "nonsense:"])
def test_urls_that_are_refused(probe, url):  # noqa: F811
    result = probe(settings(crm={"url": url, "keys": [KEY]})).hook("crm")
    assert result["outcome"] == "blocked"


def test_http_to_loopback(probe, hooks):  # noqa: F811
    assert probe(settings(crm=endpoint(hooks, "/code/200", "http"))).hook("crm")["outcome"] == "sent"


def test_reload_tightens_policy_on_open_connections(probe, hooks):  # noqa: F811
    crm = endpoint(hooks, "/code/200", allow=["127.0.0.0/8"])
    crm["url"] = hooks.url("/code/200", host="2130706433")
    p = probe(settings(crm=crm))
    assert p.hook("crm")["outcome"] == "sent"
    p.reload(settings(crm={**crm, "allow": []}))
    assert p.hook("crm")["outcome"] == "blocked"
    p.reload(settings(crm=crm))
    assert p.hook("crm")["outcome"] == "sent"


def test_reload_in_the_middle(probe, hooks):  # noqa: F811
    """What is under way ends under the old settings; what is new goes out under the new ones; each gives one result."""
    p = probe(settings(crm=endpoint(hooks, "/code/200", connections=2)))
    ids = []
    for n in range(30):
        ids += [p.submit("crm", json.dumps({"reload": n})) for _ in range(10)]
        p.reload(settings(crm=endpoint(hooks, "/code/201" if n % 2 else "/code/200", connections=2 + n % 3)))
    results = p.results(300)
    assert set(results) == set(ids)
    assert {r["outcome"] for r in results.values()} == {"sent"}
    p.reload(settings())
    assert p.room("crm") == 0
    assert p.hook("crm")["outcome"] == "released"  # it waits until the name comes back
    assert p.hook("never-heard-of")["outcome"] == "released"


@pytest.mark.parametrize("keys", [["whsec_short"], []])
def test_nothing_goes_out_unsigned(probe, hooks, keys):  # noqa: F811
    result = probe(settings(crm=endpoint(hooks, "/code/200", keys=keys))).hook("crm")
    assert result["outcome"] == "credentials"
    assert hooks.requests(id=result["id"]) == []


def test_slack_says_ok(probe, hooks):  # noqa: F811
    p = probe(settings(ok=endpoint(hooks, "/ok", format="slack", keys=[]), page=endpoint(hooks, "/code/200", format="slack", keys=[]),
                       broken=endpoint(hooks, "/code/400", format="slack", keys=[])))
    body = '{"text":"slack"}'
    assert p.hook("ok", body)["outcome"] == "sent"
    request = hooks.wait_for_requests(1, body=body, uri="/ok")[0]
    assert (request["id"], request["signature"]) == ("", "")
    assert p.hook("page", body)["outcome"] == "retry"
    assert p.hook("broken", body)["outcome"] == "failed"


def test_idle_connection_closed_by_receiver(probe, hooks):  # noqa: F811
    proxy = ChaosProxy(hooks.ports["https"])
    crm = endpoint(hooks, "/code/200")
    crm["url"] = f"https://localhost:{proxy.port}/code/200"
    p = probe(settings(crm=crm))
    for rule in ("close", "reset", "close"):
        assert p.hook("crm")["outcome"] == "sent"
        before = proxy.broken
        if rule == "close":
            proxy.close_all()
        else:
            proxy.rule = "reset"
        wait_until(lambda: proxy.broken > before, 10, "the connection to be broken")
        proxy.rule = "pass"
    assert p.hook("crm")["outcome"] == "sent"
    assert proxy.accepted == 4
    proxy.stop()


def test_lost_answer_is_ambiguous(probe, hooks):  # noqa: F811
    proxy = ChaosProxy(hooks.ports["http"])
    proxy.swallow = b"HTTP/1.1 200"
    crm = {"url": f"http://127.0.0.1:{proxy.port}/code/200", "keys": [KEY]}
    p = probe(settings(crm=crm))
    i = "0192f3c4-0000-7000-8000-000000000002"
    assert p.hook("crm", id=i)["outcome"] == "ambiguous"
    proxy.swallow = None
    assert p.hook("crm", id=i)["outcome"] == "sent"
    first, second = hooks.wait_for_requests(2, id=i)
    assert first["body"] == second["body"]
    proxy.stop()


def test_half_sent_is_a_retry(probe, hooks):  # noqa: F811
    """Cut while the body was on its way: the receiver can't have acted on it."""
    proxy = ChaosProxy(hooks.ports["http"])
    proxy.cut = b"CUT HERE"
    crm = {"url": f"http://127.0.0.1:{proxy.port}/code/200", "keys": [KEY]}
    result = probe(settings(crm=crm)).hook("crm", '{"x":"CUT HERE' + "x" * 3000000 + '"}')
    assert result["outcome"] == "retry"
    proxy.stop()


def test_nobody_answers_the_door(probe, hooks):  # noqa: F811
    proxy = ChaosProxy(hooks.ports["https"])
    proxy.rule = "blackhole"
    crm = endpoint(hooks, "/code/200")
    crm["url"] = f"https://localhost:{proxy.port}/code/200"
    result = probe(settings(crm=crm), FAST).hook("crm")
    assert result["outcome"] == "retry"
    assert "took" in result["error"] or "within" in result["error"] or "timed out" in result["error"]
    proxy.stop()


def test_room(probe, hooks):  # noqa: F811
    p = probe(settings(crm=endpoint(hooks, "/hang", connections=3)), FAST)
    room = p.room("crm")
    assert room >= 3
    for _ in range(room):
        p.submit("crm", "{}")
    assert p.room("crm") == 0
    assert p.room("unknown") == 0
    p.say({"stop": 100})
    results = p.results(room)
    assert {r["outcome"] for r in results.values()} <= {"released", "ambiguous"}


def test_stop_releases_and_waits(probe, hooks):  # noqa: F811
    done = threading.Event()
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        connection, _ = listener.accept()
        connection.recv(65536)
        done.wait(10)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    crm = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}/", "keys": [KEY], "connections": 1}
    p = probe(settings(crm=crm))
    first = p.submit("crm", "{}")
    queued = [p.submit("crm", "{}") for _ in range(5)]
    p.say({"stop": 20000})
    late = p.submit("crm", "{}")
    results = p.results(6)
    assert set(results) == {*queued, late}
    assert {r["outcome"] for r in results.values()} == {"released"}
    done.set()
    assert p.results(1)[first]["outcome"] == "sent"
    listener.close()


def test_end_in_the_middle(probe, hooks):  # noqa: F811
    p = probe(settings(crm=endpoint(hooks, "/hang", connections=4), well=endpoint(hooks, "/code/200")))
    for _ in range(10):
        p.submit("crm", "{}")
    p.hook("well")
    since = time.monotonic()
    p.process.stdin.close()
    p.process.wait(20)
    assert time.monotonic() - since < 10
