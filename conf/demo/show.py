"""
What ./quickstart prints while the responses stream in: a pair of lines per alert, a line for each thing that happens to a
case later, one counting line, and the summary.

SPDX-License-Identifier: Apache-2.0
"""
import re
import shutil
import sys
import time
import unicodedata

import stream

LINES_PER_TICK = 3  # a flood is counted, not printed
EVENTS_AGAIN = 200  # of two transactions the one that began first may commit last
FOLLOW_UP = (("reminded", "reminder", True), ("escalated", "escalation", True), ("acknowledged", "taken on", False),
             ("resolved", "solved", False), ("reopened", "reopened", False))
EVENT_ORDER = ("outcome", "reopened", "escalated", "joined", "reminded", "resolved", "acknowledged")
WORST_FIRST = ("urgent", "high", "normal", "low")

NEWS = """
SELECT json_build_object(
  'responses', (SELECT count(*) FROM closeloop.responses WHERE source_id IS NULL OR source_id NOT LIKE '{past}%'),
  'waiting', (SELECT count(*) FROM closeloop.inbox),
  'aside', (SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NOT NULL),
  'matched', (SELECT count(*) FROM closeloop.case_responses),
  'cases', (SELECT count(*) FROM closeloop.cases),
  'messages', (SELECT json_object_agg(state, n) FROM (SELECT channel || ' ' || state AS state, count(*) AS n
               FROM closeloop.messages GROUP BY 1) AS m),
  'news', (SELECT json_agg(x) FROM (
    SELECT m.id, m.kind, m.response_id, m.recipient, m.address, m.case_id, c.priority, c.rules, r.nps, r.touchpoint, r.region, r.comment,
           r.contact_requested, coalesce(r.account_name, r.customer_name) AS who, m.sent_at::text AS sent_at,
           round(1000 * extract(epoch FROM m.sent_at - m.queued_at)) AS ms,
           (SELECT count(*) FROM closeloop.messages AS l WHERE l.digest_id = m.id) AS lines
    FROM closeloop.messages AS m
    LEFT JOIN closeloop.responses AS r ON r.id = m.response_id
    LEFT JOIN closeloop.cases AS c ON c.id = m.case_id
    WHERE m.state = 'sent' AND m.channel = 'email' AND m.digest_id IS NULL
      AND m.kind IN ('case.opened', 'praise.received', 'digest') AND m.sent_at >= '{since}'
    ORDER BY m.sent_at LIMIT 200) AS x),
  'soon', (SELECT count(*) FROM closeloop.cases WHERE next_action_at < now() + interval '20 seconds'),
  'events', (SELECT json_agg(x) FROM (
    SELECT e.id, e.kind, e.case_id, e.actor, e.details, e.note, c.owner, coalesce(r.customer_name, r.account_name) AS who,
      (SELECT m.recipient FROM closeloop.messages AS m WHERE m.case_id = c.id AND m.kind = 'case.escalated'
       AND m.channel = 'email' ORDER BY m.seq DESC LIMIT 1) AS told
    FROM closeloop.case_events AS e JOIN closeloop.cases AS c ON c.id = e.case_id
    JOIN closeloop.responses AS r ON r.id = c.response_id
    WHERE e.id > {event} AND e.kind IN ('acknowledged', 'resolved', 'reminded', 'escalated', 'reopened', 'outcome', 'joined')
    ORDER BY e.id LIMIT 1000) AS x))
"""

SUMMARY = """
SELECT json_build_object(
  'rules', (SELECT json_agg(json_build_array(rule, n) ORDER BY n DESC) FROM (
     SELECT unnest(rules) AS rule, count(*) AS n FROM closeloop.case_responses GROUP BY 1) AS x),
  'priorities', (SELECT json_object_agg(priority, n) FROM (
     SELECT priority, count(*) AS n FROM closeloop.cases GROUP BY 1) AS x),
  'people', (SELECT json_agg(json_build_array(recipient, n, cases) ORDER BY n DESC, recipient) FROM (
     SELECT recipient, count(*) AS n, count(DISTINCT case_id) AS cases FROM closeloop.messages
     WHERE channel = 'email' AND state = 'sent' AND digest_id IS NULL GROUP BY 1) AS x),
  'events', (SELECT json_object_agg(kind, n) FROM (SELECT kind, count(*) AS n FROM closeloop.case_events GROUP BY 1) AS x),
  'outcomes', (SELECT json_object_agg(outcome, n) FROM (
     SELECT details ->> 'outcome' AS outcome, count(*) AS n FROM closeloop.case_events WHERE kind = 'outcome' GROUP BY 1) AS x),
  'digests', (SELECT count(*) FROM closeloop.messages WHERE kind = 'digest' AND state = 'sent'),
  'lines', (SELECT count(*) FROM closeloop.messages WHERE digest_id IS NOT NULL AND state = 'sent'),
  'latency', (SELECT percentile_cont(ARRAY[0.5, 0.99]) WITHIN GROUP (ORDER BY extract(epoch FROM sent_at - queued_at))
     FROM closeloop.messages WHERE state = 'sent' AND channel = 'email' AND held_for IS NULL
       AND kind IN ('case.opened', 'praise.received')))
"""

# Its link opens as long as the case is its owner's. English and urgent first, and nobody has taken it on.
OPENABLE = """
SELECT json_agg(x) FROM (
  SELECT c.id, c.owner, m.address FROM closeloop.cases AS c
  JOIN closeloop.messages AS m ON m.case_id = c.id AND m.recipient = c.owner AND m.channel = 'email'
  LEFT JOIN closeloop.responses AS r ON r.id = c.response_id
  WHERE m.kind = 'case.opened' AND m.state = 'sent' AND m.digest_id IS NULL
    AND c.status IN ('open', 'acknowledged', 'in_progress')
  ORDER BY c.status, (r.language = 'en') IS NOT TRUE, r.comment IS NULL, c.priority DESC, c.id DESC LIMIT 20) AS x
"""


def number(n, thing):
    """"1 response", "2 responses"."""
    return f"{n} {thing}{'' if n == 1 else 's'}"


def clean(text):
    """A customer's words, harmless on a terminal: no control, no invisible turning of the direction."""
    return "".join(" " if c in "\n\r\t" else "·" if unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co") else c
                   for c in text or "")


def width(text):
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def cut(text, columns):
    if width(text) <= columns:
        return text
    while text and width(text) > columns - 1:
        text = text[:-1]
    return text + "…"


def judging(news):
    """How many responses wait to be judged."""
    return max(0, news["waiting"] - news["aside"])


def leaving(news):
    """How many messages are on their way."""
    return sum(n for state, n in (news["messages"] or {}).items() if state.split()[1] in ("queued", "leased"))


def names_of(configuration):
    """{id: name} of the people in the configuration, for the eye only."""
    return dict(re.findall(r"([\w-]+):\s*\{\s*name = \"([^\"]+)\"", configuration))


class Show:
    def __init__(self, session, names):
        self.session, self.names = session, names
        self.live = sys.stdout.isatty()
        self.colour = self.live
        self.started = time.monotonic()
        self.since, self.seen, self.last = "-infinity", set(), None
        self.event, self.seen_events = 0, set()
        self.next_count = self.started + 10

    def paint(self, code, text):
        return f"\033[{code}m{text}\033[0m" if self.colour else text

    def line(self, text=""):
        if self.live:
            sys.stdout.write("\r\033[K")
        print(text, flush=True)

    def _columns(self):
        return max(60, min(shutil.get_terminal_size((120, 24)).columns, 140))

    def _name(self, person):
        return self.names.get(person, clean(person or "-"))

    def note(self, colour, word, text):
        """A line for something that is no alert; the columns are those of an alert."""
        self.last = None
        start = f"{time.monotonic() - self.started:5.1f} s"
        self.line(f"{start:<16}{self.paint(colour, word)} {cut(text, self._columns() - 17 - len(word))}")

    def event_line(self, event):
        """One thing that happened to a case after its alert."""
        case, owner, details = f"C-{event['case_id']}", self._name(event["owner"]), event["details"]
        actor = self._name(event["actor"])
        if event["kind"] == "reminded":
            why = "the promised time is near" if details.get("warning") else "not taken on yet"
            self.note("33", "reminder", f"{case} → {owner}: {why}")
        elif event["kind"] == "escalated":
            self.note("1;31", "escalated", f"{case} → {self._name(event['told'])}: {owner} has not "
                      + ("taken it on" if details["condition"] == "unacknowledged" else "solved it in time"))
        elif event["kind"] == "outcome":
            won = {"recovered": "1;32", "lost": "1;31"}.get(details["outcome"], "0")
            self.note(won, details["outcome"],
                      f"{case} · {clean(event['who'])}: from {clean(details['from'])} to {clean(details['to'])}")
        elif event["kind"] == "joined":
            self.note("36", "joined", f"{case} · {clean(event['who'])}: a further answer, no second case")
        elif event["kind"] == "reopened":
            self.note("1;31", "reopened", f"{case} → {owner}: the customer is unhappy again")
        else:
            self.note("32", {"acknowledged": "taken on", "resolved": "solved"}[event["kind"]], f"{case} by {actor}"
                      + (f' "{clean(event["note"])}"' if event["note"] else ""))

    def _new_events(self, news):
        """What is new, the rarest first; a line for each, up to a few at a time."""
        fresh = [e for e in news["events"] or [] if e["id"] not in self.seen_events]
        for event in fresh:
            self.event = max(self.event, event["id"])
        fresh = [e for e in fresh if e["kind"] != "escalated" or e["told"]]  # else its mail is being written: next time
        self.seen_events.update(e["id"] for e in fresh)
        for event in sorted(fresh, key=lambda e: EVENT_ORDER.index(e["kind"]))[:LINES_PER_TICK]:
            self.event_line(event)

    def alert(self, news):
        if news["kind"] == "digest":
            self.note("36", "digest", f"→ {self._name(news['recipient'])} <{clean(news['address'])}>:"
                                      f" {number(news['lines'], 'mail')} in one")
            return
        seconds = time.monotonic() - self.started
        score = "-" if news["nps"] is None else f"{news['nps']}/10"
        where = " · ".join(filter(None, (news["touchpoint"], news["region"], clean(news["who"] or ""))))
        if news["contact_requested"]:
            where += " · asked for a call"
        words = f' "{clean(news["comment"])}"' if news["comment"] else ""
        if news["response_id"] != self.last:  # one response may alert several people
            self.line(cut(f"{seconds:5.1f} s  {score:>5}  {where}{words}", self._columns()))
        self.last = news["response_id"]
        person = f"{self.names.get(news['recipient'], news['recipient'])} <{news['address']}>"
        if news["case_id"] is None:
            self.line(f"                {self.paint(32, 'praise')} → {person} · {news['ms']:.0f} ms")
            return
        colour = {"urgent": "1;31", "high": "31", "normal": "33"}.get(news["priority"], "0")
        self.line(f"                {self.paint(colour, news['priority'])} C-{news['case_id']} → {person}"
                  f" · {news['ms']:.0f} ms · {', '.join(news['rules'])}")

    def counts(self, news):
        messages = news["messages"] or {}
        sent = {c: messages.get(f"{c} sent", 0) for c in ("email", "webhook")}
        text = (f"{time.monotonic() - self.started:5.1f} s  responses {news['responses']} · matched {news['matched']}"
                f" · cases {news['cases']} · mails {sent['email']} · webhooks {sent['webhook']}")
        if messages.get("email held"):
            text += f" · held for a digest {messages['email held']}"
        if judging(news):
            text += f" · being judged {judging(news)}"
        if leaving(news):
            text += f" · leaving {leaving(news)}"
        if news["aside"]:
            text += f" · set aside {news['aside']}"
        return text

    def tick(self):
        """Looks once, prints what is new; returns the counts."""
        news = self.session.json(NEWS.format(since=self.since, past=stream.PAST, event=max(0, self.event - EVENTS_AGAIN)))
        fresh = [n for n in news["news"] or [] if n["id"] not in self.seen]
        shown = sorted(fresh, key=lambda n: -1 if n["kind"] == "digest" else
                       WORST_FIRST.index(n["priority"]) if n["priority"] else 9)[:LINES_PER_TICK]
        for item in fresh:
            if item in shown:
                self.alert(item)
            self.seen.add(item["id"])
            self.since = item["sent_at"]
        self._new_events(news)
        text = self.counts(news)
        if self.live:
            sys.stdout.write("\r\033[K" + cut(self.paint(1, text), self._columns() + 8))
            sys.stdout.flush()
        elif time.monotonic() > self.next_count:
            self.next_count += 10
            print(text, flush=True)
        news["fresh"] = len(fresh)
        return news

    def summary(self, news, skipped):
        facts = self.session.json(SUMMARY)
        seconds = time.monotonic() - self.started
        self.line()
        self.line(self.paint(1, f"{number(news['responses'], 'response')} in {seconds:.0f} s: {news['matched']} matched a rule, "
                                f"{number(news['cases'], 'case')} opened, "
                                f"{number(sum((news['messages'] or {}).values()), 'message')}"))
        for reason, count in sorted(skipped.items()):
            self.line(f"  skipped   {number(count, 'row')}: {reason}")
        if news["aside"]:
            self.line(f"  set aside {news['aside']} responses could not be judged: closeloop inbox list")
        self.line("  rules     " + " · ".join(f"{rule} {n}" for rule, n in facts["rules"] or []))
        priorities = facts["priorities"] or {}
        self.line("  cases     " + " · ".join(f"{p} {priorities[p]}" for p in WORST_FIRST if p in priorities))
        for person, mails, cases in facts["people"] or []:
            name = self.names.get(person, person)
            self.line(f"  alerted   {name}{' ' * max(1, 20 - width(name))}{number(mails, 'mail'):>{10 - (mails == 1)}}, {number(cases, 'case')}")
        self._summary_follow_up(facts, news["messages"] or {})
        if facts["latency"]:
            self.line("  latency   from the INSERT to the mail server's 250: "
                      f"half within {1000 * facts['latency'][0]:.0f} ms, 99 % within {1000 * facts['latency'][1]:.0f} ms")

    def _summary_follow_up(self, facts, messages):
        events, outcomes = facts["events"] or {}, facts["outcomes"] or {}
        parts = [number(events[kind], word) if many else f"{events[kind]} {word}" for kind, word, many in FOLLOW_UP if kind in events]
        if parts:
            self.line("  follow-up " + " · ".join(parts))
        if "joined" in events:
            self.line(f"  joined    {number(events['joined'], 'further answer')} of customers with an open case (merge_within)")
        if outcomes:
            self.line(f"  outcomes  {number(sum(outcomes.values()), 'customer')} answered again: "
                      + ", ".join(f"{outcomes[o]} {o}" for o in ("recovered", "unchanged", "lost") if o in outcomes))
        if facts["digests"]:
            self.line(f"  digests   {number(facts['lines'], 'mail')} left in {number(facts['digests'], 'digest')}")
        if messages.get("email held"):
            self.line(f"  held      {number(messages['email held'], 'mail')} over what one person reads in an hour (alerts_per_hour), "
                      "for a digest: closeloop message list --held")

    def worth_opening(self):
        """Cases whose owner has the mail and something left to do, best for a look at first: id, owner, address."""
        return self.session.json(OPENABLE) or []

    def worth_showing(self):
        """The case to which most has happened."""
        return self.session.run("SELECT case_id FROM closeloop.case_events"
                                " GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1").strip() or "1"
