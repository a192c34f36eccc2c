"""What a database does without Obhut: rows as large as kept envelopes, inserted and read in bulk, and nothing else."""

import os
import sqlite3
import time
from array import array
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle
from typing import Any, TypeVar

import psycopg
from sqlalchemy import make_url

from connectors.bench.load import Load, joined, together

T = TypeVar("T")

BATCH, PAGE = 100, 1000
_TABLE = """CREATE TABLE IF NOT EXISTS bench_envelopes (
    acc VARCHAR(190), stream VARCHAR(22), pos BIGINT, bid VARCHAR(22), ep BIGINT, size BIGINT, frame {bytes},
    stamp {bytes}, PRIMARY KEY (acc, stream, pos))"""
_INDEX = "CREATE UNIQUE INDEX IF NOT EXISTS bench_by_bid ON bench_envelopes (acc, bid)"
_PAGE = (
    "SELECT stream, pos, bid, ep, frame, stamp FROM bench_envelopes "
    "WHERE acc = 'reader' AND stream = 's' AND pos BETWEEN ? AND ? ORDER BY pos"
)
_TYPES = ("text", "text", "int8", "text", "int8", "int8", "bytea", "bytea")


@dataclass(frozen=True)
class Row:
    """What is large in a row."""

    frame: bytes = field(repr=False)
    stamp: bytes = field(repr=False)


def inserted(url: str, row: Row, seconds: float) -> Load:
    """Durable transactions of `BATCH` rows."""
    _make(url)
    load = _at_once(lambda number: _insert(url, row, f"writer-{number}", seconds))
    _drop(url)
    return load


def fill(url: str, row: Row, held: int) -> None:
    """Put so many rows there, to be selected."""
    _make(url)
    with _connected(url) as database:
        for start in range(0, held, PAGE):
            database.insert([_values(row, "reader", n) for n in range(start, min(start + PAGE, held))])


def selected(url: str, held: int, seconds: float) -> Load:
    """Statements for `PAGE` rows each, of `held` that are there."""
    return _at_once(lambda _: _select(url, held, seconds))


class _Database:
    """A connection to SQLite or PostgreSQL with the settings of a hub."""

    def __init__(self, url: str) -> None:
        parsed = make_url(url)
        self.sqlite = parsed.get_backend_name() == "sqlite"
        self.connection: Any
        if self.sqlite:
            self.connection = sqlite3.connect(parsed.database or "", timeout=30, isolation_level=None)
            for pragma in ("journal_mode=WAL", "synchronous=FULL"):
                self.connection.execute(f"PRAGMA {pragma}")
        else:
            address = parsed.set(drivername="postgresql").render_as_string(hide_password=False)
            self.connection = psycopg.connect(address, autocommit=True)

    def run(self, statement: str) -> None:
        self.connection.execute(statement.format(bytes="BLOB" if self.sqlite else "BYTEA"))

    def insert(self, rows: list[tuple[Any, ...]]) -> None:
        """Insert rows in one transaction."""
        if self.sqlite:
            self.connection.execute("BEGIN IMMEDIATE")
            self.connection.executemany("INSERT INTO bench_envelopes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
            self.connection.execute("COMMIT")
            return
        with (
            self.connection.transaction(),
            self.connection.cursor() as cursor,
            cursor.copy("COPY bench_envelopes FROM STDIN (FORMAT BINARY)") as copy,
        ):
            copy.set_types(_TYPES)
            for row in rows:
                copy.write_row(row)

    def page(self, first: int) -> int:
        """Read a page; how many rows it held."""
        query = _PAGE if self.sqlite else _PAGE.replace("?", "%s")
        cursor = self.connection.cursor() if self.sqlite else self.connection.cursor(binary=True)
        return len(cursor.execute(query, (first, first + PAGE - 1)).fetchall())


@contextmanager
def _connected(url: str) -> Iterator[_Database]:
    database = _Database(url)
    with closing(database.connection):
        yield database


def _make(url: str) -> None:
    with _connected(url) as database:
        database.run(_TABLE)
        database.run(_INDEX)


def _drop(url: str) -> None:
    with _connected(url) as database:
        database.run("DROP TABLE bench_envelopes")


def _values(row: Row, acc: str, number: int) -> tuple[Any, ...]:
    return acc, "s", number, f"{os.getpid():07}{number:015}", 1, len(row.frame), row.frame, row.stamp


def _insert(url: str, row: Row, acc: str, seconds: float) -> Load:
    with _connected(url) as database:
        batches = ([_values(row, acc, number) for number in range(at, at + BATCH)] for at in count(0, BATCH))
        return _repeated(database.insert, batches, seconds)


def _select(url: str, held: int, seconds: float) -> Load:
    with _connected(url) as database:
        return _repeated(database.page, cycle(range(0, held, PAGE)), seconds)


def _repeated(work: Callable[[T], object], arguments: Iterator[T], seconds: float) -> Load:
    latencies = array("d")
    begin = now = time.perf_counter()
    while now < begin + seconds:
        before = now
        work(next(arguments))
        now = time.perf_counter()
        latencies.append(now - before)
    return Load(now - begin, latencies)


def _at_once(work: Callable[[int], Load]) -> Load:
    """By the processes of the load generator."""
    loads = together(work)
    return Load(max(load.seconds for load in loads), joined(loads).latencies)
