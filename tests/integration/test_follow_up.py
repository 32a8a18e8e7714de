"""
Promises come due: reminders, escalation, waiting, closing by itself, and the webhooks of every transition.

SPDX-License-Identifier: Apache-2.0
"""
import json

from company import text_of

STEPS = """{ standard: { acknowledge_within = "3h"; resolve_within = "1d"; remind_every = "1h"; remind_at_most = 2;
  escalate: { boss: { when = "unacknowledged"; to = "manager"; };
              head: { when = "unacknowledged"; after = "4h"; to = "lookup:account"; }; }; }; }"""


def types(site):
    return [json.loads(r.body)["type"] for r in site.hook.requests]


def an_hour_passes(site, true, what):
    """For all cases; what has been said so far was settled before."""
    site.settled()
    site.q("UPDATE closeloop.cases SET opened_at = opened_at - interval '1 hour', acknowledge_due_at = acknowledge_due_at - interval '1 hour',"
           " next_action_at = now()")
    site.hurried(true, what)


def events(site):
    return [e[0] for e in site.q("SELECT kind FROM closeloop.case_events ORDER BY id")]


def subjects(mails):
    return [str(m.message["Subject"]) for m in mails]


def test_a_case_that_nobody_acknowledges_is_reminded_then_escalated(site):
    site.daemon(follow_ups=STEPS)
    site.own(("account", "acme", "minsu"))
    site.respond(account="elbhof")
    site.mails(1, to="anna")
    for n in (2, 3):
        an_hour_passes(site, lambda: len(site.mailbox.to("anna@halden.example")) == n, f"reminder {n - 1}")
    ours = site.mailbox.to("anna@halden.example")
    assert subjects(ours)[1:] == [f"Re: {subjects(ours)[0]}"] * 2
    assert "1 von 2" in text_of(ours[1])
    assert "2 von 2" in text_of(ours[2])
    an_hour_passes(site, lambda: site.mailbox.to("olga@halden.example"), "the manager")
    assert "Anna Groß" in text_of(site.mailbox.to("olga@halden.example")[0])
    # The last step names whoever owns the account, who is Anna again.
    an_hour_passes(site, lambda: len(site.mailbox.to("anna@halden.example")) == 4, "the last step")
    site.wait(lambda: types(site).count("case.escalated") == 2, "the webhooks of both steps")
    assert types(site) == ["case.opened", "case.reminder", "case.reminder", "case.escalated", "case.escalated"]
    assert events(site) == ["opened", "reminded", "reminded", "escalated", "escalated"]
    body = json.loads(site.hook.requests[3].body)["data"]
    assert body["event"]["kind"] == "escalated"
    assert body["case"]["status"] == "open"


def test_acknowledging_stops_reminders_and_webhooks_tell_of_every_move(site):
    site.daemon(follow_ups="""{ standard: { acknowledge_within = "1d"; remind_every = "1h"; remind_at_most = 3; close_after = "2s"; }; }""")
    site.respond(account="elbhof")
    site.mails(1, to="anna")
    site.run("--as", "anna", "case", "acknowledge", "1")
    # What still waits when a case ends is cancelled, so each move is told of before the next is made.
    site.wait(lambda: "case.acknowledged" in types(site), "its webhook")
    an_hour_passes(site, lambda: site.one("SELECT next_action_at IS NULL FROM closeloop.cases"), "nothing left to do")
    assert types(site) == ["case.opened", "case.acknowledged"]
    site.run("--as", "anna", "case", "resolve", "1", "--note", "phoned")
    site.wait(lambda: site.one("SELECT status::text FROM closeloop.cases") == "closed", "closed by itself")
    site.wait(lambda: "case.closed" in types(site), "its webhook")
    assert types(site) == ["case.opened", "case.acknowledged", "case.resolved", "case.closed"]
    assert events(site) == ["opened", "acknowledged", "resolved", "closed"]
    assert len(site.mailbox.to("anna@halden.example")) == 1
    site.run("--as", "ben", "case", "reopen", "1", "--note", "not solved")
    again = site.mails(2, to="anna")[1]
    assert "Ben Hall" in text_of(again) and "not solved" in text_of(again)
    site.wait(lambda: "case.reopened" in types(site), "its webhook")
    site.run("--as", "anna", "case", "dismiss", "1", "--note", "a test")
    site.wait(lambda: types(site)[4:] == ["case.reopened", "case.dismissed"], "the rest")


def test_waiting_comes_back_by_itself_and_the_owner_is_told(site):
    site.daemon(follow_ups='{ standard: { acknowledge_within = "1h"; resolve_within = "1h"; }; }')
    site.respond(account="elbhof")
    site.mails(1, to="anna")
    site.q("SELECT closeloop.case_transition(1, 'wait', 'anna', 'spare part', jsonb_build_object('until', now() + interval '2 seconds'))")
    mail = site.mails(2, to="anna")[1]
    assert "spare part" in text_of(mail)
    assert site.one("SELECT status::text FROM closeloop.cases") == "acknowledged"


def test_what_falls_due_together_is_one_mail(site):
    site.daemon(follow_ups='{ standard: { acknowledge_within = "1h"; remind_every = "1h"; remind_at_most = 1; }; }')
    with site.connect() as connection, connection.cursor() as cursor:
        for i in range(20):
            site.respond(cursor, customer_id=f"k{i}", account="elbhof")
    site.mails(20, to="anna")
    an_hour_passes(site, lambda: len(site.mailbox.to("anna@halden.example")) == 21, "the digest")
    mails = site.mailbox.to("anna@halden.example")
    assert "20" in str(mails[20].message["Subject"])
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'held'") == 0, "the end of what was held")
    assert len(site.mailbox.to("anna@halden.example")) == 21
    assert site.q("SELECT state::text, count(*) FROM closeloop.messages WHERE kind = 'case.reminder'"
                  " AND channel = 'email' GROUP BY 1") == [("sent", 20)]


def closed(site, **answer):
    """A case that was resolved; its id."""
    site.respond(**answer)
    site.mails(1)
    site.run("--as", "anna", "case", "resolve", "1", "--note", "phoned")


def test_the_next_score_says_whether_the_customer_was_won_back(site):
    site.daemon()
    closed(site, account="elbhof", account_name="Elbhof Wohnen", customer_id="k7", customer_phone="+49 40 123", nps=2)
    site.respond(customer_id="k7", nps=9, comment=None)  # no rule matches
    mail = site.mails(2, to="anna")[1]
    assert "Elbhof Wohnen" in str(mail.message["Subject"]) and "+49 40 123" in text_of(mail)
    assert "2" in text_of(mail) and "9" in text_of(mail)
    assert site.one("SELECT outcome::text FROM closeloop.cases") == "recovered"
    assert events(site)[-1] == "outcome"
    site.wait(lambda: types(site)[-1:] == ["case.outcome"], "its webhook")
    site.respond(customer_id="k7", nps=1, comment=None, account="elbhof")  # and badly again: the loop opens again
    site.wait(lambda: site.one("SELECT status::text FROM closeloop.cases") == "open", "reopened")
    again = site.mails(3, to="anna")[2]
    assert "1/10" in text_of(again) and "2/10" in text_of(again)
    assert site.q("SELECT relation FROM closeloop.case_responses ORDER BY response_id") == [("opened",), ("joined",)]
    assert site.one("SELECT count(*), max(reopened) FROM closeloop.cases") == (1, 1)


def test_recurrence_may_link_a_new_case_that_goes_to_the_same_owner(site):
    site.daemon(cases='{ recurrence = "link"; }')
    closed(site, account="elbhof", customer_id="k7", nps=2)
    site.respond(customer_id="k7", nps=0, account="hanbit")  # would be minsu's
    assert [c[1] for c in site.cases(2)] == ["anna", "anna"]
    assert site.one("SELECT outcome::text FROM closeloop.cases WHERE id = 1") == "lost"
    assert site.q("SELECT relation FROM closeloop.case_responses ORDER BY response_id") == [("opened",), ("linked",)]
    assert site.one("SELECT details ->> 'linked_to' FROM closeloop.case_events WHERE case_id = 2 AND kind = 'opened'") == "1"


def test_anonymous_customers_have_no_history(site):
    site.daemon(cases='{ anonymous_ids = [ "walk-in" ]; }')
    closed(site, account="elbhof", customer_id="walk-in", nps=2)
    site.respond(customer_id="walk-in", nps=1, account="elbhof")
    site.cases(2)
    site.respond(customer_id="walk-in", nps=9)
    site.settled()
    assert site.one("SELECT outcome FROM closeloop.cases WHERE id = 1") is None
