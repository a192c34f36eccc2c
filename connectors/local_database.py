"""The SQLite file in which a party at the edge keeps what it must not lose: chains, keys handed out, its outbox."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BUSY_SECONDS = 30

SCHEMA = """
CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chains (
    kind TEXT, acc TEXT, oth TEXT, seq INTEGER, frame BLOB NOT NULL, PRIMARY KEY (kind, acc, oth, seq)
) WITHOUT ROWID;
"""


def open_database(path: Path, schema: str) -> sqlite3.Connection:
    """Open (or make) a file readable by its owner only. Commits are durable: WAL with full synchronisation."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.touch(mode=0o600, exist_ok=True)
    db = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    db.executescript(SCHEMA + schema)
    return db


@contextmanager
def transaction(db: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing. Within another one it joins that."""
    if db.in_transaction:
        yield db
        return
    db.execute("BEGIN IMMEDIATE")
    try:
        yield db
    except BaseException:
        db.execute("ROLLBACK")
        raise
    db.execute("COMMIT")


def get_state(db: sqlite3.Connection, key: str) -> bytes | None:
    """A small value by name, or None."""
    row = db.execute("SELECT value FROM state WHERE key = ?", (key,)).fetchone()
    return None if row is None else bytes(row[0])


def set_state(db: sqlite3.Connection, key: str, value: bytes | None) -> None:
    """Keep a small value; None forgets it."""
    if value is None:
        db.execute("DELETE FROM state WHERE key = ?", (key,))
    else:
        db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (key, value))
