"""
`closeloop explain`: why an answer led to what it led to, under the rules of then, with what they saw; and `try`, which looks the same.

A real daemon judges; what explain says of it afterwards must be what happened.

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import json
import re
import unicodedata

HOSTILE = "first\nline \x1b[31mred\x1b[0m \u202eevil\u202c \u009b1m\u2028 é한빛 " + "long " * 200
UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(\+00:00|Z)$")

RULES = """{
  staff:     { kind = "ignore"; when = "customer_email contains '@halden.example'"; };
  callback:  { when = "contact_requested"; priority = "urgent"; };
  key:       { when = "attr.plan is 'gold' and unhappy"; priority = "urgent"; };
  field:     { when = "unhappy and touchpoint in ('installation', 'service', 'repair in the workshop')"; priority = "high";
               route = "field"; };
  detractor: { when = "nps <= 6"; priority = "high"; };
  quiet:     { when = "not (comment contains 'loud' or nps >= 9) and (csat < 3 or ces < 3)"; };
  note:      { kind = "note"; when = "survey is 'pulse'"; };
  praise:    { kind = "praise"; when = "nps >= 9 and comment is present"; };
}"""


def clock(minutes):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)).strftime("%H:%M")


def clock_days(days):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)


def explain(site, word, *options, columns=120, code=0):
    """As text; always safe, and never wider than the terminal."""
    text = site.run("explain", str(word), *options, code=code, COLUMNS=str(columns))
    assert not UNSAFE.search(text), text
    for line in text.splitlines():
        assert width(line) <= columns, (columns, line)
        assert line == line.rstrip(), line
    return text


def object_of(site, *arguments):
    return json.loads(site.run("--json", *arguments))


def line_of(text, start):
    """The first line that begins so (after its indent), its gaps as one space."""
    for line in text.splitlines():
        if line.strip().startswith(start):
            return re.sub(" +", " ", line.strip())
    raise AssertionError(f"no line begins with '{start}':\n{text}")


def refused(site, *arguments, code, says="", **options):
    done = site.closeloop(*arguments, **options)
    assert done.returncode == code, f"{arguments}: {done.returncode} {done.stdout}{done.stderr}"
    assert done.stdout == "" and says in done.stderr, done.stderr


def matched(judged):
    return [r["rule"] for r in judged["rules"] if r["matched"]]


def test_one_alert_end_to_end(site):
    site.daemon(rules=RULES, top={"timezone": "Asia/Seoul"})
    response = site.respond(nps=2, account="hanbit", touchpoint="installation", contact_requested=True, ratings={"delivery": 1},
                            attributes={"plan": "silver"}, source="webshop", source_id="order-1", comment="zu spät")
    site.settled()
    text = explain(site, response)
    head = text.splitlines()[0]
    assert re.match(rf"response {response} → C-1 · \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d KST · rules [0-9a-f]{{7}} \(live now\)$", head), head
    assert line_of(text, "answer") == "answer 2/10 · installation · account hanbit · webshop:order-1"
    assert line_of(text, "staff") == "staff undecided customer_email contains '@halden.example' missing no address"
    assert line_of(text, "callback") == "callback MATCH urgent contact_requested true"
    assert line_of(text, "key") == "key no attr.plan is 'gold' false 'silver'"
    assert line_of(text, "and unhappy:") == "and unhappy: nps <= 6 true 2"
    assert line_of(text, "or any rating") == "or any rating <= 2 true delivery 1"
    assert line_of(text, "field").startswith("field MATCH high unhappy: nps <= 6 true 2")
    assert line_of(text, "quiet") == "quiet undecided not true", "of several conditions it has a line of its own"
    assert line_of(text, "comment contains") == "comment contains 'loud' false 'zu spät'"
    assert line_of(text, "and csat") == "and csat < 3 missing" and line_of(text, "or ces") == "or ces < 3 missing"
    assert "priority urgent, route account, follow_up standard from callback (highest of 3 matches)\n" in text
    assert line_of(text, "owner") == "owner from:attr.manager missing"
    assert re.match(r"lookup:account 'hanbit' minsu \(imported \d{4}-\d\d-\d\d\)$", line_of(text, "lookup:account"))
    assert line_of(text, "held?").startswith("held? ignore no · merge ")
    assert re.match(r"due acknowledge \w{3} \d\d:\d\d · resolve \w{3} \d\d:\d\d$", line_of(text, "due"))
    assert re.match(r"sent email minsu \d\d:\d\d:\d\d 250, 1 attempt$", line_of(text, "sent"))
    assert re.match(r"webhook crm \d\d:\d\d:\d\d 204, 1 attempt$", line_of(text, "webhook crm"))

    judged = object_of(site, "explain", str(response))
    assert (judged["response_id"], judged["case_id"], judged["relation"], judged["state"]) == (response, 1, "opened", "judged")
    assert matched(judged) == ["callback", "field", "detractor"] and judged["winner"] == "callback"
    assert (judged["priority"], judged["route"], judged["follow_up"]) == ("urgent", "account", "standard")
    assert judged["record"]["facts"]["nps"] == 2 and judged["changed"] == []
    assert [(s["target"], s["value"], s["person"], s["why_not"]) for s in judged["trail"]] == [
        ("from:attr.manager", None, None, "missing"), ("lookup:account", "hanbit", "minsu", None)]
    assert [(m["endpoint"], m["state"], len(m["attempts"])) for m in judged["messages"]] == [("email", "sent", 1), ("crm", "sent", 1)]
    assert UTC.match(judged["case"]["acknowledge_due_at"]) and judged["events"][0]["kind"] == "opened"
    assert "payload" not in json.dumps(judged)

    assert explain(site, "webshop:order-1") == text
    for columns in (40, 80, 140):
        narrow = explain(site, response, columns=columns)
        assert "MATCH" in narrow and "callback" in narrow
    assert line_of(explain(site, response, columns=80), "callback") == "callback MATCH urgent contact_requested true"


def test_budget_quiet_hours_and_digests(site):
    people = site.sections["people"].replace('name = "Ben Hall";', 'name = "Ben Hall"; alerts_per_hour = 2; urgent_per_hour = 5;')
    until = clock(60)
    people = people.replace('name = "Anna Groß";', 'name = "Anna Groß"; timezone = "UTC"; quiet_hours = "%s-%s";' % (clock(-60), until))
    site.own(("account", "acme", "ben"))
    site.daemon(rules=RULES, people=people, routes=site.sections["routes"].replace(
        'mail:    { owner', 'asked: { owner = [ "person:olga" ]; notify = [ "digest:owner" ]; };\n  mail:    { owner').replace(
        'field:   { owner = [ "lookup:touchpoint+region", "team:field" ]', 'field: { owner = [ "person:anna" ]'))
    answers = []
    for i in range(4):
        answers.append(site.respond(account="acme", customer_id=f"k{i}"))
        site.settled()
    assert "budget 1 of 2 (ben)" in line_of(explain(site, answers[0]), "held?")
    assert "budget 2 of 2 (ben)" in line_of(explain(site, answers[1]), "held?")
    text = explain(site, answers[2])
    assert "budget 3 of 2 (ben), held for ben" in line_of(text, "held?")
    assert re.match(r"sent email ben \S+ held, over budget: leaves \w{3} \d\d:\d\d$", line_of(text, "sent"))
    urgent = site.respond(account="acme", customer_id="u", contact_requested=True)
    quiet = site.respond(touchpoint="installation", customer_id="q")
    site.settled()
    assert "budget 1 of 5 (ben)" in line_of(explain(site, urgent), "held?")
    text = explain(site, quiet)
    assert "quiet held for anna · budget no limit" in line_of(text, "held?")
    assert re.match(rf"sent email anna \S+ held, quiet hours: leaves \w{{3}} {until}", line_of(text, "sent"))
    site.q("UPDATE closeloop.messages SET created_at = created_at - interval '1 hour' WHERE state = 'held' AND recipient = 'ben'")
    site.q("UPDATE closeloop.alert_budgets SET digest_at = digest_at - interval '1 hour',"
           " left_at = ARRAY(SELECT t - interval '1 hour' FROM unnest(left_at) AS t ORDER BY t) WHERE person = 'ben'")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE recipient = 'ben' AND state = 'held'") == 0, "the digest")
    assert re.match(r"sent email ben \S+( \S+)? 250, 1 attempt, in a digest$", line_of(explain(site, answers[2]), "sent"))


def test_a_case_is_shown_with_its_answers(site):
    site.daemon(rules=RULES)
    response = site.respond(account="hanbit")
    site.settled()
    text = explain(site, "C-1")
    assert text.startswith("C-1 · high · open · minsu\n1 answer\n") and f"\nresponse {response} → C-1 · " in text
    assert re.match(rf"{response} opened \S+ \S+ 2/10 detractor$", re.sub(" +", " ", text.splitlines()[2].strip()))
    judged = object_of(site, "explain", "c-1")
    assert judged["case_id"] == 1 and [a["response_id"] for a in judged["answers"]] == [response]
    assert [e["response_id"] for e in judged["explained"]] == [response]


def test_the_rules_of_then_and_what_they_saw(site):
    """Two reloads later, one with the rule gone, and with the answer changed since: what counted then is shown."""
    daemon = site.daemon(rules=RULES)
    first = site.one("SELECT sha256 FROM closeloop.rulesets")
    response = site.respond(account="hanbit", contact_requested=True, attributes={"plan": "silver"})
    quiet = site.respond(nps=7, customer_id="k2")
    site.settled()
    for i, rules in enumerate(('{ detractor: { when = "nps <= 1"; }; seven: { when = "nps = 7"; }; }', '{ later: { when = "nps = 0"; }; }')):
        site.configure(rules=rules)
        daemon.hang_up()
        site.wait(lambda n=i + 2: site.one("SELECT count(*) FROM closeloop.rulesets") == n, "the reload")
    text = explain(site, response)
    assert f"rules {first[:7]} (live then)" in text.splitlines()[0]
    assert line_of(text, "callback") == "callback MATCH urgent contact_requested true" and "detractor" in text and "later" not in text
    assert "highest of 2 matches" in text
    text = explain(site, quiet)
    assert f"response {quiet} · no case · " in text and f"rules {first[:7]} (live then)" in text
    assert line_of(text, "detractor") == "detractor no nps <= 6 false 7" and "seven" not in text
    assert "no rule matches (" in text

    daemon.stop()
    site.q("UPDATE closeloop.responses SET nps = 9, contact_requested = false, attributes = '{}', comment = %s WHERE id = %s",
           HOSTILE, response)
    text = explain(site, response)
    assert line_of(text, "callback") == "callback MATCH urgent contact_requested true"
    assert line_of(text, "detractor") == "detractor MATCH high nps <= 6 true 2"
    changes = re.sub(r"\s+", " ", text)
    for change in ("changed since: ", "nps 2 → 9", "contact_requested true → false", "attr.plan 'silver' → missing",
                   "shown is what was seen then", "waits in the inbox since"):
        assert change in changes, text
    judged = object_of(site, "explain", str(response))
    assert {"name": "nps", "then": "2", "now": "9"} in judged["changed"] and judged["ruleset"] == first
    assert matched(judged) == ["callback", "detractor"]
    site.q("DELETE FROM closeloop.inbox")


def test_what_did_not_become_a_case(site):
    site.daemon(rules=RULES, cases='{ max_age = "30d"; }')
    staff = site.respond(customer_email="ben@halden.example", contact_requested=True)
    praise = site.respond(nps=10, account="hanbit", comment=HOSTILE, customer_id="k2")
    note = site.respond(nps=8, survey="pulse", customer_id="k3")
    old = site.respond(nps=1, responded_at="2024-01-01T00:00:00Z", customer_id="k4")
    site.settled()
    text = explain(site, staff)
    assert "ignored: staff matches, nothing else counts\n" in text and line_of(text, "held?") == "held? ignore yes"
    assert line_of(text, "callback") == "callback MATCH urgent contact_requested true" and "owner" not in text
    text = explain(site, praise, columns=80)
    assert " · praised · " in text and "praise, route account from praise: no case\n" in text
    assert line_of(text, "sent").startswith("sent email minsu praise ")
    text = explain(site, note)
    assert " · noted · " in text and "noted by note: no case, nobody is told\n" in text
    text = explain(site, old)
    assert " · noted · " in text and "older than max_age when it was judged: noted, nobody is told" in re.sub(r"\s+", " ", text)


def test_what_is_not_judged_yet(site):
    site.configure(rules=RULES)
    site.own(("account", "hanbit", "minsu"))
    waiting, early, aside = (site.respond(account="hanbit", customer_id=f"k{i}") for i in range(3))
    site.q("UPDATE closeloop.inbox SET available_at = now() + interval '5 minutes' WHERE response_id = %s", early)
    site.q("UPDATE closeloop.inbox SET tries = 3, set_aside_at = now(), last_error = %s WHERE response_id = %s", HOSTILE, aside)
    text = explain(site, waiting)
    assert f"response {waiting} · not judged yet · " in text and "(of now)" in text.splitlines()[0]
    assert "waits in the inbox since" in text and line_of(text, "detractor") == "detractor MATCH high nps <= 6 true 2"
    assert "it waits until" in explain(site, early)
    text = explain(site, aside, columns=80)
    row = site.one("SELECT id FROM closeloop.inbox WHERE response_id = %s", aside)
    assert f"response {aside} · set aside · " in text and f"closeloop inbox retry {row}" in re.sub(r"\s+", " ", text)
    states = [object_of(site, "explain", str(r))["state"] for r in (waiting, early, aside)]
    assert states == ["waiting", "settling", "set_aside"]
    broken = site.respond(customer_id="k4", ratings={f"q{i}": 1 for i in range(201)})
    text = explain(site, broken)
    assert "it can't be read: more than 200 ratings" in text and "MATCH" not in text
    assert object_of(site, "explain", str(broken))["why_no_rules"] == "it can't be read: more than 200 ratings"
    site.q("DELETE FROM closeloop.inbox WHERE response_id = %s", waiting)
    assert "nothing is recorded about it" in explain(site, waiting), "no trigger was there, or it changed after it was judged"
    site.q("DELETE FROM closeloop.inbox")


def test_by_hand_and_handed_over(site):
    site.daemon(rules=RULES)
    response = site.respond(nps=8, account="hanbit")
    site.settled()
    site.run("case", "open", str(response), "--owner", "anna", "--note", HOSTILE)
    site.run("--as", "olga", "case", "assign", "C-1", "--to", "ben")
    site.mails(1, to="ben")
    site.settled()
    text = explain(site, response)
    assert re.match(r"owner by hand, \S+ anna$", line_of(text, "owner")), text
    assert re.search(r"later +\S+ \S+  handed over to ben by olga\n", text)
    assert "as of the hand-over" in line_of(text, "due") and "no rule matches" in text and "the record says" not in text
    assert line_of(text, "email ben").startswith("email ben assigned ")


def test_deliveries_that_went_wrong(site):
    """A webhook that fails twice; a mail that is refused and goes on to the deputy; one that nobody takes."""
    site.hook.replies = [503, 503]
    site.mailbox.replies = {"anna@halden.example": ["550 5.1.1 no such user"]}
    people = site.sections["people"].replace('name = "Anna Groß";', 'name = "Anna Groß"; deputy = "ben";')
    site.daemon(rules=RULES, people=people)
    response = site.respond(account="elbhof")
    site.mails(1, to="ben")
    site.wait(lambda: site.q("UPDATE closeloop.messages SET next_at = now() WHERE state = 'queued'") or
              site.one("SELECT state = 'sent' FROM closeloop.messages WHERE channel = 'webhook'"), "the third try", 60)
    site.settled()
    text = explain(site, response)
    assert re.search(r"sent +email anna +\d\d:\d\d:\d\d +REFUSED: the server refused the recipient \(550 5\.1\.1\); the next", text), text
    assert "; the next person was told" in re.sub(r"\s+", " ", text)
    assert re.match(r"email ben instead of anna \d\d:\d\d:\d\d 250, 1 attempt$", line_of(text, "email ben"))
    assert re.match(r"webhook crm \d\d:\d\d:\d\d 204, 3 attempts \(503 ×2\)$", line_of(text, "webhook crm"))
    site.expected_undelivered += 1


def test_endings_that_need_a_person(site):
    site.configure(rules=RULES)
    response = site.respond(account="hanbit")
    case = site.one("INSERT INTO closeloop.cases (response_id, owner, route) VALUES (%s, 'minsu', 'account') RETURNING id", response)
    site.q("INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (%s, %s, 'opened')", response, case)
    site.q("INSERT INTO closeloop.case_events (case_id, actor, kind, to_status) VALUES (%s, 'daemon', 'opened', 'open')", case)
    site.q("DELETE FROM closeloop.inbox")

    def message(state, endpoint="crm", **values):
        values = {"case_id": case, "response_id": response, "state": state, "endpoint": endpoint, "payload": "SECRET-PAYLOAD",
                  "kind": "case.opened", "channel": "email" if endpoint == "email" else "webhook", **values}
        return site.one(f"INSERT INTO closeloop.messages (id, dedup_key, {', '.join(values)}) VALUES (gen_random_uuid(),"
                        f" gen_random_uuid()::text, {', '.join(['%s'] * len(values))}) RETURNING id::text", *values.values())

    dead = message("dead", last_code=503, last_error=HOSTILE)
    site.q("INSERT INTO closeloop.attempts (message_id, outcome, code) SELECT %s, 'retry', 503 FROM generate_series(1, 3)", dead)
    message("cancelled", kind="case.reminder", step="reminder-2", endpoint="email", recipient="minsu",
            last_error="the case no longer stands")
    message("held", endpoint="email", recipient="minsu", held_for="quiet", kind="case.assigned")
    site.q("INSERT INTO closeloop.alert_budgets (person, digest_at) VALUES ('minsu', now() + interval '1 hour')")
    message("queued", next_at="2030-01-01T00:00:00Z")
    site.q("INSERT INTO closeloop.endpoints (name, paused) VALUES ('crm', true)")
    for columns in (80, 140):
        text = re.sub(r"\s+", " ", explain(site, response, columns=columns))
        assert f"GIVEN UP after 3 attempts (503 ×3): 503 first line \\u{{1B}}" in text and f"closeloop message retry {dead}" in text
        assert "reminder 2" in text and "cancelled: the case no longer stands" in text
        assert re.search(r"assigned \S+ held, quiet hours: leaves \w{3} \d\d:\d\d", text)
        assert "waits: crm is paused (closeloop endpoint list)" in text
    assert "SECRET-PAYLOAD" not in text and "SECRET-PAYLOAD" not in site.run("--json", "explain", str(response))
    for i in range(60):
        message("sent", kind="case.reminder", step=f"reminder-{i}", sent_at="2030-01-01T00:00:00Z")
    assert f"… more: closeloop message list --case C-{case}" in explain(site, response)
    site.q("DELETE FROM closeloop.messages")


def test_the_owner_chain_step_by_step(site):
    """Somebody unknown, nobody entered, somebody away whose deputy is there, a team; and one that is told though all are away."""
    people = site.sections["people"].replace('name = "Anna Groß";', 'name = "Anna Groß"; deputy = "ben";')
    site.daemon(rules=RULES, people=people)
    site.q("INSERT INTO closeloop.absences (person, starts_at) VALUES ('anna', now() - interval '1 day')")
    away = site.respond(account="elbhof", customer_id="k1", attributes={"manager": "nobody \x1b[1m\u202e here"})
    team = site.respond(account="new\u202e", customer_id="k2")
    site.settled()
    text = explain(site, away)
    assert line_of(text, "owner").startswith("owner from:attr.manager 'nobody \\u{1B}")
    assert "is no known person" in text
    assert line_of(text, "lookup:account").startswith("lookup:account 'elbhof' ben, instead of anna, who is away (imported")
    assert "is no known person" in re.sub(r"\s+", " ", explain(site, away, columns=80))
    text = explain(site, team)
    assert line_of(text, "lookup:account") == "lookup:account 'new\\u{202E}' nobody is entered"
    assert re.match(r"team:care (ben|olga)$", line_of(text, "team:care"))
    site.q("INSERT INTO closeloop.absences (person) SELECT unnest(ARRAY['ben', 'olga', 'minsu'])")
    alone = site.respond(account="hanbit", customer_id="k3")
    site.settled()
    assert "minsu, who is away, and everybody who could stand in" in re.sub(r"\s+", " ", explain(site, alone))


def test_what_is_no_longer_known(site):
    """Erased words, a rule set that is gone or that this version doesn't understand, events of an older version."""
    site.daemon(rules=RULES)
    response = site.respond(account="hanbit", nps=3)
    site.settled()
    site.daemons[0].stop()
    sha = site.one("SELECT ruleset FROM closeloop.case_responses")
    site.configure(rules='{ other: { when = "nps = 0"; }; }')
    site.q("UPDATE closeloop.case_events SET details = details - 'tried'")
    text = explain(site, response)
    assert "from:attr.manager missing (as of today, it was not recorded)" in line_of(text, "owner")
    assert line_of(text, "lookup:account").startswith("lookup:account 'hanbit' minsu (imported ")
    site.q("UPDATE closeloop.owners SET person = 'anna', imported_at = now() WHERE value = 'hanbit'")
    assert re.search(r"minsu  \(now anna, imported \d{4}-\d\d-\d\d\)\n", explain(site, response))
    site.q("DELETE FROM closeloop.owners")
    assert "minsu  (no longer entered)\n" in explain(site, response)

    site.q("UPDATE closeloop.rulesets SET text = %s WHERE sha256 = %s", 'rules: { x: { when = "nonsense >"; }; };', sha)
    text = explain(site, response)
    assert f"this version no longer understands rules {sha[:7]}: " in re.sub(r"\s+", " ", text)
    assert line_of(text, "matched") == "matched detractor" and line_of(text, "sent").startswith("sent email minsu ")
    site.q("DELETE FROM closeloop.rulesets WHERE sha256 = %s", sha)
    assert f"the text of rules {sha[:7]} is no longer kept" in explain(site, response)
    assert object_of(site, "explain", str(response))["rules"] is None

    site.configure(rules=RULES)
    site.q("UPDATE closeloop.case_responses SET facts = '{}'")
    site.q("UPDATE closeloop.responses SET customer_id = NULL, comment = NULL, nps = NULL")
    site.q("DELETE FROM closeloop.inbox")
    text = explain(site, response)
    assert "what was seen when it was judged is no longer kept" in text and line_of(text, "matched") == "matched detractor"


def test_unknown_words(site):
    refused(site, "explain", "1", code=1, says="there is no response 1: nothing has come in yet")
    site.configure(rules=RULES)
    response = site.respond(source="webshop", source_id="a:b")
    site.q("INSERT INTO closeloop.sources_seen (source, last_at) VALUES ('webshop', now())")
    refused(site, "explain", "99", code=1, says=f"the newest is {response}")
    gone = site.respond(customer_id="k2")
    site.respond(customer_id="k3")
    site.q("DELETE FROM closeloop.responses WHERE id = %s", gone)
    refused(site, "explain", str(gone), code=1, says="it was deleted")
    refused(site, "explain", "C-7", code=1, says="there is no case C-7")
    refused(site, "explain", "webshop:c", code=1, says="source 'webshop' has written no response 'c'")
    refused(site, "explain", "webshp:a:b", code=1, says="did you mean 'webshop'?")
    refused(site, "explain", f"{HOSTILE}:1", code=1)
    refused(site, "explain", "nonsense", code=64, says="write 4711, C-812 or SOURCE:ID")
    refused(site, "explain", "99999999999999999999", code=64)
    refused(site, "explain", code=64)
    refused(site, "explain", "1", "2", code=64)
    site.q("UPDATE closeloop.responses SET source = 'web:shop' WHERE id = %s", response)
    assert f"response {response} " in explain(site, "web:shop:a:b"), "a source may have a colon in its name"
    assert f"response {response} " in explain(site, "webshop:a:b".replace("webshop", "web:shop"))
    case = site.one("INSERT INTO closeloop.cases (id, response_id, owner) VALUES (9, %s, 'ben') RETURNING id", response)
    site.q("INSERT INTO closeloop.case_responses (response_id, case_id, relation) VALUES (%s, %s, 'opened')", response, case)
    site.q("INSERT INTO closeloop.case_events (case_id, actor, kind, to_status) VALUES (%s, 'daemon', 'opened', 'open')", case)
    refused(site, "explain", "9", code=1, says="but a case: closeloop explain C-9")
    site.q("DELETE FROM closeloop.inbox")


def test_without_database_schema_or_permission(site):
    def conninfo(value):
        path = site.folder / "other.conf"
        path.write_text(site.configuration.read_text(encoding="utf-8").replace(site.server.conninfo(site.database), value), encoding="utf-8")
        return path

    refused(site, "explain", "1", code=69, configuration=conninfo("host=/nonexistent"))
    site.server.psql("postgres", f"CREATE DATABASE empty{id(site)}")
    refused(site, "explain", "1", code=78, says="closeloop migrate", configuration=conninfo(site.server.conninfo(f"empty{id(site)}")))
    response = site.respond()
    site.run("migrate", "--roles")
    for role in ("reader", "daemon"):
        user = f"{role}{id(site)}"
        site.q(f"CREATE ROLE {user} LOGIN IN ROLE closeloop_{role}")
        path = conninfo(site.server.conninfo(site.database, user))
        if role == "reader":
            refused(site, "explain", str(response), code=77, configuration=path)
        else:
            assert f"response {response} " in site.run("explain", str(response), configuration=path)
            assert "merge no open case" in site.run("try", "nps=2", "customer_id=c1", configuration=path)
        site.q(f"DROP ROLE {user}")
    site.q("DELETE FROM closeloop.inbox")


def test_try_looks_the_same(site):
    site.own(("account", "hanbit", "ben"))
    people = site.sections["people"].replace('name = "Ben Hall";', 'name = "Ben Hall"; alerts_per_hour = 10; urgent_per_hour = 30;'
                                             ' timezone = "UTC"; quiet_hours = "%s-%s";' % (clock(-60), clock(60)))
    until = clock(60)
    site.configure(rules=RULES, people=people, follow_ups='{ standard: { calendar = "seoul"; acknowledge_within = "4h"; }; }',
                   calendars='{ seoul: { timezone = "Asia/Seoul"; hours = [ "Mon-Sun 00:00-24:00" ]; }; }')
    site.q("INSERT INTO closeloop.alert_budgets (person, left_at) VALUES ('ben', ARRAY[now(), now(), now()])")
    text = site.run("try", "nps=2", "account=hanbit", "customer_id=k1", COLUMNS="140")
    assert line_of(text, "detractor") == "detractor MATCH high nps <= 6 true 2"
    assert "priority high, route account, follow_up standard from detractor\n" in text
    assert line_of(text, "owner") == "owner from:attr.manager missing" and line_of(text, "lookup:account") == "lookup:account 'hanbit' ben"
    held = line_of(text, "held?")
    assert f"quiet ben until {until}" in held and "budget 4 of 10 (ben)" in held, held
    assert re.match(r"due acknowledge \w{3} \d\d:\d\d · resolve \w{3} \d\d:\d\d · calendar seoul$", line_of(text, "due"))
    urgent = line_of(site.run("try", "nps=2", "account=hanbit", "contact_requested=true", COLUMNS="140"), "held?")
    assert f"quiet ben until {until}, urgent passes" in urgent and "budget 1 of 30 urgent (ben)" in urgent
    site.q("UPDATE closeloop.alert_budgets SET left_at = ARRAY(SELECT now() FROM generate_series(1, 10))")
    assert "budget 10 of 10 used, held (ben)" in line_of(site.run("try", "nps=2", "account=hanbit", COLUMNS="140"), "held?")
    judged = object_of(site, "try", "nps=2", "account=hanbit")
    assert judged["held"]["budget"] == "10 of 10 used, held (ben)" and judged["trail"][1]["person"] == "ben"
    for columns in ("60", "80", "140"):
        for line in site.run("try", "nps=2", f"comment={HOSTILE}", "touchpoint=installation", COLUMNS=columns).splitlines():
            assert width(line) <= int(columns), line


def test_a_past_cannot_be_invented_in_a_trial(site):
    for fact in ("previous.nps=9", "history.detractors(30d)=2"):
        refused(site, "try", "nps=2", fact, code=64, says="customer_id=ID takes what that customer said; closeloop test can invent a past")


def test_further_answers(site):
    """One joins, one is another owner's, one can't be known, one is changed until nothing matches."""
    site.daemon(rules=RULES)
    first = site.respond(nps=5, account="hanbit", customer_id="c1")
    site.settled()
    second = site.respond(nps=1, account="hanbit", customer_id="c1", comment=HOSTILE)
    site.mails(2, to="minsu")
    site.settled()
    text = explain(site, second)
    assert f"response {second} → C-1 (joined) · " in text and "merge joined C-1" in line_of(text, "held?")
    assert line_of(text, "owner") == "owner from:attr.manager missing" and "lookup:account 'hanbit'" in text
    assert line_of(text, "sent").startswith("sent email minsu one more answer ")
    later = re.sub(r"\s+", " ", explain(site, first))
    assert f"response {second} joined it: 1/10, worse than 5/10; the owner was told" in later
    text = explain(site, "C-1")
    assert "\n2 answers\n" in text and text.endswith("\nthe other: closeloop explain C-1 --all\n") and f"\nresponse {second} " not in text
    whole = explain(site, "C-1", "--all", columns=80)
    assert f"response {first} → C-1 · " in whole and f"response {second} → C-1 (joined) · " in whole
    assert [e["response_id"] for e in object_of(site, "explain", "C-1", "--all")["explained"]] == [first, second]

    other = site.respond(nps=1, account="elbhof", customer_id="c1")
    anonymous = site.respond(nps=1, account="hanbit", customer_id="anonymous")
    unknown = site.respond(nps=1, account="hanbit", customer_id=None)
    site.settled()
    text = explain(site, other)
    case = site.one("SELECT id FROM closeloop.cases WHERE response_id = %s", other)
    assert f"response {other} → C-{case} (linked) · " in text and "merge C-1 is minsu's" in line_of(text, "held?")
    assert "merge anonymous id" in line_of(explain(site, anonymous), "held?")
    assert "merge no customer id" in line_of(explain(site, unknown), "held?")

    changed = site.respond(nps=3, account="elbhof", customer_id="c9")
    site.settled()
    site.q("UPDATE closeloop.responses SET nps = 2 WHERE id = %s", changed)
    site.settled()
    site.q("UPDATE closeloop.responses SET nps = 9 WHERE id = %s", changed)
    site.settled()
    text = re.sub(r"\s+", " ", explain(site, changed))
    assert "the answer was changed: 3/10 to 2/10, it still matches" in text
    assert "the answer was changed: 2/10 to 9/10, no rule matches any more" in text and "dismissed by itself" in text
    assert "judged again, after the answer was changed: shown is what was seen last" in text
    assert "detractor no nps <= 6 false 9" in text and "the record says" not in text
    assert object_of(site, "explain", str(changed))["case"]["status"] == "dismissed"
    site.q("UPDATE closeloop.responses SET customer_email = 'ben@halden.example' WHERE id = %s", second)
    site.settled()
    text = explain(site, second)
    assert "ignored: staff matches" in text and "held? ignore yes" in line_of(text, "held?") and "the record says" not in text, text


def test_what_came_before(site):
    """previous.X and history.X(D): as they were, for an answer that matched and for one that did not; and for one that is tried."""
    daemon = site.daemon(rules="""{
  again: { when = "nps <= 6 and history.detractors(30d) >= 1"; priority = "urgent"; };
  fell:  { when = "nps <= 6 and previous.nps >= 9"; };
  sudden: { when = "nps <= 4 and days_since(previous.responded_at) < 1"; };
}""")
    for days, nps in ((20, 10), (10, 5), (5, 8)):
        site.respond(customer_id="c1", nps=nps, account="hanbit", responded_at=str(clock_days(-days)))
        site.settled()
    quiet = site.one("SELECT max(id) FROM closeloop.responses")
    loud = site.respond(customer_id="c1", nps=5, account="hanbit")
    nobody = site.respond(customer_id=None, nps=5)
    site.settled()
    text = explain(site, quiet)
    assert line_of(text, "again") == "again no nps <= 6 false 8" and line_of(text, "and history.") == "and history.detractors(30d) >= 1 true 1"
    assert line_of(text, "and previous.nps") == "and previous.nps >= 9 false 5"
    text = explain(site, loud)
    assert line_of(text, "again") == "again MATCH urgent nps <= 6 true 5"
    assert line_of(text, "and history.") == "and history.detractors(30d) >= 1 true 1"
    assert line_of(text, "and previous.nps") == "and previous.nps >= 9 false 8" and "changed since" not in text
    assert re.match(r"and days_since\(previous.responded_at\) < 1 false 5(\.\d+)?$", line_of(text, "and days_since"))
    text = explain(site, nobody)
    assert line_of(text, "again") == "again undecided nps <= 6 true 5"
    assert line_of(text, "and history.") == "and history.detractors(30d) >= 1 missing no customer id"
    site.q("DELETE FROM closeloop.case_responses WHERE response_id = %s", nobody)
    assert line_of(explain(site, nobody), "and previous.nps") == "and previous.nps >= 9 missing no customer id"
    site.q("UPDATE closeloop.responses SET nps = 10 WHERE id = %s", quiet)
    site.settled()
    assert line_of(explain(site, loud), "and previous.nps") == "and previous.nps >= 9 false 8", "as it was then"
    text = site.run("try", "nps=3", "customer_id=c1", "account=hanbit", COLUMNS="140")
    assert line_of(text, "and history.") == "and history.detractors(30d) >= 1 true 2"
    daemon.stop()


def test_recurrence_and_cooldown(site):
    site.daemon(rules=RULES, cases='{ merge_within = "0s"; cooldown = "1d"; }')
    first = site.respond(account="hanbit", customer_id="c1")
    site.settled()
    cool = site.respond(account="hanbit", customer_id="c1", nps=3)
    site.settled()
    text = explain(site, cool)
    assert "merge off" in line_of(text, "held?") and "cooldown noted at C-1, nobody was told" in line_of(text, "held?")
    assert "\nsent " not in text
    assert f"response {cool} came within the cooldown: 3/10, nobody was told" in re.sub(r"\s+", " ", explain(site, first))
    held = line_of(site.run("try", "nps=3", "account=hanbit", "customer_id=c1", COLUMNS="140"), "held?")
    assert "cooldown would be noted at C-1 (minsu), and nobody told" in held
    site.run("--as", "minsu", "case", "resolve", "C-1", "--note", "done")
    site.settled()
    text = site.run("try", "nps=3", "account=hanbit", "customer_id=c1", COLUMNS="140")
    assert "recurrence would open C-1 (minsu) again" in line_of(text, "held?") and "so it opens none of its own; if it did:" in text
    again = site.respond(account="hanbit", customer_id="c1", nps=3)
    site.settled()
    text = explain(site, again)
    assert "recurrence opened C-1 again" in line_of(text, "held?") and f"response {again} → C-1 (joined) · " in text
    assert f"opened again by response {again}" in re.sub(r"\s+", " ", explain(site, first))


def test_try_meets_cases_that_stand(site):
    site.daemon(rules=RULES)
    site.respond(account="hanbit", customer_id="c1")
    site.settled()
    text = site.run("try", "nps=3", "account=hanbit", "customer_id=c1", COLUMNS="140")
    assert "merge would join C-1 (minsu)" in line_of(text, "held?")
    assert "merge C-1 is minsu's" in line_of(site.run("try", "nps=3", "account=elbhof", "customer_id=c1", COLUMNS="140"), "held?")
    assert "merge no open case" in line_of(site.run("try", "nps=3", "account=hanbit", "customer_id=c2", COLUMNS="140"), "held?")
    assert "merge no customer id" in line_of(site.run("try", "nps=3", "account=hanbit", COLUMNS="140"), "held?")
    judged = object_of(site, "try", "nps=3", "account=hanbit", "customer_id=c1")
    assert judged["held"]["merge"] == "would join C-1 (minsu)"
    assert site.one("SELECT count(*) FROM closeloop.cases") == 1
