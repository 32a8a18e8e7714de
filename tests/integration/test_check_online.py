"""
`check --online` and the texts and names in rules: those that never occur in 90 days, and the nearest that does.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
FACTS = '{ gold = "attr.plan is \'gold\'"; }'
RULES = """{
  field:  { when = "nps <= 6 and touchpoint in ('instalation', 'Service')"; };
  speed:  { when = "touchpoint != 'instalation' and touchpoint is present and csat <= 2"; };
  korean: { when = "touchpoint = '설지'"; };
  vip:    { when = "gold and nps <= 6"; };
  region: { when = "region is 'seuol' or attr.plan in ('sliver', 'basic')"; };
  before: { when = "previous.account = 'nobody like that' and nps <= 6"; };
  words:  { when = "comment contains 'never said' or comment matches 'nor this'"; };
}"""


def respond(site, n=1, **values):
    for _ in range(n):
        site.respond(**values)


def notices(site):
    found = json.loads(site.run("--json", "check", "--online"))["online"]
    assert all(o["ok"] for o in found)
    return {(o["name"], o["literal"]): o for o in found if "literal" in o}, [o["text"] for o in found if o["name"] == "texts"]


def test_without_responses_it_says_so_once(site):
    site.configure(facts=FACTS, rules=RULES)
    assert notices(site) == ({}, ["no response in the last 90 days to compare those of rules with"])
    respond(site, touchpoint="installation", responded_at="2020-01-01T00:00:00Z")
    assert notices(site)[0] == {}
    assert "texts        ok: no response" in site.run("check", "--online")


def test_rules_without_texts_are_not_worth_a_line(site):
    site.configure(facts='{ low = "nps <= 6"; }', rules='{ low: { when = "low and comment contains \'x\'"; }; }')
    assert notices(site) == ({}, [])
    assert "texts" not in site.run("check", "--online")


def test_the_nearest_value_is_named(site):
    site.configure(facts=FACTS, rules=RULES)
    respond(site, 3, touchpoint="installation", region="seoul", account="hanbit", attributes={"plan": "gold"})
    respond(site, 2, touchpoint=" Installation", attributes={"plan": "silver"})
    respond(site, 1, touchpoint="SERVICE", attributes={"plan": "basic"})
    respond(site, 1, touchpoint="설치".encode().decode(), region="busan")
    respond(site, 1, touchpoint="instalation", responded_at="2020-01-01T00:00:00Z")
    text = site.run("check", "--online")
    assert "field, speed: 'instalation' never occurs in touchpoint; nearest 'installation' (5 responses)\n" in text
    assert re.search(r"closeloop\.conf:\d+: notice: korean: '설지' never occurs in touchpoint; nearest '설치' \(1 response\)\n", text)
    assert "region: 'seuol' never occurs in region; nearest 'seoul' (3 responses)\n" in text
    assert "region: 'sliver' never occurs in attr.plan; nearest 'silver' (2 responses)\n" in text
    assert "before: 'nobody like that' never occurs in account; most frequent 'hanbit' (3 responses)\n" in text
    assert "texts        ok: 3 of 8 in rules occurred in the last 90 days" in text
    assert "'gold'" not in text and "'Service'" not in text and "basic" not in text and "said" not in text
    found, summary = notices(site)
    assert set(found) == {("field, speed", "instalation"), ("korean", "설지"), ("region", "seuol"), ("region", "sliver"),
                          ("before", "nobody like that")}
    one = found["field, speed", "instalation"]
    assert (one["column"], one["nearest"], one["nearest_responses"]) == ("touchpoint", "installation", 5)
    assert one["file"] == str(site.configuration) and one["line"] > 0
    assert found["before", "nobody like that"]["nearest"] is None
    assert summary == ["3 of 8 in rules occurred in the last 90 days"]


def test_a_column_that_nobody_fills(site):
    site.configure(rules='{ a: { when = "survey = \'x\'"; }; b: { when = "attr.plan is not \'gold\'"; }; }')
    respond(site, touchpoint="delivery", survey="  ")
    text = site.run("check", "--online")
    assert "a: 'x' never occurs in survey; no response of the last 90 days has one" in text
    assert "b: 'gold' never occurs in attr.plan; no response of the last 90 days has one" in text


def test_names_of_ratings_and_attributes(site):
    """A rating is looked up as it is written, so `rating.Delivery` is a rule that never matches."""
    site.configure(attributes='{ manager = "text"; plna = "text"; arr = "number"; renewal = "time"; vip = "bool"; }', rules="""{
  a: { when = "rating.Delivery <= 2 or rating.quality <= 2"; };
  b: { when = "previous.rating.qualty <= 2 and rating['설치속도'] < rating['설치 속도']"; };
  c: { when = "attr.plna is 'gold' or attr.arr > 5"; };
  d: { when = "days_since(attr.renewal) > -30 and rating.Delivery is missing and attr.vip"; };
}""")
    assert notices(site) == ({}, ["no response in the last 90 days to compare those of rules with"])
    respond(site, 3, ratings={"delivery": 1, "quality": 2, "설치 속도": 1}, attributes={"plan": "gold", "Renewal": "2027-01-01", "arr": 5, "vip": None})
    respond(site, 1, ratings={"\x1b[31mx": 1})
    text = site.run("check", "--online")
    assert "a, d: rating.Delivery never occurs; nearest 'delivery' (3 responses)\n" in text
    assert "b: previous.rating.qualty never occurs; nearest 'quality' (3 responses)\n" in text
    assert "b: rating['설치속도'] never occurs; nearest '설치 속도' (3 responses)\n" in text
    assert "c: 'gold' never occurs in attr.plna; no response of the last 90 days has one, but 'plan' (3 responses)\n" in text
    assert "d: attr.renewal never occurs; nearest 'Renewal' (3 responses)\n" in text
    assert text.count("never occurs") == 5 and "texts        ok: 0 of 1 in rules" in text
    found, _ = notices(site)
    one = found["a, d", "rating.Delivery"]
    assert (one["column"], one["nearest"], one["nearest_responses"]) == ("ratings", "delivery", 3)


def test_what_customers_wrote_stays_harmless_and_short(site):
    site.configure(rules='{ a: { when = "touchpoint = \'x\'"; }; }')
    respond(site, 2, touchpoint="\x1b[31mred\u202e" + "long " * 50)
    respond(site, 1, touchpoint="it's \u009b1m")
    text = site.run("check", "--online")
    line = next(line for line in text.splitlines() if "never occurs" in line)
    assert "most frequent" in line and "(2 responses)" in line and "…" in line and len(line) < 400
    assert not UNSAFE.search(text)
    assert not UNSAFE.search(site.run("--json", "check", "--online"))


def test_answers_beyond_their_scale(site):
    site.configure(facts='{ unhappy = "nps <= 6 or any rating <= 2"; }', rules='{ low: { when = "unhappy"; }; }',
                   scales='{ q1: { min = 1; max = 10; }; mark: { min = 1; max = 6; low_is = "good"; }; }')
    respond(site, 3, ratings={"q1": 10, "mark": 6, "delivery": 5})
    assert "notice" not in site.run("check", "--online")
    respond(site, 2, ratings={"q1": 99, "mark": 1, "delivery": 2.5, "odd": "99"})
    respond(site, 1, ratings={"q1": 0, "q2": 9, "\x1b[31m" + "x" * 90: -1})
    respond(site, 1, ratings={"q1": -7}, responded_at="2020-01-01T00:00:00Z")
    text = site.run("check", "--online")
    assert ("notice: rating q1: 3 of 6 answers of the last 90 days are outside its scale from 1 to 10: they go from 0 to 99\n") in text
    assert "notice: rating q2: answers from 9 to 9 in the last 90 days, but no scale, so they count as stars from 1 to 5" in text
    assert "delivery" not in text and "mark" not in text and "odd" not in text and not UNSAFE.search(text)
    names = [o["name"] for o in json.loads(site.run("--json", "check", "--online"))["online"]]
    assert "rating q1" in names and "rating q2" in names
    # Rules that ask for no rating don't care.
    site.configure(facts='{ unhappy = "nps <= 6"; }')
    assert "notice" not in site.run("check", "--online")


def test_among_very_many_values_a_literal_is_found(site):
    """Past 50,000 values of one column only the frequent ones come back; a rare one that a rule names must still count as there."""
    site.configure(rules='{ a: { when = "customer_id in (\'C-Straße 59999\', \'c-none\') and nps <= 6"; }; }')
    with site.connect() as session, session.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        cursor.execute("INSERT INTO closeloop.responses (nps, customer_id) SELECT 9, 'c-STRASSE ' || i FROM generate_series(1, 59999) i"
                       " UNION ALL SELECT 9, 'c-strasse ' || i FROM generate_series(1, 50000) i")
    site.q("ANALYZE closeloop.responses")
    found, summary = notices(site)
    assert set(found) == {("a", "c-none")} and summary == ["1 of 2 in rules occurred in the last 90 days"]
