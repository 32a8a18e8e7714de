"""
Fixtures of the suites integration and fault: a real PostgreSQL, a real mail server, a real HTTP server, the real closeloopd.

`site` is one small company with a database, a mailbox and a webhook endpoint of its own. When a test ends, every daemon
must end cleanly on SIGTERM, without a sanitizer's report, and the invariants must hold (Site.check, invariants.py).

SPDX-License-Identifier: Apache-2.0
"""
import itertools
import os
import pathlib
import shutil
import tempfile

import pytest

import servers
from company import Site

numbers = itertools.count(1)


def pytest_configure(config):
    for name in ("CLOSELOOPD", "CLOSELOOP"):
        if not os.access(os.environ.get(name, ""), os.X_OK):
            pytest.exit(f"{name} must name the built program; run: meson test -C build --suite integration", 64)


@pytest.fixture(scope="session")
def folder():
    path = pathlib.Path(tempfile.mkdtemp(prefix="closeloop-test."))
    os.chmod(path, 0o711)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def tmp_path(folder):
    """pytest's own would leave the folders of three runs behind."""
    path = folder / f"tmp-{next(numbers)}"
    path.mkdir()
    return path


def start_migrated(server):
    """Makes and starts a cluster with the database `template`, as `closeloop migrate` leaves it."""
    server.create().start()
    server.psql("postgres", "CREATE DATABASE template")
    site = Site(server.folder.parent / f"{server.folder.name}-template", server, "template")
    site.run("migrate")
    site.close()
    return server


@pytest.fixture(scope="session")
def pg(folder):
    server = start_migrated(servers.Postgres(folder / "pg"))
    yield server
    server.remove()


@pytest.fixture
def own_pg(folder):
    """A cluster for one test, which may break it."""
    server = start_migrated(servers.Postgres(folder / f"pg-{next(numbers)}"))
    yield server
    server.remove()


def make_site(folder, server):
    number = next(numbers)
    server.psql("postgres", f"CREATE DATABASE t{number} TEMPLATE template")
    return Site(folder / f"site-{number}", server, f"t{number}")


@pytest.fixture
def site(request, folder, pg):
    yield from site_of(request, folder, pg)


@pytest.fixture
def own_site(request, folder, own_pg):
    yield from site_of(request, folder, own_pg)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    if call.when == "call":
        item.failed = outcome.get_result().failed


def site_of(request, folder, server):
    site = make_site(folder, server)
    try:
        yield site
        failed = getattr(request.node, "failed", False)
        if failed:
            site.say_logs()
        site.stop_daemons(judge=not failed)
        if not failed:
            site.check()
    finally:
        site.close()
