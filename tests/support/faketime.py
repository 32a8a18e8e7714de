"""
A clock that programs and PostgreSQL share and that a test sets: libfaketime, reading the difference to the real time from a file.

A daemon's monotonic clock jumps with the wall clock, as it does on a machine that slept: whatever its timers wait for falls due at
the moment it would have. PostgreSQL's stays, so that nothing of its own times out.

SPDX-License-Identifier: Apache-2.0
"""
import pathlib
import time

import servers

LIBRARY = sorted(pathlib.Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))


def tidy():
    """libfaketime leaves shared memory behind in processes that are killed, and refuses to start in another one of that number."""
    for path in pathlib.Path("/dev/shm").glob("*faketime_s*_*"):
        number = path.name.rpartition("_")[2]
        if number.isdigit() and not pathlib.Path("/proc", number).exists():
            path.unlink(missing_ok=True)


class Clock:
    """Runs as fast as real time from where it is set. Moments are seconds since 1970."""

    def __init__(self, file, at):
        self.file = file
        self.ahead = 0.0
        self.set(at)

    def set(self, at):
        self.ahead = at - time.time()
        new = self.file.with_suffix(".new")
        new.write_text(f"+{self.ahead:.6f}\n", encoding="ascii")
        new.chmod(0o644)
        new.replace(self.file)

    def now(self):
        return time.time() + self.ahead

    def environment(self, monotonic):
        common = {"LD_PRELOAD": str(LIBRARY[0]), "FAKETIME_TIMESTAMP_FILE": str(self.file), "FAKETIME_NO_CACHE": "1",
                  "FAKETIME_DISABLE_SHM": "1"}
        return common if monotonic else common | {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}


class FakedPostgres(servers.Postgres):
    def __init__(self, folder, clock, **settings):
        super().__init__(folder, **settings)
        self.clock = clock

    def _environment(self):
        return super()._environment() | self.clock.environment(monotonic=False)
