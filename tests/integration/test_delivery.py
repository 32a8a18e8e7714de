"""
How messages leave: retries, the breaker, endpoints that are gone, pauses, hold and redirect.

SPDX-License-Identifier: Apache-2.0
"""
import itertools
import json
import pathlib
import subprocess

import pytest

import servers
from company import SECRET, text_of, verify

TESTS = pathlib.Path(__file__).resolve().parents[1]


def due_now(site, probe=True):
    """Nobody waits for hours in a test: what is planned for later is due now."""
    site.q("UPDATE closeloop.messages SET next_at = now() WHERE state = 'queued'")
    if probe:
        site.q("UPDATE closeloop.endpoints SET until = now() WHERE until > now()")


def test_a_failing_endpoint_opens_the_breaker_and_delays_nobody_else(site):
    site.hook.status = 503
    daemon = site.daemon()
    for i in range(5):
        site.respond(customer_id=f"k{i}", account="hanbit")
    site.mails(5)
    site.wait(lambda: due_now(site, probe=False) or
              site.one("SELECT breaker = 'open' FROM closeloop.endpoints WHERE name = 'crm'"), "the breaker open", 60)
    assert daemon.metric("messages_total", channel="webhook", outcome="retry") >= 5
    site.wait(lambda: site.one("SELECT count(*) = 0 FROM closeloop.messages WHERE channel = 'webhook' AND state = 'leased'"), "nothing in flight")
    seen = len(site.hook.requests)
    site.hook.status = 204
    site.respond(customer_id="k9", account="hanbit")
    site.mails(6)
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook' AND state = 'sent'") == 0
    assert len(site.hook.requests) == seen, "nothing is sent while the breaker is open"
    site.wait(lambda: due_now(site) or
              site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook' AND state = 'sent'") == 6,
              "all six sent after the probe", 60)
    assert site.one("SELECT breaker FROM closeloop.endpoints WHERE name = 'crm'") == "closed"
    site.settled()


def test_a_claim_that_fails_holds_up_no_result(site):
    """A page that can't be read, say: what left meanwhile is written down all the same, or a restart would send it again."""
    site.hook.status = 503
    daemon = site.daemon()
    site.respond()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.attempts WHERE outcome = 'retry'") == 1, "a first try")
    site.q("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF OLD.state = 'queued' AND NEW.state = 'leased'"
           " THEN RAISE EXCEPTION 'no' USING ERRCODE = 'XX001'; END IF; RETURN NEW; END $$")
    site.q("CREATE TRIGGER refuse BEFORE UPDATE ON closeloop.messages FOR EACH ROW EXECUTE FUNCTION refuse()")
    site.hook.status = 204
    due_now(site)
    for i in range(3):
        site.respond(customer_id=f"k{i}", account="hanbit")
        site.wait(lambda: "XX001" in daemon.log and site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook'"
                                                             " AND state = 'sent'") == i + 1, "sent, and written down", 20)
    site.q("DROP TRIGGER refuse ON closeloop.messages")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state <> 'sent'") == 0, "the first one too", 20)
    site.settled()


def test_retry_after_is_honoured(site):
    site.hook.replies = [(503, {"Retry-After": "7200"}, 0)]
    site.daemon()
    site.respond()
    site.requests(1)
    site.wait(lambda: site.one("SELECT next_at > now() + interval '1 hour' FROM closeloop.messages"
                               " WHERE channel = 'webhook'"), "the wait asked for")
    due_now(site)
    site.requests(2)
    site.settled()
    first, second = site.hook.requests
    assert first.headers["webhook-id"] == second.headers["webhook-id"] and first.body == second.body


def test_gone_disables_the_endpoint_until_somebody_enables_it(site):
    site.hook.replies = [410]
    site.daemon()
    site.respond()
    site.wait(lambda: site.one("SELECT disabled FROM closeloop.endpoints WHERE name = 'crm'"), "disabled")
    site.respond(customer_id="k2")
    site.mails(2)
    assert len(site.hook.requests) == 1
    assert site.run("endpoint", "list").count("crm") >= 1
    site.closeloop("status")
    site.run("endpoint", "enable", "crm")
    site.requests(2)
    assert site.one("SELECT disabled FROM closeloop.endpoints WHERE name = 'crm'") is False
    site.may_differ.add("gone")


def test_a_redirect_is_no_success(site):
    site.hook.replies = [(307, {"Location": f"http://127.0.0.1:{site.hook.port}/elsewhere"}, 0)]
    site.daemon()
    site.respond()
    site.requests(1)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.attempts a JOIN closeloop.messages m ON m.id = a.message_id"
                               " WHERE m.channel = 'webhook' AND a.outcome <> 'sent'"), "the failure recorded")
    assert [r.path for r in site.hook.requests] == ["/crm"]
    due_now(site)
    site.mails(1)


def test_pause_keeps_messages_and_resume_sends_them(site):
    site.daemon()
    site.run("pause", "email")
    site.respond()
    site.requests(1)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook' AND state = 'sent'"), "sent")
    assert site.mailbox.mails == []
    site.run("resume", "email")
    site.mails(1)
    site.run("pause")
    numbers = itertools.count(1)

    def held():  # it takes effect within moments: until then, what comes is sent
        site.respond(customer_id=f"held{next(numbers)}")
        return site.one("SELECT count(DISTINCT channel) = 2 FROM closeloop.messages WHERE state = 'queued'"
                        " AND queued_at < clock_timestamp() - interval '1 second'")

    servers.wait_until(held, 30, "messages that stay", 0.3)
    assert "paused" in site.closeloop("status").stdout
    site.run("resume")
    site.settled()


# The session that looks for due messages has had nothing to do for longer than it takes until the next look is at all of them again.
LOOKED = ("SELECT count(*) > 0 AND max(state_change) < clock_timestamp() - interval '1.2 seconds' FROM pg_stat_activity"
          " WHERE application_name = 'closeloop' AND datname = current_database() AND query LIKE '%closeloop.messages%'")


@pytest.mark.parametrize("stop, go", [(("pause", "email"), ("resume", "email")), (("pause",), ("resume",)),
                                      (("endpoint", "disable", "email"), ("endpoint", "enable", "email"))])
def test_what_waited_leaves_as_soon_as_it_may(site, stop, go):
    """The look that finds an endpoint resumed was asked before that was known: another one follows."""
    site.daemon()
    for i in range(3):
        site.run(*stop)
        site.respond(customer_id=f"k{i}")
        site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state = 'queued'") == 1, "it waits")
        site.wait(lambda: site.one(LOOKED), "all that is due looked at, and not that")
        assert len(site.mailbox.mails) == i
        site.run(*go)
        site.mails(i + 1, seconds=8)  # the next look that nobody asks for comes after 15 s
    site.settled()


# The transaction of settling results, in its COMMIT: everything it asked for is answered after that.
SETTLING = ("SELECT xact_start::text FROM pg_stat_activity WHERE application_name = 'closeloop' AND datname = current_database()"
            " AND wait_event = 'PgSleep'")


@pytest.mark.parametrize("slow", ["DEFERRABLE INITIALLY DEFERRED", "NOT DEFERRABLE"])
def test_an_older_answer_does_not_take_back_a_pause(site, slow):
    """
    A round of the courier takes long, in its COMMIT or before it looks for what is due, and was asked when nobody had paused anything. The next
    batch has heard of the pause meanwhile: what it writes stays.
    """
    site.daemon(defaults='{ route = "mail"; follow_up = "standard"; priority = "normal"; }')
    site.q("CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1.5); RETURN NULL; END $$")
    site.q(f"CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON closeloop.attempts {slow} FOR EACH ROW EXECUTE FUNCTION slowly()")
    site.respond(customer_id="k0")
    first = site.wait(lambda: site.one(SETTLING), "the first result on its way into the table")
    site.respond(customer_id="k1")
    site.mails(2)
    site.q("SELECT pg_notify('closeloop', '')")  # so that the next round settles and looks
    second = site.wait(lambda: site.q(SETTLING + " AND xact_start <> %s::timestamptz", first), "the second one", 10)
    site.run("pause", "email")
    site.respond(customer_id="k2")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages") == 3, "the third judged")
    assert site.q(SETTLING) == second, "it is still at it: nothing is proved"
    site.wait(lambda: not site.q(SETTLING) and site.one(LOOKED), "the courier idle again")
    assert site.q("SELECT state::text, fence FROM closeloop.messages ORDER BY seq DESC LIMIT 1") == [("queued", 0)]
    assert len(site.mailbox.mails) == 2
    site.run("resume", "email")
    site.mails(3)


def test_endpoints_are_told_of_in_one_order(site):
    """By name, whichever came into the configuration first: two daemons that tell of the same ones can't wait for each other."""
    hook = f'{{ url = "http://127.0.0.1:{site.hook.port}/"; secret_file = "secret"; }}'
    site.hook.status = 503
    daemon = site.daemon(webhooks=f"{{ zeta: {hook}; }}", defaults='{ route = "both"; follow_up = "standard"; priority = "normal"; }',
                         routes='{ both: { owner = [ "person:ben" ]; notify = [ "webhook:zeta" ]; }; field: { owner = [ "person:ben" ];'
                         ' notify = [ "webhook:zeta" ]; }; }')
    site.configure(webhooks=f"{{ alpha: {hook}; zeta: {hook}; }}",
                   routes=site.sections["routes"].replace('"webhook:zeta"', '"webhook:zeta", "webhook:alpha"'))
    daemon.hang_up()
    site.wait(lambda: daemon.log.count("reload: ruleset=") == 1, "the second webhook")
    site.q("""CREATE TABLE told (n serial, name text, txid bigint);
        CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN INSERT INTO told (name, txid) VALUES (NEW.name, txid_current()); RETURN NULL; END $$;
        CREATE TRIGGER tell AFTER INSERT OR UPDATE ON closeloop.endpoints FOR EACH ROW EXECUTE FUNCTION tell();
        CREATE FUNCTION slowly() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NULL; END $$;
        CREATE CONSTRAINT TRIGGER slowly AFTER INSERT ON closeloop.attempts DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            EXECUTE FUNCTION slowly()""")
    site.respond(customer_id="k0")
    site.wait(lambda: site.one(SETTLING), "the first results on their way into the table")
    site.respond(customer_id="k1")  # its results are told of together
    both = "SELECT array_agg(name ORDER BY n) FROM told WHERE name <> '*' GROUP BY txid HAVING count(*) > 1"
    site.wait(lambda: site.q(both), "both told of at once")
    assert all(names == ["alpha", "zeta"] for names, in site.q(both)), site.q(both)
    site.q("UPDATE closeloop.messages SET state = 'cancelled' WHERE state = 'queued'")


def test_hold_keeps_everything_queued(site):
    daemon = site.daemon(top={"delivery": "hold"})
    site.respond()
    site.cases(1)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'queued'") == 2, "two queued")
    site.configure(top={"delivery": "live"})
    assert site.mailbox.mails == [] and site.hook.requests == []
    daemon.hang_up()
    site.mails(1)
    site.requests(1)
    site.settled()


def test_what_was_held_leaves_oldest_first(site):
    """Looks of the moments before, which weren't allowed to send, don't hide what has waited longest for the rest of a second."""
    daemon = site.daemon(top={"delivery": "hold"})
    site.respond(customer_id="first")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state = 'queued'") == 1, "queued")
    site.q("UPDATE closeloop.messages SET next_at = next_at - interval '1 minute'")
    for i in range(60):
        site.respond(customer_id=f"k{i}")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state = 'queued'") == 61, "all queued")
    site.configure(top={"delivery": "live"})
    daemon.hang_up()
    site.mails(61)
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.attempts a JOIN closeloop.messages m ON m.id = a.message_id WHERE m.channel = 'email'"
                    " AND a.id < (SELECT f.id FROM closeloop.attempts f WHERE f.message_id = (SELECT o.id FROM closeloop.messages o"
                    "  WHERE o.channel = 'email' ORDER BY o.seq LIMIT 1))") < 30


COUNT_CLAIMS = """
CREATE SEQUENCE public.claims;
CREATE FUNCTION public.count_claims() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF current_query() LIKE '%%FOR UPDATE OF q SKIP LOCKED%%' THEN PERFORM nextval('public.claims'); END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER count_claims BEFORE UPDATE ON closeloop.messages FOR EACH STATEMENT EXECUTE FUNCTION public.count_claims();
"""


def test_a_receiver_that_hangs_costs_the_others_nothing(site):
    """What waits for room there is looked for when there is some, not with each result of others nor with each response."""
    site.hook.delay = 60
    site.daemon()
    alerts = itertools.count(1)

    def alert():
        n = next(alerts)
        site.respond(customer_id=f"k{n}", account="hanbit")
        site.mails(n)
        return n

    while not site.one("SELECT EXISTS (SELECT FROM closeloop.messages WHERE channel = 'webhook' AND state = 'queued')"):
        alert()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state <> 'sent'") == 0, "mails settled")
    site.q(COUNT_CLAIMS)
    last = [alert() for _ in range(20)][-1]
    assert site.one("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM public.claims") < 5
    site.hook.delay = 0
    site.hook.closing.set()
    site.requests(last)
    site.settled()
    assert site.one("SELECT max(attempt) FROM closeloop.messages") == 1


def test_redirect_sends_every_mail_to_one_address(site):
    site.daemon(top={"delivery": "redirect:trial@halden.example"})
    site.respond(account="hanbit")
    site.respond(account="elbhof", customer_id="k2")
    mails = site.mails(2)
    assert {m.recipient for m in mails} == {"trial@halden.example"}
    texts = " ".join(str(m.message) + text_of(m) for m in mails)
    assert "minsu@halden.example" in texts and "anna@halden.example" in texts
    site.settled()


def test_a_redirect_holds_for_mails_that_were_waiting_before_it(site):
    daemon = site.daemon(top={"delivery": "hold"})
    site.respond(account="hanbit")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email' AND state = 'queued'") == 1, "one queued")
    site.configure(top={"delivery": "redirect:trial@halden.example"})
    daemon.hang_up()
    assert {m.recipient for m in site.mails(1)} == {"trial@halden.example"}
    site.settled()


def test_dead_letters_can_be_listed_and_sent_again(site):
    site.mailbox.replies.update({f"{p}@halden.example": "550 5.7.1 refused" for p in ("minsu", "olga", "ben", "anna")})
    site.daemon()
    site.respond(account="hanbit")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'email'"
                               " AND state IN ('failed', 'dead')") >= 1, "a refused mail")
    site.settled()
    listed = json.loads(site.run("--json", "message", "list", "--state", "failed"))
    assert listed and all(m["state"] == "failed" for m in listed)
    site.mailbox.replies.clear()
    site.run("message", "retry", listed[0]["id"])
    site.mails(1)
    site.settled()


@pytest.mark.skipif(not (TESTS / "node_modules/standardwebhooks").is_dir(), reason="npm ci was not run in tests/")
def test_the_signature_is_accepted_by_the_reference_library(site):
    site.daemon()
    site.respond(account="hanbit", comment="늦어요 – \"quoted\" \\ and  separators")
    (request,) = site.requests(1)
    assert verify(request)["data"]["response"]["comment"] == "늦어요 – \"quoted\" \\ and  separators"
    program = ("import { Webhook } from 'standardwebhooks'; let t = ''; process.stdin.on('data', d => t += d).on('end', () => {"
               " const r = JSON.parse(t); const seen = new Webhook(r.secret).verify(r.body, r.headers);"
               " console.log(seen.type); })")
    headers = {k: v for k, v in request.headers.items() if k.startswith("webhook-")}
    text = json.dumps({"secret": SECRET, "body": request.body.decode(), "headers": headers})
    done = subprocess.run(["node", "--input-type=module", "-e", program], cwd=TESTS, input=text, capture_output=True,
                          text=True, check=False)
    assert done.stdout.strip() == "case.opened", done.stderr
    site.settled()
