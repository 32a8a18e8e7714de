"""
Few customers who answer again and again and change what they said, people who work on their cases, and daemons that are killed.

SPDX-License-Identifier: Apache-2.0
"""
import random
import threading
import time

import psycopg2

from stream import INSERT, answer

PEOPLE = ("minsu", "anna", "ben", "olga")


class Customers:
    """Writers in two sessions: an answer of a few customers, sometimes changed before or after it was judged."""

    def __init__(self, site, customers, seed):
        self.site, self.customers = site, customers
        self.ended, self.failure, self.conflicts = threading.Event(), None, 0
        self.threads = [threading.Thread(target=self._run, args=(self._write, seed + i), daemon=True) for i in range(2)]
        self.threads.append(threading.Thread(target=self._run, args=(self._work, seed + 9), daemon=True))
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ended.set()
        for thread in self.threads:
            thread.join(60)
        if self.failure:
            raise self.failure

    def _run(self, step, seed):
        rng, connection = random.Random(seed), self.site.connect()
        n = 0
        try:
            while not self.ended.wait(rng.uniform(0.002, 0.04)):
                n += 1
                with connection.cursor() as cursor:
                    step(rng, cursor, f"{seed}-{n}")
                connection.commit()
        except Exception as e:  # pylint: disable=broad-except
            self.failure = e

    def _write(self, rng, cursor, number):
        values = list(answer(rng, "merge", number, customer=f"m{rng.randrange(self.customers)}"))
        cursor.execute(INSERT, values)
        response = cursor.fetchone()[0]
        self.site.committed.add(response)
        if rng.random() < 0.4:
            self.site.changed.add(number)
            if rng.random() < 0.5:
                cursor.connection.commit()
                time.sleep(rng.uniform(0, 0.05))
            cursor.execute("UPDATE closeloop.responses SET nps = %s, contact_requested = false, touchpoint = 'delivery' WHERE id = %s",
                           (rng.randint(0, 10), response))

    def _work(self, rng, cursor, _):
        cursor.execute("SELECT id, version FROM closeloop.cases WHERE status IN ('open', 'acknowledged', 'in_progress')"
                       " ORDER BY random() LIMIT 1")
        row = cursor.fetchone()
        if row is None:
            return
        time.sleep(rng.uniform(0, 0.01))
        action = rng.choice(("acknowledge", "note", "start", "resolve", "resolve", "dismiss"))
        try:
            cursor.execute("SELECT closeloop.case_transition(%s, %s, %s, 'seen', '{}', %s)", (row[0], action, rng.choice(PEOPLE), row[1]))
            time.sleep(rng.uniform(0, 0.01))
        except psycopg2.Error as e:
            assert e.pgcode in ("CL001", "CL002"), e
            self.conflicts += 1
            cursor.connection.rollback()


def test_few_customers_two_daemons_and_kills(strict_site, size, figure):
    site, seconds, rng = strict_site, size(8, 120), random.Random(3)
    site.configure()
    site.own(("account", "hanbit", "minsu"), ("account", "elbhof", "anna"))
    configurations = [site.configuration, site.second_configuration()]
    running = [site.start(configuration=c) for c in configurations]
    customers = Customers(site, size(25, 200), 50)
    kills, until = 0, time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(rng.uniform(0.5, 1.5))
        i = rng.randrange(2)
        running[i].kill()
        kills += 1
        site.excuse(running[i].leased())
        running[i] = site.start(wait=False, configuration=configurations[i])
    customers.stop()
    for daemon in running:
        daemon.wait_ready()
    site.settled(90)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.notices") == 0, "all noticed")
    site.settled(90)
    # What people dismissed or resolved takes along what was not sent yet.
    site.expected_undelivered = site.one(
        "SELECT count(*) FROM closeloop.messages m WHERE m.state = 'cancelled' AND NOT EXISTS (SELECT FROM closeloop.case_events e"
        " WHERE e.case_id = m.case_id AND e.kind = 'dismissed' AND e.details ? 'withdrawn')")
    site.check()
    lost = site.q("SELECT r.id FROM closeloop.responses r JOIN closeloop.case_responses k ON k.response_id = r.id JOIN closeloop.cases c ON c.id = k.case_id"
                  " WHERE c.status = 'dismissed' AND (r.nps <= 6 OR r.contact_requested) AND 'daemon' = (SELECT e.actor"
                  "  FROM closeloop.case_events e WHERE e.case_id = c.id AND e.kind = 'dismissed' ORDER BY e.id DESC LIMIT 1)")
    assert not lost, f"their case dismissed itself, and they match: {lost[:5]}"
    left = site.q("SELECT c.id FROM closeloop.cases c JOIN closeloop.responses r ON r.id = c.response_id WHERE c.status = 'open'"
                  " AND r.nps > 6 AND NOT r.contact_requested AND (r.touchpoint <> 'installation' OR (r.ratings ->> 'punctual')::int > 2)"
                  " AND c.rules <> '{}' AND NOT EXISTS (SELECT FROM closeloop.case_events e WHERE e.case_id = c.id AND e.actor <> 'daemon')"
                  " AND NOT EXISTS (SELECT FROM closeloop.case_responses k WHERE k.case_id = c.id AND k.response_id <> r.id)")
    assert not left, f"nothing matches, nobody has touched them, and they stand: {left[:5]}"
    cases, relations = site.one("SELECT count(*) FROM closeloop.cases"), dict(site.q(
        "SELECT relation, count(*) FROM closeloop.case_responses GROUP BY 1"))
    amended, withdrawn, stale = site.one(
        "SELECT count(*) FILTER (WHERE kind = 'amended'), count(*) FILTER (WHERE kind = 'dismissed' AND details ? 'withdrawn'),"
        " count(*) FILTER (WHERE details ->> 'kept' = 'it has changed meanwhile') FROM closeloop.case_events")
    figure(f"{kills} kills; {len(site.committed)} answers: {cases} cases, {relations.get('joined', 0)} joined, {relations.get('linked', 0)} linked,"
           f" {amended} amended, {withdrawn} dismissed themselves ({stale} too late); {customers.conflicts} actions refused; {site.copies} copies")
