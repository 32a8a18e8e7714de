#!/usr/bin/python3
"""
Counts what the test programs ran, prints a table and the closing line of ./check.

Each --report LABEL=FILE is a testlog.json of meson: one test program a line. A program that says how many cases it ran
(cmocka, pytest, pg_prove, TAP, or a plain "N passed, N failed") is counted by its cases, any other as one. A program
that failed without a failed case of its own (crash, timeout, sanitizer) counts as one failure more.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import json
import re
import sys

COUNTERS = (
    # (a program's own closing words, what the groups mean)
    (re.compile(r"^\[\s+(PASSED|FAILED|SKIPPED)\s+\] (\d+) test", re.M), "cmocka"),
    (re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s", re.M), "pytest"),
    (re.compile(r"^Files=\d+, Tests=(\d+),", re.M), "prove"),
    (re.compile(r"^(?:\w+: )?(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$", re.M), "plain"),
)


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


def count_output(text):
    """What a program said it ran, or None when it said nothing that is known here."""
    count, known = Count(), False
    for pattern, kind in COUNTERS:
        for match in pattern.finditer(text):
            known = True
            if kind == "cmocka":
                field = match.group(1).lower()
                setattr(count, field, getattr(count, field) + int(match.group(2)))
            elif kind == "pytest":
                words = {w: int(n) for n, w in re.findall(r"(\d+) (passed|failed|skipped|errors?)", match.group(1))}
                count.add(Count(words.get("passed", 0), words.get("failed", 0) + words.get("error", 0)
                                + words.get("errors", 0), words.get("skipped", 0)))
            elif kind == "prove":
                failed = len(re.findall(r"^not ok ", text, re.M)) or len(re.findall(r"^#\s+Failed test", text, re.M))
                count.add(Count(int(match.group(1)) - failed, failed))
            else:
                count.add(Count(*(int(g or 0) for g in match.groups())))
        if known:
            return count
    lines = re.findall(r"^(ok|not ok) \d+(.*)$", text, re.M)
    for verdict, rest in lines:
        if "# SKIP" in rest.upper():
            count.skipped += 1
        elif verdict == "ok":
            count.passed += 1
        else:
            count.failed += 1
    return count if lines else None


def count_program(test):
    result = test["result"]
    if result == "SKIP":
        return Count(skipped=1)
    passed = result in ("OK", "EXPECTEDFAIL")
    count = count_output((test.get("stdout") or "") + "\n" + (test.get("stderr") or ""))
    if count is None or count.passed + count.failed + count.skipped == 0:
        return Count(passed=1) if passed else Count(failed=1)
    if not passed and count.failed == 0:
        count.failed = 1
    return count


def suite_of(test):
    """meson writes "project:suite / name"; older ones leave the suite to a list."""
    suites = [s.split(":")[-1] for s in test.get("suite", [])]
    return suites[0] if suites else test["name"].split(" / ")[0].split(":")[-1]


def read_report(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return [json.loads(line) for line in file if line.strip()]
    except OSError:
        return []


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--report", action="append", default=[], metavar="LABEL=FILE")
    parser.add_argument("--failed-step", action="append", default=[])
    arguments = parser.parse_args()

    total, rows, failures = Count(), {}, []
    for step in arguments.failed_step:
        total.failed += 1
        failures.append(f"step: {step}")
    for report in arguments.report:
        label, _, path = report.partition("=")
        tests = read_report(path)
        if not tests:
            total.failed += 1
            failures.append(f"{label}: no test ran")
        for test in tests:
            count = count_program(test)
            key = (label, suite_of(test))
            programs, cases, seconds = rows.setdefault(key, [0, Count(), 0.0])
            cases.add(count)
            rows[key][0] = programs + 1
            rows[key][2] = seconds + float(test.get("duration") or 0)
            total.add(count)
            if count.failed:
                failures.append(f"{label}: {test['name']} ({test['result'].lower()})")

    if rows:
        print(f"\n{'build':<10} {'suite':<12} {'programs':>8} {'passed':>8} {'failed':>7} {'skipped':>8} {'seconds':>8}")
        for (label, suite), (programs, cases, seconds) in rows.items():
            print(f"{label:<10} {suite:<12} {programs:>8} {cases.passed:>8} {cases.failed:>7} {cases.skipped:>8}"
                  f" {seconds:>8.1f}")
    for failure in failures:
        print(f"FAILED  {failure}")
    print()
    skipped = f", {total.skipped} skipped" if total.skipped else ""
    print(f"{total.passed} passed, {total.failed} failed{skipped}")
    return 1 if total.failed or not total.passed else 0


if __name__ == "__main__":
    sys.exit(main())
