"""
The fixtures that the integration tests share with tests/fault.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from site_fixtures import *  # noqa: E402,F401,F403
from site_fixtures import pytest_configure, pytest_runtest_makereport  # noqa: E402,F401
