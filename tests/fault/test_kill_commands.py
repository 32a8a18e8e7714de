"""
Commands that are killed in the middle. Whatever had come of them, the same command once more leads to what one that nobody killed leads to;
in between nothing is half there.

SPDX-License-Identifier: Apache-2.0
"""
import itertools
import os
import pathlib
import signal
import subprocess

import pytest

import invariants
import kill_points
from company import Site, text_of
from pages import LINK_KEY, write_secret
from site_fixtures import make_site

pytestmark = pytest.mark.skipif(not kill_points.is_there(), reason=kill_points.WHY_NOT)
numbers = itertools.count(1)

OWNERS = "dimension,value,person\n" + "".join(f"account,a{i},{('minsu', 'anna', 'ben')[i % 3]}\n" for i in range(400))
PEOPLE = "id,name,email,language\n" + "".join(f"p{i},Person {i},p{i}@halden.example,en\n" for i in range(300))


def run(site, arguments, stdin, **environment):
    """The exit code."""
    return subprocess.run([os.environ["CLOSELOOP"], "-c", str(site.configuration), *arguments], input=stdin, text=True, capture_output=True,
                          check=False, timeout=60, env=site.environment() | environment)


def calls(site, arguments, stdin):
    file = site.folder / "counts"
    done = run(site, arguments, stdin, **kill_points.environment(counts=file))
    assert done.returncode == 0, done.stderr
    return kill_points.counted(file)


def die(site, arguments, stdin, number):
    done = run(site, arguments, stdin, **kill_points.environment(number))
    assert done.returncode in (0, -signal.SIGKILL), f"{arguments}, call {number}: {done.returncode} {done.stderr}"
    return done.returncode != 0


def again(site, arguments, stdin):
    done = run(site, arguments, stdin)
    assert done.returncode == 0, f"{arguments}, once more: {done.returncode}\n{done.stdout}{done.stderr}"


# ---- migrate ----

SCHEMA = """
    SELECT 'column', c.table_name || '.' || c.column_name || ' ' || c.data_type FROM information_schema.columns AS c WHERE c.table_schema = 'closeloop'
    UNION ALL SELECT 'function', p.oid::regprocedure::text || ' ' || md5(p.prosrc) || ' ' || ARRAY(SELECT a::text FROM unnest(p.proacl) AS a ORDER BY 1)::text FROM pg_proc AS p
        WHERE p.pronamespace = 'closeloop'::regnamespace
    UNION ALL SELECT 'relation', c.relname || ' ' || c.relkind::text || ' ' || ARRAY(SELECT a::text FROM unnest(c.relacl) AS a ORDER BY 1)::text FROM pg_class AS c
        WHERE c.relnamespace = 'closeloop'::regnamespace
    UNION ALL SELECT 'trigger', t.tgname || ' ' || t.tgrelid::regclass::text FROM pg_trigger AS t WHERE NOT t.tgisinternal
    UNION ALL SELECT 'migration', number || ' ' || name || ' ' || sha256 FROM closeloop.migrations
    UNION ALL SELECT 'instance', name FROM closeloop.instance
    ORDER BY 1, 2"""


@pytest.fixture
def bare(folder, own_pg):
    """bare(): a site whose database is empty, in a cluster that has the roles."""
    made = []

    def site():
        name = f"bare{next(numbers)}"
        own_pg.psql("postgres", f"CREATE DATABASE {name}")
        made.append(Site(folder / f"site-{name}", own_pg, name))
        return made[-1]

    first = site()
    first.run("migrate", "--roles")
    yield site
    for one in made:
        one.close()


def test_migrate_killed_at_each_call(bare, size, figure, progress):
    """A new database, and one whose last migrations have another text: killed, migrated again, it is as if nobody had."""
    whole = bare()
    total = calls(whole, ["migrate"], "")
    want, killed, wanted = whole.q(SCHEMA), 0, kill_points.sample(total, size(16, 1000))
    for number in wanted:
        progress(number, total)
        site = bare()
        killed += die(site, ["migrate"], "", number)
        again(site, ["migrate"], "")
        assert site.q(SCHEMA) == want, f"killed at call {number}"
        site.close()
    outdated = "UPDATE closeloop.migrations SET sha256 = 'of another text' WHERE number >= 13"
    whole.q(outdated)
    update = calls(whole, ["migrate"], "")
    for number in kill_points.sample(update, size(16, 1000)):
        whole.q(outdated)
        # An update makes functions anew, whose rights are gone until they are given.
        whole.q("REVOKE ALL ON ALL FUNCTIONS IN SCHEMA closeloop FROM closeloop_daemon, closeloop_pages, closeloop_reader, closeloop_writer")
        killed += die(whole, ["migrate"], "", number)
        again(whole, ["migrate"], "")
        assert whole.q(SCHEMA) == want, f"update, killed at call {number}"
    figure(f"{total} calls of a new database, {update} of an update; {killed} kills, each time the same schema and rights after the next")


# ---- what changes rows ----

CASES = "SELECT id, status::text, owner, version FROM closeloop.cases ORDER BY id"
EVENTS = "SELECT case_id, kind, actor, from_status::text, to_status::text FROM closeloop.case_events ORDER BY case_id, id"
STATES = {  # what a command may change, but for times and numbers
    "owners": "SELECT dimension, value, person FROM closeloop.owners ORDER BY 1, 2",
    "people": "SELECT id, name, email FROM closeloop.people ORDER BY 1",
    "absences": "SELECT person, deputy, note, ends_at <= now(), CASE WHEN ends_at > now() THEN ends_at::date END FROM closeloop.absences ORDER BY 1, 5",
    "cases": CASES, "events": EVENTS, "inbox": "SELECT response_id, set_aside_at IS NULL, tries FROM closeloop.inbox ORDER BY 1",
    "messages": "SELECT recipient, endpoint, kind, state::text FROM closeloop.messages ORDER BY seq",
    "endpoints": "SELECT name, paused, disabled, reason, failures, breaker::text FROM closeloop.endpoints ORDER BY 1",
    "opened": "SELECT response_id, case_id, relation::text FROM closeloop.case_responses ORDER BY 1, 2",
    "notices": "SELECT case_id, kind FROM closeloop.notices ORDER BY 1, 2",
}
COMMANDS = {
    "import": (["owner", "import", "-"], OWNERS),
    "import of a file": (["owner", "import", "{owners}"], ""),
    "replace": (["owner", "import", "-", "--replace"], OWNERS),
    "people": (["person", "import", "-"], PEOPLE),
    "away": (["person", "away", "minsu", "--until", "2031-05-04", "--deputy", "anna", "--note", "skiing"], ""),
    "back": (["person", "away", "anna", "--back"], ""),
    "open": (["--as", "minsu", "case", "open", "{response}", "--priority", "high", "--note", "they wrote to me"], ""),
    "ack": (["--as", "minsu", "case", "ack", "1"], ""),
    "resolve": (["--as", "minsu", "case", "resolve", "1", "--cause", "late", "--note", "called"], ""),
    "hand over": (["--as", "olga", "case", "assign", "--from", "minsu", "--to", "ben"], ""),
    "aside": (["inbox", "retry", "--all"], ""),
    "dead": (["message", "retry", "--dead"], ""),
    "cancel": (["message", "cancel", "{message}"], ""),
    "disable": (["endpoint", "disable", "crm", "--reason", "moving"], ""),
    "pause": (["pause", "--reason", "a test"], ""),
    "resume": (["resume", "email"], ""),
}


@pytest.fixture
def stopped(folder, pg):
    """
    stopped(): a site with two cases, a dead letter, a waiting message and a row set aside, somebody away now and later, mails that are
    paused, and no daemon.
    """
    made = []

    def site():
        one = make_site(folder, pg)
        made.append(one)
        one.own(("account", "hanbit", "minsu"), ("account", "a1", "ben"))
        response = [one.respond(customer_id=f"k{i}", account="hanbit") for i in range(3)]
        one.q("DELETE FROM closeloop.inbox WHERE response_id <> %s; UPDATE closeloop.inbox SET tries = 3, set_aside_at = now()", response[2])
        one.q("INSERT INTO closeloop.cases (response_id, customer_id, owner, route, rules, opened_at) SELECT id, customer_id, 'minsu', 'account',"
              " '{detractor}', now() FROM closeloop.responses WHERE id < %s", response[2])
        one.q("INSERT INTO closeloop.case_responses (response_id, case_id, relation) SELECT response_id, id, 'opened' FROM closeloop.cases;"
              " INSERT INTO closeloop.case_events (case_id, actor, kind, to_status, details) SELECT id, 'daemon', 'opened', 'open', '{}' FROM closeloop.cases;"
              " INSERT INTO closeloop.messages (id, case_id, kind, channel, endpoint, address, payload, dedup_key, state)"
              " SELECT gen_random_uuid(), id, 'case.opened', 'webhook', 'crm', 'x', '{}', 'k' || id, (CASE WHEN id % 2 = 0 THEN 'dead' ELSE 'queued' END)::"
              "closeloop.message_state FROM closeloop.cases")
        one.q("INSERT INTO closeloop.absences (person, starts_at, ends_at, note) VALUES ('anna', now() - interval '1 day', NULL, 'ill'),"
              " ('anna', '2031-05-01', '2031-06-01', 'sailing');"
              " INSERT INTO closeloop.endpoints (name, paused, reason, failures, breaker) VALUES ('email', true, 'moving', 5, 'open')")
        (one.folder / "owners.csv").write_text(OWNERS, encoding="ascii")
        return one

    yield site
    for one in made:
        one.close()


def states(site):
    return {name: site.q(sql) for name, sql in STATES.items()}


def words(site, arguments):
    """A command as it is said to this site."""
    message = site.one("SELECT id::text FROM closeloop.messages WHERE state = 'queued'")
    response = site.one("SELECT response_id FROM closeloop.inbox")
    return [a.format(message=message, response=response, owners=site.folder / "owners.csv") for a in arguments]


def gone(site):
    """Waits for the end of a session whose client was killed: the server may still be at the statement that it was sent."""
    site.wait(lambda: site.one("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()") == 0,
              "its session to end")


@pytest.mark.parametrize("what", COMMANDS)
def test_a_command_killed_at_each_call(stopped, size, figure, what):
    """All or nothing of it; the next one does it, or says that it is done."""
    whole = stopped()
    arguments, stdin = COMMANDS[what]
    before = states(whole)
    total = calls(whole, words(whole, arguments), stdin)
    after, killed = states(whole), 0
    assert before != after, "the command does nothing"
    for number in kill_points.sample(total, size(4, 1000)):
        site = stopped()
        said = words(site, arguments)
        killed += die(site, said, stdin, number)
        gone(site)
        assert states(site) in (before, after), f"{what}: something half done after call {number}"
        done = run(site, said, stdin)
        assert done.returncode in (0, 1), f"{what}, once more: {done.returncode}\n{done.stdout}{done.stderr}"
        assert states(site) == after, f"{what}: killed at call {number}, then done again\n{done.stdout}{done.stderr}"
        site.close()
    figure(f"{total} calls, {killed} kills")


# ---- what sends ----

def test_a_test_message_killed_at_each_call(stopped, size, figure):
    """`endpoint test`: the receiver has it whole or not at all, each is another message, and the database hears of none."""
    site, killed, total = stopped(), 0, {}
    before = states(site)
    for said, came in ((["endpoint", "test", "crm"], site.hook.requests),
                       (["endpoint", "test", "email", "--to", "ann@halden.example"], site.mailbox.mails)):
        total[said[2]] = calls(site, said, "")
        assert len(came) == 1
        for number in kill_points.sample(total[said[2]], size(6, 1000)):
            n = len(came)
            killed += die(site, said, "", number)
            assert len(came) <= n + 1
            again(site, said, "")
            assert n < len(came) <= n + 2, f"{said}, killed at call {number}: {len(came) - n} came of two"
        assert states(site) == before
    assert all(invariants.verify(request)["type"] == "endpoint.test" for request in site.hook.requests)
    assert len({request.headers["webhook-id"] for request in site.hook.requests}) == len(site.hook.requests)
    assert all(text_of(mail).startswith("This is a test of closeloop") for mail in site.mailbox.mails)
    assert len({mail.message["message-id"] for mail in site.mailbox.mails}) == len(site.mailbox.mails)
    figure(f"{total} calls, {killed} kills; {len(site.hook.requests)} webhooks, {len(site.mailbox.mails)} mails")
