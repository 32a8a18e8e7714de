"""
The fixtures of the suite browser: a small company with pages, and a real Chromium.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from company import PATIENCE  # noqa: E402
from chromium import Chromium, missing  # noqa: E402
from pages import paged  # noqa: E402,F401
from site_fixtures import *  # noqa: E402,F401,F403
from site_fixtures import pytest_configure as configured  # noqa: E402
from site_fixtures import pytest_runtest_makereport  # noqa: E402,F401


def pytest_configure(config):
    configured(config)
    why = missing()
    if why:
        pytest.exit(f"skipped: {why}", 77)


@pytest.fixture(scope="session")
def chromium():
    driven = Chromium(PATIENCE)
    yield driven
    driven.stop()
