"""
What operators see: health, metrics, logs, status.

SPDX-License-Identifier: Apache-2.0
"""
import collections
import json
import re
import shutil
import subprocess

import pytest

# DESIGN 8: what dashboards and alert rules rely on.
METRICS = """responses_total rule_matches_total cases_opened_total messages_total inbox_rows inbox_oldest_seconds
    inbox_set_aside messages_queued messages_dead cases_overdue alert_latency_seconds source_last_response_timestamp_seconds
    config_last_reload_successful ruleset_info database_up build_info""".split()


def test_every_metric_is_there_and_clean(site):
    daemon = site.daemon()
    site.respond(account="hanbit", contact_requested=True)
    site.respond(nps=10, customer_id="k2", account="elbhof")
    site.mails(2)
    site.settled()
    site.wait(lambda: daemon.metric("messages_total", channel="email", outcome="sent") == 2, "counted")
    # Some are read from the database every few seconds.
    site.hurried(lambda: daemon.metric("source_last_response_timestamp_seconds", source="direct"), "the last response's time")
    status, text = daemon.get("/metrics")
    assert status == 200
    names = {re.match(r"[a-z_]+", line).group(0) for line in text.splitlines() if line and line[0] != "#"}
    missing = [m for m in METRICS if not any(n == f"closeloop_{m}" or n.startswith(f"closeloop_{m}_") for n in names)]
    assert not missing, missing
    series = collections.Counter(line.rsplit(" ", 1)[0] for line in text.splitlines() if line and line[0] != "#")
    assert max(series.values()) == 1, series.most_common(3)
    assert daemon.metric("responses_total", source="direct") == 2
    assert daemon.metric("rule_matches_total", rule="callback") == 1
    assert daemon.metric("cases_opened_total", priority="urgent") == 1
    assert daemon.metric("messages_total", channel="webhook", outcome="sent") == 2
    assert daemon.metric("alert_latency_seconds_count") >= 2
    assert daemon.metric("database_up") == 1
    if shutil.which("promtool"):
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_health_is_told_apart(site):
    daemon = site.daemon()
    assert daemon.get("/livez")[0] == 200 and daemon.get("/readyz")[0] == 200
    assert daemon.get("/nothing-here")[0] == 404


def test_logs_hold_no_words_of_customers(site):
    canary = "canary-7c31"
    site.mailbox.replies["minsu@halden.example"] = ["451 4.7.1 later", "550 5.1.1 no"]
    site.hook.replies = [503]
    daemon = site.daemon()
    site.q("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
           " IF NEW.customer_id LIKE '%poison' THEN RAISE EXCEPTION 'no' USING DETAIL = NEW.customer_id; END IF;"
           " RETURN NEW; END $$")
    site.q("CREATE TRIGGER refuse BEFORE INSERT ON closeloop.cases FOR EACH ROW EXECUTE FUNCTION refuse()")
    site.may_differ.add("words in PostgreSQL's log")  # those of this trigger
    words = dict(comment=f"{canary} words", customer_name=f"{canary} name", customer_phone=f"{canary} 010",
                 customer_email=f"{canary}@mail.example")
    site.respond(account="hanbit", customer_id=f"{canary}-1", **words)
    site.respond(account="hanbit", customer_id=f"{canary}-poison", **words)
    site.respond(nps=10, customer_id=f"{canary}-2", **words)
    site.mails(1)
    site.wait(lambda: site.one("SELECT tries FROM closeloop.inbox") is not None, "the poison row tried")
    site.q("UPDATE closeloop.messages SET next_at = now() WHERE state = 'queued'")
    site.q("DROP TRIGGER refuse ON closeloop.cases")
    site.run("inbox", "retry", "--all") if site.closeloop("inbox", "retry", "--all").returncode == 0 else None
    site.cases(2, 60)
    assert daemon.stop() == 0
    assert canary not in daemon.log, [line for line in daemon.log.splitlines() if canary in line]
    assert "halden.example" not in daemon.log, "addresses don't belong into the log"


def test_status_names_what_needs_a_person(site):
    site.daemon()
    site.respond(account="hanbit")
    site.mails(1)
    site.settled()
    text = site.closeloop("status").stdout
    assert "live" in text and "default" in text and "1 open" in text, text
    data = json.loads(site.closeloop("--json", "status").stdout)
    assert isinstance(data, dict)
    site.q("UPDATE closeloop.cases SET acknowledge_due_at = now() - interval '1 hour'")
    done = site.closeloop("status")
    assert "overdue" in done.stdout


def test_try_shows_the_decision_and_stores_nothing(site):
    site.configure()
    site.own(("account", "hanbit", "minsu"))
    text = site.run("try", "nps=2", "account=hanbit", "comment=zu spät", "--mail")
    assert "detractor" in text and "minsu" in text and "Subject" in text
    assert site.one("SELECT (SELECT count(*) FROM closeloop.responses) + (SELECT count(*) FROM closeloop.inbox)"
                    " + (SELECT count(*) FROM closeloop.cases) + (SELECT count(*) FROM closeloop.messages)") == 0


@pytest.mark.parametrize("verb", [("case", "list"), ("response", "list"), ("inbox", "list"), ("message", "list"),
                                  ("endpoint", "list"), ("owner", "list"), ("person", "list")])
def test_lists_are_arrays_in_json(site, verb):
    site.own(("account", "hanbit", "minsu"))
    assert isinstance(json.loads(site.run("--json", *verb)), list)
