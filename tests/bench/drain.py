"""
How fast a backlog is worked off, and what that costs: closeloopd against the ceiling, one against two, xmin held or not.

SPDX-License-Identifier: Apache-2.0
"""
import statistics
import time

import field

MATCHING = 15  # of 100 responses


def matching(n):
    return n * MATCHING // 100


def sent(f, database):
    """Every message is settled, or every delivery noted: what is left is nothing."""
    if database.startswith("ours"):
        return f.q(database, "SELECT NOT EXISTS (SELECT FROM closeloop.messages WHERE state IN ('queued', 'leased'))")[0][0]
    return f.q(database, "SELECT NOT EXISTS (SELECT FROM follow_up WHERE delivered_at IS NULL)")[0][0]


def drain(f, kind, n, daemons=1, before=None, start=None):
    """One drain of n responses that wait already. {rate, cpu, pg_cpu, rss}; CPU in seconds per 10,000 responses."""
    start = start or f.start
    database = f.database(kind)
    if before:
        before(database)
    f.fill(database, 1, n)
    if kind == "ours":  # looks at each response once: in a flood at a new installation's first start at all of them
        f.q(database, "SELECT closeloop.source_look()")
    f.settle(database)
    f.sink.reset()
    server_before = field.tree_cpu(f.pg.process.pid)
    began = time.time()
    processes = [start(database) for _ in range(daemons)]
    field.wait(lambda: f.sink.count() >= matching(n), 60 + n / 2000, lambda: f"{matching(n)} requests, {f.sink.count()} came")
    field.wait(lambda: sent(f, database), 30, "everything settled")
    costs = [field.stat_of(p.pid) for p in processes]
    for p in processes:
        f.stop(p)
    stats = f.sink.stats()
    if stats["distinct"] != matching(n):
        raise RuntimeError(f"{stats['distinct']} of {matching(n)} responses arrived")
    result = {"rate": n / (stats["last_us"] / 1e6 - began), "cpu": sum(c[0] for c in costs) * 1e4 / n,
              "pg_cpu": (field.tree_cpu(f.pg.process.pid) - server_before) * 1e4 / n,
              "rss": max(c[2] for c in costs), "body": stats["bytes"] / stats["count"],
              "copies": stats["count"] - stats["distinct"]}
    f.drop(database)
    return result


def medians(runs):
    return {key: statistics.median(r[key] for r in runs) for key in runs[0]}


def run_w1(f, report, size):
    runs = {"bare": [], "same": [], "ours": [], "two": []}
    for _ in range(size.runs):
        runs["bare"].append(drain(f, "bare", size.responses))
        runs["same"].append(drain(f, "ours", size.responses, start=f.same_rows))
        runs["ours"].append(drain(f, "ours", size.responses))
        runs["two"].append(drain(f, "ours", size.responses, daemons=2))
    bare, same, ours, two = (medians(runs[k]) for k in runs)
    report.spread("drain, responses/s", {k: [round(r["rate"]) for r in v] for k, v in runs.items()})
    report.row("drain of W1, responses/s", ours["rate"], bare["rate"], ">= 0.6")
    report.row("CPU of the daemon, s per 10,000 responses", ours["cpu"], bare["cpu"], "<= 2")
    report.row("CPU of PostgreSQL, s per 10,000 responses", ours["pg_cpu"], bare["pg_cpu"], "<= 1.5")
    report.row("CPU of PostgreSQL, against the same rows written by the bare program", ours["pg_cpu"], same["pg_cpu"], "")
    report.value("peak memory at W1, MiB", ours["rss"], "<= 32")
    report.row("two daemons, responses/s (against one)", two["rate"], ours["rate"], ">= 1.0")
    report.note(f"body of a webhook: {ours['body']:.0f} bytes signed, {bare['body']:.0f} of the ceiling;"
                f" copies: {sum(r['copies'] for r in runs['ours'] + runs['two'])}")


# Two answers of each customer, one of one in twenty who gives sixty a day, and none of them waits for anything.
PAST = """SET session_replication_role = replica;
    INSERT INTO closeloop.responses (survey, customer_id, account, nps, responded_at)
    SELECT 'visit', CASE WHEN i %% 20 = 0 THEN 'customer-20' ELSE 'customer-' || i END, 'account-' || i %% 500, i %% 11,
      now() - (i %% 90 + k) * interval '1 day' FROM generate_series(1, %s) AS i, generate_series(1, 2) AS k"""
ASKING = """often: { when = "nps <= 6 and history.detractors(90d) >= 1"; };
  turned: { when = "previous.nps >= 9 and nps <= 6"; priority = "urgent"; };"""


def run_history(f, report, size):
    """W1 once more, of customers who have answered before: with rules that ask for that, and without."""
    runs = {"plain": [], "asking": []}
    for _ in range(size.runs):
        for name, rules in (("plain", ""), ("asking", ASKING)):
            f.configure(rules=rules)
            runs[name].append(drain(f, "ours", size.responses, before=lambda d: f.q(d, PAST, size.responses)))
    f.configure()
    plain, asking = medians(runs["plain"]), medians(runs["asking"])
    report.spread("drain, responses/s", {k: [round(r["rate"]) for r in v] for k, v in runs.items()})
    report.row("drain of W1 with history in use, responses/s (against without)", asking["rate"], plain["rate"], ">= 0.5")
    report.row("CPU of PostgreSQL for it, s per 10,000 responses", asking["pg_cpu"], plain["pg_cpu"], "")


def run_backlog(f, report, size):
    result = drain(f, "ours", size.backlog)
    report.value(f"peak memory with a backlog of {size.backlog:,}, MiB", result["rss"], "<= 32")
    report.note(f"drain of {size.backlog:,}: {result['rate']:,.0f} responses/s")


def after_history(f, held, size):
    """Rate of a drain by a daemon that has processed `history` responses; held: while another transaction holds xmin."""
    database = f.database("ours")
    f.settle(database)
    f.sink.reset()
    process = f.daemon(database)
    holder = f.connect(database)
    holder.autocommit = not held
    with holder.cursor() as cursor:
        cursor.execute("SELECT txid_current()")
    f.fill(database, 1, size.history)
    field.wait(lambda: f.sink.count() >= matching(size.history) and sent(f, database), 120, "the history is processed")
    f.q(database, "SELECT closeloop.source_look()")  # its first look is at all there is, whenever it comes
    before = f.sink.count()
    f.fill(database, size.history + 1, size.history + size.responses)
    began = time.time()
    field.wait(lambda: f.sink.count() >= before + matching(size.responses), 120, "the drain")
    rate = size.responses / (f.sink.stats()["last_us"] / 1e6 - began)
    holder.rollback()
    holder.close()
    f.stop(process)
    f.drop(database)
    return rate


def run_xmin(f, report, size):
    runs = {False: [], True: []}
    for _ in range(size.runs):
        for held in runs:
            runs[held].append(after_history(f, held, size))
    report.spread("drain with xmin free / held, responses/s", {str(k): [round(r) for r in v] for k, v in runs.items()})
    report.row("drain while another transaction holds xmin, responses/s (against without)", statistics.median(runs[True]),
               statistics.median(runs[False]), ">= 0.9")
