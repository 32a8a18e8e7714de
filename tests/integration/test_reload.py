"""
A new configuration becomes live, or the old one stays and everybody is told: SIGHUP, `closeloop reload`, `status`, metrics, log.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import re
import subprocess

import pytest

BROKEN = '{ broken: { when = "npss <= 1"; }; }'
OTHER = '{ only-very-bad: { when = "nps <= 1"; priority = "low"; }; }'


def sha(site):
    return site.one("SELECT ruleset FROM closeloop.daemons WHERE stopped_at IS NULL")


def test_reload_without_a_signal(site):
    daemon = site.daemon()
    before = sha(site)
    assert "as before" in site.run("reload")
    site.configure(rules=OTHER)
    out = site.run("--as", "olga", "reload")
    after = sha(site)
    assert re.search(rf"{before[:7]} → {after[:7]}", out) and before != after
    assert daemon.metric("config_last_reload_successful") == 1
    assert "reload: asked by olga" in daemon.log
    site.respond(nps=6, customer_id="a")
    site.respond(nps=1, customer_id="b")
    assert site.cases(1)[0][4] == ["only-very-bad"]
    site.settled()
    answer = json.loads(site.run("--json", "reload"))
    assert [(d["answer"], d["before"], d["ruleset"]) for d in answer["daemons"]] == [("same", after, after)]
    # When it was live, and who asked.
    rows = site.q("SELECT sha256, until IS NULL, asked_by FROM closeloop.ruleset_periods ORDER BY id")
    assert rows == [(before, False, None), (after, True, "olga")]
    assert site.one("SELECT closeloop.ruleset_at(now())") == after


def test_what_a_reload_can_not_change_is_said(site):
    daemon = site.daemon()
    site.configure(rules=OTHER)
    site.run("reload")
    assert "start only" not in daemon.log
    key = site.folder / "link-key"
    key.touch(0o600)
    key.write_text("0123456789abcdef0123456789abcdef\n", encoding="ascii")
    site.configure(http=f'{{ listen = "127.0.0.1:{site.http_port}"; public_url = "https://feedback.example.com";'
                        ' link_key_file = "link-key"; }')
    site.run("reload")
    assert "whether there are pages are read at start only: restart" in daemon.log
    assert daemon.get("/")[0] == 404


def test_a_broken_file_keeps_the_old_rules_and_is_told_everywhere(site):
    daemon = site.daemon()
    before = sha(site)
    site.configure(rules=BROKEN)
    done = site.closeloop("reload")
    line = [i for i, text in enumerate(site.configuration.read_text(encoding="utf-8").split("\n"), 1) if "npss" in text][0]
    where = f"{site.configuration}:{line}: "
    assert done.returncode == 1 and f"keeps {before[:7]}: {where}" in done.stdout and "npss" in done.stdout
    assert daemon.metric("config_last_reload_successful") == 0
    assert f"error reload: {where}" in daemon.log and "^~~~" in daemon.log
    status = site.closeloop("status")
    assert status.returncode == 1
    told = " ".join(status.stdout.split())
    assert "NEEDS A PERSON" in told and "rules on disk are broken since" in told and where in told
    assert f"keeps {before[:7]}" in told and "closeloop reload" in told
    found = [n for n in json.loads(site.closeloop("--json", "status").stdout)["needs_a_person"] if n["what"] == "rules"]
    assert len(found) == 1 and where in found[0]["text"]
    # Since when: not moved by the next try, and gone with a good file.
    since = site.one("SELECT config_error_at FROM closeloop.daemons")
    site.configure(rules='{ broken: { when = "npsss <= 1"; }; another: { when = "x = "; }; }')
    assert "(and 1 more)" in site.closeloop("reload").stdout
    assert site.one("SELECT config_error_at FROM closeloop.daemons") == since
    site.respond(nps=6)
    assert site.cases(1)[0][4] == ["detractor"]
    site.configure(rules=OTHER)
    site.run("reload")
    assert site.one("SELECT config_error_at IS NULL AND config_error IS NULL FROM closeloop.daemons")
    assert "rules on disk" not in site.closeloop("status").stdout
    assert daemon.metric("config_last_reload_successful") == 1
    site.settled()


def test_a_file_that_lost_its_rules_is_refused(site):
    """An emptied or half-written file is a good configuration in which nobody is unhappy."""
    daemon = site.daemon()
    before = sha(site)
    whole = site.configuration.read_text(encoding="utf-8")
    for i, part in enumerate(("", "# nothing yet\n", whole[:whole.index("rules:")])):
        site.configuration.write_text(part, encoding="utf-8")
        assert "where rules are live a reload refuses that, unless rules: { } says that it is meant" in site.closeloop("check").stderr
        daemon.hang_up()
        site.wait(lambda: daemon.metric("config_last_reload_successful") == 0, "the reload's end")
        assert sha(site) == before and daemon.log.count(f"error reload: {site.configuration}: rules: the section is missing, and ") == i + 1
        site.configuration.write_text(whole, encoding="utf-8")
        daemon.hang_up()
        site.wait(lambda: daemon.metric("config_last_reload_successful") == 1, "a good file")
    # Whoever means it says it.
    site.configure(rules="{ }")
    site.run("reload")
    assert sha(site) != before


def test_a_broken_file_is_seen_before_anybody_reloads(site):
    site.daemon()
    before = sha(site)
    for broken in (BROKEN, '{ broken: { when = "nps <= 1" ', "{"):
        site.configure(rules=broken)
        status = site.closeloop("status")
        assert status.returncode == 1 and "on disk are broken:" in status.stdout and before[:7] in status.stdout
    # Without a daemon that was ever there, nothing stands in for the file.
    site.stop_daemons()
    site.q("TRUNCATE closeloop.rulesets, closeloop.ruleset_periods, closeloop.daemons")
    status = site.closeloop("status")
    assert status.returncode == 78 and "closeloop check" in status.stderr


def test_a_signal_and_systemd_are_told_the_same_way(site):
    """Under journald every line of a bad reload has its priority, and the first of them is where the mistake is."""
    site.own(("account", "hanbit", "minsu"))
    log = site.folder / "closeloopd-1.log"
    log.touch()
    daemon = site.start(JOURNAL_STREAM=f"{log.stat().st_dev}:{log.stat().st_ino}")
    site.configure(rules=BROKEN, people=site.sections["people"].replace('language = "de"', 'language = "xx"'))
    daemon.hang_up()
    site.wait(lambda: "old one stays" in daemon.log, "the complaint")
    lines = daemon.log.split("<6>reload", 1)[0].split("\n")
    mistakes = [line for line in lines if "reload: " in line]
    assert len(mistakes) >= 4 and all(line.startswith("<3>reload: ") for line in mistakes), mistakes
    assert site.wait(lambda: site.one("SELECT config_error FROM closeloop.daemons"), "the answer in the row")
    assert all(line.startswith("<") for line in daemon.log.splitlines())
    # A person's terminal isn't the journal, whatever the environment says.
    done = subprocess.run([os.environ["CLOSELOOPD"], "-c", str(site.configuration), "--check"], capture_output=True, text=True,
                          check=False, env=site.environment() | {"JOURNAL_STREAM": "8:1"})
    assert done.returncode == 78 and done.stderr.startswith(str(site.configuration))
    # A good one again, whose warnings are warnings.
    site.configure(rules='{ a: { when = "nps != 3 and not touchpoint = \'x\'"; }; }', people=site.sections["people"].replace('"xx"', '"de"'))
    daemon.hang_up()
    site.wait(lambda: "<6>reload: ruleset=" in daemon.log, "the good one")
    assert re.search(r"^<4>reload: .*warning: ", daemon.log, re.MULTILINE)


def test_reload_where_listen_delivers_nothing(site):
    """A daemon that can't listen, or missed the notification, finds the request with its heartbeat."""
    daemon = site.daemon()
    before = sha(site)
    site.configure(rules=OTHER)
    asked = site.one("INSERT INTO closeloop.reloads (asked_by) VALUES ('quietly') RETURNING id")  # no NOTIFY
    site.wait(lambda: site.one("SELECT reload_id FROM closeloop.daemons") == asked, "the answer", 40)
    assert sha(site) != before and "asked by quietly" in daemon.log


def test_an_old_request_is_no_news_for_a_new_daemon(site):
    site.q("INSERT INTO closeloop.reloads (asked_at, asked_by) VALUES (now() - interval '1 hour', 'long ago')")
    daemon = site.daemon()
    site.wait(lambda: site.one("SELECT reload_id FROM closeloop.daemons"), "the first look")
    assert "asked by" not in daemon.log
    site.q("INSERT INTO closeloop.reloads (asked_at, asked_by) VALUES (now() - interval '1 second', 'just now')")
    second = site.start(configuration=site.second_configuration())
    site.wait(lambda: "asked by just now" in second.log, "a file that may have been read too early is read again")


def test_several_daemons_answer_each_for_itself(site):
    """Same rules: one set, though each listens elsewhere. One of them with other rules: named in status and counted in a metric."""
    first = site.start()
    site.start(configuration=site.second_configuration())
    site.configure(rules=OTHER)
    site.configure(path=site.daemons[1].configuration)
    site.http_port = first.port
    out = site.run("reload")
    assert len(re.findall(r" → ", out)) == 2
    assert "different" not in site.closeloop("status").stdout
    site.wait(lambda: first.metric("rulesets_live") == 1, "the metric of both", 40)
    site.sections["rules"] = OTHER.replace("nps <= 1", "nps <= 2")
    third = site.start(configuration=site.second_configuration())
    site.wait(lambda: third.metric("rulesets_live") == 2, "the metric", 40)
    told = " ".join(site.closeloop("status").stdout.split())
    shas = [row[0] for row in site.q("SELECT DISTINCT ruleset FROM closeloop.daemons")]
    assert len(shas) == 2 and "they run different rules" in told
    for short in (s[:7] for s in shas):
        assert re.search(rf"{short} since \d\d \w\w\w \d\d:\d\d", told), told
    assert "closeloop rules diff" in told
    done = site.closeloop("reload")
    assert done.returncode == 1 and "different rules" in done.stdout


def test_nobody_there(site):
    done = site.closeloop("reload")
    assert done.returncode == 1 and "no daemon is running" in done.stderr
    done = site.closeloop("reload", "--wait", "0")
    assert done.returncode == 64


def test_a_daemon_that_hangs_is_named(site):
    daemon = site.daemon()
    daemon.process.send_signal(19)
    try:
        done = site.closeloop("reload", "--wait", "1")
        assert done.returncode == 1 and "no answer in 1 s" in done.stdout
        assert json.loads(site.closeloop("--json", "reload", "--wait", "1").stdout)["daemons"][0]["answer"] == "no answer"
    finally:
        daemon.process.send_signal(18)
    site.wait(lambda: site.one("SELECT reload_id FROM closeloop.daemons") == site.one("SELECT max(id) FROM closeloop.reloads"), "the late answer")


@pytest.mark.parametrize("load", [300])
def test_reloads_under_load_lose_nothing(site, load):
    """Batches under way end under the rules they began with; each response is judged once."""
    site.daemon()
    for i in range(load):
        site.respond(customer_id=f"k{i}", nps=i % 11)
        if i % 30 == 0:
            site.configure(rules=f'{{ detractor: {{ when = "nps <= {4 + i // 30 % 3}"; }}; }}')
            site.run("reload")
    site.settled(60)
    assert site.one("SELECT count(*) FROM closeloop.inbox") == 0
    odd = site.q("SELECT r.nps, s.text FROM closeloop.case_responses AS c JOIN closeloop.responses AS r ON r.id = c.response_id"
                 " JOIN closeloop.rulesets AS s ON s.sha256 = c.ruleset")
    assert odd
    for nps, text in odd:
        assert nps <= int(re.search(r'detractor: \{ when = "nps <= (\d)', text)[1])
