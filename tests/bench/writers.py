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
SLICE_S = 2  # short turns: what the disk does in a second hits all modes alike


def pgbench(f, database, writers, seconds):
    """(inserts per second, CPU of PostgreSQL in us per insert)"""
    script = f.folder / "insert.sql"
    script.write_text(INSERT, encoding="utf-8")
    before = field.tree_cpu(f.pg.process.pid)
    text = f.run(f.pg.bin / "pgbench", "-n", "-M", "prepared", "-c", writers, "-j", "2", "-T", seconds, "-f", script,
                 env=f.environment(database))
    count = int(re.search(r"number of transactions actually processed: (\d+)", text).group(1))
    return float(re.search(r"tps = ([\d.]+)", text).group(1)), (field.tree_cpu(f.pg.process.pid) - before) * 1e6 / count


def insert_rate(f, database, mode, writers, seconds):
    """One turn. All modes have the same table with the same indexes, which begins empty and was checkpointed."""
    process = None
    f.q(database, f"ALTER TABLE closeloop.responses {'DISABLE' if mode == 'no triggers' else 'ENABLE'} TRIGGER USER")
    if mode == "draining":
        process = f.daemon(database)
    else:
        f.q(database, "SELECT setval('closeloop.awake_until', (extract(epoch FROM clock_timestamp()) * 1000)::bigint + %s)",
            CLOSED_FOR_S * 1000)
    f.q(database, "CHECKPOINT")
    pgbench(f, database, writers, 1)  # new files are written for the first time
    result = pgbench(f, database, writers, seconds)
    if process:
        f.stop(process)
    f.q(database, "SELECT setval('closeloop.awake_until', 0)")
    f.q(database, "TRUNCATE closeloop.responses, closeloop.inbox CASCADE")
    return result


def run_insert(f, report, size):
    database = f.database("ours")
    f.settle(database)
    for writers in (4, 32):
        runs = {mode: [] for mode in MODES}
        for turn in range(max(size.runs * size.seconds // SLICE_S, 2)):
            for mode in MODES[turn % len(MODES):] + MODES[:turn % len(MODES)]:
                runs[mode].append(insert_rate(f, database, mode, writers, SLICE_S))
        rates = {k: [r[0] for r in v] for k, v in runs.items()}
        report.spread(f"INSERT, {writers} writers, per second", {k: [round(r) for r in v] for k, v in rates.items()})
        report.note("CPU of PostgreSQL in us per INSERT: " +
                    ", ".join(f"{k} {statistics.median(r[1] for r in v):.0f}" for k, v in runs.items()))
        ratios = [a / b for a, b in zip(rates["gate closed"], rates["no triggers"])]
        report.note(f"gate closed against no triggers, turn by turn: {min(ratios):.2f} to {max(ratios):.2f}")
        median = {k: statistics.median(v) for k, v in rates.items()}
        report.row(f"INSERT, {writers} writers, gate closed, per second (against no triggers)", median["gate closed"],
                   median["no triggers"], ">= 0.75")
        report.row(f"INSERT, {writers} writers, daemon draining, per second (against no triggers)", median["draining"],
                   median["no triggers"], "")
    f.drop(database)


def rows_written(f, database):
    return int(f.q(database, "SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0) FROM pg_stat_user_tables")[0][0])


def run_idle(f, report, size):
    database = f.database("ours")
    process = f.daemon(database)
    time.sleep(10)  # the looks after the start have ended, and its counts have been reported
    switches, written = field.stat_of(process.pid)[1], rows_written(f, database)
    time.sleep(size.idle)
    switches = field.stat_of(process.pid)[1] - switches
    report.value("idle: wake-ups of all threads per second", switches / size.idle, "<= 1")
    time.sleep(1.5)  # a session reports its counts at most once a second
    report.value(f"idle: rows written in {size.idle} s", float(rows_written(f, database) - written), "<= 0")
    f.stop(process)
    f.drop(database)
