"""
What should have happened in a year, worked out a second time: from the events, the configuration (year_company) and a calendar of our own
(year_clocks). Knows the tables by their contract and nothing of the SQL that fills them.

The events of a case are replayed (year_case). Between two of them it stands still, and whatever falls due there must be done, by the
daemon, in the first moment at which the test saw that nothing was due any more; nothing is done early, twice, or that isn't due. Where a
case's owner hasn't got the alert yet, reminders and escalations wait until it has left, and half a minute.

SPDX-License-Identifier: Apache-2.0
"""
import bisect
import collections
import datetime

import psycopg2.extras

import year_after
import year_case
import year_company as company
from business_time import MINUTE, SECOND
from invariants import verify
from year_case import UNRESOLVED, Illegal
from year_clocks import FAR, quiet_until, shown, us

LOOK_AGAIN = 35 * SECOND  # half a minute until a case whose alert was on its way is looked at again, and how far the clock is helped on
ENDS = ("resolved", "closed", "dismissed", "undone")
ACTS = ENDS + ("acknowledged", "started", "contacted", "waiting", "assigned", "reopened", "outcome")
HOOKS = {"acknowledged": "case.acknowledged", "assigned": "case.assigned", "reminded": "case.reminder", "escalated": "case.escalated",
         "resolved": "case.resolved", "closed": "case.closed", "dismissed": "case.dismissed", "reopened": "case.reopened",
         "outcome": "case.outcome"}


class Checker:
    def __init__(self, site, settled):
        self.site = site
        self.settled = sorted(us(at) for at in settled)
        self.violations, self.suspects = [], []
        self.counts = collections.Counter()
        self.cases = {c["id"]: c for c in self.rows("SELECT * FROM closeloop.cases ORDER BY id")}
        self.events = collections.defaultdict(list)
        for e in self.rows("SELECT *, from_status::text AS came, to_status::text AS went FROM closeloop.case_events ORDER BY id"):
            e["at"] = us(e["at"])
            if e["kind"] == "waiting":
                e["until"] = us(datetime.datetime.fromisoformat(e["details"]["until"]))
            self.events[e["case_id"]].append(e)
        self.responses = {r["id"]: r for r in self.rows("SELECT * FROM closeloop.responses ORDER BY id")}
        self.judged = {j["response_id"]: j for j in self.rows("SELECT * FROM closeloop.case_responses")}
        self.messages = collections.defaultdict(list)
        for m in self.rows("SELECT id::text, seq, case_id, kind, step, channel, recipient, state::text, created_at, sent_at,"
                           " digest_id::text, held_for FROM closeloop.messages ORDER BY seq"):
            m["created"], m["left"] = us(m["created_at"]), us(m["sent_at"])
            self.messages[m["case_id"]].append(m)
        self.timelines = {}  # case: [(from when, state)]

    def rows(self, sql):
        with self.site.db.cursor(cursor_factory=psycopg2.extras.RealDictCursor) as cursor:
            cursor.execute(sql)
            return [dict(r) for r in cursor.fetchall()]

    def wrong(self, case, expected, found):
        self.suspects.append(case)
        self.violations.append(f"C-{case}: expected {expected}; found {found}")

    def story(self, case):
        """What happened to a case, for whoever reads of a violation."""
        c = self.cases[case]
        lines = [f"C-{case} of {c['customer_id']}, {c['follow_up']}, opened {shown(us(c['opened_at']))} by response {c['response_id']}"]
        for e in self.events[case]:
            details = {k: v for k, v in e["details"].items() if k not in ("before", "cancelled")}
            lines.append(f"{shown(e['at'])} {e['kind']} {e['came']} > {e['went']} by {e['actor']} {details}")
        return "\n    ".join(lines)

    def stories(self, most):
        return [self.story(case) for case in sorted({c for c in self.suspects if c in self.cases})[:most]]

    def settled_after(self, at, skip=0):
        """The first moment after this one at which nothing was due."""
        i = bisect.bisect_right(self.settled, at) + skip
        return self.settled[i] if i < len(self.settled) else FAR

    # -- promises

    def owner_of(self, case):
        return company.OWNERS.get(self.responses[case["response_id"]]["account"], company.LAST_OWNER)

    def alert_left(self, case_id, due):
        """When what waits for the owner's alert could be done, if it was due then; the alert is written a moment after the hand-over."""
        for m in self.messages[case_id]:
            if m["channel"] == "email" and m["kind"] in ("case.opened", "case.assigned") and m["created"] <= due + 2 * SECOND:
                left = FAR if m["left"] is None else self.settled_after(m["left"]) if m["digest_id"] else m["left"]
                if left + LOOK_AGAIN > due:
                    due = left + LOOK_AGAIN
                    self.counts["waited for the alert"] += 1
        return due

    def check_left_undone(self, case_id, state, since, until, what_ended):
        """Between two events: what was due, and for how long nobody did it."""
        for due, what, step in state.agenda():
            due = max(due, since)
            if due >= until or self.settled_after(due) >= until:
                continue
            if what in ("remind", "warn", "escalate"):
                due = self.alert_left(case_id, due)
            if due < until and self.settled_after(due) < until:
                self.wrong(case_id, f"{what} {step or ''} of {state.owner} ({state.status}) due {shown(due)}, by"
                           f" {shown(self.settled_after(due))}", f"nothing until {shown(until)} ({what_ended})")

    def check_by_itself(self, case_id, state, e):
        what, step, after = year_case.done_by_itself(state, e)
        self.counts[what] += 1
        due = [d for d, w, s in state.agenda() if (w, s) == (what, step)]
        if not due:
            raise Illegal(f"{what} {step or ''} by the daemon, which isn't on the agenda: {state}")
        if what == "remind" and after.reminded > state.reminded + 1:  # those that were missed go with the latest
            due = [state.reminder(after.reminded)]
        if due[0] > e["at"]:
            self.wrong(case_id, f"{what} {step or ''} at {shown(due[0])}", f"done early, at {shown(e['at'])}")
        if what == "remind":
            most = state.follow_up.get("remind_at_most", 3)
            if e["details"]["of"] != most or (after.reminded < most and state.reminder(after.reminded + 1) <= e["at"]):
                self.wrong(case_id, f"the last reminder due of {most}", e["details"])
        if what == "escalate":
            when, _, target = state.follow_up["escalate"][step]
            if (e["details"]["condition"], e["details"]["target"]) != (when, target):
                self.wrong(case_id, (when, target), e["details"])
        return after

    def replay(self, case):
        """The states of a case; its promises on the way."""
        case_id, events = case["id"], self.events[case["id"]]
        state = year_case.began(case["follow_up"], self.owner_of(case), us(case["opened_at"]))
        line = [(state.opened, state)]
        before = since = None
        for i, e in enumerate(events):
            e["owner"], e["undone"] = state.owner, False
            since = state.opened if i == 0 else max(since, events[i - 1]["at"])
            if i > 0:
                self.check_left_undone(case_id, state, since, e["at"], e["kind"])
            if i > 0 and e["came"] != state.status:
                raise Illegal(f"{e['kind']} leaves {e['came']}, it is {state.status}")
            was = state
            if e["kind"] == "opened":
                before = None
            elif e["kind"] == "undone":
                last = events[i - 1]
                if before is None or e["details"]["undid"] != last["id"] or last["actor"] != e["actor"] \
                        or e["at"] - last["at"] > 600 * SECOND:
                    raise Illegal(f"undone: {e['details']}, after {last['kind']} at {shown(last['at'])} by {last['actor']}")
                last["undone"] = True
                state, before = before, None
            elif e["actor"] == "daemon" and e["kind"] not in ("reopened", "outcome", "joined"):
                state, before = self.check_by_itself(case_id, state, e), None
            else:
                state = year_case.moved(state, e)
                before = was if e["actor"] != "daemon" and e["kind"] != "noted" else None
                if e["kind"] == "reopened" and e["actor"] == "daemon":
                    before = was
            if e["went"] != state.status:
                raise Illegal(f"{e['kind']} enters {e['went']}, not {state.status}")
            e["state"] = state
            line.append((e["at"], state))
        self.check_left_undone(case_id, state, max(since, events[-1]["at"]), FAR, "the end")
        self.timelines[case_id] = line
        self.compare(case, state)

    def compare(self, case, s):
        """The row, with what its events amount to."""
        times = {"resolve_due_at": s.resolve_due, "waiting_until": s.waiting_until, "contacted_at": s.contacted_at,
                 "resolved_at": s.resolved_at if s.status in ("resolved", "closed") else None}
        if s.acknowledged_at is None:
            times["acknowledge_due_at"] = s.acknowledge_due
        values = {"status": s.status, "owner": s.owner, "reminded": s.reminded, "reopened": s.reopened, "handovers": s.handovers,
                  "ping_pong": s.unheard >= 4, "unreached": s.unreached, "outcome": s.outcome}
        for column, expected in values.items():
            if case[column] != expected:
                self.wrong(case["id"], f"{column} {expected}", case[column])
        for column, expected in times.items():
            if us(case[column]) != expected:
                self.wrong(case["id"], f"{column} {shown(expected)}", case[column])
        if s.status in UNRESOLVED and (set(case["fired"]) != s.fired or (case["warned_at"] is not None) != s.warned):
            self.wrong(case["id"], f"fired {sorted(s.fired)}, warned {s.warned}", f"{case['fired']}, {case['warned_at']}")

    def check_cases(self):
        for case in self.cases.values():
            try:
                self.replay(case)
            except Illegal as e:
                self.wrong(case["id"], "a legal path", str(e))

    # -- who was told

    def expected_mails(self, case):
        """[(kind, step, recipient, when, may be missing)] of a case, from its events."""
        events, mails = self.events[case["id"]], []
        for i, e in enumerate(events):
            kind, step, owner = None, None, e["state"].owner
            if e["kind"] == "opened":
                kind = "case.opened"
            elif e["kind"] == "reminded":
                kind, step = "case.reminder", "warning" if e["details"].get("warning") else f"reminder-{e['details']['n']}"
            elif e["kind"] == "escalated":
                kind, step, owner = "case.escalated", e["details"]["step"], self.escalated_to(case, e)
            elif e["details"].get("waiting_over"):
                kind = "case.waiting"
            elif e["kind"] in ("reopened", "outcome") or e["kind"] == "assigned":
                kind = f"case.{e['kind']}"
                if e["actor"] == owner:
                    continue
            if kind:
                soon = self.settled_after(e["at"])
                overtaken = any(n["at"] <= soon and n["kind"] in ACTS for n in events[i + 1:]) and kind != "case.opened"
                mails.append((kind, step, owner, e["at"], overtaken))
        return mails

    def escalated_to(self, case, e):
        target = e["details"]["target"]
        if target == "manager":
            return company.PEOPLE[e["state"].owner].get("reports_to", company.LAST_OWNER)
        if target.startswith("team:"):
            return company.TEAM["lead"]
        return self.owner_of(case) if target.startswith("lookup:") else target.partition(":")[2]

    def check_mails(self, case):
        actual = [m for m in self.messages[case["id"]] if m["channel"] == "email" and m["kind"] not in ("case.amended", "praise.received")]
        # A case handed on twice in a moment is one mail: it is the one that must come.
        for kind, step, recipient, at, maybe in sorted(self.expected_mails(case), key=lambda mail: mail[4]):
            # Who owns the case when the mail is written is told, and a transaction may have begun before what it tells of.
            soon = self.settled_after(at) + 2 * SECOND
            owners = {recipient, *(s.owner for t, s in self.timelines[case["id"]] if at <= t <= soon)}
            if kind == "case.escalated":
                owners |= {company.PEOPLE[o].get("reports_to", company.LAST_OWNER) for o in owners - {recipient}}
            found = [m for m in actual if (m["kind"], m["step"]) == (kind, step) and m["recipient"] in owners
                     and at - 2 * SECOND <= m["created"] <= soon]
            if found:
                actual.remove(found[0])
                self.counts["mails"] += 1
                self.check_mail(case, found[0])
            elif not maybe:
                self.wrong(case["id"], f"a mail {kind} {step or ''} to {recipient} at {shown(at)}",
                           [(m["kind"], m["step"], m["recipient"], shown(m["created"])) for m in actual if m["kind"] == kind])
        for m in actual:
            self.wrong(case["id"], "no mail", f"{m['kind']} {m['step'] or ''} to {m['recipient']}, {m['state']}, {shown(m['created'])}")

    def check_mail(self, case, m):
        """It left in time, or there is a reason why it didn't."""
        events = self.events[case["id"]]
        person = company.PEOPLE[m["recipient"]]
        if m["state"] == "cancelled":
            if not any(e["at"] >= m["created"] - SECOND and e["kind"] in ACTS for e in events):
                self.wrong(case["id"], f"{m['kind']} to {m['recipient']} of {shown(m['created'])} to arrive", "cancelled without a reason")
            return
        latest = self.awake(m["recipient"], m["created"])
        if m["held_for"] and "alerts_per_hour" in person:
            latest = self.awake(m["recipient"], latest + 60 * MINUTE)
        latest = self.awake(m["recipient"], latest + LOOK_AGAIN)
        if (m["left"] is None and latest < self.settled[-1]) or (m["left"] is not None and m["left"] > latest):
            self.wrong(case["id"], f"{m['kind']} {m['step'] or ''} to {m['recipient']} of {shown(m['created'])} (held for {m['held_for']})"
                       f" to leave by {shown(latest)}", f"{m['state']}, {shown(m['left'])}")
        if m["left"] and case["priority"] != "urgent" and quiet_until(m["recipient"], m["left"]) > m["left"] + MINUTE \
                and quiet_until(m["recipient"], m["left"] - 2 * MINUTE) > m["left"]:
            self.wrong(case["id"], f"silence for {m['recipient']} until {shown(quiet_until(m['recipient'], m['left']))}",
                       f"{m['kind']} left at {shown(m['left'])}, created {shown(m['created'])}")

    def awake(self, person, at):
        """The first moment after this one at which nothing was due and the person didn't sleep."""
        at = self.settled_after(at)
        while at < FAR and quiet_until(person, at) > at:
            at = self.settled_after(at)
        return at

    def hooked(self, case, at):
        """Whether the case's rules of then have a webhook."""
        answers = [j["response_id"] for j in self.judged.values() if j["case_id"] == case["id"] and us(j["at"]) <= at]
        return any(company.HOOKED & set(company.matching(self.responses[r])[0]) for r in answers)

    def check_hooks(self, case):
        actual = collections.Counter(m["kind"] for m in self.messages[case["id"]]
                                     if m["channel"] == "webhook" and m["kind"] != "case.amended")
        least, most = collections.Counter(), collections.Counter()
        for e in self.events[case["id"]]:
            kind = "case.opened" if e["kind"] == "opened" else HOOKS.get(e["kind"])
            if e["kind"] == "undone" and e["came"] in ENDS and e["went"] in UNRESOLVED:
                kind = "case.reopened"
            if kind is None or e["details"].get("waiting_over"):
                continue
            early, late = self.hooked(case, e["at"]), self.hooked(case, self.settled_after(e["at"]))
            most[kind] += late
            least[kind] += early and not e["undone"] and e["kind"] != "undone"
        for kind in set(actual) | set(most):
            if not least[kind] <= actual[kind] <= most[kind]:
                self.wrong(case["id"], f"{least[kind]} to {most[kind]} webhooks {kind}", actual[kind])
            self.counts["webhooks"] += actual[kind]

    def check_told(self):
        self.by_case = collections.defaultdict(list)
        for j in self.judged.values():
            self.by_case[j["case_id"]].append(j)
        for case in self.cases.values():
            if case["id"] in self.timelines:
                self.check_mails(case)
                self.check_hooks(case)
        came = {request.headers["webhook-id"]: verify(request)["type"] for request in list(self.site.hook.requests)}
        known = {m["id"]: m for ms in self.messages.values() for m in ms if m["channel"] == "webhook"}
        for identity in set(came) - set(known):
            self.wrong("?", "no webhook", f"{identity} {came[identity]}")
        for identity, m in known.items():
            if came.get(identity, m["kind"]) != m["kind"] or (m["state"] != "cancelled" and identity not in came):
                self.wrong(m["case_id"], f"the webhook {m['kind']} {identity} to arrive ({m['state']})", came.get(identity))


def check(site, settled):
    checker = Checker(site, settled)
    checker.check_cases()
    checker.check_told()
    year_after.check(checker)
    checker.summary = (f"{len(checker.responses)} responses, {len(checker.cases)} cases, {sum(map(len, checker.events.values()))} events, "
                       f"{len(site.mailbox.mails)} mails and {len(site.hook.requests)} webhooks received; "
                       + ", ".join(f"{n} {what}" for what, n in sorted(checker.counts.items())))
    return checker
