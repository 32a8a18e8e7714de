"""
Pages: from the link in a mail to a closed case.

SPDX-License-Identifier: Apache-2.0
"""
import html
import pathlib
import re
import signal
import socket
import time
import urllib.parse

import jsonschema
import pytest

from company import text_of
from pages import (LINK_KEY, OPENAPI, OTHER_KEY, PROXY_SECRET, TOKENS, Browser, Program, case_of,  # noqa: F401
                   http_section, link_in, opened, paged, sign, signed_in, state, write_secret)


CONF = pathlib.Path(__file__).resolve().parents[2] / "conf"


def test_from_the_mail_to_a_closed_case(paged):
    _, link = case_of(paged, nps=2, account="hanbit", customer_id="c-17", customer_name="이서연", customer_phone="+82 2 123 4567",
                      comment="장비가 사흘째 멈춰 있습니다.", touchpoint="installation", contact_requested=True)
    browser = Browser(paged)
    page = browser.open(link)
    assert page.status == 200 and '<html lang="ko">' in page.body
    assert "장비가 사흘째" in page.body and "2/10" in page.body and 'href="tel:+8221234567"' in page.body
    case = paged.one("SELECT id FROM closeloop.cases")
    path = f"/case/{case}"
    done = browser.act(page, path, "acknowledge")
    assert done.status == 303 and done.headers["Location"] == path
    assert paged.one("SELECT status, acknowledged_by FROM closeloop.cases") == ("acknowledged", "minsu")
    page = browser.get(path)
    assert 'value="undo"' in page.body
    browser.act(page, path, "contacted", how="phone", reached="true")
    page = browser.get(path)
    browser.act(page, path, "resolve", cause="late", note="기사님이 내일 갑니다.")
    assert paged.one("SELECT status, root_cause, resolution FROM closeloop.cases") == ("resolved", "late", "기사님이 내일 갑니다.")
    page = browser.get(path)
    browser.act(page, path, "close")
    assert paged.one("SELECT status FROM closeloop.cases") == "closed"


def reload(site):
    site.run("reload")
    site.wait(lambda: Browser(site).get("/").status == 200, "the pages")  # who works here is read anew


@pytest.mark.parametrize("language", ("en", "ko", "de"))
def test_mails_and_pages_call_it_the_same(language):
    """What a mail says to press stands on the page, and its link is called as what it opens."""
    mail, page = ({name: text for name, _, text in (line.partition(" = ") for line in path.read_text(encoding="utf-8").splitlines())}
                  for path in (CONF / f"{kind}/words.{language}.txt" for kind in ("templates", "pages")))
    assert re.search("[“„](.*?)[”“]", mail["handover.link"])[1] == page["hand_over"]
    assert page["inbox_title"].lower() in mail["button.digest"].lower()
    assert all(mail[f"priority.{p}"] == page[f"priority_{p}"] for p in ("low", "normal", "high", "urgent"))
    assert mail["history.closed"] == page["event_closed"] and mail["history.assigned"].startswith(page["event_assigned"][:4])


# -- links


def test_a_scanner_changes_nothing(paged):
    mail, link = case_of(paged, account="hanbit", customer_id="c-1")
    before = state(paged)
    for url in set(re.findall(r"http://127[^\s\"<>]+", text_of(mail) + text_of(mail, "html"))):
        for method in ("GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE"):
            Browser(paged).ask(method, html.unescape(url))
    browser = Browser(paged)
    page = browser.open(link)
    for action in re.findall(r'action="([^"]+)"', page.body):
        for fields in ({}, {"action": "acknowledge"}, {"action": "acknowledge", "version": "1", "token": "x" * 80}):
            assert browser.ask("POST", action, fields).status in (403, 405, 303, 200)
    for href in re.findall(r'href="(/[^"]*)"', page.body):
        for method in ("GET", "HEAD", "POST"):
            browser.ask(method, html.unescape(href))
    assert state(paged) == before


def test_every_bad_link_gets_the_same_page(paged):
    _, link = case_of(paged, account="hanbit", customer_id="c-1")
    case = paged.one("SELECT id FROM closeloop.cases")
    address, good = "minsu@halden.example", link.rsplit("/", 1)[1]
    assert Browser(paged).get("/c/" + sign("c", "minsu", address, case)).status == 303
    bad = {
        "garbage": "/c/x", "none": "/c/", "cut": f"/c/{good[:-1]}", "longer": f"/c/{good}A", "changed": f"/c/B{good[1:]}",
        "expired": "/c/" + sign("c", "minsu", address, case, ttl=-1),
        "another purpose": "/c/" + sign("i", "minsu", address, case),
        "a session": "/i/" + sign("s", "minsu", address),
        "another key": "/c/" + sign("c", "minsu", address, case, key=OTHER_KEY),
        "an unknown case": "/c/" + sign("c", "minsu", address, 999999),
        "an unknown person": "/c/" + sign("c", "nobody", "nobody@halden.example", case),
        "an address of before": "/c/" + sign("c", "minsu", "minsu@old.example", case),
        "a later epoch": "/c/" + sign("c", "minsu", address, case, epoch=7),
        "a future version": "/c/" + sign("c", "minsu", address, case, version=2),
    }
    pages = {name: Browser(paged).get(path, Accept_Language="en") for name, path in bad.items()}
    assert {name: page.status for name, page in pages.items()} == dict.fromkeys(bad, 404)
    assert len({page.body for page in pages.values()}) == 1
    assert not any(page.headers.get("Set-Cookie") for page in pages.values())
    assert 'action="/link"' in pages["cut"].body


def test_who_guesses_is_slowed_down(paged):
    for _ in range(25):
        assert Browser(paged).get("/c/guess").status == 404
    # A good link from there is not opened any more, and looks like every other.
    path = "/i/" + sign("i", "minsu", "minsu@halden.example")
    assert Browser(paged).get(path).status == 404
    assert Browser(paged).get(path, X_Forwarded_For="192.0.2.77").status == 303
    # Only what the proxy wrote last counts.
    assert Browser(paged).get(path, X_Forwarded_For="192.0.2.78, 127.0.0.1").status == 303


def test_a_link_dies_with_a_hand_over(paged):
    _, link = case_of(paged, account="hanbit", customer_id="c-1")
    assert Browser(paged).get(link).status == 303
    paged.run("--as", "minsu", "case", "assign", f"C-{paged.one('SELECT id FROM closeloop.cases')}", "--to", "anna")
    assert Browser(paged).get(link).status == 404
    paged.mails(1, to="anna")


def test_keys_change_without_breaking_links(paged):
    _, link = case_of(paged, account="hanbit", customer_id="c-1")
    write_secret(paged, "link-key", OTHER_KEY, LINK_KEY)
    reload(paged)
    browser = Browser(paged)
    assert browser.get(link).status == 303  # the old key verifies, the new one signs
    write_secret(paged, "link-key", OTHER_KEY)
    reload(paged)
    assert Browser(paged).get(link).status == 404
    assert browser.get("/inbox").status == 200


def test_a_fresh_link_is_mailed(paged):
    path = opened(paged)
    paged.mails(1)
    known = Browser(paged).post("/link", email="MINSU@halden.example")
    unknown = Browser(paged).post("/link", email="nobody@elsewhere.example")
    by_id = Browser(paged).post("/link", email="minsu")
    assert known.status == unknown.status == by_id.status == 200 and known.body == unknown.body == by_id.body
    alert, mail = sorted(paged.mails(2), key=lambda m: "/c/" not in text_of(m))
    assert mail.recipient == "minsu@halden.example" and mail.message.is_multipart()
    browser = Browser(paged)
    inbox = browser.open(link_in(mail, "i"))
    assert inbox.status == 200 and path in inbox.body
    for part in ("plain", "html"):  # as that of the alert does, whoever owns its case meanwhile
        paged.q("UPDATE closeloop.cases SET link_epoch = link_epoch + 1")
        link, = re.findall(r"http://[\d.:]+(/i/[\w-]+)", text_of(alert, part))
        assert path in Browser(paged).open(link).body
    for _ in range(5):
        Browser(paged).post("/link", email="minsu@halden.example")
    assert paged.one("SELECT count(*) FROM closeloop.link_requests") == 3  # in a quarter of an hour
    paged.wait(lambda: paged.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'link' AND state = 'sent'") == 3, "the mails")


# -- sessions and forms


def test_another_site_changes_nothing(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    page = browser.get(path)
    fields = {"token": page.field("token"), "version": page.field("version"), "action": "acknowledge"}
    before = state(paged)
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec_Fetch_Site": "cross-site"},
                    {"Origin": f"http://127.0.0.1:{paged.http_port + 1}"}):
        assert browser.ask("POST", path, fields, **headers).status == 403
    other = signed_in(paged, "olga")  # sees it, but this form was shown to somebody else
    assert other.ask("POST", path, fields).status == 403
    for token in ("", sign("f", "minsu", "minsu@halden.example", 999), sign("s", "minsu", "minsu@halden.example")):
        assert browser.ask("POST", path, {**fields, "token": token}).status == 403
    assert browser.ask("POST", path, fields, Content_Type="text/plain").status == 400
    assert state(paged) == before
    own = f"http://127.0.0.1:{paged.http_port}"
    assert browser.ask("POST", path, fields, Origin=own, Sec_Fetch_Site="same-origin").status == 303
    assert state(paged) != before


def test_a_note_outlives_the_session(paged):
    path = opened(paged)
    paged.mails(1)
    page = signed_in(paged, "minsu").get(path)
    browser = signed_in(paged, "minsu", ttl=-5)
    before = state(paged)
    ended = browser.act(page, path, "resolve", cause="late", note="Drei Tage gewartet, <b>Teil</b> kommt morgen")
    assert ended.status == 403 and state(paged) == before
    link = next(link_in(m) for m in paged.mails(2) if not m.message["In-Reply-To"])
    page = Browser(paged).open(link)
    assert "Drei Tage gewartet, &lt;b&gt;Teil&lt;/b&gt; kommt morgen</textarea>" in page.body


def test_two_managers_press_at_once(paged):
    path = opened(paged)
    minsu, olga = signed_in(paged, "minsu"), signed_in(paged, "olga")
    first, second = minsu.get(path), olga.get(path)
    assert minsu.act(first, path, "resolve", cause="late", note="done").headers["Location"] == path
    answer = olga.act(second, path, "assign", to="Anna Groß", note="Anna, please call")
    assert answer.headers["Location"] == f"{path}?not=assign&why=stale"
    page = olga.get(answer.headers["Location"])
    assert 'role="alert"' in page.body and typed_in(page, "Anna, please call") == ["reopen-note"]  # no other form is left
    assert paged.one("SELECT status, owner FROM closeloop.cases") == ("resolved", "minsu")


def test_two_taps_are_one(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    page = browser.get(path)
    for action, fields in (("acknowledge", {}), ("contacted", {"how": "phone", "reached": "true"}),
                           ("resolve", {"cause": "late", "note": "done"})):
        first = browser.act(page, path, action, **fields)
        second = browser.act(page, path, action, **fields)
        page = browser.get(second.headers["Location"])
        assert first.status == second.status == 303 and 'role="alert"' not in page.body, action
        assert "done</textarea>" not in page.body
    kinds = [k for k, in paged.q("SELECT kind FROM closeloop.case_events ORDER BY id")]
    assert kinds == ["opened", "acknowledged", "contacted", "resolved"]


def test_what_meets_a_deadlock_is_done_all_the_same(paged):
    """A batch and the press wait for each other, and PostgreSQL ends the press: who pressed doesn't hear of it, unless it never ends."""
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    page = browser.get(path)
    paged.q("""CREATE SEQUENCE public.tries; GRANT ALL ON SEQUENCE public.tries TO PUBLIC;
        CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN IF nextval('public.tries') <> 4 THEN RAISE 'no' USING ERRCODE = '40P01'; END IF; RETURN NEW; END $$;
        CREATE TRIGGER refuse BEFORE UPDATE ON closeloop.cases FOR EACH ROW EXECUTE FUNCTION public.refuse()""")
    assert browser.act(page, path, "acknowledge").status == 303
    assert paged.one("SELECT status FROM closeloop.cases") == "acknowledged"
    page = browser.get(path)
    assert browser.act(page, path, "resolve", cause="late", note="done").status == 503
    assert paged.one("SELECT status FROM closeloop.cases") == "acknowledged"
    assert paged.one("SELECT last_value FROM public.tries") == 8
    paged.q("DROP TRIGGER refuse ON closeloop.cases")
    assert [k for k, in paged.q("SELECT kind FROM closeloop.case_events ORDER BY id")] == ["opened", "acknowledged"]


def typed_in(page, text="what I wrote"):
    """The boxes that hold it, none of them folded away."""
    assert not re.search(rf"<details>(?:(?!</details>).)*{text}</textarea>", page.body, re.S)
    return re.findall(rf'<textarea dir="auto" id="([\w-]+)"[^>]*>{text}</textarea>', page.body)


def test_what_can_not_be_done_says_why(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    for action, fields, why in (("assign", {"to": "Nobody Known"}, "who"), ("wait", {"until": "2020-01-01T10:00"}, "time"),
                                ("wait", {"until": "2027-02-31T10:00"}, "time"), ("close", {}, "state"), ("assign", {"to": "a"}, "who")):
        answer = browser.act(browser.get(path), path, action, note="what I wrote", **fields)
        assert answer.headers["Location"] == f"{path}?not={action}&why={why}"
        page = browser.get(answer.headers["Location"])
        assert 'role="alert"' in page.body
        assert typed_in(page) == [{"assign": "assign-note", "wait": "wait-note", "close": "resolution"}[action]]
        assert all(f'value="{value}"' in page.body for value in fields.values())
    answer = browser.post(path, token=page.field("token"), version=99, action="resolve", cause="late", note="what I wrote")
    page = browser.get(answer.headers["Location"])
    assert typed_in(page) == ["resolution"] and 'name="cause" type="text" maxlength="200" value="late"' in page.body
    browser.act(browser.get(path), path, "wait", until="2027-03-04T10:00", note="Teil bestellt")
    assert paged.one("SELECT waiting_until FROM closeloop.cases").isoformat() == "2027-03-04T01:00:00+00:00"  # in Seoul
    assert "what I wrote" not in browser.get(path).body
    for odd in ("?not=x&why=y", "?not=&why=stale", "?why=who", "?not=%3Cb%3E&why=who"):
        assert browser.get(path + odd).status == 200


def test_undo_within_ten_minutes(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    browser.act(browser.get(path), path, "resolve", cause="late", note="done")
    page = browser.get(path)
    browser.post(path, token=page.field("token"), action="undo")
    assert paged.one("SELECT status, acknowledged_at FROM closeloop.cases") == ("open", None)
    browser.act(browser.get(path), path, "acknowledge")
    assert 'value="undo"' not in signed_in(paged, "olga").get(path).body
    paged.q("UPDATE closeloop.case_events SET at = at - interval '11 minutes'")
    assert 'value="undo"' not in browser.get(path).body


def test_who_hands_over_may_take_it_back(paged):
    """Also a lead who has given it to somebody outside, and would not see it otherwise."""
    path = opened(paged)
    olga = signed_in(paged, "olga")
    olga.act(olga.get(path), path, "assign", to="Zoe Stranger")
    page = olga.get(path)
    assert page.status == 200 and 'value="undo"' in page.body
    olga.post(path, token=page.field("token"), action="undo")
    assert paged.one("SELECT owner FROM closeloop.cases") == "minsu"
    olga.act(olga.get(path), path, "assign", to="Zoe Stranger")
    paged.q("UPDATE closeloop.case_events SET at = at - interval '11 minutes'")
    assert olga.get(path).status == 404


def test_who_may_see_a_case(paged):
    path = opened(paged)
    assert signed_in(paged, "olga").get(path).status == 200  # Minsu reports to her
    for nobody in (signed_in(paged, "anna"), signed_in(paged, "zoe")):
        page = nobody.get(path)
        assert page.status == 404 and "too late" not in page.body
        form = sign("f", "zoe", "zoe@halden.example", int(path.rsplit("/", 1)[1]))
        assert nobody.post(path, token=form, action="acknowledge").status in (403, 404)
    assert Browser(paged).get(path).status == 403
    assert signed_in(paged, "minsu").get("/case/99999").status == 404
    for odd in ("/case/", "/case/0", "/case/1x", "/case/-1", "/case/99999999999999999999", "/case/1/2"):
        assert signed_in(paged, "minsu").get(odd).status == 404
    assert paged.one("SELECT status FROM closeloop.cases") == "open"


def test_the_proxy_says_who_it_is(paged):
    path = opened(paged)
    assert Browser(paged).get(path, X_Remote_User="minsu").status == 403
    assert Browser(paged).get(path, X_Remote_User="minsu", X_Proxy_Secret="wrong").status == 403
    assert Browser(paged).get(path, X_Remote_User="nobody", X_Proxy_Secret=PROXY_SECRET).status == 403
    browser = Browser(paged)
    page = browser.get(path, X_Remote_User="minsu", X_Proxy_Secret=PROXY_SECRET)
    assert page.status == 200 and 'action="/leave"' not in page.body
    fields = {"token": page.field("token"), "version": page.field("version"), "action": "acknowledge"}
    assert browser.ask("POST", path, fields, X_Remote_User="minsu", X_Proxy_Secret=PROXY_SECRET).status == 303
    assert paged.one("SELECT acknowledged_by FROM closeloop.cases") == "minsu"


def test_headers(paged):
    path = opened(paged)
    browser = signed_in(paged, "minsu")
    page = browser.get(path)
    assert page.headers["Content-Security-Policy"] == ("default-src 'none'; style-src 'self'; form-action 'self';"
                                                       " frame-ancestors 'none'; base-uri 'none'")
    assert page.headers["Referrer-Policy"] == "same-origin" and page.headers["Cache-Control"] == "no-store"
    assert page.headers["X-Content-Type-Options"] == "nosniff"
    style = browser.get(re.search(r'href="(/style/[^"]+)"', page.body)[1])
    assert style.status == 200 and "immutable" in style.headers["Cache-Control"] and len(style.body) + len(page.body) < 50000
    assert "<script" not in page.body and "style=" not in page.body and "http://" not in style.body
    cookie = Browser(paged).get("/i/" + sign("i", "minsu", "minsu@halden.example")).headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Path=/" in cookie
    assert browser.ask("HEAD", path).body == ""
    assert browser.ask("PUT", path).status == 405
    left = browser.post("/leave", token=page.body.split('action="/leave"')[1].split('value="')[1].split('"')[0])
    assert left.status == 303 and "Max-Age=0" in left.headers["Set-Cookie"]


def test_a_strangers_words_are_only_words(paged):
    hostile = "</textarea><script>alert(1)</script><img src=x onerror=alert(1)>{{w.home}} {{{svg}}} \" onmouseover='x' \u202e \u0007 &amp;"
    path = opened(paged, comment=hostile, customer_name=hostile, account_name=hostile, touchpoint=hostile,
                  customer_email='"><script>x</script>@x.example', customer_phone="javascript:alert(1)",
                  ratings={"<script>x</script>": 1})
    browser = signed_in(paged, "minsu")
    for page in (browser.get(path), browser.get("/inbox"), browser.get("/reports"),
                 browser.get("/inbox?" + urllib.parse.urlencode({"q": hostile[:180].replace("\u0007", ""), "touchpoint": hostile.replace("\u0007", ""),
                                                                 "status": "open"}))):
        assert page.status == 200
        for sign_of_trouble in ("<script", "<img", "onmouseover='", "javascript:", "\u0007"):
            assert sign_of_trouble not in page.body, sign_of_trouble
    page = browser.get(path)
    assert "\u202e" not in re.search("<h1>(.*?)</h1>", page.body)[1]  # it would turn round what follows
    browser.act(page, path, "note", note=hostile.replace("\u0007", ""))
    assert "<script" not in browser.get(path).body


def test_a_scale_where_low_is_good(paged):
    """1 is best: the page tells the worst answer first, as the mail does, and counts it in no stars."""
    paged.stop_daemons()
    paged.configure(scales='{ effort: { min = 1; max = 5; low_is = "good"; }; }',
                    rules='{ hard: { when = "rating.effort >= 4"; }; }')
    paged.start()
    path = opened(paged, nps=None, ratings={"effort": 5, "staff": 4})
    opened(paged, nps=None, ratings={"effort": 4}, customer_id="c-2")
    browser = signed_in(paged, "minsu")
    page = browser.get(path)
    assert page.body.count("5/5(1점이 가장 좋음)") == 2 and "★★★★★" not in page.body  # as the score, and in the answer
    assert "5/5(1점이 가장 좋음)" in browser.get("/inbox").body


def test_who_is_told_next_has_a_name(paged):
    paged.stop_daemons()
    paged.configure(follow_ups='{ standard: { acknowledge_within = "4h"; escalate: { lead: { when = "unacknowledged"; to = "manager"; }; }; }; }',
                    attributes='{ manager = "text"; value = { type = "number"; show = true; }; }')
    paged.start()
    path = opened(paged, language="de-AT", ratings={"staff": 1.5}, attributes={"value": 1299.5})
    page = signed_in(paged, "minsu").get(path).body
    assert "Olga Hart 님께 알립니다" in page and "독일어" in page and "1.5/5" in page and "1299.5" in page
    paged.q("UPDATE closeloop.cases SET opened_at = opened_at - interval '5 hours', acknowledge_due_at = now() - interval '1 hour', next_action_at = now()")
    paged.hurried(lambda: paged.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'escalated'") == 1, "the step")
    assert "<p>Olga Hart 님께 알림 " in signed_in(paged, "minsu").get(path).body
    path = opened(paged, account="elbhof", customer_id="c-2", language="xx", ratings={"staff": 1.5}, attributes={"value": 1299.5})
    page = signed_in(paged, "anna").get(path).body
    assert "wird Olga Hart benachrichtigt" in page and "xx" in page and "1,5/5" in page and "1299,5" in page


def test_what_can_be_dialled(paged):
    browser = signed_in(paged, "minsu")
    for i, (phone, dialled) in enumerate((("+82 (0)2-123 4567 ext. 5", "+8221234567"), ("(030) 901820", "030901820"), ("Tel. 02/1234", "021234"),
                                          ("none", None), ("+49 30 12", "+493012"))):
        page = browser.get(opened(paged, customer_id=f"d{i}", customer_phone=phone)).body
        assert re.findall(r'href="tel:([^"]*)"', page) == ([dialled] if dialled else []), phone


def test_earlier_answers_are_earlier(paged):
    path = opened(paged, nps=2)
    paged.q("INSERT INTO closeloop.responses (customer_id, nps, comment, responded_at) VALUES"
            " ('c-1', 8, 'long ago', now() - interval '9 days'), ('c-1', 9, 'since then', now())")
    page = signed_in(paged, "minsu").get(path)
    assert "long ago" in page.body and "since then" not in page.body


# -- the list


def test_the_list(paged):
    paths = [opened(paged, customer_id=f"k{i}", nps=i % 7, contact_requested=i % 4 == 0, customer_name=f"Kunde {i}",
                    touchpoint="delivery" if i % 2 else "service") for i in range(40)]
    browser = signed_in(paged, "minsu")
    first = browser.get("/inbox")
    seen = re.findall(r'href="(/case/\d+)"', first.body)
    assert len(seen) == 30
    rest = browser.get("/inbox" + html.unescape(re.search(r'href="/inbox(\?[^"]*after[^"]*)"', first.body)[1]))
    seen += re.findall(r'href="(/case/\d+)"', rest.body)
    assert sorted(seen) == sorted(paths) and not re.search(r'href="[^"]*after=', rest.body)
    order = [paged.one("SELECT priority FROM closeloop.cases WHERE id = %s", int(p.rsplit("/", 1)[1])) for p in seen]
    assert order == sorted(order, key=("urgent", "high", "normal", "low").index)

    def found(**filters):
        return re.findall(r'href="(/case/\d+)"', browser.get("/inbox?" + urllib.parse.urlencode(filters)).body)
    assert len(found(priority="urgent")) == 10
    assert found(q="kunde 17") == [paths[17]]
    assert found(q="C-" + paths[3].rsplit("/", 1)[1]) == [paths[3]]
    assert len(found(touchpoint="delivery")) == 20
    assert found(status="done") == [] and found(q="%") == [] and found(q="'; DROP TABLE x") == []
    for odd in ("after=x", "after=[1,2]", "after=[0,%22now%22,1]", "after=[99999999999,%22infinity%22,1]", "after=[0,%220000%22,1]", "status=nonsense", "priority=9", "team=field"):
        assert browser.get("/inbox?" + odd).status == 200
    assert len(re.findall(r'href="(/case/\d+)"', signed_in(paged, "olga").get("/inbox?team=all").body)) == 30
    assert found(team="all") == seen[:30]  # answers for nobody else
    page = browser.get("/inbox")
    chosen = [("token", page.field("token"))] + [("case", p.rsplit("/", 1)[1]) for p in paths[:3]] + [("case", "999999")]
    assert browser.post("/inbox", **{}).status == 403
    assert browser.ask("POST", "/inbox", urllib.parse.urlencode(chosen)).status == 303
    assert paged.one("SELECT count(*) FROM closeloop.cases WHERE status = 'acknowledged' AND acknowledged_by = 'minsu'") == 3
    assert len(found(status="acknowledged")) == 3
    # The list stays as it was chosen, and says how many were taken on.
    page = browser.get("/inbox?" + urllib.parse.urlencode({"priority": "urgent", "q": "kunde"}))
    address = html.unescape(re.search(r'method="post" action="(/inbox[^"]*)"', page.body)[1])
    chosen = [("token", page.field("token"))] + [("case", p.rsplit("/", 1)[1]) for p in paths[4:9:4]]
    for taken in (2, 0):
        answer = browser.ask("POST", address, urllib.parse.urlencode(chosen))
        assert answer.headers["Location"] == f"/inbox?priority=urgent&q=kunde&taken={taken}"
        notice = re.search(r'<div class="notice" role="status">(.*?)</div>', browser.get(answer.headers["Location"]).body)[1]
        assert notice == ("2건을 확인했습니다." if taken else "처리된 것이 없습니다. 선택한 케이스가 없거나 다른 분이 먼저 확인했습니다.")
    assert browser.ask("POST", "/inbox?touchpoint=" + "%C3%A9" * 2000, urllib.parse.urlencode(chosen)).headers["Location"] == "/inbox?taken=0"
    assert "0 to do" not in signed_in(paged, "olga").get("/inbox?team=all").body  # which counts her own


def test_absence(paged):
    browser = signed_in(paged, "minsu")
    page = browser.get("/inbox")
    token = page.field("token")
    assert browser.post("/away", token=token, **{"from": "", "until": "", "deputy": "Anna Groß"}).status == 303
    assert paged.q("SELECT person, deputy, ends_at FROM closeloop.absences") == [("minsu", "anna", None)]
    paged.wait(lambda: "Anna Groß" in browser.get("/inbox").body, "the absence")
    paged.respond(account="hanbit", customer_id="c-9")
    paged.mails(1, to="anna")
    browser.post("/away", token=token, action="back")
    assert paged.one("SELECT count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now()") == 0
    browser.post("/away", token=token, **{"from": "2036-05-02", "until": "2036-05-04", "deputy": ""})
    assert "2036년 5월 2일(금)부터 2036년 5월 4일(일)까지 부재" in browser.get("/inbox").body  # the days that were given
    browser.post("/away", token=token, action="back")
    for wrong in ({"from": "2027-02-31"}, {"from": "2027-03-05", "until": "2027-03-01"}, {"deputy": "nobody"}, {"deputy": "minsu"}, {"from": "soon"}):
        answer = browser.post("/away", token=token, **wrong)
        address, _, box = answer.headers["Location"].partition("#")
        assert address == "/inbox?not=away&" + urllib.parse.urlencode(wrong) and box == "away", wrong
        page = browser.get(address)
        assert 'role="alert"' in page.body and all(page.field_of(name) == value for name, value in wrong.items())
    assert paged.one("SELECT count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now()") == 0


# -- results


def test_results(paged):
    browser = signed_in(paged, "anna")
    empty = browser.get("/reports")
    assert empty.status == 200 and "<svg" not in empty.body
    paged.q("""INSERT INTO closeloop.responses (customer_id, touchpoint, nps, csat, ratings)
        SELECT 'x' || i, 'shop', CASE WHEN i <= 50 THEN 10 WHEN i <= 70 THEN 5 ELSE 8 END, 4, '{"staff": 4}' FROM generate_series(1, 100) i""")
    paged.stop_daemons()
    paged.start()  # what was added up is kept for a minute
    paged.wait(lambda: browser.get("/reports").status == 200, "the connection of the reports")
    page = browser.get("/reports")
    assert page.status == 200 and page.body.count('<svg class="chart"') == 3
    assert '<strong class="big num">30</strong>' in page.body and "15 … 45" in page.body  # 30 ± 15.3
    assert "shop" in page.body and "staff" in page.body
    # As the reader writes numbers, and by the reader's clock, though it was added up once for all.
    assert "4,00" in page.body and "100 Antworten" in page.body and "100\u00a0%" in page.body
    korean = signed_in(paged, "minsu").get("/reports").body
    assert "4.00" in korean and "응답 100건" in korean and "100%" in korean
    at = [re.search(r"(\d\d):(\d\d)", body.split("</h1>")[1]) for body in (page.body, korean)]
    assert (int(at[1][1]) - int(at[0][1])) % 24 == 9 and at[0][2] == at[1][2]


# -- the API


def test_api(paged):
    for i in range(5):
        opened(paged, customer_id=f"c-{i}", nps=i)
    crm = Program(paged)
    listed = crm.ask("GET", "/api/v1/cases?limit=3")
    assert listed.status == 200 and len(listed.json["cases"]) == 3
    rest = crm.ask("GET", f"/api/v1/cases?after={listed.json['next']}")
    assert rest.json["next"] is None
    cases = listed.json["cases"] + rest.json["cases"]
    assert [c["id"] for c in cases] == [i for i, in paged.q("SELECT id FROM closeloop.cases ORDER BY id")]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", cases[0]["opened_at"]) and cases[0]["resolved_at"] is None
    assert cases[0]["url"].endswith(f"/case/{cases[0]['id']}")
    assert "too late" not in listed.body and "customer_email" not in listed.body
    assert set(cases[0]) == set(OPENAPI["components"]["schemas"]["Case"]["properties"])
    case = cases[0]
    path = f"/api/v1/cases/{case['id']}/transition"
    done = crm.ask("POST", path, {"action": "acknowledge", "version": case["version"]})
    assert done.status == 200 and done.json["status"] == "acknowledged" and done.json["acknowledged_by"] == "api:crm"
    assert crm.ask("POST", path, {"action": "start", "version": case["version"]}).status == 409
    stale = crm.ask("POST", path, {"action": "start", "version": case["version"]})
    assert stale.json["error"] == "stale"
    assert crm.ask("POST", path, {"action": "contacted", "details": {"how": "phone", "reached": True}}).json["status"] == "in_progress"
    assert crm.ask("POST", path, {"action": "assign", "details": {"to": "anna"}}).json["owner"] == "anna"
    refused = crm.ask("POST", path, {"action": "close"})
    assert refused.status == 409 and refused.json["error"] == "not_allowed" and refused.json["hint"]
    assert [c["id"] for c in crm.ask("GET", "/api/v1/cases?owner=anna&status=unresolved").json["cases"]] == [case["id"]]


def test_api_is_described(paged):
    """What docs/openapi.yaml lets through is taken, what it doesn't is refused; each of its examples works."""
    operation = OPENAPI["paths"]["/cases/{id}/transition"]["post"]
    content = operation["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": OPENAPI["components"]}
    crm = Program(paged)
    for name, example in content["examples"].items():
        body = example["value"]
        jsonschema.validate(body, schema)
        path = opened(paged, customer_id=name)
        body.pop("version", None)
        assert crm.ask("POST", f"/api/v1/cases{path[5:]}/transition", body).status == 200, name
    parameters = {p["name"] for p in OPENAPI["paths"]["/cases"]["get"]["parameters"]}
    for parameter in OPENAPI["paths"]["/cases"]["get"]["parameters"]:
        schema = parameter["schema"]
        for value in (OPENAPI["components"]["schemas"]["Priority"] if "$ref" in schema else schema).get("enum", ["1"]):
            assert crm.ask("GET", f"/api/v1/cases?{parameter['name']}={value}").status == 200, (parameter["name"], value)
    assert parameters == {"status", "priority", "owner", "customer_id", "after", "limit"}


def test_api_refuses(paged):
    path = f"/api/v1/cases{opened(paged)[5:]}/transition"
    crm = Program(paged)
    before = state(paged)
    for body in ("", "x", "[]", "{}", {"action": "explode"}, {"action": "note", "note": 5}, {"action": "note", "details": "x"},
                 {"action": "acknowledge", "version": "1"}, {"action": "acknowledge", "extra": 1}, '{"action":"start","action":"start"}',
                 {"action": "assign", "details": {"to": "nobody"}}, b'{"action": "note", "note": "\xff"}'):
        assert crm.ask("POST", path, body).status == 400, body
    assert crm.ask("POST", path, {"action": "acknowledge"}, Content_Type="text/plain").status == 400
    assert crm.ask("POST", "/api/v1/cases/999999/transition", {"action": "acknowledge"}).status == 404
    assert crm.ask("POST", "/api/v1/cases/x/transition", {"action": "acknowledge"}).status == 404
    for query in ("limit=0", "limit=x", "limit=1001", "after=-1", "status=odd", "priority=odd", "after=%"):
        assert crm.ask("GET", f"/api/v1/cases?{query}").status == 400, query
    assert Program(paged, TOKENS["wall"]).ask("POST", path, {"action": "acknowledge"}).status == 403
    assert Program(paged, TOKENS["wall"]).ask("GET", "/api/v1/cases").status == 200
    unknown = Program(paged, "wrong").ask("GET", "/api/v1/cases")
    assert unknown.status == 401 and unknown.headers["WWW-Authenticate"] == "Bearer"
    assert Program(paged, None).ask("POST", path, {"action": "acknowledge"}).status == 401
    assert state(paged) == before
    cookie = signed_in(paged, "minsu")  # a person's cookie is no token
    assert cookie.ask("POST", path, '{"action":"acknowledge"}', Content_Type="application/json").status == 401


# -- limits


def test_caps(paged):
    browser = signed_in(paged, "minsu")
    path = opened(paged)
    assert browser.ask("POST", path, "note=" + "x" * 70000).status == 413
    assert browser.ask("POST", path, "&".join("a=1" for _ in range(500))).status == 400
    assert browser.ask("POST", path, "a=%ff").status == 400
    assert browser.get("/inbox?q=%00").status == 400
    page = browser.get(path)
    assert browser.act(page, path, "note", note="x" * 20000).status == 400
    assert any(browser.get("/", X_Forwarded_For="192.0.2.9").status == 429 for _ in range(3000))
    assert browser.get("/").status != 429


def test_slow_clients_do_not_delay_alerts(paged):
    opened(paged)
    loris = []
    for i in range(200):
        s = socket.create_connection(("127.0.0.1", paged.http_port), timeout=5)
        s.sendall(f"GET /case/{i} HTTP/1.1\r\nHost: x\r\nX-Slow: ".encode())
        loris.append(s)
    paged.respond(account="hanbit", customer_id="c-2")
    paged.mails(2)  # the slow ones are still there
    assert signed_in(paged, "minsu").get("/inbox").status == 200
    for s in loris:
        s.close()


def test_the_database_goes_away(own_site):
    write_secret(own_site, "link-key", LINK_KEY)
    own_site.daemon(http=http_section(own_site))
    path = opened(own_site)
    browser = signed_in(own_site, "minsu")
    page = browser.get(path)
    own_site.server.stop(signal.SIGQUIT)
    down = browser.act(page, path, "acknowledge")
    assert down.status == 503 and down.headers["Retry-After"]
    assert browser.get("/inbox").status == 503
    own_site.server.start()
    own_site.wait(lambda: browser.get(path).status == 200, "the pages", 40)
    assert browser.act(page, path, "acknowledge").status == 303


def test_pages_have_a_role_of_their_own(paged):
    opened(paged)
    signed_in(paged, "minsu").get("/inbox")
    roles = paged.q("SELECT 1 FROM pg_roles WHERE rolname = 'closeloop_pages'")
    paged.run("migrate", "--roles")
    paged.stop_daemons()
    paged.start()
    browser = signed_in(paged, "minsu")
    path = opened(paged, customer_id="c-5")
    page = browser.get(path)
    assert page.status == 200 and browser.act(page, path, "acknowledge").status == 303
    for address in ("/inbox", "/inbox?status=done", "/inbox?q=x", "/reports"):
        assert browser.get(address).status == 200, address
    assert Program(paged).ask("GET", "/api/v1/cases").status == 200
    assert Browser(paged).post("/link", email="minsu@halden.example").status == 200
    assert browser.post("/away", token=browser.get("/inbox").field("token"), deputy="Ben Hall").status == 303
    assert roles is not None
