"""
The daemon as a process: start, reload, stop, kill, two of them.

SPDX-License-Identifier: Apache-2.0
"""
import os
import re
import subprocess
import threading
import time

import servers


def exit_of(site, seconds=20):
    daemon = site.start(wait=False)
    code = daemon.process.wait(seconds)
    daemon.ended_well = True
    return code, daemon.log


def test_another_instance_is_refused(site):
    site.configure(top={"instance": "prod"})
    code, log = exit_of(site)
    assert code == 78 and "prod" in log and "default" in log and "--adopt" in log


def test_a_missing_schema_is_refused(site):
    site.q("DROP SCHEMA closeloop CASCADE")
    code, log = exit_of(site)
    assert code == 78 and "closeloop migrate" in log
    site.check = lambda: None


def test_a_newer_schema_is_refused(site):
    site.q("INSERT INTO closeloop.migrations (number, name, sha256) VALUES (999, 'from_the_future', repeat('0', 64))")
    code, log = exit_of(site)
    assert code == 78 and re.search("newer|999", log)


def test_a_broken_configuration_is_refused_with_file_and_line(site):
    site.configure(rules='{ detractor: { when = "npss <= 6"; }; }')
    code, log = exit_of(site)
    assert code == 78 and re.search(r"closeloop\.conf:\d+: .*npss", log)


def test_check_says_what_is_wrong_and_leaves_the_database_alone(site):
    check = lambda: subprocess.run([os.environ["CLOSELOOPD"], "-c", str(site.configuration), "--check"],  # noqa: E731
                                   capture_output=True, text=True, check=False, env=site.environment())
    assert check().returncode == 0
    site.configure(rules='{ detractor: { when = "npss <= 6"; }; }')
    done = check()
    assert done.returncode == 78 and "npss" in done.stderr
    version = subprocess.run([os.environ["CLOSELOOPD"], "--version"], capture_output=True, text=True, check=True)
    assert re.match(r"closeloopd? \d+\.\d+\.\d+", version.stdout)


def test_sigterm_ends_within_ten_seconds_while_a_webhook_hangs(site):
    site.hook.delay = 60
    daemon = site.daemon()
    site.respond(account="hanbit")
    site.requests(1)
    site.mails(1)
    started = time.monotonic()
    assert daemon.stop() == 0
    assert time.monotonic() - started < 14
    site.excuse(1)
    # What hung belongs to nobody now, and the next daemon sends it under the same id.
    site.hook.delay = 0
    site.hook.closing.set()
    assert site.one("SELECT count(*) FROM closeloop.messages WHERE channel = 'webhook' AND state = 'sent'") == 0
    site.q("UPDATE closeloop.messages SET next_at = now() WHERE channel = 'webhook'")
    site.start()
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.messages WHERE state = 'sent'") == 2, "both sent", 60)
    assert len({r.headers["webhook-id"] for r in site.hook.requests}) == 1


def test_kill_in_mid_flight_loses_nothing_and_keeps_the_ids(site):
    site.mailbox.delay = 0.05
    daemon = site.daemon()
    site.q("INSERT INTO closeloop.responses (nps, customer_id, account) SELECT 1, 'k' || i, 'hanbit'"
           " FROM generate_series(1, 60) AS i")
    site.mails(5)
    daemon.kill()
    held = daemon.leased()
    site.mailbox.delay = 0
    site.start()
    site.cases(60)
    # What was leased comes back when its 30 s have run out: they have now.
    site.q("UPDATE closeloop.messages SET next_at = now(), lease_until = now() WHERE state = 'leased' AND daemon ="
           " (SELECT id FROM closeloop.daemons ORDER BY started_at LIMIT 1)")
    site.settled(90)
    ids = {str(m.message["message-id"]) for m in site.mailbox.mails}
    assert len(ids) == 60
    assert len(site.mailbox.mails) <= 60 + held, "more copies than were in flight"
    site.may_differ.add("copies")


def test_hang_up_loads_a_good_file(site):
    daemon = site.daemon()
    site.respond(nps=6, customer_id="before")
    site.cases(1)
    before = site.one("SELECT ruleset FROM closeloop.cases")
    site.configure(rules='{ only-very-bad: { when = "nps <= 1"; priority = "low"; }; }')
    daemon.hang_up()
    site.wait(lambda: site.one("SELECT count(DISTINCT ruleset) FROM closeloop.daemons WHERE ruleset <> %s", before),
              "the new rules")
    site.respond(nps=6, customer_id="after")
    site.respond(nps=1, customer_id="after2")
    cases = site.cases(2)
    assert cases[1][2:5] == ("low", "open", ["only-very-bad"])
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.cases") == 2
    assert site.one("SELECT count(*) FROM closeloop.rulesets") == 2
    assert daemon.metric("config_last_reload_successful") == 1


def test_hang_up_keeps_the_old_rules_when_the_file_is_bad(site):
    daemon = site.daemon()
    site.configure(rules='{ broken: { when = "npss <= 1"; }; }')
    daemon.hang_up()
    site.wait(lambda: "npss" in daemon.log, "the complaint in the log")
    assert daemon.metric("config_last_reload_successful") == 0
    site.respond(nps=6)
    assert site.cases(1)[0][4] == ["detractor"]
    site.settled()


def test_two_daemons_share_the_work_without_duplicates(site):
    site.daemon()
    site.http_port = servers.free_port()
    second = site.configure(path=site.folder / "second.conf")
    site.start(configuration=second)

    def write(start):
        connection = site.connect()
        with connection.cursor() as cursor:
            for i in range(start, start + 150):
                site.respond(cursor, customer_id=f"k{i}", account="hanbit", nps=i % 7)
                connection.commit()

    writers = [threading.Thread(target=write, args=(n * 1000,)) for n in range(3)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    site.cases(450, 40)
    site.settled(60)
    assert site.one("SELECT count(*) FROM closeloop.cases") == 450
    assert len(site.mailbox.mails) == 450
    assert len(site.hook.requests) == 450
    assert site.one("SELECT count(*) FROM closeloop.daemons WHERE stopped_at IS NULL") == 2
