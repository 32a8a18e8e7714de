"""
Writers of responses that never stop: what the survey tool does while everything else breaks.

Each writer has a connection and a seed of its own. It inserts one to five responses a transaction, rolls one
transaction in eight back, and repeats what failed. It keeps the books that invariants.check() needs: ids whose COMMIT was
acknowledged (Site.committed). A COMMIT without an answer may or may not have happened: nobody was promised anything.

SPDX-License-Identifier: Apache-2.0
"""
import json
import random
import threading
import time

import psycopg2

from invariants import CANARY, ROLLED_BACK

INSERT = ("INSERT INTO closeloop.responses (source, source_id, nps, customer_id, customer_name, customer_email,"
          " customer_phone, account, touchpoint, region, ratings, contact_requested, comment)"
          " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING id")


def answer(rng, source, source_id, customer=None):
    """Values for INSERT: about two of three match a rule; every word of the customer holds the canary."""
    return (source, source_id, rng.choice((0, 1, 2, 3, 4, 5, 6, 6, 7, 8, 9, 10, None)), customer or f"{source}-{source_id}",
            f"{CANARY} name", f"{CANARY}@customer.example", f"+82 {CANARY}", rng.choice(("hanbit", "elbhof", "other")),
            rng.choice(("installation", "delivery")), rng.choice(("seoul", "berlin")),
            json.dumps({"punctual": rng.randint(1, 5)}), rng.random() < 0.1,
            rng.choice((None, f"{CANARY}: {source_id} came too late", f"{CANARY} {source_id} 배송이 늦었어요")))


class Stream:
    def __init__(self, site, per_second=60, seed=1, conninfo=None):
        self.site, self.pause = site, 1 / per_second
        self.conninfo = conninfo or site.server.conninfo(site.database)
        self.rng, self.name = random.Random(seed), f"s{seed}"
        self.ended, self.errors, self.written = threading.Event(), 0, 0
        self.failure = None
        self.thread = threading.Thread(target=self._run, name="stream", daemon=True)

    def start(self):
        self.thread.start()
        return self

    def stop(self):
        self.ended.set()
        self.thread.join(60)
        if self.failure:
            raise self.failure
        return self

    def _run(self):
        connection = None
        while not self.ended.wait(self.pause * self.rng.uniform(0.3, 1.7)):
            try:
                if connection is None or connection.closed:
                    connection = psycopg2.connect(self.conninfo, connect_timeout=5)
                self._transaction(connection)
            except psycopg2.Error:
                self.errors += 1
                if connection is not None:
                    connection.close()
                time.sleep(0.05)
            except Exception as e:  # pylint: disable=broad-except
                self.failure = e
                return
        if connection is not None:
            connection.close()

    def _transaction(self, connection):
        rolls_back = self.rng.random() < 0.125
        ids = []
        with connection.cursor() as cursor:
            for _ in range(self.rng.choice((1, 1, 1, 2, 5))):
                self.written += 1
                number = f"{ROLLED_BACK if rolls_back else 'kept'}-{self.name}-{self.written}"
                cursor.execute(INSERT, answer(self.rng, "stream", number))
                ids.append(cursor.fetchone()[0])
        if rolls_back:
            connection.rollback()
        else:
            connection.commit()
            self.site.committed.update(ids)
