"""
What those who run closeloop are told: one mail for each incident, which names what to type; again only after it was over.

SPDX-License-Identifier: Apache-2.0
"""
import json

import pytest

OPS = ["email:ops@halden.example"]
# The lock under which incidents are told (sql/012_operators.sql): who holds it lets nobody tell any.
TELLING = 7310033114866869863
SOON = 45  # what nobody records is looked for with the heartbeat, every 15 s: mostly it is hurried here


def due_now(site):
    """Nobody waits for hours in a test: what is planned for later is due now."""
    site.q("UPDATE closeloop.messages SET next_at = now() WHERE state = 'queued'")
    site.q("UPDATE closeloop.endpoints SET until = now() WHERE until > now()")


def told(site, count, hurry=True):
    """Waits for so many mails to the operators; the text of the last."""
    there = lambda: len(site.mailbox.to("ops@halden.example")) >= count  # noqa: E731
    (site.hurried if hurry else site.wait)(there, f"{count} mails to the operators", SOON)
    mails = site.mailbox.to("ops@halden.example")
    assert len(mails) == count, [str(m.message["subject"]) for m in mails]
    message = mails[-1].message
    return f"{message['subject']}\n{message.get_body(('plain',)).get_content()}"


def lasting(site):
    return {tuple(row) for row in site.q("SELECT kind, subject FROM closeloop.operator_news WHERE ended_at IS NULL")}


def over(site):
    site.hurried(lambda: not lasting(site), lambda: f"the end of {lasting(site)}", SOON)


def looked(site):
    """A heartbeat later: what it saw is in the table, and told."""
    site.q("DELETE FROM closeloop.sources_seen WHERE source = 'heard'")
    site.respond(source="heard", customer_id="looked", nps=8)
    site.hurried(lambda: site.one("SELECT count(*) FROM closeloop.sources_seen WHERE source = 'heard'"), "a heartbeat", SOON)
    site.wait(lambda: not site.q("SELECT 1 FROM closeloop.operator_news WHERE told_at IS NULL"), "told")


def incidents(daemon, kind):
    return daemon.metric("operator_incidents", kind=kind)


def test_a_receiver_that_is_gone(site):
    site.hook.replies = [410, 410]
    daemon = site.daemon(top={"operators": OPS})
    site.respond(account="hanbit")
    text = told(site, 1, hurry=False)
    assert "crm is switched off" in text and "closeloop endpoint enable crm" in text and "410" in text
    site.hurried(lambda: incidents(daemon, "endpoint_disabled") == 1, "counted", SOON)
    site.respond(customer_id="k2", account="hanbit")
    site.mails(2, to="minsu")
    assert "closeloop endpoint enable crm" in site.closeloop("status").stdout
    told(site, 1)
    # Enabled, and gone again: that is news.
    site.run("endpoint", "enable", "crm")
    told(site, 2)
    site.run("endpoint", "enable", "crm")
    site.settled()
    site.hurried(lambda: incidents(daemon, "endpoint_disabled") == 0, "over", SOON)
    assert daemon.metric("operator_mails_total") == 2
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'operator' AND step = 'endpoint_disabled'") == 2
    site.may_differ.add("gone")


@pytest.mark.parametrize("status", [401, 403])
def test_a_webhook_that_refuses_us(site, status):
    site.hook.status = status
    daemon = site.daemon(top={"operators": OPS})
    site.respond(account="hanbit")
    text = told(site, 1)
    assert "crm refuses our credentials" in text and "closeloop resume crm" in text and str(status) in text
    site.respond(customer_id="k2", account="hanbit")
    site.wait(lambda: len(site.hook.requests) >= 2, "tried on")
    needs = json.loads(site.closeloop("--json", "status").stdout)["needs_a_person"]
    assert any(n["what"] == "crm" and "credentials" in n["text"] for n in needs), needs
    site.hook.status = 204
    site.wait(lambda: due_now(site) or site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook'"
                                                " AND state = 'sent'") == 2, "both sent", 60)
    over(site)
    told(site, 1)
    site.hook.status = status
    site.respond(customer_id="k3", account="hanbit")
    told(site, 2)
    assert incidents(daemon, "credentials") is not None
    site.hook.status = 204
    site.wait(lambda: due_now(site) or not lasting(site), "over", 60)
    site.settled()


def with_login(site, wanted):
    """The mail server offers no AUTH: credentials that are configured can't be used."""
    login = ' username = "closeloop"; password_file = "secret";' if wanted else ""
    site.configure(email=f'{{ url = "smtp://127.0.0.1:{site.mailbox.port}"; tls = "off"; connections = 2;{login}'
                         ' from = "Halden Care <care@halden.example>"; }')


def test_a_login_that_the_mail_server_refuses(site):
    with_login(site, True)
    daemon = site.daemon(top={"operators": OPS})
    site.respond(account="hanbit")
    site.wait(lambda: ("credentials", "email") in lasting(site), "the incident")
    site.wait(lambda: "incident=credentials subject=email" in daemon.log, "said at once in the log")
    site.hurried(lambda: incidents(daemon, "credentials") == 1, "and by a metric", SOON)
    assert site.mailbox.mails == []
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'operator' AND state = 'queued'") == 1
    for again in (2, 3):  # resumed before it was mended: each time a person did it, each time it fails anew
        site.run("resume", "email")
        site.wait(lambda again=again: site.one("SELECT count(*) FROM closeloop.operator_news WHERE told_at IS NOT NULL") == again, "again")
    with_login(site, False)
    daemon.hang_up()
    site.wait(lambda: daemon.log.count("reload: ruleset") == 1, "the reload")
    site.run("resume", "email")
    text = told(site, 3)
    assert "The mail server refuses our login" in text and "closeloop resume email" in text and "closeloop check --online" in text
    site.mails(1, to="minsu")
    site.settled()
    assert lasting(site) == set()


def test_a_person_whose_mail_is_refused(site):
    site.mailbox.replies["minsu@halden.example"] = "550 5.1.1 No such user"
    daemon = site.daemon(top={"operators": OPS})
    site.respond(account="hanbit")
    text = told(site, 1)
    assert "Mail to minsu is refused" in text and "minsu@halden.example" in text and "5.1.1 No such user" in text
    assert "closeloop person import" in text
    site.mails(1, to="olga")
    site.respond(customer_id="k2", account="hanbit")
    site.mails(2, to="olga")
    needs = json.loads(site.closeloop("--json", "status").stdout)
    assert any(n["what"] == "minsu" for n in needs["needs_a_person"]), needs
    assert [(i["kind"], i["subject"]) for i in needs["incidents"]] == [("mail_refused", "minsu")]
    site.hurried(lambda: incidents(daemon, "mail_refused") == 1, "counted", SOON)
    told(site, 1)
    site.mailbox.replies.clear()
    site.respond(customer_id="k3", account="hanbit")
    site.mails(1, to="minsu")
    over(site)
    site.mailbox.replies["minsu@halden.example"] = "550 5.1.1 No such user"
    site.respond(customer_id="k4", account="hanbit")
    told(site, 2)
    site.settled()
    assert "halden.example" not in daemon.log, "addresses don't belong into the log"


def test_nobody_is_left_who_could_be_told(site):
    site.mailbox.replies.update({f"{p}@halden.example": "550 5.1.1 No such user" for p in ("minsu", "olga", "ben", "anna")})
    daemon = site.daemon(top={"operators": OPS})
    holder = site.connect()  # nobody is told until all of it is known
    holder.cursor().execute("SELECT pg_advisory_lock(%s)", (TELLING,))
    site.respond(account="hanbit")
    site.wait(lambda: ("nobody_left", "ben") in lasting(site) or ("nobody_left", "olga") in lasting(site), "nobody left")
    person = next(subject for kind, subject in lasting(site) if kind == "nobody_left")
    site.settled()
    holder.close()
    site.hurried(lambda: not site.q("SELECT 1 FROM closeloop.operator_news WHERE told_at IS NULL"), "all told")
    site.settled()
    texts = [f"{m.message['subject']}\n{m.message.get_body(('plain',)).get_content()}" for m in site.mailbox.to("ops@halden.example")]
    (nobody,) = [t for t in texts if "Nobody could be told" in t]
    assert person in nobody and f"closeloop case list --owner {person}" in nobody
    assert len(texts) == len({t.splitlines()[0] for t in texts}), "one mail each"
    assert not [t for t in texts if f"Mail to {person} is refused" in t], "not a second one about the same"
    assert daemon.log.count("incident=nobody_left") == 1


def test_a_receiver_that_fails_for_long(site):
    site.hook.status = 503
    site.daemon(top={"operators": OPS})
    for i in range(6):
        site.respond(customer_id=f"k{i}", account="hanbit")
    site.wait(lambda: due_now(site) or site.one("SELECT breaker <> 'closed' FROM closeloop.endpoints WHERE name = 'crm'"), "broken", 60)
    assert not lasting(site), "a minute of trouble is no incident"
    site.wait(lambda: due_now(site) or site.one("SELECT failures >= 10 FROM closeloop.endpoints WHERE name = 'crm'"),
              "five failed probes", 90)
    text = told(site, 1)
    assert "crm keeps failing" in text and "closeloop endpoint test crm" in text and "503" in text
    site.hook.status = 204
    site.wait(lambda: due_now(site) or not lasting(site), "over", 60)
    site.wait(lambda: due_now(site) or site.one("SELECT count(*) = 0 FROM closeloop.messages WHERE state = 'queued'"), "all sent", 60)
    told(site, 1)


def test_a_person_pauses_and_nobody_is_told(site):
    site.daemon(top={"operators": OPS})
    site.run("pause", "crm")
    site.run("endpoint", "disable", "crm")
    site.respond(account="hanbit")
    site.mails(1, to="minsu")
    looked(site)
    assert site.mailbox.to("ops@halden.example") == [] and lasting(site) == set()
    site.run("endpoint", "enable", "crm")
    site.run("resume", "crm")
    site.settled()


def test_a_source_that_falls_silent(site):
    daemon = site.daemon(top={"operators": OPS})
    site.q("INSERT INTO closeloop.responses (source, nps, customer_id, received_at, responded_at)"
           " SELECT 'shop', 8, 'd' || d, now() - d * interval '1 day', now() - d * interval '1 day' FROM generate_series(4, 10) AS d")
    text = told(site, 1, hurry=False)  # the heartbeat itself
    assert "No responses from shop for 4" in text and "closeloop response list" in text
    assert "shop" in site.closeloop("status").stdout
    looked(site)
    told(site, 1)
    site.respond(source="shop", nps=8)
    over(site)
    site.q("UPDATE closeloop.responses SET received_at = now() - interval '20 days' WHERE source = 'shop' AND received_at > now() - interval '1 day';"
           " UPDATE closeloop.sources_seen SET last_at = now() - interval '20 days' WHERE source = 'shop'")
    told(site, 2)
    assert incidents(daemon, "source_silent") is not None


def test_killed_between_the_cause_and_the_mail(site):
    site.hook.replies = [410]
    site.mailbox.replies["minsu@halden.example"] = "550 5.1.1 No such user"
    daemon = site.daemon(top={"operators": OPS})
    holder = site.connect()
    holder.cursor().execute("SELECT pg_advisory_lock(%s)", (TELLING,))
    site.respond(account="hanbit")
    site.wait(lambda: len(lasting(site)) == 2, lambda: f"both incidents: {lasting(site)}")
    site.mails(1, to="olga")
    site.settled()
    daemon.kill()
    assert site.mailbox.to("ops@halden.example") == []
    holder.close()
    site.start()
    site.mails(2, to="ops")
    site.settled()
    subjects = sorted(str(m.message["subject"]) for m in site.mailbox.to("ops@halden.example"))
    assert len(subjects) == 2 and "minsu" in subjects[0] + subjects[1] and "crm" in subjects[0] + subjects[1], subjects
    site.run("endpoint", "enable", "crm")
    site.may_differ.add("gone")


def test_two_daemons_and_two_operators(site):
    site.configure(top={"operators": [*OPS, "email:night@halden.example"]})
    site.own(("account", "hanbit", "minsu"))
    first, second = site.start(), site.start(configuration=site.second_configuration())
    site.hook.status = 410
    for i in range(6):
        site.respond(customer_id=f"k{i}", account="hanbit")
    site.mailbox.replies["anna@halden.example"] = "550 5.1.1 No such user"
    site.own(("account", "elbhof", "anna"))
    for i in range(6):
        site.respond(customer_id=f"a{i}", account="elbhof")
    site.mails(2, to="ops")
    site.mails(2, to="night")
    site.wait(lambda: site.one("SELECT count(*) = 0 FROM closeloop.messages WHERE channel = 'email'"
                               " AND state IN ('queued', 'leased')"), "all mails sent")
    counted = [daemon.metric("operator_mails_total") for daemon in (first, second)]
    assert sum(counted) == 4, counted
    assert len(site.mailbox.to("ops@halden.example")) == 2 and len(site.mailbox.to("night@halden.example")) == 2
    site.hook.status = 204
    site.run("endpoint", "enable", "crm")
    site.settled()
    site.may_differ.add("gone")


def test_many_incidents_are_no_flood(site):
    site.daemon(top={"operators": OPS, "language": "en"})
    site.run("pause", "email")
    site.q("SELECT closeloop.operator_open('dead_messages', 'hook' || i, '{}'), closeloop.wake() FROM generate_series(1, 22) AS i")
    site.wait(lambda: not site.q("SELECT 1 FROM closeloop.operator_news WHERE told_at IS NULL"), "told", SOON)
    site.q("SELECT closeloop.operator_open('dead_messages', 'more' || i, '{}'), closeloop.wake() FROM generate_series(1, 5) AS i")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.operator_news WHERE told_at IS NULL AND look_at > now()") == 5,
              "the rest put off", SOON)
    site.run("resume", "email")
    mails = site.mails(11, to="ops")
    site.settled()
    assert len(site.mailbox.to("ops@halden.example")) == 11
    (many,) = [m for m in mails if "12 more incidents" in str(m.message["subject"])]
    assert "closeloop status" in many.message.get_body(("plain",)).get_content()
    site.q("UPDATE closeloop.operator_news SET look_at = now(), told_at = told_at - interval '2 hours'")
    site.q("UPDATE closeloop.messages SET sent_at = sent_at - interval '2 hours', created_at = created_at - interval '2 hours'"
           " WHERE kind = 'operator'")
    site.q("SELECT closeloop.wake()")
    site.mails(16, to="ops", seconds=SOON)


def test_nobody_is_named(site):
    site.hook.replies = [410]
    daemon = site.daemon()
    site.respond(account="hanbit")
    site.wait(lambda: "incident=endpoint_disabled subject=crm: no mail is written of it" in daemon.log, "the log says it")
    site.run("endpoint", "enable", "crm")
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'operator'") == 0
    site.may_differ.add("gone")
