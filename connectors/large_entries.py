"""What of the outbox is too large for an envelope: its plaintext and its sealed object, read and written in pieces."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from consent.objects import object_hash, sealed_size
from consent.sealing import Author, Destination, object_key, seal_object, seal_reference

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox_large (id INTEGER PRIMARY KEY, size INTEGER NOT NULL, lines BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS outbox_objects (id INTEGER PRIMARY KEY, sealed BLOB NOT NULL);
"""
PIECE_BYTES = 64 * 1024


class Body:
    """An object as the body of a request: its length is known, and it is read in pieces."""

    def __init__(self, blob: sqlite3.Blob) -> None:
        self._blob = blob
        blob.seek(0)

    def __len__(self) -> int:
        return len(self._blob)

    def read(self, size: int = PIECE_BYTES) -> bytes:
        """The next bytes; none at the end."""
        return self._blob.read(size)

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read():
            yield piece


class LargeEntries:
    """Large entries by the id of their row in the outbox; everything happens in the caller's transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        db.executescript(SCHEMA)

    def put(self, id_: int, lines: Sequence[bytes]) -> None:
        """Keep the lines of an entry."""
        size = sum(len(line) + 1 for line in lines) - 1
        self._db.execute("INSERT INTO outbox_large VALUES (?, ?, zeroblob(?))", (id_, size, size))
        with self._db.blobopen("outbox_large", "lines", id_) as blob:
            for number, line in enumerate(lines):
                blob.write(b"\n" + line if number else line)

    def seal(
        self, id_: int, count: int, to: Destination, author: Author, *, bid: str, seq: int, prev: str, at: int, hd: str
    ) -> bytes:
        """Seal an entry: its object is kept here, the frame of its envelope returned. The rest as in `sealing.seal`."""
        (size,) = self._db.execute("SELECT size FROM outbox_large WHERE id = ?", (id_,)).fetchone()
        length = sealed_size(size)
        key = object_key(to, author, bid, seq)
        self._db.execute("INSERT OR REPLACE INTO outbox_objects VALUES (?, zeroblob(?))", (id_, length))
        with (
            self._db.blobopen("outbox_large", "lines", id_, readonly=True) as plaintext,
            self._db.blobopen("outbox_objects", "sealed", id_) as sealed,
        ):
            for chunk in seal_object(Body(plaintext), size, key):
                sealed.write(chunk)
            hash_ = object_hash(Body(sealed), length)
        return seal_reference(key, size, hash_, count, to, author, bid=bid, seq=seq, prev=prev, at=at, hd=hd)

    def has_object(self, id_: int) -> bool:
        """Whether an entry has its sealed object."""
        return self._db.execute("SELECT 1 FROM outbox_objects WHERE id = ?", (id_,)).fetchone() is not None

    @contextmanager
    def object(self, id_: int) -> Iterator[sqlite3.Blob]:
        """The sealed object of an entry, to be read."""
        with self._db.blobopen("outbox_objects", "sealed", id_, readonly=True) as blob:
            yield blob

    def sweep(self) -> None:
        """Forget what belongs to rows that are gone, and objects of rows that are to be sealed anew."""
        self._db.execute(
            "DELETE FROM outbox_large WHERE NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.id = outbox_large.id)"
        )
        self._db.execute(
            "DELETE FROM outbox_objects WHERE NOT EXISTS"
            " (SELECT 1 FROM outbox WHERE outbox.id = outbox_objects.id AND frame IS NOT NULL)"
        )
