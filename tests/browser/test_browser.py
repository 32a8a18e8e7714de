"""
A manager with a real Chromium: from the link in a mail to a closed case, the list, the door; what a phone, a keyboard and a
screen reader make of it.

SPDX-License-Identifier: Apache-2.0
"""
import functools
import html
import http.server
import itertools
import pathlib
import re
import threading
import urllib.parse

import pytest

from company import text_of
from pages import link_in, sign

WORDS = pathlib.Path(__file__).resolve().parents[2] / "conf/pages"
HOSTILE = "</textarea><script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\"> {{w.home}} \u202e" \
    + "Donaudampfschifffahrtsgesellschaftskapitän" * 6
PEOPLE = {"en": ("ben", "acme", "Anna Groß"), "ko": ("minsu", "hanbit", "Ben Hall"), "de": ("anna", "elbhof", "Ben Hall")}
# Each language, each size, with and without scripts; each pair of them somewhere.
PLACES = {"en": [("phone", False), ("phone", True), ("desktop", False), ("desktop", True)],
          "ko": [("phone", True), ("desktop", False)], "de": [("phone", False), ("desktop", True)]}
numbers = itertools.count(1)


@functools.cache
def words(language):
    lines = (WORDS / f"words.{language}.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" = ", 1) for line in lines if " = " in line)


class Manager:
    """Somebody with a case, a mail about it, and a browser; presses what the page calls by its name."""

    def __init__(self, site, chromium, language, view="phone", script=True, **options):
        self.site, self.language = site, language
        self.person, self.account, self.other = PEOPLE[language]
        self.w = words(language)
        self.tab = chromium.open(view, script, locale=language, **options)

    def base(self):
        return f"http://127.0.0.1:{self.site.http_port}"

    def case(self, **values):
        """A case of this person's; its number and the link of the button in its mail."""
        before = len(self.site.mailbox.to(f"{self.person}@halden.example"))
        response = self.site.respond(**{"account": self.account, "customer_id": f"c-{next(numbers)}", "customer_phone": "+49 30 1234",
                                        "customer_name": "Sam Weller", "customer_email": "sam@acme.example", **values})
        mail = self.site.mails(before + 1, to=self.person)[-1]
        self.mail = mail
        link = html.unescape(re.search(r'href="(http://127[^"]*/c/[\w-]+)"', text_of(mail, "html"))[1])
        assert link == link_in(mail)
        return self.site.one("SELECT id FROM closeloop.cases WHERE response_id = %s", response), link

    def sign_in(self, ttl=3600):
        self.tab.sign_in(self.base(), sign("s", self.person, f"{self.person}@halden.example", ttl=ttl))
        return self

    def go(self, path):
        return self.tab.go(self.base() + path)

    def button(self, word):
        return f'role=button[name="{self.w[word]}"]'

    def press(self, word, *options):
        self.tab.click(self.button(word), *options)

    def unfold(self, word):
        self.tab.click(f'summary:has-text("{self.w[word]}")')

    def sees(self, word):
        return self.tab.count(self.button(word)) == 1

    def state(self, case):
        return self.site.one("SELECT status::text FROM closeloop.cases WHERE id = %s", case)

    def events(self, case):
        return [e for e, in self.site.q("SELECT kind::text FROM closeloop.case_events WHERE case_id = %s ORDER BY id", case)]


@pytest.fixture
def company(paged):
    paged.own(("account", "acme", "ben"))
    paged.run("reload")
    return paged


@pytest.mark.parametrize("language", PEOPLE)
def test_from_the_mail_to_a_closed_case(company, chromium, language):
    for view, script in PLACES[language]:
        m = Manager(company, chromium, language, view, script)
        tab = m.tab
        case, link = m.case(contact_requested=True, comment="Three days without a machine.")
        assert tab.go(link) == 200 and tab.url() == f"{m.base()}/case/{case}"
        assert tab.one("html", "getAttribute", "lang") == language
        # Who, how bad, by when and what to do stand on the first screen.
        for seen in (".band", "h1", ".sum", ".quote", 'a[href="tel:+49301234"]', m.button("im_on_it")):
            box = tab.one(seen, "boundingBox")
            assert box and box["y"] + box["height"] <= (740 if view == "phone" else 800), (seen, box)
        m.press("im_on_it")
        assert m.state(case) == "acknowledged" and m.w["event_acknowledged"] in tab.text("[role=status]")
        m.press("undo")
        assert m.state(case) == "open" and m.sees("im_on_it") and not m.sees("undo")
        m.press("im_on_it")
        tab.back()  # to the page before: it says how things stand now, and a second press does nothing
        if m.sees("im_on_it"):
            m.press("im_on_it")
        assert m.state(case) == "acknowledged" and tab.url() == f"{m.base()}/case/{case}"
        tab.reload()
        m.press("no_answer")
        assert m.w["event_unreached"] in tab.text("ol")
        tab.one('input[name=how][value=mail]', "check")
        m.press("i_reached")
        assert m.state(case) == "in_progress" and m.w["event_reached"] in tab.text("ol")
        tab.fill("#cause", "Parts were late")
        tab.fill("#resolution", HOSTILE)
        m.press("solved")
        assert m.state(case) == "resolved" and tab.text("blockquote.quote >> nth=1").startswith("</textarea><script>")
        m.unfold("reopen")
        tab.fill("#reopen-note", "Not yet")
        m.press("reopen")
        assert m.state(case) == "open"
        tab.fill("#cause", "Parts were late")
        tab.fill("#resolution", "Part has come")
        m.press("solved")
        m.press("close")
        assert m.state(case) == "closed" and m.w["event_closed"] in tab.text("ol")
        assert tab.evaluate("() => document.title") != "taken"
        tab.close()


def test_however_long_and_in_whatever_script(company, chromium):
    """The way to the customer stays on the first screen, and a comment runs as its script does."""
    m = Manager(company, chromium, "de")
    for comment in ("Drei Tage gewartet, und niemand ruft zurück.\n\n" * 60, "x" * 3000):
        _, link = m.case(comment=comment, contact_requested=True)
        m.tab.go(link)
        boxes = [m.tab.one(seen, "boundingBox") for seen in ('a[href="tel:+49301234"]', m.button("im_on_it"))]
        assert boxes[0]["y"] + boxes[0]["height"] <= boxes[1]["y"] and boxes[1]["y"] + boxes[1]["height"] <= 740, boxes
        m.press("im_on_it")
        box = m.tab.one('a[href="tel:+49301234"]', "boundingBox")
        assert box["y"] + box["height"] <= 740, box
    _, link = m.case(comment="الجهاز متوقف (HX-200) — أرجو الاتصال!", customer_name="محمد", nps=None, contact_requested=True)
    m.tab.go(link)
    directions = m.tab.evaluate("() => ['html', '.quote', 'h1 bdi'].map((e) => getComputedStyle(document.querySelector(e)).direction)")
    assert directions == ["ltr", "rtl", "rtl"]
    assert not m.tab.text(".sum").strip().startswith("·")
    m.go("/inbox")
    directions = m.tab.evaluate("() => [...document.querySelectorAll('.clip')].map((e) => getComputedStyle(e).direction)")
    assert sorted(directions) == ["ltr", "ltr", "rtl"]
    m.tab.close()


@pytest.mark.parametrize("language", PEOPLE)
def test_what_else_a_manager_does(company, chromium, language):
    for view, script in PLACES[language][-2:]:
        m = Manager(company, chromium, language, view, script)
        tab = m.tab
        case, link = m.case()
        tab.go(link)
        m.unfold("note")
        tab.fill("#note", "Called the depot")
        m.press("note_add")
        assert "Called the depot" in tab.text("ol") and m.state(case) == "open"
        m.unfold("wait")
        tab.fill("#until", "2036-05-04T09:30")
        tab.fill("#wait-note", "for the part")
        m.press("wait")
        assert m.state(case) == "waiting" and "9:30" in tab.text(".band") and "2036" in tab.text(".band")
        m.press("go_on")
        assert m.state(case) == "in_progress"
        m.unfold("hand_over")
        tab.fill("#to", "Nobody Known")
        tab.fill("#assign-note", "Please take this one")
        m.press("hand_over")
        assert tab.count("[role=alert]") == 1  # refused, and the words stand where they stood
        assert tab.one("#to", "inputValue") == "Nobody Known" and tab.one("#assign-note", "isVisible")
        assert [tab.one(box, "inputValue") for box in ("#assign-note", "#resolution")] == ["Please take this one", ""]
        tab.fill("#to", m.other)
        m.press("hand_over")
        assert company.one("SELECT owner FROM closeloop.cases WHERE id = %s", case) != m.person
        assert tab.go(link) == 404 and tab.count('form[action="/link"]') == 1  # the link has died with it
        case, link = m.case()
        tab.go(link)
        m.unfold("not_a_case")
        m.press("not_a_case")  # no reason given: the browser itself asks for one
        assert m.state(case) == "open"
        tab.fill("#reason", "A test of ours")
        m.press("not_a_case")
        assert m.state(case) == "dismissed" and "A test of ours" in tab.text()
        m.unfold("reopen")
        m.press("reopen")
        assert m.state(case) == "open"
        tab.close()


def test_two_taps_are_one(company, chromium):
    m = Manager(company, chromium, "en")
    case, link = m.case()
    m.tab.go(link)
    m.press("im_on_it", {"clickCount": 2, "delay": 10})
    m.tab.one(m.button("i_reached"), "waitFor")
    m.tab.one(m.button("i_reached"), "dblclick", {"noWaitAfter": True})
    company.wait(lambda: m.state(case) == "in_progress", "the case")
    m.tab.idle()
    m.tab.go(f"{m.base()}/case/{case}")
    assert m.events(case) == ["opened", "acknowledged", "contacted"]
    assert m.tab.count("[role=alert]") == 0
    m.tab.close()


def test_the_judges_are_awake(company, chromium):
    """What is wrong is found: else the test after this one would say nothing."""
    tab = Manager(company, chromium, "en").tab
    tab.go(f"http://127.0.0.1:{company.http_port}/")
    assert judged(tab, "the door") == []
    tab.evaluate("""() => {
      document.body.insertAdjacentHTML('beforeend', '<img src="/x"><p style="color:#bbb;width:400px">pale and wide</p><a href="/">x</a>');
    }""")
    wrong = "\n".join(tab.accessible() + tab.fits())
    for what in ("image-alt", "color-contrast", "to 400", "16", 'href="/"'):
        assert what in wrong, wrong
    assert len(tab.valid("<p><div id=a><b id=a style='x'></p>")) >= 3
    tab.close()


def judged(tab, what):
    """What axe-core, html-validate and a thumb find wrong with a page."""
    return [f"{what}: {finding}" for finding in tab.accessible() + tab.valid() + tab.fits()]


def pages_of(m):
    """Each page in each of its states, for whoever has signed in: its name, with the page in the tab."""
    tab, site = m.tab, m.site
    case, _ = m.case(comment=HOSTILE, touchpoint="installation", customer_name=HOSTILE[:200], contact_requested=True,
                     ratings={"staff": 2, "speed": 1}, attributes={"plan": "gold"}, account_name="Acme & Söhne <b>")
    m.go(f"/case/{case}")
    yield "a hostile case"
    tab.unfold()
    yield "a case, unfolded"
    m.press("im_on_it")
    yield "acknowledged"
    m.unfold("hand_over")
    tab.fill("#to", "Nobody Known")
    tab.fill("#assign-note", "Please take this one")
    m.press("hand_over")
    yield "refused"
    tab.fill("#cause", "Parts were late " * 10)
    tab.fill("#resolution", "x " * 900)
    m.press("solved")
    yield "resolved"
    m.unfold("reopen")
    yield "about to be reopened"
    case, _ = m.case(comment=None, customer_phone=None, customer_email=None, customer_name=None, nps=None,
                     contact_requested=True)
    m.go(f"/case/{case}")
    yield "a poor case"
    m.go("/inbox")
    yield "the list"
    tab.unfold()
    yield "the list, unfolded"
    m.go("/inbox?" + urllib.parse.urlencode({"q": "nothing like this", "status": "done"}))
    yield "nothing found"
    m.go("/inbox?not=away")
    yield "an absence refused"
    m.go("/reports")
    yield "the results"
    tab.unfold()
    yield "the results as tables"
    m.go("/case/999999")
    yield "no such page"
    m.go("/c/garbage")
    yield "a bad link"
    tab.sign_out()
    m.go("/inbox")
    yield "signed out"
    tab.fill("#email", "somebody@halden.example")
    m.press("send_link")
    yield "look into your mail"
    m.go("/")
    yield "the door"


@pytest.mark.parametrize("language", PEOPLE)
def test_every_page_is_for_everybody(company, chromium, language):
    """WCAG 2.2 AA as far as a program can tell, valid markup, nothing to be scrolled sideways, all big enough for a thumb."""
    company.q("""INSERT INTO closeloop.responses (customer_id, touchpoint, nps, csat, ratings, responded_at)
        SELECT 'x' || i, CASE i % 3 WHEN 0 THEN 'shop' WHEN 1 THEN 'Donaudampfschifffahrtsgesellschaft' END,
            CASE WHEN i <= 50 THEN 10 ELSE 8 END, 4, '{"staff": 4, "speed": 5}', now() - i * interval '1 day' FROM generate_series(1, 60) i""")
    company.settled()
    wrong = []
    m = Manager(company, chromium, language).sign_in()
    for name in pages_of(m):
        assert m.tab.one("html", "getAttribute", "lang") == language, name
        wrong += judged(m.tab, name)
    m.tab.close()
    # Other colours, and other places for the same.
    m = Manager(company, chromium, language, "desktop", dark=True).sign_in()
    for name in pages_of(m):
        wrong += [f"{name}, desktop: {f}" for f in m.tab.fits() + (m.tab.accessible() if language == "en" else [])]
    m.tab.close()
    assert not wrong, "\n".join(wrong)


# -- the list, the door, the session


def cards(tab):
    return tab.evaluate("() => [...document.querySelectorAll('.cases a')].map((a) => a.getAttribute('href'))")


@pytest.mark.parametrize("language, script", [("ko", False), ("de", True)])
def test_the_list(company, chromium, language, script):
    m = Manager(company, chromium, language, script=script).sign_in()
    for i in range(33):
        company.respond(account=m.account, customer_id=f"l{i}", customer_name=f"Kunde {i}", nps=i % 7, contact_requested=i % 11 == 0,
                        touchpoint="delivery" if i % 2 else "service")
    company.settled()
    tab = m.tab
    m.go("/inbox")
    assert "33" in tab.text("main") and len(cards(tab)) == 30
    seen = cards(tab)
    tab.click(f'role=link[name="{m.w["more_cases"]}"]')
    assert len(set(cards(tab)) - set(seen)) == 3
    tab.back()
    assert cards(tab) == seen
    m.unfold("filters")
    tab.one("#priority", "selectOption", "urgent")
    m.press("show")
    assert len(cards(tab)) == 3 and tab.one("#priority", "inputValue") == "urgent"
    m.go("/inbox")
    tab.fill("#q", "kunde 17")
    tab.key("Enter")
    tab.one('.cases:has-text("Kunde 17")', "waitFor")
    assert len(cards(tab)) == 1
    box = tab.one(".cases .card", "boundingBox")  # wherever on the card the thumb comes down
    tab.tap(box["x"] + box["width"] - 12, box["y"] + box["height"] - 8)
    tab.one(".band", "waitFor")
    assert tab.url().endswith(company.one("SELECT '/case/' || id FROM closeloop.cases WHERE customer_id = 'l17'"))
    m.go("/inbox")
    for nth in (0, 2):
        tab.one(f".tick >> nth={nth}", "click")
    m.press("acknowledge_chosen")
    assert company.one("SELECT count(*) FROM closeloop.cases WHERE status = 'acknowledged' AND acknowledged_by = %s", m.person) == 2
    m.unfold("away_title")
    tab.fill("#until", "2036-05-04")
    tab.fill("#deputy", m.other)
    m.press("save")
    company.wait(lambda: m.go("/inbox") and tab.count(".notice") == 1, "the absence")
    assert m.other in tab.text(".notice") and "2036" in tab.text(".notice")
    m.press("back_again")
    assert company.one("SELECT count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now()") == 0
    tab.close()


@pytest.mark.parametrize("script", [True, False])
def test_the_door(company, chromium, script):
    m = Manager(company, chromium, "ko", script=script)
    case, _ = m.case()
    m.go("/")
    m.tab.fill("#email", "minsu@halden.example")
    m.press("send_link")
    assert m.w["sent_title"] in m.tab.text()
    mail = company.mails(2, to="minsu")[-1]
    m.tab.go(link_in(mail, "i"))
    assert m.tab.url() == f"{m.base()}/inbox" and cards(m.tab) == [f"/case/{case}"]
    m.press("leave")
    m.go(f"/case/{case}")
    assert m.tab.count(".band") == 0 and m.tab.count("#email") == 1
    m.tab.back()
    m.go("/inbox")
    assert m.tab.count(".cases") == 0
    m.tab.close()


def test_a_note_outlives_the_session(company, chromium):
    m = Manager(company, chromium, "de")
    case, link = m.case()
    m.tab.go(link)
    m.tab.fill("#cause", "Teile")
    m.tab.fill("#resolution", "Drei Tage gewartet, <b>Teil</b> kommt morgen")
    m.sign_in(ttl=-5)  # twelve hours have gone by
    m.press("solved")
    assert m.w["ended_kept_title"] in m.tab.text() and m.state(case) == "open"
    m.tab.go(link_in(company.mails(2, to="anna")[-1]))
    assert m.tab.one("#resolution", "inputValue") == "Drei Tage gewartet, <b>Teil</b> kommt morgen"
    m.tab.fill("#cause", "Teile")
    m.press("solved")
    assert m.state(case) == "resolved"
    m.tab.close()


class Webmail(http.server.BaseHTTPRequestHandler):
    """Another site: it shows a mail's link, leads to it through addresses of its own, and has a form that acts for somebody else."""

    def do_GET(self):
        link = urllib.parse.unquote(self.path.partition("?")[2])
        kind = self.path.partition("?")[0]
        body = f'<a href="{link}">plain</a> <a href="/away?{link}">away</a> <a href="/refresh?{link}">refresh</a>' \
            f' <form method="post" action="{link}"><input type="hidden" name="action" value="acknowledge"><button>act</button></form>'
        self.send_response(302 if kind == "/away" else 200)
        if kind == "/away":
            self.send_header("Location", link)
        if kind == "/refresh":
            self.send_header("Refresh", f"0;url={link}")
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def webmail():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webmail)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://webmail.example:{server.server_port}/?"
    server.shutdown()
    thread.join(10)
    server.server_close()


def test_from_a_webmail(company, chromium, webmail):
    """The cookie comes and stays when another site leads here; a form of that site does nothing."""
    m = Manager(company, chromium, "en")
    case, link = m.case()
    for how in ("plain", "away", "refresh"):
        m.tab.sign_out()
        m.tab.go(webmail + link)
        m.tab.click(f'role=link[name="{how}"]')
        m.tab.one(".band", "waitFor")
        assert m.tab.url() == f"{m.base()}/case/{case}"
        cookie, = m.tab.cookies()
        assert cookie["sameSite"] == "Lax" and cookie["httpOnly"]
        m.tab.go(webmail + f"{m.base()}/case/{case}")  # and once signed in, the address alone will do
        m.tab.click(f'role=link[name="{how}"]')
        m.tab.one(".band", "waitFor")
        assert m.tab.url() == f"{m.base()}/case/{case}"
    m.tab.go(webmail + f"{m.base()}/case/{case}")
    m.tab.click('role=button[name="act"]')
    m.tab.one("h1", "waitFor")
    assert m.state(case) == "open" and m.tab.count(".band") == 0
    m.tab.close()


FOCUS = """() => {
  const e = document.activeElement, of = getComputedStyle(e), b = e.getBoundingClientRect();
  return { name: e.id || e.value || e.innerText.trim(), seen: of.outlineStyle !== 'none' && parseFloat(of.outlineWidth) >= 2
    && b.bottom > 0 && b.top < innerHeight && b.right > 0 && b.left < innerWidth };
}"""


def test_with_the_keyboard_alone(company, chromium):
    m = Manager(company, chromium, "en", "desktop")
    case, link = m.case()
    tab = m.tab
    tab.go(link)

    def to(name, most=25):
        """Tab by tab; whatever has the focus on the way can be seen to have it."""
        for _ in range(most):
            tab.key("Tab")
            at = tab.evaluate(FOCUS)
            assert at["seen"], at
            if at["name"] == name:
                return
        raise AssertionError(f"no way to {name}")

    def press(name, state):
        to(name)
        tab.key("Enter")
        company.wait(lambda: m.state(case) == state, state)

    to(m.w["skip"], 1)
    tab.key("Enter")
    assert tab.evaluate("() => location.hash") == "#content"
    press("acknowledge", "acknowledged")
    tab.one(m.button("i_reached"), "waitFor")
    to("phone")
    tab.key("ArrowDown")
    press("true", "in_progress")
    assert company.one("SELECT details->>'how' FROM closeloop.case_events WHERE kind = 'contacted'") == "mail"
    tab.one(m.button("solved"), "waitFor")
    to("cause")
    tab.type("Parts")
    to("resolution", 1)
    tab.type("Sent by courier")
    press("resolve", "resolved")
    tab.one(m.button("close"), "waitFor")
    press("close", "closed")
    tab.close()
