"""
./quickstart from the first line to the last: what README promises, in a short version.

SPDX-License-Identifier: Apache-2.0
"""
import contextlib
import glob
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import urllib.request

import pytest

import servers
from company import PATIENCE

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ["CLOSELOOPD"]).parents[1]


@contextlib.contextmanager
def start(*arguments, seconds="2"):
    process = subprocess.Popen(["/usr/bin/python3", "-B", str(ROOT / "conf/demo/quickstart.py"), str(BUILD), *arguments],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, stdin=subprocess.DEVNULL,
                               env={**os.environ, "QUICKSTART_SECONDS": seconds},
                               preexec_fn=servers.die_with_parent(signal.SIGTERM))
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=60 * PATIENCE)


def run(*arguments, code=0, **options):
    with start(*arguments, **options) as process:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == code, output
        return output


@pytest.fixture
def nothing_left():
    """No temp folder and no process of a quickstart that was not there before."""
    def state():
        folders = set(glob.glob(os.path.join(tempfile.gettempdir(), "closeloop-demo.*")))
        running = set()
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                arguments = pathlib.Path(path).read_bytes()
            except OSError:
                continue  # ended meanwhile
            if b"closeloop-demo." in arguments:
                running.add((path, arguments))
        return folders, running

    before = state()
    yield
    after = state()
    assert not after[0] - before[0] and not after[1] - before[1]


def test_the_sample_responses_become_alerts(nothing_left):
    output = run("--once")
    total, matched, cases = map(int, re.search(r"(\d+) responses in \d+ s: (\d+) matched a rule, (\d+) cases", output).groups())
    assert total >= 500 and cases > 100 and matched > cases
    assert "urgent C-" in output and "Lena Brandt <lena.brandt@halden.example>" in output
    for person in ("Grace Okafor", "Tom Whitaker", "Jonas Keller", "한수진", "임도원"):
        assert re.search(rf"alerted +{person} +\d+ mails", output), person
    assert "set aside" not in output
    # A promise of seconds that nobody keeps, one that is kept, and a customer who comes back.
    assert re.search(r"reminder C-\d+ → \S.*: not taken on yet", output)
    assert re.search(r"escalated C-\d+ → Grace Okafor: Tom Whitaker has not taken it on", output)
    assert re.search(r"recovered C-\d+ · .*: from [0-5]/10 to 9/10", output)
    assert re.search(r"digest → .*<\S+@halden\.example>: \d+ mails in one", output)
    reminders, escalations, taken = map(int, re.search(
        r"follow-up (\d+) reminders? · (\d+) escalations? · (\d+) taken on", output).groups())
    assert reminders and escalations and taken and re.search(r"outcomes +\d+ customers? answered again: \d+ recovered", output)
    assert int(re.search(r"joined +(\d+) further answer", output).group(1)) >= 1
    assert int(re.search(r"held +(\d+) mails", output).group(1)) > 50
    assert "closeloop-demo." not in output.split("latency")[-1]  # what is gone is not pointed to


def test_ctrl_c_takes_everything_away(nothing_left):
    with start(seconds="30") as process:
        lines = []
        for line in process.stdout:
            lines.append(line)
            if " → " in line:
                break
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=30 * PATIENCE)
        assert process.returncode == 0 and "nothing is left" in rest, "".join(lines) + rest


def test_the_commands_it_names_work(nothing_left):
    with start(seconds="1") as process:
        commands = []
        for line in process.stdout:
            match = re.match(r"  (\S*closeloop -c \S+ .*)", line)
            if match:
                commands.append(match.group(1))
            if len(commands) == 6:
                break
        status, overdue, shown, held, attempt, backtest = [subprocess.run(
            ["bash", "-c", c], capture_output=True, text=True, check=False) for c in commands]
    assert status.returncode in (0, 1) and "delivery live" in status.stdout, status  # 1: cases are overdue
    assert overdue.returncode == 0 and overdue.stdout, overdue
    assert shown.returncode == 0 and shown.stdout.startswith("case   ") and "daemon" in shown.stdout, shown
    assert held.returncode == 0 and "over budget" in held.stdout, held
    assert backtest.returncode == 0 and re.search(r"^cold-house +urgent +\d+", backtest.stdout, re.M), backtest
    assert attempt.returncode == 0 and "lena-brandt" in attempt.stdout and "Subject" in attempt.stdout, attempt


def test_the_pages_it_names_open(nothing_left):
    with start(seconds="2") as process:
        links = []
        for line in process.stdout:
            match = re.match(r"(?:Be (\S.*) for a minute|  (http://127\.0\.0\.1:\d+/\S+))", line)
            if match:
                links.append(match[1] or match[2])
            if len(links) == 4:
                break
        name, case, inbox, reports = links
        assert "/c/" in case and inbox.endswith("/inbox") and reports.endswith("/reports")
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with browser.open(case) as answer:
            page = answer.read().decode()
            assert "/case/" in answer.url
        assert 'name="action" value="acknowledge"' in page and "C-" in page
        number = answer.url.rsplit("/", 1)[1]
        for address, expected in ((inbox, f"/case/{number}"), (reports, "<svg")):
            with browser.open(address) as answer:
                assert answer.status == 200 and expected in answer.read().decode(), address
        assert name  # whose mail it is
        with browser.open(inbox) as answer:
            assert name in answer.read().decode()


def test_a_file_of_ones_own(nothing_left, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("id;score;text;when\n" + "".join(f"{i};{i % 10 + 1};'hm' {i};0{i % 9 + 1}.03.2026\n" for i in range(40))
                    + "40;eleven;x;01.03.2026\n41;5;x;sometime\n", encoding="utf-8")
    output = run(str(file), "--map", "nps=score,source_id=id,comment=text,responded_at=when", "--once", seconds="0")
    assert "40 responses in" in output and "1 row: score is no number" in output and "1 row: when is no date" in output
    assert re.search(r"rules +detractor 24", output)


@pytest.mark.parametrize("content, arguments, expected", [
    ("a,b\n1,2\n", [], "which column is what? It has: a, b"),
    ("a,b\n1,2\n", ["--map", "nps=c"], "has no column 'c'"),
    ("a,b\n1,2\n", ["--map", "npss=a"], "did you mean 'nps'"),
    ("nps\nx\n", [], "no row can be used"),
    ("", [], "the file is empty"),
    ("Id,My Score\n1,2\n", [], "--map 'nps=My Score'"),
    ('nps,comment\n3,"bad\n4,good\n', [], "line 2: a quote is opened and never closed"),
    (b"nps,comment\n3,Gr\xfc\xdfe\n", [], "is not UTF-8"),
])
def test_a_file_that_does_not_fit_is_explained(nothing_left, tmp_path, content, arguments, expected):
    file = tmp_path / "mine.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert expected in run(str(file), *arguments, "--once", code=65)


def test_headings_in_capitals_are_known(nothing_left, tmp_path):
    file = tmp_path / "mine.csv"
    file.write_text("NPS,Comment\n2,bad\n", encoding="utf-8")
    output = run(str(file), "--once", seconds="0")
    assert "1 response in" in output and "1 case opened" in output and '2/10   "bad"' in output


def test_the_sample_responses_are_what_their_generator_makes():
    made = subprocess.run([sys.executable, "-B", str(ROOT / "conf/demo/invent.py")], capture_output=True, check=True).stdout
    assert made == (ROOT / "conf/demo/responses.csv").read_bytes()
