"""What has been brought in already, so that the same export or a newer one doubles nothing.

A `Mark` says: what `key` names was queued with `content`, out of an export made at `at`. Marks must be written in the
same transaction in which their batch is queued; then an import that is cut off anywhere and started again loses nothing
and doubles nothing. What the patient deletes is marked, too, so that no later import brings it back; what it said stays
known, so that something else of the same moment is not taken for it.
"""

import hashlib
import re
import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from sqlalchemy import Connection, text

_GROUP = 400
_CREATE = (
    "CREATE TABLE IF NOT EXISTS wearable_ledger"
    " (mark_key BLOB PRIMARY KEY, content BLOB NOT NULL, made_at INTEGER NOT NULL)"
)
_SELECT = "SELECT mark_key, content, made_at FROM wearable_ledger WHERE mark_key IN "
_INSERT = (
    "INSERT INTO wearable_ledger (mark_key, content, made_at) VALUES (?, ?, ?)"
    " ON CONFLICT (mark_key) DO UPDATE SET content = excluded.content, made_at = excluded.made_at"
)


_MADE_BY_IMPORT = re.compile(r"[0-9a-f]{32}")
_SIZE = 16
_TAKEN_BACK = b"-"


DELETED = "deleted"
"""Why something is left that the patient took back."""


class Mark(NamedTuple):
    """`key` 16 bytes, `content` 16 bytes, with a sign before them of what was deleted, `at` seconds since 1970."""

    key: bytes
    content: bytes
    at: int

    @property
    def is_deletion(self) -> bool:
        """Whether what the key names was taken back."""
        return len(self.content) != _SIZE

    @property
    def said(self) -> bytes:
        """The content, also of what was deleted."""
        return self.content[-_SIZE:]


def content(resource: bytes, key: bytes = b"") -> bytes:
    """What a mark keeps of a resource, or of several: 16 bytes, a hash. The resource's own name, `key`, is no part."""
    if key:
        resource = resource.replace(key.hex().encode(), b"")
    return hashlib.blake2b(resource, digest_size=_SIZE, person=b"obhut-mark").digest()


def deletions(id_: str, resource: bytes) -> list[Mark]:
    """The mark of a resource that was taken back, by its id and its JSON; none where no import gives such ids."""
    if not _MADE_BY_IMPORT.fullmatch(id_):
        return []
    key = bytes.fromhex(id_)
    return [Mark(key, _TAKEN_BACK + content(resource, key), 0)]


class Ledger(Protocol):
    """What the importer reads and the sink writes."""

    def seen(self, keys: Sequence[bytes]) -> dict[bytes, Mark]:
        """The marks known of these keys."""

    def add(self, marks: Iterable[Mark]) -> None:
        """Remember marks; a newer one of the same key takes the place of the older."""


class MemoryLedger:
    """Forgets with the process: for a dry run."""

    def __init__(self) -> None:
        self._marks: dict[bytes, Mark] = {}

    def seen(self, keys: Sequence[bytes]) -> dict[bytes, Mark]:
        """The marks known of these keys."""
        return {key: self._marks[key] for key in keys if key in self._marks}

    def add(self, marks: Iterable[Mark]) -> None:
        """Remember marks."""
        self._marks.update((mark.key, mark) for mark in marks)


class SqliteLedger:
    """A table `wearable_ledger` on the caller's connection, committed by the caller and never here."""

    def __init__(self, connection: Connection | sqlite3.Connection) -> None:
        self._connection = connection
        self._run(_CREATE)

    def seen(self, keys: Sequence[bytes]) -> dict[bytes, Mark]:
        """The marks known of these keys."""
        found: dict[bytes, Mark] = {}
        for place in range(0, len(keys), _GROUP):
            group = tuple(keys[place : place + _GROUP])
            holes = ",".join("?" * len(group))
            for key, content, at in self._run(f"{_SELECT}({holes})", group):
                found[bytes(key)] = Mark(bytes(key), bytes(content), at)
        return found

    def add(self, marks: Iterable[Mark]) -> None:
        """Remember marks within the caller's transaction."""
        for mark in marks:
            self._run(_INSERT, tuple(mark))

    def _run(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[bytes, bytes, int]]:
        if isinstance(self._connection, sqlite3.Connection):
            return self._connection.execute(statement, values).fetchall()
        names = [f"v{index}" for index in range(len(values))]
        for name in names:
            statement = statement.replace("?", f":{name}", 1)
        result = self._connection.execute(text(statement), dict(zip(names, values, strict=True)))
        return [(row[0], row[1], row[2]) for row in result] if result.returns_rows else []
