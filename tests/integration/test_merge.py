"""
A further answer of the same customer joins the case that stands; a changed one amends it.

SPDX-License-Identifier: Apache-2.0
"""
import psycopg2
import psycopg2.extras
import pytest

from company import text_of, verify


def relations(site):
    return [r for (r,) in site.q("SELECT relation FROM closeloop.case_responses ORDER BY response_id")]


def events(site, kind):
    return [d for (d,) in site.q("SELECT details FROM closeloop.case_events WHERE kind = %s ORDER BY id", kind)]


def amended(site):
    """The bodies of the webhooks that tell of a further or changed answer."""
    return [b for b in map(verify, site.hook.requests) if b["type"] == "case.amended"]


def first(text):
    return text_of(text).splitlines()[0]


def test_a_further_answer_joins_and_is_told_when_it_is_worse(site):
    site.daemon()
    one = site.respond(nps=3, account="hanbit", customer_phone="010-0000-0000")
    site.mails(1)
    site.settled()
    two = site.respond(nps=1, account="hanbit", comment="and nobody called")
    first_mail, second = site.mails(2)
    site.settled()
    assert relations(site) == ["opened", "joined"]
    assert site.one("SELECT count(*) FROM closeloop.cases") == 1
    (told,) = events(site, "joined")
    assert {k: told[k] for k in ("response_id", "score", "was", "was_response_id", "worse", "n", "rule", "through", "value")} == {
        "response_id": two, "score": "1/10", "was": "3/10", "was_response_id": one, "worse": True, "n": 1,
        "rule": "detractor", "through": "lookup:account", "value": "hanbit"}
    assert first(second) == "같은 고객의 새 응답: 1/10 (이전 3/10)"
    assert "and nobody called" in text_of(second) and "010-0000-0000" in text_of(second)
    assert second.message["subject"] == "Re: " + first_mail.message["subject"]
    assert second.message["references"] == first_mail.message["references"]
    (hook,) = amended(site)
    assert hook["data"]["event"]["kind"] == "joined" and hook["data"]["response"]["id"] == two
    assert site.one("SELECT kind, step FROM closeloop.messages WHERE channel = 'email' AND response_id = %s", two) == ("case.amended", "joined-1")

    shown = site.run("case", "show", "1")
    assert "joined        1/10 · " in shown and "and nobody called" in shown
    assert "one more answer 1/10 (response 2), worse than 3/10" in shown

    site.respond(nps=2, account="hanbit")  # no worse than what the owner knows
    site.settled()
    site.wait(lambda: len(amended(site)) == 2, "the webhook")
    site.settled()
    assert relations(site) == ["opened", "joined", "joined"]
    assert len(site.mailbox.mails) == 2
    assert "tell" not in events(site, "joined")[1]


def test_one_that_asks_for_contact_raises_and_moves_due_times_earlier_only(site):
    site.daemon(follow_ups='{ standard: { acknowledge_within = "4h"; resolve_within = "2d"; };'
                           ' hurry: { acknowledge_within = "30m"; resolve_within = "5d"; remind_every = "10m"; remind_at_most = 2; }; }',
                rules='{ callback: { when = "contact_requested"; priority = "urgent"; follow_up = "hurry"; notify = [ "email:person:olga" ]; };'
                      ' detractor: { when = "nps <= 6"; }; }')
    site.respond(nps=3, account="elbhof")
    site.mails(1)
    site.settled()
    before = site.one("SELECT acknowledge_due_at, resolve_due_at, opened_at, version FROM closeloop.cases")
    site.respond(nps=8, account="elbhof", contact_requested=True)
    mails = site.mails(3)
    site.settled()
    assert relations(site) == ["opened", "joined"]
    after = site.one("SELECT acknowledge_due_at, resolve_due_at, opened_at, version FROM closeloop.cases")
    assert site.one("SELECT priority::text, rules, raised_at IS NOT NULL FROM closeloop.cases") == ("urgent", ["detractor", "callback"], True)
    assert after[0] < before[0] and after[1:3] == before[1:3] and after[3] == before[3] + 1
    assert site.one("SELECT acknowledge_due_at - raised_at = '30 minutes' FROM closeloop.cases") is True
    to_owner = next(m for m in mails[1:] if "anna" in m.recipient)
    assert first(to_owner) == "Neue Antwort desselben Kunden: 8/10 (vorher 3/10) · bittet um Kontakt · Priorität jetzt: Dringend"
    (named,) = [m for m in mails if "olga" in m.recipient]
    assert not named.message["subject"].startswith("Re:"), "the first that Olga hears of it"
    # Calendars that change later put nothing off again.
    site.q("SELECT closeloop.follow_up_recompute(0, 10)")
    assert site.one("SELECT acknowledge_due_at, resolve_due_at FROM closeloop.cases") == after[:2]


def test_answers_of_one_batch_merge_among_themselves_in_the_order_they_were_given(site):
    site.configure()
    site.own(("account", "hanbit", "minsu"))
    ids = [site.respond(nps=n, account="hanbit", responded_at=f"2027-03-02T0{hour}:00:00Z", customer_id=who)
           for n, hour, who in ((2, 3, "k1"), (4, 1, "k1"), (1, 2, "k1"), (3, 1, "k2"), (5, 2, "k2"))]
    site.start()
    site.settled()
    site.cases(2)
    site.wait(lambda: len(amended(site)) == 3, "all told")
    site.settled()
    assert sorted(o for (o,) in site.q("SELECT response_id FROM closeloop.cases")) == [ids[1], ids[3]]
    assert [(d["response_id"], d["n"], d.get("was"), d["worse"]) for d in events(site, "joined")] == [
        (ids[2], 1, "4/10", True), (ids[4], 1, "3/10", False), (ids[0], 2, "1/10", False)]
    assert site.one("SELECT worst_response_id, last_response_at FROM closeloop.cases WHERE customer_id = 'k1'") == (
        ids[2], site.one("SELECT responded_at FROM closeloop.responses WHERE id = %s", ids[0]))


def test_another_owner_means_another_case_that_is_linked(site):
    site.daemon()
    site.respond(nps=3, account="hanbit")
    site.mails(1)
    site.settled()
    site.respond(nps=2, account="elbhof")
    site.mails(2)
    site.settled()
    assert relations(site) == ["opened", "linked"]
    assert [c[1] for c in site.cases(2)] == ["minsu", "anna"]
    assert events(site, "opened")[1]["linked_to"] == 1
    assert events(site, "opened")[1]["not_joined"] == {"why": "owner", "case": 1, "owner": "minsu"}
    assert "linked to     C-1, which is minsu's" in site.run("case", "show", "2")
    # The newest that fits: handed over since, it is still the one of Minsu's customer.
    site.run("--as", "olga", "case", "assign", "1", "--to", "ben")
    site.respond(nps=3, account="hanbit")
    site.wait(lambda: len(relations(site)) == 3, "judged")
    site.settled()
    assert relations(site) == ["opened", "linked", "joined"]
    assert events(site, "joined")[0]["response_id"] == 3
    assert site.one("SELECT case_id FROM closeloop.case_responses WHERE response_id = 3") == 1


def test_a_team_is_one_owner_and_nobodys_turn_comes(site):
    site.daemon()
    for _ in range(3):
        site.respond(nps=2, customer_id="k1", touchpoint="installation", region="busan")
        site.settled()
    site.respond(nps=2, customer_id="k2", touchpoint="installation", region="busan")
    site.settled()
    assert relations(site) == ["opened", "joined", "joined", "opened"]
    assert [c[1] for c in site.cases(2)] == ["anna", "ben"]
    assert site.one("SELECT position FROM closeloop.team_positions WHERE team = 'field'") == 2


@pytest.mark.parametrize("cases, gap, relation, why", (
    ('{ merge_within = "0s"; }', "0 s", "opened", None),
    ('{ merge_within = "2d"; }', "3 days", "opened", "window"),
    ('{ merge_within = "4d"; }', "3 days", "joined", None),
    ('{ merge_within = "4d"; anonymous_ids = [ "k1" ]; }', "3 days", "opened", "anonymous id"),
))
def test_when_a_further_answer_does_not_join(site, cases, gap, relation, why):
    site.daemon(cases=cases)
    site.q("INSERT INTO closeloop.responses (nps, customer_id, responded_at) VALUES (2, 'k1', now() - %s::interval)", gap)
    site.settled()
    site.cases(1)
    site.respond(nps=2)
    site.wait(lambda: len(relations(site)) == 2, "judged")
    site.settled()
    assert relations(site) == ["opened", relation]
    if relation == "opened":
        assert events(site, "opened")[1].get("not_joined", {}).get("why") == why


@pytest.mark.parametrize("nobody", (None, "", " \t"))
def test_nobody_without_an_id_joins(site, nobody):
    """Forms send an empty text; to forget it in anonymous_ids must not make strangers one customer."""
    site.daemon(cases='{ anonymous_ids = [ "walk-in" ]; cooldown = "1d"; }')
    for _ in range(2):
        site.respond(nps=2, customer_id=nobody)
        site.settled()
    assert relations(site) == ["opened", "opened"]
    assert "merge no customer id · cooldown no" in site.run("explain", "2")


def test_accounts_may_be_one(site):
    site.daemon(cases='{ merge_by = "account"; }')
    site.respond(nps=3, account="hanbit", customer_id="k1")
    site.settled()
    site.respond(nps=2, account="hanbit", customer_id="k2")
    site.respond(nps=2, account="elbhof", customer_id="k1")
    for nothing in ("", " ", " "):
        site.respond(nps=2, account=nothing, customer_id="k1")
    site.wait(lambda: len(relations(site)) == 6, "judged")
    site.settled()
    assert relations(site) == ["opened", "joined", "opened", "opened", "opened", "opened"]
    assert [a for (a,) in site.q("SELECT merge_account FROM closeloop.cases ORDER BY id")] == ["hanbit", "elbhof", None, None, None]


def test_a_thousand_answers_of_one_id(site):
    """The first fifty are one customer's; then the id is a kiosk's, and nothing may be swallowed by one case."""
    site.configure()
    with site.connect() as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO closeloop.responses (nps, customer_id) SELECT 2, 'kiosk' FROM generate_series(1, 1000)")
    site.start()
    site.settled(120)
    assert len(relations(site)) == 1000
    assert site.q("SELECT relation, count(*) FROM closeloop.case_responses GROUP BY 1 ORDER BY 1") == [("joined", 49), ("opened", 951)]
    assert site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'opened' AND details -> 'not_joined' ->> 'why' = 'shared id'") == 950


def test_soon_after_a_case_nothing_opens_unless_it_is_worse(site):
    site.daemon(cases='{ cooldown = "2d"; recurrence = "link"; outcome_within = "0s"; }')
    site.respond(nps=3, account="hanbit")
    site.mails(1)
    site.settled()
    site.run("--as", "minsu", "case", "resolve", "1", "--note", "done")
    quiet = site.respond(nps=2, account="hanbit")
    site.settled()
    site.wait(lambda: events(site, "cooldown"), "the event")
    assert relations(site) == ["opened", "linked"]
    assert site.one("SELECT case_id FROM closeloop.case_responses WHERE response_id = %s", quiet) == 1
    assert events(site, "cooldown")[0] | {"owner": 0} == {
        "response_id": quiet, "score": "2/10", "priority": "high", "rules": ["detractor"], "rule": "detractor", "owner": 0,
        "through": "lookup:account", "value": "hanbit", "tried": [{"target": "from:attr.manager", "why": "missing"}]}
    assert len(site.mailbox.mails) == 1
    site.respond(nps=3, account="hanbit", contact_requested=True)
    site.mails(2)
    site.settled()
    assert relations(site) == ["opened", "linked", "linked"]
    assert site.one("SELECT count(*) FROM closeloop.cases") == 2
    assert events(site, "opened")[1]["linked_to"] == 1


def test_who_comes_back_twice_in_one_batch_opens_the_case_again_once(site):
    daemon = site.daemon()
    site.respond(nps=3, account="hanbit")
    site.settled()
    site.run("--as", "minsu", "case", "resolve", "1", "--note", "done")
    daemon.stop()
    for n in (2, 1):
        site.respond(nps=n, account="hanbit")
    site.start()
    site.wait(lambda: len(relations(site)) == 3, "judged")
    site.settled()
    assert relations(site) == ["opened", "joined", "joined"]
    assert site.one("SELECT status::text, reopened FROM closeloop.cases") == ("open", 1)
    assert len(events(site, "reopened")) == 1
    assert events(site, "joined")[0]["was"] == "2/10"


# ---- a changed answer ----


def test_a_changed_answer_tells_what_has_changed(site):
    site.daemon()
    response = site.respond(nps=5, account="elbhof")
    opened, = site.mails(1)
    site.settled()
    site.q("UPDATE closeloop.responses SET nps = 2, comment = 'worse than I thought' WHERE id = %s", response)
    mail = site.mails(2)[1]
    site.settled()
    assert first(mail) == "Die Antwort wurde nachträglich geändert: vorher 5/10, jetzt 2/10."
    assert "worse than I thought" in text_of(mail)
    assert mail.message["subject"] == "Re: " + opened.message["subject"]
    (event,) = events(site, "amended")
    assert (event["was"], event["now"], event["worse"], event["matches"]) == ("5/10", "2/10", True, True)
    (hook,) = amended(site)
    assert hook["data"]["event"]["kind"] == "amended" and hook["data"]["event"]["details"]["was"] == "5/10"
    assert site.one("SELECT facts ->> 'nps', answer ->> 'nps' FROM closeloop.case_responses") == ("2", "2")
    # What nobody is shown is nobody's news, but the other systems hear of it.
    site.q("UPDATE closeloop.responses SET survey = 's' WHERE id = %s", response)
    site.wait(lambda: len(amended(site)) == 2, "the webhook")
    site.settled()
    assert len(site.mailbox.mails) == 2


def test_no_webhook_carries_what_rules_saw(site):
    """Facts may hold an address; receivers get one only with include = [ "contact" ]."""
    site.daemon(rules='{ staff: { kind = "ignore"; when = "customer_email contains \'@ours.example\'"; }; detractor: { when = "nps <= 6"; }; }')
    response = site.respond(nps=5, account="elbhof", customer_email="who@customer.example")
    site.respond(nps=4, account="elbhof", customer_email="who@customer.example")
    site.settled()
    site.q("UPDATE closeloop.responses SET nps = 2 WHERE id = %s", response)
    site.wait(lambda: len(amended(site)) == 2, "both webhooks")
    assert site.one("SELECT facts ->> 'customer_email' FROM closeloop.case_responses WHERE response_id = %s", response) == "who@customer.example"
    assert not [r for r in site.hook.requests if b"customer.example" in r.body]
    joined, changed = (h["data"]["event"]["details"] for h in amended(site))
    assert set(joined) == {"response_id", "n", "score", "was", "was_response_id", "worse", "rules", "rule", "owner", "through"}
    assert set(changed) == {"response_id", "matches", "now", "was", "worse", "rules"}
    site.settled()


def test_an_answer_withdrawn_dismisses_its_case_and_opens_it_when_it_comes_back(site):
    site.daemon()
    response = site.respond(nps=2, account="elbhof")
    site.mails(1)
    site.settled()
    site.q("UPDATE closeloop.responses SET nps = 9, comment = NULL WHERE id = %s", response)
    mail = site.mails(2)[1]
    site.settled()
    assert first(mail).startswith("Die Antwort wurde nachträglich geändert: vorher 2/10, jetzt 9/10. Der Fall hat sich damit erledigt")
    assert site.one("SELECT status::text FROM closeloop.cases") == "dismissed"
    site.wait(lambda: {"case.amended", "case.dismissed"} <= {verify(r)["type"] for r in site.hook.requests}, "both webhooks")
    site.q("UPDATE closeloop.responses SET nps = 1 WHERE id = %s", response)
    site.mails(3)
    site.settled()
    assert site.one("SELECT status::text, reopened FROM closeloop.cases") == ("open", 1)


@pytest.mark.parametrize("touch, kept", (
    (("ack", "1"), "it is acknowledged"), (("note", "1", "--note", "I know them"), "anna has worked on it")))
def test_a_case_that_somebody_has_touched_stays(site, touch, kept):
    site.daemon()
    response = site.respond(nps=2, account="elbhof")
    site.mails(1)
    site.settled()
    site.run("--as", "anna", "case", *touch)
    site.q("UPDATE closeloop.responses SET nps = 8, comment = NULL WHERE id = %s", response)
    mail = site.mails(2)[1]
    site.settled()
    assert first(mail) == "Die Antwort wurde nachträglich geändert: vorher 2/10, jetzt 8/10."
    assert events(site, "amended")[0]["kept"] == kept
    assert f"2/10 → 8/10, no rule matches: stays, because {kept}" in site.run("case", "show", "1")
    assert site.one("SELECT status::text FROM closeloop.cases") != "dismissed"


def test_nobody_dismisses_the_case_of_others(site):
    site.daemon()
    one, two = site.respond(nps=2, account="elbhof"), None
    site.settled()
    two = site.respond(nps=1, account="elbhof")
    site.mails(2)
    site.settled()
    for response in (one, two):
        site.q("UPDATE closeloop.responses SET nps = 8 WHERE id = %s", response)
        site.settled()
    site.wait(lambda: len(events(site, "amended")) == 2, "both")
    assert [e["kept"] for e in events(site, "amended")] == ["it has other answers"] * 2
    assert site.one("SELECT status::text FROM closeloop.cases") == "open"


# ---- at the same time ----


def test_two_daemons_open_one_case(site):
    site.daemon()
    site.start(configuration=site.second_configuration())
    connections = [site.connect() for _ in range(4)]
    for number in range(20):
        for connection in connections:
            with connection.cursor() as cursor:
                site.respond(cursor, nps=2, customer_id=f"k{number}", account="hanbit")
        for connection in connections:
            connection.commit()
    site.settled(60)
    assert site.one("SELECT count(*) FROM closeloop.case_responses") == 80
    assert site.q("SELECT customer_id, count(*) FROM closeloop.cases GROUP BY 1 HAVING count(*) <> 1") == []
    assert site.one("SELECT count(*) FROM closeloop.cases") == 20


def test_who_resolves_meanwhile_is_waited_for(site):
    """The case is resolved in a transaction that has not ended when the answer comes: it joins nothing then."""
    site.daemon(cases='{ outcome_within = "0s"; }')
    site.respond(nps=3, account="hanbit")
    site.mails(1)
    site.settled()
    person = site.connect()
    with person.cursor() as cursor:
        cursor.execute("SELECT closeloop.case_transition(1, 'resolve', 'minsu', 'done')")
    site.respond(nps=2, account="hanbit")
    site.wait(lambda: site.one("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%merge_candidates%%'"),
              "the daemon waits")
    person.commit()
    site.wait(lambda: len(relations(site)) == 2, "judged")
    site.settled()
    assert relations(site) == ["opened", "opened"]
    assert site.one("SELECT status::text FROM closeloop.cases WHERE id = 1") == "resolved"


def test_who_acts_on_what_they_have_not_read_is_told_so(site):
    site.daemon()
    site.respond(nps=3, account="hanbit")
    site.mails(1)
    site.settled()
    (version,) = site.q("SELECT version FROM closeloop.cases")[0]
    site.respond(nps=1, account="hanbit")
    site.mails(2)
    with pytest.raises(psycopg2.Error) as refused:
        site.q("SELECT closeloop.case_transition(1, 'dismiss', 'minsu', 'nothing', '{}', %s)", version)
    assert refused.value.pgcode == "CL001"
