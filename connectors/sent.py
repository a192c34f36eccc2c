"""What an outbox has sent, for a while: a hub that comes back from a backup is offered again what it has lost.

Only sealed frames are kept, those of the last days, up to a size; not those that speak of an object beside them.
"""

import sqlite3
from collections.abc import Callable, Iterable

from consent.envelope import OBJECT, parse

KEPT_SECONDS = 14 * 86400
KEPT_BYTES = 256 * 1024 * 1024
NO_PLAINTEXT = -1
"""`count` of a row of the outbox that holds only a frame: it is offered as it is, or not at all."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox_sent (
    id INTEGER PRIMARY KEY, patient TEXT NOT NULL, category INTEGER NOT NULL, stream TEXT NOT NULL,
    seq INTEGER NOT NULL, bid TEXT NOT NULL, frame BLOB NOT NULL, at INTEGER NOT NULL, total INTEGER NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS outbox_sent_stream ON outbox_sent (stream, seq);
CREATE INDEX IF NOT EXISTS outbox_sent_at ON outbox_sent (at);
"""


class Sent:
    """The frames that a hub has acknowledged. Every method is part of the caller's transaction."""

    def __init__(self, db: sqlite3.Connection, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        db.executescript(SCHEMA)

    def keep(self, rows: Iterable[tuple[int, bytes]]) -> None:
        """Keep rows of the outbox (id, and the frame that was acknowledged) before they go, and forget old ones."""
        now = int(self._clock())
        (total,) = self._db.execute("SELECT coalesce(max(total), 0) FROM outbox_sent").fetchone()
        for id_, frame in rows:
            if parse(frame).cty == OBJECT:
                continue
            total += len(frame)
            self._db.execute(
                "INSERT OR REPLACE INTO outbox_sent (patient, category, stream, seq, bid, frame, at, total)"
                " SELECT patient, category, stream, seq, bid, frame, ?, ? FROM outbox WHERE id = ? AND frame = ?",
                (now, total, id_, frame),
            )
        self._db.execute("DELETE FROM outbox_sent WHERE at < ?", (now - KEPT_SECONDS,))
        self._db.execute("DELETE FROM outbox_sent WHERE total <= ?", (total - KEPT_BYTES,))

    def offer_again(self, stream: str, last: tuple[int, str], before: int) -> bool:
        """Put what follows the hub's `last` (sequence, hash) in a stream back into the outbox, up to before `before`.

        False, and nothing is done, where not all of it is here, or it does not follow what the hub has.
        """
        query = "SELECT frame FROM outbox_sent WHERE stream = ? AND seq > ? AND seq < ? ORDER BY seq"
        seq, hash_ = last
        for (frame,) in self._db.execute(query, (stream, last[0], before)):
            envelope = parse(bytes(frame))
            if (envelope.seq, envelope.prev) != (seq + 1, hash_):
                return False
            seq, hash_ = envelope.seq, envelope.hash
        if seq != before - 1:
            return False
        self._db.execute(
            "INSERT INTO outbox (patient, category, handle, lines, count, stream, seq, bid, frame)"
            " SELECT patient, category, '', NULL, ?, stream, seq, bid, frame FROM outbox_sent"
            " WHERE stream = ? AND seq > ? AND seq < ?",
            (NO_PLAINTEXT, stream, last[0], before),
        )
        return True
