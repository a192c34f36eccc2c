"""What is still to be done: one pure function of the chains and the vault (PROTOCOL.md 2.7).

Whoever has the vault and the chains computes the same next step, so any client resumes whatever another one, or it
itself before a crash, left half done. `consent.steps` turns a step into what is to be written.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from consent.grants import Moment, Record, handed, holds, started, tainted
from consent.primitives import broken
from consent.relations import Grant, RelationState
from consent.streams import SetState
from consent.vault import Candidate, Vault


@dataclass(frozen=True)
class Begin:
    """Start the stream chain of a set that the vault knows and the hub does not."""

    set: str


@dataclass(frozen=True)
class CloseSet:
    """Close a set whose author may no longer write."""

    set: str


@dataclass(frozen=True)
class Drop:
    """Forget candidates whose epoch number is used up."""

    sets: tuple[str, ...]


@dataclass(frozen=True)
class Prepare:
    """Put a candidate for the next epoch of these sets into the vault."""

    sets: tuple[str, ...]


@dataclass(frozen=True)
class Extend:
    """Amend a growing grant so that it covers these sets too."""

    oth: str
    gid: str
    sets: tuple[str, ...]


@dataclass(frozen=True)
class HandOut:
    """Hand the seeds of these candidates to a grant's counterpart."""

    oth: str
    gid: str
    sets: tuple[str, ...]


@dataclass(frozen=True)
class StartEpoch:
    """Start the epoch that everybody who may read already holds."""

    set: str


Step = Begin | CloseSet | Drop | Prepare | Extend | HandOut | StartEpoch


def owed(record: Record, vault: Vault, now: int) -> Step | None:
    """The next step, or None. A client runs it until empty at start, after each change, and when an `until` passes."""
    return (
        _begin(record, vault, now)
        or _close(record)
        or _prepare(record, vault, now)
        or _extend(record, vault, now)
        or _hand_out(record, vault, now)
        or _start(record, vault)
        or _drop(vault)
    )


def owed_after(record: Record, vault: Vault, ended: Iterable[tuple[str, str, int]]) -> Prepare | None:
    """Fresh candidates where emergencies are over: what the house was handed until then opens nothing that comes after.

    `ended`: counterpart, grant and end (Unix seconds) of each. Keys that are handed out later the hub keeps until the
    next declaration, so that they need no other ones (PROTOCOL.md 5.13).
    """
    relations = ((record.relations.get(oth), gid, until) for oth, gid, until in ended)
    known = [(relation.grants[gid], until) for relation, gid, until in relations if relation and gid in relation.grants]
    due = []
    for set_id, state in record.sets.items() if known else ():
        if state.closed or set_id not in vault.sets:
            continue
        candidate, moment = vault.candidates.get(set_id), started(state, record.account.acc)
        if candidate is not None and candidate.epoch > state.current:
            moment = candidate_moment(record, set_id, candidate)
        if any(_given(grant, moment, until) for grant, until in known):
            due.append(set_id)
    return Prepare(tuple(due)) if due else None


def _given(grant: Grant, moment: Moment, until: int) -> bool:
    """Whether keys of an epoch were in a bundle that was there before a second."""
    rows = (row for bundle in grant.bundles if bundle.link.iat < until for row in bundle.rows)
    return any(holds(row, moment.set, moment.number, moment.digest) for row in rows)


def usable(record: Record, vault: Vault) -> dict[str, Candidate]:
    """The candidates that can still become the next epoch of their sets; the others only wait to be dropped."""
    return {
        set_id: candidate
        for set_id, candidate in vault.candidates.items()
        if not record.sets[set_id].closed and candidate.epoch > record.sets[set_id].current
    }


def candidate_moment(record: Record, set_id: str, candidate: Candidate) -> Moment:
    """A candidate as the epoch it would become."""
    digest = candidate.master.digest(set_id, candidate.epoch)
    state = record.sets.get(set_id, SetState(record.account.acc, set_id))
    return Moment(state, candidate.epoch, digest, candidate.account_seq, candidate.iat)


def _begin(record: Record, vault: Vault, now: int) -> Begin | Prepare | None:
    """A set whose first keys somebody else may have seen in the vault, before its chain began, gets others."""
    for set_id in vault.sets:
        if set_id not in record.sets:
            candidate = vault.candidates.get(set_id)
            if candidate is None or tainted(record, candidate_moment(record, set_id, candidate), now):
                return Prepare((set_id,))
            return Begin(set_id)
    return None


def _close(record: Record) -> CloseSet | None:
    for relation in record.relations.values():
        for set_id in relation.unpermitted:
            if not record.sets[set_id].closed:
                return CloseSet(set_id)
    return None


def _prepare(record: Record, vault: Vault, now: int) -> Prepare | None:
    due = []
    candidates = usable(record, vault)
    for set_id, state in record.sets.items():
        if state.closed or set_id not in vault.sets:
            continue
        candidate = candidates.get(set_id)
        moment = candidate_moment(record, set_id, candidate) if candidate else started(state, record.account.acc)
        if tainted(record, moment, now):
            due.append(set_id)
    return Prepare(tuple(due)) if due else None


def _extend(record: Record, vault: Vault, now: int) -> Extend | None:
    for relation, grant in record.live_grants(now):
        if not grant.grows or not (grant.cover or grant.gid in vault.terms):
            continue
        lacking = tuple(
            set_id
            for set_id, state in record.sets.items()
            if not state.closed and set_id not in grant.cover and record.author(set_id) != relation.oth
        )
        if lacking:
            return Extend(relation.oth, grant.gid, lacking)
    return None


def _hand_out(record: Record, vault: Vault, now: int) -> HandOut | None:
    candidates = usable(record, vault)
    for relation, grant in record.live_grants(now):
        due = tuple(set_id for set_id in candidates if not _has(record, grant, set_id, candidates[set_id]))
        if due:
            return HandOut(relation.oth, grant.gid, due)
    return None


def _has(record: Record, grant: Grant, set_id: str, candidate: Candidate) -> bool:
    first, mask = grant.cover.get(set_id, (candidate.epoch + 1, 0))
    if first > candidate.epoch:
        return True
    moment = candidate_moment(record, set_id, candidate)
    return handed(grant, moment.set, moment.number, moment.digest, mask)


def _start(record: Record, vault: Vault) -> StartEpoch | None:
    return next((StartEpoch(set_id) for set_id in usable(record, vault)), None)


def _drop(vault: Vault) -> Drop | None:
    """Last, so that a rotation of many sets writes the vault once at its end and not after each epoch."""
    return Drop(tuple(vault.candidates)) if vault.candidates else None


def grant_of(record: Record, oth: str, gid: str) -> tuple[RelationState, Grant]:
    """A grant and the relation it stands in. Raises `Rejected(broken, unknown)`."""
    relation = record.relations.get(oth)
    if relation is None or gid not in relation.grants:
        raise broken("unknown")
    return relation, relation.grants[gid]
