"""
A case keeps the promises under which it opened, whatever the configuration says later.

SPDX-License-Identifier: Apache-2.0
"""

FOLLOW_UP = """{{ standard: {{ acknowledge_within = "4h"; resolve_within = "2d"; remind_every = "{remind}"; remind_at_most = 2;
  escalate: {{ boss: {{ when = "unacknowledged"; to = "{to}"; }}; }}; }}; other: {{ calendar = "owner"; }}; }}"""
PLAN = """SELECT what, n, step, target, extract(epoch FROM at - opened_at)::int FROM closeloop.case_plans(ARRAY[%s]::bigint[]) AS p
    JOIN closeloop.cases AS c ON c.id = p.case_id ORDER BY at"""


def version_of(site, case):
    return site.one("SELECT follow_up_version FROM closeloop.cases WHERE id = %s", case)


def test_steps_are_those_of_the_opening(site):
    daemon = site.daemon(follow_ups=FOLLOW_UP.format(remind="1h", to="manager"))
    assert site.q("SELECT name, calendar FROM closeloop.follow_up_versions ORDER BY id") == [("standard", None), ("other", "owner")]
    site.respond(account="elbhof", customer_id="a")
    site.cases(1)
    first = site.one("SELECT id FROM closeloop.cases")
    expected = [("remind", 1, None, None, 3600), ("escalate", None, "boss", "manager", 4 * 3600)]
    assert site.q(PLAN, first) == expected
    assert site.one("SELECT next_action_at - opened_at = interval '1 hour' FROM closeloop.cases")

    site.configure(follow_ups=FOLLOW_UP.format(remind="30m", to="person:ben"))
    daemon.hang_up()
    site.wait(lambda: len(site.q("SELECT id FROM closeloop.follow_up_versions")) == 3, "the new version; `other` is the same")
    site.respond(account="elbhof", customer_id="b")
    site.cases(2)
    second = site.one("SELECT max(id) FROM closeloop.cases")
    assert site.q(PLAN, second) == [("remind", 1, None, None, 1800), ("escalate", None, "boss", "person:ben", 4 * 3600)]
    assert site.q(PLAN, first) == expected

    # Back to the first text: nothing new is stored, and cases open under it again.
    site.configure(follow_ups=FOLLOW_UP.format(remind="1h", to="manager"))
    daemon.hang_up()
    site.wait(lambda: daemon.log.count("reload: ruleset") == 2 and daemon.ready(), "the second reload")
    site.respond(account="elbhof", customer_id="c")
    site.cases(3)
    assert version_of(site, site.one("SELECT max(id) FROM closeloop.cases")) == version_of(site, first) != version_of(site, second)
    assert len(site.q("SELECT id FROM closeloop.follow_up_versions")) == 3
    site.settled()


def test_a_trial_says_when_and_stores_nothing(site):
    site.daemon(follow_ups=FOLLOW_UP.format(remind="1h", to="manager"))
    site.configure(follow_ups=FOLLOW_UP.format(remind="1h", to="manager").replace('"4h"', '"17m"'))
    text = site.run("try", "nps=2", "account=elbhof")
    assert "acknowledge" in text
    assert site.one("SELECT count(*) FROM closeloop.follow_up_versions WHERE acknowledge_within = '17m'") == 0


def test_a_case_opened_by_hand_has_the_promises_of_the_configuration(site):
    site.daemon(follow_ups=FOLLOW_UP.format(remind="1h", to="manager"))
    response = site.respond(nps=9, account="elbhof")
    site.settled()
    site.run("--as", "anna", "case", "open", str(response), "--owner", "anna")
    site.respond(account="elbhof", customer_id="b")
    site.cases(2)
    by_hand, by_rule = site.q("SELECT follow_up_version, acknowledge_due_at - opened_at, next_action_at - opened_at FROM closeloop.cases ORDER BY id")
    assert by_hand == by_rule
