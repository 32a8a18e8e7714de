"""
One case as its events tell it, for year_check: its states and clocks after each event, and what is due of it. Written from
docs/case-states.md and the configuration; it knows nothing of the SQL.

SPDX-License-Identifier: Apache-2.0
"""
import copy
import dataclasses

import year_company as company
from year_clocks import clock, later_by, times

UNRESOLVED = ("open", "acknowledged", "in_progress", "waiting")
ACTIVE = ("open", "acknowledged", "in_progress")
# What people may do, and where from: docs/case-states.md.
LEGAL = {
    "acknowledged": ("open",), "started": ("open", "acknowledged", "waiting"), "contacted": ACTIVE, "waiting": ACTIVE,
    "resolved": UNRESOLVED, "closed": ("resolved",), "dismissed": UNRESOLVED, "reopened": ("resolved", "closed", "dismissed"),
    "assigned": UNRESOLVED,
}
BY_ITSELF = {"return", "close", "expire", "remind", "warn", "escalate"}


@dataclasses.dataclass
class State:
    follow_up: dict
    owner: str
    opened: int
    status: str = "open"
    reopened_at: int = None
    assigned_at: int = None
    acknowledge_due: int = None
    resolve_due: int = None
    waited: int = 0
    waiting_since: int = None
    waiting_until: int = None
    came_from: str = None  # before it waited
    resolved_at: int = None
    acknowledged_at: int = None
    contacted_at: int = None
    reminded: int = 0
    warned: bool = False
    fired: frozenset = frozenset()
    reopened: int = 0
    handovers: int = 0
    unheard: int = 0
    unreached: int = 0
    outcome: str = None

    def clock(self):
        return clock(self.follow_up.get("calendar"), self.owner)

    @property
    def round(self):
        return self.opened if self.reopened_at is None else self.reopened_at

    @property
    def hand(self):
        """From when the acknowledge clock counts."""
        return max(t for t in (self.opened, self.reopened_at, self.assigned_at) if t is not None)

    def start_clocks(self, acknowledge, resolve):
        of = self.clock()
        if acknowledge:
            within = self.follow_up.get("acknowledge_within")
            self.acknowledge_due = of.promise(self.hand, within, 1) if within else None
        if resolve:
            within = self.follow_up.get("resolve_within")
            self.resolve_due = later_by(of.promise(self.round, within, 1), self.waited, of) if within else None
        return self

    def end_waiting(self, at):
        of = self.clock()
        passed = of.open_time(self.waiting_since, at)
        self.waited += passed
        self.resolve_due = later_by(self.resolve_due, passed, of)
        self.waiting_since = self.waiting_until = None
        self.status = "in_progress" if self.came_from == "in_progress" else "acknowledged"

    def agenda(self):
        """[(due, what, step)]; of the reminders the next one only."""
        of, f = self.clock(), self.follow_up
        if self.status == "waiting":
            return [(self.waiting_until, "return", None)]
        if self.status == "resolved" and f.get("close_after"):
            return [(of.promise(self.resolved_at, f["close_after"], 1), "close", None)]
        if self.status not in ACTIVE:
            return []
        due = []
        if f.get("expire_after"):
            due.append((later_by(of.promise(self.round, f["expire_after"], 1), self.waited, of), "expire", None))
        if self.status == "open" and self.reminded < f.get("remind_at_most", 3) and f.get("remind_every"):
            due.append((self.reminder(self.reminded + 1), "remind", None))
        if f.get("warn_before") and self.resolve_due is not None and not self.warned:
            due.append((of.promise(self.resolve_due, f["warn_before"], -1), "warn", None))
        for step, (when, after, _) in f["escalate"].items():
            if step not in self.fired and (when == "unresolved" or self.status == "open"):
                at = self.step_due(when, after, of)
                if at is not None:
                    due.append((at, "escalate", step))
        return due

    def reminder(self, n):
        return self.clock().promise(self.hand, times(self.follow_up["remind_every"], n), 1)

    def step_due(self, when, after, of):
        if not after:
            return self.resolve_due if when == "unresolved" else self.acknowledge_due
        at = later_by(of.promise(self.round, after, 1), self.waited, of)
        if when == "unacknowledged" and self.assigned_at is not None and at <= self.assigned_at and self.acknowledge_due is not None:
            return self.acknowledge_due
        return at


class Illegal(Exception):
    """What an event did isn't what should have happened."""


def moved(state, e):
    """The state after an event by which a person, or a customer's answer, moved the case."""
    s = copy.copy(state)
    kind, at = e["kind"], e["at"]
    if kind in ("noted", "joined", "amended"):
        return s
    if kind == "outcome":
        s.outcome = e["details"]["outcome"]
        return s
    if s.status not in LEGAL[kind]:
        raise Illegal(f"{kind} from {s.status}")
    if s.status == "waiting":
        s.end_waiting(at)
    reached = kind == "contacted" and e["details"]["reached"]
    if kind in ("acknowledged", "started", "contacted", "waiting", "resolved") and s.acknowledged_at is None:
        s.acknowledged_at = at
    if kind == "waiting":
        s.came_from, s.waiting_since, s.waiting_until = s.status, at, e["until"]
    elif kind == "resolved":
        s.resolved_at = at
    elif kind == "contacted" and reached:
        s.contacted_at, s.unheard = at, 0
    elif kind == "contacted":
        s.unreached += 1
    elif kind == "reopened":
        s.reopened, s.reopened_at, s.waited, s.warned, s.fired, s.outcome = s.reopened + 1, at, 0, False, frozenset(), None
    elif kind == "assigned":
        if e["details"]["to"] == s.owner:
            raise Illegal(f"assigned to {s.owner}, who has it")
        s.handovers, s.unheard, s.owner, s.assigned_at = s.handovers + 1, s.unheard + 1, e["details"]["to"], at
    s.status = {"started": "in_progress", "reopened": "open", "assigned": "open",
                "contacted": "in_progress" if reached or s.status == "in_progress" else "acknowledged"}.get(kind, kind)
    if kind in ("reopened", "assigned"):
        s.acknowledged_at, s.reminded = None, 0
        s.start_clocks(True, kind == "reopened" or s.follow_up.get("calendar") == "owner")
    return s


def done_by_itself(state, e):
    """What an event by the daemon did of the agenda: (what, step), and the state after it."""
    s = copy.copy(state)
    kind, details = e["kind"], e["details"]
    if details.get("waiting_over"):
        s.end_waiting(e["at"])
        return "return", None, s
    if kind == "closed":
        s.status = "closed"
        return "close", None, s
    if kind == "dismissed":
        s.status = "dismissed"
        return "expire", None, s
    if kind == "reminded" and details.get("warning"):
        s.warned = True
        return "warn", None, s
    if kind == "reminded":
        s.reminded = details["n"]
        return "remind", None, s
    if kind == "escalated":
        s.fired = s.fired | {details["step"]}
        return "escalate", details["step"], s
    raise Illegal(f"{kind} by the daemon")


def began(follow_up, owner, at):
    return State(company.FOLLOW_UPS[follow_up], owner, at).start_clocks(True, True)
