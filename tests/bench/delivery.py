"""
How long an alert takes, whether a sick receiver delays the others, and how fast mail leaves.

SPDX-License-Identifier: Apache-2.0
"""
import socket
import statistics
import subprocess
import time

import field
import servers

# Each of a customer of its own: a case opens for each.
INSERT_OURS = ("INSERT INTO closeloop.responses (survey, customer_id, nps, comment)"
               " VALUES ('visit', 'c' || gen_random_uuid(), 2, 'late') RETURNING id")
INSERT_BARE = "INSERT INTO response (survey, customer, nps, stars, comment) VALUES ('visit', 'c', 2, 5, 'late') RETURNING id"
ENDPOINTS = 100
SICK = {0: "hang", 1: "slow"}
MAIL_CONNECTIONS = 4


def percentile(sorted_values, p):
    return sorted_values[min(len(sorted_values) - 1, int(p * len(sorted_values)))]


def write_steadily(f, database, sql, per_s, seconds):
    """{response id: commit acknowledged, us}"""
    text = f.run(f.bench / "latency_writer", sql, per_s, seconds, env=f.environment(database))
    return {int(i): int(at) for i, at in map(str.split, text.splitlines())}


def latencies(f, committed, wanted=lambda i: True):
    """Sorted, in ms, from the commit's acknowledgement to the request; negative when the request was quicker."""
    ids = {i for i in committed if wanted(i)}
    arrived = {}

    def all_there():
        arrived.update(f.sink.arrivals())
        return ids <= arrived.keys()
    field.wait(all_there, 30, lambda: f"{len(ids)} arrivals, {len(ids - arrived.keys())} are missing", 0.5)
    return sorted((arrived[i][0] - committed[i]) / 1000 for i in ids)


def latency(f, kind, size, start=None):
    database = f.database(kind)
    f.settle(database)
    process = (start or f.start)(database)
    time.sleep(3)
    f.sink.reset()
    ms = latencies(f, write_steadily(f, database, INSERT_OURS if kind == "ours" else INSERT_BARE, 50, size.latency))
    f.stop(process)
    f.drop(database)
    return percentile(ms, 0.5), percentile(ms, 0.99)


def run_latency(f, report, size):
    runs = {"bare": [], "same": [], "ours": []}
    for _ in range(size.runs):
        runs["bare"].append(latency(f, "bare", size))
        runs["same"].append(latency(f, "ours", size, f.same_rows))
        runs["ours"].append(latency(f, "ours", size))
    report.spread("latency p50/p99, ms", {k: [tuple(round(x, 2) for x in r) for r in v] for k, v in runs.items()})
    median = {k: [statistics.median(r[i] for r in v) for i in (0, 1)] for k, v in runs.items()}
    report.row("latency at 50 inserts/s, p50, ms", median["ours"][0], median["bare"][0], "<= 1.5")
    report.row("latency at 50 inserts/s, p50, against the same rows written by the bare program, ms", median["ours"][0], median["same"][0], "")
    report.row("latency at 50 inserts/s, p99, ms", median["ours"][1], median["bare"][1], "<= 2")


def healthy_latency(f, sick, size):
    hooks, routes, rules = "", "", ""
    for i in range(ENDPOINTS):
        path = SICK.get(i, "ok") if sick else "ok"
        hooks += f'e{i}: {{ url = "http://127.0.0.1:{f.sink.port}/{path}/{i}"; secret_file = "secret"; }};\n'
        routes += f'r{i}: {{ owner = [ "person:ben" ]; notify = [ "webhook:e{i}" ]; }};\n'
        rules += f'n{i}: {{ when = "touchpoint is \'t{i}\'"; route = "r{i}"; }};\n'
    f.configure(webhooks=hooks, routes=routes, rules=rules, notify="")
    database = f.database("ours")
    f.settle(database)
    process = f.daemon(database)
    time.sleep(1)
    f.sink.reset()
    sql = (f"INSERT INTO closeloop.responses (touchpoint, customer_id, nps, csat) SELECT 't' || n % {ENDPOINTS}, 'c' || gen_random_uuid(), 9, 5"
           " FROM (SELECT last_value + 1 AS n FROM closeloop.responses_id_seq) AS s RETURNING id")
    committed = write_steadily(f, database, sql, 200, size.latency)
    touchpoints = dict(f.q(database, "SELECT id, substr(touchpoint, 2)::int FROM closeloop.responses"))
    ms = latencies(f, committed, lambda i: touchpoints[i] not in SICK)
    process.kill()  # it would wait for the receiver that hangs
    f.stop(process)
    f.drop(database)
    f.configure()
    return percentile(ms, 0.99)


def run_neighbours(f, report, size):
    runs = {False: [], True: []}
    for _ in range(size.runs):
        for sick, results in runs.items():
            results.append(healthy_latency(f, sick, size))
    report.spread("p99 of healthy endpoints, ms", {"healthy": [round(r, 2) for r in runs[False]],
                                                   "sick": [round(r, 2) for r in runs[True]]})
    report.row("p99 of 98 endpoints beside a dead and a slow one, ms (against all healthy)", statistics.median(runs[True]),
               statistics.median(runs[False]), "<= 1.2")


class SmtpSink:
    def __init__(self, f):
        self.port = servers.free_port()
        self.process = f.start_process(["/usr/sbin/smtp-sink", "-c", "-u", "nobody", f"127.0.0.1:{self.port}", "128"],
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        field.wait(self.answers, 10, "smtp-sink answers")

    def answers(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False


def all_mails(f, database, state, n):
    field.wait(lambda: f.q(database, "SELECT count(*) FROM closeloop.messages WHERE state = %s", state)[0][0] >= n, 300,
               f"{n} mails {state}", 0.2)


def no_mail_waits(f, database):
    """Asks an index over a connection that stays: to count what is sent, in a new session each time, takes what is measured."""
    with f.connect(database).cursor() as cursor:
        def none_waits():
            cursor.execute("SELECT NOT EXISTS (SELECT FROM closeloop.messages WHERE endpoint = 'email'"
                           " AND state IN ('queued', 'leased'))")
            return cursor.fetchone()[0]
        field.wait(none_waits, 300, "no mail waits", 0.1)


def mail_ours(f, smtp, n, connections):
    """(waiting mails sent per second, whole alerts per second from judged to sent, bytes of a mail)"""
    email = (f'email: {{ url = "smtp://127.0.0.1:{smtp.port}"; tls = "off"; connections = {connections};'
             ' from = "Halden Care <care@halden.example>"; };')
    responses = ("INSERT INTO closeloop.responses (survey, customer_id, nps, comment)"
                 " SELECT 'visit', 'customer-' || i, 2, 'The engineer came late.' FROM generate_series(%s, %s) AS i")
    database = f.database("ours")
    f.q(database, responses, 1, n)
    f.configure(email=email + ' delivery = "hold";', notify='"email:owner"')
    process = f.daemon(database)
    all_mails(f, database, "queued", n)
    f.settle(database)
    f.configure(email=email, notify='"email:owner"')
    f.reload(process, database)
    no_mail_waits(f, database)
    waiting = f.q(database, "SELECT (count(*) / extract(epoch FROM max(m.sent_at) - min(a.at - make_interval(secs =>"
                            " a.duration_ms / 1000.0))))::float8 FROM closeloop.messages m"
                            " JOIN closeloop.attempts a ON a.message_id = m.id")[0][0]
    f.q(database, responses, n + 1, n + n // 2)
    all_mails(f, database, "sent", n + n // 2)
    whole, size = f.q(database, "SELECT (count(*) / extract(epoch FROM max(sent_at) - min(created_at)))::float8,"
                                " avg(length(payload))::int FROM closeloop.messages"
                                " WHERE seq > (SELECT min(seq) + %s FROM closeloop.messages)", n - 1)[0]
    f.stop(process)
    f.drop(database)
    f.configure()
    return waiting, whole, size


def mail_source(f, smtp, n, connections, size):
    began = time.monotonic()
    f.run("/usr/sbin/smtp-source", "-s", connections, "-m", n, "-l", size, "-d", "-f", "care@halden.example", "-t",
          "ben@halden.example", f"127.0.0.1:{smtp.port}")
    return n / (time.monotonic() - began)


def run_mail(f, report, size):
    waiting, whole, source = [], [], []
    smtp = SmtpSink(f)
    for _ in range(size.runs):
        rate, alerts, mail_bytes = mail_ours(f, smtp, size.mails, MAIL_CONNECTIONS)
        waiting.append(rate)
        whole.append(alerts)
        source.append(mail_source(f, smtp, size.mails, MAIL_CONNECTIONS, mail_bytes))
    f.stop(smtp.process)
    report.spread("mails/s", {"waiting": [round(r) for r in waiting], "whole alerts": [round(r) for r in whole],
                              "smtp-source": [round(r) for r in source]})
    median = statistics.median(source)
    report.row(f"waiting mails/s over {MAIL_CONNECTIONS} connections (against smtp-source)", statistics.median(waiting), median,
               ">= 0.7")
    report.row("whole alerts by mail/s, from the response to the server's answer (against smtp-source)", statistics.median(whole),
               median, "")
    report.note(f"a mail has {mail_bytes:,} bytes")
