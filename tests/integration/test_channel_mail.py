"""
Mail leaves, and what the server says is what is recorded: against a real Postfix, and a scripted server for the rest.

SPDX-License-Identifier: Apache-2.0
"""
import threading
import time

import pytest
from channel_fixtures import mail_text, postfix, probe, scripted, slow_resolver  # noqa: F401
from chaos_proxy import ChaosProxy
from servers import wait_until

FAST = {"connect_ms": 3000, "mail_reply_ms": 3000, "mail_answer_ms": 3000}


def settings_of(server, port="starttls", **more):
    scheme = "smtps" if port == "smtps" else "smtp"
    return {"email": {"url": f"{scheme}://localhost:{server.ports[port]}", "ca_file": str(server.folder / "tls/ca.pem"),
                      "username": "closeloop", "password": ["s3cret"], "from": "care@care.test.invalid", **more}}


@pytest.mark.parametrize("port", ["starttls", "smtps"])
def test_sent_over_tls(probe, postfix, port):  # noqa: F811
    recipient = f"sent-{port}@shop.test"
    result = probe(settings_of(postfix, port)).mail(recipient)
    assert (result["outcome"], result["code"], result["error"]) == ("sent", 250, "")
    raw = postfix.wait_for_mail(recipient)[0]
    assert raw.count(b"Subject: Hello") == 1
    # The dots of the text are the text's; Postfix ends the lines of a Maildir its own way.
    assert raw.endswith(b"\n\nHello.\n.leading dot\n..\nEnd.\n")
    assert b"by mail.test.invalid (Postfix) with ESMTPSA" in raw


@pytest.mark.parametrize("recipient,outcome,code,error", [
    ("perm550@shop.test", "failed", 550, "the server refused the recipient (550 5.1.1)"),
    ("temp451@shop.test", "retry", 451, "the server refused the recipient (451 4.7.1)"),
    ("drop421@shop.test", "retry", 421, "the server refused the recipient (421 4.3.2)"),
    ("spam554@shop.test", "failed", 554, "the server refused the recipient (554 5.7.1)"),
    ("data554@shop.test", "failed", 554, "the server refused the message (554 5.7.1)"),
    ("data451@shop.test", "retry", 451, "the server refused the message (451 4.3.0)"),
])
def test_refusals(probe, postfix, recipient, outcome, code, error):  # noqa: F811
    p = probe(settings_of(postfix))
    result = p.mail(recipient)
    assert (result["outcome"], result["code"], result["error"]) == (outcome, code, error)
    # The next mail is none the worse for it.
    assert p.mail("after@shop.test")["outcome"] == "sent"


def test_too_large(probe, postfix):  # noqa: F811
    p = probe(settings_of(postfix))
    i = p.submit("email", mail_text("large@shop.test") + "x" * 70 + ("\r\n" + "x" * 70) * 20000 + "\r\n", "large@shop.test")
    result = p.results(1)[i]
    assert (result["outcome"], result["code"]) == ("failed", 552)


def test_connection_is_kept(probe, postfix):  # noqa: F811
    p = probe(settings_of(postfix))
    for n in range(5):
        assert p.mail(f"kept{n}@shop.test")["outcome"] == "sent"

    def sessions():  # of the last five, as they are logged: by a process of its own
        sasl = [line for line in (postfix.folder / "mail.log").read_text().splitlines() if "sasl_username=closeloop" in line][-5:]
        return {line.split("smtpd[")[1].split("]")[0] for line in sasl}
    wait_until(lambda: len(sessions()) == 1, 10, lambda: f"one session: {sessions()}")


def test_wrong_password(probe, postfix):  # noqa: F811
    result = probe(settings_of(postfix, password=["wrong"])).mail("nobody-wrong@shop.test")
    assert (result["outcome"], result["code"]) == ("credentials", 535)
    assert "user name or password" in result["error"]
    assert postfix.mails("nobody-wrong@shop.test") == []


def test_missing_password(probe, postfix):  # noqa: F811
    result = probe(settings_of(postfix, username=None, password=[])).mail("nobody-none@shop.test")
    assert result["outcome"] in ("credentials", "failed")
    assert postfix.mails("nobody-none@shop.test") == []


def test_no_auth_offered_is_not_sent(probe, postfix):  # noqa: F811
    """The server would take it without: we don't."""
    result = probe(settings_of(postfix, "no_auth")).mail("noauth@shop.test")
    assert result["outcome"] == "credentials"
    assert "no AUTH" in result["error"]
    # Proof that this server does take mail: without a user name it does.
    without = probe(settings_of(postfix, "no_auth", username=None, password=[]))
    assert without.mail("noauth2@shop.test")["outcome"] == "sent"
    postfix.wait_for_mail("noauth2@shop.test")
    assert postfix.mails("noauth@shop.test") == []


@pytest.mark.parametrize("case", ["wrong name", "unknown authority", "starttls stripped", "no tls at all"])
def test_tls_is_required(probe, postfix, case):  # noqa: F811
    settings = settings_of(postfix, "wrong" if case == "wrong name" else "starttls")
    if case == "unknown authority":
        settings["email"]["ca_file"] = str(postfix.folder / "tls/stranger.pem")
    if case == "no tls at all":
        settings["email"]["url"] = f"smtps://localhost:{postfix.ports['plain']}"
    if case == "starttls stripped":
        proxy = ChaosProxy(postfix.ports["plain"])
        proxy.replace = (b"250-STARTTLS\r\n", b"250-XXXXXXXX\r\n")
        settings["email"]["url"] = f"smtp://localhost:{proxy.port}"
    result = probe(settings, FAST).mail("tls@shop.test")
    assert result["outcome"] == "retry"
    assert result["error"]
    assert postfix.mails("tls@shop.test") == []
    if case == "starttls stripped":
        assert "no TLS" in result["error"]
        proxy.stop()


def test_lost_250_is_ambiguous(probe, postfix):  # noqa: F811
    """Postfix took the mail, its answer never arrived: the second copy has the same Message-ID."""
    proxy = ChaosProxy(postfix.ports["plain"])
    proxy.swallow = b"queued as"
    p = probe({"email": {"url": f"smtp://127.0.0.1:{proxy.port}", "tls": "off", "username": "closeloop",
                         "password": ["s3cret"], "from": "care@care.test.invalid"}})
    text = mail_text("lost250@shop.test", message_id="one@care.test.invalid")
    i = p.submit("email", text, "lost250@shop.test")
    result = p.results(1)[i]
    assert result["outcome"] == "ambiguous"
    assert "may have been taken" in result["error"]
    proxy.swallow = None
    i = p.submit("email", text, "lost250@shop.test")
    assert p.results(1)[i]["outcome"] == "sent"
    for raw in postfix.wait_for_mail("lost250@shop.test", 2):
        assert b"Message-ID: <one@care.test.invalid>" in raw
    proxy.stop()


def test_idle_connection_closed_by_server(probe, postfix):  # noqa: F811
    proxy = ChaosProxy(postfix.ports["starttls"])
    p = probe({"email": {**settings_of(postfix)["email"], "url": f"smtp://localhost:{proxy.port}"}})
    for rule in ("close", "reset", "close"):
        assert p.mail("idle@shop.test")["outcome"] == "sent"
        before = proxy.broken
        if rule == "close":
            proxy.close_all()
        else:
            proxy.rule = "reset"
        wait_until(lambda: proxy.broken > before, 10, "the connection to be broken")
        proxy.rule = "pass"
    assert p.mail("idle@shop.test")["outcome"] == "sent"
    assert proxy.accepted == 4
    proxy.stop()


def test_421_on_a_kept_connection_is_no_failure(probe, scripted):  # noqa: F811
    server = scripted(MAIL=["250 ok", "421 4.4.2 idle for too long", "250 ok"])
    p = probe(server.settings())
    assert p.mail("a@shop.test")["outcome"] == "sent"
    assert p.mail("b@shop.test")["outcome"] == "sent"
    assert len(server.mails) == 2


def test_connection_lost_after_mail_on_a_kept_connection(probe, scripted):  # noqa: F811
    """Closed at the very moment of use: neither FIN nor RST was there to see before."""
    lost = threading.Event()

    def once(server, connection):
        if lost.is_set() or len(server.mails) == 0:
            return "250 ok"
        lost.set()
        return None

    server = scripted(MAIL=once)
    p = probe(server.settings())
    assert p.mail("a@shop.test")["outcome"] == "sent"
    assert p.mail("b@shop.test")["outcome"] == "sent"
    assert lost.is_set()


def test_idle_connection_is_given_back(probe, scripted):  # noqa: F811
    server = scripted()
    p = probe(server.settings(), {"mail_idle_ms": 200})
    assert p.mail("a@shop.test")["outcome"] == "sent"
    wait_until(lambda: "QUIT" in server.commands, 10, "QUIT")
    assert p.mail("b@shop.test")["outcome"] == "sent"


@pytest.mark.parametrize("script,outcome,code", [
    ({"greeting": "554 5.3.2 no service"}, "retry", 554),
    ({"greeting": "421 4.3.2 busy"}, "retry", 421),
    ({"EHLO": "250-test\r\n250 auth plain"}, "credentials", None),
    ({"EHLO": "500 what", "HELO": "250 test"}, "credentials", None),
    ({"EHLO": "250-test\r\n250 AUTH GSSAPI"}, "credentials", None),
    ({"AUTH": "454 4.7.0 later"}, "retry", 454),
    ({"AUTH": "535 5.7.8 no"}, "credentials", 535),
    ({"AUTH": "534 5.7.9 weak"}, "credentials", 534),
    ({"MAIL": "530 5.7.0 log in"}, "credentials", 530),
    ({"MAIL": "553 5.1.8 not yours"}, "failed", 553),
    ({"DATA": "451 4.3.0 later"}, "retry", 451),
    ({"DATA": "554 5.5.0 no"}, "failed", 554),
    ({"body": "552 5.2.2 mailbox full"}, "failed", 552),
    ({"body": "250-first\r\n250 second"}, "sent", 250),
    ({"body": lambda s, c: None}, "ambiguous", None),
    ({"RCPT": lambda s, c: None}, "retry", None),
    ({"DATA": lambda s, c: None}, "retry", None),
])
def test_replies(probe, scripted, script, outcome, code):  # noqa: F811
    server = scripted(**script)
    result = probe(server.settings(), FAST).mail("x@shop.test")
    assert result["outcome"] == outcome, result
    if code:
        assert result["code"] == code
    if outcome == "credentials":
        assert server.mails == []
    assert (result["error"] == "") == (outcome == "sent")


@pytest.mark.parametrize("word,outcome", [("greeting", "retry"), ("MAIL", "retry"), ("body", "ambiguous")])
def test_silence_ends(probe, scripted, word, outcome):  # noqa: F811
    def hang(server, connection):
        time.sleep(30)
        return None

    server = scripted(**{word: hang})
    began = time.monotonic()
    result = probe(server.settings(), FAST).mail("x@shop.test")
    assert result["outcome"] == outcome, result
    assert time.monotonic() - began < 25


def test_nobody_listens(probe, scripted):  # noqa: F811
    server = scripted()
    server.stop()
    result = probe(server.settings(), FAST).mail("x@shop.test")
    assert result["outcome"] == "retry"
    assert "connect to server" in result["error"]


def test_a_silent_name_server(probe):  # noqa: F811
    p = probe({"email": {"url": "smtp://mail.slow.invalid:25", "from": "care@care.test.invalid"}}, FAST, **slow_resolver())
    began = time.monotonic()
    assert p.mail("x@shop.test")["outcome"] == "retry"
    i = p.submit("email", mail_text("y@shop.test"), "y@shop.test")
    p.say({"stop": 300})
    assert p.results(1)[i]["outcome"] in ("released", "retry")
    p.end()
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("recipient,payload", [
    ("evil@x.test>\r\nRCPT TO:<b@x.test", None),
    ("a b@x.test", None),
    ("", None),
    ("ok@x.test", "Subject: a\r\n\r\nx\n.\nMAIL FROM:<e@x.test>\nRCPT TO:<v@x.test>\r\n"),
    ("ok@x.test", "Subject: a\r\n\r\nx\r.\r\n"),
    ("ok@x.test", "Subject: a\r\n\r\nx\u0000y\r\n"),
])
def test_nothing_hides_in_a_mail(probe, scripted, recipient, payload):  # noqa: F811
    server = scripted()
    p = probe(server.settings())
    i = p.submit("email", payload or mail_text("x@x.test"), recipient)
    result = p.results(1)[i]
    assert result["outcome"] == "failed"
    assert server.commands == []


def test_plain_text_only_to_loopback(probe):  # noqa: F811
    result = probe({"email": {"url": "smtp://192.0.2.1:25", "tls": "off", "from": "care@care.test.invalid"}}, FAST).mail("x@x.test")
    assert result["outcome"] == "blocked"


def test_side_by_side_and_in_order(probe, scripted):  # noqa: F811
    """Two connections work at once; mails of one case and recipient keep their order."""
    busy, most, lock = [0], [0], threading.Lock()

    def slow(server, connection):
        with lock:
            busy[0] += 1
            most[0] = max(most[0], busy[0])
        time.sleep(0.05)
        with lock:
            busy[0] -= 1
        return "250 queued"

    server = scripted(body=slow)
    p = probe(server.settings(connections=3))
    ids = [p.submit("email", mail_text("same@shop.test", subject=f"number {n}"), "same@shop.test", case=7) for n in range(8)]
    for n in range(8):
        p.submit("email", mail_text(f"other{n}@shop.test"), f"other{n}@shop.test", case=7)
    results = p.results(16)
    assert {r["outcome"] for r in results.values()} == {"sent"}
    assert [i for i in results if i in ids] == ids
    numbers = [m.split(b"number ")[1][:1] for m in server.mails if b"number " in m]
    assert numbers == sorted(numbers)
    assert most[0] > 1


def test_reload_changes_server(probe, scripted):  # noqa: F811
    first, second = scripted(), scripted()
    p = probe(first.settings(), {"mail_idle_ms": 500})
    assert p.mail("a@shop.test")["outcome"] == "sent"
    p.reload(second.settings(connections=2))
    assert p.mail("b@shop.test")["outcome"] == "sent"
    assert (len(first.mails), len(second.mails)) == (1, 1)
    wait_until(lambda: "QUIT" in first.commands, 10, "QUIT")
    p.reload({})
    assert p.room("email") == 0
    assert p.mail("c@shop.test")["outcome"] == "released"  # it waits until there is a mail server again


def test_stop_releases_and_waits(probe, scripted):  # noqa: F811
    """What is on the wire gets its grace, what is queued comes back at once, and nothing is lost."""
    release = threading.Event()

    def slow(server, connection):
        release.wait(10)
        return "250 queued"

    server = scripted(body=slow)
    p = probe(server.settings())
    first = p.submit("email", mail_text("a@shop.test"), "a@shop.test")
    queued = [p.submit("email", mail_text("b@shop.test"), "b@shop.test") for _ in range(3)]
    wait_until(lambda: server.mails, 10, "the first mail")
    p.say({"stop": 20000})
    late = p.submit("email", mail_text("c@shop.test"), "c@shop.test")
    results = p.results(4)
    assert {results[i]["outcome"] for i in [*queued, late]} == {"released"}
    release.set()
    assert p.results(1)[first]["outcome"] == "sent"
    assert len(server.mails) == 1


@pytest.mark.parametrize("word,outcome", [("greeting", "released"), ("RCPT", "released"), ("body", "ambiguous")])
def test_stop_ends_a_hanging_server(probe, scripted, word, outcome):  # noqa: F811
    began = threading.Event()

    def hang(server, connection):
        began.set()
        time.sleep(30)
        return None

    server = scripted(**{word: hang})
    p = probe(server.settings())
    i = p.submit("email", mail_text("a@shop.test"), "a@shop.test")
    assert began.wait(10)
    since = time.monotonic()
    p.say({"stop": 300})
    assert p.results(1)[i]["outcome"] == outcome
    assert time.monotonic() - since < 10


def test_end_in_the_middle(probe, scripted):  # noqa: F811
    """The channel is freed while a server hangs, also one that never answers QUIT."""
    began = threading.Event()

    def hang(server, connection):
        began.set()
        time.sleep(30)
        return None

    server = scripted(QUIT=hang)
    p = probe(server.settings())
    assert p.mail("a@shop.test")["outcome"] == "sent"
    since = time.monotonic()
    p.end()
    assert began.wait(10)
    assert time.monotonic() - since < 10
    began.clear()
    server = scripted(RCPT=hang)
    p = probe(server.settings())
    p.submit("email", mail_text("a@shop.test"), "a@shop.test")
    assert began.wait(10)
    p.end()
