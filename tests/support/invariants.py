"""
What must hold after every scenario, whatever broke in it. One checker for the suites integration and fault.

  I1  each committed matching response has exactly one row in case_responses, and its messages reach a final state
  I2  each message was seen by its receiver under one id with one body; a copy only where an acknowledgement was lost
  I3  nothing comes of a transaction that rolled back
  I4  states move legally, each move is one event
  I5  a late worker's failure is dropped, its success is kept (test_kill has the scenario; here: no message is undone)
  I6  once the fault is gone the backlog drains and /readyz returns (Site.recovered)
  I7  documented exit codes, no sanitizer's report, flat descriptors and memory, no secret and no customer's word in a log,
      PostgreSQL's included
  I8  one sick receiver doesn't delay the others (the scenarios with a healthy neighbour measure it)
  I9  what is held for a digest leaves with it, once, and never alone and empty
  I10 a reminder, a warning, a step of an escalation happens once per case and round, and somebody is told of it
  I11 an answer that joins a case is one event of it, and no customer has two cases that stand with one owner

The accounts of I2: a lease raises `fence` by one and permits one delivery. So a message arrives at most as often as it
was leased without a recorded refusal: attempts that say `sent` or that got no answer, and leases whose end nobody
recorded. And over the whole scenario there are no more copies than it had reasons for (Site.excuse): acknowledgements
it cut, messages leased by a daemon that it killed or kept from the database.

SPDX-License-Identifier: Apache-2.0
"""
import base64
import collections
import hashlib
import hmac
import json
import re

SECRET_BYTES = bytes(range(24))
SECRET = "whsec_" + base64.b64encode(SECRET_BYTES).decode()
REPORTS = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|ThreadSanitizer|runtime error:|Assertion .* failed")
LINK = re.compile(r"http://127\.0\.0\.1:\d+/[a-z]/([\w-]{40,})")
# What PostgreSQL logs of a session of ours: a line, and those that go on behind a tab. Statements of an application are its own affair.
OURS = re.compile(r"^\S+ \S+ \S+ \[\d+\] app=closeloop.*(?:\n\t.*)*", re.MULTILINE)
MESSAGE_ID = re.compile(r"<([0-9a-f-]{36})@")
CANARY = "canary"  # in every word of a customer that the fault suite invents
ROLLED_BACK = "rolled-back"  # … that never was committed

# DESIGN 4, the table of actions: event → (states it leaves, state it enters).
UNRESOLVED = ("open", "acknowledged", "in_progress", "waiting")
MOVES = {
    "opened": ((None,), ("open",)),
    "acknowledged": (("open", "waiting"), ("acknowledged",)),  # waiting: it comes back by itself
    "started": (("open", "acknowledged", "waiting"), ("in_progress",)),
    "contacted": (UNRESOLVED, ("in_progress", "acknowledged", "waiting")),
    "waiting": (("open", "acknowledged", "in_progress"), ("waiting",)),
    "resolved": (UNRESOLVED, ("resolved",)),
    "closed": (("resolved",), ("closed",)),
    "dismissed": (UNRESOLVED, ("dismissed",)),
    "reopened": (("resolved", "closed", "dismissed"), ("open",)),
    "assigned": (UNRESOLVED, ("open",)),
}


def verify(request):
    """The signature of a Standard Webhooks request; returns what the body says."""
    signed = f"{request.headers['webhook-id']}.{request.headers['webhook-timestamp']}.".encode() + request.body
    want = "v1," + base64.b64encode(hmac.new(SECRET_BYTES, signed, hashlib.sha256).digest()).decode()
    assert want in request.headers["webhook-signature"].split(), "wrong signature"
    return json.loads(request.body)


def relation_by_standard_rules(row):
    """What the usual rules (company.SECTIONS) make of a response: opened, praised, or None. Written down a second time."""
    nps, ratings, comment = row["nps"], row["ratings"], (row["comment"] or "").strip()
    if row["contact_requested"] or (nps is not None and nps <= 6):
        return "opened"
    if row["touchpoint"] == "installation" and any(v <= 2 for v in ratings.values()):
        return "opened"
    return "praised" if nps is not None and nps >= 9 and comment else None


def check(site):
    """All of it, in an order in which the first failure says most."""
    check_tables(site)
    check_held(site)
    check_events(site)
    check_promises(site)
    check_merging(site)
    check_receivers(site)
    check_logs(site)
    if site.strict:
        check_complete(site)
        check_configuration(site)
        check_rolled_back(site)


def check_configuration(site):
    """Whatever was judged by is stored, and the trigger knows as many settle windows as there are."""
    none(site, "SELECT n.* FROM (SELECT response_id::text, ruleset FROM closeloop.case_responses UNION SELECT id, ruleset FROM closeloop.daemons"
         "  UNION SELECT daemon, sha256 FROM closeloop.ruleset_periods) AS n (what, sha256) WHERE n.sha256 IS NOT NULL"
         " AND NOT EXISTS (SELECT FROM closeloop.rulesets r WHERE r.sha256 = n.sha256)", "what was judged by is stored")
    none(site, "SELECT n FROM (SELECT count(*) AS n FROM closeloop.source_settings) AS s"
         " WHERE n <> coalesce(pg_sequence_last_value('closeloop.settling_sources'::regclass), 0)", "the trigger sees which answers settle")


def none(site, sql, what):
    rows = site.q(sql)
    assert not rows or what in site.may_differ, f"{what}: {rows[:5]}"


def check_tables(site):
    none(site, "SELECT response_id FROM closeloop.cases GROUP BY 1 HAVING count(*) > 1", "one case per response")
    none(site, "SELECT c.id FROM closeloop.cases c LEFT JOIN closeloop.case_responses r ON r.response_id = c.response_id"
         " WHERE r.case_id IS DISTINCT FROM c.id", "a case's opener leads to the case")
    none(site, "SELECT id FROM closeloop.cases WHERE owner IS NULL", "a case has an owner")
    none(site, "SELECT m.id FROM closeloop.messages m LEFT JOIN closeloop.responses r ON r.id = m.response_id"
         " WHERE m.response_id IS NOT NULL AND r.id IS NULL", "nothing from a transaction that rolled back")
    none(site, "SELECT id FROM closeloop.messages WHERE (state = 'sent') <> (sent_at IS NOT NULL)", "sent has its time")
    none(site, "SELECT message_id FROM closeloop.attempts WHERE outcome = 'sent' GROUP BY 1 HAVING count(*) > 1",
         "a success is recorded once")
    none(site, "SELECT m.id FROM closeloop.messages m JOIN closeloop.attempts a ON a.message_id = m.id"
         " WHERE a.outcome = 'sent' AND m.state <> 'sent'", "what was sent stays sent")
    none(site, "SELECT m.id, m.fence FROM closeloop.messages m WHERE m.fence <"
         " (SELECT count(*) FROM closeloop.attempts a WHERE a.message_id = m.id)", "no attempt without a lease")


def check_held(site):
    """What is held leaves: somebody looks at it, or it is bound to a digest and ends as that does. Nothing leaves without words."""
    none(site, "SELECT m.id FROM closeloop.messages m WHERE m.state = 'held' AND m.digest_id IS NULL AND NOT EXISTS"
         " (SELECT FROM closeloop.alert_budgets b WHERE b.person = m.recipient AND b.digest_at IS NOT NULL)", "held messages are looked at")
    none(site, "SELECT id FROM closeloop.messages WHERE held_for IS NULL AND (state = 'held' OR digest_id IS NOT NULL)", "held for a reason")
    none(site, "SELECT id FROM closeloop.messages WHERE payload = '' AND digest_id IS NULL AND state IN ('queued', 'leased', 'sent')",
         "an empty mail")
    none(site, "SELECT m.id, m.state, d.state FROM closeloop.messages m LEFT JOIN closeloop.messages d ON d.id = m.digest_id"
         " WHERE m.digest_id IS NOT NULL AND (d.id IS NULL OR d.kind <> 'digest' OR d.recipient <> m.recipient"
         "  OR (m.state = 'sent' AND d.state <> 'sent') OR m.state IN ('queued', 'leased'))", "bound messages end as their digest")
    none(site, "SELECT person, digest_at FROM closeloop.alert_budgets b WHERE digest_at < now() - interval '10 minutes'"
         " AND EXISTS (SELECT FROM closeloop.messages m WHERE m.recipient = b.person AND m.state = 'held')" if site.strict else "SELECT WHERE false",
         "a digest that nobody wrote")


ROUNDS = """WITH e AS (SELECT id, case_id, kind, details, count(*) FILTER (WHERE kind = 'reopened') OVER w AS round,
        count(*) FILTER (WHERE kind IN ('reopened', 'assigned')) OVER w AS clock
    FROM closeloop.case_events WINDOW w AS (PARTITION BY case_id ORDER BY id))"""
NEVER_UNDONE = "NOT EXISTS (SELECT FROM closeloop.case_events u WHERE u.case_id = c.id AND u.kind = 'undone')"


def check_promises(site):
    """I10: the case remembers what its events say; the mails about a case that nobody has touched are there."""
    none(site, ROUNDS + " SELECT case_id, round, details ->> 'step' FROM e WHERE kind = 'escalated' GROUP BY 1, 2, 3 HAVING count(*) > 1",
         "a step happens once a round")
    none(site, ROUNDS + " SELECT case_id, clock, details FROM e WHERE kind = 'reminded' AND details ? 'n' GROUP BY 1, 2, 3"
         " HAVING count(*) > 1", "each reminder happens once")
    none(site, ROUNDS + " SELECT case_id, round FROM e WHERE kind = 'reminded' AND details ? 'warning' GROUP BY 1, 2 HAVING count(*) > 1",
         "a warning happens once a round")
    none(site, ROUNDS + " SELECT c.id, c.fired FROM closeloop.cases c WHERE " + NEVER_UNDONE + " AND ARRAY(SELECT unnest(c.fired) ORDER BY 1)"
         " <> ARRAY(SELECT details ->> 'step' FROM e WHERE e.case_id = c.id AND kind = 'escalated' AND round = c.reopened ORDER BY 1)",
         "the steps of a round are its events")
    none(site, ROUNDS + " SELECT c.id, c.reminded FROM closeloop.cases c WHERE " + NEVER_UNDONE + " AND c.reminded <>"
         " (SELECT coalesce(max((details ->> 'n')::int), 0) FROM e WHERE e.case_id = c.id AND kind = 'reminded' AND details ? 'n'"
         "  AND clock = c.reopened + c.handovers)", "the reminders of a clock are its events")
    none(site, "SELECT m.id, m.state, d.state FROM closeloop.messages m JOIN closeloop.messages d ON d.id = m.digest_id"
         " WHERE m.state = 'held' AND d.state IN ('sent', 'failed', 'dead', 'cancelled')" if site.strict else "SELECT WHERE false",
         "what is bound to a digest ends with it")
    none(site, "SELECT id, case_id, kind FROM closeloop.notices" if site.strict else "SELECT WHERE false", "somebody hears of every notice")
    none(site, "SELECT e.id, e.case_id, e.kind, e.details FROM closeloop.case_events e JOIN closeloop.cases c ON c.id = e.case_id"
         " WHERE e.kind IN ('reminded', 'escalated') AND c.status = 'open' AND c.version = 1 AND NOT EXISTS (SELECT FROM"
         " closeloop.messages m WHERE m.case_id = c.id AND m.dedup_key LIKE 'event:' || e.id || ':email:%')"
         if site.strict else "SELECT WHERE false", "a mail about every reminder and step")


def check_merging(site):
    """I11."""
    none(site, "SELECT k.response_id, k.case_id FROM closeloop.case_responses k WHERE k.relation = 'joined' AND 1 <> (SELECT count(*)"
         " FROM closeloop.case_events e WHERE e.case_id = k.case_id AND e.kind IN ('joined', 'reopened')"
         "  AND e.details ->> 'response_id' = k.response_id::text)", "an answer that joins is one event")
    none(site, "SELECT e.id, e.case_id FROM closeloop.case_events e WHERE e.kind IN ('joined', 'cooldown') AND NOT EXISTS (SELECT FROM"
         " closeloop.case_responses k WHERE k.case_id = e.case_id AND e.details ->> 'response_id' = k.response_id::text)",
         "an event of an answer has the answer")
    none(site, "SELECT c.id, c.last_response_at FROM closeloop.cases c WHERE c.last_response_at < (SELECT max(r.responded_at)"
         " FROM closeloop.case_responses k JOIN closeloop.responses r ON r.id = k.response_id WHERE k.case_id = c.id"
         "  AND (k.relation = 'joined' OR k.response_id = c.response_id))", "the last answer of a case is known")
    none(site, "SELECT a.customer_id, a.id, b.id FROM closeloop.cases a JOIN closeloop.cases b ON b.customer_id = a.customer_id"
         "  AND b.owner = a.owner AND b.id > a.id WHERE a.reopened + b.reopened + a.handovers + b.handovers = 0"
         "  AND closeloop.is_unresolved(a.status) AND closeloop.is_unresolved(b.status) AND NOT EXISTS (SELECT FROM closeloop.case_events e"
         "   WHERE e.case_id = b.id AND e.kind = 'opened' AND e.details -> 'not_joined' ->> 'why' = 'shared id')" if site.strict else "SELECT WHERE false",
         "a customer has one case with an owner")


def check_events(site):
    """I4: the events of a case, one after the other, lead from nothing to its status."""
    now = dict(site.q("SELECT id, status::text FROM closeloop.cases"))
    state = dict.fromkeys(now)
    opened = collections.Counter()
    for case, kind, before, after in site.q("SELECT case_id, kind, from_status::text, to_status::text"
                                            " FROM closeloop.case_events ORDER BY id"):
        opened[case] += kind == "opened"
        if after is None or kind == "undone":
            state[case] = after or state[case]
            continue
        assert before == state[case], f"case {case}: {kind} leaves {before}, it was {state[case]}"
        leaves, enters = MOVES.get(kind, ((), ()))
        assert (before in leaves and after in enters) or before == after, f"case {case}: {kind} from {before} to {after}"
        state[case] = after
    assert state == now, f"status and events differ: {[c for c in now if now[c] != state[c]][:5]}"
    assert all(opened[c] == 1 for c in now), "a case is opened by one event"


def arrivals_of_mail(site):
    """{message: how often it arrived}"""
    count, bodies = collections.Counter(), collections.defaultdict(set)
    for mail in list(site.mailbox.mails):
        match = MESSAGE_ID.match(str(mail.message["message-id"]))
        assert match, f"no Message-ID of ours: {mail.message['message-id']}"
        count[match.group(1)] += 1
        bodies[match.group(1)].add((mail.recipient, mail.raw))
        assert b"\n" not in mail.raw.replace(b"\r\n", b"") and b"\r" not in mail.raw.replace(b"\r\n", b"")
        assert max(map(len, mail.raw.split(b"\r\n"))) <= 998
    assert all(len(b) == 1 for b in bodies.values()), "copies of a mail differ"
    return count


def arrivals_of_requests(site):
    count, bodies = collections.Counter(), collections.defaultdict(set)
    for request in list(site.hook.requests):
        verify(request)
        assert abs(request.at - int(request.headers["webhook-timestamp"])) < 300 or site.clock_jumps
        bodies[request.headers["webhook-id"]].add(request.body)
        count[request.headers["webhook-id"]] += 200 <= request.status < 300
    assert all(len(b) == 1 for b in bodies.values()), "copies of a webhook differ"
    return count


def check_receivers(site):
    """I2."""
    mails, requests = arrivals_of_mail(site), arrivals_of_requests(site)
    arrived = mails + requests
    rows = site.q("SELECT m.id::text, m.channel, m.endpoint, m.state::text, m.fence,"
                  "  count(a.id) FILTER (WHERE a.outcome = 'sent' OR a.outcome = 'ambiguous' OR a.code IS NULL), count(a.id),"
                  "  m.digest_id::text"
                  " FROM closeloop.messages m LEFT JOIN closeloop.attempts a ON a.message_id = m.id GROUP BY m.id")
    known = {row[0] for row in rows}
    strangers = set(arrived) - known
    assert not strangers or "mails without a message" in site.may_differ, f"received, but no message: {list(strangers)[:5]}"
    copies = 0
    for identity, channel, endpoint, state, fence, perhaps, attempts, digest in rows:
        if endpoint not in ("email", "crm"):
            continue  # a receiver that the scenario looks at by itself
        n = arrived[identity]
        repeats = site.repeats if channel == "webhook" else 0
        assert n <= perhaps + fence - attempts + repeats, f"{channel} {identity} came {n} times: fence {fence}, attempts {attempts}"
        if digest:
            assert n == 0, f"{channel} {identity} came by itself and in digest {digest}"
            n = arrived[digest]
        if state == "sent":
            assert n >= 1 or "mails elsewhere" in site.may_differ, f"{channel} {identity} is sent, but never came"
        copies += 0 if digest else max(n - 1, 0)
    site.copies = copies
    assert copies <= site.excuses or "copies" in site.may_differ, f"{copies} copies, with reason for {site.excuses}"


def check_logs(site):
    """I7: nothing secret, nothing of customers, no report of a sanitizer, no assertion; neither in PostgreSQL's log."""
    secrets = site.secrets | links_of(site)
    for daemon in site.daemons:
        assert not REPORTS.search(daemon.log), daemon.log[-4000:]
        check_log(daemon.log, daemon.log, secrets, daemon.log_file.name)
    text = site.server.log(site.server_log_from)
    ours = [] if "words in PostgreSQL's log" in site.may_differ else OURS.findall(text)
    check_log(text, "\n".join(ours), secrets, "PostgreSQL's log")


def check_log(text, ours, secrets, name):
    assert not [secret for secret in secrets if secret in text], f"a secret in {name}"
    said = [line for line in ours.splitlines() if CANARY in line.lower()]
    assert not said, f"a customer's words in {name}: {said[:5]}"


def links_of(site):
    """The links of its pages that were mailed: who has one is let in."""
    if "public_url" not in site.configuration.read_text(encoding="utf-8"):
        return set()
    return {link for mail in list(site.mailbox.mails) for link in LINK.findall(mail.message.get_body(("plain",)).get_content())}


def check_complete(site):
    """I1, against rules that are written down here once more, and for all that the scenario saw committed."""
    import psycopg2.extras
    with site.db.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
        cursor.execute("SELECT r.id, r.nps, r.ratings, r.comment, r.contact_requested, r.touchpoint, r.source_id, j.relation,"
                       "  j.case_id, i.id AS aside, coalesce(m.n, 0) AS n"
                       " FROM closeloop.responses r LEFT JOIN closeloop.case_responses j ON j.response_id = r.id"
                       " LEFT JOIN (SELECT response_id, count(*) AS n FROM closeloop.messages WHERE kind <> 'case.outcome' GROUP BY 1) m ON m.response_id = r.id"
                       " LEFT JOIN closeloop.inbox i ON i.response_id = r.id AND i.set_aside_at IS NOT NULL")
        rows = cursor.fetchall()
    for row in rows:
        if row["id"] in site.expected_aside:
            assert row["aside"], f"response {row['id']} should have been set aside"
            continue
        assert not row["aside"], f"an innocent response was set aside: {row['id']}"
        if row["source_id"] in site.changed:  # its relation is that of the state in which it was judged first
            continue
        want = relation_by_standard_rules(row)
        if want == "opened" and row["relation"] in ("joined", "linked"):
            assert row["case_id"], f"response {row['id']}: {row['relation']} to nothing"
            continue
        assert row["relation"] == want, f"response {row['id']}: {row['relation']}, not {want}"
        assert (row["n"] > 0) == (want is not None), f"response {row['id']}: {row['n']} messages"
    present = {row["id"] for row in rows}
    lost = set(site.committed) - present
    assert not lost, f"acknowledged to the writer, but gone: {sorted(lost)[:5]}"
    none(site, "SELECT m.id, m.state, m.attempt, m.last_error FROM closeloop.messages m"
         " WHERE m.state IN ('queued', 'held', 'leased')", "all messages are final")
    none(site, "SELECT id FROM closeloop.inbox WHERE set_aside_at IS NULL", "the inbox is empty")
    # A case that dismissed itself takes along what was not sent yet.
    undelivered = site.one("SELECT count(*) FROM closeloop.messages m WHERE m.state IN ('failed', 'dead') OR (m.state = 'cancelled'"
                           " AND NOT EXISTS (SELECT FROM closeloop.case_events e WHERE e.case_id = m.case_id AND e.kind = 'dismissed'"
                           "  AND e.details ? 'withdrawn'))")
    assert undelivered == site.expected_undelivered, f"{undelivered} messages given up, not {site.expected_undelivered}"


def check_rolled_back(site):
    """I3: a transaction that rolled back left no row, no mail, no webhook."""
    none(site, f"SELECT id FROM closeloop.responses WHERE source_id LIKE '{ROLLED_BACK}%'", "rolled back, yet there")
    for request in list(site.hook.requests):
        assert ROLLED_BACK.encode() not in request.body, "a webhook about a response that never was"
    for mail in list(site.mailbox.mails):
        assert ROLLED_BACK not in mail.message.get_body(("plain",)).get_content(), "a mail about a response that never was"
