"""
The rule sets that were live: listed, shown as they were, and compared by what they mean.

SPDX-License-Identifier: Apache-2.0
"""
import json
import re

RULES = """{
  callback:  { when = "contact_requested"; priority = "urgent"; };
  field:     { when = "unhappy   and touchpoint is 'instal  lation'"; priority = "high"; route = "field"; };
  praise:    { kind = "praise"; when = "nps >= 9 and comment is present"; };
  detractor: { when = "nps <= 6"; };
  legal:     { when = "comment contains ('lawyer', 'Anwalt', '변호사')"; priority = "urgent"; notify = [ "email:person:olga" ]; };
}"""


def wide(site, *arguments, **options):
    return site.run(*arguments, COLUMNS="200", **options)


def test_nothing_was_ever_live(site):
    assert "never" in site.run("rules", "list") or "No rules were ever live" in site.run("rules", "list")
    assert json.loads(site.run("--json", "rules", "list")) == []
    assert "no rules were ever live" in site.closeloop("rules", "show").stderr
    assert site.closeloop("rules", "diff").returncode == 1


def test_list_says_what_each_set_changed(site):
    site.daemon()
    first = site.one("SELECT ruleset FROM closeloop.daemons")
    site.configure(rules=RULES, facts='{ unhappy = "nps <= 4"; }')
    site.run("--as", "olga", "reload")
    second = site.one("SELECT ruleset FROM closeloop.daemons")
    # What only looks different is told as such.
    site.configuration.write_text("# a comment\n" + site.configuration.read_text(encoding="utf-8"), encoding="utf-8")
    site.run("reload")
    third = site.one("SELECT ruleset FROM closeloop.daemons")
    assert len({first, second, third}) == 3
    lines = wide(site, "rules", "list").splitlines()
    assert lines[0].split()[:2] == ["SET", "LIVE"]
    assert [line[:7] for line in lines[1:]] == [third[:7], second[:7], first[:7]]
    assert "now" in lines[1] and "now" not in lines[2] and "comments and layout only" in lines[1]
    assert "olga" in lines[2] and "legal new" in lines[2] and "field, detractor changed" in lines[2] and "facts: unhappy changed" in lines[2]
    assert lines[3].endswith("the first") and re.search(r"\s4\s", lines[3])
    rows = json.loads(site.run("--json", "rules", "list"))
    assert [(r["sha256"], r["live"], r["rules"], r["asked_by"]) for r in rows] == [
        (third, True, 5, "cli:root"), (second, False, 5, "olga"), (first, False, 4, None)]
    assert rows[0]["until"] is None and rows[1]["until"] >= rows[1]["since"] and rows[0]["since"].endswith("Z")
    assert len(json.loads(site.run("--json", "rules", "list", "--limit", "2"))) == 2
    assert "legal new" in json.loads(site.run("--json", "rules", "list", "--limit", "2"))[1]["changed"]
    # The same set again is a row of its own; a restart with the same set isn't.
    site.configure(rules=RULES, facts='{ unhappy = "nps <= 4"; }')
    site.run("reload")
    site.stop_daemons()
    assert [r["live"] for r in json.loads(site.run("--json", "rules", "list"))] == [False] * 4
    site.start()
    assert [r["sha256"] for r in json.loads(site.run("--json", "rules", "list"))] == [second, third, second, first]


def test_show_gives_the_text_back(site):
    site.daemon(rules='{ a: { when = "nps <= 3"; }; }  # \u202etxet\x1b[31m ')
    sha = site.one("SELECT ruleset FROM closeloop.daemons")
    text = site.one("SELECT text FROM closeloop.rulesets")
    assert site.run("rules", "show") == text == site.run("rules", "show", "live") == site.run("rules", "show", sha[:7])
    assert site.run("rules", "show", sha[:12].upper()) == text
    shown = json.loads(site.run("--json", "rules", "show"))
    assert (shown["sha256"], shown["text"], shown["until"]) == (sha, text, None)
    done = site.closeloop("rules", "show", "0000000")
    assert done.returncode == 1 and "rules list" in done.stderr
    for wrong in ("abc", "xyzxyz", "-"):
        assert site.closeloop("rules", "show", "--", wrong).returncode == 64
    # Two that begin alike.
    site.q("INSERT INTO closeloop.rulesets (sha256, text) VALUES ('abcdef01', ''), ('abcdef02', '')")
    done = site.closeloop("rules", "show", "abcdef")
    assert done.returncode == 1 and "abcdef01" in done.stderr and "more digits" in done.stderr


def test_diff_is_one_of_meaning(site):
    site.daemon()
    before = site.one("SELECT ruleset FROM closeloop.daemons")
    assert "the same." in site.run("rules", "diff")
    # What is written out, or in another way, means the same.
    site.configure(rules=site.sections["rules"].replace('"nps <= 6"; priority = "high"', '"nps  <=\\n 6"; priority = "high"; kind = "case"; route = "account"'),
                   follow_ups='{ standard: { acknowledge_within = "4h"; resolve_within = "2d"; remind_at_most = 3; }; }',
                   top={"language": "en"})
    out = site.run("rules", "diff")
    assert "the same but for comments, layout and what is written out" in out, out
    site.configure(rules=RULES, facts='{ unhappy = "nps <= 4"; }', people=site.sections["people"].replace('language = "de"', 'language = "en"'),
                   routes=site.sections["routes"].replace('"from:attr.manager", ', ""), cases='{ merge_within = "48h"; }')
    out = wide(site, "rules", "diff")
    flat = re.sub(r" +", " ", out)
    head = out.splitlines()[0]
    assert head.startswith(f"live rules {before[:7]} → {site.configuration}, rules ")
    for told in ("+ legal when comment contains ('lawyer', 'Anwalt', '변호사')", "~ field when unhappy and touchpoint is 'installation' → unhappy and"
                 " touchpoint is 'instal  lation'".replace("  ", " "), "~ detractor priority high → normal", "~ unhappy nps <= 6 or any rating <= 2 → nps <= 4",
                 "used by field", "~ anna language de → en", "~ account owner from:attr.manager, lookup:account, team:care → lookup:account, team:care",
                 "merge_within 1w → 2d", "order now after praise"):
        assert told in flat, f"{told}\n{out}"
    assert "1 rule new, 2 changed" in out and "1 fact changed" in out and "1 person changed" in out and "conninfo" not in out
    assert "\nrules\n" in out and out.index("\nrules\n") < out.index("\nfacts\n") < out.index("\nroutes\n") < out.index("\npeople\n")
    changes = json.loads(site.run("--json", "rules", "diff"))["changes"]
    assert {"change": "changed", "section": "rules", "element": "detractor", "key": "priority", "was": "high", "now": "normal",
            "used_by": None} in changes
    # The other way round, by name.
    other = site.folder / "other.conf"
    other.write_bytes(site.configuration.read_bytes())
    site.run("reload")
    after = site.one("SELECT ruleset FROM closeloop.daemons")
    back = wide(site, "rules", "diff", after[:7], before[:7])
    assert "- legal" in back and "1 rule gone, 2 changed" in back
    assert "the same" in site.run("rules", "diff", "live", str(other))
    assert "2 changed" in site.run("rules", "diff", before[:7])


def test_diff_with_a_broken_file(site):
    site.daemon()
    sha = site.one("SELECT ruleset FROM closeloop.daemons")
    site.configure(rules='{ broken: { when = "npss <= 1"; }; }')
    done = site.closeloop("rules", "diff")
    assert done.returncode == 78 and "npss" in done.stderr and "nothing of it can go live" in done.stderr and done.stdout == ""
    assert sha[:7] in site.run("rules", "list") and "detractor" in site.run("rules", "show")
    assert "the same" in site.run("rules", "diff", sha, "live")
    # A set of another version.
    site.q("INSERT INTO closeloop.rulesets (sha256, text) VALUES ('abcdef01', 'what_was_once_a_setting = 1;')")
    site.q("INSERT INTO closeloop.ruleset_periods (daemon, sha256, since, until) VALUES ('old', 'abcdef01', '2026-01-01', '2026-02-01')")
    done = site.closeloop("rules", "diff", "abcdef01", "live")
    assert done.returncode == 78 and "what_was_once_a_setting" in done.stderr and "earlier version" in done.stderr
    assert "another version" in wide(site, "rules", "list")


def test_huge(site):
    """2,000 rules, all changed, and the list of many sets."""
    def many(limit):
        return "{\n" + "".join(f'  rule-{i}: {{ when = "nps <= {limit} and touchpoint = \'t{i}\'"; }};\n' for i in range(2000)) + "}"

    site.daemon(rules=many(3))
    site.configure(rules=many(4))
    out = wide(site, "rules", "diff")
    assert "2000 rules changed" in out and len(out.splitlines()) == 2003
    site.configure(rules="{\n" + "\n".join(reversed(many(3).splitlines()[1:-1])) + "\n}")
    assert "1999 rules moved" in site.run("rules", "diff")
    site.q("INSERT INTO closeloop.ruleset_periods (daemon, sha256, since, until) SELECT 'old', 'abcd' || i % 2, '2026-01-01'::timestamptz + i * interval '1 h',"
           " '2026-01-01'::timestamptz + i * interval '1 h' FROM generate_series(1, 5000) AS i")
    done = site.closeloop("rules", "list", "--limit", "1000")
    assert done.returncode == 0 and len(done.stdout.splitlines()) == 1001 and "--limit" in done.stderr
