"""
Coverage: every touchpoint, account and language reaches somebody, or it is said which doesn't, and why.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re
import time

import pytest

# Two routes: field leads only where somebody installs or repairs.
CONFIGURED = {
    "people": """{
  minsu: { name = "김민수"; email = "minsu@halden.example"; reports_to = "olga"; };
  anna:  { name = "Anna Groß"; email = "anna@halden.example"; };
  jane:  { name = "Jane Smith"; email = "jane@halden.example"; };
  ben:   { name = "Ben Hall"; email = "ben@halden.example"; };
  olga:  { name = "Olga Hart"; email = "olga@halden.example"; };
}""",
    "teams": '{ care: { members = [ "ben", "olga" ]; }; field: { members = [ "anna", "ben" ]; assign = "round-robin"; }; }',
    "routes": """{
  account: { owner = [ "from:attr.manager", "lookup:account", "team:care" ]; notify = [ "email:owner", "webhook:crm" ]; };
  field:   { owner = [ "lookup:touchpoint+region", "team:field" ]; notify = [ "email:owner" ]; };
}""",
    "rules": """{
  staff:     { kind = "ignore"; when = "touchpoint is 'test'"; };
  callback:  { when = "contact_requested and touchpoint is not 'newsletter'"; priority = "urgent"; };
  field:     { when = "unhappy and touchpoint in ('installation', 'service')"; priority = "high"; route = "field"; };
  detractor: { when = "nps <= 6 and touchpoint is not 'newsletter'"; };
  praise:    { kind = "praise"; when = "nps >= 9"; };
}""",
}


def coverage(site, *arguments, code=0):
    return json.loads(site.run("--json", "coverage", *arguments, code=code))


def rows(site, **options):
    """{(touchpoint, account, language, route): [(class, responses, told, through, why)]}"""
    found = {}
    for r in coverage(site, **options)["rows"]:
        key = (r["touchpoint"], r["accounts"][0] if r["accounts"] else None, r["language"], r["route"])
        found.setdefault(key, []).append((r["class"], r["responses"], r["told"], r["through"], r["why"]))
    return {key: sorted(values, key=str) for key, values in found.items()}


@pytest.fixture
def company(site):
    site.configure(**CONFIGURED)
    site.own(("account", "hanbit", "minsu"), ("account", "acme", "jane"), ("touchpoint+region", "installation+seoul", "minsu"))
    return site


def respond(site, n=1, **values):
    columns = {"nps": 3, **values}
    site.q(f"INSERT INTO closeloop.responses ({', '.join(columns)}) SELECT {', '.join(['%s'] * len(columns))}"
           f" FROM generate_series(1, {n})", *columns.values())


def test_an_empty_database(company):
    out = company.run("coverage")
    assert "There is no response" in out and "people" not in out
    assert coverage(company)["responses"] == 0


def test_one_row(company):
    respond(company, touchpoint="delivery", account="hanbit", language="ko")
    assert rows(company) == {("delivery", "hanbit", "ko", "account"): [("told", 1, ["minsu"], "lookup:account", None)]}
    out = company.run("coverage", COLUMNS="160")
    assert re.search(r"delivery +hanbit +ko +account +1 +minsu +lookup:account", out)
    assert "reached 1 of 1 · by fallback 0 (0.0%) · nobody 0" in out


def test_owners_fallback_and_nobody(company):
    site = company
    respond(site, 5, touchpoint="delivery", account="Hanbit ", language="ko")  # as the daemon compares: folded, trimmed
    respond(site, 4, touchpoint="delivery", account="nordwerk", language="de")
    respond(site, 3, touchpoint="delivery", account="acme", language="en", nps=10, contact_requested=False)  # whatever they said
    respond(site, 2, touchpoint="delivery", account="acme", language="en", attributes='{"manager": "anna@halden.example"}')
    respond(site, 7, touchpoint="installation", region="seoul", account="hanbit", language="ko")
    respond(site, 6, touchpoint="service", account="nordwerk", language="de", region=None)
    respond(site, 8, touchpoint="test", account="hanbit")
    respond(site, 9, touchpoint="newsletter", account="hanbit")
    respond(site, 1, touchpoint=None, account=None, language=None)
    respond(site, 1, touchpoint="delivery", account="hanbit", responded_at="2020-01-01")  # too old to count
    site.q("INSERT INTO closeloop.absences (person) VALUES ('jane')")
    assert rows(site, code=1) == {
        ("delivery", "Hanbit ", "ko", "account"): [("told", 5, ["minsu"], "lookup:account", None)],
        ("delivery", "nordwerk", "de", "account"): [("fallback", 4, ["team:care"], "team:care", None)],
        # The same account, where some responses name a manager themselves.
        ("delivery", "acme", "en", "account"): [("nobody", 3, [], None, "jane away, no deputy"),
                                                ("told", 2, ["anna"], "from:attr.manager", None)],
        ("installation", "hanbit", "ko", "account"): [("told", 7, ["minsu"], "lookup:account", None)],
        ("installation", "hanbit", "ko", "field"): [("told", 7, ["minsu"], "lookup:touchpoint+region", None)],
        ("service", "nordwerk", "de", "account"): [("fallback", 6, ["team:care"], "team:care", None)],
        ("service", "nordwerk", "de", "field"): [("fallback", 6, ["team:field"], "team:field", None)],
        ("test", "hanbit", None, None): [("ignored", 8, [], None, None)],
        ("newsletter", "hanbit", None, None): [("no_rule", 9, [], None, None)],
        (None, None, None, "account"): [("fallback", 1, ["team:care"], "team:care", None)],
    }
    whole = coverage(site, code=1)
    assert (whole["responses"], whole["reached"], whole["fallback"], whole["nobody"], whole["no_rule"], whole["ignored"]) == (
        45, 25, 11, 3, 9, 8)
    done = site.closeloop("coverage", COLUMNS="160")
    assert done.returncode == 1
    assert re.search(r"delivery +acme +en +account +3 +NOBODY +jane away, no deputy", done.stdout), done.stdout
    assert "reached 25 of 45 · by fallback 11 (24.4%) · no case rule fits 9 · ignored 8 · nobody 3" in done.stdout
    assert "jane: owns 1 account, away until further notice, no deputy" in done.stdout
    # Everything as the judge would: a deputy stands in.
    site.q("UPDATE closeloop.absences SET deputy = 'olga'")
    assert ("told", 3, ["olga"], "lookup:account, deputy", None) in rows(site)[("delivery", "acme", "en", "account")]


def test_accounts_with_the_same_answer_are_one_row(company):
    site = company
    site.own(*(("account", f"a{i}", ("minsu", "anna", "ben")[i % 3]) for i in range(214)))
    site.q("INSERT INTO closeloop.responses (touchpoint, account, language, nps) SELECT 'delivery', 'a' || i % 214, 'ko', 3 FROM generate_series(1, 1102) AS i")
    respond(site, 16, touchpoint="delivery", account="nordwerk", language="ko")
    out = site.run("coverage", COLUMNS="160")
    assert re.search(r"delivery +214 others +ko +account +1,102 +3 people +lookup:account", out), out
    assert re.search(r"delivery +nordwerk +ko +account +16 +team:care +fallback", out), out
    row = next(r for r in coverage(site)["rows"] if r["class"] == "told")
    assert row["accounts_count"] == 214 and len(row["accounts"]) == 5 and sorted(row["told"]) == ["anna", "ben", "minsu"]
    assert "--limit" in site.run("coverage", "--limit", "1")


def test_people_who_cannot_be_told(company):
    site = company
    site.own(("account", "kimchi", "t.ono"), ("account", "tofu", "t.ono"), ("region", "seoul", "t.ono"))
    respond(site, 3, touchpoint="delivery", account="kimchi", language="ja")
    site.q("INSERT INTO closeloop.operator_news (kind, subject, opened_at, details) VALUES ('mail_refused', 'anna', '2027-02-27 10:00Z',"
           " '{\"answer\": \"550 5.1.1 <anna@halden.example> unknown\", \"code\": 550}')")
    site.q("INSERT INTO closeloop.absences (person, ends_at, deputy) VALUES ('ben', '2099-03-03', 'olga'), ('olga', NULL, NULL)")
    whole = coverage(site, code=1)
    assert {(p["person"], p["trouble"]) for p in whole["people"]} == {
        ("anna", "mail_refused"), ("team:care", "nobody_there"), ("t.ono", "unknown")}
    out = site.closeloop("coverage", COLUMNS="220").stdout
    assert "anna: mail bounced 27 Feb (550 5.1.1)" in out and "t.ono: owns 2 accounts, 1 region, unknown" in out
    assert "team:care: nobody is there (ben, olga away)" in out
    # The entry of an unknown person leads on to the fallback, where nobody is.
    assert rows(site, code=1)[("delivery", "kimchi", "ja", "account")] == [("nobody", 3, [], None, "everybody of team:care is away")]
    site.q("DELETE FROM closeloop.absences WHERE person = 'olga'")
    assert rows(site)[("delivery", "kimchi", "ja", "account")] == [
        ("fallback", 3, ["team:care"], "team:care", "'t.ono' is no known person")]


def test_what_tells_nobody(company):
    site = company
    respond(site, touchpoint="delivery", account="hanbit")
    site.configure(routes=site.sections["routes"].replace('[ "email:owner", "webhook:crm" ]', '[ "webhook:crm" ]'))
    assert [v[0][2] for v in rows(site).values()] == [["webhook:crm"]]
    site.configure(routes=site.sections["routes"].replace('[ "webhook:crm" ]', "[ ]"))
    assert "tells nobody" in str(rows(site, code=1))
    site.configure(rules='{ praise: { kind = "praise"; when = "nps >= 9"; }; }')
    out = site.run("coverage")
    assert "No rule opens a case" in out and "no case rule fits 1" in out


def test_hostile_values_and_since(company):
    site = company
    respond(site, touchpoint="\x1b[31m\u202eevil\n", account="x" * 100_000, language="'; DROP", attributes='{"manager": {"a": 1}}')
    out = site.run("coverage", COLUMNS="100")
    assert "\x1b" not in out and "\u202e" not in out and max(map(len, out.splitlines())) <= 101
    assert "\u202e" not in site.run("--json", "coverage")
    respond(site, touchpoint="old", responded_at="2020-01-01")
    assert coverage(site)["responses"] == 1
    assert coverage(site, "--since", "2019-12-31")["responses"] == 2
    assert site.closeloop("coverage", "--since", "yesterday").returncode == 64


def test_the_daemon_does_as_coverage_says(company):
    """Who is told is the judge's own word: the mails go where coverage said they would."""
    site = company
    site.configure(teams='{ care: { members = [ "olga" ]; }; field: { members = [ "anna" ]; }; }')
    respond(site, touchpoint="delivery", account="hanbit", customer_id="a")
    respond(site, touchpoint="delivery", account="nordwerk", customer_id="b")
    respond(site, touchpoint="service", account="nordwerk", customer_id="c")
    said = {(r["touchpoint"], r["accounts"][0]): r["told"][0] for r in coverage(site)["rows"] if (r["touchpoint"] == "service") == (r["route"] == "field")}
    site.start()
    site.cases(3)
    site.settled()
    told = {(t, a): o for t, a, o in site.q("SELECT r.touchpoint, r.account, coalesce('team:' || c.team, c.owner) FROM closeloop.cases AS c"
                                            " JOIN closeloop.responses AS r ON r.id = c.response_id")}
    assert said == told


def test_huge(company):
    site = company
    site.q("ALTER TABLE closeloop.responses DISABLE TRIGGER USER")
    site.q("INSERT INTO closeloop.responses (touchpoint, account, region, language, nps, responded_at) SELECT (ARRAY['installation', 'service', 'delivery'])[1 + i % 3],"
           " 'a' || i % 20000, 'r' || i % 50, (ARRAY['ko', 'de', 'en'])[1 + i % 3], i % 11, now() - i * interval '20 seconds' FROM generate_series(1, 200000) AS i")
    site.own(*(("account", f"a{i}", "minsu") for i in range(0, 20000, 2)))
    whole = coverage(site)
    assert whole["responses"] == 200000 and whole["reached"] == 200000 and 0 < whole["fallback"] < 200000
    assert len(whole["rows"]) == 8
