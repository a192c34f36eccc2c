"""What was handed to whom, what a grant covers, when an epoch may no longer be trusted (PROTOCOL.md 2.6, 4)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from consent.accounts import AccountState
from consent.primitives import broken
from consent.purposes import within
from consent.relations import Grant, Handed, RelationState
from consent.streams import SetState, range_digest


@dataclass(frozen=True)
class Record:
    """All chains of one patient, and the account chains of those who occur in them, the patient's own included."""

    account: AccountState
    sets: Mapping[str, SetState] = field(default_factory=dict)
    relations: Mapping[str, RelationState] = field(default_factory=dict)
    accounts: Mapping[str, AccountState] = field(default_factory=dict)

    def live_grants(self, time: int) -> Iterator[tuple[RelationState, Grant]]:
        """All live grants of the patient, with the relation each stands in."""
        for relation in self.relations.values():
            for grant in relation.live(time):
                yield relation, grant

    def author(self, set_id: str) -> str | None:
        """The account that was permitted to write into a set, if one was."""
        for oth, relation in self.relations.items():
            if set_id in relation.permits:
                return oth
        return None


@dataclass(frozen=True)
class Moment:
    """An epoch, started or about to be: what it is, and what its maker had seen of the patient's account."""

    set: SetState
    number: int
    digest: bytes
    account_seq: int
    iat: int


def started(state: SetState, acc: str, number: int | None = None) -> Moment:
    """A started epoch of a set, by default the current one."""
    epoch = state.epoch(number or state.current)
    return Moment(state, epoch.number, epoch.digest, epoch.link.cite[acc][0], epoch.link.iat)


def holds(row: Handed, state: SetState, number: int, digest: bytes) -> bool:
    """Whether a `has` row contains the epoch `number` with this digest."""
    if row.set != state.oth or not row.first <= number <= row.last:
        return False
    if row.first == row.last:
        return row.digest == range_digest([digest])
    if row.last > state.current or state.epoch(number).digest != digest:
        return False
    return row.digest == range_digest(state.digests(row.first, row.last))


def handed(grant: Grant, state: SetState, number: int, digest: bytes, mask: int) -> bool:
    """Whether the counterpart was given the seeds of an epoch for at least these bits."""
    return any(row.mask & mask == mask and holds(row, state, number, digest) for row in grant.handed)


def check_rows(rows: tuple[Handed, ...], sets: Mapping[str, SetState]) -> None:
    """Every digest is that of the stream chain; ranges are of started epochs, or the next one alone.

    Raises `Rejected(broken, has)`.
    """
    for row in rows:
        state = sets.get(row.set)
        if state is None:
            raise broken("has")
        if row.last <= state.current:
            if row.digest != range_digest(state.digests(row.first, row.last)):
                raise broken("has")
        elif not row.first == row.last == state.current + 1:
            raise broken("has")


def missing(grant: Grant, sets: Mapping[str, SetState]) -> list[tuple[str, int]]:
    """The (set, epoch) pairs that a grant covers and whose seeds its counterpart was not given yet."""
    found = []
    for set_id, (first, mask) in grant.cover.items():
        state = sets.get(set_id)
        if state is None:
            raise broken("has")
        found += [
            (set_id, epoch.number)
            for epoch in state.epochs[first - 1 :]
            if not handed(grant, state, epoch.number, epoch.digest, mask)
        ]
    return found


def tainted(record: Record, moment: Moment, time: int) -> bool:
    """Whether somebody who may not read from now on could hold seeds of this epoch."""
    return _handed_too_far(record, moment, time) or _seen_by_lost_device(record, moment, time)


def _handed_too_far(record: Record, moment: Moment, time: int) -> bool:
    for oth, relation in record.relations.items():
        covered = relation.covered(moment.set.oth, moment.number, time)
        bad = record.accounts[oth].bad_keys if oth in record.accounts else set()
        for grant in relation.grants.values():
            for row in grant.handed:
                if holds(row, moment.set, moment.number, moment.digest) and (row.mask & ~covered or row.rk in bad):
                    return True
    return False


def _seen_by_lost_device(record: Record, moment: Moment, time: int) -> bool:
    account = record.account
    if any(loss.seq > moment.account_seq for loss in account.losses):
        return True
    for delegate in account.delegates:
        if delegate.scope != "full" or delegate.until is not None or moment.iat >= delegate.end:
            continue  # a removed one is among the losses; what was made after its end it never saw
        appointed = account.links[delegate.since].iat
        other = record.accounts.get(delegate.to)
        losses = other.losses if other is not None else []
        if delegate.end <= time or any(x.client and x.iat > moment.iat and x.iat >= appointed for x in losses):
            return True
    return False


def covers(
    relation: RelationState,
    set_id: str,
    index: int,
    epoch: int,
    purpose: str,
    time: int,
    declared: frozenset[str] = frozenset(),
) -> str | None:
    """The id of a grant by which the counterpart is released this stream and epoch now, or None (PROTOCOL.md 4.3).

    `declared`: grants for emergencies that were declared within their span.
    """
    for grant in relation.live(time):
        if (
            grant.reaches(set_id, index, epoch)
            and grant.begins <= time
            and within(purpose, grant.purposes)
            and (not grant.emergency or grant.gid in declared)
        ):
            return grant.gid
    return None


def narrows(before: Grant, after: Grant) -> bool:
    """Whether an amendment takes anything back: a stream, an epoch, a purpose, time."""
    if after.until < before.until or after.begins > before.begins:
        return True
    if set(before.purposes) - set(after.purposes) or (after.emergency and after.emergency != before.emergency):
        return True
    for set_id, (first, mask) in before.cover.items():
        now_first, now_mask = after.cover.get(set_id, (0, 0))
        if mask & ~now_mask or now_first > first:
            return True
    return False
