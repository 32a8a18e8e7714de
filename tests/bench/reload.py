"""
How long a reload of 2,000 rules takes: from asking over the database until the daemon says that they are live, and how much of it
the daemon's main thread does nothing else.

SPDX-License-Identifier: Apache-2.0
"""
import itertools
import re
import statistics
import time

import field

RULES = 2000
PATIENCE_S = 30
# As varied as people write them; every set has other numbers, so none is live already.
CONDITIONS = ("(nps <= 6 or any rating <= 2) and touchpoint in ('t{0}', 'service')", "nps <= 4 and comment contains ('late', 'slow', 'x{0}')",
              "any rating <= 2 and region = 'r{0}'", "customer_email contains '@x{0}.example' and account is not 'a{0}'",
              "nps between 2 and 8 and comment matches '^(a|b){0}'")


def rules(turn):
    return "\n".join(f'  rule-{i}: {{ when = "{CONDITIONS[i % len(CONDITIONS)].format(i + turn)}"; priority = "high"; }};' for i in range(RULES))


def once(f, connection, process, database, turn):
    """Milliseconds from the question to the answer."""
    f.configure(rules=rules(turn))
    f.configuration(database, process.listens_at)
    with connection.cursor() as cursor:
        began = time.monotonic()
        cursor.execute("SELECT closeloop.reload_ask('bench')")
        asked = cursor.fetchone()[0]
        for _ in itertools.count():
            cursor.execute("SELECT ruleset, config_error FROM closeloop.daemons WHERE reload_id >= %s", (asked,))
            row = cursor.fetchone()
            if row:
                if row[1]:
                    raise RuntimeError(row[1])
                return (time.monotonic() - began) * 1000
            if time.monotonic() - began > PATIENCE_S:
                raise RuntimeError("no answer to a reload")
            time.sleep(0.001)
    raise AssertionError("unreachable")


def run_reload(f, report, size):
    f.configure(rules=rules(0))
    database = f.database("ours")
    process = f.daemon(database)
    connection = f.connect(database)
    took = [once(f, connection, process, database, turn) for turn in range(1, 3 * size.runs + 2)][1:]
    log = (f.folder / "closeloopd.log").read_text(encoding="utf-8", errors="replace")
    read = [int(ms) for ms in re.findall(r"reload: read ms=(\d+)", log)][-len(took):]
    report.value(f"reload of {RULES:,} rules, ms from asking until they are live", statistics.median(took), "<= 100")
    report.value("of it the main thread reads and compiles, ms", statistics.median(read), None)
    f.stop(process)
    f.drop(database)
    f.configure()
