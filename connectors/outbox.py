"""The durable outbox: one way out for all that is written at the edge, tried until it is there (PROTOCOL.md 5.7).

A row holds plaintext first; then the sealed frame is stored beside it, and the sealed object where it is large; only
then they are sent; when the patient's home hub has acknowledged, the plaintext goes. A crash anywhere sends the same
bytes again, so that no sequence ever forks.
"""

import json
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial

from connectors.entries import MAX_PLAINTEXT, Entry
from connectors.hub_client import MAX_BATCH_BYTES, MAX_BATCH_FRAMES, Deposited, HubClient
from connectors.large_entries import Body, LargeEntries
from connectors.local_database import transaction
from connectors.sent import NO_PLAINTEXT, Sent
from consent import identifiers
from consent.envelope import DELETE, RESOURCES, parse, parse_stamp
from consent.identifiers import new_id
from consent.primitives import Rejected
from consent.sealing import Author, Destination, handle, seal
from fhir_profiles.problems import UNDECIDED, Problem

SCHEMA = """
CREATE TABLE IF NOT EXISTS outbox (
    id INTEGER PRIMARY KEY, patient TEXT NOT NULL, category INTEGER NOT NULL, handle TEXT NOT NULL,
    lines BLOB, count INTEGER NOT NULL, stream TEXT, seq INTEGER, bid TEXT, frame BLOB
);
CREATE INDEX IF NOT EXISTS outbox_stream ON outbox (stream, seq);
CREATE INDEX IF NOT EXISTS outbox_bid ON outbox (bid);
CREATE TABLE IF NOT EXISTS outbox_sequences (
    stream TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_forwarded (
    bid TEXT PRIMARY KEY, offered REAL NOT NULL, pause REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outbox_marks (mark TEXT PRIMARY KEY) WITHOUT ROWID;
"""

MAX_RESEALS = 8
FIRST_PAUSE_SECONDS = 2.0
LONGEST_PAUSE_SECONDS = 60.0
"""So long a hub is left alone that passes an envelope on to the patient's home hub; growing from the first."""

MENDED_BY_SEALING_ANEW = ("stale-epoch", "gap")
FORWARDED = 202


@dataclass(frozen=True, slots=True)
class Sealed:
    """A row that has its frame."""

    id: int
    patient: str
    stream: str
    bid: str
    frame: bytes = field(repr=False)


Outcome = tuple[Sealed, Deposited]
Held = dict[str, Problem]
"""What goes no further in this `send`, and why: streams, or `patient/category` where nothing can be written now."""


class Outbox:
    """The outbox of one device.

    `destination(patient, category)` names stream, epoch and key; `refresh(patient)` fetches the newest chains after the
    hub said that an epoch is over. `hub_key(domain)`: only what bears the stamp of the patient's home hub counts as
    acknowledged.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        author: Author,
        handle_key: bytes,
        destination: Callable[[str, int], Destination],
        refresh: Callable[[str], None],
        clock: Callable[[], float],
        hub_key: Callable[[str], bytes],
    ) -> None:
        self._db = db
        self._author = author
        self._handle_key = handle_key
        self._destination = destination
        self._refresh = refresh
        self._clock = clock
        self._hub_key = hub_key
        self._large = LargeEntries(db)
        self._sent = Sent(db, clock)
        self._objects_put: set[str] = set()
        db.executescript(SCHEMA)

    def put(self, entries: Iterable[Entry], mark: str = "") -> None:
        """Take entries in, durably; within the caller's transaction where there is one.

        With a `mark` that was put before, nothing happens: who feeds the outbox from another database can repeat.
        Raises `Problem` for what could never be sealed.
        """
        entries = list(entries)
        for entry in entries:
            entry.check()
        with transaction(self._db):
            if mark and not self._db.execute("INSERT OR IGNORE INTO outbox_marks VALUES (?)", (mark,)).rowcount:
                return
            for e in entries:
                is_large = e.size > MAX_PLAINTEXT
                lines = None if is_large else b"\n".join(e.lines)
                row = self._db.execute(
                    "INSERT INTO outbox (patient, category, handle, lines, count) VALUES (?, ?, ?, ?, ?)",
                    (e.patient, e.category, e.handle, lines, len(e.lines)),
                )
                if is_large and row.lastrowid is not None:
                    self._large.put(row.lastrowid, e.lines)

    @property
    def waiting(self) -> int:
        """How many entries are not acknowledged yet."""
        return int(self._db.execute("SELECT count(*) FROM outbox").fetchone()[0])

    def handles(self, patient: str) -> list[str]:
        """The handles of a patient's entries that are not acknowledged yet, oldest first."""
        query = "SELECT handle FROM outbox WHERE patient = ? ORDER BY id"
        return [row[0] for row in self._db.execute(query, (patient,))]

    def take_back(self, patient: str) -> None:
        """Forget what waits for a patient and may not be sent any more; what comes later follows the last sent."""
        first = "SELECT stream, min(seq), frame FROM outbox WHERE patient = ? AND frame IS NOT NULL GROUP BY stream"
        with transaction(self._db):
            for stream, seq, frame in self._db.execute(first, (patient,)).fetchall():
                self._set_sequence(stream, seq - 1, parse(bytes(frame)).prev)
            self._db.execute("DELETE FROM outbox WHERE patient = ?", (patient,))
            self._sweep()

    def send(self, hub: HubClient) -> int:
        """Seal and deposit whatever can go now; returns how many envelopes the home hubs took.

        What a hub passes on (202) stays and is offered again by a later `send`. What is refused holds back its own
        stream only. Raises `Problem`: `busy` when the hub cannot be reached (everything is kept); after everything else
        has gone, the first reason why something did not, `refused` with the hub's reason.
        """
        sent = 0
        held: Held = {}
        refusals: Counter[str] = Counter()
        while True:
            more = self._seal_some(held)
            batch = self._batch(held)
            if not batch:
                if not more:
                    break
                continue
            refused_objects = self._put_objects(batch, hub)
            results = hub.deposit([sealed.frame for sealed in batch])
            if len(results) != len(batch):
                raise Problem("busy", "the hub's answer is not understood")
            outcomes = list(zip(batch, results, strict=True))
            sent += self._settle(outcomes)
            refused = [(sealed, result) for sealed, result in outcomes if result.status >= 300]
            if refused:
                refusals.update({sealed.stream for sealed, _ in refused})
                for sealed, result in refused:
                    if refusals[sealed.stream] > MAX_RESEALS:
                        detail = "the hub keeps refusing envelopes sealed anew"
                        held.setdefault(sealed.stream, Problem("refused", detail, reason=result.reason))
                self._seal_anew(refused, refused_objects, held)
        for problem in held.values():
            raise problem
        return sent

    def _seal_some(self, held: Held) -> bool:
        """Seal the next entries that have no frame, in order, and keep frame and sequence in one transaction.

        Returns whether there were any: there may be more behind them.
        """
        query = (
            "SELECT id, patient, category, handle, lines, count FROM outbox WHERE frame IS NULL"
            " AND patient || '/' || category NOT IN (SELECT value FROM json_each(?)) ORDER BY id LIMIT ?"
        )
        with transaction(self._db):
            rows = self._db.execute(query, (json.dumps([*held]), MAX_BATCH_FRAMES)).fetchall()
            for id_, patient, category, name, lines, count in rows:
                try:
                    to = self._destination(patient, category)
                except Problem as problem:
                    held.setdefault(f"{patient}/{category}", problem)
                    continue
                seq, prev = self._sequence(to.stream)
                bid, at = new_id(), int(self._clock())
                hd = handle(to.stream, name, self._handle_key) if name else ""
                if lines is None:
                    frame = self._large.seal(
                        id_, count, to, self._author, bid=bid, seq=seq + 1, prev=prev, at=at, hd=hd
                    )
                else:
                    frame = seal(
                        bytes(lines).split(b"\n") if count else [], to, self._author, bid=bid, seq=seq + 1, prev=prev,
                        at=at, hd=hd, cty=RESOURCES if count else DELETE,
                    )  # fmt: skip
                self._db.execute(
                    "UPDATE outbox SET stream = ?, seq = ?, bid = ?, frame = ? WHERE id = ?",
                    (to.stream, seq + 1, bid, frame, id_),
                )
                self._set_sequence(to.stream, seq + 1, parse(frame).hash)
                if lines is None:
                    break  # one object at a time: the disk holds it twice until it is sent
        return bool(rows)

    def _batch(self, held: Held) -> list[Sealed]:
        """The next frames to offer, but for those that were forwarded a moment ago."""
        query = (
            "SELECT id, patient, stream, outbox.bid, frame FROM outbox LEFT JOIN outbox_forwarded USING (bid)"
            " WHERE frame IS NOT NULL AND (offered IS NULL OR NOT ? BETWEEN offered AND offered + pause)"
            " AND stream NOT IN (SELECT value FROM json_each(?)) ORDER BY stream, seq LIMIT ?"
        )
        batch: list[Sealed] = []
        size = 0
        for row in self._db.execute(query, (self._clock(), json.dumps([*held]), MAX_BATCH_FRAMES)):
            size += len(row[-1]) + 4
            if batch and size > MAX_BATCH_BYTES:
                break
            batch.append(Sealed(*row))
        return batch

    def _put_objects(self, batch: Sequence[Sealed], hub: HubClient) -> dict[str, Problem]:
        """Send the objects of these envelopes; returns which ones the hub refused, and why.

        What that means the hub says of the envelope: it may have it already, and the permit may have ended since.
        """
        refused: dict[str, Problem] = {}
        for sealed in batch:
            if sealed.bid in self._objects_put or not self._large.has_object(sealed.id):
                continue
            with self._large.object(sealed.id) as blob:
                try:
                    hub.put_object(sealed.stream, sealed.bid, partial(Body, blob))
                except Problem as problem:
                    if problem.code in UNDECIDED:
                        raise
                    refused[sealed.bid] = problem
                else:
                    self._objects_put.add(sealed.bid)
        return refused

    def _settle(self, outcomes: Sequence[Outcome]) -> int:
        """Forget what was acknowledged, and note what was forwarded; returns how many were acknowledged.

        Raises `Problem` for a stamp that does not hold. A row that another process has sealed anew meanwhile is not the
        one that was acknowledged.
        """
        done = []
        for sealed, result in outcomes:
            if result.status < 300 and result.status != FORWARDED:
                self._check_stamp(sealed, result)
                done.append((sealed.id, sealed.frame))
        with transaction(self._db):
            self._sent.keep(done)
            self._db.executemany("DELETE FROM outbox WHERE id = ? AND frame = ?", done)
            for sealed, result in outcomes:
                if result.status == FORWARDED:
                    self._pause(sealed.bid)
            self._sweep()
        self._objects_put -= {sealed.bid for sealed, result in outcomes if result.status != FORWARDED}
        return len(done)

    def _sweep(self) -> None:
        """Forget what was kept beside rows that are gone or sealed anew."""
        self._db.execute(
            "DELETE FROM outbox_forwarded WHERE NOT EXISTS"
            " (SELECT 1 FROM outbox WHERE outbox.bid = outbox_forwarded.bid)"
        )
        self._large.sweep()

    def _check_stamp(self, sealed: Sealed, result: Deposited) -> None:
        """The stamp is that of the patient's home hub, for exactly this frame. Raises `Problem(refused)`."""
        domain = identifiers.account(sealed.patient).domain
        try:
            stamp = parse_stamp(result.stamp)
            stamp.verify(self._hub_key(domain), parse(sealed.frame))
        except Rejected as rejected:
            if rejected.kind == "stale":
                raise Problem("stale", "the own hub does not know the patient's hub yet; try again later") from None
            raise Problem("refused", "the hub's stamp does not hold", reason="stamp") from None
        if stamp.hub != domain:
            raise Problem("refused", "the stamp is not that of the patient's home hub", reason="stamp")

    def _pause(self, bid: str) -> None:
        """Offer an envelope again later, after a longer pause each time."""
        row = self._db.execute("SELECT pause FROM outbox_forwarded WHERE bid = ?", (bid,)).fetchone()
        pause = FIRST_PAUSE_SECONDS if row is None else min(2 * row[0], LONGEST_PAUSE_SECONDS)
        self._db.execute("INSERT OR REPLACE INTO outbox_forwarded VALUES (?, ?, ?)", (bid, self._clock(), pause))

    def _seal_anew(self, refused: Sequence[Outcome], objects: dict[str, Problem], held: Held) -> None:
        """After `stale-epoch` or `gap`: fetch the chains, and seal again what was refused and what follows it.

        What another process has sealed anew meanwhile is left as it is; what is refused for good holds its stream.
        `objects`: those that the hub refused; one that it has lost is sent again.
        """
        mended = []
        for sealed, result in refused:
            if sealed.stream in held:
                continue
            if result.reason in MENDED_BY_SEALING_ANEW:
                mended.append((sealed, result))
            elif result.reason != "object" or sealed.bid in objects:
                problem = Problem("refused", "the hub refuses an envelope", reason=result.reason)
                held.setdefault(sealed.stream, objects.get(sealed.bid, problem))
        for patient in {sealed.patient for sealed, _ in mended}:
            self._refresh(patient)
        with transaction(self._db):
            for sealed, result in mended:
                if sealed.stream not in held:
                    self._unseal(sealed, result, held)

    def _unseal(self, sealed: Sealed, result: Deposited, held: Held) -> None:
        """Go back to before a refused envelope; after a gap, on to where the hub says that this device is.

        The hub knows more than the device where that was restored from a copy. Where it knows less, either an envelope
        before this one is still on its way, or the hub has lost what it acknowledged: it is offered the same frames
        again. Going back there would show readers two sequences, so without them the stream is held.
        """
        row = self._db.execute("SELECT seq, count FROM outbox WHERE bid = ?", (sealed.bid,)).fetchone()
        if row is None:
            return
        seq, count = row
        before = (seq - 1, parse(sealed.frame).prev)
        if result.reason == "gap":
            if result.last is None or result.last[0] < seq - 1:
                if self._on_its_way(sealed.stream, seq):
                    self._pause(sealed.bid)
                elif result.last is None or not self._sent.offer_again(sealed.stream, result.last, seq):
                    held[sealed.stream] = _lost()
                return
            before = result.last
        if count == NO_PLAINTEXT:
            held[sealed.stream] = _lost()
            return
        self._set_sequence(sealed.stream, *before)
        self._db.execute(
            "UPDATE outbox SET stream = NULL, seq = NULL, bid = NULL, frame = NULL WHERE stream = ? AND seq >= ?",
            (sealed.stream, seq),
        )
        self._sweep()

    def _on_its_way(self, stream: str, seq: int) -> bool:
        """Whether an envelope before this one is not acknowledged yet: what is refused then follows from that."""
        query = "SELECT 1 FROM outbox WHERE stream = ? AND seq < ? LIMIT 1"
        return self._db.execute(query, (stream, seq)).fetchone() is not None

    def begin_anew(self) -> None:
        """Seal again whatever waits, as a device that has sealed nothing yet: another one held these files before."""
        with transaction(self._db):
            self._db.execute("DELETE FROM outbox WHERE count = ?", (NO_PLAINTEXT,))
            self._db.execute("DELETE FROM outbox_sent")
            self._db.execute("UPDATE outbox SET stream = NULL, seq = NULL, bid = NULL, frame = NULL")
            self._db.execute("DELETE FROM outbox_sequences")
            self._sweep()

    def _sequence(self, stream: str) -> tuple[int, str]:
        row = self._db.execute("SELECT seq, hash FROM outbox_sequences WHERE stream = ?", (stream,)).fetchone()
        return (0, "") if row is None else (int(row[0]), str(row[1]))

    def _set_sequence(self, stream: str, seq: int, hash_: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO outbox_sequences VALUES (?, ?, ?)", (stream, seq, hash_))


def _lost() -> Problem:
    return Problem("refused", "the hub has lost envelopes that it acknowledged", reason="gap")
