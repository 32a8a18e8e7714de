"""
backtest: new rules over the responses of the past, beside those that are live. Counts, differences, what is missing, and that
nothing a customer wrote and no size of a database upsets it.

SPDX-License-Identifier: Apache-2.0
"""
import json
import os
import pty
import re
import signal
import subprocess
import unicodedata

import psycopg2.extras
import pytest

import servers

UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
HOSTILE = "first\nline \x1b[31mred\x1b[0m \u202eevil\u202c \u009b1m\u2028 é한빛 " + "long " * 200


def width(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 0 if unicodedata.combining(c) else 1 for c in line)


def past(site, rows):
    """Responses of the past, many at once; the triggers don't see them, so no daemon will."""
    columns = sorted({k for row in rows for k in row})
    values = [[psycopg2.extras.Json(v) if isinstance(v := row.get(c), dict) else v for c in columns] for row in rows]
    defaults = {"ratings": "'{}'", "attributes": "'{}'", "source": "'direct'", "contact_requested": "false"}
    template = "(" + ", ".join(f"coalesce(%s::{kind_of(c)}, {defaults[c]})" if c in defaults else "%s" for c in columns) + ")"
    with site.db.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")
        psycopg2.extras.execute_values(cursor, f"INSERT INTO closeloop.responses ({', '.join(columns)}) VALUES %s", values, template, 500)
        cursor.execute("SET session_replication_role = origin")


def kind_of(column):
    return {"ratings": "jsonb", "attributes": "jsonb", "contact_requested": "boolean"}.get(column, "text")


def days_ago(n):
    return psycopg2.extensions.AsIs(f"(now() - interval '{n} days')")


def backtest(site, *options, code=0, **environment):
    done = site.closeloop("backtest", *options, **environment)
    assert done.returncode == code, f"{options}: {done.returncode}\n{done.stdout}{done.stderr}"
    return done.stdout


def report(site, *options, **environment):
    return json.loads(backtest(site, "--json", *options, **environment))


def another(site, name, **sections):
    """The same configuration with other sections, in a file beside it."""
    before = dict(site.sections)
    path = site.configure(path=site.folder / name, **sections)
    site.sections = before
    return path


def test_an_empty_database(site):
    text = backtest(site)
    assert text.startswith("0 responses ") and " alone: no rules were live yet · " in text
    assert re.search(r"^callback +urgent +0 +0\.0% +0 ", text, re.M) and "!" not in text
    found = report(site)
    assert found["responses"] == found["matched"] == 0 and found["rules"]["callback"]["matched"] == 0
    assert found["rules"]["callback"]["weeks"] == [] and found["against"] is None and found["first_responded_at"] is None


def test_one_response(site):
    past(site, [{"nps": 2, "touchpoint": "installation", "responded_at": days_ago(3)}])
    found = report(site)
    assert found["responses"] == found["matched"] == 1
    assert {k: v["matched"] for k, v in found["rules"].items()} == {"callback": 0, "field": 1, "detractor": 1, "praise": 0}
    assert found["rules"]["field"]["weeks"] == [1] and found["rules"]["field"]["peak"] == 1
    assert backtest(site).startswith("1 response ")


def test_figures_of_the_table(site):
    past(site, [{"nps": 9, "comment": "fine", "responded_at": days_ago(1 + i % 20)} for i in range(60)]
         + [{"nps": 3, "responded_at": days_ago(2)} for _ in range(30)]
         + [{"nps": 3, "responded_at": days_ago(16)} for _ in range(5)]
         + [{"comment": "no score at all", "responded_at": days_ago(9)} for _ in range(5)]
         + [{"nps": 3, "responded_at": days_ago(91)}])
    found = report(site)
    assert found["responses"] == 100 and found["matched"] == 95
    rule = found["rules"]["detractor"]
    assert (rule["matched"], rule["undecided"], rule["peak"], rule["weeks"]) == (35, 5, 30, [5, 0, 30])
    assert rule["missing"] == {"nps": 5} and rule["priority"] == "high" and rule["kind"] == "case"
    text = backtest(site, LANG="de_DE.UTF-8", LC_ALL="")
    assert re.search(r"^detractor +high +35 +35\.0% +5 +11\.7 +30  \S▁█$", text, re.M), text
    assert "! detractor: undecided 5 times, nps missing\n" in text
    assert re.search(r"^praise +praise +60 ", text, re.M)
    assert re.search(r"^detractor .* \S_#$", backtest(site, LANG="C", LC_ALL=""), re.M), "a locale without blocks"
    assert report(site, "--since", "5d")["responses"] == 30 + 12 and report(site, "--since", "92d")["responses"] == 101
    assert report(site, "--since", "30d", "--until", "10d")["rules"]["detractor"]["matched"] == 5


def test_against_another_file(site):
    rows = [{"nps": i % 11, "touchpoint": "service", "comment": HOSTILE, "responded_at": days_ago(1 + i % 40)} for i in range(220)]
    past(site, rows)
    rules = site.sections["rules"]
    old = another(site, "old.conf", rules=rules.replace("detractor: { when = \"nps <= 6\"", "detractor: { when = \"nps <= 4 or nps is 8\"")
                  .replace("praise:", "applause:"))
    found = report(site, "--against", str(old))
    rule = found["rules"]["detractor"]
    assert (rule["matched"], rule["against"], rule["gained"]["n"], rule["lost"]["n"]) == (140, 120, 40, 20)
    assert len(rule["gained"]["examples"]) == 10 and len({e["id"] for e in rule["gained"]["examples"]}) == 10
    assert all(e["score"] in ("nps 5", "nps 6") and e["touchpoint"] == "service" for e in rule["gained"]["examples"])
    assert rule["gained"]["examples"][0]["comment"].startswith("first\nline")
    assert found["rules"]["praise"]["against"] is None and found["rules"]["praise"]["gained"]["n"] == 40
    assert found["gone"]["applause"]["lost"]["n"] == 40 and found["against"] == "old.conf"
    text = backtest(site, "--against", str(old))
    assert re.search(r"^detractor .* \+40 -20$", text, re.M) and re.search(r"^callback .* =$", text, re.M)
    assert re.search(r"^praise .* new$", text, re.M) and re.search(r"^applause .* gone -40$", text, re.M)
    wide = backtest(site, "--against", str(another(site, "none.conf", rules='{ detractor: { when = "nps >= 7"; }; }')))
    assert re.search(r"[▁-█] {2,}\+140 -80$", wide, re.M) and re.search(r" {2,}vs none\.conf$", wide, re.M), wide
    for table in (text, wide):
        rows = [line for line in table.splitlines() if re.search(r"( =| new| gone.*| -[28]0| vs \w+\.conf)$", line)]
        assert len(rows) >= 5 and len({width(line) for line in rows}) == 1, rows
    assert "detractor, only in closeloop.conf (40, the newest ten shown)\n" in text and "detractor, only in old.conf (20, the newest ten shown)\n" in text
    assert re.search(r'^  \d+ nps 8 service "first line ', text, re.M)


def test_against_what_is_live(site):
    past(site, [{"nps": i % 11, "responded_at": days_ago(1 + i % 40)} for i in range(110)])
    site.daemon()
    same = report(site)
    assert same["same"] and same["against"] == "live" and same["against_ruleset"] == same["ruleset"]
    text = backtest(site)
    assert re.search(r"against live [0-9a-f]{7} since \d+ \w+, the same text · ", text) and "vs live" in text
    assert all(re.search(r" =$", line) for line in text.splitlines()[2:6]) and "only in" not in text
    site.configure(rules=site.sections["rules"].replace("nps <= 6\"", "nps <= 5\""))
    changed = report(site)
    assert not changed["same"] and changed["against_ruleset"] == same["ruleset"] != changed["ruleset"]
    by_name = report(site, "--against", same["ruleset"][:7])
    assert by_name["against"] == f"rules {same['ruleset'][:7]}" and by_name["rules"] == changed["rules"]
    assert f" vs rules {same['ruleset'][:7]}\n" in backtest(site, "--against", same["ruleset"].upper())
    assert report(site, "--against", "live")["against_ruleset"] == same["ruleset"]
    assert "no rules ffff were ever live here" in site.closeloop("backtest", "--against", "ffff").stderr
    # Live is what most daemons judge by, as in `rules` and `status`: not what one that died had last.
    killed = site.start(configuration=site.second_configuration())
    killed.kill()
    site.q("UPDATE closeloop.daemons SET seen_at = now() - interval '1 hour' WHERE ruleset = %s", same["ruleset"])
    site.wait(lambda: site.one("SELECT count(*) FROM closeloop.daemons d WHERE closeloop.daemon_is_alive(d)") == 1, "one left", 90)
    assert site.one("SELECT count(DISTINCT sha256) FROM closeloop.ruleset_periods WHERE until IS NULL") == 2
    assert report(site)["against_ruleset"] == same["ruleset"]
    assert changed["rules"]["detractor"]["lost"]["n"] == 10
    assert "detractor, only in live (10)\n" in backtest(site)


def test_low_scores_that_nobody_hears_of(site):
    past(site, [{"nps": 3, "responded_at": days_ago(1), "comment": "x"}, {"nps": 8, "ratings": {"speed": 2}, "responded_at": days_ago(2)},
                {"nps": 8, "ratings": {"wait": 9}, "responded_at": days_ago(3)}, {"nps": 8, "ratings": {"wait": 1}, "responded_at": days_ago(3)},
                {"nps": 9, "ratings": {"speed": 3}, "responded_at": days_ago(3)}])
    site.configure(rules='{ callback: { when = "contact_requested"; }; }',
                   scales='{ wait: { min = 1; max = 10; low_is = "good"; }; }')
    found = report(site)
    assert found["uncaught"]["n"] == 3 and found["matched"] == 0
    text = backtest(site)
    assert "no rule caught 3 responses with nps <= 6 or a rating <= 2: closeloop response list --no-case\n" in text
    assert re.search(r"^  \d+ nps 8, speed 2 - ?$", text, re.M), text
    site.configure(rules='{ callback: { when = "contact_requested"; }; spam: { kind = "ignore"; when = "nps <= 8"; }; }')
    assert report(site)["uncaught"]["n"] == 0, "whom a rule ignores was seen"


def test_nothing_a_customer_wrote_reaches_the_terminal_raw_and_no_line_is_too_wide(site):
    past(site, [{"nps": 1, "comment": HOSTILE, "touchpoint": HOSTILE[:80], "ratings": {HOSTILE[:40]: 1}, "responded_at": days_ago(i + 1)} for i in range(25)])
    long = "r" + "x" * 62
    site.configure(rules=f'{{ callback: {{ when = "contact_requested"; }}; {long}: {{ when = "rating[\'{"한" * 60}\'] <= 2"; }}; }}')
    for options in ((), ("--json",)):
        done = site.closeloop("backtest", *options, COLUMNS="100")
        assert done.returncode == 0 and not UNSAFE.search(done.stdout + done.stderr), done.stdout
    text = backtest(site, COLUMNS="100")
    assert all(width(line) <= 100 for line in text.splitlines()), text


def test_cases_mails_and_whose_they_are(site):
    site.configure(top={"timezone": "Europe/Berlin"}, cases='{ merge_within = "2d"; outcome_within = "0s"; }',
                   people='{ minsu: { name = "M"; email = "minsu@halden.example"; alerts_per_hour = 2; };'
                          ' anna: { name = "A"; email = "anna@halden.example"; }; ben: { name = "B"; email = "ben@halden.example"; }; }',
                   teams='{ care: { members = [ "anna", "ben" ]; assign = "round-robin"; }; }',
                   routes='{ account: { owner = [ "lookup:account", "team:care" ]; notify = [ "email:owner" ]; }; }',
                   defaults='{ route = "account"; follow_up = "standard"; }',
                   rules='{ low: { when = "nps <= 6"; }; call: { when = "contact_requested"; priority = "urgent"; }; }')
    site.own(("account", "HANBIT", "minsu"))
    at = "2026-03-02 10:00+01"
    past(site, [{"nps": 3, "customer_id": f"c{i}", "account": "hanbit", "responded_at": at} for i in range(5)]
         + [{"nps": 3, "customer_id": f"d{i}", "responded_at": at} for i in range(3)]
         # The same customer within two days: worse, then not worse, then asking for a call; and once more a week later.
         + [{"nps": n, "contact_requested": call, "customer_id": "c0", "account": "hanbit", "responded_at": f"2026-03-0{day}:00+01"}
            for n, call, day in ((2, False, "3 12"), (4, False, "3 13"), (4, True, "4 08"), (4, False, "9 12"))])
    found = report(site, "--since", "2026-03-01", "--until", "2026-03-20")
    cases = found["cases"]
    assert (cases["opened"], cases["joined"], cases["mails"], cases["in_digests"]) == (9, 3, 11, 3), cases
    assert found["owners"]["minsu"] == {"alerts": 8, "per_day": pytest.approx(8 / 17.6, abs=0.03), "peak": 5, "over_budget": ["2026-03-02"]}
    assert found["owners"]["team:care"]["alerts"] == 3 and set(found["owners"]) == {"minsu", "team:care"}
    text = backtest(site, "--since", "2026-03-01", "--until", "2026-03-20")
    assert "\ncases 9 · mails 11, of these 3 in digests\n      joined a case 3\n" in text
    assert re.search(r"^owner +alerts/day mean +peak +over budget\nminsu +0\.5 +5   1 day: 2 Mar\nteam:care +0\.2 +3   -$", text, re.M), text


def test_texts_that_never_occur(site):
    past(site, [{"nps": 3, "touchpoint": ("Installation", "service ", HOSTILE[:40])[i % 3], "attributes": {"plan": "gold"}, "responded_at": days_ago(2)}
                for i in range(9)])
    site.configure(attributes='{ plan = "text"; size = "text"; manager = "text"; }',
                   rules='{ field: { when = "touchpoint in (\'instalation\', \'SERVICE\')"; }; big: { when = "attr.plan = \'golden\' or attr.size is \'xl\'"; }; }')
    found = {n["text"]: n for n in report(site)["never_occurs"]}
    assert set(found) == {"instalation", "golden", "xl"}
    assert (found["instalation"]["rule"], found["instalation"]["column"], found["instalation"]["nearest"], found["instalation"]["nearest_responses"]) == \
        ("field", "touchpoint", "Installation", 3)
    assert found["xl"]["attribute"] == "size" and found["xl"]["nearest"] is None
    text = backtest(site)
    assert "! field: 'instalation' never occurs in touchpoint; nearest 'Installation' (3 responses)\n" in text
    assert "! big: 'xl' never occurs in attr.size\n" in text


def test_what_the_past_says_before_the_first_day(site):
    """A promoter of long ago, and detractors of the account just before: they count, and aren't counted."""
    past(site, [{"nps": 10, "customer_id": "kim", "responded_at": days_ago(400)}, {"nps": 2, "customer_id": "kim", "account": "a", "responded_at": days_ago(3)},
                {"nps": 2, "customer_id": "lee", "account": "a", "responded_at": days_ago(20)}, {"nps": 2, "customer_id": "anonymous", "responded_at": days_ago(2)},
                {"nps": 2, "responded_at": days_ago(1)}]
         + [{"nps": 2, "customer_id": "crowd", "responded_at": days_ago(4)} for _ in range(60)])
    site.configure(rules='{ turned: { when = "previous.nps >= 9 and nps <= 6"; }; two: { when = "history.detractors(30d, account) >= 1"; };'
                         ' many: { when = "history.responses(30d) >= 1"; }; first: { when = "history.responses(30d) = 0"; }; }')
    found = report(site, "--since", "10d")
    assert found["responses"] == 63
    assert {k: (v["matched"], v["undecided"]) for k, v in found["rules"].items()} == \
        {"turned": (1, 13), "two": (1, 62), "many": (49, 12), "first": (2, 12)}
    assert found["rules"]["turned"]["missing"] == {"previous.nps": 13}, "an id of many is nobody's"


def test_progress_on_a_terminal_only(site):
    past(site, [{"nps": i % 11, "responded_at": days_ago(1)} for i in range(3000)])
    master, slave = pty.openpty()
    with site.connect().cursor() as cursor:
        process = subprocess.Popen([os.environ["CLOSELOOP"], "-c", str(site.configuration), "backtest"], stdout=subprocess.PIPE, stderr=slave,
                                   env=site.environment(), preexec_fn=servers.die_with_parent(signal.SIGKILL))
        del cursor
        os.close(slave)
        out = process.stdout.read().decode()
        process.wait(30)
    shown = b""
    try:
        while part := os.read(master, 4096):
            shown += part
    except OSError:  # the terminal is gone
        pass
    os.close(master)
    assert process.returncode == 0 and out.startswith("3,000 responses")
    assert shown.endswith(b"\r\x1b[K") and b"\n" not in shown, "it leaves nothing behind"
    done = site.closeloop("backtest")
    assert done.stderr == ""


@pytest.mark.parametrize("rules", [0, 200])
def test_sets_of_no_and_of_many_rules(site, rules):
    past(site, [{"nps": i % 11, "responded_at": days_ago(1 + i % 40)} for i in range(50)])
    site.configure(rules="{ " + " ".join(f'r{i}: {{ when = "nps = {i % 11} and csat >= {i % 5}"; }};' for i in range(rules)) + " }")
    found, text = report(site), backtest(site)
    assert len(found["rules"]) == rules and found["responses"] == 50
    assert ("\nrule " in text) == (rules > 0) and len(text.splitlines()) < rules + 40
    if rules:
        assert "! 190 more rules were undecided now and then: --json has all" in text


def test_mistakes_are_told(site):
    def refused(code, says, *options, **more):
        done = site.closeloop("backtest", *options, **more)
        assert done.returncode == code and says in done.stderr and done.stdout == "", (options, done.stdout, done.stderr)

    refused(64, "--until must be later than --since", "--since", "10d", "--until", "20d")
    refused(64, "--since is still to come", "--since", "+2d")
    refused(64, "no time", "--since", "yesterday")
    refused(78, "/nowhere/old.conf: does not exist", "--against", "/nowhere/old.conf")
    broken = another(site, "broken.conf", rules='{ a: { when = "npss <= 6"; }; }')
    refused(78, "did you mean 'nps'?", "--against", str(broken))
    refused(78, "did you mean 'nps'?", configuration=broken)
    site.daemon()
    site.q("UPDATE closeloop.rulesets SET text = 'nonsense = 1;'")
    refused(78, "the live rules can't be read by this version")
    report(site, "--against", str(site.configuration))
    site.q("UPDATE closeloop.rulesets SET text = ''")
    site.stop_daemons()


def test_it_reads_and_nothing_more(site):
    """Whoever may read may replay; and the transaction is one that can't write."""
    past(site, [{"nps": 2, "responded_at": days_ago(1)}])
    site.q("CREATE ROLE backtest_reader LOGIN")
    try:
        site.q("GRANT pg_read_all_data TO backtest_reader")
        text = site.configuration.read_text(encoding="utf-8").replace("user=postgres", "user=backtest_reader")
        path = site.folder / "reader.conf"
        path.write_text(text, encoding="utf-8")
        assert "user=backtest_reader" in text
        done = site.closeloop("--json", "backtest", configuration=path)
        assert done.returncode == 0 and json.loads(done.stdout)["responses"] == 1, done.stderr
        site.q("REVOKE pg_read_all_data FROM backtest_reader")
        assert site.closeloop("backtest", configuration=path).returncode in (77, 78)
    finally:
        site.q("DROP ROLE backtest_reader")


def start(site, *options):
    return subprocess.Popen([os.environ["CLOSELOOP"], "-c", str(site.configuration), "backtest", *options], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, env=site.environment(), preexec_fn=servers.die_with_parent(signal.SIGKILL))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_cleanly(site, number):
    past(site, [{"nps": 2, "responded_at": days_ago(1)}])
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY %' AND wait_event_type = 'Lock'"
    connection = site.connect()
    with connection.cursor() as cursor:
        cursor.execute("LOCK TABLE closeloop.responses IN ACCESS EXCLUSIVE MODE")
        process = start(site)
        site.wait(lambda: site.one(waiting) == 1, "it waits for the lock")
        process.send_signal(number)
        out, err = process.communicate(timeout=30)
        assert process.returncode == -number and out == "", (process.returncode, out, err)
        assert err == "closeloop: stopped after 0 responses; nothing was changed\n"
        site.wait(lambda: site.one(waiting) == 0, "the statement is cancelled")
    connection.rollback()
