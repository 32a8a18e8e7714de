"""
Who is told: the owner chain of a route, people who are away, mails that come back.

SPDX-License-Identifier: Apache-2.0
"""
import collections
import json
import unicodedata

import pytest


def owner_of(site, **response):
    before = site.one("SELECT count(*) FROM closeloop.cases")
    site.respond(**{"customer_id": f"k{before}", **response})
    return site.cases(before + 1)[-1][1]


def test_the_first_that_is_known_owns_it(site):
    site.daemon()
    assert owner_of(site, account="hanbit", attributes={"manager": "olga"}) == "olga"
    assert owner_of(site, account="hanbit", attributes={"manager": "OLGA@halden.example"}) == "olga"
    assert owner_of(site, account="hanbit", attributes={"manager": "stranger@elsewhere.example"}) == "minsu"
    assert owner_of(site, account="  HanBit ") == "minsu"
    assert owner_of(site, account="unknown") in ("ben", "olga")
    assert owner_of(site) in ("ben", "olga")
    site.settled()


def test_two_dimensions_are_looked_up_together(site):
    site.daemon()
    assert owner_of(site, touchpoint="installation", region="seoul") == "minsu"
    assert owner_of(site, touchpoint="Installation", region="Seoul") == "minsu"
    others = [owner_of(site, touchpoint="installation", region="leeds") for _ in range(3)]
    assert set(others) == {"anna", "ben", "minsu"}, "round-robin over the team"
    site.settled()


def test_round_robin_is_even(site):
    site.daemon()
    site.q("INSERT INTO closeloop.responses (nps, touchpoint, customer_id) SELECT 1, 'installation', 'k' || i"
           " FROM generate_series(1, 30) AS i")
    cases = site.cases(30)
    assert set(collections.Counter(c[1] for c in cases).values()) == {10}
    site.settled()


def test_least_open_prefers_who_has_the_fewest(site):
    site.daemon()
    for _ in range(6):
        owner_of(site)
    counts = collections.Counter(c[1] for c in site.cases(6))
    assert counts == {"ben": 3, "olga": 3}
    site.settled()


def test_a_korean_owner_is_found_however_it_was_typed(site):
    site.own(("account", "한빛정밀", "minsu"))
    site.daemon(owners=False)
    assert owner_of(site, account=unicodedata.normalize("NFD", "한빛정밀")) == "minsu"
    site.settled()


def test_blanks_around_a_part_or_an_id_do_not_count(site):
    """As in rules, where 'installation ' equals 'installation'."""
    site.daemon()
    site.respond(touchpoint=" Installation\u3000", region="\tSEOUL ", customer_id="k1")
    site.respond(attributes={"manager": " anna "}, customer_id="k2")
    site.respond(attributes={"manager": "Ben@halden.example\n"}, customer_id="k3")
    site.respond(account="\u00a0", attributes={"manager": "\u3000"}, customer_id="k4")
    assert [case[1] for case in site.cases(4)][:3] == ["minsu", "anna", "ben"]
    assert site.one("SELECT team FROM closeloop.cases WHERE customer_id = 'k4'") == "care"


@pytest.mark.parametrize("entered, said", (("Weiß", "WEISS"), ("ΣΑΣ", "σας"), ("İzmir", "izmir"), ("Straße ", " STRAẞE"), ("É", "e\u0301")))
def test_what_is_said_before_finds_whom_the_daemon_finds(site, entered, said):
    """`test`, `backtest` and `coverage` compare values of owners in the program, the daemon and `try` in PostgreSQL."""
    site.daemon(owners=False)
    site.own(("account", entered, "anna"))
    site.respond(account=said)
    owner = site.cases(1)[0][1]
    assert f"lookup:account '{said.strip()}'  " in site.run("try", "nps=2", f"account={said}")
    tests = site.folder / "owner.tests.conf"
    tests.write_text(f'tests: {{ it: {{ response: {{ nps = 2; account = "{said}"; }}; expect: {{ owner = "{owner}"; }};'
                     f' owners: {{ a: {{ dimension = "account"; value = "{entered}"; person = "anna"; }}; }}; }}; }};', encoding="utf-8")
    assert "1 test passed" in site.run("test", str(tests))
    row = json.loads(site.run("--json", "coverage"))["rows"][0]
    assert row["told"] == (["anna"] if owner == "anna" else ["team:care"])


def test_owners_changed_while_running_count_at_once(site):
    site.daemon(owners=False)
    assert owner_of(site, account="hanbit") in ("ben", "olga")
    csv = "dimension,value,person\naccount,hanbit,minsu\n"
    assert "hanbit" in site.run("owner", "import", "--dry-run", "-", stdin=csv)
    assert site.q("SELECT * FROM closeloop.owners") == []
    site.run("owner", "import", "-", stdin=csv)
    assert owner_of(site, account="hanbit") == "minsu"
    assert "account,hanbit,minsu" in site.run("owner", "export")
    site.settled()


def test_an_absent_person_is_replaced_by_the_deputy(site):
    site.daemon()
    site.q("INSERT INTO closeloop.absences (person, starts_at, ends_at, deputy)"
           " VALUES ('minsu', now() - interval '1 h', now() + interval '1 day', 'anna')")
    assert owner_of(site, account="hanbit") == "anna"
    site.q("UPDATE closeloop.absences SET ends_at = now() - interval '1 minute'")
    assert owner_of(site, account="hanbit") == "minsu"
    site.settled()


def test_with_everybody_away_somebody_is_told_all_the_same(site):
    site.daemon()
    site.q("INSERT INTO closeloop.absences (person, ends_at) SELECT p, now() + interval '1 day'"
           " FROM unnest(ARRAY['minsu', 'anna', 'ben', 'olga']) AS p")
    assert owner_of(site, account="hanbit")
    assert len(site.mails(1)) == 1
    site.settled()


def test_a_person_of_the_database_is_known_without_a_restart(site):
    site.daemon()
    site.q("INSERT INTO closeloop.people (id, name, email, language) VALUES ('new', 'New One', 'new@halden.example', 'en')")
    site.own(("account", "fresh", "new"))
    assert owner_of(site, account="fresh") == "new"
    site.mails(1, to="new")
    site.settled()


def test_a_mail_refused_for_good_goes_to_the_next_person(site):
    site.mailbox.replies["minsu@halden.example"] = "550 5.1.1 no such user"
    site.daemon()
    site.respond(account="hanbit")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'failed' AND recipient = 'minsu'"),
              "the refusal recorded")
    (mail,) = site.mails(1)
    assert mail.recipient == "olga@halden.example", "the manager, as there is no deputy"
    site.settled()
    code, answer = site.one("SELECT m.last_code, a.answer FROM closeloop.messages m JOIN closeloop.attempts a"
                            " ON a.message_id = m.id WHERE m.state = 'failed'")
    assert code == 550 and "no such user" in answer


def test_a_refusal_for_now_is_tried_again(site):
    site.mailbox.replies["minsu@halden.example"] = ["451 4.7.1 later"]
    site.daemon()
    site.respond(account="hanbit")
    site.wait(lambda: site.mailbox.attempts, "the first try")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state = 'queued'"
                               " AND attempt >= 1 AND next_at > now()"), "the retry planned")
    site.q("UPDATE closeloop.messages SET next_at = now() WHERE channel = 'email'")
    site.mails(1, to="minsu", seconds=40)
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.attempts a JOIN closeloop.messages m ON m.id = a.message_id"
                    " WHERE m.channel = 'email'") == 2
