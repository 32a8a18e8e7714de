"""
How fast what falls due is worked off: follow_up_sweep() as the daemon calls it, among few and many open cases, alone and by two.

SPDX-License-Identifier: Apache-2.0
"""
import statistics
import threading
import time

BATCH = 500  # cases of one call, as the daemon's
SESSION = ("SET enable_seqscan = off; SET enable_memoize = off; SET jit = off; SET enable_hashjoin = off;"
           " SET enable_mergejoin = off; SET plan_cache_mode = force_generic_plan")
VERSION = """SELECT closeloop.follow_up_version(jsonb_build_object('name', 'bench', 'calendar', %s, 'acknowledge_within', '4h',
    'resolve_within', '2d', 'warn_before', '4h', 'remind_every', '1h', 'remind_at_most', 3, 'expire_after', '14d', 'escalate',
    '[{"id": "boss", "when": "unacknowledged", "to": "manager"}, {"id": "head", "when": "unresolved", "to": "person:ben"}]'::jsonb))"""
CLOCKS = """SELECT closeloop.clocks_replace('[{"name": "office", "timezone": "Asia/Seoul", "holidays": ["2027-01-01"], "hours":
    [[1, 540, 720], [1, 780, 1080], [2, 540, 720], [2, 780, 1080], [3, 540, 720], [3, 780, 1080], [4, 540, 720], [4, 780, 1080],
    [5, 540, 720], [5, 780, 1080]]}]', '[{"person": "", "timezone": "UTC"}]')"""
# The alert of each has left; of the first `due` a reminder is due: what falls due together was mostly opened together.
CASES = """INSERT INTO closeloop.cases (response_id, owner, follow_up_version, opened_at, acknowledge_due_at, resolve_due_at, next_action_at)
    SELECT r.id, 'p' || r.id %% 1000, %(version)s, at, at + interval '4 hours', at + interval '2 days',
        CASE WHEN r.n <= %(due)s THEN now() - interval '1 minute' ELSE now() + interval '1 hour' END
    FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM closeloop.responses) AS r,
        (SELECT now() - %(age)s::interval AS at) AS t"""
MESSAGES = """INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, recipient, payload, dedup_key, state)
    SELECT gen_random_uuid(), id, 'case.opened', 'email', 'email', owner, 'Subject: x', 'case:' || id, 'sent' FROM closeloop.cases"""


def field_of(f, open_cases, due, calendar=None):
    """A database with so many open cases, of which some are due."""
    database = f.database("ours")
    f.q(database, "INSERT INTO closeloop.responses (nps) SELECT 2 FROM generate_series(1, %s)", open_cases)
    f.q(database, "DELETE FROM closeloop.inbox")
    f.q(database, CLOCKS)
    version = f.q(database, VERSION, calendar)[0][0]
    with f.connect(database).cursor() as cursor:
        cursor.execute(CASES, {"version": version, "due": due, "age": "4 days" if calendar else "61 minutes"})
    f.q(database, MESSAGES)
    f.settle(database)
    return database


def sweep(f, database, done, sessions=1):
    """Seconds until nothing is due; done collects the cases of each call."""
    connections = [f.connect(database) for _ in range(sessions)]

    def work(connection):
        with connection.cursor() as cursor:
            cursor.execute(SESSION)
            n = BATCH
            while n == BATCH:
                cursor.execute("SELECT closeloop.follow_up_sweep(%s)", (BATCH,))
                n = cursor.fetchone()[0]
                done.append(n)

    threads = [threading.Thread(target=work, args=(c,)) for c in connections]
    began = time.monotonic()
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    took = time.monotonic() - began
    for c in connections:
        c.close()
        f.connections.remove(c)
    return took


def rate(f, open_cases, due, sessions=1, calendar=None):
    """Cases a second; every one that was due got its one reminder."""
    database, done = field_of(f, open_cases, due, calendar), []
    took = sweep(f, database, done, sessions)
    reminded = f.q(database, "SELECT count(*), count(DISTINCT case_id) FROM closeloop.case_events WHERE details ? 'n'")[0]
    if sum(done) != due or reminded != (due, due):
        raise RuntimeError(f"{due} were due, {sum(done)} were worked off, reminders and cases: {reminded}")
    f.drop(database)
    return due / took


def run_sweep(f, report, size):
    many = size.responses
    rates = {n: [rate(f, n, 1000) for _ in range(size.runs)] for n in (1000, 10_000, many)}
    report.spread("1,000 due cases, per second", {f"of {n:,} open": [round(r) for r in v] for n, v in rates.items()})
    medians = {n: statistics.median(v) for n, v in rates.items()}
    for n in (1000, 10_000):
        report.value(f"sweep, 1,000 due of {n:,} open, cases/s", medians[n], None)
    report.row(f"sweep, 1,000 due of {many:,} open, cases/s (against of 10,000)", medians[many], medians[10_000], ">= 0.7")
    report.value(f"sweep, {many:,} due at once, cases/s", rate(f, many, many), ">= 2000")
    report.value(f"sweep, {many:,} due at once, two daemons, cases/s", rate(f, many, many, 2), ">= 2000")
    report.value("sweep, 2,000 due under a calendar, cases/s", rate(f, 2000, 2000, calendar="office"), None)
