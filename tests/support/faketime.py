"""
A clock that programs and PostgreSQL may share and that a test sets: both read the difference to the real time from a file, programs
by libfaketime, PostgreSQL by server-clock.c, which says why.

A daemon's monotonic clock may jump with the wall clock, as it does on a machine that slept: whatever its timers wait for falls due
at the moment it would have. PostgreSQL's stays, so that nothing of its own times out.

SPDX-License-Identifier: Apache-2.0
"""
import os
import pathlib
import shutil
import time

import servers

BUILD = pathlib.Path(os.environ["CLOSELOOPD"]).resolve().parents[1]
LIBRARY = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def tidy():
    """libfaketime leaves shared memory behind in processes that are killed, and refuses to start in another one of that number."""
    for path in pathlib.Path("/dev/shm").glob("*faketime_s*_*"):
        number = path.name.rpartition("_")[2]
        if number.isdigit() and not pathlib.Path("/proc", number).exists():
            path.unlink(missing_ok=True)


def tell(file, offset):
    """How far ahead of the real time the clock is: "+90.5" (seconds), "-30m", "+1d"."""
    new = file.with_suffix(".new")
    new.write_text(f"{offset}\n", encoding="ascii")
    new.chmod(0o644)
    new.replace(file)


def faked(file, monotonic=False):
    """The environment of a program that lives by the clock; its monotonic clock too, if wanted."""
    common = {"LD_PRELOAD": str(LIBRARY[0]), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_NO_CACHE": "1"}
    return common if monotonic else common | {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


class Clock:
    """Runs as fast as real time from where it is set. Moments are seconds since 1970."""

    def __init__(self, file, at):
        self.file = file
        self.ahead = 0.0
        self.set(at)

    def set(self, at):
        self.ahead = at - time.time()
        tell(self.file, f"{self.ahead:+.6f}")

    def now(self):
        return time.time() + self.ahead


class FakedPostgres(servers.Postgres):
    """A server that lives by the clock."""

    def __init__(self, folder, clock_file, **settings):
        super().__init__(folder, **settings)
        self.clock_file = clock_file
        self.library = shutil.copy(BUILD / "tests/support/libserver-clock.so", self.folder)  # the build folder may be root's own

    def _environment(self):
        return super()._environment() | {"LD_PRELOAD": self.library, "CLOCK_FILE": str(self.clock_file)}
