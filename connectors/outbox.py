"""The durable outbox: one way out for everything that is written at the edge (PROTOCOL.md 5.7).

A row holds plaintext first; then the sealed frame is stored beside it; only then it is sent; when the hub has
acknowledged, the plaintext goes. A crash anywhere sends the same bytes again, so that no sequence ever forks.
"""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from connectors.hub_client import MAX_BATCH_BYTES, MAX_BATCH_FRAMES, Deposited, HubClient
from connectors.local_database import transaction
from consent.envelope import parse, parse_stamp
from consent.identifiers import new_id
from consent.primitives import Rejected
from consent.sealing import Author, Destination, handle, seal
from fhir_profiles.problems import Problem

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, patient TEXT NOT NULL, category INTEGER NOT NULL, handle TEXT NOT NULL,
    lines BLOB, count INTEGER NOT NULL, stream TEXT, seq INTEGER, bid TEXT, frame BLOB
);
CREATE INDEX IF NOT EXISTS outbox_stream ON outbox (stream, seq);
CREATE TABLE IF NOT EXISTS sequences (
    stream TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL
) WITHOUT ROWID;
"""

MAX_RESEALS = 8
MAX_PLAINTEXT = 1024 * 1024 - 1
"""Bytes of an entry's lines that still make one envelope."""


@dataclass(frozen=True)
class Entry:
    """What is to be written: resources of one category of one patient, each one JSON line.

    `handle`: names what a later entry replaces (`Observation/123`, `day/2026-10-01`), or empty.
    """

    patient: str
    category: int
    lines: Sequence[bytes] = field(repr=False)
    handle: str = ""


class Outbox:
    """The outbox of one device.

    `destination(patient, category)` names stream, epoch and key; `refresh(patient)` fetches the newest chains after the
    hub said that an epoch is over. `hub_key`: only what bears the hub's stamp counts as acknowledged.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        author: Author,
        handle_key: bytes,
        destination: Callable[[str, int], Destination],
        refresh: Callable[[str], None],
        clock: Callable[[], float],
        hub_key: bytes,
    ) -> None:
        self._db = db
        self._author = author
        self._handle_key = handle_key
        self._destination = destination
        self._refresh = refresh
        self._clock = clock
        self._hub_key = hub_key
        db.executescript(SCHEMA)

    def put(self, entries: Iterable[Entry]) -> None:
        """Take entries in, durably; within the caller's transaction where there is one.

        Raises `Problem` for what could never be sealed, and would keep back everything behind it.
        """
        entries = list(entries)
        for entry in entries:
            if not entry.lines or any(not line or b"\n" in line for line in entry.lines):
                raise Problem("structure", "each resource is one line")
            if sum(len(line) + 1 for line in entry.lines) > MAX_PLAINTEXT:
                raise Problem("too-large", f"an envelope holds {MAX_PLAINTEXT} bytes")
        with transaction(self._db):
            self._db.executemany(
                "INSERT INTO outbox (patient, category, handle, lines, count) VALUES (?, ?, ?, ?, ?)",
                ((e.patient, e.category, e.handle, b"\n".join(e.lines), len(e.lines)) for e in entries),
            )

    @property
    def waiting(self) -> int:
        """How many entries are not acknowledged yet."""
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def send(self, hub: HubClient) -> int:
        """Seal and deposit until nothing waits; returns how many envelopes the hub took.

        Raises `Problem`: `busy` when the hub cannot be reached (everything is kept), `refused` with the hub's reason.
        """
        sent = reseals = 0
        while True:
            self._seal_some()
            batch = self._batch()
            if not batch:
                return sent
            results = hub.deposit([frame for _, frame in batch])
            if len(results) != len(batch):
                raise Problem("busy", "the hub's answer is not understood")
            refused = self._settle(batch, results)
            sent += len(batch) - len(refused)
            if refused:
                reseals += 1
                if reseals > MAX_RESEALS:
                    raise Problem("refused", "the hub keeps refusing envelopes sealed anew", reason=refused[0].reason)
                self._seal_anew(refused)

    def _seal_some(self) -> None:
        """Seal the next entries that have no frame, in order, and keep frame and sequence in one transaction."""
        query = "SELECT id, patient, category, handle, lines, count FROM outbox WHERE frame IS NULL ORDER BY id LIMIT ?"
        with transaction(self._db):
            for id_, patient, category, name, lines, _ in self._db.execute(query, (MAX_BATCH_FRAMES,)).fetchall():
                to = self._destination(patient, category)
                seq, prev = self._sequence(to.stream)
                bid = new_id()
                frame = seal(
                    bytes(lines).split(b"\n"), to, self._author, bid=bid, seq=seq + 1, prev=prev,
                    at=int(self._clock()), hd=handle(to.stream, name, self._handle_key) if name else "",
                )  # fmt: skip
                self._db.execute(
                    "UPDATE outbox SET stream = ?, seq = ?, bid = ?, frame = ? WHERE id = ?",
                    (to.stream, seq + 1, bid, frame, id_),
                )
                self._set_sequence(to.stream, seq + 1, parse(frame).hash)

    def _batch(self) -> list[tuple[int, bytes]]:
        query = "SELECT id, frame FROM outbox WHERE frame IS NOT NULL ORDER BY stream, seq LIMIT ?"
        batch: list[tuple[int, bytes]] = []
        size = 0
        for id_, frame in self._db.execute(query, (MAX_BATCH_FRAMES,)):
            size += len(frame) + 4
            if batch and size > MAX_BATCH_BYTES:
                break
            batch.append((id_, bytes(frame)))
        return batch

    def _settle(self, batch: Sequence[tuple[int, bytes]], results: Sequence[Deposited]) -> list[Deposited]:
        """Forget what was acknowledged; return what was refused. Raises `Problem` for a stamp that does not hold.

        A row that another process has sealed anew meanwhile is not the one that was acknowledged.
        """
        done = []
        for (id_, frame), result in zip(batch, results, strict=True):
            if result.status < 300:
                try:
                    parse_stamp(result.stamp).verify(self._hub_key, parse(frame))
                except Rejected:
                    raise Problem("refused", "the hub's stamp does not hold", reason="stamp") from None
                done.append((id_, frame))
        with transaction(self._db):
            self._db.executemany("DELETE FROM outbox WHERE id = ? AND frame = ?", done)
        return [result for result in results if result.status >= 300]

    def _seal_anew(self, refused: Sequence[Deposited]) -> None:
        """After `stale-epoch` or `gap`: fetch the chains, and seal again what was refused and what follows it.

        What another process has sealed anew meanwhile is left as it is.
        """
        for result in refused:
            if result.reason not in ("stale-epoch", "gap"):
                raise Problem("refused", "the hub refuses an envelope", reason=result.reason)
        query = "SELECT patient FROM outbox WHERE bid = ?"
        for patient in {row[0] for result in refused for row in self._db.execute(query, (result.bid,)).fetchall()}:
            self._refresh(patient)
        with transaction(self._db):
            for result in refused:
                self._unseal(result)

    def _unseal(self, result: Deposited) -> None:
        """Go back to before a refused envelope; after a gap, on to where the hub says that this device is.

        The hub knows more than the device where that was restored from a copy. Where it knows less, it has lost what it
        acknowledged: going back there would show readers two sequences. Raises `Problem(refused)`.
        """
        row = self._db.execute("SELECT stream, seq, frame FROM outbox WHERE bid = ?", (result.bid,)).fetchone()
        if row is None:
            return
        stream, seq, frame = row
        before = (seq - 1, parse(bytes(frame)).prev)
        if result.reason == "gap":
            if result.last is None or result.last[0] < seq - 1:
                raise Problem("refused", "the hub has lost envelopes that it acknowledged", reason="gap")
            before = result.last
        self._set_sequence(stream, *before)
        self._db.execute(
            "UPDATE outbox SET stream = NULL, seq = NULL, bid = NULL, frame = NULL WHERE stream = ? AND seq >= ?",
            (stream, seq),
        )

    def begin_anew(self) -> None:
        """Seal again whatever waits, as a device that has sealed nothing yet: another one held these files before."""
        with transaction(self._db):
            self._db.execute("UPDATE outbox SET stream = NULL, seq = NULL, bid = NULL, frame = NULL")
            self._db.execute("DELETE FROM sequences")

    def _sequence(self, stream: str) -> tuple[int, str]:
        row = self._db.execute("SELECT seq, hash FROM sequences WHERE stream = ?", (stream,)).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def _set_sequence(self, stream: str, seq: int, hash_: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO sequences VALUES (?, ?, ?)", (stream, seq, hash_))
