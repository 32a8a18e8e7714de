"""
`closeloop test`: rule tests on a desk, without database and secrets; what is said of broken files and of tests that fail; due
times, for which PostgreSQL is asked; and that a daemon does what a test says.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import subprocess

import pytest

from company import SECTIONS

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
CONFIGURATION = {
    "email": '{ url = "smtp://127.0.0.1:25"; tls = "off"; from = "Halden Care <care@halden.example>"; password_file = "not-here";'
             ' username = "care"; }',
    "webhooks": '{ crm: { url_file = "not-here"; secret_file = "not-here"; }; }',
    **SECTIONS,
}


class Desk:
    """A configuration and no database: what a CX lead has."""

    def __init__(self, folder):
        self.folder = folder
        self.configure()

    def configure(self, **sections):
        lines = [f"{k}: {v};" for k, v in {**CONFIGURATION, **sections}.items()]
        (self.folder / "closeloop.conf").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def write(self, text, name="rules.tests.conf"):
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def closeloop(self, *arguments):
        keep = {k: v for k, v in os.environ.items() if k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LSAN_OPTIONS")}
        return subprocess.run([os.environ["CLOSELOOP"], "-c", "closeloop.conf", *arguments], cwd=self.folder, capture_output=True,
                              text=True, timeout=60, check=False, env={**keep, "LC_ALL": "C.UTF-8", "COLUMNS": "110"})

    def test(self, text, *options, code=0):
        done = self.closeloop(*options, "test", self.write(text))
        assert done.returncode == code, done.stdout + done.stderr
        assert (done.stderr == "") == (code in (0, 1)), done.stderr
        return done.stderr if code > 1 else json.loads(done.stdout) if "--json" in options else done.stdout


@pytest.fixture
def desk(tmp_path):
    return Desk(tmp_path)


def one(response, expect, more=""):
    return f"tests: {{ it: {{ response: {{ {response} }}; expect: {{ {expect} }}; {more} }}; }};"


# ---- tests that pass ----

def test_one_test_and_what_it_leaves_untested(desk):
    said = desk.test(one("nps = 2; account = \"hanbit\";", 'rules = [ "detractor" ]; owner = "minsu";'
                         ' notify = [ "webhook:crm", "email:minsu" ];',
                         'owners: { a: { dimension = "account"; value = "Hanbit"; person = "minsu"; }; };'))
    assert said == "rules.tests.conf: 1 test passed\nno test makes true: callback, field, praise\nno test makes false: detractor\n"


def test_two_thousand_tests_in_two_files(desk):
    def file(name, first):
        return desk.write("tests: {\n" + "".join(
            f"t{i}: {{ response: {{ nps = {i % 11}; account = \"k{i}\"; comment = \"c\"; }};"
            f" owners: {{ a: {{ dimension = \"account\"; value = \"k{i}\"; person = \"anna\"; }}; }};"
            f" expect: {{ kind = \"{'case' if i % 11 <= 6 else 'praise' if i % 11 >= 9 else 'none'}\"; }}; }};\n"
            for i in range(first, first + 1000)) + "};\n", name)

    done = desk.closeloop("test", file("a.conf", 0), file("b.conf", 1000))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("a.conf: 1000 tests passed\nb.conf: 1000 tests passed\nall: 2000 tests passed\n")
    assert done.stderr == ""  # progress is for a terminal
    done = desk.closeloop("test", "--all", "a.conf")
    assert done.stdout.startswith("ok   t0\nok   t1\n")


def test_tests_do_not_disturb_each_other(desk):
    test = 'response: { nps = 1; }; expect: { owner = "ben"; team = "care"; };'
    desk.test(f"tests: {{ a: {{ {test} }}; b: {{ {test} }}; }};")


def test_people_who_are_away_busy_or_only_in_the_database(desk):
    desk.test("""
people: { olga: { open_cases = 3; }; max: { email = "max@halden.example"; reports_to = "olga"; }; };
owners: { a: { dimension = "account"; value = "hanbit"; person = "max"; }; };
tests: {
  database: { response: { nps = 1; account = "hanbit"; }; expect: { owner = "max"; notify = [ "email:max", "webhook:crm" ]; }; };
  away:     { response: { nps = 1; account = "hanbit"; }; people: { max: { away = true; deputy = "anna"; }; };
              expect: { owner = "anna"; }; };
  alone:    { response: { nps = 1; account = "hanbit"; }; people: { max: { away = true; }; }; expect: { owner = "max"; }; };
  busy:     { response: { nps = 1; }; people: { ben: { open_cases = 5; }; }; expect: { owner = "olga"; }; };
  other:    { response: { nps = 1; account = "hanbit"; }; expect: { owner = "ben"; };
              owners: { a: { dimension = "account"; value = "HANBIT"; person = "ben"; }; }; };
};""")


def test_the_past_of_an_account_says_nothing_of_who_the_customer_is(desk):
    desk.configure(rules="""{
  own:   { when = "history.responses(30d) >= 0"; };
  their: { when = "history.responses(30d, account) >= 0"; };
}""")
    desk.test("""tests: {
  nobody:  { response: { nps = 1; account = "hanbit"; }; history: { responses_30d_account = 2; };
             expect: { rules = [ "their" ]; undecided = [ "own" ]; }; };
  said:    { response: { nps = 1; account = " "; }; history: { responses_30d = 2; };
             expect: { rules = [ "own" ]; undecided = [ "their" ]; }; };
  known:   { response: { nps = 1; customer_id = "k"; account = "hanbit"; }; expect: { rules = [ "own", "their" ]; }; };
};""")


def test_nobody_knows_the_past_of_whom_many_share(desk):
    """As live: a kiosk's last answer is somebody else's, whatever a test says of it."""
    desk.configure(cases='{ anonymous_ids = [ "kiosk" ]; }',
                   rules='{ turned: { when = "previous.nps >= 9 and nps <= 6"; }; again: { when = "history.detractors(30d) >= 1"; };'
                         ' account: { when = "history.detractors(30d, account) >= 1"; }; }')
    past = 'previous: { nps = 9; }; history: { detractors_30d = 1; detractors_30d_account = 2; }'
    known = desk.test(one('nps = 2; account = "hanbit"; customer_id = "k1"', 'rules = [ "turned", "again", "account" ]', past))
    assert "1 test passed" in known
    out = desk.test(one('nps = 2; account = "hanbit"; customer_id = "kiosk"', 'rules = [ "turned", "account" ]; undecided = [ ]', past), code=1)
    assert re.search(r"turned +undecided +previous.nps >= 9 +missing  anonymous id", out), out
    assert re.search(r"got +turned, again", out) and "expected none" in out


def test_a_time_may_be_a_day(desk):
    """As the daemon takes attributes; what is no time is told with its line, and by `try` in the same words."""
    desk.configure(attributes='{ manager = "text"; since = "time"; }', rules='{ new: { when = "days_since(attr.since) <= 30"; }; }')
    at = 'at = "2027-03-31T00:00:00Z"'
    assert "1 test passed" in desk.test(one('attributes: { since = "2027-03-01"; }', 'rules = [ "new" ]', at))
    said = desk.test(one('attributes: { since = "2027-02-29"; }', 'rules = [ "new" ]', at), code=65)
    assert said.startswith("rules.tests.conf:1: tests.it.response.attributes.since: expected a time with its zone"), said
    assert "or a day such as 2027-03-02" in said


def test_owners_as_they_are_imported(desk):
    desk.write("dimension,value,person\naccount,Hanbit,minsu\ntouchpoint+region,installation+seoul,anna\n", "owners.csv")
    desk.test("""owners_file = "owners.csv";
tests: {
  by-account: { response: { nps = 1; account = "HANBIT"; }; expect: { owner = "minsu"; }; };
  by-both:    { response: { nps = 1; touchpoint = "Installation"; region = "Seoul"; }; expect: { owner = "anna"; route = "field"; }; };
};""")
    desk.write("dimension,value,person\naccount,Hanbit\n", "owners.csv")
    said = desk.test('owners_file = "owners.csv";' + one("nps = 1;", 'owner = "minsu";'), code=65)
    assert "owners.csv:2: 2 fields where the first line has 3" in said and "rules.tests.conf:1: owners_file" in said


# ---- tests that fail ----

def test_a_difference_says_what_was_expected_what_came_and_why(desk):
    text = one('nps = 2; touchpoint = "installation"; account = "acme";', 'rules = [ "callback", "detractor" ]; priority = "urgent";'
               ' owner = "minsu"; kind = "case";')
    said = desk.test(text, code=1)
    lines = said.splitlines()
    assert lines[0] == "FAIL it · rules.tests.conf:1"
    assert lines[1].split() == ["rules", "expected", "callback,", "detractor"]
    assert lines[2].split() == ["got", "field,", "detractor"]
    assert lines[3].split() == ["priority", "expected", "urgent"]
    assert lines[4].split() == ["got", "high,", "from", "field"]
    assert lines[5].split() == ["owner", "expected", "minsu"]
    assert "kind" not in said  # as expected
    assert re.search(r"callback +no +contact_requested +false", said)
    assert re.search(r"field +MATCH +.*nps <= 6 +true +2", said)
    assert "detractor  " not in said  # no surprise
    assert re.search(r"lookup:touchpoint\+region +missing", said) and re.search(r"team:field +anna", said)
    assert "rules.tests.conf: 1 of 1 tests failed" in lines

    told = desk.test(text, "--json", code=1)
    assert (told["passed"], told["failed"]) == (0, 1)
    assert told["never_true"] == ["callback", "praise"] and told["never_false"] == ["field", "detractor"]
    [test] = told["tests"]
    assert (test["test"], test["file"], test["line"], test["passed"]) == ("it", "rules.tests.conf", 1, False)
    assert {"key": "priority", "expected": "urgent", "got": "high", "note": "from field"} in test["differences"]
    assert [d["key"] for d in test["differences"]] == ["rules", "priority", "owner"]
    assert [t["target"] for t in test["trail"]] == ["lookup:touchpoint+region", "team:field"]
    assert test["rules"][0]["condition"]["text"] == "contact_requested"


def test_undecided_rules_and_silence(desk):
    said = desk.test(one("ces = 1;", 'undecided = [ "field" ]; kind = "case"; notify = [ "digest:ben" ]; priority = "low";'), code=1)
    assert re.search(r"undecided +expected field\n +got +detractor\n", said)
    assert re.search(r"kind +expected case\n +got +none", said) and re.search(r"priority +expected low\n +got +none", said)
    assert re.search(r"notify +expected digest:ben\n +got +none", said)


def test_hostile_words_do_not_reach_the_terminal(desk):
    hostile = "x\\x1b[31m red \u202eevil\u202c \u009b1m \u2028 <script>"
    desk.configure(rules="{ a: { when = \"comment contains 'x'\"; }; b: { when = \"customer_name is 'q'\"; }; }")
    text = one(f'comment = "{hostile}"; customer_name = "{hostile}"; account = "{hostile}";',
               'rules = [ "b" ]; owner = "anna";', f'owners: {{ a: {{ dimension = "account"; value = "{hostile}"; person = "ben"; }}; }};')
    done = desk.closeloop("test", desk.write(text))
    assert "a control character" in done.stderr and done.returncode == 65
    text = text.replace("\\x1b", "")
    for options in (), ("--json",):
        done = desk.closeloop(*options, "test", desk.write(text))
        assert done.returncode == 1, done.stderr
        assert "evil" in done.stdout and not UNSAFE.search(done.stdout)


# ---- files that are wrong ----

@pytest.mark.parametrize("text,says", [
    ("", "rules.tests.conf: there is no test: write tests: {"),
    ("tests: { };", "there is no test"),
    ("tests: { a: { response: { nps = 2 }; expect: { } }", "rules.tests.conf:1: this '{' is never closed"),
    ("\ntets: { };", "rules.tests.conf:2: tets: there is no such setting, did you mean 'tests'?"),
    ("tests: {\n a: { respons: { }; expect: { rules = [ ]; }; }; };", "rules.tests.conf:2: tests.a.respons: there is no such setting, did"
     " you mean 'response'?"),
    ("tests: { a: { response: { }; }; };", "tests.a: expect is missing"),
    ("tests: { a: { expect: { rules = [ ]; }; }; };", "tests.a: response is missing"),
    (one("nps = 2;", ""), "tests.it.expect: says nothing"),
    (one("nsp = 2;", "rules = [ ];"), "tests.it.response.nsp: there is no such setting, did you mean 'nps'?"),
    (one("nps = 11;", "rules = [ ];"), "tests.it.response.nps: expected a whole number from 0 to 10, got 11"),
    (one("nps = \"2\";", "rules = [ ];"), "nps: expected a whole number, got a text"),
    (one("ratings: { delivery = \"bad\"; };", "rules = [ ];"), "response.ratings.delivery: expected a number"),
    (one("ratings = ( { name = \"a b\"; } );", "rules = [ ];"), "response.ratings: expected { name ="),
    (one("attributes: { plam = \"x\"; };", "rules = [ ];"), "attributes.plam: is not declared in attributes, did you mean 'plan'?"),
    (one("attributes: { plan = 3; };", "rules = [ ];"), "attributes.plan: is a text: write it in double quotes"),
    (one("nps = 2;", "rules = [ \"detracter\" ];"), "expect.rules: there is no rule 'detracter', did you mean 'detractor'?"),
    (one("nps = 2;", "priority = \"hihg\";"), "expected low, normal, high or urgent, got 'hihg', did you mean 'high'?"),
    (one("nps = 2;", "owner = \"mins\";"), "expect.owner: nobody knows 'mins', did you mean 'minsu'?"),
    (one("nps = 2;", "owner = \"someone-else\";"), "somebody whom only the database has goes into people with an email"),
    (one("nps = 2;", "team = \"car\";"), "there is no team 'car', did you mean 'care'?"),
    (one("nps = 2;", "route = \"acount\";"), "there is no route 'acount', did you mean 'account'?"),
    (one("nps = 2;", "notify = [ \"mail:ben\" ];"), "got 'mail:ben', did you mean 'email'?"),
    (one("nps = 2;", "notify = [ \"webhook:crn\" ];"), "unknown webhook 'crn', did you mean 'crm'?"),
    (one("nps = 2;", "acknowledge_by = \"tomorrow\";"), "expected a time with its zone"),
    (one("nps = 2;", "rules = [ ];", "at = \"2027-03-02\";"), "tests.it.at: expected a time with its zone"),
    (one("nps = 2;", "rules = [ ];", "history: { detractors_90d = 1; };"), "no rule asks for history"),
    (one("nps = 2;", "rules = [ ];", "previous: { ago = \"3x\"; };"), "previous.ago: expected a duration"),
    (one("nps = 2;", "rules = [ ];", "owners: { a: { dimension = \"acount\"; value = \"x\"; person = \"ben\"; }; };"),
     "no route or rule has 'lookup:acount', did you mean 'account'?"),
    (one("nps = 2;", "rules = [ ];", "people: { bem: { away = true; }; };"), "nobody knows 'bem', did you mean 'ben'?"),
    (one("nps = 2;", "rules = [ ];", "people: { ben: { away = true; deputy = \"ano\"; }; };"), "people.ben: nobody knows 'ano'"),
    (one("nps = 2;", "rules = [ ];", "people: { ben: { email = \"x@y.example\"; }; };"), "is among the people of the configuration"),
    ("tests: { a: { }; a: { }; };", "rules.tests.conf:1: "),
])
def test_a_broken_file_says_where_and_what(desk, text, says):
    said = desk.test(text, code=65)
    assert says in said, said
    assert "no test was run" in said


def test_every_mistake_of_every_file_is_told_at_once(desk):
    first = desk.write(one("nps = 12;", "rules = [ \"x\" ];"), "first.conf")
    second = desk.write(one("csat = 0;", "kind = \"x\";"), "second.conf")
    done = desk.closeloop("test", first, second, "not-here.conf")
    assert done.returncode == 65 and done.stdout == ""
    assert done.stderr.count("first.conf:1: ") == 2 and done.stderr.count("second.conf:1: ") == 2
    assert "not-here.conf: does not exist" in done.stderr and "5 errors in 3 files" in done.stderr
    assert desk.closeloop("test").returncode == 64


def test_a_broken_configuration_is_78(desk):
    desk.configure(rules='{ a: { when = "npss <= 6"; }; }')
    done = desk.closeloop("test", desk.write(one("nps = 2;", "rules = [ ];")))
    assert done.returncode == 78 and "did you mean 'nps'?" in done.stderr


# ---- with a database ----

def test_due_times_are_those_of_the_configuration_under_test(site):
    site.configure(calendars='{ office: { timezone = "Asia/Seoul"; hours = [ "Mon-Fri 09:00-18:00" ]; holidays = [ "2027-03-01" ]; }; }',
                   follow_ups='{ standard: { calendar = "office"; acknowledge_within = "4h"; resolve_within = "2d"; };'
                              ' open-end: { acknowledge_within = "30m"; resolve_within = ""; }; }',
                   rules='{ callback: { when = "contact_requested"; follow_up = "open-end"; }; detractor: { when = "nps <= 6"; }; }')
    before = site.q("SELECT * FROM closeloop.calendars")
    tests = site.folder / "due.conf"
    tests.write_text("""
at = "2027-02-26T16:00:00+09:00";
tests: {
  friday: { response: { nps = 2; }; expect: { acknowledge_by = "2027-03-02T11:00:00+09:00"; resolve_by = "2027-03-03T16:00:00+09:00"; }; };
  at-once: { response: { contact_requested = true; }; expect: { acknowledge_by = "2027-02-26T07:30:00Z"; resolve_by = ""; }; };
  nothing: { response: { nps = 9; }; expect: { acknowledge_by = ""; }; };
  wrong: { response: { nps = 2; }; expect: { acknowledge_by = "2027-02-26T20:00:00+09:00"; }; };
};""", encoding="utf-8")
    said = site.run("test", str(tests), code=1)
    assert "1 of 4 tests failed" in said and "FAIL wrong" in said, said
    assert re.search(r"acknowledge_by +expected 2027-02-26T11:00:00Z\n +got +2027-03-02T02:00:00Z", said)
    assert site.q("SELECT * FROM closeloop.calendars") == before  # nothing is left of the test's


def test_only_what_sends_needs_the_secrets(site):
    """A CX lead's copy, or a manager who may not read them."""
    (site.folder / "secret").unlink()
    assert "callback" in site.run("try", "contact_requested=true")
    for verb in (("case", "list"), ("rules", "list"), ("owner", "list"), ("backtest", "--since", "1d", "--against", str(site.configuration))):
        site.run(*verb)
    for verb in (("check",), ("endpoint", "test", "crm")):
        done = site.closeloop(*verb)
        assert done.returncode == 78 and "secret_file" in done.stderr, done.stdout + done.stderr


def test_only_due_times_need_the_database(site):
    site.configure(database='{ conninfo = "host=127.0.0.1 port=1 connect_timeout=2"; }')
    tests = site.folder / "due.conf"
    tests.write_text(one("nps = 2;", 'kind = "case";'), encoding="utf-8")
    site.run("test", str(tests))
    tests.write_text(one("nps = 2;", 'acknowledge_by = "2027-02-26T20:00:00+09:00";'), encoding="utf-8")
    done = site.closeloop("test", str(tests))
    assert done.returncode == 69 and done.stdout == "", done.stdout + done.stderr


def test_a_daemon_does_what_a_test_says(site):
    """The same answers, once as tests and once for real: rules, priority, route, owner and whom it is told."""
    blank = {"nps": None, "comment": None}
    answers = [{**blank, **answer} for answer in (
        {"nps": 2, "account": "Hanbit"},
        {"nps": 9, "comment": "Thank you", "account": "hanbit"},
        {"contact_requested": True, "touchpoint": "installation", "region": "Seoul", "nps": 3},
        {"ratings": {"speed": 1}, "touchpoint": "installation", "region": "Busan"},
        {"nps": 4, "attributes": {"manager": "anna@halden.example"}},
        {"nps": 8},
    )]
    site.daemon()
    ids = [site.respond(customer_id=f"k{i}", **answer) for i, answer in enumerate(answers)]
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "all are judged")
    tests = []
    for number, answer in zip(ids, answers):
        rules, = site.q("SELECT rules FROM closeloop.case_responses WHERE response_id = %s", number) or [([],)]
        case = site.q("SELECT id, priority::text, route, follow_up, owner, team FROM closeloop.cases WHERE response_id = %s", number)
        told = site.q("SELECT DISTINCT CASE channel WHEN 'email' THEN 'email:' || recipient ELSE 'webhook:' || endpoint END"
                      " FROM closeloop.messages WHERE response_id = %s", number)
        expect = {"rules": list(rules[0]), "notify": [t for t, in told]}
        if case:
            expect |= {k: v for k, v in zip(("priority", "route", "follow_up", "owner", "team"), case[0][1:]) if v}
        said = [f"{k}: {{ {' '.join(f'{n} = {json.dumps(v)};' for n, v in value.items())} }};" if isinstance(value, dict) else
                f"{k} = {json.dumps(value)};" for k, value in answer.items() if value is not None]
        wanted = [f"{k} = {json.dumps(v)};" for k, v in expect.items()]
        tests.append(f"r{number}: {{ response: {{ {' '.join(said)} }}; expect: {{ {' '.join(wanted)} }}; }};")
    rows = site.q("SELECT dimension, value, person FROM closeloop.owners")
    owners = [f"o{i}: {{ dimension = {json.dumps(d)}; value = {json.dumps(v)}; person = {json.dumps(p)}; }};"
              for i, (d, v, p) in enumerate(rows)]
    file = site.folder / "live.conf"
    file.write_text(f"owners: {{ {' '.join(owners)} }};\ntests: {{\n" + "\n".join(tests) + "\n};\n", encoding="utf-8")
    assert "6 tests passed" in site.run("test", str(file))
