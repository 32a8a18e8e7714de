"""
What the survey database pays: INSERT rates with and without triggers; what the daemon does when there is nothing to do.

SPDX-License-Identifier: Apache-2.0
"""
import re
import statistics
import time

import field

INSERT = """INSERT INTO closeloop.responses (survey, customer_id, nps, csat, comment)
    VALUES ('visit', 'customer-1', 9, 5, 'Everything as it was promised, thank you.');
"""
CLOSED_FOR_S = 55  # a promise more than a minute ahead counts as run out
MODES = ("no triggers", "gate closed", "draining")


def pgbench(f, database, writers, seconds):
    script = f.folder / "insert.sql"
    script.write_text(INSERT, encoding="utf-8")
    text = f.run(f.pg.bin / "pgbench", "-n", "-M", "prepared", "-c", writers, "-j", "2", "-T", seconds, "-f", script,
                 env=f.environment(database))
    return float(re.search(r"tps = ([\d.]+)", text).group(1))


def insert_rate(f, mode, writers, seconds):
    database = f.database("ours")
    process = None
    if mode == "no triggers":
        f.q(database, "ALTER TABLE closeloop.responses DISABLE TRIGGER USER")
    elif mode == "draining":
        process = f.daemon(database)
    f.settle(database)
    if mode == "gate closed":
        f.q(database, "SELECT closeloop.raise_awake((extract(epoch FROM clock_timestamp()) * 1000)::bigint + %s)",
            CLOSED_FOR_S * 1000)
    rate = pgbench(f, database, writers, seconds)
    if process:
        f.stop(process)
    f.drop(database)
    return rate


def run_insert(f, report, size):
    for writers in (4, 32):
        runs = {mode: [] for mode in MODES}
        for _ in range(size.runs):
            for mode in MODES:
                runs[mode].append(insert_rate(f, mode, writers, size.seconds))
        report.spread(f"INSERT, {writers} writers, per second", {k: [round(r) for r in v] for k, v in runs.items()})
        median = {k: statistics.median(v) for k, v in runs.items()}
        report.row(f"INSERT, {writers} writers, gate closed, per second (against no triggers)", median["gate closed"],
                   median["no triggers"], ">= 0.75")
        report.row(f"INSERT, {writers} writers, daemon draining, per second (against no triggers)", median["draining"],
                   median["no triggers"], "")


def rows_written(f, database):
    return int(f.q(database, "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables")[0][0])


def run_idle(f, report, size):
    database = f.database("ours")
    process = f.daemon(database)
    time.sleep(8)  # the looks after the start have ended
    switches, written = field.stat_of(process.pid)[1], rows_written(f, database)
    time.sleep(size.idle)
    switches = field.stat_of(process.pid)[1] - switches
    report.value("idle: wake-ups of all threads per second", switches / size.idle, "<= 1")
    time.sleep(1.5)  # a session reports its counts at most once a second
    written = rows_written(f, database) - written
    report.value(f"idle: rows written in {size.idle} s (the heartbeat: one every 15 s)", float(written), "<= 0")
    f.stop(process)
    f.drop(database)
