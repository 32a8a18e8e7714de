"""
The main job: a response arrives, the responsible manager is alerted, the case is tracked.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

from company import text_of, verify


def test_a_detractor_opens_one_case_and_alerts_its_owner(site):
    site.daemon()
    response = site.respond(nps=2, account="hanbit", account_name="한빛정밀", customer_name="이서연", touchpoint="service",
                            customer_phone="010-0000-0000", comment="사흘째 연락이 없습니다", ratings={"service": 1})
    (mail,) = site.mails(1)
    (request,) = site.requests(1)
    ((case, owner, priority, status, rules, opener),) = site.cases(1)
    assert (owner, priority, status, rules, opener) == ("minsu", "high", "open", ["detractor"], response)

    assert mail.recipient == "minsu@halden.example"
    subject = mail.message["subject"]
    assert "2/10" in subject and f"C-{case}" in subject and "한빛정밀" in subject
    assert re.search("[가-힣]", subject.replace("한빛정밀", "")), f"not in the owner's language: {subject}"
    for text in (text_of(mail), text_of(mail, "html")):
        assert "사흘째 연락이 없습니다" in text and "010-0000-0000" in text and f"C-{case}" in text
    assert mail.message["auto-submitted"] == "auto-generated"

    body = verify(request)
    assert body["type"] == "case.opened"
    assert body["data"]["case"]["id"] == case and body["data"]["case"]["owner"] == "minsu"
    assert body["data"]["response"]["id"] == response and body["data"]["response"]["nps"] == 2
    assert not {"customer_name", "customer_email", "customer_phone"} & set(body["data"]["response"])
    assert request.headers["content-type"].startswith("application/json")
    site.settled()
    assert len(site.mailbox.mails) == 1 and len(site.hook.requests) == 1
    assert site.q("SELECT relation, case_id FROM closeloop.case_responses") == [("opened", case)]
    acknowledge, resolve = site.one("SELECT acknowledge_due_at - opened_at, resolve_due_at - opened_at"
                                    " FROM closeloop.cases")
    assert abs(acknowledge.total_seconds() - 4 * 3600) < 5 and abs(resolve.total_seconds() - 2 * 86400) < 5


def test_mail_is_in_the_language_of_the_person(site):
    site.daemon()
    site.respond(account="elbhof", comment="Zu spät")
    site.respond(account="hanbit", comment="늦었어요")
    site.respond(touchpoint="billing", comment="too late")
    site.mails(3)
    (anna,), (minsu,) = site.mailbox.to("anna@halden.example"), site.mailbox.to("minsu@halden.example")
    assert re.search(r"\b(bis|bitte|lösen|Kunde)\b", text_of(anna), re.I), text_of(anna)
    assert re.search("[가-힣]{2}.*(확인|해결)", text_of(minsu), re.S)
    (english,) = [m for m in site.mailbox.mails if m.recipient in ("ben@halden.example", "olga@halden.example")]
    assert re.search(r"acknowledge|solve", text_of(english), re.I)


def test_passives_and_promoters_open_nothing(site):
    site.daemon()
    for nps in (7, 8, 9, 10):
        site.respond(nps=nps, comment=None)
    site.settled()
    assert site.q("SELECT * FROM closeloop.cases") == [] and site.mailbox.mails == [] and site.hook.requests == []


def test_praise_reaches_the_owner_without_a_case(site):
    site.daemon()
    site.respond(nps=10, account="hanbit", comment="최고예요")
    (mail,) = site.mails(1, to="minsu")
    assert "최고예요" in text_of(mail) and "10/10" in mail.message["subject"] + text_of(mail)
    site.settled()
    assert site.q("SELECT * FROM closeloop.cases") == []
    assert site.q("SELECT relation, case_id FROM closeloop.case_responses") == [("praised", None)]


def test_the_highest_priority_decides_and_every_rule_is_kept(site):
    site.daemon()
    site.respond(nps=1, contact_requested=True, touchpoint="installation", region="seoul", account="elbhof")
    ((_, owner, priority, _, rules, _),) = site.cases(1)
    # callback is the highest; its route asks account first
    assert (owner, priority, rules) == ("anna", "urgent", ["callback", "field", "detractor"])
    site.settled()


def test_ignore_beats_all_and_note_only_records(site):
    rules = site.sections["rules"].rstrip("}") + """
      staff: { kind = "ignore"; when = "customer_email contains '@halden.example'"; };
      quiet: { kind = "note"; when = "nps is present and comment contains 'cancel'"; }; }"""
    site.daemon(rules=rules)
    site.respond(nps=0, customer_email="ben@halden.example")
    noted = site.respond(nps=8, comment="I will cancel")
    site.settled()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.case_responses") == 1, "one record")
    assert site.q("SELECT response_id, relation, rules FROM closeloop.case_responses") == [(noted, "noted", ["quiet"])]
    assert site.mailbox.mails == []


def test_an_update_opens_a_case_or_becomes_an_event(site):
    site.daemon()
    response = site.respond(nps=8, account="hanbit")
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.cases") == 0
    site.q("UPDATE closeloop.responses SET nps = 3 WHERE id = %s", response)
    ((case, owner, *_),) = site.cases(1)
    assert owner == "minsu"
    site.mails(1)
    site.settled()
    site.q("UPDATE closeloop.responses SET comment = 'and still nobody called' WHERE id = %s", response)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.case_events WHERE case_id = %s AND kind = 'amended'", case),
              "the event")
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.cases") == 1


def test_an_update_that_changes_nothing_is_not_judged_again(site):
    site.daemon()
    response = site.respond(nps=2)
    site.mails(1)
    site.settled()
    before = site.one("SELECT count(*) FROM closeloop.case_events")
    site.q("UPDATE closeloop.responses SET received_at = now(), nps = nps WHERE id = %s", response)
    assert site.one("SELECT count(*) FROM closeloop.inbox") == 0
    assert site.one("SELECT count(*) FROM closeloop.case_events") == before


def test_one_change_is_told_once(site):
    """Two inbox rows of one change come into different batches when the first batch read the answer as it is after both."""
    site.daemon()
    response = site.respond(nps=2, account="hanbit")
    site.mails(1)
    amended = lambda: site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'amended'")  # noqa: E731
    again = lambda: site.q("INSERT INTO closeloop.inbox (response_id) VALUES (%s); NOTIFY closeloop", response)  # noqa: E731
    again()
    site.settled()
    assert amended() == 0
    site.q("UPDATE closeloop.responses SET comment = 'and still nobody called' WHERE id = %s", response)
    site.wait(lambda: amended() == 1, "the amendment")
    again()
    site.settled()
    assert amended() == 1


def test_case_actions_move_the_case_and_are_written_down(site):
    site.daemon()
    site.respond(account="hanbit")
    ((case, *_),) = site.cases(1)
    shown = json.loads(site.run("--json", "case", "list"))
    assert [c["id"] for c in shown] == [case]
    site.run("--as", "minsu", "case", "ack", f"C-{case}")
    site.run("--as", "minsu", "case", "contacted", str(case), "--how", "phone", "--reached", "yes")
    site.run("--as", "minsu", "case", "resolve", f"C-{case}", "--cause", "late", "--note", "Called, apologised, new date")
    assert site.one("SELECT status::text, resolution IS NOT NULL, root_cause FROM closeloop.cases") == ("resolved", True, "late")
    site.run("--as", "minsu", "case", "close", f"C-{case}")
    site.run("--as", "minsu", "case", "ack", f"C-{case}", code=1)
    kinds = [k for (k,) in site.q("SELECT kind FROM closeloop.case_events ORDER BY id")]
    assert kinds == ["opened", "acknowledged", "contacted", "resolved", "closed"]
    site.settled()
