"""
backtest tells what the daemon does: twenty thousand answers (sanitized: four) are judged live, and replayed. Verdicts, cases and joins are the same; of
changed answers the past knows the last state, so what they led to before isn't compared.

SPDX-License-Identifier: Apache-2.0
"""
import csv
import datetime
import json
import os
import pathlib
import random

import psycopg2.extras

THOUSANDS = 4 if os.environ.get("CLOSELOOP_SANITIZE") else 20
ROOT = pathlib.Path(__file__).resolve().parents[2]
REVIEWS = ROOT.parent / "shared/data/reviews-ko.csv"
COLUMNS = ("customer_id", "account", "touchpoint", "region", "language", "nps", "csat", "ratings", "contact_requested", "comment", "attributes", "responded_at")
ROUTES = """{
  account: { owner = [ "from:attr.manager", "lookup:account", "team:care" ]; notify = [ ]; };
  field:   { owner = [ "lookup:touchpoint+region", "team:field" ]; notify = [ ]; };
}"""
# No rule ignores: what a rule says of a response that is ignored is recorded nowhere.
RULES = """{
  callback:  { when = "contact_requested"; priority = "urgent"; };
  field:     { when = "unhappy and touchpoint in ('installation', 'service')"; priority = "high"; route = "field"; };
  detractor: { when = "nps <= 6"; priority = "high"; };
  not-test:  { kind = "note"; when = "touchpoint != 'shop' and nps <= 3"; };
  gold:      { when = "attr.plan is 'gold' and unhappy"; priority = "urgent"; };
  words:     { when = "comment contains ('재미없', '최악', 'late')"; };
  pattern:   { kind = "note"; when = "comment matches '^.{0,4}$'"; };
  evening:   { kind = "note"; when = "hour(responded_at, 'Asia/Seoul') >= 18 and nps <= 6"; };
  weekend:   { kind = "note"; when = "weekday(responded_at) >= 6"; };
  turned:    { kind = "note"; when = "previous.nps >= 9 and nps <= 6"; };
  moved:     { kind = "note"; when = "previous.touchpoint = 'shop' and touchpoint is not 'shop'"; };
  often:     { kind = "note"; when = "history.responses(30d) >= 3"; };
  again:     { kind = "note"; when = "nps <= 6 and history.detractors(20d) >= 1"; };
  account:   { kind = "note"; when = "nps <= 6 and history.detractors(7d, account) >= 2"; };
  praise:    { kind = "praise"; when = "nps >= 9 and csat is missing"; };
}"""


def answers(n):
    """(comment, score, who, what) of real reviews where they are, else invented."""
    if REVIEWS.is_file():
        with open(REVIEWS, encoding="utf-8", newline="") as f:
            rows = list(csv.DictReader(f))
        return [(r["comment"] or None, int(r["rating_1_10"]), r["author"], r["item_id"]) for r in rows[:n]]
    r = random.Random(5)
    words = ["great", "late", "재미없어요", "최악", "ok", "nobody came", "zu spät", "친절", "again", None]
    return [(None if r.random() < 0.1 else " ".join(filter(None, r.choices(words, k=r.randint(1, 6)))), r.randint(0, 10),
             f"k{r.randint(1, 6000)}", str(r.randint(1, 900))) for _ in range(n)]


def past(n, seed=7):
    r = random.Random(seed)
    now = datetime.datetime.now(datetime.timezone.utc)
    times = sorted(now - datetime.timedelta(days=80 * r.random()) for _ in range(n))
    rows = []
    for at, (comment, score, who, what) in zip(times, answers(n)):
        who = r.choice([who, who, who, f"k{r.randint(1, 300)}", None, "anonymous", "shared" if r.random() < 0.3 else who])
        rows.append((who, r.choice([f"a{int(what) % 40}", "hanbit", None, " "]), r.choice(["installation", "Service", "shop", "delivery", None]),
                     r.choice(["seoul", "busan", None]), r.choice(["ko", "de"]), None if r.random() < 0.1 else score,
                     r.choice([None, None, 1, 4]), psycopg2.extras.Json({"speed": r.randint(1, 5)} if r.random() < 0.5 else {}),
                     r.random() < 0.02, comment, psycopg2.extras.Json({"plan": r.choice(["Gold", "silver"]), "manager": r.choice(["ben", "nobody", None])}
                                                                     if r.random() < 0.4 else {}), at))
    return rows


def insert(site, rows):
    with site.db.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, f"INSERT INTO closeloop.responses ({', '.join(COLUMNS)}) VALUES %s", rows, page_size=1000)


def judged(site):
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "everything judged", 120)


def live_matches(site, rules):
    """{rule: how many responses} as recorded."""
    found = dict(site.q("SELECT rule, count(*) FROM closeloop.case_responses, unnest(rules) AS rule GROUP BY 1"))
    return {name: found.get(name, 0) for name in rules}


def replayed(site):
    return json.loads(site.run("--json", "backtest", "--since", "90d"))


def configured(site, **sections):
    """Nobody is told: this is about cases."""
    site.configure(**{"routes": ROUTES, "rules": RULES, **sections})
    site.own(("account", "hanbit", "minsu"), *(("account", f"A{i}", ("anna", "ben", "olga")[i % 3]) for i in range(0, 40, 3)),
             ("touchpoint+region", "installation+seoul", "minsu"))


def compare(site, found, names):
    live = live_matches(site, names)
    assert {n: found["rules"][n]["matched"] for n in names} == live
    assert all(live[n] > 0 for n in names), live


def relations(site):
    found = dict(site.q("SELECT relation, count(*) FROM closeloop.case_responses GROUP BY 1"))
    return {r: found.get(r, 0) for r in ("opened", "joined", "linked", "noted", "praised")}


def test_thousands_of_answers_live_and_replayed(site):
    rows = past(THOUSANDS * 1000)
    configured(site, cases='{ anonymous_ids = [ "", "anonymous" ]; merge_within = "7d"; }')
    insert(site, rows)
    site.start()
    judged(site)
    found, live = replayed(site), relations(site)
    names = list(found["rules"])
    assert found["responses"] == len(rows) and len(names) == 15
    compare(site, found, names)
    cases = found["cases"]
    # A case that another owner's case kept it out of is opened all the same, and linked.
    assert (cases["opened"], cases["joined"]) == (live["opened"] + live["linked"], live["joined"]), (cases, live)
    assert (cases["noted"], cases["praised"], cases["reopened"]) == (live["noted"], live["praised"], 0)
    assert live["joined"] > 10 * THOUSANDS and live["opened"] > 250 * THOUSANDS, live
    assert found["same"] and found["cases_against"] == cases
    # Weeks, too: each match stands where the answer was given.
    until = found["until"]
    for name in ("detractor", "turned", "account"):
        weeks = dict(site.q("SELECT floor(extract(epoch FROM %s::timestamptz - interval '1 microsecond' - r.responded_at) / 604800)::int, count(*)"
                            " FROM closeloop.case_responses AS c JOIN closeloop.responses AS r ON r.id = c.response_id"
                            " WHERE %s = ANY (c.rules) GROUP BY 1", until, name))
        assert found["rules"][name]["weeks"] == [weeks.get(w, 0) for w in range(len(found["rules"][name]["weeks"]) - 1, -1, -1)], name
    amend(site, names)
    site.stop_daemons()


def amend(site, names):
    """What changed is judged anew; of the past only the last state is known, so verdicts are those of the last state too."""
    site.q("UPDATE closeloop.responses SET nps = 10, csat = 5 WHERE id IN (SELECT response_id FROM closeloop.cases ORDER BY id LIMIT 400)"
           " AND NOT contact_requested")
    site.q("UPDATE closeloop.responses SET nps = 1 WHERE id IN (SELECT r.id FROM closeloop.responses AS r LEFT JOIN closeloop.case_responses AS c"
           " ON c.response_id = r.id WHERE c.response_id IS NULL ORDER BY r.id LIMIT 300)")
    judged(site)
    found = replayed(site)
    compare(site, found, [n for n in names if n in ("callback", "field", "detractor", "gold", "words")])
    assert site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'amended'") > 300


def test_accounts_merge_as_they_do_live(site):
    rows = past(3_000, 11)
    configured(site, cases='{ merge_within = "3d"; merge_by = "account"; anonymous_ids = [ "anonymous" ]; }')
    insert(site, rows)
    site.start()
    judged(site)
    found, live = replayed(site), relations(site)
    compare(site, found, list(found["rules"]))
    cases = found["cases"]
    assert (cases["opened"], cases["joined"]) == (live["opened"] + live["linked"], live["joined"]), (cases, live)
    assert live["joined"] > 200, live
    site.stop_daemons()


def test_cases_that_were_resolved_are_resolved_in_the_replay(site):
    """Two answers a week apart: the first case was resolved in between, so the second one comes back to it."""
    configured(site, rules='{ detractor: { when = "nps <= 6"; }; twice: { kind = "note"; when = "history.cases(60d) >= 1"; }; }')
    site.start()
    first = site.respond(customer_id="kim", nps=2, responded_at=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=20))
    site.respond(customer_id="lee", nps=2, responded_at=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=20))
    judged(site)
    case = site.one("SELECT id FROM closeloop.cases WHERE response_id = %s", first)
    site.run("--as", "ben", "case", "resolve", str(case))
    site.q("UPDATE closeloop.cases SET resolved_at = now() - interval '18 days' WHERE id = %s", case)
    site.q("UPDATE closeloop.case_events SET at = now() - interval '18 days' WHERE case_id = %s AND kind = 'resolved'", case)
    for who in ("kim", "lee"):
        site.respond(customer_id=who, nps=1, responded_at=datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=15))
    judged(site)
    found, live = replayed(site), relations(site)
    assert (found["cases"]["opened"], found["cases"]["reopened"], found["cases"]["joined"]) == (2, 1, 1), found["cases"]
    assert live["opened"] == 2 and site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'reopened'") == 1
    assert found["rules"]["twice"]["matched"] == live_matches(site, ["twice"])["twice"] == 2
    # From the middle on: the cases from before are there.
    later = json.loads(site.run("--json", "backtest", "--since", "17d"))
    assert (later["cases"]["opened"], later["cases"]["reopened"], later["cases"]["joined"]) == (0, 1, 1), later["cases"]
    assert later["rules"]["twice"]["matched"] == 2
    site.stop_daemons()


# ---- budgets ----

LIMITS = "ROW('minsu', 'Asia/Seoul', %s, %s, 3, 2)::closeloop.alert_limits"


class Account:
    """What sql/008_budget.sql makes of mails in the past: the daemon's calls, with the time handed over."""

    def __init__(self, site, quiet):
        self.site, self.quiet, self.held, self.over = site, quiet, 0, set()

    def release_until(self, at):
        while True:
            due = self.site.one("SELECT digest_at FROM closeloop.alert_budgets WHERE person = 'minsu' AND digest_at <= %s", at)
            if due is None:
                return
            self.site.q(f"SELECT * FROM closeloop.digest_release(ARRAY[{LIMITS}], ARRAY[gen_random_uuid()], %s)", *self.quiet, due)

    def take(self, case, at, priority, asked):
        self.release_until(at)
        held = self.site.q(f"SELECT why FROM closeloop.budget_take(ARRAY[{LIMITS}], ARRAY[1], ARRAY[%s], ARRAY[%s], %s)",
                           *self.quiet, priority, asked, at)
        if not held:
            return
        self.held += 1
        if held[0][0] == "budget":
            self.over.add((at + datetime.timedelta(hours=9)).date().isoformat())
        self.site.q("INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, payload, dedup_key, state, held_for, created_at)"
                    " VALUES (gen_random_uuid(), %s, 'case.opened', 'email', 'email', 'minsu', '', gen_random_uuid()::text, 'held', %s, %s)",
                    case, held[0][0], at)


def test_budgets_hold_in_the_replay_what_postgresql_holds(site):
    """300 alerts of three days to one person with a budget and quiet hours: urgent ones, others, and those asked for as digests."""
    site.configure(top={"timezone": "Asia/Seoul"},
                   people='{ minsu: { name = "김민수"; email = "minsu@halden.example"; timezone = "Asia/Seoul"; quiet_hours = "20:00-08:00";'
                          ' alerts_per_hour = 3; urgent_per_hour = 2; }; }',
                   teams="{ }", routes='{ now: { owner = [ "person:minsu" ]; notify = [ "email:owner" ]; };'
                                       ' later: { owner = [ "person:minsu" ]; notify = [ "digest:owner" ]; }; }',
                   defaults='{ route = "now"; follow_up = "standard"; }', cases='{ merge_within = "0s"; }',
                   rules='{ urgent: { when = "nps <= 1"; priority = "urgent"; }; low: { when = "nps between 2 and 5"; };'
                         ' asked: { when = "nps = 6"; route = "later"; }; }')
    r = random.Random(3)
    start = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0) - datetime.timedelta(days=5)
    # Storms and quiet times.
    times = sorted(start + datetime.timedelta(seconds=r.choice([r.uniform(0, 3 * 86400), 30000 + r.uniform(0, 5000), 120000 + r.uniform(0, 9000)]))
                   for _ in range(300))
    account = Account(site, (20 * 60, 8 * 60))
    site.q("ALTER TABLE closeloop.responses DISABLE TRIGGER USER")
    for i, at in enumerate(times):
        nps = r.choice([0, 1, 2, 3, 4, 5, 5, 6])
        response = site.respond(nps=nps, customer_id=f"c{i}", responded_at=at)
        case = site.one("INSERT INTO closeloop.cases (response_id, owner, priority, opened_at) VALUES (%s, 'minsu', %s, %s) RETURNING id",
                        response, "urgent" if nps <= 1 else "normal", at)
        account.take(case, at, 3 if nps <= 1 else 1, nps == 6)
    found = json.loads(site.run("--json", "backtest", "--since", "10d"))
    assert found["cases"]["opened"] == 300 and found["owners"]["minsu"]["alerts"] == 300
    assert found["cases"]["in_digests"] == account.held and 100 < account.held < 290, (found["cases"], account.held)
    assert found["owners"]["minsu"]["over_budget"] == sorted(account.over) and account.over
    site.q("DELETE FROM closeloop.messages")
    site.q("DELETE FROM closeloop.cases")
