"""What a database does without Obhut: rows as large as kept envelopes, inserted and read in bulk, and nothing else."""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from sqlalchemy import make_url

from connectors.bench.load import together

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


def inserted(url: str, row: Row, seconds: float) -> float:
    """Rows a second, a hundred in a durable transaction."""
    _make(url)
    rate = _rate(lambda number, until: _insert(url, row, f"writer-{number}", until), seconds)
    _drop(url)
    return rate


def selected(url: str, row: Row, count: int, seconds: float) -> float:
    """Rows a second, a thousand a statement, of `count` that are there."""
    _make(url)
    with _connected(url) as database:
        for start in range(0, count, PAGE):
            database.insert([_values(row, "reader", n) for n in range(start, min(start + PAGE, count))])
    rate = _rate(lambda _, until: _select(url, count, until), seconds)
    _drop(url)
    return rate


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


def _insert(url: str, row: Row, acc: str, until: float) -> int:
    done = 0
    with _connected(url) as database:
        while time.perf_counter() < until:
            database.insert([_values(row, acc, number) for number in range(done, done + BATCH)])
            done += BATCH
    return done


def _select(url: str, count: int, until: float) -> int:
    done = first = 0
    with _connected(url) as database:
        while time.perf_counter() < until:
            done += database.page(first)
            first = (first + PAGE) % count
    return done


def _rate(work: Callable[[int, float], int], seconds: float) -> float:
    begin = time.perf_counter()
    done = sum(together(lambda number: work(number, begin + seconds)))
    return done / (time.perf_counter() - begin)
