"""
A program that dies at each socket call of what it does, one after the other (faultlib, FAULT_KIND=kill): between any two words with
PostgreSQL, a mail server, a receiver or a browser.

SPDX-License-Identifier: Apache-2.0
"""
import os

LIBRARY = os.environ.get("FAULTLIB", "")
WHY_NOT = "FAULTLIB doesn't name the library, or a sanitizer has an allocator of its own"


def is_there():
    return os.path.exists(LIBRARY) and "CLOSELOOP_SANITIZE" not in os.environ


def environment(number=None, counts=None, armed=None):
    """Variables: it dies at that socket call, or writes down how many there were."""
    found = {"LD_PRELOAD": LIBRARY, "FAULT_KIND": "kill"}
    if number is not None:
        found["FAULT_SOCKET"] = str(number)
    if counts is not None:
        found["FAULT_COUNT"] = str(counts)
    if armed is not None:
        found["FAULT_ARM"] = str(armed)
    return found


def counted(file):
    return int(file.read_text(encoding="ascii").split()[1])


def sample(n, wanted):
    """The first to the n-th, or so many of them, spread evenly."""
    return range(1, n + 1) if n <= wanted else sorted({1 + i * (n - 1) // (wanted - 1) for i in range(wanted)})
