"""
What the customers said next, and the figures, for year_check: who was won back, which answers opened a case again, and what
follow_up_performance makes of it.

SPDX-License-Identifier: Apache-2.0
"""
import bisect
import collections
import itertools

import year_company as company
from year_case import UNRESOLVED
from year_clocks import shown, us

SCALES = {"nps": (0, 10), "csat": (1, 5)}
WITHIN = int(company.OUTCOME_WITHIN.total_seconds()) * 1000000


def levels(r):
    """From 0, the worst of a scale, to 1."""
    return {q: (r[q] - low) / (high - low) for q, (low, high) in SCALES.items() if r[q] is not None}


def outcome(before, after):
    """Docs: low goes up to 0.6; the same question is compared, else the level of what there is."""
    was, now = levels(before), levels(after)
    if not now:
        return None
    question = next((q for q in SCALES if q in was and q in now), None)
    old = was[question] if question else sum(was.values()) / len(was) if was else None
    new = now[question] if question else sum(now.values()) / len(now)
    if new > 0.6:
        return "unchanged" if old is not None and old > 0.6 else "recovered"
    return "lost" if old is None or new < old else "unchanged"


class Story:
    """A customer's cases, as they were at the moment of each answer."""

    def __init__(self, checker):
        self.checker = checker
        self.of = collections.defaultdict(list)
        for case in checker.cases.values():
            self.of[case["customer_id"]].append(case)
        # An event carries the moment at which its transaction began, which may have waited for the one of the event before.
        self.starts = {case: list(itertools.accumulate((at for at, _ in line), max)) for case, line in checker.timelines.items()}

    def at(self, case, moment):
        """The state of a case; None before it was opened."""
        i = bisect.bisect_right(self.starts[case], moment) - 1
        return self.checker.timelines[case][i][1] if i >= 0 else None

    def moved(self, case, begin, end):
        """Whether a person did something about it in between: then it may have been judged before that or after."""
        return any(begin <= e["at"] <= end and e["actor"] != "daemon" for e in self.checker.events[case])

    def check(self, r):
        checker, at = self.checker, us(r["responded_at"])
        known = [c for c in self.of[r["customer_id"]] if c["id"] in self.starts and us(c["opened_at"]) < at]
        if any(self.moved(c["id"], at, checker.settled_after(at)) for c in known):
            checker.counts["answers while somebody acted"] += 1
            return
        # The transaction that judged it may have begun a moment before it came, and what it did carries that moment.
        told = [e["at"] for c in known for e in checker.events[c["id"]] if e["details"].get("response_id") == r["id"]]
        states = {c["id"]: (c, self.at(c["id"], min([at, *(t - 1 for t in told)]))) for c in known}
        states = {case: (c, s) for case, (c, s) in states.items() if s is not None}
        for case, (c, s) in states.items():
            self.check_outcome(r, at, c, s)
        self.check_relation(r, at, states)

    def check_outcome(self, r, at, case, s):
        checker = self.checker
        events = [e for e in checker.events[case["id"]] if e["kind"] == "outcome" and e["details"]["response_id"] == r["id"]]
        expected = None
        if s.status in ("resolved", "closed") and s.outcome is None and s.resolved_at < at <= s.resolved_at + WITHIN:
            expected = outcome(checker.responses[case["response_id"]], r)
        found = [e["details"]["outcome"] for e in events]
        if found != ([expected] if expected else []):
            checker.wrong(case["id"], f"outcome {expected} by response {r['id']} of {shown(at)}", found)
        checker.counts[expected or "no news"] += expected is not None

    def check_relation(self, r, at, states):
        checker, judged = self.checker, self.checker.judged.get(r["id"])
        match = company.matching(r)
        if match is None:
            if judged:
                checker.wrong("?", f"no case for response {r['id']}", judged)
            return
        ended = [(s.resolved_at, c["id"]) for c, s in states.values()
                 if s.status in ("resolved", "closed") and at - WITHIN <= s.resolved_at < at]
        if not judged:
            checker.wrong("?", f"a case for response {r['id']} of {shown(at)}", "none")
        elif ended:
            again = [e for e in checker.events[max(ended)[1]] if e["kind"] == "reopened" and e["actor"] == "daemon"
                     and e["details"].get("response_id") == r["id"]]
            checker.counts["came back"] += 1
            if judged["case_id"] != max(ended)[1] or len(again) != 1:
                checker.wrong(max(ended)[1], f"reopened once by response {r['id']} of {shown(at)}",
                              f"{judged['relation']} C-{judged['case_id']}, {again}")
        elif judged["relation"] not in ("opened", "linked") or checker.cases[judged["case_id"]]["response_id"] != r["id"]:
            checker.wrong(judged["case_id"], f"response {r['id']} of {shown(at)} opens a case", judged["relation"])


def performance(checker, cases):
    """The counts of a row of follow_up_performance, from the events."""
    n = collections.Counter(opened=len(cases))
    for case in cases:
        events, last = checker.events[case["id"]], checker.timelines[case["id"]][-1][1]
        n["acknowledged"] += any(e["came"] == "open" and e["went"] in ("acknowledged", "in_progress", "waiting", "resolved")
                                 and e["kind"] != "undone" and not e["undone"] for e in events)
        n["resolved"] += last.status in ("resolved", "closed")
        n["unresolved"] += last.status in UNRESOLVED
        n["dismissed"] += last.status == "dismissed"
        n["expired"] += last.status == "dismissed" and [e for e in events if e["kind"] == "dismissed"][-1]["actor"] == "daemon"
        n["contacted"] += last.contacted_at is not None
        n["reopened"] += last.reopened
        n["reopened_cases"] += last.reopened > 0
        n["handovers"] += last.handovers
        told = [e for e in events if e["kind"] == "outcome"]
        if told:
            n[told[-1]["details"]["outcome"]] += 1
            n["rescored"] += 1
    return n


def check_performance(checker):
    views = checker.rows("SELECT * FROM closeloop.follow_up_performance WHERE dimension IN ('all', 'owner')")
    for row in views:
        cases = [c for c in checker.cases.values() if row["dimension"] == "all" or c["owner"] == row["value"]]
        if any(c["id"] not in checker.timelines for c in cases):
            continue  # said already
        expected = performance(checker, cases)
        for column in ("opened", "acknowledged", "resolved", "unresolved", "dismissed", "expired", "contacted", "reopened", "reopened_cases",
                       "handovers", "recovered", "unchanged", "lost", "rescored"):
            if row[column] != expected[column]:
                checker.wrong("?", f"follow_up_performance {row['dimension']} {row['value'] or ''} {column} = {expected[column]}", row[column])


def check(checker):
    story = Story(checker)
    for r in checker.responses.values():
        story.check(r)
    check_performance(checker)
