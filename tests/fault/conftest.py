"""
Scenarios in which something breaks. The company and the check in the end are those of tests/integration, but stricter: here
every response is known, so its fate is compared with rules that are written down a second time.

Each scenario has a short form, part of ./check, and a long one: `./check --faults` sets CLOSELOOP_FAULTS=full. What was
measured is appended to the file CLOSELOOP_FIGURES, if that is set; docs/reliability.md has the figures of one such run. How far
a long scenario is goes to the file CLOSELOOP_PROGRESS.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from site_fixtures import *  # noqa: E402,F401,F403
from site_fixtures import pytest_configure, pytest_runtest_makereport  # noqa: E402,F401

FULL = os.environ.get("CLOSELOOP_FAULTS") == "full"


@pytest.fixture
def size():
    """size(short, full): how much of it."""
    return lambda short, full: full if FULL else short


def note(variable, line):
    if os.environ.get(variable):
        with open(os.environ[variable], "a", encoding="utf-8") as file:
            file.write(line + "\n")


@pytest.fixture
def progress(request):
    """progress(done, of): told twenty times in a long scenario."""
    def say(done, of):
        if FULL and done % max(of // 20, 1) == 0:
            note("CLOSELOOP_PROGRESS", f"{request.node.name}: {done} of {of}")
    return say


@pytest.fixture
def figure(request):
    """figure(text): one line for docs/reliability.md."""
    def say(text):
        print(f"{request.node.name}: {text}")
        for variable in ("CLOSELOOP_FIGURES", "CLOSELOOP_PROGRESS"):
            note(variable, f"{request.node.name}: {text}")
    return say


@pytest.fixture
def strict_site(site):
    site.strict = True
    return site


@pytest.fixture
def strict_own_site(own_site):
    own_site.strict = True
    return own_site
