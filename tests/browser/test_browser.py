"""
A manager with a real Chromium: from the link in a mail to a closed case, the list, the door; what a phone, a keyboard and a
screen reader make of it.

SPDX-License-Identifier: Apache-2.0
"""
import functools
import html
import itertools
import pathlib
import re
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
        token = sign("s", self.person, f"{self.person}@halden.example", ttl=ttl)
        self.tab._ask("context", "addCookies", [{"name": "closeloop", "value": token, "url": self.base(), "httpOnly": True,
                                                 "sameSite": "Lax"}])
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
        assert tab.count("[role=alert]") == 1 and "Please take this one" in tab.source()  # refused, and the words are kept
        tab.unfold()
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
    tab._ask("context", "clearCookies")
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
