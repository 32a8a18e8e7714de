"""
Two daemons at once over the same rows, and a row that nobody can judge among many that are well.

SPDX-License-Identifier: Apache-2.0
"""
import random
import signal
import threading
import time

import pytest

from stream import INSERT, Stream, answer


def two_daemons(site):
    return [site.daemon(), site.start(configuration=site.second_configuration())]


def test_poison_among_many(strict_site, size, figure):
    """One row makes every batch fail that it is in: it stands alone in the end, is tried three times, and nobody waits for it."""
    site, n = strict_site, size(2000, 10000)
    site.configure(routes='{ account: { owner = [ "lookup:account", "team:care" ]; notify = [ "webhook:crm" ]; };'
                          ' field: { owner = [ "team:field" ]; notify = [ "webhook:crm" ]; }; }')
    refuse(site, "NEW.customer_id = 'poison'", "P0001")
    site.q("INSERT INTO closeloop.responses (nps, customer_id) SELECT 1, CASE WHEN i = %s THEN 'poison' ELSE 'k' || i END"
           " FROM generate_series(1, %s) AS i", n // 3, n)
    site.expected_aside = {site.one("SELECT id FROM closeloop.responses WHERE customer_id = 'poison'")}
    daemon = site.start()
    site.cases(n - 1, 60)
    others = site.one("SELECT extract(epoch FROM max(at) - min(at))::float8 FROM closeloop.case_responses")
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NOT NULL") == 1, "set aside", 60)
    assert site.one("SELECT tries FROM closeloop.inbox") == 3
    site.settled(120)
    site.hurried(lambda: daemon.metric("inbox_set_aside") == 1, "the metric")
    figure(f"{n} rows, the {n - 1} well ones judged within {others:.1f} s")


def refuse(site, condition, sqlstate):
    """What a trigger of the site's own, a corrupt page or a statement_timeout may do to a batch."""
    site.q("CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
           f" IF {condition} THEN RAISE EXCEPTION 'no' USING ERRCODE = '{sqlstate}'; END IF; RETURN NEW; END $$")
    site.q("CREATE TRIGGER refuse BEFORE INSERT ON closeloop.cases FOR EACH ROW EXECUTE FUNCTION refuse()")


@pytest.mark.parametrize("sqlstate", ["XX001", "42883", "57014"])
def test_an_error_of_the_server_at_one_row(strict_site, size, figure, sqlstate):
    """The server seems to be at fault, but only one row ever meets it: the others flow, and in the end it is set aside."""
    if sqlstate != "XX001" and not size(False, True):
        pytest.skip("in the long form")
    site, n = strict_site, 200
    refuse(site, "NEW.customer_id = 'poison'", sqlstate)
    site.q("INSERT INTO closeloop.responses (nps, customer_id) SELECT 1, CASE WHEN i = 7 THEN 'poison' ELSE 'k' || i END"
           " FROM generate_series(1, %s) AS i", n)
    poison = site.one("SELECT id FROM closeloop.responses WHERE customer_id = 'poison'")
    site.expected_aside = {poison}
    daemon = site.start()
    site.cases(n - 1)
    assert daemon.log.count("batch of") <= 8, "looked for by halves: 32 rows twice, 16, 8, 4 or 2, and itself"
    others = site.one("SELECT extract(epoch FROM max(at) - min(at))::float8 FROM closeloop.case_responses")
    for i in range(40):
        site.respond(customer_id=f"later{i}")
        site.cases(n + i, 20)
        site.q("UPDATE closeloop.inbox SET available_at = clock_timestamp() WHERE set_aside_at IS NULL")
        if site.one("SELECT set_aside_at IS NOT NULL FROM closeloop.inbox WHERE response_id = %s", poison):
            break
        time.sleep(0.2)
    assert sqlstate in site.one("SELECT last_error FROM closeloop.inbox WHERE set_aside_at IS NOT NULL")
    site.settled()
    figure(f"{n} rows, the {n - 1} well ones judged within {others:.1f} s")


def test_an_error_of_the_server_at_every_row(strict_site, size):
    """Nobody is set aside for what is wrong with the schema, however often it was tried; mended, everything is judged."""
    if not size(False, True):
        pytest.skip("in the long form: the back-off grows to half a minute")
    site, n = strict_site, 2  # each has its turn more than three times
    refuse(site, "true", "42P01")
    for i in range(n):
        site.respond(customer_id=f"k{i}")
    daemon = site.start()

    def tried(times):
        site.q("UPDATE closeloop.inbox SET available_at = clock_timestamp()")
        return daemon.log.count("42P01") >= times

    site.wait(lambda: tried(11), "tries", 60)
    assert site.one("SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NULL") == n
    site.q("DROP TRIGGER refuse ON closeloop.cases")
    site.wait(lambda: site.q("UPDATE closeloop.inbox SET available_at = clock_timestamp()")
              or site.one("SELECT count(*) FROM closeloop.cases") == n, "all judged", 60)
    site.settled()


@pytest.mark.parametrize("sqlstate", ["40P01", "53100"])
def test_what_says_nothing_of_a_row_sets_none_aside(strict_site, sqlstate):
    """A row that stands alone, since a daemon ended over it, meets a deadlock or a full disk again and again: that counts against nobody."""
    site = strict_site
    site.q("CREATE SEQUENCE refusals")
    refuse(site, "nextval('refusals') <= 4", sqlstate)
    site.configure()
    site.respond(customer_id="alone")
    site.q("UPDATE closeloop.inbox SET tries = 1")
    site.start()
    site.wait(lambda: site.q("UPDATE closeloop.inbox SET available_at = clock_timestamp()")
              or site.one("SELECT count(*) FROM closeloop.cases") == 1, lambda: f"judged: {site.q('SELECT * FROM closeloop.inbox')}", 60)
    assert site.one("SELECT last_value FROM refusals") == 5
    site.settled()


def test_changed_while_it_is_judged(strict_site, size, figure):
    """An answer is corrected again and again while two daemons judge it: one case, one opening, judged in its last state."""
    site, rounds = strict_site, size(150, 2000)
    two_daemons(site)
    site.warm(site.daemons[0])
    rng, connection = random.Random(8), site.connect()
    with connection.cursor() as cursor:
        for i in range(rounds):
            values = list(answer(rng, "race", f"r{i}"))
            cursor.execute(INSERT, values)
            site.committed.add(cursor.fetchone()[0])
            connection.commit()
            for nps in [rng.randint(0, 10) for _ in range(rng.randint(1, 4))]:
                cursor.execute("UPDATE closeloop.responses SET nps = %s WHERE source = 'race' AND source_id = %s", (nps, f"r{i}"))
                connection.commit()
            site.changed.add(f"r{i}")
    site.settled(60)
    # Whatever was seen on the way: a response whose last state opens a case has one, and there is never a second.
    missing = site.q("SELECT r.id FROM closeloop.responses r LEFT JOIN closeloop.case_responses j ON j.response_id = r.id"
                     " WHERE r.source = 'race' AND (r.contact_requested OR r.nps <= 6) AND j.case_id IS NULL")
    assert not missing, f"no case: {missing[:5]}"
    opened = site.one("SELECT count(*) FROM closeloop.messages WHERE kind = 'case.opened' AND channel = 'webhook'"
                      " GROUP BY response_id ORDER BY 1 DESC LIMIT 1")
    assert opened == 1
    returned = site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'amended'")
    site.check()
    assert site.copies == 0
    figure(f"{rounds} answers changed up to 4 times; {returned} amendments, no copy")


def test_one_customer_in_two_daemons(strict_site, size, figure):
    """Pairs of answers of one customer commit at the same moment: both are judged, once each, and nothing deadlocks."""
    site, pairs = strict_site, size(60, 600)
    daemons = two_daemons(site)
    barrier, rng_seed = threading.Barrier(2), 21

    def write(which):
        rng, connection = random.Random(rng_seed + which), site.connect()
        with connection.cursor() as cursor:
            for i in range(pairs):
                cursor.execute(INSERT, answer(rng, f"w{which}", f"n{i}", customer=f"same-{i}"))
                site.committed.add(cursor.fetchone()[0])
                barrier.wait(30)
                connection.commit()

    writers = [threading.Thread(target=write, args=(which,)) for which in (0, 1)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    site.settled(60)
    for daemon in daemons:
        assert "40P01" not in daemon.log, "a deadlock"
    site.check()
    assert site.copies == 0
    figure(f"{pairs} pairs, no copy, no deadlock")


def test_a_daemon_joins_and_leaves(strict_site, size, figure):
    """A rolling restart under load: SIGTERM lets what is under way end, so there is no copy at all."""
    site, rounds = strict_site, size(4, 40)
    site.daemon()
    other = site.second_configuration()
    stream = Stream(site).start()
    for _ in range(rounds):
        daemon = site.start(configuration=other)
        written = len(site.committed)
        site.wait(lambda w=written: len(site.committed) > w + 30, "some work")
        assert daemon.stop() == 0
    stream.stop()
    site.settled(60)
    site.check()
    assert site.copies == 0
    figure(f"{rounds} restarts, {len(site.committed)} responses, no copy")


def test_a_response_kept_locked_delays_nobody_else(strict_site):
    """An application changed a response and doesn't commit: that response waits for it, the others don't."""
    site = strict_site
    daemon = site.warm(site.daemon())
    connection = site.connect()
    daemon.process.send_signal(signal.SIGSTOP)  # so that one claim takes both
    slow = site.respond(customer_id="slow")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE closeloop.responses SET nps = 1 WHERE id = %s", (slow,))
        other = site.respond(customer_id="other")
        daemon.process.send_signal(signal.SIGCONT)
        for response in (other, site.respond(customer_id="later")):
            site.wait(lambda: site.one("SELECT case_id FROM closeloop.case_responses WHERE response_id = %s", response),
                      "a case for a response that nobody has locked", 10)
        assert site.one("SELECT count(*) FROM closeloop.case_responses WHERE response_id = %s", slow) == 0
        connection.commit()
    site.wait(lambda: site.one("SELECT case_id FROM closeloop.case_responses WHERE response_id = %s", slow), "its case", 10)
    site.settled()
    assert site.one("SELECT count(*) FROM closeloop.case_events WHERE kind = 'opened'") == \
        site.one("SELECT count(*) FROM closeloop.cases")
