"""
What comes in: batches, rows that can't be judged, transactions that never were, hours of being down.

SPDX-License-Identifier: Apache-2.0
"""
import io
import json


def test_nothing_leaves_from_a_transaction_that_rolled_back(site):
    site.daemon()
    connection = site.connect()
    with connection.cursor() as cursor:
        site.respond(cursor, comment="never happened")
        connection.rollback()
        kept = site.respond(cursor, comment="this one did", account="hanbit")
        connection.commit()
    (mail,) = site.mails(1)
    site.settled()
    assert site.q("SELECT response_id FROM closeloop.cases") == [(kept,)]
    assert len(site.mailbox.mails) == 1 and "never happened" not in mail.raw.decode("latin-1")


def test_an_open_transaction_is_seen_when_it_commits(site):
    site.daemon()
    connection = site.connect()
    with connection.cursor() as cursor:
        late = site.respond(cursor, comment="committed late")
        early = site.respond(comment="committed first", customer_id="k2")
        site.cases(1)
        assert site.q("SELECT response_id FROM closeloop.cases") == [(early,)]
        connection.commit()
    site.cases(2)
    assert site.one("SELECT count(*) FROM closeloop.cases WHERE response_id = %s", late) == 1
    site.settled()


def test_a_batch_of_two_thousand(site):
    site.daemon()
    site.q("INSERT INTO closeloop.responses (nps, customer_id, account, comment)"
           " SELECT i % 11, 'k' || i, 'hanbit', 'answer ' || i FROM generate_series(1, 2000) AS i")
    site.settled(60)
    detractors = site.one("SELECT count(*) FROM closeloop.responses WHERE nps <= 6")
    promoters = site.one("SELECT count(*) FROM closeloop.responses WHERE nps >= 9")
    assert site.one("SELECT count(*) FROM closeloop.cases") == detractors
    assert site.one("SELECT count(*) FROM closeloop.case_responses") == detractors + promoters
    assert len(site.mailbox.mails) == detractors + promoters
    assert len({r.headers["webhook-id"] for r in site.hook.requests}) == detractors + promoters


def test_copy_is_captured_like_any_insert(site):
    site.daemon()
    text = "".join(f"copy-{i}\t{i % 11}\tk{i}\n" for i in range(300))
    with site.db.cursor() as cursor:
        cursor.copy_expert("COPY closeloop.responses (source_id, nps, customer_id) FROM STDIN", io.StringIO(text))
    site.cases(site.one("SELECT count(*) FROM closeloop.responses WHERE nps <= 6"))
    site.settled()


def test_what_came_while_nobody_listened_is_caught_up(site):
    site.own(("account", "hanbit", "minsu"))
    for i in range(50):
        site.respond(customer_id=f"k{i}", account="hanbit")
    assert site.one("SELECT count(*) FROM closeloop.inbox") == 50
    site.start()
    assert len(site.cases(50)) == 50
    site.settled()
    assert len(site.mailbox.mails) == 50


def test_a_poison_row_is_set_aside_and_blocks_nobody(site):
    site.q("""CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
              BEGIN
                IF NEW.customer_id = 'poison' THEN RAISE EXCEPTION 'this one can''t be stored'; END IF;
                RETURN NEW;
              END $$""")
    site.q("CREATE TRIGGER refuse BEFORE INSERT ON closeloop.cases FOR EACH ROW EXECUTE FUNCTION refuse()")
    site.q("INSERT INTO closeloop.responses (nps, customer_id, comment)"
           " SELECT 1, CASE WHEN i = 21 THEN 'poison' ELSE 'k' || i END, 'hm' FROM generate_series(1, 40) AS i")
    daemon = site.start()
    site.cases(39)
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.inbox WHERE set_aside_at IS NOT NULL") == 1,
              "the row set aside", 60)
    tries, error = site.one("SELECT tries, last_error FROM closeloop.inbox")
    assert tries == 3 and error
    site.respond(customer_id="after")
    site.cases(40)
    assert site.one("SELECT count(*) FROM closeloop.inbox") == 1
    site.wait(lambda: daemon.metric("inbox_set_aside") == 1, "the metric")
    row, response = site.one("SELECT id, response_id FROM closeloop.inbox")
    (listed,) = json.loads(site.run("--json", "inbox", "list"))
    assert listed["response_id"] == response and listed["set_aside_at"] and "stored" in listed["last_error"]

    # Once what was wrong is mended, it goes on from there.
    site.q("DROP TRIGGER refuse ON closeloop.cases")
    site.run("inbox", "retry", str(row))
    site.cases(41)
    site.settled()


def test_too_old_is_recorded_but_not_alerted(site):
    site.daemon(cases='{ max_age = "1d"; }')
    site.q("INSERT INTO closeloop.responses (nps, comment, responded_at) VALUES (1, 'long ago', now() - interval '2 days')")
    fresh = site.respond(customer_id="k2")
    site.cases(1)
    site.settled()
    assert site.q("SELECT response_id FROM closeloop.cases") == [(fresh,)]
    assert len(site.mailbox.mails) == 1


def test_the_writers_role_can_write_and_no_more(site):
    site.run("migrate", "--roles")
    site.daemon()
    connection = site.connect()
    with connection.cursor() as cursor:
        cursor.execute("SET ROLE closeloop_writer")
        cursor.execute("INSERT INTO closeloop.responses (source, source_id, nps) VALUES ('shop', '1', 3)"
                       " ON CONFLICT (source, source_id) DO UPDATE SET nps = excluded.nps")
        connection.commit()
    site.cases(1)
    site.settled()
