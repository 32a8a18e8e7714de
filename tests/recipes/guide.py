"""
docs/rules.md: what it shows is what the program says. Files and terminals are taken from the page; every command must exist.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

COMPANY = """
timezone = "Europe/Berlin";
email: { url = "smtp://127.0.0.1:25"; tls = "off"; from = "Halden Care <care@halden.example>"; };
people: {
  grace: { name = "Grace Okafor"; email = "grace.okafor@halden.example"; };
  tom:   { name = "Tom Whitaker"; email = "tom.whitaker@halden.example"; timezone = "Europe/London"; reports_to = "grace"; };
  lena:  { name = "Lena Brandt"; email = "lena.brandt@halden.example"; language = "de"; reports_to = "grace"; };
  sujin: { name = "한수진"; email = "sujin.han@halden.example"; language = "ko"; timezone = "Asia/Seoul"; reports_to = "grace"; };
};
teams: {
  care:    { members = [ "grace", "lena" ]; lead = "grace"; };
  fitters: { members = [ "tom", "lena", "sujin" ]; lead = "grace"; };
};
@include "rules.conf"
"""
# What the page says somebody wrote, before the second run of the tests.
MISTAKE = ("unhappy and touchpoint in ('installation', 'service')", "unhappy and touchpoint is 'service'")
SHA = re.compile(r"\b[Rr]ules [0-9a-f]{7}\b")

program, page = sys.argv[1], pathlib.Path(sys.argv[2])
text = page.read_text(encoding="utf-8")
failures = []


def closeloop(folder, *words):
    done = subprocess.run([program, *words], cwd=folder, capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "COLUMNS": "110", "LC_ALL": "C.UTF-8", "CLOSELOOP_CONFIG": "closeloop.conf"})
    return done.stdout + done.stderr


def compare(said, shown, command):
    said, shown = ([SHA.sub("rules …", line.rstrip()) for line in t.strip().splitlines()] for t in (said, shown))
    if shown and shown[-1] == "…":
        shown.pop()
        said = said[:len(shown)]
    if said != shown:
        failures.append(f"$ {command}\nshown:\n" + "\n".join(shown) + "\nsaid:\n" + "\n".join(said))


def exists(folder, words, command):
    """The verb is known, and so are its options."""
    verb = [w for w in words if not w.startswith("-")][:2]
    for name in (verb, verb[:1]):
        usage = closeloop(folder, "help", *name)
        if "unknown verb" not in usage:
            break
    known = usage + closeloop(folder, "help")
    for option in [w.split("=")[0] for w in words if w.startswith("--")]:
        if option not in known:
            failures.append(f"closeloop {' '.join(name)} has no {option}: {command}")
    if "unknown verb" in usage:
        failures.append(f"there is no such command: {command}")


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    (folder / "closeloop.conf").write_text(COMPANY, encoding="utf-8")
    tested = commands = 0
    for block in re.findall(r"^```\n(.*?)^```$", text, re.M | re.S):
        first = block.splitlines()[0]
        if first.startswith("# ") and first.endswith(".conf"):
            (folder / first[2:]).write_text(block, encoding="utf-8")
        elif first.startswith("dimension,"):
            (folder / "owners.csv").write_text(block, encoding="utf-8")
        for shown in re.findall(r"^\$ (closeloop .*)\n((?:(?!\$ ).*\n)*)", block, re.M):
            words = shlex.split(shown[0])[1:]
            commands += 1
            exists(folder, words, shown[0])
            if words[0] == "test":
                tested += 1
                if tested == 2:
                    rules = (folder / "rules.conf").read_text(encoding="utf-8")
                    assert MISTAKE[0] in rules
                    (folder / "rules.conf").write_text(rules.replace(*MISTAKE), encoding="utf-8")
            if words[0] in ("check", "test") and tested <= 2:
                compare(closeloop(folder, *words), shown[1], shown[0])
    for command in re.findall(r"`(closeloop [a-z][^`]*)`", text):
        commands += 1
        exists(folder, shlex.split(command)[1:], command)
for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
    if not (page.parent / link).exists():
        failures.append(f"dead link: {link}")
print(f"{commands} commands, {tested} runs of tests")
if tested < 2 or commands < 10:
    failures.append("the page has lost its examples")
print("\n".join(failures))
sys.exit(bool(failures))
