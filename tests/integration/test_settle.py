"""
Answers of a source with a settle window are judged when it has passed, once, in their last state.

SPDX-License-Identifier: Apache-2.0
"""
import re

import pytest

SLOW = '{ slow: { settle = "3s"; }; long: { settle = "1h"; }; }'


def events(site):
    return [k for (k,) in site.q("SELECT kind FROM closeloop.case_events ORDER BY id")]


def late_s(site, response, due):
    """How long after the end of its window it was judged."""
    return site.one("SELECT extract(epoch FROM at - %s)::float8 FROM closeloop.case_responses WHERE response_id = %s", due, response)


def test_an_answer_is_judged_once_when_it_has_settled(site):
    daemon = site.daemon(sources=SLOW)
    quick = site.respond(customer_id="k2", source="quick")
    with site.connect() as connection, connection.cursor() as cursor:  # there is time for what follows
        slow = site.respond(cursor, nps=9, comment=None, source="slow")
        cursor.execute("UPDATE closeloop.inbox SET available_at = available_at + interval '1 hour' WHERE response_id = %s", (slow,))
    site.cases(1)
    site.q("UPDATE closeloop.responses SET nps = 4 WHERE id = %s", slow)
    site.q("UPDATE closeloop.responses SET nps = 3, comment = 'complete' WHERE id = %s", slow)
    assert site.q("SELECT response_id, settles FROM closeloop.inbox") == [(slow, True)]
    assert '"settles"' in site.run("--json", "inbox", "list") and "settles" in site.run("inbox", "list")
    assert site.one("SELECT response_id FROM closeloop.cases") == quick
    due = site.one("UPDATE closeloop.inbox SET available_at = clock_timestamp() + interval '2 seconds' WHERE response_id = %s RETURNING available_at", slow)
    site.q("NOTIFY closeloop")
    cases = site.cases(2)
    assert cases[1][5] == slow
    assert -0.01 <= late_s(site, slow, due) < 2.5, "an alarm clock, not the next idle look"
    site.settled()
    assert events(site) == ["opened", "opened"]
    assert site.one("SELECT facts ->> 'nps' FROM closeloop.case_responses WHERE response_id = %s", slow) == "3"
    assert daemon.metric("inbox_oldest_seconds") < 1
    # What waits is no reason for an alarm, and what is changed after it was judged settles anew.
    site.respond(source="long")
    site.q("UPDATE closeloop.responses SET nps = 1 WHERE id = %s", slow)
    site.wait(lambda: events(site) == ["opened", "opened", "amended"], "amended")
    site.wait(lambda: (daemon.metric("inbox_rows"), daemon.metric("inbox_oldest_seconds")) == (1, 0), "counted, but not due")
    assert site.run("status").find("oldest -") > 0


def test_what_settles_while_no_daemon_runs_or_another_configuration_goes_live(site):
    daemon = site.daemon(sources=SLOW)
    assert site.q("SELECT source, extract(epoch FROM settle)::int FROM closeloop.source_settings ORDER BY 1") == [("long", 3600), ("slow", 3)]
    daemon.stop()
    slow = site.respond(source="slow")
    site.wait(lambda: site.one("SELECT available_at < clock_timestamp() FROM closeloop.inbox"), "due")
    daemon = site.start()
    site.cases(1)
    site.configure(sources='{ long: { settle = "1h"; }; }')
    daemon.hang_up()
    site.wait(lambda: site.q("SELECT source FROM closeloop.source_settings") == [("long",)], "the new windows")
    site.respond(source="slow", customer_id="k2")
    site.cases(2)
    assert slow


def test_a_change_under_way_when_its_time_comes_is_judged_with_it(site):
    site.daemon(sources=SLOW)
    slow = site.respond(nps=9, comment=None, source="slow")
    writer = site.connect()
    with writer.cursor() as cursor:
        cursor.execute("UPDATE closeloop.responses SET nps = 2 WHERE id = %s", (slow,))
    site.wait(lambda: site.one("SELECT available_at < clock_timestamp() FROM closeloop.inbox"), "due")
    site.respond(customer_id="k2", source="quick")
    site.cases(1)
    assert site.one("SELECT count(*) FROM closeloop.inbox") == 1, "left alone until the writer has committed"
    writer.commit()
    assert [c[5] for c in site.cases(2)].count(slow) == 1
    site.settled()
    assert events(site) == ["opened", "opened"]


@pytest.mark.parametrize("level", ("REPEATABLE READ", "SERIALIZABLE"))
def test_a_writer_never_fails_by_what_was_judged_meanwhile(site, level):
    site.daemon(sources=SLOW)
    slow = site.respond(nps=2, source="slow")
    writer = site.connect()
    writer.set_session(isolation_level=level)
    with writer.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM closeloop.inbox")
        assert cursor.fetchone() == (1,)
        site.cases(1)
        site.settled()
        cursor.execute("UPDATE closeloop.responses SET nps = 1 WHERE id = %s", (slow,))
    writer.commit()
    site.wait(lambda: events(site) == ["opened", "amended"], "amended")


def test_an_idle_daemon_does_not_poll_for_what_settles(site):
    """Until the end of the window it sleeps as an idle daemon does."""
    daemon = site.daemon(sources='{ slow: { settle = "9s"; }; }')
    site.settled()

    def sleeps():
        with open(f"/proc/{daemon.process.pid}/status", encoding="ascii") as f:
            return int(re.search(r"voluntary_ctxt_switches:\s+(\d+)", f.read()).group(1))

    before = sleeps()
    site.respond(source="slow")
    site.cases(1)
    assert sleeps() - before < 300, "once for each thing to do, and every other second"


def test_changes_that_commit_while_a_daemon_looks_are_not_lost(site):
    """Hundreds of writers commit just as the windows end: a claim that began before a commit may get the row's lock after it."""
    site.daemon(sources='{ slow: { settle = "1s"; }; }', cases='{ merge_within = "0s"; }')
    for n in range(2):
        many = [i for (i,) in site.q("INSERT INTO closeloop.responses (source, customer_id, account, nps)"
                                     " SELECT 'slow', 'r' || i, 'hanbit', 9 FROM generate_series(1, 150) i RETURNING id")]
        writers = []
        for part in range(10):
            writer = site.connect()
            with writer.cursor() as cursor:
                cursor.execute("UPDATE closeloop.responses SET nps = 2 WHERE id = ANY (%s)", (many[part::10],))
            writers.append(writer)
        site.wait(lambda: site.one("SELECT bool_and(available_at < clock_timestamp()) FROM closeloop.inbox"), "due")
        for writer in writers:
            writer.commit()
            writer.close()
        site.wait(lambda want=150 * (n + 1): site.one("SELECT count(*) FROM closeloop.cases") == want, "every case", 30)
