"""Connections and transactions, on SQLite and PostgreSQL alike, numbered so that no reader of a feed passes one by.

A write holds the row of the account whose things it changes, so that one account's changes happen one after the other;
no write spans two accounts. What a transaction announces bears its number `tx`, and numbers are read in an order that
never hides a row behind a cursor: PostgreSQL numbers transactions itself, and a reader stops below the oldest one still
running; SQLite has one writer, which counts in the table `counters`.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    create_engine,
    event,
    func,
    insert,
    literal_column,
    select,
    text,
    true,
    update,
)
from sqlalchemy.engine import make_url

from consent import identifiers
from hub.models import accounts, counters, feed, log

BUSY_SECONDS = 30
POOL, OVERFLOW = 8, 24
LEAP = 2**40
"""More transactions than a hub makes between a backup and its loss; numbers last for 900,000 times of it."""
# A server that was restored or that took over from another one has another identifier or another timeline.
_CLUSTER = """
SELECT system_identifier + ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int - 1
FROM pg_control_system()
"""


@dataclass
class Tx:
    """A write in progress at the hub `home`. `acc` is the account whose row is held, `known` whether it exists.

    `log_seq`, `log_hash`: where its access log ends; `entries`: rows of it that are written at the end, all at once;
    `released`: of so many envelopes these tell.
    """

    conn: Connection
    home: str
    acc: str
    known: bool
    log_seq: int
    log_hash: str
    _number: Callable[[Connection], int]
    announced: int = 0
    recipients: set[str] = field(default_factory=set)
    entries: list[dict[str, Any]] = field(default_factory=list, repr=False)
    released: int = 0
    then: list[Callable[[], object]] = field(default_factory=list)
    _tx: int | None = None

    @property
    def number(self) -> int:
        """This transaction's place among all that announce something."""
        if self._tx is None:
            self._tx = self._number(self.conn)
        return self._tx


def domain_of(name: str) -> str:
    """The hub where an account is at home; a hub's own domain stands for itself."""
    return identifiers.account(name).domain if "@" in name else name


class Database:
    """The database of the hub `home`. `woken` is called after each commit with those it announced something to."""

    def __init__(self, url: str, woken: Callable[[set[str]], None] = lambda _: None, home: str = "") -> None:
        self.home = home
        self.engine = _engine(url)
        self.postgresql = self.engine.dialect.name == "postgresql"
        self._woken = woken
        self._writer = threading.Lock()
        self._base = 0

    def open(self) -> None:
        """Make transaction numbers continue where the tables stand. PostgreSQL counts anew in a restored cluster."""
        if not self.postgresql:
            return
        with self.write() as tx:
            cluster = tx.conn.execute(text(_CLUSTER)).scalar_one()
            rows = tx.conn.execute(select(counters.c.name, counters.c.value).with_for_update())
            known = dict(rows.all())
            self._base = known["base"]
            if known["cluster"] != cluster:
                self._base = leap(tx.conn)
                for name, value in (("cluster", cluster), ("base", self._base)):
                    tx.conn.execute(update(counters).where(counters.c.name == name).values(value=value))

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one state of the database throughout; nothing is kept of what it might write."""
        with self.engine.connect() as conn:
            if self.postgresql:
                conn.execution_options(isolation_level="REPEATABLE READ")
            yield conn

    @contextmanager
    def write(self, acc: str = "") -> Iterator[Tx]:
        """A durable transaction that holds the row of `acc`; rolled back if the block raises."""
        if self.postgresql:
            with self._transaction(acc) as tx:
                yield tx
        else:
            with self._writer, self._transaction(acc) as tx:
                yield tx
        for done in tx.then:
            done()
        if tx.recipients:
            self._woken(tx.recipients)

    @contextmanager
    def _transaction(self, acc: str) -> Iterator[Tx]:
        with self.engine.connect().execution_options(obhut_write=True) as conn, conn.begin():
            row = None
            if acc:
                query = select(accounts.c.log_seq, accounts.c.log_hash).where(accounts.c.acc == acc).with_for_update()
                row = conn.execute(query).one_or_none()
                if row is None and self.postgresql:  # there is no row to hold: two must not make it at once
                    conn.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:acc, 0))"), {"acc": acc})
                    row = conn.execute(query).one_or_none()
            tx = Tx(conn, self.home, acc, row is not None, *(row or (0, "")), self._next_number)
            yield tx
            if tx.entries:
                conn.execute(insert(log), tx.entries)
                ends = {"log_seq": tx.log_seq, "log_hash": tx.log_hash}
                ends["log_released"] = accounts.c.log_released + tx.released
                conn.execute(update(accounts).where(accounts.c.acc == tx.acc).values(**ends))

    def _next_number(self, conn: Connection) -> int:
        if self.postgresql:
            own = conn.execute(text("SELECT pg_current_xact_id()::text::bigint")).scalar_one()
            return self._base + int(own)
        count = update(counters).where(counters.c.name == "tx").values(value=counters.c.value + 1)
        return conn.execute(count.returning(counters.c.value)).scalar_one()

    def settled(self, number: ColumnElement[int]) -> ColumnElement[bool]:
        """The condition under which no transaction with a lower number can still appear."""
        if not self.postgresql:
            return true()
        oldest: ColumnElement[int] = literal_column("pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        return number < oldest + self._base

    @contextmanager
    def alone(self, name: str) -> Iterator[Callable[[], bool]]:
        """Wait until no other process that shares this database does `name`; gives whether that still holds.

        SQLite is not shared between machines: there a lock on a file is enough, and this is none.
        """
        if not self.postgresql:
            yield lambda: True
            return
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as conn:
            while not conn.execute(text("SELECT pg_try_advisory_lock(hashtext(:name))"), {"name": name}).scalar_one():
                time.sleep(1)
            yield lambda: bool(conn.execute(text("SELECT true")).scalar_one())

    def close(self) -> None:
        """Give all connections back."""
        self.engine.dispose()


def leap(conn: Connection) -> int:
    """Go on counting behind every number that may have been given out since the tables were copied; returns it."""
    last = max(
        conn.execute(select(func.coalesce(func.max(feed.c.tx), 0))).scalar_one(),
        conn.execute(select(counters.c.value).where(counters.c.name == "tx")).scalar_one(),
    )
    conn.execute(update(counters).where(counters.c.name == "tx").values(value=last + LEAP))
    return last + LEAP


def _engine(url: str) -> Engine:
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(
            parsed, connect_args={"timeout": BUSY_SECONDS, "check_same_thread": False}, pool_size=POOL,
            max_overflow=OVERFLOW,
        )  # fmt: skip
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    # Acknowledged means durable, whatever the server's default is. And every question has an index: a plan made while
    # a table was small must not go on reading all of it when it has grown.
    options = f"-c synchronous_commit=on -c enable_seqscan=off -c lock_timeout={BUSY_SECONDS}s -c timezone=UTC"
    return create_engine(
        parsed, connect_args={"options": options}, pool_size=POOL, max_overflow=OVERFLOW, pool_timeout=BUSY_SECONDS,
        pool_pre_ping=True,
    )  # fmt: skip


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions: `_begin_sqlite` does
    for pragma in ("journal_mode=WAL", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get("obhut_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
