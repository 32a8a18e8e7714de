"""
PostgreSQL restarts, crashes, says no: the daemon backs off and goes on, nothing is lost, nothing comes twice.

SPDX-License-Identifier: Apache-2.0
"""
import signal


def refill(site, start, count):
    site.q("INSERT INTO closeloop.responses (nps, customer_id) SELECT 1, 'k' || i FROM generate_series(%s, %s) AS i",
           start, start + count - 1)


def test_a_crash_of_the_server_costs_time_only(own_site):
    site = own_site
    daemon = site.daemon()
    refill(site, 1, 20)
    site.cases(1)
    site.server.stop(signal.SIGQUIT)
    site.wait(lambda: daemon.get("/readyz")[0] == 503, "not ready while the database is away")
    assert daemon.get("/livez")[0] == 200 and daemon.metric("database_up") == 0
    site.server.start()
    daemon.wait_ready(40)
    refill(site, 21, 20)
    site.cases(40, 40)
    site.settled()
    # A message may have been accepted in the moment of the crash: then a copy under the same id may follow.
    site.may_differ.add("copies")
    assert len({str(m.message["message-id"]) for m in site.mailbox.mails}) == 40


def test_terminated_sessions_come_back(site):
    daemon = site.daemon()
    for round_ in range(3):
        refill(site, round_ * 10 + 1, 5)
        killed = site.one("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                          " WHERE datname = current_database() AND pid <> pg_backend_pid()")
        assert killed >= 1
        refill(site, round_ * 10 + 6, 5)
        site.cases((round_ + 1) * 10, 30)
    daemon.wait_ready()
    site.settled()
    site.may_differ.add("copies")


def test_a_read_only_database_is_waited_for(own_site):
    site = own_site
    daemon = site.daemon()
    site.q(f"ALTER DATABASE {site.database} SET default_transaction_read_only = on")
    site.q("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
           " WHERE datname = current_database() AND pid <> pg_backend_pid()")
    connection = site.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ WRITE")
        site.respond(cursor)
        connection.commit()
    site.wait(lambda: daemon.get("/readyz")[0] == 503, "not ready on a read-only database")
    assert daemon.process.poll() is None
    with connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION READ WRITE")
        cursor.execute(f"ALTER DATABASE {site.database} RESET default_transaction_read_only")
        connection.commit()
    site.cases(1, 60)
    daemon.wait_ready(40)
    site.settled()


def test_too_many_connections_are_waited_for(own_site):
    site = own_site
    site.own(("account", "hanbit", "minsu"))
    site.respond(account="hanbit")
    site.q(f"ALTER DATABASE {site.database} CONNECTION LIMIT 0")
    # Superusers pass the limit, so the daemon is somebody else here.
    site.q("CREATE ROLE daemon LOGIN")
    site.q("GRANT ALL ON SCHEMA closeloop TO daemon; GRANT ALL ON ALL TABLES IN SCHEMA closeloop TO daemon;"
           "GRANT ALL ON ALL SEQUENCES IN SCHEMA closeloop TO daemon;"
           "GRANT ALL ON ALL FUNCTIONS IN SCHEMA closeloop TO daemon")
    site.configure(database=f'{{ conninfo = "{site.server.conninfo(site.database, "daemon")}"; }}')
    daemon = site.start(wait=False)
    site.wait(lambda: daemon.get("/livez")[0] == 200, "alive")
    assert daemon.get("/readyz")[0] == 503
    site.q(f"ALTER DATABASE {site.database} CONNECTION LIMIT -1")
    site.cases(1, 60)
    daemon.wait_ready(40)
    site.settled()


def test_started_before_the_database(own_site):
    site = own_site
    site.respond()
    site.db.close()
    site.server.stop()
    daemon = site.start(wait=False)
    site.wait(lambda: daemon.get("/livez")[0] == 200, "alive")
    assert daemon.get("/readyz")[0] == 503
    site.server.start()
    daemon.wait_ready(40)
    site.cases(1)
    site.settled()


WORKING = ("SELECT max(pid) FROM pg_stat_activity WHERE application_name = 'closeloop' AND datname = current_database()"
           " AND query LIKE 'SELECT EXISTS (SELECT FROM closeloop.notices)%%' AND query_start > %s")
LISTENING = ("SELECT max(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1129074508 AND granted"
             " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())")


def heard_at_once(site, customer):
    """Right after an idle look the next one is 4 s away. Returns the session that looked."""
    asked = site.one("SELECT clock_timestamp()")
    site.wait(lambda: site.one(WORKING, asked), "an idle look")
    working = site.one(WORKING, asked)
    refill(site, customer, 1)
    site.cases(customer)
    waited = site.one("SELECT max(opened_at) - max(received_at) FROM closeloop.cases, closeloop.responses").total_seconds()
    assert waited < 3, f"opened {waited} s later"
    return working


def test_a_notification_is_heard_whichever_session_was_lost(site):
    """The working session listens itself once the listening one has seen that LISTEN delivers."""
    site.daemon()
    working = heard_at_once(site, 1)
    site.q("SELECT pg_terminate_backend(%s)", working)
    assert heard_at_once(site, 2) != working
    listening = site.one(LISTENING)
    site.q("SELECT pg_terminate_backend(%s)", listening)
    heard_at_once(site, 3)
    site.wait(lambda: site.one(LISTENING) not in (None, listening), "another listening session")
    heard_at_once(site, 4)
    site.settled()


def test_a_lost_notification_is_found(site):
    """Somebody writes without a notification (its trigger was off a moment): the sweep finds the row."""
    site.daemon()
    site.respond(customer_id="k0")
    site.cases(1)
    site.settled()
    connection = site.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        response = site.respond(cursor, customer_id="k1")
        cursor.execute("INSERT INTO closeloop.inbox (response_id) VALUES (%s)", (response,))
        connection.commit()
    site.cases(2, 30)
    site.settled()
