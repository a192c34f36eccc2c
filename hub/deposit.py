"""Taking envelopes in or refusing them: the checks in the protocol's order under the patient's lock, stamped and
announced in one commit (PROTOCOL.md 3.2)."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from consent import envelope as envelopes
from consent import rules, streams
from consent.accounts import AccountState
from consent.envelope import DELETE, OBJECT, Envelope
from consent.grants import Record
from consent.primitives import Rejected, b64, broken
from consent.rules import Place
from fhir_profiles.problems import Problem
from hub import forwarding, rights
from hub.auth import Caller
from hub.context import Hub
from hub.refusals import Result, deposit_status, newer_links
from hub.store import audit, objects
from hub.store import envelopes as store
from hub.store.database import Tx
from hub.store.envelopes import Kept, Stream
from hub.store.feed import Notice, announce

MAX_FRAMES = 100
MAX_BYTES = 8 * 1024 * 1024
BODY_BYTES = MAX_BYTES + 4 * MAX_FRAMES


def split(body: bytes) -> list[bytes]:
    """Take a batch apart: LE32 length and frame, repeated. Raises `Problem`."""
    if len(body) > MAX_BYTES:
        raise Problem("too-large", f"A batch is at most {MAX_BYTES} bytes.")
    frames: list[bytes] = []
    at = 0
    while at < len(body):
        length = int.from_bytes(body[at : at + 4], "little")
        if at + 4 + length > len(body):
            raise Problem("invalid", "The batch ends within a frame.")
        if len(frames) == MAX_FRAMES:
            raise Problem("too-large", f"A batch is at most {MAX_FRAMES} envelopes.")
        frames.append(body[at + 4 : at + 4 + length])
        at += 4 + length
    return frames


def deposit(hub: Hub, caller: Caller, frames: Sequence[bytes]) -> list[Result]:
    """Deposit a batch; one result for each frame, in order. Each patient's part is one transaction.

    What is for a patient of another hub is kept for that hub: 202.
    """
    results: dict[int, Result] = {}
    read: list[tuple[int, Envelope]] = []
    for number, frame in enumerate(frames):
        try:
            read.append((number, envelopes.parse(frame)))
        except Rejected as rejected:
            results[number] = Result("", deposit_status(rejected.reason), {"reason": rejected.reason})
    with hub.db.read() as conn:
        owners = store.owners(conn, (e.str for _, e in read))
    parts: dict[str, list[tuple[int, Envelope]]] = {}
    for number, e in read:
        if e.str in owners:
            parts.setdefault(owners[e.str], []).append((number, e))
        else:
            results[number] = Result(e.bid, 404, {"reason": "unknown"})
    for acc, part in parts.items():
        take = forwarding.deposit if forwarding.elsewhere(hub, acc) else _deposit_part
        results |= take(hub, caller, acc, part)
    for status, number in Counter(result.status for result in results.values()).items():
        hub.metrics.envelopes.labels(str(status)).inc(number)
    return [results[number] for number in range(len(frames))]


def _deposit_part(hub: Hub, caller: Caller, acc: str, part: Sequence[tuple[int, Envelope]]) -> dict[int, Result]:
    with hub.db.write(acc) as tx:
        chains = hub.chains(tx.conn)
        record, author = chains.record(acc, [caller.acc]), chains.account(caller.acc)
        desk = _Desk(hub, tx, record, author, hub.now(), [e for _, e in part])
        results = {number: desk.take(e) for number, e in part}
        desk.keep(caller)
    return results


@dataclass
class _Desk:
    """One author's envelopes for one patient, while the patient's row is held."""

    hub: Hub
    tx: Tx
    record: Record
    author: AccountState
    now: int
    offered: Sequence[Envelope]
    kept: list[Kept] = field(default_factory=list)
    refused: set[tuple[str, str]] = field(default_factory=set)
    places: dict[str, set[Place]] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    deletes: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        conn, acc = self.tx.conn, self.record.account.acc
        self.known = {bid: (k.frame, k.stamp) for bid, k in self._known(e.bid for e in self.offered).items()}
        self.before = store.last_sequences(conn, acc, ((e.str, e.dev) for e in self.offered))
        self.last = dict(self.before)
        self.streams: dict[str, Stream] = store.streams_named(conn, acc, (e.str for e in self.offered))
        self.ends = {name: stream.pos for name, stream in self.streams.items()}
        self.objects = objects.by_bid(conn, acc, (e.bid for e in self.offered if e.cty == OBJECT))

    def _known(self, bids: Iterable[str]) -> dict[str, Kept]:
        return store.by_bid(self.tx.conn, self.record.account.acc, bids)

    def take(self, e: Envelope) -> Result:
        """Check one envelope and stamp it."""
        if e.bid in self.known:
            frame, stamp = self.known[e.bid]
            if frame == e.raw:
                return Result(e.bid, 200, {"stamp": b64(stamp)})
            return Result(e.bid, 409, {"reason": "conflict"})
        last = self.last.get((e.str, e.dev))
        try:
            place = rules.accept(self.record, self.author, e, last, self.now)
            if e.cty == OBJECT and (e.bid not in self.objects or self.objects[e.bid].stream != e.str):
                raise broken("object")
        except Rejected as rejected:
            return Result(e.bid, deposit_status(rejected.reason), self._explain(e, rejected.reason))
        stamp = envelopes.stamp(
            self.hub.key, self.hub.config.domain, e, at=self.now, aut=streams.position(self.author),
            set_head=streams.position(self.record.sets[place.set]), rel=self._mark(place.set),
        )  # fmt: skip
        self.ends[e.str] += 1
        self.kept.append(Kept(e.str, self.ends[e.str], e.bid, e.ep, e.raw, stamp))
        self.known[e.bid] = (e.raw, stamp)
        self.last[e.str, e.dev] = (e.seq, e.hash)
        self.places.setdefault(e.str, set()).add(place)
        self.deletes[e.str] += e.cty == DELETE
        return Result(e.bid, 201, {"stamp": b64(stamp)})

    def _mark(self, set_id: str) -> str:
        if set_id not in self.marks:
            head = streams.position(self.record.relations[self.author.acc])
            self.marks[set_id] = envelopes.relation_mark(head, set_id)
        return self.marks[set_id]

    def _explain(self, e: Envelope, reason: str) -> dict[str, Any]:
        """What helps the sender; the links of a newer epoch once for each stream."""
        extra: dict[str, Any] = {"reason": reason}
        if reason == "gap":
            extra["seq"], extra["hash"] = self.last.get((e.str, e.dev), (0, ""))
        elif reason == "stale-epoch" and (e.str, reason) not in self.refused:
            extra |= newer_links(self.record, e)
        self.refused.add((e.str, reason))
        return extra

    def keep(self, caller: Caller) -> None:
        """Write what was accepted, announce it, and log all of it."""
        if self.kept:
            store.add(self.tx, self.kept)
        for place, last in self.last.items():
            if self.before.get(place) != last:
                store.put_sequence(self.tx, place, last, first=place not in self.before)
        for name, places in self.places.items():
            stream, mine = self.streams[name], [k for k in self.kept if k.stream == name]
            size = sum(len(k.frame) for k in mine)
            store.grow(self.tx, name, mine[-1].pos, stream.size + size)
            notice = Notice("envelope", name, mine[0].pos, mine[-1].pos, size)
            announce(self.tx, rights.readers(self.tx.conn, self.record, places, self.now), [notice])
            gone = {"deletes": self.deletes[name]} if self.deletes[name] else {}
            self._log(caller, "deposit", {"set": stream.set, "stream": name, "count": len(mine)} | gone)
        for name, reason in sorted(self.refused):
            if self.author.acc in self.record.relations:
                self._log(caller, "refusal", {"stream": name, "reason": reason})

    def _log(self, caller: Caller, action: str, detail: dict[str, Any]) -> None:
        audit.write(self.tx, at=self.now, actor=caller.acc, device=caller.dev, action=action, detail=detail)
