"""
One truth in five mouths: what the daemon decided of an answer is what `explain`, `try`, `test` and `backtest` say of it, one by one.
Two hundred answers with everything a rule can ask for: a past, an account's past, scales, hours and days, what is missing; further
answers of one customer that join, are linked or kept quiet; and answers that were changed.

test_backtest_live.py compares sums over many more; here each answer is compared with itself.

SPDX-License-Identifier: Apache-2.0
"""
import concurrent.futures
import datetime
import json
import random

import pytest

UTC = datetime.timezone.utc
DAY = datetime.timedelta(days=1)
SECTIONS = {
    # Nobody works on these cases, so they must stand as long in the replay as they do here.
    "follow_ups": '{ standard: { acknowledge_within = "4h"; resolve_within = "300d"; }; }',
    "attributes": '{ manager = "text"; plan = "text"; arr = "number"; vip = "bool"; installed_at = "time"; }',
    "scales": '{ effort: { min = 1; max = 7; low_is = "good"; }; q1: { min = 0; max = 10; }; }',
    # One alone, and nobody else's owner: whose turn it is isn't known to a replay that begins in the middle.
    "teams": '{ field: { members = [ "olga" ]; }; }',
    "routes": """{
  account: { owner = [ "from:attr.manager", "lookup:account", "person:ben" ]; notify = [ "email:owner" ]; };
  field:   { owner = [ "lookup:touchpoint+region", "team:field" ]; notify = [ "email:owner" ]; };
}""",
    "facts": '{ unhappy = "nps <= 6 or csat <= 2 or any rating <= 2"; often = "history.responses(30d) >= 2"; }',
    "rules": """{
  staff:     { kind = "ignore"; when = "customer_email contains '@halden.example'"; };
  callback:  { when = "contact_requested"; priority = "urgent"; };
  field:     { when = "unhappy and touchpoint in ('installation', 'service')"; priority = "high"; route = "field"; };
  gold:      { when = "attr.plan is 'gold' and attr.arr >= 1000.5 and unhappy"; priority = "urgent"; };
  turned:    { when = "previous.nps >= 9 and nps <= 6"; priority = "high"; };
  again:     { when = "nps <= 6 and history.detractors(30d) >= 1"; };
  company:   { when = "nps <= 6 and history.detractors(20d, account) >= 2"; priority = "high"; };
  detractor: { when = "nps <= 6"; };
  hard:      { when = "rating.effort >= 6"; priority = "low"; };
  stars:     { when = "any rating <= 2 and all rating <= 4"; priority = "low"; };
  regular:   { kind = "note"; when = "often and not attr.vip"; };
  known:     { kind = "note"; when = "history.cases(45d) >= 1"; };
  moved:     { kind = "note"; when = "previous.touchpoint != touchpoint and days_since(previous.responded_at) <= 10"; };
  morning:   { kind = "note"; when = "hour(previous.responded_at) < 10 and weekday(previous.responded_at, 'Asia/Tokyo') <= 3"; };
  slipped:   { kind = "note"; when = "previous.rating.q1 > rating.q1 or previous.attr.plan != attr.plan"; };
  evening:   { kind = "note"; when = "hour(responded_at) >= 18 or hour(responded_at, 'America/New_York') < 6"; };
  weekend:   { kind = "note"; when = "weekday(responded_at) in (6, 7)"; };
  new:       { kind = "note"; when = "days_since(attr.installed_at) between 0 and 30.5"; };
  not-shop:  { kind = "note"; when = "touchpoint != 'shop' and language is not 'de'"; };
  words:     { kind = "note"; when = "comment contains ('zu spät', '늦') or comment matches '^\\\\W*nie\\\\b'"; };
  praise:    { kind = "praise"; when = "nps >= 9 and comment is present"; };
}""",
}
COMMENTS = ("great", "ZU SPÄT, again", "너무 늦어요", "  nie wieder", "ok", "", None, "it\u0301 \"works\"", "a\\b\nline two")
TOUCHPOINTS = ("installation", "Service", "shop", "delivery", None, " ")


def invent(r, customers):
    """One answer, without its time."""
    stars = {name: value for name, value in (("effort", r.randint(1, 7)), ("q1", r.randint(0, 10)), ("speed", r.randint(1, 5)),
                                             ("설치 속도", r.randint(1, 5))) if r.random() < 0.35}
    attributes = {name: value for name, value in (
        ("plan", r.choice(["Gold", "gold ", "silver"])), ("arr", r.choice([1000.5, 1000, 25000])), ("vip", r.random() < 0.5),
        ("manager", r.choice(["minsu", "ANNA", "nobody"])),
        ("installed_at", f"2026-{r.randint(1, 12):02d}-{r.randint(1, 28):02d}T08:00:00Z")) if r.random() < 0.4}
    return {"customer_id": r.choice(customers), "account": r.choice(["hanbit", "elbhof", "Elbhof", None]), "nps": r.choice([None, *range(11)]),
            "csat": r.choice([None, None, 1, 3, 5]), "touchpoint": r.choice(TOUCHPOINTS), "region": r.choice(["seoul", "Busan", None]),
            "language": r.choice(["de", "ko", None]), "customer_email": r.choice([None, "a@b.example", "tom@halden.example"] + ["k@c.example"] * 9),
            "contact_requested": r.random() < 0.08, "comment": r.choice(COMMENTS), "ratings": stars, "attributes": attributes}


def tell(site, answers):
    """Each is judged before the next one comes; {id: answer}."""
    told = {}
    for answer in answers:
        told[site.respond(**answer)] = answer
        site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "judged")
    return told


# ---- what each says ----

def result_of(rules):
    return {rule["rule"]: rule["result"] for rule in rules}


def person_of(trail):
    return next((step["person"] for step in trail or [] if step["person"]), None)


def say(site, *arguments):
    return json.loads(site.run("--json", *arguments))


def tried(site, answer):
    words = [f"{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in answer.items()
             if v is not None and k not in ("ratings", "attributes", "responded_at")]
    words += [f"rating.{k}={v}" for k, v in answer["ratings"].items()]
    words += [f"attr.{k}={str(v).lower() if isinstance(v, bool) else v}" for k, v in answer["attributes"].items()]
    # A trial comes after all that is stored: told at the same instant, the answer itself would be its past. Between the two is no
    # full hour or day: answers are told at half past a second.
    at = answer["responded_at"] - datetime.timedelta(microseconds=1)
    return say(site, "try", *words, f"responded_at={at:%Y-%m-%dT%H:%M:%S.%f}Z")


def replayed(site, answer):
    """The answer alone, with the past that it had."""
    at = answer["responded_at"]
    found = say(site, "backtest", "--since", f"{at:%Y-%m-%dT%H:%M:%S}Z", "--until", f"{at + datetime.timedelta(seconds=1):%Y-%m-%dT%H:%M:%S}Z")
    assert found["responses"] == 1, found
    return found


def replayed_results(found):
    return {name: "true" if rule["matched"] else "missing" if rule["undecided"] else "false" for name, rule in found["rules"].items()}


# ---- as tests ----

def quoted(text):
    return json.dumps(text, ensure_ascii=False)


def value(v):
    return str(v).lower() if isinstance(v, bool) else quoted(v) if isinstance(v, str) else repr(v)


def group(answer):
    lines = [f"{k} = {value(v)};" for k, v in answer.items() if v is not None and k not in ("ratings", "attributes", "responded_at")]
    lines.append("ratings: ( " + ", ".join(f"{{ name = {quoted(k)}; value = {v}; }}" for k, v in answer["ratings"].items()) + " );")
    lines.append("attributes: { " + " ".join(f"{k} = {value(v)};" for k, v in answer["attributes"].items()) + " };")
    return "{ " + " ".join(lines) + " }"


def past_of(site, told, number):
    """What came before an answer, counted here."""
    it, at = told[number], told[number]["responded_at"]
    before = [(i, a) for i, a in told.items() if i < number]
    cases = {row[0] for row in site.q("SELECT response_id FROM closeloop.cases")}

    def n(key, days, true=lambda i, a: True):
        return sum(1 for i, a in before if a[key] == it[key] and a["responded_at"] >= at - days * DAY and true(i, a))

    def unhappy(_, a):
        return a["nps"] is not None and a["nps"] <= 6

    counts, last = {}, None
    if it["customer_id"] not in (None, "anonymous"):
        counts = {"responses_30d": n("customer_id", 30), "detractors_30d": n("customer_id", 30, unhappy),
                  "cases_45d": n("customer_id", 45, lambda i, a: i in cases)}
        last = next((a for i, a in reversed(before) if a["customer_id"] == it["customer_id"]), None)
    if it["account"]:
        counts["detractors_20d_account"] = n("account", 20, unhappy)
    text = "history: { " + " ".join(f"{k} = {v};" for k, v in counts.items()) + " };"
    if last:
        ago = int((at - last["responded_at"]).total_seconds())
        text += f' previous: {{ ago = "{ago}s"; {group(last)[2:]};'
    return text


def as_test(site, told, number, explained, whose=True):
    results = result_of(explained["rules"])
    names = [[name for name, result in results.items() if result == wanted] for wanted in ("true", "missing")]
    kinds = {rule["rule"]: rule["kind"] for rule in explained["rules"]}
    matched = {kinds[name] for name in names[0]}
    kind = next((k for k in ("ignore", "case", "praise", "note") if k in matched), "none")
    expect = f"undecided = [ {', '.join(map(quoted, names[1]))} ]; kind = {quoted(kind)};"
    if kind != "ignore":
        expect += f" rules = [ {', '.join(map(quoted, names[0]))} ];"
    if kind == "case":
        expect += "".join(f" {k} = {quoted(explained[k])};" for k in ("priority", "route", "follow_up"))
    if kind == "case" and whose:
        team = next((step["target"][5:] for step in explained["trail"] if step["person"] and step["target"].startswith("team:")), None)
        expect += f" team = {quoted(team)};" if team else f" owner = {quoted(person_of(explained['trail']))};"
    answer = told[number]
    return (f"r{number}: {{ at = \"{answer['responded_at']:%Y-%m-%dT%H:%M:%S}Z\"; response: {group(answer)}; {past_of(site, told, number)}"
            f" expect: {{ {expect} }}; }};\n")


# ---- the comparison ----

OWNERS = (("account", "hanbit", "minsu"), ("account", "elbhof", "anna"), ("touchpoint+region", "installation+seoul", "minsu"),
          ("touchpoint+region", "service+busan", "anna"))


def agree(site, everything, changed=()):
    """Everybody says the same of each answer; or of those that were changed."""
    told = {i: everything[i] for i in changed or everything}
    live = {row[0]: row[1:] for row in site.q(
        "SELECT k.response_id, k.relation::text, k.rules, c.priority::text, c.owner, c.route, c.response_id FROM closeloop.case_responses AS k"
        " LEFT JOIN closeloop.cases AS c ON c.id = k.case_id")}
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        explained = dict(zip(told, pool.map(lambda i: say(site, "explain", str(i)), told)))
        trial = dict(zip(told, pool.map(lambda a: tried(site, a), told.values())))
        replay = dict(zip(told, pool.map(lambda a: replayed(site, a), told.values())))
    for i, answer in told.items():
        results = result_of(explained[i]["rules"])
        for who, said in (("try", result_of(trial[i]["rules"])), ("backtest", replayed_results(replay[i]))):
            different = {name: (results[name], said.get(name)) for name in results if said.get(name) != results[name]}
            assert not different and len(said) == len(results), f"{i}: explain and {who}: {different}; {answer} {explained[i]['record']}"
        assert explained[i]["winner"] == trial[i]["winner"], (i, answer)
        matched = [name for name, result in results.items() if result == "true"]
        if i in live:
            assert live[i][1] == matched, (i, answer, live[i])
        if i in live and i not in changed:
            compare_case(i, live[i], explained[i], trial[i], replay[i])
        elif i not in live:
            assert explained[i]["state"] == "not_matched" and (explained[i]["ignored"] or not matched), (i, explained[i])
            assert replay[i]["cases"]["opened"] == 0 and replay[i]["owners"] == {}, (i, replay[i])
    tests = "".join(f"owner_{n}: {{ dimension = {quoted(d)}; value = {quoted(v)}; person = {quoted(p)}; }};" for n, (d, v, p) in enumerate(OWNERS))
    (site.folder / "all.tests.conf").write_text("owners: { " + tests + " };\ntests: {\n" + "".join(
        # A changed answer leaves its case with whom it is.
        as_test(site, everything, i, explained[i], whose=i not in changed) for i in told) + "};\n", encoding="utf-8")
    done = site.closeloop("test", str(site.folder / "all.tests.conf"))
    assert done.returncode == 0, done.stdout + done.stderr
    return live


def compare_case(number, live, explained, trial, replay):
    relation, _, priority, owner, route, opener = live
    of = f"{number}: {live} {explained['held']} {explained['trail']}; trial {trial['trail']}; replay {replay['cases']} {replay['owners']}"
    assert explained["relation"] == relation, of
    if explained["winner"] is None:  # praise or a note
        assert relation in ("praised", "noted") and replay["cases"]["opened"] == 0, of
        return
    for key in ("priority", "route", "follow_up"):
        assert explained[key] == trial[key], of
    opened = opener == number
    told = {"opened": opened, "joined": relation == "joined", "cooldown": relation == "linked" and not opened}
    assert {k: replay["cases"][k] for k in told} == {k: int(v) for k, v in told.items()}, of
    if opened:
        assert priority == explained["priority"] or relation == "opened", of  # a later answer may have raised it
        assert (route, owner) == (explained["route"], person_of(explained["trail"])), of
        named = replay["owners"]
        assert list(named) in ([owner], ["team:field"]), of
        assert owner == person_of(trial["trail"]) or "team:field" in named, of


@pytest.fixture
def company(site):
    site.own(*OWNERS)
    return site


def test_over_weeks(company):
    """Answers of two months, one customer's merging within days; then some are changed."""
    site, r = company, random.Random(41)
    site.daemon(owners=False, cases='{ merge_within = "4d"; anonymous_ids = [ "anonymous" ]; }', top={"timezone": "Europe/Berlin"}, **SECTIONS)
    start = datetime.datetime.now(UTC).replace(microsecond=500000) - 60 * DAY
    customers = [f"c{i}" for i in range(14)] + [None, "anonymous"]
    times = sorted(r.sample(range(58 * 86400), 150))
    told = tell(site, [{**invent(r, customers), "responded_at": start + datetime.timedelta(seconds=s)} for s in times])
    live = agree(site, told)
    relations = {relation: sum(row[0] == relation for row in live.values()) for relation in ("opened", "joined", "linked", "noted", "praised")}
    assert all(n >= 3 for n in relations.values()) and len(live) < len(told), relations
    # The last answers of everybody, so that none of these is another one's past; where there is an account, its count stays.
    last = {a["customer_id"]: i for i, a in told.items()}
    changed = sorted(last.values())
    for n, i in enumerate(changed):
        news = ({"touchpoint": "service"}, {"contact_requested": True}, {"nps": 0}, {"nps": 9, "csat": None, "ratings": {}})
        new = news[n % (2 if told[i]["account"] else 4)]
        told[i] = {**told[i], **new}
        site.q(f"UPDATE closeloop.responses SET {', '.join(f'{k} = %s' for k in new)} WHERE id = %s",
               *(json.dumps(v) if isinstance(v, dict) else v for v in new.values()), i)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "judged anew")
    agree(site, told, changed)


def test_within_an_hour(company):
    """The same while a case that opened a moment ago keeps others quiet."""
    site, r = company, random.Random(43)
    site.daemon(owners=False, cases='{ merge_within = "2m"; cooldown = "1h"; anonymous_ids = [ "anonymous" ]; }', top={"timezone": "Asia/Seoul"},
                **SECTIONS)
    start = datetime.datetime.now(UTC).replace(microsecond=500000) - datetime.timedelta(minutes=20)
    customers = [f"c{i}" for i in range(8)] + [None, "anonymous"]
    times = sorted(r.sample(range(19 * 60), 60))
    told = tell(site, [{**invent(r, customers), "responded_at": start + datetime.timedelta(seconds=s)} for s in times])
    live = agree(site, told)
    cooled = [i for i, row in live.items() if row[0] == "linked" and row[5] != i]
    assert len(cooled) >= 3 and sum(row[0] == "joined" for row in live.values()) >= 3, live
