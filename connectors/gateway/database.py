"""Connections to SQLite or PostgreSQL: reads without a transaction, writes in one that is durable when it returns."""

import fcntl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, make_url
from sqlalchemy.engine import URL

from fhir_profiles.outages import busy, outage

BUSY_SECONDS = 60


class Database:
    """One database for one process; make it after a fork, never before.

    SQLite takes one writer at a time. Writers wait for each other on a lock between threads and on a locked file
    between processes, both fair, rather than on SQLite's own polling: nobody ever meets "database is locked".
    """

    def __init__(self, url: str, threads: int = 16) -> None:
        parsed = _url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self._mutex = threading.Lock()
        if self.sqlite:
            self._turn = _private_file(f"{parsed.database}-turn")
            _make_private(str(parsed.database))
            self._reads = _sqlite(parsed, threads, isolation_level="AUTOCOMMIT")
            self._writes = _sqlite(parsed, 1)
            event.listen(self._writes, "begin", _begin_immediate)
        else:
            # Statements are shaped for their values already: planning each search anew takes as long as answering it.
            generic = {"options": "-c plan_cache_mode=force_generic_plan -c jit=off"}
            self._reads = _postgresql(parsed, threads, generic, isolation_level="AUTOCOMMIT")
            # Acknowledged means written to the disk, whatever the server's default is.
            durable = {"options": f"-c synchronous_commit=on -c lock_timeout={BUSY_SECONDS}s"}
            self._writes = _postgresql(parsed, threads, durable)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection for single statements. Raises `Problem(busy)` when the database cannot be reached."""
        with _reached(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout, while others write on."""
        begin = "BEGIN" if self.sqlite else "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
        with self.read() as connection:
            connection.exec_driver_sql(begin)
            connection.exec_driver_sql("SELECT count(*) FROM alembic_version")  # the moment is that of the first read
            try:
                yield connection
            finally:
                connection.exec_driver_sql("ROLLBACK")

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: durable when the block is left, undone when it raises."""
        with _reached():
            if not self.sqlite:
                with self._writes.begin() as connection:
                    yield connection
                return
            with self._mutex:
                fcntl.flock(self._turn, fcntl.LOCK_EX)
                try:
                    with self._writes.begin() as connection:
                        yield connection
                finally:
                    fcntl.flock(self._turn, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give all connections back."""
        self._reads.dispose()
        self._writes.dispose()
        if self.sqlite:
            self._turn.close()


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except exc.DBAPIError as error:
        problem = outage(error.orig)
        if problem is None:
            raise
        raise problem from error
    except exc.TimeoutError as error:  # no connection of the pool became free
        raise busy("locked") from error


def _url(text: str) -> URL:
    try:
        url = make_url(text)
    except exc.ArgumentError:
        raise ValueError("The database URL is not understood: sqlite:///FILE or postgresql://…") from None
    if url.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ValueError("The database must be SQLite or PostgreSQL: sqlite:///FILE or postgresql://…")
    if url.get_backend_name() == "sqlite" and url.database in {None, "", ":memory:"}:
        raise ValueError("SQLite needs a file: sqlite:///FILE (several processes share it)")
    return url


def _private_file(name: str) -> IO[bytes]:
    """Open a file, made if need be for nobody else to read. Raises `ValueError`."""
    _make_private(name)
    try:
        return Path(name).open("ab")
    except OSError as error:
        raise ValueError(f"The database file cannot be opened: {error.strerror}.") from None


def _make_private(name: str) -> None:
    """Make a file for nobody else to read, unless it is there. Raises `ValueError`.

    The database itself is not opened for it: closing it would give up the locks of every connection of this process.
    """
    try:
        Path(name).touch(mode=0o600)
    except OSError as error:
        raise ValueError(f"The database file cannot be opened: {error.strerror}.") from None


def _sqlite(url: URL, size: int, **options: Any) -> Engine:
    connect = {"timeout": BUSY_SECONDS}
    engine = create_engine(url, pool_size=size, max_overflow=0, connect_args=connect, hide_parameters=True, **options)
    event.listen(engine, "connect", _sqlite_settings)
    return engine


_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",  # acknowledged means written to the disk
    "secure_delete=ON",  # purged means overwritten
    "wal_autocheckpoint=4000",
    "cache_size=-65536",
    "mmap_size=1073741824",
)


def _sqlite_settings(dbapi_connection: Any, _record: Any) -> None:
    dbapi_connection.isolation_level = None  # transactions begin where we say, not where the driver guesses
    for pragma in _PRAGMAS:
        dbapi_connection.execute(f"PRAGMA {pragma}")


def _begin_immediate(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _postgresql(url: URL, size: int, settings: dict[str, str], **options: Any) -> Engine:
    # A transaction reads each statement's own snapshot; what it must not race with it locks.
    connect = {"prepare_threshold": 1, **settings}
    return create_engine(
        url, pool_size=size, max_overflow=0, connect_args=connect, hide_parameters=True,
        pool_reset_on_return=None,  # whoever begins a transaction ends it
        **options,
    )  # fmt: skip
