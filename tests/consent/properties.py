"""What must hold at every moment, whatever was done before (PROTOCOL.md 7)."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

from consent import accounts, grants, opening, owed, primitives, relations, statements, steps, streams
from consent.grants import Record
from consent.primitives import Rejected
from consent.relations import Bundle, RelationState
from consent.vault import Vault
from tests.consent.readers import plain_check
from tests.consent.verdicts import account_summary, relation_summary, set_summary
from tests.consent.world import Client, Hub, Identity, permit_of

Where = tuple[str, int, int]
"""Set, epoch, index."""


@dataclass
class Holder:
    """Everything that a counterpart could ever open of what was sealed to it. It forgets nothing."""

    who: Identity
    opened: dict[str, tuple[opening.Seeds, ...]] = field(default_factory=dict)
    publics: dict[bytes, bytes] = field(default_factory=dict)

    def take(self, hub: Hub) -> None:
        """Open what has arrived since."""
        relation = hub.record.relations.get(self.who.account)
        for bundle in _bundles(relation) if relation else ():
            if bundle.hash not in self.opened:
                assert relation is not None
                found = opening.open_bundle(bundle, hub.blobs[bundle.hash], relation, self.who.reading)
                self.opened[bundle.hash] = found.seeds

    def seeds(self, hub: Hub) -> dict[Where, bytes]:
        """The seeds that work: their public keys are those of the chains."""
        working = {}
        for record in (seeds for found in self.opened.values() for seeds in found):
            state = hub.record.sets[record.set]
            if record.epoch <= state.current:
                publics = state.epoch(record.epoch).publics
                for index, seed in record.by_index.items():
                    if self._public(seed) == publics[index]:
                        working[record.set, record.epoch, index] = seed
        return working

    def _public(self, seed: bytes) -> bytes:
        if seed not in self.publics:
            self.publics[seed] = primitives.box_public(seed)
        return self.publics[seed]

    def reader(self, hub: Hub) -> opening.Reader:
        """The counterpart's gateway."""
        seeds = self.seeds(hub)
        categories = {
            (found.set, index): place
            for seeds_ in self.opened.values() for found in seeds_ for index, place in found.categories.items()
        }  # fmt: skip
        known = {(e.aut, e.dev, e.str, e.seq): e.hash for e, _ in hub.envelopes.values()}
        return opening.Reader(
            patient=hub.record.account.acc, hub_key=hub.key.public, accounts=hub.record.accounts,
            sets=hub.record.sets, relation=hub.record.relations[self.who.account], confirmed=True,
            seed=lambda *where: seeds.get(where), known=lambda *where: known.get(where),
            category_of=lambda *where: categories.get(where), check=plain_check,
        )  # fmt: skip


def _bundles(relation: RelationState) -> Iterator[Bundle]:
    for grant in relation.grants.values():
        yield from grant.bundles


def covered(hub: Hub, reader: str, where: Where, now: int) -> bool:
    """Whether a live grant of the reader covers this, whatever the purpose and from whenever it may be used."""
    relation = hub.record.relations.get(reader)
    set_id, epoch, index = where
    for grant in relation.live(now) if relation else ():
        first, mask = grant.cover.get(set_id, (0, 0))
        if mask >> index & 1 and first <= epoch:
            return True
    return False


def keys_within_rules(hub: Hub, holders: list[Holder], now: int) -> None:
    """P1: with nothing owed, who holds a working seed of a current epoch is released that stream."""
    for holder in holders:
        for set_id, epoch, index in holder.seeds(hub):
            state = hub.record.sets[set_id]
            if epoch == state.current and not state.closed:
                relation = hub.record.relations[holder.who.account]
                assert grants.covers(relation, set_id, index, epoch, "TREAT", now)


def lost_masters_are_past(hub: Hub, seen: dict[str, set[tuple[str, int, bytes]]]) -> None:
    """P1 for whoever had the vault: with nothing owed, no open set is in an epoch that a lost device saw."""
    for known in seen.values():
        for set_id, state in hub.record.sets.items():
            if not state.closed:
                assert (set_id, state.current, state.epoch(state.current).digest) not in known


def released_is_readable(hub: Hub, holders: list[Holder], now: int) -> None:
    """P2: what the hub releases can be opened by that reader, in the middle of rotations too."""
    for holder in holders:
        released = hub.released(holder.who.account, now)
        reader = holder.reader(hub) if released else None
        for bid in released:
            frame, stamp = hub.envelopes[bid]
            assert reader is not None
            opened = opening.open_envelope(frame.raw, stamp, permit_of(hub, hub.place(frame)[0]), reader, now)
            assert len(opened.resources) == frame.n
            assert not opened.missing


def covered_is_held(hub: Hub, holders: list[Holder], now: int) -> None:
    """P2 before anything is written: of all that a live grant covers, the reader holds working seeds."""
    for holder in holders:
        relation = hub.record.relations.get(holder.who.account)
        seeds = holder.seeds(hub) if relation else {}
        for grant in relation.live(now) if relation else ():
            for set_id, (first, mask) in grant.cover.items():
                for epoch in range(first, hub.record.sets[set_id].current + 1):
                    assert all((set_id, epoch, index) in seeds for index in range(32) if mask >> index & 1)


def sequences_never_fork(hub: Hub, acknowledged: list[str]) -> None:
    """P8: what was acknowledged is in the feed once, and every sequence is a chain."""
    assert sorted(hub.order) == sorted(acknowledged)
    assert len(set(hub.order)) == len(hub.order)
    chains = defaultdict(list)
    for bid in hub.order:
        frame = hub.envelopes[bid][0]
        chains[frame.aut, frame.dev, frame.str].append(frame)
    for frames in chains.values():
        assert [frame.seq for frame in frames] == list(range(1, len(frames) + 1))
        assert [frame.prev for frame in frames] == ["", *(frame.hash for frame in frames[:-1])]


def lengths_tell_nothing(home: Client, gid: str, oth: str) -> None:
    """P7: a grant of other categories would have as many rows and as long a bundle."""
    record, vault = home.hub.record, home.vault
    terms = vault.terms[gid]
    sizes = set()
    for categories in (frozenset[int](), terms.categories, steps.EVERYTHING):
        other = Vault(vault.reading_keys, vault.sets, vault.masters)
        one = type(terms)(**{**_fields(terms), "categories": categories})
        fresh = Record(
            record.account, record.sets, {**record.relations, oth: _without(record, oth, gid)}, record.accounts
        )
        written = steps.grant(fresh, other, gid, one, home.me.signer, home.now)
        body = statements.parse(written.frame).body
        sizes.add((len(body["cover"]), len(body["has"]), len(written.blob or b"")))
    assert len(sizes) == 1


def _fields(terms: object) -> dict[str, object]:
    return {name: getattr(terms, name) for name in terms.__dataclass_fields__}  # type: ignore[attr-defined]


def _without(record: Record, oth: str, gid: str) -> RelationState:
    """The relation as if this grant were new."""
    state = record.relations[oth].fork()
    state.grants.pop(gid, None)
    return state


def prefixes_are_prefixes(record: Record) -> None:
    """P9: replaying the first links gives the state that held then, and all of them the state that holds."""
    acc = record.account.acc
    whole = accounts.replay(record.account.frames, acc, accounts=record.accounts)
    assert account_summary(whole) == account_summary(record.account)
    for set_id, state in record.sets.items():
        step = None
        for count in range(1, len(state.links) + 1):
            step = streams.extend(step or streams.SetState(acc, set_id), state.frames[count - 1], record.accounts)
            assert set_summary(step) == set_summary(streams.replay(state.frames[:count], acc, set_id, record.accounts))
        assert step is not None
        assert set_summary(step) == set_summary(state)
    for oth, relation in record.relations.items():
        again = relations.replay(relation.frames, acc, oth, record.accounts)
        assert relation_summary(again) == relation_summary(relation)


def changes_nothing(hub: Hub, raw: bytes, blob: bytes | None, now: int) -> None:
    """P4: the statement is refused, or it is the very same link, and either way nothing is different."""
    before = hub.record
    with suppress(Rejected):
        hub.post(steps.Written(raw, blob), now)
    assert hub.record is before


def nothing_owed(home: Client, now: int) -> bool:
    """Whether the client sees nothing to do."""
    return owed.owed(home.hub.record, home.vault, now) is None
