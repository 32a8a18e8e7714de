"""
The speed half of "Nothing lost, nothing twice, and fast": every figure of docs/performance.md, measured anew.

    bench.py [--quick] [--runs N] [--only ROW,…] [--json FILE] BUILD

BUILD is a build folder (meson setup --buildtype=release). Each figure is the median of its runs; closeloopd and the program it is compared with take turns. A figure that misses
its target is marked, and never fails the run: this is a benchmark. It fails when something doesn't work.

SPDX-License-Identifier: Apache-2.0
"""
import argparse
import dataclasses
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import browse
import delivery
import drain
import field
import history
import reload
import sweep
import writers


@dataclasses.dataclass
class Size:
    runs: int = 3
    responses: int = 100_000
    backlog: int = 1_000_000
    history: int = 200_000
    seconds: int = 10
    idle: int = 40
    latency: int = 20
    mails: int = 10_000
    past: int = 1_000_000
    cases: int = 100_000
    pages: int = 300


QUICK = Size(runs=1, responses=20_000, backlog=100_000, history=40_000, seconds=3, idle=8, latency=5, mails=500, past=100_000,
             cases=10_000, pages=60)


class Report:
    def __init__(self):
        self.rows = []

    def row(self, what, ours, other, target):
        self._add(what, ours, other, ours / other if other else float("inf"), target)

    def value(self, what, ours, target):
        self._add(what, ours, None, ours, target)

    def _add(self, what, ours, other, judged, target):
        met = ""
        if target:
            sign, limit = target.split()
            met = "met" if (judged >= float(limit) if sign == ">=" else judged <= float(limit)) else "MISSED"
        self.rows.append({"what": what, "ours": ours, "other": other, "ratio": judged if other is not None else None,
                          "target": target, "met": met, "load": round(os.getloadavg()[0], 1)})
        if other is None:
            print(f"  {what}: {number(ours)}  [{target}] {met}", flush=True)
        else:
            print(f"  {what}: {number(ours)} / {number(other)} = {judged:.2f}  [{target}] {met}", flush=True)

    def spread(self, what, runs):
        print(f"  {what}, each run: " + ", ".join(f"{k} {v}" for k, v in runs.items()), flush=True)

    def note(self, text):
        print(f"  {text}", flush=True)


def number(x):
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def run_rule(f, report, size):
    report.note(f.run(f.bench / "bench_rule").strip().replace("\n", "\n  "))


ROWS = {"w1": drain.run_w1, "history": drain.run_history, "backlog": drain.run_backlog, "insert": writers.run_insert, "xmin": drain.run_xmin,
        "latency": delivery.run_latency, "idle": writers.run_idle, "rule": run_rule, "neighbours": delivery.run_neighbours,
        "mail": delivery.run_mail, "sweep": sweep.run_sweep, "backtest": history.run_backtest,
        "reload": reload.run_reload, "pages": browse.run_pages, "browse": browse.run_browse}


def machine():
    name = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo", encoding="utf-8") if "model name" in line), "?")
    version = subprocess.run(["git", "-C", str(field.ROOT), "rev-parse", "--short", "HEAD"], capture_output=True, text=True,
                             check=False).stdout.strip()
    return f"{os.cpu_count()} cores of {name}, load {os.getloadavg()[0]:.1f}, commit {version or 'unknown'}"


def main():
    parser = argparse.ArgumentParser(description="Measures closeloopd against bare programs.")
    parser.add_argument("--quick", action="store_true", help="one short run of each: shows that it works, not how fast")
    parser.add_argument("--runs", type=int, help="runs of which the median counts (3)")
    parser.add_argument("--only", help="rows, separated by commas: " + " ".join(ROWS))
    parser.add_argument("--json", help="write the figures to this file")
    parser.add_argument("build", type=pathlib.Path, help="the build folder")
    arguments = parser.parse_args()
    names = arguments.only.split(",") if arguments.only else list(ROWS)
    unknown = [n for n in names if n not in ROWS]
    if unknown:
        parser.error(f"no row {unknown[0]}; there are {' '.join(ROWS)}")
    size = QUICK if arguments.quick else Size()
    if arguments.runs:
        size = dataclasses.replace(size, runs=arguments.runs)
    folder = tempfile.mkdtemp(prefix="closeloop-bench.")
    os.chmod(folder, 0o711)
    report, f = Report(), None
    print(machine(), flush=True)
    try:
        f = field.Field(folder, arguments.build.resolve())
        for name in names:
            print(f"{name}:", flush=True)
            ROWS[name](f, report, size)
    finally:
        if f:
            f.close()
        shutil.rmtree(folder, ignore_errors=True)
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps({"machine": machine(), "rows": report.rows}, indent=1) + "\n",
                                                encoding="utf-8")
    missed = sum(r["met"] == "MISSED" for r in report.rows)
    print(f"{sum(r['met'] == 'met' for r in report.rows)} targets met, {missed} missed")


if __name__ == "__main__":
    sys.exit(main())
