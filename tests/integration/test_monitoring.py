"""
What monitoring is built on: every metric is in /metrics of a running daemon and in the manual, alert rules fire when they should,
and a real Prometheus takes the daemon, the rules and every expression of the dashboard.

SPDX-License-Identifier: Apache-2.0
"""
import json
import pathlib
import re
import shutil
import subprocess
import urllib.parse
import urllib.request

import pytest
import servers

ROOT = pathlib.Path(__file__).resolve().parents[2]
RULES = ROOT / "conf/monitoring/closeloop-rules.yml"
RULE_TESTS = ROOT / "tests/monitoring/closeloop-rules-test.yml"
DASHBOARD = json.loads((ROOT / "conf/monitoring/grafana-dashboard.json").read_text(encoding="utf-8"))
NAME = re.compile(r"closeloop_[a-z0-9_]+")
NOTES = ("summary", "description", "runbook")
# Kinds of panels, and the units they may show: a bare number means that somebody forgot.
UNITS = {"short", "s", "percentunit", "cps", "none"}


def panels():
    return [p for p in DASHBOARD["panels"] if p["type"] != "row"]


def expressions():
    """Everything the dashboard asks Prometheus, with its variables filled in."""
    found = [t["expr"] for p in panels() for t in p["targets"]]
    found += [a["expr"] for a in DASHBOARD["annotations"]["list"] if "expr" in a]
    return [e.replace("$job", ".+").replace("$__rate_interval", "1m") for e in found]


def metric_names(text):
    """Metrics, without the endings that a histogram adds."""
    return {re.sub(r"_(bucket|sum|count)$", "", n) for n in NAME.findall(text)}


def exposed(daemon):
    """Families of /metrics that have a sample."""
    text = daemon.get("/metrics")[1]
    return metric_names("\n".join(line for line in text.splitlines() if not line.startswith("#"))), text


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


# ---- rules ----

def test_rules_are_well_formed_and_say_what_to_do():
    promtool("check", "rules", str(RULES))
    alerts = re.split(r"\n      - alert: ", RULES.read_text(encoding="utf-8"))[1:]
    assert len(alerts) >= 14
    for alert in alerts:
        alert = re.split(r"\n(?:  - name|      # |      - record)", alert)[0]
        assert "severity: critical" in alert or "severity: warning" in alert, alert
        for note in NOTES:
            text = re.search(rf'^          {note}: "(.+)"$', alert, re.M)
            assert text and len(text.group(1)) > 20, (note, alert)
        assert re.search(r'runbook: ".*(closeloop|systemctl|PostgreSQL|journalctl)', alert), alert


def test_rules_fire_when_they_should_and_not_before():
    assert "SUCCESS" in promtool("test", "rules", str(RULE_TESTS))
    tests = RULE_TESTS.read_text(encoding="utf-8")
    for alert in set(re.findall(r"- alert: (\w+)", RULES.read_text(encoding="utf-8"))):
        assert re.search(rf"alertname: {alert}, exp_alerts: \[\]", tests), f"no test that {alert} stays silent"
        assert re.search(rf"alertname: {alert}\n        exp_alerts:", tests), f"no test that {alert} fires"


# ---- dashboard ----

def test_the_dashboard_is_laid_out_with_care():
    ids = [p["id"] for p in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids)) and len(panels()) > 20
    taken = set()
    for p in DASHBOARD["panels"]:
        at = p["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24 and not cells & taken, p["title"]
        taken |= cells
    assert [p["title"] for p in DASHBOARD["panels"] if p["type"] == "row"][0].startswith("Customers"), "people before machines"
    names = {v["name"]: v for v in DASHBOARD["templating"]["list"]}
    assert names["datasource"]["type"] == "datasource" and names["job"]["datasource"]["uid"] == "${datasource}"
    for p in panels():
        assert p["title"] and p["description"] and p["targets"], p
        assert p["datasource"]["uid"] == "${datasource}" and all(t["datasource"]["uid"] == "${datasource}" for t in p["targets"])
        assert p["fieldConfig"]["defaults"]["unit"] in UNITS and p["fieldConfig"]["defaults"]["thresholds"]["steps"], p["title"]
        assert len({t["refId"] for t in p["targets"]}) == len(p["targets"]), p["title"]
        for t in p["targets"]:
            assert 'job=~"$job"' in t["expr"], f"{p['title']} forgets the site"


def test_every_expression_of_the_dashboard_parses(tmp_path):
    rules = tmp_path / "expressions.yml"
    lines = ["groups:", "- name: dashboard", "  rules:"]
    for i, expression in enumerate(expressions()):
        lines += [f"  - record: dashboard:expression:{i}", f"    expr: {json.dumps(expression)}"]
    rules.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert f"{len(expressions())} rules found" in promtool("check", "rules", str(rules))


# ---- the daemon ----

def seed_sources(site):
    """Ten days of answers, one every hour, from a source that has been silent for two days: its usual gap is known."""
    site.q("ALTER TABLE closeloop.responses DISABLE TRIGGER USER")
    site.q("INSERT INTO closeloop.responses (source, source_id, nps, received_at, responded_at)"
           " SELECT 'shop', i::text, 9, t, t FROM generate_series(48, 288) i, LATERAL (SELECT now() - i * interval '1 hour') x(t)")
    site.q("ALTER TABLE closeloop.responses ENABLE TRIGGER USER")


def test_every_metric_named_is_in_a_running_daemon_and_in_the_manual(site):
    seed_sources(site)
    daemon = site.daemon()
    site.respond(account="hanbit")
    site.mails(1)
    site.settled()
    site.hurried(lambda: daemon.metric("source_usual_gap_seconds", source="shop"), "the gap of a source", 40)
    site.wait(lambda: daemon.metric("cases_opened_total") == 1, "counted")
    here, text = exposed(daemon)
    rules = RULES.read_text(encoding="utf-8")
    for what, named in (("rule", metric_names(rules)), ("dashboard", metric_names(" ".join(expressions())))):
        assert len(named) > 10 and named <= here, f"{what}s name what no daemon has: {named - here}"
    families = set(re.findall(r"^# TYPE (\S+)", text, re.M))
    assert families == here, f"without a sample: {families - here}"
    manual = dict(re.findall(r"^\| `(closeloop_\w+)(?:\{(.*?)\})?`", (ROOT / "docs/operations.md").read_text(encoding="utf-8"), re.M))
    assert set(manual) == families, f"docs/operations.md and /metrics differ in {set(manual) ^ families}"
    for name, labels in re.findall(r"^(closeloop_\w+)\{(.*)\} ", text, re.M):
        if not name.endswith("_bucket"):
            assert re.sub(r'="(?:[^"\\]|\\.)*"', "", labels) == manual[name], name
    assert daemon.metric("source_usual_gap_seconds", source="shop") == 3600
    assert daemon.metric("source_trigger_present", source="direct") == 1
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_follow_up_is_counted_once_by_whoever_did_it(site):
    site.configure(follow_ups='{ standard: { acknowledge_within = "2s"; resolve_within = "1d"; remind_every = "1s"; remind_at_most = 1;'
                              ' escalate: { boss: { when = "unacknowledged"; to = "manager"; }; }; }; }')
    daemons = [site.daemon(), site.start(configuration=site.second_configuration())]
    total = lambda name, **labels: sum(d.metric(name, **labels) or 0 for d in daemons)  # noqa: E731
    site.respond(account="hanbit")
    site.wait(lambda: total("reminders_total", kind="reminder") == 1, "one reminder", 30)
    site.wait(lambda: total("escalations_total", condition="unacknowledged") == 1, "one escalation", 30)
    case = site.one("SELECT id FROM closeloop.cases")
    site.run("--as", "minsu", "case", "ack", str(case))
    site.run("--as", "minsu", "case", "resolve", str(case))
    site.wait(lambda: total("case_events_total", kind="resolved") == 1 and total("case_events_total", kind="acknowledged") == 1, "what people did")
    assert total("case_events_total", kind="reminded") == 1
    assert total("escalations_total", condition="unresolved") == 0 and total("reminders_total", kind="warning") == 0


def test_what_was_held_on_purpose_is_no_late_alert(site):
    site.may_differ.add("mails elsewhere")  # messages by SQL
    daemon = site.daemon()
    write = ("INSERT INTO closeloop.messages (id, kind, channel, endpoint, payload, dedup_key, queued_at, sent_at, held_for)"
             " VALUES (gen_random_uuid(), 'case.opened', 'webhook', 'crm', '{}', %s, now() - interval '5 hours', NULL, %s)")
    site.q(write, "over night", "quiet")
    site.requests(1)
    site.wait(lambda: daemon.metric("messages_total", channel="webhook", outcome="sent") == 1, "counted")
    assert daemon.metric("alert_latency_seconds_count") == 0
    assert json.loads(site.closeloop("--json", "status").stdout)["messages"][1]["p99_seconds"] is None
    site.q(write, "late", None)
    site.wait(lambda: daemon.metric("alert_latency_seconds_count") == 1, "the late one")
    assert daemon.metric("alert_latency_seconds_sum") > 5 * 3600
    assert json.loads(site.closeloop("--json", "status").stdout)["messages"][1]["p99_seconds"] > 5 * 3600


def test_gauges_follow_the_database(site):
    daemon = site.daemon()
    for i in range(3):
        site.respond(account="hanbit", customer_id=f"k{i}", contact_requested=i == 0)
    site.cases(3)
    site.run("pause", "crm", "--reason", "lunch")
    site.run("--as", "minsu", "case", "ack", "1")
    site.q("UPDATE closeloop.cases SET acknowledge_due_at = now() - interval '1 hour', next_action_at = NULL WHERE id = 2")
    site.hurried(lambda: daemon.metric("cases_overdue", clock="acknowledge") == 1, "the overdue case", 40)
    assert daemon.metric("cases_open") == 3 and daemon.metric("cases_open", status="acknowledged") == 1
    assert daemon.metric("cases_open", priority="urgent") == 1
    assert daemon.metric("endpoint_state", endpoint="crm", state="paused") == 1
    assert daemon.metric("endpoint_state", endpoint="crm") == 1 and daemon.metric("endpoint_state", endpoint="email", state="ok") == 1
    site.run("resume", "crm")


# ---- a real Prometheus ----

class Prometheus:
    def __init__(self, folder, target):
        self.port = servers.free_port()
        (folder / "rules.yml").write_text(RULES.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "prometheus.yml").write_text(
            "global: { scrape_interval: 1s, evaluation_interval: 1s }\nrule_files: [ rules.yml ]\n"
            f"scrape_configs: [ {{ job_name: closeloop, static_configs: [ {{ targets: [ '127.0.0.1:{target}' ] }} ] }} ]\n",
            encoding="utf-8")
        self.log = open(folder / "log", "wb")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
             f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"], stdout=self.log, stderr=self.log,
            stdin=subprocess.DEVNULL, preexec_fn=servers.die_with_parent(9))

    def get(self, path, **query):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}?{urllib.parse.urlencode(query)}", timeout=5) as answer:
                return json.loads(answer.read())["data"]
        except (OSError, KeyError, ValueError):
            return None

    def stop(self):
        self.process.terminate()
        self.process.wait(20)
        self.log.close()


@pytest.mark.skipif(not shutil.which("prometheus"), reason="no Prometheus here")
def test_a_real_prometheus_takes_it_all(site, tmp_path):
    seed_sources(site)
    daemon = site.daemon()
    site.respond(account="hanbit")
    site.mails(1)
    prometheus = Prometheus(tmp_path, daemon.port)
    try:
        health = lambda: [t["health"] for t in (prometheus.get("/api/v1/targets") or {}).get("activeTargets", [])]  # noqa: E731
        site.wait(lambda: health() == ["up"], lambda: f"a scrape: {prometheus.get('/api/v1/targets')}", 30)
        rules = lambda: [r for g in (prometheus.get("/api/v1/rules") or {"groups": []})["groups"] for r in g["rules"]]  # noqa: E731
        site.wait(lambda: rules() and all(r["health"] == "ok" for r in rules()), lambda: f"rules: {rules()}", 30)
        # Pending, not firing: what isn't wrong isn't told, and what is must last.
        state = lambda: [(r["name"], r["state"]) for r in rules() if r["type"] == "alerting" and r["state"] != "inactive"]  # noqa: E731
        site.wait(lambda: state() == [("CloseloopSourceSilent", "pending")], lambda: f"an alert about the silent shop alone: {state()}", 40)
        empty = [e for e in expressions() if prometheus.get("/api/v1/query", query=e) is None]
        assert not empty, f"refused: {empty}"
        # A rate needs two scrapes that differ in time; what has never happened (a new set of rules) answers nothing.
        answered = lambda: [e for e in expressions() if (prometheus.get("/api/v1/query", query=e) or {}).get("result")]  # noqa: E731
        site.wait(lambda: len(answered()) >= len(expressions()) - 2, lambda: f"answers, not to {set(expressions()) - set(answered())}", 30)
    finally:
        prometheus.stop()
