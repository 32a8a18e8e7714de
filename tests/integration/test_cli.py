"""
The closeloop command against a real database: every verb on an empty, a small and a filled one; exit codes, JSON, two
people at once, hostile words, CSV. No daemon runs here, so nothing moves by itself.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import csv
import io
import json
import os
import pathlib
import re
import subprocess
import unicodedata

import pytest

HOSTILE = "first\nline \x1b[31mred\x1b[0m \u202eevil\u202c \u009b1m\u2028 é한빛 " + "long " * 200
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
LISTS = [("case", "list"), ("response", "list"), ("inbox", "list"), ("message", "list"), ("endpoint", "list"), ("owner", "list"),
         ("person", "list"), ("rules", "list")]
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)$")


PROMISES = {"name": "standard", "acknowledge_within": "4h", "resolve_within": "2d", "warn_before": "4h", "remind_every": "1h",
            "remind_at_most": 3, "close_after": "7d",
            "escalate": [{"id": "boss", "when": "unacknowledged", "to": "manager"}, {"id": "head", "when": "unresolved", "to": "person:olga"}]}


def open_case(site, status="open", owner="minsu", promises=None, **values):
    """A response and its case, as the daemon would write them; returns the case's id."""
    response = site.respond(**values)
    version = site.one("SELECT closeloop.follow_up_version(%s)", json.dumps(promises or PROMISES))
    case = site.one("INSERT INTO closeloop.cases (response_id, customer_id, owner, priority, status, route, follow_up, rules,"
                    " follow_up_version, acknowledge_due_at, resolve_due_at, next_action_at)"
                    " SELECT %s, 'k1', %s, 'high', %s, 'account', 'standard', '{detractor}', %s, o.*"
                    " FROM closeloop.case_opening_clocks(%s, %s, now()) o RETURNING id",
                    response, owner, status, version, version, owner)
    site.q("INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (%s, %s, 'opened')", response, case)
    site.q("INSERT INTO closeloop.case_events (case_id, actor, kind, to_status) VALUES (%s, 'daemon', 'opened', 'open')", case)
    return case


def message(site, case, state="queued", endpoint="crm", **values):
    values = {"case_id": case, "state": state, "endpoint": endpoint, "payload": "{}", "kind": "case.opened",
              "channel": "email" if endpoint == "email" else "webhook", **values}
    return site.one(f"INSERT INTO closeloop.messages (id, dedup_key, {', '.join(values)}) VALUES (gen_random_uuid(),"
                    f" gen_random_uuid()::text, {', '.join(['%s'] * len(values))}) RETURNING id::text", *values.values())


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)


def object_of(site, *arguments, code=0):
    return json.loads(site.run("--json", *arguments, code=code))


def refused(site, *arguments, code, says="", **options):
    done = site.closeloop(*arguments, **options)
    assert done.returncode == code, f"{arguments}: {done.returncode} {done.stdout}{done.stderr}"
    assert done.stdout == "" and says in done.stderr, done.stdout + done.stderr
    return done.stderr


# ---- lists and JSON ----

@pytest.mark.parametrize("verb", LISTS)
def test_lists_on_an_empty_database(site, verb):
    assert site.run(*verb)
    rows = json.loads(site.run(*verb, "--json"))
    assert isinstance(rows, list) and (rows == [] or verb[0] in ("endpoint", "person"))


def filled(site, n=70):
    cases = [open_case(site, customer_id=f"k{i}", comment=HOSTILE, customer_name=HOSTILE[:60], account=HOSTILE[:60],
                       touchpoint="installation", ratings={"speed": 1}, attributes={"plan": HOSTILE[:50]}) for i in range(n)]
    message(site, cases[0], "dead", last_error=HOSTILE[:100], last_code=503, attempt=9)
    message(site, cases[0], "queued")
    site.q("UPDATE closeloop.inbox SET set_aside_at = now(), last_error = %s WHERE response_id %% 10 = 1", HOSTILE[:100])
    site.own(("account", "hanbit", "minsu"), ("account", HOSTILE[:40], "anna"))
    site.q("INSERT INTO closeloop.people (id, name, email) VALUES ('new-one', %s, 'new@halden.example')", HOSTILE[:40])
    return cases


@pytest.mark.parametrize("columns", [80, 100, 200])
def test_nothing_is_wider_than_the_terminal(site, columns):
    cases = filled(site, 12)
    site.run("case", "assign", str(cases[1]), "--to", "anna", "--note", HOSTILE[:300])
    site.q("UPDATE closeloop.cases SET ping_pong = true, acknowledge_due_at = now() - interval '1 h'")
    site.q("UPDATE closeloop.cases SET owner = 'nobody-whom-anybody-knows' WHERE id > 5")
    site.q("INSERT INTO closeloop.rulesets (sha256, text) VALUES ('abcd', 'rules: { a-rule-with-a-long-name-that-nobody-would-type: { when = \"nps <= 1\"; }; };"
           " routes: { }; labels = ( { for = \"account\"; value = \"x\"; en = \"' || repeat('long ', 60) || '\"; } );')")
    site.q("INSERT INTO closeloop.ruleset_periods (daemon, sha256, asked_by) VALUES (%s, 'abcd', %s)", "host-" * 20, HOSTILE[:60])
    for verb in (("status",), ("case", "list"), ("case", "show", str(cases[1])), ("response", "list"), ("inbox", "list"), ("owner", "list"),
                 ("message", "list", "--held"), ("case", "list", "--overdue"), ("coverage",), ("rules", "list"), ("rules", "diff")):
        done = site.closeloop(*verb, COLUMNS=str(columns))
        wide = [line for line in done.stdout.splitlines() if width(line) > columns and not line.startswith("                 closeloop ")]
        assert not wide, (verb, wide[0])


def test_a_filled_database_is_shown_safely_one_line_a_row(site):
    cases = filled(site)
    site.q("INSERT INTO closeloop.endpoints (name, paused, reason) VALUES ('crm', true, %s)", HOSTILE[:80])
    for verb in LISTS + [("case", "show", str(cases[0])), ("status",), ("coverage",), ("case", "list", "--limit", "70")]:
        done = site.closeloop(*verb)
        bad = UNSAFE.search(done.stdout + done.stderr)
        assert not bad, repr((done.stdout + done.stderr)[max(0, bad.start() - 40):bad.end() + 20])
        done = site.closeloop("--json", *verb)
        assert not UNSAFE.search(done.stdout), verb
        json.loads(done.stdout)
    lines = site.run("case", "list", "--limit", "70").splitlines()
    assert len(lines) == 71 and lines[0].startswith("CASE")
    assert object_of(site, "case", "list")[0]["comment"] == HOSTILE
    assert len(object_of(site, "response", "list", "--limit", "3")) == 3
    done = site.closeloop("response", "list")
    assert len(done.stdout.splitlines()) == 51 and "--limit" in done.stderr


def test_case_list_filters(site):
    mine = open_case(site)
    late = open_case(site, customer_id="k2")
    done = open_case(site, customer_id="k3")
    site.q("UPDATE closeloop.cases SET owner = 'anna', priority = 'urgent', acknowledge_due_at = now() - interval '1 h'"
           " WHERE id = %s", late)
    site.run("case", "dismiss", str(done), "--reason", "spam")
    ids = lambda *options: [c["id"] for c in object_of(site, "case", "list", *options)]  # noqa: E731
    assert ids() == [late, mine, done]  # overdue first, resolved last
    assert ids("--overdue") == [late] and ids("--owner", "anna") == [late] and ids("--priority", "urgent") == [late]
    assert ids("--status", "dismissed") == [done] and ids("--status", "open,dismissed") == [late, mine, done]
    assert ids("--mine", "--as", "minsu") == [mine, done]
    assert ids("--unacknowledged") == [late, mine] and ids("--waiting") == []
    site.run("case", "wait", str(mine), "--until", "+1d")
    assert ids("--waiting") == [mine] and ids("--unacknowledged") == [late]
    site.run("case", "start", str(mine))
    assert ids("--since", "1h") == [late, mine, done] and ids("--since", "2099-01-01") == []
    refused(site, "case", "list", "--status", "opne", code=64, says="did you mean 'open'?")
    refused(site, "case", "list", "--since", "yesterday", code=64, says="no time")
    refused(site, "case", "list", "--limit", "0", code=64)


def test_json_has_columns_utc_times_numbers_and_nulls(site):
    case = open_case(site, comment="x")
    for shown in (object_of(site, "case", "list")[0], object_of(site, "case", "show", f"C-{case}")):
        assert shown["id"] == case and isinstance(shown["id"], int) and shown["version"] == 1
        assert shown["root_cause"] is None and shown["rules"] == ["detractor"]
        assert UTC.match(shown["opened_at"]) and shown["acknowledged_at"] is None
    columns = {r[0] for r in site.q("SELECT attname FROM pg_attribute WHERE attrelid = 'closeloop.cases'::regclass"
                                    " AND attnum > 0 AND NOT attisdropped")}
    assert columns <= set(shown)
    assert shown["response"]["comment"] == "x" and shown["events"][0]["kind"] == "opened" and shown["messages"] == []
    assert object_of(site, "case", "ack", str(case))["status"] == "acknowledged"


def test_case_show_tells_what_comes_next(site):
    case = str(open_case(site))
    text = site.run("case", "show", case)
    for words in ("next          ", "reminder 1 of 3 to minsu unless it is acknowledged", "the manager, olga, is told unless it is acknowledged (step boss)",
                  "minsu is warned that the resolve time is near", "olga is told unless it is resolved (step head)"):
        assert words in re.sub(r"\n {14}", " ", text), text
    assert text.index("next ") < text.index("opened "), "what comes next stands above what was"
    shown = object_of(site, "case", "show", case)
    assert [n["what"] for n in shown["next"]] == ["remind", "escalate", "warn", "escalate"] and shown["promises"]["remind_at_most"] == 3
    site.q("UPDATE closeloop.cases SET opened_at = now() - interval '90 minutes', next_action_at = now()")
    assert site.one("SELECT closeloop.follow_up_sweep(10)") == 1
    site.run("--as", "minsu", "case", "contacted", case, "--how", "phone", "--reached", "no", "--note", "voice mail")
    assert "waiting until " in site.run("--as", "minsu", "case", "wait", case, "--until", "+2d")
    text = re.sub(r"\n {14}", " ", site.run("case", "show", case))
    for words in ("one attempt reached nobody", "reminder 1 of 3", "nobody reached, phone: voice mail", "it comes back, and minsu is told",
                  "the resolve clock stands still"):
        assert words in text, text
    for name in ("anna", "ben", "anna", "ben"):
        site.run("case", "assign", case, "--to", name)
    text = site.run("case", "show", case)
    assert "PING-PONG" in text and "handed over 4 times" in text and "→ ben" in text
    assert [c["id"] for c in object_of(site, "case", "list", "--ping-pong")] == [int(case)]
    assert "C-1 ben" in site.run("status", code=1).replace("\n                 ", " ")
    site.run("--as", "ben", "case", "resolve", case)
    assert "it closes by itself" in site.run("case", "show", case)


# ---- actions ----

def test_every_action_moves_the_case_and_writes_an_event(site):
    case = f"c-{open_case(site)}"
    act = lambda action, *options: object_of(site, "--as", "minsu", "case", action, case, *options)["status"]  # noqa: E731
    assert act("ack", "--note", "on it") == "acknowledged"
    assert act("start") == "in_progress"
    assert act("wait", "--until", "+2d") == "waiting"
    assert act("undo") == "in_progress"
    assert act("note", "called twice") == "in_progress"
    assert act("resolve", "--cause", "late", "--note", "new date") == "resolved"
    assert act("close") == "closed"
    assert act("reopen") == "open"
    assert act("contacted", "--how", "phone", "--reached", "no") == "acknowledged"
    assert act("contacted", "--how", "visit", "--reached", "yes") == "in_progress"
    assert act("assign", "--to", "anna") == "open"
    assert act("acknowledge") == "acknowledged"
    assert act("dismiss", "--reason", "not ours") == "dismissed"
    events = site.q("SELECT kind, actor, note FROM closeloop.case_events WHERE actor <> 'daemon' ORDER BY id")
    assert [e[0] for e in events] == ["acknowledged", "started", "waiting", "undone", "noted", "resolved", "closed", "reopened",
                                      "contacted", "contacted", "assigned", "acknowledged", "dismissed"]
    assert {e[1] for e in events} == {"minsu"}
    assert events[0][2] == "on it" and events[4][2] == "called twice" and events[12][2] == "not ours"
    shown = site.run("case", "show", case)
    assert "new date" in shown and "called twice" in shown and "→ anna" in shown


def test_the_second_to_acknowledge_is_told_who_was_first(site):
    case = str(open_case(site))
    site.run("--as", "minsu", "case", "ack", case)
    assert "already acknowledged by minsu" in site.run("--as", "anna", "case", "ack", case)
    assert site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'acknowledged'") == 1


def test_of_two_at_once_one_wins(site):
    case = str(open_case(site))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda who: site.closeloop("--as", who, "case", "start", case, "--version", "1"),
                             ("minsu", "anna", "ben", "olga")))
    assert sorted(d.returncode for d in done) == [0, 1, 1, 1], [d.stderr for d in done]
    assert all("changed meanwhile" in d.stderr for d in done if d.returncode)
    assert site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'started'") == 1
    other = str(open_case(site, customer_id="k2"))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        acks = list(pool.map(lambda who: site.closeloop("--as", who, "case", "ack", other), ("anna", "ben")))
    assert [d.returncode for d in acks] == [0, 0]
    assert sorted("already" in d.stdout for d in acks) == [False, True]


def test_what_is_refused_and_with_which_code(site):
    case = str(open_case(site))
    refused(site, "case", "show", "C-99", code=1, says="no case C-99")
    refused(site, "case", "ack", "99", code=1)
    refused(site, "case", "close", case, code=1, says="isn't possible, it is open. Now possible: acknowledge, ")
    refused(site, "case", "undo", case, code=1, says="nothing to undo")
    refused(site, "case", "ack", "C-x", code=64, says="is no case")
    refused(site, "case", "dismiss", case, code=64, says="--reason")
    refused(site, "case", "wait", case, code=64, says="--until")
    refused(site, "case", "wait", case, "--until", "2020-01-01", code=1, says="future")
    refused(site, "case", "contacted", case, code=64, says="--reached")
    refused(site, "case", "contacted", case, "--how", "phon", "--reached", "yes", code=64, says="did you mean 'phone'?")
    refused(site, "case", "assign", case, "--to", "mimsu", code=1, says="did you mean 'minsu'?")
    refused(site, "case", "note", case, "  ", code=64)
    site.configure(cases='{ root_causes = [ "late", "quality" ]; }')
    refused(site, "case", "resolve", case, "--cause", "lat", code=1, says="did you mean 'late'?")
    refused(site, "case", "resolve", case, "--version", "7", code=1, says="changed meanwhile")
    assert site.one("SELECT version FROM closeloop.cases") == 1


def test_assign_moves_all_unresolved_of_a_person(site):
    cases = [open_case(site, customer_id=f"k{i}") for i in range(3)]
    site.run("case", "resolve", str(cases[0]))
    assert "2 handed over" in site.run("case", "assign", "--from", "minsu", "--to", "anna", "--as", "olga")
    assert site.q("SELECT owner, count(*) FROM closeloop.cases GROUP BY 1 ORDER BY 1") == [("anna", 2), ("minsu", 1)]
    assert object_of(site, "case", "assign", "--from", "minsu", "--to", "anna") == []
    refused(site, "case", "assign", "--from", "anna", "--to", "anna", code=64)


def test_the_actor(site):
    case = str(open_case(site))
    login = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    site.run("case", "note", case, "one")
    done = site.closeloop("--as", "mimsu", "case", "note", case, "two")
    assert done.returncode == 0 and "did you mean 'minsu'?" in done.stderr
    site.q("INSERT INTO closeloop.people (id, name, login) VALUES ('db-one', 'D', %s)", login)
    site.run("case", "note", case, "three")
    site.configure(people=site.sections["people"].replace('reports_to = "olga"', f'login = "{login}"', 1))
    site.run("case", "note", case, "four")
    actors = site.q("SELECT actor FROM closeloop.case_events WHERE kind = 'noted' ORDER BY id")
    assert [a[0] for a in actors] == [f"cli:{login}", "mimsu", "db-one", "minsu"]


def test_a_case_opened_by_hand(site):
    response = str(site.respond(nps=9))
    refused(site, "case", "open", response, code=1, says="needs --owner PERSON")
    made = object_of(site, "case", "open", response, "--owner", "anna", "--priority", "urgent", "--note", "asked by phone")
    assert made["owner"] == "anna" and made["priority"] == "urgent" and made["follow_up"] == "standard"
    assert made["acknowledge_due_at"] and made["resolve_due_at"] and made["follow_up_version"]
    refused(site, "case", "open", response, "--owner", "anna", code=1, says="has a case")
    refused(site, "case", "open", "4711", "--owner", "anna", code=1)


# ---- inbox, messages, endpoints ----

def test_inbox_retry(site):
    response = site.respond()
    row = site.one("UPDATE closeloop.inbox SET set_aside_at = now(), tries = 3, last_error = 'poison' RETURNING id")
    assert object_of(site, "inbox", "list", "--set-aside")[0]["response_id"] == response
    refused(site, "inbox", "retry", code=64)
    refused(site, "inbox", "retry", "12345", code=1)
    assert "1 given back" in site.run("inbox", "retry", str(row))
    assert site.q("SELECT tries, last_error, set_aside_at FROM closeloop.inbox") == [(0, None, None)]
    assert site.run("inbox", "retry", "--all").startswith("0 ")


def test_messages_are_shown_retried_and_cancelled(site):
    site.may_differ.add("mails elsewhere")  # messages by SQL, no daemon
    case = open_case(site)
    dead, queued = message(site, case, "dead", last_error="refused", attempt=9), message(site, case)
    sent = message(site, case, "sent", sent_at="now", payload="line one\nline \x1b[31mtwo")
    site.q("INSERT INTO closeloop.attempts (message_id, outcome, code, error, answer) VALUES (%s, 'retry', 503, 'busy', %s)",
           dead, HOSTILE)
    assert [m["id"] for m in object_of(site, "message", "list", "--state", "dead")] == [dead]
    assert len(object_of(site, "message", "list", "--case", f"C-{case}", "--endpoint", "crm")) == 3
    assert "payload" not in object_of(site, "message", "list")[0]
    shown = object_of(site, "message", "show", dead)
    assert shown["payload"] == "{}" and shown["attempts"][0]["code"] == 503
    text = site.run("message", "show", dead) + site.run("message", "show", sent, "--payload")
    assert "busy" in text and "line one\nline \\u{1B}[31mtwo" in text and not UNSAFE.search(text)
    refused(site, "message", "retry", sent, code=1, says="is sent")
    refused(site, "message", "show", "x", code=64)
    refused(site, "message", "show", "00000000-0000-0000-0000-000000000000", code=1)
    refused(site, "message", "retry", "--endpoint", "crm", code=64)
    refused(site, "message", "list", "--endpoint", "crn", code=1, says="did you mean 'crm'?")
    assert "1 queued again" in site.run("message", "retry", dead)
    assert "1 cancelled" in site.run("message", "cancel", queued)
    assert "0 queued again" in site.run("message", "retry", "--dead")
    states = dict(site.q("SELECT id::text, state::text FROM closeloop.messages"))
    assert states == {dead: "queued", queued: "cancelled", sent: "sent"}


def test_held_mails_say_what_they_wait_for(site):
    site.may_differ.add("mails elsewhere")  # messages by SQL, no daemon
    case = open_case(site)
    held = [message(site, case, "held", "email", recipient="minsu", held_for=why, payload="") for why in ("budget", "quiet", "digest", "due")]
    bound = message(site, case, "held", "email", recipient="anna", held_for="budget", digest_id=held[0])
    site.q("INSERT INTO closeloop.alert_budgets (person, digest_at) VALUES ('minsu', now() + interval '30 minutes')")
    text = site.run("message", "list", "--held")
    for words in ("over budget", "quiet hours", "asked for as a digest", "falls due with others", "in a digest on its way", "in 29 min"):
        assert words in text, text
    rows = object_of(site, "message", "list", "--held", "--person", "minsu")
    assert [r["id"] for r in rows] == held and rows[0]["held_for"] == "budget" and UTC.match(rows[0]["leaves_at"])
    assert [r["id"] for r in object_of(site, "message", "list", "--held", "--case", str(case))] == [bound, *held]
    assert "over budget, leaves 20" in site.run("message", "show", held[0])
    assert object_of(site, "status", code=1)["messages"][0]["held"] == 5
    refused(site, "message", "list", "--held", "--state", "dead", code=64)
    refused(site, "message", "list", "--person", "minsu", code=64)
    site.q("DELETE FROM closeloop.messages")


def test_endpoints_and_pause(site):
    state = lambda: [(e["name"], e["state"]) for e in object_of(site, "endpoint", "list")]  # noqa: E731
    assert state() == [("email", "ok"), ("crm", "ok")]
    site.run("endpoint", "disable", "crm", "--reason", "moved")
    site.run("pause", "email")
    assert state() == [("email", "paused"), ("crm", "disabled")]
    assert object_of(site, "pause", "--reason", "lunch")["reason"] == "lunch"
    needs = object_of(site, "status", code=1)["needs_a_person"]
    assert {"closeloop resume", "closeloop resume email", "closeloop endpoint enable crm"} <= {n["command"] for n in needs}
    site.run("resume"), site.run("resume", "email"), site.run("endpoint", "enable", "crm")
    assert state()[:2] == [("email", "ok"), ("crm", "ok")]
    refused(site, "pause", "crmm", code=1, says="did you mean 'crm'?")
    refused(site, "endpoint", "test", "nobody", code=1)


def test_endpoint_test_really_sends(site):
    site.may_differ.add("mails without a message")
    assert "accepted" in site.run("endpoint", "test", "crm")
    assert json.loads(site.hook.requests[0].body)["type"] == "endpoint.test"
    assert object_of(site, "endpoint", "test", "email", "--to", "ann@halden.example")["outcome"] == "sent"
    assert site.mailbox.mails[0].recipient == "ann@halden.example"
    refused(site, "endpoint", "test", "email", code=64, says="--to")
    refused(site, "endpoint", "test", "email", "--to", "a b@c", code=64)
    site.configure(top={"delivery": "redirect:all@halden.example"})
    site.run("endpoint", "test", "email", "--to", "ann@halden.example")
    assert site.mailbox.mails[1].recipient == "all@halden.example"
    site.configure(top={"delivery": "hold"})
    refused(site, "endpoint", "test", "crm", code=1, says="hold")


# ---- owners and people ----

def test_owner_import_shows_the_difference_and_keeps_the_rest(site):
    site.own(("account", "Hanbit", "minsu"), ("account", "old", "anna"))
    file = "\ufeffperson,dimension,value\r\nanna,account, hanbit \r\nben,touchpoint+region,\"in, stallation+seoul\"\r\n"
    text = site.run("owner", "import", "-", "--dry-run", "--replace", stdin=file)
    assert "~ account hanbit  value" not in text and "person minsu → anna" in text and "- account old" in text
    assert site.one("SELECT count(*) FROM closeloop.owners WHERE person = 'minsu'") == 1
    site.run("owner", "import", "-", stdin=file)
    rows = site.q("SELECT dimension, value, person FROM closeloop.owners ORDER BY 1, 2")
    assert rows == [("account", "hanbit", "anna"), ("account", "old", "anna"), ("touchpoint+region", "in, stallation+seoul", "ben")]
    assert site.run("owner", "import", "-", stdin=site.run("owner", "export")).startswith("0 added, 0 changed, 0 removed, 3")
    site.run("owner", "import", "-", "--replace", stdin=file)
    assert site.one("SELECT count(*) FROM closeloop.owners") == 2
    changes = json.loads(site.run("--json", "owner", "import", "-", "--replace", stdin="dimension,value,person\naccount,x,ben\n"))
    assert sorted(c["change"] for c in changes) == ["added", "removed", "removed"]


def test_owner_import_warns_of_names_nobody_knows(site):
    done = site.closeloop("owner", "import", "-", stdin="dimension,value,person\nacount,x,minsu\naccount,y,mimsu\n")
    assert done.returncode == 0
    assert "stdin:2: warning: no route looks up 'acount', did you mean 'account'?" in done.stderr
    assert "stdin:3: warning: unknown person 'mimsu', did you mean 'minsu'?" in done.stderr
    site.configure(follow_ups='{ standard: { acknowledge_within = "4h"; resolve_within = "2d";'
                              ' escalate: { boss: { when = "unacknowledged"; to = "lookup:attr.plan"; }; }; }; }')
    rows = "dimension,value,person\nattr.plan,gold,minsu\ntouchpoint+region,installation,ben\ntouchpoint+region,a+b+c,ben\n"
    done = site.closeloop("owner", "import", "-", stdin=rows)
    assert done.returncode == 0 and done.stderr == "stdin:3: warning: nothing will find 'installation': a value of 'touchpoint+region' has 2 parts with + between them\n"


@pytest.mark.parametrize("file, says", [
    ("", "the first line names the columns"),
    ("dimension,value\naccount,x\n", "the column 'person' is missing"),
    ("dimension,valeu,person\n", "did you mean 'value'?"),
    ("dimension,value,person\naccount,x\n", "stdin:2: 2 fields where the first line has 3"),
    ("dimension,value,person\naccount,,minsu\n", "stdin:2: 'value' is empty"),
    ("dimension,value,person\naccount,x,minsu\naccount, X,anna\n", "stdin:3: X is there already, in line 2"),
    ("dimension,value,person\naccount,\"x,minsu\n", "never closed"),
])
def test_a_broken_csv_changes_nothing(site, file, says):
    site.own(("account", "old", "anna"))
    done = site.closeloop("owner", "import", "-", "--replace", stdin=file)
    assert done.returncode == 65 and says in done.stderr and "nothing was imported" in done.stderr and done.stdout == ""
    assert site.one("SELECT count(*) FROM closeloop.owners") == 1


def test_bytes_that_are_no_utf8_are_refused_with_their_line(site):
    path = site.folder / "latin1.csv"
    path.write_bytes(b"dimension,value,person\naccount,M\xfcller,minsu\n")
    refused(site, "owner", "import", str(path), code=65, says=f"{path}:2: not UTF-8")
    refused(site, "owner", "import", str(site.folder / "nothing.csv"), code=65)


@pytest.mark.parametrize("encoding, says", [
    ("cp949", ":2: not UTF-8"), ("cp1252", ":3: not UTF-8"), ("utf-16", ":1: UTF-16"), ("utf-16-be", ":1: a NUL byte")])
@pytest.mark.parametrize("verb", ["owner", "person"])
def test_other_encodings_are_refused_and_change_nothing(site, verb, encoding, says):
    head = {"owner": "dimension,value,person\n", "person": "id,name,login\n"}[verb]
    row = {"owner": "account,{},minsu\n", "person": "x,{},y\n"}[verb]
    path = site.folder / "file.csv"
    path.write_bytes((head + row.format("한빛" if encoding == "cp949" else "plain") + row.format("z" if encoding == "cp949" else "Müller")).encode(encoding))
    refused(site, verb, "import", str(path), code=65, says=f"{path}{says}")
    assert site.one("SELECT (SELECT count(*) FROM closeloop.owners) + (SELECT count(*) FROM closeloop.people)") == 0


def test_byte_order_mark_decomposed_korean_and_lone_carriage_returns(site):
    """As Excel and a Mac write them."""
    decomposed = unicodedata.normalize("NFD", "한빛정밀")
    assert decomposed != "한빛정밀"
    path = site.folder / "mac.csv"
    path.write_bytes(f"\ufeffdimension;value;person\raccount;{decomposed};minsu\raccount;b;anna\r".encode())
    site.run("owner", "import", str(path))
    assert site.one("SELECT count(*) FROM closeloop.owners") == 2
    # Composed it is the same key: in the table, and twice in one file.
    assert "1 changed" in site.run("owner", "import", "-", stdin="dimension,value,person\naccount,한빛정밀,anna\n")
    assert site.one("SELECT count(*) FROM closeloop.owners") == 2
    refused(site, "owner", "import", "-", stdin=f"dimension,value,person\naccount,한빛정밀,minsu\naccount,{decomposed},anna\n", code=65,
            says="is there already, in line 2")


def test_a_spreadsheet_is_not_obeyed(site):
    for cell, says in (("=cmd|'/C calc'!A0", "a formula"), ("=A1&B1", "a formula"), ("#N/A", "an error of the spreadsheet")):
        refused(site, "owner", "import", "-", stdin=f"dimension,value,person\naccount,{cell},minsu\n", code=65, says=f"stdin:2: value '{cell}': {says}")
        refused(site, "person", "import", "-", stdin=f"id,name\nx,{cell}\n", code=65, says=says)
    # What is in the database all the same comes out so that no spreadsheet runs it, and goes in again as it was.
    values = ['=HYPERLINK("http://x")', "+1", "-2", "@a", "'=b", "'s"]
    site.own(*(("account", v, "minsu") for v in values))
    exported = site.run("owner", "export")
    cells = [row[1] for row in csv.reader(io.StringIO(exported))][1:]
    assert len(cells) == 6 and not any(c[0] in "=+-@" for c in cells)
    assert site.run("owner", "import", "-", "--replace", stdin=exported).startswith("0 added, 0 changed, 0 removed, 6")
    assert {row[0] for row in site.q("SELECT value FROM closeloop.owners")} == set(values)


def test_a_large_file_and_many_mistakes(site):
    rows = "".join(f"account,a{i},minsu\n" for i in range(50_000))
    assert site.run("owner", "import", "-", stdin="dimension,value,person\n" + rows).splitlines()[-1].startswith("50000 added")
    assert site.run("owner", "import", "-", stdin="dimension,value,person\n" + rows).startswith("0 added, 0 changed, 0 removed, 50000")
    refused(site, "owner", "import", "-", stdin="dimension,value,person\n" + rows + "account,A7,anna\n", code=65, says="stdin:50002: A7 is there already, in line 9")
    done = site.closeloop("owner", "import", "-", stdin="dimension,value,person\n" + rows + "x\n" * 1000)
    assert done.returncode == 65 and "more" in done.stderr.splitlines()[-2] and len(done.stderr.splitlines()) < 210
    assert site.one("SELECT count(*) FROM closeloop.owners WHERE person = 'minsu'") == 50_000


def test_people_are_imported_and_a_clash_is_an_error(site):
    site.run("person", "import", "-", stdin="id,name,email,timezone,deputy\nann,Ann,ann@halden.example,Asia/Seoul,minsu\n")
    site.run("person", "import", "-", stdin="id,name\nann,Ann Lee\n")  # what the file lacks stays
    assert site.q("SELECT name, email, timezone, deputy FROM closeloop.people") == [
        ("Ann Lee", "ann@halden.example", "Asia/Seoul", "minsu")]
    assert site.run("person", "import", "-", stdin=site.run("person", "export")).startswith("0 added, 0 changed")
    refused(site, "person", "import", "-", stdin="id;name;email\nx;X;Minsu@halden.example\ny;Y;y@x.example\nz;Z;Y@x.example\n",
            code=65, says="stdin:2: email 'Minsu@halden.example': minsu has the same\nstdin:4: email 'Y@x.example': y has the same")
    refused(site, "person", "import", "-", stdin="id,name,email\nx,X,ann@halden.example\n", code=65, says="ann has the same")
    site.run("person", "import", "-", "--dry-run", "--replace", stdin="id,name,email\nx,X,ann@halden.example\n")
    done = site.closeloop("person", "import", "-", stdin="id,name,email,timezone,language,morning,quiet_hours,alerts_per_hour\n"
                          "minsu,M,,,,,,\nb b,B,,,,,,\nc,C,c@,Mars/X,fr,25:00,20-8,many\n")
    assert done.returncode == 65
    for line in ("stdin:2: minsu is in the configuration", "stdin:3: id 'b b'", "email 'c@'", "timezone 'Mars/X'",
                 "language 'fr'", "morning '25:00'", "quiet_hours '20-8'", "alerts_per_hour 'many'"):
        assert line in done.stderr, done.stderr
    people = {p["id"]: p for p in object_of(site, "person", "list")}
    assert people["ann"]["configured"] is False and people["minsu"]["configured"] is True
    site.run("person", "import", "-", "--replace", stdin="id,name\nzoe,Zoe\n")
    assert site.q("SELECT id FROM closeloop.people") == [("zoe",)]


def test_away_and_back(site):
    assert "deputy anna" in site.run("person", "away", "minsu", "--until", "2099-01-05", "--deputy", "anna")
    minsu = next(p for p in object_of(site, "person", "list") if p["id"] == "minsu")
    assert minsu["away_until"] == "2099-01-06T00:00:00+00:00" and minsu["away_deputy"] == "anna"
    assert "until further notice" in site.run("person", "away", "ben", "--from", "+2d")
    refused(site, "person", "away", "mimsu", code=1, says="did you mean 'minsu'?")
    refused(site, "person", "away", "minsu", "--deputy", "minsu", code=64)
    refused(site, "person", "away", "minsu", "--until", "2020-01-01", code=64, says="--until lies in the past")
    refused(site, "person", "away", "minsu", "--from", "2099-02-01", "--until", "2099-01-01", code=64)
    site.run("person", "away", "minsu", "--back"), site.run("person", "away", "ben", "--back")
    assert site.one("SELECT count(*) FROM closeloop.absences WHERE ends_at IS NULL OR ends_at > now()") == 0
    refused(site, "person", "away", "minsu", "--back", code=1)


# ---- status, check, usage, exit codes ----

def test_status_names_what_needs_a_person(site):
    case = open_case(site)
    message(site, case, "dead")
    message(site, case, endpoint="gone")
    site.q("UPDATE closeloop.cases SET acknowledge_due_at = now() - interval '3 hours'")
    site.q("UPDATE closeloop.inbox SET set_aside_at = now()")
    site.q("ALTER TABLE closeloop.responses DISABLE TRIGGER capture_insert")
    text = site.run("status", code=1)
    for word in ("NEEDS A PERSON", "none is running", "systemctl start closeloopd", "C-1 minsu 3 h", "set aside",
                 "closeloop message list --state dead,failed --endpoint crm", "is no endpoint", "triggers", "1 open"):
        assert word in text, text
    status = object_of(site, "status", code=1)
    assert status["instance"] == "default" and status["cases"] == {
        "unresolved": 1, "unacknowledged": 1, "waiting": 0, "overdue": 1, "ping_pong": 0}
    assert status["inbox"]["set_aside"] == 1 and len(status["needs_a_person"]) >= 6
    site.q("ALTER TABLE closeloop.responses ENABLE TRIGGER capture_insert")
    site.q("DELETE FROM closeloop.messages")
    site.q("DELETE FROM closeloop.inbox")
    site.q("UPDATE closeloop.cases SET acknowledge_due_at = now() + interval '1 hour'")
    site.q("INSERT INTO closeloop.daemons (id, listening, seen_at) VALUES ('fb1', true, now() - interval '3 days')")
    with site.connect() as session:
        session.cursor().execute("SELECT closeloop.daemon_hold('fb1')")
        text = site.run("status")
        assert "NEEDS" not in text and "fb1 up" in text and "listening" in text
    session.close()
    text = site.run("status", code=1)
    assert "fb1 is gone" in text and "none is running" in text
    site.q("UPDATE closeloop.daemons SET listening = false, seen_at = now()")
    assert "polling" in site.run("status")
    site.configure(top={"delivery": "hold"})
    assert "hold: alerts are written" in site.run("status", code=1)


def test_somebody_who_was_removed_and_still_owns_cases_is_named(site):
    cases = [open_case(site, owner="t-ono", customer_id=f"k{i}") for i in range(5)]
    text = site.run("status", code=1)
    assert "t-ono" in text and "owns 5 open cases: C-1, C-2, C-3 …" in text and "closeloop case assign --from t-ono --to PERSON" in text
    assert object_of(site, "status", code=1)["unknown_owners"] == [{"owner": "t-ono", "n": 5, "cases": cases[:3]}]
    done = site.closeloop("check", "--online")
    assert done.returncode == 1 and "'t-ono', whom nobody knows, owns 5 open cases: closeloop case assign --from t-ono" in done.stderr
    assert "5 handed over to anna" in site.run("case", "assign", "--from", "t-ono", "--to", "anna")
    assert object_of(site, "status", code=1)["unknown_owners"] == []
    assert site.closeloop("check", "--online").returncode == 0
    site.q("UPDATE closeloop.cases SET owner = 'db-one'")
    site.q("INSERT INTO closeloop.people (id, name) VALUES ('db-one', 'D')")
    assert site.closeloop("check", "--online").returncode == 0, "people of the database are known"


def test_check(site):
    assert "every template renders" in site.run("check")
    assert object_of(site, "check")["errors"] == 0
    broken = site.configure(path=site.folder / "broken.conf",
                            rules='{ low: { when = "npss <= 6"; }; odd: { when = "nps <= 6"; priority = "hihg"; }; }')
    done = site.closeloop("check", configuration=broken)
    assert done.returncode == 78 and done.stdout == ""
    assert "unknown fact 'npss', did you mean 'nps'?" in done.stderr and "^~~~" in done.stderr
    assert "2 errors, 0 warnings" in done.stderr
    done = site.closeloop("--json", "check", configuration=broken)
    found = json.loads(done.stdout)
    assert done.returncode == 78 and found["errors"] == 2 and all(d["line"] > 0 for d in found["diagnostics"])
    assert site.closeloop("check", configuration=site.folder / "none.conf").returncode == 78
    secret = other_conninfo(site, "host=localhost password=hunter2")
    for verb in (("check",), ("case", "list")):
        done = site.closeloop(*verb, configuration=secret)
        assert done.returncode == 78 and "password" in done.stderr and "hunter2" not in done.stderr
    site.own(("account", "x", "mimsu"))
    done = site.closeloop("check", "--online")
    assert done.returncode == 1 and "'mimsu', whom nobody knows, did you mean 'minsu'?, stands in 1 row of owners" in done.stderr
    assert "database     ok" in done.stdout and "email        ok" in done.stdout and "crm          ok" in done.stdout
    site.mailbox.stop()
    assert site.closeloop("check", "--online").returncode == 69


def test_usage(site):
    text = site.run("help")
    for verb in ("check", "migrate", "status", "try", "case resolve", "owner import", "person away", "pause", "resume"):
        assert f"  {verb}" in text
    assert "--until" in site.run("help", "case", "wait") and "--until" in site.run("case", "wait", "--help")
    assert re.match(r"closeloop \d+\.\d+\.\d+\n$", site.run("--version"))
    for line in (("stauts",), ("case", "lsit"), ("case",), ("status", "--wacth"), ("case", "ack"), ("case", "list", "--owner"),
                 ("help", "nothing"), ("message", "cancel"), (), ("explain",)):
        done = site.closeloop(*line)
        assert done.returncode == 64 and done.stdout == "" and done.stderr, line
    assert "did you mean 'status'?" in site.closeloop("stauts").stderr


def other_conninfo(site, conninfo):
    path = site.folder / "other.conf"
    path.write_text(re.sub(r"^database: .*$", f'database: {{ conninfo = "{conninfo}"; }};',
                           site.configuration.read_text(), flags=re.M))
    return path


def test_without_a_database(site):
    for conninfo in ("host=127.0.0.1 port=1", site.server.conninfo("nothing_here")):
        configuration = other_conninfo(site, conninfo)
        for verb in LISTS + [("status",), ("case", "ack", "1"), ("migrate",), ("owner", "export")]:
            done = site.closeloop(*verb, configuration=configuration)
            assert done.returncode == 69 and "unavailable" in done.stderr and done.stdout == "", verb


def test_without_a_schema_or_with_another_instance(site):
    site.server.psql("postgres", f"CREATE DATABASE empty_{site.database}")
    done = site.closeloop("status", configuration=other_conninfo(site, site.server.conninfo(f"empty_{site.database}")))
    assert done.returncode == 78 and "closeloop migrate" in done.stderr
    site.configure(top={"instance": "copy"})
    refused(site, "case", "list", code=78, says="'default'")


def test_without_permission(site):
    case = str(open_case(site))
    role = f"reader_{site.database}"
    site.q(f"CREATE ROLE {role} LOGIN")
    site.q(f"GRANT USAGE ON SCHEMA closeloop TO {role}")
    site.q(f"GRANT SELECT ON closeloop.migrations, closeloop.instance, closeloop.people TO {role}")
    conninfo = re.sub(r"user=\S+", f"user={role}", site.server.conninfo(site.database))
    assert role in conninfo
    for verb in (("case", "ack", case), ("case", "list"), ("owner", "import", "-"), ("pause",)):
        done = site.closeloop(*verb, configuration=other_conninfo(site, conninfo), stdin="dimension,value,person\na,b,minsu\n")
        assert done.returncode == 77 and "not permitted" in done.stderr, (verb, done.stderr)


def test_an_output_that_cannot_be_written(site):
    with open("/dev/full", "wb") as full:
        done = subprocess.run([os.environ["CLOSELOOP"], "-c", str(site.configuration), "person", "list"], stdout=full,
                              stderr=subprocess.PIPE, env=site.environment(), check=False)
    assert done.returncode == 70 and b"could not be written" in done.stderr


def test_try_judges_shows_and_sends_but_stores_nothing(site):
    site.may_differ.add("mails without a message")
    site.own(("account", "hanbit", "minsu"))
    text = site.run("try", "nps=2", "account=hanbit", f"comment={HOSTILE}", "--mail")
    for word in ("detractor", "MATCH", "nps <= 6", "lookup:account 'hanbit'", "minsu <minsu@halden.example>", "webhook crm",
                 "To: minsu@halden.example", "acknowledge "):
        assert word in text, text
    assert not UNSAFE.search(text)
    judged = object_of(site, "try", "nps=2", "account=hanbit", "contact_requested=true", "--mail")
    assert judged["action"] == "open" and judged["winner"] == "callback" and judged["owner"] == "minsu"
    assert judged["priority"] == "urgent" and UTC.match(judged["acknowledge_due_at"])
    assert [r["rule"] for r in judged["rules"] if r["matched"]] == ["callback", "detractor"]
    assert judged["messages"][0]["recipient"] == "minsu" and judged["messages"][0]["subject"]
    assert object_of(site, "try", "nps=8")["action"] == "nothing"
    assert object_of(site, "try", "nps=10", "comment=nice")["action"] == "praise"
    sent = object_of(site, "try", "nps=2", "account=hanbit", "--send-to", "me@halden.example")["sent"]
    assert [m["outcome"] for m in sent] == ["sent"] and site.mailbox.mails[0].recipient == "me@halden.example"
    refused(site, "try", "npss=2", code=64, says="did you mean 'nps'?")
    refused(site, "try", "nps=2", "--send-to", "no address", code=64)
    assert site.closeloop("try", "nps=8", "--send-to", "me@halden.example").returncode == 1
    for table in ("responses", "inbox", "cases", "case_responses", "messages", "case_events"):
        assert site.one(f"SELECT count(*) FROM closeloop.{table}") == 0


def test_the_reference_names_every_verb_and_option(site):
    reference = (pathlib.Path(__file__).resolve().parents[2] / "docs/cli.md").read_text(encoding="utf-8")
    verbs = [re.match(r"  ([a-z]+(?: [a-z]+)?)(?: |$)", line).group(1) for line in site.run("help").splitlines()
             if re.match(r"  [a-z]", line)]
    assert len(verbs) > 30
    for verb in verbs:
        assert f"{verb} " in reference or f"{verb}`" in reference or verb == "help", verb
        for option in re.findall(r"^  (--[a-z-]+)", site.run("help", *verb.split()), re.M):
            assert f"{option} " in reference or f"{option}]" in reference or f"{option}`" in reference, (verb, option)
