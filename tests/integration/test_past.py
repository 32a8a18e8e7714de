"""
What a customer said before, in the daemon and in `try`: previous.X, history.X(D), whose past is nobody's, hours and weekdays, and rules
that begin and cease to ask while answers stream in.

SPDX-License-Identifier: Apache-2.0
"""
import json
import random
import threading

TURNED = '{ turned: { when = "previous.nps >= 9 and nps <= 6"; priority = "urgent"; }; }'


def rules(**whens):
    """Rules of kind note: each answer keeps what was seen of it, nobody is told."""
    return "{ " + " ".join(f'{name}: {{ kind = "note"; when = "{when}"; }};' for name, when in whens.items()) + " }"


def noted(site, response):
    """(rules, facts) of what was recorded; None when nothing matched."""
    row = site.one("SELECT rules, facts FROM closeloop.case_responses WHERE response_id = %s", response)
    return row and (sorted(row[0]), row[1])


def test_a_promoter_turned_detractor_is_urgent(site):
    site.daemon(rules=TURNED)
    site.respond(nps=10, customer_id="kim", responded_at="2026-01-10 09:00+00")
    site.respond(nps=7, customer_id="lee", responded_at="2026-01-10 09:00+00")
    site.settled()
    lee = site.respond(nps=1, customer_id="lee")
    site.respond(nps=1, customer_id="new")
    kim = site.respond(nps=2, customer_id="kim", account="hanbit", comment="not what it was")
    (case,) = site.cases(1)
    assert case[1:6] == ("minsu", "urgent", "open", ["turned"], kim)
    assert noted(site, kim)[1] == {"nps": 2, "previous": {"nps": 10}}
    site.settled()
    assert noted(site, lee) is None
    (mail,) = site.mails(1)
    assert "not what it was" in mail.message.get_body(("plain",)).get_content()


def test_every_kind_of_fact_of_the_answer_before(site):
    before = {"nps": 3, "csat": 4, "touchpoint": "Installation", "comment": "it ' broke", "contact_requested": True, "channel": "web",
              "ratings": {"delivery": 2, "설치": 1}, "attributes": {"plan": "gold", "arr": 7}, "responded_at": "2027-03-01 09:00+00"}
    site.daemon(attributes='{ plan = "text"; arr = "number"; manager = "text"; }', rules=rules(
        all="previous.nps = 3 and previous.csat = 4 and previous.contact_requested and previous.comment contains 'broke'"
            " and previous.touchpoint = touchpoint and previous.rating['설치'] <= 1 and previous.rating.delivery = 2"
            " and previous.attr.plan = 'gold' and previous.attr.arr > 6 and previous.ces is missing"
            " and days_since(previous.responded_at) between 1 and 1.5 and weekday(previous.responded_at, 'Asia/Seoul') = 1",
        first="previous.responded_at is missing", other="previous.region is missing"))
    first = site.respond(customer_id="k", **before)
    site.settled()
    second = site.respond(customer_id="k", touchpoint="installation", responded_at="2027-03-02 12:00+00")
    other = site.respond(customer_id="other", touchpoint="installation", responded_at="2027-03-02 12:00+00")
    site.settled()
    assert noted(site, first)[0] == ["first", "other"] == noted(site, other)[0]
    names, facts = noted(site, second)
    assert names == ["all", "other"]
    assert facts["previous"]["rating"] == {"delivery": 2, "설치": 1} and facts["previous"]["attr"] == {"plan": "gold", "arr": 7}
    assert facts["days_since(previous.responded_at)"] == 1.125


def counted(site, response):
    return noted(site, response)[1].get("history", {})


def test_counts_and_their_windows(site):
    site.daemon(rules=rules(a="history.responses(7d) >= 0 or contact_requested = false", b="history.detractors(7d) >= 0",
                            c="history.responses(30d) >= 0", d="history.detractors(30d, account) >= 0"))
    at = "2027-03-31 09:00:00+00"
    for days, nps, account in ((0.5, 6, "acme"), (6.99, 7, "acme"), (7, 0, "other"), (7.01, 0, "acme"), (29, None, "acme")):
        site.q("INSERT INTO closeloop.responses (nps, customer_id, account, responded_at)"
               " VALUES (%s, 'k', %s, %s::timestamptz - %s * interval '24 hours')", nps, account, at, days)
    site.respond(nps=1, customer_id="k", account="acme", responded_at="2027-03-31 09:00:00.000001+00")  # later
    site.respond(nps=1, customer_id="someone", account="acme", responded_at="2027-03-20 09:00+00")
    now = site.respond(nps=9, customer_id="k", account="acme", responded_at=at)
    # Of the same instant: the one stored first came before.
    same = site.respond(nps=9, customer_id="k", account="acme", responded_at=at)
    site.settled()
    assert counted(site, now) == {"responses(7d)": 3, "detractors(7d)": 2, "responses(30d)": 5, "detractors(30d, account)": 3}
    assert counted(site, same)["responses(7d)"] == 4
    # Changed later, it is judged anew with the past of its own time.
    site.q("UPDATE closeloop.responses SET comment = 'changed' WHERE id = %s", now)
    site.settled()
    assert counted(site, now)["responses(7d)"] == 3


def test_two_detractors_of_an_account(site):
    site.daemon(rules='{ account: { when = "nps <= 6 and history.detractors(30d, account) >= 1"; priority = "high"; }; }')
    site.respond(nps=3, customer_id="a", account="hanbit", responded_at="2027-03-01 09:00+00")
    site.respond(nps=3, customer_id="b", account="elbhof", responded_at="2027-03-02 09:00+00")
    site.respond(nps=3, customer_id="n", responded_at="2027-03-02 09:00+00")
    site.respond(nps=3, customer_id="n", responded_at="2027-03-02 10:00+00")
    site.settled()
    second = site.respond(nps=5, customer_id="c", account="hanbit", responded_at="2027-03-20 09:00+00")
    late = site.respond(nps=5, customer_id="d", account="elbhof", responded_at="2027-05-20 09:00+00")
    (case,) = site.cases(1)
    assert case[1] == "minsu" and case[5] == second
    site.settled()
    assert noted(site, late) is None and site.one("SELECT count(*) FROM closeloop.cases") == 1


def test_cases_count_by_the_answer_that_opened_them(site):
    site.daemon(rules='{ bad: { when = "nps <= 2"; }; often: { kind = "note"; when = "history.cases(30d) >= 1"; }; '
                      'seen: { kind = "note"; when = "history.cases(30d) >= 0 or history.cases(30d, account) >= 0"; }; }')
    site.respond(nps=1, customer_id="k", account="acme", responded_at="2027-03-01 09:00+00")
    site.settled()
    site.run("case", "dismiss", "C-1", "--note", "a mistake")
    fine = site.respond(nps=9, customer_id="k", account="acme", responded_at="2027-03-30 09:00+00")
    late = site.respond(nps=9, customer_id="k", account="acme", responded_at="2027-04-30 09:00+00")
    colleague = site.respond(nps=9, customer_id="c", account="acme", responded_at="2027-03-30 09:00+00")
    site.settled()
    assert noted(site, fine)[0] == ["often", "seen"] and noted(site, late)[0] == ["seen"] == noted(site, colleague)[0]
    assert counted(site, fine) == {"cases(30d)": 1, "cases(30d, account)": 1}
    assert counted(site, colleague) == {"cases(30d)": 0, "cases(30d, account)": 1}


ANY = rules(seen="history.responses(90d) >= 0 or previous.nps >= 0 or contact_requested = false", asked="history.responses(90d) >= 2")


def test_whose_past_is_nobodys(site):
    site.daemon(rules=ANY, cases='{ anonymous_ids = [ "0", "till" ]; }')
    for who in (None, " ", "till", "0", "real"):
        for _ in range(3):
            last = site.respond(nps=5, customer_id=who)
        site.settled()
        assert (noted(site, last)[0] == ["asked", "seen"]) == (who == "real"), who
        assert ("history" in noted(site, last)[1]) == ("previous" in noted(site, last)[1]) == (who == "real")


def test_a_kiosk_is_no_person(site):
    site.daemon(rules=ANY)
    # 49 within a day, and one just outside it: the fiftieth is a person's.
    site.q("INSERT INTO closeloop.responses (nps, customer_id, responded_at) SELECT 5, 'busy', '2027-03-02 09:00+00'::timestamptz"
           " - i * interval '29 minutes' FROM generate_series(1, 49) AS i")
    site.respond(customer_id="busy", responded_at="2027-03-01 09:00:00+00")
    busy = site.respond(customer_id="busy", responded_at="2027-03-02 09:00+00")
    site.settled()
    assert counted(site, busy) == {"responses(90d)": 50} and noted(site, busy)[1]["previous"] == {"nps": 5}
    # And one more within the day.
    site.respond(customer_id="busy", responded_at="2027-03-02 08:00+00")
    last = site.respond(customer_id="busy", responded_at="2027-03-02 09:00+00")
    site.settled()
    assert "history" not in noted(site, last)[1] and "previous" not in noted(site, last)[1]
    # Sixty a day for a month: nothing of it is history, and when it is quiet again a person's is, up to the latest 1,000.
    site.q("INSERT INTO closeloop.responses (nps, customer_id, responded_at) SELECT 5, 'kiosk', '2027-03-02 09:00+00'::timestamptz"
           " - i * interval '24 minutes' FROM generate_series(1, 1800) AS i")
    kiosk = site.respond(customer_id="kiosk", responded_at="2027-03-02 09:00+00")
    quiet = site.respond(customer_id="kiosk", responded_at="2027-03-03 12:00+00")
    site.settled()
    assert "history" not in noted(site, kiosk)[1]
    assert counted(site, quiet) == {"responses(90d)": 1000}


def test_two_answers_of_one_customer_in_one_batch(site):
    site.configure(rules=rules(second="history.responses(1d) >= 1 and previous.nps >= 9", seen="history.responses(1d) >= 0"))
    # Stored in the wrong order, before the daemon is there.
    late = site.respond(nps=1, customer_id="k", responded_at="2027-03-02 10:00+00")
    early = site.respond(nps=9, customer_id="k", responded_at="2027-03-02 09:00+00")
    site.start()
    site.settled()
    assert noted(site, late)[0] == ["second", "seen"] and noted(site, early)[0] == ["seen"]
    assert counted(site, late) == {"responses(1d)": 1} and counted(site, early) == {"responses(1d)": 0}


def test_an_answer_that_cannot_be_read_is_no_past(site):
    site.daemon(rules=rules(seen="previous.rating.q1 >= 0 or history.responses(90d) >= 0"))
    site.q("INSERT INTO closeloop.responses (nps, customer_id, ratings) SELECT 5, 'k', jsonb_object_agg('q' || i, i)"
           " FROM generate_series(1, 500) AS i")
    for moment in ("-infinity", "4713-01-01 00:00+00 BC"):
        site.respond(customer_id="k", responded_at=moment)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NOT NULL") == 2, "two are set aside")
    now = site.respond(customer_id="k")
    site.wait(lambda: noted(site, now), "it is judged")
    assert noted(site, now) == (["seen"], {"history": {"responses(90d)": 1}})
    site.may_differ.add("inbox")


def test_a_row_alone_is_judged_with_its_past(site):
    """A batch that fails is halved, and its rows are claimed one by one, with other statements."""
    site.q("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN
                IF NEW.customer_id = 'poison' THEN RAISE EXCEPTION 'this one can''t be stored'; END IF;
                RETURN NEW;
              END $$""")
    site.q("CREATE TRIGGER refuse BEFORE INSERT ON closeloop.cases FOR EACH ROW EXECUTE FUNCTION refuse()")
    site.configure(rules='{ again: { when = "history.responses(90d) >= 1 and previous.nps = 9 and nps <= 6"; }; }')
    site.q("INSERT INTO closeloop.responses (nps, customer_id, responded_at) SELECT 9, who, now() - interval '2 days'"
           " FROM unnest(ARRAY['a', 'b', 'c', 'poison']) AS who")
    site.q("INSERT INTO closeloop.responses (nps, customer_id) SELECT 1, who FROM unnest(ARRAY['a', 'poison', 'b', 'new', 'c']) AS who")
    site.start()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NOT NULL"), "the row is set aside", 40)
    site.settled()
    assert site.q("SELECT r.customer_id, c.facts -> 'history' ->> 'responses(90d)' FROM closeloop.case_responses AS c"
                  " JOIN closeloop.responses AS r ON r.id = c.response_id ORDER BY 1") == [("a", "1"), ("b", "1"), ("c", "1")]
    # Given back, it is judged by the statement for one.
    site.q("DROP TRIGGER refuse ON closeloop.cases")
    site.run("inbox", "retry", "--all")
    assert len(site.cases(4)) == 4


def test_hours_and_weekdays_are_postgresqls(site):
    """The table that a zone becomes against AT TIME ZONE: gaps, folds, half hours, and years for which there is only a rule."""
    zones = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Africa/Casablanca", "America/St_Johns",
             "Europe/Dublin", "Africa/Cairo", "Pacific/Apia", "Asia/Tehran", "America/Santiago", "Antarctica/Troll"]
    pick = random.Random(20270302)
    # Unlike any of them: no zone of the configuration's.
    site.daemon(top={"timezone": "Asia/Seoul"}, rules=rules(**{
        f"z{i}": f"hour(responded_at, '{zone}') >= 0 and weekday(responded_at, '{zone}') >= 1" for i, zone in enumerate(zones)},
        own="hour(responded_at) >= 0 and weekday(responded_at) >= 1"))
    # The hour before and after each change of clocks, and any moments, up to 2199.
    site.q("CREATE TABLE moments AS SELECT DISTINCT at + k * interval '30 minutes' - interval '1 second' AS at"
           " FROM (SELECT at FROM unnest(%s::text[]) AS zone,"
           "   LATERAL (SELECT at, at AT TIME ZONE zone - lag(at) OVER (ORDER BY at) AT TIME ZONE zone <> interval '6 hours' AS moved"
           "     FROM generate_series(%s::timestamptz, %s, '6 hours') AS at) AS steps WHERE moved) AS changes, generate_series(-12, 2) AS k",
           zones, "2026-12-01 00:00+00", "2027-12-01 00:00+00")
    for year in (1971, 1990, 1999, 2007, 2011, 2024, 2037, 2038, 2050, 2087, 2100, 2199):
        for _ in range(60):
            site.q("INSERT INTO moments VALUES (make_timestamptz(%s, 1, 1, 0, 0, 0, 'UTC') + %s * interval '1 second')", year,
                   pick.randrange(365 * 86400))
    site.q("INSERT INTO closeloop.responses (customer_id, responded_at) SELECT 'm' || row_number() OVER (), at FROM moments")
    site.settled(60)
    assert site.one("SELECT count(*) FROM closeloop.case_responses") > 800
    for zone, name in [*((z, f"responded_at, '{z}'") for z in zones), ("Asia/Seoul", "responded_at")]:
        wrong = site.q("SELECT r.responded_at, c.facts FROM closeloop.case_responses AS c JOIN closeloop.responses AS r ON r.id = c.response_id"
                       " WHERE (c.facts ->> %s)::int IS DISTINCT FROM extract(hour FROM r.responded_at AT TIME ZONE %s)"
                       " OR (c.facts ->> %s)::int IS DISTINCT FROM extract(isodow FROM r.responded_at AT TIME ZONE %s)",
                       f"hour({name})", zone, f"weekday({name})", zone)
        assert wrong == [], zone


def test_rules_begin_and_cease_to_ask_while_answers_stream_in(site):
    plain = rules(low="nps <= 6", seen="nps >= 0")
    asking = rules(low="nps <= 6", seen="nps >= 0", again="history.responses(90d) >= 1", turned="previous.nps >= 9 and nps <= 6")
    other = rules(low="nps <= 6", seen="nps >= 0", again="history.detractors(30d) >= 1 or history.responses(30d, account) >= 0")
    daemon = site.daemon(rules=plain)
    ended = threading.Event()
    written = []

    def write():
        connection = site.connect()
        connection.autocommit = True
        with connection.cursor() as cursor:
            while not ended.is_set():
                written.append(site.respond(cursor, nps=len(written) % 11, customer_id=f"k{len(written) % 7}-{len(written) // 90}"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for round_rules in (asking, plain, other, asking, plain, asking):
            so_far = len(written)
            site.configure(rules=round_rules)
            site.run("reload")
            site.wait(lambda: len(written) > so_far + 60, "answers under these rules")
    finally:
        ended.set()
        writer.join()
    site.settled()
    rows = site.q("SELECT c.rules, c.facts, s.text FROM closeloop.case_responses AS c JOIN closeloop.rulesets AS s ON s.sha256 = c.ruleset")
    assert len(rows) == len(written)
    asked = [r for r in rows if "previous.nps" in r[2]]
    assert any("again" in r[0] for r in asked) and any("previous" in r[1] for r in asked)
    assert not any("history" in r[1] for r in rows if "history" not in r[2])
    # The same wants are prepared once: what was live before is known to the connection.
    assert "sqlstate" not in daemon.log


def test_try_knows_the_customer(site):
    site.daemon(rules='{ turned: { when = "previous.nps >= 9 and nps <= 6"; priority = "urgent"; };'
                      ' often: { when = "history.detractors(90d) >= 2"; priority = "high"; }; }')
    for nps in (3, 4, 10):
        site.respond(nps=nps, customer_id="c-17")
        site.settled()
    cases = site.one("SELECT count(*) FROM closeloop.cases")
    out = site.run("try", "nps=2", "customer_id=c-17")
    assert " ".join(out.split()).count("MATCH") == 2
    assert any(line.split() == ["turned", "MATCH", "urgent", "previous.nps", ">=", "9", "true", "10"] for line in out.splitlines())
    assert any(line.split()[-5:] == ["history.detractors(90d)", ">=", "2", "true", "2"] for line in out.splitlines()), out
    answer = json.loads(site.run("--json", "try", "nps=2", "customer_id=c-17"))
    assert answer["winner"] == "turned" and answer["action"] == "open"
    unknown = site.run("try", "nps=2", "customer_id=c-99")
    assert "no earlier response" in unknown and "no rule matches" in unknown
    assert "no customer id" in site.run("try", "nps=2")
    assert "anonymous id" in site.run("try", "nps=2", "customer_id=anonymous")
    assert site.one("SELECT count(*) FROM closeloop.cases") == cases and site.one("SELECT count(*) FROM closeloop.responses") == 3
