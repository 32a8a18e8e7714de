"""
How fast the past is replayed: backtest with twenty rules of a company beside a bare program that reads the same columns.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import statistics
import subprocess
import time

# A quarter of three languages; three out of ten responses match something.
FILL = """INSERT INTO closeloop.responses (source, source_id, survey, touchpoint, channel, customer_id, customer_name, customer_email, account, region,
        language, nps, csat, ratings, contact_requested, comment, attributes, responded_at, received_at)
    SELECT 'web', i::text, 'after-visit', (ARRAY['installation', 'Service', 'delivery', '설치', NULL])[1 + i %% 5], 'mail',
        'c-' || (hashint4(i) & 262143), 'Name ' || i, CASE i %% 3 WHEN 0 THEN NULL WHEN 1 THEN 'seoyeon.lee' || i || '@customer.example' ELSE 'Kim@OURS.example' END,
        'acc-' || i %% 5000, (ARRAY['Seoul', 'busan', 'berlin', 'paris'])[1 + i %% 4], (ARRAY['ko', 'de'])[1 + i %% 2],
        CASE WHEN i %% 100 < 14 THEN i %% 7 ELSE 7 + i %% 4 END, CASE WHEN i %% 2 = 0 THEN 3 + i %% 3 END,
        jsonb_build_object('delivery', 2 + i %% 4, 'service', 3 + i %% 3), i %% 70 = 0,
        (ARRAY['The machine has stood still for three days and nobody tells us when the technician comes back. Please call.',
            '장비가 사흘째 멈춰 있는데 기사님이 언제 다시 오시는지 연락이 없습니다. 전화 주세요.',
            'Lieferung kam zu spät und der Karton war völlig durchnässt, über die Hotline war niemand zu erreichen.', 'great',
            'Everything went well. The engineer was on time, explained what he did and left the room cleaner than he found it.',
            '설치는 빨랐지만 설명이 부족했어요', NULL, 'ok'])[1 + i %% 8],
        jsonb_build_object('plan', CASE WHEN i %% 10 = 0 THEN 'Gold' ELSE 'silver' END, 'order_value', i %% 400, 'manager', NULL),
        now() - interval '89 days' * ((hashint4(i + 7) & 1048575) / 1048576.0), now()
    FROM generate_series(1, %s) AS i"""

CONFIGURATION = """
database: {{ conninfo = "{conninfo}"; }};
email: {{ url = "smtp://127.0.0.1:25"; tls = "off"; from = "Care <care@halden.example>"; }};
people: {{ ben: {{ name = "Ben"; email = "ben@halden.example"; }}; ann: {{ name = "Ann"; email = "ann@halden.example"; }}; }};
teams: {{ care: {{ members = [ "ben", "ann" ]; }}; }};
follow_ups: {{ standard: {{ acknowledge_within = "4h"; resolve_within = "2d"; }}; }};
routes: {{ all: {{ owner = [ "lookup:account", "team:care" ]; notify = [ "email:owner" ]; }}; }};
defaults: {{ route = "all"; follow_up = "standard"; }};
attributes: {{ plan = "text"; order_value = "number"; stay = "text"; }};
facts: {{ unhappy = "nps <= 6 or any rating <= 2"; strategic = "attr.plan is 'gold'"; }};
rules: {{
  staff: {{ kind = "ignore"; when = "customer_email contains '@staff.example'"; }};
  callback: {{ when = "contact_requested"; priority = "urgent"; }};
  key-account: {{ when = "strategic and unhappy"; priority = "urgent"; }};
  field: {{ when = "unhappy and touchpoint in ('installation', 'service')"; priority = "high"; }};
  detractor: {{ when = "nps <= {detractor}"; priority = "high"; }};
  one-star: {{ when = "any rating <= 1"; }};
  praise: {{ kind = "praise"; when = "nps >= 10 and comment is missing"; }};
  big-order: {{ when = "nps <= 4 and attr.order_value >= 300"; }};
  legal: {{ when = "comment contains ('lawyer', 'Anwalt', '변호사', 'fraud')"; }};
  in-house: {{ when = "unhappy and attr.stay = 'in-house'"; }};
  delivery: {{ when = "touchpoint = 'delivery' and rating.delivery <= 1"; }};
  korean: {{ when = "language = 'ko' and nps <= 3"; }};
  cities: {{ when = "region in ('seoul', 'busan', 'berlin') and nps between 0 and 3"; }};
  late: {{ when = "comment contains ('too late', '늦어', 'zu spat')"; }};
  csat: {{ when = "csat <= 2 and not contact_requested"; }};
  effort: {{ when = "ces >= 6 and account is present"; }};
  no-number: {{ when = "nps <= 3 and customer_phone is missing"; }};
  other-survey: {{ when = "survey is not 'after-visit' and nps <= 2"; }};
  content: {{ kind = "note"; when = "all rating >= 4 and nps >= 10"; }};
  one-account: {{ when = "account = 'acc-17' and nps <= 8"; }};
}};
"""


def configuration(f, database, name, detractor):
    path = f.folder / f"{name}.conf"
    path.write_text(CONFIGURATION.format(conninfo=f.pg.conninfo(database), detractor=detractor), encoding="utf-8")
    return path


def statement_of(f, database, path):
    """The COPY that backtest sends, as the server sees it."""
    f.q(database, f"ALTER DATABASE {database} SET log_statement = 'all'")
    replay(f, "-c", path, "backtest", "--since", "90d")
    f.q(database, f"ALTER DATABASE {database} RESET log_statement")
    return re.findall(r"statement: (COPY \(SELECT .*)", f.pg.log_file.read_text(encoding="utf-8", errors="replace"))[-1]


def timed(command, environment=None):
    """(seconds from start to end, peak MiB, CPU seconds, what it printed)"""
    began = time.monotonic()
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}) as process:
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        took = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise RuntimeError(f"{command[0]} ended with {process.returncode}")
    return took, usage.ru_maxrss / 1024, usage.ru_utime + usage.ru_stime, out


def replay(f, *command):
    took, peak, cpu, out = timed([f.closeloop, "--json", *command])
    return {"took": took, "peak": peak, "cpu": cpu, "found": json.loads(out)}


def run_backtest(f, report, size):
    """Two sets of twenty rules that differ in one, over all responses."""
    n = size.past
    database = f.database("ours")
    f.q(database, "ALTER TABLE closeloop.responses DISABLE TRIGGER USER")
    f.q(database, FILL, n)
    f.settle(database)
    new, old = configuration(f, database, "new", 6), configuration(f, database, "old", 5)
    sql = statement_of(f, database, new)
    bare, alone, both = [], [], []
    for _ in range(size.runs):
        took, _, _, out = timed([f.bench / "bare_copy", sql], f.environment(database))
        if int(out.split()[0]) != n + 1:  # the trailer is a row too
            raise RuntimeError(f"the bare program read {out}")
        bare.append(took)
        alone.append(replay(f, "-c", new, "backtest", "--since", "90d"))
        both.append(replay(f, "-c", new, "backtest", "--since", "90d", "--against", old))
    if any(r["found"]["responses"] != n for r in alone + both) or both[0]["found"]["rules"]["detractor"]["gained"]["n"] == 0:
        raise RuntimeError("backtest did not read what the bare program read")
    took = statistics.median(r["took"] for r in alone)
    report.row(f"backtest of {n:,} responses, 20 rules, s (against a bare reader)", took, statistics.median(bare), "<= 1.5")
    report.row(f"backtest of {n:,} responses, 20 rules against 20, s (against a bare reader)",
               statistics.median(r["took"] for r in both), statistics.median(bare), None)
    report.value("backtest, responses/s", n / took, None)
    report.value("backtest, CPU of the command, s per million", statistics.median(r["cpu"] for r in alone) * 1e6 / n, None)
    report.value("backtest, peak memory, MiB", max(r["peak"] for r in alone + both), "<= 64")
    f.drop(database)
