"""Copies of other hubs' envelopes: verified before they are kept, and told to whom they are granted.

What a reader can check without a key is checked here too (`consent.stamped`), so a peer can neither alter nor invent.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from consent import envelope as envelopes
from consent import identifiers, stamped
from consent.accounts import AccountState
from consent.envelope import Envelope, Stamp
from consent.grants import Record
from consent.primitives import Rejected, broken, unb64
from consent.relations import Grant, check_permit
from consent.rules import Place
from consent.statements import Permit, parse_permit
from hub import rights
from hub.context import Hub
from hub.observability import say
from hub.replicas import Replicas
from hub.store import chains as chain_store
from hub.store import envelopes as store
from hub.store.database import Tx, domain_of
from hub.store.envelopes import Kept, Stream
from hub.store.feed import Notice, announce, replace_envelopes

MAX_POSITION = 2**53


@dataclass(frozen=True, slots=True)
class Given:
    """An envelope as another hub gives it: whose it is, its set and position there."""

    acc: str
    set: str
    pos: int
    envelope: Envelope
    stamp: Stamp = field(repr=False)


def read(event: Any) -> Given:
    """An envelope from an answer. Raises `Rejected`, or what `hub.replicas.understood` turns into `busy`."""
    frame, stamp, pos = unb64(event["frame"]), unb64(event["stamp"]), int(event["pos"])
    if not 1 <= pos < MAX_POSITION:
        raise ValueError
    acc = str(identifiers.account(event["acc"]))
    return Given(acc, str(event["set"]), pos, envelopes.parse(frame), envelopes.parse_stamp(stamp))


def take(hub: Hub, replicas: Replicas, given: Iterable[Given], permits: Mapping[str, bytes], source: str) -> None:
    """Verify and keep envelopes that the hub `source` gave; each patient's in one transaction, however they mix.

    One that does not hold is not kept, and said. `permits`: of the sets that occur. Raises `Problem(busy)`.
    """
    patients: dict[str, list[Given]] = {}
    for one in given:
        patients.setdefault(one.acc, []).append(one)
    for acc, theirs in patients.items():
        if domain_of(acc) == source:
            _take(hub, replicas, acc, theirs, permits)
        else:
            _refuse(acc, "foreign", source)


def _take(hub: Hub, replicas: Replicas, acc: str, given: Sequence[Given], permits: Mapping[str, bytes]) -> None:
    """Chains only grow, so what was verified by an earlier state of them is good while the row is held."""
    verifier = _verifier(hub, acc, given, permits)
    for chain in verifier.lacking(given):
        replicas.fetch_lacking(chain, domain_of(acc), must=True)
        verifier = _verifier(hub, acc, given, permits)
    good = []
    for one in given:
        try:
            verifier.check(one)
            good.append(one)
        except Rejected as rejected:
            _refuse(acc, rejected.reason)
    with hub.db.write(acc) as tx:
        _keep(hub, tx, acc, good, verifier.permits)


def _refuse(acc: str, reason: str, source: str = "") -> None:
    peer = source or domain_of(acc)
    say(logging.ERROR, event="an envelope does not hold", kind="envelope", reason=reason, peer=peer)


@dataclass
class _Verifier:
    """One patient's chains, by which envelopes are checked."""

    record: Record
    accounts: Mapping[str, AccountState]
    permits: Mapping[str, Permit]
    pins: Mapping[str, str]
    hub_key: bytes = field(repr=False)
    _permitted: set[str] = field(default_factory=set)

    def lacking(self, given: Iterable[Given]) -> list[tuple[str, str, str]]:
        """The chains that are not held as far as these envelopes need them."""
        acc, found = self.record.account.acc, dict[tuple[str, str, str], None]()
        for one in given:
            state, author = self.record.sets.get(one.set), self.accounts.get(one.envelope.aut)
            if author is None or one.stamp.aut[0] > author.last:
                found["acct", one.envelope.aut, ""] = None
            if state is None or one.stamp.set[0] >= len(state.links):
                found["set", acc, one.set] = None
        for permit in self.permits.values():
            for name, (seq, _) in permit.cite.items():
                if name not in self.accounts or seq > self.accounts[name].last:
                    found["acct", name, ""] = None
        return list(found)

    def check(self, one: Given) -> None:
        """Permit, stamp, device, signature, epoch. Raises `Rejected`."""
        acc, e = self.record.account.acc, one.envelope
        state, author, permit = self.record.sets.get(one.set), self.accounts.get(e.aut), self.permits.get(one.set)
        if state is None or e.str not in state.ids:
            raise broken("stream")
        if permit is None or author is None or self.pins.get(one.set, e.aut) != e.aut or permit.aut != e.aut:
            raise broken("permit")
        if one.set not in self._permitted:
            check_permit(permit, acc, one.set, self.accounts)
            self._permitted.add(one.set)
        stamped.check(e, one.stamp, state, author, domain_of(acc), self.hub_key)


def _verifier(hub: Hub, acc: str, given: Sequence[Given], permits: Mapping[str, bytes]) -> _Verifier:
    sets = {one.set for one in given}
    read = {name: parse_permit(permits[name]) for name in sets if name in permits}
    names = {one.envelope.aut for one in given} | {name for permit in read.values() for name in permit.cite}
    with hub.db.read() as conn:
        record = hub.chains(conn).record(acc, names)
        pins = {name: parse_permit(raw).aut for name, raw in chain_store.permits_of(conn, acc, sets).items()}
    accounts = {**record.accounts, acc: record.account}
    return _Verifier(record, accounts, read, pins, hub.stamp_keys[domain_of(acc)])


# --- keeping ------------------------------------------------------------------------------------------------------


def _keep(hub: Hub, tx: Tx, acc: str, given: Sequence[Given], permits: Mapping[str, Permit]) -> None:
    """Keep what is new at its position at home, and announce it to those here who may have it now."""
    desk = _Desk(hub.chains(tx.conn).record(acc), tx, hub.now(), given)
    for one in given:
        desk.take(one)
    if not desk.kept:
        return
    held = chain_store.permits_of(tx.conn, acc, permits)
    for set_id in {desk.streams[k.stream].set for k, _ in desk.kept} - held.keys():
        chain_store.add_permit(tx, set_id, permits[set_id].aut, permits[set_id].frame.raw)
    store.add(tx, [k for k, _ in desk.kept])
    ends = desk.grow()
    for name, run in groupby(desk.kept, key=lambda pair: pair[0].stream):
        _announce(tx, desk.streams[name], list(run), ends[name])


@dataclass
class _Desk:
    """A patient's envelopes from her hub, while her row is held."""

    record: Record
    tx: Tx
    now: int
    offered: Sequence[Given]
    kept: list[tuple[Kept, set[str]]] = field(default_factory=list)
    covering: dict[Place, list[tuple[str, Grant]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        conn, acc = self.tx.conn, self.record.account.acc
        opened = rights.open_grants(conn, self.record, self.now)
        self.grants = [(reader, grant) for reader, grant in opened if domain_of(reader) == self.tx.home]
        self.streams = store.streams_named(conn, acc, (one.envelope.str for one in self.offered))
        self.known = set(store.by_bid(conn, acc, (one.envelope.bid for one in self.offered)))
        self.taken = {
            (name, pos): bid
            for name in self.streams
            for pos, bid in store.positions(
                conn, acc, name, (o.pos for o in self.offered if o.envelope.str == name)
            ).items()
        }

    def take(self, one: Given) -> None:
        """Keep one envelope, if it is new and somebody here may have it, now or as soon as a grant begins.

        It began by the clock of the hub that gave it, and is not given again when this one's has come as far.
        """
        e = one.envelope
        if e.bid in self.known:
            return
        if (other := self.taken.get((e.str, one.pos))) is not None:
            if any(k.bid == other for k, _ in self.kept):
                _refuse(self.tx.acc, "position")
                return
            store.drop_at(self.tx, e.str, one.pos)  # a hub that was restored numbers anew; the other one comes again
            self.known.discard(other)
        stream = self.streams[e.str]
        place = Place(stream.set, stream.index, e.ep)
        if place not in self.covering:
            self.covering[place] = [
                (reader, grant) for reader, grant in self.grants if grant.reaches(place.set, place.index, place.epoch)
            ]
        if covering := self.covering[place]:
            here = {reader for reader, grant in covering if grant.begins <= self.now}
            self.known.add(e.bid)
            self.taken[e.str, one.pos] = e.bid
            self.kept.append((Kept(e.str, one.pos, e.bid, e.ep, e.raw, one.stamp.frame.raw), here))

    def grow(self) -> dict[str, tuple[int, int]]:
        """Move the ends of the streams; stream → its position and size now."""
        ends = {name: (stream.pos, stream.size) for name, stream in self.streams.items()}
        for k, _ in self.kept:
            pos, size = ends[k.stream]
            ends[k.stream] = max(pos, k.pos), size + len(k.frame)
        for name in {k.stream for k, _ in self.kept}:
            store.grow(self.tx, name, *ends[name])
        return ends


def _announce(tx: Tx, stream: Stream, run: Sequence[tuple[Kept, set[str]]], end: tuple[int, int]) -> None:
    """Tell those who may have any of a run of envelopes of one stream; `stream` as it was before."""
    readers = {reader for _, here in run for reader in here}
    first, last = min(k.pos for k, _ in run), max(k.pos for k, _ in run)
    if first > stream.pos:
        announce(tx, readers, [Notice("envelope", stream.id, first, last, sum(len(k.frame) for k, _ in run))])
        return
    for reader in sorted(readers):  # earlier ones came later: the whole stream once more, in its order
        replace_envelopes(tx, reader, [Notice("envelope", stream.id, 1, *end)])
