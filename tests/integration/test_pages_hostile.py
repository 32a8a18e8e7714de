"""
Pages among strangers, crowds and crashes: rights, races, what proxies write, and what is lost when something ends in the middle.

SPDX-License-Identifier: Apache-2.0
"""
import http.client
import re
import socket
import threading
import time
import urllib.parse

from pages import PROXY_SECRET, TOKENS, Browser, Program, case_of, opened, paged, sign, signed_in, state  # noqa: F401
from table_dump import table_dump


def test_a_case_without_a_team_is_not_everybodys(paged):
    """Anna is in a team, the case in none: what isn't known to be hers isn't."""
    path = opened(paged)
    case = int(path.rsplit("/", 1)[1])
    assert paged.one("SELECT team FROM closeloop.cases") is None
    before = state(paged)
    anna = signed_in(paged, "anna")
    form = sign("f", "anna", "anna@halden.example", case)
    for action in ("acknowledge", "resolve", "note", "dismiss"):
        assert anna.post(path, token=form, version="1", action=action, note="mine now").status == 404, action
    inbox = anna.get("/inbox")
    assert anna.post("/inbox", token=inbox.field("token"), case=str(case)).status == 303
    assert state(paged) == before


def test_a_proxy_may_write_lines_of_its_own(paged):
    """Some proxies add a line below what the client wrote; what counts is the last, and a name said twice is nobody's."""
    path = "/i/" + sign("i", "minsu", "minsu@halden.example")
    for i in range(25):
        raw(paged, "GET /c/guess HTTP/1.1", f"X-Forwarded-For: 198.51.100.{i}", "X-Forwarded-For: 192.0.2.50")
    assert raw(paged, f"GET {path} HTTP/1.1", "X-Forwarded-For: 198.51.100.99", "X-Forwarded-For: 192.0.2.50").startswith("HTTP/1.1 404 ")
    assert raw(paged, f"GET {path} HTTP/1.1", "X-Forwarded-For: 192.0.2.50", "X-Forwarded-For: 192.0.2.51").startswith("HTTP/1.1 303 ")
    twice = raw(paged, "GET /inbox HTTP/1.1", "X-Remote-User: olga", "X-Remote-User: minsu", f"X-Proxy-Secret: {PROXY_SECRET}")
    assert twice.startswith("HTTP/1.1 403 ")
    assert raw(paged, "GET /inbox HTTP/1.1", "X-Remote-User: minsu", f"X-Proxy-Secret: {PROXY_SECRET}").startswith("HTTP/1.1 200 ")


def raw(site, *lines, body=""):
    """The answer to lines as they are."""
    with socket.create_connection(("127.0.0.1", site.http_port), timeout=20) as s:
        s.sendall("\r\n".join((*lines, "Host: x", "Connection: close", "", body)).encode())
        answer = b""
        while piece := s.recv(65536):
            answer += piece
    return answer.decode("utf-8", "replace")


def test_paths_as_they_are(paged):
    case = opened(paged)
    cookie = f"Cookie: closeloop={sign('s', 'minsu', 'minsu@halden.example')}"
    assert raw(paged, f"GET {case} HTTP/1.1", cookie).startswith("HTTP/1.1 200 ")
    for path in (f"/{case}", f"{case}/", f"/inbox/..{case}", f"/case/../case/1", f"{case}%2f", f"{case}%20", f"{case};a", "//", "/inbox/",
                 "/%2e%2e/etc/passwd", "/style/../../../etc/passwd", "/c/../inbox", "/case/%30%00x%0d%0aX:y", "/" + "a/" * 8000):
        answer = raw(paged, f"GET {path} HTTP/1.1", cookie)
        assert re.match(r"HTTP/1.1 4(04|13|14|31) ", answer), (path[:40], answer[:60])
        assert "\nX:y" not in answer
    for method in ("GET", "HEAD"):  # nothing of an address gets into a header
        answer = raw(paged, f"{method} {case}?not=%0d%0aSet-Cookie:%20x=y&why=%0d%0a HTTP/1.1", cookie)
        assert answer.startswith("HTTP/1.1 400 ") or "\nSet-Cookie" not in answer


def test_a_reload_takes_the_pages_away(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    page = browser.get(path)
    paged.configure(http=f'{{ listen = "127.0.0.1:{paged.http_port}"; }}')
    paged.run("reload")
    before = state(paged)
    paged.wait(lambda: Browser(paged).get("/").status == 404, "the reload's end")
    assert browser.act(page, path, "acknowledge").status == 404
    assert browser.get(path).status == 404 and Browser(paged).get("/").status == 404
    assert Browser(paged).get("/api/v1/cases").status == 401
    assert Browser(paged).get("/readyz").status == 200
    assert state(paged) == before


def test_roles_of_another_site(paged, pg):
    """Roles are of the whole cluster; made for another database, they have no rights in this one, and the pages go on."""
    pg.psql("postgres", "SELECT 1; DO $$ BEGIN IF to_regrole('closeloop_pages') IS NULL THEN CREATE ROLE closeloop_pages; END IF; END $$")
    paged.q("DO $$ BEGIN EXECUTE 'REVOKE USAGE ON SCHEMA closeloop FROM closeloop_pages'; END $$")
    paged.stop_daemons()
    paged.start()
    browser = signed_in(paged, "minsu")
    path = opened(paged)
    assert browser.act(browser.get(path), path, "acknowledge").status == 303


def test_programs_send_odd_details(paged):
    path = opened(paged)
    crm = Program(paged)
    before = state(paged)
    for body in ({"action": "wait", "details": {"until": "soon"}}, {"action": "wait", "details": {"until": 5}},
                 {"action": "wait", "details": {"until": None}}, {"action": "contacted", "details": {"how": [], "reached": "x"}},
                 {"action": "assign", "details": {"to": {"x": 1}}}, {"action": "assign", "details": {"to": 5}},
                 {"action": "contacted", "details": {"how": "phone"}}, {"action": "undo", "details": {"before": {"owner": "zoe"}}},
                 {"action": "wait", "details": {"until": "999999-01-01"}}, {"action": "resolve", "details": {"cause": {"a": []}}, "version": 999}):
        assert crm.ask("POST", f"/api/v1/cases{path[5:]}/transition", body).status in (400, 409), body
    assert state(paged) == before


def test_looking_changes_nothing(paged):
    """GET and HEAD on every address there is: each table is as it was."""
    mail, link = case_of(paged, account="hanbit", customer_id="c-1", customer_name="이서연")
    path = opened(paged, customer_id="c-2")
    paged.settled()
    browser, style = signed_in(paged, "minsu"), re.search(r'href="(/style/[^"]+)"', Browser(paged).get("/").body)[1]
    before = table_dump(paged)
    assert before["cases"] and before["messages"] and before["responses"]
    token = {"Authorization": f"Bearer {TOKENS['crm']}"}
    for method in ("GET", "HEAD"):
        for address in (link, "/i/" + sign("i", "minsu", "minsu@halden.example") + "?case=1", "/c/x", "/", "/inbox", path, f"{path}?not=resolve&why=stale",
                        "/inbox?status=done", "/inbox?q=x&action=acknowledge&case=1", f"{path}?action=acknowledge&version=1", "/reports",
                        "/link", "/leave", "/away?action=back", "/away", style, "/livez", "/readyz", "/metrics", "/nothing"):
            for who in (Browser(paged), browser):
                assert who.ask(method, address).status in (200, 303, 403, 404, 405), (method, address)
        for address in ("/api/v1/cases", "/api/v1/cases?status=open&action=acknowledge", f"/api/v1/cases{path[5:]}/transition"):
            assert Browser(paged).ask(method, address, **token).status in (200, 405), (method, address)
    assert table_dump(paged) == before
    assert mail.recipient == "minsu@halden.example"


def at_once(*jobs):
    """What each of them returns; they begin together."""
    gate, results = threading.Barrier(len(jobs)), [None] * len(jobs)

    def run(i, job):
        gate.wait()
        results[i] = job()
    threads = [threading.Thread(target=run, args=(i, job)) for i, job in enumerate(jobs)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    return results


def test_two_managers_race(paged):
    """Ten times both press in the same moment: one of them wins, the other is shown what is new and keeps the note."""
    for i in range(10):
        path = opened(paged, customer_id=f"race-{i}")
        case = int(path.rsplit("/", 1)[1])
        minsu, olga = signed_in(paged, "minsu"), signed_in(paged, "olga")
        pages = minsu.get(path), olga.get(path)
        answers = at_once(lambda: minsu.act(pages[0], path, "resolve", cause="late", note="Minsu was here"),
                          lambda: olga.act(pages[1], path, "dismiss", note="Olga was here"))
        assert [a.status for a in answers] == [303, 303]
        lost = [bool(urllib.parse.urlsplit(a.headers["Location"]).query) for a in answers]
        assert sorted(lost) == [False, True]
        assert paged.one("SELECT status FROM closeloop.cases WHERE id = %s", case) == ("dismissed" if lost[0] else "resolved")
        assert paged.one("SELECT count(*) FROM closeloop.case_events WHERE case_id = %s AND kind IN ('resolved', 'dismissed')", case) == 1
        loser, words = (minsu, "Minsu was here") if lost[0] else (olga, "Olga was here")
        page = loser.get(answers[lost.index(True)].headers["Location"])
        assert 'role="alert"' in page.body and words in page.body


def test_a_link_forwarded_and_revoked(paged):
    """It opens in another browser, as the person it was made for; raising link_epoch ends it everywhere at once."""
    _, link = case_of(paged, account="hanbit", customer_id="c-1")
    path = f"/case/{paged.one('SELECT id FROM closeloop.cases')}"
    first, other = Browser(paged), Browser(paged)
    assert first.open(link).status == 200
    page = other.open(link)
    other.act(page, path, "acknowledge")
    assert paged.one("SELECT acknowledged_by FROM closeloop.cases") == "minsu"
    stranger = signed_in(paged, "zoe")  # it takes the place of who she was in this browser, and she leaves with it
    assert stranger.open(link).status == 200 and "김민수" in stranger.get("/inbox").body
    paged.q("UPDATE closeloop.cases SET link_epoch = link_epoch + 1")
    for browser in (Browser(paged), first):
        answer = browser.get(link)
        assert answer.status == 404 and not answer.headers.get("Set-Cookie")


def held(site, case):
    """A connection that keeps the case locked until it rolls back."""
    c = site.connect()
    with c.cursor() as cursor:
        cursor.execute("SELECT FROM closeloop.cases WHERE id = %s FOR UPDATE", (case,))
    return c


def waits_for_the_case(site):
    """The process id of the pages' session that waits for the lock."""
    return site.one("SELECT pid FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%page_act%%'"
                    " AND pid <> pg_backend_pid() AND datname = current_database()")


def pressed(browser, page, path, **fields):
    """A button pressed in a thread; its answer, or None when there was none, is in the list at the end."""
    answers = []

    def press():
        try:
            answers.append(browser.act(page, path, "resolve", cause="late", note="done", **fields))
        except (OSError, http.client.HTTPException):
            answers.append(None)
    thread = threading.Thread(target=press)
    thread.start()
    return thread, answers


def resolved(site):
    return site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'resolved'")


def test_the_daemon_dies_between_commit_and_answer(paged):
    path = opened(paged)
    paged.settled()
    browser = signed_in(paged, "minsu")
    page, case = browser.get(path), int(path.rsplit("/", 1)[1])
    lock = held(paged, case)
    thread, answers = pressed(browser, page, path)
    paged.wait(lambda: waits_for_the_case(paged), "the press to reach the database")
    paged.daemons[0].kill()
    thread.join()
    assert answers == [None] and resolved(paged) == 0
    lock.rollback()  # the database goes on with what it was told, and commits
    paged.wait(lambda: resolved(paged) == 1, "the commit")
    paged.start()
    assert 'value="undo"' in browser.get(path).body
    again = browser.act(page, path, "resolve", cause="late", note="done")
    assert again.status == 303 and 'role="alert"' not in browser.get(again.headers["Location"]).body
    assert resolved(paged) == 1 and paged.one("SELECT status FROM closeloop.cases") == "resolved"


def test_the_database_is_cut_in_the_middle_of_a_press(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    page, case = browser.get(path), int(path.rsplit("/", 1)[1])
    lock = held(paged, case)
    thread, answers = pressed(browser, page, path)
    paged.wait(lambda: waits_for_the_case(paged), "the press to reach the database")
    paged.q("SELECT pg_terminate_backend(%s)", waits_for_the_case(paged))
    thread.join()
    lock.rollback()
    assert answers[0].status == 503 and answers[0].headers["Retry-After"] and resolved(paged) == 0
    paged.wait(lambda: browser.get(path).status == 200, "the pages")
    assert browser.act(page, path, "resolve", cause="late", note="done").headers["Location"] == path
    assert resolved(paged) == 1


def alert_latencies(site, n):
    """Seconds from the commit of each answer to its mail, sorted."""
    taken = []
    for i in range(n):
        count = len(site.mailbox.mails)
        committed = time.monotonic()
        site.respond(account="hanbit", customer_id=f"latency-{count}-{i}")
        site.wait(lambda: len(site.mailbox.mails) > count, "the mail")
        taken.append(time.monotonic() - committed)
    return sorted(taken)


def test_slow_clients_leave_the_latency_of_alerts_alone(paged):
    opened(paged)
    paged.mails(1)
    alone = alert_latencies(paged, 15)
    loris = [socket.create_connection(("127.0.0.1", paged.http_port), timeout=5) for _ in range(200)]
    for i, s in enumerate(loris):
        s.sendall(f"GET /case/{i} HTTP/1.1\r\nHost: x\r\nX-Slow: ".encode())
    stop = threading.Event()

    def trickle():
        while not stop.wait(0.2):
            for s in loris:
                try:
                    s.send(b"x")
                except OSError:
                    pass
    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        beside = alert_latencies(paged, 15)
        assert signed_in(paged, "minsu").get("/inbox").status == 200
    finally:
        stop.set()
        thread.join()
        for s in loris:
            s.close()
    print(f"commit to mail, median: {alone[7] * 1000:.1f} ms alone, {beside[7] * 1000:.1f} ms beside 200 slow clients")
    assert beside[7] < max(5 * alone[7], 0.5), (alone, beside)
