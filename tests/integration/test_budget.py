"""
Storms, from outside: how many mails a person gets, what is held for a digest, quiet hours, mornings; and that nothing is lost.

An hour is made to pass by ageing the rows that remember it (`an_hour_passes`).

SPDX-License-Identifier: Apache-2.0
"""
import datetime
import json
import re

from company import text_of

UTC = datetime.timezone.utc


def hours(start_in_minutes, end_in_minutes):
    """Quiet hours around now, in UTC."""
    now = datetime.datetime.now(UTC)
    return "-".join((now + datetime.timedelta(minutes=m)).strftime("%H:%M") for m in (start_in_minutes, end_in_minutes))


def people(**more):
    """ben, anna and olga on UTC, with what is given beside; minsu as he is."""
    lines = {"ben": 'name = "Ben Hall"; email = "ben@halden.example"; reports_to = "olga";',
             "anna": 'name = "Anna Groß"; email = "anna@halden.example"; language = "de"; reports_to = "olga";',
             "minsu": 'name = "김민수"; email = "minsu@halden.example"; language = "ko"; reports_to = "olga";',
             "olga": 'name = "Olga Hart"; email = "olga@halden.example";'}
    return "{ " + " ".join(f'{p}: {{ timezone = "UTC"; {text} {more.get(p, "")} }};' for p, text in lines.items()) + " }"


BEN = {"defaults": '{ route = "mail"; follow_up = "standard"; priority = "normal"; }',
       "rules": '{ callback: { when = "contact_requested"; priority = "urgent"; }; detractor: { when = "nps <= 6"; };'
                ' praise: { kind = "praise"; when = "nps >= 9 and comment is present"; }; }'}


def flood(site, n, **values):
    """n detractors in one transaction, worse and better ones."""
    columns = {"source_id": "'flood-' || g", "customer_id": "'c' || g", "customer_name": "'Customer ' || g", "nps": "g % 7",
               "comment": "'It was late again, number ' || g", **values}
    site.q(f"INSERT INTO closeloop.responses ({', '.join(columns)}) SELECT {', '.join(columns.values())}"
           f" FROM generate_series(1, {n}) AS g")


def states(site, to="ben"):
    return dict(site.q("SELECT state::text, count(*)::int FROM closeloop.messages WHERE recipient = %s AND kind <> 'digest'"
                       " GROUP BY 1", to))


def an_hour_passes(site):
    site.q("UPDATE closeloop.messages SET created_at = created_at - interval '1 hour' WHERE state = 'held'")
    site.q("UPDATE closeloop.alert_budgets SET digest_at = digest_at - interval '1 hour',"
           " left_at = ARRAY(SELECT t - interval '1 hour' FROM unnest(left_at) AS t ORDER BY t),"
           " urgent_at = ARRAY(SELECT t - interval '1 hour' FROM unnest(urgent_at) AS t ORDER BY t)")


def all_final(site, seconds=60):
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state IN ('queued', 'leased', 'held')") == 0,
              lambda: f"final: {site.q('SELECT recipient, state, kind, count(*) FROM closeloop.messages GROUP BY 1, 2, 3')}", seconds)


def test_over_budget_goes_out_as_one_digest(site):
    site.daemon(top={"alerts_per_hour": 3}, **BEN)
    flood(site, 10)
    site.mails(3, to="ben")
    site.settled()
    assert states(site) == {"sent": 3, "held": 7}
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'held' AND payload = '' AND held_for = 'budget'") == 7
    assert "held" in site.run("message", "list", "--state", "held")
    an_hour_passes(site)
    digest = site.mails(4, to="ben")[3]
    all_final(site)
    assert states(site) == {"sent": 10}
    text = text_of(digest)
    assert digest.message["subject"].startswith("7 "), digest.message["subject"]
    assert "3 alerts" in text, text
    lines = re.findall(r"\b(\d)/10\b", text)
    assert len(lines) >= 7 and [int(x) for x in lines[:7]] == sorted(int(x) for x in lines[:7]), f"the worst first:\n{text}"
    assert len(set(re.findall(r"C-\d+", text))) == 7
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'digest'") == 1
    assert len(site.mailbox.to("ben@halden.example")) == 4


def test_a_flood_of_ten_thousand_loses_nothing(site):
    site.own(("account", "a0", "ben"), ("account", "a1", "anna"), ("account", "a2", "minsu"))
    site.daemon(top={"alerts_per_hour": 5}, owners=False, people=people(), **BEN)
    for number in range(10):
        with site.db.cursor() as cursor:
            cursor.execute("INSERT INTO closeloop.responses (customer_id, customer_name, account, nps, comment)"
                           " SELECT 'c' || %s || '-' || g, 'Customer ' || g, 'a' || g %% 3, g %% 7, 'Too late, and nobody answers. Number ' || g"
                           " FROM generate_series(1, 1000) AS g", (number,))
    site.settled(120)
    assert site.one("SELECT count(*) FROM closeloop.cases") == 10000
    for person in ("ben", "anna", "minsu"):
        assert len(site.mails(5, to=person)) == 5
        assert states(site, person)["sent"] == 5
    an_hour_passes(site)
    all_final(site, 120)
    for person in ("ben", "anna", "minsu"):
        mails = site.mails(6, to=person)
        assert len(mails) == 6, "the budget and one digest"
        assert set(states(site, person)) == {"sent"}
        assert len(set(re.findall(r"C-\d+", text_of(mails[5])))) <= 50 < states(site, person)["sent"]
    assert len(json.loads(site.run("--json", "case", "list", "--limit", "20000"))) == 10000
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE digest_id IS NOT NULL") == 10000 - 15


def test_urgent_passes_up_to_its_own_limit(site):
    site.daemon(top={"alerts_per_hour": 2, "urgent_per_hour": 3}, **BEN)
    flood(site, 4)
    site.mails(2, to="ben")
    flood(site, 5, source_id="'urgent-' || g", contact_requested="true", customer_id="'u' || g")
    site.mails(5, to="ben")
    site.settled()
    assert states(site) == {"sent": 5, "held": 4}
    an_hour_passes(site)
    assert site.mails(6, to="ben")[5].message["subject"].startswith("4 ")
    all_final(site)
    assert len(site.mailbox.to("ben@halden.example")) == 6


def test_quiet_hours_hold_all_but_urgent(site):
    site.daemon(top={"alerts_per_hour": 10}, people=people(ben=f'quiet_hours = "{hours(-60, 60)}";'), **BEN)
    flood(site, 3)
    site.respond(contact_requested=True, customer_id="u1")
    site.mails(1, to="ben")
    site.settled()
    assert dict(site.q("SELECT held_for, count(*)::int FROM closeloop.messages WHERE state = 'held' GROUP BY 1")) == {"quiet": 3}
    at = site.one("SELECT extract(epoch FROM digest_at - now())::int FROM closeloop.alert_budgets WHERE person = 'ben'")
    assert 58 * 60 <= at <= 60 * 60, "the end of quiet hours"
    # A night that is over: the daemon knows from its configuration, the rows are looked at.
    site.configure(people=people(ben=f'quiet_hours = "{hours(-120, -1)}"; morning = "{hours(-720, -720)[:5]}";'))
    site.daemons[0].hang_up()
    site.wait(lambda: "reload: ruleset" in site.daemons[0].log, "the reload")
    site.q("UPDATE closeloop.alert_budgets SET digest_at = now()")
    digest = site.mails(2, to="ben")[1]
    all_final(site)
    assert digest.message["subject"].startswith("3 ")
    assert len(site.mailbox.to("ben@halden.example")) == 2


def test_digest_targets_wait_for_the_full_hour(site):
    site.daemon(top={"alerts_per_hour": 10}, people=people(), **{**BEN, "routes": """{
        mail: { owner = [ "person:ben" ]; notify = [ "digest:owner", "email:person:anna" ]; };
        account: { owner = [ "person:ben" ]; notify = [ "email:owner" ]; }; }"""})
    flood(site, 4)
    site.mails(4, to="anna")
    site.settled()
    assert states(site) == {"held": 4} and not site.mailbox.to("ben@halden.example")
    seconds = site.one("SELECT extract(epoch FROM digest_at)::int FROM closeloop.alert_budgets WHERE person = 'ben'")
    assert seconds % 3600 == 0
    an_hour_passes(site)
    assert site.mails(1, to="ben")[0].message["subject"].startswith("4 ")
    all_final(site)


def test_what_was_acknowledged_meanwhile_is_not_asked_for(site):
    site.daemon(top={"alerts_per_hour": 1}, **BEN)
    flood(site, 4)
    site.mails(1, to="ben")
    site.settled()
    held = [case for case, in site.q("SELECT case_id FROM closeloop.messages WHERE state = 'held' ORDER BY seq")]
    site.run("--as", "ben", "case", "ack", f"C-{held[0]}")
    site.run("--as", "ben", "case", "dismiss", f"C-{held[1]}", "--note", "a test")
    an_hour_passes(site)
    digest = site.mails(2, to="ben")[1]
    all_final(site)
    assert set(re.findall(r"C-(\d+)", text_of(digest))) == {str(held[2])}
    assert states(site) == {"sent": 2, "cancelled": 2}


def test_two_daemons_write_one_digest(site):
    site.configure(top={"alerts_per_hour": 2}, **BEN)
    second = site.second_configuration()
    site.start()
    site.start(configuration=second)
    for i in range(8):
        flood(site, 25, source_id=f"'{i}-' || g", customer_id=f"'{i}-' || g")
    site.mails(2, to="ben")
    site.settled()
    assert states(site) == {"sent": 2, "held": 198}
    an_hour_passes(site)
    site.mails(3, to="ben")
    all_final(site)
    assert len(site.mailbox.to("ben@halden.example")) == 3


def test_a_refused_digest_goes_on_to_the_next_person(site):
    site.daemon(top={"alerts_per_hour": 1}, **BEN)
    flood(site, 4)
    site.mails(1, to="ben")
    site.settled()
    site.mailbox.replies["ben@halden.example"] = "550 5.1.1 no such user"
    an_hour_passes(site)
    site.mails(1, to="olga")
    site.wait(lambda: states(site) == {"sent": 1, "failed": 3}, "three undelivered alerts")
    site.wait(lambda: states(site, "olga") == {"sent": 1, "held": 2}, "olga's budget holds for her too")
    an_hour_passes(site)
    all_final(site)
    assert len(site.mails(2, to="olga")) == 2


def test_what_is_held_for_somebody_who_left_goes_on(site):
    site.daemon(top={"alerts_per_hour": 1}, people=people(), **BEN)
    flood(site, 3)
    site.mails(1, to="ben")
    site.settled()
    site.configure(people=people().replace("ben:", "benno:"), teams='{ care: { members = [ "olga" ]; }; }', routes="""{
        mail: { owner = [ "person:olga" ]; notify = [ "email:owner" ]; };
        account: { owner = [ "person:olga" ]; notify = [ "email:owner" ]; };
        field: { owner = [ "person:olga" ]; notify = [ "email:owner" ]; }; }""")
    site.daemons[0].hang_up()
    site.wait(lambda: "reload: ruleset" in site.daemons[0].log, "the reload")
    an_hour_passes(site)
    site.mails(1, to="olga")
    an_hour_passes(site)
    all_final(site)
    assert states(site)["failed"] == 2
    assert len(site.mails(2, to="olga")) == 2


def test_put_back_by_hand_a_held_message_is_never_sent_empty(site):
    site.daemon(top={"alerts_per_hour": 1}, **BEN)
    flood(site, 2)
    site.mails(1, to="ben")
    site.settled()
    held = site.one("SELECT id::text FROM closeloop.messages WHERE state = 'held'")
    site.run("message", "retry", held)
    assert site.mails(2, to="ben")[1].message["subject"]
    all_final(site)
    assert states(site) == {"sent": 2}


def test_the_morning_is_one_mail_with_what_is_due(site):
    soon = hours(-1, 60)[:5]
    site.configure(top={"alerts_per_hour": 10}, people=people(ben=f'morning = "{soon}";', anna=f'morning = "{soon}";'),
                   follow_ups='{ standard: { acknowledge_within = "1m"; resolve_within = "2d"; }; }', **BEN)
    site.start()
    flood(site, 2)
    site.mails(2, to="ben")
    site.settled()
    site.q("UPDATE closeloop.cases SET acknowledge_due_at = now() - interval '1 hour', next_action_at = now() + interval '1 hour'")
    site.q("DELETE FROM closeloop.mornings")  # nothing was due when the daemon came up
    morning = site.mails(3, to="ben", seconds=90)[2]  # mornings are looked for once a minute
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.mornings") == 2, "both mornings")
    all_final(site)
    assert len(set(re.findall(r"C-\d+", text_of(morning)))) == 2
    assert not site.mailbox.to("anna@halden.example"), "who has nothing due hears nothing"
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'morning'") == 1


def test_an_outage_of_the_mail_server_ends_in_one_digest(site):
    site.daemon(top={"alerts_per_hour": 2}, **BEN)
    site.run("pause")
    for i in range(3):
        flood(site, 5, source_id=f"'{i}-' || g", customer_id=f"'{i}-' || g")
        site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "judged")
        an_hour_passes(site)
    assert not site.mailbox.mails
    site.run("resume")
    site.mails(3, to="ben", seconds=60)
    all_final(site)
    assert len(site.mailbox.to("ben@halden.example")) == 3
    assert states(site) == {"sent": 15}


def test_killed_while_digests_leave_nothing_is_lost_and_nothing_comes_alone(site):
    site.configure(top={"alerts_per_hour": 3}, people=people(), **BEN)
    digests = "SELECT count(*) FROM closeloop.messages WHERE kind = 'digest'"
    moments = [lambda: states(site).get("held", 0) > 200,  # while alerts are held
               lambda: site.one(digests) > 0,  # the first digest is written
               lambda: site.one(digests + " AND state = 'sent'") > 0]  # and has left, what is bound to it may not have ended
    for i, moment in enumerate(moments):
        daemon = site.start()
        flood(site, 300, source_id=f"'{i}-' || g", customer_id=f"'{i}-' || g")
        if i:
            site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox") == 0, "judged")
            an_hour_passes(site)
        site.wait(moment, "the moment", 60)
        daemon.kill()
        site.excuse(daemon.leased())
        site.expire_leases(daemon)
    site.start()
    hours_passed = len(moments)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.cases") == 300 * len(moments), "every case", 60)
    while site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'held'"):
        site.settled(90)
        an_hour_passes(site)
        hours_passed += 1
        before = site.one(digests)
        site.wait(lambda: site.one(digests) > before or not states(site).get("held"), "another digest", 60)  # noqa: B023
        assert hours_passed < 10
    all_final(site, 90)
    assert set(states(site)) == {"sent"} and states(site)["sent"] == 300 * len(moments)
    assert len(site.mailbox.to("ben@halden.example")) <= 4 * (hours_passed + 1) + site.excuses
